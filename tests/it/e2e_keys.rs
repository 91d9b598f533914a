//! Several keys of one provider, from an environment variable, a file and a systemd credential.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidelight::{
    provider::VIRUSTOTAL,
    simulator::{ServiceConfig, SimulatorConfig},
};

use crate::support::{
    e2e::{KEY, Stage, beside_others, run_with},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Tap},
    kafka::{Wire, eventually},
};

const OLD: &str = "1111222233334444555566667777888811112222333344445555666677778888";

/// Another that the service takes.
const THIRD: &str = "9999222233334444555566667777888811112222333344445555666677778888";

/// A service that takes `KEY` and `THIRD`; the first key of the product is another one.
fn stage(name: &str) -> Stage {
    let service = ServiceConfig { key: Some(format!("{KEY} {THIRD}")), ..ServiceConfig::default() };
    let simulator = SimulatorConfig { services: vec![(VIRUSTOTAL, service)], ..SimulatorConfig::default() };
    let mut stage = Stage::new(name, 1, simulator);
    stage.unset("providers.abuseipdb");
    stage.variable("E2E_VT_OLD", OLD);
    stage.set("providers.virustotal.api_key", "{ env = \"E2E_VT_OLD\" }");
    let file = stage.directory.write("second.key", KEY.as_bytes());
    stage.set("providers.virustotal.keys.second.api_key", &format!("{{ file = {file:?} }}"));
    stage
}

#[test]
fn a_refused_key_is_shown_and_the_others_do_its_work() {
    let _turn = beside_others();
    let mut stage = stage("e2e-keys");
    stage.set("delivery.deadline", "\"10s\"");
    stage.directory.write("third", THIRD.as_bytes());
    let directory = stage.config().parent().unwrap().to_str().unwrap().to_owned();
    stage.variable("CREDENTIALS_DIRECTORY", &directory);
    stage.set("providers.virustotal.keys.third.api_key", "{ credential = \"third\" }");
    // So little that the third has to be used as well.
    stage.set("providers.virustotal.keys.second.quota", "\"10/min\"");
    let daemon = stage.start();
    let output = Tap::open(&stage.output());
    let wires: Vec<Wire> = (0..30)
        .map(|n| Wire::keyed(0, &format!("host-{n}"), connection(&format!("evt-{n}"), &address(61, n))))
        .collect();
    Feeder::new(&stage.input()).send_all(0, &wires);
    let left = output.wait(wires.len(), std::time::Duration::from_secs(30));
    for record in &left {
        assert_eq!(record.status(), "complete", "{}", record.text());
    }
    let keys = || -> Vec<Value> { daemon.status()["providers"][0]["keys"].as_array().unwrap().clone() };
    let told = |keys: &[Value]| -> Vec<Value> {
        keys.iter().map(|key| json!([key["name"], key["key"], key["state"]])).collect()
    };
    let expected = [
        json!(["", "refused", "off: disabled"]),
        json!(["second", "accepted", "ok"]),
        json!(["third", "accepted", "ok"]),
    ];
    eventually("the state of the keys", || told(&keys()) == expected);
    assert_eq!(daemon.status()["providers"][0]["state"], "ok");
    // One call for the refusal, at most a few more that had started before it was heard.
    let asked: BTreeSet<String> = stage.providers.calls().into_iter().map(|(.., value)| value).collect();
    assert_eq!(asked.len(), 30);
    assert!(stage.providers.count("virustotal") <= 30 + 8, "{}", stage.providers.count("virustotal"));
    let (_, page) = daemon.get("/");
    assert!(page.contains("first: refused, off: disabled") && page.contains("second: accepted"), "{page}");
    let (_, metrics) = daemon.get("/metrics");
    let said = daemon.status().to_string();
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    for text in [&page, &metrics, &said, &ended.log] {
        assert!(![KEY, OLD, THIRD].iter().any(|key| text.contains(key)), "a key is shown: {text}");
    }
}

#[test]
fn each_key_has_an_account_of_its_own() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-key-quotas", 1, SimulatorConfig::default());
    stage.unset("providers.abuseipdb");
    stage.set("providers.virustotal.quota", "\"3/min\"").set("enrich.reserve", "0.0");
    stage.variable("E2E_VT_SECOND", THIRD);
    stage.set("providers.virustotal.keys.second.api_key", "{ env = \"E2E_VT_SECOND\" }");
    stage.set("providers.virustotal.keys.second.quota", "\"4/min\"");
    stage.set("delivery.deadline", "\"3s\"");
    let daemon = stage.start();
    let output = Tap::open(&stage.output());
    let wires: Vec<Wire> = (0..12)
        .map(|n| Wire::keyed(0, &format!("host-{n}"), connection(&format!("evt-{n}"), &address(62, n))))
        .collect();
    let (feeder, patience) = (Feeder::new(&stage.input()), std::time::Duration::from_secs(30));
    // One after the other: which of several that come at once are worth waiting for is a forecast.
    for (n, wire) in wires.iter().enumerate().take(7) {
        feeder.send_all(n, std::slice::from_ref(wire));
        eventually("the answer is there", || output.count() > n);
    }
    feeder.send_all(7, &wires[7..]);
    let left = output.wait(wires.len(), patience);
    let complete = left.iter().filter(|record| record.status() == "complete").count();
    assert_eq!((complete, stage.providers.count("virustotal")), (7, 7), "3 with the first key, 4 with the second");
    let status = daemon.status();
    let used = |account: &Value| account["budget"][0]["used"].as_u64();
    let provider = &status["providers"][0];
    assert_eq!(
        (used(provider), used(&provider["keys"][0]), used(&provider["keys"][1])),
        (Some(7), Some(3), Some(4)),
        "{status}"
    );
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn check_online_proves_every_key() {
    let _turn = beside_others();
    let stage = stage("e2e-keys-online");
    let output = run_with(stage.command("check").arg("--online"), b"");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("virustotal: failed: the key is refused (status 401"), "{out}");
    assert!(out.contains("virustotal (key second): ok ("), "{out}");
    assert!(!out.contains(KEY) && !out.contains(OLD), "{out}");
}
