//! The broker against real clients, raw packets and rubbish.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use dothi_context::devices::{DeviceState, Devices, Sink};
use dothi_context::model::Reading;
use dothi_context::mqtt::topics::{self, Tree};
use dothi_context::mqtt::{self, Limits, Options, Programs};
use dothi_kernel::value::quality;
use dothi_kernel::{Caller, CallerKind, Error, Grant, Permission, Result};
use futures::future::BoxFuture;
use proptest::prelude::*;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::rig::{Raw, Rig, new_device, profile, system, until};

const T: &str = "2026-11-21T00:59:00Z";

fn at(second: usize) -> String {
    format!("2026-11-20T{:02}:{:02}:{:02}Z", 10 + second / 3600, second / 60 % 60, second % 60)
}

#[tokio::test(flavor = "multi_thread")]
async fn published_durable_readable() {
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let mut options = rumqttc::MqttOptions::new("c1", "127.0.0.1", rig.address.port());
    options.set_credentials("aq-1", &secret);
    let (client, mut events) = rumqttc::AsyncClient::new(options, 10);
    client.publish("dev/aq-1/up", rumqttc::QoS::AtLeastOnce, false, format!(r#"{{"t":"{T}","pm25":41.5,"temperature":19,"bat":87}}"#)).await.unwrap();
    loop {
        if let rumqttc::Event::Incoming(rumqttc::Packet::PubAck(ack)) = events.poll().await.unwrap() {
            assert_eq!(ack.pkid, 1);
            break;
        }
    }
    // The acknowledgement is proof: nothing is waited for here.
    let thing = rig.context.thing(&rig.system(), "urn:ngsi-ld:AirQualityObserved:aq-1").unwrap();
    assert_eq!(thing.attributes["pm25"].value, 41.5);
    assert_eq!(thing.attributes["pm25"].unit.as_deref(), Some("GQ"));
    assert_eq!(thing.name, "Thiết bị aq-1");
    assert_eq!(thing.observed_at.unwrap().to_string(), T);
    assert_eq!(rig.history.all().await.len(), 2);
    let device = rig.context.devices().get(&rig.system(), "aq-1").unwrap();
    assert_eq!((device.state, device.messages, device.errors, device.connected), (DeviceState::Ok, 1, 0, true));
    assert!((device.battery.unwrap() - 0.87).abs() < 1e-9);
    rig.clock.advance_seconds(7_201);
    assert_eq!(rig.context.devices().get(&rig.system(), "aq-1").unwrap().state, DeviceState::Silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn version_five_says_why_a_message_is_of_no_use() {
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    rig.device("aq-2", "flat").await;
    let (mut raw, hello) = Raw::connect(rig.address, true, "c", true, Some(("aq-1", &secret))).await;
    assert_eq!(hello[1], 0, "welcome");
    let cases: [(&str, &str, u8); 9] = [
        ("dev/aq-1/up", "not json", 0x99),
        ("dev/aq-1/up", "{}", 0x99),
        ("dev/aq-1/up", r#"{"pm25":"high"}"#, 0x99),
        ("dev/aq-1/up", r#"[1,2]"#, 0x99),
        ("dev/aq-1/up", r#"{"pm25":1e999}"#, 0x99),
        ("dev/aq-2/up", r#"{"pm25":1}"#, 0x87),
        ("elsewhere", r#"{"pm25":1}"#, 0x87),
        ("dev/aq-1/down/x", "1", 0x87),
        ("dev/aq-1/up", r#"{"pm25":1}"#, 0),
    ];
    for (i, (topic, payload, reason)) in cases.iter().enumerate() {
        let id = u16::try_from(i + 1).unwrap();
        raw.publish(topic, payload, id).await;
        assert_eq!(raw.puback().await, (id, *reason), "{topic} {payload}");
    }
    let device = rig.context.devices().get(&rig.system(), "aq-1").unwrap();
    assert_eq!((device.messages, device.errors), (1, 8));
    assert_eq!(device.last_error.as_deref(), Some("device.topic-not-allowed"));
    assert_eq!((rig.stat("malformed"), rig.stat("not_allowed"), rig.stat("stored")), (5, 3, 1));
    assert_eq!(rig.history.all().await.len(), 1);
    // Topics that nobody knows are told apart for those who may publish for others.
    let (mut program, _) = Raw::connect(rig.address, true, "p", true, None).await;
    program.publish("dev/nobody/up", r#"{"pm25":1}"#, 1).await;
    assert_eq!(program.puback().await, (1, 0x90));
    // Version 3.1.1 has no words for it: acknowledged and counted.
    let (mut old, _) = Raw::connect(rig.address, false, "c3", true, Some(("aq-1", &secret))).await;
    old.publish("dev/aq-1/up", "{", 7).await;
    assert_eq!(old.puback().await, (7, 0));
    assert_eq!(rig.stat("malformed"), 6);
    assert_eq!(rig.context.devices().get(&rig.system(), "aq-1").unwrap().last_error.as_deref(), Some("device.payload.json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_clocks_and_values_out_of_range_are_marked() {
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let (mut raw, _) = Raw::connect(rig.address, false, "c", true, Some(("aq-1", &secret))).await;
    let payloads = [
        (r#"{"t":"2026-11-21T01:09:00Z","pm25":1}"#, 0, false),             // 9 minutes ahead: believed
        (r#"{"t":"2026-11-21T01:20:00Z","pm25":1}"#, quality::CLOCK, true), // 20 minutes ahead
        (r#"{"t":"2026-11-19T01:00:00Z","pm10":1}"#, quality::CLOCK, true), // two days old
        (r#"{"t":"yesterday","temperature":1}"#, quality::CLOCK, true),
        (r#"{"pm25":-3}"#, quality::RANGE, true),
        (r#"{"t":"1999-01-01T00:00:00Z","pm25":1001}"#, quality::RANGE | quality::CLOCK, true),
    ];
    for (i, (payload, flags, arrival)) in payloads.iter().enumerate() {
        // Batches are listed by the time of their making.
        rig.clock.advance_seconds(1);
        let now = rig.clock_now();
        raw.publish("dev/aq-1/up", payload, i as u16 + 1).await;
        assert_eq!(raw.puback().await.1, 0);
        let last = rig.history.all().await.pop().unwrap();
        assert_eq!(last.5, *flags, "{payload}");
        assert_eq!(last.3 == now, *arrival, "{payload}");
    }
}

impl Rig {
    fn clock_now(&self) -> i64 {
        dothi_kernel::Clock::now(self.clock.as_ref()).as_microsecond()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_pipelined_messages_are_stored_exactly_once() {
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let mut options = rumqttc::MqttOptions::new("fast", "127.0.0.1", rig.address.port());
    options.set_credentials("aq-1", &secret).set_inflight(200);
    let (client, mut events) = rumqttc::AsyncClient::new(options, 1_000);
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        for i in 0..5_000 {
            client.publish("dev/aq-1/up", rumqttc::QoS::AtLeastOnce, false, format!(r#"{{"t":"{}","pm25":{}}}"#, at(i), i % 900)).await.unwrap();
        }
        client
    });
    let mut acknowledged = 0;
    while acknowledged < 5_000 {
        if let rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_)) = events.poll().await.unwrap() {
            acknowledged += 1;
        }
    }
    let took = start.elapsed();
    let _client = sender.await.unwrap();
    eprintln!("5,000 durable QoS 1 messages of one connection in {took:?}: {:.0}/s", 5_000.0 / took.as_secs_f64());
    let lines = rig.history.all().await;
    let times: HashSet<i64> = lines.iter().map(|l| l.3).collect();
    assert_eq!((lines.len(), times.len()), (5_000, 5_000));
    assert_eq!((rig.stat("stored"), rig.stat("duplicates"), rig.stat("failed")), (5_000, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivery_after_a_lost_acknowledgement_stores_nothing_twice() {
    let mut rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let user = Some(("aq-1", secret.as_str()));
    let timed = |i: usize| format!(r#"{{"t":"{}","pm25":{i}}}"#, at(i));
    let untimed = r#"{"pm25":77}"#;
    // Sent, and the line is cut without reading the acknowledgements.
    let (mut raw, _) = Raw::connect(rig.address, false, "c", false, user).await;
    for i in 1..=20 {
        raw.publish("dev/aq-1/up", &timed(i), i as u16).await;
    }
    raw.publish("dev/aq-1/up", untimed, 21).await;
    drop(raw);
    // Sent again at once, while the first may still be on its way to the disk.
    let (mut raw, _) = Raw::connect(rig.address, false, "c", false, user).await;
    for i in 1..=20u16 {
        let bytes = raw.publish_bytes("dev/aq-1/up", timed(i.into()).as_bytes(), 1, i, true, false);
        raw.write(&bytes).await;
    }
    let bytes = raw.publish_bytes("dev/aq-1/up", untimed.as_bytes(), 1, 21, true, false);
    raw.write(&bytes).await;
    for i in 1..=21 {
        assert_eq!(raw.puback().await, (i, 0));
    }
    rig.eventually("all of the first sending stored", async || rig.history.all().await.len() >= 21).await;
    assert_eq!(rig.history.all().await.len(), 21);
    // A new measurement with the same packet id and value is no repetition.
    raw.publish("dev/aq-1/up", untimed, 21).await;
    assert_eq!(raw.puback().await, (21, 0));
    assert_eq!(rig.history.all().await.len(), 22);
    drop(raw);
    // And once more after a restart, when memory has forgotten.
    rig.restart().await;
    let (mut raw, _) = Raw::connect(rig.address, false, "c", false, user).await;
    for i in [1u16, 12, 20, 21] {
        let payload = if i == 21 { untimed.to_string() } else { timed(i.into()) };
        let bytes = raw.publish_bytes("dev/aq-1/up", payload.as_bytes(), 1, i, true, false);
        raw.write(&bytes).await;
        assert_eq!(raw.puback().await, (i, 0));
    }
    assert_eq!(rig.history.all().await.len(), 22);
    // A repetition of what was never stored is stored.
    let bytes = raw.publish_bytes("dev/aq-1/up", timed(300).as_bytes(), 1, 30, true, false);
    raw.write(&bytes).await;
    assert_eq!(raw.puback().await, (30, 0));
    assert_eq!(rig.history.all().await.len(), 23);
}

/// A sink that lets through only as many as it is told to.
struct Gate {
    permits: Semaphore,
    waiting: AtomicUsize,
    most: AtomicUsize,
    fails: AtomicUsize,
}

impl Sink for Gate {
    fn accept<'a>(&'a self, _: &'a Caller, _: Option<String>, _: Vec<Reading>) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async {
            let now = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.permits.acquire().await.unwrap().forget();
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            if self.fails.load(Ordering::SeqCst) > 0 {
                return Err(Error::unavailable("test.down", "Down."));
            }
            Ok(true)
        })
    }
    fn holds<'a>(&'a self, _: &'a [Reading], _: bool) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async { Ok(false) })
    }
}

struct Gated {
    gate: Arc<Gate>,
    address: std::net::SocketAddr,
    secret: String,
    options: Options,
    _store: dothi_store::testing::TestStore,
}

async fn gated(in_flight: u16) -> Gated {
    let store = dothi_store::testing::store(&[dothi_context::MIGRATIONS]).await;
    let devices = Arc::new(Devices::open(store.store.clone()).await.unwrap());
    devices.set_profiles([profile("flat")]);
    let secret = devices.register(&system(store.clock.as_ref()), new_device("d", "flat")).await.unwrap().secret;
    let gate = Arc::new(Gate { permits: Semaphore::new(0), waiting: AtomicUsize::new(0), most: AtomicUsize::new(0), fails: AtomicUsize::new(0) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = Options { limits: Limits { in_flight, ..Limits::default() }, ..Options::default() };
    tokio::spawn(mqtt::run(devices, gate.clone(), listener, options.clone(), CancellationToken::new()));
    Gated { gate, address, secret, options, _store: store }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_before_it_is_durable_and_order_is_kept() {
    let g = gated(100).await;
    let (mut raw, _) = Raw::connect(g.address, true, "c", true, Some(("d", &g.secret))).await;
    for i in 1..=50u16 {
        raw.publish("dev/d/up", &format!(r#"{{"pm25":{i}}}"#), i).await;
    }
    // All are under way at the same time, none is acknowledged, and the connection is alive.
    until(async || g.gate.waiting.load(Ordering::SeqCst) == 50).await;
    raw.ping().await;
    assert!(raw.is_quiet(Duration::from_millis(200)).await);
    g.gate.permits.add_permits(50);
    for i in 1..=50 {
        assert_eq!(raw.puback().await, (i, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_stops_reading_instead_of_growing() {
    let g = gated(16).await;
    let (mut raw, _) = Raw::connect(g.address, false, "c", true, Some(("d", &g.secret))).await;
    for i in 1..=500u16 {
        raw.publish("dev/d/up", &format!(r#"{{"pm25":{i}}}"#), i).await;
    }
    until(async || g.gate.waiting.load(Ordering::SeqCst) == 16).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(g.gate.most.load(Ordering::SeqCst), 16);
    g.gate.permits.add_permits(500);
    for i in 1..=500 {
        assert_eq!(raw.puback().await, (i, 0));
    }
    assert_eq!(g.gate.most.load(Ordering::SeqCst), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_stored_is_not_acknowledged() {
    let g = gated(16).await;
    g.gate.fails.store(1, Ordering::SeqCst);
    g.gate.permits.add_permits(10);
    let (mut raw, _) = Raw::connect(g.address, true, "c", true, Some(("d", &g.secret))).await;
    raw.publish("dev/d/up", r#"{"pm25":1}"#, 1).await;
    let (kind, body) = raw.read().await.expect("a DISCONNECT");
    assert_eq!((kind, body[0]), (0xE0, 0x89), "server busy");
    assert!(raw.read().await.is_none());
    g.gate.fails.store(0, Ordering::SeqCst);
    let (mut raw, _) = Raw::connect(g.address, true, "c", false, Some(("d", &g.secret))).await;
    let again = raw.publish_bytes("dev/d/up", br#"{"pm25":1}"#, 1, 1, true, false);
    raw.write(&again).await;
    assert_eq!(raw.puback().await, (1, 0));
    assert_eq!(g.options.stats.snapshot().iter().find(|(n, _)| *n == "stored").unwrap().1, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_hear_only_what_is_meant_for_them() {
    let rig = Rig::new().await;
    let (one, two) = (rig.device("aq-1", "flat").await, rig.device("aq-2", "flat").await);
    for (five, refused) in [(true, 0x87), (false, 0x80)] {
        let (mut raw, _) = Raw::connect(rig.address, five, "c", true, Some(("aq-1", &one))).await;
        for filter in ["#", "dev/+/up", "dev/aq-2/down/#", "dev/aq-1/#", "dev/+/down/#", "+/aq-1/down/#"] {
            assert_eq!(raw.subscribe(filter).await, refused, "{filter}");
        }
        assert_eq!(raw.subscribe("dev/aq-1/down/#").await, 1);
        let (mut program, _) = Raw::connect(rig.address, five, "p", true, None).await;
        program.publish("dev/aq-2/down/set", "two", 1).await;
        program.publish("dev/aq-1/down/set", "one", 2).await;
        assert_eq!(raw.message().await.0, "dev/aq-1/down/set");
        assert!(raw.is_quiet(Duration::from_millis(100)).await);
    }
    // A program hears everything.
    let (mut program, _) = Raw::connect(rig.address, true, "p2", true, None).await;
    assert_eq!(program.subscribe("dev/+/up").await, 1);
    let (mut raw, _) = Raw::connect(rig.address, false, "c2", true, Some(("aq-2", &two))).await;
    raw.publish("dev/aq-2/up", r#"{"pm25":5}"#, 1).await;
    assert_eq!(program.message().await, ("dev/aq-2/up".into(), r#"{"pm25":5}"#.into(), 0x32));
    // Refused messages are not passed on.
    raw.publish("dev/aq-2/up", "rubbish", 2).await;
    raw.publish("dev/aq-1/up", r#"{"pm25":6}"#, 3).await;
    raw.publish("dev/aq-2/up", r#"{"pm25":7}"#, 4).await;
    assert_eq!(program.message().await.1, r#"{"pm25":7}"#);
}

struct Tokens;

#[async_trait]
impl Programs for Tokens {
    async fn caller(&self, token: &str, _: std::net::IpAddr) -> Result<Caller> {
        let permissions = match token {
            "reader" => [Permission::ContextRead].into(),
            "writer" => [Permission::ContextWrite].into(),
            _ => return Err(Error::unauthenticated("access.token", "No such token.")),
        };
        let grant = Grant { role: "t".into(), unit: "u".into(), permissions, units: None, sectors: None };
        let mut caller = Caller::anonymous(&dothi_kernel::SystemClock, None);
        (caller.kind, caller.name, caller.grants) = (CallerKind::Program, token.into(), Arc::new([grant]));
        Ok(caller)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_and_who_does_not() {
    let rig = Rig::with(Options { programs: Some(Arc::new(Tokens)), ..Options::default() }).await;
    let secret = rig.device("aq-1", "flat").await;
    for (user, five, code) in [
        (None, true, 0x87),
        (None, false, 5),
        (Some(("aq-1", "wrong")), true, 0x86),
        (Some(("aq-1", "wrong")), false, 4),
        (Some(("aq-9", secret.as_str())), false, 4),
        (Some(("x", "reader")), false, 0),
        (Some(("aq-1", secret.as_str())), true, 0),
    ] {
        let (_, hello) = Raw::connect(rig.address, five, "c", true, user).await;
        assert_eq!(hello[1], code, "{user:?}");
    }
    let (mut reader, _) = Raw::connect(rig.address, true, "r", true, Some(("x", "reader"))).await;
    assert_eq!(reader.subscribe("#").await, 1);
    reader.publish("dev/aq-1/up", r#"{"pm25":1}"#, 1).await;
    assert_eq!(reader.puback().await, (1, 0x87));
    let (mut writer, _) = Raw::connect(rig.address, true, "w", true, Some(("x", "writer"))).await;
    assert_eq!(writer.subscribe("#").await, 0x87);
    writer.publish("dev/aq-1/up", r#"{"pm25":1}"#, 1).await;
    assert_eq!(writer.puback().await, (1, 0));
    writer.publish("dev/aq-1/down/x", "1", 2).await;
    assert_eq!(writer.puback().await, (2, 0x87), "commands need more than writing");
    assert_eq!(reader.message().await.0, "dev/aq-1/up");
    // A renewed secret ends connections made with the old one.
    let (mut device, _) = Raw::connect(rig.address, true, "d", true, Some(("aq-1", &secret))).await;
    rig.context.devices().renew_secret(&rig.system(), "aq-1").await.unwrap();
    let (kind, body) = device.read().await.expect("a DISCONNECT");
    assert_eq!((kind, body[0]), (0xE0, 0x98));
    let (_, hello) = Raw::connect(rig.address, true, "d", true, Some(("aq-1", &secret))).await;
    assert_eq!(hello[1], 0x86);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_speak_for_many_devices() {
    let rig = Rig::new().await;
    let own = rig.device("lora-1", "gateway").await;
    rig.device("lora-2", "gateway").await;
    let (mut raw, _) = Raw::connect(rig.address, true, "gw", true, None).await;
    let payload = r#"{"ids":{"device":"lora-2"},"at":1795222740000,"message":{"values":[{"v":123}]}}"#;
    raw.publish("v3/app/devices/lora-1/up", payload, 1).await;
    assert_eq!(raw.puback().await, (1, 0));
    raw.publish("named/up", payload, 2).await;
    assert_eq!(raw.puback().await, (2, 0));
    raw.publish("named/up", r#"{"ids":{"device":"who"}}"#, 3).await;
    assert_eq!(raw.puback().await, (3, 0x90));
    for id in ["lora-1", "lora-2"] {
        let thing = rig.context.thing(&rig.system(), &format!("urn:ngsi-ld:AirQualityObserved:{id}")).unwrap();
        assert_eq!(thing.attributes["pm25"].value, 61.5, "{id}");
        assert_eq!(thing.observed_at.unwrap().to_string(), T);
    }
    // A device under its profile's topic: its own, not another's.
    let (mut raw, _) = Raw::connect(rig.address, true, "d", true, Some(("lora-1", &own))).await;
    raw.publish("v3/app/devices/lora-1/up", &payload.replace("123", "124"), 1).await;
    assert_eq!(raw.puback().await, (1, 0));
    raw.publish("v3/app/devices/lora-2/up", payload, 2).await;
    assert_eq!(raw.puback().await, (2, 0x87));
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_messages_wills_and_waiting_messages() {
    let mut rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let user = Some(("aq-1", secret.as_str()));
    let (mut program, _) = Raw::connect(rig.address, false, "p", true, None).await;
    let retained = program.publish_bytes("dev/aq-1/down/config", b"every=60", 1, 1, false, true);
    program.write(&retained).await;
    assert_eq!(program.puback().await, (1, 0));
    rig.restart().await;
    let (mut raw, _) = Raw::connect(rig.address, false, "c", false, user).await;
    assert_eq!(raw.subscribe("dev/aq-1/down/#").await, 1);
    assert_eq!(raw.message().await, ("dev/aq-1/down/config".into(), "every=60".into(), 0x33), "kept over the restart, marked as retained");
    // The answer shows that our acknowledgement was read.
    raw.ping().await;
    drop(raw);
    // Away: messages of QoS 1 wait.
    let (mut program, _) = Raw::connect(rig.address, false, "p", true, None).await;
    rig.eventually("the device is away", async || !rig.context.devices().get(&rig.system(), "aq-1").unwrap().connected).await;
    for i in 1..=3u16 {
        program.publish("dev/aq-1/down/x", &i.to_string(), i).await;
        assert_eq!(program.puback().await, (i, 0));
    }
    let (mut raw, hello) = Raw::connect(rig.address, false, "c", false, user).await;
    assert_eq!(hello, [1, 0], "the session is there");
    for i in 1..=3 {
        assert_eq!(raw.message().await, ("dev/aq-1/down/x".into(), i.to_string(), 0x32));
    }
    raw.ping().await;
    // Not acknowledged: comes again, marked.
    program.publish("dev/aq-1/down/y", "again", 4).await;
    let (kind, _) = raw.read().await.unwrap();
    assert_eq!(kind, 0x32);
    drop(raw);
    let (mut raw, _) = Raw::connect(rig.address, false, "c", false, user).await;
    assert_eq!(raw.message().await, ("dev/aq-1/down/y".into(), "again".into(), 0x3A));
    // A second connection of the same client takes over.
    let (_second, hello) = Raw::connect(rig.address, false, "c", false, user).await;
    assert_eq!(hello, [1, 0]);
    assert!(raw.read().await.is_none());
    // An empty retained message removes it.
    let gone = program.publish_bytes("dev/aq-1/down/config", b"", 1, 9, false, true);
    assert_eq!(program.puback().await, (4, 0));
    program.write(&gone).await;
    assert_eq!(program.puback().await, (9, 0));
    let (mut fresh, _) = Raw::connect(rig.address, false, "c9", true, user).await;
    assert_eq!(fresh.subscribe("dev/aq-1/down/#").await, 1);
    assert!(fresh.is_quiet(Duration::from_millis(100)).await);
    assert_eq!(rig.store.rows("select topic from context_retained", vec![]).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_is_published_when_the_line_breaks() {
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let (mut program, _) = Raw::connect(rig.address, true, "p", true, None).await;
    assert_eq!(program.subscribe("dev/+/status").await, 1);
    for clean_end in [true, false] {
        let mut options = rumqttc::v5::MqttOptions::new("w", "127.0.0.1", rig.address.port());
        options.set_credentials("aq-1", &secret);
        options.set_last_will(rumqttc::v5::mqttbytes::v5::LastWill::new("dev/aq-1/status", "gone", rumqttc::v5::mqttbytes::QoS::AtLeastOnce, false, None));
        let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 10);
        loop {
            if let rumqttc::v5::Event::Incoming(rumqttc::v5::Incoming::ConnAck(_)) = events.poll().await.unwrap() {
                break;
            }
        }
        if clean_end {
            client.disconnect().await.unwrap();
            while events.poll().await.is_ok() {}
            assert!(program.is_quiet(Duration::from_millis(150)).await);
        } else {
            drop(events);
            assert_eq!(program.message().await.1, "gone");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quality_of_service_two_is_taken_in_once() {
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let user = Some(("aq-1", secret.as_str()));
    let (mut raw, _) = Raw::connect(rig.address, false, "c", false, user).await;
    let message = raw.publish_bytes("dev/aq-1/up", br#"{"pm25":3}"#, 2, 5, false, false);
    raw.write(&message).await;
    assert_eq!(raw.read().await.unwrap(), (0x50, vec![0, 5]), "PUBREC");
    assert_eq!(rig.history.all().await.len(), 1);
    drop(raw);
    let (mut raw, _) = Raw::connect(rig.address, false, "c", false, user).await;
    let again = raw.publish_bytes("dev/aq-1/up", br#"{"pm25":3}"#, 2, 5, true, false);
    raw.write(&again).await;
    assert_eq!(raw.read().await.unwrap(), (0x50, vec![0, 5]));
    raw.write(&[0x62, 2, 0, 5]).await;
    assert_eq!(raw.read().await.unwrap(), (0x70, vec![0, 5]), "PUBCOMP");
    assert_eq!(rig.history.all().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_too_slow_and_too_many() {
    let limits = Limits { hello: Duration::from_millis(200), connections: 3, ..Limits::default() };
    let rig = Rig::with(Options { trust_loopback: true, limits, ..Options::default() }).await;
    let (mut raw, _) = Raw::connect(rig.address, true, "c", true, None).await;
    let huge = raw.publish_bytes("x", &vec![b'x'; 300_000], 1, 1, false, false);
    raw.write(&huge[..100]).await;
    let (kind, body) = raw.read().await.expect("a DISCONNECT");
    assert_eq!((kind, body[0]), (0xE0, 0x95), "packet too large, told after the first bytes");
    // Silence before CONNECT.
    let mut silent = Raw::open(rig.address, true).await;
    assert!(silent.read().await.is_none());
    rig.eventually("all are gone", async || rig.stat("connections") == 0).await;
    let mut open = Vec::new();
    for i in 0..3 {
        open.push(Raw::connect(rig.address, false, &format!("c{i}"), true, None).await);
    }
    assert!(Raw::open(rig.address, false).await.read().await.is_none(), "the fourth is turned away");
    // A client that does not read what it asked for is sent away, and the broker lives on.
    let (mut slow, _) = open.pop().unwrap();
    assert_eq!(slow.subscribe("flood").await, 1);
    let (mut fast, _) = open.pop().unwrap();
    let payload = vec![b'x'; 60_000];
    for i in 1..=400u16 {
        let bytes = fast.publish_bytes("flood", &payload, 1, i, false, false);
        fast.write(&bytes).await;
        assert_eq!(fast.puback().await.0, i);
    }
    assert!(rig.stat("dropped") > 0);
    fast.ping().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_beyond_keep_alive_ends_the_connection() {
    let rig = Rig::new().await;
    let mut raw = Raw::open(rig.address, false).await;
    // CONNECT with a keep-alive of one second.
    raw.write(&[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 1, 0, 1, b'k']).await;
    assert_eq!(raw.read().await.unwrap().0, 0x20);
    let start = Instant::now();
    assert!(raw.read().await.is_none());
    assert!((1.0..6.0).contains(&start.elapsed().as_secs_f64()));
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_clients_talk_to_it() {
    if !["mosquitto_pub", "mosquitto_sub"].iter().all(|b| std::path::Path::new("/usr/bin").join(b).exists()) {
        eprintln!("SKIPPED: no mosquitto clients (Debian: apt-get install mosquitto-clients)");
        return;
    }
    let rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let port = rig.address.port().to_string();
    let sub = |version: &str| {
        tokio::process::Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &port, "-V", version, "-t", "dev/+/up", "-q", "1", "-C", "2", "-W", "20"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    for (round, version) in ["311", "5"].into_iter().enumerate() {
        let before = rig.stat("accepted");
        let listener = sub(version);
        rig.eventually("the listener is there", async || rig.stat("accepted") > before && rig.stat("sessions") > 0).await;
        // Its subscription follows its connection at once; nothing outside tells when it is in force.
        tokio::time::sleep(Duration::from_millis(500)).await;
        for i in 0..2 {
            let payload = format!(r#"{{"pm25":{}}}"#, round * 10 + i);
            let status = tokio::process::Command::new("mosquitto_pub")
                .args(["-h", "127.0.0.1", "-p", &port, "-V", version, "-u", "aq-1", "-P", &secret, "-i", "m", "-q", "1", "-t", "dev/aq-1/up", "-m", &payload])
                .status()
                .await
                .unwrap();
            assert!(status.success());
        }
        let heard = listener.wait_with_output().await.unwrap();
        let wanted = format!("{{\"pm25\":{}}}\n{{\"pm25\":{}}}\n", round * 10, round * 10 + 1);
        assert_eq!(String::from_utf8_lossy(&heard.stdout), wanted);
    }
    assert_eq!(rig.history.all().await.len(), 4);
}

#[test]
fn random_bytes_never_kill_the_server() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rig = runtime.block_on(Rig::new());
    // After a good CONNECT, so that deeper states are reached too.
    let hello: &[u8] = &[0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 60, 0, 0, 1, b'z'];
    let old: &[u8] = &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'z'];
    let packets = proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..20);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&(0..3u8, packets, proptest::collection::vec(any::<u8>(), 0..60)), |(first, packets, tail)| {
            runtime.block_on(async {
                let mut stream = tokio::net::TcpStream::connect(rig.address).await.unwrap();
                let mut bytes = match first {
                    0 => Vec::new(),
                    1 => hello.to_vec(),
                    _ => old.to_vec(),
                };
                for (kind, body) in &packets {
                    bytes.push(*kind);
                    bytes.push(body.len() as u8);
                    bytes.extend_from_slice(body);
                }
                bytes.extend_from_slice(&tail);
                // The server may hang up in the middle.
                let _written = tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes).await;
                let _closed = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        let (mut raw, hello) = Raw::connect(rig.address, true, "alive", true, None).await;
        assert_eq!(hello[1], 0);
        raw.ping().await;
        rig.eventually("the others are gone", async || rig.stat("connections") == 1).await;
    });
}

/// What the standard says, slowly.
fn slow(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", f @ ..], [_, t @ ..]) => slow(f, t),
        ([a, f @ ..], [b, t @ ..]) => a == b && slow(f, t),
        _ => false,
    }
}

fn level() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".to_string()), Just("b".to_string()), Just(String::new())]
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![3 => level(), 1 => Just("+".to_string())];
    (proptest::collection::vec(level, 1..5), any::<bool>()).prop_map(|(mut levels, all)| {
        if all {
            levels.push("#".into());
        }
        levels.join("/")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matching_agrees_with_the_standard(filters in proptest::collection::vec(filter(), 1..12), topic in proptest::collection::vec(level(), 1..6)) {
        let topic = topic.join("/");
        let levels: Vec<&str> = topic.split('/').collect();
        let mut tree: Tree<usize, ()> = Tree::default();
        for (i, filter) in filters.iter().enumerate() {
            let expected = slow(&filter.split('/').collect::<Vec<_>>(), &levels);
            prop_assert_eq!(topics::matches(filter, &topic), expected, "{} {}", filter, topic);
            tree.insert(filter, i, ());
        }
        let mut found = Vec::new();
        tree.find(&topic, &mut |i, ()| found.push(*i));
        found.sort_unstable();
        let expected: Vec<usize> = (0..filters.len()).filter(|i| topics::matches(&filters[*i], &topic)).collect();
        prop_assert_eq!(found, expected);
        for (i, filter) in filters.iter().enumerate() {
            tree.remove(filter, &i);
        }
        prop_assert!(tree.is_empty(), "removing leaves nothing behind");
    }

    #[test]
    fn covering_means_matching_at_least_as_much(wider in filter(), narrower in filter(), topic in proptest::collection::vec(level(), 1..6)) {
        let topic = topic.join("/");
        if topics::covers(&wider, &narrower) && topics::matches(&narrower, &topic) {
            prop_assert!(topics::matches(&wider, &topic), "{} {} {}", wider, narrower, topic);
        }
    }
}
