//! The story of a request: match → admit → choose → send → relay → record.
//! (The first stage, listen, is `listen.rs`; record happens when the exchange's record is let go.)

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use crate::access_log::Kept;
use crate::cel::Uses;
use crate::error::{Reason, Rejection};
use crate::exchange::Exchange;
use crate::framing::Framing;
use crate::received::Received;
use crate::record::Record;
use crate::relay::Reply;
use crate::route::{self, Asked, NoRoute};
use crate::snapshot::{Bind, Filters, RouteEntry, Rule, Snapshot, Target};
use crate::tunnel::Slot;
use crate::worker::Worker;
use crate::{admit, cors, failover, http2, mirror, model, path, redirect, select, static_backend, tracing, tunnel};

/// One client connection.
#[derive(Debug, Clone)]
pub struct Client {
    /// The listener's port, as the configuration spells it.
    pub port: u16,
    /// Where it comes from.
    pub peer: IpAddr,
    /// The name it asked for in TLS, empty where it asked for none; `None` without TLS.
    pub server_name: Option<Rc<str>>,
    /// What was seen of its bytes.
    pub framing: Framing,
    /// What its connection becomes.
    pub tunnel: Slot,
}

/// Takes one request of one client connection. The exchange begins at once: a client that leaves before anything else
/// happens has its record too.
pub fn handle(
    worker: Rc<Worker>,
    client: Client,
    request: Request<Received>,
) -> impl Future<Output = Response<Reply>> + Unpin {
    let (head, body) = request.into_parts();
    let exchange = Exchange::begin(worker, &client, head);
    // large, and the HTTP layer moves it about before it begins: it is made where it stays
    let room = Box::new_uninit();
    Box::into_pin(Box::write(room, serve(exchange, client, body)))
}

/// Serves a request.
async fn serve(mut exchange: Box<Exchange>, client: Client, body: Received) -> Response<Reply> {
    let snapshot = exchange.worker.shared.snapshot.load_full();

    tracing::begin(&mut exchange, &snapshot);

    // listen: what HTTP let through but a proxy must not pass on
    if let Err(rejection) = check_framing(&mut exchange, &client.framing) {
        return exchange.reject(rejection);
    }

    // match
    let entry = match match_route(&mut exchange, &snapshot, &client) {
        Ok(entry) => entry,
        Err(rejection) => return refuse(exchange, body, rejection),
    };
    let rule = &entry.rule;
    exchange.response_edits.push((rule.clone(), None));
    if let Some(answer) = preflight(&mut exchange, rule) {
        return answer_directly(exchange, body, answer);
    }
    if let Some(keys) = &rule.client_keys
        && let Err(rejection) = keys.admit(&mut exchange.head.headers)
    {
        return refuse(exchange, body, rejection);
    }
    if let Some(kept) = &mut exchange.record.kept {
        kept.keep_request(&exchange.head.headers);
    }
    exchange.deadline = rule.timeouts.request.map(|limit| exchange.record.started + limit);
    if let Some(answer) = redirected(&exchange, entry, &rule.filters) {
        return match answer {
            Ok(answer) => answer_directly(exchange, body, answer),
            Err(rejection) => refuse(exchange, body, rejection),
        };
    }
    let persistence = rule.persistence.as_ref();
    exchange.session = persistence.and_then(|kept| kept.key(&exchange.head.headers, exchange.record.time));
    let chosen = match exchange.session {
        Some(key) => key.backend(&rule.backends),
        None => select::by_weight(&rule.backends, exchange.worker.random()),
    };
    let Some(chosen) = chosen else {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let message = format!("route {} has no backend with a weight", rule.route);
        return refuse(exchange, body, Rejection::new(status, Reason::NoHealthyBackend, "no_backend", message));
    };
    let index = rule.backends.iter().position(|backend| std::ptr::eq(backend, chosen)).unwrap_or(0);
    exchange.response_edits.push((rule.clone(), Some(index)));
    if let Some(answer) = redirected(&exchange, entry, &chosen.filters) {
        return match answer {
            Ok(answer) => answer_directly(exchange, body, answer),
            Err(rejection) => refuse(exchange, body, rejection),
        };
    }
    let path = rewritten_path(exchange.head.uri.path(), entry, &chosen.filters);

    match &chosen.target {
        Target::Broken { backend, reason } => {
            exchange.record.backend = Some(backend.clone());
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let message = format!("backend {backend} cannot be used: {reason}");
            refuse(exchange, body, Rejection::new(status, Reason::NoHealthyBackend, "backend_not_usable", message))
        }
        Target::Unready { service } => {
            exchange.record.backend = Some(service.clone());
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let message = format!("Service {service} has no ready endpoint");
            refuse(exchange, body, Rejection::new(status, Reason::NoHealthyBackend, "no_ready_endpoint", message))
        }
        Target::Static(backend) if tunnel::is_asked(&exchange.head, &body) => {
            exchange.record.backend = Some(backend.name.clone());
            // choose, send, and bytes in both directions
            Box::pin(static_backend::serve_tunnel(exchange, &client.tunnel, rule, index, backend, &path)).await
        }
        Target::Static(backend) => {
            exchange.record.backend = Some(backend.name.clone());
            // choose, send, relay: one backend, bytes as they are
            static_backend::serve(exchange, entry, index, backend, &path, body).await
        }
        Target::Ai(_) | Target::Models(_) if tunnel::is_asked(&exchange.head, &body) => {
            exchange.reject(tunnel::refusal())
        }
        // admit, then the model that the body names decides
        Target::Models(router) => Box::pin(model::serve(exchange, entry, index, router, path, body)).await,
        Target::Ai(backend) => {
            exchange.record.backend = Some(backend.name.clone());
            // admit
            let mut admitted = match admit::admit(&mut exchange, entry, &backend.routes, path, body).await {
                Ok(admitted) => admitted,
                Err(rejection) => return exchange.reject(rejection),
            };
            mirror::copy_admitted(&exchange, entry, index, &mut admitted);
            // choose, send, relay: until an answer is committed or nothing is left to try
            match failover::serve(exchange, rule, index, backend, admitted).await {
                Ok(response) => response,
                Err((exchange, rejection)) => exchange.reject(rejection),
            }
        }
    }
}

/// Answers without having looked at the body.
fn refuse(exchange: Box<Exchange>, body: Received, rejection: Rejection) -> Response<Reply> {
    admit::discard(&exchange, body);
    exchange.reject(rejection)
}

/// Ends the exchange with the answer of a filter.
fn answer_directly(mut exchange: Box<Exchange>, body: Received, answer: Response<Bytes>) -> Response<Reply> {
    exchange.record.reason = Some(Reason::DirectResponse);
    exchange.record.end = crate::record::End::Complete;
    admit::discard(&exchange, body);
    exchange.answer(answer)
}

/// RFC 9112 sections 3.2 and 6.3: one host, one length; a chunked request is the last of its connection.
fn check_framing(exchange: &mut Exchange, framing: &Framing) -> Result<(), Rejection> {
    if exchange.head.version == http::Version::HTTP_2 {
        http2::check(&mut exchange.head)?;
    } else {
        check_http1(exchange, framing)?;
    }
    if exchange.head.method == http::Method::CONNECT {
        let message = "CONNECT is not served";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Rejection::new(status, Reason::InvalidRequest, "method_not_allowed", message));
    }
    Ok(())
}

fn check_http1(exchange: &mut Exchange, framing: &Framing) -> Result<(), Rejection> {
    exchange.close = exchange.head.headers.contains_key(http::header::TRANSFER_ENCODING);
    if framing.ambiguous() {
        let message = "the length of the request is not clear: send either one plain Content-Length or Transfer-Encoding: chunked";
        return Err(Rejection { close: true, ..Rejection::invalid("ambiguous_framing", message) });
    }
    let hosts = exchange.head.headers.get_all(http::header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && exchange.head.version >= http::Version::HTTP_11) {
        return Err(Rejection { close: true, ..Rejection::invalid("invalid_host", "one Host header is needed") });
    }
    let named = exchange.head.uri.authority().map(|authority| authority.as_str());
    let host = exchange.head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    if named.into_iter().chain(host).any(|name| name.contains('@')) {
        return Err(Rejection::invalid("invalid_host", "a host with a user or a password is not served"));
    }
    Ok(())
}

fn match_route<'a>(
    exchange: &mut Exchange,
    snapshot: &'a Snapshot,
    client: &Client,
) -> Result<&'a RouteEntry, Rejection> {
    let reading =
        path::read(exchange.head.uri.path()).map_err(|error| Rejection::invalid("invalid_path", error.to_string()))?;
    if let Some(normal) = &reading.normal {
        path::replace(&mut exchange.head.uri, normal);
        exchange.record.path = normal.as_str().into();
    }
    let port = client.port;
    let not_found =
        |message: String| Rejection::new(StatusCode::NOT_FOUND, Reason::NotFound, "route_not_found", message);
    let bind = snapshot.binds.iter().find(|bind| bind.port == port);
    let bind = bind.ok_or_else(|| not_found(format!("no listener on port {port}")))?;
    let host = &*exchange.record.host;
    if let Some(name) = &client.server_name {
        check_server_name(bind, name, host)?;
    }
    let (path, head) = (exchange.head.uri.path(), &exchange.head);
    let asked = Asked { method: &head.method, path, lenient: reading.lenient.as_deref(), host, head };
    let found = route::find(bind, asked);
    let listener = found.as_ref().map_or_else(|_| route::listener(bind, host), |(listener, _)| Some(*listener));
    let found = found.map_err(|missing| match missing {
        NoRoute::Listener => not_found(format!("no listener on port {port} serves host {host:?}")),
        NoRoute::Route => not_found(format!("no route matches {} {path} on host {host:?}", head.method)),
        NoRoute::Ambiguous => {
            let message = "some servers read the path as one that another rule serves: send it without `//`, `\\`, `;`, `%2F` and `%5C`";
            Rejection::invalid("ambiguous_path", message)
        }
    });
    let telling = listener.and_then(|listener| listener.telling.clone());
    let traced = exchange.record.tracing.as_ref().map_or(Uses::default(), |tracing| tracing.uses());
    if telling.is_some() || traced != Uses::default() {
        let kept = Kept::new(telling.unwrap_or_default(), traced, exchange.worker.shared.log_bodies);
        exchange.record.kept = Some(Box::new(kept));
    }
    let (listener, entry) = found?;
    let record = &mut *exchange.record;
    record.gateway = Some(listener.gateway.clone());
    record.listener = Some(listener.name.clone());
    record.route = Some(entry.rule.route.clone());
    record.rule.clone_from(&entry.rule.name);
    record.matched = record.tracing.as_ref().map(|_| entry.matcher.path.to_string().into());
    Ok(entry)
}

/// RFC 9110 section 15.5.20: a host whose listener is not the one that TLS was set up with.
fn check_server_name(bind: &Bind, name: &str, host: &str) -> Result<(), Rejection> {
    match (route::listener(bind, host), route::listener(bind, name)) {
        (Some(asked), met) if !met.is_some_and(|met| std::ptr::eq(asked, met)) => {
            let message = format!("host {host:?} is not served on a TLS connection that was opened for {name:?}");
            Err(Rejection::new(StatusCode::MISDIRECTED_REQUEST, Reason::NotFound, "misdirected_request", message))
        }
        _ => Ok(()),
    }
}

/// What the rule's filter, or that of a backendRef, answers a preflight: browsers send no key with one.
fn preflight(exchange: &mut Exchange, rule: &Arc<Rule>) -> Option<Response<Bytes>> {
    let (of, cors) = rule.cors().filter(|_| cors::preflight_method(&exchange.head).is_some())?;
    exchange.response_edits.extend(of.map(|index| (rule.clone(), Some(index))));
    Some(cors.preflight(&exchange.head.headers))
}

/// What a filter answers instead of a backend.
fn redirected(
    exchange: &Exchange,
    entry: &RouteEntry,
    filters: &Filters,
) -> Option<Result<Response<Bytes>, Rejection>> {
    let redirect = filters.redirect.as_ref()?;
    let (uri, matched) = (&exchange.head.uri, &entry.matcher.path);
    let Record { scheme, host, port, .. } = &*exchange.record;
    let asked = redirect::Asked { scheme, host, port: *port, uri, matched };
    let answer = redirect::answer(redirect, asked);
    let no_host = || Rejection::invalid("invalid_host", "a redirect needs to know the host: send a Host header");
    Some(answer.ok_or_else(no_host))
}

/// The path that goes upstream; the backendRef's filter wins.
fn rewritten_path(path: &str, entry: &RouteEntry, own: &Filters) -> String {
    let edit = [own, &entry.rule.filters].into_iter().find_map(|filters| filters.rewrite.as_ref()?.path.as_ref());
    edit.map_or_else(|| path.to_owned(), |edit| path::edited(path, &entry.matcher.path, edit))
}
