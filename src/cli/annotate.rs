//! `sidelight annotate`: lines in, annotated lines out, with the same engine as the daemon.

use std::{
    io::{self, BufWriter},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    app::build_for_command,
    cli::{ConfigArgs, Outcome, input, load_and_log, say},
    model::SystemClock,
    pipeline::{Order, Sink},
    stdio::{LineSink, feed},
};

/// Arguments of `annotate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, plain or packed by gzip or zstd, or patterns such as 'logs/*.gz'; standard input where there is none, or for '-'.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Longest wait of a line for its indicators, seconds. Lines whose answers cannot come (a used-up quota) do not wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    wait: f64,
}

pub(super) fn run(args: &Args) -> Outcome {
    let mut config = load_and_log(&args.config.config)?;
    config.pipeline.order = Order::Partition;
    config.pipeline.deadline = Duration::try_from_secs_f64(args.wait.max(0.0)).unwrap_or(Duration::MAX);
    // Order is the input's, so a line that waits holds all behind it: they need room.
    config.pipeline.park_bytes = config.pipeline.park_bytes.max(256 << 20);
    config.pipeline.shards = 1;
    let (engine, pipeline, member) = build_for_command(&config, SystemClock::shared())?;
    let places = input::places(&args.files)?;
    let bar = input::bar(&places);
    let mut lines = input::open_all(&places, &bar)?;
    let out = BufWriter::with_capacity(1 << 18, io::stdout());
    let sink = Arc::new(LineSink::new(Box::new(out), pipeline.delivered()));
    let running = pipeline.spawn(Arc::clone(&sink) as Arc<dyn Sink>)?;
    let gauge = running.gauge();
    let mut intake = running.intake();
    let fed = feed(&mut *lines, &mut intake);
    while gauge.moving().records > 0 && gauge.failure().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    running.drain(Duration::from_secs(10));
    let failure = gauge.failure();
    let flushed = sink.flush();
    if let Some(member) = member {
        member.leave(Duration::from_secs(2));
    }
    engine.shutdown();
    bar.finish_and_clear();
    if let Some(text) = failure {
        return Err(anyhow::anyhow!(text).into());
    }
    flushed?;
    let lines = fed?;
    let incomplete = lines.saturating_sub(sink.tally().complete.load(Ordering::Relaxed));
    if incomplete > 0 {
        say(&format!("{incomplete} of {lines} lines left without a complete assessment; each says why"));
    }
    Ok(())
}
