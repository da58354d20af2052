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

async fn kills() -> Result<(), Failure> {
    let stage = Arc::new(Stage::set().await?);
    let address = stage.address(8080).await?;
    let ended = Arc::new(AtomicBool::new(false));
    let (begun, mut texts) = watch::channel(String::new());
    let clients: Vec<_> = (0..STREAMS)
        .map(|_| tokio::spawn(client(stage.clone(), ended.clone(), address.clone(), begun.clone())))
        .collect();
    for kill in 0..KILLS {
        begun.send_replace(String::new());
        let streaming = timeout(Duration::from_secs(30), texts.wait_for(|text| text.starts_with("a00"))).await;
        streaming.map_err(|_| format!("before kill {kill} nothing came from a for too long"))??;
        docker(&["kill", stage.a.id()]).await?;
        docker(&["start", stage.a.id()]).await?;
    }
    ended.store(true, Ordering::Relaxed);
    let mut all = Seen::default();
    for client in clients {
        let seen = client.await??;
        all = Seen {
            whole: all.whole + seen.whole,
            broken: all.broken + seen.broken,
            refused: all.refused + seen.refused,
            longest: all.longest.max(seen.longest),
        };
    }
    println!("{KILLS} kills: {all:?}");
    // each kill met at least the stream that was waited for
    assert!(all.broken >= KILLS, "{all:?}");
    assert!(all.longest < REQUEST + IDLE + SLACK, "{all:?}");
    stage.served_by('a').await?;
    stage.balanced().await
}

async fn client(
    stage: Arc<Stage>,
    ended: Arc<AtomicBool>,
    address: String,
    begun: watch::Sender<String>,
) -> Result<Seen, Failure> {
    let mut seen = Seen::default();
    while !ended.load(Ordering::Relaxed) {
        let answer = stage.stream(&address, Some(&begun)).await;
        count(&answer, &mut seen)?;
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
