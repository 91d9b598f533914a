//! Control characters and signs as logs have them: colours of terminals, the codes that rsyslog and others write for them, what is percent-encoded.
//!
//! They stand without a space beside what they set apart, and their letters and digits are none of its.

use crate::extract::context::before;

/// What is written for the character that begins a sequence of a terminal, in lower case.
const ESCAPES: [&[u8]; 7] = [b"\x1b", b"#033", b"\\x1b", b"\\u001b", b"\\033", b"\\e", b"^["];

/// Bytes of the parameters of a sequence, at most.
const MOST: usize = 32;

/// Where the sequence or the code ends that is at `at`: `[1;31m` behind an escape, `#012`, `%20`.
pub(super) fn end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'[' if ESCAPES.iter().any(|escape| ends_with(&bytes[..at], escape)) => {
            let rest = &bytes[at + 1..];
            let length = rest.iter().take(MOST).take_while(|byte| matches!(byte, b' '..=b'?')).count();
            rest.get(length).filter(|byte| matches!(byte, b'@'..=b'~')).map(|_| at + 2 + length)
        }
        b'[' if !before(bytes, at).is_ascii_alphanumeric() => colour(&bytes[at..]).map(|length| at + length),
        // A set of characters.
        b'(' | b')' if before(bytes, at) == 0x1b && bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => {
            Some(at + 2)
        }
        b'#' if is_code(&bytes[at..]) => Some(at + 4),
        b'%' if is_encoded_sign(&bytes[at..]) && !is_in_path(&bytes[..at]) => Some(at + 3),
        _ => None,
    }
}

/// The length of a colour whose escape was lost on the way: `[31m`.
fn colour(text: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(b"[")?;
    let length = rest.iter().take(MOST).take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    (length > 0 && rest.get(length) == Some(&b'm')).then_some(length + 2)
}

/// Whether a sequence of a terminal begins here, with or without its escape.
pub(super) fn begins(text: &[u8]) -> bool {
    let escape =
        ESCAPES.iter().find(|escape| text.get(..escape.len()).is_some_and(|head| head.eq_ignore_ascii_case(escape)));
    match escape {
        Some(escape) => text.get(escape.len()) == Some(&b'['),
        None => colour(text).is_some(),
    }
}

/// Whether a text begins with what rsyslog writes for a control character, in octal: the end of a string, a bell, a backspace, a tab, a break of lines or
/// pages, an escape.
pub(super) fn is_code(text: &[u8]) -> bool {
    const CODES: [&[u8]; 9] = [b"#000", b"#007", b"#010", b"#011", b"#012", b"#013", b"#014", b"#015", b"#033"];
    text.get(..4).is_some_and(|head| CODES.contains(&head))
}

/// Whether a text begins with a percent-encoded sign that is no part of a name, a mailbox or a path: a blank, a quote, a bracket, a comma.
pub(super) fn is_encoded_sign(text: &[u8]) -> bool {
    let digit = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (Some(b'%'), Some(high), Some(low)) = (text.first(), digit(1), digit(2)) else { return false };
    matches!(
        (high * 16 + low) as u8,
        b'\t' | b'\n' | b'\r' | b' ' | b'"' | b'&' | b'\'' | b'(' | b')' | b',' | b':'..=b'>' | b'[' | b']' | b'{'..=b'}'
    )
}

/// Whether a text ends in a part of a path, whose blanks are its own, and not in a query.
fn is_in_path(head: &[u8]) -> bool {
    let tail = &head[head.len().saturating_sub(64)..];
    let ends = |byte: &u8| matches!(byte, 0..=b' ' | b'"' | b'?' | b'=' | b'&');
    memchr::memrchr(b'/', tail).is_some_and(|slash| !tail[slash..].iter().any(ends))
}

/// What stands behind the last code in `bytes`; all of them, where there is none.
pub(super) fn behind_code(bytes: &[u8]) -> &[u8] {
    match memchr::memrchr(b'#', bytes) {
        Some(at) if is_code(&bytes[at..]) => &bytes[at + 4..],
        Some(_) | None => bytes,
    }
}

fn ends_with(head: &[u8], escape: &[u8]) -> bool {
    head.len().checked_sub(escape.len()).is_some_and(|at| head[at..].eq_ignore_ascii_case(escape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_sequences_and_codes_end() {
        let rows = [
            ("colour", "\x1b[31mx", 1, Some(5)),
            ("two colours", "\x1b[1;32mx", 1, Some(7)),
            ("reset", "\x1b[mx", 1, Some(3)),
            ("erase", "\x1b[Kx", 1, Some(3)),
            ("set of characters", "\x1b(Bx", 1, Some(3)),
            ("rsyslog", "#033[31mx", 4, Some(8)),
            ("escaped", "\\x1B[31mx", 4, Some(8)),
            ("JSON in text", "\\u001b[31mx", 6, Some(10)),
            ("caret", "^[[31mx", 2, Some(6)),
            ("code", "x#012y", 1, Some(5)),
            ("escape lost", "[31mx", 0, Some(4)),
            ("index", "a[31mx", 1, None),
            ("duration", "[5 m", 0, None),
            ("cut off", "\x1b[31", 1, None),
            ("number", "#54298", 0, None),
            ("other octal", "#040x", 0, None),
            ("end", "#01", 0, None),
            ("encoded blank", "a%20b", 1, Some(4)),
            ("encoded bracket", "%3Cb", 0, Some(3)),
            ("of a query", "/a?b=%20c", 5, Some(8)),
            ("of a path", "/a%20c", 2, None),
            ("encoded letter", "%61b", 0, None),
            ("encoded hyphen", "%2db", 0, None),
            ("no code", "%d %zz %2", 0, None),
            ("end of a code", "%2", 0, None),
        ];
        for (name, text, at, expected) in rows {
            assert_eq!(end(text.as_bytes(), at), expected, "{name}");
        }
        assert_eq!(end(format!("\x1b[{}m", "1;".repeat(100)).as_bytes(), 1), None, "no further than that");
    }
}
