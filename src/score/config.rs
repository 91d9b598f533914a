//! Thresholds and weights.

use crate::model::ProviderId;

/// Weight of each provider's term: (provider, weight in points 0..=100), in configured order.
///
/// The weight of a provider that the formula knows replaces its default wherever the formula has a term for it. A provider
/// that the formula does not know gets a term by being named: of its own for addresses and hashes, as another candidate
/// for `best` for domains and URLs. A weight of 0 takes a term away.
pub type Weights = Vec<(ProviderId, f64)>;

/// Scoring parameters.
#[derive(Clone, Debug)]
pub struct Config {
    /// Scores from here are malicious, 0..=100.
    pub malicious: f64,
    /// Scores from here are suspicious, 0..=100.
    pub suspicious: f64,
    /// Weights that the configuration changes; providers not named keep the default of the formula.
    pub weights: Weights,
}

impl Default for Config {
    fn default() -> Self {
        Self { malicious: 70.0, suspicious: 40.0, weights: Vec::new() }
    }
}
