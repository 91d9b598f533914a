//! Configuration of the extraction.

use std::sync::Arc;

use crate::{
    extract::Keywords,
    model::{IndicatorKind, Kind},
};

/// How far defanged forms are undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defang {
    /// Not at all.
    Off,
    /// Bracketed dots, ats and schemes: `hxxp`, `[.]`, `(dot)`, `[at]` …
    Standard,
    /// Also words and spaces: `example dot com`.
    Aggressive,
}

/// What is extracted.
#[derive(Clone, Debug)]
pub struct Config {
    /// The kinds to look for.
    pub kinds: Vec<Kind>,
    /// Distinct indicators per event, at most; more set `truncated`.
    pub max_per_event: usize,
    /// Defanged forms.
    pub defang: Defang,
    /// Also report the host of a URL or e-mail address as an indicator of its own.
    pub url_hosts: bool,
    /// Strings of the user's own that are noted; none where it is empty.
    pub keywords: Arc<Keywords>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kinds: IndicatorKind::ALL.map(Kind::Indicator).to_vec(),
            max_per_event: 256,
            defang: Defang::Standard,
            url_hosts: false,
            keywords: Arc::default(),
        }
    }
}
