//! The main job: a mixed stream through the daemon, twice.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use serde_json::Value;
use sidelight::{
    model::IndicatorKind,
    simulator::{Class, SimulatorConfig, Truths},
};

use crate::support::{
    e2e::{Stage, beside_others},
    e2e_events::{NEVER, Planted, address, crafted, expected_calls, generated, is_object},
    e2e_json::added_to,
    e2e_score::{Answered, assert_says, of_address, of_name_or_file},
    e2e_wire::{Feeder, NUMBER, Seen, Tap},
    kafka::Wire,
};

const PARTITIONS: i32 = 3;
const WITHIN: Duration = Duration::from_secs(60);

fn world() -> Truths {
    Truths { seed: 0, overrides: HashMap::from([(address(9, 1), Class::Malicious)]) }
}

fn events(count: usize, corners: usize) -> Vec<Planted> {
    let mut events = generated(count);
    events.extend((0..corners).map(|n| crafted(n, &address(9, 1))));
    for (place, event) in events.iter_mut().enumerate() {
        event.wire.partition = i32::try_from(place).unwrap() % PARTITIONS;
    }
    events
}

/// Headers as they must leave: what came, without ours, and then ours.
fn assert_headers(came: &Wire, number: usize, left: &Seen) {
    let ours = |name: &str| name.starts_with("sidelight-");
    let mut expected = vec![(NUMBER.to_owned(), Some(number.to_string().into_bytes()))];
    expected.extend(came.headers.iter().filter(|(name, _)| !ours(name)).cloned());
    let kept: Vec<_> = left.headers.iter().take_while(|(name, _)| !ours(name)).cloned().collect();
    assert_eq!(kept, expected, "headers are kept, in order");
    assert!(left.headers[kept.len()..].iter().all(|(name, _)| ours(name)), "ours come last");
    if came.payload.is_none() {
        assert_eq!(left.headers.len(), kept.len(), "a tombstone leaves untouched");
        return;
    }
    assert_eq!(left.header("sidelight-schema"), Some("1"));
    let annotation = left.annotation().unwrap_or_default();
    match annotation.get("status") {
        Some(status) => assert_eq!(status, left.status()),
        None => assert_eq!(left.status(), "none", "{left:?}"),
    }
    assert_eq!(annotation["disposition"].as_str(), left.header("sidelight-disposition"), "{annotation}");
    let score = left.header("sidelight-score").map(|text| {
        assert!(text.split('.').nth(1).is_none_or(|decimals| decimals.len() == 1), "{text}");
        text.parse::<f64>().unwrap()
    });
    assert_eq!(annotation["confidence_score"].as_f64(), score, "{annotation}");
}

/// Original bytes around the splice, and hits only in `threat.enrichments`.
fn assert_payload(came: &Wire, left: &Seen) {
    let (Some(payload), Some(out)) = (&came.payload, &left.payload) else {
        assert_eq!(came.payload, left.payload, "tombstones stay tombstones");
        return;
    };
    let hits: BTreeSet<String> = left
        .indicators()
        .iter()
        .filter(|indicator| ["malicious", "suspicious"].map(Value::from).contains(&indicator["disposition"]))
        .map(|indicator| indicator["ioc_value"].as_str().unwrap().to_owned())
        .collect();
    if !is_object(payload) || left.annotation().is_none() {
        assert_eq!(String::from_utf8_lossy(payload), String::from_utf8_lossy(out));
        return;
    }
    let original = std::str::from_utf8(payload).unwrap();
    let added = added_to(original, left.text());
    let unfit =
        serde_json::from_str::<Value>(original).unwrap().get("threat").is_some_and(|threat| !threat.is_object());
    let shown: BTreeSet<String> =
        added.iter().map(|element| element["matched"]["atomic"].as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, if unfit { BTreeSet::new() } else { hits }, "{}", left.text());
}

/// Every assessed indicator says what follows from the truth of the simulated world; how many there were.
fn assert_assessments(left: &[Seen]) -> BTreeMap<String, usize> {
    let mut dispositions = BTreeMap::new();
    for indicator in left.iter().flat_map(Seen::indicators) {
        if indicator["status"] == "suppressed" {
            assert!(indicator["reason"].is_string() && indicator.get("sources").is_none(), "{indicator}");
            continue;
        }
        let kind = IndicatorKind::parse(indicator["ioc_type"].as_str().unwrap()).unwrap();
        let value = indicator["ioc_value"].as_str().unwrap();
        let asked = if kind == IndicatorKind::Url { without_secrets(value) } else { value.to_owned() };
        let truth = world().of(kind, &asked);
        if kind.is_ip() {
            assert_says(&indicator, &of_address(&truth, Answered::Both));
            assert_eq!(indicator["abuse_confidence"], truth.abuse_confidence, "{indicator}");
        } else {
            assert_says(&indicator, &of_name_or_file(&truth));
        }
        if truth.vt_total() > 0 {
            assert_eq!(indicator["vt_malicious"], truth.vt_malicious, "{indicator}");
            assert_eq!(indicator["vt_total"], truth.vt_total(), "{indicator}");
        }
        let sum: f64 =
            indicator["sources"].as_array().unwrap().iter().filter_map(|source| source["contribution"].as_f64()).sum();
        let score = indicator["confidence_score"].as_f64().unwrap_or(0.0);
        assert!((sum - score).abs() < 0.11, "contributions add up: {indicator}");
        *dispositions.entry(indicator["disposition"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    dispositions
}

fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    format!("{scheme}://{}/{path}", authority.rsplit('@').next().unwrap())
}

/// The event's own disposition and score are those of its worst indicator.
fn assert_worst(left: &Seen) {
    const ORDER: [&str; 5] = ["clean", "low", "unknown", "suspicious", "malicious"];
    let Some(annotation) = left.annotation() else { return };
    assert_eq!(annotation["schema"], 1);
    let rank = |value: &Value| ORDER.iter().position(|name| value == name);
    let worst = left.indicators().iter().filter_map(|indicator| rank(&indicator["disposition"])).max();
    assert_eq!(rank(&annotation["disposition"]), worst, "{annotation}");
    assert!(annotation["requires_review"].is_boolean() && annotation["truncated"] == false, "{annotation}");
}

#[test]
fn a_mixed_stream_leaves_whole_annotated_and_is_asked_about_once() {
    let _turn = beside_others();
    let mut stage =
        Stage::new("e2e-mixed", PARTITIONS, SimulatorConfig { truths: world(), ..SimulatorConfig::default() });
    stage.set("delivery.deadline", "\"60s\"");
    stage.set("gate.own_networks", "[\"100.100.0.0/16\"]").set("gate.own_domains", "[\"own-corp.com\"]");
    let events = events(2_600, 400);
    let wires: Vec<Wire> = events.iter().map(|event| event.wire.clone()).collect();
    let daemon = stage.start();
    let output = Tap::open(&stage.output());
    let feeder = Feeder::new(&stage.input());

    feeder.send_all(0, &wires);
    output.wait(wires.len(), WITHIN);
    let calls = stage.providers.calls();
    let distinct: BTreeSet<_> = calls.iter().cloned().collect();
    let expected = expected_calls(&events);
    let surplus: Vec<_> = distinct.difference(&expected).collect();
    let missing: Vec<_> = expected.difference(&distinct).collect();
    assert!(surplus.is_empty() && missing.is_empty(), "surplus: {surplus:?}\nmissing: {missing:?}");
    assert_eq!(calls.len(), distinct.len(), "nobody is asked twice");
    for (.., value) in &calls {
        assert!(
            !NEVER.iter().any(|secret| value.starts_with(secret) || (value.contains(secret) && !secret.ends_with('.'))),
            "{value}"
        );
        assert!(!value.contains(['?', '#', '@']), "{value}");
    }

    feeder.send_all(wires.len(), &wires);
    let left = output.wait(2 * wires.len(), WITHIN);
    assert_eq!(stage.providers.calls().len(), calls.len(), "the second time everything is known");
    let late = Tap::open(&stage.late());

    let mut numbers = BTreeSet::new();
    for record in &left {
        let number = record.number();
        assert!(numbers.insert(number), "{number} left twice");
        let came = &wires[number % wires.len()];
        assert_eq!(record.key, came.key);
        if came.timestamp.is_some() {
            assert_eq!(record.timestamp, came.timestamp);
        }
        assert_headers(came, number, record);
        assert_payload(came, record);
        assert_worst(record);
        let planted = &events[number % wires.len()].public;
        assert_eq!(record.status() == "complete", !planted.is_empty(), "{record:?}");
    }
    assert_eq!(numbers.len(), 2 * wires.len());
    let dispositions = assert_assessments(&left);
    println!("mixed stream: {} events, {} calls, {dispositions:?}", left.len(), calls.len());
    assert!(["malicious", "suspicious", "clean", "unknown"].iter().all(|name| dispositions.contains_key(*name)));

    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(late.wait(0, WITHIN).len(), 0, "nothing is owed");
    assert_eq!(output.count(), 2 * wires.len(), "nothing more comes");
    assert!(!ended.log.contains("\"ERROR\"") && !ended.log.contains("panicked"), "{}", ended.log);
}

#[test]
fn the_native_shape_adds_nothing_but_its_member() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-native", 1, SimulatorConfig { truths: world(), ..SimulatorConfig::default() });
    stage.set("output.format", "\"native\"").set("delivery.deadline", "\"30s\"");
    let wires: Vec<Wire> = (0..64).map(|n| crafted(n, &address(9, 1)).wire).collect();
    let daemon = stage.start();
    let output = Tap::open(&stage.output());
    Feeder::new(&stage.input()).send_all(0, &wires);
    let left = output.wait(wires.len(), WITHIN);
    for record in &left {
        let payload = wires[record.number()].payload.clone().unwrap_or_default();
        if is_object(&payload) && record.annotation().is_some() {
            let added = added_to(std::str::from_utf8(&payload).unwrap(), record.text());
            assert!(added.is_empty(), "{}", record.text());
        }
    }
    assert!(assert_assessments(&left)["malicious"] >= 16);
    assert_eq!(daemon.terminate().code, Some(0));
}
