//! Lines that are not quite UTF-8: old programs write Latin-1, and one such byte must not hide the rest of a line.

use std::{borrow::Cow, ops::Range};

/// Stands for a byte that may be a letter in an encoding of one byte a character: whatever it touches is one word with it.
const LETTER: u8 = b'_';
/// Stands for a byte that is none: quotes, dashes and signs.
const SIGN: u8 = b' ';

/// A line to be read, and where in it bytes stand that are not UTF-8.
#[derive(Debug)]
pub(super) struct Text<'a> {
    /// As long as the line, so that places in it are those of the line.
    pub(super) readable: Cow<'a, [u8]>,
    foreign: Vec<usize>,
}

impl<'a> Text<'a> {
    /// In ISO 8859 and in the code pages of Windows letters come from 0xC0 on.
    pub(super) fn of(line: &'a [u8]) -> Self {
        if std::str::from_utf8(line).is_ok() {
            return Self { readable: Cow::Borrowed(line), foreign: Vec::new() };
        }
        let (mut readable, mut foreign) = (Vec::with_capacity(line.len()), Vec::new());
        for chunk in line.utf8_chunks() {
            readable.extend_from_slice(chunk.valid().as_bytes());
            for &byte in chunk.invalid() {
                foreign.push(readable.len());
                readable.push(if byte < 0xc0 { SIGN } else { LETTER });
            }
        }
        Self { readable: Cow::Owned(readable), foreign }
    }

    /// Whether all of the line is UTF-8.
    pub(super) fn is_whole(&self) -> bool {
        self.foreign.is_empty()
    }

    /// Whether a place holds no byte that was replaced, and no letter that was touches it: what does was never written.
    pub(super) fn was_written(&self, span: &Range<usize>) -> bool {
        let first = self.foreign.partition_point(|at| *at < span.start);
        let is_letter = |at: usize| self.readable.get(at) == Some(&LETTER);
        let before = first.checked_sub(1).and_then(|last| self.foreign.get(last));
        before.is_none_or(|at| at + 1 != span.start || !is_letter(*at))
            && self.foreign.get(first).is_none_or(|at| *at > span.end || (*at == span.end && !is_letter(*at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{Config, Extraction, Extractor};

    #[test]
    fn one_foreign_byte_hides_nothing_but_what_it_is_part_of() {
        let rows: [(&[u8], &[&str]); 8] = [
            (b"see \xfcber-host.com", &[]),
            (b"see evil-host.com\xe9", &[]),
            (b"caf\xe9 from 203.0.113.1", &["203.0.113.1"]),
            (b"{\"ip\":\"203.0.113.1\",\"n\":\"caf\xe9\"}", &["203.0.113.1"]),
            (b"\x93203.0.113.1\x94 \x93evil-host.com\x94", &["203.0.113.1", "evil-host.com"]),
            (b"see b\xfccher-host.com", &[]),
            ("see caf\u{e9} from 203.0.113.1".as_bytes(), &["203.0.113.1"]),
            (b"\xff\xfe\x00\x01", &[]),
        ];
        let extractor = Extractor::new(&Config::default());
        let mut out = Extraction::default();
        for (line, expected) in rows {
            let text = Text::of(line);
            assert_eq!(text.readable.len(), line.len());
            extractor.extract(&text.readable, &mut out);
            let written = out.matches().filter(|found| text.was_written(&found.span));
            let found: Vec<&str> = written.map(|found| std::str::from_utf8(&line[found.span]).unwrap()).collect();
            assert_eq!(found, expected, "{}", line.escape_ascii());
        }
    }
}
