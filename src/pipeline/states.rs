//! What is known of the indicators of one event: gate, then cache, then enricher.

use std::{sync::Arc, time::Duration};

use crate::{
    annotate::State,
    budget::Urgency,
    cache::{Cache, Entry, Front, Hit, Recalled},
    enrich::{Enricher, EventContext, Sighting},
    extract::{Extraction, Sighted, headline},
    gate::{Gate, Suppression},
    model::{Indicator, IndicatorKind, Record, Status, Tlp},
    pipeline::meter::Meter,
};

/// What is known of one indicator of an event.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// It is not looked up, by rule.
    Suppressed(Suppression),
    /// Nothing more will come, or nothing more is needed.
    Settled(Arc<Entry>),
    /// A notice will follow.
    Open {
        /// What was asked: the part of the value that may leave.
        subject: Indicator,
        /// What is known so far.
        entry: Arc<Entry>,
        /// Whether waiting is worth while.
        hopeful: bool,
    },
}

impl Known {
    /// For annotation.
    pub(super) fn state(&self) -> State<'_> {
        match self {
            Self::Suppressed(reason) => State::Suppressed(*reason),
            Self::Settled(entry) | Self::Open { entry, .. } => State::Assessed(entry.assessment(), entry.fragment()),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    pub(super) fn is_hopeful(&self) -> bool {
        matches!(self, Self::Open { hopeful: true, .. })
    }
}

/// Looks the indicators of events up. One for each shard.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) gate: Arc<Gate>,
    pub(super) cache: Front,
    pub(super) enricher: Enricher,
    /// Kinds that a configured provider is responsible for.
    pub(super) responsible: [bool; IndicatorKind::ALL.len()],
    pub(super) listener: usize,
    pub(super) buffer: String,
}

impl Lookup {
    pub(super) fn new(gate: Arc<Gate>, cache: Cache, enricher: Enricher, listener: usize) -> Self {
        let responsible = IndicatorKind::ALL.map(|kind| enricher.responsible(kind));
        Self { gate, cache: Front::new(cache), enricher, responsible, listener, buffer: String::new() }
    }

    /// What is known of every indicator of an event, parallel to the extraction. Clears `known` first.
    pub(super) fn states(
        &mut self,
        record: &Record,
        extraction: &Extraction,
        now: Duration,
        meter: &mut Meter,
        known: &mut Vec<Known>,
    ) {
        known.clear();
        let mut event = None;
        let marking = self.gate.tlp(extraction.marking());
        for sighted in extraction.iter() {
            meter.extracted(sighted.kind, sighted.role);
            known.push(self.state(sighted, marking, (record, &mut event), now, meter));
        }
    }

    /// `event` is what the event says of itself, read when an indicator of it is not known.
    fn state(
        &mut self,
        sighted: Sighted<'_>,
        marking: Tlp,
        (record, event): (&Record, &mut Option<EventContext>),
        now: Duration,
        meter: &mut Meter,
    ) -> Known {
        let Some(indicator) = sighted.indicator() else {
            meter.suppressed(Suppression::NotedOnly);
            return Known::Suppressed(Suppression::NotedOnly);
        };
        match self.cache.recall_by(sighted.fingerprint(), indicator, now) {
            Some(Recalled::Suppressed(reason)) => {
                meter.suppressed(reason);
                return Known::Suppressed(reason);
            }
            Some(Recalled::Fresh(entry)) if !self.enricher.would_add(&entry, marking, indicator.kind) => {
                meter.cache_hit(&entry);
                return Known::Settled(entry);
            }
            Some(Recalled::Fresh(_)) | None => {}
        }
        let reason = self.gate.suppression(indicator).or_else(|| {
            let asked = self.responsible.get(indicator.kind.index()).copied().unwrap_or(false);
            (!asked).then_some(Suppression::NoProvider)
        });
        if let Some(reason) = reason {
            self.cache.suppress(indicator, reason, now);
            meter.suppressed(reason);
            return Known::Suppressed(reason);
        }
        let subject = self.gate.subject(indicator, &mut self.buffer);
        let (prior, stale) = match self.cache.get(indicator, subject, now) {
            // What another event's marking kept from a provider is asked for now.
            Hit::Fresh(entry) if self.enricher.would_add(&entry, marking, indicator.kind) => (Some(entry), false),
            Hit::Fresh(entry) => {
                meter.cache_hit(&entry);
                return Known::Settled(entry);
            }
            Hit::Stale(entry) => (Some(entry), true),
            Hit::Miss => (None, false),
        };
        let event = *event.get_or_insert_with(|| context_of(record, &self.enricher));
        let sighting = Sighting { role: sighted.role, urgency: Urgency::Ordinary, tlp: marking, event };
        let subject = subject.to_owned();
        let asked = self.enricher.ask(&subject, prior.as_deref(), sighting, Some(self.listener));
        meter.cache_miss(stale, asked.joined);
        // A complete answer is shown even while it is refreshed.
        if !asked.open || asked.entry.assessment().status == Status::Complete {
            return Known::Settled(asked.entry);
        }
        Known::Open { subject, entry: asked.entry, hopeful: asked.hopeful }
    }
}

/// The host that an event names, else the record's key, is its source.
fn context_of(record: &Record, enricher: &Enricher) -> EventContext {
    let said = headline(record.payload().unwrap_or_default());
    let source = said.host.or(record.key());
    EventContext { severity: said.severity, source: source.map_or(0, |source| enricher.source_number(source)) }
}
