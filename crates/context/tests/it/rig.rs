//! What the tests of devices and MQTT stand on: a city model on a fresh store, a broker on a free port, and a client
//! that speaks raw packets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dothi_context::Context;
use dothi_context::decode::DeviceProfile;
use dothi_context::devices::NewDevice;
use dothi_context::mqtt::{self, Options};
use dothi_context::pack::ContextPack;
use dothi_kernel::history::{Point, QueryLimits, SeriesQuery, StepValue, Steps, StepsQuery, Table};
use dothi_kernel::{Caller, Clock, Directory, Error, History, Observation, Place, Result, UnitRef};
use dothi_store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub const PACK: &str = r#"
[[type]]
type = "AirQualityObserved"
name = "Trạm không khí"
silent_after = 7200

[[profile]]
name = "flat"
title = "Phẳng"
type = "AirQualityObserved"
time = { path = "t" }
max_age_s = 86400
battery = "bat"
battery_factor = 0.01
attributes = [
  { name = "pm25", unit = "GQ", min = 0, max = 1000 },
  { name = "pm10", unit = "GQ", min = 0, max = 2000 },
  { name = "temperature", unit = "CEL", min = -40, max = 60 },
]

[[profile]]
name = "gateway"
title = "Cổng"
type = "AirQualityObserved"
topics = ["v3/+/devices/{device}/up", "named/up"]
device = "ids.device"
time = { path = "at", format = "unix-ms" }
attributes = [{ name = "pm25", path = "message.values.0.v", factor = 0.5, unit = "GQ" }]
"#;

/// History that lives in the store's pending batches, as JSON.
pub struct PendingHistory(pub Store);

pub type Line = (String, String, String, i64, serde_json::Value, u16);

impl PendingHistory {
    pub async fn all(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (id, _) in self.0.pending_ids(100_000).await.expect("batches") {
            if let Some(batch) = self.0.pending(id).await.expect("a batch") {
                lines.extend(serde_json::from_slice::<Vec<Line>>(&batch.bytes).expect("our own bytes"));
            }
        }
        lines
    }
}

#[async_trait]
impl History for PendingHistory {
    fn encode(&self, batch: &[Observation]) -> Result<Vec<u8>> {
        let lines: Vec<Line> = batch
            .iter()
            .map(|o| (o.entity.to_string(), o.kind.to_string(), o.attribute.to_string(), o.t, serde_json::to_value(&o.value).expect("a value"), o.quality))
            .collect();
        serde_json::to_vec(&lines).map_err(|e| Error::internal("encoding", e))
    }
    fn decode(&self, _: &[u8]) -> Result<Vec<Observation>> {
        Ok(Vec::new())
    }
    async fn latest(&self, _: &str, _: &str) -> Result<Option<Point>> {
        Ok(None)
    }
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Point>> {
        let fits = |l: &Line| l.0 == query.entity && l.2 == query.attribute && (query.from..query.to).contains(&l.3);
        // The later value of the same instant counts; a deleted one is none.
        let mut points = std::collections::BTreeMap::new();
        for line in self.all().await.into_iter().filter(fits) {
            let value = serde_json::from_value(line.4).expect("our own value");
            points.insert(line.3, Point { t: line.3, value, min: None, max: None, count: None, quality: line.5 });
        }
        let mut points: Vec<Point> = points.into_values().filter(|p| p.quality & dothi_kernel::value::quality::DELETED == 0).collect();
        if let Some(width) = query.bucket_s.map(|s| i64::from(s) * 1_000_000) {
            let mut buckets: Vec<Point> = Vec::new();
            for point in points.iter().filter(|p| p.value.number().is_some()) {
                let start = point.t.div_euclid(width) * width;
                match buckets.last_mut().filter(|b| b.t == start) {
                    Some(bucket) => bucket.count = bucket.count.map(|n| n + 1),
                    None => buckets.push(Point { t: start, count: Some(1), ..point.clone() }),
                }
            }
            points = buckets;
        }
        let from = points.len().saturating_sub(query.limit);
        Ok(points.split_off(from))
    }
    async fn steps(&self, query: &StepsQuery) -> Result<Steps> {
        let mut found = std::collections::BTreeMap::new();
        let last = query.ends.last().copied().unwrap_or(i64::MIN);
        for line in self.all().await.into_iter().filter(|l| query.kinds.contains(&l.1) && l.2 == query.attribute && l.3 > query.after && l.3 <= last) {
            let step = query.ends.iter().take_while(|end| **end < line.3).count() as u32;
            let value: dothi_kernel::Value = serde_json::from_value(line.4).expect("our own value");
            let slot = found.entry((line.0, step)).or_insert((line.3, value.clone()));
            if line.3 >= slot.0 {
                *slot = (line.3, value);
            }
        }
        let mut steps = Steps::new();
        for ((entity, step), (t, value)) in found {
            steps.entry(entity.into()).or_default().push(StepValue { step, t, value });
        }
        Ok(steps)
    }
    async fn table(&self, _: &str, _: QueryLimits) -> Result<Table> {
        Ok(Table { columns: Vec::new(), rows: Vec::new(), truncated: false })
    }
}

/// No places.
pub struct Nowhere;

impl Directory for Nowhere {
    fn locate(&self, _: dothi_kernel::geo::Point) -> Option<Place> {
        None
    }
    fn commune(&self, _: &str) -> Option<Place> {
        None
    }
    fn organisation_for(&self, _: &str, _: &str) -> Option<UnitRef> {
        None
    }
    fn unit(&self, _: &str) -> Option<UnitRef> {
        None
    }
    fn is_within(&self, _: &str, _: &str) -> bool {
        false
    }
    fn communes(&self, _: &str) -> Vec<UnitRef> {
        Vec::new()
    }
    fn home(&self) -> String {
        "33".into()
    }
}

pub fn system(clock: &dyn Clock) -> Caller {
    Caller::system("test", clock)
}

/// A device to register, without anything that can be left out.
pub fn new_device(id: &str, profile: &str) -> NewDevice {
    NewDevice {
        id: id.into(),
        name: format!("Thiết bị {id}"),
        profile: profile.into(),
        entity: None,
        transport: Default::default(),
        location: None,
        area: None,
        groups: Vec::new(),
    }
}

pub fn profile(name: &str) -> DeviceProfile {
    pack().profiles.into_iter().find(|p| p.name == name).expect("the profile")
}

pub fn pack() -> ContextPack {
    ContextPack::load(&[("context/a.toml".into(), PACK.into())]).expect("the pack is sound")
}

/// A running broker with all around it.
pub struct Rig {
    pub context: Arc<Context>,
    pub history: PendingHistory,
    pub options: Options,
    pub address: SocketAddr,
    pub clock: Arc<dothi_kernel::FakeClock>,
    pub store: Store,
    _folder: tempfile::TempDir,
    stop: CancellationToken,
    broker: Option<tokio::task::JoinHandle<Result<()>>>,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(Options { trust_loopback: true, ..Options::default() }).await
    }

    pub async fn with(options: Options) -> Self {
        let test = dothi_store::testing::store(&[dothi_context::MIGRATIONS]).await;
        let dothi_store::testing::TestStore { store, clock, folder, .. } = test;
        let context = Self::context(&store).await;
        context.install(&system(clock.as_ref()), "test", pack()).await.expect("the pack installs");
        let mut rig = Self {
            context,
            history: PendingHistory(store.clone()),
            options,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            clock,
            store,
            _folder: folder,
            stop: CancellationToken::new(),
            broker: None,
        };
        rig.start().await;
        rig
    }

    async fn context(store: &Store) -> Arc<Context> {
        Arc::new(Context::open(store.clone(), Arc::new(PendingHistory(store.clone())), Arc::new(Nowhere), Default::default()).await.expect("opens"))
    }

    async fn start(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        self.address = listener.local_addr().expect("an address");
        self.stop = CancellationToken::new();
        self.broker = Some(tokio::spawn(mqtt::serve(self.context.clone(), listener, self.options.clone(), self.stop.clone())));
    }

    /// Stops the broker and the city model and starts both anew on the same store, as a restart would.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.context = Self::context(&self.store).await;
        self.start().await;
    }

    pub async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(broker) = self.broker.take() {
            broker.await.expect("no panic").expect("ends well");
        }
    }

    /// Registers a device; its secret.
    pub async fn device(&self, id: &str, profile: &str) -> String {
        self.context.add_device(&system(self.clock.as_ref()), new_device(id, profile)).await.expect("registers").secret
    }

    pub fn stat(&self, name: &str) -> u64 {
        self.options.stats.snapshot().into_iter().find(|(n, _)| *n == name).map(|(_, v)| v).expect("a counter of that name")
    }

    pub fn system(&self) -> Caller {
        system(self.clock.as_ref())
    }

    /// Waits until something holds; fails after a minute.
    pub async fn eventually(&self, what: &str, holds: impl AsyncFn() -> bool) {
        assert!(comes_about(holds).await, "never happened: {what}; counters: {:?}", self.options.stats.snapshot());
    }
}

/// Whether something holds within a minute: the bound ends what never happens, it measures nothing.
async fn comes_about(mut holds: impl AsyncFnMut() -> bool) -> bool {
    let begun = std::time::Instant::now();
    while !holds().await {
        if begun.elapsed() > Duration::from_secs(60) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}

/// Waits until something holds; fails after a minute.
pub async fn until(holds: impl AsyncFnMut() -> bool) {
    assert!(comes_about(holds).await, "it did not come about");
}

/// A message as it came.
#[derive(Debug)]
pub struct Publication {
    pub first: u8,
    pub topic: String,
    pub id: u16,
    pub props: Vec<u8>,
    pub payload: String,
}

/// A client that writes and reads bare packets of version 3.1.1 or 5.
pub struct Raw {
    stream: TcpStream,
    five: bool,
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&u16::try_from(text.len()).expect("short").to_be_bytes());
    out.extend_from_slice(text);
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut left = body.len();
    loop {
        let more = left >= 128;
        out.push((left % 128) as u8 | if more { 128 } else { 0 });
        left /= 128;
        if !more {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

impl Raw {
    pub async fn open(address: SocketAddr, five: bool) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("connects"), five }
    }

    /// Connects and returns the client and the CONNACK's body.
    pub async fn connect(address: SocketAddr, five: bool, client: &str, clean: bool, user: Option<(&str, &str)>) -> (Self, Vec<u8>) {
        let mut raw = Self::open(address, five).await;
        let mut body = Vec::new();
        string(&mut body, b"MQTT");
        body.push(if five { 5 } else { 4 });
        body.push(u8::from(clean) << 1 | if user.is_some() { 0xC0 } else { 0 });
        body.extend_from_slice(&60u16.to_be_bytes());
        if five {
            // Session expiry of ten minutes, so that sessions last as in version 3.
            body.extend_from_slice(&[5, 17, 0, 0, 2, 88]);
        }
        string(&mut body, client.as_bytes());
        if let Some((user, password)) = user {
            string(&mut body, user.as_bytes());
            string(&mut body, password.as_bytes());
        }
        raw.write(&packet(0x10, &body)).await;
        let (kind, answer) = raw.read().await.expect("a CONNACK");
        assert_eq!(kind >> 4, 2, "CONNACK expected");
        (raw, answer)
    }

    /// Connects with properties of version 5 (their bytes, without length); the CONNACK's body.
    pub async fn connect_with(address: SocketAddr, client: &str, clean: bool, props: &[u8], will: Option<(&str, u32)>) -> (Self, Vec<u8>) {
        let mut raw = Self::open(address, true).await;
        let mut body = Vec::new();
        string(&mut body, b"MQTT");
        body.extend_from_slice(&[5, u8::from(clean) << 1 | if will.is_some() { 0x0C } else { 0 }, 0, 60, u8::try_from(props.len()).expect("short")]);
        body.extend_from_slice(props);
        string(&mut body, client.as_bytes());
        if let Some((topic, delay)) = will {
            body.extend_from_slice(&[5, 24]);
            body.extend_from_slice(&delay.to_be_bytes());
            string(&mut body, topic.as_bytes());
            string(&mut body, b"gone");
        }
        raw.write(&packet(0x10, &body)).await;
        let (kind, answer) = raw.read().await.expect("a CONNACK");
        assert_eq!(kind >> 4, 2, "CONNACK expected");
        (raw, answer)
    }

    /// A packet of any kind.
    pub async fn say(&mut self, first: u8, body: &[u8]) {
        self.write(&packet(first, body)).await;
    }

    /// Subscribes with an option byte and, in version 5, an identifier; returns the code.
    pub async fn subscribe_with(&mut self, filter: &str, options: u8, id: Option<u8>) -> u8 {
        let mut body = vec![0, 9];
        match (self.five, id) {
            (true, Some(id)) => body.extend_from_slice(&[2, 11, id]),
            (true, None) => body.push(0),
            _ => {}
        }
        string(&mut body, filter.as_bytes());
        body.push(options);
        self.say(0x82, &body).await;
        let (kind, answer) = self.read().await.expect("a SUBACK");
        assert_eq!(kind >> 4, 9, "SUBACK expected, got {kind:#x}");
        *answer.last().expect("a code")
    }

    /// Publishes with properties of version 5 (their bytes, without length).
    pub async fn publish_with(&mut self, topic: &str, payload: &str, first: u8, id: u16, props: &[u8]) {
        let mut body = Vec::new();
        string(&mut body, topic.as_bytes());
        if first & 6 != 0 {
            body.extend_from_slice(&id.to_be_bytes());
        }
        body.push(u8::try_from(props.len()).expect("short"));
        body.extend_from_slice(props);
        body.extend_from_slice(payload.as_bytes());
        self.say(first, &body).await;
    }

    /// Reads a PUBLISH and acknowledges nothing.
    pub async fn publication(&mut self) -> Publication {
        let (first, body) = self.read().await.expect("a PUBLISH");
        assert_eq!(first >> 4, 3, "PUBLISH expected, got {first:#x}");
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..2 + length].to_vec()).expect("text");
        let mut at = 2 + length;
        let id = (first & 6 != 0).then(|| u16::from_be_bytes([body[at], body[at + 1]]));
        at += if id.is_some() { 2 } else { 0 };
        let mut props = Vec::new();
        if self.five {
            let end = at + 1 + usize::from(body[at]);
            props = body[at + 1..end].to_vec();
            at = end;
        }
        Publication { first, topic, id: id.unwrap_or(0), props, payload: String::from_utf8_lossy(&body[at..]).into_owned() }
    }

    /// Reads an answer to a packet id: its kind, the id and the reason.
    pub async fn answer(&mut self) -> (u8, u16, u8) {
        let (first, body) = self.read().await.expect("an answer");
        (first, u16::from_be_bytes([body[0], body[1]]), body.get(2).copied().unwrap_or(0))
    }

    /// Answers to a packet id.
    pub async fn reply(&mut self, first: u8, id: u16) {
        self.say(first, &id.to_be_bytes()).await;
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("writes");
    }

    pub fn publish_bytes(&self, topic: &str, payload: &[u8], qos: u8, id: u16, dup: bool, retain: bool) -> Vec<u8> {
        let mut body = Vec::new();
        string(&mut body, topic.as_bytes());
        if qos > 0 {
            body.extend_from_slice(&id.to_be_bytes());
        }
        if self.five {
            body.push(0);
        }
        body.extend_from_slice(payload);
        packet(0x30 | u8::from(dup) << 3 | qos << 1 | u8::from(retain), &body)
    }

    pub async fn publish(&mut self, topic: &str, payload: &str, id: u16) {
        let bytes = self.publish_bytes(topic, payload.as_bytes(), 1, id, false, false);
        self.write(&bytes).await;
    }

    /// Subscribes at QoS 1 and returns the code.
    pub async fn subscribe(&mut self, filter: &str) -> u8 {
        let mut body = vec![0, 9];
        if self.five {
            body.push(0);
        }
        string(&mut body, filter.as_bytes());
        body.push(1);
        self.write(&packet(0x82, &body)).await;
        let (kind, answer) = self.read().await.expect("a SUBACK");
        assert_eq!(kind >> 4, 9, "SUBACK expected");
        *answer.last().expect("a code")
    }

    /// The next packet: first byte and body. None when the connection ends.
    pub async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        tokio::time::timeout(Duration::from_secs(20), self.read_open()).await.expect("an answer within 20 seconds")
    }

    async fn read_open(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte & 128 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((first, body))
    }

    /// Reads a PUBACK: packet id and reason.
    pub async fn puback(&mut self) -> (u16, u8) {
        let (kind, body) = self.read().await.expect("a PUBACK");
        assert_eq!(kind >> 4, 4, "PUBACK expected, got {kind:#x}");
        (u16::from_be_bytes([body[0], body[1]]), body.get(2).copied().unwrap_or(0))
    }

    /// Reads a PUBLISH: topic, payload, first byte; acknowledges QoS 1.
    pub async fn message(&mut self) -> (String, String, u8) {
        let (kind, body) = self.read().await.expect("a PUBLISH");
        assert_eq!(kind >> 4, 3, "PUBLISH expected, got {kind:#x}");
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..2 + length].to_vec()).expect("text");
        let mut at = 2 + length;
        if kind & 6 != 0 {
            let ack = packet(0x40, &body[at..at + 2]);
            at += 2;
            self.write(&ack).await;
        }
        if self.five {
            at += 1 + usize::from(body[at]);
        }
        (topic, String::from_utf8_lossy(&body[at..]).into_owned(), kind)
    }

    /// Whether nothing comes for a while.
    pub async fn is_quiet(&mut self, during: Duration) -> bool {
        tokio::time::timeout(during, self.stream.read_u8()).await.is_err()
    }

    /// A ping and its answer.
    pub async fn ping(&mut self) {
        self.write(&[0xC0, 0]).await;
        let (kind, _) = self.read().await.expect("a PINGRESP");
        assert_eq!(kind, 0xD0);
    }
}
