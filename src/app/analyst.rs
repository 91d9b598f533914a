//! Answers analysts out of the running parts: what the cache knows, look-ups ahead of the stream, purges.

use std::{sync::Arc, time::Duration};

use crate::{
    admin::{self, Inquiry, Unknown},
    annotate::{self, State, Summary},
    app::Engine,
    budget::Urgency,
    cache::{Cache, Entry, Hit},
    enrich::{Enricher, EventContext, Sighting},
    extract::{Extraction, Extractor, Sighted},
    gate::{Gate, Suppression},
    model::{Answer, Indicator, IndicatorKind, IndicatorRef, Role, SharedClock, Tlp},
};

/// What an analyst's question needs. `Clone` shares it.
#[derive(Clone, Debug)]
pub struct Analyst {
    pub(super) extractor: Arc<Extractor>,
    pub(super) gate: Arc<Gate>,
    pub(super) cache: Cache,
    pub(super) enricher: Enricher,
    pub(super) clock: SharedClock,
}

/// What is known of one indicator of a question.
#[derive(Debug)]
enum Known {
    Suppressed(Suppression),
    Asked { subject: Indicator, entry: Arc<Entry>, open: bool },
}

/// An indicator of a question.
#[derive(Debug)]
pub enum Found<'a> {
    /// It is not looked up, by rule.
    Suppressed(Sighted<'a>, Suppression),
    /// What is known of it by now.
    Asked(IndicatorRef<'a>, &'a Entry),
}

/// How long nothing may be expected before that is believed: what another process has leased and does not call comes back within moments.
const DOUBT: Duration = Duration::from_secs(1);

/// A question and what is known of its indicators.
#[derive(Debug)]
pub struct Question {
    analyst: Analyst,
    /// When an answer could be expected last (monotonic).
    hoped: Duration,
    extraction: Extraction,
    /// Parallel to the extraction.
    known: Vec<Known>,
}

impl Analyst {
    /// Answers out of these parts.
    pub fn new(engine: &Engine, enricher: Enricher) -> Self {
        Self {
            extractor: Arc::clone(&engine.extractor),
            gate: Arc::clone(&engine.gate),
            cache: engine.cache.clone(),
            enricher,
            clock: Arc::clone(&engine.clock),
        }
    }

    /// Asks for every indicator of a text that may be looked up; what the cache holds fresh is not asked for again.
    pub fn ask(&self, text: &str) -> Question {
        let mut extraction = Extraction::default();
        self.extractor.extract(text.as_bytes(), &mut extraction);
        let marking = self.gate.tlp(extraction.marking());
        let known = extraction.iter().map(|sighted| match sighted.indicator() {
            None => Known::Suppressed(Suppression::NotedOnly),
            Some(indicator) => match self.gate.suppression(indicator) {
                Some(reason) => Known::Suppressed(reason),
                None if !self.enricher.responsible(indicator.kind) => Known::Suppressed(Suppression::NoProvider),
                None => {
                    let mut buffer = String::new();
                    self.ask_one(self.gate.subject(indicator, &mut buffer).to_owned(), marking)
                }
            },
        });
        let known = known.collect();
        Question { analyst: self.clone(), hoped: self.clock.monotonic(), extraction, known }
    }

    fn ask_one(&self, subject: Indicator, tlp: Tlp) -> Known {
        let prior = match self.cache.get(subject.borrowed(), self.clock.monotonic()) {
            Hit::Fresh(entry) if !self.enricher.would_add(&entry, tlp, subject.kind) => {
                return Known::Asked { subject, entry, open: false };
            }
            Hit::Fresh(entry) | Hit::Stale(entry) => Some(entry),
            Hit::Miss => None,
        };
        let sighting =
            Sighting { role: Role::Destination, urgency: Urgency::Urgent, tlp, event: EventContext::default() };
        let asked = self.enricher.ask(&subject, prior.as_deref(), sighting, None);
        Known::Asked { subject, entry: asked.entry, open: asked.open }
    }

    /// The indicators of a text, as they are asked for.
    fn subjects(&self, text: &str) -> Vec<Indicator> {
        let mut extraction = Extraction::default();
        self.extractor.extract(text.as_bytes(), &mut extraction);
        let mut buffer = String::new();
        let indicators = extraction.iter().filter_map(|sighted| sighted.indicator());
        indicators.map(|indicator| self.gate.subject(indicator, &mut buffer).to_owned()).collect()
    }
}

impl Question {
    /// The indicators of the text.
    pub fn found(&self) -> impl Iterator<Item = Found<'_>> {
        self.extraction.iter().zip(&self.known).filter_map(|(sighted, known)| match known {
            Known::Suppressed(reason) => Some(Found::Suppressed(sighted, *reason)),
            Known::Asked { entry, .. } => Some(Found::Asked(sighted.indicator()?, entry)),
        })
    }

    /// Whether all that was asked for has been answered, or given up.
    fn is_over(&self) -> bool {
        !self.known.iter().any(|known| matches!(known, Known::Asked { open: true, .. }))
    }

    /// Takes in what has come; whether to wait for more, of which some may come within the time that is left.
    pub fn settle(&mut self, left: Duration) -> bool {
        let mut waiting = false;
        let Analyst { enricher, cache, clock, .. } = &self.analyst;
        let now = clock.monotonic();
        for known in &mut self.known {
            let Known::Asked { subject, entry, open } = known else { continue };
            if !*open {
                continue;
            }
            // Rendered only when it is over: that takes longer than to look whether it is.
            if enricher.can_come(subject, left) {
                waiting = true;
            } else if let Some(current) = enricher.snapshot(subject) {
                *entry = current;
            } else {
                // The flight is over; what came of it is in the cache, or about to be.
                if let Hit::Fresh(current) | Hit::Stale(current) = cache.get(subject.borrowed(), now) {
                    *open = current
                        .assessment()
                        .sources
                        .iter()
                        .any(|source| matches!(source.answer, Answer::Pending { .. }));
                    *entry = current;
                }
            }
        }
        if waiting {
            self.hoped = now;
        }
        waiting || (!self.is_over() && now.saturating_sub(self.hoped) < DOUBT)
    }
}

impl Inquiry for Question {
    fn is_waiting(&mut self, left: Duration) -> bool {
        self.settle(left)
    }

    fn count(&self) -> usize {
        self.known.len()
    }

    fn annotation(&self) -> String {
        let states: Vec<State<'_>> = self
            .known
            .iter()
            .map(|known| match known {
                Known::Suppressed(reason) => State::Suppressed(*reason),
                Known::Asked { entry, .. } => State::Assessed(entry.assessment(), entry.fragment()),
            })
            .collect();
        let summary = Summary::of(&states, self.extraction.truncated());
        let mut out = Vec::new();
        annotate::object(&self.extraction, &states, &summary, self.analyst.clock.wall_ms(), &mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

impl admin::Analyst for Analyst {
    fn known(&self, kind: IndicatorKind, text: &str) -> Result<String, Unknown> {
        let mut extraction = Extraction::default();
        self.extractor.extract(text.as_bytes(), &mut extraction);
        let mut all = extraction.iter().filter_map(|sighted| sighted.indicator());
        let found = all.find(|found| found.kind == kind).ok_or(Unknown::NoIndicator)?.to_owned();
        let mut buffer = String::new();
        let subject = self.gate.subject(found.borrowed(), &mut buffer).to_owned();
        let entry = self
            .enricher
            .snapshot(&subject)
            .or_else(|| self.cache.peek(subject.borrowed()))
            .ok_or(Unknown::NotKnown)?;
        let mut out = Vec::new();
        annotate::by_itself(&found, entry.fragment(), self.clock.wall_ms(), &mut out);
        String::from_utf8(out).map_err(|_| Unknown::NotKnown)
    }

    fn look_up(&self, text: &str) -> Box<dyn Inquiry> {
        Box::new(self.ask(text))
    }

    fn explain(&self, event: &[u8]) -> String {
        self.explained(event).to_string()
    }

    fn purge(&self, text: &str) -> Result<Vec<(IndicatorKind, String)>, String> {
        let subjects = self.subjects(text);
        // All of them, whatever becomes of the first.
        let told: Vec<_> = subjects.iter().map(|subject| self.enricher.purge(subject)).collect();
        if let Some(error) = told.into_iter().find_map(Result::err) {
            return Err(error.to_string());
        }
        Ok(subjects.into_iter().map(|subject| (subject.kind, subject.value.to_string())).collect())
    }
}
