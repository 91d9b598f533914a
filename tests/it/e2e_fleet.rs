//! Several replicas of the real program on one quota: what the provider sees is one quota, whoever is killed.
//!
//! `SIDELIGHT_FLEET_REPLICAS` and `SIDELIGHT_FLEET_KILLS` make it longer by hand.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sidelight::{
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{Fault, FaultRule, ServiceConfig, SimulatorConfig},
};

use crate::support::{
    e2e::{Daemon, Stage, alone, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Tap},
    kafka::{Admin, PATIENCE, Wire, eventually, real_broker},
};

const PARTITIONS: usize = 6;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn event(n: usize, ip: &str) -> Wire {
    let wire = Wire::keyed(0, &format!("host-{}", n % 60), connection(&format!("evt-{n}"), ip));
    Wire { partition: i32::try_from(n % PARTITIONS).unwrap(), ..wire }
}

fn start(stage: &Stage, replica: usize) -> Daemon {
    let mut command = stage.command("run");
    command.env("SIDELIGHT__KAFKA__INSTANCE_ID", format!("replica-{replica}"));
    Daemon::spawn(command)
}

fn fleet(stage: &Stage, replicas: usize) -> Vec<Daemon> {
    let daemons: Vec<Daemon> = (0..replicas).map(|replica| start(stage, replica)).collect();
    for daemon in &daemons {
        daemon.wait_ready();
    }
    daemons
}

/// A simulator with these quotas, and a stage that knows them.
fn stage(stem: &str, quotas: [&str; 2], latency: Duration) -> Stage {
    let services = [VIRUSTOTAL, ABUSEIPDB].into_iter().zip(quotas).map(|(provider, quota)| {
        let service =
            ServiceConfig { quota: Some(quota.parse().unwrap()), latency, jitter: latency, ..ServiceConfig::default() };
        (provider, service)
    });
    let config = SimulatorConfig { services: services.collect(), ..SimulatorConfig::default() };
    let mut stage = Stage::new(stem, i32::try_from(PARTITIONS).unwrap(), config);
    for (provider, quota) in [VIRUSTOTAL, ABUSEIPDB].into_iter().zip(quotas) {
        stage.set(&format!("providers.{provider}.quota"), &format!("{quota:?}"));
    }
    stage.set("delivery.deadline", "\"200ms\"");
    // A killed member is forgotten after its session.
    stage.set("kafka.properties", "{ \"session.timeout.ms\" = \"1500\", \"heartbeat.interval.ms\" = \"300\" }");
    stage
}

#[test]
fn replicas_share_one_quota_and_a_killed_one_does_not_multiply_it() {
    let _turn = alone();
    let (replicas, kills) = (number("SIDELIGHT_FLEET_REPLICAS", 3), number("SIDELIGHT_FLEET_KILLS", 5));
    let stage = stage("e2e-fleet", ["20/s, 400/min", "60/min"], Duration::from_millis(20));
    let mut daemons = fleet(&stage, replicas);
    let output = Tap::open(&stage.output());
    let feeder = Feeder::new(&stage.input());
    let done = AtomicBool::new(false);
    let begun = Instant::now();
    thread::scope(|scope| {
        let feeding = scope.spawn(|| {
            let mut n = 0;
            while !done.load(Ordering::Relaxed) {
                // Each address twice, on two partitions: mostly at two replicas.
                feeder.send(n, &event(n, &address(50 + u8::try_from(n / 2 / 60_000).unwrap(), n / 2 % 60_000)));
                n += 1;
                thread::sleep(Duration::from_millis(5));
            }
            feeder.flush();
        });
        for kill in 0..kills {
            thread::sleep(Duration::from_millis(2_000));
            let victim = kill % daemons.len();
            let killed = daemons.swap_remove(victim);
            assert_eq!(killed.kill().code, None);
            let fresh = start(&stage, replicas + kill);
            fresh.wait_ready();
            daemons.push(fresh);
        }
        thread::sleep(Duration::from_millis(2_000));
        done.store(true, Ordering::Relaxed);
        feeding.join().unwrap();
    });
    let length = begun.elapsed();
    for daemon in daemons {
        let ended = daemon.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(!ended.log.contains("panicked"), "{}", ended.log);
    }
    assert!(output.count() > 100);
    let stats = stage.providers.simulator().stats();
    for (provider, per_minute) in [("virustotal", 400.0), ("abuseipdb", 60.0)] {
        let service = &stats.providers[provider];
        let most = per_minute * (length.as_secs_f64() / 60.0).ceil();
        println!(
            "{replicas} replicas, {kills} kills in {length:?}: {provider} {} calls of at most {most}, {} over the quota, {} duplicates",
            service.calls, service.over_quota, service.duplicates
        );
        assert_eq!(service.over_quota, 0, "{service:?}");
        assert!(service.calls as f64 > most / 4.0, "the quota is used: {service:?}");
    }
}

#[test]
fn a_pause_holds_for_the_whole_fleet() {
    let _turn = beside_others();
    let stage = stage("e2e-fleet-pause", ["1000/min", "1000/min"], Duration::from_millis(10));
    let rule = FaultRule { retry_after: Some("6".to_owned()), calls: Some(1), ..Fault::Throttle.into() };
    stage.providers.simulator().faults().set(ABUSEIPDB, rule);
    let daemons = fleet(&stage, 2);
    let feeder = Feeder::new(&stage.input());
    feeder.send_all(0, &[event(0, &address(60, 0))]);
    eventually("it is refused", || stage.providers.count("abuseipdb") == 1);
    thread::sleep(Duration::from_millis(500));
    let wires: Vec<Wire> = (1..60).map(|n| event(n, &address(60, n))).collect();
    feeder.send_all(1, &wires);
    eventually("the other provider goes on", || stage.providers.count("virustotal") == 60);
    assert_eq!(stage.providers.count("abuseipdb"), 1, "no replica asks");
    // One that starts now learns of it.
    let late = start(&stage, 9);
    late.wait_ready();
    eventually("the pause ends", || stage.providers.count("abuseipdb") > 1);
    let log = stage.providers.simulator().log();
    let times: Vec<Duration> =
        log.iter().filter(|entry| entry.provider == ABUSEIPDB).map(|entry| entry.monotonic).collect();
    assert!(times[1] - times[0] >= Duration::from_secs(6), "{:?}", times[1] - times[0]);
    drop((daemons, late));
}

#[test]
fn a_storm_of_refusals_pauses_one_provider_and_nothing_else() {
    let _turn = beside_others();
    for retry_after in [None, Some("0"), Some("-1"), Some("315360000"), Some("soon")] {
        let stage = stage("e2e-storm", ["100000/min", "100000/min"], Duration::from_millis(10));
        let rule = FaultRule { retry_after: retry_after.map(str::to_owned), ..Fault::Throttle.into() };
        stage.providers.simulator().faults().set(ABUSEIPDB, rule);
        let daemons = fleet(&stage, 2);
        let output = Tap::open(&stage.output());
        let wires: Vec<Wire> = (0..1_200).map(|n| event(n, &address(61, n / 2))).collect();
        let begun = Feeder::new(&stage.input()).send_all(0, &wires);
        let left = output.wait(wires.len(), PATIENCE);
        let took = left.iter().map(|record| record.at).max().unwrap() - begun;
        eventually("the other provider answers for all", || stage.providers.count("virustotal") >= 600);
        let status = daemons[0].status();
        let abuse = status["providers"].as_array().unwrap().iter().find(|p| p["provider"] == "abuseipdb").unwrap();
        assert!(abuse["state"].as_str().unwrap().contains("paused"), "{abuse}");
        let refused = stage.providers.count("abuseipdb");
        println!("Retry-After {retry_after:?}: {refused} calls refused, {} events in {took:?}", left.len());
        // What was under way when the first was refused, at two replicas with 8 calls each.
        assert!((1..=16).contains(&refused), "{retry_after:?}: {refused}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert!(daemons.into_iter().all(|daemon| daemon.terminate().code == Some(0)));
    }
}

#[test]
fn a_topic_that_cannot_be_a_ledger_is_refused() {
    let _turn = beside_others();
    let admin = Admin::new(real_broker());
    for (stem, partitions, settings, says) in [
        ("e2e-ledger-time", 1, &[][..], "message.timestamp.type=LogAppendTime"),
        ("e2e-ledger-parts", 3, &[("message.timestamp.type", "LogAppendTime")][..], "has 3 partitions"),
    ] {
        let stage = stage(stem, ["10/min", "10/min"], Duration::ZERO);
        admin.create_topic(&format!("{}.state.ledger", stage.name), partitions, settings);
        let ended = Daemon::spawn(stage.command("run")).wait(PATIENCE);
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        assert!(ended.log.contains(says), "{}", ended.log);
    }
}

/// Value of a counter in the metrics of a daemon.
fn counter(daemon: &Daemon, name: &str) -> f64 {
    let (_, text) = daemon.get("/metrics");
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or("x 0");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// `SIDELIGHT_FLEET_QUOTA` and `SIDELIGHT_FLEET_SECONDS` make it larger by hand: "60000/min" for 150 seconds is a thousand a second.
#[test]
fn a_budget_is_used_where_there_is_demand() {
    let _turn = alone();
    let quota = std::env::var("SIDELIGHT_FLEET_QUOTA").unwrap_or_else(|_| "50/s".to_owned());
    let seconds = number("SIDELIGHT_FLEET_SECONDS", 8);
    let replicas = number("SIDELIGHT_FLEET_REPLICAS", 3);
    let parsed: sidelight::budget::Quota = quota.parse().unwrap();
    let window = parsed.windows()[0];
    let length = window.span.sliding().unwrap();
    let per_second = window.limit as f64 / length.as_secs_f64();
    let mut stage = stage("e2e-demand", [&quota, "1/min"], Duration::from_millis(20));
    stage
        .set("providers.virustotal.max_in_flight", "64")
        .set("enrich.max_in_flight", "128")
        .set("enrich.reserve", "0.0");
    let demand = (per_second * (seconds as f64 + 20.0)) as usize;
    let daemons = fleet(&stage, replicas);
    let feeder = Feeder::new(&stage.input());
    for n in 0..demand.min(200_000) {
        feeder.send(n, &event(n, &address(80 + u8::try_from(n / 60_000).unwrap(), n % 60_000)));
    }
    feeder.flush();
    let count = || stage.providers.simulator().stats().providers.get("virustotal").map_or(0, |service| service.calls);
    eventually("calls flow", || count() > 0);
    let written = || daemons.iter().map(|daemon| counter(daemon, "sidelight_ledger_written_total")).sum::<f64>();
    let (begun, first, records) = (Instant::now(), count(), written());
    thread::sleep(Duration::from_secs(seconds as u64));
    let took = begun.elapsed().as_secs_f64();
    let (calls, records) = (count() - first, written() - records);
    let most = per_second * took;
    println!(
        "{replicas} replicas, {quota}: {calls} calls in {took:.1} s, {:.1} % of the budget, {:.1} ledger records a second",
        100.0 * calls as f64 / most,
        records / took
    );
    assert_eq!(stage.providers.simulator().stats().providers["virustotal"].over_quota, 0);
    // The headroom of 250 ms takes a fifth of a window of a second, returns and the machine some of the rest.
    assert!(calls as f64 > most * 0.55, "{calls} of {most}");
}

/// `SIDELIGHT_FLEET_INDICATORS` makes it larger by hand.
#[test]
fn new_addresses_that_all_replicas_meet_at_once_are_asked_once() {
    let _turn = alone();
    let (replicas, count) = (3, number("SIDELIGHT_FLEET_INDICATORS", 1_000));
    let stage = stage("e2e-claims", ["1000000/min", "1000000/min"], Duration::from_millis(20));
    let daemons = fleet(&stage, replicas);
    let output = Tap::open(&stage.output());
    let feeder = Feeder::new(&stage.input());
    for n in 0..count * PARTITIONS {
        // The same address on every partition, one right after the other.
        feeder.send(n, &event(n, &address(90, n / PARTITIONS)));
    }
    feeder.flush();
    output.wait(count * PARTITIONS, Duration::from_secs(60));
    let stats = || stage.providers.simulator().stats().providers;
    let calls = |provider: &str| stats().get(provider).map_or(0, |service| service.calls);
    let begun = Instant::now();
    while ["virustotal", "abuseipdb"].iter().any(|provider| calls(provider) < count as u64) {
        assert!(begun.elapsed() < Duration::from_secs(300), "{:?}", stats());
        thread::sleep(Duration::from_millis(100));
    }
    // Longer than a claim lasts after its answer: who had not heard of it by then would ask again.
    thread::sleep(Duration::from_secs(15));
    for provider in ["virustotal", "abuseipdb"] {
        let service = &stats()[provider];
        println!(
            "{replicas} replicas, {count} addresses: {provider} {} calls, {} duplicates",
            service.calls, service.duplicates
        );
        assert_eq!(service.distinct, count as u64);
        assert_eq!(service.duplicates, 0, "{service:?}");
    }
    drop(daemons);
}
