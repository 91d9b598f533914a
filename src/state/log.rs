//! The seam to a log of keyed records: append, read from the beginning to the end, follow.
//!
//! # How to use it
//! ```text
//! let log: Arc<dyn Log> = kafka.log(&LogSpec { name, partitions: 1, cleanup: Cleanup::Delete { keep }, append_time: true, .. })?;
//! let following = log.follow(&[0], Box::new(my_follower))?;   // my_follower hears every record in order, then caught_up(), then what is new
//! log.append(Some(0), key, Some(value), done)?;               // comes back through the follower, with offset and broker time
//! drop(following);                                            // ends the thread
//! ```
//! A log that was opened with `append_time` gives every record the broker's time of its append: one partition of it is a total order with one
//! clock, the same for every replica. What a replica appended counts when it reads it back, not when `done` is called: `done` says that all in-sync
//! replicas have it.

use std::{fmt, sync::Arc, time::Duration};

/// What becomes of old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// The last value of each key is kept; a tombstone takes the key out.
    Compact,
    /// Records are deleted after this time, or when there are too many of them.
    Delete {
        /// How long they are kept.
        keep: Duration,
        /// How many bytes of a partition are kept at most, about; `None`: as many as there are.
        bytes: Option<u64>,
    },
}

/// A log to be opened; it is created with these settings where it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSpec {
    /// Whole name.
    pub name: String,
    /// What it is for; used in messages: "assessments", "ledger".
    pub role: &'static str,
    /// Partitions, if it is created.
    pub partitions: usize,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// Whether records carry the broker's time of their append instead of the writer's time.
    pub append_time: bool,
    /// How long an append may be tried before it fails; `None`: until it succeeds, through any outage.
    pub append_within: Option<Duration>,
}

/// One record, lent to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord<'a> {
    /// Partition.
    pub partition: i32,
    /// Offset; grows within the partition, with holes.
    pub offset: i64,
    /// Milliseconds since the epoch: of the append (by the broker's clock) with `append_time`, else by the writer's clock.
    pub at_ms: i64,
    /// Key; empty where there is none.
    pub key: &'a [u8],
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// Hears the records of a log, always on one thread, in the order of each partition.
pub trait Follower: Send {
    /// The next record. Must not block for long.
    fn record(&mut self, record: LogRecord<'_>);

    /// Everything that stood in the log when following began has been handed over. Called once.
    fn caught_up(&mut self) {}

    /// Nothing more has arrived just now; also called at least every 100 ms or so. For work in batches.
    fn idle(&mut self) {}
}

/// Why a log cannot be opened, written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// No room at present: what was appended before has not been taken over yet. Nothing was appended; try again later.
    #[error("log '{name}' is full at present")]
    Full {
        /// Name of the log.
        name: String,
    },
    /// This record was not, or not certainly, appended.
    #[error("log '{name}' did not take a record: {reason}")]
    Append {
        /// Name of the log.
        name: String,
        /// Why.
        reason: String,
    },
    /// It cannot be read.
    #[error("log '{name}' cannot be read: {reason}")]
    Read {
        /// Name of the log.
        name: String,
        /// Why.
        reason: String,
    },
}

/// Where a record was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// Told once what became of an append, on a thread of the log's library; must return quickly.
pub type Done = Box<dyn FnOnce(Result<Appended, LogError>) + Send + Sync>;

/// For appends whose fate does not matter.
pub fn discard() -> Done {
    Box::new(|_| {})
}

/// Ends the reading of a log from another thread. `Clone` shares it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<std::sync::atomic::AtomicBool>);

impl Stop {
    /// From now on.
    pub fn now(&self) {
        self.0.store(true, std::sync::atomic::Ordering::Release);
    }

    /// Whether it is time to end.
    pub fn is_wanted(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Acquire)
    }
}

/// Keeps a follower going; dropping it ends it, after the record that is under way.
pub struct Following(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Following {
    /// `end` stops the follower and waits for it.
    pub fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(end)))
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Following")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

/// A log of keyed records. All calls may come from any thread.
pub trait Log: Send + Sync {
    /// Its name.
    fn name(&self) -> &str;

    /// Number of partitions.
    fn partitions(&self) -> i32;

    /// Appends a record, copying it; never blocks. `partition` `None` chooses by the key. Appends of one thread to one partition keep their order.
    ///
    /// # Errors
    /// [`LogError`]; then nothing was appended and `done` is not called.
    fn append(&self, partition: Option<i32>, key: &[u8], value: Option<&[u8]>, done: Done) -> Result<(), LogError>;

    /// Reads these partitions from the beginning and goes on with what is new, on a thread of its own. Records of aborted transactions
    /// are left out. Outages are waited out.
    ///
    /// # Errors
    /// [`LogError`] when it cannot even begin.
    fn follow(&self, partitions: &[i32], follower: Box<dyn Follower>) -> Result<Following, LogError>;

    /// Hands over what stands in these partitions now, from the beginning to the end, on the caller's thread. Outages are waited out until
    /// `stop`. Whether the end was reached.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    fn replay(&self, partitions: &[i32], stop: &Stop, each: &mut dyn FnMut(LogRecord<'_>)) -> Result<bool, LogError>;
}
