//! The words that keywords hang on, and which entries do.

use std::ops::Range;

use super::words::{self, HEAD};

/// What a word is looked for by: its first eight bytes, letters in lower case, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    head: u64,
    length: u32,
}

impl Key {
    /// The key of a word; NUL stands behind the end of a short one.
    pub(super) fn of(word: &[u8]) -> Self {
        let head = match word.first_chunk() {
            Some(head) => u64::from_le_bytes(*head),
            None => word.iter().rev().fold(0, |head, &byte| head << 8 | u64::from(byte)),
        };
        Self { head: head | CASE, length: word.len().min(LONGEST) as u32 }
    }

    fn hash(self) -> u64 {
        let hash = (self.head ^ u64::from(self.length) << 59).wrapping_mul(ODD);
        (hash ^ hash >> 32).wrapping_mul(ODD)
    }
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Makes letters lower case.
const CASE: u64 = 0x2020_2020_2020_2020;
/// Words that are longer than any keyword are alike.
const LONGEST: usize = 1 << 10;

/// Words with their entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// One bit for the first bytes of every word that is not short.
    heads: Vec<u64>,
    /// Whether a keyword hangs on a word that is shorter than a head.
    short: bool,
    /// Bytes of the shortest other word that a keyword hangs on, beyond those of a head; at most four.
    beyond: u32,
    /// Two bits of one of these for every word.
    bits: Vec<u64>,
    /// Indexes into `groups` plus one, by hash.
    slots: Vec<u32>,
    groups: Vec<(Key, Range<u32>)>,
}

impl Table {
    /// `tails` are the sorted entries from the words on that they hang on.
    pub(super) fn new<'a>(tails: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let mut keys: Vec<(Key, Range<u32>)> = Vec::new();
        for (index, tail) in (0_u32..).zip(tails) {
            let first = tail.find(|letter| !words::is_word(letter)).unwrap_or(tail.len());
            let key = Key::of(&tail.as_bytes()[..first]);
            keys.push((key, index..index + 1));
        }
        // Sorted entries with one word stand together, but words with one key need not: `longwords1`, `longwords2`.
        keys.sort_by_key(|(key, range)| (key.head, key.length, range.start));
        let mut table = Self::default();
        for (key, range) in keys {
            match table.groups.last_mut() {
                Some((last, entries)) if *last == key && entries.end == range.start => entries.end = range.end,
                Some(_) | None => table.groups.push((key, range)),
            }
        }
        table.index();
        table
    }

    fn index(&mut self) {
        if self.groups.is_empty() {
            return;
        }
        // Some 8 to 16 bits for each head, of which there are fewer than words: words begin alike. Small enough to stay in the nearest cache.
        let mut heads: Vec<u32> = self.groups.iter().map(|(key, _)| key.head as u32).collect();
        heads.sort_unstable();
        heads.dedup();
        self.heads = vec![0; (heads.len() / 8 + 1).next_power_of_two().max(64)];
        // Some 16 to 32 bits a word: of other words one in a hundred passes.
        self.bits = vec![0; (self.groups.len() / 4 + 1).next_power_of_two().max(8)];
        self.slots = vec![0; (self.groups.len() * 2).next_power_of_two()];
        let mask = self.slots.len() - 1;
        self.beyond = HEAD as u32;
        for (index, (key, _)) in (1_u32..).zip(&self.groups) {
            if let Some(beyond) = key.length.checked_sub(HEAD as u32) {
                self.beyond = self.beyond.min(beyond);
                let (place, mark) = head_place(key.head as u32, self.heads.len());
                self.heads[place] |= mark;
            } else {
                self.short = true;
            }
            let hash = key.hash();
            let (place, marks) = place(hash, self.bits.len());
            self.bits[place] |= marks;
            let mut slot = (hash >> 32) as usize & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = index;
        }
    }

    /// Whether a keyword may hang on a word that begins with these bytes and is no shorter.
    #[inline(always)]
    pub(super) fn may_begin(&self, head: u32) -> bool {
        let (place, mark) = head_place(head, self.heads.len());
        self.heads.get(place).is_some_and(|bits| bits & mark != 0)
    }

    /// Of the places where at least a head of bytes of words stands, those where a word may begin that is as long as the shortest that a keyword hangs
    /// on, short words apart.
    #[inline(always)]
    pub(super) fn longer(&self, heads: u64) -> u64 {
        heads & heads >> (self.beyond & 7)
    }

    /// Whether a keyword hangs on a word that is shorter than a head.
    pub(super) fn has_short(&self) -> bool {
        self.short
    }

    /// Whether a keyword may hang on a word.
    pub(super) fn may_hold(&self, word: &[u8]) -> bool {
        let (place, marks) = place(Key::of(word).hash(), self.bits.len());
        self.bits.get(place).is_some_and(|bits| bits & marks == marks)
    }

    /// The entries that hang on a word of this key, in runs that are sorted each.
    pub(super) fn entries(&self, key: Key) -> impl Iterator<Item = Range<usize>> {
        let mask = self.slots.len().saturating_sub(1);
        let mut slot = (key.hash() >> 32) as usize & mask;
        std::iter::from_fn(move || {
            loop {
                let index = self.slots.get(slot)?.checked_sub(1)?;
                slot = (slot + 1) & mask;
                let (found, entries) = self.groups.get(index as usize)?;
                if *found == key {
                    return Some(entries.start as usize..entries.end as usize);
                }
            }
        })
    }

    pub(super) fn weight(&self) -> usize {
        (self.heads.capacity() + self.bits.capacity()) * 8
            + self.slots.capacity() * 4
            + self.groups.capacity() * size_of::<(Key, Range<u32>)>()
    }
}

/// Which of so many words a bit for a head is in, and the bit.
#[inline(always)]
fn head_place(head: u32, length: usize) -> (usize, u64) {
    let hash = (u64::from(head) | CASE >> 32).wrapping_mul(ODD);
    ((hash >> 32) as usize & length.wrapping_sub(1), 1 << (hash >> 58))
}

/// As that, of two bits for a hash.
fn place(hash: u64, length: usize) -> (usize, u64) {
    ((hash >> 32) as usize & length.wrapping_sub(1), 1 << (hash & 63) | 1 << (hash >> 6 & 63))
}
