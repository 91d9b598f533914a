//! A value as it is written, whose escapes are undone only when somebody wants to read it.

use crate::event::{Layer, Source, unescape};

/// A value in the payload, and the buffer into which its escapes can be undone when it has any.
#[derive(Debug)]
pub struct Written<'a> {
    source: Source<'a>,
    layer: Option<&'a mut Layer>,
}

impl<'a> Written<'a> {
    /// A value without escapes, or one whose escapes are undone already.
    pub const fn plain(source: Source<'a>) -> Self {
        Self { source, layer: None }
    }

    /// The inside of a well-formed JSON string with escapes in it.
    pub(super) const fn json(source: Source<'a>, layer: &'a mut Layer) -> Self {
        Self { source, layer: Some(layer) }
    }

    /// The text as it is written.
    pub const fn raw(&self) -> &'a str {
        self.source.text()
    }

    /// Whether it has escapes of a JSON string.
    pub const fn is_escaped(&self) -> bool {
        self.layer.is_some()
    }

    /// Where it begins in the payload, if it stands there as it is written.
    #[inline]
    pub const fn offset(&self) -> Option<usize> {
        self.source.offset()
    }

    /// Hands the value with its escapes undone to `read`.
    pub fn read<T>(self, read: impl FnOnce(Source<'_>) -> T) -> T {
        match self.layer {
            Some(layer) => {
                unescape::json(self.source.text(), layer);
                read(layer.over(&self.source))
            }
            None => read(self.source),
        }
    }
}
