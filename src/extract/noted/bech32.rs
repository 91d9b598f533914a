//! Bitcoin addresses in bech32 and bech32m (BIP 173, BIP 350).

const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Whether it is an address of the main network, in one case throughout, of a length that its version has, with its checksum.
pub(super) fn is_bitcoin(text: &[u8]) -> bool {
    let one_case = !(text.iter().any(u8::is_ascii_lowercase) && text.iter().any(u8::is_ascii_uppercase));
    let Some(data) = text.get(3..).filter(|_| text[..3].eq_ignore_ascii_case(b"bc1") && one_case) else { return false };
    if !(14..=74).contains(&data.len()) {
        return false;
    }
    // What "bc" is expanded to.
    let mut sum = [3, 3, 0, 2, 3].into_iter().fold(1, step);
    let mut version = None;
    for digit in data {
        let digit = digit.to_ascii_lowercase();
        let Some(value) = DIGITS.iter().position(|known| *known == digit) else { return false };
        version.get_or_insert(value);
        sum = step(sum, value as u32);
    }
    // Version, program in groups of five bits, checksum of six.
    let program = (data.len() - 7) * 5 / 8;
    match version {
        Some(0) => sum == 1 && matches!(program, 20 | 32),
        Some(1..=16) => sum == 0x2bc8_30a3 && (2..=40).contains(&program),
        _ => false,
    }
}

fn step(sum: u32, value: u32) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = sum >> 25;
    let next = (sum & 0x01ff_ffff) << 5 ^ value;
    GENERATOR.iter().enumerate().fold(next, |next, (bit, part)| if top >> bit & 1 == 1 { next ^ part } else { next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_checksums_are_told_apart() {
        assert!(is_bitcoin(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"));
        assert!(is_bitcoin(b"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"));
        assert!(!is_bitcoin(b"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj1"));
        assert!(!is_bitcoin(b"bc1") && !is_bitcoin(b"bc1q") && !is_bitcoin(b""));
    }
}
