//! An event that is waiting: parked before it has left, owed an answer after.

use std::{sync::Arc, time::Duration};

use crate::{
    cache::Entry,
    extract::Extraction,
    model::{Indicator, Origin, Record},
    pipeline::{Token, states::Known},
};

/// What a late record says of its event.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) origin: Origin,
    pub(super) key: Option<Box<[u8]>>,
    pub(super) timestamp: Option<i64>,
    /// The JSON token of the event's own id.
    pub(super) id: Option<Box<[u8]>>,
}

impl Reference {
    /// Copies what a late record needs, so that the payload can go.
    pub(super) fn of(record: &Record, extraction: &Extraction) -> Self {
        let id = extraction.outline().id.clone().zip(record.payload());
        let id = id.and_then(|(range, payload)| payload.get(range).map(Box::from));
        let key = record.key().map(Box::from);
        Self { origin: record.origin.clone(), key, timestamp: record.timestamp, id }
    }
}

/// Where an event stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// It waits to leave.
    Parked { record: Arc<Record>, token: Token },
    /// It is leaving.
    Left,
    /// It has left; an answer is owed.
    Owed { reference: Reference, weight: usize, window: u32, until: Duration },
}

/// What kind of payload an event has; decides how it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// No payload at all.
    Tombstone,
    /// Text without indicators.
    Plain,
    /// Bytes that are no text.
    Unparsed,
    /// Examining it failed; our own fault.
    Fault,
    /// It gets an annotation.
    Annotated,
}

/// One event that is waiting.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) phase: Phase,
    pub(super) extraction: Extraction,
    pub(super) known: Vec<Known>,
    pub(super) content: Content,
    /// When its record was taken in, monotonic.
    pub(super) taken: Duration,
}

impl Event {
    pub(super) fn is_open(&self) -> bool {
        self.known.iter().any(Known::is_open)
    }

    pub(super) fn is_hopeful(&self) -> bool {
        self.known.iter().any(Known::is_hopeful)
    }

    /// What is known of an indicator that is open.
    pub(super) fn open(&self, indicator: &Indicator) -> Option<&Arc<Entry>> {
        self.known.iter().find_map(|known| match known {
            Known::Open { subject, entry, .. } if subject == indicator => Some(entry),
            Known::Open { .. } | Known::Settled(_) | Known::Suppressed(_) => None,
        })
    }

    /// Bytes that a parked event keeps alive, roughly.
    pub(super) fn parked_weight(record: &Record, extraction: &Extraction, known: &[Known]) -> usize {
        record.weight() + extraction.weight() + known.len() * 96 + 256
    }

    /// Bytes that an owed event keeps alive, roughly.
    pub(super) fn owed_weight(reference: &Reference, extraction: &Extraction, known: &[Known]) -> usize {
        let key = reference.key.as_ref().map_or(0, |key| key.len());
        key + reference.id.as_ref().map_or(0, |id| id.len()) + extraction.weight() + known.len() * 96 + 320
    }
}
