//! Whom an indicator of an event may be shown to: the markings that providers take, and whether they are asked at all.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    cache::Entry,
    model::{ProviderId, Reason, Tlp},
};

/// One provider's door. Read on the hot path without the board's lock; changed under it.
#[derive(Debug)]
pub(super) struct Door {
    provider: ProviderId,
    /// Indicators of events marked above this are not sent.
    max_tlp: Tlp,
    open: AtomicBool,
}

impl Door {
    pub(super) fn new(provider: ProviderId, max_tlp: Tlp, open: bool) -> Self {
        Self { provider, max_tlp, open: AtomicBool::new(open) }
    }

    pub(super) fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// Why an indicator of an event with this marking is not sent; `None` lets it pass.
    pub(super) fn refusal(&self, marking: Tlp) -> Option<Reason> {
        if marking > self.max_tlp {
            Some(Reason::Tlp)
        } else {
            (!self.open.load(Ordering::Relaxed)).then_some(Reason::Disabled)
        }
    }
}

/// The doors of all providers, in their order. `Clone` shares them.
#[derive(Clone)]
pub(super) struct Doors(Arc<[Arc<Door>]>);

impl Doors {
    pub(super) fn new(doors: impl Iterator<Item = Arc<Door>>) -> Self {
        Self(doors.collect())
    }

    /// Whether an entry lacks an answer of a provider that would not be asked then and would be for an event of this marking.
    pub(super) fn would_open(&self, entry: &Entry, marking: Tlp) -> bool {
        entry
            .withheld()
            .any(|provider| self.0.iter().any(|door| door.provider == provider && door.refusal(marking).is_none()))
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}
