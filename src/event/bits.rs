//! What kinds of bytes a string holds, gathered while its end is looked for; lets most strings be passed over unread.

use crate::event::lanes::{Lane, Marks};

/// The set of byte classes seen in a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits(u8);

impl Bits {
    /// A sign of an indicator: `.`, `:`, `@`, a bracket or a backtick, a byte that is not ASCII.
    pub const SIGN: u8 = 1;
    /// `\`
    pub const BACKSLASH: u8 = 2;

    /// The classes of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut bits = 0;
        for start in (0..bytes.len()).step_by(Lane::LENGTH) {
            let lane = Lane::load(bytes, start);
            bits |= u8::from(signs(lane).bits() != 0) | u8::from(lane.is(b'\\').bits() != 0) << 1;
        }
        Self(bits)
    }

    pub(crate) const fn new(sign: bool, backslash: bool) -> Self {
        Self(sign as u8 | (backslash as u8) << 1)
    }

    /// Whether any of `mask` was seen.
    pub const fn any(self, mask: u8) -> bool {
        self.0 & mask != 0
    }
}

/// Which bytes are signs. A bit that case differs in is ignored: one comparison does for `[` and `{`, `]` and `}`, `@` and a backtick.
#[inline(always)]
pub(super) fn signs(lane: Lane) -> Marks {
    let folded = lane.with(0x20);
    lane.is(b'.')
        | lane.is(b':')
        | lane.is(b'(')
        | folded.is(b'@' | 0x20)
        | folded.is(b'[' | 0x20)
        | folded.is(b']' | 0x20)
        | lane.wide()
}
