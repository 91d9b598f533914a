//! Commits, on a thread of their own.
//!
//! The client library's asynchronous commit gives this binding no answer (it knows only a callback that the binding does
//! not set), and its synchronous one blocks: for a few milliseconds usually, for many seconds while the coordinator is
//! away. So the synchronous one runs here, one at a time, and the answers come back through a channel.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _},
    error::RDKafkaErrorCode as Code,
};

use super::context::Consumer;
use crate::pipeline::Commit;

/// What became of a commit: its partitions, and the error that refused it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) partitions: Vec<(Arc<str>, i32)>,
    pub(super) refused: Option<Code>,
}

/// The thread that commits.
#[derive(Debug)]
pub(super) struct Committer {
    requests: Sender<Vec<Commit>>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
}

impl Committer {
    pub(super) fn spawn(consumer: Arc<Consumer>) -> std::io::Result<Self> {
        let (requests, incoming) = mpsc::channel::<Vec<Commit>>();
        let (outgoing, answers) = mpsc::channel();
        let thread = thread::Builder::new().name("kafka-commit".to_owned()).spawn(move || {
            for commits in incoming {
                if outgoing.send(commit(&consumer, commits)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { requests, answers, thread })
    }

    /// Sends a commit off; false when the thread is gone.
    pub(super) fn send(&self, commits: Vec<Commit>) -> bool {
        self.requests.send(commits).is_ok()
    }

    /// An answer that has come, or comes within this time.
    pub(super) fn answer(&self, within: Duration) -> Option<Answer> {
        if within.is_zero() { self.answers.try_recv().ok() } else { self.answers.recv_timeout(within).ok() }
    }

    /// Ends the thread, which gives its hold on the consumer back; false when it is still waiting for a broker then.
    pub(super) fn end(self, within: Duration) -> bool {
        let Self { requests, answers, thread } = self;
        drop((requests, answers));
        let start = Instant::now();
        while !thread.is_finished() {
            if start.elapsed() >= within {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        thread.join().is_ok()
    }
}

/// Commits and waits for the answer.
pub(super) fn commit(consumer: &Consumer, commits: Vec<Commit>) -> Answer {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for commit in &commits {
        let mut element = list.add_partition(&commit.topic, commit.partition);
        if element.set_offset(Offset::Offset(commit.next)).is_ok() && !commit.metadata.is_empty() {
            element.set_metadata(&commit.metadata);
        }
    }
    let refused =
        consumer.commit(&list, CommitMode::Sync).err().map(|e| e.rdkafka_error_code().unwrap_or(Code::Unknown));
    Answer { partitions: commits.into_iter().map(|commit| (commit.topic, commit.partition)).collect(), refused }
}
