//! Subscriptions: who is told what, in which order, through failures and restarts. The receiver is a real server on loopback.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::api::Api;
use crate::rig::until;

#[derive(Default)]
struct Inbox {
    got: Mutex<Vec<(HeaderMap, Value)>>,
    refuse: Mutex<usize>,
}

/// A receiver that remembers what came.
#[derive(Clone)]
struct Receiver(Arc<Inbox>, String);

impl Receiver {
    async fn start() -> Self {
        let inner = Arc::new(Inbox::default());
        let take = |State(inner): State<Arc<Inbox>>, headers: HeaderMap, body: String| async move {
            let mut refuse = inner.refuse.lock().unwrap();
            if *refuse > 0 {
                *refuse -= 1;
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            inner.got.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
            StatusCode::OK
        };
        let app = Router::new().route("/n", axum::routing::post(take)).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/n", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self(inner, url)
    }

    /// What came so far.
    fn got(&self) -> Vec<Value> {
        self.0.got.lock().unwrap().iter().map(|(_, b)| b.clone()).collect()
    }

    /// Waits for at least `n` notifications and gives their data.
    async fn wait(&self, n: usize) -> Vec<Value> {
        until(async || self.got().len() >= n).await;
        self.got()
    }
}

fn subscription(url: &str, more: Value) -> Value {
    let mut out =
        json!({"id": "urn:s:1", "type": "Subscription", "entities": [{"type": "T"}], "notification": {"format": "keyValues", "endpoint": {"uri": url}}});
    for (k, v) in more.as_object().unwrap() {
        if k == "notification" {
            out[k].as_object_mut().unwrap().extend(v.as_object().unwrap().clone());
        } else if v.is_null() {
            out.as_object_mut().unwrap().shift_remove(k);
        } else {
            out[k] = v.clone();
        }
    }
    out
}

async fn subscribed(more: Value) -> (Api, Receiver) {
    let (api, receiver) = (Api::new().await, Receiver::start().await);
    let reply = api.call("POST", "/subscriptions", &subscription(&receiver.1, more)).await;
    assert_eq!((reply.status.as_u16(), reply.header("location")), (201, "/ngsi-ld/v1/subscriptions/urn:s:1"), "{}", reply.text);
    (api, receiver)
}

#[tokio::test]
async fn changes_are_told_in_order_and_only_changes() {
    let (api, receiver) = subscribed(json!({})).await;
    api.create(&[json!({"id": "urn:t:1", "type": "T", "v": 1}), json!({"id": "urn:u:1", "type": "U", "v": 1})]).await;
    for v in [1, 2, 2, 3] {
        api.call("PATCH", "/entities/urn:t:1/attrs", &json!({"v": {"type": "Property", "value": v}})).await;
    }
    let got = receiver.wait(3).await;
    let values: Vec<&Value> = got.iter().map(|n| &n["data"][0]["v"]).collect();
    assert_eq!(values, [1, 2, 3], "setting the same value again is no change");
    let first = &got[0];
    assert_eq!(
        (&first["type"], &first["subscriptionId"], &first["data"][0]),
        (&json!("Notification"), &json!("urn:s:1"), &json!({"id": "urn:t:1", "type": "T", "v": 1}))
    );
    assert!(first["id"].as_str().unwrap().starts_with("urn:ngsi-ld:Notification:") && first["notifiedAt"].is_string());
    until(async || api.get("/subscriptions/urn:s:1").await.json()["notification"]["timesSent"] == 3).await;
    let shown = api.get("/subscriptions/urn:s:1").await.json();
    assert_eq!((&shown["status"], &shown["notification"]["status"]), (&json!("active"), &json!("ok")));
}

#[tokio::test]
async fn filters_and_triggers_decide() {
    // Every row: what the subscription adds, and which of the steps below it hears of.
    let steps = |n: usize| match n {
        0 => ("POST", "/entities", json!({"id": "urn:t:1", "type": "T", "v": 1, "w": 1, "location": {"type": "Point", "coordinates": [106, 20]}})),
        1 => ("PATCH", "/entities/urn:t:1/attrs", json!({"w": {"type": "Property", "value": 2}})),
        2 => ("PATCH", "/entities/urn:t:1/attrs", json!({"v": {"type": "Property", "value": 9}})),
        3 => ("DELETE", "/entities/urn:t:1/attrs/w", Value::Null),
        _ => ("DELETE", "/entities/urn:t:1", Value::Null),
    };
    let rows = [
        (json!({}), vec![0, 1, 2]),
        (json!({"watchedAttributes": ["v"]}), vec![0, 2]),
        (json!({"entities": null, "watchedAttributes": ["w"]}), vec![0, 1]),
        (json!({"q": "v>5"}), vec![2]),
        (json!({"geoQ": {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": [106, 20]}}), vec![0, 1, 2]),
        (json!({"geoQ": {"georel": "near;maxDistance==10", "geometry": "Point", "coordinates": "[107, 20]"}}), vec![]),
        (json!({"entities": [{"type": "T", "idPattern": "2$"}]}), vec![]),
        (json!({"notificationTrigger": ["entityCreated"]}), vec![0]),
        (json!({"notificationTrigger": ["entityUpdated"]}), vec![1, 2, 3]),
        (json!({"notificationTrigger": ["attributeDeleted", "entityDeleted"]}), vec![3, 4]),
        (json!({"isActive": false}), vec![]),
        (json!({"notificationTrigger": ["attributeCreated"], "scopeQ": "/a"}), vec![]),
    ];
    for (more, heard) in rows {
        let (api, receiver) = subscribed(more.clone()).await;
        for n in 0..5 {
            let (method, path, body) = steps(n);
            assert!(api.call(method, path, &body).await.status.is_success());
        }
        let got = receiver.wait(heard.len()).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(receiver.got().len(), heard.len(), "{more}: {got:?}");
        if heard == [3, 4] {
            assert_eq!(got[0]["data"][0]["w"], "urn:ngsi-ld:null");
            let gone = "urn:ngsi-ld:null";
            assert_eq!(got[1]["data"][0], json!({"id": "urn:t:1", "type": "T", "v": gone, "location": gone, "deletedAt": "2026-11-21T01:00:00Z"}));
        }
    }
}

#[tokio::test]
async fn forms_headers_and_contexts() {
    let more = json!({"notification": {
        "format": "normalized", "showChanges": true, "attributes": ["v"],
        "endpoint": {"uri": "", "accept": "application/ld+json", "receiverInfo": [{"key": "X-Secret", "value": "s"}]}
    }});
    let (api, receiver) = (Api::new().await, Receiver::start().await);
    let mut body = subscription(&receiver.1, more);
    body["notification"]["endpoint"]["uri"] = receiver.1.as_str().into();
    assert_eq!(api.call("POST", "/subscriptions", &body).await.status, 201);
    let batch = json!([{"id": "urn:t:1", "type": "T", "v": 1, "w": 1}, {"id": "urn:t:2", "type": "T", "v": 5}]);
    api.call("POST", "/entityOperations/create", &batch).await;
    api.call("PATCH", "/entities/urn:t:1/attrs", &json!({"v": {"type": "Property", "value": 2}})).await;
    let got = receiver.wait(2).await;
    assert_eq!(got[0]["data"].as_array().unwrap().len(), 2, "one request, one notification");
    let core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld";
    assert_eq!(got[1]["data"][0], json!({"id": "urn:t:1", "type": "T", "v": {"type": "Property", "value": 2, "previousValue": 1}, "@context": core}));
    assert_eq!(got[1]["@context"], "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld");
    let headers = receiver.0.got.lock().unwrap()[0].0.clone();
    assert_eq!((headers["content-type"].to_str().unwrap(), headers["x-secret"].to_str().unwrap()), ("application/ld+json", "s"));
}

#[tokio::test]
async fn what_a_receiver_refused_comes_again_even_after_a_restart() {
    let (mut api, receiver) = subscribed(json!({})).await;
    *receiver.0.refuse.lock().unwrap() = usize::MAX;
    api.create(&[json!({"id": "urn:t:1", "type": "T", "v": 1})]).await;
    api.call("PATCH", "/entities/urn:t:1/attrs", &json!({"v": {"type": "Property", "value": 2}})).await;
    until(async || api.get("/subscriptions/urn:s:1").await.json()["notification"]["timesFailed"].as_u64() > Some(0)).await;
    assert_eq!(api.get("/subscriptions/urn:s:1").await.json()["notification"]["status"], "failed");
    api.reopen().await;
    *receiver.0.refuse.lock().unwrap() = 1;
    let got = receiver.wait(2).await;
    let values: Vec<&Value> = got.iter().map(|n| &n["data"][0]["v"]).collect();
    assert_eq!(values, [1, 2], "in order, and none lost");
}

#[tokio::test]
async fn throttling_joins_and_keeps_the_last_state() {
    let (api, receiver) = subscribed(json!({"throttling": 0.4})).await;
    let begun = Instant::now();
    api.create(&[json!({"id": "urn:t:1", "type": "T", "v": 0})]).await;
    receiver.wait(1).await;
    for v in 1..=20 {
        api.call("PATCH", "/entities/urn:t:1/attrs", &json!({"v": {"type": "Property", "value": v}})).await;
    }
    // The last state is told, and between two notifications lies what was asked for.
    until(async || receiver.got().last().unwrap()["data"][0]["v"] == 20).await;
    let most = 1.0 + begun.elapsed().as_secs_f64() / 0.4;
    assert!((receiver.got().len() as f64) <= most, "{} notifications for 21 changes", receiver.got().len());
}

#[tokio::test]
async fn subscriptions_are_checked_listed_changed_and_ended() {
    let (api, receiver) = subscribed(json!({})).await;
    let url = receiver.1.as_str();
    let rows = [
        (json!({}), 409),
        (json!({"id": "urn:s:2", "entities": null}), 400),
        (json!({"id": "urn:s:2", "type": "X"}), 400),
        (json!({"id": "urn:s:2", "expiresAt": "2020-01-01T00:00:00Z"}), 400),
        (json!({"id": "urn:s:2", "q": "=="}), 400),
        (json!({"id": "urn:s:2", "throttling": -1}), 400),
        (json!({"id": "urn:s:2", "notificationTrigger": ["nosuch"]}), 400),
        (json!({"id": "urn:s:2", "timeInterval": 5, "throttling": 5}), 400),
        (json!({"id": "urn:s:2", "timeInterval": 0}), 400),
        (json!({"id": "urn:s:2", "timeInterval": 5, "entities": null, "watchedAttributes": ["v"]}), 400),
        (json!({"id": "urn:s:2", "notification": {"showChanges": true}}), 400),
        (json!({"id": "urn:s:2", "notification": {"pick": []}}), 400),
        (json!({"id": "urn:s:2", "notification": {"pick": ["a"], "attributes": ["a"]}}), 400),
        (json!({"id": "urn:s:2", "csf": "(("}), 400),
        (json!({"id": "urn:s:2", "notification": {"endpoint": {"uri": "mqtt://127.0.0.1/a/#"}}}), 400),
        (json!({"id": "urn:s:2", "notification": {"endpoint": {"uri": url, "notifierInfo": [{"key": "MQTT-QoS", "value": "3"}]}}}), 400),
        (json!({"id": "urn:s:2", "notification": {"endpoint": {"uri": "http://10.0.0.1/n"}}}), 400),
        (json!({"id": "urn:s:2", "notification": {"endpoint": {"uri": "http://169.254.169.254/latest"}}}), 400),
        (json!({"id": "urn:s:2", "notification": {"endpoint": {"uri": "ftp://example.org/"}}}), 400),
        (json!({"id": "urn:s:2", "notification": {"endpoint": {"uri": url, "receiverInfo": [{"key": "Host", "value": "x"}]}}}), 400),
        (json!({"id": "urn:s:2", "jsonldContext": "https://remote.example/c"}), 504),
        (json!({"id": "urn:s:2"}), 201),
    ];
    for (more, status) in rows {
        let reply = api.call("POST", "/subscriptions", &subscription(url, more.clone())).await;
        assert_eq!(reply.status.as_u16(), status, "{more}: {}", reply.text);
    }
    let list = api.get("/subscriptions?limit=1&count=true").await;
    assert_eq!((list.ids(), list.header("ngsild-results-count")), (vec!["1".into()], "2"));
    assert_eq!(api.get(list.link("next").unwrap().strip_prefix("/ngsi-ld/v1").unwrap()).await.ids(), ["2"]);
    assert_eq!(api.call("PATCH", "/subscriptions/urn:s:1", &json!({"isActive": false, "status": "expired"})).await.status, 204);
    assert_eq!(api.get("/subscriptions/urn:s:1").await.json()["status"], "paused");
    assert_eq!(api.call("PATCH", "/subscriptions/urn:s:1", &json!({"throttling": "x"})).await.status, 400);
    assert_eq!(api.call("PATCH", "/subscriptions/urn:s:9", &json!({"isActive": false})).await.status, 404);
    api.create(&[json!({"id": "urn:t:1", "type": "T", "v": 0})]).await;
    assert_eq!(receiver.wait(1).await[0]["subscriptionId"], "urn:s:2", "a paused one is silent");
    assert_eq!(api.call("DELETE", "/subscriptions/urn:s:1", &Value::Null).await.status, 204);
    assert_eq!(api.call("DELETE", "/subscriptions/urn:s:1", &Value::Null).await.status, 404);
}

#[tokio::test]
async fn what_went_and_what_was_before() {
    let more = json!({
        "notificationTrigger": ["attributeUpdated", "attributeDeleted", "entityDeleted"],
        "notification": {"format": "normalized", "showChanges": true, "sysAttrs": true}
    });
    let (api, receiver) = subscribed(more).await;
    let both = json!([{"type": "Property", "value": 1}, {"type": "Property", "value": 2, "datasetId": "urn:d:1"}]);
    api.create(&[json!({"id": "urn:t:1", "type": "T", "v": both, "name": {"type": "LanguageProperty", "languageMap": {"vi": "Một"}}})]).await;
    assert_eq!(api.call("DELETE", "/entities/urn:t:1/attrs/v?datasetId=urn:d:1", &Value::Null).await.status, 204);
    assert_eq!(api.call("DELETE", "/entities/urn:t:1", &Value::Null).await.status, 204);
    let got = receiver.wait(2).await;
    let at = "2026-11-21T01:00:00Z";
    let times = json!({"createdAt": at, "modifiedAt": at});
    let with = |mut v: Value, gone: bool| {
        v.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        if gone {
            v["deletedAt"] = at.into();
        }
        v
    };
    let nothing = "urn:ngsi-ld:null";
    let gone = with(json!({"type": "Property", "value": nothing, "previousValue": 2, "datasetId": "urn:d:1"}), true);
    assert_eq!(got[0]["data"][0]["v"], json!([with(json!({"type": "Property", "value": 1}), false), gone]));
    assert_eq!(got[0]["data"][0]["name"], with(json!({"type": "LanguageProperty", "languageMap": {"vi": "Một"}}), false));
    let name = with(json!({"type": "LanguageProperty", "languageMap": {"@none": nothing}, "previousLanguageMap": {"vi": "Một"}}), true);
    let value = with(json!({"type": "Property", "value": nothing, "previousValue": 1}), true);
    assert_eq!(got[1]["data"][0], with(json!({"id": "urn:t:1", "type": "T", "v": value, "name": name}), true));
}

#[tokio::test]
async fn a_receiver_of_an_earlier_version_understands_it() {
    let (api, receiver) = subscribed(json!({"ngsildConformance": "1.5", "notification": {"format": "normalized"}})).await;
    api.create(&[json!({"id": "urn:t:1", "type": "T", "v": {"type": "JsonProperty", "json": {"a": 1}}})]).await;
    assert_eq!(receiver.wait(1).await[0]["data"][0]["v"], json!({"type": "Property", "value": {"a": 1}}));
    for wrong in [json!({"ngsildConformance": "2.0"}), json!({"temporalQ": {"timerel": "after", "timeAt": "2026-01-01T00:00:00Z"}})] {
        assert_eq!(api.call("PATCH", "/subscriptions/urn:s:1", &wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn linked_entities_go_along() {
    for (join, there) in [
        ("flat", json!([{"id": "urn:t:1", "type": "T", "at": "urn:c:1"}, {"id": "urn:c:1", "type": "C", "n": 1}])),
        ("inline", json!([{"id": "urn:t:1", "type": "T", "at": {"id": "urn:c:1", "type": "C", "n": 1}}])),
    ] {
        let (api, receiver) = subscribed(json!({"notification": {"join": join}})).await;
        api.create(&[
            json!({"id": "urn:c:1", "type": "C", "n": 1}),
            json!({"id": "urn:t:1", "type": "T", "at": {"type": "Relationship", "object": "urn:c:1"}}),
        ])
        .await;
        assert_eq!(receiver.wait(1).await[0]["data"], there, "{join}");
    }
}

#[tokio::test]
async fn a_rhythm_tells_of_all_that_match_and_nothing_of_nothing() {
    let (api, receiver) = subscribed(json!({"timeInterval": 0.2, "q": "v>0"})).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(receiver.got().is_empty(), "nothing matches");
    api.create(&[json!({"id": "urn:t:3", "type": "T", "v": 0}), json!({"id": "urn:t:1", "type": "T", "v": 1})]).await;
    let one = json!({"id": "urn:t:1", "type": "T", "v": 1});
    assert!(receiver.wait(2).await.iter().all(|n| n["data"] == json!([one])));
    api.create(&[json!({"id": "urn:t:2", "type": "T", "v": 2})]).await;
    let both = json!([one, {"id": "urn:t:2", "type": "T", "v": 2}]);
    until(async || receiver.got().last().unwrap()["data"] == both).await;
}

#[tokio::test]
async fn more_waits_than_memory_holds_and_comes_in_order_after_a_restart() {
    let (mut api, receiver) = subscribed(json!({})).await;
    *receiver.0.refuse.lock().unwrap() = 1;
    for v in 0..200 {
        let reply = api.call("POST", "/entityOperations/upsert", &json!([{"id": "urn:t:1", "type": "T", "v": v}])).await;
        assert!(reply.status.is_success());
        if v == 150 {
            api.reopen().await;
        }
    }
    until(async || receiver.got().last().is_some_and(|n| n["data"][0]["v"] == 199)).await;
    let mut values: Vec<i64> = receiver.got().iter().map(|n| n["data"][0]["v"].as_i64().unwrap()).collect();
    // What was sent but not booked when the program ended comes twice; so each value stands where it first came.
    let mut seen = std::collections::HashSet::new();
    values.retain(|v| seen.insert(*v));
    assert_eq!(values, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_refused_again_and_again_is_given_up_and_may_be_sent_once_more() {
    let (api, receiver) = (Api::new().await, Receiver::start().await);
    let url = receiver.1.replace("/n", "/nowhere");
    let endpoint = json!({"notification": {"endpoint": {"uri": url, "cooldown": 1}}});
    assert_eq!(api.call("POST", "/subscriptions", &subscription(&url, endpoint)).await.status, 201);
    api.create(&[json!({"id": "urn:t:1", "type": "T", "v": 1})]).await;
    let letters = "/api/context/subscriptions/urn:s:1/dead-letters";
    let page = async || api.send(api.system(), "GET", letters, &[], String::new()).await.json();
    until(async || page().await["items"] != json!([])).await;
    let page = page().await;
    assert_eq!((&page["items"][0]["reason"], &page["items"][0]["data"][0]["v"]), (&json!("the receiver answered 404"), &json!(1)));
    let well = json!({"notification": {"endpoint": {"uri": receiver.1}}});
    assert_eq!(api.call("PATCH", "/subscriptions/urn:s:1", &well).await.status, 204);
    let sent = api.send(api.system(), "POST", letters, &[], String::new()).await;
    assert_eq!(sent.json(), json!({"sent": 1}));
    assert_eq!(receiver.wait(1).await[0]["data"][0]["v"], 1);
    assert_eq!(api.send(api.system(), "GET", letters, &[], String::new()).await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_slow_receiver_slows_only_itself() {
    let (api, receiver) = subscribed(json!({})).await;
    let slow = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/n", slow.local_addr().unwrap());
    for n in 0..100 {
        let body = subscription(&url, json!({"id": format!("urn:slow:{n}"), "notification": {"endpoint": {"uri": url, "timeout": 30_000}}}));
        assert_eq!(api.call("POST", "/subscriptions", &body).await.status, 201);
    }
    api.create(&[json!({"id": "urn:t:1", "type": "T", "v": 1})]).await;
    receiver.wait(1).await;
    let all = api.get("/subscriptions?limit=200").await.json();
    assert!(all.as_array().unwrap().iter().all(|s| s["notification"]["timesFailed"].as_u64().unwrap_or(0) == 0), "it waited for another: {all}");
}

#[tokio::test]
async fn names_are_shown_in_the_context_of_whoever_asks() {
    let api = Api::new().await;
    let context = json!({"Car": "https://x.example/Car", "speed": "https://x.example/speed"});
    let body = json!({
        "@context": context, "id": "urn:s:1", "type": "Subscription", "entities": [{"type": "(Car;Red),Bus"}], "watchedAttributes": ["speed"],
        "notification": {"attributes": ["speed"], "endpoint": {"uri": "http://127.0.0.1:9/n"}}
    });
    assert_eq!(api.call_ld("POST", "/subscriptions", &body).await.status, 201);
    let shown = api.get("/subscriptions/urn:s:1").await.json();
    assert_eq!(shown["entities"][0]["type"], "(https://x.example/Car;Red),Bus");
    assert_eq!(
        (&shown["watchedAttributes"][0], &shown["notification"]["attributes"][0]),
        (&json!("https://x.example/speed"), &json!("https://x.example/speed"))
    );
    // The context had no address, so it was given one here, which lives as long as the subscription.
    let address = shown["jsonldContext"].as_str().unwrap().to_string();
    let local = address.strip_prefix("/ngsi-ld/v1").unwrap();
    assert_eq!(api.get(local).await.json()["@context"], context);
    assert_eq!(api.get("/jsonldContexts?kind=ImplicitlyCreated").await.json(), json!([address]));
    assert_eq!(api.call("DELETE", &format!("{local}?reload=true"), &Value::Null).await.status, 400);
    let link = format!("<{address}>; rel=\"http://www.w3.org/ns/json-ld#context\"");
    let shown = api.send(api.system(), "GET", "/ngsi-ld/v1/subscriptions/urn:s:1", &[("link", &link)], String::new()).await.json();
    assert_eq!((&shown["entities"][0]["type"], &shown["watchedAttributes"][0]), (&json!("(Car;Red),Bus"), &json!("speed")));
    assert_eq!(api.call("DELETE", "/subscriptions/urn:s:1", &Value::Null).await.status, 204);
    assert_eq!(api.get(local).await.status, 404);
}

#[tokio::test]
async fn over_mqtt_too() {
    let rig = crate::rig::Rig::new().await;
    for (n, info) in
        [json!([]), json!([{"key": "MQTT-QoS", "value": "1"}]), json!([{"key": "MQTT-QoS", "value": "2"}, {"key": "MQTT-Version", "value": "mqtt3.1.1"}])]
            .into_iter()
            .enumerate()
    {
        let api = Api::new().await;
        let (mut raw, _) = crate::rig::Raw::connect(rig.address, false, "hears", true, None).await;
        assert!(raw.subscribe("tell/#").await < 0x80);
        let endpoint = json!({"uri": format!("mqtt://{}/tell/me", rig.address), "notifierInfo": info, "receiverInfo": [{"key": "x-a", "value": "b"}]});
        let reply = api.call("POST", "/subscriptions", &subscription("", json!({"notification": {"endpoint": endpoint}}))).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        api.create(&[json!({"id": "urn:t:1", "type": "T", "v": n})]).await;
        let (topic, payload, _) = raw.message().await;
        let message: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!((topic.as_str(), &message["metadata"]["Content-Type"], &message["metadata"]["x-a"]), ("tell/me", &json!("application/json"), &json!("b")));
        assert!(message["metadata"]["Link"].as_str().unwrap().contains("rel=\"http://www.w3.org/ns/json-ld#context\""));
        assert_eq!((&message["body"]["type"], &message["body"]["data"][0]["v"]), (&json!("Notification"), &json!(n)));
    }
}
