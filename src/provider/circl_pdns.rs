//! CIRCL Passive DNS: what a name has led to, and which names an address has had. Access is given on request.
//!
//! It can take the place of PassiveTotal: `[routing]` says who is asked about domains. Its answers are JSON objects, one a line, declared as HTML. Found: there
//! are records; not_found: an answer without a line; there is no clean, and no score.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    model::{Indicator, IndicatorKind, ProviderId, SharedClock},
    provider::{
        BuildError, Config, KeyUse, LookupError, Provider, Spec,
        http::Reply,
        passive_dns::{self, Names, Record},
        request::{Auth, Content, Request, Wire},
        service::{Reading, Service, body, parse},
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("circl_pdns");

/// Its defaults: the service names no numbers.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://www.circl.lu",
    quota: "60/min",
    key: KeyUse::Pair,
    kinds: &[IndicatorKind::Domain, IndicatorKind::Ipv4, IndicatorKind::Ipv6],
    routed: &[IndicatorKind::Domain],
    wire: Wire { content: Content::Lines, ..Wire::json(Auth::Basic) },
    build,
};

const NAMES: Names = Names {
    records: "circl_pdns_records",
    answers: "circl_pdns_answers",
    first_seen: "circl_pdns_first_seen",
    last_seen: "circl_pdns_last_seen",
};

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    SPEC.kinds.contains(&indicator.kind).then(|| Request::get("/pdns/query").segment(&*indicator.value))
}

/// A line in the common output format of passive DNS.
#[derive(Deserialize)]
struct Line {
    rrname: String,
    rrtype: String,
    rdata: String,
    /// Seconds since the epoch.
    time_first: i64,
    time_last: i64,
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let lines = body(reply)?.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let record = |line| {
        let Line { rrname, rrtype, rdata, time_first, time_last } = parse(line)?;
        let ms = |seconds: i64| seconds.checked_mul(1000);
        Ok(Record { name: rrname, kind: Some(rrtype), data: rdata, first: ms(time_first), last: ms(time_last) })
    };
    let records: Vec<Record> = lines.map(record).collect::<Result<_, LookupError>>()?;
    passive_dns::verdict(indicator, records, &NAMES, None)
}
