//! The text of a configuration file: lines, columns, and the cut that a report shows.

use std::ops::Range;

use super::{diagnostic::Snippet, mask::Masks};

/// Longest part of a line that a report shows, in characters.
const WIDEST: usize = 140;
/// Characters kept before the carets where a line has to be cut.
const LEAD: usize = 40;

/// A file's name and text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// As the user named it.
    pub(super) name: &'a str,
    /// What is in it.
    pub(super) text: &'a str,
}

impl<'a> Source<'a> {
    /// Number (from 1), start offset and text of the line that holds this offset, without its line end.
    pub(super) fn line_at(&self, offset: usize) -> (usize, usize, &'a str) {
        let offset = self.floor(offset);
        let before = self.text.get(..offset).unwrap_or("");
        let start = before.rfind('\n').map_or(0, |index| index + 1);
        let number = before.matches('\n').count() + 1;
        let rest = self.text.get(start..).unwrap_or("");
        let line = rest.split('\n').next().unwrap_or("");
        (number, start, line.strip_suffix('\r').unwrap_or(line))
    }

    /// The line of a span's start with carets under the span (cut at the end of the line), secrets masked.
    pub(super) fn snippet(&self, span: &Range<usize>, masks: &Masks) -> Snippet {
        let start = self.floor(span.start);
        let (line, line_start, text) = self.line_at(start);
        let column = self.text.get(line_start..start).unwrap_or("").chars().count() + 1;
        let caret_end = span.end.max(start + 1).min(line_start + text.len());

        let mut shown = String::new();
        let mut carets = 0..0;
        let mut visible = 0;
        for (index, c) in text.char_indices() {
            let at = line_start + index;
            let width = shown.chars().count();
            if at == start {
                carets = width..width;
            }
            match c {
                '\t' => shown.push_str("    "),
                c if masks.hide(at) => shown.push(if c.is_whitespace() { ' ' } else { '*' }),
                c if c.is_control() => shown.push('\u{fffd}'),
                c => shown.push(c),
            }
            let in_carets = (start..caret_end).contains(&at);
            if in_carets {
                carets.end = shown.chars().count();
            }
            if in_carets || !(masks.hide(at) || c.is_whitespace()) {
                visible = shown.len();
            }
        }
        if shown.get(visible..).is_some_and(|tail| !tail.trim().is_empty()) {
            shown.truncate(visible);
            shown.push_str(" …");
        }
        if start >= line_start + text.len() {
            let end = shown.chars().count();
            carets = end..end + 1;
        }
        let (text, carets) = cut(&shown, carets);
        Snippet { line, column, text, carets }
    }

    /// The nearest character boundary at or before an offset.
    fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// Cuts a long line so that its carets stay in view.
fn cut(text: &str, carets: Range<usize>) -> (String, Range<usize>) {
    let length = text.chars().count();
    let text = text.trim_end();
    if length <= WIDEST {
        return (text.to_owned(), carets);
    }
    let skip = carets.start.saturating_sub(LEAD);
    let mut shown = String::new();
    let mut shift = 0;
    if skip > 0 {
        shown.push('…');
        shift = 1;
    }
    shown.extend(text.chars().skip(skip).take(WIDEST));
    if length > skip + WIDEST {
        shown.push('…');
    }
    let start = carets.start - skip + shift;
    let end = (carets.end.saturating_sub(skip) + shift).clamp(start + 1, WIDEST + 1);
    (shown, start..end.max(start + 1))
}
