//! A MISP instance as a client meets it: `attributes/restSearch` with lists of values.
//!
//! Nothing found is an empty list under status 200. A refused key is a 403, and the rate limit of a role counts its seconds down in a header.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    model::IndicatorKind,
    provider::MISP,
    simulator::{
        Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
        quota::Standing,
    },
};

const PATH: &str = "/attributes/restSearch";

pub(crate) const FACE: Face = Face {
    id: MISP,
    roots: &["/attributes/"],
    key: KeyPlace::Header("authorization"),
    read,
    refuse: |_| {
        let text = "Authentication failed. Please make sure you pass the API key of an API enabled user along in the Authorization header.";
        error(403, text)
    },
    throttle,
    tell: Tell::Many(tell),
    headers: |_| Vec::new(),
};

fn error(status: u16, text: &str) -> Answer {
    Answer::new(status, json!({ "name": text, "message": text, "url": PATH }))
}

fn throttle(standing: &Standing, _now_s: i64) -> Answer {
    let mut answer = error(429, "Rate limit exceeded.");
    let wait = standing.wait.unwrap_or_default();
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer.headers = vec![
        ("x-rate-limit-limit", standing.limit.to_string()),
        ("x-rate-limit-remaining", "0".to_owned()),
        ("x-rate-limit-reset", seconds.to_string()),
    ];
    answer
}

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.path != PATH {
        return Err(error(404, "Not Found"));
    }
    if call.method != Method::POST {
        return Err(error(405, "Method Not Allowed"));
    }
    let body = call.json();
    let values: Vec<&str> = match &body["value"] {
        Value::String(value) => vec![value],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    if values.is_empty() || body["returnFormat"] != "json" {
        return Err(error(400, "Invalid search: a value and a return format are needed."));
    }
    Ok(values.into_iter().map(Asked::guess).collect())
}

fn tell(asked: &[(Asked, Truth)]) -> Answer {
    let attributes: Vec<Value> = asked.iter().filter_map(|(asked, truth)| attribute(asked, truth)).collect();
    let count = attributes.len().to_string();
    let mut answer = Answer::new(200, json!({ "response": { "Attribute": attributes } }));
    answer.headers = vec![("x-result-count", count)];
    answer
}

/// The event that holds an indicator.
pub(crate) fn event(truth: &Truth) -> String {
    truth.dice.range(80, 1_000, 1_999).to_string()
}

fn attribute(asked: &Asked, truth: &Truth) -> Option<Value> {
    let to_ids = truth.misp_to_ids?;
    let written = 1_790_812_800 + u64::from(truth.dice.range(81, 0, 30 * 86_400 - 1));
    let kind = match asked.kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => "ip-dst",
        IndicatorKind::Email => "email-src",
        IndicatorKind::Cve => "vulnerability",
        IndicatorKind::Domain
        | IndicatorKind::Url
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256
        | IndicatorKind::Sha512 => asked.kind.as_str(),
    };
    let event = event(truth);
    Some(json!({
        "id": truth.dice.range(82, 10_000, 99_999).to_string(),
        "event_id": event,
        "object_id": "0",
        "object_relation": null,
        "category": "Network activity",
        "type": kind,
        "to_ids": to_ids,
        "uuid": uuid(truth, 83),
        "timestamp": written.to_string(),
        "distribution": "5",
        "comment": "",
        "deleted": false,
        "disable_correlation": false,
        "first_seen": null,
        "last_seen": null,
        "value": asked.value,
        "Event": {
            "id": event, "org_id": "1", "orgc_id": "1", "info": "Sample campaign", "uuid": uuid(truth, 84),
            "threat_level_id": if to_ids { "1" } else { "3" }, "analysis": "2", "distribution": "1",
        },
        "Tag": [{ "id": "7", "name": "tlp:green", "colour": "#33ff00", "numerical_value": null }],
        "Sighting": [],
    }))
}

fn uuid(truth: &Truth, nth: u64) -> String {
    let digits = truth.dice.hex(nth, 32);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
