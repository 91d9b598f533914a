//! Extraction, JSON walk included: an ECS event, a CEF line, syslog, text without indicators, a mixed set, hostile runs.
//!
//! Every answer is checked before it is measured. All events are made up. `SIDELIGHT_BENCH_EVENTS=FILE` (one event a line, `.gz` too) puts
//! events of one's own in the place of the mixed set in `events`, where rivals run beside, and in `keywords`.
//!
//! `formats`, `hostile` and `keywords` print tables: the least time of many short rounds, so that what else runs on the machine matters little.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up fails")]

mod keywords;
mod made;
mod tables;
mod watch;

use std::{fs::File, hint::black_box, io::Read, time::Duration};

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

/// The events to measure on: a mixed set of made-up ones, or the lines of a file.
fn events() -> Vec<String> {
    let Some(path) = std::env::var_os("SIDELIGHT_BENCH_EVENTS") else {
        return [ECS, QUIET, CEF, TEXT, SYSLOG].into_iter().cycle().take(1000).map(str::to_owned).collect();
    };
    let mut bytes = Vec::new();
    File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("a file that can be read");
    if bytes.starts_with(b"\x1f\x8b") {
        let packed = std::mem::take(&mut bytes);
        flate2::read::MultiGzDecoder::new(&*packed).read_to_end(&mut bytes).expect("a gzip file");
    }
    String::from_utf8(bytes).expect("UTF-8 text").lines().map(str::to_owned).collect()
}

/// The whole extraction beside engines that do less: bytes of three kinds counted; one alternation of the same kinds without fields, escapes,
/// canonical values or public suffixes; links and mail addresses alone; the defang markers alone.
fn rivals(criterion: &mut Criterion) {
    let set = events();
    let bytes = set.iter().map(|event| event.len() as u64).sum();
    let extractor = Extractor::new(&Config::default());
    let mut out = Extraction::default();
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
    let links = linkify::LinkFinder::new();
    let mut group = criterion.benchmark_group("events");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("sidelight", |bencher| {
        bencher.iter(|| {
            let extract = |event: &String| {
                extractor.extract(black_box(event.as_bytes()), &mut out);
                out.len()
            };
            set.iter().map(extract).sum::<usize>()
        });
    });
    group.bench_function("memchr3", |bencher| {
        let count = |event: &String| memchr::memchr3_iter(b'.', b':', b'@', black_box(event.as_bytes())).count();
        bencher.iter(|| set.iter().map(count).sum::<usize>());
    });
    group.bench_function("regex_alternation", |bencher| {
        bencher.iter(|| set.iter().map(|event| candidates(black_box(event))).sum::<usize>());
    });
    group.bench_function("linkify", |bencher| {
        bencher.iter(|| set.iter().map(|event| links.links(black_box(event)).count()).sum::<usize>());
    });
    group.bench_function("aho_corasick_defang_markers", |bencher| {
        bencher.iter(|| set.iter().map(|event| markers.find_iter(black_box(event.as_bytes())).count()).sum::<usize>());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(1));
    targets = extract, rivals, tables::formats, tables::hostile, keywords::lists
}
criterion_main!(benches);
