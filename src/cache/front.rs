//! What one thread has looked up lately, before the shared cache.
//!
//! Real streams show a few values all the time. For those this spares the shared cache's bookkeeping (about a quarter of a microsecond a look-up
//! with two threads), and its copy of the entry is this thread's own, so that threads do not contend for one reference count. A slot is trusted for a second at most, so whatever changes in the shared cache is seen within a second, and the shared
//! cache hears of a hot value at least once a second and does not evict it. Bounded: one entry a slot.

use std::{hash::BuildHasher, sync::Arc, time::Duration};

use crate::{
    cache::{Cache, Entry, Hit},
    model::{Indicator, IndicatorRef},
};

/// Slots; a power of two.
const SLOTS: usize = 8_192;

/// How long a slot is trusted.
const TRUSTED: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Slot {
    hash: u64,
    indicator: Indicator,
    /// This thread's copy.
    own: Arc<Entry>,
    /// What it is a copy of.
    shared: Arc<Entry>,
    until: Duration,
}

/// One thread's front of the shared cache.
#[derive(Debug)]
pub struct Front {
    cache: Cache,
    hasher: foldhash::fast::RandomState,
    slots: Vec<Option<Slot>>,
}

impl Front {
    /// An empty front.
    pub fn new(cache: Cache) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(SLOTS, || None);
        Self { cache, hasher: foldhash::fast::RandomState::default(), slots }
    }

    /// As [`Cache::get`].
    pub fn get(&mut self, indicator: IndicatorRef<'_>, now: Duration) -> Hit {
        let hash = self.hasher.hash_one(indicator);
        let Some(place) = self.slots.get_mut(hash as usize % SLOTS) else { return self.cache.get(indicator, now) };
        if let Some(slot) = place
            && slot.hash == hash
            && now < slot.until
            && slot.indicator.borrowed() == indicator
        {
            return Hit::Fresh(Arc::clone(&slot.own));
        }
        let hit = self.cache.get(indicator, now);
        let Hit::Fresh(shared) = &hit else { return hit };
        let until = now.saturating_add(TRUSTED).min(shared.fresh_until());
        match place {
            Some(slot) if slot.hash == hash && slot.indicator.borrowed() == indicator => {
                if !Arc::ptr_eq(&slot.shared, shared) {
                    slot.own = Arc::new(Entry::clone(shared));
                    slot.shared = Arc::clone(shared);
                }
                slot.until = until;
            }
            // Two values that share a slot must not drive each other out time and again.
            Some(slot) if now < slot.until => {}
            Some(_) | None => {
                let (own, shared) = (Arc::new(Entry::clone(shared)), Arc::clone(shared));
                *place = Some(Slot { hash, indicator: indicator.to_owned(), own, shared, until });
            }
        }
        hit
    }
}
