//! What an indicator is worth asking about, when more wait than the budget allows. The highest worth is asked first, equal worth in order of arrival.
//!
//! ```text
//! worth = role + kind + SEVERITY + SEVERE * log2(severe sightings) + AGAIN * log2(sightings) + SPREAD * log2(sources)
//!         + (ESTABLISHED + SIGHTING * log2(sightings / OFTEN) from OFTEN sightings or WIDELY sources on, where a source keeps its share)
//!         - FLOOD * over + AGE * hours waited
//!         (+ ANALYST where a person waits for it)
//! asked while expected(more worth, until the window of the quota ends) <= units left for it: what is worth less goes on waiting (`thrift.rs`)
//! over  = log2(new indicators of the source or group in the last hours / its fair share), 0 within the share
//! ```
//!
//! | constant | points | why |
//! |---|---|---|
//! | [`ANALYST`] | 100,000 | a person waits for it: before everything else |
//! | role | 0–60 | what a host reaches for says more than what merely appears in a text |
//! | kind | 0–20 | hashes and URLs are specific, addresses are shared |
//! | [`SEVERITY`] | 0, 30, 200, 240 | low, medium or matched by a rule, high, critical: of the best sighting, and not of a source that floods. Somebody has judged that event already |
//! | [`SEVERE`] | 60 a doubling, at most 120 | severe events again and again |
//! | [`AGAIN`] | 5 a doubling, at most 40 | the same host that shows it twice or three times has told little new |
//! | [`SPREAD`] | 120 a doubling, at most 720 | what several hosts meet is an event of the organisation; sources that flood do not count |
//! | [`ESTABLISHED`] | 350 once | chance shows an indicator a few times, at a host or two: beyond that it goes around |
//! | [`OFTEN`], [`WIDELY`] | 4 sightings, 3 sources | where chance ends |
//! | [`SIGHTING`] | 80 a doubling beyond `OFTEN`, at most 640 | one answer serves many events |
//! | [`FLOOD`] | -100 a doubling over the share, at most -800 | made-up names must not spend the budget |
//! | [`SOURCE_SHARE`] | 30 in an hour and fading | new indicators that a host may bring before it counts as flooding |
//! | [`GROUP_SHARE`] | 20 in an hour and fading | the same of a registered domain, or of a network of 256 addresses |
//! | [`URGENT_SHARE`] | 4 in an hour and fading | urgent indicators that a host may bring before the reserve is closed to it |
//! | [`AGE`] | 1 an hour | nothing waits for ever behind what comes later |
//! | what expectation rests on | 24 hours, less the busiest; of the first six hours slots of five minutes | long enough to know a day; one burst is no forecast (`demand.rs`) |

use crate::{
    budget::Urgency,
    model::{IndicatorKind, Role, Severity, Tlp},
};

/// A person waits for it.
pub(super) const ANALYST: i32 = 100_000;
/// Of low, medium, high and critical events.
const SEVERITY: [i32; 4] = [0, 30, 200, 240];
/// For each doubling of the sightings in events of high severity.
const SEVERE: i32 = 60;
const MOST_SEVERE: i32 = 120;
/// For each doubling of the sightings.
const AGAIN: i32 = 5;
const MOST_AGAIN: i32 = 40;
/// For each doubling of the sources.
const SPREAD: i32 = 120;
const MOST_SPREAD: i32 = 720;
/// For what is seen more often, or in more places, than by chance.
const ESTABLISHED: i32 = 350;
/// From so many sightings on.
const OFTEN: u32 = 4;
/// Or from so many sources on.
const WIDELY: u32 = 3;
/// For each doubling of the sightings beyond [`OFTEN`].
const SIGHTING: i32 = 80;
const MOST_SIGHTINGS: i32 = 640;
/// For each doubling over the fair share.
const FLOOD: i32 = 100;
const MOST_FLOOD: i32 = 800;
/// New indicators of a source.
pub(super) const SOURCE_SHARE: f32 = 30.0;
/// New indicators of a registered domain, or of a network.
pub(super) const GROUP_SHARE: f32 = 20.0;
/// Urgent indicators of a source.
pub(super) const URGENT_SHARE: f32 = 4.0;
/// For an hour of waiting.
pub(super) const AGE: i32 = 1;

/// What is known of the event that shows an indicator.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// Where in the event it was found.
    pub role: Role,
    /// How urgent it is: urgent where an analyst waits for it.
    pub urgency: Urgency,
    /// The marking of the event: which providers may hear of it.
    pub tlp: Tlp,
    /// What the event says of itself.
    pub event: EventContext,
}

/// What an event says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventContext {
    /// How serious it is.
    pub severity: Severity,
    /// A hash of the host, or of the record's key; 0 where neither is known.
    pub source: u64,
}

/// What all sightings of an indicator add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// How often it was asked for.
    pub(super) sightings: u32,
    /// Distinct sources that do not flood, roughly.
    pub(super) sources: u32,
    /// Doublings over the fair share of its group, or of the source that floods least.
    pub(super) over: u8,
    /// The highest of the events, but of those of sources that flood.
    pub(super) severity: Severity,
    /// How many of these were of high severity.
    pub(super) severe: u32,
}

/// Points of an indicator of this kind in this place of an event, apart from its age.
pub(super) fn points(kind: IndicatorKind, role: Role, evidence: Evidence) -> i32 {
    let severity = SEVERITY.get(evidence.severity as usize).copied().unwrap_or_default();
    of_role(role)
        + of_kind(kind)
        + severity
        + doublings(SEVERE, evidence.severe, MOST_SEVERE)
        + doublings(AGAIN, evidence.sightings, MOST_AGAIN)
        + doublings(SPREAD, evidence.sources, MOST_SPREAD)
        + established(evidence)
        - (FLOOD * i32::from(evidence.over)).min(MOST_FLOOD)
}

fn established(evidence: Evidence) -> i32 {
    let is_established = evidence.sightings >= OFTEN || evidence.sources >= WIDELY;
    if is_established && evidence.over == 0 {
        ESTABLISHED + doublings(SIGHTING, evidence.sightings / OFTEN, MOST_SIGHTINGS)
    } else {
        0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a few hundred points")]
fn doublings(each: i32, count: u32, most: i32) -> i32 {
    ((f64::from(each) * f64::from(count.max(1)).log2()) as i32).min(most)
}

const fn of_role(role: Role) -> i32 {
    match role {
        Role::Destination | Role::Query | Role::Url | Role::File | Role::Process => 60,
        Role::Sni | Role::Module | Role::Sender => 50,
        Role::Answer | Role::Source | Role::Forwarded => 40,
        Role::Cert | Role::Referrer => 30,
        Role::Recipient | Role::Freetext => 10,
        Role::Asset | Role::Observer => 0,
    }
}

const fn of_kind(kind: IndicatorKind) -> i32 {
    match kind {
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 | IndicatorKind::Sha512 => 20,
        IndicatorKind::Url => 15,
        IndicatorKind::Domain => 10,
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => 5,
        IndicatorKind::Email | IndicatorKind::Cve => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Evidence = Evidence { sightings: 1, sources: 1, over: 0, severity: Severity::Low, severe: 0 };

    fn of(evidence: Evidence) -> i32 {
        points(IndicatorKind::Domain, Role::Query, evidence)
    }

    #[test]
    fn each_constant_counts_in_its_direction() {
        let base = of(PLAIN);
        assert!(of(Evidence { sightings: 2, ..PLAIN }) > base);
        assert!(of(Evidence { sources: 2, ..PLAIN }) > of(Evidence { sightings: 2, ..PLAIN }), "spread says more");
        assert!(of(Evidence { over: 1, ..PLAIN }) < base);
        let severities = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        assert!(severities.map(|severity| of(Evidence { severity, ..PLAIN })).is_sorted_by(|a, b| a < b));
        assert!(points(IndicatorKind::Domain, Role::Freetext, PLAIN) < base);
        assert!(points(IndicatorKind::Sha256, Role::Query, PLAIN) > base);
        let severe = |severe| of(Evidence { severity: Severity::High, severe, ..PLAIN });
        assert!(severe(2) > severe(1) && severe(4) == severe(400));
        let seen = |sightings| of(Evidence { sightings, ..PLAIN });
        assert!(seen(3) > seen(2) && seen(3) < severe(1), "the same host again says less than a severe event");
        assert!(seen(OFTEN) - seen(OFTEN - 1) > severe(1), "what goes around says more");
        assert!(seen(2 * OFTEN) - seen(OFTEN) > seen(2) - base, "and more with every doubling");
        let met_by = |sources| of(Evidence { sources, ..PLAIN });
        assert!(met_by(WIDELY) - met_by(WIDELY - 1) > severe(1));
        let flooded = |sightings| of(Evidence { sightings, over: 1, ..PLAIN });
        assert_eq!(flooded(OFTEN) - flooded(1), doublings(AGAIN, OFTEN, MOST_AGAIN), "a flood establishes nothing");
        let everything = Evidence {
            sightings: u32::MAX,
            sources: u32::MAX,
            over: 0,
            severity: Severity::Critical,
            severe: u32::MAX,
        };
        assert!(of(everything) < ANALYST, "nothing outweighs a person");
        assert!(
            of(everything) + 80 < crate::enrich::demand::MOST,
            "expectation tells everything apart, of every role and kind"
        );
    }

    #[test]
    fn counts_are_bounded() {
        let often = of(Evidence { sightings: u32::MAX, ..PLAIN });
        assert_eq!(often - of(PLAIN), MOST_AGAIN + ESTABLISHED + MOST_SIGHTINGS);
        assert_eq!(of(Evidence { sources: u32::MAX, ..PLAIN }) - of(PLAIN), MOST_SPREAD + ESTABLISHED);
        assert_eq!(of(PLAIN) - of(Evidence { over: u8::MAX, ..PLAIN }), MOST_FLOOD);
        assert_eq!(of(Evidence { sightings: 0, sources: 0, ..PLAIN }), of(PLAIN));
    }

    #[test]
    fn a_name_made_up_by_a_flood_is_worth_less_than_any_text() {
        let flood = Evidence { over: 6, ..PLAIN };
        assert!(of(flood) < points(IndicatorKind::Cve, Role::Observer, PLAIN));
    }
}
