//! Google Safe Browsing v4 as a client meets it: `threatMatches:find` with up to 500 URLs, the key in the query.
//!
//! Clean is `{}`. Errors follow Google's model: a refused key is a 400, and a used-up quota names no time.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    model::IndicatorKind,
    provider::SAFEBROWSING,
    simulator::{
        Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
    },
};

/// URLs of one call at most.
const MOST: usize = 500;

pub(crate) const FACE: Face = Face {
    id: SAFEBROWSING,
    roots: &["/v4/"],
    key: KeyPlace::Query("key"),
    read,
    refuse: |missing| match missing {
        true => error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.", "CONSUMER_INVALID"),
        false => error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
    },
    throttle: |_, _| {
        let text = "Quota exceeded for quota metric 'Queries' and limit 'Queries per day'.";
        error(429, "RESOURCE_EXHAUSTED", text, "RATE_LIMIT_EXCEEDED")
    },
    tell: Tell::Many(tell),
    headers: |_| Vec::new(),
};

pub(crate) fn error(code: u16, status: &str, message: &str, reason: &str) -> Answer {
    let details =
        [json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com" })];
    let error = json!({ "code": code, "message": message, "status": status, "details": details });
    Answer::new(code, json!({ "error": error }))
}

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    let invalid = |text: &str| error(400, "INVALID_ARGUMENT", text, "INVALID");
    if call.path != "/v4/threatMatches:find" || call.method != Method::POST {
        return Err(error(404, "NOT_FOUND", "Method not found.", "NOT_FOUND"));
    }
    let body = call.json();
    let info = &body["threatInfo"];
    let entries = info["threatEntries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let urls: Vec<&str> = entries.iter().filter_map(|entry| entry["url"].as_str()).collect();
    let complete = ["threatTypes", "platformTypes", "threatEntryTypes"].iter().all(|name| info[name].is_array());
    if !complete || urls.len() != entries.len() || urls.is_empty() || !body["client"]["clientId"].is_string() {
        return Err(invalid("Request contains an invalid argument."));
    }
    if urls.len() > MOST {
        return Err(invalid("Too many threat entries."));
    }
    Ok(urls.into_iter().map(|url| Asked::new(IndicatorKind::Url, url)).collect())
}

fn tell(asked: &[(Asked, Truth)]) -> Answer {
    let listed = asked.iter().filter(|(_, truth)| truth.listed);
    let matches: Vec<Value> = listed
        .map(|(asked, truth)| {
            json!({
                "threatType": truth.dice.pick(95, &["MALWARE", "SOCIAL_ENGINEERING"]),
                "platformType": "ANY_PLATFORM",
                "threatEntryType": "URL",
                "threat": { "url": asked.value },
                "cacheDuration": "300s",
            })
        })
        .collect();
    Answer::new(200, if matches.is_empty() { json!({}) } else { json!({ "matches": matches }) })
}
