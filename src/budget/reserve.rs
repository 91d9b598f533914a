//! The part of a limit that is kept for urgent work.
//!
//! In the last tenth of a calendar window it is released bit by bit: what nobody urgent has needed by then would go to waste at its end.

/// The reserved part of a limit: rounded up, but never the last unit.
pub(super) fn reserved_units(limit: u64, reserve: f64) -> u64 {
    // Below 2^32, so exact as a float; shares like 0.1 are not, which must not round a whole number up.
    #[expect(clippy::cast_precision_loss, reason = "limits are below 2^32")]
    let units = (limit as f64 * reserve - 1e-6).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and no number becomes 0")]
    let units = units as u64;
    units.min(limit - 1)
}

/// What is still reserved at a moment of a calendar window. Times are milliseconds since the epoch.
pub(super) fn still_reserved(reserved: u64, (start, end): (i64, i64), now: i64) -> u64 {
    let tenth = tenth(start, end);
    let left = i128::from(end.saturating_sub(now)).clamp(0, tenth);
    u64::try_from(i128::from(reserved) * left / tenth).unwrap_or(reserved)
}

/// From when on no more than `most` units are.
pub(super) fn reserved_falls_to(reserved: u64, most: u64, (start, end): (i64, i64)) -> i64 {
    if most >= reserved {
        return start;
    }
    let left = ((i128::from(most) + 1) * tenth(start, end) - 1) / i128::from(reserved);
    end.saturating_sub(i64::try_from(left).unwrap_or(i64::MAX))
}

fn tenth(start: i64, end: i64) -> i128 {
    i128::from(end.saturating_sub(start) / 10).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_rounded_up_but_leaves_one() {
        let rows = [
            (1, 0.2, 0),
            (2, 0.2, 1),
            (4, 0.2, 1),
            (5, 0.2, 1),
            (6, 0.2, 2),
            (500, 0.2, 100),
            (15_500, 0.1, 1_550),
            (10, 0.0, 0),
            (10, 0.9, 9),
            (10, 1.0, 9),
            (10, f64::NAN, 0),
            (10, -1.0, 0),
        ];
        for (limit, reserve, expected) in rows {
            assert_eq!(reserved_units(limit, reserve), expected, "{limit} * {reserve}");
        }
    }

    #[test]
    fn it_is_released_over_the_last_tenth() {
        let day = (1_000, 1_000 + 86_400_000);
        let at = |tenths: i64| day.0 + 8_640_000 * tenths / 10;
        for (tenths, expected) in [(0, 100), (90, 100), (95, 50), (99, 10), (100, 0), (101, 0)] {
            assert_eq!(still_reserved(100, day, at(tenths)), expected, "{tenths}");
        }
        for most in [0, 1, 7, 50, 99, 100] {
            let when = reserved_falls_to(100, most, day);
            assert!(still_reserved(100, day, when) <= most, "{most}");
            assert!(most >= 100 || still_reserved(100, day, when - 1) > most, "{most}");
        }
        assert_eq!(reserved_falls_to(0, 0, day), day.0);
    }
}
