//! `sidelight check --online`: are the brokers and the providers there, and do they take us?
//!
//! Nothing is created and nothing is read; each key gets one call, one that costs nothing where the service has such a call. Keys are shown nowhere.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use anyhow::anyhow;

use crate::{
    cli::Outcome,
    config::Config,
    kafka::{Kafka, TopicState},
    model::{FailReason, SystemClock},
    provider::{self, Limit, LookupError, Provider},
};

/// A check does not wait for brokers as long as a start may.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(config: &Config) -> Outcome {
    let mut out = io::stdout().lock();
    let mut failures = brokers(config, &mut out)?;
    let clock = SystemClock::shared();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let clients = provider::build(&config.providers, &clock)?;
    for (provider, told) in runtime.block_on(ask_all(clients)) {
        match told {
            Ok(limits) => {
                let limits: Vec<String> = limits.iter().map(ToString::to_string).collect();
                let limits = if limits.is_empty() { String::new() } else { format!(" ({})", limits.join(", ")) };
                writeln!(out, "{provider}: ok{limits}")?;
            }
            Err(error) => {
                failures += 1;
                writeln!(out, "{provider}: failed: {}", explain(&error))?;
            }
        }
    }
    runtime.shutdown_background();
    match failures {
        0 => Ok(()),
        1 => Err(anyhow!("1 check failed").into()),
        more => Err(anyhow!("{more} checks failed").into()),
    }
}

/// Tries the brokers and the topics. How much is wrong.
fn brokers(config: &Config, out: &mut impl Write) -> io::Result<usize> {
    let mut kafka = config.kafka.clone();
    kafka.start_timeout = kafka.start_timeout.min(PATIENCE);
    let brokers = kafka.brokers.clone();
    let topics = match Kafka::examine(&kafka) {
        Ok(topics) => topics,
        Err(error) => {
            writeln!(out, "kafka: failed: {error}")?;
            return Ok(1);
        }
    };
    writeln!(out, "kafka: ok: {brokers}")?;
    let mut missing = 0;
    for TopicState { role, topic, partitions } in topics {
        match partitions {
            Some(count) => writeln!(out, "{role} topic {topic}: ok, {count} partitions")?,
            None if role != "input" && kafka.create_topics => {
                writeln!(out, "{role} topic {topic}: not there yet, `run` creates it")?;
            }
            None => {
                missing += 1;
                writeln!(out, "{role} topic {topic}: failed: it does not exist")?;
            }
        }
    }
    Ok(missing)
}

type Told = Result<Vec<Limit>, LookupError>;

/// The provider, and the key where it has a name.
fn name(client: &dyn Provider) -> String {
    client.key_name().map_or_else(|| client.id().to_string(), |key| format!("{} (key {key})", client.id()))
}

/// Asks all providers at the same time; in their order.
async fn ask_all(clients: Vec<Arc<dyn Provider>>) -> Vec<(String, Told)> {
    let tasks: Vec<_> =
        clients.into_iter().map(|client| (name(&*client), tokio::spawn(async move { client.prove().await }))).collect();
    let mut told = Vec::with_capacity(tasks.len());
    for (provider, task) in tasks {
        let ended = task.await;
        let gone = || LookupError::Failed { reason: FailReason::Connect, detail: "the check ended early".to_owned() };
        told.push((provider, ended.unwrap_or_else(|_| Err(gone()))));
    }
    told
}

fn explain(error: &LookupError) -> String {
    match error {
        LookupError::Throttled { retry_after, .. } => {
            let again =
                retry_after.map_or_else(String::new, |pause| format!(", it asks for a pause of {} s", pause.as_secs()));
            format!("throttled: the quota of the key is used up for now{again}")
        }
        LookupError::Failed { reason: FailReason::Unauthorized, detail } => format!("the key is refused ({detail})"),
        LookupError::Failed { reason: FailReason::Retired, detail } => {
            format!("the service has been retired ({detail})")
        }
        LookupError::Failed { reason: FailReason::NotInPlan, detail } => {
            format!("the plan of the key does not include look-ups ({detail})")
        }
        LookupError::Failed { reason, detail } => format!("{} ({detail})", reason.as_str()),
    }
}
