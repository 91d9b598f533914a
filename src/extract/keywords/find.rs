//! Finding keywords in a value.

use std::{
    cmp::Ordering,
    convert::Infallible,
    ops::{ControlFlow, Range},
};

use super::{Entry, Keywords, table::Key, words};
use crate::event::Written;

impl Keywords {
    /// Hands on every keyword in `text` with its place, from left to right by the words they hang on.
    pub(in crate::extract) fn find<'a>(&'a self, text: &str, mut found: impl FnMut(&'a str, Range<usize>)) {
        let ControlFlow::Continue(()) = self.each::<Infallible>(text, |keyword, range| {
            found(keyword, range);
            ControlFlow::Continue(())
        });
    }

    /// Whether a value that is as short as this can hold any.
    #[inline]
    pub(in crate::extract) fn fit(&self, length: usize) -> bool {
        length >= self.shortest
    }

    /// Whether a value may hold one, seen before its escapes are undone; of one without escapes this is certain.
    #[inline]
    pub(in crate::extract) fn may_be_in(&self, value: &Written<'_>) -> bool {
        self.are_in(value.raw(), value.is_escaped())
    }

    /// As [`Keywords::may_be_in`].
    #[inline]
    pub(in crate::extract) fn are_in(&self, raw: &str, escaped: bool) -> bool {
        if !self.fit(raw.len()) {
            return false;
        }
        if escaped {
            return self.may_hide_in(raw.as_bytes());
        }
        self.each(raw, |_, _| ControlFlow::Break(())).is_break()
    }

    fn each<'a, B>(
        &'a self,
        text: &str,
        mut found: impl FnMut(&'a str, Range<usize>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        words::each(text, self.may(), |word| {
            for run in self.table.entries(self.key(text.as_bytes(), word.clone())) {
                self.each_of(run, text, word.start, &mut found)?;
            }
            ControlFlow::Continue(())
        })
    }

    /// Whether a keyword may hang on a word.
    #[inline(always)]
    fn may(&self) -> impl Fn(u64, usize) -> bool {
        |head, length| self.table.may_hold(Key::of(head, length))
    }

    fn key(&self, bytes: &[u8], word: Range<usize>) -> Key {
        let word = bytes.get(word).unwrap_or_default();
        Key::of(words::head(word), word.len())
    }

    /// Whether text in which anything may be escaped may hold a word that a keyword hangs on. What stands behind a backslash is taken for a letter of the
    /// word and for one of the escape; numbers of characters may be any.
    pub(in crate::extract) fn may_hide_in(&self, bytes: &[u8]) -> bool {
        let Ok(raw) = std::str::from_utf8(bytes) else { return false };
        let may_hang = |range: Range<usize>| self.table.entries(self.key(bytes, range)).next().is_some();
        // Words that begin with an escape are looked at one by one; they are those behind a backslash or a `#`.
        let escapes = memchr::memchr2_iter(b'\\', b'#', bytes);
        for start in escapes.map(|sign| sign + 1) {
            let rest = bytes.get(start..).unwrap_or_default();
            let hidden = match rest.first() {
                Some(b'b' | b'f' | b'n' | b'r' | b't') => {
                    let length = words::length(raw, start + 1);
                    length > 0 && may_hang(start + 1..start + 1 + length)
                }
                Some(b'u') => rest.get(1..5).is_some_and(is_hex),
                Some(b'0'..=b'9' | b'x') => bytes[..start].ends_with(b"&#"),
                Some(_) | None => false,
            };
            if hidden {
                return true;
            }
        }
        let hit = words::each(raw, self.may(), |word| {
            if may_hang(word) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        hit.is_break()
    }

    /// Those of a sorted run that stand in the text with their anchors at `at`, the longest first. Whatever the rest of the text begins with is the
    /// last entry that is not behind it, or a beginning of that.
    #[inline(never)]
    fn each_of<'a, B>(
        &'a self,
        run: Range<usize>,
        text: &str,
        at: usize,
        found: &mut impl FnMut(&'a str, Range<usize>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let first = run.start;
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        let entries = self.entries.get(run).unwrap_or_default();
        let above = entries.partition_point(|&entry| order(self.tail(entry), rest) != Ordering::Greater);
        let Some(mut index) = (first + above).checked_sub(1).filter(|index| *index >= first) else {
            return ControlFlow::Continue(());
        };
        let same = self.entries.get(index).map_or(0, |&entry| common(self.tail(entry), rest));
        while let Some(&entry) = self.entries.get(index) {
            if self.tail(entry).len() <= same
                && let Some(range) = self.bounded(entry, text, at)
            {
                found(self.keyword(entry), range)?;
            }
            let shorter = entry.shorter as usize;
            if shorter >= index || shorter < first {
                break;
            }
            index = shorter;
        }
        ControlFlow::Continue(())
    }

    /// Where an entry stands whose tail begins at `at`, if what is around it is no part of a word.
    fn bounded(&self, entry: Entry, text: &str, at: usize) -> Option<Range<usize>> {
        let lead = usize::from(entry.lead);
        let start = at.checked_sub(lead)?;
        let end = at + usize::from(entry.length) - lead;
        let before = self.keyword(entry).get(..lead)?;
        if !text.get(start..at)?.eq_ignore_ascii_case(before) {
            return None;
        }
        let found = text.get(start..end)?;
        let is_word = |letter: Option<char>| letter.is_some_and(words::is_word);
        let cut = |outside: Option<char>, inside: Option<char>| is_word(outside) && is_word(inside);
        let whole = !cut(text.get(..start)?.chars().next_back(), found.chars().next())
            && !cut(text.get(end..)?.chars().next(), found.chars().next_back());
        whole.then_some(start..end)
    }
}

/// How a keyword compares with a text that goes on behind it: equal when the text begins with it.
fn order(tail: &[u8], rest: &[u8]) -> Ordering {
    let common = common(tail, rest);
    match (tail.get(common), rest.get(common)) {
        (Some(ours), Some(theirs)) => ours.to_ascii_lowercase().cmp(&theirs.to_ascii_lowercase()),
        (Some(_), None) => Ordering::Greater,
        (None, _) => Ordering::Equal,
    }
}

/// How many bytes are the same, case apart.
fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left.eq_ignore_ascii_case(right)).count()
}

fn is_hex(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_hexdigit)
}
