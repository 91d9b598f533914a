//! Google Safe Browsing v5 (`urls:search`): URLs. The version that follows v4, for keys that it is open to.
//!
//! Found: a list of threats holds the URL, or an expression of it (a part of its host with a part of its path), which puts a floor under the score; clean: the service's
//! answer without threats, which says how long it holds. An object with anything else in it is not that answer. The answers are asked for as JSON: without that the service
//! speaks in protocol buffers.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use crate::{
    model::{Evidence, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, LookupError, Provider, Spec,
        http::Reply,
        request::{Auth, Request, Wire},
        safebrowsing::{FLOOR, judge, report, seconds},
        service::{BatchService, Reading, body, malformed, parse},
        text,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("safebrowsing_v5");

/// Its defaults: what a project has without asking for more.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://safebrowsing.googleapis.com",
    quota: "10000/day",
    key: KeyUse::Required,
    kinds: &[IndicatorKind::Url],
    routed: &[IndicatorKind::Url],
    wire: Wire { judge, ..Wire::json(Auth::Query("key")) },
    build,
};

/// URLs of one request: the service takes 50, but they travel in the query, whose length is bounded on the way.
const URLS: usize = 20;
/// A client may keep an answer without threats for so long, also where the service names less.
const CLEAN_LIVES: Duration = Duration::from_secs(24 * 3_600);

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(BatchService::new(&SPEC, config, clock, URLS, request, read)?))
}

fn request(indicators: &[&Indicator]) -> Request<'static> {
    let urls = indicators.iter().map(|indicator| indicator.value.to_string());
    urls.fold(Request::get("/v5/urls:search"), |request, url| request.query("urls", url)).query("alt", "json")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope {
    threats: Option<Vec<Threat>>,
    cache_duration: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Threat {
    /// The URL, or an expression of it.
    url: String,
    threat_types: Vec<String>,
}

fn read(_base: &str, indicators: &[&Indicator], reply: &Reply) -> Result<Vec<Reading>, LookupError> {
    let envelope: Envelope = parse(body(reply)?)?;
    let lives = seconds(&envelope.cache_duration).ok_or_else(|| malformed("a duration in another form"))?;
    let threats = envelope.threats.unwrap_or_default();
    let expressions: Vec<Vec<String>> = indicators.iter().map(|indicator| expressions(&indicator.value)).collect();
    // A threat that belongs to none of the URLs would leave its own URL looking clean.
    let belongs =
        |threat: &Threat| expressions.iter().any(|of_one| of_one.iter().any(|known| *known == bare(&threat.url)));
    if !threats.iter().all(belongs) || threats.iter().any(|threat| threat.threat_types.is_empty()) {
        return Err(malformed("a threat for a URL that was not asked about, or without a type"));
    }
    let one = |(indicator, expressions): (&&Indicator, &Vec<String>)| {
        let own = threats.iter().filter(|threat| expressions.contains(&bare(&threat.url)));
        let types: Vec<&str> = own.flat_map(|threat| &threat.threat_types).map(String::as_str).collect();
        Ok(verdict(indicator, &types, lives))
    };
    Ok(indicators.iter().zip(&expressions).map(one).collect())
}

fn verdict(indicator: &Indicator, types: &[&str], lives: Duration) -> (VerdictKind, Evidence) {
    if types.is_empty() {
        let max_age = Some(lives.max(CLEAN_LIVES));
        return (VerdictKind::Clean, Evidence { share: Some(0.0), max_age, ..Evidence::default() });
    }
    let mut facts = Vec::new();
    text::push_list(&mut facts, "safebrowsing_threats", types.iter().copied());
    let listed = text::clean(&types.join(", ")).unwrap_or_default();
    let evidence = Evidence {
        share: Some(1.0),
        floor: Some(FLOOR),
        facts,
        reference: Some(report(&indicator.value)),
        description: Some(format!("listed by Safe Browsing as {listed}").into()),
        max_age: Some(lives),
        ..Evidence::default()
    };
    (VerdictKind::Found, evidence)
}

/// A URL or expression without its scheme and fragment.
fn bare(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or_default();
    if rest.contains('/') { rest.to_owned() } else { format!("{rest}/") }
}

/// Under which a list can hold a URL: its host and up to four shorter ones, each with its path with and without the query, and with up to four of the
/// directories from the root on.
fn expressions(url: &str) -> Vec<String> {
    let whole = bare(url);
    let (authority, path) = whole.split_once('/').unwrap_or((&whole, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let host = name.map_or(host, |(name, _)| name).to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    let shorter =
        (2..labels.len().min(6)).filter(|_| !is_address).map(|count| labels.iter().skip(labels.len() - count));
    let mut hosts: Vec<String> = shorter.map(|labels| labels.copied().collect::<Vec<_>>().join(".")).collect();
    hosts.push(host.clone());

    let plain = path.split('?').next().unwrap_or_default();
    let ends = std::iter::once(0).chain(plain.match_indices('/').map(|(at, _)| at + 1)).take(4);
    let mut paths: Vec<&str> = ends.filter_map(|end| plain.get(..end)).collect();
    paths.extend([plain, path]);
    let mut all: Vec<String> =
        hosts.iter().flat_map(|host| paths.iter().map(move |path| format!("{host}/{path}"))).collect();
    all.push(whole);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_expressions_of_its_host_and_path() {
        let has = |url: &str, expression: &str| expressions(url).iter().any(|known| *known == bare(expression));
        let url = "http://u:p@A.b.c.d.e.f.example:8080/1/2/3/4/5.html?q=1#x";
        for expression in [
            "a.b.c.d.e.f.example/1/2/3/4/5.html?q=1",
            "a.b.c.d.e.f.example/1/2/3/4/5.html",
            "a.b.c.d.e.f.example/",
            "a.b.c.d.e.f.example/1/2/3/",
            "c.d.e.f.example/1/",
            "f.example/1/2/",
            url,
        ] {
            assert!(has(url, expression), "{expression}: {:?}", expressions(url));
        }
        for expression in
            ["b.c.d.e.f.example/", "example/", "f.example/1/2/3/4/", "f.example/2/", "other.example/", "f.example/1"]
        {
            assert!(!has(url, expression), "{expression}");
        }
        assert!(has("http://198.51.100.7/a", "198.51.100.7/") && !has("http://198.51.100.7/a", "100.7/"));
        assert!(has("http://host.example", "host.example/"));
    }
}
