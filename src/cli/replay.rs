//! `sidelight replay`: put dead letters back to the topics that they came from.

use std::io::{self, Write};

use crate::{
    cli::{ConfigArgs, Outcome, load_and_log, say},
    kafka::{self, ReplayOptions},
};

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Dead-letter topic; without it the one of the configuration.
    #[arg(long, value_name = "TOPIC")]
    from: Option<String>,
    /// Put back at most this many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only count; nothing is written or committed.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let config = load_and_log(&args.config.config)?;
    let options = ReplayOptions {
        from: args.from.clone().unwrap_or_else(|| config.kafka.dlq_topic.clone()),
        limit: args.limit,
        dry_run: args.dry_run,
    };
    let done = kafka::replay(&config.kafka, &options)?;
    for told in &done.left_told {
        say(&format!("{}/{told}: it stays where it is", options.from));
    }
    let mut out = io::stdout().lock();
    let verb = if args.dry_run { "would be put back" } else { "put back" };
    for (topic, count) in &done.by_topic {
        writeln!(out, "{count} dead letters {verb} to {topic}")?;
    }
    let total: u64 = done.by_topic.values().sum();
    writeln!(out, "{total} of {} {verb}, {} left; group {}", total + done.left, done.left, done.group)?;
    Ok(())
}
