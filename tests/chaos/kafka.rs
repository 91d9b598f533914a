//! Kafka as the suite uses it: a plain client, without the product's own code.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::{BorrowedMessage, Header, Headers as _, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use serde_json::Value;

use crate::{
    bytes::judge,
    events::{PARTITIONS, event},
    history::{Commit, Input, Late, Output},
};

const WAIT: Duration = Duration::from_secs(20);
const NUMBER: &str = "chaos-number";

/// The topics of a run.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    pub(crate) brokers: String,
    pub(crate) name: String,
    pub(crate) committed: bool,
    pub(crate) seed: u64,
}

impl Topics {
    pub(crate) fn create(&self) {
        let mut config = ClientConfig::new();
        let client: AdminClient<DefaultClientContext> =
            config.set("bootstrap.servers", &self.brokers).create().unwrap();
        let names: Vec<String> = ["in", "out", "late", "dlq"].iter().map(|end| self.topic(end)).collect();
        let topics: Vec<NewTopic<'_>> =
            names.iter().map(|name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(-1))).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(WAIT));
        for result in runtime.block_on(client.create_topics(&topics, &options)).unwrap() {
            result.unwrap();
        }
    }

    pub(crate) fn topic(&self, end: &str) -> String {
        format!("{}.{end}", self.name)
    }

    pub(crate) fn consumer(&self, group: &str) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "20")
            .set("isolation.level", if self.committed { "read_committed" } else { "read_uncommitted" })
            .create()
            .unwrap()
    }

    /// Where partitions of a topic end for a reader of this run's isolation.
    pub(crate) fn ends(&self, consumer: &BaseConsumer, end: &str) -> Option<Vec<i64>> {
        let topic = self.topic(end);
        let of = |partition| consumer.fetch_watermarks(&topic, partition, WAIT).ok().map(|(_, high)| high);
        (0..PARTITIONS).map(of).collect()
    }

    /// Offsets that the daemon's group has committed; `None` while the brokers do not say.
    pub(crate) fn committed(&self, consumer: &BaseConsumer) -> Option<Vec<i64>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.topic("in"), 0, PARTITIONS - 1);
        let list = consumer.committed_offsets(list, WAIT).ok()?;
        let of = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            element.error().ok()?;
            Some(element.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(0))
        };
        list.elements().iter().map(of).collect()
    }
}

/// Sends events in their order, never more than a window ahead of what has left.
pub(crate) struct Feeder {
    producer: BaseProducer,
    topic: String,
    seed: u64,
}

impl Feeder {
    pub(crate) fn new(topics: &Topics) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &topics.brokers).set("enable.idempotence", "true").set("linger.ms", "5");
        config.set("message.timeout.ms", "0");
        Self { producer: config.create().unwrap(), topic: topics.topic("in"), seed: topics.seed }
    }

    pub(crate) fn send(&self, n: usize) {
        let event = event(self.seed, n);
        let number = n.to_string();
        let headers = OwnedHeaders::new().insert(Header { key: NUMBER, value: Some(&number) });
        let mut record = BaseRecord::<String, Vec<u8>>::to(&self.topic).partition(event.partition).headers(headers);
        record.key = event.key.as_ref();
        record.payload = event.payload.as_ref();
        while let Err((_, back)) = self.producer.send(record) {
            self.producer.poll(Duration::from_millis(2));
            record = back;
        }
        self.producer.poll(Duration::ZERO);
    }

    pub(crate) fn flush(&self) {
        self.producer.flush(Duration::from_secs(60)).expect("the brokers take the events");
    }
}

fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let headers = message.headers()?;
    let found = headers.iter().find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}

/// What a reader of output, late and dead-letter topic has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) output: Vec<Output>,
    pub(crate) late: Vec<Late>,
    pub(crate) dead_letters: usize,
    pub(crate) contradictions: Vec<String>,
    /// Events that left while an answer could still come, and have not left again with it.
    pub(crate) open: HashSet<usize>,
    /// Events with a terminal late record, by partition and offset.
    pub(crate) answered: HashSet<(i32, i64)>,
    known: Vec<bool>,
    assessed: HashMap<String, String>,
}

/// Whether an annotation says of some provider that its answer is outstanding.
fn waits(annotation: &[u8]) -> bool {
    String::from_utf8_lossy(annotation).contains(r#""outcome":"pending""#)
}

impl Seen {
    fn take(&mut self, topics: &Topics, message: &BorrowedMessage<'_>, at: u64) -> bool {
        let topic = message.topic();
        if topic.ends_with(".dlq") {
            self.dead_letters += 1;
        } else if topic.ends_with(".late") {
            self.take_late(message);
        } else {
            return self.take_output(topics, message, at);
        }
        false
    }

    fn take_late(&mut self, message: &BorrowedMessage<'_>) {
        let mut place = header(message, "sidelight-event").unwrap_or_default().rsplit('/');
        let offset = place.next().and_then(|offset| offset.parse().ok()).unwrap_or(-1);
        let partition = place.next().and_then(|partition| partition.parse().ok()).unwrap_or(-1);
        let payload = message.payload().unwrap_or_default();
        let terminal = !waits(payload) && header(message, "sidelight-status").is_some_and(|status| status != "pending");
        if terminal {
            self.answered.insert((partition, offset));
        }
        self.late.push(Late { partition, offset, terminal });
    }

    /// Whether it is the first of its event.
    fn take_output(&mut self, topics: &Topics, message: &BorrowedMessage<'_>, at: u64) -> bool {
        let number = header(message, NUMBER).and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
        let status = header(message, "sidelight-status").unwrap_or_default().to_owned();
        let mut intact = false;
        if number != usize::MAX {
            let event = event(topics.seed, number);
            let judged = judge(&event, message.payload());
            intact = judged.intact && event.key.as_deref().map(str::as_bytes) == message.key();
            self.compare(judged.annotation.as_ref());
        }
        let (partition, offset) = (message.partition(), message.offset());
        let annotation = header(message, "sidelight-annotation").unwrap_or_default();
        let open = waits(message.payload().unwrap_or_default()) || waits(annotation.as_bytes());
        if open {
            self.open.insert(number);
        } else {
            self.open.remove(&number);
        }
        self.output.push(Output { number, partition, offset, status, open, intact, at });
        if number >= self.known.len() && number != usize::MAX {
            self.known.resize(number + 1, false);
        }
        self.known.get_mut(number).is_some_and(|known| !std::mem::replace(known, true))
    }

    /// A complete assessment of an indicator is the same wherever it stands.
    fn compare(&mut self, annotation: Option<&Value>) {
        let indicators = annotation.and_then(|annotation| annotation["indicators"].as_array());
        for indicator in indicators.into_iter().flatten().filter(|indicator| indicator["status"] == "complete") {
            let Some(value) = indicator["ioc_value"].as_str() else { continue };
            let says = format!("{} {}", indicator["disposition"], indicator["confidence_score"]);
            let known = self.assessed.entry(value.to_owned()).or_insert_with(|| says.clone());
            if *known != says {
                self.contradictions.push(format!("{value}: {known}, then {says}"));
            }
        }
    }
}

/// Sees what was written, committed or not: the markers of one transaction reach its partitions one after the other, so that an offset may
/// be seen as committed a moment before its record can be read.
pub(crate) fn written(topics: &Topics) -> BaseConsumer {
    Topics { committed: false, ..topics.clone() }.consumer(&topics.name)
}

fn assign(topics: &Topics, consumer: &BaseConsumer, ends: &[&str]) {
    let mut list = TopicPartitionList::new();
    for end in ends {
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&topics.topic(end), partition, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&list).unwrap();
}

/// Reads to the ends as they are now.
fn read_to_end(topics: &Topics, ends: &[&str], mut take: impl FnMut(&BorrowedMessage<'_>)) {
    let consumer = topics.consumer("chaos-final");
    let start = Instant::now();
    let mut targets = HashMap::new();
    for end in ends {
        for (partition, high) in topics.ends(&consumer, end).expect("the brokers answer").into_iter().enumerate() {
            targets.insert((topics.topic(end), i32::try_from(partition).unwrap()), high);
        }
    }
    assign(topics, &consumer, ends);
    let mut quiet = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                take(&message);
                quiet = Instant::now();
            }
            Some(Err(_)) | None => {
                // The position passes control records too, which are not given to a reader.
                let position = consumer.position().unwrap();
                let there = |((topic, partition), high): (&(String, i32), &i64)| {
                    let at = position.find_partition(topic, *partition).and_then(|found| found.offset().to_raw());
                    *high == 0 || at.is_some_and(|at| at >= *high)
                };
                if targets.iter().all(there) || quiet.elapsed() > Duration::from_secs(10) {
                    return;
                }
            }
        }
        assert!(start.elapsed() < Duration::from_secs(600), "the topics have no end");
    }
}

/// Everything in output, late and dead-letter topic.
pub(crate) fn read_all(topics: &Topics) -> Seen {
    let mut seen = Seen::default();
    read_to_end(topics, &["out", "late", "dlq"], |message| {
        seen.take(topics, message, 0);
    });
    seen
}

/// The input topic, by the numbers of the events.
pub(crate) fn read_input(topics: &Topics, count: usize) -> Vec<Input> {
    let mut input: Vec<Option<Input>> = vec![None; count];
    read_to_end(topics, &["in"], |message| {
        let number: usize = header(message, NUMBER).unwrap().parse().unwrap();
        let key = message.key().map(|key| String::from_utf8_lossy(key).into_owned());
        let record = Input { partition: message.partition(), offset: message.offset(), key };
        assert!(input[number].replace(record).is_none(), "the suite itself sent {number} twice");
        assert_eq!(event(topics.seed, number).payload.as_deref(), message.payload(), "the suite sent something else");
    });
    input.into_iter().enumerate().map(|(n, record)| record.unwrap_or_else(|| panic!("{n} was not sent"))).collect()
}

/// What stands on the log of obligations, by partition and offset of the event.
pub(crate) fn standing(topics: &Topics) -> BTreeSet<(i32, i64)> {
    let mut standing = BTreeSet::new();
    read_to_end(topics, &["state.pending"], |message| {
        let mut place = std::str::from_utf8(message.key().unwrap()).unwrap().rsplit('/');
        let offset = place.next().unwrap().parse().unwrap();
        let place = (place.next().unwrap().parse().unwrap(), offset);
        if message.payload().is_some() {
            standing.insert(place);
        } else {
            standing.remove(&place);
        }
    });
    standing
}

/// Threads that watch a run from beside: a reader of what leaves, and an observer of what is committed.
pub(crate) struct Watch {
    pub(crate) distinct: Arc<AtomicUsize>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) commits: Arc<Mutex<Vec<Commit>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(topics: &Topics, start: Instant) -> Self {
        let (distinct, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, commits) = (Arc::new(Mutex::new(Seen::default())), Arc::new(Mutex::new(Vec::new())));
        let reader = {
            let (topics, distinct, stop, seen) = (topics.clone(), distinct.clone(), stop.clone(), seen.clone());
            thread::spawn(move || {
                let consumer = topics.consumer(&format!("chaos-reader-{}", process::id()));
                assign(&topics, &consumer, &["out", "late", "dlq"]);
                while !stop.load(Relaxed) {
                    if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
                        let at = u64::try_from(start.elapsed().as_millis()).unwrap();
                        if seen.lock().unwrap().take(&topics, &message, at) {
                            distinct.fetch_add(1, Relaxed);
                        }
                    }
                }
            })
        };
        let observer = {
            let (topics, stop, commits) = (topics.clone(), stop.clone(), commits.clone());
            thread::spawn(move || {
                let consumer = written(&topics);
                while !stop.load(Relaxed) {
                    if let Some(committed) = topics.committed(&consumer)
                        && let Some(output_ends) = topics.ends(&consumer, "out")
                    {
                        commits.lock().unwrap().push(Commit { committed, output_ends });
                    }
                    thread::sleep(Duration::from_millis(250));
                }
            })
        };
        Self { distinct, seen, commits, stop, threads: vec![reader, observer] }
    }

    pub(crate) fn count(&self) -> usize {
        self.distinct.load(Relaxed)
    }

    /// Events that were owed an answer so far, and events that got one.
    pub(crate) fn owed(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.open.len(), seen.answered.len())
    }

    /// Stops both threads; what they have seen.
    pub(crate) fn end(mut self) -> (Seen, Vec<Commit>) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("the watch saw no record that it cannot read");
        }
        (std::mem::take(&mut self.seen.lock().unwrap()), std::mem::take(&mut self.commits.lock().unwrap()))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}
