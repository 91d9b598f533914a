//! The one HTTP client of all providers; with `transport`, which makes its connections, the only file that names `reqwest`.
//!
//! Rules: https unless the host is loopback; certificates verified; no redirect followed; proxies of the
//! environment ignored; the answer must be JSON by its content type (but for services of which another is known); at most [`MAX_BODY`] bytes are read and at most
//! [`MAX_DECODED`] unpacked, nested at most 64 deep; connecting, the first byte and the whole call each have a time limit. The key travels in a
//! header that is marked sensitive, or in the query where the service knows no other way, and never appears in an error or in `Debug`. A part of a path or query is
//! percent-encoded, so that an indicator can change neither the host nor the path.
//!
//! Guarantee: [`Client::send`] returns a body only for a complete 200 or 404 answer; all else is a [`LookupError`].

use std::{borrow::Cow, error::Error as _, fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Response, StatusCode, Url,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::{
    model::{FailReason, IndicatorKind, SharedClock},
    provider::{
        BuildError, Config, Costs, Feedback, Limit, LookupError, Spec,
        depth::{MAX_DEPTH, is_deeper},
        feedback::{self, Said},
        gzip::{GunzipError, gunzip},
        reach::SystemNames,
        registry::KeyUse,
        request::{Auth, Content, Payload, Request, Wire},
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

/// By this header a service that answers line by line says that something went wrong on the way.
const CUT_SHORT: &str = "x-dribble-errors";

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200 with this JSON text (not yet parsed).
    Body(Vec<u8>),
    /// 404 with this JSON text; what it means is for the provider to say.
    NotFound(Vec<u8>),
}

/// A client of one service with one key.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    wire: Wire,
    kinds: Vec<IndicatorKind>,
    key_name: Option<Box<str>>,
    credential: Credential,
    timeout: Duration,
    account_poll: Option<Duration>,
    costs: Costs,
    clock: SharedClock,
    said: Said,
}

/// The key in the form in which it is sent.
enum Credential {
    Nothing,
    Header(HeaderName, HeaderValue),
    Query(&'static str, SecretString),
}

impl Client {
    /// A client that speaks to the service as its specification says.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when the base URL breaks the rules, the key is missing or cannot be sent, or TLS cannot be set up.
    pub(crate) fn new(spec: &Spec, config: &Config, clock: SharedClock) -> Result<Self, BuildError> {
        let provider = spec.id;
        let network = &config.network;
        let judged = transport::check_base(&config.base_url, network.internal);
        let (base, reach) = judged.map_err(|why| BuildError::BaseUrl { provider, why })?;
        let credential = credential(spec, config.api_key.as_ref()).ok_or(BuildError::Key { provider })?;
        let http = transport::client(&base, reach, config, Arc::new(SystemNames))
            .map_err(|error| BuildError::Client { provider, detail: root_cause(&error) })?;
        Ok(Self {
            http,
            base: base.as_str().trim_end_matches('/').to_owned(),
            wire: spec.wire,
            kinds: config.kinds.clone(),
            key_name: config.key_name.clone(),
            credential,
            timeout: config.timeout,
            account_poll: config.account_poll,
            costs: config.costs.unwrap_or_else(|| Costs::new(spec.wire.prices)),
            clock,
            said: Said::default(),
        })
    }

    /// Sends a request, once.
    ///
    /// # Errors
    ///
    /// Everything but a complete 200 or 404 in the form that the service answers in.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Reply, LookupError> {
        let url = self.url(&request)?;
        let is_gone = url.host_str().is_some_and(|host| self.wire.retired.contains(&host));
        let sent = timeout(self.timeout, self.exchange(url, request.payload)).await.unwrap_or_else(|_| {
            Err(LookupError::failed(FailReason::Timeout, format!("no complete answer within {:?}", self.timeout)))
        });
        match sent {
            Err(LookupError::Failed { reason: FailReason::Connect, detail }) if is_gone => {
                Err(LookupError::failed(FailReason::Retired, format!("its host serves no more: {detail}")))
            }
            sent => sent,
        }
    }

    /// What the service says of the key and its plan by the call that costs nothing; `None` where it has none, or there is no key.
    pub(crate) async fn prove(&self) -> Option<Result<Vec<Limit>, LookupError>> {
        let proof = self.wire.proof?;
        let key = match &self.credential {
            Credential::Header(_, value) => value.to_str().ok()?,
            Credential::Query(_, key) => key.expose_secret(),
            Credential::Nothing => return None,
        };
        let told = match self.send((proof.request)(key)).await {
            Ok(Reply::Body(body)) => proof.limits(&body),
            Ok(Reply::NotFound(_)) => Err(LookupError::failed(FailReason::Rejected, "status 404")),
            Err(error) => Err(error),
        };
        Some(told)
    }

    /// What calls cost.
    pub(crate) const fn costs(&self) -> Costs {
        self.costs
    }

    /// How often the service is asked for its own account, where it has a call for that.
    pub(crate) fn account_poll(&self) -> Option<Duration> {
        self.account_poll.filter(|_| self.wire.proof.is_some_and(|proof| proof.counts))
    }

    /// Asks the service what its own account has left.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub(crate) async fn ask_account(&self) -> Result<Vec<Feedback>, LookupError> {
        let told = self.prove().await.transpose()?.unwrap_or_default();
        Ok(told.iter().filter_map(Limit::feedback).collect())
    }

    /// Whether the configuration routes indicators of this kind here.
    pub(crate) fn is_routed(&self, kind: IndicatorKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// The name of its key where it is one of several.
    pub(crate) fn key_name(&self) -> Option<&str> {
        self.key_name.as_deref()
    }

    /// Scheme, host, port and prefix, without a slash at the end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// What headers of answers said on the quota since the last look.
    pub(crate) fn feedback(&self) -> Vec<Feedback> {
        self.said.take()
    }

    /// Wall time, milliseconds since the epoch.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    fn url(&self, request: &Request<'_>) -> Result<Url, LookupError> {
        let mut url = format!("{}{}", self.base, request.path);
        if let Some(segment) = &request.segment {
            // Dots are not encodable: a parser would resolve these two, encoded or not.
            if matches!(&**segment, "" | "." | "..") {
                return Err(LookupError::failed(FailReason::Rejected, "indicator cannot be part of a path"));
            }
            url.push('/');
            text::encode(segment, &mut url);
        }
        url.push_str(request.tail);
        let query = request.query.iter().map(|(name, value)| (*name, &**value));
        let key = match &self.credential {
            Credential::Query(name, key) => Some((*name, key.expose_secret())),
            Credential::Header(..) | Credential::Nothing => None,
        };
        for (index, (name, value)) in query.chain(key).enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            pair(name, value, &mut url);
        }
        Url::parse(&url).map_err(|_| LookupError::failed(FailReason::Rejected, "indicator cannot be part of a URL"))
    }

    async fn exchange(&self, url: Url, payload: Payload<'_>) -> Result<Reply, LookupError> {
        let request = match payload {
            Payload::Nothing => self.http.get(url),
            Payload::Json(body) => self.http.post(url).header(CONTENT_TYPE, "application/json").body(body),
            Payload::Form(fields) => {
                let body = form(&fields);
                self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
            }
        };
        let request = match &self.credential {
            Credential::Header(name, value) => request.header(name.clone(), value.clone()),
            Credential::Query(..) | Credential::Nothing => request,
        };
        let request = request.header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "gzip").send();
        let first_byte = self.timeout.mul_f64(0.8);
        let response = match timeout(first_byte, request).await {
            Ok(sent) => sent.map_err(|error| broken(&error))?,
            Err(_) => {
                return Err(LookupError::failed(FailReason::Timeout, format!("no first byte within {first_byte:?}")));
            }
        };
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        if let Some(said) = feedback::of_headers(header, self.wire.counts, self.clock.wall_ms()) {
            self.said.note(said);
        }
        let status = response.status();
        match status {
            StatusCode::OK if response.headers().contains_key(CUT_SHORT) => Err(LookupError::failed(
                FailReason::Unavailable,
                "status 200, the service says that its answer is not whole",
            )),
            StatusCode::OK => Ok(Reply::Body(body_of(response, self.wire.content).await?)),
            StatusCode::NOT_FOUND if !is_json(&response) => {
                let judged = (self.wire.judge)(404, None);
                Err(judged.unwrap_or_else(|| LookupError::failed(FailReason::Malformed, "status 404, not json")))
            }
            StatusCode::NOT_FOUND => Ok(Reply::NotFound(body_of(response, Content::Json).await?)),
            StatusCode::TOO_MANY_REQUESTS => {
                let retry_after = pause(response.headers(), self.clock.wall_ms());
                let used_up = match self.wire.used_up {
                    Some(name) => {
                        error_body(response).await.and_then(|body| error_name(&body)).as_deref() == Some(name)
                    }
                    None => false,
                };
                Err(LookupError::Throttled { retry_after, used_up })
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(self.refusal(FailReason::Unauthorized, response).await)
            }
            _ if status.is_client_error() => Err(self.refusal(FailReason::Rejected, response).await),
            _ if status.is_server_error() => Err(self.refusal(FailReason::Unavailable, response).await),
            // Redirects are not followed: the key would go to a host that nobody configured.
            _ => Err(LookupError::failed(FailReason::Malformed, format!("unexpected status {}", status.as_u16()))),
        }
    }

    /// An error status: what the service says with it, else its reason, with the error's name where the body gives one in time.
    async fn refusal(&self, reason: FailReason, response: Response) -> LookupError {
        let status = response.status().as_u16();
        let body = error_body(response).await;
        if let Some(judged) = (self.wire.judge)(status, body.as_deref()) {
            return judged;
        }
        let name = body.as_deref().and_then(error_name).map_or_else(String::new, |name| format!(", {name}"));
        LookupError::failed(reason, format!("status {status}{name}"))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// `None` where a key is missing or cannot be sent.
fn credential(spec: &Spec, key: Option<&SecretString>) -> Option<Credential> {
    let Some(key) = key.filter(|_| spec.key != KeyUse::Unused) else {
        return matches!(spec.key, KeyUse::Unused | KeyUse::Optional).then_some(Credential::Nothing);
    };
    let text = key.expose_secret();
    let plain = sensitive(text)?;
    match spec.wire.auth {
        Auth::Header(name) => Some(Credential::Header(HeaderName::from_static(name), plain)),
        Auth::Query(name) => Some(Credential::Query(name, key.clone())),
        Auth::Nothing => Some(Credential::Nothing),
        Auth::Basic => {
            let value = sensitive(&format!("Basic {}", STANDARD.encode(text)))?;
            text.contains(':').then_some(Credential::Header(AUTHORIZATION, value))
        }
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok().filter(|_| !text.trim().is_empty())?;
    value.set_sensitive(true);
    Some(value)
}

fn pair(name: &str, value: &str, into: &mut String) {
    into.push_str(name);
    into.push('=');
    text::encode(value, into);
}

fn form(fields: &[(&'static str, Cow<'_, str>)]) -> String {
    let mut body = String::new();
    for (index, (name, value)) in fields.iter().enumerate() {
        if index > 0 {
            body.push('&');
        }
        pair(name, value, &mut body);
    }
    body
}

/// How long a refusal asks to wait: `Retry-After`, or its relatives that count in seconds.
fn pause(headers: &HeaderMap, wall_ms: i64) -> Option<Duration> {
    ["retry-after", "x-rate-limit-reset-after", "x-rate-limit-reset"].into_iter().find_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        retry_after::parse(value, wall_ms)
    })
}

async fn body_of(response: Response, content: Content) -> Result<Vec<u8>, LookupError> {
    let status = response.status().as_u16();
    let acceptable = is_json(&response) || (content == Content::Lines && is_text(&response));
    if !acceptable {
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

fn essence(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_text(response: &Response) -> bool {
    matches!(&*essence(response), "text/html" | "text/plain" | "application/x-ndjson" | "application/jsonlines")
}

fn is_json(response: &Response) -> bool {
    let essence = essence(response);
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

/// The body of an error status, where it is JSON and comes in time.
async fn error_body(response: Response) -> Option<Vec<u8>> {
    if !is_json(&response) || is_packed(&response) != Ok(false) {
        return None;
    }
    timeout(MAX_ERROR_WAIT, read(response, MAX_ERROR_BODY)).await.ok()?.ok()
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
