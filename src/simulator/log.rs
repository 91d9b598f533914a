//! The log of calls and what it adds up to.
//!
//! The log is bounded; the counters are not touched when old entries go. Distinct indicators and windows are computed over
//! the entries that are still there.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    time::Duration,
};

use serde::{Serialize, Serializer};

use crate::{model::ProviderId, simulator::quota::date};

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it arrived: milliseconds since the epoch.
    pub time: i64,
    /// When it arrived: monotonic time of the clock, in nanoseconds.
    #[serde(rename = "monotonic_ns", serialize_with = "nanoseconds")]
    pub monotonic: Duration,
    /// Number of the call. A call about several indicators has an entry for each.
    pub call: u64,
    /// Which service was asked; `redirect` where a redirect was followed.
    #[serde(serialize_with = "name")]
    pub provider: ProviderId,
    /// HTTP method.
    pub method: Box<str>,
    /// Kind of the indicator; `other` for a call that is no look-up.
    pub kind: &'static str,
    /// The indicator as the service understood it, or the path of a call that is no look-up.
    pub indicator: Box<str>,
    /// The status sent; `None` where none was (hang).
    pub status: Option<u16>,
    /// The fault that met it.
    pub fault: Option<crate::simulator::Fault>,
    /// Whether it was one too many for the quota.
    pub over_quota: bool,
}

fn name<S: Serializer>(provider: &ProviderId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(provider.as_str())
}

fn nanoseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// What the log adds up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// By service.
    pub providers: BTreeMap<&'static str, ServiceStats>,
    /// Entries that the bound of the log has cost.
    pub log_dropped: u64,
}

/// What one service has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceStats {
    /// Calls.
    pub calls: u64,
    /// Calls that were one too many for the quota.
    pub over_quota: u64,
    /// Calls by status; those never answered are under 0.
    pub statuses: BTreeMap<u16, u64>,
    /// Different indicators asked for.
    pub distinct: u64,
    /// Calls for an indicator that was asked for before.
    pub duplicates: u64,
    /// Calls for an indicator on which a verdict (200 or 404 without a fault) had been given already.
    pub duplicates_after_verdict: u64,
    /// Most calls in any span of a second.
    pub max_per_second: u64,
    /// Most calls in any span of 60 seconds.
    pub max_per_minute: u64,
    /// Most calls in any span of 3,600 seconds.
    pub max_per_hour: u64,
    /// Most calls on any day in UTC.
    pub max_per_day: u64,
}

#[derive(Debug)]
pub(crate) struct Log {
    capacity: usize,
    entries: VecDeque<Entry>,
    calls: u64,
    counters: BTreeMap<&'static str, ServiceStats>,
    dropped: u64,
}

impl Log {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: VecDeque::new(), calls: 0, counters: BTreeMap::new(), dropped: 0 }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.capacity);
    }

    /// A call: the same entry for each of its indicators (kind and value).
    pub(crate) fn push(&mut self, entry: Entry, indicators: Vec<(&'static str, Box<str>)>) {
        self.calls += 1;
        let counters = self.counters.entry(entry.provider.as_str()).or_default();
        counters.calls += 1;
        counters.over_quota += u64::from(entry.over_quota);
        *counters.statuses.entry(entry.status.unwrap_or(0)).or_default() += 1;
        for (kind, indicator) in indicators {
            self.entries.push_back(Entry { call: self.calls, kind, indicator, ..entry.clone() });
            if self.entries.len() > self.capacity {
                self.entries.pop_front();
                self.dropped += 1;
            }
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut providers = self.counters.clone();
        for (provider, stats) in &mut providers {
            let entries = || self.entries.iter().filter(|entry| entry.provider.as_str() == *provider);
            add_repeats(stats, entries());
            let mut last = 0;
            let calls: Vec<&Entry> =
                entries().filter(|entry| std::mem::replace(&mut last, entry.call) != entry.call).collect();
            let times: Vec<Duration> = calls.iter().map(|entry| entry.monotonic).collect();
            stats.max_per_second = densest(&times, Duration::from_secs(1));
            stats.max_per_minute = densest(&times, Duration::from_secs(60));
            stats.max_per_hour = densest(&times, Duration::from_secs(3600));
            let mut days = BTreeMap::<_, u64>::new();
            for entry in calls {
                *days.entry(date(entry.time)).or_default() += 1;
            }
            stats.max_per_day = days.into_values().max().unwrap_or(0);
        }
        Stats { providers, log_dropped: self.dropped }
    }
}

fn add_repeats<'a>(stats: &mut ServiceStats, entries: impl Iterator<Item = &'a Entry>) {
    let mut asked = HashSet::new();
    let mut answered = HashSet::new();
    for entry in entries {
        let key = (entry.kind, &*entry.indicator);
        stats.duplicates += u64::from(!asked.insert(key));
        stats.duplicates_after_verdict += u64::from(answered.contains(&key));
        if entry.fault.is_none() && matches!(entry.status, Some(200 | 404)) {
            answered.insert(key);
        }
    }
    stats.distinct = u64::try_from(asked.len()).unwrap_or(u64::MAX);
}

/// Most of the (ascending) times in any half-open span of this length.
fn densest(times: &[Duration], span: Duration) -> u64 {
    let mut first = times.iter().peekable();
    let mut inside = 0_u64;
    let mut most = 0;
    for &time in times {
        inside += 1;
        while first.next_if(|&&start| start + span <= time).is_some() {
            inside -= 1;
        }
        most = most.max(inside);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Fault;

    fn entry(seconds: u64, indicator: &str, status: u16, fault: Option<Fault>) -> Entry {
        Entry {
            time: i64::try_from(seconds * 1000).unwrap(),
            monotonic: Duration::from_secs(seconds),
            call: 0,
            provider: ProviderId("abuseipdb"),
            method: "GET".into(),
            kind: "ipv4",
            indicator: indicator.into(),
            status: Some(status),
            fault,
            over_quota: status == 429,
        }
    }

    fn push(log: &mut Log, entry: Entry) {
        let indicator = (entry.kind, entry.indicator.clone());
        log.push(entry, vec![indicator]);
    }

    #[test]
    fn a_call_about_many_indicators_is_one_call() {
        let mut log = Log::new(100);
        let indicators = ["198.51.100.1", "198.51.100.2"].map(|value| ("ipv4", value.into()));
        log.push(entry(0, "", 200, None), indicators.to_vec());
        push(&mut log, entry(1, "198.51.100.2", 200, None));
        let stats = log.stats().providers.remove("abuseipdb").unwrap();
        assert_eq!((stats.calls, stats.distinct, stats.duplicates, stats.max_per_minute), (2, 2, 1, 2));
        assert_eq!(log.entries().iter().map(|entry| entry.call).collect::<Vec<_>>(), [1, 1, 2]);
    }

    #[test]
    fn calls_add_up() {
        let mut log = Log::new(100);
        push(&mut log, entry(0, "198.51.100.1", 503, Some(Fault::Unavailable)));
        push(&mut log, entry(1, "198.51.100.1", 200, None));
        push(&mut log, entry(59, "198.51.100.2", 429, None));
        push(&mut log, entry(60, "198.51.100.1", 200, None));
        let stats = log.stats().providers.remove("abuseipdb").unwrap();
        let expected = ServiceStats {
            calls: 4,
            over_quota: 1,
            statuses: BTreeMap::from([(200, 2), (429, 1), (503, 1)]),
            distinct: 2,
            duplicates: 2,
            duplicates_after_verdict: 1,
            max_per_second: 1,
            max_per_minute: 3,
            max_per_hour: 4,
            max_per_day: 4,
        };
        assert_eq!(stats, expected);
    }

    #[test]
    fn the_log_is_bounded_and_the_counters_go_on() {
        let mut log = Log::new(2);
        for second in 0..5 {
            push(&mut log, entry(second, "198.51.100.1", 200, None));
        }
        assert_eq!(log.entries().len(), 2);
        let stats = log.stats();
        assert_eq!((stats.log_dropped, stats.providers["abuseipdb"].calls), (3, 5));
        log.reset();
        assert_eq!(log.stats(), Stats::default());
    }
}
