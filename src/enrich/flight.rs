//! One indicator on its way to an assessment.

use std::{sync::Arc, time::Duration};

use crate::{
    cache::Entry,
    enrich::queue::Place,
    model::{Answer, FailReason, IndicatorKind, Reason, Role, Verdict},
};

/// One responsible provider's part of a flight.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Index of the provider.
    pub(super) provider: usize,
    pub(super) state: SlotState,
    /// An expired answer that is shown, marked, until there is a new one: expired but good beats nothing.
    pub(super) old: Option<Verdict>,
}

#[derive(Clone, Debug)]
pub(super) enum SlotState {
    /// The provider answered; monotonic end of life of the answer.
    Answered { verdict: Verdict, expires: Duration },
    /// In the provider's line.
    Waiting { not_before: Duration, attempts: u32, last: Option<FailReason> },
    /// A call is under way.
    Calling { attempts: u32 },
    /// Nothing more will come.
    Over { answer: Answer },
}

impl SlotState {
    /// Whether an answer can still come.
    pub(super) const fn is_open(&self) -> bool {
        match self {
            Self::Waiting { .. } | Self::Calling { .. } => true,
            Self::Answered { .. } | Self::Over { .. } => false,
        }
    }

    /// What an annotation says of it; `blocked` is why the provider cannot be asked at present, and until when (wall ms).
    pub(super) fn answer(&self, now: Duration, wall_ms: i64, blocked: Option<(Blocked, Option<i64>)>) -> Answer {
        match self {
            Self::Answered { verdict, .. } => Answer::Verdict(verdict.clone()),
            Self::Over { answer } => answer.clone(),
            Self::Calling { .. } => Answer::Pending { reason: Reason::Deadline },
            Self::Waiting { not_before, last: Some(reason), .. } => {
                let wait = not_before.saturating_sub(now);
                let retry_at = wall_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
                Answer::Failed { reason: *reason, retry_at: Some(retry_at) }
            }
            Self::Waiting { last: None, .. } => match blocked {
                Some((Blocked::Quota, retry_at)) => Answer::Throttled { reason: Reason::Quota, retry_at },
                Some((Blocked::Paused, retry_at)) => Answer::Throttled { reason: Reason::Paused, retry_at },
                Some((Blocked::Circuit, retry_at)) => {
                    Answer::Failed { reason: FailReason::CircuitOpen, retry_at: retry_at.or(Some(wall_ms)) }
                }
                None => Answer::Pending { reason: Reason::Queued },
            },
        }
    }
}

/// Why a provider cannot be asked at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// Its budget is used up.
    Quota,
    /// It asked for a pause.
    Paused,
    /// Our circuit breaker is open.
    Circuit,
}

/// One indicator on its way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) kind: IndicatorKind,
    pub(super) slots: Vec<Slot>,
    pub(super) place: Place,
    /// Whether its source, or its group, brings more than a fair share.
    pub(super) flood: bool,
    /// Its place in the event that showed it first.
    pub(super) role: Role,
    /// Listeners that take part, a bit each.
    pub(super) listeners: u64,
    pub(super) started: Duration,
    /// Whether somebody was told that waiting is worth while and has not been told otherwise.
    pub(super) hopeful: bool,
    /// Whether it was asked for again.
    pub(super) joined: bool,
    /// The last snapshot, and when it was made; of what is asked for again and again, since there can be many that are not.
    pub(super) snapshot: Option<(Duration, Arc<Entry>)>,
}

impl Flight {
    /// Whether an answer can still come.
    pub(super) fn is_open(&self) -> bool {
        self.slots.iter().any(|slot| slot.state.is_open())
    }

    /// Whether a call is under way: such a flight is not given up, its call is paid.
    pub(super) fn is_calling(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.state, SlotState::Calling { .. }))
    }

    /// The slot of a provider.
    pub(super) fn slot(&mut self, provider: usize) -> Option<&mut SlotState> {
        self.slots.iter_mut().find(|slot| slot.provider == provider).map(|slot| &mut slot.state)
    }
}
