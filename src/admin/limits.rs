//! Bounds on connections: how many there are at a time, and how long each may live.
//!
//! An answer takes milliseconds, so a connection that is still open after [`LIFETIME`] belongs to a client that sends its
//! request byte by byte, never sends one, does not read the answer, or keeps an idle connection; clients of the last sort
//! connect anew. Further connections wait in the system's queue until one of [`MOST`] ends.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

/// Connections at a time.
const MOST: usize = 64;
/// Longest life of a connection.
const LIFETIME: Duration = Duration::from_secs(30);

/// A listener whose connections are bounded.
pub(super) struct Limited {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Limited {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(MOST)) }
    }
}

impl Listener for Limited {
    type Io = Connection<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed; without a permit the connection would merely not be counted.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Connection::new(stream, place), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A stream that fails once its time is over.
pub(super) struct Connection<S> {
    stream: S,
    end: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<S> Connection<S> {
    fn new(stream: S, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, end: Box::pin(sleep(LIFETIME)), _place: place }
    }

    /// Ready with an error when the time is over; otherwise the task is woken then.
    fn poll_end<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.end.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(over) = self.poll_end(cx) {
            return Poll::Ready(over);
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(over) = self.poll_end(cx) {
            return Poll::Ready(over);
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(over) = self.poll_end(cx) {
            return Poll::Ready(over);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_byte_by_byte_is_cut_off() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = Connection::new(server, None);
        let mut byte = [0];
        for _ in 0..LIFETIME.as_secs() - 1 {
            client.write_all(b"G").await.expect("open");
            server.read_exact(&mut byte).await.expect("open");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // The clock is paused: waiting moves it to the end of the connection.
        let error = server.read_exact(&mut byte).await.expect_err("over");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_cut_off() {
        let (_client, server) = tokio::io::duplex(1);
        let mut server = Connection::new(server, None);
        let error = server.write_all(b"more than fits").await.expect_err("over");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_gives_its_place_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut limited = Limited::new(listener);
        let address = limited.local_addr().expect("bound");
        let _client = TcpStream::connect(address).await.expect("connects");
        let (connection, _) = limited.accept().await;
        assert_eq!(limited.places.available_permits(), MOST - 1);
        drop(connection);
        assert_eq!(limited.places.available_permits(), MOST);
    }
}
