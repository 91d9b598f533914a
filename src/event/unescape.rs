//! Undoing the escapes of JSON strings and of CEF, LEEF and structured-data values.

use crate::event::Layer;

/// Undoes the escapes of the inside of a well-formed JSON string. Half surrogate pairs become U+FFFD.
pub(super) fn json(raw: &str, into: &mut Layer) {
    into.clear();
    let bytes = raw.as_bytes();
    let mut done = 0;
    while let Some(offset) = memchr::memchr(b'\\', &bytes[done..]) {
        let start = done + offset;
        into.copy(&raw[done..start], done);
        let plain = match bytes.get(start + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => {
                let (plain, end) = unicode(bytes, start);
                into.replace(plain.encode_utf8(&mut [0; 4]), start..end);
                done = end;
                continue;
            }
            Some(&other) => char::from(other),
            None => '\\',
        };
        let end = (start + 2).min(bytes.len());
        into.replace(plain.encode_utf8(&mut [0; 4]), start..end);
        done = end;
    }
    into.copy(&raw[done..], done);
}

/// The character of the `\u` escape at `start`, a surrogate pair taken as one, and where it ends.
fn unicode(bytes: &[u8], start: usize) -> (char, usize) {
    let Some(first) = unit(bytes, start) else { return ('\u{fffd}', (start + 2).min(bytes.len())) };
    let end = start + 6;
    if (0xd800..0xdc00).contains(&first)
        && let Some(second) = unit(bytes, end)
        && (0xdc00..0xe000).contains(&second)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or('\u{fffd}'), end + 6);
    }
    (char::from_u32(first).unwrap_or('\u{fffd}'), end)
}

fn unit(bytes: &[u8], start: usize) -> Option<u32> {
    let escape = bytes.get(start..start + 6)?;
    if !escape.starts_with(b"\\u") {
        return None;
    }
    escape[2..].iter().try_fold(0, |value, &byte| Some(value * 16 + char::from(byte).to_digit(16)?))
}

/// Undoes `\` before any of `specials`, and `\n`, `\r` where `breaks` says so; other backslashes stand for themselves.
/// Says whether there was anything to undo.
pub(super) fn backslashes(raw: &str, specials: &[u8], breaks: bool, into: &mut Layer) -> bool {
    into.clear();
    let bytes = raw.as_bytes();
    let (mut done, mut seek, mut changed) = (0, 0, false);
    while let Some(offset) = memchr::memchr(b'\\', &bytes[seek..]) {
        let start = seek + offset;
        let plain = match bytes.get(start + 1) {
            Some(&next) if specials.contains(&next) => next,
            Some(b'n') if breaks => b'\n',
            Some(b'r') if breaks => b'\r',
            _ => {
                seek = start + 1;
                continue;
            }
        };
        into.copy(&raw[done..start], done);
        into.replace(char::from(plain).encode_utf8(&mut [0; 4]), start..start + 2);
        done = start + 2;
        seek = done;
        changed = true;
    }
    if changed {
        into.copy(&raw[done..], done);
    }
    changed
}

/// Undoes the entities of XML. Says whether there was anything to undo.
pub(super) fn entities(raw: &str, into: &mut Layer) -> bool {
    const NAMED: [(&str, &str); 5] = [("amp;", "&"), ("lt;", "<"), ("gt;", ">"), ("quot;", "\""), ("apos;", "'")];
    into.clear();
    let (mut done, mut seek, mut changed) = (0, 0, false);
    while let Some(offset) = memchr::memchr(b'&', raw.as_bytes().get(seek..).unwrap_or_default()) {
        let start = seek + offset;
        let rest = &raw[start + 1..];
        let named = NAMED.into_iter().find(|(name, _)| rest.starts_with(name));
        let mut buffer = [0; 4];
        let (plain, length) = match (named, number(rest)) {
            (Some((name, plain)), _) => (plain, name.len()),
            (None, Some((plain, length))) => (&*plain.encode_utf8(&mut buffer), length),
            (None, None) => {
                seek = start + 1;
                continue;
            }
        };
        into.copy(&raw[done..start], done);
        into.replace(plain, start..start + 1 + length);
        done = start + 1 + length;
        seek = done;
        changed = true;
    }
    if changed {
        into.copy(&raw[done..], done);
    }
    changed
}

/// The character of `#46;` or `#x2e;`, and the length of that.
fn number(rest: &str) -> Option<(char, usize)> {
    let digits = rest.strip_prefix('#')?;
    let (digits, radix, lead) = match digits.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 2),
        None => (digits, 10, 1),
    };
    let length = digits.bytes().take(7).position(|byte| byte == b';')?;
    let code = u32::from_str_radix(digits.get(..length)?, radix).ok()?;
    Some((char::from_u32(code)?, lead + length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes_are_undone() {
        let rows = [
            ("plain", "plain", "plain"),
            ("slash", r"http:\/\/a", "http://a"),
            ("unicode", r"a\u002eb", "a.b"),
            ("pair", r"\ud83d\ude00", "😀"),
            ("half pair", r"\ud83dx", "\u{fffd}x"),
            ("breaks", r"\r\n1", "\r\n1"),
            ("one layer only", r#"\\\"a"#, r#"\"a"#),
        ];
        let mut layer = Layer::default();
        for (name, raw, plain) in rows {
            json(raw, &mut layer);
            assert_eq!(layer.text(), plain, "{name}");
        }
    }

    #[test]
    fn entities_are_undone() {
        let mut layer = Layer::default();
        assert!(entities("a&amp;b&#46;c&#x2E;d&lt;&none;&#x110000;", &mut layer));
        assert_eq!(layer.text(), "a&b.c.d<&none;&#x110000;");
        assert!(!entities("a & b &", &mut layer));
    }

    #[test]
    fn other_backslashes_stay() {
        let mut layer = Layer::default();
        assert!(backslashes(r"a\=b\\c\d", br"=\|", true, &mut layer));
        assert_eq!(layer.text(), r"a=b\c\d");
        assert!(!backslashes(r"C:\dir", br"=|", false, &mut layer));
    }
}
