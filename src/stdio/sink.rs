//! Records as lines.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use crate::pipeline::{Delivered, Destination, Outgoing, SendError, Sink, Token};

/// What was written.
#[derive(Debug, Default)]
pub struct Tally {
    /// Lines written.
    pub lines: AtomicU64,
    /// Lines whose event is complete or has nothing to assess.
    pub complete: AtomicU64,
    /// Answers that came after their line had been written; they are counted, not written.
    pub late: AtomicU64,
}

/// Writes each event as a line and reports it as delivered at once.
pub struct LineSink {
    out: Mutex<Box<dyn Write + Send>>,
    delivered: Arc<dyn Delivered>,
    tally: Arc<Tally>,
}

impl std::fmt::Debug for LineSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineSink").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl LineSink {
    /// A sink that writes to `out`.
    pub fn new(out: Box<dyn Write + Send>, delivered: Arc<dyn Delivered>) -> Self {
        Self { out: Mutex::new(out), delivered, tally: Arc::default() }
    }

    /// What was written so far.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Hands everything on to the system.
    ///
    /// # Errors
    /// What the system says.
    pub fn flush(&self) -> std::io::Result<()> {
        self.out.lock().flush()
    }
}

impl Sink for LineSink {
    fn send(&self, out: &Outgoing<'_>, token: Token) -> Result<(), SendError> {
        match out.destination {
            Destination::Output | Destination::DeadLetter => {
                let mut writer = self.out.lock();
                let written = writer.write_all(out.payload.unwrap_or_default()).and_then(|()| writer.write_all(b"\n"));
                drop(writer);
                written.map_err(|error| SendError::Fatal(format!("cannot write the output: {error}")))?;
                self.tally.lines.fetch_add(1, Ordering::Relaxed);
                let status = out.headers.iter().find(|header| header.name == "sidelight-status");
                if status.and_then(|header| header.value).is_none_or(|value| matches!(value, b"complete" | b"none")) {
                    self.tally.complete.fetch_add(1, Ordering::Relaxed);
                }
            }
            // There is no state to keep beside a stream of lines.
            Destination::Pending => {}
            Destination::Late => {
                self.tally.late.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.delivered.delivered(token, Ok(()));
        Ok(())
    }
}
