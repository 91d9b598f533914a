//! The demo: the whole product in one process, with no set-up.
//!
//! An in-process Kafka broker (librdkafka's mock), the provider simulator over real sockets, a generated stream of events, and the real daemon
//! between them with its admin page. A reader consumes what comes out and keeps what is worth showing. Everything ends by itself.

mod collect;
mod parts;
pub mod stream;
pub mod values;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    app::{App, AppError, Stop},
    demo::{
        collect::Collected,
        parts::{Feeder, Stage},
        stream::{Make, Stream},
    },
    model::SystemClock,
    telemetry::Summary as Counts,
};

/// What the demo does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Events to send.
    pub events: u64,
    /// Events a second.
    pub rate: u64,
    /// Same seed, same events and verdicts.
    pub seed: u64,
    /// Go on after the summary until told to stop.
    pub keep: bool,
    /// Where the admin page listens; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        Self { events: 30_000, rate: 1_500, seed: 7, keep: false, listen: ([127, 0, 0, 1], 0).into() }
    }
}

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The daemon.
    #[error(transparent)]
    App(#[from] AppError),
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] crate::kafka::KafkaError),
    /// The demo's own configuration.
    #[error("{0}")]
    Config(#[from] crate::config::ConfigErrors),
    /// Threads or sockets.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
    /// The daemon's thread panicked.
    #[error("the daemon ended by a panic")]
    Panic,
}

/// Where the demo stands.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Seconds since the events began.
    pub seconds: f64,
    /// Events sent.
    pub sent: u64,
    /// Events to send.
    pub events: u64,
    /// The daemon's counters.
    pub counts: Counts,
    /// Where the admin page is.
    pub page: Option<SocketAddr>,
}

/// What the demo showed.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The last progress.
    pub progress: Progress,
    /// Calls per provider as the simulator counted them, with the quota.
    pub calls: Vec<(String, u64, String)>,
    /// Calls beyond a provider's quota, as the simulator counted them.
    pub over_quota: u64,
    /// What the reader of the output saw.
    pub collected: Collected,
}

/// Runs the demo; `tell` hears how it stands, about twice a second, and at last with `None` when events have all been sent and the summary
/// comes next.
///
/// # Errors
/// [`DemoError`].
pub fn run(options: &Options, stop: &Stop, tell: &mut dyn FnMut(&Progress)) -> Result<Summary, DemoError> {
    let clock = SystemClock::shared();
    let mut stream = Stream::new(Make { seed: options.seed, values: 150, threats: 0.004 });
    let stage = Stage::set(options, &stream.threats())?;
    let feeder = Feeder::connect(&stage, &clock)?;
    let reader = collect::spawn(&stage, &clock)?;
    let app_stop = Stop::default();
    let app = App::build(stage.config(options)?, Arc::clone(&clock), app_stop.clone())?;
    let (metrics, page) = (app.metrics().clone(), app.admin_addr());
    let daemon = std::thread::Builder::new().name("daemon".to_owned()).spawn(move || app.run())?;

    let begun = Instant::now();
    let progress = |sent| Progress {
        seconds: begun.elapsed().as_secs_f64(),
        sent,
        events: options.events,
        counts: metrics.summary(),
        page,
    };
    let mut sent = 0;
    while sent < options.events && !stop.is_wanted() && !daemon.is_finished() {
        let due = (begun.elapsed().as_secs_f64() * options.rate as f64) as u64;
        while sent < due.min(options.events) {
            feeder.send(&stream.event(clock.wall_ms()));
            sent += 1;
        }
        tell(&progress(sent));
        std::thread::sleep(Duration::from_millis(20));
    }
    // The rest of the events, then a little time for answers that are under way.
    let patience = Instant::now() + Duration::from_secs(20);
    while metrics.events_out() < sent && Instant::now() < patience && !daemon.is_finished() {
        tell(&progress(sent));
        std::thread::sleep(Duration::from_millis(20));
    }
    let quiet = Instant::now() + Duration::from_secs(2);
    while Instant::now() < quiet && !stop.is_wanted() && !daemon.is_finished() {
        tell(&progress(sent));
        std::thread::sleep(Duration::from_millis(20));
    }
    let summary = |collected: Collected| {
        let (calls, over_quota) = stage.calls();
        Summary { progress: progress(sent), calls, over_quota, collected }
    };
    let early = summary(reader.collected());
    if options.keep && !stop.is_wanted() && !daemon.is_finished() {
        tell(&Progress { events: 0, ..progress(sent) });
        while !stop.is_wanted() && !daemon.is_finished() {
            feeder.send(&stream.event(clock.wall_ms()));
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    app_stop.now();
    daemon.join().map_err(|_| DemoError::Panic)??;
    reader.stop();
    stage.end();
    Ok(early)
}
