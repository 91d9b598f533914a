//! The smallest pipeline: echoes every record to the output and allows the commit of what was acknowledged.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sidelight::{
    kafka::{Config, Kafka, KafkaError, KafkaSink, SourceHandle},
    model::{Record, SystemClock},
    pipeline::{
        Assigned, Commit, Delivered, DeliveryFailure, Destination, Intake, OutHeader, Outgoing, SendError, Sink as _,
        Token,
    },
};

type Partition = (Arc<str>, i32);

#[derive(Default)]
struct Progress {
    epoch: u32,
    /// Offsets under way.
    open: BTreeMap<i64, ()>,
    /// One past the largest offset that came.
    seen: i64,
    told: i64,
}

#[derive(Default)]
struct Inner {
    partitions: HashMap<Partition, Progress>,
    /// Where each record under way stands, and its time.
    tokens: HashMap<u64, (Partition, u32, i64, Option<i64>)>,
    waiting: VecDeque<Record>,
    next_token: u64,
}

/// What happened, and the switches of a test.
#[derive(Default)]
pub(crate) struct Echo {
    inner: Mutex<Inner>,
    sink: OnceLock<Arc<KafkaSink>>,
    pub(crate) received: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) failures: Mutex<Vec<DeliveryFailure>>,
    pub(crate) assignments: Mutex<Vec<Assigned>>,
    pub(crate) revoked: Mutex<Vec<(Partition, bool)>>,
    pub(crate) violations: Mutex<Vec<String>>,
    /// Wants a pause.
    pub(crate) hold: AtomicBool,
    /// Put into the metadata of every commit.
    pub(crate) metadata: Mutex<String>,
}

impl Echo {
    /// Sends a record; gives it back when there is no room for it.
    fn forward(&self, inner: &mut Inner, record: Record) -> Option<Record> {
        let headers: Vec<OutHeader<'_>> = record.headers().map(|(name, value)| OutHeader { name, value }).collect();
        let out = Outgoing {
            destination: Destination::Output,
            partition: None,
            key: record.key(),
            payload: record.payload(),
            headers: &headers,
            timestamp: record.timestamp,
        };
        let token = inner.next_token;
        let place = (
            (Arc::clone(&record.origin.topic), record.origin.partition),
            record.epoch,
            record.origin.offset,
            record.timestamp,
        );
        inner.tokens.insert(token, place);
        match self.sink.get().unwrap().send(&out, Token(token)) {
            Ok(()) => {
                inner.next_token += 1;
                None
            }
            Err(SendError::Full) => {
                inner.tokens.remove(&token);
                drop(headers);
                Some(record)
            }
            Err(error) => {
                let ((topic, partition), epoch, offset, _) = inner.tokens.remove(&token).unwrap();
                let failure = match error {
                    SendError::TooLarge => DeliveryFailure::TooLarge,
                    SendError::Refused(text) => DeliveryFailure::Refused(text),
                    SendError::Full | SendError::Fatal(_) | SendError::Undone => {
                        DeliveryFailure::Fatal(error.to_string())
                    }
                };
                self.failures.lock().push(failure);
                Self::finish(inner, &(topic, partition), epoch, offset);
                None
            }
        }
    }

    fn finish(inner: &mut Inner, partition: &Partition, epoch: u32, offset: i64) {
        if let Some(progress) = inner.partitions.get_mut(partition)
            && progress.epoch == epoch
        {
            progress.open.remove(&offset);
        }
    }

    fn drain_waiting(&self, inner: &mut Inner) {
        while let Some(record) = inner.waiting.pop_front() {
            if let Some(record) = self.forward(inner, record) {
                inner.waiting.push_front(record);
                break;
            }
        }
    }

    fn commits(&self, inner: &mut Inner, of: impl Fn(&Partition) -> bool) -> Vec<Commit> {
        let mut commits = Vec::new();
        for (partition, progress) in inner.partitions.iter_mut().filter(|(partition, _)| of(partition)) {
            let next = progress.open.keys().next().copied().unwrap_or(progress.seen);
            if next > progress.told {
                progress.told = next;
                let metadata = self.metadata.lock().clone();
                commits.push(Commit { topic: Arc::clone(&partition.0), partition: partition.1, next, metadata });
            }
        }
        commits
    }

    fn violation(&self, text: String) {
        self.violations.lock().push(text);
    }
}

impl Delivered for Echo {
    fn created(&self, token: Token) -> Option<i64> {
        self.inner.lock().tokens.get(&token.0)?.3
    }

    fn delivered(&self, token: Token, result: Result<(), DeliveryFailure>) {
        match result {
            Ok(()) => {
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Err(failure) => self.failures.lock().push(failure),
        }
        let mut inner = self.inner.lock();
        match inner.tokens.remove(&token.0) {
            Some((partition, epoch, offset, _)) => Self::finish(&mut inner, &partition, epoch, offset),
            None => self.violation(format!("{token:?} was reported twice")),
        }
    }
}

struct EchoIntake(Arc<Echo>);

impl Intake for EchoIntake {
    fn records(&mut self, batch: Vec<Record>) {
        let echo = &self.0;
        echo.received.fetch_add(batch.len() as u64, Ordering::SeqCst);
        let mut inner = echo.inner.lock();
        for record in batch {
            let partition = (Arc::clone(&record.origin.topic), record.origin.partition);
            let offset = record.origin.offset;
            match inner.partitions.get_mut(&partition) {
                Some(progress) if progress.epoch == record.epoch => {
                    if offset < progress.seen {
                        echo.violation(format!("{partition:?} went back to {offset}"));
                    }
                    progress.seen = offset + 1;
                    progress.open.insert(offset, ());
                }
                _ => echo.violation(format!("{partition:?}/{offset} came outside its assignment")),
            }
            inner.waiting.push_back(record);
        }
        echo.drain_waiting(&mut inner);
    }

    fn assigned(&mut self, partition: Assigned) {
        let key = (Arc::clone(&partition.topic), partition.partition);
        let progress = Progress { epoch: partition.epoch, ..Progress::default() };
        if self.0.inner.lock().partitions.insert(key, progress).is_some() {
            self.0.violation(format!("{partition:?} was assigned twice"));
        }
        self.0.assignments.lock().push(partition);
    }

    fn revoke(&mut self, partitions: &[Partition], lost: bool, within: Duration) -> Vec<Commit> {
        let (echo, start) = (&self.0, Instant::now());
        let ours = |partition: &Partition| partitions.contains(partition);
        while !lost && start.elapsed() < within {
            let mut inner = echo.inner.lock();
            echo.drain_waiting(&mut inner);
            if inner.partitions.iter().all(|(partition, progress)| !ours(partition) || progress.open.is_empty()) {
                break;
            }
            drop(inner);
            thread::sleep(Duration::from_millis(1));
        }
        let mut inner = echo.inner.lock();
        let commits = echo.commits(&mut inner, ours);
        inner.waiting.retain(|r| !ours(&(Arc::clone(&r.origin.topic), r.origin.partition)));
        for partition in partitions {
            if inner.partitions.remove(partition).is_none() {
                echo.violation(format!("{partition:?} was revoked, but not assigned"));
            }
            echo.revoked.lock().push((partition.clone(), lost));
        }
        commits
    }

    fn paused_wanted(&self) -> bool {
        let mut inner = self.0.inner.lock();
        self.0.drain_waiting(&mut inner);
        !inner.waiting.is_empty() || self.0.hold.load(Ordering::SeqCst)
    }

    fn committable(&mut self) -> Vec<Commit> {
        let mut inner = self.0.inner.lock();
        self.0.commits(&mut inner, |_| true)
    }

    fn undo(&mut self) {
        let mut inner = self.0.inner.lock();
        inner.partitions.clear();
        inner.waiting.clear();
    }
}

/// A running echo.
pub(crate) struct Running {
    pub(crate) echo: Arc<Echo>,
    pub(crate) sink: Arc<KafkaSink>,
    pub(crate) source: SourceHandle,
}

impl Running {
    /// Connects and starts.
    pub(crate) fn start(config: &Config) -> Self {
        Self::try_start(config, Arc::new(Echo::default())).unwrap()
    }

    pub(crate) fn try_start(config: &Config, echo: Arc<Echo>) -> Result<Self, KafkaError> {
        let kafka = Kafka::connect(config.clone(), SystemClock::shared())?;
        let sink = kafka.sink(Arc::clone(&echo) as Arc<dyn Delivered>)?;
        assert!(echo.sink.set(Arc::clone(&sink)).is_ok());
        let source = kafka.source_before(&sink, Box::new(EchoIntake(Arc::clone(&echo))))?;
        Ok(Self { echo, sink, source })
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.echo.acknowledged.load(Ordering::SeqCst)
    }

    pub(crate) fn received(&self) -> u64 {
        self.echo.received.load(Ordering::SeqCst)
    }

    /// Ends it in good order; panics when it had failed or broken a promise.
    pub(crate) fn stop(self) {
        self.source.stop();
        self.source.join().unwrap();
        assert_eq!(self.sink.flush(Duration::from_secs(10)), 0);
        assert_eq!(*self.echo.violations.lock(), Vec::<String>::new());
    }

    /// Waits until the source ends by itself, and says why.
    pub(crate) fn failure(self) -> KafkaError {
        super::kafka::eventually("the source ends", || self.source.is_finished());
        self.source.join().unwrap_err()
    }
}
