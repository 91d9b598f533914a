//! What services say of a key and its plan, on pages that cost nothing of the quota.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    budget::Span,
    provider::{MISP, OTX, OTX_PDNS, PASSIVETOTAL, SHODAN, URLSCAN, VIRUSTOTAL},
    simulator::face::{Answer, Call, Face},
};

/// A window of the account: span, limit, units used.
pub(crate) type Used = (Span, u64, u64);

/// What a call takes of the account: Shodan sells credits, one for a domain and none for an address.
pub(crate) fn cost(face: &Face, call: &Call) -> u64 {
    u64::from(face.id != SHODAN || call.path.starts_with("/dns/"))
}

/// The answer to a call about the plan; `None` where it is about something else.
pub(crate) fn tell(face: &Face, call: &Call, windows: impl FnOnce() -> Vec<Used>) -> Option<Answer> {
    if call.method != Method::GET {
        return None;
    }
    let is = |id, path: &str| face.id == id && call.path == path;
    let body = if face.id == VIRUSTOTAL && call.segment_before("/api/v3/users/", "/overall_quotas").is_some() {
        virustotal(&windows())
    } else if is(SHODAN, "/api-info") {
        shodan(&windows())
    } else if is(URLSCAN, "/api/v1/quotas") {
        urlscan(&windows())
    } else if is(MISP, "/servers/getVersion") {
        json!({ "version": "2.5.12", "perm_sync": false, "perm_sighting": true })
    } else if is(PASSIVETOTAL, "/v2/account/quota") {
        json!({ "user": { "limits": { "search_api": 15 }, "counts": { "search_api": 1 } } })
    } else if (face.id == OTX || face.id == OTX_PDNS) && call.path == "/api/v1/user/me" {
        json!({ "username": "sample_user", "user_id": 7, "member_since": "100 days ago" })
    } else {
        return None;
    };
    Some(Answer::new(200, body))
}

fn virustotal(windows: &[Used]) -> Value {
    let used = |span: Span, default: u64| {
        let window = windows.iter().find(|(of, ..)| *of == span);
        let (limit, used) = window.map_or((default, 0), |(_, limit, used)| (*limit, *used));
        json!({ "user": { "allowed": limit, "used": used } })
    };
    json!({ "data": {
        "api_requests_hourly": used(Span::Hour, 240),
        "api_requests_daily": used(Span::Day, 500),
        "api_requests_monthly": used(Span::Month, 15_500),
        "intelligence_searches_monthly": { "user": { "allowed": 0, "used": 0 } },
    } })
}

fn shodan(windows: &[Used]) -> Value {
    let month = windows.iter().find(|(of, ..)| *of == Span::Month);
    let (limit, used) = month.map_or((100, 2), |(_, limit, used)| (*limit, *used));
    json!({
        "plan": "dev", "query_credits": limit.saturating_sub(used), "scan_credits": 100, "monitored_ips": 0, "unlocked": true, "unlocked_left": 98,
        "https": false, "telnet": false, "usage_limits": { "query_credits": limit, "scan_credits": 100, "monitored_ips": 16 },
    })
}

fn urlscan(windows: &[Used]) -> Value {
    let window = |span: Span| {
        let window = windows.iter().find(|(of, ..)| *of == span);
        let (limit, used) = window.map_or((1_000, 0), |(_, limit, used)| (*limit, *used));
        json!({ "limit": limit, "used": used, "remaining": limit.saturating_sub(used), "percent": 0 })
    };
    let search = json!({ "minute": window(Span::Minute), "hour": window(Span::Hour), "day": window(Span::Day) });
    json!({ "scope": "user", "limits": { "search": search, "private": { "day": { "limit": 0, "used": 0, "remaining": 0, "percent": 0 } } } })
}
