//! "Did you mean": the known name that is nearest to a mistyped one.

/// The nearest candidate that is near enough to be meant; the first of equals.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits between two texts: insertion, deletion, substitution and the swap of neighbours cost 1; `-`, `_` and `.` are alike.
fn distance(a: &str, b: &str) -> usize {
    let fold =
        |text: &str| -> Vec<char> { text.chars().map(|c| if matches!(c, '-' | '.') { '_' } else { c }).collect() };
    let (a, b) = (fold(a), fold(b));
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let substituted = at(&last, j) + usize::from(x != y);
            let mut best = substituted.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("deadline", "deadline", 0),
            ("deadlin", "deadline", 1),
            ("daedline", "deadline", 1),
            ("group-id", "group_id", 0),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("öl", "ol", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let keys = ["deadline", "order", "park_bytes"];
        for (name, expected) in [
            ("deadlin", Some("deadline")),
            ("DEADLINE", Some("deadline")),
            ("park-byte", Some("park_bytes")),
            ("ordre", Some("order")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, keys), expected, "{name}");
        }
    }
}
