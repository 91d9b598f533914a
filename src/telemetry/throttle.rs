//! Repeated warnings: the first one at once, then one in ten seconds, with the number of those that were held back.

use std::{collections::HashMap, fmt, hash::Hash, sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::model::SharedClock;

/// Shortest time between two lines of one sort.
const EVERY: Duration = Duration::from_secs(10);

/// Sorts that are remembered, at most; more share one place.
const SORTS: usize = 1_024;

/// Holds repeated lines back. One value serves many sorts of lines.
pub struct Throttle<K> {
    clock: SharedClock,
    sorts: Mutex<HashMap<Option<K>, (Duration, u64)>>,
}

impl<K> fmt::Debug for Throttle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

impl<K: Hash + Eq> Throttle<K> {
    /// A throttle that has seen nothing.
    pub fn new(clock: &SharedClock) -> Self {
        Self { clock: Arc::clone(clock), sorts: Mutex::default() }
    }

    /// Whether a line of this sort may be written now: then, how many were held back since the last one.
    pub fn pass(&self, sort: K) -> Option<u64> {
        let now = self.clock.monotonic();
        let mut sorts = self.sorts.lock();
        let mut sort = Some(sort);
        if sorts.len() >= SORTS && !sorts.contains_key(&sort) {
            sort = None;
        }
        match sorts.get_mut(&sort) {
            None => {
                sorts.insert(sort, (now, 0));
                Some(0)
            }
            Some((last, held)) if now.saturating_sub(*last) >= EVERY => {
                *last = now;
                Some(std::mem::take(held))
            }
            Some((_, held)) => {
                *held += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ManualClock;

    #[test]
    fn one_line_in_ten_seconds_and_the_rest_counted() {
        let manual = ManualClock::at(0);
        let clock: SharedClock = manual.clone();
        let throttle = Throttle::new(&clock);
        assert_eq!(throttle.pass("a"), Some(0));
        assert_eq!(throttle.pass("a"), None);
        assert_eq!(throttle.pass("b"), Some(0));
        manual.advance(Duration::from_secs(9));
        assert_eq!(throttle.pass("a"), None);
        manual.advance(Duration::from_secs(1));
        assert_eq!(throttle.pass("a"), Some(2));
        assert_eq!(throttle.pass("a"), None);
    }

    #[test]
    fn memory_is_bounded() {
        let clock: SharedClock = ManualClock::at(0);
        let throttle = Throttle::new(&clock);
        let passed = (0..10_000).filter(|n| throttle.pass(*n).is_some()).count();
        assert_eq!(passed, SORTS + 1);
    }
}
