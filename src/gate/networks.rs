//! Special-purpose networks, from the IANA registries for IPv4 and IPv6 (RFC 6890 and its successors).
//!
//! The most specific entry comes first. An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4) is judged by that one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::gate::Suppression::{self, Documentation, LinkLocal, Loopback, Multicast, PrivateAddress, ReservedAddress};

/// Network, length of its prefix, reason.
const V4: [(Ipv4Addr, u32, Suppression); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, ReservedAddress),
    (Ipv4Addr::new(10, 0, 0, 0), 8, PrivateAddress),
    (Ipv4Addr::new(100, 64, 0, 0), 10, PrivateAddress),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, PrivateAddress),
    (Ipv4Addr::new(192, 0, 0, 9), 32, ReservedAddress),
    (Ipv4Addr::new(192, 0, 0, 0), 24, ReservedAddress),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Documentation),
    (Ipv4Addr::new(192, 31, 196, 0), 24, ReservedAddress),
    (Ipv4Addr::new(192, 52, 193, 0), 24, ReservedAddress),
    (Ipv4Addr::new(192, 88, 99, 0), 24, ReservedAddress),
    (Ipv4Addr::new(192, 168, 0, 0), 16, PrivateAddress),
    (Ipv4Addr::new(192, 175, 48, 0), 24, ReservedAddress),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Documentation),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Documentation),
    (Ipv4Addr::new(255, 255, 255, 255), 32, Multicast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, ReservedAddress),
];

const V6: [(Ipv6Addr, u32, Suppression); 13] = [
    (Ipv6Addr::LOCALHOST, 128, Loopback),
    (Ipv6Addr::UNSPECIFIED, 128, ReservedAddress),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, LinkLocal),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, PrivateAddress),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Multicast),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Documentation),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Documentation),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, Documentation),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, PrivateAddress),
    // Site-local, deprecated but still private where it is in use.
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, PrivateAddress),
    // Protocol assignments: Teredo, ORCHID and others; nothing in it is a host of anybody.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, ReservedAddress),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48, ReservedAddress),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, ReservedAddress),
];

/// Why an address is not looked up, own networks aside: it is no host of the public Internet.
pub fn special(address: IpAddr) -> Option<Suppression> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Suppression> {
    if address.octets()[0] & 0xf0 == 0xe0 {
        return Some(Multicast);
    }
    let bits = address.to_bits();
    V4.iter()
        .find(|(network, length, _)| (bits ^ network.to_bits()) >> (32 - length) == 0)
        .map(|&(_, _, reason)| reason)
}

fn special_v6(address: Ipv6Addr) -> Option<Suppression> {
    if let Some(inner) = embedded(address) {
        return special_v4(inner);
    }
    let bits = address.to_bits();
    let listed = V6
        .iter()
        .find(|(network, length, _)| (bits ^ network.to_bits()) >> (128 - length) == 0)
        .map(|&(_, _, reason)| reason);
    // Only 2000::/3 has been given out.
    listed.or_else(|| (address.segments()[0] & 0xe000 != 0x2000).then_some(ReservedAddress))
}

/// The IPv4 address that an IPv6 address carries: mapped, NAT64 (RFC 6052), 6to4.
pub fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let inner = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => inner(g, h),
        [0x2002, high, low, ..] => inner(high, low),
        _ => None,
    }
}
