//! What writing needs to know of one indicator of an event.

use crate::{
    extract::Sighted,
    model::{Kind, Role},
};

/// One distinct indicator of an event, as the event shows it.
pub(super) trait Sight<'a> {
    fn kind(&self) -> Kind;
    /// The whole canonical value.
    fn value(&self) -> &'a str;
    fn role(&self) -> Role;
    /// Distinct field paths.
    fn fields(&self) -> impl Iterator<Item = &'a str>;
}

impl<'a> Sight<'a> for Sighted<'a> {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn value(&self) -> &'a str {
        self.value
    }

    fn role(&self) -> Role {
        self.role
    }

    fn fields(&self) -> impl Iterator<Item = &'a str> {
        Self::fields(self)
    }
}
