//! Bodies as the services send them, and as they must not be sent: what each becomes.
//!
//! The bodies are files; every file whose name starts with `bad_` is malformed, every other one has a row here.

use std::{collections::BTreeSet, fs, path::PathBuf};

use sidelight::{
    model::{Evidence, Fact, FailReason, Indicator, IndicatorKind, ProviderId, Verdict, VerdictKind},
    provider::{ABUSEIPDB, LookupError, VIRUSTOTAL},
};

use crate::provider_support::{Canned, NOW_MS, build, config};

const MD5: &str = "0123456789abcdef0123456789abcdef";

fn directory(provider: ProviderId) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/provider").join(provider.as_str())
}

async fn ask(
    provider: ProviderId,
    case: &str,
    status: u16,
    kind: IndicatorKind,
    value: &str,
) -> Result<Verdict, LookupError> {
    let body = fs::read(directory(provider).join(format!("{case}.json"))).unwrap();
    let server = Canned::json(status, &body).await;
    build(provider, config(&server.base_url())).lookup(&Indicator::new(kind, value)).await
}

fn int(name: &'static str, value: i64) -> (&'static str, Fact) {
    (name, Fact::Int(value))
}

fn text(name: &'static str, value: &str) -> (&'static str, Fact) {
    (name, Fact::Text(value.into()))
}

fn votes(malicious: i64, suspicious: i64, total: i64) -> Vec<(&'static str, Fact)> {
    vec![int("vt_malicious", malicious), int("vt_suspicious", suspicious), int("vt_total", total)]
}

fn gui(page: &str) -> Option<Box<str>> {
    Some(format!("https://www.virustotal.com/gui/{page}").into())
}

struct Row {
    case: &'static str,
    status: u16,
    kind: IndicatorKind,
    value: &'static str,
    verdict: VerdictKind,
    evidence: Evidence,
}

const fn row(
    case: &'static str,
    kind: IndicatorKind,
    value: &'static str,
    verdict: VerdictKind,
    evidence: Evidence,
) -> Row {
    Row { case, status: 200, kind, value, verdict, evidence }
}

async fn check(provider: ProviderId, rows: Vec<Row>) {
    let covered: BTreeSet<_> = rows.iter().map(|row| row.case.to_owned()).collect();
    for Row { case, status, kind, value, verdict, evidence } in rows {
        let expected = Verdict { kind: verdict, evidence, answered_at: NOW_MS };
        assert_eq!(ask(provider, case, status, kind, value).await, Ok(expected), "{provider} {case}");
    }
    for entry in fs::read_dir(directory(provider)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let case = name.strip_suffix(".json").unwrap();
        if case.starts_with("bad_") {
            // What the bodies are about: nothing else is to be held against them.
            let (kind, value) = match provider {
                VIRUSTOTAL => (IndicatorKind::Domain, "host.example"),
                _ => (IndicatorKind::Ipv4, "198.51.100.7"),
            };
            let outcome = ask(provider, case, 200, kind, value).await;
            let malformed = matches!(&outcome, Err(LookupError::Failed { reason: FailReason::Malformed, .. }));
            assert!(malformed, "{provider} {case}: {outcome:?}");
        } else {
            assert!(covered.contains(case), "{provider} {case} has no row");
        }
    }
}

#[tokio::test]
async fn virustotal_bodies() {
    let domain = || gui("domain/host.example");
    let date = Some(1_795_000_000_000);
    let rows = vec![
        row(
            "ip_malicious",
            IndicatorKind::Ipv4,
            "198.51.100.7",
            VerdictKind::Found,
            Evidence {
                share: Some(41.0 / 90.0),
                floor: Some(40),
                facts: [
                    votes(41, 2, 90),
                    vec![
                        int("vt_reputation", -57),
                        text("vt_as_owner", "Example Hosting Ltd"),
                        text("vt_country", "NL"),
                    ],
                ]
                .concat(),
                reference: gui("ip-address/198.51.100.7"),
                description: Some("41 of 90 engines call it malicious, 2 suspicious".into()),
                last_seen: date,
                scanner_stats: Some(41),
                ..Default::default()
            },
        ),
        row(
            "domain_suspicious_only",
            IndicatorKind::Domain,
            "host.example",
            VerdictKind::Found,
            Evidence {
                share: Some(0.0),
                facts: [votes(0, 1, 91), vec![int("vt_reputation", 0)]].concat(),
                reference: domain(),
                description: Some("0 of 91 engines call it malicious, 1 suspicious".into()),
                last_seen: date,
                scanner_stats: Some(0),
                ..Default::default()
            },
        ),
        row(
            "domain_two_engines",
            IndicatorKind::Domain,
            "host.example",
            VerdictKind::Found,
            Evidence {
                share: Some(2.0 / 92.0),
                facts: votes(2, 0, 92),
                reference: domain(),
                description: Some("2 of 92 engines call it malicious".into()),
                scanner_stats: Some(2),
                ..Default::default()
            },
        ),
        row(
            "domain_clean",
            IndicatorKind::Domain,
            "host.example",
            VerdictKind::Clean,
            Evidence {
                share: Some(0.0),
                facts: votes(0, 0, 94),
                reference: domain(),
                description: Some("0 of 94 engines call it malicious".into()),
                scanner_stats: Some(0),
                ..Default::default()
            },
        ),
        row(
            "domain_without_stats",
            IndicatorKind::Domain,
            "host.example",
            VerdictKind::NotFound,
            Evidence { reference: domain(), ..Default::default() },
        ),
        row(
            "domain_no_voter",
            IndicatorKind::Domain,
            "host.example",
            VerdictKind::NotFound,
            Evidence { reference: domain(), ..Default::default() },
        ),
        row(
            "all_nulls",
            IndicatorKind::Url,
            "https://host.example/",
            VerdictKind::Clean,
            Evidence {
                share: Some(0.0),
                facts: votes(0, 0, 5),
                description: Some("0 of 5 engines call it malicious".into()),
                scanner_stats: Some(0),
                ..Default::default()
            },
        ),
        row(
            "bare",
            IndicatorKind::Ipv6,
            "2001:db8::7",
            VerdictKind::Found,
            Evidence {
                share: Some(3.0 / 90.0),
                floor: Some(40),
                facts: votes(3, 0, 90),
                reference: gui("ip-address/2001:db8::7"),
                description: Some("3 of 90 engines call it malicious".into()),
                scanner_stats: Some(3),
                ..Default::default()
            },
        ),
        row(
            "file_malicious",
            IndicatorKind::Md5,
            MD5,
            VerdictKind::Found,
            Evidence {
                share: Some(53.0 / 62.0),
                floor: Some(40),
                facts: [
                    votes(53, 0, 62),
                    vec![int("vt_reputation", -3), text("vt_threat_label", "trojan.sample/agent")],
                ]
                .concat(),
                reference: gui(&format!("file/{MD5}")),
                description: Some("53 of 62 engines call it malicious (trojan.sample/agent)".into()),
                first_seen: Some(1_780_000_000_000),
                last_seen: date,
                scanner_stats: Some(53),
                ..Default::default()
            },
        ),
        row(
            "url_clean",
            IndicatorKind::Url,
            "https://host.example/",
            VerdictKind::Clean,
            Evidence {
                share: Some(0.0),
                facts: votes(0, 0, 71),
                reference: gui(&format!("url/{}", "ab".repeat(32))),
                description: Some("0 of 71 engines call it malicious".into()),
                scanner_stats: Some(0),
                ..Default::default()
            },
        ),
        row(
            "unknown_members_and_text",
            IndicatorKind::Ipv4,
            "198.51.100.7",
            VerdictKind::Found,
            Evidence {
                share: Some(0.1),
                facts: [votes(1, 0, 10), vec![text("vt_as_owner", &format!("Line oneLine two {}", "é".repeat(91)))]]
                    .concat(),
                reference: gui("ip-address/198.51.100.7"),
                description: Some("1 of 10 engines call it malicious".into()),
                scanner_stats: Some(1),
                ..Default::default()
            },
        ),
        Row { status: 404, ..row("not_found", IndicatorKind::Md5, MD5, VerdictKind::NotFound, Evidence::default()) },
    ];
    check(VIRUSTOTAL, rows).await;
}

#[tokio::test]
async fn abuseipdb_bodies() {
    let last = Some(1_792_529_714_000);
    let where_from = || {
        vec![
            text("abuse_country", "NL"),
            text("abuse_usage_type", "Data Center/Web Hosting/Transit"),
            text("abuse_isp", "Example Hosting Ltd"),
        ]
    };
    let counts = |confidence, reports, users| {
        vec![int("abuse_confidence", confidence), int("abuse_reports", reports), int("abuse_users", users)]
    };
    let evidence = |share, reports, description: &str, facts: Vec<_>| Evidence {
        share: Some(share),
        facts,
        reference: Some("https://www.abuseipdb.com/check/198.51.100.7".into()),
        description: Some(description.into()),
        sightings: Some(reports),
        ..Default::default()
    };
    let flag = |name| vec![(name, Fact::Bool(true))];
    let rows = vec![
        (
            "reported",
            VerdictKind::Found,
            Evidence {
                last_seen: last,
                ..evidence(
                    0.97,
                    567,
                    "567 abuse reports in 90 days, confidence 97 %",
                    [counts(97, 567, 123), flag("abuse_tor"), where_from()].concat(),
                )
            },
        ),
        (
            "reported_score_zero",
            VerdictKind::Found,
            Evidence {
                last_seen: last.map(|at| at - 7_200_000),
                ..evidence(
                    0.0,
                    2,
                    "2 abuse reports in 90 days, confidence 0 %",
                    [counts(0, 2, 1), where_from()].concat(),
                )
            },
        ),
        (
            "score_without_reports",
            VerdictKind::Found,
            evidence(0.01, 0, "0 abuse reports in 90 days, confidence 1 %", [counts(1, 0, 0), where_from()].concat()),
        ),
        (
            "whitelisted",
            VerdictKind::Found,
            Evidence {
                ceiling: Some(39),
                last_seen: last,
                ..evidence(
                    0.0,
                    4100,
                    "whitelisted by AbuseIPDB; 4100 reports in 90 days",
                    [counts(0, 4100, 800), flag("abuse_whitelisted"), where_from()].concat(),
                )
            },
        ),
        (
            "never_reported",
            VerdictKind::Clean,
            evidence(0.0, 0, "0 abuse reports in 90 days, confidence 0 %", [counts(0, 0, 0), where_from()].concat()),
        ),
        (
            "all_nulls",
            VerdictKind::Clean,
            evidence(
                0.0,
                0,
                "0 abuse reports in 90 days, confidence 0 %",
                vec![int("abuse_confidence", 0), int("abuse_reports", 0)],
            ),
        ),
        (
            "bare",
            VerdictKind::Found,
            evidence(
                1.0,
                0,
                "0 abuse reports in 90 days, confidence 100 %",
                vec![int("abuse_confidence", 100), int("abuse_reports", 0)],
            ),
        ),
        (
            "verbose",
            VerdictKind::Found,
            evidence(0.5, 1, "1 abuse reports in 90 days, confidence 50 %", [counts(50, 1, 0), where_from()].concat()),
        ),
    ];
    let rows = rows
        .into_iter()
        .map(|(case, verdict, evidence)| row(case, IndicatorKind::Ipv4, "198.51.100.7", verdict, evidence));
    check(ABUSEIPDB, rows.collect()).await;
}
