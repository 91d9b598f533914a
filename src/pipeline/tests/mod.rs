//! One shard under a manual clock, with an in-memory sink and answers given by hand.

mod exactly_once;
mod obligations;
mod shortage;

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;

use super::{
    handle::ShardHandle,
    mailbox::{Mail, News},
    shard::{Shard, ShardConfig},
    tracker::Tracker,
    *,
};
use crate::{
    annotate::Shape,
    budget::Budget,
    enrich::Setup,
    model::{
        Body, Evidence, Fact, Indicator, IndicatorKind, ManualClock, Origin, ProviderId, Record, Verdict, VerdictKind,
    },
    provider::{BoxFuture, Breaker, LookupError, Provider},
};

const SECOND: Duration = Duration::from_secs(1);

struct Silent;

impl Provider for Silent {
    fn id(&self) -> ProviderId {
        ProviderId("virustotal")
    }
    fn supports(&self, kind: IndicatorKind) -> bool {
        kind.is_ip() || kind == IndicatorKind::Domain
    }
    fn lookup<'a>(&'a self, _indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(std::future::pending())
    }
}

#[derive(Clone, Debug)]
struct Sent {
    destination: Destination,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp: Option<i64>,
    token: Token,
}

impl Sent {
    fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(of, _)| of == name)?;
        value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned())
    }
    fn status(&self) -> String {
        self.header("sidelight-status").unwrap_or_default()
    }
    fn json(&self) -> Value {
        serde_json::from_slice(self.payload.as_deref().unwrap_or_default()).expect("JSON")
    }
}

/// Keeps what was sent; refuses what is larger than it likes.
struct Memory {
    sent: Mutex<Vec<Sent>>,
    largest: [usize; 2],
}

impl Sink for Memory {
    fn send(&self, out: &Outgoing<'_>, token: Token) -> Result<(), SendError> {
        let largest = if out.destination == Destination::Output { self.largest[0] } else { self.largest[1] };
        if out.payload.map_or(0, <[u8]>::len) > largest {
            return Err(SendError::TooLarge);
        }
        self.sent.lock().push(Sent {
            destination: out.destination,
            key: out.key.map(<[u8]>::to_vec),
            payload: out.payload.map(<[u8]>::to_vec),
            headers: out.headers.iter().map(|h| (h.name.to_owned(), h.value.map(<[u8]>::to_vec))).collect(),
            timestamp: out.timestamp,
            token,
        });
        Ok(())
    }
}

struct Rig {
    clock: Arc<ManualClock>,
    sink: Arc<Memory>,
    tracker: Arc<Tracker>,
    handle: ShardHandle,
    shard: Shard,
    intake: PipelineIntake,
    enricher: Enricher,
    next: i64,
}

struct Plan {
    order: Order,
    deadline: Duration,
    park_bytes: usize,
    owed_bytes: usize,
    quota: &'static str,
    late_for: Duration,
    largest: [usize; 2],
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            order: Order::Key,
            deadline: 2 * SECOND,
            park_bytes: 1 << 20,
            owed_bytes: 1 << 20,
            quota: "1000/min",
            late_for: 3_600 * SECOND,
            largest: [usize::MAX, usize::MAX],
        }
    }
}

impl Rig {
    fn new(plan: &Plan) -> Self {
        let clock = ManualClock::at(1_795_000_000_000);
        let shared: SharedClock = clock.clone();
        let metrics = Metrics::new();
        let cache = Cache::new(&crate::cache::Config::default(), Arc::clone(&shared));
        let setup = Setup {
            provider: Arc::new(Silent),
            budget: Budget::new(plan.quota.parse().expect("a quota"), None, 0.0, Arc::clone(&shared)),
            breaker: Breaker::new(Arc::clone(&shared), Box::new(|| 0.0)),
            max_in_flight: 1_000,
            max_tlp: crate::model::Tlp::Green,
        };
        let late_for = plan.late_for;
        let parts = Parts {
            providers: vec![setup],
            deadline: plan.deadline,
            late_for,
            ..Parts::none(&cache, &shared, &metrics)
        };
        let handle = ShardHandle::default();
        let enricher = Enricher::new(parts, vec![Arc::new(handle.clone())]);
        let tracker = Arc::new(Tracker::default());
        tracker.set_shards(vec![handle.clone()]);
        let sink = Arc::new(Memory { sent: Mutex::default(), largest: plan.largest });
        let gate = Arc::new(Gate::new(&crate::gate::Config::default()));
        let config = ShardConfig {
            order: plan.order,
            deadline: plan.deadline,
            park_bytes: plan.park_bytes,
            late_for,
            owed_bytes: plan.owed_bytes,
            exactly_once: true,
        };
        let shard = Shard::new(
            handle.mailbox(),
            Arc::new(Extractor::new(&crate::extract::Config::default())),
            Lookup::new(gate, cache, enricher.clone(), 0),
            Writer::new(Arc::clone(&sink) as Arc<dyn Sink>, Arc::clone(&tracker), Shape::Ecs, false),
            Arc::clone(&tracker),
            Arc::default(),
            shared,
            config,
            Meter::new(metrics.clone(), 0),
        );
        let mut intake =
            PipelineIntake::new(Arc::clone(&tracker), Arc::default(), vec![handle.clone()], usize::MAX, metrics, None);
        let topic = "in".into();
        intake.assigned(Assigned { topic, partition: 0, epoch: 1, metadata: String::new(), committed: None });
        Self { clock, sink, tracker, handle, shard, intake, enricher, next: 0 }
    }

    fn feed(&mut self, key: Option<&str>, payload: Option<&[u8]>) {
        self.feed_with(key, payload, &[]);
    }

    fn feed_with(&mut self, key: Option<&str>, payload: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]) {
        let mut body = Body::new(payload, key.map(str::as_bytes), 0);
        headers.iter().for_each(|(name, value)| body.add_header(name, *value));
        let record = Record {
            origin: Origin { topic: "in".into(), partition: 0, offset: self.next },
            body,
            timestamp: Some(1_794_999_999_000),
            epoch: 1,
        };
        self.next += 1;
        self.intake.records(vec![record]);
        self.work();
    }

    /// Does everything that is in the mailbox, then what time demands.
    fn work(&mut self) {
        loop {
            match self.handle.mailbox().take(Duration::ZERO) {
                Mail::News(news) => self.shard.news(news),
                Mail::Records(deal) => {
                    for (record, token) in deal {
                        self.shard.process(record, token);
                    }
                }
                Mail::Nothing => break,
            }
        }
        self.shard.tick();
    }

    fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.work();
    }

    /// Gives the next waiting indicator a verdict.
    fn answer(&mut self, malicious: bool) -> Option<Indicator> {
        let share = if malicious { 0.9 } else { 0.0 };
        let evidence = Evidence {
            share: Some(share),
            facts: vec![("vt_malicious", Fact::Int(if malicious { 81 } else { 0 })), ("vt_total", Fact::Int(90))],
            ..Evidence::default()
        };
        let kind = if malicious { VerdictKind::Found } else { VerdictKind::Clean };
        let indicator = self.enricher.answer_next(0, Ok(Verdict { kind, evidence, answered_at: 0 }));
        self.work();
        indicator
    }

    fn sent(&self) -> Vec<Sent> {
        self.sink.sent.lock().clone()
    }

    fn statuses(&self) -> Vec<(Destination, String)> {
        self.sent().iter().map(|sent| (sent.destination, sent.status())).collect()
    }

    fn deliver_all(&self) {
        for sent in self.sent() {
            self.tracker.delivered(sent.token, Ok(()));
        }
    }

    fn committed(&mut self) -> Option<i64> {
        self.intake.committable().pop().map(|commit| commit.next)
    }
}

const KNOWN: &[u8] = br#"{"source":{"ip":"10.0.0.5"},"n":1}"#;
const UNKNOWN: &[u8] = br#"{"event":{"id":"e-1"},"destination":{"ip":"45.83.12.7"}}"#;
const OTHER: &[u8] = br#"{"destination":{"ip":"45.83.12.8"}}"#;

#[test]
fn unknown_events_wait_known_ones_overtake_and_keys_keep_their_order() {
    let mut rig = Rig::new(&Plan::default());
    rig.feed(Some("a"), Some(UNKNOWN));
    rig.feed(Some("a"), Some(KNOWN));
    rig.feed(Some("b"), Some(KNOWN));
    rig.feed(None, Some(b"nothing here"));
    rig.feed(Some("a"), None);
    let keys = |rig: &Rig| -> Vec<Option<Vec<u8>>> { rig.sent().into_iter().map(|sent| sent.key).collect() };
    assert_eq!(keys(&rig), [Some(b"b".to_vec()), None], "only those that need not wait");
    rig.answer(true);
    assert_eq!(rig.sent().len(), 5);
    let sent = rig.sent();
    assert_eq!(sent[2].status(), "complete");
    assert_eq!(sent[2].header("sidelight-disposition").as_deref(), Some("malicious"));
    assert_eq!(sent[2].json()["sidelight"]["indicators"][0]["vt_malicious"], 81);
    assert_eq!(sent[3].status(), "none");
    assert_eq!((&sent[4].payload, sent[4].headers.len()), (&None, 0), "a tombstone leaves untouched, and in its turn");
    assert!(sent.iter().all(|sent| sent.timestamp == Some(1_794_999_999_000)));
    rig.deliver_all();
    assert_eq!(rig.committed(), Some(5));
}

#[test]
fn nothing_is_committed_past_an_event_that_waits() {
    let mut rig = Rig::new(&Plan::default());
    rig.feed(Some("z"), Some(KNOWN));
    rig.feed(Some("a"), Some(UNKNOWN));
    rig.feed(Some("b"), Some(KNOWN));
    rig.deliver_all();
    let commit = rig.intake.committable().pop().expect("the first is finished");
    assert_eq!(commit.next, 1);
    assert!(!commit.metadata.is_empty(), "the third is finished above it");
    rig.answer(false);
    rig.deliver_all();
    assert_eq!(rig.committed(), Some(3));
}

#[test]
fn the_deadline_lets_events_go_and_the_answer_follows_late_exactly_once() {
    let mut rig = Rig::new(&Plan::default());
    rig.feed(Some("a"), Some(UNKNOWN));
    rig.advance(2 * SECOND - SECOND / 1000);
    assert!(rig.sent().is_empty());
    rig.advance(SECOND / 1000);
    assert_eq!(rig.statuses(), [(Destination::Output, "pending".to_owned())]);
    let annotation = &rig.sent()[0].json()["sidelight"];
    assert_eq!(annotation["indicators"][0]["sources"][0]["outcome"], "pending");
    assert_eq!(annotation["requires_review"], true);
    assert_eq!(rig.answer(true), Some(Indicator::new(IndicatorKind::Ipv4, "45.83.12.7")));
    rig.advance(7_200 * SECOND);
    let sent = rig.sent();
    assert_eq!(sent.len(), 2, "one late record, once");
    let late = &sent[1];
    assert_eq!((late.destination, late.status()), (Destination::Late, "complete".to_owned()));
    assert_eq!(late.header("sidelight-event").as_deref(), Some("in/0/0"));
    assert_eq!(late.key.as_deref(), Some(&b"a"[..]));
    let value = late.json();
    assert_eq!(value["event"]["id"], "e-1");
    assert_eq!(value["event"]["offset"], 0);
    assert_eq!(value["sidelight"]["disposition"], "malicious");
}

#[test]
fn without_budget_nobody_waits_and_the_late_record_says_when_it_is_given_up() {
    let mut rig = Rig::new(&Plan { quota: "1/day", ..Plan::default() });
    rig.feed(None, Some(UNKNOWN));
    rig.answer(false);
    rig.feed(None, Some(OTHER));
    assert_eq!(rig.statuses().len(), 2, "the second leaves at once");
    let annotation = rig.sent()[1].json();
    let source = &annotation["sidelight"]["indicators"][0]["sources"][0];
    assert_eq!((&source["outcome"], &source["reason"]), (&"throttled".into(), &"quota".into()));
    assert!(source["retry_at"].is_string());
    rig.advance(3_601 * SECOND);
    let late = rig.sent().pop().expect("given up");
    assert_eq!((late.destination, late.status()), (Destination::Late, "skipped".to_owned()));
    let value = late.json();
    assert_eq!(value["sidelight"]["indicators"][0]["sources"][0]["reason"], "expired");
    rig.advance(3_601 * SECOND);
    assert_eq!(rig.sent().len(), 3);
}

#[test]
fn a_deadline_of_zero_never_waits() {
    let mut rig = Rig::new(&Plan { deadline: Duration::ZERO, ..Plan::default() });
    rig.feed(Some("a"), Some(UNKNOWN));
    assert_eq!(rig.statuses(), [(Destination::Output, "pending".to_owned())]);
    rig.answer(false);
    assert_eq!(rig.statuses().len(), 2);
}

#[test]
fn strict_order_holds_everything_behind_an_event_that_waits() {
    let mut rig = Rig::new(&Plan { order: Order::Partition, ..Plan::default() });
    rig.feed(Some("a"), Some(UNKNOWN));
    rig.feed(Some("b"), Some(KNOWN));
    rig.feed(None, None);
    assert!(rig.sent().is_empty());
    rig.answer(false);
    let offsets: Vec<Token> = rig.sent().iter().map(|sent| sent.token).collect();
    assert_eq!(offsets.len(), 3);
    assert!(offsets.is_sorted());
}

#[test]
fn headers_are_kept_and_our_earlier_ones_replaced() {
    let mut rig = Rig::new(&Plan::default());
    let headers: [(&str, Option<&[u8]>); 4] =
        [("x", Some(b"1")), ("sidelight-status", Some(b"pending")), ("x", None), ("sidelight-annotation", Some(b"{}"))];
    rig.feed_with(None, Some(b"plain"), &headers);
    let sent = &rig.sent()[0];
    let names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x", "x", "sidelight-schema", "sidelight-status"]);
    assert_eq!(sent.headers[1].1, None);
    assert_eq!(sent.status(), "none");
    assert_eq!(sent.payload.as_deref(), Some(&b"plain"[..]));
}

#[test]
fn text_carries_its_annotation_in_a_header_and_bytes_are_unparsed() {
    let mut rig = Rig::new(&Plan::default());
    rig.feed(None, Some(b"connection from 45.83.12.7 refused"));
    rig.answer(true);
    rig.feed(None, Some(b"\xff\xfe\x00\x01"));
    let sent = rig.sent();
    assert_eq!(sent[0].payload.as_deref(), Some(&b"connection from 45.83.12.7 refused"[..]));
    let annotation: Value =
        serde_json::from_str(&sent[0].header("sidelight-annotation").expect("there")).expect("JSON");
    assert_eq!(annotation["disposition"], "malicious");
    assert_eq!(sent[1].status(), "unparsed");
    assert_eq!(sent[1].payload.as_deref(), Some(&b"\xff\xfe\x00\x01"[..]));
}

#[test]
fn too_large_with_its_annotation_leaves_bare_and_too_large_bare_is_a_dead_letter() {
    let mut rig = Rig::new(&Plan { largest: [UNKNOWN.len() + 20, usize::MAX], ..Plan::default() });
    rig.feed(None, Some(UNKNOWN));
    rig.answer(true);
    assert_eq!(
        rig.statuses(),
        [(Destination::Output, "complete".to_owned()), (Destination::Late, "complete".to_owned())]
    );
    assert_eq!(rig.sent()[0].payload.as_deref(), Some(UNKNOWN));
    let large = vec![b'x'; UNKNOWN.len() + 21];
    rig.feed(Some("k"), Some(&large));
    let dead = rig.sent().pop().expect("a dead letter");
    assert_eq!((dead.destination, dead.payload.as_deref()), (Destination::DeadLetter, Some(&large[..])));
    assert_eq!(dead.header("__connect.errors.topic").as_deref(), Some("in"));
    assert_eq!(dead.header("__connect.errors.offset").as_deref(), Some("1"));
    assert_eq!(dead.header("__connect.errors.exception.message").as_deref(), Some("record too large"));
    rig.deliver_all();
    assert_eq!(rig.committed(), Some(2));
}

#[test]
fn nothing_is_owed_for_a_dead_letter() {
    let mut rig = Rig::new(&Plan { largest: [10, usize::MAX], deadline: Duration::ZERO, ..Plan::default() });
    rig.feed(None, Some(UNKNOWN));
    rig.answer(true);
    rig.advance(7_200 * SECOND);
    let destinations: Vec<Destination> = rig.sent().iter().map(|sent| sent.destination).collect();
    assert_eq!(destinations, [Destination::DeadLetter]);
}

#[test]
fn a_record_that_can_be_written_nowhere_ends_the_process_uncommitted() {
    let mut rig = Rig::new(&Plan { largest: [10, 10], ..Plan::default() });
    rig.feed(None, Some(b"longer than ten bytes"));
    assert!(rig.tracker.failure().is_some_and(|text| text.contains("in/0/0")));
    assert_eq!(rig.committed(), None);
}

#[test]
fn a_record_that_the_broker_refuses_goes_bare_then_to_the_dead_letters() {
    let mut rig = Rig::new(&Plan::default());
    rig.feed(None, Some(UNKNOWN));
    rig.answer(true);
    let token = rig.sent()[0].token;
    rig.tracker.delivered(token, Err(DeliveryFailure::TooLarge));
    rig.work();
    assert_eq!(rig.sent()[1].payload.as_deref(), Some(UNKNOWN), "again, without the annotation");
    assert_eq!(rig.sent()[2].destination, Destination::Late);
    rig.tracker.delivered(token, Err(DeliveryFailure::TooLarge));
    rig.work();
    let dead = rig.sent().pop().expect("a dead letter");
    assert_eq!((dead.destination, dead.token), (Destination::DeadLetter, token));
    assert_eq!(rig.committed(), None);
    rig.tracker.delivered(token, Ok(()));
    assert_eq!(rig.committed(), Some(1));
}

#[test]
fn memory_pressure_lets_the_oldest_go_first() {
    let mut rig = Rig::new(&Plan { park_bytes: 4_000, ..Plan::default() });
    for n in 1..=20 {
        let payload = format!(r#"{{"destination":{{"ip":"45.83.13.{n}"}},"n":{n}}}"#);
        rig.feed(None, Some(payload.as_bytes()));
    }
    let left: Vec<i64> = rig.sent().iter().map(|sent| sent.json()["n"].as_i64().expect("n")).collect();
    assert!(!left.is_empty() && left.len() < 20, "{left:?}");
    assert!(left.is_sorted() && left[0] == 1, "{left:?}");
    assert!(rig.sent().iter().all(|sent| sent.status() == "pending"));
}

#[test]
fn owed_answers_are_bounded_and_the_oldest_is_told_so() {
    let mut rig = Rig::new(&Plan { deadline: Duration::ZERO, owed_bytes: 6_000, ..Plan::default() });
    for n in 1..=40 {
        let payload = format!(r#"{{"destination":{{"ip":"45.83.14.{n}"}}}}"#);
        rig.feed(None, Some(payload.as_bytes()));
    }
    let late: Vec<Sent> = rig.sent().into_iter().filter(|sent| sent.destination == Destination::Late).collect();
    assert!(!late.is_empty());
    assert_eq!(late[0].header("sidelight-event").as_deref(), Some("in/0/0"));
    assert_eq!(late[0].json()["sidelight"]["indicators"][0]["sources"][0]["reason"], "memory");
}

#[test]
fn revoked_partitions_leave_at_once_and_lost_ones_not_at_all() {
    let partitions = [("in".into(), 0)];
    for lost in [false, true] {
        let mut rig = Rig::new(&Plan::default());
        rig.feed(Some("a"), Some(UNKNOWN));
        rig.feed(Some("a"), Some(KNOWN));
        let (done, drained) = mpsc::channel();
        rig.handle.revoke(vec![0], lost, done);
        rig.work();
        assert!(drained.try_recv().is_ok());
        assert_eq!(rig.sent().len(), if lost { 0 } else { 2 }, "lost {lost}");
        rig.deliver_all();
        let commits = rig.intake.revoke(&partitions, lost, Duration::ZERO);
        assert_eq!(commits.len(), usize::from(!lost));
        rig.answer(true);
        let late = rig.sent().into_iter().filter(|sent| sent.destination == Destination::Late).count();
        assert_eq!(late, usize::from(!lost), "what left is still owed its answer");
        assert_eq!(rig.tracker.records(), 0);
    }
}

#[test]
fn what_an_earlier_owner_finished_above_its_commit_is_skipped() {
    let mut first = Rig::new(&Plan::default());
    first.feed(Some("a"), Some(UNKNOWN));
    first.feed(Some("b"), Some(KNOWN));
    first.feed(Some("c"), Some(KNOWN));
    first.deliver_all();
    let commit = first.intake.committable().pop().expect("finished above");
    assert_eq!(commit.next, 0);

    let mut second = Rig::new(&Plan::default());
    let topic = "in".into();
    let metadata = commit.metadata;
    second.intake.assigned(Assigned { topic, partition: 0, epoch: 1, metadata, committed: Some(0) });
    second.feed(Some("a"), Some(UNKNOWN));
    second.feed(Some("b"), Some(KNOWN));
    second.feed(Some("c"), Some(KNOWN));
    second.answer(false);
    assert_eq!(second.sent().len(), 1, "the other two had left already");
    second.deliver_all();
    assert_eq!(second.committed(), Some(3));
}

#[test]
fn draining_pays_every_debt_with_a_reason() {
    let mut rig = Rig::new(&Plan { deadline: Duration::ZERO, ..Plan::default() });
    rig.feed(None, Some(UNKNOWN));
    let (done, drained) = mpsc::channel();
    rig.shard.news(News::Drain(done));
    assert!(drained.try_recv().is_ok());
    let late = rig.sent().pop().expect("a late record");
    assert_eq!(late.json()["sidelight"]["indicators"][0]["sources"][0]["reason"], "shutdown");
    assert_eq!(late.status(), "skipped");
}
