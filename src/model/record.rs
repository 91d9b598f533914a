//! A record: one Kafka message with everything that has to leave again unchanged.

use std::sync::Arc;

use bytes::Bytes;

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

/// A record header. Names may repeat and values may be null; the order is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Header name; records share it where they can.
    pub name: Arc<str>,
    /// Header value; `None` is Kafka's null.
    pub value: Option<Bytes>,
}

/// One Kafka message. Owned: it outlives the client library's buffer. `Clone` is cheap (shared bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it came from.
    pub origin: Origin,
    /// Key bytes; `None` where the record has no key.
    pub key: Option<Bytes>,
    /// Payload; `None` is a tombstone.
    pub payload: Option<Bytes>,
    /// Headers in their order.
    pub headers: Vec<Header>,
    /// Creation time in milliseconds since the epoch; `None` where the broker gives none.
    pub timestamp: Option<i64>,
    /// Identifies the assignment of the partition under which the record was read; a record of an earlier
    /// assignment must not touch the offsets of a later one.
    pub epoch: u32,
}

impl Record {
    /// Bytes that this record keeps alive, roughly; the unit of every memory bound.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 160;
        let headers: usize =
            self.headers.iter().map(|h| 48 + h.name.len() + h.value.as_ref().map_or(0, Bytes::len)).sum();
        FIXED + headers + self.key.as_ref().map_or(0, Bytes::len) + self.payload.as_ref().map_or(0, Bytes::len)
    }
}
