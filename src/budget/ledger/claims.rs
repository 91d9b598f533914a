//! Claims: who is asking a provider about which indicator, so that the fleet asks once.

use std::collections::{BTreeMap, VecDeque};

use crate::budget::ledger::{
    CLAIM_LINGERS,
    record::RecordId,
    wire::{DecodeError, Reader, Writer},
};

/// Claims of one provider, at most; beyond it the answered ones go first.
const MAX_CLAIMS: usize = 1 << 14;

/// Who holds an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// The lease of this request.
    By(RecordId),
    /// Nobody any more: it was answered, and the assessment is on its way to everybody until then.
    Lingers(i64),
}

/// The claims of one provider, by digest of the indicator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    held: BTreeMap<u64, Claimed>,
    /// Answered ones in the order in which they end.
    lingering: VecDeque<(i64, u64)>,
}

impl Claims {
    pub(super) fn holder(&self, claim: u64) -> Option<Claimed> {
        self.held.get(&claim).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.lingering.is_empty()
    }

    /// Claims a free one; `false` where there is no space.
    pub(super) fn claim(&mut self, claim: u64, by: RecordId) -> bool {
        if self.held.len() >= MAX_CLAIMS {
            match self.lingering.pop_front() {
                Some((_, oldest)) => self.held.remove(&oldest),
                None => return false,
            };
        }
        self.held.insert(claim, Claimed::By(by));
        true
    }

    pub(super) fn release(&mut self, claim: u64, by: RecordId) {
        if self.held.get(&claim) == Some(&Claimed::By(by)) {
            self.held.remove(&claim);
        }
    }

    /// Answered: nobody needs to ask for a while.
    pub(super) fn linger(&mut self, claim: u64, by: RecordId, now: i64) {
        if let Some(held) = self.held.get_mut(&claim).filter(|held| **held == Claimed::By(by)) {
            let until = now.saturating_add(CLAIM_LINGERS);
            *held = Claimed::Lingers(until);
            self.lingering.push_back((until, claim));
        }
    }

    pub(super) fn advance(&mut self, now: i64) {
        while let Some((until, claim)) = self.lingering.front().copied()
            && until <= now
        {
            self.lingering.pop_front();
            self.held.remove(&claim);
        }
    }

    /// Claims of leases are written with the leases.
    pub(super) fn write(&self, out: &mut Writer) {
        let by: Vec<_> = self
            .held
            .iter()
            .filter_map(|(claim, held)| match held {
                Claimed::By(id) => Some((*claim, *id)),
                Claimed::Lingers(_) => None,
            })
            .collect();
        out.count(by.len());
        for (claim, id) in by {
            out.u64(claim);
            out.u64(id.replica);
            out.u64(id.seq);
        }
        out.count(self.lingering.len());
        for (until, claim) in &self.lingering {
            out.i64(*until);
            out.u64(*claim);
        }
    }

    pub(super) fn read(&mut self, from: &mut Reader<'_>) -> Result<(), DecodeError> {
        for _ in 0..from.count(24)? {
            let (claim, id) = (from.u64()?, RecordId { replica: from.u64()?, seq: from.u64()? });
            self.held.insert(claim, Claimed::By(id));
        }
        for _ in 0..from.count(16)? {
            let (until, claim) = (from.i64()?, from.u64()?);
            self.held.insert(claim, Claimed::Lingers(until));
            self.lingering.push_back((until, claim));
        }
        Ok(())
    }
}
