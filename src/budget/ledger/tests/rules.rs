//! Single rules of the ledger.

use crate::budget::ledger::*;
use crate::budget::{Pace, Span};

const P: &str = "virustotal";
/// 2026-11-23T10:00:00Z
const START: i64 = 1_795_428_000_000;
/// 2026-11-23T00:00:00Z of the next day.
const MIDNIGHT: i64 = 1_795_478_400_000;

struct Log {
    ledger: Ledger,
    seq: u64,
}

impl Log {
    fn new(quota: &str, pace: Pace, reserve: u32) -> Self {
        let mut log = Self { ledger: Ledger::default(), seq: 0 };
        log.write(START, 1, terms(quota, pace, reserve));
        log
    }

    fn write(&mut self, at: i64, replica: u64, record: Record) -> (u64, Applied) {
        self.seq += 1;
        let id = RecordId { replica, seq: self.seq };
        (self.seq, self.ledger.apply(at, id, &record))
    }

    fn ask_as(&mut self, at: i64, replica: u64, claims: &[u64], urgent: bool) -> (u64, Granted) {
        self.request(at, replica, claims, urgent, 1)
    }

    fn request(&mut self, at: i64, replica: u64, claims: &[u64], urgent: bool, cost: u32) -> (u64, Granted) {
        let record = Record::Request { provider: P.into(), urgent, cost, batch: 1, claims: claims.to_vec() };
        let (lease, applied) = self.write(at, replica, record);
        let Applied::Answered(_, granted) = applied else { panic!("{applied:?}") };
        (lease, granted)
    }

    fn ask(&mut self, at: i64, replica: u64, claims: &[u64]) -> (u64, Granted) {
        self.ask_as(at, replica, claims, false)
    }

    fn end(&mut self, at: i64, replica: u64, lease: u64, end: CallEnd, calls: u32) {
        let calls = (0..calls).map(|call| (call, end)).collect();
        self.write(at, replica, Record::Return { provider: P.into(), lease, calls });
    }
}

fn terms(quota: &str, pace: Pace, reserve: u32) -> Record {
    Record::Terms { provider: P.into(), terms: Terms { quota: quota.parse().unwrap(), pace, reserve } }
}

fn claims(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn the_reserve_is_for_urgent_requests() {
    let mut log = Log::new("10/min", Pace::Asap, 200_000);
    assert_eq!(log.ask(START, 1, &claims(0..20)).1.calls, 8);
    assert_eq!(log.ask_as(START, 2, &claims(20..40), true).1.calls, 2);
}

#[test]
fn the_first_claim_wins_until_its_call_failed() {
    let mut log = Log::new("100/min", Pace::Asap, 0);
    let (lease, granted) = log.ask(START, 1, &[7, 8]);
    assert_eq!(granted.fates, [Fate::Won, Fate::Won]);
    let (_, second) = log.ask(START + 5, 2, &[7, 9]);
    assert_eq!(second.fates, [Fate::Taken { until: START + LEASE_LIFE }, Fate::Won]);
    assert_eq!(second.calls, 1, "what is somebody else's costs nothing");
    let calls = vec![(0, CallEnd::Answered), (1, CallEnd::Spent)];
    log.write(START + 100, 1, Record::Return { provider: P.into(), lease, calls });
    let (_, third) = log.ask(START + 110, 2, &[7, 8]);
    assert_eq!(third.fates, [Fate::Taken { until: START + 100 + CLAIM_LINGERS }, Fate::Won]);
    let (_, last) = log.ask(START + 100 + CLAIM_LINGERS, 3, &[7]);
    assert_eq!(last.fates, [Fate::Won]);
}

#[test]
fn a_lease_that_nobody_returns_counts_until_its_end_and_a_window_after_it() {
    let mut log = Log::new("4/min", Pace::Asap, 0);
    assert_eq!(log.ask(START, 1, &claims(0..4)).1.calls, 4);
    let frees = START + LEASE_LIFE + 60_600;
    let (_, refused) = log.ask(START + 1, 2, &[9]);
    assert_eq!((refused.calls, refused.retry_at), (0, frees));
    assert_eq!(log.ask(frees - 1, 2, &[9]).1.calls, 0);
    assert_eq!(log.ask(frees, 2, &[9, 10, 11, 12]).1.calls, 4);
}

#[test]
fn what_is_returned_unspent_is_there_at_once_and_what_is_spent_a_window_later() {
    let mut log = Log::new("4/min, 5/day", Pace::Asap, 0);
    let (lease, _) = log.ask(START, 1, &claims(0..4));
    let calls = vec![(0, CallEnd::Spent), (1, CallEnd::Unspent)];
    log.write(START + 500, 1, Record::Return { provider: P.into(), lease, calls: calls.clone() });
    log.write(START + 500, 1, Record::Return { provider: P.into(), lease, calls });
    assert_eq!(log.ledger.open(P), 2);
    let (other, granted) = log.ask(START + 501, 2, &claims(10..20));
    assert_eq!(granted.calls, 1, "once, however often it is said");
    log.end(START + 600, 2, other, CallEnd::Unspent, 1);
    log.write(
        START + 700,
        1,
        Record::Return { provider: P.into(), lease, calls: vec![(2, CallEnd::Spent), (3, CallEnd::Answered)] },
    );
    let used: Vec<u64> = log.ledger.windows(P, START + 700).iter().map(|window| window.used).collect();
    assert_eq!(used, [3, 3]);
    let (_, later) = log.ask(START + 500 + 60_600, 2, &claims(30..40));
    assert_eq!(later.calls, 2, "of five a day three are spent");
}

#[test]
fn around_midnight_a_unit_counts_on_both_sides() {
    let mut log = Log::new("5/day", Pace::Asap, 0);
    assert_eq!(log.ask(MIDNIGHT - 1_000, 1, &claims(0..5)).1.calls, 5);
    assert_eq!(log.ask(MIDNIGHT + 1_000, 2, &claims(10..15)).1.calls, 0, "they may still be spent on the new day");

    let mut returned = Log::new("5/day", Pace::Asap, 0);
    let (lease, _) = returned.ask(MIDNIGHT - 14_000, 1, &claims(0..5));
    returned.end(MIDNIGHT - 13_900, 1, lease, CallEnd::Spent, 5);
    assert_eq!(returned.ask(MIDNIGHT - 5_001, 2, &[20]).1.calls, 0);
    assert_eq!(returned.ask(MIDNIGHT + 4_999, 2, &[20]).1.calls, 0, "the provider's midnight may be later");
    assert_eq!(returned.ask(MIDNIGHT + 5_001, 2, &claims(20..30)).1.calls, 5, "those were over well before");
}

#[test]
fn who_waits_for_credits_does_not_keep_free_calls_waiting() {
    let mut log = Log::new("5/s, 100/month", Pace::Asap, 0);
    log.write(START, 1, Record::Correct { provider: P.into(), span: Span::Month, remaining: 1 });
    let (lease, dear) = log.request(START, 1, &claims(0..20), false, 1);
    assert_eq!(dear.calls, 1, "there is one credit");
    log.end(START + 100, 1, lease, CallEnd::Spent, 1);
    let (_, free) = log.request(START + 2_000, 2, &claims(100..103), false, 0);
    assert_eq!(free.calls, 3);
    let bytes = log.ledger.snapshot(4);
    let (restored, through) = Ledger::restore(&bytes).unwrap();
    assert_eq!(restored.snapshot(through), bytes, "prices of places included");
    let refused = log.request(START + 2_001, 2, &claims(103..110), false, 0).1;
    assert_eq!(refused.calls, 2, "of five a second");
}

#[test]
fn when_units_are_short_replicas_take_turns() {
    let mut log = Log::new("10/min", Pace::Asap, 0);
    let mut got = [0u32; 3];
    let (mut claim, mut at) = (0, START);
    // The first asks ten times as often as the others, and for more than there is.
    for step in 0..8_000u64 {
        at += 150;
        let replica = if step % 12 < 10 { 0 } else { usize::try_from(step % 12).unwrap() - 9 };
        claim += 8;
        let (lease, granted) = log.ask(at, replica as u64, &claims(claim..claim + 8));
        got[replica] += granted.calls;
        log.end(at + 100, replica as u64, lease, CallEnd::Spent, granted.calls);
    }
    let all: u32 = got.iter().sum();
    assert!(all >= 150, "{got:?}: 20 minutes at 10 bring up to 200");
    assert!(got.iter().all(|units| units * 6 >= all), "{got:?}");
}

#[test]
fn who_waits_and_never_comes_back_blocks_nobody_for_long() {
    let mut log = Log::new("2/min", Pace::Asap, 0);
    let (lease, _) = log.ask(START, 1, &claims(0..2));
    log.end(START + 100, 1, lease, CallEnd::Spent, 2);
    let (_, dead) = log.ask(START + 200, 2, &claims(10..12));
    assert_eq!(dead.calls, 0);
    let free = START + 100 + 60_600;
    let first = log.ask(free, 1, &claims(20..22)).1.calls;
    let second = log.ask(free + 2_001, 1, &claims(30..32)).1.calls;
    assert!(first < 2 && first + second == 2, "{first} {second}");
}

#[test]
fn a_pause_holds_for_everybody_and_is_never_longer_than_a_day() {
    let mut log = Log::new("100/min", Pace::Asap, 0);
    log.write(START, 1, Record::Pause { provider: P.into(), for_ms: 5_000 });
    log.write(START + 1, 2, Record::Pause { provider: P.into(), for_ms: 1 });
    let (_, granted) = log.ask_as(START + 100, 2, &[1], true);
    assert_eq!((granted.calls, granted.retry_at), (0, START + 5_000));
    assert_eq!(log.ask(START + 5_000, 2, &[1]).1.calls, 1);
    log.write(START + 6_000, 1, Record::Pause { provider: P.into(), for_ms: u64::MAX });
    assert_eq!(log.ledger.paused_until(P), START + 6_000 + LONGEST_PAUSE);
}

#[test]
fn a_correction_lowers_and_never_raises() {
    let mut log = Log::new("100/min, 500/day", Pace::Asap, 0);
    log.write(START, 1, Record::Correct { provider: P.into(), span: Span::Day, remaining: 3 });
    log.write(START, 1, Record::Correct { provider: P.into(), span: Span::Day, remaining: 400 });
    assert_eq!(log.ask(START + 1, 1, &claims(0..10)).1.calls, 3);
}

#[test]
fn what_is_leased_comes_off_what_the_provider_says_where_others_share_the_key() {
    let mut log = Log::new("100/min, 500/day", Pace::Asap, 0);
    log.ask(START, 1, &claims(0..10));
    let correct = |span, remaining| Record::Correct { provider: P.into(), span, remaining };
    log.write(START + 1, 1, correct(Span::Day, 490));
    log.write(START + 1, 1, correct(Span::Minute, 90));
    assert_eq!(log.ask(START + 2, 1, &claims(10..200)).1.calls, 90, "no sign of others");
    log.write(START + 3, 1, correct(Span::Day, 120));
    let used = |log: &Log| log.ledger.windows(P, START + 3).iter().map(|window| window.used).collect::<Vec<_>>();
    assert_eq!(used(&log), [100, 480], "of 120 a hundred are leased");
}

#[test]
fn a_day_is_spent_evenly_after_its_burst() {
    let mut log = Log::new("500/day", Pace::Even, 0);
    let (lease, granted) = log.ask(START, 1, &claims(0..400));
    assert_eq!(granted.calls, 50, "a tenth at once");
    log.end(START + 1_000, 1, lease, CallEnd::Spent, 50);
    let interval = 86_400_000 / 450;
    let (_, next) = log.ask(START + 2_000, 1, &[1_000]);
    assert_eq!((next.calls, next.retry_at), (0, START + interval));
    assert_eq!(log.ask(START + interval, 1, &[1_000]).1.calls, 1);
}

#[test]
fn other_terms_do_not_forget_what_is_spent() {
    let mut log = Log::new("4/min", Pace::Asap, 0);
    let (lease, _) = log.ask(START, 1, &claims(0..4));
    log.end(START + 10, 1, lease, CallEnd::Spent, 4);
    log.write(START + 20, 2, terms("6/min, 100/day", Pace::Asap, 0));
    assert_eq!(log.ask(START + 30, 2, &claims(10..20)).1.calls, 2);
}

#[test]
fn a_window_that_is_new_knows_what_is_leased() {
    let mut log = Log::new("10/min", Pace::Asap, 0);
    let (lease, _) = log.ask(START, 1, &claims(0..6));
    log.write(START + 10, 2, terms("10/min, 8/day", Pace::Asap, 0));
    let (other, granted) = log.ask(START + 20, 2, &claims(10..20));
    assert_eq!(granted.calls, 2);
    log.end(START + 30, 1, lease, CallEnd::Unspent, 6);
    log.end(START + 40, 2, other, CallEnd::Spent, 2);
    assert_eq!(log.ledger.windows(P, START + 50)[1].used, 2, "what comes back was counted before");
}

#[test]
fn a_record_counts_once() {
    let mut log = Log::new("4/min", Pace::Asap, 0);
    let id = RecordId { replica: 5, seq: 100 };
    let record = Record::Request { provider: P.into(), urgent: false, cost: 1, batch: 1, claims: vec![1] };
    assert!(matches!(log.ledger.apply(START, id, &record), Applied::Answered(..)));
    assert_eq!(log.ledger.apply(START, id, &record), Applied::Nothing);
    let earlier = RecordId { replica: 5, seq: 60 };
    assert!(matches!(log.ledger.apply(START, earlier, &record), Applied::Answered(..)));
    assert_eq!(log.ledger.apply(START, earlier, &record), Applied::Nothing);
    let long_ago = RecordId { replica: 5, seq: 1 };
    assert_eq!(log.ledger.apply(START, long_ago, &record), Applied::Nothing);
}

#[test]
fn several_indicators_of_one_call_cost_once() {
    let mut log = Log::new("3/day", Pace::Asap, 0);
    let record = Record::Request { provider: P.into(), urgent: false, cost: 2, batch: 5, claims: claims(0..12) };
    let (_, applied) = log.write(START, 1, record);
    let Applied::Answered(_, granted) = applied else { panic!("{applied:?}") };
    assert_eq!(granted.calls, 1, "two calls of cost 2 do not fit into 3");
    assert_eq!(granted.fates.iter().filter(|fate| **fate == Fate::Won).count(), 5);
}

#[test]
fn prices_count_in_windows_of_the_calendar_and_calls_in_those_that_slide() {
    let mut log = Log::new("4/min, 7/day", Pace::Asap, 0);
    let request =
        |cost, claims: Vec<u64>| Record::Request { provider: P.into(), urgent: false, cost, batch: 1, claims };
    let calls = |applied| {
        let Applied::Answered(_, granted) = applied else { panic!("{applied:?}") };
        (granted.calls, granted.retry_at)
    };
    let (lease, applied) = log.write(START, 1, request(3, claims(0..4)));
    let (dear, again) = calls(applied);
    assert_eq!(dear, 2, "three of them would be 9 units");
    assert!(again > START + 3_600_000, "the day is what they wait for");
    let (free, again) = calls(log.write(START, 1, request(0, claims(10..14))).1);
    assert_eq!(free, 2, "four calls in a minute");
    assert!(again < START + 120_000, "the minute is what they wait for");
    let account = |log: &Log| {
        let windows = log.ledger.windows(P, log.ledger.time());
        windows.iter().map(|window| (window.used, window.leased)).collect::<Vec<_>>()
    };
    assert_eq!(account(&log), [(4, 4), (6, 6)]);
    // One of the dear ones is made, the other is not.
    let calls = vec![(0, CallEnd::Spent), (1, CallEnd::Unspent)];
    log.write(START + 10, 1, Record::Return { provider: P.into(), lease, calls });
    assert_eq!(account(&log), [(3, 2), (3, 0)]);
    let restored = Ledger::restore(&log.ledger.snapshot(0)).unwrap();
    assert_eq!(restored.0, log.ledger);
}

#[test]
fn memory_is_bounded() {
    let mut log = Log::new("4000000000/s", Pace::Asap, 0);
    for batch in 0..400u64 {
        let at = START + i64::try_from(batch).unwrap();
        let (lease, granted) = log.ask(at, batch, &claims(batch * 512..batch * 512 + 512));
        log.end(at, batch, lease, CallEnd::Answered, granted.calls);
    }
    let state = log.ledger.snapshot(0);
    assert!(state.len() < 400_000, "{} bytes", state.len());
    let unreturned = log.ask(START + 500, 1, &claims(0..1)).1;
    assert_eq!(unreturned.calls, 1);
}

#[test]
fn reading_begins_at_a_snapshot_where_the_beginning_is_gone() {
    let request = |n: u64| Record::Request { provider: P.into(), urgent: false, cost: 1, batch: 1, claims: vec![n] };
    let mut records = vec![(START, terms("100/min", Pace::Asap, 0).encode(RecordId { replica: 1, seq: 1 }))];
    let mut all = Follower::new();
    for n in 1..20i64 {
        let seq = u64::try_from(n).unwrap() + 1;
        let record = if n == 12 {
            // Taken after offset 8; what was written in between stands before it.
            let mut early = Follower::new();
            for (offset, (at, bytes)) in records.iter().enumerate().take(9) {
                early.feed(i64::try_from(offset).unwrap(), *at, bytes);
            }
            Record::Snapshot(early.ledger().unwrap().snapshot(8))
        } else {
            request(seq)
        };
        records.push((START + n, record.encode(RecordId { replica: 1, seq })));
    }
    for (offset, (at, bytes)) in records.iter().enumerate() {
        all.feed(i64::try_from(offset).unwrap(), *at, bytes);
    }
    for (first, known) in [(0, true), (5, true), (9, true), (10, false), (13, false)] {
        let mut late = Follower::new();
        for (offset, (at, bytes)) in records.iter().enumerate().skip(first) {
            late.feed(i64::try_from(offset).unwrap(), *at, bytes);
        }
        assert_eq!(late.caught_up(), known, "from {first}");
        if known {
            assert_eq!(late.ledger(), all.ledger(), "from {first}");
        }
    }
    // A gap: what is known is no longer the state.
    let (at, bytes) = &records[3];
    assert_eq!(all.feed(25, *at, bytes), Followed::Searching);
    assert!(all.ledger().is_none());
    let mut empty = Follower::new();
    assert!(empty.caught_up(), "a log without records is one that begins");
}
