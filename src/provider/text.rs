//! Foreign text, made fit for an annotation or a log.

use std::fmt::Write as _;

use serde_json::error::Category;

use crate::model::Fact;

/// Longest text of a fact, in bytes.
const MAX_TEXT: usize = 200;

/// Most entries of a list of texts.
const MAX_ENTRIES: usize = 50;

/// Adds a text, where there is one.
pub fn push(facts: &mut Vec<(&'static str, Fact)>, name: &'static str, text: Option<&str>) {
    facts.extend(text.and_then(fact).map(|fact| (name, fact)));
}

/// Adds a list of texts, where one is left: each once, in the order given, at most 50.
pub fn push_list<'a>(facts: &mut Vec<(&'static str, Fact)>, name: &'static str, texts: impl Iterator<Item = &'a str>) {
    let mut kept: Vec<Box<str>> = Vec::new();
    for text in texts.filter_map(clean) {
        if kept.len() < MAX_ENTRIES && !kept.contains(&text) {
            kept.push(text);
        }
    }
    facts.extend((!kept.is_empty()).then_some((name, Fact::Texts(kept))));
}

/// A text fact: control characters gone, cut at a character boundary; `None` where nothing is left.
pub fn fact(text: &str) -> Option<Fact> {
    Some(Fact::Text(clean(text)?))
}

/// See [`fact`].
pub fn clean(text: &str) -> Option<Box<str>> {
    let mut kept = String::new();
    for character in text.trim().chars().filter(|character| !character.is_control()) {
        if kept.len() + character.len_utf8() > MAX_TEXT {
            break;
        }
        kept.push(character);
    }
    (!kept.is_empty()).then(|| kept.into_boxed_str())
}

/// Whether `code` looks like the name of an error (`QuotaExceededError`) and so can go to a log: letters alone, so that
/// it can hold neither an indicator nor a key.
pub(crate) fn is_error_name(code: &str) -> bool {
    (1..=40).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Where and how a JSON text breaks, without a word of the text: serde's own message quotes it.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Io | Category::Syntax => "not json",
        Category::Eof => "json cut off",
        Category::Data => "a value of the wrong type or range",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

/// Percent-encodes everything but RFC 3986's unreserved characters and the colon, which has no meaning after the host
/// and without which IPv6 addresses stay readable.
pub(crate) fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            into.push(char::from(byte));
        } else if write!(into, "%{byte:02X}").is_err() {
            // Writing to a string cannot fail.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_boundary_and_loses_control_characters() {
        assert_eq!(clean(" a\u{0}b\nc "), Some("abc".into()));
        assert_eq!(clean("\u{7}"), None);
        let long = clean(&"é".repeat(300)).unwrap();
        assert_eq!(long.len(), 200);
        let odd = clean(&format!("x{}", "é".repeat(300))).unwrap();
        assert_eq!(odd.len(), 199);
    }

    #[test]
    fn only_names_are_error_names() {
        for (code, expected) in [
            ("QuotaExceededError", true),
            ("", false),
            ("d41d8cd98f00b204e9800998ecf8427e", false),
            ("host.example", false),
            ("two words", false),
            ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false),
        ] {
            assert_eq!(is_error_name(code), expected, "{code}");
        }
    }

    #[test]
    fn encoding_leaves_nothing_that_a_path_or_query_gives_meaning_to() {
        let mut encoded = String::new();
        encode("../a?b#c%2e\\d\t:é", &mut encoded);
        assert_eq!(encoded, "..%2Fa%3Fb%23c%252e%5Cd%09:%C3%A9");
    }
}
