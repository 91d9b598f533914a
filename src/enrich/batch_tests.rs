//! Calls about several indicators, under a manual clock: gathering, one unit a call, an answer for each, failures.

use std::sync::Arc;

use super::{calls::Finished, desk::Idle, *};
use crate::{
    budget::{Budget, Urgency},
    model::{Answer, Clock as _, Evidence, FailReason, ManualClock, ProviderId, Role, Status, Verdict, VerdictKind},
    provider::{BoxFuture, Breaker, BreakerState, LookupError},
};

const BATCH: usize = 4;
const MS: fn(u64) -> Duration = Duration::from_millis;

struct Batched;

impl Provider for Batched {
    fn id(&self) -> ProviderId {
        ProviderId("safebrowsing")
    }
    fn supports(&self, kind: IndicatorKind) -> bool {
        kind == IndicatorKind::Url
    }
    fn lookup<'a>(&'a self, _indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(std::future::pending())
    }
    fn batch_size(&self) -> usize {
        BATCH
    }
}

struct Bench {
    clock: Arc<ManualClock>,
    board: Board,
}

impl Bench {
    fn new(quota: &str) -> Self {
        let clock = ManualClock::at(1_795_000_000_000);
        let shared: SharedClock = clock.clone();
        let cache = Cache::new(&crate::cache::Config::default(), Arc::clone(&shared));
        let setup = Setup {
            provider: Arc::new(Batched),
            budget: Budget::new(quota.parse().expect("a quota"), None, 0.0, Arc::clone(&shared)),
            breaker: Breaker::new(Arc::clone(&shared), Box::new(|| 0.0)),
            max_in_flight: 8,
            max_tlp: Tlp::Red,
        };
        let parts = Parts {
            providers: vec![setup],
            deadline: MS(2_000),
            late_for: MS(3_600_000),
            seed: 1,
            ..Parts::none(&cache, &shared, &Metrics::new())
        };
        Self { board: Board::new(parts), clock }
    }

    fn ask(&mut self, n: usize) -> Asked {
        self.ask_as(n, Urgency::Ordinary)
    }

    fn ask_as(&mut self, n: usize, urgency: Urgency) -> Asked {
        let sighting = Sighting { role: Role::Url, urgency, tlp: Tlp::Clear, event: EventContext::default() };
        self.board.ask(&url(n), None, sighting, Some(0), self.clock.monotonic(), self.clock.wall_ms())
    }

    fn take(&mut self) -> Result<Vec<Indicator>, Idle> {
        self.board.take(0, self.clock.monotonic(), self.clock.wall_ms()).map(|call| call.indicators)
    }

    fn finish(&mut self, call: &[Indicator], results: Vec<Result<Verdict, LookupError>>) -> Vec<Finished> {
        let call = self.board.call_about(0, call);
        self.board.finish(0, &call, results, MS(100), self.clock.monotonic(), self.clock.wall_ms())
    }

    /// What is known of a URL.
    fn answer(&mut self, n: usize) -> Answer {
        self.ask(n).entry.assessment().sources[0].answer.clone()
    }

    fn outcome(&mut self, n: usize) -> &'static str {
        self.answer(n).outcome()
    }
}

fn url(n: usize) -> Indicator {
    Indicator::new(IndicatorKind::Url, format!("https://host-{n}.example/"))
}

fn urls(numbers: std::ops::Range<usize>) -> Vec<Indicator> {
    numbers.map(url).collect()
}

fn verdict(kind: VerdictKind) -> Result<Verdict, LookupError> {
    let evidence = Evidence { share: Some(0.0), ..Evidence::default() };
    Ok(Verdict { kind, evidence, answered_at: 0 })
}

fn failed(reason: FailReason) -> Result<Verdict, LookupError> {
    Err(LookupError::Failed { reason, detail: String::new() })
}

#[test]
fn a_full_call_starts_at_once_and_costs_one_unit() {
    let mut bench = Bench::new("2/min");
    for n in 0..9 {
        assert!(bench.ask(n).hopeful || n >= 8, "{n}: two calls of four are what the quota allows");
    }
    assert_eq!(bench.take(), Ok(urls(0..4)));
    assert_eq!(bench.take(), Ok(urls(4..8)));
    bench.clock.advance(MS(60));
    assert!(matches!(bench.take(), Err(Idle::Until(_))), "the third call is one too many");
    assert_eq!(bench.board.counts().in_flight, 2);
}

#[test]
fn a_call_that_is_not_full_waits_for_company_but_not_for_long() {
    let mut bench = Bench::new("100/min");
    let begun = bench.clock.monotonic();
    bench.ask(0);
    assert_eq!(bench.take(), Err(Idle::Until(begun + MS(50))));
    bench.clock.advance(MS(30));
    bench.ask(1);
    assert_eq!(bench.take(), Err(Idle::Until(begun + MS(50))), "the first one's time counts");
    bench.clock.advance(MS(20));
    assert_eq!(bench.take(), Ok(urls(0..2)));
    // The next one is gathered anew.
    bench.ask(2);
    assert_eq!(bench.take(), Err(Idle::Until(begun + MS(100))));
    for n in 3..6 {
        bench.ask(n);
    }
    assert_eq!(bench.take(), Ok(urls(2..6)), "full");
}

#[test]
fn an_emptied_line_is_gathered_anew() {
    let mut bench = Bench::new("100/min");
    bench.ask(0);
    assert!(bench.take().is_err());
    // It leaves the line without a call.
    let place = bench.board.flights[&url(0)].place;
    bench.board.desks[0].queue.remove(place, Duration::ZERO);
    bench.clock.advance(MS(1_000));
    assert_eq!(bench.take(), Err(Idle::UntilWoken));
    bench.ask(1);
    let now = bench.clock.monotonic();
    assert_eq!(bench.take(), Err(Idle::Until(now + MS(50))));
}

/// Lets `waiting` wait while the first call is under way; the calls that follow without any time going by.
fn calls_of_a_backlog(waiting: usize, urgent: impl Fn(usize) -> bool) -> Vec<Vec<Indicator>> {
    let mut bench = Bench::new("10000/min");
    bench.ask(waiting);
    bench.clock.advance(MS(10));
    assert!(bench.take().is_err());
    bench.clock.advance(MS(50));
    let first = bench.take().expect("nobody joined it in time");
    for n in 0..waiting {
        bench.ask_as(n, if urgent(n) { Urgency::Urgent } else { Urgency::Ordinary });
    }
    bench.finish(&first, vec![verdict(VerdictKind::Clean)]);
    std::iter::from_fn(|| bench.take().ok()).collect()
}

#[test]
fn a_backlog_leaves_in_full_calls_whoever_is_urgent_in_it() {
    for every in [1, 2, 3, 7, 1_000] {
        let calls = calls_of_a_backlog(40 * BATCH, |n| n % every == 0);
        let sizes: Vec<usize> = calls.iter().map(Vec::len).collect();
        assert_eq!(sizes, [BATCH; 40], "every {every}.");
        let mut all: Vec<String> = calls.concat().iter().map(|url| url.value.to_string()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 40 * BATCH);
    }
}

#[test]
fn each_indicator_has_its_own_answer() {
    let mut bench = Bench::new("100/min");
    for n in 0..4 {
        bench.ask(n);
    }
    let call = bench.take().expect("a call");
    let results = vec![
        verdict(VerdictKind::Found),
        verdict(VerdictKind::Clean),
        failed(FailReason::Rejected),
        verdict(VerdictKind::NotFound),
    ];
    bench.finish(&call, results);
    let outcomes: Vec<_> = (0..4).map(|n| bench.outcome(n)).collect();
    assert_eq!(outcomes, ["found", "clean", "failed", "not_found"]);
    assert_eq!(bench.board.take_effects().notices.len(), 4);
    assert_eq!(bench.board.counts(), Counts::default());
}

#[test]
fn a_failing_call_fails_everybody_with_its_reason_and_is_made_again_as_one() {
    let mut bench = Bench::new("100/min");
    for n in 0..4 {
        bench.ask(n);
    }
    let call = bench.take().expect("a call");
    bench.finish(&call, vec![failed(FailReason::Unavailable); 4]);
    for n in 0..4 {
        let Answer::Failed { reason, retry_at } = bench.answer(n) else { panic!("not failed") };
        assert_eq!(reason, FailReason::Unavailable);
        assert!(retry_at.is_some(), "it is tried again");
    }
    let Err(Idle::Until(again)) = bench.take() else { panic!("it waits") };
    bench.clock.advance(again.saturating_sub(bench.clock.monotonic()));
    assert_eq!(bench.take(), Ok(call.clone()), "one call again, not four");
    // An answer that leaves somebody out leaves nobody without a reason.
    bench.finish(&call, vec![verdict(VerdictKind::Clean)]);
    let outcomes: Vec<_> = (0..4).map(|n| bench.outcome(n)).collect();
    assert_eq!(outcomes, ["clean", "failed", "failed", "failed"]);
    let Answer::Failed { reason, .. } = bench.answer(3) else { panic!("not failed") };
    assert_eq!(reason, FailReason::Malformed);
}

#[test]
fn one_refused_call_is_one_refusal_and_keeps_everybody_in_line() {
    let mut bench = Bench::new("100/min");
    for n in 0..4 {
        bench.ask(n);
    }
    let call = bench.take().expect("a call");
    bench.clock.advance(MS(200));
    let finished = bench.finish(&call, vec![Err(LookupError::throttled()); 4]);
    for finished in finished {
        let Finished::Paused(pause) = finished else { panic!("{finished:?}") };
        assert!(pause <= MS(60_000), "one refusal, not four: {pause:?}");
    }
    for n in 0..4 {
        assert_eq!(bench.outcome(n), "throttled");
        assert_eq!(bench.ask(n).entry.assessment().status, Status::Pending);
    }
    bench.clock.advance(MS(60_000));
    assert_eq!(bench.take(), Ok(call));
}

#[test]
fn a_batch_is_one_call_to_the_circuit() {
    let mut bench = Bench::new("1000/min");
    let call = |bench: &mut Bench, results: Vec<Result<Verdict, LookupError>>| {
        let n = 4 * usize::try_from(bench.board.desks[0].key.calls).expect("few");
        for n in n..n + 4 {
            bench.ask(n);
        }
        let call = bench.take().expect("a call");
        bench.finish(&call, results);
    };
    for _ in 0..4 {
        call(&mut bench, vec![failed(FailReason::Malformed); 4]);
        assert_eq!(bench.board.desks[0].key.breaker.state(), BreakerState::Closed);
    }
    call(&mut bench, vec![failed(FailReason::Malformed), verdict(VerdictKind::Clean)]);
    assert_eq!(bench.board.desks[0].key.breaker.state(), BreakerState::Closed, "it answered one of them");
}

/// Calls until `hours` are over, each answered by `result`.
fn calls_within(bench: &mut Bench, hours: u64, result: impl Fn() -> Result<Verdict, LookupError>) -> usize {
    let end = bench.clock.monotonic() + MS(hours * 3_600_000);
    let mut calls = 0;
    while bench.clock.monotonic() < end {
        match bench.take() {
            Ok(call) => {
                calls += 1;
                bench.clock.advance(MS(100));
                let results = call.iter().map(|_| result()).collect();
                bench.finish(&call, results);
            }
            Err(Idle::Until(at)) => bench.clock.advance(at.saturating_sub(bench.clock.monotonic()).max(MS(1))),
            Err(Idle::UntilWoken) => break,
        }
    }
    calls
}

#[test]
fn a_storm_of_429_is_waited_out_and_is_no_failure() {
    // What a header names, and how many calls a day follows from it; `None` is what absurd values come to.
    for (named, expected) in [(None, 24..36), (Some(1), 78_000..86_401), (Some(600), 140..146), (Some(86_400), 1..3)] {
        let mut bench = Bench::new("1000000/min");
        for n in 0..8 {
            bench.ask(n);
        }
        bench.clock.advance(MS(200));
        let named = named.map(Duration::from_secs);
        let calls = calls_within(&mut bench, 24, || Err(LookupError::Throttled { retry_after: named, used_up: false }));
        assert!(expected.contains(&calls), "{named:?}: {calls}");
        assert_eq!(bench.board.desks[0].key.breaker.state(), BreakerState::Closed, "{named:?}: it is not broken");
        for n in 0..8 {
            assert_eq!(bench.ask(n).entry.assessment().status, Status::Pending, "{named:?}: nobody is given up");
            assert!(["throttled", "pending"].contains(&bench.outcome(n)), "{named:?}");
        }
    }
}

#[test]
fn what_the_provider_rejects_is_not_tried_again() {
    let mut bench = Bench::new("1000000/min");
    for n in 0..4 {
        bench.ask(n);
    }
    assert_eq!(calls_within(&mut bench, 24, || failed(FailReason::Rejected)), 1);
    assert_eq!(
        bench.board.desks[0].key.breaker.state(),
        BreakerState::Closed,
        "a refused request says nothing of the service"
    );
}

#[test]
fn an_open_circuit_lets_one_probe_pass_and_closes_by_it() {
    let mut bench = Bench::new("1000000/min");
    for n in 0..40 {
        bench.ask(n);
    }
    for _ in 0..5 {
        let call = bench.take().expect("a call");
        bench.finish(&call, vec![failed(FailReason::Connect); 4]);
    }
    let Err(Idle::Until(at)) = bench.take() else { panic!("it is open") };
    bench.clock.advance(at.saturating_sub(bench.clock.monotonic()));
    let probe = bench.take().expect("the probe");
    assert!(bench.take().is_err(), "one at a time");
    bench.finish(&probe, vec![verdict(VerdictKind::Clean); probe.len()]);
    assert!(bench.take().is_ok() && bench.take().is_ok(), "closed again");
}

/// When the calls of two days start that are answered so, in milliseconds from the first on; and where the first midnight is.
fn refused_for_two_days(answer: impl Fn(usize) -> Result<Verdict, LookupError>) -> (Vec<i64>, i64) {
    const DAY_MS: i64 = 86_400_000;
    let mut bench = Bench::new("1000000/min");
    for n in 0..4 {
        bench.ask(n);
    }
    let begun = bench.clock.wall_ms();
    let mut starts = Vec::new();
    while bench.clock.wall_ms() < begun + 2 * DAY_MS {
        match bench.take() {
            Ok(call) => {
                starts.push(bench.clock.wall_ms() - begun);
                bench.clock.advance(MS(100));
                let answer = answer(starts.len());
                bench.finish(&call, vec![answer; call.len()]);
            }
            Err(Idle::Until(at)) => bench.clock.advance(at.saturating_sub(bench.clock.monotonic()).max(MS(1))),
            Err(Idle::UntilWoken) => break,
        }
    }
    (starts, DAY_MS - begun % DAY_MS)
}

#[test]
fn a_quota_that_is_used_up_three_times_in_a_row_is_that_of_the_day() {
    for named in [None, Some(MS(30_000))] {
        let (starts, midnight) =
            refused_for_two_days(|_| Err(LookupError::Throttled { retry_after: named, used_up: true }));
        let days = [midnight, midnight + 86_400_000];
        assert_eq!(starts.len(), 5, "{named:?}: {starts:?}");
        assert!(starts[2] < 200_000, "{named:?}: the first three by the minute: {starts:?}");
        for (start, day) in starts[3..].iter().zip(days) {
            assert!((day..day + 10_000).contains(start), "{named:?}: {start} for {day}");
        }
    }
    // Haste in between, or an answer, and it is not three in a row.
    let hasty =
        |nth: usize| Err(LookupError::Throttled { retry_after: Some(MS(600_000)), used_up: !nth.is_multiple_of(3) });
    assert!(refused_for_two_days(hasty).0.len() > 200);
    let mut bench = Bench::new("1000000/min");
    for (nth, answered) in [false, false, true, false, false].into_iter().enumerate() {
        for n in 0..4 {
            bench.ask(4 * nth + n);
        }
        let call = bench.take().expect("a call");
        bench.clock.advance(MS(100));
        let answer = if answered {
            verdict(VerdictKind::Clean)
        } else {
            Err(LookupError::Throttled { retry_after: None, used_up: true })
        };
        for finished in bench.finish(&call, vec![answer; call.len()]) {
            let Finished::Paused(pause) = finished else { continue };
            assert!(pause < MS(600_000), "{nth}: {pause:?}");
            bench.clock.advance(pause);
        }
    }
}
