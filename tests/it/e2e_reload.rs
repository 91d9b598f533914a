//! Reading the configuration again on SIGHUP: a key that was refused, replaced while the stream runs; a configuration that is wrong.

use std::time::Duration;

use serde_json::Value;
use sidelight::{
    provider::ABUSEIPDB,
    simulator::{ServiceConfig, SimulatorConfig},
};

use crate::support::{
    e2e::{Daemon, Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Seen, Tap},
    kafka::{Wire, eventually},
};

const WITHIN: Duration = Duration::from_secs(30);
const NEW_KEY: &str = "aaaabbbbccccddddeeeeffff00001111aaaabbbbccccddddeeeeffff00001111";

fn event(number: usize, ip: &str) -> Wire {
    Wire::keyed(0, &format!("host-{number}"), connection(&format!("evt-{number}"), ip))
}

fn outcome(record: &Seen) -> String {
    let destination = record.indicators().into_iter().find(|indicator| indicator["role"] == "destination").unwrap();
    let sources = destination["sources"].as_array().unwrap().clone();
    let abuse = sources.into_iter().find(|source| source["provider"] == "abuseipdb").unwrap();
    abuse["outcome"].as_str().unwrap().to_owned()
}

fn state(daemon: &Daemon) -> String {
    let status = daemon.status();
    let providers = status["providers"].as_array().unwrap();
    let abuse = providers.iter().find(|provider| provider["provider"] == "abuseipdb").unwrap();
    abuse["state"].as_str().unwrap().to_owned()
}

/// What the status says of the keys of VirusTotal and AbuseIPDB.
fn keys(daemon: &Daemon) -> Vec<String> {
    let status = daemon.status();
    status["providers"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
}

fn reloaded(daemon: &Daemon, well: u8) -> bool {
    daemon.get("/metrics").1.contains(&format!("\nsidelight_config_last_reload_successful {well}\n"))
}

fn lines(daemon: &Daemon, message: &str) -> usize {
    let says = |line: &Value| line["message"].as_str().is_some_and(|said| said.starts_with(message));
    daemon.log_lines().iter().filter(|line| says(line)).count()
}

#[test]
fn a_refused_key_is_replaced_without_a_restart() {
    let _turn = beside_others();
    let service = ServiceConfig { key: Some(NEW_KEY.to_owned()), ..ServiceConfig::default() };
    let simulator = SimulatorConfig { services: vec![(ABUSEIPDB, service)], ..SimulatorConfig::default() };
    let mut stage = Stage::new("e2e-reload", 1, simulator);
    stage.set("delivery.deadline", "\"10s\"");
    let daemon = stage.start();
    assert!(reloaded(&daemon, 1), "the start took the configuration over");
    assert_eq!(keys(&daemon), ["not tried", "not tried"]);
    let (output, feeder) = (Tap::open(&stage.output()), Feeder::new(&stage.input()));
    feeder.send_all(0, &[event(0, &address(60, 0)), event(1, &address(60, 1))]);
    let left = output.wait(2, WITHIN);
    assert!(left.iter().all(|record| outcome(record) != "clean" && outcome(record) != "found"), "{left:?}");
    eventually("it is switched off", || state(&daemon).starts_with("off"));
    assert_eq!(keys(&daemon), ["accepted", "refused"]);

    // A configuration that is wrong changes nothing; the report says what is wrong.
    let good = std::fs::read_to_string(stage.config()).unwrap();
    stage.directory.write("abuse.key", NEW_KEY.as_bytes());
    stage.directory.write("sidelight.toml", good.replace("[delivery]", "[delivery]\ndeadlin = \"1s\"").as_bytes());
    daemon.hang_up();
    eventually("the failure shows", || reloaded(&daemon, 0));
    // The log comes by another way than the metrics.
    eventually("it is reported", || lines(&daemon, "the configuration is wrong now") == 1);
    assert!(daemon.log().contains("deadlin") && state(&daemon).starts_with("off"), "{}", daemon.log());

    stage.directory.write("sidelight.toml", good.as_bytes());
    daemon.hang_up();
    eventually("it is on again", || reloaded(&daemon, 1) && state(&daemon) == "ok");
    assert_eq!(lines(&daemon, "other settings have changed"), 0);
    // A new address, and one whose answer is missing in the cache for that reason.
    feeder.send_all(2, &[event(2, &address(60, 2)), event(3, &address(60, 1))]);
    let left = output.wait(4, WITHIN);
    for record in &left[2..] {
        assert_eq!(record.status(), "complete", "{}", record.text());
    }

    assert_eq!(keys(&daemon), ["accepted", "accepted"]);
    assert!(daemon.get("/").1.contains("<td>accepted"));

    stage.directory.write("sidelight.toml", good.replace("\"10s\"", "\"9s\"").as_bytes());
    daemon.hang_up();
    eventually("what needs a restart is named", || lines(&daemon, "other settings have changed") == 1);
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains(NEW_KEY));
    let calls = stage.providers.count("virustotal");
    assert_eq!(calls, 3, "what was known is not asked again");
}
