//! What does the scripted provider cost, against a bare hyper server that answers the very same bytes?
//!
//! A plain harness like `runtime_layout`: the provider is `windtunnel mock` in a process of its own, the floor this
//! binary again; windows of both in turn, CPU time from the kernel. At full speed the slower one also pays for waking a
//! client that waits for it, so both are asked at the same rate as well, by a client that never sleeps. It also asks how late events leave when 2,000
//! streams are paced, what an idle stream occupies, and how soon the provider is ready.
//! `ci/mock-speed.sh` builds both and runs it. The result is in `benches/README.md`.

#[path = "mock_speed/floor.rs"]
mod floor;
#[path = "mock_speed/process.rs"]
mod process;
#[path = "mock_speed/streams.rs"]
mod streams;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::paced;
use benches::wire::{Connection, chat_request};
use process::{Process, ready_after};

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 9;
const WINDOW: Duration = Duration::from_secs(1);
/// Role, 18 deltas, finish and `[DONE]`.
const SCRIPT: &str = "providers: {speed: {listen: '127.0.0.1:0', respond: {tokens: 18}}}";
/// How many times the floor's CPU time an answer may cost; a figure beyond is marked.
const CASES: [(&str, bool, f64); 2] = [("JSON", false, 1.3), ("stream of 21 frames", true, 1.5)];
/// How much both are asked where they are asked the same: a load that either carries easily.
const RATE: f64 = 15_000.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--floor", json, stream] => floor::run(json, stream),
        _ => compare(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mock_speed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let mock = Process::mock(folder.path(), SCRIPT)?;
    let (json, stream) = (folder.path().join("json"), folder.path().join("stream"));
    std::fs::write(&json, body(mock.address, false)?)?;
    std::fs::write(&stream, body(mock.address, true)?)?;
    let floor = Process::floor(&json, &stream)?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!("rounds {ROUNDS}, window {WINDOW:?}, {CONNECTIONS} connections, load {}", load.trim());
    for (name, stream, bar) in CASES {
        for (load, rate) in [("the same load", Some(RATE)), ("full speed", None)] {
            for process in [&floor, &mock] {
                window(process, stream, rate)?; // warm: connections, allocator, branch history
            }
            let rounds = (0..ROUNDS).map(|_| Ok((window(&floor, stream, rate)?, window(&mock, stream, rate)?)));
            print_case(&format!("{name}, {load}"), bar, &rounds.collect::<io::Result<Vec<_>>>()?);
        }
    }
    drop((floor, mock));
    println!("\nready after {:.1} ms (median of 9 starts)", median(ready_after(folder.path(), SCRIPT, 9)?) * 1e3);
    streams::idle(folder.path())?;
    streams::paced(folder.path())
}

/// The body that the provider answers with.
fn body(address: SocketAddr, stream: bool) -> io::Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let answer = runtime.block_on(async {
        let mut connection = Connection::open(address).await?;
        Ok::<_, io::Error>(connection.round_trip(&chat_request(address, stream, 64)).await?.to_vec())
    })?;
    Ok(floor::payload(&answer, stream))
}

/// What one window showed.
struct Window {
    per_second: f64,
    /// Seconds of CPU time for each request.
    cpu: f64,
}

/// Asks at this rate, or as fast as the answers come.
fn window(process: &Process, stream: bool, rate: Option<f64>) -> io::Result<Window> {
    let request = chat_request(process.address, stream, 64);
    let before = process.cpu_time()?;
    let started = Instant::now();
    let answered = match rate {
        Some(rate) => paced::ask(process.address, &request, CONNECTIONS, rate, WINDOW)?,
        None => ask(process.address, &request, started + WINDOW)?,
    };
    let elapsed = started.elapsed();
    let cpu = process.cpu_time()?.saturating_sub(before);
    Ok(Window { per_second: answered as f64 / elapsed.as_secs_f64(), cpu: cpu.as_secs_f64() / answered as f64 })
}

/// All connections ask again as soon as they are answered.
fn ask(address: SocketAddr, request: &[u8], deadline: Instant) -> io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let clients = (0..CONNECTIONS).map(|_| {
            let request = request.to_vec();
            tokio::task::spawn_local(async move {
                let mut took = Vec::new();
                Connection::open(address).await?.ask_until(deadline, &request, &mut took).await?;
                io::Result::Ok(took.len())
            })
        });
        let mut answered = 0;
        for client in clients.collect::<Vec<_>>() {
            answered += client.await.map_err(io::Error::other)??;
        }
        io::Result::Ok(answered)
    })
}

fn print_case(name: &str, bar: f64, rounds: &[(Window, Window)]) {
    let of = |pick: fn(&(Window, Window)) -> f64| median(rounds.iter().map(pick).collect());
    let ratio = of(|(floor, mock)| mock.cpu / floor.cpu);
    let verdict = if ratio <= bar { "within" } else { "ABOVE" };
    println!("\n{name}; medians of {} paired windows", rounds.len());
    println!("{:<8}{:>14}{:>18}", "", "requests/s", "CPU µs/request");
    println!("{:<8}{:>14.0}{:>18.1}", "floor", of(|(floor, _)| floor.per_second), of(|(floor, _)| floor.cpu) * 1e6);
    println!("{:<8}{:>14.0}{:>18.1}", "mock", of(|(_, mock)| mock.per_second), of(|(_, mock)| mock.cpu) * 1e6);
    println!("ratio {ratio:.2}, {verdict} the bar of {bar}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The binary under measurement: built beside this one.
fn windtunnel() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.ancestors().nth(2).map(|folder| folder.join("windtunnel")).filter(|path| path.is_file());
    beside.ok_or_else(|| io::Error::other("no `windtunnel` beside this binary: cargo build --release first"))
}
