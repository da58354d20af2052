//! Runs a plan: calibration, warm-up, then windows of all lanes in turn, round by round, in rotating order.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use benches::constant::Constant;
use benches::load::{Client, Load, Pace, Request};
use benches::process::{Tree, Usage};
use benches::sample::{Durations, Sample};

use super::figures;
use super::model::{Case, Ceiling, Lane, Metric, Saturation};
use super::plan::{LanePlan, Plan, Shape, ShapePace};
use super::url::Url;

/// How long the instruments are tried for each kind of request.
const CALIBRATION: Duration = Duration::from_millis(700);
/// Callers that keep them busy.
const CALLERS: usize = 32;
/// What ended a sweep of which the end was not seen.
const STOPPED: &str = "the run was stopped";
/// The share of the instruments' own rate above which a figure is about them.
pub const SAFE_SHARE: f64 = 0.5;

/// What is told while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Told<'a> {
    /// A window is running: what it is, how long it has, good answers, failures.
    Running(&'a str, Duration, u64, u64),
    /// A window has ended, with its words.
    Ended(String),
}

/// Whom it is told; he may end the run while a window is running.
pub type Teller<'a> = &'a mut dyn FnMut(&Told<'_>) -> ControlFlow<()>;

/// The measuring of a plan.
pub struct Bench<'a> {
    plan: &'a Plan,
    clients: Vec<Client>,
    tell: Teller<'a>,
    /// The teller has ended it.
    stopped: bool,
}

/// A lane in the middle of a case.
struct Running {
    lane: Lane,
    latency: Durations,
    event_lag: Durations,
    request: Request,
    /// It answers nothing, or is saturated.
    out: bool,
}

impl<'a> Bench<'a> {
    /// Prepares; nothing is sent yet.
    pub fn new(plan: &'a Plan, tell: Teller<'a>) -> io::Result<Self> {
        let clients = plan.lanes.iter().map(|lane| Client::new(lane.url.address)).collect::<io::Result<_>>()?;
        Ok(Self { plan, clients, tell, stopped: false })
    }

    /// Whether it was ended before all was measured.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What generator and provider can do by themselves with each kind of request.
    pub fn ceilings(&mut self) -> io::Result<Vec<Ceiling>> {
        let (plan, constant) = (self.plan, Url::of(Constant::start(64)?.address()));
        // A paced provider is as slow as it says.
        let provider = plan.provider.as_ref().filter(|_| plan.gap.is_none());
        let instruments = [Some(("generator", &constant)), provider.map(|provider| ("provider", provider))];
        let mut ceilings = Vec::new();
        for &prompt in &plan.prompts {
            for (what, url) in instruments.into_iter().flatten() {
                if self.stopped {
                    break;
                }
                let (what, stream, rate) = (what.to_owned(), plan.stream, self.ceiling(url, prompt)?);
                ceilings.extend(rate.map(|rate| Ceiling { what, stream, prompt: prompt as u64, rate }));
            }
        }
        Ok(ceilings)
    }

    fn ceiling(&mut self, url: &Url, prompt: usize) -> io::Result<Option<f64>> {
        let load = Load {
            pace: Pace::Closed { connections: CALLERS },
            window: CALIBRATION,
            timeout: self.plan.timeout,
            connections: CALLERS,
            gap: None,
        };
        // what the answers say is not the question here
        let request = Request { varies: true, ..self.request(url, prompt) };
        let tell = &mut self.tell;
        let name = format!("calibration with {}", url.text);
        let ended = Client::new(url.address)?
            .run(&request, &load, &mut |at, good, failed| tell(&Told::Running(&name, at, good, failed)))?;
        self.stopped |= ended.is_none();
        Ok(ended.filter(|(sample, _)| sample.good() > 0).map(|(sample, _)| sample.throughput()))
    }

    fn request(&self, url: &Url, prompt: usize) -> Request {
        let (stream, varies) = (self.plan.stream, self.plan.varies);
        Request { bytes: url.request(&self.plan.manner, stream, prompt), stream, text: None, varies }
    }

    /// All cases; in a sweep until no lane is left. Of a run that was ended: what was measured by then.
    pub fn cases(&mut self, shapes: &[Shape]) -> io::Result<(Vec<Case>, Vec<Saturation>)> {
        let (mut cases, mut ends) = (Vec::new(), Vec::new());
        for &prompt in &self.plan.prompts {
            let mut saturation: Vec<Saturation> =
                self.plan.lanes.iter().map(|lane| self.unsaturated(lane, prompt)).collect();
            for &shape in shapes.iter().filter(|shape| shape.prompt == prompt) {
                let out: Vec<bool> = saturation.iter().map(|one| one.ended_by.is_some()).collect();
                if self.stopped || out.iter().all(|out| *out) {
                    break;
                }
                let case = self.case(shape, &out)?;
                if let (true, false, ShapePace::Rate(rate)) = (self.plan.is_sweep(), self.stopped, shape.pace) {
                    saturation.iter_mut().for_each(|one| reached(one, &case, rate, self.plan.objective));
                }
                cases.extend(Some(case).filter(|case| !case.lanes.is_empty()));
            }
            ends.extend(saturation.into_iter().filter(|_| self.plan.is_sweep()).filter_map(|one| self.came(one)));
        }
        Ok((cases, ends))
    }

    /// How far a lane came; nothing where not even one rate was measured to its end.
    fn came(&self, one: Saturation) -> Option<Saturation> {
        let is_measured = one.rate.is_some() || one.ended_by.is_some();
        let ended_by = one.ended_by.or_else(|| self.stopped.then(|| STOPPED.to_owned()));
        is_measured.then_some(Saturation { ended_by, ..one })
    }

    fn unsaturated(&self, lane: &LanePlan, prompt: usize) -> Saturation {
        let (stream, prompt) = (self.plan.stream, prompt as u64);
        Saturation { lane: lane.name.clone(), stream, prompt, rate: None, ended_by: None }
    }

    fn case(&mut self, shape: Shape, out: &[bool]) -> io::Result<Case> {
        let plan = self.plan;
        let mut lanes: Vec<Running> =
            plan.lanes.iter().map(|lane| Running::new(lane, self.request(&lane.url, shape.prompt))).collect();
        let mut text = None;
        for (at, out) in out.iter().enumerate() {
            lanes[at].out = *out;
            lanes[at].request.text = text;
            text = text.or(self.warm(&mut lanes, at, shape)?);
        }
        for round in 0..plan.rounds {
            for turn in 0..lanes.len() {
                self.window(&mut lanes, (round + turn) % plan.lanes.len(), shape, round)?;
            }
        }
        let mut lanes: Vec<Lane> =
            lanes.into_iter().map(Running::finish).filter(|lane| !lane.windows.is_empty()).collect();
        figures::fill(&mut lanes);
        let (rate, connections) = match shape.pace {
            ShapePace::Rate(rate) => (Some(rate), None),
            ShapePace::Callers(callers) => (None, Some(callers)),
        };
        Ok(Case { name: plan.name(shape), stream: plan.stream, prompt: shape.prompt as u64, rate, connections, lanes })
    }

    /// Connections, caches and branch history; also says what text the answers have. A lane that gives no good answer
    /// is measured no further, and this is its one window.
    fn warm(&mut self, lanes: &mut [Running], at: usize, shape: Shape) -> io::Result<Option<u64>> {
        if lanes[at].out || self.stopped {
            return Ok(None);
        }
        let load = self.plan.load(shape, u64::MAX, self.plan.warmup);
        let Some((sample, text)) = self.run(&lanes[at], at, "warm-up", &load)? else { return Ok(None) };
        lanes[at].request.text = text;
        if sample.good() == 0 && sample.failed() > 0 {
            lanes[at].out = true;
            lanes[at].lane.windows.push(figures::window(0, &sample, false));
            self.told(&lanes[at].lane, "warm-up", &sample);
        }
        Ok(text)
    }

    fn window(&mut self, lanes: &mut [Running], at: usize, shape: Shape, round: usize) -> io::Result<()> {
        let plan = self.plan;
        if lanes[at].out || self.stopped {
            return Ok(());
        }
        let name = format!("{}, round {}/{}", plan.name(shape), round + 1, plan.rounds);
        let before = usage(plan.lanes[at].tree);
        let load = plan.load(shape, round as u64, plan.window);
        let Some((sample, _)) = self.run(&lanes[at], at, &name, &load)? else { return Ok(()) };
        let after = usage(plan.lanes[at].tree);
        let mut window = figures::window(round, &sample, plan.is_sweep());
        window.resident_mib = after.map(|after| after.resident as f64 / f64::from(1 << 20));
        window.cpu = before
            .zip(after)
            .filter(|_| sample.good() > 0)
            // a process that has ended meanwhile took its time with it
            .and_then(|(before, after)| after.cpu.checked_sub(before.cpu))
            .map(|used| used.as_secs_f64() * 1e6 / sample.good() as f64);
        if !window.void {
            lanes[at].latency.add(&sample.latency);
            lanes[at].event_lag.add(&sample.event_lag);
        }
        lanes[at].lane.windows.push(window);
        self.told(&lanes[at].lane, &name, &sample);
        Ok(())
    }

    /// One window; none when it was ended.
    fn run(&mut self, lane: &Running, at: usize, name: &str, load: &Load) -> io::Result<Option<(Sample, Option<u64>)>> {
        let (tell, name) = (&mut self.tell, format!("{}: {name}", lane.lane.name));
        let ended = self.clients[at]
            .run(&lane.request, load, &mut |time, good, failed| tell(&Told::Running(&name, time, good, failed)))?;
        self.stopped |= ended.is_none();
        Ok(ended)
    }

    fn told(&mut self, lane: &Lane, name: &str, sample: &Sample) {
        let window = lane.windows.last().expect("a window is told when it is there");
        let outcome = match window.faults.first() {
            Some((fault, count)) => {
                format!("{}{} failed ({fault} {count}×)", if window.void { "VOID, " } else { "" }, sample.failed())
            }
            None => format!("p50 {:.0} µs, p99 {:.0} µs", window.p50, window.p99),
        };
        // who ends the run is asked again by the next window
        let _ = (self.tell)(&Told::Ended(format!("{}: {name}: {} answers, {outcome}", lane.name, sample.good())));
    }
}

impl Running {
    fn new(plan: &LanePlan, request: Request) -> Self {
        let lane = Lane {
            name: plan.name.clone(),
            floor: plan.floor,
            windows: Vec::new(),
            figures: Vec::new(),
            latency: Vec::new(),
            event_lag: Vec::new(),
        };
        Self { lane, latency: Durations::default(), event_lag: Durations::default(), request, out: false }
    }

    fn finish(mut self) -> Lane {
        self.lane.latency = figures::curve(&self.latency);
        self.lane.event_lag = figures::curve(&self.event_lag);
        self.lane
    }
}

fn usage(tree: Option<Tree>) -> Option<Usage> {
    tree?.usage().ok()
}

/// Notes how far a lane came with a case of a sweep.
fn reached(one: &mut Saturation, case: &Case, rate: f64, objective: Duration) {
    let Some(lane) = case.lanes.iter().find(|lane| lane.name == one.lane) else { return };
    let failed: u64 = lane.windows.iter().flat_map(|window| &window.faults).map(|(_, count)| count).sum();
    let p99 = lane.figure(Metric::LatencyP99).map(|figure| figure.value.median);
    let objective = objective.as_secs_f64() * 1e6;
    match p99 {
        _ if failed > 0 => one.ended_by = Some(format!("{failed} failures at {rate}/s")),
        None => one.ended_by = Some(format!("no answers at {rate}/s")),
        Some(p99) if p99 > objective => one.ended_by = Some(format!("p99 of {:.1} ms at {rate}/s", p99 / 1e3)),
        Some(_) => one.rate = Some(rate),
    }
}

#[cfg(test)]
mod tests {
    use benches::arrivals::Spacing;

    use super::super::model::{Estimate, Figure, Window};
    use super::super::plan::Paces;
    use super::super::url::Manner;
    use super::*;

    fn case(p99: Option<f64>, failed: u64) -> Case {
        let value = |median| Estimate { median, low: median, high: median, coverage: 0.95 };
        let figure = |p99| Figure { metric: Metric::LatencyP99, value: value(p99), added: None, times: None };
        let faults = if failed > 0 { vec![("status 503".to_owned(), failed)] } else { Vec::new() };
        let lane = Lane {
            name: "mine".to_owned(),
            floor: false,
            windows: vec![Window { faults, ..Window::default() }],
            figures: p99.map(figure).into_iter().collect(),
            latency: Vec::new(),
            event_lag: Vec::new(),
        };
        Case { name: String::new(), stream: false, prompt: 0, rate: None, connections: None, lanes: vec![lane] }
    }

    /// A sweep over two prompts and two rates that is stopped in the first window whose name has this in it.
    fn stopped_at(part: &str) -> (Vec<Case>, Vec<Saturation>) {
        let url = Url::of(Constant::start(1).unwrap().address());
        let plan = Plan {
            lanes: vec![LanePlan { name: "mine".to_owned(), floor: false, url, tree: None }],
            provider: None,
            stream: false,
            prompts: vec![16, 32],
            paces: Paces::Sweep(vec![20.0, 40.0]),
            spacing: Spacing::Uniform,
            seed: 1,
            rounds: 1,
            // longer than it takes until the first word is told
            window: Duration::from_millis(250),
            warmup: Duration::ZERO,
            timeout: Duration::from_secs(60),
            connections: 8,
            gap: None,
            objective: Duration::from_secs(60),
            varies: false,
            manner: Manner::default(),
        };
        let mut tell = |told: &Told<'_>| match told {
            Told::Running(name, ..) if name.contains(part) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let mut bench = Bench::new(&plan, &mut tell).unwrap();
        let measured = bench.cases(&plan.shapes()).unwrap();
        assert!(bench.is_stopped());
        measured
    }

    #[test]
    fn of_a_stopped_sweep_only_what_was_measured_is_told() {
        let (cases, ends) = stopped_at("prompt 16 B, 20/s");
        assert!(cases.is_empty() && ends.is_empty(), "{ends:?}");
        let (cases, ends) = stopped_at("prompt 16 B, 40/s");
        let told = |ends: &[Saturation]| -> Vec<(u64, Option<f64>, bool)> {
            ends.iter().map(|end| (end.prompt, end.rate, end.ended_by.as_deref() == Some(STOPPED))).collect()
        };
        assert_eq!((cases.len(), told(&ends)), (1, vec![(16, Some(20.0), true)]));
        let (cases, ends) = stopped_at("prompt 32 B, 40/s");
        assert_eq!((cases.len(), told(&ends)), (3, vec![(16, Some(40.0), false), (32, Some(20.0), true)]));
    }

    #[test]
    fn a_sweep_ends_for_a_lane_at_its_first_failure_or_when_it_is_too_slow() {
        let end = |cases: &[Case]| {
            let (lane, rate, ended_by) = ("mine".to_owned(), None, None);
            let mut one = Saturation { lane, stream: false, prompt: 0, rate, ended_by };
            for (at, case) in (1..).zip(cases) {
                reached(&mut one, case, f64::from(at) * 100.0, Duration::from_millis(20));
            }
            (one.rate, one.ended_by)
        };
        let fine = case(Some(19_000.0), 0);
        assert_eq!(end(&[fine.clone(), fine.clone()]), (Some(200.0), None));
        assert_eq!(end(&[fine.clone(), case(Some(100.0), 3)]), (Some(100.0), Some("3 failures at 200/s".to_owned())));
        assert_eq!(end(&[fine, case(Some(21_000.0), 0)]), (Some(100.0), Some("p99 of 21.0 ms at 200/s".to_owned())));
        assert_eq!(end(&[case(None, 0)]), (None, Some("no answers at 100/s".to_owned())));
    }
}
