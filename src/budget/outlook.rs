//! What a paced quota still has, and for how long it has to last.

use std::time::Duration;

/// The longest time that is looked ahead, and that of a quota without calendar windows.
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

/// What is left of a quota until its shortest calendar window ends, a day at most; without one within an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// How long it has to last.
    pub within: Duration,
    /// When that window ends, milliseconds since the epoch.
    pub ends_at: Option<i64>,
    /// Units for ordinary work.
    pub ordinary: u64,
    /// Units for urgent work, the same included.
    pub urgent: u64,
    /// How many replicas it is for.
    pub sharers: u64,
}

/// How long a quota has to last whose shortest calendar window ends `left` from now.
pub(super) fn horizon(left: Option<Duration>) -> Duration {
    left.map_or(HOUR, |left| left.min(DAY))
}

/// Just before the end of that time, so that the next window does not count.
pub(super) fn before(within: Duration) -> Duration {
    within.saturating_sub(Duration::from_millis(1))
}
