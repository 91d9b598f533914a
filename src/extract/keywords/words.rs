//! The words of a text: letters, digits and underscores in a row.

use std::ops::{ControlFlow, Range};

use crate::event::lanes::Lane;

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Whether a character belongs to a word.
pub(super) fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Hands on those words of a text, from left to right, of which `may` says so for their first bytes and their length, until one breaks.
///
/// `may` is asked for every word, so nothing here depends on what a word is: a branch that cannot be foretold costs more than the question.
#[inline(always)]
pub(super) fn each<B>(
    text: &str,
    may: impl Fn(u64, usize) -> bool,
    mut word: impl FnMut(Range<usize>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let bytes = text.as_bytes();
    let mut base = 0;
    while base < bytes.len() {
        let (inside, wide) = block(bytes, base);
        let mut starts = inside & !(inside << 1);
        let last = inside.leading_ones();
        let mut next = base + BLOCK;
        if last == 64 {
            // One long run, or the beginning of one.
            let rest = bytes.get(base..).unwrap_or_default();
            let length = rest.iter().take_while(|&&byte| is_part(byte)).count();
            each_of_run(text, base..base + length, &may, &mut word)?;
            base += length;
            continue;
        }
        if last > 0 && next < bytes.len() {
            // The run that goes on is read with the next block.
            next -= last as usize;
            starts &= (1 << (64 - last)) - 1;
        }
        let mut padded = [0; BLOCK + 8];
        let window: &[u8; BLOCK + 8] = match bytes.get(base..).and_then(<[u8]>::first_chunk) {
            Some(window) => window,
            None => {
                let rest = bytes.get(base..).unwrap_or_default();
                padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                &padded
            }
        };
        while starts != 0 {
            let bit = starts.trailing_zeros() as usize;
            starts &= starts - 1;
            let run = (!(inside >> bit)).trailing_zeros() as usize;
            let range = base + bit..base + bit + run;
            if wide != 0 {
                each_of_run(text, range, &may, &mut word)?;
            } else if may(head_at(window, bit, run), run) {
                word(range)?;
            }
        }
        base = next;
    }
    ControlFlow::Continue(())
}

/// The first eight bytes of a word as a number, NUL behind its end.
#[inline(always)]
fn head_at(window: &[u8; BLOCK + 8], at: usize, length: usize) -> u64 {
    let head = window.get(at..at + 8).and_then(<[u8]>::first_chunk).map_or(0, |head| u64::from_le_bytes(*head));
    head & u64::MAX >> (64 - 8 * length.clamp(1, 8))
}

/// As [`head_at`], of a word by itself.
pub(super) fn head(word: &[u8]) -> u64 {
    word.iter().take(8).rev().fold(0, |head, &byte| head << 8 | u64::from(byte))
}

/// Bytes of the word that begins at `start`.
pub(super) fn length(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())
}

#[inline(never)]
fn each_of_run<B>(
    text: &str,
    run: Range<usize>,
    may: &impl Fn(u64, usize) -> bool,
    word: &mut impl FnMut(Range<usize>) -> ControlFlow<B>,
) -> ControlFlow<B> {
    letters(text, run, &mut |range: Range<usize>| {
        let bytes = text.as_bytes().get(range.clone()).unwrap_or_default();
        if may(head(bytes), bytes.len()) { word(range) } else { ControlFlow::Continue(()) }
    })
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
