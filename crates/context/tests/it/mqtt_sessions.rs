//! What a broker keeps for its clients: sessions over restarts, QoS 2 outwards, shared subscriptions, what version 5 adds.

use std::time::Duration;

use dothi_context::mqtt::{Limits, Options};

use crate::rig::{Raw, Rig};

const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;
/// Session Expiry Interval of ten minutes.
const LASTS: [u8; 5] = [17, 0, 0, 2, 88];
const QUIET: Duration = Duration::from_millis(150);

async fn program(rig: &Rig) -> Raw {
    Raw::connect_with(rig.address, "program", true, &[], None).await.0
}

async fn rows(rig: &Rig, table: &str) -> i64 {
    let sql = format!("select count(*) as n from context_mqtt_{table}");
    rig.store.row(&sql, vec![]).await.unwrap().unwrap().int("n").unwrap()
}

/// Publishes and waits until the broker has it.
async fn tell(raw: &mut Raw, topic: &str, payload: &str, qos: u8, id: u16) {
    let bytes = raw.publish_bytes(topic, payload.as_bytes(), qos, id, false, false);
    raw.write(&bytes).await;
    if qos == 2 {
        assert_eq!(raw.answer().await, (PUBREC, id, 0));
        raw.reply(PUBREL, id).await;
        assert_eq!(raw.answer().await, (PUBCOMP, id, 0));
    } else {
        assert_eq!(raw.puback().await, (id, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_and_waiting_messages_outlive_a_restart() {
    for five in [false, true] {
        let mut rig = Rig::new().await;
        let (mut raw, hello) = Raw::connect(rig.address, five, "c", false, None).await;
        assert_eq!(hello[..2], [0, 0], "a new session");
        assert_eq!(raw.subscribe_with("t/+", 2, five.then_some(7)).await, 2);
        assert_eq!(rows(&rig, "filter").await, 1, "durable before it is acknowledged");
        raw.say(0xE0, &[]).await;
        assert!(raw.read().await.is_none());
        rig.restart().await;
        let mut program = program(&rig).await;
        tell(&mut program, "t/1", "one", 1, 1).await;
        tell(&mut program, "t/2", "two", 2, 2).await;
        let bytes = program.publish_bytes("t/0", b"lost", 0, 0, false, false);
        program.write(&bytes).await;
        // Content type, user property, and an hour to live.
        program.publish_with("t/3", "three", 0x32, 3, b"\x03\x00\x01x\x26\x00\x01k\x00\x01v\x02\x00\x00\x0e\x10").await;
        assert_eq!(program.puback().await, (3, 0));
        program.publish_with("t/4", "too late", 0x32, 4, &[2, 0, 0, 0, 30]).await;
        assert_eq!(program.puback().await, (4, 0));
        assert_eq!(rows(&rig, "queue").await, 4, "durable before they are acknowledged");
        rig.clock.advance_seconds(60);
        rig.restart().await;
        let (mut raw, hello) = Raw::connect(rig.address, five, "c", false, None).await;
        assert_eq!(hello[..2], [1, 0], "the session is there");
        let first = raw.publication().await;
        assert_eq!((first.topic.as_str(), first.payload.as_str(), first.first & 6), ("t/1", "one", 2));
        raw.reply(0x40, first.id).await;
        let second = raw.publication().await;
        assert_eq!((second.topic.as_str(), second.payload.as_str(), second.first & 6), ("t/2", "two", 4));
        raw.reply(PUBREC, second.id).await;
        let third = raw.publication().await;
        assert_eq!((third.topic.as_str(), third.payload.as_str()), ("t/3", "three"));
        if five {
            let mut props = third.props.clone();
            props.sort_unstable();
            let mut wanted = b"\x03\x00\x01x\x26\x00\x01k\x00\x01v\x02\x00\x00\x0d\xd4\x0b\x07".to_vec();
            wanted.sort_unstable();
            assert_eq!(props, wanted, "all properties, a minute less to live, the subscription's identifier");
        }
        raw.reply(0x40, third.id).await;
        assert_eq!(raw.answer().await, (PUBREL, second.id, 0));
        // The line breaks; what was released is released again, and nothing is sent twice, over another restart too.
        raw.ping().await;
        drop(raw);
        rig.eventually("what is done is forgotten", async || rows(&rig, "queue").await == 1).await;
        rig.restart().await;
        // Receive maximum of two: what is released again counts.
        let (mut raw, hello) = match five {
            true => Raw::connect_with(rig.address, "c", false, &[17, 0, 0, 2, 88, 33, 0, 2], None).await,
            false => Raw::connect(rig.address, false, "c", false, None).await,
        };
        assert_eq!(hello[..2], [1, 0]);
        assert_eq!(raw.answer().await, (PUBREL, second.id, 0), "not the message again");
        assert!(raw.is_quiet(QUIET).await);
        raw.reply(PUBCOMP, second.id).await;
        raw.ping().await;
        rig.eventually("nothing waits", async || rows(&rig, "queue").await == 0).await;
        // A clean start ends it, for good.
        let (_raw, hello) = Raw::connect(rig.address, five, "c", true, None).await;
        assert_eq!(hello[..2], [0, 0]);
        assert_eq!((rows(&rig, "filter").await, rows(&rig, "session").await), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_time() {
    let mut rig = Rig::new().await;
    for (client, props) in [("short", [17, 0, 0, 0, 30]), ("long", LASTS)] {
        let (mut raw, _) = Raw::connect_with(rig.address, client, false, &props, None).await;
        assert_eq!(raw.subscribe("t").await, 1);
    }
    // One that ends with its connection leaves nothing.
    let (mut brief, _) = Raw::connect_with(rig.address, "brief", false, &[], None).await;
    assert_eq!(brief.subscribe("t").await, 1);
    drop(brief);
    rig.eventually("it is gone", async || rig.stat("sessions") == 2).await;
    rig.stop().await;
    rig.clock.advance_seconds(60);
    rig.restart().await;
    let (_a, hello) = Raw::connect_with(rig.address, "short", false, &LASTS, None).await;
    assert_eq!(hello[0], 0);
    let (mut long, hello) = Raw::connect_with(rig.address, "long", false, &LASTS, None).await;
    assert_eq!(hello[0], 1);
    // DISCONNECT may end it now.
    long.say(0xE0, &[0, 5, 17, 0, 0, 0, 0]).await;
    assert!(long.read().await.is_none());
    let (_b, hello) = Raw::connect_with(rig.address, "long", false, &LASTS, None).await;
    assert_eq!(hello[0], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn quality_of_service_two_goes_out_once() {
    for five in [false, true] {
        let rig = Rig::new().await;
        let (mut raw, _) = Raw::connect(rig.address, five, "c", false, None).await;
        assert_eq!(raw.subscribe_with("t", 2, None).await, 2);
        let mut program = program(&rig).await;
        for (payload, id) in [("a", 1), ("b", 2)] {
            tell(&mut program, "t", payload, 2, id).await;
        }
        let (a, b) = (raw.publication().await, raw.publication().await);
        assert_eq!((a.first, b.first, a.payload.as_str(), b.payload.as_str()), (0x34, 0x34, "a", "b"));
        raw.reply(PUBREC, a.id).await;
        assert_eq!(raw.answer().await, (PUBREL, a.id, 0));
        drop(raw);
        let (mut raw, hello) = Raw::connect(rig.address, five, "c", false, None).await;
        assert_eq!(hello[0], 1);
        assert_eq!(raw.answer().await, (PUBREL, a.id, 0));
        let again = raw.publication().await;
        assert_eq!((again.first, again.id, again.payload.as_str()), (0x3C, b.id, "b"), "the same id, marked");
        raw.reply(PUBCOMP, a.id).await;
        raw.reply(PUBREC, b.id).await;
        assert_eq!(raw.answer().await, (PUBREL, b.id, 0));
        raw.reply(PUBCOMP, b.id).await;
        raw.ping().await;
        // What was taken in at QoS 2 is passed on once, however often it is sent.
        let (mut sender, _) = Raw::connect(rig.address, five, "s", false, None).await;
        let bytes = sender.publish_bytes("t", b"c", 2, 9, false, false);
        sender.write(&bytes).await;
        assert_eq!(sender.answer().await, (PUBREC, 9, 0));
        drop(sender);
        let (mut sender, _) = Raw::connect(rig.address, five, "s", false, None).await;
        let bytes = sender.publish_bytes("t", b"c", 2, 9, true, false);
        sender.write(&bytes).await;
        assert_eq!(sender.answer().await, (PUBREC, 9, 0));
        assert_eq!(raw.publication().await.payload, "c");
        assert!(raw.is_quiet(QUIET).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packet_ids_taken_in_outlive_a_restart() {
    let mut rig = Rig::new().await;
    let (mut listener, _) = Raw::connect(rig.address, true, "l", false, None).await;
    assert_eq!(listener.subscribe("t").await, 1);
    let (mut sender, _) = Raw::connect(rig.address, true, "s", false, None).await;
    let bytes = sender.publish_bytes("t", b"once", 2, 9, false, false);
    sender.write(&bytes).await;
    assert_eq!(sender.answer().await, (PUBREC, 9, 0));
    assert_eq!(listener.message().await.1, "once");
    listener.ping().await;
    rig.restart().await;
    let (mut sender, hello) = Raw::connect(rig.address, true, "s", false, None).await;
    assert_eq!(hello[0], 1);
    let bytes = sender.publish_bytes("t", b"once", 2, 9, true, false);
    sender.write(&bytes).await;
    assert_eq!(sender.answer().await, (PUBREC, 9, 0));
    sender.reply(PUBREL, 9).await;
    assert_eq!(sender.answer().await, (PUBCOMP, 9, 0));
    sender.reply(PUBREL, 9).await;
    assert_eq!(sender.answer().await, (PUBCOMP, 9, 0x92), "not known any more");
    let (mut listener, _) = Raw::connect(rig.address, true, "l", false, None).await;
    assert!(listener.is_quiet(QUIET).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_subscriptions_take_turns_and_stand_in_for_each_other() {
    let rig = Rig::new().await;
    let mut program = program(&rig).await;
    let kept = program.publish_bytes("jobs/0", b"retained", 1, 1, false, true);
    program.write(&kept).await;
    assert_eq!(program.puback().await.1, 0);
    // One of each version; and somebody who hears everything.
    let (mut a, _) = Raw::connect(rig.address, true, "a", false, None).await;
    let (mut b, _) = Raw::connect(rig.address, false, "b", false, None).await;
    let (mut all, _) = Raw::connect(rig.address, true, "all", true, None).await;
    for (member, code) in [(&mut a, 1), (&mut b, 1)] {
        assert_eq!(member.subscribe("$share/work/jobs/+").await, code);
    }
    assert_eq!(all.subscribe_with("jobs/+", 0x21, None).await, 1);
    assert!(a.is_quiet(QUIET).await, "nothing retained");
    for i in 2..=9u16 {
        tell(&mut program, &format!("jobs/{i}"), &i.to_string(), 1, i).await;
    }
    let mut heard: [Vec<String>; 2] = Default::default();
    for _ in 0..4 {
        heard[0].push(a.message().await.1);
        heard[1].push(b.message().await.1);
    }
    assert_eq!(heard[0].len() + heard[1].len(), 8);
    let mut both = heard.concat();
    both.sort();
    assert_eq!(both, ["2", "3", "4", "5", "6", "7", "8", "9"], "each to one of them, turn by turn");
    for _ in 2..=9 {
        all.message().await;
    }
    a.ping().await;
    b.ping().await;
    // Not acknowledged, and gone: the other gets it.
    for i in 10..=13u16 {
        tell(&mut program, "jobs/x", &i.to_string(), 1, i).await;
        all.message().await;
    }
    let unread = [a.publication().await.payload, a.publication().await.payload];
    let own = [b.message().await.1, b.message().await.1];
    drop(a);
    let handed = [b.message().await.1, b.message().await.1];
    assert_eq!(handed, unread);
    assert_eq!(own.len() + handed.len(), 4);
    // Nobody there: they wait, and go to whoever comes first.
    b.ping().await;
    drop(b);
    rig.eventually("both are away", async || rig.stat("connections") == 2).await;
    tell(&mut program, "jobs/y", "later", 1, 20).await;
    tell(&mut program, "jobs/y", "later still", 1, 21).await;
    let (mut b, hello) = Raw::connect(rig.address, false, "b", false, None).await;
    assert_eq!(hello[0], 1);
    let mut late = [b.message().await.1, b.message().await.1];
    late.sort();
    assert_eq!(late, ["later", "later still"]);
    // One's own messages cannot be left out of what is shared.
    let (mut c, _) = Raw::connect(rig.address, true, "c", true, None).await;
    c.say(0x82, b"\x00\x09\x00\x00\x0c$share/w/job\x05").await;
    let (kind, body) = c.read().await.expect("a DISCONNECT");
    assert_eq!((kind, body[0]), (0xE0, 0x82));
    // Faulty ones, and what nobody may have.
    let (mut old, _) = Raw::connect(rig.address, false, "old", true, None).await;
    for filter in ["$share//a", "$share/g", "$share/g+/a", "$share/g/a/#/b", "$SYS/#"] {
        assert_eq!(old.subscribe(filter).await, 0x80, "{filter}");
    }
    let (mut c, _) = Raw::connect(rig.address, true, "c", true, None).await;
    for (filter, code) in [("$share/g/a/#/b", 0x8F), ("$SYS/#", 0x87), ("$share/g/$SYS/#", 0x87), ("$share/g/a", 1)] {
        assert_eq!(c.subscribe(filter).await, code, "{filter}");
    }
    let secret = rig.device("aq-1", "flat").await;
    let (mut device, _) = Raw::connect(rig.address, true, "d", true, Some(("aq-1", &secret))).await;
    assert_eq!(device.subscribe("$share/g/dev/aq-2/down/#").await, 0x87);
    assert_eq!(device.subscribe("$share/g/dev/aq-1/down/#").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_version_five_adds() {
    let limits = Limits { keep_alive_s: 40, ..Limits::default() };
    let rig = Rig::with(Options { trust_loopback: true, limits, ..Options::default() }).await;
    // Says that it takes no aliases; more keep-alive than we give.
    let (mut plain, hello) = Raw::connect_with(rig.address, "plain", true, &[34, 0, 0], None).await;
    assert_eq!(hello[1], 0);
    assert!(hello.windows(3).any(|w| w == [19, 0, 40]), "server keep alive: {hello:?}");
    assert!(!hello.windows(2).any(|w| w == [42, 0] || w == [41, 0]), "nothing is said to be unavailable: {hello:?}");
    assert_eq!(plain.subscribe_with("t/#", 1, Some(3)).await, 1);
    assert_eq!(plain.subscribe_with("t/x", 1, Some(4)).await, 1);
    // Takes two aliases, packets of 60 bytes, one message at a time.
    let (mut terse, _) = Raw::connect_with(rig.address, "terse", true, &[34, 0, 2, 39, 0, 0, 0, 60, 33, 0, 1], None).await;
    assert_eq!(terse.subscribe_with("t/x", 1, None).await, 1);
    let mut program = program(&rig).await;
    // An alias on our side: the topic once, then its number only.
    program.publish_with("t/x", "1", 0x32, 1, &[35, 0, 5]).await;
    program.publish_with("", "2", 0x32, 2, &[35, 0, 5]).await;
    program.publish_with("t/x", &"y".repeat(60), 0x32, 3, &[]).await;
    // Response topic and correlation data.
    program.publish_with("t/x", "3", 0x32, 4, b"\x08\x00\x01r\x09\x00\x01z").await;
    for id in 1..=4 {
        assert_eq!(program.puback().await, (id, 0));
    }
    for payload in ["1", "2", &"y".repeat(60), "3"] {
        let told = plain.publication().await;
        assert_eq!((told.topic.as_str(), told.payload.as_str()), ("t/x", payload));
        let mut ids: Vec<u8> = told.props.chunks(2).filter(|c| c[0] == 11).map(|c| c[1]).collect();
        ids.sort_unstable();
        if payload != "3" {
            assert_eq!(ids, [3, 4], "one copy, with the identifiers of both");
        } else {
            assert!(told.props.starts_with(b"\x08\x00\x01r\x09\x00\x01z"));
        }
        plain.reply(0x40, told.id).await;
    }
    let told = terse.publication().await;
    assert_eq!((told.topic.as_str(), told.props.as_slice(), told.payload.as_str()), ("t/x", [35, 0, 1].as_slice(), "1"));
    assert!(terse.is_quiet(QUIET).await, "one at a time");
    terse.reply(0x40, told.id).await;
    let told = terse.publication().await;
    assert_eq!((told.topic.as_str(), told.props.as_slice(), told.payload.as_str()), ("", [35, 0, 1].as_slice(), "2"));
    terse.reply(0x40, told.id).await;
    assert_eq!(terse.publication().await.payload, "3", "what is too large for it is left out");
    // Retained as published, and the three ways of handling retained messages.
    program.publish_with("kept", "k", 0x33, 5, &[3, 0, 1, b'x']).await;
    assert_eq!(program.puback().await, (5, 0));
    for (options, sent) in [(0x01, true), (0x11, false), (0x21, false), (0x01, true)] {
        assert_eq!(plain.subscribe_with("kept", options, None).await, 1);
        if sent {
            let told = plain.publication().await;
            assert_eq!((told.first, told.props.as_slice()), (0x33, [3, 0, 1, b'x'].as_slice()));
            plain.reply(0x40, told.id).await;
        }
    }
    // Not one's own; retained as published.
    assert_eq!(program.subscribe_with("own", 0x0D, None).await, 1);
    assert_eq!(plain.subscribe_with("own", 0x09, None).await, 1);
    program.publish_with("own", "o", 0x33, 6, &[]).await;
    assert_eq!(program.puback().await, (6, 0));
    let told = plain.publication().await;
    assert_eq!((told.first, told.payload.as_str()), (0x33, "o"));
    // Exchanges of AUTH are not offered.
    let (_c, hello) = Raw::connect_with(rig.address, "c", true, &[21, 0, 1, b'x'], None).await;
    assert_eq!(hello[1], 0x8C);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_waits_for_its_client() {
    let rig = Rig::new().await;
    let mut program = program(&rig).await;
    assert_eq!(program.subscribe("w").await, 1);
    // Back in time: no will, though it goes again in good order before the delay is over.
    let (raw, _) = Raw::connect_with(rig.address, "c", true, &LASTS, Some(("w", 1))).await;
    drop(raw);
    rig.eventually("it is away", async || rig.stat("connections") == 1).await;
    let (mut raw, hello) = Raw::connect_with(rig.address, "c", false, &LASTS, None).await;
    assert_eq!(hello[0], 1);
    raw.say(0xE0, &[]).await;
    assert!(program.is_quiet(Duration::from_millis(1_300)).await);
    // A clean start ends the session: the will is due, whatever its delay.
    let (raw, _) = Raw::connect_with(rig.address, "c", true, &LASTS, Some(("w", 500))).await;
    drop(raw);
    rig.eventually("it is away", async || rig.stat("connections") == 1).await;
    let (_raw, _) = Raw::connect_with(rig.address, "c", true, &[], None).await;
    assert_eq!(program.message().await.1, "gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_hear_less_now_hears_less() {
    let mut rig = Rig::new().await;
    let secret = rig.device("aq-1", "flat").await;
    let user = Some(("aq-1", secret.as_str()));
    let (mut device, _) = Raw::connect(rig.address, true, "d", false, user).await;
    assert_eq!(device.subscribe("dev/aq-1/down/#").await, 1);
    drop(device);
    // What was stored by another hand than ours is looked at again.
    let mut tx = rig.store.begin(&rig.system()).await.unwrap();
    tx.exec("update context_mqtt_filter set filter = 'dev/#'", vec![]).await.unwrap();
    tx.commit().await.unwrap();
    rig.restart().await;
    let (mut device, hello) = Raw::connect(rig.address, true, "d", false, user).await;
    assert_eq!(hello[0], 1);
    let mut program = program(&rig).await;
    tell(&mut program, "dev/aq-1/down/x", "1", 1, 1).await;
    assert!(device.is_quiet(QUIET).await);
    // A device that is removed takes its sessions along: the next of its name begins anew.
    rig.context.devices().remove(&rig.system(), "aq-1").await.unwrap();
    drop(device);
    rig.restart().await;
    let secret = {
        rig.eventually("its session ends", async || rows(&rig, "session").await == 0).await;
        rig.device("aq-1", "flat").await
    };
    let (_device, hello) = Raw::connect(rig.address, true, "d", false, Some(("aq-1", &secret))).await;
    assert_eq!(hello[..2], [0, 0]);
}
