//! What may still become of a flight: whether waiting for it is worth while, and its end without an answer.

use std::time::Duration;

use crate::{
    enrich::{
        desk::Desk,
        flight::{Flight, SlotState},
    },
    model::{Answer, Reason},
};

/// Nothing more is waited for, for this reason.
pub(super) fn give_up(desks: &mut [Desk], flight: &mut Flight, reason: Reason) {
    for slot in &mut flight.slots {
        if slot.state.is_open() {
            slot.state = SlotState::Over { answer: Answer::Skipped { reason } };
            if let Some(desk) = desks.get_mut(slot.provider) {
                desk.not_asked(reason.as_str(), flight.role);
            }
        }
    }
}

/// Whether an answer can come within `wait`: a call is under way, or the flight was near enough to the head of a line when it took off, and that
/// was not so long ago that it should have had its turn.
pub(super) fn is_hopeful(flight: &Flight, desks: &[Desk], now: Duration, wait: Duration) -> bool {
    let in_time = flight.hopeful && now.saturating_sub(flight.started) < wait;
    if in_time {
        return can_come(flight, desks, now, wait);
    }
    !wait.is_zero() && flight.slots.iter().any(|slot| matches!(slot.state, SlotState::Calling { .. }))
}

/// Whether an answer can come within `wait` by what is known now, however long the flight has waited: also one that is asked for once more.
pub(super) fn can_come(flight: &Flight, desks: &[Desk], now: Duration, wait: Duration) -> bool {
    flight.slots.iter().any(|slot| match &slot.state {
        SlotState::Calling { .. } => !wait.is_zero(),
        SlotState::Waiting { not_before, .. } => {
            let until = now.saturating_add(wait);
            *not_before <= until
                && desks.get(slot.provider).is_some_and(|desk| {
                    desk.queue.is_won(flight.place)
                        || !desk.is_closed()
                            && desk
                                .blocked_in(flight.place, desk.cost(flight.kind), now)
                                .and_then(|(_, at)| at)
                                .is_none_or(|at| at <= until)
                })
        }
        SlotState::Answered { .. } | SlotState::Over { .. } => false,
    })
}
