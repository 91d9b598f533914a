//! Where every record stands between source and sink: windows of offsets, delivery reports, bytes in flight.
//!
//! Each assignment of a partition has a window of its own, and a token names window and place. A report that comes late therefore touches the
//! assignment under which its record was read and no later one.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};

use crate::{
    model::{Origin, Record},
    pipeline::{Delivered, DeliveryFailure, Token, handle::ShardHandle, window::Window},
};

/// Tokens of this window belong to no input record: late records.
const NO_WINDOW: u32 = u32::MAX;

/// Set in the window of a token: the record is the obligation of the one that the rest of the token names.
const OBLIGATION: u32 = 1 << 31;

/// The token of records that finish no offset.
pub(super) const LATE: Token = Token((NO_WINDOW as u64) << 32);

/// The window and place that a token names.
pub(super) fn token(window: u32, seq: u32) -> Token {
    Token((u64::from(window) << 32) | u64::from(seq))
}

/// The window that a token names; `None` for late records.
pub(super) fn window_of(token: Token) -> Option<u32> {
    let window = (token.0 >> 32) as u32;
    (window != NO_WINDOW).then_some(window & !OBLIGATION)
}

/// The token of the obligation of a record.
pub(super) fn obligation_of(token: Token) -> Token {
    Token(token.0 | u64::from(OBLIGATION) << 32)
}

fn is_obligation(token: Token) -> bool {
    let window = (token.0 >> 32) as u32;
    window != NO_WINDOW && window & OBLIGATION != 0
}

/// The token of a late record whose report a shard waits for. `slot` is below 2^26 - 1.
pub(super) fn late_of(shard: usize, slot: u32) -> Token {
    let shard = u32::try_from(shard).unwrap_or(0) & 63;
    Token(LATE.0 | u64::from((shard << 26 | slot) + 1))
}

/// The shard and slot of such a token.
fn waited_for(token: Token) -> Option<(usize, u32)> {
    let place = seq_of(token).checked_sub(1)?;
    Some(((place >> 26) as usize, place & ((1 << 26) - 1)))
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is the place")]
fn seq_of(token: Token) -> u32 {
    token.0 as u32
}

/// Refused records that are remembered.
const MOST_BLAMED: usize = 10_000;

/// One window and the shard that works on it.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) window: Mutex<Window>,
    pub(super) shard: usize,
    /// Its partition was given up.
    closed: AtomicBool,
}

/// Shared by source, shards and sink.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    windows: RwLock<Vec<Arc<Tracked>>>,
    shards: RwLock<Vec<ShardHandle>>,
    bytes: AtomicUsize,
    records: AtomicUsize,
    late_in_flight: AtomicUsize,
    /// Records that came back from the sink and were not late.
    pub(super) late_failed: AtomicU64,
    /// Offsets skipped because an earlier owner had finished them.
    pub(super) skipped: AtomicU64,
    /// Partitions whose obligations have not been read yet.
    replaying: AtomicUsize,
    /// Times that a shard found the output without room.
    waits: AtomicU64,
    /// Exactly once: the transaction is being undone.
    undone: AtomicBool,
    /// Exactly once: records that were refused by themselves, and how often.
    blamed: Mutex<HashMap<Origin, (u8, String)>>,
    has_blamed: AtomicBool,
    fatal: AtomicBool,
    fatal_text: Mutex<Option<String>>,
    bounced: Mutex<HashMap<u64, u8>>,
    /// Whether any record has ever come back; spares the others the lock above.
    has_bounced: AtomicBool,
}

impl Tracker {
    pub(super) fn set_shards(&self, shards: Vec<ShardHandle>) {
        *self.shards.write() = shards;
    }

    /// Takes a window in; its number goes into tokens.
    pub(super) fn open(&self, shard: usize, window: Window) -> u32 {
        let mut windows = self.windows.write();
        windows.push(Arc::new(Tracked { window: Mutex::new(window), shard, closed: AtomicBool::new(false) }));
        u32::try_from(windows.len() - 1).unwrap_or(NO_WINDOW - 1)
    }

    pub(super) fn window(&self, window: u32) -> Option<Arc<Tracked>> {
        self.windows.read().get(window as usize).cloned()
    }

    /// Counts a record in.
    pub(super) fn began(&self, weight: usize) {
        self.bytes.fetch_add(weight, Ordering::Relaxed);
        self.records.fetch_add(1, Ordering::Relaxed);
    }

    /// The offset of a record is finished only when one more record of the same token has been reported.
    pub(super) fn expect(&self, token: Token) {
        if let Some(tracked) = window_of(token).and_then(|window| self.window(window)) {
            tracked.window.lock().expect(seq_of(token));
        }
    }

    /// Nothing that comes for this window counts any more.
    pub(super) fn close(&self, window: u32) {
        if let Some(tracked) = self.window(window) {
            tracked.closed.store(true, Ordering::Release);
        }
    }

    /// Whether a window's partition was given up.
    pub(super) fn is_closed(&self, window: u32) -> bool {
        self.window(window).is_none_or(|tracked| tracked.closed.load(Ordering::Acquire))
    }

    /// A partition's obligations are wanted.
    pub(super) fn replay_wanted(&self) {
        self.replaying.fetch_add(1, Ordering::Relaxed);
    }

    /// They were read.
    pub(super) fn replayed(&self) {
        self.replaying.fetch_sub(1, Ordering::Relaxed);
    }

    /// Partitions whose obligations have not been read yet.
    pub(super) fn replaying(&self) -> usize {
        self.replaying.load(Ordering::Relaxed)
    }

    /// Finishes a record's offset.
    pub(super) fn finish(&self, token: Token) {
        let Some(window) = window_of(token) else { return };
        // Without a reference of its own: this is done for every record.
        let windows = self.windows.read();
        let Some(tracked) = windows.get(window as usize) else { return };
        let finished = tracked.window.lock().finish(seq_of(token));
        drop(windows);
        if let Some(record) = finished {
            self.bytes.fetch_sub(record.weight(), Ordering::Relaxed);
            self.records.fetch_sub(1, Ordering::Relaxed);
            if self.has_bounced.load(Ordering::Relaxed) {
                self.bounced.lock().remove(&token.0);
            }
        }
    }

    /// The record of an unfinished token.
    pub(super) fn record(&self, token: Token) -> Option<Arc<Record>> {
        let tracked = self.window(window_of(token)?)?;
        tracked.window.lock().record(seq_of(token))
    }

    /// How often this record has come back before; counts this time.
    pub(super) fn bounce(&self, token: Token) -> u8 {
        self.has_bounced.store(true, Ordering::Relaxed);
        let mut bounced = self.bounced.lock();
        let times = bounced.entry(token.0).or_default();
        *times = times.saturating_add(1);
        *times
    }

    /// A record that will not be sent in this assignment: its offset stays unfinished, its bytes are free.
    pub(super) fn abandon(&self, token: Token) {
        let Some(tracked) = window_of(token).and_then(|window| self.window(window)) else { return };
        let abandoned = tracked.window.lock().abandon(seq_of(token));
        if let Some(record) = abandoned {
            self.bytes.fetch_sub(record.weight(), Ordering::Relaxed);
            self.records.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A late record was not taken by the sink; `failed`: it never will be.
    pub(super) fn late_unsent(&self, failed: bool) {
        self.late_in_flight.fetch_sub(1, Ordering::Relaxed);
        self.late_failed.fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    /// Gives up everything in a window that is unfinished.
    pub(super) fn abandon_all(&self, window: u32) {
        let Some(tracked) = self.window(window) else { return };
        let abandoned = tracked.window.lock().abandon_all();
        self.bytes.fetch_sub(abandoned.iter().map(|record| record.weight()).sum(), Ordering::Relaxed);
        self.records.fetch_sub(abandoned.len(), Ordering::Relaxed);
    }

    /// The output has no room.
    pub(super) fn waited(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    /// Times that the output had no room.
    pub(super) fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    /// The transaction is being undone, or that is over.
    pub(super) fn set_undone(&self, undone: bool) {
        self.undone.store(undone, Ordering::Release);
    }

    /// Whether the transaction is being undone.
    pub(super) fn is_undone(&self) -> bool {
        self.undone.load(Ordering::Acquire)
    }

    /// How often this record has been refused by itself in transactions that were undone, and why the last time.
    pub(super) fn blame(&self, origin: &Origin) -> Option<(u8, String)> {
        if !self.has_blamed.load(Ordering::Relaxed) {
            return None;
        }
        self.blamed.lock().get(origin).cloned()
    }

    /// A late record and what had to follow it are done.
    pub(super) fn late_done(&self) {
        self.late_in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn late_sent(&self) {
        self.late_in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Late records that were sent and not reported yet.
    pub(super) fn late_in_flight(&self) -> usize {
        self.late_in_flight.load(Ordering::Relaxed)
    }

    /// Bytes of records between source and delivery report.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Records between source and delivery report.
    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// Nothing can be written any more.
    pub(super) fn fail(&self, text: &str) {
        self.fatal_text.lock().get_or_insert_with(|| text.to_owned());
        self.fatal.store(true, Ordering::Release);
    }

    /// Whether nothing can be written any more.
    pub(super) fn has_failed(&self) -> bool {
        self.fatal.load(Ordering::Acquire)
    }

    /// Why nothing can be written any more.
    pub(super) fn failure(&self) -> Option<String> {
        self.has_failed().then(|| self.fatal_text.lock().clone()).flatten()
    }
}

impl Delivered for Tracker {
    fn created(&self, token: Token) -> Option<i64> {
        // Obligations and late records are sent without one.
        if is_obligation(token) { None } else { self.record(token)?.timestamp }
    }

    fn delivered(&self, token: Token, result: Result<(), DeliveryFailure>) {
        let Some(window) = window_of(token) else {
            let over = !matches!(result, Err(DeliveryFailure::Fatal(_) | DeliveryFailure::Undone));
            let shard = waited_for(token).filter(|_| over);
            let shard = shard.and_then(|(shard, slot)| Some((self.shards.read().get(shard).cloned()?, slot)));
            match shard {
                // It is done with when its obligation has its tombstone.
                Some((shard, slot)) => shard.paid(slot),
                None => self.late_done(),
            }
            if let Err(failure) = result {
                self.late_failed.fetch_add(u64::from(failure != DeliveryFailure::Undone), Ordering::Relaxed);
                match failure {
                    DeliveryFailure::Fatal(text) => self.fail(&text),
                    DeliveryFailure::Undone => self.set_undone(true),
                    DeliveryFailure::TooLarge | DeliveryFailure::Refused(_) => {}
                }
            }
            return;
        };
        if is_obligation(token) {
            match result {
                Ok(()) => self.finish(token),
                Err(DeliveryFailure::Undone) => self.set_undone(true),
                Err(DeliveryFailure::Fatal(text)) => self.fail(&text),
                Err(failure @ (DeliveryFailure::TooLarge | DeliveryFailure::Refused(_))) => {
                    tracing::error!(%failure, "an obligation was refused: the answer is owed only as long as this process lives");
                    self.finish(token);
                }
            }
            return;
        }
        match result {
            Ok(()) => self.finish(token),
            Err(DeliveryFailure::Undone) => self.set_undone(true),
            Err(DeliveryFailure::Fatal(text)) => self.fail(&text),
            Err(failure @ (DeliveryFailure::TooLarge | DeliveryFailure::Refused(_))) => {
                let shard = self.window(window).map(|tracked| tracked.shard);
                if let Some(handle) = shard.and_then(|shard| self.shards.read().get(shard).cloned()) {
                    handle.bounced(token, failure);
                }
            }
        }
    }

    fn blamed(&self, token: Token, failure: DeliveryFailure) {
        let Some(record) = self.record(token) else {
            // It belongs to no record of the input: there is nobody to send it in another form.
            return self.fail(&format!(
                "a late record was refused: {failure}; the late topic has to take what the output topic takes"
            ));
        };
        let mut blamed = self.blamed.lock();
        // A forgotten record is refused and blamed once more.
        if blamed.len() >= MOST_BLAMED {
            blamed.clear();
        }
        let (times, why) = blamed.entry(record.origin.clone()).or_default();
        (*times, *why) = (times.saturating_add(1), failure.to_string());
        self.has_blamed.store(true, Ordering::Relaxed);
    }
}
