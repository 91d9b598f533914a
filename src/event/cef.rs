//! ArcSight CEF: `CEF:0|vendor|product|version|signature|name|severity|key=value key=value …`.
//!
//! Keys are kept as they are. A custom string is judged by its label: `cs1` with `cs1Label=FileHash` is handed on under `cs1`
//! with the label as hint.

use std::ops::Range;

use crate::event::{
    Bits, Layer, Source, Written,
    pairs::{self, Pair},
    unescape,
    walk::Visitor,
};

/// Names of the header fields that can hold something; version and product fields hold nothing.
const NAME: usize = 5;
const FIELDS: usize = 7;
const LABEL: &str = "Label";

/// Walks a line that starts at its mark; false when it is no CEF.
pub(super) fn walk(line: Source<'_>, found: &mut Vec<Pair>, layer: &mut Layer, visitor: &mut impl Visitor) -> bool {
    let text = line.text();
    let Some((fields, extension)) = header(text) else { return false };
    if let Some(name) = fields.get(NAME) {
        emit("name", None, line.slice(name.clone()), br"|\", layer, visitor);
    }
    let extension = line.slice(extension);
    let text = extension.text();
    pairs::find(text, found);
    let labels = labels(text, found);
    for pair in found.iter() {
        let key = text.get(pair.key.clone()).unwrap_or_default();
        if !key.ends_with(LABEL) {
            let label = labels.iter().flatten().find(|(name, _)| *name == key).map(|(_, label)| *label);
            emit(key, label, extension.slice(pair.value.clone()), br"=|\", layer, visitor);
        }
    }
    true
}

/// The first labels of a line with the keys they belong to; there are six custom strings and a few more of other types.
fn labels<'a>(text: &'a str, found: &[Pair]) -> [Option<(&'a str, &'a str)>; 16] {
    let mut named = found.iter().filter_map(|pair| {
        let key = text.get(pair.key.clone())?.strip_suffix(LABEL)?;
        Some((key, text.get(pair.value.clone())?))
    });
    std::array::from_fn(|_| named.next())
}

/// The fields of the header, split at bars that are not escaped, and the extension.
fn header(text: &str) -> Option<([Range<usize>; FIELDS], Range<usize>)> {
    let bytes = text.as_bytes();
    if !text.starts_with("CEF:") || !bytes.get(4)?.is_ascii_digit() {
        return None;
    }
    let mut fields: [Range<usize>; FIELDS] = Default::default();
    let (mut start, mut pos, mut count) = (4, 4, 0);
    while count < FIELDS {
        match bytes.get(pos) {
            Some(b'\\') => pos += 1,
            Some(b'|') => {
                fields[count] = start..pos;
                count += 1;
                start = pos + 1;
            }
            Some(_) => {}
            // A header without an extension may lack the last bar.
            None if count == FIELDS - 1 => {
                fields[count] = start..bytes.len();
                return Some((fields, bytes.len()..bytes.len()));
            }
            None => return None,
        }
        pos += 1;
    }
    Some((fields, start..bytes.len()))
}

fn emit(
    key: &str,
    label: Option<&str>,
    value: Source<'_>,
    specials: &[u8],
    layer: &mut Layer,
    visitor: &mut impl Visitor,
) {
    let undone = unescape::backslashes(value.text(), specials, true, layer);
    let value = if undone { layer.over(&value) } else { value };
    if value.text().is_empty() {
        return;
    }
    let bits = Bits::of(value.text().as_bytes());
    match label {
        Some(label) => visitor.labelled(key, label, Written::plain(value), bits),
        None => {
            let field = visitor.field(key);
            visitor.value(key, field, Written::plain(value), bits);
        }
    }
}
