//! What stands around a name and says that it is a package or a program.

use std::ops::Range;

use super::{
    is_among,
    words::{INTERPRETERS, PACKAGES, SCRIPTS},
};
use crate::extract::context::{at, before, last_word};

/// Whether it begins the path of a package of Go: `golang.org/x/net`, `example.com/team/mod@v1.2.3`, `example.com/team/mod/main.go:12`.
pub(super) fn is_package(bytes: &[u8], range: &Range<usize>) -> bool {
    const REACH: usize = 160;
    if at(bytes, range.end) != b'/' {
        return false;
    }
    let name = &bytes[range.clone()];
    let path = &bytes[range.end..bytes.len().min(range.end + REACH)];
    let known = PACKAGES.into_iter().any(|package| name == package.as_bytes())
        && (name != b"golang.org" || path.starts_with(b"/x/"));
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b',');
    known
        || memchr::memchr3_iter(b'@', b':', b'(', path).any(|sign| {
            let (head, tail) = path.split_at(sign);
            let digit = |offset| at(tail, offset).is_ascii_digit();
            let mark = match tail[0] {
                b'@' => at(tail, 1) == b'v' && digit(2),
                b':' => head.ends_with(b".go") && digit(1),
                _ => head.ends_with(b".") && at(tail, 1) == b'*',
            };
            mark && !head.iter().any(is_end)
        })
}

/// Whether it is the name of a program or of something found in one: `process=evil.com`, `perl exploit.pl`.
pub(super) fn is_program(bytes: &[u8], range: &Range<usize>) -> bool {
    const KEYS: [&str; 12] = [
        "comm",
        "exe",
        "file",
        "filename",
        "image",
        "malware",
        "module",
        "proc",
        "process",
        "program",
        "signature",
        "virus",
    ];
    let head = &bytes[..range.start];
    let assigned = head.strip_suffix(b"\"").unwrap_or(head);
    // A path behind it makes it the host of something: `image=registry.example.com/x`.
    if at(bytes, range.end) == b'/' {
        return false;
    }
    if let Some(head) = assigned.strip_suffix(b"=") {
        let key = last_word(head);
        return KEYS.into_iter().any(|known| key.eq_ignore_ascii_case(known.as_bytes()));
    }
    before(bytes, range.start) == b' ' && is_run(head, &bytes[range.clone()])
}

/// Whether an interpreter stands before the name of a script, with options at most between them.
fn is_run(head: &[u8], name: &[u8]) -> bool {
    let Some(dot) = name.iter().position(|&byte| byte == b'.') else { return false };
    let last = &name[dot + 1..];
    if !is_among(&SCRIPTS, last) {
        return false;
    }
    let mut head = head.trim_ascii_end();
    for _ in 0..4 {
        let word = head.iter().rev().take(32).take_while(|byte| !byte.is_ascii_whitespace()).count();
        let (rest, word) = head.split_at(head.len() - word);
        if !word.starts_with(b"-") {
            let word = last_word(word);
            return INTERPRETERS.into_iter().any(|known| word == known.as_bytes());
        }
        head = rest.trim_ascii_end();
    }
    false
}
