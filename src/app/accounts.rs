//! The providers' accounts as they are shown: what is left, when it runs out, what the shortage and the calls cost.

use crate::{
    admin::{CostReport, UnaskedReport, WindowReport},
    budget::{Span, WindowAccount},
    enrich::ProviderStatus,
};

/// One window of an account.
pub(super) fn window(account: &WindowAccount, wall_ms: i64) -> WindowReport {
    WindowReport {
        window: account.span.as_str(),
        limit: account.limit,
        used: account.used,
        leased: account.leased,
        reserved: account.reserved,
        remaining: account.limit.saturating_sub(account.used),
        runs_out_at: runs_out(account, wall_ms).and_then(rfc3339),
        resets_at: account.resets_at.and_then(rfc3339),
    }
}

/// When a calendar window is used up if it goes on as on average since its beginning, milliseconds since the epoch; `None` where it lasts.
pub(super) fn runs_out(account: &WindowAccount, wall_ms: i64) -> Option<i64> {
    const DAY_MS: i64 = 86_400_000;
    let end = account.resets_at?;
    let start = match account.span {
        Span::Second | Span::Minute | Span::Hour => return None,
        Span::Day => end - DAY_MS,
        Span::Month => first_of_month(end - DAY_MS)?,
    };
    let passed = i128::from(wall_ms.saturating_sub(start).max(1));
    let remaining = i128::from(account.limit.saturating_sub(account.used));
    let used = i128::from(account.used);
    let at = i128::from(wall_ms) + (remaining * passed).checked_div(used)?;
    i64::try_from(at).ok().filter(|at| *at < end)
}

fn first_of_month(wall_ms: i64) -> Option<i64> {
    let utc = jiff::tz::TimeZone::UTC;
    let day = jiff::Timestamp::from_millisecond(wall_ms).ok()?.to_zoned(utc.clone()).date().first_of_month();
    day.to_zoned(utc).ok().map(|at| at.timestamp().as_millisecond())
}

/// What the calls cost at this price of a unit: in the month by its window, else since the start of the process.
pub(super) fn cost(status: &ProviderStatus, price: f64) -> CostReport {
    let month = status.windows.iter().find(|window| window.span == Span::Month);
    let (since, units) = month.map_or(("start", status.units), |month| ("month", month.used));
    CostReport { unit_price: price, since, units, cost: (units as f64 * price * 100.0).round() / 100.0 }
}

/// What was not asked and why, most first.
pub(super) fn unasked(status: &ProviderStatus) -> Vec<UnaskedReport> {
    let mut rows: Vec<_> = status
        .unasked
        .iter()
        .map(|((reason, role), indicators)| UnaskedReport { reason, role, indicators: *indicators })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.indicators));
    rows
}

pub(super) fn rfc3339(wall_ms: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(wall_ms).ok().map(|at| format!("{at:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
    }

    #[test]
    fn a_window_runs_out_at_the_rate_of_its_past() {
        let account = |span, used, resets: &str| WindowAccount {
            span,
            limit: 100,
            used,
            leased: 0,
            reserved: 20,
            resets_at: Some(ms(resets)),
        };
        let rows = [
            // Half of it by six o'clock: the rest by noon.
            (Span::Day, 50, "2026-11-24T00:00:00Z", "2026-11-23T06:00:00Z", Some("2026-11-23T12:00:00Z")),
            (Span::Day, 25, "2026-11-24T00:00:00Z", "2026-11-23T06:00:00Z", None),
            (Span::Day, 0, "2026-11-24T00:00:00Z", "2026-11-23T06:00:00Z", None),
            (Span::Day, 100, "2026-11-24T00:00:00Z", "2026-11-23T06:00:00Z", Some("2026-11-23T06:00:00Z")),
            (Span::Month, 80, "2028-03-01T00:00:00Z", "2028-02-11T00:00:00Z", Some("2028-02-13T12:00:00Z")),
            (Span::Month, 30, "2028-03-01T00:00:00Z", "2028-02-11T00:00:00Z", None),
        ];
        for (span, used, resets, now, expected) in rows {
            assert_eq!(runs_out(&account(span, used, resets), ms(now)), expected.map(ms), "{span} {used} at {now}");
        }
    }
}
