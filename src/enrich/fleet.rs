//! The enricher as a member of a fleet: calls are paid from leases of the ledger, and what one replica asks the others do not.
//!
//! A provider's dispatcher asks the ledger for calls for the best that waits; the answer comes back with the log. What was won is called while its lease is
//! young. What somebody else is asking stays in the line until their claim ends, or until their assessment arrives. Without the log nothing is leased: what waits says `quota`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    budget::{
        Fleet, Urgency,
        ledger::{Applied, CallEnd, DecodeError, Followed, Granted, Record, RecordId, digest},
        purse::{Purse, Reading},
    },
    enrich::{
        Enricher, Shared,
        board::Board,
        desk::{Desk, Idle},
        flight::SlotState,
        keys::{Call, Key},
    },
    model::Indicator,
    provider::Effect,
};

/// A request without an answer for this long means that the ledger is out of reach.
const OUT_OF_REACH: Duration = Duration::from_secs(1);
/// The terms of an account are written again after this long, if the ledger does not show them.
const TERMS_AGAIN: Duration = Duration::from_secs(5);
/// Requests that are remembered.
const MOST_ASKED: usize = 1_024;
/// A dispatcher with work looks again after this long at the latest.
const LOOK: Duration = Duration::from_millis(500);
/// After the end of somebody's claim, before one's own request.
const AFTER_CLAIM: Duration = Duration::from_millis(50);

/// What is known of the fleet's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetState {
    /// It is being read.
    Reading,
    /// It was read, and has the account of every provider.
    Known,
    /// It was read, but its beginning is gone and no snapshot is in the rest; or records are missing in between.
    Lost,
}

/// This replica in its fleet.
pub(super) struct Member {
    fleet: Fleet,
    /// A number that no other run of any replica has.
    replica: u64,
    seq: u64,
    /// Provider and key of each request on its way, and how it is paid.
    asked: BTreeMap<u64, (usize, usize, Urgency)>,
    state: FleetState,
    /// The log was read to where it ended.
    caught_up: bool,
    terms_at: Option<Duration>,
}

impl Member {
    pub(super) fn new(fleet: Fleet, replica: u64) -> Self {
        Self {
            fleet,
            replica,
            seq: 0,
            asked: BTreeMap::new(),
            state: FleetState::Reading,
            caught_up: false,
            terms_at: None,
        }
    }

    pub(super) const fn state(&self) -> FleetState {
        self.state
    }

    fn encode(&mut self, record: &Record) -> Vec<u8> {
        self.seq += 1;
        record.encode(RecordId { replica: self.replica, seq: self.seq })
    }
}

/// What one desk may call.
pub(super) struct LeaseDesk {
    purse: Purse<Indicator>,
    /// Calls under way, by lease and number; by the first indicator of each.
    under_way: HashMap<Indicator, (u64, u32), foldhash::fast::RandomState>,
    /// A pause that the fleet has not been told of yet.
    pause: Option<Duration>,
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
    /// What accounts and desks want to be written.
    pub(super) fn write_outbox(&mut self) {
        let Some(member) = &mut self.member else { return };
        let mut records = member.fleet.take_outbox();
        for key in self.desks.iter_mut().flat_map(Desk::keys_mut) {
            if let Some(pause) = key.lease.as_mut().and_then(|lease| lease.pause.take()) {
                let for_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                records.push(Record::Pause { provider: key.account.clone(), for_ms });
            }
        }
        for record in &records {
            let bytes = member.encode(record);
            self.effects.records.push(bytes);
        }
    }

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

    fn turn_to(&mut self, provider: usize, key: usize) {
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
        let Some(lease) = &mut desk.key.lease else { return };
        let (waiting, slots) = (desk.queue.ready_at(cost), desk.slots);
        if desk.queue.is_mixed() {
            // The refusal that it waits for the end of may have been one of dearer calls.
            let replica = member.replica;
            member.fleet.look(|ledger, there| lease.purse.reconsider(ledger, replica, cost, waiting, now, there));
        }
        // A call that is not full goes on being gathered as long as one before it has not begun.
        if waiting < desk.batch && lease.purse.has_not_begun() {
            return;
        }
        let wants =
            member.fleet.look(|ledger, there| lease.purse.wants(ledger, cost, waiting, slots, now, there)).unwrap_or(0);
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
        member.seq += 1;
        let id = RecordId { replica: member.replica, seq: member.seq };
        let record = lease.purse.ask(id.seq, items, cost, urgency, now);
        member.asked.insert(id.seq, (provider, desk.key.number, urgency));
        // Those that were lost on the way are never answered.
        if member.asked.len() > MOST_ASKED {
            member.asked.pop_first();
        }
        self.effects.records.push(record.encode(id));
    }

    /// An indicator goes back into the line of a provider.
    fn release(&mut self, provider: usize, indicator: &Indicator, not_before: Duration, now: Reading) {
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

    /// Makes sure that the ledger has the terms of every account.
    pub(super) fn write_terms(&mut self, now: Reading) {
        let Some(member) = &mut self.member else { return };
        let first = member.terms_at.is_none();
        let is_complete = member.state == FleetState::Known;
        if !member.caught_up
            || is_complete
            || member.terms_at.is_some_and(|at| now.monotonic.saturating_sub(at) < TERMS_AGAIN)
        {
            return;
        }
        member.terms_at = Some(now.monotonic);
        let mut complete = true;
        for key in self.desks.iter().flat_map(Desk::keys) {
            let (Some(terms), provider) = (key.budget.ledger_terms(), &*key.account) else { continue };
            // Whoever started last is right; after that only what is missing is written.
            let known = member.fleet.look(|ledger, _| ledger.terms(provider).cloned()).flatten();
            complete &= known.is_some();
            let missing = known.is_none() || first && known.as_ref() != Some(terms);
            if missing {
                let record = Record::Terms { provider: provider.into(), terms: terms.clone() };
                let bytes = member.encode(&record);
                self.effects.records.push(bytes);
            }
        }
        if complete {
            member.state = FleetState::Known;
        }
    }

    /// Whether every account is there by now.
    fn look_for_terms(&mut self) {
        let Some(member) = &mut self.member else { return };
        let has = |key: &Key| member.fleet.look(|ledger, _| ledger.terms(&key.account).is_some()) == Some(true);
        if member.caught_up && member.terms_at.is_some() && self.desks.iter().flat_map(Desk::keys).all(has) {
            member.state = FleetState::Known;
        }
    }

    /// The next record of the log.
    ///
    /// # Errors
    /// [`DecodeError`] of one that cannot be read; it changes nothing.
    pub(super) fn heard(&mut self, offset: i64, at_ms: i64, bytes: &[u8], now: Reading) -> Result<(), DecodeError> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let (id, applied, snapshot_due) = match member.fleet.feed(offset, at_ms, bytes) {
            Followed::Applied { id, applied, snapshot_due } => (id, applied, snapshot_due),
            // Records were lost, or the log is another one: what is known is not what the others know.
            Followed::Searching | Followed::Old => {
                if member.state == FleetState::Known {
                    member.state = FleetState::Lost;
                }
                return Ok(());
            }
            Followed::Unreadable(why) => return Err(why),
        };
        let own = Some(id).filter(|id| id.replica == member.replica);
        if own.is_some()
            && snapshot_due
            && let Some(record) = member.fleet.snapshot()
        {
            let bytes = member.encode(&record);
            self.effects.records.push(bytes);
        }
        let changed = match applied {
            Applied::Nothing | Applied::Snapshot => return Ok(()),
            Applied::Changed(provider) => provider,
            Applied::Answered(provider, granted) => {
                if let Some(id) = own
                    && let Some((provider, key, urgency)) = member.asked.remove(&id.seq)
                {
                    if let (Urgency::Urgent, Some(desk)) = (urgency, self.desks.get_mut(provider)) {
                        desk.took_of_reserve(u64::from(granted.calls));
                    }
                    self.turn_to(provider, key);
                    self.answered(provider, id.seq, &granted, now);
                }
                provider
            }
        };
        let number_of = |desk: &Desk| desk.keys().find(|key| *key.account == *changed).map(|key| key.number);
        let found = self.desks.iter().enumerate().find_map(|(provider, desk)| Some((provider, number_of(desk)?)));
        if let Some((provider, key)) = found {
            self.turn_to(provider, key);
            self.changed(provider, now);
        }
        Ok(())
    }

    /// A request of this replica with the key in use was answered.
    fn answered(&mut self, provider: usize, seq: u64, granted: &Granted, now: Reading) {
        let (Some(desk), Some(member)) = (self.desks.get_mut(provider), &self.member) else { return };
        let Some(lease) = &mut desk.key.lease else { return };
        let there = member.fleet.look(|_, there| there).unwrap_or_default();
        let answered = lease.purse.answered(seq, granted, now, there);
        for indicator in lease.purse.won(seq) {
            if let Some(flight) = self.flights.get_mut(indicator) {
                desk.queue.won(flight.place);
                // What is shown may say that it has to wait.
                flight.snapshot = None;
            }
        }
        let taken: Vec<(Indicator, Duration)> = answered
            .taken
            .into_iter()
            .map(|(indicator, until)| (indicator, member.fleet.monotonic(until).saturating_add(AFTER_CLAIM)))
            .collect();
        for (indicator, until) in taken {
            self.release(provider, &indicator, until, now);
        }
        let refused = answered.refused.first().map(|indicator| indicator.kind);
        for indicator in answered.refused {
            self.release(provider, &indicator, now.monotonic, now);
            self.review(&indicator, now.monotonic, now.wall_ms);
        }
        if let (Some(kind), Some(desk), Some(member)) = (refused, self.desks.get_mut(provider), &self.member) {
            let cost = desk.cost(kind);
            let waiting = desk.queue.ready_at(cost);
            if let Some(lease) = &mut desk.key.lease {
                member.fleet.look(|ledger, there| lease.purse.wait_for_more(ledger, cost, waiting, now, there));
            }
        }
    }

    /// The account of the key in use has changed.
    fn changed(&mut self, provider: usize, now: Reading) {
        if self.member.as_ref().is_some_and(|member| member.state == FleetState::Reading) {
            self.look_for_terms();
        }
        let (Some(desk), Some(member)) = (self.desks.get_mut(provider), &self.member) else { return };
        let (name, waiting, cost) = (&*desk.key.account, desk.queue.ready(), desk.next_cost());
        let lease = &mut desk.key.lease;
        let paused = member.fleet.look(|ledger, there| {
            if let Some(lease) = lease {
                lease.purse.reconsider(ledger, member.replica, cost, waiting, now, there);
            }
            Some(ledger.paused_until(name)).filter(|until| *until > there)
        });
        if let Some(until) = paused.flatten() {
            desk.key.paused_until = desk.key.paused_until.max(member.fleet.monotonic(until));
        }
        self.effects.wake |= 1 << provider;
    }

    /// The log was read to its end.
    pub(super) fn caught_up(&mut self, now: Reading) {
        let Some(member) = &mut self.member else { return };
        member.caught_up = member.fleet.caught_up();
        if !member.caught_up {
            member.state = FleetState::Lost;
        }
        self.write_terms(now);
        for (provider, key) in self.all_keys() {
            self.turn_to(provider, key);
            self.changed(provider, now);
        }
    }

    fn all_keys(&self) -> Vec<(usize, usize)> {
        let of = |(provider, desk): (usize, &Desk)| {
            desk.order_of_configuration().map(move |key| (provider, key)).collect::<Vec<_>>()
        };
        self.desks.iter().enumerate().flat_map(of).collect()
    }

    /// What this replica holds goes back to the fleet; it asks for nothing more.
    pub(super) fn leave(&mut self, now: Reading) {
        for (provider, key) in self.all_keys() {
            self.turn_to(provider, key);
            self.give_back(provider, now);
        }
        self.write_outbox();
        if let Some(member) = &mut self.member {
            member.fleet = Fleet::new(member.fleet.clock());
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
        at(lease.purse.quiet_until().max(now + Duration::from_millis(1)).min(now + LOOK));
    }
    if !lease.purse.is_idle() {
        at(now + LOOK);
    }
    until.map_or(Idle::UntilWoken, Idle::Until)
}

impl Shared {
    /// One step of the board, and what follows from it.
    pub(super) fn step<T>(&self, step: impl FnOnce(&mut Board, Duration, i64) -> T) -> T {
        let (result, effects) = {
            let mut board = self.board.lock();
            let result = step(&mut board, self.clock.monotonic(), self.clock.wall_ms());
            (result, board.take_effects())
        };
        self.apply(effects);
        result
    }

    /// Writes to the ledger. What it does not take is as if it had been lost on the way: leases end by themselves.
    pub(super) fn append(&self, records: &[Vec<u8>]) {
        let Some(log) = self.ledger.get() else { return };
        for bytes in records {
            let unwritten = Arc::clone(&self.unwritten);
            unwritten.fetch_add(1, Ordering::Relaxed);
            let done = Box::new(move |_| {
                unwritten.fetch_sub(1, Ordering::Relaxed);
            });
            let taken = log.append(Some(0), b"", Some(bytes), done).is_ok();
            if !taken {
                self.unwritten.fetch_sub(1, Ordering::Relaxed);
            }
            self.metrics.ledger_record(taken);
        }
    }
}

impl Enricher {
    /// What is known of the fleet's ledger; `None` without a fleet.
    pub fn fleet_state(&self) -> Option<FleetState> {
        self.shared.board.lock().member.as_ref().map(Member::state)
    }

    /// Records that were handed to the ledger and of which nothing has been heard yet.
    pub fn unwritten(&self) -> usize {
        self.shared.unwritten.load(Ordering::Relaxed)
    }

    /// Gives back what is leased and not called, and leases nothing more.
    pub fn leave_fleet(&self) {
        self.shared.step(|board, monotonic, wall_ms| board.leave(Reading { monotonic, wall_ms }));
    }
}
