//! A provider's container goes away in the middle of an answer, in four ways: no answer looks whole that is not, nobody waits
//! longer than the gateway's timers allow, and it serves again once it is back.

use tokio::sync::watch;

use crate::client::Answer;
use crate::stage::{Failure, IDLE, REQUEST, SLACK, Stage, Test, docker, whole};

pub(crate) const TESTS: &[Test] = &[
    ("provider::a_container_that_is_killed_takes_its_stream_with_it_and_the_other_serves", || Box::pin(killed())),
    ("provider::a_container_that_is_paused_holds_nobody_beyond_the_timers", || Box::pin(paused())),
    ("provider::a_container_that_is_restarted_serves_again", || Box::pin(restarted())),
    ("provider::a_container_that_is_cut_off_from_the_network_holds_nobody_beyond_the_timers", || Box::pin(cut_off())),
];

async fn killed() -> Result<(), Failure> {
    let stage = Stage::set().await?;
    broken(&stage, async || docker(&["kill", stage.a.id()]).await).await?;
    stage.served_by('b').await?;
    stage.a.start().await?;
    stage.served_by('a').await?;
    stage.balanced().await
}

async fn paused() -> Result<(), Failure> {
    let stage = Stage::set().await?;
    broken(&stage, async || Ok(stage.a.pause().await?)).await?;
    in_time(&stage.stream(&stage.address(8080).await?, None).await)?;
    stage.a.unpause().await?;
    stage.served_by('a').await?;
    stage.balanced().await
}

async fn restarted() -> Result<(), Failure> {
    let stage = Stage::set().await?;
    broken(&stage, async || docker(&["restart", "--time", "0", stage.a.id()]).await).await?;
    stage.served_by('a').await?;
    stage.balanced().await
}

async fn cut_off() -> Result<(), Failure> {
    let stage = Stage::set().await?;
    broken(&stage, async || stage.network("disconnect", &stage.a).await).await?;
    in_time(&stage.stream(&stage.address(8080).await?, None).await)?;
    stage.network("connect", &stage.a).await?;
    stage.served_by('a').await?;
    stage.balanced().await
}

/// Does something to `a` while it streams: the client notices in time, and that it has not everything.
async fn broken(stage: &Stage, happens: impl AsyncFn() -> Result<(), Failure>) -> Result<(), Failure> {
    let address = stage.address(8080).await?;
    let (begun, mut seen) = watch::channel(String::new());
    let (answer, happened) = tokio::join!(stage.stream(&address, Some(&begun)), async {
        seen.wait_for(|text| text.starts_with("a00")).await?;
        happens().await
    });
    happened?;
    in_time(&answer)?;
    if answer.looks_complete() || answer.text() == whole('a') {
        return Err(format!("its stream was not interrupted: {answer:?}").into());
    }
    Ok(())
}

/// Ended, one way or another, when the timers say so: an attempt, another one, and the pieces of a whole answer.
fn in_time(answer: &Answer) -> Result<(), Failure> {
    if answer.took < REQUEST + IDLE + SLACK {
        return Ok(());
    }
    Err(format!("it hangs: {answer:?}").into())
}
