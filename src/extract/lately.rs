//! Values that were read lately and what was found in them: most values of a stream have been in it before.
//!
//! What indicators a value holds that is no event itself depends on its text, on the class of its field, and on what is looked for; nothing else. So a
//! short value that comes again is not read again. One place for each hash: what comes takes the place of what was there.

use std::{hash::BuildHasher, sync::LazyLock};

use crate::{extract::field::Class, model::Kind};

/// Values that are kept; a power of two.
const KEPT: usize = 4096;
/// Bytes of a value and of the canonical form of what is in it.
const ROOM: usize = 104;

/// What was found in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) kind: Kind,
    /// Canonical.
    pub(super) value: &'a str,
    /// As an extraction hashes it.
    pub(super) hash: u64,
    /// Where in the value it stands.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The memory; one for each thread.
#[derive(Debug, Default)]
pub(super) struct Lately {
    /// Of which extractor.
    of: u64,
    slots: Vec<Slot>,
}

#[derive(Clone, Debug)]
struct Slot {
    hash: u64,
    /// Of the canonical value.
    found_hash: u64,
    kind: Option<Kind>,
    under: Under,
    /// Bytes of the value; none for an empty slot.
    length: u8,
    span: (u8, u8),
    /// Bytes of the canonical value, which stands behind the value; none where it is written as it reads.
    canonical: u8,
    bytes: [u8; ROOM],
}

const EMPTY: Slot = Slot {
    hash: 0,
    found_hash: 0,
    kind: None,
    under: Under { class: Class::Nothing, escaped: false },
    length: 0,
    span: (0, 0),
    canonical: 0,
    bytes: [0; ROOM],
};

/// What a value depends on beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Under {
    pub(super) class: Class,
    /// It has escapes of a JSON string.
    pub(super) escaped: bool,
}

/// Where a value would be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    hash: u64,
    under: Under,
}

impl Lately {
    /// Makes it the memory of the extractor with this number.
    #[inline]
    pub(super) fn belong(&mut self, of: u64) {
        if self.of != of || self.slots.is_empty() {
            self.of = of;
            self.slots.clear();
            self.slots.resize(KEPT, EMPTY);
        }
    }

    /// Whether a value is short enough to be kept.
    #[inline]
    pub(super) fn fits(value: &str) -> bool {
        (1..=ROOM).contains(&value.len())
    }

    /// The place of a value; none for one that is not kept.
    #[inline]
    pub(super) fn place(value: &str, under: Under) -> Option<Place> {
        static STATE: LazyLock<foldhash::fast::RandomState> = LazyLock::new(Default::default);
        let of = (under.class as u8) << 1 | u8::from(under.escaped);
        Self::fits(value).then(|| Place { hash: STATE.hash_one((of, value)), under })
    }

    /// What was found in a value, if that is known: nothing, or one thing.
    #[inline]
    pub(super) fn recall<'a>(&'a self, place: Place, value: &'a str) -> Option<Option<Found<'a>>> {
        let slot = self.slots.get(place.hash as usize % KEPT)?;
        if slot.hash != place.hash || slot.under != place.under {
            return None;
        }
        let length = usize::from(slot.length);
        if slot.bytes.get(..length)? != value.as_bytes() {
            return None;
        }
        let Some(kind) = slot.kind else { return Some(None) };
        let (start, end) = (usize::from(slot.span.0), usize::from(slot.span.1));
        let canonical = match usize::from(slot.canonical) {
            0 => value.get(start..end)?,
            more => std::str::from_utf8(slot.bytes.get(length..length + more)?).ok()?,
        };
        Some(Some(Found { kind, value: canonical, hash: slot.found_hash, start, end }))
    }

    /// Notes what was found in a value, if there is room for it.
    pub(super) fn learn(&mut self, place: Place, value: &str, found: Option<Found<'_>>) {
        let Some(slot) = self.slots.get_mut(place.hash as usize % KEPT) else { return };
        let written = found.is_none_or(|found| value.get(found.start..found.end) == Some(found.value));
        let canonical = if written { "" } else { found.map_or("", |found| found.value) };
        let length = value.len();
        let Some(room) = slot.bytes.get_mut(..length + canonical.len()) else { return };
        let (head, tail) = room.split_at_mut(length);
        head.copy_from_slice(value.as_bytes());
        tail.copy_from_slice(canonical.as_bytes());
        // No number is above `ROOM`.
        slot.hash = place.hash;
        slot.under = place.under;
        slot.length = length as u8;
        slot.canonical = canonical.len() as u8;
        slot.kind = found.map(|found| found.kind);
        (slot.found_hash, slot.span) =
            found.map_or((0, (0, 0)), |found| (found.hash, (found.start as u8, found.end as u8)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::IndicatorKind;

    const HOST: Under = Under { class: Class::Host, escaped: false };

    #[test]
    fn a_value_is_known_by_its_text_and_class_to_one_extractor() {
        let mut lately = Lately::default();
        lately.belong(1);
        let found = |value, start, end| {
            Some(Found { kind: Kind::Indicator(IndicatorKind::Domain), value, hash: 7, start, end })
        };
        let rows = [
            ("see evil.example", found("evil.example", 4, 16)),
            ("EVIL.example", found("evil.example", 0, 12)),
            ("x", None),
        ];
        for (value, found) in rows {
            let place = Lately::place(value, HOST).unwrap();
            assert_eq!(lately.recall(place, value), None);
            lately.learn(place, value, found);
            assert_eq!(lately.recall(place, value), Some(found));
            assert_eq!(lately.recall(place, "another"), None);
            for other in [Under { class: Class::Text, ..HOST }, Under { escaped: true, ..HOST }] {
                assert_eq!(lately.recall(Place { under: other, ..place }, value), None);
                assert_eq!(lately.recall(Lately::place(value, other).unwrap(), value), None);
            }
        }
        lately.belong(1);
        let (value, found) = rows[0];
        let place = Lately::place(value, HOST).unwrap();
        assert_eq!(lately.recall(place, value), Some(found));
        lately.belong(2);
        assert_eq!(lately.recall(place, value), None);
        assert!(Lately::place("", HOST).is_none() && Lately::place(&"x".repeat(ROOM + 1), HOST).is_none());
    }

    #[test]
    fn what_does_not_fit_is_not_noted() {
        let mut lately = Lately::default();
        lately.belong(1);
        let value = "X".repeat(ROOM);
        let place = Lately::place(&value, HOST).unwrap();
        let lower = value.to_lowercase();
        let found = Found { kind: IndicatorKind::Domain.into(), value: &lower, hash: 7, start: 0, end: ROOM };
        lately.learn(place, &value, Some(found));
        assert_eq!(lately.recall(place, &value), None);
        lately.learn(place, &value, None);
        assert_eq!(lately.recall(place, &value), Some(None));
    }
}
