//! What a provider says on an indicator, in one shape for all providers.

use std::{fmt, time::Duration};

/// The name of a provider: `virustotal`, `abuseipdb` …
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(pub &'static str);

impl ProviderId {
    /// The name, as in configuration, annotations and metrics.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The three positive answers of a provider. Only these come from the provider itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerdictKind {
    /// It knows something to report.
    Found,
    /// It examined the indicator and holds nothing against it.
    Clean,
    /// It does not know the indicator.
    NotFound,
}

impl VerdictKind {
    /// The `outcome` of annotations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Clean => "clean",
            Self::NotFound => "not_found",
        }
    }
}

/// One provider's answer on one indicator.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// found, clean or not_found.
    pub kind: VerdictKind,
    /// What it rests on.
    pub evidence: Evidence,
    /// When the provider answered: milliseconds since the epoch.
    pub answered_at: i64,
}

/// What a verdict rests on, in terms that scoring and annotation understand without knowing the provider.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The provider's term of the score formula as a share, 0.0..=1.0; `None` where it carries no score (context only).
    pub share: Option<f64>,
    /// The score is at least this, 0..=100.
    pub floor: Option<u8>,
    /// The score is at most this, 0..=100, unless a floor says otherwise.
    pub ceiling: Option<u8>,
    /// Named values for the annotation (`vt_malicious`, `abuse_confidence`, …), in output order.
    pub facts: Vec<(&'static str, Fact)>,
    /// A page that an analyst can open. Never holds a key.
    pub reference: Option<Box<str>>,
    /// One sentence for people.
    pub description: Option<Box<str>>,
    /// First and last time the provider saw it malicious: milliseconds since the epoch.
    pub first_seen: Option<i64>,
    /// See `first_seen`.
    pub last_seen: Option<i64>,
    /// How many reports or sightings the provider counts.
    pub sightings: Option<u64>,
    /// How many detection engines flag it.
    pub scanner_stats: Option<u64>,
    /// How long the provider allows the answer to be kept, where it says so: the time to live is not longer.
    pub max_age: Option<Duration>,
}

impl Evidence {
    /// Bytes that this value keeps alive beside itself.
    pub fn weight(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let facts: usize = self.facts.iter().map(|(_, fact)| fact.weight()).sum();
        self.facts.capacity() * size_of::<(&str, Fact)>() + facts + text(&self.reference) + text(&self.description)
    }
}

/// A value of an annotation field.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A whole number.
    Int(i64),
    /// Text; at most a few hundred bytes, cut by the provider's parser.
    Text(Box<str>),
    /// A flag.
    Bool(bool),
    /// A list of numbers.
    Ints(Vec<i64>),
    /// A list of texts.
    Texts(Vec<Box<str>>),
}

impl Fact {
    /// Bytes that this value keeps alive beside itself.
    fn weight(&self) -> usize {
        match self {
            Self::Int(_) | Self::Bool(_) => 0,
            Self::Text(text) => text.len(),
            Self::Ints(values) => size_of_val(values.as_slice()),
            Self::Texts(texts) => size_of_val(texts.as_slice()) + texts.iter().map(|text| text.len()).sum::<usize>(),
        }
    }
}

/// Why a look-up failed, on fixed axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailReason {
    /// No connection, or it broke.
    Connect,
    /// No answer in time.
    Timeout,
    /// A 5xx, or another answer that says "not now".
    Unavailable,
    /// The answer was not what the interface promises.
    Malformed,
    /// The answer was larger than allowed, compressed or not.
    TooLarge,
    /// 401 or 403: the key is refused.
    Unauthorized,
    /// The provider refuses this request (another 4xx).
    Rejected,
    /// The service has been retired.
    Retired,
    /// The plan of the key does not include look-ups of this kind.
    NotInPlan,
    /// Our own circuit breaker is open.
    CircuitOpen,
}

impl FailReason {
    /// The `reason` of annotations and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unauthorized => "unauthorized",
            Self::Rejected => "rejected",
            Self::Retired => "retired",
            Self::NotInPlan => "not_in_plan",
            Self::CircuitOpen => "circuit_open",
        }
    }
}

/// Why an answer is missing without a failure of the provider, or why an indicator is not looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The budget is used up for now.
    Quota,
    /// The provider asked for a pause (429).
    Paused,
    /// Others were worth more.
    Outranked,
    /// Its source floods.
    Flood,
    /// Asked, but the event could not wait longer.
    Deadline,
    /// Waiting for its turn.
    Queued,
    /// The event's marking forbids it.
    Tlp,
    /// The provider is switched off, or its key was refused.
    Disabled,
    /// The time for which an answer is owed is over.
    Expired,
    /// The process ended before the answer came.
    Shutdown,
    /// Space for waiting events ran out.
    Memory,
}

impl Reason {
    /// The `reason` of annotations and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Paused => "paused",
            Self::Outranked => "outranked",
            Self::Flood => "flood",
            Self::Deadline => "deadline",
            Self::Queued => "queued",
            Self::Tlp => "tlp",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Shutdown => "shutdown",
            Self::Memory => "memory",
        }
    }
}

/// What is known of one provider on one indicator at one moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The provider answered.
    Verdict(Verdict),
    /// It will be asked when it allows; `retry_at` in milliseconds since the epoch.
    Throttled {
        /// `quota` or `paused`.
        reason: Reason,
        /// When the next call may start, where known.
        retry_at: Option<i64>,
    },
    /// The last attempt failed.
    Failed {
        /// Why.
        reason: FailReason,
        /// When the next attempt may start, where one will be made.
        retry_at: Option<i64>,
    },
    /// It is being asked, or waits for its turn.
    Pending {
        /// `queued` or `deadline`.
        reason: Reason,
    },
    /// It will not be asked.
    Skipped {
        /// Why not.
        reason: Reason,
    },
}

impl Answer {
    /// The `outcome` of annotations.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Verdict(verdict) => verdict.kind.as_str(),
            Self::Throttled { .. } => "throttled",
            Self::Failed { .. } => "failed",
            Self::Pending { .. } => "pending",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// Why there is no verdict, as annotations say it.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Verdict(_) => None,
            Self::Failed { reason, .. } => Some(reason.as_str()),
            Self::Throttled { reason, .. } | Self::Pending { reason } | Self::Skipped { reason } => {
                Some(reason.as_str())
            }
        }
    }

    /// The verdict, where there is one.
    pub const fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Verdict(verdict) => Some(verdict),
            Self::Throttled { .. } | Self::Failed { .. } | Self::Pending { .. } | Self::Skipped { .. } => None,
        }
    }

    /// Whether a verdict is missing now but can still come.
    pub const fn can_still_come(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Pending { .. } => true,
            Self::Failed { retry_at, .. } => retry_at.is_some(),
            Self::Verdict(_) | Self::Skipped { .. } => false,
        }
    }
}

/// One responsible provider and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Who.
    pub provider: ProviderId,
    /// What.
    pub answer: Answer,
    /// The answer has outlived its time to live and is shown while it is refreshed.
    pub stale: bool,
}
