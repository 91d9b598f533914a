//! Judging a sighting: how much its indicator is worth by now, whether the reserve is open to it, and whether it belongs to a flood.

use std::{hash::BuildHasher, time::Duration};

use crate::{
    budget::Urgency,
    enrich::{
        Config, Sighting,
        evidence::{Shares, Traces, group},
        worth::{AGE, ANALYST, GROUP_SHARE, SOURCE_SHARE, URGENT_SHARE, points},
    },
    model::{Indicator, Reason, Severity},
};

/// Points are counted in eighths, so that age counts by minutes.
const EIGHTHS: i64 = 8;
/// The worth of no points at the start of the process.
const ZERO: i64 = 1 << 31;

/// What a sighting comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    /// Comparable with all others, earlier and later: age is in it.
    pub(super) worth: u32,
    /// May be paid from the reserve.
    pub(super) urgent: bool,
    /// Its source, or its group, brings more than its share.
    pub(super) flood: bool,
}

impl Judgement {
    /// Why it is not asked about, where others are worth more.
    pub(super) const fn reason(flood: bool) -> Reason {
        if flood { Reason::Flood } else { Reason::Outranked }
    }
}

/// The memory of triage; its size follows from `max_waiting`.
#[derive(Debug)]
pub(super) struct Triage {
    traces: Traces,
    sources: Shares,
    groups: Shares,
    urgents: Shares,
    /// Events of this severity may use the reserve; `None`: no event may.
    urgent_from: Option<Severity>,
    hasher: foldhash::fast::RandomState,
}

impl Triage {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            traces: Traces::new(config.max_waiting),
            sources: Shares::new(SOURCE_SHARE),
            groups: Shares::new(GROUP_SHARE),
            urgents: Shares::new(URGENT_SHARE),
            urgent_from: config.urgent_severity,
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// Whether the reserve is open to events of this severity.
    pub(super) fn is_serious(&self, severity: Severity) -> bool {
        self.urgent_from.is_some_and(|from| severity >= from)
    }

    /// Counts a sighting of an indicator that is not known and has waited since `began`.
    pub(super) fn judge(
        &mut self,
        indicator: &Indicator,
        sighting: Sighting,
        began: Duration,
        now: Duration,
    ) -> Judgement {
        let digest = self.hasher.hash_one(indicator);
        let is_new = !self.traces.knows(digest);
        let (source, severity) = (sighting.event.source, sighting.event.severity);
        let over_source = self.sources.over(source, is_new, now);
        let group = group(indicator).map_or(0, |group| self.hasher.hash_one(group) | 1);
        let over_group = self.groups.over(group, is_new, now);
        let mut evidence = self.traces.sight(digest, source, over_source, severity, now);
        evidence.over = evidence.over.max(over_group);
        let analyst = sighting.urgency == Urgency::Urgent;
        let is_serious = self.is_serious(severity) && evidence.over == 0;
        let urgent = analyst || is_serious && self.urgents.over(source, is_new, now) == 0;
        let points = points(indicator.kind, sighting.role, evidence) + if analyst { ANALYST } else { 0 };
        Judgement { worth: worth_at(points, began), urgent, flood: evidence.over > 0 }
    }
}

/// The points that a place is worth at a moment, its age included; those of its indicator alone where that is when it began to wait.
pub(super) fn points_of(worth: u32, at: Duration) -> i32 {
    let points = (i64::from(worth) - i64::from(worth_at(0, at))) / EIGHTHS;
    i32::try_from(points).unwrap_or(if points > 0 { i32::MAX } else { i32::MIN })
}

/// Whether a person waits for what is worth so much.
pub(super) const fn is_a_person(points: i32) -> bool {
    points > ANALYST / 2
}

/// What these points are worth when the indicator began to wait now. Everything ages alike, so that the order of those that wait never changes by itself:
/// instead of growing with time, worth is less for those that come later.
fn worth_at(points: i32, began: Duration) -> u32 {
    let hours_in_eighths = i64::from(AGE) * i64::try_from(began.as_secs()).unwrap_or(i64::MAX / 64) * EIGHTHS / 3_600;
    let worth = ZERO.saturating_add(i64::from(points) * EIGHTHS).saturating_sub(hours_in_eighths);
    u32::try_from(worth.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        enrich::EventContext,
        model::{IndicatorKind, Role, Tlp},
    };

    const HOUR: Duration = Duration::from_secs(3_600);

    fn triage() -> Triage {
        Triage::new(&Config { max_waiting: 10_000, ..Config::default() })
    }

    fn name(n: usize) -> Indicator {
        Indicator::new(IndicatorKind::Domain, format!("name-{n}.example"))
    }

    fn seen(source: u64, severity: Severity) -> Sighting {
        let event = EventContext { severity, source };
        Sighting { role: Role::Query, urgency: Urgency::Ordinary, tlp: Tlp::Clear, event }
    }

    #[test]
    fn what_several_hosts_meet_goes_before_what_one_host_makes_up() {
        let mut triage = triage();
        for n in 0..5_000 {
            triage.judge(&name(n), seen(1, Severity::Low), HOUR, HOUR);
        }
        let made_up = triage.judge(&name(5_000), seen(1, Severity::Low), HOUR, HOUR);
        assert!(made_up.flood);
        let once = triage.judge(&name(9_000), seen(2, Severity::Low), HOUR, HOUR);
        let spread = triage.judge(&name(9_000), seen(3, Severity::Low), HOUR, HOUR);
        assert!(!once.flood && once.worth > made_up.worth && spread.worth > once.worth);
        let twice = triage.judge(&name(4_000), seen(1, Severity::Low), HOUR, HOUR);
        assert!(twice.worth < once.worth, "a flood that repeats itself is still one");
    }

    #[test]
    fn names_under_one_domain_are_a_flood_from_however_many_hosts() {
        let mut triage = triage();
        let random = |n: u64| Indicator::new(IndicatorKind::Domain, format!("x{n}.tunnel-example.com"));
        let last = (0..1_000u64).map(|n| triage.judge(&random(n), seen(n + 1, Severity::Low), HOUR, HOUR)).last();
        assert!(last.is_some_and(|last| last.flood));
    }

    #[test]
    fn the_reserve_is_open_to_serious_events_and_closed_to_a_flood_of_them() {
        let mut triage = triage();
        assert!(triage.judge(&name(1), seen(1, Severity::High), HOUR, HOUR).urgent);
        assert!(!triage.judge(&name(2), seen(2, Severity::Medium), HOUR, HOUR).urgent);
        let urgent =
            (10..500).filter(|n| triage.judge(&name(*n), seen(1, Severity::Critical), HOUR, HOUR).urgent).count();
        assert_eq!(urgent, 3, "four of an hour are its share");
        assert!(triage.judge(&name(600), seen(3, Severity::High), HOUR, HOUR).urgent, "other hosts keep theirs");
        let analyst = Sighting { urgency: Urgency::Urgent, ..seen(1, Severity::Low) };
        let asked = triage.judge(&name(601), analyst, HOUR, HOUR);
        assert!(asked.urgent && asked.worth > triage.judge(&name(600), seen(4, Severity::Critical), HOUR, HOUR).worth);
    }

    #[test]
    fn points_can_be_read_off_a_place_and_grow_with_its_age() {
        for points in [-300, 0, 70, 1_200, ANALYST + 70] {
            let worth = worth_at(points, 5 * HOUR);
            assert_eq!((points_of(worth, 5 * HOUR), points_of(worth, 15 * HOUR)), (points, points + 10 * AGE));
            assert_eq!(is_a_person(points), points > ANALYST);
        }
    }

    #[test]
    fn whoever_waits_longer_goes_first_among_equals_and_evidence_outweighs_a_day() {
        assert!(worth_at(70, HOUR) > worth_at(70, 2 * HOUR));
        assert!(worth_at(100, 24 * HOUR) > worth_at(70, Duration::ZERO));
        assert!(worth_at(-1_000, 1_000_000 * HOUR) < worth_at(0, 1_000_000 * HOUR));
    }
}
