//! Every family with its help, its type and its labels: the one table of metric names. The exposition, the README's
//! table and the bound on series are read off it.

/// What a family's samples mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows; the exposition's name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations below these bounds.
    Histogram(&'static [f64]),
    /// Always 1; the labels are the fact.
    Info,
}

/// One metric family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Family {
    /// Without `_total` and `_info`.
    pub name: &'static str,
    /// What is counted or measured.
    pub help: &'static str,
    /// Counter, gauge, histogram or info.
    pub kind: Kind,
    /// Its labels as the README names them.
    pub labels: &'static str,
}

const HTTP: &str = "HTTP";
const GEN_AI: &str = "GenAI";

const DURATION: Kind =
    Kind::Histogram(&[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 80.0]);
const PROCESSING: Kind = Kind::Histogram(&[0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25]);
const CONNECT: Kind = Kind::Histogram(&[0.0005, 0.0015, 0.0043, 0.0126, 0.0368, 0.108, 0.316, 0.924, 2.71, 8.0]);
const TOKENS: Kind = Kind::Histogram(&[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
]);
const SERVER: Kind =
    Kind::Histogram(&[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]);
const FIRST: Kind =
    Kind::Histogram(&[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]);
const EACH: Kind = Kind::Histogram(&[0.001, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5]);

/// Most bounds that a histogram has.
pub(super) const MOST_BOUNDS: usize = 16;

macro_rules! families {
    ($($name:ident = $text:literal, $kind:expr, $labels:expr, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $name: Family =
                Family { name: concat!("agentgateway_", $text), help: $help, kind: $kind, labels: $labels };
        )*
        /// All families, in the order of the README.
        pub const ALL: &[Family] = &[$($name),*];
    };
}

families! {
    IN_FLIGHT = "requests_in_flight", Kind::Gauge, "", "Exchanges that have begun and not ended.";
    TOKENS_TOTAL = "tokens", Kind::Counter, "token, `backend`, `provider`", "Tokens as reported by the providers.";
    REQUESTS = "requests", Kind::Counter, HTTP, "Finished requests.";
    REQUEST_DURATION = "request_duration_seconds", DURATION, HTTP, "From the request's start to its end.";
    RESPONSE_BYTES = "response_bytes", Kind::Counter, HTTP, "Bytes of response bodies sent to clients.";
    RETRIES = "retries", Kind::Counter, HTTP, "Upstream requests after the first.";
    REQUEST_PROCESSING = "request_processing_seconds", PROCESSING, "`backend`, route", "From the request's start to its first upstream request; the wait for a held body is part of it.";
    UPSTREAM_CALL = "upstream_call_duration_seconds", DURATION, "`kind` (`Primary`), `subtype` (`Http`, `Llm`)", "From an upstream request to its answer's head or failure.";
    TOKEN_USAGE = "gen_ai_client_token_usage", TOKENS, "token", "Tokens per request.";
    SERVER_DURATION = "gen_ai_server_request_duration", SERVER, GEN_AI, "Seconds of LLM requests.";
    FIRST_TOKEN = "gen_ai_server_time_to_first_token", FIRST, GEN_AI, "Seconds to the first event of a stream.";
    OUTPUT_TOKEN = "gen_ai_server_time_per_output_token", EACH, GEN_AI, "Seconds per output token of a stream, from its first event on.";
    COST = "gen_ai_client_cost_usd", Kind::Counter, GEN_AI, "Price of the tokens by the model catalog.";
    LOOKUPS = "cost_catalog_lookups", Kind::Counter, "`status` (`Exact`, `Unpriced`, `Missing`, `NoCatalog`), GenAI", "Requests with tokens, by what the model catalog knew.";
    PROVIDER_HEALTH = "provider_health", Kind::Gauge, "`backend`, `provider`", "Health score of a provider, 0 to 1.";
    IN_ROTATION = "provider_in_rotation", Kind::Gauge, "`backend`, `provider`", "Whether a provider gets traffic; 0 while evicted.";
    EVICTIONS = "provider_evictions", Kind::Counter, "`backend`, `provider`", "How often a provider left the rotation.";
    CONNECTIONS = "downstream_connections", Kind::Counter, "`bind`, `protocol`", "Client connections that were accepted.";
    UPSTREAM_CONNECT = "upstream_connect_duration_seconds", CONNECT, "`transport` (`plaintext`, `tls`)", "Time to a connected upstream socket, with TLS where it has TLS.";
    TLS_HANDSHAKE = "tls_handshake_duration_seconds", CONNECT, "", "TLS handshakes with clients.";
    SYNCHRONIZED = "config_synchronized", Kind::Gauge, "", "Whether what is served is what the manifests say.";
    RELOADS = "config_reloads", Kind::Counter, "`result` (`taken`, `refused`)", "Reloads of the manifests.";
    LOG_DROPS = "access_log_dropped", Kind::Counter, "", "Records that were counted and not logged: the log was too slow, or took nothing.";
    SPANS_EXPORTED = "spans_exported", Kind::Counter, "", "Spans that a collector took.";
    SPANS_DROPPED = "spans_dropped", Kind::Counter, "`reason`", "Spans that no collector got.";
    FOLDED = "metrics_folded", Kind::Counter, "`group` (`http`, `gen_ai`, `tokens`, `backend`, `models`)", "Records counted as `unknown` because there were series enough.";
    BUILD = "build", Kind::Info, "`tag`", "The version that runs.";
}
