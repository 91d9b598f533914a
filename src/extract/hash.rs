//! File hashes: runs of hex digits of a hash's length that are no part of anything longer.

use crate::{
    extract::context::{self, at, before},
    model::IndicatorKind,
};

/// The kind of hash that a run of letters and digits at `start..end` is.
pub(super) fn kind(bytes: &[u8], start: usize, end: usize) -> Option<IndicatorKind> {
    let kind = match end - start {
        32 => IndicatorKind::Md5,
        40 => IndicatorKind::Sha1,
        64 => IndicatorKind::Sha256,
        128 => IndicatorKind::Sha512,
        _ => return None,
    };
    let run = bytes.get(start..end)?;
    let (mut letters, mut varied) = (false, false);
    for &byte in run {
        letters |= matches!(byte | 0x20, b'a'..=b'f');
        varied |= byte != run[0];
        if !byte.is_ascii_hexdigit() {
            return None;
        }
    }
    // A number is no hash, nor are all bits set; letters alone are what people write who need one for a test.
    let plausible = letters && (varied || run[0] | 0x20 != b'f');
    // A directory of that name, as caches have them, is no file.
    let directory = before(bytes, start) == b'\\' && at(bytes, end) == b'\\';
    (plausible && !directory && !in_longer(bytes, start, end) && !is_identifier(bytes, start)).then_some(kind)
}

/// Whether a further group of hex digits hangs on it, as in a UUID or a request id.
fn in_longer(bytes: &[u8], start: usize, end: usize) -> bool {
    let group_before = before(bytes, start) == b'-' && {
        let head = bytes.get(..start - 1).unwrap_or_default();
        let group: usize = head.iter().rev().take(16).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let group = &head[head.len() - group..];
        !group.is_empty() && group.iter().all(u8::is_ascii_hexdigit) && group.iter().any(u8::is_ascii_digit)
    };
    let group_after = at(bytes, end) == b'-' && {
        let tail = bytes.get(end + 1..).unwrap_or_default();
        let length = tail.iter().take(16).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let group = &tail[..length];
        !group.is_empty() && group.iter().all(u8::is_ascii_hexdigit) && group.iter().any(u8::is_ascii_digit)
    };
    group_before || group_after
}

/// Whether the word before it says that it names a session, a request, or a kind of hash that no provider knows.
fn is_identifier(bytes: &[u8], start: usize) -> bool {
    const WORDS: [&str; 15] = [
        "id", "guid", "uuid", "session", "sid", "token", "nonce", "cookie", "etag", "imphash", "ja3", "ja3s", "hassh",
        "telfhash", "secret",
    ];
    let key = context::key_before(bytes, start);
    !key.is_empty() && WORDS.into_iter().any(|word| context::ends_with(key, word))
}
