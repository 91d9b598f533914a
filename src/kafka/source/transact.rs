//! Exactly once: when a transaction is committed, with which offsets, and what happens when it cannot be.
//!
//! Everything here happens on the thread that polls, so that no partition comes or goes while a transaction ends. A commit holds the shards between two
//! events and waits for the delivery reports: then a record is finished exactly if what was written on its account is in this transaction or an
//! earlier one, and the offsets (the watermark, and the finished ones above it in the metadata) say just that.
//!
//! Who may commit is decided by the group's coordinator, by the membership under which the records were read: `State::member` is taken when
//! partitions are assigned. A replica that was away (a zombie) commits under a membership that the group has ended, and is refused. Taken at the
//! time of the commit it could be empty, which the coordinator accepts from anybody.
//!
//! What cannot be committed is undone: the transaction is aborted, the pipeline forgets what it did, and all partitions that are still owned are
//! read again from their committed offsets, under new epochs.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer as _, ConsumerGroupMetadata, RebalanceProtocol},
    error::KafkaResult,
};
use tracing::{info, warn};

use super::{
    context::{Consumer, SourceContext, State},
    rebalance::resume,
    start::Start,
};
use crate::kafka::{
    KafkaError,
    transaction::{Transactions, Unfinished},
};

/// Bytes of a transaction, at most, roughly.
const TRANSACTION_BYTES: u64 = 32 << 20;
/// Longest wait for the shards and the delivery reports in the course of things; records are read in between.
const PATIENCE: Duration = Duration::from_secs(2);
/// Transactions undone one after the other before the source gives up.
const MOST_UNDONE: u32 = 50;
/// Between transactions that are undone one after the other.
const PAUSE: Duration = Duration::from_millis(50);

/// Where the transaction stands.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    interval: Duration,
    /// Undone since the last one that was committed.
    undone: u32,
    /// When the process has to end whatever becomes of the transaction; set when it is told to stop.
    pub(super) last_call: Option<Instant>,
}

impl Progress {
    pub(super) fn new(interval: Duration) -> Self {
        Self { begun: Instant::now(), interval, undone: 0, last_call: None }
    }

    /// Whether the transaction has lasted, or grown, enough.
    pub(super) fn is_due(&self, transactions: &Transactions) -> bool {
        self.begun.elapsed() >= self.interval || transactions.size().1 >= TRANSACTION_BYTES
    }
}

/// What became of an attempt to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    Committed,
    /// There was nothing to commit.
    Nothing,
    /// Something is still under way.
    NotNow,
    /// The transaction has to be undone, or the source has failed.
    Hopeless,
}

impl SourceContext {
    /// Commits the transaction: what was written in it, with the offsets of exactly the records on whose account that was. When that is not
    /// possible now nothing happens; when it never will be, a rewind is wanted.
    pub(super) fn transact(&self, consumer: &Consumer, state: &mut State, within: Duration) -> Attempt {
        let Some(transactions) = state.transactions.clone() else { return Attempt::Nothing };
        if transactions.is_broken() || consumer.assignment_lost() {
            state.rewind_wanted = true;
        }
        if state.rewind_wanted || state.failure.is_some() {
            return Attempt::Hopeless;
        }
        let end = Instant::now() + within;
        if !state.intake.fits() || !state.intake.hold(within) {
            return Attempt::NotNow;
        }
        let attempt = self.transact_held(consumer, state, &transactions, end);
        state.intake.release(attempt == Attempt::Committed);
        match attempt {
            Attempt::Committed => {
                state.progress.begun = Instant::now();
                state.progress.undone = 0;
            }
            Attempt::Nothing => state.progress.begun = Instant::now(),
            Attempt::NotNow | Attempt::Hopeless => {}
        }
        attempt
    }

    /// The shards are held.
    fn transact_held(
        &self,
        consumer: &Consumer,
        state: &mut State,
        transactions: &Transactions,
        end: Instant,
    ) -> Attempt {
        if !transactions.settle(end) {
            state.rewind_wanted |= transactions.is_broken();
            return if state.rewind_wanted { Attempt::Hopeless } else { Attempt::NotNow };
        }
        if !state.intake.fits() {
            return Attempt::NotNow;
        }
        for commit in state.intake.committable() {
            self.want(state, commit);
        }
        let mut due = state.offsets.take_due();
        if due.is_empty() {
            if transactions.size().0 == 0 {
                return Attempt::Nothing;
            }
            // Late records alone. The group has to say that this replica is still a member: else somebody else has taken over what it pays.
            due.extend(state.offsets.unchanged());
        }
        if consumer.assignment_lost() {
            state.rewind_wanted = true;
            return Attempt::Hopeless;
        }
        let last_call = state.progress.last_call;
        let give_up = || {
            self.status.round();
            let asked = self.stop.load(Ordering::Relaxed);
            let end = last_call.unwrap_or(end);
            asked && Instant::now() >= end
        };
        let member = if self.fresh_members { consumer.group_metadata().map(Arc::new) } else { None };
        match transactions.commit(&due, member.or_else(|| state.member.clone()), give_up) {
            Ok(()) => Attempt::Committed,
            Err(Unfinished::Undo(reason)) => {
                if self.limiter.admit("transaction").is_some() {
                    warn!(reason, group = self.group, "transaction undone, its records are read again");
                }
                state.rewind_wanted = true;
                Attempt::Hopeless
            }
            Err(Unfinished::Fatal(failure)) => {
                state.fail(failure);
                Attempt::Hopeless
            }
            Err(Unfinished::TimeOver) => {
                warn!(
                    "the process ends before the outcome of the last transaction is known; the brokers keep all of it or nothing"
                );
                let reason = "no answer to the last commit within shutdown_timeout".to_owned();
                state.fail(KafkaError::Input(reason));
                Attempt::Hopeless
            }
        }
    }

    /// Commits the transaction before partitions go, trying until the time is over.
    pub(super) fn transact_finally(&self, consumer: &Consumer, state: &mut State, within: Duration) {
        let member = self.membership(consumer, state.last_poll);
        self.take_membership(consumer, state, member);
        let end = Instant::now() + within;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.transact(consumer, state, left) {
                Attempt::Committed | Attempt::Nothing => break,
                Attempt::Hopeless => return,
                // Somebody else will own the partitions: nothing of theirs may stay in a transaction without their offsets.
                Attempt::NotNow if left.is_zero() => return state.rewind_wanted = true,
                Attempt::NotNow => thread::sleep(Duration::from_millis(1)),
            }
        }
        // What was not finished in time would be written later, without its offset.
        state.rewind_wanted |= state.intake.left_behind();
    }

    /// Undoes the transaction and reads again, from the committed offsets, what is still owned. Called again until it has succeeded.
    pub(super) fn rewind(&self, consumer: &Consumer, state: &mut State) {
        let Some(transactions) = state.transactions.clone() else { return };
        match transactions.undo() {
            Ok(()) => {}
            Err(Unfinished::Fatal(failure)) => return state.fail(failure),
            Err(Unfinished::Undo(_) | Unfinished::TimeOver) => return,
        }
        state.batch.clear();
        state.batch_bytes = 0;
        state.intake.undo();
        if let Err(failure) = transactions.begin() {
            return state.fail(failure);
        }
        state.intake.resume();
        self.status.transactions_undone.fetch_add(1, Ordering::Relaxed);
        state.rewind_wanted = false;
        state.progress.begun = Instant::now();
        state.progress.undone += 1;
        if state.progress.undone > MOST_UNDONE {
            let reason = format!("{MOST_UNDONE} transactions in a row had to be undone; the log says why");
            return state.fail(KafkaError::Input(reason));
        }
        let owned = state.partitions.all();
        for (topic, partition) in &owned {
            state.offsets.forget(topic, *partition);
        }
        if state.closing || owned.is_empty() {
            return;
        }
        if state.progress.undone > 1 {
            thread::sleep(PAUSE);
        }
        let pins: HashMap<(String, i32), i64> = state
            .partitions
            .iter()
            .filter_map(|(topic, owned)| Some(((topic.to_string(), owned.partition), owned.pin?)))
            .collect();
        for (topic, partition) in &owned {
            state.partitions.forget(topic, *partition);
        }
        if consumer.assignment_lost() {
            // The group takes them away; what it gives comes by a rebalance.
            return self.status.set_partitions(&[]);
        }
        if let Err(failure) = self.read_again(consumer, state, &owned, &pins) {
            return state.fail(failure);
        }
        info!(partitions = owned.len(), "reading again from the committed offsets");
    }

    pub(super) fn read_again(
        &self,
        consumer: &Consumer,
        state: &mut State,
        owned: &[(Arc<str>, i32)],
        pins: &HashMap<(String, i32), i64>,
    ) -> Result<(), KafkaError> {
        let failed = |error: rdkafka::error::KafkaError| {
            KafkaError::Input(format!("could not go back to the committed offsets: {error}"))
        };
        let mut list = TopicPartitionList::with_capacity(owned.len());
        for (topic, partition) in owned {
            list.add_partition(topic, *partition);
        }
        // Its generation may be what was refused.
        let member = self.membership(consumer, state.last_poll);
        resume(consumer, &list);
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        if cooperative {
            consumer.incremental_unassign(&list).map_err(failed)?;
        } else {
            consumer.unassign().map_err(failed)?;
        }
        let Some(mut starts) = self.rules.resolve(consumer, &list, &self.stop, &self.limiter, &self.status)? else {
            return Ok(());
        };
        for start in starts.iter_mut().filter(|start| start.committed.is_none()) {
            // Not "the newest" once more: records may have come since.
            if let Some(pin) = pins.get(&(start.topic.clone(), start.partition)) {
                (start.at, start.pin) = (Offset::Offset(*pin), Some(*pin));
            }
        }
        let list = positions(&starts).map_err(failed)?;
        if cooperative {
            consumer.incremental_assign(&list).map_err(failed)?;
        } else {
            consumer.assign(&list).map_err(failed)?;
        }
        if state.paused
            && let Err(error) = consumer.pause(&list)
        {
            warn!(%error, "could not pause partitions");
        }
        for start in starts {
            let next = start.next();
            state.own(&start.topic, start.partition, next, start.committed, start.pin);
        }
        self.take_membership(consumer, state, member);
        self.status.set_partitions(&state.partitions.all());
        Ok(())
    }

    /// The membership of this moment, unless this process was stopped for so long that the group may have put it out: then it may be empty.
    pub(super) fn membership(&self, consumer: &Consumer, last_poll: Instant) -> Option<ConsumerGroupMetadata> {
        let member = consumer.group_metadata();
        member.filter(|_| !consumer.assignment_lost() && last_poll.elapsed() < self.longest_pause)
    }

    /// Remembers the membership under which the owned partitions are read from now on.
    pub(super) fn take_membership(
        &self,
        consumer: &Consumer,
        state: &mut State,
        member: Option<ConsumerGroupMetadata>,
    ) {
        if member.is_some() && !consumer.assignment_lost() {
            state.member = member.map(Arc::new);
        }
    }

    /// How long a commit may wait in the course of things.
    pub(super) const fn commit_patience() -> Duration {
        PATIENCE
    }
}

/// The offsets at which these partitions start.
pub(super) fn positions(starts: &[Start]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(starts.len());
    for start in starts {
        list.add_partition_offset(&start.topic, start.partition, start.at)?;
    }
    Ok(list)
}
