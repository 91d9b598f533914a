//! What a simulated service is made of: pure functions from a request to an answer.

use std::{borrow::Cow, collections::HashMap, net::IpAddr};

use axum::http::Method;
use serde_json::Value;

use crate::{
    model::{IndicatorKind, ProviderId},
    simulator::{
        Truth, abuseipdb, circl_pdns, greynoise, hashlookup, internetdb, malwarebazaar, misp, otx, otx_pdns,
        passivetotal, safebrowsing, safebrowsing_v5, shodan, threatfox, urlhaus, urlscan, virustotal,
    },
};

pub use crate::simulator::quota::Standing;

/// Every simulated service.
pub(crate) const FACES: &[Face] = &[
    virustotal::FACE,
    abuseipdb::FACE,
    shodan::FACE,
    misp::FACE,
    passivetotal::FACE,
    urlscan::FACE,
    safebrowsing::FACE,
    malwarebazaar::FACE,
    internetdb::FACE,
    greynoise::FACE,
    hashlookup::FACE,
    urlhaus::FACE,
    threatfox::FACE,
    otx::FACE,
    otx_pdns::FACE,
    circl_pdns::FACE,
    safebrowsing_v5::FACE,
];

/// Where a service looks for the key.
#[derive(Clone, Copy, Debug)]
pub enum KeyPlace {
    /// In this header, in lower case.
    Header(&'static str),
    /// In this parameter of the query.
    Query(&'static str),
    /// In HTTP Basic, as `user:key`.
    Basic,
    /// In this header, in lower case, where there is one.
    OptionalHeader(&'static str),
    /// Nowhere: everybody is answered.
    Nowhere,
}

/// One service.
#[derive(Clone, Copy, Debug)]
pub struct Face {
    /// The provider it stands for.
    pub id: ProviderId,
    /// Paths that start so are its own. Of several services the one with the longest root is meant.
    pub roots: &'static [&'static str],
    /// Where it looks for the key.
    pub key: KeyPlace,
    /// What a request asks for (more than one indicator where the service takes lists), or the service's complaint.
    pub read: fn(&Call) -> Result<Vec<Asked>, Answer>,
    /// The answer to a missing or wrong key.
    pub refuse: fn(missing: bool) -> Answer,
    /// The answer to a call that is one too many.
    pub throttle: fn(&Standing, now_s: i64) -> Answer,
    /// The answer to a look-up.
    pub tell: Tell,
    /// Headers of every answer with a valid key.
    pub headers: fn(&Standing) -> Vec<(&'static str, String)>,
}

/// The answer of a service that takes one indicator a call, or many.
#[derive(Clone, Copy, Debug)]
pub enum Tell {
    /// Of one indicator.
    One(fn(&Asked, &Truth) -> Answer),
    /// Of all that were asked for.
    Many(fn(&[(Asked, Truth)]) -> Answer),
}

/// The face that a path is for, and the path as that service sees it: services are found under their own paths and under a prefix
/// with their name.
pub(crate) fn find<'f, 'p>(faces: &'f [Face], path: &'p str) -> Option<(&'f Face, &'p str)> {
    let named = faces.iter().find_map(|face| {
        let rest = path.strip_prefix('/')?.strip_prefix(face.id.as_str())?;
        rest.starts_with('/').then_some((face, rest))
    });
    let root_of = |face: &Face, path: &str| {
        face.roots.iter().filter(|root| path.starts_with(**root)).map(|root| root.len()).max()
    };
    // `/shodan/host/…` is a path of that service's own; `/shodan/shodan/host/…` is it under the prefix.
    if let Some((face, rest)) = named
        && root_of(face, rest).is_some()
    {
        return named;
    }
    let bare = faces.iter().filter_map(|face| Some((root_of(face, path)?, face))).max_by_key(|(length, _)| *length);
    bare.map(|(_, face)| (face, path)).or(named)
}

/// A request as far as a service looks at it.
#[derive(Debug)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Path without the service's prefix, still percent-encoded.
    pub path: String,
    /// Parameters, decoded; of one that is there several times the last.
    pub query: HashMap<String, String>,
    /// As it came, with parameters that are there several times.
    pub raw_query: String,
    /// Whether it asks for JSON.
    pub accepts_json: bool,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    /// The body as a form.
    pub fn form(&self) -> HashMap<String, String> {
        let text = String::from_utf8_lossy(&self.body);
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .filter_map(|(name, value)| Some((name.to_owned(), decode(&value.replace('+', " "))?.into_owned())))
            .collect()
    }

    /// Every value of a parameter of the query.
    pub fn all(&self, name: &str) -> impl Iterator<Item = String> {
        let pairs = self.raw_query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(move |(of, _)| *of == name).filter_map(|(_, value)| decode(value).map(Cow::into_owned))
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The part of the path after `root`, decoded, where it is one part.
    pub fn segment(&self, root: &str) -> Option<String> {
        self.segment_before(root, "")
    }

    /// The part of the path between `root` and `tail`, decoded, where it is one part.
    pub fn segment_before(&self, root: &str, tail: &str) -> Option<String> {
        let rest =
            self.path.strip_prefix(root)?.strip_suffix(tail).filter(|rest| !rest.is_empty() && !rest.contains('/'))?;
        decode(rest).map(Cow::into_owned)
    }
}

/// An indicator that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its kind.
    pub kind: IndicatorKind,
    /// Its value.
    pub value: String,
    /// How the request named it, where the answer repeats that.
    pub id: String,
}

impl Asked {
    /// An indicator that is named by its value.
    pub fn new(kind: IndicatorKind, value: impl Into<String>) -> Self {
        let value = value.into();
        Self { kind, id: value.clone(), value }
    }

    /// What a value is to a service that is not told its kind.
    pub fn guess(value: &str) -> Self {
        let digits = value.bytes().all(|byte| byte.is_ascii_hexdigit());
        let kind = match value.parse() {
            Ok(IpAddr::V4(_)) => IndicatorKind::Ipv4,
            Ok(IpAddr::V6(_)) => IndicatorKind::Ipv6,
            Err(_) if value.contains("://") => IndicatorKind::Url,
            Err(_) if value.contains('@') => IndicatorKind::Email,
            Err(_) if value.starts_with("CVE-") => IndicatorKind::Cve,
            Err(_) if digits && value.len() == 32 => IndicatorKind::Md5,
            Err(_) if digits && value.len() == 40 => IndicatorKind::Sha1,
            Err(_) if digits && value.len() == 64 => IndicatorKind::Sha256,
            Err(_) if digits && value.len() == 128 => IndicatorKind::Sha512,
            Err(_) => IndicatorKind::Domain,
        };
        Self::new(kind, value)
    }
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// JSON.
    Json(Value),
    /// Objects, one a line, declared as HTML.
    Lines(Vec<Value>),
    /// A page.
    Html(&'static str),
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Headers of its own.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub content: Content,
}

impl Answer {
    /// A JSON answer.
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), content: Content::Json(body) }
    }

    /// A page.
    pub fn html(status: u16, page: &'static str) -> Self {
        Self { status, headers: Vec::new(), content: Content::Html(page) }
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
    fn services_are_found_by_path_and_by_name() {
        let rows = [
            ("/api/v3/domains/a.example", Some(("virustotal", "/api/v3/domains/a.example"))),
            ("/virustotal/api/v3/domains/a.example", Some(("virustotal", "/api/v3/domains/a.example"))),
            ("/shodan/host/198.51.100.7", Some(("shodan", "/shodan/host/198.51.100.7"))),
            ("/shodan/shodan/host/198.51.100.7", Some(("shodan", "/shodan/host/198.51.100.7"))),
            ("/shodan/dns/domain/a.example", Some(("shodan", "/dns/domain/a.example"))),
            ("/api/v1/search/", Some(("urlscan", "/api/v1/search/"))),
            ("/api/v1/", Some(("malwarebazaar", "/api/v1/"))),
            ("/internetdb/198.51.100.7", Some(("internetdb", "/198.51.100.7"))),
            ("/misp/elsewhere", Some(("misp", "/elsewhere"))),
            ("/elsewhere", None),
        ];
        for (path, expected) in rows {
            assert_eq!(find(FACES, path).map(|(face, path)| (face.id.as_str(), path)), expected, "{path}");
        }
    }

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
