//! Keywords in events: fields, escapes, events inside values.

use std::sync::Arc;

use super::*;
use crate::extract::keywords::Reader;

fn list(lines: &str) -> Arc<Keywords> {
    let mut reader = Reader::default();
    reader.read(lines.as_bytes()).unwrap();
    Arc::new(reader.finish())
}

fn sightings(extractor: &Extractor, event: &str) -> Vec<String> {
    let mut out = Extraction::default();
    extractor.extract(event.as_bytes(), &mut out);
    out.matches()
        .map(|found| format!("{} {} {} {}", found.kind, found.field, found.value, &event[found.span]))
        .collect()
}

#[test]
fn keywords_are_found_in_every_value_and_in_no_key() {
    let keywords = list("Cobalt Strike\nnc -lvp\nC:\\tools\nCASE-4711\nevil");
    let extractor = Extractor::new(&Config { keywords, ..Config::default() });
    let rows: &[(&str, &[&str])] = &[
        (r#"{"evil":"good","CASE-4711":["x"]}"#, &[]),
        (r#"{"a":{"b":["x","cobalt strike"]}}"#, &["keyword a.b Cobalt Strike cobalt strike"]),
        (
            r#"{"event":{"kind":"evil"},"@timestamp":"evil"}"#,
            &["keyword event.kind evil evil", "keyword @timestamp evil evil"],
        ),
        (r#"{"message":"a\nevil\tend"}"#, &["keyword message evil evil"]),
        (r#"{"message":"a\u0020evil"}"#, &["keyword message evil evil"]),
        (r#"{"message":"\u0065vil"}"#, &[r"keyword message evil \u0065vil"]),
        (
            "<Event><EventData><Data Name=\"a\">x &#101;vil</Data></EventData></Event>",
            &["keyword EventData.a evil &#101;vil"],
        ),
        (r#"{"process":{"executable":"C:\\Tools\\nc.exe"}}"#, &[r"keyword process.executable C:\tools C:\\Tools"]),
        (r#"{"event":{"original":"{\"a\":\"x evil\"}"}}"#, &["keyword event.original evil evil"]),
        ("<13>Nov 23 09:12:00 gw01 sh[1]: nc -lvp 4444", &["keyword message nc -lvp nc -lvp"]),
        ("CEF:0|V|P|1|1|N|7|msg=see CASE-4711 act=evil", &["keyword msg CASE-4711 CASE-4711", "keyword act evil evil"]),
        ("evil at 198.51.100.7", &["keyword message evil evil", "ipv4 message 198.51.100.7 198.51.100.7"]),
        ("devil evils", &[]),
    ];
    for (event, expected) in rows {
        assert_eq!(sightings(&extractor, event), *expected, "{event}");
    }
}

#[test]
fn a_list_is_replaced_between_two_events() {
    let extractor = Extractor::new(&Config::default());
    let twin = extractor.clone();
    let event = "one and two";
    assert!(sightings(&extractor, event).is_empty());
    extractor.replace_keywords(list("one"));
    assert_eq!(sightings(&twin, event), ["keyword message one one"]);
    extractor.replace_keywords(list("two"));
    assert_eq!(sightings(&extractor, event), ["keyword message two two"]);
    extractor.replace_keywords(Arc::default());
    assert!(sightings(&twin, event).is_empty());
}

#[test]
fn what_an_event_in_a_value_holds_is_not_remembered_beyond_its_list() {
    let extractor = Extractor::new(&Config::default());
    let event = r#"{"message":"<Event><EventData><Data Name='c'>AT&amp;T plan</Data></EventData></Event>"}"#;
    assert!(sightings(&extractor, event).is_empty());
    extractor.replace_keywords(list("AT&T plan"));
    assert_eq!(sightings(&extractor, event), ["keyword message AT&T plan AT&amp;T plan"]);
    extractor.replace_keywords(Arc::default());
    assert!(sightings(&extractor, event).is_empty());
}

#[test]
fn a_keyword_has_fields_and_counts_among_the_most() {
    let keywords = list("one\ntwo");
    let mut out = Extraction::default();
    let config = Config { keywords, max_per_event: 1, ..Config::default() };
    Extractor::new(&config).extract(br#"{"a":"one","b":"ONE two"}"#, &mut out);
    assert_eq!((out.len(), out.truncated()), (1, true));
    assert_eq!(out.get(0).fields().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(out.get(0).indicator(), None, "nobody is asked about it");
}
