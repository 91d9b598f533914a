//! Formats of events: recognising them, walking them with field paths, and what splicing needs to know of them.
//!
//! Rules: the payload is borrowed and read once; a format is known by its content, never by configuration. A document that is
//! not well-formed JSON from the first to the last byte is text. Nothing here recurses on input, so depth costs memory (a few
//! bytes a level) and never stack. Every value that is handed to a [`Visitor`] can say where it stands in the payload.

mod bits;
mod cef;
mod json;
pub(crate) mod lanes;
mod leef;
mod outline;
mod pairs;
mod source;
mod syslog;
mod unescape;
mod walk;
mod written;
mod xml;

pub use bits::Bits;
pub use outline::{Format, Outline, Threat};
pub use source::{Layer, Source};
pub use walk::Visitor;
pub(crate) use walk::{Scratch, walk, walk_embedded};
pub use written::Written;

/// Field path of text that has no key of its own.
pub const MESSAGE: &str = "message";
