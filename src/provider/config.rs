//! Configuration that all providers share.

use std::time::Duration;

use secrecy::SecretString;

use crate::{
    budget::{Pace, Quota},
    gate::Tlp,
    model::IndicatorKind,
    provider::{Costs, Network},
};

/// One provider's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of the key where it is one of several; the first of them has none.
    pub key_name: Option<Box<str>>,
    /// The key, where the service takes one; `Debug` redacts it.
    pub api_key: Option<SecretString>,
    /// Scheme, host, port and optional path prefix, without a trailing slash.
    pub base_url: String,
    /// The kinds that it is asked about, of those that the service knows.
    pub kinds: Vec<IndicatorKind>,
    /// What may be spent.
    pub quota: Quota,
    /// How long windows are spent; `None`: even for windows of an hour and longer.
    pub pace: Option<Pace>,
    /// What calls cost in units of the quota; `None`: as the service has it.
    pub costs: Option<Costs>,
    /// Price of a unit of the quota, for what is shown; in whatever currency.
    pub unit_price: Option<f64>,
    /// How often the service is asked for its own account, where it has a call for that which costs nothing; `None`: never.
    pub account_poll: Option<Duration>,
    /// Longest whole call.
    pub timeout: Duration,
    /// Calls at the same time.
    pub max_in_flight: usize,
    /// Weight of its term in points, where it differs from the formula's default.
    pub weight: Option<f64>,
    /// Indicators of events marked above this are not sent.
    pub max_tlp: Tlp,
    /// The way to the service.
    pub network: Network,
}
