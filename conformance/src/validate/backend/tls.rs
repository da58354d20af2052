//! TLS towards a backend: the public roots, and those that the user adds. Refuses to skip verification.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How the reason begins when TLS is what fails.
pub const TLS: &str = "TLS: ";

/// How a backend's certificate is checked.
#[derive(Clone)]
pub struct Tls {
    config: ClientConfig,
    name: ServerName<'static>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The host is no name that a certificate could have.
    #[error("`{0}` is no name that a certificate could have")]
    Name(String, #[source] InvalidDnsNameError),
    /// The roots cannot be read.
    #[error("the file of --ca holds no certificate that can be read: {0}")]
    Roots(String),
}

impl Tls {
    /// For this host, with more roots as PEM.
    pub fn new(host: &str, more: Option<&[u8]>) -> Result<Tls, TlsError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| TlsError::Name(host.to_owned(), error))?;
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(pem) = more {
            let unread = |error: &dyn std::fmt::Display| TlsError::Roots(error.to_string());
            let before = roots.len();
            for root in CertificateDer::pem_slice_iter(pem) {
                let root = root.map_err(|error| unread(&error))?;
                roots.add(root).map_err(|error| unread(&error))?;
            }
            if roots.len() == before {
                return Err(TlsError::Roots("it has none".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring offers the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Tls { config, name })
    }

    /// The handshake, offering these protocols.
    pub(super) async fn over(&self, stream: TcpStream, alpn: &[&[u8]]) -> Result<TlsStream<TcpStream>, String> {
        let mut config = self.config.clone();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let connected = TlsConnector::from(Arc::new(config)).connect(self.name.clone(), stream).await;
        connected.map_err(|error| format!("{TLS}{error}"))
    }
}
