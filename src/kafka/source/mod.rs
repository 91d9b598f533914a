//! The source: one consumer, polled on its own thread, that hands small batches of records to the pipeline and commits
//! what the pipeline has finished.
//!
//! - Records are handed over as soon as there are any; a batch holds what has arrived, up to a bound.
//! - Back-pressure: for a short while the thread just does not read; when it lasts, the partitions are paused, so that
//!   the membership in the group stays alive however long it takes.
//! - At least once it also waits where the group does not answer commits (see `doubt`).
//! - A revoked partition is drained and committed before it is given up; a lost one is dropped without a commit.
//! - Broker errors that pass are waited out. What does not pass ends the source with an error: a process that is up and
//!   idle helps nobody.

mod commits;
mod committer;
mod context;
mod copy;
mod doubt;
mod gap;
mod offsets;
mod partitions;
mod rebalance;
mod start;
mod status;
mod transact;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{TopicPartitionList, consumer::Consumer as _, error::KafkaError as ClientError};
use tracing::{info, warn};

pub use status::{PartitionStatus, SourceStatus};

use self::{
    committer::Committer,
    context::{Consumer, SourceContext, State},
    doubt::Doubt,
    gap::Inspection,
    offsets::Offsets,
    partitions::Partitions,
    start::Rules,
    transact::Progress,
};
use super::{Config, KafkaError, OnGap, log::Limiter, properties, topics::Topics, transaction::Transactions};
use crate::{model::SharedClock, pipeline::Intake};

/// Most records of a batch.
const BATCH_RECORDS: usize = 256;
/// Most bytes of a batch, roughly.
const BATCH_BYTES: usize = 1 << 20;
/// Longest wait for a record; bounds how late everything else is done.
const IDLE: Duration = Duration::from_millis(20);
/// Back-pressure shorter than this only delays reading: pausing throws away what was fetched ahead.
const SHORT: Duration = Duration::from_millis(100);
/// Times that an unexplained "out of range" is looked into, a second apart, before the source gives up.
const INSPECTIONS: u32 = 5;

/// A running source.
pub struct SourceHandle {
    stop: Arc<AtomicBool>,
    status: Arc<SourceStatus>,
    thread: JoinHandle<Result<(), KafkaError>>,
}

impl fmt::Debug for SourceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

impl SourceHandle {
    /// Asks the source to end: it drains the intake (at most `shutdown_timeout`), commits, leaves the group.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the source has ended, by itself or because it was asked to.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// How the source is doing.
    pub fn status(&self) -> Arc<SourceStatus> {
        Arc::clone(&self.status)
    }

    /// Waits for the end of the source.
    ///
    /// # Errors
    /// Why it ended, unless it was asked to.
    pub fn join(self) -> Result<(), KafkaError> {
        self.thread.join().unwrap_or(Err(KafkaError::Panicked))
    }
}

/// Creates the consumer and starts its thread.
pub(super) fn spawn(
    config: &Config,
    topics: &Topics,
    clock: SharedClock,
    intake: Box<dyn Intake>,
    transactions: Option<Arc<Transactions>>,
) -> Result<SourceHandle, KafkaError> {
    let settings = properties::consumer(config);
    let longest_silence = settings.get("max.poll.interval.ms").and_then(|value| value.parse().ok()).unwrap_or(60_000);
    let number = |name: &str| settings.get(name).and_then(|value| value.parse().ok());
    let session = Duration::from_millis(number("session.timeout.ms").unwrap_or(45_000));
    let exactly_once = transactions.is_some();
    let fresh_members = settings.get("group.protocol") == Some("consumer");
    let stop = Arc::new(AtomicBool::new(false));
    let status = SourceStatus::new(clock);
    let context = SourceContext {
        state: Mutex::new(State {
            intake,
            partitions: Partitions::default(),
            offsets: Offsets::default(),
            batch: Vec::with_capacity(BATCH_RECORDS),
            batch_bytes: 0,
            failure: None,
            closing: false,
            paused: false,
            committer: None,
            out_of_range: None,
            transactions,
            member: None,
            progress: Progress::new(config.transaction_interval),
            rewind_wanted: false,
            doubt: Doubt::new(config.commit_interval, session),
            last_poll: Instant::now(),
        }),
        status: Arc::clone(&status),
        stop: Arc::clone(&stop),
        limiter: Limiter::default(),
        rules: Rules::new(config, &topics.inputs),
        group: config.group_id.clone(),
        // The group waits for this member that long and no longer.
        drain: config.shutdown_timeout.min(Duration::from_millis(longest_silence) * 3 / 4),
        fresh_members,
        longest_pause: session / 2,
    };
    let refused = |error: ClientError| KafkaError::Settings(error.to_string());
    let no_thread = |error: std::io::Error| KafkaError::Settings(format!("no thread for the input: {error}"));
    let consumer: Arc<Consumer> = Arc::new(settings.create_with_context(context).map_err(refused)?);
    let names: Vec<&str> = config.topics.iter().map(String::as_str).collect();
    consumer.subscribe(&names).map_err(refused)?;
    if !exactly_once {
        consumer.context().state.lock().committer = Some(Committer::spawn(Arc::clone(&consumer)).map_err(no_thread)?);
    }
    let source = Source {
        consumer,
        stop: Arc::clone(&stop),
        on_gap: config.on_gap,
        commit_interval: config.commit_interval,
        shutdown_timeout: config.shutdown_timeout,
        takes_leave: !fresh_members && !config.static_membership,
        last_commit: Instant::now(),
        held_since: None,
        inspections: 0,
        next_inspection: Instant::now(),
    };
    let thread = thread::Builder::new().name("kafka-in".to_owned()).spawn(move || source.run()).map_err(no_thread)?;
    Ok(SourceHandle { stop, status, thread })
}

struct Source {
    consumer: Arc<Consumer>,
    stop: Arc<AtomicBool>,
    on_gap: OnGap,
    commit_interval: Duration,
    shutdown_timeout: Duration,
    /// Whether the group is told of the end of a member that owns nothing: it has to be, and may be.
    takes_leave: bool,
    last_commit: Instant,
    /// Since when the intake has wanted a pause.
    held_since: Option<Instant>,
    inspections: u32,
    next_inspection: Instant,
}

impl Source {
    fn run(mut self) -> Result<(), KafkaError> {
        while !self.stop.load(Ordering::Relaxed) {
            self.context().status.round();
            if self.context().state.lock().failure.is_some() {
                break;
            }
            match self.back_pressure() {
                Some(wait) => self.read(wait),
                None => thread::sleep(Duration::from_millis(1)),
            }
            self.look_for_gaps();
            self.commit_if_due();
            self.rewind_if_wanted();
        }
        self.finish()
    }

    fn context(&self) -> &Arc<SourceContext> {
        self.consumer.context()
    }

    /// Reads what has arrived and hands it over. Waits this long for the first record.
    fn read(&self, wait: Duration) {
        let context = self.context();
        context.state.lock().last_poll = Instant::now();
        let mut wait = wait;
        loop {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => context.take(&message),
                Some(Err(error)) => context.judge(&error),
                None => break,
            }
            wait = Duration::ZERO;
            let state = context.state.lock();
            if state.batch.len() >= BATCH_RECORDS || state.batch_bytes >= BATCH_BYTES || state.failure.is_some() {
                break;
            }
        }
        let mut guard = context.state.lock();
        let state = &mut *guard;
        if !state.batch.is_empty() {
            state.batch_bytes = 0;
            state.doubt.read(state.batch.len());
            let batch = std::mem::replace(&mut state.batch, Vec::with_capacity(BATCH_RECORDS));
            state.intake.records(batch);
        }
    }

    /// How long to wait for records; `None` when nothing is to be read just now.
    fn back_pressure(&mut self) -> Option<Duration> {
        let context = Arc::clone(self.context());
        let mut guard = context.state.lock();
        let state = &mut *guard;
        let reachable = context.status.unreachable_for().is_zero();
        let in_doubt = state.transactions.is_none() && state.doubt.waits(reachable, Instant::now());
        if !in_doubt && !state.intake.paused_wanted() {
            self.held_since = None;
            if state.paused {
                state.paused = false;
                let owned = partition_list(state);
                drop(guard);
                self.set_paused(&owned, false);
            }
            return Some(IDLE);
        }
        let since = *self.held_since.get_or_insert_with(Instant::now);
        if !state.paused {
            if since.elapsed() < SHORT {
                return None;
            }
            state.paused = true;
            let owned = partition_list(state);
            drop(guard);
            self.set_paused(&owned, true);
        }
        Some(Duration::from_millis(5))
    }

    fn set_paused(&self, owned: &TopicPartitionList, paused: bool) {
        self.context().status.set_paused(paused);
        if owned.count() == 0 {
            return;
        }
        let result = if paused { self.consumer.pause(owned) } else { self.consumer.resume(owned) };
        if let Err(error) = result {
            self.context().fail(KafkaError::Input(format!("could not pause or resume: {error}")));
        }
    }

    fn look_for_gaps(&mut self) {
        let Some(reason) = self.context().state.lock().out_of_range.clone() else { return };
        if Instant::now() < self.next_inspection {
            return;
        }
        self.next_inspection = Instant::now() + Duration::from_secs(1);
        match gap::inspect(&self.consumer, self.on_gap, self.shutdown_timeout) {
            Inspection::Handled => {
                self.inspections = 0;
                self.context().state.lock().out_of_range = None;
            }
            Inspection::NoAnswer => {}
            Inspection::NothingWrong => {
                self.inspections += 1;
                if self.inspections >= INSPECTIONS {
                    let text = format!("a partition cannot be read on, though its position is there: {reason}");
                    self.context().fail(KafkaError::Input(text));
                }
            }
        }
    }

    fn commit_if_due(&mut self) {
        let context = Arc::clone(self.context());
        let mut guard = context.state.lock();
        if let Some(transactions) = &guard.transactions {
            // Undone as soon as it is known to be hopeless: shards only wait for that then.
            if transactions.is_broken() || guard.progress.is_due(transactions) {
                context.transact(&self.consumer, &mut guard, SourceContext::commit_patience());
            }
            return;
        }
        if guard.offsets.is_under_way() {
            context.settle_answers(&mut guard, Duration::ZERO);
        }
        let interval = if guard.doubt.is_cut_off() { self.commit_interval.min(SHORT) } else { self.commit_interval };
        if self.last_commit.elapsed() >= interval {
            self.last_commit = Instant::now();
            context.send_commits(&mut guard);
        }
    }

    fn rewind_if_wanted(&self) {
        let mut state = self.context().state.lock();
        if state.rewind_wanted && state.failure.is_none() {
            self.context().rewind(&self.consumer, &mut state);
        }
    }

    /// Exactly once: nothing may stay in a transaction without its offsets.
    fn end_transaction(&self, clean: bool, until: Instant) {
        let context = self.context();
        let mut state = context.state.lock();
        let Some(transactions) = state.transactions.clone() else { return };
        state.rewind_wanted |= !clean || state.failure.is_some();
        let failed_before = state.failure.take();
        while state.rewind_wanted && state.failure.is_none() && Instant::now() < until && transactions.is_usable() {
            context.rewind(&self.consumer, &mut state);
        }
        state.failure = failed_before.or(state.failure.take());
        if state.rewind_wanted {
            transactions.set_broken();
        }
    }

    /// The newer protocol counts a member from its first heartbeat on, but the library takes leave only when that has been answered: one that went in
    /// between would keep what it is given until its session is over, 45 s as brokers have it.
    fn await_membership(&self) {
        let (context, began) = (self.context(), Instant::now());
        while context.fresh_members
            && !context.status.joined()
            && context.state.lock().failure.is_none()
            && began.elapsed() < JOINING.min(self.shutdown_timeout)
        {
            // Nothing that arrives is handed over any more.
            match self.consumer.poll(IDLE) {
                Some(Ok(_)) | None => {}
                Some(Err(error)) => context.judge(&error),
            }
        }
    }

    /// Drains, commits, leaves the group.
    fn finish(self) -> Result<(), KafkaError> {
        let began = Instant::now();
        self.await_membership();
        let context = Arc::clone(self.context());
        let (owned, failure) = {
            let mut state = context.state.lock();
            state.closing = true;
            state.progress.last_call = Some(began + self.shutdown_timeout);
            (state.partitions.all(), state.failure.clone())
        };
        let exactly_once = context.state.lock().transactions.is_some();
        let lost = self.consumer.assignment_lost()
            || matches!(failure, Some(KafkaError::Group { .. }))
            // No transaction will be committed any more.
            || exactly_once && failure.is_some();
        if !owned.is_empty() {
            info!(partitions = owned.len(), "draining the input");
            context.give_up(&self.consumer, &owned, lost, self.shutdown_timeout);
        }
        // In the background: with the brokers away it would wait for longer than a shutdown may take.
        let left = self.shutdown_timeout.saturating_sub(began.elapsed() + LEAVING).max(Duration::from_secs(1));
        let commit_began = Instant::now();
        let patience = || if context.status.unreachable_for().is_zero() { left } else { left.min(AWAY) };
        self.end_transaction(!lost, began + self.shutdown_timeout.max(Duration::from_secs(2)));
        while !lost && !exactly_once && commit_began.elapsed() < patience() {
            {
                let mut state = context.state.lock();
                context.settle_answers(&mut state, Duration::ZERO);
                if state.offsets.is_settled() || state.failure.is_some() && failure.is_none() {
                    break;
                }
                context.send_commits(&mut state);
            }
            // Records that still arrive are left out: the source is closing.
            match self.consumer.poll(Duration::from_millis(5)) {
                Some(Ok(_)) | None => {}
                Some(Err(error)) => context.judge(&error),
            }
        }
        let committer = context.state.lock().committer.take();
        let free = committer.is_none_or(|committer| committer.end(Duration::from_secs(1)));
        {
            let mut state = context.state.lock();
            if !lost && !exactly_once && !state.offsets.is_settled() {
                warn!("the last commit was not acknowledged: some records will be read again");
            }
            // Leaving the group must not wait for it once more.
            state.offsets = Offsets::default();
        }
        context.status.set_partitions(&[]);
        context.status.set_joined(false);
        let failure = failure.or_else(|| context.state.lock().failure.clone());
        // Leaves the group; on this thread, which is the one that polls. With a commit still waiting for a broker there
        // is nobody to tell.
        if free {
            // The library closes a member of an older group that owns nothing without a word: the others would wait for it until its session is
            // over, and their commits with them. (librdkafka 2.12.1, rd_kafka_cgrp_revoke_all_rejoin.)
            if self.takes_leave && owned.is_empty() {
                self.consumer.unsubscribe();
            }
            drop(self.consumer);
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Longest wait for the answer to a first heartbeat, at the end.
const JOINING: Duration = Duration::from_secs(2);

/// Kept of the time for a shutdown when the last commit is waited for: the rest has to end too.
const LEAVING: Duration = Duration::from_secs(2);

/// Longest wait for the last commit while no broker is in reach.
const AWAY: Duration = Duration::from_secs(5);

fn partition_list(state: &State) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, owned) in state.partitions.iter() {
        list.add_partition(topic, owned.partition);
    }
    list
}
