//! The waiting line of one provider: best first, and those that must not be tried yet.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    budget::Urgency,
    model::{Indicator, IndicatorKind},
    provider::Costs,
};

/// A place in the line: worth first, then order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    worth: Reverse<u32>,
    seq: u64,
    /// May be paid from the reserve.
    urgent: bool,
}

impl Place {
    pub(super) fn new(worth: u32, seq: u64, urgent: bool) -> Self {
        Self { worth: Reverse(worth), seq, urgent }
    }

    /// The same arrival after another sighting: never worth less than before.
    pub(super) fn raised(self, worth: u32, urgent: bool) -> Self {
        Self { worth: Reverse(worth.max(self.worth())), seq: self.seq, urgent: urgent || self.urgent }
    }

    pub(super) fn worth(self) -> u32 {
        self.worth.0
    }

    /// Whether it is worth the reserve.
    pub(super) fn is_urgent(self) -> bool {
        self.urgent
    }
}

/// Those that wait for calls of one price.
#[derive(Debug, Default)]
struct Line {
    cost: u32,
    ready: BTreeMap<Place, Indicator>,
    /// Those of them that may be paid from the reserve.
    urgent: BTreeSet<Place>,
    /// Calls of this price cannot be paid now, while those of another can.
    shut: bool,
}

/// Indicators that wait for one provider.
#[derive(Debug, Default)]
pub(super) struct Queue {
    costs: Costs,
    /// One for each price that was met; where all kinds cost the same there is one.
    lines: Vec<Line>,
    delayed: BTreeMap<(Duration, Place), Indicator>,
    /// Those for which a call was asked for, or may start, in the fleet's ledger.
    held: BTreeMap<Place, Indicator>,
    /// Those of them for which the ledger has not answered.
    asked: BTreeSet<Place>,
}

impl Queue {
    /// An empty line for calls of these prices.
    pub(super) fn new(costs: Costs) -> Self {
        Self { costs, ..Self::default() }
    }

    /// What a call about an indicator of this kind costs.
    pub(super) fn cost(&self, kind: IndicatorKind) -> u32 {
        self.costs.of(kind)
    }

    /// Joins the line, not to be tried before `not_before`.
    pub(super) fn push(&mut self, place: Place, indicator: Indicator, not_before: Duration, now: Duration) {
        if not_before <= now {
            self.enter(place, indicator);
        } else {
            self.delayed.insert((not_before, place), indicator);
        }
    }

    /// Leaves the line.
    pub(super) fn remove(&mut self, place: Place, not_before: Duration) {
        self.asked.remove(&place);
        let was_ready = self.lines.iter_mut().any(|line| {
            line.urgent.remove(&place);
            line.ready.remove(&place).is_some()
        });
        if !was_ready && self.held.remove(&place).is_none() {
            self.delayed.remove(&(not_before, place));
        }
    }

    fn enter(&mut self, place: Place, indicator: Indicator) {
        let cost = self.costs.of(indicator.kind);
        let at = self.lines.iter().position(|line| line.cost == cost).unwrap_or_else(|| {
            self.lines.push(Line { cost, ..Line::default() });
            self.lines.len() - 1
        });
        let Some(line) = self.lines.get_mut(at) else { return };
        if place.urgent {
            line.urgent.insert(place);
        }
        line.ready.insert(place, indicator);
    }

    /// Takes another place in the line.
    pub(super) fn step(&mut self, from: Place, to: Place, indicator: Indicator, not_before: Duration, now: Duration) {
        if self.held.remove(&from).is_some() {
            self.held.insert(to, indicator);
            if self.asked.remove(&from) {
                self.asked.insert(to);
            }
        } else {
            self.remove(from, not_before);
            self.push(to, indicator, not_before, now);
        }
    }

    /// Takes the best that is ready and may be paid in this way, by a call of this price, out of the line, until [`Queue::release`]; it still belongs to it.
    pub(super) fn hold(&mut self, urgency: Urgency, cost: u32) -> Option<Indicator> {
        let (place, indicator) = self.leave(urgency, cost)?;
        self.held.insert(place, indicator.clone());
        self.asked.insert(place);
        Some(indicator)
    }

    fn leave(&mut self, urgency: Urgency, cost: u32) -> Option<(Place, Indicator)> {
        let line = self.lines.iter_mut().find(|line| line.cost == cost)?;
        let place = line.first(urgency)?;
        line.urgent.remove(&place);
        line.ready.remove(&place).map(|indicator| (place, indicator))
    }

    /// Whether a place is held.
    pub(super) fn is_held(&self, place: Place) -> bool {
        self.held.contains_key(&place)
    }

    /// A call for what is held may start.
    pub(super) fn won(&mut self, place: Place) {
        self.asked.remove(&place);
    }

    /// Whether a call for it may start.
    pub(super) fn is_won(&self, place: Place) -> bool {
        self.held.contains_key(&place) && !self.asked.contains(&place)
    }

    /// How many calls were asked for that nobody has answered, in indicators.
    pub(super) fn asked(&self) -> usize {
        self.asked.len()
    }

    /// Back into the line, not to be tried before `not_before`. Without effect where the place is not held.
    pub(super) fn release(&mut self, place: Place, not_before: Duration, now: Duration) -> bool {
        let Some(indicator) = self.held.remove(&place) else { return false };
        self.asked.remove(&place);
        self.push(place, indicator, not_before, now);
        true
    }

    /// Moves those whose time has come into the line of the ready.
    pub(super) fn ripen(&mut self, now: Duration) {
        while let Some(first) = self.delayed.first_entry() {
            if first.key().0 > now {
                break;
            }
            let ((_, place), indicator) = first.remove_entry();
            self.enter(place, indicator);
        }
    }

    /// The best of those that are ready for calls of each price, and the best of them that may use the reserve.
    pub(super) fn heads(&self) -> impl Iterator<Item = (u32, Place, Option<Place>)> {
        self.lines
            .iter()
            .filter_map(|line| Some((line.cost, line.first(Urgency::Ordinary)?, line.urgent.first().copied())))
    }

    /// Passes over those who wait for calls of these prices, and of no others.
    pub(super) fn pass_over(&mut self, prices: &[u32]) {
        for line in &mut self.lines {
            line.shut = prices.contains(&line.cost);
        }
    }

    /// Whether calls of several prices are waited for.
    pub(super) fn is_mixed(&self) -> bool {
        self.lines.len() > 1
    }

    /// The best that is ready.
    pub(super) fn best(&self) -> Option<Place> {
        self.first(Urgency::Ordinary).map(|(place, _)| place)
    }

    /// The best that is ready and may be paid in this way, with the price of a call: the reserve is for the urgent ones, everything else for all.
    pub(super) fn first(&self, urgency: Urgency) -> Option<(Place, u32)> {
        let open = self.lines.iter().filter(|line| !line.shut);
        open.filter_map(|line| Some((line.first(urgency)?, line.cost))).min()
    }

    /// Takes the best that is ready and may be paid in this way by a call of this price.
    pub(super) fn pop(&mut self, urgency: Urgency, cost: u32) -> Option<Indicator> {
        self.leave(urgency, cost).map(|(_, indicator)| indicator)
    }

    /// When the next delayed one ripens.
    pub(super) fn next_ripe(&self) -> Option<Duration> {
        self.delayed.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many are ready and may be paid in this way, for calls of each price.
    pub(super) fn by_price(&self, urgency: Urgency) -> impl Iterator<Item = (u32, usize)> {
        self.lines.iter().map(move |line| (line.cost, line.len(urgency)))
    }

    /// How many are ready.
    pub(super) fn ready(&self) -> usize {
        self.by_price(Urgency::Ordinary).map(|(_, ready)| ready).sum()
    }

    /// How many are ready and may be paid in this way, for calls of this price.
    pub(super) fn ready_at(&self, urgency: Urgency, cost: u32) -> usize {
        self.by_price(urgency).filter(|(of, _)| *of == cost).map(|(_, ready)| ready).sum()
    }

    /// How many of these are better than a place; no more than `most` are counted.
    pub(super) fn before(&self, urgency: Urgency, place: Place, cost: u32, most: usize) -> usize {
        let lines = self.lines.iter().filter(|line| line.cost == cost);
        lines.map(|line| line.before(urgency, place, most)).sum()
    }

    /// How many wait, ready or not.
    pub(super) fn len(&self) -> usize {
        self.ready() + self.delayed.len() + self.held.len()
    }

    /// Takes these out of the line.
    pub(super) fn drain(&mut self, wanted: impl Fn(&Indicator) -> bool) -> Vec<Indicator> {
        let mut taken = Vec::new();
        let mut stays = |indicator: &Indicator| {
            let leaves = wanted(indicator);
            taken.extend(leaves.then(|| indicator.clone()));
            !leaves
        };
        for line in &mut self.lines {
            line.ready.retain(|_, indicator| stays(indicator));
            let Line { ready, urgent, .. } = line;
            urgent.retain(|place| ready.contains_key(place));
        }
        self.delayed.retain(|_, indicator| stays(indicator));
        self.held.retain(|_, indicator| stays(indicator));
        self.asked.retain(|place| self.held.contains_key(place));
        taken
    }
}

impl Line {
    fn first(&self, urgency: Urgency) -> Option<Place> {
        match urgency {
            Urgency::Ordinary => self.ready.first_key_value().map(|(place, _)| *place),
            Urgency::Urgent => self.urgent.first().copied(),
        }
    }

    fn len(&self, urgency: Urgency) -> usize {
        match urgency {
            Urgency::Ordinary => self.ready.len(),
            Urgency::Urgent => self.urgent.len(),
        }
    }

    fn before(&self, urgency: Urgency, place: Place, most: usize) -> usize {
        match urgency {
            Urgency::Ordinary => self.ready.range(..place).take(most).count(),
            Urgency::Urgent => self.urgent.range(..place).take(most).count(),
        }
    }
}
