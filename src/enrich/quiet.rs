//! Keeps repeated log lines about one provider rare.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::{
    model::{IndicatorKind, ProviderId, SharedClock},
    telemetry::Throttle,
};

/// One throttle for each provider and kind of line.
pub(super) struct Quiet {
    lines: Throttle<(ProviderId, &'static str)>,
    /// Accounts whose key was refused, with the kind that was refused where it was not all of them.
    disabled: Mutex<BTreeSet<(Box<str>, Option<IndicatorKind>)>>,
}

impl Quiet {
    pub(super) fn new(clock: &SharedClock) -> Self {
        Self { lines: Throttle::new(clock), disabled: Mutex::default() }
    }

    /// Whether a line of this sort about this provider may be written now, and how many were not since the last.
    pub(super) fn pass(&self, provider: ProviderId, line: &'static str) -> Option<u64> {
        self.lines.pass((provider, line))
    }

    /// It is on again: the next time that it is switched off is worth a line.
    pub(super) fn enabled(&self, account: &str) {
        self.disabled.lock().retain(|(disabled, _)| **disabled != *account);
    }

    /// Whether the key of this account has not been reported as switched off yet, altogether or for this kind.
    pub(super) fn first_disabled(&self, account: &str, kind: Option<IndicatorKind>) -> bool {
        self.disabled.lock().insert((account.into(), kind))
    }
}
