//! Partitions come and go.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    consumer::{Consumer as _, RebalanceProtocol},
};
use tracing::{info, warn};

use super::{
    context::{Consumer, SourceContext, State},
    transact::positions,
};
use crate::kafka::KafkaError;

impl SourceContext {
    /// Partitions that the library kept through a rebalance though they were dropped (see `put_out`): they are read again from where the group is.
    fn adopt(&self, consumer: &Consumer, state: &mut State) {
        if state.closing || state.transactions.is_some() || state.failure.is_some() {
            return;
        }
        let Ok(assigned) = consumer.assignment() else { return };
        let mut kept = Vec::new();
        for element in assigned.elements() {
            if state.partitions.of_record(element.topic(), element.partition()).is_none() {
                kept.push((state.partitions.name(element.topic()), element.partition()));
            }
        }
        if !kept.is_empty()
            && let Err(failure) = self.read_again(consumer, state, &kept, &HashMap::new())
        {
            state.fail(failure);
        }
    }

    pub(super) fn assign(&self, consumer: &Consumer, assigned: &TopicPartitionList) {
        self.status.rebalances.fetch_add(1, Ordering::Relaxed);
        let last_poll = self.state.lock().last_poll;
        let member = self.membership(consumer, last_poll);
        let starts = match self.rules.resolve(consumer, assigned, &self.stop, &self.limiter, &self.status) {
            Ok(starts) => starts.unwrap_or_default(),
            Err(failure) => {
                self.fail(failure);
                Vec::new()
            }
        };
        let list = positions(&starts).unwrap_or_else(|error| {
            self.fail(KafkaError::Input(error.to_string()));
            TopicPartitionList::new()
        });
        // Also when there is nothing to assign: the library waits for the answer to its rebalance.
        let result = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(&list),
        };
        if let Err(error) = result {
            return self.fail(KafkaError::Input(format!("could not take over partitions: {error}")));
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.paused
            && list.count() > 0
            && let Err(error) = consumer.pause(&list)
        {
            warn!(%error, "could not pause new partitions");
        }
        for start in starts {
            let next = start.next();
            state.own(&start.topic, start.partition, next, start.committed, start.pin);
        }
        self.take_membership(consumer, state, member);
        state.doubt.is_member();
        if matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            self.adopt(consumer, state);
        }
        let owned = state.partitions.all();
        info!(group = self.group, assigned = list.count(), owned = owned.len(), "partitions assigned");
        self.status.set_partitions(&owned);
        self.status.set_reachable(true);
        self.status.set_joined(true);
    }

    /// Which of these partitions have to be given up. None while closing: they were drained already, and only a commit
    /// may still have to be made before they go.
    fn owned_of(&self, consumer: &Consumer, revoked: &TopicPartitionList, lost: bool) -> Vec<(Arc<str>, i32)> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.closing {
            if lost {
                state.offsets.forget_all();
            } else if state.transactions.is_none() {
                self.commit_now(consumer, state, Duration::from_secs(1));
            }
            return Vec::new();
        }
        let mut owned = state.partitions.all();
        owned.retain(|(topic, partition)| revoked.find_partition(topic, *partition).is_some());
        owned
    }

    /// At least once: whether this process was stopped, just now, for so long that the group may have put it out.
    fn was_away(&self) -> bool {
        let state = self.state.lock();
        state.transactions.is_none() && !state.closing && state.last_poll.elapsed() >= self.longest_pause
    }

    pub(super) fn revoke(&self, consumer: &Consumer, revoked: &TopicPartitionList) {
        self.status.rebalances.fetch_add(1, Ordering::Relaxed);
        let lost = consumer.assignment_lost() || self.was_away();
        if lost {
            self.state.lock().member = None;
        }
        let partitions = self.owned_of(consumer, revoked, lost);
        if !partitions.is_empty() {
            info!(group = self.group, revoked = partitions.len(), lost, "partitions revoked");
            self.give_up(consumer, &partitions, lost, self.drain);
        }
        resume(consumer, revoked);
        let result = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => {
                // Only what is assigned may be taken away; an assignment that failed half-way was not.
                let mut list = TopicPartitionList::with_capacity(revoked.count());
                if let Ok(assigned) = consumer.assignment() {
                    for element in revoked.elements() {
                        if assigned.find_partition(element.topic(), element.partition()).is_some() {
                            list.add_partition(element.topic(), element.partition());
                        }
                    }
                }
                if list.count() == 0 {
                    consumer.incremental_assign(&list)
                } else {
                    consumer.incremental_unassign(&list)
                }
            }
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        };
        if let Err(error) = result {
            self.fail(KafkaError::Input(format!("could not give partitions up: {error}")));
        }
    }
}

/// Before partitions are given back to the library: it would keep them paused through an assignment to come, which may be under other circumstances.
pub(super) fn resume(consumer: &Consumer, partitions: &TopicPartitionList) {
    if partitions.count() > 0
        && let Err(error) = consumer.resume(partitions)
    {
        warn!(%error, "could not resume partitions that go");
    }
}
