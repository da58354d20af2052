//! Sends the calls of a step, so many at once, and gives up on a target that never answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::client::{self, Call, Exchange, Leave};
use crate::scenario::Request;
use crate::scenario::expect::{Ended, ExchangeExpect};

/// Requests ready to be sent.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) calls: Vec<Call>,
    /// Those whose client leaves when a provider has its request.
    pub(super) leaving: Vec<(String, watch::Sender<bool>)>,
}

/// Requests without an answer, after which the rest of a repeat is not sent.
pub(super) const GIVEN_UP: usize = 3;

/// Sends calls, so many at once; gives up when one after the other gets no answer.
pub(super) async fn drive(calls: Vec<Call>, concurrency: usize, origin: Instant, impatient: bool) -> Vec<Exchange> {
    let places = Arc::new(Semaphore::new(concurrency));
    let silent = Arc::new(AtomicUsize::new(0));
    let mut running = JoinSet::new();
    for (i, call) in calls.into_iter().enumerate() {
        let place = Arc::clone(&places).acquire_owned().await;
        if impatient && silent.load(Ordering::Relaxed) >= GIVEN_UP {
            break;
        }
        let silent = Arc::clone(&silent);
        running.spawn(async move {
            let exchange = client::send(call, origin).await;
            if exchange.end == client::End::TimedOut {
                silent.fetch_add(1, Ordering::Relaxed);
            }
            drop(place);
            (i, exchange)
        });
    }
    let mut done = running.join_all().await;
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, exchange)| exchange).collect()
}

/// Whether answers that never end are what is wanted.
pub(super) fn expects_silence(expect: &ExchangeExpect) -> bool {
    expect.ended.as_ref().is_some_and(|ended| ended.value.0.contains(&Ended::TimedOut))
}

pub(super) fn leave_signal(request: &Request, call: &mut Call) -> Option<watch::Sender<bool>> {
    request.close_after.filter(|close| close.before_head == Some(true))?;
    let (sender, receiver) = watch::channel(false);
    call.leave = Leave::When(receiver);
    Some(sender)
}
