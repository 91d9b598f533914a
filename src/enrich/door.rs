//! Whom an indicator of an event may be shown to: the markings that providers take, and whether they are asked at all.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
};

use crate::{
    cache::Entry,
    model::{Answer, FailReason, IndicatorKind, ProviderId, Reason, Tlp},
};

/// One provider's door. Read on the hot path without the board's lock; changed under it.
#[derive(Debug)]
pub(super) struct Door {
    provider: ProviderId,
    /// Indicators of events marked above this are not sent.
    max_tlp: Tlp,
    open: AtomicBool,
    /// Kinds that the plan of its key leaves out, a bit each.
    left_out: AtomicU16,
}

impl Door {
    pub(super) fn new(provider: ProviderId, max_tlp: Tlp, open: bool) -> Self {
        Self { provider, max_tlp, open: AtomicBool::new(open), left_out: AtomicU16::new(0) }
    }

    /// Nothing passes any more.
    pub(super) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
    }

    /// Everything passes again, as far as markings allow. Whether a kind had been left out.
    pub(super) fn open(&self) -> bool {
        self.open.store(true, Ordering::Relaxed);
        self.left_out.swap(0, Ordering::Relaxed) != 0
    }

    /// Indicators of this kind do not pass any more. Whether they did before.
    pub(super) fn leave_out(&self, kind: IndicatorKind) -> bool {
        self.left_out.fetch_or(bit(kind), Ordering::Relaxed) & bit(kind) == 0
    }

    /// Kinds that are left out.
    pub(super) fn left_out(&self) -> impl Iterator<Item = IndicatorKind> {
        let bits = self.left_out.load(Ordering::Relaxed);
        IndicatorKind::ALL.into_iter().filter(move |kind| bits & bit(*kind) != 0)
    }

    /// What is said of an indicator of this kind in an event with this marking instead of sending it; `None` lets it pass.
    pub(super) fn refusal(&self, marking: Tlp, kind: IndicatorKind) -> Option<Answer> {
        if marking > self.max_tlp {
            Some(Answer::Skipped { reason: Reason::Tlp })
        } else if !self.open.load(Ordering::Relaxed) {
            Some(Answer::Skipped { reason: Reason::Disabled })
        } else {
            let left_out = self.left_out.load(Ordering::Relaxed) & bit(kind) != 0;
            left_out.then_some(Answer::Failed { reason: FailReason::NotInPlan, retry_at: None })
        }
    }
}

const fn bit(kind: IndicatorKind) -> u16 {
    1 << kind.index()
}

/// The doors of all providers, in their order. `Clone` shares them.
#[derive(Clone)]
pub(super) struct Doors(Arc<[Arc<Door>]>);

impl Doors {
    pub(super) fn new(doors: impl Iterator<Item = Arc<Door>>) -> Self {
        Self(doors.collect())
    }

    /// Whether an entry on an indicator of this kind lacks an answer of a provider that would not be asked then and would be for an event of this marking.
    pub(super) fn would_open(&self, entry: &Entry, marking: Tlp, kind: IndicatorKind) -> bool {
        let opens = |provider| {
            let mut doors = self.0.iter().filter(|door| door.provider == provider);
            doors.any(|door| door.refusal(marking, kind).is_none())
        };
        entry.withheld().any(opens)
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}
