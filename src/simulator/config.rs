//! Configuration of the simulator. Everything has a default; the default answers any key, at once, without a quota.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::{
    budget::Quota,
    model::{ProviderId, SharedClock, SystemClock},
    simulator::{Truths, face::Face},
};

/// How the simulator behaves.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What it says on which indicator.
    pub truths: Truths,
    /// Services beside those that it knows.
    pub faces: Vec<Face>,
    /// Services that differ from the default.
    pub services: Vec<(ProviderId, ServiceConfig)>,
    /// Entries of the log, at most; the oldest go first. Counters go on.
    pub log_capacity: usize,
    /// Whether answers are compressed for clients that accept it, as the real services do.
    pub gzip: bool,
    /// By how much a sliding window may be shorter than its span before a call counts as too many. A client counts when
    /// it sends, the simulator when the call arrives; zero for clients on the same clock.
    pub quota_tolerance: Duration,
    /// The time by which quotas are kept and calls are logged. Latency is real time in any case.
    pub clock: SharedClock,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            truths: Truths::default(),
            faces: Vec::new(),
            services: Vec::new(),
            log_capacity: 1_000_000,
            gzip: true,
            quota_tolerance: Duration::ZERO,
            clock: SystemClock::shared(),
        }
    }
}

impl SimulatorConfig {
    /// The configuration of one service.
    pub fn service(&self, provider: ProviderId) -> ServiceConfig {
        self.services.iter().find(|(id, _)| *id == provider).map(|(_, service)| service.clone()).unwrap_or_default()
    }
}

/// How one service behaves.
#[derive(Clone, Debug, Default)]
pub struct ServiceConfig {
    /// The keys it accepts, separated by blanks; `None` accepts every key that is not empty.
    pub key: Option<String>,
    /// The quota it enforces; `None` enforces none.
    pub quota: Option<Quota>,
    /// How long every answer takes.
    pub latency: Duration,
    /// How much longer it takes at most; each call draws its part from the seed and its number.
    pub jitter: Duration,
}
