//! `windtunnel decoy`: something that is no gateway.

use std::process::ExitCode;

use super::Error;
use crate::cli::DecoyArgs;
use crate::decoy::{self, Decoy};

pub(super) fn decoy(args: &DecoyArgs) -> Result<ExitCode, Error> {
    if args.kind == Decoy::Tcp && args.to.is_none() {
        return Err(Error::Input("a tcp decoy needs the address it passes bytes on to: --to ADDR:PORT".to_owned()));
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::io("no runtime"))?;
    let listen: Vec<_> = args.listen.iter().map(|listen| listen.0).collect();
    runtime.block_on(decoy::serve(args.kind, &listen, args.to)).map_err(Error::io("cannot listen"))?;
    Ok(ExitCode::SUCCESS)
}
