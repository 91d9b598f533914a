//! What is to be committed, what is under way and what has to be tried again.
//!
//! Offsets of a partition never go back: a commit below what was asked for, or below what the group had when the
//! partition was assigned, is ignored. At most one commit is under way, so that a repeated older one cannot
//! overtake a newer one.

use std::sync::Arc;

use crate::pipeline::Commit;

#[derive(Debug)]
struct Entry {
    topic: Arc<str>,
    partition: i32,
    /// What the group should hold; `None` until something was finished.
    wanted: Option<(i64, String)>,
    /// What the group held when the partition was assigned; nothing below it may be committed.
    held: Option<(i64, String)>,
    /// `wanted` has not been sent since it changed, or was refused.
    dirty: bool,
    /// A commit under this assignment was sent and not answered yet.
    sent: bool,
}

/// The commits of the owned partitions.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    entries: Vec<Entry>,
    under_way: bool,
}

impl Offsets {
    /// A partition was assigned; the group holds this offset for it, with this metadata.
    pub(super) fn own(&mut self, topic: &Arc<str>, partition: i32, committed: Option<(i64, String)>) {
        self.forget(topic, partition);
        self.entries.push(Entry {
            topic: Arc::clone(topic),
            partition,
            wanted: None,
            held: committed,
            dirty: false,
            sent: false,
        });
    }

    /// A partition is gone; nothing is committed for it any more.
    pub(super) fn forget(&mut self, topic: &str, partition: i32) {
        self.entries.retain(|entry| entry.partition != partition || &*entry.topic != topic);
    }

    /// Nothing of what was finished so far is committed any more.
    pub(super) fn forget_all(&mut self) {
        self.entries.clear();
    }

    /// A commit of these partitions was answered; whether any of them is still held under the assignment that sent it.
    pub(super) fn answered_for(&mut self, partitions: &[(Arc<str>, i32)]) -> bool {
        let mut held = false;
        for (topic, partition) in partitions {
            held |= self.find(topic, *partition).is_some_and(|entry| std::mem::take(&mut entry.sent));
        }
        held
    }

    /// Takes a commit that the pipeline allows. False when it was ignored: not owned, or a step back.
    pub(super) fn want(&mut self, commit: Commit) -> bool {
        let Some(entry) = self.find(&commit.topic, commit.partition) else { return false };
        let least = entry.wanted.as_ref().or(entry.held.as_ref()).map_or(0, |(next, _)| *next);
        if commit.next < least {
            return false;
        }
        let wanted = Some((commit.next, commit.metadata));
        if entry.wanted != wanted {
            entry.wanted = wanted;
            entry.dirty = true;
        }
        true
    }

    /// What has to be sent now; it counts as sent from here on.
    pub(super) fn take_due(&mut self) -> Vec<Commit> {
        self.entries
            .iter_mut()
            .filter(|entry| entry.dirty)
            .filter_map(|entry| {
                entry.dirty = false;
                let (next, metadata) = entry.wanted.clone()?;
                entry.sent = true;
                Some(Commit { topic: Arc::clone(&entry.topic), partition: entry.partition, next, metadata })
            })
            .collect()
    }

    /// What the group holds for one of the owned partitions: committing it once more changes nothing, but only a member may do so.
    pub(super) fn unchanged(&self) -> Option<Commit> {
        self.entries.iter().find_map(|entry| {
            let (next, metadata) = entry.wanted.as_ref().or(entry.held.as_ref())?.clone();
            Some(Commit { topic: Arc::clone(&entry.topic), partition: entry.partition, next, metadata })
        })
    }

    /// A commit was sent off; its answer comes later.
    pub(super) fn sent(&mut self) {
        self.under_way = true;
    }

    /// Whether a commit was sent off and not answered yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// Whether everything wanted was sent and answered.
    pub(super) fn is_settled(&self) -> bool {
        !self.under_way && self.entries.iter().all(|entry| !entry.dirty)
    }

    /// The commit under way was answered.
    pub(super) fn answered(&mut self) {
        self.under_way = false;
    }

    /// A partition's commit was refused for a reason that passes: it is sent again.
    pub(super) fn refused(&mut self, topic: &str, partition: i32) {
        if let Some(entry) = self.find(topic, partition) {
            entry.dirty = entry.wanted.is_some();
        }
    }

    /// The broker does not take the metadata: the offset is sent without it.
    pub(super) fn drop_metadata(&mut self, topic: &str, partition: i32) {
        if let Some(entry) = self.find(topic, partition)
            && let Some((_, metadata)) = &mut entry.wanted
        {
            metadata.clear();
            entry.dirty = true;
        }
    }

    fn find(&mut self, topic: &str, partition: i32) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.partition == partition && &*entry.topic == topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(partition: i32, next: i64) -> Commit {
        Commit { topic: Arc::from("in"), partition, next, metadata: String::new() }
    }

    fn owning(partitions: &[(i32, Option<i64>)]) -> Offsets {
        let mut offsets = Offsets::default();
        for (partition, committed) in partitions {
            offsets.own(&Arc::from("in"), *partition, committed.map(|next| (next, "held".to_owned())));
        }
        offsets
    }

    #[test]
    fn offsets_never_go_back() {
        let mut offsets = owning(&[(0, Some(10))]);
        let cases = [("below the group's", 9, false), ("first", 12, true), ("same", 12, true), ("back", 11, false)];
        for (name, next, taken) in cases {
            assert_eq!(offsets.want(commit(0, next)), taken, "{name}");
        }
        assert_eq!(offsets.take_due(), [commit(0, 12)]);
    }

    #[test]
    fn only_what_changed_is_sent() {
        let mut offsets = owning(&[(0, None), (1, None)]);
        offsets.want(commit(0, 5));
        assert_eq!(offsets.take_due(), [commit(0, 5)]);
        offsets.answered();
        assert!(offsets.is_settled());
        offsets.want(commit(0, 5));
        assert!(offsets.take_due().is_empty());
        let marked = Commit { metadata: "gaps".to_owned(), ..commit(0, 5) };
        offsets.want(marked.clone());
        assert_eq!(offsets.take_due(), [marked]);
    }

    #[test]
    fn a_member_can_prove_itself_without_changing_anything() {
        let mut offsets = owning(&[(0, None), (1, Some(7))]);
        assert_eq!(offsets.unchanged(), Some(Commit { metadata: "held".to_owned(), ..commit(1, 7) }));
        assert!(offsets.take_due().is_empty() && offsets.is_settled());
        offsets.want(commit(1, 8));
        assert_eq!((offsets.unchanged(), offsets.take_due()), (Some(commit(1, 8)), vec![commit(1, 8)]));
        offsets.forget_all();
        assert_eq!(offsets.unchanged(), None);
    }

    #[test]
    fn a_refused_commit_is_sent_again_with_the_newest_offset() {
        let mut offsets = owning(&[(0, None)]);
        offsets.want(commit(0, 5));
        offsets.take_due();
        offsets.sent();
        assert!(offsets.is_under_way() && !offsets.is_settled());
        offsets.want(commit(0, 8));
        offsets.answered();
        offsets.refused("in", 0);
        assert!(!offsets.is_settled());
        assert_eq!(offsets.take_due(), [commit(0, 8)]);
    }

    #[test]
    fn an_answer_concerns_the_assignment_that_asked() {
        let asked = [(Arc::from("in"), 0)];
        let mut offsets = owning(&[(0, None)]);
        offsets.want(commit(0, 5));
        offsets.take_due();
        assert!(offsets.answered_for(&asked));
        offsets.want(commit(0, 6));
        offsets.take_due();
        offsets.own(&Arc::from("in"), 0, Some((9, String::new())));
        assert!(!offsets.answered_for(&asked), "assigned anew meanwhile");
        offsets.want(commit(0, 10));
        offsets.forget_all();
        assert!(offsets.is_settled() && !offsets.want(commit(0, 11)));
    }

    #[test]
    fn metadata_that_is_too_large_is_left_out() {
        let mut offsets = owning(&[(0, None)]);
        offsets.want(Commit { metadata: "x".repeat(5000), ..commit(0, 5) });
        offsets.take_due();
        offsets.answered();
        offsets.drop_metadata("in", 0);
        assert_eq!(offsets.take_due(), [commit(0, 5)]);
    }

    #[test]
    fn a_partition_that_is_gone_is_not_committed() {
        let mut offsets = owning(&[(0, None), (1, None)]);
        offsets.want(commit(0, 5));
        offsets.forget("in", 0);
        offsets.refused("in", 0);
        assert!(!offsets.want(commit(0, 6)));
        assert!(offsets.take_due().is_empty());
        offsets.own(&Arc::from("in"), 0, None);
        assert!(offsets.want(commit(0, 2)), "a new assignment starts anew");
    }
}
