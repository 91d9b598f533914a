//! Why a score is what it is: the formula with its numbers filled in, for people.

use std::fmt;

use crate::{
    model::{Assessment, IndicatorKind, ProviderId},
    score::{
        Config, Limits, Missing,
        formula::{self, Slot, Term},
        is_missing, share, shares,
    },
};

/// A score, source by source. `Display` writes a table and one line per step.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Every source, in configured order.
    pub sources: Vec<SourceExplanation>,
    /// Sum of the weights that took part; the points are scaled by 100 over this.
    pub weight: f64,
    /// What it would be if every responsible source with a term took part.
    pub full_weight: f64,
    /// The score before ceilings and floors; `None` where no term took part.
    pub sum: Option<f64>,
    /// The score, as in the assessment.
    pub score: Option<f64>,
    /// The score with everything that is missing at its least.
    pub low: Option<f64>,
    /// The score with everything that is missing at its worst.
    pub high: Option<f64>,
}

/// What one source has to do with the score.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceExplanation {
    /// Whose.
    pub provider: ProviderId,
    /// `found`, `failed` … as in annotations.
    pub outcome: &'static str,
    /// Why there is no verdict.
    pub reason: Option<&'static str>,
    /// Weight of its term in the formula of this kind, points; `None` where it has no term.
    pub weight: Option<f64>,
    /// Whether only the best of the terms of this sort is added.
    pub is_candidate: bool,
    /// What its verdict comes to, 0.0..=1.0, where it takes part.
    pub share: Option<f64>,
    /// Points of the score after normalisation, where it takes part; zero where another candidate says more.
    pub points: Option<f64>,
    /// The score is at least this.
    pub floor: Option<u8>,
    /// The score is at most this.
    pub ceiling: Option<u8>,
    /// The highest floor that the answer can bring, where it is missing and can still come.
    pub worst_floor: Option<f64>,
}

/// Explains an assessment that [`crate::score::assess`] made with the same kind and parameters.
pub fn explain(kind: IndicatorKind, assessment: &Assessment, config: &Config) -> Explanation {
    let sources = &assessment.sources;
    let terms: Vec<Option<Term>> = sources.iter().map(|source| formula::term(kind, source.provider, config)).collect();
    let mean = formula::mean(&shares(sources, |source| formula::term(kind, source.provider, config), Missing::Left));
    let full: Vec<_> = terms.iter().map(|term| term.map(|term| (term, 1.0))).collect();
    let points = |at: usize| mean.as_ref().and_then(|mean| mean.points.get(at).copied().flatten());
    let explained = sources.iter().zip(&terms).enumerate().map(|(at, (source, term))| {
        let verdict = source.answer.verdict();
        SourceExplanation {
            provider: source.provider,
            outcome: source.answer.outcome(),
            reason: source.answer.reason(),
            weight: term.map(|term| term.weight),
            is_candidate: term.is_some_and(|term| term.slot == Slot::Best),
            share: term.and_then(|_| share(verdict?)),
            points: points(at),
            floor: verdict.and_then(|verdict| verdict.evidence.floor),
            ceiling: verdict.and_then(|verdict| verdict.evidence.ceiling),
            worst_floor: is_missing(&source.answer).then(|| formula::worst_floor(source.provider)),
        }
    });
    Explanation {
        sources: explained.collect(),
        weight: mean.as_ref().map_or(0.0, |mean| mean.weight),
        full_weight: formula::mean(&full).map_or(0.0, |mean| mean.weight),
        sum: mean.as_ref().map(|mean| mean.score),
        score: Limits::of(sources).apply(mean.map(|mean| mean.score)),
        low: assessment.score_low,
        high: assessment.score_high,
    }
}

impl fmt::Display for SourceExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.reason {
            Some(reason) => format!("{} ({reason})", self.outcome),
            None => self.outcome.to_owned(),
        };
        write!(f, "{:<15} {outcome:<22}", self.provider.as_str())?;
        match (self.weight, self.share, self.points) {
            (Some(weight), Some(share), Some(points)) => {
                write!(f, " {share:.3} x weight {weight} -> {points:.1} points")?;
                if self.is_candidate && points == 0.0 && share > 0.0 {
                    f.write_str(", another of its sort says more")?;
                }
            }
            (Some(weight), ..) if self.worst_floor.is_some() => write!(f, " missing: weight {weight}")?,
            (Some(_), ..) => f.write_str(" not counted")?,
            (None, ..) => f.write_str(" context, no term in this formula")?,
        }
        if let Some(floor) = self.floor {
            write!(f, ", floor {floor}")?;
        }
        if let Some(ceiling) = self.ceiling {
            write!(f, ", ceiling {ceiling}")?;
        }
        match self.worst_floor {
            Some(floor) if floor > 0.0 => write!(f, ", its worst brings a floor of {floor}"),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for source in &self.sources {
            writeln!(f, "  {source}")?;
        }
        match self.sum {
            Some(sum) if self.weight < self.full_weight => writeln!(
                f,
                "  sum     {sum:.1}, over weights of {} of {}: what is not there neither lowers nor raises it",
                self.weight, self.full_weight
            )?,
            Some(sum) => writeln!(f, "  sum     {sum:.1}, over weights of {}", self.weight)?,
            None => writeln!(f, "  sum     none: no scoring source said found or clean")?,
        }
        let by = |bound: u8, of: fn(&SourceExplanation) -> Option<u8>| {
            let whose = self.sources.iter().filter(move |source| of(source) == Some(bound));
            whose.map(|source| source.provider.as_str()).collect::<Vec<_>>().join(", ")
        };
        // Ceilings first, so that a floor wins.
        if let Some(ceiling) = self.sources.iter().filter_map(|source| source.ceiling).min() {
            let acts = if self.sum.is_some_and(|sum| sum > f64::from(ceiling)) { "" } else { ", not reached" };
            writeln!(f, "  ceiling {ceiling}, set by {}{acts}", by(ceiling, |source| source.ceiling))?;
        }
        if let Some(floor) = self.sources.iter().filter_map(|source| source.floor).max() {
            let acts = if self.score == Some(f64::from(floor)) { "" } else { ", passed" };
            writeln!(f, "  floor   {floor}, set by {}{acts}", by(floor, |source| source.floor))?;
        }
        // Context changes no bound, whether it comes or not.
        let counts = |source: &&SourceExplanation| {
            source.worst_floor.is_some_and(|floor| floor > 0.0 || source.weight.is_some())
        };
        let missing: Vec<&str> = self.sources.iter().filter(counts).map(|source| source.provider.as_str()).collect();
        match self.score {
            Some(score) => write!(f, "  score   {score:.1}")?,
            None => write!(f, "  score   none")?,
        }
        match (missing.is_empty(), self.low, self.high) {
            (false, Some(low), Some(high)) => {
                let have = if missing.len() == 1 { "has" } else { "have" };
                writeln!(f, ", {low:.1} to {high:.1} when {} {have} answered", missing.join(", "))
            }
            _ => writeln!(f),
        }
    }
}
