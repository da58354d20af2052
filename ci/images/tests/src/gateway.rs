//! The gateway's own container ends and starts again, idle and under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::{self, Answer};
use crate::stage::{Failure, Stage, Test, docker, whole};

pub(crate) const TESTS: &[Test] = &[
    ("gateway::docker_stop_lets_a_stream_end_whole_and_exits_with_0", || Box::pin(stopped())),
    ("gateway::a_restart_under_load_breaks_no_stream_and_serves_again", || Box::pin(restarted())),
];

async fn stopped() -> Result<(), Failure> {
    let stage = Stage::set().await?;
    let address = stage.address(8080).await?;
    let (begun, mut seen) = watch::channel(String::new());
    let (answer, stopped) = tokio::join!(stage.stream(&address, Some(&begun)), async {
        seen.wait_for(|text| text.starts_with("a00")).await?;
        docker(&["stop", "--time", "20", stage.gateway.id()]).await
    });
    stopped?;
    assert!(answer.looks_complete() && answer.text() == whole('a'), "{answer:?}");
    let code = stage.gateway.exit_code().await?;
    assert_eq!(code, Some(0), "{}", String::from_utf8(stage.gateway.stderr_to_vec().await?)?);
    let log = String::from_utf8(stage.gateway.stdout_to_vec().await?)?;
    assert_eq!(log.lines().filter(|line| line.starts_with('{')).count(), 1, "{log}");
    Ok(())
}

async fn restarted() -> Result<(), Failure> {
    const CLIENTS: usize = 8;
    let stage = Arc::new(Stage::set().await?);
    let address = stage.address(8080).await?;
    let ended = Arc::new(AtomicBool::new(false));
    let (begun, mut seen) = watch::channel(String::new());
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(until(ended.clone(), address.clone(), begun.clone()))).collect();
    seen.wait_for(|text| text.starts_with("a00")).await?;
    docker(&["stop", "--time", "20", stage.gateway.id()]).await?;
    assert_eq!(stage.gateway.exit_code().await?, Some(0));
    ended.store(true, Ordering::Relaxed);
    let mut served = 0;
    for client in clients {
        for answer in client.await? {
            assert!(answer.looks_complete() && answer.text() == whole('a'), "{answer:?}");
            served += 1;
        }
    }
    assert!(served >= CLIENTS, "{served} streams");
    stage.gateway.start().await?;
    stage.served_by('a').await
}

/// Asks until told to end; whoever is not let in any more has no answer.
async fn until(ended: Arc<AtomicBool>, address: String, begun: watch::Sender<String>) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        match client::stream(&address, Some(&begun)).await {
            answer if answer.status.is_some() => answers.push(answer),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    answers
}
