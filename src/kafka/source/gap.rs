//! Records that were deleted before they were read.
//!
//! The library only says that some fetch position is out of range, not which; so all owned partitions are compared with
//! what their brokers still hold. `on_gap` decides what happens then; it never happens in silence.

use std::{sync::atomic::Ordering, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer as _, RebalanceProtocol},
    error::KafkaResult,
};
use tracing::warn;

use super::context::{Consumer, SourceContext};
use crate::kafka::{KafkaError, OnGap};

/// Longest single request.
const REQUEST: Duration = Duration::from_secs(5);

/// What an inspection found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inspection {
    /// The gap was dealt with.
    Handled,
    /// A broker did not answer.
    NoAnswer,
    /// Every position is within its partition.
    NothingWrong,
}

/// A position that is not in its partition any more.
struct Gap {
    topic: String,
    partition: i32,
    expected: i64,
    oldest: i64,
    end: i64,
}

/// Looks for partitions whose next record is gone, and deals with them. Blocks for requests to the brokers.
pub(super) fn inspect(consumer: &Consumer, on_gap: OnGap, drain: Duration) -> Inspection {
    let context = consumer.context();
    let positions: Vec<(String, i32, Option<i64>)> = {
        let state = context.state.lock();
        state.partitions.iter().map(|(topic, owned)| (topic.to_string(), owned.partition, owned.next)).collect()
    };
    let mut found = Inspection::NothingWrong;
    for (topic, partition, expected) in positions {
        let (oldest, end) = match consumer.fetch_watermarks(&topic, partition, REQUEST) {
            Ok(watermarks) => watermarks,
            Err(error) => {
                warn!(%error, topic, partition, "could not read what the partition holds");
                return Inspection::NoAnswer;
            }
        };
        let Some(expected) = expected else {
            // Nothing was read yet of a partition that starts at its oldest record, which may just have changed.
            found = Inspection::Handled;
            if reassign(consumer, &topic, partition, oldest) {
                context.state.lock().partitions.expect(&topic, partition, oldest);
            }
            continue;
        };
        if (oldest..=end).contains(&expected) {
            continue;
        }
        found = Inspection::Handled;
        let gap = Gap { topic, partition, expected, oldest, end };
        match on_gap {
            OnGap::Stop => {
                let Gap { topic, partition, expected, oldest, end } = gap;
                context.fail(KafkaError::Gap { topic, partition, expected, oldest, end });
                return found;
            }
            OnGap::Continue => go_on(consumer, context, &gap, drain),
        }
    }
    found
}

/// Goes on at the oldest record that is left, under a new epoch: offsets may start lower than before.
fn go_on(consumer: &Consumer, context: &SourceContext, gap: &Gap, drain: Duration) {
    let Gap { topic, partition, expected, oldest, end } = gap;
    let missed = u64::try_from(oldest - expected).unwrap_or(0);
    context.status.gaps.fetch_add(1, Ordering::Relaxed);
    context.status.records_missed.fetch_add(missed, Ordering::Relaxed);
    warn!(
        topic,
        partition, expected, oldest, end, missed, "records are gone before they were read, going on at the oldest"
    );
    let name = context.state.lock().partitions.name(topic);
    context.give_up(consumer, &[(name, *partition)], false, drain);
    if reassign(consumer, topic, *partition, *oldest) {
        let mut state = context.state.lock();
        state.own(topic, *partition, Some(*oldest), None, Some(*oldest));
        context.status.set_partitions(&state.partitions.all());
    }
}

fn single(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, partition);
    list
}

/// Moves a partition to another offset; false when that failed, which ends the source.
fn reassign(consumer: &Consumer, topic: &str, partition: i32, at: i64) -> bool {
    let context = consumer.context();
    if let Err(error) = assign_anew(consumer, topic, partition, at) {
        context.fail(KafkaError::Stalled { topic: topic.to_owned(), partition, reason: error.to_string() });
        return false;
    }
    if context.state.lock().paused
        && let Err(error) = consumer.pause(&single(topic, partition))
    {
        warn!(%error, topic, partition, "could not pause the partition");
    }
    true
}

/// A partition whose position failed does not take a seek: it is taken away and assigned anew.
fn assign_anew(consumer: &Consumer, topic: &str, partition: i32, at: i64) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => {
            let mut list = single(topic, partition);
            consumer.incremental_unassign(&list)?;
            list.set_partition_offset(topic, partition, Offset::Offset(at))?;
            consumer.incremental_assign(&list)
        }
        RebalanceProtocol::Eager | RebalanceProtocol::None => {
            let mut list = TopicPartitionList::new();
            let state = consumer.context().state.lock();
            let others = state.partitions.iter().filter(|(name, o)| o.partition != partition || &***name != topic);
            for (name, owned) in others {
                let next = owned.next.map_or(Offset::Beginning, Offset::Offset);
                list.add_partition_offset(name, owned.partition, next)?;
            }
            list.add_partition_offset(topic, partition, Offset::Offset(at))?;
            consumer.assign(&list)
        }
    }
}
