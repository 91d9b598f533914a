//! Configuration of the enricher.

use crate::model::Severity;

/// Bounds of the enricher.
#[derive(Clone, Debug)]
pub struct Config {
    /// Indicators that wait for a call, at most.
    pub max_waiting: usize,
    /// Calls under way at all providers together, at most.
    pub max_in_flight: usize,
    /// Share of every quota that is kept for urgent indicators, 0.0..=0.9.
    pub reserve: f64,
    /// Indicators of events of this severity or a higher one may use the reserve; `None`: only those that a person asks about.
    pub urgent_severity: Option<Severity>,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_waiting: 100_000, max_in_flight: 64, reserve: 0.2, urgent_severity: Some(Severity::High) }
    }
}
