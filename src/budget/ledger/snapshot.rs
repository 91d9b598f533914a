//! Reading the ledger from anywhere: a snapshot holds the whole state, so that what is older need not be kept.

use std::collections::{BTreeMap, VecDeque};

use crate::budget::ledger::{
    Applied, Ledger,
    book::Book,
    record::{Record, RecordId},
    replicas::Replicas,
    wire::{DecodeError, Reader, VERSION, Writer},
};

/// A snapshot is due after this many records.
const RECORDS: u64 = 2_000;
/// Or after this many bytes.
const BYTES: usize = 2 << 20;
/// Records that are kept while a snapshot is looked for: those that others wrote while one was on its way.
const KEPT: usize = 4_096;

impl Ledger {
    /// The whole state as bytes, as it is after the record at this offset. Equal states give equal bytes.
    pub fn snapshot(&self, through: i64) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.i64(through);
        out.i64(self.time);
        self.replicas.write(&mut out);
        out.count(self.books.len());
        for (provider, book) in &self.books {
            out.text(provider);
            book.write(&mut out);
        }
        out.seal()
    }

    /// Reads what [`Ledger::snapshot`] wrote: the state, and the offset of the last record that is in it.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn restore(bytes: &[u8]) -> Result<(Self, i64), DecodeError> {
        let mut from = Reader::open(bytes)?;
        let (through, time) = (from.i64()?, from.i64()?);
        let replicas = Replicas::read(&mut from)?;
        let mut books = BTreeMap::new();
        for _ in 0..from.count(1)? {
            let provider = from.text()?.into();
            books.insert(provider, Book::read(&mut from)?);
        }
        from.end()?;
        Ok((Self { time, books, replicas }, through))
    }
}

/// What came of one record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// The state is not known yet: a snapshot is looked for.
    Searching,
    /// It was read before.
    Old,
    /// The record was applied.
    Applied {
        /// Who wrote it.
        id: RecordId,
        /// What it changed.
        applied: Applied,
        /// It is on its writer to write a snapshot now.
        snapshot_due: bool,
    },
    /// It cannot be read: every replica passes over it alike.
    Unreadable(DecodeError),
}

/// Follows the log, from its beginning or from a snapshot.
#[derive(Clone, Debug)]
pub struct Follower {
    ledger: Option<Ledger>,
    /// Offset of the next record.
    next: i64,
    /// While a snapshot is looked for.
    kept: VecDeque<(i64, i64, Vec<u8>)>,
    records: u64,
    bytes: usize,
}

impl Default for Follower {
    fn default() -> Self {
        Self::new()
    }
}

impl Follower {
    /// Nothing is read yet.
    pub const fn new() -> Self {
        Self { ledger: None, next: 0, kept: VecDeque::new(), records: 0, bytes: 0 }
    }

    /// The state; `None` while it is not known.
    pub const fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
    }

    /// Reading begins there, by choice: for a log of which the end is enough.
    pub fn start_at(&mut self, offset: i64) {
        if self.ledger.is_none() {
            self.next = offset;
        }
    }

    /// Offset of the next record.
    pub const fn next(&self) -> i64 {
        self.next
    }

    /// The log has been read up to its end. Whether the state is known: it is not where the beginning of the log is gone and no snapshot is in the
    /// rest. A log that holds nothing has nothing to say of any window: records are kept for longer than the longest of them.
    pub fn caught_up(&mut self) -> bool {
        if self.ledger.is_none() && self.kept.is_empty() {
            self.ledger = Some(Ledger::default());
        }
        self.ledger.is_some()
    }

    /// Reads the next record.
    pub fn feed(&mut self, offset: i64, append_ms: i64, bytes: &[u8]) -> Followed {
        if self.ledger.is_some() && offset < self.next {
            return Followed::Old;
        }
        if self.ledger.is_none() && self.kept.is_empty() && offset == 0 {
            self.ledger = Some(Ledger::default());
        } else if self.ledger.is_some() && self.next > 0 && offset > self.next {
            // Records are missing: what is known is no longer the state.
            self.ledger = None;
            self.kept.clear();
        }
        self.next = offset + 1;
        if self.ledger.is_some() {
            return self.apply(append_ms, bytes);
        }
        if let Ok((_, Record::Snapshot(state))) = Record::decode(bytes)
            && let Ok((ledger, through)) = Ledger::restore(&state)
            && self.kept.front().map_or(offset, |(first, ..)| *first) <= through + 1
        {
            self.ledger = Some(ledger);
            let between = std::mem::take(&mut self.kept);
            for (_, append_ms, bytes) in between.iter().filter(|(offset, ..)| *offset > through) {
                self.apply(*append_ms, bytes);
            }
            return self.apply(append_ms, bytes);
        }
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((offset, append_ms, bytes.to_vec()));
        Followed::Searching
    }

    fn apply(&mut self, append_ms: i64, bytes: &[u8]) -> Followed {
        let Some(ledger) = &mut self.ledger else { return Followed::Searching };
        self.records += 1;
        self.bytes += bytes.len();
        let (id, record) = match Record::decode(bytes) {
            Ok(read) => read,
            Err(why) => return Followed::Unreadable(why),
        };
        let applied = ledger.apply(append_ms, id, &record);
        if applied == Applied::Snapshot {
            (self.records, self.bytes) = (0, 0);
        }
        // Should the writer of this one not live to do it, the writer of a later one will.
        let snapshot_due = self.records >= RECORDS || self.bytes >= BYTES;
        if snapshot_due {
            (self.records, self.bytes) = (RECORDS - RECORDS / 10, 0);
        }
        Followed::Applied { id, applied, snapshot_due }
    }
}
