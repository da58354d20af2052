//! What facts are called in spans. Pure data: one table per dialect and side.

/// Whose span it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The gateway's, of the whole exchange.
    Server,
    /// That of one attempt.
    Client,
}

/// What can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says; the tables below have the names that people know")]
pub enum Fact {
    Gateway,
    Listener,
    Route,
    Rule,
    PathMatch,
    Backend,
    Provider,
    Endpoint,
    Standing,
    Resend,
    Method,
    Host,
    Path,
    Scheme,
    Version,
    Status,
    ServerAddress,
    ServerPort,
    Peer,
    OwnPort,
    RequestId,
    UpstreamRequestId,
    Operation,
    System,
    RequestModel,
    OriginalModel,
    ResponseModel,
    ResponseId,
    FinishReasons,
    Stream,
    InputTokens,
    OutputTokens,
    CachedTokens,
    CacheWrittenTokens,
    ReasoningTokens,
    AudioInputTokens,
    AudioOutputTokens,
    ImageOutputTokens,
    Cost,
    InputCost,
    OutputCost,
    CachedCost,
    CacheWrittenCost,
    ReasoningCost,
    FirstToken,
    TimePerToken,
    Attempts,
    End,
    Reason,
    ErrorType,
    RequestBody,
    ResponseBody,
    Instructions,
    InputMessages,
    OutputMessages,
}

/// One way to tell facts.
#[derive(Debug)]
pub struct Dialect {
    /// Of the server's span.
    pub server: &'static [(Fact, &'static str)],
    /// Of an attempt's span.
    pub client: &'static [(Fact, &'static str)],
    /// Whose span has the parameters that the request was sent with; their names are the access log's.
    pub parameters: Side,
    /// An attempt is called `chat gpt-4o` rather than `POST`.
    pub client_named_by_model: bool,
}

impl Dialect {
    /// The dialect that `OTEL_SEMCONV_STABILITY_OPT_IN` (a list) asks for.
    #[must_use]
    pub fn of(opt_in: &str) -> &'static Self {
        let latest = opt_in.split(',').any(|word| word.trim() == "gen_ai_latest_experimental");
        if latest { &LATEST } else { &TODAY }
    }
}

/// The names of the access log, as agentgateway's spans have them; GenAI facts are the server's.
pub static TODAY: Dialect = Dialect {
    server: &[
        (Fact::Gateway, "gateway"),
        (Fact::Listener, "listener"),
        (Fact::Rule, "route_rule"),
        (Fact::Route, "route"),
        (Fact::Backend, "backend"),
        (Fact::Endpoint, "endpoint"),
        (Fact::Provider, "provider"),
        (Fact::Standing, "provider.standing"),
        (Fact::Peer, "src.addr"),
        (Fact::Method, "http.method"),
        (Fact::Host, "http.host"),
        (Fact::Path, "http.path"),
        (Fact::Status, "http.status"),
        (Fact::Scheme, "url.scheme"),
        (Fact::Version, "network.protocol.version"),
        (Fact::RequestId, "request.id"),
        (Fact::UpstreamRequestId, "upstream.request.id"),
        (Fact::Operation, "gen_ai.operation.name"),
        (Fact::System, "gen_ai.system"),
        (Fact::System, "gen_ai.provider.name"),
        (Fact::RequestModel, "gen_ai.request.model"),
        (Fact::OriginalModel, "gen_ai.request.original_model"),
        (Fact::ResponseModel, "gen_ai.response.model"),
        (Fact::ResponseId, "gen_ai.response.id"),
        (Fact::FinishReasons, "gen_ai.response.finish_reasons"),
        (Fact::InputTokens, "gen_ai.usage.input_tokens"),
        (Fact::OutputTokens, "gen_ai.usage.output_tokens"),
        (Fact::CachedTokens, "gen_ai.usage.cache_read.input_tokens"),
        (Fact::CacheWrittenTokens, "gen_ai.usage.cache_creation.input_tokens"),
        (Fact::ReasoningTokens, "gen_ai.usage.reasoning_tokens"),
        (Fact::ImageOutputTokens, "gen_ai.usage.output_image_tokens"),
        (Fact::AudioInputTokens, "gen_ai.usage.input_audio_tokens"),
        (Fact::AudioOutputTokens, "gen_ai.usage.output_audio_tokens"),
        (Fact::FirstToken, "agw.ai.time_to_first_token"),
        (Fact::TimePerToken, "agw.ai.time_per_output_token"),
        (Fact::Cost, "agw.ai.usage.cost.total"),
        (Fact::InputCost, "agw.ai.usage.cost.input"),
        (Fact::OutputCost, "agw.ai.usage.cost.output"),
        (Fact::CachedCost, "agw.ai.usage.cost.cache_read"),
        (Fact::CacheWrittenCost, "agw.ai.usage.cost.cache_write"),
        (Fact::ReasoningCost, "agw.ai.usage.cost.reasoning"),
        (Fact::Attempts, "attempts"),
        (Fact::End, "end"),
        (Fact::Reason, "reason"),
        (Fact::ErrorType, "error.type"),
        (Fact::RequestBody, "request.body"),
        (Fact::ResponseBody, "response.body"),
    ],
    client: &[
        (Fact::Provider, "provider"),
        (Fact::Standing, "provider.standing"),
        (Fact::Endpoint, "endpoint"),
        (Fact::Method, "http.method"),
        (Fact::ServerAddress, "http.host"),
        (Fact::Status, "http.status"),
        (Fact::Resend, "retry.attempt"),
        (Fact::ErrorType, "error.type"),
    ],
    parameters: Side::Server,
    client_named_by_model: false,
};

/// OpenTelemetry's newest names; GenAI facts are those of the attempt.
pub static LATEST: Dialect = Dialect {
    server: &[
        (Fact::Method, "http.request.method"),
        (Fact::PathMatch, "http.route"),
        (Fact::Path, "url.path"),
        (Fact::Scheme, "url.scheme"),
        (Fact::Status, "http.response.status_code"),
        (Fact::Host, "server.address"),
        (Fact::OwnPort, "server.port"),
        (Fact::Peer, "client.address"),
        (Fact::Version, "network.protocol.version"),
        (Fact::ErrorType, "error.type"),
        (Fact::Gateway, "agentgateway.gateway"),
        (Fact::Listener, "agentgateway.listener"),
        (Fact::Route, "agentgateway.route"),
        (Fact::Rule, "agentgateway.route_rule"),
        (Fact::Backend, "agentgateway.backend"),
        (Fact::RequestId, "agentgateway.request.id"),
        (Fact::OriginalModel, "agentgateway.request.original_model"),
        (Fact::TimePerToken, "agw.ai.time_per_output_token"),
        (Fact::Cost, "agw.ai.usage.cost.total"),
        (Fact::InputCost, "agw.ai.usage.cost.input"),
        (Fact::OutputCost, "agw.ai.usage.cost.output"),
        (Fact::CachedCost, "agw.ai.usage.cost.cache_read"),
        (Fact::CacheWrittenCost, "agw.ai.usage.cost.cache_write"),
        (Fact::ReasoningCost, "agw.ai.usage.cost.reasoning"),
        (Fact::Attempts, "agentgateway.attempts"),
        (Fact::End, "agentgateway.end"),
        (Fact::Reason, "agentgateway.reason"),
    ],
    client: &[
        (Fact::Operation, "gen_ai.operation.name"),
        (Fact::System, "gen_ai.provider.name"),
        (Fact::RequestModel, "gen_ai.request.model"),
        (Fact::Stream, "gen_ai.request.stream"),
        (Fact::ResponseModel, "gen_ai.response.model"),
        (Fact::ResponseId, "gen_ai.response.id"),
        (Fact::FinishReasons, "gen_ai.response.finish_reasons"),
        (Fact::InputTokens, "gen_ai.usage.input_tokens"),
        (Fact::OutputTokens, "gen_ai.usage.output_tokens"),
        (Fact::CachedTokens, "gen_ai.usage.cache_read.input_tokens"),
        (Fact::CacheWrittenTokens, "gen_ai.usage.cache_creation.input_tokens"),
        (Fact::ReasoningTokens, "gen_ai.usage.reasoning.output_tokens"),
        (Fact::FirstToken, "gen_ai.response.time_to_first_chunk"),
        (Fact::Method, "http.request.method"),
        (Fact::Status, "http.response.status_code"),
        (Fact::Resend, "http.request.resend_count"),
        (Fact::ServerAddress, "server.address"),
        (Fact::ServerPort, "server.port"),
        (Fact::Provider, "agentgateway.provider"),
        (Fact::Standing, "agentgateway.provider.standing"),
        (Fact::ErrorType, "error.type"),
        (Fact::Instructions, "gen_ai.system_instructions"),
        (Fact::InputMessages, "gen_ai.input.messages"),
        (Fact::OutputMessages, "gen_ai.output.messages"),
    ],
    parameters: Side::Client,
    client_named_by_model: true,
};
