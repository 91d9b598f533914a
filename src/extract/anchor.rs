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
const HASH: usize = 32;

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
    /// Bytes of the block that still have to be looked at.
    pending: u64,
    /// Those that begin runs of hex digits as long as a hash, and need no look.
    sure: u64,
    /// There are too few colons in the block for an address that has no two side by side.
    few: bool,
    /// Before this, such runs have been looked for.
    hex: usize,
    /// Before this, dots and colons have been looked at.
    dots: usize,
    colons: usize,
    /// Before this, everything has been read.
    done: usize,
}

impl<'a> Anchors<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8], class: Class, escaped: bool) -> Self {
        let (names, any_suffix) = (class.has_names(), class.has_any_suffix());
        let mut anchors = Self {
            bytes,
            escaped,
            names,
            any_suffix,
            base: 0,
            pending: 0,
            sure: 0,
            few: false,
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
            // What follows rules nearly all signs out.
            let fits = SIGN[usize::from(self.bytes[pos])] & BEHIND[usize::from(at(self.bytes, pos + 1))] != 0;
            if pos >= self.done && (sure || (fits && self.look(pos, suffixes))) {
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
        }
    }

    fn load(&mut self) {
        let (mut look, mut dot, mut part, mut slash) = (0_u64, 0_u64, 0_u64, 0_u64);
        let (mut behind, mut form, mut colon) = (0_u64, 0_u64, 0_u64);
        let (mut full, long) = (false, self.bytes.len() >= HASH);
        for index in 0..LANES {
            let start = self.base + index * Lane::LENGTH;
            if start >= self.bytes.len() {
                break;
            }
            let shift = index * Lane::LENGTH;
            let lane = Lane::load(self.bytes, start);
            let folded = lane.with(0x20);
            // Brackets with their closing ones; percent sign to opening parenthesis.
            let brackets = folded.is(b'[' | 0x20) | lane.is(b']');
            let signs = lane.is(b'@') | lane.within(b'%', b'(') | folded.is(b'v') | brackets;
            look |= u64::from(signs.bits()) << shift;
            dot |= u64::from(lane.is(b'.').bits()) << shift;
            colon |= u64::from(lane.is(b':').bits()) << shift;
            if long {
                // Wherever it begins, the run of a hash fills a lane.
                full |= (folded.within(b'a', b'f') | lane.within(b'0', b'9')).bits() == 0xffff;
            }
            // No part of a name is below the hyphen; what else is not is sorted out by a look.
            part |= u64::from(lane.from(b'-').bits()) << shift;
            if lane.wide().bits() != 0 {
                look |= u64::from((lane.is(0xe2) | lane.is(0xe3) | lane.is(0xef)).bits()) << shift;
            }
            let slashes = lane.is(b'\\').bits();
            if slashes != 0 {
                slash |= u64::from(slashes) << shift;
                behind |= u64::from(lane.is(b'u').bits()) << shift;
                form |= u64::from((lane.is(b'.') | lane.is(b'(') | brackets).bits()) << shift;
            }
        }
        if slash != 0 {
            // What stands beyond the lane is not known yet.
            const NEXT: u64 = 0x8000_8000_8000_8000;
            const AFTER: u64 = NEXT | NEXT >> 1;
            look |= if self.escaped {
                slash & (behind >> 1 | NEXT) | slash & (slash >> 1 | NEXT) & (form >> 2 | AFTER)
            } else {
                slash & ((slash | form) >> 1 | NEXT)
            };
        }
        self.sure = 0;
        if full {
            self.long_hex();
        }
        // Of the two blocks that an address without `::` may stand in one has half of its six colons at least.
        self.few = colon.count_ones() < 3;
        // A dot counts between two parts of names; what stands beyond the block is not known yet.
        self.pending = look | colon | dot & (part << 1 | 1) & (part >> 1 | 1 << 63);
    }

    /// Marks the runs of hex digits that are as long as a hash and fill a lane of the block.
    #[inline(never)]
    fn long_hex(&mut self) {
        let is_hex = |byte: &&u8| byte.is_ascii_hexdigit();
        for lane in (self.base..self.base + BLOCK).step_by(Lane::LENGTH) {
            if lane >= self.hex {
                let Some((head, tail)) = self.bytes.split_at_checked(lane) else { return };
                let more = tail.iter().take_while(is_hex).count();
                let back = head.iter().rev().take(HASH).take_while(is_hex).count();
                if more < Lane::LENGTH || back + more < HASH {
                    continue;
                }
                self.hex = lane + more;
                // One that began in a block before is marked where this one begins.
                self.sure |= 1 << (lane - back).saturating_sub(self.base);
            } else {
                self.sure |= 1 << (lane - self.base);
            }
        }
    }

    fn is_part(&self, byte: u8) -> bool {
        if self.names { is_word(byte) } else { byte.is_ascii_digit() }
    }

    fn look(&mut self, pos: usize, suffixes: &mut Suffixes) -> bool {
        let bytes = self.bytes;
        match bytes[pos] {
            b'.' => {
                pos >= self.dots
                    && self.is_part(before(bytes, pos))
                    && self.is_part(at(bytes, pos + 1))
                    && self.is_dot(pos, suffixes)
            }
            b':' => self.is_colon(pos),
            b'@' => {
                let last = before(bytes, pos);
                (email::is_local(last) || last == b'=') && is_word(at(bytes, pos + 1))
            }
            b']' => before(bytes, pos) == b'.' || refang::is_form(bytes, pos),
            b'v' | b'V' => is_weakness(bytes, pos),
            b'\\' if self.escaped => match at(bytes, pos + 1) {
                b'u' => true,
                // Every part of a path is behind two of them.
                b'\\' => matches!(at(bytes, pos + 2), b'.' | b'[' | b'(') && is_word(before(bytes, pos)),
                _ => false,
            },
            b'\\' => refang::is_form(bytes, pos),
            // Opening brackets, encodings, lead bytes of full-width dots and of spaces.
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
        let word = &rest[..length];
        // Where a name ends among other scripts takes more than a look to say.
        if self.any_suffix || !word.is_ascii() {
            return true;
        }
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
        if !(next == b':' || (!self.few && next.is_ascii_hexdigit() && previous.is_ascii_hexdigit())) {
            return false;
        }
        let length = rest.iter().take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')).count();
        self.colons = pos + 1 + length;
        // Some of the colons may stand in the block before, which has too few by itself.
        let head = self.bytes[..pos]
            .iter()
            .rev()
            .take(BLOCK)
            .take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
        let run = &self.bytes[pos - head.count()..pos + 1 + length];
        let glued = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let short = memchr::memmem::find(run, b"::").is_some();
        // A word may be glued to an address that has all its groups.
        if glued(at(rest, length)) { !short && colons(run) >= 8 } else { short || colons(run) >= 6 }
    }
}

fn colons(run: &[u8]) -> usize {
    memchr::memchr_iter(b':', run).count()
}

/// What the bytes that may be anchors are, one bit for each kind.
const SIGN: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'.' => 1,
            b':' => 2,
            b'[' | b'(' | b'{' => 4,
            b'@' => 8,
            b'%' | b'&' => 16,
            b'v' | b'V' => 32,
            b']' | b'\\' | 0x80.. => 64,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Which kinds a byte may follow.
const BEHIND: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let next = byte as u8;
        let mut kinds = 64;
        if is_word(next) {
            kinds |= 1 | 8;
        }
        if next.is_ascii_hexdigit() || matches!(next, b':' | b'/' | b'\\') {
            kinds |= 2;
        }
        if matches!(
            next,
            b'.' | b'd' | b'D' | b'p' | b'P' | b'a' | b'A' | b'@' | b':' | b'/' | b' ' | b'[' | b'(' | b'{'
        ) {
            kinds |= 4;
        }
        if matches!(next, b'#' | b'3') {
            kinds |= 16;
        }
        if matches!(next, b'e' | b'E') {
            kinds |= 32;
        }
        table[byte] = kinds;
        byte += 1;
    }
    table
};

/// Letters, digits, hyphens, underscores and other scripts.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || !byte.is_ascii()
}

/// The `V` of `CVE-2021-44228`.
fn is_weakness(bytes: &[u8], pos: usize) -> bool {
    let sign = at(bytes, pos + 2);
    at(bytes, pos + 1) | 0x20 == b'e'
        && matches!(sign, b'-' | b'_')
        && before(bytes, pos) | 0x20 == b'c'
        && at(bytes, pos + 3).is_ascii_digit()
        && at(bytes, pos + 7) == sign
}
