//! The part of an indicator's annotation that is the same in every event, rendered once and kept in the cache.
//!
//! Two things change between events: what the event itself says (value as found, fields, role) and the ages of the
//! verdicts. The first goes before the fragment, the second into its holes, so writing is copying and a few numbers.

use crate::{
    annotate::{ScoreText, enrichment::Enrichment, json, text},
    model::{Answer, Assessment, Fact, Indicator, Source},
};

/// Rendered once per assessment; written many times with the ages filled in.
#[derive(Clone, Debug, Default)]
pub struct Fragment {
    /// Members from `status` on, each with the comma before it.
    text: Box<[u8]>,
    /// Where ages go, in order.
    holes: Box<[Hole]>,
    /// What a hit adds to `threat.enrichments`; empty for all others.
    enrichments: Box<[Enrichment]>,
}

/// A place for the seconds since `answered_at`.
#[derive(Clone, Copy, Debug)]
struct Hole {
    /// Offset in the text.
    at: usize,
    /// Milliseconds since the epoch.
    answered_at: i64,
}

impl Fragment {
    /// Renders an assessment. `indicator` is what the providers were asked about.
    pub fn new(indicator: &Indicator, assessment: &Assessment) -> Self {
        let mut out = Vec::with_capacity(1024);
        let mut holes = Vec::with_capacity(assessment.sources.len());
        standing(&mut out, assessment);
        facts(&mut out, assessment);
        json::name(&mut out, "sources");
        out.push(b'[');
        for (index, source) in assessment.sources.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            source_object(&mut out, &mut holes, source, Part::of(assessment, index));
        }
        out.push(b']');
        Self {
            text: out.into_boxed_slice(),
            holes: holes.into_boxed_slice(),
            enrichments: Enrichment::of_assessment(indicator, assessment).into_boxed_slice(),
        }
    }

    /// Bytes that this value keeps alive.
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + self.text.len()
            + size_of_val::<[Hole]>(&self.holes)
            + self.enrichments.iter().map(Enrichment::weight).sum::<usize>()
    }

    /// What a hit adds to `threat.enrichments`.
    pub(super) fn enrichments(&self) -> &[Enrichment] {
        &self.enrichments
    }

    /// Appends the members with the ages at `now_ms`. Ages are never negative: clocks of replicas differ a little.
    pub(super) fn write(&self, out: &mut Vec<u8>, now_ms: i64) {
        let mut done = 0;
        for hole in &self.holes {
            out.extend_from_slice(self.text.get(done..hole.at).unwrap_or_default());
            json::int(out, (now_ms.saturating_sub(hole.answered_at) / 1000).max(0));
            done = hole.at;
        }
        out.extend_from_slice(self.text.get(done..).unwrap_or_default());
    }
}

fn standing(out: &mut Vec<u8>, assessment: &Assessment) {
    json::text_member(out, "status", assessment.status.as_str());
    json::text_member(out, "disposition", assessment.disposition.as_str());
    let scores = [
        ("confidence_score", assessment.score),
        ("score_low", assessment.score_low),
        ("score_high", assessment.score_high),
    ];
    for (name, score) in scores {
        if let Some(score) = score {
            score_member(out, name, score);
        }
    }
    json::text_member(out, "queue", assessment.queue.as_str());
}

fn score_member(out: &mut Vec<u8>, name: &str, score: f64) {
    json::name(out, name);
    out.extend_from_slice(ScoreText::fixed(score).as_bytes());
}

/// The named values of all verdicts. Where two providers use one name the first stands: names must not repeat.
fn facts(out: &mut Vec<u8>, assessment: &Assessment) {
    let mut written: Vec<&str> = Vec::new();
    let verdicts = assessment.sources.iter().filter_map(|source| source.answer.verdict());
    for (name, fact) in verdicts.flat_map(|verdict| &verdict.evidence.facts) {
        if written.contains(name) {
            continue;
        }
        written.push(name);
        json::name(out, name);
        match fact {
            Fact::Int(value) => json::int(out, *value),
            Fact::Text(text) => json::string(out, text),
            Fact::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Fact::Ints(values) => json::array(out, values, |out, value| json::int(out, *value)),
            Fact::Texts(texts) => json::array(out, texts, |out, text| json::string(out, text)),
        }
    }
}

/// A source's part in the score.
struct Part {
    contribution: Option<f64>,
    /// Its floor, where that is what the score rests on.
    floor: Option<u8>,
}

impl Part {
    fn of(assessment: &Assessment, index: usize) -> Self {
        let contribution = assessment.contributions.get(index).copied().flatten();
        let verdict = assessment.sources.get(index).and_then(|source| source.answer.verdict());
        let floor = verdict.and_then(|verdict| verdict.evidence.floor);
        // A floor has lifted the score if it is the score and the terms alone come to something else: more under a ceiling, or less.
        let (sum, score) = (assessment.contributions.iter().flatten().sum::<f64>(), assessment.score.unwrap_or(0.0));
        let applied = |floor: &u8| (f64::from(*floor) - score).abs() < 1e-9 && (sum - score).abs() > 1e-9;
        Self { contribution, floor: floor.filter(applied) }
    }
}

fn source_object(out: &mut Vec<u8>, holes: &mut Vec<Hole>, source: &Source, part: Part) {
    out.extend_from_slice(b"{\"provider\":");
    json::string(out, source.provider.as_str());
    json::text_member(out, "outcome", source.answer.outcome());
    if let Some(points) = part.contribution {
        score_member(out, "contribution", points);
    }
    if let Some(floor) = part.floor {
        json::name(out, "floor");
        json::int(out, i64::from(floor));
    }
    match &source.answer {
        Answer::Verdict(verdict) => {
            json::name(out, "age_s");
            holes.push(Hole { at: out.len(), answered_at: verdict.answered_at });
            if let Some(reference) = &verdict.evidence.reference {
                json::text_member(out, "reference", reference);
            }
        }
        Answer::Throttled { reason, retry_at } => reason_members(out, reason.as_str(), *retry_at),
        Answer::Failed { reason, retry_at } => reason_members(out, reason.as_str(), *retry_at),
        Answer::Pending { reason } | Answer::Skipped { reason } => reason_members(out, reason.as_str(), None),
    }
    if source.stale {
        out.extend_from_slice(b",\"stale\":true");
    }
    out.push(b'}');
}

fn reason_members(out: &mut Vec<u8>, reason: &str, retry_at: Option<i64>) {
    json::text_member(out, "reason", reason);
    if let Some(retry_at) = retry_at {
        let mark = out.len();
        json::name(out, "retry_at");
        out.push(b'"');
        let empty = out.len();
        text::seconds_up(out, retry_at);
        if out.len() == empty {
            // No calendar date: rather no member than an empty one.
            out.truncate(mark);
        } else {
            out.push(b'"');
        }
    }
}
