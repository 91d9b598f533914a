//! What was seen of a run: what the checker judges. Nothing in it comes from the product's own code.

use std::collections::{BTreeMap, BTreeSet};

use crate::quota::Window;

/// A record of the input topic, by the number of its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
}

/// A record of the output topic, in the order of its partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) number: usize,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) status: String,
    /// An answer can still come: a late record is owed.
    pub(crate) open: bool,
    pub(crate) intact: bool,
    /// Milliseconds since the run began.
    pub(crate) at: u64,
}

/// A record of the late topic.
#[derive(Clone, Debug)]
pub(crate) struct Late {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// No answer is outstanding in it.
    pub(crate) terminal: bool,
}

/// A call as the simulated provider logged it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) provider: String,
    pub(crate) indicator: String,
    pub(crate) ms: u64,
    /// Milliseconds since the epoch.
    pub(crate) wall_ms: u64,
}

/// What the fleet's account says of one window, at a moment without an open lease, and how many calls the provider had seen by then.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) provider: String,
    pub(crate) window: &'static str,
    pub(crate) used: u64,
    pub(crate) calls: u64,
}

/// Committed offsets of the input, and, asked for afterwards, the ends of the output.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) committed: Vec<i64>,
    pub(crate) output_ends: Vec<i64>,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) input: Vec<Input>,
    /// From the final reader.
    pub(crate) output: Vec<Output>,
    /// From the reader that ran beside.
    pub(crate) concurrent: Vec<Output>,
    pub(crate) late: Vec<Late>,
    /// What stands on the log of obligations at the end, by partition and offset of the event.
    pub(crate) standing: BTreeSet<(i32, i64)>,
    pub(crate) dead_letters: usize,
    pub(crate) calls: Vec<Call>,
    /// The longest windows of the accounts, where they were looked at.
    pub(crate) accounts: Vec<Account>,
    pub(crate) commits: Vec<Commit>,
    /// When each event was sent, milliseconds since the run began.
    pub(crate) sent: Vec<u64>,
    /// Faults: milliseconds since the run began, and what.
    pub(crate) faults: Vec<(u64, String)>,
    /// Kills that were meant to meet a commit, and those that met one.
    pub(crate) aimed: (usize, usize),
    /// Highest resident memory of each process, bytes.
    pub(crate) resident: BTreeMap<String, u64>,
    /// Assessments that contradict each other.
    pub(crate) contradictions: Vec<String>,
    /// Secrets in logs.
    pub(crate) leaks: Vec<String>,
    /// Processes that did not end as they should, and such things.
    pub(crate) trouble: Vec<String>,
}

/// What must hold beyond what always must.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    /// No event leaves twice, and no late record comes twice.
    pub(crate) once: bool,
    /// No event leaves twice, since every end was an orderly one.
    pub(crate) no_repeats: bool,
    /// The quota of each provider.
    pub(crate) quotas: BTreeMap<String, Vec<Window>>,
    /// Resident bytes of a process.
    pub(crate) resident: u64,
    /// Values that must not reach a provider begin like this.
    pub(crate) private: Vec<String>,
}
