//! Does a request cost the same whatever else the gateway holds?
//!
//! `windtunnel gateway` in processes of their own, with 1 and 10,000 routes, 1 and 1,000 providers, with idle streams, with
//! prompts up to 10 MiB, on one core and on two, and over a million requests. CPU time and memory are the kernel's word.
//! `ci/scale.sh` builds and runs it, for a quiet machine; a bound that is broken is exit code 1. A ratio
//! breaks its bound when its whole interval lies above it.

mod gateway;
mod idle;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::constant::Constant;
use benches::stats::Estimate;
use benches::wire::{Connection, chat_request};
use benches::{cpu, paced};

use gateway::{Gateway, Served};

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;
/// Windows of each gateway of a pair, in turn.
const ROUNDS: usize = 15;
const WINDOW: Duration = Duration::from_secs(1);
/// Requests a second: a load that each carries easily.
const RATE: f64 = 3_000.0;
const CONNECTIONS: usize = 16;
/// How many times the CPU time of the small one the large one may take.
const FLAT: f64 = 1.10;

#[tokio::main]
async fn main() -> ExitCode {
    let Some(binary) = std::env::args().nth(1) else {
        eprintln!("scale: one argument is needed, the path of windtunnel: see ci/scale.sh");
        return ExitCode::from(2);
    };
    match all(binary.as_ref()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::from(2)
        }
    }
}

async fn all(binary: &Path) -> io::Result<bool> {
    let provider = Constant::start(20)?.address();
    let small = Served { routes: 1, providers: 1, workers: 2, provider };
    let mut held = compare(binary, "10,000 routes", &small, &Served { routes: 10_000, ..small })?;
    held &= compare(binary, "1,000 providers", &small, &Served { providers: 1_000, ..small })?;
    cores(binary, &small)?;
    held &= prompts(binary, &small).await?;
    held &= idle::streams(binary, &small).await?;
    held &= many_requests(binary, &small)?;
    Ok(held)
}

/// CPU seconds of a request at a fixed rate.
fn window(gateway: &Gateway, request: &[u8], rate: f64) -> io::Result<f64> {
    let before = cpu::time_of(gateway.pid())?;
    let answered = paced::ask(gateway.address, request, CONNECTIONS, rate, WINDOW)?;
    Ok(cpu::time_of(gateway.pid())?.saturating_sub(before).as_secs_f64() / answered as f64)
}

/// Paired windows of two gateways; whether the second costs about what the first does.
fn compare(binary: &Path, name: &str, small: &Served, large: &Served) -> io::Result<bool> {
    let pair = [Gateway::start(binary, small)?, Gateway::start(binary, large)?];
    let mut ratios = Vec::new();
    for round in 0..=ROUNDS {
        let mut took = [0.0; 2];
        for at in [round % 2, (round + 1) % 2] {
            took[at] = window(&pair[at], &pair[at].request(64), RATE)?;
        }
        // the first round warms up
        ratios.extend(Some(took[1] / took[0]).filter(|_| round > 0));
    }
    let told = Estimate::of(&ratios).expect("there are rounds");
    // windows of one pair are apart by a tenth on a machine that others share
    let holds = told.low <= FLAT;
    let [one, other] = [pair[0].resident()?, pair[1].resident()?].map(|bytes| bytes as f64 / MIB);
    let mark = if holds { "" } else { "BROKEN: " };
    let Estimate { median, low, high, .. } = told;
    let bound =
        if holds && high > FLAT { format!("not told apart from the bound of {FLAT}") } else { format!("bound {FLAT}") };
    println!(
        "{mark}{name}: {median:.2} × the CPU of one ({low:.2} to {high:.2}, {bound}), RSS {other:.1} MiB ({one:.1} with one)"
    );
    Ok(holds)
}

/// A gateway on one core beside one on two: what a request costs, at the same rate.
fn cores(binary: &Path, served: &Served) -> io::Result<()> {
    let pair = [Gateway::start(binary, &Served { workers: 1, ..*served })?, Gateway::start(binary, served)?];
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let took = [window(&pair[0], &pair[0].request(64), RATE)?, window(&pair[1], &pair[1].request(64), RATE)?];
        ratios.push(took[1] / took[0]);
    }
    println!("2 cores: {:.2} × the CPU of a request on one", median(&mut ratios));
    Ok(())
}

/// What a byte of a prompt costs, from 10 KiB to 10 MiB: no size at which it jumps.
async fn prompts(binary: &Path, served: &Served) -> io::Result<bool> {
    let gateway = Gateway::start(binary, served)?;
    let mut connection = Connection::open(gateway.address).await?;
    let mut each = Vec::new();
    for size in [64, 10 << 10, 100 << 10, 1 << 20, 10 << 20] {
        let (request, mut asked) = (gateway.request(size), Vec::new());
        connection.round_trip(&request).await?;
        let before = cpu::time_of(gateway.pid())?;
        connection.ask_until(Instant::now() + 2 * WINDOW, &request, &mut asked).await?;
        let took = cpu::time_of(gateway.pid())?.saturating_sub(before).as_secs_f64() / asked.len() as f64;
        each.push(took / (size as f64 / MIB));
        println!("prompt of {size:>8} bytes: {:.0} µs, {:.0} µs per MiB", took * 1e6, each[each.len() - 1] * 1e6);
    }
    // from 100 KiB on it is all bytes
    let holds = each[4] <= 2.0 * each[3].max(each[2]);
    println!("{}a byte of 10 MiB costs no more than twice one of less", if holds { "" } else { "BROKEN: " });
    Ok(holds)
}

/// Memory before and after a million requests.
fn many_requests(binary: &Path, served: &Served) -> io::Result<bool> {
    const REQUESTS: usize = 1_000_000;
    const AFTER_START: f64 = 20.0;
    const AFTER_ALL: f64 = 30.0;
    let gateway = Gateway::start(binary, served)?;
    let started = gateway.resident()? as f64 / MIB;
    let (request, mut answered, mut warm) = (gateway.request(64), 0, None);
    while answered < REQUESTS {
        answered += paced::ask(gateway.address, &request, 32, f64::MAX, Duration::from_secs(5))?;
        if warm.is_none() && answered > REQUESTS / 10 {
            warm = Some(gateway.resident()? as f64 / MIB);
        }
        eprint!("\r{answered} requests ");
    }
    let (warm, ended) = (warm.unwrap_or_default(), gateway.resident()? as f64 / MIB);
    let holds = started <= AFTER_START && ended <= AFTER_ALL;
    let mark = if holds { "" } else { "BROKEN: " };
    println!(
        "\r{mark}RSS {started:.1} MiB after start (bound {AFTER_START}), {warm:.1} after a tenth, {ended:.1} after {answered} requests (bound {AFTER_ALL})"
    );
    Ok(holds)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The request that clients of a gateway send.
pub(crate) fn request(address: std::net::SocketAddr, route: usize, stream: bool, prompt: usize) -> Vec<u8> {
    let request = chat_request(address, stream, prompt);
    let rest = request.strip_prefix(b"POST ").unwrap_or(&request);
    [format!("POST /tenants/{route}").as_bytes(), rest].concat()
}
