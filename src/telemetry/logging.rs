//! Setting the log up, once, at the start of the process.

use std::io::{self, IsTerminal};

use tracing_subscriber::{filter::LevelFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::telemetry::{Config, LogFormat};

/// Sends the log to standard error in the configured form. Does nothing when a log is set up already.
pub fn init(config: Config) {
    let level: LevelFilter = config.level;
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(level);
    let done = if json {
        let layer = fmt::layer().json().flatten_event(true).with_writer(io::stderr).with_current_span(false);
        registry.with(layer.with_span_list(false)).try_init()
    } else {
        let layer = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).with_target(false);
        registry.with(layer).try_init()
    };
    // A second call (tests, an embedding program) keeps the first log.
    done.ok();
}
