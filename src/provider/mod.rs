//! Providers: one small contract, one file each.
//!
//! A provider asks one service about one indicator, once. It knows no budget, no cache, no retry and no score: it turns
//! the service's way of speaking into found, clean, not_found ([`Verdict`]), throttled or failed ([`LookupError`]). What
//! it cannot read is a failure, never a verdict.
//!
//! # Adding a provider
//!
//! One file, three lines and the provider's fixtures:
//!
//! 1. the file `src/provider/<name>.rs` with `ID`, `SPEC` and, for a service that is asked about one indicator by one request, the two
//!    functions of a [`service::Service`]: the request, and what its answer means;
//! 2. here: `mod <name>;` and `pub use <name>::ID as <NAME>;`;
//! 3. in `registry.rs`: `<name>::SPEC` in [`KNOWN`]. The configuration, its check and the command line follow from it.
//!
//! A term of the base formulas, or a floor, is a row in `score/formula.rs`. The contract suite (`tests/it/provider_contract.rs`)
//! walks [`KNOWN`] and fails until the new provider's bodies are in its table.

pub mod about;
mod abusech;
mod abuseipdb;
mod breaker;
mod circl_pdns;
mod config;
mod costs;
mod depth;
mod feedback;
mod greynoise;
mod gzip;
mod hashlookup;
mod http;
mod internetdb;
mod malwarebazaar;
mod misp;
mod otx;
mod otx_pdns;
mod passive_dns;
mod passivetotal;
mod probe;
mod proof;
mod reach;
mod registry;
mod request;
mod retry_after;
mod safebrowsing;
mod safebrowsing_v5;
mod service;
mod shodan;
pub mod text;
mod threatfox;
pub mod time;
mod transport;
mod urlhaus;
mod urlscan;
mod virustotal;

pub use abuseipdb::ID as ABUSEIPDB;
pub use breaker::{Breaker, BreakerState, Chance, Effect, Open};
pub use circl_pdns::ID as CIRCL_PDNS;
pub use config::Config;
pub use costs::{Costs, Prices};
pub use feedback::Feedback;
pub use greynoise::ID as GREYNOISE;
pub use hashlookup::ID as HASHLOOKUP;
pub use http::{MAX_BODY, MAX_DECODED};
pub use internetdb::ID as INTERNETDB;
pub use malwarebazaar::ID as MALWAREBAZAAR;
pub use misp::ID as MISP;
pub use otx::ID as OTX;
pub use otx_pdns::ID as OTX_PDNS;
pub use passivetotal::ID as PASSIVETOTAL;
pub use probe::Limit;
pub use registry::{Build, BuildError, KNOWN, KeyUse, Spec, build, spec};
pub use safebrowsing::ID as SAFEBROWSING;
pub use safebrowsing_v5::ID as SAFEBROWSING_V5;
pub use shodan::ID as SHODAN;
pub use threatfox::ID as THREATFOX;
pub use transport::{Network, check_base_url};
pub use urlhaus::ID as URLHAUS;
pub use urlscan::ID as URLSCAN;
pub use virustotal::ID as VIRUSTOTAL;

/// What providers are made of, for one that lives outside of this crate; with [`about`], [`text`] and [`time`].
pub mod kit {
    pub use super::{
        http::Reply,
        proof::Proof,
        request::{Auth, Content, Judge, Payload, Request, Wire},
        service::{BatchService, ReadMany, Reading, Service, body, malformed, parse},
    };
}

use std::{future::Future, pin::Pin, time::Duration};

use crate::model::{FailReason, Indicator, IndicatorKind, ProviderId, Verdict};

/// Why a call brought no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// 429 or its like: pause this provider.
    #[error("throttled")]
    Throttled {
        /// How long, where the provider says so; over zero, at most 24 h, `None` for an absurd value.
        retry_after: Option<Duration>,
        /// Whether the service says that a quota of the key is used up, without saying which.
        used_up: bool,
    },
    /// Anything else.
    #[error("{}: {detail}", reason.as_str())]
    Failed {
        /// Why.
        reason: FailReason,
        /// For the log: status, a few bytes of the error text; never a key, never the indicator.
        detail: String,
    },
}

impl LookupError {
    /// 429 or its like, and nothing said with it.
    pub const fn throttled() -> Self {
        Self::Throttled { retry_after: None, used_up: false }
    }

    /// What the key has paid for is used up, and nobody says until when.
    pub const fn used_up() -> Self {
        Self::Throttled { retry_after: None, used_up: true }
    }

    /// Anything else; what is told must hold neither key nor indicator.
    pub fn failed(reason: FailReason, detail: impl Into<String>) -> Self {
        Self::Failed { reason, detail: detail.into() }
    }
}

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One external intelligence source. A call costs what [`costs`](Self::costs) says of the kind that it asks about, however many indicators it names.
pub trait Provider: Send + Sync + 'static {
    /// Its name.
    fn id(&self) -> ProviderId;

    /// The name of its key where the service is asked with several; the first of them has none.
    fn key_name(&self) -> Option<&str> {
        None
    }

    /// The name of its account: that of the provider, and of the key where it has one.
    fn account(&self) -> Box<str> {
        match self.key_name() {
            Some(key) => format!("{}/{key}", self.id()).into(),
            None => self.id().as_str().into(),
        }
    }

    /// Whether it is responsible for indicators of this kind.
    fn supports(&self, kind: IndicatorKind) -> bool;

    /// Asks about one indicator, once: no retry, no budget, no cache. Dropping the future ends the call.
    ///
    /// # Errors
    ///
    /// [`LookupError::Throttled`] for a 429; [`LookupError::Failed`] for everything that is no verdict.
    fn lookup<'a>(&'a self, indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>>;

    /// What calls cost, by the kind that they ask about.
    fn costs(&self) -> Costs {
        Costs::default()
    }

    /// How many indicators one call can ask about, 1..=512; it costs the same for all of them.
    fn batch_size(&self) -> usize {
        1
    }

    /// Asks about several indicators, at most [`batch_size`](Self::batch_size), by one call; an answer for each, in their order. What holds for
    /// [`lookup`](Self::lookup) holds for each; a failure of the call is one of every indicator.
    fn lookup_many<'a>(&'a self, indicators: &'a [Indicator]) -> BoxFuture<'a, Vec<Result<Verdict, LookupError>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(indicators.len());
            for indicator in indicators {
                answers.push(self.lookup(indicator).await);
            }
            answers
        })
    }

    /// Proves the key by the cheapest call that the service has; what the service says of the plan. One look-up unless a provider knows better.
    ///
    /// # Errors
    ///
    /// As [`Provider::lookup`].
    fn prove<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Limit>, LookupError>> {
        Box::pin(probe::by_lookup(self))
    }

    /// How often [`ask_account`](Self::ask_account) is to be called; `None`: never, as where the service has no such call.
    fn account_poll(&self) -> Option<Duration> {
        None
    }

    /// Asks what the service's own account has left, by a call that costs nothing of it. The service may know of calls that others made with the key.
    ///
    /// # Errors
    ///
    /// As [`Provider::lookup`].
    fn ask_account<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Feedback>, LookupError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// What the service's answers said of its own account since the last look.
    fn feedback(&self) -> Vec<Feedback> {
        Vec::new()
    }
}
