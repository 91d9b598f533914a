//! Cost of assessing one address from four sources.
#![expect(clippy::expect_used, reason = "a bench that cannot be set up has to stop")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sidelight::{
    model::{Answer, Evidence, IndicatorKind, ProviderId, Reason, Source, Verdict, VerdictKind},
    score::{Config, assess},
};

fn sources() -> Vec<Source> {
    let found = |provider, share, floor| {
        let evidence = Evidence { share, floor, ..Evidence::default() };
        let answer = Answer::Verdict(Verdict { kind: VerdictKind::Found, evidence, answered_at: 0 });
        Source { provider: ProviderId(provider), answer, stale: false }
    };
    vec![
        found("virustotal", Some(41.0 / 90.0), Some(40)),
        found("abuseipdb", Some(0.97), None),
        found("misp", Some(1.0), Some(70)),
        Source {
            provider: ProviderId("shodan"),
            answer: Answer::Throttled { reason: Reason::Quota, retry_at: None },
            stale: false,
        },
    ]
}

fn bench(criterion: &mut Criterion) {
    let config = Config::default();
    let score = assess(IndicatorKind::Ipv4, sources(), &config).score.expect("two sources score it");
    assert!((score - 70.0).abs() < 1e-9, "{score}");
    criterion.bench_function("assess/four sources", |bencher| {
        bencher.iter_batched(
            sources,
            |sources| assess(black_box(IndicatorKind::Ipv4), sources, &config),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
