//! VirusTotal API v3: addresses, domains, URLs and files.
//!
//! Reports are read, never requested: nothing is submitted, so that nothing is published. A URL is asked for by its
//! unpadded URL-safe base64, since only the service knows its own canonical form. Found: an engine calls it malicious or
//! suspicious; clean: engines voted and none did; not_found: no engine voted, or the service's own `NotFoundError`. The
//! service sends no rate headers, and its 429 often lacks `Retry-After`; its `QuotaExceededError` does not say which quota.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{
    model::{Evidence, Fact, FailReason, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, LookupError, Provider, Spec, about,
        http::Reply,
        proof,
        request::{Auth, Request, Wire},
        service::{Reading, Service, malformed},
        text,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("virustotal");

/// Its defaults: those of a public key.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://www.virustotal.com",
    quota: "4/min, 500/day, 15500/month",
    key: KeyUse::Required,
    kinds: KINDS,
    routed: KINDS,
    wire: Wire {
        proof: Some(proof::VIRUSTOTAL),
        used_up: Some("QuotaExceededError"),
        ..Wire::json(Auth::Header("x-apikey"))
    },
    build,
};

const KINDS: &[IndicatorKind] = &[
    IndicatorKind::Ipv4,
    IndicatorKind::Ipv6,
    IndicatorKind::Domain,
    IndicatorKind::Url,
    IndicatorKind::Md5,
    IndicatorKind::Sha1,
    IndicatorKind::Sha256,
];

/// From so many engines on, chance is ruled out and the score does not fall under [`FLOOR`].
const FLOOR_ENGINES: u64 = 3;
const FLOOR: u8 = 40;
/// The last second of the year 9999: beyond it a date is an error.
const MAX_EPOCH_S: i64 = 253_402_300_799;

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    let value = &*indicator.value;
    match indicator.kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => Some(Request::get("/api/v3/ip_addresses").segment(value)),
        IndicatorKind::Domain => Some(Request::get("/api/v3/domains").segment(value)),
        IndicatorKind::Url => Some(Request::get("/api/v3/urls").segment(URL_SAFE_NO_PAD.encode(value))),
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 => {
            Some(Request::get("/api/v3/files").segment(value))
        }
        IndicatorKind::Email | IndicatorKind::Sha512 | IndicatorKind::Cve => None,
    }
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    match reply {
        Reply::Body(body) => report(indicator, body),
        Reply::NotFound(body) => absent(body),
    }
}

#[derive(Deserialize)]
struct Envelope {
    data: Option<Object>,
    error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
    attributes: Option<Attributes>,
}

#[derive(Deserialize)]
struct Attributes {
    last_analysis_stats: Option<Stats>,
    last_analysis_date: Option<i64>,
    first_submission_date: Option<i64>,
    reputation: Option<i64>,
    as_owner: Option<String>,
    country: Option<String>,
    popular_threat_classification: Option<Classification>,
    md5: Option<String>,
    sha1: Option<String>,
}

/// Votes by category. What else the service counts (timeout, failure, type-unsupported) is no vote.
#[derive(Deserialize)]
struct Stats {
    malicious: Option<u32>,
    suspicious: Option<u32>,
    undetected: Option<u32>,
    harmless: Option<u32>,
}

#[derive(Deserialize)]
struct Classification {
    suggested_threat_label: Option<String>,
}

fn envelope(body: &[u8]) -> Result<Envelope, LookupError> {
    serde_json::from_slice(body).map_err(|error| malformed(text::json_error(&error)))
}

fn absent(body: &[u8]) -> Reading {
    match envelope(body)?.error.and_then(|error| error.code) {
        Some(code) if code == "NotFoundError" => Ok((VerdictKind::NotFound, Evidence::default())),
        Some(_) => Err(LookupError::failed(FailReason::Rejected, "status 404 with another error")),
        None => Err(malformed("status 404 without the service's own error")),
    }
}

fn report(indicator: &Indicator, body: &[u8]) -> Reading {
    let envelope = envelope(body)?;
    if envelope.error.is_some() {
        return Err(malformed("an error under status 200"));
    }
    let object = envelope.data.ok_or_else(|| malformed("no data"))?;
    if let Some(kind) = object.kind.as_deref() {
        // An analysis or a list has the same envelope but says nothing on the indicator.
        if !matches!(kind, "ip_address" | "domain" | "url" | "file") {
            return Err(malformed("data of another type"));
        }
    }
    let reference = reference(indicator, object.id.as_deref());
    let attributes = object.attributes.ok_or_else(|| malformed("no attributes"))?;
    // The identifier of a URL is a digest of a form that only the service knows; that of a file is its SHA-256, whatever was asked.
    for named in [&object.id, &attributes.md5, &attributes.sha1] {
        about::check(indicator, named.as_deref())?;
    }
    evidence(&attributes, reference)
}

fn evidence(attributes: &Attributes, reference: Option<Box<str>>) -> Reading {
    let last_analysis = date(attributes.last_analysis_date)?;
    let first_submission = date(attributes.first_submission_date)?;
    let votes = |count: fn(&Stats) -> Option<u32>| {
        u64::from(attributes.last_analysis_stats.as_ref().and_then(count).unwrap_or(0))
    };
    let malicious = votes(|stats| stats.malicious);
    let suspicious = votes(|stats| stats.suspicious);
    let total = malicious + suspicious + votes(|stats| stats.undetected) + votes(|stats| stats.harmless);
    if total == 0 {
        return Ok((VerdictKind::NotFound, Evidence { reference, ..Evidence::default() }));
    }
    let found = malicious + suspicious > 0;
    #[expect(clippy::cast_precision_loss, reason = "counts of at most four times 2^32 are exact in a double")]
    let share = malicious as f64 / total as f64;
    let label =
        attributes.popular_threat_classification.as_ref().and_then(|class| class.suggested_threat_label.as_deref());
    let evidence = Evidence {
        share: Some(share),
        floor: (malicious >= FLOOR_ENGINES).then_some(FLOOR),
        ceiling: None,
        facts: facts(attributes, [malicious, suspicious, total], label),
        reference,
        description: describe([malicious, suspicious, total], label),
        first_seen: first_submission.filter(|_| found),
        last_seen: last_analysis.filter(|_| found),
        sightings: None,
        scanner_stats: Some(malicious),
        max_age: None,
    };
    Ok((if found { VerdictKind::Found } else { VerdictKind::Clean }, evidence))
}

fn facts(
    attributes: &Attributes,
    [malicious, suspicious, total]: [u64; 3],
    label: Option<&str>,
) -> Vec<(&'static str, Fact)> {
    let count = |count: u64| Fact::Int(i64::try_from(count).unwrap_or(i64::MAX));
    let mut facts =
        vec![("vt_malicious", count(malicious)), ("vt_suspicious", count(suspicious)), ("vt_total", count(total))];
    facts.extend(attributes.reputation.map(|reputation| ("vt_reputation", Fact::Int(reputation))));
    let texts = [
        ("vt_threat_label", label),
        ("vt_as_owner", attributes.as_owner.as_deref()),
        ("vt_country", attributes.country.as_deref()),
    ];
    facts.extend(texts.into_iter().filter_map(|(name, value)| Some((name, text::fact(value?)?))));
    facts
}

fn describe([malicious, suspicious, total]: [u64; 3], label: Option<&str>) -> Option<Box<str>> {
    let mut sentence = format!("{malicious} of {total} engines call it malicious");
    if suspicious > 0 {
        sentence.push_str(&format!(", {suspicious} suspicious"));
    }
    if let Some(label) = label.and_then(text::clean) {
        sentence.push_str(&format!(" ({label})"));
    }
    Some(sentence.into())
}

/// Milliseconds of a date in seconds.
fn date(seconds: Option<i64>) -> Result<Option<i64>, LookupError> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 0..=MAX_EPOCH_S) => Ok(Some(seconds * 1000)),
        Some(_) => Err(malformed("a date out of range")),
    }
}

/// The page for people. A URL's page goes by the identifier that the service gives it.
fn reference(indicator: &Indicator, id: Option<&str>) -> Option<Box<str>> {
    let value = &*indicator.value;
    let page = match indicator.kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => format!("ip-address/{value}"),
        IndicatorKind::Domain => format!("domain/{value}"),
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 => format!("file/{value}"),
        IndicatorKind::Url => {
            let id = id.filter(|id| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            format!("url/{id}")
        }
        IndicatorKind::Email | IndicatorKind::Sha512 | IndicatorKind::Cve => return None,
    };
    Some(format!("https://www.virustotal.com/gui/{page}").into())
}
