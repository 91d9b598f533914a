//! What the demo needs around the daemon: a broker, the providers, a producer of events.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{self, Config, ConfigErrors, FixedEnvironment},
    demo::{DemoError, Options, stream::Made},
    kafka::{self, Kafka, KafkaError, KafkaSink, MockBroker, OffsetReset, OnGap, Partitioning},
    model::SharedClock,
    pipeline::{Delivered, DeliveryFailure, Destination, Outgoing, SendError, Sink, Token},
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{Class, Handle, ServiceConfig, Simulator, SimulatorConfig, Truths},
};

pub(super) const INPUT: &str = "siem.events";
pub(super) const OUTPUT: &str = "siem.events.enriched";
pub(super) const LATE: &str = "siem.events.late";
const DEAD: &str = "siem.events.dlq";
/// As `state.prefix` names it by default.
const LEDGER: &str = "siem.events.sidelight.ledger";
const PENDING: &str = "siem.events.sidelight.pending";
const ASSESSMENTS: &str = "siem.events.sidelight.assessments";
const PARTITIONS: i32 = 12;

/// Quotas of the demo: tight enough that triage and late annotations have something to do.
const QUOTAS: [(&str, &str); 2] = [("virustotal", "600/min"), ("abuseipdb", "300/min")];
const KEY: &str = "demo-key-demo-key-demo-key";

/// Broker and providers.
#[derive(Debug)]
pub(super) struct Stage {
    broker: MockBroker,
    runtime: tokio::runtime::Runtime,
    simulator: Handle,
}

impl Stage {
    pub(super) fn set(options: &Options, threats: &[String]) -> Result<Self, DemoError> {
        let broker = MockBroker::start(&[
            (INPUT, PARTITIONS),
            (OUTPUT, PARTITIONS),
            (LATE, PARTITIONS),
            (DEAD, 1),
            (LEDGER, 1),
            (ASSESSMENTS, 4),
            (PENDING, PARTITIONS),
        ])?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("simulator")
            .enable_all()
            .build()?;
        let service = |quota: &str| ServiceConfig {
            key: Some(KEY.to_owned()),
            quota: quota.parse().ok(),
            latency: Duration::from_millis(60),
            jitter: Duration::from_millis(120),
        };
        let overrides = threats.iter().map(|value| (without_query(value), Class::Malicious)).collect();
        let config = SimulatorConfig {
            truths: Truths { seed: options.seed, overrides },
            services: vec![(VIRUSTOTAL, service(QUOTAS[0].1)), (ABUSEIPDB, service(QUOTAS[1].1))],
            ..SimulatorConfig::default()
        };
        let simulator = runtime.block_on(async { Simulator::bind(config).await?.spawn() })?;
        Ok(Self { broker, runtime, simulator })
    }

    pub(super) fn bootstrap(&self) -> String {
        self.broker.bootstrap()
    }

    /// The daemon's configuration, read from text as a user's is.
    pub(super) fn config(&self, options: &Options) -> Result<Config, ConfigErrors> {
        let mut text = format!(
            "[kafka]\nbrokers = \"{}\"\ngroup_id = \"sidelight-demo\"\n[input]\ntopics = [\"{INPUT}\"]\n\
             [output]\ntopic = \"{OUTPUT}\"\nlate_topic = \"{LATE}\"\ndlq_topic = \"{DEAD}\"\n[state]\ncreate_topics = false\n\
             [admin]\nlisten = \"{}\"\n",
            self.bootstrap(),
            options.listen
        );
        for (name, quota) in QUOTAS {
            let base = format!("http://{}/{name}", self.simulator.addr());
            text += &format!(
                "[providers.{name}]\napi_key = {{ env = \"DEMO_KEY\" }}\nbase_url = \"{base}\"\nquota = \"{quota}\"\n"
            );
        }
        let environment = FixedEnvironment::new([("DEMO_KEY", KEY)]);
        let mut config = config::parse("demo.toml", &text, &environment)?.config;
        config.kafka.probe_limits = false;
        Ok(config)
    }

    /// Calls and quota of each provider, and calls beyond the quota, as the simulator counted them.
    pub(super) fn calls(&self) -> (Vec<(String, u64, String)>, u64) {
        let stats = self.simulator.stats();
        let calls = QUOTAS.iter().map(|(name, quota)| {
            let calls = stats.providers.get(name).map_or(0, |service| service.calls);
            ((*name).to_owned(), calls, (*quota).to_owned())
        });
        let over =
            QUOTAS.iter().filter_map(|(name, _)| stats.providers.get(name)).map(|service| service.over_quota).sum();
        (calls.collect(), over)
    }

    pub(super) fn end(self) {
        self.runtime.block_on(self.simulator.shutdown());
        self.runtime.shutdown_background();
    }
}

/// What is sent of a URL: the simulator has to know it by that.
fn without_query(value: &str) -> String {
    value.split('?').next().unwrap_or(value).to_owned()
}

/// A Kafka configuration of the demo's own producer and reader.
pub(super) fn kafka_config(brokers: String, group: &str, topics: &[&str], output: &str) -> kafka::Config {
    kafka::Config {
        brokers,
        group_id: group.to_owned(),
        instance_id: group.to_owned(),
        static_membership: false,
        start_timeout: Duration::from_secs(20),
        properties: std::collections::BTreeMap::new(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        offset_reset: OffsetReset::Earliest,
        on_gap: OnGap::Continue,
        output_topic: output.to_owned(),
        late_topic: output.to_owned(),
        dlq_topic: output.to_owned(),
        partitioning: Partitioning::Key,
        guarantee: kafka::Guarantee::AtLeastOnce,
        transaction_interval: Duration::from_millis(200),
        commit_interval: Duration::from_secs(1),
        shutdown_timeout: Duration::from_secs(2),
        create_topics: false,
        replication_factor: -1,
        probe_limits: false,
    }
}

/// Nobody waits for the reports of the demo's own producer.
struct Unheard;

impl Delivered for Unheard {
    fn delivered(&self, _token: Token, _result: Result<(), DeliveryFailure>) {}
}

/// Sends events to the input topic.
pub(super) struct Feeder {
    sink: Arc<KafkaSink>,
}

impl Feeder {
    pub(super) fn connect(stage: &Stage, clock: &SharedClock) -> Result<Self, KafkaError> {
        let config = kafka_config(stage.bootstrap(), "demo-feeder", &[INPUT], INPUT);
        let kafka = Kafka::connect(config, Arc::clone(clock))?;
        Ok(Self { sink: kafka.sink(Arc::new(Unheard))? })
    }

    pub(super) fn send(&self, event: &Made) {
        let out = Outgoing {
            destination: Destination::Output,
            partition: None,
            key: Some(event.key.as_bytes()),
            payload: Some(event.payload.as_bytes()),
            headers: &[],
            timestamp: None,
        };
        while self.sink.send(&out, Token(0)) == Err(SendError::Full) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
