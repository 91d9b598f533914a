//! Aims at commits: follows what the brokers write down of transactions (`__transaction_state`), and stops a process whose commit has begun and not ended.
//!
//! The layout of the records is that of Kafka's `TransactionLogKey` and `TransactionLogValue`: what is needed stands at the same place in all versions.

use std::{
    collections::HashMap,
    io::Write as _,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::kafka::Topics;

const LOG: &str = "__transaction_state";
/// What a transaction holds once offsets are part of it: that is how a commit begins here.
const OFFSETS: &[u8] = b"__consumer_offsets";
/// Longest time in which a commit is waited for.
const LONGEST: Duration = Duration::from_secs(10);

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Open, without offsets.
    Open,
    /// Its commit has begun and is not decided, or decided and not yet carried out.
    Committing,
    /// Over.
    Over,
}

/// What a record of the log says: which transactional id, and how its transaction stands.
pub(crate) fn stand(key: &[u8], value: Option<&[u8]>) -> Option<(String, Stand)> {
    let id = std::str::from_utf8(key.get(4..)?).ok()?.to_owned();
    // Version (2), producer id (8), epoch (2), timeout (4), status.
    let stand = match value?.get(16)? {
        1 if value?.windows(OFFSETS.len()).any(|part| part == OFFSETS) => Stand::Committing,
        1 => Stand::Open,
        2 => Stand::Committing,
        _ => Stand::Over,
    };
    Some((id, stand))
}

/// Follows the log.
pub(crate) struct Aim {
    consumer: BaseConsumer,
    stands: HashMap<String, Stand>,
    /// A shell that is there already: starting a program takes longer than a commit.
    shell: Child,
    orders: ChildStdin,
}

impl Aim {
    pub(crate) fn new(topics: &Topics) -> Self {
        let consumer = Topics { committed: false, ..topics.clone() }.consumer(&topics.name);
        let metadata = consumer.fetch_metadata(Some(LOG), Duration::from_secs(20)).unwrap();
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(LOG, partition.id(), Offset::End).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut shell = Command::new("bash").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let orders = shell.stdin.take().unwrap();
        Self { consumer, stands: HashMap::new(), shell, orders }
    }

    fn follow(&mut self, wait: Duration) {
        let mut wait = wait;
        while let Some(message) = self.consumer.poll(wait) {
            let Ok(message) = message else { continue };
            if let Some((id, stand)) = stand(message.key().unwrap_or_default(), message.payload()) {
                self.stands.insert(id, stand);
            }
            wait = Duration::ZERO;
        }
    }

    fn signal(&mut self, name: &str, process: u32) {
        writeln!(self.orders, "kill -{name} {process}").unwrap();
        self.orders.flush().unwrap();
    }

    /// Stops a process in the middle of a commit of this transactional id; false when none was met in time, and then it is not stopped.
    pub(crate) fn freeze_in_commit(&mut self, id: &str, process: u32) -> bool {
        let start = Instant::now();
        while start.elapsed() < LONGEST {
            self.follow(Duration::from_millis(1));
            if self.stands.get(id) != Some(&Stand::Committing) {
                continue;
            }
            self.signal("STOP", process);
            // What it had sent before has been answered by then.
            thread::sleep(Duration::from_millis(30));
            self.follow(Duration::from_millis(20));
            if self.stands.get(id) == Some(&Stand::Committing) {
                return true;
            }
            self.signal("CONT", process);
        }
        false
    }
}

impl Drop for Aim {
    fn drop(&mut self) {
        self.shell.kill().ok();
        self.shell.wait().ok();
    }
}

/// The layout that the brokers' documentation gives.
pub(crate) fn transactions_are_told_apart() {
    let key = [&[0, 0, 0, 3][..], b"g.1"].concat();
    let value = |status: u8, topic: &[u8]| [&[0, 1][..], &[0; 14], &[status], topic].concat();
    let rows: [(u8, &[u8], Stand); 6] = [
        (0, b"", Stand::Over),
        (1, b"out", Stand::Open),
        (1, b"out __consumer_offsets", Stand::Committing),
        (2, b"out", Stand::Committing),
        (3, b"__consumer_offsets", Stand::Over),
        (4, b"__consumer_offsets", Stand::Over),
    ];
    for (status, topic, expected) in rows {
        assert_eq!(stand(&key, Some(&value(status, topic))), Some(("g.1".to_owned(), expected)), "{status}");
    }
    assert_eq!(stand(&key, None), None);
    assert_eq!(stand(&key, Some(&[0, 1])), None);
}
