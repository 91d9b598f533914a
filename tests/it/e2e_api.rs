//! What analysts ask a running daemon for: look-ups, what is known, purges.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};
use sidelight::simulator::SimulatorConfig;

use crate::support::{
    e2e::{Daemon, Stage, beside_others},
    e2e_events::{address, connection},
    e2e_wire::{Feeder, Tap},
    kafka::{Wire, eventually},
};

const WITHIN: Duration = Duration::from_secs(30);

/// Status and JSON of an answer.
fn call(daemon: &Daemon, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(daemon.admin().unwrap()).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n");
    stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[test]
fn an_analyst_looks_up_reads_and_purges_in_a_fleet() {
    let _turn = beside_others();
    let stage = Stage::new("e2e-api", 2, SimulatorConfig::default());
    let daemons: Vec<Daemon> = (0..2)
        .map(|n| {
            let mut command = stage.command("run");
            command.env("SIDELIGHT__KAFKA__INSTANCE_ID", format!("replica-{n}"));
            command.env("SIDELIGHT__ADMIN__TOKEN__ENV", "ANALYSTS").env("ANALYSTS", "a word of the analysts");
            Daemon::spawn(command)
        })
        .collect();
    daemons.iter().for_each(Daemon::wait_ready);
    let [first, second] = &daemons[..] else { panic!("two daemons") };
    let value = address(71, 1);
    let known = format!("/api/v1/indicators/ipv4/{value}");
    let token = "Authorization: Bearer a word of the analysts\r\n";
    assert_eq!(call(first, "GET", &known, "", "").0, 404, "nobody has seen it");

    // What an event would cost, before and after; nothing is asked by that.
    let event = connection("evt-0", &value);
    let explained = |daemon: &Daemon| {
        let (status, answer) = call(daemon, "POST", "/api/v1/explain", "", &event);
        assert_eq!(status, 200, "{answer}");
        let mut found = answer["indicators"].as_array().unwrap().iter();
        let one = found.find(|found| found["ioc_value"] == json!(value)).unwrap().clone();
        (one, answer["cost"].clone())
    };
    let (one, cost) = explained(first);
    assert_eq!((&one["decision"], one["providers"].as_array().map(Vec::len)), (&json!("to_ask"), Some(2)), "{one}");
    assert!(one["worth"].as_i64() > Some(0) && one["assessment"].is_null(), "{one}");
    assert_eq!(
        cost,
        json!([{ "provider": "abuseipdb", "units": 1 }, { "provider": "virustotal", "units": 1 }]),
        "private addresses cost nothing"
    );
    assert_eq!(call(first, "POST", "/api/v1/explain", "", "").0, 400);

    // Nobody looks up without the token.
    let body = json!({ "values": [value, "10.0.0.5", "no indicator"] }).to_string();
    assert_eq!(call(first, "POST", "/api/v1/lookup", "", &body).0, 401);
    assert!(stage.providers.calls().is_empty());
    let (status, answer) = call(first, "POST", "/api/v1/lookup", token, &body);
    assert_eq!(status, 200, "{answer}");
    let looked_up = &answer["results"][0]["sidelight"];
    assert_eq!((&looked_up["status"], &looked_up["schema"]), (&json!("complete"), &json!(1)), "{answer}");
    let found = &looked_up["indicators"][0];
    assert_eq!((&found["ioc_value"], found["sources"].as_array().map(Vec::len)), (&json!(value), Some(2)), "{answer}");
    let private = &answer["results"][1]["sidelight"]["indicators"][0];
    assert_eq!((&private["status"], &private["reason"]), (&json!("suppressed"), &json!("private_address")), "{answer}");
    assert_eq!(answer["results"][2], json!({ "value": "no indicator", "error": "no indicator in it" }));
    assert_eq!(stage.providers.calls().len(), 2);

    // Everybody may read what the fleet knows; an event and a second look-up pay nothing.
    for daemon in &daemons {
        eventually("the fleet knows", || call(daemon, "GET", &known, "", "").0 == 200);
        let (_, indicator) = call(daemon, "GET", &known, "", "");
        assert_eq!(indicator["confidence_score"], found["confidence_score"], "{indicator}");
        assert_eq!((&indicator["ioc_type"], &indicator["fields"]), (&json!("ipv4"), &Value::Null), "{indicator}");
    }
    let (one, cost) = explained(second);
    assert_eq!((&one["decision"], &cost), (&json!("known"), &json!([])), "{one}");
    assert_eq!(one["assessment"]["confidence_score"], found["confidence_score"], "{one}");
    let output = Tap::open(&stage.output());
    let feeder = Feeder::new(&stage.input());
    feeder.send_all(0, &[Wire::keyed(0, "k", connection("evt-1", &value))]);
    assert_eq!(output.wait(1, WITHIN)[0].status(), "complete");
    assert_eq!(
        call(second, "POST", "/api/v1/lookup", token, &value).1["results"][0]["sidelight"]["status"],
        "complete"
    );
    assert_eq!(stage.providers.calls().len(), 2, "it was known");

    // What is purged at one replica is asked anew at the other.
    let (status, answer) = call(first, "POST", "/api/v1/purge", token, &json!({ "value": value }).to_string());
    assert_eq!((status, &answer["purged"][0]["ioc_value"]), (200, &json!(value)), "{answer}");
    for daemon in &daemons {
        eventually("the fleet has forgotten", || call(daemon, "GET", &known, "", "").0 == 404);
    }
    assert_eq!(
        call(second, "POST", "/api/v1/lookup", token, &value).1["results"][0]["sidelight"]["status"],
        "complete"
    );
    assert_eq!(stage.providers.calls().len(), 4, "it is asked again");
    let logs: String = daemons.iter().map(Daemon::log).collect();
    assert!(logs.contains("purged by hand") && !logs.contains(&value) && !logs.contains("a word of the analysts"));
    for daemon in daemons {
        assert_eq!(daemon.terminate().code, Some(0));
    }
}
