//! A publisher that costs next to nothing: MQTT 3.1.1 with QoS 1, packets written as bytes, acknowledgements counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// What a publisher did.
#[derive(Default)]
pub struct Count {
    /// Messages written.
    pub sent: AtomicU64,
    /// Messages acknowledged.
    pub acknowledged: AtomicU64,
}

fn text(out: &mut Vec<u8>, words: &str) {
    out.extend_from_slice(&(words.len() as u16).to_be_bytes());
    out.extend_from_slice(words.as_bytes());
}

fn packet(first: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    let mut length = body.len();
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        out.push(if length > 0 { byte | 128 } else { byte });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
}

/// How a publisher goes about it.
pub struct Plan {
    /// Port of the broker.
    pub port: u16,
    /// Name of the client.
    pub client: String,
    /// Topic.
    pub topic: String,
    /// Messages unacknowledged at most.
    pub window: usize,
    /// When message `n` is due, for a steady rate; none: as fast as the window allows.
    pub due: Option<(Instant, Duration)>,
    /// Ends it.
    pub stop: Arc<AtomicBool>,
}

/// Publishes what `next` gives until it gives nothing; returns when all are acknowledged, the connection ends or the plan
/// is stopped.
pub async fn publish(plan: Plan, count: Arc<Count>, mut next: impl FnMut(u64) -> Option<Vec<u8>> + Send) {
    let Plan { port, client, topic, window, due, stop } = plan;
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut reader, mut writer) = stream.into_split();
    let (mut body, mut out) = (Vec::new(), Vec::new());
    text(&mut body, "MQTT");
    body.extend_from_slice(&[4, 2, 0, 0]);
    text(&mut body, &client);
    packet(0x10, &body, &mut out);
    let mut hello = [0; 4];
    if writer.write_all(&out).await.is_err() || reader.read_exact(&mut hello).await.is_err() || hello[3] != 0 {
        return;
    }
    let room = Arc::new(Semaphore::new(window));
    let acknowledgements = tokio::spawn({
        let (room, count) = (room.clone(), count.clone());
        async move {
            let (mut bytes, mut held) = (vec![0; 16 * 1024], 0);
            // Only PUBACKs come here: four bytes each.
            while let Ok(n) = reader.read(&mut bytes[held..]).await
                && n > 0
            {
                held += n;
                let whole = held / 4;
                count.acknowledged.fetch_add(whole as u64, Ordering::Relaxed);
                room.add_permits(whole);
                bytes.copy_within(whole * 4..held, 0);
                held %= 4;
            }
            room.close();
        }
    });
    let mut n = 0;
    loop {
        if let Some((start, gap)) = due {
            tokio::time::sleep_until((start + gap.mul_f64(n as f64)).into()).await;
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // As many as the window has room for go in one write.
        let Ok(first) = room.acquire().await else { break };
        first.forget();
        let more = if due.is_some() { 0 } else { room.available_permits().min(63) };
        let more = room.try_acquire_many(more as u32).map_or(0, |p| {
            p.forget();
            more
        });
        out.clear();
        let mut ended = false;
        for _ in 0..=more {
            let Some(payload) = next(n) else {
                ended = true;
                break;
            };
            body.clear();
            text(&mut body, &topic);
            body.extend_from_slice(&((n % 65_535) as u16 + 1).to_be_bytes());
            body.extend_from_slice(&payload);
            packet(0x32, &body, &mut out);
            n += 1;
        }
        if writer.write_all(&out).await.is_err() {
            break;
        }
        count.sent.store(n, Ordering::Relaxed);
        if ended {
            while count.acknowledged.load(Ordering::Relaxed) < n && !room.is_closed() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            break;
        }
    }
    acknowledgements.abort();
}
