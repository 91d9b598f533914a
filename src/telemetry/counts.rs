//! What one shard counts: plain numbers, merged now and then.

use std::collections::BTreeMap;

use crate::{
    gate::Suppression,
    model::{Disposition, Kind, ProviderId, Reason, Role, Status},
    telemetry::LocalHistogram,
};

/// How a cache look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResult {
    /// Known.
    Hit,
    /// Known not to be known: no provider has anything.
    Negative,
    /// Shown although expired.
    Stale,
    /// Unknown, and somebody asks already.
    Coalesced,
    /// Unknown.
    Miss,
}

impl CacheResult {
    pub(super) const ALL: [Self; 5] = [Self::Hit, Self::Negative, Self::Stale, Self::Coalesced, Self::Miss];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Negative => "negative",
            Self::Stale => "stale",
            Self::Coalesced => "coalesced",
            Self::Miss => "miss",
        }
    }
}

/// A stage of an event's way through a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Recognising the format, finding indicators.
    Extract,
    /// Gate, cache, and joining a flight where need be.
    Lookup,
    /// Adding up and splicing.
    Annotate,
    /// Handing over to the producer.
    Produce,
}

impl Stage {
    pub(super) const ALL: [Self; 4] = [Self::Extract, Self::Lookup, Self::Annotate, Self::Produce];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Lookup => "lookup",
            Self::Annotate => "annotate",
            Self::Produce => "produce",
        }
    }
}

pub(super) const KINDS: usize = Kind::COUNT;
pub(super) const ROLES: usize = Role::Freetext as usize + 1;
pub(super) const STATUSES: usize = Status::Error as usize + 1;
/// Dispositions, and none.
pub(super) const DISPOSITIONS: usize = Disposition::Malicious as usize + 2;
pub(super) const SUPPRESSIONS: usize = Suppression::NotedOnly as usize + 1;

/// The counters of one shard since the last merge.
#[derive(Clone, Debug, Default)]
pub struct ShardCounts {
    pub(super) extracted: [[u64; ROLES]; KINDS],
    pub(super) suppressed: [u64; SUPPRESSIONS],
    pub(super) cache: [u64; 5],
    pub(super) produced: [[u64; DISPOSITIONS]; STATUSES],
    pub(super) late: [u64; STATUSES],
    pub(super) dead_letters: [u64; 2],
    pub(super) skipped: BTreeMap<(ProviderId, Reason), u64>,
    pub(super) stages: [LocalHistogram; 4],
    pub(super) faults: u64,
    pub(super) in_pipeline: LocalHistogram,
    pub(super) since_created: LocalHistogram,
}

fn add(place: Option<&mut u64>) {
    if let Some(count) = place {
        *count += 1;
    }
}

impl ShardCounts {
    /// An indicator was found.
    pub fn extracted(&mut self, kind: Kind, role: Role) {
        add(self.extracted.get_mut(kind.index()).and_then(|roles| roles.get_mut(role as usize)));
    }

    /// An indicator is not looked up.
    pub fn suppressed(&mut self, reason: Suppression) {
        add(self.suppressed.get_mut(reason as usize));
    }

    /// An indicator was looked up in the cache.
    pub fn cache(&mut self, result: CacheResult) {
        add(self.cache.get_mut(result as usize));
    }

    /// An event left: seconds since it was read, seconds since it was created where that is known.
    pub fn produced(&mut self, status: Status, disposition: Option<Disposition>, spent: f64, age: Option<f64>) {
        let disposition = disposition.map_or(0, |disposition| disposition as usize + 1);
        add(self.produced.get_mut(status as usize).and_then(|row| row.get_mut(disposition)));
        self.in_pipeline.observe(spent);
        if let Some(age) = age {
            self.since_created.observe(age);
        }
    }

    /// A late record left.
    pub fn late(&mut self, status: Status) {
        add(self.late.get_mut(status as usize));
    }

    /// Records went to the dead letters: too large, or refused for another reason.
    pub fn dead_letters(&mut self, too_large: u64, refused: u64) {
        let [large, other] = &mut self.dead_letters;
        *large += too_large;
        *other += refused;
    }

    /// An event left although this provider was not asked about one of its indicators.
    pub fn skipped(&mut self, provider: ProviderId, reason: Reason) {
        *self.skipped.entry((provider, reason)).or_default() += 1;
    }

    /// A stage took this many seconds.
    pub fn stage(&mut self, stage: Stage, seconds: f64) {
        if let Some(histogram) = self.stages.get_mut(stage as usize) {
            histogram.observe(seconds);
        }
    }

    /// Examining an event failed.
    pub fn fault(&mut self) {
        self.faults += 1;
    }
}
