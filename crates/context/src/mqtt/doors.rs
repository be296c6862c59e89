//! Where connections come from: TCP, TLS, WebSocket. Behind the doors they are all the same.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dothi_kernel::{Error, Result};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Broker, add, link};
use crate::devices::PeerCertificate;

/// Who is at the other end of a connection, as far as the network tells.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub address: IpAddr,
    /// The certificate whose key the client holds.
    pub certificate: Option<PeerCertificate>,
}

/// What speaks TLS with devices. A client's certificate is asked for and may be left out; one that is shown must belong
/// to a key that the client holds, and is handed to the registry of devices.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    authorities: Option<Arc<dyn ClientCertVerifier>>,
}

impl Tls {
    /// With the server's certificate chain and key; `authorities` vouch for certificates of devices.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>, authorities: Vec<CertificateDer<'static>>) -> Result<Self> {
        let faulty = |what: &'static str, e: String| Error::invalid("settings.tls", "A certificate cannot be used.").with("what", what).with("reason", e);
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|e| faulty("authorities", e.to_string()))?;
        }
        let authorities = match roots.is_empty() {
            true => None,
            false => Some(WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(|e| faulty("authorities", e.to_string()))?),
        };
        let provider = rustls::crypto::CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
        let any = Arc::new(AnyKey(provider.signature_verification_algorithms));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| faulty("protocol", e.to_string()))?
            .with_client_cert_verifier(any)
            .with_single_cert(chain, key)
            .map_err(|e| faulty("certificate", e.to_string()))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), authorities })
    }

    async fn welcome(&self, stream: TcpStream) -> io::Result<(tokio_rustls::server::TlsStream<TcpStream>, Option<PeerCertificate>)> {
        let stream = self.acceptor.accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::split_first).map(|(own, between)| {
            let vouched = self.authorities.as_ref().is_some_and(|a| a.verify_client_cert(own, between, UnixTime::now()).is_ok());
            PeerCertificate::read(own, vouched)
        });
        Ok((stream, shown.transpose().map_err(io::Error::other)?))
    }
}

/// Takes any certificate whose key the client holds. What it is worth is decided afterwards: the registry may know it by
/// its fingerprint, whoever issued it.
#[derive(Debug)]
struct AnyKey(rustls::crypto::WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyKey {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(&self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: UnixTime) -> std::result::Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

impl Broker {
    /// Takes connections until `shutdown`; with `tls` they speak TLS.
    pub async fn listen(self: Arc<Self>, listener: TcpListener, tls: Option<Tls>, shutdown: CancellationToken) {
        loop {
            let connection = tokio::select! {
                () = shutdown.cancelled() => return,
                connection = listener.accept() => connection,
            };
            let (stream, peer) = match connection {
                Ok(connection) => connection,
                Err(e) => {
                    // Out of file descriptors, most likely: others must go before more can come.
                    tracing::warn!(error = %e, "accepting an MQTT connection failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            if !self.has_place() {
                continue;
            }
            if let Err(e) = stream.set_nodelay(true) {
                tracing::debug!(error = %e, "setting TCP_NODELAY failed");
            }
            let (broker, tls, shutdown) = (self.clone(), tls.clone(), shutdown.clone());
            let address = peer.ip();
            self.clone().admit(async move {
                let Some(tls) = tls else { return link::serve(broker, stream, Peer { address, certificate: None }, shutdown).await };
                match tokio::time::timeout(broker.options.limits.hello, tls.welcome(stream)).await {
                    Ok(Ok((stream, certificate))) => link::serve(broker, stream, Peer { address, certificate }, shutdown).await,
                    Ok(Err(error)) => {
                        tracing::debug!(%address, %error, "a TLS handshake failed");
                        add(&broker.options.stats.turned_away, 1);
                    }
                    Err(_) => add(&broker.options.stats.turned_away, 1),
                }
            });
        }
    }

    /// Whether one more connection may come; counts it as turned away when not.
    fn has_place(&self) -> bool {
        let stats = &self.options.stats;
        let place = stats.connections.load(Ordering::Relaxed) < self.options.limits.connections as u64;
        if !place {
            add(&stats.turned_away, 1);
        }
        place
    }

    /// Serves a connection beside the others.
    fn admit(self: Arc<Self>, serving: impl Future<Output = ()> + Send + 'static) {
        add(&self.options.stats.accepted, 1);
        add(&self.options.stats.connections, 1);
        let broker = self.clone();
        self.links.spawn(async move {
            serving.await;
            broker.options.stats.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Bytes that a packet may have.
    pub(crate) fn packet_limit(&self) -> usize {
        self.options.limits.packet as usize
    }
}

/// Serves a connection that came over a WebSocket; false when there are too many. `stream` carries the binary messages.
pub fn serve_web<S>(broker: &Arc<Broker>, stream: S, address: IpAddr, shutdown: CancellationToken) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let place = broker.has_place();
    if place {
        let serving = link::serve(broker.clone(), stream, Peer { address, certificate: None }, shutdown);
        broker.clone().admit(serving);
    }
    place
}
