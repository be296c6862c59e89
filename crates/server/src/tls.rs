//! The installation's certificate, for listeners that speak TLS themselves.

use std::path::Path;
use std::sync::Arc;

use dothi_kernel::Error;
use dothi_lake::TlsAcceptor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Settings;

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn faulty(what: &'static str, e: impl ToString) -> Error {
    Error::invalid("settings.tls", "The certificate or its key cannot be used.").with("what", what).with("reason", e.to_string())
}

fn certificates(what: &'static str, file: &Path) -> dothi_kernel::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|e| faulty(what, e))
}

/// The certificate chain and key (`DOTHI_TLS_CERT`, `DOTHI_TLS_KEY`: PEM files); none when there are none.
fn identity(settings: &Settings) -> dothi_kernel::Result<Option<Identity>> {
    let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else { return Ok(None) };
    let chain = certificates("DOTHI_TLS_CERT", cert)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|e| faulty("DOTHI_TLS_KEY", e))?;
    Ok(Some((chain, key)))
}

/// What speaks TLS with the configured certificate; none when there is none.
pub fn acceptor(settings: &Settings) -> dothi_kernel::Result<Option<TlsAcceptor>> {
    let Some((chain, key)) = identity(settings)? else { return Ok(None) };
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(|e| faulty("DOTHI_TLS_CERT", e))?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// The same for browsers: HTTP/1.1.
pub fn https(settings: &Settings) -> dothi_kernel::Result<Option<TlsAcceptor>> {
    let Some((chain, key)) = identity(settings)? else { return Ok(None) };
    let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(|e| faulty("DOTHI_TLS_CERT", e))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// The same for devices, whose certificates may be vouched for by the authorities of `DOTHI_MQTT_CLIENT_CA`.
pub fn mqtt(settings: &Settings) -> dothi_kernel::Result<Option<dothi_context::mqtt::Tls>> {
    let Some((chain, key)) = identity(settings)? else { return Ok(None) };
    let authorities = settings.mqtt_client_ca.as_deref().map_or(Ok(Vec::new()), |file| certificates("DOTHI_MQTT_CLIENT_CA", file))?;
    dothi_context::mqtt::Tls::new(chain, key, authorities).map(Some)
}
