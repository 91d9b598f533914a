//! Addresses: base URLs of providers, brokers, topics, the admin server's socket, own networks and domains.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use ipnet::IpNet;

use super::parse::{Parsed, Problem, Raw, quote, text_as};

/// `https://host[:port][/prefix]`, `http` only to the loopback; without a trailing slash.
pub(super) fn base_url(raw: Raw<'_>) -> Parsed<String> {
    text_as("a URL", "\"https://host\"", |text| {
        check_url(text).map_err(|message| vec![Problem::new(message).help("write it like \"https://host/prefix\"")])
    })(raw)
}

fn check_url(text: &str) -> Result<String, String> {
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("the URL holds white space or control characters".to_owned());
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("{} has no scheme", quote_url(text)))?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if rest.contains(['?', '#']) {
        return Err("the URL has a query or a fragment".to_owned());
    }
    if authority.contains('@') {
        return Err("the URL holds a user name or a password".to_owned());
    }
    let (host, port) = split_port(authority).ok_or_else(|| format!("{} has no valid port", quote(text)))?;
    if !is_host(host) {
        return Err(format!("{} has no valid host", quote(text)));
    }
    match scheme.as_str() {
        "https" => {}
        "http" if is_loopback(host) => {}
        "http" => {
            return Err(format!(
                "{} would send the key in the clear: only https, unless the host is this one",
                quote(text)
            ));
        }
        _ => return Err(format!("the scheme of {} is not https", quote(text))),
    }
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    Ok(format!("{scheme}://{}{port}{}", host.to_ascii_lowercase(), path.trim_end_matches('/')))
}

/// A URL without its user name and password.
fn quote_url(text: &str) -> String {
    quote(text.rsplit('@').next().unwrap_or(text))
}

/// Host and port; `None` where a port is there and is no number from 1 to 65535.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let colon = authority.get(after_bracket..)?.find(':').map(|at| at + after_bracket);
    match colon {
        None => Some((authority, None)),
        Some(at) => {
            let port = authority.get(at + 1..)?;
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            let port: u16 = port.parse().ok().filter(|port| digits && *port != 0)?;
            Some((authority.get(..at)?, Some(port)))
        }
    }
}

/// Whether this is `host` or `host:port`.
pub(super) fn is_authority(text: &str) -> bool {
    split_port(text).is_some_and(|(host, _)| is_host(host))
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.len() <= 253
                && host.split('.').all(|label| {
                    !label.is_empty()
                        && label.len() <= 63
                        && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                })
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `host:port` separated by commas; the port defaults to 9092 in the client.
pub(super) fn brokers(raw: Raw<'_>) -> Parsed<String> {
    text_as("brokers as one text", "\"host:9092, other:9092\"", |text| {
        let mut problems = Vec::new();
        let mut brokers = Vec::new();
        for broker in text.split(',').map(str::trim) {
            match split_port(broker) {
                Some((host, _)) if is_host(host) => brokers.push(broker),
                _ => problems
                    .push(Problem::new(format!("{} is no broker", quote(broker))).help("write it like \"host:9092\"")),
            }
        }
        if problems.is_empty() { Ok(brokers.join(",")) } else { Err(problems) }
    })(raw)
}

/// A topic name that Kafka allows.
pub(super) fn topic(raw: Raw<'_>) -> Parsed<String> {
    text_as("the name of a topic", "\"siem.events\"", |text| {
        const LONGEST: usize = 249;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.is_empty() {
            return Problem::new("the name of the topic is empty").one();
        }
        if text.starts_with('^') {
            return Problem::new(format!("{} is a pattern", quote(text))).help("name the topics one by one").one();
        }
        if !text.chars().all(legal) || text.len() > LONGEST || matches!(text, "." | "..") {
            return Problem::new(format!("{} is no name of a topic", quote(text)))
                .help(format!("letters, digits, `.`, `_` and `-`, at most {LONGEST}"))
                .one();
        }
        Ok(text.to_owned())
    })(raw)
}

/// The path of a file.
pub(super) fn path(raw: Raw<'_>) -> Parsed<PathBuf> {
    text_as("the path of a file", "\"/var/lib/sidelight/state.redb\"", |text| {
        if text.is_empty() || text.ends_with('/') {
            return Problem::new(format!("{} is no path of a file", quote(text))).one();
        }
        Ok(PathBuf::from(text))
    })(raw)
}

/// What the names of the product's own topics begin with.
pub(super) fn prefix(raw: Raw<'_>) -> Parsed<String> {
    // The longest of them has to be a name of a topic.
    const LONGEST: usize = 230;
    let prefix = topic(raw)?;
    if prefix.len() > LONGEST {
        return Problem::new(format!("{} is too long for names of topics that begin with it", quote(&prefix)))
            .help(format!("at most {LONGEST} characters"))
            .one();
    }
    Ok(prefix)
}

/// `address:port`, or `off`.
pub(super) fn listen(raw: Raw<'_>) -> Parsed<Option<SocketAddr>> {
    text_as("an address with a port, or \"off\"", "\"127.0.0.1:9464\"", |text| {
        if text == "off" {
            return Ok(None);
        }
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
        text.parse().map(Some).map_err(|_| {
            let help = "write it like \"127.0.0.1:9464\", \"[::1]:9464\" or \"off\"";
            vec![Problem::new(format!("{} is no address with a port", quote(text))).help(help)]
        })
    })(raw)
}

/// A network as `address/bits`, or one address.
pub(super) fn network(raw: Raw<'_>) -> Parsed<IpNet> {
    text_as("a network", "\"192.0.2.0/24\"", |text| {
        let network = text.parse::<IpNet>().ok().map(|network| network.trunc());
        network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).ok_or_else(|| {
            let help = "write it like \"192.0.2.0/24\" or \"2001:db8::/32\"";
            vec![Problem::new(format!("{} is no network", quote(text))).help(help)]
        })
    })(raw)
}

/// A domain suffix, in lower case and A-label form, without a leading dot.
pub(super) fn domain(raw: Raw<'_>) -> Parsed<String> {
    text_as("a domain", "\"example.com\"", |text| {
        let bare = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
        let bare = bare.strip_suffix('.').unwrap_or(bare);
        match idna::domain_to_ascii(bare) {
            Ok(domain) if is_host(&domain) => Ok(domain),
            Ok(_) | Err(_) => {
                Problem::new(format!("{} is no domain", quote(text))).help("write it like \"example.com\"").one()
            }
        }
    })(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T>(parsed: Parsed<T>) -> Result<T, String> {
        parsed.map_err(|problems| problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn base_urls() {
        for (text, expected) in [
            ("https://www.example.com", Ok("https://www.example.com")),
            ("https://www.example.com/", Ok("https://www.example.com")),
            ("HTTPS://WWW.Example.com:8443/Prefix/", Ok("https://www.example.com:8443/Prefix")),
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
            ("http://127.9.8.7", Ok("http://127.9.8.7")),
            ("http://localhost:1/x", Ok("http://localhost:1/x")),
            ("http://[::1]:8080", Ok("http://[::1]:8080")),
            ("http://example.com", Err("in the clear")),
            ("http://127.0.0.1.example.com", Err("in the clear")),
            ("http://localhost.example.com", Err("in the clear")),
            ("http://[2001:db8::1]", Err("in the clear")),
            ("ftp://example.com", Err("not https")),
            ("example.com", Err("no scheme")),
            ("https://", Err("no valid host")),
            ("https://:443", Err("no valid host")),
            ("https://a..b", Err("no valid host")),
            ("https://[::1", Err("no valid port")),
            ("https://[::x]", Err("no valid host")),
            ("https://example.com:0", Err("no valid port")),
            ("https://example.com:+1", Err("no valid port")),
            ("https://example.com:70000", Err("no valid port")),
            ("https://user:pass@example.com", Err("user name")),
            ("https://example.com?x=1", Err("query")),
            ("https://example.com/#x", Err("query")),
            ("https://exa mple.com", Err("white space")),
        ] {
            match (message(base_url(Raw::Text(text))), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected),
                (Err(found), Err(part)) => assert!(found.contains(part), "{text}: {found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_is_said_of_a_url_never_holds_its_password() {
        for text in ["https://user:hunter2@example.com", "user:hunter2@example.com", "ftp://user:hunter2@example.com/"]
        {
            let said = message(base_url(Raw::Text(text))).unwrap_err();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn broker_lists() {
        for (text, expected) in [
            ("localhost:9092", Some("localhost:9092")),
            ("a:1, b:2", Some("a:1,b:2")),
            ("a", Some("a")),
            ("[::1]:9092", Some("[::1]:9092")),
            ("", None),
            ("a:1,", None),
            ("a:x", None),
            ("a:70000", None),
            ("a b:9092", None),
            ("kafka://a:9092", None),
        ] {
            assert_eq!(brokers(Raw::Text(text)).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn domains() {
        for (text, expected) in [
            ("Example.COM", Some("example.com")),
            (".corp.example", Some("corp.example")),
            ("*.corp.example.", Some("corp.example")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("internal", Some("internal")),
            ("", None),
            ("a..b", None),
            ("a b", None),
        ] {
            assert_eq!(domain(Raw::Text(text)).ok().as_deref(), expected, "{text}");
        }
    }
}
