//! The toy provider in the stream: events in, annotated events out, by the real pipeline.

use std::{
    io::{BufReader, Write},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;
use sidelight::{
    budget::Budget,
    cache::{self, Cache},
    enrich::{Parts, Setup},
    extract::Extractor,
    gate::{Gate, Tlp},
    model::{IndicatorKind, SystemClock},
    pipeline::{Blocks, Config, Order, Pipeline, Sink},
    provider::{Breaker, VIRUSTOTAL},
    score,
    simulator::{Class, Simulator, SimulatorConfig, Truths},
    stdio::{LineSink, feed},
    telemetry::Metrics,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    provider_support::{build, config},
    provider_toy, provider_toy_face,
    support::{e2e::json_lines, kafka::eventually},
};

/// A writer that others can look into.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn events_are_annotated_with_what_it_says() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let truths = Truths {
        seed: 0,
        overrides: [
            ("evil-site.com", Class::Malicious),
            ("shop-1.com", Class::Clean),
            ("never-met.com", Class::Unknown),
            ("45.83.12.7", Class::Malicious),
        ]
        .map(|(value, class)| (value.to_owned(), class))
        .into(),
    };
    let simulated =
        SimulatorConfig { truths: truths.clone(), faces: vec![provider_toy_face::FACE], ..Default::default() };
    let handle = runtime.block_on(async { Simulator::bind(simulated).await.and_then(Simulator::spawn).unwrap() });

    let (clock, metrics) = (SystemClock::shared(), Metrics::new());
    let cache = Cache::new(&cache::Config::default(), Arc::clone(&clock));
    let setup = |id| Setup {
        provider: build(id, config(&handle.base_url(id))),
        budget: Budget::new("1000/s".parse().unwrap(), None, 0.0, Arc::clone(&clock)),
        breaker: Breaker::new(Arc::clone(&clock), Box::new(|| 0.0)),
        max_in_flight: 8,
        max_tlp: Tlp::Green,
    };
    let deadline = Duration::from_secs(30);
    let enrich = Parts {
        providers: vec![setup(VIRUSTOTAL), setup(provider_toy::ID)],
        // What `weight = 40` in its table would be.
        score: score::Config { weights: vec![(provider_toy::ID, 40.0)], ..score::Config::default() },
        deadline,
        late_for: Duration::from_secs(3_600),
        ..Parts::none(&cache, &clock, &metrics)
    };
    let pipeline = Pipeline::build(Blocks {
        config: Config { deadline, order: Order::Partition, shards: 1, ..Config::default() },
        extractor: Arc::new(Extractor::new(&sidelight::extract::Config::default())),
        gate: Arc::new(Gate::new(&sidelight::gate::Config::default())),
        cache,
        enrich,
        clock,
        metrics,
    });
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    pipeline.enricher().spawn(&tasks, runtime.handle(), &stop);
    let written = Written::default();
    let sink = Arc::new(LineSink::new(Box::new(written.clone()), pipeline.delivered()));
    let running = pipeline.spawn(Arc::clone(&sink) as Arc<dyn Sink>).unwrap();
    let (gauge, mut intake) = (running.gauge(), running.intake());
    let events = concat!(
        r#"{"dns":{"question":{"name":"evil-site.com"}}}"#,
        "\n",
        r#"{"dns":{"question":{"name":"shop-1.com"}}}"#,
        "\n",
        r#"{"dns":{"question":{"name":"never-met.com"}}}"#,
        "\n",
        r#"{"destination":{"ip":"45.83.12.7"}}"#,
        "\n",
        r#"{"dns":{"question":{"name":"evil-site.com"}}}"#,
        "\n",
    );
    feed(&mut BufReader::new(events.as_bytes()), &mut intake).unwrap();
    eventually("all have left", || gauge.moving().records == 0);
    running.drain(Duration::from_secs(10));

    let text = String::from_utf8(written.0.lock().clone()).unwrap();
    let lines = json_lines(&text);
    assert_eq!(lines.len(), 5, "{text}");
    let rows = [
        (IndicatorKind::Domain, "evil-site.com", "found", Some(true)),
        (IndicatorKind::Domain, "shop-1.com", "clean", Some(false)),
        (IndicatorKind::Domain, "never-met.com", "not_found", None),
        (IndicatorKind::Ipv4, "45.83.12.7", "found", Some(true)),
        (IndicatorKind::Domain, "evil-site.com", "found", Some(true)),
    ];
    for (line, (kind, value, outcome, listed)) in lines.iter().zip(rows) {
        let said = &line["sidelight"]["indicators"][0];
        assert_eq!((&said["ioc_value"], &said["status"]), (&value.into(), &"complete".into()), "{said}");
        let source = &said["sources"][1];
        assert_eq!((&source["provider"], &source["outcome"]), (&"toy".into(), &outcome.into()), "{said}");
        assert_eq!(said.get("toy_listed").and_then(Value::as_bool), listed, "{said}");
        let truth = truths.of(kind, value);
        let share = f64::from(truth.vt_malicious) / f64::from(truth.vt_total().max(1));
        let score = match (kind, listed) {
            (_, None) => None,
            (_, Some(false)) => Some(0.0),
            // Added to the terms of an address; the best of its sort beside that of VirusTotal for a name. Both weigh 60 and 40.
            (_, Some(true)) => Some(share * 60.0 + 40.0),
        };
        let near = match (said.get("confidence_score").and_then(Value::as_f64), score) {
            (Some(said), Some(score)) => (said - score).abs() <= 0.0501,
            (said, score) => said == score,
        };
        assert!(near, "{score:?}: {said}");
        if listed == Some(true) {
            assert_eq!(source["reference"], format!("https://toy.example/subject/{value}"), "{said}");
            assert_eq!((&said["toy_why"], &said["toy_since"]), (&"sample".into(), &"2026-10-05T07:00:00Z".into()));
        }
    }
    // Once for each indicator, however many events carry it.
    let asked = handle.log().into_iter().filter(|call| call.provider == provider_toy::ID).count();
    assert_eq!(asked, 4);
    stop.cancel();
    runtime.block_on(handle.shutdown());
}
