//! The small HTTP servers beside the data path: `/metrics`, readiness, what became of the configuration, and on an
//! address of its own the admin page and what the gateway says about its objects. Changes nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;

use crate::config::view;
use crate::loaded::Loaded;
use crate::metrics::providers;
use crate::metrics::write::{Format, Text};
use crate::page::live::{Body, Pulse, stalled};
use crate::page::{self, Page};
use crate::patience::Paced;
use crate::telemetry::Exposition;
use crate::worker::Shared;

/// Most connections of one of these addresses; more wait.
const CONNECTIONS: usize = 64;
/// How long a client may take to ask, and to take what it asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is served beside the data path.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Metrics of this gateway.
    pub exposition: Exposition,
    /// What is served.
    pub shared: Arc<Shared>,
    /// Whether new traffic is welcome.
    pub ready: Arc<AtomicBool>,
    /// What became of the configuration.
    pub loaded: Loaded,
    /// Of the administrator's address, which alone has the status of all objects.
    pub page: Option<Page>,
}

impl Admin {
    /// Serves a listener until the runtime ends.
    pub async fn serve(self, listener: TcpListener) {
        serve(listener, move |request, pulse| self.served(request, pulse)).await;
    }

    fn served(&self, request: &Request<Incoming>, pulse: &Pulse) -> Response<Body> {
        let Some(page) = &self.page else { return self.answer(request) };
        let of_page = page::refused(request).or_else(|| page.answer(request, pulse));
        let mut response = of_page.unwrap_or_else(|| self.answer(request));
        page::guard(&mut response);
        response
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/metrics" | "/stats/prometheus" => {
                let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
                let format = Format::accepted(accept.unwrap_or_default());
                as_type(text(StatusCode::OK, self.metrics(format)), format.content_type())
            }
            "/healthz/ready" if self.ready.load(Relaxed) => text(StatusCode::OK, "ready\n".into()),
            "/healthz/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
            "/config" => as_type(text(StatusCode::OK, self.loaded.page()), "application/json"),
            "/healthz/live" => text(StatusCode::OK, "alive\n".into()),
            "/status" if self.page.is_some() => {
                as_type(text(StatusCode::OK, view::list(&self.loaded.status()).to_string()), "application/json")
            }
            "/status" => text(StatusCode::NOT_FOUND, "only the address of --admin has /status\n".into()),
            _ => text(StatusCode::NOT_FOUND, "paths: /metrics /config /healthz/ready /healthz/live /status\n".into()),
        }
    }
}

/// Serves a listener until the runtime ends, on few connections and with little patience.
pub(crate) async fn serve<A>(listener: TcpListener, answer: A)
where
    A: Fn(&Request<Incoming>, &Pulse) -> Response<Body> + Clone + 'static,
{
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(seat) = room.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // out of file descriptors: let others finish first
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let answer = answer.clone();
        spawn_local(async move {
            let _seat = seat;
            let pulse = Pulse::default();
            let service = service_fn(|request| {
                let response = answer(&request, &pulse);
                async move { Ok::<_, Infallible>(response) }
            });
            let stream = TokioIo::new(Paced::new(stream, PATIENCE));
            let mut server = http1::Builder::new();
            let connection =
                server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).serve_connection(stream, service);
            // a scraper that leaves is nobody's problem
            tokio::select! { _ended = connection => (), () = stalled(&pulse) => () }
        });
    }
}

impl Admin {
    fn metrics(&self, format: Format) -> String {
        let mut text = Text::new(format);
        self.exposition.write(&mut text);
        providers::write(&self.shared.snapshot.load(), &mut text);
        self.loaded.write(&mut text);
        text.finish()
    }
}

fn as_type(mut response: Response<Body>, of: &'static str) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(of));
    response
}

/// A short answer as text.
pub(crate) fn text(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::Full(Some(Bytes::from(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
