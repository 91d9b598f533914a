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
}

/// Indicators that wait for one provider.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: BTreeMap<Place, Indicator>,
    delayed: BTreeMap<(Duration, Place), Indicator>,
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
        if self.ready.remove(&place).is_none() {
            self.delayed.remove(&(not_before, place));
        }
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
        self.ready.len() + self.delayed.len()
    }

    /// Empties the line.
    pub(super) fn drain(&mut self) -> Vec<Indicator> {
        let delayed = std::mem::take(&mut self.delayed).into_values();
        std::mem::take(&mut self.ready).into_values().chain(delayed).collect()
    }
}
