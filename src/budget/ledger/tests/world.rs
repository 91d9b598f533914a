//! A world for the ledger: a broker, replicas that crash and sleep, a network that delays, repeats and reorders, and a provider that counts.
//!
//! All of it follows from a seed. Times are milliseconds of true time; every party has its own idea of it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crate::budget::ledger::*;
use crate::budget::{
    Pace, Quota, Span,
    calendar::{Unit, period},
    purse::{Need, Purse, Reading, Ticket},
};

pub(super) const PROVIDER: &str = "virustotal";

/// Repeatable randomness (splitmix64).
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What the provider sees: it counts by its own clock, apart from the product's code.
struct Provider {
    windows: Vec<(i64, u64)>,
    calendars: Vec<(Unit, u64)>,
    arrivals: VecDeque<i64>,
    periods: BTreeMap<(u8, i64), u64>,
    skew: i64,
    longest: i64,
}

impl Provider {
    fn new(quota: &Quota, skew: i64) -> Self {
        let (mut windows, mut calendars) = (Vec::new(), Vec::new());
        for window in quota.windows() {
            match (window.span.sliding(), window.span) {
                (Some(length), _) => windows.push((ms(length), window.limit)),
                (None, Span::Month) => calendars.push((Unit::Month, window.limit)),
                (None, _) => calendars.push((Unit::Day, window.limit)),
            }
        }
        let longest = windows.iter().map(|(length, _)| *length).max().unwrap_or(0);
        Self { windows, calendars, arrivals: VecDeque::new(), periods: BTreeMap::new(), skew, longest }
    }

    /// A call arrives; arrivals come in order of time.
    fn arrive(&mut self, at: i64, cost: u32) -> Result<(), String> {
        while self.arrivals.front().is_some_and(|first| *first + self.longest <= at) {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(at);
        for (length, limit) in &self.windows {
            let within = self.arrivals.iter().rev().take_while(|other| **other + length > at).count() as u64;
            if within > *limit {
                return Err(format!("{within} calls within {length} ms at {at}, allowed are {limit}"));
            }
        }
        for (unit, limit) in &self.calendars {
            let start = period(*unit, at + self.skew).0;
            let used = self.periods.entry((*unit as u8, start)).or_default();
            *used += u64::from(cost);
            if *used > *limit {
                return Err(format!("{used} units in the period from {start}, allowed are {limit}"));
            }
        }
        Ok(())
    }
}

/// A set of items, which are numbers below [`ITEMS`]. Sets are compared at every step: as bits that costs next to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Items([u64; ITEMS / 64]);

/// Items of a world, at most.
pub(super) const ITEMS: usize = 512;

impl Items {
    fn insert(&mut self, item: u32) {
        self.0[item as usize / 64] |= 1 << (item % 64);
    }

    fn remove(&mut self, item: u32) {
        self.0[item as usize / 64] &= !(1 << (item % 64));
    }

    fn contains(&self, item: u32) -> bool {
        self.0[item as usize / 64] & 1 << (item % 64) != 0
    }

    fn remove_all(&mut self, others: &Self) {
        for (own, others) in self.0.iter_mut().zip(others.0) {
            *own &= !others;
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// In rising order.
    fn iter(self) -> impl Iterator<Item = u32> {
        (0..ITEMS as u32).filter(move |item| self.contains(*item))
    }
}

impl Extend<u32> for Items {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.insert(item));
    }
}

/// A call on its way.
#[derive(Clone, Debug)]
struct Call {
    ticket: Ticket<u32>,
    ends: i64,
    answered: bool,
}

pub(super) struct Replica {
    id: u64,
    seq: u64,
    pub(super) follower: Follower,
    pub(super) purse: Purse<u32>,
    waiting: Items,
    /// Not to be asked for before, true time.
    later: BTreeMap<u32, i64>,
    calls: Vec<Call>,
    /// It does nothing until then.
    asleep_until: i64,
    monotonic_skew: i64,
    wall_skew: i64,
    /// True time at which it read its last record.
    read_at: i64,
}

impl Replica {
    fn reading(&self, now: i64) -> Reading {
        Reading {
            monotonic: Duration::from_millis(u64::try_from(now + self.monotonic_skew).unwrap()),
            wall_ms: now + self.wall_skew,
        }
    }

    /// The time of the ledger as this replica knows it.
    fn ledger_time(&self, now: i64) -> i64 {
        self.follower.ledger().map_or(0, |ledger| ledger.time() + (now - self.read_at))
    }
}

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: i64,
    pub(super) quota: Quota,
    terms: Terms,
    provider: Provider,
    /// Calls that have not reached the provider yet.
    flying: BTreeSet<(i64, u64, u32)>,
    /// Calls about some items cost nothing, about others two units.
    priced: bool,
    /// Records that have not reached the broker yet.
    sent: BTreeMap<(i64, u64), Vec<u8>>,
    pub(super) log: Vec<(i64, Vec<u8>)>,
    snapshots: Vec<usize>,
    broker_skew: i64,
    pub(super) replicas: Vec<Replica>,
    /// Items that every replica has the assessment of, and those that it will have, with the time.
    known: Items,
    to_be_known: Vec<(i64, u32)>,
    pub(super) answered: Items,
    pub(super) calls: u64,
    pub(super) repeated: u64,
    count: u64,
    pub(super) faults: bool,
}

const fn price(priced: bool, item: u32) -> u32 {
    if priced { item % 3 } else { 1 }
}

const QUOTAS: [&str; 10] = [
    "4/min",
    "20/s",
    "3/s, 40/min",
    "4/min, 30/day",
    "200/s",
    "5/hour, 9/day",
    "6/min, 20/month",
    "60/min, 500/hour",
    "1/s",
    "7/day",
];

/// 2028-02-29T23:58:30Z and 2026-11-23T10:00:00Z.
const STARTS: [i64; 2] = [1_835_481_510_000, 1_795_428_000_000];

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x1000_0000_01b3) ^ 0x5eed);
        let quota: Quota = QUOTAS[usize::try_from(seed % QUOTAS.len() as u64).unwrap()].parse().unwrap();
        let pace = if rng.one_in(3) { Pace::Even } else { Pace::Asap };
        let reserve = if rng.one_in(2) { 0 } else { 200_000 };
        let terms = Terms { quota: quota.clone(), pace, reserve };
        let now = STARTS[usize::from(rng.one_in(2))] + i64::try_from(rng.below(120_000)).unwrap();
        let skew = 2_000 - i64::try_from(rng.below(4_000)).unwrap();
        let broker_skew = 2_000 - i64::try_from(rng.below(4_000)).unwrap();
        let provider = Provider::new(&quota, skew);
        let mut world = Self {
            rng,
            now,
            quota,
            terms,
            provider,
            flying: BTreeSet::new(),
            priced: (seed / 10).is_multiple_of(3),
            sent: BTreeMap::new(),
            log: Vec::new(),
            snapshots: Vec::new(),
            broker_skew,
            replicas: Vec::new(),
            known: Items::default(),
            to_be_known: Vec::new(),
            answered: Items::default(),
            calls: 0,
            repeated: 0,
            count: 0,
            faults: false,
        };
        for _ in 0..2 + world.rng.below(4) {
            let replica = world.replica();
            world.replicas.push(replica);
        }
        let record = Record::Terms { provider: PROVIDER.into(), terms: world.terms.clone() };
        world.send(0, &record);
        world.faults = true;
        world
    }

    fn replica(&mut self) -> Replica {
        // Clocks of replicas are off by hours.
        let skew = |rng: &mut Rng| 7_200_000 - i64::try_from(rng.below(14_400_000)).unwrap();
        let (monotonic_skew, wall_skew) = (skew(&mut self.rng), skew(&mut self.rng));
        Replica {
            id: self.rng.next(),
            seq: 0,
            follower: Follower::new(),
            purse: Purse::new(PROVIDER, Duration::from_secs(5)),
            waiting: Items::default(),
            later: BTreeMap::new(),
            calls: Vec::new(),
            asleep_until: 0,
            monotonic_skew,
            wall_skew,
            read_at: self.now,
        }
    }

    fn send(&mut self, replica: usize, record: &Record) -> u64 {
        let sender = &mut self.replicas[replica];
        sender.seq += 1;
        let (id, seq) = (sender.id, sender.seq);
        let bytes = record.encode(RecordId { replica: id, seq });
        self.deliver(bytes);
        seq
    }

    fn deliver(&mut self, bytes: Vec<u8>) {
        let copies = if self.faults && self.rng.one_in(12) { 2 } else { 1 };
        for _ in 0..copies {
            let delay = match self.rng.below(40) {
                0 if self.faults => self.rng.below(15_000),
                1..4 if self.faults => self.rng.below(1_000),
                _ => 1 + self.rng.below(20),
            };
            if self.faults && self.rng.one_in(200) {
                continue;
            }
            self.count += 1;
            self.sent.insert((self.now + i64::try_from(delay).unwrap(), self.count), bytes.clone());
        }
    }

    /// Moves time on to `to`, with everything that happens by itself in between.
    pub(super) fn pass(&mut self, to: i64) -> Result<(), String> {
        loop {
            let record = self.sent.first_key_value().map(|(key, _)| key.0).filter(|at| *at <= to);
            let call = self.flying.first().map(|key| key.0).filter(|at| *at <= to);
            match (record, call) {
                (Some(record), call) if call.is_none_or(|call| record <= call) => {
                    if let Some(((at, _), bytes)) = self.sent.pop_first() {
                        // Two brokers that lead in turn are a little apart.
                        let skew = self.broker_skew + if self.rng.one_in(2) { 50 } else { 0 };
                        if matches!(Record::decode(&bytes), Ok((_, Record::Snapshot(_)))) {
                            self.snapshots.push(self.log.len());
                        }
                        self.log.push((at + skew, bytes));
                    }
                }
                (_, Some(_)) => {
                    if let Some((at, _, cost)) = self.flying.pop_first() {
                        self.provider.arrive(at, cost)?;
                    }
                }
                _ => break,
            }
        }
        self.now = self.now.max(to);
        Ok(())
    }

    /// A replica reads up to `most` records.
    pub(super) fn read(&mut self, replica: usize, most: usize) {
        for _ in 0..most {
            let next = usize::try_from(self.replicas[replica].follower.next()).unwrap();
            let Some((append, bytes)) = self.log.get(next).cloned() else {
                // Where reading began too late for any snapshot, it begins anew, earlier.
                if self.replicas[replica].follower.ledger().is_none() && next > 0 {
                    self.replicas[replica].follower = Follower::new();
                    continue;
                }
                break;
            };
            self.replicas[replica].read_at = self.now;
            let followed = self.replicas[replica].follower.feed(i64::try_from(next).unwrap(), append, &bytes);
            let Followed::Applied { id, applied, .. } = followed else { continue };
            let own = id.replica == self.replicas[replica].id;
            if let Applied::Answered(_, granted) = &applied
                && own
            {
                let now = self.now;
                let reader = &mut self.replicas[replica];
                let ledger_time = reader.ledger_time(now);
                let answered = reader.purse.answered(id.seq, granted, reader.reading(now), ledger_time);
                reader.waiting.extend(answered.refused);
                for (item, until) in answered.taken {
                    reader.later.insert(item, now + (until - ledger_time).max(0) + 10);
                }
            }
            self.reconsider(replica);
            // As the daemon does: every eighth record of its own makes this writer write a snapshot, to have many of them.
            if own && id.seq % 8 == 0 && self.rng.one_in(4) {
                let reader = &self.replicas[replica];
                let Some(ledger) = reader.follower.ledger() else { continue };
                let state = ledger.snapshot(reader.follower.next() - 1);
                self.send(replica, &Record::Snapshot(state));
            }
        }
    }

    /// What was heard may end the wait that a refusal began.
    fn reconsider(&mut self, replica: usize) {
        let now = self.now;
        let reader = &mut self.replicas[replica];
        let (reading, ledger_time) = (reader.reading(now), reader.ledger_time(now));
        let (Some(ledger), Some(first)) = (reader.follower.ledger(), reader.waiting.iter().next()) else { return };
        let cost = price(self.priced, first);
        let waiting = reader.waiting.iter().filter(|item| price(self.priced, *item) == cost).count();
        for urgency in [Urgency::Ordinary, Urgency::Urgent] {
            reader.purse.reconsider(ledger, reader.id, Need { cost, urgency, waiting }, reading, ledger_time);
        }
    }

    /// A replica does what it can: ends calls, starts calls, gives back, asks.
    pub(super) fn act(&mut self, replica: usize) {
        let now = self.now;
        let (reading, ended) = {
            let actor = &mut self.replicas[replica];
            let reading = actor.reading(now);
            let (ended, rest): (Vec<Call>, Vec<Call>) = actor.calls.drain(..).partition(|call| call.ends <= now);
            actor.calls = rest;
            (reading, ended)
        };
        for call in ended {
            let end = if call.answered { CallEnd::Answered } else { CallEnd::Spent };
            if call.answered {
                let spread = now + i64::try_from(self.rng.below(2_000)).unwrap();
                if !self.answered.contains(call.ticket.item) {
                    self.answered.insert(call.ticket.item);
                    self.to_be_known.push((spread, call.ticket.item));
                }
            } else {
                self.replicas[replica].waiting.insert(call.ticket.item);
            }
            self.replicas[replica].purse.over(call.ticket.lease(), end, reading);
        }
        let known = &mut self.known;
        known.extend(self.to_be_known.extract_if(.., |(at, _)| *at <= now).map(|(_, item)| item));
        let actor = &mut self.replicas[replica];
        let ripe: Vec<u32> = actor.later.iter().filter(|(_, at)| **at <= now).map(|(item, _)| *item).collect();
        for item in ripe {
            actor.later.remove(&item);
            actor.waiting.insert(item);
        }
        let given_up = actor.purse.given_up(reading);
        actor.waiting.extend(given_up);
        actor.waiting.remove_all(known);
        self.start(replica, reading);
        while let Some(record) = self.replicas[replica].purse.next_return(reading, false) {
            self.send(replica, &record);
        }
        self.ask(replica, reading);
    }

    fn start(&mut self, replica: usize, reading: Reading) {
        let slots = 8usize.saturating_sub(self.replicas[replica].calls.len());
        for _ in 0..slots {
            let mut stale = Vec::new();
            let ticket = self.replicas[replica].purse.take(reading, &mut stale);
            self.replicas[replica].waiting.extend(stale);
            let Some(ticket) = ticket else { break };
            // What is on its way may take as long as half a lease; usually it does not.
            let way = if self.faults && self.rng.one_in(20) { self.rng.below(4_900) } else { self.rng.below(150) };
            let arrives = self.now + i64::try_from(way).unwrap();
            let ends = arrives + 1 + i64::try_from(self.rng.below(400)).unwrap();
            self.count += 1;
            self.calls += 1;
            self.repeated += u64::from(self.answered.contains(ticket.item));
            self.flying.insert((arrives, self.count, self.cost(ticket.item)));
            let answered = !(self.faults && self.rng.one_in(15));
            self.replicas[replica].calls.push(Call { ticket, ends, answered });
        }
    }

    fn ask(&mut self, replica: usize, reading: Reading) {
        let now = self.now;
        let actor = &mut self.replicas[replica];
        let Some(ledger) = actor.follower.ledger() else { return };
        let ledger_time = actor.ledger_time(now);
        let Some(first) = actor.waiting.iter().next() else { return };
        let cost = price(self.priced, first);
        let alike = |item: &u32| price(self.priced, *item) == cost;
        let waiting = actor.waiting.iter().filter(alike).count();
        let urgency = if self.rng.one_in(4) { Urgency::Urgent } else { Urgency::Ordinary };
        let wants = actor.purse.wants(ledger, Need { cost, urgency, waiting }, 8, reading, ledger_time);
        if wants == 0 {
            return;
        }
        let items: Vec<u32> = actor.waiting.iter().filter(alike).take(wants).collect();
        for item in &items {
            actor.waiting.remove(*item);
        }
        let seq = actor.seq + 1;
        let items = items.into_iter().map(|item| (item, u64::from(item))).collect();
        let record = self.replicas[replica].purse.ask(seq, items, cost, urgency, reading);
        self.send(replica, &record);
    }

    /// Units of a call about an item.
    fn cost(&self, item: u32) -> u32 {
        price(self.priced, item)
    }

    /// New items appear, at one replica or at all of them.
    pub(super) fn arrive(&mut self, item: u32) {
        let everywhere = self.rng.one_in(2);
        let one = usize::try_from(self.rng.below(self.replicas.len() as u64)).unwrap();
        for (index, replica) in self.replicas.iter_mut().enumerate() {
            if everywhere || index == one {
                replica.waiting.insert(item);
            }
        }
    }

    /// A replica dies; another starts in its place and finds the same items waiting.
    pub(super) fn crash(&mut self, replica: usize) {
        let mut fresh = self.replica();
        let old = &self.replicas[replica];
        fresh.waiting = old.waiting;
        fresh.waiting.extend(old.later.keys().copied());
        fresh.waiting.extend(old.calls.iter().map(|call| call.ticket.item));
        fresh.waiting.extend(old.purse.items());
        // It need not read from the beginning.
        if let Some(at) = self.snapshots.last()
            && self.rng.one_in(2)
        {
            fresh.follower.start_at(i64::try_from(at.saturating_sub(self.rng.below(40) as usize)).unwrap());
        }
        self.replicas[replica] = fresh;
    }

    /// A replica sleeps, or its wall clock is set.
    pub(super) fn disturb(&mut self, replica: usize) {
        if self.rng.one_in(3) {
            self.replicas[replica].wall_skew += 3_600_000 - i64::try_from(self.rng.below(7_200_000)).unwrap();
        } else {
            self.replicas[replica].asleep_until = self.now + i64::try_from(self.rng.below(40_000)).unwrap();
        }
    }

    pub(super) fn is_asleep(&self, replica: usize) -> bool {
        self.replicas[replica].asleep_until > self.now
    }

    /// The next moment at which anybody has something to do.
    pub(super) fn next_event(&self) -> i64 {
        let mut at = self.now + 3_600_000;
        at = at.min(self.sent.keys().next().map_or(at, |key| key.0));
        at = at.min(self.flying.first().map_or(at, |key| key.0));
        for replica in &self.replicas {
            at = at.min(replica.calls.iter().map(|call| call.ends).min().unwrap_or(at));
            at = at.min(replica.later.values().copied().min().unwrap_or(at));
            if let Some(due) = replica.purse.return_due() {
                at = at.min(ms(due) - replica.monotonic_skew);
            }
            if !replica.waiting.is_empty() {
                let quiet = [Urgency::Ordinary, Urgency::Urgent].map(|urgency| replica.purse.quiet_until(urgency));
                at = quiet.into_iter().map(|until| ms(until) - replica.monotonic_skew).fold(at, i64::min);
            }
        }
        at.max(self.now + 1)
    }

    pub(super) fn is_drained(&self) -> bool {
        let idle = |replica: &Replica| {
            replica.waiting.is_empty()
                && replica.later.is_empty()
                && replica.calls.is_empty()
                && replica.purse.is_idle()
        };
        self.sent.is_empty() && self.replicas.iter().all(idle)
    }

    /// What keeps it from draining.
    pub(super) fn stuck(&self) -> String {
        let replicas = self.replicas.iter().map(|replica| {
            format!(
                "[{} waiting, {} later, {} calls, purse {:?}, quiet {:?}, ledger {:?}]",
                replica.waiting.len(),
                replica.later.len(),
                replica.calls.len(),
                replica.purse,
                replica.purse.quiet_until(Urgency::Ordinary),
                replica.follower.ledger().map(|ledger| (ledger.time(), ledger.windows(PROVIDER, ledger.time())))
            )
        });
        replicas.collect()
    }

    pub(super) fn wake_all(&mut self) {
        for replica in &mut self.replicas {
            replica.asleep_until = 0;
        }
    }
}
