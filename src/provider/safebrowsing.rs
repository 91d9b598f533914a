//! Google Safe Browsing v4 (`threatMatches:find`): URLs.
//!
//! Found: the URL is on a list of threats, which puts a floor under the score; clean: the service's `{}`, which means that it
//! compared and found nothing. An object with anything else in it is not that answer, so unknown members are errors here. A
//! refused key comes as a 400. The service says how long a match may be kept.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    model::{Evidence, FailReason, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, LookupError, Provider, Spec,
        http::Reply,
        request::{Auth, Request, Wire},
        service::{BatchService, Reading, body, malformed, parse},
        text,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("safebrowsing");

/// Its defaults: what a project has without asking for more.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://safebrowsing.googleapis.com",
    quota: "10000/day",
    key: KeyUse::Required,
    kinds: &[IndicatorKind::Url],
    routed: &[IndicatorKind::Url],
    wire: Wire { judge, ..Wire::json(Auth::Query("key")) },
    build,
};

/// URLs of one request, at most.
const URLS: usize = 500;
/// A match scores at least this.
pub(crate) const FLOOR: u8 = 70;
const THREATS: [&str; 4] = ["MALWARE", "SOCIAL_ENGINEERING", "UNWANTED_SOFTWARE", "POTENTIALLY_HARMFUL_APPLICATION"];

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(BatchService::new(&SPEC, config, clock, URLS, request, read)?))
}

fn request(indicators: &[&Indicator]) -> Request<'static> {
    let entries: Vec<Value> = indicators.iter().map(|indicator| json!({ "url": &*indicator.value })).collect();
    let body = json!({
        "client": { "clientId": "sidelight", "clientVersion": env!("CARGO_PKG_VERSION") },
        "threatInfo": {
            "threatTypes": THREATS,
            "platformTypes": ["ANY_PLATFORM"],
            "threatEntryTypes": ["URL"],
            "threatEntries": entries,
        },
    });
    Request::json("/v4/threatMatches:find", &body)
}

/// Google's error model.
#[derive(Deserialize)]
struct Refusal {
    error: RefusalBody,
}

#[derive(Deserialize)]
struct RefusalBody {
    message: Option<String>,
    details: Option<Vec<Value>>,
}

pub(crate) fn judge(status: u16, body: Option<&[u8]>) -> Option<LookupError> {
    let refusal: Refusal = serde_json::from_slice(body.filter(|_| status == 400)?).ok()?;
    let invalid = |detail: &Value| detail["reason"] == "API_KEY_INVALID";
    let told = refusal.error.message.is_some_and(|message| message.starts_with("API key"));
    (told || refusal.error.details.iter().flatten().any(invalid))
        .then(|| LookupError::failed(FailReason::Unauthorized, "status 400, the key is not valid"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    matches: Option<Vec<Match>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Match {
    threat_type: String,
    threat: Threat,
    cache_duration: Option<String>,
}

#[derive(Deserialize)]
struct Threat {
    url: String,
}

fn read(_base: &str, indicators: &[&Indicator], reply: &Reply) -> Result<Vec<Reading>, LookupError> {
    let envelope: Envelope = parse(body(reply)?)?;
    let matches = envelope.matches.unwrap_or_default();
    // A match that belongs to none of the URLs would leave its own URL looking clean.
    if matches.iter().any(|found| !indicators.iter().any(|indicator| *indicator.value == *found.threat.url)) {
        return Err(malformed("a match for a URL that was not asked about"));
    }
    Ok(indicators.iter().map(|indicator| Ok(verdict(indicator, &matches))).collect())
}

fn verdict(indicator: &Indicator, matches: &[Match]) -> (VerdictKind, Evidence) {
    let own = || matches.iter().filter(|found| *found.threat.url == *indicator.value);
    let threats: Vec<&str> = own().map(|found| &*found.threat_type).collect();
    if threats.is_empty() {
        return (VerdictKind::Clean, Evidence { share: Some(0.0), ..Evidence::default() });
    }
    let mut facts = Vec::new();
    text::push_list(&mut facts, "safebrowsing_threats", threats.iter().copied());
    let listed = text::clean(&threats.join(", ")).unwrap_or_default();
    let evidence = Evidence {
        share: Some(1.0),
        floor: Some(FLOOR),
        facts,
        reference: Some(report(&indicator.value)),
        description: Some(format!("listed by Safe Browsing as {listed}").into()),
        max_age: own().filter_map(|found| seconds(found.cache_duration.as_deref()?)).min(),
        ..Evidence::default()
    };
    (VerdictKind::Found, evidence)
}

/// A duration in the text form of protocol buffers: `300s`, `593.440s`.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

pub(crate) fn report(url: &str) -> Box<str> {
    let mut page = "https://transparencyreport.google.com/safe-browsing/search?url=".to_owned();
    text::encode(url, &mut page);
    page.into()
}
