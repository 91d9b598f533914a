//! AlienVault OTX: which pulses (reports of its users) name an indicator.
//!
//! How many do is popularity, not a verdict: good names are in pulses too. So by default it is context without a score; with a `weight` it is worth half of it at most,
//! and nothing where OTX itself lists the indicator as known-good or as a false positive. Found: it is in a pulse; not_found: in none; there is no clean. A key is
//! optional.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    model::{Evidence, Fact, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, Provider, Spec, about,
        http::Reply,
        proof,
        request::{Auth, Request, Wire},
        service::{Reading, Service, body, parse},
        text, time,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("otx");

/// Its defaults: what is said to be allowed without a key.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://otx.alienvault.com",
    quota: "1000/hour",
    key: KeyUse::Optional,
    kinds: &[
        IndicatorKind::Ipv4,
        IndicatorKind::Ipv6,
        IndicatorKind::Domain,
        IndicatorKind::Url,
        IndicatorKind::Md5,
        IndicatorKind::Sha1,
        IndicatorKind::Sha256,
        IndicatorKind::Cve,
    ],
    routed: &[IndicatorKind::Ipv4, IndicatorKind::Ipv6, IndicatorKind::Domain],
    wire: WIRE,
    build,
};

/// How every section of the service is spoken to.
pub(crate) const WIRE: Wire = Wire { proof: Some(proof::OTX), ..Wire::json(Auth::Header("x-otx-api-key")) };

/// What being in a pulse is worth.
const SHARE: f64 = 0.5;
/// Names of pulses that are shown.
const MOST_NAMES: usize = 10;

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    section(indicator).map(|(path, _)| Request::get(path).segment(&*indicator.value).tail("/general"))
}

/// The path of an indicator, and the part of its page that says its kind.
pub(crate) fn section(indicator: &Indicator) -> Option<(&'static str, &'static str)> {
    match indicator.kind {
        IndicatorKind::Ipv4 => Some(("/api/v1/indicators/IPv4", "ip")),
        IndicatorKind::Ipv6 => Some(("/api/v1/indicators/IPv6", "ip")),
        // Pulses name registered domains and the hosts below them as different kinds.
        IndicatorKind::Domain if psl::domain_str(&indicator.value).is_some_and(|name| *name != *indicator.value) => {
            Some(("/api/v1/indicators/hostname", "hostname"))
        }
        IndicatorKind::Domain => Some(("/api/v1/indicators/domain", "domain")),
        IndicatorKind::Url => Some(("/api/v1/indicators/url", "url")),
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 => Some(("/api/v1/indicators/file", "file")),
        IndicatorKind::Cve => Some(("/api/v1/indicators/cve", "cve")),
        IndicatorKind::Email | IndicatorKind::Sha512 => None,
    }
}

/// The page for people.
pub(crate) fn page(indicator: &Indicator) -> Option<Box<str>> {
    let mut page = format!("https://otx.alienvault.com/indicator/{}/", section(indicator)?.1);
    text::encode(&indicator.value, &mut page);
    Some(page.into())
}

#[derive(Deserialize)]
struct General {
    indicator: String,
    pulse_info: PulseInfo,
    validation: Option<Vec<Validation>>,
    false_positive: Option<Vec<Doubt>>,
}

#[derive(Deserialize)]
struct PulseInfo {
    count: u32,
    pulses: Vec<Pulse>,
    related: Option<Related>,
}

#[derive(Deserialize)]
struct Pulse {
    name: Option<String>,
    created: Option<String>,
    modified: Option<String>,
}

#[derive(Deserialize)]
struct Related {
    alienvault: Option<Names>,
    other: Option<Names>,
}

#[derive(Deserialize)]
struct Names {
    adversary: Option<Vec<String>>,
    malware_families: Option<Vec<String>>,
}

/// A list of known-good things that holds the indicator.
#[derive(Deserialize)]
struct Validation {
    source: Option<String>,
}

/// Somebody's report that the indicator is a false positive.
#[derive(Deserialize)]
struct Doubt {
    /// `accepted` by the service, or not (yet).
    assessment: Option<String>,
}

impl Doubt {
    fn is_accepted(&self) -> bool {
        self.assessment.as_deref().is_none_or(|assessment| assessment == "accepted")
    }
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let general: General = parse(body(reply)?)?;
    match indicator.kind {
        IndicatorKind::Url => about::check(indicator, Some(&general.indicator))?,
        IndicatorKind::Ipv4
        | IndicatorKind::Ipv6
        | IndicatorKind::Domain
        | IndicatorKind::Email
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256
        | IndicatorKind::Sha512
        | IndicatorKind::Cve => about::require(indicator, &general.indicator)?,
    }
    let info = &general.pulse_info;
    if info.count == 0 && info.pulses.is_empty() {
        return Ok((VerdictKind::NotFound, Evidence::default()));
    }
    let lists = || general.validation.iter().flatten().filter_map(|list| list.source.as_deref());
    let is_doubted = general.false_positive.iter().flatten().any(Doubt::is_accepted);
    let is_good = is_doubted || general.validation.as_ref().is_some_and(|lists| !lists.is_empty());
    let first = info.pulses.iter().filter_map(|pulse| time::parse(pulse.created.as_deref()?)).min();
    let last = info.pulses.iter().filter_map(|pulse| time::parse(pulse.modified.as_deref()?)).max();
    let related = || info.related.iter().flat_map(|related| related.alienvault.iter().chain(&related.other));
    let families = related().flat_map(|names| names.malware_families.iter().flatten());
    let adversaries = related().flat_map(|names| names.adversary.iter().flatten());
    let mut facts = vec![("otx_pulses", Fact::Int(i64::from(info.count)))];
    let names = info.pulses.iter().filter_map(|pulse| pulse.name.as_deref());
    text::push_list(&mut facts, "otx_pulse_names", names.take(MOST_NAMES));
    text::push_list(&mut facts, "otx_malware_families", families.map(String::as_str));
    text::push_list(&mut facts, "otx_adversaries", adversaries.map(String::as_str));
    text::push_list(&mut facts, "otx_validation", lists());
    facts.extend(is_doubted.then_some(("otx_false_positive", Fact::Bool(true))));
    time::push(&mut facts, "otx_first_seen", first);
    time::push(&mut facts, "otx_last_seen", last);
    let plural = if info.count == 1 { "" } else { "s" };
    let good = if is_good { ", and known to be good" } else { "" };
    let evidence = Evidence {
        share: Some(if is_good { 0.0 } else { SHARE }),
        facts,
        reference: page(indicator),
        description: Some(format!("in {} pulse{plural}{good}", info.count).into()),
        first_seen: first.filter(|_| !is_good),
        last_seen: last.filter(|_| !is_good),
        ..Evidence::default()
    };
    Ok((VerdictKind::Found, evidence))
}
