//! The words of a text: letters, digits and underscores in a row.

use std::ops::{ControlFlow, Range};

use crate::event::lanes::Lane;

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Whether a character belongs to a word.
pub(super) fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Hands on the words of a text from left to right, until one breaks.
#[inline]
pub(super) fn each<B>(text: &str, mut word: impl FnMut(Range<usize>) -> ControlFlow<B>) -> ControlFlow<B> {
    let bytes = text.as_bytes();
    let (mut base, mut carry) = (0, 0);
    while base < bytes.len() {
        let (inside, wide) = block(bytes, base);
        // Where one begins: behind something else.
        let mut starts = inside & !(inside << 1 | carry);
        carry = inside >> 63;
        while starts != 0 {
            let bit = starts.trailing_zeros();
            starts &= starts - 1;
            let length = (!(inside >> bit)).trailing_zeros();
            let start = base + bit as usize;
            let mut end = start + length as usize;
            let mut other = wide >> bit & (u64::MAX >> (64 - length)) != 0;
            if end == base + BLOCK {
                let rest = bytes.get(end..).unwrap_or_default();
                let more = rest.iter().take_while(|&&byte| is_part(byte)).count();
                other |= rest.iter().take(more).any(|byte| !byte.is_ascii());
                end += more;
            }
            if other {
                letters(text, start..end, &mut word)?;
            } else {
                word(start..end)?;
            }
        }
        base += BLOCK;
    }
    ControlFlow::Continue(())
}

/// Which of the next bytes may belong to words, and which of these are not ASCII.
#[inline(always)]
fn block(bytes: &[u8], base: usize) -> (u64, u64) {
    let (mut inside, mut wide) = (0, 0);
    for index in 0..BLOCK / Lane::LENGTH {
        let start = base + index * Lane::LENGTH;
        if start >= bytes.len() {
            break;
        }
        let lane = Lane::load(bytes, start);
        let part = lane.with(0x20).within(b'a', b'z') | lane.within(b'0', b'9') | lane.is(b'_') | lane.wide();
        inside |= u64::from(part.bits()) << (index * Lane::LENGTH);
        wide |= u64::from(lane.wide().bits()) << (index * Lane::LENGTH);
    }
    (inside, wide)
}

const fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The words in a run with other than ASCII characters in it, of which only some are letters.
#[inline(never)]
fn letters<B>(text: &str, run: Range<usize>, word: &mut impl FnMut(Range<usize>) -> ControlFlow<B>) -> ControlFlow<B> {
    let mut start = None;
    for (at, letter) in text.get(run.clone()).unwrap_or_default().char_indices() {
        let at = run.start + at;
        match (is_word(letter), start) {
            (true, None) => start = Some(at),
            (false, Some(begun)) => {
                word(begun..at)?;
                start = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    match start {
        Some(begun) => word(begun..run.end),
        None => ControlFlow::Continue(()),
    }
}
