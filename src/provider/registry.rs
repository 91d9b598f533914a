//! The providers that exist, and how one is built from its configuration. How to add one is told in the module's doc.

use std::sync::Arc;

use crate::{
    model::{IndicatorKind, ProviderId, SharedClock},
    provider::{Config, Provider, abuseipdb, virustotal},
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
    /// The kinds for which it is responsible.
    pub kinds: &'static [IndicatorKind],
    /// Makes it.
    pub build: Build,
}

/// Every provider, in the order of annotations.
pub const KNOWN: &[Spec] = &[virustotal::SPEC, abuseipdb::SPEC];

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
    /// The key is empty or holds characters that no header can carry.
    #[error("api key of {provider} is empty or holds characters that cannot be sent")]
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
