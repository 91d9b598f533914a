//! ThreatFox as a client meets it: `search_ioc` and `search_hash`, outcomes in `query_status` under status 200, `data` a list or a text.

use axum::http::Method;
use serde_json::json;

use crate::{
    model::IndicatorKind,
    provider::THREATFOX,
    simulator::{
        Class, Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
        malwarebazaar::{refuse, status},
    },
};

/// MalwareBazaar has the same path, so it is found by its name only.
pub(crate) const FACE: Face = Face {
    id: THREATFOX,
    roots: &[],
    key: KeyPlace::Header("auth-key"),
    read,
    refuse,
    throttle: |_, _| Answer::new(429, json!({ "error": "Too Many Requests" })),
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.method != Method::POST {
        return Err(status(200, "http_post_expected"));
    }
    let body = call.json();
    let (member, is_file) = match body["query"].as_str() {
        Some("search_ioc") => ("search_term", false),
        Some("search_hash") => ("hash", true),
        Some(_) | None => return Err(status(200, "unknown_operation")),
    };
    let asked = body[member].as_str().filter(|term| term.len() > 2).map(Asked::guess);
    let asked = asked.filter(|asked| {
        is_file == matches!(asked.kind, IndicatorKind::Md5 | IndicatorKind::Sha256)
            && (asked.kind != IndicatorKind::Ipv4 || body["exact_match"] != true)
    });
    Ok(vec![asked.ok_or_else(|| status(200, if is_file { "illegal_hash" } else { "illegal_search_term" }))?])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let confidence = match truth.class {
        Class::Malicious => truth.dice.range(110, 15, 20) * 5,
        Class::Suspicious => 50,
        Class::Clean | Class::Unknown => {
            let body = json!({ "query_status": "no_result", "data": "Your search did not yield any results" });
            return Answer::new(200, body);
        }
    };
    let ioc = if asked.kind == IndicatorKind::Ipv4 {
        format!("{}:443", asked.value)
    } else if asked.kind.is_file_hash() {
        "c2.sample.example".to_owned()
    } else {
        asked.value.clone()
    };
    let entry = json!({
        "id": truth.dice.range(111, 1, 9_000_000).to_string(),
        "ioc": ioc,
        "threat_type": "botnet_cc",
        "threat_type_desc": "Indicator that identifies a botnet command&control server (C&C)",
        "ioc_type": "ip:port",
        "malware": "win.sample",
        "malware_printable": "SampleBot",
        "malware_alias": null,
        "malware_malpedia": null,
        "confidence_level": confidence,
        "first_seen": format!("2026-10-{:02} 09:10:23 UTC", truth.dice.range(112, 1, 28)),
        "last_seen": null,
        "reference": null,
        "reporter": "sample_reporter",
        "tags": null,
        "malware_samples": [],
    });
    Answer::new(200, json!({ "query_status": "ok", "data": [entry] }))
}
