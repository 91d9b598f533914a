//! Warming up: what the fleet has assessed is read before the first record, for a bounded time.

use std::time::Duration;

use tracing::{info, warn};

use crate::{
    app::{AppError, Engine, Stage, Stop, store::Logs},
    config::Config,
    enrich::Enricher,
    kafka::{Kafka, KafkaSink},
    pipeline::Pipeline,
    state::{Cleanup, Following, LogSpec, Store},
};

/// Partitions of a topic that is created; a fleet learns no more than its quotas allow, so a few are plenty.
const PARTITIONS: usize = 4;
/// Between two words on the progress.
const WORD: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// Opens the log of assessments and reads it, until the end or `state.warm_timeout`; after that it is read on in the background.
pub(super) fn up(
    logs: &Logs<'_>,
    config: &Config,
    enricher: &Enricher,
    engine: &Engine,
    stage: &Stage,
    stop: &Stop,
) -> Result<Following, AppError> {
    let spec = LogSpec {
        name: config.state.assessments_topic(),
        role: "assessments",
        partitions: PARTITIONS,
        cleanup: Cleanup::Compact,
        append_time: false,
        append_within: None,
    };
    let following = enricher.share_assessments(logs.log(&spec)?)?;
    let begun = engine.clock.monotonic();
    let mut word = WORD;
    loop {
        let (warmth, spent) = (enricher.warmth(), engine.clock.monotonic().saturating_sub(begun));
        let seconds = spent.as_secs_f64();
        if warmth.caught_up {
            info!(topic = spec.name, records = warmth.read, seconds, "read what the fleet has assessed");
            return Ok(following);
        }
        if spent >= config.state.warm_timeout {
            warn!(
                topic = spec.name,
                records = warmth.read,
                seconds,
                "state.warm_timeout is over: going on while the assessments of the fleet are still being read"
            );
            return Ok(following);
        }
        stage.say(format!("starting: {} shared assessments read so far", warmth.read));
        if spent >= word {
            word = spent + WORD;
            info!(topic = spec.name, records = warmth.read, seconds, "reading what the fleet has assessed");
        }
        if stop.wait(engine.runtime(), LOOK) {
            return Ok(following);
        }
    }
}

/// Has what is owed written down on its log, where there is one.
pub(super) fn obligations(
    pipeline: Pipeline,
    kafka: &Kafka,
    sink: &KafkaSink,
    config: &Config,
) -> Result<Pipeline, AppError> {
    if config.state.store != Store::Kafka {
        return Ok(pipeline);
    }
    let spec = LogSpec {
        name: config.state.pending_topic(),
        role: "pending",
        partitions: kafka.input_partitions(),
        cleanup: Cleanup::Compact,
        append_time: false,
        append_within: None,
    };
    let log = kafka.log(&spec)?;
    sink.write_pending_to(&spec.name);
    Ok(pipeline.remembering(log))
}
