//! Finding indicators in payloads.
//!
//! Rules: one pass over the values of an event, hand-written verifiers on anchors, no backtracking: time is linear in the
//! payload whatever it holds. Private, reserved and internal values are found as any other; judging them is the gate's. Look-alikes
//! (versions, file names, code, times, identifiers) are left out by what stands around them and by the field they stand in.
//!
//! Where tools of this kind disagree, these hold, each with a table in `tests/cases.rs`:
//!
//! - A group with a leading zero is octal to some readers and decimal to others: no address in text; in a URL it is read as browsers do.
//! - Five groups are no address, unless the fifth is a port as packet dumps write it.
//! - What has no scheme is a host, whatever path follows it: there is no URL to ask about. `tcp://` and `udp://` make URLs as well,
//!   and `git+ssh://` one whose scheme is that.
//! - Marks and scripts without spaces bound no token; so an emoji is no part of a name but behind a scheme, and a URL ends before prose that is glued to it.
//! - One span is one indicator: the host of a URL or a mailbox is listed beside it only on request.
//! - A URL that redirects is one URL as written; a percent-encoded one by itself is undone. Base64 is not: what it hides is not in the text.
//! - A defanged name is meant as a host whatever its suffix, `evil[.]zip`, but for command lines, where brackets are patterns.
//! - Letters alone may be a hash, digits alone are a number, and neither all zeros nor all ones are a file.
//! - `.example`, `.corp`, `.local` and other names that resolve nowhere or only inside are found; the gate keeps them.
//! - Names of own machines count in the fields that are made for them where they are under a public suffix: those inside say nothing of others.
//! - The numbers of a weakness stand behind hyphens or, as in names of rules, behind underscores, never both.
//! - Names of detections, settings, interfaces and members of code are told by their first labels and by who has a member of that name.
//! - In prose, names of two labels under suffixes that are extensions, verbs or members of code (`.py`, `.save`, `.name`) are not hosts, unless
//!   what stands around them is said of hosts alone: a port of the web, a query, a key.
//! - A word that machines and versions share (`agent`) leaves it to a port, a state or the shape of a number whether that is an address.
//! - Identifiers of containers, agents and commits, secrets and hashes of passwords are not hashes of files where a word or a path says so.

mod address;
mod anchor;
mod config;
mod context;
mod control;
mod domain;
mod email;
mod extraction;
mod field;
mod hash;
mod headline;
pub mod keywords;
mod lately;
mod marking;
pub(crate) mod name;
mod noted;
mod refang;
mod rules;
mod scan;
mod script;
mod shelf;
mod shell;
mod sink;
mod url;
mod version_six;
mod visit;
mod wide;

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub use config::{Config, Defang};
pub use extraction::{Extraction, Match, Sighted};
pub use headline::{Headline, headline};
pub use keywords::Keywords;

use crate::{
    event,
    model::{Indicator, Kind, NotedKind},
};
use field::Field;
use shelf::{Held, Shelf};
use visit::{Collector, Scratch};

/// What is looked for; built once, shared by all shards.
#[derive(Clone, Debug)]
pub struct Extractor {
    /// One for each that was made; clones share it, as they find the same.
    number: u64,
    kinds: Kinds,
    /// Whether kinds are looked for that are noted only.
    noted: bool,
    max: usize,
    defang: Defang,
    url_hosts: bool,
    keywords: Shelf,
}

/// A set of kinds.
#[derive(Clone, Copy, Debug)]
struct Kinds(u32);

impl Kinds {
    /// Whether any kind is noted only.
    fn has_noted(self) -> bool {
        NotedKind::ALL.into_iter().any(|kind| self.has(kind.into()))
    }

    const fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind.index() != 0
    }
}

thread_local! {
    /// Buffers of the walk; their contents have no meaning between two extractions.
    static SCRATCH: RefCell<(event::Scratch<Field>, Scratch, Held)> = RefCell::default();
}

impl Extractor {
    /// Takes over what the configuration asks for.
    pub fn new(config: &Config) -> Self {
        let kinds = config.kinds.iter().fold(0_u32, |set, kind| set | 1 << kind.index());
        let kinds = Kinds(kinds);
        static MADE: AtomicU64 = AtomicU64::new(0);
        Self {
            number: MADE.fetch_add(1, Ordering::Relaxed),
            kinds,
            noted: kinds.has_noted(),
            max: config.max_per_event,
            defang: config.defang,
            url_hosts: config.url_hosts,
            keywords: Shelf::new(Arc::clone(&config.keywords)),
        }
    }

    /// Puts another list of keywords in the place of the one there is, also for the clones of this extractor: from the next event on.
    pub fn replace_keywords(&self, keywords: Arc<Keywords>) {
        self.keywords.replace(keywords);
    }

    /// Finds the indicators of one payload. Clears `out` first and reuses its memory. Never panics; linear time.
    pub fn extract(&self, payload: &[u8], out: &mut Extraction) {
        SCRATCH.with_borrow_mut(|(walk, scratch, held)| {
            out.clear();
            let mut outline = std::mem::take(out.outline_mut());
            // Most events hold none of their words, keys and all, and then no value is asked.
            let keywords = held.of(&self.keywords).filter(|keywords| keywords.may_hide_in(payload));
            let mut collector = Collector::new(self, keywords, out, scratch);
            event::walk(payload, walk, &mut outline, &mut collector);
            *out.outline_mut() = outline;
            if !out.is_empty() {
                let outline = out.outline();
                let found = marking::of(payload, outline.format == event::Format::JsonObject, &outline.ours);
                out.set_marking(found);
            }
        });
    }

    /// What a value given by itself is, as a person types it: the whole of it has to be one indicator, defanged or not, of a
    /// kind that is looked for. Names count whatever their suffix.
    pub fn identify(&self, value: &str) -> Option<Indicator> {
        let value = value.trim();
        let mut out = Extraction::default();
        SCRATCH.with_borrow_mut(|(_, scratch, _)| Collector::new(self, None, &mut out, scratch).typed(value));
        let found = out.matches().find(|found| found.span == (0..value.len()))?;
        Some(Indicator::new(found.kind.indicator()?, found.value))
    }
}

#[cfg(test)]
mod tests;
