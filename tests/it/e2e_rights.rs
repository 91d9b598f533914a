//! Rights that are taken away while the daemon runs: it ends and says which one it lacks, and nothing is lost or, exactly once, repeated.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use sidelight::simulator::SimulatorConfig;

use crate::support::{
    broker::Broker,
    e2e::{Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Over, Tap},
    kafka::{Admin, PATIENCE, Wire, eventually},
};

const PARTITIONS: usize = 2;

fn event(n: usize) -> Wire {
    let wire = Wire::keyed(0, &format!("host-{}", n % 20), connection(&format!("evt-{n}"), &address(46, n % 50)));
    Wire { partition: i32::try_from(n % PARTITIONS).unwrap(), ..wire }
}

/// Everything that there is.
const ALL: [&str; 9] = ["--operation", "All", "--topic", "*", "--group", "*", "--transactional-id", "*", "--cluster"];

/// Changes the rights that everybody is granted, or is denied all the same: the arguments that name them.
fn rights(broker: &Broker, change: [&str; 2], rights: &[&str]) {
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local-kafka/tool.sh"))
        .args(["AclCommand", "--bootstrap-server", &broker.bootstrap, "--force"])
        .args(change)
        .arg("User:*")
        .args(rights)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_right_that_is_lost_ends_the_daemon_with_its_name_and_costs_nothing() {
    let _turn = beside_others();
    let broker = Broker::start(&[
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found=true",
    ]);
    // Where a resource has rules, nobody has a right that they do not name.
    rights(&broker, ["--add", "--allow-principal"], &ALL);
    for guarantee in ["at_least_once", "exactly_once"] {
        let mut stage =
            Stage::without_input(&format!("e2e-rights-{guarantee}"), &broker.bootstrap, SimulatorConfig::default());
        Admin::new(&broker.bootstrap).create_topic(&stage.input(), i32::try_from(PARTITIONS).unwrap(), &[]);
        stage.set("delivery.guarantee", &format!("{guarantee:?}"));
        let id = format!("{}.replica-1", stage.name);
        let (input, output, group) = (stage.input(), stage.output(), stage.name.clone());
        let group_right = (vec!["--operation", "Read", "--group", &group], group.as_str());
        let cases = if guarantee == "exactly_once" {
            vec![
                (vec!["--operation", "Read", "--topic", &input], input.as_str()),
                (vec!["--operation", "Write", "--topic", &output], output.as_str()),
                (vec!["--operation", "Write", "--transactional-id", &id], id.as_str()),
                group_right,
            ]
        } else {
            vec![group_right]
        };
        let feeder = Feeder::idempotent(&broker.bootstrap, &stage.input());
        let mut daemon = stage.start();
        let tap = Tap::at(&broker.bootstrap, &output);
        let done = AtomicBool::new(false);
        let sent = thread::scope(|scope| {
            let _ends = Over(&done);
            let feeding = scope.spawn(|| {
                let mut n = 0;
                while !done.load(Ordering::Relaxed) {
                    feeder.send(n, &event(n));
                    n += 1;
                    thread::sleep(Duration::from_millis(2));
                }
                n
            });
            for (right, name) in &cases {
                let before = tap.count();
                eventually("records flow", || tap.count() > before + 200);
                rights(&broker, ["--add", "--deny-principal"], right);
                let ended = daemon.wait(PATIENCE);
                assert!(ended.code.is_some_and(|code| code != 0), "{right:?}: {:?}\n{}", ended.code, ended.log);
                let last = ended.log.lines().last().unwrap_or_default();
                assert!(last.contains("not authorised") && last.contains(name), "{right:?}: {last}\n{}", ended.log);
                rights(&broker, ["--remove", "--deny-principal"], right);
                daemon = stage.start();
            }
            let before = tap.count();
            eventually("records flow", || tap.count() > before + 200);
            done.store(true, Ordering::Relaxed);
            feeding.join().unwrap()
        });
        feeder.flush();
        eventually("all have left", || tap.times().len() == sent);
        thread::sleep(Duration::from_millis(300));
        let repeated: usize = tap.times().values().map(|times| times - 1).sum();
        println!("{guarantee}: {} rights lost, {sent} records, 0 lost, {repeated} repeated", cases.len());
        assert!(guarantee == "at_least_once" || repeated == 0, "{repeated} repeated");
        let ended = daemon.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
}
