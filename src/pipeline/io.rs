//! The seam between the pipeline and what feeds and drains it.
//!
//! A source (Kafka, a file) hands records to an [`Intake`] and asks it what may be committed; the pipeline hands
//! records to a [`Sink`] and hears of their fate through [`Delivered`]. Everything is synchronous and free of the
//! client library's types, so that the pipeline is tested without a broker.
//!
//! Guarantees of a source: per partition, records arrive in offset order and offsets only grow within one epoch
//! (they may have holes: compaction, transaction markers, records that were deleted). Every call of an `Intake` comes
//! from the source's own thread, never two at once. Between `revoke` of a partition and its next `assigned` no record
//! of it arrives. Guarantees of a sink: what it accepted it reports exactly once, however long that takes.

use std::{sync::Arc, time::Duration};

use crate::model::Record;

/// Which stream an outgoing record belongs to. The adapter knows the topic's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Annotated events.
    Output,
    /// Late annotations.
    Late,
    /// Records that could not be written.
    DeadLetter,
    /// Which late annotations are owed; by key, a tombstone pays.
    Pending,
}

/// A header on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutHeader<'a> {
    /// Header name.
    pub name: &'a str,
    /// Header value; `None` is Kafka's null.
    pub value: Option<&'a [u8]>,
}

/// A record on its way out. Borrowed: the sink copies what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Stream.
    pub destination: Destination,
    /// Partition; `None` lets the sink choose by the key as the Java client does.
    pub partition: Option<i32>,
    /// Key; `None` where the record has none.
    pub key: Option<&'a [u8]>,
    /// Payload; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Headers, written in this order, duplicates kept.
    pub headers: &'a [OutHeader<'a>],
    /// Creation time in milliseconds since the epoch; `None` lets the sink take the current time.
    pub timestamp: Option<i64>,
}

/// Names a record that was sent; comes back with its delivery report. A plain integer: nothing is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// Why a record was not accepted. Nothing will be reported for its token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No room at present. The caller stops, keeps the order, and sends the same record again later.
    #[error("the output queue is full")]
    Full,
    /// The record is larger than the sink can ever write.
    #[error("record too large")]
    TooLarge,
    /// This record cannot be written, others can; the text says why.
    #[error("record refused: {0}")]
    Refused(String),
    /// Nothing can be written any more; the process has to end.
    #[error("output failed: {0}")]
    Fatal(String),
    /// Exactly once: the transaction is being undone. The caller goes on as if the record had been taken; it will be told to forget
    /// what it did since the last transaction, and the input is read again.
    #[error("the transaction is being undone")]
    Undone,
}

/// Why a record that was accepted could not be written. It was sent by itself before this is reported: a record is
/// never blamed for another one of its batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryFailure {
    /// The broker's limit for this topic is lower than the record's size.
    #[error("record too large")]
    TooLarge,
    /// The broker refused this record; the text says why.
    #[error("record refused: {0}")]
    Refused(String),
    /// Nothing can be written any more; the process has to end. The record may or may not have been written.
    #[error("output failed: {0}")]
    Fatal(String),
    /// Exactly once: it went down with its transaction, which is being undone; nobody will ever read it.
    #[error("the transaction is being undone")]
    Undone,
}

/// Where records go.
pub trait Sink: Send + Sync {
    /// Takes a record over, copying it. Never blocks. Records of one destination and partition leave in the order of
    /// the calls.
    ///
    /// # Errors
    /// [`SendError`]; the record was not taken over and its token will not be reported.
    fn send(&self, out: &Outgoing<'_>, token: Token) -> Result<(), SendError>;
}

/// Hears what became of the records that a sink accepted.
pub trait Delivered: Send + Sync {
    /// Called once for each accepted record, on a thread of the sink's library; must return quickly and not call the
    /// sink.
    fn delivered(&self, token: Token, result: Result<(), DeliveryFailure>);

    /// The time with which the record of this token was sent, if it is not reported yet and was sent with one: asked for when it has to be
    /// sent once more.
    fn created(&self, _token: Token) -> Option<i64> {
        None
    }

    /// Exactly once: this record, sent by itself, was refused, and that undid its transaction. Called between the end of the transaction
    /// and [`Intake::undo`]. The record will come again; it has to leave in another form then.
    fn blamed(&self, _token: Token, _failure: DeliveryFailure) {}
}

/// A partition that now belongs to this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Topic, the same `Arc` as in the records that follow.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Carried by the records of this assignment; larger than that of every earlier one of the partition.
    pub epoch: u32,
    /// Metadata of the last commit of the partition, as [`Commit::metadata`] was given by whoever owned it; empty
    /// where there is none.
    pub metadata: String,
    /// The committed offset that `metadata` belongs to; `None` where the group has none.
    pub committed: Option<i64>,
}

/// What may be committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// The next offset to read: every record below it is finished.
    pub next: i64,
    /// Travels with the offset to the next owner of the partition; at most 4,096 bytes, may be empty.
    pub metadata: String,
}

/// What a source calls, always on its own thread.
pub trait Intake: Send {
    /// Hands records over; must not block for long. Per partition they are in offset order.
    fn records(&mut self, batch: Vec<Record>);

    /// A partition is ours; its records follow.
    fn assigned(&mut self, partition: Assigned);

    /// Partitions go away. With `lost` false: finishes what is under way for them as far as possible within the time,
    /// returns their final commits, then forgets them. With `lost` true somebody else may own them already: nothing
    /// is worth waiting for, nothing will be committed, the result is ignored.
    fn revoke(&mut self, partitions: &[(Arc<str>, i32)], lost: bool, within: Duration) -> Vec<Commit>;

    /// Back-pressure: while this is true the source fetches nothing, and calls nothing but this, `committable` and
    /// the assignment calls.
    fn paused_wanted(&self) -> bool;

    /// For each owned partition whose contiguous finished prefix (or metadata) moved since the last call: what to
    /// commit. The offsets of a partition never go back within an epoch.
    fn committable(&mut self) -> Vec<Commit>;

    /// Exactly once: lets nobody begin anything and waits until nobody is in the middle of an event, so that everything that belongs to
    /// an event has been sent or nothing of it. False when that took longer than `within`; then nothing is held.
    fn hold(&mut self, _within: Duration) -> bool {
        true
    }

    /// Exactly once: ends a hold. `committed`: a transaction ended with it, and what was sent in it counts for good.
    fn release(&mut self, _committed: bool) {}

    /// Exactly once: whether the metadata of every partition's commit can name all finished offsets. Where that is not so, or will soon not
    /// be so, the oldest events that wait there are told to leave.
    fn fits(&mut self) -> bool {
        true
    }

    /// Exactly once: whether records of partitions that were revoked, not lost, were still under way when the time was over. What is written
    /// on their account has to be undone.
    fn left_behind(&mut self) -> bool {
        false
    }

    /// Exactly once: everything that was done since the last committed transaction has been undone. Forgets all records under way and all
    /// assignments, and waits until nobody sends on their account any more. Those partitions that are still owned are assigned anew.
    fn undo(&mut self) {}

    /// Exactly once, after `undo`: the next transaction has begun. Late records that were undone are sent again.
    fn resume(&mut self) {}
}
