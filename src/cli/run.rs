//! `sidelight run`: the daemon.

use tracing::error;

use crate::{
    app::{App, Stop},
    cli::{ConfigArgs, Failure, Outcome, load_and_log},
    model::SystemClock,
};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &Args) -> Outcome {
    let config = load_and_log(&args.config.config)?;
    let signals = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = Stop::default();
    stop.on_signals(signals.handle())?;
    let ended = App::build(config, SystemClock::shared(), stop).and_then(App::run);
    signals.shutdown_background();
    ended.map(drop).map_err(|error| {
        error!(%error, "ended");
        Failure::Logged
    })
}
