//! What the board knows of an indicator at one moment: assessed, rendered, ready for an annotation.

use std::{sync::Arc, time::Duration};

use crate::{
    cache::{Entry, time_to_live},
    enrich::{
        board::Board,
        chance::can_come,
        desk::Desk,
        flight::{Flight, SlotState},
    },
    model::{Answer, Indicator, Reason, Source, Verdict},
    score,
};

/// A snapshot of a waiting flight is shown for this long before it is made anew.
const SNAPSHOT_LIVES: Duration = Duration::from_secs(1);

impl Board {
    pub(super) fn snapshot(&mut self, asked: &Indicator, now: Duration, wall_ms: i64) -> Option<Arc<Entry>> {
        let flight = self.flights.get(asked)?;
        if let Some((made, entry)) = &flight.snapshot
            && now.saturating_sub(*made) < SNAPSHOT_LIVES
        {
            return Some(Arc::clone(entry));
        }
        let entry = self.entry(asked, flight, now, wall_ms);
        if let Some(flight) = self.flights.get_mut(asked).filter(|flight| flight.joined) {
            flight.snapshot = Some((now, Arc::clone(&entry)));
        }
        Some(entry)
    }

    /// Forgets what a flight has heard: it is asked for again.
    pub(super) fn forget(&mut self, asked: &Indicator, now: Duration) {
        let Some(flight) = self.flights.get_mut(asked) else { return };
        for slot in &mut flight.slots {
            let heard = matches!(slot.state, SlotState::Answered { .. });
            let Some(desk) = self.desks.get_mut(slot.provider).filter(|_| heard) else { continue };
            slot.state = SlotState::Waiting { not_before: now, attempts: 0, last: None };
            desk.queue.push(flight.place, asked.clone(), now, now);
            self.effects.wake |= 1 << slot.provider;
        }
        flight.snapshot = None;
    }

    /// Whether something of a flight can come within `wait`.
    pub(super) fn can_come(&self, asked: &Indicator, now: Duration, wait: Duration) -> bool {
        self.flights.get(asked).is_some_and(|flight| can_come(flight, &self.desks, now, wait))
    }

    /// Assesses and renders what a flight knows.
    pub(super) fn entry(&self, indicator: &Indicator, flight: &Flight, now: Duration, wall_ms: i64) -> Arc<Entry> {
        let mut sources = Vec::with_capacity(flight.slots.len());
        let mut expires = Vec::with_capacity(flight.slots.len());
        for slot in &flight.slots {
            let Some(desk) = self.desks.get(slot.provider) else { continue };
            let blocked = match slot.state {
                SlotState::Waiting { .. } => desk
                    .blocked_in(flight.place, desk.cost(indicator.kind), now)
                    .or_else(|| {
                        if flight.hopeful {
                            None
                        } else {
                            desk.overdrawn(flight.place, desk.cost(indicator.kind), now, self.deadline)
                        }
                    })
                    .map(|(why, at)| (why, at.map(|at| wall_at(at, now, wall_ms)))),
                SlotState::Calling { .. } | SlotState::Answered { .. } | SlotState::Over { .. } => None,
            };
            let answer = slot.state.answer(now, wall_ms, blocked);
            let lives = time_to_live(&answer, &self.cache_config);
            // An expired answer that is shown in place of one that is not to be asked for does not take its life.
            let shown = match answer {
                Answer::Skipped { reason: Reason::Tlp } => Some(Duration::ZERO),
                Answer::Verdict(_)
                | Answer::Throttled { .. }
                | Answer::Failed { .. }
                | Answer::Pending { .. }
                | Answer::Skipped { .. } => lives.or(Some(self.cache_config.ttl_failed)),
            };
            let (answer, stale, end) = match (&slot.old, &slot.state, answer) {
                (_, SlotState::Answered { expires, .. }, answer) => (answer, false, *expires),
                (Some(old), _, _) => (Answer::Verdict(old.clone()), true, end_of(now, shown)),
                (None, _, answer) => (answer, false, end_of(now, lives)),
            };
            sources.push(Source { provider: desk.id, answer, stale });
            expires.push(end);
        }
        let assessment = score::assess(indicator.kind, sources, &self.score);
        Arc::new(Entry::new(indicator, assessment, expires))
    }

    pub(super) fn given_up(&self, indicator: &Indicator, entry: &Entry, reason: Reason, now: Duration) -> Arc<Entry> {
        let mut sources = entry.assessment().sources.clone();
        for source in &mut sources {
            if source.answer.can_still_come() {
                source.answer = Answer::Skipped { reason };
            }
        }
        let assessment = score::assess(indicator.kind, sources, &self.score);
        Arc::new(Entry::of_now(indicator, assessment, now, &self.cache_config))
    }
}

/// How old an answer is; never negative.
pub(super) fn wall_age(answered_at: i64, wall_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(wall_ms.saturating_sub(answered_at)).unwrap_or(0))
}

fn end_of(now: Duration, lives: Option<Duration>) -> Duration {
    lives.map_or(Duration::MAX, |lives| now.saturating_add(lives))
}

pub(super) fn wall_at(at: Duration, now: Duration, wall_ms: i64) -> i64 {
    wall_ms.saturating_add(i64::try_from(at.saturating_sub(now).as_millis()).unwrap_or(i64::MAX))
}

pub(super) fn verdict_of(entry: &Entry, desk: &Desk) -> Option<(Verdict, Duration)> {
    let at = entry.assessment().sources.iter().position(|source| source.provider == desk.id)?;
    let verdict = entry.assessment().sources.get(at)?.answer.verdict()?.clone();
    Some((verdict, entry.expires().get(at).copied()?))
}
