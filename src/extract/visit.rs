//! From the values of an event to their scan: events inside values, and which values need no look.

use crate::{
    event::{self, Bits, Layer, Source, Visitor, Written},
    extract::{
        Defang, Extraction, Extractor, Keywords,
        anchor::Anchors,
        field::{Class, Field, Fields},
        lately::{self, Lately, Under},
        name::Suffixes,
        noted,
        scan::{SHORTEST, Value},
        sink::Sink,
    },
    model::{NotedKind, Role},
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
    fields: Fields,
    lately: Lately,
    /// Memory for events inside values, one for each depth.
    inner: [event::Scratch<Field>; DEPTH],
}

/// Takes the values of one event and adds what is in them to an extraction.
pub(super) struct Collector<'a> {
    extractor: &'a Extractor,
    /// Where there is one.
    keywords: Option<&'a Keywords>,
    out: &'a mut Extraction,
    scratch: &'a mut Scratch,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        extractor: &'a Extractor,
        keywords: Option<&'a Keywords>,
        out: &'a mut Extraction,
        scratch: &'a mut Scratch,
    ) -> Self {
        scratch.lately.belong(extractor.number);
        Self { extractor, keywords, out, scratch }
    }

    #[inline]
    fn take(&mut self, path: &str, field: Field, value: Written<'_>, bits: Bits) {
        if self.keywords.is_some() || self.extractor.noted {
            let look = self.look(&value, bits, field.class);
            if look.keywords || look.noted {
                value.read(|source| {
                    if !self.embedded(path, field, source) {
                        self.read(look, path, path, field, source);
                    }
                });
                return;
            }
        }
        if may_hold(&value, bits, field.class) {
            self.take_indicators(path, field, value);
        }
    }

    /// Takes a value in which nothing but indicators is looked for.
    fn take_indicators(&mut self, path: &str, field: Field, value: Written<'_>) {
        let (raw, class, escaped) = (value.raw(), field.class, value.is_escaped());
        let offset = value.offset();
        // Most values of other fields hold nothing, which is quickly seen, and few come again.
        let is_looked_at = escaped || (offset.is_some() && Lately::fits(raw));
        if !class.is_typed() && is_looked_at && !self.has_anchor(raw, class, escaped) {
            return;
        }
        let place = offset.and_then(|_| Lately::place(raw, Under { class, escaped }));
        if self.recall(place, offset, raw, path, field) {
            return;
        }
        let before = self.out.count();
        // What an event in it holds depends on the keywords too.
        let plain = value.read(|source| {
            let plain = !self.embedded(path, field, source);
            if plain {
                self.scan(path, field, source);
            }
            plain
        });
        if let (Some(place), Some(offset), true) = (place, offset, plain)
            && let Some(found) = self.out.since(before, offset)
        {
            self.scratch.lately.learn(place, raw, found);
        }
    }

    /// Whether an indicator can be in a value, seen before its escapes are undone.
    fn has_anchor(&mut self, raw: &str, class: Class, escaped: bool) -> bool {
        self.extractor.defang == Defang::Aggressive
            || (escaped && raw.starts_with('\\'))
            || may_hold_event(raw)
            || Anchors::new(raw.as_bytes(), class, escaped).next(&mut self.scratch.suffixes).is_some()
    }

    /// Adds what was found in the same text lately; false when that is not known.
    #[inline]
    fn recall(
        &mut self,
        place: Option<lately::Place>,
        offset: Option<usize>,
        raw: &str,
        path: &str,
        field: Field,
    ) -> bool {
        let (Some(place), Some(offset)) = (place, offset) else { return false };
        let Some(said) = self.scratch.lately.recall(place, raw) else { return false };
        if let Some(found) = said {
            let span = offset + found.start..offset + found.end;
            self.out.add_hashed(found.kind, found.value, found.hash, path, field.role, span, self.extractor.max);
        }
        true
    }

    /// Walks the event that a value holds; false when it holds none.
    fn embedded(&mut self, path: &str, field: Field, source: Source<'_>) -> bool {
        may_hold_event(source.text()) && Inner { collector: self, path, field, depth: 0 }.walk(source)
    }

    /// Scans a value that is said to be an indicator.
    pub(super) fn typed(&mut self, value: &str) {
        let field = Field { role: Role::Freetext, class: Class::Host };
        self.scan(event::MESSAGE, field, Source::at(value, 0));
    }

    /// What is looked for in a value, seen before its escapes are undone.
    fn look(&mut self, value: &Written<'_>, bits: Bits, class: Class) -> Look {
        Look {
            keywords: self.keywords.is_some_and(|keywords| keywords.may_be_in(value)),
            indicators: may_hold(value, bits, class),
            noted: self.extractor.noted && value.raw().len() >= noted::SHORTEST,
        }
    }

    /// Finds what a value holds; `name` is the path of its own field in the event that it belongs to.
    fn read(&mut self, look: Look, path: &str, name: &str, field: Field, source: Source<'_>) {
        if let Some(keywords) = self.keywords.filter(|_| look.keywords) {
            let (out, max) = (&mut *self.out, self.extractor.max);
            keywords.find(source.text(), |keyword, range| {
                out.add(NotedKind::Keyword.into(), keyword, path, field.role, source.span(range), max);
            });
        }
        if look.noted {
            let (mut sink, _) = self.sink(path, field);
            noted::scan(source.text(), name, field.class, &mut sink, |range| source.span(range));
        }
        if look.indicators {
            self.scan(path, field, source);
        }
    }

    fn scan(&mut self, path: &str, field: Field, source: Source<'_>) {
        let (mut sink, refanged) = self.sink(path, field);
        Value::new(source, field.class).scan(&mut sink, refanged);
    }

    /// Where matches of this field go, and memory for what is defanged in it.
    fn sink<'s>(&'s mut self, path: &'s str, field: Field) -> (Sink<'s>, &'s mut Layer) {
        let sink = Sink {
            extractor: self.extractor,
            out: self.out,
            path,
            role: field.role,
            canonical: &mut self.scratch.canonical,
            link: &mut self.scratch.link,
            suffixes: &mut self.scratch.suffixes,
        };
        (sink, &mut self.scratch.refanged)
    }
}

/// What is looked for in a value.
#[derive(Clone, Copy, Debug)]
struct Look {
    keywords: bool,
    indicators: bool,
    noted: bool,
}

/// Whether an indicator can be in a value, by its length and what bytes it holds.
#[inline]
fn may_hold(value: &Written<'_>, bits: Bits, class: Class) -> bool {
    let length = value.raw().len();
    let some = bits.any(Bits::SIGN | Bits::BACKSLASH) || length >= SHORTEST || class == Class::Host;
    class != Class::Nothing && length >= 2 && some
}

impl Visitor for Collector<'_> {
    type Field = Field;

    fn field(&mut self, path: &str) -> Field {
        self.scratch.fields.of(path)
    }

    #[inline]
    fn value(&mut self, path: &str, field: Field, value: Written<'_>, bits: Bits) {
        self.take(path, field, value, bits);
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
    type Field = Field;

    fn field(&mut self, path: &str) -> Field {
        self.collector.scratch.fields.of(path)
    }

    fn value(&mut self, path: &str, inner: Field, value: Written<'_>, bits: Bits) {
        let look = self.collector.look(&value, bits, inner.class);
        if !(look.keywords || look.indicators || look.noted) {
            return;
        }
        if !(look.keywords || look.noted || inner.class == Class::Host)
            && value.is_escaped()
            && !self.collector.has_anchor(value.raw(), inner.class, true)
        {
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
            self.collector.read(look, self.path, path, Field { role: self.field.role, class: inner.class }, source);
        });
    }

    fn restart(&mut self) {}
}
