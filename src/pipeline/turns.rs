//! Turns: a shard does its work in turns, and the source can hold all shards between two of them.
//!
//! Everything that belongs to one event (its record, what is owed for it, late records) is sent within one turn, so that a transaction that
//! is ended while the shards are held has all of it or nothing. A turn names the transaction by a serial number.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

#[derive(Debug, Default)]
struct State {
    held: bool,
    inside: usize,
    serial: u64,
}

/// The turns of all shards of a pipeline.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

/// A turn; it ends with its value.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    /// The transaction in which this turn takes place.
    pub(super) serial: u64,
}

impl Turns {
    /// Begins a turn; waits while the shards are held.
    pub(super) fn enter(&self) -> Turn<'_> {
        let mut state = self.state.lock();
        while state.held {
            self.changed.wait(&mut state);
        }
        state.inside += 1;
        Turn { turns: self, serial: state.serial }
    }

    /// Lets no turn begin and waits until none is under way; false when that took longer, and then nothing is held.
    pub(super) fn hold(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let mut state = self.state.lock();
        state.held = true;
        while state.inside > 0 {
            if self.changed.wait_until(&mut state, end).timed_out() && state.inside > 0 {
                state.held = false;
                self.changed.notify_all();
                return false;
            }
        }
        true
    }

    /// Whether the shards are held.
    pub(super) fn is_held(&self) -> bool {
        self.state.lock().held
    }

    /// Ends a hold. `next`: what follows belongs to another transaction.
    pub(super) fn release(&self, next: bool) {
        let mut state = self.state.lock();
        state.held = false;
        state.serial += u64::from(next);
        self.changed.notify_all();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state.lock();
        state.inside -= 1;
        if state.held && state.inside == 0 {
            self.turns.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::*;

    #[test]
    fn nobody_is_inside_while_it_is_held() {
        let (turns, inside) = (Arc::new(Turns::default()), Arc::new(AtomicUsize::new(0)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (turns, inside) = (Arc::clone(&turns), Arc::clone(&inside));
                thread::spawn(move || {
                    let mut serials = Vec::new();
                    while serials.last() != Some(&50) {
                        let turn = turns.enter();
                        inside.fetch_add(1, Ordering::SeqCst);
                        serials.push(turn.serial);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                    assert!(serials.is_sorted());
                })
            })
            .collect();
        for _ in 0..50 {
            while !turns.hold(Duration::from_secs(10)) {}
            assert_eq!(inside.load(Ordering::SeqCst), 0);
            turns.release(true);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_hold_that_takes_too_long_holds_nobody() {
        let turns = Turns::default();
        let turn = turns.enter();
        assert!(!turns.hold(Duration::from_millis(1)));
        let second = turns.enter();
        drop((turn, second));
        assert!(turns.hold(Duration::ZERO));
    }
}
