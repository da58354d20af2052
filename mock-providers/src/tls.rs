//! The certificate authority of a run.
//!
//! Owns a throw-away CA and the server configurations it signs, good and faulty; each offers HTTP/2 and HTTP/1.1 (ALPN).
//! Refuses client authentication.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::script::Certificate;

/// What a certificate for the wrong host is for.
const OTHER_HOST: &str = "another-host.invalid";
/// HTTP/2 by its ALPN name.
const H2: &[u8] = b"h2";
const KEY_INVARIANT: &str = "ring always makes and signs with an ECDSA key";

/// A certificate authority that lives as long as the run.
pub struct RunCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl std::fmt::Debug for RunCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunCa")
    }
}

impl Default for RunCa {
    fn default() -> Self {
        Self::new()
    }
}

impl RunCa {
    /// A fresh authority.
    pub fn new() -> Self {
        Self::named("windtunnel run CA")
    }

    fn named(name: &str) -> Self {
        let key = KeyPair::generate().expect(KEY_INVARIANT);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect(KEY_INVARIANT);
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), certificate: der, pem }
    }

    /// What clients must trust.
    pub fn ca_pem(&self) -> String {
        self.pem.clone()
    }

    /// What clients must trust, as DER.
    pub fn ca_der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// A server for these DNS names and IP addresses, speaking HTTP/2 or HTTP/1.1.
    ///
    /// # Panics
    /// When a name is neither a DNS name nor an IP address.
    pub fn server_config(&self, names: &[&str]) -> Arc<ServerConfig> {
        self.faulty_config(Certificate::Valid, names)
    }

    /// The same with a certificate of this kind: a client that checks certificates refuses all but the valid one.
    ///
    /// # Panics
    /// When a name is neither a DNS name nor an IP address.
    pub fn faulty_config(&self, kind: Certificate, names: &[&str]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let certified = self.certified(kind, names, &provider).expect("each name is a DNS name or an IP address");
        config(provider, Arc::new(Fixed(Arc::new(certified))))
    }

    /// A server for whatever DNS name a client asks for (SNI), else for `localhost` and `127.0.0.1`: a stand-in
    /// for any provider, for clients that trust this authority.
    pub fn server_config_for_any_name(self: &Arc<Self>) -> Arc<ServerConfig> {
        self.faulty_config_for_any_name(Certificate::Valid)
    }

    /// The same with a certificate of this kind.
    pub fn faulty_config_for_any_name(self: &Arc<Self>, kind: Certificate) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let any = AnyName { ca: self.clone(), kind, provider: provider.clone(), known: Mutex::default() };
        config(provider, Arc::new(any))
    }

    /// A certificate of this kind for the names, none when one of them is no name.
    fn certified(&self, kind: Certificate, names: Vec<String>, provider: &CryptoProvider) -> Option<CertifiedKey> {
        let names = if kind == Certificate::WrongHost { vec![OTHER_HOST.to_owned()] } else { names };
        let mut params = CertificateParams::new(names).ok()?;
        Some(match kind {
            Certificate::Valid | Certificate::WrongHost => self.certify(params, provider),
            Certificate::Expired => {
                (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
                self.certify(params, provider)
            }
            Certificate::SelfSigned => self_signed(&params, provider),
            Certificate::UnknownCa => Self::named("windtunnel untrusted CA").certify(params, provider),
        })
    }

    fn certify(&self, params: CertificateParams, provider: &CryptoProvider) -> CertifiedKey {
        let key = KeyPair::generate().expect(KEY_INVARIANT);
        let leaf = params.signed_by(&key, &self.issuer).expect(KEY_INVARIANT);
        certified(vec![leaf.der().clone(), self.certificate.clone()], &key, provider)
    }
}

fn self_signed(params: &CertificateParams, provider: &CryptoProvider) -> CertifiedKey {
    let key = KeyPair::generate().expect(KEY_INVARIANT);
    let leaf = params.self_signed(&key).expect(KEY_INVARIANT);
    certified(vec![leaf.der().clone()], &key, provider)
}

fn certified(chain: Vec<CertificateDer<'static>>, key: &KeyPair, provider: &CryptoProvider) -> CertifiedKey {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    CertifiedKey::new(chain, provider.key_provider.load_private_key(key).expect(KEY_INVARIANT))
}

fn config(provider: Arc<CryptoProvider>, certificates: Arc<dyn ResolvesServerCert>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The same server without HTTP/2.
pub fn without_http2(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols.retain(|protocol| protocol != H2);
    Arc::new(config)
}

#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Signs for a name when it is first asked for.
#[derive(Debug)]
struct AnyName {
    ca: Arc<RunCa>,
    kind: Certificate,
    provider: Arc<CryptoProvider>,
    known: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl ResolvesServerCert for AnyName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certified) = known.get(name) {
            return Some(certified.clone());
        }
        let names = if name.is_empty() { vec!["localhost", "127.0.0.1"] } else { vec![name] };
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let certified = Arc::new(self.ca.certified(self.kind, names, &self.provider)?);
        known.insert(name.to_owned(), certified.clone());
        Some(certified)
    }
}
