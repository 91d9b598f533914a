//! Elements of ECS `threat.enrichments`.
//!
//! Only hits belong there: consoles show every element as a threat match. So an indicator that is malicious or
//! suspicious gets one element for each source that holds something against it; context and good words stay in the
//! member `sidelight`. `matched.type` is the one value that Kibana shows, and `matched.id` is stable per source and
//! indicator, because Kibana removes duplicates by it.

use std::net::IpAddr;

use crate::{
    annotate::{json, text},
    model::{Assessment, Disposition, Indicator, IndicatorKind, ProviderId, Verdict, VerdictKind},
};

/// One element, rendered but for what the event says: matched value, field and time.
#[derive(Clone, Debug)]
pub(super) struct Enrichment {
    /// Up to the value of `matched.atomic`.
    head: Box<[u8]>,
    /// From after the value of `matched.field` to the opening quote of `matched.occurred`.
    middle: Box<[u8]>,
}

const TAIL: &[u8] = b"\",\"type\":\"indicator_match_rule\"}}";

/// What consoles show as the name of the feed; providers not named show their own.
const FEED_NAMES: &[(&str, &str)] = &[
    ("virustotal", "VirusTotal"),
    ("abuseipdb", "AbuseIPDB"),
    ("shodan", "Shodan"),
    ("internetdb", "Shodan InternetDB"),
    ("misp", "MISP"),
    ("passivetotal", "PassiveTotal"),
    ("urlscan", "urlscan.io"),
    ("safebrowsing", "Google Safe Browsing"),
    ("safebrowsing_v5", "Google Safe Browsing"),
    ("malwarebazaar", "MalwareBazaar"),
    ("urlhaus", "URLhaus"),
    ("threatfox", "ThreatFox"),
    ("greynoise", "GreyNoise"),
    ("hashlookup", "CIRCL hashlookup"),
    ("otx", "AlienVault OTX"),
    ("otx_pdns", "AlienVault OTX passive DNS"),
    ("circl_pdns", "CIRCL Passive DNS"),
];

impl Enrichment {
    /// The elements of an assessment; none unless it is a hit.
    pub(super) fn of_assessment(indicator: &Indicator, assessment: &Assessment) -> Vec<Self> {
        match assessment.disposition {
            Disposition::Malicious | Disposition::Suspicious => {}
            Disposition::Clean | Disposition::Low | Disposition::Unknown => return Vec::new(),
        }
        let score = assessment.score.unwrap_or(0.0);
        let verdicts = assessment.sources.iter().filter_map(|source| Some((source.provider, source.answer.verdict()?)));
        verdicts
            .filter(|(_, verdict)| accuses(verdict))
            .map(|(provider, verdict)| Self::new(indicator, provider, verdict, score))
            .collect()
    }

    fn new(indicator: &Indicator, provider: ProviderId, verdict: &Verdict, score: f64) -> Self {
        let mut head = Vec::with_capacity(512);
        head.extend_from_slice(b"{\"indicator\":{\"type\":");
        json::string(&mut head, stix_type(indicator.kind));
        json::text_member(&mut head, "name", &indicator.value);
        value_member(&mut head, indicator);
        json::text_member(&mut head, "provider", provider.as_str());
        json::text_member(&mut head, "confidence", confidence(score));
        let evidence = &verdict.evidence;
        if let Some(description) = &evidence.description {
            json::text_member(&mut head, "description", description);
        }
        let times = [
            ("first_seen", evidence.first_seen),
            ("last_seen", evidence.last_seen),
            ("modified_at", Some(verdict.answered_at)),
        ];
        for (name, time) in times {
            time_member(&mut head, name, time);
        }
        for (name, count) in [("sightings", evidence.sightings), ("scanner_stats", evidence.scanner_stats)] {
            if let Some(count) = count {
                json::name(&mut head, name);
                // Elasticsearch's `long` ends where `i64` does.
                json::int(&mut head, i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        if let Some(reference) = &evidence.reference {
            json::text_member(&mut head, "reference", reference);
        }
        head.extend_from_slice(b"},\"feed\":{\"name\":");
        json::string(&mut head, feed_name(provider));
        head.extend_from_slice(b"},\"matched\":{\"atomic\":");

        let mut middle = Vec::with_capacity(128);
        json::text_member(&mut middle, "id", &stable_id(provider, indicator));
        json::text_member(&mut middle, "index", &format!("sidelight-{provider}"));
        middle.extend_from_slice(b",\"occurred\":\"");
        Self { head: head.into_boxed_slice(), middle: middle.into_boxed_slice() }
    }

    /// Bytes that this value keeps alive.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.head.len() + self.middle.len()
    }

    /// Appends the element of a match at `now_ms`.
    pub(super) fn write(&self, out: &mut Vec<u8>, atomic: &str, field: Option<&str>, now_ms: i64) {
        out.extend_from_slice(&self.head);
        json::string(out, atomic);
        if let Some(field) = field {
            json::text_member(out, "field", field);
        }
        out.extend_from_slice(&self.middle);
        text::millis(out, now_ms);
        out.extend_from_slice(TAIL);
    }
}

/// Whether a verdict holds something against its indicator, beyond knowing it.
fn accuses(verdict: &Verdict) -> bool {
    let evidence = &verdict.evidence;
    verdict.kind == VerdictKind::Found && (evidence.share.is_some_and(|share| share > 0.0) || evidence.floor.is_some())
}

/// The names of STIX cyber-observable objects, which ECS expects.
const fn stix_type(kind: IndicatorKind) -> &'static str {
    match kind {
        IndicatorKind::Ipv4 => "ipv4-addr",
        IndicatorKind::Ipv6 => "ipv6-addr",
        IndicatorKind::Domain => "domain-name",
        IndicatorKind::Url => "url",
        IndicatorKind::Email => "email-addr",
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 | IndicatorKind::Sha512 => "file",
        IndicatorKind::Cve => "vulnerability",
    }
}

/// The field that indicator match rules compare. An address that is none would make Elasticsearch refuse the whole event.
fn value_member(out: &mut Vec<u8>, indicator: &Indicator) {
    let value = &indicator.value;
    let nested = |out: &mut Vec<u8>, path: &[&str]| {
        for (depth, name) in path.iter().enumerate() {
            out.extend_from_slice(if depth == 0 { b",\"" } else { b"{\"" });
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
        }
        json::string(out, value);
        out.extend(std::iter::repeat_n(b'}', path.len().saturating_sub(1)));
    };
    match indicator.kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => {
            if value.parse::<IpAddr>().is_ok() {
                nested(out, &["ip"]);
            }
        }
        IndicatorKind::Domain => nested(out, &["url", "domain"]),
        IndicatorKind::Url => nested(out, &["url", "full"]),
        IndicatorKind::Email => nested(out, &["email", "address"]),
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 | IndicatorKind::Sha512 => {
            nested(out, &["file", "hash", indicator.kind.as_str()]);
        }
        IndicatorKind::Cve => {}
    }
}

/// The bands of STIX 2.1, appendix A.
fn confidence(score: f64) -> &'static str {
    match score {
        score if score <= 0.0 => "None",
        score if score < 30.0 => "Low",
        score if score < 70.0 => "Medium",
        _ => "High",
    }
}

fn feed_name(provider: ProviderId) -> &'static str {
    FEED_NAMES.iter().find(|(id, _)| *id == provider.as_str()).map_or(provider.as_str(), |(_, name)| name)
}

fn time_member(out: &mut Vec<u8>, name: &str, ms: Option<i64>) {
    let mark = out.len();
    let Some(ms) = ms else { return };
    json::name(out, name);
    out.push(b'"');
    let empty = out.len();
    text::millis(out, ms);
    if out.len() == empty {
        out.truncate(mark);
    } else {
        out.push(b'"');
    }
}

/// A UUID of version 8 (own scheme): FNV-1a over provider, type and value. The same in every process and release.
fn stable_id(provider: ProviderId, indicator: &Indicator) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    // No part holds the separator: names and kinds are plain words, and the value comes last.
    let parts = [provider.as_str(), "|", indicator.kind.as_str(), "|", &indicator.value];
    let bytes = parts.iter().flat_map(|part| part.as_bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    let hash = hash & !(0xf << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62);
    let hex = format!("{hash:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}
