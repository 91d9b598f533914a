//! What stands before and after a candidate.

use crate::extract::script;

/// The byte at `at`; NUL beyond the ends.
#[inline]
pub(super) fn at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The byte before `at`; NUL at the beginning.
#[inline]
pub(super) fn before(bytes: &[u8], at: usize) -> u8 {
    at.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(0)
}

/// The word that names what starts at `start`: `key` in `key=`, `key: "`, `key. `; at most 32 bytes, across at most six signs.
pub(super) fn key_before(bytes: &[u8], start: usize) -> &[u8] {
    let whole = bytes.get(..start).unwrap_or_default();
    let head = script::without_mark(whole);
    let marked = head.len() < whole.len();
    let signs = head
        .iter()
        .rev()
        .take(6)
        .take_while(|byte| matches!(byte, b' ' | b'=' | b':' | b'"' | b'\'' | b'(' | b'\t' | b'[' | b'\\' | b'.'))
        .count();
    if signs == 0 && !marked { &[] } else { last_word(&head[..head.len() - signs]) }
}

/// The word that `head` ends in, letters, digits and underscores; at most 32 bytes.
pub(super) fn last_word(head: &[u8]) -> &[u8] {
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    &head[head.len() - head.iter().rev().take(32).take_while(part).count()..]
}

/// Whether a word ends in `suffix`, case apart.
pub(super) fn ends_with(word: &[u8], suffix: &str) -> bool {
    word.len().checked_sub(suffix.len()).is_some_and(|at| word[at..].eq_ignore_ascii_case(suffix.as_bytes()))
}

/// Whether a word ends in one for versions: `FileVersion`, `app_version`; not `conversion`.
pub(super) fn names_version(word: &[u8]) -> bool {
    // `minVersion` and `metaversion` end in some of these words too.
    const OTHERS: [&str; 5] = ["inversion", "diversion", "aversion", "reversion", "perversion"];
    ends_with(word, "version")
        && !ends_with(word, "conversion")
        && !OTHERS.into_iter().any(|other| word.eq_ignore_ascii_case(other.as_bytes()))
}

/// Whether an odd number of backslashes stands before `start`, so that the last of them may open an escape.
pub(super) fn is_escaped(bytes: &[u8], start: usize) -> bool {
    let head = bytes.get(..start).unwrap_or_default();
    head.iter().rev().take(16).take_while(|byte| **byte == b'\\').count() % 2 == 1
}
