//! Where to start reading a partition that was assigned.
//!
//! The library's own choice (`auto.offset.reset`) treats "the group has no offset" and "the offset is gone" alike and
//! skips silently. Here the committed offsets are read first: a partition that has one starts there, whatever became of
//! its records (see `gap`); only a partition that has none follows `input.offset_reset`.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError as ClientError, RDKafkaErrorCode as Code},
};
use tracing::warn;

use super::status::SourceStatus;
use crate::kafka::{
    Config, KafkaError, OffsetReset,
    error::{Severity, severity},
    log::Limiter,
};

/// Longest single request.
const REQUEST: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// What decides about starts.
#[derive(Debug)]
pub(super) struct Rules {
    group: String,
    reset: OffsetReset,
    /// Partitions of the input topics when the process started. One that came later holds nothing that was meant to be
    /// skipped, so it is read from its beginning also with `latest`.
    partitions: HashMap<String, usize>,
}

/// Where a partition starts.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) at: Offset,
    /// The offset in the group, with its metadata.
    pub(super) committed: Option<(i64, String)>,
    /// Offset to commit at once, so that the next owner starts at the same place.
    pub(super) pin: Option<i64>,
}

impl Start {
    /// The next offset to come, where it is known.
    pub(super) fn next(&self) -> Option<i64> {
        match self.at {
            Offset::Offset(next) => Some(next),
            Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
        }
    }
}

/// Why the starts are not known.
enum Refusal {
    /// To be judged.
    Code(Code),
    Final(KafkaError),
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Self::Code(error.rdkafka_error_code().unwrap_or(Code::Unknown))
    }
}

impl Rules {
    pub(super) fn new(config: &Config, inputs: &[(String, usize)]) -> Self {
        Self {
            group: config.group_id.clone(),
            reset: config.offset_reset,
            partitions: inputs.iter().cloned().collect(),
        }
    }

    /// The input topics, as a message names them.
    pub(super) fn topics(&self) -> String {
        let mut names: Vec<String> = self.partitions.keys().map(|topic| format!("'{topic}'")).collect();
        names.sort_unstable();
        names.join(", ")
    }

    /// A right that was refused: which one is in the words of the broker.
    pub(super) fn forbidden(&self, code: Code) -> KafkaError {
        let what = format!("read {} and commit offsets as group '{}'", self.topics(), self.group);
        KafkaError::Forbidden { what, reason: code.to_string() }
    }

    /// Finds the starts of these partitions. Waits for the group's coordinator as long as it takes; `None` when `stop`
    /// is set meanwhile.
    pub(super) fn resolve<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        assigned: &TopicPartitionList,
        stop: &AtomicBool,
        limiter: &Limiter,
        status: &SourceStatus,
    ) -> Result<Option<Vec<Start>>, KafkaError> {
        if assigned.count() == 0 {
            return Ok(Some(Vec::new()));
        }
        loop {
            status.round();
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let found = self.committed(consumer, assigned).and_then(|starts| self.without_commit(consumer, starts));
            let code = match found {
                Ok(starts) => return Ok(Some(starts)),
                Err(Refusal::Final(failure)) => return Err(failure),
                Err(Refusal::Code(code)) => code,
            };
            match severity(code) {
                Severity::Transient | Severity::OutOfRange => {
                    if limiter.admit("committed offsets").is_some() {
                        warn!(%code, group = self.group, "waiting for the committed offsets");
                    }
                    thread::sleep(PAUSE);
                }
                Severity::Group => {
                    return Err(KafkaError::Group { group: self.group.clone(), reason: code.to_string() });
                }
                Severity::Fatal => return Err(KafkaError::Input(code.to_string())),
                Severity::Forbidden => return Err(self.forbidden(code)),
            }
        }
    }

    fn committed<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        assigned: &TopicPartitionList,
    ) -> Result<Vec<Start>, Refusal> {
        let mut asked = TopicPartitionList::with_capacity(assigned.count());
        for element in assigned.elements() {
            asked.add_partition(element.topic(), element.partition());
        }
        let answer = consumer.committed_offsets(asked, REQUEST).map_err(Refusal::from)?;
        let mut starts = Vec::with_capacity(answer.count());
        for element in answer.elements() {
            element.error()?;
            let committed = match element.offset() {
                Offset::Offset(next) => Some((next, element.metadata().to_owned())),
                Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
            };
            starts.push(Start {
                topic: element.topic().to_owned(),
                partition: element.partition(),
                at: committed.as_ref().map_or(Offset::Invalid, |(next, _)| Offset::Offset(*next)),
                committed,
                pin: None,
            });
        }
        Ok(starts)
    }

    fn without_commit<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        mut starts: Vec<Start>,
    ) -> Result<Vec<Start>, Refusal> {
        for start in starts.iter_mut().filter(|start| start.committed.is_none()) {
            match self.reset_of(&start.topic, start.partition) {
                OffsetReset::Earliest => start.at = Offset::Beginning,
                OffsetReset::Latest => {
                    let (_, end) = consumer.fetch_watermarks(&start.topic, start.partition, REQUEST)?;
                    (start.at, start.pin) = (Offset::Offset(end), Some(end));
                }
                OffsetReset::Error => {
                    return Err(Refusal::Final(KafkaError::NoCommittedOffset {
                        group: self.group.clone(),
                        topic: start.topic.clone(),
                        partition: start.partition,
                    }));
                }
            }
        }
        Ok(starts)
    }

    fn reset_of(&self, topic: &str, partition: i32) -> OffsetReset {
        let known = self.partitions.get(topic).copied().unwrap_or(0);
        let came_later = usize::try_from(partition).is_ok_and(|number| number >= known);
        if came_later { OffsetReset::Earliest } else { self.reset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_came_later_is_read_from_its_beginning() {
        let config = Config { offset_reset: OffsetReset::Latest, ..crate::kafka::config::tests::config() };
        let rules = Rules::new(&config, &[("in".to_owned(), 3)]);
        let cases = [("known", "in", 2, OffsetReset::Latest), ("came later", "in", 3, OffsetReset::Earliest)];
        for (name, topic, partition, expected) in cases {
            assert_eq!(rules.reset_of(topic, partition), expected, "{name}");
        }
    }
}
