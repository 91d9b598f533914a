//! The tokens of JSON, checked strictly.

use crate::event::{Bits, bits, lanes::Lane};

/// Where a string ends and what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    /// Offset of the closing quote.
    pub(super) end: usize,
    pub(super) bits: Bits,
}

/// White space between tokens.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// The string whose first byte after the quote is at `start`.
#[inline(always)]
pub(super) fn string(bytes: &[u8], start: usize) -> Option<Stop> {
    let (mut sign, mut backslash) = (0, false);
    let mut pos = start;
    loop {
        let lane = Lane::load(bytes, pos);
        // The end of the text reads as NUL, which stops too.
        let mut stop = (lane.is(b'"') | lane.is(b'\\') | lane.within(0, 0x1f)).bits();
        let signs = bits::signs(lane).bits();
        let mut next = Lane::LENGTH;
        while stop != 0 {
            let length = stop.trailing_zeros();
            let at = pos + length as usize;
            match bytes.get(at)? {
                b'"' => {
                    sign |= signs & ((1 << length) - 1);
                    return Some(Stop { end: at, bits: Bits::new(sign != 0, backslash) });
                }
                b'\\' => {
                    backslash = true;
                    // No escape holds a sign, and one may reach beyond the lane.
                    let end = escape(bytes, at)? - pos;
                    next = next.max(end);
                    stop &= u32::MAX.checked_shl(end as u32).unwrap_or(0);
                }
                _ => return None,
            }
        }
        sign |= signs;
        pos += next;
    }
}

/// The end of the escape whose backslash is at `start`.
fn escape(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(start + 2),
        b'u' => {
            let digits = bytes.get(start + 2..start + 6)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(start + 6)
        }
        _ => None,
    }
}

/// The end of the number at `start`.
pub(super) fn number(bytes: &[u8], start: usize) -> Option<usize> {
    let mut pos = start + usize::from(bytes.get(start) == Some(&b'-'));
    pos = match bytes.get(pos)? {
        b'0' => pos + 1,
        _ => digits(bytes, pos)?,
    };
    if bytes.get(pos) == Some(&b'.') {
        pos = digits(bytes, pos + 1)?;
    }
    if matches!(bytes.get(pos), Some(b'e' | b'E')) {
        pos += 1;
        if matches!(bytes.get(pos), Some(b'+' | b'-')) {
            pos += 1;
        }
        pos = digits(bytes, pos)?;
    }
    Some(pos)
}

/// The end of a run of at least one digit.
fn digits(bytes: &[u8], start: usize) -> Option<usize> {
    let count = bytes.get(start..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then_some(start + count)
}

/// The end of `true`, `false` or `null` at `start`.
pub(super) fn literal(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word)).map(|word| start + word.len())
}
