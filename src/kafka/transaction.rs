//! Transactions: what a replica writes, and the offsets of what it read, become visible together or not at all.
//!
//! One transactional producer for each replica, under a name that outlives the process. At start it ends what its predecessor left open. Calls are judged as
//! the client library prescribes: a retriable one is repeated, an abortable error means that the transaction has to be undone, a fatal one ends the
//! process; anything else counts as fatal. One call may never return (see `bounded`): its producer is left behind then and another one takes its name.
//!
//! The library's flush sleeps 100 ms at a time, so nothing here is called before the delivery reports are in.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::{KafkaError as ClientError, KafkaResult, RDKafkaErrorCode as Code},
    producer::{Producer as _, PurgeConfig, ThreadedProducer},
};
use tracing::{info, warn};

use super::{
    Config, KafkaError, bounded,
    probe::Probe,
    properties,
    sink::{
        Client, Producer,
        report::{Reports, Shared, Suspect, failure, goes_with_its_transaction},
    },
};
use crate::pipeline::Commit;

/// Longest single call; between two of them it is seen whether the process has to end.
const CALL: Duration = Duration::from_secs(1);
/// Longest single call that cannot be taken up again: when it is over, the transaction is undone.
const OFFSETS: Duration = Duration::from_secs(5);
/// How much longer than that it may take to return before its producer is given up.
const GRACE: Duration = Duration::from_secs(1);
/// Producers that were left behind and still wait, at most: each of them keeps a few threads.
const LEFT_BEHIND: usize = 8;
/// Between two looks at what is under way.
const LOOK: Duration = Duration::from_micros(200);
/// Transactions that are undone one after the other for refused batches without a record to blame, before the output counts as failed.
const BLAMELESS: u32 = 3;

/// Why a transaction was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// It has to be undone.
    Undo(String),
    /// Nothing can be written any more.
    Fatal(KafkaError),
    /// The time was over. Only a process that ends may leave it at that: what became of the transaction is not known.
    TimeOver,
}

/// What a refusal has to name.
#[derive(Debug)]
struct Names {
    id: String,
    group: String,
    read: String,
    written: String,
}

impl Names {
    fn of(config: &Config) -> Self {
        let quoted = |names: &[&String]| names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        Self {
            id: config.transactional_id(),
            group: config.group_id.clone(),
            read: quoted(&config.topics.iter().collect::<Vec<_>>()),
            written: quoted(&[&config.output_topic, &config.late_topic, &config.dlq_topic]),
        }
    }

    /// The right that this error says is missing, if it says so: undoing and trying again would not bring it back.
    #[expect(clippy::wildcard_enum_match_arm, reason = "other codes say nothing of rights")]
    fn lost_right(&self, error: &ClientError, call: Call) -> Option<KafkaError> {
        let Self { id, group, read, written } = self;
        let what = match error.rdkafka_error_code()? {
            Code::GroupAuthorizationFailed => format!("commit offsets of group '{group}'"),
            Code::TransactionalIdAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                format!("write transactions as '{id}'")
            }
            Code::TopicAuthorizationFailed if call == Call::Offsets => format!("read {read}"),
            Code::TopicAuthorizationFailed => format!("write to each of {written} and of the topics of state"),
            _ => return None,
        };
        Some(KafkaError::Forbidden { what, reason: text(error) })
    }

    /// What makes transactions impossible.
    fn fatal(&self, error: &ClientError) -> KafkaError {
        if let Some(lost) = self.lost_right(error, Call::Other) {
            return lost;
        }
        let mut reason = text(error);
        if let Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) = error.rdkafka_error_code() {
            reason.push_str(
                "; either another process runs with the same kafka.instance_id, or this one was away for longer than transaction.timeout.ms: \
                 start it again",
            );
        }
        KafkaError::Transaction { id: self.id.clone(), reason }
    }
}

/// Which call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Offsets,
    Other,
}

/// The transactional producer's control.
pub(super) struct Transactions {
    names: Names,
    producer: Producer,
    shared: Arc<Shared>,
    settings: ClientConfig,
    probing: ClientConfig,
    open: AtomicBool,
    /// How long the brokers wait for a transaction to end, and when the last one did.
    timeout: Duration,
    ended: Mutex<Instant>,
    blameless: Mutex<u32>,
    /// A call of the producer does not return: nothing else can be asked of it.
    stuck: AtomicBool,
    /// Producers whose call has not returned yet.
    left_behind: Arc<AtomicUsize>,
    /// The next producer, which has not got the name yet.
    next: Mutex<Option<ThreadedProducer<Reports>>>,
}

impl fmt::Debug for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transactions").field("id", &self.names.id).finish_non_exhaustive()
    }
}

impl Transactions {
    /// Takes the name over, ends what an earlier process left open under it, and begins the first transaction.
    pub(super) fn start(
        config: &Config,
        settings: ClientConfig,
        producer: Producer,
        shared: Arc<Shared>,
    ) -> Result<Self, KafkaError> {
        let names = Names::of(config);
        let started = Instant::now();
        loop {
            let begun = producer.read().init_transactions(CALL);
            let Err(error) = begun else { break };
            match judge(&error) {
                Verdict::Again if started.elapsed() < config.start_timeout => {}
                Verdict::Again => {
                    let (brokers, waited) = (config.brokers.clone(), config.start_timeout);
                    return Err(KafkaError::Unreachable { brokers, waited, reason: text(&error) });
                }
                Verdict::Undo | Verdict::Fatal => return Err(names.fatal(&error)),
            }
        }
        producer.read().begin_transaction().map_err(|error| names.fatal(&error))?;
        info!(transactional_id = names.id, took_ms = started.elapsed().as_millis(), "transactions ready");
        let probing = properties::probing_producer(config);
        Ok(Self {
            names,
            producer,
            shared,
            settings,
            probing,
            open: AtomicBool::new(true),
            timeout: properties::transaction_timeout(&config.properties),
            ended: Mutex::new(Instant::now()),
            blameless: Mutex::new(0),
            stuck: AtomicBool::new(false),
            left_behind: Arc::default(),
            next: Mutex::default(),
        })
    }

    /// Whether the transaction cannot be committed any more.
    pub(super) fn is_broken(&self) -> bool {
        self.shared.is_broken()
    }

    /// Says that the transaction must not be committed.
    pub(super) fn set_broken(&self) {
        self.shared.set_broken();
    }

    /// Whether transactions still work.
    pub(super) fn is_usable(&self) -> bool {
        self.shared.failure().is_none()
    }

    /// Records and bytes sent in this transaction.
    pub(super) fn size(&self) -> (u64, u64) {
        self.shared.size()
    }

    /// Waits until everything that was sent is reported: false when that took too long, or the transaction is broken.
    pub(super) fn settle(&self, end: Instant) -> bool {
        while self.shared.in_flight() > 0 || self.producer.read().in_flight_count() > 0 {
            if self.is_broken() || self.shared.failure().is_some() || Instant::now() >= end {
                return false;
            }
            thread::sleep(LOOK);
        }
        !self.is_broken()
    }

    /// Commits the transaction with these offsets and begins the next one. Everything sent has been reported before, and nobody sends meanwhile.
    /// `give_up` says when the process has to end whatever became of it.
    pub(super) fn commit(
        &self,
        commits: &[Commit],
        member: Option<Arc<ConsumerGroupMetadata>>,
        give_up: impl Fn() -> bool,
    ) -> Result<(), Unfinished> {
        if !commits.is_empty() {
            let Some(member) = member else {
                return Err(Unfinished::Undo("this replica is no member of the group at present".to_owned()));
            };
            let list = offsets(commits).map_err(|error| Unfinished::Undo(text(&error)))?;
            self.repeat(Call::Offsets, &give_up, || self.send_offsets(list.clone(), &member, &give_up))?;
        }
        self.repeat(Call::Other, &give_up, || Some(self.producer.read().commit_transaction(CALL)))?;
        self.open.store(false, Ordering::Release);
        *self.ended.lock() = Instant::now();
        *self.blameless.lock() = 0;
        self.begin().map_err(Unfinished::Fatal)
    }

    /// Undoes the transaction; what was sent in it will be read by nobody. Then finds out which records of a refused batch are to blame.
    /// The next transaction does not begin yet.
    pub(super) fn undo(&self) -> Result<(), Unfinished> {
        self.set_broken();
        if self.stuck.load(Ordering::Acquire) {
            self.renew("a call to the coordinator of the group does not return")?;
            self.open.store(false, Ordering::Release);
        }
        if self.open.load(Ordering::Acquire) {
            // It cannot begin, of course: the library says what became of the one that is open.
            if let Err(state) = self.producer.read().begin_transaction()
                && let Some(lost) = self.names.lost_right(&state, Call::Other)
            {
                return Err(Unfinished::Fatal(lost));
            }
            let aborted = self.producer.read().abort_transaction(CALL);
            match aborted.as_ref().map_err(judge) {
                Ok(()) => {}
                Err(Verdict::Again | Verdict::Undo) => return Err(Unfinished::TimeOver),
                Err(Verdict::Fatal) => self.replace(&aborted)?,
            }
            self.open.store(false, Ordering::Release);
        }
        let end = Instant::now() + CALL;
        while self.shared.in_flight() > 0 {
            if Instant::now() >= end {
                return Err(Unfinished::TimeOver);
            }
            thread::sleep(LOOK);
        }
        let suspects = self.shared.take_suspects();
        if suspects.is_empty() { Ok(()) } else { self.examine(suspects).map_err(Unfinished::Fatal) }
    }

    /// Takes a new producer in the place of one that has failed for good, where that does not mean that another process took its name: see [`is_over`].
    fn replace(&self, failed: &KafkaResult<()>) -> Result<(), Unfinished> {
        if let Err(error) = failed
            && !is_over(error.rdkafka_error_code(), self.ended.lock().elapsed() >= self.timeout)
        {
            return Err(Unfinished::Fatal(self.names.fatal(error)));
        }
        self.renew("the brokers had ended the transaction")
    }

    /// Goes on with a new producer, which undoes what the one before has open; called again while the brokers do not give it the name.
    fn renew(&self, why: &str) -> Result<(), Unfinished> {
        let mut next = self.next.lock();
        let fresh = match next.take() {
            Some(fresh) => fresh,
            None => {
                let refused = |error: ClientError| Unfinished::Fatal(KafkaError::Settings(error.to_string()));
                let context = Reports::of_transactions(Arc::clone(&self.shared));
                self.settings.create_with_context(context).map_err(refused)?
            }
        };
        if let Err(error) = fresh.init_transactions(CALL) {
            return Err(match judge(&error) {
                Verdict::Again => {
                    *next = Some(fresh);
                    Unfinished::TimeOver
                }
                Verdict::Undo | Verdict::Fatal => Unfinished::Fatal(self.names.fatal(&error)),
            });
        }
        warn!(transactional_id = self.names.id, why, "going on with a new producer");
        let old = std::mem::replace(&mut *self.producer.write(), Client::new(fresh));
        // What becomes of it concerns nobody any more, but what it still holds is reported.
        old.context().retire();
        old.purge(PurgeConfig::default().queue().inflight());
        drop(old);
        self.stuck.store(false, Ordering::Release);
        *self.ended.lock() = Instant::now();
        if self.left_behind.load(Ordering::Acquire) > LEFT_BEHIND {
            let reason =
                "calls to the coordinator of the group do not return, time after time: start it again".to_owned();
            return Err(Unfinished::Fatal(KafkaError::Transaction { id: self.names.id.clone(), reason }));
        }
        Ok(())
    }

    /// Begins the next transaction.
    pub(super) fn begin(&self) -> Result<(), KafkaError> {
        self.producer.read().begin_transaction().map_err(|error| self.names.fatal(&error))?;
        self.open.store(true, Ordering::Release);
        self.shared.begin();
        Ok(())
    }

    /// Commits what was sent since the source has ended, or undoes it.
    pub(super) fn end(&self, within: Duration) -> bool {
        if self.stuck.load(Ordering::Acquire) {
            return false;
        }
        let end = Instant::now() + within.max(Duration::from_millis(100));
        let done = self.settle(end) && self.size().0 > 0;
        if done || (self.size().0 == 0 && !self.is_broken()) {
            let give_up = || Instant::now() >= end;
            match self.repeat(Call::Other, &give_up, || Some(self.producer.read().commit_transaction(CALL))) {
                Ok(()) => return true,
                Err(reason) => warn!(?reason, "the last transaction was not committed"),
            }
        }
        // An orphan would hold up those who read committed records.
        if self.shared.failure().is_none()
            && let Err(error) = self.producer.read().abort_transaction(CALL)
        {
            warn!(error = text(&error), "the last transaction could not be undone");
        }
        false
    }

    /// Adds offsets to the transaction; `None` when the call does not return.
    fn send_offsets(
        &self,
        list: TopicPartitionList,
        member: &Arc<ConsumerGroupMetadata>,
        give_up: &impl Fn() -> bool,
    ) -> Option<KafkaResult<()>> {
        let (producer, member) = (self.producer.read().shared(), Arc::clone(member));
        let call = move || producer.send_offsets_to_transaction(&list, &member, OFFSETS);
        let returned = bounded::call(call, OFFSETS + GRACE, give_up, &self.left_behind);
        self.stuck.store(returned.is_none(), Ordering::Release);
        returned
    }

    /// Repeats a call as long as that is what the library wants. One that does not return is given up with its transaction.
    fn repeat(
        &self,
        what: Call,
        give_up: &impl Fn() -> bool,
        call: impl Fn() -> Option<KafkaResult<()>>,
    ) -> Result<(), Unfinished> {
        loop {
            let error = match call() {
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => error,
                None => return Err(Unfinished::Undo("the coordinator of the group does not answer".to_owned())),
            };
            if let Some(lost) = self.names.lost_right(&error, what) {
                return Err(Unfinished::Fatal(lost));
            }
            match judge(&error) {
                Verdict::Again if give_up() => return Err(Unfinished::TimeOver),
                Verdict::Again => {}
                Verdict::Undo => return Err(Unfinished::Undo(text(&error))),
                // Whether it is the end is seen when the transaction is undone.
                Verdict::Fatal => return Err(Unfinished::Undo(text(&error))),
            }
        }
    }

    /// Tries records of a refused batch one by one, in transactions that are undone whatever comes of them.
    fn examine(&self, suspects: Vec<Suspect>) -> Result<(), KafkaError> {
        let probe = Probe::new(&self.probing).map_err(|error| KafkaError::Settings(error.to_string()))?;
        let failed = |error: ClientError| self.names.fatal(&error);
        probe.start().map_err(failed)?;
        let (count, mut to_blame) = (suspects.len(), 0);
        for suspect in suspects {
            let code = probe.refusal(&suspect).map_err(failed)?;
            // What says nothing of the record is no reason to blame it: it comes again.
            let Some(code) = code.filter(|code| !goes_with_its_transaction(*code)) else { continue };
            to_blame += 1;
            self.shared.blame(suspect.token, failure(code, suspect.message.topic()));
        }
        let mut blameless = self.blameless.lock();
        *blameless = if to_blame > 0 { 0 } else { *blameless + 1 };
        warn!(records = count, to_blame, "a batch was refused; its records were tried one by one");
        if *blameless >= BLAMELESS {
            let reason = "batches are refused whose records are accepted one by one: max.message.bytes of a topic was lowered; a restart takes the new limit";
            return Err(KafkaError::Transaction { id: self.names.id.clone(), reason: reason.to_owned() });
        }
        Ok(())
    }
}

/// What to do about an error of a transactional call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Again,
    Undo,
    Fatal,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of what is no transactional error nothing can be expected")]
fn judge(error: &ClientError) -> Verdict {
    match error {
        ClientError::Transaction(error) if error.is_fatal() => Verdict::Fatal,
        ClientError::Transaction(error) if error.txn_requires_abort() => Verdict::Undo,
        ClientError::Transaction(error) if error.is_retriable() => Verdict::Again,
        // The reports are in before a commit: only the count of the library lags behind.
        ClientError::Flush(_) => Verdict::Again,
        _ => Verdict::Fatal,
    }
}

/// Whether a producer that failed for good with this error may be followed by a new one of the same process, `timed_out` telling whether the brokers
/// may have ended its transaction by now. They do so with one that is open for too long, by an outage or because this process was stopped, and refuse
/// its producer from then on, which looks just like another process of the same name: where no such time has passed, that one shall go on and this
/// one end. That there is no transaction to end is said where they have not heard of it yet, or had ended it before the answer was lost: nobody has
/// taken the name over then.
fn is_over(code: Option<Code>, timed_out: bool) -> bool {
    match code {
        Some(Code::InvalidTransactionalState) => true,
        Some(Code::TransactionalIdAuthorizationFailed | Code::ClusterAuthorizationFailed) => false,
        _ => timed_out,
    }
}

fn text(error: &ClientError) -> String {
    if let ClientError::Transaction(error) = error { error.string() } else { error.to_string() }
}

fn offsets(commits: &[Commit]) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for commit in commits {
        let mut element = list.add_partition(&commit.topic, commit.partition);
        element.set_offset(Offset::Offset(commit.next))?;
        if !commit.metadata.is_empty() {
            element.set_metadata(&commit.metadata);
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_producer_whose_name_nobody_took_is_followed_by_another() {
        let cases = [
            (Some(Code::InvalidTransactionalState), true, true),
            (Some(Code::Fenced), false, true),
            (Some(Code::ProducerFenced), false, true),
            (Some(Code::InvalidProducerEpoch), false, true),
            (Some(Code::TransactionalIdAuthorizationFailed), false, false),
            (Some(Code::ClusterAuthorizationFailed), false, false),
            (Some(Code::UnknownProducerId), false, true),
            (None, false, true),
        ];
        for (code, at_once, after_the_timeout) in cases {
            assert_eq!(is_over(code, false), at_once, "{code:?}");
            assert_eq!(is_over(code, true), after_the_timeout, "{code:?}");
        }
    }
}
