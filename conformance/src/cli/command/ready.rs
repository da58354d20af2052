//! `windtunnel ready`: one question to a readiness path, for health checks where there is no other client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Instant;

use super::Error;
use crate::cli::ReadyArgs;
use crate::client;

pub(super) fn ready(args: &ReadyArgs) -> Result<ExitCode, Error> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::io("no runtime"))?;
    let address = reachable(args.address);
    let answer = runtime.block_on(client::get(address, &args.path, Instant::now()));
    let why = match answer.status() {
        Some(200) => return Ok(ExitCode::SUCCESS),
        Some(status) => format!("status {status}"),
        None => "no answer".to_owned(),
    };
    eprintln!("not ready: GET {} at {address}: {why}", args.path);
    Ok(ExitCode::FAILURE)
}

/// Where something that listens on this address is reached from here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}
