//! The pipeline: records in, annotated records out, nothing lost, order kept, nobody waits for long.
//!
//! # The way of a record
//! 1. A source hands records to the [`PipelineIntake`], which registers their offsets in a window and deals them to shards.
//! 2. A shard extracts, passes the gate, looks into the cache, and writes the event out at once when all its indicators are known.
//! 3. Otherwise the event is parked until its indicators are assessed, its deadline passes or memory runs short. Events of one line
//!    (`order`) leave in the order in which they came; others overtake.
//! 4. The sink's delivery report finishes the offset. Only the contiguous finished prefix is committed; finished offsets above it travel in
//!    the commit's metadata.
//! 5. An event that left while an answer could still come is owed exactly one terminal late record.
//!
//! # Guarantees
//! - A slow provider never delays an event whose indicators are known (`order = "key"`, another key).
//! - A failed look-up never drops an event; a record that cannot be written goes to the dead letters; if that fails too the process ends.
//! - Memory: parked bytes, owed bytes, queued bytes and the span of a window are bounded.

mod bounce;
mod config;
mod dead_letter;
mod event;
mod finished;
mod hand_over;
mod handle;
mod intake;
mod io;
mod late;
mod mailbox;
mod meter;
mod obligations;
mod owed;
mod park;
mod replay;
mod shard;
#[cfg(test)]
mod simulation;
mod states;
#[cfg(test)]
mod tests;
mod tracker;
mod turns;
mod undo;
mod window;
mod writer;

use std::{
    fmt, io as std_io,
    sync::{Arc, atomic::Ordering, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub use config::{Config, Order};
pub use intake::PipelineIntake;
pub use io::{
    Assigned, Commit, Delivered, DeliveryFailure, Destination, Intake, OutHeader, Outgoing, SendError, Sink, Token,
};

use crate::{
    cache::Cache,
    enrich::{Enricher, Listener, Parts},
    extract::Extractor,
    gate::Gate,
    model::SharedClock,
    pipeline::{
        handle::ShardHandle,
        meter::Meter,
        obligations::Obligations,
        replay::Replayer,
        shard::{Shard, ShardConfig},
        states::Lookup,
        tracker::Tracker,
        turns::Turns,
        writer::Writer,
    },
    state::Log,
    telemetry::Metrics,
};

/// Bytes of records on their way through, beside the parked ones, before the source pauses.
pub const MOVING_BYTES: usize = 64 << 20;

/// What a pipeline is built from.
#[derive(Debug)]
pub struct Blocks {
    /// Bounds and habits.
    pub config: Config,
    /// Finds indicators.
    pub extractor: Arc<Extractor>,
    /// Keeps what must not leave.
    pub gate: Arc<Gate>,
    /// Knows what has been scored.
    pub cache: Cache,
    /// What the enricher is built from.
    pub enrich: Parts,
    /// Time.
    pub clock: SharedClock,
    /// Counters.
    pub metrics: Metrics,
}

/// Numbers of the pipeline, for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moving {
    /// Records between source and delivery report.
    pub records: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Bytes of records that no shard has taken yet.
    pub queued: usize,
    /// Late records that could not be written.
    pub late_failed: u64,
    /// Records skipped because an earlier owner of their partition had finished them.
    pub skipped: u64,
}

/// How often the shards have come round. Two of them tell whether the pipeline moved in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Rounds of each shard.
    pub shards: Vec<u64>,
    /// Times that some shard has found the output without room and tried again.
    pub waits: u64,
    /// Whether the source holds the shards while it commits.
    pub held: bool,
}

impl Pulse {
    /// Whether every shard came round since then, or waits for something that passes by itself: room in the output, a commit.
    pub fn moved_since(&self, before: &Self) -> bool {
        let round = |(nth, rounds): (usize, &u64)| before.shards.get(nth) != Some(rounds);
        self.held || self.waits != before.waits || self.shards.iter().enumerate().all(round)
    }
}

/// A pipeline that is not running: shards are addressed, nothing is started.
pub struct Pipeline {
    blocks: Blocks,
    tracker: Arc<Tracker>,
    turns: Arc<Turns>,
    handles: Vec<ShardHandle>,
    enricher: Enricher,
    log: Option<Arc<dyn Log>>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("shards", &self.handles.len()).finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Wires the parts; starts nothing.
    pub fn build(mut blocks: Blocks) -> Self {
        let shards = blocks.config.shards.clamp(1, 64);
        let handles: Vec<ShardHandle> = (0..shards).map(|_| ShardHandle::default()).collect();
        let tracker = Arc::new(Tracker::default());
        tracker.set_shards(handles.clone());
        let listeners = handles.iter().map(|handle| Arc::new(handle.clone()) as Arc<dyn Listener>).collect();
        let parts = std::mem::replace(&mut blocks.enrich, Parts::none(&blocks.cache, &blocks.clock, &blocks.metrics));
        let enricher = Enricher::new(parts, listeners);
        Self { blocks, tracker, turns: Arc::default(), handles, enricher, log: None }
    }

    /// The enricher; its tasks are started by the caller.
    pub fn enricher(&self) -> &Enricher {
        &self.enricher
    }

    /// Writes down on this log what is owed: the sink's [`Destination::Pending`] is the same. Whoever owns a partition next takes it over.
    #[must_use]
    pub fn remembering(self, log: Arc<dyn Log>) -> Self {
        Self { log: Some(log), ..self }
    }

    /// What the sink reports to.
    pub fn delivered(&self) -> Arc<dyn Delivered> {
        Arc::clone(&self.tracker) as Arc<dyn Delivered>
    }

    /// Starts the shards.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn spawn(self, sink: Arc<dyn Sink>) -> std_io::Result<Running> {
        let mut threads = Vec::with_capacity(self.handles.len());
        for (index, handle) in self.handles.iter().enumerate() {
            let shard = self.shard(index, handle, &sink);
            let thread = std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || shard.run())?;
            threads.push(thread);
        }
        let bound = usize::try_from(self.blocks.config.park_bytes).unwrap_or(usize::MAX).saturating_add(MOVING_BYTES);
        let metrics = self.blocks.metrics;
        let (tracker, turns, handles) = (self.tracker, self.turns, self.handles);
        let replayer = self
            .log
            .map(|log| Replayer::spawn(log, handles.clone(), Arc::clone(&tracker), metrics.clone()))
            .transpose()?;
        Ok(Running { tracker, turns, handles, threads, bound, metrics, replayer })
    }

    fn shard(&self, index: usize, handle: &ShardHandle, sink: &Arc<dyn Sink>) -> Shard {
        let config = &self.blocks.config;
        let share = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX) / self.handles.len().max(1);
        let lookup =
            Lookup::new(Arc::clone(&self.blocks.gate), self.blocks.cache.clone(), self.enricher.clone(), index);
        let writer = Writer::new(Arc::clone(sink), Arc::clone(&self.tracker), config.shape, config.same_partition);
        let bounds = ShardConfig {
            order: config.order,
            deadline: config.deadline,
            park_bytes: share(config.park_bytes),
            late_for: config.late_for,
            owed_bytes: share(config.owed_bytes),
            exactly_once: config.exactly_once,
        };
        let mut shard = Shard::new(
            handle.mailbox(),
            Arc::clone(&self.blocks.extractor),
            lookup,
            writer,
            Arc::clone(&self.tracker),
            Arc::clone(&self.turns),
            Arc::clone(&self.blocks.clock),
            bounds,
            Meter::new(self.blocks.metrics.clone(), index),
        );
        shard.obligations = self.log.as_ref().map(|log| Obligations::new(log.partitions(), index));
        shard
    }
}

/// A running pipeline.
#[derive(Debug)]
pub struct Running {
    tracker: Arc<Tracker>,
    turns: Arc<Turns>,
    handles: Vec<ShardHandle>,
    threads: Vec<JoinHandle<()>>,
    bound: usize,
    metrics: Metrics,
    replayer: Option<Replayer>,
}

/// Reads a running pipeline's numbers. `Clone` shares it.
#[derive(Clone, Debug)]
pub struct Gauge {
    tracker: Arc<Tracker>,
    turns: Arc<Turns>,
    handles: Vec<ShardHandle>,
}

impl Gauge {
    /// Numbers of the moment.
    pub fn moving(&self) -> Moving {
        Moving {
            records: self.tracker.records(),
            bytes: self.tracker.bytes(),
            queued: self.handles.iter().map(ShardHandle::queued).sum(),
            late_failed: self.tracker.late_failed.load(Ordering::Relaxed),
            skipped: self.tracker.skipped.load(Ordering::Relaxed),
        }
    }

    /// Partitions whose obligations have not been read yet.
    pub fn replaying(&self) -> usize {
        self.tracker.replaying()
    }

    /// Whether the shards come round.
    pub fn pulse(&self) -> Pulse {
        Pulse {
            shards: self.handles.iter().map(ShardHandle::rounds).collect(),
            waits: self.tracker.waits(),
            held: self.turns.is_held(),
        }
    }

    /// Why nothing can be written any more, once that is so.
    pub fn failure(&self) -> Option<String> {
        self.tracker.failure()
    }
}

impl Running {
    /// What the source calls.
    pub fn intake(&self) -> PipelineIntake {
        let (tracker, turns) = (Arc::clone(&self.tracker), Arc::clone(&self.turns));
        let replays = self.replayer.as_ref().map(|replayer| replayer.requests.clone());
        PipelineIntake::new(tracker, turns, self.handles.clone(), self.bound, self.metrics.clone(), replays)
    }

    /// Numbers of the running pipeline.
    pub fn gauge(&self) -> Gauge {
        Gauge { tracker: Arc::clone(&self.tracker), turns: Arc::clone(&self.turns), handles: self.handles.clone() }
    }

    /// Lets everything go that waits, within this time; then ends the shards. The source has stopped before.
    /// Whether everything was written and reported.
    pub fn drain(self, within: Duration) -> bool {
        let end = Instant::now() + within;
        if let Some(replayer) = self.replayer {
            replayer.end();
        }
        let (done, drained) = mpsc::channel();
        for handle in &self.handles {
            handle.drain(done.clone());
        }
        drop(done);
        for _ in &self.handles {
            if drained.recv_timeout(end.saturating_duration_since(Instant::now())).is_err() {
                break;
            }
        }
        let moving = |tracker: &Tracker| tracker.records() + tracker.late_in_flight();
        let over = || self.tracker.has_failed() || self.tracker.is_undone();
        while moving(&self.tracker) > 0 && Instant::now() < end && !over() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let clean = moving(&self.tracker) == 0;
        for handle in &self.handles {
            handle.stop();
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a shard ended by a panic");
            }
        }
        clean
    }
}
