//! What the environment says about traces: OpenTelemetry's own variables (`OTEL_*`), read once and strictly.
//! A policy's `frontend.tracing` comes first; what is said here holds where there is none. Does not read other signals.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use crate::snapshot::{self, Endpoint, UpstreamTls};
use crate::span::dialect::{self, Dialect};
use crate::tracing::{Chance, Collector, GRPC_PATH, HTTP_PATH, Protocol, Sampling, Tracing};

/// How long a collector may take to answer, unless something else is said.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// What a gateway says of itself, by name.
pub type Said = Vec<(Box<str>, Box<str>)>;

/// What holds for all traces of a gateway.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Tracing of listeners that have none of their own.
    pub tracing: Option<Arc<Tracing>>,
    /// What the gateway says of itself; `service.name` only where the environment has one.
    pub resource: Said,
    /// What attributes are called.
    pub dialect: &'static Dialect,
}

impl Default for Environment {
    fn default() -> Self {
        Self { tracing: None, resource: Vec::new(), dialect: &dialect::TODAY }
    }
}

/// A variable whose value cannot be used. The value itself may be a secret, and is shown only where it cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}: {why}")]
pub struct BadVariable {
    /// Which.
    pub name: &'static str,
    /// What is wrong, and what to write instead.
    pub why: String,
}

impl Environment {
    /// Reads the variables; `get` gives the value of one that is set.
    ///
    /// # Errors
    /// At the first variable that cannot be used.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        let get = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let opt_in = get("OTEL_SEMCONV_STABILITY_OPT_IN").unwrap_or_default();
        let resource = resource(&get)?;
        Ok(Self { tracing: tracing(&get)?, resource, dialect: Dialect::of(&opt_in) })
    }
}

/// The first variable of these that is set.
fn first(get: &impl Fn(&str) -> Option<String>, names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, get(name)?)))
}

fn boolean(get: &impl Fn(&str) -> Option<String>, name: &'static str) -> Result<bool, BadVariable> {
    match get(name).map(|value| value.to_ascii_lowercase()).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(BadVariable { name, why: format!("{other:?} is neither true nor false") }),
    }
}

fn resource(get: &impl Fn(&str) -> Option<String>) -> Result<Said, BadVariable> {
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    let mut all: Said = Vec::new();
    for (key, value) in pairs(name, &get(name).unwrap_or_default())? {
        all.retain(|(other, _)| **other != *key);
        all.push((key.into(), value.into()));
    }
    if let Some(service) = get("OTEL_SERVICE_NAME") {
        all.retain(|(key, _)| &**key != "service.name");
        all.push(("service.name".into(), service.into()));
    }
    Ok(all)
}

/// `key=value,key=value`, values percent-encoded. Values are not told: they may be secrets.
fn pairs(name: &'static str, text: &str) -> Result<Vec<(String, String)>, BadVariable> {
    let wrong = |at: usize, what: &str| {
        let why = format!("entry {at} {what}: write KEY=VALUE,KEY=VALUE, with `,` and `=` in a value as %2C and %3D");
        BadVariable { name, why }
    };
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).enumerate();
    let read = entries.map(|(at, entry)| {
        let (key, value) = entry.split_once('=').ok_or_else(|| wrong(at + 1, "has no `=`"))?;
        let value = decoded(value.trim()).ok_or_else(|| wrong(at + 1, "has a broken percent-encoding"))?;
        if key.trim().is_empty() { Err(wrong(at + 1, "has no key")) } else { Ok((key.trim().to_owned(), value)) }
    });
    read.collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn tracing(get: &impl Fn(&str) -> Option<String>) -> Result<Option<Arc<Tracing>>, BadVariable> {
    let off = boolean(get, "OTEL_SDK_DISABLED")?;
    let exporter = get("OTEL_TRACES_EXPORTER");
    let endpoint = first(get, ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]);
    let asked = match exporter.as_deref() {
        None => endpoint.is_some(),
        Some("none") => false,
        Some("otlp") => true,
        Some(other) => {
            let why = format!("{other:?} is not supported: write otlp or none");
            return Err(BadVariable { name: "OTEL_TRACES_EXPORTER", why });
        }
    };
    // what is said is checked also where it is switched off
    let collector = collector(get, endpoint)?;
    let sampling = sampling(get)?;
    let content = boolean(get, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT")?;
    let tracing = Tracing {
        collector: Arc::new(collector),
        sampling,
        filter: None,
        add: Vec::new(),
        remove: Vec::new(),
        content,
    };
    Ok((asked && !off).then(|| Arc::new(tracing)))
}

fn collector(
    get: &impl Fn(&str) -> Option<String>,
    endpoint: Option<(&'static str, String)>,
) -> Result<Collector, BadVariable> {
    let protocol = first(get, ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]);
    let protocol = match protocol.as_ref().map(|(name, value)| (*name, value.as_str())) {
        None | Some((_, "grpc")) => Protocol::Grpc,
        Some((_, "http/protobuf")) => Protocol::Http,
        Some((name, other)) => {
            let why = format!("{other:?} is not supported: write grpc or http/protobuf");
            return Err(BadVariable { name, why });
        }
    };
    if let Some((name, value)) = first(get, ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"])
        && value != "none"
    {
        return Err(BadVariable { name, why: format!("{value:?} is not supported: write none") });
    }
    let own_path = endpoint.as_ref().is_some_and(|(name, _)| *name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    let default = if protocol == Protocol::Grpc { "http://localhost:4317" } else { "http://localhost:4318" };
    let (name, url) = endpoint.unwrap_or(("OTEL_EXPORTER_OTLP_ENDPOINT", default.to_owned()));
    let (endpoint, path) = locate(&url, protocol).map_err(|why| BadVariable { name, why })?;
    let path = match protocol {
        Protocol::Grpc => GRPC_PATH.into(),
        Protocol::Http if own_path => path.into(),
        Protocol::Http => format!("{}{HTTP_PATH}", path.trim_end_matches('/')).into(),
    };
    let headers = first(get, ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"]);
    let headers = headers.map_or(Ok(Vec::new()), |(name, text)| read_headers(name, &text))?;
    let timeout = first(get, ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]);
    let timeout = timeout.map_or(Ok(TIMEOUT), |(name, text)| {
        let millis = text.parse().ok().filter(|millis| (1..=600_000).contains(millis));
        let why = || format!("{text:?} is not a number of milliseconds from 1 to 600000");
        millis.map(Duration::from_millis).ok_or_else(|| BadVariable { name, why: why() })
    })?;
    Ok(Collector { endpoint, protocol, path, headers, timeout, resource: Vec::new() })
}

/// A collector's URL → where it is, and the path.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn locate(url: &str, protocol: Protocol) -> Result<(Endpoint, String), String> {
    let wrong = |what: &str| format!("the URL {what}: write one as in http://collector:4317");
    let uri: Uri = url.parse().map_err(|_| wrong("cannot be read"))?;
    let tls = match uri.scheme_str() {
        Some("http") => None,
        Some("https") => Some(UpstreamTls::default()),
        _ => return Err(wrong("does not begin with http:// or https://")),
    };
    let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("has a user in it, which is not supported"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').into();
    let port = match (authority.port(), &tls) {
        (Some(port), _) => port.as_str().parse().ok().filter(|port| *port > 0),
        (None, None) => Some(80),
        (None, Some(_)) => Some(443),
    };
    let port = port.ok_or_else(|| wrong("has no usable port"))?;
    let spoken = match protocol {
        Protocol::Grpc => snapshot::Protocol::Http2,
        Protocol::Http => snapshot::Protocol::Http1,
    };
    let endpoint = Endpoint { tls, protocol: spoken, ..Endpoint::new(host, port) };
    Ok((endpoint, uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()))
}

fn read_headers(name: &'static str, text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, BadVariable> {
    let read = pairs(name, text)?.into_iter().enumerate().map(|(at, (key, value))| {
        let why = |what: &str| BadVariable { name, why: format!("entry {}: {what}", at + 1) };
        let key = HeaderName::try_from(key).map_err(|_| why("the key is not the name of a header"))?;
        let mut value = HeaderValue::try_from(value).map_err(|_| why("the value cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok((key, value))
    });
    read.collect()
}

fn sampling(get: &impl Fn(&str) -> Option<String>) -> Result<Sampling, BadVariable> {
    let (name, argument) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
    let given = get(argument);
    let ratio = || match given.as_deref().map(str::parse::<f64>) {
        None => Ok(1.0),
        Some(Ok(ratio)) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        Some(_) => Err(BadVariable { name: argument, why: "not a number from 0 to 1".to_owned() }),
    };
    let sampler = get(name).map_or(Cow::Borrowed("parentbased_always_on"), Cow::Owned);
    let (share, heed_flag) = match &*sampler {
        "always_on" => (1.0, false),
        "always_off" => (0.0, false),
        "traceidratio" => (ratio()?, false),
        "parentbased_always_on" => (1.0, true),
        "parentbased_always_off" => (0.0, true),
        "parentbased_traceidratio" => (ratio()?, true),
        other => {
            let known = "always_on, always_off, traceidratio, or one of these with parentbased_ before it";
            return Err(BadVariable { name, why: format!("{other:?} is not supported: write {known}") });
        }
    };
    let client = if heed_flag { 1.0 } else { share };
    Ok(Sampling { root: Some(Chance::share(share)), client: Chance::share(client), heed_flag })
}
