//! Parking: who waits, in which order they may leave, and when they have to.
//!
//! Pure: events are numbers, time is a parameter. Guarantees:
//! - Events of one line leave in the order in which they were parked; an event without a line leaves as soon as it may.
//! - Nobody waits beyond its deadline: a line's head has the earliest deadline of its line.
//! - When the bytes bound is passed, the oldest leave first.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// Names an event; never used twice.
pub(super) type EventId = u64;

/// Names a line: records whose order has to be kept.
pub(super) type LineId = u64;

#[derive(Debug)]
struct Parked {
    line: Option<LineId>,
    ready: bool,
    weight: usize,
}

/// The parked events of one shard.
#[derive(Debug, Default)]
pub(super) struct Park {
    parked: HashMap<EventId, Parked, foldhash::fast::RandomState>,
    lines: HashMap<LineId, VecDeque<EventId>, foldhash::fast::RandomState>,
    /// In order of parking; all deadlines are equally long, so also in order of deadline. Holds ids that have left already.
    by_age: VecDeque<(Duration, EventId)>,
    bytes: usize,
}

impl Park {
    /// Whether nobody is parked.
    pub(super) fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }

    /// How many are parked.
    pub(super) fn len(&self) -> usize {
        self.parked.len()
    }

    /// Bytes that the parked events keep alive.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether somebody of this line is parked.
    pub(super) fn has_line(&self, line: LineId) -> bool {
        self.lines.contains_key(&line)
    }

    /// Parks an event. `ready`: it waits only because its line does.
    pub(super) fn hold(&mut self, id: EventId, line: Option<LineId>, ready: bool, deadline: Duration, weight: usize) {
        self.parked.insert(id, Parked { line, ready, weight });
        if let Some(line) = line {
            self.lines.entry(line).or_default().push_back(id);
        }
        self.by_age.push_back((deadline, id));
        self.bytes += weight;
    }

    /// An event has nothing more to wait for. Appends to `leaving` who may leave now, in order.
    pub(super) fn ready(&mut self, id: EventId, leaving: &mut Vec<EventId>) {
        let Some(parked) = self.parked.get_mut(&id) else { return };
        parked.ready = true;
        match parked.line {
            None => self.leave(id, leaving),
            Some(line) => self.advance(line, leaving),
        }
    }

    /// Lets everybody go whose deadline has passed.
    pub(super) fn expire(&mut self, now: Duration, leaving: &mut Vec<EventId>) {
        while self.by_age.front().is_some_and(|(deadline, _)| *deadline <= now) {
            if let Some((_, id)) = self.by_age.pop_front() {
                self.ready(id, leaving);
            }
        }
    }

    /// Lets the oldest go until at most `bound` bytes are held.
    pub(super) fn relieve(&mut self, bound: usize, leaving: &mut Vec<EventId>) {
        while self.bytes > bound {
            let Some((_, id)) = self.by_age.pop_front() else { return };
            self.ready(id, leaving);
        }
    }

    /// When the next deadline passes.
    pub(super) fn next_deadline(&mut self) -> Option<Duration> {
        while let Some((deadline, id)) = self.by_age.front() {
            if self.parked.contains_key(id) {
                return Some(*deadline);
            }
            self.by_age.pop_front();
        }
        None
    }

    /// Lets everybody go.
    pub(super) fn clear(&mut self, leaving: &mut Vec<EventId>) {
        self.relieve(0, leaving);
    }

    /// Takes these out without letting them leave: somebody else owns them now.
    pub(super) fn forget(&mut self, gone: impl Fn(EventId) -> bool, forgotten: &mut Vec<EventId>) {
        let ids: Vec<EventId> = self.parked.keys().copied().filter(|id| gone(*id)).collect();
        for id in ids {
            if let Some(parked) = self.parked.remove(&id) {
                self.bytes -= parked.weight;
                forgotten.push(id);
                if let Some(line) = parked.line.and_then(|line| self.lines.get_mut(&line)) {
                    line.retain(|other| *other != id);
                }
            }
        }
        self.lines.retain(|_, line| !line.is_empty());
    }

    /// Lets the head of a line go, and all behind it that are ready.
    fn advance(&mut self, line: LineId, leaving: &mut Vec<EventId>) {
        while let Some(head) = self.lines.get(&line).and_then(|waiting| waiting.front().copied()) {
            if !self.parked.get(&head).is_none_or(|parked| parked.ready) {
                return;
            }
            if let Some(waiting) = self.lines.get_mut(&line) {
                waiting.pop_front();
            }
            self.leave(head, leaving);
        }
        self.lines.remove(&line);
    }

    fn leave(&mut self, id: EventId, leaving: &mut Vec<EventId>) {
        if let Some(parked) = self.parked.remove(&id) {
            self.bytes -= parked.weight;
            leaving.push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_line_leaves_in_order_and_others_overtake() {
        let mut park = Park::default();
        park.hold(1, Some(7), false, at(100), 10);
        park.hold(2, Some(7), true, at(101), 10);
        park.hold(3, None, false, at(102), 10);
        let mut leaving = Vec::new();
        park.ready(3, &mut leaving);
        assert_eq!(leaving, [3]);
        assert!(park.has_line(7));
        park.ready(1, &mut leaving);
        assert_eq!(leaving, [3, 1, 2]);
        assert!(park.is_empty() && !park.has_line(7) && park.bytes() == 0);
    }

    #[test]
    fn the_deadline_frees_the_head_and_the_ready_behind_it() {
        let mut park = Park::default();
        park.hold(1, Some(7), false, at(100), 10);
        park.hold(2, Some(7), true, at(150), 10);
        park.hold(3, Some(7), false, at(160), 10);
        let mut leaving = Vec::new();
        park.expire(at(99), &mut leaving);
        assert!(leaving.is_empty());
        assert_eq!(park.next_deadline(), Some(at(100)));
        park.expire(at(100), &mut leaving);
        assert_eq!(leaving, [1, 2]);
        assert_eq!(park.next_deadline(), Some(at(160)));
    }

    #[test]
    fn bytes_are_bounded_oldest_first() {
        let mut park = Park::default();
        for id in 0..10 {
            park.hold(id, None, false, at(100 + id), 10);
        }
        let mut leaving = Vec::new();
        park.relieve(35, &mut leaving);
        assert_eq!(leaving, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(park.bytes(), 30);
    }

    #[test]
    fn forgotten_events_do_not_leave_and_do_not_block() {
        let mut park = Park::default();
        park.hold(1, Some(7), false, at(100), 10);
        park.hold(2, Some(7), false, at(101), 10);
        let mut forgotten = Vec::new();
        park.forget(|id| id == 1, &mut forgotten);
        assert_eq!(forgotten, [1]);
        let mut leaving = Vec::new();
        park.ready(2, &mut leaving);
        assert_eq!(leaving, [2]);
    }

    proptest! {
        /// Random parking, readiness, time and pressure: everybody leaves exactly once, and each line in order.
        #[test]
        fn everybody_leaves_once_and_lines_keep_their_order(steps in proptest::collection::vec((0u8..4, 0u64..5, 0usize..40), 1..300)) {
            let mut park = Park::default();
            let mut line_of = HashMap::new();
            let mut left = Vec::new();
            let (mut next, mut now) = (0u64, 0u64);
            for (action, line, pick) in steps {
                match action {
                    0 | 1 => {
                        let line = (line != 0).then_some(line);
                        let behind = line.is_some_and(|line| park.has_line(line));
                        line_of.insert(next, line);
                        park.hold(next, line, behind && pick % 2 == 0, at(now + 50), 10);
                        next += 1;
                    }
                    2 => park.ready((pick as u64) % next.max(1), &mut left),
                    _ => {
                        now += pick as u64;
                        park.expire(at(now), &mut left);
                        park.relieve(300, &mut left);
                    }
                }
                prop_assert_eq!(park.bytes(), park.len() * 10);
            }
            park.clear(&mut left);
            prop_assert!(park.is_empty());
            let mut sorted = left.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..next).collect::<Vec<_>>());
            for line in 1..5u64 {
                let order: Vec<u64> = left.iter().copied().filter(|id| line_of[id] == Some(line)).collect();
                prop_assert!(order.is_sorted(), "line {} left as {:?}", line, order);
            }
        }
    }
}
