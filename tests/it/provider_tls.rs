//! Services with certificates of their own, and proxies: over real sockets on loopback.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    ssl::{SslAcceptor, SslMethod},
    x509::{
        X509, X509Name,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};
use parking_lot::Mutex;
use sidelight::{
    model::{FailReason, Indicator, IndicatorKind, VerdictKind},
    provider::{ABUSEIPDB, Config, LookupError, Network, PASSIVETOTAL},
};

use crate::{
    provider_support::{build, config},
    support::e2e::program,
};

const ANSWER: &str = r#"{"data":{"ipAddress":"198.51.100.8","abuseConfidenceScore":0,"totalReports":0}}"#;

struct Authority {
    key: PKey<Private>,
    certificate: X509,
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn name(common: &str) -> X509Name {
    let mut name = X509Name::builder().unwrap();
    name.append_entry_by_text("CN", common).unwrap();
    name.build()
}

fn certificate(subject: &str, key: &PKey<Private>, issuer: Option<&Authority>) -> X509 {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(issuer.map_or(&name(subject), |issuer| issuer.certificate.subject_name())).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    match issuer {
        None => builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap(),
        Some(_) => {
            let names = SubjectAlternativeName::new().dns(subject).build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension(names).unwrap();
        }
    }
    builder.sign(issuer.map_or(key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
    builder.build()
}

fn authority() -> Authority {
    let key = key();
    let certificate = certificate("Own CA", &key, None);
    Authority { key, certificate }
}

/// A service under `host` with a certificate of this authority.
fn service(authority: &Authority, host: &str) -> SocketAddr {
    let key = key();
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate(host, &key, Some(authority))).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(mut stream) = acceptor.accept(stream) else { continue };
            let mut head = [0; 4096];
            if stream.read(&mut head).is_ok_and(|read| read > 0) {
                let length = ANSWER.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(format!("{head}{ANSWER}").as_bytes()).ok();
            }
            stream.shutdown().ok();
        }
    });
    address
}

/// A proxy that connects whoever asks to `target` and notes what it was asked for.
fn proxy(target: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let first = String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned();
            noted.lock().push(first);
            let Ok(mut service) = TcpStream::connect(target) else { continue };
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok();
            let (mut from, mut to) = (stream.try_clone().unwrap(), service.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to).ok());
            thread::spawn(move || std::io::copy(&mut service, &mut stream).ok());
        }
    });
    (address, asked)
}

async fn ask(config: Config) -> Result<VerdictKind, LookupError> {
    let indicator = Indicator::new(IndicatorKind::Ipv4, "198.51.100.8");
    build(ABUSEIPDB, config).lookup(&indicator).await.map(|verdict| verdict.kind)
}

fn with(base_url: &str, network: Network) -> Config {
    Config { network, timeout: Duration::from_secs(20), ..config(base_url) }
}

fn reason(result: Result<VerdictKind, LookupError>) -> FailReason {
    match result {
        Err(LookupError::Failed { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_is_verified_by_the_certificates_that_are_named() {
    let (own, foreign) = (authority(), authority());
    let pem = |authority: &Authority| Some(authority.certificate.to_pem().unwrap());
    let address = service(&own, "localhost");
    let base = format!("https://localhost:{}", address.port());
    let network = |ca| Network { ca, ..Network::default() };
    assert_eq!(ask(with(&base, network(pem(&own)))).await, Ok(VerdictKind::Clean));
    assert_eq!(reason(ask(with(&base, network(pem(&foreign)))).await), FailReason::Connect, "another authority");
    assert_eq!(reason(ask(with(&base, network(None))).await), FailReason::Connect, "the system knows nothing of it");
    let elsewhere = service(&own, "service.example");
    let base = format!("https://localhost:{}", elsewhere.port());
    assert_eq!(reason(ask(with(&base, network(pem(&own)))).await), FailReason::Connect, "another name");
}

#[tokio::test]
async fn a_configured_proxy_is_asked_for_the_name() {
    let own = authority();
    let (address, asked) = proxy(service(&own, "service.example"));
    let ca = Some(own.certificate.to_pem().unwrap());
    let network = Network { ca, proxy: Some(format!("http://{address}")), internal: false };
    assert_eq!(ask(with("https://service.example", network)).await, Ok(VerdictKind::Clean));
    assert_eq!(*asked.lock(), ["CONNECT service.example:443 HTTP/1.1"]);
}

/// The edge that answers for the host of PassiveTotal has a certificate of its own name.
#[tokio::test]
async fn a_retired_host_behind_a_foreign_certificate_is_retired() {
    let own = authority();
    let (address, asked) = proxy(service(&own, "edge.example"));
    let proxy = Some(format!("http://{address}"));
    let network = Network { ca: Some(own.certificate.to_pem().unwrap()), proxy, internal: false };
    let indicator = Indicator::new(IndicatorKind::Domain, "host.example");
    let ask = async |base: &str| {
        build(PASSIVETOTAL, with(base, network.clone())).lookup(&indicator).await.map(|verdict| verdict.kind)
    };
    assert_eq!(reason(ask("https://api.passivetotal.org").await), FailReason::Retired);
    assert_eq!(
        reason(ask("https://gateway.example").await),
        FailReason::Connect,
        "whatever serves the interface elsewhere"
    );
    assert_eq!(asked.lock().len(), 2);
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap();
    nowhere.set_nonblocking(true).unwrap();
    let proxy = format!("http://{}", nowhere.local_addr().unwrap());
    let directory = crate::support::e2e::Directory::new();
    let text = "[kafka]\nbrokers = \"127.0.0.1:1\"\n[input]\ntopics = [\"in\"]\n[output]\ntopic = \"out\"\n\
        [providers.abuseipdb]\napi_key = { env = \"KEY\" }\nbase_url = \"https://service.invalid\"\n\
        [providers.virustotal]\napi_key = { env = \"KEY\" }\nbase_url = \"http://127.0.0.1:1\"\n";
    let file = directory.write("sidelight.toml", text.as_bytes());
    let mut command = program();
    command.arg("lookup").arg("--config").arg(file).args(["--wait", "2", "45.83.12.7"]).env("KEY", "any");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, &proxy);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let says = |provider: &str| text.lines().any(|line| line.contains(provider) && line.contains("failed (connect)"));
    assert!(says("abuseipdb") && says("virustotal"), "{text}");
    assert_eq!(nowhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "connections to the proxy");
}
