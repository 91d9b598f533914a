//! Ends under load: nothing is lost, and nothing is repeated when the end is an orderly one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use sidelight::{
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{ServiceConfig, SimulatorConfig},
};

use crate::support::{
    e2e::{Stage, beside_others},
    e2e_events::{address, connection},
    e2e_json::added_to,
    e2e_wire::{Feeder, Tap},
    kafka::{PATIENCE, Wire, eventually},
};

const PARTITIONS: usize = 3;
const ROUNDS: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Terminate,
    Kill,
}

/// One in eight events has an address that the providers take 60 ms to answer on, so that events are parked whenever the end comes.
fn event(n: usize) -> Wire {
    let ip = address(40, if n.is_multiple_of(8) { n } else { 100_000 + n % 50 });
    let wire = Wire::keyed(0, &format!("host-{}", n % 60), connection(&format!("evt-{n}"), &ip));
    Wire { partition: i32::try_from(n % PARTITIONS).unwrap(), ..wire }
}

/// Starts and ends the daemon under load several times; how many records left more than once.
fn run_through(stem: &str, how: End) -> usize {
    let service = ServiceConfig { latency: Duration::from_millis(60), ..ServiceConfig::default() };
    let services = [VIRUSTOTAL, ABUSEIPDB].map(|provider| (provider, service.clone())).to_vec();
    let config = SimulatorConfig { services, ..SimulatorConfig::default() };
    let mut stage = Stage::new(stem, i32::try_from(PARTITIONS).unwrap(), config);
    // A killed member is forgotten after its session. Who leaves by itself needs none that is short: a living member would be put out by a broker that
    // stands still for longer, and would rightly repeat something.
    if how == End::Kill {
        stage.set("kafka.properties", "{ \"session.timeout.ms\" = \"1500\", \"heartbeat.interval.ms\" = \"300\" }");
    }
    let done = AtomicBool::new(false);
    let feeder = Feeder::new(&stage.input());
    let daemon = stage.start();
    let output = Tap::open(&stage.output());
    let (sent, daemon) = thread::scope(|scope| {
        let mut daemon = daemon;
        let feeding = scope.spawn(|| {
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
        });
        for _ in 0..ROUNDS {
            let before = output.count();
            eventually("records flow", || output.count() > before + 300);
            daemon = match how {
                End::Terminate => {
                    let ended = daemon.terminate();
                    assert_eq!(ended.code, Some(0), "{}", ended.log);
                    assert!(ended.log.contains("drained") && !ended.log.contains("panicked"), "{}", ended.log);
                    stage.start()
                }
                End::Kill => {
                    assert_eq!(daemon.kill().code, None);
                    stage.start()
                }
            };
        }
        done.store(true, Ordering::Relaxed);
        (feeding.join().unwrap(), daemon)
    });
    let distinct = || output.seen().iter().map(|record| record.number()).collect::<BTreeSet<_>>().len();
    eventually("all have left", || distinct() == sent);
    let left = output.wait(sent, PATIENCE);
    let mut numbers = BTreeSet::new();
    let mut last: HashMap<Vec<u8>, usize> = HashMap::new();
    for record in &left {
        let number = record.number();
        let came = event(number);
        added_to(&came.text(), record.text());
        if numbers.insert(number) {
            let before = last.insert(record.key.clone().unwrap(), number);
            assert!(before.is_none_or(|before| before < number), "{number} left after {before:?}");
        }
    }
    assert_eq!(numbers, (0..sent).collect::<BTreeSet<_>>(), "nothing is lost");
    let repeated = left.len() - numbers.len();
    println!("{stem}: {ROUNDS} ends under load, {sent} records, 0 lost, {repeated} repeated");
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    repeated
}

#[test]
fn a_terminated_daemon_loses_and_repeats_nothing() {
    let _turn = beside_others();
    assert_eq!(run_through("e2e-sigterm", End::Terminate), 0);
}

#[test]
fn a_killed_daemon_loses_nothing() {
    let _turn = beside_others();
    // What was written after the last commit is written again; the bound only says that repetition is the exception.
    let repeated = run_through("e2e-sigkill", End::Kill);
    assert!(repeated < 3_000, "{repeated}");
}
