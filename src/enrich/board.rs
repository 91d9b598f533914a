//! The state of all flights and desks: synchronous, time as a parameter, no I/O.
//!
//! A finished flight goes to the cache before it leaves the board, and [`Board::ask`] looks into the cache again under the same lock: an
//! indicator is always in one of the two, so no second call starts in between.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use crate::{
    cache::{Cache, Entry, Hit, is_withheld},
    enrich::{
        Asked, Notice, Parts,
        chance::{give_up, is_hopeful},
        desk::{Desk, Dice},
        door::Doors,
        fleet::Member,
        flight::{Flight, Slot, SlotState},
        known::verdict_of,
        pool::Assessed,
        queue::Place,
        triage::{Judgement, Triage},
        worth::Sighting,
    },
    model::{Indicator, Tlp},
    score,
};

/// What has to be done outside the lock after a step.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) notices: Vec<(u64, Notice)>,
    /// Dispatchers to wake, a bit each.
    pub(super) wake: u64,
    /// Records for the fleet's ledger.
    pub(super) records: Vec<Vec<u8>>,
    /// Whether there is something to tell the fleet.
    pub(super) assessed: bool,
}

/// Numbers of the enricher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Indicators on their way to an assessment.
    pub waiting: usize,
    /// Calls under way.
    pub in_flight: usize,
    /// Indicators that fell out of the waiting set, since the start.
    pub outranked: u64,
}

pub(super) struct Board {
    pub(super) desks: Vec<Desk>,
    doors: Doors,
    pub(super) flights: HashMap<Indicator, Flight, foldhash::fast::RandomState>,
    /// All flights by place; the last is the one that is worth least.
    ranks: BTreeMap<Place, Indicator>,
    seq: u64,
    pub(super) triage: Triage,
    max_waiting: usize,
    pub(super) deadline: Duration,
    pub(super) late_for: Duration,
    pub(super) score: score::Config,
    cache: Cache,
    pub(super) cache_config: crate::cache::Config,
    pub(super) dice: Dice,
    pub(super) effects: Effects,
    outranked: u64,
    /// Where the accounts are kept in the ledger of a fleet.
    pub(super) member: Option<Member>,
    /// Answers on their way to the fleet, where there is one.
    pub(super) assessed: Option<Assessed>,
}

impl Board {
    pub(super) fn new(parts: Parts) -> Self {
        let now = parts.clock.monotonic();
        let desks = Desk::of_all(parts.providers, now);
        Self {
            doors: Doors::new(desks.iter().map(|desk| Arc::clone(&desk.door))),
            desks,
            flights: HashMap::default(),
            ranks: BTreeMap::new(),
            seq: 0,
            triage: Triage::new(&parts.config),
            max_waiting: parts.config.max_waiting.max(1),
            deadline: parts.deadline,
            late_for: parts.late_for,
            score: parts.score,
            cache: parts.cache,
            cache_config: parts.cache_config,
            dice: Dice::new(parts.seed),
            effects: Effects::default(),
            outranked: 0,
            member: parts.fleet.map(|fleet| Member::new(fleet, parts.seed)),
            assessed: None,
        }
    }

    pub(super) fn take_effects(&mut self) -> Effects {
        self.write_outbox();
        self.effects.assessed = self.assessed.as_ref().is_some_and(|assessed| !assessed.is_empty());
        std::mem::take(&mut self.effects)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            waiting: self.flights.len(),
            in_flight: self.desks.iter().map(|desk| desk.in_flight).sum(),
            outranked: self.outranked,
        }
    }

    // === asking ===

    pub(super) fn ask(
        &mut self,
        asked: &Indicator,
        prior: Option<&Entry>,
        sighting: Sighting,
        listener: Option<usize>,
        now: Duration,
        wall_ms: i64,
    ) -> Asked {
        let bit = listener.filter(|index| *index < 64).map_or(0, |index| 1u64 << index);
        self.admit(asked, sighting.tlp, now);
        if let Some(entry) = self.snapshot(asked, now, wall_ms) {
            self.sighted_again(asked, sighting, now);
            let (desks, deadline) = (&self.desks, self.deadline);
            let hopeful = self.flights.get_mut(asked).is_some_and(|flight| {
                flight.listeners |= bit;
                let hopeful = is_hopeful(flight, desks, now, deadline);
                flight.hopeful |= hopeful;
                hopeful
            });
            return Asked { entry, hopeful, open: true, joined: true };
        }
        let mut prior = prior;
        let fresh;
        if let Hit::Fresh(entry) = self.cache.get(asked.borrowed(), now) {
            if self.doors().would_open(&entry, sighting.tlp, asked.kind) {
                fresh = entry;
                prior = Some(&fresh);
            } else {
                return Asked { entry, hopeful: false, open: false, joined: false };
            }
        }
        self.take_off(asked.clone(), prior, sighting, bit, now, wall_ms)
    }

    /// The doors of all desks.
    pub(super) fn doors(&self) -> Doors {
        self.doors.clone()
    }

    /// A flight that began with an event of a stricter marking, or while a provider was switched off, takes in the providers that may be asked now.
    fn admit(&mut self, indicator: &Indicator, marking: Tlp, now: Duration) {
        let deadline = self.deadline;
        let Some(flight) = self.flights.get_mut(indicator) else { return };
        flight.joined = true;
        for slot in &mut flight.slots {
            let kept_back = matches!(&slot.state, SlotState::Over { answer } if is_withheld(answer));
            let Some(desk) = self.desks.get_mut(slot.provider).filter(|_| kept_back) else { continue };
            if desk.door.refusal(marking, indicator.kind).is_none() {
                slot.state = SlotState::Waiting { not_before: now, attempts: 0, last: None };
                flight.hopeful |= desk.is_hopeful(now, deadline, flight.place, desk.cost(indicator.kind));
                desk.queue.push(flight.place, indicator.clone(), now, now);
                flight.snapshot = None;
                self.effects.wake |= 1 << slot.provider;
            }
        }
    }

    /// A waiting indicator moves up when it is seen in a better place, or often.
    fn sighted_again(&mut self, indicator: &Indicator, sighting: Sighting, now: Duration) {
        let Some(flight) = self.flights.get_mut(indicator) else { return };
        let judged = self.triage.judge(indicator, sighting, flight.started, now);
        flight.flood &= judged.flood;
        let place = flight.place.raised(judged.worth, judged.urgent);
        if place == flight.place {
            return;
        }
        for slot in &flight.slots {
            if let (SlotState::Waiting { not_before, .. }, Some(desk)) =
                (&slot.state, self.desks.get_mut(slot.provider))
            {
                desk.expect(Some(flight.place), place, flight.started, now);
                desk.queue.step(flight.place, place, indicator.clone(), *not_before, now);
            }
        }
        self.ranks.remove(&flight.place);
        self.ranks.insert(place, indicator.clone());
        flight.place = place;
    }

    /// Starts a flight.
    fn take_off(
        &mut self,
        indicator: Indicator,
        prior: Option<&Entry>,
        sighting: Sighting,
        listeners: u64,
        now: Duration,
        wall_ms: i64,
    ) -> Asked {
        let judged = self.triage.judge(&indicator, sighting, now, now);
        let place = Place::new(judged.worth, self.seq, judged.urgent);
        self.seq += 1;
        let slots = self.slots(&indicator, prior, sighting.tlp, now);
        let mut flight = Flight {
            kind: indicator.kind,
            slots,
            place,
            flood: judged.flood,
            role: sighting.role,
            listeners,
            started: now,
            hopeful: false,
            joined: false,
            snapshot: None,
        };
        for slot in &flight.slots {
            if let (SlotState::Over { answer }, Some(desk)) = (&slot.state, self.desks.get_mut(slot.provider))
                && let Some(reason) = answer.reason()
            {
                desk.not_asked(reason, flight.role);
            }
        }
        if !flight.is_open() {
            let entry = self.entry(&indicator, &flight, now, wall_ms);
            self.keep(&indicator, &entry, now);
            return Asked { entry, hopeful: false, open: false, joined: false };
        }
        if self.flights.len() >= self.max_waiting && !self.make_room(judged.worth, now, wall_ms) {
            self.outranked += 1;
            give_up(&mut self.desks, &mut flight, Judgement::reason(judged.flood));
            let entry = self.entry(&indicator, &flight, now, wall_ms);
            return Asked { entry, hopeful: false, open: false, joined: false };
        }
        let deadline = self.deadline;
        flight.hopeful = flight.slots.iter().any(|slot| {
            matches!(slot.state, SlotState::Waiting { .. })
                && (self.desks.get(slot.provider))
                    .is_some_and(|desk| desk.is_hopeful(now, deadline, place, desk.cost(flight.kind)))
        });
        for slot in &flight.slots {
            if let (SlotState::Waiting { not_before, .. }, Some(desk)) =
                (&slot.state, self.desks.get_mut(slot.provider))
            {
                desk.expect(None, place, now, now);
                desk.queue.push(place, indicator.clone(), *not_before, now);
                self.effects.wake |= 1 << slot.provider;
            }
        }
        let hopeful = flight.hopeful;
        let entry = self.entry(&indicator, &flight, now, wall_ms);
        self.ranks.insert(place, indicator.clone());
        self.flights.insert(indicator, flight);
        Asked { entry, hopeful, open: true, joined: false }
    }

    /// What each responsible provider would be asked, or why not.
    pub(super) fn slots(&self, indicator: &Indicator, prior: Option<&Entry>, marking: Tlp, now: Duration) -> Vec<Slot> {
        let responsible = self.desks.iter().enumerate().filter(|(_, desk)| desk.supports(indicator.kind));
        responsible
            .map(|(provider, desk)| {
                let known = prior.and_then(|entry| verdict_of(entry, desk));
                match (known, desk.door.refusal(marking, indicator.kind)) {
                    (Some((verdict, expires)), _) if expires > now => {
                        Slot { provider, state: SlotState::Answered { verdict, expires }, old: None }
                    }
                    (old, Some(answer)) => {
                        let state = SlotState::Over { answer };
                        Slot { provider, state, old: old.map(|(verdict, _)| verdict) }
                    }
                    (old, None) => {
                        let state = SlotState::Waiting { not_before: now, attempts: 0, last: None };
                        Slot { provider, state, old: old.map(|(verdict, _)| verdict) }
                    }
                }
            })
            .collect()
    }

    /// Drops the flight that is worth least, if that is less than `worth`. Flights with a call under way stay: the call is paid.
    fn make_room(&mut self, worth: u32, now: Duration, wall_ms: i64) -> bool {
        const LOOKED_AT: usize = 256;
        let victim = self.ranks.iter().rev().take(LOOKED_AT).take_while(|(place, _)| place.worth() < worth).find_map(
            |(_, indicator)| {
                self.flights.get(indicator).is_some_and(|flight| !flight.is_calling()).then(|| indicator.clone())
            },
        );
        let Some(victim) = victim else { return false };
        if let Some(flight) = self.flights.get_mut(&victim) {
            for slot in &flight.slots {
                if let (SlotState::Waiting { not_before, .. }, Some(desk)) =
                    (&slot.state, self.desks.get_mut(slot.provider))
                {
                    desk.queue.remove(flight.place, *not_before);
                }
            }
            give_up(&mut self.desks, flight, Judgement::reason(flight.flood));
        }
        self.outranked += 1;
        self.land(&victim, now, wall_ms);
        true
    }

    /// After a change: lands the flight if it is over, says so if waiting has become pointless.
    pub(super) fn review(&mut self, indicator: &Indicator, now: Duration, wall_ms: i64) {
        let Some(flight) = self.flights.get_mut(indicator) else { return };
        if !flight.is_open() {
            self.land(indicator, now, wall_ms);
            return;
        }
        let (desks, deadline) = (&self.desks, self.deadline);
        if flight.hopeful && !is_hopeful(flight, desks, now, deadline) {
            flight.hopeful = false;
            let listeners = flight.listeners;
            if let Some(entry) = self.snapshot(indicator, now, wall_ms) {
                self.effects.notices.push((listeners, Notice { indicator: indicator.clone(), entry, settled: false }));
            }
        }
    }

    /// Ends a flight: its entry goes to the cache, its listeners hear of it.
    fn land(&mut self, indicator: &Indicator, now: Duration, wall_ms: i64) {
        let Some(flight) = self.flights.get(indicator) else { return };
        let entry = self.entry(indicator, flight, now, wall_ms);
        let (listeners, place) = (flight.listeners, flight.place);
        self.keep(indicator, &entry, now);
        self.flights.remove(indicator);
        self.ranks.remove(&place);
        self.effects.notices.push((listeners, Notice { indicator: indicator.clone(), entry, settled: true }));
    }

    fn keep(&self, indicator: &Indicator, entry: &Arc<Entry>, now: Duration) {
        if entry.has_verdict() || entry.fresh_until() > now {
            self.cache.insert(indicator.clone(), Arc::clone(entry));
        }
    }
}
