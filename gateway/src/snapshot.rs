//! The compiled configuration: immutable, shared behind an atomic pointer.
//! A request keeps the snapshot it started with. Nothing here parses or validates; `config` does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use regex::Regex;
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;

use crate::access_log::Telling;
use crate::affinity::Persistence;
use crate::auth::ClientKeys;
use crate::cel::Expression;
use crate::cors::Cors;
use crate::health::Health;
use crate::mirror::Mirror;
use crate::model::ModelRouter;
use crate::operation::Targets;
use crate::route::index::Index;
use crate::tracing::Tracing;

/// Everything a request needs to know, for all listeners.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// One entry per port, ascending.
    pub binds: Vec<Bind>,
}

/// All listeners of one port.
#[derive(Debug)]
pub struct Bind {
    /// The port as the Gateway spells it (before `--listen` moves it elsewhere).
    pub port: u16,
    /// Set where the listeners of the port are HTTPS: all of them are, or none.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether one of the listeners has a tracing of its own.
    pub traced: bool,
    /// Ordered so that the first whose hostname fits is the best: exact, longest wildcard, none.
    pub listeners: Vec<Listener>,
}

/// One listener with the routes that attached to it.
#[derive(Debug)]
pub struct Listener {
    /// `namespace/name` of the Gateway.
    pub gateway: Arc<str>,
    /// The listener's name.
    pub name: Arc<str>,
    /// Hosts this listener serves; `None` serves every host.
    pub hostname: Option<Hostname>,
    /// What clients are shown; empty without TLS.
    pub certificates: Vec<Arc<CertifiedKey>>,
    /// What its access log and its metrics tell, where a policy says so.
    pub telling: Option<Arc<Telling>>,
    /// Its own tracing, where a policy says so.
    pub tracing: Option<Arc<Tracing>>,
    /// Sorted by the Gateway API's precedence: the first match is the best match.
    pub routes: Vec<RouteEntry>,
    /// Finds them.
    pub index: Index,
}

/// One match of one rule under one hostname.
#[derive(Debug)]
pub struct RouteEntry {
    /// Effective host (listener ∩ route); `None` matches every host.
    pub hostname: Option<Hostname>,
    /// Conditions on the request head.
    pub matcher: Match,
    /// What to do on a match.
    pub rule: Arc<Rule>,
}

/// A lower-case host name pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hostname {
    /// `api.example.com`
    Exact(Box<str>),
    /// `*.example.com`, kept as `.example.com`
    Wildcard(Box<str>),
}

/// An HTTPRouteMatch; all present conditions hold together.
#[derive(Debug, Clone)]
pub struct Match {
    /// On the path, without query.
    pub path: PathMatch,
    /// On the method.
    pub method: Option<Method>,
    /// On header values.
    pub headers: Vec<(HeaderName, ValueMatch)>,
    /// On query parameters (percent-decoded), first occurrence.
    pub query: Vec<(Box<str>, ValueMatch)>,
}

/// A condition on the path.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// The whole path.
    Exact(Box<str>),
    /// Whole segments from the start; kept without trailing slash, `/` is the empty string.
    Prefix(Box<str>),
    /// The whole path, anchored by the compiler.
    Regex(Regex),
}

impl fmt::Display for PathMatch {
    /// As spans are named: `/v1/models`, `/openai/*`, or the pattern.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(prefix) => write!(f, "{prefix}/*"),
            Self::Regex(regex) => {
                let pattern = regex.as_str();
                let bare = pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
                f.write_str(bare.unwrap_or(pattern))
            }
        }
    }
}

/// A condition on a header or query value.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// Byte equality.
    Exact(Box<str>),
    /// Anchored at both ends by the compiler.
    Regex(Regex),
}

/// One rule of a route, compiled.
#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
pub struct Rule {
    /// `namespace/name` of the HTTPRoute or AIRoute.
    pub route: Arc<str>,
    /// The rule's own name, if it has one.
    pub name: Option<Arc<str>>,
    /// Only the OpenAI paths match (an AIRoute without its own matches).
    pub openai_paths_only: bool,
    /// Who may come in; `None` is everyone.
    pub client_keys: Option<Arc<ClientKeys>>,
    /// Largest body that an AI backend is sent.
    pub body_limit: usize,
    /// Changes to the request and the response.
    pub filters: Filters,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Configured retry; `None` means the built-in single failover.
    pub retry: Option<Retry>,
    /// Sessions return to their target; `None` where each request is on its own.
    pub persistence: Option<Persistence>,
    /// Weighted backends; empty answers 500.
    pub backends: Vec<WeightedBackend>,
}

impl Rule {
    /// The CORS filter that answers preflights: its own, else that of the first backendRef that has one, and which.
    #[must_use]
    pub fn cors(&self) -> Option<(Option<usize>, &Cors)> {
        let of_backends = self.backends.iter().enumerate();
        let mut of_backends = of_backends.filter_map(|(at, backend)| Some((Some(at), backend.filters.cors.as_ref()?)));
        self.filters.cors.as_ref().map(|cors| (None, cors)).or_else(|| of_backends.next())
    }
}

/// The filters of a rule or of a backendRef.
#[derive(Debug, Default, Clone)]
pub struct Filters {
    /// RequestHeaderModifier.
    pub request_headers: HeaderEdit,
    /// ResponseHeaderModifier.
    pub response_headers: HeaderEdit,
    /// URLRewrite.
    pub rewrite: Option<UrlRewrite>,
    /// RequestRedirect: answered by the gateway, nothing goes upstream.
    pub redirect: Option<Redirect>,
    /// CORS: preflights are answered by the gateway.
    pub cors: Option<Cors>,
    /// RequestMirror: who gets a copy.
    pub mirrors: Vec<Mirror>,
}

/// Header changes in the Gateway API's order: set, add, remove.
#[derive(Debug, Default, Clone)]
pub struct HeaderEdit {
    /// Replace all values.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Append one value.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Remove all values.
    pub remove: Vec<HeaderName>,
}

/// URLRewrite.
#[derive(Debug, Clone)]
pub struct UrlRewrite {
    /// New `Host`.
    pub hostname: Option<HeaderValue>,
    /// New path.
    pub path: Option<PathEdit>,
}

/// How a path is replaced.
#[derive(Debug, Clone)]
pub enum PathEdit {
    /// The whole path.
    Full(Box<str>),
    /// The matched prefix.
    Prefix(Box<str>),
}

/// RequestRedirect.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// `http` or `https`; `None` keeps the request's.
    pub scheme: Option<Box<str>>,
    /// `None` keeps the request's host.
    pub hostname: Option<Box<str>>,
    /// `None` follows the Gateway API: the scheme's well-known port, else the listener's.
    pub port: Option<u16>,
    /// `None` keeps the path.
    pub path: Option<PathEdit>,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
}

/// Deadlines of a rule; `None` is no deadline.
#[derive(Debug, Default, Clone, Copy)]
pub struct Timeouts {
    /// From the request's start to the response head, over all attempts (and the body of a non-streamed answer).
    pub request: Option<Duration>,
    /// One attempt, to the response head.
    pub backend_request: Option<Duration>,
    /// Longest pause between two pieces of an answer.
    pub response_idle: Option<Duration>,
}

/// Configured retry (HTTPRoute `retry` or AgentgatewayPolicy `traffic.retry`).
#[derive(Debug, Clone)]
pub struct Retry {
    /// Attempts after the first.
    pub attempts: u32,
    /// Statuses to retry; connection failures always are.
    pub codes: Vec<StatusCode>,
    /// Wait between attempts.
    pub backoff: Duration,
    /// False: this request is never sent twice.
    pub precondition: Option<Arc<Expression>>,
    /// True of an answer: it is retried, whatever its status.
    pub condition: Option<Arc<Expression>>,
}

/// A backendRef with its weight.
#[derive(Debug)]
pub struct WeightedBackend {
    /// Share of the traffic; 0 gets none.
    pub weight: u32,
    /// The filters of the backendRef.
    pub filters: Filters,
    /// Where the traffic goes.
    pub target: Target,
}

/// What a backendRef resolved to.
#[derive(Debug, Clone)]
pub enum Target {
    /// An AI backend: one or more providers.
    Ai(Arc<AiBackend>),
    /// Models by name (AgentgatewayModel).
    Models(Arc<ModelRouter>),
    /// A plain HTTP backend: bytes go through as they are.
    Static(Arc<StaticBackend>),
    /// Cannot be used: 500 for its share of the traffic, nothing goes upstream.
    Broken {
        /// `namespace/name` as referenced.
        backend: Arc<str>,
        /// Why, for the access log and the error message; never holds a secret.
        reason: Arc<str>,
    },
    /// A Service without a ready endpoint: 503 for its share of the traffic.
    Unready {
        /// `namespace/name` of the Service.
        service: Arc<str>,
    },
}

/// An AgentgatewayBackend with `spec.ai`.
#[derive(Debug)]
pub struct AiBackend {
    /// `namespace/name`.
    pub name: Arc<str>,
    /// Priority groups, best first; providers of one group share the load.
    pub groups: Vec<Vec<Arc<Provider>>>,
    /// `policies.health.eviction`; `None` means the built-in rules.
    pub eviction: Option<Eviction>,
    /// `policies.health.unhealthyCondition`: says which answers are failures, instead of the built-in rule.
    pub unhealthy: Option<Arc<Expression>>,
    /// `policies.ai.routes`: path suffix → operation, longest suffix first, `*` last.
    pub routes: Vec<(Box<str>, Operation)>,
}

/// When and for how long a failing provider leaves the rotation.
#[derive(Debug, Clone)]
pub struct Eviction {
    /// Base time out of rotation.
    pub duration: Duration,
    /// Failures in a row that evict; `None` evicts at the first.
    pub consecutive_failures: Option<u32>,
    /// Health (0–1) below which a failure evicts.
    pub health_threshold: Option<f64>,
    /// Health (0–1) given on return; `None` keeps the score.
    pub restore_health: Option<f64>,
}

/// One entry of a priority group.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Name within the backend; `backend` for the single form.
    pub name: Arc<str>,
    /// `gen_ai.provider.name`: `openai`, `anthropic`, `azure`…
    pub system: &'static str,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Replaces the client's model, also an empty one.
    pub model: Option<Model>,
    /// Where its operations are.
    pub targets: Targets,
    /// What is sent as credentials.
    pub credential: Credential,
    /// Shared across cores and reloads.
    pub health: Arc<Health>,
}

impl Provider {
    /// What the client's model is replaced by.
    #[must_use]
    pub fn model_name(&self) -> Option<Arc<str>> {
        self.model.as_ref().map(|model| model.name.clone())
    }
}

/// The name of a model that is asked for in place of the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// As it is told.
    pub name: Arc<str>,
    /// As it stands in a request body: a JSON string.
    pub json: Bytes,
}

impl From<&str> for Model {
    fn from(name: &str) -> Self {
        Self { name: name.into(), json: serde_json::Value::from(name).to_string().into() }
    }
}

/// An AgentgatewayBackend with `spec.static`.
#[derive(Debug)]
pub struct StaticBackend {
    /// `namespace/name`.
    pub name: Arc<str>,
    /// Where it is.
    pub endpoint: Endpoint,
    /// What is sent as credentials; `Passthrough` when nothing is configured.
    pub credential: Credential,
}

/// An upstream address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Host name or address; also the `Host` header and the name the certificate is checked against.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// `None` is plaintext.
    pub tls: Option<UpstreamTls>,
    /// Longest wait for TCP and TLS; `None` is the usual one.
    pub connect_timeout: Option<Duration>,
    /// What is spoken there.
    pub protocol: Protocol,
    /// `host:port`, an IPv6 address in brackets.
    pub authority: Arc<str>,
}

impl Endpoint {
    /// In plain text and HTTP/1.1.
    #[must_use]
    pub fn new(host: Arc<str>, port: u16) -> Self {
        let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let authority = authority.into();
        Self { host, port, tls: None, connect_timeout: None, protocol: Protocol::default(), authority }
    }
}

/// What is spoken with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: in plain text by prior knowledge; over TLS it is offered, and HTTP/1.1 as well.
    Http2,
}

/// TLS towards an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UpstreamTls {
    /// Server name when it differs from the host.
    pub sni: Option<Arc<str>>,
    /// PEM roots (`caCertificateRefs`, key `ca.crt`) instead of the system's.
    pub ca: Option<Arc<str>>,
    /// What is not verified.
    pub skip_verify: SkipVerify,
}

/// `policies.tls.insecureSkipVerify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SkipVerify {
    /// Everything is verified.
    #[default]
    Nothing,
    /// The chain is, the name is not.
    Hostname,
    /// Nothing is verified.
    All,
}

/// How the upstream path of an AI backend is made.
#[derive(Debug, Clone)]
pub enum PathPlan {
    /// The operation's own path, `/v1/chat/completions` and so on.
    Default,
    /// `pathPrefix` instead of `/v1`, without trailing slash.
    Prefix(Box<str>),
    /// `path`: exactly this, for every operation.
    Fixed(Box<str>),
}

/// What the gateway sends as credentials.
#[derive(Clone)]
pub enum Credential {
    /// Nothing; the client's credentials are removed.
    None,
    /// This header, in the provider's style; the client's credentials are removed.
    Inject {
        /// `authorization`, `x-api-key` or `api-key`.
        name: HeaderName,
        /// Marked sensitive.
        value: HeaderValue,
    },
    /// The client's own credentials go through.
    Passthrough,
    /// The Secret cannot be used: 500, nothing goes upstream.
    Unusable(Arc<str>),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Inject { name, .. } => write!(f, "Inject({name}: ***)"),
            Self::Passthrough => f.write_str("Passthrough"),
            Self::Unusable(why) => write!(f, "Unusable({why})"),
        }
    }
}

/// What a request to an AI backend asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/completions`
    Completions,
    /// `/v1/responses`
    Responses,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/moderations`
    Moderations,
    /// `/v1/models` and below
    Models,
    /// `/v1/messages`
    Messages,
    /// Forwarded as it is: no parsing, no accounting.
    Passthrough,
}
