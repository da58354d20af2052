//! Routing by model name (AgentgatewayModel): who serves the model that a request names, and which models are told.
//! Part of stage match that needs the body, so it runs after admit. Which provider of a model is asked, and whether
//! another one follows, is `select`'s and `failover`'s business.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::admit::{self, Admitted};
use crate::error::{Reason, Rejection};
use crate::exchange::Exchange;
use crate::received::Received;
use crate::record::End;
use crate::relay::Reply;
use crate::snapshot::{Operation, RouteEntry, Target, WeightedBackend};
use crate::{failover, mirror, operation, select};

/// Longest model name that an error message repeats.
const QUOTED: usize = 128;

/// `match.model`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// This name.
    Exact(Box<str>),
    /// `gpt-*`, kept as `gpt-`.
    Prefix(Box<str>),
    /// `*-latest`, kept as `-latest`.
    Suffix(Box<str>),
    /// `*`
    Any,
}

impl Pattern {
    /// Whether it stands for the name. A wildcard stands for at least one character.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *name,
            Self::Prefix(prefix) => name.len() > prefix.len() && name.starts_with(&**prefix),
            Self::Suffix(suffix) => name.len() > suffix.len() && name.ends_with(&**suffix),
            Self::Any => !name.is_empty(),
        }
    }

    /// Smaller is more specific: the longest affix first, of two equally long ones the prefix, `*` last.
    fn rank(&self) -> (Reverse<usize>, u8) {
        match self {
            Self::Exact(exact) => (Reverse(exact.len()), 0),
            Self::Prefix(prefix) => (Reverse(prefix.len()), 1),
            Self::Suffix(suffix) => (Reverse(suffix.len()), 2),
            Self::Any => (Reverse(0), 3),
        }
    }
}

/// One AgentgatewayModel as its callers see it.
#[derive(Debug)]
pub struct Model {
    /// `namespace/name` of the object.
    pub object: Arc<str>,
    /// Whether clients may ask for it.
    pub public: bool,
    /// What it can be asked for (`custom.formats`); `None` is anything.
    pub operations: Option<Vec<Operation>>,
    /// Who serves it; several for a weighted virtual model.
    pub targets: Vec<WeightedBackend>,
}

/// All models of one parent: a listener, or a rule of an HTTPRoute.
#[derive(Debug, Default)]
pub struct ModelRouter {
    exact: HashMap<Box<str>, Arc<Model>>,
    /// Most specific first.
    patterns: Vec<(Pattern, Arc<Model>)>,
    /// The answer to `GET /v1/models`.
    listing: Bytes,
}

impl ModelRouter {
    /// A router of these models; of two with the same pattern the first one counts.
    #[must_use]
    pub fn new(models: Vec<(Pattern, Arc<Model>)>) -> Self {
        let (mut exact, mut patterns, mut listed) = (HashMap::new(), Vec::<(Pattern, _)>::new(), Vec::new());
        for (pattern, model) in models {
            match pattern {
                Pattern::Exact(name) if exact.contains_key(&name) => (),
                Pattern::Exact(name) => {
                    listed.extend(is_told(&model).then(|| card(&name)));
                    exact.insert(name, model);
                }
                wildcard if patterns.iter().any(|(other, _)| *other == wildcard) => (),
                wildcard => patterns.push((wildcard, model)),
            }
        }
        patterns.sort_by_key(|(pattern, _)| pattern.rank());
        let listing = json!({"object": "list", "data": listed}).to_string().into();
        Self { exact, patterns, listing }
    }

    /// Every target of every model.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        let models = self.exact.values().chain(self.patterns.iter().map(|(_, model)| model));
        models.flat_map(|model| &model.targets).map(|weighted| &weighted.target)
    }

    /// The model that a client's name means: the most specific one. An internal one keeps its name to itself:
    /// no wildcard takes it over.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Model>> {
        let pattern = || self.patterns.iter().find(|(pattern, _)| pattern.fits(name)).map(|(_, model)| model);
        self.exact.get(name).or_else(pattern).filter(|model| model.public)
    }

    /// `GET /v1/models`, or of one model where the path goes on with its name.
    fn describe(&self, path: &str) -> Result<Bytes, Rejection> {
        let Some(name) = operation::model_name(path).map(percent_decoded) else { return Ok(self.listing.clone()) };
        match self.find(&name).filter(|model| is_told(model)) {
            Some(_) => Ok(card(&name).to_string().into()),
            None => Err(not_found(&name)),
        }
    }

    /// The model that the request asks for, if it can be asked for that.
    fn named(&self, name: Option<&str>, admitted: &Admitted) -> Result<&Arc<Model>, Rejection> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(Rejection::invalid("missing_model", "the request names no model: set `model`"));
        };
        let model = self.find(name).ok_or_else(|| not_found(name))?;
        match &model.operations {
            Some(operations) if !operations.contains(&admitted.operation) => {
                let message = format!("model `{}` does not serve {}", quoted(name), admitted.path);
                Err(Rejection::invalid("unsupported_operation", message))
            }
            _ => Ok(model),
        }
    }
}

/// Whether a model is worth telling of: public, and there is somebody to serve it.
fn is_told(model: &Model) -> bool {
    model.public && model.targets.iter().any(|weighted| !matches!(weighted.target, Target::Broken { .. }))
}

/// A model as OpenAI's API describes it; when it came to be is not known.
fn card(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "openai"})
}

fn not_found(name: &str) -> Rejection {
    let message = format!("the model `{}` does not exist or may not be used here", quoted(name));
    Rejection::new(StatusCode::NOT_FOUND, Reason::NotFound, "model_not_found", message)
}

fn quoted(name: &str) -> &str {
    name.char_indices().nth(QUOTED).map_or(name, |(end, _)| &name[..end])
}

/// A name out of a path; one that does not decode to UTF-8 stays as it is.
fn percent_decoded(raw: &str) -> Cow<'_, str> {
    let Some(first) = raw.find('%') else { return Cow::Borrowed(raw) };
    let mut decoded = raw.as_bytes()[..first].to_vec();
    let mut rest = &raw[first..];
    while let Some(&byte) = rest.as_bytes().first() {
        let escaped = rest.strip_prefix('%').and_then(|rest| rest.get(..2)).filter(|hex| !hex.starts_with('+'));
        let (byte, length) = match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (byte, 3),
            None => (byte, 1),
        };
        decoded.push(byte);
        let Some(next) = rest.get(length..) else { return Cow::Borrowed(raw) };
        rest = next;
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(raw), Cow::Owned)
}

/// Admit, look the model up, then choose, send and relay as for any AI backend.
pub async fn serve(
    mut exchange: Box<Exchange>,
    entry: &RouteEntry,
    index: usize,
    router: &ModelRouter,
    path: String,
    body: Received,
) -> Response<Reply> {
    let mut admitted = match admit::admit(&mut exchange, entry, &[], path, body).await {
        Ok(admitted) => admitted,
        Err(rejection) => return exchange.reject(rejection),
    };
    if admitted.operation == Operation::Models {
        return match router.describe(&admitted.path) {
            Ok(told) => tell(exchange, told),
            Err(rejection) => exchange.reject(rejection),
        };
    }
    let model = match router.named(exchange.record.requested_model.as_deref(), &admitted) {
        Ok(model) => model,
        Err(rejection) => return exchange.reject(rejection),
    };
    exchange.record.backend = Some(model.object.clone());
    let chosen = select::by_weight(&model.targets, exchange.worker.random());
    let Some(Target::Ai(backend)) = chosen.map(|weighted| &weighted.target) else {
        let why = match chosen.map(|weighted| &weighted.target) {
            Some(Target::Broken { reason, .. }) => reason,
            _ => "it has no target",
        };
        let message = format!("model {} cannot be used: {why}", model.object);
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return exchange.reject(Rejection::new(status, Reason::NoHealthyBackend, "backend_not_usable", message));
    };
    mirror::copy_admitted(&exchange, entry, index, &mut admitted);
    match failover::serve(exchange, &entry.rule, index, backend, admitted).await {
        Ok(response) => response,
        Err((exchange, rejection)) => exchange.reject(rejection),
    }
}

fn tell(mut exchange: Box<Exchange>, told: Bytes) -> Response<Reply> {
    exchange.record.reason = Some(Reason::DirectResponse);
    exchange.record.end = End::Complete;
    let mut response = Response::new(told);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    exchange.answer(response)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::snapshot::{AiBackend, Filters};

    fn model(object: &str, public: bool) -> Arc<Model> {
        let backend =
            AiBackend { name: object.into(), groups: Vec::new(), eviction: None, unhealthy: None, routes: Vec::new() };
        let target = Target::Ai(Arc::new(backend));
        let targets = vec![WeightedBackend { weight: 1, filters: Filters::default(), target }];
        Arc::new(Model { object: object.into(), public, operations: None, targets })
    }

    fn router(models: &[(Pattern, &str, bool)]) -> ModelRouter {
        ModelRouter::new(
            models.iter().map(|(pattern, object, public)| (pattern.clone(), model(object, *public))).collect(),
        )
    }

    #[test]
    fn the_most_specific_pattern_wins_and_of_equal_ones_the_first() {
        let router = router(&[
            (Pattern::Any, "any", true),
            (Pattern::Suffix("-latest".into()), "suffix", true),
            (Pattern::Prefix("gpt-".into()), "short", true),
            (Pattern::Prefix("gpt-4o-".into()), "long", true),
            (Pattern::Prefix("gpt-4o-".into()), "younger", true),
            (Pattern::Exact("gpt-4o-mini".into()), "exact", true),
        ]);
        let cases = [
            ("gpt-4o-mini", "exact"),
            ("gpt-4o-audio", "long"),
            ("gpt-3", "short"),
            ("gpt-4o-latest", "long"),
            ("gpt-x-latest", "suffix"),
            ("-latest", "any"),
            ("claude", "any"),
        ];
        for (name, expected) in cases {
            assert_eq!(router.find(name).map(|model| &*model.object), Some(expected), "{name}");
        }
        assert!(router.find("").is_none());
    }

    #[test]
    fn an_internal_model_is_neither_found_nor_listed_nor_taken_over_by_a_wildcard() {
        let router = router(&[
            (Pattern::Any, "any", true),
            (Pattern::Exact("open".into()), "open", true),
            (Pattern::Exact("hidden".into()), "hidden", false),
        ]);
        assert!(router.find("hidden").is_none() && router.find("open").is_some());
        let listing = String::from_utf8_lossy(&router.listing).into_owned();
        assert!(listing.contains("\"open\"") && !listing.contains("hidden") && !listing.contains('*'), "{listing}");
        assert!(router.describe("/v1/models/hidden").is_err() && router.describe("/v1/models/other").is_ok());
    }

    #[test]
    fn the_name_of_a_retrieved_model_is_decoded() {
        for (raw, name) in
            [("a%3Ab", "a:b"), ("a%2", "a%2"), ("%ff", "%ff"), ("a+b", "a+b"), ("%+1", "%+1"), ("é%", "é%")]
        {
            assert_eq!(percent_decoded(raw), name, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_name_from_outside_panics(raw in "[%0-9a-fé+/]{0,12}") {
            let _decoded = percent_decoded(&raw);
            let rejection = not_found(&raw.repeat(40));
            prop_assert!(rejection.message.len() < 4 * QUOTED);
        }

        #[test]
        fn what_is_found_fits_and_nothing_more_specific_does(
            affixes in prop::collection::vec(("[ab]{0,3}", 0..3u8), 1..8), name in "[ab]{0,5}",
        ) {
            let pattern = |(affix, kind): &(String, u8)| match (affix.as_str(), kind) {
                ("", _) => Pattern::Any,
                (affix, 0) => Pattern::Exact(affix.into()),
                (affix, 1) => Pattern::Prefix(affix.into()),
                (affix, _) => Pattern::Suffix(affix.into()),
            };
            let patterns: Vec<Pattern> = affixes.iter().map(pattern).collect();
            let named: Vec<(Pattern, String)> = patterns.iter().map(|p| (p.clone(), format!("{p:?}"))).collect();
            let router = router(&named.iter().map(|(p, object)| (p.clone(), object.as_str(), true)).collect::<Vec<_>>());
            let best = patterns.iter().filter(|p| p.fits(&name)).min_by_key(|p| (!matches!(p, Pattern::Exact(_)), p.rank()));
            prop_assert_eq!(router.find(&name).map(|model| model.object.to_string()), best.map(|p| format!("{p:?}")));
        }
    }
}
