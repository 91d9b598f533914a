//! Addresses of coins whose checksum is a hash.

use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

/// Bytes of a Bitcoin address with version and checksum.
const LENGTH: usize = 25;

/// Digits of Base58.
const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Bytes of the checksum at the end of an address.
const CHECK: usize = 4;

/// Whether it is a Bitcoin address in Base58Check: version 0 or 5, and the first bytes of the double hash at the end.
pub(super) fn is_base58(text: &[u8]) -> bool {
    if !(26..=35).contains(&text.len()) || !matches!(text[0], b'1' | b'3') {
        return false;
    }
    let mut bytes = [0_u8; LENGTH];
    for digit in text {
        let Some(value) = DIGITS.iter().position(|known| known == digit) else { return false };
        let mut carry = value as u32;
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return false;
        }
    }
    // A leading zero is written as a leading 1, and neither more nor fewer.
    let ones = text.iter().take_while(|digit| **digit == b'1').count();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let (body, check) = bytes.split_at(LENGTH - CHECK);
    ones == zeros && matches!(body[0], 0 | 5) && Sha256::digest(Sha256::digest(body)).starts_with(check)
}

/// Whether it is an Ethereum address with the capitals of EIP-55.
pub(super) fn is_eth(text: &[u8]) -> bool {
    let Some(digits) = text.strip_prefix(b"0x").filter(|digits| digits.len() == 40) else { return false };
    let mixed = digits.iter().any(u8::is_ascii_lowercase) && digits.iter().any(u8::is_ascii_uppercase);
    if !mixed || !digits.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    let hash = Keccak256::digest(digits.to_ascii_lowercase());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .iter()
        .zip(nibbles)
        .all(|(digit, nibble)| !digit.is_ascii_alphabetic() || digit.is_ascii_uppercase() == (nibble > 7))
}

/// Whether it is a Monero address of the main network, a standard one, one of a subaddress or an integrated one: blocks of eight bytes in
/// eleven digits, the first bytes of the hash of all others at the end.
pub(super) fn is_monero(text: &[u8]) -> bool {
    // Bytes and digits of a block, and of the last one.
    const BLOCK: (usize, usize) = (8, 11);
    const LAST: (usize, usize) = (5, 7);
    // Of an integrated address, the longest.
    const BYTES: usize = 77;
    if !matches!(text.len(), 95 | 106) || !matches!(text[0], b'4' | b'8') {
        return false;
    }
    let mut bytes = [0_u8; BYTES];
    let mut length = 0;
    for digits in text.chunks(BLOCK.1) {
        let size = if digits.len() == BLOCK.1 { BLOCK.0 } else { LAST.0 };
        let mut value = 0_u128;
        for digit in digits {
            let Some(position) = DIGITS.iter().position(|known| known == digit) else { return false };
            value = value * 58 + position as u128;
        }
        // Whether it fits into its bytes.
        if value >> (8 * size) != 0 || !matches!(digits.len(), 11 | 7) {
            return false;
        }
        bytes[length..length + size].copy_from_slice(&value.to_be_bytes()[16 - size..]);
        length += size;
    }
    let (body, check) = bytes[..length].split_at(length - CHECK);
    let network = matches!((body[0], length), (18 | 42, 69) | (19, BYTES));
    network && Keccak256::digest(body).starts_with(check)
}
