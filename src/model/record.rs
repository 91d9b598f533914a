//! A record: one Kafka message with everything that has to leave again unchanged.

use std::sync::Arc;

/// Where a record came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Topic name, shared by all records of a partition.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
}

/// One Kafka message. Owned: it outlives the client library's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it came from.
    pub origin: Origin,
    /// Payload, key and headers.
    pub body: Body,
    /// Creation time in milliseconds since the epoch; `None` where the broker gives none.
    pub timestamp: Option<i64>,
    /// Identifies the assignment of the partition under which the record was read; a record of an earlier
    /// assignment must not touch the offsets of a later one.
    pub epoch: u32,
}

/// Payload, key and headers of a record, in one allocation: it is made by one thread and freed by another, once for each event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Payload, key, and the headers one after another: lengths of name and value, name, value.
    bytes: Vec<u8>,
    payload: Option<usize>,
    key: Option<usize>,
}

/// The length of a header's value that is null.
const NULL: u32 = u32::MAX;
/// Bytes before a header's name.
const LENGTHS: usize = 8;

impl Body {
    /// Body without headers yet, with room for so many bytes of them.
    pub fn new(payload: Option<&[u8]>, key: Option<&[u8]>, room: usize) -> Self {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let mut bytes = Vec::with_capacity(length(payload) + length(key) + room);
        bytes.extend_from_slice(payload.unwrap_or_default());
        bytes.extend_from_slice(key.unwrap_or_default());
        Self { bytes, payload: payload.map(<[u8]>::len), key: key.map(<[u8]>::len) }
    }

    /// Bytes of room for a header whose name and value have so many together.
    pub const fn room(bytes: usize) -> usize {
        LENGTHS + bytes
    }

    /// Adds a header behind those that are there. Names may repeat and values may be null; what is longer than Kafka can carry is left out.
    pub fn add_header(&mut self, name: &str, value: Option<&[u8]>) {
        let length = value.map_or(Ok(NULL), |value| u32::try_from(value.len()));
        let (Ok(name_length), Ok(length)) = (u32::try_from(name.len()), length) else { return };
        self.bytes.extend_from_slice(&name_length.to_le_bytes());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    /// As written by [`Body::add_header`].
    fn headers(&self) -> Headers<'_> {
        let start = self.payload.unwrap_or(0) + self.key.unwrap_or(0);
        Headers(self.bytes.get(start..).unwrap_or_default())
    }
}

/// A payload alone.
impl From<Vec<u8>> for Body {
    fn from(payload: Vec<u8>) -> Self {
        Self { payload: Some(payload.len()), bytes: payload, key: None }
    }
}

/// The headers of a record, in their order.
#[derive(Clone, Debug)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Iterator for Headers<'a> {
    /// Name and value; `None` is Kafka's null.
    type Item = (&'a str, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (lengths, rest) = self.0.split_first_chunk::<LENGTHS>()?;
        let [name, value] =
            [0, 4].map(|at| lengths.get(at..at + 4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)));
        let (name, value) = (name?, value?);
        let (name, rest) = rest.split_at_checked(name as usize)?;
        let (value, rest) = match value {
            NULL => (None, rest),
            length => rest.split_at_checked(length as usize).map(|(value, rest)| (Some(value), rest))?,
        };
        self.0 = rest;
        // It was text when it was written.
        Some((std::str::from_utf8(name).unwrap_or_default(), value))
    }
}

impl Record {
    /// Payload; `None` is a tombstone.
    pub fn payload(&self) -> Option<&[u8]> {
        self.body.bytes.get(..self.body.payload?)
    }

    /// Key bytes; `None` where the record has no key.
    pub fn key(&self) -> Option<&[u8]> {
        let start = self.body.payload.unwrap_or(0);
        self.body.bytes.get(start..start + self.body.key?)
    }

    /// Headers in their order.
    pub fn headers(&self) -> Headers<'_> {
        self.body.headers()
    }

    /// Bytes that this record keeps alive, roughly; the unit of every memory bound.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 160;
        FIXED + self.body.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_they_were() {
        let origin = Origin { topic: "t".into(), partition: 0, offset: 0 };
        for payload in [None, Some(&b""[..]), Some(b"payload")] {
            for key in [None, Some(&b""[..]), Some(b"key")] {
                for headers in [&[][..], &[("n", Some(&b"v"[..])), ("n", None), ("", Some(b""))]] {
                    let mut body = Body::new(payload, key, 0);
                    headers.iter().for_each(|(name, value)| body.add_header(name, *value));
                    let record = Record { origin: origin.clone(), body, timestamp: None, epoch: 0 };
                    assert_eq!((record.payload(), record.key()), (payload, key));
                    assert_eq!(record.headers().collect::<Vec<_>>(), headers);
                    assert!(record.weight() >= record.body.bytes.len());
                }
            }
        }
    }
}
