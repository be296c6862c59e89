//! Several brokers, each a real server on loopback: who is asked for what, and what becomes of the answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::rig::until;

/// A broker with an address, and what it was asked.
struct Broker {
    api: Api,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Broker {
    async fn start() -> Self {
        let api = Api::new().await;
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (caller, log) = (api.system(), asked.clone());
        let note = move |mut request: Request, next: Next| {
            let (caller, log) = (caller.clone(), log.clone());
            async move {
                log.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
        };
        let app = dothi_context::http::ngsi_router(api.context.clone()).layer(axum::middleware::from_fn(note));
        let address = serve(app).await;
        Self { api, address, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A source that answers everything in the same way and remembers what it was asked.
async fn fixed(status: u16, body: &'static str) -> (SocketAddr, Arc<Mutex<Vec<(String, axum::http::HeaderMap, Value)>>>) {
    let seen: Arc<Mutex<Vec<(String, axum::http::HeaderMap, Value)>>> = Arc::default();
    let log = seen.clone();
    let answer = move |request: Request| {
        let log = log.clone();
        async move {
            let (parts, asked) = request.into_parts();
            let asked = to_bytes(asked, usize::MAX).await.unwrap();
            log.lock().unwrap().push((format!("{} {}", parts.method, parts.uri), parts.headers, serde_json::from_slice(&asked).unwrap_or_default()));
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status.try_into().unwrap();
            response.into_response()
        }
    };
    (serve(Router::new().fallback(answer)).await, seen)
}

async fn register(api: &Api, id: &str, source: SocketAddr, more: Value) -> Reply {
    let mut body = json!({
        "id": format!("urn:r:{id}"), "type": "ContextSourceRegistration", "endpoint": format!("http://{source}"),
        "information": [{"entities": [{"type": "T"}]}], "operations": ["redirectionOps", "createBatch", "upsertBatch", "deleteBatch"]
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    api.call("POST", "/csourceRegistrations", &body).await
}

fn of(id: &str, attrs: &[&str]) -> Value {
    json!([{"entities": [{"type": "T", "id": id}], "propertyNames": attrs}])
}

#[tokio::test]
async fn parts_of_an_entity_become_one_and_the_newest_counts() {
    let (here, there, third) = (Broker::start().await, Broker::start().await, Broker::start().await);
    let old = json!({"type": "Property", "value": 1, "observedAt": "2026-11-20T00:00:00Z"});
    let new = json!({"type": "Property", "value": 2, "observedAt": "2026-11-21T00:00:00Z"});
    here.api.create(&[json!({"id": "urn:t:1", "type": "T", "a": old, "b": new, "only": 7})]).await;
    there.api.create(&[json!({"id": "urn:t:1", "type": "T", "a": new, "b": old, "c": 3}), json!({"id": "urn:t:2", "type": "T", "a": 5})]).await;
    third.api.create(&[json!({"id": "urn:t:1", "type": "T", "a": 99, "d": 4})]).await;
    assert_eq!(register(&here.api, "i", there.address, json!({})).await.status, 201);
    assert_eq!(register(&here.api, "x", third.address, json!({"mode": "auxiliary", "operations": ["retrieveOps"]})).await.status, 201);
    let shown = here.api.get("/entities/urn:t:1?options=keyValues").await.json();
    assert_eq!(shown, json!({"id": "urn:t:1", "type": "T", "a": 2, "b": 2, "only": 7, "c": 3, "d": 4}), "an auxiliary source only fills gaps");
    let list = here.api.get("/entities?type=T&options=keyValues&count=true").await;
    assert_eq!((list.ids(), list.header("ngsild-results-count")), (vec!["1".into(), "2".into()], "2"));
    assert_eq!(list.json()[0]["d"], 4);
    // The pages of the whole fit together.
    let first = here.api.get("/entities?type=T&limit=1").await;
    assert_eq!(first.ids(), ["1"]);
    let second = here.api.get(first.link("next").unwrap().strip_prefix("/ngsi-ld/v1").unwrap()).await;
    assert_eq!((second.ids(), second.link("next")), (vec!["2".into()], None));
    // Who asks for what is here only gets that, and nobody else is asked.
    there.asked();
    assert_eq!(here.api.get("/entities/urn:t:1?local=true&options=keyValues").await.json()["a"], 1);
    assert_eq!(here.api.get("/entities?type=T&local=true").await.ids(), ["1"]);
    assert_eq!(here.api.get("/entities/urn:t:2?type=T&csf=registrationName==%22x%22").await.status, 200);
    assert_eq!(here.api.get("/entities?type=T&csf=registrationName==%22x%22").await.ids(), ["1"], "no source meets the filter");
    assert_eq!(there.asked().len(), 1);
    // Both say what is wrong with the whole only when it is the whole that is looked at.
    assert_eq!(here.api.get("/entities?type=T&splitEntities=true&q=only==7;c==3").await.ids(), ["1"]);
    assert!(!there.asked()[0].contains("q="), "conditions on the whole are not for the parts");
}

#[tokio::test]
async fn what_others_hold_alone_is_written_there_alone() {
    let (here, there, other) = (Broker::start().await, Broker::start().await, Broker::start().await);
    assert_eq!(register(&here.api, "e", there.address, json!({"mode": "exclusive", "information": of("urn:t:1", &["a"])})).await.status, 201);
    let made = json!({"id": "urn:t:1", "type": "T", "a": 1, "b": 2});
    assert_eq!(here.api.call("POST", "/entities", &made).await.status, 201);
    assert_eq!(here.api.get("/entities/urn:t:1?local=true&options=keyValues").await.json(), json!({"id": "urn:t:1", "type": "T", "b": 2}));
    assert_eq!(there.api.get("/entities/urn:t:1?options=keyValues").await.json(), json!({"id": "urn:t:1", "type": "T", "a": 1}));
    assert_eq!(here.api.get("/entities/urn:t:1?options=keyValues").await.json(), json!({"id": "urn:t:1", "type": "T", "b": 2, "a": 1}));
    let patch = json!({"a": {"type": "Property", "value": 10}, "b": {"type": "Property", "value": 20}});
    assert_eq!(here.api.call("PATCH", "/entities/urn:t:1/attrs", &patch).await.status, 204);
    assert_eq!(here.api.get("/entities/urn:t:1?options=keyValues").await.json(), json!({"id": "urn:t:1", "type": "T", "b": 20, "a": 10}));
    assert_eq!(here.api.call("DELETE", "/entities/urn:t:1/attrs/a", &Value::Null).await.status, 204);
    assert_eq!(here.api.get("/entities/urn:t:1?options=keyValues").await.json(), json!({"id": "urn:t:1", "type": "T", "b": 20}));
    // A redirect takes whole entities, in batches too; what fails at one of two is told.
    let all = json!([{"entities": [{"type": "T", "idPattern": "^urn:t:[5-9]"}]}]);
    assert_eq!(register(&here.api, "r", other.address, json!({"mode": "redirect", "information": all})).await.status, 201);
    let batch = json!([{"id": "urn:t:3", "type": "T", "v": 1}, {"id": "urn:t:5", "type": "T", "v": 1}]);
    let reply = here.api.call("POST", "/entityOperations/create", &batch).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (201, json!(["urn:t:3", "urn:t:5"])));
    assert_eq!(
        (here.api.get("/entities/urn:t:5?local=true").await.status, other.api.get("/entities/urn:t:5").await.status.as_u16()),
        (404.try_into().unwrap(), 200)
    );
    let reply =
        here.api.call("POST", "/entityOperations/create", &json!([{"id": "urn:t:4", "type": "T", "v": 1}, {"id": "urn:t:5", "type": "T", "v": 1}])).await;
    let body = reply.json();
    assert_eq!((reply.status.as_u16(), &body["success"]), (207, &json!(["urn:t:4"])));
    assert_eq!(
        (&body["errors"][0]["entityId"], &body["errors"][0]["registrationId"], &body["errors"][0]["error"]["status"]),
        (&json!("urn:t:5"), &json!("urn:r:r"), &json!(409))
    );
    assert_eq!(here.api.call("DELETE", "/entities/urn:t:5", &Value::Null).await.status, 204);
    assert_eq!(other.api.get("/entities/urn:t:5").await.status, 404);
    // What the only holder does not offer cannot be done.
    assert_eq!(here.api.call("PATCH", "/csourceRegistrations/urn:r:r", &json!({"operations": ["retrieveOps"]})).await.status, 204);
    let reply = here.api.call("POST", "/entities", &json!({"id": "urn:t:6", "type": "T", "v": 1})).await;
    assert_eq!((reply.status.as_u16(), reply.json()["type"].as_str().unwrap()), (409, "https://uri.etsi.org/ngsi-ld/errors/Conflict"));
}

#[tokio::test]
async fn both_hold_what_is_registered_inclusively_and_half_a_success_is_told() {
    let (here, there) = (Broker::start().await, Broker::start().await);
    assert_eq!(register(&here.api, "i", there.address, json!({})).await.status, 201);
    here.api.create(&[json!({"id": "urn:t:1", "type": "T", "v": 1})]).await;
    assert_eq!(there.api.get("/entities/urn:t:1").await.status, 200);
    assert_eq!(here.api.call("DELETE", "/entities/urn:t:1?local=true", &Value::Null).await.status, 204);
    let reply = here.api.call("POST", "/entities", &json!({"id": "urn:t:1", "type": "T", "v": 1})).await;
    let body = reply.json();
    assert_eq!((reply.status.as_u16(), &body["success"], &body["errors"][0]["registrationId"]), (207, &json!(["urn:t:1"]), &json!("urn:r:i")));
    let reply = here.api.call("PATCH", "/entities/urn:t:1/attrs", &json!({"v": {"type": "Property", "value": 3}})).await;
    assert_eq!(reply.status, 204);
    assert_eq!(there.api.get("/entities/urn:t:1?options=keyValues").await.json()["v"], 3);
    // Types of both are known, and neither asks in a circle.
    there.api.create(&[json!({"id": "urn:u:1", "type": "U", "w": 1})]).await;
    assert_eq!(register(&there.api, "back", here.address, json!({"operations": ["federationOps"]})).await.status, 201);
    assert_eq!(here.api.call("PATCH", "/csourceRegistrations/urn:r:i", &json!({"operations": ["federationOps"]})).await.status, 204);
    let types = here.api.get("/types").await.json();
    assert_eq!(types["typeList"], json!(["T", "U"]));
    assert_eq!(here.api.get("/entities?type=T").await.ids(), ["1"]);
}

#[tokio::test]
async fn requests_to_sources_carry_what_was_agreed() {
    let api = Api::new().await;
    let (source, seen) = fixed(200, r#"{"id": "urn:t:1", "type": "T", "a": {"type": "Property", "value": 1}, "x": {"type": "Property", "value": 1}}"#).await;
    let agreed = json!([
        {"key": "X-Key", "value": "k"}, {"key": "X-From", "value": "urn:ngsi-ld:request"}, {"key": "Via", "value": "evil"}, {"key": "NGSILD-Tenant", "value": "evil"}
    ]);
    let more = json!({"information": of("urn:t:1", &["a"]), "tenant": "city", "contextSourceInfo": agreed, "management": {"localOnly": true, "timeout": 2000}});
    assert_eq!(register(&api, "i", source, more).await.status, 201);
    let reply = api.send(api.system(), "GET", "/ngsi-ld/v1/entities/urn:t:1?options=keyValues", &[("x-from", "me"), ("via", "1.1 before")], "").await;
    assert_eq!(reply.json(), json!({"id": "urn:t:1", "type": "T", "a": 1}), "only what the source is registered for");
    let (line, headers, _) = seen.lock().unwrap().remove(0);
    assert!(line.starts_with("GET /ngsi-ld/v1/entities/urn:t:1?") && line.contains("attrs=a") && line.contains("local=true"), "{line}");
    let header = |name: &str| headers.get(name).map_or("", |v| v.to_str().unwrap());
    assert_eq!((header("x-key"), header("x-from"), header("ngsild-tenant")), ("k", "me", "city"));
    let alias = api.get("/info/sourceIdentity").await.json()["contextSourceAlias"].as_str().unwrap().to_string();
    assert_eq!(header("via"), format!("1.1 before, 1.1 {alias}"));
    // A request that came through us is answered from what is here; one that only another may do is a loop.
    let via = format!("1.1 {alias}");
    assert_eq!(api.send(api.system(), "GET", "/ngsi-ld/v1/entities/urn:t:1", &[("via", &via)], "").await.status, 404);
    assert_eq!(api.call("PATCH", "/csourceRegistrations/urn:r:i", &json!({"mode": "exclusive"})).await.status, 204);
    let body = json!({"a": {"type": "Property", "value": 2}}).to_string();
    let reply = api.send(api.system(), "PATCH", "/ngsi-ld/v1/entities/urn:t:1/attrs", &[("via", &via), ("content-type", "application/json")], body).await;
    assert_eq!(reply.status, 508);
    assert!(seen.lock().unwrap().is_empty());
    let shown = api.get("/csourceRegistrations/urn:r:i").await.json();
    assert_eq!((&shown["status"], &shown["timesSent"], &shown["timesFailed"]), (&json!("ok"), &json!(1), &json!(0)));
}

#[tokio::test]
async fn sources_that_fail_are_warned_of_and_harm_nothing() {
    let api = Api::new().await;
    api.create(&[json!({"id": "urn:t:1", "type": "T", "a": 1})]).await;
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    for (name, source, code) in [
        ("refuses", fixed(403, "{}").await.0, "299"),
        ("babbles", fixed(200, "no json").await.0, "111"),
        ("gone", nobody, "112"),
        ("empty", fixed(404, "").await.0, ""),
    ] {
        assert_eq!(register(&api, name, source, json!({})).await.status, 201);
        for path in ["/entities/urn:t:1", "/entities?type=T"] {
            let reply = api.get(path).await;
            assert_eq!((reply.status.as_u16(), reply.header("ngsild-warning").split(' ').next().unwrap()), (200, code), "{name} {path}");
        }
        assert_eq!(api.call("DELETE", &format!("/csourceRegistrations/urn:r:{name}"), &Value::Null).await.status, 204);
    }
    for bad in ["http://169.254.169.254", "http://10.0.0.1/x", "ftp://a.example", "http://a.example?x=y", "http://user:pw@a.example"] {
        assert_eq!(register(&api, "bad", nobody, json!({"endpoint": bad})).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn registrations_are_checked_found_changed_and_kept() {
    let mut api = Api::new().await;
    let at = SocketAddr::from(([127, 0, 0, 1], 9));
    api.create(&[json!({"id": "urn:t:1", "type": "T", "a": 1})]).await;
    let rows = [
        (json!({"mode": "nosuch"}), 400),
        (json!({"information": []}), 400),
        (json!({"information": [{"entities": [{"id": "urn:t:1"}]}]}), 400),
        (json!({"operations": ["nosuch"]}), 400),
        (json!({"mode": "auxiliary", "operations": ["createEntity"]}), 400),
        (json!({"mode": "exclusive"}), 400),
        (json!({"mode": "exclusive", "information": of("urn:t:1", &["a"])}), 409),
        (json!({"mode": "redirect"}), 409),
        (json!({"expiresAt": "2020-01-01T00:00:00Z"}), 400),
        (json!({"management": {"timeout": 0}}), 400),
        (json!({"contextSourceInfo": [{"key": "a b", "value": "x"}]}), 400),
        (
            json!({"mode": "exclusive", "information": of("urn:t:1", &["b"]), "scope": "/a/b", "location": {"type": "Point", "coordinates": [106.5, 20.5]}, "kind": "sensor"}),
            201,
        ),
        (json!({}), 409),
        (json!({"id": "urn:r:2", "mode": "exclusive", "information": of("urn:t:1", &["c", "b"])}), 409),
        (json!({"id": "urn:r:2", "mode": "exclusive", "information": of("urn:t:1", &["c"]), "observationInterval": {"startAt": "2020-01-01T00:00:00Z"}}), 201),
        (json!({"id": "urn:r:3", "information": [{"propertyNames": ["z"]}], "expiresAt": "2026-11-21T02:00:00Z"}), 201),
    ];
    for (more, status) in rows {
        let reply = register(&api, "1", at, more.clone()).await;
        assert_eq!(reply.status.as_u16(), status, "{more}: {}", reply.text);
    }
    for (query, ids) in [
        ("type=T", vec!["1", "3"]),
        ("type=U", vec!["3"]),
        ("type=T&attrs=b", vec!["1"]),
        ("id=urn:t:1&attrs=b,z", vec!["1", "3"]),
        ("id=urn:t:7", vec!["3"]),
        ("idPattern=t:1$&type=T&attrs=b", vec!["1"]),
        ("type=T&csf=kind==%22sensor%22", vec!["1"]),
        ("type=T&scopeQ=/a/%23", vec!["1"]),
        ("type=T&georel=near;maxDistance==10&geometry=Point&coordinates=[106.5,20.5]", vec!["1"]),
        ("type=T&timerel=after&timeAt=2021-01-01T00:00:00Z", vec!["2"]),
        ("type=T&limit=1&offset=1", vec!["3"]),
    ] {
        assert_eq!(api.get(&format!("/csourceRegistrations?{query}")).await.ids(), ids, "{query}");
    }
    assert_eq!(api.get("/csourceRegistrations").await.status, 400);
    assert_eq!(
        api.call("PATCH", "/csourceRegistrations/urn:r:1", &json!({"description": "x", "kind": null, "type": "ContextSourceRegistration"})).await.status,
        204
    );
    assert_eq!(api.call("PATCH", "/csourceRegistrations/urn:r:1", &json!({"information": null})).await.status, 400);
    api.reopen().await;
    let shown = api.get("/csourceRegistrations/urn:r:1?options=sysAttrs").await.json();
    assert_eq!(
        (&shown["description"], shown.get("kind"), &shown["information"], &shown["createdAt"]),
        (&json!("x"), None, &of("urn:t:1", &["b"]), &json!("2026-11-21T01:00:00Z"))
    );
    api.test.clock.advance_seconds(7_200);
    assert_eq!(api.get("/csourceRegistrations/urn:r:3").await.status, 404, "its time is over");
    assert_eq!(api.call("DELETE", "/csourceRegistrations/urn:r:1", &Value::Null).await.status, 204);
    assert_eq!(api.call("DELETE", "/csourceRegistrations/urn:r:1", &Value::Null).await.status, 404);
}

#[tokio::test]
async fn who_listens_hears_which_sources_come_change_and_go() {
    let api = Api::new().await;
    let (receiver, heard) = fixed(200, "").await;
    let at = SocketAddr::from(([127, 0, 0, 1], 9));
    let both = json!([{"entities": [{"type": "T"}, {"type": "U"}]}]);
    assert_eq!(register(&api, "1", at, json!({"information": both})).await.status, 201);
    let subscription =
        json!({"id": "urn:s:1", "type": "Subscription", "entities": [{"type": "T"}], "notification": {"endpoint": {"uri": format!("http://{receiver}/n")}}});
    assert_eq!(api.call("POST", "/csourceSubscriptions", &subscription).await.status, 201);
    assert_eq!(api.call("PATCH", "/csourceRegistrations/urn:r:1", &json!({"description": "new"})).await.status, 204);
    assert_eq!(api.call("PATCH", "/csourceRegistrations/urn:r:1", &json!({"information": [{"entities": [{"type": "V"}]}]})).await.status, 204);
    assert_eq!(register(&api, "2", at, json!({})).await.status, 201);
    assert_eq!(api.call("DELETE", "/csourceRegistrations/urn:r:2", &Value::Null).await.status, 204);
    until(async || heard.lock().unwrap().len() == 5).await;
    let heard: Vec<Value> = heard.lock().unwrap().iter().map(|(_, _, b)| b.clone()).collect();
    let told: Vec<(&str, &str)> = heard.iter().map(|n| (n["triggerReason"].as_str().unwrap(), n["data"][0]["id"].as_str().unwrap())).collect();
    let (one, two) = ("urn:r:1", "urn:r:2");
    assert_eq!(told, [("newlyMatching", one), ("updated", one), ("noLongerMatching", one), ("newlyMatching", two), ("noLongerMatching", two)]);
    assert_eq!(heard[0]["data"][0]["information"], json!([{"entities": [{"type": "T"}]}]), "only what concerns the listener");
    assert_eq!(api.call("DELETE", "/csourceSubscriptions/urn:s:1", &Value::Null).await.status, 204);
    assert_eq!(api.get("/csourceSubscriptions/urn:s:1").await.status, 404);
}

#[tokio::test]
async fn a_map_fixes_a_result_and_forgets_what_is_gone() {
    let (here, there) = (Broker::start().await, Broker::start().await);
    let t = |n: usize| json!({"id": format!("urn:t:{n}"), "type": "T", "v": n});
    here.api.create(&(0..4).map(t).collect::<Vec<_>>()).await;
    there.api.create(&[t(4)]).await;
    assert_eq!(register(&here.api, "i", there.address, json!({})).await.status, 201);
    let first = here.api.get("/entities?type=T&entityMap=true&limit=2").await;
    assert_eq!((first.status.as_u16(), first.ids()), (201, vec!["0".into(), "1".into()]));
    let address = first.header("ngsild-entitymap").to_string();
    let path = address.strip_prefix("/ngsi-ld/v1").unwrap();
    let map = here.api.get(path).await.json();
    assert_eq!((&map["entityMap"]["urn:t:0"], &map["entityMap"]["urn:t:4"]), (&json!(["@none"]), &json!(["urn:r:i"])));
    here.api.create(&[json!({"id": "urn:t:00", "type": "T"})]).await;
    assert_eq!(here.api.call("DELETE", "/entities/urn:t:1?local=true", &Value::Null).await.status, 204);
    let with = [("ngsild-entitymap", address.as_str())];
    let page = here.api.send(here.api.system(), "GET", "/ngsi-ld/v1/entities?type=T&limit=3&count=true", &with, "").await;
    assert_eq!(
        (page.ids(), page.header("ngsild-results-count")),
        (vec!["0".into(), "2".into(), "3".into()], "4"),
        "the new one is not part of it, the deleted one no more"
    );
    let next = page.link("next").unwrap();
    assert!(!next.contains("pageAfter"), "{next}");
    assert_eq!(here.api.send(here.api.system(), "GET", &next, &with, "").await.ids(), ["4"]);
    assert_eq!(here.api.get(path).await.json()["entityMap"].get("urn:t:1"), None);
    assert_eq!(here.api.call("PATCH", path, &json!({"expiresAt": "2026-11-21T01:30:00Z", "entityMap": {}})).await.status, 204);
    here.api.test.clock.advance_seconds(3_600);
    assert_eq!(here.api.get(path).await.status, 404);
    assert_eq!(here.api.get("/entityMaps?type=T&entityMapLifetime=soon").await.status, 400);
    assert_eq!(here.api.get("/entityMaps?id=urn:t:1").await.status, 400);
}

#[tokio::test]
async fn a_snapshot_stays_as_it_was_even_after_a_restart() {
    let mut api = Api::new().await;
    api.create(&[json!({"id": "urn:t:1", "type": "T", "v": 1}), json!({"id": "urn:t:2", "type": "T", "v": 9})]).await;
    let made =
        api.call("POST", "/snapshots", &json!({"type": "Snapshot", "snapshotQueries": [{"type": "Query", "entities": [{"type": "T"}], "q": "v>5"}]})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = made.header("location").strip_prefix("/ngsi-ld/v1").unwrap().to_string();
    until(async || api.get(&path).await.json()["snapshotStatus"] != "preparing").await;
    let shown = api.get(&path).await.json();
    assert_eq!((&shown["snapshotStatus"], &shown["snapshotQueriesDetails"][0]["resultStatus"]), (&json!("success"), &json!("success")));
    assert_eq!(api.call("PATCH", "/entities/urn:t:2/attrs", &json!({"v": {"type": "Property", "value": 0}})).await.status, 204);
    let copy = api.call("POST", &format!("{path}/clone"), &json!({"type": "Snapshot", "id": "urn:snap:copy", "snapshotPriority": 9})).await;
    assert_eq!(copy.status, 201, "{}", copy.text);
    api.reopen().await;
    for id in [shown["id"].as_str().unwrap(), "urn:snap:copy"] {
        let frozen = [("ngsild-snapshot", id)];
        let list = api.send(api.system(), "GET", "/ngsi-ld/v1/entities?type=T&options=keyValues", &frozen, "").await;
        assert_eq!((list.json(), list.header("ngsild-snapshot")), (json!([{"id": "urn:t:2", "type": "T", "v": 9}]), id));
        assert_eq!(api.send(api.system(), "GET", "/ngsi-ld/v1/entities/urn:t:1", &frozen, "").await.status, 404);
        assert_eq!(api.send(api.system(), "DELETE", "/ngsi-ld/v1/entities/urn:t:2", &frozen, "").await.status, 422);
    }
    assert_eq!(api.send(api.system(), "GET", "/ngsi-ld/v1/entities?type=T", &[("ngsild-snapshot", "urn:no")], "").await.status, 404);
    assert_eq!(api.call("DELETE", "/snapshots?q=v%3E5", &Value::Null).await.status, 400);
    assert_eq!(api.call("DELETE", "/snapshots?q=snapshotPriority%3C6", &Value::Null).await.status, 204);
    assert_eq!((api.get(&path).await.status.as_u16(), api.get("/snapshots/urn:snap:copy").await.status.as_u16()), (404, 200));
}

#[tokio::test]
async fn a_subscription_hears_of_what_sources_hold() {
    let (here, there) = (Broker::start().await, Broker::start().await);
    let (receiver, heard) = fixed(200, "").await;
    assert_eq!(register(&here.api, "f", there.address, json!({"operations": ["federationOps"]})).await.status, 201);
    here.api.create(&[json!({"id": "urn:t:1", "type": "T", "b": 1})]).await;
    let host = here.address.to_string();
    let subscribe = async |more: Value| {
        let mut body = json!({
            "id": "urn:s:1", "type": "Subscription", "entities": [{"type": "T"}, {"type": "Other"}],
            "notification": {"format": "keyValues", "endpoint": {"uri": format!("http://{receiver}/n")}}
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let reply = here.api.send(here.api.system(), "POST", "/ngsi-ld/v1/subscriptions", &headers, body.to_string()).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
    };
    let copies = async || there.api.get("/subscriptions").await.json().as_array().unwrap().clone();
    let come = |n: usize| {
        let heard = heard.clone();
        async move || heard.lock().unwrap().len() == n
    };
    // The source gets what concerns it, and tells us.
    subscribe(json!({"q": "a>1"})).await;
    until(async || !copies().await.is_empty()).await;
    let copy = copies().await.remove(0);
    let place = copy["notification"]["endpoint"]["uri"].as_str().unwrap().to_string();
    assert_eq!((&copy["entities"], &copy["q"]), (&json!([{"type": "T"}]), &json!("a>1")));
    assert!(place.starts_with(&format!("http://{host}/ngsi-ld/ex/")), "{place}");
    there.api.create(&[json!({"id": "urn:t:8", "type": "T", "a": 0}), json!({"id": "urn:t:9", "type": "T", "a": 9})]).await;
    until(come(1)).await;
    let told = heard.lock().unwrap()[0].2.clone();
    assert_eq!((&told["subscriptionId"], &told["data"]), (&json!("urn:s:1"), &json!([{"id": "urn:t:9", "type": "T", "a": 9}])));
    let follower = here.api.get("/csourceSubscriptions").await.json()[0].clone();
    assert_eq!(here.api.get(&format!("/csourceSubscriptions/{}", follower["id"].as_str().unwrap())).await.json()["entities"][0]["type"], "T");
    // Nobody else may tell us.
    let fake = json!({"type": "Notification", "subscriptionId": copy["id"], "data": [{"id": "urn:t:7", "type": "T", "a": 7}]}).to_string();
    let tell = async |path: &str| {
        let nobody = dothi_kernel::Caller::anonymous(here.api.test.clock.as_ref(), None);
        here.api.send(nobody, "POST", path, &[("content-type", "application/json"), ("ngsild-tenant", "theirs")], fake.clone()).await.status.as_u16()
    };
    assert_eq!((tell("/ngsi-ld/ex/remote-notify").await, tell("/ngsi-ld/ex/remote-notify?key=0000000000000000").await), (401, 401));
    assert_eq!(tell(&place[place.find("/ngsi-ld").unwrap()..]).await, 200);
    until(come(2)).await;
    // It follows changes, and the end.
    assert_eq!(here.api.call("PATCH", "/subscriptions/urn:s:1", &json!({"q": "a>5"})).await.status, 204);
    until(async || copies().await[0]["q"] == "a>5").await;
    assert_eq!(here.api.call("DELETE", "/subscriptions/urn:s:1", &Value::Null).await.status, 204);
    until(async || copies().await.is_empty()).await;
    assert_eq!(here.api.get("/csourceSubscriptions").await.json(), json!([]));
    // Conditions on what several hold together are asked here.
    subscribe(json!({"q": "a>1;b==1", "splitEntities": true})).await;
    until(async || !copies().await.is_empty()).await;
    assert!(copies().await[0].get("q").is_none());
    there.api.create(&[json!({"id": "urn:t:2", "type": "T", "a": 9}), json!({"id": "urn:t:1", "type": "T", "a": 2})]).await;
    until(come(3)).await;
    assert_eq!(heard.lock().unwrap()[2].2["data"], json!([{"id": "urn:t:1", "type": "T", "a": 2, "b": 1}]));
    // A source that goes is told to forget us.
    assert_eq!(here.api.call("DELETE", "/csourceRegistrations/urn:r:f", &Value::Null).await.status, 204);
    until(async || copies().await.is_empty()).await;
}

#[tokio::test]
async fn a_source_is_not_asked_the_same_again_too_soon() {
    let api = Api::new().await;
    let (source, seen) = fixed(200, r#"{"id": "urn:t:1", "type": "T", "a": 1}"#).await;
    assert_eq!(register(&api, "c", source, json!({"management": {"cacheDuration": "PT1H"}})).await.status, 201);
    let ask = async |path: &str| {
        assert_eq!(api.get(path).await.status, 200, "{path}");
        seen.lock().unwrap().len()
    };
    assert_eq!((ask("/entities/urn:t:1").await, ask("/entities/urn:t:1").await), (1, 1));
    assert_eq!(ask("/entities/urn:t:1?type=T").await, 2, "another question");
    api.test.clock.advance_seconds(3_601);
    assert_eq!(ask("/entities/urn:t:1").await, 3, "an answer counts for a while");
    assert!(api.call("DELETE", "/entities/urn:t:1", &Value::Null).await.status.is_success());
    assert_eq!(ask("/entities/urn:t:1").await, 5, "what was written through us is asked for anew");
    assert_eq!(register(&api, "w", source, json!({"management": {"cacheDuration": "an hour"}})).await.status, 400);
}
