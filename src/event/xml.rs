//! Windows events as XML, as `wevtutil`, event forwarding and many collectors write them.
//!
//! Elements join their names with `.`, the root aside; `<Data Name="DestinationIp">` is named by its attribute, so a field has one
//! path whether the event is rendered as XML or as JSON. Attributes are values, declarations of name spaces are not. Nothing is
//! checked: what is no well-formed XML gives the values that it can. No entity but the five of XML and numbers is known.

use std::ops::Range;

use crate::event::{
    Layer, Source, unescape,
    walk::{self, Visitor},
};

/// Elements deeper than this add nothing to the path.
const DEEPEST: usize = 32;
/// Longest name of an element or attribute, in bytes.
const NAME: usize = 128;

/// The path of the element at hand.
#[derive(Debug, Default)]
pub(super) struct Path {
    text: String,
    /// Length of the path around each open element.
    lengths: Vec<usize>,
    /// Open elements below the deepest that is kept.
    below: usize,
}

impl Path {
    fn clear(&mut self) {
        self.text.clear();
        self.lengths.clear();
        self.below = 0;
    }

    fn open(&mut self, name: &str) {
        if self.lengths.len() == DEEPEST {
            self.below += 1;
            return;
        }
        self.lengths.push(self.text.len());
        // The root is in every path and says nothing.
        if self.lengths.len() > 1 {
            self.add(name);
        }
    }

    fn add(&mut self, name: &str) {
        if !self.text.is_empty() {
            self.text.push('.');
        }
        self.text.push_str(name);
    }

    fn close(&mut self) {
        if self.below > 0 {
            self.below -= 1;
        } else if let Some(length) = self.lengths.pop() {
            self.text.truncate(length);
        }
    }
}

/// Where an event begins in `text`: at the beginning, or within 256 bytes, behind a header.
pub(super) fn start(text: &str) -> Option<usize> {
    let head = text.as_bytes().get(..text.len().min(256))?;
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'<', &head[from..]) {
        let at = from + at;
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"<Event ") || rest.starts_with(b"<Event>") || rest.starts_with(b"<Events>") {
            return text.trim_end().ends_with('>').then_some(at);
        }
        from = at + 1;
    }
    None
}

/// Walks an event that begins with its first element.
pub(super) fn walk(event: Source<'_>, path: &mut Path, layer: &mut Layer, visitor: &mut impl Visitor) {
    path.clear();
    let text = event.text();
    let bytes = text.as_bytes();
    let mut pos = 0;
    while pos < bytes.len() {
        let open = memchr::memchr(b'<', &bytes[pos..]).map_or(bytes.len(), |at| pos + at);
        hand(&path.text, event.slice(pos..open), layer, visitor);
        let rest = &bytes[open..];
        if let Some(length) = skipped(rest, b"<![CDATA[", b"]]>") {
            // Nothing is escaped in there.
            walk::hand(&path.text, event.slice(open + 9..(open + length).saturating_sub(3)), visitor);
            pos = open + length;
        } else if let Some(length) = skipped(rest, b"<!--", b"-->").or_else(|| skipped(rest, b"<?", b"?>")) {
            pos = open + length;
        } else {
            let end = tag_end(bytes, open);
            tag(&event, open..end, path, layer, visitor);
            pos = end;
        }
    }
}

/// The length of what begins with `start` and reaches to `end`, or to the end of the text.
fn skipped(rest: &[u8], start: &[u8], end: &[u8]) -> Option<usize> {
    let inside = rest.strip_prefix(start)?;
    Some(memchr::memmem::find(inside, end).map_or(rest.len(), |at| start.len() + at + end.len()))
}

/// The end of the tag that begins at `open`; a `>` in quotes is none.
fn tag_end(bytes: &[u8], open: usize) -> usize {
    let mut quote = None;
    for (at, &byte) in bytes.iter().enumerate().skip(open + 1) {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    bytes.len()
}

fn tag(event: &Source<'_>, range: Range<usize>, path: &mut Path, layer: &mut Layer, visitor: &mut impl Visitor) {
    let text = event.text().get(range.clone()).unwrap_or_default();
    let inside = text.trim_start_matches('<').trim_end_matches('>');
    if inside.starts_with('/') {
        path.close();
        return;
    }
    let alone = inside.ends_with('/');
    let length = inside.find([' ', '\t', '\r', '\n', '/', '>']).unwrap_or(inside.len());
    let name = &inside[..length];
    let mut found = Attributes { text, pos: text.len() - text.trim_start_matches('<').len() + length };
    let named = if name == "Data" { found.clone().find(|(name, _)| *name == "Name") } else { None };
    let label = named.and_then(|(_, value)| text.get(value)).unwrap_or(name);
    path.open(label.get(..label.len().min(NAME)).unwrap_or_default());
    for (name, value) in &mut found {
        let known =
            name.starts_with("xmlns") || name.starts_with("xsi:") || (name == "Name" && path.text.ends_with(label));
        if !known && name.len() <= NAME {
            let length = path.text.len();
            path.add(name);
            hand(&path.text, event.slice(range.start + value.start..range.start + value.end), layer, visitor);
            path.text.truncate(length);
        }
    }
    if alone {
        path.close();
    }
}

/// Names and values of the attributes of a tag.
#[derive(Clone)]
struct Attributes<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.pos..)?;
        let equals = rest.find('=')?;
        let name = rest[..equals].trim();
        let name = name.rsplit([' ', '\t', '\r', '\n']).next().unwrap_or_default();
        let after = rest[equals + 1..].trim_start();
        let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let start = self.pos + rest.len() - after.len() + 1;
        let length = self.text.get(start..)?.find(quote)?;
        self.pos = start + length + 1;
        Some((name, start..start + length))
    }
}

/// Hands on a value, its entities undone.
fn hand(path: &str, value: Source<'_>, layer: &mut Layer, visitor: &mut impl Visitor) {
    if value.text().len() < 2 {
        return;
    }
    if unescape::entities(value.text(), layer) {
        walk::hand(path, layer.over(&value), visitor);
    } else {
        walk::hand(path, value, visitor);
    }
}
