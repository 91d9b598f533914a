//! The Kafka adapter against the client library's own stand-in for a cluster: outages and errors on demand.

use std::{
    collections::BTreeSet,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use sidelight::kafka::{Config, Guarantee};
use tokio::net::TcpSocket;

use crate::support::{
    kafka::{Wire, config, consume, eventually, produce, produce_numbered, unique},
    kafka_echo::Running,
};

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A cluster of one broker with the topics of a configuration.
fn cluster(name: &str, partitions: i32) -> (Cluster, Config) {
    let cluster = MockCluster::new(1).unwrap();
    let mut config = config(&cluster.bootstrap_servers(), &unique(name));
    // The stand-in does not describe topics.
    config.probe_limits = false;
    // The stand-in lets the first member wait three seconds, and forgets one that waits longer than its session.
    config.properties.insert("session.timeout.ms".to_owned(), "5000".to_owned());
    for topic in [&config.topics[0], &config.output_topic, &config.late_topic, &config.dlq_topic] {
        cluster.create_topic(topic, partitions, 1).unwrap();
    }
    (cluster, config)
}

/// Takes the broker down and keeps its port, on which nobody listens then: another test's server would be handed it, and be asked what a broker is.
fn down(cluster: &Cluster) -> TcpSocket {
    cluster.broker_down(1).unwrap();
    let port = TcpSocket::new_v4().unwrap();
    // The broker sets the same option: it gets its port back beside this socket.
    port.set_reuseaddr(true).unwrap();
    port.bind(cluster.bootstrap_servers().parse().unwrap()).unwrap();
    port
}

#[test]
fn records_leave_as_they_came() {
    let (_cluster, config) = cluster("mock-same", 2);
    let mut records = vec![
        Wire::keyed(0, "plain", "payload"),
        Wire { payload: None, ..Wire::keyed(0, "tombstone", "") },
        Wire { key: None, ..Wire::keyed(1, "", "no key") },
        Wire::keyed(1, "", ""),
        Wire {
            headers: vec![
                ("b".to_owned(), Some(b"2".to_vec())),
                ("a".to_owned(), None),
                ("b".to_owned(), Some(Vec::new())),
                ("b".to_owned(), Some(vec![0, 255])),
            ],
            ..Wire::keyed(1, "headers", [0, 159, 146, 150])
        },
    ];
    for (n, record) in records.iter_mut().enumerate() {
        record.timestamp = Some(1_600_000_000_000 + i64::try_from(n).unwrap());
    }
    produce(&config.brokers, &config.topics[0], &records);
    let running = Running::start(&config);
    eventually("all are acknowledged", || running.acknowledged() == records.len() as u64);
    running.stop();
    let place = |records: Vec<Wire>| -> BTreeSet<Wire> {
        records.into_iter().map(|record| Wire { partition: 0, ..record }).collect()
    };
    assert_eq!(place(consume(&config.brokers, &config.output_topic, records.len())), place(records));
}

#[test]
fn back_pressure_stops_reading_and_nothing_is_lost_or_repeated() {
    let (_cluster, config) = cluster("mock-pressure", 3);
    let running = Running::start(&config);
    produce_numbered(&config.brokers, &config.topics[0], 3, 0..3000);
    eventually("some came", || running.received() > 0);
    for round in 0..3_u32 {
        running.echo.hold.store(true, Ordering::SeqCst);
        let status = running.source.status();
        eventually("it pauses", || status.paused());
        let before = running.received();
        produce_numbered(&config.brokers, &config.topics[0], 3, 3000 + round * 100..3100 + round * 100);
        assert_eq!(running.received(), before, "nothing is read while it is paused");
        running.echo.hold.store(false, Ordering::SeqCst);
        eventually("it goes on", || running.acknowledged() == u64::from(3100 + round * 100));
    }
    running.stop();
    assert_each_once(&config, 3300);
}

#[test]
fn an_outage_is_waited_out() {
    let (cluster, config) = cluster("mock-outage", 3);
    let running = Running::start(&config);
    produce_numbered(&config.brokers, &config.topics[0], 3, 0..500);
    eventually("some came", || running.acknowledged() > 0);
    // What was read meets a broker that is away or in trouble; the producer has to repeat without a duplicate.
    let trouble = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    ];
    produce_numbered(&config.brokers, &config.topics[0], 3, 500..1000);
    cluster.request_errors(RDKafkaApiKey::Produce, &trouble);
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &trouble[1..2]);
    let port = down(&cluster);
    let status = running.source.status();
    eventually("the outage is noticed", || status.unreachable_for() > Duration::ZERO);
    cluster.broker_up(1).unwrap();
    drop(port);
    eventually("all are acknowledged", || running.acknowledged() == 1000);
    assert!(!running.source.is_finished());
    running.stop();
    assert_each_once(&config, 1000);
}

#[test]
fn a_call_that_never_returns_does_not_hold_transactions_up() {
    let (cluster, config) = cluster("mock-stuck", 1);
    let transaction_interval = Duration::from_millis(5);
    let config = Config { guarantee: Guarantee::ExactlyOnce, transaction_interval, ..config };
    let running = Running::start(&config);
    let status = running.source.status();
    eventually("it has joined", || status.joined());
    // After this answer the library waits for the connection to some broker to come or go before it asks for the group's coordinator again.
    cluster.request_errors(RDKafkaApiKey::FindCoordinator, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR]);
    produce_numbered(&config.brokers, &config.topics[0], 1, 0..1);
    eventually("the transaction is undone", || status.transactions_undone() == 1);
    // The stand-in forgets offsets of transactions. But whoever reads is also who commits: each record that comes tells of the commit before it.
    eventually("its record is read again", || running.received() == 2);
    for n in 1..6_u32 {
        produce_numbered(&config.brokers, &config.topics[0], 1, n..n + 1);
        eventually("it goes on", || running.received() == u64::from(n + 2));
        eventually("it is written", || running.acknowledged() == u64::from(n + 2));
    }
    assert_eq!(status.transactions_undone(), 1);
    running.stop();
}

#[test]
fn a_stop_during_a_call_that_never_returns_ends_in_time() {
    let (cluster, config) = cluster("mock-stuck-stop", 1);
    let (transaction_interval, shutdown_timeout) = (Duration::from_millis(5), Duration::from_secs(1));
    let config = Config { guarantee: Guarantee::ExactlyOnce, transaction_interval, shutdown_timeout, ..config };
    let running = Running::start(&config);
    let status = running.source.status();
    eventually("it has joined", || status.joined());
    // Nobody finds a coordinator any more.
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR; 1_000];
    cluster.request_errors(RDKafkaApiKey::FindCoordinator, &refusals);
    produce_numbered(&config.brokers, &config.topics[0], 1, 0..1);
    eventually("it is written", || running.acknowledged() == 1);
    // The commit is due by then.
    let rounds = status.rounds();
    eventually("a round begins", || status.rounds() > rounds);
    let start = Instant::now();
    running.source.stop();
    running.source.join().unwrap();
    assert!(!running.sink.end(Duration::from_secs(1)), "what became of the transaction is not known");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn no_more_is_read_while_commits_are_not_answered() {
    let (cluster, config) = cluster("mock-doubt", 1);
    let running = Running::start(&config);
    produce_numbered(&config.brokers, &config.topics[0], 1, 0..1);
    eventually("it comes", || running.acknowledged() == 1);
    // Each commit is tried again after an interval of 100 ms.
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS; 60];
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &refusals);
    produce_numbered(&config.brokers, &config.topics[0], 1, 1..2);
    let status = running.source.status();
    eventually("it waits for an answer", || status.paused());
    let before = running.received();
    produce_numbered(&config.brokers, &config.topics[0], 1, 2..102);
    assert!(status.paused() && running.received() == before, "{before}");
    eventually("a commit is answered, and it goes on", || running.acknowledged() == 102);
    running.stop();
    assert_each_once(&config, 102);
}

#[test]
fn a_pause_that_ends_while_nothing_is_owned_stops_nothing() {
    let (cluster, config) = cluster("mock-pause", 1);
    let running = Running::start(&config);
    produce_numbered(&config.brokers, &config.topics[0], 1, 0..10);
    let status = running.source.status();
    eventually("they are written", || running.acknowledged() == 10);
    running.echo.hold.store(true, Ordering::SeqCst);
    eventually("it pauses", || status.paused());
    let port = down(&cluster);
    eventually("its session ends", || status.partitions().is_empty());
    running.echo.hold.store(false, Ordering::SeqCst);
    eventually("the pause ends", || !status.paused());
    cluster.broker_up(1).unwrap();
    drop(port);
    produce_numbered(&config.brokers, &config.topics[0], 1, 10..20);
    eventually("it goes on", || running.acknowledged() >= 20);
    running.stop();
}

#[test]
fn a_stop_without_brokers_ends_in_time() {
    let (cluster, config) = cluster("mock-stop", 1);
    let config =
        Config { commit_interval: Duration::from_secs(3600), shutdown_timeout: Duration::from_secs(1), ..config };
    produce_numbered(&config.brokers, &config.topics[0], 1, 0..10);
    let running = Running::start(&config);
    eventually("all are acknowledged", || running.acknowledged() == 10);
    let _port = down(&cluster);
    let start = Instant::now();
    running.source.stop();
    running.source.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_fatal_error_ends_the_source() {
    let (cluster, config) = cluster("mock-fatal", 1);
    cluster
        .request_errors(RDKafkaApiKey::JoinGroup, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 10]);
    let text = Running::start(&config).failure().to_string();
    assert!(text.contains("not authorised") && text.contains(&config.group_id), "{text}");
}

/// The output holds the numbers `0..count`, each once, and those of a key in order.
fn assert_each_once(config: &Config, count: usize) {
    let records = consume(&config.brokers, &config.output_topic, count);
    assert_eq!(records.len(), count);
    let mut last = std::collections::HashMap::new();
    let mut numbers = BTreeSet::new();
    for record in records {
        let number: u32 = record.text().parse().unwrap();
        assert!(numbers.insert(number), "{number} came twice");
        let before = last.insert(record.key.clone(), number);
        assert!(before.is_none_or(|before| before < number), "{:?}: {number} came after {before:?}", record.key);
    }
    assert_eq!(numbers.len(), count);
}
