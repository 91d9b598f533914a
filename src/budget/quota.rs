//! Quota text: `"4/min, 500/day, 15500/month"`.
//!
//! Every window holds at once. A quota has at least one window and at most one of each span; text and value convert both
//! ways without loss (`Display` writes the shortest form, shortest window first).

use std::{fmt, str::FromStr, time::Duration};

/// The length of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// Any span of one second.
    Second,
    /// Any span of 60 seconds.
    Minute,
    /// Any span of 3,600 seconds.
    Hour,
    /// A calendar day in UTC.
    Day,
    /// A calendar month in UTC.
    Month,
}

impl Span {
    /// The name used in metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The length of a sliding window; `None` for the calendar ones.
    pub const fn sliding(self) -> Option<Duration> {
        match self {
            Self::Second => Some(Duration::from_secs(1)),
            Self::Minute => Some(Duration::from_secs(60)),
            Self::Hour => Some(Duration::from_secs(3_600)),
            Self::Day | Self::Month => None,
        }
    }

    /// Units that a call of this price takes of such a window: those that slide bound how often a service is called, and there a call is a call.
    pub const fn units(self, cost: u32) -> u64 {
        match self {
            Self::Second | Self::Minute | Self::Hour => 1,
            Self::Day | Self::Month => cost as u64,
        }
    }

    /// The unit of quota text, in its shortest clear form.
    const fn unit(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour | Self::Day | Self::Month => self.as_str(),
        }
    }

    fn parse(unit: &str) -> Option<Self> {
        const UNITS: [(&str, Span); 19] = [
            ("s", Span::Second),
            ("sec", Span::Second),
            ("secs", Span::Second),
            ("second", Span::Second),
            ("seconds", Span::Second),
            ("m", Span::Minute),
            ("min", Span::Minute),
            ("mins", Span::Minute),
            ("minute", Span::Minute),
            ("minutes", Span::Minute),
            ("h", Span::Hour),
            ("hr", Span::Hour),
            ("hour", Span::Hour),
            ("hours", Span::Hour),
            ("d", Span::Day),
            ("day", Span::Day),
            ("days", Span::Day),
            ("month", Span::Month),
            ("months", Span::Month),
        ];
        UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|&(_, span)| span)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// At most `limit` units in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Units, 1..=4,294,967,295.
    pub limit: u64,
    /// Which window.
    pub span: Span,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, self.span.unit())
    }
}

/// A quota: several windows that all hold at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    windows: Vec<Window>,
}

/// How a long window is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Units accrue over the window, with a burst allowance.
    Even,
    /// First come, first served.
    Asap,
}

impl Quota {
    /// The windows, shortest first, one of each span at most, never empty.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }
}

/// Why a text is no quota. `piece` is the offending part between two commas.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// A piece is not of the form `N/unit`; also a text without any piece.
    #[error("`{piece}` is not a limit and a unit, as in `4/min` (several are separated by commas)")]
    Form {
        /// The offending part.
        piece: String,
    },
    /// The limit is not a number in range.
    #[error("limit of `{piece}` is not a whole number from 1 to {}", u32::MAX)]
    Limit {
        /// The offending part.
        piece: String,
    },
    /// The unit is unknown.
    #[error("unit of `{piece}` is not one of s, min, hour, day, month")]
    Unit {
        /// The offending part.
        piece: String,
    },
    /// Two windows have the same span.
    #[error("`{piece}` sets a second limit for the same unit")]
    Repeated {
        /// The offending part: the later of the two.
        piece: String,
    },
}

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let mut windows: Vec<Window> = Vec::new();
        for piece in text.split(',').map(str::trim) {
            let offending = || piece.to_owned();
            let (limit, unit) = piece.split_once('/').ok_or_else(|| QuotaError::Form { piece: offending() })?;
            let (limit, unit) = (limit.trim(), unit.trim());
            if limit.is_empty() || unit.is_empty() {
                return Err(QuotaError::Form { piece: offending() });
            }
            // `u32::from_str` takes a sign, which means nothing here.
            let digits = limit.bytes().all(|byte| byte.is_ascii_digit());
            let limit = match limit.parse::<u32>() {
                Ok(limit) if digits && limit >= 1 => u64::from(limit),
                Ok(_) | Err(_) => return Err(QuotaError::Limit { piece: offending() }),
            };
            let span = Span::parse(unit).ok_or_else(|| QuotaError::Unit { piece: offending() })?;
            if windows.iter().any(|window| window.span == span) {
                return Err(QuotaError::Repeated { piece: offending() });
            }
            windows.push(Window { limit, span });
        }
        windows.sort_by_key(|window| window.span);
        Ok(Self { windows })
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, window) in self.windows.iter().enumerate() {
            write!(f, "{}{window}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_becomes_windows() {
        let rows: [(&str, &[(u64, Span)]); 7] = [
            ("4/min", &[(4, Span::Minute)]),
            ("4/min, 500/day, 15500/month", &[(4, Span::Minute), (500, Span::Day), (15_500, Span::Month)]),
            ("15500/month,500/day,4/min", &[(4, Span::Minute), (500, Span::Day), (15_500, Span::Month)]),
            (" 1 / s ", &[(1, Span::Second)]),
            ("10/HOUR", &[(10, Span::Hour)]),
            ("4294967295/days", &[(4_294_967_295, Span::Day)]),
            ("2/sec, 3/minutes, 4/hours", &[(2, Span::Second), (3, Span::Minute), (4, Span::Hour)]),
        ];
        for (text, expected) in rows {
            let quota: Quota = text.parse().unwrap();
            let got: Vec<_> = quota.windows().iter().map(|window| (window.limit, window.span)).collect();
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_quota_is_refused_with_the_piece() {
        let form = |piece: &str| QuotaError::Form { piece: piece.into() };
        let limit = |piece: &str| QuotaError::Limit { piece: piece.into() };
        let rows = [
            ("", form("")),
            ("4", form("4")),
            ("4/", form("4/")),
            ("/min", form("/min")),
            ("4/min,", form("")),
            ("4/min;5/day", QuotaError::Unit { piece: "4/min;5/day".into() }),
            ("0/min", limit("0/min")),
            ("4/min, -1/day", limit("-1/day")),
            ("+4/min", limit("+4/min")),
            ("1.5/min", limit("1.5/min")),
            ("4294967296/min", limit("4294967296/min")),
            ("4/week", QuotaError::Unit { piece: "4/week".into() }),
            ("4/min, 5/minute", QuotaError::Repeated { piece: "5/minute".into() }),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Quota>().unwrap_err(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(limits in proptest::collection::vec(proptest::option::of(1u32..), 5)) {
            let spans = [Span::Second, Span::Minute, Span::Hour, Span::Day, Span::Month];
            let windows: Vec<_> = spans.into_iter().zip(limits)
                .filter_map(|(span, limit)| limit.map(|limit| Window { limit: u64::from(limit), span })).collect();
            prop_assume!(!windows.is_empty());
            let quota = Quota { windows };
            prop_assert_eq!(quota.to_string().parse::<Quota>(), Ok(quota));
        }

        #[test]
        fn any_text_is_answered(text in "[0-9a-z/, .-]{0,24}") {
            if let Ok(quota) = text.parse::<Quota>() {
                prop_assert!(!quota.windows().is_empty());
                prop_assert!(quota.windows().iter().all(|window| window.limit >= 1));
                prop_assert!(quota.windows().windows(2).all(|pair| pair[0].span < pair[1].span));
            }
        }
    }
}
