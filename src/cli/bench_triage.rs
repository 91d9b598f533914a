//! `sidelight bench --triage`: generated days through the triage, in simulated time.

use std::io::{self, Write};

use crate::{
    bench::triage::{self, Options, Outcome as Measured, Recipe},
    budget::{Pace, Quota},
    cli::{Outcome, say},
    enrich::Config,
};

/// The day of `bench --triage`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --triage")]
#[group(id = "triage_args")]
pub(super) struct Args {
    /// The usual day: flood (the default), calm (no flood), busy (no flood, ten times the ordinary indicators).
    #[arg(long, value_name = "DAY", value_parser = ["flood", "calm", "busy"], default_value = "flood")]
    day: String,
    /// Quota of the provider.
    #[arg(long, value_name = "QUOTA", default_value = "500/day, 4/min")]
    quota: Quota,
    /// Spend windows of a day evenly, or as soon as possible.
    #[arg(long, value_name = "PACE", value_parser = ["even", "asap"], default_value = "even")]
    pace: String,
    /// First seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Days, each with a seed of its own.
    #[arg(long, value_name = "N", default_value_t = 3)]
    seeds: u32,
    /// Indicators that may wait.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    max_waiting: usize,
    /// Share of the quota that is kept for urgent indicators.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    reserve: f64,
    /// Hosts of the organisation.
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    hosts: u32,
    /// Events of the day; those that show nothing new cost the triage nothing.
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    day_events: u64,
    /// Distinct names of the flood.
    #[arg(long, value_name = "N")]
    flood: Option<u32>,
    /// Hosts that make them up.
    #[arg(long, value_name = "N", default_value_t = 3)]
    flood_hosts: u32,
    /// Hours that the flood lasts.
    #[arg(long, value_name = "HOURS", default_value_t = 6.0)]
    flood_hours: f64,
    /// Times that each of its names is shown.
    #[arg(long, value_name = "N", default_value_t = 1)]
    flood_repeats: u32,
    /// Share of its events that are of high severity.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    flood_severe: f64,
    /// New indicators of no importance, one to three sightings each.
    #[arg(long, value_name = "N")]
    ordinary: Option<u32>,
    /// Share of their events that are of high severity.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    ordinary_severe: f64,
    /// New indicators that are threats.
    #[arg(long, value_name = "N", default_value_t = 100)]
    threats: u32,
    /// Median of their sightings, which are log-normal.
    #[arg(long, value_name = "N", default_value_t = 12.0)]
    threat_sightings: f64,
    /// Sigma of the logarithm of their sightings.
    #[arg(long, value_name = "SIGMA", default_value_t = 1.0)]
    threat_sigma: f64,
    /// Median of the hosts that meet one of them.
    #[arg(long, value_name = "N", default_value_t = 3.0)]
    threat_hosts: f64,
    /// Share of their events that are of high severity.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    threat_severe: f64,
}

impl Args {
    fn options(&self) -> Options {
        let (flood, ordinary) = match self.day.as_str() {
            "calm" => (0, 3_000),
            "busy" => (0, 30_000),
            _ => (1_000_000, 3_000),
        };
        let recipe = Recipe {
            hosts: self.hosts,
            events: self.day_events,
            flood: self.flood.unwrap_or(flood),
            flood_hosts: self.flood_hosts,
            flood_hours: self.flood_hours,
            flood_repeats: self.flood_repeats,
            flood_severe: self.flood_severe,
            ordinary: self.ordinary.unwrap_or(ordinary),
            ordinary_severe: self.ordinary_severe,
            threats: self.threats.max(1),
            threat_sightings: self.threat_sightings.max(1.0),
            threat_sigma: self.threat_sigma.clamp(0.0, 5.0),
            threat_hosts: self.threat_hosts.max(1.0),
            threat_severe: self.threat_severe,
        };
        let pace = if self.pace == "asap" { Pace::Asap } else { Pace::Even };
        let config =
            Config { max_waiting: self.max_waiting.max(1), reserve: self.reserve.clamp(0.0, 0.9), ..Config::default() };
        Options { recipe, quota: self.quota.clone(), pace, config, seed: self.seed, seeds: self.seeds.max(1) }
    }
}

pub(super) fn run(args: &Args, json: bool) -> Outcome {
    let measured = triage::run(&args.options(), &mut |step| say(&format!("bench: {step}")));
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &measured)?;
        writeln!(out)?;
    } else {
        table(&mut out, args, &measured)?;
    }
    Ok(())
}

fn table(out: &mut impl Write, args: &Args, measured: &Measured) -> io::Result<()> {
    writeln!(
        out,
        "{} days of {} events, {:.0} of which show something new; {} threats a day; quota {}",
        measured.days, measured.events, measured.shown, args.threats, args.quota
    )?;
    writeln!(
        out,
        "{:<14} {:>8} {:>8} {:>10} {:>7} {:>14} {:>14}",
        "", "scored", "worst", "of oracle", "calls", "median delay", "90 % within"
    )?;
    for row in &measured.rows {
        writeln!(
            out,
            "{:<14} {:>7.1}% {:>7.1}% {:>10.3} {:>7.0} {:>14} {:>14}",
            row.policy,
            row.scored * 100.0,
            row.scored_min * 100.0,
            row.of_oracle,
            row.calls,
            span(row.median_delay_s),
            span(row.p90_delay_s),
        )?;
    }
    let memory = measured.peak_memory.map_or_else(|| "?".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
    writeln!(
        out,
        "waiting at most: {} indicators   peak memory, days and all lines included: {memory}",
        measured.waiting_peak
    )
}

fn span(seconds: Option<u32>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 120 => format!("{seconds} s"),
        Some(seconds) if seconds < 7_200 => format!("{} min", seconds / 60),
        Some(seconds) => format!("{:.1} h", f64::from(seconds) / 3_600.0),
    }
}
