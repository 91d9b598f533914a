//! File hashes: runs of hex digits of a hash's length that are no part of anything longer.
//!
//! What else is written so is told by the word before it or by its place in a path: identifiers of containers, secrets and hashes of passwords, which
//! must not be sent to anybody, and identifiers of commits. Forty digits of which nothing is said are taken for a file's: commits that are named
//! without a word cost a look-up each, files that are not found cost more.

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
    let other = || {
        is_directory(bytes, start, end)
            || in_longer(bytes, start, end)
            || is_identifier(bytes, start)
            || is_resource(bytes, start, end)
            || (kind == IndicatorKind::Md5 && is_of_password(bytes, start, end))
            || (kind == IndicatorKind::Sha1 && is_commit(bytes, start, end))
            || (kind == IndicatorKind::Sha256 && is_container(bytes, start, end))
    };
    (plausible && !other()).then_some(kind)
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
    const WORDS: [&str; 20] = [
        "session",
        "token",
        "nonce",
        "cookie",
        "etag",
        "imphash",
        "ja3",
        "ja3s",
        "hassh",
        "telfhash",
        "secret",
        "bearer",
        "authorization",
        "password",
        "passwd",
        "pwd",
        "apikey",
        "api_key",
        "access_key",
        "secret_key",
    ];
    let key = context::key_before(bytes, start);
    if key.is_empty() {
        return false;
    }
    names_id(key)
        || WORDS.into_iter().any(|word| context::ends_with(key, word))
        || is_header_key(bytes, start, key)
        || is_of_request(bytes, start, key.len())
}

/// Whether a key is `id` or ends in it: `sid`, `uuid`, `deviceid`, `requestId`; but for words that do by chance.
fn names_id(key: &[u8]) -> bool {
    const OTHERS: [&str; 6] = ["valid", "paid", "android", "said", "void", "laid"];
    context::ends_with(key, "id") && !OTHERS.into_iter().any(|word| context::ends_with(key, word))
}

/// Whether it is the value of a header such as `X-Api-Key`.
fn is_header_key(bytes: &[u8], start: usize, key: &[u8]) -> bool {
    let head = bytes.get(..start).unwrap_or_default();
    key.eq_ignore_ascii_case(b"key")
        && memchr::memmem::rfind(&head[head.len().saturating_sub(16)..], key)
            .is_some_and(|at| before(&head[head.len().saturating_sub(16)..], at) == b'-')
}

/// Whether it is one of two hashes of a password that stand beside each other, as tools dump them: `user:500:<LM>:<NT>:::`.
fn is_of_password(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_hash = |run: Option<&[u8]>| run.is_some_and(|run| run.iter().all(u8::is_ascii_hexdigit));
    let other_before = before(bytes, start) == b':'
        && is_hash(start.checked_sub(33).and_then(|first| bytes.get(first..start - 1)))
        && !before(bytes, start.saturating_sub(33)).is_ascii_hexdigit();
    let other_after =
        at(bytes, end) == b':' && is_hash(bytes.get(end + 1..end + 33)) && !at(bytes, end + 33).is_ascii_hexdigit();
    other_before || other_after || (at(bytes, end) == b':' && bytes[end..].starts_with(b":::"))
}

/// Whether it names a commit: `commit <id>`, `revision=<id>`, `actions/checkout@<id>`, `<id> refs/heads/main`.
fn is_commit(bytes: &[u8], start: usize, end: usize) -> bool {
    const WORDS: [&str; 6] = ["commit", "revision", "head_sha", "commit_sha", "commitsha", "commit_hash"];
    let key = context::key_before(bytes, start);
    let version = before(bytes, start) == b'@' && {
        let head = bytes.get(..start - 1).unwrap_or_default();
        let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let name = head.iter().rev().take(64).take_while(part).count();
        name > 0 && before(head, head.len() - name) == b'/'
    };
    let tail = bytes.get(end..).unwrap_or_default();
    let reference = tail.first().is_some_and(u8::is_ascii_whitespace) && tail[1..].starts_with(b"refs/");
    version || reference || WORDS.into_iter().any(|word| context::ends_with(key, word))
}

/// Whether it names a container: in the paths of its files and logs, in the name of its group of processes, behind the scheme of its runtime.
fn is_container(bytes: &[u8], start: usize, end: usize) -> bool {
    const BEFORE: [&str; 9] = [
        "/containers/",
        "/docker/",
        "/kubepods/",
        "/overlay-containers/",
        "docker-",
        "containerd-",
        "crio-",
        "libpod-",
        "docker://",
    ];
    let head = bytes.get(..start).unwrap_or_default();
    let tail = bytes.get(end..).unwrap_or_default();
    let log_of_pod = || {
        let path = &head[head.len().saturating_sub(300)..];
        tail.starts_with(b".log")
            && before(bytes, start) == b'-'
            && memchr::memmem::find(path, b"/containers/").is_some()
    };
    BEFORE.into_iter().chain(["containerd://", "cri-o://"]).any(|mark| head.ends_with(mark.as_bytes()))
        || tail.starts_with(b"-json.log")
        || tail.starts_with(b".scope")
        || log_of_pod()
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
