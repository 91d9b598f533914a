//! Assembly: from configuration to a running product, and down again.
//!
//! `Config` is plain data, [`Engine::build`] makes the parts, [`App::build`] binds sockets and reaches the brokers, [`App::run`] starts everything and
//! returns when it has drained. This is the one place where concrete types meet.

mod accounts;
mod analyst;
mod daemon;
mod engine;
mod explain;
mod fleet;
mod memory;
mod reload;
mod service;
mod signal;
mod status;
mod store;
mod warm;

pub use analyst::{Analyst, Found, Question};
pub use daemon::{App, AppError, Ended};
pub use engine::{Engine, EngineError};
pub use fleet::{Member, build_for_command};
pub use reload::{Load, Reload};
pub use signal::Stop;
pub use status::{Report, Stage, provider_reports};
