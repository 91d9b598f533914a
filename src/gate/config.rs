//! Configuration of the gate.

use ipnet::IpNet;

/// Traffic Light Protocol 2.0 markings, least to most confidential.
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
}

/// What happens to userinfo, query and fragment of a URL before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlQuery {
    /// They never leave.
    Strip,
    /// They are sent.
    Keep,
}

/// What never leaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Own networks beside the private and reserved ones.
    pub own_networks: Vec<IpNet>,
    /// Own domain suffixes, lower case, without a leading dot.
    pub own_domains: Vec<String>,
    /// Marking of events that carry none.
    pub default_tlp: Tlp,
    /// Secrets in URLs.
    pub url_query: UrlQuery,
}

impl Default for Config {
    fn default() -> Self {
        Self { own_networks: Vec::new(), own_domains: Vec::new(), default_tlp: Tlp::Clear, url_query: UrlQuery::Strip }
    }
}
