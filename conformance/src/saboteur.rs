//! Deliberate defects around a good gateway: the negative controls of scenarios, in one table.
//! Says what each one is and where it sits; the work at the wire is done by `seam`.

/// Where a saboteur sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seam {
    /// Between the client and the gateway.
    Client,
    /// Between the gateway and its providers.
    Upstream,
    /// On what metrics and logs say.
    Telemetry,
    /// On the way of configuration into the gateway.
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

macro_rules! saboteurs {
    ($($variant:ident $name:literal $seam:ident: $summary:literal,)*) => {
        /// One deliberate defect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

            /// Where it sits.
            pub fn seam(self) -> Seam {
                match self { $(Saboteur::$variant => Seam::$seam),* }
            }
        }
    };
}

saboteurs! {
    DoneInvented "done-invented" Client: "a stream that breaks off gets `[DONE]` and a clean end",
    LastEventDropped "last-event-dropped" Client: "the last event of a stream is lost",
    Utf8Mangled "utf8-mangled" Client: "text of streams is decoded piece by piece",
    SseBuffered "sse-buffered" Client: "streams are collected and sent as a whole",
    UsageChunkShown "usage-chunk-shown" Client: "every stream gets a usage chunk",
    UsageChunkHidden "usage-chunk-hidden" Client: "no stream keeps its usage chunk",
    StreamReplayed "stream-replayed" Client: "a stream that breaks off starts again from its first event",
    ErrorFlattenedTo200 "error-flattened-to-200" Client: "errors get status 200",
    ErrorStatusLost "error-status-lost" Client: "every error becomes status 500",
    ErrorFieldsLost "error-fields-lost" Client: "errors keep nothing but a message",
    ErrorNotJson "error-not-json" Client: "errors become plain text",
    RedirectFollowed "redirect-followed" Client: "redirects are answered with 200",
    AnswerHeadersLost "answer-headers-lost" Client: "the answer keeps only its framing headers",
    ProviderKeyInResponse "provider-key-in-response" Client: "the provider's key is told to the client",
    CancelNotPropagated "cancel-not-propagated" Client: "the gateway never learns that the client has gone",
    AmbiguityAccepted "ambiguity-accepted" Client: "requests framed in two ways lose one of the framings",
    BadBodyMended "bad-body-mended" Client: "a body that is not JSON is replaced by one that is",
    NotFoundServed "not-found-served" Client: "a 404 becomes an answer",
    DeadlineIgnored "deadline-ignored" Client: "a timeout is never told to the client",
    ClientKeyForwarded "client-key-forwarded" Upstream: "the client's credentials reach the provider",
    ProviderKeyDropped "provider-key-dropped" Upstream: "requests reach the provider without its key",
    HopHeadersForwarded "hop-headers-forwarded" Upstream: "all of the client's headers reach the provider",
    ModelNotRewritten "model-not-rewritten" Upstream: "the client's model reaches the provider",
    PathNotRewritten "path-not-rewritten" Upstream: "the client's path reaches the provider",
    BodyReserialised "body-reserialised" Upstream: "bodies are parsed and written anew, keys sorted",
    UsageNotAsked "usage-not-asked" Upstream: "streams are sent without asking for usage",
    TraceparentDropped "traceparent-dropped" Upstream: "trace context is not passed on",
    TraceparentCopied "traceparent-copied" Upstream: "the client's span is named as the parent",
    DuplicateContentLength "duplicate-content-length" Upstream: "Content-Length is sent twice",
    ContentLengthLost "content-length-lost" Upstream: "bodies reach the provider in chunks, without a length",
    BodyLostOnRetry "body-lost-on-retry" Upstream: "the second attempt has no body",
    FailoverDropped "failover-dropped" Upstream: "the second attempt gets the failure of the first",
    RequestDuplicated "request-duplicated" Upstream: "every request reaches its provider twice",
    RouteIgnored "route-ignored" Upstream: "requests are dealt out to all providers in turn",
    StuckOnFirst "stuck-on-first" Upstream: "all requests reach the provider that had the first one",
    TokensDoubled "tokens-doubled" Telemetry: "tokens are counted twice",
    TokensLost "tokens-lost" Telemetry: "tokens are not counted",
    RequestsUncounted "requests-uncounted" Telemetry: "requests are not counted",
    LogLost "log-lost" Telemetry: "exchanges are not logged",
    LogAlwaysComplete "log-always-complete" Telemetry: "every exchange is logged as a success",
    SecretInLog "secret-in-log" Telemetry: "the provider's key is logged",
    ReloadLost "reload-lost" Configuration: "changes of the configuration are never seen",
    CheckSilent "check-silent" Configuration: "`--check` accepts everything",
    CheckPlaceless "check-placeless" Configuration: "`--check` refuses everything without saying where",
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
}
