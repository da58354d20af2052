//! `windtunnel bench`: from flags to a plan, from a run to tables, files and an exit code.

mod lanes;
mod limit;
mod progress;
mod verdict;

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use super::stop::Watch;
use super::{Error, print};
use crate::bench::compare::{self, Comparison};
use crate::bench::measure::{Bench, SAFE_SHARE, Told};
use crate::bench::model::{Ceiling, Run, SCHEMA, Settings};
use crate::bench::plan::{Paces, Plan, Shape, ShapePace};
use crate::bench::stand::Stand;
use crate::bench::{html, machine, text};
use crate::cli::bench::BenchArgs;
use crate::render::Style;
use crate::report::{Kind, file};
use progress::Progress;

pub(super) fn bench(args: &BenchArgs) -> Result<ExitCode, Error> {
    if let Some(sink) = args.report.iter().find(|sink| !matches!(sink.kind, Kind::Html | Kind::Json)) {
        return Err(Error::Input(format!("a benchmark is told as html or json, not as in {}", sink.path.display())));
    }
    file::check_all(&args.report).map_err(Error::Input)?;
    let old =
        args.compare.as_deref().map(compare::read).transpose().map_err(|error| Error::Input(error.to_string()))?;
    let watch = Watch::start()?;
    let mut stand = Stand::new().map_err(Error::io("no temporary folder"))?;
    let files = limit::raised();
    let mut plan = lanes::plan(args, &mut stand)?;
    limit::fit(&mut plan, files)?;
    let (mut run, stopped) = measure(args, &plan, &watch)?;
    run.notes.extend(stand.said().into_iter().map(|line| format!("the mock provider said: {line}")));
    let stopped = watch.came().filter(|_| stopped);
    if let Some(code) = stopped.filter(|_| run.cases.is_empty()) {
        eprintln!("error: stopped by a signal before anything was measured; no report is written");
        return Ok(ExitCode::from(code));
    }
    let compared = old.map(|old| Comparison::of(&old, &run));
    tell(args, &run, compared.as_ref())?;
    Ok(match stopped {
        Some(code) => {
            eprintln!("error: stopped by a signal; what was measured by then is told");
            ExitCode::from(code)
        }
        None => verdict::exit_code(&run, compared.as_ref(), args.fail_on_regression),
    })
}

/// On the terminal and in the files.
fn tell(args: &BenchArgs, run: &Run, compared: Option<&Comparison>) -> Result<(), Error> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style { colour: !plain && std::io::IsTerminal::is_terminal(&std::io::stdout()) };
    print(&text::text(run, style))?;
    if let Some(compared) = compared {
        print(&compare::text(compared))?;
    }
    for sink in &args.report {
        let text = if sink.kind == Kind::Html { html::text(run) } else { json(run) };
        std::fs::write(&sink.path, text).map_err(Error::io(format!("cannot write {}", sink.path.display())))?;
    }
    Ok(())
}

fn json(run: &Run) -> String {
    // Strings, numbers and lists only.
    serde_json::to_string_pretty(run).expect("a run can always be written as JSON") + "\n"
}

/// The run, and whether it was stopped before all was measured.
fn measure(args: &BenchArgs, plan: &Plan, watch: &Watch) -> Result<(Run, bool), Error> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (machine, mut progress) = (machine::machine(), Progress::new());
    let mut tell = |told: &Told<'_>| {
        progress.tell(told);
        if watch.came().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut bench = Bench::new(plan, &mut tell).map_err(Error::io("the generator cannot start"))?;
    let ceilings = bench.ceilings().map_err(Error::io("the calibration failed"))?;
    let mut notes = notes(args, plan);
    let shapes = within(args, plan, &ceilings, &mut notes)?;
    let (cases, saturation) = bench.cases(&shapes).map_err(Error::io("the generator failed"))?;
    let stopped = bench.is_stopped();
    progress.clear();
    if stopped {
        let measured: usize = cases.iter().flat_map(|case| &case.lanes).map(|lane| lane.windows.len()).sum();
        let planned = shapes.len() * plan.lanes.len() * plan.rounds;
        notes.push(format!("stopped by a signal when {measured} of {planned} windows were measured"));
    }
    let run = Run {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: machine::commit(),
        started,
        command: command(std::env::args_os().map(|argument| argument.to_string_lossy().into_owned())),
        seed: plan.seed,
        settings: Some(settings(args, plan)),
        machine,
        ceilings,
        notes,
        cases,
        saturation,
    };
    Ok((run, stopped))
}

fn settings(args: &BenchArgs, plan: &Plan) -> Settings {
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let (own, builtin) = (args.targets.is_empty(), || "builtin".to_owned());
    Settings {
        window_ms: ms(plan.window),
        warmup_ms: ms(plan.warmup),
        timeout_ms: ms(plan.timeout),
        objective_ms: plan.is_sweep().then(|| ms(plan.objective)),
        rounds: plan.rounds,
        arrivals: format!("{:?}", args.arrivals).to_lowercase(),
        max_connections: plan.connections,
        events: own.then_some(args.events),
        floor: args.floor.clone().or_else(|| own.then(builtin)),
        provider: args.provider.clone().or_else(|| own.then(builtin)),
        model: Some(args.model.clone()),
        varies: Some(args.varies),
    }
}

/// The loads that the instruments can keep. A rate that they cannot is refused, and left out of a sweep.
fn within(args: &BenchArgs, plan: &Plan, ceilings: &[Ceiling], notes: &mut Vec<String>) -> Result<Vec<Shape>, Error> {
    let mut kept = Vec::new();
    let mut ended = None;
    for shape in plan.shapes() {
        if ended == Some(shape.prompt) {
            continue;
        }
        // The provider's comes behind the generator's, and has it in it.
        let ceiling = ceilings.iter().rfind(|ceiling| ceiling.prompt == shape.prompt as u64);
        let ceiling = ceiling.map_or(f64::INFINITY, |ceiling| ceiling.rate);
        let ShapePace::Rate(rate) = shape.pace else {
            kept.push(shape);
            continue;
        };
        if rate > ceiling && !args.force {
            let why = format!("{rate}/s is above the {ceiling:.0}/s that the instruments can do here by themselves");
            if !plan.is_sweep() {
                return Err(Error::Input(format!("{why}; lower --rate, or measure them with --force")));
            }
            notes.push(format!("{why} with prompts of {} bytes; the sweep ends below", shape.prompt));
            ended = Some(shape.prompt);
            continue;
        }
        if rate > ceiling * SAFE_SHARE {
            notes.push(format!(
                "{}: above {SAFE_SHARE} of what generator and provider can do, so partly about them",
                plan.name(shape)
            ));
        }
        kept.push(shape);
    }
    Ok(kept)
}

/// What a reader has to know of the plan.
fn notes(args: &BenchArgs, plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    if !matches!(plan.paces, Paces::Callers(_)) && plan.connections < args.max_connections.into() {
        notes.push(format!(
            "{} connections of each lane at most, and not {}: this process may open no more files (`ulimit -n`)",
            plan.connections, args.max_connections
        ));
    }
    if matches!(plan.paces, Paces::Callers(_)) {
        notes.push("a closed loop: callers that wait do not ask, so stalls are not charged for".to_owned());
    }
    if plan.rounds < 6 {
        notes.push(format!(
            "intervals are the range of all windows (--rounds {}), which covers {:.1} %",
            plan.rounds,
            100.0 * (1.0 - 0.5f64.powi(plan.rounds as i32 - 1))
        ));
    }
    if plan.is_sweep() {
        let objective = plan.objective.as_secs_f64() * 1e3;
        notes.push(format!("the objective of the sweep: p99 of latency within {objective} ms (--slo), and no failure"));
    }
    for lane in plan.lanes.iter().filter(|lane| lane.tree.is_none()) {
        notes.push(format!(
            "{}: its process is not known here, so neither CPU time nor memory; --pid {}=PID names it",
            lane.name, lane.name
        ));
    }
    if !plan.lanes.iter().any(|lane| lane.floor) {
        notes
            .push("no floor: latencies have provider and machine in them; --floor tells what a target adds".to_owned());
    }
    notes
}

/// The command line without what its headers say, and without the folder of the program.
fn command(mut arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut secret = false;
    let program = arguments.next().map(|path| path.rsplit('/').next().unwrap_or_default().to_owned());
    let shown = arguments.map(|argument| {
        let hidden = std::mem::replace(&mut secret, argument == "--header");
        match argument.split_once('=') {
            _ if hidden => format!("{}: …", argument.split(':').next().unwrap_or_default()),
            Some(("--header", value)) => format!("--header={}: …", value.split(':').next().unwrap_or_default()),
            _ => argument,
        }
    });
    program.into_iter().chain(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_report_has_no_header_values() {
        let shown = command(
            ["/a/windtunnel", "bench", "--header", "x-key: secret", "--header=y: secret", "--rate=5"]
                .map(str::to_owned)
                .into_iter(),
        );
        assert_eq!(shown, ["windtunnel", "bench", "--header", "x-key: …", "--header=y: …", "--rate=5"]);
    }
}
