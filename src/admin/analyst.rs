//! What analysts ask a running process for, as the server needs it.

use std::time::Duration;

use crate::model::IndicatorKind;

/// Answers analysts. Called on the server's thread: must not block.
pub trait Analyst: Send + Sync + 'static {
    /// What is known of an indicator at this moment, in JSON as in an annotation; nothing is asked for.
    ///
    /// # Errors
    /// [`Unknown`].
    fn known(&self, kind: IndicatorKind, text: &str) -> Result<String, Unknown>;

    /// Asks for what a text holds, ahead of what events wait for and out of the reserve of the quotas.
    fn look_up(&self, text: &str) -> Box<dyn Inquiry>;

    /// What is found in an event, what of it is kept back and why, what is known, and what would be asked and what that costs, in JSON. Nothing is
    /// asked for.
    fn explain(&self, event: &[u8]) -> String;

    /// Forgets what is known of the indicators in a text, here and in the whole fleet: the next sighting asks again. Returns them, as `kind value`.
    ///
    /// # Errors
    /// Why others do not hear of it; here it is forgotten all the same.
    fn purge(&self, text: &str) -> Result<Vec<(IndicatorKind, String)>, String>;
}

/// Why there is nothing to tell of an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The text holds none of this kind.
    NoIndicator,
    /// It has not been looked up, or that was too long ago.
    NotKnown,
}

/// A look-up under way.
pub trait Inquiry: Send {
    /// Whether an answer can come within the time that is left; takes in what has come.
    fn is_waiting(&mut self, left: Duration) -> bool;

    /// Indicators in the text.
    fn count(&self) -> usize;

    /// The annotation of what is known by now, in JSON.
    fn annotation(&self) -> String;
}
