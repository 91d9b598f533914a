//! How long an answer lives: one exhaustive table, so that a new outcome forces a decision here.

use std::time::Duration;

use crate::{
    cache::Config,
    model::{Answer, FailReason, Reason, VerdictKind},
};

/// How long after it was given this answer spares its provider another call. `None`: for ever (until the configuration changes).
pub fn time_to_live(answer: &Answer, config: &Config) -> Option<Duration> {
    match answer {
        Answer::Verdict(verdict) => {
            let configured = match verdict.kind {
                VerdictKind::Found => config.ttl,
                VerdictKind::Clean => config.ttl_clean,
                VerdictKind::NotFound => config.ttl_not_found,
            };
            Some(verdict.evidence.max_age.map_or(configured, |most| configured.min(most)))
        }
        Answer::Failed { reason, .. } => match reason {
            FailReason::Connect
            | FailReason::Timeout
            | FailReason::Unavailable
            | FailReason::Malformed
            | FailReason::TooLarge
            | FailReason::Rejected
            | FailReason::CircuitOpen => Some(config.ttl_failed),
            FailReason::Unauthorized | FailReason::Retired | FailReason::NotInPlan => None,
        },
        Answer::Skipped { reason } => match reason {
            Reason::Tlp | Reason::Disabled => None,
            // Not asked this time; worth another try when it is seen again.
            Reason::Quota
            | Reason::Paused
            | Reason::Outranked
            | Reason::Flood
            | Reason::Deadline
            | Reason::Queued
            | Reason::Expired
            | Reason::Shutdown
            | Reason::Memory => Some(Duration::ZERO),
        },
        Answer::Throttled { .. } | Answer::Pending { .. } => Some(Duration::ZERO),
    }
}
