//! File hashes: runs of hex digits of a hash's length that are no part of anything longer.

use crate::{
    event::lanes::Lane,
    extract::context::{self, at, before},
    model::IndicatorKind,
};

/// A zero is repeated so often by chance in one of 10^13 hashes.
const PADDING: usize = 12;

/// The kind of hash that a run of letters and digits at `start..end` is. `typed`: the field says that it is one.
pub(super) fn kind(bytes: &[u8], start: usize, end: usize, typed: bool) -> Option<IndicatorKind> {
    let kind = match end - start {
        32 => IndicatorKind::Md5,
        40 => IndicatorKind::Sha1,
        64 => IndicatorKind::Sha256,
        128 => IndicatorKind::Sha512,
        _ => return None,
    };
    let run = bytes.get(start..end)?;
    let letters = hex(run)?;
    // A number is no hash, nor are all bits set; letters alone, or one of them, are what people write who need a hash for a test.
    let plausible = letters && !run.iter().all(|byte| byte | 0x20 == b'f') && (typed || !is_filled(run));
    let directory = is_directory(bytes, start, end);
    let other =
        directory || in_longer(bytes, start, end) || is_identifier(bytes, start) || is_resource(bytes, start, end);
    (plausible && !other).then_some(kind)
}

/// Whether there are letters among hex digits; `None` when there is anything else. Runs are at least as long as a lane.
fn hex(run: &[u8]) -> Option<bool> {
    let mut letters = 0;
    let last = run.len().checked_sub(Lane::LENGTH)?;
    for start in (0..last).step_by(Lane::LENGTH).chain([last]) {
        let lane = Lane::load(run, start);
        let letter = lane.with(0x20).within(b'a', b'f');
        if (letter | lane.within(b'0', b'9')).bits() != 0xffff {
            return None;
        }
        letters |= letter.bits();
    }
    Some(letters != 0)
}

/// Whether it is a directory of that name, as caches have them: `\9e10…\`, `\Form_9e10…\`.
fn is_directory(bytes: &[u8], start: usize, end: usize) -> bool {
    if at(bytes, end) != b'\\' {
        return false;
    }
    match before(bytes, start) {
        b'\\' => true,
        // What follows may be an escape of a further layer.
        b'_' => !matches!(at(bytes, end + 1), b'n' | b'r' | b't' | b'u' | b'"' | b'\'' | b'/'),
        _ => false,
    }
}

/// Whether 32 digits are an address of version six or a structure in memory rather than a hash: they have a long filling. One that all begins with is
/// none: so numbers are written by people who need a hash.
fn is_filled(run: &[u8]) -> bool {
    let zeros = run.iter().take_while(|byte| **byte == b'0').count();
    run.len() == 32 && run[zeros..].windows(PADDING).any(|part| part.iter().all(|byte| *byte == b'0'))
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
    group_before || group_after || names_machine(bytes, end)
}

/// Whether a UUID follows behind an underscore, as in the names of key containers.
fn names_machine(bytes: &[u8], end: usize) -> bool {
    let Some(uuid) = bytes.get(end..end + 37).and_then(|tail| tail.strip_prefix(b"_")) else { return false };
    uuid.iter()
        .enumerate()
        .all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Whether the word before it says that it names a session, a request, or a kind of hash that no provider knows.
fn is_identifier(bytes: &[u8], start: usize) -> bool {
    const WORDS: [&str; 15] = [
        "id", "guid", "uuid", "session", "sid", "token", "nonce", "cookie", "etag", "imphash", "ja3", "ja3s", "hassh",
        "telfhash", "secret",
    ];
    let key = context::key_before(bytes, start);
    if key.is_empty() {
        return false;
    }
    WORDS.into_iter().any(|word| context::ends_with(key, word)) || is_of_request(bytes, start, key.len())
}

/// Whether a request's own identifier stands before it, as services write `[req-<UUID> <user> <project> …]`.
fn is_of_request(bytes: &[u8], start: usize, length: usize) -> bool {
    let hex = |run: &[u8]| run.iter().all(u8::is_ascii_hexdigit);
    let Some(head) = bytes.get(..start).and_then(|head| head.strip_suffix(b" ")) else { return false };
    match (length, head.len().checked_sub(length)) {
        // The last group of a UUID.
        (12, Some(at)) => {
            hex(&head[at..]) && before(head, at) == b'-' && at.checked_sub(5).is_some_and(|at| before(head, at) == b'-')
        }
        // Another identifier, behind a UUID.
        (32, Some(at)) => {
            let group = at.checked_sub(13).and_then(|first| head.get(first..at));
            hex(&head[at..])
                && group
                    .is_some_and(|group| group.ends_with(b" ") && hex(&group[..12]) && before(head, at - 13) == b'-')
        }
        _ => false,
    }
}

/// Whether it names a resource in a path of an interface: `/v2/<project>/servers`.
fn is_resource(bytes: &[u8], start: usize, end: usize) -> bool {
    if before(bytes, start) != b'/' || at(bytes, end) != b'/' {
        return false;
    }
    let head = bytes.get(..start - 1).unwrap_or_default();
    let length = head.iter().rev().take(8).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let version = head.len() - length;
    length > 0 && matches!(before(head, version), b'v' | b'V') && before(head, version - 1) == b'/'
}
