//! What the services of abuse.ch have in common: one key for all, and outcomes in `query_status` under status 200.

use serde::Deserialize;

use crate::{
    model::FailReason,
    provider::{
        LookupError,
        http::Reply,
        request::{Auth, Wire},
        service::{body, malformed, parse},
    },
};

/// How they are spoken to.
pub(crate) const WIRE: Wire = Wire { judge, ..Wire::json(Auth::Header("auth-key")) };

/// What they list is malware: a hit scores at least this.
pub(crate) const FLOOR: u8 = 70;

/// A refusal that is no JSON comes from the edge in front of the service and says nothing of the key.
fn judge(status: u16, body: Option<&[u8]>) -> Option<LookupError> {
    (status == 403 && body.is_none())
        .then(|| LookupError::failed(FailReason::Unavailable, "status 403 from the edge of the service"))
}

#[derive(Deserialize)]
struct Status {
    query_status: Option<String>,
}

/// The body of a hit; `None` for the service's own `unknown`.
pub(crate) fn hit<'a>(reply: &'a Reply, unknown: &str) -> Result<Option<&'a [u8]>, LookupError> {
    let body = body(reply)?;
    let status: Status = parse(body)?;
    match status.query_status.as_deref().ok_or_else(|| malformed("no query_status"))? {
        "ok" => Ok(Some(body)),
        status if status == unknown => Ok(None),
        "no_api_key" | "unknown_auth_key" | "user_blacklisted" => {
            Err(LookupError::failed(FailReason::Unauthorized, "the key is refused in the body"))
        }
        _ => Err(LookupError::failed(FailReason::Rejected, "another query_status")),
    }
}
