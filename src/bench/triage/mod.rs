//! A test of the triage: generated days through the real policy in simulated time, beside what others do and what an oracle would.
//!
//! The policy sees what the pipeline hands it (indicator, role, host, severity), never a label. All lines stand before the same quota.

mod day;
mod line;

use std::time::Duration;

use serde::Serialize;

pub use day::Recipe;

use crate::{
    budget::{Pace, Quota},
    enrich::{Config, EventContext, Replay},
    model::{Indicator, IndicatorKind, ManualClock, Role, Severity},
};
use day::{DAY, Shown};
use line::{Line, Order};

/// Midnight, UTC, of some day.
const MIDNIGHT: i64 = 1_794_787_200_000;

/// What is replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The day.
    pub recipe: Recipe,
    /// The quota that everybody has.
    pub quota: Quota,
    /// Pace of long windows.
    pub pace: Pace,
    /// Bounds of the policy, and of the other lines.
    pub config: Config,
    /// The first seed.
    pub seed: u64,
    /// Days, each with a seed of its own.
    pub seeds: u32,
}

/// How one policy did, over all days.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub policy: &'static str,
    /// Share of the threats that were scored on the day, mean over the days.
    pub scored: f64,
    /// The least of the days.
    pub scored_min: f64,
    /// Of what the oracle scored.
    pub of_oracle: f64,
    /// Calls in a day, mean.
    pub calls: f64,
    /// Median delay from a threat's first sighting to its score, seconds, over all days.
    pub median_delay_s: Option<u32>,
    /// The same of nine in ten.
    pub p90_delay_s: Option<u32>,
}

/// The outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Days.
    pub days: u32,
    /// Events of a day.
    pub events: u64,
    /// Of these, events that show an indicator which was new on that day; mean.
    pub shown: f64,
    /// Most indicators that waited at a time.
    pub waiting_peak: usize,
    /// Peak memory of the process with everything in it, bytes, where the system tells.
    pub peak_memory: Option<u64>,
    /// This policy first, the oracle last.
    pub rows: Vec<Row>,
}

#[derive(Default)]
struct Tally {
    calls: u64,
    shares: Vec<f64>,
    delays: Vec<u32>,
}

impl Tally {
    fn day(&mut self, scored_at: &[Option<u32>], first_seen: &[u32]) {
        let scored = scored_at.iter().flatten().count();
        self.shares.push(scored as f64 / scored_at.len().max(1) as f64);
        let delays =
            scored_at.iter().zip(first_seen).filter_map(|(at, first)| Some(at.as_ref()?.saturating_sub(*first)));
        self.delays.extend(delays);
    }

    fn mean(&self) -> f64 {
        self.shares.iter().sum::<f64>() / self.shares.len().max(1) as f64
    }

    fn row(mut self, policy: &'static str, oracle: f64) -> Row {
        self.delays.sort_unstable();
        let quantile = |share: f64| self.delays.get((self.delays.len() as f64 * share) as usize).copied();
        Row {
            policy,
            scored: self.mean(),
            scored_min: self.shares.iter().copied().fold(1.0, f64::min),
            of_oracle: if oracle > 0.0 { self.mean() / oracle } else { 0.0 },
            calls: self.calls as f64 / self.shares.len().max(1) as f64,
            median_delay_s: quantile(0.5),
            p90_delay_s: quantile(0.9),
        }
    }
}

/// Replays the days. `tell` hears what is being done.
pub fn run(options: &Options, tell: &mut dyn FnMut(&str)) -> Outcome {
    let mut tallies: Vec<Tally> = (0..=Order::ALL.len()).map(|_| Tally::default()).collect();
    let (mut shown, mut waiting_peak) = (0, 0);
    for n in 0..options.seeds {
        let seed = options.seed + u64::from(n);
        tell(&format!("day with seed {seed}"));
        let day = day::generate(&options.recipe, seed);
        shown += day.len();
        let mut first_seen = vec![0; options.recipe.threats as usize];
        for event in day.iter().rev() {
            if let Some(first) = first_seen.get_mut(event.indicator as usize) {
                *first = event.at;
            }
        }
        let mut done = Vec::new();
        done.push(policy(options, &day, &mut waiting_peak));
        done.extend(Order::ALL.map(|order| other(options, &day, order)));
        for (tally, (scored_at, calls)) in tallies.iter_mut().zip(done) {
            tally.day(&scored_at, &first_seen);
            tally.calls += calls;
        }
    }
    let oracle = tallies.last().map_or(0.0, Tally::mean);
    let names = std::iter::once("sidelight").chain(Order::ALL.map(Order::as_str));
    Outcome {
        days: options.seeds,
        events: options.recipe.events,
        shown: shown as f64 / f64::from(options.seeds.max(1)),
        waiting_peak,
        peak_memory: peak_memory(),
        rows: tallies.into_iter().zip(names).map(|(tally, name)| tally.row(name, oracle)).collect(),
    }
}

type Done = (Vec<Option<u32>>, u64);

/// Walks through the day second by second: what is shown, then the calls that the quota lets through.
fn walk<T>(
    day: &[Shown],
    threats: u32,
    clock: &ManualClock,
    line: &mut T,
    mut sight: impl FnMut(&mut T, &Shown),
    mut call: impl FnMut(&mut T) -> Option<u32>,
) -> Done {
    let (mut scored_at, mut calls) = (vec![None; threats as usize], 0);
    let mut events = day.iter().peekable();
    for second in 0..DAY {
        while let Some(event) = events.next_if(|event| event.at <= second) {
            sight(line, event);
        }
        while let Some(asked) = call(line) {
            calls += 1;
            if let Some(scored) = scored_at.get_mut(asked as usize) {
                *scored = Some(second);
            }
        }
        clock.advance(Duration::from_secs(1));
    }
    (scored_at, calls)
}

fn policy(options: &Options, day: &[Shown], waiting_peak: &mut usize) -> Done {
    let clock = ManualClock::at(MIDNIGHT);
    let mut replay = Replay::new(options.config.clone(), options.quota.clone(), options.pace, &clock);
    let sight = |replay: &mut Replay, event: &Shown| {
        let severity = if event.severe { Severity::High } else { Severity::Low };
        let context = EventContext { severity, source: u64::from(event.host) + 1 };
        replay.sight(&name(event.indicator), Role::Query, context);
        *waiting_peak = (*waiting_peak).max(replay.waiting());
    };
    walk(day, options.recipe.threats, &clock, &mut replay, sight, |replay| replay.call().as_ref().and_then(number))
}

fn other(options: &Options, day: &[Shown], order: Order) -> Done {
    let clock = ManualClock::at(MIDNIGHT);
    let recipe = &options.recipe;
    let indicators = (recipe.threats + recipe.ordinary + recipe.flood) as usize;
    let (quota, most) = (options.quota.clone(), options.config.max_waiting);
    let mut line = Line::new(order, quota, options.pace, most, indicators, recipe.threats, &clock);
    walk(day, recipe.threats, &clock, &mut line, |line, event| line.sight(event.indicator), Line::call)
}

/// A name under a registered domain of its own, that says nothing of what it is: its number is mixed, and can be read back.
fn name(number: u32) -> Indicator {
    Indicator::new(IndicatorKind::Domain, format!("n{:08x}.com", number.wrapping_mul(MIX)))
}

/// Odd, so that it has an inverse.
const MIX: u32 = 0x9E37_79B1;
const UNMIX: u32 = inverse(MIX);

const fn inverse(odd: u32) -> u32 {
    // Each step doubles the bits that are right.
    let (mut x, mut step) = (odd, 0);
    while step < 5 {
        x = x.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(x)));
        step += 1;
    }
    x
}

fn number(indicator: &Indicator) -> Option<u32> {
    let hex = indicator.value.strip_prefix('n')?.strip_suffix(".com")?;
    Some(u32::from_str_radix(hex, 16).ok()?.wrapping_mul(UNMIX))
}

fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_read_back() {
        for n in [0, 1, 99, 3_100, 1_003_099, u32::MAX] {
            assert_eq!(number(&name(n)), Some(n));
        }
    }

    #[test]
    fn a_small_flooded_day_finds_its_threats() {
        let recipe = Recipe { flood: 20_000, ordinary: 1_000, threats: 30, ..Recipe::default() };
        let quota: Quota = match "4/min, 200/day".parse() {
            Ok(quota) => quota,
            Err(error) => panic!("{error}"),
        };
        let config = Config { max_waiting: 5_000, ..Config::default() };
        let options = Options { recipe, quota, pace: Pace::Even, config, seed: 1, seeds: 2 };
        let outcome = run(&options, &mut |_| {});
        let row = |name: &str| outcome.rows.iter().find(|row| row.policy == name).cloned();
        let (ours, fifo, oracle) = (row("sidelight"), row("FIFO"), row("oracle"));
        let scored = |row: &Option<Row>| row.as_ref().map_or(0.0, |row| row.scored);
        assert!(scored(&ours) >= 0.85, "{:?}", ours);
        assert!(scored(&ours) > scored(&fifo) + 0.3, "{:?}", fifo);
        assert!(scored(&oracle) > 0.99, "{:?}", oracle);
        assert!(outcome.rows.iter().all(|row| row.calls <= 200.0), "{:?}", outcome.rows);
        assert!(outcome.waiting_peak <= 5_000);
    }
}
