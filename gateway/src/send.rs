//! Stage send: builds one upstream request, makes one attempt, and decides whether another may follow.
//! A request is sent again only before anything of an answer was committed to the client.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HOST, HeaderMap, HeaderValue};
use http::uri::InvalidUri;
use http::{Method, Request, Response, StatusCode, Uri};

use crate::error::{Reason, Rejection};
use crate::exchange::Exchange;
use crate::headers::{TRACEPARENT, TRACESTATE};
use crate::snapshot::{Credential, Endpoint, Filters, Operation, Provider, Rule, WeightedBackend};
use crate::trace::state;
use crate::upstream::{self, BodyBroken, ConnectError, Connection, Pool, SendError, UpstreamBody};
use crate::{admit, headers};

/// Why an attempt gave no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// No connection: nothing was sent.
    Connect(ConnectError),
    /// Sent, but the connection broke before an answer.
    Lost(upstream::Error),
    /// It switched protocols, which nobody had asked for.
    Switched,
    /// `timeouts.backendRequest` passed.
    AttemptTimeout,
    /// `timeouts.request` passed.
    RequestTimeout,
}

impl NoAnswer {
    /// Whether the provider accepted nothing.
    #[must_use]
    pub fn nothing_accepted(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            Self::Lost(error) => upstream::refused(error),
            Self::Switched | Self::AttemptTimeout | Self::RequestTimeout => false,
        }
    }

    /// Whether it is the client that did not do its part.
    #[must_use]
    pub fn of_the_client(&self) -> bool {
        matches!(self, Self::Lost(error) if upstream::body_broken(error).is_some())
    }

    /// As the gateway's own answer.
    #[must_use]
    pub fn rejection(&self, who: &str) -> Rejection {
        let timeout =
            |message: String| Rejection::new(StatusCode::GATEWAY_TIMEOUT, Reason::Timeout, "upstream_timeout", message);
        match self {
            Self::Connect(error) => {
                let message = format!("{who} cannot be reached: {error}");
                Rejection::new(StatusCode::BAD_GATEWAY, Reason::UpstreamFailure, "upstream_unreachable", message)
            }
            Self::Lost(error) if matches!(upstream::body_broken(error), Some(BodyBroken::TooSlow)) => {
                admit::slow_body()
            }
            Self::Lost(error) => {
                let message = format!("{who} broke off before it answered: {error}");
                Rejection::new(StatusCode::BAD_GATEWAY, Reason::UpstreamFailure, "upstream_broken", message)
            }
            Self::Switched => {
                let message = format!("{who} answered 101 to a request that asked for no other protocol");
                Rejection::new(StatusCode::BAD_GATEWAY, Reason::UpstreamFailure, "upstream_broken", message)
            }
            Self::AttemptTimeout => timeout(format!("{who} did not answer within timeouts.backendRequest")),
            Self::RequestTimeout => timeout(format!("{who} did not answer within timeouts.request")),
        }
    }
}

/// Sends one request, within the attempt's and the request's deadlines.
///
/// # Errors
/// When no answer came.
pub async fn attempt(
    pool: &Pool,
    endpoint: &Endpoint,
    request: Request<UpstreamBody>,
    attempt_limit: Option<Duration>,
    deadline: Option<Instant>,
) -> Result<(Response<()>, Connection), NoAnswer> {
    let sent = pin!(send(pool, endpoint, request));
    let (response, connection) = within(sent, attempt_limit, deadline).await?;
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => Err(NoAnswer::Switched),
        _ => Ok((response, connection)),
    }
}

/// Waits for an answer no longer than the attempt's and the request's deadlines.
///
/// # Errors
/// When no answer came.
pub async fn within<T>(
    sent: impl Future<Output = Result<T, NoAnswer>>,
    attempt_limit: Option<Duration>,
    deadline: Option<Instant>,
) -> Result<T, NoAnswer> {
    let attempt_end = attempt_limit.map(|limit| Instant::now() + limit);
    let Some(end) = attempt_end.into_iter().chain(deadline).min() else { return sent.await };
    match tokio::time::timeout_at(end.into(), sent).await {
        Ok(outcome) => outcome,
        Err(_) if Some(end) == deadline => Err(NoAnswer::RequestTimeout),
        Err(_) => Err(NoAnswer::AttemptTimeout),
    }
}

/// An idle connection may have been closed meanwhile, and a shared one may be about to end: then the request, of which
/// nothing was accepted, goes out once more on a new one.
async fn send(
    pool: &Pool,
    endpoint: &Endpoint,
    request: Request<UpstreamBody>,
) -> Result<(Response<()>, Connection), NoAnswer> {
    let mut connection = pool.connection(endpoint).await.map_err(NoAnswer::Connect)?;
    let copy = if connection.is_shared() { upstream::copy(&request) } else { None };
    let request = match (connection.send(request).await, copy) {
        (Ok(response), _) => return Ok((response, connection)),
        (Err(SendError::Lost(error)), Some(copy)) if upstream::refused(&error) => copy,
        (Err(SendError::Lost(error)), _) => return Err(NoAnswer::Lost(error)),
        (Err(SendError::Unsent(request)), _) => *request,
    };
    drop(connection);
    let mut connection = pool.fresh(endpoint).await.map_err(NoAnswer::Connect)?;
    // rare: the future of each exchange keeps no room for it
    match Box::pin(connection.send(request)).await {
        Ok(response) => Ok((response, connection)),
        Err(SendError::Lost(error)) => Err(NoAnswer::Lost(error)),
        Err(SendError::Unsent(_)) => {
            let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            Err(NoAnswer::Connect(gone.into()))
        }
    }
}

/// Everything of an upstream request but its body.
#[derive(Debug)]
pub struct Outbound<'a> {
    /// Where to.
    pub endpoint: &'a Endpoint,
    /// Path with query, if they make one.
    pub target: Result<Uri, InvalidUri>,
    /// What is sent as credentials.
    pub credential: &'a Credential,
    /// Rule and backendRef whose filters apply.
    pub rule: &'a Arc<Rule>,
    /// Index of the backendRef; none for a copy that the rule asks for.
    pub backend: Option<usize>,
    /// The attempt's own span.
    pub span_id: u64,
    /// The gateway writes the body, also an empty one, and reads the answer.
    pub ai: bool,
}

impl Outbound<'_> {
    /// The backendRef whose filters apply.
    fn own(&self) -> Option<&WeightedBackend> {
        self.backend.and_then(|index| self.rule.backends.get(index))
    }
}

/// Builds the request head as the provider gets it.
///
/// # Errors
/// 500 when the Secret cannot be used, 400 when the path is not a URI.
pub fn build(
    exchange: &Exchange,
    outbound: Outbound<'_>,
    body: UpstreamBody,
) -> Result<Request<UpstreamBody>, Rejection> {
    let strip = !matches!(outbound.credential, Credential::Passthrough);
    let mut to = headers::forwarded(&exchange.head.headers, strip);
    headers::append_forwarded_for(&mut to, exchange.peer);
    headers::edit(&mut to, &outbound.rule.filters.request_headers);
    if let Some(backend) = outbound.own() {
        headers::edit(&mut to, &backend.filters.request_headers);
    }
    if outbound.ai {
        to.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    match outbound.credential {
        Credential::Unusable(why) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(Rejection::new(status, Reason::NoHealthyBackend, "backend_not_usable", why.to_string()));
        }
        Credential::Inject { name, value } => drop(to.insert(name, value.clone())),
        Credential::None | Credential::Passthrough => (),
    }
    let (trace, exported) = (&exchange.record.trace, exchange.record.tracing.is_some());
    if !trace.passes {
        to.insert(TRACEPARENT, trace.header(if exported { outbound.span_id } else { trace.span_id }));
    }
    if !trace.continues() {
        to.remove(TRACESTATE);
    } else if !trace.passes {
        state::carry(&mut to);
    }
    insert_host(&mut to, &outbound);
    let target = outbound.target.map_err(|_| Rejection::invalid("invalid_path", "the path is not a URI"))?;
    let mut request = Request::new(body);
    *request.method_mut() = exchange.head.method.clone();
    *request.uri_mut() = target;
    *request.headers_mut() = to;
    Ok(request)
}

/// What a provider is asked.
#[derive(Debug, Clone, Copy)]
pub struct ToProvider<'a> {
    /// Who.
    pub provider: &'a Provider,
    /// For what.
    pub operation: Operation,
    /// The path after rewrites.
    pub path: &'a str,
    /// Rule and backendRef whose filters apply.
    pub rule: &'a Arc<Rule>,
    /// Index of the backendRef; none for a copy that the rule asks for.
    pub backend: Option<usize>,
    /// The attempt's own span.
    pub span_id: u64,
}

/// Builds a request for a provider: the operation's path there, its key, its ways.
///
/// # Errors
/// As [`build`].
pub fn to_provider(
    exchange: &Exchange,
    to: &ToProvider<'_>,
    body: UpstreamBody,
) -> Result<Request<UpstreamBody>, Rejection> {
    let provider = to.provider;
    let query = exchange.head.uri.query().map(|query| match provider.credential {
        Credential::Passthrough => query.into(),
        _ => headers::query_without_credentials(query),
    });
    let outbound = Outbound {
        endpoint: &provider.endpoint,
        target: provider.targets.of(to.operation, to.path, query.as_deref()),
        credential: &provider.credential,
        rule: to.rule,
        backend: to.backend,
        span_id: to.span_id,
        ai: to.operation != Operation::Passthrough,
    };
    let mut request = build(exchange, outbound, body)?;
    if provider.system == "anthropic" {
        let version = HeaderValue::from_static("2023-06-01");
        request.headers_mut().entry("anthropic-version").or_insert(version);
    }
    Ok(request)
}

/// The host that a filter sets, else the upstream's own.
fn insert_host(to: &mut HeaderMap, outbound: &Outbound<'_>) {
    if to.contains_key(HOST) {
        return;
    }
    let hostname = |filters: &Filters| filters.rewrite.as_ref()?.hostname.clone();
    let of_backend = outbound.own().and_then(|backend| hostname(&backend.filters));
    let rewritten = of_backend.or_else(|| hostname(&outbound.rule.filters));
    let endpoint = outbound.endpoint;
    let default_port = if endpoint.tls.is_some() { 443 } else { 80 };
    let own = || {
        let host = &endpoint.authority[..endpoint.authority.bytes().rposition(|byte| byte == b':')?];
        HeaderValue::from_str(if endpoint.port == default_port { host } else { &endpoint.authority }).ok()
    };
    if let Some(host) = rewritten.or_else(own) {
        to.insert(HOST, host);
    }
}

/// A body of pieces; methods without a body get none.
#[must_use]
pub fn pieces(method: &Method, pieces: VecDeque<Bytes>) -> UpstreamBody {
    UpstreamBody::Pieces(if *method == Method::GET { VecDeque::new() } else { pieces })
}
