//! Brokers that go away and come back: the daemon waits, goes on, and loses nothing.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sidelight::simulator::SimulatorConfig;

use crate::support::{
    broker::Broker,
    e2e::{Daemon, Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Over, Tap},
    kafka::{Admin, Wire, eventually},
};

const PARTITIONS: usize = 3;

fn event(n: usize) -> Wire {
    let wire = Wire::keyed(0, &format!("host-{}", n % 20), connection(&format!("evt-{n}"), &address(44, n % 50)));
    Wire { partition: i32::try_from(n % PARTITIONS).unwrap(), ..wire }
}

/// One guarantee under test: its topics, its daemon, what was sent.
struct Lane {
    stage: Stage,
    daemon: Daemon,
    feeder: Feeder,
}

impl Lane {
    fn start(broker: &Broker, stem: &str, guarantee: &str) -> Self {
        let stem = format!("e2e-{stem}-{guarantee}");
        let mut stage = Stage::without_input(&stem, &broker.bootstrap, SimulatorConfig::default());
        Admin::new(&broker.bootstrap).create_topic(&stage.input(), i32::try_from(PARTITIONS).unwrap(), &[]);
        stage.set("delivery.guarantee", &format!("{guarantee:?}"));
        stage.set("kafka.properties", "{ \"transaction.timeout.ms\" = \"6000\" }");
        let daemon = stage.start();
        let feeder = Feeder::idempotent(&broker.bootstrap, &stage.input());
        Self { stage, daemon, feeder }
    }
}

/// Waits until records have come out everywhere. A broker takes its time to start on a busy machine.
fn flow(outputs: &[Tap; 2]) {
    let (before, start) = (outputs.each_ref().map(Tap::count), Instant::now());
    while outputs.iter().zip(before).any(|(tap, before)| tap.count() <= before + 200) {
        let counts = outputs.each_ref().map(Tap::count);
        assert!(start.elapsed() < Duration::from_secs(90), "records do not flow: {before:?}, {counts:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Where each number stands: partitions and offsets.
fn places(tap: &Tap) -> BTreeMap<usize, Vec<(i32, i64)>> {
    let mut places: BTreeMap<usize, Vec<(i32, i64)>> = BTreeMap::new();
    for record in tap.seen() {
        places.entry(record.number()).or_default().push((record.partition, record.offset));
    }
    places
}

#[test]
fn killed_brokers_that_come_back_cost_nothing() {
    // The second time for longer than a transaction may last.
    outages("outage", &[Duration::from_millis(500), Duration::from_secs(8)], Broker::kill);
}

#[test]
fn brokers_without_room_on_their_disk_are_waited_for() {
    outages("disk", &[Duration::from_secs(3)], Broker::leave_no_room);
}

/// Lets a broker go away in this way, for these times, while records flow.
fn outages(stem: &str, outages: &[Duration], mut strike: impl FnMut(&mut Broker)) {
    let _turn = beside_others();
    let mut broker = Broker::start(&[]);
    let mut lanes = ["at_least_once", "exactly_once"].map(|guarantee| Lane::start(&broker, stem, guarantee));
    let outputs = lanes.each_ref().map(|lane| Tap::at(&broker.bootstrap, &lane.stage.output()));
    let done = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        // Also when this fails: else the feeders would never end.
        let _ends = Over(&done);
        let feeding = lanes.each_ref().map(|lane| {
            scope.spawn(|| {
                let mut n = 0;
                while !done.load(Ordering::Relaxed) {
                    lane.feeder.send(n, &event(n));
                    n += 1;
                    thread::sleep(Duration::from_millis(2));
                }
                n
            })
        });
        for outage in outages {
            flow(&outputs);
            strike(&mut broker);
            thread::sleep(*outage);
            broker.start_again();
        }
        flow(&outputs);
        done.store(true, Ordering::Relaxed);
        feeding.map(|feeding| feeding.join().unwrap())
    });
    for ((lane, output), sent) in lanes.iter_mut().zip(&outputs).zip(sent) {
        lane.feeder.flush();
        // The producer that feeds the input meets the same outages: what it wrote twice are two events.
        let input = Tap::at(&broker.bootstrap, &lane.stage.input());
        eventually("all have come and left", || input.times().len() == sent && output.times().len() == sent);
        thread::sleep(Duration::from_millis(300));
        let (came, left) = (places(&input), places(output));
        let twice = came.values().filter(|places| places.len() > 1).count();
        let repeated: Vec<_> = left.iter().filter(|(n, places)| places.len() > came[n].len()).collect();
        let name = &lane.stage.name;
        println!(
            "{name}: {} outages, {sent} records, {twice} of them twice in the input, 0 lost, {} repeated",
            outages.len(),
            repeated.len()
        );
        assert!(lane.daemon.is_alive(), "it waits for brokers:\n{}", lane.daemon.log());
        if name.contains("exactly_once") {
            let from: Vec<_> = repeated.iter().map(|(n, _)| &came[*n]).collect();
            assert!(repeated.is_empty(), "{repeated:?}; in the input {from:?}\n{}", lane.daemon.log());
        } else if !repeated.is_empty() {
            let (first, last) = (repeated[0], repeated[repeated.len() - 1]);
            println!("at least once: from {first:?} to {last:?}\n{}", lane.daemon.log());
        }
    }
    for lane in lanes {
        let ended = lane.daemon.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
}
