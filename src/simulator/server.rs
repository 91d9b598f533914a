//! The server: takes calls, asks the service's face, keeps account and log.
//!
//! Every arrival is logged once, before it is answered, with the status that it will get; so the log is complete even of
//! calls that the client gives up.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderMap, Response, header},
    routing::any,
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    model::ProviderId,
    simulator::{
        Entry, Fault, FaultRule, Faults, ServiceConfig, SimulatorConfig, Stats, control,
        face::{Answer, Asked, Call, FACES, Face},
        log::Log,
        quota::{Account, Standing},
        render::{self, Context},
        truth::Dice,
    },
};

/// How long a shutdown waits for calls that are under way.
const DRAIN: Duration = Duration::from_millis(500);

/// A simulator that has its port but does not answer yet.
#[derive(Debug)]
pub struct Simulator {
    listener: TcpListener,
    shared: Arc<Shared>,
}

/// A running simulator. Dropping it ends the simulator.
#[derive(Debug)]
pub struct Handle {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

/// What all calls share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: SimulatorConfig,
    pub(crate) log: Mutex<Log>,
    pub(crate) faults: Faults,
    pub(crate) stop: CancellationToken,
    services: BTreeMap<ProviderId, Service>,
    numbers: Mutex<u64>,
}

#[derive(Debug)]
struct Service {
    config: ServiceConfig,
    account: Mutex<Account>,
}

impl Simulator {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn bind(config: SimulatorConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let service = |face: &Face| {
            let service = config.service(face.id);
            let account = Mutex::new(Account::new(service.quota.clone(), config.quota_tolerance));
            (face.id, Service { config: service, account })
        };
        let services = FACES.iter().map(service).collect();
        let shared = Shared {
            log: Mutex::new(Log::new(config.log_capacity)),
            faults: Faults::default(),
            stop: CancellationToken::new(),
            services,
            numbers: Mutex::new(0),
            config,
        };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// Starts to answer, on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the listener has no address any more.
    pub fn spawn(self) -> io::Result<Handle> {
        let addr = self.listener.local_addr()?;
        let stop = self.shared.stop.clone();
        let server = axum::serve(self.listener, router(&self.shared))
            .with_graceful_shutdown(async move { stop.cancelled().await });
        let task = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "simulator ended");
            }
        });
        Ok(Handle { addr, shared: self.shared, task: Some(task) })
    }
}

impl Handle {
    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What to configure as the provider's `base_url`.
    pub fn base_url(&self, provider: ProviderId) -> String {
        format!("http://{}/{provider}", self.addr)
    }

    /// The calls so far, oldest first.
    pub fn log(&self) -> Vec<Entry> {
        self.shared.log.lock().entries()
    }

    /// What the calls so far add up to.
    pub fn stats(&self) -> Stats {
        self.shared.log.lock().stats()
    }

    /// The switchboard of faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Forgets the log, the accounts and the faults.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Ends the simulator: calls under way get half a second, then their connections are left to break.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        if let Some(mut task) = self.task.take()
            && tokio::time::timeout(DRAIN, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Shared {
    pub(crate) fn reset(&self) {
        self.faults.clear_all();
        self.log.lock().reset();
        for service in self.services.values() {
            service.account.lock().reset();
        }
    }
}

fn router(shared: &Arc<Shared>) -> Router {
    let mut router = Router::new().nest("/_sim", control::router());
    for face in FACES {
        let paths = format!("{}{{*path}}", face.root);
        let service = Router::new().route(&paths, any(move |shared, request| answer(face, shared, request)));
        router = router.merge(service.clone()).nest(&format!("/{}", face.id), service);
    }
    router.with_state(Arc::clone(shared))
}

async fn answer(face: &'static Face, State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let Some(service) = shared.services.get(&face.id) else { return Response::default() };
    let call = Call {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: Query::try_from_uri(request.uri()).map(|Query(query)| query).unwrap_or_default(),
        accepts_json: accepts(request.headers(), header::ACCEPT.as_str(), "json"),
    };
    let gzip = shared.config.gzip && accepts(request.headers(), header::ACCEPT_ENCODING.as_str(), "gzip");
    let asked = (face.read)(&call);
    let (now, wall_ms) = (shared.config.clock.monotonic(), shared.config.clock.wall_ms());

    let rule = shared.faults.meet(face.id);
    let refusal = refusal(face, service, request.headers());
    let standing = if refusal.is_none() { Some(service.account.lock().arrive(now, wall_ms)) } else { None };
    let mut answer = decide(face, &shared, &asked, refusal, standing.as_ref(), wall_ms);
    answer.headers.extend(standing.iter().flat_map(|standing| (face.headers)(standing)));

    let context = Context { face, wall_ms, stop: shared.stop.clone() };
    let response = match &rule {
        Some(rule) => render::faulty(&answer, rule, &context),
        None => render::plain(&answer, gzip),
    };
    let hangs = matches!(&rule, Some(FaultRule { fault: Fault::Hang, .. }));
    let (kind, indicator) = match asked {
        Ok(asked) => (asked.kind.as_str(), asked.value),
        Err(_) => ("other", call.path),
    };
    shared.log.lock().push(Entry {
        time: wall_ms,
        monotonic: now,
        provider: face.id,
        method: call.method.as_str().into(),
        kind,
        indicator: indicator.into(),
        status: (!hangs).then(|| response.status().as_u16()),
        fault: rule.map(|rule| rule.fault),
        over_quota: standing.is_some_and(|standing| standing.wait.is_some()),
    });
    if hangs {
        shared.stop.cancelled().await;
    } else {
        sleep(latency(&shared, &service.config)).await;
    }
    response
}

fn decide(
    face: &Face,
    shared: &Shared,
    asked: &Result<Asked, Answer>,
    refusal: Option<Answer>,
    standing: Option<&Standing>,
    wall_ms: i64,
) -> Answer {
    if let Some(refusal) = refusal {
        return refusal;
    }
    if let Some(standing) = standing.filter(|standing| standing.wait.is_some()) {
        return (face.throttle)(standing, wall_ms.div_euclid(1000));
    }
    match asked {
        Ok(asked) => (face.tell)(asked, &shared.config.truths.of(asked.kind, &asked.value)),
        Err(complaint) => complaint.clone(),
    }
}

fn refusal(face: &Face, service: &Service, headers: &HeaderMap) -> Option<Answer> {
    let key = headers.get(face.key_header).and_then(|key| key.to_str().ok()).unwrap_or_default();
    let right = match &service.config.key {
        Some(expected) => key == expected,
        None => !key.is_empty(),
    };
    (!right).then(|| (face.refuse)(key.is_empty()))
}

fn accepts(headers: &HeaderMap, name: &str, what: &str) -> bool {
    headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(what))
}

fn latency(shared: &Shared, service: &ServiceConfig) -> Duration {
    let number = {
        let mut numbers = shared.numbers.lock();
        *numbers += 1;
        *numbers
    };
    let part = Dice::numbered(shared.config.truths.seed, number).range(0, 0, 1000);
    service.latency + service.jitter * part / 1000
}
