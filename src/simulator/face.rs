//! What a simulated service is made of: pure functions from a request to an answer.

use std::{borrow::Cow, collections::HashMap};

use axum::http::Method;
use serde_json::Value;

use crate::{
    model::{IndicatorKind, ProviderId},
    simulator::{Truth, abuseipdb, quota::Standing, virustotal},
};

/// Every simulated service.
pub(crate) const FACES: &[Face] = &[virustotal::FACE, abuseipdb::FACE];

/// One service.
#[derive(Clone, Copy)]
pub(crate) struct Face {
    /// The provider it stands for.
    pub(crate) id: ProviderId,
    /// Paths that start so are its own.
    pub(crate) root: &'static str,
    /// The header that carries the key, in lower case.
    pub(crate) key_header: &'static str,
    /// What a request asks for, or the service's complaint.
    pub(crate) read: fn(&Call) -> Result<Asked, Answer>,
    /// The answer to a missing or wrong key.
    pub(crate) refuse: fn(missing: bool) -> Answer,
    /// The answer to a call that is one too many.
    pub(crate) throttle: fn(&Standing, now_s: i64) -> Answer,
    /// The answer to a look-up.
    pub(crate) tell: fn(&Asked, &Truth) -> Answer,
    /// Headers of every answer with a valid key.
    pub(crate) headers: fn(&Standing) -> Vec<(&'static str, String)>,
}

/// A request as far as a service looks at it.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path without the service's prefix, still percent-encoded.
    pub(crate) path: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) accepts_json: bool,
}

/// An indicator that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) kind: IndicatorKind,
    pub(crate) value: String,
    /// How the request named it, where the answer repeats that.
    pub(crate) id: String,
}

/// An answer in JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }
}

/// Undoes percent-encoding; `None` where it is broken or not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?];
            bytes.push(u8::try_from(digits[0] * 16 + digits[1]).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_encoding_is_undone() {
        for (text, expected) in [
            ("host.example", Some("host.example")),
            ("2001%3Adb8%3a%3A1", Some("2001:db8::1")),
            ("%C3%A9", Some("é")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(decode(text).as_deref(), expected, "{text}");
        }
    }
}
