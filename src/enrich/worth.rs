//! Triage: what an indicator is worth asking about, when more wait than the budget allows.
//!
//! The worth is a sum of points; a higher worth is asked first, equal worth in order of arrival.
//!
//! | part | points | why |
//! |---|---|---|
//! | urgent | 1,000 | an analyst or an event of high severity waits for it |
//! | role | 0–60 | what a host reaches for says more than what merely appears in a text |
//! | kind | 0–20 | hashes and URLs are specific, addresses are shared |
//! | sightings | 0–50 | 5 for each doubling: one answer serves many events |

use crate::{
    budget::Urgency,
    model::{IndicatorKind, Role, Tlp},
};

/// What is known of the event that shows an indicator.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// Where in the event it was found.
    pub role: Role,
    /// How urgent the event is.
    pub urgency: Urgency,
    /// The event's marking.
    pub tlp: Tlp,
}

/// Points of an indicator of this kind in this sighting.
pub const fn worth(kind: IndicatorKind, sighting: Sighting) -> u32 {
    let urgent = match sighting.urgency {
        Urgency::Urgent => 1_000,
        Urgency::Ordinary => 0,
    };
    let role = match sighting.role {
        Role::Destination | Role::Query | Role::Url | Role::File | Role::Process => 60,
        Role::Sni | Role::Module | Role::Sender => 50,
        Role::Answer | Role::Source | Role::Forwarded => 40,
        Role::Cert | Role::Referrer => 30,
        Role::Recipient | Role::Freetext => 10,
        Role::Asset | Role::Observer => 0,
    };
    let kind = match kind {
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 | IndicatorKind::Sha512 => 20,
        IndicatorKind::Url => 15,
        IndicatorKind::Domain => 10,
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => 5,
        IndicatorKind::Email | IndicatorKind::Cve => 0,
    };
    urgent + role + kind
}

/// Points for having been seen this often while it waits.
pub(super) const fn often(sightings: u32) -> u32 {
    let doublings = match sightings.checked_ilog2() {
        Some(doublings) => doublings,
        None => 0,
    };
    let points = 5 * doublings;
    if points > 50 { 50 } else { points }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_sightings_count_up_to_a_bound() {
        for (sightings, points) in [(0, 0), (1, 0), (2, 5), (3, 5), (4, 10), (1_000, 45), (u32::MAX, 50)] {
            assert_eq!(often(sightings), points, "{sightings}");
        }
    }

    #[test]
    fn each_part_counts_in_its_direction() {
        let points = |kind, role, urgency| worth(kind, Sighting { role, urgency, tlp: Tlp::Clear });
        let base = points(IndicatorKind::Ipv4, Role::Freetext, Urgency::Ordinary);
        assert!(points(IndicatorKind::Ipv4, Role::Freetext, Urgency::Urgent) > base);
        assert!(points(IndicatorKind::Ipv4, Role::Destination, Urgency::Ordinary) > base);
        assert!(points(IndicatorKind::Sha256, Role::Freetext, Urgency::Ordinary) > base);
        let best_ordinary = points(IndicatorKind::Sha256, Role::Destination, Urgency::Ordinary);
        assert!(points(IndicatorKind::Cve, Role::Observer, Urgency::Urgent) > best_ordinary);
    }
}
