//! What leaves the organisation: markings, own and private values, secrets in URLs; judged by what the simulator was asked.

use serde_json::{Value, json};
use sidelight::simulator::SimulatorConfig;

use crate::support::e2e::{Stage, run_with};

/// The lines as they leave, in the order of the input.
fn annotate(stage: &Stage, events: &[Value]) -> Vec<Value> {
    let input: String = events.iter().map(|event| format!("{event}\n")).collect();
    let output = run_with(&mut stage.command("annotate"), input.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn stage(name: &str) -> Stage {
    let mut stage = Stage::without_input(name, "127.0.0.1:1", SimulatorConfig::default());
    stage.set("providers.abuseipdb.max_tlp", "\"amber\"");
    stage
}

fn outcomes(event: &Value) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let sources = event["sidelight"]["indicators"][0]["sources"].as_array().unwrap();
    sources.iter().map(|source| (text(&source["outcome"]).unwrap(), text(&source["reason"]))).collect()
}

#[test]
fn an_event_is_asked_about_where_its_marking_allows() {
    let stage = stage("e2e-tlp");
    let event = |ip: &str| json!({ "destination": { "ip": ip } });
    let with = |ip: &str, key: &str, value: Value| {
        let mut event = event(ip);
        event[key] = value;
        event
    };
    let events = [
        with("45.90.0.1", "threat", json!({ "indicator": { "marking": { "tlp": "RED" } } })),
        with("45.90.0.2", "event", json!({ "tlp": "amber" })),
        with("45.90.0.3", "tags", json!(["tlp:amber+strict"])),
        with("45.90.0.4", "tlp", json!("green")),
        event("45.90.0.5"),
        // Known by now: shown whatever the marking.
        with("45.90.0.5", "tlp", json!("red")),
        // Kept back above, free now: the lines are a pipe, so this one is read after the first has been judged.
        event("45.90.0.1"),
    ];
    let left = annotate(&stage, &events);
    let skipped = || ("skipped".to_owned(), Some("tlp".to_owned()));
    assert_eq!(outcomes(&left[0]), [skipped(), skipped()]);
    assert_eq!(outcomes(&left[2]), [skipped(), skipped()]);
    let second = outcomes(&left[1]);
    assert!(second[0] == skipped() && second[1].1.is_none(), "{second:?}");
    let status = |nth: usize| left[nth]["sidelight"]["status"].as_str().unwrap();
    assert_eq!(
        (0..7).map(status).collect::<Vec<_>>(),
        ["skipped", "partial", "skipped", "complete", "complete", "complete", "complete"]
    );
    let mut asked: Vec<_> = stage.providers.calls().into_iter().map(|(provider, _, value)| (provider, value)).collect();
    asked.sort();
    let call = |provider: &str, last: u8| (provider.to_owned(), format!("45.90.0.{last}"));
    let expected = [
        call("abuseipdb", 1),
        call("abuseipdb", 2),
        call("abuseipdb", 4),
        call("abuseipdb", 5),
        call("virustotal", 1),
        call("virustotal", 4),
        call("virustotal", 5),
    ];
    assert_eq!(asked, expected);
}

#[test]
fn events_without_a_marking_have_the_default_one() {
    let mut stage = stage("e2e-default-tlp");
    stage.set("gate.default_tlp", "\"amber\"");
    let left = annotate(
        &stage,
        &[
            json!({ "destination": { "ip": "45.91.0.1" }, "user_agent": { "original": "tlp:clear" } }),
            json!({ "destination": { "ip": "45.91.0.2" }, "tags": ["tlp:clear"] }),
        ],
    );
    assert_eq!(left[0]["sidelight"]["status"], "partial", "a stranger's text does not make it laxer");
    assert_eq!(left[1]["sidelight"]["status"], "complete");
    assert_eq!((stage.providers.count("virustotal"), stage.providers.count("abuseipdb")), (1, 2));
}

#[test]
fn what_is_the_organisation_s_own_is_not_asked_about() {
    let mut stage = stage("e2e-own");
    stage.set("gate.own_networks", "[\"45.92.0.0/16\"]");
    stage.set("gate.own_domains", "[\"corp-example.com\"]");
    let values = [
        ("destination.ip", "10.0.0.5", "private_address"),
        ("destination.ip", "45.92.1.1", "own_network"),
        ("destination.ip", "::ffff:10.0.0.5", "private_address"),
        ("destination.ip", "169.254.169.254", "link_local"),
        ("destination.domain", "mail.corp-example.com", "own_domain"),
        ("destination.domain", "dc1.corp", "internal_name"),
        ("url.full", "https://u:p@intra.corp-example.com/x?token=canary", "own_domain"),
        ("url.full", "http://192.168.1.1/admin?x=canary", "private_address"),
        ("email.from.address", "someone@example-partner.com", "no_provider"),
    ];
    let events: Vec<Value> = values.iter().map(|(field, value, _)| json!({ *field: value })).collect();
    let left = annotate(&stage, &events);
    for (event, (_, value, reason)) in left.iter().zip(values) {
        let indicator = &event["sidelight"]["indicators"][0];
        assert_eq!(
            (indicator["status"].as_str(), indicator["reason"].as_str()),
            (Some("suppressed"), Some(reason)),
            "{value}"
        );
    }
    let secret = json!({ "url": { "full": "https://u:canary@files.evil-example.com/a/b?session=canary#canary" } });
    annotate(&stage, &[secret]);
    let asked = stage.providers.calls();
    let urls: Vec<&str> = asked.iter().map(|(_, _, value)| value.as_str()).collect();
    assert_eq!(urls, ["https://files.evil-example.com/a/b"]);
}
