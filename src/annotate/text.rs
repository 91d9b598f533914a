//! Scores and times as people and dashboards read them.

use std::{fmt, io::Write};

use jiff::Timestamp;

/// A score as text, held inline. Scores are rounded here and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScoreText {
    bytes: [u8; 5],
    len: usize,
}

impl ScoreText {
    /// With exactly one decimal: `70.0`. Values outside 0..=100 are brought to the nearer end, no number to 0.
    pub fn fixed(score: f64) -> Self {
        let tenths = tenths(score);
        let mut itoa = itoa::Buffer::new();
        let whole = itoa.format(tenths / 10).as_bytes();
        let mut text = Self { bytes: [0; 5], len: 0 };
        for &byte in whole.iter().chain(&[b'.', b'0' + u8::try_from(tenths % 10).unwrap_or(0)]) {
            if let Some(slot) = text.bytes.get_mut(text.len) {
                *slot = byte;
                text.len += 1;
            }
        }
        text
    }

    /// With one decimal at most: `70`, `70.5`.
    pub fn short(score: f64) -> Self {
        let mut text = Self::fixed(score);
        if text.as_bytes().ends_with(b".0") {
            text.len -= 2;
        }
        text
    }

    /// The digits.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Display for ScoreText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for ScoreText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn tenths(score: f64) -> u16 {
    let tenths = (score.clamp(0.0, 100.0) * 10.0).round();
    // In 0..=1000, or not a number, which the cast makes 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped above")]
    let tenths = tenths as u16;
    tenths
}

/// Appends a time in RFC 3339, UTC, with milliseconds; nothing where the calendar does not reach.
pub(super) fn millis(out: &mut Vec<u8>, ms: i64) {
    if let Ok(time) = Timestamp::from_millisecond(ms) {
        // Writing to a vector does not fail.
        write!(out, "{time:.3}").unwrap_or_default();
    }
}

/// Appends a time in RFC 3339, UTC, whole seconds, rounded up: something that may happen then may not happen earlier.
pub(super) fn seconds_up(out: &mut Vec<u8>, ms: i64) {
    let second = ms.div_euclid(1000) + i64::from(ms.rem_euclid(1000) > 0);
    if let Ok(time) = Timestamp::from_second(second) {
        write!(out, "{time:.0}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_one_decimal_or_none() {
        let rows = [
            (0.0, "0.0", "0"),
            (70.0, "70.0", "70"),
            (27.333, "27.3", "27.3"),
            (99.95, "100.0", "100"),
            (0.04, "0.0", "0"),
            (100.0, "100.0", "100"),
            (1e9, "100.0", "100"),
            (-1.0, "0.0", "0"),
            (f64::NAN, "0.0", "0"),
        ];
        for (score, fixed, short) in rows {
            assert_eq!(ScoreText::fixed(score).to_string(), fixed, "{score}");
            assert_eq!(ScoreText::short(score).to_string(), short, "{score}");
        }
    }

    #[test]
    fn times_are_utc() {
        let text = |write: fn(&mut Vec<u8>, i64), ms| {
            let mut out = Vec::new();
            write(&mut out, ms);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(millis, 1_795_423_057_412), "2026-11-23T08:37:37.412Z");
        assert_eq!(text(millis, 1_795_423_057_000), "2026-11-23T08:37:37.000Z");
        assert_eq!(text(seconds_up, 1_795_423_057_000), "2026-11-23T08:37:37Z");
        assert_eq!(text(seconds_up, 1_795_423_057_001), "2026-11-23T08:37:38Z");
        assert_eq!(text(seconds_up, -1), "1970-01-01T00:00:00Z");
        assert_eq!(text(millis, i64::MAX), "");
        assert_eq!(text(seconds_up, i64::MAX), "");
    }
}
