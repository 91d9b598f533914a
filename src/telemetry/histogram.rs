//! A histogram that shards fill in bulk.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// Upper bounds in seconds: from a known event (tens of microseconds) to the 30 s of a service level, which is a bound exactly.
pub(super) const BOUNDS: [f64; 15] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0];

/// Counts of one shard.
#[derive(Clone, Debug, Default)]
pub struct LocalHistogram {
    counts: [u64; BOUNDS.len() + 1],
    micros: u64,
}

impl LocalHistogram {
    /// Counts one value, in seconds.
    pub fn observe(&mut self, seconds: f64) {
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.micros = self.micros.saturating_add((seconds.max(0.0) * 1e6) as u64);
    }
}

#[derive(Debug, Default)]
struct Shared {
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// The sum of the shards' counts. `Clone` shares it.
#[derive(Clone, Debug, Default)]
pub struct BulkHistogram {
    shared: Arc<Shared>,
}

impl BulkHistogram {
    /// Adds a shard's counts and empties them.
    pub fn merge(&self, local: &mut LocalHistogram) {
        for (shared, count) in self.shared.counts.iter().zip(&mut local.counts) {
            let count = std::mem::take(count);
            if count > 0 {
                shared.fetch_add(count, Ordering::Relaxed);
            }
        }
        self.shared.micros.fetch_add(std::mem::take(&mut local.micros), Ordering::Relaxed);
    }

    /// Counts one value, in seconds.
    pub fn observe(&self, seconds: f64) {
        let mut local = LocalHistogram::default();
        local.observe(seconds);
        self.merge(&mut local);
    }

    /// Upper bound in seconds of the bucket that holds this quantile (0.0..=1.0); `None` without a value or beyond the last bound.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let counts: Vec<u64> = self.shared.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let wanted = (total as f64 * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (count, bound) in counts.iter().zip(BOUNDS) {
            seen += count;
            if seen >= wanted {
                return Some(bound);
            }
        }
        None
    }
}

impl TypedMetric for BulkHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for BulkHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(self.shared.counts.iter().map(|count| count.load(Ordering::Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.shared.micros.load(Ordering::Relaxed) as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_empties_the_shard_and_quantiles_read_the_bounds() {
        let histogram = BulkHistogram::default();
        let mut local = LocalHistogram::default();
        for _ in 0..99 {
            local.observe(0.000_04);
        }
        local.observe(29.0);
        histogram.merge(&mut local);
        histogram.merge(&mut local);
        assert_eq!(histogram.quantile(0.5), Some(0.000_05));
        assert_eq!(histogram.quantile(0.999), Some(30.0));
        assert!(BOUNDS.contains(&30.0));
    }
}
