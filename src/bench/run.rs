//! The three steps of the capacity test.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    app::{Engine, EngineError},
    bench::{Options, Outcome, Recipe, Row, cpu, event},
    cache::Entry,
    config::{self, Config, ConfigErrors, FixedEnvironment},
    enrich::Dice,
    extract::Extraction,
    kafka::{Kafka, KafkaError, Partitioning, pass_through},
    model::{Evidence, Fact, Indicator, SharedClock, Source, SystemClock, Verdict, VerdictKind},
    pipeline::{Delivered, DeliveryFailure, Destination, OutHeader, Outgoing, SendError, Sink, Token},
    provider::{ABUSEIPDB, VIRUSTOTAL},
    score,
    simulator::{Handle, ServiceConfig, Simulator, SimulatorConfig},
};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The configuration that the test writes for itself.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// Threads, sockets, the second process.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
    /// The pipeline did not finish.
    #[error("{0}")]
    Stuck(String),
}

/// Longest time for one step without an end.
const PATIENCE: Duration = Duration::from_secs(600);

struct Broker {
    bootstrap: String,
    child: Option<Child>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It ends by itself when its standard input closes; this is for the case that it hangs.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Broker {
    fn start(options: &Options, topics: &[String]) -> Result<Self, BenchError> {
        if let Some(bootstrap) = &options.brokers {
            return Ok(Self { bootstrap: bootstrap.clone(), child: None });
        }
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "--serve-mock", &options.partitions.to_string()])
            .args(topics)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        Ok(Self { bootstrap: line.trim().to_owned(), child: Some(child) })
    }
}

/// Measures. `tell` hears what is being done.
///
/// # Errors
/// [`BenchError`].
pub fn run(options: &Options, tell: &mut dyn FnMut(&str)) -> Result<Outcome, BenchError> {
    let clock = SystemClock::shared();
    let run = format!("sidelight-bench-{}", clock.wall_ms());
    let name = |part: &str| format!("{run}.{part}");
    let topics = [name("in"), name("bare"), name("out"), name("late"), name("dlq")];
    let broker = Broker::start(options, &topics)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let simulator = runtime.block_on(simulate(options))?;
    let config = configure(options, &broker.bootstrap, &topics, &simulator)?;
    let partitions = usize::try_from(options.partitions).unwrap_or(1);
    if options.brokers.is_some() {
        let named: Vec<(&str, usize)> = topics.iter().map(|topic| (topic.as_str(), partitions)).collect();
        let creating = crate::kafka::Config { create_topics: true, ..config.kafka.clone() };
        Kafka::create_topics(&creating, &named)?;
    }
    let measured = measure(options, &config, &topics, &clock, tell);
    if options.brokers.is_some() {
        Kafka::delete_topics(&config.kafka, &topics.each_ref().map(String::as_str))?;
    }
    let mut outcome = measured?;
    outcome.provider_calls = simulator.stats().providers.values().map(|service| service.calls).sum();
    outcome.broker = options.brokers.clone().unwrap_or_else(|| "mock cluster in a second process".to_owned());
    runtime.block_on(simulator.shutdown());
    Ok(outcome)
}

async fn simulate(options: &Options) -> std::io::Result<Handle> {
    let service = ServiceConfig { latency: Duration::from_millis(options.latency_ms), ..ServiceConfig::default() };
    let services = vec![(VIRUSTOTAL, service.clone()), (ABUSEIPDB, service)];
    Simulator::bind(SimulatorConfig { services, ..SimulatorConfig::default() }).await?.spawn()
}

fn configure(
    options: &Options,
    bootstrap: &str,
    [input, _, output, late, dead]: &[String; 5],
    simulator: &Handle,
) -> Result<Config, BenchError> {
    let mut text = format!(
        "[kafka]\nbrokers = \"{bootstrap}\"\ngroup_id = \"{input}\"\n[input]\ntopics = [\"{input}\"]\n\
         [output]\ntopic = \"{output}\"\nlate_topic = \"{late}\"\ndlq_topic = \"{dead}\"\n[state]\ncreate_topics = false\n"
    );
    for provider in [VIRUSTOTAL, ABUSEIPDB] {
        let base = simulator.base_url(provider);
        text += &format!(
            "[providers.{provider}]\napi_key = {{ env = \"KEY\" }}\nbase_url = \"{base}\"\nquota = \"1000000/s\"\n"
        );
    }
    let mut config = config::parse("bench.toml", &text, &FixedEnvironment::new([("KEY", "bench")]))?.config;
    config.kafka.properties.clone_from(&options.properties);
    config.kafka.guarantee = options.guarantee;
    config.pipeline.exactly_once = options.guarantee == crate::kafka::Guarantee::ExactlyOnce;
    config.kafka.probe_limits = options.brokers.is_some();
    if let Some(shards) = options.shards {
        config.pipeline.shards = shards;
    }
    Ok(config)
}

fn measure(
    options: &Options,
    config: &Config,
    [_, bare, ..]: &[String; 5],
    clock: &SharedClock,
    tell: &mut dyn FnMut(&str),
) -> Result<Outcome, BenchError> {
    let mut dice = Dice::new(1);
    let recipe = Recipe::new(&mut dice, options.values, options.size);
    let (engine, pipeline) = Engine::build(config, Arc::clone(clock))?;
    tell("filling the input topic");
    let filled = fill(options, config, &recipe, &mut dice, &engine, clock)?;

    tell("bare pass-through");
    let mut to_bare = config.kafka.clone();
    to_bare.output_topic.clone_from(bare);
    let before = cpu::seconds();
    let passed = pass_through(&to_bare, options.partitions, options.events)?;
    let pass = Row::new(passed.records, passed.length.as_secs_f64(), cpu::seconds() - before);

    tell("annotating");
    let kafka = Kafka::connect(config.kafka.clone(), Arc::clone(clock))?;
    let sink = kafka.sink(pipeline.delivered())?;
    let running = pipeline.spawn(Arc::clone(&sink) as Arc<dyn Sink>)?;
    let gauge = running.gauge();
    let source = kafka.source_before(&sink, Box::new(running.intake()))?;
    let consumed = || engine.metrics.summary().consumed;
    let end = Instant::now() + PATIENCE;
    while consumed() == 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (begun, before) = (Instant::now(), cpu::seconds());
    let over = || consumed() >= options.events && gauge.moving().records == 0;
    while !over() {
        if Instant::now() > end || source.is_finished() || gauge.failure().is_some() {
            let reason = gauge.failure().unwrap_or_else(|| "the pipeline did not finish".to_owned());
            return Err(BenchError::Stuck(reason));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let annotated = Row::new(options.events, begun.elapsed().as_secs_f64(), cpu::seconds() - before);
    source.stop();
    source.join()?;
    running.drain(Duration::from_secs(30));
    let summary = engine.metrics.summary();
    let looked: u64 = summary.cache.values().sum();
    let hits: u64 = ["hit", "negative"].iter().filter_map(|result| summary.cache.get(result)).sum();
    engine.shutdown();
    Ok(Outcome {
        event_bytes: filled.bytes as f64 / options.events.max(1) as f64,
        indicators_per_event: summary.extracted.values().sum::<u64>() as f64 / options.events.max(1) as f64,
        hit_ratio: hits as f64 / looked.max(1) as f64,
        pass_through: pass,
        annotated,
        ratio: annotated.events_per_second / pass.events_per_second,
        by_status: summary.produced,
        provider_calls: 0,
        guarantee: options.guarantee.as_str(),
        broker: String::new(),
    })
}

struct Filled {
    bytes: u64,
}

/// Nobody waits for the reports one by one.
struct Unheard;

impl Delivered for Unheard {
    fn delivered(&self, _token: Token, _result: Result<(), DeliveryFailure>) {}
}

/// Writes the events to the input topic, and their indicators to the cache as far as they shall be known.
fn fill(
    options: &Options,
    config: &Config,
    recipe: &Recipe,
    dice: &mut Dice,
    engine: &Engine,
    clock: &SharedClock,
) -> Result<Filled, BenchError> {
    let mut to_input = config.kafka.clone();
    to_input.guarantee = crate::kafka::Guarantee::AtLeastOnce;
    to_input.output_topic = config.kafka.topics.first().cloned().unwrap_or_default();
    to_input.partitioning = Partitioning::Key;
    let sink = Kafka::connect(to_input, Arc::clone(clock))?.sink(Arc::new(Unheard))?;
    let mut extraction = Extraction::default();
    let mut decided = BTreeSet::new();
    let mut bytes = 0;
    for serial in 0..options.events {
        let event = event(recipe, dice, serial);
        engine.extractor.extract(event.as_bytes(), &mut extraction);
        for indicator in extraction.iter().filter_map(|sighted| sighted.indicator()) {
            let mut buffer = String::new();
            let subject = engine.gate.subject(indicator, &mut buffer).to_owned();
            if decided.insert((subject.kind, Arc::clone(&subject.value))) && dice.share() < options.hits {
                know(&subject, config, engine);
            }
        }
        bytes += event.len() as u64;
        let key = format!("host-{:03}", serial % 997);
        let headers = [
            OutHeader { name: "source", value: Some(b"proxy-eu-1") },
            OutHeader { name: "traceparent", value: Some(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") },
        ];
        let out = Outgoing {
            destination: Destination::Output,
            partition: i32::try_from(serial % u64::try_from(options.partitions).unwrap_or(1)).ok(),
            key: Some(key.as_bytes()),
            payload: Some(event.as_bytes()),
            headers: &headers,
            timestamp: None,
        };
        while let Err(refused) = sink.send(&out, Token(0)) {
            if refused != SendError::Full {
                return Err(BenchError::Stuck(refused.to_string()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    if sink.flush(PATIENCE) > 0 {
        return Err(BenchError::Stuck("the input topic could not be filled".to_owned()));
    }
    Ok(Filled { bytes })
}

/// Puts a complete assessment of an indicator into the cache: one in a hundred malicious.
pub fn know(indicator: &Indicator, config: &Config, engine: &Engine) {
    let bad = indicator.value.bytes().map(u64::from).sum::<u64>() % 100 == 0;
    let verdict = |evidence: Evidence| {
        let kind = if bad { VerdictKind::Found } else { VerdictKind::Clean };
        crate::model::Answer::Verdict(Verdict { kind, evidence, answered_at: engine.clock.wall_ms() })
    };
    let virustotal = Evidence {
        share: Some(if bad { 0.6 } else { 0.0 }),
        facts: vec![("vt_malicious", Fact::Int(if bad { 54 } else { 0 })), ("vt_total", Fact::Int(90))],
        reference: Some("https://www.virustotal.com/gui/search/x".into()),
        ..Evidence::default()
    };
    let mut sources = vec![Source { provider: VIRUSTOTAL, answer: verdict(virustotal), stale: false }];
    if indicator.kind.is_ip() {
        let abuseipdb = Evidence {
            share: Some(if bad { 0.9 } else { 0.0 }),
            facts: vec![("abuse_confidence", Fact::Int(if bad { 90 } else { 0 }))],
            reference: Some("https://www.abuseipdb.com/check/x".into()),
            ..Evidence::default()
        };
        sources.push(Source { provider: ABUSEIPDB, answer: verdict(abuseipdb), stale: false });
    }
    let assessment = score::assess(indicator.kind, sources, &config.score);
    let entry = Entry::of_now(indicator, assessment, engine.clock.monotonic(), &config.cache);
    engine.cache.insert(indicator.clone(), Arc::new(entry));
}
