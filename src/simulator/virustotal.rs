//! VirusTotal API v3 as a client meets it: reports on addresses, domains, URLs and files.
//!
//! No rate headers in ordinary answers, and a 429 without `Retry-After`, as with a public key. Everything that would publish
//! (submissions, rescans) is refused and shows in the log.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{
    model::IndicatorKind,
    provider::VIRUSTOTAL,
    simulator::{
        Class, Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell, decode},
    },
};

pub(crate) const FACE: Face = Face {
    id: VIRUSTOTAL,
    roots: &["/api/v3/"],
    key: KeyPlace::Header("x-apikey"),
    read,
    refuse,
    throttle: |_, _| error(429, "QuotaExceededError", "Quota exceeded"),
    tell: Tell::One(tell),
    headers: |_| Vec::new(),
};

/// 2026-10-01T00:00:00Z; every date lies in the 30 days after it.
const OCTOBER: u64 = 1_790_812_800;
/// Engines that the answer lists by name, at most.
const LISTED: u32 = 12;

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::new(status, json!({ "error": { "code": code, "message": message } }))
}

fn refuse(missing: bool) -> Answer {
    if missing {
        error(401, "AuthenticationRequiredError", "X-Apikey header is missing")
    } else {
        error(401, "WrongCredentialsError", "Wrong API key")
    }
}

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.method != Method::GET {
        return Err(error(403, "ForbiddenError", "You are not authorized to perform the requested operation"));
    }
    let unknown = || error(404, "NotFoundError", "Resource not found.");
    let rest = call.path.strip_prefix("/api/v3/").ok_or_else(unknown)?;
    let (collection, id) = rest.split_once('/').filter(|(_, id)| !id.contains('/')).ok_or_else(unknown)?;
    let id = decode(id).ok_or_else(unknown)?.into_owned();
    let invalid = |what: &str| error(400, "InvalidArgumentError", &format!("{id} is not a valid {what}"));
    let (kind, value) = match collection {
        "ip_addresses" => match id.parse() {
            Ok(address @ IpAddr::V4(_)) => (IndicatorKind::Ipv4, address.to_string()),
            Ok(address @ IpAddr::V6(_)) => (IndicatorKind::Ipv6, address.to_string()),
            Err(_) => return Err(invalid("IP address")),
        },
        "domains" if id.contains('.') && !id.contains(|c: char| c.is_whitespace() || "/:?#".contains(c)) => {
            (IndicatorKind::Domain, id.to_ascii_lowercase())
        }
        "domains" => return Err(invalid("domain pattern")),
        "urls" => {
            let bytes = URL_SAFE_NO_PAD.decode(&id).ok().filter(|_| id.len() != 64);
            let url = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            (IndicatorKind::Url, url.ok_or_else(|| error(404, "NotFoundError", &format!("URL \"{id}\" not found")))?)
        }
        "files" => {
            let kind = match id.len() {
                32 => Some(IndicatorKind::Md5),
                40 => Some(IndicatorKind::Sha1),
                64 => Some(IndicatorKind::Sha256),
                _ => None,
            };
            let kind = kind.filter(|_| id.bytes().all(|byte| byte.is_ascii_hexdigit()));
            // The service calls a malformed hash unknown.
            (kind.ok_or_else(|| not_found("File", &id))?, id.to_ascii_lowercase())
        }
        _ => return Err(unknown()),
    };
    Ok(vec![Asked { kind, value, id }])
}

fn not_found(what: &str, id: &str) -> Answer {
    error(404, "NotFoundError", &format!("{what} \"{id}\" not found"))
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let (what, title, id, own) = match asked.kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => ("ip_address", "IP", asked.value.clone(), ip(asked, truth)),
        IndicatorKind::Domain => ("domain", "Domain", asked.value.clone(), domain(truth)),
        IndicatorKind::Url => ("url", "URL", truth.dice.hex(20, 64), url(asked, truth)),
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 => {
            ("file", "File", digest(asked, truth, IndicatorKind::Sha256, 64), file(asked, truth))
        }
        IndicatorKind::Sha512 | IndicatorKind::Email | IndicatorKind::Cve => return not_found("Resource", &asked.id),
    };
    if truth.class == Class::Unknown {
        return not_found(title, &asked.id);
    }
    let plural = if what == "ip_address" { "ip_addresses".to_owned() } else { format!("{what}s") };
    let link = format!("https://www.virustotal.com/api/v3/{plural}/{id}");
    let mut attributes = common(asked.kind, truth);
    if let Value::Object(own) = own {
        attributes.extend(own);
    }
    Answer::new(200, json!({ "data": { "id": id, "type": what, "links": { "self": link }, "attributes": attributes } }))
}

fn common(kind: IndicatorKind, truth: &Truth) -> Map<String, Value> {
    let mut stats = json!({
        "malicious": truth.vt_malicious,
        "suspicious": truth.vt_suspicious,
        "undetected": truth.vt_undetected,
        "harmless": truth.vt_harmless,
        "timeout": 0,
    });
    if kind.is_file_hash() {
        stats["confirmed-timeout"] = json!(0);
        stats["failure"] = json!(0);
        stats["type-unsupported"] = json!(truth.dice.range(10, 0, 14));
    }
    let bad = truth.vt_malicious > 0;
    let reputation = if bad { -i64::from(truth.dice.range(11, 1, 90)) } else { i64::from(truth.dice.range(11, 0, 40)) };
    let mut attributes = Map::new();
    attributes.insert("last_analysis_stats".to_owned(), stats);
    attributes.insert("last_analysis_results".to_owned(), results(kind, truth));
    attributes.insert("last_analysis_date".to_owned(), date(truth, 12));
    attributes.insert("last_modification_date".to_owned(), date(truth, 12));
    attributes.insert("reputation".to_owned(), json!(reputation));
    attributes.insert(
        "total_votes".to_owned(),
        json!({ "harmless": truth.dice.range(13, 0, 9), "malicious": if bad { truth.dice.range(14, 1, 30) } else { 0 } }),
    );
    attributes.insert("tags".to_owned(), json!([]));
    attributes
}

/// The first engines, in proportion to the votes.
fn results(kind: IndicatorKind, truth: &Truth) -> Value {
    let total = truth.vt_total().max(1);
    let mut engines = Map::new();
    for place in 0..LISTED {
        let vote = place * total / LISTED;
        let (category, result) = if vote < truth.vt_malicious {
            ("malicious", Some(if kind.is_file_hash() { "Trojan.Generic" } else { "malware" }))
        } else if vote < truth.vt_malicious + truth.vt_suspicious {
            ("suspicious", Some("suspicious"))
        } else if vote < truth.vt_malicious + truth.vt_suspicious + truth.vt_harmless {
            ("harmless", Some("clean"))
        } else {
            ("undetected", if kind.is_file_hash() { None } else { Some("unrated") })
        };
        let name = format!("Engine {:02}", place + 1);
        let engine = json!({ "category": category, "engine_name": name, "method": "blacklist", "result": result });
        engines.insert(name, engine);
    }
    Value::Object(engines)
}

fn date(truth: &Truth, nth: u64) -> Value {
    json!(OCTOBER + u64::from(truth.dice.range(nth, 0, 30 * 86_400 - 1)))
}

fn ip(asked: &Asked, truth: &Truth) -> Value {
    let network = match asked.value.parse() {
        Ok(IpAddr::V4(address)) => format!("{}/16", Ipv4Addr::from_bits(address.to_bits() & 0xffff_0000)),
        _ => "2001:db8::/32".to_owned(),
    };
    json!({
        "as_owner": truth.dice.pick(15, OWNERS),
        "asn": truth.dice.range(16, 64_496, 64_511),
        "country": truth.dice.pick(17, COUNTRIES),
        "continent": truth.dice.pick(17, &["EU", "NA", "EU", "AS", "EU", "SA"]),
        "network": network,
        "regional_internet_registry": "RIPE NCC",
        "whois_date": date(truth, 18),
    })
}

pub(crate) const OWNERS: &[&str] =
    &["Example Hosting Ltd", "Sample Telecom SA", "Specimen Cloud Inc.", "Pattern Networks BV"];
pub(crate) const COUNTRIES: &[&str] = &["NL", "US", "DE", "SG", "FR", "BR"];

fn domain(truth: &Truth) -> Value {
    json!({
        "registrar": truth.dice.pick(19, &["Example Registrar, Inc.", "Sample Domains GmbH"]),
        "creation_date": 1_200_000_000 + u64::from(truth.dice.range(21, 0, 500_000_000)),
        "categories": if truth.vt_malicious > 0 { json!({ "Example Filter": "malware" }) } else { json!({}) },
        "popularity_ranks": {},
        "last_dns_records": [{ "type": "A", "ttl": 300, "value": "192.0.2.10" }],
    })
}

fn url(asked: &Asked, truth: &Truth) -> Value {
    json!({
        "url": asked.value,
        "last_final_url": asked.value,
        "title": "Example",
        "threat_names": [],
        "categories": {},
        "times_submitted": truth.dice.range(22, 1, 40),
        "first_submission_date": OCTOBER - u64::from(truth.dice.range(23, 0, 90 * 86_400)),
    })
}

fn file(asked: &Asked, truth: &Truth) -> Value {
    let mut file = json!({
        "md5": digest(asked, truth, IndicatorKind::Md5, 32),
        "sha1": digest(asked, truth, IndicatorKind::Sha1, 40),
        "sha256": digest(asked, truth, IndicatorKind::Sha256, 64),
        "size": truth.dice.range(24, 1_000, 9_000_000),
        "meaningful_name": truth.dice.pick(25, &["setup.exe", "invoice.docm", "update.dll", "report.pdf"]),
        "names": ["sample.bin"],
        "type_tag": "peexe",
        "type_description": "Win32 EXE",
        "times_submitted": truth.dice.range(22, 1, 40),
        "first_submission_date": OCTOBER - u64::from(truth.dice.range(23, 0, 90 * 86_400)),
    });
    if truth.vt_malicious > 0 {
        let label = truth.dice.pick(26, &["trojan.sample/agent", "ransomware.specimen", "downloader.pattern/x"]);
        file["popular_threat_classification"] = json!({ "suggested_threat_label": label });
    }
    file
}

/// The digest that was asked for, or one that goes with it.
fn digest(asked: &Asked, truth: &Truth, kind: IndicatorKind, digits: usize) -> String {
    if asked.kind == kind { asked.value.clone() } else { truth.dice.hex(30 + digits as u64, digits) }
}
