//! Counters of one shard: plain numbers on the hot path, merged into the shared metrics now and then.

use std::time::Duration;

use crate::{
    cache::Entry,
    gate::Suppression,
    model::{Answer, Disposition, Kind, Role, Status},
    telemetry::{CacheResult, Metrics, ShardCounts, Stage},
};

/// How often counters are merged.
const EVERY: Duration = Duration::from_millis(500);

/// The counters of one shard.
#[derive(Debug)]
pub(super) struct Meter {
    metrics: Metrics,
    shard: usize,
    counts: ShardCounts,
    next: Duration,
    nth: u32,
}

impl Meter {
    pub(super) fn new(metrics: Metrics, shard: usize) -> Self {
        Self { metrics, shard, counts: ShardCounts::default(), next: Duration::ZERO, nth: 0 }
    }

    pub(super) fn extracted(&mut self, kind: Kind, role: Role) {
        self.counts.extracted(kind, role);
    }

    pub(super) fn suppressed(&mut self, reason: Suppression) {
        self.counts.suppressed(reason);
    }

    pub(super) fn cache_hit(&mut self, entry: &Entry) {
        self.counts.cache(if entry.is_known() { CacheResult::Hit } else { CacheResult::Negative });
    }

    pub(super) fn cache_miss(&mut self, stale: bool, joined: bool) {
        self.counts.cache(match (stale, joined) {
            (true, _) => CacheResult::Stale,
            (false, true) => CacheResult::Coalesced,
            (false, false) => CacheResult::Miss,
        });
    }

    pub(super) fn produced(
        &mut self,
        status: Status,
        disposition: Option<Disposition>,
        spent: Duration,
        age_ms: Option<i64>,
    ) {
        self.counts.produced(status, disposition, spent.as_secs_f64(), age_ms.map(|age| age as f64 / 1e3));
    }

    pub(super) fn late(&mut self, status: Status) {
        self.counts.late(status);
    }

    pub(super) fn dead_letters(&mut self, [too_large, refused]: [u64; 2]) {
        self.counts.dead_letters(too_large, refused);
    }

    /// Counts every provider that was not asked about an indicator of an event that leaves.
    pub(super) fn skipped(&mut self, entry: &Entry) {
        for source in &entry.assessment().sources {
            if let Answer::Skipped { reason } = source.answer {
                self.counts.skipped(source.provider, reason);
            }
        }
    }

    pub(super) fn stage(&mut self, stage: Stage, took: Duration) {
        self.counts.stage(stage, took.as_secs_f64());
    }

    /// Whether the stages of the next event are measured: one in 64.
    pub(super) fn samples_next(&mut self) -> bool {
        self.nth = self.nth.wrapping_add(1);
        self.nth.is_multiple_of(64)
    }

    pub(super) fn fault(&mut self) {
        self.counts.fault();
    }

    pub(super) fn held(&self, parked: usize, parked_bytes: usize, owed: usize, owed_bytes: usize) {
        self.metrics.held(self.shard, [parked, parked_bytes, owed, owed_bytes]);
    }

    pub(super) fn is_due(&mut self, now: Duration) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now.saturating_add(EVERY);
        }
        due
    }

    pub(super) fn flush(&mut self) {
        self.metrics.merge(&mut self.counts);
    }
}
