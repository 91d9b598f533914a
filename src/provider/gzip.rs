//! Decompression with a bound on what comes out.
//!
//! The work is bounded by the caller's cap on what goes in and by `cap` on what comes out, so that it is done in place.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Why nothing came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GunzipError {
    /// More than the cap would come out.
    TooLarge,
    /// The bytes are no complete gzip stream.
    Damaged,
}

/// Decompresses `compressed` to at most `cap` bytes.
pub(crate) fn gunzip(compressed: &[u8], cap: usize) -> Result<Vec<u8>, GunzipError> {
    let mut plain = Vec::new();
    let limit = u64::try_from(cap).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(compressed).take(limit).read_to_end(&mut plain).map_err(|_| GunzipError::Damaged)?;
    if plain.len() > cap { Err(GunzipError::TooLarge) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_cap_is_exact() {
        let compressed = gzip(&[b'a'; 1000]);
        assert_eq!(gunzip(&compressed, 1000), Ok(vec![b'a'; 1000]));
        assert_eq!(gunzip(&compressed, 999), Err(GunzipError::TooLarge));
    }

    #[test]
    fn a_cut_or_foreign_stream_is_damaged() {
        let compressed = gzip(&[b'a'; 1000]);
        assert_eq!(gunzip(&compressed[..compressed.len() - 4], 1000), Err(GunzipError::Damaged));
        assert_eq!(gunzip(b"{}", 1000), Err(GunzipError::Damaged));
    }
}
