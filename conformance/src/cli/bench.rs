//! Flags of `bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{duration, examples};
use crate::bench::plan::{Paces, size};

/// Of any time.
const LONGEST: Duration = Duration::from_secs(3600);

/// Flags of `bench`.
#[derive(Debug, Args)]
#[command(after_help = examples::BENCH_EXAMPLES)]
pub struct BenchArgs {
    /// A gateway, by a name and its address; may be given again. Default: our own, with a mock provider and the floor
    #[arg(long = "target", value_name = "NAME=URL", value_parser = named, env = "WINDTUNNEL_BENCH_TARGETS", value_delimiter = ',')]
    pub targets: Vec<(String, String)>,
    /// What targets are compared with: an address, or `builtin` for a bare proxy in front of --provider
    #[arg(long, value_name = "URL|builtin", env = "WINDTUNNEL_BENCH_FLOOR", requires = "targets")]
    pub floor: Option<String>,
    /// The provider behind the targets, to know what it can do by itself
    #[arg(long, value_name = "URL", env = "WINDTUNNEL_BENCH_PROVIDER", requires = "targets")]
    pub provider: Option<String>,
    /// Requests a second, whatever the answers do: one rate (default 500), several, or a sweep FROM..TO/STEP until targets fail
    #[arg(long, value_name = "RATE", env = "WINDTUNNEL_BENCH_RATE", conflicts_with = "connections")]
    pub rate: Option<Paces>,
    /// A closed loop instead: so many callers, each of which asks when it is answered. Stalls are not charged for
    #[arg(long, value_name = "N", env = "WINDTUNNEL_BENCH_CONNECTIONS", value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: Option<u16>,
    /// Most connections of an open loop; what is due beyond them waits, and that counts
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_connections: u16,
    /// How requests of an open loop are spread
    #[arg(long, value_enum, default_value = "poisson", env = "WINDTUNNEL_BENCH_ARRIVALS")]
    pub arrivals: Arrivals,
    /// Ask for streams
    #[arg(long, env = "WINDTUNNEL_BENCH_STREAM", value_parser = clap::builder::BoolishValueParser::new())]
    pub stream: bool,
    /// The provider's time between two events of a stream, from which their lag is known; our own mock keeps it
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_BENCH_PACE", value_parser = pace, requires = "stream")]
    pub pace: Option<Duration>,
    /// Content events of a stream of our own mock; a plain answer has as many words
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub events: u16,
    /// Bytes of prompts, one case for each: 500, 10k, 1m
    #[arg(long, value_name = "SIZES", env = "WINDTUNNEL_BENCH_PROMPT", default_value = "1k", value_parser = size, value_delimiter = ',')]
    pub prompt: Vec<usize>,
    /// Windows of each lane; with fewer than six the intervals cover less than 95 %
    #[arg(long, value_name = "N", env = "WINDTUNNEL_BENCH_ROUNDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// How long a window is
    #[arg(long, alias = "duration", value_name = "TIME", env = "WINDTUNNEL_BENCH_WINDOW", default_value = "3s", value_parser = time)]
    pub window: Duration,
    /// How long each lane is asked before its windows count
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_BENCH_WARMUP", default_value = "1s", value_parser = warmup)]
    pub warmup: Duration,
    /// How long an answer may take
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_BENCH_TIMEOUT", default_value = "10s", value_parser = time)]
    pub timeout: Duration,
    /// What p99 must keep in a sweep
    #[arg(long, value_name = "TIME", env = "WINDTUNNEL_BENCH_SLO", default_value = "50ms", value_parser = time)]
    pub slo: Duration,
    /// The process behind a target or `floor`; default is who listens on its port. Descendants count
    #[arg(long = "pid", value_name = "NAME=PID", value_parser = process)]
    pub pids: Vec<(String, u32)>,
    /// The environment variable with the key that is sent as a bearer token
    #[arg(long, value_name = "VAR", env = "WINDTUNNEL_BENCH_API_KEY_ENV")]
    pub api_key_env: Option<String>,
    /// The model that is asked for
    #[arg(long, value_name = "NAME", env = "WINDTUNNEL_BENCH_MODEL", default_value = "m-1")]
    pub model: String,
    /// A header of each request; may be given again. Its value is in no report
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// The texts of answers differ, as those of a real provider do
    #[arg(long, env = "WINDTUNNEL_BENCH_VARIES", value_parser = clap::builder::BoolishValueParser::new())]
    pub varies: bool,
    /// Measure also at rates that the instruments cannot keep
    #[arg(long)]
    pub force: bool,
    /// Say what changed since this run
    #[arg(long, value_name = "OLD.json", env = "WINDTUNNEL_BENCH_COMPARE")]
    pub compare: Option<PathBuf>,
    /// Exit with 1 when a figure of a target got worse by so many percent and the intervals do not overlap, with 3 where
    /// there are too few windows to tell (--rounds below 5)
    #[arg(long, value_name = "PERCENT", requires = "compare", value_parser = percent)]
    pub fail_on_regression: Option<f64>,
    /// Write reports: html=FILE, json=FILE
    #[arg(long, value_name = "KIND=FILE", env = "WINDTUNNEL_REPORT", value_delimiter = ',')]
    pub report: Vec<crate::report::Sink>,
    /// Of the arrivals: the same seed, the same times
    #[arg(long, value_name = "N", env = "WINDTUNNEL_BENCH_SEED", default_value_t = 1)]
    pub seed: u64,
}

/// How requests of an open loop are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arrivals {
    /// As those of many independent callers
    Poisson,
    /// At equal distances
    Uniform,
}

fn named(text: &str) -> Result<(String, String), String> {
    let (name, url) = text.split_once('=').ok_or("a target is NAME=URL, such as mine=http://127.0.0.1:8080")?;
    if name.is_empty() || name == "floor" || name.contains('/') {
        return Err(format!("`{name}` is no name of a target; write NAME=URL, such as mine=http://127.0.0.1:8080"));
    }
    Ok((name.to_owned(), url.to_owned()))
}

/// Of windows and what they are held to.
fn time(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(1), "1ms")
}

fn warmup(text: &str) -> Result<Duration, String> {
    between(text, Duration::ZERO, "0s, which is none,")
}

fn pace(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_micros(1), "1us")
}

fn between(text: &str, least: Duration, told: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let good = (least..=LONGEST).contains(&time);
    good.then_some(time).ok_or_else(|| format!("write a time from {told} to 1h"))
}

fn process(text: &str) -> Result<(String, u32), String> {
    // 0 is the kernel, from which all processes descend
    let read = |(name, pid): (&str, &str)| Some((name.to_owned(), pid.parse().ok().filter(|pid| *pid != 0)?));
    text.split_once('=').and_then(read).ok_or_else(|| "write NAME=PID, such as mine=4711".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = text.parse::<f64>().ok().filter(|percent| percent.is_finite() && *percent >= 0.0);
    percent.ok_or_else(|| "write a number of percent, 0 or more".to_owned())
}
