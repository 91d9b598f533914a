//! The admin server: probes, metrics, status as JSON and as a page.
//!
//! It runs on an OS thread with a runtime of its own, so that probes answer when the data path is saturated. It shows no indicator but those that
//! somebody asks for; every value is escaped. Paths: `/livez`, `/readyz`, `/metrics`, `/api/v1/status`, `/api/v1/budgets`,
//! `/api/v1/indicators/{kind}/{value}`, `/`; by POST `/api/v1/lookup`, `/api/v1/purge`.

mod analyst;
mod api;
mod config;
mod limits;
mod page;
mod report;
mod server;

pub use analyst::{Analyst, Inquiry, Unknown};
pub use config::Config;
pub use report::{CostReport, KeyReport, PartitionReport, ProviderReport, StatusReport, UnaskedReport, WindowReport};
pub use server::{BindError, Bound, Handle, Server};

use std::sync::Arc;

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
    /// Who answers analysts; `None` while the process starts.
    fn analyst(&self) -> Option<Arc<dyn Analyst>>;
}
