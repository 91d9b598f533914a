//! Providers that take many indicators by one call: a backlog costs as few calls as it fills, and each indicator has its own answer.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use serde_json::json;
use sidelight::{
    model::IndicatorKind,
    provider::SAFEBROWSING,
    simulator::{Fault, SimulatorConfig, Truths},
};

use crate::support::{
    e2e::{Stage, beside_others},
    e2e_wire::{Feeder, Seen, Tap},
    kafka::{Wire, eventually},
};

/// URLs, and how many of them one call can name.
const URLS: usize = 10_000;
const BATCH: usize = 500;

fn url(n: usize) -> String {
    format!("https://files-{n}.com/drop")
}

#[test]
fn ten_thousand_urls_cost_twenty_calls() {
    let _turn = beside_others();
    let truths = Truths { seed: 11, ..Truths::default() };
    let simulator = SimulatorConfig { truths: truths.clone(), ..SimulatorConfig::default() };
    let mut stage = Stage::new("e2e-batches", 3, simulator);
    let base = stage.providers.simulator().base_url(SAFEBROWSING);
    stage.unset("providers.");
    stage.set("providers.safebrowsing.api_key", "{ env = \"E2E_VT_KEY\" }");
    stage.set("providers.safebrowsing.base_url", &format!("{base:?}"));
    // One call at a time: while the first is held everything else comes to wait, however slow the machine is.
    stage.set("providers.safebrowsing.max_in_flight", "1").set("providers.safebrowsing.timeout", "\"300s\"");
    stage.set("delivery.deadline", "\"300s\"");
    stage.providers.simulator().faults().set(SAFEBROWSING, Fault::Hold);
    let daemon = stage.start();
    let output = Tap::open(&stage.output());
    let late = Tap::open(&stage.late());
    let wires: Vec<Wire> = (0..URLS)
        .map(|n| {
            // Some of them may use the reserve.
            let severity = if n % 10 == 0 { 80 } else { 20 };
            let event = json!({ "event.id": format!("evt-{n}"), "event.severity": severity, "url.full": url(n) });
            let partition = i32::try_from(n % 3).unwrap();
            Wire { partition, ..Wire::keyed(0, &format!("host-{}", n % 97), event.to_string()) }
        })
        .collect();
    Feeder::new(&stage.input()).send_all(0, &wires);
    eventually("all of them wait", || daemon.status()["waiting_indicators"] == URLS);
    assert_eq!(stage.providers.simulator().stats().providers["safebrowsing"].calls, 1, "the one that is held");

    stage.providers.simulator().faults().clear(SAFEBROWSING);
    // Where the ledger is slow to answer some leave before their answer, which follows then.
    let left = output.wait(URLS, Duration::from_secs(120));
    let (complete, early): (Vec<_>, Vec<_>) = left.iter().partition(|record| record.status() == "complete");
    let late = late.wait(early.len(), Duration::from_secs(120));
    let numbered = complete.into_iter().map(|record| (record.number(), record));
    let id = |record: &Seen| record.json()["event"]["id"].as_str().and_then(|id| id.strip_prefix("evt-")?.parse().ok());
    let answers: BTreeMap<usize, &Seen> =
        numbered.chain(late.iter().map(|record| (id(record).unwrap(), record))).collect();
    assert_eq!(answers.len(), URLS);
    for (n, record) in answers {
        let indicators = record.indicators();
        let found = indicators.first().unwrap();
        assert_eq!(found["ioc_value"], url(n), "{found}");
        let listed = truths.of(IndicatorKind::Url, &url(n)).listed;
        assert_eq!(found["sources"][0]["outcome"], if listed { "found" } else { "clean" }, "{found}");
        assert_eq!((record.status(), found["status"].as_str()), ("complete", Some("complete")), "{found}");
    }

    let log = stage.providers.simulator().log();
    let mut calls: Vec<(u64, usize)> = Vec::new();
    for entry in &log {
        match calls.last_mut().filter(|(call, _)| *call == entry.call) {
            Some((_, urls)) => *urls += 1,
            None => calls.push((entry.call, 1)),
        }
    }
    let sizes: Vec<usize> = calls.iter().map(|(_, urls)| *urls).collect();
    println!("{URLS} URLs: {} calls about {sizes:?}", sizes.len());
    let asked: HashSet<&str> = log.iter().map(|entry| &*entry.indicator).collect();
    assert_eq!((log.len(), asked.len()), (URLS, URLS), "each is asked about once");
    // The first call went with what had come within its time; the last takes the rest.
    assert!(sizes.len() <= URLS / BATCH + 1, "{sizes:?}");
    assert!(sizes[1..sizes.len() - 1].iter().all(|urls| *urls == BATCH), "{sizes:?}");
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}
