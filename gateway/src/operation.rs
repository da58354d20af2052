//! Which operation a path asks for, and where that operation lives at the provider.

use http::uri::InvalidUri;
use http::{Method, Uri};

use crate::snapshot::{Operation, PathMatch, PathPlan};

const SUFFIXES: [(&str, Operation); 7] = [
    ("/chat/completions", Operation::Chat),
    ("/completions", Operation::Completions),
    ("/responses", Operation::Responses),
    ("/embeddings", Operation::Embeddings),
    ("/moderations", Operation::Moderations),
    ("/models", Operation::Models),
    ("/messages", Operation::Messages),
];

/// The operation that a path's end names, also `/models/ID`.
#[must_use]
pub fn by_suffix(path: &str) -> Option<Operation> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let named = SUFFIXES.iter().find(|(suffix, _)| path.ends_with(suffix)).map(|(_, operation)| *operation);
    named.or_else(|| model_id(path).map(|_| Operation::Models))
}

/// The operation of a path on an AI backend: `routes` wins, then the suffix, then a bare route prefix (of the path
/// as it was received, before rewrites) is a chat.
#[must_use]
pub fn of(path: &str, received: &str, matched: &PathMatch, routes: &[(Box<str>, Operation)]) -> Option<Operation> {
    let ended = path.strip_suffix('/').unwrap_or(path);
    let named = |suffix: &str| suffix == "*" || path.ends_with(suffix) || ended.ends_with(suffix);
    if let Some((_, operation)) = routes.iter().find(|(suffix, _)| named(suffix)) {
        return Some(*operation);
    }
    let bare = match matched {
        PathMatch::Prefix(prefix) => received.strip_suffix('/').unwrap_or(received) == &**prefix,
        PathMatch::Exact(exact) => received == &**exact,
        PathMatch::Regex(_) => false,
    };
    by_suffix(path).or(bare.then_some(Operation::Chat))
}

impl Operation {
    /// The name in telemetry (`gen_ai.operation.name`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses | Self::Messages => "chat",
            Self::Completions => "text_completion",
            Self::Embeddings => "embeddings",
            Self::Moderations => "moderations",
            Self::Models => "models",
            Self::Passthrough => "passthrough",
        }
    }

    /// The only method it has; `None` is any.
    #[must_use]
    pub fn method(self) -> Option<Method> {
        match self {
            Self::Passthrough => None,
            Self::Models => Some(Method::GET),
            _ => Some(Method::POST),
        }
    }

    /// Path below the API's base.
    fn path(self) -> &'static str {
        let own = SUFFIXES.iter().find(|(_, operation)| *operation == self);
        own.map_or("", |(suffix, _)| suffix)
    }

    /// Whether `stream_options.include_usage` exists for it.
    #[must_use]
    pub fn has_stream_options(self) -> bool {
        matches!(self, Self::Chat | Self::Completions)
    }
}

/// Where the operations are at one provider.
#[derive(Debug, Clone)]
pub struct Targets {
    plan: PathPlan,
    /// Those that nothing of the request is a part of, made once.
    plain: Vec<(Operation, Uri)>,
}

impl From<PathPlan> for Targets {
    fn from(plan: PathPlan) -> Self {
        let made = |operation| Some((operation, Uri::try_from(upstream_path(operation, &plan, "", None)).ok()?));
        let plain = SUFFIXES.iter().filter(|(_, operation)| *operation != Operation::Models);
        let plain = plain.filter_map(|(_, operation)| made(*operation)).collect();
        Self { plan, plain }
    }
}

impl Targets {
    /// The target of a request with this path (after rewrites) and query.
    ///
    /// # Errors
    /// When the two make no URI.
    pub fn of(&self, operation: Operation, path: &str, query: Option<&str>) -> Result<Uri, InvalidUri> {
        let alone = query.is_none_or(str::is_empty);
        match self.plain.iter().find(|(other, _)| alone && *other == operation) {
            Some((_, uri)) => Ok(uri.clone()),
            None => Uri::try_from(upstream_path(operation, &self.plan, path, query)),
        }
    }
}

/// The path to send: what the provider's plan makes of the operation, with the client's query.
fn upstream_path(operation: Operation, plan: &PathPlan, path: &str, query: Option<&str>) -> String {
    let query = query.filter(|query| !query.is_empty());
    let [base, below, id]: [&str; 3] = match plan {
        PathPlan::Fixed(fixed) => [fixed, "", ""],
        PathPlan::Prefix(prefix) if operation == Operation::Passthrough => {
            [prefix, path.strip_prefix("/v1").unwrap_or(path), ""]
        }
        _ if operation == Operation::Passthrough => [path, "", ""],
        plan => {
            let base = if let PathPlan::Prefix(prefix) = plan { prefix } else { "/v1" };
            let id = if operation == Operation::Models { model_id(path) } else { None };
            [base, operation.path(), id.unwrap_or_default()]
        }
    };
    let (mark, query) = query.map_or(("", ""), |query| ("?", query));
    [base, below, id, mark, query].concat()
}

/// The name that a path of [`Operation::Models`] goes on with.
#[must_use]
pub fn model_name(path: &str) -> Option<&str> {
    model_id(path).map(|id| &id[1..])
}

/// `/ID` of a path that ends in `/models/ID`.
fn model_id(path: &str) -> Option<&str> {
    let at = path.rfind("/models/")? + "/models".len();
    (path.len() > at + 1).then(|| &path[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_operation_by_its_end() {
        let prefix = PathMatch::Prefix("/openai".into());
        for (path, expected) in [
            ("/openai", Some(Operation::Chat)),
            ("/openai/", Some(Operation::Chat)),
            ("/openai/chat/completions", Some(Operation::Chat)),
            ("/openai/v1/completions", Some(Operation::Completions)),
            ("/openai/embeddings", Some(Operation::Embeddings)),
            ("/openai/v1/models/gpt-4o", Some(Operation::Models)),
            ("/openai/nonsense", None),
            ("/openai/v1", None),
        ] {
            assert_eq!(of(path, path, &prefix, &[]), expected, "{path}");
        }
        assert_eq!(of("/v1", "/openai", &prefix, &[]), Some(Operation::Chat), "a bare prefix stays one when rewritten");
        let routes = [("/x".into(), Operation::Embeddings), ("*".into(), Operation::Passthrough)];
        assert_eq!(of("/openai/x", "/openai/x", &prefix, &routes), Some(Operation::Embeddings));
        assert_eq!(of("/openai/chat/completions", "/openai", &prefix, &routes), Some(Operation::Passthrough));
    }

    #[test]
    fn the_upstream_path_follows_the_plan() {
        let prefix = PathPlan::Prefix("/api/v3".into());
        for (operation, plan, path, query, expected) in [
            (Operation::Chat, &PathPlan::Default, "/openai", None, "/v1/chat/completions"),
            (Operation::Chat, &PathPlan::Default, "/openai", Some(""), "/v1/chat/completions"),
            (Operation::Models, &PathPlan::Default, "/openai/models", None, "/v1/models"),
            (Operation::Chat, &prefix, "/openai", Some("a=b"), "/api/v3/chat/completions?a=b"),
            (Operation::Models, &PathPlan::Default, "/x/models/gpt-4o", None, "/v1/models/gpt-4o"),
            (Operation::Chat, &PathPlan::Fixed("/only".into()), "/x", None, "/only"),
            (Operation::Passthrough, &PathPlan::Default, "/v1/files", Some("q"), "/v1/files?q"),
            (Operation::Passthrough, &prefix, "/v1/files", None, "/api/v3/files"),
        ] {
            let targets = Targets::from(plan.clone());
            assert_eq!(targets.of(operation, path, query).unwrap(), expected);
        }
    }
}
