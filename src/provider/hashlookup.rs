//! CIRCL hashlookup: files of operating systems and distributed software, by their hash. Free, without a key.
//!
//! What it holds is known-good for the most part: a trust from 50 upwards puts a ceiling on the score. Clean: such a record; found: a record that
//! names who calls the file malicious, or one of less trust; not_found: a 404 with the service's own words.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    model::{Evidence, Fact, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, Provider, Spec,
        http::Reply,
        request::{Auth, Request, Wire},
        service::{Reading, Service, malformed, parse},
        text,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("hashlookup");

/// Its defaults: the service names no numbers.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://hashlookup.circl.lu",
    quota: "60/min",
    key: KeyUse::Unused,
    kinds: &[IndicatorKind::Md5, IndicatorKind::Sha1, IndicatorKind::Sha256],
    routed: &[IndicatorKind::Md5, IndicatorKind::Sha1, IndicatorKind::Sha256],
    wire: Wire::json(Auth::Nothing),
    build,
};

/// The score of a file that is known to be good is at most this: low.
const CEILING: u8 = 39;
/// Where the service starts to count: every source that has the file adds to it, being called malicious takes off.
const TRUSTED: u8 = 50;

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    // The service writes its digests in upper case.
    path(indicator.kind).map(|path| Request::get(path).segment(indicator.value.to_ascii_uppercase()))
}

const fn path(kind: IndicatorKind) -> Option<&'static str> {
    match kind {
        IndicatorKind::Md5 => Some("/lookup/md5"),
        IndicatorKind::Sha1 => Some("/lookup/sha1"),
        IndicatorKind::Sha256 => Some("/lookup/sha256"),
        IndicatorKind::Ipv4
        | IndicatorKind::Ipv6
        | IndicatorKind::Domain
        | IndicatorKind::Url
        | IndicatorKind::Email
        | IndicatorKind::Sha512
        | IndicatorKind::Cve => None,
    }
}

#[derive(Deserialize)]
struct Unknown {
    message: String,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "MD5")]
    md5: Option<String>,
    #[serde(rename = "SHA-1")]
    sha1: Option<String>,
    #[serde(rename = "SHA-256")]
    sha256: Option<String>,
    #[serde(rename = "FileName")]
    file_name: Option<String>,
    source: Option<String>,
    db: Option<String>,
    #[serde(rename = "KnownMalicious")]
    known_malicious: Option<String>,
    #[serde(rename = "hashlookup:trust")]
    trust: u8,
}

impl Record {
    /// Whether it is about that file; a record need not hold every digest, but one of them.
    fn is_of(&self, indicator: &Indicator) -> bool {
        let digests =
            [(IndicatorKind::Md5, &self.md5), (IndicatorKind::Sha1, &self.sha1), (IndicatorKind::Sha256, &self.sha256)];
        let mut given = digests.into_iter().filter_map(|(kind, digest)| Some((kind, digest.as_deref()?))).peekable();
        let differs = |(kind, digest): (IndicatorKind, &str)| {
            kind == indicator.kind && !digest.eq_ignore_ascii_case(&indicator.value)
        };
        given.peek().is_some() && !given.any(differs)
    }
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let body = match reply {
        Reply::Body(body) => body,
        Reply::NotFound(body) => {
            let unknown: Unknown = parse(body)?;
            return match unknown.message.starts_with("Non existing") {
                true => Ok((VerdictKind::NotFound, Evidence::default())),
                false => Err(malformed("status 404 without the service's own error")),
            };
        }
    };
    let record: Record = parse(body)?;
    if record.trust > 100 {
        return Err(malformed("a trust over 100"));
    }
    if !record.is_of(indicator) {
        return Err(malformed("an answer about another file"));
    }
    let accuser = record.known_malicious.as_deref();
    let is_good = accuser.is_none() && record.trust >= TRUSTED;
    let mut facts = vec![("hashlookup_trust", Fact::Int(i64::from(record.trust)))];
    text::push(&mut facts, "hashlookup_known_malicious", accuser);
    text::push(&mut facts, "hashlookup_file_name", record.file_name.as_deref());
    text::push(&mut facts, "hashlookup_source", record.source.as_deref());
    text::push(&mut facts, "hashlookup_db", record.db.as_deref());
    let description = match accuser.and_then(text::clean) {
        Some(accuser) => format!("malicious according to {accuser}"),
        None => format!("a known file, trust {} of 100", record.trust),
    };
    let evidence = Evidence {
        ceiling: is_good.then_some(CEILING),
        facts,
        reference: path(indicator.kind).map(|path| format!("{}{path}/{}", SPEC.base_url, indicator.value).into()),
        description: Some(description.into()),
        ..Evidence::default()
    };
    Ok((if is_good { VerdictKind::Clean } else { VerdictKind::Found }, evidence))
}
