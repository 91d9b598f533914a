//! Undoing defanged forms: `[.]`, `(dot)`, `[at]`, `[:]`, `[://]`, half brackets; `example dot com` where words are asked for.
//!
//! The undone text is a layer over the one it was made of. Letters of schemes (`hxxp`) are left to the reader of URLs. One pass,
//! every form is a few bytes long, so hostile text costs no more than other text.

use crate::event::Layer;

/// What stands inside brackets, lower case, and what it means.
const BRACKETED: [(&str, &str); 9] = [
    (".", "."),
    ("dot", "."),
    ("punkt", "."),
    ("punto", "."),
    ("at", "@"),
    ("@", "@"),
    ("://", "://"),
    (":", ":"),
    ("/", "/"),
];

/// Words between spaces, where words are undone.
const WORDS: [(&str, &str); 4] = [(" dot ", "."), (" [.] ", "."), (" at ", "@"), (" [at] ", "@")];

/// Writes the undone form of `text` to `into`; false when there is nothing to undo, and then `into` holds nothing of use.
pub(super) fn refang(text: &str, words: bool, into: &mut Layer) -> bool {
    into.clear();
    let bytes = text.as_bytes();
    // Slashes are escaped from the first `:\/\/` on; before it, a backslash is one.
    let slashes = escaped_slashes(bytes).unwrap_or(bytes.len());
    let (mut done, mut pos) = (0, 0);
    while let Some(&byte) = bytes.get(pos) {
        let form = match byte {
            b'[' | b'(' | b'{' => bracketed(bytes, pos).or_else(|| half_open(bytes, pos)),
            b'.' => half_closed(bytes, pos),
            b'\\' => escaped(bytes, pos, pos > slashes, words),
            b' ' if words => word(bytes, pos),
            0xc2 | 0xe2 | 0xe3 | 0xef => wide(bytes, pos),
            _ => None,
        };
        match form {
            Some((plain, end)) => {
                into.copy(&text[done..pos], done);
                into.replace(plain, pos..end);
                done = end;
                pos = end;
            }
            None => pos += 1,
        }
    }
    if done == 0 {
        return false;
    }
    into.copy(&text[done..], done);
    true
}

/// Whether a form that is undone everywhere begins at `pos`.
pub(super) fn is_form(bytes: &[u8], pos: usize) -> bool {
    match bytes.get(pos) {
        Some(b'[' | b'(' | b'{') => bracketed(bytes, pos).or_else(|| half_open(bytes, pos)).is_some(),
        Some(0xe3 | 0xef) => wide(bytes, pos).is_some(),
        _ => false,
    }
}

/// Whether slashes are escaped in it.
pub(super) fn has_slashes(bytes: &[u8]) -> bool {
    escaped_slashes(bytes).is_some()
}

/// The first `:\/\/`.
fn escaped_slashes(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b':', bytes).find(|&colon| bytes[colon + 1..].starts_with(br"\/\/"))
}

type Form = Option<(&'static str, usize)>;

/// `[.]`, `(dot)`, `{at}`, `[ . ]`, also with the shapes mixed up.
fn bracketed(bytes: &[u8], open: usize) -> Form {
    let mut start = open + 1;
    while bytes.get(start) == Some(&b' ') && start < open + 3 {
        start += 1;
    }
    let rest = bytes.get(start..)?;
    let (mark, plain) = BRACKETED.into_iter().find(|(mark, _)| starts_with(rest, mark))?;
    let mut end = start + mark.len();
    while bytes.get(end) == Some(&b' ') && end < start + mark.len() + 2 {
        end += 1;
    }
    let closed = matches!(bytes.get(end), Some(b']' | b')' | b'}'));
    // `(/` and `(:` are smileys and prose more often than not.
    let fits = closed && (bytes[open] == b'[' || !matches!(plain, "/" | ":"));
    fits.then_some((plain, end + 1))
}

/// `example[.com`
fn half_open(bytes: &[u8], open: usize) -> Form {
    let fits =
        bytes[open] == b'[' && bytes.get(open + 1) == Some(&b'.') && word_at(bytes, open + 2) && before(bytes, open);
    fits.then_some((".", open + 2))
}

/// `example.]com`
fn half_closed(bytes: &[u8], dot: usize) -> Form {
    let fits = bytes.get(dot + 1) == Some(&b']') && word_at(bytes, dot + 2) && before(bytes, dot);
    fits.then_some((".", dot + 2))
}

/// The escapes of a further layer: `:\/\/` and what follows, `example\.com` only where words are undone too.
fn escaped(bytes: &[u8], at: usize, slashes: bool, words: bool) -> Form {
    match bytes.get(at + 1)? {
        b'/' if slashes => Some(("/", at + 2)),
        b'.' if words && word_at(bytes, at + 2) && before(bytes, at) => Some((".", at + 2)),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Form {
    let rest = bytes.get(at..)?;
    let (mark, plain) = WORDS.into_iter().find(|(mark, _)| starts_with(rest, mark))?;
    let end = at + mark.len();
    (before(bytes, at) && word_at(bytes, end)).then_some((plain, end))
}

/// Dots and spaces of other scripts, and characters without width.
fn wide(bytes: &[u8], at: usize) -> Form {
    let two = bytes.get(at..at + 2)?;
    if two == [0xc2, 0xa0] {
        return Some((" ", at + 2));
    }
    if two == [0xc2, 0xad] {
        return Some(("", at + 2));
    }
    let plain = match bytes.get(at..at + 3)? {
        // The ideographic full stop ends sentences too.
        [0xe3, 0x80, 0x82] if before(bytes, at) && word_at(bytes, at + 3) => ".",
        [0xe3, 0x80, 0x82] => " ",
        // Full-width and half-width full stop.
        [0xef, 0xbc, 0x8e] | [0xef, 0xbd, 0xa1] => ".",
        // The spaces U+2000 to U+200A, U+202F, U+3000.
        [0xe2, 0x80, 0x80..=0x8a] | [0xe2, 0x80, 0xaf] | [0xe3, 0x80, 0x80] => " ",
        // Zero-width space, joiners, word joiner, byte order mark.
        [0xe2, 0x80, 0x8b..=0x8d] | [0xe2, 0x81, 0xa0] | [0xef, 0xbb, 0xbf] => "",
        _ => return None,
    };
    Some((plain, at + 3))
}

fn word_at(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

fn before(bytes: &[u8], at: usize) -> bool {
    at > 0 && word_at(bytes, at - 1)
}

fn starts_with(bytes: &[u8], mark: &str) -> bool {
    bytes.get(..mark.len()).is_some_and(|head| head.eq_ignore_ascii_case(mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_undone() {
        let rows = [
            ("square dot", "a[.]b", Some("a.b")),
            ("round dot", "a(.)b", Some("a.b")),
            ("curly dot", "a{.}b", Some("a.b")),
            ("word", "a[dot]b(DOT)c", Some("a.b.c")),
            ("at", "a[at]b(@)c[@]d(at)e", Some("a@b@c@d@e")),
            ("colon", "hxxp[:]//a", Some("hxxp://a")),
            ("scheme", "hxxp[://]a", Some("hxxp://a")),
            ("half open", "a[.b", Some("a.b")),
            ("half closed", "a.]b", Some("a.b")),
            ("mixed shapes", "a[.)b", Some("a.b")),
            ("full-width dot", "a．b。c", Some("a.b.c")),
            ("no-break space", "a\u{a0}b", Some("a b")),
            ("slashes of a further layer", r"http:\/\/a", Some("http://a")),
            ("end of a sentence in brackets", "[a.]", None),
            ("brackets alone", "a[0].b(c)", None),
            ("nothing", "a.b", None),
        ];
        let mut layer = Layer::default();
        for (name, text, expected) in rows {
            assert_eq!(refang(text, false, &mut layer).then(|| layer.text()), expected, "{name}");
        }
        assert!(refang("see evil dot com now", true, &mut layer));
        assert_eq!(layer.text(), "see evil.com now");
        assert!(!refang("see evil dot com now", false, &mut layer));
    }
}
