//! `windtunnel bench`: from flags to a plan, from a run to tables, files and an exit code.

mod progress;

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use benches::arrivals::Spacing;
use benches::process::Tree;

use super::{Error, print};
use crate::bench::measure::{Bench, SAFE_SHARE, Told};
use crate::bench::model::{Ceiling, Run, SCHEMA};
use crate::bench::plan::{LanePlan, Paces, Plan, Shape, ShapePace};
use crate::bench::stand::{Place, Stand};
use crate::bench::url::{Manner, Url};
use crate::bench::{compare, html, machine, text};
use crate::cli::bench::{Arrivals, BenchArgs};
use crate::render::Style;
use crate::report::Kind;
use progress::Progress;

/// What is asked for when nothing is said.
const RATE: f64 = 500.0;
/// The name of the lane that others are compared with.
const FLOOR: &str = "floor";

pub(super) fn bench(args: &BenchArgs) -> Result<ExitCode, Error> {
    if let Some(sink) = args.report.iter().find(|sink| !matches!(sink.kind, Kind::Html | Kind::Json)) {
        return Err(Error::Input(format!("a benchmark is told as html or json, not as in {}", sink.path.display())));
    }
    for sink in &args.report {
        let writable = std::fs::OpenOptions::new().append(true).create(true).open(&sink.path);
        writable.map_err(Error::io(format!("cannot write {}", sink.path.display())))?;
    }
    let old =
        args.compare.as_deref().map(compare::read).transpose().map_err(|error| Error::Input(error.to_string()))?;
    let mut stand = Stand::new().map_err(Error::io("no temporary folder"))?;
    let plan = plan(args, &mut stand)?;
    let mut run = measure(args, &plan)?;
    run.notes.extend(stand.said().into_iter().map(|line| format!("the mock provider said: {line}")));
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = Style { colour: !plain && std::io::IsTerminal::is_terminal(&std::io::stdout()) };
    print(&text::text(&run, style))?;
    let mut worse = false;
    if let Some(old) = &old {
        let changes = compare::changes(old, &run);
        print(&compare::text(&changes))?;
        if changes.is_empty() && args.fail_on_regression.is_some() {
            eprintln!("error: nothing was compared: no case of one lane is in both runs");
            return Ok(ExitCode::from(3));
        }
        worse =
            args.fail_on_regression.is_some_and(|percent| changes.iter().any(|change| change.is_regression(percent)));
    }
    for sink in &args.report {
        let text = if sink.kind == Kind::Html { html::text(&run) } else { json(&run) };
        std::fs::write(&sink.path, text).map_err(Error::io(format!("cannot write {}", sink.path.display())))?;
    }
    Ok(exit_code(&run, worse))
}

fn json(run: &Run) -> String {
    // Strings, numbers and lists only.
    serde_json::to_string_pretty(run).expect("a run can always be written as JSON") + "\n"
}

fn exit_code(run: &Run, worse: bool) -> ExitCode {
    let targets = || run.lanes().filter(|(_, lane)| !lane.floor);
    if targets().any(|(_, lane)| lane.figures.is_empty() && lane.void() > 0) {
        eprintln!("error: a target has no window without a failure");
        return ExitCode::from(1);
    }
    if targets().all(|(_, lane)| lane.figures.is_empty()) {
        eprintln!("error: nothing was measured: no request was due, or none was answered");
        return ExitCode::from(3);
    }
    ExitCode::from(u8::from(worse || run.lanes().any(|(_, lane)| lane.void() > 0)))
}

fn plan(args: &BenchArgs, stand: &mut Stand) -> Result<Plan, Error> {
    let mut plan = Plan {
        lanes: Vec::new(),
        provider: None,
        stream: args.stream,
        prompts: args.prompt.clone(),
        paces: match (&args.rate, args.connections) {
            (Some(paces), _) => paces.clone(),
            (None, Some(callers)) => Paces::Callers(callers.into()),
            (None, None) => Paces::Rates(vec![RATE]),
        },
        spacing: if args.arrivals == Arrivals::Poisson { Spacing::Poisson } else { Spacing::Uniform },
        seed: args.seed,
        rounds: args.rounds.into(),
        window: args.window,
        warmup: args.warmup,
        timeout: args.timeout,
        connections: args.max_connections.into(),
        gap: args.pace,
        objective: args.slo,
        varies: args.varies,
        manner: manner(args)?,
    };
    if args.targets.is_empty() {
        own_lanes(args, stand, &mut plan)?
    } else {
        their_lanes(args, stand, &mut plan)?
    }
    Ok(plan)
}

fn manner(args: &BenchArgs) -> Result<Manner, Error> {
    if !args.headers.iter().all(|header| is_header(header)) {
        // not the text itself: it may be a key
        return Err(Error::Input("--header: write `NAME: VALUE`".to_owned()));
    }
    let mut headers = args.headers.clone();
    if let Some(variable) = &args.api_key_env {
        let key = std::env::var(variable).ok().filter(|key| !key.is_empty() && !key.contains(['\r', '\n']));
        let key = key
            .ok_or_else(|| Error::Input(format!("the environment variable {variable} of --api-key-env has no key")))?;
        headers.push(format!("authorization: Bearer {key}"));
    }
    Ok(Manner { model: args.model.clone(), headers })
}

fn is_header(text: &str) -> bool {
    let name = |(name, _): (&str, &str)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.split_once(':').is_some_and(name) && !text.contains(['\r', '\n'])
}

/// Mock, floor and reference gateway, all of our own.
fn own_lanes(args: &BenchArgs, stand: &mut Stand, plan: &mut Plan) -> Result<(), Error> {
    let mock = stand.mock(args.events.into(), args.pace).map_err(Error::io("the mock provider did not start"))?;
    let floor = stand.floor(mock.address).map_err(Error::io("the floor did not start"))?;
    let gateway = stand.gateway(mock.address).map_err(Error::io("the gateway did not start"))?;
    plan.provider = Some(Url::of(mock.address));
    plan.lanes = vec![own(FLOOR, floor), own("gateway", gateway)];
    Ok(())
}

fn own(name: &str, place: Place) -> LanePlan {
    LanePlan { name: name.to_owned(), floor: name == FLOOR, url: Url::of(place.address), tree: Some(place.tree) }
}

/// The targets of the command line, behind their floor.
fn their_lanes(args: &BenchArgs, stand: &mut Stand, plan: &mut Plan) -> Result<(), Error> {
    let provider = args.provider.as_deref().map(Url::parse).transpose().map_err(Error::Input)?;
    match (args.floor.as_deref(), &provider) {
        (Some("builtin"), Some(provider)) => {
            let floor = stand.floor(provider.address).map_err(Error::io("the floor did not start"))?;
            plan.lanes.push(own(FLOOR, floor));
        }
        (Some("builtin"), None) => {
            return Err(Error::Input(
                "`--floor builtin` stands in front of a provider: name it with --provider URL".to_owned(),
            ));
        }
        (Some(url), _) => plan.lanes.push(lane(args, FLOOR, url)?),
        (None, _) => {}
    }
    for (name, url) in &args.targets {
        if plan.lanes.iter().any(|lane| lane.name == *name) {
            return Err(Error::Input(format!("two targets are called `{name}`")));
        }
        plan.lanes.push(lane(args, name, url)?);
    }
    if let Some((name, _)) = args.pids.iter().find(|(name, _)| plan.lanes.iter().all(|lane| lane.name != *name)) {
        return Err(Error::Input(format!("--pid names `{name}`, which is no target")));
    }
    plan.provider = provider;
    Ok(())
}

fn lane(args: &BenchArgs, name: &str, url: &str) -> Result<LanePlan, Error> {
    let url = Url::parse(url).map_err(Error::Input)?;
    let tree = match args.pids.iter().find(|(known, _)| known == name) {
        Some((_, pid)) => {
            let tree = Tree::of(*pid);
            tree.usage().map_err(Error::io(format!("--pid {name}={pid}")))?;
            Some(tree)
        }
        None if is_here(url.address.ip()) => Tree::listening_on(url.address.port()),
        None => None,
    };
    Ok(LanePlan { name: name.to_owned(), floor: name == FLOOR, url, tree })
}

fn is_here(ip: IpAddr) -> bool {
    ip.is_loopback() || std::net::UdpSocket::bind((ip, 0)).is_ok()
}

fn measure(args: &BenchArgs, plan: &Plan) -> Result<Run, Error> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (machine, mut progress) = (machine::machine(), Progress::new());
    let mut tell = |told: &Told<'_>| progress.tell(told);
    let mut bench = Bench::new(plan, &mut tell).map_err(Error::io("the generator cannot start"))?;
    let ceilings = bench.ceilings().map_err(Error::io("the calibration failed"))?;
    let mut notes = notes(plan);
    let shapes = within(args, plan, &ceilings, &mut notes)?;
    let (cases, saturation) = bench.cases(&shapes).map_err(Error::io("the generator failed"))?;
    progress.clear();
    Ok(Run {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: machine::commit(),
        started,
        command: command(std::env::args_os().map(|argument| argument.to_string_lossy().into_owned())),
        seed: plan.seed,
        machine,
        ceilings,
        notes,
        cases,
        saturation,
    })
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

fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
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

/// The command line without what its headers say.
fn command(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut secret = false;
    let shown = arguments.map(|argument| {
        let hidden = std::mem::replace(&mut secret, argument == "--header");
        match argument.split_once('=') {
            _ if hidden => format!("{}: …", argument.split(':').next().unwrap_or_default()),
            Some(("--header", value)) => format!("--header={}: …", value.split(':').next().unwrap_or_default()),
            _ => argument,
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_report_has_no_header_values() {
        let shown = command(
            ["bench", "--header", "x-key: secret", "--header=y: secret", "--rate=5"].map(str::to_owned).into_iter(),
        );
        assert_eq!(shown, ["bench", "--header", "x-key: …", "--header=y: …", "--rate=5"]);
    }
}
