//! Sockets of the receiver. Everything is bounded: connections, connections of one address, bytes of a frame, time of
//! silence, datagrams being worked on.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Panels;
use crate::dc09::{FRAME, Framer};

/// Connections at once.
const CONNECTIONS: usize = 2_048;
/// Connections of one address (panels behind one gateway share it).
const OF_ONE: usize = 256;
/// A connection that says nothing for so long is closed; panels that hold theirs open send signs of life.
const SILENCE: Duration = Duration::from_secs(600);
/// A peer that takes no answer for so long is let go.
const WRITE: Duration = Duration::from_secs(10);
/// Datagrams worked on at once; more are passed over, and their senders repeat them.
const DATAGRAMS: usize = 256;

type PerAddress = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A connection's place among those of its address; given back when dropped.
struct Place(PerAddress, IpAddr);

impl Place {
    fn take(all: &PerAddress, address: IpAddr) -> Option<Self> {
        let mut open = all.lock().unwrap_or_else(PoisonError::into_inner);
        let n = open.entry(address).or_insert(0);
        (*n < OF_ONE).then(|| {
            *n += 1;
            Self(all.clone(), address)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = open.get_mut(&self.1) {
            *n -= 1;
            if *n == 0 {
                open.remove(&self.1);
            }
        }
    }
}

impl Panels {
    /// Receives over TCP until `stop`.
    pub async fn listen_tcp(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        self.receiving.store(true, Ordering::Relaxed);
        let (mut links, places) = (JoinSet::new(), PerAddress::default());
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            while links.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer)) if links.len() < CONNECTIONS => {
                    if let Some(place) = Place::take(&places, peer.ip()) {
                        links.spawn(self.clone().link(stream, peer, place));
                    }
                }
                Ok(_) => tracing::warn!("too many panels are connected; one was turned away"),
                Err(error) => {
                    tracing::warn!(%error, "accepting a panel's connection failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn link(self: Arc<Self>, mut stream: TcpStream, peer: SocketAddr, _place: Place) {
        let (mut framer, mut buffer) = (Framer::default(), [0u8; 2_048]);
        loop {
            let n = match tokio::time::timeout(SILENCE, stream.read(&mut buffer)).await {
                Ok(Ok(n)) if n > 0 => n,
                _ => return,
            };
            for frame in framer.push(&buffer[..n]) {
                let Some(answer) = self.receive(&frame, peer.ip()).await else { continue };
                if !matches!(tokio::time::timeout(WRITE, stream.write_all(&answer)).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }

    /// Receives over UDP until `stop`: one message a datagram.
    pub async fn listen_udp(self: Arc<Self>, socket: UdpSocket, stop: CancellationToken) {
        self.receiving.store(true, Ordering::Relaxed);
        let (socket, places) = (Arc::new(socket), Arc::new(Semaphore::new(DATAGRAMS)));
        let (mut works, mut buffer) = (JoinSet::new(), vec![0u8; FRAME + 2]);
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = socket.recv_from(&mut buffer) => received,
            };
            while works.try_join_next().is_some() {}
            let (n, peer) = match received {
                Ok(received) => received,
                Err(error) => {
                    // An answer that could not be delivered is told here, too.
                    tracing::debug!(%error, "reading a datagram failed");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
            };
            let Ok(place) = places.clone().try_acquire_owned() else { continue };
            let Some(frame) = Framer::default().push(&buffer[..n]).into_iter().next() else { continue };
            let (this, socket) = (self.clone(), socket.clone());
            works.spawn(async move {
                let _place = place;
                if let Some(answer) = this.receive(&frame, peer.ip()).await
                    && let Err(error) = socket.send_to(&answer, peer).await
                {
                    tracing::debug!(%error, "an answer to a panel was not sent");
                }
            });
        }
    }
}
