//! A consumer of the output, as a user would write one: counts, and keeps what is worth showing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    demo::{
        DemoError,
        parts::{LATE, OUTPUT, Stage, kafka_config},
    },
    kafka::{Kafka, SourceHandle},
    model::{Record, SharedClock},
    pipeline::{Assigned, Commit, Intake},
};

/// What the reader of the output saw.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// Annotated events, by status.
    pub by_status: BTreeMap<String, u64>,
    /// Late records, by status.
    pub late_by_status: BTreeMap<String, u64>,
    /// The worst indicators: type, value, score, disposition, events; worst first.
    pub worst: Vec<(String, String, f64, String, u64)>,
    /// A few annotated events: what it shows, and the event.
    pub examples: Vec<(&'static str, String)>,
}

#[derive(Debug, Default)]
struct Seen {
    by_status: BTreeMap<String, u64>,
    late_by_status: BTreeMap<String, u64>,
    indicators: HashMap<(String, String), (f64, String, u64)>,
    examples: BTreeMap<&'static str, String>,
}

/// Distinct hits that are remembered, at most.
const HITS: usize = 10_000;

impl Seen {
    fn output(&mut self, record: &Record) {
        *self.by_status.entry(header(record, "sidelight-status")).or_default() += 1;
        let payload = record.payload().unwrap_or_default();
        let aside = record.headers().find(|(name, _)| *name == "sidelight-annotation");
        let disposition = header(record, "sidelight-disposition");
        let interesting = disposition == "malicious" || disposition == "suspicious";
        if let Some(annotation) = aside.and_then(|(_, value)| value) {
            if interesting {
                self.hits(serde_json::from_slice(annotation).ok().as_ref());
                self.examples
                    .entry("CEF, annotation in a header")
                    .or_insert_with(|| format!("{}\n  sidelight-annotation: {}", text(payload), text(annotation)));
            }
        } else if interesting {
            let event: Option<Value> = serde_json::from_slice(payload).ok();
            self.hits(event.as_ref().and_then(|event| event.get("sidelight")));
            self.examples.entry("ECS, a threat").or_insert_with(|| text(payload));
        } else if header(record, "sidelight-status") == "pending" {
            self.examples.entry("ECS, the quota was used up").or_insert_with(|| text(payload));
        }
    }

    fn hits(&mut self, annotation: Option<&Value>) {
        for indicator in annotation.and_then(|a| a.get("indicators")).and_then(Value::as_array).into_iter().flatten() {
            let word = |name: &str| indicator.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let Some(score) = indicator.get("confidence_score").and_then(Value::as_f64).filter(|s| *s >= 40.0) else {
                continue;
            };
            let key = (word("ioc_type"), word("ioc_value"));
            if self.indicators.len() < HITS || self.indicators.contains_key(&key) {
                let (best, disposition, events) = self.indicators.entry(key).or_default();
                if score >= *best {
                    (*best, *disposition) = (score, word("disposition"));
                }
                *events += 1;
            }
        }
    }
}

fn header(record: &Record, name: &str) -> String {
    let header = record.headers().find(|(of, _)| *of == name);
    header.and_then(|(_, value)| value).map(text).unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Reader {
    seen: Arc<Mutex<Seen>>,
    next: BTreeMap<(Arc<str>, i32), i64>,
}

impl Intake for Reader {
    fn records(&mut self, batch: Vec<Record>) {
        let mut seen = self.seen.lock();
        for record in &batch {
            if &*record.origin.topic == LATE {
                *seen.late_by_status.entry(header(record, "sidelight-status")).or_default() += 1;
            } else {
                seen.output(record);
            }
            self.next.insert((Arc::clone(&record.origin.topic), record.origin.partition), record.origin.offset + 1);
        }
    }

    fn assigned(&mut self, _partition: Assigned) {}

    fn revoke(&mut self, _partitions: &[(Arc<str>, i32)], _lost: bool, _within: Duration) -> Vec<Commit> {
        self.committable()
    }

    fn paused_wanted(&self) -> bool {
        false
    }

    fn committable(&mut self) -> Vec<Commit> {
        let next = std::mem::take(&mut self.next).into_iter();
        next.map(|((topic, partition), next)| Commit { topic, partition, next, metadata: String::new() }).collect()
    }
}

/// A running reader.
pub(super) struct Collector {
    seen: Arc<Mutex<Seen>>,
    source: SourceHandle,
}

/// Starts to read output and late records.
pub(super) fn spawn(stage: &Stage, clock: &SharedClock) -> Result<Collector, DemoError> {
    let config = kafka_config(stage.bootstrap(), "demo-reader", &[OUTPUT, LATE], OUTPUT);
    let kafka = Kafka::connect(config, Arc::clone(clock))?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let reader = Reader { seen: Arc::clone(&seen), next: BTreeMap::new() };
    let source = kafka.source(Box::new(reader))?;
    Ok(Collector { seen, source })
}

impl Collector {
    pub(super) fn collected(&self) -> Collected {
        let seen = self.seen.lock();
        let mut worst: Vec<_> = seen
            .indicators
            .iter()
            .map(|((kind, value), (score, disposition, events))| {
                (kind.clone(), value.clone(), *score, disposition.clone(), *events)
            })
            .collect();
        worst.sort_by(|a, b| b.2.total_cmp(&a.2).then(b.4.cmp(&a.4)).then(a.1.cmp(&b.1)));
        worst.truncate(8);
        Collected {
            by_status: seen.by_status.clone(),
            late_by_status: seen.late_by_status.clone(),
            worst,
            examples: seen.examples.iter().map(|(what, event)| (*what, event.clone())).collect(),
        }
    }

    pub(super) fn stop(self) {
        self.source.stop();
        if let Err(error) = self.source.join() {
            tracing::warn!(%error, "the demo's reader ended early");
        }
    }
}
