//! The account of a sliding window: in any span of its length at most the limit starts.
//!
//! Every start is remembered until its span is over. A bucket that refills would let nearly twice the limit through in a
//! span that begins with its burst.

use std::{collections::VecDeque, time::Duration};

/// Groups of starts that are remembered apart; more starts than this share groups.
const MAX_GROUPS: u32 = 1_024;

/// What started since its window began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sliding {
    /// How long a start counts.
    kept: Duration,
    /// Starts this close together form one group.
    grain: Duration,
    /// In order of time.
    groups: VecDeque<Group>,
    /// Sum over the groups.
    used: u64,
}

/// Starts that are forgotten together, when the last of them may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    first: Duration,
    last: Duration,
    units: u64,
}

impl Sliding {
    pub(super) fn new(span: Duration, limit: u64) -> Self {
        // Calls that are sent a span apart can arrive closer together; the slack keeps them out of one window of the provider.
        let kept = span + (span / 100).max(Duration::from_millis(250));
        let grain = if limit > u64::from(MAX_GROUPS) { kept / MAX_GROUPS } else { Duration::ZERO };
        Self { kept, grain, groups: VecDeque::new(), used: 0 }
    }

    /// Units that count now. Call [`Sliding::advance`] first.
    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    /// How long a start counts: its span and a little slack.
    pub(super) const fn kept(&self) -> Duration {
        self.kept
    }

    /// What it remembers, oldest first: first and last start of a group, and its units.
    pub(super) fn groups(&self) -> impl Iterator<Item = (Duration, Duration, u64)> + '_ {
        self.groups.iter().map(|group| (group.first, group.last, group.units))
    }

    /// Puts back what [`Sliding::groups`] gave, in the same order.
    pub(super) fn restore(&mut self, first: Duration, last: Duration, units: u64) {
        self.used = self.used.saturating_add(units);
        self.groups.push_back(Group { first, last, units });
    }

    /// Forgets what no longer counts.
    pub(super) fn advance(&mut self, now: Duration) {
        while let Some(group) = self.groups.front().filter(|group| group.last + self.kept <= now) {
            self.used -= group.units;
            self.groups.pop_front();
        }
    }

    /// Books `units` that start now.
    pub(super) fn book(&mut self, units: u64, now: Duration) {
        self.used += units;
        match self.groups.back_mut() {
            Some(group) if now.saturating_sub(group.first) < self.grain || now <= group.last => {
                group.last = group.last.max(now);
                group.units += units;
            }
            Some(_) | None => self.groups.push_back(Group { first: now, last: now, units }),
        }
    }

    /// When at most `most` units count, if nothing else is booked; `now` or earlier where that is so already.
    pub(super) fn falls_to(&self, most: u64, now: Duration) -> Duration {
        let mut used = self.used;
        let mut groups = self.groups.iter();
        let mut at = now;
        while used > most
            && let Some(group) = groups.next()
        {
            used -= group.units;
            at = group.last + self.kept;
        }
        at
    }

    /// How many units can start from now until `within` from now, with at most `allowance` at any time.
    pub(super) fn capacity(&self, allowance: u64, within: Duration, now: Duration) -> u64 {
        // Whoever takes every unit at once when it comes free takes the allowance in each whole window, and then the same again.
        let kept = self.kept.as_nanos().max(1);
        let windows = u64::try_from(within.as_nanos() / kept).unwrap_or(u64::MAX);
        let rest = u64::try_from(within.as_nanos() % kept).map_or(Duration::ZERO, Duration::from_nanos);
        let until = now + rest;
        let freed = self.groups.iter().take_while(|group| group.last + self.kept <= until);
        let freed: u64 = freed.map(|group| group.units).sum();
        allowance.saturating_mul(windows).saturating_add((allowance + freed).saturating_sub(self.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_limit_does_not_take_memory_for_every_start() {
        let mut window = Sliding::new(Duration::from_secs(3_600), 1_000_000);
        for second in 0..7_200u64 {
            let now = Duration::from_secs(second);
            window.advance(now);
            window.book(1, now);
        }
        assert!(window.groups.len() <= 1_026, "{}", window.groups.len());
        assert!((3_636..=3_640).contains(&window.used()), "conservative by a group at most: {}", window.used());
    }

    #[test]
    fn a_start_counts_a_little_longer_than_its_span() {
        for (span, kept) in [(1, 1_250), (60, 60_600), (3_600, 3_636_000)] {
            let mut window = Sliding::new(Duration::from_secs(span), 1);
            window.book(1, Duration::ZERO);
            assert_eq!(window.falls_to(0, Duration::ZERO), Duration::from_millis(kept));
            window.advance(Duration::from_millis(kept - 1));
            assert_eq!(window.used(), 1);
            window.advance(Duration::from_millis(kept));
            assert_eq!(window.used(), 0);
        }
    }
}
