//! Text with its way back to the payload.
//!
//! Escapes and defanged forms are undone into a buffer beside the payload; the steps from buffer to payload are kept as points
//! between which both run in parallel, so that every match can say which bytes of the payload it stands for.

use std::ops::Range;

/// From here on, offset `plain` of the text stands for offset `written` of the layer below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) plain: usize,
    pub(super) written: usize,
}

/// A buffer with text from which one layer of escapes has been taken, and its points.
#[derive(Debug, Default)]
pub struct Layer {
    text: String,
    points: Vec<Point>,
}

impl Layer {
    /// Empties the buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.points.clear();
    }

    /// The undone text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Appends text that is written as it reads, from `written` on.
    pub fn copy(&mut self, text: &str, written: usize) {
        if !text.is_empty() {
            self.point(written);
            self.text.push_str(text);
        }
    }

    /// Appends `plain` for the bytes `written` of the layer below.
    pub fn replace(&mut self, plain: &str, written: Range<usize>) {
        self.point(written.start);
        self.text.push_str(plain);
        self.point(written.end);
    }

    fn point(&mut self, written: usize) {
        let plain = self.text.len();
        // A point that says what follows from the last one is left out.
        let implied = self.points.last().is_some_and(|last| last.written + (plain - last.plain) == written);
        if !implied {
            self.points.push(Point { plain, written });
        }
    }

    /// The undone text, standing on `below`, of which it was made.
    pub fn over<'a>(&'a self, below: &'a Source<'a>) -> Source<'a> {
        Source { text: &self.text, origin: Origin::Mapped { points: &self.points, skip: 0, below: &below.origin } }
    }
}

/// A piece of text and where its bytes stand in the payload.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    text: &'a str,
    origin: Origin<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Origin<'a> {
    At(usize),
    Mapped { points: &'a [Point], skip: usize, below: &'a Origin<'a> },
}

impl<'a> Source<'a> {
    /// Text that stands in the payload, as it reads, from `offset` on.
    pub const fn at(text: &'a str, offset: usize) -> Self {
        Self { text, origin: Origin::At(offset) }
    }

    /// The text.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// A part of it; empty when the range is none of the text's.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let start = range.start.min(self.text.len());
        let text = self.text.get(range).unwrap_or_default();
        Self { text, origin: self.origin.behind(start) }
    }

    /// As [`Source::slice`], of a part that is at hand already.
    #[inline]
    pub(super) fn part<'s>(&'s self, text: &'s str, start: usize) -> Source<'s> {
        debug_assert_eq!(self.text.get(start..start + text.len()), Some(text));
        Source { text, origin: self.origin.behind(start) }
    }

    /// Where it stands in the payload, if it stands there as it reads.
    #[inline]
    pub const fn offset(&self) -> Option<usize> {
        match self.origin {
            Origin::At(offset) => Some(offset),
            Origin::Mapped { .. } => None,
        }
    }

    /// Whether something inside of the part `range` is written otherwise in the layer below.
    pub fn is_undone(&self, range: Range<usize>) -> bool {
        match self.origin {
            Origin::At(_) => false,
            Origin::Mapped { points, skip, .. } => {
                let next = points.partition_point(|point| point.plain <= skip + range.start);
                points.get(next).is_some_and(|point| point.plain < skip + range.end)
            }
        }
    }

    /// The bytes of the payload that the non-empty part `range` of the text stands for.
    pub fn span(&self, range: Range<usize>) -> Range<usize> {
        let start = self.origin.start(range.start);
        start..self.origin.end(range.end).max(start)
    }
}

impl<'a> Origin<'a> {
    #[inline]
    const fn behind(self, start: usize) -> Origin<'a> {
        match self {
            Self::At(offset) => Self::At(offset + start),
            Self::Mapped { points, skip, below } => Self::Mapped { points, skip: skip + start, below },
        }
    }

    fn start(&self, offset: usize) -> usize {
        match *self {
            Self::At(base) => base + offset,
            Self::Mapped { points, skip, below } => {
                let plain = skip + offset;
                let next = points.partition_point(|point| point.plain <= plain);
                below.start(from(points.get(next.wrapping_sub(1)), plain))
            }
        }
    }

    fn end(&self, offset: usize) -> usize {
        match *self {
            Self::At(base) => base + offset,
            Self::Mapped { points, skip, below } => {
                let plain = skip + offset;
                let next = points.partition_point(|point| point.plain < plain);
                let written = match points.get(next) {
                    Some(point) if point.plain == plain => point.written,
                    _ => from(points.get(next.wrapping_sub(1)), plain),
                };
                below.end(written)
            }
        }
    }
}

fn from(point: Option<&Point>, plain: usize) -> usize {
    point.map_or(plain, |point| point.written + (plain - point.plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_knows_its_bytes_through_two_layers() {
        let payload = r#"xx a\\u002e[.]b"#;
        let base = Source::at(&payload[3..], 3);
        let mut lower = Layer::default();
        lower.copy("a", 0);
        lower.replace(".", 1..8);
        lower.copy("[.]b", 8);
        assert_eq!(lower.text(), "a.[.]b");
        let middle = lower.over(&base);
        let mut upper = Layer::default();
        upper.copy("a.", 0);
        upper.replace(".", 2..5);
        upper.copy("b", 5);
        let top = upper.over(&middle);
        assert_eq!(top.text(), "a..b");
        assert_eq!(&payload[top.span(0..4)], &payload[3..]);
        assert_eq!(&payload[top.span(0..1)], "a");
        assert_eq!(&payload[top.span(1..2)], r"\\u002e");
        assert_eq!(&payload[top.span(2..3)], "[.]");
        assert_eq!(&payload[top.slice(3..4).span(0..1)], "b");
    }
}
