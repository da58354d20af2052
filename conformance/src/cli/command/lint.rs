//! `windtunnel lint`: reads manifests, shows what `crate::lint` finds, and decides the exit code.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gateway::yaml::Source;

use super::{Error, print};
use crate::cli::LintArgs;
use crate::lint::{self, show};
use crate::render::Style;

pub(super) fn lint(args: &LintArgs) -> Result<ExitCode, Error> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style { colour: !plain && std::io::stdout().is_terminal() };
    if args.list {
        return print(&show::list(style)).map(|()| ExitCode::SUCCESS);
    }
    if let Some(rule) = args.explain {
        return print(&show::explain(rule, style)).map(|()| ExitCode::SUCCESS);
    }
    let sources = sources(&args.manifests)?;
    let mut outcome = lint::lint(&sources);
    if outcome.objects == 0 {
        return Err(Error::Input("no manifests that a gateway could serve were found".to_owned()));
    }
    let allowed = |id: &str| args.allow.iter().any(|rule| rule.id == id);
    outcome.findings.retain(|finding| !allowed(finding.rule.id));
    let denied = outcome.findings.iter().any(|finding| finding.severity >= args.deny);
    outcome.findings.retain(|finding| finding.severity >= args.level);
    print(&show::show(&outcome.findings, args.format, style))?;
    Ok(ExitCode::from(u8::from(denied)))
}

/// The texts, in the order given; a folder's by name.
fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Error> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    files.into_iter().map(source).collect()
}

fn source(path: PathBuf) -> Result<Source, Error> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(Error::io("cannot read standard input"))?;
        return Ok(Source::new("<stdin>", text));
    }
    let text = std::fs::read_to_string(&path).map_err(Error::io(format!("cannot read {}", path.display())))?;
    Ok(Source::new(path, text))
}

/// A file, or all manifests below a folder; hidden ones are left out.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let cannot = || Error::io(format!("cannot read {}", path.display()));
    let entries: Result<Vec<_>, _> = std::fs::read_dir(path).map_err(cannot())?.collect();
    let mut below: Vec<PathBuf> = entries.map_err(cannot())?.into_iter().map(|entry| entry.path()).collect();
    below.sort();
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    for path in below.into_iter().filter(|path| !hidden(path)) {
        let manifest = path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
        if manifest || path.is_dir() {
            collect(&path, files)?;
        }
    }
    Ok(())
}
