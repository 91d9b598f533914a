//! All providers of the routing table at once: who is asked, how often, and whether the annotation says what the formulas of the documentation come to.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sidelight::{
    model::{IndicatorKind, ProviderId},
    provider::{ABUSEIPDB, MALWAREBAZAAR, MISP, PASSIVETOTAL, SAFEBROWSING, SHODAN, URLSCAN, VIRUSTOTAL},
    simulator::{Class, Fault, SimulatorConfig, Truths},
};

use crate::{
    provider_support::{Canned, between, json_answer},
    support::{
        e2e::{Stage, beside_others, json_lines, run_with},
        e2e_events::address,
        e2e_score::assert_says,
        e2e_wire::{Feeder, Tap},
        formulas::{Says, asked, assessed, says},
        kafka::Wire,
    },
};

const EIGHT: [ProviderId; 8] =
    [VIRUSTOTAL, ABUSEIPDB, SHODAN, MISP, PASSIVETOTAL, URLSCAN, SAFEBROWSING, MALWAREBAZAAR];
const CLASSES: [Class; 4] = [Class::Malicious, Class::Suspicious, Class::Clean, Class::Unknown];
/// How many indicators of each kind and class.
const EACH: usize = 5;

/// An indicator as an event names it: kind, value, field.
fn indicator(kind: IndicatorKind, n: usize) -> (String, &'static str) {
    match kind {
        IndicatorKind::Ipv4 => (address(60, n), "destination.ip"),
        IndicatorKind::Ipv6 => (format!("2a02:4780::{:x}", n + 1), "source.ip"),
        IndicatorKind::Domain => (format!("shop-{n}.com"), "dns.question.name"),
        IndicatorKind::Url => (format!("https://files-{n}.com/drop"), "url.full"),
        IndicatorKind::Email => (format!("sender@mail-{n}.com"), "email.from.address"),
        IndicatorKind::Md5 => (format!("{:032x}", n + 0xabcd_0000), "file.hash.md5"),
        IndicatorKind::Sha1 => (format!("{:040x}", n + 0xabcd_0000), "file.hash.sha1"),
        IndicatorKind::Sha256 => (format!("{:064x}", n + 0xabcd_0000), "file.hash.sha256"),
        IndicatorKind::Sha512 => (format!("{:0128x}", n + 0xabcd_0000), "file.hash.sha512"),
        IndicatorKind::Cve => (format!("CVE-2026-{:05}", n + 10_000), "vulnerability.id"),
    }
}

/// Every indicator with its kind, and a world in which each class is there in each kind.
fn world() -> (Vec<(IndicatorKind, String)>, Truths) {
    let mut all = Vec::new();
    let mut overrides = HashMap::new();
    for kind in IndicatorKind::ALL {
        for n in 0..EACH * CLASSES.len() {
            let (value, _) = indicator(kind, n);
            overrides.insert(value.clone(), CLASSES[n % CLASSES.len()]);
            all.push((kind, value));
        }
    }
    (all, Truths { seed: 5, overrides })
}

/// One event for each number: an indicator of every kind.
fn event(n: usize) -> Value {
    let mut event = json!({ "event.id": format!("evt-{n}") });
    for kind in IndicatorKind::ALL {
        let (value, field) = indicator(kind, n);
        event[field] = json!(value);
    }
    event
}

fn stage(name: &str, brokers: Option<i32>, truths: Truths) -> Stage {
    let simulator = SimulatorConfig { truths, ..SimulatorConfig::default() };
    let mut stage = match brokers {
        Some(partitions) => Stage::new(name, partitions, simulator),
        None => Stage::without_input(name, "127.0.0.1:1", simulator),
    };
    stage.variable("E2E_PAIR", "user:any");
    for provider in EIGHT {
        let key = if provider == PASSIVETOTAL { "E2E_PAIR" } else { "E2E_VT_KEY" };
        let base = stage.providers.simulator().base_url(provider);
        stage.set(&format!("providers.{provider}.api_key"), &format!("{{ env = {key:?} }}"));
        stage.set(&format!("providers.{provider}.base_url"), &format!("{base:?}"));
        stage.set(&format!("providers.{provider}.quota"), "\"1000000/min\"");
    }
    for kind in ["email", "sha512", "cve"] {
        stage.set(&format!("routing.{kind}"), "[\"misp\"]");
    }
    stage
}

/// The facts that an annotation owes of what a source found.
fn facts(provider: &str, kind: IndicatorKind) -> &'static [&'static str] {
    match provider {
        "virustotal" => &["vt_malicious", "vt_total"],
        "abuseipdb" => &["abuse_confidence", "abuse_reports"],
        "shodan" if kind == IndicatorKind::Domain => &["shodan_addresses"],
        "shodan" => &["shodan_ports"],
        "misp" => &["misp_events", "misp_to_ids", "misp_threat_level"],
        "passivetotal" => &["pt_score", "pt_classification"],
        "urlscan" => &["urlscan_score", "urlscan_screenshot"],
        "safebrowsing" => &["safebrowsing_threats"],
        "malwarebazaar" => &["malwarebazaar_family", "malwarebazaar_first_seen"],
        _ => panic!("{provider}"),
    }
}

/// An indicator of an annotation against what these services say of it.
fn check(found: &Value, kind: IndicatorKind, said: &[(&str, Says)]) {
    assert_says(found, &assessed(kind, said));
    let sources = found["sources"].as_array().unwrap();
    let names: Vec<&str> = sources.iter().map(|source| source["provider"].as_str().unwrap()).collect();
    assert_eq!(names, said.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{found}");
    for (source, (provider, says)) in sources.iter().zip(said) {
        let outcome = match says {
            Says::Something { found: true, .. } => "found",
            Says::Something { found: false, .. } => "clean",
            Says::NotFound => "not_found",
            Says::Nothing => {
                let outcome = source["outcome"].as_str().unwrap();
                assert!(matches!(outcome, "failed" | "pending" | "throttled"), "{source}");
                continue;
            }
        };
        assert_eq!(source["outcome"], outcome, "{source} {found}");
        if outcome == "found" {
            for fact in facts(provider, kind) {
                assert!(!found[fact].is_null(), "{provider} owes {fact}: {found}");
            }
            // Its pages went with the service.
            let has_page = *provider != "passivetotal";
            assert!(!has_page || source["reference"].as_str().is_some_and(|link| link.starts_with("http")), "{source}");
        }
        if let (Says::Something { floor, .. }, Some(shown)) = (says, source["floor"].as_f64()) {
            assert_eq!(Some(shown), *floor, "{source}");
        }
    }
    // A score that is not the sum of its parts says whose floor it is.
    let part = |source: &Value| source["contribution"].as_f64().unwrap_or(0.0);
    if let Some(score) = found["confidence_score"].as_f64()
        && (sources.iter().map(part).sum::<f64>() - score).abs() > 0.5
    {
        assert!(sources.iter().any(|source| source["floor"].as_f64() == Some(score)), "{found}");
    }
}

fn by_value(indicators: &[Value]) -> HashMap<(String, String), Value> {
    let key = |found: &Value| {
        (found["ioc_type"].as_str().unwrap().to_owned(), found["ioc_value"].as_str().unwrap().to_owned())
    };
    indicators.iter().map(|found| (key(found), found.clone())).collect()
}

#[test]
fn every_kind_is_asked_once_where_it_belongs_and_assessed_by_the_formulas() {
    let _turn = beside_others();
    let (all, truths) = world();
    let mut stage = stage("e2e-all", Some(3), truths.clone());
    stage.set("delivery.deadline", "\"20s\"");
    let daemon = stage.start();
    let output = Tap::open(&stage.output());
    // Three rounds of the same indicators, from different hosts.
    let wires: Vec<Wire> = (0..3 * EACH * CLASSES.len())
        .map(|n| {
            let partition = i32::try_from(n % 3).unwrap();
            Wire {
                partition,
                ..Wire::keyed(0, &format!("host-{}", n % 7), event(n % (EACH * CLASSES.len())).to_string())
            }
        })
        .collect();
    Feeder::new(&stage.input()).send_all(0, &wires);
    let left = output.wait(wires.len(), Duration::from_secs(60));

    let mut checked = 0;
    for record in &left {
        assert_eq!(record.status(), "complete", "{}", record.text());
        let found = by_value(&record.indicators());
        assert_eq!(found.len(), IndicatorKind::ALL.len(), "{}", record.text());
        for ((kind, value), found) in &found {
            let kind = IndicatorKind::parse(kind).unwrap();
            let truth = truths.of(kind, value);
            let said: Vec<_> = asked(kind).iter().map(|name| (*name, says(name, kind, &truth))).collect();
            check(found, kind, &said);
            checked += 1;
        }
    }
    assert_eq!(checked, wires.len() * IndicatorKind::ALL.len());

    let mut expected: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for (kind, value) in &all {
        for provider in asked(*kind) {
            expected.insert(((*provider).to_owned(), kind.as_str().to_owned(), value.clone()), 1);
        }
    }
    let mut calls: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for call in stage.providers.calls() {
        *calls.entry(call).or_default() += 1;
    }
    assert_eq!(calls, expected, "each provider is asked once about each indicator, and nobody else");
    println!(
        "{} indicators of {} kinds, {} questions, each asked once",
        all.len(),
        IndicatorKind::ALL.len(),
        calls.len()
    );
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn with_all_providers_but_one_down_scores_stay_honest() {
    let (all, truths) = world();
    let input: String = (0..EACH * CLASSES.len()).map(|n| format!("{}\n", event(n))).collect();
    for up in EIGHT {
        let stage = stage("e2e-one-up", None, truths.clone());
        for down in EIGHT.into_iter().filter(|provider| *provider != up) {
            stage.providers.simulator().faults().set(down, Fault::Unavailable);
        }
        let output = run_with(stage.command("annotate").args(["--wait", "6"]), input.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let mut checked = 0;
        for line in lines.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            for found in event["sidelight"]["indicators"].as_array().unwrap() {
                let kind = IndicatorKind::parse(found["ioc_type"].as_str().unwrap()).unwrap();
                let truth = truths.of(kind, found["ioc_value"].as_str().unwrap());
                let said: Vec<_> = asked(kind)
                    .iter()
                    .map(|name| (*name, if *name == up.as_str() { says(name, kind, &truth) } else { Says::Nothing }))
                    .collect();
                check(found, kind, &said);
                if found["status"] != "complete" {
                    assert_ne!(found["disposition"], "clean", "{up}: {found}");
                    assert_ne!(found["queue"], "low", "{up}: {found}");
                }
                checked += 1;
            }
            if event["sidelight"]["status"] != "complete" {
                assert_ne!(event["sidelight"]["disposition"], "clean", "{up}: {event}");
                assert_ne!(event["sidelight"]["queue"], "low", "{up}: {event}");
            }
        }
        assert_eq!(checked, all.len(), "{up}");
    }
}

/// A free key of Shodan: "Requires membership" for domains, answers for addresses. The wrong request stands for what is refused for good.
#[test]
fn a_kind_outside_of_the_plan_is_asked_for_once_and_the_others_go_on() {
    const EVENTS: usize = 20;
    let (_, truths) = world();
    let mut stage = stage("e2e-plan", None, truths);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let refuse = move |request: String| {
        if !request.contains("/dns/domain/") {
            return Ok(request);
        }
        count.fetch_add(1, Ordering::SeqCst);
        Err(json_answer(403, br#"{"error":"Requires membership or higher to access"}"#))
    };
    let way = runtime.block_on(between(stage.providers.simulator().addr(), refuse));
    let wrong = runtime.block_on(Canned::json(400, b"{}"));
    stage
        .set("providers.shodan.base_url", &format!("\"http://{way}/shodan\""))
        .set("providers.shodan.max_in_flight", "1");
    stage.set("providers.passivetotal.base_url", &format!("{:?}", wrong.base_url()));
    let input: String = (0..EVENTS)
        .map(|n| {
            format!("{}\n", json!({ "dns.question.name": format!("shop-{n}.com"), "destination.ip": address(60, n) }))
        })
        .collect();
    let output = run_with(stage.command("annotate").args(["--wait", "20"]), input.as_bytes());
    let log = String::from_utf8(output.stderr).unwrap();
    let lines = json_lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(lines.len(), EVENTS, "{log}");
    for line in &lines {
        let found = by_value(line["sidelight"]["indicators"].as_array().unwrap());
        for ((kind, _), found) in &found {
            let of = |provider: ProviderId| {
                let sources = found["sources"].as_array().unwrap();
                sources.iter().find(|source| source["provider"] == provider.as_str()).unwrap().clone()
            };
            let source = of(SHODAN);
            let says = (source["outcome"].as_str().unwrap(), source["reason"].as_str());
            if kind == "domain" {
                assert_eq!(says, ("failed", Some("not_in_plan")), "{found}");
                assert_eq!(
                    (&of(PASSIVETOTAL)["outcome"], &of(PASSIVETOTAL)["reason"]),
                    (&json!("failed"), &json!("rejected"))
                );
                assert_eq!(found["status"], "partial", "{found}");
            } else {
                assert!(matches!(says, ("found" | "not_found", None)), "{found}");
            }
            assert!(source.get("retry_at").is_none(), "{found}");
        }
    }
    assert_eq!(refused.load(Ordering::SeqCst), 1, "once, whatever comes after");
    assert_eq!(stage.providers.count("shodan"), EVENTS, "all addresses");
    let told: Vec<&str> = log.lines().filter(|line| line.contains("not_in_plan")).collect();
    assert!(told.len() == 1 && told[0].contains("\"WARN\"") && told[0].contains("domain"), "{told:?}");
    assert!(log.contains("it will not be tried again") && !log.contains("it will be tried again"), "{log}");
}
