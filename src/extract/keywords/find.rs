//! Finding keywords in a value.

use std::{
    cmp::Ordering,
    convert::Infallible,
    marker::PhantomData,
    ops::{ControlFlow, Range},
};

use super::{
    Entry, Keywords,
    table::Key,
    words::{self, Words},
};
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
        words::each(
            text.as_bytes(),
            &self.table,
            &mut Finding { keywords: self, text, found: &mut found, broken: PhantomData },
        )
    }

    /// Whether a keyword hangs on a word.
    fn may_hang(&self, word: &[u8]) -> bool {
        self.table.entries(Key::of(word)).next().is_some()
    }

    /// Whether text in which anything may be escaped may hold a word that a keyword hangs on. What stands behind a backslash is taken for a letter of the
    /// word and for one of the escape; numbers of characters may be any.
    pub(in crate::extract) fn may_hide_in(&self, bytes: &[u8]) -> bool {
        let numbered = memchr::memchr_iter(b'#', bytes).any(|sign| {
            let number = bytes.get(sign + 1).is_some_and(|next| next.is_ascii_digit() || *next == b'x');
            number && bytes[..sign].ends_with(b"&")
        });
        numbered || words::each(bytes, &self.table, &mut Hiding { keywords: self, bytes }).is_break()
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

/// Finds the keywords in a text.
struct Finding<'a, 't, B, F: FnMut(&'a str, Range<usize>) -> ControlFlow<B>> {
    keywords: &'a Keywords,
    text: &'t str,
    found: F,
    broken: PhantomData<B>,
}

impl<'a, B, F: FnMut(&'a str, Range<usize>) -> ControlFlow<B>> Words<B> for Finding<'a, '_, B, F> {
    const ESCAPED: bool = false;

    fn word(&mut self, range: Range<usize>) -> ControlFlow<B> {
        let word = self.text.as_bytes().get(range.clone()).unwrap_or_default();
        for run in self.keywords.table.entries(Key::of(word)) {
            self.keywords.each_of(run, self.text, range.start, &mut self.found)?;
        }
        ControlFlow::Continue(())
    }

    fn behind(&mut self, _range: Range<usize>) -> ControlFlow<B> {
        ControlFlow::Continue(())
    }
}

/// Breaks at the first word of escaped text on which a keyword may hang.
struct Hiding<'a> {
    keywords: &'a Keywords,
    bytes: &'a [u8],
}

impl Words<()> for Hiding<'_> {
    const ESCAPED: bool = true;

    fn word(&mut self, range: Range<usize>) -> ControlFlow<()> {
        let word = self.bytes.get(range).unwrap_or_default();
        if self.keywords.may_hang(word) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn behind(&mut self, range: Range<usize>) -> ControlFlow<()> {
        let hidden = match self.bytes.get(range.clone()) {
            Some([b'b' | b'f' | b'n' | b'r' | b't', rest @ ..]) => {
                let word = rest.get(..words::length(rest)).unwrap_or_default();
                self.keywords.may_hang(word)
            }
            Some([b'u', rest @ ..]) => rest.get(..4).is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit)),
            Some(_) | None => false,
        };
        if hidden { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
