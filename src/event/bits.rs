//! What kinds of bytes a string holds, gathered while its end is looked for; lets most strings be passed over unread.

/// The set of byte classes seen in a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits(u8);

impl Bits {
    /// `.`
    pub const DOT: u8 = 1;
    /// `:`
    pub const COLON: u8 = 2;
    /// `@`
    pub const AT: u8 = 4;
    /// An opening bracket of any shape, or `]`: the sign of a defanged form.
    pub const BRACKET: u8 = 8;
    /// A byte that is not ASCII.
    pub const WIDE: u8 = 16;
    /// `-`
    pub const DASH: u8 = 32;
    /// `\`
    pub const BACKSLASH: u8 = 64;
    /// A byte at which the reader has to look: `"` or a control character.
    pub(crate) const STOP: u8 = 128;

    /// The classes of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0, |bits, &byte| bits | Self::class(byte)))
    }

    pub(crate) const fn new(bits: u8) -> Self {
        Self(bits)
    }

    /// The classes of one byte.
    #[inline(always)]
    pub(crate) const fn class(byte: u8) -> u8 {
        CLASS[byte as usize]
    }

    /// Whether any of `mask` was seen.
    pub const fn any(self, mask: u8) -> bool {
        self.0 & mask != 0
    }
}

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'.' => Bits::DOT,
            b':' => Bits::COLON,
            b'@' => Bits::AT,
            b'[' | b'(' | b'{' | b']' => Bits::BRACKET,
            b'-' => Bits::DASH,
            b'\\' => Bits::BACKSLASH,
            b'"' | 0..=0x1f => Bits::STOP,
            0x80..=0xff => Bits::WIDE,
            _ => 0,
        };
        byte += 1;
    }
    table
};
