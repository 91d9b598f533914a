//! Lines in, lines out: the pipeline between two streams instead of two topics.
//!
//! A line that is no JSON object is wrapped, `{"message":"…"}`, so that its annotation has a place. Order is the input's when the pipeline keeps
//! the order of partitions. Empty lines leave as empty lines.

mod sink;
mod source;

pub use sink::{LineSink, Tally};
pub use source::{SourceError, feed};
