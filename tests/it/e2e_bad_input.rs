//! Input that is broken, odd or huge: it leaves byte for byte, nothing is lost, and the daemon goes on.

use std::{collections::BTreeMap, time::Duration};

use sidelight::simulator::SimulatorConfig;

use crate::support::{
    e2e::{Stage, beside_others},
    e2e_events::{address, connection},
    e2e_json::added_to,
    e2e_wire::{Feeder, Seen, Tap},
    kafka::{Admin, Wire, eventually, real_broker},
};

const WITHIN: Duration = Duration::from_secs(40);

/// How a payload must leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// Byte for byte, with this status.
    Same(&'static str),
    /// Byte for byte, with the annotation in a header.
    Aside,
    /// With a member `sidelight`.
    Spliced,
}
use Leaves::{Aside, Same, Spliced};

fn padded(front: &str, back: &str, size: usize) -> Vec<u8> {
    let filler = "lorem ipsum dolor sit amet ".repeat(size / 27 + 1);
    format!("{front}{}{back}", &filler[..size - front.len() - back.len()]).into_bytes()
}

fn rows() -> Vec<(&'static str, Vec<u8>, Leaves)> {
    let ip = |n| address(50, n);
    let deep = |open: &str, close: &str, inner: &str| format!("{}{inner}{}", open.repeat(10_000), close.repeat(10_000));
    let many: Vec<String> = (0..10_000).map(|n| format!("\"{}\"", address(51, n))).collect();
    let framed = |inner: &[u8]| [&[0, 0, 0, 0, 42], inner].concat();
    vec![
        (
            "invalid UTF-8 in JSON",
            [br#"{"destination":{"ip":"45.50.0.1"},"m":""#.as_slice(), &[0xff, 0xfe], b"\"}"].concat(),
            Same("unparsed"),
        ),
        ("invalid UTF-8 at the end", [b"seen 45.50.0.1 ".as_slice(), &[0xe2, 0x82]].concat(), Same("unparsed")),
        ("binary", (0..=255).collect(), Same("unparsed")),
        ("schema registry, Avro", framed(&[2, 0xf6, 0xff, 12, 0x80]), Same("unparsed")),
        ("schema registry, JSON", framed(connection("e", &ip(2)).as_bytes()), Same("unparsed")),
        ("truncated in a string", connection("e", &ip(3)).as_bytes()[..120].to_vec(), Aside),
        ("truncated before the last brace", connection("e", &ip(4)).trim_end_matches('}').as_bytes().to_vec(), Aside),
        ("two objects", format!("{}{}", connection("e", &ip(5)), connection("f", &ip(5))).into_bytes(), Aside),
        ("NULs in text", format!("a\0 {} \0", ip(6)).into_bytes(), Aside),
        ("NUL in JSON", format!("{{\"a\":\"\\u0000\",\"ip\":\"{}\"}}", ip(7)).into_bytes(), Spliced),
        ("raw NUL in a JSON string", format!("{{\"a\":\"\0\",\"ip\":\"{}\"}}", ip(8)).into_bytes(), Aside),
        ("10,000 objects deep", deep("{\"a\":", "}", &format!("\"{}\"", ip(9))).into_bytes(), Spliced),
        (
            "10,000 arrays deep",
            format!("{{\"a\":{}}}", deep("[", "]", &format!("\"{}\"", ip(10)))).into_bytes(),
            Spliced,
        ),
        ("100,000 unclosed", "{\"a\":[".repeat(100_000).into_bytes(), Same("none")),
        (
            "duplicate keys",
            format!(r#"{{"ip":"{}","ip":"{}","sidelight":1,"sidelight":2}}"#, ip(11), ip(12)).into_bytes(),
            Spliced,
        ),
        (
            "numbers without a value",
            format!(r#"{{"ip":"{}","n":1e999,"m":-0.0,"k":123456789012345678901234567890}}"#, ip(13)).into_bytes(),
            Spliced,
        ),
        ("lone surrogates", format!(r#"{{"ip":"{}","s":"\ud800 \udc00x"}}"#, ip(14)).into_bytes(), Spliced),
        ("empty values", br#"{"source":{"ip":""},"url":{"full":""},"":null,"a":[],"b":{}}"#.to_vec(), Same("none")),
        ("empty payload", Vec::new(), Same("none")),
        ("empty object", b"{}".to_vec(), Same("none")),
        ("null", b"null".to_vec(), Same("none")),
        ("blanks", b" \r\n\t".to_vec(), Same("none")),
        ("byte order mark", format!("\u{feff}{}", connection("e", &ip(15))).into_bytes(), Spliced),
        ("10,000 indicators", format!("{{\"ips\":[{}]}}", many.join(",")).into_bytes(), Spliced),
        ("1 MB of JSON", padded(&format!(r#"{{"ip":"{}","m":""#, ip(16)), "\"}", 1_000_000), Spliced),
        ("1 MB of text", padded(&format!("<134>Oct 11 22:14:15 gate app: {} ", ip(17)), "", 1_000_000), Aside),
        ("1 MB without a blank", "a.b@c%".repeat(160_000).into_bytes(), Same("none")),
        ("1 MB of dots", [b"1.".repeat(480_000), b"x".to_vec()].concat(), Same("none")),
    ]
}

fn assert_leaves(name: &str, payload: &[u8], leaves: Leaves, record: &Seen) {
    let out = record.payload.as_deref().unwrap_or_else(|| panic!("{name}: no payload"));
    match leaves {
        Same(status) => {
            assert!(out == payload, "{name}: changed");
            assert_eq!(record.status(), status, "{name}");
            assert!(record.header("sidelight-annotation").is_none(), "{name}");
        }
        Aside => {
            assert!(out == payload, "{name}: changed");
            assert!(record.header("sidelight-annotation").is_some(), "{name}: {:?}", record.headers);
            assert_eq!(record.status(), "complete", "{name}");
        }
        Spliced => {
            assert_eq!(record.status(), "complete", "{name}");
            added_to(std::str::from_utf8(payload).unwrap(), record.text());
        }
    }
}

#[test]
fn bad_input_leaves_byte_for_byte() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-bad", 2, SimulatorConfig::default());
    stage.set("delivery.deadline", "\"30s\"");
    let rows = rows();
    let mut wires: Vec<Wire> = Vec::new();
    for (place, (_, payload, _)) in rows.iter().enumerate() {
        wires.push(Wire { partition: i32::try_from(place % 2).unwrap(), ..Wire::keyed(0, "odd", payload.clone()) });
    }
    wires.push(Wire { payload: None, ..Wire::keyed(0, "odd", "") });
    wires.push(Wire::keyed(1, "odd", connection("last", &address(50, 99))));
    let mut daemon = stage.start();
    let output = Tap::open(&stage.output());
    Feeder::new(&stage.input()).send_all(0, &wires);
    let left = output.wait(wires.len(), WITHIN);
    let left: BTreeMap<usize, Seen> = left.into_iter().map(|record| (record.number(), record)).collect();
    assert_eq!(left.len(), wires.len(), "each once");
    for (number, (name, payload, leaves)) in rows.iter().enumerate() {
        assert_leaves(name, payload, *leaves, &left[&number]);
        let truncated = left[&number].annotation().is_some_and(|annotation| annotation["truncated"] == true);
        assert_eq!(truncated, *name == "10,000 indicators", "{name}");
    }
    assert!(left[&rows.len()].payload.is_none());
    assert_eq!(left[&(rows.len() + 1)].status(), "complete");
    assert!(daemon.is_alive());
    assert_eq!(daemon.get("/readyz").0, 200);
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("panicked") && !ended.log.contains("\"ERROR\""), "{}", ended.log);
}

#[test]
fn a_record_too_large_for_the_output_goes_to_the_dead_letters() {
    let _turn = beside_others();
    let mut stage = Stage::without_input("e2e-large", real_broker(), SimulatorConfig::default());
    stage.set("delivery.deadline", "\"10s\"");
    // Brokers measure what they get: a filler of words would fit once it is compressed.
    stage.set("kafka.properties", "{ \"compression.type\" = \"none\" }");
    let admin = Admin::new(real_broker());
    let large = [("max.message.bytes", "4000000")];
    admin.create_topic(&stage.input(), 1, &large);
    let size = 1_048_588;
    let object = |ip: &str, size| padded(&format!(r#"{{"id":"big","ip":"{ip}","m":""#), "\"}", size);
    let mut wires = vec![
        Wire::keyed(0, "a", connection("first", &address(52, 1))),
        Wire::keyed(0, "a", object(&address(52, 2), 2_000_000)),
        Wire::keyed(0, "b", connection("second", &address(52, 3))),
        // It fits by itself, and not with its annotation.
        Wire::keyed(0, "c", object(&address(52, 4), size - 300)),
        Wire { payload: Some(vec![0xff; 1_500_000]), ..Wire::keyed(0, "d", "") },
        Wire::keyed(0, "a", connection("third", &address(52, 5))),
    ];
    for wire in &mut wires {
        wire.timestamp = Some(1_700_000_000_123);
        wire.headers = vec![("trace".to_owned(), Some(b"x".to_vec()))];
    }
    let daemon = stage.start();
    let (output, late) = (Tap::open(&stage.output()), Tap::open(&stage.late()));
    let dead = Tap::open(&stage.dead_letters());
    Feeder::new(&stage.input()).send_all(0, &wires);
    let left = output.wait(4, WITHIN);
    let letters = dead.wait(2, WITHIN);
    eventually("the annotation comes by itself", || {
        late.seen().iter().any(|record| record.json()["event"]["offset"] == 3)
    });
    let late = late.wait(1, WITHIN);
    eventually("the dead letters are counted", || daemon.status()["dead_letters"] == 2);

    let mut numbers: Vec<usize> = left.iter().map(Seen::number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 2, 3, 5]);
    // The dead-letter topic was the daemon's to create: it takes what the input took.
    let bare = left.iter().find(|record| record.number() == 3).unwrap();
    assert!(bare.payload == wires[3].payload, "it leaves bare");
    let late: Vec<&Seen> = late.iter().filter(|record| record.json()["event"]["offset"] == 3).collect();
    assert_eq!(late.len(), 1);
    let value = late[0].json();
    assert_eq!(value["event"]["id"], "big");
    assert_eq!(value["sidelight"]["status"], "complete");
    assert_eq!(late[0].key, wires[3].key);

    assert_eq!(letters.len(), 2);
    for letter in &letters {
        let wire = &wires[letter.number()];
        assert!(letter.payload == wire.payload && letter.key == wire.key && letter.timestamp == wire.timestamp);
        assert_eq!(letter.header("trace"), Some("x"));
        let connect = |name: &str| letter.header(&format!("__connect.errors.{name}"));
        assert_eq!(connect("topic"), Some(stage.input().as_str()));
        assert_eq!(connect("partition"), Some("0"));
        assert_eq!(connect("offset"), Some(letter.number().to_string().as_str()));
        let class = connect("exception.class.name").unwrap();
        assert!(class.ends_with("RecordTooLargeException"), "{class}");
        for name in ["exception.message", "stage", "connector.name", "task.id", "class.name"] {
            assert!(connect(name).is_some_and(|value| !value.is_empty()), "{name}");
        }
    }
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}
