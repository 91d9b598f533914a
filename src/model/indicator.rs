//! Indicators: typed, canonical IOC values, and the role in which an event shows them.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    sync::{Arc, LazyLock},
};

/// The kind of an indicator. The text form is the `ioc_type` of annotations and the `type` of `sidelight extract`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum IndicatorKind {
    /// IPv4 address, dotted decimal.
    Ipv4,
    /// IPv6 address, RFC 5952 text.
    Ipv6,
    /// Domain or host name under a public suffix, lower case, A-label (punycode) form.
    Domain,
    /// URL with a scheme and a host.
    Url,
    /// E-mail address.
    Email,
    /// MD5, 32 lower-case hex digits.
    Md5,
    /// SHA-1, 40 lower-case hex digits.
    Sha1,
    /// SHA-256, 64 lower-case hex digits.
    Sha256,
    /// SHA-512, 128 lower-case hex digits.
    Sha512,
    /// CVE identifier, upper case.
    Cve,
}

impl IndicatorKind {
    /// Every kind, in the order of their discriminants.
    pub const ALL: [Self; 10] = [
        Self::Ipv4,
        Self::Ipv6,
        Self::Domain,
        Self::Url,
        Self::Email,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Cve,
    ];

    /// The name used in configuration, annotations and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Domain => "domain",
            Self::Url => "url",
            Self::Email => "email",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Cve => "cve",
        }
    }

    /// The kind of that name, exactly as [`IndicatorKind::as_str`] writes it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Position in [`IndicatorKind::ALL`]; for tables indexed by kind.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether this is an IP address of either version.
    pub const fn is_ip(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6)
    }

    /// Whether this is a file hash.
    pub const fn is_file_hash(self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1 | Self::Sha256 | Self::Sha512)
    }
}

impl fmt::Display for IndicatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An owned indicator: kind and canonical value. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Indicator {
    /// What it is.
    pub kind: IndicatorKind,
    /// The canonical value.
    pub value: Arc<str>,
}

impl Indicator {
    /// Makes an indicator of a value that is already canonical.
    pub fn new(kind: IndicatorKind, value: impl Into<Arc<str>>) -> Self {
        Self { kind, value: value.into() }
    }

    /// The borrowed form, which hashes and compares alike.
    pub fn borrowed(&self) -> IndicatorRef<'_> {
        IndicatorRef { kind: self.kind, value: &self.value }
    }
}

impl Hash for Indicator {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl fmt::Debug for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value.escape_debug())
    }
}

/// A borrowed indicator, for look-ups without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IndicatorRef<'a> {
    /// What it is.
    pub kind: IndicatorKind,
    /// The canonical value.
    pub value: &'a str,
}

impl equivalent::Equivalent<Indicator> for IndicatorRef<'_> {
    fn equivalent(&self, key: &Indicator) -> bool {
        *self == key.borrowed()
    }
}

impl IndicatorRef<'_> {
    /// An owned copy.
    pub fn to_owned(self) -> Indicator {
        Indicator::new(self.kind, self.value)
    }

    /// A hash for tables of this process. Seeded at the start, so that nobody can choose values that collide.
    pub fn fingerprint(self) -> u64 {
        fingerprint(self.kind.index() as u8, self.value)
    }
}

/// The fingerprint of a value of the kind with this index among all kinds.
pub(crate) fn fingerprint(kind: u8, value: &str) -> u64 {
    static STATE: LazyLock<foldhash::fast::RandomState> = LazyLock::new(Default::default);
    STATE.hash_one((kind, value))
}

/// What an indicator is in its event; it follows from the field in which it was found.
///
/// The order is that of interest: of several fields that show one indicator, the smallest role is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// The far end of a connection.
    Destination,
    /// The near end of a connection, or a client.
    Source,
    /// The name asked for in a DNS query.
    Query,
    /// A DNS answer.
    Answer,
    /// The server name of a TLS hello.
    Sni,
    /// A URL or the domain of one.
    Url,
    /// A file hash.
    File,
    /// The hash of a process image.
    Process,
    /// The hash of a loaded module or driver.
    Module,
    /// Certificate fingerprint or name.
    Cert,
    /// Sender of a mail.
    Sender,
    /// Recipient of a mail.
    Recipient,
    /// HTTP referrer.
    Referrer,
    /// An address in a forwarding chain.
    Forwarded,
    /// An own asset: host, device.
    Asset,
    /// The sensor or log source.
    Observer,
    /// Any other typed field, and free text.
    Freetext,
}

impl Role {
    /// Every role, in the order of interest.
    pub const ALL: [Self; 17] = [
        Self::Destination,
        Self::Source,
        Self::Query,
        Self::Answer,
        Self::Sni,
        Self::Url,
        Self::File,
        Self::Process,
        Self::Module,
        Self::Cert,
        Self::Sender,
        Self::Recipient,
        Self::Referrer,
        Self::Forwarded,
        Self::Asset,
        Self::Observer,
        Self::Freetext,
    ];

    /// The name used in annotations and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Source => "source",
            Self::Query => "query",
            Self::Answer => "answer",
            Self::Sni => "sni",
            Self::Url => "url",
            Self::File => "file",
            Self::Process => "process",
            Self::Module => "module",
            Self::Cert => "cert",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Referrer => "referrer",
            Self::Forwarded => "forwarded",
            Self::Asset => "asset",
            Self::Observer => "observer",
            Self::Freetext => "freetext",
        }
    }
}
