//! One city hands a case to another over Open311 and follows it there.

use dothi_testkit::{TestCity, Visitor};
use reqwest::Method;
use serde_json::{Value, json};

use crate::sinks::PushSink;
use crate::walks;

struct Hands {
    centre: Visitor,
    officer: Visitor,
    leader: Visitor,
    admin: Visitor,
}

async fn hands(city: &TestCity) -> Hands {
    Hands {
        centre: city.person("truongca", &["centre-lead@ioc-33"]).await,
        officer: city.person("canbo", &["officer@ubnd-13225"]).await,
        leader: city.person("lanhdaoxa", &["unit-leader@ubnd-13225"]).await,
        admin: city.person("admin", &["admin@ubnd-33"]).await,
    }
}

/// A case that the centre has accepted.
async fn accepted(city: &TestCity, centre: &Visitor, words: &str) -> (String, String) {
    let report = json!({"kind": "report", "category": walks::category(city).await, "text": words, "lon": walks::LON, "lat": walks::LAT});
    let receipt = city.anonymous().post("/api/cases", &report).await;
    let id = receipt["id"].as_str().unwrap().to_string();
    centre.post(&format!("/api/cases/{id}/moves/accept"), &json!({"version": 1, "unit": "ubnd-13225", "reason": "đã rõ"})).await;
    (id, receipt["code"].as_str().unwrap().to_string())
}

/// A form that was posted, decoded.
fn posted(body: &[u8]) -> std::collections::BTreeMap<String, String> {
    let address = format!("http://form/?{}", std::str::from_utf8(body).unwrap());
    reqwest::Url::parse(&address).unwrap().query_pairs().into_owned().collect()
}

/// Everything is due now: tests do not wait for minutes.
async fn look_now(city: &TestCity) {
    let mut tx = city.city.store.begin(&city.system()).await.unwrap();
    tx.exec("update case_forward set due_at = 0", vec![]).await.unwrap();
    tx.commit().await.unwrap();
    city.city.forwarder.work().await.unwrap();
}

async fn stands(city: &TestCity, who: &Visitor, id: &str, state: &str) -> Value {
    city.until(&format!("the hand-over is {state}"), || async {
        let all = who.get(&format!("/api/cases/{id}/forwards")).await;
        (all[0]["state"] == state).then(|| all[0].clone())
    })
    .await
}

async fn step(who: &Visitor, id: &str, step: &str) {
    let case = who.get(&format!("/api/cases/{id}")).await;
    let fields = json!({"version": case["version"], "public_answer": "Đã thay nắp cống lúc 9 giờ sáng."});
    let form = reqwest::multipart::Form::new()
        .text("move", fields.to_string())
        .part("photo", reqwest::multipart::Part::bytes(walks::photo(200)).file_name("sau.jpg").mime_str("image/jpeg").unwrap());
    let answer = who.request(Method::POST, &format!("/api/cases/{id}/moves/{step}")).multipart(form).send().await.unwrap();
    assert!(answer.status().is_success(), "{step}: {}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_created_in_another_city_once_and_followed_to_its_end() {
    for format in ["json", "xml"] {
        let (here, there) = (TestCity::start().await, TestCity::start().await);
        let (ours, theirs) = (hands(&here).await, hands(&there).await);
        let key = theirs.admin.post("/api/cases/open311/keys", &json!({"name": "tỉnh bạn"})).await["key"].as_str().unwrap().to_string();
        let category = walks::category(&here).await;
        let peer = json!({"name": "Tỉnh bạn", "url": format!("http://{}/open311/v2", there.http), "api_key": key, "format": format, "repeats": true, "active": true,
            "services": [{"category": category, "service_code": category}]});
        let peer = ours.admin.post("/api/cases/open311/peers", &peer).await;
        assert!(!ours.admin.get("/api/cases/open311/peers").await.to_string().contains(&key), "the key is not shown again");
        let offered = ours.admin.get(&format!("/api/cases/open311/peers/{}/services", peer["id"].as_str().unwrap())).await;
        assert!(offered.as_array().unwrap().iter().any(|s| s["service_code"] == category.as_str()));

        let (id, code) = accepted(&here, &ours.centre, "Nắp cống vỡ gần ranh giới hai tỉnh").await;
        let hand_over = json!({"peer": peer["id"]});
        assert_eq!(ours.officer.refused(&format!("/api/cases/{id}/forwards"), &hand_over).await.0, 403, "the centre hands over");
        ours.centre.post(&format!("/api/cases/{id}/forwards"), &hand_over).await;
        assert_eq!(ours.centre.refused(&format!("/api/cases/{id}/forwards"), &hand_over).await.1, "case.forward.again");
        let open = stands(&here, &ours.centre, &id, "open").await;
        let outside = open["service_request_id"].as_str().unwrap().to_string();

        // The answer to our request was lost: it is sent again under the same key and exists once.
        let mut tx = here.city.store.begin(&here.system()).await.unwrap();
        tx.exec("update case_forward set state = 'unsure', outside_id = null", vec![]).await.unwrap();
        tx.commit().await.unwrap();
        look_now(&here).await;
        assert_eq!(stands(&here, &ours.centre, &id, "open").await["service_request_id"], outside.as_str());
        let known = theirs.centre.get("/api/cases?view=all").await;
        assert_eq!(known["items"].as_array().unwrap().len(), 1, "it exists there once");
        let there_id = known["items"][0]["id"].as_str().unwrap().to_string();
        let there_case = theirs.centre.get(&format!("/api/cases/{there_id}")).await;
        assert!(there_case["text"].as_str().unwrap().contains(&format!("[{code}]")) && there_case["source"] == "open311");

        theirs.centre.post(&format!("/api/cases/{there_id}/moves/accept"), &json!({"version": 1, "unit": "ubnd-13225", "reason": "đã rõ"})).await;
        for (who, name) in [(&theirs.officer, "take"), (&theirs.officer, "answer"), (&theirs.leader, "approve")] {
            step(who, &there_id, name).await;
        }
        look_now(&here).await;
        let closed = stands(&here, &ours.centre, &id, "closed").await;
        assert!(closed["status"] == "closed" && closed["status_notes"].as_str().unwrap().contains("thay nắp cống"), "{closed}");
        let case = ours.centre.get(&format!("/api/cases/{id}")).await;
        let notes = case["log"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|l| l["step"] == "update")
            .map(|l| l["note"].as_str().unwrap_or("").to_string())
            .collect::<Vec<_>>()
            .join("\n");
        assert!(notes.contains(&outside) && notes.contains("Đã thay nắp cống"), "what they said is in our log: {notes}");
        assert!(case["clock"]["stopped"] == false && case["clock"]["paused"] == false, "our own clock goes on");
        assert!(!here.anonymous().get(&format!("/api/cases/public/{code}")).await.to_string().contains("Tỉnh bạn"), "nothing of it is public by itself");
        here.finish().await;
        there.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stuck_says_why_and_a_person_decides() {
    let city = TestCity::start().await;
    let ours = hands(&city).await;
    let sink = PushSink::start().await;
    let category = walks::category(&city).await;
    let peer = json!({"name": "Nhà thầu", "url": format!("http://{}/open311/v2", sink.address), "api_key": "k", "active": true,
        "services": [{"category": category, "service_code": "77", "auto": true, "attributes": {"size": "big"}}]});
    sink.answer_with("400 Bad Request", r#"[{"code":400,"description":"service_code 77 is closed for the winter"}]"#);
    ours.admin.post("/api/cases/open311/peers", &peer).await;
    // Its category goes there by itself, once the centre has accepted it.
    let (id, code) = accepted(&city, &ours.centre, "Đèn đường hỏng").await;
    let stuck = stands(&city, &ours.centre, &id, "stuck").await;
    assert!(stuck["reason"].as_str().unwrap().contains("closed for the winter"), "{stuck}");
    let sent = sink.got().remove(0);
    let form = String::from_utf8(sent.body.clone()).unwrap();
    assert!(sent.head.starts_with("POST /open311/v2/requests.json") && form.contains("service_code=77") && form.contains("attribute%5Bsize%5D=big"), "{form}");
    let listed = ours.admin.get("/api/cases/open311/forwards").await;
    assert_eq!(listed["items"][0]["code"], code.as_str(), "the administrator sees it");

    // Sent again; the server falls over: whether it exists there is unknown, and it is not to be seen there.
    sink.answer_with("500 Oops", "");
    sink.answer_with("200 OK", r#"[{"service_request_id":"5","description":"another matter"}]"#);
    let forward = format!("/api/cases/open311/forwards/{}", stuck["id"].as_str().unwrap());
    ours.centre.post(&forward, &json!({"what": "again"})).await;
    stands(&city, &ours.centre, &id, "unsure").await;
    look_now(&city).await;
    let stuck = stands(&city, &ours.centre, &id, "stuck").await;
    assert!(stuck["reason"].as_str().unwrap().contains("unknown"), "{stuck}");
    assert_eq!(sink.got().iter().filter(|g| g.head.starts_with("POST")).count(), 2, "it is not sent a third time by itself");

    // They say on the telephone that they have it under 812: it is followed there, and taken back in the end.
    ours.centre.post(&forward, &json!({"what": "adopt", "service_request_id": "812"})).await;
    sink.answer_with("200 OK", r#"[{"service_request_id":"812","status":"open","status_notes":"Waiting for parts"}]"#);
    sink.answer_with("404 Not Found", "[]");
    look_now(&city).await;
    let open = city
        .until("their words", || async {
            let all = ours.centre.get(&format!("/api/cases/{id}/forwards")).await;
            (all[0]["status_notes"] == "Waiting for parts").then(|| all[0].clone())
        })
        .await;
    assert_eq!(open["state"], "open");
    ours.centre.post(&forward, &json!({"what": "take-back", "reason": "làm trong ngày"})).await;
    stands(&city, &ours.centre, &id, "taken-back").await;
    assert_eq!(ours.centre.refused(&forward, &json!({"what": "again"})).await.1, "case.forward.state");
    assert_eq!(ours.admin.refused("/api/cases/open311/peers", &json!({"name": "x", "url": "ftp://a.vn", "api_key": "k"})).await.0, 400);
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_while_it_is_on_its_way_stays_so() {
    let city = TestCity::start().await;
    let ours = hands(&city).await;
    let sink = PushSink::start().await;
    let category = walks::category(&city).await;
    let peer = json!({"name": "Nhà thầu", "url": format!("http://{}/open311/v2", sink.address), "api_key": "k", "active": true,
        "services": [{"category": category, "service_code": "77"}]});
    let peer = ours.admin.post("/api/cases/open311/peers", &peer).await;
    let (id, _) = accepted(&city, &ours.centre, "Đèn đường hỏng").await;
    let on_its_way = sink.hold().await;
    sink.answer_with("200 OK", r#"[{"service_request_id":"812"}]"#);
    let given = ours.centre.post(&format!("/api/cases/{id}/forwards"), &json!({"peer": peer["id"]})).await;
    city.until("the request is there", || async { (sink.got().len() == 1).then_some(()) }).await;
    ours.centre.post(&format!("/api/cases/open311/forwards/{}", given["id"].as_str().unwrap()), &json!({"what": "take-back"})).await;
    drop(on_its_way);
    let seen = city
        .until("its id there", || async {
            let all = ours.centre.get(&format!("/api/cases/{id}/forwards")).await;
            (all[0]["service_request_id"] == "812").then(|| all[0].clone())
        })
        .await;
    assert_eq!(seen["state"], "taken-back", "{seen}");
    look_now(&city).await;
    assert_eq!(sink.got().len(), 1, "it is not followed");
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contact_data_go_along_only_as_long_as_the_reporter_agrees() {
    let city = TestCity::start().await;
    let ours = hands(&city).await;
    let sink = PushSink::start().await;
    let category = walks::category(&city).await;
    let types = city.anonymous().get("/api/cases/types").await;
    let version = types.as_array().unwrap().iter().find_map(|t| t["consent"]["version"].as_str()).expect("words to agree to").to_string();
    let peer = json!({"name": "Nhà thầu", "url": format!("http://{}/open311/v2", sink.address), "api_key": "k", "active": true,
        "services": [{"category": category, "service_code": "77", "auto": true}]});
    ours.admin.post("/api/cases/open311/peers", &peer).await;
    let contact = json!({"name": "Nguyễn Thị Hoa", "phone": "0912345678"});
    for (n, (agreed, withdrawn, goes)) in [(false, false, false), (true, true, false), (true, false, true)].into_iter().enumerate() {
        let mut report =
            json!({"kind": "report", "category": category, "text": format!("Đèn hỏng {n}"), "lon": walks::LON, "lat": walks::LAT, "contact": contact});
        if agreed {
            report["consent"] = json!(version);
        }
        let receipt = city.anonymous().post("/api/cases", &report).await;
        let (id, code) = (receipt["id"].as_str().unwrap(), receipt["code"].as_str().unwrap());
        if withdrawn {
            let body = json!({"key": receipt["key"]});
            let reporter = city.anonymous();
            let answer = reporter.request(Method::PUT, &format!("/api/cases/track/{code}/consent")).json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        sink.answer_with("200 OK", &format!(r#"[{{"service_request_id":"{n}"}}]"#));
        ours.centre.post(&format!("/api/cases/{id}/moves/accept"), &json!({"version": 1, "unit": "ubnd-13225", "reason": "đã rõ"})).await;
        stands(&city, &ours.centre, id, "open").await;
        let form = posted(&sink.got().iter().rfind(|g| g.head.starts_with("POST")).unwrap().body);
        let name = (form.get("last_name").map(String::as_str), form.get("first_name").map(String::as_str));
        assert_eq!(name, if goes { (Some("Nguyễn"), Some("Thị Hoa")) } else { (None, None) }, "{form:?}");
        assert_eq!(form.contains_key("phone"), goes);
        let audit = ours.admin.get("/api/access/audit?prefix=case.contact.forward").await;
        assert_eq!(audit["items"].as_array().unwrap().len(), usize::from(goes), "{audit}");
    }
    city.finish().await;
}
