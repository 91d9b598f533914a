//! The file of the local store: a table for each log, in a redb database. The only place that names the database.
//!
//! Any number of processes may have it open. Each of them writes whole transactions that are on disk when they are committed, so the order of a log is one for all of them.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path};

use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    TableError,
};

use crate::state::LocalError;

/// Offset of the next record of each log.
const NEXT: TableDefinition<'_, &str, i64> = TableDefinition::new("next");
/// Time of the last record of each log.
const LAST: TableDefinition<'_, &str, i64> = TableDefinition::new("last");
/// Bytes of each log.
const BYTES: TableDefinition<'_, &str, u64> = TableDefinition::new("bytes");
/// Version of the form of all this.
const FORM: TableDefinition<'_, &str, u64> = TableDefinition::new("form");
const VERSION: u64 = 1;
/// Pages kept in memory.
const CACHE: usize = 16 << 20;

/// Partition, time, key, value of a record; `None` is a tombstone.
type Row<'a> = (i32, i64, &'a [u8], Option<&'a [u8]>);

/// One record that is to be written.
#[derive(Debug)]
pub(super) struct New {
    pub(super) log: String,
    /// Only the last record of a key is kept.
    pub(super) compact: bool,
    /// Bytes that the log may have.
    pub(super) most: Option<u64>,
    pub(super) partition: i32,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// One record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) at_ms: i64,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// The open file.
#[derive(Debug)]
pub(super) struct File(Database);

fn records(name: &str) -> String {
    format!("log:{name}")
}

fn keys(name: &str) -> String {
    format!("keys:{name}")
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, LocalError> {
        let failed = |reason: String| LocalError::Open { path: path.to_owned(), reason };
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        }
        // What was seen and learned is nobody else's business.
        let mut options = OpenOptions::new();
        options.create(true).read(true).write(true).truncate(false).mode(0o600);
        drop(options.open(path).map_err(|error| failed(error.to_string()))?);
        let opened =
            Builder::new().set_cache_size(CACHE).set_concurrency_mode(ConcurrencyMode::MultiWriter).create(path);
        let database = match opened {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch) => {
                return Err(LocalError::InUse { path: path.to_owned() });
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        let file = Self(database);
        let form = file.form().map_err(|error| failed(error.to_string()))?;
        if form != VERSION {
            return Err(failed(format!("it was written by another version of Sidelight (form {form})")));
        }
        Ok(file)
    }

    fn form(&self) -> Result<u64, redb::Error> {
        let write = self.0.begin_write()?;
        let form = {
            let mut table = write.open_table(FORM)?;
            let form = table.get("form")?.map(|found| found.value());
            if form.is_none() {
                table.insert("form", VERSION)?;
            }
            form.unwrap_or(VERSION)
        };
        write.commit()?;
        Ok(form)
    }

    /// Time of the last record of a log.
    pub(super) fn last_ms(&self, log: &str) -> Result<Option<i64>, redb::Error> {
        let read = self.0.begin_read()?;
        match read.open_table(LAST) {
            Ok(table) => Ok(table.get(log)?.map(|found| found.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes records in one transaction, all of them or none. They are on disk when this returns; their offsets.
    pub(super) fn append(&self, batch: &[New], now_ms: i64) -> Result<Vec<i64>, redb::Error> {
        let write = self.0.begin_write()?;
        let mut offsets = Vec::with_capacity(batch.len());
        {
            let (mut next, mut last, mut sizes) =
                (write.open_table(NEXT)?, write.open_table(LAST)?, write.open_table(BYTES)?);
            for new in batch {
                let log = new.log.as_str();
                let (name, key_name) = (records(log), keys(log));
                let mut table = write.open_table(TableDefinition::<i64, Row<'_>>::new(&name))?;
                let offset = next.get(log)?.map_or(0, |found| found.value());
                let at = last.get(log)?.map_or(now_ms, |found| found.value().max(now_ms));
                let mut bytes = sizes.get(log)?.map_or(0, |found| found.value());
                if new.compact {
                    let mut by_key = write.open_table(TableDefinition::<&[u8], i64>::new(&key_name))?;
                    let older = match &new.value {
                        Some(_) => by_key.insert(&*new.key, offset)?,
                        None => by_key.remove(&*new.key)?,
                    };
                    if let Some(older) = older.map(|found| found.value())
                        && let Some(row) = table.remove(older)?
                    {
                        bytes = bytes.saturating_sub(size(&row.value()));
                    }
                }
                // A tombstone is written as well: other processes that follow have to hear of it.
                let row: Row<'_> = (new.partition, at, &new.key, new.value.as_deref());
                bytes += size(&row);
                table.insert(offset, row)?;
                while new.most.is_some_and(|most| bytes > most) {
                    let oldest = table.first()?.map(|(oldest, _)| oldest.value());
                    let Some(oldest) = oldest.filter(|oldest| *oldest != offset) else { break };
                    if let Some(row) = table.remove(oldest)? {
                        bytes = bytes.saturating_sub(size(&row.value()));
                    }
                }
                next.insert(log, offset + 1)?;
                last.insert(log, at)?;
                sizes.insert(log, bytes)?;
                offsets.push(offset);
            }
        }
        write.commit()?;
        Ok(offsets)
    }

    /// Deletes what is older than this, but for the last record; tombstones in any case.
    pub(super) fn prune(&self, log: &str, before_ms: Option<i64>) -> Result<(), redb::Error> {
        let write = self.0.begin_write()?;
        {
            let name = records(log);
            let mut table = write.open_table(TableDefinition::<i64, Row<'_>>::new(&name))?;
            let mut sizes = write.open_table(BYTES)?;
            let end = table.last()?.map(|(offset, _)| offset.value());
            table.retain(|offset, (_, at, _, value)| {
                value.is_some() && (Some(offset) == end || before_ms.is_none_or(|before| at >= before))
            })?;
            let mut bytes = 0;
            for row in table.iter()? {
                bytes += size(&row?.1.value());
            }
            sizes.insert(log, bytes)?;
        }
        write.commit()?;
        Ok(())
    }

    /// Up to `most` records of a log from an offset on.
    pub(super) fn read(&self, log: &str, from: i64, most: usize) -> Result<Vec<Stored>, redb::Error> {
        let read = self.0.begin_read()?;
        let name = records(log);
        let table = match read.open_table(TableDefinition::<i64, Row<'_>>::new(&name)) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut found = Vec::new();
        for row in table.range(from..)?.take(most) {
            let (offset, row) = row?;
            let (partition, at_ms, key, value) = row.value();
            let (key, value) = (key.to_vec(), value.map(<[u8]>::to_vec));
            found.push(Stored { partition, offset: offset.value(), at_ms, key, value });
        }
        Ok(found)
    }
}

fn size((_, _, key, value): &Row<'_>) -> u64 {
    (24 + key.len() + value.map_or(0, <[u8]>::len)) as u64
}
