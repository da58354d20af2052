//! A request of a scenario, turned into exact bytes, or into the fields of HTTP/2.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;

use crate::client::http2::{Fields, Slot, Via};
use crate::client::{Call, Leave, Pace};
use crate::scenario::Request;
use crate::seam::NONCE;
use crate::vars::Vars;
use crate::world::WorldError;

/// How long a client waits when a scenario does not say.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// The fields that an HTTP/2 request begins with.
const PSEUDO: [&str; 4] = [":method", ":scheme", ":path", ":authority"];

/// Builds one call; an empty path is the `declared` one; `${nonce}` and `${i}` are already in `vars`.
pub fn build(
    request: &Request,
    address: SocketAddr,
    declared: &str,
    nonce: &str,
    vars: &Vars,
) -> Result<Call, WorldError> {
    let body = body(request, vars)?;
    let mut via = None;
    let (method, wire) = match (&request.raw, &request.raw_base64) {
        (Some(raw), _) => raw_bytes(&vars.text(raw)),
        (_, Some(raw)) => {
            let wire = base64("raw_base64", raw)?;
            let method = wire.split(|byte| *byte == b' ').next().map(String::from_utf8_lossy).unwrap_or_default();
            // The nonce is put in as text, where the bytes are text.
            (method.into_owned(), replaced(&wire, b"${nonce}", nonce.as_bytes()))
        }
        _ => {
            let written = Written::new(request, address, declared, nonce, vars, &body)?;
            let fields = request.http2.then(|| written.fields());
            let wire = written.bytes(fields.as_ref(), request.chunked, &body);
            via = fields.map(|fields| Via { fields, slot: Slot::default() });
            (written.method.to_owned(), wire)
        }
    };
    let leave = match request.close_after {
        Some(close) => match (close.events, close.bytes) {
            (Some(events), _) => Leave::AfterEvents(events),
            (_, Some(bytes)) => Leave::AfterBytes(bytes),
            // The runner replaces this by a signal.
            _ => Leave::AtEnd,
        },
        None => Leave::AtEnd,
    };
    Ok(Call {
        address,
        method,
        wire: Bytes::from(wire),
        body: Bytes::from(body),
        nonce: nonce.to_owned(),
        leave,
        pace: Pace {
            write: request.write.map(|write| (write.bytes, write.gap.0)),
            read: request.read.map(|read| (read.after_bytes, read.pause.0)),
            hold: request.hold,
        },
        deadline: request.deadline.unwrap_or(DEADLINE),
        http2: via,
    })
}

fn body(request: &Request, vars: &Vars) -> Result<Vec<u8>, WorldError> {
    if let Some(json) = &request.json {
        return Ok(vars.value(json).to_string().into_bytes());
    }
    if let Some(text) = &request.body_base64 {
        return base64("body_base64", text);
    }
    Ok(request.body.as_ref().map(|text| vars.text(text).into_bytes()).unwrap_or_default())
}

fn base64(key: &str, text: &str) -> Result<Vec<u8>, WorldError> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(text.split_whitespace().collect::<String>());
    decoded.map_err(|error| WorldError::Scenario(format!("`{key}` is not base64: {error}")))
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match bytes.windows(from.len()).position(|window| window == from) {
        Some(at) => [&bytes[..at], to, &replaced(&bytes[at + from.len()..], from, to)].concat(),
        None => bytes.to_vec(),
    }
}

/// A request before it is clear how it goes on the wire.
struct Written {
    method: &'static str,
    path: String,
    host: String,
    headers: Vec<(String, String)>,
}

impl Written {
    fn new(
        request: &Request,
        address: SocketAddr,
        declared: &str,
        nonce: &str,
        vars: &Vars,
        body: &[u8],
    ) -> Result<Written, WorldError> {
        let (method, path) =
            request.target().ok_or_else(|| WorldError::Scenario("a request has exactly one method".to_owned()))?;
        let path = vars.text(if path.is_empty() { declared } else { path });
        let host = request.host.as_ref().map_or_else(|| address.to_string(), |host| vars.text(host));
        let given = |name: &str| request.headers.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut headers = Vec::new();
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        if !given("host") && !request.http2 {
            add("host", &host);
        }
        for (name, values) in &request.headers.0 {
            values.0.iter().for_each(|value| add(name, &vars.text(value)));
        }
        if request.json.is_some() && !given("content-type") {
            add("content-type", "application/json");
        }
        if !given(NONCE) {
            add(NONCE, nonce);
        }
        let bodied = !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH");
        if request.chunked.is_some() {
            add("transfer-encoding", "chunked");
        } else if bodied && !given("content-length") && !given("transfer-encoding") {
            add("content-length", &body.len().to_string());
        }
        Ok(Written { method, path, host, headers })
    }

    /// For HTTP/2: those with a colon come first, in the place of what they are instead of.
    fn fields(&self) -> Fields {
        let usual = [self.method, "http", &self.path, &self.host];
        let mut first = Fields::new();
        for (name, value) in PSEUDO.into_iter().zip(usual) {
            let before = first.len();
            first.extend(self.headers.iter().filter(|(given, _)| given == name).cloned());
            if first.len() == before {
                first.push((name.to_owned(), value.to_owned()));
            }
        }
        first.extend(self.headers.iter().filter(|(name, _)| !PSEUDO.contains(&name.as_str())).cloned());
        first.sort_by_key(|(name, _)| !name.starts_with(':'));
        first
    }

    /// On the wire; for HTTP/2 what a reader of evidence understands.
    fn bytes(&self, fields: Option<&Fields>, chunked: Option<usize>, body: &[u8]) -> Vec<u8> {
        let version = if fields.is_some() { "HTTP/2" } else { "HTTP/1.1" };
        let mut head = format!("{} {} {version}\r\n", self.method, self.path);
        for (name, value) in fields.unwrap_or(&self.headers) {
            match fields {
                Some(_) => head.push_str(&format!("{}: {}\r\n", name.escape_debug(), value.escape_debug())),
                None => head.push_str(&format!("{name}: {value}\r\n")),
            }
        }
        head.push_str("\r\n");
        let framed = chunked.map_or_else(|| body.to_vec(), |size| chunks(body, size));
        [head.into_bytes(), framed].concat()
    }
}

fn chunks(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size.max(1)) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// The head's line ends become CRLF, a missing blank line is added, the rest stays as it is.
fn raw_bytes(text: &str) -> (String, Vec<u8>) {
    let text = text.trim_start_matches('\n');
    let blank = [("\r\n\r\n", 4), ("\n\n", 2)].into_iter().filter_map(|(end, len)| Some((text.find(end)?, len))).min();
    let (head, body) = match blank {
        Some((at, length)) => (&text[..at], &text[at + length..]),
        None => (text.trim_end_matches('\n'), ""),
    };
    let head = head.replace("\r\n", "\n").replace('\n', "\r\n");
    let method = head.split(' ').next().unwrap_or_default().to_owned();
    (method, [head.as_bytes(), b"\r\n\r\n", body.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(yaml: &str) -> String {
        let request: Request = serde_saphyr::from_str(yaml).expect("a request");
        let address = "127.0.0.1:80".parse().expect("an address");
        let call = build(&request, address, "", "n1", &Vars::default()).expect("a call");
        String::from_utf8(call.wire.to_vec()).expect("text")
    }

    #[test]
    fn headers_are_written_in_order_and_completed() {
        let text = wire("{post: /v1?a=b, headers: {x-twice: [1, two], x: why}, json: {b: 1, a: [true]}}");
        let expected = "POST /v1?a=b HTTP/1.1\r\nhost: 127.0.0.1:80\r\nx-twice: 1\r\nx-twice: two\r\nx: why\r\n\
                        content-type: application/json\r\nx-windtunnel-nonce: n1\r\ncontent-length: 18\r\n\r\n{\"b\":1,\"a\":[true]}";
        assert_eq!(text, expected);
    }

    #[test]
    fn fields_of_http2_are_written_as_they_are_and_completed() {
        let yaml = "{post: /v1, http2: true, host: h, headers: {X-A: \"b\\r\\nc\", ':path': [/a, '/b c']}, body: hi}";
        let request: Request = serde_saphyr::from_str(yaml).expect("a request");
        let address = "127.0.0.1:80".parse().expect("an address");
        let call = build(&request, address, "", "n1", &Vars::default()).expect("a call");
        let fields = call.http2.expect("HTTP/2").fields;
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let path = [(":path", "/a"), (":path", "/b c"), (":authority", "h"), ("X-A", "b\r\nc")];
        let rest = [("x-windtunnel-nonce", "n1"), ("content-length", "2")];
        assert_eq!(fields, [&[(":method", "POST"), (":scheme", "http")][..], &path, &rest].concat());
        assert!(String::from_utf8_lossy(&call.wire).contains("\r\nX-A: b\\r\\nc\r\n"), "{:?}", call.wire);
    }

    #[test]
    fn raw_bytes_keep_their_body() {
        assert_eq!(wire("raw: \"GET / HTTP/1.1\\nhost: x\\n\""), "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        assert_eq!(wire("raw: \"POST / HTTP/1.1\\na: b\\n\\nx\\ny\""), "POST / HTTP/1.1\r\na: b\r\n\r\nx\ny");
    }

    #[test]
    fn raw_bytes_in_base64_stay_as_they_are_but_for_the_nonce() {
        let text = base64::engine::general_purpose::STANDARD.encode("GET / HTTP/1.1\nx: ${nonce}\n\n");
        assert_eq!(wire(&format!("raw_base64: {text}")), "GET / HTTP/1.1\nx: n1\n\n");
    }

    #[test]
    fn bodies_can_be_chunked() {
        assert!(
            wire("{post: /, body: abcde, chunked: 2}").ends_with("\r\n\r\n2\r\nab\r\n2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n")
        );
    }
}
