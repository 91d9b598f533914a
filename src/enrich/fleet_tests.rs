//! Boards of several replicas on one ledger, under a manual clock.

use std::{sync::Arc, time::Duration};

use super::{board::Board, desk::Idle, *};
use crate::{
    budget::{Budget, Urgency, purse::Reading},
    model::{Answer, Clock as _, Evidence, FailReason, ManualClock, ProviderId, Reason, Role, Verdict, VerdictKind},
    provider::{BoxFuture, Breaker, LookupError},
};

const MS: fn(u64) -> Duration = Duration::from_millis;

struct Silent(usize);

impl Provider for Silent {
    fn id(&self) -> ProviderId {
        ProviderId("virustotal")
    }
    fn supports(&self, kind: IndicatorKind) -> bool {
        kind.is_ip()
    }
    fn lookup<'a>(&'a self, _indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(std::future::pending())
    }
    fn batch_size(&self) -> usize {
        self.0
    }
}

/// Replicas, and the log between them.
struct Replicas {
    clock: Arc<ManualClock>,
    boards: Vec<(Board, usize)>,
    log: Vec<(i64, Vec<u8>)>,
    /// Records do not reach the log.
    cut: bool,
    quota: &'static str,
    reserve: f64,
    batch: usize,
}

impl Replicas {
    fn new(quota: &'static str, count: u64) -> Self {
        Self::batched(quota, count, 1)
    }

    /// Of a provider that is asked about this many at once.
    fn batched(quota: &'static str, count: u64, batch: usize) -> Self {
        let clock = ManualClock::at(1_795_428_000_000);
        let mut replicas = Self { clock, boards: Vec::new(), log: Vec::new(), cut: false, quota, reserve: 0.0, batch };
        for n in 0..count {
            replicas.start(n + 1);
        }
        replicas
    }

    /// One replica that keeps a share of its quota for what is urgent.
    fn reserving(quota: &'static str, reserve: f64) -> Self {
        let mut replicas = Self { reserve, ..Self::new(quota, 0) };
        replicas.start(1);
        replicas
    }

    fn start(&mut self, seed: u64) {
        let shared: SharedClock = self.clock.clone();
        let fleet = Fleet::new(Arc::clone(&shared));
        let cache_config = crate::cache::Config::default();
        let cache = Cache::new(&cache_config, Arc::clone(&shared));
        let setup = Setup {
            provider: Arc::new(Silent(self.batch)),
            budget: Budget::in_ledger(
                fleet.clone(),
                "virustotal",
                self.quota.parse().expect("a quota"),
                None,
                self.reserve,
            ),
            breaker: Breaker::new(Arc::clone(&shared), Box::new(|| 0.0)),
            max_in_flight: 8,
            max_tlp: crate::model::Tlp::Green,
        };
        let parts = Parts {
            providers: vec![setup],
            cache_config,
            deadline: MS(2_000),
            late_for: MS(3_600_000),
            seed,
            fleet: Some(fleet),
            ..Parts::none(&cache, &shared, &Metrics::new())
        };
        self.boards.push((Board::new(parts), 0));
        self.read();
        let now = self.now();
        let new = self.boards.last_mut().expect("one");
        new.0.caught_up(now);
        self.exchange();
    }

    fn now(&self) -> Reading {
        Reading { monotonic: self.clock.monotonic(), wall_ms: self.clock.wall_ms() }
    }

    fn read(&mut self) {
        let now = self.now();
        for (board, next) in &mut self.boards {
            while let Some((at, bytes)) = self.log.get(*next) {
                board.heard(i64::try_from(*next).expect("small"), *at, bytes, now).expect("a record of ours");
                *next += 1;
            }
        }
    }

    /// What was written reaches everybody.
    fn exchange(&mut self) {
        for _ in 0..10 {
            for (board, _) in &mut self.boards {
                for bytes in board.take_effects().records {
                    if !self.cut {
                        self.log.push((self.clock.wall_ms(), bytes));
                    }
                }
            }
            self.read();
        }
    }

    fn ask(&mut self, replica: usize, n: u8) -> Asked {
        self.ask_as(replica, n, Urgency::Ordinary)
    }

    fn ask_as(&mut self, replica: usize, n: u8, urgency: Urgency) -> Asked {
        let now = self.now();
        let sighting = Sighting {
            role: Role::Destination,
            urgency,
            tlp: crate::model::Tlp::Clear,
            event: EventContext::default(),
        };
        self.boards[replica].0.ask(&address(n), None, sighting, Some(3), now.monotonic, now.wall_ms)
    }

    /// One turn of a dispatcher: asks the ledger, and starts a call where it may.
    fn take(&mut self, replica: usize) -> Result<Indicator, Idle> {
        let now = self.now();
        let board = &mut self.boards[replica].0;
        if board.peek(0, now.monotonic, now.wall_ms).is_err() {
            self.exchange();
        }
        self.boards[replica].0.take(0, now.monotonic, now.wall_ms).map(|mut call| call.indicators.remove(0))
    }

    /// The same for calls about several.
    fn take_call(&mut self, replica: usize) -> Result<Vec<Indicator>, Idle> {
        let now = self.now();
        if self.boards[replica].0.peek(0, now.monotonic, now.wall_ms).is_err() {
            self.exchange();
        }
        self.boards[replica].0.take(0, now.monotonic, now.wall_ms).map(|call| call.indicators)
    }

    fn finish(&mut self, replica: usize, n: u8, result: Result<Verdict, LookupError>) {
        let now = self.now();
        let board = &mut self.boards[replica].0;
        let call = board.call_about(0, &[address(n)]);
        board.finish(0, &call, vec![result], MS(50), now.monotonic, now.wall_ms);
        self.exchange();
    }

    fn says(&mut self, replica: usize, n: u8) -> Answer {
        self.ask(replica, n).entry.assessment().sources[0].answer.clone()
    }
}

fn address(n: u8) -> Indicator {
    Indicator::new(IndicatorKind::Ipv4, format!("45.83.12.{n}"))
}

fn clean() -> Result<Verdict, LookupError> {
    Ok(Verdict { kind: VerdictKind::Clean, evidence: Evidence::default(), answered_at: 0 })
}

#[test]
fn what_one_replica_asks_the_others_wait_for() {
    let mut fleet = Replicas::new("100/min", 3);
    for replica in 0..3 {
        assert!(fleet.ask(replica, 1).hopeful);
    }
    assert_eq!(fleet.take(0), Ok(address(1)));
    assert!(fleet.take(1).is_err() && fleet.take(2).is_err());
    fleet.clock.advance(MS(300));
    fleet.finish(0, 1, clean());
    for _ in 0..80 {
        fleet.clock.advance(MS(100));
        assert!(fleet.take(1).is_err() && fleet.take(2).is_err(), "its assessment is on its way");
    }
    // It has not come for a while: it may be asked again, once.
    for _ in 0..40 {
        fleet.clock.advance(MS(100));
        if fleet.take(1).is_ok() {
            assert!(fleet.take(2).is_err());
            return;
        }
    }
    panic!("nobody asks");
}

#[test]
fn a_failed_call_leaves_the_indicator_to_whoever_asks_next() {
    let mut fleet = Replicas::new("100/min", 2);
    fleet.ask(0, 1);
    fleet.ask(1, 1);
    assert_eq!(fleet.take(0), Ok(address(1)));
    assert!(fleet.take(1).is_err());
    fleet.finish(0, 1, Err(LookupError::Failed { reason: FailReason::Rejected, detail: String::new() }));
    fleet.clock.advance(MS(11_000));
    let _housekeeping = fleet.take(0);
    fleet.exchange();
    assert_eq!(fleet.take(1), Ok(address(1)));
}

#[test]
fn the_quota_is_one_for_all_and_a_replica_that_dies_takes_nothing_back() {
    let mut fleet = Replicas::new("4/min", 2);
    for n in 0..10 {
        fleet.ask(0, n);
        fleet.ask(1, n + 100);
    }
    let mut started = Vec::new();
    for step in 0..6_000u32 {
        fleet.clock.advance(MS(100));
        for replica in 0..2 {
            if let Ok(indicator) = fleet.take(replica) {
                started.push(fleet.clock.monotonic());
                let n = indicator.value.rsplit('.').next().and_then(|n| n.parse().ok()).expect("ours");
                fleet.clock.advance(MS(20));
                if step < 300 {
                    continue;
                }
                fleet.finish(replica, n, clean());
            }
        }
        if step == 299 {
            // One dies with calls under way, another starts and knows only the log.
            fleet.boards.remove(0);
            fleet.start(9);
            for n in 10..60 {
                fleet.ask(1, n);
            }
        }
    }
    for (index, at) in started.iter().enumerate() {
        let within = started[..index].iter().filter(|before| **before + MS(60_000) > *at).count();
        assert!(within < 4, "{within} calls in the minute before {at:?}");
    }
    assert!(started.len() > 25, "{} calls in ten minutes", started.len());
}

#[test]
fn a_pause_is_told_to_the_others() {
    let mut fleet = Replicas::new("100/min", 2);
    fleet.ask(0, 1);
    fleet.ask(1, 2);
    assert_eq!(fleet.take(0), Ok(address(1)));
    fleet.finish(0, 1, Err(LookupError::Throttled { retry_after: Some(MS(30_000)), used_up: false }));
    assert!(fleet.take(1).is_err());
    let Answer::Throttled { reason: Reason::Paused, retry_at: Some(at) } = fleet.says(1, 3) else {
        panic!("{:?}", fleet.says(1, 3))
    };
    assert!((at - fleet.clock.wall_ms() - 30_000).abs() < 100);
    // Who starts during the pause knows of it.
    fleet.start(7);
    fleet.ask(2, 9);
    assert!(fleet.take(2).is_err());
    fleet.clock.advance(MS(30_001));
    assert!(fleet.take(1).is_ok());
}

#[test]
fn without_the_ledger_nothing_is_called_and_what_waits_says_so() {
    let mut fleet = Replicas::new("100/min", 1);
    fleet.ask(0, 1);
    assert_eq!(fleet.take(0), Ok(address(1)));
    fleet.cut = true;
    assert!(fleet.ask(0, 2).hopeful, "nobody knows yet");
    assert!(fleet.take(0).is_err());
    fleet.clock.advance(MS(1_500));
    assert!(matches!(fleet.says(0, 3), Answer::Throttled { reason: Reason::Quota, .. }));
    assert!(!fleet.ask(0, 4).hopeful);
    for _ in 0..100 {
        fleet.clock.advance(MS(200));
        assert!(fleet.take(0).is_err());
    }
    fleet.cut = false;
    for _ in 0..100 {
        fleet.clock.advance(MS(200));
        if fleet.take(0).is_ok() {
            return;
        }
    }
    panic!("it does not come back");
}

#[test]
fn a_lease_that_was_not_used_in_time_is_given_back() {
    let mut fleet = Replicas::new("4/min", 2);
    for n in 0..4 {
        fleet.ask(0, n);
    }
    let now = fleet.now();
    assert!(fleet.boards[0].0.peek(0, now.monotonic, now.wall_ms).is_err());
    fleet.exchange();
    // It sleeps through the life of its lease.
    fleet.clock.advance(MS(5_100));
    assert!(fleet.take(0).is_err(), "too old to be used");
    fleet.exchange();
    fleet.ask(1, 50);
    assert_eq!(fleet.take(1), Ok(address(50)), "and nobody had to wait for its end");
}

#[test]
fn a_log_with_a_gap_is_no_longer_trusted() {
    for skip in [true, false] {
        let mut fleet = Replicas::new("4/min", 1);
        fleet.ask(0, 1);
        assert_eq!(fleet.take(0), Ok(address(1)));
        let now = fleet.now();
        let (board, next) = &mut fleet.boards[0];
        let (at, bytes) = fleet.log.last().expect("something").clone();
        let offset = if skip { *next + 3 } else { 0 };
        board.heard(i64::try_from(offset).expect("small"), at, &bytes, now).expect("a record of ours");
        assert_eq!(board.member.as_ref().map(fleet::Member::state), Some(FleetState::Lost), "skip: {skip}");
    }
}

#[test]
fn who_leaves_gives_back_what_it_holds() {
    let mut fleet = Replicas::new("1/min", 2);
    fleet.ask(0, 1);
    let now = fleet.now();
    assert!(fleet.boards[0].0.peek(0, now.monotonic, now.wall_ms).is_err());
    fleet.exchange();
    fleet.ask(1, 2);
    assert!(fleet.take(1).is_err());
    fleet.boards[0].0.leave(now);
    fleet.exchange();
    fleet.clock.advance(MS(100));
    assert_eq!(fleet.take(1), Ok(address(2)));
}

#[test]
fn a_call_about_several_is_one_unit_of_the_fleet() {
    let mut replicas = Replicas::batched("2/min", 2, 4);
    for n in 0..12 {
        replicas.ask(0, n);
    }
    let mut calls = Vec::new();
    for _ in 0..20 {
        if let Ok(call) = replicas.take_call(0) {
            calls.push(call);
        }
        replicas.clock.advance(MS(10));
    }
    assert_eq!(
        calls,
        [(0..4).map(address).collect::<Vec<_>>(), (4..8).map(address).collect()],
        "two units, eight indicators"
    );
    // What is being asked is not asked by somebody else.
    for n in 0..4 {
        replicas.ask(1, n);
    }
    replicas.clock.advance(MS(60));
    assert!(replicas.take_call(1).is_err());
    let now = replicas.now();
    for call in &calls {
        let results = vec![clean(); call.len()];
        let call = replicas.boards[0].0.call_about(0, call);
        let finished = replicas.boards[0].0.finish(0, &call, results, MS(50), now.monotonic, now.wall_ms);
        assert_eq!(finished.len(), 4);
    }
    for n in 0..8 {
        assert_eq!(replicas.says(0, n).outcome(), "clean", "{n}");
    }
    assert_eq!(replicas.says(0, 8).outcome(), "throttled");
}

#[test]
fn a_call_of_the_fleet_is_gathered_for_a_moment() {
    let mut replicas = Replicas::batched("100/min", 1, 4);
    replicas.ask(0, 0);
    assert!(replicas.take_call(0).is_err());
    replicas.clock.advance(MS(30));
    replicas.ask(0, 1);
    assert!(replicas.take_call(0).is_err());
    replicas.clock.advance(MS(25));
    assert_eq!(replicas.take_call(0), Ok(vec![address(0), address(1)]));
}

#[test]
fn a_backlog_behind_a_call_that_has_not_begun_is_one_call() {
    let mut replicas = Replicas::batched("100/min", 1, 4);
    replicas.ask(0, 0);
    // A dispatcher without a free slot looks, and takes nothing.
    let look = |replicas: &mut Replicas| {
        let now = replicas.now();
        let is_ready = replicas.boards[0].0.peek(0, now.monotonic, now.wall_ms).is_ok();
        replicas.exchange();
        is_ready
    };
    assert!(!look(&mut replicas));
    replicas.clock.advance(MS(55));
    assert!(!look(&mut replicas));
    for n in 1..5 {
        assert!(look(&mut replicas), "the first may begin");
        replicas.ask(0, n);
        replicas.clock.advance(MS(60));
    }
    let calls: Vec<_> = std::iter::from_fn(|| replicas.take_call(0).ok()).collect();
    assert_eq!(calls, [vec![address(0)], (1..5).map(address).collect()]);
}

#[test]
fn who_waits_for_a_late_answer_of_the_ledger_says_what_the_ledger_has() {
    let mut fleet = Replicas::new("2/min", 2);
    fleet.ask(0, 1);
    assert_eq!(fleet.take(0), Ok(address(1)));
    let late = |fleet: &mut Replicas, n: u8| {
        fleet.ask(1, n);
        let now = fleet.now();
        assert!(fleet.boards[1].0.peek(0, now.monotonic, now.wall_ms).is_err(), "the answer is on its way");
        fleet.says(1, n)
    };
    assert_eq!(late(&mut fleet, 2), Answer::Pending { reason: Reason::Queued }, "one call is left");
    fleet.clock.advance(MS(1_100));
    let out_of_reach = fleet.says(1, 2);
    assert!(matches!(out_of_reach, Answer::Throttled { reason: Reason::Quota, retry_at: None }), "{out_of_reach:?}");
    fleet.exchange();
    assert_eq!(fleet.says(1, 2), Answer::Pending { reason: Reason::Queued }, "the call may start");
    assert_eq!(fleet.take(1), Ok(address(2)));
    let used_up = late(&mut fleet, 3);
    assert!(matches!(used_up, Answer::Throttled { reason: Reason::Quota, retry_at: Some(_) }), "{used_up:?}");
    assert!(!fleet.ask(1, 3).hopeful);
}

/// Turns of the dispatcher of one replica for so long, calls taking 50 ms: what was asked about, and when.
fn asked_within(fleet: &mut Replicas, length: Duration) -> Vec<(Duration, u8)> {
    let end = fleet.clock.monotonic() + length;
    let (mut under_way, mut started): (Vec<(Duration, u8)>, Vec<_>) = (Vec::new(), Vec::new());
    while fleet.clock.monotonic() < end {
        let now = fleet.clock.monotonic();
        while let Ok(indicator) = fleet.take(0) {
            let n = indicator.value.rsplit('.').next().and_then(|n| n.parse().ok()).expect("ours");
            started.push((now, n));
            under_way.push((now + MS(50), n));
        }
        let (over, rest) = under_way.into_iter().partition(|(end, _)| *end <= now);
        under_way = rest;
        for (_, n) in over {
            fleet.finish(0, n, clean());
        }
        fleet.exchange();
        fleet.clock.advance(MS(10));
    }
    started
}

#[test]
fn the_reserve_is_there_for_what_is_urgent_while_others_wait() {
    let mut fleet = Replicas::reserving("30/min", 0.2);
    for n in 0..100 {
        fleet.ask(0, n);
    }
    assert_eq!(asked_within(&mut fleet, MS(5_000)).len(), 24, "the rest is kept");
    assert!(fleet.ask_as(0, 200, Urgency::Urgent).hopeful, "it need not wait behind the others");
    let urgent = asked_within(&mut fleet, MS(500));
    assert_eq!(urgent.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [200]);
    for n in 201..220 {
        fleet.ask_as(0, n, Urgency::Urgent);
    }
    assert_eq!(asked_within(&mut fleet, MS(10_000)).len(), 5, "until the quota is used up");
}

#[test]
fn a_small_quota_is_used_as_its_window_slides() {
    // Little more than a second apart, and all of a minute's as soon as they are free again.
    for (quota, length, least) in [("1/s", 30_000, 23), ("10/s", 10_000, 70), ("4/min", 300_000, 19)] {
        let mut fleet = Replicas::new(quota, 1);
        for n in 0..250 {
            fleet.ask(0, n);
        }
        let asked = asked_within(&mut fleet, MS(length));
        assert!(asked.len() >= least, "{quota}: {} calls in {length} ms", asked.len());
    }
}

#[test]
fn a_call_that_is_paid_from_the_reserve_is_filled_with_others() {
    let mut fleet = Replicas { reserve: 0.5, ..Replicas::batched("2/min", 0, 10) };
    fleet.start(1);
    // The ordinary half is used up by the first ten.
    for n in 0..60 {
        fleet.ask(0, n);
    }
    assert_eq!(fleet.take_call(0).map(|call| call.len()), Ok(10));
    fleet.clock.advance(MS(200));
    assert!(fleet.take_call(0).is_err());
    fleet.ask_as(0, 200, Urgency::Urgent);
    let call = fleet.take_call(0).expect("the reserve");
    assert!(call.contains(&address(200)) && call.len() == 10, "{call:?}");
    fleet.clock.advance(MS(200));
    assert!(fleet.take_call(0).is_err(), "nothing is left");
}
