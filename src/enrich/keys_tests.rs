//! Several keys of one provider: each with its own account, refused and paused by itself; nothing is asked twice.

use std::{collections::BTreeMap, sync::Arc};

use super::{calls::Finished, desk::Idle, keys::Call, *};
use crate::{
    budget::{Budget, Urgency, purse::Reading},
    model::{Answer, Clock as _, Evidence, FailReason, ManualClock, ProviderId, Role, Verdict, VerdictKind},
    provider::{BoxFuture, Breaker, LookupError},
};

const MS: fn(u64) -> Duration = Duration::from_millis;

struct Keyed(Option<&'static str>);

impl Provider for Keyed {
    fn id(&self) -> ProviderId {
        ProviderId("virustotal")
    }
    fn key_name(&self) -> Option<&str> {
        self.0
    }
    fn supports(&self, kind: IndicatorKind) -> bool {
        kind.is_ip()
    }
    fn lookup<'a>(&'a self, _indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(std::future::pending())
    }
}

fn address(n: u8) -> Indicator {
    Indicator::new(IndicatorKind::Ipv4, format!("45.83.12.{n}"))
}

fn clean() -> Result<Verdict, LookupError> {
    let evidence = Evidence { share: Some(0.0), ..Evidence::default() };
    Ok(Verdict { kind: VerdictKind::Clean, evidence, answered_at: 0 })
}

fn refused() -> Result<Verdict, LookupError> {
    Err(LookupError::Failed { reason: FailReason::Unauthorized, detail: String::new() })
}

/// Replicas with two keys each, and the log between them; without a log one that keeps its accounts itself.
struct Bench {
    clock: Arc<ManualClock>,
    boards: Vec<(Board, usize)>,
    log: Vec<(i64, Vec<u8>)>,
}

impl Bench {
    fn new(quotas: [&str; 2], replicas: u64, in_fleet: bool) -> Self {
        let clock = ManualClock::at(1_795_428_000_000);
        let mut bench = Self { clock: Arc::clone(&clock), boards: Vec::new(), log: Vec::new() };
        for seed in 1..=replicas {
            let shared: SharedClock = clock.clone();
            let fleet = in_fleet.then(|| Fleet::new(Arc::clone(&shared)));
            let cache_config = crate::cache::Config::default();
            let cache = Cache::new(&cache_config, Arc::clone(&shared));
            let setup = |(quota, name): (&str, Option<&'static str>)| {
                let provider = Arc::new(Keyed(name));
                let quota = quota.parse().expect("a quota");
                let budget = match &fleet {
                    Some(fleet) => Budget::in_ledger(fleet.clone(), &provider.account(), quota, None, 0.0),
                    None => Budget::new(quota, None, 0.0, Arc::clone(&shared)),
                };
                let breaker = Breaker::new(Arc::clone(&shared), Box::new(|| 0.0));
                Setup { provider, budget, breaker, max_in_flight: 8, max_tlp: Tlp::Green }
            };
            let parts = Parts {
                providers: quotas.into_iter().zip([None, Some("second")]).map(setup).collect(),
                cache_config,
                deadline: MS(2_000),
                late_for: MS(3_600_000),
                seed,
                fleet: fleet.clone(),
                ..Parts::none(&cache, &shared, &Metrics::new())
            };
            bench.boards.push((Board::new(parts), 0));
            bench.read();
            let now = bench.now();
            if in_fleet && let Some((board, _)) = bench.boards.last_mut() {
                board.caught_up(now);
            }
            bench.exchange();
        }
        bench
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
                let at = self.clock.wall_ms();
                self.log.extend(board.take_effects().records.into_iter().map(|bytes| (at, bytes)));
            }
            self.read();
        }
    }

    fn ask(&mut self, replica: usize, n: u8) -> Asked {
        let now = self.now();
        let (role, urgency, tlp) = (Role::Destination, Urgency::Ordinary, Tlp::Clear);
        let sighting = Sighting { role, urgency, tlp, event: EventContext::default() };
        self.boards[replica].0.ask(&address(n), None, sighting, Some(3), now.monotonic, now.wall_ms)
    }

    /// One turn of a dispatcher.
    fn take(&mut self, replica: usize) -> Result<Call, Idle> {
        let now = self.now();
        if self.boards[replica].0.peek(0, now.monotonic, now.wall_ms).is_err() {
            self.exchange();
        }
        self.boards[replica].0.take(0, now.monotonic, now.wall_ms)
    }

    fn finish(&mut self, replica: usize, call: &Call, result: Result<Verdict, LookupError>) -> Finished {
        let now = self.now();
        self.boards[replica].0.finish(0, call, vec![result], MS(50), now.monotonic, now.wall_ms).remove(0)
    }

    fn status(&mut self) -> ProviderStatus {
        let now = self.now();
        self.boards[0].0.status(now.monotonic, now.wall_ms).remove(0)
    }

    fn answer(&mut self, n: u8) -> Answer {
        let (asked, now) = (self.ask(0, n), self.now());
        let entry = self.boards[0].0.snapshot(&address(n), now.monotonic, now.wall_ms).unwrap_or(asked.entry);
        entry.assessment().sources[0].answer.clone()
    }
}

#[test]
fn each_key_spends_its_own_quota_and_no_more() {
    let mut bench = Bench::new(["2/min", "3/min"], 1, false);
    let hopeful = (1..=8).filter(|n| bench.ask(0, *n).hopeful).count();
    assert_eq!(hopeful, 5, "what both keys allow can come in time");
    let mut calls = BTreeMap::<usize, usize>::new();
    while let Ok(call) = bench.take(0) {
        *calls.entry(call.key).or_default() += 1;
        bench.finish(0, &call, clean());
    }
    assert_eq!(calls, BTreeMap::from([(0, 2), (1, 3)]));
    assert!(matches!(bench.answer(8), Answer::Throttled { reason: Reason::Quota, retry_at: Some(_) }));
    let status = bench.status();
    assert_eq!((status.windows[0].limit, status.windows[0].used, status.calls), (5, 5, 5));
    let keys: Vec<_> = status.keys.iter().map(|key| (key.name.as_deref(), key.health, key.calls)).collect();
    assert_eq!(keys, [(None, KeyHealth::Accepted, 2), (Some("second"), KeyHealth::Accepted, 3)]);
    bench.clock.advance(MS(61_000));
    assert!(bench.take(0).is_ok(), "in the next minute it goes on");
}

#[test]
fn even_windows_are_spent_alike() {
    let mut bench = Bench::new(["1000/day", "1000/day"], 1, false);
    let mut calls = [0_usize; 2];
    for n in 1..=40 {
        bench.ask(0, n);
        let call = bench.take(0).expect("there is room");
        calls[call.key] += 1;
        bench.finish(0, &call, clean());
    }
    assert_eq!(calls, [20, 20]);
}

#[test]
fn a_refused_key_leaves_its_work_to_the_other() {
    let mut bench = Bench::new(["4/min", "4/min"], 1, false);
    for n in 1..=3 {
        bench.ask(0, n);
    }
    let first = bench.take(0).expect("there is room");
    assert_eq!(first.key, 0);
    assert_eq!(bench.finish(0, &first, refused()), Finished::Disabled(FailReason::Unauthorized));
    // The same indicator again, with the other key.
    let again = bench.take(0).expect("the other key");
    assert_eq!((again.key, &again.indicators), (1, &first.indicators));
    assert_eq!(bench.finish(0, &again, clean()), Finished::Answered);
    let status = bench.status();
    assert_eq!((status.closed, status.keys[0].closed, status.keys[1].closed), (None, Some(Reason::Disabled), None));
    assert_eq!(status.keys[0].health, KeyHealth::Refused);
    let last = bench.take(0).expect("the other key");
    assert_eq!(bench.finish(0, &last, refused()), Finished::Disabled(FailReason::Unauthorized));
    assert_eq!(bench.status().closed, Some(Reason::Disabled));
    assert!(matches!(bench.answer(3), Answer::Skipped { reason: Reason::Disabled }), "nobody is left");
    assert!(bench.take(0).is_err());
    // A reload brings one of them back.
    let now = bench.now();
    let client: Arc<dyn Provider> = Arc::new(Keyed(Some("second")));
    assert!(bench.boards[0].0.renew(0, &client, now.monotonic));
    bench.ask(0, 9);
    assert_eq!(bench.take(0).expect("it is on again").key, 1);
}

#[test]
fn a_pause_is_one_of_its_key() {
    let mut bench = Bench::new(["4/min", "4/min"], 1, false);
    for n in 1..=3 {
        bench.ask(0, n);
    }
    let first = bench.take(0).expect("there is room");
    bench.finish(0, &first, Err(LookupError::Throttled { retry_after: Some(MS(30_000)), used_up: false }));
    assert_eq!(bench.take(0).expect("the other key").key, 1);
    let status = bench.status();
    assert_eq!((status.paused_until, status.keys[1].paused_until), (None, None));
    assert!(status.keys[0].paused_until.is_some());
}

#[test]
fn replicas_share_the_accounts_of_all_keys_and_ask_nothing_twice() {
    let mut bench = Bench::new(["2/min", "3/min"], 2, true);
    for n in 1..=8 {
        bench.ask(0, n);
        bench.ask(1, n);
    }
    let mut asked = Vec::new();
    for _ in 0..40 {
        for replica in 0..2 {
            if let Ok(call) = bench.take(replica) {
                asked.push((call.key, call.indicators[0].value.to_string()));
                bench.finish(replica, &call, clean());
                bench.exchange();
            }
        }
        bench.clock.advance(MS(100));
        bench.exchange();
    }
    assert_eq!(asked.iter().filter(|(key, _)| *key == 0).count(), 2, "{asked:?}");
    assert_eq!(asked.iter().filter(|(key, _)| *key == 1).count(), 3, "{asked:?}");
    let mut values: Vec<_> = asked.iter().map(|(_, value)| value).collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), 5, "nothing twice: {asked:?}");
}
