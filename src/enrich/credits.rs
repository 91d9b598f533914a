//! A service that says that the credits of a key are used up: calls that cost as much wait, cheaper ones go on.
//!
//! What it has left is less than the price of the call, and the windows of the calendar, which count credits, are corrected to that. Besides, or where
//! there are none, the price is held back for a while, longer with every refusal.

use std::time::Duration;

use crate::{
    budget::{Urgency, purse::Reading},
    enrich::{
        board::Board,
        desk::{Desk, Dice, pause_after_refusals},
        keys::Key,
    },
    provider::Feedback,
};

/// Calls that the service said there are no credits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldPrice {
    /// Calls of this price, and dearer ones.
    cost: u32,
    /// Until then (monotonic).
    until: Duration,
    /// Refusals in a row; the pause doubles with each.
    refusals: u32,
    /// When the last of them was heard.
    refused_at: Duration,
}

impl Key {
    /// Until when calls of this price are held back.
    pub(super) fn price_held_until(&self, cost: u32, now: Duration) -> Option<Duration> {
        self.held_price.filter(|held| cost >= held.cost && held.until > now).map(|held| held.until)
    }

    /// Holds back calls of this price after one that had started at `started` was refused; whether that is news. Those that were under way together are one
    /// refusal.
    fn hold_price(&mut self, cost: u32, started: Duration, now: Duration, dice: &mut Dice) -> bool {
        let held = self.held_price.filter(|held| cost >= held.cost || held.until > now);
        if held.is_some_and(|held| cost >= held.cost && started < held.refused_at) {
            return false;
        }
        let refusals = held.map_or(0, |held| held.refusals) + 1;
        let cost = held.filter(|held| held.until > now).map_or(cost, |held| held.cost.min(cost));
        let until = now.saturating_add(pause_after_refusals(refusals, dice));
        self.held_price = Some(HeldPrice { cost, until, refusals, refused_at: now });
        true
    }

    /// A call of this price that had started at `started` was answered.
    pub(super) fn paid(&mut self, cost: u32, started: Duration) {
        if self.held_price.is_some_and(|held| cost >= held.cost && started >= held.refused_at) {
            self.held_price = None;
        }
    }
}

impl Desk {
    /// Whether there are cheaper calls than those of this price.
    pub(super) fn is_dear(&self, cost: u32) -> bool {
        self.prices().any(|other| other < cost)
    }
}

impl Board {
    /// A call of this price and length was refused for want of credits, with the key in use. How long such calls wait from now on.
    pub(super) fn out_of_credits(&mut self, provider: usize, cost: u32, length: Duration, now: Reading) -> Duration {
        let Some(desk) = self.desks.get_mut(provider) else { return Duration::ZERO };
        let started = now.monotonic.saturating_sub(length);
        let is_news = desk.key.hold_price(cost, started, now.monotonic, &mut self.dice);
        if is_news {
            let of_calendar = desk.key.budget.snapshot().into_iter().filter(|window| window.span.sliding().is_none());
            let remaining = u64::from(cost.saturating_sub(1));
            let said = |span| Feedback { span: Some(span), remaining, limit: None, resets_in: None };
            let said: Vec<Feedback> = of_calendar.map(|window| said(window.span)).collect();
            self.hear(provider, &said, length, now);
            // What is leased for such calls is of no use.
            self.give_back(provider, now);
            self.review_all(now);
        }
        let Some(desk) = self.desks.get(provider) else { return Duration::ZERO };
        let of_account = desk.key.budget.exhausted_until(cost, Urgency::Urgent);
        let until = desk.key.at_ceiling(cost, now.monotonic).max(of_account);
        until.map_or(Duration::ZERO, |until| until.saturating_sub(now.monotonic))
    }
}
