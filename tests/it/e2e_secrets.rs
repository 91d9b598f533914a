//! A key is nowhere to be seen: no log, page, metric, status, record or error, whatever goes wrong.

use std::time::Duration;

use sidelight::{
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{Fault, ServiceConfig, SimulatorConfig},
};

use crate::support::{
    e2e::{Stage, beside_others, run_with},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Seen, Tap},
    kafka::Wire,
};

const WITHIN: Duration = Duration::from_secs(30);
const CANARIES: [&str; 2] = ["canaryEnvKey7f3a9c1e5b7d2f4a", "canaryFileKey2b4d6f8a1c3e5a7c"];

fn stage(stem: &str, simulator: SimulatorConfig) -> Stage {
    let mut stage = Stage::new(stem, 1, simulator);
    stage.variable("E2E_VT_KEY", CANARIES[0]).set("log.level", "\"trace\"");
    stage.directory.write("abuse.key", format!("{}\n", CANARIES[1]).as_bytes());
    stage
}

fn assert_none(what: &str, text: &str) {
    assert!(!text.is_empty(), "{what} is empty: nothing was looked at");
    for canary in CANARIES {
        assert!(!text.contains(canary), "{what} shows a key");
        // In part, in capitals, or as a client library would encode it.
        assert!(!text.to_lowercase().contains(&canary.to_lowercase()[..18]), "{what} shows a part of a key");
    }
}

fn everything(records: &[Seen]) -> String {
    records.iter().map(|record| format!("{}\n{:?}\n", record.text(), record.headers)).collect()
}

/// Runs a few events through; looks everywhere.
fn look_everywhere(stage: &Stage, statuses: &[&str]) -> String {
    let wires: Vec<Wire> =
        (0..10).map(|n| Wire::keyed(0, &format!("k{n}"), connection(&format!("e{n}"), &address(70, n)))).collect();
    let daemon = stage.start();
    let output = Tap::open(&stage.output());
    Feeder::new(&stage.input()).send_all(0, &wires);
    let left = output.wait(10, WITHIN);
    assert!(left.iter().all(|record| statuses.contains(&record.status())), "{:?}", left[0]);
    for path in ["/", "/metrics", "/api/v1/status", "/api/v1/budgets", "/readyz", "/nothing"] {
        assert_none(path, &daemon.get(path).1);
    }
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_none("the log", &ended.log);
    assert!(CANARIES.iter().all(|canary| !ended.stdout.contains(canary)));
    assert_none("the output", &everything(&left));
    let late = Tap::open(&stage.late());
    let late = everything(&late.wait(0, WITHIN));
    assert!(CANARIES.iter().all(|canary| !late.contains(canary)));
    ended.log
}

#[test]
fn no_key_is_shown_when_all_is_well() {
    let _turn = beside_others();
    let services = [(VIRUSTOTAL, CANARIES[0]), (ABUSEIPDB, CANARIES[1])]
        .map(|(provider, key)| (provider, ServiceConfig { key: Some(key.to_owned()), ..ServiceConfig::default() }));
    let stage = stage("e2e-canary", SimulatorConfig { services: services.to_vec(), ..SimulatorConfig::default() });
    look_everywhere(&stage, &["complete"]);
}

#[test]
fn no_key_is_shown_when_it_is_refused() {
    let _turn = beside_others();
    let service = ServiceConfig { key: Some("another".to_owned()), ..ServiceConfig::default() };
    let services = vec![(VIRUSTOTAL, service.clone()), (ABUSEIPDB, service)];
    let stage = stage("e2e-canary-401", SimulatorConfig { services, ..SimulatorConfig::default() });
    let log = look_everywhere(&stage, &["skipped", "pending", "partial"]);
    assert_eq!(log.lines().filter(|line| line.contains("refused the key")).count(), 2);
}

#[test]
fn no_key_is_shown_by_broken_answers_and_commands() {
    let _turn = beside_others();
    let mut stage = stage("e2e-canary-fault", SimulatorConfig::default());
    stage.set("delivery.deadline", "\"300ms\"");
    stage.providers.simulator().faults().set(VIRUSTOTAL, Fault::Redirect);
    stage.providers.simulator().faults().set(ABUSEIPDB, Fault::Garbage);
    look_everywhere(&stage, &["skipped", "pending", "partial"]);
    for (command, values) in [("check", vec![]), ("lookup", vec!["45.70.1.1", "--json", "--wait", "1"])] {
        let out = run_with(stage.command(command).args(values), b"");
        assert_none(
            command,
            &format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)),
        );
    }
    // A key written out in the file is refused, and not repeated in the report.
    stage.set("providers.virustotal.api_key", &format!("{:?}", CANARIES[0]));
    stage.set("providers.virustotal.quota", &format!("{:?}", CANARIES[1]));
    let out = run_with(&mut stage.command("check"), b"");
    assert_eq!(out.status.code(), Some(78));
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("providers.virustotal.api_key"), "{text}");
    assert!(!text.contains(CANARIES[0]), "{text}");
}
