//! The annotation of one event: as an object, and spliced into a payload.

use crate::{
    annotate::{ScoreText, Shape, State, Summary, json, sight::Sight},
    event::{Format, Outline, Threat},
    model::{Disposition, Queue, Reason, Status},
};

/// Elements added to `threat.enrichments`, at most: consoles have failed on more.
const MAX_ENRICHMENTS: usize = 50;

/// Everything an annotation says.
pub(super) struct Annotation<'a, F> {
    /// Gives the event's distinct indicators, each time from the start.
    pub(super) sights: F,
    /// Parallel to them.
    pub(super) states: &'a [State<'a>],
    pub(super) summary: &'a Summary,
    /// Milliseconds since the epoch.
    pub(super) now_ms: i64,
}

impl<'e, F, I> Annotation<'_, F>
where
    F: Fn() -> I,
    I: Iterator<Item: Sight<'e>>,
{
    /// Appends the annotation object. `cut` says that something beyond the summary was left out.
    pub(super) fn object(&self, cut: bool, out: &mut Vec<u8>) {
        let summary = self.summary;
        out.extend_from_slice(b"{\"schema\":1");
        json::text_member(out, "status", summary.status.as_str());
        if let Some(disposition) = summary.disposition {
            json::text_member(out, "disposition", disposition.as_str());
        }
        if let Some(score) = summary.score {
            json::name(out, "confidence_score");
            out.extend_from_slice(ScoreText::fixed(score).as_bytes());
        }
        if let Some(queue) = summary.queue {
            json::text_member(out, "queue", queue.as_str());
        }
        json::name(out, "requires_review");
        out.extend_from_slice(boolean(summary.requires_review()));
        json::name(out, "indicators");
        json::array(out, (self.sights)().zip(self.states), |out, (sight, state)| {
            indicator(out, &sight, state, self.now_ms);
        });
        json::name(out, "truncated");
        out.extend_from_slice(boolean(summary.truncated || cut));
        out.push(b'}');
    }

    /// Writes the payload with the annotation to `out`. A payload that does not fit its outline is copied as it is.
    pub(super) fn splice(&self, payload: &[u8], outline: &Outline, shape: Shape, out: &mut Vec<u8>) {
        out.clear();
        if !fits(payload, outline) {
            debug_assert!(false, "the outline belongs to another payload");
            out.extend_from_slice(payload);
            return;
        }
        let hits = match (shape, outline.threat) {
            (Shape::Native, _) | (Shape::Ecs, Threat::Unfit) => 0,
            (Shape::Ecs, Threat::Absent | Threat::Object { .. } | Threat::Enrichments { .. }) => self.hits(),
        };
        let mut copy = Copy { payload, cuts: &outline.ours, done: 0 };
        let mut comma = !outline.empty;
        if hits > 0 {
            match outline.threat {
                Threat::Enrichments { close, empty } => {
                    copy.until(close, out);
                    self.enrichments(!empty, out);
                }
                Threat::Object { close, empty } => {
                    copy.until(close, out);
                    separate(out, !empty);
                    out.extend_from_slice(b"\"enrichments\":[");
                    self.enrichments(false, out);
                    out.push(b']');
                }
                Threat::Absent => {
                    copy.until(outline.close, out);
                    separate(out, comma);
                    comma = true;
                    out.extend_from_slice(b"\"threat\":{\"enrichments\":[");
                    self.enrichments(false, out);
                    out.extend_from_slice(b"]}");
                }
                Threat::Unfit => {}
            }
        }
        copy.until(outline.close, out);
        separate(out, comma);
        out.extend_from_slice(b"\"sidelight\":");
        self.object(hits > MAX_ENRICHMENTS, out);
        copy.until(payload.len(), out);
    }

    /// How many elements the hits would add to `threat.enrichments`.
    fn hits(&self) -> usize {
        let elements = |state: &State<'_>| match state {
            State::Assessed(_, fragment) => fragment.enrichments().len(),
            State::Suppressed(_) | State::Skipped(_) | State::Pending(_) => 0,
        };
        self.states.iter().map(elements).sum()
    }

    fn enrichments(&self, mut comma: bool, out: &mut Vec<u8>) {
        let mut left = MAX_ENRICHMENTS;
        for (sight, state) in (self.sights)().zip(self.states) {
            let State::Assessed(_, fragment) = state else { continue };
            for enrichment in fragment.enrichments().iter().take(left) {
                separate(out, comma);
                comma = true;
                left -= 1;
                enrichment.write(out, sight.value(), sight.fields().next(), self.now_ms);
            }
        }
    }
}

fn indicator<'e>(out: &mut Vec<u8>, sight: &impl Sight<'e>, state: &State<'_>, now_ms: i64) {
    out.extend_from_slice(b"{\"ioc_type\":\"");
    out.extend_from_slice(sight.kind().as_str().as_bytes());
    out.extend_from_slice(b"\",\"ioc_value\":");
    json::string(out, sight.value());
    out.extend_from_slice(b",\"fields\":");
    json::array(out, sight.fields(), json::string);
    out.extend_from_slice(b",\"role\":\"");
    out.extend_from_slice(sight.role().as_str().as_bytes());
    out.push(b'"');
    match state {
        State::Assessed(_, fragment) => fragment.write(out, now_ms),
        State::Suppressed(suppression) => {
            out.extend_from_slice(b",\"status\":\"suppressed\"");
            json::text_member(out, "reason", suppression.as_str());
        }
        State::Skipped(reason) => unassessed(out, Status::Skipped, *reason),
        State::Pending(reason) => unassessed(out, Status::Pending, *reason),
    }
    out.push(b'}');
}

fn unassessed(out: &mut Vec<u8>, status: Status, reason: Reason) {
    json::text_member(out, "status", status.as_str());
    json::text_member(out, "disposition", Disposition::Unknown.as_str());
    json::text_member(out, "queue", Queue::Unscored.as_str());
    json::text_member(out, "reason", reason.as_str());
}

const fn boolean(flag: bool) -> &'static [u8] {
    if flag { b"true" } else { b"false" }
}

fn separate(out: &mut Vec<u8>, comma: bool) {
    if comma {
        out.push(b',');
    }
}

/// Whether every offset of the outline lies where it must.
fn fits(payload: &[u8], outline: &Outline) -> bool {
    let is = |at: usize, byte: u8| payload.get(at) == Some(&byte);
    let threat = match outline.threat {
        Threat::Absent | Threat::Unfit => true,
        Threat::Object { close, .. } => close < outline.close && is(close, b'}'),
        Threat::Enrichments { close, .. } => close < outline.close && is(close, b']'),
    };
    let mut end = 0;
    let cuts = outline.ours.iter().all(|cut| {
        let ordered = end <= cut.start && cut.start <= cut.end && cut.end <= outline.close;
        end = cut.end;
        ordered
    });
    outline.format == Format::JsonObject && is(outline.close, b'}') && threat && cuts
}

/// Copies a payload piece by piece, without what is to be cut out.
struct Copy<'a> {
    payload: &'a [u8],
    cuts: &'a [std::ops::Range<usize>],
    done: usize,
}

impl Copy<'_> {
    /// Appends everything from where it stands to `end`.
    fn until(&mut self, end: usize, out: &mut Vec<u8>) {
        while let Some((cut, rest)) = self.cuts.split_first()
            && cut.start < end
        {
            out.extend_from_slice(self.payload.get(self.done..cut.start).unwrap_or_default());
            self.done = cut.end;
            self.cuts = rest;
        }
        out.extend_from_slice(self.payload.get(self.done..end).unwrap_or_default());
        self.done = self.done.max(end);
    }
}
