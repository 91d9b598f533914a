//! Undoing defanged forms: `[.]`, `(dot)`, `[at]`, `[:]`, `[://]`, half brackets, escaped dots, `:\\`, percent-encoded URLs and
//! numeric entities; `example dot com` where words are asked for.
//!
//! The undone text is a layer over the one it was made of. Letters of schemes (`hxxp`) are left to the reader of URLs. One pass,
//! every form is a few bytes long, so hostile text costs no more than other text.
//!
//! `\.` is how patterns and some writers of reports protect a dot, and in Windows paths it begins a hidden directory: it is undone
//! only where no other backslash stands in the piece, and where the name is an address, has two dots so written, or ends in a
//! suffix that no directory has.

use crate::event::Layer;

/// What stands inside brackets, lower case, and what it means; of two that begin alike the longer comes first.
const BRACKETED: [(&str, &str); 14] = [
    (".", "."),
    ("dot", "."),
    ("punkt", "."),
    ("punto", "."),
    ("at", "@"),
    ("@", "@"),
    ("://", "://"),
    (r":\\", "://"),
    (":/", ":/"),
    ("::", "::"),
    (":", ":"),
    ("//", "//"),
    ("/", "/"),
    ("d0t", "."),
];

/// Words between spaces, where words are undone.
const WORDS: [(&str, &str); 4] = [(" dot ", "."), (" [.] ", "."), (" at ", "@"), (" [at] ", "@")];

/// Characters written as entities.
const ENTITIES: [(&str, &str); 8] = [
    ("&#46;", "."),
    ("&#x2e;", "."),
    ("&#64;", "@"),
    ("&#x40;", "@"),
    ("&#58;", ":"),
    ("&#x3a;", ":"),
    ("&#47;", "/"),
    ("&#x2f;", "/"),
];

/// A percent-encoded `://`.
const ENCODED: &str = "%3A%2F%2F";

/// Brackets of one form, at most, on either side.
const MOST: usize = 4;

/// What undoing a text came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// There was nothing to undo.
    Nothing,
    /// Something that is written so for other reasons too: escapes, encodings, characters of other scripts.
    Escapes,
    /// Brackets and words, which nobody writes but to defang.
    Marks,
}

/// State of one pass: how what has been read so far says that the rest is written.
#[derive(Default)]
struct Style {
    /// Backslashes before each slash of a further layer of escapes: `:\/\/`.
    slashes: usize,
    /// Backslashes are the slashes of a URL: `hxxp:\\`.
    windows: bool,
    /// A URL is percent-encoded.
    percent: bool,
    /// Dots may be escaped.
    dots: bool,
}

/// Writes the undone form of `text` to `into`, which holds nothing of use where there was nothing to undo.
pub(super) fn refang(text: &str, words: bool, into: &mut Layer) -> Undone {
    into.clear();
    let bytes = text.as_bytes();
    let mut style = Style { dots: only_dots(bytes), ..Style::default() };
    let mut result = Undone::Nothing;
    let (mut done, mut pos) = (0, 0);
    while let Some(&byte) = bytes.get(pos) {
        let form = match byte {
            b'[' | b'(' | b'{' => bracketed(bytes, pos).or_else(|| half_open(bytes, pos)),
            b']' => turned(bytes, pos),
            b'.' => half_closed(bytes, pos),
            b'\\' => {
                let scheme = ends_scheme(if pos == done { into.text().as_bytes() } else { &bytes[..pos] });
                backslash(bytes, pos, scheme, words, &mut style)
            }
            b' ' if words => word(bytes, pos),
            b'%' => percent(bytes, pos, &mut style),
            b'&' if style.percent => Some((" ", pos + 1)),
            b'&' => entity(bytes, pos),
            0xc2 | 0xe2 | 0xe3 | 0xef => wide(bytes, pos),
            _ => None,
        };
        match form {
            Some((plain, end)) => {
                let marks =
                    matches!(byte, b'[' | b'(' | b'{' | b']' | b'.' | b' ') || bytes.get(pos + 1) == Some(&b'[');
                if marks {
                    result = Undone::Marks;
                } else if result == Undone::Nothing {
                    result = Undone::Escapes;
                }
                let (start, end) = if is_spaced(bytes, pos, end) { (pos - 1, end + 1) } else { (pos, end) };
                let start = start.max(done);
                into.copy(&text[done..start], done);
                into.replace(plain, start..end);
                done = end;
                pos = end;
            }
            None => pos += 1,
        }
    }
    if result != Undone::Nothing {
        into.copy(&text[done..], done);
    }
    result
}

/// Whether a bracketed dot or at stands between two words with a space on either side: `example [.] com`.
fn is_spaced(bytes: &[u8], start: usize, end: usize) -> bool {
    let bracket = matches!(bytes[start], b'[' | b'(' | b'{');
    bracket
        && bytes.get(end) == Some(&b' ')
        && word_at(bytes, end + 1)
        && start.checked_sub(1).is_some_and(|space| bytes[space] == b' ' && before(bytes, space))
}

/// Where a spaced form at `pos` ends, when there is one.
fn spaced_end(bytes: &[u8], pos: usize) -> Option<usize> {
    let (plain, end) = bracketed(bytes, pos)?;
    (matches!(plain, "." | "@") && is_spaced(bytes, pos, end)).then_some(end + 1)
}

/// Where the text goes on behind a form with spaces in or around it that begins at the end of a piece, `end`: `a[ . ]b`, `a [.] b`.
pub(super) fn joined(bytes: &[u8], end: usize) -> Option<usize> {
    if bytes.get(end) != Some(&b' ') {
        return None;
    }
    let inner = || {
        // `a[ .]b`, `a[. ]b`
        let dot = end.checked_sub(1).filter(|&last| bytes[last] == b'.').unwrap_or(end);
        let open = dot.checked_sub(1).filter(|&open| matches!(bytes[open], b'[' | b'(' | b'{'))?;
        let (_, close) = bracketed(bytes, open)?;
        word_at(bytes, close).then_some(close)
    };
    spaced_end(bytes, end + 1).or_else(inner)
}

/// Whether a spaced form begins at `pos`.
pub(super) fn is_spaced_form(bytes: &[u8], pos: usize) -> bool {
    spaced_end(bytes, pos).is_some()
}

/// Whether a form that is undone everywhere begins at `pos`.
pub(super) fn is_form(bytes: &[u8], pos: usize) -> bool {
    match bytes.get(pos) {
        Some(b'[' | b'(' | b'{') => bracketed(bytes, pos).or_else(|| half_open(bytes, pos)).is_some(),
        Some(b']') => turned(bytes, pos).is_some(),
        Some(b'\\') => match bytes.get(pos + 1) {
            Some(b'.') => before(bytes, pos) && word_at(bytes, pos + 2),
            Some(b'\\') => ends_scheme(&bytes[..pos]),
            Some(b'[' | b'(') => escaped_bracket(bytes, pos).is_some(),
            _ => false,
        },
        Some(b'%') => is_encoded(bytes, pos),
        Some(b'&') => entity(bytes, pos).is_some(),
        Some(0xe2) => matches!(bytes.get(pos + 1..pos + 3), Some([0x80, 0x90 | 0x91])),
        Some(0xe3 | 0xef) => wide(bytes, pos).is_some(),
        _ => false,
    }
}

/// Whether the backslash before `start` is one of a path, which begins at a drive or at a directory such as `..`.
pub(super) fn is_path(bytes: &[u8], start: usize) -> bool {
    let head = bytes.get(start.saturating_sub(64)..start).unwrap_or_default();
    let piece = head.iter().rposition(|byte| *byte <= b' ').map_or(0, |blank| blank + 1);
    let head = &head[piece..];
    let drive = |slash: usize| {
        let letter = slash.checked_sub(2).filter(|_| head[slash - 1] == b':');
        letter.is_some_and(|letter| head[letter].is_ascii_alphabetic() && !before(head, letter))
    };
    let relative = [&b".\\"[..], b"..\\"].into_iter().any(|lead| head.starts_with(lead));
    relative || memchr::memchr_iter(b'\\', head).any(drive)
}

/// Whether there may be something to undo in a piece with backslashes.
pub(super) fn has_escapes(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', bytes).any(|slash| is_form(bytes, slash) || layered(bytes, slash).is_some())
}

type Form = Option<(&'static str, usize)>;

/// `[.]`, `(dot)`, `{at}`, `[ . ]`, `[[.]]`, also with the shapes mixed up.
fn bracketed(bytes: &[u8], open: usize) -> Form {
    let opening = bytes[open..].iter().take(MOST).take_while(|byte| matches!(byte, b'[' | b'(' | b'{')).count();
    let mut start = open + opening;
    while bytes.get(start) == Some(&b' ') && start < open + opening + 2 {
        start += 1;
    }
    let rest = bytes.get(start..)?;
    // Most brackets are no form.
    if !matches!(rest.first()?, b'.' | b'd' | b'D' | b'p' | b'P' | b'a' | b'A' | b'@' | b':' | b'/') {
        return None;
    }
    let (mark, plain) = BRACKETED.into_iter().find(|(mark, _)| starts_with(rest, mark))?;
    let mut end = start + mark.len();
    while bytes.get(end) == Some(&b' ') && end < start + mark.len() + 2 {
        end += 1;
    }
    let closing = bytes.get(end..)?.iter().take(MOST).take_while(|byte| matches!(byte, b']' | b')' | b'}')).count();
    // `(/` and `(:` are smileys and prose more often than not.
    let fits = closing > 0 && (bytes[open] == b'[' || !plain.contains(['/', ':']));
    fits.then_some((plain, end + closing))
}

/// `example[.com`, `example[.[com`
fn half_open(bytes: &[u8], open: usize) -> Form {
    if bytes[open] != b'[' || !before(bytes, open) {
        return None;
    }
    match bytes.get(open + 1..)? {
        [b'.', b'[', ..] if word_at(bytes, open + 3) => Some((".", open + 3)),
        [b'.', ..] if word_at(bytes, open + 2) => Some((".", open + 2)),
        [b'/', ..] if word_at(bytes, open + 2) => Some(("/", open + 2)),
        _ => None,
    }
}

/// `example.]com`
fn half_closed(bytes: &[u8], dot: usize) -> Form {
    let closing = bytes.get(dot + 1..)?.iter().take(MOST).take_while(|byte| **byte == b']').count();
    let fits = closing > 0 && word_at(bytes, dot + 1 + closing) && before(bytes, dot);
    fits.then_some((".", dot + 1 + closing))
}

/// `example].[com`, `example].]com`
fn turned(bytes: &[u8], at: usize) -> Form {
    let fits =
        matches!(bytes.get(at + 1..at + 3), Some([b'.', b'[' | b']'])) && before(bytes, at) && word_at(bytes, at + 3);
    fits.then_some((".", at + 3))
}

/// Escapes of a further layer: `:\/\/` and what follows, `hxxp:\\`, `example\.com`, `example\[.\]com`.
fn backslash(bytes: &[u8], at: usize, scheme: bool, words: bool, style: &mut Style) -> Form {
    if style.slashes == 0
        && let Some(depth) = layered(bytes, at)
    {
        style.slashes = depth;
    }
    if style.slashes > 0 {
        let slash = at + style.slashes;
        let run = bytes.get(at..slash)?.iter().all(|&byte| byte == b'\\');
        return (run && bytes.get(slash) == Some(&b'/')).then_some(("/", slash + 1));
    }
    match bytes.get(at + 1)? {
        b'\\' if scheme && (word_at(bytes, at + 2) || bytes.get(at + 2) == Some(&b'[')) => {
            style.windows = true;
            Some(("//", at + 2))
        }
        b'.' if (style.dots || words) && before(bytes, at) && (words || is_name(bytes, at)) => Some((".", at + 2)),
        b'[' | b'(' => escaped_bracket(bytes, at),
        _ if style.windows => Some(("/", at + 1)),
        _ => None,
    }
}

/// How many backslashes stand before each slash, where the first of a scheme's begins at `at`.
fn layered(bytes: &[u8], at: usize) -> Option<usize> {
    if at.checked_sub(1).is_none_or(|colon| !matches!(bytes[colon], b':' | b']')) {
        return None;
    }
    let depth = bytes[at..].iter().take(MOST + 1).take_while(|byte| **byte == b'\\').count();
    let second = bytes.get(at + depth + 1..at + depth + 1 + depth)?;
    let fits = depth <= MOST && bytes.get(at + depth) == Some(&b'/') && second.iter().all(|&byte| byte == b'\\');
    (fits && bytes.get(at + 2 * depth + 1) == Some(&b'/')).then_some(depth)
}

/// `\[.\]`, `\(.\)`
fn escaped_bracket(bytes: &[u8], at: usize) -> Form {
    let fits = before(bytes, at)
        && matches!(bytes.get(at + 1..at + 5), Some([b'[' | b'(', b'.', b'\\', b']' | b')']))
        && word_at(bytes, at + 5);
    fits.then_some((".", at + 5))
}

/// Whether all backslashes of a piece stand before dots and brackets, so that it is no path and no other pattern.
fn only_dots(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', bytes).all(|at| matches!(bytes.get(at + 1), Some(b'.' | b'[' | b'(' | b']' | b')')))
}

/// Whether the dot that is escaped at `at` is that of a host or an address.
fn is_name(bytes: &[u8], at: usize) -> bool {
    const SUFFIXES: [&str; 12] = ["com", "net", "org", "info", "biz", "ru", "cn", "io", "de", "uk", "top", "xyz"];
    let Some(rest) = bytes.get(at + 2..) else { return false };
    let length = rest.iter().take(64).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let label = &rest[..length];
    let other = rest.get(length) == Some(&b'\\')
        || bytes[..at].iter().rev().take(64).take_while(|byte| !matches!(byte, b' ' | b'/')).any(|byte| *byte == b'\\');
    let known = SUFFIXES.into_iter().any(|suffix| label.eq_ignore_ascii_case(suffix.as_bytes()));
    !label.is_empty() && (label.iter().all(u8::is_ascii_digit) || known || other)
}

/// Whether a text ends in a scheme and its colon.
fn ends_scheme(head: &[u8]) -> bool {
    let Some(head) = head.strip_suffix(b":") else { return false };
    let letters = head.iter().rev().take(6).take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'*').count();
    matches!(letters, 3..=5) && matches!(head[head.len() - 1] | 0x20, b'p' | b's')
}

/// A percent-encoded URL that is no part of another one, and what in it is encoded.
fn percent(bytes: &[u8], at: usize, style: &mut Style) -> Form {
    if is_encoded(bytes, at) && !style.percent && memchr::memmem::find(&bytes[..at], b"://").is_none() {
        style.percent = true;
        return Some(("://", at + ENCODED.len()));
    }
    if !style.percent {
        return None;
    }
    const DECODED: [(&str, &str); 8] = [
        ("%2F", "/"),
        ("%2E", "."),
        ("%3A", ":"),
        ("%3F", "?"),
        ("%3D", "="),
        ("%26", "&"),
        ("%2D", "-"),
        ("%5F", "_"),
    ];
    let (code, plain) = DECODED.into_iter().find(|(code, _)| starts_with(&bytes[at..], code))?;
    Some((plain, at + code.len()))
}

fn is_encoded(bytes: &[u8], at: usize) -> bool {
    let scheme = at.checked_sub(1).is_some_and(|last| matches!(bytes[last] | 0x20, b'p' | b's'));
    scheme && starts_with(&bytes[at..], ENCODED)
}

fn entity(bytes: &[u8], at: usize) -> Form {
    let rest = &bytes[at..];
    let (code, plain) = ENTITIES.into_iter().find(|(code, _)| starts_with(rest, code))?;
    Some((plain, at + code.len()))
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
        // Hyphen and non-breaking hyphen.
        [0xe2, 0x80, 0x90 | 0x91] => "-",
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
            ("turned", "a].[b].]c[.[d", Some("a.b.c.d")),
            ("many", "a[[.]]b((.))c", Some("a.b.c")),
            ("mixed shapes", "a[.)b", Some("a.b")),
            ("inner spaces", "a[ . ]b", Some("a.b")),
            ("a space on one side", "a[. ]b[ .]c", Some("a.b.c")),
            ("colons", "a[:]b[::]c", Some("a:b::c")),
            ("slash", "a[.]b[/]c[/d", Some("a.b/c/d")),
            ("full-width dot", "a．b。c", Some("a.b.c")),
            ("spaces around", "a [.] b (at) c", Some("a.b@c")),
            ("a list in prose", "a [1] b (c) [d]", None),
            ("pattern", r"a\.b\.com", Some("a.b.com")),
            ("address in a pattern", r"198\.51\.100\.7", Some("198.51.100.7")),
            ("escaped brackets", r"a\[.\]b\(.\)c", Some("a.b.c")),
            ("hidden directory", r"work\.app", None),
            ("hidden directory of a path", r"C:\work\.com", None),
            ("other pattern", r"\d+\.com", None),
            ("parent directory", r"a\..\b", None),
            ("no-break space", "a\u{a0}b", Some("a b")),
            ("non-breaking hyphens", "a\u{2011}b", Some("a-b")),
            ("slashes of a further layer", r"http:\/\/a\/b", Some("http://a/b")),
            ("of two further layers", r"http:\\/\\/a\\/b", Some("http://a/b")),
            ("backslashes for slashes", r"hxxp:\\a\b", Some("hxxp://a/b")),
            ("and a bracket", r"hxxp[:]\\a hxxp[:\\]b", Some("hxxp://a hxxp://b")),
            ("share", r"\\a\b C:\\a", None),
            ("encoded URL", "x=http%3A%2F%2Fa%2Ecom%2Fb%20c&d", Some("x=http://a.com/b%20c d")),
            ("encoded in a URL", "http://a/?u=http%3A%2F%2Fb", None),
            ("entities", "a&#46;b&#x40;c&amp;d", Some("a.b@c&amp;d")),
            ("end of a sentence in brackets", "[a.]", None),
            ("brackets alone", "a[0].b(c)", None),
            ("nothing", "a.b", None),
        ];
        let mut layer = Layer::default();
        for (name, text, expected) in rows {
            let undone = refang(text, false, &mut layer) != Undone::Nothing;
            assert_eq!(undone.then(|| layer.text()), expected, "{name}");
        }
        assert_eq!(refang("see evil dot com now", true, &mut layer), Undone::Marks);
        assert_eq!(layer.text(), "see evil.com now");
        assert_eq!(refang("see evil dot com now", false, &mut layer), Undone::Nothing);
        assert_eq!(refang(r"a\.b\.com", false, &mut layer), Undone::Escapes);
        assert_eq!(refang(r"a\.b[.]com", false, &mut layer), Undone::Marks);
    }
}
