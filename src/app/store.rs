//! Where the logs of state stand: on topics, or in a local file.

use std::sync::Arc;

use crate::{
    app::AppError,
    config::Config,
    kafka::Kafka,
    model::SharedClock,
    state::{LocalStore, Log, LogSpec, Store},
};

/// Opens logs where the configuration says that state is kept.
#[derive(Debug)]
pub(super) enum Logs<'a> {
    Kafka(&'a Kafka),
    Local(LocalStore),
}

impl<'a> Logs<'a> {
    /// For the daemon.
    pub(super) fn open(config: &Config, kafka: &'a Kafka, clock: &SharedClock) -> Result<Self, AppError> {
        match config.state.store {
            Store::Kafka => Ok(Self::Kafka(kafka)),
            Store::Local => Self::local(config, clock),
        }
    }

    /// In the local file.
    pub(super) fn local(config: &Config, clock: &SharedClock) -> Result<Self, AppError> {
        Ok(Self::Local(LocalStore::open(&config.state.path, Arc::clone(clock))?))
    }

    /// Opens a log, and creates it where it is missing.
    pub(super) fn log(&self, spec: &LogSpec) -> Result<Arc<dyn Log>, AppError> {
        match self {
            Self::Kafka(kafka) => Ok(kafka.log(spec)?),
            Self::Local(store) => Ok(store.log(spec)?),
        }
    }
}
