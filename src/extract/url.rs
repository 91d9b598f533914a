//! URLs in text: where they start and end, and their canonical form.
//!
//! Canonical: scheme and host in lower case, scheme refanged, host in canonical form (addresses as addresses), default port
//! dropped; userinfo, path, query and fragment as written, but for `&amp;`, which is `&` in HTML and nothing elsewhere. A URL ends
//! before a bracket that it has not opened, before a quote or an HTML entity of one, and before trailing punctuation; before a comma
//! or semicolon where one stood before it too, or where an indicator follows, as in a list.
//!
//! In a command line it ends before what else the shell is asked to do: `&&` and, where a command or no parameter follows, `;`; behind an encoded blank, as
//! in the query of another, also before the next one.
//!
//! It also ends before a mark of another script, and where letters of a script without spaces are glued to ASCII: `…/x被封` is `…/x` and prose, as what is
//! copied from a browser or written by a machine has such letters encoded. One that has them where a part of it begins goes on: `…/wiki/日本`.

use std::{net::Ipv6Addr, ops::Range};

use crate::{
    extract::{address, control, name, script, shell},
    model::IndicatorKind,
};

/// A URL that was found; offsets are those of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) span: Range<usize>,
    pub(super) host: Range<usize>,
    pub(super) host_kind: IndicatorKind,
    /// Where the canonical host stands in the canonical URL.
    pub(super) canonical_host: Range<usize>,
    /// It names something, as a declaration of XML does, and leads nowhere.
    pub(super) is_name: bool,
}

/// Finds the first URL in `range` of `text` and writes its canonical form to `out`, which is cleared first.
pub(super) fn find(text: &str, range: Range<usize>, defang: bool, out: &mut String) -> Option<Url> {
    let bytes = text.as_bytes().get(..range.end)?;
    let mut pos = range.start;
    while let Some(offset) = memchr::memchr(b':', bytes.get(pos..)?) {
        let colon = pos + offset;
        pos = colon + 1;
        if bytes.get(colon + 1..colon + 3) != Some(b"//") {
            continue;
        }
        let Some((scheme, start)) = scheme(bytes, range.start, colon, defang) else { continue };
        if is_doubled(bytes, colon + 3, defang) {
            continue;
        }
        out.clear();
        let first = compound(bytes, range.start, start);
        out.push_str(text.get(first..start).unwrap_or_default());
        out.make_ascii_lowercase();
        if let Some(url) = parse(text, bytes, scheme, start, colon + 3, out) {
            return Some(Url { span: first..url.span.end, is_name: names_space(bytes, start), ..url });
        }
        pos = colon + 3;
    }
    None
}

/// Where a scheme begins of which a known one is the last part, `git+ssh`, `stratum+tcp`; `start` for others. In queries a plus is a blank.
fn compound(bytes: &[u8], from: usize, start: usize) -> usize {
    const KNOWN: [&str; 5] = ["git", "svn", "hg", "bzr", "stratum"];
    let Some(head) = bytes.get(from..start).and_then(|head| head.strip_suffix(b"+")) else { return start };
    let length = head.iter().rev().take(16).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let word = &head[head.len() - length..];
    let first = start - 1 - length;
    let lead = bytes[..first].last().copied().unwrap_or(b' ');
    let known = KNOWN.into_iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    let alone = matches!(lead, 0..=b' ' | b'"' | b'\'' | b'(' | b'<' | b'[' | b'{' | b',' | b';' | b':' | b'`');
    let letter = word.first().is_some_and(u8::is_ascii_alphabetic);
    if letter && length < 16 && (known || (alone && !shell::names_command(word))) { first } else { start }
}

/// Bytes behind a URL that are a host to some readers and a path to others, which is how servers are tricked: `\@evil.example`.
pub(super) fn decoy(rest: &[u8]) -> usize {
    if !rest.starts_with(b"\\@") {
        return 0;
    }
    let part = |byte: &&u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'@') || !byte.is_ascii()
    };
    2 + rest[2..].iter().take_while(part).count()
}

/// Whether another scheme stands where the authority should: `hxxp://hxxp://example.com`.
fn is_doubled(bytes: &[u8], authority: usize, defang: bool) -> bool {
    let rest = bytes.get(authority..).unwrap_or_default();
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'_' | b'#');
    let length = rest.iter().take(9).take_while(part).count();
    rest[length..].starts_with(b"://") && known(&rest[..length], defang).is_some()
}

/// Whether a declaration of XML stands before: what `xmlns="…"` and `xmlns:x="…"` name is no place.
fn names_space(bytes: &[u8], start: usize) -> bool {
    let head = &bytes[start.saturating_sub(32)..start];
    let signs = head.iter().rev().take(3).take_while(|byte| matches!(byte, b'"' | b'\'' | b'\\' | b'=')).count();
    let head = &head[..head.len() - signs];
    let prefix = head.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (head, name) = head.split_at(head.len() - prefix);
    signs >= 2 && (name == b"xmlns" || head.ends_with(b"xmlns:"))
}

/// The scheme that ends at `colon`, refanged, and where it starts.
fn scheme(bytes: &[u8], from: usize, colon: usize, defang: bool) -> Option<(&'static str, usize)> {
    let floor = from.max(colon.saturating_sub(12));
    let head = bytes.get(floor..colon)?;
    let length =
        head.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'_' | b'#')).count();
    let run = control::behind_code(&head[head.len() - length..]);
    let length = run.len();
    if let Some(scheme) = known(run, defang) {
        let glued = floor > from && length == head.len() && bytes[floor - 1].is_ascii_alphanumeric();
        if !glued || scheme.starts_with("http") {
            return Some((scheme, colon - length));
        }
    }
    // `[http]://`
    if defang
        && let Some(inside) = head.strip_suffix(b"]")
        && let Some(open) = memchr::memrchr(b'[', inside)
        && let Some(scheme) = known(&inside[open + 1..], defang)
    {
        return Some((scheme, floor + open));
    }
    // Glued to what stands before it, as after an escape: `nhttp://`.
    [5, 4].into_iter().filter(|&length| length < run.len()).find_map(|length| {
        let scheme = known(&run[run.len() - length..], defang)?;
        scheme.starts_with("http").then_some((scheme, colon - length))
    })
}

fn known(run: &[u8], defang: bool) -> Option<&'static str> {
    let mut lower = [0; 8];
    let lower = lower.get_mut(..run.len())?;
    lower.copy_from_slice(run);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"http" => "http",
        b"https" => "https",
        b"ftp" => "ftp",
        b"ftps" => "ftps",
        b"sftp" => "sftp",
        b"ws" => "ws",
        b"wss" => "wss",
        b"ldap" => "ldap",
        b"ldaps" => "ldaps",
        b"rmi" => "rmi",
        b"smb" => "smb",
        b"ssh" => "ssh",
        b"telnet" => "telnet",
        b"tftp" => "tftp",
        b"rtsp" => "rtsp",
        b"tcp" => "tcp",
        b"udp" => "udp",
        b"hppt" | b"meow" | b"hxp" | b"htp" | b"hxxxp" if defang => "http",
        b"hppts" | b"meows" | b"hxps" | b"htps" | b"hxxxps" if defang => "https",
        [b'h', one, two, b'p'] if defang && is_mask(*one) && is_mask(*two) => "http",
        [b'h', one, two, b'p', b's'] if defang && is_mask(*one) && is_mask(*two) => "https",
        [b'h', b't', b't', b'x' | b'*' | b'_'] if defang => "http",
        b"fxp" | b"f*p" | b"ftx" if defang => "ftp",
        b"fxps" if defang => "ftps",
        _ => return None,
    })
}

/// What is written for a letter of `http`.
fn is_mask(byte: u8) -> bool {
    matches!(byte, b't' | b'x' | b'*' | b'_' | b'0' | b'z' | b'y' | b'#')
}

/// The port that the URL standard leaves out of a scheme.
fn default_port(scheme: &str) -> u16 {
    match scheme {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        "ftp" => 21,
        _ => 0,
    }
}

fn parse(text: &str, bytes: &[u8], scheme: &str, start: usize, authority: usize, out: &mut String) -> Option<Url> {
    let rest = bytes.get(authority..)?;
    let length = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\' | b'|' | b'^' | b'`' | b'{' | b'}'))
        .unwrap_or(rest.len());
    let at = memchr::memrchr(b'@', &rest[..length]);
    let host_start = at.map_or(authority, |at| authority + at + 1);
    out.push_str(scheme);
    out.push_str("://");
    out.push_str(text.get(authority..host_start)?);
    let canonical_start = out.len();
    let (host, host_kind) = host(text, host_start..authority + length, out)?;
    let canonical_host = canonical_start..out.len();
    let mut end = host.end;
    if bytes.get(host.start.wrapping_sub(1)) == Some(&b'[') {
        end += 1 + bytes.get(end..)?.iter().position(|&byte| byte == b']')?;
    }
    // The root's own dot.
    if bytes.get(end) == Some(&b'.') && matches!(bytes.get(end + 1), Some(b'/' | b':' | b'?' | b'#')) {
        end += 1;
    }
    if let Some((port, after)) = port(bytes, end) {
        if port != default_port(scheme) {
            out.push(':');
            out.push_str(itoa::Buffer::new().format(port));
        }
        end = after;
    }
    let tail = end;
    // `LDAP://CN=…` names an entry of a directory, `http://$host` is a pattern.
    if matches!(bytes.get(tail), Some(b'=' | b'$' | b'%' | b'*' | b'{')) {
        return None;
    }
    if matches!(bytes.get(tail), Some(b'/' | b'?' | b'#')) {
        end = tail_end(text, bytes, tail, bytes.get(..start).unwrap_or_default());
        push_tail(text.get(tail..end)?, out);
    }
    Some(Url { span: start..end, host, host_kind, canonical_host, is_name: false })
}

/// The host at the beginning of `range`; its canonical form goes to `out`, an IPv6 address in brackets.
fn host(text: &str, range: Range<usize>, out: &mut String) -> Option<(Range<usize>, IndicatorKind)> {
    let part = text.get(range.clone())?;
    if let Some(inner) = part.strip_prefix('[') {
        let inside = inner.get(..inner.bytes().take(64).position(|byte| byte == b']')?)?;
        let plain = inside.split('%').next()?;
        let Ok(address) = plain.parse::<Ipv6Addr>() else {
            // `http://[example.com]/` is another way to defang.
            return inside.contains('.').then(|| named(inside, range.start + 1, out)).flatten();
        };
        let host = range.start + 1..range.start + 1 + plain.len();
        let start = out.len();
        let kind = address::write_v6(address, out);
        if kind == IndicatorKind::Ipv6 {
            out.insert(start, '[');
            out.push(']');
        }
        return Some((host, kind));
    }
    named(part, range.start, out)
}

/// The name or the IPv4 address that `part` begins with.
fn named(part: &str, start: usize, out: &mut String) -> Option<(Range<usize>, IndicatorKind)> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let length = part.bytes().position(|byte| !is_part(&byte)).unwrap_or(part.len());
    let length = if part.as_bytes().get(length).is_none_or(u8::is_ascii) { length } else { wide_end(part) };
    let raw = part[..length].trim_end_matches(['.', '-', '_']);
    let host = start..start + raw.len();
    let last = raw.rsplit('.').next()?;
    let numeric = last.bytes().next()?.is_ascii_digit();
    if numeric && let Some(address) = address::v4_number(raw) {
        address::write_v4(address, out);
        return Some((host, IndicatorKind::Ipv4));
    }
    name::canonical(raw, out).then_some((host, IndicatorKind::Domain))
}

/// The end of a host in which not everything is ASCII. Pictures stand in no last label, and what is glued to that is none of the name.
fn wide_end(part: &str) -> usize {
    let is_part = |letter: char| letter == '\u{b7}' || script::is_picture(letter) || !script::is_mark(letter);
    let length = part.char_indices().find(|&(_, letter)| !is_part(letter)).map_or(part.len(), |(at, _)| at);
    let raw = part[..length].trim_end_matches(['.', '-', '_']);
    let last = raw.rfind('.').map_or(0, |dot| dot + 1);
    script::part_end(raw, last, raw.len())
}

/// The port at `colon` and where it ends.
fn port(bytes: &[u8], colon: usize) -> Option<(u16, usize)> {
    let digits = bytes.get(colon..)?.strip_prefix(b":")?;
    let length = digits.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let port = std::str::from_utf8(digits.get(..length)?).ok()?.parse().ok()?;
    Some((port, colon + 1 + length))
}

/// The end of path, query and fragment of a URL behind `head`.
fn tail_end(text: &str, bytes: &[u8], start: usize, head: &[u8]) -> usize {
    let opener = head.last().copied();
    // A URL behind an encoded blank ends before another one.
    let blank = [&b"+"[..], b"%20"].into_iter().find(|blank| head.ends_with(blank));
    let mut open = [0_u32; 3];
    // Whether it is written with letters of a script without spaces.
    let mut unspaced = false;
    let mut end = start;
    let mut query = false;
    while let Some(&byte) = bytes.get(end) {
        if IS_PLAIN[usize::from(byte)] {
            end += 1;
            continue;
        }
        let stop = match byte {
            b'\\' | b'|' | b'^' | b'`' => true,
            b'\'' => opener == Some(b'\''),
            b'[' if control::begins(&bytes[end..]) => true,
            b'(' | b'[' | b'{' => {
                open[shape(byte)] += 1;
                false
            }
            b')' | b']' | b'}' => {
                let open = &mut open[shape(byte)];
                let unopened = *open == 0;
                *open = open.saturating_sub(1);
                unopened
            }
            b'&' if is_quote_entity(&bytes[end..]) => true,
            b'&' | b'$' | b'%' | b';' if shell::ends(&bytes[start..end], query, &bytes[end..]) => true,
            b'%' | b'+' if blank.is_some_and(|blank| bytes[end..].starts_with(blank)) => true,
            b',' | b';' => opener == Some(byte) || starts_cell(&bytes[end + 1..]),
            b'#' if control::is_code(&bytes[end..]) => true,
            b'?' => {
                query = true;
                false
            }
            0xc2.. => {
                let letter = script::letter_at(text, end);
                let glued = !unspaced && script::is_unspaced(letter) && bytes[end - 1].is_ascii_alphanumeric();
                unspaced |= script::is_unspaced(letter);
                // What a middle dot joins may be a word.
                let joins = letter == '\u{b7}' && bytes.get(end + 2).is_some_and(u8::is_ascii_alphanumeric);
                glued || (script::is_mark(letter) && letter != char::REPLACEMENT_CHARACTER && !joins)
            }
            _ => false,
        };
        if stop {
            break;
        }
        end += 1;
    }
    while end > start + 1 && matches!(bytes[end - 1], b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'*') {
        end -= 1;
    }
    end
}

/// Bytes at which no URL ends.
const IS_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let plain = byte as u8;
        table[byte] =
            plain.is_ascii_alphanumeric() || matches!(plain, b'-' | b'.' | b'_' | b':' | b'~' | b'@' | b'*' | b'!');
        byte += 1;
    }
    table
};

fn shape(byte: u8) -> usize {
    match byte {
        b'(' | b')' => 0,
        b'[' | b']' => 1,
        _ => 2,
    }
}

fn is_quote_entity(rest: &[u8]) -> bool {
    const ENTITIES: [&[u8]; 8] = [b"&quot", b"&gt", b"&lt", b"&apos", b"&#34", b"&#39", b"&nbsp", b"&#160"];
    // At the end of a value the semicolon may have been taken for a separator.
    let ends = |after: &[u8]| after.is_empty() || after[0] == b';';
    ENTITIES.iter().any(|entity| rest.strip_prefix(*entity).is_some_and(ends))
}

/// Whether a list goes on with another indicator: a URL, an address, a hash.
fn starts_cell(rest: &[u8]) -> bool {
    let head = &rest[..rest.len().min(9)];
    if matches!(head.first().map(|byte| byte | 0x20), Some(b'h' | b'f')) && head.windows(3).any(|part| part == b"://") {
        return true;
    }
    let run =
        rest.iter().take(160).take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'='));
    let run = &rest[..run.count()];
    // What could not end a URL goes on with this one.
    let ends = rest.get(run.len()).is_none_or(|byte| b" ,;:?\"<>)]}'\\|^`*!\t\r\n".contains(byte) || !byte.is_ascii());
    let cell = &run[..run.len() - run.iter().rev().take_while(|byte| **byte == b'.').count()];
    let length = cell.len();
    if names_attribute(cell) {
        return true;
    }
    if !ends {
        return false;
    }
    let hash = matches!(length, 32 | 40 | 64 | 128) && cell.iter().all(u8::is_ascii_hexdigit);
    hash || address::is_v4(cell) || is_host(cell)
}

/// Whether a distinguished name goes on: `O=Example`.
fn names_attribute(cell: &[u8]) -> bool {
    let length = cell.iter().take(4).take_while(|byte| byte.is_ascii_uppercase()).count();
    matches!(length, 1..=3) && cell.get(length) == Some(&b'=')
}

/// Whether a cell is a host name in lower case and nothing else.
fn is_host(cell: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    cell.iter().all(part)
        && std::str::from_utf8(cell).is_ok_and(|cell| matches!(name::suffix(cell), name::Suffix::Public { .. }))
}

/// Appends path, query and fragment.
fn push_tail(tail: &str, out: &mut String) {
    if !tail.contains("&amp;") {
        out.push_str(tail);
        return;
    }
    let mut rest = tail;
    while let Some((head, after)) = rest.split_once("&amp;") {
        out.push_str(head);
        out.push('&');
        rest = after;
        while let Some(after) = rest.strip_prefix("amp;") {
            rest = after;
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let (mut pos, mut out) = (0, String::new());
        while let Some(url) = find(text, pos..text.len(), true, &mut out) {
            found.push((text[url.span.clone()].to_owned(), out.clone()));
            pos = url.span.end;
            out.clear();
        }
        found
    }

    #[test]
    fn ends_and_forms() {
        let rows: &[(&str, &str, &str)] = &[
            ("plain", "http://example.com/a?b=c#d", "http://example.com/a?b=c#d"),
            ("case", "HTTP://Example.COM/Path", "http://example.com/Path"),
            ("full stop", "http://example.com/a.", "http://example.com/a"),
            ("comma after the host", "http://example.com,", "http://example.com"),
            ("in parentheses", "(http://example.com/a)", "http://example.com/a"),
            ("with parentheses", "(http://example.com/path_(more))", "http://example.com/path_(more)"),
            ("Markdown", "[x](http://example.com/a).", "http://example.com/a"),
            ("single quotes", "'http://example.com/a'", "http://example.com/a"),
            ("entity", "http://example.com/a&quot;b", "http://example.com/a"),
            ("ampersand", "http://example.com/a?b=1&quote=2", "http://example.com/a?b=1&quote=2"),
            ("CJK bracket", "http://example.com/a」", "http://example.com/a"),
            ("default port", "http://example.com:80/a", "http://example.com/a"),
            ("port", "https://example.com:8443/a", "https://example.com:8443/a"),
            ("dot of the root", "http://example.com./a", "http://example.com/a"),
            ("no port", "http://example.com:/", "http://example.com"),
            ("userinfo", "http://user:pass@example.com/", "http://user:pass@example.com/"),
            ("address", "http://198.51.100.7:8080/x", "http://198.51.100.7:8080/x"),
            ("hexadecimal address", "http://0xC6.51.0x64.7/", "http://198.51.100.7/"),
            ("number", "http://3325256711/", "http://198.51.100.7/"),
            ("version six", "http://[2001:DB8::1]:80/a", "http://[2001:db8::1]/a"),
            ("mapped", "http://[::ffff:198.51.100.7]/", "http://198.51.100.7/"),
            ("zone", "http://[fe80::1%25eth0]/", "http://[fe80::1]/"),
            ("IDN", "http://bücher.example/ü", "http://xn--bcher-kva.example/ü"),
            ("hxxp", "hxxps://example.com/a", "https://example.com/a"),
            ("stars", "h**p://example.com/a", "http://example.com/a"),
            ("fxp", "fxp://example.com/a", "ftp://example.com/a"),
            ("other masks", "h##ps://example.com/a", "https://example.com/a"),
            ("no letters", "h00p://example.com/a", "http://example.com/a"),
            ("scheme in brackets", "[http]://example.com/a", "http://example.com/a"),
            ("host in brackets", "http://[example.com]/a", "http://example.com/a"),
            ("sign as host", "http://☺.example.com/a", "http://xn--74h.example.com/a"),
            ("ampersand of HTML", "http://example.com/a?b=1&amp;amp;c=2", "http://example.com/a?b=1&c=2"),
            ("cell of a list", "a,http://example.com/a,b c", "http://example.com/a"),
            ("cell before an address", "http://example.com/a,198.51.100.7", "http://example.com/a"),
            ("distinguished name", "CN=http://example.com/a,O=Example", "http://example.com/a"),
            ("commas in a path", "http://example.com/a,b,c", "http://example.com/a,b,c"),
            ("transport", "tcp://example.com:4444", "tcp://example.com:4444"),
            ("glued", "nhttp://example.com/a", "http://example.com/a"),
            ("in a look-up", "${jndi:ldap://example.com/a}", "ldap://example.com/a"),
            ("backslash", "http://example.com/a\\\",", "http://example.com/a"),
            ("single label", "http://intranet/", "http://intranet/"),
            ("scheme twice", "hxxp://hxxp://example.com/a", "http://example.com/a"),
            ("dash of prose", "http://example.com/a\u{2014}seen", "http://example.com/a"),
            ("query at once", "http://example.com?a=b", "http://example.com?a=b"),
        ];
        for (name, text, expected) in rows {
            let found = urls(text);
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(found[0].1, *expected, "{name}");
            assert_eq!(
                urls(&found[0].1),
                [(found[0].1.clone(), found[0].1.clone())],
                "{name}: the canonical form is its own"
            );
        }
    }

    #[test]
    fn lists_and_none() {
        assert_eq!(urls("http://a.example/1,http://b.example/2").len(), 2);
        for text in
            ["http://", "http:///a", "://a", "mysql://a.example", "http://-/", "http://a..b/", "LDAP://DC=a,DC=b"]
        {
            assert!(urls(text).is_empty(), "{text}");
        }
    }
}
