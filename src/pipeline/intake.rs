//! From the source to the shards: opens windows, registers offsets, deals records out, answers for what may be committed.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use crate::{
    model::Record,
    pipeline::{
        Assigned, Commit, Intake, Token,
        handle::ShardHandle,
        replay::Request,
        tracker::{Tracker, token},
        turns::Turns,
        window::{Room, Window, finished_by_earlier_owner},
    },
    telemetry::Metrics,
};

/// Bytes of records that no shard has taken yet, at most; more would only make them wait here instead of at the broker.
const QUEUED_BYTES: usize = 8 << 20;

/// Offsets from the first unfinished one on, at most, in one partition; beyond it the source pauses.
const LONGEST_SPAN: usize = 200_000;

/// Longest wait for the tombstones of what was paid, when partitions go.
const TOMBSTONES: Duration = Duration::from_secs(1);

type Partition = (Arc<str>, i32);

struct Owned {
    window: u32,
    shard: usize,
    epoch: u32,
}

/// The pipeline's side of the source.
pub struct PipelineIntake {
    tracker: Arc<Tracker>,
    turns: Arc<Turns>,
    shards: Vec<ShardHandle>,
    owned: HashMap<Partition, Owned>,
    assigned: usize,
    /// The metadata of a commit has no room for more finished offsets.
    crowded: bool,
    /// Revoked records were still under way when the time was over.
    left_behind: bool,
    /// Windows of partitions that went while records of theirs were under way.
    gone: Vec<u32>,
    bytes_bound: usize,
    metrics: Metrics,
    /// Reads what earlier owners owe, where that stands on a log.
    replays: Option<mpsc::Sender<Request>>,
}

impl std::fmt::Debug for PipelineIntake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipelineIntake").field("partitions", &self.owned.len()).finish_non_exhaustive()
    }
}

impl PipelineIntake {
    pub(super) fn new(
        tracker: Arc<Tracker>,
        turns: Arc<Turns>,
        shards: Vec<ShardHandle>,
        bytes_bound: usize,
        metrics: Metrics,
        replays: Option<mpsc::Sender<Request>>,
    ) -> Self {
        Self {
            tracker,
            turns,
            shards,
            owned: HashMap::new(),
            assigned: 0,
            crowded: false,
            left_behind: false,
            gone: Vec::new(),
            bytes_bound,
            metrics,
            replays,
        }
    }

    fn commit_of(&self, (topic, partition): &Partition, owned: &Owned) -> Option<Commit> {
        let tracked = self.tracker.window(owned.window)?;
        let (next, metadata) = tracked.window.lock().commit()?;
        Some(Commit { topic: Arc::clone(topic), partition: *partition, next, metadata })
    }

    fn unfinished(&self, windows: &[u32]) -> usize {
        let windows = windows.iter().filter_map(|window| self.tracker.window(*window));
        windows.map(|tracked| tracked.window.lock().unfinished()).sum()
    }
}

impl Intake for PipelineIntake {
    fn records(&mut self, batch: Vec<Record>) {
        let mut deals: Vec<Vec<(Arc<Record>, Token)>> = self.shards.iter().map(|_| Vec::new()).collect();
        let mut batch = batch.into_iter().peekable();
        while let Some(first) = batch.next() {
            // Records of a partition come in runs: one look-up and one lock for each run.
            let partition = (Arc::clone(&first.origin.topic), first.origin.partition);
            let Some(owned) = self.owned.get(&partition) else { continue };
            let Some(tracked) = self.tracker.window(owned.window) else { continue };
            let mut window = tracked.window.lock();
            let mut next = Some(first);
            let mut count = 0;
            while let Some(record) = next {
                count += 1;
                if record.epoch == owned.epoch {
                    if window.was_finished(record.origin.offset) {
                        window.begin_finished(record.origin.offset);
                        self.tracker.skipped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    } else {
                        self.tracker.began(record.weight());
                        let record = Arc::new(record);
                        let seq = window.begin(Arc::clone(&record));
                        if let Some(deal) = deals.get_mut(owned.shard) {
                            deal.push((record, token(owned.window, seq)));
                        }
                    }
                }
                next = batch
                    .next_if(|record| record.origin.partition == partition.1 && record.origin.topic == partition.0);
            }
            drop(window);
            self.metrics.consumed(&partition.0, count);
        }
        for (shard, deal) in self.shards.iter().zip(deals) {
            if !deal.is_empty() {
                shard.records(deal);
            }
        }
    }

    fn assigned(&mut self, partition: Assigned) {
        let shard = self.assigned % self.shards.len().max(1);
        self.assigned += 1;
        let earlier = finished_by_earlier_owner(partition.committed, &partition.metadata);
        let window = self.tracker.open(shard, Window::after(earlier));
        if let Some(replays) = &self.replays {
            self.tracker.replay_wanted();
            let topic = Arc::clone(&partition.topic);
            let request = Request { topic, partition: partition.partition, window, shard };
            if replays.send(request).is_err() {
                self.tracker.fail("the reader of obligations has ended");
            }
        }
        let owned = Owned { window, shard, epoch: partition.epoch };
        self.owned.insert((partition.topic, partition.partition), owned);
    }

    fn revoke(&mut self, partitions: &[Partition], lost: bool, within: Duration) -> Vec<Commit> {
        let end = Instant::now() + within;
        let gone: Vec<(Partition, Owned)> =
            partitions.iter().filter_map(|partition| self.owned.remove_entry(partition)).collect();
        let windows: Vec<u32> = gone.iter().map(|(_, owned)| owned.window).collect();
        for window in &windows {
            self.tracker.close(*window);
        }
        let (done, drained) = mpsc::channel();
        for shard in &self.shards {
            shard.revoke(windows.clone(), lost, done.clone());
        }
        drop(done);
        for _ in &self.shards {
            if drained.recv_timeout(end.saturating_duration_since(Instant::now())).is_err() {
                break;
            }
        }
        let earlier = std::mem::take(&mut self.gone);
        self.gone = earlier.into_iter().filter(|window| self.unfinished(&[*window]) > 0).collect();
        self.gone.extend(&windows);
        if lost {
            return Vec::new();
        }
        let over = || self.tracker.has_failed() || self.tracker.is_undone();
        // What is paid should also have its tombstone before somebody else takes over; other partitions may pay all the time.
        let patience = end.min(Instant::now() + TOMBSTONES);
        let paying = || self.replays.is_some() && self.tracker.late_in_flight() > 0 && Instant::now() < patience;
        while (self.unfinished(&windows) > 0 || paying()) && Instant::now() < end && !over() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.left_behind |= self.unfinished(&windows) > 0;
        gone.iter().filter_map(|(partition, owned)| self.commit_of(partition, owned)).collect()
    }

    fn paused_wanted(&self) -> bool {
        self.crowded
            || self.tracker.bytes() > self.bytes_bound
            || self.shards.iter().map(ShardHandle::queued).sum::<usize>() > QUEUED_BYTES
            || self.owned.values().any(|owned| {
                self.tracker.window(owned.window).is_some_and(|tracked| tracked.window.lock().span() > LONGEST_SPAN)
            })
    }

    fn committable(&mut self) -> Vec<Commit> {
        self.owned.iter().filter_map(|(partition, owned)| self.commit_of(partition, owned)).collect()
    }

    fn hold(&mut self, within: Duration) -> bool {
        self.turns.hold(within)
    }

    fn release(&mut self, committed: bool) {
        self.turns.release(committed);
    }

    fn fits(&mut self) -> bool {
        let mut fits = true;
        for owned in self.owned.values() {
            let Some(tracked) = self.tracker.window(owned.window) else { continue };
            let room = tracked.window.lock().room();
            match room {
                Room::Enough => {}
                Room::Little(middle) | Room::None(middle) => {
                    fits &= !matches!(room, Room::None(_));
                    if let Some(shard) = self.shards.get(owned.shard) {
                        shard.relieve(owned.window, middle);
                    }
                }
            }
        }
        self.crowded = !fits;
        fits
    }

    fn left_behind(&mut self) -> bool {
        std::mem::take(&mut self.left_behind)
    }

    fn undo(&mut self) {
        self.tracker.set_undone(true);
        for owned in self.owned.values() {
            self.tracker.close(owned.window);
        }
        let (done, undone) = mpsc::channel();
        for shard in &self.shards {
            shard.undo(done.clone());
        }
        drop(done);
        // However long it takes: a shard that has not answered might send what was undone into the next transaction.
        for _ in &self.shards {
            if undone.recv().is_err() {
                self.tracker.fail("a shard ended while a transaction was being undone");
            }
        }
        // Of partitions that went before nobody hears any more what became of their records: they would count as under way for ever.
        let gone = std::mem::take(&mut self.gone);
        for window in self.owned.drain().map(|(_, owned)| owned.window).chain(gone) {
            self.tracker.abandon_all(window);
        }
        self.turns.release(true);
        (self.crowded, self.left_behind) = (false, false);
    }

    fn resume(&mut self) {
        self.tracker.set_undone(false);
        for shard in &self.shards {
            shard.resume();
        }
    }
}
