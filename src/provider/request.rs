//! A request as a provider describes it. Plain data: `http` makes the bytes.

use std::{borrow::Cow, net::IpAddr};

use crate::{
    budget::Span,
    model::{Indicator, IndicatorKind},
    provider::{LookupError, Prices, proof::Proof},
};

/// How the key travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// As the value of this header, in lower case.
    Header(&'static str),
    /// As this parameter of the query.
    Query(&'static str),
    /// As HTTP Basic: the key is `user:password`.
    Basic,
    /// Not at all: the service has none.
    Nothing,
}

/// In which form answers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// JSON by its content type.
    Json,
    /// JSON objects, one a line, under whatever text type the service gives them.
    Lines,
}

/// What an error status means where the service speaks in its own way; `body` is its JSON, where it is JSON. `None` leaves it to
/// the status.
pub type Judge = fn(status: u16, body: Option<&[u8]>) -> Option<LookupError>;

/// How one service is spoken to.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    /// How the key travels.
    pub auth: Auth,
    /// In which form answers come.
    pub content: Content,
    /// What error statuses mean.
    pub judge: Judge,
    /// Hosts of a service that is no more: whatever keeps a connection to them from being made is its end.
    pub retired: &'static [&'static str],
    /// The window that rate headers are of, where they do not name it themselves.
    pub counts: Option<Span>,
    /// The name of the error by which a 429 says that a quota of the key is used up, where the service tells that from too much haste.
    pub used_up: Option<&'static str>,
    /// What calls cost that do not cost one unit.
    pub prices: Prices,
    /// The call that proves the key for nothing, where there is one.
    pub proof: Option<Proof>,
}

impl Wire {
    /// JSON, and errors by their status.
    pub const fn json(auth: Auth) -> Self {
        Self {
            auth,
            content: Content::Json,
            judge: |_, _| None,
            retired: &[],
            counts: None,
            used_up: None,
            prices: &[],
            proof: None,
        }
    }
}

/// What is sent along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Nothing: a GET.
    Nothing,
    /// This JSON text: a POST.
    Json(Vec<u8>),
    /// This form: a POST.
    Form(Vec<(&'static str, Cow<'a, str>)>),
}

/// One request: `path`, then `segment` where there is one, then `tail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Where the path begins.
    pub path: &'static str,
    /// One part of the path, encoded when it is sent.
    pub segment: Option<Cow<'a, str>>,
    /// Where the path ends.
    pub tail: &'static str,
    /// Parameters, encoded when they are sent.
    pub query: Vec<(&'static str, Cow<'a, str>)>,
    /// What is sent along.
    pub payload: Payload<'a>,
}

impl<'a> Request<'a> {
    /// A GET of this fixed path, without a slash at its end where a segment follows.
    pub const fn get(path: &'static str) -> Self {
        Self { path, segment: None, tail: "", query: Vec::new(), payload: Payload::Nothing }
    }

    /// A POST of a form.
    pub fn form(path: &'static str, fields: Vec<(&'static str, Cow<'a, str>)>) -> Self {
        Self { payload: Payload::Form(fields), ..Self::get(path) }
    }

    /// A POST of a JSON text.
    pub fn json(path: &'static str, body: &serde_json::Value) -> Self {
        Self { payload: Payload::Json(body.to_string().into_bytes()), ..Self::get(path) }
    }

    /// With this as one part of the path; it is encoded.
    pub fn segment(self, segment: impl Into<Cow<'a, str>>) -> Self {
        Self { segment: Some(segment.into()), ..self }
    }

    /// With this fixed path after the segment.
    pub fn tail(self, tail: &'static str) -> Self {
        Self { tail, ..self }
    }

    /// With one more parameter; its value is encoded.
    pub fn query(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.query.push((name, value.into()));
        self
    }
}

/// Whether a value is what its kind says, as far as a request relies on it. What is not is not sent.
pub(crate) fn is_well_formed(indicator: &Indicator) -> bool {
    let value = &*indicator.value;
    let hash = |digits: usize| value.len() == digits && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = |text: &str| {
        text.contains('.') && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    match indicator.kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => value.parse::<IpAddr>().is_ok(),
        IndicatorKind::Domain => name(value),
        IndicatorKind::Url => !value.is_empty() && !value.contains(char::is_control),
        IndicatorKind::Email => value.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && name(host)),
        IndicatorKind::Md5 => hash(32),
        IndicatorKind::Sha1 => hash(40),
        IndicatorKind::Sha256 => hash(64),
        IndicatorKind::Sha512 => hash(128),
        IndicatorKind::Cve => value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
    }
}
