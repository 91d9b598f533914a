//! The base formulas as tables, and the weighted mean they stand for.
//!
//! - IP address: VirusTotal 60, AbuseIPDB 40
//! - file hash: VirusTotal 100
//! - domain, URL: VirusTotal 60, and 40 for the best of the other scoring sources
//!
//! A sum is normalised by the weight of the terms that took part, so a missing term neither lowers nor raises the score.
//! All that scoring knows of single providers is in the tables of this file.

use crate::{
    model::{IndicatorKind, ProviderId},
    score::Config,
};

/// Where a term goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// It is added to the others.
    Own,
    /// Only the best of these terms is added.
    Best,
}

/// A provider's place in the formula of a kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Term {
    pub(super) slot: Slot,
    /// Points, over 0 and at most 100.
    pub(super) weight: f64,
}

type Table = &'static [(&'static str, Slot, f64)];

const IP: Table = &[("virustotal", Slot::Own, 60.0), ("abuseipdb", Slot::Own, 40.0)];
const FILE: Table = &[("virustotal", Slot::Own, 100.0)];
const NAME: Table = &[
    ("virustotal", Slot::Own, 60.0),
    ("passivetotal", Slot::Best, 40.0),
    ("urlscan", Slot::Best, 40.0),
    ("safebrowsing", Slot::Best, 40.0),
    ("safebrowsing_v5", Slot::Best, 40.0),
    ("urlhaus", Slot::Best, 40.0),
    ("misp", Slot::Best, 40.0),
];
const NONE: Table = &[];

/// The highest floor that a provider's answer can bring; providers not named bring none.
const WORST_FLOOR: &[(&str, f64)] = &[
    ("virustotal", 40.0),
    ("misp", 70.0),
    ("malwarebazaar", 70.0),
    ("safebrowsing", 70.0),
    ("safebrowsing_v5", 70.0),
    ("urlhaus", 70.0),
    ("threatfox", 70.0),
];

const fn table(kind: IndicatorKind) -> Table {
    match kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => IP,
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 | IndicatorKind::Sha512 => FILE,
        IndicatorKind::Domain | IndicatorKind::Url => NAME,
        IndicatorKind::Email | IndicatorKind::Cve => NONE,
    }
}

/// The term of `provider` in the formula of `kind`; `None` where it carries no score.
pub(super) fn term(kind: IndicatorKind, provider: ProviderId, config: &Config) -> Option<Term> {
    let named = |table: Table| table.iter().find(|(name, ..)| *name == provider.as_str());
    let configured = config.weights.iter().find(|(id, _)| *id == provider).map(|&(_, weight)| weight);
    let (slot, weight) = match named(table(kind)) {
        Some(&(_, slot, default)) => (slot, configured.unwrap_or(default)),
        None => {
            // The formula knows it for other kinds only: a changed weight does not bring it in here.
            if [IP, FILE, NAME].into_iter().any(|table| named(table).is_some()) {
                return None;
            }
            let slot = match kind {
                IndicatorKind::Domain | IndicatorKind::Url => Slot::Best,
                IndicatorKind::Ipv4
                | IndicatorKind::Ipv6
                | IndicatorKind::Email
                | IndicatorKind::Md5
                | IndicatorKind::Sha1
                | IndicatorKind::Sha256
                | IndicatorKind::Sha512
                | IndicatorKind::Cve => Slot::Own,
            };
            (slot, configured?)
        }
    };
    // A weight that is no number fails the comparison and carries nothing.
    (weight > 0.0).then(|| Term { slot, weight: weight.min(100.0) })
}

/// Points of a provider's term in the base formulas, of several the first in the order of this file; 0 where it has none.
pub fn default_weight(provider: ProviderId) -> f64 {
    let mut rows = [IP, NAME, FILE].into_iter().flatten();
    rows.find(|(name, ..)| *name == provider.as_str()).map_or(0.0, |&(.., weight)| weight)
}

/// The highest floor that an answer of `provider` can bring; 0 where it brings none.
pub(super) fn worst_floor(provider: ProviderId) -> f64 {
    WORST_FLOOR.iter().find(|(name, _)| *name == provider.as_str()).map_or(0.0, |&(_, floor)| floor)
}

/// A term with the share that its source gives it, 0.0..=1.0.
pub(super) type Share = (Term, f64);

/// The weighted mean of the shares that are given.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mean {
    /// 0.0..=100.0.
    pub(super) score: f64,
    /// Points of each entry after normalisation, parallel to the input; they add up to the score. `None` where the entry
    /// has no term; zero for candidates of `best` that are not the best.
    pub(super) points: Vec<Option<f64>>,
    /// Sum of the weights that took part.
    pub(super) weight: f64,
}

/// The weighted mean over `shares`; `None` where no entry has a term.
pub(super) fn mean(shares: &[Option<Share>]) -> Option<Mean> {
    let given = || shares.iter().enumerate().filter_map(|(index, share)| share.map(|share| (index, share)));
    let candidates = || given().filter(|(_, (term, _))| term.slot == Slot::Best);
    // The first of equals is the best, so that the outcome depends on the configured order alone.
    let best = candidates().fold(None, |best: Option<(usize, f64)>, (index, (term, share))| {
        let points = term.weight * share;
        match best {
            Some((_, most)) if points <= most => best,
            Some(_) | None => Some((index, points)),
        }
    });
    let best_weight = candidates().map(|(_, (term, _))| term.weight).fold(0.0, f64::max);
    let own = || given().filter(|(_, (term, _))| term.slot == Slot::Own);
    let weight = own().map(|(_, (term, _))| term.weight).sum::<f64>() + best_weight;
    if weight <= 0.0 {
        return None;
    }
    let points = shares.iter().enumerate().map(|(index, share)| {
        share.map(|(term, share)| match term.slot {
            Slot::Own => term.weight * share * 100.0 / weight,
            Slot::Best if best.is_some_and(|(at, _)| at == index) => term.weight * share * 100.0 / weight,
            Slot::Best => 0.0,
        })
    });
    let points: Vec<Option<f64>> = points.collect();
    let score = points.iter().flatten().sum::<f64>().clamp(0.0, 100.0);
    Some(Mean { score, points, weight })
}
