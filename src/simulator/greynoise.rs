//! GreyNoise as a client meets it: `v3/community`, with or without a key. What it has not seen is a 404 with an answer inside.

use axum::http::Method;
use serde_json::json;

use crate::{
    model::IndicatorKind,
    provider::GREYNOISE,
    simulator::{
        Class, Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
    },
};

pub(crate) const FACE: Face = Face {
    id: GREYNOISE,
    roots: &["/v3/community/"],
    key: KeyPlace::OptionalHeader("key"),
    read,
    refuse: |_| Answer::new(401, json!({ "message": "Invalid API key provided" })),
    throttle: |_, _| {
        let body = json!({ "plan": "unauthenticated", "rate-limit": "10-lookups/day", "message": "You have hit your rate limit." });
        Answer::new(429, body)
    },
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.method != Method::GET {
        return Err(Answer::new(405, json!({ "message": "Method not allowed" })));
    }
    let asked = call.segment("/v3/community/").map(|value| Asked::guess(&value));
    let complaint = || Answer::new(400, json!({ "message": "Request is not a valid routable IPv4 address" }));
    Ok(vec![asked.filter(|asked| asked.kind == IndicatorKind::Ipv4).ok_or_else(complaint)?])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let (classification, riot, name) = match truth.class {
        Class::Malicious => ("malicious", false, "unknown"),
        Class::Suspicious => ("suspicious", false, "unknown"),
        Class::Clean | Class::Unknown if truth.seen => ("benign", true, "Example Public DNS"),
        Class::Clean | Class::Unknown => {
            let message = "IP not observed scanning the internet or contained in RIOT data set.";
            let body = json!({ "ip": asked.value, "noise": false, "riot": false, "message": message });
            return Answer::new(404, body);
        }
    };
    let body = json!({
        "ip": asked.value,
        "noise": !riot,
        "riot": riot,
        "classification": classification,
        "name": name,
        "link": format!("https://viz.greynoise.io/{}/{}", if riot { "riot" } else { "ip" }, asked.value),
        "last_seen": format!("2026-10-{:02}", truth.dice.range(98, 1, 28)),
        "message": "Success",
    });
    Answer::new(200, body)
}
