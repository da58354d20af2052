//! What a target may claim and which profiles exist: one table each.
//! Scenario files are checked against them; the lists of the command line print them.

/// Something a target may claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Dotted snake case.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

/// A named set of scenarios with a result of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// As written in scenarios.
    pub name: &'static str,
    /// The catalogue groups whose scenarios belong to it.
    pub groups: &'static [&'static str],
    /// One sentence.
    pub summary: &'static str,
}

macro_rules! capabilities {
    ($($name:literal: $summary:literal,)*) => {
        /// All capabilities, in the order of the catalogue.
        pub const CAPABILITIES: &[Capability] = &[$(Capability { name: $name, summary: $summary }),*];
    };
}

capabilities! {
    "chat": "chat completions reach the configured provider",
    "completions": "legacy completions reach the configured provider",
    "responses": "responses reach the configured provider",
    "moderations": "moderations reach the configured provider",
    "embeddings": "embeddings reach the configured provider",
    "models_list": "the list of models is answered",
    "bare_route_prefix": "a bare route prefix is a chat completion",
    "model_override": "the configured model replaces the client's",
    "tools": "tool calls pass in both directions",
    "error_passthrough": "a provider's error keeps its status and fields",
    "error_object": "the gateway's own errors are OpenAI error objects",
    "model_routing": "the model in the body decides where a request goes",
    "wildcard_model": "model names with wildcards",
    "route.path": "routes by path",
    "route.header": "routes by header",
    "route.hostname": "routes by host name",
    "route.query": "queries reach the provider unchanged",
    "route.weighted": "spreads by weight",
    "route.rewrite": "rewrites paths, hosts and headers",
    "route.redirect": "answers with redirects",
    "route.airoute": "AIRoute objects",
    "key_injection": "the provider's key is put in, the client's credentials are kept out",
    "client_keys": "clients authenticate by API keys",
    "secret_file": "a changed Secret is used without a restart",
    "secret.fail_closed": "a Secret that cannot be used closes its own route only",
    "secret.other_namespace": "keys of Secrets of other namespaces, where a ReferenceGrant says so",
    "admin_isolated": "nothing but traffic is served on the data port",
    "header_filtering": "hop-by-hop and internal headers end at the gateway",
    "byte_exact_bodies": "bodies reach the provider byte for byte, declared edits aside",
    "streaming": "server-sent events are relayed as they arrive",
    "streaming.usage_hidden": "usage of streams is counted and hidden from clients that did not ask",
    "pool.p2c": "a group of providers shares the load",
    "pool.consistent_hash": "the same key reaches the same provider",
    "failover.per_request": "another provider is tried within the same request",
    "failover.eviction": "a failing provider is left out for a while",
    "failover.by_default": "both without any policy",
    "failover.retry_after": "Retry-After is honoured",
    "failover.statuses": "the statuses that lead to another provider can be configured",
    "failover.streaming": "a stream fails over until its first content",
    "failover.dns": "a name that does not resolve is a failed attempt",
    "failover.all_limited": "when all providers limit, the client is told when to come again",
    "failover.key_pool": "of several keys at one provider, a limited one gives way, and a failing provider costs none",
    "retry": "a request is tried again as configured",
    "retry.backoff": "with a pause between the tries",
    "timeouts.stream_idle": "a limit on the silence within a stream",
    "timeouts.request": "a limit on the whole request",
    "timeouts.backend_request": "a limit on one attempt",
    "cancel": "a client's close reaches the provider",
    "input_validation": "bad bodies are refused before a provider sees them",
    "body_limit": "the size of request bodies is limited as configured",
    "large_bodies": "bodies of many megabytes pass",
    "compression": "encoded answers are relayed consistently",
    "request_compression": "encoded requests are decoded or refused",
    "http.slow_clients": "slow clients are bounded and disturb nobody",
    "path_normalised": "a path is matched and forwarded in the same form, or refused",
    "redirects_not_followed": "redirects of providers are not followed",
    "xff": "X-Forwarded-For reaches the provider as one header",
    "isolation": "concurrent exchanges never see each other",
    "memory.bounded": "slow readers do not make the gateway grow",
    "load": "the figures of a target under load",
    "http.strict_framing": "ambiguous framing is refused or normalised",
    "http2.downstream": "clients speak HTTP/2, by prior knowledge on plain ports",
    "http2.upstream": "providers are reached over HTTP/2 where the manifests say so",
    "tls.upstream": "providers are reached through verified TLS",
    "telemetry.requests": "requests are counted",
    "telemetry.tokens": "tokens are counted as the provider reported them",
    "telemetry.tokens_not_estimated": "tokens that no provider reported are not made up",
    "telemetry.cached_tokens": "cached and reasoning tokens are counted as parts",
    "telemetry.exposition": "metrics are well-formed Prometheus text",
    "telemetry.series_bounded": "what clients invent makes no series",
    "telemetry.ttft": "time to the first token of streams",
    "telemetry.time_per_output_token": "time per output token of streams",
    "telemetry.request_id": "log and answer carry the same request id",
    "telemetry.access_log": "one log record for each exchange",
    "telemetry.trace_context": "W3C trace context is passed on",
    "telemetry.spans": "exchanges and their attempts are spans, sent over OTLP to the collector that the manifests name",
    "telemetry.cost": "exchanges cost what the price table of the manifests says",
    "hot_reload.file": "changed manifests and secrets are used without a restart",
    "config.strict": "unknown keys are refused or warned of",
    "config.files": "manifests are files: half of one, or one that cannot be read, changes nothing",
    "config.kubernetes": "manifests are objects on an API server",
    "config.start": "a target with a broken configuration is never ready",
    "readiness": "readiness follows the listeners",
    "drain": "SIGTERM lets requests in flight end",
    "k8s.status": "conditions of objects tell what becomes of them",
    "config.check": "malformed manifests are refused with their place",
}

/// Where reasonable gateways differ: what a target may declare instead of the usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// As in `${options.NAME}`.
    pub name: &'static str,
    /// JSON of the list of allowed values when a target declares nothing.
    pub usual: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

/// All options.
pub const OPTIONS: &[Choice] = &[
    Choice { name: "timeout_status", usual: "[504]", summary: "status when a provider is too slow" },
    Choice { name: "exhausted_status", usual: "[502, 503]", summary: "status when no provider is left" },
    Choice { name: "refused_status", usual: "[400]", summary: "status of bad input" },
    Choice { name: "unknown_model_status", usual: "[400, 404]", summary: "status of a model that is not configured" },
    Choice { name: "body_limit_status", usual: "[413]", summary: "status of a body that is too large" },
    Choice { name: "encoded_request_status", usual: "[200, 415]", summary: "status of a compressed request" },
    Choice { name: "complete_ends", usual: "[\"complete\"]", summary: "how the log calls an exchange that ended well" },
    Choice {
        name: "failed_ends",
        usual: "[\"upstream_failed\", \"timed_out\"]",
        summary: "how the log calls one that the provider failed",
    },
    Choice {
        name: "rejected_ends",
        usual: "[\"rejected\"]",
        summary: "how the log calls one that the gateway refused",
    },
    Choice {
        name: "client_closed_ends",
        usual: "[\"client_closed\"]",
        summary: "how the log calls a client that left",
    },
];

/// All profiles.
pub const PROFILES: &[Profile] = &[
    Profile { name: "core", groups: &["RT", "TR", "TU"], summary: "routing, translation and the tutorials" },
    Profile { name: "auth", groups: &["AU"], summary: "credentials" },
    Profile { name: "streaming", groups: &["ST"], summary: "server-sent events" },
    Profile { name: "failover", groups: &["FO"], summary: "retries, eviction, recovery" },
    Profile { name: "timeouts", groups: &["TO"], summary: "deadlines and cancellation" },
    Profile { name: "limits", groups: &["LB"], summary: "bad input, sizes and rates" },
    Profile { name: "telemetry", groups: &["TE"], summary: "metrics, logs and traces" },
    Profile { name: "lifecycle", groups: &["CL"], summary: "configuration, reload and shutdown" },
    Profile { name: "kubernetes", groups: &["CL"], summary: "status and reconciliation" },
    Profile { name: "security", groups: &["SE"], summary: "secrets, smuggling, request forgery" },
    Profile { name: "load", groups: &["LO"], summary: "behaviour under load; informational" },
];

/// Whether there is such a capability.
pub fn is_capability(name: &str) -> bool {
    CAPABILITIES.iter().any(|capability| capability.name == name)
}

/// The profile of this name.
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}
