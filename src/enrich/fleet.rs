//! The enricher as a member of a fleet: what it hears from the ledger, and what it writes there.
//!
//! What one replica asks the others do not: what somebody else is asking stays in the line until their claim ends, or until their assessment arrives.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    budget::{
        Fleet, Urgency,
        ledger::{Applied, DecodeError, Followed, Granted, Record, RecordId},
        purse::Reading,
    },
    enrich::{Enricher, Shared, board::Board, desk::Desk, keys::Key, leases::AFTER_CLAIM},
    model::Indicator,
};

/// The terms of an account are written again after this long, if the ledger does not show them.
const TERMS_AGAIN: Duration = Duration::from_secs(5);
/// Requests that are remembered.
const MOST_ASKED: usize = 1_024;

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
    /// Provider and key of each request on its way, how it is paid, and the price of a call.
    asked: BTreeMap<u64, (usize, usize, Urgency, u32)>,
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

    pub(super) const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    pub(super) const fn replica(&self) -> u64 {
        self.replica
    }

    /// The identity of a request with a provider's key that is about to be sent, for calls of this price that are paid in this way.
    pub(super) fn request(&mut self, provider: usize, key: usize, urgency: Urgency, cost: u32) -> RecordId {
        self.seq += 1;
        self.asked.insert(self.seq, (provider, key, urgency, cost));
        // Those that were lost on the way are never answered.
        if self.asked.len() > MOST_ASKED {
            self.asked.pop_first();
        }
        RecordId { replica: self.replica, seq: self.seq }
    }

    /// The bytes of the next record of this replica.
    pub(super) fn encode(&mut self, record: &Record) -> Vec<u8> {
        self.seq += 1;
        record.encode(RecordId { replica: self.replica, seq: self.seq })
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
        // A record of one's own shows what time it is there: by the last one of a fleet that stood still, all that it spent would still count.
        let mut tells_time = first;
        for key in self.desks.iter().flat_map(Desk::keys) {
            let (Some(terms), provider) = (key.budget.ledger_terms(), &*key.account) else { continue };
            // Whoever started last is right; after that only what is missing is written.
            let known = member.fleet.look(|ledger, _| ledger.terms(provider).cloned()).flatten();
            complete &= known.is_some();
            let missing = known.is_none() || first && known.as_ref() != Some(terms);
            if missing || std::mem::take(&mut tells_time) {
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
                    && let Some((provider, key, urgency, cost)) = member.asked.remove(&id.seq)
                {
                    if let (Urgency::Urgent, Some(desk)) = (urgency, self.desks.get_mut(provider)) {
                        desk.took_of_reserve(u64::from(granted.calls), cost);
                    }
                    self.turn_to(provider, key);
                    self.answered(provider, (id.seq, urgency), &granted, now);
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
    fn answered(&mut self, provider: usize, (seq, urgency): (u64, Urgency), granted: &Granted, now: Reading) {
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
            let need = desk.need(urgency, desk.cost(kind));
            if let Some(lease) = &mut desk.key.lease {
                member.fleet.look(|ledger, there| lease.purse.wait_for_more(ledger, need, now, there));
            }
        }
    }

    /// The account of the key in use has changed.
    fn changed(&mut self, provider: usize, now: Reading) {
        if self.member.as_ref().is_some_and(|member| member.state == FleetState::Reading) {
            self.look_for_terms();
        }
        let (Some(desk), Some(member)) = (self.desks.get_mut(provider), &self.member) else { return };
        // As the next requests ask.
        let needs = [Urgency::Ordinary, Urgency::Urgent].map(|urgency| {
            let cost = desk.queue.first(urgency).map_or_else(|| desk.next_cost(), |(_, cost)| cost);
            desk.need(urgency, cost)
        });
        let name = &*desk.key.account;
        let lease = &mut desk.key.lease;
        let paused = member.fleet.look(|ledger, there| {
            if let Some(lease) = lease {
                for need in needs {
                    lease.purse.reconsider(ledger, member.replica, need, now, there);
                }
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
