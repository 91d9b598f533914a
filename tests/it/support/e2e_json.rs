//! Taking an annotation out of a text again, and comparing with the original: by scanning, without the product's own code.

use serde_json::Value;

/// Where the top-level members of an object are: name, and the range from its quote to the end of its value.
fn members(text: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let (mut depth, mut string, mut escape) = (0_usize, false, false);
    let (mut start, mut found) = (None, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        if string {
            (string, escape) = (escape || byte != b'"', !escape && byte == b'\\');
            continue;
        }
        match byte {
            b'"' => {
                string = true;
                if depth == 1 && start.is_none() {
                    start = Some(at);
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' => {
                depth -= usize::from(byte != b',');
                let ends = (depth == 1 && byte == b',') || (depth == 0 && byte == b'}');
                if let Some(start) = start.take_if(|_| ends) {
                    let end = start + text[start..at].trim_end().len();
                    let name = text[start + 1..].split('"').next().unwrap().to_owned();
                    found.push((name, start..end));
                }
            }
            _ => {}
        }
    }
    found
}

/// The text without the members of this name at the top, and how many there were.
pub(crate) fn without(text: &str, name: &str) -> (String, usize) {
    let mut text = text.to_owned();
    let mut count = 0;
    while let Some((_, range)) = members(&text).into_iter().find(|(found, _)| found == name) {
        count += 1;
        let before = text[..range.start].trim_end().len();
        let after = range.end + text[range.end..].len() - text[range.end..].trim_start().len();
        if text[..before].ends_with(',') {
            text.replace_range(before - 1..range.end, "");
        } else if text[after..].starts_with(',') {
            text.replace_range(range.start..=after, "");
        } else {
            text.replace_range(range, "");
        }
    }
    (text, count)
}

/// Panics unless `output` is `original` with one member `sidelight` before its last brace and, where there are hits, elements in
/// `threat.enrichments`; all other bytes the same. The elements that were added.
pub(crate) fn added_to(original: &str, output: &str) -> Vec<Value> {
    let (bare, _) = without(original, "sidelight");
    let (rest, count) = without(output, "sidelight");
    assert_eq!(count, 1, "one member `sidelight`: {output}");
    assert_eq!(members(output).last().unwrap().0, "sidelight", "it is the last: {output}");
    if rest == bare {
        return Vec::new();
    }
    let same = |(a, b): &(u8, u8)| a == b;
    let front = rest.bytes().zip(bare.bytes()).take_while(same).count();
    let back = rest.bytes().rev().zip(bare.bytes().rev()).take_while(same).count();
    assert!(front + back >= bare.len(), "more than one place was changed:\n{bare}\n{rest}");
    let (before, mut after): (Value, Value) =
        (serde_json::from_str(&bare).unwrap(), serde_json::from_str(&rest).unwrap());
    let known = before["threat"]["enrichments"].as_array().map_or(0, Vec::len);
    let added = after["threat"]["enrichments"].as_array_mut().expect("enrichments").split_off(known);
    assert!(!added.is_empty(), "{rest}");
    if before["threat"].get("enrichments").is_none() {
        after["threat"].as_object_mut().unwrap().remove("enrichments");
    }
    if before.get("threat").is_none() {
        after.as_object_mut().unwrap().remove("threat");
    }
    assert_eq!(before, after, "nothing but enrichments was added");
    added
}

#[test]
fn members_are_taken_out() {
    let rows = [
        (r#"{"a":1,"sidelight":{"x":"}\","}}"#, r#"{"a":1}"#, 1),
        (r#"{"sidelight":[{}],"b":{"sidelight":2}}"#, r#"{"b":{"sidelight":2}}"#, 1),
        (r#"{"sidelight":1}"#, "{}", 1),
        (r#"{ "a" : 1 , "sidelight" : 2 }"#, r#"{ "a" : 1  }"#, 1),
        (r#"{"a":"sidelight"}"#, r#"{"a":"sidelight"}"#, 0),
    ];
    for (text, expected, count) in rows {
        assert_eq!(without(text, "sidelight"), (expected.to_owned(), count), "{text}");
    }
}
