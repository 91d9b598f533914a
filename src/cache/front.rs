//! What one thread has looked up lately, before the gate and the shared cache.
//!
//! Real streams show a few values all the time. For those this spares the gate's judgement and the shared cache's bookkeeping (about a quarter of a
//! microsecond a look-up with two threads), and its copy of the entry is this thread's own, so that threads do not contend for one reference count.
//!
//! - A slot is trusted for a second at most, so whatever changes in the shared cache is seen within a second, and the shared cache hears of a hot
//!   value at least once a second and does not evict it.
//! - A value takes a slot when it is seen for the second time: a flood of values that come once does not send the others away.
//! - Bounded: one entry a slot, of values up to 512 bytes.

use std::{sync::Arc, time::Duration};

use crate::{
    cache::{Cache, Entry, Hit},
    gate::Suppression,
    model::{Indicator, IndicatorRef},
};

/// Sets of slots; a power of two.
const SETS: usize = 1_024;

/// Slots of a set: values that meet in one set must not send each other to the shared cache. Their hashes fill one line of a processor's cache.
const WAYS: usize = 8;

/// Longest value that takes a slot, bytes: URLs may be of any length.
const LONGEST: usize = 512;

/// Values of which it is remembered that they were seen once; a power of two.
const DOOR: usize = 32_768;

/// How long a slot is trusted.
const TRUSTED: Duration = Duration::from_secs(1);

/// What a thread remembers of an indicator.
#[derive(Clone, Debug)]
pub enum Recalled {
    /// It is not looked up, by rule.
    Suppressed(Suppression),
    /// Nothing has to be asked.
    Fresh(Arc<Entry>),
}

#[derive(Debug)]
enum Content {
    Suppressed(Suppression),
    Fresh {
        /// This thread's copy.
        own: Arc<Entry>,
        /// What it is a copy of.
        shared: Arc<Entry>,
    },
}

/// The hashes of a set.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Tags([u64; WAYS]);

#[derive(Debug)]
struct Slot {
    indicator: Indicator,
    content: Content,
    until: Duration,
}

/// One thread's front of the shared cache. Its keys are indicators as they stand in events, and what of them may leave.
#[derive(Debug)]
pub struct Front {
    cache: Cache,
    /// Hashes of what the slots of each set hold, side by side: a look-up reads no slot but its own.
    tags: Vec<Tags>,
    slots: Vec<[Option<Slot>; WAYS]>,
    /// Parts of the hashes of what was seen once.
    door: Vec<u16>,
}

impl Front {
    /// An empty front.
    pub fn new(cache: Cache) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(SETS, Default::default);
        Self { cache, tags: vec![Tags([0; WAYS]); SETS], slots, door: vec![0; DOOR] }
    }

    /// What is remembered of an indicator as it was found in an event.
    pub fn recall(&self, found: IndicatorRef<'_>, now: Duration) -> Option<Recalled> {
        self.recall_by(found.fingerprint(), found, now)
    }

    /// As [`Front::recall`], of an indicator whose fingerprint is known.
    #[inline]
    pub fn recall_by(&self, hash: u64, found: IndicatorRef<'_>, now: Duration) -> Option<Recalled> {
        let set = hash as usize % SETS;
        let way = self.way(hash, found)?;
        let slot = self.slots.get(set)?.get(way)?.as_ref().filter(|slot| now < slot.until)?;
        Some(match &slot.content {
            Content::Suppressed(reason) => Recalled::Suppressed(*reason),
            Content::Fresh { own, .. } => Recalled::Fresh(Arc::clone(own)),
        })
    }

    /// Remembers that an indicator is not looked up.
    pub fn suppress(&mut self, found: IndicatorRef<'_>, reason: Suppression, now: Duration) {
        self.keep(found, now.saturating_add(TRUSTED), now, |_| Content::Suppressed(reason));
    }

    /// As [`Cache::get`] of `subject`, which is what may leave of `found`; remembers one of both.
    pub fn get(&mut self, found: IndicatorRef<'_>, subject: IndicatorRef<'_>, now: Duration) -> Hit {
        let reduced = subject != found;
        if reduced && let Some(Recalled::Fresh(entry)) = self.recall(subject, now) {
            return Hit::Fresh(entry);
        }
        let hit = self.cache.get(subject, now);
        if let Hit::Fresh(shared) = &hit {
            let until = now.saturating_add(TRUSTED).min(shared.fresh_until());
            // One slot is enough: what is kept as it was found is found again as that.
            let kept = self.keep(found, until, now, |earlier| Content::of(shared, earlier));
            if reduced && !kept {
                self.keep(subject, until, now, |earlier| Content::of(shared, earlier));
            }
        }
        hit
    }

    /// Where in its set an indicator is.
    #[inline]
    fn way(&self, hash: u64, indicator: IndicatorRef<'_>) -> Option<usize> {
        let set = hash as usize % SETS;
        let (tags, slots) = (self.tags.get(set)?, self.slots.get(set)?);
        tags.0.iter().zip(slots).position(|(tag, slot)| {
            *tag == hash && slot.as_ref().is_some_and(|slot| slot.indicator.borrowed() == indicator)
        })
    }

    /// Puts an indicator into its slot, or into one whose time is over; what is in use stays. Whether it has one now.
    fn keep(
        &mut self,
        indicator: IndicatorRef<'_>,
        until: Duration,
        now: Duration,
        content: impl FnOnce(Option<Content>) -> Content,
    ) -> bool {
        if indicator.value.len() > LONGEST {
            return false;
        }
        let hash = indicator.fingerprint();
        let set = hash as usize % SETS;
        let known = self.way(hash, indicator);
        if known.is_none() && !self.knocks_again(hash) {
            return false;
        }
        let (Some(tags), Some(slots)) = (self.tags.get_mut(set), self.slots.get_mut(set)) else { return false };
        let ended = |slot: &Option<Slot>| slot.as_ref().is_none_or(|slot| now >= slot.until);
        let Some(way) = known.or_else(|| slots.iter().position(ended)) else { return false };
        if let (Some(tag), Some(place)) = (tags.0.get_mut(way), slots.get_mut(way)) {
            let earlier = place.take().filter(|_| known.is_some());
            let (indicator, earlier) = match earlier {
                Some(slot) => (slot.indicator, Some(slot.content)),
                None => (indicator.to_owned(), None),
            };
            *tag = hash;
            *place = Some(Slot { indicator, content: content(earlier), until });
        }
        true
    }

    /// Whether a value was seen before; lets the next one of its place know about it otherwise.
    fn knocks_again(&mut self, hash: u64) -> bool {
        // Not zero, which is nobody's.
        let print = (hash >> 48) as u16 | 1;
        let Some(place) = self.door.get_mut((hash >> 16) as usize % DOOR) else { return true };
        let again = *place == print;
        *place = print;
        again
    }
}

impl Content {
    /// An entry of the shared cache, with the copy that there is already if it is of the same.
    fn of(entry: &Arc<Entry>, earlier: Option<Self>) -> Self {
        match earlier {
            Some(Self::Fresh { own, shared }) if Arc::ptr_eq(&shared, entry) => Self::Fresh { own, shared },
            Some(Self::Fresh { .. } | Self::Suppressed(_)) | None => {
                Self::Fresh { own: Arc::new(Entry::clone(entry)), shared: Arc::clone(entry) }
            }
        }
    }
}
