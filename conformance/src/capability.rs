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
    "embeddings": "embeddings reach the configured provider",
    "models_list": "the list of models is answered",
    "bare_route_prefix": "a bare route prefix is a chat completion",
    "model_override": "the configured model replaces the client's",
    "tools": "tool calls pass in both directions",
    "error_passthrough": "a provider's error keeps its status and fields",
    "error_object": "the gateway's own errors are OpenAI error objects",
    "route.path": "routes by path",
    "route.header": "routes by header",
    "route.hostname": "routes by host name",
    "route.weighted": "spreads by weight",
    "route.rewrite": "rewrites paths, hosts and headers",
    "route.redirect": "answers with redirects",
    "route.airoute": "AIRoute objects",
    "key_injection": "the provider's key is put in, the client's credentials are kept out",
    "byte_exact_bodies": "bodies reach the provider byte for byte, declared edits aside",
    "streaming": "server-sent events are relayed as they arrive",
    "streaming.usage_hidden": "usage of streams is counted and hidden from clients that did not ask",
    "pool.p2c": "a group of providers shares the load",
    "failover.per_request": "another provider is tried within the same request",
    "failover.eviction": "a failing provider is left out for a while",
    "failover.by_default": "both without any policy",
    "failover.retry_after": "Retry-After is honoured",
    "timeouts.request": "a limit on the whole request",
    "timeouts.backend_request": "a limit on one attempt",
    "cancel": "a client's close reaches the provider",
    "input_validation": "bad bodies are refused before a provider sees them",
    "http.strict_framing": "ambiguous framing is refused or normalised",
    "tls.upstream": "providers are reached through verified TLS",
    "telemetry.requests": "requests are counted",
    "telemetry.tokens": "tokens are counted as the provider reported them",
    "telemetry.access_log": "one log record for each exchange",
    "telemetry.trace_context": "W3C trace context is passed on",
    "hot_reload.file": "changed manifests and secrets are used without a restart",
    "config.check": "malformed manifests are refused with their place",
}

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
