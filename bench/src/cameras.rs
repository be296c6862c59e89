//! Many cameras on a small machine: all are connected to and recorded, some are watched live. To be run where `packs` is.
//!
//! Without `--url` each camera is a clip that the server plays from its own folder at the clip's pace: everything behind the
//! connection is measured (fragments, viewers, files, looks at health), taking RTP apart is not. With `--url` all cameras are that
//! RTSP address. Viewers share the processors with the server.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::live::token;
use crate::median;
use crate::process::Server;

/// What is asked for.
pub struct Asked {
    /// Cameras.
    pub cameras: usize,
    /// Those of them that are recorded; health is looked at for all.
    pub recorded: usize,
    /// Those of them that are watched.
    pub shown: usize,
    /// Seconds.
    pub seconds: u64,
    /// A clip to copy, or an RTSP address.
    pub url: String,
}

/// What a viewer saw.
struct Seen {
    first: Duration,
    pictures: usize,
    gap: Duration,
}

/// Watches one camera: pictures are the binary messages after the first, which describes the track.
async fn watch(http: u16, token: String, camera: String, until: Instant) -> Seen {
    let mut request = format!("ws://127.0.0.1:{http}/api/video/cameras/{camera}/live").into_client_request().expect("an address");
    request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().expect("a header"));
    let begun = Instant::now();
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a live picture");
    let (mut seen, mut last) = (Seen { first: Duration::ZERO, pictures: 0, gap: Duration::ZERO }, None);
    let mut described = false;
    while let Ok(Some(message)) = tokio::time::timeout_at(until.into(), socket.next()).await {
        let Message::Binary(_) = message.expect("a message") else { continue };
        if !std::mem::replace(&mut described, true) {
            continue;
        }
        let now = Instant::now();
        match last {
            None => seen.first = now - begun,
            // What was kept for newcomers comes at once; gaps count from then on.
            Some(before) => seen.gap = seen.gap.max(now - before),
        }
        last = Some(now);
        seen.pictures += 1;
    }
    seen
}

/// Runs it and prints the figures.
pub async fn measure(asked: Asked) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let clips = data.join("clips");
    std::fs::create_dir_all(&clips).expect("a folder");
    let url = if asked.url.contains("://") {
        asked.url.clone()
    } else {
        std::fs::copy(&asked.url, clips.join("clip.mp4")).expect("the clip: run it where demo/ is");
        "file:clip.mp4".to_string()
    };
    let token = token(&data, Path::new("packs"), &["camera-manage", "camera-watch", "camera-replay"]);
    let server = Server::start_with(&data, &[("DOTHI_CAMERA_PRIVATE", "1")]).await;
    let base = format!("http://127.0.0.1:{}/api/video/cameras", server.http);
    let client = reqwest::Client::new();
    let mut ids = Vec::new();
    for n in 0..asked.cameras {
        let record = if n < asked.recorded { "always" } else { "none" };
        let camera = json!({"code": format!("B-{n}"), "name": format!("Camera {n}"), "commune": "13225", "purpose": "traffic", "url": url, "record": record});
        let answer = client.post(&base).bearer_auth(&token).json(&camera).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await.unwrap_or_default());
        let row: serde_json::Value = answer.json().await.expect("a camera");
        ids.push(row["id"].as_str().expect("an id").to_string());
    }
    // All have begun.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (start, cpu) = (Instant::now(), server.process.cpu_s());
    let until = start + Duration::from_secs(asked.seconds);
    let viewers: Vec<_> = ids.iter().take(asked.shown).map(|id| tokio::spawn(watch(server.http, token.clone(), id.clone(), until))).collect();
    let mut seen = Vec::new();
    for viewer in viewers {
        seen.push(viewer.await.expect("a viewer"));
    }
    tokio::time::sleep_until(until.into()).await;
    let spent = start.elapsed().as_secs_f64();
    let used = (server.process.cpu_s() - cpu) / spent * 100.0;
    let ms = |all: Vec<Duration>| all.into_iter().map(|d| d.as_secs_f64() * 1e3).collect::<Vec<_>>();
    let (firsts, gaps) = (ms(seen.iter().map(|s| s.first).collect()), ms(seen.iter().map(|s| s.gap).collect()));
    let most = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
    let rates: Vec<f64> = seen.iter().map(|s| s.pictures as f64 / spent).collect();
    println!("cameras                {} connected to, {} recorded, {} watched, {spent:.0} s", asked.cameras, asked.recorded, asked.shown);
    println!("first picture          median {:.0} ms, most {:.0} ms", median(firsts.clone()), most(&firsts));
    println!("pictures               {:.1}/s a viewer (least {:.1})", median(rates.clone()), rates.iter().copied().fold(f64::MAX, f64::min));
    println!("longest gap            median {:.0} ms, most {:.0} ms", median(gaps.clone()), most(&gaps));
    println!("recorded               {:.1} MB/s", on_disk(&data.join("objects/blobs")) as f64 / 1e6 / (spent + 15.0));
    println!("server                 {used:.0} % of a processor, {:.0} MB, {} open files", server.process.memory_mb(), server.process.open_files());
}

/// Bytes of all files under a folder.
fn on_disk(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|e| if e.path().is_dir() { on_disk(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}
