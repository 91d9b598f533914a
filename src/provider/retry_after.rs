//! `Retry-After`: seconds or an HTTP date, cleaned of what no service can mean.
//!
//! The result is over zero and at most [`MAX_PAUSE`]. A value that cannot be read, lies in the past, or is zero is no
//! value: the caller then applies its own pause.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

/// Longest pause that a header can ask for.
pub(crate) const MAX_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// Reads the header's value; `wall_ms` is now.
pub(crate) fn parse(value: &str, wall_ms: i64) -> Option<Duration> {
    let value = value.trim();
    let pause = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit ask for longer than the cap in any case.
        value.parse().map_or(MAX_PAUSE, Duration::from_secs)
    } else {
        let date = DateTimeParser::new().parse_timestamp(value).ok()?;
        Duration::from_millis(u64::try_from(date.as_millisecond().checked_sub(wall_ms)?).ok()?)
    };
    (!pause.is_zero()).then(|| pause.min(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_pauses() {
        // 2026-11-23T09:00:00Z, a Monday.
        let now = 1_795_424_400_000;
        let rows: [(&str, Option<u64>); 17] = [
            ("30", Some(30)),
            (" 1 ", Some(1)),
            ("86400", Some(86_400)),
            ("86401", Some(86_400)),
            ("99999999999999999999999999", Some(86_400)),
            ("0", None),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("\u{661}\u{662}", None),
            ("Mon, 23 Nov 2026 09:00:45 GMT", Some(45)),
            ("Mon, 23 Nov 2026 09:00:00 GMT", None),
            ("Sun, 22 Nov 2026 09:00:00 GMT", None),
            ("Wed, 01 Jan 2098 00:00:00 GMT", Some(86_400)),
            ("Mon, 99 Nov 2026 09:00:45 GMT", None),
        ];
        for (value, expected) in rows {
            assert_eq!(parse(value, now), expected.map(Duration::from_secs), "{value:?}");
        }
    }
}
