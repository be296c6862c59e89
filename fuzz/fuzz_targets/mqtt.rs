//! MQTT: any bytes a client may send, alone or after a good CONNECT of either version, against a whole broker; and topic
//! filters against a slow reading of the standard.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dothi_context::devices::{Devices, Sink};
use dothi_context::model::Reading;
use dothi_context::mqtt::topics::{Tree, matches, valid_filter, valid_name};
use dothi_context::mqtt::{Broker, Limits, Options, serve_web};
use dothi_kernel::{Caller, Result, SystemClock};
use futures::future::BoxFuture;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const FIVE: &[u8] = &[0x10, 22, 0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 60, 8, 17, 0, 0, 0, 60, 34, 0, 2, 0, 1, b'z'];
const FOUR: &[u8] = &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 60, 0, 1, b'y'];
/// SUBSCRIBE to everything at QoS 2.
const ALL: [&[u8]; 2] = [&[0x82, 7, 0, 1, 0, 0, 1, b'#', 2], &[0x82, 6, 0, 1, 0, 1, b'#', 2]];

struct Nowhere;

impl Sink for Nowhere {
    fn accept<'a>(&'a self, _: &'a Caller, _: Option<String>, _: Vec<Reading>) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async { Ok(true) })
    }
    fn holds<'a>(&'a self, _: &'a [Reading], _: bool) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async { Ok(false) })
    }
}

static BROKER: LazyLock<(Runtime, Arc<Broker>)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let broker = runtime.block_on(async {
        let data = std::env::temp_dir().join(format!("dothi-fuzz-mqtt-{}", std::process::id()));
        let settings = dothi_store::Settings { data, database_url: None };
        let store = dothi_store::Store::open(&settings, Arc::new(SystemClock), &[dothi_context::MIGRATIONS]).await.unwrap();
        let devices = Arc::new(Devices::open(store).await.unwrap());
        let limits = Limits { hello: Duration::from_millis(200), packet: 4_096, retained: 100, ..Limits::default() };
        Broker::open(devices, Arc::new(Nowhere), Options { trust_loopback: true, limits, ..Options::default() }).await.unwrap()
    });
    (runtime, broker)
});

fn slow(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", f @ ..], [_, t @ ..]) => slow(f, t),
        ([a, f @ ..], [b, t @ ..]) => a == b && slow(f, t),
        _ => false,
    }
}

fuzz_target!(|given: (u8, &[u8], &str, &str)| {
    let (kind, bytes, filter, topic) = given;
    if valid_filter(filter) && valid_name(topic) {
        let expected = slow(&filter.split('/').collect::<Vec<_>>(), &topic.split('/').collect::<Vec<_>>());
        assert_eq!(matches(filter, topic), expected);
        let mut tree = Tree::default();
        tree.insert(filter, 1u8, ());
        let mut found = false;
        tree.find(topic, &mut |_, ()| found = true);
        assert_eq!(found, expected);
    }
    let (runtime, broker) = &*BROKER;
    runtime.block_on(async {
        let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
        assert!(serve_web(broker, theirs, IpAddr::V4(Ipv4Addr::LOCALHOST), CancellationToken::new()), "connections end");
        let before: &[&[u8]] = match kind % 4 {
            0 => &[],
            1 => &[FIVE],
            2 => &[FIVE, ALL[0]],
            _ => &[FOUR, ALL[1]],
        };
        // The broker may hang up at any time.
        for part in before.iter().chain(&[bytes]) {
            let _written = ours.write_all(part).await;
        }
        let _ended = ours.shutdown().await;
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), ours.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the broker lets go of a client that has gone");
    });
});
