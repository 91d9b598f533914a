//! What a shard lets go when partitions go, when a commit has no room for more, and at the end.

use crate::{
    model::Reason,
    pipeline::{Token, event::Phase, park::EventId, shard::Shard, tracker::window_of},
};

impl Shard {
    /// Partitions go. What waits in their windows leaves as it is; when they are `lost` it is dropped, for somebody else reads it.
    pub(super) fn revoke(&mut self, windows: &[u32], lost: bool) {
        let ours = |token: Token| window_of(token).is_some_and(|window| windows.contains(&window));
        for token in self.mailbox.withdraw(ours) {
            self.tracker.abandon(token);
        }
        let mut parked: Vec<EventId> = Vec::new();
        for (id, event) in &self.events {
            if let Phase::Parked { token, .. } = &event.phase
                && ours(*token)
            {
                parked.push(*id);
            }
        }
        parked.sort_unstable();
        if lost {
            let mut forgotten = Vec::new();
            self.park.forget(|id| parked.binary_search(&id).is_ok(), &mut forgotten);
            for id in forgotten {
                if let Some(event) = self.events.remove(&id) {
                    self.unlist(id, &event);
                    if let Phase::Parked { token, .. } = event.phase {
                        self.tracker.abandon(token);
                    }
                }
            }
            if self.obligations.is_some() {
                self.forget_owed(|window| windows.contains(&window));
            }
            return;
        }
        let mut leaving = Vec::new();
        for id in parked {
            self.park.ready(id, &mut leaving);
        }
        self.leave(&mut leaving);
        if self.obligations.is_some() {
            self.forget_owed(|window| windows.contains(&window));
        }
    }

    /// Lets those go that wait in this window and came up to this offset.
    pub(super) fn relieve(&mut self, window: u32, through: i64) {
        let mut old: Vec<EventId> = Vec::new();
        for (id, event) in &self.events {
            if let Phase::Parked { token, record } = &event.phase
                && window_of(*token) == Some(window)
                && record.origin.offset <= through
            {
                old.push(*id);
            }
        }
        old.sort_unstable();
        let mut leaving = Vec::new();
        for id in old {
            self.park.ready(id, &mut leaving);
        }
        self.leave(&mut leaving);
    }

    /// Everything leaves that waits. What is owed is given up, unless it stands on a log: then whoever owns the partitions next pays it.
    pub(super) fn drain(&mut self) {
        let mut leaving = Vec::new();
        self.park.clear(&mut leaving);
        self.leave(&mut leaving);
        if self.obligations.is_some() {
            self.forget_owed(|_| true);
        }
        for (_, id) in std::mem::take(&mut self.owed) {
            self.give_up(id, Reason::Shutdown);
        }
        self.meter.held(0, 0, self.owed_count, self.owed_bytes);
        self.meter.flush();
    }
}
