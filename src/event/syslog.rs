//! Syslog headers, RFC 5424 and RFC 3164, the latter also as files hold it: without the priority.

use std::ops::Range;

use crate::event::{
    Layer, Source, unescape,
    walk::{self, Visitor},
};

/// Field path of the host that a header names.
pub(super) const HOST: &str = "log.syslog.hostname";

/// Where the parts of a header are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) host: Option<Range<usize>>,
    /// Structured data.
    pub(super) data: Range<usize>,
    pub(super) body: usize,
}

/// The header of a line, when it has one.
pub(super) fn header(text: &str) -> Option<Header> {
    let start = priority(text);
    let mut words = Words { text, pos: start.unwrap_or(0) };
    if start.is_some() && text.get(words.pos..)?.starts_with("1 ") {
        return modern(&mut words);
    }
    if !words.timestamp() {
        // A priority alone is enough of a header.
        return start.map(|body| Header { host: None, data: 0..0, body });
    }
    let host = words.word()?;
    Some(Header { host: Some(host), data: 0..0, body: words.pos })
}

/// The end of `<PRI>`.
fn priority(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('<')?.split('>').next()?;
    let valid = matches!(digits.len(), 1..=3) && digits.bytes().all(|byte| byte.is_ascii_digit());
    (valid && text.as_bytes().get(digits.len() + 1) == Some(&b'>')).then_some(digits.len() + 2)
}

/// RFC 5424: version, timestamp, host, application, process, message id, structured data.
fn modern(words: &mut Words<'_>) -> Option<Header> {
    words.word()?;
    words.word()?;
    let host = words.word()?;
    words.word()?;
    words.word()?;
    words.word()?;
    let start = words.pos;
    let end = structured_end(words.text.as_bytes(), start);
    Some(Header { host: Some(host), data: start..end, body: end.min(words.text.len()) })
}

/// The end of the structured data at `start`.
fn structured_end(bytes: &[u8], start: usize) -> usize {
    let mut pos = start;
    if bytes.get(pos) == Some(&b'-') {
        return pos + 1;
    }
    while bytes.get(pos) == Some(&b'[') {
        let mut quoted = false;
        loop {
            match bytes.get(pos) {
                None => return start,
                Some(b'\\') if quoted => pos += 1,
                Some(b'"') => quoted = !quoted,
                Some(b']') if !quoted => break,
                Some(_) => {}
            }
            pos += 1;
        }
        pos += 1;
    }
    pos
}

/// Hands on the parameters of structured data.
pub(super) fn parameters(source: Source<'_>, data: Range<usize>, layer: &mut Layer, visitor: &mut impl Visitor) {
    let data = source.slice(data);
    let bytes = data.text().as_bytes();
    let mut pos = 0;
    while let Some(offset) = bytes.get(pos..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let open = pos + offset;
        let key_end = open.saturating_sub(1);
        let key_start = bytes.get(pos..key_end).map_or(key_end, |key| {
            key.iter().rposition(|byte| matches!(byte, b' ' | b'[' | b']')).map_or(pos, |at| pos + at + 1)
        });
        let mut end = open + 1;
        while let Some(&byte) = bytes.get(end).filter(|&&byte| byte != b'"') {
            end += if byte == b'\\' { 2 } else { 1 };
        }
        let key = data.text().get(key_start..key_end).unwrap_or_default();
        let value = data.slice(open + 1..end);
        if unescape::backslashes(value.text(), br#""\]"#, false, layer) {
            walk::hand(key, layer.over(&value), visitor);
        } else {
            walk::hand(key, value, visitor);
        }
        pos = end + 1;
    }
}

struct Words<'a> {
    text: &'a str,
    pos: usize,
}

impl Words<'_> {
    /// The next word and the space behind it.
    fn word(&mut self) -> Option<Range<usize>> {
        let rest = self.text.get(self.pos..)?;
        let length = rest.find(' ')?;
        let word = self.pos..self.pos + length;
        self.pos = word.end + 1;
        (length > 0).then_some(word)
    }

    /// Passes over `Mmm dd hh:mm:ss ` or an RFC 3339 time (only behind a priority); stays where it is when there is none.
    fn timestamp(&mut self) -> bool {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let Some(rest) = self.text.get(self.pos..) else { return false };
        let bytes = rest.as_bytes();
        let clock = |at: usize| {
            bytes.len() > at + 8
                && bytes[at + 2] == b':'
                && bytes[at + 5] == b':'
                && [0, 1, 3, 4, 6, 7].into_iter().all(|digit| bytes[at + digit].is_ascii_digit())
        };
        if MONTHS.iter().any(|month| rest.starts_with(month)) {
            // The day may be padded or not.
            for at in [6, 7] {
                if bytes.get(3) == Some(&b' ') && clock(at) && bytes.get(at - 1) == Some(&b' ') && bytes[at + 8] == b' '
                {
                    self.pos += at + 9;
                    return true;
                }
            }
        }
        let dated = self.pos > 0 && clock(11) && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T';
        if dated && let Some(space) = rest.find(' ') {
            self.pos += space + 1;
            return true;
        }
        false
    }
}
