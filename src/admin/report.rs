//! The status as data: what `/api/v1/status` answers and the page shows. Fields are only ever added.

use std::collections::BTreeMap;

use serde::Serialize;

/// The state of everything.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StatusReport {
    /// Version of the program.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// `starting`, `running` or `draining`.
    pub state: &'static str,
    /// Whether it is ready, as `/readyz` says.
    pub ready: bool,
    /// Why not.
    pub not_ready: Vec<String>,
    /// Consumer group.
    pub group: String,
    /// Input topics.
    pub input: Vec<String>,
    /// Output topic.
    pub output: String,
    /// Delivery guarantee.
    pub guarantee: &'static str,
    /// Order kept.
    pub order: &'static str,
    /// Longest wait of an event for its indicators, milliseconds.
    pub deadline_ms: u64,
    /// Owned partitions.
    pub partitions: Vec<PartitionReport>,
    /// Records behind the ends of the owned partitions.
    pub lag: u64,
    /// Records read.
    pub events_in: u64,
    /// Events written.
    pub events_out: u64,
    /// Events written, by status.
    pub by_status: BTreeMap<&'static str, u64>,
    /// Events written, by disposition.
    pub by_disposition: BTreeMap<&'static str, u64>,
    /// Distinct indicators of events, by kind.
    pub by_kind: BTreeMap<&'static str, u64>,
    /// Indicators not looked up, by reason.
    pub suppressed: BTreeMap<&'static str, u64>,
    /// Cache look-ups, by result.
    pub cache: BTreeMap<&'static str, u64>,
    /// Cached assessments.
    pub cache_entries: u64,
    /// Bytes of cached assessments.
    pub cache_bytes: u64,
    /// Upper bound of the median between reading and writing, seconds.
    pub latency_p50_s: Option<f64>,
    /// Upper bound of the 99th percentile between reading and writing, seconds.
    pub latency_p99_s: Option<f64>,
    /// Providers.
    pub providers: Vec<ProviderReport>,
    /// Indicators on their way to an assessment.
    pub waiting_indicators: usize,
    /// Indicators that fell out of the waiting set.
    pub outranked_indicators: u64,
    /// Events that wait for their indicators.
    pub parked_events: usize,
    /// Their bytes.
    pub parked_bytes: usize,
    /// Their bound in bytes.
    pub park_bytes_limit: u64,
    /// Sum of all bounds of memory in bytes.
    pub memory_ceiling: u64,
    /// Bound in bytes of what is kept for owed answers.
    pub owed_bytes_limit: u64,
    /// Bound of the cache in bytes.
    pub cache_bytes_limit: u64,
    /// Events that left and are owed an answer.
    pub owed_events: usize,
    /// Bytes kept for them.
    pub owed_bytes: usize,
    /// Late records, by status.
    pub late: BTreeMap<&'static str, u64>,
    /// Late records that could not be written.
    pub late_failed: u64,
    /// Records between source and delivery report.
    pub in_flight_records: usize,
    /// Their bytes.
    pub in_flight_bytes: usize,
    /// Records written to the dead-letter topic.
    pub dead_letters: u64,
    /// Records that an earlier owner of their partition had finished.
    pub skipped_finished: u64,
    /// Transactions that were undone; their records were read again (exactly once).
    pub transactions_undone: u64,
}

/// One owned partition.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PartitionReport {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Records behind its end, where known.
    pub lag: Option<u64>,
}

/// One provider.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProviderReport {
    /// Name.
    pub provider: &'static str,
    /// `ok`, `paused`, `circuit open`, `off: …`, `quota used up`.
    pub state: String,
    /// What the provider said last of the (first) key: `accepted`, `refused`, `not tried`. Never the key.
    pub key: &'static str,
    /// Calls, by outcome.
    pub calls: BTreeMap<&'static str, u64>,
    /// Calls under way.
    pub in_flight: usize,
    /// Indicators that wait for it.
    pub waiting: usize,
    /// Circuit breaker.
    pub circuit: &'static str,
    /// End of the pause that it asked for, RFC 3339.
    pub paused_until: Option<String>,
    /// Its account; that of all its keys together.
    pub budget: Vec<WindowReport>,
    /// Its keys, where it has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyReport>,
    /// Kinds that it is not asked about, because the plan of its key does not include them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_in_plan: Vec<&'static str>,
    /// Indicators that it was not asked about since the start of the process, and why; one that comes again counts again.
    pub unasked: Vec<UnaskedReport>,
    /// What its calls cost, where a price is configured.
    pub cost: Option<CostReport>,
}

/// One of several keys of a provider.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KeyReport {
    /// Its name in the configuration; that of the first is empty.
    pub name: String,
    /// As of a provider.
    pub state: String,
    /// What the provider said last of it: `accepted`, `refused`, `not tried`. Never the key.
    pub key: &'static str,
    /// Calls since the start of the process.
    pub calls: u64,
    /// End of the pause that the provider asked for, RFC 3339.
    pub paused_until: Option<String>,
    /// Its account.
    pub budget: Vec<WindowReport>,
}

/// Indicators that a provider was not asked about.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UnaskedReport {
    /// `outranked`, `flood`, `tlp`, `disabled`, `not_in_plan`.
    pub reason: &'static str,
    /// Their place in the event.
    pub role: &'static str,
    /// How many.
    pub indicators: u64,
}

/// What a provider's calls cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CostReport {
    /// Price of a unit, in whatever currency it was configured.
    pub unit_price: f64,
    /// `month`: this calendar month, by the window of the quota; `start`: since the start of the process, where the quota has no such window.
    pub since: &'static str,
    /// Units spent in that time.
    pub units: u64,
    /// Their price.
    pub cost: f64,
}

/// One window of a quota.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WindowReport {
    /// `second`, `minute`, `hour`, `day`, `month`.
    pub window: &'static str,
    /// Units allowed.
    pub limit: u64,
    /// Units spent, those that are leased included.
    pub used: u64,
    /// Of these, units of leases in the fleet's ledger that are not over.
    pub leased: u64,
    /// Units kept for urgent work.
    pub reserved: u64,
    /// Units that are left, those that are kept for urgent work included.
    pub remaining: u64,
    /// When a calendar window is used up at the rate of its past, RFC 3339; `null` where it lasts to its end.
    pub runs_out_at: Option<String>,
    /// When a calendar window ends, RFC 3339.
    pub resets_at: Option<String>,
}
