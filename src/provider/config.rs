//! Configuration that all providers share.

use std::time::Duration;

use secrecy::SecretString;

use crate::{
    budget::{Pace, Quota},
    gate::Tlp,
    provider::Network,
};

/// One provider's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key; `Debug` redacts it.
    pub api_key: SecretString,
    /// Scheme, host, port and optional path prefix, without a trailing slash.
    pub base_url: String,
    /// What may be spent.
    pub quota: Quota,
    /// How long windows are spent; `None`: even for windows of an hour and longer.
    pub pace: Option<Pace>,
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
