//! Listening and answering.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Config, StatusSource, api, limits::Limited, page},
    telemetry::Metrics,
};

/// Why the server could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("admin server cannot listen on {address}: {cause}; choose another address for admin.listen, or \"off\"")]
pub struct BindError {
    address: SocketAddr,
    /// Part of the text, so not also its source.
    cause: io::Error,
}

/// The server before it is bound.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Binds the configured address; `None` where the server is switched off. Nothing is answered yet.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(config: &Config) -> Result<Option<Bound>, BindError> {
        let Some(address) = config.listen else { return Ok(None) };
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Bound { listener, address, token: config.token.clone() })
        };
        bind().map(Some).map_err(|cause| BindError { address, cause })
    }
}

/// A bound server that does not answer yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<SecretString>,
}

/// What the answers are made of.
pub(super) struct Shared {
    pub(super) source: Arc<dyn StatusSource>,
    metrics: Metrics,
    pub(super) token: Option<SecretString>,
    /// Nobody beyond this machine is answered.
    pub(super) loopback: bool,
    /// Places for look-ups that wait.
    pub(super) waiting: Semaphore,
    pub(super) explaining: Semaphore,
}

impl Bound {
    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers from a thread of its own until the handle is dropped.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn spawn(self, source: Arc<dyn StatusSource>, metrics: Metrics) -> io::Result<Handle> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let address = self.address;
        let (loopback, waiting) = (address.ip().is_loopback(), Semaphore::new(api::MOST_WAITING));
        let explaining = Semaphore::new(api::MOST_EXPLAINED);
        let router = router(Arc::new(Shared { source, metrics, token: self.token, loopback, waiting, explaining }));
        let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let served = async {
                    let listener = tokio::net::TcpListener::from_std(self.listener)?;
                    axum::serve(Limited::new(listener), router).await
                };
                tokio::select! {
                    served = served => {
                        if let Err(error) = served {
                            tracing::error!(%error, "admin server ended");
                        }
                    }
                    () = stopped.cancelled() => {}
                }
            });
        })?;
        Ok(Handle { address, stop, thread: Some(thread) })
    }
}

/// A running server; it stops when this is dropped.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("admin server ended by a panic");
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(status_page))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/budgets", get(budgets))
        .route("/api/v1/indicators/{kind}/{*value}", get(api::known))
        .route("/api/v1/lookup", post(api::look_up))
        .route("/api/v1/purge", post(api::purge))
        .route("/api/v1/explain", post(api::explain).layer(DefaultBodyLimit::max(api::MOST_EVENT)))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(map_response(with_headers))
        .with_state(shared)
}

/// Headers that keep a browser from doing anything with our answers but showing them.
async fn with_headers(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match shared.source.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(reasons) => {
            let mut text = reasons.join("\n");
            text.push('\n');
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let moment = shared.source.moment();
    ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], shared.metrics.encode(&moment)).into_response()
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.source.status()).into_response()
}

async fn budgets(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.source.status().providers).into_response()
}

async fn status_page(State(shared): State<Arc<Shared>>) -> Html<String> {
    Html(page::render(&shared.source.status()))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        time::Duration,
    };

    use super::*;
    use crate::{
        admin::{Analyst, Inquiry, StatusReport, Unknown},
        model::IndicatorKind,
        telemetry::Moment,
    };

    /// Longest that a test waits for an answer.
    const PATIENCE: Duration = Duration::from_secs(10);

    struct Fake {
        ready: Result<(), Vec<String>>,
    }

    impl StatusSource for Fake {
        fn ready(&self) -> Result<(), Vec<String>> {
            self.ready.clone()
        }
        fn status(&self) -> StatusReport {
            StatusReport { version: "1", group: "<script>alert(1)</script>".to_owned(), ..StatusReport::default() }
        }
        fn moment(&self) -> Moment {
            Moment::default()
        }
        fn analyst(&self) -> Option<Arc<dyn Analyst>> {
            self.ready.is_ok().then(|| Arc::new(Oracle) as Arc<dyn Analyst>)
        }
    }

    /// Knows one address, and answers what is looked up when it is asked for the second time.
    struct Oracle;

    struct Answer(u8);

    impl Inquiry for Answer {
        fn is_waiting(&mut self, _: Duration) -> bool {
            self.0 += 1;
            self.0 < 2
        }
        fn count(&self) -> usize {
            1
        }
        fn annotation(&self) -> String {
            format!("{{\"asked\":{}}}", self.0)
        }
    }

    impl Analyst for Oracle {
        fn known(&self, kind: IndicatorKind, text: &str) -> Result<String, Unknown> {
            match (kind, text) {
                (IndicatorKind::Ipv4, "192.0.2.1") => Ok("{\"known\":true}".to_owned()),
                (IndicatorKind::Url, "https://a.test/b/c") => Ok("{\"url\":true}".to_owned()),
                (IndicatorKind::Ipv4, "192.0.2.2") => Err(Unknown::NotKnown),
                _ => Err(Unknown::NoIndicator),
            }
        }
        fn explain(&self, event: &[u8]) -> String {
            format!("{{\"bytes\":{}}}", event.len())
        }
        fn look_up(&self, _: &str) -> Box<dyn Inquiry> {
            Box::new(Answer(0))
        }
        fn purge(&self, text: &str) -> Result<Vec<(IndicatorKind, String)>, String> {
            match text {
                "nothing" => Ok(Vec::new()),
                "away" => Err("no broker".to_owned()),
                text => Ok(vec![(IndicatorKind::Domain, text.to_owned())]),
            }
        }
    }

    fn serve(ready: Result<(), Vec<String>>) -> Handle {
        serve_with(ready, None)
    }

    fn serve_with(ready: Result<(), Vec<String>>, token: Option<&str>) -> Handle {
        let token = token.map(SecretString::from);
        let config = Config { listen: Some(([127, 0, 0, 1], 0).into()), token };
        let bound = Server::bind(&config).expect("a free port").expect("switched on");
        bound.spawn(Arc::new(Fake { ready }), Metrics::new()).expect("a thread")
    }

    fn get(handle: &Handle, path: &str) -> String {
        send(handle, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    fn post(handle: &Handle, path: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
        send(handle, &(head + body))
    }

    fn send(handle: &Handle, request: &str) -> String {
        let mut stream = TcpStream::connect(handle.addr()).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("settable");
        stream.write_all(request.as_bytes()).expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("reads");
        answer
    }

    #[test]
    fn every_path_answers() {
        let handle = serve(Ok(()));
        for (path, status, part) in [
            ("/livez", "200", "alive"),
            ("/readyz", "200", "ready"),
            ("/metrics", "200", "sidelight_build_info"),
            ("/api/v1/status", "200", "\"version\":\"1\""),
            ("/api/v1/budgets", "200", "[]"),
            ("/", "200", "<!doctype html>"),
            ("/nothing", "404", ""),
            ("/api/v1/indicators/ipv4/192.0.2.1", "200", "{\"known\":true}"),
            ("/api/v1/indicators/url/https%3A%2F%2Fa.test%2Fb%2Fc", "200", "{\"url\":true}"),
            ("/api/v1/indicators/url/https://a.test/b/c", "200", "{\"url\":true}"),
            ("/api/v1/indicators/ipv4/192.0.2.2", "404", "POST /api/v1/lookup asks"),
            ("/api/v1/indicators/ipv4/x", "400", "there is no ipv4 in it"),
            ("/api/v1/indicators/shoe/x", "404", "known are ipv4, ipv6"),
            ("/api/v1/lookup", "405", ""),
        ] {
            let answer = get(&handle, path);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
            assert!(answer.contains(part), "{path}: {answer}");
            assert!(answer.to_lowercase().contains("content-security-policy: default-src 'none'"), "{path}");
        }
    }

    #[test]
    fn not_ready_says_why_and_live_stays_live() {
        let handle = serve(Err(vec!["draining".to_owned(), "no broker in reach for 31 s".to_owned()]));
        let answer = get(&handle, "/readyz");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("draining\nno broker in reach for 31 s"), "{answer}");
        assert!(get(&handle, "/livez").starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn look_ups_wait_for_their_answers_and_purges_say_what_is_forgotten() {
        let handle = serve(Ok(()));
        let cases = [
            ("/api/v1/lookup", "192.0.2.1\n", "200", r#"{"results":[{"value":"192.0.2.1","sidelight":{"asked":2}}]}"#),
            ("/api/v1/lookup", "{}", "400", "there are no values in the body"),
            (
                "/api/v1/purge",
                r#"{"value":"a.test"}"#,
                "200",
                r#""purged":[{"ioc_type":"domain","ioc_value":"a.test"}]"#,
            ),
            ("/api/v1/purge", "nothing", "400", "no indicator in it"),
            ("/api/v1/purge", "nothing\nb.test", "200", r#""no_indicator":["nothing"],"purged":[{"#),
            ("/api/v1/purge", "away", "503", "other replicas do not hear of some of it: no broker"),
        ];
        for (path, body, status, part) in cases {
            let answer = post(&handle, path, "Host: localhost:1\r\n", body);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(part),
                "{path} {body}: {answer}"
            );
        }
        let starting = serve(Err(vec!["starting".to_owned()]));
        assert!(post(&starting, "/api/v1/lookup", "Host: localhost\r\n", "a").starts_with("HTTP/1.1 503"));
    }

    #[test]
    fn only_who_may_change_something_is_answered() {
        let (open, closed) = (serve(Ok(())), serve_with(Ok(()), Some("a token of nobody")));
        let token = "Host: localhost\r\nAuthorization: Bearer a token of nobody\r\n";
        let cases = [
            (&open, "Host: 127.0.0.1:9464\r\n", "200"),
            (&open, "Host: [::1]:9464\r\n", "200"),
            (&open, "Host: rebound.test:9464\r\n", "403"),
            (&open, "Host: localhost\r\nOrigin: https://page.test\r\n", "403"),
            (&closed, "Host: localhost\r\n", "401"),
            (&closed, "Host: localhost\r\nAuthorization: Bearer another\r\n", "401"),
            (&closed, token, "200"),
            (&closed, "Host: localhost\r\nAuthorization: bearer  a token of nobody\r\n", "200"),
            (&closed, "Host: localhost\r\nAuthorization: Basic a token of nobody\r\n", "401"),
        ];
        for (handle, headers, status) in cases {
            for path in ["/api/v1/lookup", "/api/v1/purge"] {
                let answer = post(handle, path, headers, "a.test");
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {headers}: {answer}");
                assert!(!answer.contains("a token of nobody"), "{answer}");
                assert_eq!(answer.to_lowercase().contains("www-authenticate: bearer"), status == "401", "{answer}");
            }
        }
        let rebound = send(
            &open,
            "GET /api/v1/indicators/ipv4/192.0.2.1 HTTP/1.1\r\nHost: rebound.test\r\nConnection: close\r\n\r\n",
        );
        assert!(rebound.starts_with("HTTP/1.1 403"), "{rebound}");
    }

    #[test]
    fn values_are_escaped_on_the_page() {
        let answer = get(&serve(Ok(())), "/");
        assert!(!answer.contains("<script>") && answer.contains("&lt;script&gt;"), "{answer}");
    }

    #[test]
    fn a_taken_port_is_an_error_that_says_what_to_do() {
        let handle = serve(Ok(()));
        let error = Server::bind(&Config { listen: Some(handle.addr()), token: None }).expect_err("taken");
        assert!(error.to_string().contains("admin.listen"), "{error}");
    }
}
