//! What do log, metrics and traces cost a request?
//!
//! Three gateways in processes of their own, in front of the same constant provider: one that lets go of every record
//! unread, a second one like it, and one that logs to a file, counts, and sends one trace in a hundred to a collector.
//! They are asked in turn, at the same rate, and the kernel says what CPU time each took. Pairs of neighbouring windows
//! give the ratio and its confidence interval; the two that are alike show what the machine makes up by itself.

#[path = "telemetry_cost/collector.rs"]
mod collector;
#[path = "telemetry_cost/process.rs"]
mod process;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use benches::constant::Constant;
use benches::wire::chat_request;
use benches::{cpu, paced};

use collector::Collector;
use process::{Process, Telemetry};

const ROUNDS: usize = 21;
/// Student's t for 95 % of both sides and one degree of freedom less than there are rounds.
const STUDENT: f64 = 2.086;
const WINDOW: Duration = Duration::from_secs(1);
const CONNECTIONS: usize = 16;
/// Requests a second: a load that each carries easily.
const RATE: f64 = 4_000.0;
/// Events of a stream.
const EVENTS: usize = 20;
/// How many times the CPU time of a gateway without telemetry one with it may take.
const BAR: f64 = 1.10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--gateway", folder, telemetry] => process::serve(folder.as_ref(), telemetry),
        _ => compare(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("telemetry_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> io::Result<()> {
    let provider = Constant::start(EVENTS)?.address();
    let collector = Collector::start()?;
    let start = |telemetry| Process::start(provider, telemetry, collector.address());
    let gateways = [start(Telemetry::Off)?, start(Telemetry::Off)?, start(Telemetry::On)?];
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!(
        "rounds {ROUNDS}, window {WINDOW:?}, {RATE} requests/s on {CONNECTIONS} connections, load {}",
        load.trim()
    );
    for (name, stream) in [("JSON", false), ("stream of 20 events", true)] {
        for gateway in &gateways {
            window(gateway, stream)?; // warm: connections, allocator, branch history
        }
        let rounds: Vec<_> =
            (0..ROUNDS).map(|round| one_of_each(&gateways, stream, round)).collect::<io::Result<_>>()?;
        print_case(name, &rounds);
    }
    let log = gateways[2].log_length()?;
    println!("\nlog {} MiB, {} exports to the collector", log >> 20, collector.exports());
    if collector.exports() == 0 {
        println!("no trace was exported: what sampling costs is not in these figures");
    }
    Ok(())
}

/// CPU seconds of a request through each gateway; who begins changes with the round.
fn one_of_each(gateways: &[Process; 3], stream: bool, round: usize) -> io::Result<[f64; 3]> {
    let mut took = [0.0; 3];
    for at in (0..3).map(|turn| (round + turn) % 3) {
        took[at] = window(&gateways[at], stream)?;
    }
    Ok(took)
}

fn window(gateway: &Process, stream: bool) -> io::Result<f64> {
    let request = chat_request(gateway.address, stream, 64);
    let before = cpu::time_of(gateway.pid())?;
    let answered = paced::ask(gateway.address, &request, CONNECTIONS, RATE, WINDOW)?;
    let took = cpu::time_of(gateway.pid())?.saturating_sub(before);
    Ok(took.as_secs_f64() / answered as f64)
}

fn print_case(name: &str, rounds: &[[f64; 3]]) {
    let mean = |at: usize| rounds.iter().map(|round| round[at]).sum::<f64>() / rounds.len() as f64 * 1e6;
    println!("\n{name}; CPU µs/request: {:.1} without, {:.1} without (again), {:.1} with", mean(0), mean(1), mean(2));
    let (alike_low, alike, alike_high) = ratio(rounds.iter().map(|round| round[1] / round[0]));
    println!("without / without {alike:.3} ({alike_low:.3} to {alike_high:.3})");
    let (low, middle, high) = ratio(rounds.iter().map(|round| round[2] / (round[0] * round[1]).sqrt()));
    let verdict = match () {
        () if high <= BAR => "within the bar",
        () if low > BAR => "ABOVE the bar",
        () => "not told apart from the bar",
    };
    println!("with / without    {middle:.3} ({low:.3} to {high:.3}), {verdict} of {BAR}");
}

/// Geometric mean of paired ratios, between the bounds of its 95 % confidence interval.
fn ratio(pairs: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let logs: Vec<f64> = pairs.map(f64::ln).collect();
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = STUDENT * (variance / n).sqrt();
    ((mean - half).exp(), mean.exp(), (mean + half).exp())
}
