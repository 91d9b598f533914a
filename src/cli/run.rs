//! `sidelight run`: the daemon.

use tracing::error;

use crate::{
    app::{App, Ended, Reload, Stop},
    cli::{ConfigArgs, Failure, Outcome, load_and_log},
    config::{self, ProcessEnvironment},
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
    let path = args.config.config.clone();
    let reload = Reload::on_hangup(signals.handle(), Box::new(move || config::load(&path, &ProcessEnvironment)))?;
    let ended = App::build(config, SystemClock::shared(), stop).and_then(|app| app.reloading(reload).run());
    signals.shutdown_background();
    match ended {
        Ok(Ended::Drained) => Ok(()),
        // Nothing is lost, but a supervisor must not take it for a drained end. The log has said so.
        Ok(Ended::TimedOut) => Err(Failure::Logged),
        Err(error) => {
            error!(%error, "ended");
            Err(Failure::Logged)
        }
    }
}
