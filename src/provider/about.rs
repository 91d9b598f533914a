//! Whether an answer is about what was asked. Caches and gateways on the way can mix answers up, and one about somebody else must not become a verdict.
//!
//! Services write the same thing in several forms, so only what plainly names something else is held against an answer: an address is compared as an address,
//! a name without regard to case, a URL by its host. What cannot be read as a name of anything is no evidence either way.

use std::net::IpAddr;

use crate::{
    model::{Indicator, IndicatorKind},
    provider::{LookupError, service::malformed},
};

/// What a text in an answer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What was asked about.
    Asked,
    /// Something else.
    Another,
    /// Nothing that can be compared.
    Unclear,
}

/// What a text in an answer names, where `indicator` was asked about.
pub fn subject(indicator: &Indicator, text: &str) -> Subject {
    let text = text.trim();
    match indicator.kind {
        IndicatorKind::Ipv4 | IndicatorKind::Ipv6 => match (address(text), address(&indicator.value)) {
            (Some(named), Some(asked)) => same(named == asked),
            _ => foreign(is_name(text) || is_digest(text)),
        },
        IndicatorKind::Domain if is_name(text) => same(names_alike(text, &indicator.value)),
        IndicatorKind::Domain => foreign(address(text).is_some() || is_digest(text)),
        IndicatorKind::Url => match (host(text), host(&indicator.value)) {
            (Some(named), Some(asked)) if named == asked => {
                if text.eq_ignore_ascii_case(&indicator.value) {
                    Subject::Asked
                } else {
                    Subject::Unclear
                }
            }
            (Some(_), Some(_)) => Subject::Another,
            _ => Subject::Unclear,
        },
        IndicatorKind::Md5 | IndicatorKind::Sha1 | IndicatorKind::Sha256 | IndicatorKind::Sha512 => {
            if is_digest(text) && text.len() == indicator.value.len() {
                same(text.eq_ignore_ascii_case(&indicator.value))
            } else {
                // Another digest may be one of the same file.
                foreign(address(text).is_some() || is_name(text))
            }
        }
        IndicatorKind::Email | IndicatorKind::Cve => {
            if text.eq_ignore_ascii_case(&indicator.value) {
                Subject::Asked
            } else {
                Subject::Unclear
            }
        }
    }
}

/// Refuses an answer in which the service names something else than what was asked.
///
/// # Errors
///
/// Malformed, without a word of the text.
pub fn check(indicator: &Indicator, text: Option<&str>) -> Result<(), LookupError> {
    match text.map(|text| subject(indicator, text)) {
        Some(Subject::Another) => Err(another()),
        Some(Subject::Asked | Subject::Unclear) | None => Ok(()),
    }
}

/// Refuses an answer that does not name what was asked.
///
/// # Errors
///
/// Malformed, without a word of the text.
pub fn require(indicator: &Indicator, text: &str) -> Result<(), LookupError> {
    match subject(indicator, text) {
        Subject::Asked => Ok(()),
        Subject::Another | Subject::Unclear => Err(another()),
    }
}

/// The failure of an answer about something else.
pub fn another() -> LookupError {
    malformed("an answer about another indicator")
}

/// Whether a name is that of the asked domain, or of a host under it.
pub fn is_within(indicator: &Indicator, name: &str) -> bool {
    let (name, domain) = (name.trim_end_matches('.').as_bytes(), indicator.value.trim_end_matches('.').as_bytes());
    name.len()
        .checked_sub(domain.len())
        .and_then(|start| name.split_at_checked(start))
        .is_some_and(|(under, tail)| tail.eq_ignore_ascii_case(domain) && (under.is_empty() || under.ends_with(b".")))
}

const fn same(same: bool) -> Subject {
    if same { Subject::Asked } else { Subject::Another }
}

const fn foreign(foreign: bool) -> Subject {
    if foreign { Subject::Another } else { Subject::Unclear }
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Whether it can only be the name of a host: ASCII, with a dot in it.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    text.trim_end_matches('.').contains('.') && text.bytes().all(plain) && address(text).is_none()
}

fn names_alike(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}

fn is_digest(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 64 | 128) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The host of a URL, or of one without its scheme; `None` where it is none, or one whose form says nothing (not ASCII).
fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    let port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let host = port.filter(|(host, _)| !host.contains(':') || host.ends_with(']')).map_or(host, |(host, _)| host);
    match address(host) {
        Some(address) => Some(address.to_string()),
        None => is_name(host).then(|| host.trim_end_matches('.').to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Subject::{Another, Asked, Unclear},
        *,
    };

    #[test]
    fn what_an_answer_names_is_told_apart() {
        const MD5: &str = "0123456789abcdef0123456789abcdef";
        let sha256 = MD5.repeat(2);
        let other = "1".repeat(64);
        let rows = [
            (IndicatorKind::Ipv4, "198.51.100.7", "198.51.100.7", Asked),
            (IndicatorKind::Ipv4, "198.51.100.7", "::ffff:198.51.100.7", Asked),
            (IndicatorKind::Ipv4, "198.51.100.7", "198.51.100.8", Another),
            (IndicatorKind::Ipv4, "198.51.100.7", "host.example", Another),
            (IndicatorKind::Ipv4, "198.51.100.7", &sha256, Another),
            (IndicatorKind::Ipv4, "198.51.100.7", "", Unclear),
            (IndicatorKind::Ipv4, "198.51.100.7", "x", Unclear),
            (IndicatorKind::Ipv6, "2001:db8::7", "2001:0DB8:0:0:0:0:0:7", Asked),
            (IndicatorKind::Ipv6, "2001:db8::7", "2001:db8::8", Another),
            (IndicatorKind::Domain, "host.example", "HOST.example.", Asked),
            (IndicatorKind::Domain, "host.example", "www.host.example", Another),
            (IndicatorKind::Domain, "host.example", "198.51.100.7", Another),
            (IndicatorKind::Domain, "host.example", &sha256, Another),
            (IndicatorKind::Domain, "xn--bcher-kva.example", "bücher.example", Unclear),
            (IndicatorKind::Domain, "host.example", "u-x-1", Unclear),
            (IndicatorKind::Url, "http://host.example/a", "http://host.example/a", Asked),
            (IndicatorKind::Url, "http://host.example/a", "https://u@HOST.example:443/a?b=c", Unclear),
            (IndicatorKind::Url, "http://host.example/a", "host.example/a", Unclear),
            (IndicatorKind::Url, "http://host.example/a", "http://other.example/a", Another),
            (IndicatorKind::Url, "http://host.example/a", "http://evil.example/host.example", Another),
            (IndicatorKind::Url, "http://host.example/a", "http://host.example.evil.example/a", Another),
            (IndicatorKind::Url, "http://[2001:db8::7]:8080/a", "http://[2001:0db8::7]/a", Unclear),
            (IndicatorKind::Url, "http://[2001:db8::7]:8080/a", "http://[2001:db8::8]:8080/a", Another),
            (IndicatorKind::Url, "http://198.51.100.7/a", "http://198.51.100.8/a", Another),
            (IndicatorKind::Url, "http://host.example/a", &sha256, Unclear),
            (IndicatorKind::Url, "http://xn--bcher-kva.example/", "http://bücher.example/", Unclear),
            (IndicatorKind::Sha256, &sha256, &sha256.to_ascii_uppercase(), Asked),
            (IndicatorKind::Sha256, &sha256, &other, Another),
            (IndicatorKind::Sha256, &sha256, MD5, Unclear),
            (IndicatorKind::Md5, MD5, &sha256, Unclear),
            (IndicatorKind::Md5, MD5, "host.example", Another),
            (IndicatorKind::Cve, "CVE-2026-0001", "cve-2026-0001", Asked),
            (IndicatorKind::Cve, "CVE-2026-0001", "CVE-2026-0002", Unclear),
            (IndicatorKind::Email, "a@host.example", "A@host.example", Asked),
        ];
        for (kind, asked, text, expected) in rows {
            let indicator = Indicator::new(kind, asked);
            assert_eq!(subject(&indicator, text), expected, "{kind} {asked}: {text}");
            assert_eq!(check(&indicator, Some(text)).is_ok(), expected != Another, "{text}");
            assert_eq!(require(&indicator, text).is_ok(), expected == Asked, "{text}");
        }
        assert_eq!(check(&Indicator::new(IndicatorKind::Md5, MD5), None), Ok(()));
    }

    #[test]
    fn hosts_under_a_domain_belong_to_it() {
        let asked = Indicator::new(IndicatorKind::Domain, "host.example");
        for (name, expected) in [
            ("host.example", true),
            ("Host.Example.", true),
            ("www.host.example", true),
            ("ghost.example", false),
            ("example", false),
            ("host.example.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_within(&asked, name), expected, "{name}");
        }
    }
}
