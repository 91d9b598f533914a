//! The syntax of IP addresses and their canonical text.

use std::{
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr},
};

use crate::model::IndicatorKind;

/// Whether it is four decimal groups of 0 to 255 without leading zeros, and nothing else: its own canonical form.
pub(super) fn is_v4(bytes: &[u8]) -> bool {
    if !matches!(bytes.len(), 7..=15) {
        return false;
    }
    let (mut dots, mut digits, mut value) = (0, 0, 0_u32);
    for &byte in bytes {
        if byte == b'.' {
            if digits == 0 {
                return false;
            }
            (dots, digits, value) = (dots + 1, 0, 0);
        } else {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 || (digits > 0 && value == 0) {
                return false;
            }
            value = value * 10 + u32::from(digit);
            digits += 1;
            if value > 255 {
                return false;
            }
        }
    }
    dots == 3 && digits > 0
}

/// The address that the host of a URL stands for when it is a number, as browsers read it: octal, hexadecimal, fewer groups.
pub(super) fn v4_number(host: &str) -> Option<Ipv4Addr> {
    let mut parts = [0_u64; 4];
    let mut count = 0;
    for part in host.strip_suffix('.').unwrap_or(host).split('.') {
        let (digits, radix) = match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None if part.len() > 1 && part.starts_with('0') => (&part[1..], 8),
            None => (part, 10),
        };
        let empty_hex = radix == 16 && digits.is_empty();
        if digits.len() > 12 || digits.starts_with('+') {
            return None;
        }
        *parts.get_mut(count)? = if empty_hex { 0 } else { u64::from_str_radix(digits, radix).ok()? };
        count += 1;
    }
    let (&last, rest) = parts.get(..count)?.split_last()?;
    let mut value = 0;
    for &part in rest {
        value = value << 8 | u64::from(u8::try_from(part).ok()?);
    }
    let bits = 8 * (4 - rest.len());
    (last < 1 << bits).then(|| Ipv4Addr::from(u32::try_from(value << bits | last).unwrap_or(0)))
}

/// Appends the canonical text of an address; one that maps IPv4 is written as IPv4.
pub(super) fn write_v6(address: Ipv6Addr, out: &mut String) -> IndicatorKind {
    match address.to_ipv4_mapped() {
        Some(inner) => {
            write_v4(inner, out);
            IndicatorKind::Ipv4
        }
        None => {
            // Writing to a string does not fail.
            write!(out, "{address}").unwrap_or_default();
            IndicatorKind::Ipv6
        }
    }
}

/// Appends the canonical text of an address.
pub(super) fn write_v4(address: Ipv4Addr, out: &mut String) {
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            out.push('.');
        }
        out.push_str(itoa::Buffer::new().format(octet));
    }
}

/// An IPv6 address as events write them; `plain` when the field says that it is one, so that look-alikes need not be feared.
pub(super) fn v6(text: &str, plain: bool) -> Option<Ipv6Addr> {
    if text.len() > 45 || text.len() < 2 {
        return None;
    }
    let address: Ipv6Addr = text.parse().ok()?;
    (plain || !is_look_alike(text)).then_some(address)
}

/// Whether a group is one that addresses of hosts begin with: global, unique local, link-local, multicast.
pub(super) fn begins_v6(group: &[u8]) -> bool {
    match *group {
        [b'2' | b'3', _, _, _] => true,
        [f, second, third, _] if f | 0x20 == b'f' => match second | 0x20 {
            b'c' | b'd' | b'f' => true,
            b'e' => matches!(third, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
            _ => false,
        },
        _ => false,
    }
}

/// Times, hardware addresses, certificate serials and names of code that happen to parse.
fn is_look_alike(text: &str) -> bool {
    let mut groups = text.split(':').filter(|group| !group.is_empty());
    let Some(first) = groups.next() else { return true };
    let rest = groups.clone().count();
    let hex = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let short = first.len() <= 2 && groups.all(|group| group.len() <= 2);
    if !text.contains("::") {
        // Eight groups of two are an EUI-64 or part of a serial, whose zeros are written.
        return short && text.split(':').all(|group| group.len() == 2);
    }
    if text.starts_with("::") {
        // `[::2]` takes every second item.
        let step = rest == 0 && first.len() < 3 && text != "::1";
        return !digit || step;
    }
    !digit || (short && !hex) || (first.len() < 3 && rest < 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_groups_are_an_address() {
        let rows = [
            ("198.51.100.7", true),
            ("0.0.0.0", true),
            ("255.255.255.255", true),
            ("256.1.1.1", false),
            ("1.2.3", false),
            ("1.2.3.4.5", false),
            ("01.2.3.4", false),
            ("1.2.3.", false),
            ("1..3.4", false),
            ("1.2.3.x", false),
        ];
        for (text, valid) in rows {
            assert_eq!(is_v4(text.as_bytes()), valid, "{text}");
            assert!(!valid || text.parse::<Ipv4Addr>().unwrap().to_string() == text, "{text}");
        }
    }

    #[test]
    fn hosts_that_are_numbers() {
        let rows = [
            ("0x7f.1", Some("127.0.0.1")),
            ("2130706433", Some("127.0.0.1")),
            ("0300.0250.0.1", Some("192.168.0.1")),
            ("0xC0A80001", Some("192.168.0.1")),
            ("1.2.3.4.", Some("1.2.3.4")),
            ("1.2.3.4.5", None),
            ("256.1.1.1", None),
            ("4294967296", None),
            ("08.1.1.1", None),
            ("host", None),
            ("", None),
        ];
        for (host, expected) in rows {
            assert_eq!(v4_number(host).map(|address| address.to_string()).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn what_addresses_of_hosts_begin_with() {
        for group in ["2001", "2a02", "3fff", "fd00", "FC01", "fe80", "FEBF", "ff02"] {
            assert!(begins_v6(group.as_bytes()), "{group}");
        }
        for group in ["", "db8", "1", "a256", "fe00", "fecc", "20010", "0db8"] {
            assert!(!begins_v6(group.as_bytes()), "{group}");
        }
    }

    #[test]
    fn look_alikes_of_version_six() {
        let rows = [
            ("2001:db8::1", true),
            ("fe80::1", true),
            ("::1", true),
            ("::ffff:192.0.2.1", true),
            ("2001:db8:0:1:1:1:1:1", true),
            ("64:ff9b::c000:201", true),
            ("0:0:0:0:0:0:0:1", true),
            ("12:34:56", false),
            ("00:11:22:33:44:55", false),
            ("aa:bb:cc:dd:ee:ff:00:11", false),
            ("face::fade", false),
            ("a::b1", false),
            ("10::20", false),
            ("00::00:01", false),
            ("::", false),
            ("::2", false),
            ("::10", false),
            ("::102:304", true),
            ("1:2:3:4:5:6:7:8:9", false),
        ];
        for (text, valid) in rows {
            assert_eq!(v6(text, false).is_some(), valid, "{text}");
        }
        assert!(v6("face::fade", true).is_some());
    }
}
