//! HTTPRouteMatch → [`Match`], with the Gateway API's validation of paths and names.

use http::{HeaderName, Method};
use regex::{Regex, RegexBuilder};

use super::Refusal;
use crate::config::resources::route::{MatchSpec, PathMatchSpec, PathMatchType, ValueMatchSpec, ValueMatchType};
use crate::snapshot::{Match, PathMatch, ValueMatch};

/// Compiled expressions may not grow beyond this.
const REGEX_LIMIT: usize = 1 << 20;

/// Every request: the match of a rule without matches.
pub(super) fn any() -> Match {
    Match { path: PathMatch::Prefix("".into()), method: None, headers: Vec::new(), query: Vec::new() }
}

/// Compiles one match.
pub(super) fn compile(spec: &MatchSpec) -> Result<Match, Refusal> {
    let path = match &spec.path {
        Some(path) => path_match(path)?,
        None => PathMatch::Prefix("".into()),
    };
    let method = spec.method.as_deref().map(method).transpose()?;
    let mut headers: Vec<(HeaderName, ValueMatch)> = Vec::new();
    for header in &spec.headers {
        let name = HeaderName::try_from(&header.name)
            .map_err(|_| unsupported(format!("`{}` is not a header name", header.name)))?;
        // The Gateway API: of conditions on one name only the first counts.
        if headers.iter().all(|(other, _)| *other != name) {
            headers.push((name, value_match(header)?));
        }
    }
    let mut query: Vec<(Box<str>, ValueMatch)> = Vec::new();
    for parameter in &spec.query_params {
        if query.iter().all(|(other, _)| **other != *parameter.name) {
            query.push((parameter.name.as_str().into(), value_match(parameter)?));
        }
    }
    Ok(Match { path, method, headers, query })
}

fn unsupported(message: String) -> Refusal {
    Refusal::new("UnsupportedValue", message)
}

/// An upper-case method.
pub(super) fn method(text: &str) -> Result<Method, Refusal> {
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    match Method::from_bytes(text.as_bytes()) {
        Ok(method) if METHODS.contains(&text) => Ok(method),
        _ => Err(unsupported(format!("`{text}` is not one of the methods {}", METHODS.join(", ")))),
    }
}

fn path_match(spec: &PathMatchSpec) -> Result<PathMatch, Refusal> {
    let value = spec.value.as_deref().unwrap_or("/");
    match spec.type_.unwrap_or_default() {
        PathMatchType::RegularExpression => regex(value).map(PathMatch::Regex),
        PathMatchType::Exact => checked_path(value).map(|path| PathMatch::Exact(path.into())),
        PathMatchType::PathPrefix => {
            checked_path(value).map(|path| PathMatch::Prefix(path.trim_end_matches('/').into()))
        }
    }
}

/// A path in the form in which requests are matched.
pub(super) fn checked_path(path: &str) -> Result<&str, Refusal> {
    if path.starts_with('/') && path.len() <= 1024 && !path.contains(['?', '#']) && crate::path::is_plain(path) {
        return Ok(path);
    }
    let normal = crate::path::read(path).ok().and_then(|reading| reading.normal.filter(|_| reading.lenient.is_none()));
    let help = normal.map(|normal| format!(": write `{normal}`")).unwrap_or_default();
    Err(unsupported(format!("`{path}` is not a normal path that starts with `/`{help}")))
}

fn value_match(spec: &ValueMatchSpec) -> Result<ValueMatch, Refusal> {
    match spec.type_.unwrap_or_default() {
        ValueMatchType::Exact => Ok(ValueMatch::Exact(spec.value.as_str().into())),
        ValueMatchType::RegularExpression => regex(&spec.value).map(ValueMatch::Regex),
    }
}

/// An expression over the whole value.
fn regex(expression: &str) -> Result<Regex, Refusal> {
    let alone = Regex::new(expression).map_err(|error| bad_regex(expression, &error))?;
    let anchored = format!("^(?:{})$", alone.as_str());
    RegexBuilder::new(&anchored).size_limit(REGEX_LIMIT).build().map_err(|error| bad_regex(expression, &error))
}

fn bad_regex(expression: &str, error: &regex::Error) -> Refusal {
    let why = match error {
        regex::Error::CompiledTooBig(_) => "it is too big".to_owned(),
        other => other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    };
    unsupported(format!("`{expression}` is not a regular expression: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(type_: PathMatchType, value: &str) -> Result<PathMatch, Refusal> {
        path_match(&PathMatchSpec { type_: Some(type_), value: Some(value.to_owned()) })
    }

    #[test]
    fn prefixes_lose_their_trailing_slash() {
        for (written, kept) in [("/", ""), ("/openai", "/openai"), ("/openai/", "/openai")] {
            let Ok(PathMatch::Prefix(prefix)) = path(PathMatchType::PathPrefix, written) else { panic!("{written}") };
            assert_eq!(&*prefix, kept);
        }
    }

    #[test]
    fn paths_that_normalise_to_something_else_are_refused() {
        for odd in
            ["", "v1", "/a//b", "/a/../b", "/a/./b", "/a%2Fb", "/a#b", "/a/..", "/a?b", "/%61", "/a;b", "/a%2", "/a\\b"]
        {
            assert!(path(PathMatchType::Exact, odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn expressions_cover_the_whole_value_and_cannot_break_out() {
        let regex = regex("/a|/b").expect("valid");
        assert!(regex.is_match("/b") && !regex.is_match("/bc") && !regex.is_match("x/a"));
        assert!(super::regex("a)|(b").is_err());
        assert!(super::regex("(a{1000}){1000}").is_err());
    }

    #[test]
    fn methods_are_upper_case() {
        assert!(method("get").is_err() && method("GET").is_ok());
    }
}
