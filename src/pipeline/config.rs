//! Configuration of the pipeline.

use std::time::Duration;

use crate::annotate::Shape;

/// Which records keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Records of one key leave in the order in which they came.
    Key,
    /// All records of a partition do.
    Partition,
}

/// Parking, order, deadlines.
#[derive(Clone, Debug)]
pub struct Config {
    /// Order kept.
    pub order: Order,
    /// Longest wait of an event for its indicators; zero never waits.
    pub deadline: Duration,
    /// Bytes of parked events, at most, over all shards.
    pub park_bytes: u64,
    /// How long an answer is owed to an event that left without it.
    pub late_for: Duration,
    /// Bytes of events to which an answer is owed, at most, over all shards.
    pub owed_bytes: u64,
    /// Write to the partition number that the record came from instead of choosing by the key.
    pub same_partition: bool,
    /// Remember what was done since the last committed transaction, so that it can be undone.
    pub exactly_once: bool,
    /// Shape of annotations.
    pub shape: Shape,
    /// Threads; records of one partition stay on one.
    pub shards: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            order: Order::Key,
            deadline: Duration::from_secs(2),
            park_bytes: 64 << 20,
            late_for: Duration::from_secs(24 * 3600),
            owed_bytes: 256 << 20,
            same_partition: false,
            exactly_once: false,
            shape: Shape::Ecs,
            shards: std::thread::available_parallelism().map_or(2, usize::from).min(8),
        }
    }
}
