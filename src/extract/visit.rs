//! From the values of an event to their scan: events inside values, and which values need no look.

use crate::{
    event::{self, Bits, Layer, Source, Visitor, Written},
    extract::{
        Defang, Extraction, Extractor,
        anchor::Anchors,
        field::{Class, Field},
        name::Suffixes,
        rules,
        scan::{SHORTEST, Sink, Value},
    },
    model::Role,
};

/// Events inside values inside values are walked to this depth; deeper ones are text.
const DEPTH: usize = 3;

/// Reusable memory of the scan.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Canonical values in the making.
    pub(super) canonical: String,
    pub(super) link: String,
    pub(super) refanged: Layer,
    suffixes: Suffixes,
    /// Memory for events inside values, one for each depth.
    inner: [event::Scratch; DEPTH],
}

/// Takes the values of one event and adds what is in them to an extraction.
pub(super) struct Collector<'a> {
    extractor: &'a Extractor,
    out: &'a mut Extraction,
    scratch: &'a mut Scratch,
}

impl<'a> Collector<'a> {
    pub(super) fn new(extractor: &'a Extractor, out: &'a mut Extraction, scratch: &'a mut Scratch) -> Self {
        Self { extractor, out, scratch }
    }

    fn take(&mut self, path: &str, field: Field, value: Written<'_>, bits: Bits) {
        if !self.worth_a_look(&value, bits, field.class) {
            return;
        }
        value.read(|source| {
            if may_hold_event(source.text()) {
                let mut inner = Inner { collector: self, path, field, depth: 0 };
                if inner.walk(source) {
                    return;
                }
            }
            self.scan(path, field, source);
        });
    }

    /// Scans a value that is said to be an indicator.
    pub(super) fn typed(&mut self, value: &str) {
        let field = Field { role: Role::Freetext, class: Class::Host };
        self.scan(event::MESSAGE, field, Source::at(value, 0));
    }

    /// Whether anything can be in a value, seen before its escapes are undone.
    fn worth_a_look(&mut self, value: &Written<'_>, bits: Bits, class: Class) -> bool {
        let raw = value.raw();
        if class == Class::Nothing || raw.len() < 2 {
            return false;
        }
        if class == Class::Host || self.extractor.defang == Defang::Aggressive || !value.is_escaped() {
            return class == Class::Host || bits.any(Bits::SIGN) || raw.len() >= SHORTEST;
        }
        may_hold_event(raw)
            || raw.starts_with('\\')
            || Anchors::new(raw.as_bytes(), class, true).next(&mut self.scratch.suffixes).is_some()
    }

    fn scan(&mut self, path: &str, field: Field, source: Source<'_>) {
        let mut sink = Sink {
            extractor: self.extractor,
            out: self.out,
            path,
            role: field.role,
            canonical: &mut self.scratch.canonical,
            link: &mut self.scratch.link,
            suffixes: &mut self.scratch.suffixes,
        };
        Value::new(source, field.class).scan(&mut sink, &mut self.scratch.refanged);
    }
}

/// Whether a value of a field with this last segment is worth being looked at, whatever else the path says.
fn wants(extractor: &Extractor, key: &str, length: usize, bits: Bits) -> bool {
    length >= 2
        && (bits.any(Bits::SIGN | Bits::BACKSLASH)
            || length >= SHORTEST
            || key.is_empty()
            || extractor.defang == Defang::Aggressive
            || rules::may_name_host(key))
}

impl Visitor for Collector<'_> {
    #[inline]
    fn wants(&self, key: &str, length: usize, bits: Bits) -> bool {
        wants(self.extractor, key, length, bits)
    }

    #[inline]
    fn value(&mut self, path: &str, value: Written<'_>, bits: Bits) {
        self.take(path, Field::of(path), value, bits);
    }

    fn labelled(&mut self, path: &str, label: &str, value: Written<'_>, bits: Bits) {
        // "File Hash", "fileHash" and "file_hash" are one label.
        let key: String = label.chars().filter(|letter| letter.is_ascii_alphanumeric()).take(64).collect();
        self.take(path, Field::of(&key), value, bits);
    }

    fn restart(&mut self) {
        self.out.clear();
    }
}

fn may_hold_event(text: &str) -> bool {
    if text.len() < 8 {
        return false;
    }
    let ends = |last: [char; 2]| text.trim_end().ends_with(last);
    match text.bytes().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') if ends(['}', ']']) => true,
        Some(b'<') if ends(['>', '>']) => true,
        Some(_) => text.len() > 24 && has_mark(text),
        None => false,
    }
}

/// CEF and LEEF begin with their mark, behind a syslog header at most.
fn has_mark(text: &str) -> bool {
    let Some(bar) = memchr::memchr(b'|', &text.as_bytes()[..text.len().min(512)]) else { return false };
    let head = &text.as_bytes()[..bar.min(256)];
    memchr::memmem::find(head, b"EF:").is_some_and(|at| head.get(at + 3).is_some_and(u8::is_ascii_digit))
}

/// The values of an event inside a value: their place is the outer field, what they can hold is the inner one's to say.
struct Inner<'a, 'b> {
    collector: &'a mut Collector<'b>,
    path: &'a str,
    field: Field,
    depth: usize,
}

impl Inner<'_, '_> {
    fn walk(&mut self, source: Source<'_>) -> bool {
        // Taken out for the walk, which needs the collector too.
        let Some(slot) = self.collector.scratch.inner.get_mut(self.depth) else { return false };
        let mut memory = std::mem::take(slot);
        let found = event::walk_embedded(source, &mut memory, self);
        if let Some(slot) = self.collector.scratch.inner.get_mut(self.depth) {
            *slot = memory;
        }
        found
    }
}

impl Visitor for Inner<'_, '_> {
    fn wants(&self, key: &str, length: usize, bits: Bits) -> bool {
        wants(self.collector.extractor, key, length, bits)
    }

    fn value(&mut self, path: &str, value: Written<'_>, bits: Bits) {
        let inner = Field::of(path);
        if !self.collector.worth_a_look(&value, bits, inner.class) {
            return;
        }
        value.read(|source| {
            if may_hold_event(source.text()) {
                let mut deeper =
                    Inner { collector: self.collector, path: self.path, field: self.field, depth: self.depth + 1 };
                if deeper.walk(source) {
                    return;
                }
            }
            self.collector.scan(self.path, Field { role: self.field.role, class: inner.class }, source);
        });
    }

    fn restart(&mut self) {}
}
