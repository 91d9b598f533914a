//! The metrics of one process.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::{
    gate::Suppression,
    model::{Disposition, Kind, ProviderId, Role, Status},
    telemetry::{
        BulkHistogram, RequestOutcome, ShardCounts, StateLog,
        counts::{CacheResult, Stage},
        labels::{
            Account, Build, Cached, Extracted, List, OfProvider, OfReason, OfStage, OfState, OfStatus, OfWindow,
            Partition, Produced, Request, Skipped, Topic, Unasked,
        },
    },
};

type Real = Gauge<f64, AtomicU64>;

#[derive(Default)]
struct Families {
    consumed: Family<Topic, Counter>,
    produced: Family<Produced, Counter>,
    latency: Family<OfStage, BulkHistogram>,
    stages: Family<OfStage, BulkHistogram>,
    skipped: Family<Skipped, Counter>,
    extracted: Family<Extracted, Counter>,
    suppressed: Family<List, Counter>,
    cache: Family<Cached, Counter>,
    requests: Family<Request, Counter>,
    request_duration: Family<OfProvider, BulkHistogram>,
    budget: Family<Account, Gauge>,
    runs_out: Family<OfWindow, Gauge>,
    unasked: Family<Unasked, Counter>,
    cost: Family<OfProvider, Counter>,
    circuit: Family<OfProvider, Gauge>,
    dead_letters: Family<OfReason, Counter>,
    faults: Counter,
    late: Family<OfStatus, Counter>,
    state: Family<OfState, Counter>,
    ledger_written: Counter,
    ledger_lost: Counter,
    lag: Family<Partition, Gauge>,
    parked_events: Gauge,
    parked_bytes: Gauge,
    owed_events: Gauge,
    owed_bytes: Gauge,
    waiting: Gauge,
    outranked: Gauge,
    in_flight_records: Gauge,
    in_flight_bytes: Gauge,
    cache_bytes: Gauge,
    cache_entries: Gauge,
    uptime: Real,
    reloaded: Gauge,
}

/// The metrics. `Clone` shares them.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    families: Families,
    output_topic: Mutex<String>,
    held: Mutex<BTreeMap<usize, [usize; 4]>>,
    summary: Mutex<Summary>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Numbers that are read off when somebody looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// Indicators that wait for a call.
    pub waiting: usize,
    /// Indicators that fell out of the waiting set.
    pub outranked: u64,
    /// Records between source and delivery report.
    pub in_flight_records: usize,
    /// Their bytes.
    pub in_flight_bytes: usize,
    /// Bytes of the cache.
    pub cache_bytes: u64,
    /// Entries of the cache.
    pub cache_entries: u64,
    /// Seconds since the start.
    pub uptime: f64,
}

impl Metrics {
    /// Metrics with nothing counted.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sidelight");
        let f = Families::default();
        registry.register("events_consumed", "Records read from the input topics", f.consumed.clone());
        registry.register("events_produced", "Events written, by status and disposition", f.produced.clone());
        registry.register_with_unit(
            "event_latency",
            "From reading a record to handing it to the producer (consume_to_output), and from its creation (event_to_output)",
            Unit::Seconds,
            f.latency.clone(),
        );
        registry.register_with_unit(
            "stage_duration",
            "Time in one stage of the way through a shard; one event in 64 is measured",
            Unit::Seconds,
            f.stages.clone(),
        );
        registry.register(
            "provider_skipped",
            "Indicators of events that left without asking a provider",
            f.skipped.clone(),
        );
        registry.register("indicators_extracted", "Distinct indicators of events", f.extracted.clone());
        registry.register("indicators_suppressed", "Indicators that are not looked up, by rule", f.suppressed.clone());
        registry.register("cache_requests", "Look-ups in the cache", f.cache.clone());
        registry.register("provider_requests", "Calls of providers", f.requests.clone());
        registry.register_with_unit(
            "provider_request_duration",
            "Length of calls of providers",
            Unit::Seconds,
            f.request_duration.clone(),
        );
        registry.register("provider_budget_units", "Account of a provider's quota", f.budget.clone());
        registry.register_with_unit(
            "provider_budget_runs_out_timestamp",
            "When a window is used up at the rate of its past; absent where it lasts",
            Unit::Seconds,
            f.runs_out.clone(),
        );
        registry.register("provider_unasked_indicators", "Indicators that were not asked about", f.unasked.clone());
        registry.register("provider_cost_units", "Units of quota spent", f.cost.clone());
        registry.register("provider_circuit_state", "0 closed, 1 half-open, 2 open, 3 switched off", f.circuit.clone());
        registry.register("dlq_records", "Records written to the dead-letter topic", f.dead_letters.clone());
        registry.register("internal_faults", "Events that left unannotated by our own fault", f.faults.clone());
        registry.register("late_records", "Late annotations", f.late.clone());
        registry.register("state_records", "Records of the logs of state", f.state.clone());
        registry.register("ledger_written", "Records handed to the ledger of budgets", f.ledger_written.clone());
        registry.register("ledger_lost", "Records that the ledger of budgets did not take", f.ledger_lost.clone());
        registry.register("consumer_lag_records", "Records behind the end of a partition", f.lag.clone());
        registry.register("parked_events", "Events that wait for their indicators", f.parked_events.clone());
        registry.register("parked_bytes", "Bytes of parked events", f.parked_bytes.clone());
        registry.register("owed_events", "Events that left and are owed an answer", f.owed_events.clone());
        registry.register("owed_bytes", "Bytes kept for owed answers", f.owed_bytes.clone());
        registry.register("waiting_indicators", "Indicators on their way to an assessment", f.waiting.clone());
        registry.register("outranked_indicators", "Indicators that fell out of the waiting set", f.outranked.clone());
        registry.register("in_flight_records", "Records between source and delivery", f.in_flight_records.clone());
        registry.register("in_flight_bytes", "Bytes between source and delivery", f.in_flight_bytes.clone());
        registry.register("cache_bytes", "Bytes of cached assessments", f.cache_bytes.clone());
        registry.register("cache_entries", "Cached assessments", f.cache_entries.clone());
        registry.register(
            "config_last_reload_successful",
            "Whether the last start or reload took the configuration over",
            f.reloaded.clone(),
        );
        registry.register_with_unit("uptime", "Since the start", Unit::Seconds, f.uptime.clone());
        let build = Family::<Build, Gauge>::default();
        let (version, revision, rustc) = (
            env!("CARGO_PKG_VERSION"),
            option_env!("SIDELIGHT_REVISION").unwrap_or("unknown"),
            env!("CARGO_PKG_RUST_VERSION"),
        );
        build.get_or_create(&Build { version, revision, rustc }).set(1);
        registry.register("build_info", "Version", build);
        let shared = Shared {
            registry,
            families: f,
            output_topic: Mutex::new("output".to_owned()),
            held: Mutex::default(),
            summary: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The name under which written events are counted.
    pub fn set_output_topic(&self, topic: &str) {
        topic.clone_into(&mut self.shared.output_topic.lock());
    }

    /// Records were read.
    pub fn consumed(&self, topic: &str, records: u64) {
        self.shared.families.consumed.get_or_create(&Topic { topic: topic.to_owned() }).inc_by(records);
        self.shared.summary.lock().consumed += records;
    }

    /// A call ended that took so many units of the quota.
    pub fn provider_request(&self, provider: ProviderId, outcome: RequestOutcome, units: u32, length: Duration) {
        let f = &self.shared.families;
        f.requests.get_or_create(&Request { provider: provider.as_str(), outcome }).inc();
        f.request_duration.get_or_create(&OfProvider { provider: provider.as_str() }).observe(length.as_secs_f64());
        f.cost.get_or_create(&OfProvider { provider: provider.as_str() }).inc_by(u64::from(units));
        *self.shared.summary.lock().calls.entry((provider.as_str(), outcome.as_str())).or_default() += 1;
    }

    /// What became of a record of a log of state: `read`, `tombstone`, `version`, `corrupt` (skipped), `written`, `lost`.
    pub fn state_record(&self, log: StateLog, result: &'static str) {
        self.shared.families.state.get_or_create(&OfState { log: log.as_str(), result }).inc();
    }

    /// A record was handed to the ledger of budgets, or not taken.
    pub fn ledger_record(&self, written: bool) {
        let f = &self.shared.families;
        if written { &f.ledger_written } else { &f.ledger_lost }.inc();
    }

    /// The account of one window of a provider's quota.
    pub fn budget(&self, provider: ProviderId, window: &'static str, kind: &'static str, units: u64) {
        let account = Account { provider: provider.as_str(), window, kind };
        self.shared.families.budget.get_or_create(&account).set(i64::try_from(units).unwrap_or(i64::MAX));
    }

    /// When a window is used up at the rate of its past, milliseconds since the epoch; `None` where it lasts.
    pub fn budget_runs_out(&self, provider: ProviderId, window: &'static str, at_ms: Option<i64>) {
        let (of, family) = (OfWindow { provider: provider.as_str(), window }, &self.shared.families.runs_out);
        match at_ms {
            Some(at_ms) => {
                family.get_or_create(&of).set(at_ms.div_euclid(1_000));
            }
            None => {
                family.remove(&of);
            }
        }
    }

    /// Indicators that a provider has not been asked about since the start, for this reason, in this place of their events.
    pub fn unasked(&self, provider: ProviderId, reason: &'static str, role: &'static str, indicators: u64) {
        let of = Unasked { provider: provider.as_str(), reason, role };
        self.shared.families.unasked.get_or_create(&of).inner().store(indicators, Ordering::Relaxed);
    }

    /// Whether the last reload of the configuration went well.
    pub fn reloaded(&self, well: bool) {
        self.shared.families.reloaded.set(i64::from(well));
    }

    /// State of a provider's circuit: 0 closed, 1 half-open, 2 open, 3 switched off.
    pub fn circuit(&self, provider: ProviderId, state: i64) {
        self.shared.families.circuit.get_or_create(&OfProvider { provider: provider.as_str() }).set(state);
    }

    /// Records behind the end of each owned partition; partitions not named are no longer owned.
    pub fn lag(&self, partitions: impl Iterator<Item = (String, i32, i64)>) {
        let lag = &self.shared.families.lag;
        lag.clear();
        for (topic, partition, records) in partitions {
            lag.get_or_create(&Partition { topic, partition }).set(records);
        }
    }

    /// What a shard holds: parked events and bytes, owed events and bytes.
    pub fn held(&self, shard: usize, held: [usize; 4]) {
        self.shared.held.lock().insert(shard, held);
    }

    /// What all shards hold: parked events and bytes, owed events and bytes.
    pub fn held_sum(&self) -> [usize; 4] {
        let mut sum = [0; 4];
        for held in self.shared.held.lock().values() {
            for (sum, held) in sum.iter_mut().zip(held) {
                *sum += held;
            }
        }
        sum
    }

    /// Adds a shard's counters and empties them.
    pub fn merge(&self, counts: &mut ShardCounts) {
        let f = &self.shared.families;
        let mut summary = self.shared.summary.lock();
        for kind in Kind::all() {
            for role in Role::ALL {
                let count = counts.extracted.get(kind.index()).and_then(|roles| roles.get(role as usize));
                if let Some(count) = count.copied().filter(|count| *count > 0) {
                    f.extracted.get_or_create(&Extracted { r#type: kind.as_str(), role: role.as_str() }).inc_by(count);
                    *summary.extracted.entry(kind.as_str()).or_default() += count;
                }
            }
        }
        for (reason, count) in Suppression::ALL.into_iter().zip(&counts.suppressed) {
            if *count > 0 {
                f.suppressed.get_or_create(&List { list: reason.as_str() }).inc_by(*count);
                *summary.suppressed.entry(reason.as_str()).or_default() += count;
            }
        }
        for (result, count) in CacheResult::ALL.into_iter().zip(&counts.cache) {
            if *count > 0 {
                f.cache.get_or_create(&Cached { result: result.as_str() }).inc_by(*count);
                *summary.cache.entry(result.as_str()).or_default() += count;
            }
        }
        let topic = self.shared.output_topic.lock().clone();
        for (status, row) in Status::ALL.into_iter().zip(&counts.produced) {
            let names = std::iter::once("none").chain(Disposition::ALL.into_iter().map(Disposition::as_str));
            for (disposition, count) in names.zip(row) {
                if *count > 0 {
                    let labels = Produced { topic: topic.clone(), disposition, status: status.as_str() };
                    f.produced.get_or_create(&labels).inc_by(*count);
                    *summary.produced.entry(status.as_str()).or_default() += count;
                    *summary.dispositions.entry(disposition).or_default() += count;
                }
            }
        }
        for (status, count) in Status::ALL.into_iter().zip(&counts.late) {
            if *count > 0 {
                f.late.get_or_create(&OfStatus { status: status.as_str() }).inc_by(*count);
                *summary.late.entry(status.as_str()).or_default() += count;
            }
        }
        for (reason, count) in ["too_large", "refused"].into_iter().zip(counts.dead_letters) {
            if count > 0 {
                f.dead_letters.get_or_create(&OfReason { reason }).inc_by(count);
                summary.dead_letters += count;
            }
        }
        for ((provider, reason), count) in &counts.skipped {
            let labels = Skipped { provider: provider.as_str(), reason: reason.as_str() };
            f.skipped.get_or_create(&labels).inc_by(*count);
        }
        for (stage, local) in Stage::ALL.into_iter().zip(&mut counts.stages) {
            f.stages.get_or_create(&OfStage { stage: stage.as_str() }).merge(local);
        }
        f.faults.inc_by(counts.faults);
        f.latency.get_or_create(&OfStage { stage: "consume_to_output" }).merge(&mut counts.in_pipeline);
        f.latency.get_or_create(&OfStage { stage: "event_to_output" }).merge(&mut counts.since_created);
        *counts = ShardCounts::default();
    }

    /// Events written since the start.
    pub fn events_out(&self) -> u64 {
        self.shared.summary.lock().produced.values().sum()
    }

    /// The counters that people look at.
    pub fn summary(&self) -> Summary {
        let mut summary = self.shared.summary.lock().clone();
        let latency = self.shared.families.latency.get_or_create(&OfStage { stage: "consume_to_output" });
        summary.latency = (latency.quantile(0.5), latency.quantile(0.99));
        summary
    }

    /// The exposition text, OpenMetrics 1.0; [`CONTENT_TYPE`](Self::CONTENT_TYPE) goes with it.
    pub fn encode(&self, moment: &Moment) -> String {
        let f = &self.shared.families;
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let [parked, parked_bytes, owed, owed_bytes] = self.held_sum();
        f.parked_events.set(whole(parked));
        f.parked_bytes.set(whole(parked_bytes));
        f.owed_events.set(whole(owed));
        f.owed_bytes.set(whole(owed_bytes));
        f.waiting.set(whole(moment.waiting));
        f.outranked.set(i64::try_from(moment.outranked).unwrap_or(i64::MAX));
        f.in_flight_records.set(whole(moment.in_flight_records));
        f.in_flight_bytes.set(whole(moment.in_flight_bytes));
        f.cache_bytes.set(i64::try_from(moment.cache_bytes).unwrap_or(i64::MAX));
        f.cache_entries.set(i64::try_from(moment.cache_entries).unwrap_or(i64::MAX));
        f.uptime.set(moment.uptime);
        let mut text = String::new();
        // Writing to a string cannot fail.
        text::encode(&mut text, &self.shared.registry).ok();
        text
    }

    /// Content type of [`encode`](Self::encode).
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

/// The counters that people look at. The maps are by the names that the labels of the metrics have.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Records read.
    pub consumed: u64,
    /// Events written, by status.
    pub produced: BTreeMap<&'static str, u64>,
    /// Events written, by disposition.
    pub dispositions: BTreeMap<&'static str, u64>,
    /// Distinct indicators of events, by kind.
    pub extracted: BTreeMap<&'static str, u64>,
    /// Indicators not looked up, by reason.
    pub suppressed: BTreeMap<&'static str, u64>,
    /// Cache look-ups, by result.
    pub cache: BTreeMap<&'static str, u64>,
    /// Calls, by provider and outcome.
    pub calls: BTreeMap<(&'static str, &'static str), u64>,
    /// Late records, by status.
    pub late: BTreeMap<&'static str, u64>,
    /// Dead letters.
    pub dead_letters: u64,
    /// Upper bounds in seconds of the median and the 99th percentile between reading and writing.
    pub latency: (Option<f64>, Option<f64>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::CacheResult;

    /// Dashboards and alerts are written against these.
    #[test]
    fn names_and_labels() {
        let metrics = Metrics::new();
        metrics.set_output_topic("out");
        metrics.consumed("in", 2);
        let provider = ProviderId("virustotal");
        metrics.provider_request(provider, RequestOutcome::RateLimited, 3, Duration::from_millis(3));
        metrics.budget(provider, "day", "limit", 500);
        metrics.budget_runs_out(provider, "day", Some(1_795_424_400_999));
        metrics.budget_runs_out(provider, "month", Some(1_795_424_400_999));
        metrics.budget_runs_out(provider, "month", None);
        metrics.unasked(provider, "flood", "query", 9);
        metrics.circuit(provider, 2);
        metrics.lag([("in".to_owned(), 3, 7)].into_iter());
        metrics.held(0, [1, 10, 2, 20]);
        metrics.held(1, [1, 10, 2, 20]);
        let mut counts = ShardCounts::default();
        counts.extracted(crate::model::IndicatorKind::Domain.into(), Role::Query);
        counts.suppressed(Suppression::OwnDomain);
        counts.cache(CacheResult::Coalesced);
        counts.produced(Status::Partial, Some(Disposition::Malicious), 0.02, Some(29.0));
        counts.late(Status::Complete);
        counts.dead_letters(1, 1);
        counts.skipped(ProviderId("virustotal"), crate::model::Reason::Outranked);
        counts.stage(Stage::Extract, 0.000_01);
        metrics.merge(&mut counts);
        metrics.merge(&mut counts);
        metrics.state_record(StateLog::Assessments, "corrupt");
        metrics.ledger_record(true);
        let moment = Moment { waiting: 4, in_flight_records: 5, in_flight_bytes: 6, ..Moment::default() };
        let text = metrics.encode(&moment);
        for line in [
            "sidelight_events_consumed_total{topic=\"in\"} 2",
            "sidelight_events_produced_total{topic=\"out\",disposition=\"malicious\",status=\"partial\"} 1",
            "sidelight_event_latency_seconds_bucket{le=\"10.0\",stage=\"event_to_output\"} 0",
            "sidelight_event_latency_seconds_bucket{le=\"30.0\",stage=\"event_to_output\"} 1",
            "sidelight_event_latency_seconds_bucket{le=\"+Inf\",stage=\"consume_to_output\"} 1",
            "sidelight_indicators_extracted_total{type=\"domain\",role=\"query\"} 1",
            "sidelight_indicators_suppressed_total{list=\"own_domain\"} 1",
            "sidelight_cache_requests_total{result=\"coalesced\"} 1",
            "sidelight_provider_requests_total{provider=\"virustotal\",outcome=\"rate_limited\"} 1",
            "sidelight_provider_request_duration_seconds_count{provider=\"virustotal\"} 1",
            "sidelight_provider_budget_runs_out_timestamp_seconds{provider=\"virustotal\",window=\"day\"} 1795424400",
            "sidelight_provider_unasked_indicators_total{provider=\"virustotal\",reason=\"flood\",role=\"query\"} 9",
            "sidelight_provider_budget_units{provider=\"virustotal\",window=\"day\",kind=\"limit\"} 500",
            "sidelight_provider_cost_units_total{provider=\"virustotal\"} 3",
            "sidelight_provider_circuit_state{provider=\"virustotal\"} 2",
            "sidelight_dlq_records_total{reason=\"refused\"} 1",
            "sidelight_dlq_records_total{reason=\"too_large\"} 1",
            "sidelight_provider_skipped_total{provider=\"virustotal\",reason=\"outranked\"} 1",
            "sidelight_stage_duration_seconds_count{stage=\"extract\"} 1",
            "sidelight_late_records_total{status=\"complete\"} 1",
            "sidelight_state_records_total{log=\"assessments\",result=\"corrupt\"} 1",
            "sidelight_ledger_written_total 1",
            "sidelight_ledger_lost_total 0",
            "sidelight_consumer_lag_records{topic=\"in\",partition=\"3\"} 7",
            "sidelight_parked_events 2",
            "sidelight_parked_bytes 20",
            "sidelight_owed_events 4",
            "sidelight_owed_bytes 40",
            "sidelight_waiting_indicators 4",
            "sidelight_in_flight_records 5",
            "sidelight_in_flight_bytes 6",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
        assert!(text.contains("sidelight_build_info{version="), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
