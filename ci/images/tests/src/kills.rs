//! A hundred times a provider's container is killed under sixteen streams: the books of clients and gateway agree at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::client::Answer;
use crate::stage::{Failure, IDLE, REQUEST, SLACK, Stage, Test, docker, whole};

pub(crate) const TESTS: &[Test] =
    &[("kills::a_hundred_kills_under_sixteen_streams_leave_no_stream_that_looks_whole_and_is_not", || {
        Box::pin(kills())
    })];

const KILLS: usize = 100;
const STREAMS: usize = 16;

/// What all clients saw.
#[derive(Debug, Default)]
struct Seen {
    whole: usize,
    broken: usize,
    refused: usize,
    longest: Duration,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.whole += other.whole;
        self.broken += other.broken;
        self.refused += other.refused;
        self.longest = self.longest.max(other.longest);
    }
}

async fn kills() -> Result<(), Failure> {
    let stage = Arc::new(Stage::set().await?);
    let address = stage.address(8080).await?;
    let ended = Arc::new(AtomicBool::new(false));
    let (wholes, seen) = watch::channel([0; 2]);
    let clients: Vec<_> = (0..STREAMS)
        .map(|_| tokio::spawn(client(stage.clone(), ended.clone(), address.clone(), wholes.clone())))
        .collect();
    let killed = kill(&stage, seen).await;
    ended.store(true, Ordering::Relaxed);
    let mut all = Seen::default();
    for client in clients {
        all.add(&client.await??);
    }
    killed?;
    println!("{KILLS} kills: {all:?}");
    // each kill met a stream
    assert!(all.broken >= KILLS, "{all:?}");
    assert!(all.longest < REQUEST + IDLE + SLACK, "{all:?}");
    stage.served_by('a').await?;
    stage.balanced().await
}

/// Kills the providers in turn, each when it has served a whole answer since it was started.
async fn kill(stage: &Stage, mut wholes: watch::Receiver<[u64; 2]>) -> Result<(), Failure> {
    let mut before = [0; 2];
    for kill in 0..KILLS {
        let (turn, victim) = (kill % 2, [&stage.a, &stage.b][kill % 2]);
        let serving = timeout(Duration::from_secs(30), wholes.wait_for(|wholes| wholes[turn] > before[turn])).await;
        serving.map_err(|_| format!("before kill {kill} nothing came from its victim for too long"))??;
        docker(&["kill", victim.id()]).await?;
        docker(&["start", victim.id()]).await?;
        before = *wholes.borrow();
    }
    Ok(())
}

async fn client(
    stage: Arc<Stage>,
    ended: Arc<AtomicBool>,
    address: String,
    wholes: watch::Sender<[u64; 2]>,
) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    while !ended.load(Ordering::Relaxed) {
        let answer = stage.stream(&address, None).await;
        count(&answer, &mut seen)?;
        if answer.looks_complete() {
            wholes.send_modify(|wholes| wholes[usize::from(answer.text() == whole('b'))] += 1);
        }
    }
    Ok(seen)
}

fn count(answer: &Answer, seen: &mut Seen) -> Result<(), Failure> {
    let text = answer.text();
    let everything = text == whole('a') || text == whole('b');
    match answer.status {
        Some(200) if answer.looks_complete() && everything => seen.whole += 1,
        Some(200) if answer.looks_complete() => return Err(format!("it looks whole and is not: {answer:?}").into()),
        Some(200) => seen.broken += 1,
        Some(_) if answer.framed => seen.refused += 1,
        _ => return Err(format!("the gateway gives no answer: {answer:?}").into()),
    }
    // the longest whole answer takes as long as its pieces do, and is no wait
    if !answer.looks_complete() {
        seen.longest = seen.longest.max(answer.took);
    }
    Ok(())
}
