//! Finished offsets above a commit, as text for the commit's metadata.
//!
//! Two forms, each at most [`LIMIT`] bytes:
//! - `1;` and runs `gap.length` in base 36, separated by `,`, each gap counted from the end of the run before it (the first from the committed
//!   offset). It reaches far where few offsets are unfinished.
//! - `2;` and a bitmap of the offsets from the committed one on, six in each character, the lowest bit first. It takes any pattern over
//!   [`BITMAP_SPAN`] offsets.
//!
//! What fits into neither is left out. At least once, that costs duplicates after a crash and never a loss; exactly once, such a commit is not made.

/// Kafka's default limit for the metadata of a committed offset, bytes.
pub(super) const LIMIT: usize = 4_000;

/// Offsets that a bitmap reaches over.
pub(super) const BITMAP_SPAN: i64 = (LIMIT as i64 - 2) * 6;

const RUNS: &str = "1;";
const BITMAP: &str = "2;";
/// Six bits each, as in base64.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A text, and whether it names every offset that it should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) text: String,
    pub(super) whole: bool,
}

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

    /// Start and end (exclusive) of what is finished from this offset on, ascending.
    pub(super) fn from(&self, offset: i64) -> impl Iterator<Item = (i64, i64)> {
        let at = self.runs.partition_point(|(_, end)| *end <= offset);
        self.runs[at..].iter().map(move |(start, end)| ((*start).max(offset), *end))
    }
}

/// The text for these places, ascending offsets with whether each is finished, and for the finished runs (start and end, exclusive) that lie `ahead`
/// of all of them; empty where none is.
///
/// An offset between two places never was a record's: a run of finished places reaches over it.
pub(super) fn encode(
    committed: i64,
    places: impl Iterator<Item = (i64, bool)>,
    ahead: impl Iterator<Item = (i64, i64)>,
) -> Encoded {
    let mut runs = runs(places);
    runs.extend(ahead);
    let mut text = String::new();
    let mut end_before = committed;
    let fit = runs.iter().take_while(|run| push(&mut text, &mut end_before, **run)).count();
    let whole = fit == runs.len();
    if whole && text.len() <= LIMIT / 4 {
        return Encoded { text, whole };
    }
    let bitmap = bitmap(committed, &runs);
    if whole && (!bitmap.whole || text.len() <= bitmap.text.len()) { Encoded { text, whole } } else { bitmap }
}

/// Start and end (exclusive) of each run of finished places.
fn runs(places: impl Iterator<Item = (i64, bool)>) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    let mut goes_on = false;
    for (offset, finished) in places {
        match runs.last_mut() {
            Some((_, end)) if finished && goes_on => *end = offset + 1,
            _ if finished => runs.push((offset, offset + 1)),
            _ => {}
        }
        goes_on = finished;
    }
    runs
}

fn bitmap(committed: i64, runs: &[(i64, i64)]) -> Encoded {
    let reach = committed.saturating_add(BITMAP_SPAN);
    let whole = runs.last().is_none_or(|(_, end)| *end <= reach);
    let mut bits = Vec::with_capacity(LIMIT);
    for (start, end) in runs {
        for offset in (*start).max(committed)..(*end).min(reach) {
            let place = usize::try_from(offset - committed).unwrap_or(0);
            if bits.len() <= place / 6 {
                bits.resize(place / 6 + 1, 0u8);
            }
            bits[place / 6] |= 1 << (place % 6);
        }
    }
    let mut text = String::with_capacity(BITMAP.len() + bits.len());
    text.push_str(BITMAP);
    text.extend(bits.iter().map(|six| char::from(DIGITS[usize::from(*six)])));
    Encoded { text, whole }
}

/// Appends a run if it fits.
fn push(text: &mut String, end_before: &mut i64, (start, end): (i64, i64)) -> bool {
    let mut piece = String::with_capacity(16);
    piece.push_str(if text.is_empty() { RUNS } else { "," });
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

/// Reads such a text; `None` where it is of neither form (another version, another program).
pub(super) fn decode(committed: i64, text: &str) -> Option<FinishedAbove> {
    let runs = match text.strip_prefix(BITMAP) {
        Some(digits) => decode_bitmap(committed, digits)?,
        None => decode_runs(committed, text.strip_prefix(RUNS)?)?,
    };
    Some(FinishedAbove { runs })
}

fn decode_runs(committed: i64, text: &str) -> Option<Vec<(i64, i64)>> {
    let mut runs = Vec::new();
    let mut end_before = committed;
    for piece in text.split(',') {
        let (gap, length) = piece.split_once('.')?;
        let gap = i64::from_str_radix(gap, 36).ok().filter(|gap| *gap >= 0)?;
        let length = i64::from_str_radix(length, 36).ok().filter(|length| *length > 0)?;
        let start = end_before.checked_add(gap)?;
        end_before = start.checked_add(length)?;
        runs.push((start, end_before));
    }
    Some(runs)
}

fn decode_bitmap(committed: i64, digits: &str) -> Option<Vec<(i64, i64)>> {
    let mut places = Vec::with_capacity(digits.len() * 6);
    let mut offset = committed;
    for digit in digits.bytes() {
        let six = DIGITS.iter().position(|known| *known == digit)?;
        for bit in 0..6 {
            places.push((offset, six >> bit & 1 == 1));
            offset = offset.checked_add(1)?;
        }
    }
    Some(runs(places.into_iter())).filter(|runs| !runs.is_empty())
}

#[cfg(test)]
mod tests {
    use std::iter::empty;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_are_written_and_read() {
        let finished = [101, 102, 103, 200, 300].map(|offset| (offset, true));
        let mut places: Vec<(i64, bool)> =
            [100, 150, 250].map(|offset| (offset, false)).into_iter().chain(finished).collect();
        places.sort_unstable();
        let Encoded { text, whole } = encode(100, places.into_iter(), empty());
        assert!(whole);
        assert_eq!(text, "1;1.3,2o.1,2r.1");
        let read = decode(100, &text).expect("own text");
        for (offset, expected) in [(100, false), (101, true), (103, true), (104, false), (200, true), (301, false)] {
            assert_eq!(read.contains(offset), expected, "{offset}");
        }
    }

    #[test]
    fn what_lies_ahead_is_named_too() {
        let earlier = decode(100, "1;1.3,2o.1,2r.1").expect("own text");
        let cases =
            [(0, "1;1.3,2o.1,2r.1"), (102, "1;2.2,2o.1,2r.1"), (104, "1;2s.1,2r.1"), (201, "1;5k.1"), (301, "")];
        for (from, expected) in cases {
            assert_eq!(encode(100, [(100, false)].into_iter(), earlier.from(from)).text, expected, "{from}");
        }
    }

    #[test]
    fn what_is_not_ours_is_ignored() {
        for text in
            ["", "2;1.1", "hello", "1;", "1;x", "1;1.0", "1;-1.2", "1;1.1,", "1;zzzzzzzzzzzzzzzz.1", "2;", "2;A", "2;!"]
        {
            assert_eq!(decode(5, text), None, "{text}");
        }
        assert_eq!(encode(5, empty(), empty()), Encoded { text: String::new(), whole: true });
    }

    #[test]
    fn a_hole_in_the_offsets_does_not_end_a_run() {
        let places = [(10, false), (11, true), (14, true), (15, true), (17, false), (20, true)];
        assert_eq!(encode(10, places.into_iter(), empty()).text, "1;1.5,4.1");
    }

    #[test]
    fn any_pattern_fits_as_long_as_the_span_does() {
        let alternating = |span: i64| (1_000..1_000 + span).map(|offset| (offset, offset % 2 == 1));
        let within = encode(1_000, alternating(BITMAP_SPAN), empty());
        assert!(within.whole && within.text.len() <= LIMIT && within.text.starts_with("2;"), "{}", within.text.len());
        assert!(!encode(1_000, alternating(BITMAP_SPAN + 2), empty()).whole);
        let far = (0..3i64).flat_map(|n| [(n * 1_000_000, false), (n * 1_000_000 + 1, true)]);
        assert!(encode(0, far, empty()).whole, "few runs reach far");
    }

    proptest! {
        #[test]
        fn never_longer_than_the_limit_and_never_claims_too_much(
            places in proptest::collection::btree_map(1_000i64..40_000, any::<bool>(), 0..6_000),
        ) {
            let encoded = encode(1_000, places.iter().map(|(offset, finished)| (*offset, *finished)), empty());
            prop_assert!(encoded.text.len() <= LIMIT);
            let read = decode(1_000, &encoded.text).unwrap_or_default();
            for (offset, finished) in places {
                if encoded.whole {
                    prop_assert_eq!(read.contains(offset), finished, "{}", offset);
                } else {
                    prop_assert!(finished || !read.contains(offset), "{}", offset);
                }
            }
        }
    }
}
