//! CIRCL hashlookup as a client meets it: `lookup/<algorithm>/<digest>` without a key; what it does not hold is a 404 with words of its own.

use axum::http::Method;
use serde_json::json;

use crate::{
    model::IndicatorKind,
    provider::HASHLOOKUP,
    simulator::{
        Class, Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
    },
};

pub(crate) const FACE: Face = Face {
    id: HASHLOOKUP,
    roots: &["/lookup/"],
    key: KeyPlace::Nowhere,
    read,
    refuse: |_| message(401, "Unauthorized"),
    throttle: |_, _| message(429, "Too Many Requests"),
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

/// The algorithms by their names in a path and in a record.
const ALGORITHMS: [(IndicatorKind, &str, &str); 3] = [
    (IndicatorKind::Md5, "/lookup/md5/", "MD5"),
    (IndicatorKind::Sha1, "/lookup/sha1/", "SHA-1"),
    (IndicatorKind::Sha256, "/lookup/sha256/", "SHA-256"),
];

fn message(status: u16, text: &str) -> Answer {
    Answer::new(status, json!({ "message": text }))
}

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.method != Method::GET {
        return Err(message(405, "Method not allowed"));
    }
    let asked = ALGORITHMS.into_iter().find_map(|(kind, root, _)| {
        let asked = Asked::guess(&call.segment(root)?.to_ascii_lowercase());
        (asked.kind == kind).then_some(asked)
    });
    Ok(vec![asked.ok_or_else(|| message(400, "value incorrect, expecting a hash"))?])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let name = ALGORITHMS.into_iter().find(|(kind, ..)| *kind == asked.kind).map_or("hash", |(.., name)| name);
    let digest = asked.value.to_ascii_uppercase();
    let mut record = json!({
        "FileName": "./usr/share/doc/example/README",
        "FileSize": truth.dice.range(24, 100, 9_000_000).to_string(),
        "source": "snap",
        "db": "nsrl_legacy",
        "hashlookup:parent-total": 1,
        "hashlookup:trust": truth.dice.range(99, 11, 20) * 5,
    });
    match truth.class {
        Class::Clean => {}
        Class::Malicious => {
            record["KnownMalicious"] = json!("malware-list.example");
            record["hashlookup:trust"] = json!(30);
        }
        Class::Suspicious | Class::Unknown => {
            return Answer::new(404, json!({ "message": format!("Non existing {name}"), "query": digest }));
        }
    }
    record[name] = json!(digest);
    Answer::new(200, record)
}
