//! The admin server: probes, metrics, status as JSON and as a page.
//!
//! It runs on an OS thread with a runtime of its own, so that probes answer when the data path is saturated. It changes nothing and shows no
//! indicator but those in the list of recent hits; every value is escaped. Paths: `/livez`, `/readyz`, `/metrics`, `/api/v1/status`,
//! `/api/v1/budgets`, `/`.

mod config;
mod limits;
mod page;
mod report;
mod server;

pub use config::Config;
pub use report::{CostReport, KeyReport, PartitionReport, ProviderReport, StatusReport, UnaskedReport, WindowReport};
pub use server::{BindError, Bound, Handle, Server};

use crate::telemetry::Moment;

/// Where the server's content comes from.
pub trait StatusSource: Send + Sync + 'static {
    /// Whether the process does its work; if not, why.
    ///
    /// # Errors
    /// The reasons, one sentence each.
    fn ready(&self) -> Result<(), Vec<String>>;
    /// The state of everything.
    fn status(&self) -> StatusReport;
    /// Numbers that are read off for the metrics; also brings the gauges of budgets and lag up to date.
    fn moment(&self) -> Moment;
}
