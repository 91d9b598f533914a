//! The daemon: the engine between two topics, with the admin server beside it.

use std::{sync::Arc, time::Duration};

use tracing::{error, info, warn};

use crate::{
    admin,
    app::{
        Engine, EngineError, Reload, Stage, Stop, fleet, memory,
        service::{Life, Service},
        status::Report,
        store::Logs,
        warm,
    },
    config::Config,
    kafka::{Kafka, KafkaError},
    model::SharedClock,
    pipeline::{Gauge, Pipeline},
};

/// Why the daemon could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The engine could not be built.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Kafka said no.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The admin server could not be bound.
    #[error(transparent)]
    Admin(#[from] admin::BindError),
    /// The system refused a thread or a signal handler.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
    /// The file of the local state cannot be used.
    #[error(transparent)]
    Local(#[from] crate::state::LocalError),
    /// A log of state cannot be read.
    #[error(transparent)]
    State(#[from] crate::state::LogError),
    /// The ledger of budgets cannot be used.
    #[error("{0}")]
    Ledger(String),
    /// Records can no longer be written.
    #[error("{0}")]
    Output(String),
}

/// How a run ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was written, reported and committed.
    Drained,
    /// The time to drain ran out; what was left will be read again.
    TimedOut,
}

/// A daemon that is built but not running.
pub struct App {
    config: Config,
    engine: Engine,
    pipeline: Pipeline,
    clock: SharedClock,
    admin: Option<admin::Bound>,
    stop: Stop,
    reload: Option<Reload>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

/// How often the daemon looks whether something has failed.
const LOOK: Duration = Duration::from_millis(100);

impl App {
    /// Binds the admin server and builds the engine; no broker is asked yet.
    ///
    /// # Errors
    /// [`AppError`]; nothing has been read or written.
    pub fn build(config: Config, clock: SharedClock, stop: Stop) -> Result<Self, AppError> {
        let admin = admin::Server::bind(&config.admin)?;
        let (engine, pipeline) = Engine::build_in_fleet(&config, Arc::clone(&clock))?;
        engine.metrics.set_output_topic(&config.kafka.output_topic);
        engine.metrics.reloaded(true);
        Ok(Self { config, engine, pipeline, clock, admin, stop, reload: None })
    }

    /// Reads the configuration again when that is wanted.
    #[must_use]
    pub fn reloading(self, reload: Reload) -> Self {
        Self { reload: Some(reload), ..self }
    }

    /// The counters.
    pub fn metrics(&self) -> &crate::telemetry::Metrics {
        &self.engine.metrics
    }

    /// Where the admin server listens, once it runs.
    pub fn admin_addr(&self) -> Option<std::net::SocketAddr> {
        self.admin.as_ref().map(admin::Bound::addr)
    }

    /// Reaches the brokers, makes sure of the topics, and runs until `stop` is wanted or something fails for good; then drains.
    ///
    /// # Errors
    /// [`AppError`] when Kafka or the output failed for good: the process has to end with a non-zero code.
    pub fn run(self) -> Result<Ended, AppError> {
        let Self { config, engine, pipeline, clock, admin, stop, reload } = self;
        // Before the brokers are reached: probes are answered from the first moment.
        let stage = Stage::default();
        let admin = admin.map(|bound| bound.spawn(Arc::new(stage.clone()), engine.metrics.clone())).transpose()?;
        if let Some(admin) = &admin {
            info!(address = %admin.addr(), "admin server listens");
        }
        let kafka = Kafka::connect(config.kafka.clone(), clock)?;
        let sink = kafka.sink(pipeline.delivered())?;
        let enricher = pipeline.enricher().clone();
        let logs = Logs::open(&config, &kafka, &engine.clock)?;
        let member = fleet::join(&logs, &config, &enricher, &engine, Some(&stop))?;
        let assessments = warm::up(&logs, &config, &enricher, &engine, &stage, &stop)?;
        let pipeline = warm::obligations(pipeline, &kafka, &sink, &config)?;
        let running = pipeline.spawn(Arc::clone(&sink) as Arc<dyn crate::pipeline::Sink>)?;
        let gauge = running.gauge();
        let source = kafka.source_before(&sink, Box::new(running.intake()))?;
        let report =
            Report::new(&config, &engine, enricher.clone(), gauge.clone(), Some(source.status()), stop.clone());
        stage.set(report.clone());
        memory::report(&config);
        info!(
            version = env!("CARGO_PKG_VERSION"),
            brokers = config.kafka.brokers,
            group = config.kafka.group_id,
            input = config.kafka.topics.join(","),
            output = config.kafka.output_topic,
            providers = config.providers.iter().filter(|(_, provider)| provider.key_name.is_none()).count(),
            "running"
        );
        let mut current = config.clone();
        let mut service = Service::from_environment();
        let reading = source.status();
        let look = || {
            if let Some(reload) = &reload {
                reload.look(&mut current, &enricher, &engine);
            }
            let life = || Life { source: reading.rounds(), pipeline: gauge.pulse() };
            service.look(engine.clock.monotonic(), || admin::StatusSource::ready(&report).is_ok(), life);
            source.is_finished()
        };
        let failure = || sink.failure().or_else(|| fleet::failure(&enricher));
        let failed = watch(&stop, &engine, &gauge, look, failure);
        service.stopping();
        let within = config.kafka.shutdown_timeout;
        let begun = engine.clock.monotonic();
        report.set_draining();
        source.stop();
        let ended = source.join();
        let left = within.saturating_sub(engine.clock.monotonic().saturating_sub(begun));
        let clean = running.drain(left);
        let clean = sink.end(left.max(Duration::from_millis(100))) && clean;
        member.leave(left);
        drop(assessments);
        let text = gauge.failure().or(failed);
        engine.shutdown();
        drop(admin);
        // A right that is missing says more than what followed from it, and so does what became of the output than what the input made of that.
        if let Err(lost @ KafkaError::Forbidden { .. }) = ended {
            return Err(lost.into());
        }
        if let Some(text) = text {
            error!(reason = text, "ending, what was not written will be read again");
            return Err(AppError::Output(text));
        }
        ended?;
        if clean {
            info!("drained");
            Ok(Ended::Drained)
        } else {
            warn!("shutdown_timeout is over; what is left will be read again");
            Ok(Ended::TimedOut)
        }
    }
}

/// Waits until it is time to stop; why, if something failed.
fn watch(
    stop: &Stop,
    engine: &Engine,
    gauge: &Gauge,
    mut source_ended: impl FnMut() -> bool,
    sink_failure: impl Fn() -> Option<String>,
) -> Option<String> {
    loop {
        if let Some(text) = gauge.failure().or_else(&sink_failure) {
            return Some(text);
        }
        if source_ended() || stop.wait(engine.runtime(), LOOK) {
            return None;
        }
    }
}
