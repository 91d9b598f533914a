//! The states of an event's indicators and what they add up to.

use crate::{
    annotate::{Fragment, ScoreText},
    gate::Suppression,
    model::{Assessment, Disposition, Queue, Reason, Status},
};

/// The shape of the outgoing event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The member `sidelight`, and hits also in `threat.enrichments`.
    Ecs,
    /// The member `sidelight` alone.
    Native,
}

/// What is known of one indicator when its event leaves.
#[derive(Clone, Copy, Debug)]
pub enum State<'a> {
    /// It was not looked up, by rule.
    Suppressed(Suppression),
    /// It has an assessment, complete or not; the fragment was rendered from it.
    Assessed(&'a Assessment, &'a Fragment),
    /// It will not be asked (status `skipped`).
    Skipped(Reason),
    /// Nothing is known yet (status `pending`).
    Pending(Reason),
}

impl State<'_> {
    /// Status, disposition, score and queue; `None` for a suppressed indicator.
    const fn standing(&self) -> Option<(Status, Disposition, Option<f64>, Queue)> {
        match self {
            Self::Suppressed(_) => None,
            Self::Assessed(assessment, _) => {
                Some((assessment.status, assessment.disposition, assessment.score, assessment.queue))
            }
            Self::Skipped(_) => Some((Status::Skipped, Disposition::Unknown, None, Queue::Unscored)),
            Self::Pending(_) => Some((Status::Pending, Disposition::Unknown, None, Queue::Unscored)),
        }
    }
}

/// What the indicators of an event add up to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Status of the event.
    pub status: Status,
    /// That of the worst indicator; `None` without an indicator that is not suppressed.
    pub disposition: Option<Disposition>,
    /// Score of the worst indicator.
    pub score: Option<f64>,
    /// The most urgent queue; `None` without an indicator that is not suppressed.
    pub queue: Option<Queue>,
    /// Whether indicators were left out.
    pub truncated: bool,
}

impl Summary {
    /// Adds up the states of an event's indicators.
    pub fn of(states: &[State<'_>], truncated: bool) -> Self {
        let mut summary = Self { status: Status::None, disposition: None, score: None, queue: None, truncated };
        for (status, disposition, score, queue) in states.iter().filter_map(State::standing) {
            // Any two that differ are mixed, and so is everything with a partial one in it.
            summary.status = match summary.status {
                Status::None => status,
                so_far if so_far == status => status,
                Status::Complete
                | Status::Partial
                | Status::Pending
                | Status::Skipped
                | Status::Unparsed
                | Status::Error => Status::Partial,
            };
            if summary.disposition < Some(disposition) {
                (summary.disposition, summary.score) = (Some(disposition), score);
            } else if summary.disposition == Some(disposition) && summary.score < score {
                summary.score = score;
            }
            summary.queue = summary.queue.max(Some(queue));
        }
        summary
    }

    /// Whether a person has to look: always, unless every indicator was seen and is queued `low` or suppressed.
    pub fn requires_review(&self) -> bool {
        self.truncated || self.queue.is_some_and(|queue| queue != Queue::Low)
    }

    /// The value of the header `sidelight-score`: one decimal at most.
    pub fn score_header(&self) -> Option<ScoreText> {
        self.score.map(ScoreText::short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assessment(status: Status, disposition: Disposition, score: Option<f64>, queue: Queue) -> Assessment {
        let (score_low, score_high) = (score, score);
        let (sources, contributions) = (Vec::new(), Vec::new());
        Assessment { status, disposition, queue, score, score_low, score_high, sources, contributions }
    }

    #[test]
    fn an_event_is_what_its_indicators_add_up_to() {
        use Disposition as D;
        use Queue as Q;
        use Status as S;
        let fragment = Fragment::default();
        let bad = assessment(S::Complete, D::Malicious, Some(80.0), Q::High);
        let worse = assessment(S::Complete, D::Malicious, Some(90.5), Q::High);
        let harmless = assessment(S::Complete, D::Clean, Some(0.0), Q::Low);
        let low = assessment(S::Complete, D::Low, Some(39.0), Q::Low);
        let unscored = assessment(S::Complete, D::Unknown, None, Q::Unscored);
        let incomplete = assessment(S::Partial, D::Unknown, Some(2.0), Q::Medium);
        let waiting = assessment(S::Pending, D::Unknown, None, Q::Unscored);
        let known = |assessment| State::Assessed(assessment, &fragment);
        let (pending, skipped) = (State::Pending(Reason::Queued), State::Skipped(Reason::Quota));
        let private = State::Suppressed(Suppression::PrivateAddress);

        type Row<'a> = (&'static str, Vec<State<'a>>, Status, Option<Disposition>, Option<f64>, Option<Queue>, bool);
        let rows: Vec<Row<'_>> = vec![
            ("nothing", vec![], S::None, None, None, None, false),
            ("suppressed only", vec![private, private], S::None, None, None, None, false),
            (
                "all complete",
                vec![known(&harmless), known(&low)],
                S::Complete,
                Some(D::Low),
                Some(39.0),
                Some(Q::Low),
                false,
            ),
            (
                "the largest of equals",
                vec![known(&bad), known(&worse), known(&bad)],
                S::Complete,
                Some(D::Malicious),
                Some(90.5),
                Some(Q::High),
                true,
            ),
            (
                "suppressed aside",
                vec![private, known(&harmless)],
                S::Complete,
                Some(D::Clean),
                Some(0.0),
                Some(Q::Low),
                false,
            ),
            (
                "unscored is above low",
                vec![known(&unscored), known(&low)],
                S::Complete,
                Some(D::Unknown),
                None,
                Some(Q::Unscored),
                true,
            ),
            (
                "all pending",
                vec![pending, known(&waiting)],
                S::Pending,
                Some(D::Unknown),
                None,
                Some(Q::Unscored),
                true,
            ),
            ("all skipped", vec![skipped, skipped], S::Skipped, Some(D::Unknown), None, Some(Q::Unscored), true),
            (
                "pending and skipped",
                vec![skipped, pending],
                S::Partial,
                Some(D::Unknown),
                None,
                Some(Q::Unscored),
                true,
            ),
            (
                "complete and pending",
                vec![known(&bad), pending],
                S::Partial,
                Some(D::Malicious),
                Some(80.0),
                Some(Q::High),
                true,
            ),
            (
                "mixed stays mixed",
                vec![pending, known(&low), pending],
                S::Partial,
                Some(D::Unknown),
                None,
                Some(Q::Unscored),
                true,
            ),
            ("one partial", vec![known(&incomplete)], S::Partial, Some(D::Unknown), Some(2.0), Some(Q::Medium), true),
            (
                "a score beats none",
                vec![pending, known(&incomplete)],
                S::Partial,
                Some(D::Unknown),
                Some(2.0),
                Some(Q::Medium),
                true,
            ),
        ];
        for (name, states, status, disposition, score, queue, review) in rows {
            let got = Summary::of(&states, false);
            assert_eq!(got, Summary { status, disposition, score, queue, truncated: false }, "{name}");
            assert_eq!(got.requires_review(), review, "{name}");
        }
        assert!(Summary::of(&[], true).requires_review(), "what was left out was not seen");
        assert_eq!(Summary::of(&[known(&worse)], false).score_header().unwrap().to_string(), "90.5");
    }
}
