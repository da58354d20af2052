//! TLS towards clients: which certificate a client is shown, by the name it asks for.
//! Owns reading and choosing certificates; which listener they belong to is decided when the configuration is compiled.
//! What is read of a private key is wiped; the key itself lives in ring, which neither shows nor wipes it: it is gone
//! from use, not from memory, with the last connection that was set up with it.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use zeroize::Zeroize;

use crate::route;
use crate::snapshot::{Hostname, Listener};

/// What a client may be spoken to in, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Reads a chain and its private key; the reason says what is wrong and never shows any of it.
///
/// # Errors
/// When one of both is not PEM, or they do not belong together.
pub fn read(chain: &str, key: &str) -> Result<Arc<CertifiedKey>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = certificates.ok().filter(|all| !all.is_empty()).ok_or("tls.crt is not a PEM certificate")?;
    let mut der = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| "tls.key is not a PEM private key")?;
    let key = rustls::crypto::ring::sign::any_supported_type(&der);
    der.zeroize();
    let unusable = |error: rustls::Error| format!("tls.crt and tls.key cannot be used: {error}");
    let pair = CertifiedKey::new(chain, key.map_err(unusable)?);
    pair.keys_match().map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "tls.key does not belong to tls.crt".to_owned(),
        error => unusable(error),
    })?;
    pair.end_entity_cert().and_then(ParsedCertificate::try_from).map_err(|error| format!("tls.crt: {error}"))?;
    Ok(Arc::new(pair))
}

/// The server side of a port whose listeners, in order of precedence, have certificates.
///
/// # Errors
/// When rustls refuses the versions of TLS.
pub fn server_config(listeners: &[Listener]) -> Result<Arc<ServerConfig>, rustls::Error> {
    let shelves = listeners.iter().map(|listener| (listener.hostname.clone(), listener.certificates.clone()));
    let certificates = Certificates(shelves.collect());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The certificates of a port's listeners, in the listeners' order.
#[derive(Debug)]
struct Certificates(Vec<(Option<Hostname>, Vec<Arc<CertifiedKey>>)>);

impl Certificates {
    /// The certificates of the listener that a name belongs to; no name belongs to the listener of every host.
    fn of(&self, name: &str) -> &[Arc<CertifiedKey>] {
        let found = self.0.iter().find(|(hostname, _)| route::fits(hostname.as_ref(), name));
        found.map_or(&[], |(_, certificates)| certificates)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let usable = |pair: &&Arc<CertifiedKey>| pair.key.choose_scheme(hello.signature_schemes()).is_some();
        let usable: Vec<_> = self.of(&name).iter().filter(usable).collect();
        let named = usable.iter().find(|pair| is_for(pair, &name));
        named.or(usable.first()).map(|pair| (*pair).clone())
    }
}

/// Whether a certificate is made out to this name.
fn is_for(pair: &CertifiedKey, name: &str) -> bool {
    let certificate = pair.end_entity_cert().and_then(ParsedCertificate::try_from);
    let name = ServerName::try_from(name);
    matches!((certificate, name), (Ok(certificate), Ok(name)) if verify_server_name(&certificate, &name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_is_read_only_with_the_key_that_belongs_to_it() {
        let (chain, key) = pair(&["a.example.com"]);
        let (_, other) = pair(&["a.example.com"]);
        assert!(read(&chain, &key).is_ok());
        let why = |chain: &str, key: &str| read(chain, key).unwrap_err();
        assert_eq!(why(&chain, &other), "tls.key does not belong to tls.crt");
        assert_eq!(why("hello", &key), "tls.crt is not a PEM certificate");
        assert_eq!(why(&chain, "hello"), "tls.key is not a PEM private key");
        let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        assert!(read(broken, &key).is_err());
    }

    #[test]
    fn a_name_finds_the_certificates_of_its_own_listener() {
        let shelf = |hostname: Option<Hostname>, name: &str| {
            let (chain, key) = pair(&[name]);
            (hostname, vec![read(&chain, &key).unwrap()])
        };
        let certificates = Certificates(vec![
            shelf(Some(Hostname::Exact("a.example.com".into())), "a.example.com"),
            shelf(Some(Hostname::Wildcard(".example.com".into())), "*.example.com"),
        ]);
        let shown = |name: &str| certificates.of(name).iter().map(|pair| is_for(pair, name)).collect::<Vec<_>>();
        assert_eq!(shown("a.example.com"), [true]);
        assert_eq!(shown("b.example.com"), [true]);
        assert!(shown("example.org").is_empty() && shown("").is_empty());
    }
}
