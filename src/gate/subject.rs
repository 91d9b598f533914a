//! The parts of a canonical URL, and what of it may leave.

use std::ops::Range;

/// Where the parts of a canonical URL are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// Userinfo with its `@`; empty when there is none.
    pub(super) userinfo: Range<usize>,
    /// Host, without the brackets of an IPv6 address.
    pub(super) host: Range<usize>,
    /// Where the query or the fragment starts; the length of the URL when there is neither.
    pub(super) query: usize,
}

/// The parts of a URL with a scheme; `None` when it has none.
pub(super) fn parts(url: &str) -> Option<Parts> {
    let authority = url.find("://")? + 3;
    let rest = url.get(authority..)?;
    let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..length].rfind('@').map_or(authority, |at| authority + at + 1);
    let end = authority + length;
    let inner = url.get(host..end)?;
    let host_range = match inner.strip_prefix('[').and_then(|inner| inner.find(']')) {
        Some(close) => host + 1..host + 1 + close,
        None => host..inner.find(':').map_or(end, |colon| host + colon),
    };
    let query = url.get(end..)?.find(['?', '#']).map_or(url.len(), |at| end + at);
    Some(Parts { userinfo: authority..host, host: host_range, query })
}
