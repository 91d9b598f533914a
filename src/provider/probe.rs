//! Proving a key: the cheapest call that tells whether the service takes it, and what the service says of its plan.

use crate::{
    budget::Span,
    model::{FailReason, Indicator, IndicatorKind},
    provider::{Feedback, LookupError, Provider, http::Client},
};

/// One window of a plan, as the service tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Which: `day`, `month`, `query credits` …
    pub name: String,
    /// Units left, where it says so.
    pub left: Option<u64>,
    /// Units in all, where it says so.
    pub limit: Option<u64>,
    /// The window of our own quota that it is, where it is one.
    pub span: Option<Span>,
}

impl Limit {
    /// Something else than a window of calls.
    pub(super) const fn other(name: String, left: Option<u64>, limit: Option<u64>) -> Self {
        Self { name, left, limit, span: None }
    }

    /// A window of calls.
    pub(super) fn window(span: Span, left: Option<u64>, limit: Option<u64>) -> Self {
        Self { name: span.as_str().to_owned(), left, limit, span: Some(span) }
    }

    /// What it says of our own account.
    pub(super) fn feedback(&self) -> Option<Feedback> {
        Some(Feedback { span: Some(self.span?), remaining: self.left?, limit: self.limit, resets_in: None })
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.left, self.limit) {
            (Some(left), Some(limit)) => write!(f, "{}: {left} of {limit} left", self.name),
            (Some(left), None) => write!(f, "{}: {left} left", self.name),
            (None, Some(limit)) => write!(f, "{}: {limit}", self.name),
            (None, None) => write!(f, "{}", self.name),
        }
    }
}

/// Values that everybody may know that they are asked about: a public resolver, the names reserved for examples, the empty file.
const HARMLESS: [(IndicatorKind, &str); 6] = [
    (IndicatorKind::Ipv4, "1.1.1.1"),
    (IndicatorKind::Domain, "example.com"),
    (IndicatorKind::Url, "https://example.com/"),
    (IndicatorKind::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (IndicatorKind::Md5, "d41d8cd98f00b204e9800998ecf8427e"),
    (IndicatorKind::Ipv6, "2606:4700:4700::1111"),
];

/// Proves a key by the call that costs nothing, where the service has one and takes the key there; else by a look-up, whose word counts.
///
/// # Errors
///
/// As a look-up.
pub(super) async fn by_proof<P: Provider + ?Sized>(provider: &P, client: &Client) -> Result<Vec<Limit>, LookupError> {
    let told = match client.prove().await {
        Some(told) => told,
        None => return by_lookup(provider).await,
    };
    match told {
        Ok(limits) => Ok(limits),
        // Some plans close the page to those whom they answer; some gateways let look-ups through and nothing else.
        Err(LookupError::Failed {
            reason: FailReason::Unauthorized | FailReason::Rejected | FailReason::Malformed,
            ..
        }) => by_lookup(provider).await,
        Err(error) => Err(error),
    }
}

/// Proves a key by one look-up, for services that have nothing cheaper.
///
/// # Errors
///
/// As a look-up.
pub(super) async fn by_lookup<P: Provider + ?Sized>(provider: &P) -> Result<Vec<Limit>, LookupError> {
    if let Some((kind, value)) = HARMLESS.into_iter().find(|(kind, _)| provider.supports(*kind)) {
        provider.lookup(&Indicator::new(kind, value)).await?;
    }
    let limit = |told: Feedback| Limit {
        name: told.span.map_or("calls", Span::as_str).to_owned(),
        left: Some(told.remaining),
        limit: told.limit,
        span: told.span,
    };
    Ok(provider.feedback().into_iter().map(limit).collect())
}
