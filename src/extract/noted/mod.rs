//! Kinds that are noted and never looked up, all of them off unless `extract.kinds` names them: a pass of its own over the words of a value.
//!
//! Only what its field or its form makes certain counts:
//!
//! - Networks and hardware addresses are known by their form. The address of a network is an indicator beside it, as it is without it.
//! - Bitcoin addresses have the checksum of Base58Check or bech32, Monero addresses one of their own, Ethereum addresses that of EIP-55; one without
//!   capitals has none and is left out.
//! - JA4 and a technique with its part (`T1059.001`) are known by their form; `T1059`, `AS64496` and JA3 by their form in a field that is named for them.
//! - Hashes of ssdeep are known by their field, and by their form where it is long enough.
//! - Paths of files and of the registry and user agents are noted from fields that are made for them, whole.

mod bech32;
mod coins;
mod ssdeep;
mod whole;

use std::ops::Range;

use crate::{
    extract::{address, field::Class, sink::Sink},
    model::{Kind, NotedKind},
};

/// Shorter values hold none.
pub(super) const SHORTEST: usize = 5;

/// Longer words hold none either.
const LONGEST: usize = 160;

/// What the name of a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Nothing,
    Ja3,
    Technique,
    System,
    Ssdeep,
}

impl Named {
    fn of(path: &str) -> Self {
        let mut segments = path.rsplit('.');
        let last = segments.next().unwrap_or_default();
        let parent = segments.next().unwrap_or_default();
        let is = |name: &str, word: &str| name.eq_ignore_ascii_case(word);
        let holds = |name: &str, word: &str| {
            name.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
        };
        let ja3 = |name: &str| ["ja3", "ja3s", "ja3_hash", "ja3s_hash"].into_iter().any(|known| is(name, known));
        if ja3(last) || (ja3(parent) && (is(last, "hash") || is(last, "value"))) {
            Self::Ja3
        } else if holds(last, "technique") || holds(last, "mitre") || (holds(parent, "technique") && is(last, "id")) {
            Self::Technique
        } else if is(last, "asn") || is(last, "as_number") || (is(parent, "as") && is(last, "number")) {
            Self::System
        } else if holds(last, "ssdeep") {
            Self::Ssdeep
        } else {
            Self::Nothing
        }
    }
}

/// Finds what is in one value of the field `name`; `span` gives the bytes of the payload for a part of the text.
pub(super) fn scan(
    text: &str,
    name: &str,
    class: Class,
    sink: &mut Sink<'_>,
    span: impl Fn(Range<usize>) -> Range<usize>,
) {
    let trimmed = text.trim_ascii();
    if let Some(kind) = whole::read(trimmed, name, class, sink.canonical) {
        let start = text.len() - text.trim_ascii_start().len();
        sink.add_all(kind, span(start..start + trimmed.len()));
    }
    let bytes = text.as_bytes();
    let named = Named::of(name);
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        let length = rest.iter().take_while(|&&byte| is_part(byte)).count();
        if let Some((kind, range)) = parts(text, start..start + length).find_map(|range| {
            let word = text.get(range.clone())?;
            Some((read(word, named, class, sink)?, range))
        }) {
            sink.add_all(kind, span(range));
        }
        start += length.max(1);
    }
}

/// What of a word may be something: as it is but for signs of prose, without signs at both ends, and what stands behind its last sign, as in
/// `bitcoin:1…` and `to:0x…`.
fn parts(text: &str, word: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let bytes = &text.as_bytes()[word.clone()];
    let signs = |byte: &&u8| matches!(byte, b'.' | b':' | b'-' | b'_' | b'/' | b'+');
    let stops = bytes.iter().rev().take_while(|byte| matches!(byte, b'.' | b':' | b'-' | b'_')).count();
    let tail = bytes.iter().rev().take_while(signs).count();
    let head = bytes[..bytes.len() - tail].iter().take_while(signs).count();
    let whole = word.start..word.end - stops;
    let bare = word.start + head..word.end - tail;
    let behind =
        text.get(bare.clone()).and_then(|word| word.rfind([':', '/', '+'])).map(|sign| bare.start + sign + 1..bare.end);
    let other = (bare != whole).then(|| bare.clone());
    std::iter::once(whole).chain(other).chain(behind).filter(|range| (SHORTEST..=LONGEST).contains(&range.len()))
}

const fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'_' | b'/' | b'+') || !byte.is_ascii()
}

/// What a word is; writes its canonical form.
fn read(word: &str, named: Named, class: Class, sink: &mut Sink<'_>) -> Option<Kind> {
    let bytes = word.as_bytes();
    let last = bytes.last().copied().unwrap_or(0);
    if bytes.first().is_some_and(u8::is_ascii_digit) && ssdeep::is_one(word, named == Named::Ssdeep) {
        sink.canonical.clear();
        sink.canonical.push_str(word);
        return Some(NotedKind::Ssdeep.into());
    }
    // The cheapest question first: nearly every word is none.
    if !bytes.iter().any(u8::is_ascii_digit) && !(is_mac(bytes)) || !last.is_ascii_alphanumeric() {
        return None;
    }
    sink.canonical.clear();
    let out = &mut *sink.canonical;
    let kind = if is_mac(bytes) {
        out.extend(word.chars().map(|sign| if sign == '-' { ':' } else { sign.to_ascii_lowercase() }));
        NotedKind::Mac
    } else if is_network(word) && !matches!(class, Class::Version | Class::Agent) {
        out.push_str(word);
        NotedKind::Ipv4Cidr
    } else if coins::is_eth(bytes) {
        out.push_str(word);
        NotedKind::Eth
    } else if coins::is_base58(bytes) {
        out.push_str(word);
        NotedKind::Btc
    } else if coins::is_monero(bytes) {
        out.push_str(word);
        NotedKind::Xmr
    } else if bech32::is_bitcoin(bytes) {
        out.push_str(word);
        out.make_ascii_lowercase();
        NotedKind::Btc
    } else if is_ja4(bytes) {
        out.push_str(word);
        out.make_ascii_lowercase();
        NotedKind::Ja4
    } else if is_technique(bytes, named == Named::Technique) {
        out.push_str(word);
        out.make_ascii_uppercase();
        NotedKind::MitreTechnique
    } else if named == Named::Ja3 && bytes.len() == 32 && bytes.iter().all(u8::is_ascii_hexdigit) {
        out.push_str(word);
        out.make_ascii_lowercase();
        NotedKind::Ja3
    } else if named == Named::System
        && let Some(number) = system(word)
    {
        out.push_str("AS");
        out.push_str(itoa::Buffer::new().format(number));
        NotedKind::Asn
    } else {
        return None;
    };
    Some(kind.into())
}

/// Six pairs of hex digits between colons or hyphens.
fn is_mac(bytes: &[u8]) -> bool {
    bytes.len() == 17
        && matches!(bytes[2], b':' | b'-')
        && bytes.iter().enumerate().all(
            |(at, byte)| {
                if at % 3 == 2 { *byte == bytes[2] } else { byte.is_ascii_hexdigit() }
            },
        )
}

/// `198.51.100.0/24`.
fn is_network(word: &str) -> bool {
    let Some((address, length)) = word.split_once('/') else { return false };
    let plain = matches!(length.as_bytes(), [b'0'..=b'9'] | [b'1'..=b'9', b'0'..=b'9']);
    plain && length.parse::<u8>().is_ok_and(|length| length <= 32) && address::is_v4(address.as_bytes())
}

/// `t13d1516h2_8daaf6152771_02713d6af862`.
fn is_ja4(bytes: &[u8]) -> bool {
    let digits = |range: Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
    let hex = |range: Range<usize>| bytes[range].iter().all(u8::is_ascii_hexdigit);
    bytes.len() == 36
        && matches!(bytes[0] | 0x20, b't' | b'q' | b'd')
        && bytes[1..3].iter().all(u8::is_ascii_alphanumeric)
        && matches!(bytes[3] | 0x20, b'd' | b'i')
        && digits(4..8)
        && bytes[8..10].iter().all(u8::is_ascii_alphanumeric)
        && bytes[10] == b'_'
        && hex(11..23)
        && bytes[23] == b'_'
        && hex(24..36)
}

/// `T1059.001`, and `T1059` where the field says so.
fn is_technique(bytes: &[u8], named: bool) -> bool {
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    match bytes {
        [b'T' | b't', number @ ..] if number.len() == 4 => named && digits(number),
        [b'T' | b't', number @ ..] if number.len() == 8 => {
            digits(&number[..4]) && number[4] == b'.' && digits(&number[5..])
        }
        _ => false,
    }
}

/// `AS64496`.
fn system(word: &str) -> Option<u32> {
    let head = word.get(..2)?;
    let number = word.get(2..)?;
    (head.eq_ignore_ascii_case("as") && !number.starts_with(['0', '+'])).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use crate::{
        extract::{Config, Extraction, Extractor},
        model::{Kind, NotedKind},
    };

    fn noted(event: &str) -> Vec<(String, String, String)> {
        let kinds = NotedKind::ALL.map(Kind::Noted).to_vec();
        let extractor = Extractor::new(&Config { kinds, ..Config::default() });
        let mut out = Extraction::default();
        extractor.extract(event.as_bytes(), &mut out);
        out.matches()
            .map(|found| (found.kind.to_string(), found.value.to_owned(), event[found.span].to_owned()))
            .collect()
    }

    #[test]
    fn what_field_or_form_make_certain_is_noted() {
        let rows = [
            (r#"{"host":{"mac":["00-00-5E-00-53-23"]}}"#, Some(("mac", "00:00:5e:00:53:23"))),
            ("lease for 00:00:5E:00:53:af, renewed", Some(("mac", "00:00:5e:00:53:af"))),
            ("serial 00:00:5E:00:53:af:01", None),
            ("time 00:00:5E-00:53:af", None),
            ("route 198.51.100.0/24.", Some(("ipv4_cidr", "198.51.100.0/24"))),
            ("route 198.51.100.0/33", None),
            ("route 198.51.100.0/024 198.51.100/24", None),
            (r#"{"user_agent":{"version":"1.2.3.4/5"}}"#, None),
            ("pay to 1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH now", Some(("btc", "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH"))),
            ("pay to 1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMh now", None),
            ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", Some(("btc", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"))),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", None),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8F3T4", None),
            (
                "to:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                Some(("eth", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")),
            ),
            (
                "to=0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                Some(("eth", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")),
            ),
            ("to=0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", None),
            ("to=0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", None),
            (r#"{"threat":{"technique":{"id":["t1059"]}}}"#, Some(("mitre_technique", "T1059"))),
            ("seen T1059.001 here", Some(("mitre_technique", "T1059.001"))),
            ("seen T1059 here, T1059.01 and XT1059.001", None),
            (
                r#"{"ssl":{"ja3":"E7D705A3286E19EA42F587B344EE6865"}}"#,
                Some(("ja3", "e7d705a3286e19ea42f587b344ee6865")),
            ),
            (
                r#"{"tls":{"client":{"ja3":{"hash":"e7d705a3286e19ea42f587b344ee6865"}}}}"#,
                Some(("ja3", "e7d705a3286e19ea42f587b344ee6865")),
            ),
            (r#"{"hash":"e7d705a3286e19ea42f587b344ee6865"}"#, None),
            ("ja4 t13d1516h2_8daaf6152771_02713d6af862", Some(("ja4", "t13d1516h2_8daaf6152771_02713d6af862"))),
            ("ja4 t13d1516h2_8daaf6152771_02713d6af86", None),
            (r#"{"source":{"as":{"number":"AS64496"}}}"#, Some(("asn", "AS64496"))),
            (r#"{"asn":"as64496"}"#, Some(("asn", "AS64496"))),
            ("an AS400 of IBM", None),
            (
                "donate to 47tSGsiKtta5vUFL6xaa748qV9yd9y9vxKv89n2KN2rQGRW1SgWbhv8jdQPRtiJwyYGUDnajcRh9t7EFc5TQwVZ83Jbpoi2.",
                Some((
                    "xmr",
                    "47tSGsiKtta5vUFL6xaa748qV9yd9y9vxKv89n2KN2rQGRW1SgWbhv8jdQPRtiJwyYGUDnajcRh9t7EFc5TQwVZ83Jbpoi2",
                )),
            ),
            (
                "monero:83xMLj6fp2E8xE1YJVMTRza4rejV5Y2Km66GR62Uwwe57v1NrKE5ffjcadVivDuFqvLpFzJ8yTf5KDX2mJAMcxVVPxygvVr?tx_amount=1",
                Some((
                    "xmr",
                    "83xMLj6fp2E8xE1YJVMTRza4rejV5Y2Km66GR62Uwwe57v1NrKE5ffjcadVivDuFqvLpFzJ8yTf5KDX2mJAMcxVVPxygvVr",
                )),
            ),
            (
                "4K5tVKUYDVJ6ktnccMvAZ913vgm1Fv7QBDoDBYtBmnj2gyDiMEtcmdGPjy1Tr1w1x8STMVpDVkSwqL8iLK1U1NPP3MNRbuRva7VMC6Dsoq",
                Some((
                    "xmr",
                    "4K5tVKUYDVJ6ktnccMvAZ913vgm1Fv7QBDoDBYtBmnj2gyDiMEtcmdGPjy1Tr1w1x8STMVpDVkSwqL8iLK1U1NPP3MNRbuRva7VMC6Dsoq",
                )),
            ),
            ("47tSGsiKtta5vUFL6xaa748qV9yd9y9vxKv89n2KN2rQGRW1SgWbhv8jdQPRtiJwyYGUDnajcRh9t7EFc5TQwVZ83Jbpoi3", None),
            (
                "hash 768:kq9TfZ2sXb+/LmN0pQrStUvWxYzAbCdEfG:hJ1KlM2nO3pQ4rS5tU/",
                Some(("ssdeep", "768:kq9TfZ2sXb+/LmN0pQrStUvWxYzAbCdEfG:hJ1KlM2nO3pQ4rS5tU/")),
            ),
            (r#"{"ssdeep":"3:abc+:dE/"}"#, Some(("ssdeep", "3:abc+:dE/"))),
            ("3:abc+:dE/", None),
            ("dst 220:50010:Got", None),
        ];
        for (event, expected) in rows {
            let found = noted(event);
            let got: Vec<_> = found.iter().map(|(kind, value, _)| (kind.as_str(), value.as_str())).collect();
            assert_eq!(got, expected.into_iter().collect::<Vec<_>>(), "{event}");
            assert!(found.iter().all(|(_, value, raw)| value.len() == raw.len()), "{found:?}");
        }
    }

    #[test]
    fn whole_values_are_noted_from_their_fields() {
        let rows = [
            (r#"{"process":{"executable":" C:\\a b\\c.exe"}}"#, ("file_path", r"C:\a b\c.exe", r"C:\\a b\\c.exe")),
            (
                r#"{"TargetObject":"HKEY_USERS\\.DEFAULT\\Run"}"#,
                ("registry_key", r"HKU\.DEFAULT\Run", r"HKEY_USERS\\.DEFAULT\\Run"),
            ),
            (
                r#"{"message":"{\"user_agent\":{\"original\":\"curl/8.5.0\"}}"}"#,
                ("user_agent", "curl/8.5.0", "curl/8.5.0"),
            ),
            (r#"{"event":{"original":"{\"asn\":\"AS64496\"}"}}"#, ("asn", "AS64496", "AS64496")),
        ];
        for (event, (kind, value, raw)) in rows {
            assert_eq!(noted(event), [(kind.to_owned(), value.to_owned(), raw.to_owned())], "{event}");
        }
    }

    #[test]
    fn nothing_is_noted_unless_its_kind_is_named() {
        let mut out = Extraction::default();
        let event = r#"{"host":{"mac":"00:00:5e:00:53:23"},"asn":"AS64496","message":"T1059.001"}"#;
        Extractor::new(&Config::default()).extract(event.as_bytes(), &mut out);
        assert_eq!(out.len(), 0);
        let config = Config { kinds: vec![NotedKind::Mac.into()], ..Config::default() };
        Extractor::new(&config).extract(event.as_bytes(), &mut out);
        assert_eq!(out.iter().map(|sighted| sighted.kind).collect::<Vec<_>>(), [NotedKind::Mac]);
    }
}
