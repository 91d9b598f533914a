//! From an answer, and a fault that meets it, to bytes on the wire.

use std::{io::Write, sync::OnceLock, time::Duration};

use axum::body::Bytes;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use flate2::{Compression, write::GzEncoder};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::simulator::{
    Fault, FaultRule,
    body::{Pace, paced},
    face::{Answer, Content, Face},
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
    let (body, content_type) = text(&answer.content);
    let mut response = if gzip && answer.status == 200 {
        let mut response = respond(answer.status, content_type, compress(body.as_bytes(), Compression::fast()));
        set(response.headers_mut(), "content-encoding", "gzip");
        response
    } else {
        respond(answer.status, content_type, body)
    };
    for (name, value) in &answer.headers {
        set(response.headers_mut(), name, value);
    }
    response
}

/// The answer as the fault makes it. A hang is not an answer and not made here.
pub(crate) fn faulty(answer: &Answer, rule: &FaultRule, context: &Context<'_>) -> Response<Body> {
    let (text, content_type) = text(&answer.content);
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
        Fault::Hold => plain(answer, false),
        Fault::SlowBody => {
            let pace = Pace { chunk: 1, pause: Duration::from_millis(50), breaks: false };
            stream(content_type, text.into(), pace, context)
        }
        Fault::Reset => {
            let half = Bytes::from(text.into_bytes());
            let half = half.slice(..half.len() / 2);
            stream(content_type, half, Pace { chunk: 4096, pause: Duration::from_millis(1), breaks: true }, context)
        }
        Fault::Oversize => {
            let bytes = padded(&text, OVERSIZE).into();
            stream(content_type, bytes, Pace { chunk: 64 << 10, pause: Duration::ZERO, breaks: false }, context)
        }
        Fault::OversizeDeclared => {
            let pace = Pace { chunk: 4096, pause: Duration::from_millis(1), breaks: true };
            let mut response = stream(content_type, text.into(), pace, context);
            set(response.headers_mut(), "content-length", "1073741824");
            response
        }
        Fault::GzipBomb => packed(bomb()),
        Fault::GzipDamaged => {
            let whole = compress(text.as_bytes(), Compression::fast());
            packed(whole.slice(..whole.len() - 6))
        }
        Fault::Garbage => respond(200, JSON, Bytes::from_static(b"\x00\xff\x13\x37\x80{\"data\"\xfe\xfe\xfe\x00\x01")),
        Fault::WrongTypes => respond(200, content_type, wrong_types(&answer.content)),
        Fault::Truncated => respond(200, content_type, text.get(..text.len() / 2).unwrap_or("{").to_owned()),
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

fn stream(content_type: &str, bytes: Bytes, pace: Pace, context: &Context<'_>) -> Response<Body> {
    respond(200, content_type, paced(bytes, pace, context.stop.clone()))
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
    BYTES.get_or_init(|| compress(padded("{\"data\":{}}", BOMB).as_bytes(), Compression::fast())).clone()
}

/// The same text, preceded by so many spaces.
fn padded(text: &str, padding: usize) -> String {
    format!("{}{text}", " ".repeat(padding))
}

/// The text of a content, and its type.
fn text(content: &Content) -> (String, &'static str) {
    match content {
        Content::Json(value) => (value.to_string(), JSON),
        Content::Lines(lines) => (written(lines), HTML),
        Content::Html(page) => ((*page).to_owned(), HTML),
    }
}

fn written(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn wrong_types(content: &Content) -> String {
    match content {
        Content::Json(value) => twisted(value.clone()).to_string(),
        Content::Lines(lines) => written(&lines.iter().cloned().map(twisted).collect::<Vec<_>>()),
        Content::Html(page) => (*page).to_owned(),
    }
}

/// The same with numbers as texts, and texts and flags as numbers.
fn twisted(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::String(text) => json!(text.len()),
        Value::Bool(flag) => json!(u8::from(flag)),
        Value::Array(values) => values.into_iter().map(twisted).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, twisted(value))).collect(),
        Value::Null => Value::Null,
    }
}
