//! Addresses of version six among words.

use std::ops::Range;

use crate::{
    extract::{
        address,
        context::{at, before},
        field::Class,
        scan::Value,
        script,
        sink::Sink,
    },
    model::IndicatorKind,
};

impl Value<'_> {
    /// An IPv6 address in the run of hex digits, colons and dots at `start`: the end of the run, and of the address. Nothing before `within` is glued to it.
    pub(super) fn version_six(
        &self,
        start: usize,
        within: Range<usize>,
        sink: &mut Sink<'_>,
    ) -> (usize, Option<usize>) {
        let rest = &self.bytes[start..within.end];
        let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        let run = start + rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let text = self.text.get(start..run).unwrap_or_default();
        if text.len() > 64 || text.bytes().filter(|&byte| byte == b':').count() < 2 {
            return (run, None);
        }
        let lone = text.starts_with(':') && !text.starts_with("::");
        // Behind a hyphen the first group was read as the end of a word.
        let start = if lone { self.group_before(start).unwrap_or(start + 1) } else { start };
        // The end of a word may be a group, and what follows it half an address.
        if lone && is_cut(&self.bytes[..start], self.text.get(start..run).unwrap_or_default()) {
            return (run, None);
        }
        let mut text = self.text.get(start..run).unwrap_or_default().trim_end_matches('.');
        if text.ends_with(':') && !text.ends_with("::") {
            text = &text[..text.len() - 1];
        }
        let glued = |byte: u8| byte.is_ascii_alphanumeric() || (byte == b'_' && !lone);
        if (start > within.start && glued(before(self.bytes, start))) || !sink.wants(IndicatorKind::Ipv6) {
            return (run, None);
        }
        if glued(at(self.bytes, run)) {
            // A word behind a colon, which hides no end of an address that has all its groups.
            match text.rfind(':') {
                Some(end) if !text.contains("::") => text = &text[..end],
                Some(_) | None => return (run, None),
            }
        }
        if matches!(self.class, Class::Version | Class::Id) || text.contains(":::") {
            return (run, None);
        }
        let plain = matches!(self.class, Class::Ip | Class::Host);
        let found = address::v6(text, plain).map(|address| (address, text.len())).or_else(|| {
            // Eight groups and a port, or a port behind a dot.
            let port = text.rfind([':', '.']).filter(|&port| text[port + 1..].parse::<u16>().is_ok())?;
            // Nine short groups are numbers.
            if text.len() - port < 4 && text.split(':').all(|group| group.len() < 3) {
                return None;
            }
            Some((address::v6(&text[..port], plain)?, port))
        });
        let Some((address, length)) = found else { return (run, None) };
        sink.canonical.clear();
        let kind = address::write_v6(address, sink.canonical);
        sink.add_all(kind, self.source.span(start..start + length));
        (run, Some(run))
    }

    /// Where the group of hex digits begins that ends before the colon and stands behind a hyphen, an underscore or a letter of another script.
    fn group_before(&self, colon: usize) -> Option<usize> {
        let head = &self.bytes[..colon];
        let digits = head.iter().rev().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let start = colon - digits;
        let letter = script::letter_before(self.text, start);
        let apart = matches!(letter, '-' | '_') || !(letter.is_ascii() || script::bounds(letter));
        (matches!(digits, 1..=4) && apart).then_some(start)
    }
}

/// What addresses of version four begin with that are translated, RFC 6052.
const TRANSLATED: &str = "64:ff9b:";

/// Whether the word that `head` ends in, but for its colon, ends in hex digits, so that it may be glued to an address whose rest is no address of its own.
fn is_cut(head: &[u8], rest: &str) -> bool {
    let Some(word) = head.strip_suffix(b":") else { return false };
    let digits = word.iter().rev().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (word, group) = word.split_at(word.len() - digits);
    let glued = digits > 0 && word.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    let begins =
        address::begins_v6(rest.split(':').next().unwrap_or_default().as_bytes()) || rest.starts_with(TRANSLATED);
    glued && (address::begins_v6(group) || !begins)
}
