//! The labelled texts, events and lines of `tests/extraction`: precision and recall, by kind and by envelope.

use std::collections::BTreeMap;

use super::*;

const TEXTS: &str = include_str!("../../../tests/extraction/texts.txt");
const EVENTS: &str = include_str!("../../../tests/extraction/events.txt");
const LINES: &str = include_str!("../../../tests/extraction/lines.txt");

type Wrap = fn(&str) -> String;

/// Ways in which a text travels.
const ENVELOPES: [(&str, Wrap); 12] = [
    ("plain", str::to_owned),
    ("JSON", |text| serde_json::json!({ "@timestamp": "2026-11-23T09:12:00.123Z", "message": text }).to_string()),
    ("JSON in JSON", |text| {
        let inner = serde_json::json!({ "level": "warn", "msg": text }).to_string();
        serde_json::json!({ "event": { "original": inner } }).to_string()
    }),
    ("CEF", |text| format!("CEF:0|Vendor|Product|1.0.0.0|100|Found|5|cnt=1 msg={} act=alert", cef(text))),
    ("CEF in JSON", |text| {
        let line = format!("<134>Nov 23 09:12:00 fw01 CEF:0|V|P|1.0.0.0|100|Found|5|cnt=1 msg={}", cef(text));
        serde_json::json!({ "message": line }).to_string()
    }),
    ("LEEF", |text| format!("LEEF:2.0|Vendor|Product|1.0.0.0|100|^|cat=x^msg={}^sev=5", text.replace('\\', r"\\"))),
    ("RFC 3164", |text| format!("<38>Nov 23 09:12:00 gw01 app[42]: {text}")),
    ("RFC 5424", |text| format!("<38>1 2026-11-23T09:12:00Z gw01 app 42 ID1 [x@32473 n=\"1\"] {text}")),
    ("structured data", |text| {
        let text = quoted(text).replace(']', r"\]");
        format!("<38>1 2026-11-23T09:12:00Z gw01 app 42 ID1 [x@32473 n=\"1\" text=\"{text}\"] done")
    }),
    ("pairs", |text| {
        format!("date=2026-11-23 time=09:12:00 devid=FG1 level=notice msg=\"{}\" action=deny", quoted(text))
    }),
    ("CSV", |text| format!("2026-11-23 09:12:00,fw01,\"{}\",5,alert", text.replace('"', "\"\""))),
    ("Windows event", |text| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='App' \
             Guid='{{5770385f-c22a-43e0-bf4c-06f5698ffbd9}}'/><TimeCreated SystemTime='2026-11-23T09:12:00.1234567Z'/>\
             </System><EventData><Data Name='Text'>{text}</Data></EventData></Event>"
        )
    }),
];

fn cef(text: &str) -> String {
    text.replace('\\', r"\\").replace('=', r"\=")
}

fn quoted(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}

/// Found and wanted, found and not wanted, wanted and not found.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    right: u32,
    wrong: u32,
    missed: u32,
}

impl Count {
    fn f1(self) -> f64 {
        let right = 2.0 * f64::from(self.right);
        let all = right + f64::from(self.wrong) + f64::from(self.missed);
        if all == 0.0 { 1.0 } else { right / all }
    }
}

#[derive(Default)]
struct Table {
    total: Count,
    wrapped: Count,
    kinds: BTreeMap<String, Count>,
    envelopes: BTreeMap<&'static str, Count>,
    report: String,
}

impl Table {
    fn note(&mut self, envelope: &'static str, indicator: &str, add: impl Fn(&mut Count)) {
        let kind = indicator.split(':').next().unwrap_or_default().to_owned();
        add(&mut self.total);
        add(self.kinds.entry(kind).or_default());
        add(self.envelopes.entry(envelope).or_default());
        if envelope != "plain" {
            add(&mut self.wrapped);
        }
    }

    fn case(&mut self, envelope: &'static str, payload: &str, wanted: &[&str]) {
        let found = found(payload);
        for indicator in &found {
            if wanted.contains(&indicator.as_str()) {
                self.note(envelope, indicator, |count| count.right += 1);
            } else {
                self.note(envelope, indicator, |count| count.wrong += 1);
                writeln!(self.report, "{envelope}: not wanted {indicator} in {payload}").unwrap();
            }
        }
        for indicator in wanted.iter().filter(|wanted| !found.iter().any(|found| found == **wanted)) {
            self.note(envelope, indicator, |count| count.missed += 1);
            writeln!(self.report, "{envelope}: missed {indicator} in {payload}").unwrap();
        }
    }
}

/// The texts of a file with their labels.
fn rows(file: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(" ==>")).map(|(text, labels)| (text, labels.split_whitespace().collect()))
}

#[test]
fn labelled_texts_are_read_as_analysts_read_them() {
    let mut table = Table::default();
    for (text, wanted) in rows(TEXTS) {
        for (envelope, wrap) in ENVELOPES {
            table.case(envelope, &wrap(text), &wanted);
        }
    }
    for (event, wanted) in rows(EVENTS) {
        table.case("event", event, &wanted);
    }
    println!("{}", table.report);
    for (name, count) in &table.kinds {
        println!("{name:>16} {:.4} {count:?}", count.f1());
    }
    for (name, count) in &table.envelopes {
        println!("{name:>16} {:.4} {count:?}", count.f1());
    }
    let texts = rows(TEXTS).count() + rows(EVENTS).count();
    println!("{texts} texts and events, all {:.4}, wrapped {:.4}", table.total.f1(), table.wrapped.f1());
    assert!(texts >= 800);
    assert!(table.total.f1() >= 0.985, "all: {:.4}", table.total.f1());
    assert!(table.kinds["url"].f1() >= 0.95, "URL: {:.4}", table.kinds["url"].f1());
    assert!(table.wrapped.f1() >= 0.975, "wrapped: {:.4}", table.wrapped.f1());
}

#[test]
fn lines_that_were_labelled_by_a_stranger_are_read_as_they_are_labelled() {
    let mut table = Table::default();
    for (line, wanted) in rows(LINES) {
        table.case("line", line, &wanted);
    }
    println!("{}", table.report);
    let lines = rows(LINES).count();
    println!("{lines} lines {:.4} {:?}", table.total.f1(), table.total);
    assert!(lines >= 1_000);
    assert!(table.total.f1() >= 0.985, "{:.4}", table.total.f1());
}
