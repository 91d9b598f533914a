//! What to expect: how many indicators come to which worth, hour by hour, and so how many that are worth more than this one will come while the budget has to last.

use std::time::Duration;

/// Points of a step of the scale.
const STEP: i32 = 8;
/// Steps; what is worth less than nothing is on the first, what is worth more than all of them on the last.
const STEPS: usize = 288;
/// What is worth this much or more is not told apart.
#[cfg(test)]
pub(super) const MOST: i32 = STEP * STEPS as i32;
const HOUR: f64 = 3_600.0;
/// Number and length of the slots that are remembered: a day has its hours.
const SLOW: (u64, f64) = (24, HOUR);
/// In the beginning hours say little: of the first six of them it is five minutes.
const FAST: (u64, f64) = (72, HOUR / 12.0);

/// How many came to each step or passed it within one slot.
#[derive(Clone, Debug)]
struct Slot {
    /// Which, counted from the beginning.
    number: u64,
    reached: [u32; STEPS],
}

/// The last slots of one length.
#[derive(Clone, Debug)]
struct Slots {
    slots: Vec<Slot>,
    most: u64,
    /// Seconds.
    length: f64,
}

impl Slots {
    const fn new((most, length): (u64, f64)) -> Self {
        Self { slots: Vec::new(), most, length }
    }

    fn number(&self, passed: f64) -> u64 {
        (passed / self.length) as u64
    }

    /// How long a span these slots can hold, seconds.
    fn reach(&self) -> f64 {
        self.most as f64 * self.length
    }

    /// The counts of the present slot.
    fn present(&mut self, passed: f64) -> &mut Slot {
        let number = self.number(passed);
        let fresh = Slot { number, reached: [0; STEPS] };
        let place = usize::try_from(number % self.most).unwrap_or(0);
        while self.slots.len() <= place {
            // Of no slot that counts yet.
            self.slots.push(fresh.clone());
        }
        let slot = &mut self.slots[place];
        if slot.number != number {
            *slot = fresh;
        }
        slot
    }

    /// How many came to this step in a second. The busiest slot does not count; those of the busiest hour, or of the busier half of the time so far,
    /// count for little more than the others.
    fn rate(&self, step: usize, passed: f64) -> f64 {
        let number = self.number(passed);
        let slots = self.slots.iter().filter(|slot| slot.number + self.most > number);
        let mut counts: Vec<f64> = slots.map(|slot| slot.reached.get(step).copied().map_or(0.0, f64::from)).collect();
        counts.sort_unstable_by(|a, b| b.total_cmp(a));
        let busy = usize::try_from(number / 2).unwrap_or(0).clamp(1, (HOUR / self.length) as usize);
        let (busy, rest) = counts.split_at(busy.min(counts.len()));
        let sum: f64 = rest.iter().sum();
        let most = 4.0 * sum / rest.len().max(1) as f64 + 4.0;
        let sum = sum + busy.iter().skip(1).map(|count| count.min(most)).sum::<f64>();
        // Whole slots, and the part of the present one.
        let watched = passed.min(self.reach() - self.length + passed % self.length) - self.length;
        sum / watched.max(self.length / 2.0)
    }
}

/// Counts of indicators by the worth that they reached, of the last day.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    slow: Slots,
    fast: Slots,
    began: Duration,
}

impl Demand {
    pub(super) fn new(now: Duration) -> Self {
        Self { slow: Slots::new(SLOW), fast: Slots::new(FAST), began: now }
    }

    /// An indicator came to be worth `to` points; `from` is what it was worth before, if it was there.
    pub(super) fn reached(&mut self, from: Option<i32>, to: i32, now: Duration) {
        let first = from.map_or(0, |from| step(from) + 1);
        let passed = self.passed(now);
        let count = |slots: &mut Slots| {
            for count in slots.present(passed).reached.iter_mut().take(step(to) + 1).skip(first) {
                *count = count.saturating_add(1);
            }
        };
        count(&mut self.slow);
        if passed < self.fast.reach() {
            count(&mut self.fast);
        } else {
            self.fast.slots = Vec::new();
        }
    }

    /// How many will be worth more than this within that time, if it goes on as in the last day, or since the beginning; and as many again as chance may easily
    /// bring. A start with a full topic, or one host that goes wild, says little of the rest of the day (see [`Slots::rate`]).
    pub(super) fn expected(&self, points: i32, within: Duration, now: Duration) -> f64 {
        let passed = self.passed(now);
        // What came just now has had no time to be seen again: in the beginning what is worth as much counts as well.
        let (step, is_early) = (step(points), passed < self.fast.reach());
        let (slots, from) = if is_early && step + 1 < STEPS { (&self.fast, step) } else { (&self.slow, step + 1) };
        let expected = slots.rate(from, passed) * within.as_secs_f64();
        expected + expected.sqrt()
    }

    /// Seconds since the beginning.
    fn passed(&self, now: Duration) -> f64 {
        now.saturating_sub(self.began).as_secs_f64()
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
            let is_early = minutes < 360;
            near(50, 600.0);
            near(100, if is_early { 600.0 } else { 60.0 });
            near(250, 60.0);
            near(300, if is_early { 60.0 } else { 0.0 });
        }
    }

    #[test]
    fn the_first_minutes_are_enough_to_see_that_there_is_not_enough() {
        let mut demand = Demand::new(AN_HOUR);
        for second in 0..1_200 {
            demand.reached(None, 100, AN_HOUR + Duration::from_secs(second));
        }
        assert!(demand.expected(100, 24 * AN_HOUR, AN_HOUR + Duration::from_secs(1_200)) > 80_000.0);
        assert_eq!(demand.expected(108, 24 * AN_HOUR, AN_HOUR + Duration::from_secs(1_200)), 0.0);
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
        // Nor is one that takes twenty minutes, before a trickle.
        let mut started = watched(60);
        for second in 0..1_200 {
            for _ in 0..25 {
                started.reached(None, 100, AN_HOUR + Duration::from_secs(second));
            }
        }
        let expected = started.expected(50, 24 * AN_HOUR, AN_HOUR + AN_HOUR);
        assert!(expected < 5.0 * 24.0 * 60.0, "{expected} for some 1,440");
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
