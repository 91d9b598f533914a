//! State that outlives a process and is shared by a fleet: logs of keyed records, and what is written to them.
//!
//! - A [`Log`] is a topic with a latest value for each key (or a plain sequence): records are appended, read from the beginning, and then
//!   followed. The `kafka` module implements it with topics `<prefix>.…`; [`MemoryLog`] is the same inside a process, for tests.
//! - What stands in a log may be damaged, foreign, or of a version that is still to come. [`frame`] says which; readers skip and count it, never fail.
//!
//! Nothing here knows a client library.

pub mod assessment;
mod config;
pub mod frame;
mod local;
mod log;
mod memory;
mod names;
pub mod obligation;

pub use config::{Config, Store};
pub use local::{LocalError, LocalLog, LocalStore};
pub use log::{Appended, Cleanup, Done, Follower, Following, Log, LogError, LogRecord, LogSpec, Stop, discard};
pub use memory::MemoryLog;
