//! Writing events out: headers, annotation, and what to do with a record that is too large.
//!
//! A record leaves as it came but for the annotation. If only the annotation makes it too large it leaves bare and the annotation goes out as a
//! late record; if it is refused bare, by itself, it goes to the dead-letter topic. If even that is refused, the process ends: nothing is lost silently.

use std::{cell::Cell, sync::Arc, time::Duration};

use crate::{
    annotate::{self, Shape, State, Summary},
    event::Format,
    extract::Extraction,
    model::{Record, SharedClock, Status},
    pipeline::{
        Destination, OutHeader, Outgoing, SendError, Sink, Token, dead_letter,
        event::Reference,
        late,
        states::Known,
        tracker::{LATE, Tracker},
    },
};

/// The largest annotation that travels in a header, bytes.
const LARGEST_HEADER: usize = 16 * 1024;

/// Headers of a record for which there is room at once.
const FEW: usize = 8;

/// Headers of ours; earlier ones in a record are replaced.
const OWN_HEADERS: [&str; 6] = [
    "sidelight-schema",
    "sidelight-status",
    "sidelight-score",
    "sidelight-disposition",
    "sidelight-annotation",
    "sidelight-event",
];

/// Why a record was not taken by the sink.
#[derive(Debug)]
pub(super) enum Unsent {
    /// Too large or refused; the text says why.
    Refused(String),
    /// Nothing can be written any more; the tracker knows.
    Failed,
    /// The transaction is being undone; the tracker knows.
    Undone,
}

/// Writes for one shard.
pub(super) struct Writer {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) shape: Shape,
    pub(super) same_partition: bool,
    out: Vec<u8>,
    header: Vec<u8>,
    /// Set for events whose stages are measured; then `sending` is the time that the sink took.
    pub(super) timer: Option<SharedClock>,
    pub(super) sending: Cell<Duration>,
    dead: Cell<[u64; 2]>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn new(sink: Arc<dyn Sink>, tracker: Arc<Tracker>, shape: Shape, same_partition: bool) -> Self {
        Self {
            sink,
            tracker,
            shape,
            same_partition,
            out: Vec::new(),
            header: Vec::new(),
            timer: None,
            sending: Cell::default(),
            dead: Cell::default(),
        }
    }

    /// A tombstone leaves untouched.
    pub(super) fn untouched(&self, record: &Record, token: Token) {
        let headers: Vec<OutHeader<'_>> = record.headers().map(header_of).collect();
        self.output(record, None, &headers, token);
    }

    /// An event without annotation: bytes as they came, status in the headers.
    pub(super) fn bare(&self, record: &Record, token: Token, status: Status) -> Status {
        let mut headers = kept(record);
        status_headers(&mut headers, status);
        self.output(record, record.payload(), &headers, token);
        status
    }

    /// An event whose annotation does not fit: it leaves bare, the annotation as a late record.
    pub(super) fn bare_and_late(
        &mut self,
        record: &Record,
        token: Token,
        extraction: &Extraction,
        known: &[Known],
        wall_ms: i64,
    ) {
        let states: Vec<State<'_>> = known.iter().map(Known::state).collect();
        self.bare(record, token, Summary::of(&states, extraction.truncated()).status);
        // A refusal has been counted and told.
        self.late(&Reference::of(record, extraction), extraction, known, wall_ms, LATE).1.ok();
    }

    /// An event with its annotation. Also says whether it went to the output: nothing is owed for a dead letter.
    pub(super) fn annotated(
        &mut self,
        record: &Record,
        token: Token,
        extraction: &Extraction,
        known: &[Known],
        wall_ms: i64,
    ) -> (Summary, bool) {
        let states: Vec<State<'_>> = known.iter().map(Known::state).collect();
        let summary = Summary::of(&states, extraction.truncated());
        let payload = record.payload().unwrap_or_default();
        let score = summary.score_header();
        let mut headers = kept(record);
        let json = extraction.outline().format == Format::JsonObject;
        let mut aside = false;
        if json {
            annotate::splice(payload, extraction, &states, &summary, self.shape, wall_ms, &mut self.out);
        } else {
            self.header.clear();
            annotate::object(extraction, &states, &summary, wall_ms, &mut self.header);
            aside = self.header.len() > LARGEST_HEADER;
        }
        status_headers(&mut headers, summary.status);
        if let Some(score) = &score {
            headers.push(OutHeader { name: "sidelight-score", value: Some(score.as_bytes()) });
        }
        if let Some(disposition) = summary.disposition {
            headers.push(OutHeader { name: "sidelight-disposition", value: Some(disposition.as_str().as_bytes()) });
        }
        let plain_headers = headers.len();
        if !json && !aside {
            headers.push(OutHeader { name: "sidelight-annotation", value: Some(&self.header) });
        }
        let body = if json { self.out.as_slice() } else { payload };
        let mut sent = self.send(&self.outgoing(record, Some(body), &headers), token);
        if let Err(Unsent::Refused(_)) = sent {
            headers.truncate(plain_headers);
            aside = true;
            sent = self.send(&self.outgoing(record, Some(payload), &headers), token);
        }
        if let Err(Unsent::Refused(why)) = sent {
            self.dead_letter(record, token, &why);
            return (summary, false);
        }
        if aside {
            let reference = Reference::of(record, extraction);
            self.late(&reference, extraction, known, wall_ms, LATE).1.ok();
        }
        (summary, true)
    }

    /// The annotation alone, as a late record. Also says whether the sink took it.
    pub(super) fn late(
        &mut self,
        reference: &Reference,
        extraction: &Extraction,
        known: &[Known],
        wall_ms: i64,
        token: Token,
    ) -> (Summary, Result<(), Unsent>) {
        let states: Vec<State<'_>> = known.iter().map(Known::state).collect();
        let summary = Summary::of(&states, extraction.truncated());
        self.out.clear();
        late::write(reference, &mut self.out, |out| annotate::object(extraction, &states, &summary, wall_ms, out));
        let event = format!("{}/{}/{}", reference.origin.topic, reference.origin.partition, reference.origin.offset);
        let score = summary.score_header();
        let mut headers = Vec::with_capacity(5);
        status_headers(&mut headers, summary.status);
        if let Some(score) = &score {
            headers.push(OutHeader { name: "sidelight-score", value: Some(score.as_bytes()) });
        }
        if let Some(disposition) = summary.disposition {
            headers.push(OutHeader { name: "sidelight-disposition", value: Some(disposition.as_str().as_bytes()) });
        }
        headers.push(OutHeader { name: "sidelight-event", value: Some(event.as_bytes()) });
        let out = Outgoing {
            destination: Destination::Late,
            partition: self.same_partition.then_some(reference.origin.partition),
            key: reference.key.as_deref(),
            payload: Some(&self.out),
            headers: &headers,
            timestamp: None,
        };
        self.tracker.late_sent();
        let sent = self.send(&out, token);
        if let Err(unsent) = &sent {
            self.tracker.late_unsent(!matches!(unsent, Unsent::Undone));
            if let Unsent::Refused(why) = unsent {
                tracing::error!(event, why, "late record refused");
            }
        }
        (summary, sent)
    }

    /// An obligation, or its tombstone.
    pub(super) fn pending(&self, partition: i32, key: &[u8], value: Option<&[u8]>, token: Token) -> Result<(), Unsent> {
        let out = Outgoing {
            destination: Destination::Pending,
            partition: Some(partition),
            key: Some(key),
            payload: value,
            headers: &[],
            timestamp: None,
        };
        self.send(&out, token)
    }

    /// A record that cannot be written to the output topic.
    pub(super) fn dead_letter(&self, record: &Record, token: Token, why: &str) {
        let [large, refused] = self.dead.get();
        let is_large = u64::from(why.contains("too large"));
        self.dead.set([large + is_large, refused + 1 - is_large]);
        let made = dead_letter::headers(record, why);
        let mut headers: Vec<OutHeader<'_>> = record.headers().map(header_of).collect();
        for (name, value) in &made {
            if !record.headers().any(|(there, _)| there == *name) {
                headers.push(OutHeader { name, value: Some(value.as_bytes()) });
            }
        }
        let out = Outgoing {
            destination: Destination::DeadLetter,
            partition: None,
            key: record.key(),
            payload: record.payload(),
            headers: &headers,
            timestamp: record.timestamp,
        };
        if let Err(Unsent::Refused(refused)) = self.send(&out, token) {
            let origin = &record.origin;
            self.tracker.fail(&format!(
                "record {}/{}/{} can be written neither to the output topic ({why}) nor to the dead-letter topic ({refused}); \
                 raise max.message.bytes of the dead-letter topic or check its permissions",
                origin.topic, origin.partition, origin.offset
            ));
        }
    }

    fn output(&self, record: &Record, payload: Option<&[u8]>, headers: &[OutHeader<'_>], token: Token) {
        if let Err(Unsent::Refused(why)) = self.send(&self.outgoing(record, payload, headers), token) {
            self.dead_letter(record, token, &why);
        }
    }

    fn outgoing<'a>(
        &self,
        record: &'a Record,
        payload: Option<&'a [u8]>,
        headers: &'a [OutHeader<'a>],
    ) -> Outgoing<'a> {
        Outgoing {
            destination: Destination::Output,
            partition: self.same_partition.then_some(record.origin.partition),
            key: record.key(),
            payload,
            headers,
            timestamp: record.timestamp,
        }
    }

    /// Dead letters since this was last asked: too large, and refused for another reason.
    pub(super) fn take_dead_letters(&self) -> [u64; 2] {
        self.dead.take()
    }

    fn send(&self, out: &Outgoing<'_>, token: Token) -> Result<(), Unsent> {
        let Some(clock) = &self.timer else { return self.send_waiting(out, token) };
        let begun = clock.monotonic();
        let sent = self.send_waiting(out, token);
        self.sending.set(self.sending.get() + clock.monotonic().saturating_sub(begun));
        sent
    }

    /// Sends, waiting while the sink is full: that is the back-pressure of the output.
    fn send_waiting(&self, out: &Outgoing<'_>, token: Token) -> Result<(), Unsent> {
        loop {
            if self.tracker.has_failed() {
                return Err(Unsent::Failed);
            }
            if self.tracker.is_undone() {
                return Err(Unsent::Undone);
            }
            match self.sink.send(out, token) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {
                    self.tracker.waited();
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(SendError::TooLarge) => return Err(Unsent::Refused("record too large".to_owned())),
                Err(SendError::Refused(why)) => return Err(Unsent::Refused(why)),
                Err(SendError::Undone) => {
                    self.tracker.set_undone(true);
                    return Err(Unsent::Undone);
                }
                Err(SendError::Fatal(why)) => {
                    self.tracker.fail(&why);
                    return Err(Unsent::Failed);
                }
            }
        }
    }
}

fn header_of<'a>((name, value): (&'a str, Option<&'a [u8]>)) -> OutHeader<'a> {
    OutHeader { name, value }
}

/// The record's headers but for our own earlier ones, with room for ours.
fn kept(record: &Record) -> Vec<OutHeader<'_>> {
    let mut headers = Vec::with_capacity(FEW + OWN_HEADERS.len());
    let ours = |name: &str| name.starts_with("sidelight-") && OWN_HEADERS.contains(&name);
    headers.extend(record.headers().map(header_of).filter(|header| !ours(header.name)));
    headers
}

fn status_headers(headers: &mut Vec<OutHeader<'_>>, status: Status) {
    headers.push(OutHeader { name: "sidelight-schema", value: Some(b"1") });
    headers.push(OutHeader { name: "sidelight-status", value: Some(status.as_str().as_bytes()) });
}
