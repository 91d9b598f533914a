//! The one call of the client library that is made for every event, without what its binding adds to it.
//!
//! The binding names the topic in each call: the name is copied, and the library looks it up under a lock that every thread of the producer needs,
//! taken for writing. It also copies the name of each header to end it with NUL. Here a topic is a handle, and names are handed over with their lengths.
#![expect(
    unsafe_code,
    reason = "the binding has no way to send to a topic by its handle, and this call is made for every event"
)]

use std::{ffi::CString, fmt, ops::Deref, ptr, sync::OnceLock};

use rdkafka::{
    bindings as library,
    error::RDKafkaErrorCode as Code,
    producer::{Producer as _, ThreadedProducer},
    types::{RDKafkaHeaders, RDKafkaTopic},
};

use super::report::Reports;
use crate::pipeline::{Destination, OutHeader, Outgoing, Token};

/// A producer with the topics that it writes.
pub(in crate::kafka) struct Client {
    /// They are given back before the producer ends.
    topics: [OnceLock<Topic>; 4],
    producer: ThreadedProducer<Reports>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Deref for Client {
    type Target = ThreadedProducer<Reports>;

    fn deref(&self) -> &Self::Target {
        &self.producer
    }
}

/// `RD_KAFKA_PARTITION_UA`: the library chooses by the key.
const ANY_PARTITION: i32 = -1;

/// The time that the library takes for the present.
const NOW: i64 = 0;

/// A time as it is written: a millisecond later is as near to zero as it gets.
pub(super) const fn written(timestamp: i64) -> i64 {
    if timestamp == NOW { 1 } else { timestamp }
}

/// A token travels with its record through the library, which has room for a pointer: there are no targets with less that this is built for.
pub(super) const fn token_of(token: Token) -> usize {
    const { assert!(size_of::<usize>() >= size_of::<u64>()) }
    token.0 as usize
}

/// The library's handle of a topic.
struct Topic(ptr::NonNull<RDKafkaTopic>);

// SAFETY: the library's objects may be used by any thread, by several at once (`rdkafka.h`, "all handles are thread-safe").
unsafe impl Send for Topic {}
// SAFETY: as above.
unsafe impl Sync for Topic {}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the handle came from `rd_kafka_topic_new` and is given back once; its producer is still there (see `Client::topics`).
        unsafe { library::rd_kafka_topic_destroy(self.0.as_ptr()) };
    }
}

impl Client {
    /// A producer that has sent nothing yet.
    pub(in crate::kafka) fn new(producer: ThreadedProducer<Reports>) -> Self {
        Self { topics: Default::default(), producer }
    }

    /// The producer alone.
    pub(in crate::kafka) fn shared(&self) -> ThreadedProducer<Reports> {
        self.producer.clone()
    }

    /// The topic of a destination, which has this name.
    fn topic(&self, destination: Destination, name: &str) -> Result<&Topic, Code> {
        let [output, late, dead, pending] = &self.topics;
        let place = match destination {
            Destination::Output => output,
            Destination::Late => late,
            Destination::DeadLetter => dead,
            Destination::Pending => pending,
        };
        if let Some(topic) = place.get() {
            return Ok(topic);
        }
        let name = CString::new(name).ok().filter(|name| !name.is_empty()).ok_or(Code::InvalidTopic)?;
        // SAFETY: the producer is there; the name ends with NUL and is copied; no settings are given.
        let topic =
            unsafe { library::rd_kafka_topic_new(self.producer.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        // SAFETY: what the call before said, on the same thread.
        let topic = ptr::NonNull::new(topic).ok_or_else(|| Code::from(unsafe { library::rd_kafka_last_error() }))?;
        // Another thread may have been faster: then this one is given back here, each is counted by itself.
        let topic = Topic(topic);
        Ok(place.get_or_init(|| topic))
    }

    /// Sends a record to the topic of this name, which is always the same for its destination. The library copies all that is in it; the token
    /// comes back with its report.
    ///
    /// # Errors
    /// As the library says; then there is no report.
    pub(super) fn produce(&self, name: &str, out: &Outgoing<'_>, token: Token) -> Result<(), Code> {
        let topic = self.topic(out.destination, name)?;
        let memory = |bytes: Option<&[u8]>| bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr(), bytes.len()));
        let (payload, key) = (memory(out.payload), memory(out.key));
        let headers = Headers::of(out.headers)?;
        // SAFETY: producer and topic are there and belong together; payload and key are read within the call only (`RD_KAFKA_MSG_F_COPY`), null
        // for none, as are the headers. The arguments have the types that the library's documentation of each `rd_kafka_vtype_t` asks for.
        let code = unsafe {
            use library::rd_kafka_vtype_t as Tag;
            library::rd_kafka_producev(
                self.producer.client().native_ptr(),
                Tag::RD_KAFKA_VTYPE_RKT,
                topic.0.as_ptr(),
                Tag::RD_KAFKA_VTYPE_PARTITION,
                out.partition.unwrap_or(ANY_PARTITION),
                Tag::RD_KAFKA_VTYPE_MSGFLAGS,
                library::RD_KAFKA_MSG_F_COPY,
                Tag::RD_KAFKA_VTYPE_VALUE,
                payload.0,
                payload.1,
                Tag::RD_KAFKA_VTYPE_KEY,
                key.0,
                key.1,
                Tag::RD_KAFKA_VTYPE_OPAQUE,
                ptr::without_provenance_mut::<std::ffi::c_void>(token_of(token)),
                Tag::RD_KAFKA_VTYPE_TIMESTAMP,
                out.timestamp.map_or(NOW, written),
                Tag::RD_KAFKA_VTYPE_HEADERS,
                headers.0,
                Tag::RD_KAFKA_VTYPE_END,
            )
        };
        if code != library::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(code.into());
        }
        // They belong to the record now.
        std::mem::forget(headers);
        Ok(())
    }
}

/// A list of headers in the library's memory; null for none.
struct Headers(*mut RDKafkaHeaders);

impl Headers {
    fn of(headers: &[OutHeader<'_>]) -> Result<Self, Code> {
        if headers.is_empty() {
            return Ok(Self(ptr::null_mut()));
        }
        // SAFETY: a new list; everything that is added is copied, with the lengths given.
        let list = Self(unsafe { library::rd_kafka_headers_new(headers.len()) });
        for header in headers {
            let (value, length) = header.value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
            // SAFETY: as above.
            let code = unsafe {
                library::rd_kafka_header_add(
                    list.0,
                    header.name.as_ptr().cast(),
                    header.name.len() as isize,
                    value.cast(),
                    length as isize,
                )
            };
            if code != library::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(code.into());
            }
        }
        Ok(list)
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the list came from `rd_kafka_headers_new` and no record has it.
            unsafe { library::rd_kafka_headers_destroy(self.0) };
        }
    }
}
