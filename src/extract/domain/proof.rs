//! What stands around a name and is said of hosts alone.

use std::ops::Range;

use super::is_among;
use crate::extract::context::{self, at, before, last_word};

/// Whether a name with odd capitals is proven to be a host.
pub(super) fn of_capitals(bytes: &[u8], range: &Range<usize>) -> bool {
    has_port(bytes, range.end, false) || is_cell(bytes, range) || is_query(bytes, range) || is_called_host(bytes, range)
}

/// Whether a name that reads as a member of code is proven to be a host.
pub(super) fn of_member(bytes: &[u8], range: &Range<usize>) -> bool {
    has_port(bytes, range.end, true) || is_cell(bytes, range) || is_query(bytes, range) || is_called_host(bytes, range)
}

/// Whether a name that reads as that of a file is proven to be a host.
pub(super) fn of_file(bytes: &[u8], range: &Range<usize>) -> bool {
    has_port(bytes, range.end, true) || is_query(bytes, range) || is_called_host(bytes, range)
}

/// Whether a name is all of a value that devices write for an address, but for a port, or for the address, the port and the interface before it:
/// `203.0.113.21:443:X1:evil.example.com`.
pub(super) fn is_alone(bytes: &[u8], range: &Range<usize>) -> bool {
    const LONGEST: usize = 64;
    if bytes.len() > range.len() + LONGEST {
        return false;
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'.' | b'\t' | b'\r' | b'\n' | b'"' | b'\'');
    let (head, tail) = (&bytes[..range.start], &bytes[range.end..]);
    let port =
        tail.strip_prefix(b":").is_some_and(|port| matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit));
    let first = head.split(|&byte| byte == b':').next().unwrap_or_default();
    let behind_address = head.ends_with(b":")
        && head.iter().filter(|&&byte| byte == b':').count() == 3
        && crate::extract::address::is_v4(first);
    (head.iter().all(blank) || behind_address) && (tail.iter().all(blank) || port)
}

/// Whether a port follows; the number of a line does so too.
fn has_port(bytes: &[u8], end: usize, strictly: bool) -> bool {
    if at(bytes, end) != b':' {
        return false;
    }
    let rest = &bytes[end + 1..];
    let length = rest.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let next = at(rest, length);
    let port = matches!(length, 2..=5) && !next.is_ascii_alphanumeric() && next != b':';
    port && (!strictly || matches!(&rest[..length], b"80" | b"443" | b"8080" | b"8443"))
}

/// Whether it is asked for in the log of a name server or a proxy: `(evil.example.com): query`, `evil.example.com IN A`, `query[A] evil.example.com`,
/// `CONNECT evil.example.com:443`, a cell behind one with the port of DNS or a method of HTTP.
pub(super) fn is_query(bytes: &[u8], range: &Range<usize>) -> bool {
    let (head, tail) = (&bytes[..range.start], &bytes[range.end..]);
    if head.ends_with(b"CONNECT ") && tail.starts_with(b":") {
        return true;
    }
    if is_cell(bytes, range) {
        // Of a log of queries or of requests.
        return ["\tGET\t", "\tPOST\t", "\tHEAD\t"].into_iter().any(|method| head.ends_with(method.as_bytes()))
            || memchr::memmem::find(&head[head.len().saturating_sub(128)..], b"\t53\t").is_some();
    }
    let tail = tail.strip_prefix(b".").unwrap_or(tail);
    let kind = |text: &[u8]| text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count() > 0;
    if tail.strip_prefix(b" IN ").is_some_and(kind) {
        return true;
    }
    if let Some(tail) = tail.strip_prefix(b" ")
        && kind(tail)
        && tail.iter().position(|&byte| byte == b' ').is_some_and(|space| tail[space..].starts_with(b" IN"))
    {
        return true;
    }
    let open = head.strip_suffix(b" (").filter(|_| tail.starts_with(b")"));
    if let Some(head) = open {
        let digits = head.iter().rev().take(5).take_while(|byte| byte.is_ascii_digit()).count();
        return digits > 0 && before(head, head.len() - digits) == b'#';
    }
    let Some(head) = head.strip_suffix(b"] ") else { return false };
    let letters = head.iter().rev().take(8).take_while(|byte| byte.is_ascii_uppercase()).count();
    head[..head.len() - letters].ends_with(b"query[")
}

/// Whether it is a cell of a table with tabs.
fn is_cell(bytes: &[u8], range: &Range<usize>) -> bool {
    before(bytes, range.start) == b'\t' && at(bytes, range.end) == b'\t'
}

/// Whether the words around it say that it is a host: `Host: `, `domain=`, `lookup of `, ` port 80`.
fn is_called_host(bytes: &[u8], range: &Range<usize>) -> bool {
    // Endings of keys, and keys.
    const ENDINGS: [&str; 9] =
        ["domain", "host", "hostname", "fqdn", "server_name", "servername", "query", "qname", "rrname"];
    const KEYS: [&str; 8] = ["sni", "helo", "ehlo", "dns", "cname", "ns", "mx", "c2"];
    #[rustfmt::skip]
    const VERBS: [&str; 16] = [
        "connect", "curl", "dig", "domain", "ehlo", "helo", "host", "lookup", "nslookup", "ping", "query", "resolve", "resolved", "resolving", "telnet", "wget",
    ];
    #[rustfmt::skip]
    const BEFORE_PREPOSITIONS: [&str; 15] = [
        "beacon", "beaconing", "beacons", "callback", "connect", "connected", "connecting", "connection", "connections", "lookup", "queries", "query",
        "resolution", "resolve", "traffic",
    ];
    let tail = &bytes[range.end..];
    if tail.strip_prefix(b" port ").is_some_and(|port| at(port, 0).is_ascii_digit()) {
        return true;
    }
    let head = &bytes[..range.start];
    let is_sign = |byte: &&u8| matches!(byte, b' ' | b'=' | b':' | b'"' | b'\'' | b'<' | b'\t' | b'\\');
    let signs = head.iter().rev().take(6).take_while(is_sign).count();
    let (head, signs) = head.split_at(head.len() - signs);
    let word = last_word(head);
    if signs.is_empty() || word.is_empty() {
        return false;
    }
    if signs.iter().any(|sign| matches!(sign, b'=' | b':')) {
        return ENDINGS.into_iter().any(|ending| context::ends_with(word, ending)) || is_among(&KEYS, word);
    }
    if is_among(&VERBS, word) {
        return true;
    }
    // Of the log of a cache.
    let goes_on = tail.starts_with(b" is ") || tail.starts_with(b" to ");
    if goes_on && is_among(&["reply", "cached", "forwarded"], word) {
        return true;
    }
    if !is_among(&["of", "to", "for", "from", "with"], word) {
        return false;
    }
    let earlier = last_word(head[..head.len() - word.len()].trim_ascii_end());
    is_among(&BEFORE_PREPOSITIONS, earlier)
}
