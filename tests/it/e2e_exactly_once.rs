//! Exactly once: whoever reads committed records sees each event once and in its order, whatever happens to the replicas.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use sidelight::{
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{ServiceConfig, SimulatorConfig},
};

use crate::support::{
    e2e::{Daemon, Stage, beside_others},
    e2e_events::{address, connection},
    e2e_json::added_to,
    e2e_wire::{Feeder, Over, Tap},
    kafka::{Admin, PATIENCE, Wire, eventually, real_broker},
};

const PARTITIONS: usize = 4;

/// One in eight events has an address of its own that the providers take 60 ms to answer on, so that events overtake others all the time.
fn event(n: usize) -> Wire {
    let ip = address(41, if n.is_multiple_of(8) { n } else { 100_000 + n % 50 });
    let wire = Wire::keyed(0, &format!("host-{}", n % 60), connection(&format!("evt-{n}"), &ip));
    Wire { partition: i32::try_from(n % PARTITIONS).unwrap(), ..wire }
}

fn stage(stem: &str) -> Stage {
    let service = ServiceConfig { latency: Duration::from_millis(60), ..ServiceConfig::default() };
    let services = [VIRUSTOTAL, ABUSEIPDB].map(|provider| (provider, service.clone())).to_vec();
    let config = SimulatorConfig { services, ..SimulatorConfig::default() };
    let mut stage = Stage::new(stem, i32::try_from(PARTITIONS).unwrap(), config);
    stage.set("delivery.guarantee", "\"exactly_once\"");
    stage.set("delivery.transaction_interval", "\"100ms\"");
    // A killed member is forgotten after its session, and its transaction soon after.
    stage.set(
        "kafka.properties",
        "{ \"session.timeout.ms\" = \"2000\", \"heartbeat.interval.ms\" = \"400\", \"transaction.timeout.ms\" = \"3000\" }",
    );
    stage
}

/// A replica of this name.
fn replica(stage: &mut Stage, name: &str) -> Daemon {
    stage.set("kafka.instance_id", &format!("{name:?}"));
    stage.start()
}

/// Sends events until it is told to stop, about 2,000 a second; how many.
fn feed(feeder: &Feeder, done: &AtomicBool) -> usize {
    let mut n = 0;
    while !done.load(Ordering::Relaxed) {
        feeder.send(n, &event(n));
        n += 1;
        if n.is_multiple_of(20) {
            thread::sleep(Duration::from_millis(10));
        }
    }
    feeder.flush();
    n
}

/// Every event once, in the order of its key, as it came but for the annotation.
fn check(output: &Tap, sent: usize) {
    let left = output.wait(sent, 3 * PATIENCE);
    let mut times: BTreeMap<usize, usize> = BTreeMap::new();
    let mut last: HashMap<Vec<u8>, usize> = HashMap::new();
    for record in &left {
        let number = record.number();
        added_to(&event(number).text(), record.text());
        *times.entry(number).or_default() += 1;
        let before = last.insert(record.key.clone().unwrap(), number);
        assert!(before.is_none_or(|before| before <= number), "{number} left after {before:?}");
    }
    let lost: Vec<usize> = (0..sent).filter(|n| !times.contains_key(n)).take(20).collect();
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).take(20).collect();
    assert!(
        lost.is_empty() && twice.is_empty(),
        "{sent} sent, {} left; lost: {lost:?}; more than once: {twice:?}",
        left.len()
    );
}

/// Two replicas, one or the other killed whenever some more records have left, at moments that differ.
#[test]
fn killed_replicas_lose_and_repeat_nothing() {
    const KILLS: usize = 6;
    let _turn = beside_others();
    let mut stage = stage("e2e-eos-kill");
    // Longer than a busy machine holds a living member up.
    stage.set(
        "kafka.properties",
        "{ \"session.timeout.ms\" = \"4000\", \"heartbeat.interval.ms\" = \"500\", \"transaction.timeout.ms\" = \"6000\" }",
    );
    let done = AtomicBool::new(false);
    let feeder = Feeder::new(&stage.input());
    let mut replicas = [replica(&mut stage, "replica-0"), replica(&mut stage, "replica-1")];
    let output = Tap::open(&stage.output());
    let sent = thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(&feeder, &done));
        let over = Over(&done);
        for kill in 0..KILLS {
            let before = output.count();
            eventually("records flow", || output.count() > before + 500);
            // A transaction lasts 100 ms; its commit is a few of them.
            thread::sleep(Duration::from_millis(13 * kill as u64));
            let victim = kill % 2;
            replicas[victim].signal("KILL");
            assert_eq!(replicas[victim].wait(PATIENCE).code, None);
            replicas[victim] = replica(&mut stage, &format!("replica-{victim}"));
        }
        drop(over);
        feeding.join().unwrap()
    });
    check(&output, sent);
    println!("exactly once: {KILLS} kills, {sent} records, 0 lost, 0 repeated");
    for replica in replicas {
        let ended = replica.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    check(&output, sent);
}

/// A replica that is stopped for longer than its session, and goes on later, writes nothing a second time.
#[test]
fn a_zombie_is_refused() {
    let _turn = beside_others();
    let mut stage = stage("e2e-eos-zombie");
    let done = AtomicBool::new(false);
    let feeder = Feeder::new(&stage.input());
    let zombie = replica(&mut stage, "replica-0");
    let other = replica(&mut stage, "replica-1");
    let output = Tap::open(&stage.output());
    let sent = thread::scope(|scope| {
        let feeding = scope.spawn(|| feed(&feeder, &done));
        let over = Over(&done);
        for _ in 0..2 {
            let before = output.count();
            eventually("records flow", || output.count() > before + 500);
            zombie.signal("STOP");
            thread::sleep(Duration::from_secs(4));
            let before = output.count();
            eventually("the other has taken over", || output.count() > before + 1_000);
            zombie.signal("CONT");
            // The brokers have ended its membership and its transaction: both are made anew.
            eventually("the zombie is back", || {
                zombie.status()["partitions"].as_array().is_some_and(|owned| !owned.is_empty())
            });
        }
        drop(over);
        feeding.join().unwrap()
    });
    check(&output, sent);
    for replica in [zombie, other] {
        let ended = replica.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    check(&output, sent);
}

/// A batch that the broker refuses takes its transaction down; only the records that are to blame go to the dead letters.
#[test]
fn refused_records_become_dead_letters_and_no_others() {
    const COUNT: usize = 400;
    let _turn = beside_others();
    let mut stage = stage("e2e-eos-refused");
    // A compacted topic takes no record without a key.
    let partitions = i32::try_from(PARTITIONS).unwrap();
    Admin::new(real_broker()).create_topic(&stage.output(), partitions, &[("cleanup.policy", "compact")]);
    let refused = |n: usize| n % 40 == 7;
    let events: Vec<Wire> =
        (0..COUNT).map(|n| if refused(n) { Wire { key: None, ..event(n) } } else { event(n) }).collect();
    Feeder::new(&stage.input()).send_all(0, &events);
    let daemon = replica(&mut stage, "replica-0");
    let (output, dead) = (Tap::open(&stage.output()), Tap::open(&stage.dead_letters()));
    let numbers = |tap: &Tap, count: usize| -> Vec<usize> {
        let mut numbers: Vec<usize> = tap.wait(count, 2 * PATIENCE).iter().map(|record| record.number()).collect();
        numbers.sort_unstable();
        numbers
    };
    let (bad, good): (Vec<usize>, Vec<usize>) = (0..COUNT).partition(|n| refused(*n));
    assert_eq!(numbers(&dead, bad.len()), bad);
    assert_eq!(numbers(&output, good.len()), good);
    let letter = &dead.seen()[0];
    assert_eq!(letter.header("__connect.errors.topic"), Some(&*stage.input()));
    assert_eq!(letter.text(), event(letter.number()).text(), "the original bytes");
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("its records were tried one by one"), "{}", ended.log);
}
