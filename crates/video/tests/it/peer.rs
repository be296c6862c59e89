//! Pictures over real sockets: from an RTSP server that is not ours (GStreamer's), and from clips.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dothi_kernel::{Caller, Event, Permission};
use dothi_store::testing::{both, store};
use dothi_video::model::{ExportInput, ReasonInput, SettleInput, SpanInput, SpanQuery};
use dothi_video::{MIGRATIONS, mp4};
use dothi_vision::Decoder;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::rig::{App, clip, until};

fn python() -> String {
    std::env::var("DOTHI_RTSP_PYTHON").unwrap_or_else(|_| "/usr/bin/python3".into())
}

/// Another maker's RTSP server; its port, and how often somebody connected.
struct Server {
    child: Child,
    port: u16,
    clients: mpsc::Receiver<()>,
}

impl Server {
    /// None, and a word about it, when GStreamer's server is not installed.
    fn start() -> Option<Self> {
        let there = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; Gst.init(None); \
                     raise SystemExit(0 if all(Gst.ElementFactory.find(n) for n in ('qtdemux', 'h264parse', 'rtph264pay')) else 1)";
        if !Command::new(python()).args(["-c", there]).output().is_ok_and(|o| o.status.success()) {
            assert!(std::env::var_os("CI_RTSP").is_none(), "GStreamer's RTSP server is needed with CI_RTSP");
            eprintln!("SKIPPED: no RTSP server: install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-bad");
            return None;
        }
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/rtsp_server.py");
        let mut command = Command::new(python());
        command.arg(script).arg(clip("road.mp4")).args(["quan-tri", "mat-khau"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let (tell, clients) = mpsc::channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).filter(|l| l == "client").for_each(|_| {
                let _told = tell.send(());
            })
        });
        Some(Self { child, port, clients })
    }

    fn connected(&self) -> usize {
        self.clients.try_iter().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// What a viewer got: words, and bytes.
#[derive(Default)]
struct Got {
    words: Vec<Value>,
    bytes: Vec<Bytes>,
    first: Option<Duration>,
}

/// Watches until `enough`, at most 30 s.
async fn watch(address: std::net::SocketAddr, camera: uuid::Uuid, enough: impl Fn(&Got) -> bool) -> Got {
    let begun = Instant::now();
    let request = format!("ws://{address}/api/video/cameras/{camera}/live").into_client_request().unwrap();
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let mut got = Got::default();
    while !enough(&got) {
        let message = tokio::time::timeout(Duration::from_secs(30), socket.next()).await.expect("a message in time").expect("a message").unwrap();
        match message {
            Message::Text(text) => got.words.push(serde_json::from_str(&text).unwrap()),
            Message::Binary(bytes) => {
                // The head, then the first picture.
                if got.bytes.len() == 1 {
                    got.first = Some(begun.elapsed());
                }
                got.bytes.push(bytes);
            }
            _ => {}
        }
    }
    got
}

fn pictures(got: &Got) -> Vec<dothi_video::media::Unit> {
    mp4::read(&Bytes::from(got.bytes.concat())).unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn another_makers_server_is_pulled_once_shown_to_many_recorded_and_replayed() {
    let Some(server) = Server::start() else { return };
    let app = App::new(store(&[MIGRATIONS]).await).await;
    let url = format!("rtsp://127.0.0.1:{}/live", server.port);
    let camera = app.camera("C1", &url, json!({"record": "always"})).await;
    let address = app.serve(app.system()).await;

    // Without the password there is a word why there is no picture.
    let refused = watch(address, camera.row.id, |g| g.words.iter().any(|w| w["state"] == "failed")).await;
    assert_eq!((refused.words.last().unwrap()["why"].as_str(), refused.bytes.len()), (Some("video.sign-in"), 0));
    let mut input = App::input("C1", &url, json!({"record": "always", "user": "quan-tri", "password": "mat-khau"}));
    input.version = Some(1);
    let changed = app.video.put(&app.system(), Some(camera.row.id), input).await.unwrap();
    assert_eq!(changed.credentials, Some(true));
    let shown = serde_json::to_string(&changed).unwrap() + &serde_json::to_string(&app.events().await).unwrap();
    assert!(!shown.contains("mat-khau") && !shown.contains("quan-tri"), "a password is never shown again: {shown}");

    let first = watch(address, camera.row.id, |g| g.bytes.len() > 20).await;
    let begin = first.words.iter().find(|w| w["kind"] == "start").unwrap();
    assert!(begin["mime"].as_str().unwrap().starts_with("video/mp4; codecs=\"avc1."), "{begin}");
    let units = pictures(&first);
    assert!(units[0].key && units.windows(2).all(|w| w[0].dts + u64::from(w[0].duration) == w[1].dts), "one line of time, from a key frame on");
    let mut decoder = Decoder::new().unwrap();
    let (config, _) = mp4::read(&Bytes::from(first.bytes.concat())).unwrap();
    let frame = decoder.push(&dothi_video::media::annex_b(&config, &units[0])).unwrap().unwrap();
    assert_eq!((frame.width, frame.height), (u32::from(config.width), u32::from(config.height)));

    // Who comes later begins at once, over the same connection.
    server.connected();
    let others = futures::future::join_all((0..9).map(|_| watch(address, camera.row.id, |g| g.bytes.len() > 5))).await;
    for other in &others {
        assert!(pictures(other)[0].key && other.first.unwrap() < Duration::from_secs(2), "{:?}", other.first);
    }
    assert_eq!(server.connected(), 0, "one connection, however many watch");

    // Recorded by the loop, kept when it ends.
    let stop = CancellationToken::new();
    let running = tokio::spawn(app.video.clone().run(stop.clone()));
    until("it records", || async { app.video.camera(&app.system(), camera.row.id).await.unwrap().row.recording.then_some(()) }).await;
    let frames = watch(address, camera.row.id, |g| g.bytes.len() > 40).await;
    assert!(frames.bytes.len() > 40);
    stop.cancel();
    running.await.unwrap();
    let now = app.system().now;
    let span = SpanInput { from: now - Duration::from_secs(60), to: now + Duration::from_secs(600), reason: "xác minh vụ việc".into() };
    let replay = app.video.replay(&app.system(), camera.row.id, &span).await.unwrap();
    let segment = replay.segments.first().expect("a recorded file");
    let bytes = app.video.replayed(&app.system(), replay.id, segment.id).await.unwrap();
    let (_, recorded) = mp4::read(&bytes).unwrap();
    assert!(recorded[0].key && recorded.len() > 20, "{}", recorded.len());
    assert_eq!(
        app.video.replayed(&app.staff("khac", &[], &[Permission::CameraReplay]), replay.id, segment.id).await.unwrap_err().code(),
        "video.replay.unknown"
    );

    // All of it is on record, and ended.
    until("watching ended", || async { app.log().await.iter().all(|l| l.ended_at.is_some()).then_some(()) }).await;
    let log = app.log().await;
    assert_eq!((log.iter().filter(|l| l.kind == "live").count(), log.iter().filter(|l| l.kind == "replay" && l.reason == "xác minh vụ việc").count()), (12, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_allowed_by_a_second_person_and_has_its_masks_burnt_in() {
    let app = App::new(store(&[MIGRATIONS]).await).await;
    app.bring("road.mp4");
    let masks = json!([{"name": "nhà dân", "corners": [[0.5, 0.5], [1.0, 0.5], [1.0, 1.0], [0.5, 1.0]]}]);
    let camera = app.camera("C2", "file:road.mp4", json!({"record": "always", "masks": masks})).await;
    let id = camera.row.id;
    let stop = CancellationToken::new();
    let running = tokio::spawn(app.video.clone().run(stop.clone()));
    let address = app.serve(app.system()).await;
    watch(address, id, |g| g.bytes.len() > 30).await;
    stop.cancel();
    running.await.unwrap();

    let (asks, allows) = (app.staff("an", &[], &[Permission::CameraExport, Permission::CameraApprove]), app.staff("binh", &[], &[Permission::CameraApprove]));
    let now = app.system().now;
    let span = SpanInput { from: now - Duration::from_secs(60), to: now + Duration::from_secs(600), reason: "giao cơ quan điều tra".into() };
    let incident = Uuid::from_u128(7);
    let wanted = ExportInput { from: span.from, to: span.to, reason: span.reason.clone(), incident: Some(incident) };
    let asked = app.video.ask_export(&asks, id, &wanted).await.unwrap();
    assert_eq!(asked.state, "asked");
    let yes = SettleInput { version: 1, approve: true, reason: String::new() };
    assert_eq!(app.video.settle_export(&asks, asked.id, &yes).await.unwrap_err().code(), "video.export.own");
    app.video.settle_export(&allows, asked.id, &yes).await.unwrap();
    assert_eq!(app.video.exported(&asks, asked.id).await.unwrap_err().code(), "video.export.state");
    app.run_jobs().await;
    let (_, bytes) = app.video.exported(&asks, asked.id).await.unwrap();
    let (config, units) = mp4::read(&bytes).unwrap();
    assert!(units.len() > 20 && units[0].key && units[0].dts == 0);
    let frame = Decoder::new().unwrap().push(&dothi_video::media::annex_b(&config, &units[0])).unwrap().unwrap();
    let light = |from: u32, to: u32| {
        let rows = frame.rgb.chunks(frame.width as usize * 3).skip(from as usize).take((to - from) as usize);
        let right: Vec<u64> = rows.flat_map(|r| r[r.len() * 6 / 10..].iter().map(|b| u64::from(*b))).collect();
        right.iter().sum::<u64>() / right.len() as u64
    };
    let (h, hidden) = (frame.height, light(frame.height * 55 / 100, frame.height * 3 / 4));
    assert!(hidden < 20 && light(h / 5, h * 2 / 5) > 40, "what is hidden is black in the file itself: {hidden}");
    let done = app.video.exports(&asks, &Default::default()).await.unwrap().items.remove(0);
    // It goes with the incident's evidence, to those who may have it and as far as there is room.
    let evidence = |caller: Caller, most: usize| {
        let video = app.video.clone();
        async move { video.evidence(&caller, incident, most).await.unwrap().remove(0).1.map(|(_, bytes)| bytes).map_err(|e| e.code()) }
    };
    assert_eq!(evidence(asks.clone(), 1 << 30).await, Ok(bytes.clone()));
    assert_eq!(evidence(allows.clone(), 1 << 30).await, Err("access.not-allowed"));
    assert_eq!(evidence(asks.clone(), bytes.len() - 1).await, Err("video.export.large"));
    assert!(app.video.evidence(&asks, Uuid::from_u128(8), 1 << 30).await.unwrap().is_empty());
    let manifest = done.manifest.unwrap();
    assert_eq!((manifest["file"]["sha256"].as_str(), manifest["allowed_by"].as_str(), &manifest["masks"]), (done.sha256.as_deref(), Some("binh"), &json!(1)));
    // A snapshot has them, too; who may see it unmasked sees it so, and the log says it.
    let why = ReasonInput { reason: "kiểm tra".into() };
    let watches = app.staff("chi", &[], &[Permission::CameraWatch]);
    let jpeg = app.video.snapshot(&watches, id, &why).await.unwrap();
    assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]));
    let log = app.log().await;
    assert!(log.iter().any(|l| l.kind == "snapshot" && !l.unmasked) && log.iter().any(|l| l.kind == "export" && l.who == "an"));

    // After its days the file is gone, and so is the recording but for what is held.
    let all = || app.video.recordings(&allows, id, now - Duration::from_secs(60), now + Duration::from_secs(600));
    let replays = app.staff("dung", &[], &[Permission::CameraReplay, Permission::CameraApprove]);
    assert_eq!(all().await.unwrap_err().code(), "access.not-allowed");
    let hold = app.video.hold(&replays, id, &span).await.unwrap();
    app.store.clock.advance_seconds(40 * 86_400);
    app.run_jobs().await;
    assert_eq!(app.video.exported(&asks, asked.id).await.unwrap_err().code(), "video.export.state");
    let query = SpanQuery { from: now - Duration::from_secs(60), to: now + Duration::from_secs(600) };
    assert_eq!(app.video.recordings(&replays, id, query.from, query.to).await.unwrap().spans.len(), 1, "a held piece stays");
    app.video.lift(&replays, id, hold.id, &ReasonInput { reason: "vụ việc đã xong".into() }).await.unwrap();
    app.store.clock.advance_seconds(3_600);
    app.run_jobs().await;
    let left = app.video.recordings(&replays, id, query.from, query.to).await.unwrap();
    assert_eq!((left.spans.len(), left.bytes), (0, 0), "the disk is given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_without_a_picture_is_told_and_so_is_its_return() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let camera = app.camera("C3", "file:road.mp4", json!({})).await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(app.video.clone().run(stop.clone()));
        let state = |wanted: &'static str| {
            let (video, system, id) = (app.video.clone(), app.system(), camera.row.id);
            move || {
                let (video, system) = (video.clone(), system.clone());
                async move { (video.camera(&system, id).await.unwrap().row.state == wanted).then_some(()) }
            }
        };
        until("it is silent", state("silent")).await;
        app.bring("road.mp4");
        until("it is fine", state("fine")).await;
        stop.cancel();
        running.await.unwrap();
        let told: Vec<(String, String)> = app
            .events()
            .await
            .into_iter()
            .filter_map(|e| match e {
                Event::CameraHealthChanged { before, state, .. } => Some((before, state)),
                _ => None,
            })
            .collect();
        let expected = [("unknown", "silent"), ("silent", "fine")].map(|(a, b)| (a.to_string(), b.to_string()));
        assert_eq!(told, expected, "each change once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cars_on_the_clip_are_counted() {
    let app = App::new(store(&[MIGRATIONS]).await).await;
    app.bring("road.mp4");
    let models = app.video.catalogue(&app.system()).unwrap().models;
    let model = models.iter().find(|m| m.code == "overhead").unwrap();
    let counted = &model.counts[0];
    assert_eq!(counted.attribute, "vehicleCount");
    let zone = json!({"kind": "zone", "corners": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]});
    let detector = json!([{"code": "xe", "model": model.code, "classes": counted.classes, "counting": zone, "attribute": "vehicleCount", "every_seconds": 5}]);
    let camera = app.camera("C4", "file:road.mp4", json!({"detectors": detector})).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(app.video.clone().run(stop.clone()));
    // The clip's clock is real, that of the test is not: it is made to go along.
    let (start, begun) = (app.system().now, Instant::now());
    let counted = until("something was counted", || async {
        app.store.clock.set(start + begun.elapsed());
        let events = app.events().await;
        events.into_iter().find_map(|e| match e {
            Event::CameraCounted { camera: id, entity, counts, .. } if id == camera.row.id && counts[0].1 > 0 => Some((entity, counts)),
            _ => None,
        })
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!((counted.0.as_str(), counted.1[0].0.as_str()), ("urn:ngsi-ld:Camera:C4", "vehicleCount"));
    assert!(app.video.camera(&app.system(), camera.row.id).await.unwrap().counts.iter().any(|c| c.n > 0 && c.detector == "xe"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_may_not_watch() {
    let app = App::new(store(&[MIGRATIONS]).await).await;
    let camera = app.camera("C5", "file:road.mp4", json!({})).await;
    let address = app.serve(app.system()).await;
    let mut request = format!("ws://{address}/api/video/cameras/{}/live", camera.row.id).into_client_request().unwrap();
    request.headers_mut().insert("Origin", "https://evil.example".parse().unwrap());
    let refused = tokio_tungstenite::connect_async(request).await.unwrap_err();
    let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status().as_u16(), 403);
    let mut body = String::new();
    answer.body().as_deref().unwrap_or_default().read_to_string(&mut body).unwrap();
    assert!(app.log().await.is_empty(), "nobody watched: {body}");
}
