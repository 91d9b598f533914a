//! Topics that change under the daemon: deleted, made anew.

use std::time::Duration;

use sidelight::simulator::SimulatorConfig;

use crate::support::{
    e2e::{Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Tap},
    kafka::{Admin, PATIENCE, Wire, eventually, real_broker},
};

fn events(range: std::ops::Range<usize>) -> Vec<Wire> {
    let event = |n: usize| Wire::keyed(0, "host-1", connection(&format!("evt-{n}"), &address(45, n % 5)));
    range.map(event).collect()
}

/// A topic that was deleted and made anew holds other records under offsets that were there before: none is passed over in silence.
#[test]
fn a_topic_that_was_made_anew_is_noticed() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-anew", 1, SimulatorConfig::default());
    // How soon the client looks what has become of a topic.
    stage.set("kafka.properties", "{ \"topic.metadata.refresh.interval.ms\" = \"1000\" }");
    let admin = Admin::new(real_broker());
    Feeder::new(&stage.input()).send_all(0, &events(0..100));
    let mut daemon = stage.start();
    let output = Tap::open(&stage.output());
    output.wait(100, PATIENCE);

    admin.delete_topic(&stage.input());
    eventually("it is gone", || admin.partitions(&stage.input()).is_none());
    admin.create_topic(&stage.input(), 1, &[]);
    Feeder::new(&stage.input()).send_all(100, &events(100..110));
    let ended = daemon.wait(Duration::from_secs(45));
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    let said = ["gone before they were read", "Unknown topic or partition"].iter().any(|text| ended.log.contains(text));
    assert!(said && ended.log.contains(&stage.input()), "{}", ended.log);

    // The brokers have dropped the group's offsets with the topic: a start reads the new one from its beginning.
    let daemon = stage.start();
    assert_eq!(output.wait(110, PATIENCE).len(), 110);
    assert_eq!(daemon.terminate().code, Some(0));
}
