//! Late records: what is owed to events that left without a complete assessment.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sidelight::{
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{Fault, ServiceConfig, SimulatorConfig},
};

use crate::support::{
    e2e::{Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Seen, Tap},
    kafka::{Wire, eventually},
};

const WITHIN: Duration = Duration::from_secs(30);

fn slow() -> SimulatorConfig {
    let service = ServiceConfig { latency: Duration::from_millis(300), ..ServiceConfig::default() };
    let services = [VIRUSTOTAL, ABUSEIPDB].map(|provider| (provider, service.clone())).to_vec();
    SimulatorConfig { services, ..SimulatorConfig::default() }
}

#[test]
fn each_event_that_left_too_early_gets_one_late_record() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-late", 1, slow());
    stage.set("delivery.deadline", "\"50ms\"");
    let with = |n: usize, id: &str| format!(r#"{{{id}"destination":{{"ip":"{}"}}}}"#, address(60, n));
    let rows: Vec<(&str, String, Option<Value>)> = vec![
        ("nested id", with(0, r#""event":{"id":"nested-1"},"#), Some(json!("nested-1"))),
        ("dotted id", with(1, r#""event.id":"dotted-\u00e9","#), Some(json!("dotted-é"))),
        ("number", with(2, r#""id":12345678901234567890,"#), Some(json!(12_345_678_901_234_567_890_u64))),
        ("_id", with(3, r#""_id":"under","#), Some(json!("under"))),
        ("nested number", with(4, r#""event":{"id":7},"#), Some(json!(7))),
        ("none", with(5, ""), None),
        ("no scalar", with(6, r#""id":{"x":1},"#), None),
        ("text", format!("<134>Oct 11 22:14:15 gate app: {}", address(60, 7)), None),
        ("two addresses", connection("two", &address(60, 8)).replace("10.1.2.3", &address(60, 9)), Some(json!("two"))),
        ("the same address", connection("same", &address(60, 0)), Some(json!("same"))),
    ];
    let wires: Vec<Wire> = rows
        .iter()
        .enumerate()
        .map(|(n, (_, payload, _))| Wire {
            timestamp: Some(1_700_000_000_000 + i64::try_from(n).unwrap()),
            key: (n != 5).then(|| format!("key-{n}").into_bytes()),
            ..Wire::keyed(0, "", payload.as_bytes())
        })
        .collect();
    let daemon = stage.start();
    let (output, late) = (Tap::open(&stage.output()), Tap::open(&stage.late()));
    Feeder::new(&stage.input()).send_all(0, &wires);
    let left = output.wait(wires.len(), WITHIN);
    assert!(left.iter().all(|record| record.status() == "pending"), "{left:?}");
    let records = late.wait(wires.len(), WITHIN);
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(late.count(), wires.len(), "one for each, also at the end");
    let by_offset: BTreeMap<u64, &Seen> =
        records.iter().map(|record| (record.json()["event"]["offset"].as_u64().unwrap(), record)).collect();
    for (n, (name, _, id)) in rows.iter().enumerate() {
        let record = by_offset[&(n as u64)];
        let mut event = json!({
            "topic": stage.input(), "partition": 0, "offset": n, "timestamp": 1_700_000_000_000_u64 + n as u64,
        });
        if let Some(id) = id {
            event["id"] = id.clone();
        }
        let value = record.json();
        assert_eq!(value["event"], event, "{name}");
        assert_eq!(value.as_object().unwrap().len(), 2, "{name}");
        assert_eq!(record.key, wires[n].key, "{name}");
        assert_eq!(record.header("sidelight-schema"), Some("1"), "{name}");
        assert_eq!(record.header("sidelight-event"), Some(format!("{}/0/{n}", stage.input()).as_str()), "{name}");
        assert_eq!(record.status(), "complete", "{name}");
        let annotation = &value["sidelight"];
        assert_eq!((&annotation["schema"], &annotation["status"]), (&json!(1), &json!("complete")), "{name}");
        let asked: Vec<&Value> = annotation["indicators"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|indicator| indicator["status"] == "complete")
            .collect();
        assert_eq!(asked.len(), if *name == "two addresses" { 2 } else { 1 }, "{name}: {annotation}");
        assert!(asked.iter().all(|indicator| indicator["sources"].as_array().unwrap().len() == 2), "{name}");
    }
}

#[test]
fn an_answer_that_can_no_longer_come_is_said_to_be_expired() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-expired", 1, SimulatorConfig::default());
    stage.set("delivery.deadline", "\"100ms\"").set("delivery.late_for", "\"1s\"");
    stage.providers.simulator().faults().set(ABUSEIPDB, Fault::Hang);
    let wires: Vec<Wire> =
        (0..5).map(|n| Wire::keyed(0, &format!("k{n}"), connection(&format!("e{n}"), &address(61, n)))).collect();
    let daemon = stage.start();
    let (output, late) = (Tap::open(&stage.output()), Tap::open(&stage.late()));
    Feeder::new(&stage.input()).send_all(0, &wires);
    assert!(output.wait(5, WITHIN).iter().all(|record| record.status() == "partial"));
    let records = late.wait(5, WITHIN);
    for record in &records {
        assert_eq!(record.status(), "partial", "{}", record.text());
        let value = record.json();
        let indicators = value["sidelight"]["indicators"].as_array().unwrap();
        let destination = indicators.iter().find(|indicator| indicator["role"] == "destination").unwrap();
        let sources = destination["sources"].as_array().unwrap();
        let abuse = sources.iter().find(|source| source["provider"] == "abuseipdb").unwrap();
        assert_eq!((&abuse["outcome"], &abuse["reason"]), (&json!("skipped"), &json!("expired")), "{abuse}");
        assert_ne!(destination["disposition"], "clean");
        assert_ne!(destination["queue"], "low");
    }
    assert_eq!(daemon.terminate().code, Some(0));
    assert_eq!(late.count(), 5, "terminal means that nothing follows");
}

#[test]
fn what_is_parked_at_the_end_leaves_and_the_next_owner_pays_what_is_owed() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-shutdown", 1, SimulatorConfig::default());
    stage.set("delivery.deadline", "\"60s\"").set("providers.abuseipdb.timeout", "\"60s\"");
    stage.providers.simulator().faults().set(ABUSEIPDB, Fault::Hang);
    let wires: Vec<Wire> = (0..20)
        .map(|n| Wire::keyed(0, &format!("k{}", n % 4), connection(&format!("e{n}"), &address(62, n))))
        .collect();
    let daemon = stage.start();
    let (output, late) = (Tap::open(&stage.output()), Tap::open(&stage.late()));
    Feeder::new(&stage.input()).send_all(0, &wires);
    eventually("all are parked and half answered", || {
        daemon.status()["parked_events"] == 20 && stage.providers.count("virustotal") == 20
    });
    assert_eq!(output.count(), 0);
    let start = Instant::now();
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let left = output.wait(20, WITHIN);
    assert_eq!(left.len(), 20);
    assert!(left.iter().all(|record| record.status() == "partial"), "{:?}", left[0]);
    assert_eq!(late.count(), 0, "what is owed stands on its topic");
    // The offsets were committed with it: a second start has nothing to read again, and pays.
    stage.providers.simulator().faults().clear(ABUSEIPDB);
    let again = stage.start();
    let records = late.wait(20, WITHIN);
    assert!(records.iter().all(|record| record.status() == "complete"), "{records:?}");
    assert_eq!(again.terminate().code, Some(0));
    assert_eq!((output.count(), late.count()), (20, 20));
    assert_eq!(stage.providers.count("virustotal"), 20, "the half that was known was not paid again");
    // Nothing is owed any more.
    let last = stage.start();
    assert_eq!(last.terminate().code, Some(0));
    assert_eq!((output.count(), late.count()), (20, 20));
}

/// Kills between an event's departure and its assessment; `SIDELIGHT_OWED` and `SIDELIGHT_OWED_KILLS` make it longer by hand.
fn killed_while_owing(stem: &str, exactly_once: bool) {
    let number = |name: &str, default: usize| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (owed, kills) = (number("SIDELIGHT_OWED", 60), number("SIDELIGHT_OWED_KILLS", 2));
    let mut stage = Stage::new(stem, 3, SimulatorConfig::default());
    stage.set("delivery.deadline", "\"20ms\"").set("providers.abuseipdb.timeout", "\"300s\"");
    stage.set("kafka.properties", "{ \"session.timeout.ms\" = \"1500\", \"heartbeat.interval.ms\" = \"300\" }");
    if exactly_once {
        stage.set("delivery.guarantee", "\"exactly_once\"");
    }
    stage.providers.simulator().faults().set(ABUSEIPDB, Fault::Hang);
    // Many events wait for one address, and some for one of their own.
    let wire = |n: usize| {
        let ip = address(63, if n.is_multiple_of(3) { n } else { 0 });
        Wire {
            partition: i32::try_from(n % 3).unwrap(),
            ..Wire::keyed(0, &format!("k{}", n % 40), connection(&format!("evt-{n}"), &ip))
        }
    };
    let feeder = Feeder::new(&stage.input());
    let mut daemon = stage.start();
    let (output, late) = (Tap::open(&stage.output()), Tap::open(&stage.late()));
    let part = owed / (kills + 1);
    for round in 0..kills {
        feeder.send_all(round * part, &(round * part..(round + 1) * part).map(wire).collect::<Vec<_>>());
        let distinct =
            || output.seen().iter().map(|record| record.number()).collect::<std::collections::BTreeSet<_>>().len();
        eventually("they have left", || distinct() == (round + 1) * part);
        daemon.kill();
        daemon = stage.start();
    }
    let rest = kills * part;
    feeder.send_all(rest, &(rest..owed).map(wire).collect::<Vec<_>>());
    eventually("all are owed", || daemon.status()["owed_events"] == owed);
    assert_eq!(late.count(), 0);
    stage.providers.simulator().faults().clear(ABUSEIPDB);
    daemon.kill();
    let daemon = stage.start();
    let distinct = || {
        late.seen()
            .iter()
            .map(|record| record.header("sidelight-event").unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    eventually("each event has its late record", || distinct().len() == owed);
    assert!(late.seen().iter().all(|record| record.status() == "complete"));
    assert_eq!(daemon.terminate().code, Some(0));
    let again = stage.start();
    assert_eq!(again.terminate().code, Some(0));
    println!("{stem}: {owed} obligations, {} kills, {} late records", kills + 1, late.count());
    assert!(!exactly_once || late.count() == owed);
    assert_eq!(distinct().len(), owed, "nothing is paid that was not owed");
}

#[test]
fn what_is_owed_survives_a_kill() {
    let _turn = beside_others();
    killed_while_owing("e2e-owed", false);
}

#[test]
fn what_is_owed_survives_a_kill_and_is_paid_once_exactly_once() {
    let _turn = beside_others();
    killed_while_owing("e2e-owed-once", true);
}
