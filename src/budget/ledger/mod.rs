//! The ledger: one account of every quota for a whole fleet, as a deterministic fold over a log.
//!
//! Every replica reads the same records in the same order with the append times of the broker, and computes the same answers: no leader, no
//! clock of a replica, no hand-over when partitions move. Nothing here does I/O or reads a clock.
//!
//! # Why no window is ever exceeded
//! Time in the fold is the append time of the record, or that of an earlier one where it is later.
//!
//! 1. A request is granted for at most as many units as every window has room for. A granted unit belongs to a lease that lives [`LEASE_LIFE`] from the append time
//!    of its request. The holder counts the life from the moment before it *sent* the request, by its own monotonic and wall clock, and starts no call in its
//!    second half ([`LEASE_USE`]): by any comparison with the broker's clock its calls start after the append and well before the end.
//! 2. A unit of a lease counts in every sliding window while its lease is open, and after that for the window's length and the headroom (1 %, at least 250 ms). It
//!    is over when a return says so, which is written after the call has ended, so that the call had reached the provider by then; or when the lease has lived out its life. So when
//!    the unit's place is given to another, whose call reaches the provider later than the append time of its request, the first call lies more than a window's length before it: of any
//!    calls within one span of the window, all counted at the same time when the last of them was granted, and there were at most as many as the limit.
//! 3. In calendar windows a unit counts in every day and month that its lease touches, with a margin of some seconds on both sides; a return takes it out of those that the call cannot have met.
//! 4. Units that are not said to be unspent are spent: a crash, a lost return, a replica that woke up late (its calls start only while its lease is young) cost units, and never give any.
//!
//! What has to hold outside: the broker's clock goes forward at the right speed (a leader whose clock is ahead of that of its predecessor shortens windows by the difference, which the headroom
//! covers up to its size; one that is behind makes the ledger stand still until it has caught up), and a call that was started by a replica which then dies reaches the provider within the other half of the lease's life.

mod book;
mod claims;
mod pace;
mod period;
mod record;
mod replicas;
mod snapshot;
mod turns;
mod window;
mod wire;

use std::{collections::BTreeMap, time::Duration};

pub use record::{CallEnd, MAX_CLAIMS, Record, RecordId, Terms};
pub use snapshot::{Followed, Follower};
pub use wire::DecodeError;

use crate::budget::{Urgency, WindowAccount};
use book::Book;
use replicas::Replicas;

/// How long a lease lives from its append time, milliseconds.
pub const LEASE_LIFE: i64 = 10_000;
/// How long its holder may start calls, from before the request was sent.
pub const LEASE_USE: Duration = Duration::from_secs(5);
/// How long an indicator stays claimed after it was answered, milliseconds: the assessment reaches the others within.
pub const CLAIM_LINGERS: i64 = 10_000;
/// A pause is at most this long, milliseconds: a day.
pub const LONGEST_PAUSE: i64 = 86_400_000;

/// Providers in one ledger, at most.
const MAX_BOOKS: usize = 64;

/// What a request was answered for one of its indicators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The next call of the lease is for it.
    Won,
    /// Another lease is asking, or it was answered a moment ago: until this time of the ledger its assessment may come.
    Taken {
        /// Milliseconds since the epoch, by the broker's clock.
        until: i64,
    },
    /// No units are left for it.
    Refused,
}

/// The answer to a request; the same at every replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// One for each indicator of the request, in order.
    pub fates: Vec<Fate>,
    /// Calls that may start: number 0 is for the first indicators that were won, and so on.
    pub calls: u32,
    /// When to ask again, where some were refused: milliseconds since the epoch, by the broker's clock.
    pub retry_at: i64,
}

/// What a record changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Nothing: it is damaged, of another version, or was seen before.
    Nothing,
    /// The account of this provider.
    Changed(Box<str>),
    /// The account of this provider, by a request with this answer.
    Answered(Box<str>, Granted),
    /// Nothing, but from here on the log can be read.
    Snapshot,
}

/// The state of all accounts after a number of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Milliseconds since the epoch; never goes back.
    time: i64,
    books: BTreeMap<Box<str>, Book>,
    replicas: Replicas,
}

impl Ledger {
    /// The time of the ledger: milliseconds since the epoch.
    pub const fn time(&self) -> i64 {
        self.time
    }

    /// Applies the next record, with its append time in milliseconds since the epoch.
    pub fn apply(&mut self, append_ms: i64, id: RecordId, record: &Record) -> Applied {
        self.time = self.time.max(append_ms);
        let now = self.time;
        if !self.replicas.first(id, now) {
            return Applied::Nothing;
        }
        let provider = match record {
            Record::Terms { provider, .. }
            | Record::Request { provider, .. }
            | Record::Return { provider, .. }
            | Record::Pause { provider, .. }
            | Record::Correct { provider, .. } => provider,
            Record::Snapshot(_) => return Applied::Snapshot,
        };
        if let Record::Terms { terms, .. } = record {
            if let Some(book) = self.books.get_mut(provider) {
                book.advance(now);
                book.set_terms(terms.clone());
            } else if self.books.len() < MAX_BOOKS {
                self.books.insert(provider.clone(), Book::new(terms.clone()));
            }
            return Applied::Changed(provider.clone());
        }
        let claimed = match record {
            Record::Request { claims, .. } => self.claimed_elsewhere(provider, claims, now),
            Record::Terms { .. }
            | Record::Return { .. }
            | Record::Pause { .. }
            | Record::Correct { .. }
            | Record::Snapshot(_) => Vec::new(),
        };
        let Some(book) = self.books.get_mut(provider) else {
            return match record {
                Record::Request { claims, .. } => Applied::Answered(provider.clone(), nothing(claims.len(), now)),
                Record::Terms { .. }
                | Record::Return { .. }
                | Record::Pause { .. }
                | Record::Correct { .. }
                | Record::Snapshot(_) => Applied::Nothing,
            };
        };
        book.advance(now);
        match record {
            Record::Request { urgent, cost, batch, .. } => {
                let urgency = if *urgent { Urgency::Urgent } else { Urgency::Ordinary };
                let granted = book.request(id, urgency, *cost, *batch, &claimed, now);
                return Applied::Answered(provider.clone(), granted);
            }
            Record::Return { lease, calls, .. } => {
                book.give_back(RecordId { replica: id.replica, seq: *lease }, calls, now);
            }
            Record::Pause { for_ms, .. } => {
                let length = i64::try_from(*for_ms).unwrap_or(i64::MAX).min(LONGEST_PAUSE);
                book.pause(now.saturating_add(length));
            }
            Record::Correct { span, remaining, .. } => book.correct(*span, *remaining, now),
            Record::Terms { .. } | Record::Snapshot(_) => {}
        }
        Applied::Changed(provider.clone())
    }

    /// The claims, each with the time until which it is claimed under another key of the same provider.
    fn claimed_elsewhere(&self, account: &str, claims: &[u64], now: i64) -> Vec<(u64, Option<i64>)> {
        let is_sibling = |name: &str| name != account && provider_of(name) == provider_of(account);
        let siblings: Vec<&Book> =
            self.books.iter().filter(|(name, _)| is_sibling(name)).map(|(_, book)| book).collect();
        let until = |claim: u64| siblings.iter().filter_map(|book| book.claimed(claim, now)).max();
        claims.iter().map(|claim| (*claim, until(*claim).filter(|until| *until > now))).collect()
    }

    /// The terms that hold for a provider.
    pub fn terms(&self, provider: &str) -> Option<&Terms> {
        self.books.get(provider).map(Book::terms)
    }

    /// When so many calls of this cost are admitted if nothing else is before, milliseconds since the epoch: `now` or earlier where it is already, `i64::MAX`
    /// where it never will be.
    pub fn admits_at(&self, provider: &str, calls: u32, cost: u32, urgency: Urgency, now: i64) -> i64 {
        self.books.get(provider).map_or(i64::MAX, |book| book.admits_at(calls, cost, urgency, now))
    }

    /// How many calls of this cost can be leased from `now` until `within` milliseconds later.
    pub fn capacity(&self, provider: &str, within: i64, cost: u32, urgency: Urgency, now: i64) -> u64 {
        self.books.get(provider).map_or(0, |book| book.capacity(within, cost, urgency, now))
    }

    /// How much of what may go at once is at hand for ordinary work, 0.0..=1.0, of the window that has least; 1 where no window is paced.
    pub fn level(&self, provider: &str, now: i64) -> f64 {
        self.books.get(provider).map_or(1.0, |book| book.level(now))
    }

    /// Calls of this cost that a request of this replica would get now.
    pub fn allowed(&self, provider: &str, replica: u64, cost: u32, urgency: Urgency, now: i64) -> u64 {
        self.books.get(provider).map_or(0, |book| book.allowed(replica, cost, urgency, now))
    }

    /// Until when an indicator is claimed; `None` where it is free.
    pub fn claimed(&self, provider: &str, claim: u64, now: i64) -> Option<i64> {
        self.books.get(provider)?.claimed(claim, now)
    }

    /// Until when a provider is to be left alone; 0 where it is not.
    pub fn paused_until(&self, provider: &str) -> i64 {
        self.books.get(provider).map_or(0, Book::paused_until)
    }

    /// The windows of a provider, shortest first.
    pub fn windows(&self, provider: &str, now: i64) -> Vec<WindowAccount> {
        self.books.get(provider).map(|book| book.windows(now)).unwrap_or_default()
    }

    /// Units of a provider that are leased by anybody and not over.
    pub fn open(&self, provider: &str) -> u64 {
        self.books.get(provider).map_or(0, Book::open)
    }

    /// How many replicas have written within the last minute, at least 1.
    pub fn replicas(&self) -> usize {
        self.replicas.active(60_000, self.time).max(1)
    }

    /// Whether no provider has an open lease or a claim.
    pub fn is_idle(&self) -> bool {
        self.books.values().all(Book::is_idle)
    }

    /// Lets time pass without a record; for tests and for what is shown, never for decisions.
    pub fn settled_at(&self, now: i64) -> Self {
        let mut later = self.clone();
        later.time = later.time.max(now);
        for book in later.books.values_mut() {
            book.advance(later.time);
        }
        later
    }
}

/// The provider of an account: `virustotal` of `virustotal/second`.
fn provider_of(account: &str) -> &str {
    account.split('/').next().unwrap_or_default()
}

/// The name of an indicator in claims: FNV-1a over kind and value, its bits mixed. Two indicators that share one only wait for each other.
pub fn digest(kind: &str, value: &str) -> u64 {
    let bytes = kind.bytes().chain([b':']).chain(value.bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// The answer where there is no account.
fn nothing(claims: usize, now: i64) -> Granted {
    Granted { fates: vec![Fate::Refused; claims], calls: 0, retry_at: now.saturating_add(1_000) }
}

/// Whole milliseconds of a time.
fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
