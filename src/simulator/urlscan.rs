//! urlscan.io as a client meets it: the search. A submission is refused and shows in the log.
//!
//! A key that is no UUID is refused as a wrong request, an unknown one with 401. Rate headers name the window that runs out first.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    model::IndicatorKind,
    provider::URLSCAN,
    simulator::{
        Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
        quota::Standing,
        virustotal::COUNTRIES,
    },
};

const PATH: &str = "/api/v1/search/";

pub(crate) const FACE: Face = Face {
    id: URLSCAN,
    roots: &[PATH, "/api/v1/scan/", "/api/v1/result/"],
    key: KeyPlace::Header("api-key"),
    read,
    refuse: |missing| match missing {
        true => error(401, "No API key supplied!"),
        false => error(401, "API key supplied but not found in database!"),
    },
    throttle,
    tell: Tell::One(tell),
    headers: |standing| rate(standing, 0),
};

fn error(status: u16, message: &str) -> Answer {
    let errors = [json!({ "title": message, "status": status })];
    Answer::new(status, json!({ "message": message, "status": status, "errors": errors }))
}

fn rate(standing: &Standing, reset_after: u64) -> Vec<(&'static str, String)> {
    vec![
        ("x-rate-limit-scope", "user".to_owned()),
        ("x-rate-limit-action", "search".to_owned()),
        ("x-rate-limit-limit", standing.limit.to_string()),
        ("x-rate-limit-remaining", standing.remaining.to_string()),
        ("x-rate-limit-reset-after", reset_after.to_string()),
    ]
}

fn throttle(standing: &Standing, _now_s: i64) -> Answer {
    let wait = standing.wait.unwrap_or_default();
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let text = format!("Rate limit for 'search' exceeded, limit is {}. Reset in {seconds} seconds.", standing.limit);
    Answer { headers: rate(standing, seconds), ..error(429, &text) }
}

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.path != PATH {
        return Err(error(403, "Scan prevented"));
    }
    if call.method != Method::GET {
        return Err(error(405, "Method not allowed"));
    }
    let query = call.query.get("q").map(String::as_str).unwrap_or_default();
    let quoted = |field: &str| {
        let value = query.strip_prefix(field)?.strip_prefix(":\"")?.strip_suffix('"')?;
        Some(value.replace("\\\"", "\"").replace("\\\\", "\\"))
    };
    let url = quoted("page.url.keyword").map(|value| Asked::new(IndicatorKind::Url, value));
    let asked = url.or_else(|| quoted("page.domain").map(|value| Asked::new(IndicatorKind::Domain, value)));
    Ok(vec![asked.ok_or_else(|| error(400, "Search query could not be parsed"))?])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let results: Vec<Value> = truth.urlscan_score.map(|score| scan(asked, truth, score)).into_iter().collect();
    Answer::new(200, json!({ "results": results, "total": results.len(), "took": 4, "has_more": false }))
}

fn scan(asked: &Asked, truth: &Truth, score: i32) -> Value {
    let id = truth.dice.hex(90, 32);
    let part = |from: usize, to: usize| id.get(from..to).unwrap_or_default();
    let id = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
    let malicious = score >= 70;
    json!({
        "_id": id,
        "_score": null,
        "sort": [1_790_812_800_000_u64, id],
        "task": {
            "visibility": "public", "method": "api", "uuid": id, "url": asked.value,
            "time": format!("2026-10-{:02}T10:42:01.000Z", truth.dice.range(91, 1, 28)),
        },
        "page": {
            "url": asked.value, "ip": format!("192.0.2.{}", truth.dice.range(92, 1, 250)), "title": "Example",
            "country": truth.dice.pick(17, COUNTRIES), "status": "200", "mimeType": "text/html",
        },
        "stats": { "uniqIPs": 3, "requests": 12, "dataLength": 12_000 },
        "verdicts": { "score": score, "malicious": malicious, "urlscan": { "malicious": malicious }, "hasVerdicts": true },
        "result": format!("https://urlscan.io/api/v1/result/{id}/"),
        "screenshot": format!("https://urlscan.io/screenshots/{id}.png"),
    })
}
