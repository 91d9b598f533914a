//! Where the matches of one value go: into the extraction, if their kind is looked for.

use std::ops::Range;

use crate::{
    extract::{Extraction, Extractor, name::Suffixes},
    model::{Kind, Role},
};

/// Where matches go.
pub(super) struct Sink<'a> {
    pub(super) extractor: &'a Extractor,
    pub(super) out: &'a mut Extraction,
    pub(super) path: &'a str,
    pub(super) role: Role,
    /// The canonical value in the making, and a URL that waits for the words before it.
    pub(super) canonical: &'a mut String,
    pub(super) link: &'a mut String,
    pub(super) suffixes: &'a mut Suffixes,
}

impl Sink<'_> {
    pub(super) fn wants(&self, kind: impl Into<Kind>) -> bool {
        self.extractor.kinds.has(kind.into())
    }

    /// Adds the part `part` of the canonical buffer.
    pub(super) fn add(&mut self, kind: impl Into<Kind>, part: Range<usize>, span: Range<usize>) {
        let kind = kind.into();
        if self.extractor.kinds.has(kind) {
            let value = self.canonical.get(part).unwrap_or_default();
            self.out.add(kind, value, self.path, self.role, span, self.extractor.max);
        }
    }

    /// Adds a value that is written in its canonical form.
    pub(super) fn add_text(&mut self, kind: impl Into<Kind>, value: &str, span: Range<usize>) {
        let kind = kind.into();
        if self.extractor.kinds.has(kind) {
            self.out.add(kind, value, self.path, self.role, span, self.extractor.max);
        }
    }

    pub(super) fn add_all(&mut self, kind: impl Into<Kind>, span: Range<usize>) {
        self.add(kind, 0..self.canonical.len(), span);
    }
}
