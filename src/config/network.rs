//! The way to a provider's service: own networks, a proxy, own certificates.

use std::{fs::File, io::Read, path::Path};

use super::{
    address,
    parse::{Parsed, Problem, Raw, boolean, quote, text_as},
    section::{Section, Setting},
};
use crate::provider::{Network, check_base_url};

/// The largest file of certificates.
const MOST_BYTES: u64 = 1 << 20;

/// Reads the keys of a provider's table that say how its service is reached, and judges the base URL by them.
pub(super) fn read(section: &mut Section<'_, '_>, base_url: &Setting<String>) -> Network {
    let internal = section.read("internal", false, boolean);
    let proxy = section.read("proxy", None, |raw| proxy(raw).map(Some));
    let ca = section.read("ca_file", None, |raw| certificates(raw).map(Some));
    if let Some(at) = base_url.place().filter(|_| !base_url.value.is_empty())
        && let Err(why) = check_base_url(&base_url.value, internal.value)
    {
        let path = section.path_of("base_url");
        let help = "a provider is reached by its name, or by an address written as four decimal numbers or as IPv6";
        section.context.error(at, &path, format!("base_url {why}"), Some(help.to_owned()));
    }
    Network { internal: internal.value, proxy: proxy.value, ca: ca.value }
}

/// `http://host:port`.
fn proxy(raw: Raw<'_>) -> Parsed<String> {
    const EXAMPLE: &str = "write it like \"http://proxy.example.com:3128\"";
    text_as("the URL of a proxy", "\"http://proxy.example.com:3128\"", |text| {
        let problem = |message: String| vec![Problem::new(message).help(EXAMPLE)];
        if text.contains('@') {
            return Err(problem(
                "the proxy holds a user name or a password; a proxy that asks for one is not supported".to_owned(),
            ));
        }
        match text.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) {
            Some(authority) if !authority.contains('/') && address::is_authority(authority) => {
                Ok(format!("http://{authority}"))
            }
            Some(_) => Err(problem(format!("{} is no host with a port", quote(text)))),
            None => Err(problem(format!("{} is no http proxy", quote(text)))),
        }
    })(raw)
}

/// The content of a file of certificates in PEM.
fn certificates(raw: Raw<'_>) -> Parsed<Vec<u8>> {
    text_as("the path of a file", "\"/etc/ssl/own-ca.pem\"", |text| {
        let shown = quote(text);
        let cannot =
            |error: std::io::Error| vec![Problem::new(format!("cannot read the file {shown}: {}", error.kind()))];
        let mut pem = Vec::new();
        let file = File::open(Path::new(text)).map_err(cannot)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut pem).map_err(cannot)?;
        let begins = pem.windows(CERTIFICATE.len()).any(|window| window == CERTIFICATE);
        if !begins || u64::try_from(pem.len()).unwrap_or(u64::MAX) > MOST_BYTES {
            return Problem::new(format!(
                "the file {shown} holds no certificate in PEM, or is larger than {MOST_BYTES} bytes"
            ))
            .help("it has to begin with -----BEGIN CERTIFICATE-----")
            .one();
        }
        Ok(pem)
    })(raw)
}

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_plain_and_hold_no_password() {
        for (text, expected) in [
            ("http://proxy.example.com:3128", Some("http://proxy.example.com:3128")),
            ("http://10.0.0.1:3128/", Some("http://10.0.0.1:3128")),
            ("http://[fd00::1]:3128", Some("http://[fd00::1]:3128")),
            ("http://proxy.example.com", Some("http://proxy.example.com")),
            ("https://proxy.example.com", None),
            ("socks5://proxy.example.com", None),
            ("http://user:hunter2@proxy.example.com:3128", None),
            ("http://proxy.example.com/path", None),
            ("http://", None),
            ("proxy.example.com:3128", None),
        ] {
            let found = proxy(Raw::Text(text));
            assert!(!format!("{found:?}").contains("hunter2"));
            assert_eq!(found.ok().as_deref(), expected, "{text}");
        }
    }
}
