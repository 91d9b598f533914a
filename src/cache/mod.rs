//! The cache of assessments: what has been scored is not looked up again until its time to live ends.
//!
//! - An [`Entry`] is immutable and shared; a look-up is one hash and one reference count, without an allocation.
//! - Every source of an entry has its own end of life, by its outcome. The entry is *fresh* while all of them live; after that it may be
//!   shown, marked stale, for `stale_for` more, while the enricher refreshes what has expired.
//! - Bounded in bytes: moka weighs every entry and evicts by recency and frequency.
//! - Time is the injected clock's. moka's own timer only frees memory; it never decides what is shown.

mod config;
mod entry;
mod front;
mod ttl;

use std::{sync::Arc, time::Duration};

use moka::sync::Cache as Moka;

pub use config::Config;
pub use entry::{Entry, is_withheld};
pub use front::{Front, Recalled};
pub use ttl::time_to_live;

use crate::model::{Indicator, IndicatorRef, SharedClock};

/// The shared cache. `Clone` shares it.
#[derive(Clone, Debug)]
pub struct Cache {
    entries: Moka<Indicator, Arc<Entry>, foldhash::fast::RandomState>,
    clock: SharedClock,
    stale_for: Duration,
}

/// What the cache knows of an indicator.
#[derive(Clone, Debug)]
pub enum Hit {
    /// Nothing has to be asked.
    Fresh(Arc<Entry>),
    /// At least one source has outlived its time; the entry says `stale` where it has.
    Stale(Arc<Entry>),
    /// Nothing usable.
    Miss,
}

impl Cache {
    /// An empty cache.
    pub fn new(config: &Config, clock: SharedClock) -> Self {
        let entries = Moka::builder()
            .max_capacity(config.capacity)
            .weigher(|indicator: &Indicator, entry: &Arc<Entry>| {
                u32::try_from(indicator.value.len() + entry.weight()).unwrap_or(u32::MAX)
            })
            .expire_after(entry::Lifetime { clock: Arc::clone(&clock), stale_for: config.stale_for })
            .build_with_hasher(foldhash::fast::RandomState::default());
        Self { entries, clock, stale_for: config.stale_for }
    }

    /// Looks an indicator up. Marks an entry whose sources have expired, once, so that every event shows it as stale.
    pub fn get(&self, indicator: IndicatorRef<'_>, now: Duration) -> Hit {
        let Some(entry) = self.entries.get(&indicator) else { return Hit::Miss };
        if now < entry.fresh_until() {
            return Hit::Fresh(entry);
        }
        if now >= entry.fresh_until().saturating_add(self.stale_for) || !entry.has_verdict() {
            return Hit::Miss;
        }
        if entry.is_marked(now) {
            return Hit::Stale(entry);
        }
        let owned = indicator.to_owned();
        let marked = Arc::new(entry.marked_stale(&owned, now));
        self.entries.insert(owned, Arc::clone(&marked));
        Hit::Stale(marked)
    }

    /// What is held of an indicator, fresh or not, without marking it.
    pub fn peek(&self, indicator: IndicatorRef<'_>) -> Option<Arc<Entry>> {
        self.entries.get(&indicator)
    }

    /// Stores what is known of an indicator now; replaces what was known before.
    pub fn insert(&self, indicator: Indicator, entry: Arc<Entry>) {
        self.entries.insert(indicator, entry);
    }

    /// Forgets an indicator.
    pub fn purge(&self, indicator: IndicatorRef<'_>) {
        self.entries.invalidate(&indicator);
    }

    /// The clock by which entries age.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Entries held. Does the bookkeeping that moka has put off, so it is for status and metrics, not for the hot path.
    pub fn len(&self) -> u64 {
        self.entries.run_pending_tasks();
        self.entries.entry_count()
    }

    /// Whether nothing is held, roughly.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held, roughly.
    pub fn weight(&self) -> u64 {
        self.entries.weighted_size()
    }
}

#[cfg(test)]
mod tests;
