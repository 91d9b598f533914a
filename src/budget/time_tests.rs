//! Windows and time, as a table: clocks that are set, ends of months, leap days, and days on which clocks of people change. Windows are UTC, by injected time.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::*;
use crate::{
    budget::ledger::{Ledger, Record, RecordId},
    model::{Clock as _, ManualClock},
};

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

const HOUR: i64 = 3_600_000;

/// Quota, start, moves as in [`local`], and what is admitted.
type Row = (&'static str, &'static str, &'static [(i64, i64)], &'static [u32]);

/// Takes all there is, then moves on: by the monotonic clock as true time passes, by the wall clock as it is set. How many calls were admitted each time.
fn local(quota: &str, start: &str, moves: &[(i64, i64)]) -> Vec<u32> {
    let clock = ManualClock::at(ms(start));
    let shared: SharedClock = Arc::<ManualClock>::clone(&clock);
    let budget = Budget::new(quota.parse().unwrap(), Some(Pace::Asap), 0.0, shared);
    let drain = || (0..).take_while(|_| budget.try_acquire(1, Urgency::Ordinary).is_ok()).count() as u32;
    let mut admitted = vec![drain()];
    for (passed, set_by) in moves {
        clock.advance(Duration::from_millis(u64::try_from(*passed).unwrap()));
        clock.set_wall_ms(clock.wall_ms() + set_by);
        admitted.push(drain());
    }
    admitted
}

#[test]
fn clocks_that_are_set_move_no_sliding_window_and_refund_no_day() {
    const MINUTE: i64 = 60_600;
    let rows: [Row; 8] = [
        ("4/min", "2026-11-23T10:00:00Z", &[(0, HOUR), (0, -2 * HOUR), (MINUTE, 0)], &[4, 0, 0, 4]),
        ("9/hour", "2026-11-23T10:00:00Z", &[(0, HOUR), (0, HOUR), (3_636_000, -2 * HOUR)], &[9, 0, 0, 9]),
        ("5/day", "2026-11-23T10:00:00Z", &[(0, HOUR), (0, -HOUR), (HOUR, 0)], &[5, 0, 0, 0]),
        // Over midnight and back: the day that has begun stays begun, and what is spent of it stays spent.
        ("5/day", "2026-11-23T23:30:00Z", &[(0, HOUR), (0, -HOUR), (HOUR, 0), (24 * HOUR, 0)], &[5, 5, 0, 0, 5]),
        ("5/day", "2026-11-24T00:30:00Z", &[(0, -HOUR), (0, HOUR), (23 * HOUR, 0), (HOUR / 2, 0)], &[5, 0, 0, 0, 5]),
        ("7/month", "2026-11-30T23:30:00Z", &[(0, HOUR), (0, -HOUR), (HOUR, 0)], &[7, 7, 0, 0]),
        ("4/min, 5/day", "2026-11-23T23:59:30Z", &[(30_000, 0), (30_600, 0), (MINUTE, 0)], &[4, 0, 4, 1]),
        ("3/day, 4/month", "2026-11-30T12:00:00Z", &[(12 * HOUR, 0), (24 * HOUR, 0), (24 * HOUR, 0)], &[3, 3, 1, 0]),
    ];
    for (quota, start, moves, expected) in rows {
        assert_eq!(local(quota, start, moves), expected, "{quota} from {start}");
    }
}

/// Instants around which a calendar window ends, or does not: the last moment before, and the first after.
const TURNS: [(&str, &str, bool, bool); 9] = [
    ("2026-01-31T23:59:59.999Z", "2026-02-01T00:00:00Z", true, true),
    ("2027-02-28T23:59:59.999Z", "2027-03-01T00:00:00Z", true, true),
    ("2028-02-28T23:59:59.999Z", "2028-02-29T00:00:00Z", true, false),
    ("2028-02-29T23:59:59.999Z", "2028-03-01T00:00:00Z", true, true),
    ("2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z", true, true),
    // Summer time begins and ends in Berlin: nothing happens in UTC, neither then nor at Berlin's midnight.
    ("2026-03-29T00:59:59.999Z", "2026-03-29T01:00:00Z", false, false),
    ("2026-10-25T00:59:59.999Z", "2026-10-25T01:00:00Z", false, false),
    ("2026-10-25T22:59:59.999Z", "2026-10-25T23:00:00Z", false, false),
    ("2026-10-25T23:59:59.999Z", "2026-10-26T00:00:00Z", true, false),
];

#[test]
fn days_and_months_end_where_the_calendar_says() {
    for (before, after, day, month) in TURNS {
        let passed = ms(after) - ms(before);
        let admitted = |turns| if turns { 3 } else { 0 };
        assert_eq!(local("3/day", before, &[(passed, 0)]), [3, admitted(day)], "day at {after}");
        assert_eq!(local("3/month", before, &[(passed, 0)]), [3, admitted(month)], "month at {after}");
    }
}

/// Asks the ledger for ten calls at each of these append times, and says at once that they were made; how many were granted.
fn leased(quota: &str, appended: &[i64]) -> Vec<u32> {
    let mut ledger = Ledger::default();
    let terms = Terms { quota: quota.parse().unwrap(), pace: Pace::Asap, reserve: 0 };
    let mut seq = 0;
    let mut write = |ledger: &mut Ledger, at: i64, record: Record| {
        seq += 1;
        (seq, ledger.apply(at, RecordId { replica: 1, seq }, &record))
    };
    write(&mut ledger, appended[0], Record::Terms { provider: "p".into(), terms });
    let mut granted = Vec::new();
    for (n, at) in appended.iter().enumerate() {
        let claims = (0..10).map(|claim| 100 * n as u64 + claim).collect();
        let request = Record::Request { provider: "p".into(), urgent: false, cost: 1, batch: 1, claims };
        let (lease, applied) = write(&mut ledger, *at, request);
        let ledger::Applied::Answered(_, answer) = applied else { panic!("no answer: {applied:?}") };
        granted.push(answer.calls);
        let calls = (0..answer.calls).map(|call| (call, ledger::CallEnd::Spent)).collect();
        write(&mut ledger, *at, Record::Return { provider: "p".into(), lease, calls });
    }
    granted
}

#[test]
fn the_ledgers_windows_end_where_the_calendar_says_but_for_a_margin() {
    for (before, after, day, month) in TURNS {
        // Well before, and after the margin: a call near midnight may count on both sides.
        let times = [ms(before) - 60_000, ms(after) + 10_000];
        let granted = |turns| if turns { 3 } else { 0 };
        assert_eq!(leased("3/day", &times), [3, granted(day)], "day at {after}");
        assert_eq!(leased("3/month", &times), [3, granted(month)], "month at {after}");
    }
    let noon = ms("2026-11-23T12:00:00Z");
    // A broker whose clock is an hour behind that of its predecessor makes the ledger stand still, and gives nothing.
    assert_eq!(leased("4/min", &[noon, noon - HOUR, noon - HOUR + 70_000, noon + 61_000]), [4, 0, 0, 4]);
    assert_eq!(leased("5/day", &[noon, noon - HOUR, noon + HOUR, noon + 13 * HOUR]), [5, 0, 0, 5]);
}
