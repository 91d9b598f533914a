//! Shodan: what an address exposes (ports, CVEs, tags), and the DNS records of a domain.
//!
//! It describes exposure, not malice: context without a score. Found: it has scanned the address or knows records of the domain; not_found:
//! its own "No information available"; there is no clean. The key travels in the query, the service knows no other way.
//! Errors can come under status 200, so their member is looked at always. Used-up credits are a throttle of what costs some: they come back with the month. "Requires membership" is no refusal of the key:
//! a free one gets it for domains, and for addresses on which there is something to say.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    model::{Evidence, Fact, FailReason, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, LookupError, Prices, Provider, Spec, about,
        http::Reply,
        proof,
        request::{Auth, Request, Wire},
        service::{Reading, Service, malformed, parse, unaskable},
        text, time,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("shodan");

/// Its defaults: one request a second, which holds for every key.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://api.shodan.io",
    quota: "1/s",
    key: KeyUse::Required,
    kinds: &[IndicatorKind::Ipv4, IndicatorKind::Ipv6, IndicatorKind::Domain],
    routed: &[IndicatorKind::Ipv4, IndicatorKind::Ipv6, IndicatorKind::Domain],
    wire: Wire { judge, prices: PRICES, proof: Some(proof::SHODAN), ..Wire::json(Auth::Query("key")) },
    build,
};

/// A domain costs a query credit, an address none.
const PRICES: Prices = &[(IndicatorKind::Ipv4, 0), (IndicatorKind::Ipv6, 0)];

/// What it says of an address or domain that it does not know.
const UNKNOWN: &str = "No information available";

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    let value = &*indicator.value;
    if indicator.kind == IndicatorKind::Domain {
        return Some(Request::get("/dns/domain").segment(value));
    }
    // Banners make up most of an answer and nothing of the annotation.
    indicator.kind.is_ip().then(|| Request::get("/shodan/host").segment(value).query("minify", "true"))
}

fn judge(status: u16, body: Option<&[u8]>) -> Option<LookupError> {
    match status {
        402 => Some(LookupError::used_up()),
        403 => {
            let error = serde_json::from_slice::<Failure>(body?).ok()?.error?;
            let error = error.as_str()?;
            let of_plan = || LookupError::failed(FailReason::NotInPlan, "status 403, needs another plan");
            of_budget(error).or_else(|| is_of_plan(error).then(of_plan))
        }
        _ => None,
    }
}

/// An error that says that what the key may spend is spent, which an upgrade would change too: its credits, or its haste.
fn of_budget(error: &str) -> Option<LookupError> {
    let error = error.to_ascii_lowercase();
    if error.contains("credits") {
        return Some(LookupError::used_up());
    }
    error.contains("rate limit").then(LookupError::throttled)
}

/// Whether an error says that the plan of the key is in the way: "Requires membership or higher to access".
fn is_of_plan(error: &str) -> bool {
    let error = error.to_ascii_lowercase();
    ["membership", "api plan", "upgrade"].iter().any(|part| error.contains(part))
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let (body, status) = match reply {
        Reply::Body(body) => (body, 200),
        Reply::NotFound(body) => (body, 404),
    };
    let failure: Failure = parse(body)?;
    if let Some(error) = failure.error {
        return refused(&error);
    }
    if status == 404 {
        return Err(malformed("status 404 without the service's own error"));
    }
    match indicator.kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => host(indicator, parse(body)?),
        IndicatorKind::Domain => domain(indicator, parse(body)?),
        IndicatorKind::Url
        | IndicatorKind::Email
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256
        | IndicatorKind::Sha512
        | IndicatorKind::Cve => Err(unaskable()),
    }
}

#[derive(Deserialize)]
struct Failure {
    error: Option<Value>,
}

/// An error in the body, whatever the status.
fn refused(error: &Value) -> Reading {
    let Some(error) = error.as_str() else { return Err(malformed("an error of another shape")) };
    let holds = |part: &str| error.to_ascii_lowercase().contains(part);
    if error.starts_with(UNKNOWN) {
        Ok((VerdictKind::NotFound, Evidence::default()))
    } else if let Some(spent) = of_budget(error) {
        Err(spent)
    } else if is_of_plan(error) {
        Err(LookupError::failed(FailReason::NotInPlan, "an error in the body: needs another plan"))
    } else if holds("api key") || holds("access denied") {
        Err(LookupError::failed(FailReason::Unauthorized, "an error in the body: the key is refused"))
    } else {
        Err(LookupError::failed(FailReason::Rejected, "an error in the body"))
    }
}

#[derive(Deserialize)]
struct Host {
    ip_str: Option<String>,
    ports: Vec<u16>,
    vulns: Option<Vulns>,
    tags: Option<Vec<String>>,
    hostnames: Option<Vec<String>>,
    org: Option<String>,
    os: Option<String>,
    asn: Option<String>,
    country_code: Option<String>,
    last_update: Option<String>,
}

/// CVEs: a list in a summary, the keys of a map elsewhere.
#[derive(Deserialize)]
#[serde(untagged)]
enum Vulns {
    List(Vec<String>),
    Map(BTreeMap<String, IgnoredAny>),
}

fn host(indicator: &Indicator, host: Host) -> Reading {
    about::check(indicator, host.ip_str.as_deref())?;
    let mut ports: Vec<i64> = host.ports.iter().map(|port| i64::from(*port)).collect();
    ports.sort_unstable();
    ports.dedup();
    let mut vulns: Vec<String> = match host.vulns {
        Some(Vulns::List(list)) => list,
        Some(Vulns::Map(map)) => map.into_keys().collect(),
        None => Vec::new(),
    };
    vulns.sort_unstable();
    let description = format!("{} open ports, {} known vulnerabilities", ports.len(), vulns.len());
    let mut facts = vec![("shodan_ports", Fact::Ints(ports))];
    text::push_list(&mut facts, "shodan_vulns", vulns.iter().map(String::as_str));
    text::push_list(&mut facts, "shodan_tags", host.tags.iter().flatten().map(String::as_str));
    text::push_list(&mut facts, "shodan_hostnames", host.hostnames.iter().flatten().map(String::as_str));
    text::push(&mut facts, "shodan_org", host.org.as_deref());
    text::push(&mut facts, "shodan_os", host.os.as_deref());
    text::push(&mut facts, "shodan_asn", host.asn.as_deref());
    text::push(&mut facts, "shodan_country", host.country_code.as_deref());
    time::push(&mut facts, "shodan_last_update", host.last_update.as_deref().and_then(time::parse));
    let evidence = Evidence {
        facts,
        reference: Some(format!("https://www.shodan.io/host/{}", indicator.value).into()),
        description: Some(description.into()),
        ..Evidence::default()
    };
    Ok((VerdictKind::Found, evidence))
}

#[derive(Deserialize)]
struct Domain {
    domain: Option<String>,
    data: Vec<Record>,
    tags: Option<Vec<String>>,
    subdomains: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<String>,
    last_seen: Option<String>,
}

fn domain(indicator: &Indicator, domain: Domain) -> Reading {
    // It may answer for the domain to which a host belongs.
    let owns = |name: &str| about::is_within(&Indicator::new(IndicatorKind::Domain, name), &indicator.value);
    about::check(indicator, domain.domain.as_deref().filter(|name| !owns(name)))?;
    let names = domain.subdomains.iter().flatten().map(String::as_str);
    let records = || domain.data.iter();
    let addresses = records().filter(|record| matches!(record.kind.as_deref(), Some("A" | "AAAA")));
    let last = records().filter_map(|record| time::parse(record.last_seen.as_deref()?)).max();
    if domain.data.is_empty() && names.clone().next().is_none() {
        return Ok((VerdictKind::NotFound, Evidence::default()));
    }
    let mut facts = Vec::new();
    text::push_list(&mut facts, "shodan_addresses", addresses.filter_map(|record| record.value.as_deref()));
    text::push_list(&mut facts, "shodan_subdomains", names);
    text::push_list(&mut facts, "shodan_tags", domain.tags.iter().flatten().map(String::as_str));
    time::push(&mut facts, "shodan_last_update", last);
    let evidence = Evidence {
        facts,
        reference: Some(format!("https://www.shodan.io/domain/{}", indicator.value).into()),
        description: Some(format!("{} DNS records", domain.data.len()).into()),
        ..Evidence::default()
    };
    Ok((VerdictKind::Found, evidence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_that_are_used_up_are_told_from_haste_and_from_the_plan() {
        let no_credits = br#"{"error": "Insufficient query credits, please upgrade your API plan"}"#;
        let haste = br#"{"error": "Request rate limit reached (1/ second)."}"#;
        let plan = br#"{"error": "Requires membership or higher to access"}"#;
        assert_eq!(judge(402, None), Some(LookupError::used_up()));
        assert_eq!(judge(403, Some(no_credits)), Some(LookupError::used_up()));
        assert_eq!(judge(403, Some(haste)), Some(LookupError::throttled()));
        assert!(matches!(judge(403, Some(plan)), Some(LookupError::Failed { reason: FailReason::NotInPlan, .. })));
        assert_eq!(refused(&Value::from("Insufficient query credits")), Err(LookupError::used_up()));
    }
}
