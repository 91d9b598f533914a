//! The state of everything, for probes, metrics and the status page.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    admin::{self, KeyReport, PartitionReport, ProviderReport, StatusReport, StatusSource},
    app::{
        Analyst, Engine, Stop,
        accounts::{self, rfc3339},
        memory,
    },
    budget::WindowAccount,
    cache::Cache,
    config::Config,
    enrich::{Enricher, KeyStatus, ProviderStatus},
    kafka::SourceStatus,
    model::{ProviderId, Reason, SharedClock},
    pipeline::{Gauge, Order},
    provider::BreakerState,
    telemetry::{Metrics, Moment},
};

/// Brokers may be out of reach for this long before the process says that it is not ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the admin server shows: that the process starts, then the report on the running parts. `Clone` shares it.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    report: Arc<OnceLock<Report>>,
    /// What the start is at.
    doing: Arc<Mutex<Option<String>>>,
}

impl Stage {
    /// Says what the start is at.
    pub(super) fn say(&self, doing: String) {
        *self.doing.lock() = Some(doing);
    }

    /// From now on this is shown.
    pub fn set(&self, report: Report) {
        // There is one start; a second report would be the same.
        self.report.set(report).ok();
    }
}

impl StatusSource for Stage {
    fn ready(&self) -> Result<(), Vec<String>> {
        match self.report.get() {
            Some(report) => report.ready(),
            None => {
                let doing = self.doing.lock().clone();
                Err(vec![doing.unwrap_or_else(|| "starting: waiting for the brokers".to_owned())])
            }
        }
    }

    fn status(&self) -> StatusReport {
        self.report.get().map_or_else(
            || StatusReport {
                version: env!("CARGO_PKG_VERSION"),
                state: "starting",
                not_ready: self.ready().err().unwrap_or_default(),
                ..StatusReport::default()
            },
            StatusSource::status,
        )
    }

    fn moment(&self) -> Moment {
        self.report.get().map_or_else(Moment::default, StatusSource::moment)
    }

    fn analyst(&self) -> Option<Arc<dyn admin::Analyst>> {
        self.report.get().and_then(StatusSource::analyst)
    }
}

/// Reads the state off the running parts. `Clone` shares it.
#[derive(Clone)]
pub struct Report {
    parts: Arc<Parts>,
}

struct Parts {
    clock: SharedClock,
    started: Duration,
    metrics: Metrics,
    cache: Cache,
    enricher: Enricher,
    analyst: Arc<Analyst>,
    gauge: Gauge,
    source: Option<Arc<SourceStatus>>,
    draining: AtomicBool,
    stop: Stop,
    plain: StatusReport,
    prices: BTreeMap<ProviderId, f64>,
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

impl Report {
    /// A report on these parts. `source` is absent where records do not come from Kafka.
    pub fn new(
        config: &Config,
        engine: &Engine,
        enricher: Enricher,
        gauge: Gauge,
        source: Option<Arc<SourceStatus>>,
        stop: Stop,
    ) -> Self {
        let plain = StatusReport {
            version: env!("CARGO_PKG_VERSION"),
            group: config.kafka.group_id.clone(),
            input: config.kafka.topics.clone(),
            output: config.kafka.output_topic.clone(),
            guarantee: config.kafka.guarantee.as_str(),
            order: match config.pipeline.order {
                Order::Key => "key",
                Order::Partition => "partition",
            },
            deadline_ms: u64::try_from(config.pipeline.deadline.as_millis()).unwrap_or(u64::MAX),
            memory_ceiling: memory::ceiling(config),
            owed_bytes_limit: config.pipeline.owed_bytes,
            cache_bytes_limit: config.cache.capacity,
            park_bytes_limit: config.pipeline.park_bytes,
            ..StatusReport::default()
        };
        let parts = Parts {
            started: engine.clock.monotonic(),
            clock: Arc::clone(&engine.clock),
            metrics: engine.metrics.clone(),
            cache: engine.cache.clone(),
            analyst: Arc::new(Analyst::new(engine, enricher.clone())),
            enricher,
            gauge,
            source,
            draining: AtomicBool::new(false),
            stop,
            plain,
            prices: config.prices(),
        };
        Self { parts: Arc::new(parts) }
    }

    /// From now on the process is not ready: it drains.
    pub fn set_draining(&self) {
        self.parts.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.parts.draining.load(Ordering::Relaxed) || self.parts.stop.is_wanted()
    }
}

/// The providers' state, as it is shown. `prices` are those of a unit.
pub fn provider_reports(
    statuses: &[ProviderStatus],
    calls: &Calls,
    prices: &BTreeMap<ProviderId, f64>,
    wall_ms: i64,
) -> Vec<ProviderReport> {
    statuses.iter().map(|status| provider(status, calls, prices.get(&status.provider).copied(), wall_ms)).collect()
}

/// Calls, by provider and outcome.
type Calls = BTreeMap<(&'static str, &'static str), u64>;

fn provider(status: &ProviderStatus, calls: &Calls, price: Option<f64>, wall_ms: i64) -> ProviderReport {
    let name = status.provider.as_str();
    let now = state(status.closed, status.paused_until, status.circuit, &status.windows, status.waiting);
    let several = status.keys.len() > 1;
    let windows = |accounts: &[WindowAccount]| accounts.iter().map(|one| accounts::window(one, wall_ms)).collect();
    let key_report = |key: &KeyStatus| KeyReport {
        name: key.name.as_deref().unwrap_or_default().to_owned(),
        state: state(key.closed, key.paused_until, key.circuit, &key.windows, status.waiting),
        key: key.health.as_str(),
        calls: key.calls,
        paused_until: key.paused_until.and_then(rfc3339),
        budget: windows(&key.windows),
    };
    ProviderReport {
        provider: name,
        state: now,
        key: status.keys.first().map_or("", |key| key.health.as_str()),
        calls: calls.iter().filter(|((of, _), _)| *of == name).map(|((_, how), n)| (*how, *n)).collect(),
        in_flight: status.in_flight,
        waiting: status.waiting,
        circuit: status.circuit.as_str(),
        paused_until: status.paused_until.and_then(rfc3339),
        budget: windows(&status.windows),
        keys: status.keys.iter().filter(|_| several).map(key_report).collect(),
        not_in_plan: status.left_out.iter().map(|kind| kind.as_str()).collect(),
        unasked: accounts::unasked(status),
        cost: price.map(|price| accounts::cost(status, price)),
    }
}

/// The state of a provider or of one of its keys, in words.
fn state(
    closed: Option<Reason>,
    paused_until: Option<i64>,
    circuit: BreakerState,
    windows: &[WindowAccount],
    waiting: usize,
) -> String {
    let used_up = windows.iter().any(|window| window.used + window.reserved >= window.limit);
    match (closed, paused_until, circuit) {
        (Some(reason), _, _) => format!("off: {}", reason.as_str()),
        (None, Some(_), _) => "paused by the provider".to_owned(),
        (None, None, BreakerState::Open) => "circuit open".to_owned(),
        (None, None, BreakerState::HalfOpen) => "circuit half-open".to_owned(),
        (None, None, BreakerState::Closed) if used_up && waiting > 0 => "quota used up".to_owned(),
        (None, None, BreakerState::Closed) => "ok".to_owned(),
    }
}

impl StatusSource for Report {
    fn ready(&self) -> Result<(), Vec<String>> {
        let mut reasons = Vec::new();
        if self.is_draining() {
            reasons.push("draining".to_owned());
        }
        if let Some(text) = self.parts.gauge.failure() {
            reasons.push(text);
        }
        let replaying = self.parts.gauge.replaying();
        if replaying > 0 {
            reasons.push(format!("what is owed is still being read for {replaying} partitions"));
        }
        if let Some(source) = &self.parts.source {
            let away = source.unreachable_for();
            if away > PATIENCE {
                reasons.push(format!("no broker in reach for {} s", away.as_secs()));
            } else if !source.joined() && !self.is_draining() {
                reasons.push("the consumer group has not been joined yet".to_owned());
            }
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    fn status(&self) -> StatusReport {
        let parts = &self.parts;
        let ready = self.ready();
        let summary = parts.metrics.summary();
        let (counts, moving) = (parts.enricher.counts(), parts.gauge.moving());
        let [parked_events, parked_bytes, owed_events, owed_bytes] = parts.metrics.held_sum();
        let partitions: Vec<PartitionReport> = parts
            .source
            .iter()
            .flat_map(|source| source.partitions())
            .map(|p| PartitionReport { topic: p.topic.to_string(), partition: p.partition, lag: p.lag })
            .collect();
        let providers = parts.enricher.providers();
        StatusReport {
            uptime_s: parts.clock.monotonic().saturating_sub(parts.started).as_secs(),
            state: if self.is_draining() {
                "draining"
            } else if ready.is_ok() {
                "running"
            } else {
                "starting"
            },
            ready: ready.is_ok(),
            not_ready: ready.err().unwrap_or_default(),
            lag: partitions.iter().filter_map(|partition| partition.lag).sum(),
            partitions,
            events_in: summary.consumed,
            events_out: summary.produced.values().sum(),
            by_status: summary.produced,
            by_disposition: summary.dispositions,
            by_kind: summary.extracted,
            suppressed: summary.suppressed,
            cache: summary.cache,
            cache_entries: parts.cache.len(),
            cache_bytes: parts.cache.weight(),
            latency_p50_s: summary.latency.0,
            latency_p99_s: summary.latency.1,
            providers: provider_reports(&providers, &summary.calls, &parts.prices, parts.clock.wall_ms()),
            waiting_indicators: counts.waiting,
            outranked_indicators: counts.outranked,
            parked_events,
            parked_bytes,
            owed_events,
            owed_bytes,
            late: summary.late,
            late_failed: moving.late_failed,
            in_flight_records: moving.records,
            in_flight_bytes: moving.bytes,
            dead_letters: summary.dead_letters,
            skipped_finished: moving.skipped,
            transactions_undone: parts.source.as_ref().map_or(0, |source| source.transactions_undone()),
            ..parts.plain.clone()
        }
    }

    fn analyst(&self) -> Option<Arc<dyn admin::Analyst>> {
        Some(Arc::clone(&self.parts.analyst) as Arc<dyn admin::Analyst>)
    }

    fn moment(&self) -> Moment {
        let parts = &self.parts;
        for status in parts.enricher.providers() {
            for window in &status.windows {
                let name = window.span.as_str();
                parts.metrics.budget(status.provider, name, "limit", window.limit);
                parts.metrics.budget(status.provider, name, "used", window.used);
                parts.metrics.budget(status.provider, name, "reserved", window.reserved);
                parts.metrics.budget(status.provider, name, "leased", window.leased);
                parts.metrics.budget(status.provider, name, "remaining", window.limit.saturating_sub(window.used));
                let runs_out = accounts::runs_out(window, parts.clock.wall_ms());
                parts.metrics.budget_runs_out(status.provider, name, runs_out);
            }
            for ((reason, role), indicators) in &status.unasked {
                parts.metrics.unasked(status.provider, reason, role, *indicators);
            }
            let circuit = match (status.closed, status.circuit) {
                (Some(_), _) => 3,
                (None, BreakerState::Open) => 2,
                (None, BreakerState::HalfOpen) => 1,
                (None, BreakerState::Closed) => 0,
            };
            parts.metrics.circuit(status.provider, circuit);
        }
        if let Some(source) = &parts.source {
            let known = source.partitions().into_iter().filter_map(|partition| {
                let lag = i64::try_from(partition.lag?).unwrap_or(i64::MAX);
                Some((partition.topic.to_string(), partition.partition, lag))
            });
            parts.metrics.lag(known);
        }
        let (counts, moving) = (parts.enricher.counts(), parts.gauge.moving());
        Moment {
            waiting: counts.waiting,
            outranked: counts.outranked,
            in_flight_records: moving.records,
            in_flight_bytes: moving.bytes,
            cache_bytes: parts.cache.weight(),
            cache_entries: parts.cache.len(),
            uptime: parts.clock.monotonic().saturating_sub(parts.started).as_secs_f64(),
        }
    }
}
