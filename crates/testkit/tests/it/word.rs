//! Word to people, through a whole city and a small mail server.

use dothi_notify::mail::{MailSettings, Secret};
use dothi_testkit::{PASSWORD, TestCity, Visitor};
use serde_json::{Value, json};

use crate::sinks::{Got, MailSink};
use crate::walks;

async fn city(mail: &MailSink) -> TestCity {
    let settings = MailSettings { url: Secret(mail.url()), from: "Đô thị <no-reply@example.vn>".into() };
    TestCity::with(|s| {
        s.mail = settings;
        s.public_url = Some("https://dothi.example.vn".into());
    })
    .await
}

async fn mail(city: &TestCity, sink: &MailSink, to: &str, subject: &str) -> Got {
    city.until(&format!("a mail to {to}: {subject}"), || async { sink.got().into_iter().rev().find(|g| g.to == to && g.header("subject").contains(subject)) })
        .await
}

fn token(got: &Got, page: &str) -> String {
    got.link(page).split_once('#').unwrap().1.to_string()
}

async fn follow(city: &TestCity, sink: &MailSink, who: &Visitor, topic: &str, address: &str) {
    let receipt = who.post("/api/notify/follows", &json!({"topic": topic, "mail": address, "lang": "vi"})).await;
    assert_eq!(receipt, json!({"state": "confirm"}));
    let question = mail(city, sink, address, "Xin xác nhận").await;
    city.anonymous().post("/api/notify/confirm", &json!({"token": token(&question, "/follows")})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reported_who_follows_and_who_works_on_it_get_word() {
    let sink = MailSink::start().await;
    let city = city(&sink).await;
    let centre = city.person("truongca", &["centre-lead@ioc-33"]).await;
    let officer = city.person("canbo", &["officer@ubnd-13225"]).await;
    let other = city.person("canbo2", &["officer@ubnd-11953"]).await;
    let admin = city.person("admin", &["admin@ubnd-33"]).await;
    follow(&city, &sink, &officer, "work", "canbo@example.vn").await;
    follow(&city, &sink, &other, "work", "canbo2@example.vn").await;

    let report = json!({"kind": "report", "category": walks::category(&city).await, "text": "Nắp cống vỡ", "lon": walks::LON, "lat": walks::LAT,
        "contact": {"name": "Nguyễn Văn Thử", "email": "van.thu@example.vn"}});
    let receipt = city.anonymous().post("/api/cases", &report).await;
    let (id, code) = (receipt["id"].as_str().unwrap(), receipt["code"].as_str().unwrap());
    let first = mail(&city, &sink, "van.thu@example.vn", "đã nhận được").await;
    let key = token(&first, &format!("/t/{code}"));
    let own = city.anonymous().get(&format!("/api/cases/track/{code}?key={key}")).await;
    assert_eq!(own["own"]["text"], "Nắp cống vỡ", "the link in the mail opens the own view");
    assert_ne!(key, receipt["key"].as_str().unwrap());

    follow(&city, &sink, &city.anonymous(), &format!("case:{code}"), "lang.gieng@example.vn").await;
    centre.post(&format!("/api/cases/{id}/moves/accept"), &json!({"version": 1, "unit": "ubnd-13225", "reason": "đã rõ"})).await;
    let work = mail(&city, &sink, "canbo@example.vn", &format!("{code}: việc mới")).await;
    assert_eq!(work.link("/work"), "https://dothi.example.vn/work");
    // At night the ordinary ones wait; they are in the queue at any hour.
    let queue = city
        .until("everybody's message", || async {
            let page = admin.get("/api/notify/messages").await;
            let of = |template: &str| page["items"].as_array().unwrap().iter().filter(|m| m["template"] == template).count();
            (of("accepted") == 1 && of("followed") == 1).then_some(page)
        })
        .await;
    let shown = queue.to_string();
    for address in ["van.thu@", "lang.gieng@", "canbo@", "canbo2@"] {
        assert!(!shown.contains(address), "the queue shows no address: {address}");
    }
    assert!(!sink.got().iter().any(|g| g.to == "canbo2@example.vn" && g.header("subject").contains(code)), "another unit's officer hears nothing");
    assert!(!sink.got().iter().any(|g| g.to != "van.thu@example.vn" && g.raw.contains(&key)), "the key is for who reported");
    let preview = admin.get("/api/notify/preview?template=answered&lang=en").await;
    assert!(preview["subject"].as_str().unwrap().contains("there is an answer"), "{preview}");
    assert_eq!(officer.status("/api/notify/messages").await, 403);
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_confirmed_and_sets_a_new_password_once() {
    let sink = MailSink::start().await;
    let city = city(&sink).await;
    let nobody = city.anonymous();
    let (login, fresh) = ("cong.dan@example.vn", "một mật khẩu mới 2026");
    let account = json!({"login": login, "name": "Công Dân", "password": PASSWORD});
    nobody.post("/api/access/register", &account).await;
    let forgot = json!({"login": login});
    nobody.post("/api/access/password/forgotten", &forgot).await;
    let confirm = token(&mail(&city, &sink, login, "Xác nhận địa chỉ").await, "/address");
    nobody.post("/api/access/address/confirm", &json!({"token": confirm})).await;
    assert_eq!(nobody.refused("/api/access/address/confirm", &json!({"token": confirm})).await, (403, "access.letter.invalid".into()), "once");
    city.settle().await;
    assert!(sink.with("Đặt lại mật khẩu").is_none(), "an address that was not confirmed sets no password");

    nobody.post("/api/access/password/forgotten", &json!({"login": "khong.co@example.vn"})).await;
    nobody.post("/api/access/password/forgotten", &forgot).await;
    let reset = token(&mail(&city, &sink, login, "Đặt lại mật khẩu").await, "/password");
    let wrong = json!({"token": confirm, "new": fresh});
    assert_eq!(nobody.refused("/api/access/password/reset", &wrong).await.1, "access.letter.invalid", "a link of another purpose");
    let old = city.anonymous().sign_in(login, PASSWORD).await;
    nobody.post("/api/access/password/reset", &json!({"token": reset, "new": fresh})).await;
    assert_eq!(nobody.refused("/api/access/password/reset", &json!({"token": reset, "new": fresh})).await.0, 403, "once");
    assert_eq!(old.get("/api/access/me").await["kind"], "anonymous", "sessions ended with the old password");
    let me: Value = city.anonymous().sign_in(login, fresh).await.get("/api/access/address").await;
    assert_eq!(me, json!({"email": login, "confirmed": true}));
    city.finish().await;
}
