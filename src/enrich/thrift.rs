//! Whether what waits is worth a call now, and how the call is paid.
//!
//! A paced quota has to last until its window ends. A call is worth it while as much is left as what is worth more is expected to need until then
//! ([`Demand`]): so the quota goes to the best of the day and not to the first, and near its end to the best of what waits. Urgent indicators may use the reserve
//! besides, by the same rule among themselves. A person is never kept waiting.

use std::time::Duration;

use crate::{
    budget::{Outlook, Urgency},
    enrich::{demand::Demand, desk::Desk, queue::Place, triage},
};

/// What one desk expects, and what it has taken of the reserve.
pub(super) struct Thrift {
    demand: Demand,
    /// Of the urgent ones.
    urgent: Demand,
    /// The window, by its end, and units of its reserve that were spent here.
    reserve_spent: (Option<i64>, u64),
}

impl Thrift {
    pub(super) fn new(now: Duration) -> Self {
        Self { demand: Demand::new(now), urgent: Demand::new(now), reserve_spent: (None, 0) }
    }

    /// How many calls of this price, of which this is the outlook, may be taken of the reserve here.
    fn reserve(&self, outlook: &Outlook, cost: u32) -> u64 {
        let (window, spent) = self.reserve_spent;
        let spent = if window.is_some() && window == outlook.ends_at { spent } else { 0 };
        // Free ones take nothing of it.
        let spent = if cost == 0 { 0 } else { spent.div_ceil(u64::from(cost)) };
        (outlook.urgent.saturating_sub(outlook.ordinary) / outlook.sharers.max(1)).saturating_sub(spent)
    }
}

impl Desk {
    /// An indicator that began to wait at `began` joins the line, or takes a better place.
    pub(super) fn expect(&mut self, from: Option<Place>, to: Place, began: Duration, now: Duration) {
        let points = |place: Place| triage::points_of(place.worth(), began);
        self.thrift.demand.reached(from.map(points), points(to), now);
        if to.is_urgent() {
            self.thrift.urgent.reached(from.filter(|from| from.is_urgent()).map(points), points(to), now);
        }
    }

    /// How the next call is paid; `None` where units are kept for better than what waits. Where the ordinary share is used up for now, or the best is not worth a
    /// call, others that may use the reserve are asked about meanwhile.
    pub(super) fn pays(&self, now: Duration) -> Option<Urgency> {
        let Some((best, cost)) = self.queue.first(Urgency::Ordinary) else { return Some(Urgency::Ordinary) };
        let outlook = self.outlook(cost);
        let way = self.way(best, cost, outlook.as_ref(), now);
        if way == Some(Urgency::Urgent)
            || way.is_some() && self.key.budget.exhausted_until(cost, Urgency::Ordinary).is_none()
        {
            return way;
        }
        let first = self.queue.first(Urgency::Urgent);
        let reserve_is_open = first.is_some_and(|(first, its_cost)| {
            let outlook = if its_cost == cost { outlook } else { self.outlook(its_cost) };
            self.may_use_reserve(first, its_cost, outlook.as_ref(), now)
                && self.key.budget.exhausted_until(its_cost, Urgency::Urgent).is_none()
        });
        if reserve_is_open { Some(Urgency::Urgent) } else { way }
    }

    /// Where calls of several prices are waited for, passes over those which the key in use cannot pay for the longest time, or that are not worth it, so that they do not
    /// keep the others.
    pub(super) fn sort_out(&mut self, now: Duration) {
        if !self.queue.is_mixed() {
            return;
        }
        let budget = &self.key.budget;
        let when = |(cost, best, urgent): (u32, Place, Option<Place>)| {
            let outlook = self.outlook(cost);
            let ordinary = self.way(best, cost, outlook.as_ref(), now).map(|way| budget.exhausted_until(cost, way));
            let urgent = urgent.filter(|urgent| self.may_use_reserve(*urgent, cost, outlook.as_ref(), now));
            let urgent = urgent.map(|_| budget.exhausted_until(cost, Urgency::Urgent));
            let soonest = ordinary.into_iter().chain(urgent).map(Option::unwrap_or_default).min();
            let at_ceiling = self.key.at_ceiling(cost, now).unwrap_or_default();
            (cost, soonest.unwrap_or(Duration::MAX).max(at_ceiling))
        };
        let payable: Vec<(u32, Duration)> = self.queue.heads().map(when).collect();
        let soonest = payable.iter().map(|(_, at)| *at).min().unwrap_or_default();
        let later: Vec<u32> = payable.into_iter().filter(|(_, at)| *at > soonest).map(|(cost, _)| cost).collect();
        self.queue.pass_over(&later);
    }

    /// Whether a place is worth a call at all.
    pub(super) fn is_worth_it(&self, place: Place, cost: u32, now: Duration) -> bool {
        self.way(place, cost, self.outlook(cost).as_ref(), now).is_some()
    }

    /// How a call of this price for this place is paid; `None` where it is not worth one.
    fn way(&self, place: Place, cost: u32, outlook: Option<&Outlook>, now: Duration) -> Option<Urgency> {
        let Some(outlook) = outlook else {
            return Some(if place.is_urgent() { Urgency::Urgent } else { Urgency::Ordinary });
        };
        let points = triage::points_of(place.worth(), now);
        let needed = self.thrift.demand.expected(points, outlook.within, now);
        if triage::is_a_person(points) {
            Some(Urgency::Urgent)
        } else if self.calls(needed) * outlook.sharers as f64 <= outlook.ordinary as f64 {
            Some(Urgency::Ordinary)
        } else {
            self.may_use_reserve(place, cost, Some(outlook), now).then_some(Urgency::Urgent)
        }
    }

    /// Whether what waits in this place is worth a unit of the reserve.
    pub(super) fn may_use_reserve(&self, place: Place, cost: u32, outlook: Option<&Outlook>, now: Duration) -> bool {
        let Some(outlook) = outlook.filter(|_| place.is_urgent()) else { return place.is_urgent() };
        let points = triage::points_of(place.worth(), now);
        let needed = self.thrift.urgent.expected(points, outlook.within, now);
        let reserve = self.thrift.reserve(outlook, cost);
        triage::is_a_person(points) || reserve > 0 && self.calls(needed) <= reserve as f64
    }

    /// What all keys that are in use have left of calls of this price; `None` where one of them is not paced.
    pub(super) fn outlook(&self, cost: u32) -> Option<Outlook> {
        let outlooks: Option<Vec<Outlook>> =
            self.keys().filter(|key| key.closed.is_none()).map(|key| key.budget.outlook(cost)).collect();
        outlooks?.into_iter().reduce(|all, one| Outlook {
            within: all.within.max(one.within),
            ends_at: all.ends_at.min(one.ends_at),
            ordinary: all.ordinary.saturating_add(one.ordinary),
            urgent: all.urgent.saturating_add(one.urgent),
            sharers: all.sharers.max(one.sharers),
        })
    }

    /// Calls that so many indicators need.
    fn calls(&self, indicators: f64) -> f64 {
        indicators / self.batch as f64
    }

    /// Calls of this price were paid as urgent.
    pub(super) fn took_of_reserve(&mut self, calls: u64, cost: u32) {
        let window = self.outlook(cost).and_then(|outlook| outlook.ends_at);
        if self.thrift.reserve_spent.0 != window {
            self.thrift.reserve_spent = (window, 0);
        }
        self.thrift.reserve_spent.1 += calls.saturating_mul(u64::from(cost));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_of_the_reserve_counts_in_units_for_calls_of_every_price() {
        let mut thrift = Thrift::new(Duration::ZERO);
        // Two calls of three units.
        thrift.reserve_spent = (Some(1_000), 6);
        let of =
            |calls| Outlook { within: Duration::ZERO, ends_at: Some(1_000), ordinary: 0, urgent: calls, sharers: 1 };
        let left = [(3, 10), (1, 30), (7, 4), (0, 100)].map(|(cost, calls)| thrift.reserve(&of(calls), cost));
        assert_eq!(left, [8, 24, 3, 100]);
    }
}
