//! AbuseIPDB API v2 as a client meets it: `check`.
//!
//! Rate headers on every answer, `Retry-After` and `X-RateLimit-Reset` on a 429. A client that does not say that it
//! accepts JSON gets validation errors as a redirect, as it does there.

use std::net::IpAddr;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    model::IndicatorKind,
    provider::ABUSEIPDB,
    simulator::{
        Truth,
        face::{Answer, Asked, Call, Face, KeyPlace, Tell},
        quota::Standing,
        virustotal::{COUNTRIES, OWNERS},
    },
};

pub(crate) const FACE: Face = Face {
    id: ABUSEIPDB,
    roots: &["/api/v2/"],
    key: KeyPlace::Header("key"),
    read,
    refuse,
    throttle,
    tell: Tell::One(tell),
    headers,
};

/// 2026-10-01T00:00:00Z; every report lies in the 30 days after it.
const OCTOBER: i64 = 1_790_812_800;

fn error(status: u16, detail: &str, parameter: Option<&str>) -> Answer {
    let mut error = json!({ "detail": detail, "status": status });
    if let Some(parameter) = parameter {
        error["source"] = json!({ "parameter": parameter });
    }
    Answer::new(status, json!({ "errors": [error] }))
}

fn refuse(_missing: bool) -> Answer {
    let detail = "Authentication failed. Your API key is either missing, incorrect, or revoked. Note: The APIv2 key \
                  differs from the APIv1 key.";
    error(401, detail, None)
}

fn headers(standing: &Standing) -> Vec<(&'static str, String)> {
    vec![("x-ratelimit-limit", standing.limit.to_string()), ("x-ratelimit-remaining", standing.remaining.to_string())]
}

fn throttle(standing: &Standing, now_s: i64) -> Answer {
    let detail = format!(
        "Daily rate limit of {} requests exceeded for this endpoint. See headers for additional details.",
        standing.limit
    );
    let wait = standing.wait.unwrap_or_default();
    // Whole seconds, rounded up: a client that waits as told must not come too early.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let reset = now_s.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX));
    let mut answer = error(429, &detail, None);
    answer.headers = vec![("retry-after", seconds.to_string()), ("x-ratelimit-reset", reset.to_string())];
    answer
}

fn invalid(call: &Call, detail: &str, parameter: &str) -> Answer {
    if call.accepts_json {
        return error(422, detail, Some(parameter));
    }
    let page = "<html><body>Redirecting</body></html>";
    Answer { headers: vec![("location", "/".to_owned())], ..Answer::html(302, page) }
}

fn read(call: &Call) -> Result<Vec<Asked>, Answer> {
    if call.path != "/api/v2/check" {
        return Err(error(404, "The requested endpoint does not exist.", None));
    }
    if call.method != Method::GET {
        return Err(error(405, "The method is not supported for this endpoint.", None));
    }
    if let Some(age) = call.query.get("maxAgeInDays")
        && !age.parse::<u16>().is_ok_and(|days| (1..=365).contains(&days))
    {
        return Err(invalid(call, "The max age in days must be between 1 and 365.", "maxAgeInDays"));
    }
    let value = call.query.get("ipAddress").map(String::as_str).unwrap_or_default();
    let Ok(address) = value.parse::<IpAddr>() else {
        let detail = "The ip address must be a valid IPv4 or IPv6 address (e.g. 8.8.8.8 or 2001:4860:4860::8888).";
        return Err(invalid(call, detail, "ipAddress"));
    };
    let kind = if address.is_ipv4() { IndicatorKind::Ipv4 } else { IndicatorKind::Ipv6 };
    Ok(vec![Asked { kind, value: address.to_string(), id: value.to_owned() }])
}

fn tell(asked: &Asked, truth: &Truth) -> Answer {
    let reported = truth.abuse_reports > 0;
    let last = OCTOBER + i64::from(truth.dice.range(40, 0, 30 * 86_400 - 1));
    let last = Timestamp::from_second(last).map(|at| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()).ok();
    let data = json!({
        "ipAddress": asked.value,
        "isPublic": true,
        "ipVersion": if asked.kind == IndicatorKind::Ipv4 { 4 } else { 6 },
        "isWhitelisted": if reported { json!(false) } else { Value::Null },
        "abuseConfidenceScore": truth.abuse_confidence,
        "countryCode": truth.dice.pick(17, COUNTRIES),
        "usageType": truth.dice.pick(41, &["Data Center/Web Hosting/Transit", "Fixed Line ISP", "Mobile ISP"]),
        "isp": truth.dice.pick(15, OWNERS),
        "domain": "hosting.example",
        "hostnames": [],
        "isTor": reported && truth.dice.range(42, 0, 9) == 0,
        "totalReports": truth.abuse_reports,
        "numDistinctUsers": truth.abuse_reports.div_ceil(3),
        "lastReportedAt": last.filter(|_| reported),
    });
    Answer::new(200, json!({ "data": data }))
}
