//! Times as services write them, and as annotations do.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::model::Fact;

/// Milliseconds since the epoch of a time in one of the forms that services use: RFC 3339; date and time without a zone or with
/// ` UTC`, both meaning UTC; a date. `None` for any other: no verdict rests on a time.
pub fn parse(text: &str) -> Option<i64> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    let plain = text.trim_end_matches(" UTC");
    let at: DateTime = plain.parse().ok()?;
    Some(TimeZone::UTC.to_timestamp(at).ok()?.as_millisecond())
}

/// Adds a time as RFC 3339 in UTC, where there is one.
pub fn push(facts: &mut Vec<(&'static str, Fact)>, name: &'static str, ms: Option<i64>) {
    let text = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ"));
    facts.extend(text.map(|text| (name, Fact::Text(text.to_string().into()))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_as_utc() {
        let day = 1_795_392_000_000;
        let rows = [
            ("2026-11-23T09:00:00Z", Some(day + 32_400_000)),
            ("2026-11-23T10:00:00+01:00", Some(day + 32_400_000)),
            ("2026-11-23T09:00:00.250", Some(day + 32_400_250)),
            ("2026-11-23 09:00:00", Some(day + 32_400_000)),
            ("2026-11-23 09:00:00 UTC", Some(day + 32_400_000)),
            ("2026-11-23", Some(day)),
            ("23/11/2026", None),
            ("2026-13-23 09:00:00", None),
            ("1795424400", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn facts_are_rfc_3339() {
        let mut facts = Vec::new();
        push(&mut facts, "at", Some(1_795_424_400_250));
        push(&mut facts, "never", None);
        push(&mut facts, "beyond", Some(i64::MAX));
        assert_eq!(facts, [("at", Fact::Text("2026-11-23T09:00:00Z".into()))]);
    }
}
