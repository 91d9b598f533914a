//! URLhaus (abuse.ch): URLs from which malware is, or was, distributed.
//!
//! It is asked about a URL as it stands, never about its host: a host shared by many would be blamed for one of them. A hit is a term of the score and puts a
//! floor under it. Outcomes are in `query_status` under status 200: `ok` is found, `no_results` not_found, and there is no clean.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    model::{Evidence, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, Provider, Spec, about, abusech,
        http::Reply,
        request::Request,
        service::{Reading, Service, malformed, parse},
        text, time,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("urlhaus");

/// Its defaults: the service promises fair use and names no numbers.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://urlhaus-api.abuse.ch",
    quota: "60/min, 2000/day",
    key: KeyUse::Required,
    kinds: &[IndicatorKind::Url],
    routed: &[IndicatorKind::Url],
    wire: abusech::WIRE,
    build,
};

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    let fields = vec![("url", (&*indicator.value).into())];
    (indicator.kind == IndicatorKind::Url).then(|| Request::form("/v1/url/", fields))
}

#[derive(Deserialize)]
struct Entry {
    /// A number as text.
    id: String,
    url: Option<String>,
    url_status: Option<String>,
    date_added: Option<String>,
    last_online: Option<String>,
    threat: Option<String>,
    reporter: Option<String>,
    tags: Option<Vec<String>>,
    payloads: Option<Vec<Payload>>,
}

#[derive(Deserialize)]
struct Payload {
    signature: Option<String>,
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let Some(body) = abusech::hit(reply, "no_results")? else {
        return Ok((VerdictKind::NotFound, Evidence::default()));
    };
    let entry: Entry = parse(body)?;
    let id = Some(&*entry.id).filter(|id| (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()));
    let id = id.ok_or_else(|| malformed("no id of the entry"))?;
    about::check(indicator, entry.url.as_deref())?;
    let first_seen = entry.date_added.as_deref().and_then(time::parse);
    let last_online = entry.last_online.as_deref().and_then(time::parse);
    let families = || entry.payloads.iter().flatten().filter_map(|payload| payload.signature.as_deref());
    let mut facts = Vec::new();
    text::push(&mut facts, "urlhaus_threat", entry.threat.as_deref());
    text::push(&mut facts, "urlhaus_status", entry.url_status.as_deref());
    text::push_list(&mut facts, "urlhaus_families", families());
    text::push_list(&mut facts, "urlhaus_tags", entry.tags.iter().flatten().map(String::as_str));
    text::push(&mut facts, "urlhaus_reporter", entry.reporter.as_deref());
    time::push(&mut facts, "urlhaus_date_added", first_seen);
    time::push(&mut facts, "urlhaus_last_online", last_online);
    let family = families().find_map(text::clean);
    let evidence = Evidence {
        share: Some(1.0),
        floor: Some(abusech::FLOOR),
        facts,
        reference: Some(format!("https://urlhaus.abuse.ch/url/{id}/").into()),
        description: Some(
            family.map_or_else(|| "distributes malware".into(), |family| format!("distributes {family}").into()),
        ),
        first_seen,
        last_seen: last_online.or(first_seen),
        ..Evidence::default()
    };
    Ok((VerdictKind::Found, evidence))
}
