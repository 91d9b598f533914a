//! The tokens of JSON, checked strictly.

use crate::event::Bits;

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
#[inline]
pub(super) fn string(bytes: &[u8], start: usize) -> Option<Stop> {
    const LOOK: u8 = Bits::STOP | Bits::BACKSLASH;
    let mut seen = 0;
    let mut pos = start;
    loop {
        // Eight bytes at a time while there is nothing to look at.
        while let Some(eight) = bytes.get(pos..pos + 8) {
            let all = eight.iter().fold(0, |bits, &byte| bits | Bits::class(byte));
            if all & LOOK != 0 {
                break;
            }
            seen |= all;
            pos += 8;
        }
        let mut last = 0;
        for &byte in bytes.get(pos..)? {
            last = Bits::class(byte);
            seen |= last;
            if last & LOOK != 0 {
                break;
            }
            pos += 1;
        }
        if last & Bits::BACKSLASH != 0 {
            pos = escape(bytes, pos)?;
        } else if *bytes.get(pos)? == b'"' {
            return Some(Stop { end: pos, bits: Bits::new(seen & !Bits::STOP) });
        } else {
            return None;
        }
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
