//! Citizens' reports: how soon they are accepted, with a photo of a megabyte and without. Every sender has an address of its own
//! (127.x.y.z), as the limit of an address would stop one sender.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::city::Numbers;
use crate::process::Server;

/// Reports of one address: below the limit of the case type (20 an hour).
const PER_ADDRESS: u32 = 18;
/// Connections at once.
const SENDERS: u64 = 64;
/// What reports shall be accepted within, for 99 of 100.
const AIM_MS: f64 = 200.0;
/// Told apart: a server that just started reads its first pages, and the load falls on it without a rise.
const BEGINNING: u64 = 5;
const BOUNDARY: &str = "dothi-bench-boundary";

/// Sends reports at a steady rate, first without photos and then with.
pub async fn measure(rate: u64, photo_rate: u64, seconds: u64) {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    let next = Arc::new(AtomicU32::new(1));
    println!("each figure: from the instant at which a report was due to be sent until it was acknowledged, durable");
    run(&server, "without photos", None, (rate, seconds), &next).await;
    let photo = Arc::new(photo(&server, &next).await);
    println!("photo: JPEG of 2048 × 1536, {} kB", photo.len() / 1024);
    run(&server, "with a photo each", Some(photo), (photo_rate, seconds), &next).await;
}

/// A sender with an address of its own.
struct Sender {
    stream: TcpStream,
    sent: u32,
}

impl Sender {
    async fn open(port: u16, next: &AtomicU32) -> Self {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let socket = TcpSocket::new_v4().expect("a socket");
        // 127.1.0.1 and up: all of 127/8 is this machine.
        let [_, b, c, d] = (n + (1 << 16)).to_be_bytes();
        socket.bind(SocketAddr::from(([127, b, c, d], 0))).expect("an address of this machine");
        let stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, sent: 0 }
    }

    /// Posts a report; status and body of the answer.
    async fn post(&mut self, body: &[u8]) -> (u16, Vec<u8>) {
        self.sent += 1;
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let head = format!("POST /api/cases HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        // What is refused is answered before all of it was read, and the connection closed: then the answer may be lost.
        for part in [head.as_bytes(), body] {
            if self.stream.write_all(part).await.is_err() {
                return (503, Vec::new());
            }
        }
        self.answer().await
    }

    async fn get(&mut self, path: &str) -> (u16, Vec<u8>) {
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").as_bytes()).await.expect("sent");
        self.answer().await
    }

    async fn answer(&mut self) -> (u16, Vec<u8>) {
        let mut got = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let n = self.stream.read(&mut buffer).await.unwrap_or(0);
            if n == 0 {
                return (503, Vec::new());
            }
            got.extend_from_slice(&buffer[..n]);
            let Some(end) = got.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&got[..end]).to_ascii_lowercase();
            let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
            let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length:")).map_or(0, |n| n.trim().parse().expect("a length"));
            while got.len() < end + 4 + length {
                let n = self.stream.read(&mut buffer).await.expect("the rest");
                assert!(n > 0, "the server hung up");
                got.extend_from_slice(&buffer[..n]);
            }
            return (status, got.split_off(end + 4));
        }
    }
}

fn form(numbers: &mut Numbers, photo: Option<&[u8]>) -> Vec<u8> {
    let spread = |n: u64| n as f64 / 10_000.0 * 0.05;
    let (lon, lat) = (106.10 + spread(numbers.below(10_000)), 20.70 + spread(numbers.below(10_000)));
    let report = format!(r#"{{"category":"garbage","text":"Rác chất đống cạnh cột điện số {}","lon":{lon},"lat":{lat}}}"#, numbers.below(1_000));
    let mut body =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"report\"\r\nContent-Type: application/json\r\n\r\n{report}\r\n").into_bytes();
    if let Some(photo) = photo {
        body.extend_from_slice(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n\r\n").as_bytes());
        body.extend_from_slice(photo);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

async fn run(server: &Server, what: &str, photo: Option<Arc<Vec<u8>>>, (rate, seconds): (u64, u64), next: &Arc<AtomicU32>) {
    let (cpu, start, port) = (server.process.cpu_s(), Instant::now(), server.http);
    let mut tasks = Vec::new();
    for w in 0..SENDERS {
        let (photo, next) = (photo.clone(), next.clone());
        tasks.push(tokio::spawn(async move {
            let (mut sender, mut numbers) = (Sender::open(port, &next).await, Numbers(w + 1));
            let (mut times, mut put_off) = (Vec::new(), 0u64);
            for k in (w..rate * seconds).step_by(SENDERS as usize) {
                let due = start + Duration::from_secs_f64(k as f64 / rate as f64);
                tokio::time::sleep_until(due.into()).await;
                if sender.sent >= PER_ADDRESS {
                    sender = Sender::open(port, &next).await;
                }
                let (status, body) = sender.post(&form(&mut numbers, photo.as_deref().map(Vec::as_slice))).await;
                match status {
                    201 => times.push((k / rate, due.elapsed().as_secs_f64() * 1e3)),
                    503 => {
                        put_off += 1;
                        sender = Sender::open(port, &next).await;
                    }
                    _ => panic!("{status}: {}", String::from_utf8_lossy(&body)),
                }
            }
            (times, put_off)
        }));
    }
    let (mut times, mut put_off) = (Vec::new(), 0);
    for task in tasks {
        let (own, off) = task.await.expect("a sender");
        times.extend(own);
        put_off += off;
    }
    let took = start.elapsed().as_secs_f64();
    let mut slow = BTreeMap::<u64, u64>::new();
    for (second, _) in times.iter().filter(|(_, ms)| *ms >= AIM_MS) {
        *slow.entry(*second).or_default() += 1;
    }
    println!(
        "{what}: asked for {rate}/s, {} accepted at {:.0}/s, {put_off} put off (503); {:.1} ms of processor a report; memory {:.0} MB",
        times.len(),
        times.len() as f64 / took,
        (server.process.cpu_s() - cpu) / (times.len().max(1) as f64) * 1e3,
        server.process.memory_mb()
    );
    let early = times.iter().filter(|(second, _)| *second < BEGINNING).map(|(_, ms)| *ms).collect();
    let later = times.iter().filter(|(second, _)| *second >= BEGINNING).map(|(_, ms)| *ms).collect();
    println!("  the first {BEGINNING} s: {}", spread(early));
    println!("  afterwards: {}; slower than {AIM_MS} ms, by the second they were due in: {slow:?}", spread(later));
}

/// Median, 99th percentile and longest.
fn spread(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
    format!("p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", at(0.5), at(0.99), at(1.0))
}

/// A JPEG of about a megabyte: the server itself makes it out of a picture with as much noise as that takes.
async fn photo(server: &Server, next: &AtomicU32) -> Vec<u8> {
    let mut best: Option<Vec<u8>> = None;
    for noise in [8, 16, 24, 32, 48] {
        let mut sender = Sender::open(server.http, next).await;
        let (status, body) = sender.post(&form(&mut Numbers(7), Some(&png(2048, 1536, noise)))).await;
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
        let receipt: serde_json::Value = serde_json::from_slice(&body).expect("a receipt");
        let (code, key) = (receipt["code"].as_str().expect("a code"), receipt["key"].as_str().expect("a key"));
        let (_, own) = sender.get(&format!("/api/cases/track/{code}?key={key}")).await;
        let own: serde_json::Value = serde_json::from_slice(&own).expect("the own case");
        let sha = own["own"]["photos"][0].as_str().expect("a photo");
        let (status, jpeg) = sender.get(&format!("/api/cases/photos/{sha}?key={key}")).await;
        assert_eq!(status, 200);
        let off = |bytes: &[u8]| bytes.len().abs_diff(1 << 20);
        if best.as_ref().is_none_or(|b| off(b) > off(&jpeg)) {
            best = Some(jpeg);
        }
    }
    best.expect("a photo")
}

/// A PNG that stores its pixels as they are: a slope of grey with noise.
fn png(width: u32, height: u32, noise: u64) -> Vec<u8> {
    let mut numbers = Numbers(3);
    let mut rows = Vec::with_capacity((width as usize + 1) * height as usize);
    for y in 0..height {
        rows.push(0);
        for x in 0..width {
            let slope = (x + y) * 180 / (width + height);
            rows.push(u8::try_from(u64::from(slope) + numbers.below(noise)).unwrap_or(u8::MAX));
        }
    }
    let mut data = vec![0x78, 0x01];
    let mut pieces = rows.chunks(65_535).peekable();
    while let Some(piece) = pieces.next() {
        data.push(u8::from(pieces.peek().is_none()));
        let length = piece.len() as u16;
        data.extend_from_slice(&length.to_le_bytes());
        data.extend_from_slice(&(!length).to_le_bytes());
        data.extend_from_slice(piece);
    }
    let (a, b) = rows.iter().fold((1u32, 0u32), |(a, b), v| ((a + u32::from(*v)) % 65_521, (a + u32::from(*v) + b) % 65_521));
    data.extend_from_slice(&((b << 16) | a).to_be_bytes());
    let table: Vec<u32> = (0..256u32).map(|n| (0..8).fold(n, |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 })).collect();
    let crc = |bytes: &[u8]| !bytes.iter().fold(!0u32, |c, v| (c >> 8) ^ table[((c ^ u32::from(*v)) & 255) as usize]);
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), &chunk(b"IDAT", &data), &chunk(b"IEND", b"")].concat()
}
