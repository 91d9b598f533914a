//! Replicas that come and go under load, by both protocols of groups: nothing is lost, and nothing is repeated when they go in order.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sidelight::simulator::SimulatorConfig;

use crate::support::{
    e2e::{Daemon, Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Tap},
    kafka::{Admin, PATIENCE, Wire, eventually, real_broker},
};

const PARTITIONS: usize = 6;

fn event(n: usize) -> Wire {
    let wire = Wire::keyed(0, &format!("host-{}", n % 60), connection(&format!("evt-{n}"), &address(42, n % 50)));
    Wire { partition: i32::try_from(n % PARTITIONS).unwrap(), ..wire }
}

fn stage(stem: &str, guarantee: &str, properties: &str) -> Stage {
    let mut stage = Stage::new(stem, i32::try_from(PARTITIONS).unwrap(), SimulatorConfig::default());
    stage.set("delivery.guarantee", &format!("{guarantee:?}")).set("kafka.properties", properties);
    stage
}

fn replica(stage: &mut Stage, name: &str) -> Daemon {
    stage.set("kafka.instance_id", &format!("{name:?}"));
    stage.start()
}

fn owned(daemon: &Daemon) -> usize {
    daemon.status()["partitions"].as_array().map_or(0, Vec::len)
}

/// Sends events until it is told to stop; how many.
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

fn each_once(output: &Tap, sent: usize) {
    let mut times: BTreeMap<usize, usize> = BTreeMap::new();
    for record in output.wait(sent, 2 * PATIENCE) {
        *times.entry(record.number()).or_default() += 1;
    }
    let lost: Vec<usize> = (0..sent).filter(|n| !times.contains_key(n)).take(20).collect();
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).take(20).collect();
    assert!(lost.is_empty() && twice.is_empty(), "{sent} sent; lost: {lost:?}; more than once: {twice:?}");
}

fn come_and_go(stem: &str, guarantee: &str, properties: &str, rounds: usize) {
    let _turn = beside_others();
    let mut stage = stage(stem, guarantee, properties);
    let (feeder, done) = (Feeder::new(&stage.input()), AtomicBool::new(false));
    let first = replica(&mut stage, "replica-0");
    let output = Tap::open(&stage.output());
    let (sent, replicas) = thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(&feeder, &done));
        let (mut old, mut replicas) = (first, Vec::new());
        for round in 1..=rounds {
            let fresh = replica(&mut stage, &format!("replica-{round}"));
            eventually("the partitions are shared", || owned(&fresh) == 3 && owned(&old) == 3);
            let before = output.count();
            eventually("records flow", || output.count() > before + 200);
            let ended = old.terminate();
            assert_eq!(ended.code, Some(0), "{}", ended.log);
            eventually("the other has all of them", || owned(&fresh) == PARTITIONS);
            old = fresh;
        }
        replicas.push(old);
        done.store(true, Ordering::Relaxed);
        (feeding.join().unwrap(), replicas)
    });
    each_once(&output, sent);
    for replica in replicas {
        assert_eq!(replica.terminate().code, Some(0));
    }
}

#[test]
fn at_least_once_by_the_classic_protocol() {
    come_and_go("e2e-group-classic", "at_least_once", "{}", 2);
}

#[test]
fn exactly_once_by_the_classic_protocol() {
    come_and_go("e2e-group-classic-eos", "exactly_once", "{}", 2);
}

#[test]
fn at_least_once_by_the_consumer_protocol() {
    come_and_go("e2e-group-848", "at_least_once", "{ \"group.protocol\" = \"consumer\" }", 1);
}

#[test]
fn exactly_once_by_the_consumer_protocol() {
    come_and_go("e2e-group-848-eos", "exactly_once", "{ \"group.protocol\" = \"consumer\" }", 1);
}

/// Told to end while its first heartbeat is under way, a member leaves the group all the same: nobody waits for the end of its session, 45 s.
#[test]
fn a_member_that_ends_as_it_joins_holds_nothing_up() {
    const ROUNDS: u64 = 6;
    // Members hear of what they have to give up every 5 s.
    const STEADY: Duration = Duration::from_secs(8);
    let _turn = beside_others();
    let mut stage = stage("e2e-group-brief", "at_least_once", "{ \"group.protocol\" = \"consumer\" }");
    let first = replica(&mut stage, "replica-0");
    eventually("it has all partitions", || owned(&first) == PARTITIONS);
    stage.set("kafka.instance_id", "\"replica-1\"");
    for round in 0..ROUNDS {
        let brief = Daemon::spawn(stage.command("run"));
        eventually("it is about to join", || brief.log().contains("read what the fleet has assessed"));
        thread::sleep(Duration::from_millis(20 * round));
        let ended = brief.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    let (start, mut since) = (Instant::now(), Instant::now());
    while since.elapsed() < STEADY {
        if owned(&first) != PARTITIONS {
            since = Instant::now();
        }
        assert!(start.elapsed() < 4 * STEADY, "a member that has ended still counts");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(first.terminate().code, Some(0));
}

/// A static member that comes back within its session gets its partitions without a rebalance of the others.
#[test]
fn a_static_member_comes_back_to_its_partitions() {
    let _turn = beside_others();
    let mut stage = stage("e2e-group-static", "at_least_once", "{ \"session.timeout.ms\" = \"20000\" }");
    stage.set("kafka.static_membership", "true");
    let first = replica(&mut stage, "replica-0");
    let second = replica(&mut stage, "replica-1");
    eventually("the partitions are shared", || owned(&first) == 3 && owned(&second) == 3);
    let assignments = |daemon: &Daemon| daemon.log().matches("partitions assigned").count();
    let before = assignments(&first);
    assert_eq!(second.terminate().code, Some(0));
    let second = replica(&mut stage, "replica-1");
    eventually("it has its partitions", || owned(&second) == 3);
    assert_eq!((owned(&first), assignments(&first)), (3, before), "{}", first.log());

    // The same name once more: the older one is put out, and says so.
    let namesake = Daemon::spawn({
        stage.set("kafka.instance_id", "\"replica-1\"");
        stage.command("run")
    });
    let mut second = second;
    let ended = second.wait(PATIENCE);
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("refuses this member"), "{}", ended.log);
    namesake.wait_ready();
}

/// Partitions that are added to the input while it is read are read from their beginning.
#[test]
fn partitions_that_are_added_are_read() {
    let _turn = beside_others();
    let properties = "{ \"topic.metadata.refresh.interval.ms\" = \"1000\" }";
    let mut stage = stage("e2e-group-grow", "at_least_once", properties);
    stage.set("input.offset_reset", "\"latest\"");
    let daemon = replica(&mut stage, "replica-0");
    eventually("it has all", || owned(&daemon) == PARTITIONS);
    let output = Tap::open(&stage.output());
    Admin::new(real_broker()).add_partitions(&stage.input(), 2 * PARTITIONS);
    let feeder = Feeder::new(&stage.input());
    let events: Vec<Wire> =
        (0..120).map(|n| Wire { partition: i32::try_from(n % (2 * PARTITIONS)).unwrap(), ..event(n) }).collect();
    feeder.send_all(0, &events);
    each_once(&output, events.len());
    assert_eq!(owned(&daemon), 2 * PARTITIONS);
}
