//! Words in which not everything is ASCII.

use crate::extract::{
    scan::{Value, WIDE, WORD},
    script,
    sink::Sink,
};

impl Value<'_> {
    /// Where the part of a word that begins at `start` ends, and what it holds: before a mark of another script, and where ASCII meets one without spaces.
    pub(super) fn part(&self, start: usize, limit: usize) -> (usize, u8) {
        let end = script::part_end(self.text, start, limit);
        (end, self.marks(start, end))
    }

    pub(super) fn marks(&self, start: usize, end: usize) -> u8 {
        let word = self.bytes.get(start..end).unwrap_or_default();
        word.iter().fold(0, |marks, &byte| marks | WORD[usize::from(byte)])
    }

    /// Reads what is ASCII in a word that is no name, and has no letter of its own script beside it: `адрес198.51.100.7`.
    pub(super) fn ascii_parts(&self, start: usize, end: usize, sink: &mut Sink<'_>) {
        let mut pos = start;
        while pos < end {
            let rest = &self.bytes[pos..end];
            let length = rest.iter().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
            let part = pos..pos + length;
            let bound = script::bounds(script::letter_before(self.text, part.start))
                || script::bounds(script::letter_at(self.text, part.end));
            if length > 1 && !bound {
                self.word(part.clone(), self.marks(part.start, part.end) & !WIDE, sink);
            }
            let more = &self.bytes[part.end..end];
            pos = part.end + more.iter().position(u8::is_ascii).unwrap_or(more.len());
        }
    }
}
