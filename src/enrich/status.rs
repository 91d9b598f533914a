//! The state of the providers, for people and metrics.

use std::time::Duration;

use crate::{
    budget::WindowAccount,
    enrich::board::Board,
    model::{ProviderId, Reason},
    provider::BreakerState,
};

/// What the provider said last of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyHealth {
    /// No call has proved it yet.
    #[default]
    Untried,
    /// It answered a call.
    Accepted,
    /// It refused it.
    Refused,
}

impl KeyHealth {
    /// The text of the status page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Untried => "not tried",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

/// The state of one provider.
#[derive(Clone, Debug)]
pub struct ProviderStatus {
    /// Which.
    pub provider: ProviderId,
    /// It is not asked at all, for this reason.
    pub closed: Option<Reason>,
    /// Its key.
    pub key: KeyHealth,
    /// It asked for a pause until then: milliseconds since the epoch.
    pub paused_until: Option<i64>,
    /// Its circuit.
    pub circuit: BreakerState,
    /// Its account, window by window.
    pub windows: Vec<WindowAccount>,
    /// Indicators that wait for it.
    pub waiting: usize,
    /// Calls under way.
    pub in_flight: usize,
    /// Calls started since the start of the process.
    pub calls: u64,
}

impl Board {
    pub(super) fn status(&self, now: Duration, wall_ms: i64) -> Vec<ProviderStatus> {
        let status = |desk: &crate::enrich::desk::Desk| {
            let pause = desk.paused_until.saturating_sub(now);
            let paused_until = (!pause.is_zero())
                .then(|| wall_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)));
            ProviderStatus {
                provider: desk.id,
                closed: desk.closed,
                key: desk.key,
                paused_until,
                circuit: desk.breaker.state(),
                windows: desk.budget.snapshot(),
                waiting: desk.queue.len(),
                in_flight: desk.in_flight,
                calls: desk.calls,
            }
        };
        self.desks.iter().map(status).collect()
    }
}
