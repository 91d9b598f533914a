//! The composite over all verdicts on an indicator.

use crate::model::{Answer, Source};

/// What the score means.
///
/// The order is that of badness: of several indicators the largest is the event's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disposition {
    /// Score under 10, assessment complete.
    Clean,
    /// Score 10 to under 40.
    Low,
    /// No score, or an incomplete assessment that would otherwise read as clean.
    Unknown,
    /// Score 40 to under 70.
    Suspicious,
    /// Score 70 and over.
    Malicious,
}

impl Disposition {
    /// Every disposition, in the order of badness.
    pub const ALL: [Self; 5] = [Self::Clean, Self::Low, Self::Unknown, Self::Suspicious, Self::Malicious];

    /// The text of annotations, headers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Low => "low",
            Self::Unknown => "unknown",
            Self::Suspicious => "suspicious",
            Self::Malicious => "malicious",
        }
    }
}

/// Which queue of the analysts an event or indicator belongs to. Ordered by urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Queue {
    /// Complete and harmless.
    Low,
    /// Nothing scored it.
    Unscored,
    /// Suspicious, or harmless so far but incomplete.
    Medium,
    /// Malicious.
    High,
}

impl Queue {
    /// The text of annotations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Unscored => "unscored",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// How far an indicator or an event is assessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// No indicator, or suppressed ones only (of an event).
    None,
    /// Every responsible provider said found, clean or not_found.
    Complete,
    /// At least one did, at least one did not.
    Partial,
    /// None did, an answer can still come.
    Pending,
    /// None will be asked.
    Skipped,
    /// The bytes are no text (of an event).
    Unparsed,
    /// Our own fault (of an event).
    Error,
}

impl Status {
    /// Every status, in the order of their declaration.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Complete, Self::Partial, Self::Pending, Self::Skipped, Self::Unparsed, Self::Error];

    /// The text of annotations, headers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Pending => "pending",
            Self::Skipped => "skipped",
            Self::Unparsed => "unparsed",
            Self::Error => "error",
        }
    }

    /// The status of an indicator with these sources.
    pub fn of_sources(sources: &[Source]) -> Self {
        let answered = sources.iter().filter(|source| source.answer.verdict().is_some()).count();
        if sources.is_empty() {
            Self::Skipped
        } else if answered == sources.len() {
            Self::Complete
        } else if answered > 0 {
            Self::Partial
        } else if sources.iter().any(|source| source.answer.can_still_come()) {
            Self::Pending
        } else {
            Self::Skipped
        }
    }
}

/// The composite over all verdicts on one indicator, with each source's part in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// complete, partial, pending or skipped.
    pub status: Status,
    /// What the score means.
    pub disposition: Disposition,
    /// Which queue it belongs to.
    pub queue: Queue,
    /// 0.0..=100.0; `None` when no scoring source said found or clean.
    pub score: Option<f64>,
    /// The score with every unanswered source at its least; equals `score` when complete.
    pub score_low: Option<f64>,
    /// The score with every unanswered source at its worst, its floor included.
    pub score_high: Option<f64>,
    /// The responsible providers, in configured order.
    pub sources: Vec<Source>,
    /// For each source its part of the score, parallel to `sources`; `None` where it carries none.
    pub contributions: Vec<Option<f64>>,
}

impl Assessment {
    /// Bytes that this value keeps alive beside itself.
    pub fn weight(&self) -> usize {
        let evidence =
            self.verdicts().filter_map(|source| source.answer.verdict()).map(|verdict| verdict.evidence.weight());
        self.sources.capacity() * size_of::<Source>()
            + size_of_val(self.contributions.as_slice())
            + evidence.sum::<usize>()
    }

    /// Whether a missing verdict can still come, so that a late annotation is owed.
    pub fn can_still_come(&self) -> bool {
        self.sources.iter().any(|source| source.answer.can_still_come())
    }

    /// Answers that count as given.
    pub fn verdicts(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| matches!(source.answer, Answer::Verdict(_)))
    }
}
