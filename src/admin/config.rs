//! Configuration of the admin server.

use std::net::SocketAddr;

/// Where the admin server listens.
#[derive(Clone, Debug)]
pub struct Config {
    /// `None` switches it off.
    pub listen: Option<SocketAddr>,
}
