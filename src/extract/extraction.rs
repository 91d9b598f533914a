//! The result of an extraction; one value is reused from event to event.
//!
//! Everything lives in a few arenas that are emptied and filled again, so that a warm extraction does not allocate.

use std::ops::Range;

use crate::{
    event::Outline,
    extract::lately,
    model::{IndicatorKind, IndicatorRef, Kind, Marking, Role, fingerprint},
};

/// Fields that are kept for one indicator; an indicator in more fields than this has the first ones.
const MAX_FIELDS: u32 = 32;
/// Bytes of a field's path that are kept: nested without end, paths would grow with the square of the payload.
const MAX_PATH: usize = 1024;
/// Bytes of canonical values and paths that are kept of one event; what does not fit is left out.
const MAX_TEXT: usize = 8 << 20;
const NONE: u32 = u32::MAX;

/// What was found in one payload: distinct indicators in the order of their first match, each with its fields.
#[derive(Clone, Debug, Default)]
pub struct Extraction {
    outline: Outline,
    marking: Marking,
    truncated: bool,
    /// Canonical values and field paths.
    text: String,
    entries: Vec<Entry>,
    fields: Vec<(u32, u32)>,
    links: Vec<Link>,
    matches: Vec<Found>,
    /// Indexes into `entries` plus one, by hash; a power of two long.
    slots: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: Kind,
    role: Role,
    value: (u32, u32),
    hash: u64,
    first_link: u32,
    last_link: u32,
    links: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    field: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    entry: u32,
    field: u32,
    span: (u32, u32),
}

/// One distinct indicator of an event.
#[derive(Clone, Copy, Debug)]
pub struct Sighted<'a> {
    /// What it is.
    pub kind: Kind,
    /// Canonical value.
    pub value: &'a str,
    /// The most telling role over its fields.
    pub role: Role,
    from: &'a Extraction,
    index: usize,
}

impl<'a> Sighted<'a> {
    /// Kind and value, for look-ups; none of what is only noted.
    pub fn indicator(&self) -> Option<IndicatorRef<'a>> {
        Some(IndicatorRef { kind: self.kind.indicator()?, value: self.value })
    }

    /// As [`IndicatorRef::fingerprint`], known already; of what is only noted one of its own.
    pub fn fingerprint(&self) -> u64 {
        self.from.entries.get(self.index).map_or(0, |entry| entry.hash)
    }

    /// The distinct field paths it was found in, dotted as ECS writes them, at most 32; never empty. `message` for plain text.
    pub fn fields(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let from = self.from;
        let mut next = from.entries.get(self.index).map_or(NONE, |entry| entry.first_link);
        std::iter::from_fn(move || {
            let link = from.links.get(next as usize)?;
            next = link.next;
            Some(from.field(link.field))
        })
    }
}

/// One place where an indicator was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// What it is.
    pub kind: Kind,
    /// Canonical value.
    pub value: &'a str,
    /// The bytes of the payload in which it is written, escapes and defanging included.
    pub span: Range<usize>,
    /// Field path; of one longer than 1,024 bytes its beginning.
    pub field: &'a str,
}

impl Extraction {
    /// The shape of the payload.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// What the event says of its marking. Looked for only in events with an indicator.
    pub fn marking(&self) -> Marking {
        self.marking
    }

    /// Whether indicators were left out because there were more than `max_per_event`.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Number of distinct indicators.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The distinct indicator at `index`, 0..`len()`; an index out of range gives an empty value.
    pub fn get(&self, index: usize) -> Sighted<'_> {
        match self.entries.get(index) {
            Some(entry) => {
                Sighted { kind: entry.kind, value: self.part(entry.value), role: entry.role, from: self, index }
            }
            None => Sighted { kind: IndicatorKind::Ipv4.into(), value: "", role: Role::Freetext, from: self, index },
        }
    }

    /// The distinct indicators.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Sighted<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Every match, repeated ones too, in the order in which the payload was read.
    pub fn matches(&self) -> impl ExactSizeIterator<Item = Match<'_>> {
        self.matches.iter().map(|found| {
            let sighted = self.get(found.entry as usize);
            let span = found.span.0 as usize..found.span.1 as usize;
            Match { kind: sighted.kind, value: sighted.value, span, field: self.field(found.field) }
        })
    }

    /// Bytes that this value keeps alive.
    pub fn weight(&self) -> usize {
        self.text.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.fields.capacity() * size_of::<(u32, u32)>()
            + self.links.capacity() * size_of::<Link>()
            + self.matches.capacity() * size_of::<Found>()
            + self.slots.capacity() * size_of::<u32>()
            + self.outline.ours.capacity() * size_of::<Range<usize>>()
    }

    /// An extraction as it was once found: of the outline nothing is known any more. Each indicator is kind, value, role and fields.
    pub fn restored<'a, F>(
        indicators: impl IntoIterator<Item = (Kind, &'a str, Role, F)>,
        marking: Marking,
        truncated: bool,
    ) -> Self
    where
        F: IntoIterator<Item = &'a str>,
    {
        let mut restored = Self::default();
        for (kind, value, role, fields) in indicators {
            for field in fields {
                restored.add(kind, value, field, role, 0..0, usize::MAX);
            }
        }
        restored.matches.clear();
        (restored.marking, restored.truncated) = (marking, truncated);
        restored
    }

    pub(super) fn set_marking(&mut self, marking: Marking) {
        self.marking = marking;
    }

    pub(super) fn outline_mut(&mut self) -> &mut Outline {
        &mut self.outline
    }

    /// Forgets what was found and keeps the memory.
    pub(super) fn clear(&mut self) {
        if !self.entries.is_empty() {
            self.slots.fill(0);
        }
        self.marking = Marking::default();
        self.truncated = false;
        self.text.clear();
        self.entries.clear();
        self.fields.clear();
        self.links.clear();
        self.matches.clear();
    }

    /// Adds a match. `max` bounds the distinct indicators.
    pub(super) fn add(&mut self, kind: Kind, value: &str, path: &str, role: Role, span: Range<usize>, max: usize) {
        self.add_hashed(kind, value, fingerprint(kind.index() as u8, value), path, role, span, max);
    }

    /// How many matches there are.
    pub(super) fn count(&self) -> usize {
        self.matches.len()
    }

    /// What was added to the first `count` matches, with its place in a text that stands at `base`: nothing, or one match. `None` when it was more, and
    /// when something was left out.
    pub(super) fn since(&self, count: usize, base: usize) -> Option<Option<lately::Found<'_>>> {
        match self.matches.get(count..)? {
            _ if self.truncated => None,
            [] => Some(None),
            [one] => {
                let entry = self.entries.get(one.entry as usize)?;
                let start = (one.span.0 as usize).checked_sub(base)?;
                let end = (one.span.1 as usize).checked_sub(base)?;
                let value = self.part(entry.value);
                Some(Some(lately::Found { kind: entry.kind, value, hash: entry.hash, start, end }))
            }
            _ => None,
        }
    }

    /// As [`Extraction::add`], with the hash of kind and value as it was there.
    #[expect(clippy::too_many_arguments, reason = "one match, and the bound")]
    pub(super) fn add_hashed(
        &mut self,
        kind: Kind,
        value: &str,
        hash: u64,
        path: &str,
        role: Role,
        span: Range<usize>,
        max: usize,
    ) {
        let Ok(start) = u32::try_from(span.start) else { return };
        let Ok(end) = u32::try_from(span.end) else { return };
        let path = path.get(..path.floor_char_boundary(MAX_PATH)).unwrap_or_default();
        let Some(index) = self.entry(kind, value, hash, role, max).filter(|_| self.text.len() < MAX_TEXT) else {
            self.truncated = true;
            return;
        };
        let field = self.link(index, path);
        self.matches.push(Found { entry: index, field, span: (start, end) });
    }

    fn entry(&mut self, kind: Kind, value: &str, hash: u64, role: Role, max: usize) -> Option<u32> {
        if (self.entries.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while let Some(index) = self.slots[slot].checked_sub(1) {
            let entry = self.entries[index as usize];
            if entry.hash == hash && entry.kind == kind && self.part(entry.value) == value {
                let entry = &mut self.entries[index as usize];
                entry.role = entry.role.min(role);
                return Some(index);
            }
            slot = (slot + 1) & mask;
        }
        if self.entries.len() >= max {
            return None;
        }
        let value = self.keep(value)?;
        let index = u32::try_from(self.entries.len()).ok()?;
        self.slots[slot] = index + 1;
        self.entries.push(Entry { kind, role, value, hash, first_link: NONE, last_link: NONE, links: 0 });
        Some(index)
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(32);
        self.slots.clear();
        self.slots.resize(size, 0);
        for (index, entry) in self.entries.iter().enumerate() {
            let mut slot = entry.hash as usize & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = index as u32 + 1;
        }
    }

    /// Notes that the entry was found in the field `path`, and says which field that is.
    fn link(&mut self, index: u32, path: &str) -> u32 {
        let entry = self.entries[index as usize];
        let mut next = entry.first_link;
        let mut known = None;
        while let Some(link) = self.links.get(next as usize) {
            if self.field(link.field) == path {
                known = Some(link.field);
                break;
            }
            next = link.next;
        }
        if let Some(field) = known {
            return field;
        }
        // Matches of one value come one after another.
        let last = (self.fields.len() as u32).checked_sub(1).filter(|&last| self.field(last) == path);
        let field = match last {
            Some(last) => last,
            None => {
                let Some(range) = self.keep(path) else { return 0 };
                self.fields.push(range);
                self.fields.len() as u32 - 1
            }
        };
        if entry.links < MAX_FIELDS {
            let link = self.links.len() as u32;
            self.links.push(Link { field, next: NONE });
            if let Some(previous) = self.links.get_mut(entry.last_link as usize).filter(|_| entry.links > 0) {
                previous.next = link;
            }
            let entry = &mut self.entries[index as usize];
            if entry.links == 0 {
                entry.first_link = link;
            }
            entry.last_link = link;
            entry.links += 1;
        }
        field
    }

    fn keep(&mut self, part: &str) -> Option<(u32, u32)> {
        let start = u32::try_from(self.text.len()).ok()?;
        self.text.push_str(part);
        Some((start, u32::try_from(self.text.len()).ok()?))
    }

    fn part(&self, (start, end): (u32, u32)) -> &str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    fn field(&self, index: u32) -> &str {
        self.fields.get(index as usize).map_or(crate::event::MESSAGE, |&range| self.part(range))
    }
}
