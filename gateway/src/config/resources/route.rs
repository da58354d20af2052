//! HTTPRoute (Gateway API v1.5); an AIRoute has the same spec.

use serde::Deserialize;

use super::meta::{ObjectReference, Present};

/// Which requests of which Gateways go where.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RouteSpec {
    /// The Gateways it wants to attach to, or listeners of them (`sectionName`).
    #[serde(default)]
    pub parent_refs: Vec<ObjectReference>,
    /// Host names, `*.example.com` for all below; the listener's when empty.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// 1 to 16 rules; the best match of all routes of a listener wins. One that takes every request when absent.
    #[serde(default)]
    pub rules: Vec<RuleSpec>,
    /// Not supported.
    pub use_default_gateways: Option<Present>,
}

/// One rule.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSpec {
    /// Unique in its route; policies name it as `sectionName`.
    pub name: Option<String>,
    /// Any of them must hold; path prefix `/` when empty.
    #[serde(default)]
    pub matches: Vec<MatchSpec>,
    /// Changes to request and response.
    #[serde(default)]
    pub filters: Vec<FilterSpec>,
    /// Where the requests go, by share.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
    /// How long requests may take.
    pub timeouts: Option<TimeoutsSpec>,
    /// Which failures are tried again.
    pub retry: Option<RetrySpec>,
    /// Sessions return to their target.
    pub session_persistence: Option<SessionPersistenceSpec>,
}

/// `sessionPersistence` (GEP-1619).
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionPersistenceSpec {
    /// Name of the cookie or header; one of our own when absent.
    pub session_name: Option<String>,
    /// Longest life of a session.
    pub absolute_timeout: Option<String>,
    /// Not supported.
    pub idle_timeout: Option<Present>,
    /// `Cookie` when absent.
    #[serde(rename = "type")]
    pub type_: Option<SessionType>,
    /// For cookies only.
    pub cookie_config: Option<CookieSpec>,
}

/// Where a session value travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SessionType {
    /// In a cookie.
    #[default]
    Cookie,
    /// In a header.
    Header,
}

/// `sessionPersistence.cookieConfig`
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CookieSpec {
    /// `Session` when absent.
    pub lifetime_type: Option<CookieLifetime>,
}

/// How long a browser keeps a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CookieLifetime {
    /// Until it is closed.
    Session,
    /// For `absoluteTimeout`.
    Permanent,
}

/// Conditions that hold together.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatchSpec {
    /// Prefix `/` when absent.
    pub path: Option<PathMatchSpec>,
    /// Header conditions.
    #[serde(default)]
    pub headers: Vec<ValueMatchSpec>,
    /// Query conditions.
    #[serde(default)]
    pub query_params: Vec<ValueMatchSpec>,
    /// Upper-case method.
    pub method: Option<String>,
}

/// Condition on the path.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathMatchSpec {
    /// `PathPrefix` when absent.
    #[serde(rename = "type")]
    pub type_: Option<PathMatchType>,
    /// `/` when absent.
    pub value: Option<String>,
}

/// How a path is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PathMatchType {
    /// The whole path.
    Exact,
    /// Whole segments from the start.
    #[default]
    PathPrefix,
    /// The whole path, as an expression.
    RegularExpression,
}

/// Condition on a header or query parameter.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValueMatchSpec {
    /// `Exact` when absent.
    #[serde(rename = "type")]
    pub type_: Option<ValueMatchType>,
    /// Header or parameter name.
    pub name: String,
    /// Value or expression.
    pub value: String,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ValueMatchType {
    /// Byte equality.
    #[default]
    Exact,
    /// The whole value, as an expression.
    RegularExpression,
}

/// One filter.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilterSpec {
    /// Says which of the fields counts.
    #[serde(rename = "type")]
    pub type_: FilterType,
    /// For `RequestHeaderModifier`.
    pub request_header_modifier: Option<HeaderModifierSpec>,
    /// For `ResponseHeaderModifier`.
    pub response_header_modifier: Option<HeaderModifierSpec>,
    /// For `RequestRedirect`.
    pub request_redirect: Option<RedirectSpec>,
    /// For `URLRewrite`.
    pub url_rewrite: Option<RewriteSpec>,
    /// For `RequestMirror`.
    pub request_mirror: Option<MirrorSpec>,
    /// For `CORS`.
    pub cors: Option<CorsSpec>,
    /// Not supported.
    pub external_auth: Option<Present>,
    /// Not supported.
    pub extension_ref: Option<Present>,
}

/// What a filter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FilterType {
    /// Headers towards the backend.
    RequestHeaderModifier,
    /// Headers towards the client.
    ResponseHeaderModifier,
    /// Answer with a redirect.
    RequestRedirect,
    /// Another host or path upstream.
    #[serde(rename = "URLRewrite")]
    UrlRewrite,
    /// Copies for another backend.
    RequestMirror,
    /// Which origins may read answers.
    #[serde(rename = "CORS")]
    Cors,
    /// Not supported.
    ExternalAuth,
    /// Not supported.
    ExtensionRef,
}

/// Header changes.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderModifierSpec {
    /// Replace.
    #[serde(default)]
    pub set: Vec<HeaderSpec>,
    /// Append.
    #[serde(default)]
    pub add: Vec<HeaderSpec>,
    /// Remove.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A header with a value.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderSpec {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// RequestRedirect
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedirectSpec {
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// New host.
    pub hostname: Option<String>,
    /// New path.
    pub path: Option<PathModifierSpec>,
    /// New port.
    pub port: Option<u16>,
    /// 302 when absent.
    pub status_code: Option<u16>,
}

/// URLRewrite
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RewriteSpec {
    /// New host.
    pub hostname: Option<String>,
    /// New path.
    pub path: Option<PathModifierSpec>,
}

/// How a path is replaced.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathModifierSpec {
    /// Says which of the fields counts.
    #[serde(rename = "type")]
    pub type_: PathModifierType,
    /// The whole path.
    pub replace_full_path: Option<String>,
    /// The matched prefix.
    pub replace_prefix_match: Option<String>,
}

/// What of a path is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PathModifierType {
    /// All of it.
    ReplaceFullPath,
    /// The matched prefix.
    ReplacePrefixMatch,
}

/// RequestMirror
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MirrorSpec {
    /// Where copies go.
    pub backend_ref: BackendObject,
    /// Share in percent; excludes `fraction`.
    pub percent: Option<i64>,
    /// Share as a fraction; excludes `percent`.
    pub fraction: Option<FractionSpec>,
}

/// A share.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FractionSpec {
    /// So many.
    pub numerator: i64,
    /// Of so many; 100 when absent.
    pub denominator: Option<i64>,
}

/// A backend without a share.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendObject {
    /// As in [`BackendRef`].
    pub group: Option<String>,
    /// As in [`BackendRef`].
    pub kind: Option<String>,
    /// The route's when absent.
    pub namespace: Option<String>,
    /// Object name.
    pub name: String,
    /// For Services.
    pub port: Option<u16>,
}

/// CORS
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CorsSpec {
    /// Origins, `*` in place of the host's left labels or alone.
    #[serde(default)]
    pub allow_origins: Vec<String>,
    /// Whether credentials may come along.
    pub allow_credentials: Option<bool>,
    /// Methods, or `*`.
    #[serde(default)]
    pub allow_methods: Vec<String>,
    /// Request headers, or `*`.
    #[serde(default)]
    pub allow_headers: Vec<String>,
    /// Response headers, or `*`.
    #[serde(default)]
    pub expose_headers: Vec<String>,
    /// Seconds; 5 when absent.
    pub max_age: Option<i64>,
}

/// Where traffic goes, with its share.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendRef {
    /// Core for an HTTPRoute.
    pub group: Option<String>,
    /// `Service` for an HTTPRoute, `AgentgatewayBackend` for an AIRoute.
    pub kind: Option<String>,
    /// The route's when absent.
    pub namespace: Option<String>,
    /// Object name.
    pub name: String,
    /// For Services.
    pub port: Option<u16>,
    /// Its share in relation to the others, 0 to 1000000; 1 when absent.
    pub weight: Option<u32>,
    /// For this share only.
    #[serde(default)]
    pub filters: Vec<FilterSpec>,
}

impl BackendRef {
    /// What it refers to.
    pub fn object(&self) -> BackendObject {
        let Self { group, kind, namespace, name, port, .. } = self.clone();
        BackendObject { group, kind, namespace, name, port }
    }
}

/// Deadlines, as GEP-2257 durations.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimeoutsSpec {
    /// For the whole request with all its tries, as `60s`; `0s` or absent: none.
    pub request: Option<String>,
    /// For one try, up to the head of the answer, as `10s`; `0s` or absent: none.
    pub backend_request: Option<String>,
}

/// Retries.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetrySpec {
    /// Statuses to try again, 400 to 599.
    #[serde(default)]
    pub codes: Vec<u16>,
    /// Tries after the first; 1 when absent.
    pub attempts: Option<u32>,
    /// Wait between tries, as `100ms`.
    pub backoff: Option<String>,
    /// CEL; policies only.
    pub precondition: Option<String>,
    /// CEL; policies only.
    pub condition: Option<String>,
}
