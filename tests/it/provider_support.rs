//! What the provider tests share: configurations, and a server that says one thing and notes what it was asked.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use sidelight::{
    gate::Tlp,
    model::{IndicatorKind, ManualClock, ProviderId, SharedClock},
    provider::{Config, KNOWN, KeyUse, Network, Provider, Spec},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::provider_toy;

/// 2026-11-23T09:00:00Z.
pub(crate) const NOW_MS: i64 = 1_795_424_400_000;

/// A key that must show up nowhere.
pub(crate) const CANARY: &str = "canary0000key0000that0000nobody0000may0000see";

pub(crate) fn clock() -> SharedClock {
    ManualClock::at(NOW_MS)
}

pub(crate) fn config(base_url: &str) -> Config {
    Config {
        key_name: None,
        api_key: Some(CANARY.to_owned().into()),
        base_url: base_url.to_owned(),
        kinds: IndicatorKind::ALL.to_vec(),
        quota: "1000000/s".parse().unwrap(),
        pace: None,
        costs: None,
        unit_price: None,
        account_poll: None,
        timeout: Duration::from_secs(10),
        max_in_flight: 4,
        weight: None,
        max_tlp: Tlp::Green,
        network: Network::default(),
    }
}

/// Every provider that the contract is asked of: those of the product, and the one that was added by the recipe.
pub(crate) fn specs() -> impl Iterator<Item = &'static Spec> {
    KNOWN.iter().chain(std::iter::once(&provider_toy::SPEC))
}

pub(crate) fn spec(provider: ProviderId) -> &'static Spec {
    specs().find(|spec| spec.id == provider).unwrap()
}

/// A provider that is asked about every kind that its service knows, with a key in the form that it takes.
pub(crate) fn build(provider: ProviderId, config: Config) -> Arc<dyn Provider> {
    let spec = spec(provider);
    let api_key = match spec.key {
        KeyUse::Pair => Some(format!("user:{CANARY}").into()),
        KeyUse::Required | KeyUse::Optional | KeyUse::Unused => config.api_key,
    };
    let config = Config { api_key, kinds: spec.kinds.to_vec(), ..config };
    (spec.build)(&config, clock()).unwrap()
}

/// A value of a kind.
pub(crate) fn sample(kind: IndicatorKind) -> &'static str {
    match kind {
        IndicatorKind::Ipv4 => "198.51.100.20",
        IndicatorKind::Ipv6 => "2001:db8::20",
        IndicatorKind::Domain => "xn--bcher-kva.example",
        IndicatorKind::Url => "https://host.example/a?b=c#d/../e",
        IndicatorKind::Email => "a@host.example",
        IndicatorKind::Md5 => "0123456789abcdef0123456789abcdef",
        IndicatorKind::Sha1 => "0123456789abcdef0123456789abcdef01234567",
        IndicatorKind::Sha256 => "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        IndicatorKind::Sha512 => {
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
             0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        }
        IndicatorKind::Cve => "CVE-2026-0001",
    }
}

/// A server that gives every connection the same bytes and closes it.
pub(crate) struct Canned {
    pub(crate) addr: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    pub(crate) async fn start(response: impl Into<Vec<u8>>) -> Self {
        let response: Vec<u8> = response.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                noted.lock().push(request);
                // A client that has gone is no concern of the server's.
                drop(stream.write_all(&response).await);
                drop(stream.shutdown().await);
            }
        });
        Self { addr, requests }
    }

    /// A complete answer with this body.
    pub(crate) async fn json(status: u16, body: &[u8]) -> Self {
        Self::start(json_answer(status, body)).await
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

/// The bytes of a complete answer with this body.
pub(crate) fn json_answer(status: u16, body: &[u8]) -> Vec<u8> {
    let mut response = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend_from_slice(body);
    response
}

/// A way to `service` that mixes answers up: whoever asks about `asked` gets what is said of `known`, which is as long.
pub(crate) async fn mixing(service: SocketAddr, asked: &'static str, known: &'static str) -> SocketAddr {
    assert_eq!(asked.len(), known.len());
    between(service, move |request| Ok(request.replace(asked, known))).await
}

/// A way to `service` on which a request may be changed, or answered at once.
pub(crate) async fn between(
    service: SocketAddr,
    change: impl Fn(String) -> Result<String, Vec<u8>> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let request = match change(read_request(&mut client).await) {
                Ok(request) => request.replacen("\r\n", "\r\nconnection: close\r\n", 1),
                Err(answer) => {
                    drop(client.write_all(&answer).await);
                    drop(client.shutdown().await);
                    continue;
                }
            };
            let mut upstream = TcpStream::connect(service).await.unwrap();
            upstream.write_all(request.as_bytes()).await.unwrap();
            // Either side may hang up when it has what it wants.
            drop(tokio::io::copy(&mut upstream, &mut client).await);
            drop(client.shutdown().await);
        }
    });
    addr
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while !is_whole(&bytes) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Whether head and body are there.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
