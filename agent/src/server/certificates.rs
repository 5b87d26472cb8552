//! TLS from credentials: `server.crt` and `server.key`, and `client-ca.crt` if clients must have certificates.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What is made of the credentials.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) asks_for_certificates: bool,
}

/// Reads the credentials; `None` without `server.crt`.
pub(super) fn load(folder: Option<&Path>) -> Result<Option<Tls>, String> {
    let Some(folder) = folder.filter(|folder| folder.join("server.crt").exists()) else {
        return Ok(None);
    };
    let chain = certificates(&folder.join("server.crt"))?;
    let key_path = folder.join("server.key");
    let key = PrivateKeyDer::from_pem_file(&key_path).map_err(|error| format!("`{}`: {error}", key_path.display()))?;
    let authority = folder.join("client-ca.crt");
    let asks_for_certificates = authority.exists();
    let builder = ServerConfig::builder();
    let builder = if asks_for_certificates {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&authority)? {
            roots
                .add(certificate)
                .map_err(|error| format!("`{}`: {error}", authority.display()))?;
        }
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .map_err(|error| format!("`{}`: {error}", authority.display()))?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("`server.crt` and `server.key`: {error}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Tls {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        asks_for_certificates,
    }))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match read {
        Ok(read) if !read.is_empty() => Ok(read),
        Ok(_) => Err(format!("`{}` holds no certificate", path.display())),
        Err(error) => Err(format!("`{}`: {error}", path.display())),
    }
}

/// The common name of a certificate that was verified.
pub(super) fn common_name(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}
