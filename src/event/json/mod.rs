//! Walking JSON: strict, iterative, borrowed, one pass.
//!
//! A document is accepted exactly when it is well-formed by RFC 8259 (a byte order mark before it and white space around it
//! allowed); depth, length of numbers and repeated keys are not limited. Objects join keys with `.`, arrays add nothing, so
//! nested and dotted keys give one path. Keys are never values.

mod fields;
mod shape;
mod token;

use crate::event::{Bits, Layer, Outline, unescape};
use fields::{Fields, Place};
use shape::{Shape, Slot};
use token::Stop;

/// Takes the strings of a document.
pub(super) trait Strings {
    /// What is to be known of a field.
    type Field: Copy;

    /// What is known of the field at `path`; asked for once while the field is remembered.
    fn field(&mut self, path: &str) -> Self::Field;

    /// One string value: its path and what is known of that, its inside as written, where that starts in the document, and what bytes it holds.
    fn string(&mut self, path: &str, field: Self::Field, raw: &str, start: usize, bits: Bits);
}

/// Reusable memory of the walk.
#[derive(Debug)]
pub(super) struct Memory<F> {
    fields: Fields<F>,
    path: String,
    frames: Vec<Frame>,
    key: Layer,
}

impl<F> Default for Memory<F> {
    fn default() -> Self {
        Self { fields: Fields::default(), path: String::new(), frames: Vec::new(), key: Layer::default() }
    }
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    object: bool,
    /// There is a key above its values.
    keyed: bool,
    /// What the container is to the outline.
    slot: Slot,
    /// The key under which the container stands.
    key: Key,
    /// The field of the container.
    place: Place,
    /// Length of the path of the container itself, once it has been written.
    path: usize,
}

/// Where a key stands in the text; nowhere for the root and in arrays.
#[derive(Clone, Copy, Debug)]
struct Key {
    start: usize,
    end: usize,
}

impl Key {
    /// No key: before the first quote.
    const NONE: Self = Self { start: 0, end: 0 };
}

/// What a well-formed document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// An object.
    Object,
    /// Anything else.
    Other,
}

/// Walks a document; `None` when it is not well-formed, and then what `strings` was given before is void.
/// Members named `sidelight` at the top and everything under `threat.enrichments` are not handed on.
pub(super) fn walk<S: Strings>(
    text: &str,
    memory: &mut Memory<S::Field>,
    outline: Option<&mut Outline>,
    strings: &mut S,
) -> Option<Top> {
    memory.path.clear();
    memory.frames.clear();
    memory.fields.begin(|path| strings.field(path));
    let mut walk = Walk {
        text,
        bytes: text.as_bytes(),
        pos: 0,
        memory,
        key: Key::NONE,
        place: Place::NOWHERE,
        slot: Slot::None,
        last: Place::NOWHERE,
        written: 0,
        shape: Shape::default(),
        muted: 0,
        strings,
    };
    let top = walk.document()?;
    if let Some(outline) = outline {
        walk.shape.finish(outline);
    }
    Some(top)
}

struct Walk<'a, S: Strings> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    memory: &'a mut Memory<S::Field>,
    /// The key of the value at hand.
    key: Key,
    /// The field of the value at hand, and what it is to the outline.
    place: Place,
    slot: Slot,
    /// The field whose key came last.
    last: Place,
    /// How many frames have their part of the path written.
    written: usize,
    shape: Shape,
    /// Depth of the frame under which nothing is handed on; 0 for none.
    muted: usize,
    strings: &'a mut S,
}

impl<S: Strings> Walk<'_, S> {
    fn document(&mut self) -> Option<Top> {
        if self.bytes.starts_with(b"\xef\xbb\xbf") {
            self.pos = 3;
        }
        let (top, root) = if self.peek()? == b'{' { (Top::Object, Place::OBJECT) } else { (Top::Other, Place::OTHER) };
        (self.place, self.last) = (root, root);
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'{' => {
                    self.open(true);
                    if self.peek()? != b'}' {
                        self.key()?;
                        continue;
                    }
                    self.close(true);
                }
                b'[' => {
                    self.open(false);
                    if self.peek()? != b']' {
                        continue;
                    }
                    self.close(true);
                }
                first => self.token(first)?,
            }
            if !self.after()? {
                break;
            }
        }
        self.bytes.get(self.pos..)?.iter().all(|&byte| token::is_space(byte)).then_some(top)
    }

    /// The next byte that is not white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.pos)?;
            if byte > b' ' {
                return Some(byte);
            }
            if !token::is_space(byte) {
                return None;
            }
            self.pos += 1;
        }
    }

    /// Goes on behind a value to the next one; false when the document has ended.
    #[inline]
    fn after(&mut self) -> Option<bool> {
        loop {
            let depth = self.memory.frames.len();
            let Some(&Frame { object, place, .. }) = self.memory.frames.last() else { return Some(false) };
            let member = depth == 1 && object;
            if member {
                self.shape.member_end(self.slot, self.pos);
            }
            match (self.peek()?, object) {
                (b',', true) => {
                    if member {
                        self.shape.comma(self.pos);
                    }
                    self.pos += 1;
                    self.key()?;
                    return Some(true);
                }
                (b',', false) => {
                    self.pos += 1;
                    self.element(place);
                    return Some(true);
                }
                (b'}', true) | (b']', false) => self.close(false),
                _ => return None,
            }
        }
    }

    /// An element of an array is next.
    fn element(&mut self, place: Place) {
        (self.key, self.place, self.slot) = (Key::NONE, place, Slot::None);
    }

    #[inline]
    fn string(&mut self) -> Option<()> {
        let start = self.pos + 1;
        let Stop { end, bits } = token::string(self.bytes, start)?;
        self.pos = end + 1;
        if self.muted == 0 && self.slot != Slot::Ours {
            let raw = &self.text[start..end];
            match self.memory.fields.get(self.place) {
                Some((path, field)) => self.strings.string(path, field, raw, start, bits),
                None => {
                    self.write_path();
                    let field = self.strings.field(&self.memory.path);
                    self.strings.string(&self.memory.path, field, raw, start, bits);
                }
            }
        }
        if self.slot != Slot::None {
            self.shape.scalar(self.slot, start - 1..end + 1, true);
        }
        Some(())
    }

    /// A number, `true`, `false` or `null`.
    fn token(&mut self, first: u8) -> Option<()> {
        let start = self.pos;
        let number = first == b'-' || first.is_ascii_digit();
        self.pos = if number { token::number(self.bytes, start)? } else { token::literal(self.bytes, start)? };
        if self.slot != Slot::None {
            self.shape.scalar(self.slot, start..self.pos, number);
        }
        Some(())
    }

    #[inline]
    fn open(&mut self, object: bool) {
        self.pos += 1;
        let (key, place, slot) = (self.key, self.place, self.slot);
        let keyed = key.start != 0 || self.memory.frames.last().is_some_and(|frame| frame.keyed);
        self.memory.frames.push(Frame { object, keyed, slot, key, place, path: 0 });
        if slot != Slot::None {
            if self.muted == 0 && (slot == Slot::Ours || slot.is_enrichments()) {
                self.muted = self.memory.frames.len();
            }
            self.shape.open(slot, object);
        }
        self.element(place);
    }

    /// Closes the innermost container, whose last byte is at the present position.
    #[inline]
    fn close(&mut self, empty: bool) {
        let depth = self.memory.frames.len();
        if let Some(frame) = self.memory.frames.pop() {
            self.slot = frame.slot;
            if depth == 1 || frame.slot != Slot::None {
                self.shape.close(frame.slot, depth, self.pos, empty);
            }
        }
        self.written = self.written.min(depth - 1);
        if self.muted == depth {
            self.muted = 0;
        }
        self.pos += 1;
    }

    /// Reads a key and what follows up to its value.
    #[inline]
    fn key(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.pos + 1;
        let depth = self.memory.frames.len();
        let &Frame { place: around, slot: parent, .. } = self.memory.frames.last()?;
        let rest = self.bytes.get(start..)?;
        let (place, slot, end) = match self.memory.fields.next(self.last, around, rest) {
            Some((place, slot, length)) => (place, slot, start + length),
            None => self.other_key(start, around, parent)?,
        };
        (self.key, self.place, self.pos) = (Key { start, end }, place, end + 1);
        if self.peek()? != b':' {
            return None;
        }
        self.pos += 1;
        if place != Place::NOWHERE {
            self.last = place;
        }
        // The field in the tree does not know of arrays around it.
        self.slot = if depth <= 1 || (depth == 2 && Shape::has_inner(parent)) { slot } else { Slot::None };
        if depth == 1 {
            self.shape.member(self.slot, start - 1);
        }
        Some(())
    }

    /// The field of a key that did not come next the last time, what it is to the outline, and where it ends.
    #[inline(never)]
    fn other_key(&mut self, start: usize, around: Place, parent: Slot) -> Option<(Place, Slot, usize)> {
        let Stop { end, bits } = token::string(self.bytes, start)?;
        if self.muted != 0 {
            return Some((Place::NOWHERE, Slot::None, end));
        }
        let Memory { fields, key: layer, .. } = &mut *self.memory;
        let layer = bits.any(Bits::BACKSLASH).then_some(layer);
        let place = fields.child(self.last, around, &self.text[start..end], layer, |path| self.strings.field(path));
        if place != Place::NOWHERE {
            return Some((place, self.memory.fields.slot(place), end));
        }
        let slot = match self.memory.frames.len() {
            depth @ (1 | 2) => {
                self.key = Key { start, end };
                self.write_path();
                if depth == 1 { Slot::of(&self.memory.path) } else { Shape::inner(parent, &self.memory.path) }
            }
            _ => Slot::None,
        };
        Some((place, slot, end))
    }

    /// Writes the path of a value whose field is not kept.
    fn write_path(&mut self) {
        let Memory { path, frames, key: layer, .. } = &mut *self.memory;
        let mut add = |path: &mut String, Key { start, end }: Key, step: bool| {
            if start == 0 {
                return;
            }
            if step {
                path.push('.');
            }
            let raw = &self.text[start..end];
            if raw.contains('\\') {
                unescape::json(raw, layer);
                path.push_str(layer.text());
            } else {
                path.push_str(raw);
            }
        };
        // An empty key at the top still counts as a step, as in the tree of fields.
        let root = frames.first().is_some_and(|root| root.object);
        let written = self.written.min(frames.len());
        path.truncate(written.checked_sub(1).and_then(|last| frames.get(last)).map_or(0, |frame| frame.path));
        let mut keyed = written.checked_sub(1).and_then(|last| frames.get(last)).is_some_and(|frame| frame.keyed);
        for frame in frames.iter_mut().skip(written) {
            let step = !path.is_empty() || (keyed && root);
            add(path, frame.key, step);
            (frame.path, keyed) = (path.len(), frame.keyed);
        }
        self.written = frames.len();
        let step = !path.is_empty() || (keyed && root);
        add(path, self.key, step);
    }
}

#[cfg(test)]
mod tests;
