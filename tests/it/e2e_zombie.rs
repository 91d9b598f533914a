//! A replica that was away for longer than its session: it takes no offset back, and exactly once it pays nothing that another one has paid.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use sidelight::{
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{Fault, ServiceConfig, SimulatorConfig},
};

use crate::support::{
    e2e::{Daemon, Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Tap},
    kafka::{PATIENCE, Wire, committed, eventually, real_broker},
};

const PARTITIONS: i32 = 4;

/// One in 100 events has an address of its own, so that a drain always has something to wait for.
fn event(n: usize) -> Wire {
    let ip = address(43, if n.is_multiple_of(100) { n } else { 100_000 + n % 50 });
    let wire = Wire::keyed(0, &format!("host-{}", n % 60), connection(&format!("evt-{n}"), &ip));
    Wire { partition: i32::try_from(n).unwrap() % PARTITIONS, ..wire }
}

fn feed(feeder: &Feeder, done: &AtomicBool) -> usize {
    let mut n = 0;
    while !done.load(Ordering::Relaxed) {
        feeder.send(n, &event(n));
        n += 1;
        if n.is_multiple_of(10) {
            thread::sleep(Duration::from_millis(10));
        }
    }
    feeder.flush();
    n
}

/// Set when it goes, so that what runs until then ends also with a test that has failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn offsets(input: &str) -> Vec<i64> {
    let found = committed(real_broker(), input.trim_end_matches(".in"), input, PARTITIONS);
    found.into_iter().map(|(offset, _)| offset.unwrap_or(0)).collect()
}

/// Looks at the committed offsets all the time; every step back.
fn watch(input: &str, done: &AtomicBool) -> Vec<String> {
    let mut back = Vec::new();
    let mut before = offsets(input);
    while !done.load(Ordering::Relaxed) {
        let now = offsets(input);
        for (partition, (old, new)) in before.iter().zip(&now).enumerate() {
            if new < old {
                back.push(format!("partition {partition}: {new} after {old}"));
            }
        }
        before = now;
        thread::sleep(Duration::from_millis(50));
    }
    back
}

fn owns(daemon: &Daemon) -> bool {
    daemon.status()["partitions"].as_array().is_some_and(|owned| !owned.is_empty())
}

/// Frozen in the middle of giving partitions up: it wakes with finished records that it may not commit any more.
#[test]
fn a_zombie_takes_no_offset_back() {
    let _turn = beside_others();
    let service = ServiceConfig { latency: Duration::from_secs(1), ..ServiceConfig::default() };
    let services = [VIRUSTOTAL, ABUSEIPDB].map(|provider| (provider, service.clone())).to_vec();
    let mut stage = Stage::new("e2e-zombie", PARTITIONS, SimulatorConfig { services, ..SimulatorConfig::default() });
    stage.set("kafka.properties", "{ \"session.timeout.ms\" = \"2000\", \"heartbeat.interval.ms\" = \"400\" }");
    let (fed, seen) = (AtomicBool::new(false), AtomicBool::new(false));
    let feeder = Feeder::new(&stage.input());
    let input = stage.input();
    let zombie = stage.start();
    zombie.wait_ready();
    let output = Tap::open(&stage.output());
    stage.set("kafka.instance_id", "\"replica-2\"");
    thread::scope(|scope| {
        let _over = (Over(&fed), Over(&seen));
        let feeding = scope.spawn(|| feed(&feeder, &fed));
        let watching = scope.spawn(|| watch(&input, &seen));
        eventually("records flow", || output.count() > 500);
        let other = stage.start();
        eventually("it gives partitions up", || zombie.log().contains("partitions revoked"));
        zombie.signal("STOP");
        let frozen = offsets(&input);
        eventually("the other has taken everything over", || {
            offsets(&input).iter().zip(&frozen).all(|(now, then)| *now > then + 100)
        });
        zombie.signal("CONT");
        let dropped = "its partitions are dropped";
        eventually(&format!("the zombie is dropped: {}", zombie.log()), || {
            // Either its own commit is refused, or the library sees first that its session is over.
            let log = zombie.log();
            log.contains(dropped) || log.contains("\"lost\":true")
        });
        eventually("the zombie is back", || owns(&zombie));
        fed.store(true, Ordering::Relaxed);
        let sent = feeding.join().unwrap();
        eventually("everything is committed", || {
            let sum: i64 = offsets(&input).iter().sum();
            usize::try_from(sum).is_ok_and(|sum| sum == sent)
        });
        for replica in [zombie, other] {
            let ended = replica.terminate();
            assert_eq!(ended.code, Some(0), "{}", ended.log);
        }
        seen.store(true, Ordering::Relaxed);
        assert_eq!(watching.join().unwrap(), Vec::<String>::new(), "committed offsets went back");
        let mut left: Vec<usize> = output.wait(sent, PATIENCE).iter().map(|record| record.number()).collect();
        left.sort_unstable();
        left.dedup();
        assert_eq!(left.len(), sent, "lost");
    });
}

/// What it owed was taken over and paid while it was frozen; when it wakes it hears the answers as well.
#[test]
fn a_zombie_pays_nothing_a_second_time() {
    const OWED: usize = 60;
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-zombie-owes", PARTITIONS, SimulatorConfig::default());
    stage.set("delivery.guarantee", "\"exactly_once\"").set("delivery.deadline", "\"50ms\"");
    stage.set("providers.abuseipdb.timeout", "\"300s\"");
    // Its producer is not what refuses it.
    stage.set(
        "kafka.properties",
        "{ \"session.timeout.ms\" = \"2000\", \"heartbeat.interval.ms\" = \"400\", \"transaction.timeout.ms\" = \"120000\" }",
    );
    stage.providers.simulator().faults().set(ABUSEIPDB, Fault::Hang);
    let wires: Vec<Wire> = (0..OWED)
        .map(|n| Wire {
            partition: i32::try_from(n).unwrap() % PARTITIONS,
            ..Wire::keyed(0, &format!("k{n}"), connection(&format!("evt-{n}"), &address(44, n)))
        })
        .collect();
    let zombie = stage.start();
    let (output, late) = (Tap::open(&stage.output()), Tap::open(&stage.late()));
    Feeder::new(&stage.input()).send_all(0, &wires);
    output.wait(OWED, PATIENCE);
    eventually("all are owed", || zombie.status()["owed_events"] == OWED);
    zombie.signal("STOP");
    stage.providers.simulator().faults().clear(ABUSEIPDB);
    stage.set("kafka.instance_id", "\"replica-2\"");
    let other = stage.start();
    late.wait(OWED, PATIENCE);
    zombie.signal("CONT");
    eventually("the zombie is back", || owns(&zombie));
    for replica in [zombie, other] {
        let ended = replica.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    assert_eq!((output.count(), late.count()), (OWED, OWED));
}
