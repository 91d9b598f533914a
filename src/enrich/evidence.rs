//! What has been seen of indicators that are not known, in memory of a fixed size: how often, by how many sources, and who brings more than a fair share.
//!
//! An indicator that falls out of the waiting set, or never got in, keeps what was counted of it here until something newer takes the place. All of it steers the order of
//! asking and nothing else, so that a collision of hashes costs a little order and never a verdict.

use std::time::Duration;

use crate::{
    enrich::worth::Evidence,
    model::{Indicator, IndicatorKind, Severity},
};

/// Places of a set: an indicator may stand in any of them.
const WAYS: usize = 4;
/// Most entries, 24 bytes each.
const MOST_ENTRIES: usize = 1 << 22;
/// After this long without a sighting an entry may be taken whatever it holds, seconds.
const FORGOTTEN: u32 = 48 * 3_600;

/// What was counted of one indicator.
#[derive(Clone, Copy, Debug, Default)]
struct Trace {
    tag: u32,
    /// Seconds; 0 is a free place.
    seen: u32,
    /// A bit for each source, by its hash.
    sources: u64,
    sightings: u32,
    over: u8,
    severity: Severity,
    severe: u16,
}

/// Traces of indicators.
#[derive(Debug)]
pub(super) struct Traces {
    sets: Vec<[Trace; WAYS]>,
}

impl Traces {
    /// Room for twice as many as may wait, and for 4 million at most.
    pub(super) fn new(max_waiting: usize) -> Self {
        let sets = (max_waiting.saturating_mul(2) / WAYS).clamp(256, MOST_ENTRIES / WAYS).next_power_of_two();
        Self { sets: vec![[Trace::default(); WAYS]; sets] }
    }

    fn set(&mut self, digest: u64) -> Option<(&mut [Trace; WAYS], u32)> {
        let index = digest as usize & (self.sets.len() - 1);
        self.sets.get_mut(index).map(|set| (set, (digest >> 32) as u32))
    }

    /// Whether an indicator has left a trace.
    pub(super) fn knows(&mut self, digest: u64) -> bool {
        self.set(digest).is_some_and(|(set, tag)| set.iter().any(|trace| trace.seen != 0 && trace.tag == tag))
    }

    /// Counts a sighting; `over` and `severity` are those of its source. What all sightings add up to.
    pub(super) fn sight(&mut self, digest: u64, source: u64, over: u8, severity: Severity, now: Duration) -> Evidence {
        let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        let Some((set, tag)) = self.set(digest) else { return Evidence::default() };
        let mut at = set.iter().position(|trace| trace.seen != 0 && trace.tag == tag);
        if at.is_none() {
            at = set.iter().enumerate().min_by_key(|(_, trace)| standing(trace, seconds)).map(|(at, _)| at);
            if let Some(trace) = at.and_then(|at| set.get_mut(at)) {
                *trace = Trace { tag, over, ..Trace::default() };
            }
        }
        let Some(trace) = at.and_then(|at| set.get_mut(at)) else { return Evidence::default() };
        trace.seen = seconds;
        trace.sightings = trace.sightings.saturating_add(1);
        trace.over = trace.over.min(over);
        if over == 0 {
            trace.sources |= 1 << (source.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58);
            trace.severity = trace.severity.max(severity);
            trace.severe = trace.severe.saturating_add(u16::from(severity >= Severity::High));
        }
        Evidence {
            sightings: trace.sightings,
            sources: distinct(trace.sources),
            over: trace.over,
            severity: trace.severity,
            severe: u32::from(trace.severe),
        }
    }
}

/// Whoever stands lowest gives way: the forgotten, then those of floods, then those seen least, then the oldest.
fn standing(trace: &Trace, now: u32) -> (bool, bool, u32, u32) {
    let is_kept = trace.seen != 0 && now.saturating_sub(trace.seen) < FORGOTTEN;
    (is_kept, trace.over == 0, trace.sightings, trace.seen)
}

/// How many have set these bits, by linear counting.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 266")]
fn distinct(bits: u64) -> u32 {
    let free = f64::from(bits.count_zeros().max(1));
    (-64.0 * (free / 64.0).ln()).round() as u32
}

/// Rows of a sketch; the least of them counts.
const ROWS: usize = 2;
/// Cells of a row.
const CELLS: usize = 1 << 15;
/// What was counted is worth half after this long, seconds.
const HALF_LIFE: f32 = 3_600.0;

/// How much each source brought of late: a count-min sketch that fades. 512 KiB.
#[derive(Debug)]
pub(super) struct Shares {
    cells: Vec<(f32, u32)>,
    share: f32,
}

impl Shares {
    pub(super) fn new(share: f32) -> Self {
        Self { cells: vec![(0.0, 0); ROWS * CELLS], share }
    }

    /// Counts one more for this source where `counts`; doublings over the fair share, rounded up, 0 within it. Source 0 has no share to exceed.
    pub(super) fn over(&mut self, source: u64, counts: bool, now: Duration) -> u8 {
        if source == 0 {
            return 0;
        }
        let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let mut least = f32::MAX;
        for row in 0..ROWS {
            let mixed = source.wrapping_mul(if row == 0 { 0x9E37_79B9_7F4A_7C15 } else { 0xC2B2_AE3D_27D4_EB4F });
            let index = row * CELLS + (mixed >> 49) as usize;
            let Some((count, at)) = self.cells.get_mut(index) else { continue };
            let faded = *count * (-(seconds.saturating_sub(*at) as f32) / HALF_LIFE).exp2();
            let brought = faded + if counts { 1.0 } else { 0.0 };
            if counts {
                (*count, *at) = (brought, seconds);
            }
            least = least.min(brought);
        }
        let doublings = (least / self.share).log2().ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 128")]
        if doublings > 0.0 { doublings as u8 } else { 0 }
    }
}

/// What an indicator has in common with those that were made up beside it: the registered domain, or the network of 256 addresses (IPv6: /48). `None`
/// for a hash, which belongs to nothing.
pub(super) fn group(indicator: &Indicator) -> Option<&str> {
    let value: &str = &indicator.value;
    match indicator.kind {
        IndicatorKind::Domain => Some(psl::domain_str(value).unwrap_or(value)),
        IndicatorKind::Email => value.rsplit_once('@').map(|(_, name)| psl::domain_str(name).unwrap_or(name)),
        IndicatorKind::Url => {
            let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
            let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            Some(psl::domain_str(host).unwrap_or(host))
        }
        IndicatorKind::Ipv4 => value.rsplit_once('.').map(|(network, _)| network),
        IndicatorKind::Ipv6 => value.match_indices(':').nth(2).and_then(|(at, _)| value.get(..at)),
        IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256
        | IndicatorKind::Sha512
        | IndicatorKind::Cve => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn sightings_and_sources_are_counted_and_kept() {
        let mut traces = Traces::new(1_000);
        for n in 1..=12u64 {
            let evidence = traces.sight(77, n % 3 + 1, 0, Severity::Low, HOUR);
            assert_eq!(evidence.sightings, n as u32);
        }
        let evidence = traces.sight(77, 1, 3, Severity::High, HOUR);
        assert_eq!((evidence.sources, evidence.over), (3, 0));
        assert_eq!(evidence.severity, Severity::Low, "a source that floods does not make it serious");
        assert!(traces.knows(77) && !traces.knows(78));
    }

    #[test]
    fn what_was_seen_often_outlives_a_flood_of_names() {
        let mut traces = Traces::new(1_000);
        for _ in 0..3 {
            traces.sight(42 << 32 | 7, 5, 0, Severity::Low, HOUR);
        }
        for n in 0..200_000u64 {
            traces.sight(n.wrapping_mul(0x9E37_79B9_7F4A_7C15), 9, 8, Severity::Low, HOUR);
        }
        assert_eq!(traces.sight(42 << 32 | 7, 5, 0, Severity::Low, HOUR).sightings, 4);
        assert!(traces.sets.len() * WAYS <= 4_096, "bounded by what may wait");
    }

    #[test]
    fn a_share_is_exceeded_by_doublings_and_comes_back() {
        let mut shares = Shares::new(10.0);
        assert_eq!((0..10).map(|_| shares.over(1, true, HOUR)).max(), Some(0));
        assert_eq!(shares.over(1, true, HOUR), 1);
        for _ in 0..70 {
            shares.over(1, true, HOUR);
        }
        assert_eq!(shares.over(1, false, HOUR), 4);
        assert_eq!(shares.over(2, true, HOUR), 0, "another source");
        assert_eq!(shares.over(1, false, 6 * HOUR), 0, "faded");
        assert_eq!((0..1_000).map(|_| shares.over(0, true, HOUR)).max(), Some(0), "nobody in particular");
    }

    #[test]
    fn indicators_belong_to_groups() {
        let of = |kind, value: &str| group(&Indicator::new(kind, value)).map(str::to_owned);
        assert_eq!(of(IndicatorKind::Domain, "a.b.example.co.uk").as_deref(), Some("example.co.uk"));
        assert_eq!(of(IndicatorKind::Url, "https://x.example.com/p?q").as_deref(), Some("example.com"));
        assert_eq!(of(IndicatorKind::Ipv4, "198.51.100.7").as_deref(), Some("198.51.100"));
        assert_eq!(of(IndicatorKind::Ipv6, "2001:db8:7:8::1").as_deref(), Some("2001:db8:7"));
        assert_eq!(of(IndicatorKind::Md5, "d41d8cd98f00b204e9800998ecf8427e"), None);
    }
}
