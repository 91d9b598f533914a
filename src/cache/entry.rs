//! One cached assessment, rendered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::Expiry;

use crate::{
    annotate::Fragment,
    cache::{Config, time_to_live},
    model::{Answer, Assessment, FailReason, Indicator, ProviderId, Reason, SharedClock, VerdictKind},
};

/// An assessment with its rendered fragment and the end of life of each of its sources. Immutable, and cheap to clone: clones share what is large,
/// so that the copies of several threads have one place in the processor's caches.
#[derive(Clone, Debug)]
pub struct Entry {
    body: Arc<Body>,
    fresh_until: Duration,
    /// Whether any provider knows the indicator; kept here so that the hot path need not look at the sources.
    known: bool,
    /// Whether any provider was not asked for a reason that need not hold for the next event; kept here likewise.
    withheld: bool,
}

#[derive(Debug)]
struct Body {
    fragment: Fragment,
    assessment: Assessment,
    /// Monotonic end of life of each source, parallel to `assessment.sources`.
    expires: Vec<Duration>,
}

impl Entry {
    /// Renders an assessment. `expires` is parallel to its sources, in monotonic time.
    pub fn new(indicator: &Indicator, assessment: Assessment, expires: Vec<Duration>) -> Self {
        let fresh_until = expires.iter().copied().min().unwrap_or(Duration::MAX);
        let fragment = Fragment::new(indicator, &assessment);
        let known = assessment
            .verdicts()
            .any(|source| source.answer.verdict().is_some_and(|verdict| verdict.kind != VerdictKind::NotFound));
        let withheld = assessment.sources.iter().any(|source| is_withheld(&source.answer));
        Self { body: Arc::new(Body { fragment, assessment, expires }), fresh_until, known, withheld }
    }

    /// Renders an assessment whose answers were all given at `now`.
    pub fn of_now(indicator: &Indicator, assessment: Assessment, now: Duration, config: &Config) -> Self {
        let expires = assessment
            .sources
            .iter()
            .map(|source| time_to_live(&source.answer, config).map_or(Duration::MAX, |lives| now.saturating_add(lives)))
            .collect();
        Self::new(indicator, assessment, expires)
    }

    /// The assessment.
    pub fn assessment(&self) -> &Assessment {
        &self.body.assessment
    }

    /// The rendered fragment.
    pub fn fragment(&self) -> &Fragment {
        &self.body.fragment
    }

    /// Monotonic time until which nothing has to be asked.
    pub fn fresh_until(&self) -> Duration {
        self.fresh_until
    }

    /// Monotonic end of life of each source, parallel to the assessment's sources.
    pub fn expires(&self) -> &[Duration] {
        &self.body.expires
    }

    /// Whether any provider said found or clean.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// Providers that were not asked because of a marking or because they were switched off: neither need hold any more.
    pub fn withheld(&self) -> impl Iterator<Item = ProviderId> {
        let sources = if self.withheld { self.body.assessment.sources.as_slice() } else { &[] };
        sources.iter().filter(|source| is_withheld(&source.answer)).map(|source| source.provider)
    }

    /// Whether any provider has answered.
    pub fn has_verdict(&self) -> bool {
        self.body.assessment.verdicts().next().is_some()
    }

    /// Bytes that this entry keeps alive.
    pub fn held(&self) -> usize {
        let body = &self.body;
        // The fragment is a part of the body and counts itself as well.
        let body_alone = size_of::<Body>() - size_of::<Fragment>();
        body_alone + size_of_val(body.expires.as_slice()) + body.assessment.weight() + body.fragment.weight()
    }

    /// The same with what the cache and the allocator need for it, roughly.
    pub fn weight(&self) -> usize {
        /// The cache's own nodes (key, order, timer), and what of the entry is of one size.
        const FIXED: usize = 480;
        // What the allocator rounds up and keeps free: with it 100,000 entries of two sources were resident with 0.99 of their weight without a hit,
        // with 1.06 as hits.
        let held = self.held();
        FIXED + held + held / 4
    }

    /// Whether every verdict that has expired by now says so.
    pub(super) fn is_marked(&self, now: Duration) -> bool {
        let mut sources = self.body.assessment.sources.iter().zip(&self.body.expires);
        sources.all(|(source, expires)| *expires > now || source.stale || source.answer.verdict().is_none())
    }

    /// The same with its expired verdicts marked.
    pub(super) fn marked_stale(&self, indicator: &Indicator, now: Duration) -> Self {
        let mut assessment = self.body.assessment.clone();
        for (source, expires) in assessment.sources.iter_mut().zip(&self.body.expires) {
            source.stale = source.stale || (*expires <= now && source.answer.verdict().is_some());
        }
        Self::new(indicator, assessment, self.body.expires.clone())
    }
}

/// Whether an answer lives until something else changes than time: a provider was not asked because of a marking, is switched off, or is for another plan.
pub fn is_withheld(answer: &Answer) -> bool {
    match answer {
        Answer::Skipped { reason } => matches!(reason, Reason::Tlp | Reason::Disabled),
        Answer::Failed { reason, .. } => {
            matches!(reason, FailReason::Unauthorized | FailReason::Retired | FailReason::NotInPlan)
        }
        Answer::Verdict(_) | Answer::Throttled { .. } | Answer::Pending { .. } => false,
    }
}

/// Frees the memory of entries that can no longer be shown.
pub(super) struct Lifetime {
    pub(super) clock: SharedClock,
    pub(super) stale_for: Duration,
}

impl Lifetime {
    fn left(&self, entry: &Entry) -> Option<Duration> {
        let end = entry.fresh_until.checked_add(self.stale_for)?;
        Some(end.saturating_sub(self.clock.monotonic()))
    }
}

impl Expiry<Indicator, Arc<Entry>> for Lifetime {
    fn expire_after_create(&self, _key: &Indicator, entry: &Arc<Entry>, _now: Instant) -> Option<Duration> {
        self.left(entry)
    }

    fn expire_after_update(
        &self,
        _key: &Indicator,
        entry: &Arc<Entry>,
        _now: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        self.left(entry)
    }
}
