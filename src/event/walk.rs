//! From a payload to its values: recognises the format and hands every value on with its path.

use crate::event::{
    Bits, Format, Layer, MESSAGE, Outline, Source, Written, cef,
    json::{self, Strings, Top},
    leef, pairs, syslog, xml,
};

/// Takes the values of an event.
pub trait Visitor {
    /// What the visitor wants to know of a field whenever a value of it comes.
    type Field: Copy;

    /// What is known of the field at `path`. It depends on nothing else, and is asked for once as long as the field is remembered.
    fn field(&mut self, path: &str) -> Self::Field;

    /// One value: its field path and what is known of that, its text, and what bytes it holds as written.
    fn value(&mut self, path: &str, field: Self::Field, value: Written<'_>, bits: Bits);

    /// One value of a custom field whose name says nothing and whose `label`, elsewhere in the event, says what it is.
    fn labelled(&mut self, path: &str, label: &str, value: Written<'_>, bits: Bits) {
        let _ = label;
        let field = self.field(path);
        self.value(path, field, value, bits);
    }

    /// What was handed on so far is void: the payload turned out to be of another format.
    fn restart(&mut self);
}

/// Reusable memory of the walk; one for each thread.
#[derive(Debug)]
pub(crate) struct Scratch<F> {
    json: json::Memory<F>,
    layer: Layer,
    pairs: Vec<pairs::Pair>,
    elements: xml::Path,
}

impl<F> Default for Scratch<F> {
    fn default() -> Self {
        Self { json: Default::default(), layer: Layer::default(), pairs: Vec::new(), elements: Default::default() }
    }
}

/// Walks a payload. `outline` is overwritten. Linear in the length of the payload.
pub(crate) fn walk<V: Visitor>(
    payload: &[u8],
    scratch: &mut Scratch<V::Field>,
    outline: &mut Outline,
    visitor: &mut V,
) {
    outline.reset();
    let Some(text) = text_of(payload) else {
        outline.format = Format::Binary;
        return;
    };
    let source = Source::at(text, 0);
    let maybe_json = first_byte(text)
        .is_some_and(|byte| matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'));
    if maybe_json {
        let mut strings = Hand { source, layer: &mut scratch.layer, visitor };
        match json::walk(text, &mut scratch.json, Some(outline), &mut strings) {
            Some(Top::Object) => return,
            Some(Top::Other) => {
                outline.reset();
                outline.format = Format::Json;
                return;
            }
            None => {
                outline.reset();
                visitor.restart();
            }
        }
    }
    outline.format = lines(source, scratch, visitor);
}

/// Walks a value that may hold an event itself: JSON, CEF, LEEF, XML. False, and nothing handed on, when it holds none.
pub(crate) fn walk_embedded<V: Visitor>(value: Source<'_>, scratch: &mut Scratch<V::Field>, visitor: &mut V) -> bool {
    match first_byte(value.text()) {
        Some(b'{' | b'[') => document(value, scratch, visitor),
        Some(b'<') => elements(value, scratch, visitor) || marked(value, scratch, visitor).is_some(),
        _ => marked(value, scratch, visitor).is_some(),
    }
}

/// Walks a JSON document inside something else; checked before anything is handed on, so that nothing has to be taken back.
fn document<V: Visitor>(value: Source<'_>, scratch: &mut Scratch<V::Field>, visitor: &mut V) -> bool {
    let text = value.text();
    if json::walk(text, &mut scratch.json, None, &mut Unheard(visitor)).is_none() {
        return false;
    }
    let mut strings = Hand { source: value, layer: &mut scratch.layer, visitor };
    json::walk(text, &mut scratch.json, None, &mut strings).is_some()
}

/// Walks a Windows event; what stands before it is text.
fn elements<V: Visitor>(value: Source<'_>, scratch: &mut Scratch<V::Field>, visitor: &mut V) -> bool {
    let text = value.text();
    let Some(start) = xml::start(text) else { return false };
    let head = value.slice(0..start);
    if !head.text().trim_start().starts_with("<?") {
        hand(MESSAGE, head, visitor);
    }
    xml::walk(value.slice(start..text.len()), &mut scratch.elements, &mut scratch.layer, visitor);
    true
}

fn first_byte(text: &str) -> Option<u8> {
    text.trim_start_matches('\u{feff}').bytes().find(|byte| !byte.is_ascii_whitespace())
}

/// The payload as text. A schema registry's framing starts with NUL, which no text does.
fn text_of(payload: &[u8]) -> Option<&str> {
    if payload.first() == Some(&0) {
        return None;
    }
    std::str::from_utf8(payload).ok()
}

/// A line that is no JSON document as a whole.
fn lines<V: Visitor>(source: Source<'_>, scratch: &mut Scratch<V::Field>, visitor: &mut V) -> Format {
    if let Some(format) = marked(source, scratch, visitor) {
        return format;
    }
    let header = syslog::header(source.text());
    if header.is_none() && first_byte(source.text()) == Some(b'<') && elements(source, scratch, visitor) {
        return Format::Xml;
    }
    let body = match &header {
        Some(header) => {
            if let Some(host) = header.host.clone() {
                hand(syslog::HOST, source.slice(host), visitor);
            }
            syslog::parameters(source, header.data.clone(), &mut scratch.layer, visitor);
            source.slice(header.body..source.text().len())
        }
        None => source,
    };
    if header.is_some() && elements(body, scratch, visitor) {
        return Format::Xml;
    }
    let in_json = header.is_some() && first_byte(body.text()) == Some(b'{') && document(body, scratch, visitor);
    if !in_json && !pairs::walk(body, &mut scratch.pairs, &mut scratch.layer, visitor) {
        hand(MESSAGE, body, visitor);
    }
    if header.is_some() { Format::Syslog } else { Format::Text }
}

/// CEF or LEEF, with or without a syslog header before the mark.
fn marked<V: Visitor>(source: Source<'_>, scratch: &mut Scratch<V::Field>, visitor: &mut V) -> Option<Format> {
    let text = source.text();
    if let Some(start) = mark(text, "CEF:") {
        let body = source.slice(start..text.len());
        if cef::walk(body, &mut scratch.pairs, &mut scratch.layer, visitor) {
            return Some(Format::Cef);
        }
    }
    if let Some(start) = mark(text, "LEEF:") {
        let body = source.slice(start..text.len());
        if leef::walk(body, &mut scratch.pairs, &mut scratch.layer, visitor) {
            return Some(Format::Leef);
        }
    }
    None
}

/// Where the mark of a format starts: at the beginning, or behind a header of at most 256 bytes and a space.
fn mark(text: &str, word: &str) -> Option<usize> {
    if text.starts_with(word) {
        return Some(0);
    }
    let bytes = text.as_bytes();
    let head = bytes.get(..bytes.len().min(256))?;
    let at = memchr::memmem::find(head, word.as_bytes())?;
    let before = *bytes.get(at.checked_sub(1)?)?;
    (before == b' ' || before == b'\t' || before == b'\n' || before == 0xbf).then_some(at)
}

/// Hands on a value; one without a key is text.
pub(super) fn hand(path: &str, value: Source<'_>, visitor: &mut impl Visitor) {
    if !value.text().is_empty() {
        let path = or_message(path);
        let field = visitor.field(path);
        visitor.value(path, field, Written::plain(value), Bits::of(value.text().as_bytes()));
    }
}

/// Undoes the escapes of strings and hands them on.
struct Hand<'a, V> {
    source: Source<'a>,
    layer: &'a mut Layer,
    visitor: &'a mut V,
}

impl<V: Visitor> Strings for Hand<'_, V> {
    type Field = V::Field;

    fn field(&mut self, path: &str) -> V::Field {
        self.visitor.field(or_message(path))
    }

    #[inline]
    fn string(&mut self, path: &str, field: V::Field, raw: &str, start: usize, bits: Bits) {
        let value = self.source.part(raw, start);
        let written = if bits.any(Bits::BACKSLASH) { Written::json(value, self.layer) } else { Written::plain(value) };
        self.visitor.value(or_message(path), field, written, bits);
    }
}

/// A string that stands alone is text without a key.
fn or_message(path: &str) -> &str {
    if path.is_empty() { MESSAGE } else { path }
}

/// Learns the fields of a document and hears nothing of its strings.
struct Unheard<'a, V>(&'a mut V);

impl<V: Visitor> Strings for Unheard<'_, V> {
    type Field = V::Field;

    fn field(&mut self, path: &str) -> V::Field {
        self.0.field(or_message(path))
    }

    fn string(&mut self, _path: &str, _field: V::Field, _raw: &str, _start: usize, _bits: Bits) {}
}
