//! What the service manager (systemd) hears: when the daemon is ready, when it stops, and that it is alive.
//!
//! The protocol is a line of text in a datagram to the socket that `NOTIFY_SOCKET` names (`man sd_notify`). A sign of life is only given while the
//! data path moves: the thread that reads and every shard come round, or wait for something that passes by itself.

use std::{
    env,
    os::unix::net::{SocketAddr, UnixDatagram},
    time::Duration,
};

use tracing::warn;

use crate::pipeline::Pulse;

/// A shard without work comes round twice a second: a shorter interval between two signs of life would call it dead.
const SHORTEST: Duration = Duration::from_secs(2);

/// How often everything has come round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// Of the thread that reads.
    pub(super) source: u64,
    /// Of the pipeline.
    pub(super) pipeline: Pulse,
}

impl Life {
    /// Whether everything moved since that moment.
    fn moved_since(&self, before: &Self) -> bool {
        self.source != before.source && self.pipeline.moved_since(&before.pipeline)
    }
}

/// The connection to the service manager; silent where there is none.
#[derive(Debug, Default)]
pub(super) struct Service {
    connection: Option<(UnixDatagram, SocketAddr)>,
    /// Between two signs of life.
    interval: Option<Duration>,
    next: Duration,
    ready: bool,
    life: Life,
}

impl Service {
    /// As the environment says it.
    pub(super) fn from_environment() -> Self {
        let variable = |name: &str| env::var(name).ok();
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable("WATCHDOG_USEC").filter(|_| ours).and_then(|text| text.parse().ok());
        Self::new(variable("NOTIFY_SOCKET").as_deref(), watchdog.map(Duration::from_micros))
    }

    fn new(socket: Option<&str>, watchdog: Option<Duration>) -> Self {
        let connect = |path: &str| Ok::<_, std::io::Error>((UnixDatagram::unbound()?, address(path)?));
        let connection = socket.and_then(|path| {
            connect(path).map_err(|error| warn!(%error, path, "the service manager is out of reach")).ok()
        });
        let interval = watchdog.filter(|_| connection.is_some()).map(|every| every / 2);
        if interval.is_some_and(|interval| interval < SHORTEST) {
            warn!("WatchdogSec is shorter than 4 s: signs of life may come too late");
        }
        Self { connection, interval: interval.map(|interval| interval.max(SHORTEST)), ..Self::default() }
    }

    /// Called several times a second.
    pub(super) fn look(&mut self, now: Duration, is_ready: impl FnOnce() -> bool, life: impl FnOnce() -> Life) {
        if self.connection.is_none() {
            return;
        }
        if !self.ready && is_ready() {
            self.ready = true;
            self.tell("READY=1");
        }
        if let Some(interval) = self.interval
            && now >= self.next
        {
            self.next = now.saturating_add(interval);
            let life = life();
            if life.moved_since(&self.life) {
                self.tell("WATCHDOG=1");
            } else {
                warn!(?life, "the data path does not move: no sign of life for the service manager");
            }
            self.life = life;
        }
    }

    /// The daemon drains.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, text: &str) {
        if let Some((socket, address)) = &self.connection
            && let Err(error) = socket.send_to_addr(text.as_bytes(), address)
        {
            warn!(%error, text, "could not tell the service manager");
        }
    }
}

/// A path, or a name without one that begins with `@`.
#[cfg(target_os = "linux")]
fn address(path: &str) -> std::io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    path.strip_prefix('@').map_or_else(|| SocketAddr::from_pathname(path), SocketAddr::from_abstract_name)
}

#[cfg(not(target_os = "linux"))]
fn address(path: &str) -> std::io::Result<SocketAddr> {
    SocketAddr::from_pathname(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0u8; 64];
        let mut texts = Vec::new();
        while let Ok(length) = socket.recv(&mut buffer) {
            texts.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        texts
    }

    #[test]
    fn a_service_manager_hears_what_it_should() {
        let path = env::temp_dir().join(format!("sidelight-notify-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).expect("bound");
        manager.set_nonblocking(true).expect("a socket");
        let mut service = Service::new(path.to_str(), Some(Duration::from_secs(10)));
        let at = Duration::from_secs;
        let life = |source, shard| Life { source, pipeline: Pulse { shards: vec![shard], waits: 0, held: false } };
        service.look(at(1), || false, || life(1, 1));
        assert_eq!(heard(&manager), ["WATCHDOG=1"], "alive, not ready");
        service.look(at(2), || true, || life(2, 2));
        assert_eq!(heard(&manager), ["READY=1"]);
        service.look(at(6), || true, || life(3, 3));
        assert_eq!(heard(&manager), ["WATCHDOG=1"], "ready is said once");
        service.look(at(11), || true, || life(4, 3));
        assert!(heard(&manager).is_empty(), "a shard hangs");
        service.look(at(16), || true, || life(4, 4));
        assert!(heard(&manager).is_empty(), "the source hangs");
        service.stopping();
        assert_eq!(heard(&manager), ["STOPPING=1"]);
        Service::new(None, None).look(at(1), || true, Life::default);
        std::fs::remove_file(path).expect("it was there");
    }
}
