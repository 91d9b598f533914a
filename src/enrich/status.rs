//! The state of the providers, for people and metrics.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    budget::WindowAccount,
    enrich::board::Board,
    model::{IndicatorKind, ProviderId, Reason},
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

/// The state of one of a provider's keys.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    /// Its name; the first has none.
    pub name: Option<Box<str>>,
    /// It is not used at all, for this reason.
    pub closed: Option<Reason>,
    /// What was heard of it.
    pub health: KeyHealth,
    /// The provider asked for a pause until then: milliseconds since the epoch.
    pub paused_until: Option<i64>,
    /// Its circuit.
    pub circuit: BreakerState,
    /// Its account, window by window.
    pub windows: Vec<WindowAccount>,
    /// Calls started since the start of the process.
    pub calls: u64,
    /// What they cost, in units of the quota.
    pub units: u64,
}

/// The state of one provider.
#[derive(Clone, Debug)]
pub struct ProviderStatus {
    /// Which.
    pub provider: ProviderId,
    /// It is not asked at all, for this reason.
    pub closed: Option<Reason>,
    /// It asked for a pause until then, with every key: milliseconds since the epoch.
    pub paused_until: Option<i64>,
    /// The circuit of the key that is best off.
    pub circuit: BreakerState,
    /// What all keys together may, window by window.
    pub windows: Vec<WindowAccount>,
    /// Its keys, in the order of the configuration.
    pub keys: Vec<KeyStatus>,
    /// Indicators that wait for it.
    pub waiting: usize,
    /// Calls under way.
    pub in_flight: usize,
    /// Calls started since the start of the process.
    pub calls: u64,
    /// What they cost, in units of the quota.
    pub units: u64,
    /// Kinds that the plan of its key leaves out.
    pub left_out: Vec<IndicatorKind>,
    /// Indicators that it was not asked about since the start of the process, by reason and place in the event.
    pub unasked: BTreeMap<(&'static str, &'static str), u64>,
}

impl Board {
    pub(super) fn status(&self, now: Duration, wall_ms: i64) -> Vec<ProviderStatus> {
        let status = |desk: &crate::enrich::desk::Desk| {
            let mut numbered: Vec<_> = desk.keys().map(|key| (key.number, key.status(now, wall_ms))).collect();
            numbered.sort_by_key(|(number, _)| *number);
            let keys: Vec<KeyStatus> = numbered.into_iter().map(|(_, key)| key).collect();
            let open = || keys.iter().filter(|key| key.closed.is_none());
            let rank = |circuit: BreakerState| match circuit {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            };
            let circuit = open().map(|key| key.circuit).min_by_key(|circuit| rank(*circuit));
            let is_paused = open().all(|key| key.paused_until.is_some());
            ProviderStatus {
                provider: desk.id,
                closed: keys.first().and_then(|key| key.closed).filter(|_| desk.is_closed()),
                paused_until: open().filter_map(|key| key.paused_until).min().filter(|_| is_paused),
                circuit: circuit.unwrap_or(desk.key.breaker.state()),
                windows: together(&keys),
                waiting: desk.queue.len(),
                in_flight: desk.in_flight,
                calls: keys.iter().map(|key| key.calls).sum(),
                units: keys.iter().map(|key| key.units).sum(),
                left_out: desk.door.left_out().collect(),
                unasked: desk.unasked.clone(),
                keys,
            }
        };
        self.desks.iter().map(status).collect()
    }
}

/// The windows of all keys, those of one span added up.
fn together(keys: &[KeyStatus]) -> Vec<WindowAccount> {
    let mut all: Vec<WindowAccount> = Vec::new();
    for window in keys.iter().flat_map(|key| &key.windows) {
        match all.iter_mut().find(|known| known.span == window.span) {
            Some(known) => {
                known.limit += window.limit;
                known.used += window.used;
                known.leased += window.leased;
                known.reserved += window.reserved;
            }
            None => all.push(*window),
        }
    }
    all
}
