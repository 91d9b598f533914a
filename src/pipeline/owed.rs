//! What a shard owes: events that have left while an answer could still come, kept within bounds until it does or is given up.

use std::{sync::Arc, time::Duration};

use crate::{
    enrich::Notice,
    model::Reason,
    pipeline::{
        Token,
        event::{Event, Phase, Reference},
        park::EventId,
        shard::Shard,
        states::Known,
        writer::Unsent,
    },
};

/// Owed answers that are paid in one turn, for one reason: thousands may wait for one indicator, and the stream must not wait for them.
const AT_ONCE: usize = 256;

impl Shard {
    /// The enricher knows more of an indicator: who waited for just that leaves, or gets the answer that was owed.
    pub(super) fn notice(&mut self, notice: &Notice) {
        let ids = if notice.settled {
            self.waiters.remove(&notice.indicator)
        } else {
            self.waiters.get(&notice.indicator).cloned()
        };
        let mut leaving = std::mem::take(&mut self.leaving);
        let mut paid = 0;
        for id in ids.unwrap_or_default() {
            let Some(event) = self.events.get_mut(&id) else { continue };
            for known in &mut event.known {
                if let Known::Open { subject, entry, hopeful } = known
                    && *subject == notice.indicator
                {
                    if notice.settled {
                        *known = Known::Settled(Arc::clone(&notice.entry));
                    } else {
                        *entry = Arc::clone(&notice.entry);
                        *hopeful = false;
                    }
                }
            }
            match &event.phase {
                Phase::Parked { .. } if !event.is_hopeful() => self.park.ready(id, &mut leaving),
                Phase::Owed { .. } if !event.is_open() && paid < AT_ONCE => {
                    paid += 1;
                    self.pay(id);
                }
                Phase::Owed { .. } if !event.is_open() => self.due.push_back(id),
                Phase::Parked { .. } | Phase::Owed { .. } | Phase::Left => {}
            }
        }
        self.leave(&mut leaving);
        self.leaving = leaving;
    }

    /// Pays what was left for this turn, and gives up what nobody has answered in time.
    pub(super) fn pay_due(&mut self, now: Duration) {
        for id in self.due.drain(..self.due.len().min(AT_ONCE)).collect::<Vec<_>>() {
            self.pay(id);
        }
        for _ in 0..AT_ONCE {
            let Some((_, id)) = self.owed.first().copied().filter(|(until, _)| *until <= now) else { break };
            self.owed.pop_first();
            self.give_up(id, Reason::Expired);
        }
    }

    /// The event has left, an answer to it can still come.
    pub(super) fn owe(&mut self, id: EventId, event: Event, reference: Reference, now: Duration, token: Token) {
        self.promise(token, &reference, &event.extraction);
        self.enter(id, event, reference, now.saturating_add(self.config.late_for), Self::window_or_none(token));
        if self.config.exactly_once {
            self.undo.owed(id);
        }
        self.bound_owed();
    }

    /// Keeps an event to which an answer is owed.
    pub(super) fn enter(&mut self, id: EventId, mut event: Event, reference: Reference, until: Duration, window: u32) {
        let rendered = self.share_entries(id, &mut event);
        let weight = Event::owed_weight(&reference, &event.extraction, &event.known) + rendered;
        if let Some(obligations) = &mut self.obligations
            && let Some(before) = obligations.hold(window, reference.origin.offset, id)
            && let Some(replaced) = self.events.remove(&before)
        {
            self.unlist(before, &replaced);
            self.release(before, &replaced.phase);
        }
        event.phase = Phase::Owed { reference, weight, window, until };
        self.events.insert(id, event);
        self.owed.insert((until, id));
        self.owed_bytes += weight;
        self.owed_count += 1;
    }

    /// What is known of an open indicator is kept once for all who wait for it: the enricher renders it anew each second, and thousands may wait for hours. The
    /// bytes of what is kept for this event alone.
    fn share_entries(&self, id: EventId, event: &mut Event) -> usize {
        let mut own = 0;
        for known in &mut event.known {
            let Known::Open { subject, entry, .. } = known else { continue };
            let first = self.waiters.get(subject).and_then(|ids| ids.first()).filter(|first| **first != id);
            let open = first.and_then(|first| self.events.get(first)).and_then(|event| event.open(subject));
            match open {
                Some(shared) => *entry = Arc::clone(shared),
                None => own += entry.held(),
            }
        }
        own
    }

    /// Gives those up that end first until there is room.
    pub(super) fn bound_owed(&mut self) {
        while self.owed_bytes > self.config.owed_bytes {
            let Some((_, oldest)) = self.owed.pop_first() else { return };
            self.give_up(oldest, Reason::Memory);
        }
    }

    /// The answer is complete: the late record goes out.
    pub(super) fn pay(&mut self, id: EventId) {
        let Some(event) = self.events.remove(&id) else { return };
        self.release(id, &event.phase);
        let Phase::Owed { reference, .. } = &event.phase else { return };
        let wall = self.clock.wall_ms();
        let (slot, token) = self.late_token(&reference.origin);
        let (summary, sent) = self.writer.late(reference, &event.extraction, &event.known, wall, token);
        let taken = !matches!(sent, Err(Unsent::Undone));
        if taken {
            self.meter.late(summary.status);
        }
        match slot {
            // Its report brings the tombstone; there will be none.
            Some(slot) if sent.is_err() => self.paid(slot),
            Some(_) => {}
            None if taken => self.tombstone(&reference.origin),
            None => {}
        }
        if self.config.exactly_once {
            self.undo.paid(id, event, taken);
        }
    }

    /// The answer can no longer come, or not be waited for: the late record says so.
    pub(super) fn give_up(&mut self, id: EventId, reason: Reason) {
        let Some(mut event) = self.events.remove(&id) else { return };
        self.unlist(id, &event);
        for known in &mut event.known {
            if let Known::Open { subject, entry, .. } = known {
                let current = self.lookup.enricher.snapshot(subject);
                let current = current.as_ref().unwrap_or(entry);
                let over = self.lookup.enricher.given_up(subject, current, reason);
                *known = Known::Settled(over);
            }
        }
        self.events.insert(id, event);
        self.pay(id);
    }

    /// An event is owed nothing any more.
    pub(super) fn release(&mut self, id: EventId, phase: &Phase) {
        let Phase::Owed { reference, weight, window, until } = phase else { return };
        self.owed_bytes -= weight;
        self.owed_count -= 1;
        self.owed.remove(&(*until, id));
        if let Some(obligations) = &mut self.obligations {
            obligations.release(*window, reference.origin.offset, id);
        }
    }
}
