//! Dead letters go back to where they came from.

use sidelight::simulator::SimulatorConfig;

use crate::support::{
    e2e::{Stage, beside_others, run_with},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, NUMBER, Tap},
    kafka::{Admin, PATIENCE, Wire, eventually, produce, real_broker},
};

const COUNT: usize = 60;

fn event(n: usize) -> Wire {
    let wire = Wire::keyed(0, "host-1", connection(&format!("evt-{n}"), &address(43, n % 5)));
    let key = if n.is_multiple_of(6) { None } else { wire.key.clone() };
    let headers = vec![("trace".to_owned(), Some(b"1".to_vec()))];
    Wire { partition: i32::try_from(n % 3).unwrap(), key, headers, ..wire }
}

#[test]
fn dead_letters_are_put_back_once_and_a_replay_goes_on_where_the_last_one_ended() {
    let _turn = beside_others();
    let stage = Stage::new("e2e-replay", 3, SimulatorConfig::default());
    let admin = Admin::new(real_broker());
    // A compacted topic takes no record without a key.
    admin.create_topic(&stage.output(), 3, &[("cleanup.policy", "compact")]);
    let daemon = stage.start();
    let events: Vec<Wire> = (0..COUNT).map(event).collect();
    Feeder::new(&stage.input()).send_all(0, &events);
    let (output, dead) = (Tap::open(&stage.output()), Tap::open(&stage.dead_letters()));
    dead.wait(10, PATIENCE);
    output.wait(COUNT - 10, PATIENCE);
    // Somebody else's letters: nobody knows whence, and one that would write where nobody should.
    let foreign = |headers: Vec<(String, Option<Vec<u8>>)>| Wire { headers, ..Wire::keyed(0, "k", "foreign") };
    let elsewhere = ("__connect.errors.topic".to_owned(), Some(b"__consumer_offsets".to_vec()));
    produce(real_broker(), &stage.dead_letters(), &[foreign(Vec::new()), foreign(vec![elsewhere])]);
    admin.set_topic(&stage.output(), "cleanup.policy", "delete");

    let replay = |more: &[&str]| {
        let ended = run_with(stage.command("replay").args(more), b"");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        text.lines().last().unwrap().to_owned()
    };
    let group = format!("; group {}.replay", stage.name);
    assert_eq!(replay(&["--dry-run"]), format!("10 of 12 would be put back, 2 left{group}"));
    assert_eq!(replay(&["--limit", "4"]), format!("4 of 4 put back, 0 left{group}"));
    assert_eq!(replay(&[]), format!("6 of 8 put back, 2 left{group}"));
    assert_eq!(replay(&[]), format!("0 of 0 put back, 0 left{group}"));

    let mut left = output.wait(COUNT, PATIENCE);
    left.sort_by_key(crate::support::e2e_wire::Seen::number);
    assert_eq!(left.iter().map(|record| record.number()).collect::<Vec<_>>(), (0..COUNT).collect::<Vec<_>>());
    let input = Tap::open(&stage.input());
    let again: Vec<_> = input.wait(COUNT + 10, PATIENCE).into_iter().filter(|record| record.key.is_none()).collect();
    assert_eq!(again.len(), 20, "each of the ten twice");
    for record in again {
        let sent = event(record.number());
        assert_eq!((record.partition, record.payload), (sent.partition, sent.payload));
        let names: Vec<&str> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [NUMBER, "trace"], "the headers that it came with");
    }
    eventually("nothing more comes", || dead.count() == 12);
    assert_eq!(daemon.terminate().code, Some(0));
}
