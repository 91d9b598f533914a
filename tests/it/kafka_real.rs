//! The Kafka adapter against a real broker: groups, commits, rebalances, gaps, refusals, topics.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use sidelight::{
    kafka::{Config, KafkaError, OffsetReset, OnGap, Partitioning},
    model::SystemClock,
    pipeline::DeliveryFailure,
};

use crate::support::{
    kafka::{
        Admin, Wire, committed, config, consume, eventually, members, produce, produce_numbered, real_broker, unique,
    },
    kafka_echo::{Echo, Running},
};

/// A configuration on the real broker whose input topic exists, with this many partitions.
fn with_input(name: &str, partitions: i32) -> (Admin, Config) {
    let admin = Admin::new(real_broker());
    let config = config(real_broker(), &unique(name));
    admin.create_topic(&config.topics[0], partitions, &[]);
    (admin, config)
}

fn input(config: &Config) -> &str {
    &config.topics[0]
}

fn offsets(config: &Config, partitions: i32) -> Vec<Option<i64>> {
    committed(&config.brokers, &config.group_id, input(config), partitions).into_iter().map(|(next, _)| next).collect()
}

fn numbers(config: &Config, count: usize) -> Vec<u32> {
    consume(&config.brokers, &config.output_topic, count).iter().map(|r| r.text().parse().unwrap()).collect()
}

/// Starts, expecting an error.
fn refused(config: &Config) -> KafkaError {
    Running::try_start(config, std::sync::Arc::new(Echo::default())).err().expect("a start that fails")
}

#[test]
fn a_restart_goes_on_exactly_where_the_last_run_ended() {
    let (_, config) = with_input("restart", 3);
    produce_numbered(&config.brokers, input(&config), 3, 0..900);
    let first = Running::start(&config);
    *first.echo.metadata.lock() = "finished above: 7-9".to_owned();
    eventually("the first 900 are acknowledged", || first.acknowledged() == 900);
    eventually("they are committed without a stop", || offsets(&config, 3) == [Some(300); 3]);
    first.stop();
    let with_metadata = (Some(300), "finished above: 7-9".to_owned());
    assert_eq!(committed(&config.brokers, &config.group_id, input(&config), 3), vec![with_metadata; 3]);

    produce_numbered(&config.brokers, input(&config), 3, 900..1200);
    let second = Running::start(&config);
    eventually("the other 300 are acknowledged", || second.acknowledged() == 300);
    for assigned in second.echo.assignments.lock().iter() {
        assert_eq!((assigned.committed, assigned.metadata.as_str()), (Some(300), "finished above: 7-9"));
    }
    second.stop();
    let out = numbers(&config, 1200);
    assert_eq!(out.len(), 1200, "nothing twice");
    assert_eq!(out.into_iter().collect::<BTreeSet<_>>(), (0..1200).collect());
}

#[test]
fn members_come_and_go_without_loss_repetition_or_disorder() {
    let (_, config) = with_input("rebalance", 6);
    let second = Config { instance_id: "second".to_owned(), ..config.clone() };
    produce_numbered(&config.brokers, input(&config), 6, 0..3000);
    let one = Running::start(&config);
    eventually("the first member works", || one.acknowledged() > 0);
    let two = Running::start(&second);
    let mut next = 3000;
    eventually("the partitions are shared", || {
        produce_numbered(&config.brokers, input(&config), 6, next..next + 300);
        next += 300;
        one.source.status().partitions().len() == 3 && two.source.status().partitions().len() == 3
    });
    produce_numbered(&config.brokers, input(&config), 6, next..next + 600);
    next += 600;
    eventually("both work", || two.received() > 0);
    assert!(one.echo.revoked.lock().iter().all(|(_, lost)| !lost), "a clean hand-over loses nothing");
    let by_one = one.echo.acknowledged.load(Ordering::SeqCst);
    let echo = std::sync::Arc::clone(&one.echo);
    one.stop();
    assert!(echo.acknowledged.load(Ordering::SeqCst) >= by_one);
    eventually("the second member has all", || two.source.status().partitions().len() == 6);
    produce_numbered(&config.brokers, input(&config), 6, next..next + 300);
    next += 300;
    eventually("everything is acknowledged", || {
        echo.acknowledged.load(Ordering::SeqCst) + two.acknowledged() >= u64::from(next)
    });
    two.stop();

    let records = consume(&config.brokers, &config.output_topic, next as usize);
    assert_eq!(records.len(), next as usize, "a clean hand-over repeats nothing");
    let (mut seen, mut last) = (BTreeSet::new(), HashMap::new());
    for record in records {
        let number: u32 = record.text().parse().unwrap();
        assert!(seen.insert(number), "{number} came twice");
        let before = last.insert(record.key.clone(), number);
        assert!(before.is_none_or(|before| before < number), "{:?}: {number} after {before:?}", record.key);
    }
}

#[test]
fn without_a_committed_offset_the_reset_decides() {
    for (reset, expected) in [(OffsetReset::Earliest, 20_u32), (OffsetReset::Latest, 10)] {
        let (_, config) = with_input("reset", 2);
        let config = Config { offset_reset: reset, ..config };
        produce_numbered(&config.brokers, input(&config), 2, 0..10);
        let running = Running::start(&config);
        eventually("it owns the partitions", || running.source.status().partitions().len() == 2);
        if reset == OffsetReset::Latest {
            // Also where no record came: the next owner must not choose a later end.
            eventually("the chosen end is committed", || offsets(&config, 2) == [Some(5), Some(5)]);
        }
        produce_numbered(&config.brokers, input(&config), 2, 10..20);
        eventually("the rest is acknowledged", || running.acknowledged() == u64::from(expected));
        running.stop();
        let out: BTreeSet<u32> = numbers(&config, expected as usize).into_iter().collect();
        assert_eq!(out, (20 - expected..20).collect(), "{reset:?}");
    }
    let (_, config) = with_input("reset", 1);
    let config = Config { offset_reset: OffsetReset::Error, ..config };
    let failure = Running::start(&config).failure();
    let (group, topic) = (config.group_id.clone(), input(&config).to_owned());
    assert_eq!(failure, KafkaError::NoCommittedOffset { group, topic, partition: 0 });
}

/// Runs once over ten records a partition, then deletes what was not read of later ones in partition 1.
fn with_gap(on_gap: OnGap) -> Config {
    let (admin, config) = with_input("gap", 2);
    // "Latest" must not be what a committed offset that is gone turns into.
    let config = Config { on_gap, offset_reset: OffsetReset::Latest, ..config };
    let running = Running::start(&config);
    eventually("it owns the partitions", || running.source.status().partitions().len() == 2);
    produce_numbered(&config.brokers, input(&config), 2, 0..20);
    eventually("all are acknowledged", || running.acknowledged() == 20);
    running.stop();
    produce_numbered(&config.brokers, input(&config), 2, 20..60);
    admin.delete_records(input(&config), 1, 15);
    config
}

#[test]
fn a_gap_stops_the_source() {
    let config = with_gap(OnGap::Stop);
    let failure = Running::start(&config).failure();
    let topic = input(&config).to_owned();
    assert_eq!(failure, KafkaError::Gap { topic, partition: 1, expected: 10, oldest: 15, end: 30 });
    assert_eq!(offsets(&config, 2)[1], Some(10), "the offset stays where it was");
}

#[test]
fn a_gap_is_reported_and_passed_over() {
    let config = with_gap(OnGap::Continue);
    let running = Running::start(&config);
    eventually("what is left is acknowledged", || running.acknowledged() == 35);
    let status = running.source.status();
    assert_eq!((status.gaps(), status.records_missed()), (1, 5));
    eventually("it is committed", || offsets(&config, 2) == [Some(30), Some(30)]);
    produce_numbered(&config.brokers, input(&config), 2, 60..80);
    eventually("the partition goes on", || running.acknowledged() == 55);
    running.stop();
    let lost: BTreeSet<u32> = (10..15).map(|offset| 2 * offset + 1).collect();
    let out: BTreeSet<u32> = numbers(&config, 75).into_iter().collect();
    assert_eq!(out, (0..80).filter(|n| !lost.contains(n)).collect());
}

#[test]
fn a_gap_that_opens_while_reading_is_found() {
    let (admin, config) = with_input("gap-later", 1);
    let config = Config { on_gap: OnGap::Continue, ..config };
    let running = Running::start(&config);
    produce_numbered(&config.brokers, input(&config), 1, 0..10);
    eventually("all are acknowledged", || running.acknowledged() == 10);
    running.echo.hold.store(true, Ordering::SeqCst);
    eventually("it pauses", || running.source.status().paused());
    produce_numbered(&config.brokers, input(&config), 1, 10..40);
    admin.delete_records(input(&config), 0, 30);
    running.echo.hold.store(false, Ordering::SeqCst);
    eventually("what is left is acknowledged", || running.acknowledged() == 20);
    assert_eq!(running.source.status().records_missed(), 20);
    running.stop();
}

#[test]
fn only_the_record_that_is_too_large_is_refused() {
    let (admin, config) = with_input("oversize", 1);
    admin.create_topic(&config.output_topic, 1, &[("max.message.bytes", "20000")]);
    // One batch of all of them is too large as well; that must not be held against the small ones.
    let mut records: Vec<Wire> = (0..60).map(|n| Wire::keyed(0, "k", format!("{n:0>1000}"))).collect();
    records.insert(30, Wire::keyed(0, "k", vec![b'x'; 50_000]));
    produce(&config.brokers, input(&config), &records);
    let running = Running::start(&config);
    eventually("the small ones are acknowledged", || running.acknowledged() == 60);
    eventually("the large one is refused", || !running.echo.failures.lock().is_empty());
    assert_eq!(*running.echo.failures.lock(), [DeliveryFailure::TooLarge]);
    eventually("its offset is passed", || offsets(&config, 1) == [Some(61)]);
    running.stop();
    assert_eq!(consume(&config.brokers, &config.output_topic, 60).len(), 60);
}

#[test]
fn a_limit_that_shrinks_later_costs_no_innocent_record() {
    let (admin, config) = with_input("shrinks", 1);
    let running = Running::start(&config);
    running.echo.hold.store(true, Ordering::SeqCst);
    eventually("it owns the partition", || running.source.status().partitions().len() == 1);
    admin.set_topic(&config.output_topic, "max.message.bytes", "20000");
    // Not older than the broker's retention.
    let then = SystemClock::shared().wall_ms() - 60_000;
    let headers = vec![("a".to_owned(), Some(b"1".to_vec())), ("a".to_owned(), None)];
    let records: Vec<Wire> = (0..200)
        .map(|n| Wire {
            timestamp: Some(then + n),
            headers: headers.clone(),
            ..Wire::keyed(0, &format!("k{n}"), format!("{n:0>1000}"))
        })
        .collect();
    produce(&config.brokers, input(&config), &records);
    running.echo.hold.store(false, Ordering::SeqCst);
    eventually("all are acknowledged", || running.acknowledged() == 200);
    assert!(running.echo.failures.lock().is_empty());
    running.stop();
    let out: BTreeSet<Wire> = consume(&config.brokers, &config.output_topic, 200).into_iter().collect();
    assert_eq!(out, records.into_iter().collect());
}

#[test]
fn a_record_with_a_time_that_the_broker_refuses_is_refused_alone() {
    let (admin, config) = with_input("time", 1);
    admin.create_topic(&config.output_topic, 1, &[("message.timestamp.before.max.ms", "3600000")]);
    let mut records: Vec<Wire> = (0..20).map(|n| Wire::keyed(0, "k", n.to_string())).collect();
    records[7].timestamp = Some(1_000_000);
    produce(&config.brokers, input(&config), &records);
    let running = Running::start(&config);
    eventually("the others are acknowledged", || running.acknowledged() == 19);
    eventually("one is refused", || !running.echo.failures.lock().is_empty());
    let failures = running.echo.failures.lock().clone();
    assert!(matches!(failures.as_slice(), [DeliveryFailure::Refused(_)]), "{failures:?}");
    running.stop();
    assert_eq!(consume(&config.brokers, &config.output_topic, 19).len(), 19);
}

#[test]
fn a_record_that_never_fits_is_refused_at_once() {
    let (_, mut config) = with_input("never", 1);
    config.properties.insert("message.max.bytes".to_owned(), "30000".to_owned());
    produce(&config.brokers, input(&config), &[Wire::keyed(0, "k", vec![b'x'; 50_000]), Wire::keyed(0, "k", "small")]);
    let running = Running::start(&config);
    eventually("the small one is acknowledged", || running.acknowledged() == 1);
    assert_eq!(*running.echo.failures.lock(), [DeliveryFailure::TooLarge]);
    running.stop();
}

#[test]
fn missing_topics_are_created_or_named() {
    let (admin, config) = with_input("topics", 5);
    let late = format!("{}.late", config.group_id);
    Running::start(&config).stop();
    for (topic, partitions) in [(&config.output_topic, 5), (&late, 5), (&config.dlq_topic, 1)] {
        assert_eq!(admin.partitions(topic), Some(partitions), "{topic}");
    }

    let name = unique("no-input");
    let missing = Config {
        topics: vec![input(&config).to_owned(), name.clone()],
        ..crate::support::kafka::config(&config.brokers, &name)
    };
    let failure = refused(&missing);
    assert!(matches!(&failure, KafkaError::MissingTopic { role: "input", topic, .. } if *topic == name), "{failure}");
    assert_eq!(admin.partitions(&missing.output_topic), None, "a start that fails leaves no trace");

    let strict = Config { create_topics: false, output_topic: unique("no-output"), ..config.clone() };
    let failure = refused(&strict);
    assert!(matches!(&failure, KafkaError::MissingTopic { role: "output", .. }), "{failure}");

    let narrow = Config { partitioning: Partitioning::Same, output_topic: unique("narrow"), ..config.clone() };
    admin.create_topic(&narrow.output_topic, 2, &[]);
    let failure = refused(&narrow);
    assert!(matches!(failure, KafkaError::TooFewPartitions { has: 2, needs: 5, .. }), "{failure}");

    let impossible = Config { replication_factor: 7, output_topic: unique("rf"), ..config };
    let failure = refused(&impossible);
    assert!(matches!(&failure, KafkaError::TopicCreation { role: "output", .. }), "{failure}");
}

#[test]
fn no_broker_is_an_error_within_the_time_for_a_start() {
    let mut config = config("127.0.0.1:1", &unique("nobody"));
    config.start_timeout = Duration::from_secs(1);
    let start = Instant::now();
    let failure = refused(&config);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let text = failure.to_string();
    assert!(text.contains("127.0.0.1:1") && text.contains("1s") && text.contains("refused"), "{text}");
}

#[test]
fn settings_that_the_library_refuses_are_an_error() {
    let (_, mut config) = with_input("settings", 1);
    config.properties = BTreeMap::from([("session.timeout.ms".to_owned(), "ten".to_owned())]);
    let failure = refused(&config);
    assert!(matches!(failure, KafkaError::Settings(_)), "{failure}");
}

#[test]
fn a_deleted_input_topic_ends_the_source() {
    let (admin, mut config) = with_input("deleted", 1);
    // For so long the library takes a topic that it does not see for one that is about to appear.
    config.properties.insert("topic.metadata.propagation.max.ms".to_owned(), "1000".to_owned());
    let running = Running::start(&config);
    eventually("it owns the partition", || running.source.status().partitions().len() == 1);
    admin.delete_topic(input(&config));
    let failure = running.failure();
    assert!(matches!(failure, KafkaError::Input(_)), "{failure}");
}

#[test]
fn the_newer_group_protocol_works_as_well() {
    let (_, mut config) = with_input("kip848", 4);
    config.properties.insert("group.protocol".to_owned(), "consumer".to_owned());
    produce_numbered(&config.brokers, input(&config), 4, 0..400);
    let one = Running::start(&config);
    eventually("all are acknowledged", || one.acknowledged() == 400);
    let two = Running::start(&Config { instance_id: "second".to_owned(), ..config.clone() });
    eventually("the partitions are shared", || {
        one.source.status().partitions().len() == 2 && two.source.status().partitions().len() == 2
    });
    one.stop();
    eventually("the second member has all", || two.source.status().partitions().len() == 4);
    produce_numbered(&config.brokers, input(&config), 4, 400..800);
    eventually("the rest is acknowledged", || two.acknowledged() == 400);
    two.stop();
    assert_eq!(offsets(&config, 4), [Some(200); 4]);
}

#[test]
fn a_static_member_keeps_its_partitions_and_a_double_is_fenced() {
    let (_, config) = with_input("static", 2);
    let config = Config { static_membership: true, ..config };
    let one = Running::start(&config);
    eventually("it owns the partitions", || one.source.status().partitions().len() == 2);
    let two = Running::start(&config);
    let failure = one.failure();
    assert!(matches!(failure, KafkaError::Group { .. }), "{failure}");
    eventually("the newer one owns them", || two.source.status().partitions().len() == 2);
    produce_numbered(&config.brokers, input(&config), 2, 0..10);
    eventually("it works", || two.acknowledged() == 10);
    two.stop();
}

#[test]
fn the_status_tells_of_lag_brokers_and_a_member_without_a_partition() {
    let (_, mut config) = with_input("status", 1);
    config.properties.insert("statistics.interval.ms".to_owned(), "100".to_owned());
    let one = Running::start(&config);
    let status = one.source.status();
    eventually("it owns the partition", || status.partitions().len() == 1);
    one.echo.hold.store(true, Ordering::SeqCst);
    eventually("it pauses", || status.paused());
    produce_numbered(&config.brokers, input(&config), 1, 0..7);
    one.echo.hold.store(false, Ordering::SeqCst);
    eventually("all are committed", || offsets(&config, 1) == [Some(7)]);
    eventually("no lag is left", || status.partitions()[0].lag == Some(0));
    assert!(status.brokers_up() >= 1 && status.unreachable_for() == Duration::ZERO);

    let two = Running::start(&Config { instance_id: "second".to_owned(), ..config.clone() });
    eventually("the second member has joined", || two.source.status().joined());
    eventually("one of them works", || {
        one.source.status().partitions().len() + two.source.status().partitions().len() == 1
    });
    two.stop();
    one.stop();
}

#[test]
fn a_member_without_a_partition_leaves_the_group_at_once() {
    let (_, mut config) = with_input("leave", 1);
    // Longer than this test waits: nobody is put out for being silent.
    for name in ["session.timeout.ms", "max.poll.interval.ms"] {
        config.properties.insert(name.to_owned(), "300000".to_owned());
    }
    let one = Running::start(&config);
    eventually("it owns the partition", || one.source.status().partitions().len() == 1);
    let two = Running::start(&Config { instance_id: "second".to_owned(), ..config.clone() });
    eventually("both are members", || members(&config.brokers, &config.group_id) == 2 && two.source.status().joined());
    two.stop();
    eventually("it has left", || members(&config.brokers, &config.group_id) == 1);
    one.stop();
    eventually("nobody is left", || members(&config.brokers, &config.group_id) == 0);
}

#[test]
fn pass_through_is_quick_enough() {
    const RECORDS: u32 = 100_000;
    let (_, config) = with_input("speed", 6);
    let payload = "x".repeat(1000);
    let records: Vec<Wire> = (0..RECORDS)
        .map(|n| Wire::keyed((n % 6).try_into().unwrap(), &format!("host-{}", n % 500), payload.clone()))
        .collect();
    produce(&config.brokers, input(&config), &records);
    let running = Running::start(&config);
    eventually("the first came", || running.acknowledged() > 0);
    let (start, before) = (Instant::now(), running.acknowledged());
    eventually("all are acknowledged", || running.acknowledged() == u64::from(RECORDS));
    let (seconds, passed) = (start.elapsed().as_secs_f64(), u64::from(RECORDS) - before);
    println!("pass-through: {passed} records of 1 kB in {seconds:.2} s");
    running.stop();
    // An order of magnitude below what a loaded two-core machine does without optimisation.
    assert!(seconds < 20.0, "{passed} records took {seconds:.1} s");
}
