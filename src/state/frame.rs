//! The frame of a value: a version and a checksum before the body.
//!
//! Form: `V;XXXXXXXX;BODY`, the version in decimal, then CRC-32 in hex over key and body. Text, so that a reader of the topic sees what stands there.
//!
//! CRC-32 is for damage and accidents (a foreign producer, a value under another's key), not against forgery: who may write the topic is decided
//! by the brokers' access lists. It comes with a crate that is there already for gzip, is fast enough for millions of records, and is known everywhere.

use crc32fast::Hasher;

/// Why a value is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// Written by a version of the product that is not known here.
    Version,
    /// Not ours, or damaged.
    Corrupt,
}

impl Unreadable {
    /// Every reason.
    pub const ALL: [Self; 2] = [Self::Version, Self::Corrupt];

    /// The `reason` of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Corrupt => "corrupt",
        }
    }
}

/// The value for a body under this key.
pub fn encode(version: u32, key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = format!("{version};{:08x};", checksum(key, body)).into_bytes();
    value.extend_from_slice(body);
    value
}

/// The body of a value, if it is of this version and whole.
///
/// # Errors
/// [`Unreadable`]. A version is believed only if it looks like one; a later one may have another form after it.
pub fn decode<'a>(version: u32, key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Unreadable> {
    let at = value.iter().take(11).position(|byte| *byte == b';').ok_or(Unreadable::Corrupt)?;
    let (number, rest) = value.split_at(at);
    if number.is_empty() || !number.iter().all(u8::is_ascii_digit) {
        return Err(Unreadable::Corrupt);
    }
    let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<u32>().ok());
    if number != Some(version) {
        return Err(Unreadable::Version);
    }
    let (sum, body) = rest.get(1..).and_then(|rest| rest.split_at_checked(8)).ok_or(Unreadable::Corrupt)?;
    let body = body.strip_prefix(b";").ok_or(Unreadable::Corrupt)?;
    let sum = std::str::from_utf8(sum).ok().and_then(|sum| u32::from_str_radix(sum, 16).ok());
    if sum == Some(checksum(key, body)) { Ok(body) } else { Err(Unreadable::Corrupt) }
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(key);
    // Bytes must not wander between key and body unnoticed.
    hasher.update(&[0]);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_text_and_is_read_back() {
        let value = encode(1, b"key", b"{\"a\":1}");
        assert_eq!(String::from_utf8_lossy(&value), "1;b8cb69fb;{\"a\":1}");
        assert_eq!(decode(1, b"key", &value), Ok(&b"{\"a\":1}"[..]));
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        let good = encode(1, b"key", b"body");
        let rows: [(&str, &[u8], &[u8], Unreadable); 9] = [
            ("another key", b"other", &good, Unreadable::Corrupt),
            ("empty", b"key", b"", Unreadable::Corrupt),
            ("no version", b"key", b";00000000;body", Unreadable::Corrupt),
            ("a later version", b"key", b"2;anything at all", Unreadable::Version),
            ("a much later version", b"key", b"4294967296;x", Unreadable::Version),
            ("JSON", b"key", b"{\"a\":\"1;2\"}", Unreadable::Corrupt),
            ("cut", b"key", b"1;0000", Unreadable::Corrupt),
            ("no end of the sum", b"key", b"1;00000000body", Unreadable::Corrupt),
            ("a sum that is none", b"key", b"1;+0000000;body", Unreadable::Corrupt),
        ];
        for (name, key, value, expected) in rows {
            assert_eq!(decode(1, key, value), Err(expected), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_bit_does_not_pass(body in proptest::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut value = encode(1, b"key", &body);
            let at = at.index(value.len());
            value[at] ^= 1 << bit;
            // The case of a hex digit is all that may change.
            let same = value.eq_ignore_ascii_case(&encode(1, b"key", &body)) && (2..10).contains(&at);
            prop_assert!(same || decode(1, b"key", &value).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            decode(1, b"k", &bytes).ok();
        }
    }
}
