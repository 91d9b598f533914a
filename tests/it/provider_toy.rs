//! A toy: a made-up service that keeps a list of names and addresses. No product has it.
//!
//! It was added by the recipe of `ARCHITECTURE.md` ("How to add"): this file is what `src/provider/<name>.rs` would be, with `sidelight::provider::kit` in the
//! place of the modules beside it. It stands in the contract suite like every other provider, so the suite says whether the recipe still holds.

use std::sync::Arc;

use serde::Deserialize;
use sidelight::{
    model::{Evidence, Fact, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, Provider, Spec, about,
        kit::{Auth, Reading, Reply, Request, Service, Wire, malformed, parse},
        text, time,
    },
};

/// The provider's name.
pub(crate) const ID: ProviderId = ProviderId("toy");

/// Its defaults.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://toy.example",
    quota: "60/min",
    key: KeyUse::Required,
    kinds: &[IndicatorKind::Ipv4, IndicatorKind::Domain],
    routed: &[IndicatorKind::Ipv4, IndicatorKind::Domain],
    wire: Wire::json(Auth::Header("x-toy-key")),
    build,
};

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    SPEC.kinds.contains(&indicator.kind).then(|| Request::get("/v1/list").segment(&*indicator.value))
}

#[derive(Deserialize)]
struct Unknown {
    error: String,
}

#[derive(Deserialize)]
struct Entry {
    subject: String,
    listed: bool,
    why: Option<String>,
    since: Option<String>,
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let body = match reply {
        Reply::Body(body) => body,
        Reply::NotFound(body) => {
            let unknown: Unknown = parse(body)?;
            return match &*unknown.error {
                "unknown subject" => Ok((VerdictKind::NotFound, Evidence::default())),
                _ => Err(malformed("status 404 without the service's own error")),
            };
        }
    };
    let entry: Entry = parse(body)?;
    about::require(indicator, &entry.subject)?;
    let since = entry.since.as_deref().and_then(time::parse);
    let mut facts = vec![("toy_listed", Fact::Bool(entry.listed))];
    text::push(&mut facts, "toy_why", entry.why.as_deref());
    time::push(&mut facts, "toy_since", since);
    let evidence = Evidence {
        share: Some(if entry.listed { 1.0 } else { 0.0 }),
        facts,
        reference: Some(format!("https://toy.example/subject/{}", indicator.value).into()),
        description: Some(if entry.listed { "on the toy list".into() } else { "not on the toy list".into() }),
        first_seen: since.filter(|_| entry.listed),
        ..Evidence::default()
    };
    Ok((if entry.listed { VerdictKind::Found } else { VerdictKind::Clean }, evidence))
}
