//! At least once: whether more is read while the group does not answer commits.
//!
//! What was read and not committed is read and written again when the membership ends, and while brokers come back they hand records out long before the
//! group's coordinator answers: a backlog would be read through, and then once more. So reading waits for the answer to a commit: after an outage from the
//! first batch on, else when several commits in a row were not answered. It does not wait for longer than a session lasts: by then the membership has been
//! confirmed or ended, or the coordinator alone is away, and the stream does not stand still for that.

use std::time::{Duration, Instant};

/// Commits that may be missed in a row.
const MISSED: u32 = 3;
/// Shortest time without an answer that counts: a coordinator may be busy.
const SHORTEST: Duration = Duration::from_secs(1);
/// Records that are read after an outage before a commit has been answered, roughly.
const BATCH: usize = 256;

/// What is known of the commits.
#[derive(Debug)]
pub(super) struct Doubt {
    patience: Duration,
    longest: Duration,
    /// Since when a commit has been asked for without an answer.
    unanswered: Option<Instant>,
    /// No broker was in reach, and no commit has been answered since.
    cut_off: bool,
    /// Since when one is in reach again.
    back: Option<Instant>,
    /// Records since a commit was answered.
    read: usize,
}

impl Doubt {
    /// `session`: after how long without a word the group ends a membership.
    pub(super) fn new(commit_interval: Duration, session: Duration) -> Self {
        let patience = commit_interval.saturating_mul(MISSED).max(SHORTEST);
        Self { patience, longest: session, unanswered: None, cut_off: false, back: None, read: 0 }
    }

    /// So many records were handed over.
    pub(super) fn read(&mut self, records: usize) {
        self.read = self.read.saturating_add(records);
    }

    /// A commit was sent.
    pub(super) fn asked(&mut self, now: Instant) {
        self.unanswered.get_or_insert(now);
    }

    /// A commit was accepted, or partitions were assigned: this is a member.
    pub(super) fn is_member(&mut self) {
        (self.unanswered, self.cut_off, self.back, self.read) = (None, false, None, 0);
    }

    /// Whether an answer is wanted soon.
    pub(super) fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// Whether reading waits now. `reachable`: some broker is.
    pub(super) fn waits(&mut self, reachable: bool, now: Instant) -> bool {
        if !reachable {
            (self.cut_off, self.back) = (true, None);
        }
        if self.cut_off {
            let back = if reachable { Some(*self.back.get_or_insert(now)) } else { None };
            self.cut_off = back.is_none_or(|since| now.saturating_duration_since(since) < self.longest);
            return self.cut_off && self.read >= BATCH;
        }
        self.unanswered.is_some_and(|since| {
            let waited = now.saturating_duration_since(since);
            waited >= self.patience && waited < self.patience.saturating_add(self.longest)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn reading_waits_for_commits_that_are_not_answered_but_not_for_ever() {
        let (mut doubt, start) = (Doubt::new(SECOND, 12 * SECOND), Instant::now());
        doubt.read(100_000);
        assert!(!doubt.waits(true, start + 60 * SECOND), "nothing was asked");
        doubt.asked(start);
        doubt.asked(start + SECOND);
        let cases = [(0, false), (2, false), (3, true), (14, true), (15, false), (100, false)];
        for (at, waits) in cases {
            assert_eq!(doubt.waits(true, start + at * SECOND), waits, "{at} s");
        }
        doubt.is_member();
        assert!(!doubt.waits(true, start + 5 * SECOND));
        // Short intervals do not make an answer late.
        let mut quick = Doubt::new(SECOND / 100, SECOND);
        quick.asked(start);
        assert!(!quick.waits(true, start + SECOND / 2) && quick.waits(true, start + SECOND));
    }

    #[test]
    fn after_an_outage_one_batch_is_read_until_a_commit_is_answered() {
        let (mut doubt, start) = (Doubt::new(SECOND, 12 * SECOND), Instant::now());
        assert!(!doubt.waits(false, start) && doubt.is_cut_off());
        doubt.read(255);
        assert!(!doubt.waits(true, start + 60 * SECOND));
        doubt.read(1);
        assert!(doubt.waits(true, start + 61 * SECOND) && doubt.waits(true, start + 71 * SECOND));
        // Counted from the end of the outage, which may come again.
        assert!(doubt.waits(false, start + 72 * SECOND) && doubt.waits(true, start + 73 * SECOND));
        assert!(doubt.waits(true, start + 84 * SECOND) && !doubt.waits(true, start + 85 * SECOND));
        doubt.is_member();
        assert!(!doubt.is_cut_off() && !doubt.waits(true, start + 91 * SECOND));
    }
}
