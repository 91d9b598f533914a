//! Google Safe Browsing v5 as a client meets it: `urls:search` with up to 50 URLs in the query, JSON where it is asked for.
//!
//! What is listed comes back as an expression without scheme; without threats the answer says only how long it holds.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    model::IndicatorKind,
    provider::SAFEBROWSING_V5,
    simulator::{
        Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
        safebrowsing::{FACE as V4, error},
    },
};

/// URLs of one call at most.
const MOST: usize = 50;

pub(crate) const FACE: Face = Face {
    id: SAFEBROWSING_V5,
    roots: &["/v5/"],
    key: KeyPlace::Query("key"),
    read,
    refuse: V4.refuse,
    throttle: V4.throttle,
    tell: Tell::Many(tell),
    headers: |_| Vec::new(),
};

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    let invalid = |text: &str| error(400, "INVALID_ARGUMENT", text, "INVALID");
    if call.path != "/v5/urls:search" || call.method != Method::GET {
        return Err(error(404, "NOT_FOUND", "Method not found.", "NOT_FOUND"));
    }
    if call.query.get("alt").map(String::as_str) != Some("json") {
        return Err(Answer::html(200, "\u{a}\u{2}\u{8}\u{1}"));
    }
    let urls: Vec<Asked> = call.all("urls").map(|url| Asked::new(IndicatorKind::Url, url)).collect();
    if urls.is_empty() || urls.len() > MOST {
        return Err(invalid("Request contains an invalid argument."));
    }
    Ok(urls)
}

fn tell(asked: &[(Asked, Truth)]) -> Answer {
    let listed = asked.iter().filter(|(_, truth)| truth.listed);
    let threats: Vec<Value> = listed
        .map(|(asked, truth)| {
            let expression = asked.value.split_once("://").map_or(&*asked.value, |(_, rest)| rest);
            json!({ "url": expression, "threatTypes": [truth.dice.pick(95, &["MALWARE", "SOCIAL_ENGINEERING"])] })
        })
        .collect();
    let mut body = json!({ "cacheDuration": "300s" });
    if !threats.is_empty() {
        body["threats"] = Value::Array(threats);
    }
    Answer::new(200, body)
}
