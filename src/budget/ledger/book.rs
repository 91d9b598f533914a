//! One provider's book in the ledger: windows, leases, claims, its pause, and who waits for calls.

use std::collections::{BTreeMap, VecDeque};

use crate::budget::{
    Span, Urgency, Window, WindowAccount,
    ledger::{
        Fate, Granted, LEASE_LIFE,
        claims::{Claimed, Claims},
        record::{CallEnd, RecordId, Terms, read_terms, write_terms},
        turns::Turns,
        window::{LedgerWindow, Open},
        wire::{DecodeError, Reader, Writer},
    },
};

/// Leases that are open at the same time, at most; beyond it requests are refused.
const MAX_LEASES: usize = 4_096;

/// A number of calls that one replica may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    granted: i64,
    cost: u32,
    /// Indicators that one call asks about.
    batch: u32,
    claims: Vec<u64>,
    /// Calls that are over, by number.
    over: Vec<bool>,
}

impl Lease {
    /// Calls that are not over.
    fn open(&self) -> u64 {
        self.over.iter().filter(|over| !**over).count() as u64
    }

    fn claims_of(&self, call: usize) -> &[u64] {
        let batch = self.batch as usize;
        let start = call.saturating_mul(batch).min(self.claims.len());
        let end = start.saturating_add(batch).min(self.claims.len());
        self.claims.get(start..end).unwrap_or_default()
    }
}

/// The account of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Book {
    terms: Terms,
    windows: Vec<LedgerWindow>,
    leases: BTreeMap<RecordId, Lease>,
    /// Open leases in the order in which they end.
    ends: VecDeque<(i64, RecordId)>,
    /// Calls of open leases that are not over.
    open: Open,
    claims: Claims,
    paused_until: i64,
    turns: Turns,
    /// Time of the last step.
    now: i64,
}

impl Book {
    pub(super) fn new(terms: Terms) -> Self {
        let windows = terms.quota.windows().iter().map(|window| LedgerWindow::new(*window, &terms)).collect();
        Self {
            terms,
            windows,
            leases: BTreeMap::new(),
            ends: VecDeque::new(),
            open: Open::default(),
            claims: Claims::default(),
            paused_until: 0,
            turns: Turns::default(),
            now: 0,
        }
    }

    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) const fn paused_until(&self) -> i64 {
        self.paused_until
    }

    /// Units of calls that are leased and not over.
    pub(super) const fn open(&self) -> u64 {
        self.open.units
    }

    /// Other terms: a window that was there before keeps what is spent of it.
    pub(super) fn set_terms(&mut self, terms: Terms) {
        let made = |window: &Window| match self.windows.iter().find(|known| known.span() == window.span) {
            Some(known) => {
                let mut known = known.clone();
                known.set_terms(*window, &terms);
                known
            }
            None => {
                let mut made = LedgerWindow::new(*window, &terms);
                for lease in self.leases.values() {
                    made.lease(lease.open(), lease.cost, lease.granted);
                }
                made
            }
        };
        self.windows = terms.quota.windows().iter().map(made).collect();
        self.terms = terms;
    }

    /// Brings the book up to date: ends leases whose time is over, forgets what no longer counts.
    pub(super) fn advance(&mut self, now: i64) {
        let was = std::mem::replace(&mut self.now, now);
        while let Some((end, id)) = self.ends.front().copied()
            && end <= now
        {
            self.ends.pop_front();
            // Nobody said what became of it: all of it counts as spent, at its very end.
            if let Some(lease) = self.leases.remove(&id) {
                let calls = lease.open();
                self.open.end(calls, lease.cost);
                for window in &mut self.windows {
                    window.spent(calls, lease.cost, lease.granted, end);
                }
                for claim in &lease.claims {
                    self.claims.release(*claim, id);
                }
            }
        }
        for window in &mut self.windows {
            window.advance(was, now);
        }
        self.claims.advance(now);
        self.turns.advance(now);
    }

    /// Calls that may be leased now at this cost.
    pub(super) fn room(&self, cost: u32, urgency: Urgency, now: i64) -> u64 {
        if self.paused_until > now || self.leases.len() >= MAX_LEASES {
            return 0;
        }
        let rooms = self.windows.iter().map(|window| window.room(cost, urgency, self.open, now));
        rooms.min().unwrap_or(0)
    }

    /// When so many calls of this cost may be leased, if nothing else is and open leases are spent to their ends.
    pub(super) fn admits_at(&self, calls: u32, cost: u32, urgency: Urgency, now: i64) -> i64 {
        let open = || {
            let leases = self.ends.iter().filter_map(|(end, id)| Some((*end, self.leases.get(id)?.open())));
            leases.filter(|(_, calls)| *calls > 0)
        };
        let windows = self.windows.iter().map(|window| window.admits_at((calls, cost), urgency, open(), now));
        windows.max().unwrap_or(i64::MAX).max(self.paused_until)
    }

    /// A request: as many calls as all windows admit, for indicators that nobody else is asking about; each comes with the time until which it is claimed under another key
    /// of the provider.
    pub(super) fn request(
        &mut self,
        id: RecordId,
        urgency: Urgency,
        cost: u32,
        batch: u32,
        claims: &[(u64, Option<i64>)],
        now: i64,
    ) -> Granted {
        let room = self.room(cost, urgency, now);
        let mut calls_left = self.turns.allow(id.replica, cost, urgency, room);
        let (mut won, mut fates, mut refused) = (Vec::new(), Vec::with_capacity(claims.len()), 0u32);
        for (claim, elsewhere) in claims {
            if let Some(until) = self.claimed(*claim, now).or(*elsewhere) {
                fates.push(Fate::Taken { until });
                continue;
            }
            let needs_call = won.len() % batch as usize == 0;
            if needs_call && calls_left == 0 || !self.claims.claim(*claim, id) {
                refused += 1;
                fates.push(Fate::Refused);
                continue;
            }
            calls_left -= u64::from(needs_call);
            won.push(*claim);
            fates.push(Fate::Won);
        }
        let calls = won.len().div_ceil(batch as usize);
        if calls > 0 {
            for window in &mut self.windows {
                window.lease(calls as u64, cost, now);
            }
            self.open.begin(calls as u64, cost);
            self.ends.push_back((now + LEASE_LIFE, id));
            self.leases.insert(id, Lease { granted: now, cost, batch, claims: won, over: vec![false; calls] });
        }
        let wants = u64::from(refused).div_ceil(u64::from(batch));
        let retry_at = if refused == 0 { now } else { self.admits_at(1, cost, urgency, now).max(now + 1) };
        self.turns.served(id.replica, cost, urgency, (calls as u64, wants), retry_at);
        Granted { fates, calls: u32::try_from(calls).unwrap_or(u32::MAX), retry_at }
    }

    /// Calls of a lease are over. A lease that has ended already stays as it is.
    pub(super) fn give_back(&mut self, id: RecordId, calls: &[(u32, CallEnd)], now: i64) {
        let Some(lease) = self.leases.get_mut(&id) else { return };
        let (mut spent, mut unspent) = (0u64, 0u64);
        for (call, end) in calls {
            let call = *call as usize;
            let Some(over) = lease.over.get_mut(call).filter(|over| !**over) else { continue };
            *over = true;
            match end {
                CallEnd::Unspent => unspent += 1,
                CallEnd::Spent | CallEnd::Answered => spent += 1,
            }
            for claim in lease.claims_of(call) {
                match end {
                    CallEnd::Unspent | CallEnd::Spent => self.claims.release(*claim, id),
                    CallEnd::Answered => self.claims.linger(*claim, id, now),
                }
            }
        }
        self.open.end(spent + unspent, lease.cost);
        for window in &mut self.windows {
            if spent > 0 {
                window.spent(spent, lease.cost, lease.granted, now);
            }
            if unspent > 0 {
                window.unspent(unspent, lease.cost, lease.granted, now);
            }
        }
        if lease.over.iter().all(|over| *over) {
            self.leases.remove(&id);
            self.ends.retain(|(_, ended)| *ended != id);
        }
    }

    pub(super) fn pause(&mut self, until: i64) {
        self.paused_until = self.paused_until.max(until);
    }

    pub(super) fn correct(&mut self, span: Span, remaining: u64, now: i64) {
        for window in self.windows.iter_mut().filter(|window| window.span() == span) {
            window.lower(remaining, self.open, now);
        }
    }

    /// Until when an indicator is somebody's; `None` where it is free.
    pub(super) fn claimed(&self, claim: u64, now: i64) -> Option<i64> {
        match self.claims.holder(claim)? {
            Claimed::Lingers(until) => Some(until),
            Claimed::By(holder) => Some(self.leases.get(&holder).map_or(now, |lease| lease.granted + LEASE_LIFE)),
        }
    }

    /// How many calls of this cost can be leased from now until `within` later, if nothing else is and open leases are spent to their ends.
    pub(super) fn capacity(&self, within: i64, cost: u32, urgency: Urgency, now: i64) -> u64 {
        if self.paused_until > now.saturating_add(within) {
            return 0;
        }
        let windows = self.windows.iter().map(|window| window.capacity(within, cost, urgency, self.open, now));
        windows.min().unwrap_or(0)
    }

    pub(super) fn level(&self, now: i64) -> f64 {
        self.windows.iter().map(|window| window.level(now)).fold(1.0, f64::min)
    }

    /// Calls of this cost that a request of this replica would get now.
    pub(super) fn allowed(&self, replica: u64, cost: u32, urgency: Urgency, now: i64) -> u64 {
        self.turns.allow(replica, cost, urgency, self.capacity(0, cost, urgency, now))
    }

    pub(super) fn windows(&self, now: i64) -> Vec<WindowAccount> {
        self.windows.iter().map(|window| window.account(self.open, now)).collect()
    }

    /// Nothing is leased, claimed or waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.leases.is_empty() && self.ends.is_empty() && self.open == Open::default() && self.claims.is_empty()
    }

    pub(super) fn write(&self, out: &mut Writer) {
        write_terms(out, &self.terms);
        for window in &self.windows {
            window.write(out);
        }
        out.i64(self.paused_until);
        out.i64(self.now);
        out.count(self.ends.len());
        for (end, id) in &self.ends {
            let Some(lease) = self.leases.get(id) else { continue };
            out.i64(*end);
            out.u64(id.replica);
            out.u64(id.seq);
            out.i64(lease.granted);
            out.u32(lease.cost);
            out.u32(lease.batch);
            out.numbers(&lease.claims);
            out.count(lease.over.len());
            for over in &lease.over {
                out.u8(u8::from(*over));
            }
        }
        self.claims.write(out);
        self.turns.write(out);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut book = Self::new(read_terms(from)?);
        for window in &mut book.windows {
            window.read(from)?;
        }
        book.paused_until = from.i64()?;
        book.now = from.i64()?;
        for _ in 0..from.count(40)? {
            let (end, id) = (from.i64()?, RecordId { replica: from.u64()?, seq: from.u64()? });
            let (granted, cost, batch, claims) = (from.i64()?, from.u32()?, from.u32()?, from.numbers()?);
            let count = from.count(1)?;
            let over = (0..count).map(|_| from.flag()).collect::<Result<_, _>>()?;
            let lease = Lease { granted, cost, batch, claims, over };
            book.open.begin(lease.open(), lease.cost);
            book.ends.push_back((end, id));
            book.leases.insert(id, lease);
        }
        book.claims.read(from)?;
        book.turns.read(from)?;
        Ok(book)
    }
}
