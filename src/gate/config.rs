//! Configuration of the gate.

use ipnet::IpNet;

use crate::model::Tlp;

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
