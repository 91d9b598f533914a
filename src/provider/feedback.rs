//! What a service's headers say of its own account.
//!
//! `X-RateLimit-Remaining` and `-Limit` (AbuseIPDB on every answer), or the same with `X-Rate-Limit` (urlscan, MISP), where `-Window` can name the window and
//! `-Reset-After` or `-Reset` say when it ends. A header that cannot be read is none; without `Remaining` nothing is said.

use std::time::Duration;

use parking_lot::Mutex;

use crate::{budget::Span, provider::retry_after};

/// What the service said of its own account of one window. Other tools may share the key, so it can have less left than our account says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The window; `None` where neither the answer nor the service's documents name one.
    pub span: Option<Span>,
    /// Units left in it.
    pub remaining: u64,
    /// Its limit, where the service names it.
    pub limit: Option<u64>,
    /// How long it lasts from now on, where the service says so.
    pub resets_in: Option<Duration>,
}

/// Said and not yet taken, at most.
const KEPT: usize = 64;

/// What was said since the last look.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<Vec<Feedback>>);

impl Said {
    /// Keeps it for the next look.
    pub(super) fn note(&self, feedback: Feedback) {
        let mut said = self.0.lock();
        if said.len() < KEPT {
            said.push(feedback);
        }
    }

    /// Takes all of it.
    pub(super) fn take(&self) -> Vec<Feedback> {
        std::mem::take(&mut self.0.lock())
    }
}

/// Reads the headers of an answer, by their names in lower case; `counted` is the window that they are of where they name none.
pub(super) fn of_headers<'a>(
    header: impl Fn(&str) -> Option<&'a str>,
    counted: Option<Span>,
    wall_ms: i64,
) -> Option<Feedback> {
    let text = |names: [&str; 2]| names.iter().find_map(|name| header(name)).map(str::trim);
    let number = |names| text(names)?.parse::<u64>().ok();
    let remaining = number(["x-ratelimit-remaining", "x-rate-limit-remaining"])?;
    let limit = number(["x-ratelimit-limit", "x-rate-limit-limit"]);
    let named = text(["x-ratelimit-window", "x-rate-limit-window"]).and_then(|name| {
        [Span::Second, Span::Minute, Span::Hour, Span::Day, Span::Month].into_iter().find(|span| span.as_str() == name)
    });
    // Seconds only: what else stands there differs from service to service.
    let resets_in = text(["x-rate-limit-reset-after", "x-rate-limit-reset"])
        .filter(|text| text.len() <= 6)
        .and_then(|text| retry_after::parse(text, wall_ms));
    Some(Feedback { span: named.or(counted), remaining, limit, resets_in })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&str, &str)], counted: Option<Span>) -> Option<Feedback> {
        of_headers(|wanted| lines.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value), counted, 0)
    }

    #[test]
    fn headers_say_what_is_left_of_which_window() {
        let said = |span, remaining, limit, reset: Option<u64>| {
            Some(Feedback { span, remaining, limit, resets_in: reset.map(Duration::from_secs) })
        };
        let day = Some(Span::Day);
        let rows = [
            (&[("x-ratelimit-remaining", "7"), ("x-ratelimit-limit", "1000")][..], day, said(day, 7, Some(1000), None)),
            (&[("x-ratelimit-remaining", " 0 ")], None, said(None, 0, None, None)),
            (
                &[
                    ("x-rate-limit-remaining", "3"),
                    ("x-rate-limit-window", "minute"),
                    ("x-rate-limit-reset-after", "9"),
                ],
                day,
                said(Some(Span::Minute), 3, None, Some(9)),
            ),
            (
                &[("x-rate-limit-remaining", "3"), ("x-rate-limit-window", "fortnight"), ("x-rate-limit-reset", "0")],
                None,
                said(None, 3, None, None),
            ),
            (&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "1795424400")], day, said(day, 1, None, None)),
            (&[("x-ratelimit-limit", "1000")], day, None),
            (&[("x-ratelimit-remaining", "-1")], day, None),
            (&[("x-ratelimit-remaining", "many")], day, None),
            (&[("x-ratelimit-remaining", "99999999999999999999999999")], day, None),
        ];
        for (lines, counted, expected) in rows {
            assert_eq!(read(lines, counted), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_was_said_is_taken_once_and_kept_within_bounds() {
        let said = Said::default();
        for remaining in 0..1_000 {
            said.note(Feedback { span: None, remaining, limit: None, resets_in: None });
        }
        assert_eq!(said.take().len(), KEPT);
        assert_eq!(said.take(), []);
    }
}
