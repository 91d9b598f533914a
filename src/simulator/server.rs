//! The server: takes calls, asks the service's face, keeps account and log.
//!
//! Every arrival is logged once, before it is answered, with the status that it will get; so the log is complete even of
//! calls that the client gives up.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, Response, StatusCode, header},
    routing::any,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    model::ProviderId,
    simulator::{
        Entry, Fault, FaultRule, Faults, ServiceConfig, SimulatorConfig, Stats, control,
        face::{self, Answer, Asked, Call, FACES, Face, KeyPlace, Tell},
        log::Log,
        plan,
        quota::{Account, Standing},
        render::{self, Context},
        truth::Dice,
    },
};

/// How long a shutdown waits for calls that are under way.
const DRAIN: Duration = Duration::from_millis(500);

/// Bytes of a request's body that are looked at.
const MAX_REQUEST: usize = 4 << 20;

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
    pub(crate) faces: Vec<Face>,
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
        let faces: Vec<Face> = FACES.iter().chain(&config.faces).copied().collect();
        let services = faces.iter().map(service).collect();
        let shared = Shared {
            log: Mutex::new(Log::new(config.log_capacity)),
            faults: Faults::default(),
            stop: CancellationToken::new(),
            faces,
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
    Router::new().nest("/_sim", control::router()).fallback(any(answer)).with_state(Arc::clone(shared))
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let Some((face, path)) = face::find(&shared.faces, request.uri().path()) else { return not_found() };
    let Some(service) = shared.services.get(&face.id) else { return not_found() };
    let path = path.to_owned();
    let (parts, body) = request.into_parts();
    let call = Call {
        method: parts.method,
        path,
        query: Query::try_from_uri(&parts.uri).map(|Query(query)| query).unwrap_or_default(),
        raw_query: parts.uri.query().unwrap_or_default().to_owned(),
        accepts_json: accepts(&parts.headers, header::ACCEPT.as_str(), "json"),
        body: to_bytes(body, MAX_REQUEST).await.map(Vec::from).unwrap_or_default(),
    };
    let gzip = shared.config.gzip && accepts(&parts.headers, header::ACCEPT_ENCODING.as_str(), "gzip");
    let asked = (face.read)(&call);
    let (now, wall_ms) = (shared.config.clock.monotonic(), shared.config.clock.wall_ms());

    let rule = shared.faults.meet(face.id);
    let refusal = refusal(face, service, &call, &parts.headers);
    let plan = plan::tell(face, &call, || service.account.lock().windows(now, wall_ms));
    let counts = refusal.is_none() && plan.is_none();
    let standing = counts.then(|| service.account.lock().arrive(plan::cost(face, &call), now, wall_ms));
    let is_plan = plan.is_some();
    let mut answer = match plan.filter(|_| refusal.is_none()) {
        Some(plan) => plan,
        None => decide(face, &shared, &asked, refusal, standing.as_ref(), wall_ms),
    };
    answer.headers.extend(standing.iter().flat_map(|standing| (face.headers)(standing)));

    let context = Context { face, wall_ms, stop: shared.stop.clone() };
    let response = match &rule {
        Some(rule) => render::faulty(&answer, rule, &context),
        None => render::plain(&answer, gzip),
    };
    let hangs = matches!(&rule, Some(FaultRule { fault: Fault::Hang, .. }));
    let holds = matches!(&rule, Some(FaultRule { fault: Fault::Hold, .. }));
    let indicators = match asked {
        // Its path may hold the key.
        _ if is_plan => vec![("plan", "".into())],
        Ok(asked) => asked.into_iter().map(|asked| (asked.kind.as_str(), asked.value.into())).collect(),
        Err(_) => vec![("other", call.path.into())],
    };
    let entry = Entry {
        time: wall_ms,
        monotonic: now,
        call: 0,
        provider: face.id,
        method: call.method.as_str().into(),
        kind: "other",
        indicator: "".into(),
        status: (!hangs).then(|| response.status().as_u16()),
        fault: rule.map(|rule| rule.fault),
        over_quota: standing.is_some_and(|standing| standing.wait.is_some()),
    };
    shared.log.lock().push(entry, indicators);
    if hangs {
        shared.stop.cancelled().await;
    } else {
        if holds {
            tokio::select! {
                () = shared.faults.released(face.id) => {}
                () = shared.stop.cancelled() => {}
            }
        }
        sleep(latency(&shared, &service.config)).await;
    }
    response
}

fn not_found() -> Response<Body> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn decide(
    face: &Face,
    shared: &Shared,
    asked: &Result<Vec<Asked>, Answer>,
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
    let truth = |asked: &Asked| shared.config.truths.of(asked.kind, &asked.value);
    match (asked, face.tell) {
        (Err(complaint), _) => complaint.clone(),
        (Ok(asked), Tell::Many(tell)) => {
            let known: Vec<_> = asked.iter().map(|asked| (asked.clone(), truth(asked))).collect();
            tell(&known)
        }
        (Ok(asked), Tell::One(tell)) => match asked.first() {
            Some(asked) => tell(asked, &truth(asked)),
            None => Answer::html(500, "a request about nothing"),
        },
    }
}

fn refusal(face: &Face, service: &Service, call: &Call, headers: &HeaderMap) -> Option<Answer> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = match face.key {
        KeyPlace::Nowhere => return None,
        KeyPlace::OptionalHeader(name) if header(name).is_empty() => return None,
        KeyPlace::Header(name) | KeyPlace::OptionalHeader(name) => header(name).to_owned(),
        KeyPlace::Query(name) => call.query.get(name).cloned().unwrap_or_default(),
        KeyPlace::Basic => {
            let encoded = header("authorization").strip_prefix("Basic ").unwrap_or_default();
            STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
        }
    };
    let right = match &service.config.key {
        Some(expected) => expected.split_ascii_whitespace().any(|one| one == key),
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
