//! What the source shares with its callbacks: the intake, the owned partitions, the commits. The library calls back on the
//! thread that polls, so nothing here is ever waited for; the lock only satisfies the types.
//!
//! `rebalance` is overridden as a whole, because the library's own version ignores the errors of assigning and lets the
//! library choose the start offsets (see `start`).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message as _, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata, RebalanceProtocol},
    error::{KafkaError as ClientError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
    types::RDKafkaRespErr,
};
use tracing::{info, warn};

use super::{
    committer::{Answer, Committer, commit},
    copy::Copier,
    doubt::Doubt,
    offsets::Offsets,
    partitions::Partitions,
    start::Rules,
    status::SourceStatus,
    transact::{Progress, positions},
};
use crate::{
    kafka::{
        KafkaError,
        error::{Severity, severity},
        log::Limiter,
        transaction::Transactions,
    },
    model::Record,
    pipeline::{Assigned, Commit, Intake},
};

/// Longest metadata of a commit, in bytes; the default of brokers.
const METADATA: usize = 4096;

/// Longest wait for the answer to a commit when its partitions are lost.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// The consumer of the source.
pub(super) type Consumer = BaseConsumer<SourceContext>;

/// What changes while the source runs.
pub(super) struct State {
    pub(super) intake: Box<dyn Intake>,
    pub(super) partitions: Partitions,
    pub(super) offsets: Offsets,
    pub(super) copier: Copier,
    /// Records that were read and not handed over yet.
    pub(super) batch: Vec<Record>,
    /// Their weight in bytes.
    pub(super) batch_bytes: usize,
    /// Ends the source.
    pub(super) failure: Option<KafkaError>,
    /// Nothing is owned any more; rebalances are only acknowledged.
    pub(super) closing: bool,
    /// All owned partitions are paused.
    pub(super) paused: bool,
    /// Commits in the background.
    pub(super) committer: Option<Committer>,
    /// A fetch position was out of range; what the library said.
    pub(super) out_of_range: Option<String>,
    /// Exactly once: where records are written.
    pub(super) transactions: Option<Arc<Transactions>>,
    /// The membership under which the owned partitions are read.
    pub(super) member: Option<Arc<ConsumerGroupMetadata>>,
    /// Of the transaction.
    pub(super) progress: Progress,
    /// The transaction has to be undone.
    pub(super) rewind_wanted: bool,
    /// At least once: whether commits are answered.
    pub(super) doubt: Doubt,
    /// When the source last looked for records: a process that was stopped for longer than its session may have been put out of the group.
    pub(super) last_poll: Instant,
}

/// The context of the consumer.
pub(super) struct SourceContext {
    pub(super) state: Mutex<State>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) limiter: Limiter,
    pub(super) rules: Rules,
    pub(super) group: String,
    /// Longest drain inside a rebalance.
    pub(super) drain: Duration,
    /// Exactly once: the group knows members by a name that they chose, so that a membership is never empty and may be taken at any time. It has
    /// to be: its epoch changes without a rebalance of this member.
    pub(super) fresh_members: bool,
    /// A pause after which the group may have put this member out.
    pub(super) longest_pause: Duration,
}

impl SourceContext {
    /// Takes a record into the batch. One that is not owned, or was read before, is left out.
    pub(super) fn take(&self, message: &BorrowedMessage<'_>) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        // What was written is about to be undone: this will be read again.
        if state.closing || state.rewind_wanted {
            return;
        }
        let Some((topic, owned)) = state.partitions.of_record(message.topic(), message.partition()) else { return };
        if owned.next.is_some_and(|next| message.offset() < next) {
            return;
        }
        owned.next = Some(message.offset().saturating_add(1));
        let (record, unreadable) = state.copier.copy(message, topic, owned.epoch);
        if unreadable > 0 {
            self.status.headers_unreadable.fetch_add(unreadable, Ordering::Relaxed);
            if self.limiter.admit("unreadable header").is_some() {
                let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
                warn!(topic, partition, offset, "left out a header whose name is not utf-8");
            }
        }
        state.batch_bytes += record.weight();
        state.batch.push(record);
    }

    /// Judges an error that `poll` returned.
    pub(super) fn judge(&self, error: &ClientError) {
        if let ClientError::MessageConsumptionFatal(code) = error {
            return self.fail(KafkaError::Group { group: self.group.clone(), reason: code.to_string() });
        }
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        match severity(code) {
            // Reported by `error` with its reason.
            Severity::Transient => {}
            Severity::OutOfRange => {
                self.state.lock().out_of_range.get_or_insert_with(|| code.to_string());
            }
            Severity::Forbidden => self.fail(self.rules.forbidden(code)),
            Severity::Group => self.fail(KafkaError::Group { group: self.group.clone(), reason: code.to_string() }),
            Severity::Fatal => self.fail(KafkaError::Input(code.to_string())),
        }
    }

    /// Ends the source with this error; the first one counts.
    pub(super) fn fail(&self, failure: KafkaError) {
        self.state.lock().fail(failure);
    }

    /// Gives partitions up: lets the intake finish them within the time, commits what it finished, forgets them.
    pub(super) fn give_up(&self, consumer: &Consumer, partitions: &[(Arc<str>, i32)], lost: bool, within: Duration) {
        let began = Instant::now();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        // Not handed over yet: whoever owns the partition next reads it again.
        state.batch.retain(|record| {
            !partitions
                .iter()
                .any(|(topic, number)| *number == record.origin.partition && *topic == record.origin.topic)
        });
        let commits = state.intake.revoke(partitions, lost, within);
        if state.transactions.is_some() {
            if lost {
                // What was written on account of the lost ones must not be committed.
                state.rewind_wanted = true;
            } else {
                for commit in commits {
                    self.want(state, commit);
                }
                let left = within.saturating_sub(began.elapsed()).max(Duration::from_secs(1));
                self.transact_finally(consumer, state, left);
            }
        } else if !lost {
            for commit in commits {
                self.want(state, commit);
            }
            let left = within.saturating_sub(began.elapsed()).max(Duration::from_secs(1));
            if state.closing {
                return;
            }
            self.commit_now(consumer, state, left);
        } else if state.offsets.is_under_way() {
            // The library would send a commit that waits for its coordinator under the membership to come.
            self.settle_answers(state, LAST_ANSWER);
        }
        for (topic, partition) in partitions {
            state.partitions.forget(topic, *partition);
            state.offsets.forget(topic, *partition);
        }
        self.status.set_partitions(&state.partitions.all());
    }

    /// Commits and waits for it; what is refused for a reason that passes is tried again until the time is over.
    fn commit_now(&self, consumer: &Consumer, state: &mut State, within: Duration) {
        let began = Instant::now();
        while !state.offsets.is_settled() && state.failure.is_none() {
            let left = within.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            if state.offsets.is_under_way() {
                self.settle_answers(state, left);
                continue;
            }
            let answer = commit(consumer, state.offsets.take_due());
            let refused = answer.refused;
            self.settle(state, answer);
            // The generation does not change while the library waits for the end of its rebalance: the group went on without this member.
            if refused == Some(Code::IllegalGeneration) && !state.closing {
                return;
            }
            if refused.is_some() {
                thread::sleep(Duration::from_millis(100).min(left));
            }
        }
    }

    /// Takes the answer of the commit under way, waiting for it this long.
    pub(super) fn settle_answers(&self, state: &mut State, within: Duration) {
        let Some(answer) = state.committer.as_ref().and_then(|committer| committer.answer(within)) else { return };
        state.offsets.answered();
        self.settle(state, answer);
    }

    /// Asks the intake what may be committed and sends it off, unless a commit is under way.
    pub(super) fn send_commits(&self, state: &mut State) {
        for commit in state.intake.committable() {
            self.want(state, commit);
        }
        if state.offsets.is_under_way() {
            return;
        }
        let due = state.offsets.take_due();
        if !due.is_empty() && state.committer.as_ref().is_some_and(|committer| committer.send(due)) {
            state.offsets.sent();
            state.doubt.asked(Instant::now());
        }
    }

    pub(super) fn want(&self, state: &mut State, mut commit: Commit) {
        if commit.metadata.len() > METADATA {
            let (topic, partition, bytes) = (&*commit.topic, commit.partition, commit.metadata.len());
            warn!(topic, partition, bytes, "metadata of a commit is too long, left out");
            commit.metadata.clear();
        }
        state.offsets.want(commit);
    }

    /// Takes the answer to a commit.
    fn settle(&self, state: &mut State, answer: Answer) {
        let held = state.offsets.answered_for(&answer.partitions);
        let Some(code) = answer.refused else { return state.doubt.is_member() };
        if code == Code::NoOffset {
            return state.doubt.is_member();
        }
        self.status.commits_refused.fetch_add(1, Ordering::Relaxed);
        if self.limiter.admit("commit").is_some() {
            warn!(%code, partitions = answer.partitions.len(), group = self.group, "commit refused");
        }
        if matches!(code, Code::UnknownMemberId | Code::FencedMemberEpoch) {
            // Others may have gone on from here. An answer to what an earlier membership asked says nothing about this one.
            if held {
                self.put_out(state);
            }
            return;
        }
        match severity(code) {
            Severity::Transient | Severity::OutOfRange => {
                for (topic, partition) in &answer.partitions {
                    if code == Code::OffsetMetadataTooLarge {
                        state.offsets.drop_metadata(topic, *partition);
                    }
                    state.offsets.refused(topic, *partition);
                }
            }
            Severity::Forbidden => state.fail(self.rules.forbidden(code)),
            Severity::Group | Severity::Fatal => {
                state.fail(KafkaError::Group { group: self.group.clone(), reason: code.to_string() });
            }
        }
    }

    /// The group has ended this membership: nothing that was read under it may be committed under another one. The library finds out by itself,
    /// joins again and is assigned partitions anew.
    fn put_out(&self, state: &mut State) {
        state.offsets.forget_all();
        if state.closing {
            return;
        }
        let owned = state.partitions.all();
        state.batch.clear();
        state.batch_bytes = 0;
        let _: Vec<Commit> = state.intake.revoke(&owned, true, Duration::ZERO);
        for (topic, partition) in &owned {
            state.partitions.forget(topic, *partition);
        }
        warn!(group = self.group, partitions = owned.len(), "put out of the group, its partitions are dropped");
        self.status.set_partitions(&[]);
    }

    /// Partitions that the library kept through a rebalance though they were dropped (see `put_out`): they are read again from where the group is.
    fn adopt(&self, consumer: &Consumer, state: &mut State) {
        if state.closing || state.transactions.is_some() || state.failure.is_some() {
            return;
        }
        let Ok(assigned) = consumer.assignment() else { return };
        let mut kept = Vec::new();
        for element in assigned.elements() {
            if state.partitions.of_record(element.topic(), element.partition()).is_none() {
                kept.push((state.partitions.name(element.topic()), element.partition()));
            }
        }
        if !kept.is_empty()
            && let Err(failure) = self.read_again(consumer, state, &kept, &HashMap::new())
        {
            state.fail(failure);
        }
    }

    fn assign(&self, consumer: &Consumer, assigned: &TopicPartitionList) {
        self.status.rebalances.fetch_add(1, Ordering::Relaxed);
        let last_poll = self.state.lock().last_poll;
        let member = self.membership(consumer, last_poll);
        let starts = match self.rules.resolve(consumer, assigned, &self.stop, &self.limiter, &self.status) {
            Ok(starts) => starts.unwrap_or_default(),
            Err(failure) => {
                self.fail(failure);
                Vec::new()
            }
        };
        let list = positions(&starts).unwrap_or_else(|error| {
            self.fail(KafkaError::Input(error.to_string()));
            TopicPartitionList::new()
        });
        // Also when there is nothing to assign: the library waits for the answer to its rebalance.
        let result = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(&list),
        };
        if let Err(error) = result {
            return self.fail(KafkaError::Input(format!("could not take over partitions: {error}")));
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.paused
            && list.count() > 0
            && let Err(error) = consumer.pause(&list)
        {
            warn!(%error, "could not pause new partitions");
        }
        for start in starts {
            let next = start.next();
            state.own(&start.topic, start.partition, next, start.committed, start.pin);
        }
        self.take_membership(consumer, state, member);
        state.doubt.is_member();
        if matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            self.adopt(consumer, state);
        }
        let owned = state.partitions.all();
        info!(group = self.group, assigned = list.count(), owned = owned.len(), "partitions assigned");
        self.status.set_partitions(&owned);
        self.status.set_reachable(true);
        self.status.set_joined(true);
    }

    /// Which of these partitions have to be given up. None while closing: they were drained already, and only a commit
    /// may still have to be made before they go.
    fn owned_of(&self, consumer: &Consumer, revoked: &TopicPartitionList, lost: bool) -> Vec<(Arc<str>, i32)> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.closing {
            if lost {
                state.offsets.forget_all();
            } else if state.transactions.is_none() {
                self.commit_now(consumer, state, Duration::from_secs(1));
            }
            return Vec::new();
        }
        let mut owned = state.partitions.all();
        owned.retain(|(topic, partition)| revoked.find_partition(topic, *partition).is_some());
        owned
    }

    /// At least once: whether this process was stopped, just now, for so long that the group may have put it out.
    fn was_away(&self) -> bool {
        let state = self.state.lock();
        state.transactions.is_none() && !state.closing && state.last_poll.elapsed() >= self.longest_pause
    }

    fn revoke(&self, consumer: &Consumer, revoked: &TopicPartitionList) {
        self.status.rebalances.fetch_add(1, Ordering::Relaxed);
        let lost = consumer.assignment_lost() || self.was_away();
        if lost {
            self.state.lock().member = None;
        }
        let partitions = self.owned_of(consumer, revoked, lost);
        if !partitions.is_empty() {
            info!(group = self.group, revoked = partitions.len(), lost, "partitions revoked");
            self.give_up(consumer, &partitions, lost, self.drain);
        }
        resume(consumer, revoked);
        let result = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => {
                // Only what is assigned may be taken away; an assignment that failed half-way was not.
                let mut list = TopicPartitionList::with_capacity(revoked.count());
                if let Ok(assigned) = consumer.assignment() {
                    for element in revoked.elements() {
                        if assigned.find_partition(element.topic(), element.partition()).is_some() {
                            list.add_partition(element.topic(), element.partition());
                        }
                    }
                }
                if list.count() == 0 {
                    consumer.incremental_assign(&list)
                } else {
                    consumer.incremental_unassign(&list)
                }
            }
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        };
        if let Err(error) = result {
            self.fail(KafkaError::Input(format!("could not give partitions up: {error}")));
        }
    }
}

/// Before partitions are given back to the library: it would keep them paused through an assignment to come, which may be under other circumstances.
pub(super) fn resume(consumer: &Consumer, partitions: &TopicPartitionList) {
    if partitions.count() > 0
        && let Err(error) = consumer.resume(partitions)
    {
        warn!(%error, "could not resume partitions that go");
    }
}

impl State {
    pub(super) fn fail(&mut self, failure: KafkaError) {
        self.failure.get_or_insert(failure);
    }

    /// Takes a partition over and tells the intake.
    pub(super) fn own(
        &mut self,
        topic: &str,
        partition: i32,
        next: Option<i64>,
        committed: Option<(i64, String)>,
        pin: Option<i64>,
    ) {
        let epoch = self.partitions.own(topic, partition, next);
        let topic = self.partitions.name(topic);
        self.offsets.own(&topic, partition, committed.clone());
        let (committed, metadata) = committed.map_or((None, String::new()), |(next, text)| (Some(next), text));
        if let Some(next) = pin {
            if let Some((_, owned)) = self.partitions.of_record(&topic, partition) {
                owned.pin = Some(next);
            }
            self.offsets.want(Commit { topic: Arc::clone(&topic), partition, next, metadata: String::new() });
        }
        self.intake.assigned(Assigned { topic, partition, epoch, metadata, committed });
    }
}

impl ClientContext for SourceContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.limiter.library("consumer", level, facility, text);
    }

    fn stats_raw(&self, json: &[u8]) {
        self.status.take_statistics(json);
    }

    fn error(&self, error: ClientError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        if code == Code::AllBrokersDown {
            self.status.set_reachable(false);
        }
        if let Some(held) = self.limiter.admit(&code.to_string()) {
            warn!(%code, held, group = self.group, "consumer: {reason}");
        }
    }
}

impl ConsumerContext for SourceContext {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other code is an error")]
    fn rebalance(&self, consumer: &Consumer, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, partitions),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => self.revoke(consumer, partitions),
            other => {
                warn!(code = %Code::from(other), group = self.group, "rebalance failed, giving all partitions up");
                self.revoke(consumer, partitions);
            }
        }
    }
}
