//! `windtunnel gateway`: the reference gateway in this process.

use std::process::ExitCode;

use gateway::Options;

use super::{Error, print};
use crate::cli::GatewayArgs;

pub(super) fn gateway(args: GatewayArgs) -> Result<ExitCode, Error> {
    if args.check {
        return check(&args);
    }
    let options = Options {
        config: args.config,
        bind: args.bind,
        listen: args.listen,
        connect_to: args.connect_to,
        upstream_ca: args.upstream_ca,
        metrics: Some(args.metrics),
        ready: Some(args.ready),
        grace: args.grace,
        drain: args.drain,
        log_bodies: args.log_bodies,
        workers: args.workers.and_then(|workers| usize::try_from(workers).ok()),
    };
    gateway::run(options).map(|()| ExitCode::SUCCESS).map_err(|error| Error::Input(error.to_string()))
}

fn check(args: &GatewayArgs) -> Result<ExitCode, Error> {
    std::fs::metadata(&args.config).map_err(Error::io(format!("{} cannot be read", args.config.display())))?;
    match gateway::config::check(&args.config) {
        Ok(report) => {
            print(&report.to_string())?;
            Ok(ExitCode::from(u8::from(!report.ok())))
        }
        Err(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
