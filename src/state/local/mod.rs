//! Logs of state in one local file, for `annotate`, `lookup` and a single replica without Kafka's topics.
//!
//! What is appended is on disk before anybody hears of it, so a crash gives nothing back. Several processes may share the file, a daemon and a `lookup` beside it: they
//! append in one order and hear each other within some 20 ms.
//!
//! The time of a record is the wall clock as it was when the file was opened, and what has passed since by the monotonic clock: a wall clock that is set meanwhile
//! moves no window.

mod file;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tracing::warn;

use crate::{
    model::SharedClock,
    state::{Appended, Cleanup, Done, Follower, Following, Log, LogError, LogRecord, LogSpec, Stop},
};
use file::{File, New};

/// How soon what other processes write is seen.
const LOOK: Duration = Duration::from_millis(20);
/// A follower is told that there is nothing more at least this often.
const BREATH: Duration = Duration::from_millis(100);
/// Appends that wait, at most.
const WAITING: usize = 65_536;
/// Appends in one transaction, at most.
const TOGETHER: usize = 1_024;
/// Records read at a time.
const PAGE: usize = 1_024;
/// A record may be this far ahead of the clock, milliseconds.
const AHEAD: i64 = 3_600_000;

/// Why the file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// It cannot be opened or read.
    #[error("state file '{}' cannot be used: {reason}; correct state.path or its permissions", path.display())]
    Open {
        /// `state.path`.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A process with another version of the database has it open.
    #[error("state file '{}' is in use by a process that does not share it: end that process, or set another state.path", path.display())]
    InUse {
        /// `state.path`.
        path: PathBuf,
    },
    /// What stands in it is later than now.
    #[error("state file '{}' holds records from {ahead_s} seconds ahead of this machine's clock: correct the clock, or delete the file to begin with nothing", path.display())]
    Future {
        /// `state.path`.
        path: PathBuf,
        /// How far ahead.
        ahead_s: i64,
    },
    /// The system refused a thread.
    #[error("cannot start the thread of the state: {0}")]
    Thread(String),
}

enum Command {
    Append(New, Done),
    Follow { id: u64, log: String, partitions: Vec<i32>, follower: Box<dyn Follower> },
    Unfollow { id: u64, done: SyncSender<()> },
}

/// One follower of one log.
struct Reader {
    log: String,
    partitions: Vec<i32>,
    follower: Box<dyn Follower>,
    next: i64,
}

#[derive(Debug)]
struct Shared {
    file: Arc<File>,
    path: PathBuf,
    clock: SharedClock,
    commands: Mutex<Option<SyncSender<Command>>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    readers: std::sync::atomic::AtomicU64,
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(self.commands.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != thread::current().id()
        {
            thread.join().ok();
        }
    }
}

/// The local store. `Clone` shares it.
#[derive(Clone)]
pub struct LocalStore {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalStore").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl LocalStore {
    /// Opens the file, or creates it with its directories.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn open(path: &Path, clock: SharedClock) -> Result<Self, LocalError> {
        let file = Arc::new(File::open(path)?);
        let (sender, receiver) = sync_channel(WAITING);
        let writer = Writer {
            file: Arc::clone(&file),
            path: path.to_owned(),
            began: (clock.wall_ms(), clock.monotonic()),
            clock: Arc::clone(&clock),
            readers: BTreeMap::new(),
        };
        let thread = thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|error| LocalError::Thread(error.to_string()))?;
        let shared = Shared {
            file,
            path: path.to_owned(),
            clock,
            commands: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            readers: std::sync::atomic::AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Opens a log; what is too old is deleted.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn log(&self, spec: &LogSpec) -> Result<Arc<LocalLog>, LocalError> {
        let failed =
            |error: redb::Error| LocalError::Open { path: self.shared.path.clone(), reason: error.to_string() };
        let now = self.shared.clock.wall_ms();
        let before = match spec.cleanup {
            Cleanup::Compact => None,
            Cleanup::Delete { keep, .. } => {
                Some(now.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX)))
            }
        };
        let last = self.shared.file.last_ms(&spec.name).map_err(failed)?;
        if let Some(ahead) = last.map(|last| last.saturating_sub(now)).filter(|ahead| *ahead > AHEAD) {
            return Err(LocalError::Future { path: self.shared.path.clone(), ahead_s: ahead / 1_000 });
        }
        self.shared.file.prune(&spec.name, before).map_err(failed)?;
        let most = match spec.cleanup {
            Cleanup::Compact => None,
            Cleanup::Delete { bytes, .. } => bytes,
        };
        let partitions = i32::try_from(spec.partitions).unwrap_or(1).max(1);
        let log = LocalLog {
            shared: Arc::clone(&self.shared),
            name: spec.name.clone(),
            partitions,
            compact: spec.cleanup == Cleanup::Compact,
            most,
        };
        Ok(Arc::new(log))
    }
}

/// One log of the file.
#[derive(Debug)]
pub struct LocalLog {
    shared: Arc<Shared>,
    name: String,
    partitions: i32,
    compact: bool,
    most: Option<u64>,
}

impl LocalLog {
    fn send(&self, command: Command) -> Result<(), LogError> {
        let full = || LogError::Full { name: self.name.clone() };
        let sent = self.shared.commands.lock().as_ref().map(|commands| commands.try_send(command));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(full()),
            Some(Err(TrySendError::Disconnected(_))) | None => {
                Err(LogError::Append { name: self.name.clone(), reason: "the store is closed".to_owned() })
            }
        }
    }
}

impl Log for LocalLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn partitions(&self) -> i32 {
        self.partitions
    }

    fn append(&self, partition: Option<i32>, key: &[u8], value: Option<&[u8]>, done: Done) -> Result<(), LogError> {
        let by_key = || i32::try_from(crc32fast::hash(key) % self.partitions.unsigned_abs()).unwrap_or_default();
        let new = New {
            log: self.name.clone(),
            compact: self.compact,
            most: self.most,
            partition: partition.unwrap_or_else(by_key),
            key: key.to_vec(),
            value: value.map(<[u8]>::to_vec),
        };
        self.send(Command::Append(new, done))
    }

    fn follow(&self, partitions: &[i32], follower: Box<dyn Follower>) -> Result<Following, LogError> {
        let id = self.shared.readers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (log, partitions) = (self.name.clone(), partitions.to_vec());
        self.send(Command::Follow { id, log, partitions, follower })?;
        let shared = Arc::clone(&self.shared);
        Ok(Following::new(move || {
            let (done, ended) = sync_channel(1);
            let commands = shared.commands.lock().clone();
            if commands.is_some_and(|commands| commands.send(Command::Unfollow { id, done }).is_ok()) {
                ended.recv().ok();
            }
        }))
    }

    fn replay(&self, partitions: &[i32], stop: &Stop, each: &mut dyn FnMut(LogRecord<'_>)) -> Result<bool, LogError> {
        let mut next = 0;
        while !stop.is_wanted() {
            let page = self.shared.file.read(&self.name, next, PAGE).map_err(|error| unreadable(&self.name, &error))?;
            let Some(last) = page.last() else { return Ok(true) };
            next = last.offset + 1;
            for stored in page.iter().filter(|stored| partitions.contains(&stored.partition)) {
                each(lend(stored));
            }
        }
        Ok(false)
    }
}

fn unreadable(name: &str, error: &redb::Error) -> LogError {
    LogError::Read { name: name.to_owned(), reason: error.to_string() }
}

fn lend(stored: &file::Stored) -> LogRecord<'_> {
    let (key, value) = (&stored.key[..], stored.value.as_deref());
    LogRecord { partition: stored.partition, offset: stored.offset, at_ms: stored.at_ms, key, value }
}

/// The thread of the store: writes, and hands what stands there to followers.
struct Writer {
    file: Arc<File>,
    path: PathBuf,
    clock: SharedClock,
    /// Wall and monotonic clock when the file was opened.
    began: (i64, Duration),
    readers: BTreeMap<u64, Reader>,
}

impl Writer {
    fn run(mut self, commands: &Receiver<Command>) {
        let mut breathed = self.clock.monotonic();
        loop {
            let mut batch = Vec::new();
            let mut command = match commands.recv_timeout(LOOK) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut unfollowed = None;
            while let Some(next) = command.take() {
                match next {
                    Command::Append(new, done) => batch.push((new, done)),
                    Command::Follow { id, log, partitions, follower } => self.follow(id, log, partitions, follower),
                    Command::Unfollow { id, done } => {
                        unfollowed = Some((id, done));
                        break;
                    }
                }
                if batch.len() < TOGETHER {
                    command = commands.try_recv().ok();
                }
            }
            self.write(batch);
            if let Some((id, done)) = unfollowed {
                self.readers.remove(&id);
                done.send(()).ok();
            }
            let heard = self.deliver();
            let now = self.clock.monotonic();
            if !heard || now.saturating_sub(breathed) >= BREATH {
                breathed = now;
                for reader in self.readers.values_mut() {
                    reader.follower.idle();
                }
            }
        }
    }

    fn now_ms(&self) -> i64 {
        let passed = self.clock.monotonic().saturating_sub(self.began.1);
        self.began.0.saturating_add(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
    }

    fn write(&self, batch: Vec<(New, Done)>) {
        if batch.is_empty() {
            return;
        }
        let (news, dones): (Vec<New>, Vec<Done>) = batch.into_iter().unzip();
        match self.file.append(&news, self.now_ms()) {
            Ok(offsets) => {
                for ((new, done), offset) in news.iter().zip(dones).zip(offsets) {
                    done(Ok(Appended { partition: new.partition, offset }));
                }
            }
            Err(error) => {
                let reason = error.to_string();
                warn!(path = %self.path.display(), reason, "the state file does not take records");
                for (new, done) in news.iter().zip(dones) {
                    done(Err(LogError::Append { name: new.log.clone(), reason: reason.clone() }));
                }
            }
        }
    }

    fn follow(&mut self, id: u64, log: String, partitions: Vec<i32>, follower: Box<dyn Follower>) {
        let mut reader = Reader { log, partitions, follower, next: 0 };
        while read(&self.file, &mut reader) {}
        reader.follower.caught_up();
        self.readers.insert(id, reader);
    }

    /// Hands over what is new; whether there was anything.
    fn deliver(&mut self) -> bool {
        let mut heard = false;
        for reader in self.readers.values_mut() {
            heard |= read(&self.file, reader);
        }
        heard
    }
}

/// Hands a page of records to a follower; whether there was anything.
fn read(file: &File, reader: &mut Reader) -> bool {
    let page = match file.read(&reader.log, reader.next, PAGE) {
        Ok(page) => page,
        Err(error) => {
            warn!(log = reader.log, %error, "the state file cannot be read");
            return false;
        }
    };
    for stored in &page {
        reader.next = stored.offset + 1;
        if reader.partitions.contains(&stored.partition) {
            reader.follower.record(lend(stored));
        }
    }
    !page.is_empty()
}

#[cfg(test)]
mod tests;
