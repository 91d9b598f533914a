//! The capacity test: how many events a second, and at what cost, against a bare pass-through of the same records in the same run.
//!
//! Three steps over one input topic: fill it, pass it through bare, run it through the real pipeline (group, commits, extraction, gate, cache,
//! annotation, headers, delivery reports). CPU is that of this process alone; the broker is another one. Where the hit ratio is below one, the
//! unknown values go to the simulator over real sockets, in this process.

mod cpu;
mod events;
mod run;
pub mod triage;

use serde::Serialize;

pub use events::{Recipe, event};
pub use run::{BenchError, know, run};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Brokers; `None` takes a mock cluster in a second process.
    pub brokers: Option<String>,
    /// Events.
    pub events: u64,
    /// Bytes of an event, roughly.
    pub size: usize,
    /// Share of the indicators that are in the cache, 0.0..=1.0.
    pub hits: f64,
    /// Latency of the simulated providers, milliseconds.
    pub latency_ms: u64,
    /// Partitions.
    pub partitions: i32,
    /// Distinct values of each kind in circulation.
    pub values: usize,
    /// What the pipeline promises.
    pub guarantee: crate::kafka::Guarantee,
    /// Threads of the pipeline; `None`: as the daemon chooses.
    pub shards: Option<usize>,
    /// librdkafka properties, for the pass-through and the pipeline alike.
    pub properties: std::collections::BTreeMap<String, String>,
}

/// One measured step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    /// Events.
    pub events: u64,
    /// Seconds from the first record read to the last delivery report.
    pub seconds: f64,
    /// Events a second.
    pub events_per_second: f64,
    /// CPU microseconds of this process for each event, all threads.
    pub cpu_us_per_event: f64,
}

impl Row {
    fn new(events: u64, seconds: f64, cpu_seconds: f64) -> Self {
        let n = events.max(1) as f64;
        Self { events, seconds, events_per_second: n / seconds.max(1e-9), cpu_us_per_event: cpu_seconds * 1e6 / n }
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Bytes of an event, mean.
    pub event_bytes: f64,
    /// Indicators of an event, mean.
    pub indicators_per_event: f64,
    /// Share of the cache look-ups that found something.
    pub hit_ratio: f64,
    /// The bare pass-through.
    pub pass_through: Row,
    /// The pipeline.
    pub annotated: Row,
    /// Events a second of the pipeline over those of the pass-through.
    pub ratio: f64,
    /// Events that left with each status.
    pub by_status: std::collections::BTreeMap<&'static str, u64>,
    /// Calls of the simulated providers.
    pub provider_calls: u64,
    /// What the pipeline promised.
    pub guarantee: &'static str,
    /// What the records went through.
    pub broker: String,
}
