//! URLhaus as a client meets it: `v1/url`, outcomes in `query_status` under status 200, numbers as texts.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    model::IndicatorKind,
    provider::URLHAUS,
    simulator::{
        Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
        malwarebazaar::{refuse, status},
    },
};

pub(crate) const FACE: Face = Face {
    id: URLHAUS,
    roots: &["/v1/url/"],
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
    let asked = call.form().get("url").map(|url| Asked::guess(url));
    Ok(vec![asked.filter(|asked| asked.kind == IndicatorKind::Url).ok_or_else(|| status(200, "invalid_url"))?])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    if !truth.listed {
        return status(200, "no_results");
    }
    let id = truth.dice.range(96, 1, 9_000_000).to_string();
    let entry: Value = json!({
        "query_status": "ok",
        "id": id,
        "urlhaus_reference": format!("https://urlhaus.abuse.ch/url/{id}/"),
        "url": asked.value,
        "url_status": "online",
        "date_added": format!("2026-10-{:02} 01:33:26 UTC", truth.dice.range(97, 1, 28)),
        "last_online": null,
        "threat": "malware_download",
        "blacklists": { "spamhaus_dbl": "not listed", "surbl": "not listed" },
        "reporter": "sample_reporter",
        "larted": "true",
        "takedown_time_seconds": null,
        "tags": ["exe", "sample"],
        "payloads": [],
    });
    Answer::new(200, entry)
}
