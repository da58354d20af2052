//! Which runtime layout the gateway takes: a current-thread runtime per core, or work stealing (the floor)?
//!
//! A plain harness, because the question needs what criterion does not give: CPU time of the proxy alone, and
//! windows of the layouts in turn, so that a machine which slows down slows all of them. Each proxy is a child
//! process (this binary again), whose CPU time `/proc/PID/stat` tells. The result is in `benches/README.md`.

#[path = "runtime_layout/per_core.rs"]
mod per_core;

use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use benches::constant::Constant;
use benches::wire::{Connection, chat_request};

/// The layouts compared; `direct` asks the provider itself and is what latency is added to.
const LAYOUTS: [&str; 3] = ["floor", "per-core-shared-client", "per-core"];
const EVENTS: usize = 10;
const ROUNDS: usize = 9;
const WINDOW: Duration = Duration::from_secs(1);
/// The unit of CPU time in `/proc/PID/stat`, fixed at 100 a second in the kernel's interface.
const TICK: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--proxy", layout, upstream] => proxy(layout, upstream),
        _ => compare(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runtime_layout: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The child process: says its port, then serves until its standard input closes with the parent.
fn proxy(layout: &str, upstream: &str) -> io::Result<()> {
    let upstream: SocketAddr = upstream.parse().map_err(io::Error::other)?;
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    match layout {
        "floor" => {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            println!("{}", listener.local_addr()?);
            benches::floor::run(listener, upstream).map(|never| match never {})
        }
        "per-core-shared-client" => per_core::run(upstream, per_core::Upstreams::LegacyClient),
        "per-core" => per_core::run(upstream, per_core::Upstreams::OwnPool),
        other => Err(io::Error::other(format!("no layout {other}"))),
    }
}

/// One thing to ask, over how many connections.
#[derive(Clone, Copy)]
struct Load {
    connections: usize,
    stream: bool,
}

/// What one window of one layout showed.
struct Window {
    per_second: f64,
    p50: Duration,
    cpu_per_request: Duration,
}

/// A proxy in a process of its own; ends with this value.
struct Proxy {
    process: Child,
    address: SocketAddr,
}

impl Proxy {
    fn start(layout: &str, upstream: SocketAddr) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--proxy", layout, &upstream.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = process.stdout.take().expect("the output is piped");
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { process, address })
    }

    /// User and system time of all its threads so far.
    fn cpu_time(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let ticks: u32 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        Ok(TICK * ticks)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn compare() -> io::Result<()> {
    let provider = Constant::start(EVENTS)?;
    let proxies: Vec<Proxy> =
        LAYOUTS.iter().map(|layout| Proxy::start(layout, provider.address())).collect::<io::Result<_>>()?;
    let load_average = std::fs::read_to_string("/proc/loadavg")?;
    println!("rounds {ROUNDS}, window {WINDOW:?}, cores {}, load {}", cores(), load_average.trim());
    for connections in [32, 1] {
        for stream in [false, true] {
            let load = Load { connections, stream };
            for proxy in &proxies {
                window(load, proxy.address, Some(proxy))?; // warm: connections, allocator, branch history
            }
            let rounds = (0..ROUNDS).map(|_| round(load, provider, &proxies)).collect::<io::Result<Vec<_>>>()?;
            print_case(load, &rounds);
        }
    }
    Ok(())
}

/// One window each: the provider directly, then every layout.
fn round(load: Load, provider: Constant, proxies: &[Proxy]) -> io::Result<Vec<Window>> {
    let direct = window(load, provider.address(), None)?;
    let through = proxies.iter().map(|proxy| window(load, proxy.address, Some(proxy)));
    std::iter::once(Ok(direct)).chain(through).collect()
}

fn window(load: Load, address: SocketAddr, proxy: Option<&Proxy>) -> io::Result<Window> {
    let cpu_before = proxy.map(Proxy::cpu_time).transpose()?.unwrap_or_default();
    let started = Instant::now();
    let mut took = ask(load, address, started + WINDOW)?;
    let elapsed = started.elapsed();
    let cpu = proxy.map(Proxy::cpu_time).transpose()?.unwrap_or_default() - cpu_before;
    took.sort_unstable();
    let requests = u32::try_from(took.len()).expect("a window has few requests");
    Ok(Window {
        per_second: f64::from(requests) / elapsed.as_secs_f64(),
        p50: took[took.len() / 2],
        cpu_per_request: cpu / requests,
    })
}

/// Keeps all connections asking until the deadline; a request that fails voids the whole run.
fn ask(load: Load, address: SocketAddr, deadline: Instant) -> io::Result<Vec<Duration>> {
    let request = chat_request(address, load.stream, 64);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let clients: Vec<_> = (0..load.connections)
            .map(|_| {
                let request = request.clone();
                tokio::task::spawn_local(async move {
                    let mut took = Vec::new();
                    let mut connection = Connection::open(address).await?;
                    connection.ask_until(deadline, &request, &mut took).await?;
                    io::Result::Ok(took)
                })
            })
            .collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.await.map_err(io::Error::other)??);
        }
        Ok(all)
    })
}

fn print_case(load: Load, rounds: &[Vec<Window>]) {
    let kind = if load.stream { format!("stream of {EVENTS} events") } else { "600-byte JSON".into() };
    println!("\n{kind}, {} connection(s); medians of {} windows [lowest, highest]", load.connections, rounds.len());
    println!("{:<24}{:>28}{:>30}{:>30}", "layout", "requests/s", "added p50 µs", "CPU µs/request");
    for (at, layout) in std::iter::once(&"direct").chain(&LAYOUTS).enumerate() {
        let rate = spread(rounds.iter().map(|round| round[at].per_second));
        let added = spread(rounds.iter().map(|round| micros(round[at].p50) - micros(round[0].p50)));
        let cpu = spread(rounds.iter().map(|round| micros(round[at].cpu_per_request)));
        println!("{layout:<24}{:>28}{:>30}{:>30}", show(rate, 0), show(added, 1), show(cpu, 1));
    }
}

/// Median, lowest and highest.
fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    [values[values.len() / 2], values[0], values[values.len() - 1]]
}

fn show([median, lowest, highest]: [f64; 3], digits: usize) -> String {
    format!("{median:.digits$} [{lowest:.digits$}, {highest:.digits$}]")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
