//! From an answer, and a fault that meets it, to bytes on the wire.

use std::{io::Write, sync::OnceLock, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::simulator::{
    Fault, FaultRule,
    body::{Pace, paced},
    face::{Answer, Face},
};

/// Where a redirect leads; a client must never ask there.
pub(crate) const REDIRECT_PATH: &str = "/_sim/redirected";

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=UTF-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const OVERSIZE: usize = 8 << 20;
const BOMB: usize = 64 << 20;

/// What else decides on the bytes.
pub(crate) struct Context<'a> {
    pub(crate) face: &'a Face,
    pub(crate) wall_ms: i64,
    pub(crate) stop: CancellationToken,
}

/// An answer without a fault.
pub(crate) fn plain(answer: &Answer, gzip: bool) -> Response<Body> {
    let body = answer.body.to_string();
    let mut response = if gzip && answer.status == 200 {
        let mut response = respond(answer.status, JSON, compress(body.as_bytes(), Compression::fast()));
        set(response.headers_mut(), "content-encoding", "gzip");
        response
    } else if answer.status == 302 {
        respond(302, HTML, "<html><body>Redirecting</body></html>")
    } else {
        respond(answer.status, JSON, body)
    };
    for (name, value) in &answer.headers {
        set(response.headers_mut(), name, value);
    }
    response
}

/// The answer as the fault makes it. A hang is not an answer and not made here.
pub(crate) fn faulty(answer: &Answer, rule: &FaultRule, context: &Context<'_>) -> Response<Body> {
    let text = answer.body.to_string();
    let gateway = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>";
    let page = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>It works</body></html>";
    match rule.fault {
        Fault::InternalError => respond(500, PLAIN, "Internal Server Error"),
        Fault::BadGateway => respond(502, HTML, gateway),
        Fault::Unavailable | Fault::Hang => respond(
            503,
            JSON,
            json!({ "error": { "code": "TransientError", "message": "Try again later" } }).to_string(),
        ),
        Fault::SlowBody => {
            let pace = Pace { chunk: 1, pause: Duration::from_millis(50), breaks: false };
            stream(text.into(), pace, context)
        }
        Fault::Reset => {
            let half = Bytes::from(text.into_bytes());
            let half = half.slice(..half.len() / 2);
            stream(half, Pace { chunk: 4096, pause: Duration::from_millis(1), breaks: true }, context)
        }
        Fault::Oversize => {
            let bytes = padded(&answer.body, OVERSIZE).into();
            stream(bytes, Pace { chunk: 64 << 10, pause: Duration::ZERO, breaks: false }, context)
        }
        Fault::OversizeDeclared => {
            let pace = Pace { chunk: 4096, pause: Duration::from_millis(1), breaks: true };
            let mut response = stream(text.into(), pace, context);
            set(response.headers_mut(), "content-length", "1073741824");
            response
        }
        Fault::GzipBomb => packed(bomb()),
        Fault::GzipDamaged => {
            let whole = compress(text.as_bytes(), Compression::fast());
            packed(whole.slice(..whole.len() - 6))
        }
        Fault::Garbage => respond(200, JSON, Bytes::from_static(b"\x00\xff\x13\x37\x80{\"data\"\xfe\xfe\xfe\x00\x01")),
        Fault::WrongTypes => respond(200, JSON, numbers_as_text(answer.body.clone()).to_string()),
        Fault::Truncated => respond(200, JSON, text.get(..text.len() / 2).unwrap_or("{").to_owned()),
        Fault::Empty => respond(200, JSON, ""),
        Fault::WrongContentType => respond(200, PLAIN, text),
        Fault::HtmlPage => respond(200, HTML, page),
        Fault::NotFoundHtml => respond(404, HTML, "<html><body><h1>404 Not Found</h1></body></html>"),
        Fault::ErrorInside => {
            let both = json!({
                "error": { "code": "TransientError", "message": "Try again later" },
                "errors": [{ "detail": "Try again later", "status": 503 }],
            });
            respond(200, JSON, both.to_string())
        }
        Fault::Redirect => {
            let mut response = respond(302, HTML, "<html><body>Moved</body></html>");
            set(response.headers_mut(), "location", REDIRECT_PATH);
            response
        }
        Fault::Throttle => throttle(Some(rule.retry_after.as_deref().unwrap_or("30"))),
        Fault::ThrottleDate => throttle(in_30_seconds(context.wall_ms).as_deref()),
        Fault::ThrottleBare => throttle(None),
        Fault::ThrottleHtml => {
            respond(429, HTML, "<html><head><title>429</title></head><body>429 Too Many Requests</body></html>")
        }
        Fault::Unauthorized => plain(&(context.face.refuse)(false), false),
        Fault::Forbidden => {
            let body = json!({ "error": { "code": "ForbiddenError", "message": "Forbidden" } });
            respond(403, JSON, body.to_string())
        }
    }
}

fn throttle(retry_after: Option<&str>) -> Response<Body> {
    let both = json!({
        "error": { "code": "TooManyRequestsError", "message": "Too many requests" },
        "errors": [{ "detail": "Too many requests", "status": 429 }],
    });
    let mut response = respond(429, JSON, both.to_string());
    if let Some(value) = retry_after {
        set(response.headers_mut(), "retry-after", value);
    }
    response
}

fn in_30_seconds(wall_ms: i64) -> Option<String> {
    let then = Timestamp::from_millisecond(wall_ms.saturating_add(30_000)).ok()?;
    DateTimePrinter::new().timestamp_to_rfc9110_string(&then).ok()
}

fn respond(status: u16, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    set(response.headers_mut(), header::CONTENT_TYPE.as_str(), content_type);
    response
}

fn stream(bytes: Bytes, pace: Pace, context: &Context<'_>) -> Response<Body> {
    respond(200, JSON, paced(bytes, pace, context.stop.clone()))
}

fn packed(bytes: Bytes) -> Response<Body> {
    let mut response = respond(200, JSON, bytes);
    set(response.headers_mut(), "content-encoding", "gzip");
    response
}

/// Sets a header; a value that no header can carry is left out.
fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

fn compress(bytes: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing to memory cannot fail.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map(Bytes::from).unwrap_or_default()
}

fn bomb() -> Bytes {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    BYTES.get_or_init(|| compress(padded(&json!({ "data": {} }), BOMB).as_bytes(), Compression::fast())).clone()
}

/// The same JSON, preceded by so many spaces.
fn padded(value: &Value, padding: usize) -> String {
    format!("{}{value}", " ".repeat(padding))
}

fn numbers_as_text(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(values) => values.into_iter().map(numbers_as_text).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, numbers_as_text(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}
