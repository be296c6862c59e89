use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dothi_kernel::{Caller, CallerKind, Permission, Result};
use dothi_notify::mail::{MailSettings, Secret};
use dothi_notify::model::{FollowRequest, MessageQuery, Named, PushInput, PushKeys, Subject, Subjects, Topic};
use dothi_notify::pack::{NotifyPack, On};
use dothi_notify::{Happening, MIGRATIONS, Notify, NotifySettings};
use dothi_store::outside::Guard;
use dothi_store::testing::{TestStore, both, store};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use serde_json::json;
use uuid::Uuid;

use crate::sinks::{MailSink, PushSink};

/// The receiver's secret of RFC 8291, appendix A.
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

struct World;

#[async_trait]
impl Subjects for World {
    async fn subject(&self, _: &Caller, topic: &Topic, key: Option<&str>) -> Result<Option<Subject>> {
        let known = !matches!(topic, Topic::Case(code) if code != "HY-1" && code != "HY-2");
        let title = Named { vi: format!("Về {topic}"), en: format!("About {topic}") };
        Ok(known.then(|| Subject { title, path: "/r/HY-1".into(), own: key == Some("mine") }))
    }
    async fn may(&self, person: Uuid, permission: Permission, unit: &str) -> Result<bool> {
        Ok(person == Uuid::from_u128(7) && permission == Permission::CaseHandle && unit == "ubnd-1")
    }
}

struct Rig {
    store: TestStore,
    notify: Arc<Notify>,
    mail: MailSink,
    push: PushSink,
}

async fn rig(store: TestStore) -> Rig {
    let (mail, push) = (MailSink::start().await, PushSink::start().await);
    let settings = NotifySettings {
        mail: MailSettings { url: Secret(mail.url()), from: "Đô thị <no-reply@example.vn>".into() },
        base: "https://dothi.example.vn".into(),
        portal: "Dothi".into(),
        guard: Guard { private: false, loopback: true },
    };
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
    let notify = Arc::new(Notify::open(store.store.clone(), settings, Arc::new(World), zone).await.unwrap());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/base/notify");
    let files = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
    let files: Vec<_> = files.map(|p| (p.display().to_string(), std::fs::read_to_string(&p).unwrap())).collect();
    let rig = Rig { store, notify, mail, push };
    rig.notify.install(&rig.system(), "base", NotifyPack::load(&files).unwrap()).await.unwrap();
    rig
}

impl Rig {
    fn system(&self) -> Caller {
        Caller::system("test", self.store.store.clock().as_ref())
    }

    fn nobody(&self) -> Caller {
        Caller::anonymous(self.store.store.clock().as_ref(), Some("203.0.113.7".parse().unwrap()))
    }

    /// Sends until nothing is due.
    async fn send(&self) {
        while self.notify.send_due().await.unwrap().is_none() {}
    }

    async fn states(&self) -> Vec<(String, String)> {
        let page = self.notify.messages(&self.system(), &MessageQuery::default()).await.unwrap();
        page.items.into_iter().map(|m| (m.template, m.state)).rev().collect()
    }

    async fn moved(&self, seq: i64, code: &str, step: &str) {
        self.happened(&happening(seq, On::Moved, code, step)).await;
    }

    async fn happened(&self, what: &Happening) {
        let followed = self.notify.followed([what].into_iter()).await.unwrap();
        self.notify.happened(&self.system(), what, &followed).await.unwrap();
    }

    fn browser(&self, name: &str) -> Browser {
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &ring::rand::SystemRandom::new()).unwrap();
        let public = own.compute_public_key().unwrap().as_ref().to_vec();
        let keys = PushKeys { p256dh: URL_SAFE_NO_PAD.encode(&public), auth: AUTH.into() };
        Browser { input: PushInput { endpoint: format!("http://{}/{name}", self.push.address), keys }, own, public }
    }
}

/// A browser. Its key opens one message.
struct Browser {
    input: PushInput,
    own: EphemeralPrivateKey,
    public: Vec<u8>,
}

fn happening(seq: i64, on: On, code: &str, step: &str) -> Happening {
    Happening {
        seq,
        on,
        step: step.into(),
        percent: 50,
        code: code.into(),
        category: "garbage".into(),
        area: Some("13225".into()),
        unit: "ubnd-1".into(),
        public: true,
        reporter: Some("nguyen.van.thu@example.vn".into()),
        own_path: format!("/t/{code}#SECRETKEY"),
        merged_into: (step == "merge").then(|| "HY-2".into()),
        data: json!({
            "category": {"vi": "Rác thải", "en": "Garbage"}, "state": {"vi": "Đang xử lý", "en": "In progress"},
            "unit": "UBND phường Thái Bình", "area": "Phường Thái Bình", "due": "24/11/2026 17:30", "percent": 50, "into": "HY-2",
        }),
    }
}

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// What a browser does with a message (RFC 8291), written apart from the code that made it.
fn opened(browser: Browser, sealed: &[u8]) -> serde_json::Value {
    use ring::{aead, hkdf};
    struct L(usize);
    impl hkdf::KeyType for L {
        fn len(&self) -> usize {
            self.0
        }
    }
    let derive = |salt: &[u8], secret: &[u8], info: &[u8], n: usize| {
        let mut out = vec![0; n];
        hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret).expand(&[info], L(n)).unwrap().fill(&mut out).unwrap();
        out
    };
    let (salt, sender, record) = (&sealed[..16], &sealed[21..86], &sealed[86..]);
    let shared = agree_ephemeral(browser.own, &UnparsedPublicKey::new(&ECDH_P256, sender), <[u8]>::to_vec).unwrap();
    let info = [b"WebPush: info\0".as_slice(), &browser.public, sender].concat();
    let input = derive(&bytes(AUTH), &shared, &info, 32);
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &derive(salt, &input, b"Content-Encoding: aes128gcm\0", 16)).unwrap());
    let nonce = aead::Nonce::try_assume_unique_for_key(&derive(salt, &input, b"Content-Encoding: nonce\0", 12)).unwrap();
    let mut record = record.to_vec();
    let plain = key.open_in_place(nonce, aead::Aad::empty(), &mut record).unwrap();
    serde_json::from_slice(plain.strip_suffix(&[2]).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reported_gets_word_once_and_what_was_sent_is_forgotten() {
    both(&[MIGRATIONS], |store| async move {
        let rig = rig(store).await;
        let opened = happening(1, On::Opened, "HY-1", "");
        rig.happened(&opened).await;
        // The reaction was repeated after a crash.
        rig.happened(&opened).await;
        rig.send().await;
        let got = rig.mail.got();
        assert_eq!(got.len(), 1);
        assert_eq!(got[0].to, "nguyen.van.thu@example.vn");
        assert_eq!(got[0].header("subject"), "HY-1: đã nhận được phản ánh của bạn");
        assert_eq!(got[0].link("/t/"), "https://dothi.example.vn/t/HY-1#SECRETKEY");
        assert!(got[0].header("list-unsubscribe").starts_with("<https://dothi.example.vn/api/notify/stop?token="));
        assert_eq!(got[0].header("list-unsubscribe-post"), "List-Unsubscribe=One-Click");
        let row = rig.notify.messages(&rig.system(), &MessageQuery::default()).await.unwrap().items.remove(0);
        assert_eq!((row.state.as_str(), row.address.as_str(), row.receipt.as_deref()), ("sent", "n…@example.vn", Some("250 2.0.0 taken")));
        let kept = rig.store.rows("select address, data from notify_message", vec![]).await.unwrap();
        assert_eq!((kept[0].text("address").unwrap(), kept[0].text("data").unwrap()), (String::new(), "{}".to_string()), "neither address nor words are kept");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_mail_server_is_tried_again_and_a_refusal_is_given_up() {
    let rig = rig(store(&[MIGRATIONS]).await).await;
    rig.mail.answer("451 4.7.1 nguyen.van.thu@example.vn: come back later");
    rig.moved(1, "HY-1", "accept").await;
    rig.send().await;
    let row = rig.notify.messages(&rig.system(), &MessageQuery::default()).await.unwrap().items.remove(0);
    assert_eq!((row.state.as_str(), row.tries), ("waiting", 1));
    let why = row.reason.unwrap();
    assert!(why.contains("later") && !why.contains('@'), "the reason names no address: {why}");
    rig.send().await;
    assert_eq!(rig.mail.got().len(), 0, "not before its time");
    rig.store.clock.advance_seconds(31);
    rig.send().await;
    assert_eq!(rig.mail.got().len(), 1);

    rig.mail.answer("550 5.1.1 no such user");
    rig.moved(2, "HY-1", "ask_info").await;
    rig.send().await;
    assert_eq!(rig.states().await.last().unwrap().1, "dead");
    let dead = rig.notify.messages(&rig.system(), &MessageQuery { state: Some("dead".into()), ..MessageQuery::default() }).await.unwrap().items.remove(0);
    rig.notify.again(&rig.system(), dead.id).await.unwrap();
    rig.send().await;
    assert_eq!(rig.mail.got().len(), 2, "sent again by hand");
    assert_eq!(rig.notify.again(&rig.system(), dead.id).await.unwrap_err().code(), "notify.message.unknown", "what was sent is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_share_a_connection_and_what_is_wrong_with_us_waits() {
    let rig = rig(store(&[MIGRATIONS]).await).await;
    for seq in 1..=3 {
        rig.moved(seq, "HY-1", "ask_info").await;
        rig.send().await;
    }
    assert_eq!((rig.mail.got().len(), rig.mail.calls()), (3, 1));
    assert_eq!(rig.mail.got()[0].header("auto-submitted"), "auto-generated");
    // A server that does not like our own address would refuse every letter: none is given up for it.
    rig.mail.answer_sender("550 5.1.8 no-reply@example.vn: who are you");
    rig.moved(4, "HY-1", "ask_info").await;
    rig.send().await;
    assert_eq!(rig.states().await.iter().filter(|s| s.1 == "waiting").count(), 1, "{:?}", rig.states().await);
    rig.store.clock.advance_seconds(31);
    rig.send().await;
    assert_eq!((rig.mail.got().len(), rig.mail.calls()), (4, 2), "after a refusal the next letter has a connection of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_other_letters_go_where_the_server_takes_them() {
    for offered in [false, true] {
        let rig = rig(store(&[MIGRATIONS]).await).await;
        if offered {
            rig.mail.offer("SMTPUTF8");
        }
        let opened = Happening { reporter: Some("nguyễn.văn@thư.example.vn".into()), ..happening(1, On::Opened, "HY-1", "") };
        rig.happened(&opened).await;
        rig.send().await;
        assert_eq!(rig.states().await.last().unwrap().1, if offered { "sent" } else { "dead" });
        let to: Vec<String> = rig.mail.got().into_iter().map(|g| g.to).collect();
        let froms = rig.mail.froms();
        if offered {
            assert_eq!(to, ["nguyễn.văn@xn--th-e0a.example.vn"]);
            assert_eq!(froms, ["MAIL FROM:<no-reply@example.vn> SMTPUTF8 BODY=8BITMIME"]);
        } else {
            assert!(to.is_empty() && froms.is_empty(), "nothing is asked of a server that does not offer it");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn following_by_mail_begins_with_the_link_and_ends_with_one_click() {
    let rig = rig(store(&[MIGRATIONS]).await).await;
    let wanted = || FollowRequest { topic: "case:HY-1".into(), mail: Some("an@example.vn".into()), lang: "en".into(), ..FollowRequest::default() };
    let receipt = rig.notify.follow(&rig.nobody(), wanted()).await.unwrap();
    assert_eq!((receipt.state.as_str(), receipt.token), ("confirm", None), "the page gets no token: only the owner of the address does");
    rig.moved(1, "HY-1", "take").await;
    rig.send().await;
    assert_eq!(rig.mail.got().len(), 1, "nothing but the question before it is confirmed");
    let token = rig.mail.got()[0].link("/follows").split_once('#').unwrap().1.to_string();
    assert_eq!(rig.notify.confirm(&rig.nobody(), &token.replace('a', "b")).await.unwrap_err().code(), "notify.token");
    let follows = rig.notify.confirm(&rig.nobody(), &token).await.unwrap();
    assert_eq!((follows.len(), follows[0].address.as_str(), follows[0].waiting), (1, "a…@example.vn", false));

    rig.moved(2, "HY-1", "take").await;
    rig.send().await;
    let word = rig.mail.with("HY-1: In progress").unwrap();
    assert_eq!((word.to.as_str(), word.link("/r/")), ("an@example.vn", "https://dothi.example.vn/r/HY-1".to_string()));
    assert!(!word.raw.contains("SECRETKEY"), "the reporter's key is for the reporter");
    // A merged report's followers follow the other one.
    rig.moved(3, "HY-1", "merge").await;
    let own = word.link("/follows").split_once('#').unwrap().1.to_string();
    let follows = rig.notify.following(&rig.nobody(), Some(&own)).await.unwrap();
    assert_eq!(follows[0].topic, "case:HY-2");
    assert_eq!(rig.notify.unfollow(&rig.nobody(), follows[0].id, Some(&token)).await.unwrap_err().code(), "notify.token");

    let stop = word.header("list-unsubscribe");
    let stop = stop.trim_matches(['<', '>']).split_once("token=").unwrap().1;
    rig.notify.stop(&rig.nobody(), stop).await.unwrap();
    let before = rig.mail.got().len();
    rig.moved(4, "HY-2", "accept").await;
    rig.send().await;
    let to_them = rig.mail.got().into_iter().skip(before).filter(|g| g.to == "an@example.vn").count();
    assert_eq!(to_them, 0, "ended is ended, also what was waiting");
    // Somebody else may not begin it again for them; the link in the mail may.
    rig.notify.follow(&rig.nobody(), wanted()).await.unwrap();
    rig.moved(5, "HY-1", "take").await;
    rig.send().await;
    let got: Vec<_> = rig.mail.got().into_iter().skip(before).filter(|g| g.to == "an@example.vn").collect();
    assert!(got.len() == 1 && got[0].header("subject").contains("confirm"), "{got:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_message_is_sealed_bounded_and_says_code_and_state_only() {
    let rig = rig(store(&[MIGRATIONS]).await).await;
    let browser = rig.browser("b1");
    let wanted =
        FollowRequest { topic: "case:HY-1".into(), key: Some("mine".into()), push: Some(browser.input.clone()), lang: "vi".into(), ..FollowRequest::default() };
    let receipt = rig.notify.follow(&rig.nobody(), wanted).await.unwrap();
    assert_eq!(receipt.state, "following");
    rig.moved(1, "HY-1", "ask_info").await;
    rig.send().await;
    let got = rig.push.got().remove(0);
    assert_eq!((got.header("ttl").as_str(), got.header("urgency").as_str(), got.header("content-encoding").as_str()), ("172800", "high", "aes128gcm"));
    assert!(got.header("topic").len() <= 32 && !got.header("topic").is_empty());
    assert!(got.header("authorization").starts_with("vapid t="));
    let said = opened(browser, &got.body);
    assert_eq!((said["body"].as_str(), said["url"].as_str()), (Some("HY-1: Đang xử lý"), Some("/r/HY-1")));
    assert!(!said.to_string().contains("SECRETKEY") && !said.to_string().contains("garbage"));

    rig.push.answer("429 Too Many\r\nretry-after: 600");
    rig.moved(2, "HY-1", "ask_info").await;
    rig.send().await;
    rig.store.clock.advance_seconds(300);
    rig.send().await;
    assert_eq!(rig.push.got().len(), 2, "left alone as long as it asked for");
    rig.store.clock.advance_seconds(301);
    rig.send().await;
    assert_eq!(rig.push.got().len(), 3);

    rig.push.answer("410 Gone");
    rig.moved(3, "HY-1", "ask_info").await;
    rig.send().await;
    rig.moved(4, "HY-1", "ask_info").await;
    rig.send().await;
    assert_eq!(rig.push.got().len(), 4, "a browser that is gone is forgotten");
    assert!(rig.notify.following(&rig.nobody(), receipt.token.as_deref()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn places_come_as_one_letter_a_day_and_nothing_ordinary_at_night() {
    let rig = rig(store(&[MIGRATIONS]).await).await;
    let wanted = FollowRequest { topic: "place:13225/".into(), mail: Some("an@example.vn".into()), lang: "vi".into(), ..FollowRequest::default() };
    rig.notify.follow(&rig.nobody(), wanted).await.unwrap();
    rig.send().await;
    let token = rig.mail.got()[0].link("/follows").split_once('#').unwrap().1.to_string();
    rig.notify.confirm(&rig.nobody(), &token).await.unwrap();
    for (seq, code) in [(1, "HY-1"), (2, "HY-2"), (3, "HY-2")] {
        let quiet = Happening { reporter: None, ..happening(seq, On::Moved, code, "approve") };
        rig.happened(&quiet).await;
    }
    rig.send().await;
    assert_eq!(rig.mail.got().len(), 1, "held until the morning");
    // From Saturday 08:00 to Sunday 07:00.
    rig.store.clock.advance_seconds(23 * 3_600 + 60);
    rig.send().await;
    let letter = rig.mail.with("Tin mới").expect("one letter");
    assert_eq!((rig.mail.got().len(), letter.text().matches("HY-2 (").count()), (2, 1), "each case once: {}", letter.text());

    // 23:00: an ordinary word waits for 06:30, one that somebody waits for does not.
    rig.store.clock.advance_seconds(16 * 3_600);
    rig.moved(4, "HY-1", "extend").await;
    rig.moved(5, "HY-1", "ask_info").await;
    rig.send().await;
    let subjects: HashSet<String> = rig.mail.got().iter().skip(2).map(|g| g.header("subject")).collect();
    assert_eq!(subjects, HashSet::from(["HY-1: đơn vị xử lý cần ông/bà cho biết thêm".to_string()]));
    rig.store.clock.advance_seconds(8 * 3_600);
    rig.send().await;
    assert!(rig.mail.with("HY-1: Đang xử lý").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rating_is_asked_for_once_a_day_later_unless_it_was_given() {
    let rig = rig(store(&[MIGRATIONS]).await).await;
    for (seq, code) in [(1, "HY-1"), (2, "HY-2")] {
        rig.moved(seq, code, "approve").await;
    }
    rig.notify.overtaken(&rig.system(), "HY-2", "rate").await.unwrap();
    rig.store.clock.advance_seconds(25 * 3_600);
    rig.send().await;
    // Opened again and answered again.
    rig.moved(3, "HY-1", "approve").await;
    rig.store.clock.advance_seconds(25 * 3_600);
    rig.send().await;
    let asked: Vec<_> = rig.mail.got().into_iter().filter(|g| g.header("subject").contains("thỏa đáng")).map(|g| g.header("subject")).collect();
    assert_eq!(asked, ["HY-1: việc đã được giải quyết thỏa đáng chưa?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn officers_hear_of_their_own_units_work() {
    let rig = rig(store(&[MIGRATIONS]).await).await;
    for (person, name) in [(7u128, "b7"), (8, "b8")] {
        let officer = Caller { kind: CallerKind::Staff, id: Some(Uuid::from_u128(person)), ..rig.nobody() };
        let browser = rig.browser(name);
        for topic in ["work", "due"] {
            let wanted = FollowRequest { topic: topic.into(), push: Some(browser.input.clone()), lang: "vi".into(), ..FollowRequest::default() };
            rig.notify.follow(&officer, wanted).await.unwrap();
        }
        assert_eq!(rig.notify.following(&officer, None).await.unwrap().len(), 2);
    }
    let citizen = FollowRequest { topic: "work".into(), push: Some(rig.browser("b9").input), ..FollowRequest::default() };
    assert_eq!(rig.notify.follow(&rig.nobody(), citizen).await.unwrap_err().code(), "access.sign-in-needed");
    rig.moved(1, "HY-1", "reassign").await;
    rig.happened(&happening(2, On::Due, "HY-1", "")).await;
    rig.send().await;
    let told: Vec<_> = rig.push.got().iter().map(|p| p.head.lines().next().unwrap().to_string()).collect();
    assert!(told.len() == 2 && told.iter().all(|line| line.starts_with("POST /b7 ")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_and_private_addresses_are_refused() {
    let rig = rig(store(&[MIGRATIONS]).await).await;
    let to = |endpoint: &str| FollowRequest {
        topic: "case:HY-1".into(),
        push: Some(PushInput { endpoint: endpoint.into(), ..rig.browser("x").input }),
        ..FollowRequest::default()
    };
    for bad in ["https://10.0.0.1/x", "https://169.254.169.254/latest", "ftp://push.example.net/x", "https://user:word@push.example.net/", "nowhere"] {
        assert_eq!(rig.notify.follow(&rig.nobody(), to(bad)).await.unwrap_err().code(), "notify.push.endpoint", "{bad}");
    }
    let mail = |address: &str| FollowRequest { topic: "case:HY-1".into(), mail: Some(address.into()), ..FollowRequest::default() };
    for bad in ["a@b", "a@example.vn\r\nBcc: b@example.vn", "", "a b@example.vn"] {
        assert_eq!(rig.notify.follow(&rig.nobody(), mail(bad)).await.unwrap_err().code(), "notify.mail.address", "{bad:?}");
    }
    assert_eq!(
        rig.notify.follow(&rig.nobody(), FollowRequest { topic: "case:HY-9".into(), ..mail("a@example.vn") }).await.unwrap_err().code(),
        "notify.topic.unknown"
    );
    let mut refused = 0;
    for n in 0..20 {
        refused += usize::from(rig.notify.follow(&rig.nobody(), mail(&format!("a{n}@example.vn"))).await.is_err_and(|e| e.code() == "notify.requests"));
    }
    assert_eq!(refused, 8, "twelve an hour from one address");
}
