//! Questions to a running daemon, by its admin server.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::cli::ConfigArgs;

/// Which daemon is asked, and how its answer is shown.
#[derive(Debug, clap::Args)]
pub(super) struct DaemonArgs {
    #[command(flatten)]
    pub(super) config: ConfigArgs,
    /// Admin server of a running daemon, for which no configuration is read; without it the one of the configuration.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) admin: Option<SocketAddr>,
    /// JSON, as the daemon answers.
    #[arg(long)]
    pub(super) json: bool,
}

/// A daemon that does not answer within this time is not asked any longer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of an answer, at most.
const MOST: u64 = 16 << 20;

/// What a daemon answers to a path.
pub(super) fn get(at: SocketAddr, path: &str) -> anyhow::Result<Value> {
    call(at, "GET", path, &[])
}

/// What a daemon answers to a body.
pub(super) fn post(at: SocketAddr, path: &str, body: &[u8]) -> anyhow::Result<Value> {
    call(at, "POST", path, body)
}

fn call(at: SocketAddr, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {at}\r\nAccept: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not an answer in HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    let json: Result<Value, _> = serde_json::from_str(body);
    if status != "200" {
        let why = json.ok().and_then(|json| json["error"].as_str().map(|why| format!(": {why}"))).unwrap_or_default();
        bail!("status {status}{why}");
    }
    json.context("the answer is no JSON")
}
