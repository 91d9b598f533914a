//! What outlives a process: assessments that the whole fleet shares.
//!
//! `SIDELIGHT_STATE_ASSESSMENTS` sets how many stand on the topic for the warm start; by hand a million.

use std::{
    fs,
    time::{Duration, Instant},
};

use sidelight::{
    model::{Evidence, Fact, Indicator, IndicatorKind, Verdict, VerdictKind},
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::SimulatorConfig,
    state::assessment,
};

use crate::support::{
    e2e::{Daemon, Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Tap},
    kafka::{Admin, Wire, eventually, produce, real_broker},
};

const WITHIN: Duration = Duration::from_secs(30);

fn wires(numbers: std::ops::Range<usize>) -> Vec<Wire> {
    numbers.map(|n| Wire::keyed(0, &format!("k{n}"), connection(&format!("evt-{n}"), &address(70, n)))).collect()
}

fn topic(stage: &Stage) -> String {
    format!("{}.state.assessments", stage.name)
}

#[test]
fn a_restarted_daemon_asks_nothing_that_the_fleet_knows() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-warm", 1, SimulatorConfig::default());
    stage.set("delivery.deadline", "\"10s\"");
    let feeder = Feeder::new(&stage.input());
    let first = stage.start();
    let output = Tap::open(&stage.output());
    feeder.send_all(0, &wires(0..40));
    assert!(output.wait(40, WITHIN).iter().all(|record| record.status() == "complete"));
    // Not an orderly end: what was learned is on the topic at once.
    first.kill();
    let calls = stage.providers.calls().len();
    assert_eq!(calls, 80);
    let second = stage.start();
    feeder.send_all(40, &wires(0..40));
    let left = output.wait(80, WITHIN);
    assert!(left.iter().all(|record| record.status() == "complete"), "{left:?}");
    assert_eq!(stage.providers.calls().len(), calls, "everything was known");
    let warmed = second.log_lines().into_iter().find(|line| line["message"] == "read what the fleet has assessed");
    assert!(warmed.unwrap()["records"].as_u64().unwrap() >= 40);
    assert_eq!(second.terminate().code, Some(0));
}

#[test]
fn another_replica_learns_at_once_what_one_has_learned() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-learn", 2, SimulatorConfig::default());
    stage.set("delivery.deadline", "\"10s\"");
    let feeder = Feeder::new(&stage.input());
    let daemons: Vec<Daemon> = (0..2)
        .map(|n| {
            let mut command = stage.command("run");
            command.env("SIDELIGHT__KAFKA__INSTANCE_ID", format!("replica-{n}"));
            Daemon::spawn(command)
        })
        .collect();
    daemons.iter().for_each(Daemon::wait_ready);
    let output = Tap::open(&stage.output());
    eventually("each has a partition", || {
        daemons.iter().all(|daemon| daemon.status()["partitions"].as_array().is_some_and(|owned| owned.len() == 1))
    });
    let known = |daemon: &Daemon| daemon.status()["cache_entries"].as_u64().unwrap();
    let event = |n: usize, partition| Wire { partition, ..wires(n..n + 1).remove(0) };
    let mut longest = Duration::ZERO;
    for n in 0..10 {
        let before: Vec<u64> = daemons.iter().map(known).collect();
        feeder.send_all(n, &[event(n, 0)]);
        output.wait(n + 1, WITHIN);
        let start = Instant::now();
        eventually("both know", || daemons.iter().zip(&before).all(|(daemon, before)| known(daemon) > *before));
        longest = longest.max(start.elapsed());
    }
    println!("the other replica knew at most {longest:?} after the annotated event had been read");
    let calls = stage.providers.calls().len();
    assert_eq!(calls, 20);
    feeder.send_all(10, &(0..10).map(|n| event(n, 1)).collect::<Vec<_>>());
    assert!(output.wait(20, WITHIN).iter().all(|record| record.status() == "complete"));
    assert_eq!(stage.providers.calls().len(), calls, "the other replica asked nothing");
    for daemon in daemons {
        assert_eq!(daemon.terminate().code, Some(0));
    }
}

fn fleet_knows(n: usize, answered_at: i64) -> Wire {
    let indicator =
        Indicator::new(IndicatorKind::Ipv4, format!("45.{}.{}.{}", 64 + n / 65_536, n / 256 % 256, n % 256));
    let facts = vec![("vt_malicious", Fact::Int(3)), ("vt_total", Fact::Int(94))];
    let reference = Some(format!("https://www.virustotal.com/gui/ip-address/{}", indicator.value).into());
    let evidence = Evidence { share: Some(0.3), facts, reference, ..Evidence::default() };
    let verdict = Verdict { kind: VerdictKind::Found, evidence, answered_at };
    let other = Verdict {
        evidence: Evidence { facts: vec![("abuse_confidence", Fact::Int(30))], ..verdict.evidence.clone() },
        ..verdict.clone()
    };
    let key = assessment::key(&indicator);
    let value = assessment::encode(&key, [(VIRUSTOTAL, &verdict), (ABUSEIPDB, &other)]);
    Wire { partition: i32::try_from(n % 4).unwrap(), key: Some(key), payload: Some(value), ..Wire::default() }
}

fn resident_mib(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or("VmHWM: 0 kB");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[test]
fn a_start_reads_what_is_there_and_passes_over_what_is_not_ours() {
    let _turn = beside_others();
    let count = std::env::var("SIDELIGHT_STATE_ASSESSMENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let mut stage = Stage::new("e2e-start", 1, SimulatorConfig::default());
    stage.set("cache.capacity", "\"4GiB\"");
    Admin::new(real_broker()).create_topic(&topic(&stage), 4, &[("cleanup.policy", "compact")]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let good = fleet_knows(0, now);
    let mut damaged = good.clone();
    damaged.payload.as_mut().unwrap()[30] ^= 1;
    let strange = [
        damaged,
        Wire::keyed(1, "hello", "world"),
        Wire { payload: Some(b"7;from the future".to_vec()), ..good.clone() },
        Wire { key: Some(b"9:ipv4:45.64.0.0".to_vec()), ..good },
        fleet_knows(count + 1, now - 90 * 86_400_000),
    ];
    produce(real_broker(), &topic(&stage), &strange);
    for chunk in (0..count).collect::<Vec<_>>().chunks(100_000) {
        let wires: Vec<Wire> = chunk.iter().map(|n| fleet_knows(*n, now)).collect();
        produce(real_broker(), &topic(&stage), &wires);
    }
    let start = Instant::now();
    let daemon = Daemon::spawn(stage.command("run"));
    let mut reasons = Vec::new();
    while !daemon.is_ready() {
        assert!(start.elapsed() < Duration::from_secs(120), "{}", daemon.log());
        if let Some(reason) = daemon.not_ready() {
            reasons.push(reason);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = start.elapsed();
    let entries = daemon.status()["cache_entries"].as_u64().unwrap();
    println!("{count} assessments: ready in {took:?}, {entries} in the cache, {} MiB at most", resident_mib(&daemon));
    assert_eq!(entries, count as u64);
    assert!(count < 100_000 || reasons.iter().any(|reason| reason.contains("shared assessments read so far")));
    let (_, metrics) = daemon.get("/metrics");
    for (result, count) in [("corrupt", 2), ("version", 2)] {
        let line = format!("sidelight_state_records_total{{log=\"assessments\",result=\"{result}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    // What is past its time was given a tombstone, which everybody hears.
    eventually("the old one is gone", || {
        daemon.get("/metrics").1.contains("{log=\"assessments\",result=\"tombstone\"} 1\n")
    });
    let known = count / 2;
    let ip = format!("45.{}.{}.{}", 64 + known / 65_536, known / 256 % 256, known % 256);
    let output = Tap::open(&stage.output());
    Feeder::new(&stage.input()).send_all(0, &[Wire::keyed(0, "k", connection("evt-0", &ip))]);
    assert_eq!(output.wait(1, WITHIN)[0].status(), "complete");
    assert_eq!(stage.providers.calls().len(), 0);
    assert_eq!(daemon.terminate().code, Some(0));
}

#[test]
fn a_start_does_not_wait_for_ever() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-cold", 1, SimulatorConfig::default());
    stage.set("state.warm_timeout", "\"0s\"");
    let daemon = stage.start();
    assert!(daemon.log().contains("state.warm_timeout is over"), "{}", daemon.log());
    assert_eq!(daemon.terminate().code, Some(0));
}
