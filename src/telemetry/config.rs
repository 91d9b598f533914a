//! Configuration of logs.

use tracing::level_filters::LevelFilter;

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// Form and level.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Form.
    pub format: LogFormat,
    /// Least severe level that is written.
    pub level: LevelFilter,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: LevelFilter::INFO }
    }
}
