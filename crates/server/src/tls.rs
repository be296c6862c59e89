//! The installation's certificate, for listeners that speak TLS themselves.

use std::sync::Arc;

use dothi_kernel::Error;
use dothi_lake::TlsAcceptor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Settings;

/// What speaks TLS with the configured certificate (`DOTHI_TLS_CERT`, `DOTHI_TLS_KEY`: PEM files); none when there is none.
pub fn acceptor(settings: &Settings) -> dothi_kernel::Result<Option<TlsAcceptor>> {
    let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
    let faulty =
        |what: &'static str, e: String| Error::invalid("settings.tls", "The certificate or its key cannot be used.").with("what", what).with("reason", e);
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(cert).and_then(|certs| certs.collect::<Result<Vec<_>, _>>()).map_err(|e| faulty("DOTHI_TLS_CERT", e.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| faulty("DOTHI_TLS_KEY", e.to_string()))?;
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(|e| faulty("DOTHI_TLS_CERT", e.to_string()))?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
