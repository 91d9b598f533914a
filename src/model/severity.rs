//! How serious an event is, by its own word.

/// Four steps that the scales of event formats are brought down to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is said, or nothing that matters.
    #[default]
    Low,
    /// Somebody should look at it some time; also an event that a rule has matched.
    Medium,
    /// Somebody should look at it today.
    High,
    /// Somebody should look at it now.
    Critical,
}

impl Severity {
    /// The step of a word: `low`, `medium`, `high`, `critical` and their relatives, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        const WORDS: &[(&str, Severity)] = &[
            ("informational", Severity::Low),
            ("info", Severity::Low),
            ("unknown", Severity::Low),
            ("low", Severity::Low),
            ("medium", Severity::Medium),
            ("moderate", Severity::Medium),
            ("warning", Severity::Medium),
            ("high", Severity::High),
            ("very-high", Severity::Critical),
            ("critical", Severity::Critical),
            ("fatal", Severity::Critical),
            ("emergency", Severity::Critical),
        ];
        WORDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, severity)| *severity)
    }

    /// The step of a number from 0 to 10 (CEF, LEEF) or, where it is larger, to 100 (risk scores: 21 low, 47 medium, 73 high, 99 critical).
    pub fn of_number(number: f64) -> Self {
        let tenths = if number > 10.0 { number / 10.0 } else { number };
        match tenths {
            tenths if tenths >= 9.0 => Self::Critical,
            tenths if tenths >= 7.0 => Self::High,
            tenths if tenths >= 4.0 => Self::Medium,
            _ => Self::Low,
        }
    }

    /// The step of an OCSF `severity_id`: 0 unknown, 1 informational, 2 low, 3 medium, 4 high, 5 critical, 6 fatal.
    pub const fn of_ocsf(id: u32) -> Self {
        match id {
            3 => Self::Medium,
            4 => Self::High,
            5 | 6 => Self::Critical,
            _ => Self::Low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_come_down_to_four_steps() {
        use Severity::{Critical, High, Low, Medium};
        for (number, step) in [(0.0, Low), (3.0, Low), (5.0, Medium), (8.0, High), (10.0, Critical), (21.0, Low)] {
            assert_eq!(Severity::of_number(number), step, "{number}");
        }
        for (number, step) in [(47.0, Medium), (73.0, High), (99.0, Critical), (-1.0, Low), (f64::NAN, Low)] {
            assert_eq!(Severity::of_number(number), step, "{number}");
        }
        assert_eq!(Severity::parse("HIGH"), Some(High));
        assert_eq!(Severity::parse("Very-High"), Some(Critical));
        assert_eq!(Severity::parse("purple"), None);
        assert_eq!([0, 2, 3, 4, 5, 6, 99].map(Severity::of_ocsf), [Low, Low, Medium, High, Critical, Critical, Low]);
    }
}
