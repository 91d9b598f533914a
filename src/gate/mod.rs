//! What must never leave the organisation, and what is not worth asking.
//!
//! Judged from the canonical value alone, without an allocation. Own networks and domains come first, then the special-purpose
//! networks and the names that resolve only inside.

mod config;
mod networks;
mod subject;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    extract::name::{Suffix, is_under, suffix},
    model::{IndicatorKind, IndicatorRef, Kind, Marking},
};

pub use crate::model::Tlp;
pub use config::{Config, UrlQuery};
pub use networks::{embedded as embedded_v4, special as special_purpose};

/// Why an indicator is not looked up anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suppression {
    /// RFC 1918, unique local, shared (CGNAT).
    PrivateAddress,
    /// Loopback.
    Loopback,
    /// Link-local.
    LinkLocal,
    /// Multicast or broadcast.
    Multicast,
    /// Documentation and benchmarking ranges.
    Documentation,
    /// Any other range that is not globally routable.
    ReservedAddress,
    /// In `gate.own_networks`.
    OwnNetwork,
    /// Under `gate.own_domains`.
    OwnDomain,
    /// A name that resolves only inside: `.local`, `.internal`, `.corp`, reverse zones …
    InternalName,
    /// A name without a dot.
    SingleLabel,
    /// No configured provider is responsible for the kind.
    NoProvider,
    /// Of a kind that is noted and never looked up.
    NotedOnly,
}

impl Suppression {
    /// Every reason, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::PrivateAddress,
        Self::Loopback,
        Self::LinkLocal,
        Self::Multicast,
        Self::Documentation,
        Self::ReservedAddress,
        Self::OwnNetwork,
        Self::OwnDomain,
        Self::InternalName,
        Self::SingleLabel,
        Self::NoProvider,
        Self::NotedOnly,
    ];

    /// The `reason` of annotations and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrivateAddress => "private_address",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link_local",
            Self::Multicast => "multicast",
            Self::Documentation => "documentation",
            Self::ReservedAddress => "reserved_address",
            Self::OwnNetwork => "own_network",
            Self::OwnDomain => "own_domain",
            Self::InternalName => "internal_name",
            Self::SingleLabel => "single_label",
            Self::NoProvider => "no_provider",
            Self::NotedOnly => "noted_only",
        }
    }
}

/// The gate; built once, shared by all shards.
#[derive(Clone, Debug)]
pub struct Gate {
    networks: Vec<IpNet>,
    domains: Vec<String>,
    url_query: UrlQuery,
    default_tlp: Tlp,
}

impl Gate {
    /// Compiles the lists.
    pub fn new(config: &Config) -> Self {
        let clean = |domain: &String| domain.trim_matches('.').to_ascii_lowercase();
        Self {
            networks: config.own_networks.clone(),
            domains: config.own_domains.iter().map(clean).filter(|domain| !domain.is_empty()).collect(),
            url_query: config.url_query,
            default_tlp: config.default_tlp,
        }
    }

    /// Why what was found must not be looked up, as [`Gate::suppression`] says it of indicators.
    pub fn reason(&self, kind: Kind, value: &str) -> Option<Suppression> {
        match kind {
            Kind::Indicator(kind) => self.suppression(IndicatorRef { kind, value }),
            Kind::Noted(_) => Some(Suppression::NotedOnly),
        }
    }

    /// Why this indicator must not be looked up; `None` lets it pass. A URL is judged by its host, an e-mail by its domain.
    /// A value that is not what its kind says does not pass.
    pub fn suppression(&self, indicator: IndicatorRef<'_>) -> Option<Suppression> {
        let value = indicator.value;
        match indicator.kind {
            IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => match value.parse() {
                Ok(address) => self.address(address),
                Err(_) => Some(Suppression::ReservedAddress),
            },
            IndicatorKind::Domain => self.host(value),
            IndicatorKind::Url => match subject::parts(value) {
                Some(parts) => self.host(value.get(parts.host).unwrap_or_default()),
                None => Some(Suppression::SingleLabel),
            },
            IndicatorKind::Email => self.host(value.rsplit('@').next().unwrap_or_default()),
            IndicatorKind::Md5
            | IndicatorKind::Sha1
            | IndicatorKind::Sha256
            | IndicatorKind::Sha512
            | IndicatorKind::Cve => None,
        }
    }

    /// The marking that holds for an event.
    pub fn tlp(&self, marking: Marking) -> Tlp {
        marking.or(self.default_tlp)
    }

    /// What may leave the organisation of a value that passed, and the key under which its assessment is cached: URLs lose
    /// userinfo, query and fragment unless configured otherwise. Borrows `value` where nothing has to go, else writes to `buffer`.
    pub fn subject<'a>(&self, indicator: IndicatorRef<'a>, buffer: &'a mut String) -> IndicatorRef<'a> {
        if indicator.kind != IndicatorKind::Url || self.url_query == UrlQuery::Keep {
            return indicator;
        }
        let url = indicator.value;
        let Some(parts) = subject::parts(url) else { return indicator };
        if parts.userinfo.is_empty() {
            return IndicatorRef { value: &url[..parts.query], ..indicator };
        }
        buffer.clear();
        buffer.push_str(&url[..parts.userinfo.start]);
        buffer.push_str(&url[parts.userinfo.end..parts.query]);
        IndicatorRef { value: buffer, ..indicator }
    }

    fn address(&self, address: IpAddr) -> Option<Suppression> {
        if self.is_own(address) {
            return Some(Suppression::OwnNetwork);
        }
        networks::special(address)
    }

    fn is_own(&self, address: IpAddr) -> bool {
        if self.networks.is_empty() {
            return false;
        }
        let inner = match address {
            IpAddr::V6(outer) => networks::embedded(outer).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        self.networks
            .iter()
            .any(|network| network.contains(&address) || inner.is_some_and(|inner| network.contains(&inner)))
    }

    fn host(&self, host: &str) -> Option<Suppression> {
        // No name ends in a digit or holds a colon.
        let last = host.as_bytes().last().copied().unwrap_or(0);
        if (last.is_ascii_digit() || host.contains(':'))
            && let Ok(address) = host.parse()
        {
            return self.address(address);
        }
        if self.domains.iter().any(|domain| is_under(host, domain)) {
            return Some(Suppression::OwnDomain);
        }
        match suffix(host) {
            Suffix::Public { .. } => None,
            // What is under no public suffix can only resolve inside.
            Suffix::Itself | Suffix::Internal | Suffix::Unknown => Some(Suppression::InternalName),
            Suffix::SingleLabel => Some(Suppression::SingleLabel),
        }
    }
}

#[cfg(test)]
mod tests;
