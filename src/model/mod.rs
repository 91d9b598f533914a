//! The words of the product: plain data that every other module shares. No I/O, no async.
//!
//! One word has one meaning everywhere (code, configuration, metrics, documentation); the glossary is in
//! `ARCHITECTURE.md`. Nothing here depends on another module of the crate.

mod assessment;
mod clock;
mod indicator;
mod kind;
mod record;
mod severity;
mod source;
mod tlp;

pub use assessment::{Assessment, Disposition, Queue, Status};
pub use clock::{Clock, ManualClock, SharedClock, SystemClock};
pub(crate) use indicator::fingerprint;
pub use indicator::{Indicator, IndicatorKind, IndicatorRef, Role};
pub use kind::{Kind, NotedKind};
pub use record::{Body, Headers, Origin, Record};
pub use severity::Severity;
pub use source::{Answer, Evidence, Fact, FailReason, ProviderId, Reason, Source, Verdict, VerdictKind};
pub use tlp::{Marking, Tlp};
