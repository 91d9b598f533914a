//! Topics at start: waits for the brokers, checks the input topics, creates the output topics that are missing.
//!
//! Nothing is created before every input topic was found, so that a start with a wrong name leaves no trace.

use std::{
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError as ClientError, RDKafkaErrorCode as Code},
};
use tracing::{info, warn};

use super::{Config, KafkaError, Partitioning, log::Limiter, properties, wait::wait_for};
use crate::state::{Cleanup, LogSpec};

/// Longest single request.
const REQUEST: Duration = Duration::from_secs(5);
/// How long a topic may stay unknown before it counts as missing: metadata spreads within this time.
const SPREAD: Duration = Duration::from_secs(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// Events of the client library that are looked at after a failure; there are a few per second.
const EVENTS: usize = 100;
/// Kafka's default for `max.message.bytes`, a little over 1 MiB; taken where the topic's own cannot be read.
const DEFAULT_LIMIT: usize = 1_048_588;
/// The setting of a topic that says so.
const LIMIT: &str = "max.message.bytes";
/// The setting of a topic that decides whose time its records carry.
const TIME: &str = "message.timestamp.type";
const APPEND_TIME: &str = "LogAppendTime";
/// Room for the headers that a dead letter gets.
const DEAD_LETTER_HEADERS: usize = 64 << 10;

/// What was found out about the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topics {
    /// Input topics and their numbers of partitions.
    pub(super) inputs: Vec<(String, usize)>,
    /// Partitions of the output topic.
    pub(super) output_partitions: usize,
    /// Partitions of the late topic.
    pub(super) late_partitions: usize,
    /// Smallest `max.message.bytes` of the topics that are written: the largest batch that all of them take.
    pub(super) smallest_limit: usize,
    /// `max.message.bytes` of the output topic, where it can be read.
    pub(super) output_limit: Option<usize>,
}

/// Keeps the last error, and whether the credentials were refused.
#[derive(Debug, Default)]
struct StartContext {
    limiter: Limiter,
    last: Mutex<Option<(Code, String)>>,
}

impl ConsumerContext for StartContext {}

impl ClientContext for StartContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.limiter.library("admin", level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        let mut last = self.last.lock();
        // "All brokers are down" follows the reason for it, which says more.
        if code != Code::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }
}

enum Lookup {
    Partitions(usize),
    Unknown,
    NotYet(String),
}

struct Start<'a> {
    config: &'a Config,
    /// A consumer: it reports its errors, and looking a topic up never creates it.
    client: BaseConsumer<StartContext>,
    admin: AdminClient<StartContext>,
    began: Instant,
}

/// Waits for the brokers and makes sure of the topics. Blocks up to `start_timeout` and a few seconds.
pub(super) fn prepare(config: &Config) -> Result<Topics, KafkaError> {
    let start = Start::connect(config)?;
    let mut inputs = Vec::with_capacity(config.topics.len());
    for topic in &config.topics {
        let partitions =
            start.find(topic, SPREAD.min(config.start_timeout))?.ok_or_else(|| KafkaError::MissingTopic {
                role: "input",
                topic: topic.clone(),
                advice: "create it or correct input.topics",
            })?;
        inputs.push((topic.clone(), partitions));
    }
    let widest = inputs.iter().map(|(_, partitions)| *partitions).max().unwrap_or(1);
    let output_partitions = start.ensure("output", &config.output_topic, widest, None)?;
    let late_partitions = start.ensure("late", &config.late_topic, widest, None)?;
    let limit = start.dead_letter_limit();
    start.ensure("dead-letter", &config.dlq_topic, 1, Some(limit))?;
    if config.partitioning == Partitioning::Same {
        for (role, topic, has) in
            [("output", &config.output_topic, output_partitions), ("late", &config.late_topic, late_partitions)]
        {
            if has < widest {
                return Err(KafkaError::TooFewPartitions { role, topic: topic.clone(), has, needs: widest });
            }
        }
    }
    let output_limit = start.limits(&[&config.output_topic]).first().copied();
    let smallest_limit = start.smallest_limit();
    Ok(Topics { inputs, output_partitions, late_partitions, smallest_limit, output_limit })
}

/// A topic as [`Kafka::examine`](super::Kafka::examine) finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// "input", "output", "late" or "dead-letter".
    pub role: &'static str,
    /// Its name.
    pub topic: String,
    /// Its partitions; `None` where it does not exist.
    pub partitions: Option<usize>,
}

/// Looks for the brokers and the topics; changes nothing.
pub(super) fn examine(config: &Config) -> Result<Vec<TopicState>, KafkaError> {
    let start = Start::connect(config)?;
    let inputs = config.topics.iter().map(|topic| ("input", topic));
    let outputs = [("output", &config.output_topic), ("late", &config.late_topic), ("dead-letter", &config.dlq_topic)];
    let look = |(role, topic): (&'static str, &String)| {
        Ok(TopicState { role, topic: topic.clone(), partitions: start.find(topic, Duration::ZERO)? })
    };
    inputs.chain(outputs).map(look).collect()
}

/// Creates these topics where they are missing. Waits for the brokers as [`prepare`] does.
pub(super) fn create(config: &Config, topics: &[(&str, usize)]) -> Result<(), KafkaError> {
    let start = Start::connect(config)?;
    topics.iter().try_for_each(|(topic, partitions)| start.ensure("benchmark", topic, *partitions, None).map(drop))
}

/// Makes sure of the topic of a log of state; its number of partitions. Waits for the brokers as [`prepare`] does.
pub(super) fn ensure_log(config: &Config, spec: &LogSpec) -> Result<usize, KafkaError> {
    let start = Start::connect(config)?;
    let mut settings = match spec.cleanup {
        // Only closed segments are compacted: with the brokers' defaults (1 GiB, a week) a reader would go through all that was ever written.
        Cleanup::Compact => vec![
            ("cleanup.policy", "compact".to_owned()),
            ("segment.bytes", (32 << 20).to_string()),
            ("segment.ms", (3600 * 1000).to_string()),
        ],
        Cleanup::Delete { keep, bytes } => {
            let mut settings =
                vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", keep.as_millis().to_string())];
            if let Some(bytes) = bytes {
                // Whole segments are deleted; there have to be some.
                settings.push(("retention.bytes", bytes.to_string()));
                settings.push(("segment.bytes", (bytes / 4).max(1 << 20).to_string()));
            }
            settings
        }
    };
    if spec.append_time {
        settings.push((TIME, APPEND_TIME.to_owned()));
    }
    let partitions = start.ensure_with(spec.role, &spec.name, spec.partitions, &settings)?;
    if spec.append_time && start.has_setting(&spec.name, TIME, APPEND_TIME) == Some(false) {
        let topic = spec.name.clone();
        return Err(KafkaError::TopicSetting { role: spec.role, topic, name: TIME, wanted: APPEND_TIME });
    }
    if spec.cleanup == Cleanup::Compact && start.has_setting(&spec.name, "cleanup.policy", "compact") == Some(false) {
        warn!(
            topic = spec.name,
            role = spec.role,
            "the topic is not compacted: what it holds is forgotten after its retention"
        );
    }
    Ok(partitions)
}

/// Deletes these topics; those that are missing already are no error.
pub(super) fn delete(config: &Config, topics: &[&str]) -> Result<(), KafkaError> {
    let start = Start::connect(config)?;
    let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(20)));
    let results = wait_for(start.admin.delete_topics(topics, &options));
    results.map(drop).map_err(|error| KafkaError::Settings(error.to_string()))
}

impl<'a> Start<'a> {
    fn connect(config: &'a Config) -> Result<Self, KafkaError> {
        let refused = |error: ClientError| KafkaError::Settings(error.to_string());
        let settings = properties::admin(config);
        let client = settings.create_with_context(StartContext::default()).map_err(refused)?;
        let admin = settings.create_with_context(StartContext::default()).map_err(refused)?;
        Ok(Self { config, client, admin, began: Instant::now() })
    }

    /// Number of partitions; `None` when the brokers have not known the topic for this long.
    fn find(&self, topic: &str, patience: Duration) -> Result<Option<usize>, KafkaError> {
        let mut unknown_since = None;
        loop {
            match self.look_up(topic)? {
                Lookup::Partitions(count) => return Ok(Some(count)),
                Lookup::Unknown => {
                    if unknown_since.get_or_insert_with(Instant::now).elapsed() >= patience {
                        return Ok(None);
                    }
                }
                Lookup::NotYet(reason) => {
                    if self.began.elapsed() >= self.config.start_timeout {
                        return Err(self.unreachable(reason));
                    }
                }
            }
            thread::sleep(PAUSE);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "every other code may pass")]
    fn look_up(&self, topic: &str) -> Result<Lookup, KafkaError> {
        let left = self.config.start_timeout.saturating_sub(self.began.elapsed());
        let timeout = left.clamp(Duration::from_millis(200), REQUEST);
        let code = match self.client.fetch_metadata(Some(topic), timeout) {
            Ok(metadata) => match metadata.topics().iter().find(|t| t.name() == topic) {
                None => return Ok(Lookup::Unknown),
                Some(found) => match found.error() {
                    None if found.partitions().is_empty() => return Ok(Lookup::Unknown),
                    None => return Ok(Lookup::Partitions(found.partitions().len())),
                    Some(error) => Code::from(error),
                },
            },
            Err(error) => {
                // What went wrong is told by events, among others that a poll only swallows.
                for _ in 0..EVENTS {
                    self.client.poll(Duration::ZERO);
                }
                if let Some((Code::Authentication | Code::SaslAuthenticationFailed, reason)) =
                    self.client.context().last.lock().clone()
                {
                    return Err(KafkaError::Authentication { brokers: self.config.brokers.clone(), reason });
                }
                return Ok(Lookup::NotYet(error.to_string()));
            }
        };
        match code {
            Code::UnknownTopicOrPartition | Code::UnknownTopic => Ok(Lookup::Unknown),
            Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                Err(KafkaError::Forbidden { what: format!("describe topic '{topic}'"), reason: code.to_string() })
            }
            Code::InvalidTopic => Err(KafkaError::Settings(format!("'{topic}' is no name of a topic"))),
            other => Ok(Lookup::NotYet(format!("topic '{topic}': {other}"))),
        }
    }

    fn unreachable(&self, reason: String) -> KafkaError {
        let seen = self.client.context().last.lock().clone();
        KafkaError::Unreachable {
            brokers: self.config.brokers.clone(),
            waited: self.config.start_timeout,
            reason: seen.map_or(reason, |(_, text)| text),
        }
    }

    /// Makes sure of a topic. One that is created takes batches up to `limit` bytes, or what the brokers say by default.
    fn ensure(
        &self,
        role: &'static str,
        topic: &str,
        partitions: usize,
        limit: Option<usize>,
    ) -> Result<usize, KafkaError> {
        let settings: Vec<_> = limit.into_iter().map(|bytes| (LIMIT, bytes.to_string())).collect();
        self.ensure_with(role, topic, partitions, &settings)
    }

    /// Makes sure of a topic. One that is created gets these settings.
    fn ensure_with(
        &self,
        role: &'static str,
        topic: &str,
        partitions: usize,
        settings: &[(&str, String)],
    ) -> Result<usize, KafkaError> {
        // One that is about to appear is no harm to create.
        let patience = if self.config.create_topics { Duration::ZERO } else { SPREAD };
        if let Some(count) = self.find(topic, patience)? {
            return Ok(count);
        }
        if !self.config.create_topics {
            let advice = "create it or set state.create_topics";
            return Err(KafkaError::MissingTopic { role, topic: topic.to_owned(), advice });
        }
        let failed = |reason: String| KafkaError::TopicCreation { role, topic: topic.to_owned(), reason };
        let count = i32::try_from(partitions).map_err(|_| failed(format!("{partitions} partitions")))?;
        let mut new = NewTopic::new(topic, count, TopicReplication::Fixed(self.config.replication_factor));
        for (name, value) in settings {
            new = new.set(name, value);
        }
        let options = AdminOptions::new()
            .request_timeout(Some(Duration::from_secs(20)))
            .operation_timeout(Some(Duration::from_secs(15)));
        let results = wait_for(self.admin.create_topics([&new], &options)).map_err(|e| failed(e.to_string()))?;
        for result in results {
            match result {
                // Another replica may have been faster.
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(failed(code.to_string())),
            }
        }
        info!(topic, role, partitions, "created topic");
        self.find(topic, Duration::from_secs(15))?.ok_or_else(|| failed("it does not appear".to_owned()))
    }

    /// Whether a topic that is there has this setting; unknown where it cannot be read.
    fn has_setting(&self, topic: &str, name: &str, wanted: &str) -> Option<bool> {
        if !self.config.probe_limits {
            return None;
        }
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(2)));
        let described = wait_for(self.admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options)).ok()?;
        let resource = described.into_iter().find_map(Result::ok)?;
        let value = resource.get(name)?.value.clone()?;
        Some(value.split(',').any(|part| part.trim() == wanted))
    }

    fn smallest_limit(&self) -> usize {
        let config = self.config;
        let topics = [&config.output_topic, &config.late_topic, &config.dlq_topic];
        self.limits(&topics.map(String::as_str)).into_iter().min().unwrap_or(DEFAULT_LIMIT)
    }

    /// What a dead-letter topic has to take: whatever the input topics took, with the headers that say why.
    fn dead_letter_limit(&self) -> usize {
        let inputs: Vec<&str> = self.config.topics.iter().map(String::as_str).collect();
        self.limits(&inputs).into_iter().max().unwrap_or(DEFAULT_LIMIT).max(DEFAULT_LIMIT) + DEAD_LETTER_HEADERS
    }

    /// `max.message.bytes` of these topics, as far as it can be read.
    fn limits(&self, topics: &[&str]) -> Vec<usize> {
        if !self.config.probe_limits {
            return Vec::new();
        }
        let resources: Vec<_> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(2)));
        match wait_for(self.admin.describe_configs(&resources, &options)) {
            Ok(described) => described
                .into_iter()
                .filter_map(Result::ok)
                .filter_map(|resource| resource.get(LIMIT)?.value.as_ref()?.parse().ok())
                .collect(),
            Err(error) => {
                // Batches become smaller than they could be: a principal without this right works as well.
                warn!(%error, "could not read max.message.bytes of the topics, taking the default");
                Vec::new()
            }
        }
    }
}
