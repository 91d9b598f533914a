//! Where in a text something may stand: the places at which a reader has to look, found sixteen bytes at a time.
//!
//! An anchor is the one byte without which a form cannot be: the dot of a name or an address, the `@` of a mailbox, the colon of a
//! URL, the bracket of a defanged dot, a long run of hex digits. What is no anchor is never read again; what is one costs a look at
//! what stands around it. It may be wrong in one direction only: an anchor that leads to nothing.

use crate::{
    event::lanes::Lane,
    extract::{
        context::{at, before},
        email,
        field::Class,
        name::Suffixes,
        refang,
    },
};

/// Bytes that are looked at together.
const BLOCK: usize = 64;
const LANES: usize = BLOCK / Lane::LENGTH;
/// The shortest hash.
const HASH: u32 = 32;

/// The anchors of one text.
#[derive(Debug)]
pub(super) struct Anchors<'a> {
    bytes: &'a [u8],
    /// JSON escapes are not undone yet: any character may hide behind `\u`.
    escaped: bool,
    names: bool,
    any_suffix: bool,
    /// Start of the block at hand.
    base: usize,
    /// Bytes of the block that still have to be looked at, and those that are anchors without a look.
    pending: u64,
    sure: u64,
    /// Hex digits at the end of the block before.
    hex: u32,
    /// Before this, dots and colons have been looked at.
    dots: usize,
    colons: usize,
    /// Before this, everything has been read.
    done: usize,
}

impl<'a> Anchors<'a> {
    pub(super) fn new(bytes: &'a [u8], class: Class, escaped: bool) -> Self {
        let names = matches!(class, Class::Host | Class::Url | Class::Machine | Class::Text | Class::Command);
        let any_suffix = matches!(class, Class::Host | Class::Url);
        let mut anchors = Self {
            bytes,
            escaped,
            names,
            any_suffix,
            base: 0,
            pending: 0,
            sure: 0,
            hex: 0,
            dots: 0,
            colons: 0,
            done: 0,
        };
        anchors.load();
        anchors
    }

    /// The next anchor.
    pub(super) fn next(&mut self, suffixes: &mut Suffixes) -> Option<usize> {
        loop {
            let open = self.pending | self.sure;
            if open == 0 {
                self.base += BLOCK;
                if self.base >= self.bytes.len() {
                    return None;
                }
                self.load();
                continue;
            }
            let bit = open & open.wrapping_neg();
            let pos = self.base + open.trailing_zeros() as usize;
            let sure = self.sure & bit != 0;
            self.pending &= !bit;
            self.sure &= !bit;
            if pos >= self.done && (sure || self.look(pos, suffixes)) {
                return Some(pos);
            }
        }
    }

    /// Everything before `end` has been read.
    pub(super) fn pass(&mut self, end: usize) {
        self.done = end;
        if end >= self.base + BLOCK {
            self.pending = 0;
            self.sure = 0;
            // The block before the one with `end`, as the next one is loaded at once.
            self.base = (end - end % BLOCK) - BLOCK;
            self.hex = 0;
        }
    }

    fn load(&mut self) {
        let mut look = [0_u32; LANES];
        let (mut hex, mut dot, mut part) = (look, look, look);
        let (mut slash, mut behind, mut bracket) = (look, look, look);
        for index in 0..LANES {
            let start = self.base + index * Lane::LENGTH;
            if start >= self.bytes.len() {
                break;
            }
            let lane = Lane::load(self.bytes, start);
            let folded = lane.with(0x20);
            let digit = lane.within(b'0', b'9');
            let wide = lane.wide();
            // Brackets with their closing ones; percent sign to opening parenthesis.
            let brackets = folded.is(b'[' | 0x20) | lane.is(b']');
            let signs = lane.is(b'@') | lane.is(b':') | lane.within(b'%', b'(') | brackets | lane.is(b'-');
            let mut marks = signs.bits();
            if wide.bits() != 0 {
                marks |= (lane.is(0xe2) | lane.is(0xe3) | lane.is(0xef)).bits();
            }
            look[index] = marks;
            slash[index] = lane.is(b'\\').bits();
            dot[index] = lane.is(b'.').bits();
            if slash[index] != 0 {
                behind[index] = lane.is(b'u').bits();
                bracket[index] = (lane.is(b'(') | brackets).bits();
            }
            hex[index] = (folded.within(b'a', b'f') | digit).bits();
            part[index] = if self.names {
                (folded.within(b'a', b'z') | digit | wide | lane.is(b'_') | lane.is(b'-')).bits()
            } else {
                digit.bits()
            };
        }
        let (slash, mut slashes) = (join(slash), 0);
        if slash != 0 {
            // What stands beyond the lane is not known yet.
            const NEXT: u64 = 0x8000_8000_8000_8000;
            const AFTER: u64 = NEXT | NEXT >> 1;
            let form = join(dot) | join(bracket);
            slashes = if self.escaped {
                slash & (join(behind) >> 1 | NEXT) | slash & (slash >> 1 | NEXT) & (form >> 2 | AFTER)
            } else {
                slash & ((slash | form) >> 1 | NEXT)
            };
        }
        // A dot counts between two parts of names, or two digits; what stands beyond the block is not known yet.
        let part = join(part);
        let carry = u64::from(self.is_part(before(self.bytes, self.base)));
        self.pending = join(look) | slashes | join(dot) & (part << 1 | carry) & (part >> 1 | 1 << 63);
        self.sure = self.long_hex(join(hex));
    }

    fn is_part(&self, byte: u8) -> bool {
        if self.names { is_word(byte) } else { byte.is_ascii_digit() }
    }

    /// Where the runs of hex digits that are as long as a hash begin in the block.
    fn long_hex(&mut self, hex: u64) -> u64 {
        let lead = hex.trailing_ones();
        let crosses = lead > 0 && self.hex + lead >= HASH;
        self.hex = if hex == u64::MAX { self.hex.saturating_add(64) } else { hex.leading_ones() };
        if hex.count_ones() < HASH {
            return u64::from(crosses);
        }
        let mut run = hex;
        for shift in [1, 2, 4, 8, 16] {
            run &= run >> shift;
        }
        run & run.wrapping_neg() | u64::from(crosses)
    }

    fn look(&mut self, pos: usize, suffixes: &mut Suffixes) -> bool {
        let bytes = self.bytes;
        match bytes[pos] {
            b'.' => pos >= self.dots && self.is_dot(pos, suffixes),
            b':' => self.is_colon(pos),
            b'@' => email::is_local(before(bytes, pos)) && is_word(at(bytes, pos + 1)),
            b'\'' => false,
            b'%' | b'&' => matches!(at(bytes, pos + 1), b'#' | b'3') && refang::is_form(bytes, pos),
            b'[' | b'(' | b'{' => refang::is_form(bytes, pos),
            b']' => before(bytes, pos) == b'.' || refang::is_form(bytes, pos),
            b'-' => is_weakness(bytes, pos),
            b'\\' if self.escaped => match at(bytes, pos + 1) {
                b'u' => true,
                // Every part of a path is behind two of them.
                b'\\' => matches!(at(bytes, pos + 2), b'.' | b'[' | b'(') && is_word(before(bytes, pos)),
                _ => false,
            },
            b'\\' => refang::is_form(bytes, pos),
            // Lead bytes of full-width dots and of spaces.
            _ => refang::is_form(bytes, pos),
        }
    }

    /// A dot in what may be a name under a public suffix, or an address.
    fn is_dot(&mut self, pos: usize, suffixes: &mut Suffixes) -> bool {
        let rest = &self.bytes[pos..];
        let (mut length, mut last, mut quads) = (1, 0, 0);
        while let Some(&byte) = rest.get(length) {
            if byte == b'.' {
                if at(rest, length + 1).is_ascii_digit() {
                    quads += 1;
                }
                last = length;
            } else if !is_word(byte) {
                break;
            }
            length += 1;
        }
        self.dots = pos + length;
        if quads >= 2 {
            return true;
        }
        if !self.names {
            return false;
        }
        if self.any_suffix {
            return true;
        }
        let word = &rest[..length];
        // Signs at the end are none of the name's.
        let end = length - word.iter().rev().take_while(|byte| matches!(byte, b'.' | b'-' | b'_')).count();
        if end <= last {
            let word = &word[..end];
            let Some(dot) = memchr::memrchr(b'.', word) else { return false };
            return suffixes.may_be(&word[dot + 1..]);
        }
        suffixes.may_be(&word[last + 1..end])
    }

    /// Whether slashes behind backslashes follow the colon, or two backslashes that stand for slashes.
    fn is_slashes(&self, colon: usize) -> bool {
        let rest = &self.bytes[colon + 1..];
        let depth = rest.iter().take(9).take_while(|byte| **byte == b'\\').count();
        let scheme = matches!(before(self.bytes, colon) | 0x20, b'p' | b's');
        at(rest, depth) == b'/' || (scheme && depth >= if self.escaped { 4 } else { 2 })
    }

    /// The colon of a URL, or one of an address of version six.
    fn is_colon(&mut self, pos: usize) -> bool {
        let rest = &self.bytes[pos + 1..];
        if rest.starts_with(b"//") || (at(rest, 0) == b'\\' && self.is_slashes(pos)) {
            return true;
        }
        if pos < self.colons {
            return false;
        }
        let next = at(rest, 0);
        let previous = before(self.bytes, pos);
        if !(next == b':' || (next.is_ascii_hexdigit() && previous.is_ascii_hexdigit())) {
            return false;
        }
        let length = rest.iter().take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')).count();
        self.colons = pos + 1 + length;
        let run = &self.bytes[pos..pos + 1 + length];
        let glued = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let enough = || memchr::memmem::find(run, b"::").is_some() || memchr::memchr_iter(b':', run).count() >= 6;
        !glued(at(rest, length)) && enough()
    }
}

fn join(lanes: [u32; LANES]) -> u64 {
    lanes.into_iter().rev().fold(0, |bits, lane| bits << Lane::LENGTH | u64::from(lane))
}

/// Letters, digits, hyphens, underscores and other scripts.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || !byte.is_ascii()
}

/// The first hyphen of `CVE-2021-44228`.
fn is_weakness(bytes: &[u8], pos: usize) -> bool {
    matches!(before(bytes, pos), b'e' | b'E')
        && pos.checked_sub(3).is_some_and(|start| bytes[start..pos].eq_ignore_ascii_case(b"cve"))
        && at(bytes, pos + 1).is_ascii_digit()
        && at(bytes, pos + 5) == b'-'
}
