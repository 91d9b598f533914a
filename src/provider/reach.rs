//! Which addresses a provider's client may connect to: the guard against a base URL, a name or a redirect that leads inside.
//!
//! A public service is reached at public addresses only, whatever the resolver says at the moment of the connection. The loopback is for base
//! URLs that name it, and an own network for tables that say `internal = true`. Some addresses are never reached: those at which clouds
//! give out credentials to whoever asks from inside, link-local and multicast ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{
    gate::{Suppression, embedded_v4, special_purpose},
    provider::BoxFuture,
};

/// Where a service may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// At addresses of the public Internet.
    Public,
    /// On this machine: its base URL says so.
    Loopback,
    /// In the organisation's own network, or public.
    Internal,
}

/// Metadata services of clouds that are not link-local: Alibaba, Azure, Oracle; AWS over IPv6.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

impl Reach {
    /// Why a connection to this address is refused, in words that continue "leads to"; `None` lets it pass.
    pub(crate) fn refusal(self, address: IpAddr) -> Option<&'static str> {
        if is_metadata(address) {
            return Some("a cloud's metadata service");
        }
        // An address that carries another one leads there.
        let inner = carried(address).filter(|_| self != Self::Loopback);
        if let Some(refusal) = inner.and_then(|inner| self.refusal(IpAddr::V4(inner))) {
            return Some(refusal);
        }
        let special = special_purpose(address);
        match (self, special) {
            (Self::Loopback, _) if address.is_loopback() => None,
            (Self::Loopback, _) => Some("an address outside of this machine"),
            (Self::Public | Self::Internal, None) => None,
            (_, Some(Suppression::LinkLocal)) => Some("a link-local address"),
            (_, Some(Suppression::Multicast)) => Some("a multicast address"),
            (_, Some(_)) if address.is_unspecified() => Some("no address at all"),
            (Self::Internal, Some(_)) => None,
            (Self::Public, Some(Suppression::Loopback)) => Some("the loopback"),
            (Self::Public, Some(Suppression::PrivateAddress)) => Some("a private address"),
            (Self::Public, Some(_)) => Some("an address that is not public"),
        }
    }
}

fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => METADATA_V4.contains(&address),
        IpAddr::V6(address) => address == METADATA_V6,
    }
}

/// The IPv4 address that an address carries: mapped, translated, also by a translator of one's own (RFC 8215), 6to4, or "compatible" of old.
fn carried(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let tail = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    embedded_v4(address).or_else(|| match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => Some(tail(high, low)),
        _ => None,
    })
}

/// Asks for the addresses of a host. A parameter, so that tests decide what a name resolves to.
pub(crate) trait Names: Send + Sync {
    /// The addresses of a host, in the order in which they are to be tried; the ports mean nothing.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver.
pub(crate) struct SystemNames;

impl Names for SystemNames {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) })
    }
}

/// A name that leads nowhere that may be reached. Names neither the host nor its addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of the service leads to {0}, which is not connected to")]
pub(crate) struct Refused(&'static str);

/// Those of a name's addresses that may be reached.
///
/// # Errors
///
/// [`Refused`] when there is none.
pub(crate) fn allowed(reach: Reach, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
    let mut why = "nothing";
    let mut kept = Vec::with_capacity(addresses.len());
    for address in addresses {
        match reach.refusal(address.ip()) {
            None => kept.push(address),
            Some(refusal) => why = refusal,
        }
    }
    if kept.is_empty() { Err(Refused(why)) } else { Ok(kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_reached_from_where_they_may() {
        // Address, public, internal.
        let rows = [
            ("45.83.12.7", true, true),
            ("2a00:1450::1", true, true),
            ("10.0.0.5", false, true),
            ("172.16.3.4", false, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("fd12:3456::1", false, true),
            ("::ffff:10.0.0.5", false, true),
            ("127.0.0.1", false, true),
            ("::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("192.0.2.1", false, true),
            ("2001:db8::1", false, true),
            ("240.0.0.1", false, true),
            ("64:ff9b::10.0.0.1", false, true),
            ("64:ff9b::127.0.0.1", false, true),
            ("64:ff9b:1::10.0.0.1", false, true),
            ("2002:0a00:0001::1", false, true),
            ("2002:7f00:0001::1", false, true),
            ("::10.0.0.1", false, true),
            ("64:ff9b::45.83.12.7", true, true),
            ("2002:2d53:0c07::1", true, true),
            ("64:ff9b::0.0.0.0", false, false),
            ("::ffff:0.0.0.0", false, false),
            ("::169.254.169.254", false, false),
            ("64:ff9b:1::169.254.169.254", false, false),
            ("2002:a9fe:a9fe::1", false, false),
            ("2002:a83f:8110::1", false, false),
            ("64:ff9b::168.63.129.16", false, false),
            ("64:ff9b::100.100.100.200", false, false),
            ("2002:e000:0001::1", false, false),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("64:ff9b::169.254.169.254", false, false),
            ("fe80::1", false, false),
            ("100.100.100.200", false, false),
            ("168.63.129.16", false, false),
            ("::ffff:168.63.129.16", false, false),
            ("192.0.0.192", false, false),
            ("fd00:ec2::254", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("ff02::1", false, false),
            ("0.0.0.0", false, false),
            ("::", false, false),
        ];
        for (address, public, internal) in rows {
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(Reach::Public.refusal(ip).is_none(), public, "{address}");
            assert_eq!(Reach::Internal.refusal(ip).is_none(), internal, "{address}");
            assert_eq!(Reach::Loopback.refusal(ip).is_none(), ip.is_loopback(), "{address}");
        }
    }

    #[test]
    fn a_mixed_answer_keeps_what_may_be_reached() {
        let all = |texts: &[&str]| texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
        let mixed: Vec<SocketAddr> = all(&["127.0.0.1", "45.83.12.7", "::ffff:169.254.169.254"]);
        assert_eq!(allowed(Reach::Public, mixed), Ok(all(&["45.83.12.7"])));
        assert_eq!(allowed(Reach::Public, all(&["10.0.0.1"])), Err(Refused("a private address")));
        assert_eq!(allowed(Reach::Public, Vec::new()), Err(Refused("nothing")));
    }
}
