//! Calls that are paid from leases of the fleet's ledger: what a desk may call, what it asks for and what it gives back.
//!
//! A provider's dispatcher asks the ledger for calls for the best that waits; the answer comes back with the log (`fleet`). What was won is called while its lease is
//! young. Without the log nothing is leased: what waits says `quota`.

use std::{collections::HashMap, time::Duration};

use crate::{
    budget::{
        Urgency,
        ledger::{CallEnd, digest},
        purse::{Purse, Reading},
    },
    enrich::{
        board::Board,
        desk::{Desk, Idle},
        flight::SlotState,
        keys::Call,
    },
    model::Indicator,
    provider::Effect,
};

/// A request without an answer for this long means that the ledger is out of reach.
const OUT_OF_REACH: Duration = Duration::from_secs(1);
/// A dispatcher with work looks again after this long at the latest.
const LOOK: Duration = Duration::from_millis(500);
/// And after this long where nothing but an answer is waited for.
const SOON: Duration = Duration::from_millis(20);
/// After the end of somebody's claim, before one's own request.
pub(super) const AFTER_CLAIM: Duration = Duration::from_millis(50);

/// What one desk may call.
pub(super) struct LeaseDesk {
    pub(super) purse: Purse<Indicator>,
    /// Calls under way, by lease and number; by the first indicator of each.
    under_way: HashMap<Indicator, (u64, u32), foldhash::fast::RandomState>,
    /// A pause that the fleet has not been told of yet.
    pub(super) pause: Option<Duration>,
}

impl LeaseDesk {
    pub(super) fn new(account: &str, window: Duration, batch: usize) -> Self {
        let purse = Purse::new(account, window).with_batch(batch);
        Self { purse, under_way: HashMap::default(), pause: None }
    }

    /// What the next call is for.
    pub(super) fn next(&self) -> Option<&Indicator> {
        self.purse.next()
    }

    /// Calls that may be started.
    pub(super) fn tickets(&self) -> usize {
        self.purse.tickets()
    }

    /// Whether a request has been waiting for an answer for so long that the ledger must be out of reach.
    pub(super) fn is_unanswered(&self, now: Duration) -> bool {
        self.purse.waits_since().is_some_and(|since| now.saturating_sub(since) > OUT_OF_REACH)
    }
}

impl Desk {
    /// A call that was paid from a lease has ended; `first` of its indicators.
    pub(super) fn end_call(&mut self, first: &Indicator, answered: bool, now: Reading) {
        if let Some(lease) = &mut self.key.lease
            && let Some(call) = lease.under_way.remove(first)
        {
            lease.purse.over(call, if answered { CallEnd::Answered } else { CallEnd::Spent }, now);
        }
    }

    /// When what was given back may be asked for with another key: not before the ledger has heard that it is free.
    pub(super) fn after_return(&self, now: Duration) -> Duration {
        let is_claimed = self.key.lease.is_some() && !self.other_keys.is_empty();
        if is_claimed { now.saturating_add(AFTER_CLAIM) } else { now }
    }

    /// The fleet is to be told of a pause.
    pub(super) fn tell_pause(&mut self, pause: Duration) {
        if let Some(lease) = &mut self.key.lease {
            lease.pause = Some(lease.pause.unwrap_or_default().max(pause));
        }
    }
}

impl Board {
    /// Whether a provider may be called now by a lease of one of its keys, which is in use then. Gives back and asks for calls on the way.
    pub(super) fn peek_leased(&mut self, provider: usize, now: Reading) -> Result<(), Idle> {
        let Some(desk) = self.desks.get_mut(provider) else { return Err(Idle::UntilWoken) };
        desk.queue.ripen(now.monotonic);
        if desk.other_keys.is_empty() {
            return self.peek_key(provider, now);
        }
        let mut idle = Idle::UntilWoken;
        // Those that must not call give back what they hold, for the others.
        let (blocked, free): (Vec<usize>, Vec<usize>) =
            desk.order(now.monotonic).into_iter().partition(|number| desk.is_blocked(*number, now.monotonic));
        for number in blocked.into_iter().chain(free) {
            self.turn_to(provider, number);
            match self.peek_key(provider, now) {
                Ok(()) => return Ok(()),
                Err(other) => idle = idle.sooner(other),
            }
        }
        Err(idle)
    }

    pub(super) fn turn_to(&mut self, provider: usize, key: usize) {
        if let Some(desk) = self.desks.get_mut(provider) {
            desk.turn_to(key);
        }
    }

    fn peek_key(&mut self, provider: usize, now: Reading) -> Result<(), Idle> {
        let Some(desk) = self.desks.get_mut(provider) else { return Err(Idle::UntilWoken) };
        desk.sort_out(now.monotonic);
        let (key, cost) = (&desk.key, desk.next_cost());
        let blocked_until = if key.closed.is_some() {
            Some(None)
        } else if key.paused_until > now.monotonic {
            Some(Some(key.paused_until))
        } else {
            key.breaker
                .open_until()
                .filter(|at| *at > now.monotonic)
                .or_else(|| key.at_ceiling(cost, now.monotonic))
                .map(Some)
        };
        if let Some(until) = blocked_until {
            self.give_back(provider, now);
            return Err(until.map_or(Idle::UntilWoken, Idle::Until));
        }
        self.housekeep(provider, now);
        let Some(desk) = self.desks.get(provider) else { return Err(Idle::UntilWoken) };
        match &desk.key.lease {
            Some(lease) if lease.purse.tickets() > 0 => Ok(()),
            Some(_) | None => Err(idle(desk, now.monotonic)),
        }
    }

    /// Takes the indicators of the next call that may start.
    pub(super) fn take_leased(&mut self, provider: usize, now: Reading) -> Result<Call, Idle> {
        self.peek_leased(provider, now)?;
        let Some(desk) = self.desks.get_mut(provider) else { return Err(Idle::UntilWoken) };
        if let Err(open) = desk.key.breaker.admit() {
            return Err(Idle::Until(open.retry_at));
        }
        let mut stale = Vec::new();
        let mut taken = Vec::new();
        while let Some(lease) = desk.key.lease.as_mut()
            && let Some((call, items)) = lease.purse.take_call(now, &mut stale)
        {
            for item in items {
                let flight = self.flights.get_mut(&item);
                let place = flight.as_ref().map(|flight| flight.place);
                let waits = flight.and_then(|flight| flight.slot(provider));
                // Others were given up, or answered otherwise, in the meantime.
                if let (Some(SlotState::Waiting { not_before, .. }), Some(place)) = (waits, place) {
                    desk.queue.remove(place, *not_before);
                    taken.push(item);
                }
            }
            if let Some(first) = taken.first() {
                lease.under_way.insert(first.clone(), call);
                break;
            }
            lease.purse.over(call, CallEnd::Unspent, now);
        }
        if taken.is_empty() {
            desk.key.breaker.record(Effect::Neutral);
        }
        for indicator in stale {
            self.release(provider, &indicator, now.monotonic, now);
        }
        if taken.is_empty() {
            return Err(self.desks.get(provider).map_or(Idle::UntilWoken, |desk| idle(desk, now.monotonic)));
        }
        self.start(provider, taken)
    }

    /// Returns what is over, gives up what nobody answered, asks for more.
    fn housekeep(&mut self, provider: usize, now: Reading) {
        self.write_terms(now);
        let (Some(desk), Some(member)) = (self.desks.get_mut(provider), &mut self.member) else { return };
        let Some(lease) = &mut desk.key.lease else { return };
        while let Some(record) = lease.purse.next_return(now, false) {
            let bytes = member.encode(&record);
            self.effects.records.push(bytes);
        }
        let given_up = lease.purse.given_up(now);
        for indicator in given_up {
            self.release(provider, &indicator, now.monotonic, now);
        }
        self.request(provider, now);
    }

    fn request(&mut self, provider: usize, now: Reading) {
        let (Some(desk), Some(member)) = (self.desks.get_mut(provider), &mut self.member) else { return };
        if desk.gathers_until(now.monotonic).is_some() {
            return;
        }
        desk.sort_out(now.monotonic);
        let Some(urgency) = desk.pays(now.monotonic) else { return };
        let Some((_, cost)) = desk.queue.first(urgency) else { return };
        let (need, waiting, slots) =
            (desk.need(urgency, cost), desk.queue.ready_at(Urgency::Ordinary, cost), desk.slots);
        let Some(lease) = &mut desk.key.lease else { return };
        if desk.queue.is_mixed() {
            // The refusal that it waits for the end of may have been one of dearer calls.
            let replica = member.replica();
            member.fleet().look(|ledger, there| lease.purse.reconsider(ledger, replica, need, now, there));
        }
        // A call that is not full goes on being gathered as long as one before it has not begun.
        if waiting < desk.batch && lease.purse.has_not_begun() {
            return;
        }
        let wants =
            member.fleet().look(|ledger, there| lease.purse.wants(ledger, need, slots, now, there)).unwrap_or(0);
        // The reserve is for those that are urgent; what is left of their last call costs nothing more, and others fill it.
        let mut items = Vec::with_capacity(wants);
        let mut most = wants;
        for urgency in [urgency, Urgency::Ordinary] {
            while items.len() < most
                && let Some(indicator) = desk.queue.hold(urgency, cost)
            {
                let claim = digest(indicator.kind.as_str(), &indicator.value);
                items.push((indicator, claim));
            }
            most = wants.min(items.len().next_multiple_of(desk.batch));
        }
        if items.is_empty() {
            return;
        }
        desk.gathered();
        let Some(lease) = &mut desk.key.lease else { return };
        let id = member.request(provider, desk.key.number, urgency, cost);
        let record = lease.purse.ask(id.seq, items, cost, urgency, now);
        self.effects.records.push(record.encode(id));
    }

    /// An indicator goes back into the line of a provider.
    pub(super) fn release(&mut self, provider: usize, indicator: &Indicator, not_before: Duration, now: Reading) {
        let Some(flight) = self.flights.get_mut(indicator) else { return };
        let place = flight.place;
        flight.snapshot = None;
        if let (Some(SlotState::Waiting { not_before: at, .. }), Some(desk)) =
            (flight.slot(provider), self.desks.get_mut(provider))
            && desk.queue.release(place, not_before, now.monotonic)
        {
            *at = not_before;
        }
    }

    /// What is over is returned now.
    pub(super) fn return_all(&mut self, provider: usize, now: Reading) {
        let (Some(desk), Some(member)) = (self.desks.get_mut(provider), &mut self.member) else { return };
        let Some(lease) = &mut desk.key.lease else { return };
        while let Some(record) = lease.purse.next_return(now, true) {
            let bytes = member.encode(&record);
            self.effects.records.push(bytes);
        }
    }

    /// Everything that a desk holds goes back.
    pub(super) fn give_back(&mut self, provider: usize, now: Reading) {
        let Some(lease) = self.desks.get_mut(provider).and_then(|desk| desk.key.lease.as_mut()) else { return };
        let items = lease.purse.give_back(now);
        self.return_all(provider, now);
        let not_before = self.desks.get(provider).map_or(now.monotonic, |desk| desk.after_return(now.monotonic));
        for indicator in items {
            self.release(provider, &indicator, not_before, now);
        }
    }
}

/// When a dispatcher has to look again.
fn idle(desk: &Desk, now: Duration) -> Idle {
    let Some(lease) = &desk.key.lease else { return Idle::UntilWoken };
    let mut until = desk.queue.next_ripe();
    let mut at = |time: Duration| until = Some(until.map_or(time, |until| until.min(time)));
    if let Some(due) = lease.purse.return_due() {
        at(due);
    }
    if desk.queue.ready() > 0 {
        if let Some(until) = desk.open_until(now) {
            at(until);
        }
        // What could be asked for has been: an answer wakes it, or the end of the quiet.
        let quiet_until = desk.pays(now).map(|urgency| lease.purse.quiet_until(urgency));
        at(match quiet_until {
            Some(until) if until > now => until.max(now + Duration::from_millis(1)).min(now + LOOK),
            Some(_) => now + SOON,
            None => now + LOOK,
        });
    }
    if !lease.purse.is_idle() {
        at(now + LOOK);
    }
    until.map_or(Idle::UntilWoken, Idle::Until)
}
