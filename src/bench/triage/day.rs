//! One generated day: who shows which new indicator when. Labels are kept apart from what a policy sees.

use crate::enrich::Dice;

/// Seconds of a day.
pub(super) const DAY: u32 = 86_400;

/// What a day is made of.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Hosts of the organisation.
    pub hosts: u32,
    /// Events in all; those beyond the sightings below show nothing new.
    pub events: u64,
    /// Distinct random names of the flood; 0: a calm day.
    pub flood: u32,
    /// Hosts that make them up.
    pub flood_hosts: u32,
    /// Hours that the flood lasts.
    pub flood_hours: f64,
    /// Times that each of its names is shown.
    pub flood_repeats: u32,
    /// Share of its events that are of high severity.
    pub flood_severe: f64,
    /// New indicators of no importance.
    pub ordinary: u32,
    /// Share of their events that are of high severity.
    pub ordinary_severe: f64,
    /// New indicators that are threats.
    pub threats: u32,
    /// Median of a threat's sightings; they are log-normal.
    pub threat_sightings: f64,
    /// Sigma of the logarithm of a threat's sightings.
    pub threat_sigma: f64,
    /// Median of the hosts that meet a threat.
    pub threat_hosts: f64,
    /// Share of their events that are of high severity.
    pub threat_severe: f64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            hosts: 5_000,
            events: 2_000_000,
            flood: 1_000_000,
            flood_hosts: 3,
            flood_hours: 6.0,
            flood_repeats: 1,
            flood_severe: 0.0,
            ordinary: 3_000,
            ordinary_severe: 0.05,
            threats: 100,
            threat_sightings: 12.0,
            threat_sigma: 1.0,
            threat_hosts: 3.0,
            threat_severe: 0.2,
        }
    }
}

/// One event that shows an indicator which was new on that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shown {
    /// Seconds since midnight.
    pub(super) at: u32,
    /// The indicator; numbers below [`Recipe::threats`] are the threats.
    pub(super) indicator: u32,
    /// The host.
    pub(super) host: u32,
    /// Of high severity.
    pub(super) severe: bool,
}

/// The events of a day, in order of time.
pub(super) fn generate(recipe: &Recipe, seed: u64) -> Vec<Shown> {
    let mut dice = Dice::new(seed);
    let mut shown = Vec::with_capacity(recipe.flood as usize * recipe.flood_repeats as usize + 10_000);
    let hosts = f64::from(recipe.hosts.max(1));
    for indicator in 0..recipe.threats {
        let first = dice.share() * 20.0 * 3_600.0;
        let sightings = log_normal(&mut dice, recipe.threat_sightings, recipe.threat_sigma).round().max(1.0);
        let met_by = log_normal(&mut dice, recipe.threat_hosts, 0.7).round().clamp(1.0, sightings);
        let who: Vec<f64> = (0..met_by as u32).map(|_| dice.share() * hosts).collect();
        let mut show = |dice: &mut Dice, n: usize, at: f64| {
            let host = who.get(n % who.len().max(1)).copied().unwrap_or_default() as u32;
            let severe = dice.share() < recipe.threat_severe;
            shown.push(Shown { at: clamp(at), indicator, host, severe });
        };
        show(&mut dice, 0, first);
        for n in 1..sightings as usize {
            let at = later(&mut dice, first, 3.0);
            show(&mut dice, n, at);
        }
    }
    for n in 0..recipe.ordinary {
        let first = dice.share() * f64::from(DAY);
        let (sightings, met_by) = (1 + (dice.share() * 3.0) as u32, 1 + (dice.share() * 2.0) as u32);
        let who = [(dice.share() * hosts) as u32, (dice.share() * hosts) as u32];
        for time in 0..sightings {
            let at = if time == 0 { first } else { later(&mut dice, first, 2.0) };
            let host = who.get((time % met_by) as usize).copied().unwrap_or_default();
            let severe = dice.share() < recipe.ordinary_severe;
            shown.push(Shown { at: clamp(at), indicator: recipe.threats + n, host, severe });
        }
    }
    let length = (recipe.flood_hours * 3_600.0).clamp(1.0, f64::from(DAY));
    let begins = dice.share() * (f64::from(DAY) - length);
    for n in 0..recipe.flood {
        for _ in 0..recipe.flood_repeats {
            let at = clamp(begins + dice.share() * length);
            // Hosts beyond the others: they do nothing else.
            let host = recipe.hosts + (dice.share() * f64::from(recipe.flood_hosts.max(1))) as u32;
            let severe = dice.share() < recipe.flood_severe;
            shown.push(Shown { at, indicator: recipe.threats + recipe.ordinary + n, host, severe });
        }
    }
    shown.sort_unstable();
    shown
}

fn clamp(at: f64) -> u32 {
    (at as u32).min(DAY - 1)
}

/// Some time after `first`, hours on average; within the day.
fn later(dice: &mut Dice, first: f64, hours: f64) -> f64 {
    let at = first - hours * 3_600.0 * (1.0 - dice.share()).ln();
    if at < f64::from(DAY) { at } else { first + dice.share() * (f64::from(DAY) - first) }
}

fn log_normal(dice: &mut Dice, median: f64, sigma: f64) -> f64 {
    let (a, b) = (1.0 - dice.share(), dice.share());
    let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
    median * (sigma * normal).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_what_the_recipe_says_and_the_same_for_the_same_seed() {
        let recipe = Recipe { flood: 5_000, ..Recipe::default() };
        let day = generate(&recipe, 7);
        assert_eq!(day, generate(&recipe, 7));
        assert_ne!(day, generate(&recipe, 8));
        assert!(day.is_sorted_by_key(|shown| shown.at) && day.iter().all(|shown| shown.at < DAY));
        let of = |range: std::ops::Range<u32>| day.iter().filter(|shown| range.contains(&shown.indicator)).count();
        assert!((800..4_000).contains(&of(0..100)), "{}", of(0..100));
        assert!((5_500..6_500).contains(&of(100..3_100)), "{}", of(100..3_100));
        assert_eq!(of(3_100..8_100), 5_000);
        let flood: std::collections::BTreeSet<u32> =
            day.iter().filter(|shown| shown.indicator >= 3_100).map(|shown| shown.host).collect();
        assert_eq!(flood.into_iter().collect::<Vec<_>>(), [5_000, 5_001, 5_002]);
    }
}
