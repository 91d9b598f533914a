//! AbuseIPDB API v2: addresses.
//!
//! `check` over the reports of the last 90 days. Found: somebody reported the address; clean: nobody did. There is no
//! not_found: an address that nobody knows has a score of zero. A whitelisted network (resolvers, crawlers) can have
//! thousands of reports that mean nothing, so it puts a ceiling on the score. Every answer carries rate headers.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    budget::Span,
    model::{Evidence, Fact, FailReason, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, LookupError, Provider, Spec, about,
        http::Reply,
        request::{Auth, Request, Wire},
        service::{Reading, Service, malformed},
        text,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("abuseipdb");

/// Its defaults: those of a free key.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://api.abuseipdb.com",
    quota: "1000/day",
    key: KeyUse::Required,
    kinds: &[IndicatorKind::Ipv4, IndicatorKind::Ipv6],
    routed: &[IndicatorKind::Ipv4, IndicatorKind::Ipv6],
    // "Daily rate limit … for this endpoint", says its 429.
    wire: Wire { judge, counts: Some(Span::Day), ..Wire::json(Auth::Header("key")) },
    build,
};

/// Days of reports that are asked for.
const MAX_AGE_DAYS: &str = "90";
/// A whitelisted address scores no more than this: just under suspicious.
const CEILING: u8 = 39;

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    let check = Request::get("/api/v2/check").query("ipAddress", &*indicator.value);
    indicator.kind.is_ip().then(|| check.query("maxAgeInDays", MAX_AGE_DAYS))
}

/// A 402 is about the plan, and comes for every address alike.
fn judge(status: u16, _body: Option<&[u8]>) -> Option<LookupError> {
    (status == 402).then(|| LookupError::failed(FailReason::NotInPlan, "status 402"))
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    match reply {
        Reply::Body(body) => report(indicator, body),
        // The service answers for every address: a 404 is a wrong base URL.
        Reply::NotFound(_) => Err(LookupError::failed(FailReason::Rejected, "status 404")),
    }
}

#[derive(Deserialize)]
struct Envelope {
    data: Option<Check>,
    errors: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    ip_address: Option<String>,
    abuse_confidence_score: u8,
    total_reports: Option<u32>,
    num_distinct_users: Option<u32>,
    is_whitelisted: Option<bool>,
    is_tor: Option<bool>,
    country_code: Option<String>,
    usage_type: Option<String>,
    isp: Option<String>,
    last_reported_at: Option<String>,
}

fn report(indicator: &Indicator, body: &[u8]) -> Reading {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| malformed(text::json_error(&error)))?;
    if envelope.errors.is_some_and(|errors| !errors.is_empty()) {
        return Err(malformed("an error under status 200"));
    }
    let check = envelope.data.ok_or_else(|| malformed("no data"))?;
    if check.abuse_confidence_score > 100 {
        return Err(malformed("a confidence score over 100"));
    }
    check.ip_address.as_deref().map_or(Ok(()), |named| about::require(indicator, named))?;
    let reports = check.total_reports.unwrap_or(0);
    let found = reports > 0 || check.abuse_confidence_score > 0;
    let evidence = Evidence {
        share: Some(f64::from(check.abuse_confidence_score) / 100.0),
        floor: None,
        ceiling: (check.is_whitelisted == Some(true)).then_some(CEILING),
        facts: facts(&check, reports),
        reference: Some(format!("https://www.abuseipdb.com/check/{}", indicator.value).into()),
        description: Some(describe(&check, reports).into()),
        first_seen: None,
        // A date in a form that we do not know is left out: the verdict does not rest on it.
        last_seen: check
            .last_reported_at
            .as_deref()
            .and_then(|at| Some(at.parse::<Timestamp>().ok()?.as_millisecond())),
        sightings: Some(u64::from(reports)),
        scanner_stats: None,
        max_age: None,
    };
    Ok((if found { VerdictKind::Found } else { VerdictKind::Clean }, evidence))
}

fn facts(check: &Check, reports: u32) -> Vec<(&'static str, Fact)> {
    let mut facts = vec![
        ("abuse_confidence", Fact::Int(i64::from(check.abuse_confidence_score))),
        ("abuse_reports", Fact::Int(i64::from(reports))),
    ];
    facts.extend(check.num_distinct_users.map(|users| ("abuse_users", Fact::Int(i64::from(users)))));
    let flags = [("abuse_whitelisted", check.is_whitelisted), ("abuse_tor", check.is_tor)];
    facts.extend(flags.into_iter().filter(|(_, flag)| *flag == Some(true)).map(|(name, _)| (name, Fact::Bool(true))));
    let texts =
        [("abuse_country", &check.country_code), ("abuse_usage_type", &check.usage_type), ("abuse_isp", &check.isp)];
    facts.extend(texts.into_iter().filter_map(|(name, value)| Some((name, text::fact(value.as_deref()?)?))));
    facts
}

fn describe(check: &Check, reports: u32) -> String {
    if check.is_whitelisted == Some(true) {
        return format!("whitelisted by AbuseIPDB; {reports} reports in {MAX_AGE_DAYS} days");
    }
    format!("{reports} abuse reports in {MAX_AGE_DAYS} days, confidence {} %", check.abuse_confidence_score)
}
