//! The providers that exist, and how one is built from its configuration. How to add one is told in the module's doc.

use std::sync::Arc;

use crate::{
    model::{IndicatorKind, ProviderId, SharedClock},
    provider::{
        Config, Provider, abuseipdb, circl_pdns, greynoise, hashlookup, internetdb, malwarebazaar, misp, otx, otx_pdns,
        passivetotal, request::Wire, safebrowsing, safebrowsing_v5, shodan, threatfox, urlhaus, urlscan, virustotal,
    },
};

/// Makes a provider of its configuration.
pub type Build = fn(&Config, SharedClock) -> Result<Arc<dyn Provider>, BuildError>;

/// What the program knows of a provider before it is configured.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name: the table `[providers.<name>]`.
    pub id: ProviderId,
    /// Default of `base_url`.
    pub base_url: &'static str,
    /// Default of `quota`: what the service gives to a free key.
    pub quota: &'static str,
    /// What `api_key` is to it.
    pub key: KeyUse,
    /// The kinds that the service can be asked about.
    pub kinds: &'static [IndicatorKind],
    /// Those of them that it is asked about unless `[routing]` says otherwise.
    pub routed: &'static [IndicatorKind],
    /// How it is spoken to.
    pub wire: Wire,
    /// Makes it.
    pub build: Build,
}

impl Spec {
    /// Whether the service tells, by a call that costs nothing, how many calls are left.
    pub fn counts_calls(&self) -> bool {
        self.wire.proof.is_some_and(|proof| proof.counts)
    }
}

/// What a service does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// It answers only with one.
    Required,
    /// It answers only with one, which is `user:password`.
    Pair,
    /// It gives more to those who have one.
    Optional,
    /// It has none.
    Unused,
}

/// Every provider, in the order of annotations.
pub const KNOWN: &[Spec] = &[
    virustotal::SPEC,
    abuseipdb::SPEC,
    shodan::SPEC,
    misp::SPEC,
    passivetotal::SPEC,
    urlscan::SPEC,
    safebrowsing::SPEC,
    malwarebazaar::SPEC,
    internetdb::SPEC,
    greynoise::SPEC,
    hashlookup::SPEC,
    urlhaus::SPEC,
    threatfox::SPEC,
    otx::SPEC,
    otx_pdns::SPEC,
    circl_pdns::SPEC,
    safebrowsing_v5::SPEC,
];

/// The provider of that name.
pub fn spec(name: &str) -> Option<&'static Spec> {
    KNOWN.iter().find(|spec| spec.id.as_str() == name)
}

/// Why a provider cannot be built. Never holds a key or a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// No provider has this name.
    #[error("unknown provider {provider}")]
    Unknown {
        /// The name.
        provider: ProviderId,
    },
    /// The base URL breaks a rule.
    #[error("base_url of {provider} {why}")]
    BaseUrl {
        /// Whose.
        provider: ProviderId,
        /// Which rule; continues the sentence "base_url …".
        why: &'static str,
    },
    /// The key is missing, empty, holds characters that no header can carry, or is no pair where one is needed.
    #[error("api key of {provider} is missing, empty, or not in the form that can be sent")]
    Key {
        /// Whose.
        provider: ProviderId,
    },
    /// The HTTP client cannot be set up, TLS for the most part.
    #[error("http client of {provider}: {detail}")]
    Client {
        /// Whose.
        provider: ProviderId,
        /// The cause.
        detail: String,
    },
}

/// Builds the configured providers, in the order given.
///
/// # Errors
///
/// The first [`BuildError`] met.
pub fn build(configs: &[(ProviderId, Config)], clock: &SharedClock) -> Result<Vec<Arc<dyn Provider>>, BuildError> {
    configs
        .iter()
        .map(|(provider, config)| {
            let spec = spec(provider.as_str()).ok_or(BuildError::Unknown { provider: *provider })?;
            (spec.build)(config, Arc::clone(clock))
        })
        .collect()
}
