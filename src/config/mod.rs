//! The configuration: from a TOML file and the environment to plain typed values.
//!
//! [`load`] reads the file, applies the overrides `SIDELIGHT__SECTION__KEY`, resolves the sources of keys and checks
//! everything. It never stops at the first mistake: one run reports all of them, each with file, line, column, the
//! source line with carets, the dotted path of the key, what is wrong and what to do. Nothing else is touched: no
//! socket, no broker.
//!
//! Rules:
//! - A key that is not known is an error, so a typing mistake cannot change a setting silently.
//! - Secrets come from the environment, a file or a systemd credential, never from the file itself; what a report
//!   shows of the file has everything masked that could be one.
//! - Each section is read by one function in `sections` with one line per key. The tables of providers follow from
//!   `provider::KNOWN`.
//! - The values are the `Config` types of the modules; no other module imports this one, except the shell.

mod address;
mod context;
mod diagnostic;
mod environment;
mod keys;
mod keywords;
mod load;
mod mask;
mod nearest;
mod network;
mod parse;
mod properties;
mod providers;
mod routing;
mod secret;
mod section;
mod sections;
mod source;
mod units;

pub use diagnostic::{ConfigErrors, Diagnostic, Place, Severity, Snippet};
pub use environment::{Environment, FixedEnvironment, ProcessEnvironment};
pub use keywords::read_keywords;
pub use load::{Config, Loaded, known_keys, load, parse};
