//! HTTPRoute filters → [`Filters`]: header edits, rewrite, redirect. Filters that exist and are
//! not implemented are refused, never skipped.

use std::collections::HashSet;

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use super::{Refusal, hostname};
use crate::config::resources::route::{
    FilterSpec, FilterType, HeaderModifierSpec, HeaderSpec, MatchSpec, PathMatchType, PathModifierSpec,
    PathModifierType, RedirectSpec, RewriteSpec, RuleSpec,
};
use crate::snapshot::{Filters, HeaderEdit, Hostname, PathEdit, Redirect, UrlRewrite};

/// Compiles the filters of a rule.
pub(super) fn of_rule(rule: &RuleSpec) -> Result<Filters, Refusal> {
    let mut filters = Filters::default();
    for spec in &rule.filters {
        match spec.type_ {
            FilterType::RequestRedirect => {
                let redirect = redirect(required(spec.request_redirect.as_ref(), "requestRedirect")?, &rule.matches)?;
                set_once(&mut filters.redirect, redirect, "RequestRedirect")?;
            }
            FilterType::UrlRewrite => {
                let rewrite = rewrite(required(spec.url_rewrite.as_ref(), "urlRewrite")?, &rule.matches)?;
                set_once(&mut filters.rewrite, rewrite, "URLRewrite")?;
            }
            _ => header_filter(spec, &mut filters.request_headers, &mut filters.response_headers)?,
        }
    }
    if filters.redirect.is_some() && filters.rewrite.is_some() {
        return Err(Refusal::new("IncompatibleFilters", "RequestRedirect and URLRewrite exclude each other"));
    }
    if filters.redirect.is_some() && !rule.backend_refs.is_empty() {
        return Err(Refusal::new("IncompatibleFilters", "RequestRedirect and backendRefs exclude each other"));
    }
    Ok(filters)
}

/// Compiles the filters of a backendRef: request edits, response edits.
pub(super) fn of_backend(specs: &[FilterSpec]) -> Result<(HeaderEdit, HeaderEdit), Refusal> {
    let (mut request, mut response) = (HeaderEdit::default(), HeaderEdit::default());
    for spec in specs {
        header_filter(spec, &mut request, &mut response)?;
    }
    Ok((request, response))
}

fn header_filter(spec: &FilterSpec, request: &mut HeaderEdit, response: &mut HeaderEdit) -> Result<(), Refusal> {
    match spec.type_ {
        FilterType::RequestHeaderModifier => {
            merge(request, required(spec.request_header_modifier.as_ref(), "requestHeaderModifier")?)
        }
        FilterType::ResponseHeaderModifier => {
            merge(response, required(spec.response_header_modifier.as_ref(), "responseHeaderModifier")?)
        }
        FilterType::RequestRedirect | FilterType::UrlRewrite => {
            let message = format!("unsupported filter type {:?} on a backendRef", spec.type_);
            Err(Refusal::new("IncompatibleFilters", message))
        }
        other => Err(Refusal::new("UnsupportedValue", format!("unsupported filter type {}", name(other)))),
    }
}

fn name(type_: FilterType) -> String {
    match type_ {
        FilterType::Cors => "CORS".to_owned(),
        other => format!("{other:?}"),
    }
}

fn required<'s, T>(field: Option<&'s T>, name: &str) -> Result<&'s T, Refusal> {
    field.ok_or_else(|| Refusal::new("UnsupportedValue", format!("the filter's type asks for the field {name}")))
}

fn set_once<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::new("IncompatibleFilters", format!("{name} may be used once in a rule"))),
    }
}

fn merge(edit: &mut HeaderEdit, spec: &HeaderModifierSpec) -> Result<(), Refusal> {
    let mut names = HashSet::new();
    edit.set.extend(pairs(&spec.set, &mut names)?);
    edit.add.extend(pairs(&spec.add, &mut names)?);
    for text in &spec.remove {
        let name = header_name(text)?;
        if !names.insert(name.clone()) {
            return Err(twice(&name));
        }
        edit.remove.push(name);
    }
    Ok(())
}

fn pairs(specs: &[HeaderSpec], names: &mut HashSet<HeaderName>) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
    let pair = |spec: &HeaderSpec| {
        let name = header_name(&spec.name)?;
        if !names.insert(name.clone()) {
            return Err(twice(&name));
        }
        let value = HeaderValue::from_str(&spec.value)
            .map_err(|_| Refusal::new("UnsupportedValue", format!("the value of header `{name}` cannot be sent")))?;
        Ok((name, value))
    };
    specs.iter().map(pair).collect()
}

fn twice(name: &HeaderName) -> Refusal {
    Refusal::new("UnsupportedValue", format!("header `{name}` is named twice in one modifier"))
}

/// A header that a route may change: framing belongs to the connection.
fn header_name(text: &str) -> Result<HeaderName, Refusal> {
    let framing = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    match HeaderName::try_from(text) {
        Ok(name) if framing.contains(&name) => {
            Err(Refusal::new("UnsupportedValue", format!("header `{name}` belongs to the connection")))
        }
        Ok(name) => Ok(name),
        Err(_) => Err(Refusal::new("UnsupportedValue", format!("`{text}` is not a header name"))),
    }
}

fn rewrite(spec: &RewriteSpec, matches: &[MatchSpec]) -> Result<UrlRewrite, Refusal> {
    let hostname = spec.hostname.as_deref().map(precise_host).transpose()?;
    let hostname = hostname.map(|host| HeaderValue::from_str(&host)).transpose();
    Ok(UrlRewrite {
        hostname: hostname.map_err(|_| Refusal::new("UnsupportedValue", "the hostname cannot be sent"))?,
        path: spec.path.as_ref().map(|path| path_edit(path, matches)).transpose()?,
    })
}

fn redirect(spec: &RedirectSpec, matches: &[MatchSpec]) -> Result<Redirect, Refusal> {
    let code = spec.status_code.unwrap_or(302);
    let status = StatusCode::from_u16(code).ok().filter(|_| matches!(code, 301 | 302 | 303 | 307 | 308));
    let status = status.ok_or_else(|| {
        Refusal::new("UnsupportedValue", format!("redirect status {code} is not 301, 302, 303, 307 or 308"))
    })?;
    if let Some(scheme) = spec.scheme.as_deref().filter(|scheme| !matches!(*scheme, "http" | "https")) {
        return Err(Refusal::new("UnsupportedValue", format!("redirect scheme `{scheme}` is not http or https")));
    }
    Ok(Redirect {
        scheme: spec.scheme.as_deref().map(Into::into),
        hostname: spec.hostname.as_deref().map(precise_host).transpose()?,
        port: spec.port.filter(|port| *port != 0),
        path: spec.path.as_ref().map(|path| path_edit(path, matches)).transpose()?,
        status,
    })
}

fn precise_host(text: &str) -> Result<Box<str>, Refusal> {
    match hostname::parse(text)? {
        Hostname::Exact(name) => Ok(name),
        Hostname::Wildcard(_) => Err(Refusal::new("UnsupportedValue", format!("`{text}` must not be a wildcard"))),
    }
}

fn path_edit(spec: &PathModifierSpec, matches: &[MatchSpec]) -> Result<PathEdit, Refusal> {
    let checked = |path: &str| {
        let fits = path.is_empty() || http::uri::PathAndQuery::try_from(path).is_ok_and(|_| path.starts_with('/'));
        fits.then(|| path.into())
            .ok_or_else(|| Refusal::new("UnsupportedValue", format!("`{path}` is not a path that starts with `/`")))
    };
    match spec.type_ {
        PathModifierType::ReplaceFullPath => {
            checked(required(spec.replace_full_path.as_ref(), "replaceFullPath")?).map(PathEdit::Full)
        }
        PathModifierType::ReplacePrefixMatch => {
            let prefix = required(spec.replace_prefix_match.as_ref(), "replacePrefixMatch")?;
            let is_prefix = |spec: &MatchSpec| {
                let type_ = spec.path.as_ref().and_then(|path| path.type_).unwrap_or_default();
                type_ == PathMatchType::PathPrefix
            };
            if !matches.iter().all(is_prefix) {
                return Err(Refusal::new("UnsupportedValue", "replacePrefixMatch needs PathPrefix matches"));
            }
            checked(prefix).map(PathEdit::Prefix)
        }
    }
}
