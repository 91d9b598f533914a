//! From verdicts to an assessment: a pure function, without knowledge of time, configuration files or the wire.
//!
//! What holds for every input:
//! - scores are numbers in 0..=100, and `score_low <= score <= score_high`;
//! - a higher share never lowers the score;
//! - a missing answer never looks like `clean`, and an incomplete assessment is never queued `low`;
//! - ceilings come before floors, so evidence of badness wins over evidence of goodness.

mod config;
mod explain;
mod formula;

pub use config::{Config, Weights};
pub use explain::{Explanation, SourceExplanation, explain};
pub use formula::default_weight;

use crate::{
    model::{Answer, Assessment, Disposition, IndicatorKind, Queue, Source, Status, Verdict, VerdictKind},
    score::formula::{Share, Term},
};

/// Scores from here, and under `suspicious`, are `low`; under it they are `clean`.
const LOW: f64 = 10.0;

/// Sums of shares carry errors of about 1e-13; a score this close to a threshold has reached it.
const TOLERANCE: f64 = 1e-9;

/// Assesses one indicator from what its responsible providers say.
pub fn assess(kind: IndicatorKind, sources: Vec<Source>, config: &Config) -> Assessment {
    let status = Status::of_sources(&sources);
    let term = |source: &Source| formula::term(kind, source.provider, config);
    let mean = formula::mean(&shares(&sources, term, Missing::Left));
    let limits = Limits::of(&sources);

    let score = limits.apply(mean.as_ref().map(|mean| mean.score));
    let least = formula::mean(&shares(&sources, term, Missing::Least));
    let score_low = limits.apply(least.map(|mean| mean.score));
    let worst = formula::mean(&shares(&sources, term, Missing::Worst));
    let score_high = limits.at_worst(&sources).apply(worst.map(|mean| mean.score));

    let (disposition, queue) = judge(score, status, config);
    let contributions = mean.map_or_else(|| vec![None; sources.len()], |mean| mean.points);
    Assessment { status, disposition, queue, score, score_low, score_high, sources, contributions }
}

/// Whether an answer is missing that would count: a skipped source is not going to say anything.
const fn is_missing(answer: &Answer) -> bool {
    match answer {
        Answer::Throttled { .. } | Answer::Failed { .. } | Answer::Pending { .. } => true,
        Answer::Verdict(_) | Answer::Skipped { .. } => false,
    }
}

/// How sources that have not answered are counted.
#[derive(Clone, Copy)]
enum Missing {
    Left,
    Least,
    Worst,
}

fn shares(sources: &[Source], term: impl Fn(&Source) -> Option<Term>, missing: Missing) -> Vec<Option<Share>> {
    let share_of = |source: &Source| match (source.answer.verdict(), missing) {
        (Some(verdict), _) => share(verdict),
        (None, Missing::Left) => None,
        (None, Missing::Least) => is_missing(&source.answer).then_some(0.0),
        (None, Missing::Worst) => is_missing(&source.answer).then_some(1.0),
    };
    sources.iter().map(|source| term(source).zip(share_of(source))).collect()
}

/// The share that a verdict gives its term; `None` where it does not count as answered for the score.
fn share(verdict: &Verdict) -> Option<f64> {
    let share = verdict.evidence.share.map(|share| if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) });
    match verdict.kind {
        VerdictKind::Found => share,
        VerdictKind::Clean => Some(share.unwrap_or(0.0)),
        VerdictKind::NotFound => None,
    }
}

/// What bounds a score whatever its terms say.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limits {
    ceiling: Option<f64>,
    floor: Option<f64>,
}

impl Limits {
    fn of(sources: &[Source]) -> Self {
        let evidence = || sources.iter().filter_map(|source| source.answer.verdict()).map(|verdict| &verdict.evidence);
        let points = |value: u8| f64::from(value.min(100));
        Self {
            ceiling: evidence().filter_map(|evidence| evidence.ceiling).min().map(points),
            floor: evidence().filter_map(|evidence| evidence.floor).max().map(points),
        }
    }

    /// With every missing answer bringing its worst floor.
    fn at_worst(self, sources: &[Source]) -> Self {
        let missing = sources.iter().filter(|source| is_missing(&source.answer));
        let worst = missing.map(|source| formula::worst_floor(source.provider)).fold(0.0, f64::max);
        let floor = (worst > 0.0).then_some(worst);
        Self { floor: self.floor.into_iter().chain(floor).reduce(f64::max), ..self }
    }

    /// The limited score; a floor alone is a score.
    fn apply(self, score: Option<f64>) -> Option<f64> {
        let score = score.map(|score| self.ceiling.map_or(score, |ceiling| score.min(ceiling)));
        score.into_iter().chain(self.floor).reduce(f64::max)
    }
}

fn judge(score: Option<f64>, status: Status, config: &Config) -> (Disposition, Queue) {
    let Some(score) = score else { return (Disposition::Unknown, Queue::Unscored) };
    let reaches = |threshold: f64| score + TOLERANCE >= threshold;
    let (disposition, queue) = if reaches(config.malicious) {
        (Disposition::Malicious, Queue::High)
    } else if reaches(config.suspicious) {
        (Disposition::Suspicious, Queue::Medium)
    } else if reaches(LOW) {
        (Disposition::Low, Queue::Low)
    } else {
        (Disposition::Clean, Queue::Low)
    };
    if status == Status::Complete {
        return (disposition, queue);
    }
    let disposition = if disposition == Disposition::Clean { Disposition::Unknown } else { disposition };
    (disposition, if queue == Queue::Low { Queue::Medium } else { queue })
}

#[cfg(test)]
mod tests;
