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

/// Sets of slots; a power of two.
const SETS: usize = 2_048;

/// Slots of a set: values that meet in one set must not send each other to the shared cache.
const WAYS: usize = 4;

/// How long a slot is trusted.
const TRUSTED: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Slot {
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
    /// Hashes of what the slots of each set hold, side by side: a look-up reads no slot but its own.
    tags: Vec<[u64; WAYS]>,
    slots: Vec<[Option<Slot>; WAYS]>,
}

impl Front {
    /// An empty front.
    pub fn new(cache: Cache) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(SETS, Default::default);
        Self { cache, hasher: foldhash::fast::RandomState::default(), tags: vec![[0; WAYS]; SETS], slots }
    }

    /// As [`Cache::get`].
    pub fn get(&mut self, indicator: IndicatorRef<'_>, now: Duration) -> Hit {
        let hash = self.hasher.hash_one(indicator);
        let set = hash as usize % SETS;
        let (Some(tags), Some(slots)) = (self.tags.get_mut(set), self.slots.get_mut(set)) else {
            return self.cache.get(indicator, now);
        };
        let mut found = None;
        for (way, (tag, slot)) in tags.iter().zip(slots.iter()).enumerate() {
            if *tag == hash
                && let Some(slot) = slot
                && slot.indicator.borrowed() == indicator
            {
                if now < slot.until {
                    return Hit::Fresh(Arc::clone(&slot.own));
                }
                found = Some(way);
                break;
            }
        }
        let hit = self.cache.get(indicator, now);
        let Hit::Fresh(shared) = &hit else { return hit };
        let until = now.saturating_add(TRUSTED).min(shared.fresh_until());
        // The place of what has ended is taken; what is in use stays.
        let ended = |slot: &Option<Slot>| slot.as_ref().is_none_or(|slot| now >= slot.until);
        let Some(way) = found.or_else(|| slots.iter().position(ended)) else { return hit };
        if let (Some(tag), Some(place)) = (tags.get_mut(way), slots.get_mut(way)) {
            match place {
                Some(slot) if found.is_some() => {
                    if !Arc::ptr_eq(&slot.shared, shared) {
                        slot.own = Arc::new(Entry::clone(shared));
                        slot.shared = Arc::clone(shared);
                    }
                    slot.until = until;
                }
                Some(_) | None => {
                    let (own, shared) = (Arc::new(Entry::clone(shared)), Arc::clone(shared));
                    *tag = hash;
                    *place = Some(Slot { indicator: indicator.to_owned(), own, shared, until });
                }
            }
        }
        hit
    }
}
