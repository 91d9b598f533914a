//! Calls from their start to what became of them; those that are paid from leases start in `leases`.

use std::{sync::Arc, time::Duration};

use crate::{
    budget::{Urgency, purse::Reading},
    cache::time_to_live,
    enrich::{
        board::Board,
        desk::{HELD_BACK, Idle, retry_after},
        flight::SlotState,
        keys::Call,
        status::KeyHealth,
    },
    model::{Answer, FailReason, Indicator, IndicatorKind, Reason, Verdict},
    provider::{Effect, LookupError},
};

/// What became of a call; for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    Answered,
    Paused(Duration),
    /// There are no credits for calls of its price, for so long; cheaper ones go on.
    OutOfCredits(Duration),
    Disabled(FailReason),
    /// The plan of the key leaves indicators of this kind out.
    LeftOut(IndicatorKind),
    /// It is tried again.
    Failed(FailReason),
    /// It is not tried again.
    Over(FailReason),
}

impl Board {
    /// Whether a call of this provider may be tried now, apart from budget and call slots.
    pub(super) fn peek(&mut self, provider: usize, now: Duration, wall_ms: i64) -> Result<(), Idle> {
        if self.member.is_some() {
            return self.peek_leased(provider, Reading { monotonic: now, wall_ms });
        }
        self.desks.get_mut(provider).map_or(Err(Idle::UntilWoken), |desk| {
            desk.turn(now);
            desk.may_call(now)
        })
    }

    /// Takes the best waiting indicators of a provider for one call, paid from its budget.
    pub(super) fn take(&mut self, provider: usize, now: Duration, wall_ms: i64) -> Result<Call, Idle> {
        if self.member.is_some() {
            return self.take_leased(provider, Reading { monotonic: now, wall_ms });
        }
        let Some(desk) = self.desks.get_mut(provider) else { return Err(Idle::UntilWoken) };
        desk.turn(now);
        desk.may_call(now)?;
        let Some(urgency) = desk.pays(now) else { return Err(Idle::Until(now.saturating_add(HELD_BACK))) };
        let Some((_, cost)) = desk.queue.first(urgency) else { return Err(Idle::UntilWoken) };
        if let Some(at) = desk.key.at_ceiling(cost, now) {
            return Err(Idle::Until(at));
        }
        if let Err(open) = desk.key.breaker.admit() {
            return Err(Idle::Until(open.retry_at));
        }
        if let Err(exhausted) = desk.key.budget.try_acquire(cost, urgency) {
            // The circuit's probe, if this was one, was not used.
            desk.key.breaker.record(Effect::Neutral);
            return Err(Idle::Until(exhausted.retry_at));
        }
        if urgency == Urgency::Urgent {
            desk.took_of_reserve(1, cost);
        }
        desk.gathered();
        let taken = desk.fill(urgency, cost);
        self.start(provider, taken)
    }

    /// A call starts, with the key in use.
    pub(super) fn start(&mut self, provider: usize, indicators: Vec<Indicator>) -> Result<Call, Idle> {
        let Some(desk) = self.desks.get_mut(provider) else { return Err(Idle::UntilWoken) };
        let cost = indicators.first().map_or(0, |first| desk.cost(first.kind));
        desk.in_flight += 1;
        desk.in_flight_units += u64::from(cost);
        desk.key.called(cost);
        let call = Call { key: desk.key.number, client: Arc::clone(&desk.key.client), indicators, cost };
        for indicator in &call.indicators {
            let Some(flight) = self.flights.get_mut(indicator) else { continue };
            let Some(state) = flight.slot(provider) else { continue };
            let attempts = match state {
                SlotState::Waiting { attempts, .. } => *attempts,
                SlotState::Calling { .. } | SlotState::Answered { .. } | SlotState::Over { .. } => 0,
            };
            *state = SlotState::Calling { attempts: attempts + 1 };
        }
        Ok(call)
    }

    /// Books the results of a call, one for each of its indicators; one that is missing is a failure.
    pub(super) fn finish(
        &mut self,
        provider: usize,
        call: &Call,
        mut results: Vec<Result<Verdict, LookupError>>,
        length: Duration,
        now: Duration,
        wall_ms: i64,
    ) -> Vec<Finished> {
        let indicators = &*call.indicators;
        results.resize(indicators.len(), Err(LookupError::failed(FailReason::Malformed, "no answer for an indicator")));
        let Some(desk) = self.desks.get_mut(provider) else { return Vec::new() };
        desk.in_flight = desk.in_flight.saturating_sub(1);
        desk.in_flight_units = desk.in_flight_units.saturating_sub(u64::from(call.cost));
        desk.turn_to(call.key);
        if let Some(first) = indicators.first() {
            desk.end_call(first, results.iter().all(Result::is_ok), Reading { monotonic: now, wall_ms });
        }
        desk.key.breaker.record(Effect::of_call(&results));
        desk.took(length);
        let mut finished = Vec::with_capacity(results.len());
        let (before, mut after) = (self.dice.clone(), self.dice.clone());
        for (indicator, result) in indicators.iter().zip(results) {
            // What failed together waits alike, so that it makes one call again.
            self.dice = before.clone();
            finished.push(self.finish_one(provider, indicator, result, length, now, wall_ms));
            after = self.dice.clone();
        }
        self.dice = after;
        finished
    }

    fn finish_one(
        &mut self,
        provider: usize,
        indicator: &Indicator,
        result: Result<Verdict, LookupError>,
        length: Duration,
        now: Duration,
        wall_ms: i64,
    ) -> Finished {
        let Some(desk) = self.desks.get_mut(provider) else { return Finished::Answered };
        let attempts = match self.flights.get_mut(indicator).and_then(|flight| flight.slot(provider)) {
            Some(SlotState::Calling { attempts }) => *attempts,
            Some(_) | None => 1,
        };
        let cost = desk.cost(indicator.kind);
        let (state, finished) = match result {
            Ok(verdict) => {
                (desk.key.refusals, desk.key.used_up) = (0, 0);
                desk.key.paid(cost, now.saturating_sub(length));
                desk.key.health = KeyHealth::Accepted;
                let answer = Answer::Verdict(verdict.clone());
                let lives = time_to_live(&answer, &self.cache_config).unwrap_or(Duration::MAX);
                (SlotState::Answered { verdict, expires: now.saturating_add(lives) }, Finished::Answered)
            }
            Err(LookupError::Throttled { used_up: true, .. }) if desk.is_dear(cost) => {
                let pause = self.out_of_credits(provider, cost, length, Reading { monotonic: now, wall_ms });
                let state = SlotState::Waiting { not_before: now, attempts: attempts - 1, last: None };
                (state, Finished::OutOfCredits(pause))
            }
            Err(LookupError::Throttled { retry_after: pause, used_up }) => {
                let reading = Reading { monotonic: now, wall_ms };
                let pause = desk.refused(pause, used_up, now.saturating_sub(length), reading, &mut self.dice);
                (SlotState::Waiting { not_before: now, attempts: attempts - 1, last: None }, Finished::Paused(pause))
            }
            // The key has been replaced since: the next call is tried with the new one.
            Err(LookupError::Failed {
                reason: reason @ (FailReason::Unauthorized | FailReason::Retired | FailReason::NotInPlan),
                ..
            }) if now.saturating_sub(length) < desk.key.renewed_at => {
                (SlotState::Waiting { not_before: now, attempts, last: Some(reason) }, Finished::Failed(reason))
            }
            Err(LookupError::Failed { reason, .. }) => {
                match reason {
                    FailReason::Unauthorized => desk.key.health = KeyHealth::Refused,
                    FailReason::NotInPlan => desk.key.health = KeyHealth::Accepted,
                    FailReason::Connect
                    | FailReason::Timeout
                    | FailReason::Unavailable
                    | FailReason::Malformed
                    | FailReason::TooLarge
                    | FailReason::Rejected
                    | FailReason::Retired
                    | FailReason::CircuitOpen => {}
                }
                let elsewhere = desk.has_another_key();
                let not_before = desk.after_return(now);
                match self.failed(indicator, reason, attempts, now) {
                    // What one key must not, another may.
                    (_, finished @ Finished::Disabled(_)) if elsewhere => {
                        (SlotState::Waiting { not_before, attempts: attempts - 1, last: None }, finished)
                    }
                    judged => judged,
                }
            }
        };
        if let Some(flight) = self.flights.get_mut(indicator) {
            if let (SlotState::Waiting { not_before, .. }, Some(desk)) = (&state, self.desks.get_mut(provider)) {
                desk.queue.push(flight.place, indicator.clone(), *not_before, now);
            }
            if let Some(slot) = flight.slot(provider) {
                *slot = state;
            }
            flight.snapshot = None;
        }
        if finished == Finished::Answered {
            self.tell(indicator);
        }
        self.effects.wake |= 1 << provider;
        match finished {
            Finished::Disabled(_) => self.close(provider, Reason::Disabled, now, wall_ms),
            Finished::LeftOut(kind) => self.leave_out(provider, kind, now, wall_ms),
            Finished::Answered
            | Finished::Paused(_)
            | Finished::OutOfCredits(_)
            | Finished::Failed(_)
            | Finished::Over(_) => {}
        }
        self.review(indicator, now, wall_ms);
        finished
    }

    /// What a failure makes of a slot: every reason is decided here, none by a wildcard.
    fn failed(
        &mut self,
        indicator: &Indicator,
        reason: FailReason,
        attempts: u32,
        now: Duration,
    ) -> (SlotState, Finished) {
        let over = SlotState::Over { answer: Answer::Failed { reason, retry_at: None } };
        match reason {
            FailReason::Unauthorized | FailReason::Retired => (over, Finished::Disabled(reason)),
            FailReason::NotInPlan => (over, Finished::LeftOut(indicator.kind)),
            FailReason::Rejected => (over, Finished::Over(reason)),
            FailReason::Connect
            | FailReason::Timeout
            | FailReason::Unavailable
            | FailReason::Malformed
            | FailReason::TooLarge
            | FailReason::CircuitOpen => {
                let started = self.flights.get(indicator).map_or(now, |flight| flight.started);
                if now.saturating_sub(started) >= self.late_for {
                    return (over, Finished::Over(reason));
                }
                let pause = retry_after(attempts, self.cache_config.ttl_failed, &mut self.dice);
                let not_before = now.saturating_add(pause);
                (SlotState::Waiting { not_before, attempts, last: Some(reason) }, Finished::Failed(reason))
            }
        }
    }
}
