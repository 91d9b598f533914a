//! Copies a record out of the client library's buffer, into one allocation: holding on to its buffers pins whole fetches.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers as _},
};

use crate::model::{Body, Origin, Record};

/// Room for the name and the value of a header, bytes; longer ones only cost a second allocation.
const HEADER: usize = 56;

/// The record, and how many headers had to be left out.
pub(super) fn copy(message: &BorrowedMessage<'_>, topic: &Arc<str>, epoch: u32) -> (Record, u64) {
    let headers = message.headers();
    let count = headers.map_or(0, |headers| headers.count());
    let mut body = Body::new(message.payload(), message.key(), count * Body::room(HEADER));
    let mut unreadable = 0;
    for index in 0..count {
        // The library's binding panics on a name that is not UTF-8, and offers no other way to read it.
        match catch_unwind(AssertUnwindSafe(|| headers.and_then(|headers| headers.try_get(index)))) {
            Ok(Some(header)) => body.add_header(header.key, header.value),
            Ok(None) => {}
            Err(_) => unreadable += 1,
        }
    }
    let record = Record {
        origin: Origin { topic: Arc::clone(topic), partition: message.partition(), offset: message.offset() },
        body,
        timestamp: message.timestamp().to_millis(),
        epoch,
    };
    (record, unreadable)
}
