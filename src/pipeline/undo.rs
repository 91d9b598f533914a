//! Exactly once: what a shard has to take back when a transaction is undone.
//!
//! The records of an undone transaction are read and processed again from the last committed offsets. So events that wait are forgotten, and so
//! is what became owed in the transaction: it will become owed again. What was owed before and was paid in it has to be paid once more.

use std::collections::BTreeSet;

use crate::pipeline::{
    event::{Event, Phase},
    park::EventId,
    shard::Shard,
};

/// What was done since the last committed transaction.
#[derive(Debug, Default)]
pub(super) struct UndoLog {
    /// The transaction that this log is of.
    serial: u64,
    /// Became owed in it.
    owed: Vec<EventId>,
    /// Paid in it.
    paid: Vec<(EventId, Event)>,
    /// To be paid when the next transaction has begun.
    again: Vec<(EventId, Event)>,
}

impl UndoLog {
    /// A turn begins. When it belongs to another transaction, what was done before counts for good.
    pub(super) fn turn(&mut self, serial: u64) {
        if serial != self.serial {
            self.serial = serial;
            self.owed.clear();
            self.paid.clear();
        }
    }

    /// An answer became owed.
    pub(super) fn owed(&mut self, id: EventId) {
        self.owed.push(id);
    }

    /// A late record was sent; `taken` is false when the transaction is being undone.
    pub(super) fn paid(&mut self, id: EventId, event: Event, taken: bool) {
        if taken { self.paid.push((id, event)) } else { self.again.push((id, event)) }
    }
}

impl Shard {
    /// Takes everything back that was done since the last committed transaction.
    pub(super) fn undo(&mut self) {
        // Their offsets are given up with their windows.
        self.mailbox.withdraw(|_| true);
        let mut forgotten = Vec::new();
        self.park.forget(|_| true, &mut forgotten);
        let owed: BTreeSet<EventId> = std::mem::take(&mut self.undo.owed).into_iter().collect();
        for id in forgotten.into_iter().chain(owed.iter().copied()) {
            let Some(event) = self.events.remove(&id) else { continue };
            self.unlist(id, &event);
            self.release(id, &event.phase);
        }
        // What was owed before, paid in it or not, stands on the log: it is taken over again with the partitions.
        if self.obligations.is_some() {
            self.forget_owed(|_| true);
            (self.undo.paid, self.undo.again) = (Vec::new(), Vec::new());
            return;
        }
        let paid = std::mem::take(&mut self.undo.paid);
        self.undo.again.extend(paid);
        self.undo.again.retain(|(id, _)| !owed.contains(id));
    }

    /// The next transaction has begun: sends the late records again that were undone.
    pub(super) fn resume(&mut self) {
        for (id, event) in std::mem::take(&mut self.undo.again) {
            if let Phase::Owed { weight, .. } = event.phase {
                self.owed_bytes += weight;
                self.owed_count += 1;
            }
            self.events.insert(id, event);
            self.pay(id);
        }
    }
}
