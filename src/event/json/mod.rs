//! Walking JSON: strict, iterative, borrowed, one pass.
//!
//! A document is accepted exactly when it is well-formed by RFC 8259 (a byte order mark before it and white space around it
//! allowed); depth, length of numbers and repeated keys are not limited. Objects join keys with `.`, arrays add nothing, so
//! nested and dotted keys give one path. Keys are never values.

mod shape;
mod token;

use crate::event::{Bits, Layer, Outline, unescape};
use shape::{Shape, Slot};
use token::Stop;

/// Takes the strings of a document.
pub(super) trait Strings {
    /// Whether a string of which this is the inside as written, of these classes, is to be handed on. `key` is the innermost key as
    /// written; empty where there is none, or where it has escapes.
    fn wants(&mut self, key: &str, raw: &str, bits: Bits) -> bool;

    /// One string value: its path, its inside as written, where that starts in the document, and what bytes it holds.
    fn string(&mut self, path: &str, raw: &str, start: usize, bits: Bits);
}

/// Reusable memory of the walk.
#[derive(Debug, Default)]
pub(super) struct Memory {
    path: String,
    frames: Vec<Frame>,
    key: Layer,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    object: bool,
    /// The key under which the container stands.
    key: Key,
    /// The key that an array, or an array of arrays, stands under.
    around: Key,
    /// Length of the path of the container itself, once it has been written.
    path: usize,
    /// What the container is to the outline.
    slot: Slot,
}

/// A key as it is written.
#[derive(Clone, Copy, Debug, Default)]
struct Key {
    /// Where it stands; `None` for the root and in arrays.
    range: Option<(usize, usize)>,
    escaped: bool,
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
pub(super) fn walk(
    text: &str,
    memory: &mut Memory,
    outline: Option<&mut Outline>,
    strings: &mut impl Strings,
) -> Option<Top> {
    memory.path.clear();
    memory.frames.clear();
    let mut walk = Walk {
        text,
        bytes: text.as_bytes(),
        pos: 0,
        memory,
        key: Key::default(),
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

struct Walk<'a, S> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    memory: &'a mut Memory,
    /// The last key of the innermost container; none in an array.
    key: Key,
    /// How many frames have their part of the path written.
    written: usize,
    shape: Shape,
    /// Depth of the frame under which nothing is handed on; 0 for none.
    muted: usize,
    strings: &'a mut S,
}

enum Step {
    /// A value is next; it belongs to this slot.
    Value(Slot),
    /// A key is next.
    Key,
    /// A value has just ended.
    After(Slot),
}

impl<'a, S: Strings> Walk<'a, S> {
    fn document(&mut self) -> Option<Top> {
        if self.bytes.starts_with(b"\xef\xbb\xbf") {
            self.pos = 3;
        }
        let top = if self.peek()? == b'{' { Top::Object } else { Top::Other };
        let mut step = Step::Value(Slot::None);
        loop {
            step = match step {
                Step::Value(slot) => self.value(slot)?,
                Step::Key => self.key()?,
                Step::After(slot) => match self.after(slot)? {
                    Some(step) => step,
                    None => break,
                },
            };
        }
        while let Some(&byte) = self.bytes.get(self.pos) {
            if !token::is_space(byte) {
                return None;
            }
            self.pos += 1;
        }
        Some(top)
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

    fn value(&mut self, slot: Slot) -> Option<Step> {
        let start = self.pos;
        match self.peek()? {
            b'"' => {
                let start = self.pos;
                let Stop { end, bits } = token::string(self.bytes, start + 1)?;
                self.pos = end + 1;
                let raw = &self.text[start + 1..end];
                let key = self.plain_key();
                if self.muted == 0 && self.strings.wants(key, raw, bits) {
                    self.write_path();
                    self.strings.string(&self.memory.path, raw, start + 1, bits);
                }
                self.shape.scalar(slot, start..end + 1, true);
                Some(Step::After(slot))
            }
            b'{' => {
                self.open(slot, true);
                if self.peek()? == b'}' {
                    return Some(self.close(true));
                }
                Some(Step::Key)
            }
            b'[' => {
                self.open(slot, false);
                if self.peek()? == b']' {
                    return Some(self.close(true));
                }
                Some(Step::Value(Slot::None))
            }
            first => {
                let start = start.max(self.pos);
                let number = first == b'-' || first.is_ascii_digit();
                self.pos = if number { token::number(self.bytes, start)? } else { token::literal(self.bytes, start)? };
                self.shape.scalar(slot, start..self.pos, number);
                Some(Step::After(slot))
            }
        }
    }

    fn open(&mut self, slot: Slot, object: bool) {
        self.pos += 1;
        let around = match self.key.range {
            Some(_) => self.key,
            None => self.memory.frames.last().map_or_else(Key::default, |frame| frame.around),
        };
        self.memory.frames.push(Frame { object, key: self.key, around, path: 0, slot });
        self.key = Key::default();
        if self.muted == 0 && (slot == Slot::Ours || slot.is_enrichments()) {
            self.muted = self.memory.frames.len();
        }
        self.shape.open(slot, object);
    }

    /// Closes the innermost container, whose last byte is at the present position.
    fn close(&mut self, empty: bool) -> Step {
        let depth = self.memory.frames.len();
        let slot = match self.memory.frames.pop() {
            Some(frame) => {
                self.shape.close(frame.slot, depth, self.pos, empty);
                frame.slot
            }
            None => Slot::None,
        };
        self.written = self.written.min(depth - 1);
        self.key = Key::default();
        if self.muted == depth {
            self.muted = 0;
        }
        self.pos += 1;
        Step::After(slot)
    }

    /// The innermost key, where it is written as it reads.
    fn plain_key(&self) -> &'a str {
        let key = match self.key.range {
            Some(_) => self.key,
            None => self.memory.frames.last().map_or_else(Key::default, |frame| frame.around),
        };
        match key.range {
            Some((start, end)) if !key.escaped => &self.text[start..end],
            _ => "",
        }
    }

    /// Writes the path of the value at hand. Keys are not copied before somebody wants to know.
    fn write_path(&mut self) {
        let Memory { path, frames, key: layer } = &mut *self.memory;
        let mut add = |path: &mut String, key: Key, step: bool| {
            let Some((start, end)) = key.range else { return };
            if step {
                path.push('.');
            }
            let raw = &self.text[start..end];
            if key.escaped {
                unescape::json(raw, layer);
                path.push_str(layer.text());
            } else {
                path.push_str(raw);
            }
        };
        // An empty key at the top still counts as a step, so that `{"":{"event.id":…}}` is not taken for `event.id`.
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

    fn key(&mut self) -> Option<Step> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.pos;
        let Stop { end, bits } = token::string(self.bytes, start + 1)?;
        self.pos = end + 1;
        if self.peek()? != b':' {
            return None;
        }
        self.pos += 1;
        let depth = self.memory.frames.len();
        let parent = self.memory.frames.last()?.slot;
        self.key = Key { range: Some((start + 1, end)), escaped: bits.any(Bits::BACKSLASH) };
        let slot = match depth {
            1 if self.key.escaped => {
                self.write_path();
                self.shape.member(&self.memory.path, start)
            }
            1 => self.shape.member(&self.text[start + 1..end], start),
            2 if Shape::has_inner(parent) => {
                self.write_path();
                Shape::inner(parent, &self.memory.path)
            }
            _ => Slot::None,
        };
        Some(Step::Value(slot))
    }

    /// What follows a value; `None` inside when the document has ended.
    fn after(&mut self, slot: Slot) -> Option<Option<Step>> {
        let depth = self.memory.frames.len();
        let Some(&frame) = self.memory.frames.last() else { return Some(None) };
        if depth == 1 && frame.object {
            self.shape.member_end(slot, self.pos);
        }
        let next = self.peek()?;
        if next == b',' {
            if depth == 1 && frame.object {
                self.shape.comma(self.pos);
            }
            self.pos += 1;
            return Some(Some(if frame.object { Step::Key } else { Step::Value(Slot::None) }));
        }
        if next == if frame.object { b'}' } else { b']' } {
            return Some(Some(self.close(false)));
        }
        None
    }
}

#[cfg(test)]
mod tests;
