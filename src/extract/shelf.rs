//! The list of keywords that holds, which may be replaced while events are read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::extract::Keywords;

/// Numbers lists, so that a thread knows the one it holds.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Where the list stands. `Clone` shares it.
#[derive(Clone, Debug)]
pub(super) struct Shelf(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Of the list at hand.
    number: AtomicU64,
    list: Mutex<Arc<Keywords>>,
}

impl Shelf {
    pub(super) fn new(list: Arc<Keywords>) -> Self {
        let number = AtomicU64::new(NEXT.fetch_add(1, Ordering::Relaxed));
        Self(Arc::new(Inner { number, list: Mutex::new(list) }))
    }

    pub(super) fn replace(&self, list: Arc<Keywords>) {
        let mut place = self.0.list.lock();
        *place = list;
        self.0.number.store(NEXT.fetch_add(1, Ordering::Relaxed), Ordering::Release);
    }
}

/// What a thread holds of a shelf, so that it takes the lock only when there is another list.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Of the list; none has 0.
    number: u64,
    list: Arc<Keywords>,
}

impl Held {
    /// The list of this shelf, unless it is empty.
    #[inline]
    pub(super) fn of(&mut self, shelf: &Shelf) -> Option<&Keywords> {
        let number = shelf.0.number.load(Ordering::Acquire);
        if number != self.number {
            self.list = Arc::clone(&shelf.0.list.lock());
            self.number = number;
        }
        (!self.list.is_empty()).then_some(&*self.list)
    }
}
