//! The fleet's assessments: what one replica learns, all know, and a replica that starts knows what the fleet knows.
//!
//! Every answer of a provider is written to the log of assessments with what else is known of its indicator; every replica follows the log. A flight
//! that waits for an answer which another replica has got takes it from there, and lands without a call if it needs nothing more. What has outlived its time by
//! the wall clock does not enter the cache, and when the log has been read for the first time its key is given a tombstone.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    cache::{self, Cache, Entry, time_to_live},
    enrich::{Enricher, Shared, board::Board, flight::SlotState, known::wall_age},
    model::{Answer, Indicator, ProviderId, Reason, Source, Verdict},
    score,
    state::{Follower, Following, Log, LogError, LogRecord, assessment, discard},
    telemetry::StateLog,
};

/// Keys that are given a tombstone after a start, at most; the rest after the next one.
const MOST_EXPIRED: usize = 200_000;

/// What a provider answered, and the monotonic end of its life.
type Lesson = Option<(Verdict, Duration)>;

/// What stands between the board and the log of assessments.
pub(super) struct Pool {
    score: score::Config,
    cache_config: cache::Config,
    cache: Cache,
    providers: Vec<ProviderId>,
    log: OnceLock<Arc<dyn Log>>,
    /// Held by whoever appends: answers of one indicator must not overtake each other.
    appending: Mutex<()>,
    read: AtomicU64,
    caught_up: AtomicBool,
}

/// How far the fleet's assessments have been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warmth {
    /// Records read since the start.
    pub read: u64,
    /// Whether everything has been read that stood in the log at the start.
    pub caught_up: bool,
}

/// Answers on their way to the log.
pub(super) type Assessed = VecDeque<(Indicator, Vec<(ProviderId, Verdict)>)>;

impl Pool {
    pub(super) fn new(
        score: score::Config,
        cache_config: cache::Config,
        cache: Cache,
        providers: Vec<ProviderId>,
    ) -> Self {
        let (log, appending) = (OnceLock::new(), Mutex::default());
        let (read, caught_up) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { score, cache_config, cache, providers, log, appending, read, caught_up }
    }
}

impl Board {
    /// An answer came: what is known of the indicator goes to the fleet, if there is one.
    pub(super) fn tell(&mut self, indicator: &Indicator) {
        let (Some(assessed), Some(flight)) = (&mut self.assessed, self.flights.get(indicator)) else { return };
        let answered = flight.slots.iter().filter_map(|slot| match &slot.state {
            SlotState::Answered { verdict, .. } => Some((self.desks.get(slot.provider)?.id, verdict.clone())),
            SlotState::Waiting { .. } | SlotState::Calling { .. } | SlotState::Over { .. } => None,
        });
        assessed.push_back((indicator.clone(), answered.collect()));
    }

    /// Takes what another replica learned into the flight of the indicator; false where there is none. `lessons` is parallel to the desks.
    fn learn(&mut self, indicator: &Indicator, lessons: &[Lesson], now: Duration, wall_ms: i64) -> bool {
        let Some(flight) = self.flights.get_mut(indicator) else { return false };
        let place = flight.place;
        for slot in &mut flight.slots {
            let Some(Some((verdict, expires))) = lessons.get(slot.provider) else { continue };
            match &slot.state {
                SlotState::Waiting { not_before, .. } => {
                    if let Some(desk) = self.desks.get_mut(slot.provider) {
                        desk.queue.remove(place, *not_before);
                    }
                }
                SlotState::Answered { verdict: known, .. } if known.answered_at < verdict.answered_at => {}
                // A call that is under way is paid: its own answer comes.
                SlotState::Answered { .. } | SlotState::Calling { .. } | SlotState::Over { .. } => continue,
            }
            slot.state = SlotState::Answered { verdict: verdict.clone(), expires: *expires };
        }
        flight.snapshot = None;
        self.review(indicator, now, wall_ms);
        true
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Learned {
    /// Something was new.
    News,
    /// All of it was known.
    Known,
    /// Nothing in it is fresh.
    Expired,
}

impl Shared {
    /// Takes in what the fleet knows of an indicator.
    fn learn(&self, indicator: &Indicator, verdicts: Vec<(ProviderId, Verdict)>) -> Learned {
        let (now, wall_ms, pool) = (self.clock.monotonic(), self.clock.wall_ms(), &self.pool);
        let mut lessons: Vec<Lesson> = vec![None; self.pool.providers.len()];
        for (id, verdict) in verdicts {
            // By the age of the answer. Clocks differ: an answer from the future is one of now, so that nothing lives longer than its time.
            let age = wall_age(verdict.answered_at, wall_ms);
            let answer = Answer::Verdict(verdict);
            let lives = time_to_live(&answer, &pool.cache_config).unwrap_or(Duration::MAX).saturating_sub(age);
            let provider = pool.providers.iter().position(|known| *known == id);
            if let (Some(lesson), Answer::Verdict(verdict)) =
                (provider.and_then(|provider| lessons.get_mut(provider)), answer)
                && !lives.is_zero()
            {
                *lesson = Some((verdict, now.saturating_add(lives)));
            }
        }
        if lessons.iter().all(Option::is_none) {
            return Learned::Expired;
        }
        if !self.merge_known(indicator, &mut lessons) {
            return Learned::Known;
        }
        let entry = self.entry_of(indicator, &lessons, now);
        self.step(|board, now, wall_ms| {
            if !board.learn(indicator, &lessons, now, wall_ms) {
                pool.cache.insert(indicator.clone(), entry);
            }
        });
        Learned::News
    }

    /// Of each provider the newer answer, this one or the one in the cache; whether any of these is newer.
    fn merge_known(&self, indicator: &Indicator, lessons: &mut [Lesson]) -> bool {
        let Some(known) = self.pool.cache.peek(indicator.borrowed()) else { return true };
        let mut news = false;
        for (id, lesson) in self.pool.providers.iter().zip(lessons) {
            let mut sources = known.assessment().sources.iter().zip(known.expires());
            let of_provider = sources.find(|(source, _)| source.provider == *id);
            let cached = of_provider.and_then(|(source, expires)| Some((source.answer.verdict()?, *expires)));
            match (&lesson, cached) {
                (Some((new, _)), Some((old, _))) if new.answered_at > old.answered_at => news = true,
                (_, Some((old, expires))) => *lesson = Some((old.clone(), expires)),
                (Some(_), None) => news = true,
                (None, None) => {}
            }
        }
        news
    }

    /// An entry of these answers; a responsible provider without one makes it one that has to be completed.
    fn entry_of(&self, indicator: &Indicator, lessons: &[Lesson], now: Duration) -> Arc<Entry> {
        let clients = self.clients.read();
        let responsible = clients.iter().zip(lessons).filter(|(client, _)| client.supports(indicator.kind));
        let (sources, expires) = responsible
            .map(|(client, lesson)| {
                let (answer, expires) = match lesson {
                    Some((verdict, expires)) => (Answer::Verdict(verdict.clone()), *expires),
                    None => (Answer::Pending { reason: Reason::Queued }, now),
                };
                (Source { provider: client.id(), answer, stale: false }, expires)
            })
            .unzip();
        let assessment = score::assess(indicator.kind, sources, &self.pool.score);
        Arc::new(Entry::new(indicator, assessment, expires))
    }

    /// Appends what was answered, in the order of the answers. Whoever is at it already takes this along.
    pub(super) fn publish(&self) {
        let Some(log) = self.pool.log.get() else { return };
        loop {
            let Some(turn) = self.pool.appending.try_lock() else { return };
            let assessed = self.board.lock().assessed.as_mut().map(std::mem::take).unwrap_or_default();
            if assessed.is_empty() {
                return;
            }
            for (indicator, verdicts) in assessed {
                let key = assessment::key(&indicator);
                let value = assessment::encode(&key, verdicts.iter().map(|(id, verdict)| (*id, verdict)));
                // What the log does not take, the others look up themselves.
                let taken = log.append(None, &key, Some(&value), discard()).is_ok();
                self.metrics.state_record(StateLog::Assessments, if taken { "written" } else { "lost" });
            }
            drop(turn);
        }
    }
}

/// Hands the log's records to the cache and the flights.
struct PoolFollower {
    shared: Arc<Shared>,
    log: Arc<dyn Log>,
    /// Keys whose last value is past its time; only until everything was read once.
    expired: Option<HashSet<Box<[u8]>, foldhash::fast::RandomState>>,
}

impl Follower for PoolFollower {
    fn record(&mut self, record: LogRecord<'_>) {
        let shared = &self.shared;
        shared.pool.read.fetch_add(1, Ordering::Relaxed);
        let count = |result| shared.metrics.state_record(StateLog::Assessments, result);
        let indicator = match assessment::indicator(record.key) {
            Ok(indicator) => indicator,
            Err(why) => return count(why.as_str()),
        };
        let Some(value) = record.value else {
            if let Some(expired) = &mut self.expired {
                expired.remove(record.key);
            }
            shared.forget(&indicator);
            return count("tombstone");
        };
        match assessment::decode(record.key, value, &shared.pool.providers) {
            Err(why) => count(why.as_str()),
            Ok(verdicts) => {
                // With none of these providers here nothing is known of its age.
                let foreign = verdicts.is_empty();
                let learned = shared.learn(&indicator, verdicts);
                count("read");
                if let Some(expired) = &mut self.expired {
                    if learned == Learned::Expired && !foreign && expired.len() < MOST_EXPIRED {
                        expired.insert(record.key.into());
                    } else if learned != Learned::Expired {
                        expired.remove(record.key);
                    }
                }
            }
        }
    }

    fn caught_up(&mut self) {
        for key in self.expired.take().unwrap_or_default() {
            if self.log.append(None, &key, None, discard()).is_err() {
                break;
            }
        }
        self.shared.pool.caught_up.store(true, Ordering::Release);
    }
}

impl Shared {
    /// Forgets an indicator here, also where something of it is still waited for.
    fn forget(&self, indicator: &Indicator) {
        let effects = {
            let mut board = self.board.lock();
            board.forget(indicator, self.clock.monotonic());
            self.pool.cache.purge(indicator.borrowed());
            board.take_effects()
        };
        self.apply(effects);
    }
}

impl Enricher {
    /// Shares assessments by this log: writes what is answered from now on, and reads what the fleet knows on a thread of its own until the answer is dropped.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    pub fn share_assessments(&self, log: Arc<dyn Log>) -> Result<Following, LogError> {
        self.shared.pool.log.set(Arc::clone(&log)).ok();
        self.shared.board.lock().assessed = Some(VecDeque::new());
        let partitions: Vec<i32> = (0..log.partitions()).collect();
        let follower =
            PoolFollower { shared: Arc::clone(&self.shared), log: Arc::clone(&log), expired: Some(HashSet::default()) };
        log.follow(&partitions, Box::new(follower))
    }

    /// How far the fleet's assessments have been read.
    pub fn warmth(&self) -> Warmth {
        let pool = &self.shared.pool;
        Warmth { read: pool.read.load(Ordering::Relaxed), caught_up: pool.caught_up.load(Ordering::Acquire) }
    }

    /// Forgets an indicator, here and, by a tombstone, in the whole fleet.
    ///
    /// # Errors
    /// [`LogError`] when the log does not take it; it is forgotten here all the same.
    pub fn purge(&self, indicator: &Indicator) -> Result<(), LogError> {
        self.shared.forget(indicator);
        match self.shared.pool.log.get() {
            Some(log) => log.append(None, &assessment::key(indicator), None, discard()),
            None => Ok(()),
        }
    }
}
