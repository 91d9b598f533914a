//! The engine: everything between source and sink, whatever these are. Shared by the daemon, the command line, the demo and the benchmark.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    budget::{Budget, Fleet},
    cache::Cache,
    config::Config,
    enrich::{Dice, Parts, Setup},
    extract::Extractor,
    gate::Gate,
    model::SharedClock,
    pipeline::{Blocks, Pipeline},
    provider::{self, Breaker},
    telemetry::Metrics,
};

/// Why the engine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A provider's client could not be built.
    #[error(transparent)]
    Provider(#[from] provider::BuildError),
    /// The system refused threads.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

/// The parts that outlive a pipeline, and the runtime on which providers are asked.
#[derive(Debug)]
pub struct Engine {
    /// Finds indicators.
    pub extractor: Arc<Extractor>,
    /// Keeps what must not leave.
    pub gate: Arc<Gate>,
    /// Knows what has been scored.
    pub cache: Cache,
    /// Time.
    pub clock: SharedClock,
    /// Counters.
    pub metrics: Metrics,
    runtime: tokio::runtime::Runtime,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Engine {
    /// Builds the parts and the pipeline, and starts the enricher's dispatchers. No record moves yet. Budgets are this process's own.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn build(config: &Config, clock: SharedClock) -> Result<(Self, Pipeline), EngineError> {
        Self::build_with(config, clock, None)
    }

    /// As [`Engine::build`], with budgets that are kept in the ledger of a fleet: nothing is looked up before the enricher has joined it.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn build_in_fleet(config: &Config, clock: SharedClock) -> Result<(Self, Pipeline), EngineError> {
        let fleet = Fleet::new(Arc::clone(&clock));
        Self::build_with(config, clock, Some(fleet))
    }

    fn build_with(config: &Config, clock: SharedClock, fleet: Option<Fleet>) -> Result<(Self, Pipeline), EngineError> {
        let metrics = Metrics::new();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("enrich").enable_all().build()?;
        let cache = Cache::new(&config.cache, Arc::clone(&clock));
        let extractor = Arc::new(Extractor::new(&config.extract));
        let gate = Arc::new(Gate::new(&config.gate));
        let seed = RandomState::new().hash_one(clock.wall_ms());
        let clients = provider::build(&config.providers, &clock)?;
        let providers = config.providers.iter().zip(clients).enumerate().map(|(index, ((_, settings), provider))| {
            let (quota, pace, reserve) = (settings.quota.clone(), settings.pace, config.enrich.reserve);
            let budget = match &fleet {
                None => Budget::new(quota, pace, reserve, Arc::clone(&clock)),
                Some(fleet) => Budget::in_ledger(fleet.clone(), &provider.account(), quota, pace, reserve),
            };
            let dice = Mutex::new(Dice::new(seed.wrapping_add(index as u64)));
            let breaker = Breaker::new(Arc::clone(&clock), Box::new(move || dice.lock().share()));
            Setup { provider, budget, breaker, max_in_flight: settings.max_in_flight, max_tlp: settings.max_tlp }
        });
        let enrich = Parts {
            config: config.enrich.clone(),
            providers: providers.collect(),
            score: config.score.clone(),
            cache_config: config.cache.clone(),
            cache: cache.clone(),
            clock: Arc::clone(&clock),
            seed,
            deadline: config.pipeline.deadline,
            late_for: config.pipeline.late_for,
            metrics: metrics.clone(),
            fleet: fleet.clone(),
        };
        let blocks = Blocks {
            config: config.pipeline.clone(),
            extractor: Arc::clone(&extractor),
            gate: Arc::clone(&gate),
            cache: cache.clone(),
            enrich,
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
        };
        let pipeline = Pipeline::build(blocks);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        pipeline.enricher().spawn(&tasks, runtime.handle(), &stop);
        Ok((Self { extractor, gate, cache, clock, metrics, runtime, tasks, stop }, pipeline))
    }

    /// The runtime on which providers are asked.
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        self.runtime.handle()
    }

    /// Ends the dispatchers; calls under way are abandoned.
    pub fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.runtime.shutdown_background();
    }
}
