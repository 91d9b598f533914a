//! The words of a text: letters, digits and underscores in a row.

use std::ops::{ControlFlow, Range};

use super::table::Table;
use crate::event::lanes::{Lane, Marks};

/// Bytes that are looked at together.
const BLOCK: usize = LANES * Lane::LENGTH;
const LANES: usize = 4;
/// Bytes by which words are told apart at first; the shorter ones are looked at only where keywords hang on such.
pub(super) const HEAD: usize = 4;
/// A block and the bytes behind it that belong to the head of its last word, a letter of an escape apart.
const WINDOW: usize = BLOCK + HEAD + 1;

/// What takes the words of a text.
pub(super) trait Words<B> {
    /// Backslashes count.
    const ESCAPED: bool;

    /// A word on which a keyword may hang.
    fn word(&mut self, range: Range<usize>) -> ControlFlow<B>;

    /// A run of bytes of words, whatever they are, that stands behind a backslash.
    fn behind(&mut self, range: Range<usize>) -> ControlFlow<B>;
}

/// Whether a character belongs to a word.
pub(super) fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Hands on those words of a text on which a keyword may hang, from left to right, until one breaks.
///
/// Most texts hold none, so what is done for every word is four bytes and a bit.
#[inline(always)]
pub(super) fn each<B, W: Words<B>>(bytes: &[u8], table: &Table, words: &mut W) -> ControlFlow<B> {
    let mut base = 0;
    let mut padded;
    while base < bytes.len() {
        let rest = bytes.get(base..).unwrap_or_default();
        let window = match rest.first_chunk() {
            Some(window) => window,
            None => {
                // NUL stands behind the end.
                padded = [0; WINDOW];
                if let Some(to) = padded.get_mut(..rest.len()) {
                    to.copy_from_slice(rest);
                }
                &padded
            }
        };
        let Block { inside, wide } = Block::of(window);
        let carry = W::ESCAPED && base > 0 && bytes.get(base - 1) == Some(&b'\\');
        let last = inside.leading_ones();
        if last == 64 {
            base += long(bytes, base, carry, table, words)?;
            continue;
        }
        let mut next = base + BLOCK;
        let mut starts = inside & !(inside << 1);
        if last > 0 && next < bytes.len() {
            // The run that goes on is read with the next block.
            next -= last as usize;
            starts &= (1 << (64 - last)) - 1;
        }
        let two = inside & inside >> 1;
        let four = two & two >> 2;
        let longer = table.longer(four);
        let hits = if wide {
            starts
        } else {
            let short = if table.has_short() { starts & !longer } else { 0 };
            short | heads(window, starts & longer, table)
        };
        if hits != 0 {
            runs(bytes, base, inside, hits, table, words)?;
        }
        if W::ESCAPED {
            let slash = slashes(window);
            if slash != 0 || carry {
                // One letter of each is the escape's.
                let any = table.has_short() || wide;
                let enough = if any { inside } else { four };
                let behind = starts & (slash << 1 | u64::from(carry)) & (enough >> 1);
                let behind = if any { behind } else { escapes(window, behind, table) };
                if behind != 0 {
                    each_behind(base, inside, behind, words)?;
                }
            }
        }
        base = next;
    }
    ControlFlow::Continue(())
}

/// Those of the words that begin at `starts` of which a keyword may have the first bytes.
#[inline(always)]
fn heads(window: &[u8; WINDOW], mut starts: u64, table: &Table) -> u64 {
    let mut hits = 0;
    while starts != 0 {
        let bit = starts & starts.wrapping_neg();
        let at = starts.trailing_zeros() as usize;
        starts ^= bit;
        hits |= if table.may_begin(head(window, at)) { bit } else { 0 };
    }
    hits
}

/// Those of the runs behind backslashes, beginning at `starts`, that an escape may have begun: of a letter, before a word of which a keyword may have
/// the first bytes, or of a number.
#[inline(always)]
fn escapes(window: &[u8; WINDOW], mut starts: u64, table: &Table) -> u64 {
    const LETTERS: u32 =
        1 << (b'b' & 31) | 1 << (b'f' & 31) | 1 << (b'n' & 31) | 1 << (b'r' & 31) | 1 << (b't' & 31) | NUMBER;
    const NUMBER: u32 = 1 << (b'u' & 31);
    let mut hits = 0;
    while starts != 0 {
        let bit = starts & starts.wrapping_neg();
        let at = starts.trailing_zeros() as usize;
        starts ^= bit;
        let letter = window.get(at).map_or(0, |&byte| 1 << (byte & 31));
        // Without a branch: which letter it is cannot be foretold.
        let may = (letter & LETTERS != 0) & ((letter == NUMBER) | table.may_begin(head(window, at + 1)));
        hits |= if may { bit } else { 0 };
    }
    hits
}

/// Hands on the runs behind backslashes.
#[inline(never)]
fn each_behind<B>(base: usize, inside: u64, mut starts: u64, words: &mut impl Words<B>) -> ControlFlow<B> {
    while starts != 0 {
        let bit = starts.trailing_zeros() as usize;
        starts &= starts - 1;
        words.behind(base + bit..base + bit + (!(inside >> bit)).trailing_zeros() as usize)?;
    }
    ControlFlow::Continue(())
}

/// The first bytes of the word that begins at `at`.
#[inline(always)]
fn head(window: &[u8; WINDOW], at: usize) -> u32 {
    window.get(at..at + HEAD).and_then(<[u8]>::first_chunk).map_or(0, |head| u32::from_le_bytes(*head))
}

/// Reads a run that fills a block, and says how long it is.
#[inline(never)]
fn long<B>(bytes: &[u8], base: usize, carry: bool, table: &Table, words: &mut impl Words<B>) -> ControlFlow<B, usize> {
    let rest = bytes.get(base..).unwrap_or_default();
    let mut length = 0;
    while let Some(window) = rest.get(length..).and_then(<[u8]>::first_chunk) {
        let run = Block::of(window).inside.trailing_ones() as usize;
        length += run;
        if run < BLOCK {
            break;
        }
    }
    length += rest.get(length..).unwrap_or_default().iter().take_while(|&&byte| is_part(byte)).count();
    letters(bytes, base..base + length, table, words)?;
    if carry {
        words.behind(base..base + length)?;
    }
    ControlFlow::Continue(length)
}

/// Reads the runs that begin at `starts`.
#[inline(never)]
fn runs<B>(
    bytes: &[u8],
    base: usize,
    inside: u64,
    mut starts: u64,
    table: &Table,
    words: &mut impl Words<B>,
) -> ControlFlow<B> {
    while starts != 0 {
        let bit = starts.trailing_zeros() as usize;
        starts &= starts - 1;
        let length = (!(inside >> bit)).trailing_zeros() as usize;
        letters(bytes, base + bit..base + bit + length, table, words)?;
    }
    ControlFlow::Continue(())
}

/// Hands on a word if a keyword may hang on it.
#[inline(never)]
fn read<B>(bytes: &[u8], range: Range<usize>, table: &Table, words: &mut impl Words<B>) -> ControlFlow<B> {
    let word = bytes.get(range.clone()).unwrap_or_default();
    if table.may_hold(word) { words.word(range) } else { ControlFlow::Continue(()) }
}

/// Bytes of the word that `rest` begins with.
pub(super) fn length(rest: &[u8]) -> usize {
    let run = rest.iter().take_while(|&&byte| is_part(byte)).count();
    let run = rest.get(..run).unwrap_or_default();
    if run.is_ascii() {
        return run.len();
    }
    let text = std::str::from_utf8(run).unwrap_or_default();
    text.find(|letter| !is_word(letter)).unwrap_or(text.len())
}

/// Some bytes side by side: which of them may belong to words, and whether any is not ASCII.
struct Block {
    inside: u64,
    wide: bool,
}

impl Block {
    #[inline(always)]
    fn of(window: &[u8; WINDOW]) -> Self {
        let lanes: [Lane; LANES] = std::array::from_fn(|index| Lane::load(window, index * Lane::LENGTH));
        let inside =
            join(lanes.map(|lane| {
                lane.with(0x20).within(b'a', b'z') | lane.within(b'0', b'9') | lane.is(b'_') | lane.wide()
            }));
        let wide = lanes.map(Lane::wide).into_iter().reduce(|all, lane| all | lane);
        Self { inside, wide: wide.is_some_and(|wide| wide.bits() != 0) }
    }
}

/// The backslashes in a block.
#[inline(always)]
fn slashes(window: &[u8; WINDOW]) -> u64 {
    join(std::array::from_fn(|index| Lane::load(window, index * Lane::LENGTH).is(b'\\')))
}

#[inline(always)]
fn join(lanes: [Marks; LANES]) -> u64 {
    let [first, second, third, fourth] = lanes.map(|marks| u64::from(marks.bits()));
    first | second << 16 | third << 32 | fourth << 48
}

const fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The words in a run, of whose characters other than ASCII only some are letters.
fn letters<B>(bytes: &[u8], run: Range<usize>, table: &Table, words: &mut impl Words<B>) -> ControlFlow<B> {
    let raw = bytes.get(run.clone()).unwrap_or_default();
    if raw.is_ascii() {
        return read(bytes, run, table, words);
    }
    let mut start = None;
    for (at, letter) in std::str::from_utf8(raw).unwrap_or_default().char_indices() {
        let at = run.start + at;
        match (is_word(letter), start) {
            (true, None) => start = Some(at),
            (false, Some(begun)) => {
                read(bytes, begun..at, table, words)?;
                start = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    match start {
        Some(begun) => read(bytes, begun..run.end, table, words),
        None => ControlFlow::Continue(()),
    }
}
