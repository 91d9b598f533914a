//! Two replicas that share their assessments by a log in memory.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    budget::{Budget, Urgency},
    cache::Hit,
    model::{Clock as _, Evidence, Fact, ManualClock, ProviderId, Role, Status, Verdict, VerdictKind},
    provider::{BoxFuture, Breaker, LookupError},
    state::{Following, MemoryLog, assessment, discard},
};

const HOUR: Duration = Duration::from_secs(3_600);
const START: i64 = 1_795_000_000_000;

struct Silent(&'static str);

impl Provider for Silent {
    fn id(&self) -> ProviderId {
        ProviderId(self.0)
    }
    fn supports(&self, kind: IndicatorKind) -> bool {
        kind.is_ip()
    }
    fn lookup<'a>(&'a self, _indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(std::future::pending())
    }
}

#[derive(Default)]
struct Ear(Mutex<Vec<Notice>>);

impl Listener for Ear {
    fn notify(&self, notice: Notice) {
        self.0.lock().push(notice);
    }
}

struct Replica {
    enricher: Enricher,
    cache: Cache,
    ear: Arc<Ear>,
    clock: Arc<ManualClock>,
    metrics: Metrics,
    following: Option<Following>,
}

impl Replica {
    /// `skew`: how far its wall clock is ahead.
    fn new(skew: i64) -> Self {
        let clock = ManualClock::at(START + skew);
        let shared: SharedClock = clock.clone();
        let cache_config = crate::cache::Config::default();
        let (cache, metrics) = (Cache::new(&cache_config, Arc::clone(&shared)), Metrics::new());
        let setup = |name| Setup {
            provider: Arc::new(Silent(name)),
            budget: Budget::new("1000/min".parse().expect("a quota"), None, 0.0, Arc::clone(&shared)),
            breaker: Breaker::new(Arc::clone(&shared), Box::new(|| 0.0)),
            max_in_flight: 100,
            max_tlp: Tlp::Red,
        };
        let parts = Parts {
            providers: vec![setup("virustotal"), setup("abuseipdb")],
            cache_config,
            deadline: Duration::from_secs(2),
            late_for: HOUR,
            ..Parts::none(&cache, &shared, &metrics)
        };
        let ear = Arc::new(Ear::default());
        let enricher = Enricher::new(parts, vec![Arc::clone(&ear) as Arc<dyn Listener>]);
        Self { enricher, cache, ear, clock, metrics, following: None }
    }

    fn joined(skew: i64, log: &MemoryLog) -> Self {
        let mut replica = Self::new(skew);
        replica.following = Some(replica.enricher.share_assessments(Arc::new(log.clone())).expect("a log"));
        assert!(replica.enricher.warmth().caught_up);
        replica
    }

    fn ask(&self, n: u8) -> Asked {
        let indicator = address(n);
        let prior = match self.cache.get(indicator.borrowed(), self.clock.monotonic()) {
            Hit::Fresh(entry) | Hit::Stale(entry) => Some(entry),
            Hit::Miss => None,
        };
        let sighting = Sighting {
            role: Role::Destination,
            urgency: Urgency::Ordinary,
            tlp: Tlp::Clear,
            event: EventContext::default(),
        };
        self.enricher.ask(&indicator, prior.as_deref(), sighting, Some(0))
    }

    fn answer(&self, provider: usize, at: i64) -> Option<Indicator> {
        self.enricher.answer_next(provider, Ok(verdict(at)))
    }

    fn knows(&self, n: u8) -> bool {
        matches!(self.cache.get(address(n).borrowed(), self.clock.monotonic()), Hit::Fresh(_))
    }
}

fn address(n: u8) -> Indicator {
    Indicator::new(IndicatorKind::Ipv4, format!("45.83.12.{n}"))
}

fn verdict(answered_at: i64) -> Verdict {
    let facts = vec![("vt_malicious", Fact::Int(41))];
    Verdict {
        kind: VerdictKind::Found,
        evidence: Evidence { share: Some(0.5), facts, ..Evidence::default() },
        answered_at,
    }
}

fn log() -> MemoryLog {
    MemoryLog::new("assessments", 3, ManualClock::at(START))
}

fn outcomes(entry: &Entry) -> Vec<&'static str> {
    entry.assessment().sources.iter().map(|source| source.answer.outcome()).collect()
}

#[test]
fn a_replica_that_starts_later_asks_nothing_that_is_known() {
    let log = log();
    let first = Replica::joined(0, &log);
    assert!(first.ask(1).open);
    first.answer(0, START);
    first.answer(1, START);
    assert!(first.knows(1));
    let second = Replica::joined(0, &log);
    let asked = second.ask(1);
    assert!(!asked.open && second.knows(1));
    assert_eq!(*asked.entry.assessment(), *first.ask(1).entry.assessment());
    assert_eq!(second.answer(0, START), None, "nobody is in the line");
    assert_eq!(log.len(), 2, "what was learned is not written again");
}

#[test]
fn a_flight_lands_with_what_another_replica_has_learned() {
    let log = log();
    let (first, second) = (Replica::joined(0, &log), Replica::joined(0, &log));
    assert!(first.ask(1).open && second.ask(1).open);
    first.answer(0, START);
    assert_eq!(outcomes(&second.ask(1).entry), ["found", "pending"], "one answer of two");
    assert_eq!(second.enricher.counts().waiting, 1);
    first.answer(1, START);
    assert_eq!(second.enricher.counts().waiting, 0);
    let notices = second.ear.0.lock().clone();
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    assert!(notice.settled && notice.entry.assessment().status == Status::Complete);
    assert_eq!((second.answer(0, START), second.answer(1, START)), (None, None), "no call was needed");
}

#[test]
fn half_of_an_assessment_is_completed_by_the_other_half_alone() {
    let log = log();
    let first = Replica::joined(0, &log);
    first.ask(1);
    first.answer(0, START);
    drop(first);
    let second = Replica::joined(0, &log);
    let asked = second.ask(1);
    assert_eq!(outcomes(&asked.entry), ["found", "pending"]);
    assert_eq!(second.answer(0, START), None, "the answer that is there is not paid again");
    assert_eq!(second.answer(1, START), Some(address(1)));
    assert!(second.knows(1));
}

#[test]
fn age_counts_from_the_answer_and_clocks_may_differ() {
    let log = log();
    let first = Replica::joined(0, &log);
    for n in 1..=2 {
        first.ask(n);
        first.answer(0, START);
        first.answer(1, START);
    }
    // Found lives for 24 h.
    let hours = |n: i64| n * 3_600_000;
    let later = Replica::new(hours(23));
    let _following = later.enricher.share_assessments(Arc::new(log.clone())).expect("a log");
    assert!(later.knows(1));
    later.clock.advance(2 * HOUR);
    assert!(!later.knows(1), "an hour was left");
    let behind = Replica::joined(hours(-5), &log);
    behind.clock.advance(23 * HOUR);
    assert!(behind.knows(1));
    behind.clock.advance(2 * HOUR);
    assert!(!behind.knows(1), "from the future is from now, no longer");
    assert_eq!(log.latest().len(), 2);
    let much_later = Replica::joined(hours(60), &log);
    assert_eq!(much_later.cache.len(), 0, "what is past its time does not enter the cache");
    assert_eq!(log.latest().len(), 0, "and is taken off the log");
}

#[test]
fn a_purge_is_heard_by_all() {
    let log = log();
    let (first, second) = (Replica::joined(0, &log), Replica::joined(0, &log));
    first.ask(1);
    first.answer(0, START);
    first.answer(1, START);
    assert!(second.knows(1));
    first.enricher.purge(&address(1)).expect("a log");
    assert!(!first.knows(1) && !second.knows(1) && log.latest().is_empty());
}

#[test]
fn what_was_heard_before_a_purge_is_asked_again_though_something_is_still_waited_for() {
    let log = log();
    let replica = Replica::joined(0, &log);
    replica.ask(1);
    replica.answer(0, START);
    replica.enricher.purge(&address(1)).expect("a log");
    let heard = replica.enricher.snapshot(&address(1)).expect("the flight goes on");
    assert!(!heard.has_verdict());
    replica.answer(1, START);
    assert!(!replica.knows(1), "the first one is asked again");
    replica.answer(0, START + 1);
    assert!(replica.knows(1));
}

#[test]
fn what_is_damaged_or_of_a_later_version_is_skipped_and_counted() {
    let log = log();
    let good = assessment::key(&address(1));
    let told = verdict(START);
    let value = |key: &[u8]| assessment::encode(key, [(ProviderId("virustotal"), &told)]);
    let mut damaged = value(&good);
    damaged[20] ^= 1;
    let rows: [(&[u8], &[u8]); 5] = [
        (&good, &damaged),
        (b"hello", b"world"),
        (b"2:ipv4:45.83.12.1", &value(b"2:ipv4:45.83.12.1")),
        (&good, b"2;whatever comes"),
        (&good, &value(&good)),
    ];
    for (key, value) in rows {
        log.append(None, key, Some(value), discard()).expect("room");
    }
    let replica = Replica::joined(0, &log);
    assert_eq!(replica.cache.len(), 1);
    let text = replica.metrics.encode(&crate::telemetry::Moment::default());
    for (result, count) in [("corrupt", 2), ("version", 2), ("read", 1)] {
        let line = format!("sidelight_state_records_total{{log=\"assessments\",result=\"{result}\"}} {count}");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_a_ledger_holds_of_others_is_counted() {
    let log = log();
    log.append(Some(0), b"key", Some(b""), discard()).expect("room");
    log.append(Some(0), b"key", Some(b"of another form"), discard()).expect("room");
    let clock: SharedClock = ManualClock::at(START);
    let (cache, metrics) = (Cache::new(&crate::cache::Config::default(), Arc::clone(&clock)), Metrics::new());
    let fleet = Some(crate::budget::Fleet::new(Arc::clone(&clock)));
    let enricher = Enricher::new(Parts { fleet, ..Parts::none(&cache, &clock, &metrics) }, Vec::new());
    let _following = enricher.join_fleet(Arc::new(log.clone())).expect("a log");
    let text = metrics.encode(&crate::telemetry::Moment::default());
    for result in ["corrupt", "version"] {
        let line = format!("sidelight_state_records_total{{log=\"ledger\",result=\"{result}\"}} 1");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_log_that_is_full_costs_the_others_a_look_up_and_nothing_else() {
    let log = log();
    let first = Replica::joined(0, &log);
    log.refuse(true);
    first.ask(1);
    first.answer(0, START);
    first.answer(1, START);
    assert!(first.knows(1) && log.is_empty());
}
