//! `portfolio healthcheck`.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::config::AddressFlags;

/// Asks the service that listens on `BIND` for `/readyz`.
///
/// # Errors
///
/// When it is not ready, or does not answer within five seconds.
pub fn run(flags: &AddressFlags) -> anyhow::Result<ExitCode> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let bind = flags.bind();
    let mut address = bind.to_socket_addrs().context("BIND")?.next().context("BIND: no address")?;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    let unreachable = || format!("no answer from {address}");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(unreachable)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .with_context(unreachable)?;
    let mut answer = String::new();
    stream.take(16 * 1024).read_to_string(&mut answer).with_context(unreachable)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200 ") {
        return Ok(ExitCode::SUCCESS);
    }
    bail!("not ready: {} {body}", head.lines().next().unwrap_or_default());
}
