//! Records of the log of assessments: what the fleet knows of an indicator.
//!
//! Key: `1:KIND:VALUE`, the number being the schema, so that versions of the product that do not understand each other do not overwrite each other either.
//! Value: a [frame](crate::state::frame) around JSON with one object for each provider that answered. Only verdicts are shared: a failure, a pause or a
//! used-up quota is the matter of the replica that met it. Scores are not shared but computed, so that replicas with other weights stay right.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    model::{Evidence, Fact, Indicator, IndicatorKind, ProviderId, Verdict, VerdictKind},
    state::{
        frame::{self, Unreadable},
        names::fact_name,
    },
};

/// Version of key and value.
const VERSION: u32 = 1;
const PREFIX: &str = "1:";

/// The key of an indicator.
pub fn key(indicator: &Indicator) -> Vec<u8> {
    format!("{PREFIX}{}:{}", indicator.kind, indicator.value).into_bytes()
}

/// The indicator that a key names.
///
/// # Errors
/// [`Unreadable`]: of another schema, or not ours.
pub fn indicator(key: &[u8]) -> Result<Indicator, Unreadable> {
    let text = std::str::from_utf8(key).map_err(|_| Unreadable::Corrupt)?;
    let Some(rest) = text.strip_prefix(PREFIX) else {
        let number = text.split(':').next().unwrap_or_default();
        let version = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        return Err(if version { Unreadable::Version } else { Unreadable::Corrupt });
    };
    let (kind, value) = rest.split_once(':').ok_or(Unreadable::Corrupt)?;
    // A kind of a later version.
    let kind = IndicatorKind::parse(kind).ok_or(Unreadable::Version)?;
    Ok(Indicator::new(kind, value))
}

/// The value of what these providers answered, under this key.
pub fn encode<'a>(key: &[u8], verdicts: impl IntoIterator<Item = (ProviderId, &'a Verdict)>) -> Vec<u8> {
    let sources: Vec<Shared<'a>> =
        verdicts.into_iter().map(|(provider, verdict)| Shared::of(provider, verdict)).collect();
    // Plain data in a vector: writing it cannot fail.
    frame::encode(VERSION, key, &serde_json::to_vec(&sources).unwrap_or_default())
}

/// What the providers answered that are known here, in the order of the record. Names of others are passed over.
///
/// # Errors
/// [`Unreadable`].
pub fn decode(key: &[u8], value: &[u8], providers: &[ProviderId]) -> Result<Vec<(ProviderId, Verdict)>, Unreadable> {
    let body = frame::decode(VERSION, key, value)?;
    let sources: Vec<Shared<'_>> = serde_json::from_slice(body).map_err(|_| Unreadable::Corrupt)?;
    let known = |source: Shared<'_>| {
        let provider = providers.iter().find(|provider| provider.as_str() == source.provider)?;
        Some((*provider, source.verdict()?))
    };
    Ok(sources.into_iter().filter_map(known).collect())
}

type Text<'a> = std::borrow::Cow<'a, str>;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One provider's answer as it stands in the record.
#[derive(Serialize, Deserialize)]
struct Shared<'a> {
    #[serde(rename = "p", borrow)]
    provider: Text<'a>,
    #[serde(rename = "o", borrow)]
    outcome: Text<'a>,
    #[serde(rename = "at")]
    answered_at: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    share: Option<f64>,
    #[serde(default, skip_serializing_if = "is_default")]
    floor: Option<u8>,
    #[serde(default, skip_serializing_if = "is_default")]
    ceiling: Option<u8>,
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    facts: Vec<(Text<'a>, SharedFact<'a>)>,
    #[serde(default, borrow, skip_serializing_if = "is_default")]
    reference: Option<Text<'a>>,
    #[serde(default, borrow, skip_serializing_if = "is_default")]
    description: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "is_default")]
    first_seen: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    last_seen: Option<i64>,
    #[serde(default, skip_serializing_if = "is_default")]
    sightings: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    scanner_stats: Option<u64>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    max_age: Option<u64>,
}

#[derive(Serialize, Deserialize)]
enum SharedFact<'a> {
    #[serde(rename = "i")]
    Int(i64),
    #[serde(rename = "t", borrow)]
    Text(Text<'a>),
    #[serde(rename = "b")]
    Bool(bool),
    #[serde(rename = "is")]
    Ints(Vec<i64>),
    #[serde(rename = "ts", borrow)]
    Texts(Vec<Text<'a>>),
}

impl<'a> Shared<'a> {
    fn of(provider: ProviderId, verdict: &'a Verdict) -> Self {
        // Named one by one: a new part of the evidence has to be decided on here.
        let Evidence {
            share,
            floor,
            ceiling,
            facts,
            reference,
            description,
            first_seen,
            last_seen,
            sightings,
            scanner_stats,
            max_age,
        } = &verdict.evidence;
        Self {
            provider: provider.as_str().into(),
            outcome: verdict.kind.as_str().into(),
            answered_at: verdict.answered_at,
            share: *share,
            floor: *floor,
            ceiling: *ceiling,
            facts: facts.iter().map(|(name, fact)| ((*name).into(), SharedFact::of(fact))).collect(),
            reference: reference.as_deref().map(Into::into),
            description: description.as_deref().map(Into::into),
            first_seen: *first_seen,
            last_seen: *last_seen,
            sightings: *sightings,
            scanner_stats: *scanner_stats,
            max_age: max_age.and_then(|age| u64::try_from(age.as_millis()).ok()),
        }
    }

    /// `None` for an outcome of a later version.
    fn verdict(self) -> Option<Verdict> {
        let kinds = [VerdictKind::Found, VerdictKind::Clean, VerdictKind::NotFound];
        let kind = kinds.into_iter().find(|kind| kind.as_str() == self.outcome)?;
        let facts = self.facts.into_iter().filter_map(|(name, fact)| Some((fact_name(&name)?, fact.fact())));
        let evidence = Evidence {
            share: self.share.filter(|share| (0.0..=1.0).contains(share)),
            floor: self.floor,
            ceiling: self.ceiling,
            facts: facts.collect(),
            reference: self.reference.map(Into::into),
            description: self.description.map(Into::into),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            sightings: self.sightings,
            scanner_stats: self.scanner_stats,
            max_age: self.max_age.map(Duration::from_millis),
        };
        Some(Verdict { kind, evidence, answered_at: self.answered_at })
    }
}

impl<'a> SharedFact<'a> {
    fn of(fact: &'a Fact) -> Self {
        match fact {
            Fact::Int(value) => Self::Int(*value),
            Fact::Text(text) => Self::Text((&**text).into()),
            Fact::Bool(flag) => Self::Bool(*flag),
            Fact::Ints(values) => Self::Ints(values.clone()),
            Fact::Texts(texts) => Self::Texts(texts.iter().map(|text| (&**text).into()).collect()),
        }
    }

    fn fact(self) -> Fact {
        match self {
            Self::Int(value) => Fact::Int(value),
            Self::Text(text) => Fact::Text(text.into()),
            Self::Bool(flag) => Fact::Bool(flag),
            Self::Ints(values) => Fact::Ints(values),
            Self::Texts(texts) => Fact::Texts(texts.into_iter().map(Into::into).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: [ProviderId; 2] = [ProviderId("virustotal"), ProviderId("abuseipdb")];

    fn verdicts() -> Vec<(ProviderId, Verdict)> {
        let evidence = Evidence {
            share: Some(0.25),
            floor: Some(70),
            ceiling: Some(90),
            facts: vec![
                ("vt_malicious", Fact::Int(41)),
                ("country", Fact::Text("a \"b\" \u{e9}".into())),
                ("is_public", Fact::Bool(true)),
                ("shodan_ports", Fact::Ints(vec![22, 443])),
                ("misp_events", Fact::Texts(vec!["1042".into()])),
            ],
            reference: Some("https://provider.example/x".into()),
            description: Some("seen".into()),
            first_seen: Some(1),
            last_seen: Some(2),
            sightings: Some(3),
            scanner_stats: Some(4),
            max_age: Some(Duration::from_millis(300_500)),
        };
        let empty = Verdict { kind: VerdictKind::NotFound, evidence: Evidence::default(), answered_at: 7 };
        vec![
            (HERE[0], Verdict { kind: VerdictKind::Found, evidence, answered_at: 1_795_000_000_000 }),
            (HERE[1], empty),
        ]
    }

    fn value(key: &[u8]) -> Vec<u8> {
        let verdicts = verdicts();
        encode(key, verdicts.iter().map(|(provider, verdict)| (*provider, verdict)))
    }

    #[test]
    fn what_is_written_is_read() {
        for (kind, text) in [(IndicatorKind::Ipv4, "198.51.100.7"), (IndicatorKind::Url, "https://a.example:8/b:c")] {
            let asked = Indicator::new(kind, text);
            let key = key(&asked);
            assert_eq!(indicator(&key), Ok(asked));
            assert_eq!(decode(&key, &value(&key), &HERE), Ok(verdicts()));
            let one = decode(&key, &value(&key), &HERE[1..]).unwrap();
            assert_eq!(one, verdicts()[1..], "a provider that is not configured here is passed over");
        }
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        let rows: [(&[u8], Unreadable); 6] = [
            (b"2:ipv4:198.51.100.7", Unreadable::Version),
            (b"1:ipv9:198.51.100.7", Unreadable::Version),
            (b"1:ipv4", Unreadable::Corrupt),
            (b"hello", Unreadable::Corrupt),
            (b"", Unreadable::Corrupt),
            (b"\xff", Unreadable::Corrupt),
        ];
        for (key, expected) in rows {
            assert_eq!(indicator(key).unwrap_err(), expected, "{}", String::from_utf8_lossy(key));
        }
        let key = b"1:ipv4:198.51.100.7";
        assert_eq!(decode(b"1:ipv4:198.51.100.8", &value(key), &HERE), Err(Unreadable::Corrupt));
        for body in [&b"{}"[..], b"[{}]", b"[1]", b"", br#"[{"p":"virustotal","o":"found"}]"#] {
            let framed = frame::encode(VERSION, key, body);
            assert_eq!(decode(key, &framed, &HERE), Err(Unreadable::Corrupt), "{}", String::from_utf8_lossy(body));
        }
        let later = frame::encode(
            VERSION,
            key,
            br#"[{"p":"virustotal","o":"perhaps","at":1},{"p":"abuseipdb","o":"clean","at":1,"new":[]}]"#,
        );
        let read = decode(key, &later, &HERE).unwrap();
        assert_eq!(read.len(), 1, "an outcome of a later version is passed over, and so are members");
    }
}
