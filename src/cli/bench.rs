//! `sidelight bench`: the capacity test.

use std::io::{self, Read, Write};

use crate::{
    bench::{self, Options, Outcome as Measured, Row},
    cli::{Outcome, bench_triage, say},
    kafka::{Guarantee, MockBroker, check_property},
    telemetry,
};

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Brokers of a real cluster, on which topics are created and deleted; without it a mock cluster in a second process.
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
    /// Events.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    events: u64,
    /// Bytes of an event.
    #[arg(long, value_name = "BYTES", default_value_t = 640)]
    size: usize,
    /// Share of the indicators that are known already, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    hits: f64,
    /// Latency of the simulated providers for unknown indicators, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 50)]
    latency: u64,
    /// Partitions of the topics; 12 on a real cluster, 64 on the mock, which keeps 5 MiB of a partition.
    #[arg(long, value_name = "N")]
    partitions: Option<i32>,
    /// Distinct values of each kind in circulation, the first ones more often than the last.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    values: usize,
    /// What the pipeline promises; exactly_once needs a real cluster.
    #[arg(long, value_name = "GUARANTEE", value_parser = ["at_least_once", "exactly_once"], default_value = "at_least_once")]
    guarantee: String,
    /// Threads of the pipeline.
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// A librdkafka property, for the pass-through and the pipeline alike.
    #[arg(long, value_name = "NAME=VALUE")]
    property: Vec<String>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Replay generated days through the triage in simulated time, beside other orders and an oracle, instead.
    #[arg(long)]
    triage: bool,
    #[command(flatten)]
    day: bench_triage::Args,
    /// Serve a mock cluster with this many partitions until standard input closes.
    #[arg(long, hide = true, value_name = "PARTITIONS")]
    serve_mock: Option<i32>,
    /// Topics of the mock cluster.
    #[arg(hide = true)]
    topics: Vec<String>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let level = tracing::level_filters::LevelFilter::WARN;
    telemetry::init(telemetry::Config { level, ..telemetry::Config::default() });
    if let Some(partitions) = args.serve_mock {
        return serve_mock(partitions, &args.topics);
    }
    if args.triage {
        return bench_triage::run(&args.day, args.json);
    }
    if args.guarantee == "exactly_once" && args.brokers.is_none() {
        return Err(anyhow::anyhow!("exactly_once needs a real cluster: name it with --brokers").into());
    }
    let default_partitions = if args.brokers.is_some() { 12 } else { 64 };
    let options = Options {
        brokers: args.brokers.clone(),
        events: args.events.max(1),
        size: args.size,
        hits: args.hits.clamp(0.0, 1.0),
        latency_ms: args.latency,
        partitions: args.partitions.unwrap_or(default_partitions).max(1),
        values: args.values,
        guarantee: if args.guarantee == "exactly_once" { Guarantee::ExactlyOnce } else { Guarantee::AtLeastOnce },
        shards: args.shards,
        properties: args.property.iter().map(|pair| property(pair)).collect::<anyhow::Result<_>>()?,
    };
    let measured = bench::run(&options, &mut |step| say(&format!("bench: {step}")))?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &measured)?;
        writeln!(out)?;
    } else {
        table(&mut out, &measured)?;
    }
    Ok(())
}

fn property(pair: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = pair.split_once('=').ok_or_else(|| anyhow::anyhow!("`{pair}` is not NAME=VALUE"))?;
    check_property(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

fn table(out: &mut impl Write, measured: &Measured) -> io::Result<()> {
    writeln!(
        out,
        "{} events of {:.0} bytes with {:.2} indicators, {:.1} % known, {}, through {}",
        measured.annotated.events,
        measured.event_bytes,
        measured.indicators_per_event,
        measured.hit_ratio * 100.0,
        measured.guarantee,
        measured.broker
    )?;
    writeln!(out, "{:<14} {:>12} {:>10} {:>14}", "", "events/s", "seconds", "CPU us/event")?;
    let mut row = |name: &str, row: &Row| {
        writeln!(out, "{name:<14} {:>12.0} {:>10.2} {:>14.2}", row.events_per_second, row.seconds, row.cpu_us_per_event)
    };
    row("pass-through", &measured.pass_through)?;
    row("annotated", &measured.annotated)?;
    let statuses: Vec<String> = measured.by_status.iter().map(|(status, n)| format!("{status} {n}")).collect();
    writeln!(
        out,
        "annotated / pass-through: {:.0} %   statuses: {}   provider calls: {}",
        measured.ratio * 100.0,
        statuses.join(", "),
        measured.provider_calls
    )
}

fn serve_mock(partitions: i32, topics: &[String]) -> Outcome {
    let topics: Vec<(&str, i32)> = topics.iter().map(|topic| (topic.as_str(), partitions)).collect();
    let broker = MockBroker::start(&topics)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", broker.bootstrap())?;
    out.flush()?;
    // Whoever started this process holds the other end; when it is gone, so is the need for a broker.
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(())
}
