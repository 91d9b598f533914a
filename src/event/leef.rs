//! IBM LEEF 1.0 and 2.0: `LEEF:2.0|vendor|product|version|event|delimiter|key=value<delimiter>key=value …`.

use crate::event::{
    Layer, Source,
    pairs::{self, Pair},
    unescape,
    walk::{self, Visitor},
};

/// Walks a line that starts at its mark; false when it is no LEEF.
pub(super) fn walk(line: Source<'_>, found: &mut Vec<Pair>, layer: &mut Layer, visitor: &mut impl Visitor) -> bool {
    let text = line.text();
    let Some((delimiter, start)) = header(text) else { return false };
    let attributes = line.slice(start..text.len());
    let text = attributes.text();
    if text.contains(delimiter) || !text.contains(' ') {
        split(text, delimiter, found);
    } else {
        // Some senders put spaces where tabs belong.
        pairs::find(text, found);
    }
    for pair in found.iter() {
        let key = text.get(pair.key.clone()).unwrap_or_default();
        let value = attributes.slice(pair.value.clone());
        if unescape::backslashes(value.text(), br"=|\", true, layer) {
            walk::hand(key, layer.over(&value), visitor);
        } else {
            walk::hand(key, value, visitor);
        }
    }
    true
}

/// The delimiter and where the attributes start.
fn header(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix("LEEF:")?;
    let two = rest.starts_with('2');
    if !two && !rest.starts_with('1') {
        return None;
    }
    let mut bars = text.match_indices('|').map(|(at, _)| at);
    let fifth = bars.nth(4)?;
    if !two {
        return Some(('\t', fifth + 1));
    }
    // The delimiter field may be left out; then what stands before the next bar is no delimiter.
    let field = text.get(fifth + 1..)?;
    if let Some((name, _)) = field.split_once('|')
        && let Some(delimiter) = delimiter(name)
    {
        return Some((delimiter, fifth + 1 + name.len() + 1));
    }
    Some(('\t', fifth + 1))
}

/// A delimiter as one character or as `x5E`, `0x5E`.
fn delimiter(name: &str) -> Option<char> {
    let mut chars = name.chars();
    match (chars.next(), chars.next()) {
        (None, _) => Some('\t'),
        (Some(one), None) => Some(one),
        _ => {
            let digits = name.strip_prefix("0x").or_else(|| name.strip_prefix('x'))?;
            u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
        }
    }
}

fn split(text: &str, delimiter: char, found: &mut Vec<Pair>) {
    found.clear();
    let mut start = 0;
    for part in text.split(delimiter) {
        if let Some((key, _)) = part.split_once('=') {
            let lead = key.len() - key.trim_start().len();
            let value = start + key.len() + 1;
            found.push(Pair { key: start + lead..start + key.len(), value: value..start + part.len() });
        }
        start += part.len() + delimiter.len_utf8();
    }
}
