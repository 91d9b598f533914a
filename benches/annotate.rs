//! Cost of annotating an event of 640 bytes with six known indicators: the path of nearly all events.
#![expect(clippy::expect_used, reason = "a bench that cannot be set up has to stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sidelight::{
    annotate::{Fragment, Shape, State, Summary, splice},
    extract::{self, Extraction, Extractor},
    model::{Answer, Assessment, Evidence, Fact, IndicatorKind, ProviderId, Source, Verdict, VerdictKind},
    score,
};

const NOW: i64 = 1_795_423_057_412;

const EVENT: &str = r#"{"@timestamp":"2026-11-23T08:37:37.412Z","event":{"id":"5f0c2a9e","kind":"event","category":["network"],"outcome":"success"},"source":{"ip":"9.9.9.10","port":51234},"destination":{"ip":"198.41.0.4","port":443,"domain":"cdn.example-assets.net"},"dns":{"question":{"name":"login.example-bank.com","type":"A"}},"url":{"full":"https://files.example-share.org/a/report.pdf"},"file":{"hash":{"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},"name":"report.pdf"},"process":{"name":"browser","pid":4711},"user":{"name":"mmueller"},"observer":{"vendor":"Example","product":"Sensor","name":"edge-7"},"network":{"bytes":48211}}"#;

fn assessment(kind: IndicatorKind, share: f64) -> Assessment {
    let source = |provider, name| {
        let evidence = Evidence {
            share: Some(share),
            facts: vec![(name, Fact::Int(12))],
            reference: Some("https://intel.example.com/indicator/9f86d081884c7d65".into()),
            ..Evidence::default()
        };
        let kind = if share > 0.0 { VerdictKind::Found } else { VerdictKind::Clean };
        let answer = Answer::Verdict(Verdict { kind, evidence, answered_at: NOW - 41_000 });
        Source { provider: ProviderId(provider), answer, stale: false }
    };
    let sources = vec![source("virustotal", "vt_malicious"), source("misp", "misp_count")];
    score::assess(kind, sources, &score::Config::default())
}

fn bench(criterion: &mut Criterion) {
    assert!((600..=680).contains(&EVENT.len()), "{}", EVENT.len());
    let mut extraction = Extraction::default();
    Extractor::new(&extract::Config::default()).extract(EVENT.as_bytes(), &mut extraction);
    assert_eq!(extraction.len(), 6);

    let mut group = criterion.benchmark_group("splice");
    group.throughput(Throughput::Elements(1));
    for (name, share, shape) in
        [("harmless, native", 0.0, Shape::Native), ("harmless, ecs", 0.0, Shape::Ecs), ("hits, ecs", 1.0, Shape::Ecs)]
    {
        let known: Vec<_> = extraction
            .iter()
            .filter_map(|sighted| sighted.indicator())
            .map(|indicator| {
                let assessment = assessment(indicator.kind, share);
                let fragment = Fragment::new(&indicator.to_owned(), &assessment);
                (assessment, fragment)
            })
            .collect();
        let states: Vec<_> = known.iter().map(|(assessment, fragment)| State::Assessed(assessment, fragment)).collect();
        let run = |out: &mut Vec<u8>| {
            let summary = Summary::of(black_box(&states), false);
            splice(black_box(EVENT.as_bytes()), &extraction, &states, &summary, shape, NOW, out);
        };
        let mut out = Vec::new();
        run(&mut out);
        let parsed: serde_json::Value = serde_json::from_slice(&out).expect("the annotated event is JSON");
        assert_eq!(parsed["sidelight"]["indicators"].as_array().map(Vec::len), Some(6));
        assert_eq!(parsed["sidelight"]["indicators"][5]["sources"][1]["age_s"], 41);
        assert_eq!(parsed["threat"]["enrichments"].is_array(), share > 0.0);

        group.bench_function(name, |bencher| bencher.iter(|| run(&mut out)));
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
