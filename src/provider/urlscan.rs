//! urlscan.io: scans of a URL that somebody has made already.
//!
//! It is searched and nothing is ever submitted: a submission would publish the URL and visit it. Found: there is a scan; clean: its
//! verdict was given and holds nothing against the page; not_found: no scan. Of several scans that with the worst
//! verdict counts, of equals the latest. Plans whose search shows no verdict give context without a score.

use std::sync::Arc;

use serde::Deserialize;

use crate::{
    model::{Evidence, Fact, FailReason, Indicator, IndicatorKind, ProviderId, SharedClock, VerdictKind},
    provider::{
        BuildError, Config, KeyUse, LookupError, Provider, Spec,
        about::{self, Subject},
        http::Reply,
        proof,
        request::{Auth, Request, Wire},
        service::{Reading, Service, body, malformed, parse},
        text, time,
    },
};

/// The provider's name.
pub const ID: ProviderId = ProviderId("urlscan");

/// Its defaults: what a free key may search.
pub(crate) const SPEC: Spec = Spec {
    id: ID,
    base_url: "https://urlscan.io",
    quota: "60/min, 1000/day",
    key: KeyUse::Required,
    kinds: &[IndicatorKind::Url, IndicatorKind::Domain],
    routed: &[IndicatorKind::Url],
    wire: Wire { judge, proof: Some(proof::URLSCAN), ..Wire::json(Auth::Header("api-key")) },
    build,
};

/// Scans that are looked at.
const SIZE: &str = "10";

fn build(config: &Config, clock: SharedClock) -> Result<Arc<dyn Provider>, BuildError> {
    Ok(Arc::new(Service::new(&SPEC, config, clock, request, read)?))
}

fn request(indicator: &Indicator) -> Option<Request<'_>> {
    let field = match indicator.kind {
        IndicatorKind::Url => "page.url.keyword",
        IndicatorKind::Domain => "page.domain",
        IndicatorKind::Ipv4
        | IndicatorKind::Ipv6
        | IndicatorKind::Email
        | IndicatorKind::Md5
        | IndicatorKind::Sha1
        | IndicatorKind::Sha256
        | IndicatorKind::Sha512
        | IndicatorKind::Cve => return None,
    };
    let value = indicator.value.replace('\\', "\\\\").replace('"', "\\\"");
    Some(Request::get("/api/v1/search/").query("q", format!("{field}:\"{value}\"")).query("size", SIZE))
}

#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
}

/// A key that is no UUID is refused as a wrong request, an unknown one with 401: a 403 that speaks of the plan is not about the key.
fn judge(status: u16, body: Option<&[u8]>) -> Option<LookupError> {
    let refusal: Refusal = serde_json::from_slice(body?).ok()?;
    let message = refusal.message?.to_ascii_lowercase();
    let speaks_of = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match status {
        400 if speaks_of(&["api key"]) => {
            Some(LookupError::failed(FailReason::Unauthorized, "status 400, the key is not valid"))
        }
        403 if speaks_of(&["your plan", "subscription", "upgrade"]) => {
            Some(LookupError::failed(FailReason::NotInPlan, "status 403, needs another plan"))
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct Envelope {
    results: Vec<Scan>,
}

#[derive(Deserialize)]
struct Scan {
    #[serde(rename = "_id")]
    id: Option<String>,
    task: Option<Task>,
    page: Option<Page>,
    screenshot: Option<String>,
    verdicts: Option<Verdicts>,
}

#[derive(Deserialize)]
struct Task {
    url: Option<String>,
    domain: Option<String>,
    uuid: Option<String>,
    time: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    url: Option<String>,
    domain: Option<String>,
    ip: Option<String>,
    title: Option<String>,
    country: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdicts {
    score: Option<i64>,
    malicious: Option<bool>,
    has_verdicts: Option<bool>,
}

impl Scan {
    /// Whether it is of another page than that which was asked about: both what was submitted and where that led to are others, as far as they are told.
    fn is_of_another(&self, indicator: &Indicator) -> bool {
        let (task, page) = (self.task.as_ref(), self.page.as_ref());
        let told = match indicator.kind {
            IndicatorKind::Domain => {
                [task.and_then(|task| task.domain.as_deref()), page.and_then(|page| page.domain.as_deref())]
            }
            IndicatorKind::Url
            | IndicatorKind::Ipv4
            | IndicatorKind::Ipv6
            | IndicatorKind::Email
            | IndicatorKind::Md5
            | IndicatorKind::Sha1
            | IndicatorKind::Sha256
            | IndicatorKind::Sha512
            | IndicatorKind::Cve => {
                [task.and_then(|task| task.url.as_deref()), page.and_then(|page| page.url.as_deref())]
            }
        };
        let is_another =
            |text: &str| about::subject(indicator, text) == Subject::Another && !about::is_within(indicator, text);
        let mut told = told.into_iter().flatten().peekable();
        told.peek().is_some() && told.all(is_another)
    }

    /// Its score, -100..=100, where a verdict was given.
    fn score(&self) -> Option<i64> {
        let verdicts = self.verdicts.as_ref()?;
        let score = verdicts.score?;
        (score != 0 || verdicts.malicious == Some(true) || verdicts.has_verdicts != Some(false)).then_some(score)
    }

    fn is_malicious(&self) -> bool {
        self.verdicts.as_ref().is_some_and(|verdicts| verdicts.malicious == Some(true))
    }

    fn time(&self) -> Option<i64> {
        time::parse(self.task.as_ref()?.time.as_deref()?)
    }
}

fn read(indicator: &Indicator, reply: &Reply) -> Reading {
    let envelope: Envelope = parse(body(reply)?)?;
    let all = envelope.results;
    let is_empty = all.is_empty();
    let scans: Vec<Scan> = all.into_iter().filter(|scan| !scan.is_of_another(indicator)).collect();
    if scans.is_empty() && !is_empty {
        return Err(about::another());
    }
    if scans.iter().filter_map(Scan::score).any(|score| !(-100..=100).contains(&score)) {
        return Err(malformed("a score beyond 100"));
    }
    let worst = scans.iter().max_by_key(|scan| (scan.is_malicious(), scan.score(), scan.time()));
    let Some(scan) = worst else { return Ok((VerdictKind::NotFound, Evidence::default())) };
    let score = scan.score();
    let accused = scan.is_malicious() || score.is_some_and(|score| score > 0);
    let kind = if score.is_some() && !accused { VerdictKind::Clean } else { VerdictKind::Found };
    let at = scan.time();
    let mut facts = Vec::new();
    facts.extend(score.map(|score| ("urlscan_score", Fact::Int(score))));
    let verdict = score.map(|score| match (scan.is_malicious(), score) {
        (true, _) => "malicious",
        (false, 1..) => "suspicious",
        (false, _) => "no threat",
    });
    text::push(&mut facts, "urlscan_verdict", verdict);
    text::push(
        &mut facts,
        "urlscan_screenshot",
        scan.screenshot.as_deref().filter(|link| link.starts_with("https://")),
    );
    time::push(&mut facts, "urlscan_scanned_at", at);
    let page = scan.page.as_ref();
    text::push(&mut facts, "urlscan_ip", page.and_then(|page| page.ip.as_deref()));
    text::push(&mut facts, "urlscan_title", page.and_then(|page| page.title.as_deref()));
    text::push(&mut facts, "urlscan_country", page.and_then(|page| page.country.as_deref()));
    let evidence = Evidence {
        #[expect(clippy::cast_precision_loss, reason = "at most a hundred")]
        share: score.map(|score| score.max(0) as f64 / 100.0),
        facts,
        reference: reference(scan),
        description: Some(describe(scans.len(), score).into()),
        last_seen: at.filter(|_| accused),
        ..Evidence::default()
    };
    Ok((kind, evidence))
}

fn describe(scans: usize, score: Option<i64>) -> String {
    match score {
        Some(score) => format!("scans: {scans}, the worst verdict scores {score}"),
        None => format!("scans: {scans}, no verdict shown"),
    }
}

fn reference(scan: &Scan) -> Option<Box<str>> {
    let id = scan.task.as_ref().and_then(|task| task.uuid.as_deref()).or(scan.id.as_deref())?;
    let plain = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    plain.then(|| format!("https://urlscan.io/result/{id}/").into())
}
