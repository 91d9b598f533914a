//! Configuration of the admin server.

use std::net::SocketAddr;

use secrecy::SecretString;

/// Where the admin server listens, and who may change something by it.
#[derive(Clone, Debug)]
pub struct Config {
    /// `None` switches it off.
    pub listen: Option<SocketAddr>,
    /// Whoever sends it may look up and purge. Without one only programs of this machine may, where the address is a loopback one.
    pub token: Option<SecretString>,
}
