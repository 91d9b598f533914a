//! What is written to the ledger.

use crate::budget::{
    Pace, Quota, Span,
    ledger::wire::{DecodeError, Reader, VERSION, Writer},
};

/// Most indicators that one request names.
pub const MAX_CLAIMS: usize = 512;

/// Who wrote a record, and its number among what this writer wrote: names a record, and the lease that a request becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId {
    /// One run of one process; a restart is another.
    pub replica: u64,
    /// From 1 on, growing.
    pub seq: u64,
}

/// The terms of one provider's account. They are part of the log, so that replicas with different files still agree on every answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Its windows.
    pub quota: Quota,
    /// Pace of windows of an hour and longer.
    pub pace: Pace,
    /// Share that is left to urgent work, in millionths, 0..=900,000.
    pub reserve: u32,
}

/// What became of one call of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// It was not made: its units come back and its indicators are free.
    Unspent,
    /// It was made without an answer: its units are spent, its indicators are free.
    Spent,
    /// It was answered: its units are spent, its indicators stay claimed for a while, until the assessment has reached everybody.
    Answered,
}

/// A record of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// From now on these terms hold for a provider.
    Terms {
        /// Name of the provider.
        provider: Box<str>,
        /// Its terms.
        terms: Terms,
    },
    /// A replica wants to ask a provider about these indicators.
    Request {
        /// Name of the provider.
        provider: Box<str>,
        /// Whether the reserve may be used.
        urgent: bool,
        /// Units of one call; a call that costs nothing counts in the windows that slide all the same.
        cost: u32,
        /// Indicators that one call asks about, at least 1.
        batch: u32,
        /// Digests of the indicators, best first; at most [`MAX_CLAIMS`].
        claims: Vec<u64>,
    },
    /// Calls of a lease are over. Written when they have ended, so that all of them have reached the provider by its append time.
    Return {
        /// Name of the provider.
        provider: Box<str>,
        /// The lease: the identity of its request.
        lease: u64,
        /// Number of the call within the lease, and its end.
        calls: Vec<(u32, CallEnd)>,
    },
    /// The provider asked to be left alone for this long, milliseconds.
    Pause {
        /// Name of the provider.
        provider: Box<str>,
        /// Milliseconds from the append time on.
        for_ms: u64,
    },
    /// The provider says that no more than this is left of a window: others may share the key.
    Correct {
        /// Name of the provider.
        provider: Box<str>,
        /// Which window.
        span: Span,
        /// Units left.
        remaining: u64,
    },
    /// The whole state after an offset, see [`Ledger::snapshot`](super::Ledger::snapshot).
    Snapshot(Vec<u8>),
}

const TERMS: u8 = 0;
const REQUEST: u8 = 1;
const RETURN: u8 = 2;
const PAUSE: u8 = 3;
const CORRECT: u8 = 4;
const SNAPSHOT: u8 = 5;

impl Record {
    /// The bytes of a record.
    pub fn encode(&self, id: RecordId) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VERSION);
        let kind = match self {
            Self::Terms { .. } => TERMS,
            Self::Request { .. } => REQUEST,
            Self::Return { .. } => RETURN,
            Self::Pause { .. } => PAUSE,
            Self::Correct { .. } => CORRECT,
            Self::Snapshot(_) => SNAPSHOT,
        };
        out.u8(kind);
        out.u64(id.replica);
        out.u64(id.seq);
        match self {
            Self::Terms { provider, terms } => {
                out.text(provider);
                write_terms(&mut out, terms);
            }
            Self::Request { provider, urgent, cost, batch, claims } => {
                out.text(provider);
                out.u8(u8::from(*urgent));
                out.u32(*cost);
                out.u32(*batch);
                out.numbers(claims);
            }
            Self::Return { provider, lease, calls } => {
                out.text(provider);
                out.u64(*lease);
                out.count(calls.len());
                for (call, end) in calls {
                    out.u32(*call);
                    out.u8(match end {
                        CallEnd::Unspent => 0,
                        CallEnd::Spent => 1,
                        CallEnd::Answered => 2,
                    });
                }
            }
            Self::Pause { provider, for_ms } => {
                out.text(provider);
                out.u64(*for_ms);
            }
            Self::Correct { provider, span, remaining } => {
                out.text(provider);
                out.u8(*span as u8);
                out.u64(*remaining);
            }
            Self::Snapshot(state) => out.bytes(state),
        }
        out.seal()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`DecodeError`]: such a record is left alone by every replica alike.
    pub fn decode(bytes: &[u8]) -> Result<(RecordId, Self), DecodeError> {
        let mut from = Reader::open(bytes)?;
        let kind = from.u8()?;
        let id = RecordId { replica: from.u64()?, seq: from.u64()? };
        let record = match kind {
            TERMS => Self::Terms { provider: name(&mut from)?, terms: read_terms(&mut from)? },
            REQUEST => {
                let (provider, urgent) = (name(&mut from)?, from.flag()?);
                let (cost, batch, claims) = (from.u32()?, from.u32()?, from.numbers()?);
                if batch == 0 || claims.len() > MAX_CLAIMS {
                    return Err(DecodeError::Value);
                }
                Self::Request { provider, urgent, cost, batch, claims }
            }
            RETURN => {
                let (provider, lease) = (name(&mut from)?, from.u64()?);
                let count = from.count(5)?;
                let calls = (0..count).map(|_| Ok((from.u32()?, call_end(from.u8()?)?)));
                Self::Return { provider, lease, calls: calls.collect::<Result<_, DecodeError>>()? }
            }
            PAUSE => Self::Pause { provider: name(&mut from)?, for_ms: from.u64()? },
            CORRECT => Self::Correct { provider: name(&mut from)?, span: span(from.u8()?)?, remaining: from.u64()? },
            SNAPSHOT => Self::Snapshot(from.bytes()?.to_vec()),
            _ => return Err(DecodeError::Value),
        };
        from.end()?;
        Ok((id, record))
    }
}

pub(super) fn write_terms(out: &mut Writer, terms: &Terms) {
    out.text(&terms.quota.to_string());
    out.u8(u8::from(terms.pace == Pace::Even));
    out.u32(terms.reserve);
}

pub(super) fn read_terms(from: &mut Reader<'_>) -> Result<Terms, DecodeError> {
    let quota = from.text()?.parse().map_err(|_| DecodeError::Value)?;
    let pace = if from.flag()? { Pace::Even } else { Pace::Asap };
    let reserve = from.u32()?;
    if reserve > 900_000 {
        return Err(DecodeError::Value);
    }
    Ok(Terms { quota, pace, reserve })
}

fn name(from: &mut Reader<'_>) -> Result<Box<str>, DecodeError> {
    let text = from.text()?;
    if text.is_empty() || text.len() > 64 {
        return Err(DecodeError::Value);
    }
    Ok(text.into())
}

fn call_end(value: u8) -> Result<CallEnd, DecodeError> {
    match value {
        0 => Ok(CallEnd::Unspent),
        1 => Ok(CallEnd::Spent),
        2 => Ok(CallEnd::Answered),
        _ => Err(DecodeError::Value),
    }
}

fn span(value: u8) -> Result<Span, DecodeError> {
    let spans = [Span::Second, Span::Minute, Span::Hour, Span::Day, Span::Month];
    spans.get(usize::from(value)).copied().ok_or(DecodeError::Value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: RecordId = RecordId { replica: 0x1234_5678_9abc_def0, seq: 7 };

    fn samples() -> Vec<Record> {
        let provider: Box<str> = "virustotal".into();
        let terms = Terms { quota: "4/min, 500/day, 15500/month".parse().unwrap(), pace: Pace::Even, reserve: 200_000 };
        vec![
            Record::Terms { provider: provider.clone(), terms },
            Record::Request { provider: provider.clone(), urgent: true, cost: 2, batch: 1, claims: vec![1, u64::MAX] },
            Record::Return {
                provider: provider.clone(),
                lease: 7,
                calls: vec![(0, CallEnd::Unspent), (1, CallEnd::Spent), (2, CallEnd::Answered)],
            },
            Record::Pause { provider: provider.clone(), for_ms: 60_000 },
            Record::Correct { provider, span: Span::Day, remaining: 3 },
            Record::Snapshot(vec![1, 2, 3]),
        ]
    }

    #[test]
    fn records_come_back_as_they_were() {
        for record in samples() {
            assert_eq!(Record::decode(&record.encode(ID)), Ok((ID, record)));
        }
    }

    #[test]
    fn damage_is_noticed() {
        for record in samples() {
            let bytes = record.encode(ID);
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x10;
                assert!(Record::decode(&damaged).is_err(), "{record:?} at {at}");
                assert!(Record::decode(&bytes[..at]).is_err(), "{record:?} cut at {at}");
            }
        }
        assert_eq!(Record::decode(&[9, 0, 0, 0, 0]), Err(DecodeError::Version(9)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), sealed: bool) {
            if sealed && !bytes.is_empty() {
                bytes[0] = VERSION;
                let sum = crc32fast::hash(&bytes);
                bytes.extend_from_slice(&sum.to_le_bytes());
            }
            if let Ok((id, record)) = Record::decode(&bytes) {
                prop_assert_eq!(Record::decode(&record.encode(id)), Ok((id, record)));
            }
        }
    }
}
