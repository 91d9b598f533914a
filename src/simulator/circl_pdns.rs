//! CIRCL Passive DNS as a client meets it: `pdns/query` with HTTP Basic, JSON objects one a line; what it has not seen is an empty answer.

use axum::http::Method;
use serde_json::json;

use crate::{
    provider::CIRCL_PDNS,
    simulator::{
        Truth,
        face::{Answer, Asked, Call, Content, Face, KeyPlace, Tell},
        otx_pdns::records,
    },
};

pub(crate) const FACE: Face = Face {
    id: CIRCL_PDNS,
    roots: &["/pdns/query/"],
    key: KeyPlace::Basic,
    read,
    refuse: |_| Answer::html(401, "<html><body><h1>401 Authorization Required</h1></body></html>"),
    throttle: |_, _| Answer::html(429, "<html><body><h1>429 Too Many Requests</h1></body></html>"),
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    let page = "<html><body><h1>404 Not Found</h1></body></html>";
    if call.method != Method::GET {
        return Err(Answer::html(404, page));
    }
    Ok(vec![Asked::guess(&call.segment("/pdns/query/").ok_or_else(|| Answer::html(404, page))?)])
}

/// The first second of October 2026.
const OCTOBER: i64 = 1_790_812_800;

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let lines = records(asked, truth).into_iter().map(|(name, kind, data, day)| {
        let last = OCTOBER + i64::from(day) * 86_400;
        json!({
            "rrname": name, "rrtype": kind, "rdata": data, "time_first": last - 5_000_000, "time_last": last,
            "count": truth.dice.range(118, 1, 90_000), "origin": "https://origin.example/pdns/",
        })
    });
    Answer { status: 200, headers: Vec::new(), content: Content::Lines(lines.collect()) }
}
