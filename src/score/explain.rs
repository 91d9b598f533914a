//! Why a score is what it is: the formula with its numbers filled in, for people.

use std::fmt;

use crate::{
    model::{Assessment, IndicatorKind, ProviderId},
    score::{Config, Limits, Missing, formula, shares},
};

/// A score, term by term. `Display` writes one line per step.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The terms that took part, in configured order.
    pub terms: Vec<TermExplanation>,
    /// Sum of the weights that took part; the points are scaled by 100 over this.
    pub weight: f64,
    /// The score before ceilings and floors; `None` where no term took part.
    pub sum: Option<f64>,
    /// The lowest ceiling among the verdicts.
    pub ceiling: Option<f64>,
    /// The highest floor among the verdicts.
    pub floor: Option<f64>,
    /// The score, as in the assessment.
    pub score: Option<f64>,
}

/// One provider's term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TermExplanation {
    /// Whose.
    pub provider: ProviderId,
    /// Its weight in the formula, points.
    pub weight: f64,
    /// What the provider's verdict comes to, 0.0..=1.0.
    pub share: f64,
    /// Points of the score after normalisation; zero where another source of the same slot says more.
    pub points: f64,
}

/// Explains an assessment that [`crate::score::assess`] made with the same kind and parameters.
pub fn explain(kind: IndicatorKind, assessment: &Assessment, config: &Config) -> Explanation {
    let sources = &assessment.sources;
    let shares = shares(sources, |source| formula::term(kind, source.provider, config), Missing::Left);
    let mean = formula::mean(&shares);
    let limits = Limits::of(sources);
    let points = mean.iter().flat_map(|mean| &mean.points);
    let terms = sources.iter().zip(&shares).zip(points).filter_map(|((source, share), points)| {
        let ((term, share), points) = share.zip(*points)?;
        Some(TermExplanation { provider: source.provider, weight: term.weight, share, points })
    });
    Explanation {
        terms: terms.collect(),
        weight: mean.as_ref().map_or(0.0, |mean| mean.weight),
        sum: mean.as_ref().map(|mean| mean.score),
        ceiling: limits.ceiling,
        floor: limits.floor,
        score: limits.apply(mean.map(|mean| mean.score)),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for term in &self.terms {
            let TermExplanation { provider, weight, share, points } = term;
            writeln!(f, "{provider}: {share:.3} x weight {weight} of {} = {points:.1} points", self.weight)?;
        }
        match self.sum {
            Some(sum) => writeln!(f, "sum: {sum:.1}")?,
            None => writeln!(f, "sum: no scoring source said found or clean")?,
        }
        if let Some(ceiling) = self.ceiling {
            writeln!(f, "ceiling: {ceiling:.0}")?;
        }
        if let Some(floor) = self.floor {
            writeln!(f, "floor: {floor:.0}")?;
        }
        match self.score {
            Some(score) => writeln!(f, "score: {score:.1}"),
            None => writeln!(f, "score: none"),
        }
    }
}
