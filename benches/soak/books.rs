//! Three books of the same requests: what clients sent and heard, what the gateway counted and logged, and what came to
//! the providers. They must agree.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use benches::wire::Connection;
use mock_providers::MockProvider;
use serde::Deserialize;
use tokio::io::AsyncBufRead;
use tokio::io::AsyncBufReadExt;

use crate::gateway::Gateway;

/// How long the gateway may take to let go of what clients left.
const SETTLE: Duration = Duration::from_secs(20);
/// Reasons of lost requests that are told.
const TOLD: usize = 5;

type Statuses = BTreeMap<u16, u64>;

/// The clients' book.
#[derive(Debug, Default)]
pub(crate) struct Books(Mutex<Clients>);

#[derive(Debug, Default, Clone)]
struct Clients {
    sent: u64,
    statuses: Statuses,
    broken_off: u64,
    left: u64,
    lost: Vec<String>,
}

impl Books {
    fn write(&self, entry: impl FnOnce(&mut Clients)) {
        entry(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A request goes out.
    pub(crate) fn send(&self) {
        self.write(|clients| clients.sent += 1);
    }

    /// The head of an answer came, and perhaps all of it.
    pub(crate) fn heard(&self, status: u16, whole: bool) {
        self.write(|clients| {
            *clients.statuses.entry(status).or_default() += 1;
            clients.broken_off += u64::from(!whole);
        });
    }

    /// The client left before an answer came.
    pub(crate) fn left(&self) {
        self.write(|clients| clients.left += 1);
    }

    /// No answer came, and nobody knows why.
    pub(crate) fn lost(&self, why: &str) {
        self.write(|clients| clients.lost.push(why.to_owned()));
    }

    /// Requests so far.
    pub(crate) fn sent(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sent
    }

    /// Waits until the books change no more, or have had time enough.
    pub(crate) async fn settle(&self, gateway: &Gateway, providers: &[MockProvider]) -> io::Result<Balance> {
        let clients = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (end, mut before) = (Instant::now() + SETTLE, None);
        loop {
            let counted = counted(gateway.metrics).await?;
            let (log, tallies) = (gateway.log.entries(), providers.iter().map(MockProvider::tally));
            let (received, in_flight) =
                tallies.fold((0, 0), |(received, open), tally| (received + tally.received, open + tally.in_flight));
            let now = (counted.values().sum::<u64>(), log.lines, received);
            if (before == Some(now) && in_flight == 0) || Instant::now() > end {
                return Ok(Balance { clients, counted, log, received });
            }
            before = Some(now);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// The access log's book.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Entries>);

#[derive(Debug, Default, Clone)]
struct Entries {
    lines: u64,
    /// With at least one attempt.
    upstream: u64,
    attempts: u64,
    unreadable: u64,
}

#[derive(Deserialize)]
struct Line {
    attempts: u64,
}

impl Log {
    /// Reads lines until the gateway ends.
    pub(crate) async fn read(self: Arc<Self>, mut lines: impl AsyncBufRead + Unpin) {
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            entries.lines += 1;
            match serde_json::from_slice::<Line>(&line) {
                Ok(Line { attempts }) => {
                    entries.attempts += attempts;
                    entries.upstream += u64::from(attempts > 0);
                }
                Err(_) => entries.unreadable += 1,
            }
            line.clear();
        }
    }

    fn entries(&self) -> Entries {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the gateway's metrics say, by status.
async fn counted(metrics: SocketAddr) -> io::Result<Statuses> {
    let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut connection = Connection::open(metrics).await?;
    let text = String::from_utf8_lossy(connection.round_trip(request).await?).into_owned();
    let mut statuses = Statuses::new();
    for line in text.lines().filter(|line| line.starts_with("agentgateway_requests_total{")) {
        let status = line.split("status=\"").nth(1).and_then(|rest| rest.get(..3)?.parse().ok());
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
        let (Some(status), Some(count)) = (status, count) else { return Err(io::Error::other(line.to_owned())) };
        *statuses.entry(status).or_default() += count;
    }
    Ok(statuses)
}

/// All books, closed.
#[derive(Debug)]
pub(crate) struct Balance {
    clients: Clients,
    counted: Statuses,
    log: Entries,
    received: u64,
}

impl Balance {
    /// Tells them; false when they do not agree.
    pub(crate) fn tell(&self) -> bool {
        let Self { clients, counted, log, received } = self;
        println!("\n{:>8} {:>9} {:>9}", "status", "clients", "gateway");
        let heard = |status: &u16| clients.statuses.get(status).copied().unwrap_or(0);
        for (status, count) in counted {
            println!("{status:>8} {:>9} {count:>9}", heard(status));
        }
        let (all, attempts, rejected) = (counted.values().sum::<u64>(), log.attempts, log.lines - log.upstream);
        println!("left before an answer {}, answers broken off or not heard out {}", clients.left, clients.broken_off);
        println!(
            "log: {} lines, {} went upstream in {attempts} attempts, {rejected} rejected",
            log.lines, log.upstream
        );
        println!("providers: {received} requests");
        clients.lost.iter().take(TOLD).for_each(|why| println!("lost: {why}"));
        let heard_all = clients.statuses.values().sum::<u64>();
        let none_lost =
            clients.lost.is_empty() && clients.statuses.iter().all(|(status, heard)| *heard <= at(counted, *status));
        // Who leaves early may be gone before the attempt is on its way, or be answered all the same.
        // no provider here answers so
        let refused = counted.range(400..499).map(|(_, count)| count).sum::<u64>();
        println!();
        let table = [
            ("sent = heard + left", clients.sent == heard_all + clients.left),
            ("no answer lost, none told by a status that the gateway did not count", none_lost),
            ("sent = sum of the gateway's statuses", all == clients.sent),
            (
                "sum of the gateway's statuses = lines of the log = upstream + rejected",
                all == log.lines && log.unreadable == 0,
            ),
            (
                "attempts = requests at the providers, but for those who left",
                *received <= attempts && attempts - received <= clients.left,
            ),
            (
                "rejected = answers of 4xx, but for those who left",
                rejected >= refused && rejected - refused <= clients.left,
            ),
            ("every kind of outcome was met", [200, 400, 401, 404, 413].iter().all(|status| heard(status) > 0)),
        ];
        for (what, holds) in table {
            println!("{}{what}", if holds { "" } else { "BROKEN: " });
        }
        table.iter().all(|(_, holds)| *holds)
    }
}

fn at(counted: &Statuses, status: u16) -> u64 {
    counted.get(&status).copied().unwrap_or(0)
}
