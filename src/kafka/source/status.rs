//! How the source is doing, for readiness, metrics and the status page. Readable from any thread.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde::Deserialize;

use crate::model::SharedClock;

/// An assigned partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Records between the committed offset and the end of the partition; `None` until it is known.
    pub lag: Option<u64>,
}

/// State of the source. All counters start at zero with the process.
#[derive(Debug)]
pub struct SourceStatus {
    clock: SharedClock,
    joined: AtomicBool,
    paused: AtomicBool,
    brokers_up: AtomicU64,
    unreachable_since: Mutex<Option<Duration>>,
    partitions: Mutex<Vec<PartitionStatus>>,
    pub(super) gaps: AtomicU64,
    pub(super) records_missed: AtomicU64,
    pub(super) rebalances: AtomicU64,
    pub(super) commits_refused: AtomicU64,
    pub(super) transactions_undone: AtomicU64,
    rounds: AtomicU64,
    pub(super) headers_unreadable: AtomicU64,
}

impl SourceStatus {
    pub(super) fn new(clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            joined: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            brokers_up: AtomicU64::new(0),
            unreachable_since: Mutex::new(None),
            partitions: Mutex::new(Vec::new()),
            gaps: AtomicU64::new(0),
            records_missed: AtomicU64::new(0),
            rebalances: AtomicU64::new(0),
            commits_refused: AtomicU64::new(0),
            transactions_undone: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            headers_unreadable: AtomicU64::new(0),
        })
    }

    /// Whether the group has accepted this member; true also when it got no partition.
    pub fn joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// Whether back-pressure has stopped fetching.
    pub fn paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Brokers with a working connection, as of the last statistics (every five seconds).
    pub fn brokers_up(&self) -> u64 {
        self.brokers_up.load(Ordering::Relaxed)
    }

    /// How long no broker has been in reach; zero while one is.
    pub fn unreachable_for(&self) -> Duration {
        self.unreachable_since.lock().map_or(Duration::ZERO, |since| self.clock.monotonic().saturating_sub(since))
    }

    /// The assigned partitions.
    pub fn partitions(&self) -> Vec<PartitionStatus> {
        self.partitions.lock().clone()
    }

    /// Times that records were deleted before they were read (`on_gap = "continue"`).
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// Offsets that were skipped by these gaps.
    pub fn records_missed(&self) -> u64 {
        self.records_missed.load(Ordering::Relaxed)
    }

    /// Assignments and revocations.
    pub fn rebalances(&self) -> u64 {
        self.rebalances.load(Ordering::Relaxed)
    }

    /// Commits that were refused and tried again.
    pub fn commits_refused(&self) -> u64 {
        self.commits_refused.load(Ordering::Relaxed)
    }

    /// Transactions that were undone; their records were read again (exactly once).
    pub fn transactions_undone(&self) -> u64 {
        self.transactions_undone.load(Ordering::Relaxed)
    }

    /// Headers that were left out because their name is not UTF-8.
    pub fn headers_unreadable(&self) -> u64 {
        self.headers_unreadable.load(Ordering::Relaxed)
    }

    /// How often the source has come round: whether it moves.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// The source comes round, or tries once more what takes its time.
    pub(super) fn round(&self) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_joined(&self, joined: bool) {
        self.joined.store(joined, Ordering::Relaxed);
    }

    pub(super) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    pub(super) fn set_reachable(&self, reachable: bool) {
        let mut since = self.unreachable_since.lock();
        if reachable {
            *since = None;
        } else {
            since.get_or_insert(self.clock.monotonic());
        }
    }

    pub(super) fn set_partitions(&self, owned: &[(Arc<str>, i32)]) {
        let mut partitions = self.partitions.lock();
        let known: HashMap<(Arc<str>, i32), Option<u64>> =
            partitions.drain(..).map(|p| ((p.topic, p.partition), p.lag)).collect();
        partitions.extend(owned.iter().map(|(topic, partition)| PartitionStatus {
            topic: Arc::clone(topic),
            partition: *partition,
            lag: known.get(&(Arc::clone(topic), *partition)).copied().flatten(),
        }));
    }

    /// Takes the client library's statistics.
    pub(super) fn take_statistics(&self, json: &[u8]) {
        let Ok(statistics) = serde_json::from_slice::<Statistics>(json) else { return };
        let up = statistics.brokers.values().filter(|broker| broker.state == "UP").count() as u64;
        self.brokers_up.store(up, Ordering::Relaxed);
        self.set_reachable(up > 0);
        for status in self.partitions.lock().iter_mut() {
            let lag = statistics
                .topics
                .get(&*status.topic)
                .and_then(|topic| topic.partitions.get(&status.partition.to_string()))
                .map(|partition| partition.consumer_lag);
            if let Some(lag) = lag {
                status.lag = u64::try_from(lag).ok();
            }
        }
    }
}

/// The few numbers of the statistics that matter here; the document has hundreds per partition.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: HashMap<String, Broker>,
    #[serde(default)]
    topics: HashMap<String, Topic>,
}

#[derive(Deserialize)]
struct Broker {
    state: String,
}

#[derive(Deserialize)]
struct Topic {
    #[serde(default)]
    partitions: HashMap<String, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    consumer_lag: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ManualClock;

    #[test]
    fn lag_and_brokers_come_from_the_statistics() {
        let status = SourceStatus::new(ManualClock::at(0));
        status.set_partitions(&[(Arc::from("in"), 0), (Arc::from("in"), 1), (Arc::from("in"), 2)]);
        status.take_statistics(
            br#"{"name":"x","brokers":{"a/1":{"state":"UP","x":1},"b/2":{"state":"DOWN"}},
                "topics":{"in":{"partitions":{"0":{"consumer_lag":7},"1":{"consumer_lag":-1}}}}}"#,
        );
        assert_eq!(status.brokers_up(), 1);
        let lags: Vec<_> = status.partitions().into_iter().map(|p| p.lag).collect();
        assert_eq!(lags, [Some(7), None, None]);
        status.set_partitions(&[(Arc::from("in"), 0)]);
        assert_eq!(status.partitions()[0].lag, Some(7), "a partition that stays keeps its lag");
        status.take_statistics(b"not json");
        assert_eq!(status.brokers_up(), 1);
    }

    #[test]
    fn time_out_of_reach_is_counted_from_its_beginning() {
        let clock = ManualClock::at(0);
        let status = SourceStatus::new(clock.clone());
        assert_eq!(status.unreachable_for(), Duration::ZERO);
        status.set_reachable(false);
        clock.advance(Duration::from_secs(20));
        status.set_reachable(false);
        clock.advance(Duration::from_secs(15));
        assert_eq!(status.unreachable_for(), Duration::from_secs(35));
        status.take_statistics(br#"{"brokers":{"a/1":{"state":"UP"}}}"#);
        assert_eq!(status.unreachable_for(), Duration::ZERO);
    }
}
