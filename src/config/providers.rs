//! The tables of the providers: all have the same keys, and each has defaults of its own.
//!
//! A new provider is one row in [`PROVIDERS`].

use std::time::Duration;

use super::{
    address,
    context::{At, Context, Found},
    network,
    parse::{choice, duration, from_str, integer, number},
    secret,
    section::Section,
    sections::TLP,
};
use crate::{
    budget::{Pace, Quota},
    gate::Tlp,
    model::ProviderId,
    provider,
};

/// What is special about one provider's table.
struct Row {
    id: ProviderId,
    base_url: &'static str,
    quota: &'static str,
    /// Points of its term in the base formulas.
    weight: f64,
}

const PROVIDERS: [Row; 2] = [
    Row {
        id: ProviderId("virustotal"),
        base_url: "https://www.virustotal.com",
        quota: "4/min, 500/day, 15500/month",
        weight: 60.0,
    },
    Row { id: ProviderId("abuseipdb"), base_url: "https://api.abuseipdb.com", quota: "1000/day", weight: 40.0 },
];

/// Providers of a later version.
const PLANNED: [&str; 6] = ["shodan", "misp", "passivetotal", "urlscan", "safebrowsing", "malwarebazaar"];

/// Names of the providers that can be configured.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PROVIDERS.iter().map(|row| row.id.as_str())
}

/// Reads `[providers]`: a provider is on when its table, or an override in it, is there.
pub(super) fn read(context: &mut Context<'_>) -> Vec<(ProviderId, provider::Config)> {
    let mut section = Section::open(context, "providers");
    for name in PLANNED {
        section.later(name, "this version asks virustotal and abuseipdb");
    }
    for name in names() {
        section.ask(name);
        section.context.know_table(format!("providers.{name}"));
    }
    section.finish();
    let mut configured = Vec::new();
    let mut any = false;
    for row in &PROVIDERS {
        let path = format!("providers.{}", row.id);
        let found = context.table(&path);
        any |= matches!(found, Found::Other);
        if matches!(found, Found::Table(..)) || context.overrides_under(&path) {
            any = true;
            configured.extend(read_one(context, row, &path).map(|config| (row.id, config)));
        }
    }
    if !any {
        let help = "add `[providers.virustotal]` with `api_key = { env = \"VT_API_KEY\" }`";
        let message = "no provider is configured: indicators are found and not assessed";
        context.warn(At::File, "providers", message, Some(help.to_owned()));
    }
    configured
}

/// `None` after an error was pushed.
fn read_one(context: &mut Context<'_>, row: &Row, path: &str) -> Option<provider::Config> {
    const PACES: &[(&str, Pace)] = &[("even", Pace::Even), ("asap", Pace::Asap)];
    let mut section = Section::open(context, path);
    let key = secret::read(&mut section, "api_key");
    if !key.is_set() {
        section.missing("api_key", "api_key = { env = \"NAME\" }");
    }
    let base_url = section.read("base_url", row.base_url.to_owned(), address::base_url);
    let quota = from_str::<Quota>("a quota", "\"4/min, 500/day, 15500/month\"");
    let quota = section.read("quota", row.quota.parse().ok(), |raw| quota(raw).map(Some));
    let pace = section.read("pace", None, |raw| choice(PACES, &[])(raw).map(Some));
    let timeout =
        section.read("timeout", Duration::from_secs(10), duration(Duration::from_millis(1)..=Duration::from_secs(300)));
    let max_in_flight = section.read("max_in_flight", 8, integer(1..=1_000));
    let weight = section.read("weight", row.weight, number(0.0..=100.0));
    let max_tlp = section.read("max_tlp", Tlp::Green, choice(TLP, &[]));
    let network = network::read(&mut section, &base_url);
    section.finish();
    Some(provider::Config {
        api_key: key.value?,
        base_url: base_url.value,
        quota: quota.value?,
        pace: pace.value,
        timeout: timeout.value,
        max_in_flight: max_in_flight.value,
        weight: Some(weight.value).filter(|weight| *weight != row.weight),
        max_tlp: max_tlp.value,
        network,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::Raw;

    #[test]
    fn defaults_can_be_used() {
        for row in &PROVIDERS {
            assert!(row.quota.parse::<Quota>().is_ok(), "{}", row.id);
            assert_eq!(address::base_url(Raw::Text(row.base_url)).as_deref(), Ok(row.base_url));
            assert!(!PLANNED.contains(&row.id.as_str()), "{}", row.id);
        }
    }
}
