//! Live pictures over WebSocket: words about them as JSON, then the head and fragments as bytes. A viewer that is too slow goes on at
//! the next key frame.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use dothi_kernel::{Caller, Error, Result};
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::Video;
use crate::http::{At, This, Wanted, at, wanted};
use crate::hub::Piece;
use crate::media::Config;
use crate::mp4;
use crate::seen::Watching;

/// What a viewer may send: nothing but signs of life.
const HEARD: usize = 1_024;
/// How long one picture may take to a viewer.
const SLOW: Duration = Duration::from_secs(10);
/// A sign of life goes out when nothing else does.
const ALIVE: Duration = Duration::from_secs(15);
/// Longest watching without asking anew.
const LONGEST: Duration = Duration::from_secs(12 * 3_600);

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// Why somebody watches.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhyQuery {
    /// Reason, when the policy wants one.
    #[serde(default)]
    reason: String,
}

/// Whether a page of `origin` came from `host` or from our own address.
fn is_same(origin: &str, host: &str, base: &str) -> bool {
    origin.eq_ignore_ascii_case(base) || origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
}

/// Live pictures (WebSocket): JSON texts (`start` with the media type, `link`), and fragmented MP4 as bytes.
#[utoipa::path(get, path = "/api/video/cameras/{id}/live", tag = "video", operation_id = "video_live", params(("id" = String, Path), WhyQuery),
    responses((status = 101), (status = 400), (status = 401), (status = 403), (status = 404), (status = 409), (status = 422), (status = 429)))]
pub(crate) async fn live(State(this): This, caller: Caller, id: At<Uuid>, query: Wanted<WhyQuery>, headers: HeaderMap, upgrade: Upgrade) -> Result<Response> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    // Browsers send the session's cookie along whatever page asks: pages of others have no business here.
    if let Some(origin) = text(header::ORIGIN)
        && !text(header::HOST).is_some_and(|host| is_same(origin, host, &this.settings.base))
    {
        return Err(Error::forbidden("video.origin", "Pages of other sites may not connect."));
    }
    let (id, why) = (at(id)?, wanted(query)?.reason);
    this.own(&caller, dothi_kernel::Permission::CameraWatch, id)?;
    let upgrade = upgrade.map_err(|e| Error::invalid("video.websocket", "This address speaks WebSocket.").with("reason", e.body_text()))?;
    let watching = this.watch(&caller, id, &why).await?;
    let session = this.clone();
    Ok(upgrade.max_message_size(HEARD).max_frame_size(HEARD).on_upgrade(move |socket| async move { show(session, watching, socket).await }))
}

/// What goes to a viewer next.
enum Next {
    Piece(Arc<Piece>),
    Missed,
    Link,
    Alive,
    Over,
}

async fn show(video: Arc<Video>, watching: Watching, socket: WebSocket) {
    let (mut out, mut heard) = socket.split();
    let mut link = watching.lease.link();
    let (kept, mut coming) = watching.lease.subscribe();
    let mut waiting = std::collections::VecDeque::from(kept);
    let mut shown: Option<Arc<Config>> = None;
    // Until a key frame there is nothing to build on.
    let mut begun = false;
    let until = tokio::time::Instant::now() + LONGEST;
    link.mark_changed();
    loop {
        let next = match waiting.pop_front() {
            Some(piece) => Next::Piece(piece),
            None => tokio::select! {
                piece = coming.recv() => match piece {
                    Ok(piece) => Next::Piece(piece),
                    Err(RecvError::Lagged(_)) => Next::Missed,
                    Err(RecvError::Closed) => Next::Over,
                },
                changed = link.changed() => if changed.is_ok() { Next::Link } else { Next::Over },
                message = heard.next() => match message {
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_))) => continue,
                    _ => Next::Over,
                },
                () = tokio::time::sleep(ALIVE) => Next::Alive,
                () = tokio::time::sleep_until(until) => Next::Over,
            },
        };
        let messages = match next {
            Next::Over => break,
            Next::Missed => {
                begun = false;
                continue;
            }
            Next::Alive => vec![Message::Ping(axum::body::Bytes::new())],
            Next::Link => {
                let link = link.borrow_and_update().clone();
                vec![Message::Text(serde_json::json!({ "kind": "link", "state": link.state, "why": link.why }).to_string().into())]
            }
            Next::Piece(piece) => match pictures(&piece, &mut shown, &mut begun) {
                Ok(messages) => messages,
                Err(e) => {
                    tracing::warn!(camera = %watching.camera.id, error = %e, "a live picture cannot be written");
                    break;
                }
            },
        };
        for message in messages {
            match tokio::time::timeout(SLOW, out.send(message)).await {
                Ok(Ok(())) => {}
                // Gone, or slower than anything that could be called live.
                _ => return,
            }
        }
        if video.known(watching.camera.id).is_none_or(|c| !c.active) {
            break;
        }
    }
    // Who is gone already is not told.
    let _told = tokio::time::timeout(SLOW, out.close()).await;
}

fn pictures(piece: &Arc<Piece>, shown: &mut Option<Arc<Config>>, begun: &mut bool) -> Result<Vec<Message>> {
    if !*begun && !piece.unit.key {
        return Ok(Vec::new());
    }
    *begun = true;
    let mut messages = Vec::with_capacity(3);
    if shown.as_ref() != Some(&piece.config) {
        let mime = format!("video/mp4; codecs=\"{}\"", piece.config.codec());
        let start = serde_json::json!({ "kind": "start", "mime": mime, "width": piece.config.width, "height": piece.config.height });
        messages.push(Message::Text(start.to_string().into()));
        messages.push(Message::Binary(mp4::init(&piece.config)?));
        *shown = Some(piece.config.clone());
    }
    messages.push(Message::Binary(piece.bytes.clone()));
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn pages_of_this_host_only() {
        let base = "https://dothi.example.vn";
        assert!(is_same("https://city.example", "city.example", base) && is_same("https://dothi.example.vn", "127.0.0.1:8080", base));
        assert!(!is_same("https://evil.example", "city.example", base) && !is_same("null", "city.example", base));
    }
}
