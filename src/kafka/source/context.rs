//! What the source shares with its callbacks: the intake, the owned partitions, the commits. The library calls back on the
//! thread that polls, so nothing here is ever waited for; the lock only satisfies the types.
//!
//! `rebalance` is overridden as a whole, because the library's own version ignores the errors of assigning and lets the
//! library choose the start offsets (see `start`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message as _, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext, ConsumerGroupMetadata},
    error::{KafkaError as ClientError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
    types::RDKafkaRespErr,
};
use tracing::warn;

use super::{
    committer::Committer, copy::copy, doubt::Doubt, offsets::Offsets, partitions::Partitions, start::Rules,
    status::SourceStatus, transact::Progress,
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

/// Longest wait for the answer to a commit when its partitions are lost.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// The consumer of the source.
pub(super) type Consumer = BaseConsumer<SourceContext>;

/// What changes while the source runs.
pub(super) struct State {
    pub(super) intake: Box<dyn Intake>,
    pub(super) partitions: Partitions,
    pub(super) offsets: Offsets,
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
        let (record, unreadable) = copy(message, topic, owned.epoch);
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
