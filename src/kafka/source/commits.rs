//! Commits of the consumer, at least once: what is sent off, what is waited for, and what an answer means.

use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use rdkafka::error::RDKafkaErrorCode as Code;
use tracing::warn;

use super::{
    committer::{Answer, commit},
    context::{Consumer, SourceContext, State},
};

use crate::{
    kafka::{
        KafkaError,
        error::{Severity, severity},
    },
    pipeline::Commit,
};

/// Longest metadata of a commit, in bytes; the default of brokers.
const METADATA: usize = 4096;

impl SourceContext {
    /// Commits and waits for it; what is refused for a reason that passes is tried again until the time is over.
    pub(super) fn commit_now(&self, consumer: &Consumer, state: &mut State, within: Duration) {
        let began = Instant::now();
        while !state.offsets.is_settled() && state.failure.is_none() {
            let left = within.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            if state.offsets.is_under_way() {
                self.settle_answers(state, left);
                continue;
            }
            let answer = commit(consumer, state.offsets.take_due());
            let refused = answer.refused;
            self.settle(state, answer);
            // The generation does not change while the library waits for the end of its rebalance: the group went on without this member.
            if refused == Some(Code::IllegalGeneration) && !state.closing {
                return;
            }
            if refused.is_some() {
                thread::sleep(Duration::from_millis(100).min(left));
            }
        }
    }

    /// Takes the answer of the commit under way, waiting for it this long.
    pub(super) fn settle_answers(&self, state: &mut State, within: Duration) {
        let Some(answer) = state.committer.as_ref().and_then(|committer| committer.answer(within)) else { return };
        state.offsets.answered();
        self.settle(state, answer);
    }

    /// Asks the intake what may be committed and sends it off, unless a commit is under way.
    pub(super) fn send_commits(&self, state: &mut State) {
        for commit in state.intake.committable() {
            self.want(state, commit);
        }
        if state.offsets.is_under_way() {
            return;
        }
        let due = state.offsets.take_due();
        if !due.is_empty() && state.committer.as_ref().is_some_and(|committer| committer.send(due)) {
            state.offsets.sent();
            state.doubt.asked(Instant::now());
        }
    }

    pub(super) fn want(&self, state: &mut State, mut commit: Commit) {
        if commit.metadata.len() > METADATA {
            let (topic, partition, bytes) = (&*commit.topic, commit.partition, commit.metadata.len());
            warn!(topic, partition, bytes, "metadata of a commit is too long, left out");
            commit.metadata.clear();
        }
        state.offsets.want(commit);
    }

    /// Takes the answer to a commit.
    pub(super) fn settle(&self, state: &mut State, answer: Answer) {
        let held = state.offsets.answered_for(&answer.partitions);
        let Some(code) = answer.refused else { return state.doubt.is_member() };
        if code == Code::NoOffset {
            return state.doubt.is_member();
        }
        self.status.commits_refused.fetch_add(1, Ordering::Relaxed);
        if self.limiter.admit("commit").is_some() {
            warn!(%code, partitions = answer.partitions.len(), group = self.group, "commit refused");
        }
        if matches!(code, Code::UnknownMemberId | Code::FencedMemberEpoch) {
            // Others may have gone on from here. An answer to what an earlier membership asked says nothing about this one.
            if held {
                self.put_out(state);
            }
            return;
        }
        match severity(code) {
            Severity::Transient | Severity::OutOfRange => {
                for (topic, partition) in &answer.partitions {
                    if code == Code::OffsetMetadataTooLarge {
                        state.offsets.drop_metadata(topic, *partition);
                    }
                    state.offsets.refused(topic, *partition);
                }
            }
            Severity::Forbidden => state.fail(self.rules.forbidden(code)),
            Severity::Group | Severity::Fatal => {
                state.fail(KafkaError::Group { group: self.group.clone(), reason: code.to_string() });
            }
        }
    }

    /// The group has ended this membership: nothing that was read under it may be committed under another one. The library finds out by itself,
    /// joins again and is assigned partitions anew.
    pub(super) fn put_out(&self, state: &mut State) {
        state.offsets.forget_all();
        if state.closing {
            return;
        }
        let owned = state.partitions.all();
        state.batch.clear();
        state.batch_bytes = 0;
        let _: Vec<Commit> = state.intake.revoke(&owned, true, Duration::ZERO);
        for (topic, partition) in &owned {
            state.partitions.forget(topic, *partition);
        }
        warn!(group = self.group, partitions = owned.len(), "put out of the group, its partitions are dropped");
        self.status.set_partitions(&[]);
    }
}
