//! MISP: attributes of the events of an instance, by value.
//!
//! One `attributes/restSearch` takes a list of values; the flat list of attributes that comes back is matched to them by value. Found: an
//! attribute with the value, not on a warning list; one that is marked for detection (`to_ids`) puts a floor under the
//! score. Nothing found is not_found: an instance holds what its users know, not what is good. There is no clean.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use crate::{
    model::{Evidence, Fact, FailReason, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, LookupError, Provider, Spec,
        about::{self, Subject},
        http::Reply,
        proof,
        request::{Auth, Request, Wire},
        service::{BatchService, Reading, body, malformed, parse},
        text, time,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("misp");

/// Its defaults; the instance is the user's own and has no default.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "",
    quota: "600/min",
    key: KeyUse::Required,
    kinds: &IndicatorKind::ALL,
    routed: &[
        IndicatorKind::Ipv4,
        IndicatorKind::Ipv6,
        IndicatorKind::Domain,
        IndicatorKind::Url,
        IndicatorKind::Md5,
        IndicatorKind::Sha1,
        IndicatorKind::Sha256,
    ],
    wire: Wire { proof: Some(proof::MISP), ..Wire::json(Auth::Header("authorization")) },
    build,
};

/// A value that is marked for detection scores at least this.
const FLOOR: u8 = 70;
/// Values of one request: so few that the attributes of all of them fit into an answer as a rule.
const VALUES: usize = 100;
/// Attributes that an answer holds at most.
const LIMIT: usize = 1_000;
/// Markings from the laxest on; the old name of `clear` included.
const TLP: [&str; 6] = ["tlp:white", "tlp:clear", "tlp:green", "tlp:amber", "tlp:amber+strict", "tlp:red"];

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(BatchService::new(&SPEC, config, clock, VALUES, request, read)?))
}

fn request(indicators: &[&Indicator]) -> Request<'static> {
    let values: Vec<&str> = indicators.iter().map(|indicator| &*indicator.value).collect();
    let body = json!({
        "returnFormat": "json",
        "value": values,
        "enforceWarninglist": 1,
        "includeEventTags": 1,
        "includeContext": 1,
        "includeSightings": 1,
        "limit": LIMIT,
    });
    Request::json("/attributes/restSearch", &body)
}

#[derive(Deserialize)]
struct Envelope {
    response: Response,
}

/// Old versions say `[]` where there is nothing.
#[derive(Deserialize)]
#[serde(untagged)]
enum Response {
    Attributes {
        #[serde(rename = "Attribute")]
        attributes: Vec<Attribute>,
    },
    Nothing([IgnoredAny; 0]),
}

#[derive(Deserialize)]
struct Attribute {
    event_id: Number,
    to_ids: bool,
    value: String,
    category: Option<String>,
    timestamp: Option<Number>,
    first_seen: Option<String>,
    last_seen: Option<String>,
    deleted: Option<bool>,
    #[serde(rename = "Event")]
    event: Option<Event>,
    #[serde(rename = "Tag")]
    tags: Option<Vec<Tag>>,
    #[serde(rename = "Sighting")]
    sightings: Option<Vec<Sighting>>,
}

/// Numbers are texts in most versions.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Int(u64),
}

impl Number {
    fn get(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Int(number) => Some(*number),
        }
    }
}

#[derive(Deserialize)]
struct Event {
    info: Option<String>,
    threat_level_id: Option<Number>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

#[derive(Deserialize)]
struct Sighting {
    #[serde(rename = "type")]
    kind: Option<Number>,
    date_sighting: Option<Number>,
}

fn read(base: &str, indicators: &[&Indicator], reply: &Reply) -> Result<Vec<Reading>, LookupError> {
    let envelope: Envelope = parse(body(reply)?)?;
    let attributes = match envelope.response {
        Response::Attributes { attributes } => attributes,
        Response::Nothing(_) => Vec::new(),
    };
    if attributes.iter().any(|attribute| attribute.event_id.get().is_none()) {
        return Err(malformed("an event without a number"));
    }
    // What the limit has cut off may be all that there is on a value.
    let whole = attributes.len() < LIMIT;
    let one = |indicator: &&Indicator| {
        let own: Vec<&Attribute> = attributes
            .iter()
            .filter(|attribute| attribute.deleted != Some(true) && is_of(indicator, &attribute.value))
            .collect();
        match own.is_empty() {
            false => Ok((VerdictKind::Found, evidence(base, &own))),
            true if whole => Ok((VerdictKind::NotFound, Evidence::default())),
            true => Err(LookupError::failed(FailReason::TooLarge, "more attributes than an answer holds")),
        }
    };
    Ok(indicators.iter().map(one).collect())
}

/// Whether the value of an attribute, or a half of a composite one (`ip|port`, `filename|md5`), is the indicator.
fn is_of(indicator: &Indicator, value: &str) -> bool {
    let same = |part: &str| match indicator.kind {
        IndicatorKind::Url => part == &*indicator.value,
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 | IndicatorKind::Domain => {
            about::subject(indicator, part) == Subject::Asked
        }
        IndicatorKind::Email
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256
        | IndicatorKind::Sha512
        | IndicatorKind::Cve => part.eq_ignore_ascii_case(&indicator.value),
    };
    same(value) || value.split_once('|').is_some_and(|(first, second)| same(first) || same(second))
}

fn evidence(base: &str, attributes: &[&Attribute]) -> Evidence {
    let all = || attributes.iter().copied();
    let to_ids = all().any(|attribute| attribute.to_ids);
    // The event that says most comes first: it is the one that is linked.
    let mut marked: Vec<&Attribute> = all().collect();
    marked.sort_by_key(|attribute| !attribute.to_ids);
    let mut seen = BTreeSet::new();
    let numbers = marked.iter().filter_map(|attribute| attribute.event_id.get());
    let events: Vec<u64> = numbers.filter(|number| seen.insert(*number)).collect();
    let names: Vec<String> = events.iter().map(u64::to_string).collect();
    let tags: BTreeSet<&str> =
        all().flat_map(|attribute| attribute.tags.iter().flatten()).map(|tag| &*tag.name).collect();
    let level = all().filter_map(|attribute| attribute.event.as_ref()?.threat_level_id.as_ref()?.get()).min();
    let info = marked.iter().find_map(|attribute| attribute.event.as_ref()?.info.as_deref());
    let sightings = |kind: u64| {
        let all = all().flat_map(|attribute| attribute.sightings.iter().flatten());
        all.filter(move |sighting| sighting.kind.as_ref().and_then(Number::get) == Some(kind))
    };
    let (first_seen, last_seen) = span(attributes, sightings(0));

    let mut facts = Vec::new();
    text::push_list(&mut facts, "misp_events", names.iter().map(String::as_str));
    facts.push(("misp_to_ids", Fact::Bool(to_ids)));
    text::push(&mut facts, "misp_threat_level", level.and_then(threat_level));
    text::push(&mut facts, "misp_info", info);
    text::push_list(&mut facts, "misp_categories", marked.iter().filter_map(|attribute| attribute.category.as_deref()));
    text::push_list(&mut facts, "misp_tags", tags.iter().copied());
    let marking = |tag: &&str| TLP.iter().position(|known| tag.eq_ignore_ascii_case(known));
    text::push(&mut facts, "misp_tlp", tags.iter().filter_map(marking).max().and_then(|at| TLP.get(at)).copied());
    let doubts = sightings(1).count();
    facts.extend((doubts > 0).then(|| ("misp_false_positives", Fact::Int(i64::try_from(doubts).unwrap_or(i64::MAX)))));
    time::push(&mut facts, "misp_first_seen", first_seen);
    time::push(&mut facts, "misp_last_seen", last_seen);
    Evidence {
        share: Some(if to_ids { 1.0 } else { 0.5 }),
        floor: to_ids.then_some(FLOOR),
        facts,
        reference: names.first().map(|event| format!("{base}/events/view/{event}").into()),
        description: Some(describe(events.len(), to_ids).into()),
        first_seen,
        last_seen,
        sightings: u64::try_from(sightings(0).count()).ok(),
        ..Evidence::default()
    }
}

fn describe(events: usize, to_ids: bool) -> String {
    let marked = if to_ids { ", marked for detection" } else { "" };
    format!("in {events} MISP event{}{marked}", if events == 1 { "" } else { "s" })
}

fn threat_level(id: u64) -> Option<&'static str> {
    match id {
        1 => Some("high"),
        2 => Some("medium"),
        3 => Some("low"),
        _ => None,
    }
}

/// First and last time of the attributes: as their authors state them, else when they were written; and when they were sighted.
fn span<'a>(attributes: &[&Attribute], sightings: impl Iterator<Item = &'a Sighting>) -> (Option<i64>, Option<i64>) {
    let ms = |number: &Option<Number>| i64::try_from(number.as_ref()?.get()?).ok()?.checked_mul(1000);
    let stated = |text: &Option<String>| time::parse(text.as_deref()?);
    let first = |attribute: &&Attribute| stated(&attribute.first_seen).or_else(|| ms(&attribute.timestamp));
    let last = |attribute: &&Attribute| stated(&attribute.last_seen).or_else(|| ms(&attribute.timestamp));
    let sighted = sightings.filter_map(|sighting| ms(&sighting.date_sighting));
    (attributes.iter().filter_map(first).min(), attributes.iter().filter_map(last).chain(sighted).max())
}
