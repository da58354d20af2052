//! `windtunnel controller`: deploys the Gateways of a cluster and writes status.

use std::process::ExitCode;

use gateway::controller::{self, Options};

use super::{Error, print, stop};
use crate::cli::ControllerArgs;

pub(super) fn controller(args: ControllerArgs) -> Result<ExitCode, Error> {
    if args.rbac {
        let manifest = controller::rbac::manifest(args.namespace.as_deref().unwrap_or("default"));
        return print(&format!("{manifest:#}\n")).map(|()| ExitCode::SUCCESS);
    }
    if args.until_stdin_ends {
        std::thread::spawn(stop::end_with_stdin);
    }
    let options = Options {
        identity: args.identity.unwrap_or_else(identity),
        namespace: args.namespace,
        lease: args.lease,
        image: args.image,
        ready: args.ready,
    };
    controller::run(&options).map(|()| ExitCode::SUCCESS).map_err(|error| Error::Input(error.to_string()))
}

/// A Pod's host has its name, and a host may run several.
fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}_{}", host.trim(), std::process::id())
}
