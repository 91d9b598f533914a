//! How a connection to a service is made: which base URLs are accepted, which addresses connected to, through which proxy, trusting whom.
//!
//! Rules: https unless the host is the loopback; an address is written in its usual form, so that nobody overlooks what `0x7f.1` is; the name
//! of the service is resolved anew for each connection and each of its addresses is judged then ([`Reach`]); no redirect is
//! followed; proxies of the environment are ignored.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Certificate, Proxy, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect, tls,
};

use crate::provider::{
    Config,
    reach::{self, Names, Reach},
};

/// Longest wait for a connection.
const MAX_CONNECT: Duration = Duration::from_secs(5);

/// The way to a service, where it is not straight to a public one.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The service is in an own network: private addresses and the loopback may be connected to.
    pub internal: bool,
    /// `http://host:port` of a proxy; it resolves the service's name.
    pub proxy: Option<String>,
    /// Certificates in PEM by which the service is verified, in place of the system's.
    pub ca: Option<Vec<u8>>,
}

/// Judges a base URL by the rules, where it can be judged without a look at the network.
///
/// # Errors
///
/// Which rule it breaks; continues the sentence "base_url …".
pub fn check_base_url(text: &str, internal: bool) -> Result<(), &'static str> {
    check_base(text, internal).map(drop)
}

pub(super) fn check_base(text: &str, internal: bool) -> Result<(Url, Reach), &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("has no host")?;
    let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("holds a query or fragment");
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err("is not https (http is for a loopback host only)");
    }
    // Numbers, hexadecimal or octal parts, short forms: the URL parser reads them all.
    if address.is_some_and(|address| address.is_ipv4()) && !names_host(text, host) {
        return Err("writes an address in a form that hides which one it is");
    }
    let reach = match (loopback, internal) {
        (true, _) => Reach::Loopback,
        (false, true) => Reach::Internal,
        (false, false) => Reach::Public,
    };
    match address.and_then(|address| reach.refusal(address)) {
        None => Ok((url, reach)),
        Some(_) if reach == Reach::Public && address.is_some_and(|a| Reach::Internal.refusal(a).is_none()) => {
            Err("is an address that is not public; a service in an own network needs internal = true")
        }
        Some(_) => Err("is an address that no provider can have"),
    }
}

/// Whether the text has this IPv4 address as its host, in these digits.
fn names_host(text: &str, host: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let written = rest.split(['/', ':']).next().unwrap_or_default();
    written == host && written.parse::<Ipv4Addr>().is_ok()
}

/// The client of a service whose base URL has been judged.
///
/// # Errors
///
/// What TLS, the certificates or the proxy lack.
pub(super) fn client(
    base: &Url,
    reach: Reach,
    config: &Config,
    names: Arc<dyn Names>,
) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .https_only(base.scheme() == "https")
        .tls_version_min(tls::Version::TLS_1_2)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("sidelight/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(MAX_CONNECT.min(config.timeout))
        .pool_max_idle_per_host(config.max_in_flight)
        .pool_idle_timeout(Duration::from_secs(30));
    if let Some(pem) = &config.network.ca {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(pem)?);
    }
    // What is on this machine is not asked for at a proxy.
    let proxy = config.network.proxy.as_ref().filter(|_| reach != Reach::Loopback);
    if let Some(proxy) = proxy {
        builder = builder.proxy(Proxy::all(proxy)?);
    }
    // With a proxy its name is the only one that is resolved here, and the operator has named it.
    let reach = if proxy.is_some() { Reach::Internal } else { reach };
    builder.dns_resolver(Guard { reach, names }).build()
}

/// Resolves names and keeps back the addresses that must not be connected to.
struct Guard {
    reach: Reach,
    names: Arc<dyn Names>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, names) = (self.reach, Arc::clone(&self.names));
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            let allowed = reach::allowed(reach, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        error::Error as _,
        net::SocketAddr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tokio::net::TcpListener;

    use super::*;
    use crate::provider::BoxFuture;

    #[test]
    fn base_urls_are_https_or_loopback_and_lead_nowhere_inside() {
        let hidden = "writes an address in a form that hides which one it is";
        let inside = "is an address that is not public; a service in an own network needs internal = true";
        let never = "is an address that no provider can have";
        let clear = "is not https (http is for a loopback host only)";
        // Text, what is said of it, and with internal = true.
        let rows = [
            ("https://www.virustotal.com", Ok(()), Ok(())),
            ("https://gateway.example/vt/", Ok(()), Ok(())),
            ("http://127.0.0.1:8080", Ok(()), Ok(())),
            ("http://127.9.9.9", Ok(()), Ok(())),
            ("http://[::1]:8080/prefix", Ok(()), Ok(())),
            ("http://localhost:1", Ok(()), Ok(())),
            ("https://45.83.12.7", Ok(()), Ok(())),
            ("https://[2a00:1450::1]", Ok(()), Ok(())),
            ("http://localhost.example", Err(clear), Err(clear)),
            ("http://www.virustotal.com", Err(clear), Err(clear)),
            ("http://192.168.0.1", Err(clear), Err(clear)),
            ("ftp://127.0.0.1", Err(clear), Err(clear)),
            ("https://192.168.0.1", Err(inside), Ok(())),
            ("https://10.1.2.3:8443/misp", Err(inside), Ok(())),
            ("https://100.64.0.1", Err(inside), Ok(())),
            ("https://[fd12::1]", Err(inside), Ok(())),
            ("https://[::ffff:10.0.0.1]", Err(inside), Ok(())),
            ("https://[::ffff:127.0.0.1]", Err(inside), Ok(())),
            ("https://169.254.169.254", Err(never), Err(never)),
            ("https://[::ffff:169.254.169.254]", Err(never), Err(never)),
            ("https://[::ffff:a9fe:a9fe]/latest", Err(never), Err(never)),
            ("https://[fe80::1]", Err(never), Err(never)),
            ("https://0.0.0.0", Err(never), Err(never)),
            ("https://100.100.100.200", Err(never), Err(never)),
            ("http://0x7f.1", Err(hidden), Err(hidden)),
            ("https://0x7f.1/", Err(hidden), Err(hidden)),
            ("https://2130706433", Err(hidden), Err(hidden)),
            ("https://0177.0.0.1:443", Err(hidden), Err(hidden)),
            ("https://127.1", Err(hidden), Err(hidden)),
            ("https://0xa9fea9fe", Err(hidden), Err(hidden)),
            ("https://127.0.0.1.", Err(hidden), Err(hidden)),
            ("https://\u{ff11}27.0.0.1", Err(hidden), Err(hidden)),
            (
                "https://user:secret@host.example",
                Err("holds a user name or password"),
                Err("holds a user name or password"),
            ),
            ("https://host.example/?a=b", Err("holds a query or fragment"), Err("holds a query or fragment")),
            ("https://host.example/#a", Err("holds a query or fragment"), Err("holds a query or fragment")),
            ("https://", Err("is not a URL"), Err("is not a URL")),
            ("www.virustotal.com", Err("is not a URL"), Err("is not a URL")),
            ("file:///etc/passwd", Err("has no host"), Err("has no host")),
        ];
        for (base, public, internal) in rows {
            assert_eq!(check_base_url(base, false), public, "{base}");
            assert_eq!(check_base_url(base, true), internal, "{base} internal");
        }
    }

    /// Every name resolves to these.
    struct Fixed(Vec<&'static str>);

    impl Names for Fixed {
        fn addresses<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<SocketAddr>>> {
            let addresses = self.0.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
            Box::pin(async move { Ok(addresses) })
        }
    }

    /// A port of the loopback, v4 and v6, that counts connections and says nothing.
    async fn counting() -> (u16, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let v4 = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = TcpListener::bind(("::1", port)).await.ok();
        for listener in std::iter::once(v4).chain(v6) {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        (port, count)
    }

    fn config(network: Network) -> Config {
        Config {
            key_name: None,
            api_key: Some("k".to_owned().into()),
            base_url: String::new(),
            kinds: Vec::new(),
            quota: "1/s".parse().unwrap(),
            pace: None,
            timeout: Duration::from_secs(2),
            max_in_flight: 1,
            weight: None,
            unit_price: None,
            account_poll: None,
            costs: None,
            max_tlp: crate::gate::Tlp::Green,
            network,
        }
    }

    async fn get(base: &str, network: Network, resolves_to: Vec<&'static str>) -> String {
        let (url, reach) = check_base(base, network.internal).unwrap();
        let client = client(&url, reach, &config(network), Arc::new(Fixed(resolves_to))).unwrap();
        let error = client.get(url).send().await.unwrap_err();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(deeper) = cause {
            text = format!("{text}: {deeper}");
            cause = deeper.source();
        }
        text
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let (port, count) = counting().await;
        let base = format!("https://rebound.example:{port}");
        for (address, why) in [
            ("127.0.0.1", "the loopback"),
            ("::1", "the loopback"),
            ("::ffff:127.0.0.1", "the loopback"),
            ("10.0.0.1", "a private address"),
            ("169.254.169.254", "a link-local address"),
            ("::ffff:169.254.169.254", "a link-local address"),
            ("::ffff:10.0.0.1", "a private address"),
            ("64:ff9b::127.0.0.1", "the loopback"),
            ("64:ff9b::192.168.0.1", "a private address"),
            ("64:ff9b::169.254.169.254", "a link-local address"),
            ("64:ff9b:1::169.254.169.254", "a link-local address"),
            ("2002:7f00:0001::1", "the loopback"),
            ("2002:0a00:0001::1", "a private address"),
            ("2002:a9fe:a9fe::1", "a link-local address"),
            ("::127.0.0.1", "the loopback"),
            ("fe80::1", "a link-local address"),
            ("fd12::1", "a private address"),
            ("fd00:ec2::254", "a cloud's metadata service"),
            ("64:ff9b::100.100.100.200", "a cloud's metadata service"),
            ("0.0.0.0", "no address at all"),
            ("::", "no address at all"),
            ("::ffff:0.0.0.0", "no address at all"),
            ("ff02::1", "a multicast address"),
        ] {
            let said = get(&base, Network::default(), vec![address]).await;
            assert!(said.contains(why), "{address}: {said}");
        }
        // One good address among bad ones does not open the way to these; nothing answers at a documentation address.
        let internal = Network { internal: true, ..Network::default() };
        for hidden in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::",
            "::ffff:0.0.0.0",
        ] {
            let said = get(&base, internal.clone(), vec![hidden, "169.254.169.254"]).await;
            assert!(said.contains("a link-local address"), "{hidden}: {said}");
        }
        // A name that is said to be of this machine leads to this machine only.
        let said = get(&format!("https://localhost:{port}"), internal.clone(), vec!["10.0.0.1"]).await;
        assert!(said.contains("outside of this machine"), "{said}");
        assert_eq!(count.load(Ordering::SeqCst), 0, "connections");
        // The same way is open where the configuration says so: the test would see a connection.
        get(&base, internal, vec!["127.0.0.1"]).await;
        assert!(count.load(Ordering::SeqCst) > 0);
    }

    #[tokio::test]
    async fn a_proxy_is_used_where_it_is_configured() {
        let (port, count) = counting().await;
        let proxy = Some(format!("http://proxy.example:{port}"));
        get("https://service.example", Network { proxy, ..Network::default() }, vec!["127.0.0.1"]).await;
        assert!(count.load(Ordering::SeqCst) > 0, "the operator's proxy may be inside");
    }
}
