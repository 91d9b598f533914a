//! Turns: fair shares between replicas when more is wanted than there is.
//!
//! Every replica has a *level*: the calls that it was granted while others waited. A request is granted only what is left when everybody in line whose level is lower
//! could be lifted to its own; so in the long run those who want calls get the same number of them, however often they ask and however much they ask
//! for. Urgent requests go ahead of ordinary ones. Who is in line and does not come back in time loses its place, not its level.
//!
//! Calls of each price have a line of their own: who waits for credits to come back does not keep those waiting whose calls cost none.

use crate::budget::{
    Urgency,
    ledger::wire::{DecodeError, Reader, Writer},
};

/// Places that are remembered, at most: of each replica one for each price that it was refused.
const MAX_PLACES: usize = 1_024;
/// How long after the time at which it was told to come back a replica is waited for, milliseconds.
const PATIENCE: i64 = 2_000;
/// And how long it is waited for in any case: a window that opens tomorrow is nothing to hold a place for.
const LONGEST: i64 = 120_000;
/// The place of a replica that has not asked for this long is forgotten, milliseconds.
const FORGOTTEN_AFTER: i64 = 600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    replica: u64,
    /// The price of the calls, units each.
    cost: u32,
    level: u64,
    /// Calls that it was refused.
    wants: u64,
    urgent: bool,
    /// It is in line until then.
    until: i64,
    seen: i64,
}

impl Place {
    fn is_of(&self, replica: u64, cost: u32) -> bool {
        self.replica == replica && self.cost == cost
    }
}

/// Who waits for calls of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Turns {
    places: Vec<Place>,
    /// Time of the last step.
    now: i64,
}

impl Turns {
    pub(super) fn advance(&mut self, now: i64) {
        self.now = now;
        for place in self.places.iter_mut().filter(|place| place.until <= now) {
            place.wants = 0;
        }
        self.places.retain(|place| now - place.seen <= FORGOTTEN_AFTER);
    }

    /// Who waits for calls of this price.
    fn in_line(&self, cost: u32) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| place.cost == cost && place.wants > 0)
    }

    /// The level at which a replica asks: it has no advantage of the time in which it did not want anything.
    fn level(&self, replica: u64, cost: u32) -> u64 {
        let lowest = self.in_line(cost).map(|place| place.level).min().unwrap_or(0);
        match self.places.iter().find(|place| place.is_of(replica, cost)) {
            Some(own) if own.wants > 0 => own.level,
            Some(own) => own.level.max(lowest),
            None => lowest,
        }
    }

    /// How many of the `room` calls of this price this replica may have.
    pub(super) fn allow(&self, replica: u64, cost: u32, urgency: Urgency, room: u64) -> u64 {
        let urgent = urgency == Urgency::Urgent;
        let level = self.level(replica, cost);
        let own = self.places.iter().position(|place| place.is_of(replica, cost)).unwrap_or(self.places.len());
        let is_other = |place: &Place| {
            place.replica != replica && place.cost == cost && place.wants > 0 && (place.urgent || !urgent)
        };
        let others = || self.places.iter().enumerate().filter(|(_, place)| is_other(place));
        if others().next().is_none() {
            return room;
        }
        let left_to_others = |calls: u64| -> u64 {
            let of = |(at, place): (usize, &Place)| {
                // Of two at the same level the one that came first takes the odd call.
                let raised = level.saturating_add(calls).saturating_sub(u64::from(at > own));
                let lift = if place.urgent && !urgent { u64::MAX } else { raised.saturating_sub(place.level) };
                place.wants.min(lift)
            };
            others().map(of).fold(0, u64::saturating_add)
        };
        // The most calls for which there is room beside what they leave to others.
        let (mut least, mut most) = (0, room);
        while least < most {
            let calls = most - (most - least) / 2;
            if calls.saturating_add(left_to_others(calls)) <= room {
                least = calls;
            } else {
                most = calls - 1;
            }
        }
        least
    }

    /// A request got `calls` of this price and was refused `wants` more; it was told to come back at `retry_at`.
    pub(super) fn served(
        &mut self,
        replica: u64,
        cost: u32,
        urgency: Urgency,
        (calls, wants): (u64, u64),
        retry_at: i64,
    ) {
        let contended = wants > 0 || self.in_line(cost).any(|place| place.replica != replica);
        let known = self.places.iter().any(|place| place.is_of(replica, cost));
        if !contended && !known {
            return;
        }
        let level = self.level(replica, cost).saturating_add(if contended { calls } else { 0 });
        let until = retry_at.saturating_add(PATIENCE).min(self.now.saturating_add(LONGEST));
        let place = Place { replica, cost, level, wants, urgent: urgency == Urgency::Urgent, until, seen: self.now };
        if let Some(own) = self.places.iter_mut().find(|own| own.is_of(replica, cost)) {
            *own = place;
        } else if self.places.len() < MAX_PLACES {
            self.places.push(place);
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.i64(self.now);
        out.count(self.places.len());
        for place in &self.places {
            out.u64(place.replica);
            out.u32(place.cost);
            out.u64(place.level);
            out.u64(place.wants);
            out.u8(u8::from(place.urgent));
            out.i64(place.until);
            out.i64(place.seen);
        }
    }

    pub(super) fn read(&mut self, from: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.now = from.i64()?;
        for _ in 0..from.count(45)? {
            let (replica, cost, level, wants) = (from.u64()?, from.u32()?, from.u64()?, from.u64()?);
            let (urgent, until, seen) = (from.flag()?, from.i64()?, from.i64()?);
            self.places.push(Place { replica, cost, level, wants, urgent, until, seen });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDINARY: Urgency = Urgency::Ordinary;

    #[test]
    fn the_last_call_always_goes_to_somebody() {
        let mut turns = Turns::default();
        turns.advance(1_000);
        for replica in 1..=3 {
            turns.served(replica, 1, ORDINARY, (0, 8), 1_000);
        }
        let mut got = [0u64; 4];
        for round in 0..30u64 {
            let allowed: Vec<u64> = (1..=3).map(|replica| turns.allow(replica, 1, ORDINARY, 1)).collect();
            assert_eq!(allowed.iter().sum::<u64>(), 1, "round {round}: {allowed:?}");
            let winner = 1 + allowed.iter().position(|calls| *calls == 1).unwrap() as u64;
            turns.served(winner, 1, ORDINARY, (1, 8), 1_000);
            got[usize::try_from(winner).unwrap()] += 1;
        }
        assert_eq!(got, [0, 10, 10, 10]);
    }

    #[test]
    fn urgent_requests_go_first_and_who_is_alone_gets_everything() {
        let mut turns = Turns::default();
        turns.advance(1_000);
        assert_eq!(turns.allow(1, 1, ORDINARY, 100), 100);
        turns.served(2, 1, Urgency::Urgent, (0, 30), 1_000);
        assert_eq!(turns.allow(1, 1, ORDINARY, 100), 70);
        assert_eq!(turns.allow(3, 1, Urgency::Urgent, 100), 70);
        turns.served(4, 1, ORDINARY, (0, 50), 1_000);
        assert_eq!(turns.allow(2, 1, Urgency::Urgent, 100), 100);
        turns.advance(1_000 + PATIENCE);
        assert_eq!(turns.allow(1, 1, ORDINARY, 100), 100, "nobody came back");
    }

    #[test]
    fn who_waits_for_dear_calls_keeps_nobody_from_those_of_another_price() {
        let mut turns = Turns::default();
        turns.advance(1_000);
        turns.served(1, 3, ORDINARY, (1, 19), 1_000);
        assert_eq!(turns.allow(2, 0, ORDINARY, 5), 5);
        assert_eq!(turns.allow(2, 3, ORDINARY, 5), 2, "those of the same price share");
        // A free call in between is no sign that the dear ones are not wanted any more.
        turns.served(1, 0, ORDINARY, (1, 0), 1_000);
        assert_eq!(turns.allow(2, 3, ORDINARY, 5), 2);
        assert_eq!(turns.allow(1, 3, ORDINARY, 5), 5);
    }
}
