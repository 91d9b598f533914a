//! Durations and sizes as text: `"1m30s"`, `"200ms"`, `"64MiB"`.

use std::time::Duration;

/// Why a text is no duration or size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnitError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// `2`: seconds or hours?
    #[error("has no unit")]
    NoUnit,
    /// `2 parsecs`.
    #[error("has a unit that is not known")]
    UnknownUnit,
    /// `s`, `-2s`, `1.5s`.
    #[error("has no whole number before its unit")]
    NoNumber,
    /// `1s1m`, `1m1m`.
    #[error("does not go from the largest unit to the smallest")]
    Order,
    /// More than the type holds.
    #[error("is too large")]
    TooLarge,
}

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const SIZE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Whole numbers with the units `d h m s ms`, from the largest to the smallest, each once: `1m30s`.
pub(super) fn duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(UnitError::Empty);
    }
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let (number, unit, after) = part(rest)?;
        let factor = factor(unit, &DURATION_UNITS)?;
        if factor >= smallest {
            return Err(UnitError::Order);
        }
        smallest = factor;
        let milliseconds = number.checked_mul(factor).ok_or(UnitError::TooLarge)?;
        total = total.checked_add(milliseconds).ok_or(UnitError::TooLarge)?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(total))
}

/// One whole number with a unit: powers of 1,000 (`MB`) or of 1,024 (`MiB`). Bytes.
pub(super) fn size(text: &str) -> Result<u64, UnitError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(UnitError::Empty);
    }
    let (number, unit, rest) = part(text)?;
    if !rest.is_empty() {
        return Err(UnitError::UnknownUnit);
    }
    number.checked_mul(factor(unit, &SIZE_UNITS)?).ok_or(UnitError::TooLarge)
}

/// The shortest text that [`duration`] reads back, in one unit.
pub(super) fn show_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = DURATION_UNITS.iter().find(|(_, factor)| milliseconds != 0 && milliseconds.is_multiple_of(*factor));
    whole.map_or_else(|| "0s".to_owned(), |(unit, factor)| format!("{}{unit}", milliseconds / factor))
}

/// Splits `12ms rest` after the unit.
fn part(text: &str) -> Result<(u64, &str, &str), UnitError> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let number: String = number.chars().filter(|c| *c != '_').collect();
    if number.is_empty() {
        return Err(UnitError::NoNumber);
    }
    let rest = rest.trim_start();
    if rest.starts_with('.') {
        return Err(UnitError::NoNumber);
    }
    let letters = rest.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(letters);
    if unit.is_empty() {
        return Err(UnitError::NoUnit);
    }
    Ok((number.parse().map_err(|_| UnitError::TooLarge)?, unit, after))
}

fn factor(unit: &str, units: &[(&str, u64)]) -> Result<u64, UnitError> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor).ok_or(UnitError::UnknownUnit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        let ms = |n| Ok(Duration::from_millis(n));
        for (text, expected) in [
            ("2s", ms(2_000)),
            ("0s", ms(0)),
            ("200ms", ms(200)),
            ("24h", ms(86_400_000)),
            ("1m30s", ms(90_000)),
            ("1m 30s", ms(90_000)),
            ("7d", ms(604_800_000)),
            (" 1 s ", ms(1_000)),
            ("1_000ms", ms(1_000)),
            ("", Err(UnitError::Empty)),
            ("2", Err(UnitError::NoUnit)),
            ("2x", Err(UnitError::UnknownUnit)),
            ("2S", Err(UnitError::UnknownUnit)),
            ("s", Err(UnitError::NoNumber)),
            ("-2s", Err(UnitError::NoNumber)),
            ("1.5s", Err(UnitError::NoNumber)),
            ("30s1m", Err(UnitError::Order)),
            ("1s1s", Err(UnitError::Order)),
            ("99999999999999999999s", Err(UnitError::TooLarge)),
            ("18446744073709551615d", Err(UnitError::TooLarge)),
        ] {
            assert_eq!(duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("64MiB", Ok(64 << 20)),
            ("1GB", Ok(1_000_000_000)),
            ("512KiB", Ok(512 << 10)),
            ("0B", Ok(0)),
            ("64 MiB", Ok(64 << 20)),
            ("", Err(UnitError::Empty)),
            ("64", Err(UnitError::NoUnit)),
            ("64M", Err(UnitError::UnknownUnit)),
            ("64mib", Err(UnitError::UnknownUnit)),
            ("1MiB1KiB", Err(UnitError::UnknownUnit)),
            ("MiB", Err(UnitError::NoNumber)),
            ("1.5GiB", Err(UnitError::NoNumber)),
            ("99999999999GiB", Err(UnitError::TooLarge)),
        ] {
            assert_eq!(size(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_shown_duration_reads_back(milliseconds in 0..u64::from(u32::MAX)) {
            let value = Duration::from_millis(milliseconds);
            prop_assert_eq!(duration(&show_duration(value)), Ok(value));
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _unused = (duration(&text), size(&text));
        }
    }
}
