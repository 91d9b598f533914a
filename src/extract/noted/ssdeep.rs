//! Fuzzy hashes of ssdeep: the size of a block, and what files of it and of twice of it come to.

/// Characters of a part, at most.
const LONGEST: usize = 64;

/// Characters of the parts, at least, where nothing but the form speaks for it.
const SURE: (usize, usize) = (24, 12);

/// Whether it is one; `named` where its field says so.
pub(super) fn is_one(word: &str, named: bool) -> bool {
    let mut parts = word.split(':');
    let (Some(size), Some(one), Some(two), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let part = |part: &str| (1..=LONGEST).contains(&part.len()) && part.bytes().all(digit);
    is_size(size) && part(one) && part(two) && (named || is_sure(one, two))
}

/// Blocks are three bytes long, doubled some times.
fn is_size(size: &str) -> bool {
    let plain = !size.starts_with(['0', '+']);
    plain && size.parse::<u32>().is_ok_and(|size| size % 3 == 0 && (size / 3).is_power_of_two())
}

fn is_sure(one: &str, two: &str) -> bool {
    let mixed = |part: &str| {
        part.bytes().any(|byte| byte.is_ascii_lowercase()) && part.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    one.len() >= SURE.0 && two.len() >= SURE.1 && mixed(one) && mixed(two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_or_field_make_it_certain() {
        let long = ("aZ9+/".repeat(8), "qW3x/".repeat(4));
        let rows = [
            (format!("96:{}:{}", long.0, long.1), true, true),
            (format!("3:{}:{}", long.0, long.1), true, true),
            ("96:aZ9:qW3".to_owned(), false, true),
            (format!("97:{}:{}", long.0, long.1), false, false),
            (format!("0096:{}:{}", long.0, long.1), false, false),
            (format!("18:{}:{}", long.0, long.1), false, false),
            ("220:50010:Got".to_owned(), false, false),
            (format!("96:{}:{}", long.0.to_lowercase(), long.1), false, true),
            (format!("96:{}", long.0), false, false),
            (format!("96:{}:{}:x", long.0, long.1), false, false),
            (format!("96:{}:{}", "aZ".repeat(33), long.1), false, false),
            (String::new(), false, false),
        ];
        for (word, by_itself, named) in rows {
            assert_eq!((is_one(&word, false), is_one(&word, true)), (by_itself, named), "{word}");
        }
    }
}
