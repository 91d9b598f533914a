//! `sidelight demo`: the whole product on this machine.

use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app::Stop,
    cli::{Outcome, say},
    demo::{self, Options, Progress, Summary},
    telemetry,
};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Events to send.
    #[arg(long, value_name = "N", default_value_t = 30_000)]
    events: u64,
    /// Events a second.
    #[arg(long, value_name = "N", default_value_t = 1_500)]
    rate: u64,
    /// Same seed, same events and verdicts.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Go on after the summary, with the admin page up, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Where the admin page listens.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

pub(super) fn run(args: &Args) -> Outcome {
    let level = tracing::level_filters::LevelFilter::WARN;
    telemetry::init(telemetry::Config { level, ..telemetry::Config::default() });
    let options = Options {
        events: args.events.max(1),
        rate: args.rate.max(1),
        seed: args.seed,
        keep: args.keep,
        listen: args.listen,
    };
    let signals = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = Stop::default();
    stop.on_signals(signals.handle())?;
    say(&format!(
        "demo: {} events, {} a second, through an in-process Kafka broker and two simulated providers",
        options.events, options.rate
    ));
    let mut show = Show::new(options.events);
    let summary = demo::run(&options, &stop, &mut |progress| show.progress(progress));
    show.end();
    signals.shutdown_background();
    print(&summary?)?;
    Ok(())
}

/// A bar on a terminal, plain lines elsewhere.
struct Show {
    bar: Option<ProgressBar>,
    next_line: f64,
    page_told: bool,
}

impl Show {
    fn new(events: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(events);
            let template = "{bar:30} {pos}/{len} events  {msg}";
            ProgressStyle::with_template(template).map_or(bar.clone(), |style| bar.with_style(style))
        });
        Self { bar, next_line: 0.0, page_told: false }
    }

    fn progress(&mut self, progress: &Progress) {
        if let (false, Some(page)) = (self.page_told, progress.page) {
            say(&format!("demo: status page http://{page}/"));
            self.page_told = true;
        }
        if progress.events == 0 {
            self.end();
            say("demo: going on until Ctrl-C");
            return;
        }
        let calls: u64 = progress.counts.calls.values().sum();
        let late: u64 = progress.counts.late.values().sum();
        let out: u64 = progress.counts.produced.values().sum();
        match &self.bar {
            Some(bar) => {
                bar.set_position(out.min(progress.events));
                bar.set_message(format!("{calls} calls, {late} late annotations"));
            }
            None if progress.seconds >= self.next_line => {
                self.next_line = progress.seconds + 2.0;
                say(&format!(
                    "demo: {:>4.0} s  {} sent, {out} annotated, {calls} provider calls, {late} late annotations",
                    progress.seconds, progress.sent
                ));
            }
            None => {}
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn print(summary: &Summary) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let counts = &summary.progress.counts;
    let produced: u64 = counts.produced.values().sum();
    writeln!(out, "\nSummary")?;
    writeln!(out, "  events in             {}", counts.consumed)?;
    writeln!(out, "  events out            {produced}  ({})", list(&counts.produced))?;
    let latency = |bound: Option<f64>| bound.map_or("-".to_owned(), |s| format!("{:?}", Duration::from_secs_f64(s)));
    writeln!(
        out,
        "  read to written       p50 <= {}, p99 <= {}",
        latency(counts.latency.0),
        latency(counts.latency.1)
    )?;
    writeln!(out, "  indicators in events  {}", list(&counts.extracted))?;
    writeln!(out, "  never looked up       {}", list(&counts.suppressed))?;
    let asked: u64 = counts.cache.values().sum();
    let known: u64 = ["hit", "negative", "stale"].iter().filter_map(|name| counts.cache.get(name)).sum();
    let share = if asked == 0 { 0.0 } else { known as f64 * 100.0 / asked as f64 };
    writeln!(out, "  known in the cache    {share:.1} % of {asked} look-ups")?;
    for (provider, calls, quota) in &summary.calls {
        writeln!(out, "  {provider:<21} {calls} calls within \"{quota}\"")?;
    }
    writeln!(out, "  calls over quota      {}", summary.over_quota)?;
    writeln!(out, "  late annotations      {}", list(&counts.late))?;
    writeln!(out, "\nWorst indicators")?;
    for (kind, value, score, disposition, events) in &summary.collected.worst {
        writeln!(out, "  {score:>5.1}  {disposition:<10}  {kind:<6}  {value}  ({events} events)")?;
    }
    if summary.collected.worst.is_empty() {
        writeln!(out, "  none scored 40 or more")?;
    }
    writeln!(out, "\nAnnotated events")?;
    for (what, event) in &summary.collected.examples {
        writeln!(out, "- {what}:\n  {event}")?;
    }
    writeln!(
        out,
        "\nWhere to look next\n  sidelight demo --keep           leave it running, with the status page\n  \
         sidelight check --config FILE   check a configuration (samples/sidelight.toml is a start)\n  \
         sidelight run --config FILE     the same between two topics of your Kafka\n  \
         echo 'seen 45.83.12[.]7' | sidelight extract"
    )
}

fn list<'a>(counts: impl IntoIterator<Item = (&'a &'static str, &'a u64)>) -> String {
    let parts: Vec<String> = counts.into_iter().map(|(name, count)| format!("{name} {count}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
