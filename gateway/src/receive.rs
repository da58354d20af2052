//! The first look at an AI backend's answer: what its head says about the body, and whether the body holds until
//! something of it may be sent on. What follows from a broken one is `failover`'s business.

use std::time::Instant;

use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use crate::admit::Admitted;
use crate::answer::{Answer, Broken, Form, InFlight, Tap};
use crate::decode::Decoder;
use crate::headers;
use crate::snapshot::Operation;
use crate::upstream::Connection;

/// An answer that broke before any of it was sent on.
#[derive(Debug)]
pub struct Uncommitted {
    /// How.
    pub broken: Broken,
    /// A stream before its commit point: nothing of its answer was told.
    pub movable: bool,
}

/// Reads the head, and of a stream what comes before its commit point until when it could still move elsewhere.
///
/// # Errors
/// When the answer broke before any of it was sent on.
pub async fn receive(
    admitted: &Admitted,
    response: Response<()>,
    connection: Connection,
    in_flight: InFlight,
    hold_until: Option<Instant>,
) -> Result<(Response<()>, Answer), Uncommitted> {
    let (mut head, ()) = response.into_parts();
    let event_stream = headers::is_event_stream(&head.headers) && head.status.is_success();
    let ours = admitted.operation != Operation::Passthrough;
    let decoder = if ours { Decoder::take_over(&mut head.headers).map(Box::new) } else { None };
    let plain = !head.headers.contains_key(CONTENT_ENCODING);
    headers::strip_hop_by_hop(&mut head.headers);
    let prompt = admitted.prompt.as_ref();
    let hide = event_stream
        && plain
        && admitted.operation.has_stream_options()
        && prompt.is_some_and(|prompt| prompt.stream && !prompt.asked_usage);
    if hide {
        head.headers.remove(CONTENT_LENGTH);
    }
    let tap = Tap::of(admitted.operation, event_stream, plain, hide, admitted.traced);
    let sized = head.headers.contains_key(CONTENT_LENGTH);
    let form = Form { tap, decoder, close_delimited: connection.is_close_delimited(), sized };
    let mut answer = Answer::new(form, connection, Some(in_flight));
    if event_stream
        && let Some(until) = hold_until
        && let Err(broken) = answer.hold(until).await
    {
        return Err(Uncommitted { broken, movable: true });
    }
    if let Err(broken) = answer.peek().await {
        return Err(Uncommitted { broken, movable: event_stream });
    }
    Ok((Response::from_parts(head, ()), answer))
}
