//! One client request with all its attempts: what the stages hand to each other.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use smallvec::SmallVec;

use crate::affinity::{Key, Place};
use crate::error::Rejection;
use crate::headers::REQUEST_ID;
use crate::proxy::Client;
use crate::record::{End, Pending};
use crate::relay::Reply;
use crate::snapshot::Rule;
use crate::trace::{Trace, hex};
use crate::worker::Worker;

/// Goes through the stages by `&mut`; its record is handed over when the exchange ends.
pub struct Exchange {
    /// The core this exchange lives on.
    pub worker: Rc<Worker>,
    /// What will be logged and counted.
    pub record: Pending,
    /// Where the request comes from.
    pub peer: IpAddr,
    /// The request's head as received.
    pub head: Parts,
    /// Deadline of the rule, if it has one.
    pub deadline: Option<Instant>,
    /// Response header changes of the rule and of the chosen backendRef.
    pub response_edits: SmallVec<[(Arc<Rule>, Option<usize>); 2]>,
    /// The session that came with the request, where the rule keeps sessions.
    pub session: Option<Key>,
    /// What a session that begins here is told.
    pub session_begins: Option<(HeaderName, HeaderValue)>,
    /// The client connection cannot carry another request.
    pub close: bool,
}

/// The name of a request that came without one.
fn own_id(trace: &Trace) -> [u8; 32] {
    hex(trace.trace_id ^ u128::from(trace.span_id))
}

fn text(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).expect("digits are text")
}

impl fmt::Debug for Exchange {
    /// Without the head, in which the caller's credentials are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("record", &self.record).finish_non_exhaustive()
    }
}

impl Exchange {
    /// Begins an exchange: identity, trace, record. It goes from stage to stage, so that it stays where it is.
    #[must_use]
    pub fn begin(worker: Rc<Worker>, client: &Client, head: Parts) -> Box<Self> {
        let trace = Trace::begin(&head.headers, || worker.random());
        let given = head.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let given = given.filter(|id| !id.is_empty() && id.len() <= 128);
        let mut record = Pending::new(worker.sink.clone());
        match given {
            Some(id) => record.request_id.push_str(id),
            None => record.request_id.push_str(text(&own_id(&trace))),
        }
        record.host.push_str(&crate::route::host(&head));
        record.path.push_str(head.uri.path());
        record.trace = trace;
        record.peer = client.peer;
        record.method = head.method.clone();
        record.version = head.version;
        record.port = client.port;
        record.scheme = if client.server_name.is_some() { "https" } else { "http" };
        Box::new(Self {
            worker,
            record,
            peer: client.peer,
            head,
            deadline: None,
            response_edits: SmallVec::new(),
            session: None,
            session_begins: None,
            close: false,
        })
    }

    /// A session that began with this request is told who served it, so that it returns there.
    pub fn settle_session(&mut self, provider: Option<&str>) {
        let Some((rule, Some(backend))) = self.response_edits.last() else { return };
        let Some(persistence) = &rule.persistence else { return };
        if self.session.is_none() && self.record.status < 400 {
            let place = Place::of(&rule.backends[*backend].target, provider);
            self.session_begins = persistence.announcement(place, self.record.time);
        }
    }

    /// Ends the exchange with the gateway's own answer.
    #[must_use]
    pub fn reject(mut self: Box<Self>, rejection: Rejection) -> Response<Reply> {
        use crate::error::Reason;
        self.record.status = rejection.status.as_u16();
        self.record.end = match rejection.reason {
            Reason::Timeout => End::TimedOut,
            Reason::UpstreamFailure => End::UpstreamFailed,
            _ => End::Rejected,
        };
        self.record.reason = Some(rejection.reason);
        self.record.error = Some(rejection.message.as_str().into());
        let response = rejection.response(&self.record.request_id);
        self.close |= rejection.close;
        self.answer(response)
    }

    /// Ends the exchange with a complete answer of the gateway's own.
    #[must_use]
    pub fn answer(mut self: Box<Self>, response: Response<bytes::Bytes>) -> Response<Reply> {
        self.record.status = response.status().as_u16();
        self.record.response_bytes = response.body().len() as u64;
        let mut response = response.map(Reply::full);
        self.finish_head(&mut response);
        response
    }

    /// Last changes to any response head.
    pub fn finish_head(&mut self, response: &mut Response<Reply>) {
        for (rule, backend) in &self.response_edits {
            let filters = backend.map_or(&rule.filters, |index| &rule.backends[index].filters);
            if let Some(cors) = &filters.cors {
                cors.grant(&self.head.headers, response.headers_mut());
            }
            crate::headers::edit(response.headers_mut(), &filters.response_headers);
        }
        if let Some((name, value)) = &self.session_begins {
            response.headers_mut().append(name, value.clone());
        }
        if let http::header::Entry::Vacant(id) = response.headers_mut().entry(REQUEST_ID)
            && let Ok(ours) = http::HeaderValue::from_str(&self.record.request_id)
        {
            id.insert(ours);
        }
        // HTTP/2 has a frame for it
        let elsewhere = || self.head.version != http::Version::HTTP_2 && self.worker.lets_go(self.record.started);
        if self.close || self.worker.draining.get() || elsewhere() {
            response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
        }
        if let Some(kept) = &mut self.record.kept {
            kept.keep_response(response.headers());
        }
    }
}
