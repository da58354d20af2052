//! `windtunnel gateway`: the reference gateway in this process.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use gateway::Options;
use gateway::kubernetes::{self, Scope};

use super::{Error, print, stop};
use crate::cli::GatewayArgs;

/// `--config` that is no file.
const CLUSTER: &str = "kubernetes";

pub(super) fn gateway(args: GatewayArgs) -> Result<ExitCode, Error> {
    let cluster = (args.config == Path::new(CLUSTER)).then(|| Scope { gateway: args.gateway.clone().map(Into::into) });
    if cluster.is_none() && args.gateway.is_some() {
        return Err(Error::Input(
            "--gateway goes with --config kubernetes only: files are served as a whole".to_owned(),
        ));
    }
    if args.check {
        return match &cluster {
            Some(scope) => check_cluster(scope),
            None => check(&args),
        };
    }
    if args.until_stdin_ends {
        std::thread::spawn(stop::end_with_stdin);
    }
    let otel = gateway::otel::Environment::read(|name| std::env::var(name).ok());
    let otel = otel.map_err(|error| Error::Input(error.to_string()))?;
    let options = Options {
        config: args.config,
        cluster,
        bind: args.bind,
        listen: args.listen,
        connect_to: args.connect_to,
        upstream_ca: args.upstream_ca,
        metrics: Some(args.metrics),
        ready: Some(args.ready),
        admin: (!args.no_admin).then_some(args.admin),
        grace: args.grace,
        drain: args.drain,
        header_timeout: args.header_timeout,
        body_timeout: args.body_timeout,
        reader_timeout: args.reader_timeout,
        connections: usize::try_from(args.connections).unwrap_or(usize::MAX),
        log_bodies: args.log_bodies,
        otel,
        log_form: args.log_format.of(&std::io::stdout()),
        model_catalog: args.model_catalog,
        telemetry: true,
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

fn check_cluster(scope: &Scope) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Runtime::new().map_err(Error::io("no runtime".to_owned()))?;
    let notices: gateway::server::Notices = Arc::new(|line: &str| eprintln!("{line}"));
    let report = runtime.block_on(kubernetes::check(scope, &notices));
    let report = report.map_err(|error| Error::Input(error.to_string()))?;
    print(&report.to_string())?;
    Ok(ExitCode::from(u8::from(!report.ok())))
}
