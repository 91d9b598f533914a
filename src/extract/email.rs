//! E-mail addresses.
//!
//! `=` stands in local parts that name another mailbox or sign it, as lists, forwarders and senders of bulk mail write them (VERP, SRS, BATV), and between a
//! key and its value. What stands before it is a key if it is a bare word and none that such local parts begin with: what is left out of a mailbox makes
//! another one of it.
//! In angle brackets, and in fields of mailboxes, there are no keys.

use std::ops::Range;

use crate::extract::{
    context::{at, before, is_escaped},
    control, domain, name, script,
};

/// Bytes of a local part; `=` would take keys in and is looked at by itself, `/` paths, and quoted forms do not occur outside mail headers.
pub(super) fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'') || !byte.is_ascii()
}

/// Whether a letter belongs to a local part: scripts that are written without spaces do not, as they are glued to what they speak of.
fn is_letter(letter: char) -> bool {
    if letter.is_ascii() {
        is_local(letter as u8) || letter == '='
    } else {
        !script::is_mark(letter) && !script::is_unspaced(letter)
    }
}

/// Characters behind the sign that are looked at: names have 253 at most.
const LONGEST_NAME: usize = 256;

/// Bytes of a local part that names another mailbox, at most: some are longer than the 64 of RFC 5321.
const LONGEST: usize = 128;

/// Where a local part begins whose last part between `=` begins at `start`; not before `floor`. `bare`: there is no key before it.
pub(super) fn first(bytes: &[u8], floor: usize, start: usize, bare: bool) -> usize {
    let floor = floor.max(start.saturating_sub(LONGEST));
    let head = bytes.get(floor..start).unwrap_or_default();
    if !head.ends_with(b"=") {
        return start;
    }
    let is_part = |byte: &&u8| byte.is_ascii() && (is_local(**byte) || **byte == b'=');
    let length = head.iter().rev().take_while(is_part).count();
    let first = start - length;
    let tags = &bytes[first..start - 1];
    // Padding of Base64 is a part of none. What is as long as this is refused as a whole.
    if tags.first().is_none_or(|byte| *byte == b'=') || tags.ends_with(b"=") {
        return start;
    }
    if bare || length == LONGEST || bytes[..first].ends_with(b"<") || bytes[..first].ends_with(b"&lt;") {
        return first;
    }
    // Keys may stand in values: `log=user=`.
    let mut first = first;
    while let Some(sign) = memchr::memchr(b'=', &bytes[first..start]) {
        let several = first + sign + 1 < start;
        if !is_key(&bytes[first..first + sign], several) {
            break;
        }
        first += sign + 1;
    }
    first
}

/// Whether a word before `=` is a key and no part of a mailbox; `several`: another `=` follows.
fn is_key(word: &[u8], several: bool) -> bool {
    const TAGS: [&str; 10] =
        ["srs0", "srs1", "prvs", "msprvs", "btv1", "bounce-", "bounces-", "return-", "owner-", "verp-"];
    // `--user=`, `'user=`.
    let word = word.iter().position(u8::is_ascii_alphanumeric).and_then(|at| word.get(at..)).unwrap_or_default();
    let begins = |tag: &str| word.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag.as_bytes()));
    let numbered = || word.contains(&b'-') && word.iter().any(u8::is_ascii_digit);
    let tag = word.contains(&b'+') || TAGS.into_iter().any(begins) || (several && numbered());
    word.first().is_some_and(u8::is_ascii_alphabetic) && !tag
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
    // `%20jane@…`
    let encoded = |&at: &usize| control::is_encoded_sign(&bytes[at..sign]);
    if let Some(last) = memchr::memrchr_iter(b'%', &bytes[start..sign]).map(|at| start + at).find(encoded) {
        start = last + 3;
    }
    if is_escaped(bytes, start) && matches!(at(bytes, start), b'n' | b'r' | b't') {
        start += 1;
    }
    while start < sign && at(bytes, start).is_ascii_punctuation() && at(bytes, start) != b'_' {
        start += 1;
    }
    let local = text.get(start..sign)?;
    let most = if local.contains('=') { LONGEST } else { 64 };
    if !(1..=most).contains(&local.len()) || local.ends_with('.') || local.contains("..") || is_password(bytes, start) {
        return None;
    }
    let rest = text.get(sign + 1..)?;
    let length = rest
        .char_indices()
        .enumerate()
        .find(|&(count, (_, letter))| count == LONGEST_NAME || letter == '_' || script::is_mark(letter))
        .map_or(rest.len(), |(_, (at, _))| at);
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
