//! Records that arrive twice, or after their successors: each counts once.

use std::collections::BTreeMap;

use crate::budget::ledger::{
    record::RecordId,
    wire::{DecodeError, Reader, Writer},
};

/// Writers that are remembered, at most; the one silent for longest goes first.
const MAX_WRITERS: usize = 1_024;
/// A silent writer is forgotten after this long, milliseconds.
const FORGOTTEN_AFTER: i64 = 3_600_000;

/// What one writer has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    highest: u64,
    /// Bit n: the record `highest - n` was seen.
    recent: u64,
    last: i64,
}

/// The writers of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Replicas {
    seen: BTreeMap<u64, Seen>,
    swept: i64,
}

impl Replicas {
    /// Whether a record is seen for the first time. One that is 64 or more behind counts as seen.
    pub(super) fn first(&mut self, id: RecordId, now: i64) -> bool {
        if now - self.swept > FORGOTTEN_AFTER / 4 {
            self.swept = now;
            self.seen.retain(|_, seen| now - seen.last <= FORGOTTEN_AFTER);
        }
        if let Some(seen) = self.seen.get_mut(&id.replica) {
            seen.last = now;
            if id.seq > seen.highest {
                let by = u32::try_from(id.seq - seen.highest).unwrap_or(u32::MAX);
                seen.recent = seen.recent.checked_shl(by).unwrap_or(0) | 1;
                seen.highest = id.seq;
                return true;
            }
            let Some(bit) = u32::try_from(seen.highest - id.seq).ok().and_then(|by| 1u64.checked_shl(by)) else {
                return false;
            };
            let first = seen.recent & bit == 0;
            seen.recent |= bit;
            return first;
        }
        if self.seen.len() >= MAX_WRITERS
            && let Some(oldest) = self.seen.iter().min_by_key(|(_, seen)| seen.last).map(|(replica, _)| *replica)
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert(id.replica, Seen { highest: id.seq, recent: 1, last: now });
        true
    }

    /// How many have written within this long.
    pub(super) fn active(&self, within: i64, now: i64) -> usize {
        self.seen.values().filter(|seen| now - seen.last <= within).count()
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.i64(self.swept);
        out.count(self.seen.len());
        for (replica, seen) in &self.seen {
            out.u64(*replica);
            out.u64(seen.highest);
            out.u64(seen.recent);
            out.i64(seen.last);
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let swept = from.i64()?;
        let mut seen = BTreeMap::new();
        for _ in 0..from.count(32)? {
            let replica = from.u64()?;
            seen.insert(replica, Seen { highest: from.u64()?, recent: from.u64()?, last: from.i64()? });
        }
        Ok(Self { seen, swept })
    }
}
