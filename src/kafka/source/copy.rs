//! Copies a record out of the client library's buffer: one allocation for payload, key and header values.
//!
//! The library's own copy would take one for each, and holding on to its buffers pins whole fetches.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers as _},
};

use crate::model::{Header, Origin, Record};

/// The record, and how many headers had to be left out.
pub(super) fn copy(message: &BorrowedMessage<'_>, topic: &Arc<str>, epoch: u32) -> (Record, u64) {
    let (payload, key) = (message.payload(), message.key());
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let mut buffer = Vec::with_capacity(length(payload) + length(key));
    let mut take = |bytes: Option<&[u8]>| -> Option<Range<usize>> {
        let start = buffer.len();
        buffer.extend_from_slice(bytes?);
        Some(start..buffer.len())
    };
    let (payload, key) = (take(payload), take(key));
    let mut unreadable = 0;
    let mut headers: Vec<(Box<str>, Option<Range<usize>>)> = Vec::new();
    if let Some(found) = message.headers() {
        headers.reserve_exact(found.count());
        for index in 0..found.count() {
            // The library's binding panics on a name that is not UTF-8, and offers no other way to read it.
            match catch_unwind(AssertUnwindSafe(|| found.try_get(index))) {
                Ok(Some(header)) => headers.push((header.key.into(), take(header.value))),
                Ok(None) => {}
                Err(_) => unreadable += 1,
            }
        }
    }
    let bytes = Bytes::from(buffer);
    let slice = |range: Option<Range<usize>>| range.map(|range| bytes.slice(range));
    let record = Record {
        origin: Origin { topic: Arc::clone(topic), partition: message.partition(), offset: message.offset() },
        key: slice(key),
        payload: slice(payload),
        headers: headers.into_iter().map(|(name, value)| Header { name, value: slice(value) }).collect(),
        timestamp: message.timestamp().to_millis(),
        epoch,
    };
    (record, unreadable)
}
