//! ThreatFox (abuse.ch): indicators of malware, command and control servers for the most part, each with the confidence of whoever reported it.
//!
//! A file is asked for by what is known of it as a sample; anything else by its value. An entry of 75 or more puts a floor under the score. Outcomes are in `query_status`
//! under status 200: `ok` is found, `no_result` not_found, and there is no clean. Entries leave the service after half a year.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::{
    model::{Evidence, Fact, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, Provider, Spec, abusech,
        http::Reply,
        request::Request,
        service::{Reading, Service, malformed, parse},
        text, time,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("threatfox");

/// Its defaults: the service promises fair use and names no numbers.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://threatfox-api.abuse.ch",
    quota: "60/min, 2000/day",
    key: KeyUse::Required,
    kinds: &[IndicatorKind::Ipv4, IndicatorKind::Domain, IndicatorKind::Url, IndicatorKind::Md5, IndicatorKind::Sha256],
    routed: &[IndicatorKind::Md5, IndicatorKind::Sha256],
    wire: abusech::WIRE,
    build,
};

/// Confidence from which an entry puts the floor under the score.
const SURE: u8 = 75;

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    let value = &*indicator.value;
    let body = match indicator.kind {
        IndicatorKind::Md5 | IndicatorKind::Sha256 => json!({ "query": "search_hash", "hash": value }),
        // An address stands there with its port, so it cannot be searched for exactly.
        IndicatorKind::Ipv4 => json!({ "query": "search_ioc", "search_term": value }),
        IndicatorKind::Domain | IndicatorKind::Url => {
            json!({ "query": "search_ioc", "search_term": value, "exact_match": true })
        }
        IndicatorKind::Ipv6
        | IndicatorKind::Email
        | IndicatorKind::Sha1
        | IndicatorKind::Sha512
        | IndicatorKind::Cve => return None,
    };
    Some(Request::json("/api/v1/", &body))
}

#[derive(Deserialize)]
struct Envelope {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// A number as text.
    id: String,
    ioc: String,
    threat_type: Option<String>,
    malware_printable: Option<String>,
    confidence_level: u8,
    first_seen: Option<String>,
    last_seen: Option<String>,
    reporter: Option<String>,
    tags: Option<Vec<String>>,
}

impl Entry {
    /// Whether it is about the indicator: a search that is not exact finds others as well.
    fn is_of(&self, indicator: &Indicator) -> bool {
        match indicator.kind {
            IndicatorKind::Md5 | IndicatorKind::Sha256 => true,
            IndicatorKind::Ipv4 => self.ioc.split(':').next() == Some(&*indicator.value),
            IndicatorKind::Ipv6
            | IndicatorKind::Domain
            | IndicatorKind::Url
            | IndicatorKind::Email
            | IndicatorKind::Sha1
            | IndicatorKind::Sha512
            | IndicatorKind::Cve => self.ioc.eq_ignore_ascii_case(&indicator.value),
        }
    }
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let Some(body) = abusech::hit(reply, "no_result")? else {
        return Ok((VerdictKind::NotFound, Evidence::default()));
    };
    let envelope: Envelope = parse(body)?;
    if envelope.data.is_empty() || envelope.data.iter().any(|entry| entry.confidence_level > 100) {
        return Err(malformed("no entry, or a confidence over 100"));
    }
    let mut own: Vec<Entry> = envelope.data.into_iter().filter(|entry| entry.is_of(indicator)).collect();
    own.sort_by_key(|entry| std::cmp::Reverse(entry.confidence_level));
    let Some(surest) = own.first() else { return Ok((VerdictKind::NotFound, Evidence::default())) };
    let id = Some(&*surest.id).filter(|id| (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()));
    let id = id.ok_or_else(|| malformed("no id of the entry"))?;
    let confidence = surest.confidence_level;
    let first = own.iter().filter_map(|entry| time::parse(entry.first_seen.as_deref()?)).min();
    let last = own.iter().filter_map(|entry| time::parse(entry.last_seen.as_deref()?)).max();
    let texts = |of: fn(&Entry) -> Option<&str>| own.iter().filter_map(of);
    let mut facts = vec![("threatfox_confidence", Fact::Int(i64::from(confidence)))];
    text::push_list(&mut facts, "threatfox_families", texts(|entry| entry.malware_printable.as_deref()));
    text::push_list(&mut facts, "threatfox_threat_types", texts(|entry| entry.threat_type.as_deref()));
    let tags = own.iter().flat_map(|entry| entry.tags.iter().flatten());
    text::push_list(&mut facts, "threatfox_tags", tags.map(String::as_str));
    text::push(&mut facts, "threatfox_reporter", surest.reporter.as_deref());
    time::push(&mut facts, "threatfox_first_seen", first);
    time::push(&mut facts, "threatfox_last_seen", last);
    let family = surest.malware_printable.as_deref().and_then(text::clean);
    let family = family.as_deref().unwrap_or("malware");
    let evidence = Evidence {
        share: Some(f64::from(confidence) / 100.0),
        floor: (confidence >= SURE).then_some(abusech::FLOOR),
        facts,
        reference: Some(format!("https://threatfox.abuse.ch/ioc/{id}/").into()),
        description: Some(format!("an indicator of {family}, confidence {confidence} %").into()),
        first_seen: first,
        last_seen: last.or(first),
        sightings: u64::try_from(own.len()).ok(),
        ..Evidence::default()
    };
    Ok((VerdictKind::Found, evidence))
}
