//! The simulator as a server: what clients of the real services, and programs that check a client, rely on.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sidelight::{
    model::{IndicatorKind, ManualClock},
    provider::{ABUSEIPDB, KNOWN, VIRUSTOTAL},
    simulator::{Handle, ServiceConfig, Simulator, SimulatorConfig, truth},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::provider_support::NOW_MS;

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

async fn send(addr: SocketAddr, request: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let text = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

async fn virustotal(handle: &Handle, path: &str) -> Answer {
    send(handle.addr(), &format!("GET /api/v3/{path}"), "x-apikey: k\r\n", "").await
}

async fn abuseipdb(handle: &Handle, query: &str) -> Answer {
    send(handle.addr(), &format!("GET /api/v2/check?{query}"), "Key: k\r\nAccept: application/json\r\n", "").await
}

async fn start(config: SimulatorConfig) -> Handle {
    Simulator::bind(config).await.unwrap().spawn().unwrap()
}

fn with_quotas(virustotal: &str, abuseipdb: &str) -> (SimulatorConfig, Arc<ManualClock>) {
    let clock = ManualClock::at(NOW_MS);
    let service = |quota: &str| ServiceConfig { quota: Some(quota.parse().unwrap()), ..Default::default() };
    let services = vec![(VIRUSTOTAL, service(virustotal)), (ABUSEIPDB, service(abuseipdb))];
    (SimulatorConfig { services, clock: clock.clone(), ..Default::default() }, clock)
}

#[tokio::test]
async fn keys_are_refused_in_each_services_words() {
    let key = || ServiceConfig { key: Some("right".to_owned()), ..Default::default() };
    let services = vec![(VIRUSTOTAL, key()), (ABUSEIPDB, key())];
    let handle = start(SimulatorConfig { services, ..Default::default() }).await;
    let vt = "GET /api/v3/domains/host.example";
    let abuse = "GET /api/v2/check?ipAddress=198.51.100.7";
    let rows = [
        (vt, "", 401, "/error/code", json!("AuthenticationRequiredError")),
        (vt, "x-apikey: wrong\r\n", 401, "/error/code", json!("WrongCredentialsError")),
        (vt, "X-ApiKey: right\r\n", 200, "/data/type", json!("domain")),
        (abuse, "", 401, "/errors/0/status", json!(401)),
        (abuse, "Key: wrong\r\n", 401, "/errors/0/status", json!(401)),
        (abuse, "Key: right\r\n", 200, "/data/ipAddress", json!("198.51.100.7")),
    ];
    for (request, headers, status, pointer, expected) in rows {
        let answer = send(handle.addr(), request, headers, "").await;
        assert_eq!((answer.status, answer.json().pointer(pointer)), (status, Some(&expected)), "{request} {headers}");
    }
}

#[tokio::test]
async fn answers_follow_from_the_truth() {
    let handle = start(SimulatorConfig::default()).await;
    for n in 0..60 {
        let ip = format!("198.51.100.{n}");
        let expected = truth(IndicatorKind::Ipv4, &ip);
        let vt = virustotal(&handle, &format!("ip_addresses/{ip}")).await.json();
        let stats = &vt["data"]["attributes"]["last_analysis_stats"];
        assert_eq!(stats["malicious"], json!(expected.vt_malicious));
        let sum: u64 =
            ["malicious", "suspicious", "undetected", "harmless"].map(|key| stats[key].as_u64().unwrap()).iter().sum();
        assert_eq!(sum, u64::from(expected.vt_total()));
        let abuse = abuseipdb(&handle, &format!("ipAddress={ip}")).await.json();
        assert_eq!(abuse["data"]["abuseConfidenceScore"], json!(expected.abuse_confidence));
        assert_eq!(abuse["data"]["lastReportedAt"].is_null(), expected.abuse_reports == 0);

        let url = format!("https://host-{n}.example/");
        let known = truth(IndicatorKind::Url, &url).vt_total() > 0;
        let answer = virustotal(&handle, &format!("urls/{}", URL_SAFE_NO_PAD.encode(&url))).await;
        assert_eq!(answer.status, if known { 200 } else { 404 }, "{url}");
        let pointer = if known { "/data/attributes/url" } else { "/error/code" };
        let expected = if known { &*url } else { "NotFoundError" };
        assert_eq!(answer.json().pointer(pointer), Some(&json!(expected)));
    }
    let told = send(handle.addr(), "GET /_sim/truth?kind=ipv4&value=198.51.100.7", "", "").await.json();
    assert_eq!(told["vt_malicious"], json!(truth(IndicatorKind::Ipv4, "198.51.100.7").vt_malicious));
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_and_logged() {
    let handle = start(SimulatorConfig::default()).await;
    let vt = "x-apikey: k\r\n";
    let abuse = "Key: k\r\nAccept: application/json\r\n";
    let rows = [
        ("POST /api/v3/urls", vt, 403),
        ("POST /api/v3/urls/aHR0cDovL2V4YW1wbGUuY29tLw/analyse", vt, 403),
        ("GET /api/v3/users/me", vt, 404),
        ("GET /api/v3/domains/a/b", vt, 404),
        ("GET /api/v3/ip_addresses/999.1.1.1", vt, 400),
        ("GET /api/v3/domains/host", vt, 400),
        ("GET /api/v3/files/0123", vt, 404),
        ("GET /api/v2/check?ipAddress=999.1.1.1", abuse, 422),
        ("GET /api/v2/check?ipAddress=999.1.1.1", "Key: k\r\n", 302),
        ("GET /api/v2/check?ipAddress=198.51.100.7&maxAgeInDays=366", abuse, 422),
        ("POST /api/v2/report", abuse, 404),
        ("GET /elsewhere", "", 404),
    ];
    for (request, headers, status) in rows {
        assert_eq!(send(handle.addr(), request, headers, "").await.status, status, "{request}");
    }
    let log = handle.log();
    assert_eq!(log.len(), rows.len() - 1);
    assert!(log.iter().all(|entry| entry.kind == "other"), "{log:?}");
    assert_eq!(log.iter().filter(|entry| &*entry.method == "POST").count(), 3);
}

#[tokio::test]
async fn quotas_are_exact_and_refused_in_each_services_way() {
    let (config, clock) = with_quotas("2/min", "3/day");
    let handle = start(config).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(virustotal(&handle, "domains/host.example").await.status);
        clock.advance(Duration::from_secs(20));
    }
    let refused = virustotal(&handle, "domains/host.example").await;
    assert_eq!(statuses, [200, 200, 429]);
    // 60 s after the first call, its place is free again.
    assert_eq!(refused.status, 200);
    let refused = virustotal(&handle, "domains/host.example").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    assert_eq!(refused.json()["error"]["code"], json!("QuotaExceededError"));

    for left in ["2", "1", "0"] {
        let answer = abuseipdb(&handle, "ipAddress=198.51.100.7").await;
        assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (200, Some("3")));
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left));
    }
    let refused = abuseipdb(&handle, "ipAddress=198.51.100.7").await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (429, Some("0")));
    // 09:01 to midnight.
    assert_eq!(refused.header("retry-after"), Some("53940"));
    assert_eq!(refused.header("x-ratelimit-reset"), Some("1795478400"));
    clock.advance(Duration::from_secs(53_940));
    assert_eq!(abuseipdb(&handle, "ipAddress=198.51.100.7").await.status, 200);

    let stats = handle.stats();
    assert_eq!((stats.providers["virustotal"].calls, stats.providers["virustotal"].over_quota), (5, 2));
    assert_eq!((stats.providers["abuseipdb"].calls, stats.providers["abuseipdb"].over_quota), (5, 1));
    assert_eq!(stats.providers["abuseipdb"].max_per_day, 4);
}

#[tokio::test]
async fn faults_log_and_reset_are_open_to_other_programs() {
    let handle = start(SimulatorConfig::default()).await;
    let addr = handle.addr();
    let json_type = "content-type: application/json\r\n";
    let order = r#"{"provider":"virustotal","fault":"throttle","retry_after":"7","calls":1}"#;
    let set = send(addr, "POST /_sim/faults", json_type, order).await;
    assert_eq!((set.status, set.json()[0]["fault"].clone()), (200, json!("throttle")));
    let throttled = virustotal(&handle, "domains/host.example").await;
    assert_eq!((throttled.status, throttled.header("retry-after")), (429, Some("7")));
    assert_ne!(virustotal(&handle, "domains/host.example").await.status, 429);

    for (order, status) in [
        (r#"{"fault":"unavailable","share":0.5}"#, 200),
        (r#"{"provider":"stranger","fault":"unavailable"}"#, 400),
        (r#"{"provider":"virustotal","fault":"no_such_fault"}"#, 400),
        (r#"{"provider":"virustotal","fault":"hang","cals":1}"#, 400),
    ] {
        assert_eq!(send(addr, "POST /_sim/faults", json_type, order).await.status, status, "{order}");
    }
    assert_eq!(send(addr, "GET /_sim/faults", "", "").await.json().as_array().unwrap().len(), KNOWN.len());
    send(addr, "POST /_sim/faults", json_type, r#"{"provider":"abuseipdb","fault":null}"#).await;
    assert_eq!(handle.faults().rules().len(), KNOWN.len() - 1);
    assert_eq!(send(addr, "DELETE /_sim/faults", "", "").await.status, 204);
    assert_eq!(handle.faults().rules(), []);

    let log = send(addr, "GET /_sim/log", "", "").await;
    let lines: Vec<Value> = log.body.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["fault"], json!("throttle"));
    assert_eq!((&lines[1]["provider"], &lines[1]["kind"]), (&json!("virustotal"), &json!("domain")));
    assert_eq!(send(addr, "GET /_sim/stats", "", "").await.json()["providers"]["virustotal"]["duplicates"], json!(1));
    assert_eq!(send(addr, "POST /_sim/reset", "", "").await.status, 204);
    assert_eq!(handle.log(), []);
}

#[tokio::test]
async fn answers_take_their_latency() {
    let service =
        ServiceConfig { latency: Duration::from_millis(60), jitter: Duration::from_millis(20), ..Default::default() };
    let handle = start(SimulatorConfig { services: vec![(VIRUSTOTAL, service)], ..Default::default() }).await;
    let before = std::time::Instant::now();
    virustotal(&handle, "domains/host.example").await;
    assert!(before.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_calls_that_hang() {
    let handle = start(SimulatorConfig::default()).await;
    handle.faults().set(VIRUSTOTAL, sidelight::simulator::Fault::Hang);
    let addr = handle.addr();
    let hung = tokio::spawn(send(addr, "GET /api/v3/domains/host.example", "x-apikey: k\r\n", ""));
    while handle.log().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.log()[0].status, None);
    let before = std::time::Instant::now();
    handle.shutdown().await;
    assert!(before.elapsed() < Duration::from_secs(2));
    assert!(TcpStream::connect(addr).await.is_err(), "the port is free");
    // The connection ends one way or the other; it does not stay.
    drop(tokio::time::timeout(Duration::from_secs(2), hung).await.expect("the hung call ended"));
}
