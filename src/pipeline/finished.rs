//! Finished offsets above a commit, as text for the commit's metadata.
//!
//! Form: `1;` and runs `gap.length` in base 36, separated by `,`, each gap counted from the end of the run before it (the first from the committed
//! offset). At most [`LIMIT`] bytes: runs that do not fit are left out, which costs duplicates after a crash and never a loss.

/// Kafka's default limit for the metadata of a committed offset, bytes.
pub(super) const LIMIT: usize = 4_000;

const VERSION: &str = "1;";

/// Offsets that are finished although they lie above the committed one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FinishedAbove {
    /// Start and end (exclusive), ascending.
    runs: Vec<(i64, i64)>,
}

impl FinishedAbove {
    /// Whether this offset is finished.
    pub(super) fn contains(&self, offset: i64) -> bool {
        let at = self.runs.partition_point(|(_, end)| *end <= offset);
        self.runs.get(at).is_some_and(|(start, _)| *start <= offset)
    }
}

/// The text for these offsets (ascending), empty where there are none.
pub(super) fn encode(committed: i64, offsets: impl Iterator<Item = i64>) -> String {
    let mut text = String::new();
    let mut run: Option<(i64, i64)> = None;
    let mut end_before = committed;
    for offset in offsets {
        match &mut run {
            Some((_, end)) if *end == offset => *end += 1,
            Some(full) => {
                if !push(&mut text, &mut end_before, *full) {
                    return text;
                }
                run = Some((offset, offset + 1));
            }
            None => run = Some((offset, offset + 1)),
        }
    }
    if let Some(last) = run {
        push(&mut text, &mut end_before, last);
    }
    text
}

/// Appends a run if it fits.
fn push(text: &mut String, end_before: &mut i64, (start, end): (i64, i64)) -> bool {
    let mut piece = String::with_capacity(16);
    piece.push_str(if text.is_empty() { VERSION } else { "," });
    base36(&mut piece, start - *end_before);
    piece.push('.');
    base36(&mut piece, end - start);
    if text.len() + piece.len() > LIMIT {
        return false;
    }
    text.push_str(&piece);
    *end_before = end;
    true
}

fn base36(text: &mut String, number: i64) {
    let mut digits = [0u8; 16];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize];
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    for digit in &digits[at..] {
        text.push(char::from(*digit));
    }
}

/// Reads such a text; `None` where it is not of this form (another version, another program).
pub(super) fn decode(committed: i64, text: &str) -> Option<FinishedAbove> {
    let mut runs = Vec::new();
    let mut end_before = committed;
    for piece in text.strip_prefix(VERSION)?.split(',') {
        let (gap, length) = piece.split_once('.')?;
        let gap = i64::from_str_radix(gap, 36).ok().filter(|gap| *gap >= 0)?;
        let length = i64::from_str_radix(length, 36).ok().filter(|length| *length > 0)?;
        let start = end_before.checked_add(gap)?;
        end_before = start.checked_add(length)?;
        runs.push((start, end_before));
    }
    Some(FinishedAbove { runs })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_are_written_and_read() {
        let text = encode(100, [101, 102, 103, 200, 300].into_iter());
        assert_eq!(text, "1;1.3,2o.1,2r.1");
        let read = decode(100, &text).expect("own text");
        for (offset, expected) in [(100, false), (101, true), (103, true), (104, false), (200, true), (301, false)] {
            assert_eq!(read.contains(offset), expected, "{offset}");
        }
    }

    #[test]
    fn what_is_not_ours_is_ignored() {
        for text in ["", "2;1.1", "hello", "1;", "1;x", "1;1.0", "1;-1.2", "1;1.1,", "1;zzzzzzzzzzzzzzzz.1"] {
            assert_eq!(decode(5, text), None, "{text}");
        }
        assert_eq!(encode(5, std::iter::empty()), "");
    }

    proptest! {
        #[test]
        fn never_longer_than_the_limit_and_never_claims_too_much(
            offsets in proptest::collection::btree_set(1_000i64..9_000, 0..4_000),
        ) {
            let text = encode(1_000, offsets.iter().copied());
            prop_assert!(text.len() <= LIMIT);
            if !text.is_empty() {
                let read = decode(1_000, &text).expect("own text");
                for offset in 1_000..9_000 {
                    prop_assert!(!read.contains(offset) || offsets.contains(&offset));
                }
            }
        }
    }
}
