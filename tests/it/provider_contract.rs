//! One contract for all providers: every registered one against every way in which a service can answer or fail.
//!
//! Rows are the providers ([`SUBJECTS`]), columns what a service can do (`verdicts_are_told_apart`, [`faults`], slowness, absence, a wrong
//! key); every cell is asked. A new provider adds its row; the suite fails until it does.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sidelight::{
    model::{FailReason, Indicator, IndicatorKind, ProviderId, VerdictKind},
    provider::{
        ABUSEIPDB, CIRCL_PDNS, Config, GREYNOISE, HASHLOOKUP, INTERNETDB, KeyUse, LookupError, MALWAREBAZAAR, MISP,
        OTX, OTX_PDNS, PASSIVETOTAL, Provider, SAFEBROWSING, SAFEBROWSING_V5, SHODAN, THREATFOX, URLHAUS, URLSCAN,
        VIRUSTOTAL,
    },
    simulator::{Class, Fault, FaultRule, Handle, Simulator, SimulatorConfig, Truths},
};

use crate::{
    provider_support::{CANARY, Canned, build, clock, config, mixing, sample, spec, specs},
    provider_toy, provider_toy_face,
};

struct Subject {
    id: ProviderId,
    kind: IndicatorKind,
    found: &'static str,
    /// `None` where the service does not say of anything that it is good.
    clean: Option<&'static str>,
    /// `None` where the service knows everything.
    not_found: Option<&'static str>,
    /// Faults that mean something else here than elsewhere.
    special: &'static [(Fault, Outcome)],
    /// The answer `clean` holds no value that could have a wrong type.
    clean_is_empty: bool,
}

const PLAIN: Subject = Subject {
    id: ProviderId("nobody"),
    kind: IndicatorKind::Domain,
    found: "found.example",
    clean: None,
    not_found: Some("absent.example"),
    special: &[],
    clean_is_empty: false,
};

const SUBJECTS: &[Subject] = &[
    Subject { id: VIRUSTOTAL, clean: Some("clean.example"), ..PLAIN },
    Subject {
        id: ABUSEIPDB,
        kind: IndicatorKind::Ipv4,
        found: "198.51.100.7",
        clean: Some("198.51.100.8"),
        not_found: None,
        ..PLAIN
    },
    Subject { id: SHODAN, kind: IndicatorKind::Ipv4, found: "198.51.100.7", not_found: Some("198.51.100.9"), ..PLAIN },
    Subject { id: MISP, ..PLAIN },
    Subject {
        id: PASSIVETOTAL,
        clean: Some("clean.example"),
        // What its dead host answers to everything.
        special: &[(Fault::NotFoundHtml, Outcome::Failed(FailReason::Retired))],
        ..PLAIN
    },
    Subject {
        id: URLSCAN,
        kind: IndicatorKind::Url,
        found: "http://found.example/",
        clean: Some("http://clean.example/"),
        not_found: Some("http://absent.example/"),
        ..PLAIN
    },
    Subject {
        id: SAFEBROWSING,
        kind: IndicatorKind::Url,
        found: "http://found.example/",
        clean: Some("http://clean.example/"),
        not_found: None,
        clean_is_empty: true,
        ..PLAIN
    },
    Subject {
        id: MALWAREBAZAAR,
        kind: IndicatorKind::Md5,
        found: "0123456789abcdef0123456789abcdef",
        not_found: Some("0123456789abcdef0123456789abcde0"),
        ..PLAIN
    },
    Subject {
        id: INTERNETDB,
        kind: IndicatorKind::Ipv4,
        found: "198.51.100.7",
        not_found: Some("198.51.100.9"),
        ..PLAIN
    },
    Subject {
        id: GREYNOISE,
        kind: IndicatorKind::Ipv4,
        found: "198.51.100.7",
        clean: Some("198.51.100.8"),
        not_found: Some("198.51.100.9"),
        ..PLAIN
    },
    Subject {
        id: HASHLOOKUP,
        kind: IndicatorKind::Md5,
        found: "0123456789abcdef0123456789abcdef",
        clean: Some("0123456789abcdef0123456789abcde1"),
        not_found: Some("0123456789abcdef0123456789abcde0"),
        ..PLAIN
    },
    Subject {
        id: URLHAUS,
        kind: IndicatorKind::Url,
        found: "http://found.example/",
        not_found: Some("http://absent.example/"),
        ..PLAIN
    },
    Subject {
        id: THREATFOX,
        kind: IndicatorKind::Md5,
        found: "0123456789abcdef0123456789abcdef",
        not_found: Some("0123456789abcdef0123456789abcde0"),
        ..PLAIN
    },
    Subject { id: OTX, ..PLAIN },
    Subject { id: OTX_PDNS, ..PLAIN },
    Subject {
        id: CIRCL_PDNS,
        // It declares its lines as HTML, and says by an answer without a line that it has none.
        special: &[
            (Fault::WrongContentType, Outcome::Verdict(VerdictKind::Found)),
            (Fault::Empty, Outcome::Verdict(VerdictKind::NotFound)),
        ],
        ..PLAIN
    },
    Subject {
        id: SAFEBROWSING_V5,
        kind: IndicatorKind::Url,
        found: "http://found.example/",
        clean: Some("http://clean.example/"),
        not_found: None,
        ..PLAIN
    },
    // Lives in this test tree.
    Subject { id: provider_toy::ID, clean: Some("clean.example"), ..PLAIN },
];

impl Subject {
    /// The values on which the service has something to say.
    fn known(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.found), self.clean].into_iter().flatten()
    }

    /// What a fault must come to.
    fn expected(&self, fault: Fault, general: &Outcome) -> Outcome {
        let special = self.special.iter().find(|(special, _)| *special == fault);
        special.map_or(*general, |(_, outcome)| *outcome)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Verdict(VerdictKind),
    Throttled(Option<u64>),
    Failed(FailReason),
}

const fn failed(reason: FailReason) -> Outcome {
    Outcome::Failed(reason)
}

async fn simulator() -> Handle {
    let mut overrides = HashMap::new();
    for subject in SUBJECTS {
        overrides.insert(subject.found.to_owned(), Class::Malicious);
        overrides.extend(subject.clean.map(|value| (value.to_owned(), Class::Clean)));
        overrides.extend(subject.not_found.map(|value| (value.to_owned(), Class::Unknown)));
    }
    let truths = Truths { seed: 0, overrides };
    let simulator = Simulator::bind(SimulatorConfig {
        truths,
        clock: clock(),
        faces: vec![provider_toy_face::FACE],
        ..Default::default()
    })
    .await
    .unwrap();
    simulator.spawn().unwrap()
}

fn provider(handle: &Handle, id: ProviderId, timeout: Duration) -> Arc<dyn Provider> {
    let mut config = config(&handle.base_url(id));
    config.timeout = timeout;
    build(id, config)
}

async fn ask(provider: &dyn Provider, kind: IndicatorKind, value: &str) -> Outcome {
    let outcome = provider.lookup(&Indicator::new(kind, value)).await;
    let text = format!("{outcome:?}");
    assert!(!text.contains(CANARY), "{text}");
    match outcome {
        Ok(verdict) => Outcome::Verdict(verdict.kind),
        Err(LookupError::Throttled { retry_after, .. }) => Outcome::Throttled(retry_after.map(|pause| pause.as_secs())),
        Err(LookupError::Failed { reason, detail }) => {
            assert!(!detail.contains(value) && detail.len() < 300, "{detail}");
            Outcome::Failed(reason)
        }
    }
}

#[test]
fn every_registered_provider_is_a_subject() {
    let known: Vec<_> = specs().map(|spec| spec.id).collect();
    let subjects: Vec<_> = SUBJECTS.iter().map(|subject| subject.id).collect();
    assert_eq!(known, subjects);
}

#[tokio::test]
async fn verdicts_are_told_apart() {
    let handle = simulator().await;
    for subject in SUBJECTS {
        let provider = provider(&handle, subject.id, Duration::from_secs(10));
        assert_eq!(provider.id(), subject.id);
        let rows = [
            (Some(subject.found), VerdictKind::Found),
            (subject.clean, VerdictKind::Clean),
            (subject.not_found, VerdictKind::NotFound),
        ];
        for (value, expected) in rows {
            if let Some(value) = value {
                let outcome = ask(&*provider, subject.kind, value).await;
                assert_eq!(outcome, Outcome::Verdict(expected), "{} {value}", subject.id);
            }
        }
    }
}

#[tokio::test]
async fn every_kind_of_every_provider_is_answered() {
    let handle = simulator().await;
    for spec in specs() {
        let provider = provider(&handle, spec.id, Duration::from_secs(10));
        for kind in IndicatorKind::ALL {
            let value = sample(kind);
            handle.reset();
            assert_eq!(provider.supports(kind), spec.kinds.contains(&kind));
            let outcome = ask(&*provider, kind, value).await;
            let asked: Vec<_> = handle.log().into_iter().map(|entry| (entry.kind, entry.indicator)).collect();
            if provider.supports(kind) {
                assert!(matches!(outcome, Outcome::Verdict(_)), "{} {kind}: {outcome:?}", spec.id);
                assert_eq!(asked, [(kind.as_str(), value.into())], "the service understood the indicator as meant");
            } else {
                assert_eq!((outcome, asked.len()), (failed(FailReason::Rejected), 0), "{} {kind}", spec.id);
            }
        }
    }
}

/// Part of a value of a subject, another of the same length, and the value with that in its place.
fn other(value: &str) -> (&'static str, &'static str, String) {
    const PAIRS: [(&str, &str); 5] = [
        ("found.example", "other.example"),
        ("clean.example", "other.example"),
        ("198.51.100.7", "198.51.100.6"),
        ("198.51.100.8", "198.51.100.6"),
        // Digits alone: some services write hashes in upper case.
        ("0123456789", "9876543210"),
    ];
    let (part, instead) = PAIRS.into_iter().find(|(part, _)| value.contains(part)).unwrap();
    (part, instead, value.replacen(part, instead, 1))
}

/// What a gateway or a cache on the way mixes up must not become a verdict.
#[tokio::test]
async fn an_answer_about_something_else_is_not_believed() {
    // Whose answer does not name what it is about.
    let nameless = [
        (PASSIVETOTAL, VerdictKind::Found),
        (PASSIVETOTAL, VerdictKind::Clean),
        (SAFEBROWSING, VerdictKind::Clean),
        (SAFEBROWSING_V5, VerdictKind::Clean),
        (THREATFOX, VerdictKind::Found),
    ];
    let handle = simulator().await;
    for subject in SUBJECTS {
        let rows = [(Some(subject.found), VerdictKind::Found), (subject.clean, VerdictKind::Clean)];
        for (value, verdict) in rows {
            let Some(value) = value else { continue };
            let (known, asked, about) = other(value);
            let way = mixing(handle.addr(), asked, known).await;
            let base = handle.base_url(subject.id).replace(&handle.addr().to_string(), &way.to_string());
            let provider = build(subject.id, config(&base));
            let outcome = ask(&*provider, subject.kind, &about).await;
            let expected = match subject.id {
                // It looks for what was asked among all that came.
                MISP => Outcome::Verdict(VerdictKind::NotFound),
                id if nameless.contains(&(id, verdict)) => Outcome::Verdict(verdict),
                _ => failed(FailReason::Malformed),
            };
            assert_eq!(outcome, expected, "{} {about}", subject.id);
            assert_eq!(handle.log().last().unwrap().status, Some(200), "{} the service answered", subject.id);
        }
    }
}

fn faults() -> Vec<(FaultRule, Outcome)> {
    let throttle = |value: &str| FaultRule { retry_after: Some(value.to_owned()), ..Fault::Throttle.into() };
    vec![
        (Fault::InternalError.into(), failed(FailReason::Unavailable)),
        (Fault::BadGateway.into(), failed(FailReason::Unavailable)),
        (Fault::Unavailable.into(), failed(FailReason::Unavailable)),
        (Fault::Reset.into(), failed(FailReason::Connect)),
        (Fault::Oversize.into(), failed(FailReason::TooLarge)),
        (Fault::OversizeDeclared.into(), failed(FailReason::TooLarge)),
        (Fault::GzipBomb.into(), failed(FailReason::TooLarge)),
        (Fault::GzipDamaged.into(), failed(FailReason::Malformed)),
        (Fault::Garbage.into(), failed(FailReason::Malformed)),
        (Fault::WrongTypes.into(), failed(FailReason::Malformed)),
        (Fault::Truncated.into(), failed(FailReason::Malformed)),
        (Fault::Empty.into(), failed(FailReason::Malformed)),
        (Fault::WrongContentType.into(), failed(FailReason::Malformed)),
        (Fault::HtmlPage.into(), failed(FailReason::Malformed)),
        (Fault::NotFoundHtml.into(), failed(FailReason::Malformed)),
        (Fault::ErrorInside.into(), failed(FailReason::Malformed)),
        (Fault::Redirect.into(), failed(FailReason::Malformed)),
        (Fault::Unauthorized.into(), failed(FailReason::Unauthorized)),
        (Fault::Forbidden.into(), failed(FailReason::Unauthorized)),
        (Fault::Throttle.into(), Outcome::Throttled(Some(30))),
        (Fault::ThrottleDate.into(), Outcome::Throttled(Some(30))),
        (Fault::ThrottleBare.into(), Outcome::Throttled(None)),
        (Fault::ThrottleHtml.into(), Outcome::Throttled(None)),
        (throttle("0"), Outcome::Throttled(None)),
        (throttle("-1"), Outcome::Throttled(None)),
        (throttle("soon"), Outcome::Throttled(None)),
        (throttle("99999999999999999999999"), Outcome::Throttled(Some(86_400))),
        (throttle("Thu, 01 Jan 1970 00:00:00 GMT"), Outcome::Throttled(None)),
    ]
}

#[tokio::test]
async fn faults_are_what_they_are_and_never_a_verdict() {
    let rows = faults();
    let handle = simulator().await;
    for subject in SUBJECTS {
        let provider = provider(&handle, subject.id, Duration::from_secs(10));
        for (rule, general) in &rows {
            let expected = subject.expected(rule.fault, general);
            handle.faults().set(subject.id, rule.clone());
            for value in subject.known() {
                if rule.fault == Fault::WrongTypes && subject.clean_is_empty && Some(value) == subject.clean {
                    continue;
                }
                let outcome = ask(&*provider, subject.kind, value).await;
                assert_eq!(outcome, expected, "{} {:?} {value}", subject.id, rule.fault);
            }
            // The fault leaves nothing behind in the client.
            handle.faults().clear(subject.id);
            let outcome = ask(&*provider, subject.kind, subject.found).await;
            assert_eq!(outcome, Outcome::Verdict(VerdictKind::Found), "{} after {:?}", subject.id, rule.fault);
        }
    }
    let elsewhere = handle.log().into_iter().find(|entry| entry.provider == ProviderId("redirect"));
    assert_eq!(elsewhere, None, "a redirect was followed");
}

#[tokio::test]
async fn slowness_ends_in_time() {
    let handle = simulator().await;
    for subject in SUBJECTS {
        let provider = provider(&handle, subject.id, Duration::from_millis(150));
        for fault in [Fault::Hang, Fault::SlowBody] {
            handle.faults().set(subject.id, fault);
            let outcome = ask(&*provider, subject.kind, subject.found).await;
            assert_eq!(outcome, failed(FailReason::Timeout), "{} {fault:?}", subject.id);
        }
        handle.faults().clear_all();
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_failure_to_connect() {
    let handle = simulator().await;
    let urls: Vec<_> = SUBJECTS.iter().map(|subject| handle.base_url(subject.id)).collect();
    // The port speaks no TLS.
    for (subject, url) in SUBJECTS.iter().zip(&urls) {
        let provider = build(subject.id, config(&url.replace("http://", "https://")));
        let outcome = ask(&*provider, subject.kind, subject.found).await;
        assert_eq!(outcome, failed(FailReason::Connect), "{} over TLS", subject.id);
    }
    handle.shutdown().await;
    for (subject, url) in SUBJECTS.iter().zip(&urls) {
        let outcome = ask(&*build(subject.id, config(url)), subject.kind, subject.found).await;
        assert_eq!(outcome, failed(FailReason::Connect), "{}", subject.id);
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_told_to_nobody() {
    let services = SUBJECTS.iter().map(|subject| {
        (subject.id, sidelight::simulator::ServiceConfig { key: Some("another".to_owned()), ..Default::default() })
    });
    let config =
        SimulatorConfig { services: services.collect(), faces: vec![provider_toy_face::FACE], ..Default::default() };
    let handle = Simulator::bind(config).await.unwrap().spawn().unwrap();
    let has_key = |subject: &&Subject| spec(subject.id).key != KeyUse::Unused;
    for subject in SUBJECTS.iter().filter(has_key) {
        let provider = provider(&handle, subject.id, Duration::from_secs(10));
        let outcome = ask(&*provider, subject.kind, subject.found).await;
        assert_eq!(outcome, failed(FailReason::Unauthorized), "{}", subject.id);
    }
    assert!(handle.log().iter().all(|entry| matches!(entry.status, Some(400 | 401 | 403))));
}

/// A service without keys is sent none, whatever is configured; one to which a key is optional is asked without.
#[tokio::test]
async fn where_no_key_is_needed_none_is_sent() {
    for spec in specs() {
        let kind = spec.kinds[0];
        let key = match spec.key {
            KeyUse::Required | KeyUse::Pair => continue,
            KeyUse::Optional => None,
            KeyUse::Unused => Some(CANARY.to_owned().into()),
        };
        let server = Canned::json(503, b"{}").await;
        let config = Config { api_key: key, kinds: spec.kinds.to_vec(), ..config(&server.base_url()) };
        let provider = (spec.build)(&config, clock()).unwrap();
        provider.lookup(&Indicator::new(kind, sample(kind))).await.unwrap_err();
        let requests = server.requests();
        assert!(requests.len() == 1 && !requests[0].contains(CANARY), "{}: {requests:?}", spec.id);
        let named = requests[0].to_ascii_lowercase().lines().any(|line| line.starts_with("key:"));
        assert!(!named, "{}: {requests:?}", spec.id);
    }
}
