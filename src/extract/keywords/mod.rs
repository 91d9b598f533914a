//! A list of the user's own: strings that are noted wherever a value holds them as whole words.
//!
//! Rules: case of ASCII letters counts for nothing. A keyword stands between word boundaries: what is next to a letter, a digit or an
//! underscore of it, of any script, is none of these. Every keyword that stands in a value is found, also inside a longer one. A value is read
//! with its escapes undone and its defanged forms as they are.
//!
//! Every keyword hangs on one of its words, one that few other keywords share, and a long one if there is, for events have many short words. The words of an event are found sixty-four
//! bytes at a time and looked for by their first four bytes in a set of bits that is small enough for the nearest cache; those that are in there, by eight
//! bytes and their length in another. Only what is left is compared, and only in an event that has such a word the values are read one by one. So what a
//! list costs depends on how often those words occur, and hardly on its length. An automaton reads each byte of each value at the speed of its memory,
//! which grows with the list: `benches/extract` (`keywords`) has both.

mod find;
mod list;
mod table;
mod words;

pub use list::{KeywordError, MOST, Mistake, Reader};

use std::fmt;

use table::Table;

/// A list of keywords, compiled.
#[derive(Clone, Default)]
pub struct Keywords {
    /// All keywords as they are written, one after another.
    text: String,
    /// Sorted by what follows from the word on that they hang on, case apart.
    entries: Vec<Entry>,
    table: Table,
    /// Length of the shortest.
    shortest: usize,
}

/// One keyword.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its text starts.
    start: u32,
    length: u16,
    /// Bytes before the word that it hangs on.
    lead: u16,
    /// The entry before it whose text from that word on is the longest beginning of this one's; itself for none.
    shorter: u32,
}

impl Keywords {
    /// Number of distinct keywords.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that this value keeps alive.
    pub fn weight(&self) -> usize {
        self.text.capacity() + self.entries.capacity() * size_of::<Entry>() + self.table.weight()
    }

    fn keyword(&self, entry: Entry) -> &str {
        let start = entry.start as usize;
        self.text.get(start..start + usize::from(entry.length)).unwrap_or_default()
    }

    /// Its bytes from the word on that it hangs on.
    fn tail(&self, entry: Entry) -> &[u8] {
        self.keyword(entry).as_bytes().get(usize::from(entry.lead)..).unwrap_or_default()
    }
}

/// The entries themselves are the user's business.
impl fmt::Debug for Keywords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keywords").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
