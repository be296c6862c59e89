//! HTTPS: the same router behind TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use dothi_lake::TlsAcceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::server::TlsStream;

/// Handshakes at a time; more wait to be accepted.
const HANDSHAKES: usize = 256;
/// Time for a handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections whose handshake is done. A slow one holds up no other.
pub struct Secure {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl Secure {
    /// Takes connections from `listener` as long as this lives.
    pub fn over(listener: TcpListener, tls: TlsAcceptor) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (done, ready) = mpsc::channel(HANDSHAKES);
        tokio::spawn(async move {
            let places = Arc::new(Semaphore::new(HANDSHAKES));
            while let Ok(place) = places.clone().acquire_owned().await {
                let connection = tokio::select! {
                    () = done.closed() => return,
                    connection = listener.accept() => connection,
                };
                let Ok((stream, peer)) = connection else {
                    // Out of file descriptors, most likely: others must go before more can come.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (tls, done) = (tls.clone(), done.clone());
                tokio::spawn(async move {
                    let _place = place;
                    if let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                        // Nobody takes it any longer when the server stops.
                        let _stopped = done.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(Self { ready, address })
    }
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Secure>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Secure>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Tells the router what it is told of plain connections, and that this one is not.
pub async fn tell(ConnectInfo(peer): ConnectInfo<Peer>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(ConnectInfo(peer.0));
    request.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static("https"));
    next.run(request).await
}
