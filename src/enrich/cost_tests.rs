//! Calls of several prices: what is used up for dear ones does not keep cheaper ones waiting, whether the account is this process's own or the fleet's.

use std::sync::Arc;

use super::{board::Board, keys::Call, *};
use crate::{
    budget::{Budget, Pace, Urgency, purse::Reading},
    model::{Answer, Clock as _, Evidence, ManualClock, ProviderId, Role, Verdict, VerdictKind},
    provider::{BoxFuture, Breaker, Costs, LookupError},
};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A domain costs three units, an address nothing.
struct Credits;

impl Provider for Credits {
    fn id(&self) -> ProviderId {
        ProviderId("shodan")
    }
    fn supports(&self, kind: IndicatorKind) -> bool {
        kind.is_ip() || kind == IndicatorKind::Domain
    }
    fn costs(&self) -> Costs {
        Costs::new(&[(IndicatorKind::Ipv4, 0), (IndicatorKind::Domain, 3)])
    }
    fn lookup<'a>(&'a self, _indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(std::future::pending())
    }
}

struct Bench {
    clock: Arc<ManualClock>,
    board: Board,
    /// Records of the ledger that were read.
    read: i64,
}

fn domain(n: u32) -> Indicator {
    Indicator::new(IndicatorKind::Domain, format!("name-{n}.example"))
}

fn address(n: u32) -> Indicator {
    Indicator::new(IndicatorKind::Ipv4, format!("45.83.12.{n}"))
}

impl Bench {
    fn new(quota: &str, pace: Pace, in_fleet: bool) -> Self {
        let clock = ManualClock::at(1_795_428_000_000);
        let shared: SharedClock = clock.clone();
        let fleet = in_fleet.then(|| Fleet::new(Arc::clone(&shared)));
        let cache_config = crate::cache::Config::default();
        let cache = Cache::new(&cache_config, Arc::clone(&shared));
        let quota = quota.parse().expect("a quota");
        let budget = match &fleet {
            Some(fleet) => Budget::in_ledger(fleet.clone(), "shodan", quota, Some(pace), 0.0),
            None => Budget::new(quota, Some(pace), 0.0, Arc::clone(&shared)),
        };
        let breaker = Breaker::new(Arc::clone(&shared), Box::new(|| 0.0));
        let max_tlp = crate::model::Tlp::Green;
        let parts = Parts {
            providers: vec![Setup { provider: Arc::new(Credits), budget, breaker, max_in_flight: 8, max_tlp }],
            cache_config,
            deadline: MS(2_000),
            late_for: MS(3_600_000),
            seed: 1,
            fleet,
            ..Parts::none(&cache, &shared, &Metrics::new())
        };
        let mut bench = Self { clock, board: Board::new(parts), read: 0 };
        if in_fleet {
            bench.board.caught_up(bench.now());
            bench.exchange();
        }
        bench
    }

    fn now(&self) -> Reading {
        Reading { monotonic: self.clock.monotonic(), wall_ms: self.clock.wall_ms() }
    }

    /// What was written to the ledger comes back.
    fn exchange(&mut self) {
        for _ in 0..10 {
            for bytes in self.board.take_effects().records {
                let now = self.now();
                self.board.heard(self.read, now.wall_ms, &bytes, now).expect("a record of ours");
                self.read += 1;
            }
        }
    }

    fn ask(&mut self, indicator: &Indicator, role: Role) -> Answer {
        let now = self.now();
        let event = EventContext::default();
        let sighting = Sighting { role, urgency: Urgency::Ordinary, tlp: crate::model::Tlp::Clear, event };
        let asked = self.board.ask(indicator, None, sighting, Some(0), now.monotonic, now.wall_ms);
        asked.entry.assessment().sources[0].answer.clone()
    }

    /// Whether an answer about it is waited for.
    fn hopes_for(&mut self, indicator: &Indicator) -> bool {
        let now = self.now();
        let (urgency, event) = (Urgency::Ordinary, EventContext::default());
        let sighting = Sighting { role: Role::Query, urgency, tlp: crate::model::Tlp::Clear, event };
        self.board.ask(indicator, None, sighting, Some(0), now.monotonic, now.wall_ms).hopeful
    }

    fn take(&mut self) -> Option<Call> {
        let now = self.now();
        if self.board.peek(0, now.monotonic, now.wall_ms).is_err() {
            self.exchange();
        }
        self.board.take(0, now.monotonic, now.wall_ms).ok()
    }

    /// What is called within that many seconds, each answered after a moment.
    fn called(&mut self, seconds: u32) -> Vec<Indicator> {
        let mut called = Vec::new();
        for _ in 0..seconds * 5 {
            self.clock.advance(MS(200));
            while let Some(call) = self.take() {
                called.extend(call.indicators.iter().cloned());
                let verdict = Verdict {
                    kind: VerdictKind::Clean,
                    evidence: Evidence::default(),
                    answered_at: self.now().wall_ms,
                };
                let (now, results) = (self.now(), vec![Ok(verdict); call.indicators.len()]);
                self.board.finish(0, &call, results, MS(10), now.monotonic, now.wall_ms);
            }
            self.exchange();
        }
        called
    }

    fn used(&self) -> Vec<u64> {
        let now = self.now();
        self.board.status(now.monotonic, now.wall_ms)[0].windows.iter().map(|window| window.used).collect()
    }
}

#[test]
fn what_has_no_credits_left_does_not_keep_what_is_free() {
    for in_fleet in [false, true] {
        let mut bench = Bench::new("10/s, 8/month", Pace::Asap, in_fleet);
        for n in 0..5 {
            // The best of all: they are first in the line.
            bench.ask(&domain(n), Role::Query);
        }
        for n in 0..20 {
            bench.ask(&address(n), Role::Freetext);
        }
        let called = bench.called(30);
        let domains = called.iter().filter(|indicator| indicator.kind == IndicatorKind::Domain).count();
        assert_eq!((domains, called.len() - domains), (2, 20), "in a fleet: {in_fleet}; {called:?}");
        assert_eq!(bench.used().last(), Some(&6), "the calls about addresses cost nothing");
        let Answer::Throttled { retry_at: Some(at), .. } = bench.ask(&domain(9), Role::Query) else {
            panic!("{:?}", bench.ask(&domain(9), Role::Query));
        };
        assert!(at > bench.now().wall_ms + 86_400_000, "it waits for the month");
        assert!(matches!(bench.ask(&address(90), Role::Query), Answer::Pending { .. }), "in a fleet: {in_fleet}");
        let status = &bench.board.status(bench.now().monotonic, bench.now().wall_ms)[0];
        assert_eq!((status.calls, status.units), (22, 6));
    }
}

#[test]
fn units_that_are_kept_for_better_ones_do_not_keep_what_is_free() {
    for in_fleet in [false, true] {
        let mut bench = Bench::new("100/min, 90/month", Pace::Even, in_fleet);
        // Far more of them than thirty calls of a month can be for.
        for n in 0..200 {
            bench.ask(&domain(n), Role::Query);
            bench.ask(&address(n), Role::Freetext);
        }
        let called = bench.called(300);
        let domains = called.iter().filter(|indicator| indicator.kind == IndicatorKind::Domain).count();
        assert!(domains < 10, "in a fleet: {in_fleet}; {domains}");
        assert_eq!(called.len() - domains, 200, "in a fleet: {in_fleet}");
    }
}

#[test]
fn short_windows_count_calls_of_every_price() {
    for in_fleet in [false, true] {
        let mut bench = Bench::new("4/min, 1000/month", Pace::Asap, in_fleet);
        for n in 0..20 {
            bench.ask(&domain(n), Role::Query);
            bench.ask(&address(n), Role::Query);
        }
        assert_eq!(bench.called(50).len(), 4, "in a fleet: {in_fleet}");
    }
}

#[test]
fn what_a_service_says_is_left_of_its_credits_counts_for_dear_calls_only() {
    for in_fleet in [false, true] {
        let mut bench = Bench::new("10/s, 90/month", Pace::Asap, in_fleet);
        for n in 0..10 {
            bench.ask(&domain(n), Role::Query);
            bench.ask(&address(n), Role::Freetext);
        }
        let said = crate::provider::Feedback {
            span: Some(crate::budget::Span::Month),
            remaining: 7,
            limit: Some(90),
            resets_in: None,
        };
        let now = bench.now();
        bench.board.hear(0, &[said], MS(10), now);
        bench.exchange();
        let called = bench.called(30);
        let domains = called.iter().filter(|indicator| indicator.kind == IndicatorKind::Domain).count();
        assert_eq!((domains, called.len() - domains), (2, 10), "in a fleet: {in_fleet}; {called:?}");
    }
}

#[test]
fn a_ceiling_for_dear_calls_does_not_keep_what_is_free() {
    let mut bench = Bench::new("10/s, 90/month", Pace::Asap, true);
    for n in 0..10 {
        bench.ask(&domain(n), Role::Query);
        bench.ask(&address(n), Role::Freetext);
    }
    // The ledger has not heard of it, and never will.
    let now = bench.now();
    let key = &mut bench.board.desks[0].key;
    let month = key.budget.snapshot().remove(1);
    key.lower_ceiling(&month, 2, 0, now);
    let called = bench.called(30);
    assert!(called.iter().all(|indicator| indicator.kind.is_ip()), "{called:?}");
    assert_eq!(called.len(), 10);
}

#[test]
fn dear_calls_go_on_with_their_pace_when_nothing_free_waits_any_more() {
    for in_fleet in [false, true] {
        let mut bench = Bench::new("1/s, 100/day", Pace::Even, in_fleet);
        for n in 0..20 {
            bench.ask(&domain(n), Role::Query);
        }
        bench.ask(&address(1), Role::Freetext);
        let called = bench.called(60);
        let dear = called.iter().filter(|indicator| indicator.kind == IndicatorKind::Domain).count();
        assert!((1..10).contains(&dear) && dear + 1 == called.len(), "in a fleet: {in_fleet}; {called:?}");
        bench.clock.advance(Duration::from_secs(4 * 3_600));
        let called = bench.called(60);
        assert!(!called.is_empty(), "in a fleet: {in_fleet}");
    }
}

#[test]
fn dear_ones_that_wait_for_their_credits_leave_hope_to_what_is_free() {
    for in_fleet in [false, true] {
        let mut bench = Bench::new("1/s, 8/month", Pace::Asap, in_fleet);
        for n in 0..50 {
            bench.ask(&domain(n), Role::Query);
        }
        assert_eq!(bench.called(30).len(), 2);
        assert!(bench.hopes_for(&address(1)), "in a fleet: {in_fleet}");
        assert!(!bench.hopes_for(&domain(90)), "in a fleet: {in_fleet}");
        for n in 2..20 {
            bench.ask(&address(n), Role::Query);
        }
        assert!(!bench.hopes_for(&address(20)), "in a fleet: {in_fleet}; nineteen are ahead of it");
    }
}

/// Asks about domains and addresses; the first domain is refused for want of credits.
fn without_credits(quota: &str, in_fleet: bool) -> Bench {
    let mut bench = Bench::new(quota, Pace::Asap, in_fleet);
    for n in 0..3 {
        bench.ask(&domain(n), Role::Query);
    }
    for n in 0..10 {
        bench.ask(&address(n), Role::Freetext);
    }
    let call = bench.take().expect("a call about a domain");
    assert_eq!(call.indicators[0].kind, IndicatorKind::Domain);
    bench.clock.advance(MS(100));
    let now = bench.now();
    let refused = vec![Err(LookupError::used_up())];
    let finished = bench.board.finish(0, &call, refused, MS(100), now.monotonic, now.wall_ms).remove(0);
    assert!(matches!(finished, super::calls::Finished::OutOfCredits(pause) if pause > MS(50_000)), "{finished:?}");
    bench.exchange();
    bench
}

#[test]
fn credits_that_the_service_says_are_used_up_hold_back_the_price_alone() {
    for in_fleet in [false, true] {
        let mut bench = without_credits("10/s", in_fleet);
        let called = bench.called(20);
        assert!(called.iter().all(|indicator| indicator.kind.is_ip()), "in a fleet: {in_fleet}; {called:?}");
        assert_eq!(called.len(), 10, "in a fleet: {in_fleet}");
        assert!(bench.hopes_for(&address(90)), "in a fleet: {in_fleet}");
        assert!(!bench.hopes_for(&domain(90)), "in a fleet: {in_fleet}");
        assert!(matches!(bench.ask(&domain(90), Role::Query), Answer::Throttled { retry_at: Some(_), .. }));
        // It is tried again after a minute, and what is answered ends it.
        let called = bench.called(60);
        let domains = called.iter().filter(|indicator| indicator.kind == IndicatorKind::Domain).count();
        assert_eq!((domains, called.len()), (4, 5), "in a fleet: {in_fleet}; {called:?}");
        assert_eq!(bench.board.desks[0].key.held_price, None);
    }
}

#[test]
fn credits_that_the_service_says_are_used_up_are_so_until_their_window_ends() {
    for in_fleet in [false, true] {
        let mut bench = without_credits("10/s, 90/month", in_fleet);
        let called = bench.called(600);
        assert!(called.iter().all(|indicator| indicator.kind.is_ip()), "in a fleet: {in_fleet}; {called:?}");
        assert_eq!(called.len(), 10, "in a fleet: {in_fleet}");
        let used = bench.used();
        // A lease that was granted meanwhile has been given back since.
        assert!(used[1] >= if in_fleet { 87 } else { 88 }, "in a fleet: {in_fleet}; {used:?}");
        let Answer::Throttled { retry_at: Some(at), .. } = bench.ask(&domain(90), Role::Query) else {
            panic!("in a fleet: {in_fleet}; {:?}", bench.ask(&domain(90), Role::Query));
        };
        assert!(at > bench.now().wall_ms + 86_400_000, "in a fleet: {in_fleet}");
    }
}

#[test]
fn dear_calls_that_are_refused_together_are_one_refusal_and_the_pause_doubles() {
    let mut bench = Bench::new("10/s", Pace::Asap, false);
    for n in 0..8 {
        bench.ask(&domain(n), Role::Query);
    }
    let mut pauses = Vec::new();
    for _ in 0..2 {
        let calls: Vec<Call> = (0..3).map(|_| bench.take().expect("a call")).collect();
        for call in calls {
            bench.clock.advance(MS(10));
            let now = bench.now();
            let refused = vec![Err(LookupError::used_up())];
            let length = MS(30);
            let finished = bench.board.finish(0, &call, refused, length, now.monotonic, now.wall_ms).remove(0);
            let super::calls::Finished::OutOfCredits(pause) = finished else { panic!("{finished:?}") };
            pauses.push(pause.as_secs());
        }
        bench.clock.advance(MS(61_000));
    }
    assert!(pauses[..3].iter().all(|seconds| (53..=60).contains(seconds)), "{pauses:?}");
    assert!(pauses[3..].iter().all(|seconds| (107..=120).contains(seconds)), "{pauses:?}");
}
