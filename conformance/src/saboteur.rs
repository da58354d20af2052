//! Deliberate defects around a good gateway: the negative controls of scenarios, in one table.
//! Says what each one is, where it sits and which class of real bugs it stands for; the harm is done by `seam`.

/// Where a saboteur sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seam {
    /// Between the client and the gateway.
    Client,
    /// Between the gateway and its providers.
    Upstream,
    /// On what metrics and logs say.
    Telemetry,
    /// On the way of configuration and signals into the gateway, and of what it says about them.
    Configuration,
}

impl std::fmt::Display for Seam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Seam::Client => "client",
            Seam::Upstream => "upstream",
            Seam::Telemetry => "telemetry",
            Seam::Configuration => "configuration",
        })
    }
}

/// A class of bugs that gateways have had: C01 to C28 of the scenario catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class(pub u8);

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "C{:02}", self.0)
    }
}

macro_rules! saboteurs {
    ($($variant:ident $name:literal $seam:ident [$($class:literal),+]: $summary:literal,)*) => {
        /// One deliberate defect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Saboteur {
            $(#[doc = $summary] $variant,)*
        }

        impl Saboteur {
            /// All of them, by seam.
            pub const ALL: &[Saboteur] = &[$(Saboteur::$variant),*];

            /// As written in scenarios.
            pub fn name(self) -> &'static str {
                match self { $(Saboteur::$variant => $name),* }
            }

            /// One sentence.
            pub fn summary(self) -> &'static str {
                match self { $(Saboteur::$variant => $summary),* }
            }

            /// The classes of real bugs that it stands for.
            pub fn classes(self) -> &'static [Class] {
                match self { $(Saboteur::$variant => &[$(Class($class)),+]),* }
            }

            /// Where it sits.
            pub fn seam(self) -> Seam {
                match self { $(Saboteur::$variant => Seam::$seam),* }
            }
        }
    };
}

saboteurs! {
    DoneInvented "done-invented" Client [1, 2]: "a stream that breaks off gets `[DONE]` and a clean end",
    StreamErrorAs200 "stream-error-as-200" Client [1, 2, 13]: "an error that answers a streaming request becomes a stream with status 200",
    ErrorEventDropped "error-event-dropped" Client [1, 13]: "error events are left out of streams",
    LastEventDropped "last-event-dropped" Client [8]: "the last event of a stream is lost",
    EventOrderSwapped "event-order-swapped" Client [8]: "of many events that come at once, two change places",
    EventTruncated "event-truncated" Client [8, 21]: "events are cut at 64 KiB",
    EventFieldsLost "event-fields-lost" Client [8]: "of events, only the data lines are passed on",
    CommentAsData "comment-as-data" Client [8]: "comments in streams become data",
    CrlfBroken "crlf-broken" Client [8]: "events whose lines end in CR run into each other",
    MalformedEventDropped "malformed-event-dropped" Client [1, 8]: "events that are not JSON are left out",
    Utf8Mangled "utf8-mangled" Client [8]: "text of streams is decoded piece by piece",
    SseBuffered "sse-buffered" Client [10]: "streams are collected and sent as a whole",
    UsageChunkShown "usage-chunk-shown" Client [11]: "every stream gets a usage chunk",
    UsageChunkHidden "usage-chunk-hidden" Client [11]: "no stream keeps its usage chunk",
    StreamReplayed "stream-replayed" Client [3]: "a stream that breaks off starts again from its first event",
    ToolArgumentsLost "tool-arguments-lost" Client [13]: "tool calls arrive without their arguments",
    AnswerTruncated "answer-truncated" Client [21]: "answers are cut at 1 MiB",
    AnswerMixed "answer-mixed" Client [15, 28]: "of exchanges at the same time, one gets the answer of another",
    SecondAnswerInvented "second-answer-invented" Client [18, 22]: "behind an error, a second answer follows",
    ErrorFlattenedTo200 "error-flattened-to-200" Client [1, 13]: "errors get status 200",
    ErrorStatusLost "error-status-lost" Client [13, 22]: "every error becomes status 500",
    ErrorFieldsLost "error-fields-lost" Client [13]: "errors keep nothing but a message",
    ErrorNotJson "error-not-json" Client [13, 22]: "errors become plain text",
    RetryAfterLost "retry-after-lost" Client [6]: "answers lose their Retry-After",
    BodyLimitHidden "body-limit-hidden" Client [21]: "a body that is too large is called a bad request",
    RequestBodyTruncated "request-body-truncated" Client [21]: "request bodies are cut at 1 MiB",
    BadBodyMended "bad-body-mended" Client [22]: "a body that is not JSON is replaced by one that is",
    NotFoundServed "not-found-served" Client [16, 22]: "a 404 becomes an answer",
    ModelFromQuery "model-from-query" Client [16]: "a model in the query beats the one in the body",
    PathDecoded "path-decoded" Client [16, 18]: "paths are decoded and their dots resolved before anything is decided",
    HeaderLimitIgnored "header-limit-ignored" Client [28]: "heads of any size are accepted",
    SlowClientStarvesOthers "slow-client-starves-others" Client [28]: "while one request arrives, all others wait",
    RedirectFollowed "redirect-followed" Client [18]: "redirects are answered with 200",
    AnswerHeadersLost "answer-headers-lost" Client [13]: "the answer keeps only its framing headers",
    ProviderKeyInResponse "provider-key-in-response" Client [15, 17]: "the provider's key is told to the client",
    ReadyLeaksConfig "ready-leaks-config" Client [15, 17]: "the readiness endpoint tells a key",
    ReadyTooEarly "ready-too-early" Client [25]: "a gateway that was started anew is ready before its listeners are",
    ReloadCutsStreams "reload-cuts-streams" Client [25]: "every change of the configuration cuts open connections",
    ConfigLostOnRefusal "config-lost-on-refusal" Client [25]: "a refused configuration takes the old one with it",
    CancelNotPropagated "cancel-not-propagated" Client [7]: "the gateway never learns that the client has gone",
    DeadlineIgnored "deadline-ignored" Client [19]: "a timeout is never told to the client",
    StallNeverEnds "stall-never-ends" Client [1, 19]: "a stream that the gateway gives up stays open for ever",
    LongStreamCut "long-stream-cut" Client [19]: "streams end half a second after they began",
    AmbiguityAccepted "ambiguity-accepted" Client [18, 22]: "requests framed in two ways lose one of the framings",
    Http2CancelEndsConnection "http2-cancel-ends-connection" Client [7, 20]: "a client that resets one stream of HTTP/2 loses its connection",
    Http2ResetHidden "http2-reset-hidden" Client [1, 2]: "a stream of HTTP/2 that the gateway resets ends properly instead",
    Http2GoawayCutsStreams "http2-goaway-cuts-streams" Client [25]: "a GOAWAY ends the connection at once, streams and all",
    Http2FieldsUnchecked "http2-fields-unchecked" Client [18, 22]: "fields of HTTP/2 are written out as lines and read again",
    AnswerCached "answer-cached" Client [15]: "an answer is given again to whoever sends the same body",
    FailureCached "failure-cached" Client [1, 2]: "errors and broken streams are given again to the same request",
    StreamFlagNotCached "stream-flag-not-cached" Client [13]: "an answer is given again whether a stream was asked for or not",
    FinishInvented "finish-invented" Upstream [1]: "a provider's stream without its terminator gets a finish reason and `[DONE]`",
    ContentEncodingLost "content-encoding-lost" Upstream [9]: "compressed answers of providers are passed on as plain ones",
    ClientKeyForwarded "client-key-forwarded" Upstream [15]: "the client's credentials reach the provider",
    ProviderKeyDropped "provider-key-dropped" Upstream [14, 15]: "requests reach the provider without its key",
    KeysCrossed "keys-crossed" Upstream [5, 15]: "every provider gets the key of the first one",
    ModelCrossed "model-crossed" Upstream [5, 14]: "every provider gets the model of the first one",
    HopHeadersForwarded "hop-headers-forwarded" Upstream [14, 15]: "all of the client's headers reach the provider",
    InternalHeaderAdded "internal-header-added" Upstream [14]: "a header of the gateway's own reaches the provider",
    InternalFieldAdded "internal-field-added" Upstream [14]: "a field of the gateway's own is put into bodies",
    ModelNotRewritten "model-not-rewritten" Upstream [14]: "the client's model reaches the provider",
    PathNotRewritten "path-not-rewritten" Upstream [14]: "the client's path reaches the provider",
    BasePathDoubled "base-path-doubled" Upstream [14]: "a path that was rewritten begins twice",
    QueryDropped "query-dropped" Upstream [14]: "queries do not reach the provider",
    QueryDoubled "query-doubled" Upstream [14]: "queries reach the provider twice over",
    HostNotRewritten "host-not-rewritten" Upstream [14, 18]: "the client's Host reaches the provider",
    XffDoubled "xff-doubled" Upstream [18]: "the client's X-Forwarded-For reaches the provider beside another",
    BodyReserialised "body-reserialised" Upstream [14]: "bodies are parsed and written anew, keys sorted",
    NumbersRounded "numbers-rounded" Upstream [14]: "numbers in bodies become floating point",
    UnknownFieldsDropped "unknown-fields-dropped" Upstream [14]: "fields that the gateway does not know are left out",
    UsageNotAsked "usage-not-asked" Upstream [11]: "streams are sent without asking for usage",
    TraceparentDropped "traceparent-dropped" Upstream [24]: "trace context is not passed on",
    TraceparentCopied "traceparent-copied" Upstream [24]: "the client's span is named as the parent",
    DuplicateContentLength "duplicate-content-length" Upstream [14]: "Content-Length is sent twice",
    ContentLengthLost "content-length-lost" Upstream [14]: "bodies reach the provider in chunks, without a length",
    BodyLostOnRetry "body-lost-on-retry" Upstream [5]: "the second attempt has no body",
    FailedHeadersLeak "failed-headers-leak" Upstream [5]: "the answer carries headers of the attempt that failed before",
    FailoverDropped "failover-dropped" Upstream [2, 4]: "the second attempt gets the failure of the first",
    ReplayElsewhere "replay-elsewhere" Upstream [3]: "a request whose stream broke is sent to another provider too",
    ClientErrorRetried "4xx-retried" Upstream [4]: "a client's mistake is tried at another provider",
    RetryStorm "retry-storm" Upstream [6]: "an attempt that gets a 5xx is repeated twice, at once",
    RetryAfterIgnored "retry-after-ignored" Upstream [6]: "an attempt that is told to wait is repeated at once",
    EvictedStillUsed "evicted-still-used" Upstream [4, 6]: "a provider that failed gets all first attempts",
    RequestDuplicated "request-duplicated" Upstream [5]: "every request reaches its provider twice",
    RouteIgnored "route-ignored" Upstream [26]: "requests are dealt out to all providers in turn",
    StuckOnFirst "stuck-on-first" Upstream [26]: "all requests reach the provider that had the first one",
    RedirectFollowedUpstream "redirect-followed-upstream" Upstream [18]: "a provider's redirect is followed, key and all",
    OverrideHeaderObeyed "override-header-obeyed" Upstream [18]: "a client's header names where requests go",
    ModelAsAddress "model-as-address" Upstream [18]: "a model's name names where requests go",
    ConnectionPerRequest "connection-per-request" Upstream [20]: "every request opens a connection",
    StaleConnectionKept "stale-connection-kept" Upstream [20]: "connections that the provider closed are used again",
    PoolWedged "pool-wedged" Upstream [20]: "after one attempt without an answer, a provider's later ones hang",
    TlsUnverified "tls-unverified" Upstream [18]: "any certificate of a provider will do",
    Http2DoneInvented "http2-done-invented" Upstream [1, 2]: "a stream of HTTP/2 that the provider resets gets `[DONE]` and a proper end",
    BackpressureLost "backpressure-lost" Upstream [10, 28]: "answers are read as fast as they come, however slow the client",
    TokensDoubled "tokens-doubled" Telemetry [11]: "tokens are counted twice",
    TokensLost "tokens-lost" Telemetry [11]: "tokens are not counted",
    TokensSwapped "tokens-swapped" Telemetry [11]: "input tokens are counted as output, and output as input",
    TokensMisplaced "tokens-misplaced" Telemetry [11]: "tokens are counted on another backend",
    CachedTokensAdded "cached-tokens-added" Telemetry [11]: "cached tokens are counted on top of the input",
    TokensInvented "tokens-invented" Telemetry [11]: "requests without usage are given some",
    RequestsUncounted "requests-uncounted" Telemetry [23]: "requests are not counted",
    RequestsDoubled "requests-doubled" Telemetry [23]: "requests are counted twice",
    FailuresUncounted "failures-uncounted" Telemetry [23]: "only successes are counted",
    FailuresCountedAsSuccess "failures-counted-as-success" Telemetry [1, 23]: "every request is counted as a success",
    StatusLabelLost "status-label-lost" Telemetry [23]: "failures are counted without a status",
    SeriesPerRequest "series-per-request" Telemetry [23, 28]: "every request opens a series of its own",
    ExpositionBroken "exposition-broken" Telemetry [23]: "the metrics text repeats a series and declares no types",
    TtftLost "ttft-lost" Telemetry [23]: "the time to the first token is not measured",
    TpotDoubled "tpot-doubled" Telemetry [23]: "the time per output token is twice what it was",
    TtftForEverything "ttft-for-everything" Telemetry [23]: "every request has a time to its first token",
    LogLost "log-lost" Telemetry [23]: "exchanges are not logged",
    LogDoubled "log-doubled" Telemetry [23]: "exchanges are logged twice",
    LogAlwaysComplete "log-always-complete" Telemetry [1, 7, 23]: "every exchange is logged as a success",
    LogModelLost "log-model-lost" Telemetry [23]: "exchanges are logged without their models",
    TraceIdLost "trace-id-lost" Telemetry [24]: "exchanges are logged without their trace",
    CostLost "cost-lost" Telemetry [12]: "what tokens cost is not logged",
    CostDoubled "cost-doubled" Telemetry [12]: "what tokens cost is counted twice",
    CostZeroWhenUnknown "cost-zero-when-unknown" Telemetry [12]: "what nobody knows the price of costs nothing",
    SpansLost "spans-lost" Telemetry [24]: "no span reaches the collector",
    SpansDoubled "spans-doubled" Telemetry [24]: "spans reach the collector twice",
    SpanParentLost "span-parent-lost" Telemetry [24]: "every span is the root of its trace",
    SpanTokensLost "span-tokens-lost" Telemetry [24]: "spans do not tell tokens",
    SpanErrorLost "span-error-lost" Telemetry [24]: "spans of failures look like those of successes",
    SecretInSpan "secret-in-span" Telemetry [17]: "the provider's key is an attribute of spans",
    PromptInSpan "prompt-in-span" Telemetry [17]: "prompts are attributes of spans",
    SecretInLog "secret-in-log" Telemetry [17]: "the provider's key is logged",
    SecretInMetrics "secret-in-metrics" Telemetry [17]: "the provider's key is a label",
    PromptInLog "prompt-in-log" Telemetry [17]: "prompts are logged",
    ReloadLost "reload-lost" Configuration [25]: "changes of the configuration are never seen",
    ReloadHalfApplied "reload-half-applied" Configuration [25]: "of a change, only the first object is seen",
    OldSecretKept "old-secret-kept" Configuration [15, 25]: "changes of Secrets are never seen",
    InvalidFileAccepted "invalid-file-accepted" Configuration [25]: "a refused configuration is reported as taken",
    StartsWhenBroken "starts-when-broken" Configuration [25]: "a start with a broken configuration looks like a good one",
    SigtermKillsAtOnce "sigterm-kills-at-once" Configuration [25]: "SIGTERM ends everything at once",
    SigtermIgnored "sigterm-ignored" Configuration [25]: "SIGTERM changes nothing",
    ReadyForever "ready-forever" Configuration [25]: "readiness is always told, even while the gateway ends",
    GrantsIgnored "grants-ignored" Configuration [15, 25]: "objects of other namespaces are used without a grant",
    StatusAlwaysGood "status-always-good" Configuration [25]: "every condition is told to be good",
    StatusPartsHidden "status-parts-hidden" Configuration [25]: "what is served in part is told to be served as a whole",
    StatusReasonLost "status-reason-lost" Configuration [25]: "conditions have no reason of their own",
    StatusGenerationStuck "status-generation-stuck" Configuration [25]: "conditions are always about the first generation",
    StatusStale "status-stale" Configuration [25]: "conditions are never told anew, only their generation is",
    CheckSilent "check-silent" Configuration [25]: "`--check` accepts everything",
    CheckPlaceless "check-placeless" Configuration [25]: "`--check` refuses everything without saying where",
}

impl Saboteur {
    /// The saboteur of this name.
    pub fn named(name: &str) -> Option<Saboteur> {
        Saboteur::ALL.iter().copied().find(|saboteur| saboteur.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for saboteur in Saboteur::ALL {
            assert_eq!(Saboteur::named(saboteur.name()), Some(*saboteur));
        }
    }

    /// Limits and budgets, which the reference gateway does not have.
    const NOT_YET: u8 = 27;

    #[test]
    fn every_class_of_bugs_has_a_saboteur() {
        let covered: Vec<u8> = Saboteur::ALL.iter().flat_map(|s| s.classes()).map(|class| class.0).collect();
        let missing: Vec<u8> = (1..=28).filter(|n| *n != NOT_YET && !covered.contains(n)).collect();
        assert!(missing.is_empty(), "classes without a saboteur: {missing:?}");
        assert!(covered.iter().all(|n| (1..=28).contains(n) && *n != NOT_YET));
    }
}
