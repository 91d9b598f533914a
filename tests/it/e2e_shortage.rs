//! More new indicators than any quota could ever ask about: memory stays within its bounds, and the stream goes on.
//!
//! `SIDELIGHT_SHORTAGE_EVENTS` and `SIDELIGHT_SHORTAGE_DISTINCT` make it larger by hand, `SIDELIGHT_SHORTAGE_DEFAULTS` takes the bounds of the program.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use sidelight::simulator::SimulatorConfig;

use crate::support::{
    e2e::{Daemon, Stage, alone},
    e2e_events::{address, connection},
    e2e_wire::Feeder,
    kafka::{Wire, eventually, real_broker},
};

const PARTITIONS: usize = 12;
/// Addresses that are known, as many as the quota of a minute lets through.
const KNOWN: usize = 3;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn event(n: usize, ip: &str) -> Wire {
    let wire = Wire::keyed(0, &format!("host-{}", n % 997), connection(&format!("evt-{n}"), ip));
    Wire { partition: i32::try_from(n % PARTITIONS).unwrap(), ..wire }
}

/// Bytes of one line of the process's own status.
fn resident(daemon: &Daemon, line: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let found = text.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    found.trim().split(' ').next().unwrap().parse::<u64>().unwrap() << 10
}

/// What a backlog took.
struct Run {
    a_second: f64,
    highest: u64,
    ceiling: u64,
}

/// CPU seconds of a process.
fn cpu(daemon: &Daemon) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/stat", daemon.id())).unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    // User and system time in hundredths of a second.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Fills the topic while nobody reads it, then starts the daemon and takes the time.
fn backlog(stage: &Stage, name: &str, count: usize, ip: impl Fn(usize) -> String) -> Run {
    let feeder = Feeder::idempotent(real_broker(), &stage.input());
    for n in 0..count {
        feeder.send(n, &event(n, &ip(n)));
    }
    feeder.flush();
    let daemon = Daemon::spawn(stage.command("run"));
    daemon.wait_ready();
    let out = || daemon.status()["events_out"].as_u64().unwrap();
    while out() == 0 {
        thread::sleep(Duration::from_millis(2));
    }
    let (begun, first, before) = (Instant::now(), out(), cpu(&daemon));
    let mut shown = Instant::now();
    while out() < count as u64 {
        assert!(begun.elapsed() < Duration::from_secs(3_600), "{name}: {} of {count}", out());
        thread::sleep(Duration::from_millis(20));
        if shown.elapsed() > Duration::from_secs(10) {
            shown = Instant::now();
            println!("{name}: {} after {:?}, {} MiB", out(), begun.elapsed(), resident(&daemon, "VmRSS:") >> 20);
        }
    }
    let rest = count as f64 - first as f64;
    let (took, spent) = (begun.elapsed().as_secs_f64(), cpu(&daemon) - before);
    let status = daemon.status();
    let run = Run {
        a_second: rest / took,
        highest: resident(&daemon, "VmHWM:"),
        ceiling: status["memory_ceiling"].as_u64().unwrap(),
    };
    println!(
        "{name}: {count} events, {:.0} a second, {:.1} us of CPU an event, {} MiB at most, allowed are {} MiB; {} {} waiting {} owed {} ({} bytes) late {}",
        run.a_second,
        spent * 1e6 / rest,
        run.highest >> 20,
        run.ceiling >> 20,
        status["by_status"],
        status["cache"],
        status["waiting_indicators"],
        status["owed_events"],
        status["owed_bytes"],
        status["late"],
    );
    assert_eq!(daemon.terminate().code, Some(0));
    run
}

#[test]
fn a_flood_of_new_indicators_stays_within_memory_and_does_not_stop_the_stream() {
    let _turn = alone();
    let count = number("SIDELIGHT_SHORTAGE_EVENTS", 30_000);
    let distinct = number("SIDELIGHT_SHORTAGE_DISTINCT", count);
    let mut stage = Stage::new("e2e-shortage", i32::try_from(PARTITIONS).unwrap(), SimulatorConfig::default());
    for provider in ["virustotal", "abuseipdb"] {
        stage.set(&format!("providers.{provider}.quota"), "\"4/min, 500/day\"");
    }
    stage.set("delivery.commit_interval", "\"1s\"");
    if number("SIDELIGHT_SHORTAGE_DEFAULTS", 0) == 0 {
        // So small that a short flood fills them.
        stage
            .set("enrich.max_waiting", "1000")
            .set("delivery.owed_bytes", "\"4MiB\"")
            .set("cache.capacity", "\"16MiB\"");
    }
    let known = |n: usize| address(20, n % KNOWN);
    let daemon = stage.start();
    Feeder::new(&stage.input()).send_all(0, &(0..KNOWN).map(|n| event(n, &known(n))).collect::<Vec<_>>());
    eventually("the known ones are assessed", || stage.providers.count("virustotal") == KNOWN);
    eventually("the known ones are assessed", || stage.providers.count("abuseipdb") == KNOWN);
    assert_eq!(daemon.terminate().code, Some(0));
    let ample = backlog(&stage, "all known", count, known);
    let short = backlog(&stage, "shortage", count, |n| {
        let n = n % distinct;
        address(30 + u8::try_from(n >> 16).unwrap(), n & 0xffff)
    });
    assert!(short.highest <= short.ceiling, "{} of {}", short.highest, short.ceiling);
    // A stream that waited for anything would be slower by orders of magnitude: the quota lets four a minute through.
    assert!(short.a_second > ample.a_second / 8.0, "{} and {}", short.a_second, ample.a_second);
}
