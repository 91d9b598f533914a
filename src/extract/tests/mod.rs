//! Tests of the extraction.

use std::fmt::Write;

use super::*;
use crate::model::{IndicatorKind, Role};

mod cases;
mod context;
mod formats;
mod hard;
mod keywords;
mod labelled;
mod properties;
mod tokens;

/// The distinct indicators of a payload, `kind:value`.
fn found(payload: &str) -> Vec<String> {
    found_with(&Config::default(), payload)
}

fn found_with(config: &Config, payload: &str) -> Vec<String> {
    let mut out = Extraction::default();
    Extractor::new(config).extract(payload.as_bytes(), &mut out);
    out.iter().map(|sighted| format!("{}:{}", sighted.kind, sighted.value)).collect()
}

/// Checks rows of (name, payload, what is found, separated by spaces).
fn check(rows: &[(&str, &str, &str)]) {
    let mut failures = String::new();
    for (name, payload, expected) in rows {
        let found = found(payload).join(" ");
        if found != *expected {
            writeln!(failures, "{name}: {payload:?}\n  expected {expected}\n  found    {found}").unwrap();
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn nothing_in_nothing() {
    check(&[("empty", "", ""), ("object", "{}", ""), ("prose", "nothing to see here", "")]);
    let mut out = Extraction::default();
    Extractor::new(&Config::default()).extract(b"\0\0\0\0\x01http://example.com", &mut out);
    assert!(out.is_empty());
    assert_eq!(out.outline().format, event::Format::Binary);
}

#[test]
fn a_fingerprint_is_that_of_the_indicator() {
    let mut out = Extraction::default();
    let text = "198.51.100.7 evil.example.com http://a.example.org/x CVE-2021-44228 me@mail.example.net 2001:db8::1";
    Extractor::new(&Config::default()).extract(text.as_bytes(), &mut out);
    assert_eq!(out.len(), 6);
    for sighted in out.iter() {
        assert_eq!(Some(sighted.fingerprint()), sighted.indicator().map(|indicator| indicator.fingerprint()));
    }
}

#[test]
fn kinds_are_those_asked_for() {
    let text = "198.51.100.7 evil.example.com http://a.example.org/x";
    let config = Config { kinds: vec![IndicatorKind::Ipv4.into()], ..Config::default() };
    assert_eq!(found_with(&config, text), ["ipv4:198.51.100.7"]);
}

#[test]
fn hosts_are_listed_beside_when_asked_for() {
    let text = "http://a.example.org/x http://[2001:db8::1]/ http://198.51.100.7/ me@mail.example.net";
    let config = Config { url_hosts: true, ..Config::default() };
    let expected = [
        "url:http://a.example.org/x",
        "domain:a.example.org",
        "url:http://[2001:db8::1]/",
        "ipv6:2001:db8::1",
        "url:http://198.51.100.7/",
        "ipv4:198.51.100.7",
        "email:me@mail.example.net",
        "domain:mail.example.net",
    ];
    assert_eq!(found_with(&config, text), expected);
}

#[test]
fn more_than_the_bound_is_said() {
    let text: String = (0..10).map(|index| format!("198.51.100.{index} ")).collect();
    let mut out = Extraction::default();
    Extractor::new(&Config { max_per_event: 4, ..Config::default() }).extract(text.as_bytes(), &mut out);
    assert_eq!((out.len(), out.truncated()), (4, true));
    Extractor::new(&Config { max_per_event: 10, ..Config::default() }).extract(text.as_bytes(), &mut out);
    assert_eq!((out.len(), out.truncated()), (10, false));
}

#[test]
fn one_indicator_has_its_fields_and_smallest_role() {
    let payload = r#"{"message":"to 198.51.100.7","source":{"ip":"198.51.100.7"},"destination.ip":"198.51.100.7","dns":{"resolved_ip":["198.51.100.8","198.51.100.8"]}}"#;
    let mut out = Extraction::default();
    Extractor::new(&Config::default()).extract(payload.as_bytes(), &mut out);
    let all: Vec<_> =
        out.iter().map(|sighted| (sighted.value, sighted.role, sighted.fields().collect::<Vec<_>>())).collect();
    assert_eq!(
        all,
        [
            ("198.51.100.7", Role::Destination, vec!["message", "source.ip", "destination.ip"]),
            ("198.51.100.8", Role::Answer, vec!["dns.resolved_ip"]),
        ]
    );
    let spans: Vec<&str> = out.matches().map(|found| &payload[found.span]).collect();
    assert_eq!(spans, ["198.51.100.7", "198.51.100.7", "198.51.100.7", "198.51.100.8", "198.51.100.8"]);
}

#[test]
fn spans_cover_what_is_written() {
    let rows = [
        ("defanged", "see hxxps://evil[.]example[.]com/a now", vec!["hxxps://evil[.]example[.]com/a"]),
        ("escaped slash", r#"{"url":{"full":"http:\/\/a.example.com\/b"}}"#, vec![r"http:\/\/a.example.com\/b"]),
        ("escaped dot", r#"{"message":"x 198\u002e51.100.7 y"}"#, vec![r"198\u002e51.100.7"]),
        ("behind a line break", r#"{"message":"a\r\n198.51.100.7"}"#, vec!["198.51.100.7"]),
        (
            "CEF",
            r"CEF:0|a|b|c|d|e|1|request=http://a.example.com/?b\=c dst=198.51.100.7",
            vec![r"http://a.example.com/?b\=c", "198.51.100.7"],
        ),
        ("both layers", r#"{"message":"{\"a\":\"evil[.]example.com\"}"}"#, vec!["evil[.]example.com"]),
    ];
    let mut out = Extraction::default();
    for (name, payload, expected) in rows {
        Extractor::new(&Config::default()).extract(payload.as_bytes(), &mut out);
        let raw: Vec<&str> = out.matches().map(|found| &payload[found.span]).collect();
        assert_eq!(raw, expected, "{name}");
    }
}

#[test]
fn a_value_by_itself_is_identified() {
    let rows = [
        ("address", "198.51.100.7", Some("ipv4:198.51.100.7")),
        ("version six", "2001:DB8::1", Some("ipv6:2001:db8::1")),
        ("mapped", "::ffff:198.51.100.7", Some("ipv4:198.51.100.7")),
        ("name", " Evil[.]Example.com ", Some("domain:evil.example.com")),
        ("name like a file", "example.zip", Some("domain:example.zip")),
        ("URL", "hxxps://evil[.]example.com/a", Some("url:https://evil.example.com/a")),
        ("mail", "jane@example.org", Some("email:jane@example.org")),
        ("hash", "D41D8CD98F00B204E9800998ECF8427E", Some("md5:d41d8cd98f00b204e9800998ecf8427e")),
        ("weakness", "cve-2021-44228", Some("cve:CVE-2021-44228")),
        ("two", "198.51.100.7 198.51.100.8", None),
        ("rest", "198.51.100.7/x", None),
        ("nothing", "", None),
    ];
    let extractor = Extractor::new(&Config::default());
    for (name, value, expected) in rows {
        let found = extractor.identify(value).map(|indicator| format!("{}:{}", indicator.kind, indicator.value));
        assert_eq!(found.as_deref(), expected, "{name}");
    }
}
