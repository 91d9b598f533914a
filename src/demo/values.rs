//! Indicators of our own making, repeatable from a seed.

use crate::enrich::Dice;

/// First octets without reserved ranges in them.
const OCTETS: [u8; 20] = [5, 23, 31, 37, 45, 62, 77, 80, 91, 104, 141, 146, 151, 162, 176, 185, 188, 193, 212, 217];
const WORDS: [&str; 24] = [
    "amber", "birch", "cobalt", "delta", "ember", "fjord", "garnet", "harbor", "indigo", "juniper", "kestrel",
    "lagoon", "maple", "nimbus", "onyx", "pebble", "quartz", "raven", "sable", "timber", "umbra", "velvet", "willow",
    "zephyr",
];
const TLDS: [&str; 8] = ["com", "net", "org", "io", "info", "dev", "xyz", "top"];

/// A whole number below `bound`.
pub fn below(dice: &mut Dice, bound: usize) -> usize {
    ((dice.share() * bound as f64) as usize).min(bound.saturating_sub(1))
}

fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from.get(below(dice, from.len())).copied().unwrap_or_default()
}

/// A globally routable IPv4 address.
pub fn ipv4(dice: &mut Dice) -> String {
    let first = OCTETS.get(below(dice, OCTETS.len())).copied().unwrap_or(5);
    format!("{first}.{}.{}.{}", 1 + below(dice, 250), below(dice, 256), 1 + below(dice, 253))
}

/// A domain under a public suffix.
pub fn domain(dice: &mut Dice) -> String {
    format!("{}-{}-{}.{}", pick(dice, &WORDS), pick(dice, &WORDS), below(dice, 10_000), pick(dice, &TLDS))
}

/// A URL on such a domain.
pub fn url(dice: &mut Dice) -> String {
    let domain = domain(dice);
    format!("https://{domain}/{}/{}?session={}", pick(dice, &WORDS), pick(dice, &WORDS), below(dice, 1_000_000))
}

/// A SHA-256.
pub fn sha256(dice: &mut Dice) -> String {
    (0..64).map(|_| char::from(b"0123456789abcdef"[below(dice, 16)])).collect()
}

/// An MD5.
pub fn md5(dice: &mut Dice) -> String {
    (0..32).map(|_| char::from(b"0123456789abcdef"[below(dice, 16)])).collect()
}

/// An own, private address.
pub fn private(dice: &mut Dice) -> String {
    format!("10.{}.{}.{}", below(dice, 4), below(dice, 256), 1 + below(dice, 253))
}
