//! HTTPRoute filters → [`Filters`]. Filters that exist and are not implemented are refused, never skipped; so are
//! those that exclude each other.

use std::collections::HashSet;

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use super::{Refusal, cors, hostname, matcher};
use crate::config::resources::route::{
    BackendObject, FilterSpec, FilterType, HeaderModifierSpec, HeaderSpec, MatchSpec, MirrorSpec, PathMatchType,
    PathModifierSpec, PathModifierType, RedirectSpec, RewriteSpec,
};
use crate::headers::is_credential;
use crate::mirror::{Mirror, Share};
use crate::snapshot::{Filters, HeaderEdit, Hostname, PathEdit, Redirect, Target, UrlRewrite};

/// Compiles the filters of a rule or of one of its backendRefs. `resolve` finds the targets of a mirror; one that has
/// none is left out, and is reported elsewhere.
pub(super) fn compile(
    specs: &[FilterSpec],
    matches: &[MatchSpec],
    mut resolve: impl FnMut(&BackendObject) -> Option<Vec<Target>>,
) -> Result<Filters, Refusal> {
    let mut filters = Filters::default();
    for spec in specs {
        check_fields(spec)?;
        match spec.type_ {
            FilterType::RequestHeaderModifier => {
                let modifier = required(spec.request_header_modifier.as_ref(), "requestHeaderModifier")?;
                merge(&mut filters.request_headers, modifier)?;
            }
            FilterType::ResponseHeaderModifier => {
                let modifier = required(spec.response_header_modifier.as_ref(), "responseHeaderModifier")?;
                merge(&mut filters.response_headers, modifier)?;
            }
            FilterType::RequestRedirect => {
                let redirect = redirect(required(spec.request_redirect.as_ref(), "requestRedirect")?, matches)?;
                set_once(&mut filters.redirect, redirect, "RequestRedirect")?;
            }
            FilterType::UrlRewrite => {
                let rewrite = rewrite(required(spec.url_rewrite.as_ref(), "urlRewrite")?, matches)?;
                set_once(&mut filters.rewrite, rewrite, "URLRewrite")?;
            }
            FilterType::Cors => {
                let cors = cors::compile(required(spec.cors.as_ref(), "cors")?)?;
                set_once(&mut filters.cors, cors, "CORS")?;
            }
            FilterType::RequestMirror => {
                let mirror = required(spec.request_mirror.as_ref(), "requestMirror")?;
                let share = share(mirror)?;
                filters.mirrors.extend(resolve(&mirror.backend_ref).map(|targets| Mirror { targets, share }));
            }
            FilterType::ExternalAuth | FilterType::ExtensionRef => {
                return Err(unsupported(format!("unsupported filter type {:?}", spec.type_)));
            }
        }
    }
    if filters.redirect.is_some() && filters.rewrite.is_some() {
        return Err(Refusal::new("IncompatibleFilters", "RequestRedirect and URLRewrite exclude each other"));
    }
    Ok(filters)
}

/// A filter has the field of its type and no other; that it has its own is seen when it is read.
fn check_fields(spec: &FilterSpec) -> Result<(), Refusal> {
    let fields = [
        spec.request_header_modifier.is_some(),
        spec.response_header_modifier.is_some(),
        spec.request_redirect.is_some(),
        spec.url_rewrite.is_some(),
        spec.request_mirror.is_some(),
        spec.cors.is_some(),
        spec.external_auth.is_some(),
        spec.extension_ref.is_some(),
    ];
    match fields.into_iter().filter(|present| *present).count() {
        0 | 1 => Ok(()),
        _ => Err(unsupported(format!("a filter of type {:?} has fields of another type", spec.type_))),
    }
}

/// All requests, unless a percentage or a fraction is given.
fn share(spec: &MirrorSpec) -> Result<Share, Refusal> {
    let (numerator, denominator) = match (spec.percent, &spec.fraction) {
        (Some(_), Some(_)) => return Err(unsupported("requestMirror.percent and fraction exclude each other")),
        (Some(percent), None) => (percent, 100),
        (None, Some(fraction)) => (fraction.numerator, fraction.denominator.unwrap_or(100)),
        (None, None) => (100, 100),
    };
    let fits = numerator <= denominator && denominator > 0;
    let part = |number: i64| u32::try_from(number).ok().filter(|_| fits);
    match (part(numerator), part(denominator)) {
        (Some(numerator), Some(denominator)) => Ok(Share { numerator, denominator }),
        _ => {
            Err(unsupported(format!("requestMirror: {numerator} of {denominator} is not a share between none and all")))
        }
    }
}

fn unsupported(message: impl Into<String>) -> Refusal {
    Refusal::new("UnsupportedValue", message)
}

fn required<'s, T>(field: Option<&'s T>, name: &str) -> Result<&'s T, Refusal> {
    field.ok_or_else(|| unsupported(format!("the filter's type asks for the field {name}")))
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
        let mut value = HeaderValue::from_str(&spec.value)
            .map_err(|_| unsupported(format!("the value of header `{name}` cannot be sent")))?;
        value.set_sensitive(is_credential(name.as_str()));
        Ok((name, value))
    };
    specs.iter().map(pair).collect()
}

fn twice(name: &HeaderName) -> Refusal {
    unsupported(format!("header `{name}` is named twice in one modifier"))
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
        Ok(name) if framing.contains(&name) => Err(unsupported(format!("header `{name}` belongs to the connection"))),
        Ok(name) => Ok(name),
        Err(_) => Err(unsupported(format!("`{text}` is not a header name"))),
    }
}

fn rewrite(spec: &RewriteSpec, matches: &[MatchSpec]) -> Result<UrlRewrite, Refusal> {
    let hostname = spec.hostname.as_deref().map(precise_host).transpose()?;
    let hostname = hostname.map(|host| HeaderValue::from_str(&host)).transpose();
    Ok(UrlRewrite {
        hostname: hostname.map_err(|_| unsupported("the hostname cannot be sent"))?,
        path: spec.path.as_ref().map(|path| path_edit(path, matches)).transpose()?,
    })
}

fn redirect(spec: &RedirectSpec, matches: &[MatchSpec]) -> Result<Redirect, Refusal> {
    let code = spec.status_code.unwrap_or(302);
    let status = StatusCode::from_u16(code).ok().filter(|_| matches!(code, 301 | 302 | 303 | 307 | 308));
    let status =
        status.ok_or_else(|| unsupported(format!("redirect status {code} is not 301, 302, 303, 307 or 308")))?;
    if let Some(scheme) = spec.scheme.as_deref().filter(|scheme| !matches!(*scheme, "http" | "https")) {
        return Err(unsupported(format!("redirect scheme `{scheme}` is not http or https")));
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
        Hostname::Wildcard(_) => Err(unsupported(format!("`{text}` must not be a wildcard"))),
    }
}

fn path_edit(spec: &PathModifierSpec, matches: &[MatchSpec]) -> Result<PathEdit, Refusal> {
    let checked = |path: &str| {
        let fits = path.is_empty() || matcher::checked_path(path).is_ok();
        fits.then(|| path.into())
            .ok_or_else(|| unsupported(format!("`{path}` is not a normal path that starts with `/`")))
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
                return Err(unsupported("replacePrefixMatch needs PathPrefix matches"));
            }
            checked(prefix).map(PathEdit::Prefix)
        }
    }
}
