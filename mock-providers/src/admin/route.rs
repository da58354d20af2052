//! The routes: one table for the dispatcher and the OpenAPI document.

use std::future::Future;
use std::pin::Pin;

use super::call::{Call, decoded};
use super::reply::{Refusal, Reply};
use super::{Desk, config, faults, journal, openapi, running, states, verify};

/// What stands before every path.
pub(super) const PREFIX: &str = "/__mock";

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send + 'a>>;

/// A method on a path.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// Below [`PREFIX`]; `{name}` stands for one segment.
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// Name and meaning.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// The schema of the body it takes.
    pub(super) takes: Option<&'static str>,
    /// The status, the type and the schema of what it gives.
    pub(super) gives: (u16, &'static str, &'static str),
    pub(super) answer: for<'a> fn(&'a Desk, Call<'a>) -> Answer<'a>,
}

const JSON: &str = "application/json";

/// A route: method, path and handler, then the schema it gives, then what it is for.
macro_rules! route {
    ($method:literal $path:literal $handler:path => $gives:literal, $summary:literal) => {
        Route {
            method: $method,
            path: $path,
            summary: $summary,
            query: &[],
            takes: None,
            gives: (200, JSON, $gives),
            answer: |desk, call| Box::pin($handler(desk, call)),
        }
    };
}

impl Route {
    const fn takes(self, schema: &'static str) -> Self {
        Self { takes: Some(schema), ..self }
    }

    const fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    const fn created(self) -> Self {
        Self { gives: (201, self.gives.1, self.gives.2), ..self }
    }

    const fn text(self, content_type: &'static str) -> Self {
        Self { gives: (self.gives.0, content_type, self.gives.2), ..self }
    }
}

const PROVIDER: &[(&str, &str)] = &[("provider", "Which provider; may be left out when there is one.")];
const RESET: &[(&str, &str)] =
    &[("what", "A list of `journal`, `rules`, `faults`, `limits`, `states`; or `all`, the default.")];
const FILTERS: &[(&str, &str)] = &[
    ("provider", "Only this provider's."),
    ("since", "Received at or after so many milliseconds of the journals' clock."),
    ("session", "Whose `X-Mock-Session` this is."),
    ("rule", "Answered by this rule; `default` for none."),
    ("status", "Answered with this status."),
    ("fault", "With this fault, or with `any`, or with `none`."),
    ("model", "For this model; `*` stands for anything."),
    ("path", "To this path; `*` stands for anything."),
    ("end", "That ended so: `pending`, `complete`, `client_closed` or `fault`."),
    ("limit", "So many on a page, from 1 to 1000; default 100."),
    ("cursor", "After the page whose `next` this was."),
];

/// All of them.
pub(super) const ROUTES: &[Route] = &[
    route!("GET" "/health" running::health => "Health", "Whether the process answers"),
    route!("GET" "/ready" running::ready => "Ready", "Where the providers listen, once all do"),
    route!("GET" "/config" config::get => "Config", "The configuration, its secrets as marks"),
    route!("PUT" "/config" config::put => "Config", "Takes another configuration, or nothing of it").takes("Config"),
    route!("PATCH" "/config" config::patch => "Config", "Changes the configuration by a merge patch (RFC 7396)")
        .takes("MergePatch"),
    route!("POST" "/rules" config::add_rule => "Named", "Puts a rule before the others of a provider")
        .takes("Rule")
        .query(PROVIDER)
        .created(),
    route!("DELETE" "/rules/{name}" config::remove_rule => "Named", "Takes a rule away").query(PROVIDER),
    route!("GET" "/states" states::list => "States", "The state machines as they are now"),
    route!("PUT" "/states/{machine}" states::put => "Sent", "Sends a machine to one of its states").takes("State"),
    route!("GET" "/faults" faults::list => "Faults", "The faults over those of the scripts, and how often each happened")
        .query(PROVIDER),
    route!("POST" "/faults" faults::add => "Added", "Puts a fault over those of a provider's script")
        .takes("Fault")
        .query(PROVIDER)
        .created(),
    route!("DELETE" "/faults/{id}" faults::remove => "Done", "Takes such a fault away"),
    route!("POST" "/reset" running::reset => "Done", "Forgets what was counted").query(RESET),
    route!("POST" "/pause" running::pause => "Done", "Requests are taken, and wait for their answers"),
    route!("POST" "/resume" running::resume => "Done", "Answers what has waited"),
    route!("GET" "/journal" journal::list => "Page", "What the providers saw, oldest first").query(FILTERS),
    route!("GET" "/journal/{id}" journal::one => "Entry", "One request with its whole body"),
    route!("GET" "/unmatched" journal::unmatched => "Page", "Requests that no rule matched, where there are rules")
        .query(FILTERS),
    route!("POST" "/verify" verify::verify => "Verified", "Whether as many requests came as expected; and which almost fit")
        .takes("Expectation"),
    route!("GET" "/verdict" verify::verdict => "Verdict", "What the journals say about the caller"),
    route!("POST" "/verdict" verify::verdict => "Verdict", "The same under a policy of one's own").takes("Policy"),
    route!("GET" "/metrics" running::metrics => "Text", "Numbers for Prometheus").text("text/plain"),
    route!("GET" "/openapi.json" openapi::get => "Document", "This API"),
];

/// The route of a method and a path, and what stands in the place of `{…}`.
pub(super) fn find(method: &str, path: &str) -> Result<(&'static Route, Vec<String>), Refusal> {
    let below = path.strip_prefix(PREFIX).unwrap_or_default();
    let fitting: Vec<_> = ROUTES.iter().filter_map(|route| Some((route, fit(route.path, below)?))).collect();
    if fitting.is_empty() {
        let hint = format!("paths are in {PREFIX}/openapi.json, such as {PREFIX}/ready and {PREFIX}/journal");
        return Err(Refusal::missing("there is no such path").hint(hint));
    }
    let allowed: Vec<&str> = fitting.iter().map(|(route, _)| route.method).collect();
    fitting.into_iter().find(|(route, _)| route.method == method).ok_or_else(|| {
        let hint = format!("it takes {}", allowed.join(", "));
        let refusal = Refusal::new(405, "method_not_allowed", "not with this method").hint(hint);
        refusal.with("allow", allowed.join(", "))
    })
}

fn fit(template: &str, path: &str) -> Option<Vec<String>> {
    let mut parameters = Vec::new();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameters),
            (Some(name), Some(value)) if name.starts_with('{') && !value.is_empty() => parameters.push(decoded(value)),
            (Some(name), Some(value)) if name == value => {}
            _ => return None,
        }
    }
}
