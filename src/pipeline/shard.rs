//! One shard: a thread that owns partitions and takes their events from extraction to the sink.
//!
//! An event whose indicators are all known goes through [`Shard::process`] on this thread without await, lock held across work, or copy of the
//! payload but the sink's own. Only others are parked. A shard owns everything it touches; news from the enricher and the sink come as mail.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::BuildHasher,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::{
    event::Format,
    extract::{Extraction, Extractor},
    model::{Indicator, Record, SharedClock, Status},
    pipeline::{
        Order, Token,
        event::{Content, Event, Phase, Reference},
        mailbox::{Mail, Mailbox, News},
        meter::Meter,
        obligations::Obligations,
        park::{EventId, LineId, Park},
        states::{Known, Lookup},
        tracker::{Tracker, window_of},
        turns::Turns,
        undo::UndoLog,
        writer::Writer,
    },
    telemetry::Stage,
};

/// Longest sleep of an idle shard; its counters are at most this old.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Bounds and habits of one shard.
#[derive(Clone, Debug)]
pub(super) struct ShardConfig {
    pub(super) order: Order,
    pub(super) deadline: Duration,
    /// Of this shard alone.
    pub(super) park_bytes: usize,
    pub(super) late_for: Duration,
    /// Of this shard alone.
    pub(super) owed_bytes: usize,
    pub(super) exactly_once: bool,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) extractor: Arc<Extractor>,
    pub(super) lookup: Lookup,
    pub(super) writer: Writer,
    pub(super) tracker: Arc<Tracker>,
    turns: Arc<Turns>,
    pub(super) clock: SharedClock,
    pub(super) config: ShardConfig,
    pub(super) meter: Meter,
    pub(super) park: Park,
    pub(super) undo: UndoLog,
    /// Where what is owed is written down, if that is so.
    pub(super) obligations: Option<Obligations>,
    pub(super) events: HashMap<EventId, Event, foldhash::fast::RandomState>,
    pub(super) waiters: HashMap<Indicator, Vec<EventId>, foldhash::fast::RandomState>,
    /// By the end of the time for which it is owed.
    pub(super) owed: BTreeSet<(Duration, EventId)>,
    /// Owed and answered, to be paid in the next turns.
    pub(super) due: VecDeque<EventId>,
    pub(super) owed_bytes: usize,
    pub(super) owed_count: usize,
    next_id: EventId,
    lines: foldhash::fast::RandomState,
    pub(super) extraction: Extraction,
    pub(super) known: Vec<Known>,
    pub(super) leaving: Vec<EventId>,
}

impl Shard {
    #[expect(clippy::too_many_arguments, reason = "the parts of a shard, named once, where it is built")]
    pub(super) fn new(
        mailbox: Arc<Mailbox>,
        extractor: Arc<Extractor>,
        lookup: Lookup,
        writer: Writer,
        tracker: Arc<Tracker>,
        turns: Arc<Turns>,
        clock: SharedClock,
        config: ShardConfig,
        meter: Meter,
    ) -> Self {
        Self {
            mailbox,
            extractor,
            lookup,
            writer,
            tracker,
            turns,
            clock,
            config,
            meter,
            park: Park::default(),
            undo: UndoLog::default(),
            obligations: None,
            events: HashMap::default(),
            waiters: HashMap::default(),
            owed: BTreeSet::new(),
            due: VecDeque::new(),
            owed_bytes: 0,
            owed_count: 0,
            next_id: 0,
            lines: foldhash::fast::RandomState::default(),
            extraction: Extraction::default(),
            known: Vec::new(),
            leaving: Vec::new(),
        }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        let turns = Arc::clone(&self.turns);
        loop {
            let wait = self.until_next();
            let mail = self.mailbox.take(wait);
            let turn = turns.enter();
            self.undo.turn(turn.serial);
            match mail {
                Mail::News(News::Stop) => break,
                Mail::News(news) => self.news(news),
                Mail::Records(deal) => {
                    for (record, token) in deal {
                        self.process(record, token);
                    }
                }
                Mail::Nothing => {}
            }
            self.tick();
        }
        self.meter.flush();
    }

    fn until_next(&mut self) -> Duration {
        if !self.due.is_empty() {
            return Duration::ZERO;
        }
        let now = self.clock.monotonic();
        let owed = self.owed.first().map(|(until, _)| *until);
        let next = self.park.next_deadline().into_iter().chain(owed).min();
        next.map_or(LONGEST_WAIT, |next| next.saturating_sub(now).min(LONGEST_WAIT))
    }

    /// Does what time demands.
    pub(super) fn tick(&mut self) {
        let now = self.clock.monotonic();
        let mut leaving = std::mem::take(&mut self.leaving);
        self.park.expire(now, &mut leaving);
        self.leave(&mut leaving);
        self.leaving = leaving;
        self.pay_due(now);
        if self.meter.is_due(now) {
            self.meter.held(self.park.len(), self.park.bytes(), self.owed_count, self.owed_bytes);
            self.meter.flush();
        }
    }

    pub(super) fn news(&mut self, news: News) {
        match news {
            News::Notice(notice) => self.notice(&notice),
            News::Bounced(token, failure) => self.bounced(token, &failure),
            News::Paid(slot) => {
                self.paid(slot);
                self.tracker.late_done();
            }
            News::Replayed { window, owed, last } => self.replayed(window, owed, last),
            News::Revoke { windows, lost, done } => {
                self.revoke(&windows, lost);
                // The source may have stopped waiting.
                done.send(()).ok();
            }
            News::Relieve { window, through } => self.relieve(window, through),
            News::Undo(done) => {
                self.undo();
                // The source waits however long it takes.
                done.send(()).ok();
            }
            News::Resume => self.resume(),
            News::Drain(done) => {
                self.drain();
                done.send(()).ok();
            }
            News::Stop => {}
        }
    }

    /// Takes one record from its payload to the sink, or parks it.
    pub(super) fn process(&mut self, record: Arc<Record>, token: Token) {
        let now = self.clock.monotonic();
        if let Some((times, why)) = self.tracker.blame(&record.origin) {
            return self.otherwise(&record, token, times, &why);
        }
        let content = self.examine(&record, now);
        let hopeful = self.known.iter().any(Known::is_hopeful);
        let line = if hopeful || !self.park.is_empty() { self.line_of(&record, token) } else { None };
        let behind = line.is_some_and(|line| self.park.has_line(line));
        if !hopeful && !behind {
            let open = self.write(&record, token, content, now);
            if open {
                let reference = Reference::of(&record, &self.extraction);
                let event = self.take_event(Phase::Left, content, now);
                let id = self.new_id();
                self.list(id, &event);
                self.owe(id, event, reference, now, token);
            }
            return;
        }
        let weight = Event::parked_weight(&record, &self.extraction, &self.known);
        let event = self.take_event(Phase::Parked { record, token }, content, now);
        let id = self.new_id();
        self.list(id, &event);
        self.park.hold(id, line, !hopeful, now.saturating_add(self.config.deadline), weight);
        self.events.insert(id, event);
        if self.park.bytes() > self.config.park_bytes {
            let mut leaving = std::mem::take(&mut self.leaving);
            self.park.relieve(self.config.park_bytes, &mut leaving);
            self.leave(&mut leaving);
            self.leaving = leaving;
        }
    }

    /// Extracts and looks up; the result is in `self.extraction` and `self.known`.
    pub(super) fn examine(&mut self, record: &Record, now: Duration) -> Content {
        self.known.clear();
        let Some(payload) = record.payload() else { return Content::Tombstone };
        let sampled = self.meter.samples_next();
        self.writer.timer = sampled.then(|| Arc::clone(&self.clock));
        let clock = &self.clock;
        let (extractor, extraction) = (&self.extractor, &mut self.extraction);
        let (lookup, meter, known) = (&mut self.lookup, &mut self.meter, &mut self.known);
        // Our own fault must cost one annotation, not the stream.
        let examined = catch_unwind(AssertUnwindSafe(|| {
            extractor.extract(payload, extraction);
            let extracted = sampled.then(|| clock.monotonic());
            lookup.states(record, extraction, now, meter, known);
            if let Some(extracted) = extracted {
                meter.stage(Stage::Extract, extracted.saturating_sub(now));
                meter.stage(Stage::Lookup, clock.monotonic().saturating_sub(extracted));
            }
        }));
        if examined.is_err() {
            self.extraction = Extraction::default();
            self.known.clear();
            self.meter.fault();
            tracing::error!(
                topic = %record.origin.topic,
                partition = record.origin.partition,
                offset = record.origin.offset,
                "internal error while examining an event; it leaves unannotated"
            );
            return Content::Fault;
        }
        let outline = self.extraction.outline();
        match outline.format {
            Format::Binary => Content::Unparsed,
            Format::JsonObject
            | Format::Json
            | Format::Cef
            | Format::Leef
            | Format::Syslog
            | Format::Xml
            | Format::Text => {
                if self.extraction.is_empty() && outline.ours.is_empty() {
                    Content::Plain
                } else {
                    Content::Annotated
                }
            }
        }
    }

    /// Writes the event of `self.extraction` and `self.known` out. Whether an answer is still owed.
    fn write(&mut self, record: &Record, token: Token, content: Content, taken: Duration) -> bool {
        let begun = self.writer.timer.as_ref().map(|clock| clock.monotonic());
        let wall = self.clock.wall_ms();
        let mut dead = false;
        let owing = self.is_owing();
        // Before the report can come.
        if owing && self.obligations.is_some() {
            self.tracker.expect(token);
        }
        let (status, disposition) = match content {
            Content::Tombstone => {
                self.writer.untouched(record, token);
                (Status::None, None)
            }
            Content::Plain => (self.writer.bare(record, token, Status::None), None),
            Content::Unparsed => (self.writer.bare(record, token, Status::Unparsed), None),
            Content::Fault => (self.writer.bare(record, token, Status::Error), None),
            Content::Annotated => {
                let (summary, written) = self.writer.annotated(record, token, &self.extraction, &self.known, wall);
                dead = !written;
                (summary.status, summary.disposition)
            }
        };
        let done = self.clock.monotonic();
        if let (Some(_), Some(begun)) = (self.writer.timer.take(), begun) {
            let sending = self.writer.sending.take();
            self.meter.stage(Stage::Produce, sending);
            self.meter.stage(Stage::Annotate, done.saturating_sub(begun).saturating_sub(sending));
        }
        self.meter.dead_letters(self.writer.take_dead_letters());
        if status != Status::Complete && status != Status::None {
            for known in &self.known {
                if let Known::Settled(entry) | Known::Open { entry, .. } = known {
                    self.meter.skipped(entry);
                }
            }
        }
        let spent = done.saturating_sub(taken);
        self.meter.produced(status, disposition, spent, record.timestamp.map(|created| wall - created));
        if owing && dead && self.obligations.is_some() {
            self.tracker.finish(token);
        }
        owing && !dead
    }

    /// Parked events leave, in this order.
    pub(super) fn leave(&mut self, leaving: &mut Vec<EventId>) {
        for id in leaving.drain(..) {
            let Some(event) = self.events.remove(&id) else { continue };
            let Event { phase, extraction, known, content, taken } = event;
            let Phase::Parked { record, token } = phase else { continue };
            let spare =
                (std::mem::replace(&mut self.extraction, extraction), std::mem::replace(&mut self.known, known));
            self.refresh_open();
            let open = self.write(&record, token, content, taken);
            let extraction = std::mem::replace(&mut self.extraction, spare.0);
            let known = std::mem::replace(&mut self.known, spare.1);
            let event = Event { phase: Phase::Left, extraction, known, content, taken };
            if open {
                let reference = Reference::of(&record, &event.extraction);
                let now = self.clock.monotonic();
                self.owe(id, event, reference, now, token);
            } else {
                self.unlist(id, &event);
            }
        }
    }

    /// Brings what is still open up to date before it is written.
    fn refresh_open(&mut self) {
        for known in &mut self.known {
            if let Known::Open { subject, entry, .. } = known
                && let Some(current) = self.lookup.enricher.snapshot(subject)
            {
                *entry = current;
            }
        }
    }

    pub(super) fn new_id(&mut self) -> EventId {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn take_event(&mut self, phase: Phase, content: Content, taken: Duration) -> Event {
        let extraction = std::mem::take(&mut self.extraction);
        Event { phase, extraction, known: std::mem::take(&mut self.known), content, taken }
    }

    fn line_of(&self, record: &Record, token: Token) -> Option<LineId> {
        let window = window_of(token);
        match self.config.order {
            Order::Partition => Some(self.lines.hash_one(window)),
            Order::Key => record.key().map(|key| self.lines.hash_one((window, key))),
        }
    }

    /// Enters an event with everybody whom it waits for.
    pub(super) fn list(&mut self, id: EventId, event: &Event) {
        for known in &event.known {
            if let Known::Open { subject, .. } = known {
                let ids = self.waiters.entry(subject.clone()).or_default();
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
        }
    }

    pub(super) fn unlist(&mut self, id: EventId, event: &Event) {
        for known in &event.known {
            if let Known::Open { subject, .. } = known
                && let Some(ids) = self.waiters.get_mut(subject)
            {
                // They were entered in their order.
                if let Ok(place) = ids.binary_search(&id) {
                    ids.remove(place);
                }
                if ids.is_empty() {
                    self.waiters.remove(subject);
                }
            }
        }
    }
}
