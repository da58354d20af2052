//! `windtunnel mock record`: a recording proxy until Ctrl-C or SIGTERM.

use std::path::Path;
use std::process::ExitCode;

use mock_providers::record::{Existing, RecordOptions, Recorder, Timing, Upstream};

use super::super::{Error, print};
use super::Signals;
use crate::cli::{RecordArgs, RecordTiming};

pub(super) fn record(args: &RecordArgs) -> Result<ExitCode, Error> {
    let ca = |path: &std::path::PathBuf| std::fs::read(path).map_err(Error::io(path.display().to_string()));
    let ca = args.upstream_ca.as_ref().map(ca).transpose()?;
    let options = RecordOptions {
        upstream: Upstream::new(&args.upstream, ca.as_deref()).map_err(refused)?,
        listen: args.listen,
        out: args.out.clone(),
        existing: match (args.append, args.force) {
            (true, _) => Existing::Append,
            (_, true) => Existing::Replace,
            _ => Existing::Refuse,
        },
        timing: match args.timing {
            RecordTiming::Exact => Timing::Exact,
            RecordTiming::None => Timing::None,
        },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Error::io("no runtime"))?.block_on(serve(options, &args.out))
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Input(error.to_string())
}

async fn serve(options: RecordOptions, out: &Path) -> Result<ExitCode, Error> {
    let mut signals = Signals::listen()?;
    let upstream = options.upstream.url();
    let mut recorder = Recorder::start(options).await.map_err(refused)?;
    print(&format!("listening recorder=http://{} upstream={upstream} file={}\n", recorder.addr(), out.display()))?;
    loop {
        tokio::select! {
            _ = signals.term.recv() => break,
            _ = signals.int.recv() => break,
            notice = recorder.next() => match notice {
                Some(notice) => print(&format!("{notice}\n"))?,
                None => break,
            },
        }
    }
    print(&format!("replay with: windtunnel mock --config {}\n", out.display()))?;
    Ok(ExitCode::SUCCESS)
}
