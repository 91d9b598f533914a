//! Time to live, staleness and bounds of the cache.

use super::*;
use crate::gate::Suppression;
use crate::model::{
    Answer, Assessment, Disposition, Evidence, Fact, FailReason, IndicatorKind, ManualClock, ProviderId, Queue, Reason,
    Source, Status, Verdict, VerdictKind,
};

fn source(answer: Answer) -> Source {
    Source { provider: ProviderId("virustotal"), answer, stale: false }
}

fn verdict(kind: VerdictKind) -> Answer {
    Answer::Verdict(Verdict { kind, evidence: Evidence::default(), answered_at: 0 })
}

fn assessment(sources: Vec<Source>) -> Assessment {
    Assessment {
        status: Status::of_sources(&sources),
        disposition: Disposition::Unknown,
        queue: Queue::Unscored,
        score: None,
        score_low: None,
        score_high: None,
        contributions: vec![None; sources.len()],
        sources,
    }
}

fn address() -> Indicator {
    Indicator::new(IndicatorKind::Ipv4, "203.0.113.9")
}

#[test]
fn each_outcome_has_its_own_time_to_live() {
    let config = Config::default();
    let hours = |h: u64| Some(Duration::from_secs(h * 3600));
    let rows = [
        ("found", verdict(VerdictKind::Found), hours(24)),
        ("clean", verdict(VerdictKind::Clean), hours(24)),
        ("not found", verdict(VerdictKind::NotFound), hours(6)),
        ("failed", Answer::Failed { reason: FailReason::Timeout, retry_at: None }, Some(Duration::from_secs(60))),
        ("refused key", Answer::Failed { reason: FailReason::Unauthorized, retry_at: None }, None),
        ("outranked", Answer::Skipped { reason: Reason::Outranked }, Some(Duration::ZERO)),
        ("switched off", Answer::Skipped { reason: Reason::Disabled }, None),
        ("pending", Answer::Pending { reason: Reason::Queued }, Some(Duration::ZERO)),
    ];
    for (name, answer, expected) in rows {
        assert_eq!(time_to_live(&answer, &config), expected, "{name}");
    }
}

#[test]
fn fresh_then_stale_and_marked_then_gone() {
    let clock = ManualClock::at(0);
    let config = Config { ttl: Duration::from_secs(10), stale_for: Duration::from_secs(5), ..Config::default() };
    let cache = Cache::new(&config, clock.clone());
    let indicator = address();
    let entry =
        Entry::of_now(&indicator, assessment(vec![source(verdict(VerdictKind::Found))]), Duration::ZERO, &config);
    cache.insert(indicator.clone(), Arc::new(entry));

    let at = |seconds: u64| Duration::from_secs(seconds);
    assert!(matches!(cache.get(indicator.borrowed(), at(9)), Hit::Fresh(_)));
    let Hit::Stale(marked) = cache.get(indicator.borrowed(), at(10)) else { panic!("expected a stale hit") };
    assert!(marked.assessment().sources.iter().all(|source| source.stale));
    let Hit::Stale(again) = cache.get(indicator.borrowed(), at(14)) else { panic!("expected a stale hit") };
    assert!(Arc::ptr_eq(&marked, &again), "marked once, not for every event");
    assert!(matches!(cache.get(indicator.borrowed(), at(15)), Hit::Miss));
}

#[test]
fn an_entry_without_a_verdict_is_never_shown_stale() {
    let clock = ManualClock::at(0);
    let config = Config::default();
    let cache = Cache::new(&config, clock);
    let indicator = address();
    let failed = Answer::Failed { reason: FailReason::Unavailable, retry_at: None };
    let entry = Entry::of_now(&indicator, assessment(vec![source(failed)]), Duration::ZERO, &config);
    cache.insert(indicator.clone(), Arc::new(entry));
    assert!(matches!(cache.get(indicator.borrowed(), Duration::from_secs(59)), Hit::Fresh(_)));
    assert!(matches!(cache.get(indicator.borrowed(), Duration::from_secs(60)), Hit::Miss));
}

#[test]
fn kinds_do_not_mix_and_purge_forgets() {
    let cache = Cache::new(&Config::default(), ManualClock::at(0));
    let domain = Indicator::new(IndicatorKind::Domain, "abc.example");
    let entry = Entry::of_now(
        &domain,
        assessment(vec![source(verdict(VerdictKind::Clean))]),
        Duration::ZERO,
        &Config::default(),
    );
    cache.insert(domain.clone(), Arc::new(entry));
    let url = IndicatorRef { kind: IndicatorKind::Url, value: "abc.example" };
    assert!(matches!(cache.get(url, Duration::ZERO), Hit::Miss));
    assert!(matches!(cache.get(domain.borrowed(), Duration::ZERO), Hit::Fresh(_)));
    cache.purge(domain.borrowed());
    assert!(matches!(cache.get(domain.borrowed(), Duration::ZERO), Hit::Miss));
}

#[test]
fn capacity_is_held_in_bytes() {
    let config = Config { capacity: 100_000, ..Config::default() };
    let cache = Cache::new(&config, ManualClock::at(0));
    for n in 0..5_000 {
        let indicator = Indicator::new(IndicatorKind::Domain, format!("host-{n}.example"));
        let entry =
            Entry::of_now(&indicator, assessment(vec![source(verdict(VerdictKind::Clean))]), Duration::ZERO, &config);
        cache.insert(indicator, Arc::new(entry));
    }
    cache.entries.run_pending_tasks();
    assert!(cache.weight() <= 100_000, "{} bytes", cache.weight());
    assert!(!cache.is_empty());
}

#[test]
fn an_entry_weighs_what_its_sources_hold() {
    let weight = |facts: Vec<(&'static str, Fact)>| {
        let evidence = Evidence { facts, ..Evidence::default() };
        let answer = Answer::Verdict(Verdict { kind: VerdictKind::Clean, evidence, answered_at: 0 });
        Entry::of_now(&address(), assessment(vec![source(answer)]), Duration::ZERO, &Config::default()).weight()
    };
    let (none, short) = (weight(vec![]), weight(vec![("a", Fact::Text("x".into()))]));
    let long = |bytes: usize| weight(vec![("a", Fact::Text("x".repeat(bytes).into()))]);
    assert!(short >= none + size_of::<(&str, Fact)>());
    // Kept twice: as the fact, and rendered.
    assert!(long(1_001) >= short + 2_000);
    let list = vec![("a", Fact::Texts(vec!["x".repeat(500).into(); 2]))];
    assert!(weight(list) >= none + 2_000);
}

#[test]
fn the_front_agrees_with_the_cache_and_sees_changes_within_a_second() {
    let clock = ManualClock::at(0);
    let config = Config::default();
    let cache = Cache::new(&config, clock);
    let mut front = Front::new(cache.clone());
    let indicators: Vec<Indicator> =
        (0..10_000).map(|n| Indicator::new(IndicatorKind::Domain, format!("host-{n}.example"))).collect();
    let now = Duration::from_millis(10);
    for indicator in indicators.iter().step_by(2) {
        let known = assessment(vec![source(verdict(VerdictKind::Clean))]);
        cache.insert(indicator.clone(), Arc::new(Entry::of_now(indicator, known, now, &config)));
    }
    let mut early = 0;
    for round in 0..3 {
        for (n, indicator) in indicators.iter().enumerate() {
            let indicator = indicator.borrowed();
            let recalled = matches!(front.recall(indicator, now), Some(Recalled::Fresh(_)));
            assert!(!recalled || n % 2 == 0, "{n} in round {round}");
            early += usize::from(recalled && round < 2);
            assert_eq!(matches!(front.get(indicator, indicator, now), Hit::Fresh(_)), n % 2 == 0, "{n}");
        }
    }
    // The door keeps parts of hashes, whose seed is another one in each process: a value may look like one that came before it.
    assert!(early < 10, "{early}");
    let recalled = |front: &Front, at| indicators.iter().filter(|i| front.recall(i.borrowed(), at).is_some()).count();
    // A few meet in one place of the door.
    assert!(recalled(&front, now) > 4_000, "{}", recalled(&front, now));
    let later = now + Duration::from_secs(1);
    assert_eq!(recalled(&front, later), 0);
    cache.purge(indicators[0].borrowed());
    assert!(matches!(front.get(indicators[0].borrowed(), indicators[0].borrowed(), later), Hit::Miss));
    assert!(
        matches!(front.get(indicators[2].borrowed(), indicators[2].borrowed(), now + config.ttl), Hit::Stale(_)),
        "nothing outlives its time"
    );
}

#[test]
fn the_front_remembers_what_is_suppressed_and_what_loses_its_query() {
    let config = Config::default();
    let cache = Cache::new(&config, ManualClock::at(0));
    let mut front = Front::new(cache.clone());
    let now = Duration::from_millis(10);
    let private = IndicatorRef { kind: IndicatorKind::Ipv4, value: "10.0.0.1" };
    front.suppress(private, Suppression::PrivateAddress, now);
    assert!(front.recall(private, now).is_none(), "it may never come again");
    front.suppress(private, Suppression::PrivateAddress, now);
    assert!(matches!(front.recall(private, now), Some(Recalled::Suppressed(Suppression::PrivateAddress))));
    assert!(front.recall(private, now + Duration::from_secs(1)).is_none());

    let subject = Indicator::new(IndicatorKind::Url, "https://abc.example/x");
    let known = assessment(vec![source(verdict(VerdictKind::Clean))]);
    cache.insert(subject.clone(), Arc::new(Entry::of_now(&subject, known, now, &config)));
    let found = |value| IndicatorRef { kind: IndicatorKind::Url, value };
    for query in ["https://abc.example/x?a", "https://abc.example/x?b"] {
        assert!(matches!(front.get(found(query), subject.borrowed(), now), Hit::Fresh(_)));
        assert!(front.recall(found(query), now).is_none());
    }
    assert!(matches!(front.recall(subject.borrowed(), now), Some(Recalled::Fresh(_))), "seen twice");
}
