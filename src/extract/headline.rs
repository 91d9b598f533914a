//! What an event says of itself: how serious it is, and which host it comes from. Read only of events that show something new.
//!
//! Both steer which indicators are asked about first, and nothing else, so a search for their keys is enough: a key that stands in a text instead of a
//! field makes an event a little more or less important, never wrong.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::model::Severity;

/// Bytes between a key and its value, at most.
const REACH: usize = 160;

/// What is searched for, each made ready once.
type Words<const N: usize> = LazyLock<[Finder<'static>; N]>;

// With a small or a capital letter before it.
static SEVERITIES: Words<2> = LazyLock::new(|| ready(["everity", "risk_score"]));
static LEVELS: Words<2> = LazyLock::new(|| ready(["\"level\"", "\"rule.level\""]));
static ALERTS: Words<2> = LazyLock::new(|| ready(["\"event_type\":\"alert\"", "\"event_type\": \"alert\""]));
static RULES: Words<5> =
    LazyLock::new(|| ready(["\"rule\":{", "\"rule\": {", "\"rule.name\"", "\"rule.id\"", "\"signature_id\""]));
static HOSTS: Words<6> = LazyLock::new(|| {
    ready(["\"host.name\"", "\"host.hostname\"", "\"hostname\"", "\"Computer\"", "\"agent.name\"", "\"host_name\""])
});
static OBJECTS: Words<3> = LazyLock::new(|| ready(["\"host\"", "\"agent\"", "\"device\""]));
static NAME: Words<1> = LazyLock::new(|| ready(["\"name\""]));
static MARKS: Words<3> = LazyLock::new(|| ready(["CEF:", "LEEF:", "sev="]));
static LINE_HOSTS: Words<4> = LazyLock::new(|| ready(["dvchost=", "shost=", " host=", "identHostName="]));

fn ready<const N: usize>(words: [&'static str; N]) -> [Finder<'static>; N] {
    words.map(|word| Finder::new(word.as_bytes()))
}

/// What an event says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headline<'a> {
    /// The highest of all that it says.
    pub severity: Severity,
    /// The host, as it is written.
    pub host: Option<&'a [u8]>,
}

/// Reads the headline of a payload of any format. Linear.
pub fn headline(payload: &[u8]) -> Headline<'_> {
    if payload.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        return Headline { severity: json_severity(payload), host: json_host(payload) };
    }
    Headline { severity: line_severity(payload), host: line_host(payload) }
}

/// `event.severity`, `event.risk_score`, `severity`, `Severity`, `severity_id`, `level` of a rule; an event that names a rule is of medium severity at least.
fn json_severity(payload: &[u8]) -> Severity {
    let mut found = rule_level(payload);
    let [severity, risk_score] = &*SEVERITIES;
    // Suricata counts down: 1 is the most serious of its alerts.
    let counts_down = ALERTS.iter().any(|key| key.find(payload).is_some());
    for at in severity.find_iter(payload) {
        let rest = payload.get(at + severity.needle().len()..).unwrap_or_default();
        let (ocsf, rest) = match rest.strip_prefix(b"_id") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let Some(word) = value(rest) else { continue };
        let number = word.parse::<f64>().ok();
        let step = match (number, ocsf) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates, and only 0 to 6 means anything"
            )]
            (Some(number), true) => Some(Severity::of_ocsf(number as u32)),
            (Some(number), false) if counts_down && number < 4.0 => Some(of_suricata(number)),
            (Some(number), false) => Some(Severity::of_number(number)),
            (None, _) => Severity::parse(word),
        };
        found = found.max(step.unwrap_or_default());
    }
    for at in risk_score.find_iter(payload) {
        let rest = payload.get(at + risk_score.needle().len()..).unwrap_or_default();
        if let Some(Ok(score)) = value(rest).map(str::parse::<f64>) {
            // A risk score counts to 100, however small it is.
            found = found.max(if score > 10.0 { Severity::of_number(score) } else { Severity::Low });
        }
    }
    let names_rule = RULES.iter().any(|key| key.find(payload).is_some());
    if names_rule { found.max(Severity::Medium) } else { found }
}

/// What Suricata says of an alert: 1 to 3 (its `classification.config`).
fn of_suricata(number: f64) -> Severity {
    match number {
        ..1.0 => Severity::Low,
        1.0..2.0 => Severity::High,
        2.0..3.0 => Severity::Medium,
        _ => Severity::Low,
    }
}

/// The level of a rule: a word (Sigma), or a number from 0 to 16 (Wazuh, whose handbook calls 12 and more of high importance, 15 severe).
fn rule_level(payload: &[u8]) -> Severity {
    let [rule, spaced, ..] = &*RULES;
    let [level, dotted] = &*LEVELS;
    let inside = rule.find(payload).or_else(|| spaced.find(payload)).and_then(|at| {
        let reach = payload.get(at..payload.len().min(at + REACH))?;
        let object = reach.split_inclusive(|&byte| byte == b'}').next()?;
        object.get(level.find(object)? + level.needle().len() - 1..)
    });
    let beside = || payload.get(dotted.find(payload)? + dotted.needle().len() - 1..);
    let Some(word) = inside.or_else(beside).and_then(value) else { return Severity::Low };
    match word.parse::<f64>() {
        Ok(15.0..) => Severity::Critical,
        Ok(12.0..) => Severity::High,
        Ok(7.0..) => Severity::Medium,
        Ok(_) => Severity::Low,
        Err(_) => Severity::parse(word).unwrap_or_default(),
    }
}

/// The value behind the end of a JSON key: `":73`, `": "high"`.
fn value(rest: &[u8]) -> Option<&str> {
    let rest = rest.strip_prefix(b"\"")?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
    let end = rest.iter().take(32).position(|byte| !byte.is_ascii_alphanumeric() && !b".-_+".contains(byte))?;
    std::str::from_utf8(rest.get(..end)?).ok().filter(|word| !word.is_empty())
}

/// `host.name`, `host.hostname`, `hostname`, `host` as text, `agent.name`, `Computer`, the `device` of OCSF.
fn json_host(payload: &[u8]) -> Option<&[u8]> {
    let direct = HOSTS.iter().find_map(|key| text_after(payload, key));
    direct.or_else(|| {
        OBJECTS.iter().find_map(|key| {
            let at = key.find(payload)? + key.needle().len();
            let reach = payload.get(at..payload.len().min(at + REACH))?;
            let inner = reach.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
            match inner.strip_prefix(b"{") {
                Some(object) => NAME.iter().find_map(|key| text_after(object, key)),
                None => text(inner),
            }
        })
    })
}

fn text_after<'a>(payload: &'a [u8], key: &Finder<'_>) -> Option<&'a [u8]> {
    let at = key.find(payload)? + key.needle().len();
    text(payload.get(at..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

fn text(value: &[u8]) -> Option<&[u8]> {
    let inner = value.strip_prefix(b"\"")?;
    let end = inner.iter().take(256).position(|byte| *byte == b'"')?;
    inner.get(..end).filter(|text| !text.is_empty())
}

/// The seventh field of CEF, `sev` of LEEF, else the severity of a syslog priority: 0 to 2 is critical, 3 high.
fn line_severity(payload: &[u8]) -> Severity {
    let [cef, leef, sev] = &*MARKS;
    if let Some(at) = cef.find(payload) {
        let field = payload.get(at..).unwrap_or_default().split(|byte| *byte == b'|').nth(6).unwrap_or_default();
        let word = std::str::from_utf8(field).unwrap_or_default().trim();
        return word.parse().map(Severity::of_number).ok().or_else(|| Severity::parse(word)).unwrap_or_default();
    }
    if leef.find(payload).is_some() {
        let word = field(payload, sev).unwrap_or_default();
        let number = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
        return number.map(Severity::of_number).unwrap_or_default();
    }
    let priority = payload.strip_prefix(b"<").and_then(|rest| {
        let end = rest.iter().take(4).position(|byte| *byte == b'>')?;
        std::str::from_utf8(rest.get(..end)?).ok()?.parse::<u16>().ok()
    });
    match priority.map(|priority| priority & 7) {
        Some(0..=2) => Severity::Critical,
        Some(3) => Severity::High,
        Some(4) => Severity::Medium,
        Some(_) | None => Severity::Low,
    }
}

/// `dvchost`, `shost`, `host` of a line of pairs.
fn line_host(payload: &[u8]) -> Option<&[u8]> {
    LINE_HOSTS.iter().find_map(|key| field(payload, key))
}

fn field<'a>(payload: &'a [u8], key: &Finder<'_>) -> Option<&'a [u8]> {
    let rest = payload.get(key.find(payload)? + key.needle().len()..)?;
    let end = rest.iter().take(256).position(|byte| byte.is_ascii_whitespace() || b"|^".contains(byte));
    rest.get(..end.unwrap_or(rest.len().min(256))).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_say_how_serious_they_are_and_where_they_come_from() {
        use Severity::{Critical, High, Low, Medium};
        let rows: &[(&str, Severity, Option<&str>)] = &[
            (r#"{"event":{"severity":73},"host":{"id":"7","name":"web-1"}}"#, High, Some("web-1")),
            (r#"{"event.severity":"critical","host.name":"db-2"}"#, Critical, Some("db-2")),
            (r#"{"severity_id":4,"device":{"name":"laptop-9"}}"#, High, Some("laptop-9")),
            (r#"{"event":{"risk_score": 99.0},"hostname":"h"}"#, Critical, Some("h")),
            (r#"{"event":{"risk_score":7},"host":"plain"}"#, Low, Some("plain")),
            (r#"{"rule":{"name":"beacon"},"a":1}"#, Medium, None),
            (r#"{"severity":null,"message":"severity\": high"}"#, Low, None),
            (r#"{"AlertName":"x","Severity":"High"}"#, High, None),
            (r#"{"rule":{"level":12,"id":"5712"},"agent":{"name":"a"}}"#, High, Some("a")),
            (r#"{"rule":{"description":"x","level":15}}"#, Critical, None),
            (r#"{"rule":{"level":3}}"#, Medium, None),
            (r#"{"rule":{"name":"x"},"log":{"level":"critical"}}"#, Medium, None),
            (r#"{"rule": {"level": 13}}"#, High, None),
            (r#"{"rule.level":"high"}"#, High, None),
            (r#"{"log":{"level":"critical"}}"#, Low, None),
            (r#"{"event_type":"alert","alert":{"severity":1}}"#, High, None),
            (r#"{"event_type":"alert","alert":{"severity":3}}"#, Low, None),
            (r#"{"message":"nothing"}"#, Low, None),
            ("CEF:0|Vendor|Product|1|100|name|9|src=192.0.2.1 dvchost=fw-1 dst=192.0.2.2", Critical, Some("fw-1")),
            ("CEF:0|Vendor|Product|1|100|name|High|shost=pc-3", High, Some("pc-3")),
            ("LEEF:1.0|V|P|1|7|sev=8\tidentHostName=x", High, Some("x")),
            ("<34>1 2026-11-23T08:00:00Z mail su - - - failed", Critical, None),
            ("<165>1 2026-11-23T08:00:00Z mail su - - - ok", Low, None),
            ("<9999 nothing", Low, None),
            ("", Low, None),
        ];
        for (payload, severity, host) in rows {
            let found = headline(payload.as_bytes());
            assert_eq!((found.severity, found.host), (*severity, host.map(str::as_bytes)), "{payload}");
        }
    }

    #[test]
    fn cut_payloads_are_read_without_a_panic() {
        let whole = r#"{"event":{"severity":73,"risk_score":9},"rule":{"name":"x"},"host":{"name":"web"}}"#;
        for end in 0..whole.len() {
            let _ = headline(&whole.as_bytes()[..end]);
        }
    }
}
