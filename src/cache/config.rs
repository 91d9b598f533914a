//! Configuration of the cache.

use std::time::Duration;

/// Size and times to live.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes.
    pub capacity: u64,
    /// Of a verdict `found`.
    pub ttl: Duration,
    /// Of a verdict `clean`.
    pub ttl_clean: Duration,
    /// Of a verdict `not_found`.
    pub ttl_not_found: Duration,
    /// Of a failure: how long the provider is not asked again about this indicator.
    pub ttl_failed: Duration,
    /// How long an expired assessment may still be shown, marked, while it is refreshed.
    pub stale_for: Duration,
}

impl Default for Config {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            capacity: 256 << 20,
            ttl: 24 * HOUR,
            ttl_clean: 24 * HOUR,
            ttl_not_found: 6 * HOUR,
            ttl_failed: Duration::from_secs(60),
            stale_for: 24 * HOUR,
        }
    }
}
