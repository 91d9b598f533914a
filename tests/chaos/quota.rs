//! Quotas as the checker understands them, and what a provider's own log says of them. Nothing here is the product's.

use std::collections::BTreeMap;

/// What a window covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Any span of so many milliseconds.
    Any(u64),
    /// A day of the calendar, UTC.
    Day,
}

/// At most `limit` calls within each span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) name: &'static str,
    pub(crate) limit: u64,
    pub(crate) span: Span,
}

/// The windows of a quota as it stands in a configuration: `"4/s, 60/min, 500/hour"`.
pub(crate) fn windows(quota: &str) -> Result<Vec<Window>, String> {
    let window = |part: &str| {
        let (limit, unit) = part.trim().split_once('/').ok_or_else(|| format!("`{part}` is no limit and unit"))?;
        let (name, span) = match unit.trim() {
            "s" => ("second", Span::Any(1_000)),
            "min" => ("minute", Span::Any(60_000)),
            "hour" => ("hour", Span::Any(3_600_000)),
            "day" => ("day", Span::Day),
            unit => return Err(format!("`{unit}` is none of s, min, hour, day")),
        };
        let limit = limit.trim().parse().map_err(|_| format!("`{limit}` is no number"))?;
        Ok(Window { name, limit, span })
    };
    quota.split(',').map(window).collect()
}

/// Most calls within the window, of calls at these times: milliseconds, monotonic and since the epoch.
pub(crate) fn most(window: &Window, calls: &[(u64, u64)]) -> u64 {
    match window.span {
        Span::Day => {
            let mut days = BTreeMap::<u64, u64>::new();
            calls.iter().for_each(|(_, wall)| *days.entry(wall / 86_400_000).or_default() += 1);
            days.into_values().max().unwrap_or(0)
        }
        Span::Any(length) => {
            let mut times: Vec<u64> = calls.iter().map(|(monotonic, _)| *monotonic).collect();
            times.sort_unstable();
            let mut start = 0;
            let within = times.iter().enumerate().map(|(end, time)| {
                while times[start] + length <= *time {
                    start += 1;
                }
                (end + 1 - start) as u64
            });
            within.max().unwrap_or(0)
        }
    }
}

/// How many of these calls, all of a run that is shorter than the window, are in the present one: for days, that of the last call.
pub(crate) fn latest(window: &Window, calls: &[(u64, u64)]) -> u64 {
    let last = calls.iter().map(|(_, wall)| wall / 86_400_000).max();
    let counts = |(_, wall): &&(u64, u64)| window.span != Span::Day || Some(wall / 86_400_000) == last;
    calls.iter().filter(counts).count() as u64
}

pub(crate) fn windows_are_counted() {
    const MIDNIGHT: u64 = 20_000 * 86_400_000;
    let found = windows("2/s, 3/min,4/day").unwrap();
    let calls: Vec<(u64, u64)> =
        [0, 999, 1_000, 60_998, 60_999].iter().map(|ms| (*ms, MIDNIGHT - 1_000 + ms)).collect();
    let counted: Vec<u64> = found.iter().map(|window| most(window, &calls)).collect();
    assert_eq!(counted, [2, 3, 3]);
    assert_eq!(most(&found[0], &[]), 0);
    assert_eq!((latest(&found[1], &calls), latest(&found[2], &calls)), (5, 3));
    assert!(windows("4").is_err() && windows("x/s").is_err() && windows("4/week").is_err());
}
