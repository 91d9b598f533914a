//! A log inside the process, for tests: everything happens on the thread that appends or follows, in a fixed order.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::{
    model::SharedClock,
    state::{Appended, Done, Follower, Following, Log, LogError, LogRecord, Stop},
};

struct Kept {
    partition: i32,
    offset: i64,
    at_ms: i64,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

impl Kept {
    fn lend(&self) -> LogRecord<'_> {
        let (key, value) = (&self.key[..], self.value.as_deref());
        LogRecord { partition: self.partition, offset: self.offset, at_ms: self.at_ms, key, value }
    }
}

struct Reader {
    partitions: Vec<i32>,
    next: usize,
    /// Taken out while it is called, so that it may append.
    follower: Option<Box<dyn Follower>>,
}

#[derive(Default)]
struct Inner {
    records: Vec<Arc<Kept>>,
    ends: BTreeMap<i32, i64>,
    readers: BTreeMap<u64, Reader>,
    next_reader: u64,
    delivering: bool,
    refusing: bool,
}

/// A log in memory. `Clone` shares it.
#[derive(Clone)]
pub struct MemoryLog {
    name: String,
    partitions: i32,
    clock: SharedClock,
    inner: Arc<Mutex<Inner>>,
}

impl std::fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryLog").field("name", &self.name).finish_non_exhaustive()
    }
}

impl MemoryLog {
    /// An empty log; appends get the time of this clock.
    pub fn new(name: &str, partitions: i32, clock: SharedClock) -> Self {
        Self { name: name.to_owned(), partitions: partitions.max(1), clock, inner: Arc::default() }
    }

    /// From now on every append is refused as if the log were full, or none.
    pub fn refuse(&self, refusing: bool) {
        self.inner.lock().refusing = refusing;
    }

    /// The last value of each key, without those that ended in a tombstone.
    pub fn latest(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut latest = BTreeMap::new();
        for kept in &self.inner.lock().records {
            match &kept.value {
                Some(value) => latest.insert(kept.key.clone(), value.clone()),
                None => latest.remove(&kept.key),
            };
        }
        latest
    }

    /// Records that were ever appended.
    pub fn len(&self) -> usize {
        self.inner.lock().records.len()
    }

    /// Whether nothing was ever appended.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands every reader what it has not seen. An append from inside a follower is handed over after it returns.
    fn deliver(&self) {
        let mut inner = self.inner.lock();
        if inner.delivering {
            return;
        }
        inner.delivering = true;
        loop {
            let Inner { records, readers, .. } = &mut *inner;
            let due = readers.iter_mut().find_map(|(id, reader)| {
                let record = records.get(reader.next).filter(|_| reader.follower.is_some())?;
                reader.next += 1;
                let wanted = reader.partitions.contains(&record.partition);
                Some((*id, wanted.then(|| Arc::clone(record)), reader.follower.take()))
            });
            let Some((id, record, Some(mut follower))) = due else { break };
            drop(inner);
            if let Some(record) = record {
                follower.record(record.lend());
                follower.idle();
            }
            inner = self.inner.lock();
            if let Some(reader) = inner.readers.get_mut(&id) {
                reader.follower = Some(follower);
            }
        }
        inner.delivering = false;
    }
}

impl Log for MemoryLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn partitions(&self) -> i32 {
        self.partitions
    }

    fn append(&self, partition: Option<i32>, key: &[u8], value: Option<&[u8]>, done: Done) -> Result<(), LogError> {
        let partition = partition.unwrap_or_else(|| {
            i32::try_from(crc32fast::hash(key) % self.partitions.unsigned_abs()).unwrap_or_default()
        });
        let offset = {
            let mut inner = self.inner.lock();
            if inner.refusing {
                return Err(LogError::Full { name: self.name.clone() });
            }
            let end = inner.ends.entry(partition).or_default();
            let offset = *end;
            *end += 1;
            let (at_ms, key, value) = (self.clock.wall_ms(), key.to_vec(), value.map(<[u8]>::to_vec));
            inner.records.push(Arc::new(Kept { partition, offset, at_ms, key, value }));
            offset
        };
        done(Ok(Appended { partition, offset }));
        self.deliver();
        Ok(())
    }

    fn follow(&self, partitions: &[i32], mut follower: Box<dyn Follower>) -> Result<Following, LogError> {
        let partitions = partitions.to_vec();
        let mut next = 0;
        loop {
            let record = self.inner.lock().records.get(next).cloned();
            let Some(record) = record else { break };
            next += 1;
            if partitions.contains(&record.partition) {
                follower.record(record.lend());
            }
        }
        follower.caught_up();
        follower.idle();
        let id = {
            let mut inner = self.inner.lock();
            let id = inner.next_reader;
            inner.next_reader += 1;
            inner.readers.insert(id, Reader { partitions, next, follower: Some(follower) });
            id
        };
        self.deliver();
        let inner = Arc::clone(&self.inner);
        Ok(Following::new(move || drop(inner.lock().readers.remove(&id))))
    }

    fn replay(&self, partitions: &[i32], stop: &Stop, each: &mut dyn FnMut(LogRecord<'_>)) -> Result<bool, LogError> {
        let records = self.inner.lock().records.clone();
        for record in records.iter().filter(|record| partitions.contains(&record.partition)) {
            if stop.is_wanted() {
                return Ok(false);
            }
            each(record.lend());
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::ManualClock, state::discard};

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<String>>>);

    impl Follower for Heard {
        fn record(&mut self, record: LogRecord<'_>) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let value = record.value.map_or_else(|| "-".to_owned(), text);
            let LogRecord { partition, offset, at_ms, key, .. } = record;
            self.0.lock().push(format!("{partition}/{offset}@{at_ms} {}={value}", text(key)));
        }
        fn caught_up(&mut self) {
            self.0.lock().push("caught up".to_owned());
        }
    }

    #[test]
    fn what_was_there_comes_first_and_what_is_new_after_it() {
        let clock = ManualClock::at(1_000);
        let log = MemoryLog::new("test", 2, clock.clone());
        log.append(Some(0), b"a", Some(b"1"), discard()).unwrap();
        log.append(Some(1), b"b", Some(b"2"), discard()).unwrap();
        let heard = Heard::default();
        let following = log.follow(&[0], Box::new(heard.clone())).unwrap();
        clock.advance(std::time::Duration::from_secs(1));
        log.append(Some(0), b"a", None, discard()).unwrap();
        log.append(Some(1), b"b", Some(b"3"), discard()).unwrap();
        drop(following);
        log.append(Some(0), b"a", Some(b"4"), discard()).unwrap();
        assert_eq!(*heard.0.lock(), ["0/0@1000 a=1", "caught up", "0/1@2000 a=-"]);
        assert_eq!(log.latest().get(&b"b"[..]).map(Vec::as_slice), Some(&b"3"[..]));
        let mut seen = 0;
        assert_eq!(log.replay(&[0, 1], &Stop::default(), &mut |_| seen += 1), Ok(true));
        assert_eq!(seen, 5);
        log.refuse(true);
        assert!(matches!(log.append(None, b"a", None, discard()), Err(LogError::Full { .. })));
    }
}
