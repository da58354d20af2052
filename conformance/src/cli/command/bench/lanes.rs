//! Whom a benchmark asks, and how: from flags to a plan, with the processes of a run that brings its own.

use std::net::IpAddr;

use benches::arrivals::Spacing;
use benches::process::Tree;

use super::Error;
use crate::bench::plan::{LanePlan, Paces, Plan};
use crate::bench::stand::{Place, Stand};
use crate::bench::url::{Manner, Url};
use crate::cli::bench::{Arrivals, BenchArgs};

/// What is asked for when nothing is said.
const RATE: f64 = 500.0;
/// The name of the lane that others are compared with.
const FLOOR: &str = "floor";

/// The plan; its processes start in `stand`.
pub(super) fn plan(args: &BenchArgs, stand: &mut Stand) -> Result<Plan, Error> {
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
    let names: Vec<String> = plan.shapes().into_iter().map(|shape| plan.name(shape)).collect();
    if let Some((_, name)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(Error::Input(format!("`{name}` is asked for twice, by --rate or --prompt")));
    }
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
    let stream = args.pace.unwrap_or_default() * u32::from(args.events);
    let limits = [("timeout", Some(args.timeout)), ("slo", plan.is_sweep().then_some(args.slo))];
    for (flag, limit) in limits.into_iter().filter_map(|(flag, limit)| Some((flag, limit?))) {
        if stream >= limit {
            let why = format!("a stream of --events {} takes {stream:?} at this --pace, and --{flag}", args.events);
            return Err(Error::Input(format!("{why} gives it {limit:?}: shorten the one or raise the other")));
        }
    }
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
