//! `key=value` pairs: the extension of CEF, the attributes of LEEF, the bodies of many devices.

use std::ops::Range;

use crate::event::{
    Layer, MESSAGE, Source, unescape,
    walk::{Visitor, hand},
};

/// Offsets of a key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// Fewer pairs than this are prose with an equals sign in it.
const ENOUGH: usize = 3;

/// Finds pairs whose values reach to the next ` key=`, spaces included; `=` after a backslash and inside quotes opens none.
pub(super) fn find(text: &str, pairs: &mut Vec<Pair>) {
    pairs.clear();
    let bytes = text.as_bytes();
    // Start of the present run of key bytes, if it can be a key.
    let mut key = Some(0);
    let mut quoted = false;
    let mut pos = 0;
    while let Some(&byte) = bytes.get(pos) {
        match byte {
            b'\\' => {
                key = None;
                pos += 1;
            }
            b'"' if quoted => quoted = false,
            // A quote opens only a whole value, and only when it is closed further on.
            b'"' if pairs.last().is_some_and(|pair| pair.value.start == pos) => {
                quoted = closes(bytes, pos + 1);
            }
            _ if quoted => {}
            b' ' | b'\t' | b',' | b';' | b'\n' => key = Some(pos + 1),
            b'=' => {
                if let Some(start) = key.take().filter(|&start| start < pos) {
                    if let Some(last) = pairs.last_mut() {
                        last.value.end = start;
                    }
                    pairs.push(Pair { key: start..pos, value: pos + 1..bytes.len() });
                }
            }
            _ if !is_key(byte) => key = None,
            _ => {}
        }
        pos += 1;
    }
    for pair in pairs {
        trim(bytes, &mut pair.value);
    }
}

/// Whether a quote that is followed by a separator or the end comes within reach; bounded, so that hostile text stays linear.
fn closes(bytes: &[u8], start: usize) -> bool {
    let mut pos = start;
    let limit = bytes.len().min(start + 4096);
    while pos < limit {
        match bytes[pos] {
            b'\\' => pos += 1,
            b'"' => return !bytes.get(pos + 1).is_some_and(|next| next.is_ascii_alphanumeric()),
            _ => {}
        }
        pos += 1;
    }
    false
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'[' | b']')
}

/// Takes white space and separators off both ends, then one pair of quotes.
fn trim(bytes: &[u8], value: &mut Range<usize>) {
    let at = |offset: usize| bytes.get(offset).copied().unwrap_or(0);
    while value.start < value.end && matches!(at(value.end - 1), b' ' | b'\t' | b',' | b';' | b'\n' | b'\r') {
        value.end -= 1;
    }
    while value.start < value.end && matches!(at(value.start), b' ' | b'\t') {
        value.start += 1;
    }
    if value.len() >= 2 && at(value.start) == b'"' && at(value.end - 1) == b'"' {
        *value = value.start + 1..value.end - 1;
    }
}

/// Hands on the pairs of a body that begins with one and holds at least three; false when it is no such body.
pub(super) fn walk(body: Source<'_>, pairs: &mut Vec<Pair>, layer: &mut Layer, visitor: &mut impl Visitor) -> bool {
    let text = body.text();
    // Cheap refusal of prose: the first word has to be a pair.
    let word = text.trim_start().split([' ', '\t', ',']).next().unwrap_or_default();
    if !word.split_once('=').is_some_and(|(key, _)| !key.is_empty() && key.bytes().all(is_key)) {
        return false;
    }
    find(text, pairs);
    if pairs.len() < ENOUGH {
        return false;
    }
    for pair in pairs.iter() {
        let key = text.get(pair.key.clone()).unwrap_or(MESSAGE);
        let value = body.slice(pair.value.clone());
        if unescape::backslashes(value.text(), b"\"\\", false, layer) {
            hand(key, layer.over(&value), visitor);
        } else {
            hand(key, value, visitor);
        }
    }
    true
}
