//! From the values of an event to their scan: events inside values, and which values need no look.

use crate::{
    event::{self, Bits, Layer, Source, Visitor, Written},
    extract::{
        Defang, Extraction, Extractor, Keywords,
        anchor::Anchors,
        field::{Class, Field, Fields},
        lately::{self, Lately},
        name::Suffixes,
        noted,
        scan::{SHORTEST, Sink, Value},
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

    fn take(&mut self, path: &str, field: Field, value: Written<'_>, bits: Bits) {
        let Some(look) = self.look(&value, bits, field.class) else { return };
        if look.only_indicators()
            && let Some(source) = value.as_it_stands()
        {
            return self.take_plain(path, field, source);
        }
        value.read(|source| {
            if may_hold_event(source.text()) {
                let mut inner = Inner { collector: self, path, field, depth: 0 };
                if inner.walk(source) {
                    return;
                }
            }
            self.read(look, path, field, source);
        });
    }

    /// Takes a value that stands in the payload as it reads, in which nothing but indicators is looked for.
    #[inline]
    fn take_plain(&mut self, path: &str, field: Field, source: Source<'_>) {
        let (text, class) = (source.text(), field.class);
        let place = Lately::place(text, class);
        if let Some(place) = place.filter(|_| class.is_typed())
            && self.recall(place, path, field, source)
        {
            return;
        }
        if may_hold_event(text) {
            let mut inner = Inner { collector: self, path, field, depth: 0 };
            if inner.walk(source) {
                return;
            }
        }
        if let Some(place) = place.filter(|_| !class.is_typed()) {
            // Most of them hold nothing, which is quickly seen, and few come again.
            let aggressive = self.extractor.defang == Defang::Aggressive;
            let mut anchors = Anchors::new(text.as_bytes(), class, false);
            if !aggressive && anchors.next(&mut self.scratch.suffixes).is_none() {
                return;
            }
            if self.recall(place, path, field, source) {
                return;
            }
        }
        let base = source.span(0..0).start;
        let before = self.out.count();
        self.scan(path, field, source);
        let Some(place) = place else { return };
        if let Some(found) = self.out.since(before, base) {
            self.scratch.lately.learn(place, text, class, found);
        }
    }

    /// Adds what was found in the same text lately; false when it is not known.
    #[inline]
    fn recall(&mut self, place: lately::Place, path: &str, field: Field, source: Source<'_>) -> bool {
        let Some(said) = self.scratch.lately.recall(place, source.text(), field.class) else { return false };
        if let Some(found) = said {
            let span = source.span(found.start..found.end);
            self.out.add_hashed(found.kind, found.value, found.hash, path, field.role, span, self.extractor.max);
        }
        true
    }

    /// Scans a value that is said to be an indicator.
    pub(super) fn typed(&mut self, value: &str) {
        let field = Field { role: Role::Freetext, class: Class::Host };
        self.scan(event::MESSAGE, field, Source::at(value, 0));
    }

    /// What can be in a value, seen before its escapes are undone.
    #[inline]
    fn look(&mut self, value: &Written<'_>, bits: Bits, class: Class) -> Option<Look> {
        let keywords = self.keywords.is_some_and(|keywords| keywords.may_be_in(value));
        let indicators = self.worth_a_look(value, bits, class);
        let noted = self.extractor.noted && value.raw().len() >= noted::SHORTEST;
        (keywords || indicators || noted).then_some(Look { keywords, indicators, noted })
    }

    /// Finds what a value holds.
    fn read(&mut self, look: Look, path: &str, field: Field, source: Source<'_>) {
        if let Some(keywords) = self.keywords.filter(|_| look.keywords) {
            let (out, max) = (&mut *self.out, self.extractor.max);
            keywords.find(source.text(), |keyword, range| {
                out.add(NotedKind::Keyword.into(), keyword, path, field.role, source.span(range), max);
            });
        }
        if look.noted {
            let (mut sink, _) = self.sink(path, field);
            noted::scan(source.text(), field.class, &mut sink, |range| source.span(range));
        }
        if look.indicators {
            self.scan(path, field, source);
        }
    }

    /// Whether an indicator can be in a value.
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

impl Look {
    #[inline]
    fn only_indicators(self) -> bool {
        !self.keywords && !self.noted
    }
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

    fn value(&mut self, _path: &str, inner: Field, value: Written<'_>, bits: Bits) {
        let Some(look) = self.collector.look(&value, bits, inner.class) else { return };
        value.read(|source| {
            if may_hold_event(source.text()) {
                let mut deeper =
                    Inner { collector: self.collector, path: self.path, field: self.field, depth: self.depth + 1 };
                if deeper.walk(source) {
                    return;
                }
            }
            self.collector.read(look, self.path, Field { role: self.field.role, class: inner.class }, source);
        });
    }

    fn restart(&mut self) {}
}
