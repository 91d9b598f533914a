//! The calls of analysts: what is known of an indicator, a look-up by hand, a purge.
//!
//! Look-ups spend quota and purges forget, so they are answered to whoever may do that: on a loopback address to programs of this machine (a page
//! that a browser shows is none of them), elsewhere only with `admin.token`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::server::Shared;
use crate::{
    admin::{Analyst, Inquiry, Unknown},
    model::IndicatorKind,
};

/// Values in one call.
const MOST_VALUES: usize = 100;
/// Bytes of an event that is explained, at most.
pub(super) const MOST_EVENT: usize = 1 << 20;
/// Indicators that one look-up asks for.
const MOST_INDICATORS: usize = 256;
/// Look-ups that wait at a time: the others' connections are for probes.
pub(super) const MOST_WAITING: usize = 16;
/// Events that are explained at a time.
pub(super) const MOST_EXPLAINED: usize = 2;
/// Wait for answers, where the call names none.
const WAIT: Duration = Duration::from_secs(10);
/// Longest wait: connections do not live much longer.
const LONGEST_WAIT: Duration = Duration::from_secs(25);
/// Between two looks at what has come.
const LOOK: Duration = Duration::from_millis(50);

/// Why a call is not answered, in JSON.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    why: String,
    header: Option<(header::HeaderName, &'static str)>,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.why }))).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, header::HeaderValue::from_static(value));
        }
        response
    }
}

/// What a call asks for.
#[derive(Debug)]
struct Asked {
    values: Vec<String>,
    wait: Duration,
}

pub(super) async fn known(
    State(shared): State<Arc<Shared>>,
    Path((kind, value)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    is_local(&shared, &headers)?;
    let analyst = analyst(&shared)?;
    let Some(kind) = IndicatorKind::ALL.into_iter().find(|known| known.as_str() == kind) else {
        let known: Vec<&str> = IndicatorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        return Err(refuse(StatusCode::NOT_FOUND, &format!("no such kind; known are {}", known.join(", "))));
    };
    match analyst.known(kind, &value) {
        Ok(json) => Ok(as_json(json)),
        Err(Unknown::NoIndicator) => {
            Err(refuse(StatusCode::BAD_REQUEST, &format!("there is no {} in it", kind.as_str())))
        }
        Err(Unknown::NotKnown) => {
            Err(refuse(StatusCode::NOT_FOUND, "nothing is known of it; POST /api/v1/lookup asks"))
        }
    }
}

pub(super) async fn look_up(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    may_change(&shared, &headers)?;
    let analyst = analyst(&shared)?;
    let asked = asked(&body)?;
    let Ok(_place) = shared.waiting.try_acquire() else {
        let busy = refuse(StatusCode::SERVICE_UNAVAILABLE, "too many look-ups wait at the moment");
        return Err(Refusal { header: Some((header::RETRY_AFTER, "1")), ..busy });
    };
    let end = Instant::now() + asked.wait;
    let mut inquiries: Vec<(String, Option<Box<dyn Inquiry>>)> = Vec::with_capacity(asked.values.len());
    let mut indicators = 0;
    for value in asked.values {
        let inquiry = (indicators < MOST_INDICATORS).then(|| analyst.look_up(&value));
        indicators += inquiry.as_ref().map_or(0, |inquiry| inquiry.count());
        inquiries.push((value, inquiry));
    }
    loop {
        // All of them: each takes in what has come.
        let left = end.saturating_duration_since(Instant::now());
        let under_way = inquiries.iter_mut().filter_map(|(_, inquiry)| inquiry.as_mut());
        let waiting = under_way.fold(false, |waiting, inquiry| inquiry.is_waiting(left) | waiting);
        if !waiting || left.is_zero() {
            break;
        }
        sleep(LOOK).await;
    }
    let result = |(value, inquiry): &(String, Option<Box<dyn Inquiry>>)| {
        let value = Value::from(value.as_str());
        match inquiry {
            None => format!("{{\"value\":{value},\"error\":\"more than {MOST_INDICATORS} indicators in one call\"}}"),
            Some(inquiry) if inquiry.count() == 0 => {
                format!("{{\"value\":{value},\"error\":\"no indicator in it\"}}")
            }
            Some(inquiry) => format!("{{\"value\":{value},\"sidelight\":{}}}", inquiry.annotation()),
        }
    };
    let results: Vec<String> = inquiries.iter().map(result).collect();
    Ok(as_json(format!("{{\"results\":[{}]}}", results.join(","))))
}

/// The event is the body, as it would arrive.
pub(super) async fn explain(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    is_no_page(&headers)?;
    is_local(&shared, &headers)?;
    if body.is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, "the body is the event to be explained; it is empty"));
    }
    let analyst = analyst(&shared)?;
    let Ok(_place) = shared.explaining.try_acquire() else {
        let busy = refuse(StatusCode::SERVICE_UNAVAILABLE, "too many events are being explained at the moment");
        return Err(Refusal { header: Some((header::RETRY_AFTER, "1")), ..busy });
    };
    // Probes are answered meanwhile: a large event takes a while.
    let explained = tokio::task::spawn_blocking(move || analyst.explain(&body)).await;
    explained.map(as_json).map_err(|_| refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))
}

pub(super) async fn purge(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    may_change(&shared, &headers)?;
    let analyst = analyst(&shared)?;
    let (mut purged, mut without, mut unheard) = (Vec::new(), Vec::new(), None);
    for value in asked(&body)?.values {
        match analyst.purge(&value) {
            Ok(forgotten) if forgotten.is_empty() => without.push(value),
            Ok(forgotten) => purged.extend(
                forgotten.into_iter().map(|(kind, value)| json!({ "ioc_type": kind.as_str(), "ioc_value": value })),
            ),
            Err(why) => unheard = Some(why),
        }
    }
    tracing::info!(indicators = purged.len(), told_all = unheard.is_none(), "purged by hand");
    if let Some(why) = unheard {
        let why = format!("all of it is forgotten here, but other replicas do not hear of some of it: {why}");
        return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, &why));
    }
    if purged.is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, "no indicator in it"));
    }
    Ok(Json(json!({ "purged": purged, "no_indicator": without })).into_response())
}

fn analyst(shared: &Shared) -> Result<Arc<dyn Analyst>, Refusal> {
    shared.source.analyst().ok_or_else(|| refuse(StatusCode::SERVICE_UNAVAILABLE, "still starting"))
}

/// Whether whoever sent these headers may spend quota and forget.
fn may_change(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(token) = &shared.token {
        let given = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
        // Digests: how long the comparison takes says nothing of the token.
        if let Some((scheme, given)) = given
            && scheme.eq_ignore_ascii_case("bearer")
            && Sha256::digest(given.trim()) == Sha256::digest(token.expose_secret())
        {
            return Ok(());
        }
        let refusal =
            refuse(StatusCode::UNAUTHORIZED, "needs the header Authorization: Bearer with the token of admin.token");
        return Err(Refusal { header: Some((header::WWW_AUTHENTICATE, "Bearer")), ..refusal });
    }
    if !shared.loopback {
        let why = "the admin server listens beyond this machine: set admin.token and send it as Authorization: Bearer";
        return Err(refuse(StatusCode::FORBIDDEN, why));
    }
    is_no_page(headers)?;
    is_local(shared, headers)
}

/// A browser says where a page is from.
fn is_no_page(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_page = headers.contains_key(header::ORIGIN);
    if is_page { Err(refuse(StatusCode::FORBIDDEN, NOT_FOR_PAGES)) } else { Ok(()) }
}

const NOT_FOR_PAGES: &str = "not for web pages: without admin.token only programs of this machine may ask";

/// On a loopback address: whether the server was asked for under a name of this machine. One that was made to point here is not ours.
fn is_local(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    if !shared.loopback {
        return Ok(());
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let port = |port: &str| port.bytes().all(|letter| letter.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, rest)| port(rest)).map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let loopback = |name: &str| name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    if name.is_empty() || name == "localhost" || loopback(name) {
        Ok(())
    } else {
        Err(refuse(StatusCode::FORBIDDEN, NOT_FOR_PAGES))
    }
}

/// The values of a body: JSON with `value` or `values`, and `wait` in seconds; else text, one value in a line.
fn asked(body: &[u8]) -> Result<Asked, Refusal> {
    const SHAPE: &str = r#"send {"values": ["..."], "wait": 10}, or text with one value in a line"#;
    let bad = |why: &str| refuse(StatusCode::BAD_REQUEST, &format!("{why}: {SHAPE}"));
    let text = std::str::from_utf8(body).map_err(|_| bad("the body is not UTF-8"))?;
    let mut wait = WAIT;
    let values: Vec<String> = if text.trim_start().starts_with('{') {
        let json: Value = serde_json::from_str(text).map_err(|error| bad(&format!("the body is no JSON ({error})")))?;
        if let Some(seconds) = json.get("wait") {
            let seconds = seconds.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            wait = seconds.ok_or_else(|| bad("`wait` is no number of seconds"))?.min(LONGEST_WAIT);
        }
        match (json.get("values").and_then(Value::as_array), json.get("value")) {
            (Some(values), None) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>(),
            (None, Some(value)) => value.as_str().map(|value| vec![value.to_owned()]),
            (Some(_), Some(_)) | (None, None) => None,
        }
        .ok_or_else(|| bad("there are no values in the body"))?
    } else {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    if values.is_empty() {
        return Err(bad("there are no values in the body"));
    }
    if values.len() > MOST_VALUES {
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("more than {MOST_VALUES} values in one call")));
    }
    Ok(Asked { values, wait })
}

fn as_json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

fn refuse(status: StatusCode, why: &str) -> Refusal {
    Refusal { status, why: why.to_owned(), header: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_or_lines() {
        let cases = [
            (r#"{"values": ["a", "b"]}"#, "a,b for 10 s"),
            (r#"{"value": "a", "wait": 0}"#, "a for 0 s"),
            (r#"{"value": "a", "wait": 900}"#, "a for 25 s"),
            (" a \n\nb\r\n", "a,b for 10 s"),
            (r#"{"values": []}"#, "400"),
            (r#"{"values": [1]}"#, "400"),
            (r#"{"value": "a", "values": ["b"]}"#, "400"),
            (r#"{"value": "a", "wait": -1}"#, "400"),
            (r#"{"value": "#, "400"),
            ("", "400"),
            ("\n \n", "400"),
        ];
        for (body, expected) in cases {
            let found = match asked(body.as_bytes()) {
                Ok(asked) => format!("{} for {} s", asked.values.join(","), asked.wait.as_secs()),
                Err(refused) => refused.status.as_u16().to_string(),
            };
            assert_eq!(found, expected, "{body}");
        }
        assert_eq!(asked(&b"a\n".repeat(101)).err().map(|refused| refused.status.as_u16()), Some(413));
        assert_eq!(asked(b"\xff").err().map(|refused| refused.status.as_u16()), Some(400));
    }
}
