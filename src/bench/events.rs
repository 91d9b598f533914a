//! The events of the capacity test: ECS, six indicators each, of a given size.

use crate::{
    demo::values::{domain, ipv4, sha256, url},
    enrich::Dice,
};

/// Values in circulation.
#[derive(Clone, Debug)]
pub struct Recipe {
    addresses: Vec<String>,
    domains: Vec<String>,
    urls: Vec<String>,
    files: Vec<String>,
    size: usize,
}

impl Recipe {
    /// `values` distinct values of each kind, events of about `size` bytes.
    pub fn new(dice: &mut Dice, values: usize, size: usize) -> Self {
        let n = values.max(1);
        Self {
            addresses: (0..n).map(|_| ipv4(dice)).collect(),
            domains: (0..n).map(|_| domain(dice)).collect(),
            urls: (0..n).map(|_| url(dice)).collect(),
            files: (0..n).map(|_| sha256(dice)).collect(),
            size,
        }
    }
}

/// One of these, the first ones more often than the last, as real streams show their values.
fn one<'a>(dice: &mut Dice, from: &'a [String]) -> &'a str {
    let share = dice.share();
    let at = (share * share * share * from.len() as f64) as usize;
    from.get(at).map_or("", String::as_str)
}

/// An event with two addresses, two domains, a URL and a SHA-256.
pub fn event(recipe: &Recipe, dice: &mut Dice, serial: u64) -> String {
    let (source, destination) = (one(dice, &recipe.addresses), one(dice, &recipe.addresses));
    let (name, sni) = (one(dice, &recipe.domains), one(dice, &recipe.domains));
    let (url, file) = (one(dice, &recipe.urls), one(dice, &recipe.files));
    let mut text = format!(
        r#"{{"@timestamp":"2026-11-23T08:37:37.412Z","event":{{"id":"evt-{serial:010}","kind":"event","category":["network"],"dataset":"proxy.log"}},"source":{{"ip":"{source}","port":49152}},"destination":{{"ip":"{destination}","port":443}},"dns":{{"question":{{"name":"{name}"}}}},"tls":{{"client":{{"server_name":"{sni}"}}}},"url":{{"full":"{url}"}},"file":{{"hash":{{"sha256":"{file}"}}}},"message":""#
    );
    const FILL: &str = "connection permitted by policy default ";
    while text.len() + 2 < recipe.size {
        let room = recipe.size - text.len() - 2;
        text.push_str(FILL.get(..room.min(FILL.len())).unwrap_or(FILL));
    }
    text.push_str("\"}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Config, Extraction, Extractor};

    #[test]
    fn six_indicators_and_the_size_asked_for() {
        let mut dice = Dice::new(1);
        let recipe = Recipe::new(&mut dice, 100, 640);
        let extractor = Extractor::new(&Config::default());
        let mut extraction = Extraction::default();
        for serial in 0..50 {
            let event = event(&recipe, &mut dice, serial);
            assert!((640..700).contains(&event.len()), "{}", event.len());
            extractor.extract(event.as_bytes(), &mut extraction);
            // Two addresses or two names may be drawn alike.
            assert!((4..=6).contains(&extraction.len()), "{} in {event}", extraction.len());
        }
    }
}
