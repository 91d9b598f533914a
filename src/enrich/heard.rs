//! What a service says of its own account corrects ours at once, downwards only: other tools may share the key.
//!
//! An answer of another day says nothing of the present one: what is heard within [`MIDNIGHT`] after the end of a calendar window, or of a call that began
//! before it, does not count.

use std::time::Duration;

use crate::{
    budget::{Span, WindowAccount, purse::Reading},
    enrich::{board::Board, desk::Desk},
    provider::Feedback,
};

/// How far apart our and the service's idea of midnight may be.
pub(super) const MIDNIGHT: Duration = Duration::from_secs(5);

impl Board {
    /// Takes in what a service said of the key of this number, whichever is in use, with an answer after this time.
    pub(super) fn hear_of(&mut self, key: usize, provider: usize, said: &[Feedback], length: Duration, now: Reading) {
        if let Some(desk) = self.desks.get_mut(provider) {
            desk.turn_to(key);
        }
        self.hear(provider, said, length, now);
    }

    /// Takes in what a service said with the answer to a call of this length.
    pub(super) fn hear(&mut self, provider: usize, said: &[Feedback], length: Duration, now: Reading) {
        let Some(desk) = self.desks.get_mut(provider).filter(|_| !said.is_empty()) else { return };
        let windows = desk.key.budget.snapshot();
        let mut short = false;
        let dearest = desk.dearest();
        let was_at_ceiling = desk.key.at_ceiling(dearest, now.monotonic).is_some();
        for said in said {
            let Some(span) = meant(said, &windows) else {
                desk.wait_for_reset(said, now.monotonic);
                continue;
            };
            if is_of_the_past(span, length, now.wall_ms) {
                continue;
            }
            let others = match span {
                Span::Second | Span::Minute | Span::Hour => desk.in_flight as u64,
                Span::Day | Span::Month => desk.in_flight_units,
            };
            desk.key.budget.correct(span, said.remaining, others);
            if let Some(window) = windows.iter().find(|window| window.span == span) {
                desk.key.lower_ceiling(window, said.remaining, others, now);
            }
            let tickets = desk.key.lease.as_ref().map_or(0, |lease| lease.tickets());
            short |= (tickets as u64).saturating_mul(span.units(dearest)) > said.remaining.saturating_sub(others);
        }
        let nothing_left = !was_at_ceiling && desk.key.at_ceiling(dearest, now.monotonic).is_some();
        // What was leased before the account was corrected might be too much; what is over is returned before the correction, which is later in the log.
        if short {
            self.give_back(provider, now);
        } else {
            self.return_all(provider, now);
        }
        if nothing_left {
            self.review_all(now);
        }
        self.effects.wake |= 1 << provider;
    }

    /// Tells those who wait in vain from now on.
    pub(super) fn review_all(&mut self, now: Reading) {
        let hopeful = self.flights.iter().filter(|(_, flight)| flight.hopeful);
        let hopeful: Vec<_> = hopeful.map(|(indicator, _)| indicator.clone()).collect();
        for indicator in hopeful {
            if let Some(flight) = self.flights.get_mut(&indicator) {
                flight.snapshot = None;
            }
            self.review(&indicator, now.monotonic, now.wall_ms);
        }
    }
}

impl Desk {
    /// A window that our quota does not know is used up: until it ends nothing is asked.
    fn wait_for_reset(&mut self, said: &Feedback, now: Duration) {
        if let (0, Some(pause)) = (said.remaining, said.resets_in)
            && now.saturating_add(pause) > self.key.paused_until
        {
            self.key.paused_until = now.saturating_add(pause);
            self.tell_pause(pause);
        }
    }
}

/// Which of our windows is meant: the one that is named, else the one with the same limit.
fn meant(said: &Feedback, windows: &[WindowAccount]) -> Option<Span> {
    let window = match said.span {
        Some(span) => windows.iter().find(|window| window.span == span),
        None => windows.iter().find(|window| said.limit == Some(window.limit)),
    };
    window.map(|window| window.span)
}

/// Whether a call of this length that ended now may have been counted in a calendar window that is over.
fn is_of_the_past(span: Span, length: Duration, wall_ms: i64) -> bool {
    const DAY_MS: i64 = 86_400_000;
    let calendar = match span {
        Span::Second | Span::Minute | Span::Hour => false,
        Span::Day | Span::Month => true,
    };
    let began = i64::try_from((length + MIDNIGHT).as_millis()).unwrap_or(i64::MAX);
    calendar && wall_ms.saturating_sub(began).div_euclid(DAY_MS) != wall_ms.div_euclid(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_the_one_that_is_named_or_has_the_same_limit() {
        let window = |span, limit| WindowAccount { span, limit, used: 0, leased: 0, reserved: 0, resets_at: None };
        let windows = [window(Span::Minute, 60), window(Span::Day, 1_000)];
        let said = |span, limit| Feedback { span, remaining: 1, limit, resets_in: None };
        for (said, expected) in [
            (said(Some(Span::Day), Some(60)), Some(Span::Day)),
            (said(Some(Span::Month), Some(60)), None),
            (said(None, Some(60)), Some(Span::Minute)),
            (said(None, Some(61)), None),
            (said(None, None), None),
        ] {
            assert_eq!(meant(&said, &windows), expected, "{said:?}");
        }
    }

    #[test]
    fn yesterdays_account_does_not_count_today() {
        const MIDNIGHT_MS: i64 = 1_794_787_200_000;
        let second = Duration::from_secs(1);
        for (span, length, after_ms, expected) in [
            (Span::Day, second, 4_000, true),
            (Span::Day, second, 6_001, false),
            (Span::Day, 20 * second, 10_000, true),
            (Span::Month, second, 1_000, true),
            (Span::Hour, second, 1_000, false),
            (Span::Day, second, -1_000, false),
        ] {
            assert_eq!(is_of_the_past(span, length, MIDNIGHT_MS + after_ms), expected, "{span} {after_ms}");
        }
    }
}
