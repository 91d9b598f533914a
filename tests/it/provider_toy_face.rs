//! The toy service as a client meets it: what `src/simulator/<name>.rs` would be.

use serde_json::json;
use sidelight::simulator::{
    Class, Truth,
    face::{Answer, Asked, Call, Face, KeyPlace, Tell},
};

use crate::provider_toy::{ID, SPEC};

pub(crate) const FACE: Face = Face {
    id: ID,
    roots: &["/v1/list/"],
    key: KeyPlace::Header("x-toy-key"),
    read,
    refuse: |_| Answer::new(401, json!({ "error": "no such key" })),
    throttle: |_, _| Answer::new(429, json!({ "error": "too many requests" })),
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    let asked = call.segment("/v1/list/").map(|value| Asked::guess(&value));
    let complaint = || Answer::new(400, json!({ "error": "no subject" }));
    Ok(vec![asked.filter(|asked| SPEC.kinds.contains(&asked.kind)).ok_or_else(complaint)?])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let listed = match truth.class {
        Class::Malicious | Class::Suspicious => true,
        Class::Clean => false,
        Class::Unknown => return Answer::new(404, json!({ "error": "unknown subject" })),
    };
    let why = listed.then_some("sample");
    Answer::new(200, json!({ "subject": asked.value, "listed": listed, "why": why, "since": "2026-10-05 07:00:00" }))
}
