//! A calendar window of the ledger: units of every day, or month, that a lease may touch.
//!
//! A lease counts in every period that it may be spent in, with a margin on both sides: neither the clocks of broker and provider nor the way between them decide
//! in which one a call counts.

use std::collections::BTreeMap;

use crate::budget::{
    calendar::{Unit, period},
    ledger::wire::{DecodeError, Reader, Writer},
};

/// How far apart the broker's and the provider's idea of midnight may be, milliseconds.
pub(super) const MARGIN: i64 = 5_000;

/// What is spent of the periods that still matter. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Periods {
    unit: Unit,
    /// First moment of a period, and its units.
    used: BTreeMap<i64, u64>,
}

impl Periods {
    pub(super) const fn new(unit: Unit) -> Self {
        Self { unit, used: BTreeMap::new() }
    }

    /// The period that holds a moment: its first, and the first after it.
    pub(super) fn bounds(&self, at: i64) -> (i64, i64) {
        period(self.unit, at)
    }

    /// Forgets periods that no lease can touch any more.
    pub(super) fn advance(&mut self, now: i64, longest: i64) {
        let unit = self.unit;
        let past = now.saturating_sub(longest).saturating_sub(MARGIN);
        while let Some(first) = self.used.first_entry()
            && period(unit, *first.key()).1 <= past
        {
            first.remove();
        }
    }

    /// Units of the period that holds a moment.
    pub(super) fn used(&self, at: i64) -> u64 {
        self.used.get(&self.bounds(at).0).copied().unwrap_or(0)
    }

    /// Units of the fullest of the periods that a lease touches.
    pub(super) fn fullest(&self, from: i64, until: i64) -> u64 {
        let counts = self.touched(from, until).map(|start| self.used.get(&start).copied().unwrap_or(0));
        counts.max().unwrap_or(0)
    }

    /// Books units of a lease.
    pub(super) fn book(&mut self, units: u64, from: i64, until: i64) {
        for start in self.touched(from, until).collect::<Vec<_>>() {
            *self.used.entry(start).or_default() += units;
        }
    }

    /// Takes back units of a lease from `from` to `until` that turned out to have been spent by `end`, or not at all (`None`).
    pub(super) fn settle(&mut self, units: u64, from: i64, until: i64, end: Option<i64>) {
        let last = end.map(|end| end.saturating_add(MARGIN));
        for start in self.touched(from, until).collect::<Vec<_>>() {
            if last.is_none_or(|last| start > last)
                && let Some(used) = self.used.get_mut(&start)
            {
                *used = used.saturating_sub(units);
            }
        }
    }

    /// Books until no more than `remaining` of `limit` are left of the current period.
    pub(super) fn lower(&mut self, limit: u64, remaining: u64, now: i64) {
        let used = self.used.entry(period(self.unit, now).0).or_default();
        *used = (*used).max(limit.saturating_sub(remaining));
    }

    fn touched(&self, from: i64, until: i64) -> impl Iterator<Item = i64> + use<> {
        let unit = self.unit;
        let last = until.saturating_add(MARGIN);
        let first = period(unit, from.saturating_sub(MARGIN));
        // A lease is shorter than a day: it touches two periods at most.
        [Some(first.0), Some(first.1).filter(|next| *next <= last)].into_iter().flatten()
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.count(self.used.len());
        for (start, used) in &self.used {
            out.i64(*start);
            out.u64(*used);
        }
    }

    pub(super) fn read(&mut self, from: &mut Reader<'_>) -> Result<(), DecodeError> {
        for _ in 0..from.count(16)? {
            let (start, used) = (from.i64()?, from.u64()?);
            self.used.insert(start, used);
        }
        Ok(())
    }
}
