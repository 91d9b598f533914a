//! Events of the end-to-end tests, and which public indicators are in them: by construction or by reading known fields, not by the
//! product's own extraction.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidelight::demo::stream::{Make, Stream};

use super::kafka::Wire;

/// A public address that follows from a number; different blocks never meet.
pub(crate) fn address(block: u8, n: usize) -> String {
    let [_, _, high, low] = u32::try_from(n).unwrap().to_be_bytes();
    format!("45.{block}.{high}.{low}")
}

/// A JSON event of a connection to this address.
pub(crate) fn connection(id: &str, destination: &str) -> String {
    json!({
        "@timestamp": "2026-11-23T09:00:00.000Z",
        "event": { "id": id, "kind": "event" },
        "source": { "ip": "10.1.2.3" },
        "destination": { "ip": destination, "port": 443 },
    })
    .to_string()
}

/// Kind and value as a provider may see it.
pub(crate) type Public = (&'static str, String);

/// An event with what is public in it.
pub(crate) struct Planted {
    pub(crate) wire: Wire,
    pub(crate) public: Vec<Public>,
}

/// Whether this leaves byte for byte.
pub(crate) fn is_object(payload: &[u8]) -> bool {
    serde_json::from_slice::<Value>(payload).is_ok_and(|value| value.is_object())
}

/// Events of the product's own generator, with the indicators of their known fields.
pub(crate) fn generated(count: usize) -> Vec<Planted> {
    let mut stream = Stream::new(Make { seed: 11, values: 60, threats: 0.02 });
    let made = (0..count).map(|n| stream.event(1_795_000_000_000 + i64::try_from(n).unwrap()));
    made.map(|event| {
        let public = known_fields(&event.payload);
        Planted { wire: Wire { partition: 0, ..Wire::keyed(0, &event.key, event.payload) }, public }
    })
    .collect()
}

fn known_fields(payload: &str) -> Vec<Public> {
    let mut public = Vec::new();
    let mut add = |kind, value: Option<&str>| {
        if let Some(value) = value {
            let value = if kind == "url" { value.split('?').next().unwrap() } else { value };
            public.push((kind, value.to_owned()));
        }
    };
    if let Ok(event) = serde_json::from_str::<Value>(payload) {
        add("ipv4", event["destination"]["ip"].as_str());
        add("ipv4", event["sourceIPAddress"].as_str());
        add("domain", event["dns"]["question"]["name"].as_str());
        add("ipv4", event["dns"]["answers"][0]["data"].as_str());
        add("url", event["url.full"].as_str());
        add("sha256", event["process"]["hash"]["sha256"].as_str());
        add("md5", event["process"]["hash"]["md5"].as_str());
    } else if payload.starts_with("CEF") {
        let extension = |name: &str| payload.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        add("ipv4", extension("dst"));
        add("domain", extension("dhost"));
        add("url", extension("request"));
    } else {
        add("ipv4", payload.split(" from ").nth(1).and_then(|rest| rest.split(' ').next()));
    }
    public
}

/// A value that must never leave: every private, internal or secret thing in [`crafted`] contains one of these.
pub(crate) const NEVER: [&str; 9] =
    ["10.", "192.168.", "100.100.", "own-corp", "internal", "s3cret", "alice", "169.254.", "fe80"];

/// Events of all formats made for the corners: private and public, ours already in it, `threat` in all shapes, odd records. `bad`
/// is an address that the simulated world calls malicious.
pub(crate) fn crafted(n: usize, bad: &str) -> Planted {
    let (ip, key) = (address(7, n), format!("key-{}", n % 17));
    let domain = format!("site-{n}.example-shop.com");
    let v4 = |value: &str| ("ipv4", value.to_owned());
    let (payload, public): (String, Vec<Public>) = match n % 16 {
        0 => (connection(&format!("id-{n}"), &ip), vec![v4(&ip)]),
        1 => (
            json!({ "event.id": n, "source.ip": "192.168.7.1", "destination.ip": bad, "dns.question.name": domain })
                .to_string(),
            vec![v4(bad), ("domain", domain)],
        ),
        2 => (
            format!(
                "LEEF:2.0|Example|Proxy|1.0|100|^|src=10.0.0.1^dst={ip}^usrName=alice^url=https://alice:s3cret@{domain}/a/b?token=s3cret#s3cret"
            ),
            vec![v4(&ip), ("url", format!("https://{domain}/a/b"))],
        ),
        3 => (format!("<134>Oct 11 22:14:15 gate-1 app[12]: connection from 10.9.9.9 to {ip} refused"), vec![v4(&ip)]),
        4 => (
            format!("analyst: hxxps://{}/drop and {}", domain.replace('.', "[.]"), ip.replace('.', "[.]")),
            vec![("url", format!("https://{domain}/drop")), v4(&ip)],
        ),
        5 => (json!({ "source": { "ip": "10.1.2.3" }, "destination": { "ip": "192.168.0.9" } }).to_string(), vec![]),
        6 => (
            format!(
                r#"{{"sidelight":{{"schema":1,"status":"pending"}},"id":"own-{n}","destination":{{"ip":"{bad}"}}}}"#
            ),
            vec![v4(bad)],
        ),
        7 => (
            format!(
                r#"{{"threat":{{"framework":"MITRE ATT&CK","enrichments":[{{"feed":{{"name":"other"}}}}]}},"destination":{{"ip":"{bad}"}},"n":1.50}}"#
            ),
            vec![v4(bad)],
        ),
        8 => (format!(r#"{{"threat":"none","destination":{{"ip":"{bad}"}}}}"#), vec![v4(bad)]),
        9 => (
            format!("{{\n  \"threat\": {{ \"tactic\": {{}} }},\n  \"destination\": {{ \"ip\": \"{bad}\" }}\n}}\r\n"),
            vec![v4(bad)],
        ),
        10 => (json!({ "message": "nothing to see", "n": n }).to_string(), vec![]),
        11 => (
            json!({ "destination": { "ip": "100.100.1.5" }, "dns": { "question": { "name": "vpn.own-corp.com" } },
                    "url": { "full": "https://wiki.internal/s3cret" }, "host": { "ip": ["169.254.1.1", "fe80::1"] } })
            .to_string(),
            vec![],
        ),
        12 => (format!(r#"[{{"destination":{{"ip":"{ip}"}}}}]"#), vec![v4(&ip)]),
        13 => (
            format!(
                r#"{{"file":{{"hash":{{"sha1":"{:040x}"}}}},"url":{{"full":"https:\/\/{domain}\/x\u002fy"}}}}"#,
                n + 1
            ),
            vec![("sha1", format!("{:040x}", n + 1)), ("url", format!("https://{domain}/x/y"))],
        ),
        14 => ("plain words only".to_owned(), vec![]),
        _ => (String::new(), vec![]),
    };
    let mut wire = Wire::keyed(0, &key, payload);
    wire.timestamp = Some(1_600_000_000_000 + i64::try_from(n).unwrap());
    wire.headers = vec![
        ("trace".to_owned(), Some(b"1".to_vec())),
        ("empty".to_owned(), Some(Vec::new())),
        ("none".to_owned(), None),
        ("trace".to_owned(), Some(vec![0, 255, 7])),
    ];
    match n % 16 {
        6 => {
            let ours = [("sidelight-status", "pending"), ("sidelight-schema", "0"), ("sidelight-score", "99")];
            wire.headers.extend(ours.map(|(name, value)| (name.to_owned(), Some(value.into()))));
        }
        10 => wire.key = None,
        15 => wire.payload = None,
        _ => {}
    }
    Planted { wire, public }
}

/// The calls that these events must cause: `(provider, kind, value)`.
pub(crate) fn expected_calls<'a>(events: impl IntoIterator<Item = &'a Planted>) -> BTreeSet<(String, String, String)> {
    let mut calls = BTreeSet::new();
    for (kind, value) in events.into_iter().flat_map(|event| &event.public) {
        calls.insert(("virustotal".to_owned(), (*kind).to_owned(), value.clone()));
        if kind.starts_with("ipv") {
            calls.insert(("abuseipdb".to_owned(), (*kind).to_owned(), value.clone()));
        }
    }
    calls
}
