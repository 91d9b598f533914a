//! Tests of the gate.

use super::*;

fn gate() -> Gate {
    Gate::new(&Config {
        own_networks: vec!["8.8.4.0/24".parse().unwrap(), "2606:4700::/32".parse().unwrap()],
        own_domains: vec![".Example.com".to_owned(), "own.co.uk".to_owned()],
        ..Config::default()
    })
}

#[test]
fn every_reason_is_given_where_it_belongs() {
    use IndicatorKind::{Cve, Domain, Email, Ipv4, Ipv6, Sha256, Url};
    use Suppression::*;
    let rows = [
        (Ipv4, "8.8.8.8", None),
        (Ipv4, "8.8.4.4", Some(OwnNetwork)),
        (Ipv4, "10.1.2.3", Some(PrivateAddress)),
        (Ipv4, "172.31.255.255", Some(PrivateAddress)),
        (Ipv4, "172.32.0.0", None),
        (Ipv4, "192.168.0.1", Some(PrivateAddress)),
        (Ipv4, "100.64.0.1", Some(PrivateAddress)),
        (Ipv4, "100.128.0.1", None),
        (Ipv4, "127.0.0.1", Some(Loopback)),
        (Ipv4, "169.254.169.254", Some(LinkLocal)),
        (Ipv4, "224.0.0.251", Some(Multicast)),
        (Ipv4, "239.255.255.250", Some(Multicast)),
        (Ipv4, "255.255.255.255", Some(Multicast)),
        (Ipv4, "192.0.2.1", Some(Documentation)),
        (Ipv4, "198.51.100.1", Some(Documentation)),
        (Ipv4, "203.0.113.1", Some(Documentation)),
        (Ipv4, "198.19.0.1", Some(Documentation)),
        (Ipv4, "0.0.0.0", Some(ReservedAddress)),
        (Ipv4, "0.1.2.3", Some(ReservedAddress)),
        (Ipv4, "192.0.0.8", Some(ReservedAddress)),
        (Ipv4, "192.88.99.1", Some(ReservedAddress)),
        (Ipv4, "240.0.0.1", Some(ReservedAddress)),
        (Ipv4, "not an address", Some(ReservedAddress)),
        (Ipv6, "2a00:1450:4001::1", None),
        (Ipv6, "2606:4700::1", Some(OwnNetwork)),
        (Ipv6, "::1", Some(Loopback)),
        (Ipv6, "::", Some(ReservedAddress)),
        (Ipv6, "fe80::1", Some(LinkLocal)),
        (Ipv6, "fd12::1", Some(PrivateAddress)),
        (Ipv6, "fec0::1", Some(PrivateAddress)),
        (Ipv6, "ff02::1", Some(Multicast)),
        (Ipv6, "2001:db8::1", Some(Documentation)),
        (Ipv6, "3fff::1", Some(Documentation)),
        (Ipv6, "3fff:1000::1", None),
        (Ipv6, "2001:2::1", Some(Documentation)),
        (Ipv6, "2001::1", Some(ReservedAddress)),
        (Ipv6, "100::1", Some(ReservedAddress)),
        (Ipv6, "4000::1", Some(ReservedAddress)),
        (Ipv6, "::ffff:10.0.0.1", Some(PrivateAddress)),
        (Ipv6, "::ffff:8.8.8.8", None),
        (Ipv6, "64:ff9b::808:808", None),
        (Ipv6, "64:ff9b::7f00:1", Some(Loopback)),
        (Ipv6, "64:ff9b::808:404", Some(OwnNetwork)),
        (Ipv6, "64:ff9b:1::1", Some(PrivateAddress)),
        (Ipv6, "2002:a00:1::1", Some(PrivateAddress)),
        (Ipv6, "2002:808:808::1", None),
        (Domain, "evil.org", None),
        (Domain, "example.com", Some(OwnDomain)),
        (Domain, "a.example.com", Some(OwnDomain)),
        (Domain, "badexample.com", None),
        (Domain, "own.co.uk", Some(OwnDomain)),
        (Domain, "dc1.corp", Some(InternalName)),
        (Domain, "printer.local", Some(InternalName)),
        (Domain, "x.home.arpa", Some(InternalName)),
        (Domain, "4.3.2.1.in-addr.arpa", Some(InternalName)),
        (Domain, "srv.notatld", Some(InternalName)),
        (Domain, "co.uk", Some(InternalName)),
        (Domain, "wpad", Some(SingleLabel)),
        (Url, "http://evil.org/a@example.com", None),
        (Url, "http://u:p@a.example.com:8080/x", Some(OwnDomain)),
        (Url, "http://evil.org?x=example.com", None),
        (Url, "http://192.168.0.1/", Some(PrivateAddress)),
        (Url, "http://[fe80::1]:80/", Some(LinkLocal)),
        (Url, "http://[2a00:1450::1]/", None),
        (Url, "http://intranet/", Some(SingleLabel)),
        (Url, "http://files.lan/x", Some(InternalName)),
        (Email, "a@example.com", Some(OwnDomain)),
        (Email, "a@evil.org", None),
        (Email, "a@dc.local", Some(InternalName)),
        (Sha256, "x", None),
        (Cve, "CVE-2021-44228", None),
    ];
    let gate = gate();
    for (kind, value, expected) in rows {
        assert_eq!(gate.suppression(IndicatorRef { kind, value }), expected, "{kind} {value}");
    }
}

#[test]
fn secrets_in_urls_stay() {
    let rows = [
        ("nothing to take", "https://a.example/b/c", "https://a.example/b/c"),
        ("query", "https://a.example/b?token=1", "https://a.example/b"),
        ("fragment", "https://a.example/b#token", "https://a.example/b"),
        ("userinfo", "https://u:p@a.example:8443/b", "https://a.example:8443/b"),
        ("all", "https://u:p@a.example/b?c#d", "https://a.example/b"),
        ("at in the path", "https://a.example/@b", "https://a.example/@b"),
        ("query without a path", "https://a.example?b", "https://a.example"),
        ("two ats", "https://u@x:p@a.example/", "https://a.example/"),
    ];
    let keep = Gate::new(&Config { url_query: UrlQuery::Keep, ..Config::default() });
    for (name, value, expected) in rows {
        let indicator = IndicatorRef { kind: IndicatorKind::Url, value };
        assert_eq!(gate().subject(indicator, &mut String::new()).value, expected, "{name}");
        assert_eq!(keep.subject(indicator, &mut String::new()).value, value, "{name}");
    }
    let domain = IndicatorRef { kind: IndicatorKind::Domain, value: "a.example" };
    assert_eq!(gate().subject(domain, &mut String::new()), domain);
}
