//! Which offsets of a partition are finished, and what follows from it for the commit.
//!
//! An offset may be committed only up to the first unfinished one. Finished offsets above it travel in the commit's metadata, so that a new
//! owner of the partition skips what has left already. Pure: no I/O, no clock.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    model::Record,
    pipeline::finished::{self, Encoded, FinishedAbove, LIMIT},
};

#[derive(Debug)]
struct Place {
    offset: i64,
    /// Reports that have to come before it is finished, beside the last.
    more: u8,
    state: State,
}

#[derive(Debug)]
enum State {
    Unfinished(Arc<Record>),
    /// It will not be finished in this assignment; its offset holds the commit back all the same.
    Abandoned,
    Finished,
}

impl Place {
    fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }
}

/// How well a commit's metadata can name the finished offsets of a window. The offset: half of the unfinished ones are not above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// All are named, but there is not much room for more.
    Little(i64),
    /// Some cannot be named.
    None(i64),
}

/// The unfinished part of one assignment of one partition.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Finished by an earlier owner above its commit. Every commit goes on naming those that have not been read again yet.
    earlier: FinishedAbove,
    /// The offset after the last one that was read.
    reach: i64,
    places: VecDeque<Place>,
    /// Sequence number of the first place; wraps around.
    first: u32,
    /// The next offset to commit; `None` until something is finished.
    next: Option<i64>,
    unfinished: usize,
    /// What the last commit said.
    told: Option<(i64, String)>,
    moved: bool,
}

impl Window {
    /// A window over a partition of which an earlier owner has finished these offsets.
    pub(super) fn after(earlier: FinishedAbove) -> Self {
        Self { earlier, ..Self::default() }
    }

    /// Whether an earlier owner has finished this offset.
    pub(super) fn was_finished(&self, offset: i64) -> bool {
        self.earlier.contains(offset)
    }

    /// Takes a record in; offsets only grow. Returns its sequence number.
    pub(super) fn begin(&mut self, record: Arc<Record>) -> u32 {
        self.reach = record.origin.offset + 1;
        let seq = self.first.wrapping_add(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        self.places.push_back(Place { offset: record.origin.offset, more: 0, state: State::Unfinished(record) });
        self.unfinished += 1;
        seq
    }

    /// Takes an offset in that an earlier owner has finished.
    pub(super) fn begin_finished(&mut self, offset: i64) {
        self.reach = offset + 1;
        self.places.push_back(Place { offset, more: 0, state: State::Finished });
        self.advance();
    }

    fn index(&self, seq: u32) -> usize {
        seq.wrapping_sub(self.first) as usize
    }

    /// The record of an unfinished place.
    pub(super) fn record(&self, seq: u32) -> Option<Arc<Record>> {
        match &self.places.get(self.index(seq))?.state {
            State::Unfinished(record) => Some(Arc::clone(record)),
            State::Abandoned | State::Finished => None,
        }
    }

    /// One more report has to come before a place is finished.
    pub(super) fn expect(&mut self, seq: u32) {
        let index = self.index(seq);
        if let Some(place) = self.places.get_mut(index) {
            place.more += 1;
        }
    }

    /// Finishes a place and returns its record; `None` where it was finished before.
    pub(super) fn finish(&mut self, seq: u32) -> Option<Arc<Record>> {
        let index = self.index(seq);
        if let Some(place) = self.places.get_mut(index)
            && place.more > 0
        {
            place.more -= 1;
            return None;
        }
        let record = self.replace(index, State::Finished)?;
        self.moved = true;
        if index == 0 {
            self.advance();
        }
        Some(record)
    }

    /// Gives a place up without finishing it: nothing from it on is committed in this assignment.
    pub(super) fn abandon(&mut self, seq: u32) -> Option<Arc<Record>> {
        self.replace(self.index(seq), State::Abandoned)
    }

    fn replace(&mut self, index: usize, state: State) -> Option<Arc<Record>> {
        let place = self.places.get_mut(index)?;
        if !matches!(place.state, State::Unfinished(_)) {
            return None;
        }
        self.unfinished -= 1;
        match std::mem::replace(&mut place.state, state) {
            State::Unfinished(record) => Some(record),
            State::Abandoned | State::Finished => None,
        }
    }

    fn advance(&mut self) {
        while self.places.front().is_some_and(Place::is_finished) {
            if let Some(place) = self.places.pop_front() {
                self.next = Some(place.offset + 1);
                self.first = self.first.wrapping_add(1);
                self.moved = true;
            }
        }
    }

    /// Records that are not finished.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Places from the first unfinished offset on.
    pub(super) fn span(&self) -> usize {
        self.places.len()
    }

    /// The next offset to commit and the finished ones above it.
    fn above(&self) -> Option<(i64, Encoded)> {
        // Before the first offset is finished there is nothing to commit but finished ones above it.
        let next = self.next.or_else(|| self.places.front().map(|place| place.offset))?;
        let places = self.places.iter().map(|place| (place.offset, place.is_finished()));
        Some((next, finished::encode(next, places, self.earlier.from(self.reach))))
    }

    /// How well a commit's metadata can name all finished offsets.
    pub(super) fn room(&self) -> Room {
        let unfinished = || self.places.iter().filter(|place| !place.is_finished());
        let Some((_, above)) = self.above() else { return Room::Enough };
        if above.whole && above.text.len() <= LIMIT * 3 / 4 {
            return Room::Enough;
        }
        let Some(middle) = unfinished().nth(self.unfinished.div_ceil(2).saturating_sub(1)) else { return Room::Enough };
        if above.whole { Room::Little(middle.offset) } else { Room::None(middle.offset) }
    }

    /// Gives everything up that is unfinished.
    pub(super) fn abandon_all(&mut self) -> Vec<Arc<Record>> {
        let seqs =
            (0..self.places.len()).map(|index| self.first.wrapping_add(u32::try_from(index).unwrap_or(u32::MAX)));
        seqs.collect::<Vec<_>>().into_iter().filter_map(|seq| self.abandon(seq)).collect()
    }

    /// What to commit, if that differs from the last time: the next offset and the finished ones above it.
    pub(super) fn commit(&mut self) -> Option<(i64, String)> {
        if !std::mem::take(&mut self.moved) {
            return None;
        }
        let (next, above) = self.above()?;
        let told = (next, above.text);
        if self.told.as_ref() == Some(&told) {
            return None;
        }
        self.told = Some(told.clone());
        Some(told)
    }
}

/// Which offsets an earlier owner of the partition has finished above its commit.
pub(super) fn finished_by_earlier_owner(committed: Option<i64>, metadata: &str) -> FinishedAbove {
    committed.and_then(|next| finished::decode(next, metadata)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Body, Origin};

    fn record(offset: i64) -> Arc<Record> {
        Arc::new(Record {
            origin: Origin { topic: "t".into(), partition: 0, offset },
            body: Body::default(),
            timestamp: None,
            epoch: 1,
        })
    }

    #[test]
    fn only_the_contiguous_prefix_is_committed() {
        let mut window = Window::default();
        let seqs: Vec<u32> = [10, 11, 14, 15].into_iter().map(|offset| window.begin(record(offset))).collect();
        assert_eq!(window.commit(), None);
        assert!(window.finish(seqs[2]).is_some());
        let (next, above) = window.commit().expect("finished offsets moved");
        assert_eq!(next, 10);
        assert!(finished_by_earlier_owner(Some(10), &above).contains(14));
        assert!(window.finish(seqs[0]).is_some());
        assert_eq!(window.commit().map(|(next, _)| next), Some(11));
        assert!(window.finish(seqs[0]).is_none(), "a second report of the same record changes nothing");
        assert!(window.finish(seqs[1]).is_some());
        assert_eq!(window.commit().map(|(next, _)| next), Some(15));
        assert_eq!(window.commit(), None);
        assert!(window.finish(seqs[3]).is_some());
        assert_eq!(window.commit(), Some((16, String::new())));
        assert_eq!((window.unfinished(), window.span()), (0, 0));
    }

    #[test]
    fn what_an_earlier_owner_finished_is_named_until_it_was_read_again() {
        let earlier = finished_by_earlier_owner(Some(10), "1;3.2,5.1");
        let finished = |window: &mut Window| {
            let (next, metadata) = window.commit().expect("something has moved");
            let above = finished_by_earlier_owner(Some(next), &metadata);
            (next, (0..40).filter(|offset| above.contains(*offset)).collect::<Vec<i64>>())
        };
        let mut window = Window::after(earlier);
        let seqs = [10, 11].map(|offset| window.begin(record(offset)));
        window.finish(seqs[0]);
        assert_eq!(finished(&mut window), (11, vec![13, 14, 20]), "none of them was read again");
        let third = window.begin(record(12));
        assert!(window.was_finished(13) && !window.was_finished(12));
        window.begin_finished(13);
        window.finish(third);
        assert_eq!(finished(&mut window), (11, vec![12, 13, 14, 20]), "some were");
        window.begin_finished(14);
        window.finish(seqs[1]);
        assert_eq!(finished(&mut window), (15, vec![20]));
    }

    proptest! {
        #[test]
        fn a_commit_never_passes_an_unfinished_offset(order in Just((0..60u32).collect::<Vec<_>>()).prop_shuffle()) {
            let mut window = Window::default();
            let offsets: Vec<i64> = (0..60).map(|n| 100 + n * 3).collect();
            let seqs: Vec<u32> = offsets.iter().map(|offset| window.begin(record(*offset))).collect();
            let mut done = vec![false; 60];
            for n in order {
                window.finish(seqs[n as usize]);
                done[n as usize] = true;
                if let Some((next, metadata)) = window.commit() {
                    let above = finished_by_earlier_owner(Some(next), &metadata);
                    for (offset, done) in offsets.iter().zip(&done) {
                        if *offset < next {
                            prop_assert!(*done);
                        } else if above.contains(*offset) {
                            prop_assert!(*done);
                        } else {
                            prop_assert!(!*done, "{} is finished and fits into the metadata", offset);
                        }
                    }
                }
            }
            prop_assert_eq!(window.unfinished(), 0);
        }
    }
}
