//! Does the gateway stay level, and do its books balance, under minutes of mixed load?
//!
//! `windtunnel gateway` in a process of its own, scripted providers here: some of their answers fail, break off or
//! pause. Clients ask for whole answers and streams, leave early, send large prompts and what must be refused; each
//! second the manifests change, every fourth time to something that is refused. Resident memory and file descriptors
//! are the kernel's word. `ci/soak.sh` builds and runs it; a bound that is broken is exit code 1.

mod books;
mod gateway;
mod level;
mod load;
mod manifests;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mock_providers::MockProvider;
use mock_providers::script::Provider;
use tokio::task::JoinSet;

use books::Books;
use gateway::Gateway;
use level::Level;

/// Clients at once.
const CLIENTS: usize = 16;
/// What the providers answer, and what goes wrong with it. None refuses connections: what is sent must be counted.
const PROVIDERS: [(&str, &str); 3] = [
    (
        "a",
        "{latency: {head: 2ms, itl: 1ms}, respond: {tokens: 24}, faults: [{probability: 0.03, status: 503}, \
         {probability: 0.02, disconnect: {after_chunks: 3, how: rst}}, \
         {probability: 0.01, stall: {after_chunks: 2, for: 200ms}}]}",
    ),
    (
        "b",
        "{latency: {head: 3ms}, respond: {tokens: 40}, faults: [{probability: 0.03, status: 500}, \
         {probability: 0.01, disconnect: {after_chunks: 9, how: fin}}]}",
    ),
    ("c", "{respond: {size: 256KiB}}"),
];

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(Ok(minutes)), Some(binary), None) =
        (arguments.next().map(|minutes| minutes.parse::<f64>()), arguments.next(), arguments.next())
    else {
        eprintln!("soak: two arguments are needed, MINUTES and the path of windtunnel: see ci/soak.sh");
        return ExitCode::from(2);
    };
    match run(Duration::from_secs_f64(minutes.max(0.1) * 60.0), binary.into()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs it all; says whether every bound held.
async fn run(duration: Duration, binary: PathBuf) -> io::Result<bool> {
    let providers = start_providers().await?;
    let gateway = Arc::new(Gateway::start(&binary, &manifests::valid(&providers, 0)).await?);
    let (books, end) = (Arc::new(Books::default()), Instant::now() + duration);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(load::client(number as u64, gateway.address, books.clone(), end));
    }
    let level = watch(&gateway, &books, &providers, end, duration).await?;
    while let Some(ended) = clients.join_next().await {
        ended.map_err(io::Error::other)?;
    }
    let settled = books.settle(&gateway, &providers).await?;
    Ok(level.tell() & settled.tell() & gateway.tell())
}

async fn start_providers() -> io::Result<Vec<MockProvider>> {
    let mut providers = Vec::new();
    for (name, script) in PROVIDERS {
        let script: Provider = serde_saphyr::from_str(script).map_err(io::Error::other)?;
        // the journal is not what is asked: what it keeps would be memory of this process
        let options = mock_providers::Options { journal: 100, seed: 5, ..Default::default() };
        providers.push(mock_providers::start(name, script, options).await.map_err(io::Error::other)?);
    }
    Ok(providers)
}

/// Edits the manifests each second, and looks at the process.
async fn watch(
    gateway: &Gateway,
    books: &Books,
    providers: &[MockProvider],
    end: Instant,
    duration: Duration,
) -> io::Result<Level> {
    let (began, mut level) = (Instant::now(), Level::new(duration));
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for second in 1.. {
        seconds.tick().await;
        if Instant::now() >= end {
            break;
        }
        let text = if second % 4 == 0 { manifests::refused() } else { manifests::valid(providers, second) };
        gateway.apply(&text)?;
        level.sample(began.elapsed(), gateway.resident()?, gateway.descriptors()?, books.sent());
    }
    // the last edit is a good one
    gateway.apply(&manifests::valid(providers, 0))?;
    Ok(level)
}
