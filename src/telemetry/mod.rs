//! Logs and metrics.
//!
//! - Logs go to standard error: text on a terminal, JSON elsewhere. Repeated warnings are held back by a [`Throttle`].
//! - Metrics are typed and belong to a [`Metrics`] value, not to the process: tests read their own. No label ever holds an indicator, a key or
//!   anything else from an event's content.
//! - Shards count in plain numbers ([`ShardCounts`]) and merge now and then.

mod config;
mod counts;
mod histogram;
mod labels;
mod logging;
mod metrics;
mod throttle;

pub use config::{Config, LogFormat};
pub use counts::{CacheResult, ShardCounts, Stage};
pub use histogram::{BulkHistogram, LocalHistogram};
pub use labels::{RequestOutcome, StateLog};
pub use logging::init;
pub use metrics::{Metrics, Moment, Summary};
pub use throttle::Throttle;
