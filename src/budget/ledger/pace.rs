//! Pace in the ledger: the rule of [`pace`](crate::budget) in whole numbers, so that every replica computes the same.
//!
//! A tenth of the limit (at least one unit) may go at once, the rest accrues evenly over the window. The reserved share comes on top of that burst, for urgent
//! work alone. Pace only delays; the windows themselves are counted elsewhere.

use crate::budget::{
    Urgency,
    ledger::wire::{DecodeError, Reader, Writer},
};

/// A bucket that fills evenly. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accrual {
    /// Units that accrue over the window: of a calendar window those that the bucket does not hold from its start.
    rate: u64,
    /// Units that it holds when it is full.
    capacity: u64,
    /// Units of it that are for urgent work.
    held: u64,
    /// When it is full again, in units of a `rate`-th of a millisecond, so that nothing is rounded.
    full_at: i128,
}

impl Accrual {
    pub(super) fn new(limit: u64, reserved: u64, calendar: bool, full_at: i64) -> Self {
        let limit = limit.max(1);
        let capacity = (limit / 10).max(1).saturating_add(reserved).min(limit);
        let rate = if calendar { (limit - capacity).max(1) } else { limit };
        Self { rate, capacity, held: reserved.min(capacity - 1), full_at: i128::from(full_at) * i128::from(rate) }
    }

    /// When it is full again, rounded up to a millisecond.
    pub(super) fn full_at(&self) -> i64 {
        let rate = i128::from(self.rate);
        i64::try_from((self.full_at + rate - 1).div_euclid(rate)).unwrap_or(i64::MAX)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u64((self.full_at as u128 >> 64) as u64);
        out.u64(self.full_at as u64);
    }

    pub(super) fn read(&mut self, from: &mut Reader<'_>) -> Result<(), DecodeError> {
        let (high, low) = (from.u64()?, from.u64()?);
        self.full_at = ((u128::from(high) << 64) | u128::from(low)) as i128;
        Ok(())
    }

    /// It is full now.
    pub(super) fn refill(&mut self) {
        self.full_at = 0;
    }

    fn held(&self, urgency: Urgency) -> u64 {
        match urgency {
            Urgency::Ordinary => self.held,
            Urgency::Urgent => 0,
        }
    }

    /// Units that may go now; a call that costs more than the bucket gives may go when it is full.
    pub(super) fn room(&self, cost: u64, urgency: Urgency, length: i64, now: i64) -> u64 {
        let missing = self.full_at - i128::from(now) * i128::from(self.rate);
        let length = i128::from(length.max(1));
        let missing = u64::try_from((missing.max(0) + length - 1).div_euclid(length)).unwrap_or(u64::MAX);
        let room = self.capacity.saturating_sub(missing).saturating_sub(self.held(urgency));
        if missing == 0 { room.max(cost) } else { room }
    }

    /// How full the part for ordinary work is, 0.0..=1.0.
    pub(super) fn level(&self, length: i64, now: i64) -> f64 {
        let most = self.capacity - self.held;
        self.room(1, Urgency::Ordinary, length, now).min(most) as f64 / most.max(1) as f64
    }

    /// When `units` may go.
    pub(super) fn admits_at(&self, units: u64, urgency: Urgency, length: i64, now: i64) -> i64 {
        let needed = units.saturating_add(self.held(urgency)).min(self.capacity);
        let spare = i128::from(self.capacity - needed) * i128::from(length.max(1));
        let rate = i128::from(self.rate);
        let at = (self.full_at - spare + rate - 1).div_euclid(rate);
        i64::try_from(at).unwrap_or(i64::MAX).max(now)
    }

    pub(super) fn book(&mut self, units: u64, length: i64, now: i64) {
        let now = i128::from(now) * i128::from(self.rate);
        self.full_at = self.full_at.max(now) + i128::from(units) * i128::from(length.max(1));
    }

    pub(super) fn give_back(&mut self, units: u64, length: i64) {
        self.full_at -= i128::from(units) * i128::from(length.max(1));
    }
}
