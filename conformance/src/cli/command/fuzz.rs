//! `windtunnel fuzz`: random cases, told as they go, and the faults that they show.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use super::stop::{Ended, unless_stopped};
use super::{Error, print, saboteur};
use crate::cli::FuzzArgs;
use crate::fuzz::{self, Fault, Found, Plan};
use crate::render::{self, Style};
use crate::run::Setting;

pub(super) fn fuzz(args: &FuzzArgs) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::io("no runtime"))?;
    let target = runtime.block_on(super::run::ready(&args.target))?;
    let saboteur = args.sabotage.as_deref().map(saboteur).transpose()?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let number = |number: u32| usize::try_from(number).unwrap_or(1);
    let jobs = if target.concurrent() { args.jobs.map_or(4 * cores, number) } else { 1 };
    let plan = Plan {
        setting: Setting { saboteur, ..Setting::of(target) },
        cases: number(args.cases),
        seed: args.seed.unwrap_or_else(fuzz::any_seed),
        jobs,
        faults: number(args.faults),
        shrink: args.shrink,
        out: args.out.clone(),
    };
    let told = |ran, fault: Option<&Fault>| {
        progress(ran, plan.cases);
        if let Some(fault) = fault {
            tell(args, fault);
        }
    };
    let ended = runtime.block_on(unless_stopped(fuzz::run(&plan, told)))?;
    drop(runtime);
    progress_ends();
    match ended {
        Ended::Done(Ok(found)) => sum(&plan, &found),
        Ended::Done(Err(error)) => Err(Error::Input(error.to_string())),
        Ended::Stopped(code) => {
            eprintln!("error: stopped by a signal");
            Ok(ExitCode::from(code))
        }
    }
}

fn tell(args: &FuzzArgs, fault: &Fault) {
    progress_ends();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style { colour: !plain && std::io::stdout().is_terminal() };
    let text = render::failure(&fault.outcome, args.sabotage.as_deref(), style);
    let (file, case, steps) = (fault.file.display(), fault.case, fault.steps);
    let how =
        if fault.always { format!("made smaller {steps} times") } else { "which fails only now and then".to_owned() };
    // A reader that has gone does not end the search: the scenario is written.
    let _ = print(&format!("{text}\ncase {case}, {how}, is {file}\n\n"));
}

fn sum(plan: &Plan, found: &Found) -> Result<ExitCode, Error> {
    let (ran, faults, seed) = (found.ran - found.unsupported, found.faults.len(), plan.seed);
    let unsupported = match found.unsupported {
        0 => String::new(),
        some => format!(", {some} not claimed"),
    };
    let plural = if faults == 1 { "" } else { "s" };
    print(&format!("fuzz: {ran} cases{unsupported}, {faults} fault{plural}, --seed {seed}\n"))?;
    Ok(ExitCode::from(match (faults, ran) {
        (0, 0) => 3,
        (0, _) => 0,
        _ => 1,
    }))
}

fn progress(ran: usize, of: usize) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[2K[{ran}/{of}]");
        let _ = out.flush();
    }
}

fn progress_ends() {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r\x1b[2K");
    }
}
