//! AgentgatewayPolicy.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::backend::{BackendPolicies, LocationSpec};
use super::meta::{ObjectReference, Present};
use super::route::RetrySpec;

/// What holds for the targets; at least one of `traffic`, `frontend` and `backend`.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    /// 1 to 16 objects of one kind by name, of the same namespace; this or `targetSelectors`.
    #[serde(default)]
    pub target_refs: Vec<ObjectReference>,
    /// 1 to 16 selectors of objects of one kind by label, of the same namespace; this or `targetRefs`.
    #[serde(default)]
    pub target_selectors: Vec<TargetSelector>,
    /// Not supported.
    pub strategy: Option<Present>,
    /// What happens to requests, for Gateways, listeners, routes and their rules; the nearest to the request wins.
    pub traffic: Option<TrafficSpec>,
    /// What happens at the port, and telemetry; for Gateways only.
    pub frontend: Option<FrontendSpec>,
    /// What happens towards backends.
    pub backend: Option<BackendPolicies>,
    /// Why the rest of it could not be read: what it targets is closed. Never said by a manifest.
    #[serde(skip)]
    pub unreadable: Option<String>,
}

/// Targets by label.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetSelector {
    /// Group of the targets.
    pub group: Option<String>,
    /// Kind of the targets.
    pub kind: String,
    /// Labels they carry.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    /// Listener, rule or provider.
    pub section_name: Option<String>,
}

/// What happens to requests: timeouts, retry and client keys. What is not supported is told in the status; where it
/// should protect, requests are refused.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficSpec {
    /// How long requests may take.
    pub timeouts: Option<TrafficTimeouts>,
    /// Which failures are tried again.
    pub retry: Option<RetrySpec>,
    /// `PostRouting` when absent.
    pub phase: Option<Phase>,
    /// Not supported, protective.
    pub authorization: Option<Present>,
    /// Not supported, protective.
    pub jwt_authentication: Option<Present>,
    /// Not supported, protective.
    pub basic_authentication: Option<Present>,
    /// Keys that clients must show.
    pub api_key_authentication: Option<ApiKeySpec>,
    /// Not supported, protective.
    pub ext_auth: Option<Present>,
    /// Not supported, protective.
    pub rate_limit: Option<Present>,
    /// Not supported, protective.
    pub csrf: Option<Present>,
    /// Not supported.
    pub cors: Option<Present>,
    /// Not supported.
    pub transformation: Option<Present>,
    /// Not supported.
    pub ext_proc: Option<Present>,
    /// Not supported.
    pub direct_response: Option<Present>,
    /// Not supported.
    pub header_modifiers: Option<Present>,
    /// Not supported.
    pub host_rewrite: Option<Present>,
    /// Not supported.
    pub buffer: Option<Present>,
    /// Not supported.
    pub delay: Option<Present>,
}

/// `traffic.phase`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Phase {
    /// After the route is known.
    PostRouting,
    /// Before; not supported.
    PreRouting,
}

/// `traffic.timeouts`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficTimeouts {
    /// Longest time for a request with all its tries, as `60s`; at least 1ms, none when absent.
    pub request: Option<String>,
    /// Longest pause within an answer, as `30s`; an addition of this gateway.
    pub response_idle: Option<String>,
}

/// `traffic.apiKeyAuthentication`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeySpec {
    /// What becomes of a request without a good key; `Strict` when absent.
    pub mode: Option<KeyMode>,
    /// The Secret of which every entry is a key: as it is, or as JSON with `key` or `keyHash`.
    pub secret_ref: Option<LocalReference>,
    /// Not supported.
    pub secret_selector: Option<Present>,
    /// Not supported.
    pub config_map_selector: Option<Present>,
    /// Where the client shows its key; `Authorization: Bearer …` when absent.
    pub location: Option<LocationSpec>,
}

/// `traffic.apiKeyAuthentication.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum KeyMode {
    /// A key is needed.
    Strict,
    /// A key that is shown must be right.
    Optional,
    /// Nobody is turned away.
    Permissive,
}

/// An object of the same namespace.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalReference {
    /// Its name.
    pub name: String,
}

/// `frontend`: of `http` the body limit is implemented, the rest is reported part by part.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrontendSpec {
    /// Limits of HTTP.
    pub http: Option<FrontendHttp>,
    /// Not supported.
    pub tcp: Option<Present>,
    /// Not supported.
    pub tls: Option<Present>,
    /// Not supported, protective.
    pub network_authorization: Option<Present>,
    /// Not supported.
    pub proxy_protocol: Option<Present>,
    /// Not supported.
    pub connect: Option<Present>,
    /// What the access log tells.
    pub access_log: Option<AccessLogSpec>,
    /// Where spans go, and which.
    pub tracing: Option<TracingSpec>,
    /// Labels of metrics.
    pub metrics: Option<MetricsSpec>,
}

/// `frontend.metrics`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricsSpec {
    /// What is added to the labels.
    pub attributes: Option<LabelsSpec>,
}

/// `frontend.metrics.attributes`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelsSpec {
    /// By name and CEL.
    #[serde(default)]
    pub add: Vec<AttributeSpec>,
}

/// `frontend.accessLog`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessLogSpec {
    /// CEL: only exchanges for which it is true are told; all when absent.
    pub filter: Option<String>,
    /// What is told beside the usual fields, and what not.
    pub attributes: Option<AttributesSpec>,
    /// Not supported.
    pub otlp: Option<Present>,
}

/// `frontend.tracing`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TracingSpec {
    /// The collector as an object; this or `url`.
    pub backend_ref: Option<ObjectReference>,
    /// The collector as a URL, `http://host:4317`; this or `backendRef`.
    pub url: Option<String>,
    /// `GRPC` when absent.
    pub protocol: Option<TracingProtocol>,
    /// Path for protocol `HTTP`; `/v1/traces` when absent.
    pub path: Option<String>,
    /// What spans tell.
    pub attributes: Option<AttributesSpec>,
    /// What the gateway says of itself.
    #[serde(default)]
    pub resources: Vec<AttributeSpec>,
    /// CEL: true or a share from 0 to 1 of the requests without a trace to trace; none when absent.
    pub random_sampling: Option<String>,
    /// CEL: true or a share from 0 to 1 of the requests with a sampled trace to trace; all when absent.
    pub client_sampling: Option<String>,
    /// CEL: which exchanges are exported.
    pub filter: Option<String>,
}

/// How spans travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TracingProtocol {
    /// OTLP over gRPC.
    #[serde(rename = "GRPC")]
    Grpc,
    /// OTLP over HTTP, in protobuf.
    #[serde(rename = "HTTP")]
    Http,
}

/// `accessLog.attributes`, `tracing.attributes`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttributesSpec {
    /// By name and CEL.
    #[serde(default)]
    pub add: Vec<AttributeSpec>,
    /// By name.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A member of the log with its value.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttributeSpec {
    /// Its name.
    pub name: String,
    /// CEL.
    pub expression: String,
}

/// `frontend.http`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrontendHttp {
    /// Most bytes of a request body that is held in memory; 67108864 (64 MiB) when absent, and at most.
    pub max_buffer_size: Option<u64>,
    /// Not supported.
    pub http1_max_headers: Option<Present>,
    /// Not supported.
    pub http1_idle_timeout: Option<Present>,
    /// Not supported.
    pub http1_header_case: Option<Present>,
    /// Not supported.
    pub http2_window_size: Option<Present>,
    /// Not supported.
    pub http2_connection_window_size: Option<Present>,
    /// Not supported.
    pub http2_frame_size: Option<Present>,
    /// Not supported.
    pub http2_keepalive_interval: Option<Present>,
    /// Not supported.
    pub http2_keepalive_timeout: Option<Present>,
}
