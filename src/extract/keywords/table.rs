//! The words that keywords hang on, and which entries do.

use std::ops::Range;

use super::words;

/// What a word is looked for by: its first eight bytes, letters in lower case, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    head: u64,
    length: u32,
}

impl Key {
    /// The key of a word by its [head](words::head) and its length.
    #[inline(always)]
    pub(super) fn of(head: u64, length: usize) -> Self {
        const CASE: u64 = 0x2020_2020_2020_2020;
        Self { head: head | CASE, length: length.min(LONGEST) as u32 }
    }

    #[inline(always)]
    fn hash(self) -> u64 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let hash = (self.head ^ u64::from(self.length) << 59).wrapping_mul(ODD);
        (hash ^ hash >> 32).wrapping_mul(ODD)
    }
}

/// Words that are longer than any keyword are alike.
const LONGEST: usize = 1 << 10;

/// Words with their entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
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
            let key = Key::of(words::head(&tail.as_bytes()[..first]), first);
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
        // Some 16 to 32 bits a word: of other words one in a hundred passes.
        self.bits = vec![0; (self.groups.len() / 4 + 1).next_power_of_two().max(8)];
        self.slots = vec![0; (self.groups.len() * 2).next_power_of_two()];
        let mask = self.slots.len() - 1;
        for (index, (key, _)) in (1_u32..).zip(&self.groups) {
            let hash = key.hash();
            let (place, marks) = self.place(hash);
            self.bits[place] |= marks;
            let mut slot = (hash >> 32) as usize & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = index;
        }
    }

    #[inline(always)]
    fn place(&self, hash: u64) -> (usize, u64) {
        ((hash >> 32) as usize & self.bits.len().wrapping_sub(1), 1 << (hash & 63) | 1 << (hash >> 6 & 63))
    }

    /// Whether a keyword may hang on it.
    #[inline(always)]
    pub(super) fn may_hold(&self, key: Key) -> bool {
        let (place, marks) = self.place(key.hash());
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
        self.bits.capacity() * 8 + self.slots.capacity() * 4 + self.groups.capacity() * size_of::<(Key, Range<u32>)>()
    }
}
