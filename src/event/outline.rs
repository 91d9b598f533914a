//! What is known of a payload's shape after one walk: enough to splice into it without parsing it again.

use std::ops::Range;

/// The format of a payload, recognised by its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One well-formed JSON object; the only format into which an annotation is spliced.
    JsonObject,
    /// Other well-formed JSON: an array, a string, a number.
    Json,
    /// ArcSight CEF, with or without a syslog header.
    Cef,
    /// QRadar LEEF, with or without a syslog header.
    Leef,
    /// RFC 5424 or RFC 3164 syslog.
    Syslog,
    /// A Windows event as XML, with or without a syslog header.
    Xml,
    /// Any other UTF-8 text.
    #[default]
    Text,
    /// Bytes that are no UTF-8 text.
    Binary,
}

/// Where a hit can go to in `threat.enrichments`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threat {
    /// There is no `threat`: a new member `threat` is added to the event.
    #[default]
    Absent,
    /// `threat` (or `threat.enrichments`) exists with another type than ECS gives it: it is left alone.
    Unfit,
    /// `threat` is an object without `enrichments`; `close` is the offset of its `}`.
    Object {
        /// Offset of the closing brace.
        close: usize,
        /// Whether the object has no member.
        empty: bool,
    },
    /// `threat.enrichments` is an array; `close` is the offset of its `]`.
    Enrichments {
        /// Offset of the closing bracket.
        close: usize,
        /// Whether the array has no element.
        empty: bool,
    },
}

/// The shape of a payload. Offsets are bytes from the start of the payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The recognised format.
    pub format: Format,
    /// JSON object: offset of the last `}`.
    pub close: usize,
    /// JSON object: whether nothing is left in it once `ours` is taken out.
    pub empty: bool,
    /// JSON object: ranges of top-level members named `sidelight`, each with the one comma that has to go with it.
    /// In order, not overlapping.
    pub ours: Vec<Range<usize>>,
    /// JSON object: where hits go.
    pub threat: Threat,
    /// JSON object: the JSON token (string with its quotes, or number) of the event's own id: `event.id`, else `_id`, else `id`,
    /// nested or dotted.
    pub id: Option<Range<usize>>,
}

impl Outline {
    /// Makes it that of an empty text and keeps its memory.
    pub(super) fn reset(&mut self) {
        let mut ours = std::mem::take(&mut self.ours);
        ours.clear();
        *self = Self { ours, ..Self::default() };
    }
}
