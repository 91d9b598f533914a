//! Bodies that come slowly or break.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use axum::body::Bytes;
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, Sleep, sleep},
};
use tokio_util::{io::ReaderStream, sync::CancellationToken};

/// How a body comes.
pub(crate) struct Pace {
    /// Bytes at once.
    pub(crate) chunk: usize,
    /// Time before each chunk.
    pub(crate) pause: Duration,
    /// Whether the connection breaks instead of an orderly end.
    pub(crate) breaks: bool,
}

/// A body of these bytes at that pace. It also breaks when `stop` is cancelled.
pub(crate) fn paced(bytes: Bytes, pace: Pace, stop: CancellationToken) -> Body {
    let sleep = Box::pin(sleep(pace.pause));
    Body::from_stream(ReaderStream::new(Paced { bytes, pace, sleep, stop }))
}

struct Paced {
    bytes: Bytes,
    pace: Pace,
    sleep: Pin<Box<Sleep>>,
    stop: CancellationToken,
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.stop.is_cancelled() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !self.pace.pause.is_zero() {
            std::task::ready!(self.sleep.as_mut().poll(context));
            let next = Instant::now() + self.pace.pause;
            self.sleep.as_mut().reset(next);
        }
        if self.bytes.is_empty() && self.pace.breaks {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let count = self.pace.chunk.min(self.bytes.len()).min(buffer.remaining());
        let chunk = self.bytes.split_to(count);
        buffer.put_slice(&chunk);
        Poll::Ready(Ok(()))
    }
}
