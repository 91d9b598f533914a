//! AlienVault OTX, its passive DNS: what a name has led to, and which names an address has had.
//!
//! It can take the place of PassiveTotal: `[routing]` says who is asked about domains. A provider apart from the pulses (`otx`): it is another call. Found:
//! there are records; not_found: there are none; there is no clean, and no score.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    model::{Indicator, IndicatorKind, ProviderId, SharedClock},
    provider::{
        BuildError, Config, KeyUse, Provider, Spec,
        http::Reply,
        otx,
        passive_dns::{self, Names, Record},
        request::Request,
        service::{Reading, Service, body, parse},
        time,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("otx_pdns");

/// Its defaults: what is said to be allowed without a key.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: otx::SPEC.base_url,
    quota: otx::SPEC.quota,
    key: KeyUse::Optional,
    kinds: &[IndicatorKind::Domain, IndicatorKind::Ipv4, IndicatorKind::Ipv6],
    routed: &[IndicatorKind::Domain],
    wire: otx::WIRE,
    build,
};

const NAMES: Names = Names {
    records: "otx_pdns_records",
    answers: "otx_pdns_answers",
    first_seen: "otx_pdns_first_seen",
    last_seen: "otx_pdns_last_seen",
};

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    let (path, _) = otx::section(indicator).filter(|_| SPEC.kinds.contains(&indicator.kind))?;
    Some(Request::get(path).segment(&*indicator.value).tail("/passive_dns"))
}

#[derive(Deserialize)]
struct Answer {
    passive_dns: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    hostname: String,
    address: String,
    record_type: Option<String>,
    first: Option<String>,
    last: Option<String>,
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let answer: Answer = parse(body(reply)?)?;
    let record = |entry: Entry| Record {
        name: entry.hostname,
        kind: entry.record_type,
        data: entry.address,
        first: entry.first.as_deref().and_then(time::parse),
        last: entry.last.as_deref().and_then(time::parse),
    };
    let records = answer.passive_dns.into_iter().map(record).collect();
    passive_dns::verdict(indicator, records, &NAMES, otx::page(indicator))
}
