//! `windtunnel decoy`: something that is no gateway.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use super::{Error, print};
use crate::cli::DecoyArgs;
use crate::decoy::{self, Decoy};

pub(super) fn decoy(args: &DecoyArgs) -> Result<ExitCode, Error> {
    if args.until_stdin_ends {
        std::thread::spawn(super::stop::end_with_stdin);
    }
    let to =
        || args.to.ok_or_else(|| Error::Input("it needs the address that it passes on to: --to ADDR:PORT".to_owned()));
    match args.kind {
        Decoy::Tcp => drop(to()?),
        Decoy::Floor => return floor(args.listen[0].0, to()?),
        Decoy::Yes | Decoy::Reset | Decoy::Hang => {}
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::io("no runtime"))?;
    let listen: Vec<_> = args.listen.iter().map(|listen| listen.0).collect();
    runtime.block_on(decoy::serve(args.kind, &listen, args.to)).map_err(Error::io("cannot listen"))?;
    Ok(ExitCode::SUCCESS)
}

/// On all cores, until the process ends.
fn floor(listen: SocketAddr, to: SocketAddr) -> Result<ExitCode, Error> {
    let listener = TcpListener::bind(listen).map_err(Error::io(format!("cannot listen on {listen}")))?;
    let address = listener.local_addr().map_err(Error::io("no address"))?;
    print(&format!("listening address={address}\n"))?;
    match benches::floor::run(listener, to).map_err(Error::io("cannot accept"))? {}
}
