//! What providers are made of: a request, and a reading of its answer; about one indicator ([`Service`]) or about many
//! ([`BatchService`]).

use std::time::Duration;

use serde::Deserialize;

use crate::{
    model::{Evidence, FailReason, Indicator, IndicatorKind, ProviderId, SharedClock, Verdict, VerdictKind},
    provider::{
        BoxFuture, BuildError, Config, Costs, Feedback, Limit, LookupError, Provider, Spec,
        http::{Client, Reply},
        probe,
        request::{Request, is_well_formed},
        text,
    },
};

/// What an answer says.
pub type Reading = Result<(VerdictKind, Evidence), LookupError>;

/// What an answer says of each of some indicators, in their order; the text is the service's base URL.
pub type ReadMany = fn(&str, &[&Indicator], &Reply) -> Result<Vec<Reading>, LookupError>;

/// A provider that asks about one indicator by one request.
#[derive(Debug)]
pub struct Service {
    id: ProviderId,
    client: Client,
    /// The request; `None` where the service cannot be asked about this indicator.
    request: for<'a> fn(&'a Indicator) -> Option<Request<'a>>,
    read: fn(&Indicator, &Reply) -> Reading,
}

impl Service {
    /// A service of that specification; see the fields for the functions.
    pub fn new(
        spec: &Spec,
        config: &Config,
        clock: SharedClock,
        request: for<'a> fn(&'a Indicator) -> Option<Request<'a>>,
        read: fn(&Indicator, &Reply) -> Reading,
    ) -> Result<Self, BuildError> {
        Ok(Self { id: spec.id, client: Client::new(spec, config, clock)?, request, read })
    }
}

impl Provider for Service {
    fn id(&self) -> ProviderId {
        self.id
    }

    fn key_name(&self) -> Option<&str> {
        self.client.key_name()
    }

    fn supports(&self, kind: IndicatorKind) -> bool {
        self.client.is_routed(kind)
    }

    fn lookup<'a>(&'a self, indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(async move {
            let request = Some(indicator).filter(|indicator| is_well_formed(indicator)).and_then(self.request);
            let request = request.ok_or_else(unaskable)?;
            let reply = self.client.send(request).await?;
            let (kind, evidence) = (self.read)(indicator, &reply)?;
            Ok(Verdict { kind, evidence, answered_at: self.client.now_ms() })
        })
    }

    fn costs(&self) -> Costs {
        self.client.costs()
    }

    fn feedback(&self) -> Vec<Feedback> {
        self.client.feedback()
    }

    fn account_poll(&self) -> Option<Duration> {
        self.client.account_poll()
    }

    fn ask_account<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Feedback>, LookupError>> {
        Box::pin(self.client.ask_account())
    }

    fn prove<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Limit>, LookupError>> {
        Box::pin(probe::by_proof(self, &self.client))
    }
}

/// A provider whose request can name many indicators.
#[derive(Debug)]
pub struct BatchService {
    id: ProviderId,
    client: Client,
    /// How many indicators a request can name.
    size: usize,
    /// The request about some indicators.
    request: fn(&[&Indicator]) -> Request<'static>,
    read: ReadMany,
}

impl BatchService {
    /// A service of that specification; see the fields for the functions.
    pub fn new(
        spec: &Spec,
        config: &Config,
        clock: SharedClock,
        size: usize,
        request: fn(&[&Indicator]) -> Request<'static>,
        read: ReadMany,
    ) -> Result<Self, BuildError> {
        Ok(Self { id: spec.id, client: Client::new(spec, config, clock)?, size, request, read })
    }

    /// Asks about all of them by one request; each has an answer of its own, in their order.
    async fn ask(&self, indicators: &[&Indicator]) -> Result<Vec<Result<Verdict, LookupError>>, LookupError> {
        let askable = |indicator: &&Indicator| is_well_formed(indicator) && self.client.is_routed(indicator.kind);
        let asked: Vec<&Indicator> = indicators.iter().copied().filter(askable).collect();
        if asked.is_empty() {
            return Ok(indicators.iter().map(|_| Err(unaskable())).collect());
        }
        let reply = self.client.send((self.request)(&asked)).await?;
        let answered_at = self.client.now_ms();
        let mut readings = (self.read)(self.client.base(), &asked, &reply)?.into_iter();
        let mut next = |indicator: &&Indicator| {
            if !askable(indicator) {
                return Err(unaskable());
            }
            let (kind, evidence) = readings.next().ok_or_else(|| malformed("an indicator without an answer"))??;
            Ok(Verdict { kind, evidence, answered_at })
        };
        Ok(indicators.iter().map(&mut next).collect())
    }
}

impl Provider for BatchService {
    fn id(&self) -> ProviderId {
        self.id
    }

    fn key_name(&self) -> Option<&str> {
        self.client.key_name()
    }

    fn supports(&self, kind: IndicatorKind) -> bool {
        self.client.is_routed(kind)
    }

    fn lookup<'a>(&'a self, indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(async move { self.ask(&[indicator]).await?.pop().unwrap_or_else(|| Err(unaskable())) })
    }

    fn batch_size(&self) -> usize {
        self.size
    }

    fn lookup_many<'a>(&'a self, indicators: &'a [Indicator]) -> BoxFuture<'a, Vec<Result<Verdict, LookupError>>> {
        Box::pin(async move {
            let asked: Vec<&Indicator> = indicators.iter().collect();
            let answers = self.ask(&asked).await;
            answers.unwrap_or_else(|error| indicators.iter().map(|_| Err(error.clone())).collect())
        })
    }

    fn costs(&self) -> Costs {
        self.client.costs()
    }

    fn feedback(&self) -> Vec<Feedback> {
        self.client.feedback()
    }

    fn account_poll(&self) -> Option<Duration> {
        self.client.account_poll()
    }

    fn ask_account<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Feedback>, LookupError>> {
        Box::pin(self.client.ask_account())
    }

    fn prove<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Limit>, LookupError>> {
        Box::pin(probe::by_proof(self, &self.client))
    }
}

/// The refusal of an indicator that the service cannot be asked about.
pub(crate) fn unaskable() -> LookupError {
    LookupError::failed(FailReason::Rejected, "not an indicator that can be asked for")
}

/// The JSON of a body.
pub fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, LookupError> {
    serde_json::from_slice(body).map_err(|error| malformed(text::json_error(&error)))
}

/// The body of a 200; a 404 of a service that has no use for one is a wrong base URL.
pub fn body(reply: &Reply) -> Result<&[u8], LookupError> {
    match reply {
        Reply::Body(body) => Ok(body),
        Reply::NotFound(_) => Err(LookupError::failed(FailReason::Rejected, "status 404")),
    }
}

/// An answer that is not what the interface promises.
pub fn malformed(detail: impl Into<String>) -> LookupError {
    LookupError::failed(FailReason::Malformed, detail)
}
