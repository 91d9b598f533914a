//! Logs of state on a real broker: what was appended comes back, in order, to everybody.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _},
};
use sidelight::{
    kafka::{Kafka, KafkaError},
    model::SystemClock,
    state::{Appended, Cleanup, Follower, Log, LogError, LogRecord, LogSpec, Stop, discard},
};

use crate::support::kafka::{Admin, PATIENCE, config, eventually, real_broker, unique};

fn connect(name: &str) -> Kafka {
    let config = config(real_broker(), name);
    Admin::new(real_broker()).create_topic(&config.topics[0], 1, &[]);
    Kafka::connect(config, SystemClock::shared()).unwrap()
}

fn spec(name: &str, partitions: usize) -> LogSpec {
    let name = format!("{name}.log");
    LogSpec { name, role: "test", partitions, cleanup: Cleanup::Compact, append_time: false, append_within: None }
}

type Heard = (i32, i64, i64, Vec<u8>, Option<Vec<u8>>);

fn owned(record: LogRecord<'_>) -> Heard {
    (record.partition, record.offset, record.at_ms, record.key.to_vec(), record.value.map(<[u8]>::to_vec))
}

#[derive(Clone, Default)]
struct Notes {
    heard: Arc<Mutex<Vec<Heard>>>,
    /// How many records had come when everything from before had.
    caught_up: Arc<Mutex<Option<usize>>>,
}

impl Follower for Notes {
    fn record(&mut self, record: LogRecord<'_>) {
        self.heard.lock().push(owned(record));
    }
    fn caught_up(&mut self) {
        assert_eq!(self.caught_up.lock().replace(self.heard.lock().len()), None, "told once");
    }
}

fn append(log: &dyn Log, partition: Option<i32>, key: &str, value: Option<&str>) -> Appended {
    let (tell, told) = mpsc::channel();
    let done = Box::new(move |result| tell.send(result).unwrap());
    log.append(partition, key.as_bytes(), value.map(str::as_bytes), done).unwrap();
    told.recv_timeout(PATIENCE).unwrap().unwrap()
}

#[test]
fn a_log_is_one_order_with_the_brokers_time_for_everybody() {
    let name = unique("log-order");
    let kafka = connect(&name);
    let delete = Cleanup::Delete { keep: Duration::from_secs(3 * 86_400), bytes: Some(64 << 20) };
    let spec = LogSpec { cleanup: delete, append_time: true, ..spec(&name, 1) };
    let logs = [kafka.log(&spec).unwrap(), kafka.log(&spec).unwrap()];
    let first = append(&*logs[0], Some(0), "before", Some("x"));
    assert_eq!(first, Appended { partition: 0, offset: 0 });
    let notes = [Notes::default(), Notes::default()];
    let followings = [0, 1].map(|n| logs[n].follow(&[0], Box::new(notes[n].clone())).unwrap());
    eventually("both have caught up", || notes.iter().all(|notes| notes.caught_up.lock().is_some()));
    assert!(notes.iter().all(|notes| *notes.caught_up.lock() == Some(1)));
    std::thread::scope(|scope| {
        for (n, log) in logs.iter().enumerate() {
            scope.spawn(move || {
                for i in 0..200 {
                    log.append(Some(0), format!("{n}-{i}").as_bytes(), Some(b"v"), discard()).unwrap();
                }
            });
        }
    });
    append(&*logs[1], Some(0), "gone", None);
    eventually("all have come", || notes.iter().all(|notes| notes.heard.lock().len() >= 402));
    drop(followings);
    let (a, b) = (notes[0].heard.lock().clone(), notes[1].heard.lock().clone());
    assert_eq!(a, b, "the same order, offsets and times");
    assert!(a.is_sorted_by_key(|(_, offset, ..)| *offset) && a.is_sorted_by_key(|(_, _, at, ..)| *at));
    for n in 0..2 {
        let own: Vec<_> = a.iter().filter(|(_, _, _, key, _)| key.starts_with(format!("{n}-").as_bytes())).collect();
        let expected: Vec<_> = (0..200).map(|i| format!("{n}-{i}").into_bytes()).collect();
        assert_eq!(own.iter().map(|heard| heard.3.clone()).collect::<Vec<_>>(), expected, "a writer's own order");
    }
    assert_eq!((a[0].3.as_slice(), a[0].4.as_deref()), (&b"before"[..], Some(&b"x"[..])));
    // The other writer's last ones may still have been on their way when it was written.
    let gone = a.iter().find(|heard| heard.3 == b"gone");
    assert_eq!(gone.map(|heard| heard.4.clone()), Some(None), "a tombstone has no value");
}

#[test]
fn a_replay_ends_where_the_log_does() {
    let name = unique("log-replay");
    let kafka = connect(&name);
    let log = kafka.log(&spec(&name, 3)).unwrap();
    let read = |partitions: &[i32]| {
        let mut heard = Vec::new();
        assert_eq!(log.replay(partitions, &Stop::default(), &mut |record| heard.push(owned(record))), Ok(true));
        heard
    };
    assert_eq!(read(&[0, 1, 2]), [], "an empty log ends at once");
    for n in 0..60 {
        append(&*log, Some(n % 2), &format!("k{n}"), Some("v"));
    }
    assert_eq!(read(&[0, 1, 2]).len(), 60);
    assert_eq!(read(&[1]).len(), 30);
    assert_eq!(read(&[2]), []);
    // Marks of transactions stand at the end and are handed to nobody; neither are records of aborted transactions.
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", real_broker()).set("transactional.id", &name).create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    for (key, commit) in [("kept", true), ("aborted", false)] {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::to(log.name()).partition(2).key(key).payload("v")).unwrap();
        producer.flush(PATIENCE).unwrap();
        if commit {
            producer.commit_transaction(PATIENCE).unwrap();
        } else {
            producer.abort_transaction(PATIENCE).unwrap();
        }
    }
    let keys: Vec<_> = read(&[2]).into_iter().map(|heard| heard.3).collect();
    assert_eq!(keys, [b"kept"]);
    // What an open transaction hides may be what is asked for: the end is reached when it is over.
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::to(log.name()).partition(2).key("open").payload("v")).unwrap();
    producer.flush(PATIENCE).unwrap();
    append(&*log, Some(2), "behind it", Some("v"));
    let keys = std::thread::scope(|scope| {
        let reading = scope.spawn(|| read(&[2]));
        std::thread::sleep(Duration::from_millis(500));
        assert!(!reading.is_finished(), "the open transaction may still commit");
        producer.commit_transaction(PATIENCE).unwrap();
        reading.join().unwrap().into_iter().map(|heard| String::from_utf8(heard.3).unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(keys, ["kept", "open", "behind it"]);
    let stop = Stop::default();
    stop.now();
    assert_eq!(log.replay(&[0], &stop, &mut |_| {}), Ok(false), "it was told to end");
}

#[test]
fn a_topic_with_the_wrong_time_is_refused() {
    let name = unique("log-time");
    let kafka = connect(&name);
    drop(kafka.log(&spec(&name, 1)).unwrap());
    let refused = kafka.log(&LogSpec { append_time: true, ..spec(&name, 1) }).unwrap_err();
    assert!(matches!(refused, KafkaError::TopicSetting { .. }), "{refused:?}");
    assert!(refused.to_string().contains("message.timestamp.type=LogAppendTime"), "{refused}");
}

#[test]
fn an_append_that_may_not_last_fails() {
    let name = unique("log-away");
    let kafka = connect(&name);
    let spec = LogSpec { append_within: Some(Duration::from_secs(2)), ..spec(&name, 1) };
    let log = kafka.log(&spec).unwrap();
    append(&*log, None, "k", Some("v"));
    Admin::new(real_broker()).delete_topic(log.name());
    let (tell, told) = mpsc::channel();
    let done = Box::new(move |result: Result<Appended, LogError>| tell.send(result).unwrap());
    log.append(None, b"k", Some(b"v"), done).unwrap();
    let result = told.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(result, Err(LogError::Append { .. })), "{result:?}");
}

#[test]
fn a_log_that_was_opened_without_a_leader_is_read_as_soon_as_there_is_one() {
    let cluster: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).unwrap();
    let name = unique("log-leader");
    let mut config = config(&cluster.bootstrap_servers(), &name);
    // The stand-in does not describe topics.
    config.probe_limits = false;
    let spec = spec(&name, 1);
    for topic in [&config.topics[0], &config.output_topic, &config.late_topic, &config.dlq_topic, &spec.name] {
        cluster.create_topic(topic, 1, 1).unwrap();
    }
    let log = Kafka::connect(config, SystemClock::shared()).unwrap().log(&spec).unwrap();
    append(&*log, Some(0), "before", Some("x"));
    cluster.partition_leader(&spec.name, 0, None).unwrap();
    let notes = Notes::default();
    let _following = log.follow(&[0], Box::new(notes.clone())).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(*notes.caught_up.lock(), None, "nobody can say where it ends");
    cluster.partition_leader(&spec.name, 0, Some(1)).unwrap();
    eventually("it is read", || *notes.caught_up.lock() == Some(1));
}
