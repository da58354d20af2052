//! `windtunnel validate`: finds the backend, runs `crate::validate`, tells, and decides the exit code.

mod access;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use access::{access, masks};

use super::stop::{Ended, unless_stopped};
use super::{Error, print};
use crate::cli::ValidateArgs;
use crate::mask::Masks;
use crate::render::Style;
use crate::report::{file, tamed};
use crate::validate::answer::seconds;
use crate::validate::backend::{Access, Backend, Base, Unreachable};
use crate::validate::deviation::Expected;
use crate::validate::gather::{Budget, LONGEST};
use crate::validate::outcome::Outcome;
use crate::validate::plan::Plan;
use crate::validate::report::{list, text};
use crate::validate::select::select;
use crate::validate::survey::{FIRST, Survey, Wishes};
use crate::validate::through::{Changes, changes};
use crate::validate::{Setting, Told, run};

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
        budget: Budget {
            most: number(args.max_requests) / if args.through.is_some() { 2 } else { 1 },
            told: number(args.max_requests),
        },
        timeout: args.timeout,
    };
    file::check_all(&args.report).map_err(Error::Input)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::io("no runtime"))?;
    let ended = runtime.block_on(unless_stopped(validated(args, &setting, &access, style)));
    // A name that is still being looked up keeps nobody waiting.
    runtime.shutdown_background();
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
    let direct = outcome(&base, args, setting, access).await?;
    let Some(gateway) = gateway else {
        print(&text::text(&direct, style))?;
        return ended(args, &direct);
    };
    if direct.stopped.is_some() {
        print(&text::text(&direct, style))?;
        eprintln!(
            "error: there is nothing to compare: {}",
            match direct.asked() {
                0 => "without the gateway the backend itself does not answer",
                _ => "the backend was given up before it was asked through the gateway",
            }
        );
        return ended(args, &direct);
    }
    let mut other = outcome(&gateway, args, setting, access).await?;
    let url = other.url.clone();
    other.through = Some(std::mem::replace(&mut other.url, direct.url.clone()));
    if other.stopped.is_some() && other.asked() == 0 {
        print(&text::text(&other, style))?;
        eprintln!(
            "error: there is nothing to compare: the backend answers directly, and not through the gateway {url}"
        );
        return ended(args, &other);
    }
    let mut changes = changes(&direct, &other);
    if let Some(again) = again(setting, &changes, [&direct, &other]) {
        let (before, after) =
            (outcome(&base, args, &again, access).await?, outcome(&gateway, args, &again, access).await?);
        changes.confirm(&before, &after);
        other.requests += after.requests;
    }
    changes.settle(&direct, &mut other, args.level);
    print(&text::changes(&direct, &other, &changes, style))?;
    ended(args, &other)
}

/// The checks that are worse through the gateway, which may be by chance, once more with the requests that are left.
fn again(setting: &Setting, changes: &Changes, [direct, through]: [&Outcome; 2]) -> Option<Setting> {
    let worse: Vec<&str> = changes.worse().collect();
    let most = setting.budget.told.saturating_sub(direct.requests + through.requests) / 2;
    if worse.is_empty() || most < FIRST || through.stopped.is_some() {
        return None;
    }
    eprintln!("worse through the gateway, so asked once more both ways: {}", worse.join(", "));
    let checks = setting.checks.iter().copied().filter(|check| worse.contains(&check.id)).collect();
    Some(Setting { checks, budget: Budget { most, ..setting.budget }, ..setting.clone() })
}

/// Writes the reports, and says how it ended.
fn ended(args: &ValidateArgs, outcome: &Outcome) -> Result<ExitCode, Error> {
    for sink in &args.report {
        let text = sink.kind.text(outcome);
        std::fs::write(&sink.path, text).map_err(Error::io(format!("cannot write {}", sink.path.display())))?;
    }
    Ok(ExitCode::from(outcome.exit_code()))
}

/// One run, without secrets; also of who cannot be found.
async fn outcome(base: &Base, args: &ValidateArgs, setting: &Setting, access: &Access) -> Result<Outcome, Error> {
    let (url, masks) = (base.to_string(), masks(access));
    let mut outcome = match Backend::find(base.clone(), access, setting.timeout).await {
        Ok(backend) => run(&Arc::new(backend), setting, &Teller { setting, masks: &masks }).await,
        Err(Unreachable::Tls(error)) => return Err(input(error)),
        Err(error) => {
            let why = error.to_string();
            Outcome { stopped: Some(why.clone()), ..setting.nothing(url, &why) }
        }
    };
    progress_ends();
    outcome.settle(&setting.expected, args.level);
    outcome.hide(&masks);
    Ok(outcome)
}

fn parsed(url: &str) -> Result<Base, Error> {
    Base::parse(url).map_err(input)
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
    masks: &'s Masks,
}

impl Told for Teller<'_> {
    fn planned(&self, survey: &Survey, plan: &Plan) {
        let Setting { concurrency, timeout, .. } = self.setting;
        eprintln!(
            "{}: {} requests, at most {} tokens; {concurrency} at once, at most {} in all",
            tamed(&self.masks.hide(&survey.facts.model)),
            plan.requests,
            plan.tokens,
            seconds(timeout.saturating_mul(LONGEST))
        );
    }

    fn asked(&self, requests: usize, of: usize) {
        let mut out = std::io::stderr();
        if out.is_terminal() {
            let _ = write!(out, "\r\x1b[2K[{requests}/{}] requests", of.max(requests));
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
