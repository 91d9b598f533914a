//! PassiveTotal (RiskIQ) API v2: the reputation of a domain.
//!
//! The service has been retired: its host answers every path with a page of the edge under status 404, behind a certificate of
//! another name, so that no connection comes about; others of its names do not resolve. All that is told as `retired`, which
//! switches the provider off. The client still speaks the v2 interface to a `base_url` that serves it. Found: a score, or rules that matched; clean: classified good; not_found: unknown to it.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    model::{Evidence, Fact, FailReason, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, LookupError, Provider, Spec,
        http::Reply,
        proof,
        request::{Auth, Request, Wire},
        service::{Reading, Service, body, malformed, parse},
        text,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("passivetotal");

/// Its defaults: those of the last free plan.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://api.passivetotal.org",
    quota: "15/day",
    key: KeyUse::Pair,
    kinds: &[IndicatorKind::Domain, IndicatorKind::Ipv4, IndicatorKind::Ipv6],
    routed: &[IndicatorKind::Domain],
    wire: Wire { judge, proof: Some(proof::PASSIVETOTAL), retired: HOSTS, ..Wire::json(Auth::Basic) },
    build,
};

/// Where the service was.
const HOSTS: &[&str] = &["api.passivetotal.org", "www.passivetotal.org", "api.riskiq.net"];

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    SPEC.kinds.contains(&indicator.kind).then(|| Request::get("/v2/reputation").query("query", &*indicator.value))
}

#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
}

fn judge(status: u16, body: Option<&[u8]>) -> Option<LookupError> {
    let message = || serde_json::from_slice::<Refusal>(body?).ok()?.message;
    match status {
        404 if body.is_none() => Some(LookupError::failed(FailReason::Retired, "status 404 with a page of the edge")),
        410 => Some(LookupError::failed(FailReason::Retired, "status 410")),
        402 => Some(LookupError::throttled()),
        403 if message().is_some_and(|message| message.to_ascii_lowercase().contains("quota")) => {
            Some(LookupError::throttled())
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct Reputation {
    score: u8,
    classification: Option<String>,
    rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
struct Rule {
    name: Option<String>,
}

fn read(_indicator: &Indicator, reply: &Reply) -> Reading {
    let reputation: Reputation = parse(body(reply)?)?;
    if reputation.score > 100 {
        return Err(malformed("a score over 100"));
    }
    let classification = reputation.classification.as_deref().unwrap_or_default().to_ascii_uppercase();
    let rules = || reputation.rules.iter().flatten().filter_map(|rule| rule.name.as_deref());
    let kind = match &*classification {
        "GOOD" => VerdictKind::Clean,
        _ if reputation.score > 0 || rules().next().is_some() => VerdictKind::Found,
        _ => return Ok((VerdictKind::NotFound, Evidence::default())),
    };
    let mut facts = vec![("pt_score", Fact::Int(i64::from(reputation.score)))];
    text::push(&mut facts, "pt_classification", Some(&classification));
    text::push_list(&mut facts, "pt_rules", rules());
    let evidence = Evidence {
        share: Some(f64::from(reputation.score) / 100.0),
        facts,
        description: Some(format!("reputation {} of 100", reputation.score).into()),
        ..Evidence::default()
    };
    Ok((kind, evidence))
}
