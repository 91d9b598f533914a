//! Shodan InternetDB as a client meets it: the address is the whole path, there is no key. It is found under the prefix with its name alone.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    provider::INTERNETDB,
    simulator::{
        Class, Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
        shodan::ports,
    },
};

pub(crate) const FACE: Face = Face {
    id: INTERNETDB,
    roots: &[],
    key: KeyPlace::Nowhere,
    read,
    refuse: |_| detail(401, &json!("Unauthorized")),
    throttle: |_, _| detail(429, &json!("Too Many Requests")),
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

fn detail(status: u16, detail: &Value) -> Answer {
    Answer::new(status, json!({ "detail": detail }))
}

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.method != Method::GET {
        return Err(detail(405, &json!("Method Not Allowed")));
    }
    let asked = call.segment("/").map(|value| Asked::guess(&value)).filter(|asked| asked.kind.is_ip());
    let complaint = json!([{ "loc": ["path", "ip"], "msg": "value is not a valid IPv4 or IPv6 address" }]);
    Ok(vec![asked.ok_or_else(|| detail(422, &complaint))?])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    if !truth.seen {
        return detail(404, &json!("No information available"));
    }
    let bad = truth.class == Class::Malicious;
    let vulns = if bad { vec![format!("CVE-2025-{}", truth.dice.range(72, 1_000, 9_999))] } else { Vec::new() };
    let host = json!({
        "ip": asked.value,
        "ports": ports(truth),
        "vulns": vulns,
        "tags": if bad { json!(["c2", "self-signed"]) } else { json!([]) },
        "hostnames": [format!("host-{}.hosting.example", truth.dice.range(70, 1, 250))],
        "cpes": ["cpe:/a:example:server:1.0"],
    });
    Answer::new(200, host)
}
