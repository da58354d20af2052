//! The provider that is recorded: where it is, and connections to it.
//!
//! Owns its URL, TLS towards it and the rewriting of request heads for it. Refuses to change what a request says.

use std::io;
use std::sync::Arc;

use http::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::RecordError;
use super::events::CODINGS;
use crate::request::Length;

/// Headers that concern one connection only.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// A connection to a provider, plain or encrypted.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A provider to be recorded.
pub struct Upstream {
    authority: String,
    host: String,
    port: u16,
    /// What stands before the path of each request.
    base: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upstream({})", self.url())
    }
}

impl Upstream {
    /// From a URL such as `https://api.openai.com`, whose path stands before that of each request. TLS trusts the
    /// certificates in this PEM text, or else the public authorities.
    ///
    /// # Errors
    /// When it is no such URL, or holds a password or a query; or when there is no certificate in the text.
    pub fn new(url: &str, ca: Option<&[u8]>) -> Result<Self, RecordError> {
        // The URL is not repeated: whatever is wrong with it, there may be a secret in it.
        let bad = |why: &'static str| RecordError::Upstream(why);
        let uri: Uri = url.parse().map_err(|_| bad("it is no URL"))?;
        let authority = uri.authority().ok_or_else(|| bad("it has no host"))?.as_str().to_owned();
        if authority.contains('@') {
            return Err(bad("it has a user or a password in it: clients send their own credentials"));
        }
        if uri.query().is_some() {
            return Err(bad("it has a query: clients send their own"));
        }
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("it begins with neither http:// nor https://")),
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let base = uri.path().trim_end_matches('/').to_owned();
        let tls = match secure {
            true => {
                let name = ServerName::try_from(host.clone()).map_err(|_| bad("its host is no name that TLS knows"))?;
                Some((connector(ca)?, name))
            }
            false => None,
        };
        Ok(Self { authority, host, port, base, tls })
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.base)
    }

    pub(super) async fn connect(&self) -> io::Result<Box<dyn Duplex>> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        Ok(match &self.tls {
            Some((connector, name)) => Box::new(connector.connect(name.clone(), tcp).await?),
            None => Box::new(tcp),
        })
    }

    /// The head of a request as it goes on: every line as it came, but for those about the connection, the host and
    /// codings that could not be undone.
    pub(super) fn head(&self, raw: &[u8], length: Length, body: usize) -> Vec<u8> {
        let mut lines = raw.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut out = Vec::with_capacity(raw.len() + self.base.len() + self.authority.len());
        let request = lines.next().unwrap_or_default();
        let target = memchr::memchr(b' ', request).map_or(0, |at| at + 1);
        out.extend([&request[..target], self.base.as_bytes(), &request[target..], b"\r\n"].concat());
        let lines: Vec<(String, &[u8])> = lines.take_while(|line| !line.is_empty()).map(named).collect();
        let options = lines.iter().filter(|(name, _)| name == "connection").map(|(_, line)| value(line));
        let options = options.collect::<Vec<_>>().join(",").to_ascii_lowercase();
        let dropped = |name: &str| HOP_BY_HOP.contains(&name) || options.split(',').any(|option| option.trim() == name);
        for (name, line) in lines.iter().filter(|(name, _)| !dropped(name)) {
            match name.as_str() {
                "host" => out.extend([b"Host: ", self.authority.as_bytes()].concat()),
                "accept-encoding" => out.extend(narrowed(line)),
                _ => out.extend_from_slice(line),
            }
            out.extend_from_slice(b"\r\n");
        }
        if length == Length::Chunked {
            out.extend(format!("Content-Length: {body}\r\n").into_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

/// A line and its name in lower case.
fn named(line: &[u8]) -> (String, &[u8]) {
    let end = memchr::memchr(b':', line).unwrap_or(line.len());
    (String::from_utf8_lossy(&line[..end]).to_ascii_lowercase(), line)
}

fn value(line: &[u8]) -> String {
    let start = memchr::memchr(b':', line).map_or(line.len(), |at| at + 1);
    String::from_utf8_lossy(&line[start..]).into_owned()
}

/// The same line, if nothing in it asks for a coding that we do not know.
fn narrowed(line: &[u8]) -> Vec<u8> {
    let value = value(line);
    let known = |option: &&str| {
        let coding = option.split(';').next().unwrap_or_default().trim();
        coding.eq_ignore_ascii_case("identity") || CODINGS.iter().any(|(name, _)| name.eq_ignore_ascii_case(coding))
    };
    let kept: Vec<&str> = value.split(',').map(str::trim).filter(known).collect();
    match kept.len() == value.split(',').count() {
        true => line.to_vec(),
        false if kept.is_empty() => b"Accept-Encoding: identity".to_vec(),
        false => format!("Accept-Encoding: {}", kept.join(", ")).into_bytes(),
    }
}

fn connector(ca: Option<&[u8]>) -> Result<TlsConnector, RecordError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| RecordError::Ca)?;
                roots.add(certificate).map_err(|_| RecordError::Ca)?;
            }
            if roots.is_empty() {
                return Err(RecordError::Ca);
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("ring has the usual versions of TLS");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(lines: &str, length: Length) -> String {
        let upstream = Upstream::new("http://api.example:81/base/", None).expect("a URL");
        let raw = format!("POST /v1/x?a=b HTTP/1.1\r\nhost: 127.0.0.1:8092\r\n{lines}\r\n");
        String::from_utf8(upstream.head(raw.as_bytes(), length, 5)).expect("text")
    }

    #[test]
    fn only_what_concerns_the_connection_changes_in_a_head() {
        let lines = "X-Odd:  a  \r\nAuthorization: Bearer k\r\nConnection: keep-alive, X-Hop\r\nx-hop: 1\r\nTE: trailers\r\n\
            Content-Length: 5\r\nAccept-Encoding: gzip, deflate\r\n";
        let head = rewritten(lines, Length::Fixed(5));
        let expected = "POST /base/v1/x?a=b HTTP/1.1\r\nHost: api.example:81\r\nX-Odd:  a  \r\nAuthorization: Bearer k\r\n\
            Content-Length: 5\r\nAccept-Encoding: gzip, deflate\r\n\r\n";
        assert_eq!(head, expected);
    }

    #[test]
    fn a_chunked_body_goes_on_with_its_length_and_codings_that_cannot_be_undone_are_not_asked_for() {
        let head = rewritten("Transfer-Encoding: chunked\r\naccept-encoding: br, gzip;q=0.5, *\r\n", Length::Chunked);
        assert!(head.contains("Content-Length: 5\r\n") && !head.contains("chunked"), "{head}");
        assert!(head.contains("\r\nAccept-Encoding: gzip;q=0.5\r\n"), "{head}");
        assert!(rewritten("accept-encoding: br\r\n", Length::None).contains("Accept-Encoding: identity\r\n"));
    }

    #[test]
    fn a_url_with_a_secret_in_it_is_refused_and_not_repeated() {
        for url in ["http://me:sk-canary@a", "https://a/x?key=sk-canary", "ftp://sk-canary", "sk-canary", "http://"] {
            let error = Upstream::new(url, None).expect_err("refused").to_string();
            assert!(!error.contains("canary") && error.contains("--upstream"), "{error}");
        }
        assert!(matches!(Upstream::new("https://a", Some(b"no PEM")), Err(RecordError::Ca)));
    }
}
