//! Whether an outgoing payload holds the original's bytes: by scanning and comparing, without the product's own code.

use serde_json::Value;

use crate::events::Event;

/// Takes the last top-level member `sidelight` out of an object: the text without it, and its value.
fn without_annotation(text: &str) -> Option<(String, Value)> {
    const NAME: &str = r#""sidelight":"#;
    let close = text.rfind('}')?;
    text.match_indices(NAME).find_map(|(at, _)| {
        // Only the last member's value reaches exactly to the last brace.
        let value = serde_json::from_str(text.get(at + NAME.len()..close)?).ok()?;
        let front = text[..at].strip_suffix(',').unwrap_or(&text[..at]);
        Some((format!("{front}{}", &text[close..]), value))
    })
}

/// What an outgoing payload turned out to be.
#[derive(Debug, PartialEq)]
pub(crate) struct Judged {
    /// Whether the original is in it, byte for byte.
    pub(crate) intact: bool,
    pub(crate) annotation: Option<Value>,
}

/// Compares an outgoing payload with its event.
pub(crate) fn judge(event: &Event, payload: Option<&[u8]>) -> Judged {
    if event.payload.as_deref() == payload {
        return Judged { intact: true, annotation: None };
    }
    let broken = Judged { intact: false, annotation: None };
    let (Some(before), Some(after)) = (event.payload.as_deref(), payload) else { return broken };
    let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else { return broken };
    let before = before.replacen(event.ours, "", usize::from(!event.ours.is_empty()));
    let Some((rest, annotation)) = without_annotation(after) else { return broken };
    Judged { intact: rest == before || enriched(&before, &rest) == Some(true), annotation: Some(annotation) }
}

/// Whether the text is the original with one insertion, which added elements to `threat.enrichments` and nothing else.
fn enriched(before: &str, after: &str) -> Option<bool> {
    let front = before.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
    let back = before.bytes().rev().zip(after.bytes().rev()).take_while(|(a, b)| a == b).count();
    if after.len() <= before.len() || front + back < before.len() {
        return Some(false);
    }
    let old: Value = serde_json::from_str(before).ok()?;
    let mut new: Value = serde_json::from_str(after).ok()?;
    let known = old["threat"]["enrichments"].as_array().map_or(0, Vec::len);
    let added = new["threat"]["enrichments"].as_array_mut()?.split_off(known);
    if old["threat"].get("enrichments").is_none() {
        new["threat"].as_object_mut()?.remove("enrichments");
    }
    if old.get("threat").is_none() {
        let threat = new.as_object_mut()?.remove("threat")?;
        if threat.as_object().is_none_or(|left| !left.is_empty()) {
            return Some(false);
        }
    }
    Some(old == new && !added.is_empty() && added.iter().all(|element| element.get("indicator").is_some()))
}

/// The checks of this file.
pub(crate) fn changed_bytes_are_found() {
    let of = |text: &str, ours| Event { partition: 0, key: None, payload: Some(text.into()), ours };
    let ours = r#""sidelight":{"old":1},"#;
    let own = format!("{{{ours}\"a\":1}}");
    let rows: [(&str, &str, &str, bool); 11] = [
        (r#"{"a":1}"#, "", r#"{"a":1,"sidelight":{"s":"}"}}"#, true),
        ("{}", "", r#"{"sidelight":{}}"#, true),
        ("{\"a\":1\n}\n", "", "{\"a\":1\n,\"sidelight\":{}}\n", true),
        (&own, ours, r#"{"a":1,"sidelight":{}}"#, true),
        (r#"{"a":1}"#, "", r#"{"a":2,"sidelight":{}}"#, false),
        (r#"{"a":1,"b":2}"#, "", r#"{"b":2,"a":1,"sidelight":{}}"#, false),
        (r#"{"a":1}"#, "", r#"{"a":1}"#, true),
        ("text", "", "texts", false),
        ("{\"a\":1\n}\n", "", "{\"a\":1,\"sidelight\":{}}\n", false),
        (r#"{"a":1}"#, "", r#"{"a":1,"threat":{"enrichments":[{"indicator":1}]},"sidelight":{}}"#, true),
        (r#"{"a":1}"#, "", r#"{"a":1,"threat":{"x":1,"enrichments":[{"indicator":1}]},"sidelight":{}}"#, false),
    ];
    for (before, ours, after, expected) in rows {
        assert_eq!(judge(&of(before, ours), Some(after.as_bytes())).intact, expected, "{before} {after}");
    }
    assert!(!judge(&of("x", ""), None).intact, "a payload that became a tombstone");
}
