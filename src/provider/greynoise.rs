//! GreyNoise, the community interface: who scans the whole Internet, and which addresses are those of common business services (RIOT).
//!
//! An address of RIOT is infrastructure that everybody meets, so it puts a ceiling on the score. Found: seen scanning; clean: of RIOT, or classified
//! benign, and not called malicious or suspicious; not_found: a 404 with the service's own words. A key is optional. By default it carries no term: a `weight` gives it one.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    model::{Evidence, Fact, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, Provider, Spec, about,
        http::Reply,
        request::{Auth, Request, Wire},
        service::{Reading, Service, malformed, parse},
        text, time,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("greynoise");

/// Its defaults: within the 50 look-ups a week of a free key and the 10 a day without one.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://api.greynoise.io",
    quota: "7/day",
    key: KeyUse::Optional,
    kinds: &[IndicatorKind::Ipv4],
    routed: &[IndicatorKind::Ipv4],
    wire: Wire::json(Auth::Header("key")),
    build,
};

/// The score of an address of RIOT is at most this: low.
const CEILING: u8 = 39;

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    SPEC.kinds.contains(&indicator.kind).then(|| Request::get("/v3/community").segment(&*indicator.value))
}

#[derive(Deserialize)]
struct Answer {
    ip: String,
    noise: bool,
    riot: bool,
    classification: Option<String>,
    name: Option<String>,
    last_seen: Option<String>,
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let (body, is_known) = match reply {
        Reply::Body(body) => (body, true),
        Reply::NotFound(body) => (body, false),
    };
    let answer: Answer = parse(body)?;
    about::require(indicator, &answer.ip)?;
    let Answer { noise, riot, .. } = answer;
    match (is_known, noise || riot) {
        (true, true) => {}
        (true | false, false) => return Ok((VerdictKind::NotFound, Evidence::default())),
        (false, true) => return Err(malformed("status 404 with an address that is known")),
    }
    let (kind, share) = match answer.classification.as_deref() {
        Some("malicious") => (VerdictKind::Found, Some(1.0)),
        Some("suspicious") => (VerdictKind::Found, Some(0.5)),
        Some("benign") => (VerdictKind::Clean, Some(0.0)),
        Some(_) | None if riot => (VerdictKind::Clean, Some(0.0)),
        Some(_) | None => (VerdictKind::Found, None),
    };
    // The service does not know the name of most: it says so in place of one.
    let name = answer.name.as_deref().filter(|name| *name != "unknown");
    let last_seen = answer.last_seen.as_deref().and_then(time::parse);
    let mut facts = vec![("greynoise_noise", Fact::Bool(noise)), ("greynoise_riot", Fact::Bool(riot))];
    text::push(&mut facts, "greynoise_classification", answer.classification.as_deref());
    text::push(&mut facts, "greynoise_name", name);
    time::push(&mut facts, "greynoise_last_seen", last_seen);
    let (page, description) = match riot {
        true => ("riot", "a common business service"),
        false => ("ip", "seen scanning the Internet"),
    };
    let description = match name.and_then(text::clean) {
        Some(name) => format!("{description}: {name}").into(),
        None => description.into(),
    };
    let evidence = Evidence {
        share,
        ceiling: riot.then_some(CEILING),
        facts,
        reference: Some(format!("https://viz.greynoise.io/{page}/{}", indicator.value).into()),
        description: Some(description),
        last_seen: last_seen.filter(|_| kind == VerdictKind::Found),
        ..Evidence::default()
    };
    Ok((kind, evidence))
}
