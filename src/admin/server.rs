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
    routing::get,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Config, StatusSource, limits::Limited, page},
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
            Ok(Bound { listener, address })
        };
        bind().map(Some).map_err(|cause| BindError { address, cause })
    }
}

/// A bound server that does not answer yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

struct Shared {
    source: Arc<dyn StatusSource>,
    metrics: Metrics,
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
        let router = router(Arc::new(Shared { source, metrics }));
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
    use crate::{admin::StatusReport, telemetry::Moment};

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
    }

    fn serve(ready: Result<(), Vec<String>>) -> Handle {
        let config = Config { listen: Some(([127, 0, 0, 1], 0).into()) };
        let bound = Server::bind(&config).expect("a free port").expect("switched on");
        bound.spawn(Arc::new(Fake { ready }), Metrics::new()).expect("a thread")
    }

    fn get(handle: &Handle, path: &str) -> String {
        let mut stream = TcpStream::connect(handle.addr()).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("settable");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("writes");
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
    fn values_are_escaped_on_the_page() {
        let answer = get(&serve(Ok(())), "/");
        assert!(!answer.contains("<script>") && answer.contains("&lt;script&gt;"), "{answer}");
    }

    #[test]
    fn a_taken_port_is_an_error_that_says_what_to_do() {
        let handle = serve(Ok(()));
        let error = Server::bind(&Config { listen: Some(handle.addr()) }).expect_err("taken");
        assert!(error.to_string().contains("admin.listen"), "{error}");
    }
}
