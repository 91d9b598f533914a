//! The tables of the providers: all have the same keys, and each has defaults of its own, which the provider's specification holds.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{
    address,
    context::{At, Context, Found},
    keys, network,
    parse::{choice, duration, from_str, integer, number},
    secret,
    section::Section,
    sections::TLP,
};
use crate::{
    budget::{Pace, Quota},
    gate::Tlp,
    model::{IndicatorKind, ProviderId},
    provider::{self, Costs, KNOWN, KeyUse, Spec},
    score,
};

/// Names of the providers that can be configured.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|spec| spec.id.as_str())
}

/// Reads `[providers]`: a provider is on when its table, or an override in it, is there.
pub(super) fn read(context: &mut Context<'_>) -> Vec<(ProviderId, provider::Config)> {
    let mut section = Section::open(context, "providers");
    for name in names() {
        section.ask(name);
        section.context.know_table(format!("providers.{name}"));
    }
    section.finish();
    let mut configured = Vec::new();
    let mut any = false;
    for spec in KNOWN {
        let path = format!("providers.{}", spec.id);
        let found = context.table(&path);
        any |= matches!(found, Found::Other);
        if matches!(found, Found::Table(..)) || context.overrides_under(&path) {
            any = true;
            configured.extend(read_one(context, spec, &path).into_iter().map(|config| (spec.id, config)));
        }
    }
    if !any {
        let help = "add `[providers.virustotal]` with `api_key = { env = \"VT_API_KEY\" }`";
        let message = "no provider is configured: indicators are found and not assessed";
        context.warn(At::File, "providers", message, Some(help.to_owned()));
    }
    configured
}

/// The provider with its first key, then with each of the others. Nothing after an error was pushed.
fn read_one(context: &mut Context<'_>, spec: &Spec, path: &str) -> Vec<provider::Config> {
    const PACES: &[(&str, Pace)] = &[("even", Pace::Even), ("asap", Pace::Asap)];
    let mut section = Section::open(context, path);
    let api_key = key(&mut section, spec.key);
    let base_url = if spec.base_url.is_empty() {
        section.required("base_url", String::new(), "base_url = \"https://misp.example.org\"", address::base_url)
    } else {
        section.read("base_url", spec.base_url.to_owned(), address::base_url)
    };
    let quota = from_str::<Quota>("a quota", "\"4/min, 500/day, 15500/month\"");
    let quota = section.read("quota", spec.quota.parse().ok(), |raw| quota(raw).map(Some));
    let pace = section.read("pace", None, |raw| choice(PACES, &[])(raw).map(Some));
    let unit_price = section.read("unit_price", None, |raw| number(0.0..=1_000_000.0)(raw).map(Some));
    let account_poll = if spec.counts_calls() {
        let within = Duration::from_secs(1)..=Duration::from_secs(86_400);
        section.read("account_poll", None, |raw| duration(within.clone())(raw).map(Some)).value
    } else {
        None
    };
    let timeout =
        section.read("timeout", Duration::from_secs(10), duration(Duration::from_millis(1)..=Duration::from_secs(300)));
    let max_in_flight = section.read("max_in_flight", 8, integer(1..=1_000));
    let points = score::default_weight(spec.id);
    let weight = section.read("weight", points, number(0.0..=100.0));
    let max_tlp = section.read("max_tlp", Tlp::Green, choice(TLP, &[]));
    let network = network::read(&mut section, &base_url);
    let (costs, prices) = costs(&mut section, spec);
    let first = api_key.as_ref().and_then(Option::as_ref);
    let more = keys::read(&mut section, spec.key, first, quota.value.as_ref());
    section.finish();
    check_prices(context, path, &prices, quota.value.as_ref(), &more);
    let (Some(api_key), Some(quota)) = (api_key, quota.value) else { return Vec::new() };
    let first = provider::Config {
        key_name: None,
        api_key,
        base_url: base_url.value,
        kinds: spec.routed.to_vec(),
        quota,
        pace: pace.value,
        costs,
        unit_price: unit_price.value,
        account_poll,
        timeout: timeout.value,
        max_in_flight: max_in_flight.value,
        weight: Some(weight.value).filter(|weight| *weight != points),
        max_tlp: max_tlp.value,
        network,
    };
    let others = more.into_iter().map(|key| provider::Config {
        key_name: Some(key.name),
        api_key: Some(key.secret),
        quota: key.quota,
        ..first.clone()
    });
    std::iter::once(first.clone()).chain(others).collect()
}

/// A price that the table sets.
struct Price {
    kind: IndicatorKind,
    units: u32,
    at: Option<At>,
}

/// What calls cost where the table says so, of a service that does not simply count calls; all other kinds cost what they cost at the service.
fn costs(provider: &mut Section<'_, '_>, spec: &Spec) -> (Option<Costs>, Vec<Price>) {
    const COST: &str = "cost";
    if spec.wire.prices.is_empty() {
        return (None, Vec::new());
    }
    let path = provider.path_of(COST);
    provider.ask(COST);
    let mut section = Section::open(provider.context, &path);
    let mut costs = Costs::new(spec.wire.prices);
    let mut prices = Vec::new();
    for kind in spec.kinds {
        let units = section.read(kind.as_str(), None, |raw| integer(0..=Costs::MOST)(raw).map(Some));
        if let Some(set) = units.value {
            costs.set(*kind, set);
            prices.push(Price { kind: *kind, units: set, at: units.place() });
        }
    }
    section.finish();
    ((!prices.is_empty()).then_some(costs), prices)
}

/// A call that costs more than a day or a month allows could never be made.
fn check_prices(context: &mut Context<'_>, path: &str, prices: &[Price], quota: Option<&Quota>, others: &[keys::Key]) {
    let help = || Some("raise the limit or lower the price".to_owned());
    let too_short = |quota: &Quota, units: u32| {
        let window = quota.windows().iter().find(|window| window.limit < window.span.units(units));
        window.map(ToString::to_string)
    };
    for Price { kind, units, at } in prices {
        if let (Some(at), Some(window)) = (at, quota.and_then(|quota| too_short(quota, *units))) {
            let message =
                format!("a look-up of this kind costs {units}, and the quota allows {window}: none could be made");
            context.error(at.clone(), &format!("{path}.cost.{kind}"), message, help());
        }
        for key in others {
            // One without a quota of its own has the first's.
            if let (Some(at), Some(window)) = (&key.quota_at, too_short(&key.quota, *units)) {
                let message =
                    format!("a look-up of {kind} costs {units}, and the quota allows {window}: none could be made");
                context.error(at.clone(), &format!("{path}.keys.{}.quota", key.name), message, help());
            }
        }
    }
}

/// The key as the service uses it; `None` after an error was pushed.
pub(super) fn key(section: &mut Section<'_, '_>, use_: KeyUse) -> Option<Option<SecretString>> {
    if use_ == KeyUse::Unused {
        return Some(None);
    }
    let key = secret::read(section, "api_key");
    if !key.is_set() {
        if use_ == KeyUse::Optional {
            return Some(None);
        }
        section.missing("api_key", "api_key = { env = \"NAME\" }");
    }
    let secret = key.value?;
    if use_ == KeyUse::Pair && !secret.expose_secret().contains(':') {
        let (at, path) = (section.at(), section.path_of("api_key"));
        let help = "the secret is `user:key`, both parts in one text with a colon between them";
        section.context.error(at, &path, "the key of this service has two parts", Some(help.to_owned()));
        return None;
    }
    Some(Some(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::Raw;

    #[test]
    fn defaults_can_be_used() {
        for spec in KNOWN {
            assert!(spec.quota.parse::<Quota>().is_ok(), "{}", spec.id);
            assert!(spec.routed.iter().all(|kind| spec.kinds.contains(kind)), "{}", spec.id);
            let base = address::base_url(Raw::Text(spec.base_url));
            assert!(spec.base_url.is_empty() || base.as_deref() == Ok(spec.base_url), "{}", spec.id);
        }
    }
}
