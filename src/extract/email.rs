//! E-mail addresses.

use std::ops::Range;

use crate::extract::{
    context::{at, before, is_escaped},
    domain, name,
};

/// Bytes of a local part; `=` and `/` would take keys and paths in, and quoted forms do not occur outside mail headers.
pub(super) fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'') || !byte.is_ascii()
}

/// Whether a letter belongs to a local part: scripts that are written without spaces do not, as they are glued to what they speak of.
fn is_letter(letter: char) -> bool {
    if letter.is_ascii() { is_local(letter as u8) } else { letter.is_alphanumeric() && letter < '\u{2e80}' }
}

/// An address whose local part starts at `start` at the earliest and whose `@` is at `sign`: its span and where its domain
/// starts. The canonical form, domain in lower case, is appended to `out`.
pub(super) fn find(text: &str, start: usize, sign: usize, out: &mut String) -> Option<(Range<usize>, usize)> {
    let bytes = text.as_bytes();
    let head = text.get(start..sign)?;
    let mut start = head
        .char_indices()
        .rev()
        .find(|&(_, letter)| !is_letter(letter))
        .map_or(start, |(at, letter)| start + at + letter.len_utf8());
    if is_escaped(bytes, start) && matches!(at(bytes, start), b'n' | b'r' | b't') {
        start += 1;
    }
    while start < sign && at(bytes, start).is_ascii_punctuation() && at(bytes, start) != b'_' {
        start += 1;
    }
    let local = text.get(start..sign)?;
    if !matches!(local.len(), 1..=64) || local.ends_with('.') || local.contains("..") || is_password(bytes, start) {
        return None;
    }
    let rest = text.get(sign + 1..)?;
    let length = rest
        .char_indices()
        .take(256)
        .find(|&(_, letter)| !(letter.is_alphanumeric() || matches!(letter, '.' | '-')))
        .map_or(rest.len(), |(at, _)| at);
    let domain = rest.get(..length)?;
    // Of a word that is glued to its end only the name counts.
    let name = domain::split_scripts(domain);
    let domain = domain.get(..name.end).filter(|_| name.start == 0)?.trim_end_matches(['.', '-']);
    if !domain.contains('.') {
        return None;
    }
    if is_remote(local, bytes.get(sign + 1 + domain.len()..).unwrap_or_default()) {
        return None;
    }
    out.push_str(local);
    out.push('@');
    name::canonical(domain, out).then_some((start..sign + 1 + domain.len(), sign + 1))
}

/// Whether what follows makes it a path on a host: `git@github.com:owner/name`, `root@example.com:/tmp`.
fn is_remote(local: &str, rest: &[u8]) -> bool {
    match rest {
        [b':', b'/' | b'~', ..] => true,
        [b':', next, ..] => local == "git" && next.is_ascii_alphanumeric(),
        _ => false,
    }
}

/// Whether what stands before makes it the password of a URL: `://user:`.
fn is_password(bytes: &[u8], start: usize) -> bool {
    if !matches!(before(bytes, start), b':' | b'/') {
        return false;
    }
    let head = bytes.get(start.saturating_sub(80)..start).unwrap_or_default();
    memchr::memmem::rfind(head, b"://").is_some_and(|at| !head[at + 3..].iter().any(|byte| matches!(byte, b'/' | b' ')))
}
