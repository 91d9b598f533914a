//! Budgets over random schedules on a clock that moves only when it is told to.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::model::{Clock as _, ManualClock};

/// 2026-11-23T10:00:00Z
const START: i64 = 1_795_428_000_000;

fn budget(quota: &str, pace: Pace, reserve: f64) -> (Arc<ManualClock>, Budget) {
    let clock = ManualClock::at(START);
    let shared: SharedClock = Arc::<ManualClock>::clone(&clock);
    (clock, Budget::new(quota.parse().unwrap(), Some(pace), reserve, shared))
}

fn ordinary(budget: &Budget) -> Result<(), Exhausted> {
    budget.try_acquire(1, Urgency::Ordinary)
}

/// Acquires until refused; the number of calls and when the next is due.
fn drain(budget: &Budget, urgency: Urgency) -> (u32, Duration) {
    for calls in 0.. {
        if let Err(exhausted) = budget.try_acquire(1, urgency) {
            return (calls, exhausted.retry_at);
        }
    }
    unreachable!("the loop does not end by itself")
}

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn the_reserve_is_for_urgent_work() {
    let (_, budget) = budget("4/min", Pace::Even, 0.2);
    assert_eq!(drain(&budget, Urgency::Ordinary), (3, MS(60_600)));
    assert_eq!(drain(&budget, Urgency::Urgent), (1, MS(60_600)));

    let (_, single) = self::budget("1/min", Pace::Even, 0.2);
    assert_eq!(drain(&single, Urgency::Ordinary).0, 1);
}

#[test]
fn units_come_back_one_by_one() {
    let (clock, budget) = budget("2/min", Pace::Even, 0.0);
    ordinary(&budget).unwrap();
    clock.advance(MS(20_000));
    ordinary(&budget).unwrap();
    clock.advance(MS(20_000));
    assert_eq!(ordinary(&budget), Err(Exhausted { retry_at: MS(60_600) }));
    clock.advance(MS(20_599));
    assert!(ordinary(&budget).is_err());
    clock.advance(MS(1));
    ordinary(&budget).unwrap();
    assert_eq!(ordinary(&budget), Err(Exhausted { retry_at: MS(80_600) }));
}

#[test]
fn a_refusal_by_one_window_costs_nothing_in_the_others() {
    let (clock, budget) = budget("2/min, 500/day, 15500/month", Pace::Even, 0.0);
    assert_eq!(drain(&budget, Urgency::Ordinary).0, 2);
    for _ in 0..1_000 {
        assert!(ordinary(&budget).is_err());
    }
    let used: Vec<_> = budget.snapshot().iter().map(|window| window.used).collect();
    assert_eq!(used, [2, 2, 2]);
    // Nor in the pace: the burst of the day is 50, and all of it is still there.
    let mut calls = 2;
    while calls < 50 {
        clock.advance(MS(60_600));
        calls += drain(&budget, Urgency::Ordinary).0;
    }
    assert_eq!(calls, 50);
}

#[test]
fn a_day_is_spent_evenly_after_its_burst() {
    let (clock, budget) = budget("500/day", Pace::Even, 0.2);
    // 350 units accrue, beside the 50 at once and the 100 of the reserve.
    assert_eq!(drain(&budget, Urgency::Ordinary), (50, Duration::from_nanos(246_857_142_857)));
    assert_eq!(drain(&budget, Urgency::Urgent).0, 100, "the reserve is not held back");
    clock.advance(MS(246_858));
    assert_eq!(drain(&budget, Urgency::Urgent).0, 1);
    // 14 hours are left of the day. In its last tenth pace is over, and the reserve is released bit by bit.
    clock.advance(MS(14 * 3_600_000 - 8_640_000 - 246_858));
    let (calls, next) = drain(&budget, Urgency::Ordinary);
    assert_eq!((calls, next), (400 - 151, MS(14 * 3_600_000 - 8_640_000 + 1)));
    clock.advance(MS(4_320_000));
    assert_eq!(drain(&budget, Urgency::Ordinary).0, 50);
    clock.advance(MS(4_320_000 - 1));
    assert_eq!(drain(&budget, Urgency::Ordinary), (50, MS(14 * 3_600_000)));
    assert_eq!(drain(&budget, Urgency::Urgent).0, 0);
    clock.advance(MS(1));
    assert_eq!(drain(&budget, Urgency::Ordinary).0, 50, "a new day");
}

#[test]
fn pace_can_be_switched_off() {
    let (_, budget) = budget("500/day", Pace::Asap, 0.0);
    assert_eq!(drain(&budget, Urgency::Ordinary), (500, MS(14 * 3_600_000)));
    let (_, hour) = self::budget("20/hour", Pace::Even, 0.0);
    assert_eq!(drain(&hour, Urgency::Ordinary), (2, MS(180_000)));
}

#[test]
fn costs_are_units_of_the_calendar() {
    let (clock, budget) = budget("10/day", Pace::Asap, 0.2);
    budget.try_acquire(6, Urgency::Ordinary).unwrap();
    assert!(budget.try_acquire(3, Urgency::Ordinary).is_err(), "8 are for ordinary work");
    assert_eq!([1, 2, 3].map(|cost| budget.capacity_within(MS(0), cost, Urgency::Ordinary)), [2, 1, 0]);
    budget.try_acquire(2, Urgency::Ordinary).unwrap();
    assert_eq!(budget.try_acquire(11, Urgency::Urgent), Err(Exhausted { retry_at: Duration::MAX }));
    budget.try_acquire(0, Urgency::Ordinary).expect("it is free");
    clock.advance(MS(86_400_000));
    budget.try_acquire(10, Urgency::Ordinary).expect("else it could never be made");

    let (clock, day) = self::budget("50/day", Pace::Even, 0.0);
    day.try_acquire(20, Urgency::Ordinary).expect("more than the burst waits for a full bucket, which it has");
    let due = day.try_acquire(1, Urgency::Ordinary).unwrap_err().retry_at;
    assert_eq!(due, MS(86_400_000 / 45 * 16));
    clock.advance(due);
    day.try_acquire(1, Urgency::Ordinary).unwrap();
}

#[test]
fn windows_that_slide_count_calls_whatever_they_cost() {
    let (clock, budget) = budget("3/min, 10/month", Pace::Asap, 0.0);
    budget.try_acquire(9, Urgency::Ordinary).unwrap();
    assert!(budget.exhausted_until(2, Urgency::Ordinary).is_some_and(|at| at > MS(86_400_000)), "that is a month's");
    assert_eq!(budget.exhausted_until(0, Urgency::Ordinary), None, "what is free goes on");
    assert_eq!(budget.capacity_within(MS(0), 0, Urgency::Ordinary), 2);
    budget.try_acquire(0, Urgency::Ordinary).unwrap();
    budget.try_acquire(0, Urgency::Ordinary).unwrap();
    assert_eq!(budget.try_acquire(0, Urgency::Ordinary), Err(Exhausted { retry_at: MS(60_600) }));
    let used: Vec<u64> = budget.snapshot().iter().map(|window| window.used).collect();
    assert_eq!(used, [3, 9]);
    clock.advance(MS(60_600));
    budget.try_acquire(1, Urgency::Ordinary).unwrap();
    assert!(budget.try_acquire(1, Urgency::Ordinary).is_err(), "ten are spent");
    budget.try_acquire(0, Urgency::Ordinary).unwrap();
}

#[test]
fn calendar_windows_follow_the_wall_clock() {
    let (clock, budget) = budget("3/day, 5/month", Pace::Asap, 0.0);
    assert_eq!(drain(&budget, Urgency::Ordinary).0, 3);
    clock.set_wall_ms(START - 11 * 3_600_000);
    assert!(ordinary(&budget).is_err(), "back over midnight: no refund");
    clock.set_wall_ms(START + 14 * 3_600_000);
    assert_eq!(drain(&budget, Urgency::Ordinary).0, 2, "forward over midnight: a new day of the same month");
    let december: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    let left = u64::try_from(december.as_millisecond() - clock.wall_ms()).unwrap();
    assert_eq!(drain(&budget, Urgency::Ordinary), (0, MS(left)));
    clock.advance(MS(left));
    assert_eq!(drain(&budget, Urgency::Ordinary).0, 3);
}

#[test]
fn what_the_provider_says_only_lowers() {
    let (clock, budget) = budget("10/min, 100/day", Pace::Asap, 0.0);
    ordinary(&budget).unwrap();
    budget.correct(Span::Day, 1_000, 0);
    budget.correct(Span::Month, 0, 0);
    budget.correct(Span::Minute, 2, 0);
    let row = |span, limit, used, resets_at| WindowAccount { span, limit, used, leased: 0, reserved: 0, resets_at };
    let midnight = Some(START + 14 * 3_600_000);
    assert_eq!(budget.snapshot(), [row(Span::Minute, 10, 8, None), row(Span::Day, 100, 1, midnight)]);
    assert_eq!(drain(&budget, Urgency::Ordinary).0, 2);
    clock.advance(MS(60_600));
    budget.correct(Span::Day, 0, 0);
    assert_eq!(drain(&budget, Urgency::Ordinary).0, 0);
    assert_eq!(budget.exhausted_until(1, Urgency::Ordinary), Some(MS(14 * 3_600_000)));
}

#[test]
fn calls_that_the_provider_has_not_counted_come_off_what_it_says_where_others_share_the_key() {
    let (_, budget) = budget("100/day", Pace::Asap, 0.0);
    let used = || budget.snapshot().first().map(|window| window.used);
    for _ in 0..10 {
        ordinary(&budget).unwrap();
    }
    budget.correct(Span::Day, 90, 4);
    assert_eq!(used(), Some(10), "no sign of others");
    budget.correct(Span::Day, 50, 4);
    assert_eq!(used(), Some(54));
    budget.correct(Span::Day, 2, 4);
    assert_eq!(used(), Some(100));
}

#[test]
fn capacity_tells_whether_waiting_is_hopeless() {
    let (clock, budget) = budget("4/min", Pace::Even, 0.0);
    let capacity = |seconds| budget.capacity_within(Duration::from_secs(seconds), 1, Urgency::Ordinary);
    assert_eq!([capacity(0), capacity(60), capacity(61), capacity(122)], [4, 4, 8, 12]);
    drain(&budget, Urgency::Ordinary);
    assert_eq!([capacity(0), capacity(2), capacity(60), capacity(61)], [0, 0, 0, 4]);
    clock.advance(Duration::from_secs(59));
    assert_eq!([capacity(1), capacity(2)], [0, 4]);
    assert!(budget.capacity_within(Duration::MAX, 1, Urgency::Ordinary) > 1_000_000);
}

#[test]
fn capacity_counts_calls_that_cost_more_than_may_go_at_once() {
    const DAY: Duration = Duration::from_secs(86_400);
    for (quota, reserve, cost) in [("8/month", 0.0, 3), ("40/month", 0.0, 5), ("40/month", 0.2, 10), ("90/day", 0.0, 1)]
    {
        for within in [MS(0), DAY / 2, 2 * DAY, 5 * DAY] {
            let (clock, budget) = budget(quota, Pace::Even, reserve);
            let says = budget.capacity_within(within, cost, Urgency::Ordinary);
            let mut calls = 0;
            while let Some(wait) = match budget.try_acquire(cost, Urgency::Ordinary) {
                Ok(()) => Some(Duration::ZERO).inspect(|_| calls += 1),
                Err(exhausted) => exhausted.retry_at.checked_sub(clock.monotonic()),
            } && clock.monotonic() + wait <= within
            {
                clock.advance(wait);
            }
            assert!(calls >= 1 && says >= calls, "{quota}, {cost} each, {within:?}: said {says}, {calls} went");
        }
    }
}

#[test]
fn threads_share_one_account() {
    let (_, budget) = budget("100/min", Pace::Even, 0.0);
    let count = || (0..80).filter(|_| ordinary(&budget).is_ok()).count();
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 100);
}

fn any_quota() -> impl Strategy<Value = String> {
    let window = |unit: &'static str, most: u64| {
        proptest::option::of(1..=most).prop_map(move |limit| limit.map(|limit| format!("{limit}/{unit}")))
    };
    (window("s", 5), window("min", 12), window("hour", 40), window("day", 60), window("month", 200)).prop_filter_map(
        "at least one window",
        |windows| {
            let pieces: Vec<_> =
                [windows.0, windows.1, windows.2, windows.3, windows.4].into_iter().flatten().collect();
            (!pieces.is_empty()).then(|| pieces.join(", "))
        },
    )
}

fn any_pace() -> impl Strategy<Value = Pace> {
    proptest::sample::select(vec![Pace::Even, Pace::Asap])
}

/// Time before the next attempts, how many there are, their cost and urgency.
fn any_steps() -> impl Strategy<Value = Vec<(u64, u8, u32, bool)>> {
    let wait = prop_oneof![0..2_000u64, 0..90_000u64, 0..4_000_000u64, 0..100_000_000u64];
    proptest::collection::vec((wait, 1..8u8, 0..4u32, any::<bool>()), 1..60)
}

proptest! {
    #[test]
    fn no_window_is_ever_exceeded(
        quota in any_quota(), pace in any_pace(), reserve in 0.0..=0.9f64, steps in any_steps(),
    ) {
        let (clock, budget) = budget(&quota, pace, reserve);
        let mut starts: Vec<(Duration, i64, u32)> = Vec::new();
        for (wait, attempts, cost, is_urgent) in steps {
            clock.advance(MS(wait));
            let urgency = if is_urgent { Urgency::Urgent } else { Urgency::Ordinary };
            for _ in 0..attempts {
                if budget.try_acquire(cost, urgency).is_ok() {
                    starts.push((clock.monotonic(), clock.wall_ms(), cost));
                }
            }
        }
        for window in quota.parse::<Quota>().unwrap().windows() {
            for (index, &(from, wall_ms, _)) in starts.iter().enumerate() {
                let same = |&(at, at_wall, _): &(Duration, i64, u32)| match window.span.sliding() {
                    // Closed at both ends, which is stricter than any provider counts.
                    Some(length) => at <= from + length,
                    None => period_of(window.span, at_wall) == period_of(window.span, wall_ms),
                };
                let within = starts[index..].iter().take_while(|start| same(start));
                let units: u64 = within.map(|start| window.span.units(start.2)).sum();
                prop_assert!(units <= window.limit, "{units} in {}", window.span);
            }
        }
        for account in budget.snapshot() {
            prop_assert!(account.used <= account.limit);
        }
    }

    #[test]
    fn a_refusal_tells_the_truth(
        quota in any_quota(), pace in any_pace(), reserve in 0.0..=0.9f64, steps in any_steps(),
    ) {
        let (clock, budget) = budget(&quota, pace, reserve);
        for (wait, attempts, cost, is_urgent) in steps {
            clock.advance(MS(wait));
            let urgency = if is_urgent { Urgency::Urgent } else { Urgency::Ordinary };
            for _ in 0..attempts {
                let before = budget.snapshot();
                let Err(Exhausted { retry_at }) = budget.try_acquire(cost, urgency) else { continue };
                prop_assert_eq!(before, budget.snapshot(), "a refusal costs nothing");
                if retry_at == Duration::MAX {
                    prop_assert!(budget.snapshot().iter().any(|window| window.limit < window.span.units(cost)));
                    continue;
                }
                let left = retry_at - clock.monotonic();
                prop_assert!(!left.is_zero());
                // Just before it is still refused, and says the same. (Halves, so that the manual clock, whose wall time
                // counts whole milliseconds, stays in step.)
                let early = MS(u64::try_from(left.as_millis() / 2).unwrap());
                clock.advance(early);
                prop_assert_eq!(budget.try_acquire(cost, urgency), Err(Exhausted { retry_at }));
                clock.advance(left - early);
                prop_assert_eq!(budget.try_acquire(cost, urgency), Ok(()));
            }
        }
    }

    #[test]
    fn capacity_is_what_a_greedy_caller_gets(
        quota in any_quota(), pace in any_pace(), reserve in 0.0..=0.9f64,
        steps in proptest::collection::vec((0..90_000u64, 1..4u8), 0..6), within in 0..400_000u64, is_urgent in any::<bool>(),
    ) {
        let (clock, budget) = budget(&quota, pace, reserve);
        for (wait, attempts) in steps {
            clock.advance(MS(wait));
            for _ in 0..attempts {
                let _admitted = budget.try_acquire(1, Urgency::Urgent).is_ok();
            }
        }
        let urgency = if is_urgent { Urgency::Urgent } else { Urgency::Ordinary };
        let promised = budget.capacity_within(MS(within), 1, urgency);
        let end = clock.monotonic() + MS(within);
        let mut got = 0;
        loop {
            match budget.try_acquire(1, urgency) {
                Ok(()) => got += 1,
                Err(Exhausted { retry_at }) if retry_at <= end => clock.advance(retry_at - clock.monotonic()),
                Err(_) => break,
            }
        }
        prop_assert!(got <= promised, "{got} of {promised}");
        // One window that is neither paced nor combined with another is exact.
        if !quota.contains(',') && (pace == Pace::Asap || !quota.contains("hour") && !quota.contains("day") && !quota.contains("month")) {
            prop_assert_eq!(got, promised);
        }
    }
}

fn period_of(span: Span, wall_ms: i64) -> i64 {
    let date = Timestamp::from_millisecond(wall_ms).unwrap().to_zoned(jiff::tz::TimeZone::UTC).date();
    let month = i64::from(date.year()) * 12 + i64::from(date.month());
    if span == Span::Month { month } else { month * 31 + i64::from(date.day()) }
}
