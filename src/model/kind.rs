//! Everything that an extraction may find: what is looked up, and what an annotation only notes.

use std::fmt;

use crate::model::IndicatorKind;

/// A kind that is noted in annotations and never looked up anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum NotedKind {
    /// An entry of a list of the user's own, as the list writes it.
    Keyword,
    /// IPv4 network, `198.51.100.0/24`, with the bits of the host as written.
    Ipv4Cidr,
    /// Autonomous system, `AS64496`.
    Asn,
    /// Hardware address, six lower-case pairs with colons.
    Mac,
    /// Bitcoin address: Base58Check as written, bech32 in lower case.
    Btc,
    /// Ethereum address, with the capitals of EIP-55.
    Eth,
    /// Technique of MITRE ATT&CK, `T1059.001`.
    MitreTechnique,
    /// JA3 or JA3S fingerprint, 32 lower-case hex digits.
    Ja3,
    /// JA4 fingerprint, lower case.
    Ja4,
    /// Monero address, as written.
    Xmr,
    /// Fuzzy hash of ssdeep, `96:…:…`, as written.
    Ssdeep,
    /// Key or value of the Windows registry: its hive in its short form, `HKLM\…`, the rest as written.
    RegistryKey,
    /// Absolute path of a file or of a directory, as written.
    FilePath,
    /// User agent, as written.
    UserAgent,
}

impl NotedKind {
    /// Every kind, in the order of their discriminants.
    pub const ALL: [Self; 14] = [
        Self::Keyword,
        Self::Ipv4Cidr,
        Self::Asn,
        Self::Mac,
        Self::Btc,
        Self::Eth,
        Self::MitreTechnique,
        Self::Ja3,
        Self::Ja4,
        Self::Xmr,
        Self::Ssdeep,
        Self::RegistryKey,
        Self::FilePath,
        Self::UserAgent,
    ];

    /// The name used in configuration, annotations and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Ipv4Cidr => "ipv4_cidr",
            Self::Asn => "asn",
            Self::Mac => "mac",
            Self::Btc => "btc",
            Self::Eth => "eth",
            Self::MitreTechnique => "mitre_technique",
            Self::Ja3 => "ja3",
            Self::Ja4 => "ja4",
            Self::Xmr => "xmr",
            Self::Ssdeep => "ssdeep",
            Self::RegistryKey => "registry_key",
            Self::FilePath => "file_path",
            Self::UserAgent => "user_agent",
        }
    }
}

/// The kind of anything that is found. The text form is the `ioc_type` of annotations and the `type` of `sidelight extract`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An indicator: providers and lists may know it.
    Indicator(IndicatorKind),
    /// Something that is only noted.
    Noted(NotedKind),
}

const INDICATORS: usize = IndicatorKind::ALL.len();

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = INDICATORS + NotedKind::ALL.len();

    /// Every kind, in the order of [`Kind::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        IndicatorKind::ALL.into_iter().map(Self::Indicator).chain(NotedKind::ALL.into_iter().map(Self::Noted))
    }

    /// The name used in configuration, annotations and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Indicator(kind) => kind.as_str(),
            Self::Noted(kind) => kind.as_str(),
        }
    }

    /// The kind of that name, exactly as [`Kind::as_str`] writes it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.as_str() == name)
    }

    /// A number below [`Kind::COUNT`]; for tables indexed by kind.
    pub const fn index(self) -> usize {
        match self {
            Self::Indicator(kind) => kind.index(),
            Self::Noted(kind) => INDICATORS + kind as usize,
        }
    }

    /// The kind of indicator, where it is one.
    pub const fn indicator(self) -> Option<IndicatorKind> {
        match self {
            Self::Indicator(kind) => Some(kind),
            Self::Noted(_) => None,
        }
    }
}

impl From<IndicatorKind> for Kind {
    fn from(kind: IndicatorKind) -> Self {
        Self::Indicator(kind)
    }
}

impl From<NotedKind> for Kind {
    fn from(kind: NotedKind) -> Self {
        Self::Noted(kind)
    }
}

impl PartialEq<IndicatorKind> for Kind {
    fn eq(&self, other: &IndicatorKind) -> bool {
        *self == Self::Indicator(*other)
    }
}

impl PartialEq<NotedKind> for Kind {
    fn eq(&self, other: &NotedKind) -> bool {
        *self == Self::Noted(*other)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_and_a_number_of_its_own() {
        for (number, kind) in Kind::all().enumerate() {
            assert_eq!(kind.index(), number);
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::all().count(), Kind::COUNT);
        assert_eq!(Kind::parse("Keyword"), None);
    }
}
