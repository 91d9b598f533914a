//! The formulas of an assessment once more, from the documentation alone: what each service says follows from the simulated world's truth, the
//! score from what they say. Nothing of the product's own scoring is used.

use sidelight::{
    model::IndicatorKind,
    simulator::{Class, Truth},
};

use super::e2e_score::Expected;

/// What a service says, in the words of the formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Says {
    /// Found or clean: with the share of its term, where it has one, and its floor.
    Something {
        found: bool,
        share: Option<f64>,
        floor: Option<f64>,
    },
    NotFound,
    /// It did not answer, and still may.
    Nothing,
}

/// Who is asked about a kind, in the order of annotations.
pub(crate) fn asked(kind: IndicatorKind) -> &'static [&'static str] {
    use IndicatorKind as K;
    match kind {
        K::Ipv4 | K::Ipv6 => &["virustotal", "abuseipdb", "shodan", "misp"],
        K::Domain => &["virustotal", "shodan", "misp", "passivetotal"],
        K::Url => &["virustotal", "misp", "urlscan", "safebrowsing"],
        K::Md5 | K::Sha1 | K::Sha256 => &["virustotal", "misp", "malwarebazaar"],
        // As the test routes them.
        K::Sha512 | K::Email | K::Cve => &["misp"],
    }
}

/// What a service that is up says of an indicator.
pub(crate) fn says(provider: &str, kind: IndicatorKind, truth: &Truth) -> Says {
    let something = |found, share, floor| Says::Something { found, share, floor };
    match provider {
        "virustotal" if truth.vt_total() == 0 => Says::NotFound,
        "virustotal" => {
            let share = f64::from(truth.vt_malicious) / f64::from(truth.vt_total());
            something(
                truth.vt_malicious + truth.vt_suspicious > 0,
                Some(share),
                (truth.vt_malicious >= 3).then_some(40.0),
            )
        }
        "abuseipdb" => something(truth.abuse_reports > 0, Some(f64::from(truth.abuse_confidence) / 100.0), None),
        "shodan" if truth.seen => something(true, None, None),
        "shodan" => Says::NotFound,
        "misp" => match truth.misp_to_ids {
            Some(true) => something(true, Some(1.0), Some(70.0)),
            Some(false) => something(true, Some(0.5), None),
            None => Says::NotFound,
        },
        "passivetotal" if truth.class == Class::Unknown => Says::NotFound,
        "passivetotal" => something(truth.pt_score > 0, Some(f64::from(truth.pt_score) / 100.0), None),
        "urlscan" => match truth.urlscan_score {
            Some(score) => something(score > 0, Some(f64::from(score.max(0)) / 100.0), None),
            None => Says::NotFound,
        },
        "safebrowsing" if truth.listed => something(true, Some(1.0), Some(70.0)),
        "safebrowsing" => something(false, Some(0.0), None),
        "malwarebazaar" if truth.listed => something(true, None, Some(70.0)),
        "malwarebazaar" => Says::NotFound,
        _ => panic!("{provider} {kind}"),
    }
}

/// Points of a term: added, or a candidate for `best`.
#[derive(Clone, Copy)]
enum Term {
    Added(f64),
    Best,
    None,
}

fn term(provider: &str, kind: IndicatorKind) -> Term {
    use IndicatorKind as K;
    match (kind, provider) {
        (K::Ipv4 | K::Ipv6, "virustotal") => Term::Added(60.0),
        (K::Ipv4 | K::Ipv6, "abuseipdb") => Term::Added(40.0),
        (K::Md5 | K::Sha1 | K::Sha256 | K::Sha512, "virustotal") => Term::Added(100.0),
        (K::Domain | K::Url, "virustotal") => Term::Added(60.0),
        (K::Domain | K::Url, "passivetotal" | "urlscan" | "safebrowsing" | "misp") => Term::Best,
        _ => Term::None,
    }
}

fn worst_floor(provider: &str) -> f64 {
    match provider {
        "virustotal" => 40.0,
        "misp" | "safebrowsing" | "malwarebazaar" => 70.0,
        _ => 0.0,
    }
}

/// `60 a + 40 best` and the like over the terms that are there, as a number of 100; a floor wins.
fn score(kind: IndicatorKind, said: &[(&str, Option<f64>)], floor: f64) -> Option<f64> {
    let (mut points, mut weight) = (0.0, 0.0);
    let mut best: Option<f64> = None;
    for (provider, share) in said {
        let Some(share) = *share else { continue };
        match term(provider, kind) {
            Term::Added(of) => {
                points += of * share;
                weight += of;
            }
            Term::Best => best = Some(best.unwrap_or(0.0).max(share)),
            Term::None => {}
        }
    }
    if let Some(best) = best {
        points += 40.0 * best;
        weight += 40.0;
    }
    let sum = (weight > 0.0).then(|| (points * 100.0 / weight).min(100.0));
    match sum {
        Some(sum) => Some(sum.max(floor)),
        None => (floor > 0.0).then_some(floor),
    }
}

/// The assessment of an indicator of which the services say this.
pub(crate) fn assessed(kind: IndicatorKind, said: &[(&str, Says)]) -> Expected {
    let floor = said.iter().fold(0.0, |most: f64, (_, says)| match says {
        Says::Something { floor: Some(floor), .. } => most.max(*floor),
        Says::Something { .. } | Says::NotFound | Says::Nothing => most,
    });
    let missing = || said.iter().filter(|(_, says)| *says == Says::Nothing);
    let with = |of_missing: Option<f64>, floor: f64| {
        let shares: Vec<(&str, Option<f64>)> = said
            .iter()
            .map(|(provider, says)| match says {
                Says::Something { share, .. } => (*provider, *share),
                Says::NotFound => (*provider, None),
                Says::Nothing => (*provider, of_missing),
            })
            .collect();
        score(kind, &shares, floor)
    };
    let worst = missing().map(|(provider, _)| worst_floor(provider)).fold(floor, f64::max);
    let (now, low, high) = (with(None, floor), with(Some(0.0), floor), with(Some(1.0), worst));
    let answered = said.len() - missing().count();
    let status = match answered {
        0 => "pending",
        _ if answered == said.len() => "complete",
        _ => "partial",
    };
    let (disposition, queue) = match now {
        None => ("unknown", "unscored"),
        Some(70.0..) => ("malicious", "high"),
        Some(40.0..) => ("suspicious", "medium"),
        // What is missing never reads as harmless.
        Some(10.0..) => ("low", if status == "complete" { "low" } else { "medium" }),
        Some(_) if status == "complete" => ("clean", "low"),
        Some(_) => ("unknown", "medium"),
    };
    Expected { status, disposition, queue, score: now, low, high }
}
