//! Calls that prove a key and cost nothing of its quota, and what the services say there of the plan.
//!
//! A page of plans is no part of what verdicts rest on: what is not there is left out.

use serde_json::Value;

use crate::{
    budget::Span,
    provider::{Limit, LookupError, request::Request, service::parse},
};

/// A call that costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// The request; it may need the key.
    pub request: for<'a> fn(&'a str) -> Request<'a>,
    /// What the answer says of the plan.
    pub read: fn(&Value) -> Vec<Limit>,
    /// Whether it says there how many calls are left.
    pub counts: bool,
}

impl Proof {
    /// A call whose answer says nothing of the plan.
    pub const fn bare(request: for<'a> fn(&'a str) -> Request<'a>) -> Self {
        Self { request, read: |_| Vec::new(), counts: false }
    }

    /// What an answer says of the plan.
    ///
    /// # Errors
    /// When it is no object.
    pub fn limits(&self, body: &[u8]) -> Result<Vec<Limit>, LookupError> {
        let value: Value = parse(body)?;
        if !value.is_object() {
            return Err(crate::provider::service::malformed("no object"));
        }
        Ok((self.read)(&value))
    }
}

/// The quotas of the key's user: of what the user and the user's group may, the one that has less left.
pub(crate) const VIRUSTOTAL: Proof = Proof {
    request: |key| Request::get("/api/v3/users").segment(key).tail("/overall_quotas"),
    read: |answer| {
        let windows = [
            (Span::Hour, "api_requests_hourly"),
            (Span::Day, "api_requests_daily"),
            (Span::Month, "api_requests_monthly"),
        ];
        let limit = |(span, member): (Span, &str)| {
            let of = |whose: &str| {
                let account = answer.pointer(&format!("/data/{member}/{whose}"))?;
                let (allowed, used) = (account["allowed"].as_u64()?, account["used"].as_u64()?);
                Some(Limit::window(span, Some(allowed.saturating_sub(used)), Some(allowed)))
            };
            ["user", "group"].into_iter().filter_map(of).min_by_key(|limit| limit.left)
        };
        windows.into_iter().filter_map(limit).collect()
    },
    counts: true,
};

/// `/api-info`: the plan and its query credits, which domains cost; they come back with the month.
pub(crate) const SHODAN: Proof = Proof {
    request: |_| Request::get("/api-info"),
    read: |answer| {
        let plan = answer["plan"].as_str().filter(|plan| plan.len() <= 40 && plan.is_ascii());
        let plan = plan.map(|plan| Limit::other(format!("plan {plan}"), None, None));
        let left = answer["query_credits"].as_u64();
        // Minus one is without limit.
        let limit = answer["usage_limits"]["query_credits"].as_u64();
        let credits = left
            .map(|left| Limit { name: "query credits".to_owned(), ..Limit::window(Span::Month, Some(left), limit) });
        plan.into_iter().chain(credits).collect()
    },
    counts: true,
};

/// `/api/v1/quotas`: those of searches.
pub(crate) const URLSCAN: Proof = Proof {
    request: |_| Request::get("/api/v1/quotas"),
    read: |answer| {
        let window = |span: Span| {
            let window = answer.pointer(&format!("/limits/search/{}", span.as_str()))?;
            Some(Limit::window(span, window["remaining"].as_u64(), window["limit"].as_u64()))
        };
        [Span::Minute, Span::Hour, Span::Day].into_iter().filter_map(window).collect()
    },
    counts: true,
};

/// `/servers/getVersion`.
pub(crate) const MISP: Proof = Proof {
    request: |_| Request::get("/servers/getVersion"),
    read: |answer| {
        let version = answer["version"].as_str().filter(|text| text.len() <= 20 && text.is_ascii());
        version.map(|version| Limit::other(format!("version {version}"), None, None)).into_iter().collect()
    },
    counts: false,
};

/// The account's own page.
pub(crate) const PASSIVETOTAL: Proof = Proof::bare(|_| Request::get("/v2/account/quota"));

/// The user's own page.
pub(crate) const OTX: Proof = Proof::bare(|_| Request::get("/api/v1/user/me"));

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(proof: &Proof, answer: &Value) -> Vec<String> {
        proof.limits(answer.to_string().as_bytes()).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn plans_are_read_as_far_as_they_go() {
        let account = |allowed: u64, used: u64| json!({ "allowed": allowed, "used": used });
        let quotas = json!({ "data": {
            "api_requests_hourly": { "user": account(240, 3) },
            "api_requests_daily": { "user": account(500, 20), "group": account(1_000, 900) },
            "api_requests_monthly": { "user": { "allowed": -1, "used": 3 } },
        } });
        assert_eq!(told(&VIRUSTOTAL, &quotas), ["hour: 237 of 240 left", "day: 100 of 1000 left"]);
        let info = json!({ "plan": "dev", "query_credits": 98, "usage_limits": { "query_credits": 100 } });
        assert_eq!(told(&SHODAN, &info), ["plan dev", "query credits: 98 of 100 left"]);
        let info = json!({ "plan": "corp", "query_credits": 5, "usage_limits": { "query_credits": -1 } });
        assert_eq!(told(&SHODAN, &info), ["plan corp", "query credits: 5 left"]);
        let quotas = json!({ "limits": { "search": { "minute": { "limit": 60, "remaining": 58 }, "day": { "limit": 1000, "remaining": 10 } } } });
        assert_eq!(told(&URLSCAN, &quotas), ["minute: 58 of 60 left", "day: 10 of 1000 left"]);
        assert_eq!(told(&MISP, &json!({ "version": "2.5.12" })), ["version 2.5.12"]);
        for proof in [&VIRUSTOTAL, &SHODAN, &URLSCAN, &MISP, &PASSIVETOTAL, &OTX] {
            assert!(told(proof, &json!({ "plan": 7, "data": [], "limits": null, "version": {} })).is_empty());
            assert!(proof.limits(b"[]").is_err() && proof.limits(b"<html>").is_err());
        }
    }
}
