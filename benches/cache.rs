//! Looking an indicator up: the shared cache, and one thread's front of it.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sidelight::{
    cache::{Cache, Config, Entry, Front, Hit, Recalled},
    model::{Answer, Evidence, Indicator, IndicatorKind, ProviderId, Source, SystemClock, Verdict, VerdictKind},
    score,
};

const VALUES: usize = 1_000;

fn cache(c: &mut Criterion) {
    let config = Config::default();
    let cache = Cache::new(&config, SystemClock::shared());
    let now = Duration::from_secs(1);
    let indicators: Vec<Indicator> =
        (0..VALUES).map(|n| Indicator::new(IndicatorKind::Domain, format!("host-{n}.example.com"))).collect();
    for indicator in &indicators {
        let evidence = Evidence { share: Some(0.0), ..Evidence::default() };
        let answer = Answer::Verdict(Verdict { kind: VerdictKind::Clean, evidence, answered_at: 0 });
        let source = Source { provider: ProviderId("virustotal"), answer, stale: false };
        let assessment = score::assess(indicator.kind, vec![source], &score::Config::default());
        cache.insert(indicator.clone(), Arc::new(Entry::of_now(indicator, assessment, now, &config)));
    }
    let mut front = Front::new(cache.clone());
    let fresh = |hit: Hit| matches!(hit, Hit::Fresh(_));
    // What comes for the second time is remembered.
    for _ in 0..2 {
        assert!(indicators.iter().all(|i| fresh(cache.get(i.borrowed(), now))));
        assert!(indicators.iter().all(|i| fresh(front.get(i.borrowed(), i.borrowed(), now))));
    }
    let recalled = |recalled: Option<Recalled>| matches!(recalled, Some(Recalled::Fresh(_)));
    assert!(indicators.iter().all(|i| recalled(front.recall(i.borrowed(), now))));
    let absent = Indicator::new(IndicatorKind::Domain, "absent.example.com");
    assert!(matches!(front.get(absent.borrowed(), absent.borrowed(), now), Hit::Miss));

    let mut group = c.benchmark_group("cache");
    group.throughput(Throughput::Elements(VALUES as u64));
    group.bench_function("1,000 hits, shared", |b| {
        b.iter(|| indicators.iter().filter(|i| fresh(black_box(cache.get(i.borrowed(), now)))).count());
    });
    group.bench_function("1,000 hits, front", |b| {
        b.iter(|| indicators.iter().filter(|i| recalled(black_box(front.recall(i.borrowed(), now)))).count());
    });
    group.bench_function("1,000 misses", |b| {
        b.iter(|| {
            (0..VALUES).filter(|_| fresh(black_box(front.get(absent.borrowed(), absent.borrowed(), now)))).count()
        });
    });
    group.finish();
}

criterion_group!(benches, cache);
criterion_main!(benches);
