//! The small HTTP servers beside the data path: `/metrics`, readiness, what became of the configuration, and on an
//! address of its own what the gateway says about its objects. Changes nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use crate::config::view;
use crate::loaded::Loaded;
use crate::metrics::providers;
use crate::metrics::write::{Format, Text};
use crate::relay::Reply;
use crate::telemetry::Exposition;
use crate::worker::Shared;

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
    /// Whether it is the administrator's address, which alone has the status of all objects.
    pub inside: bool,
}

impl Admin {
    /// Serves a listener until the runtime ends.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let admin = self.clone();
            spawn_local(async move {
                let service = service_fn(move |request| {
                    let response = admin.answer(&request);
                    async move { Ok::<_, Infallible>(response) }
                });
                // a scraper that leaves is nobody's problem
                let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Reply> {
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
            "/status" if self.inside => {
                as_type(text(StatusCode::OK, view::list(&self.loaded.status()).to_string()), "application/json")
            }
            "/status" => text(StatusCode::NOT_FOUND, "only the address of --admin has /status\n".into()),
            _ => text(StatusCode::NOT_FOUND, "paths: /metrics /config /healthz/ready /healthz/live /status\n".into()),
        }
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

fn as_type(mut response: Response<Reply>, of: &'static str) -> Response<Reply> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(of));
    response
}

fn text(status: StatusCode, body: String) -> Response<Reply> {
    let mut response = Response::new(Reply::full(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
