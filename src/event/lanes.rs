//! Bytes side by side: which of a block are of a kind, as a bit mask whose lowest bit is the first byte.
//!
//! The types of `wide` use what every processor of the target has (SSE2, NEON) and plain arrays elsewhere.

use wide::u8x16;

/// Sixteen bytes; beyond the end of the text they are NUL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane(u8x16);

/// A mark for each of sixteen bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks(u8x16);

impl Lane {
    /// Bytes of a lane.
    pub(crate) const LENGTH: usize = 16;

    /// The bytes from `start` on.
    #[inline(always)]
    pub(crate) fn load(bytes: &[u8], start: usize) -> Self {
        let rest = bytes.get(start..).unwrap_or_default();
        match rest.first_chunk::<{ Self::LENGTH }>() {
            Some(full) => Self(u8x16::from(*full)),
            None => Self::last(rest),
        }
    }

    /// Fewer than sixteen bytes, by two reads that overlap.
    #[inline]
    fn last(rest: &[u8]) -> Self {
        let length = rest.len() as u32;
        let word = if let (Some(head), Some(tail)) = (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
            u128::from(u64::from_le_bytes(*head)) | u128::from(u64::from_le_bytes(*tail)) << (8 * (length - 8))
        } else if let (Some(head), Some(tail)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            u128::from(u32::from_le_bytes(*head)) | u128::from(u32::from_le_bytes(*tail)) << (8 * (length - 4))
        } else {
            rest.iter().rev().fold(0, |word, &byte| word << 8 | u128::from(byte))
        };
        Self(u8x16::from(word.to_le_bytes()))
    }

    /// Which bytes are `byte`.
    #[inline(always)]
    pub(crate) fn is(self, byte: u8) -> Marks {
        Marks(self.0.simd_eq(u8x16::splat(byte)))
    }

    /// Which bytes are from `low` to `high`.
    #[inline(always)]
    pub(crate) fn within(self, low: u8, high: u8) -> Marks {
        let offset = self.0 - u8x16::splat(low);
        Marks(offset.min(u8x16::splat(high - low)).simd_eq(offset))
    }

    /// Which bytes are `low` or more.
    #[inline(always)]
    pub(crate) fn from(self, low: u8) -> Marks {
        Marks(self.0.max(u8x16::splat(low)).simd_eq(self.0))
    }

    /// The bytes with this bit set in each: `0x20` makes letters lower case.
    #[inline(always)]
    pub(crate) fn with(self, bit: u8) -> Self {
        Self(self.0 | u8x16::splat(bit))
    }

    /// Which bytes are not ASCII.
    #[inline(always)]
    pub(crate) fn wide(self) -> Marks {
        Marks(self.0)
    }
}

impl std::ops::BitOr for Marks {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Marks {
    /// One bit a byte.
    #[inline(always)]
    pub(crate) fn bits(self) -> u32 {
        self.0.to_bitmask()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_those_of_single_bytes() {
        let bytes: Vec<u8> = (0..=255).chain(0..10).collect();
        for start in 0..=bytes.len() {
            let lane = Lane::load(&bytes, start);
            for at in 0..Lane::LENGTH {
                let byte = bytes.get(start + at).copied().unwrap_or(0);
                let is = |marks: Marks| marks.bits() >> at & 1 == 1;
                assert_eq!(is(lane.is(b'.')), byte == b'.');
                assert_eq!(is(lane.within(b'0', b'9')), byte.is_ascii_digit());
                assert_eq!(is(lane.from(b'-')), byte >= b'-');
                assert_eq!(is(lane.with(0x20).within(b'a', b'z')), byte.is_ascii_alphabetic());
                assert_eq!(is(lane.wide()), !byte.is_ascii());
                assert_eq!(is(lane.is(b'a') | lane.is(0)), byte == b'a' || byte == 0);
            }
        }
    }
}
