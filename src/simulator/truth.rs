//! What the simulated world knows of an indicator: a pure function of seed, kind and value.
//!
//! By default 3 % are malicious, 5 % suspicious, 12 % unknown (files, URLs and domains only), the rest clean. The numbers
//! are such that the default score formulas put a malicious indicator at 70 and over, a suspicious one at 40 to under 70
//! and a clean one at 0, whichever of the scoring services are asked. Only lists of what is bad (Safe Browsing, samples of malware)
//! do not know what is merely suspicious.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::model::IndicatorKind;

/// What an indicator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Bad.
    Malicious,
    /// Doubtful.
    Suspicious,
    /// Examined and good.
    Clean,
    /// Nobody has met it. An address is always known: there it answers as clean.
    Unknown,
}

/// Everything the services say on an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Truth {
    /// What it is.
    pub class: Class,
    /// Engines that call it malicious.
    pub vt_malicious: u32,
    /// Engines that call it suspicious.
    pub vt_suspicious: u32,
    /// Engines that have no opinion.
    pub vt_undetected: u32,
    /// Engines that call it harmless.
    pub vt_harmless: u32,
    /// Abuse confidence, 0..=100.
    pub abuse_confidence: u32,
    /// Abuse reports.
    pub abuse_reports: u32,
    /// Whether services know it that do not examine whatever they are asked for (scanners of the Internet, DNS).
    pub seen: bool,
    /// Whether lists of malware and phishing hold it.
    pub listed: bool,
    /// Whether MISP holds it, and then whether it is marked for detection.
    pub misp_to_ids: Option<bool>,
    /// Reputation at PassiveTotal, 0..=100.
    pub pt_score: u32,
    /// Verdict of urlscan.io, -100..=100, where there is a scan.
    pub urlscan_score: Option<i32>,
    /// The number from which the rest follows.
    #[serde(skip)]
    pub(crate) dice: Dice,
}

impl Truth {
    /// Engines that voted.
    pub const fn vt_total(&self) -> u32 {
        self.vt_malicious + self.vt_suspicious + self.vt_undetected + self.vt_harmless
    }
}

/// The rules of a simulated world.
#[derive(Clone, Debug, Default)]
pub struct Truths {
    /// Another seed is another world.
    pub seed: u64,
    /// Indicators whose class is given, by canonical value.
    pub overrides: HashMap<String, Class>,
}

impl Truths {
    /// What is true of an indicator.
    pub fn of(&self, kind: IndicatorKind, value: &str) -> Truth {
        let dice = Dice::of(self.seed, kind, value);
        let class = self.overrides.get(value).copied().unwrap_or_else(|| draw(kind, dice));
        let seen = match self.overrides.get(value) {
            Some(class) => *class != Class::Unknown,
            None => class != Class::Unknown && (class != Class::Clean || dice.range(60, 0, 4) > 0),
        };
        // A service that examines whatever address it is asked for knows all of them.
        let class = if kind.is_ip() && class == Class::Unknown { Class::Clean } else { class };
        let engines = if kind.is_file_hash() { dice.range(1, 62, 76) } else { dice.range(1, 88, 95) };
        let (malicious_percent, confidence, reports) = match class {
            Class::Malicious => (dice.range(2, 78, 95), dice.range(3, 92, 100), dice.range(4, 40, 900)),
            Class::Suspicious => (dice.range(2, 46, 62), dice.range(3, 45, 65), dice.range(4, 3, 30)),
            Class::Clean | Class::Unknown => (0, 0, 0),
        };
        let voted = if class == Class::Unknown { 0 } else { engines };
        let malicious = voted * malicious_percent / 100;
        let suspicious = if malicious == 0 { 0 } else { dice.range(5, 0, 2) };
        let rest = voted.saturating_sub(malicious + suspicious);
        let undetected = if kind.is_file_hash() { rest } else { rest * dice.range(6, 20, 40) / 100 };
        Truth {
            class,
            vt_malicious: malicious,
            vt_suspicious: suspicious,
            vt_undetected: undetected,
            vt_harmless: rest - undetected,
            abuse_confidence: confidence,
            abuse_reports: reports,
            seen,
            listed: class == Class::Malicious,
            misp_to_ids: match class {
                Class::Malicious => Some(true),
                Class::Suspicious => Some(false),
                Class::Clean | Class::Unknown => None,
            },
            pt_score: match class {
                Class::Malicious => dice.range(61, 85, 100),
                Class::Suspicious => dice.range(61, 45, 60),
                Class::Clean | Class::Unknown => 0,
            },
            urlscan_score: match class {
                Class::Malicious => i32::try_from(dice.range(62, 80, 100)).ok(),
                Class::Suspicious => i32::try_from(dice.range(62, 45, 60)).ok(),
                Class::Clean => Some(0),
                Class::Unknown => None,
            },
            dice,
        }
    }
}

/// What is true of an indicator in the default world.
pub fn truth(kind: IndicatorKind, value: &str) -> Truth {
    Truths::default().of(kind, value)
}

fn draw(kind: IndicatorKind, dice: Dice) -> Class {
    match dice.range(0, 0, 99) {
        0..=2 => Class::Malicious,
        3..=7 => Class::Suspicious,
        8..=19 if !kind.is_ip() => Class::Unknown,
        _ => Class::Clean,
    }
}

/// Numbers that follow from an indicator: the same on every machine and in every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The dice of an indicator: FNV-1a, since the standard hashers promise no stable values.
    pub(crate) fn of(seed: u64, kind: IndicatorKind, value: &str) -> Self {
        const PRIME: u64 = 0x0100_0000_01b3;
        let start = 0xcbf2_9ce4_8422_2325 ^ mix(seed);
        let bytes = kind.as_str().bytes().chain([0]).chain(value.bytes());
        Self(mix(bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))))
    }

    /// Dice without an indicator.
    pub(crate) fn numbered(seed: u64, number: u64) -> Self {
        Self(mix(mix(seed) ^ number))
    }

    /// The `nth` number.
    pub(crate) fn number(self, nth: u64) -> u64 {
        mix(self.0 ^ mix(nth))
    }

    /// The `nth` number, from `low` to `high`.
    pub(crate) fn range(self, nth: u64, low: u32, high: u32) -> u32 {
        let span = u64::from(high.saturating_sub(low)) + 1;
        low + u32::try_from(self.number(nth) % span).unwrap_or(0)
    }

    /// The `nth` of some texts.
    pub(crate) fn pick(self, nth: u64, texts: &[&'static str]) -> &'static str {
        let count = u64::try_from(texts.len()).unwrap_or(1).max(1);
        usize::try_from(self.number(nth) % count).ok().and_then(|index| texts.get(index)).copied().unwrap_or_default()
    }

    /// So many hex digits.
    pub(crate) fn hex(self, nth: u64, digits: usize) -> String {
        let mut text: String = (0..4).map(|part| format!("{:016x}", self.number(nth * 8 + part))).collect();
        text.truncate(digits);
        text
    }
}

/// The finaliser of SplitMix64.
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_as_stated() {
        for (kind, unknown) in [(IndicatorKind::Domain, 0.12), (IndicatorKind::Ipv4, 0.0)] {
            let truths: Vec<Truth> = (0..20_000).map(|n| truth(kind, &format!("host-{n}.example"))).collect();
            let expected = [
                (Class::Malicious, 0.03),
                (Class::Suspicious, 0.05),
                (Class::Unknown, unknown),
                (Class::Clean, 0.92 - unknown),
            ];
            for (class, share) in expected {
                let count = truths.iter().filter(|truth| truth.class == class).count();
                let error = (f64::from(u32::try_from(count).unwrap()) / 20_000.0 - share).abs();
                assert!(error < 0.01, "{kind} {class:?}: {count}");
            }
        }
    }

    #[test]
    fn numbers_lead_to_the_disposition_of_the_class() {
        for kind in [IndicatorKind::Ipv4, IndicatorKind::Domain, IndicatorKind::Sha256] {
            for n in 0..5_000 {
                let truth = truth(kind, &format!("value-{n}"));
                let share = f64::from(truth.vt_malicious) / f64::from(truth.vt_total().max(1));
                let both = share * 60.0 + f64::from(truth.abuse_confidence) * 0.4;
                let best = |score: f64| share * 60.0 + score * 0.4;
                let mut scores = vec![share * 100.0];
                if kind.is_ip() {
                    scores.push(both);
                }
                if kind == IndicatorKind::Domain {
                    scores.push(best(truth.pt_score.into()));
                    scores.push(best(truth.urlscan_score.unwrap_or(0).into()));
                }
                for score in scores {
                    let fits = match truth.class {
                        Class::Malicious => score >= 70.0,
                        Class::Suspicious => (40.0..70.0).contains(&score),
                        Class::Clean => score == 0.0 && truth.vt_total() > 0,
                        Class::Unknown => truth.vt_total() == 0,
                    };
                    assert!(fits, "{kind} {n}: {score} {truth:?}");
                }
            }
        }
    }

    #[test]
    fn truth_depends_on_the_seed_and_overrides_win() {
        let value = "198.51.100.7";
        let world = |seed| Truths { seed, overrides: HashMap::from([("bad.example".to_owned(), Class::Malicious)]) };
        assert_eq!(world(0).of(IndicatorKind::Ipv4, value), truth(IndicatorKind::Ipv4, value));
        assert_ne!(world(1).of(IndicatorKind::Ipv4, value).dice, truth(IndicatorKind::Ipv4, value).dice);
        assert_eq!(world(1).of(IndicatorKind::Domain, "bad.example").class, Class::Malicious);
    }

    #[test]
    fn the_hash_is_stable() {
        // Other programs compute with the truth: these numbers must not change between versions.
        assert_eq!(Dice::of(0, IndicatorKind::Ipv4, "198.51.100.7").0, 0x55ca_471d_2d9b_b972);
        assert_eq!(Dice::of(7, IndicatorKind::Domain, "host.example").0, 0x6ef5_48da_f812_f1a2);
    }
}
