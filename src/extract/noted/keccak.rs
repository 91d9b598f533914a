//! Keccak-256 as Ethereum uses it, of short messages.

/// Bytes that a block takes in.
const RATE: usize = 136;

#[rustfmt::skip]
const ROUNDS: [u64; 24] = [
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a, 0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
];
const TURNS: [u32; 24] = [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];
const PLACES: [usize; 24] = [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];

/// The hash of a message of fewer than 136 bytes, which is one block; of a longer one that of its beginning.
pub(super) fn keccak256(message: &[u8]) -> [u8; 32] {
    let message = &message[..message.len().min(RATE - 1)];
    let mut block = [0_u8; RATE];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] = 1;
    block[RATE - 1] |= 0x80;
    let mut state = [0_u64; 25];
    for (lane, bytes) in state.iter_mut().zip(block.as_chunks::<8>().0) {
        *lane = u64::from_le_bytes(*bytes);
    }
    for constant in ROUNDS {
        round(&mut state, constant);
    }
    let mut out = [0; 32];
    for (bytes, lane) in out.as_chunks_mut::<8>().0.iter_mut().zip(state) {
        *bytes = lane.to_le_bytes();
    }
    out
}

fn round(state: &mut [u64; 25], constant: u64) {
    let mut parity = [0_u64; 5];
    for (at, lane) in state.iter().enumerate() {
        parity[at % 5] ^= lane;
    }
    for (at, lane) in state.iter_mut().enumerate() {
        *lane ^= parity[(at + 4) % 5] ^ parity[(at + 1) % 5].rotate_left(1);
    }
    let mut moving = state[1];
    for (place, turn) in PLACES.into_iter().zip(TURNS) {
        moving = std::mem::replace(&mut state[place], moving.rotate_left(turn));
    }
    for row in state.as_chunks_mut::<5>().0 {
        let old = *row;
        for (at, lane) in row.iter_mut().enumerate() {
            *lane = old[at] ^ !old[(at + 1) % 5] & old[(at + 2) % 5];
        }
    }
    state[0] ^= constant;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nothing_is_known() {
        let hex: String = keccak256(b"").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    }
}
