//! Configuration of the enricher.

/// Bounds of the enricher.
#[derive(Clone, Debug)]
pub struct Config {
    /// Indicators that wait for a call, at most.
    pub max_waiting: usize,
    /// Calls under way at all providers together, at most.
    pub max_in_flight: usize,
    /// Share of every quota that is kept for urgent indicators, 0.0..=0.9.
    pub reserve: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_waiting: 100_000, max_in_flight: 64, reserve: 0.2 }
    }
}
