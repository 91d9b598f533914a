//! Bodies of the services, and what each becomes: golden texts beside the bodies, under `tests/fixtures/provider/<name>`.
//!
//! `UPDATE_GOLDEN=1` rewrites the texts. A file whose name starts with `bad_` is malformed and has none; every other one has a row here.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use sidelight::{
    model::{Evidence, FailReason, Indicator, IndicatorKind, ProviderId, Verdict},
    provider::{
        CIRCL_PDNS, GREYNOISE, HASHLOOKUP, INTERNETDB, LookupError, MALWAREBAZAAR, MISP, OTX, OTX_PDNS, PASSIVETOTAL,
        SAFEBROWSING, SAFEBROWSING_V5, SHODAN, THREATFOX, URLHAUS, URLSCAN,
    },
};

use crate::{
    provider_support::{Canned, NOW_MS, build, config, sample, spec},
    provider_toy::ID as TOY,
};

const URL: &str = "http://login.example/a";
const NAME: &str = "host.example";
const IP: &str = "198.51.100.7";

/// A body, the status it comes with, and what was asked.
struct Row(ProviderId, &'static str, u16, IndicatorKind, &'static str);

fn rows() -> Vec<Row> {
    use IndicatorKind as K;
    let hash = sample(K::Sha256);
    vec![
        Row(SHODAN, "host", 200, K::Ipv4, IP),
        Row(SHODAN, "host_vulns_as_map", 200, K::Ipv4, IP),
        Row(SHODAN, "host_nulls", 200, K::Ipv4, IP),
        Row(SHODAN, "host_unknown", 404, K::Ipv4, IP),
        Row(SHODAN, "no_membership", 403, K::Ipv4, IP),
        Row(SHODAN, "error_inside_key", 200, K::Ipv4, IP),
        Row(SHODAN, "error_inside_rate", 200, K::Ipv4, IP),
        Row(SHODAN, "no_credits", 402, K::Domain, NAME),
        Row(SHODAN, "domain", 200, K::Domain, NAME),
        Row(SHODAN, "domain_without_records", 200, K::Domain, NAME),
        Row(MISP, "marked", 200, K::Ipv4, IP),
        Row(MISP, "not_marked", 200, K::Domain, NAME),
        Row(MISP, "composite", 200, K::Md5, sample(K::Md5)),
        Row(MISP, "sighted_and_doubted", 200, K::Domain, NAME),
        Row(MISP, "of_another_value", 200, K::Domain, NAME),
        Row(MISP, "deleted", 200, K::Domain, NAME),
        Row(MISP, "nothing", 200, K::Domain, NAME),
        Row(MISP, "nothing_of_old", 200, K::Domain, NAME),
        Row(MISP, "refused_key", 403, K::Domain, NAME),
        Row(PASSIVETOTAL, "suspicious", 200, K::Domain, NAME),
        Row(PASSIVETOTAL, "good", 200, K::Domain, NAME),
        Row(PASSIVETOTAL, "unknown", 200, K::Domain, NAME),
        Row(PASSIVETOTAL, "neutral", 200, K::Domain, NAME),
        Row(PASSIVETOTAL, "quota", 403, K::Domain, NAME),
        Row(PASSIVETOTAL, "refused", 403, K::Domain, NAME),
        Row(URLSCAN, "malicious", 200, K::Url, URL),
        Row(URLSCAN, "no_threat", 200, K::Url, URL),
        Row(URLSCAN, "verdict_not_given", 200, K::Url, URL),
        Row(URLSCAN, "verdict_not_shown", 200, K::Url, URL),
        Row(URLSCAN, "worst_of_several", 200, K::Url, URL),
        Row(URLSCAN, "benign_below_zero", 200, K::Url, URL),
        Row(URLSCAN, "nothing", 200, K::Url, URL),
        Row(URLSCAN, "key_format", 400, K::Url, URL),
        Row(SAFEBROWSING, "match_", 200, K::Url, URL),
        Row(SAFEBROWSING, "two_lists", 200, K::Url, URL),
        Row(SAFEBROWSING, "clean", 200, K::Url, URL),
        Row(SAFEBROWSING, "refused_key", 400, K::Url, URL),
        Row(SAFEBROWSING, "invalid_argument", 400, K::Url, URL),
        Row(MALWAREBAZAAR, "sample", 200, K::Sha256, hash),
        Row(MALWAREBAZAAR, "sample_nulls", 200, K::Md5, sample(K::Md5)),
        Row(MALWAREBAZAAR, "not_found", 200, K::Sha256, hash),
        Row(MALWAREBAZAAR, "illegal_hash", 200, K::Sha256, hash),
        Row(MALWAREBAZAAR, "key_refused_inside", 200, K::Sha256, hash),
        Row(MALWAREBAZAAR, "key_refused", 403, K::Sha256, hash),
        Row(INTERNETDB, "host", 200, K::Ipv4, IP),
        Row(INTERNETDB, "host_bare", 200, K::Ipv4, IP),
        Row(INTERNETDB, "unknown", 404, K::Ipv4, IP),
        Row(INTERNETDB, "not_found_elsewhere", 404, K::Ipv4, IP),
        Row(INTERNETDB, "invalid", 422, K::Ipv4, IP),
        Row(GREYNOISE, "malicious", 200, K::Ipv4, IP),
        Row(GREYNOISE, "suspicious", 200, K::Ipv4, IP),
        Row(GREYNOISE, "unclassified", 200, K::Ipv4, IP),
        Row(GREYNOISE, "benign_scanner", 200, K::Ipv4, IP),
        Row(GREYNOISE, "riot", 200, K::Ipv4, IP),
        Row(GREYNOISE, "riot_malicious", 200, K::Ipv4, IP),
        Row(GREYNOISE, "riot_unclassified", 200, K::Ipv4, IP),
        Row(GREYNOISE, "not_observed", 404, K::Ipv4, IP),
        Row(GREYNOISE, "neither", 200, K::Ipv4, IP),
        Row(GREYNOISE, "not_found_elsewhere", 404, K::Ipv4, IP),
        Row(GREYNOISE, "known_under_404", 404, K::Ipv4, IP),
        Row(GREYNOISE, "not_routable", 400, K::Ipv4, IP),
        Row(GREYNOISE, "key_refused", 401, K::Ipv4, IP),
        Row(HASHLOOKUP, "known", 200, K::Md5, sample(K::Md5)),
        Row(HASHLOOKUP, "known_without_the_digest_asked", 200, K::Md5, sample(K::Md5)),
        Row(HASHLOOKUP, "of_little_trust", 200, K::Sha1, sample(K::Sha1)),
        Row(HASHLOOKUP, "malicious", 200, K::Md5, sample(K::Md5)),
        Row(HASHLOOKUP, "malicious_of_much_trust", 200, K::Md5, sample(K::Md5)),
        Row(HASHLOOKUP, "unknown", 404, K::Md5, sample(K::Md5)),
        Row(HASHLOOKUP, "not_found_elsewhere", 404, K::Md5, sample(K::Md5)),
        Row(HASHLOOKUP, "invalid", 400, K::Md5, sample(K::Md5)),
        Row(URLHAUS, "entry", 200, K::Url, URL),
        Row(URLHAUS, "entry_nulls", 200, K::Url, URL),
        Row(URLHAUS, "no_results", 200, K::Url, URL),
        Row(URLHAUS, "invalid_url", 200, K::Url, URL),
        Row(URLHAUS, "key_refused_inside", 200, K::Url, URL),
        Row(URLHAUS, "key_refused", 403, K::Url, URL),
        Row(URLHAUS, "key_missing", 401, K::Url, URL),
        Row(THREATFOX, "sample", 200, K::Sha256, hash),
        Row(THREATFOX, "address", 200, K::Ipv4, IP),
        Row(THREATFOX, "unsure", 200, K::Domain, NAME),
        Row(THREATFOX, "of_others", 200, K::Ipv4, IP),
        Row(THREATFOX, "no_result", 200, K::Sha256, hash),
        Row(THREATFOX, "illegal_hash", 200, K::Sha256, hash),
        Row(THREATFOX, "key_refused", 403, K::Sha256, hash),
        Row(OTX, "pulses", 200, K::Domain, NAME),
        Row(OTX, "pulses_nulls", 200, K::Ipv4, IP),
        Row(OTX, "validated", 200, K::Domain, NAME),
        Row(OTX, "false_positive", 200, K::Ipv4, IP),
        Row(OTX, "false_positive_rejected", 200, K::Ipv4, IP),
        Row(OTX, "no_pulse", 200, K::Ipv4, IP),
        Row(OTX, "key_refused", 403, K::Ipv4, IP),
        Row(OTX, "endpoint_unknown", 404, K::Ipv4, IP),
        Row(OTX_PDNS, "records", 200, K::Domain, NAME),
        Row(OTX_PDNS, "names_of_an_address", 200, K::Ipv4, IP),
        Row(OTX_PDNS, "nothing", 200, K::Domain, NAME),
        Row(CIRCL_PDNS, "lines", 200, K::Domain, NAME),
        Row(CIRCL_PDNS, "names_of_an_address", 200, K::Ipv4, IP),
        Row(CIRCL_PDNS, "nothing", 200, K::Domain, NAME),
        Row(SAFEBROWSING_V5, "threat", 200, K::Url, URL),
        Row(SAFEBROWSING_V5, "expression_of_the_host", 200, K::Url, URL),
        Row(SAFEBROWSING_V5, "whole_url", 200, K::Url, URL),
        Row(SAFEBROWSING_V5, "clean", 200, K::Url, URL),
        Row(SAFEBROWSING_V5, "clean_for_long", 200, K::Url, URL),
        Row(SAFEBROWSING_V5, "refused_key", 400, K::Url, URL),
        Row(SAFEBROWSING_V5, "not_enabled", 403, K::Url, URL),
        Row(TOY, "listed", 200, K::Domain, NAME),
        Row(TOY, "not_listed", 200, K::Ipv4, IP),
        Row(TOY, "unknown", 404, K::Domain, NAME),
        Row(SHODAN, "error_inside_plan", 200, K::Domain, NAME),
        Row(URLSCAN, "not_in_plan", 403, K::Url, URL),
        Row(URLSCAN, "worst_is_of_another_page", 200, K::Url, URL),
    ]
}

/// What the malformed bodies of a provider are about: nothing else than what is wrong with them is to be held against them.
fn named_in_bad_bodies(provider: ProviderId, kind: IndicatorKind) -> &'static str {
    match (provider, kind) {
        (SHODAN | MISP | TOY, IndicatorKind::Ipv4) => IP,
        (_, IndicatorKind::Domain) => NAME,
        (_, IndicatorKind::Url) => URL,
        _ => sample(kind),
    }
}

fn directory(provider: ProviderId) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/provider").join(provider.as_str())
}

async fn ask(Row(provider, case, status, kind, value): &Row) -> Result<Verdict, LookupError> {
    let body = fs::read(directory(*provider).join(format!("{case}.json"))).unwrap();
    let server = Canned::json(*status, &body).await;
    build(*provider, config(&server.base_url())).lookup(&Indicator::new(*kind, *value)).await.map(|verdict| {
        // The port is another one each time.
        let reference = verdict.evidence.reference.as_deref();
        let reference = reference.map(|link| link.replace(&server.base_url(), "https://base.example").into());
        Verdict { evidence: Evidence { reference, ..verdict.evidence }, ..verdict }
    })
}

fn written(outcome: &Result<Verdict, LookupError>) -> String {
    let verdict = match outcome {
        Err(LookupError::Throttled { retry_after, .. }) => return format!("throttled {retry_after:?}\n"),
        Err(LookupError::Failed { reason, detail }) => return format!("failed {}: {detail}\n", reason.as_str()),
        Ok(verdict) => verdict,
    };
    assert_eq!(verdict.answered_at, NOW_MS);
    let Evidence { share, floor, ceiling, facts, reference, description, .. } = &verdict.evidence;
    let Evidence { first_seen, last_seen, sightings, scanner_stats, max_age, .. } = &verdict.evidence;
    let mut text = format!("{}\n", verdict.kind.as_str());
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            writeln!(text, "{name} {value}").unwrap();
        }
    };
    line("share", share.map(|share| share.to_string()));
    line("floor", floor.map(|floor| floor.to_string()));
    line("ceiling", ceiling.map(|ceiling| ceiling.to_string()));
    for (name, fact) in facts {
        line(name, Some(format!("{fact:?}")));
    }
    line("reference", reference.as_deref().map(str::to_owned));
    line("description", description.as_deref().map(str::to_owned));
    line("first seen", first_seen.map(|ms| ms.to_string()));
    line("last seen", last_seen.map(|ms| ms.to_string()));
    line("sightings", sightings.map(|count| count.to_string()));
    line("engines", scanner_stats.map(|count| count.to_string()));
    line("kept for", max_age.map(|age| format!("{age:?}")));
    text
}

#[tokio::test]
async fn bodies_become_what_stands_beside_them() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for row in rows() {
        let Row(provider, case, ..) = &row;
        let outcome = written(&ask(&row).await);
        let golden = directory(*provider).join(format!("{case}.verdict"));
        if update {
            fs::write(&golden, &outcome).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if outcome != expected {
            wrong.push(format!("{provider} {case}: expected\n{expected}\ngot\n{outcome}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_body_has_a_row_and_bad_ones_are_malformed() {
    let rows = rows();
    let providers: BTreeSet<ProviderId> = rows.iter().map(|row| row.0).collect();
    for provider in providers {
        let kind = spec(provider).routed[0];
        for entry in fs::read_dir(directory(provider)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(case) = name.strip_suffix(".json") else { continue };
            if !case.starts_with("bad_") {
                assert!(rows.iter().any(|row| row.0 == provider && row.1 == case), "{provider} {case} has no row");
                continue;
            }
            let case: &'static str = String::leak(case.to_owned());
            let outcome = ask(&Row(provider, case, 200, kind, named_in_bad_bodies(provider, kind))).await;
            let malformed = matches!(&outcome, Err(LookupError::Failed { reason: FailReason::Malformed, .. }));
            assert!(malformed, "{provider} {case}: {outcome:?}");
        }
    }
}
