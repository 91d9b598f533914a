//! Shodan as a client meets it: `shodan/host` and `dns/domain`, the key in the query.
//!
//! No rate headers; what it has not scanned is a 404 with an error of its own, and a refused key may come as a page of its edge.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    model::IndicatorKind,
    provider::SHODAN,
    simulator::{
        Class, Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
        virustotal::{COUNTRIES, OWNERS},
    },
};

pub(crate) const FACE: Face = Face {
    id: SHODAN,
    roots: &["/shodan/host/", "/dns/domain/"],
    key: KeyPlace::Query("key"),
    read,
    refuse,
    throttle: |_, _| {
        let text = "Request rate limit reached (1 request/ second). Please wait a second before trying again and slow down your API \
                    calls.";
        error(429, text)
    },
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

fn error(status: u16, text: &str) -> Answer {
    Answer::new(status, json!({ "error": text }))
}

fn refuse(missing: bool) -> Answer {
    if missing {
        let page = "<html><head><title>401 Unauthorized</title></head><body><center><h1>401 Unauthorized</h1></center></body></html>";
        return Answer::html(401, page);
    }
    error(401, "Invalid API key")
}

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.method != Method::GET {
        return Err(error(405, "Method not allowed"));
    }
    if let Some(name) = call.segment("/dns/domain/") {
        return Ok(vec![Asked::new(IndicatorKind::Domain, name.to_ascii_lowercase())]);
    }
    let asked = call.segment("/shodan/host/").map(|value| Asked::guess(&value));
    Ok(vec![asked.filter(|asked| asked.kind.is_ip()).ok_or_else(|| error(400, "Invalid IP"))?])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    if !truth.seen {
        return error(
            404,
            if asked.kind.is_ip() { "No information available for that IP." } else { "No information available." },
        );
    }
    Answer::new(200, if asked.kind.is_ip() { host(asked, truth) } else { domain(asked, truth) })
}

fn host(asked: &Asked, truth: &Truth) -> Value {
    let bad = truth.class == Class::Malicious;
    let mut host = json!({
        "ip_str": asked.value,
        "asn": format!("AS{}", truth.dice.range(16, 64_496, 64_511)),
        "org": truth.dice.pick(15, OWNERS),
        "isp": truth.dice.pick(15, OWNERS),
        "os": null,
        "country_code": truth.dice.pick(17, COUNTRIES),
        "city": null,
        "hostnames": [format!("host-{}.hosting.example", truth.dice.range(70, 1, 250))],
        "domains": ["hosting.example"],
        "tags": if bad { json!(["c2", "self-signed"]) } else { json!([]) },
        "ports": ports(truth),
        "last_update": format!("2026-10-{:02}T07:21:05.331858", truth.dice.range(71, 1, 28)),
        "data": [],
    });
    if bad {
        host["vulns"] = json!([format!("CVE-2025-{}", truth.dice.range(72, 1_000, 9_999))]);
    }
    host
}

/// The open ports of an address.
pub(crate) fn ports(truth: &Truth) -> Vec<u32> {
    let mut ports = vec![443, [22, 80, 3389][truth.dice.range(73, 0, 2) as usize]];
    ports.extend((truth.class == Class::Malicious).then_some(4444));
    ports.sort_unstable();
    ports
}

fn domain(asked: &Asked, truth: &Truth) -> Value {
    let seen = format!("2026-10-{:02}T11:17:42.459369+00:00", truth.dice.range(74, 1, 28));
    let address = format!("192.0.2.{}", truth.dice.range(75, 1, 250));
    json!({
        "domain": asked.value,
        "tags": ["ipv6"],
        "subdomains": ["www", "mail"],
        "more": false,
        "data": [
            { "subdomain": "", "type": "A", "value": address, "last_seen": seen },
            { "subdomain": "", "type": "NS", "value": "ns1.dns.example", "last_seen": seen },
        ],
    })
}
