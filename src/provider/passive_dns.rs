//! What the services of passive DNS have in common: who answered for a name, or which names led to an address, and when.
//!
//! It is context without a score: names and addresses are neither good nor bad by having met.

use crate::{
    model::{Evidence, Fact, Indicator, VerdictKind},
    provider::{
        about::{self, Subject},
        service::Reading,
        text, time,
    },
};

/// The names of the facts of one service.
pub(crate) struct Names {
    /// How many records there are.
    pub(crate) records: &'static str,
    /// For a name what it led to, for an address the names that led to it; the latest first.
    pub(crate) answers: &'static str,
    pub(crate) first_seen: &'static str,
    pub(crate) last_seen: &'static str,
}

/// One record.
pub(crate) struct Record {
    pub(crate) name: String,
    /// `A`, `CNAME` …
    pub(crate) kind: Option<String>,
    pub(crate) data: String,
    /// First and last time that it was seen, milliseconds since the epoch.
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
}

impl Record {
    fn leads_somewhere(&self) -> bool {
        matches!(self.kind.as_deref(), Some("A" | "AAAA" | "CNAME") | None)
    }

    /// Whether it is about what was asked: an address, a name, or a host under it.
    fn is_of(&self, indicator: &Indicator) -> bool {
        let names = |text: &str| about::subject(indicator, text) == Subject::Asked;
        names(&self.name) || names(&self.data) || (!indicator.kind.is_ip() && about::is_within(indicator, &self.name))
    }
}

/// Found: there is a record; else not_found. Records that are all of others are no answer.
pub(crate) fn verdict(
    indicator: &Indicator,
    mut records: Vec<Record>,
    names: &Names,
    reference: Option<Box<str>>,
) -> Reading {
    if records.is_empty() {
        return Ok((VerdictKind::NotFound, Evidence::default()));
    }
    records.retain(|record| record.is_of(indicator));
    if records.is_empty() {
        return Err(about::another());
    }
    records.sort_by_key(|record| std::cmp::Reverse(record.last));
    let count = records.len();
    let answers = records.iter().filter(|record| record.leads_somewhere());
    let answers = answers.map(|record| if indicator.kind.is_ip() { &*record.name } else { &*record.data });
    let mut facts = vec![(names.records, Fact::Int(i64::try_from(count).unwrap_or(i64::MAX)))];
    text::push_list(&mut facts, names.answers, answers.map(|answer| answer.trim_end_matches('.')));
    time::push(&mut facts, names.first_seen, records.iter().filter_map(|record| record.first).min());
    time::push(&mut facts, names.last_seen, records.iter().filter_map(|record| record.last).max());
    let plural = if count == 1 { "" } else { "s" };
    let description = Some(format!("{count} record{plural} of passive DNS").into());
    Ok((VerdictKind::Found, Evidence { facts, reference, description, ..Evidence::default() }))
}
