//! MQTT over WebSocket (3.1.1 clause 6, 5.0 clause 6) under `/mqtt`. Who comes in is decided by CONNECT, as on the other
//! doors; here only the handshake is looked at.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use dothi_kernel::Error;
use futures::{SinkExt, StreamExt, future};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};
use tokio_util::sync::CancellationToken;

use crate::mqtt::{Broker, serve_web};

/// Name of the subprotocol.
const PROTOCOL: &str = "mqtt";

#[derive(Clone)]
struct Door {
    broker: Arc<Broker>,
    shutdown: CancellationToken,
}

/// The route. Connections end with `shutdown`.
pub fn router(broker: Arc<Broker>, shutdown: CancellationToken) -> Router {
    Router::new().route("/mqtt", get(upgrade)).with_state(Door { broker, shutdown })
}

type Upgrade = std::result::Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn upgrade(State(door): State<Door>, peer: Option<Extension<ConnectInfo<SocketAddr>>>, headers: HeaderMap, upgrade: Upgrade) -> Result<Response, Error> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let upgrade = upgrade.map_err(|e| Error::invalid("mqtt.websocket", "This address speaks MQTT over WebSocket.").with("reason", e.body_text()))?;
    let offered = text(header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    if !offered.split(',').any(|p| p.trim() == PROTOCOL) {
        return Err(Error::invalid("mqtt.subprotocol", "The WebSocket must offer the subprotocol `mqtt`."));
    }
    // Browsers say which page asks. Pages of others have no business here: on a machine that trusts its own programs they
    // would come in as one of them.
    if let Some(origin) = text(header::ORIGIN)
        && !text(header::HOST).is_some_and(|host| is_same(origin, host))
    {
        return Err(Error::forbidden("mqtt.origin", "Pages of other sites may not connect."));
    }
    let limit = door.broker.packet_limit();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(ConnectInfo(peer))| peer.ip().to_canonical());
    let serve = move |socket| async move {
        // Dropping the socket, when there is no place, ends it.
        let _placed = serve_web(&door.broker, carried(socket), address, door.shutdown);
    };
    Ok(upgrade.protocols([PROTOCOL]).max_message_size(limit).max_frame_size(limit).on_upgrade(serve))
}

/// Whether a page of `origin` came from `host`.
fn is_same(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
}

/// The bytes inside the binary messages. Packets may be split over messages in any way.
fn carried(socket: WebSocket) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static {
    let (out, input) = socket.split();
    let input = input.map(|message| match message {
        Ok(Message::Binary(bytes)) => Ok(bytes),
        Ok(Message::Text(_)) => Err(io::Error::new(io::ErrorKind::InvalidData, "MQTT needs binary messages")),
        Ok(_) => Ok(Bytes::new()),
        Err(e) => Err(io::Error::other(e)),
    });
    let out = out.with(|bytes: Bytes| future::ready(Ok::<_, axum::Error>(Message::Binary(bytes)))).sink_map_err(io::Error::other);
    tokio::io::join(StreamReader::new(input), SinkWriter::new(CopyToBytes::new(out)))
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn pages_of_this_host_only() {
        assert!(is_same("https://city.example", "city.example") && is_same("http://localhost:8080", "LOCALHOST:8080"));
        assert!(!is_same("https://city.example.evil", "city.example") && !is_same("null", "city.example") && !is_same("http://localhost:81", "localhost:8080"));
    }
}
