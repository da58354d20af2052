//! The certificate authority of a run.
//!
//! Owns a throw-away CA and the server configurations it signs. Refuses client authentication and HTTP/2.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

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
        let key = KeyPair::generate().expect(KEY_INVARIANT);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "windtunnel run CA");
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

    /// A server for these DNS names and IP addresses, speaking HTTP/1.1.
    ///
    /// # Panics
    /// When a name is neither a DNS name nor an IP address.
    pub fn server_config(&self, names: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect(KEY_INVARIANT);
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let params = CertificateParams::new(names).expect("each name is a DNS name or an IP address");
        let leaf = params.signed_by(&key, &self.issuer).expect(KEY_INVARIANT);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone(), self.certificate.clone()], key)
            .expect("the key belongs to the certificate");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}
