//! What to expect: how many indicators come to which worth, hour by hour, and so how many that are worth more than this one will come while the budget has to last.

use std::time::Duration;

/// Points of a step of the scale.
const STEP: i32 = 8;
/// Steps; what is worth less than nothing is on the first, what is worth more than all of them on the last.
const STEPS: usize = 192;
/// Hours that are remembered: a day has its hours.
const HOURS: u64 = 24;
const HOUR: f64 = 3_600.0;
/// Shortest time that something is concluded from, hours.
const SHORTEST: f64 = 0.5;

/// How many came to each step or passed it within one hour.
#[derive(Clone, Debug)]
struct Hour {
    /// Which, counted from the beginning.
    number: u64,
    reached: [u32; STEPS],
}

/// Counts of indicators by the worth that they reached, of the last day.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    hours: Vec<Hour>,
    began: Duration,
}

impl Demand {
    pub(super) fn new(now: Duration) -> Self {
        Self { hours: Vec::new(), began: now }
    }

    /// An indicator came to be worth `to` points; `from` is what it was worth before, if it was there.
    pub(super) fn reached(&mut self, from: Option<i32>, to: i32, now: Duration) {
        let first = from.map_or(0, |from| step(from) + 1);
        let hour = self.hour(now);
        for count in hour.reached.iter_mut().take(step(to) + 1).skip(first) {
            *count = count.saturating_add(1);
        }
    }

    /// How many will be worth more than this within that time, if it goes on as in the last day; and as many again as chance may easily bring. The busiest hour does not
    /// count: a start with a full topic, or one host that goes wild, says little of the rest of the day.
    pub(super) fn expected(&self, points: i32, within: Duration, now: Duration) -> f64 {
        let number = self.number(now);
        let (mut sum, mut most) = (0.0, 0.0);
        for hour in self.hours.iter().filter(|hour| hour.number + HOURS > number) {
            let count = hour.reached.get(step(points) + 1).copied().map_or(0.0, f64::from);
            sum += count;
            most = f64::max(most, count);
        }
        let passed = now.saturating_sub(self.began).as_secs_f64() / HOUR;
        // Whole hours, and the part of the present one.
        let watched = passed.min((HOURS - 1) as f64 + passed.fract()) - 1.0;
        let expected = (sum - most) / watched.max(SHORTEST) * within.as_secs_f64() / HOUR;
        expected + expected.sqrt()
    }

    fn number(&self, now: Duration) -> u64 {
        (now.saturating_sub(self.began).as_secs_f64() / HOUR) as u64
    }

    /// The counts of the present hour.
    fn hour(&mut self, now: Duration) -> &mut Hour {
        let number = self.number(now);
        let fresh = Hour { number, reached: [0; STEPS] };
        let place = usize::try_from(number % HOURS).unwrap_or(0);
        while self.hours.len() <= place {
            // Of no hour that counts yet.
            self.hours.push(fresh.clone());
        }
        let hour = &mut self.hours[place];
        if hour.number != number {
            *hour = fresh;
        }
        hour
    }
}

fn step(points: i32) -> usize {
    usize::try_from(points / STEP).unwrap_or(0).min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AN_HOUR: Duration = Duration::from_secs(3_600);

    /// One that is worth 100 a minute, every tenth of them 300.
    fn watched(minutes: u32) -> Demand {
        let mut demand = Demand::new(AN_HOUR);
        for minute in 0..minutes {
            let now = AN_HOUR + minute * Duration::from_secs(60);
            demand.reached(None, 100, now);
            if minute % 10 == 0 {
                demand.reached(Some(100), 300, now);
            }
        }
        demand
    }

    #[test]
    fn what_came_is_expected_to_go_on() {
        for minutes in [120u32, 630, 6_000, 60_030] {
            let (demand, now) = (watched(minutes), AN_HOUR + minutes * Duration::from_secs(60));
            let near = |points, expected: f64| {
                let got = demand.expected(points, 10 * AN_HOUR, now);
                let wanted = expected + expected.sqrt();
                assert!((got - wanted).abs() <= wanted * 0.05, "{points} after {minutes} min: {got} for {wanted}");
            };
            near(50, 600.0);
            near(100, 60.0);
            near(250, 60.0);
            near(300, 0.0);
        }
    }

    #[test]
    fn one_busy_hour_does_not_make_a_day() {
        let mut demand = watched(6 * 60);
        let now = AN_HOUR + 6 * AN_HOUR + Duration::from_secs(1_800);
        let before = demand.expected(50, AN_HOUR, now);
        for _ in 0..100_000 {
            demand.reached(None, 100, now);
        }
        let after = demand.expected(50, AN_HOUR, now);
        assert!((before - after).abs() < before / 4.0, "{before} {after}");
        let mut started = Demand::new(AN_HOUR);
        for _ in 0..100_000 {
            started.reached(None, 100, AN_HOUR);
        }
        assert_eq!(started.expected(50, 24 * AN_HOUR, AN_HOUR + AN_HOUR / 2), 0.0, "a backlog is no forecast");
    }

    #[test]
    fn a_day_later_it_is_forgotten() {
        let (demand, end) = (watched(600), AN_HOUR + 600 * Duration::from_secs(60));
        assert!(demand.expected(50, AN_HOUR, end) > 10.0);
        assert_eq!(demand.expected(50, AN_HOUR, end + 25 * AN_HOUR), 0.0);
    }

    #[test]
    fn worth_beyond_the_scale_is_at_its_ends() {
        let mut demand = Demand::new(AN_HOUR);
        for hour in 1..4 {
            demand.reached(None, i32::MIN, hour * AN_HOUR);
            demand.reached(None, i32::MAX, hour * AN_HOUR);
        }
        assert_eq!(demand.expected(i32::MAX, AN_HOUR, 4 * AN_HOUR), 0.0);
        assert!(demand.expected(i32::MIN, AN_HOUR, 4 * AN_HOUR) > 0.9);
    }
}
