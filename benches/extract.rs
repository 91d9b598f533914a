//! Extraction, JSON walk included: an ECS event, a CEF line, syslog, text without indicators, a mixed set, hostile runs.
//!
//! Every answer is checked before it is measured. All events are made up.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up fails")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sidelight::extract::{Config, Extraction, Extractor};

const ECS: &str = r#"{"@timestamp":"2026-11-23T09:12:00.123Z","event":{"id":"a81c","kind":"event","category":["network"],"action":"connection_attempted","dataset":"proxy.log"},"host":{"name":"wks-0042","os":{"name":"Windows","version":"10.0.19045.3693"}},"source":{"ip":"10.20.30.40","port":52113},"destination":{"ip":"198.51.100.7","port":443,"domain":"cdn.evil-example.net"},"url":{"full":"https://cdn.evil-example.net/gate/load.php?id=42","path":"/gate/load.php"},"user":{"name":"jdoe"},"process":{"name":"updater.exe","hash":{"sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}},"message":"blocked download by jane@example.org"}"#;
const CEF: &str = r"CEF:0|Vendor|Firewall|9.1.0|4000|Connection blocked|7|src=10.20.30.40 spt=52113 dst=198.51.100.7 dpt=443 request=https://cdn.evil-example.net/gate/load.php?id\=42 act=block fileHash=d41d8cd98f00b204e9800998ecf8427e msg=matched rule for web.evil-example.net";
const SYSLOG: &str =
    "<38>Nov 23 09:12:00 gw01 sshd[4242]: Failed password for invalid user admin from 203.0.113.77 port 40022 ssh2";
const QUIET: &str = r#"{"@timestamp":"2026-11-23T09:12:00.123Z","Channel":"Security","EventID":4663,"Hostname":"WKS-0042","Keywords":"0x8020000000000000","ProcessName":"C:\\Windows\\System32\\svchost.exe","ObjectName":"\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Control\\Lsa","Message":"An attempt was made to access an object.\r\n\r\nSubject:\r\n\tSecurity ID:\t\tS-1-5-19\r\n\tAccount Name:\t\tLOCAL SERVICE\r\n\tAccount Domain:\t\tNT AUTHORITY\r\n\tLogon ID:\t\t0x3E5\r\n\r\nObject:\r\n\tObject Server:\t\tSecurity\r\n\tObject Type:\t\tKey\r\n\tHandle ID:\t\t0x5f4"}"#;
const TEXT: &str = "The scheduler went through all of its queues without finding anything to do, so it goes to sleep for a while and tries again later.";

fn extract(criterion: &mut Criterion) {
    let extractor = Extractor::new(&Config::default());
    let mut out = Extraction::default();
    let mut group = criterion.benchmark_group("extract");
    for (name, event, count) in
        [("ecs", ECS, 6), ("cef", CEF, 5), ("syslog", SYSLOG, 1), ("quiet_json", QUIET, 0), ("text", TEXT, 0)]
    {
        extractor.extract(event.as_bytes(), &mut out);
        assert_eq!(
            out.len(),
            count,
            "{name}: {:?}",
            out.iter().map(|sighted| sighted.value.to_owned()).collect::<Vec<_>>()
        );
        group.throughput(Throughput::Bytes(event.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| extractor.extract(black_box(event.as_bytes()), &mut out)));
    }
    let set: Vec<&str> = [ECS, QUIET, CEF, TEXT, SYSLOG].into_iter().cycle().take(100).collect();
    group.throughput(Throughput::Bytes(set.iter().map(|event| event.len() as u64).sum()));
    group.bench_function("mixed_100", |bencher| {
        bencher.iter(|| {
            let mut found = 0;
            for event in &set {
                extractor.extract(black_box(event.as_bytes()), &mut out);
                found += out.len();
            }
            assert_eq!(found, 20 * 12);
        });
    });
    group.finish();
}

/// What other engines take for less: one alternation of the same kinds without fields, escapes, canonical values or public suffixes, and the
/// defang markers alone. Both only find candidates.
fn rivals(criterion: &mut Criterion) {
    let set: Vec<&str> = [ECS, QUIET, CEF, TEXT, SYSLOG].into_iter().cycle().take(100).collect();
    let bytes = set.iter().map(|event| event.len() as u64).sum();
    let alternation = regex::bytes::Regex::new(
        r"(?i)\b(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|h(?:tt|xx)ps?://[^\s\x22]+|[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}|[0-9a-f]{128}|[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|cve-\d{4}-\d{4,}|(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24})\b",
    )
    .expect("a regex");
    let candidates = |event: &str| alternation.find_iter(event.as_bytes()).count();
    assert!(candidates(ECS) >= 6 && candidates(TEXT) == 0);
    let markers = ["[.]", "(.)", "{.}", "[dot]", "(dot)", "hxxp", "[at]", "(at)", "[@]", "[:]", "[://]"];
    let markers =
        aho_corasick::AhoCorasick::builder().ascii_case_insensitive(true).build(markers).expect("an automaton");
    assert!(markers.is_match("hXXp://a[.]example") && !markers.is_match(ECS));
    let mut group = criterion.benchmark_group("rivals");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("regex_alternation_mixed_100", |bencher| {
        bencher.iter(|| set.iter().map(|event| candidates(black_box(event))).sum::<usize>());
    });
    group.bench_function("aho_corasick_defang_markers_mixed_100", |bencher| {
        bencher.iter(|| set.iter().map(|event| markers.find_iter(black_box(event.as_bytes())).count()).sum::<usize>());
    });
    group.finish();
}

fn hostile(criterion: &mut Criterion) {
    let extractor = Extractor::new(&Config::default());
    let mut out = Extraction::default();
    let mut group = criterion.benchmark_group("hostile_32k");
    group.throughput(Throughput::Bytes(32 * 1024));
    for pattern in ["A", "a.", "a[.]", "1.", ":", "f0", "http://", "a@b.", "::1", "\\", "198.51.100.7 "] {
        let text = pattern.repeat(32 * 1024 / pattern.len());
        let start = Instant::now();
        extractor.extract(text.as_bytes(), &mut out);
        assert!(start.elapsed() < Duration::from_millis(20), "{pattern}: {:?}", start.elapsed());
        group.bench_function(pattern, |bencher| {
            bencher.iter(|| extractor.extract(black_box(text.as_bytes()), &mut out))
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(1));
    targets = extract, rivals, hostile
}
criterion_main!(benches);
