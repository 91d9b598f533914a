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
    /// Where the key stands under which the container stands; `None` for the root and in arrays.
    key: Option<(usize, usize)>,
    /// The field of the container.
    place: Place,
    /// Length of the path of the container itself, once it has been written.
    path: usize,
    /// What the container is to the outline.
    slot: Slot,
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
        key: None,
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
    /// Where the key of the value at hand stands; none in an array.
    key: Option<(usize, usize)>,
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
            let Some(&frame) = self.memory.frames.last() else { return Some(false) };
            let member = depth == 1 && frame.object;
            if member {
                self.shape.member_end(self.slot, self.pos);
            }
            match (self.peek()?, frame.object) {
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
                    self.element(frame.place);
                    return Some(true);
                }
                (b'}', true) | (b']', false) => self.close(false),
                _ => return None,
            }
        }
    }

    /// An element of an array is next.
    fn element(&mut self, place: Place) {
        (self.key, self.place, self.slot) = (None, place, Slot::None);
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
        self.shape.scalar(self.slot, start - 1..end + 1, true);
        Some(())
    }

    /// A number, `true`, `false` or `null`.
    fn token(&mut self, first: u8) -> Option<()> {
        let start = self.pos;
        let number = first == b'-' || first.is_ascii_digit();
        self.pos = if number { token::number(self.bytes, start)? } else { token::literal(self.bytes, start)? };
        self.shape.scalar(self.slot, start..self.pos, number);
        Some(())
    }

    fn open(&mut self, object: bool) {
        self.pos += 1;
        let (key, place, slot) = (self.key, self.place, self.slot);
        self.memory.frames.push(Frame { object, key, place, path: 0, slot });
        if self.muted == 0 && (slot == Slot::Ours || slot.is_enrichments()) {
            self.muted = self.memory.frames.len();
        }
        self.shape.open(slot, object);
        self.element(place);
    }

    /// Closes the innermost container, whose last byte is at the present position.
    fn close(&mut self, empty: bool) {
        let depth = self.memory.frames.len();
        if let Some(frame) = self.memory.frames.pop() {
            self.shape.close(frame.slot, depth, self.pos, empty);
            self.slot = frame.slot;
        }
        self.written = self.written.min(depth - 1);
        if self.muted == depth {
            self.muted = 0;
        }
        self.pos += 1;
    }

    /// Reads a key and what follows up to its value.
    fn key(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.pos + 1;
        let depth = self.memory.frames.len();
        let parent = *self.memory.frames.last()?;
        let (place, end) = match self.memory.fields.next(self.last, parent.place, self.bytes.get(start..)?) {
            Some((place, length)) => (place, start + length),
            None => self.other_key(start, parent.place)?,
        };
        (self.key, self.place, self.pos) = (Some((start, end)), place, end + 1);
        if self.peek()? != b':' {
            return None;
        }
        self.pos += 1;
        if place != Place::NOWHERE {
            self.last = place;
        }
        self.slot = if depth == 1 || (depth == 2 && Shape::has_inner(parent.slot)) {
            self.slot_of(parent.slot, depth)
        } else {
            Slot::None
        };
        if depth == 1 {
            self.shape.member(self.slot, start - 1);
        }
        Some(())
    }

    /// The field and the end of a key that did not come next the last time.
    fn other_key(&mut self, start: usize, parent: Place) -> Option<(Place, usize)> {
        let Stop { end, bits } = token::string(self.bytes, start)?;
        if self.muted != 0 {
            return Some((Place::NOWHERE, end));
        }
        let Memory { fields, key: layer, .. } = &mut *self.memory;
        let layer = bits.any(Bits::BACKSLASH).then_some(layer);
        let place = fields.child(self.last, parent, &self.text[start..end], layer, |path| self.strings.field(path));
        Some((place, end))
    }

    fn slot_of(&mut self, parent: Slot, depth: usize) -> Slot {
        if self.place != Place::NOWHERE {
            return self.memory.fields.slot(self.place);
        }
        self.write_path();
        if depth == 1 { Slot::of(&self.memory.path) } else { Shape::inner(parent, &self.memory.path) }
    }

    /// Writes the path of a value whose field is not kept.
    fn write_path(&mut self) {
        let Memory { path, frames, key: layer, .. } = &mut *self.memory;
        let mut add = |path: &mut String, key: Option<(usize, usize)>, step: bool| {
            let Some((start, end)) = key else { return };
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
        for index in written..frames.len() {
            let step = !path.is_empty() || (index == 2 && root);
            if let Some(frame) = frames.get_mut(index) {
                add(path, frame.key, step);
                frame.path = path.len();
            }
        }
        self.written = frames.len();
        let step = !path.is_empty() || (frames.len() == 2 && root);
        add(path, self.key, step);
    }
}

#[cfg(test)]
mod tests;
