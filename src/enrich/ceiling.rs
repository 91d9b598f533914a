//! What a service said is left of its own account bounds the calls of this replica from that moment on.
//!
//! The fleet's ledger is corrected as well, but by a record that comes back with the log: what was leased before that would be called meanwhile. A ceiling
//! holds at once, falls with every call that starts, and ends with its window.

use std::time::Duration;

use crate::{
    budget::{Span, WindowAccount, purse::Reading},
    enrich::keys::Key,
};

/// Calls that may still start in a window, by the word of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ceiling {
    span: Span,
    left: u64,
    /// When the window is another one (monotonic).
    until: Duration,
}

impl Key {
    /// The service says that `remaining` units of a window are left, while `others` calls are under way that it may not have counted.
    pub(super) fn lower_ceiling(&mut self, window: &WindowAccount, remaining: u64, others: u64, now: Reading) {
        if self.lease.is_none() {
            return;
        }
        self.ceilings.retain(|ceiling| ceiling.until > now.monotonic);
        let left = remaining.saturating_sub(others);
        if let Some(known) = self.ceilings.iter_mut().find(|ceiling| ceiling.span == window.span) {
            known.left = known.left.min(left);
            return;
        }
        let length = match (window.span.sliding(), window.resets_at) {
            // What it has counted leaves such a window bit by bit: only what others have spent is news.
            (Some(_), _) if window.limit.saturating_sub(window.used) <= remaining => return,
            (Some(length), _) => length,
            (None, Some(at)) => Duration::from_millis(u64::try_from(at.saturating_sub(now.wall_ms)).unwrap_or(0)),
            (None, None) => return,
        };
        self.ceilings.push(Ceiling { span: window.span, left, until: now.monotonic.saturating_add(length) });
    }

    /// When a call of this price may start again, where the service has said that too little is left for it.
    pub(super) fn at_ceiling(&self, cost: u32, now: Duration) -> Option<Duration> {
        let reached =
            self.ceilings.iter().filter(|ceiling| ceiling.left < ceiling.span.units(cost) && ceiling.until > now);
        reached.map(|ceiling| ceiling.until).chain(self.price_held_until(cost, now)).max()
    }

    /// A call of this price starts.
    pub(super) fn called(&mut self, cost: u32) {
        self.calls += 1;
        self.units += u64::from(cost);
        for ceiling in &mut self.ceilings {
            ceiling.left = ceiling.left.saturating_sub(ceiling.span.units(cost));
        }
    }
}
