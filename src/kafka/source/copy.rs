//! Copies a record out of the client library's buffer: one allocation for the payload and one for the key, or one for both and the header values.
//!
//! The library's own copy would take one for each, and holding on to its buffers pins whole fetches. Names of headers are few: records share them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers as _},
};

use crate::model::{Header, Origin, Record};

/// Names that are kept, at most, and how long one may be, bytes: a stream whose every record has names of its own must not fill the memory.
const NAMES: usize = 64;
const LONGEST_NAME: usize = 64;

/// Copies records.
#[derive(Debug, Default)]
pub(super) struct Copier {
    names: Vec<Arc<str>>,
}

impl Copier {
    /// The record, and how many headers had to be left out.
    pub(super) fn copy(&mut self, message: &BorrowedMessage<'_>, topic: &Arc<str>, epoch: u32) -> (Record, u64) {
        let mut unreadable = 0;
        let mut found: Vec<(Arc<str>, Option<&[u8]>)> = Vec::new();
        if let Some(headers) = message.headers() {
            found.reserve_exact(headers.count());
            for index in 0..headers.count() {
                // The library's binding panics on a name that is not UTF-8, and offers no other way to read it.
                match catch_unwind(AssertUnwindSafe(|| headers.try_get(index))) {
                    Ok(Some(header)) => found.push((self.name(header.key), header.value)),
                    Ok(None) => {}
                    Err(_) => unreadable += 1,
                }
            }
        }
        let (payload, key) = (message.payload(), message.key());
        let (payload, key, headers) = Self::parts(payload, key, found);
        let record = Record {
            payload,
            key,
            headers,
            origin: Origin { topic: Arc::clone(topic), partition: message.partition(), offset: message.offset() },
            timestamp: message.timestamp().to_millis(),
            epoch,
        };
        (record, unreadable)
    }

    fn parts(
        payload: Option<&[u8]>,
        key: Option<&[u8]>,
        found: Vec<(Arc<str>, Option<&[u8]>)>,
    ) -> (Option<Bytes>, Option<Bytes>, Vec<Header>) {
        if found.is_empty() {
            // Parts of one buffer would be counted, in an allocation of its own.
            return (payload.map(Bytes::copy_from_slice), key.map(Bytes::copy_from_slice), Vec::new());
        }
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let values: usize = found.iter().map(|(_, value)| length(*value)).sum();
        let mut buffer = Vec::with_capacity(length(payload) + length(key) + values);
        for part in [payload, key].into_iter().chain(found.iter().map(|(_, value)| *value)) {
            buffer.extend_from_slice(part.unwrap_or_default());
        }
        let bytes = Bytes::from(buffer);
        let mut done = 0;
        // In the order in which they were written.
        let mut next = |part: Option<&[u8]>| {
            let start = done;
            done += part?.len();
            Some(bytes.slice(start..done))
        };
        let (payload, key) = (next(payload), next(key));
        let headers = found.into_iter().map(|(name, value)| Header { name, value: next(value) }).collect();
        (payload, key, headers)
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.iter().find(|known| ***known == *name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        if self.names.len() < NAMES && name.len() <= LONGEST_NAME {
            self.names.push(Arc::clone(&new));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_they_were() {
        let name: Arc<str> = "n".into();
        for payload in [None, Some(&b""[..]), Some(b"payload")] {
            for key in [None, Some(&b""[..]), Some(b"key")] {
                let (bare, bare_key, none) = Copier::parts(payload, key, Vec::new());
                assert_eq!((bare.as_deref(), bare_key.as_deref(), none.len()), (payload, key, 0));
                let found = vec![(Arc::clone(&name), Some(&b"v"[..])), (Arc::clone(&name), None)];
                let (with, with_key, headers) = Copier::parts(payload, key, found);
                assert_eq!((with.as_deref(), with_key.as_deref()), (payload, key));
                let values: Vec<_> = headers.iter().map(|header| header.value.as_deref()).collect();
                assert_eq!(values, [Some(&b"v"[..]), None]);
            }
        }
    }

    #[test]
    fn names_are_shared_and_bounded() {
        let mut copier = Copier::default();
        let first = copier.name("trace");
        assert!(Arc::ptr_eq(&first, &copier.name("trace")));
        for n in 0..1_000 {
            assert_eq!(&*copier.name(&n.to_string()), n.to_string());
        }
        assert_eq!(copier.names.len(), NAMES);
        let mut fresh = Copier::default();
        fresh.name(&"x".repeat(LONGEST_NAME + 1));
        assert!(fresh.names.is_empty(), "long ones are not kept");
        assert!(Arc::ptr_eq(&first, &copier.name("trace")));
    }
}
