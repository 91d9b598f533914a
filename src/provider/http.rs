//! The one HTTP client of all providers; with `transport`, which makes its connections, the only file that names `reqwest`.
//!
//! Rules: GET only; https unless the host is loopback; certificates verified; no redirect followed; proxies of the
//! environment ignored; the answer must be JSON by its content type; at most [`MAX_BODY`] bytes are read and at most
//! [`MAX_DECODED`] unpacked, nested at most 64 deep; connecting, the first byte and the whole call each have a time limit. The key travels in a
//! header that is marked sensitive and never appears in an error or in `Debug`. A part of a path or query is
//! percent-encoded, so that an indicator can change neither the host nor the path.
//!
//! Guarantee: [`Client::get`] returns a body only for a complete 200 or 404 answer; all else is a [`LookupError`].

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use reqwest::{
    Response, StatusCode, Url,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::{
    model::{FailReason, ProviderId, SharedClock},
    provider::{
        BuildError, Config, Feedback, LookupError,
        depth::{MAX_DEPTH, is_deeper},
        gzip::{GunzipError, gunzip},
        reach::SystemNames,
        retry_after, text, transport,
    },
};

/// Bytes of an answer's body as they come from the network, at most.
pub const MAX_BODY: usize = 2 << 20;
/// Bytes of an answer's body after decompression, at most.
pub const MAX_DECODED: usize = 4 << 20;

/// How much of an error's body is read, and for how long, to find the error's name for the log.
const MAX_ERROR_BODY: usize = 16 << 10;
const MAX_ERROR_WAIT: Duration = Duration::from_millis(500);

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// 200 with this JSON text (not yet parsed).
    Body(Vec<u8>),
    /// 404 with this JSON text; what it means is for the provider to say.
    NotFound(Vec<u8>),
}

/// A client of one service with one key.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key_name: HeaderName,
    key: HeaderValue,
    timeout: Duration,
    clock: SharedClock,
    feedback: Mutex<Option<Feedback>>,
}

impl Client {
    /// A client that sends the key in the header `key_name`.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when the base URL breaks the rules, the key cannot be a header value, or TLS cannot be set up.
    pub(crate) fn new(
        provider: ProviderId,
        key_name: &'static str,
        config: &Config,
        clock: SharedClock,
    ) -> Result<Self, BuildError> {
        let network = &config.network;
        let judged = transport::check_base(&config.base_url, network.internal);
        let (base, reach) = judged.map_err(|why| BuildError::BaseUrl { provider, why })?;
        let key = sensitive(&config.api_key).ok_or(BuildError::Key { provider })?;
        let http = transport::client(&base, reach, config, Arc::new(SystemNames))
            .map_err(|error| BuildError::Client { provider, detail: root_cause(&error) })?;
        Ok(Self {
            http,
            base: base.as_str().trim_end_matches('/').to_owned(),
            key_name: HeaderName::from_static(key_name),
            key,
            timeout: config.timeout,
            clock,
            feedback: Mutex::new(None),
        })
    }

    /// Asks for `path` (fixed text with slashes) followed by `segment` and `query`, each encoded.
    ///
    /// # Errors
    ///
    /// Everything but a complete 200 or 404 with JSON.
    pub(crate) async fn get(
        &self,
        path: &'static str,
        segment: Option<&str>,
        query: &[(&'static str, &str)],
    ) -> Result<Reply, LookupError> {
        let url = self.url(path, segment, query)?;
        timeout(self.timeout, self.exchange(url)).await.unwrap_or_else(|_| {
            Err(LookupError::failed(FailReason::Timeout, format!("no complete answer within {:?}", self.timeout)))
        })
    }

    /// What the last answer's headers said on the quota.
    pub(crate) fn feedback(&self) -> Option<Feedback> {
        *self.feedback.lock()
    }

    /// Wall time, milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    fn url(&self, path: &str, segment: Option<&str>, query: &[(&'static str, &str)]) -> Result<Url, LookupError> {
        let mut url = format!("{}{path}", self.base);
        if let Some(segment) = segment {
            // Dots are not encodable: a parser would resolve these two, encoded or not.
            if matches!(segment, "" | "." | "..") {
                return Err(LookupError::failed(FailReason::Rejected, "indicator cannot be part of a path"));
            }
            url.push('/');
            encode(segment, &mut url);
        }
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            encode(value, &mut url);
        }
        Url::parse(&url).map_err(|_| LookupError::failed(FailReason::Rejected, "indicator cannot be part of a URL"))
    }

    async fn exchange(&self, url: Url) -> Result<Reply, LookupError> {
        let request = self
            .http
            .get(url)
            .header(self.key_name.clone(), self.key.clone())
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip")
            .send();
        let first_byte = self.timeout.mul_f64(0.8);
        let response = match timeout(first_byte, request).await {
            Ok(sent) => sent.map_err(|error| broken(&error))?,
            Err(_) => {
                return Err(LookupError::failed(FailReason::Timeout, format!("no first byte within {first_byte:?}")));
            }
        };
        self.note_feedback(&response);
        let status = response.status();
        match status {
            StatusCode::OK => Ok(Reply::Body(json_body(response).await?)),
            StatusCode::NOT_FOUND => Ok(Reply::NotFound(json_body(response).await?)),
            StatusCode::TOO_MANY_REQUESTS => {
                let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let retry_after = header.and_then(|value| retry_after::parse(value, self.clock.wall_ms()));
                Err(LookupError::Throttled { retry_after })
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refusal(FailReason::Unauthorized, response).await),
            _ if status.is_client_error() => Err(refusal(FailReason::Rejected, response).await),
            _ if status.is_server_error() => Err(refusal(FailReason::Unavailable, response).await),
            // Redirects are not followed: the key would go to a host that nobody configured.
            _ => Err(LookupError::failed(FailReason::Malformed, format!("unexpected status {}", status.as_u16()))),
        }
    }

    fn note_feedback(&self, response: &Response) {
        let number = |name| {
            response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()?.trim().parse().ok())
        };
        if let Some(remaining) = number("x-ratelimit-remaining") {
            let observed_at = self.clock.monotonic();
            *self.feedback.lock() = Some(Feedback { remaining, limit: number("x-ratelimit-limit"), observed_at });
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn sensitive(key: &SecretString) -> Option<HeaderValue> {
    let key = key.expose_secret();
    let mut value = HeaderValue::from_str(key).ok().filter(|_| !key.trim().is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

/// Percent-encodes everything but RFC 3986's unreserved characters and the colon, which has no meaning after the host
/// and without which IPv6 addresses stay readable.
fn encode(text: &str, into: &mut String) {
    use fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            into.push(char::from(byte));
        } else if write!(into, "%{byte:02X}").is_err() {
            // Writing to a string cannot fail.
            return;
        }
    }
}

async fn json_body(response: Response) -> Result<Vec<u8>, LookupError> {
    let status = response.status().as_u16();
    if !is_json(&response) {
        return Err(LookupError::failed(
            FailReason::Malformed,
            format!("status {status}, not json by its content type"),
        ));
    }
    let packed = is_packed(&response)?;
    let body = read(response, MAX_BODY).await?;
    let body = if packed {
        gunzip(&body, MAX_DECODED).map_err(|error| match error {
            GunzipError::TooLarge => too_large(MAX_DECODED, "decompressed "),
            GunzipError::Damaged => {
                LookupError::failed(FailReason::Malformed, format!("status {status}, damaged gzip"))
            }
        })?
    } else {
        body
    };
    if is_deeper(&body, MAX_DEPTH) {
        let detail = format!("status {status}, nested deeper than {MAX_DEPTH} levels");
        return Err(LookupError::failed(FailReason::Malformed, detail));
    }
    Ok(body)
}

fn is_json(response: &Response) -> bool {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn is_packed(response: &Response) -> Result<bool, LookupError> {
    let Some(value) = response.headers().get(CONTENT_ENCODING) else { return Ok(false) };
    match value.to_str().unwrap_or("?").trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        _ => Err(LookupError::failed(FailReason::Malformed, "content encoding that was not offered")),
    }
}

async fn read(mut response: Response, cap: usize) -> Result<Vec<u8>, LookupError> {
    let declared = response.content_length().unwrap_or(0);
    if usize::try_from(declared).map_or(true, |declared| declared > cap) {
        return Err(too_large(cap, ""));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + chunk.len() > cap {
            return Err(too_large(cap, ""));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large(cap: usize, what: &str) -> LookupError {
    LookupError::failed(FailReason::TooLarge, format!("{what}body over {cap} bytes"))
}

/// An error status, with the error's name where the body is JSON and gives one in time.
async fn refusal(reason: FailReason, response: Response) -> LookupError {
    let mut detail = format!("status {}", response.status().as_u16());
    if is_json(&response)
        && is_packed(&response) == Ok(false)
        && let Ok(Ok(body)) = timeout(MAX_ERROR_WAIT, read(response, MAX_ERROR_BODY)).await
        && let Some(name) = error_name(&body)
    {
        detail = format!("{detail}, {name}");
    }
    LookupError::Failed { reason, detail }
}

fn error_name(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let name = value.pointer("/error/code")?.as_str()?;
    text::is_error_name(name).then(|| name.to_owned())
}

fn broken(error: &reqwest::Error) -> LookupError {
    let reason = if error.is_timeout() {
        FailReason::Timeout
    } else if error.is_builder() {
        FailReason::Rejected
    } else {
        FailReason::Connect
    };
    LookupError::failed(reason, root_cause(error))
}

/// The innermost error's text: the outer ones name the URL, and with it the indicator.
fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "request failed".to_owned() };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    text::clean(&cause.to_string()).map_or_else(|| "request failed".to_owned(), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_leaves_nothing_that_a_path_or_query_gives_meaning_to() {
        let mut encoded = String::new();
        encode("../a?b#c%2e\\d\t:é", &mut encoded);
        assert_eq!(encoded, "..%2Fa%3Fb%23c%252e%5Cd%09:%C3%A9");
    }
}
