//! Details of the standard that are easy to get wrong: what narrows a query, what an update adds, versions of answers.

use serde_json::{Value, json};

use crate::api::{Api, Reply};

async fn town() -> Api {
    let api = Api::new().await;
    api.create(&[
        json!({"id": "urn:t:1", "type": ["A", "B"], "a": 1, "scope": "/x"}),
        json!({"id": "urn:t:2", "type": ["A", "C"], "a": 2}),
        json!({"id": "urn:t:3", "type": "C", "a": 3}),
    ])
    .await;
    api
}

async fn send(api: &Api, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    api.send(api.system(), method, &format!("/ngsi-ld/v1{path}"), headers, body).await
}

#[tokio::test]
async fn a_query_needs_more_than_ids_and_members_that_all_have() {
    let api = town().await;
    for (path, status) in [
        ("/entities?id=urn:t:1", 400),
        ("/entities?idPattern=urn:t:.*", 400),
        ("/entities?attrs=id,type", 400),
        ("/entities?id=urn:t:1&local=true", 200),
        ("/entities?attrs=a", 200),
        ("/entities?type=C&idPattern=t**", 400),
        ("/entities?type=C&idPattern=t%5C**", 200),
        ("/types/C?details=true", 400),
        ("/types?details=true", 200),
        ("/attributes/a?details=true", 400),
    ] {
        assert_eq!(api.get(path).await.status.as_u16(), status, "{path}");
    }
    assert_eq!(api.get("/entities?type=A;(B%7CC)&local=true").await.ids(), ["1", "2"]);
    assert_eq!(api.get("/entities?type=(B%7CC);(A)&local=true").await.ids(), ["1", "2"]);
    assert_eq!(api.get("/entities?type=(B,C)").await.ids(), ["1", "2", "3"]);
}

#[tokio::test]
async fn an_update_adds_what_is_new_and_a_scope_only_in_place_of_one() {
    let api = town().await;
    let reply = api.call("PATCH", "/entities/urn:t:3/attrs", &json!({"a": 4, "b": {"type": "Property", "value": 5}})).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
    assert_eq!(api.get("/entities/urn:t:3?options=keyValues").await.json(), json!({"id": "urn:t:3", "type": "C", "a": 4, "b": 5}));
    let reply = api.call("PATCH", "/entities/urn:t:3/attrs", &json!({"scope": "/y"})).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["notUpdated"][0]["attributeName"]), (207, &json!("scope")));
    assert!(api.get("/entities/urn:t:3").await.json().get("scope").is_none());
    assert_eq!(api.call("PATCH", "/entities/urn:t:1/attrs", &json!({"scope": "/y"})).await.status, 204);
    assert_eq!(api.call("POST", "/entities/urn:t:1/attrs?options=noOverwrite", &json!({"scope": ["/z", "/y"]})).await.status, 204);
    assert_eq!(api.get("/entities/urn:t:1").await.json()["scope"], json!(["/y", "/z"]), "scopes beside those that are kept");
}

#[tokio::test]
async fn a_member_of_the_core_has_one_name_wherever_an_attribute_is_written() {
    let api = town().await;
    let text = json!({"type": "Property", "value": "x", "observedAt": "2026-11-21T00:00:00Z"});
    for name in ["ngsi-ld:location", "https://uri.etsi.org/ngsi-ld/observedAt", "unitCode"] {
        let whole = json!({"id": "urn:t:9", "type": "A", name: text});
        let past = json!({"id": "urn:t:9", "type": "A", name: [text]});
        let place = format!("/entities/urn:t:1/attrs/{}", name.replace('/', "%2F"));
        for (method, path, body) in [("POST", "/entities", &whole), ("POST", "/temporal/entities", &past), ("PUT", &*place, &text), ("PATCH", &*place, &text)] {
            let reply = api.call(method, path, body).await;
            assert_eq!(reply.status, 400, "{method} {path} of {name}: {}", reply.text);
        }
    }
    assert_eq!(api.get("/entities/urn:t:1?options=keyValues").await.json(), json!({"id": "urn:t:1", "type": ["A", "B"], "a": 1, "scope": "/x"}));
}

#[tokio::test]
async fn bodies_say_their_context_in_one_way() {
    let api = town().await;
    let link = "<https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld>; rel=\"http://www.w3.org/ns/json-ld#context\"";
    let ld = [("content-type", "application/ld+json"), ("link", link)];
    let one = json!({"id": "urn:t:9", "type": "A", "@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"});
    assert_eq!(send(&api, "POST", "/entityOperations/create", &ld, &json!([one])).await.status, 400, "one fault of the whole request");
    assert_eq!(send(&api, "POST", "/entityOperations/delete", &ld[..1], &json!(["urn:t:1", "urn:t:2"])).await.status, 204, "a list of ids has no context");
    let empty = send(&api, "POST", "/entities", &ld[..1], &json!([])).await;
    assert!((empty.status, empty.json()["type"].as_str().unwrap().ends_with("/InvalidRequest")) == (400.try_into().unwrap(), true));
    assert_eq!(api.call("POST", "/entities", &json!({"id": "urn:t:8", "type": "type"})).await.status, 400, "a keyword is not a type");
    for (path, status) in [("/entities/", 400), ("/entities", 405)] {
        assert_eq!(api.call("PATCH", path, &json!({"a": 1})).await.status.as_u16(), status, "{path}");
    }
    let hosted = api.call("POST", "/jsonldContexts", &json!({"@context": {"x": "https://x.example/x"}})).await;
    let path = hosted.header("location").strip_prefix("/ngsi-ld/v1").unwrap().to_string();
    assert_eq!(api.get(&path).await.header("content-type"), "application/json");
    assert_eq!(send(&api, "GET", &path, &[("accept", "application/ld+json")], &Value::Null).await.header("content-type"), "application/ld+json");
}

#[tokio::test]
async fn who_reads_an_earlier_version_gets_what_it_knows() {
    let api = Api::new().await;
    let whole = json!({
        "id": "urn:t:1", "type": ["A", "B"], "scope": "/x", "expiresAt": "2999-01-01T00:00:00Z",
        "v": {"type": "VocabProperty", "vocab": "word"},
        "l": {"type": "LanguageProperty", "languageMap": {"en": "x"}},
        "many": {"type": "ListRelationship", "objectList": [{"object": "urn:x:1"}, {"object": "urn:x:2"}]},
        "p": [{"type": "Property", "value": 1, "unitCode": "CEL", "sub": {"type": "JsonProperty", "json": {"a": 1}}}, {"type": "Property", "value": 2, "datasetId": "urn:d:1"}],
        "r": {"type": "Relationship", "object": "urn:x:1", "objectType": "T", "observedAt": "2026-11-20T00:00:00Z"}
    });
    api.create(std::slice::from_ref(&whole)).await;
    let read = async |path: &str, prefer: &str| {
        let reply = send(&api, "GET", path, &[("prefer", prefer)], &Value::Null).await;
        (reply.status.as_u16(), reply.header("preference-applied").to_string(), reply.json())
    };
    let (status, applied, same) = read("/entities/urn:t:1", "ngsi-ld=1.9").await;
    assert_eq!((status, applied.as_str()), (200, "ngsi-ld=1.9"));
    assert_eq!(same["v"]["type"], "VocabProperty");
    let (status, applied, seen) = read("/entities/urn:t:1", "respond-async, NGSI-LD=\"1.5\";q=1").await;
    assert_eq!((status, applied.as_str()), (203, "ngsi-ld=1.5"));
    assert_eq!(
        seen,
        json!({
            "id": "urn:t:1", "type": same["type"], "scope": "/x",
            "v": {"type": "Property", "value": same["v"]["vocab"]},
            "l": {"type": "LanguageProperty", "languageMap": {"en": "x"}},
            "many": {"type": "Relationship", "object": ["urn:x:1", "urn:x:2"]},
            "p": [{"type": "Property", "value": 1, "unitCode": "CEL", "sub": {"type": "Property", "value": {"a": 1}}}, {"type": "Property", "value": 2, "datasetId": "urn:d:1"}],
            "r": {"type": "Relationship", "object": "urn:x:1", "observedAt": "2026-11-20T00:00:00Z"}
        })
    );
    let (_, _, list) = read("/entities?type=A", "ngsi-ld=1.0").await;
    assert_eq!(
        list,
        json!([{
            "id": "urn:t:1", "type": same["type"][0],
            "v": {"type": "Property", "value": same["v"]["vocab"]}, "l": {"type": "Property", "value": {"en": "x"}},
            "many": {"type": "Relationship", "object": ["urn:x:1", "urn:x:2"]},
            "p": {"type": "Property", "value": 1, "sub": {"type": "Property", "value": {"a": 1}}},
            "r": {"type": "Relationship", "object": "urn:x:1"}
        }])
    );
    let (status, applied, _) = read("/types", "ngsi-ld=1.0").await;
    assert_eq!((status, applied.as_str()), (200, "ngsi-ld=1.0"), "only entities have other forms");
    assert_eq!(read("/types", "body=json").await.1, "");
}

#[tokio::test]
async fn a_member_of_a_subscription_is_changed_as_a_whole() {
    let api = Api::new().await;
    let endpoint = json!({"endpoint": {"uri": "http://127.0.0.1:9/n"}});
    for path in ["/subscriptions", "/csourceSubscriptions"] {
        let made = json!({"id": "urn:s:1", "type": "Subscription", "entities": [{"type": "A"}], "notification": endpoint});
        assert_eq!(api.call("POST", path, &made).await.status, 201);
        let one = format!("{path}/urn:s:1");
        assert_eq!(api.call("PATCH", &one, &json!({"notification": {"format": "keyValues"}})).await.status, 400, "{path}: there would be no endpoint");
        let new = json!({"notification": {"endpoint": {"uri": "http://127.0.0.1:9/other"}}});
        assert_eq!(api.call("PATCH", &one, &new).await.status, 204);
        assert_eq!(api.get(&one).await.json()["notification"]["endpoint"]["uri"], "http://127.0.0.1:9/other");
    }
}

#[tokio::test]
async fn maps_fix_single_entities_and_the_past_too() {
    let api = Api::new().await;
    let seen = |n: i64| json!({"type": "Property", "value": n, "observedAt": "2026-11-20T00:00:00Z"});
    api.create(&[json!({"id": "urn:t:1", "type": "T", "a": seen(1)}), json!({"id": "urn:t:2", "type": "T", "a": seen(2)})]).await;
    let past = "type=T&timerel=after&timeAt=2000-01-01T00:00:00Z";
    let gone = [("ngsild-entitymap", "urn:ngsi-ld:EntityMap:gone")];
    let holds = async |place: &str| {
        let map = api.get(place.strip_prefix("/ngsi-ld/v1").unwrap()).await.json();
        map["entityMap"].as_object().unwrap().iter().map(|(id, held)| format!("{id} {held}")).collect::<Vec<_>>().join("; ")
    };
    let (one, two) = ("urn:t:1 [\"@none\"]", "urn:t:2 [\"@none\"]");
    for (path, headers, status, held) in [
        ("/entities/urn:t:1?entityMap=true".to_string(), &[][..], 200, one.to_string()),
        ("/entities/urn:t:1".into(), &gone[..], 200, one.into()),
        ("/entities?type=T".into(), &gone[..], 201, format!("{one}; {two}")),
        ("/temporal/entities/urn:t:1?entityMap=true".into(), &[][..], 200, one.into()),
        (format!("/temporal/entities?{past}&id=urn:t:2&entityMap=true"), &[][..], 201, two.into()),
        (format!("/temporal/entities?{past}"), &gone[..], 201, format!("{one}; {two}")),
    ] {
        let reply = send(&api, "GET", &path, headers, &Value::Null).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.text);
        let place = reply.header("ngsild-entitymap").to_string();
        assert_eq!(holds(&place).await, held, "{path}");
        // The map is named in what follows, and narrows it.
        let named = [("ngsild-entitymap", place.as_str())];
        let again = send(&api, "GET", &format!("/temporal/entities?{past}"), &named, &Value::Null).await;
        assert_eq!((again.status.as_u16(), again.header("ngsild-entitymap")), (200, place.as_str()), "{}", again.text);
        assert_eq!(again.ids().len(), held.split("; ").count(), "{path}");
        let other = send(&api, "GET", "/entities/urn:t:2", &named, &Value::Null).await;
        assert_eq!(other.status.as_u16(), if held.contains("urn:t:2") { 200 } else { 404 }, "{path}");
    }
}
