//! What would become of an indicator if an event showed it now: for people who ask why, nothing is asked or counted.

use std::time::Duration;

use crate::{
    budget::Urgency,
    cache::Entry,
    enrich::{
        Enricher, Sighting,
        board::Board,
        flight::{Slot, SlotState},
        known::wall_at,
        queue::Place,
        triage::points_of,
        worth::{Evidence, points},
    },
    model::{Answer, Indicator, ProviderId, Severity},
};

/// What would become of an indicator.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// What it is worth asking about, points; of one that does not wait as if it were seen for the first time, by a source that keeps its share.
    pub worth: i32,
    /// Whether it waits for answers already.
    pub is_waiting: bool,
    /// The providers that are responsible for its kind.
    pub prospects: Vec<Prospect>,
}

/// What one provider would be asked, or why not.
#[derive(Clone, Debug)]
pub struct Prospect {
    /// Which.
    pub provider: ProviderId,
    /// Units that the call costs.
    pub units: u32,
    /// What the annotation would say of it at first.
    pub answer: Answer,
    /// Whether a call is to be made.
    pub is_asked: bool,
}

impl Enricher {
    /// What would become of an indicator if an event showed it now. `prior` is what the cache holds of it.
    pub fn outlook(&self, indicator: &Indicator, prior: Option<&Entry>, sighting: Sighting) -> Outlook {
        let (now, wall_ms) = (self.shared.clock.monotonic(), self.shared.clock.wall_ms());
        self.shared.board.lock().outlook(indicator, prior, sighting, now, wall_ms)
    }
}

impl Board {
    /// Whether it may use the reserve, as far as its event says.
    fn is_serious(&self, sighting: Sighting) -> bool {
        sighting.urgency == Urgency::Urgent || self.triage.is_serious(sighting.event.severity)
    }

    pub(super) fn outlook(
        &self,
        indicator: &Indicator,
        prior: Option<&Entry>,
        sighting: Sighting,
        now: Duration,
        wall_ms: i64,
    ) -> Outlook {
        let flight = self.flights.get(indicator);
        let worth = flight.map_or_else(
            || points(indicator.kind, sighting.role, first(sighting.event.severity)),
            |flight| points_of(flight.place.worth(), flight.started),
        );
        let of_flight = flight.map(|flight| flight.slots.clone());
        let slots = of_flight.unwrap_or_else(|| self.slots(indicator, prior, sighting.tlp, now));
        let place = flight.map_or(Place::new(0, u64::MAX, self.is_serious(sighting)), |flight| flight.place);
        let hopeful = flight.is_some_and(|flight| flight.hopeful);
        let prospect = |slot: &Slot| {
            let desk = self.desks.get(slot.provider)?;
            let units = desk.cost(indicator.kind);
            let blocked = match slot.state {
                SlotState::Waiting { .. } => desk
                    .blocked_in(place, units, now)
                    .or_else(|| {
                        let overdrawn = || desk.overdrawn(place, units, now, self.deadline);
                        if hopeful || place.is_urgent() { None } else { overdrawn() }
                    })
                    .map(|(why, at)| (why, at.map(|at| wall_at(at, now, wall_ms)))),
                SlotState::Calling { .. } | SlotState::Answered { .. } | SlotState::Over { .. } => None,
            };
            let answer = slot.state.answer(now, wall_ms, blocked);
            Some(Prospect { provider: desk.id, units, answer, is_asked: slot.state.is_open() })
        };
        Outlook { worth, is_waiting: flight.is_some(), prospects: slots.iter().filter_map(prospect).collect() }
    }
}

/// The evidence of a first sighting.
fn first(severity: Severity) -> Evidence {
    Evidence { sightings: 1, sources: 1, over: 0, severity, severe: u32::from(severity >= Severity::High) }
}
