//! The waiting line of one provider: best first, and those that must not be tried yet.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use crate::model::Indicator;

/// A place in the line: worth first, then order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    worth: Reverse<u32>,
    seq: u64,
}

impl Place {
    pub(super) fn new(worth: u32, seq: u64) -> Self {
        Self { worth: Reverse(worth), seq }
    }

    /// The same arrival with another worth.
    pub(super) fn worth_now(self, worth: u32) -> Self {
        Self { worth: Reverse(worth), seq: self.seq }
    }

    pub(super) fn worth(self) -> u32 {
        self.worth.0
    }

    /// Whether it is worth the reserve.
    pub(super) fn is_urgent(self) -> bool {
        self.worth() >= 1_000
    }
}

/// Indicators that wait for one provider.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: BTreeMap<Place, Indicator>,
    delayed: BTreeMap<(Duration, Place), Indicator>,
    /// Those for which a call was asked for, or may start, in the fleet's ledger.
    held: BTreeMap<Place, Indicator>,
}

impl Queue {
    /// Joins the line, not to be tried before `not_before`.
    pub(super) fn push(&mut self, place: Place, indicator: Indicator, not_before: Duration, now: Duration) {
        if not_before <= now {
            self.ready.insert(place, indicator);
        } else {
            self.delayed.insert((not_before, place), indicator);
        }
    }

    /// Leaves the line.
    pub(super) fn remove(&mut self, place: Place, not_before: Duration) {
        if self.ready.remove(&place).is_none() && self.held.remove(&place).is_none() {
            self.delayed.remove(&(not_before, place));
        }
    }

    /// Takes another place in the line.
    pub(super) fn step(&mut self, from: Place, to: Place, indicator: Indicator, not_before: Duration, now: Duration) {
        if self.held.remove(&from).is_some() {
            self.held.insert(to, indicator);
        } else {
            self.remove(from, not_before);
            self.push(to, indicator, not_before, now);
        }
    }

    /// Takes the best that is ready out of the line, until [`Queue::release`]; it still belongs to it.
    pub(super) fn hold(&mut self) -> Option<Indicator> {
        let (place, indicator) = self.ready.pop_first()?;
        self.held.insert(place, indicator.clone());
        Some(indicator)
    }

    /// Whether a place is held.
    pub(super) fn is_held(&self, place: Place) -> bool {
        self.held.contains_key(&place)
    }

    /// Back into the line, not to be tried before `not_before`. Without effect where the place is not held.
    pub(super) fn release(&mut self, place: Place, not_before: Duration, now: Duration) -> bool {
        let Some(indicator) = self.held.remove(&place) else { return false };
        self.push(place, indicator, not_before, now);
        true
    }

    /// Moves those whose time has come into the line of the ready.
    pub(super) fn ripen(&mut self, now: Duration) {
        while let Some(first) = self.delayed.first_entry() {
            if first.key().0 > now {
                break;
            }
            let ((_, place), indicator) = first.remove_entry();
            self.ready.insert(place, indicator);
        }
    }

    /// The best that is ready.
    pub(super) fn best(&self) -> Option<Place> {
        self.ready.first_key_value().map(|(place, _)| *place)
    }

    /// Takes the best that is ready.
    pub(super) fn pop(&mut self) -> Option<Indicator> {
        self.ready.pop_first().map(|(_, indicator)| indicator)
    }

    /// When the next delayed one ripens.
    pub(super) fn next_ripe(&self) -> Option<Duration> {
        self.delayed.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many are ready.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many wait, ready or not.
    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.delayed.len() + self.held.len()
    }

    /// Empties the line.
    pub(super) fn drain(&mut self) -> Vec<Indicator> {
        let delayed = std::mem::take(&mut self.delayed).into_values();
        let held = std::mem::take(&mut self.held).into_values();
        std::mem::take(&mut self.ready).into_values().chain(delayed).chain(held).collect()
    }
}
