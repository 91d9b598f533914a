//! PassiveTotal API v2 as its clients met it before it was retired: `v2/reputation` with HTTP Basic. What the dead host answers today is
//! the fault [`crate::simulator::Fault::NotFoundHtml`].

use axum::http::Method;
use serde_json::json;

use crate::{
    provider::PASSIVETOTAL,
    simulator::{
        Class, Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
    },
};

pub(crate) const FACE: Face = Face {
    id: PASSIVETOTAL,
    roots: &["/v2/"],
    key: KeyPlace::Basic,
    read,
    refuse: |_| error(401, "invalid credentials"),
    throttle: |_, _| error(402, "API quota has been exceeded"),
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

fn error(status: u16, message: &str) -> Answer {
    Answer::new(status, json!({ "message": message, "status": status }))
}

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.path != "/v2/reputation" || call.method != Method::GET {
        return Err(error(404, "resource not found"));
    }
    let query =
        call.query.get("query").filter(|query| !query.is_empty()).ok_or_else(|| error(400, "query is missing"))?;
    Ok(vec![Asked::guess(query)])
}

fn tell(_asked: &Asked, truth: &Truth) -> Answer {
    let (classification, rules) = match truth.class {
        Class::Malicious => ("MALICIOUS", json!([rule("Blocklist Malware", 5), rule("ASN", 4)])),
        Class::Suspicious => ("SUSPICIOUS", json!([rule("ASN", 4)])),
        Class::Clean => ("GOOD", json!([])),
        Class::Unknown => ("UNKNOWN", json!([])),
    };
    Answer::new(200, json!({ "score": truth.pt_score, "classification": classification, "rules": rules }))
}

fn rule(name: &str, severity: u8) -> serde_json::Value {
    json!({ "name": name, "description": "Observed on this entity", "severity": severity, "link": null })
}
