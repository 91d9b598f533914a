//! Names of facts, which live as long as the process. Those that come from a log are kept once, and no more than a bounded number of them: a log
//! that somebody fills with names must not fill the memory.

use std::collections::HashSet;

use parking_lot::RwLock;

/// Names that are kept, at most; the product itself has some dozens.
const MOST: usize = 1_024;
/// Longest name, bytes.
const LONGEST: usize = 64;

/// The name for the rest of the process; `None` when there are too many, or it is none.
pub(super) fn fact_name(name: &str) -> Option<&'static str> {
    static NAMES: RwLock<Option<HashSet<&'static str>>> = RwLock::new(None);
    if let Some(known) = NAMES.read().as_ref().and_then(|names| names.get(name).copied()) {
        return Some(known);
    }
    // It becomes the name of a JSON member, which is written without an escape.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > LONGEST || !name.bytes().all(plain) {
        return None;
    }
    let mut guard = NAMES.write();
    let names = guard.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= MOST {
        return None;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_has_to_be_one() {
        let (a, b) = (fact_name("vt_total").unwrap(), fact_name("vt_total").unwrap());
        assert!(std::ptr::eq(a, b));
        for bad in ["", "a\"b", "é", &"x".repeat(LONGEST + 1)] {
            assert_eq!(fact_name(bad), None, "{bad}");
        }
    }
}
