//! What is sent to an upstream as a body: pieces that are held, or the client's own stream.

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};

use crate::mirror::Copied;
use crate::patience::{Over, Patience};
use crate::received::{Received, Unfinished};

/// Why a body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyBroken {
    /// The client, or its connection, broke it off.
    #[error(transparent)]
    Client(#[from] Unfinished),
    /// The client sent nothing for too long.
    #[error("the request body did not arrive in time")]
    TooSlow,
}

/// A client's body that passes by; the client may not let it wait for too long.
#[derive(Debug)]
pub struct Passing {
    body: Received,
    patience: Patience,
}

impl Passing {
    /// Bounds each wait for the client's next bytes.
    #[must_use]
    pub fn new(body: Received, limit: Duration) -> Self {
        Self { body, patience: Patience::new(limit) }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        Poll::Ready(match ready!(self.patience.poll(cx, frame)) {
            Ok(frame) => frame.map(|frame| frame.map_err(BodyBroken::from)),
            Err(Over) => Some(Err(BodyBroken::TooSlow)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request body on its way up.
#[derive(Debug)]
pub enum UpstreamBody {
    /// Pieces of a body that is held: sent as they are, in order.
    Pieces(VecDeque<Bytes>),
    /// The client's body, as it arrives.
    Stream(Passing),
    /// The same, with a copy for mirrors.
    Copied(Box<Copied>),
}

/// What the client did to its body, where a request failed for that.
#[must_use]
pub fn body_broken(error: &super::Error) -> Option<&BodyBroken> {
    match error {
        super::Error::Client(broken) => Some(broken),
        super::Error::Http2(error) => error.source().and_then(|source| source.downcast_ref()),
        _ => None,
    }
}

/// No body.
#[must_use]
pub fn empty() -> UpstreamBody {
    UpstreamBody::Pieces(VecDeque::new())
}

/// The same request once more, if all of it is at hand.
#[must_use]
pub fn copy(request: &Request<UpstreamBody>) -> Option<Request<UpstreamBody>> {
    let body = match request.body() {
        UpstreamBody::Pieces(pieces) => UpstreamBody::Pieces(pieces.clone()),
        body if body.is_end_stream() => empty(),
        UpstreamBody::Stream(_) | UpstreamBody::Copied(_) => return None,
    };
    let mut copy = Request::new(body);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyBroken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyBroken>>> {
        match self.get_mut() {
            Self::Pieces(pieces) => Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(piece)))),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
            Self::Copied(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Pieces(pieces) => pieces.is_empty(),
            Self::Stream(body) => body.is_end_stream(),
            Self::Copied(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Pieces(pieces) => SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Self::Stream(body) => body.size_hint(),
            Self::Copied(body) => body.size_hint(),
        }
    }
}
