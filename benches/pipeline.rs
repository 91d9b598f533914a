//! One event through the pipeline: extract, gate, cache, annotate, headers, offsets; everything but Kafka itself.
//!
//! A thousand events of 640 bytes with six indicators each, all known, through one shard and a sink that takes and reports at once.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up fails")]

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sidelight::{
    app::Engine,
    bench::{Recipe, event, know},
    config::{self, FixedEnvironment},
    enrich::Dice,
    extract::Extraction,
    model::{Body, Origin, Record, SystemClock},
    pipeline::{Assigned, Delivered, Intake as _, Outgoing, SendError, Sink, Token},
};

const EVENTS: usize = 1_000;

struct Null {
    delivered: Arc<dyn Delivered>,
    complete: AtomicU64,
}

impl Sink for Null {
    fn send(&self, out: &Outgoing<'_>, token: Token) -> Result<(), SendError> {
        let status = out.headers.iter().find(|header| header.name == "sidelight-status");
        if status.and_then(|header| header.value) == Some(b"complete") {
            self.complete.fetch_add(1, Ordering::Relaxed);
        }
        black_box(out.payload);
        self.delivered.delivered(token, Ok(()));
        Ok(())
    }
}

fn pipeline(c: &mut Criterion) {
    let text = "[kafka]\nbrokers = \"127.0.0.1:1\"\n[input]\ntopics = [\"in\"]\n[output]\ntopic = \"out\"\n\
                [providers.virustotal]\napi_key = { env = \"KEY\" }\n[providers.abuseipdb]\napi_key = { env = \"KEY\" }\n";
    let mut config = config::parse("bench.toml", text, &FixedEnvironment::new([("KEY", "key")])).unwrap().config;
    config.pipeline.shards = 1;
    let (engine, pipeline) = Engine::build(&config, SystemClock::shared()).unwrap();
    let mut dice = Dice::new(1);
    let recipe = Recipe::new(&mut dice, 1_000, 640);
    let events: Vec<Vec<u8>> = (0..EVENTS).map(|n| event(&recipe, &mut dice, n as u64).into()).collect();
    let mut extraction = Extraction::default();
    for event in &events {
        engine.extractor.extract(event, &mut extraction);
        for indicator in extraction.iter().filter_map(|sighted| sighted.indicator()) {
            let mut buffer = String::new();
            let subject = engine.gate.subject(indicator, &mut buffer).to_owned();
            know(&subject, &config, &engine);
        }
    }
    let sink = Arc::new(Null { delivered: pipeline.delivered(), complete: AtomicU64::new(0) });
    let running = pipeline.spawn(Arc::clone(&sink) as Arc<dyn Sink>).unwrap();
    let gauge = running.gauge();
    let mut intake = running.intake();
    let topic: Arc<str> = "in".into();
    let metadata = String::new();
    intake.assigned(Assigned { topic: Arc::clone(&topic), partition: 0, epoch: 1, metadata, committed: None });
    let mut offset = 0;
    let mut round = || {
        let records = events.iter().map(|payload| {
            offset += 1;
            Record {
                origin: Origin { topic: Arc::clone(&topic), partition: 0, offset },
                body: Body::new(Some(payload), Some(&payload[..8]), 0),
                timestamp: Some(1_795_000_000_000),
                epoch: 1,
            }
        });
        intake.records(records.collect());
        while gauge.moving().records > 0 {
            std::hint::spin_loop();
        }
    };
    round();
    assert_eq!(sink.complete.load(Ordering::Relaxed), EVENTS as u64, "every event is known and annotated");
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("1,000 known events of 640 bytes with 6 indicators", |b| b.iter(&mut round));
    group.finish();
    running.drain(Duration::from_secs(1));
    engine.shutdown();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
