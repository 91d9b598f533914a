//! Shodan InternetDB: what an address exposes, from a weekly summary that is free and needs no key.
//!
//! Context without a score, as that of Shodan itself. Found: it has scanned the address; not_found: its own "No information available"; there
//! is no clean. For non-commercial use.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    model::{Evidence, Fact, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, Provider, Spec, about,
        http::Reply,
        request::{Auth, Request, Wire},
        service::{Reading, Service, malformed, parse},
        text,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("internetdb");

/// Its defaults: the service names no numbers; one request a second is tolerated.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://internetdb.shodan.io",
    quota: "1/s",
    key: KeyUse::Unused,
    kinds: &[IndicatorKind::Ipv4, IndicatorKind::Ipv6],
    routed: &[IndicatorKind::Ipv4, IndicatorKind::Ipv6],
    wire: Wire::json(Auth::Nothing),
    build,
};

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    indicator.kind.is_ip().then(|| Request::get("").segment(&*indicator.value))
}

#[derive(Deserialize)]
struct Unknown {
    detail: String,
}

#[derive(Deserialize)]
struct Host {
    ip: String,
    ports: Vec<u16>,
    vulns: Vec<String>,
    tags: Vec<String>,
    hostnames: Vec<String>,
    cpes: Vec<String>,
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let body = match reply {
        Reply::Body(body) => body,
        Reply::NotFound(body) => {
            let unknown: Unknown = parse(body)?;
            return match unknown.detail.starts_with("No information available") {
                true => Ok((VerdictKind::NotFound, Evidence::default())),
                false => Err(malformed("status 404 without the service's own error")),
            };
        }
    };
    let Host { ip, ports, mut vulns, tags, hostnames, cpes } = parse(body)?;
    about::require(indicator, &ip)?;
    let mut ports: Vec<i64> = ports.into_iter().map(i64::from).collect();
    ports.sort_unstable();
    ports.dedup();
    vulns.sort_unstable();
    let description = format!("{} open ports, {} known vulnerabilities", ports.len(), vulns.len());
    let mut facts = vec![("internetdb_ports", Fact::Ints(ports))];
    text::push_list(&mut facts, "internetdb_vulns", vulns.iter().map(String::as_str));
    text::push_list(&mut facts, "internetdb_tags", tags.iter().map(String::as_str));
    text::push_list(&mut facts, "internetdb_hostnames", hostnames.iter().map(String::as_str));
    text::push_list(&mut facts, "internetdb_cpes", cpes.iter().map(String::as_str));
    let evidence = Evidence {
        facts,
        reference: Some(format!("https://www.shodan.io/host/{}", indicator.value).into()),
        description: Some(description.into()),
        ..Evidence::default()
    };
    Ok((VerdictKind::Found, evidence))
}
