//! What is owed, on a log: promised with the output and before the offset, given a tombstone when it is paid, taken over with its partition.
//!
//! At least once the tombstone follows the report of the late record; exactly once both are in one transaction. A shard without a log keeps what it owes in
//! memory alone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    extract::Extraction,
    model::{Body, Marking, Origin, Reason, Record},
    pipeline::{
        Token,
        event::{Content, Phase, Reference},
        park::EventId,
        shard::Shard,
        states::Known,
        tracker::{LATE, late_of, obligation_of, window_of},
        writer::Unsent,
    },
    state::obligation::{self, EventName, Obligation, Sighted},
};

/// A shard's side of the log of obligations.
#[derive(Debug)]
pub(super) struct Obligations {
    /// Of the log.
    partitions: i32,
    shard: usize,
    /// Late records under way; when they are written their events' obligations get a tombstone.
    paying: HashMap<u32, Origin, foldhash::fast::RandomState>,
    next: u32,
    /// What is owed in memory, by window and offset: nothing is kept twice.
    held: HashMap<(u32, i64), EventId, foldhash::fast::RandomState>,
    /// What was promised in a window before its log was read: the reader may find it there, paid or not. `None` when it was read.
    fresh: HashMap<u32, Option<HashSet<i64>>, foldhash::fast::RandomState>,
}

impl Obligations {
    pub(super) fn new(partitions: i32, shard: usize) -> Self {
        Self {
            partitions,
            shard,
            paying: HashMap::default(),
            next: 0,
            held: HashMap::default(),
            fresh: HashMap::default(),
        }
    }

    /// Enters what is owed in memory; returns who held this place before.
    pub(super) fn hold(&mut self, window: u32, offset: i64, id: EventId) -> Option<EventId> {
        self.held.insert((window, offset), id)
    }

    /// Takes that back.
    pub(super) fn release(&mut self, window: u32, offset: i64, id: EventId) {
        if self.held.get(&(window, offset)) == Some(&id) {
            self.held.remove(&(window, offset));
        }
    }

    /// This assignment itself has promised an answer.
    fn promised(&mut self, window: u32, offset: i64) {
        if let Some(fresh) = self.fresh.entry(window).or_insert_with(|| Some(HashSet::new())) {
            fresh.insert(offset);
        }
    }

    /// Whether an entry of the log is known here: owed in memory, or promised by this assignment, which may have paid it already.
    fn knows(&self, window: u32, offset: i64) -> bool {
        self.held.contains_key(&(window, offset))
            || self.fresh.get(&window).and_then(Option::as_ref).is_some_and(|fresh| fresh.contains(&offset))
    }

    /// A place for a late record.
    fn keep(&mut self, origin: &Origin) -> (u32, Token) {
        const SLOTS: u32 = 1 << 26;
        // Places are given back in the order of reports, more or less: the next one is free.
        while self.paying.contains_key(&self.next) {
            self.next = (self.next + 1) % (SLOTS - 1);
        }
        let slot = self.next;
        self.next = (self.next + 1) % (SLOTS - 1);
        self.paying.insert(slot, origin.clone());
        (slot, late_of(self.shard, slot))
    }
}

fn name_of(origin: &Origin) -> EventName {
    EventName { topic: origin.topic.to_string(), partition: origin.partition, offset: origin.offset }
}

impl Shard {
    /// Whether an answer to the event of `self.known` can still come.
    pub(super) fn is_owing(&self) -> bool {
        self.known.iter().any(|known| match known {
            Known::Open { entry, .. } => entry.assessment().can_still_come(),
            Known::Suppressed(_) | Known::Settled(_) => false,
        })
    }

    /// Writes down what is owed. The offset was told to wait for it.
    pub(super) fn promise(&mut self, token: Token, reference: &Reference, extraction: &Extraction) {
        let Some(obligations) = &mut self.obligations else { return };
        obligations.promised(Self::window_or_none(token), reference.origin.offset);
        let late_for = i64::try_from(self.config.late_for.as_millis()).unwrap_or(i64::MAX);
        let indicators = extraction.iter().map(|sighted| Sighted {
            kind: sighted.kind,
            value: sighted.value.to_owned(),
            role: sighted.role,
            fields: sighted.fields().map(str::to_owned).collect(),
        });
        let owed = Obligation {
            key: reference.key.as_ref().map(|key| key.to_vec()),
            timestamp: reference.timestamp,
            id: reference.id.as_ref().map(|id| String::from_utf8_lossy(id).into_owned()),
            until_ms: self.clock.wall_ms().saturating_add(late_for),
            tlp: self.lookup.gate.tlp(extraction.marking()),
            truncated: extraction.truncated(),
            indicators: indicators.collect(),
        };
        let name = name_of(&reference.origin);
        let key = name.key();
        let value = obligation::encode(&key, &owed);
        let partition = EventName::partition_of(name.partition, obligations.partitions);
        if let Err(Unsent::Refused(why)) = self.writer.pending(partition, &key, Some(&value), obligation_of(token)) {
            tracing::error!(why, "an obligation was refused: the answer is owed only as long as this process lives");
            self.tracker.finish(token);
        }
    }

    /// The token of a late record, and its place where its report is waited for.
    pub(super) fn late_token(&mut self, origin: &Origin) -> (Option<u32>, Token) {
        match &mut self.obligations {
            Some(obligations) if !self.config.exactly_once => {
                let (slot, token) = obligations.keep(origin);
                (Some(slot), token)
            }
            Some(_) | None => (None, LATE),
        }
    }

    /// Takes an obligation off the log.
    pub(super) fn tombstone(&self, origin: &Origin) {
        let Some(obligations) = &self.obligations else { return };
        let name = name_of(origin);
        let partition = EventName::partition_of(name.partition, obligations.partitions);
        self.tracker.late_sent();
        if self.writer.pending(partition, &name.key(), None, LATE).is_err() {
            self.tracker.late_unsent(false);
        }
    }

    /// A late record was written, or never will be.
    pub(super) fn paid(&mut self, slot: u32) {
        if let Some(origin) = self.obligations.as_mut().and_then(|obligations| obligations.paying.remove(&slot)) {
            self.tombstone(&origin);
        }
    }

    /// Forgets what is owed in these windows: it stands on the log, and whoever owns the partition next takes it over.
    pub(super) fn forget_owed(&mut self, gone: impl Fn(u32) -> bool) {
        let ids: Vec<EventId> = self
            .events
            .iter()
            .filter(|(_, event)| matches!(&event.phase, Phase::Owed { window, .. } if gone(*window)))
            .map(|(id, _)| *id)
            .collect();
        for id in &ids {
            if let Some(event) = self.events.remove(id) {
                self.release(*id, &event.phase);
            }
        }
        if let Some(obligations) = &mut self.obligations {
            obligations.fresh.retain(|window, _| !gone(*window));
        }
        if !ids.is_empty() {
            let events = &self.events;
            self.waiters.retain(|_, ids| {
                ids.retain(|id| events.contains_key(id));
                !ids.is_empty()
            });
        }
    }

    /// Takes over what earlier owners of a partition owe. Of an event that is read again, the answer that was owed before goes out as well, unless it
    /// leaves first and promises anew.
    pub(super) fn replayed(&mut self, window: u32, owed: Vec<(EventName, Obligation)>, last: bool) {
        // It was revoked in the meantime.
        if self.tracker.is_closed(window) {
            return;
        }
        let (now, wall_ms) = (self.clock.monotonic(), self.clock.wall_ms());
        let mut topic: Option<Arc<str>> = None;
        for (name, obligation) in owed {
            if self.obligations.as_ref().is_none_or(|obligations| obligations.knows(window, name.offset)) {
                continue;
            }
            let topic = topic.get_or_insert_with(|| name.topic.as_str().into());
            let origin = Origin { topic: Arc::clone(topic), partition: name.partition, offset: name.offset };
            let indicators = obligation
                .indicators
                .iter()
                .map(|of| (of.kind, of.value.as_str(), of.role, of.fields.iter().map(String::as_str)));
            let marking = Marking { stated: Some(obligation.tlp), mentioned: None };
            self.extraction = Extraction::restored(indicators, marking, obligation.truncated);
            // Of what the event says of itself nothing is known any more: its indicators are asked for at the worth of an event without it.
            let record = Record {
                origin: origin.clone(),
                body: Body::new(None, obligation.key.as_deref(), 0),
                timestamp: obligation.timestamp,
                epoch: 0,
            };
            self.lookup.states(&record, &self.extraction, now, &mut self.meter, &mut self.known);
            let reference = Reference {
                origin,
                key: obligation.key.map(Vec::into_boxed_slice),
                timestamp: obligation.timestamp,
                id: obligation.id.map(|id| id.into_bytes().into_boxed_slice()),
            };
            let left = Duration::from_millis(u64::try_from(obligation.until_ms.saturating_sub(wall_ms)).unwrap_or(0));
            let event = self.take_event(Phase::Left, Content::Annotated, now);
            let (id, open) = (self.new_id(), event.is_open());
            self.list(id, &event);
            self.enter(id, event, reference, now.saturating_add(left.min(self.config.late_for)), window);
            if !open {
                self.pay(id);
            } else if left.is_zero() {
                self.give_up(id, Reason::Expired);
            }
        }
        self.bound_owed();
        if last && let Some(obligations) = &mut self.obligations {
            obligations.fresh.insert(window, None);
        }
    }

    /// The window of a record's token.
    pub(super) fn window_or_none(token: Token) -> u32 {
        window_of(token).unwrap_or(u32::MAX)
    }
}
