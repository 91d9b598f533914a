//! Configuration of the state.

use std::{path::PathBuf, time::Duration};

/// Where state is kept that outlives a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// On topics, shared by all replicas of a group.
    Kafka,
    /// In a file of this machine, shared by the processes that name it.
    Local,
}

/// Where and under which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where.
    pub store: Store,
    /// The file of the local store.
    pub path: PathBuf,
    /// Topics are named `<prefix>.ledger` and the like.
    pub prefix: String,
    /// How long a start may wait for the shared assessments.
    pub warm_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: Store::Kafka,
            path: PathBuf::from("/var/lib/sidelight/state.redb"),
            prefix: "siem.events.sidelight".to_owned(),
            warm_timeout: Duration::from_secs(60),
        }
    }
}

impl Config {
    /// Names of all topics.
    pub fn topics(&self) -> [String; 3] {
        [self.assessments_topic(), self.pending_topic(), self.ledger_topic()]
    }

    /// Name of the topic of shared assessments.
    pub fn assessments_topic(&self) -> String {
        format!("{}.assessments", self.prefix)
    }

    /// Name of the topic of owed late records.
    pub fn pending_topic(&self) -> String {
        format!("{}.pending", self.prefix)
    }

    /// Name of the topic of the budgets.
    pub fn ledger_topic(&self) -> String {
        format!("{}.ledger", self.prefix)
    }
}
