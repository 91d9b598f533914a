//! What has to be known of a record until it is reported: its token, and its time, which the library does not give back
//! with a failed record. Slots are used again, so that nothing is allocated for a record once the table has grown.

use parking_lot::Mutex;

use crate::pipeline::Token;

/// A record under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) token: Token,
    pub(super) timestamp: Option<i64>,
}

#[derive(Debug)]
enum Slot {
    Used(Pending),
    /// The next free slot.
    Free(Option<usize>),
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Option<usize>,
}

/// All records under way; a slot's number travels with the record through the library.
#[derive(Debug, Default)]
pub(super) struct Table(Mutex<Slots>);

impl Table {
    /// Keeps a record and returns its slot.
    pub(super) fn keep(&self, pending: Pending) -> usize {
        let mut guard = self.0.lock();
        let table = &mut *guard;
        if let Some(index) = table.free
            && let Some(slot) = table.slots.get_mut(index)
            && let Slot::Free(next) = *slot
        {
            table.free = next;
            *slot = Slot::Used(pending);
            return index;
        }
        table.slots.push(Slot::Used(pending));
        table.slots.len() - 1
    }

    /// The record in a slot.
    pub(super) fn get(&self, index: usize) -> Option<Pending> {
        match self.0.lock().slots.get(index) {
            Some(Slot::Used(pending)) => Some(*pending),
            Some(Slot::Free(_)) | None => None,
        }
    }

    /// Gives a slot free and returns its record.
    pub(super) fn release(&self, index: usize) -> Option<Pending> {
        let mut guard = self.0.lock();
        let table = &mut *guard;
        let slot = table.slots.get_mut(index)?;
        let Slot::Used(pending) = *slot else { return None };
        *slot = Slot::Free(table.free.replace(index));
        Some(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again() {
        let table = Table::default();
        let record = |n: u64| Pending { token: Token(n), timestamp: Some(7) };
        let (a, b) = (table.keep(record(1)), table.keep(record(2)));
        assert_eq!(table.get(b), Some(record(2)));
        assert_eq!(table.release(a), Some(record(1)));
        assert_eq!(table.release(a), None, "a slot is released once");
        assert_eq!(table.release(b), Some(record(2)));
        let mut again = [table.keep(record(3)), table.keep(record(4))];
        again.sort_unstable();
        assert_eq!(again, [a, b]);
        assert_eq!(table.0.lock().slots.len(), 2);
        assert_eq!(table.get(99), None);
    }
}
