//! What the walk notes for the [`Outline`]: closing braces, own earlier members, the place for hits, the event's id.

use std::ops::Range;

use crate::event::{Format, Outline, Threat};

/// What a value is to the outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Nothing.
    None,
    /// A top-level member named `sidelight`.
    Ours,
    /// The top-level member `event`.
    Event,
    /// The top-level member `threat`.
    Threat,
    /// `enrichments` in the object `threat`.
    Enrichments,
    /// The top-level member `threat.enrichments`.
    DottedEnrichments,
    /// A top-level member under that name.
    DottedEnrichment,
    /// A candidate for the id; the smallest rank wins.
    Id(u8),
}

impl Slot {
    /// What a key of the top-level object is.
    pub(super) fn of(key: &str) -> Self {
        match key {
            "sidelight" => Self::Ours,
            "event" => Self::Event,
            "threat" => Self::Threat,
            "threat.enrichments" => Self::DottedEnrichments,
            "event.id" => Self::Id(0),
            "_id" => Self::Id(1),
            "id" => Self::Id(2),
            _ if key.starts_with("threat.enrichments.") => Self::DottedEnrichment,
            _ => Self::None,
        }
    }

    pub(super) const fn is_enrichments(self) -> bool {
        matches!(self, Self::Enrichments | Self::DottedEnrichments)
    }
}

/// The outline in the making.
#[derive(Debug, Default)]
pub(super) struct Shape {
    close: usize,
    ours: Vec<Range<usize>>,
    /// Members that stay.
    kept: usize,
    /// The comma before the member at hand.
    comma: Option<usize>,
    member_start: usize,
    /// Whether the last of `ours` still has to take the comma that follows.
    wants_comma: bool,
    nested: Threat,
    dotted: Threat,
    ids: [Option<Range<usize>>; 3],
}

impl Shape {
    /// A member of the top-level object, whose key starts at `start`.
    pub(super) fn member(&mut self, slot: Slot, start: usize) {
        self.member_start = start;
        match slot {
            Slot::Ours => return,
            Slot::DottedEnrichment => self.dotted = Threat::Unfit,
            Slot::None | Slot::Event | Slot::Threat | Slot::Enrichments | Slot::DottedEnrichments | Slot::Id(_) => {}
        }
        self.kept += 1;
    }

    /// Whether keys of this member matter.
    pub(super) const fn has_inner(parent: Slot) -> bool {
        matches!(parent, Slot::Event | Slot::Threat)
    }

    /// A key of an object that is a member of the top-level one.
    pub(super) fn inner(parent: Slot, path: &str) -> Slot {
        match (parent, path) {
            (Slot::Event, "event.id") => Slot::Id(0),
            (Slot::Threat, "threat.enrichments") => Slot::Enrichments,
            _ => Slot::None,
        }
    }

    /// A value that is no container; `token` when it is a string or a number.
    pub(super) fn scalar(&mut self, slot: Slot, range: Range<usize>, token: bool) {
        match slot {
            Slot::Id(rank) => {
                if let Some(id) = self.ids.get_mut(usize::from(rank)) {
                    *id = token.then_some(range);
                }
            }
            Slot::Threat | Slot::Enrichments => self.nested = Threat::Unfit,
            Slot::DottedEnrichments => self.dotted = Threat::Unfit,
            Slot::None | Slot::Ours | Slot::Event | Slot::DottedEnrichment => {}
        }
    }

    /// A container opens.
    pub(super) fn open(&mut self, slot: Slot, object: bool) {
        match slot {
            // Replaced when it closes, unless `enrichments` inside says more.
            Slot::Threat => self.nested = if object { Threat::Absent } else { Threat::Unfit },
            Slot::Enrichments if object => self.nested = Threat::Unfit,
            Slot::DottedEnrichments if object => self.dotted = Threat::Unfit,
            Slot::Id(rank) => {
                if let Some(id) = self.ids.get_mut(usize::from(rank)) {
                    *id = None;
                }
            }
            Slot::None
            | Slot::Ours
            | Slot::Event
            | Slot::Enrichments
            | Slot::DottedEnrichments
            | Slot::DottedEnrichment => {}
        }
    }

    /// A container at `depth` closes with the byte at `close`.
    pub(super) fn close(&mut self, slot: Slot, depth: usize, close: usize, empty: bool) {
        match slot {
            Slot::Threat if self.nested == Threat::Absent => self.nested = Threat::Object { close, empty },
            // `Unfit` set when it opened as an object stays.
            Slot::Enrichments => Self::array(&mut self.nested, close, empty),
            Slot::DottedEnrichments => Self::array(&mut self.dotted, close, empty),
            Slot::None | Slot::Ours | Slot::Event | Slot::Threat | Slot::DottedEnrichment | Slot::Id(_) => {}
        }
        if depth == 1 {
            self.close = close;
        }
    }

    fn array(threat: &mut Threat, close: usize, empty: bool) {
        if *threat != Threat::Unfit {
            *threat = Threat::Enrichments { close, empty };
        }
    }

    /// A member of the top-level object has ended before `end`.
    #[inline]
    pub(super) fn member_end(&mut self, slot: Slot, end: usize) {
        self.wants_comma = false;
        if slot != Slot::Ours {
            return;
        }
        // A member that follows one that stays takes the comma before it, else the one behind it, if any.
        let start = match self.comma {
            Some(comma) if self.kept > 0 => comma,
            _ => {
                self.wants_comma = true;
                self.member_start
            }
        };
        self.ours.push(start..end);
    }

    /// A comma between members of the top-level object.
    pub(super) fn comma(&mut self, at: usize) {
        self.comma = Some(at);
        if self.wants_comma
            && let Some(last) = self.ours.last_mut()
        {
            last.end = at + 1;
        }
    }

    /// Writes what was noted.
    pub(super) fn finish(self, outline: &mut Outline) {
        outline.format = Format::JsonObject;
        outline.close = self.close;
        outline.empty = self.kept == 0;
        outline.ours.extend(self.ours);
        outline.threat = match (self.nested, self.dotted) {
            (Threat::Unfit, _) | (_, Threat::Unfit) => Threat::Unfit,
            (nested @ Threat::Enrichments { .. }, _) | (nested, Threat::Absent) => nested,
            (_, dotted) => dotted,
        };
        outline.id = self.ids.into_iter().flatten().next();
    }
}
