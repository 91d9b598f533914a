//! A replica's side of the ledger: what it may call now, what it has asked for, what it gives back.
//!
//! One purse for each provider. It writes no records by itself: it says which, and the caller sends them. Times are those of the replica's own clocks; a
//! lease is as old as its request, counted from before it was sent.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::budget::Urgency;
use crate::budget::ledger::{CallEnd, Fate, Granted, LEASE_USE, Ledger, MAX_CLAIMS, Record};

/// A request that was not answered for this long is given up: its answer, should it come, is returned unspent.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// Requests on their way at the same time.
const REQUESTS: usize = 2;
/// How much longer than it has to a refused replica waits for more units.
const WAITED_FOR_MORE: Duration = Duration::from_millis(100);
/// Calls in one return, at most.
const RETURNS: usize = 512;
/// A return waits for more calls to end for a hundredth of the shortest window, within these bounds.
const GATHERED_FOR: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// One reading of a replica's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Monotonic.
    pub monotonic: Duration,
    /// Milliseconds since the epoch.
    pub wall_ms: i64,
}

impl Reading {
    /// Whether something that began then is younger than this by both clocks: the monotonic one stands still while a machine is suspended. A wall
    /// clock that was set back proves nothing.
    fn is_younger(self, began: Self, than: Duration) -> bool {
        let by_wall = u64::try_from(self.wall_ms.saturating_sub(began.wall_ms)).unwrap_or(0);
        self.monotonic.saturating_sub(began.monotonic) < than && Duration::from_millis(by_wall) < than
    }
}

/// A call that may be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket<T> {
    /// What it is for.
    pub item: T,
    lease: u64,
    call: u32,
    began: Reading,
}

/// What calls are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Units that a call costs.
    pub cost: u32,
    /// How they are paid.
    pub urgency: Urgency,
    /// Items that wait for such calls.
    pub waiting: usize,
}

/// A request on its way.
#[derive(Clone, Debug)]
struct Asked<T> {
    began: Reading,
    urgency: Urgency,
    items: Vec<T>,
}

/// What became of the items of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// Somebody else is asking: until when, milliseconds since the epoch by the ledger's clock.
    pub taken: Vec<(T, i64)>,
    /// There are no units for these.
    pub refused: Vec<T>,
    /// How many tickets there are more.
    pub won: usize,
}

/// The purse of one provider.
#[derive(Clone, Debug)]
pub struct Purse<T> {
    provider: Box<str>,
    /// Items that one call asks about.
    batch: u32,
    tickets: VecDeque<Ticket<T>>,
    asked: BTreeMap<u64, Asked<T>>,
    /// Calls that are over and not yet returned, by lease; since when the oldest waits.
    over: BTreeMap<u64, Vec<(u32, CallEnd)>>,
    over_since: Option<Duration>,
    /// Calls that are under way.
    under_way: usize,
    /// By its own clock, not to ask again before: for ordinary work, and for what may be paid from the reserve.
    quiet_until: [Duration; 2],
    /// Refusals in a row.
    refusals: u32,
    /// How long a return waits for more calls to end.
    gathered_for: Duration,
}

impl<T: Clone> Purse<T> {
    /// An empty purse. `window` is the shortest window of the provider's quota.
    pub fn new(provider: &str, window: Duration) -> Self {
        Self {
            provider: provider.into(),
            batch: 1,
            tickets: VecDeque::new(),
            asked: BTreeMap::new(),
            over: BTreeMap::new(),
            over_since: None,
            under_way: 0,
            quiet_until: [Duration::ZERO; 2],
            refusals: 0,
            gathered_for: (window / 100).clamp(GATHERED_FOR.0, GATHERED_FOR.1),
        }
    }

    /// The same for calls that ask about up to `batch` items each.
    #[must_use]
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch: u32::try_from(batch.clamp(1, MAX_CLAIMS)).unwrap_or(1), ..self }
    }

    /// Items that one call asks about.
    const fn batch(&self) -> usize {
        self.batch as usize
    }

    /// Items for which calls may be started, some of them perhaps too old by now.
    pub fn tickets(&self) -> usize {
        self.tickets.len()
    }

    /// What the next call is for, if it is not too old by now.
    pub fn next(&self) -> Option<&T> {
        self.tickets.front().map(|ticket| &ticket.item)
    }

    /// Nothing is held, asked for, under way or to be returned.
    pub fn is_idle(&self) -> bool {
        self.tickets.is_empty() && self.asked.is_empty() && self.over.is_empty() && self.under_way == 0
    }

    /// Something is asked for, or may be called and is not yet.
    pub fn has_not_begun(&self) -> bool {
        !self.tickets.is_empty() || !self.asked.is_empty()
    }

    /// What it holds tickets for, or has asked for.
    pub fn items(&self) -> Vec<T> {
        let asked = self.asked.values().flat_map(|asked| asked.items.iter().cloned());
        self.tickets.iter().map(|ticket| ticket.item.clone()).chain(asked).collect()
    }

    /// Not to ask again before this for work of this urgency, by its own monotonic clock.
    pub const fn quiet_until(&self, urgency: Urgency) -> Duration {
        let [ordinary, urgent] = self.quiet_until;
        match urgency {
            Urgency::Ordinary => ordinary,
            Urgency::Urgent => urgent,
        }
    }

    const fn set_quiet_until(&mut self, urgency: Urgency, until: Duration) {
        let [ordinary, urgent] = &mut self.quiet_until;
        match urgency {
            Urgency::Ordinary => *ordinary = until,
            Urgency::Urgent => *urgent = until,
        }
    }

    /// How many items to ask for now; 0 for none. `slots` are the calls that can be under way at the same time, `now_ms` the time of the ledger.
    pub fn wants(&self, ledger: &Ledger, need: Need, slots: usize, now: Reading, now_ms: i64) -> usize {
        let Need { urgency, waiting, .. } = need;
        if waiting == 0 || self.asked.len() >= REQUESTS || now.monotonic < self.quiet_until(urgency) {
            return 0;
        }
        let on_its_way: usize = self.asked.values().map(|asked| asked.items.len()).sum();
        let held = on_its_way + self.tickets.len();
        let size = self.size(ledger, need, now_ms);
        // No more than can be called while the lease is young; what is urgent does not wait until ordinary calls have begun.
        let rounds = match urgency {
            Urgency::Ordinary => 4,
            Urgency::Urgent => 5,
        };
        let most = slots.saturating_mul(rounds * self.batch()).saturating_sub(held);
        let whole = MAX_CLAIMS - MAX_CLAIMS % self.batch();
        size.saturating_mul(self.batch()).min(most).min(waiting).min(whole)
    }

    /// Calls in one request: few where units are few, so that a crash costs little; many where they come by the hundred, so that the ledger stays short.
    fn size(&self, ledger: &Ledger, Need { cost, urgency, .. }: Need, now_ms: i64) -> usize {
        let replicas = ledger.replicas() as u64;
        let room = ledger.capacity(&self.provider, 0, cost, urgency, now_ms);
        // An eighth of what there is, or what half a second brings.
        let eighth = room / (8 * replicas);
        let brings = ledger.capacity(&self.provider, 1_000, cost, urgency, now_ms).saturating_sub(room);
        let half = brings / (2 * replicas);
        usize::try_from(eighth.max(half)).unwrap_or(MAX_CLAIMS).clamp(1, MAX_CLAIMS)
    }

    /// Asks for calls of this cost: the request to send under this number.
    pub fn ask(&mut self, seq: u64, items: Vec<(T, u64)>, cost: u32, urgency: Urgency, now: Reading) -> Record {
        let (items, claims): (Vec<T>, Vec<u64>) = items.into_iter().unzip();
        self.asked.insert(seq, Asked { began: now, urgency, items });
        Record::Request {
            provider: self.provider.clone(),
            urgent: urgency == Urgency::Urgent,
            cost,
            batch: self.batch,
            claims,
        }
    }

    /// The request of this number was answered. `now_ms` is the time of the ledger.
    pub fn answered(&mut self, seq: u64, granted: &Granted, now: Reading, now_ms: i64) -> Answered<T> {
        let mut answered = Answered { taken: Vec::new(), refused: Vec::new(), won: 0 };
        let Some(asked) = self.asked.remove(&seq) else {
            // Given up in the meantime: nobody will use it.
            for call in 0..granted.calls {
                self.end(seq, call, CallEnd::Unspent, now.monotonic);
            }
            return answered;
        };
        for (item, fate) in asked.items.into_iter().zip(&granted.fates) {
            match fate {
                Fate::Won => {
                    let call = u32::try_from(answered.won / self.batch()).unwrap_or(u32::MAX);
                    self.tickets.push_back(Ticket { item, lease: seq, call, began: asked.began });
                    answered.won += 1;
                }
                Fate::Taken { until } => answered.taken.push((item, *until)),
                Fate::Refused => answered.refused.push(item),
            }
        }
        if answered.refused.is_empty() {
            self.refusals = 0;
        } else {
            // A little later than the ledger says, and later each time: its time is known only as well as its last record is young.
            self.refusals = if answered.won > 0 { 0 } else { self.refusals + 1 };
            let wait = Duration::from_millis(u64::try_from(granted.retry_at.saturating_sub(now_ms)).unwrap_or(0));
            let until = now.monotonic.saturating_add(wait).saturating_add(self.extra());
            self.set_quiet_until(asked.urgency, until);
            if asked.urgency == Urgency::Urgent {
                // What is refused to urgent work is not there for any other.
                self.set_quiet_until(Urgency::Ordinary, self.quiet_until(Urgency::Ordinary).max(until));
            }
        }
        answered
    }

    /// How much later than the ledger says it asks again after a refusal.
    fn extra(&self) -> Duration {
        Duration::from_millis(5 << self.refusals.min(4))
    }

    /// Calls that are worth a request where units are short: half of what it would ask for.
    fn worthwhile(&self, ledger: &Ledger, need: Need, now_ms: i64) -> u64 {
        self.size(ledger, need, now_ms).min(need.waiting.div_ceil(self.batch()).max(1)).div_ceil(2) as u64
    }

    /// How long it takes, as the ledger stands, until there are units that are worth a request.
    fn wait(&self, ledger: &Ledger, need: Need, now_ms: i64) -> Duration {
        let calls = u32::try_from(self.worthwhile(ledger, need, now_ms)).unwrap_or(u32::MAX);
        let at = ledger.admits_at(&self.provider, calls, need.cost, need.urgency, now_ms);
        Duration::from_millis(u64::try_from(at.saturating_sub(now_ms)).unwrap_or(0))
    }

    /// What the calls of this request are for that may start.
    pub fn won(&self, seq: u64) -> impl Iterator<Item = &T> {
        self.tickets.iter().filter(move |ticket| ticket.lease == seq).map(|ticket| &ticket.item)
    }

    /// Something changed in the ledger: where this replica would get units that are worth it, it need not wait any longer; where they come back sooner than it was
    /// told, since calls that were under way have ended, no longer than that.
    pub fn reconsider(&mut self, ledger: &Ledger, replica: u64, need: Need, now: Reading, now_ms: i64) {
        let told = self.quiet_until(need.urgency);
        if told <= now.monotonic {
            return;
        }
        let worthwhile = self.worthwhile(ledger, need, now_ms);
        if ledger.allowed(&self.provider, replica, need.cost, need.urgency, now_ms) >= worthwhile {
            return self.set_quiet_until(need.urgency, now.monotonic);
        }
        let wait = self.wait(ledger, need, now_ms);
        // Units that are there now are for those whose turn it is.
        if !wait.is_zero() {
            let until = now.monotonic.saturating_add(wait).saturating_add(self.extra());
            self.set_quiet_until(need.urgency, told.min(until));
        }
    }

    /// After a refusal: until there are units that are worth it, but not much longer than it was told.
    pub fn wait_for_more(&mut self, ledger: &Ledger, need: Need, now: Reading, now_ms: i64) {
        let told = self.quiet_until(need.urgency);
        let until =
            now.monotonic.saturating_add(self.wait(ledger, need, now_ms)).min(told.saturating_add(WAITED_FOR_MORE));
        self.set_quiet_until(need.urgency, told.max(until));
    }

    /// Since when the oldest request waits for its answer.
    pub fn waits_since(&self) -> Option<Duration> {
        self.asked.values().map(|asked| asked.began.monotonic).min()
    }

    /// Requests that nobody answered in time: what they were for.
    pub fn given_up(&mut self, now: Reading) -> Vec<T> {
        let late: Vec<u64> = self
            .asked
            .iter()
            .filter(|(_, asked)| !now.is_younger(asked.began, ANSWERED_WITHIN))
            .map(|(seq, _)| *seq)
            .collect();
        late.iter().filter_map(|seq| self.asked.remove(seq)).flat_map(|asked| asked.items).collect()
    }

    /// The next call that may be started now: checked against the age of its lease. What is too old is given back; its items are in `stale`.
    pub fn take(&mut self, now: Reading, stale: &mut Vec<T>) -> Option<Ticket<T>> {
        while let Some(ticket) = self.tickets.pop_front() {
            if now.is_younger(ticket.began, LEASE_USE) {
                self.under_way += 1;
                return Some(ticket);
            }
            self.end(ticket.lease, ticket.call, CallEnd::Unspent, now.monotonic);
            stale.push(ticket.item);
        }
        None
    }

    /// All items of the next call that may be started now, as [`take`](Self::take) gives one.
    pub fn take_call(&mut self, now: Reading, stale: &mut Vec<T>) -> Option<((u64, u32), Vec<T>)> {
        let first = self.take(now, stale)?;
        let call = first.lease();
        let mut items = vec![first.item];
        while let Some(next) = self.tickets.pop_front_if(|ticket| ticket.lease() == call) {
            items.push(next.item);
        }
        Some((call, items))
    }

    /// A call that was taken is over. Only when it has ended, whatever came of it: a return says that the provider has seen it.
    pub fn over(&mut self, lease: (u64, u32), end: CallEnd, now: Reading) {
        self.under_way = self.under_way.saturating_sub(1);
        self.end(lease.0, lease.1, end, now.monotonic);
    }

    /// Gives back all calls that were not started: what they were for.
    pub fn give_back(&mut self, now: Reading) -> Vec<T> {
        let tickets = std::mem::take(&mut self.tickets);
        let back = tickets.into_iter().map(|ticket| {
            self.end(ticket.lease, ticket.call, CallEnd::Unspent, now.monotonic);
            ticket.item
        });
        back.collect()
    }

    fn end(&mut self, lease: u64, call: u32, end: CallEnd, now: Duration) {
        self.over.entry(lease).or_default().push((call, end));
        self.over_since.get_or_insert(now);
    }

    /// When the next return is due, by its own monotonic clock.
    pub fn return_due(&self) -> Option<Duration> {
        self.over_since.map(|since| since.saturating_add(self.gathered_for))
    }

    /// The next return to send, if one is due; all that there is where `all` is set.
    pub fn next_return(&mut self, now: Reading, all: bool) -> Option<Record> {
        if !all && self.return_due().is_none_or(|due| now.monotonic < due) {
            return None;
        }
        let (lease, mut calls) = self.over.pop_first()?;
        if calls.len() > RETURNS {
            self.over.insert(lease, calls.split_off(RETURNS));
        }
        if self.over.is_empty() {
            self.over_since = None;
        }
        Some(Record::Return { provider: self.provider.clone(), lease, calls })
    }
}

impl<T> Ticket<T> {
    /// Which call of which lease it is.
    pub const fn lease(&self) -> (u64, u32) {
        (self.lease, self.call)
    }
}
