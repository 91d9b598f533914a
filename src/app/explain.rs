//! Why an event leaves as it does: what was found in it, what is kept back, what is known, and what would be asked and what that costs.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use crate::{
    annotate,
    app::Analyst,
    budget::Urgency,
    enrich::{EventContext, Outlook, Prospect, Sighting},
    event::Format,
    extract::{Extraction, Sighted, headline},
    gate::Suppression,
    model::{Indicator, Severity, Tlp},
};

/// What asking for an event costs, at most: several may share a call.
#[derive(Debug, Default)]
struct Cost {
    units: BTreeMap<&'static str, u64>,
    subjects: HashSet<Indicator>,
}

impl Analyst {
    /// Explains an event, in JSON. Nothing is asked for, and nothing is counted as seen.
    pub fn explained(&self, event: &[u8]) -> Value {
        let mut extraction = Extraction::default();
        self.extractor.extract(event, &mut extraction);
        let said = headline(event);
        let tlp = self.gate.tlp(extraction.marking());
        let source = said.host.map_or(0, |host| self.enricher.source_number(host));
        let context = EventContext { severity: said.severity, source };
        let mut cost = Cost::default();
        let found = extraction.iter().map(|sighted| self.explained_one(sighted, tlp, context, &mut cost));
        let indicators: Vec<Value> = found.collect();
        let cost: Vec<Value> =
            cost.units.into_iter().map(|(provider, units)| json!({ "provider": provider, "units": units })).collect();
        json!({
            "format": format_name(extraction.outline().format),
            "severity": severity_name(said.severity),
            "host": said.host.map(String::from_utf8_lossy),
            "tlp": tlp.as_str(),
            "truncated": extraction.truncated(),
            "indicators": indicators,
            "cost": cost,
        })
    }

    fn explained_one(&self, sighted: Sighted<'_>, tlp: Tlp, event: EventContext, cost: &mut Cost) -> Value {
        let mut out = Map::new();
        let mut say = |name: &str, value: Value| out.insert(name.to_owned(), value);
        say("ioc_type", sighted.kind.as_str().into());
        say("ioc_value", sighted.value.into());
        say("fields", sighted.fields().collect::<Vec<_>>().into());
        say("role", sighted.role.as_str().into());
        let reason = match sighted.indicator() {
            None => Some(Suppression::NotedOnly),
            Some(indicator) => self
                .gate
                .suppression(indicator)
                .or_else(|| (!self.enricher.responsible(indicator.kind)).then_some(Suppression::NoProvider)),
        };
        let (Some(indicator), None) = (sighted.indicator(), reason) else {
            say("decision", "suppressed".into());
            say("reason", reason.unwrap_or(Suppression::NotedOnly).as_str().into());
            return Value::Object(out);
        };
        let mut buffer = String::new();
        let subject = self.gate.subject(indicator, &mut buffer).to_owned();
        if *subject.value != *indicator.value {
            say("sent_as", (*subject.value).into());
        }
        let sighting = Sighting { role: sighted.role, urgency: Urgency::Ordinary, tlp, event };
        let entry = self.cache.peek(subject.borrowed());
        let outlook = self.enricher.outlook(&subject, entry.as_deref(), sighting);
        let is_fresh = entry.as_ref().is_some_and(|entry| {
            entry.fresh_until() > self.clock.monotonic() && !self.enricher.would_add(entry, tlp, subject.kind)
        });
        say("decision", decision(&outlook, is_fresh).into());
        let shown = self.enricher.snapshot(&subject).or(entry);
        if let Some(shown) = shown {
            let mut text = Vec::new();
            annotate::by_itself(&subject, shown.fragment(), self.clock.wall_ms(), &mut text);
            say("assessment", serde_json::from_slice(&text).unwrap_or_default());
        }
        if !is_fresh {
            say("worth", outlook.worth.into());
            say("providers", outlook.prospects.iter().map(prospect).collect());
            // What waits is asked about once for all, and so are values that leave alike.
            if !outlook.is_waiting && cost.subjects.insert(subject) {
                for prospect in outlook.prospects.iter().filter(|prospect| prospect.is_asked) {
                    *cost.units.entry(prospect.provider.as_str()).or_default() += u64::from(prospect.units);
                }
            }
        }
        Value::Object(out)
    }
}

fn decision(outlook: &Outlook, is_fresh: bool) -> &'static str {
    if is_fresh {
        "known"
    } else if outlook.is_waiting {
        "waiting"
    } else if outlook.prospects.iter().any(|prospect| prospect.is_asked) {
        "to_ask"
    } else {
        "not_asked"
    }
}

fn prospect(prospect: &Prospect) -> Value {
    json!({
        "provider": prospect.provider.as_str(),
        "asked": prospect.is_asked,
        "units": prospect.units,
        "outcome": prospect.answer.outcome(),
        "reason": prospect.answer.reason(),
    })
}

const fn format_name(format: Format) -> &'static str {
    match format {
        Format::JsonObject => "json_object",
        Format::Json => "json",
        Format::Cef => "cef",
        Format::Leef => "leef",
        Format::Syslog => "syslog",
        Format::Xml => "xml",
        Format::Text => "text",
        Format::Binary => "binary",
    }
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
