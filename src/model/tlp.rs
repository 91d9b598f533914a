//! The Traffic Light Protocol: how far a piece of information may be passed on.

/// Markings of version 2.0, least to most confidential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tlp {
    /// No limit on disclosure.
    Clear,
    /// The community.
    Green,
    /// The organisation and its clients.
    Amber,
    /// The organisation alone.
    AmberStrict,
    /// Named recipients alone.
    Red,
}

impl Tlp {
    /// The marking of that name: `clear`, `green`, `amber`, `amber+strict`, `red`, in any case; `white` is `clear`.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "clear" | "white" => Some(Self::Clear),
            "green" => Some(Self::Green),
            "amber" => Some(Self::Amber),
            "amber+strict" => Some(Self::AmberStrict),
            "red" => Some(Self::Red),
            _ => None,
        }
    }

    /// The name of this marking.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::AmberStrict => "amber+strict",
            Self::Red => "red",
        }
    }
}

/// What an event says of its own marking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marking {
    /// The strictest that one of its fields or tags states.
    pub stated: Option<Tlp>,
    /// The strictest that stands in its text. Whoever writes the text may be anybody, so it can only make things stricter.
    pub mentioned: Option<Tlp>,
}

impl Marking {
    /// The marking that holds, where `default` does for events that state none.
    pub fn or(self, default: Tlp) -> Tlp {
        let stated = self.stated.unwrap_or(default);
        self.mentioned.map_or(stated, |mentioned| stated.max(mentioned))
    }
}
