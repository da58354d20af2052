//! `windtunnel validate`: finds the backend, runs `crate::validate`, tells, and decides the exit code.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use super::stop::{Ended, unless_stopped};
use super::{Error, print};
use crate::cli::ValidateArgs;
use crate::mask::Masks;
use crate::render::Style;
use crate::validate::answer::seconds;
use crate::validate::backend::{Access, Backend, Base};
use crate::validate::deviation::Expected;
use crate::validate::gather::LONGEST;
use crate::validate::outcome::Outcome;
use crate::validate::plan::Plan;
use crate::validate::report::{list, text};
use crate::validate::select::select;
use crate::validate::survey::{Survey, Wishes};
use crate::validate::{Setting, Told, run, through};

pub(super) fn validate(args: &ValidateArgs) -> Result<ExitCode, Error> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style { colour: !plain && std::io::stdout().is_terminal() };
    if args.list {
        return print(&list::list(style)).map(|()| ExitCode::SUCCESS);
    }
    if let Some(name) = &args.explain {
        let checks = match select(std::slice::from_ref(name)) {
            Ok(checks) => checks,
            Err(error) => return Ok(nothing(&error)),
        };
        let texts: Vec<String> = checks.into_iter().map(|check| list::explain(check, style)).collect();
        return print(&texts.join("\n")).map(|()| ExitCode::SUCCESS);
    }
    let checks = match select(&args.only) {
        Ok(checks) => checks,
        Err(error) => return Ok(nothing(&error)),
    };
    let access = access(args)?;
    let setting = Setting {
        checks,
        wishes: Wishes {
            model: args.model.clone(),
            embeddings_model: args.embeddings_model.clone(),
            context_window: args.context_window,
            burst: args.burst.map(number),
            key: access.key.is_some(),
        },
        expected: Expected::of(&args.quirks).map_err(input)?,
        concurrency: number(args.concurrency),
        max_requests: number(args.max_requests),
        timeout: args.timeout,
    };
    for sink in &args.report {
        // Noticed now, not after a long run; an older report stays until there is a newer one.
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(&sink.path);
        opened.map_err(Error::io(format!("cannot write {}", sink.path.display())))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::io("no runtime"))?;
    let ended = runtime.block_on(unless_stopped(validated(args, &setting, &access, style)));
    drop(runtime);
    progress_ends();
    match ended? {
        Ended::Done(code) => code,
        Ended::Stopped(code) => {
            eprintln!("error: stopped by a signal");
            Ok(ExitCode::from(code))
        }
    }
}

async fn validated(args: &ValidateArgs, setting: &Setting, access: &Access, style: Style) -> Result<ExitCode, Error> {
    let url = args.base_url.as_deref().unwrap_or_default();
    let (base, gateway) = (parsed(url)?, args.through.as_deref().map(parsed).transpose()?);
    let Some(direct) = outcome(base, args, setting, access).await? else { return Ok(ExitCode::from(1)) };
    let Some(gateway) = gateway else {
        print(&text::text(&direct, style))?;
        write(args, &direct)?;
        return Ok(ExitCode::from(direct.exit_code()));
    };
    let Some(mut other) = outcome(gateway, args, setting, access).await? else { return Ok(ExitCode::from(1)) };
    if let Some(why) = direct.stopped.as_ref().or(other.stopped.as_ref()) {
        eprintln!("error: there is nothing to compare: {why}");
        return Ok(ExitCode::from(1));
    }
    let changes = through::changes(&direct, &other);
    print(&text::changes(&direct, &other, &changes, style))?;
    // what counts is what the gateway made worse, and not what the backend does by itself
    for check in &mut other.checks {
        let worse = |change: &through::Change| change.through.id == check.id && change.is_worse();
        check.fails = check.level <= args.level && changes.iter().any(worse);
    }
    other.through = Some(std::mem::replace(&mut other.url, direct.url));
    write(args, &other)?;
    Ok(ExitCode::from(other.exit_code()))
}

/// One run, without secrets; none when the backend cannot be found.
async fn outcome(
    base: Base,
    args: &ValidateArgs,
    setting: &Setting,
    access: &Access,
) -> Result<Option<Outcome>, Error> {
    let backend = match Backend::find(base, access, setting.timeout).await {
        Ok(backend) => Arc::new(backend),
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(None);
        }
    };
    let mut outcome = run(&backend, setting, &Teller { setting }).await;
    progress_ends();
    outcome.settle(&setting.expected, args.level);
    let headers = access.headers.iter().map(|(_, value)| value.clone());
    let secrets = access.key.iter().cloned().chain(headers.filter(|value| value.len() >= 8));
    outcome.hide(&Masks::new(secrets.map(|secret| (secret, "[secret]".to_owned()))));
    Ok(Some(outcome))
}

fn parsed(url: &str) -> Result<Base, Error> {
    Base::parse(url).map_err(input)
}

fn access(args: &ValidateArgs) -> Result<Access, Error> {
    let key = args.api_key_env.as_deref().map(|name| match std::env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(key.trim().to_owned()),
        _ => Err(Error::Input(format!("--api-key-env: the environment variable {name} is not set, or empty"))),
    });
    let headers = args.headers.iter().map(|header| {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        let good = http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value.trim()).is_ok();
        // not the text itself: it may be a key
        let wrong = || Error::Input("--header: write NAME: VALUE".to_owned());
        if good && !value.is_empty() { Ok((name.to_ascii_lowercase(), value.trim().to_owned())) } else { Err(wrong()) }
    });
    let key = key.transpose()?;
    if key.as_deref().is_some_and(|key| http::HeaderValue::try_from(key).is_err()) {
        return Err(Error::Input("--api-key-env: the key has characters that no header may have".to_owned()));
    }
    let roots =
        args.ca.as_ref().map(|path| std::fs::read(path).map_err(Error::io(format!("cannot read {}", path.display()))));
    Ok(Access { key, headers: headers.collect::<Result<_, _>>()?, roots: roots.transpose()? })
}

fn write(args: &ValidateArgs, outcome: &Outcome) -> Result<(), Error> {
    for sink in &args.report {
        let text = sink.kind.text(outcome);
        std::fs::write(&sink.path, text).map_err(Error::io(format!("cannot write {}", sink.path.display())))?;
    }
    Ok(())
}

/// Names that fit no check: nothing ran.
fn nothing(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(3)
}

fn input(error: impl std::fmt::Display) -> Error {
    Error::Input(error.to_string())
}

fn number(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Says before a run what it will take, and while it goes on how far it is.
struct Teller<'s> {
    setting: &'s Setting,
}

impl Told for Teller<'_> {
    fn planned(&self, survey: &Survey, plan: &Plan) {
        let Setting { concurrency, timeout, .. } = self.setting;
        eprintln!(
            "{}: {} requests, at most {} tokens; {concurrency} at once, at most {} in all",
            survey.facts.model,
            plan.requests,
            plan.tokens,
            seconds(timeout.saturating_mul(LONGEST))
        );
    }

    fn asked(&self, requests: usize, of: usize) {
        let mut out = std::io::stderr();
        if out.is_terminal() {
            let _ = write!(out, "\r\x1b[2K[{requests}/{of}] requests");
            let _ = out.flush();
        }
    }
}

fn progress_ends() {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[2K");
    }
}
