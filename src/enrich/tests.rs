//! The board under a manual clock: single flight, budgets, failures, bounds.

use std::sync::Arc;

use super::{calls::Finished, desk::Idle, *};
use crate::{
    budget::{Budget, Urgency},
    cache::Hit,
    model::{
        Answer, Clock as _, Evidence, FailReason, ManualClock, ProviderId, Role, Status, Tlp, Verdict, VerdictKind,
    },
    provider::{BoxFuture, Breaker, LookupError},
};

const SECOND: Duration = Duration::from_secs(1);

struct Silent(ProviderId);

impl Provider for Silent {
    fn id(&self) -> ProviderId {
        self.0
    }
    fn supports(&self, kind: IndicatorKind) -> bool {
        kind.is_ip()
    }
    fn lookup<'a>(&'a self, _indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(std::future::pending())
    }
}

pub(super) struct Bench {
    pub(super) clock: Arc<ManualClock>,
    pub(super) board: Board,
    cache: Cache,
    /// Of the events that ask.
    marking: Tlp,
}

impl Bench {
    pub(super) fn new(quota: &str, max_waiting: usize) -> Self {
        let clock = ManualClock::at(1_795_000_000_000);
        let shared: SharedClock = clock.clone();
        let cache_config = crate::cache::Config::default();
        let cache = Cache::new(&cache_config, Arc::clone(&shared));
        let setup = |name| Setup {
            provider: Arc::new(Silent(ProviderId(name))),
            budget: Budget::new(quota.parse().expect("a quota"), None, 0.0, Arc::clone(&shared)),
            breaker: Breaker::new(Arc::clone(&shared), Box::new(|| 0.0)),
            max_in_flight: 100_000,
            max_tlp: if name == "virustotal" { Tlp::Green } else { Tlp::Amber },
        };
        let parts = Parts {
            config: Config { max_waiting, ..Config::default() },
            providers: vec![setup("virustotal"), setup("abuseipdb")],
            cache_config,
            deadline: 2 * SECOND,
            late_for: 3_600 * SECOND,
            seed: 1,
            ..Parts::none(&cache, &shared, &Metrics::new())
        };
        Self { board: Board::new(parts), clock, cache, marking: Tlp::Clear }
    }

    pub(super) fn now(&self) -> (Duration, i64) {
        (self.clock.monotonic(), self.clock.wall_ms())
    }

    fn ask_as(&mut self, n: u8, role: Role, urgency: Urgency) -> Asked {
        self.ask_about(&address(n), role, urgency)
    }

    pub(super) fn ask_about(&mut self, indicator: &Indicator, role: Role, urgency: Urgency) -> Asked {
        let (now, wall) = self.now();
        let sighting = Sighting { role, urgency, tlp: self.marking, event: EventContext::default() };
        self.board.ask(indicator, None, sighting, Some(3), now, wall)
    }

    fn ask(&mut self, n: u8) -> Asked {
        self.ask_as(n, Role::Destination, Urgency::Ordinary)
    }

    pub(super) fn take(&mut self, provider: usize) -> Result<Indicator, Idle> {
        self.board
            .take(provider, self.clock.monotonic(), self.clock.wall_ms())
            .map(|mut call| call.indicators.remove(0))
    }

    fn finish(&mut self, provider: usize, n: u8, result: Result<Verdict, LookupError>) -> Finished {
        self.finish_about(provider, &address(n), result)
    }

    pub(super) fn finish_about(
        &mut self,
        provider: usize,
        indicator: &Indicator,
        result: Result<Verdict, LookupError>,
    ) -> Finished {
        let (now, wall) = self.now();
        let length = Duration::from_millis(100);
        let call = self.board.call_about(provider, std::slice::from_ref(indicator));
        self.board.finish(provider, &call, vec![result], length, now, wall).remove(0)
    }

    pub(super) fn notices(&mut self) -> Vec<(u64, Notice)> {
        self.board.take_effects().notices
    }
}

pub(super) fn address(n: u8) -> Indicator {
    Indicator::new(IndicatorKind::Ipv4, format!("45.83.12.{n}"))
}

pub(super) fn clean() -> Result<Verdict, LookupError> {
    let evidence = Evidence { share: Some(0.0), ..Evidence::default() };
    Ok(Verdict { kind: VerdictKind::Clean, evidence, answered_at: 0 })
}

pub(super) fn failed(reason: FailReason) -> Result<Verdict, LookupError> {
    Err(LookupError::Failed { reason, detail: String::new() })
}

pub(super) fn answers(entry: &Entry) -> Vec<&'static str> {
    entry.assessment().sources.iter().map(|source| source.answer.outcome()).collect()
}

#[test]
fn calls_that_were_refused_together_are_one_refusal() {
    let mut bench = Bench::new("1000/min", 100);
    for n in 0..8 {
        bench.ask(n);
        assert_eq!(bench.take(0), Ok(address(n)));
    }
    bench.clock.advance(Duration::from_millis(100));
    let paused = |finished| {
        let Finished::Paused(pause) = finished else { panic!("{finished:?}") };
        pause
    };
    for n in 0..8 {
        let pause = paused(bench.finish(0, n, Err(LookupError::throttled())));
        assert!((54..=60).contains(&pause.as_secs()), "{n}: {pause:?}");
        bench.clock.advance(Duration::from_millis(10));
    }
    // The next one after the pause is news.
    bench.clock.advance(61 * SECOND);
    let next = bench.take(0).expect("the pause is over");
    bench.clock.advance(Duration::from_millis(100));
    let n = next.value.rsplit('.').next().and_then(|n| n.parse().ok()).expect("ours");
    let pause = paused(bench.finish(0, n, Err(LookupError::throttled())));
    assert!((108..=120).contains(&pause.as_secs()), "{pause:?}");
}

#[test]
fn one_call_a_provider_however_many_ask_and_the_result_is_cached() {
    let mut bench = Bench::new("1000/min", 100);
    for _ in 0..1_000 {
        let asked = bench.ask(1);
        assert!(asked.open && asked.hopeful);
        assert_eq!(answers(&asked.entry), ["pending", "pending"]);
    }
    for provider in 0..2 {
        assert_eq!(bench.take(provider), Ok(address(1)));
        assert_eq!(bench.take(provider), Err(Idle::UntilWoken));
    }
    bench.finish(0, 1, clean());
    assert!(bench.notices().is_empty(), "half an answer frees nobody");
    assert_eq!(answers(&bench.ask(1).entry), ["clean", "pending"]);
    bench.finish(1, 1, clean());
    let notices = bench.notices();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].0, 1 << 3);
    assert!(notices[0].1.settled);
    assert_eq!(notices[0].1.entry.assessment().status, Status::Complete);
    assert!(matches!(bench.cache.get(address(1).borrowed(), bench.clock.monotonic()), Hit::Fresh(_)));
    let again = bench.ask(1);
    assert!(!again.open, "known now: nothing is asked again");
    assert_eq!(bench.board.counts().waiting, 0);
}

#[test]
fn a_used_up_budget_makes_waiting_hopeless_and_says_so() {
    let mut bench = Bench::new("2/min", 100);
    assert!(bench.ask(1).hopeful);
    assert!(bench.ask(2).hopeful);
    assert!(!bench.ask(3).hopeful, "two are ahead of it and the quota is two");
    for provider in 0..2 {
        assert!(bench.take(provider).is_ok());
        assert!(bench.take(provider).is_ok());
        assert!(matches!(bench.take(provider), Err(Idle::Until(_))));
    }
    let asked = bench.ask(4);
    assert!(!asked.hopeful && asked.open);
    assert_eq!(asked.entry.assessment().status, Status::Pending);
    for source in &asked.entry.assessment().sources {
        let Answer::Throttled { reason, retry_at } = &source.answer else { panic!("{source:?}") };
        assert_eq!(*reason, Reason::Quota);
        assert!(retry_at.is_some_and(|at| at > bench.clock.wall_ms()), "{retry_at:?}");
    }
    bench.clock.advance(62 * SECOND);
    assert_eq!(bench.take(0), Ok(address(3)), "it is asked when the budget returns");
}

#[test]
fn urgent_goes_first_then_worth_then_arrival() {
    let mut bench = Bench::new("1000/min", 100);
    bench.ask_as(1, Role::Freetext, Urgency::Ordinary);
    bench.ask_as(2, Role::Destination, Urgency::Ordinary);
    bench.ask_as(3, Role::Destination, Urgency::Ordinary);
    bench.ask_as(4, Role::Freetext, Urgency::Urgent);
    let order: Vec<Indicator> = (0..4).map(|_| bench.take(0).expect("ample budget")).collect();
    assert_eq!(order, [address(4), address(2), address(3), address(1)]);
}

#[test]
fn what_is_seen_often_or_in_a_better_place_moves_up() {
    let mut bench = Bench::new("1000/min", 100);
    for n in 1..=3 {
        bench.ask_as(n, Role::Freetext, Urgency::Ordinary);
    }
    bench.ask_as(3, Role::Destination, Urgency::Ordinary);
    bench.ask_as(2, Role::Freetext, Urgency::Ordinary);
    let order: Vec<Indicator> = (0..3).map(|_| bench.take(0).expect("ample budget")).collect();
    assert_eq!(order, [address(3), address(2), address(1)]);
    assert_eq!(bench.take(0), Err(Idle::UntilWoken), "moving up is not waiting twice");
}

#[test]
fn more_than_the_budget_lets_through_wait_for_the_quota_and_say_so_at_once() {
    let mut bench = Bench::new("2/min", 100);
    for n in 1..=2 {
        assert_eq!(answers(&bench.ask(n).entry), ["pending", "pending"]);
    }
    let asked = bench.ask(3);
    assert!(!asked.hopeful);
    assert_eq!(answers(&asked.entry), ["throttled", "throttled"]);
    assert!(!bench.ask(3).hopeful, "joining a flight far behind is no better");
}

#[test]
fn a_pause_stops_one_provider_alone_and_the_indicator_keeps_its_place() {
    let mut bench = Bench::new("1000/min", 100);
    bench.ask(1);
    bench.take(0).expect("a call");
    let finished = bench.finish(0, 1, Err(LookupError::Throttled { retry_after: Some(30 * SECOND), used_up: false }));
    assert_eq!(finished, Finished::Paused(30 * SECOND));
    assert!(matches!(bench.take(0), Err(Idle::Until(_))));
    assert_eq!(bench.take(1), Ok(address(1)), "the other goes on");
    bench.finish(1, 1, clean());
    let entry = bench.ask(1).entry;
    assert_eq!(answers(&entry), ["throttled", "clean"]);
    bench.clock.advance(31 * SECOND);
    assert_eq!(bench.take(0), Ok(address(1)));
}

#[test]
fn a_refused_key_switches_the_provider_off_and_tells_everybody() {
    let mut bench = Bench::new("1000/min", 100);
    for n in 1..=3 {
        bench.ask(n);
        bench.take(1).expect("a call");
        bench.finish(1, n, clean());
    }
    bench.notices();
    bench.take(0).expect("a call");
    assert_eq!(bench.finish(0, 1, failed(FailReason::Unauthorized)), Finished::Disabled(FailReason::Unauthorized));
    let notices = bench.notices();
    assert_eq!(notices.len(), 3, "all three are over");
    assert!(notices.iter().all(|(_, notice)| notice.settled));
    let asked = bench.ask(9);
    assert_eq!(answers(&asked.entry), ["skipped", "pending"]);
    assert_eq!(bench.take(0), Err(Idle::UntilWoken), "never asked again");
}

#[test]
fn failures_are_tried_again_paid_and_given_up_in_the_end() {
    let mut bench = Bench::new("1000/min", 100);
    bench.ask(1);
    bench.take(1).expect("a call");
    bench.finish(1, 1, clean());
    let mut calls = 0;
    while bench.board.counts().waiting > 0 && calls < 200 {
        match bench.take(0) {
            Ok(indicator) => {
                assert_eq!(indicator, address(1));
                calls += 1;
                bench.finish(0, 1, failed(FailReason::Timeout));
                let entry = bench.ask(1).entry;
                assert_ne!(answers(&entry)[0], "clean", "a failure is never clean");
            }
            Err(Idle::Until(at)) => bench.clock.advance(at.saturating_sub(bench.clock.monotonic()) + SECOND / 1000),
            Err(Idle::UntilWoken) => break,
        }
    }
    assert!((4..60).contains(&calls), "{calls} calls in an hour");
    let over = bench.notices().into_iter().rfind(|(_, notice)| notice.settled).expect("it is over");
    assert_eq!(answers(&over.1.entry), ["failed", "clean"]);
    assert_eq!(over.1.entry.assessment().status, Status::Partial);
    assert!(!over.1.entry.assessment().can_still_come());
}

#[test]
fn hope_that_is_lost_is_told_once() {
    let mut bench = Bench::new("1000/min", 100);
    assert!(bench.ask(1).hopeful);
    for provider in 0..2 {
        bench.take(provider).expect("a call");
    }
    bench.finish(1, 1, clean());
    assert!(bench.notices().is_empty(), "the other may still answer");
    bench.finish(0, 1, Err(LookupError::Throttled { retry_after: Some(600 * SECOND), used_up: false }));
    let notices = bench.notices();
    assert_eq!(notices.len(), 1);
    assert!(!notices[0].1.settled, "an answer can still come, later");
}

#[test]
fn the_waiting_set_is_bounded_and_the_worst_falls_out() {
    let mut bench = Bench::new("1/month", 3);
    for n in 1..=3 {
        assert!(bench.ask_as(n, Role::Freetext, Urgency::Ordinary).open);
    }
    let outranked = bench.ask_as(4, Role::Freetext, Urgency::Ordinary);
    assert!(!outranked.open, "no better than those that wait");
    assert_eq!(outranked.entry.assessment().status, Status::Skipped);
    assert_eq!(answers(&outranked.entry), ["skipped", "skipped"]);
    assert!(bench.ask_as(5, Role::Destination, Urgency::Ordinary).open, "worth more than the last");
    let notices = bench.notices();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].1.indicator, address(3), "the newest of the least worth falls out");
    assert!(notices[0].1.settled);
    assert_eq!(bench.board.counts().waiting, 3);
    assert_eq!(bench.board.counts().outranked, 2);
}

#[test]
fn an_expired_answer_is_shown_while_it_is_refreshed_and_survives_a_failure() {
    let mut bench = Bench::new("1000/min", 100);
    bench.ask(1);
    for provider in 0..2 {
        bench.take(provider).expect("a call");
        bench.finish(provider, 1, clean());
    }
    bench.clock.advance(25 * 3_600 * SECOND);
    let (now, wall) = bench.now();
    let Hit::Stale(prior) = bench.cache.get(address(1).borrowed(), now) else { panic!("expired, still shown") };
    let sighting = Sighting {
        role: Role::Destination,
        urgency: Urgency::Ordinary,
        tlp: Tlp::Clear,
        event: EventContext::default(),
    };
    let asked = bench.board.ask(&address(1), Some(&prior), sighting, Some(0), now, wall);
    assert_eq!(asked.entry.assessment().status, Status::Complete);
    assert!(asked.entry.assessment().sources.iter().all(|source| source.stale));
    bench.take(0).expect("a refresh");
    assert_eq!(bench.finish(0, 1, failed(FailReason::Rejected)), Finished::Over(FailReason::Rejected), "no other try");
    bench.take(1).expect("a refresh");
    bench.finish(1, 1, clean());
    let Hit::Fresh(entry) = bench.cache.get(address(1).borrowed(), now) else { panic!("kept") };
    assert_eq!(answers(&entry), ["clean", "clean"]);
    assert!(entry.assessment().sources[0].stale && !entry.assessment().sources[1].stale);
}

#[test]
fn what_can_still_come_is_given_up_with_a_reason() {
    let mut bench = Bench::new("1000/min", 100);
    let asked = bench.ask(1);
    let over = bench.board.given_up(&address(1), &asked.entry, Reason::Expired, bench.clock.monotonic());
    assert_eq!(over.assessment().status, Status::Skipped);
    for source in &over.assessment().sources {
        assert_eq!(source.answer, Answer::Skipped { reason: Reason::Expired });
    }
}

#[test]
fn a_marking_keeps_an_indicator_from_those_who_must_not_see_it() {
    let mut bench = Bench::new("1000/min", 100);
    bench.marking = Tlp::Red;
    let asked = bench.ask(1);
    assert!(!asked.open && !asked.hopeful);
    assert_eq!(asked.entry.assessment().status, Status::Skipped);
    for source in &asked.entry.assessment().sources {
        assert_eq!(source.answer, Answer::Skipped { reason: Reason::Tlp });
    }
    for provider in 0..2 {
        assert_eq!(bench.take(provider), Err(Idle::UntilWoken));
    }
    bench.marking = Tlp::Amber;
    let asked = bench.ask(2);
    assert_eq!(answers(&asked.entry), ["skipped", "pending"]);
    bench.take(1).expect("a call");
    assert_eq!(bench.take(0), Err(Idle::UntilWoken));
    bench.finish(1, 2, clean());
    let notices = bench.notices();
    assert_eq!(answers(&notices[0].1.entry), ["skipped", "clean"]);
    assert_eq!(notices[0].1.entry.assessment().status, Status::Partial);
}

#[test]
fn what_one_marking_kept_back_is_asked_under_a_laxer_one_and_shown_to_all() {
    let mut bench = Bench::new("1000/min", 100);
    bench.marking = Tlp::Red;
    bench.ask(1);
    let fresh = |bench: &Bench| match bench.cache.get(address(1).borrowed(), bench.clock.monotonic()) {
        Hit::Fresh(entry) => entry,
        Hit::Stale(_) | Hit::Miss => panic!("not fresh"),
    };
    // Another red event is answered by the cache; a clear one is not.
    assert!(!bench.board.doors().would_open(&fresh(&bench), Tlp::Red, IndicatorKind::Ipv4));
    assert!(bench.board.doors().would_open(&fresh(&bench), Tlp::Clear, IndicatorKind::Ipv4));
    bench.marking = Tlp::Amber;
    assert_eq!(answers(&bench.ask(1).entry), ["skipped", "pending"]);
    bench.take(1).expect("a call");
    // A laxer event joins while the call is under way.
    bench.marking = Tlp::Clear;
    let asked = bench.ask(1);
    assert!(asked.joined && asked.hopeful);
    assert_eq!(answers(&asked.entry), ["pending", "pending"]);
    bench.finish(1, 1, clean());
    bench.take(0).expect("a call");
    bench.finish(0, 1, clean());
    assert_eq!(fresh(&bench).assessment().status, Status::Complete);
    // What is known may be shown whatever the marking, and one call was paid for at each provider.
    bench.marking = Tlp::Red;
    let asked = bench.ask(1);
    assert!(!asked.open);
    assert_eq!(answers(&asked.entry), ["clean", "clean"]);
    assert_eq!(bench.board.status(bench.now().0, 0).iter().map(|status| status.calls).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn an_answer_in_the_cache_is_completed_and_not_paid_for_again() {
    let mut bench = Bench::new("1000/min", 100);
    bench.marking = Tlp::Amber;
    bench.ask(1);
    bench.take(1).expect("a call");
    bench.finish(1, 1, clean());
    bench.marking = Tlp::Green;
    assert_eq!(answers(&bench.ask(1).entry), ["pending", "clean"]);
    assert_eq!(bench.take(1), Err(Idle::UntilWoken), "its answer is still good");
    bench.take(0).expect("a call");
    bench.finish(0, 1, clean());
    assert!(!bench.ask(1).open);
}

#[test]
fn an_expired_answer_under_a_strict_marking_is_refreshed_by_the_next_lax_event() {
    let mut bench = Bench::new("1000/min", 100);
    bench.ask(1);
    for provider in 0..2 {
        bench.take(provider).expect("a call");
        bench.finish(provider, 1, clean());
    }
    bench.clock.advance(25 * 3_600 * SECOND);
    let prior = |bench: &Bench| match bench.cache.get(address(1).borrowed(), bench.clock.monotonic()) {
        Hit::Stale(entry) => entry,
        Hit::Fresh(_) | Hit::Miss => panic!("not stale"),
    };
    for (marking, open) in [(Tlp::Red, false), (Tlp::Clear, true)] {
        let (entry, (now, wall)) = (prior(&bench), bench.now());
        let sighting = Sighting {
            role: Role::Destination,
            urgency: Urgency::Ordinary,
            tlp: marking,
            event: EventContext::default(),
        };
        let asked = bench.board.ask(&address(1), Some(&entry), sighting, None, now, wall);
        assert_eq!(asked.open, open, "{marking:?}");
        assert_eq!(answers(&asked.entry), ["clean", "clean"], "expired but good, whatever the marking");
    }
}

#[test]
fn a_new_key_opens_a_provider_again_and_an_old_refusal_does_not_close_it() {
    let mut bench = Bench::new("1000/min", 100);
    for n in 1..=2 {
        bench.ask(n);
        bench.take(0).expect("a call");
    }
    bench.clock.advance(SECOND);
    bench.finish(0, 1, failed(FailReason::Unauthorized));
    assert_eq!(answers(&bench.ask(3).entry), ["skipped", "pending"]);
    bench.clock.advance(SECOND);
    let now = bench.clock.monotonic();
    let client: Arc<dyn Provider> = Arc::new(Silent(ProviderId("virustotal")));
    assert!(bench.board.renew(0, &client, now));
    // The second call was made with the old key; it is made again with the new one.
    bench.clock.advance(Duration::from_millis(50));
    assert_eq!(bench.finish(0, 2, failed(FailReason::Unauthorized)), Finished::Failed(FailReason::Unauthorized));
    assert_eq!(bench.take(0), Ok(address(2)));
    // What was given up while it was closed is asked for when it is seen again.
    assert_eq!(answers(&bench.ask(3).entry), ["pending", "pending"]);
    assert_eq!(bench.take(0), Ok(address(3)));
    bench.clock.advance(SECOND);
    assert_eq!(bench.finish(0, 3, failed(FailReason::Unauthorized)), Finished::Disabled(FailReason::Unauthorized));
}

#[test]
fn an_outlook_says_what_would_be_asked_and_asks_nothing() {
    let mut bench = Bench::new("1/min", 100);
    let sighting =
        |tlp| Sighting { role: Role::Destination, urgency: Urgency::Ordinary, tlp, event: EventContext::default() };
    let asked = |outlook: &Outlook| -> Vec<(bool, Option<&str>)> {
        outlook.prospects.iter().map(|prospect| (prospect.is_asked, prospect.answer.reason())).collect()
    };
    let (now, wall) = bench.now();
    let outlook = bench.board.outlook(&address(1), None, sighting(Tlp::Clear), now, wall);
    assert_eq!(asked(&outlook), [(true, Some("queued")), (true, Some("queued"))]);
    assert!(outlook.worth > 0 && !outlook.is_waiting);
    let kept = bench.board.outlook(&address(1), None, sighting(Tlp::Amber), now, wall);
    assert_eq!(asked(&kept), [(false, Some("tlp")), (true, Some("queued"))], "its marking is not for the first");
    let hash = Indicator::new(IndicatorKind::Md5, "9e107d9d372bb6826bd81d3542a419d6");
    assert!(bench.board.outlook(&hash, None, sighting(Tlp::Clear), now, wall).prospects.is_empty());
    assert!(bench.take(0).is_err(), "nothing was asked");

    bench.ask(1);
    let waiting = bench.board.outlook(&address(1), None, sighting(Tlp::Clear), now, wall);
    assert!(waiting.is_waiting && waiting.worth >= outlook.worth);
    bench.take(0).expect("a call");
    let spent = bench.board.outlook(&address(2), None, sighting(Tlp::Clear), now, wall);
    assert_eq!(asked(&spent)[0], (true, Some("quota")), "later");
}
