//! Brokers that go away and come back: the daemon waits, goes on, and loses nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sidelight::simulator::SimulatorConfig;

use crate::support::{
    e2e::{Daemon, Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Tap},
    kafka::{Admin, Wire, eventually, unique},
};

const PARTITIONS: usize = 3;

/// A broker of this test alone, which may be killed and started again.
struct Broker {
    directory: PathBuf,
    bootstrap: String,
    pid: u32,
    command: Vec<String>,
    again: Option<Child>,
}

impl Broker {
    fn start() -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique("broker"));
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local-kafka/start.sh"))
            .args(["--while", &process::id().to_string(), "--heap", "256m", "--dir"])
            .arg(&directory)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let bootstrap = text.lines().find_map(|line| line.strip_prefix("BOOTSTRAP=")).expect("it starts").to_owned();
        let pid = fs::read_to_string(directory.join("node-1/pid")).unwrap().trim().parse().unwrap();
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        let command = line.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
        let command = command.filter(|part| !part.is_empty()).collect();
        Self { directory, bootstrap, pid, command, again: None }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.again.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        }
        assert!(Command::new("kill").args(["-KILL", &self.pid.to_string()]).status().unwrap().success());
        let gone = || fs::read(format!("/proc/{}/cmdline", self.pid)).map_or(true, |line| line.is_empty());
        eventually("the broker has ended", gone);
    }

    fn start_again(&mut self) {
        let node = self.directory.join("node-1");
        let log = fs::File::create(node.join("again.log")).unwrap();
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).current_dir(node).stdin(Stdio::null());
        self.again = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.again {
            child.kill().ok();
            child.wait().ok();
        }
        let stop = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local-kafka/stop.sh");
        Command::new(stop).arg(&self.directory).status().ok();
    }
}

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
    fn start(broker: &Broker, guarantee: &str) -> Self {
        let stem = format!("e2e-outage-{guarantee}");
        let mut stage = Stage::without_input(&stem, &broker.bootstrap, SimulatorConfig::default());
        Admin::new(&broker.bootstrap).create_topic(&stage.input(), i32::try_from(PARTITIONS).unwrap(), &[]);
        stage.set("delivery.guarantee", &format!("{guarantee:?}"));
        stage.set("kafka.properties", "{ \"transaction.timeout.ms\" = \"3000\" }");
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

/// Ends the feeders when it goes.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn times(tap: &Tap) -> BTreeMap<usize, usize> {
    let mut times = BTreeMap::new();
    for record in tap.seen() {
        *times.entry(record.number()).or_default() += 1;
    }
    times
}

/// Where each number stands that has come more than once: partitions and offsets.
fn places_of_repeated(tap: &Tap) -> BTreeMap<usize, Vec<(i32, i64)>> {
    let mut places: BTreeMap<usize, Vec<(i32, i64)>> = BTreeMap::new();
    for record in tap.seen() {
        places.entry(record.number()).or_default().push((record.partition, record.offset));
    }
    places.retain(|_, places| places.len() > 1);
    places
}

#[test]
fn killed_brokers_that_come_back_cost_nothing() {
    let _turn = beside_others();
    let mut broker = Broker::start();
    let mut lanes = ["at_least_once", "exactly_once"].map(|guarantee| Lane::start(&broker, guarantee));
    let outputs = lanes.each_ref().map(|lane| Tap::at(&broker.bootstrap, &lane.stage.output()));
    let done = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        // Also when this fails: else the feeders would never end.
        let _ends = Ends(&done);
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
        // The second time for longer than a transaction may last.
        for outage in [Duration::from_millis(500), Duration::from_secs(8)] {
            flow(&outputs);
            broker.kill();
            thread::sleep(outage);
            broker.start_again();
        }
        flow(&outputs);
        done.store(true, Ordering::Relaxed);
        feeding.map(|feeding| feeding.join().unwrap())
    });
    for ((lane, output), sent) in lanes.iter_mut().zip(&outputs).zip(sent) {
        lane.feeder.flush();
        eventually("all have left", || times(output).len() == sent);
        thread::sleep(Duration::from_millis(300));
        let repeated: usize = times(output).values().map(|times| times - 1).sum();
        println!("{}: 2 outages, {sent} records, 0 lost, {repeated} repeated", lane.stage.name);
        assert!(lane.daemon.is_alive(), "it waits for brokers:\n{}", lane.daemon.log());
    }
    let [at_least, exactly] = lanes;
    let repeated = places_of_repeated(&outputs[1]);
    assert!(repeated.is_empty(), "{repeated:?}\n{}", exactly.daemon.log());
    for lane in [at_least, exactly] {
        let ended = lane.daemon.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
}
