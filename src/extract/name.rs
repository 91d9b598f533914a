//! Host names: syntax, canonical form, and where their suffix stands.

/// What is known of a name's suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suffix {
    /// A name under a public suffix; `labels` is the number of labels of that suffix.
    Public {
        /// Labels of the public suffix.
        labels: usize,
    },
    /// The name is itself a suffix of a registry: `co.uk`.
    Itself,
    /// A suffix that resolves only inside, by standard or by custom.
    Internal,
    /// No such suffix is known.
    Unknown,
    /// There is no dot in it.
    SingleLabel,
}

/// Suffixes of RFC 6761, RFC 6762, RFC 8375, `.internal`, and those that organisations commonly use inside.
const INTERNAL: [&str; 15] = [
    "example",
    "local",
    "internal",
    "corp",
    "lan",
    "home",
    "home.arpa",
    "localdomain",
    "localhost",
    "intranet",
    "private",
    "test",
    "invalid",
    "in-addr.arpa",
    "ip6.arpa",
];

/// Whether `name` is one of the internal suffixes or under one.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL.into_iter().any(|suffix| is_under(name, suffix))
}

/// Whether `name` is `suffix` or ends in it at a label.
pub(crate) fn is_under(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Where the suffix of a canonical name stands.
pub(crate) fn suffix(name: &str) -> Suffix {
    if !name.contains('.') {
        return Suffix::SingleLabel;
    }
    if is_internal(name) {
        return Suffix::Internal;
    }
    match psl::suffix(name.as_bytes()) {
        Some(suffix) if suffix.is_known() => {
            let bytes = suffix.as_bytes();
            // The host of a private suffix (`github.io`) is a site of its own; a registry's is not.
            if bytes.len() == name.len() && suffix.typ() != Some(psl::Type::Private) {
                return Suffix::Itself;
            }
            Suffix::Public { labels: bytes.iter().filter(|&&byte| byte == b'.').count() + 1 }
        }
        _ => Suffix::Unknown,
    }
}

/// Whether a canonical label is a top-level domain.
pub(super) fn is_top_level(label: &str) -> bool {
    psl::suffix(label.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

/// What has been asked lately about last labels: texts are full of file names, whose extensions are few.
#[derive(Debug)]
pub(super) struct Suffixes {
    /// Labels of up to eight bytes in lower case, and whether they are top-level domains or internal suffixes; zero for none.
    slots: [(u64, bool); 256],
}

impl Default for Suffixes {
    fn default() -> Self {
        Self { slots: [(0, false); 256] }
    }
}

impl Suffixes {
    /// Whether a name may end in this label; true when it takes more than a look to say.
    pub(super) fn may_be(&mut self, label: &[u8]) -> bool {
        if label.len() > 8 || !label.is_ascii() {
            return label.len() <= 63;
        }
        // No suffix begins with a digit; times and numbers do.
        if label.len() < 2 || label[0].is_ascii_digit() {
            return false;
        }
        let packed = label.iter().fold(0, |packed, byte| packed << 8 | u64::from(byte.to_ascii_lowercase()));
        let slot = packed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let slot = &mut self.slots[slot as usize];
        if slot.0 != packed {
            let lower = packed.to_be_bytes();
            let label = &lower[lower.len() - label.len()..];
            let inside = INTERNAL.into_iter().any(|name| name.as_bytes() == label);
            *slot = (packed, inside || psl::suffix(label).is_some_and(|suffix| suffix.is_known()));
        }
        slot.1
    }
}

/// Appends the canonical form of a name to `out`: lower case, A-labels, no trailing dot. False, and nothing appended, when it
/// is no host name. Underscores are allowed but for the last label, as service records have them.
pub(super) fn canonical(raw: &str, out: &mut String) -> bool {
    let raw = raw.strip_suffix('.').unwrap_or(raw);
    let start = out.len();
    if raw.is_ascii() {
        if raw.len() > 253 {
            return false;
        }
        out.push_str(raw);
        out[start..].make_ascii_lowercase();
    } else {
        // The conversion grows with the text; no name is longer.
        if raw.len() > 1024 {
            return false;
        }
        match idna::domain_to_ascii(raw) {
            Ok(name) => out.push_str(name.strip_suffix('.').unwrap_or(&name)),
            Err(_) => return false,
        }
    }
    let valid = is_valid(&out[start..]);
    if !valid {
        out.truncate(start);
    }
    valid
}

fn is_valid(name: &str) -> bool {
    if name.is_empty() || name.len() > 253 {
        return false;
    }
    // Of the label at hand: where it starts, and what it holds.
    let (mut start, mut letter, mut underscore) = (0, false, false);
    let mut previous = b'.';
    for (at, &byte) in name.as_bytes().iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => letter = true,
            b'0'..=b'9' => {}
            b'_' => underscore = true,
            b'-' if previous != b'.' => {}
            b'.' if !matches!(previous, b'.' | b'-') && at - start <= 63 => {
                (start, letter, underscore) = (at + 1, false, false);
            }
            _ => return false,
        }
        previous = byte;
    }
    // A last label of digits is an address of some kind.
    !matches!(previous, b'.' | b'-') && name.len() - start <= 63 && letter && !underscore
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        let rows = [
            ("case", "WWW.Example.COM", Some("www.example.com")),
            ("trailing dot", "example.com.", Some("example.com")),
            ("service record", "_ldap._tcp.example.com", Some("_ldap._tcp.example.com")),
            ("umlaut", "bücher.example", Some("xn--bcher-kva.example")),
            ("punycode", "XN--BCHER-KVA.example", Some("xn--bcher-kva.example")),
            ("hyphen first", "-a.example", None),
            ("hyphen last", "a-.example", None),
            ("empty label", "a..example", None),
            ("digits last", "a.12", None),
            ("underscore last", "a.b_c", None),
            ("empty", "", None),
            ("label too long", &format!("{}.com", "a".repeat(64)), None),
            ("too long", &format!("{}com", "a.".repeat(126)), None),
        ];
        for (name, raw, expected) in rows {
            let mut out = String::from("x");
            let valid = canonical(raw, &mut out);
            assert_eq!(valid.then_some(&out[1..]), expected, "{name}");
            assert!(out.starts_with('x') && (valid || out.len() == 1), "{name}");
        }
    }

    #[test]
    fn suffixes_are_told_apart() {
        let rows = [
            ("example.com", Suffix::Public { labels: 1 }),
            ("example.co.uk", Suffix::Public { labels: 2 }),
            ("evil.web.app", Suffix::Public { labels: 2 }),
            ("github.io", Suffix::Public { labels: 2 }),
            ("co.uk", Suffix::Itself),
            ("dc1.corp", Suffix::Internal),
            ("4.3.2.1.in-addr.arpa", Suffix::Internal),
            ("foo.notatld", Suffix::Unknown),
            ("evil.example", Suffix::Internal),
            ("xn--bcher-kva.xn--p1ai", Suffix::Public { labels: 1 }),
            ("localhost", Suffix::SingleLabel),
        ];
        for (name, expected) in rows {
            assert_eq!(suffix(name), expected, "{name}");
        }
    }
}
