//! The partitions that this process owns: their shared topic names, epochs and read positions.

use std::sync::Arc;

/// One owned partition.
#[derive(Debug)]
pub(super) struct Owned {
    /// Number.
    pub(super) partition: i32,
    /// Epoch of the assignment.
    pub(super) epoch: u32,
    /// The next offset that is expected, at least; `None` before the first record where the start was "the oldest".
    pub(super) next: Option<i64>,
    /// Where reading began although the group had no offset: to be kept to until there is one.
    pub(super) pin: Option<i64>,
}

#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    /// By partition number.
    owned: Vec<Option<Owned>>,
}

/// All owned partitions. A record's partition is found without hashing: inputs are few topics with dense numbers.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    topics: Vec<Topic>,
    epochs: u32,
}

impl Partitions {
    /// The one shared name of a topic.
    pub(super) fn name(&mut self, topic: &str) -> Arc<str> {
        let index = self.topic_index(topic);
        Arc::clone(&self.topics[index].name)
    }

    fn topic_index(&mut self, topic: &str) -> usize {
        if let Some(index) = self.topics.iter().position(|known| &*known.name == topic) {
            return index;
        }
        self.topics.push(Topic { name: Arc::from(topic), owned: Vec::new() });
        self.topics.len() - 1
    }

    /// Takes a partition over and returns the epoch of this assignment, larger than any before.
    pub(super) fn own(&mut self, topic: &str, partition: i32, next: Option<i64>) -> u32 {
        let Ok(slot) = usize::try_from(partition) else { return self.epochs };
        self.epochs = self.epochs.wrapping_add(1);
        let epoch = self.epochs;
        let index = self.topic_index(topic);
        let owned = &mut self.topics[index].owned;
        if owned.len() <= slot {
            owned.resize_with(slot + 1, || None);
        }
        owned[slot] = Some(Owned { partition, epoch, next, pin: None });
        epoch
    }

    /// Gives a partition up; false when it was not owned.
    pub(super) fn forget(&mut self, topic: &str, partition: i32) -> bool {
        self.find(topic, partition).is_some_and(|(_, slot)| slot.take().is_some())
    }

    /// The partition that a record belongs to, and its topic's shared name.
    pub(super) fn of_record(&mut self, topic: &str, partition: i32) -> Option<(&Arc<str>, &mut Owned)> {
        let (name, slot) = self.find(topic, partition)?;
        Some((name, slot.as_mut()?))
    }

    /// Sets the next offset that is expected of an owned partition.
    pub(super) fn expect(&mut self, topic: &str, partition: i32, next: i64) {
        if let Some((_, owned)) = self.of_record(topic, partition) {
            owned.next = Some(next);
        }
    }

    fn find(&mut self, topic: &str, partition: i32) -> Option<(&Arc<str>, &mut Option<Owned>)> {
        let known = self.topics.iter_mut().find(|known| &*known.name == topic)?;
        let slot = known.owned.get_mut(usize::try_from(partition).ok()?)?;
        Some((&known.name, slot))
    }

    /// All owned partitions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Owned)> {
        self.topics.iter().flat_map(|topic| topic.owned.iter().flatten().map(move |owned| (&topic.name, owned)))
    }

    /// Names and numbers of all owned partitions.
    pub(super) fn all(&self) -> Vec<(Arc<str>, i32)> {
        self.iter().map(|(topic, owned)| (Arc::clone(topic), owned.partition)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_come_and_go() {
        let mut partitions = Partitions::default();
        let first = partitions.own("in", 3, Some(10));
        let second = partitions.own("other", 0, None);
        assert!(second > first);
        let (name, owned) = partitions.of_record("in", 3).unwrap();
        assert_eq!((&**name, owned.next, owned.epoch), ("in", Some(10), first));
        assert!(partitions.of_record("in", 2).is_none());
        assert!(partitions.of_record("in", -1).is_none());
        assert!(partitions.forget("in", 3));
        assert!(!partitions.forget("in", 3));
        assert!(!partitions.forget("unknown", 3));
        assert_eq!(partitions.all(), [(Arc::from("other"), 0)]);
        assert!(partitions.own("in", 3, None) > second, "an epoch is never used twice");
    }

    #[test]
    fn a_topic_has_one_name() {
        let mut partitions = Partitions::default();
        let name = partitions.name("in");
        partitions.own("in", 0, None);
        assert!(Arc::ptr_eq(&name, partitions.of_record("in", 0).unwrap().0));
    }
}
