//! The fields that documents had lately, as a tree: a key that stands where it stood before costs one comparison, and its path is
//! written already. Events of one source have the same keys in the same order.

use crate::event::{
    Layer,
    json::shape::{Shape, Slot},
    unescape,
};

/// Fields that are kept; a document that comes when there are more begins anew.
const MOST: usize = 2048;
/// Bytes of paths that are kept; keys are no longer.
const TEXT: usize = 128 << 10;
/// Longer paths are not kept, as they would grow with the square of the depth.
const LONGEST: usize = 512;
/// Bytes of a key that are compared at once.
const HEAD: usize = 16;
/// Slots that are looked at for a key, at most: nobody may choose keys that make a document cost the square of its length.
const PROBES: usize = 16;
/// Slots of the table; a power of two, twice the fields.
const SLOTS: usize = 2 * MOST;

/// A field in the tree; it holds until the next document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// The root of documents that are objects, and that of others.
    pub(super) const OBJECT: Self = Self(0);
    pub(super) const OTHER: Self = Self(1);
    /// A field that is not kept.
    pub(super) const NOWHERE: Self = Self(u32::MAX);
}

/// The tree, with what its reader knows of each field.
#[derive(Debug)]
pub(super) struct Fields<F> {
    nodes: Vec<Node<F>>,
    /// Keys as written, each with its closing quote.
    keys: Vec<u8>,
    paths: String,
    /// Fields by their parents and keys, plus one; open addressing.
    slots: Vec<u32>,
    /// A field was left out.
    full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Node<F> {
    parent: Place,
    /// The first bytes of key and quote, and which of them count: most keys are short, and compared at once.
    head: u128,
    mask: u128,
    key: (u32, u32),
    path: (u32, u32),
    /// The field whose key came next, the last time.
    next: Place,
    slot: Slot,
    field: F,
}

impl<F> Default for Fields<F> {
    fn default() -> Self {
        Self { nodes: Vec::new(), keys: Vec::new(), paths: String::new(), slots: Vec::new(), full: false }
    }
}

impl<F: Copy> Fields<F> {
    /// Makes ready for a document. `of` says what is to be known of a field with this path.
    pub(super) fn begin(&mut self, mut of: impl FnMut(&str) -> F) {
        if self.nodes.is_empty() || self.full {
            self.full = false;
            self.nodes.clear();
            self.keys.clear();
            self.paths.clear();
            self.slots.clear();
            self.slots.resize(SLOTS, 0);
            let root = Node {
                parent: Place::NOWHERE,
                head: 0,
                mask: 0,
                key: (0, 0),
                path: (0, 0),
                next: Place::NOWHERE,
                slot: Slot::None,
                field: of(""),
            };
            self.nodes.extend([root; 2]);
        }
    }

    /// Path of a field, and what is known of it.
    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<(&str, F)> {
        let node = self.nodes.get(place.0 as usize)?;
        Some((self.path(node.path), node.field))
    }

    /// What the field is to the outline: a member of the document, or a member of a member.
    #[inline]
    pub(super) fn slot(&self, place: Place) -> Slot {
        self.nodes.get(place.0 as usize).map_or(Slot::None, |node| node.slot)
    }

    /// The field that follows `last` as it did before: its key begins the text `rest`, with the closing quote behind it. Gives what it is to the
    /// outline and the length of the key too.
    #[inline]
    pub(super) fn next(&self, last: Place, parent: Place, rest: &[u8]) -> Option<(Place, Slot, usize)> {
        let place = self.nodes.get(last.0 as usize)?.next;
        let node = self.nodes.get(place.0 as usize)?;
        if node.parent != parent {
            return None;
        }
        let length = (node.key.1 - node.key.0) as usize;
        let same = match rest.first_chunk() {
            Some(head) if length <= HEAD => (u128::from_le_bytes(*head) ^ node.head) & node.mask == 0,
            Some(_) | None => rest.starts_with(self.key(node)),
        };
        same.then_some((place, node.slot, length - 1))
    }

    /// The field `key`, as written, of the object at `parent`; it is noted that it follows `last`. [`Place::NOWHERE`] when there is no room for it.
    pub(super) fn child(
        &mut self,
        last: Place,
        parent: Place,
        key: &str,
        layer: Option<&mut Layer>,
        of: impl FnMut(&str) -> F,
    ) -> Place {
        if parent == Place::NOWHERE || self.slots.is_empty() {
            return Place::NOWHERE;
        }
        let mut slot = hash(parent, key.as_bytes()) & (SLOTS - 1);
        let mut probes = 0;
        let place = loop {
            probes += 1;
            if probes > PROBES {
                return Place::NOWHERE;
            }
            let Some(index) = self.slots[slot].checked_sub(1) else {
                let place = self.add(parent, key, layer, of);
                if place != Place::NOWHERE {
                    self.slots[slot] = place.0 + 1;
                }
                break place;
            };
            let known = self.nodes.get(index as usize);
            let is =
                |node: &Node<F>| node.parent == parent && self.key(node).strip_suffix(b"\"") == Some(key.as_bytes());
            if known.is_some_and(is) {
                break Place(index);
            }
            slot = (slot + 1) & (SLOTS - 1);
        };
        if let Some(node) = self.nodes.get_mut(last.0 as usize) {
            node.next = place;
        }
        place
    }

    fn add(&mut self, parent: Place, key: &str, layer: Option<&mut Layer>, mut of: impl FnMut(&str) -> F) -> Place {
        let Some(&above) = self.nodes.get(parent.0 as usize) else { return Place::NOWHERE };
        let length = (above.path.1 - above.path.0) as usize + 1 + key.len();
        if self.nodes.len() >= MOST || length > LONGEST || self.paths.len() + length > TEXT {
            // What is only too long would be too long again.
            self.full |= length <= LONGEST;
            return Place::NOWHERE;
        }
        let plain = match layer {
            Some(layer) => {
                unescape::json(key, layer);
                layer.text()
            }
            None => key,
        };
        let written = self.keys.len();
        self.keys.extend_from_slice(key.as_bytes());
        self.keys.push(b'"');
        let mut head = [0; HEAD];
        let quoted = &self.keys[written..];
        let some = quoted.len().min(HEAD);
        head[..some].copy_from_slice(&quoted[..some]);
        let mask = u128::MAX >> (8 * (HEAD - some));
        let start = self.paths.len();
        self.paths.extend_from_within(above.path.0 as usize..above.path.1 as usize);
        // An empty key at the top still counts as a step, so that `{"":{"event.id":…}}` is not taken for `event.id`.
        if above.path.0 != above.path.1 || above.parent == Place::OBJECT {
            self.paths.push('.');
        }
        self.paths.push_str(plain);
        let path = (start as u32, self.paths.len() as u32);
        let slot = if parent == Place::OBJECT { Slot::of(plain) } else { Shape::inner(above.slot, self.path(path)) };
        let field = of(self.path(path));
        self.nodes.push(Node {
            parent,
            head: u128::from_le_bytes(head),
            mask,
            key: (written as u32, self.keys.len() as u32),
            path,
            next: Place::NOWHERE,
            slot,
            field,
        });
        Place(self.nodes.len() as u32 - 1)
    }

    /// The key with its closing quote.
    fn key(&self, node: &Node<F>) -> &[u8] {
        self.keys.get(node.key.0 as usize..node.key.1 as usize).unwrap_or_default()
    }

    #[inline]
    fn path(&self, (start, end): (u32, u32)) -> &str {
        self.paths.get(start as usize..end as usize).unwrap_or_default()
    }
}

fn hash(parent: Place, key: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (chunks, tail) = key.as_chunks::<8>();
    let last = tail.iter().fold(key.len() as u64, |word, &byte| word << 8 | u64::from(byte));
    let mixed = chunks
        .iter()
        .map(|chunk| u64::from_le_bytes(*chunk))
        .chain([last])
        .fold(u64::from(parent.0) + 1, |hash, word| (hash ^ word).wrapping_mul(ODD).rotate_left(23));
    (mixed.wrapping_mul(ODD) >> 40) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(fields: &mut Fields<usize>, last: Place, parent: Place, key: &str) -> Place {
        let mut layer = Layer::default();
        fields.child(last, parent, key, key.contains('\\').then_some(&mut layer), str::len)
    }

    #[test]
    fn a_key_is_the_field_it_was() {
        let mut fields = Fields::default();
        fields.begin(str::len);
        let source = at(&mut fields, Place::OBJECT, Place::OBJECT, "source");
        let ip = at(&mut fields, source, source, "ip");
        let other = at(&mut fields, ip, Place::OBJECT, r"\u0069p");
        assert_eq!(fields.get(ip), Some(("source.ip", 9)));
        assert_eq!(fields.get(other), Some(("ip", 2)));
        fields.begin(str::len);
        assert_eq!(fields.next(Place::OBJECT, Place::OBJECT, br#"source":1"#), Some((source, Slot::None, 6)));
        assert_eq!(fields.next(source, source, br#"ip":"#), Some((ip, Slot::None, 2)));
        assert_eq!(fields.next(ip, Place::OBJECT, br#"\u0069p":"#), Some((other, Slot::None, 7)));
        for rest in [&b"ip"[..], b"ipx\"", b"ix\"", b"\"", b""] {
            assert_eq!(fields.next(source, source, rest), None);
        }
        assert_eq!(fields.next(source, Place::OBJECT, br#"ip":"#), None, "the same key elsewhere is another field");
        assert_eq!(at(&mut fields, other, source, "ip"), ip);
        assert_eq!(
            fields.next(other, source, br#"ip":"#),
            Some((ip, Slot::None, 2)),
            "the last one that followed counts"
        );
    }

    #[test]
    fn keys_that_meet_in_one_place_are_looked_for_a_bounded_number_of_times() {
        let mut fields = Fields::default();
        fields.begin(str::len);
        let place = |number: u32| hash(Place::OBJECT, number.to_string().as_bytes()) & (SLOTS - 1);
        let same: Vec<_> = (0_u32..).filter(|number| place(*number) == 7).take(3 * PROBES).collect();
        let kept = |fields: &mut Fields<usize>| {
            let places = same.iter().map(|number| at(fields, Place::OBJECT, Place::OBJECT, &number.to_string()));
            places.filter(|place| *place != Place::NOWHERE).count()
        };
        assert_eq!(kept(&mut fields), PROBES);
        assert_eq!(kept(&mut fields), PROBES, "the same ones");
        assert!(!fields.full);
    }

    #[test]
    fn the_tree_is_bounded_and_begins_anew() {
        let mut fields = Fields::default();
        for round in 0..3 {
            fields.begin(str::len);
            for number in 0..2 * MOST {
                let key = format!("{round}-{number}");
                let place = at(&mut fields, Place::OBJECT, Place::OBJECT, &key);
                let known = fields.get(place).map(|(path, _)| path.to_owned());
                assert!(known == Some(key) || (place == Place::NOWHERE && number + 2 >= MOST), "{number}");
            }
            assert!(fields.nodes.len() <= MOST && fields.paths.len() <= TEXT);
        }
        let long = "x".repeat(LONGEST);
        fields.begin(str::len);
        assert_eq!(at(&mut fields, Place::OBJECT, Place::OBJECT, &long), Place::NOWHERE);
        assert!(!fields.full);
    }
}
