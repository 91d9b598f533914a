//! Records of the log of obligations: which late annotations are owed.
//!
//! Key: `TOPIC/PARTITION/OFFSET` of the event. Value: a [frame](crate::state::frame) around JSON with what a late record needs: how to refer to the event, and its
//! indicators with fields and roles, never the event itself. Written with the output and before the offset, given a tombstone when the late record is
//! written. The partition follows from that of the event, so that the next owner of an input partition finds what goes with it in one place.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use crate::{
    model::{Kind, Role, Tlp},
    state::frame::{self, Unreadable},
};

const VERSION: u32 = 1;

/// The event that an answer is owed to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventName {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl EventName {
    /// The key of its obligation.
    pub fn key(&self) -> Vec<u8> {
        format!("{}/{}/{}", self.topic, self.partition, self.offset).into_bytes()
    }

    /// The event that a key names.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(key).ok()?.rsplitn(3, '/');
        let (offset, partition) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let topic = parts.next().filter(|topic| !topic.is_empty())?.to_owned();
        Some(Self { topic, partition, offset })
    }

    /// Partition of the log that holds its obligation.
    pub fn partition_of(partition: i32, partitions: i32) -> i32 {
        partition.rem_euclid(partitions.max(1))
    }
}

/// An indicator of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighted {
    /// What it is.
    pub kind: Kind,
    /// Canonical value.
    pub value: String,
    /// The most telling role.
    pub role: Role,
    /// Fields that show it.
    pub fields: Vec<String>,
}

/// What is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// Key of the event's record.
    pub key: Option<Vec<u8>>,
    /// Its time, milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// The JSON token of its own id.
    pub id: Option<String>,
    /// Until when the answer is owed, milliseconds since the epoch.
    pub until_ms: i64,
    /// The marking that holds for it: who may be asked.
    pub tlp: Tlp,
    /// Whether indicators were left out.
    pub truncated: bool,
    /// Its indicators.
    pub indicators: Vec<Sighted>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ts: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    until: i64,
    tlp: String,
    #[serde(default)]
    truncated: bool,
    /// Kind, value, role, fields.
    ind: Vec<(String, String, String, Vec<String>)>,
}

/// The value under this key.
pub fn encode(key: &[u8], owed: &Obligation) -> Vec<u8> {
    let indicator = |sighted: &Sighted| {
        let (kind, role) = (sighted.kind.as_str().to_owned(), sighted.role.as_str().to_owned());
        (kind, sighted.value.clone(), role, sighted.fields.clone())
    };
    let wire = Wire {
        key: owed.key.as_ref().map(|key| BASE64.encode(key)),
        ts: owed.timestamp,
        id: owed.id.clone(),
        until: owed.until_ms,
        tlp: owed.tlp.as_str().to_owned(),
        truncated: owed.truncated,
        ind: owed.indicators.iter().map(indicator).collect(),
    };
    // Plain data: writing it cannot fail.
    frame::encode(VERSION, key, &serde_json::to_vec(&wire).unwrap_or_default())
}

/// What a value says.
///
/// # Errors
/// [`Unreadable`].
pub fn decode(key: &[u8], value: &[u8]) -> Result<Obligation, Unreadable> {
    let wire: Wire = serde_json::from_slice(frame::decode(VERSION, key, value)?).map_err(|_| Unreadable::Corrupt)?;
    let indicators = wire.ind.into_iter().map(|(kind, value, role, fields)| {
        let kind = Kind::parse(&kind).ok_or(Unreadable::Version)?;
        let role = Role::ALL.into_iter().find(|known| known.as_str() == role).ok_or(Unreadable::Version)?;
        Ok(Sighted { kind, value, role, fields })
    });
    // The id is written into a late record as it is.
    let token =
        |id: &String| serde_json::from_str::<serde_json::Value>(id).is_ok_and(|v| v.is_string() || v.is_number());
    if wire.id.as_ref().is_some_and(|id| !token(id)) {
        return Err(Unreadable::Corrupt);
    }
    Ok(Obligation {
        key: wire.key.map(|key| BASE64.decode(key)).transpose().map_err(|_| Unreadable::Corrupt)?,
        timestamp: wire.ts,
        id: wire.id,
        until_ms: wire.until,
        // Of a later version: nobody is asked.
        tlp: Tlp::parse(&wire.tlp).unwrap_or(Tlp::Red),
        truncated: wire.truncated,
        indicators: indicators.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_rest_is_told_apart() {
        let owed = Obligation {
            key: Some(vec![0, 255, b'k']),
            timestamp: Some(1_795_000_000_000),
            id: Some("\"evt-\\u00e9\"".to_owned()),
            until_ms: 1_795_000_086_400,
            tlp: Tlp::Amber,
            truncated: true,
            indicators: vec![Sighted {
                kind: Kind::Indicator(crate::model::IndicatorKind::Domain),
                value: "login.example".to_owned(),
                role: Role::Query,
                fields: vec!["dns.question.name".to_owned(), "message".to_owned()],
            }],
        };
        let event = EventName { topic: "siem.events".to_owned(), partition: 3, offset: 42 };
        let key = event.key();
        assert_eq!(EventName::of_key(&key), Some(event));
        let value = encode(&key, &owed);
        assert_eq!(decode(&key, &value), Ok(owed.clone()));
        assert_eq!(decode(b"siem.events/3/43", &value), Err(Unreadable::Corrupt));
        let broken = Obligation { id: Some("\"},\"x\":{".to_owned()), ..owed };
        assert_eq!(decode(&key, &encode(&key, &broken)), Err(Unreadable::Corrupt), "an id that is no token");
        for bad in [&b"x"[..], b"a/b/c", b"/1/2", b"a/1/x", b"\xff/1/2"] {
            assert_eq!(EventName::of_key(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        assert_eq!(EventName::partition_of(7, 3), 1);
    }
}
