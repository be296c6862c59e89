//! Entities one by one and in batches: what each operation leaves behind, and the exact form of errors.

use serde_json::{Value, json};

use crate::api::Api;

const ID: &str = "urn:ngsi-ld:Room:1";

fn room() -> Value {
    json!({
        "id": ID, "type": "Room",
        "temperature": {"type": "Property", "value": 21.5, "unitCode": "CEL", "observedAt": "2026-11-21T00:00:00Z", "accuracy": {"type": "Property", "value": 0.1}},
        "inside": {"type": "Relationship", "object": "urn:ngsi-ld:Building:1"},
        "address": {"type": "Property", "value": {"street": "Lê Lợi", "city": "Thái Bình"}}
    })
}

async fn simple(api: &Api, id: &str) -> Value {
    api.get(&format!("/entities/{id}?options=keyValues")).await.json()
}

#[tokio::test]
async fn creates_reads_and_deletes() {
    let api = Api::new().await;
    let made = api.call("POST", "/entities", &room()).await;
    assert_eq!((made.status.as_u16(), made.header("location")), (201, "/ngsi-ld/v1/entities/urn:ngsi-ld:Room:1"));
    let read = api.get(&format!("/entities/{ID}")).await;
    assert_eq!(read.json(), room());
    assert!(read.header("link").contains("ngsi-ld-core-context-v1.9.jsonld"), "{:?}", read.headers);
    let again = api.call("POST", "/entities", &room()).await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["type"], "https://uri.etsi.org/ngsi-ld/errors/AlreadyExists");
    assert_eq!(api.call("DELETE", &format!("/entities/{ID}"), &Value::Null).await.status, 204);
    let gone = api.get(&format!("/entities/{ID}")).await;
    assert_eq!((gone.status.as_u16(), gone.header("content-type")), (404, "application/json"));
    assert_eq!(gone.json()["type"], "https://uri.etsi.org/ngsi-ld/errors/ResourceNotFound");
}

#[tokio::test]
async fn operations_leave_what_they_should() {
    // method, path below the entity, body, status, simplified form afterwards
    let base = json!({"id": ID, "type": "Room", "temperature": 21.5, "inside": "urn:ngsi-ld:Building:1", "address": {"street": "Lê Lợi", "city": "Thái Bình"}});
    let with = |changes: Value| {
        let mut out = base.clone();
        for (k, v) in changes.as_object().unwrap() {
            if v.is_null() { drop(out.as_object_mut().unwrap().shift_remove(k)) } else { out[k] = v.clone() }
        }
        out
    };
    let rows = [
        (
            "POST",
            "/attrs",
            json!({"humidity": {"type": "Property", "value": 70}, "temperature": {"type": "Property", "value": 1}}),
            204,
            with(json!({"humidity": 70, "temperature": 1})),
        ),
        (
            "POST",
            "/attrs?options=noOverwrite",
            json!({"humidity": {"type": "Property", "value": 70}, "temperature": {"type": "Property", "value": 1}}),
            207,
            with(json!({"humidity": 70})),
        ),
        ("PATCH", "/attrs", json!({"temperature": {"type": "Property", "value": 2}}), 204, with(json!({"temperature": 2}))),
        (
            "PATCH",
            "/attrs",
            json!({"temperature": {"type": "Property", "value": 2}, "nosuch": {"type": "Property", "value": "urn:ngsi-ld:null"}}),
            207,
            with(json!({"temperature": 2})),
        ),
        ("PATCH", "/attrs", json!({"temperature": {"type": "Property", "value": "urn:ngsi-ld:null"}}), 204, with(json!({"temperature": null}))),
        ("PATCH", "/attrs/temperature", json!({"value": 3}), 204, with(json!({"temperature": 3}))),
        ("PATCH", "/attrs/nosuch", json!({"value": 3}), 404, base.clone()),
        ("PATCH", "/attrs/temperature", json!({"type": "Relationship", "object": "urn:a:b"}), 400, base.clone()),
        ("PUT", "/attrs/temperature", json!({"type": "Relationship", "object": "urn:a:b"}), 204, with(json!({"temperature": "urn:a:b"}))),
        ("DELETE", "/attrs/temperature", Value::Null, 204, with(json!({"temperature": null}))),
        ("DELETE", "/attrs/nosuch", Value::Null, 404, base.clone()),
        (
            "PATCH",
            "",
            json!({"address": {"value": {"city": "urn:ngsi-ld:null", "zip": "06"}}, "temperature": "urn:ngsi-ld:null"}),
            204,
            with(json!({"address": {"street": "Lê Lợi", "zip": "06"}, "temperature": null})),
        ),
        (
            "PATCH",
            "?options=keyValues",
            json!({"temperature": 9, "inside": "urn:ngsi-ld:Building:2"}),
            204,
            with(json!({"temperature": 9, "inside": "urn:ngsi-ld:Building:2"})),
        ),
        ("PUT", "", json!({"id": ID, "type": "Hall", "open": {"type": "Property", "value": true}}), 204, json!({"id": ID, "type": "Hall", "open": true})),
        ("PUT", "", json!({"id": "urn:other:1", "type": "Hall"}), 400, base.clone()),
        ("DELETE", "?type=Hall", Value::Null, 404, base.clone()),
    ];
    for (method, path, body, status, left) in rows {
        let api = Api::new().await;
        api.create(&[room()]).await;
        let reply = api.call(method, &format!("/entities/{ID}{path}"), &body).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path} {body}: {}", reply.text);
        assert_eq!(simple(&api, ID).await, left, "{method} {path} {body}");
    }
}

#[tokio::test]
async fn a_partial_result_names_attributes_in_full() {
    let api = Api::new().await;
    api.create(&[room()]).await;
    let body = json!({"temperature": {"type": "Property", "value": 2}, "nosuch": "urn:ngsi-ld:null"});
    let reply = api.call("PATCH", &format!("/entities/{ID}/attrs"), &body).await.json();
    assert_eq!(reply["updated"], json!(["https://uri.etsi.org/ngsi-ld/default-context/temperature"]));
    assert_eq!(reply["notUpdated"][0]["attributeName"], "https://uri.etsi.org/ngsi-ld/default-context/nosuch");
}

#[tokio::test]
async fn bad_entities_are_refused_with_the_reason() {
    let api = Api::new().await;
    let attr = |a: Value| json!({"id": ID, "type": "Room", "a": a});
    let rows = [
        (json!({"type": "Room"}), "no id"),
        (json!({"id": "room 1", "type": "Room"}), "not a URI"),
        (json!({"id": ID}), "no type"),
        (json!({"id": ID, "type": 7}), "type must be a text"),
        (attr(Value::Null), "a: null"),
        (attr(json!("urn:ngsi-ld:null")), "updates only"),
        (attr(json!({"type": "string", "value": 1})), "\"string\" is not a type"),
        (attr(json!({"type": "Geoproperty", "value": 1})), "\"Geoproperty\" is not a type"),
        (attr(json!({"type": "Relationship"})), "Relationship without object"),
        (attr(json!({"type": "Relationship", "value": "urn:a:b"})), "has the member object"),
        (attr(json!({"type": "Relationship", "object": "no uri"})), "must be a URI"),
        (attr(json!({"type": "Property"})), "Property without value"),
        (attr(json!({"type": "Property", "value": null})), "null is not a value"),
        (attr(json!({"type": "Property", "value": 1, "observedAt": "2026-11-21T08:00:00+07:00"})), "observedAt must be"),
        (attr(json!({"type": "GeoProperty", "value": {"type": "GeometryCollection", "geometries": []}})), "other than GeometryCollection"),
        (
            attr(json!({"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}})),
            "the last the same as the first",
        ),
        (attr(json!({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [200, 0]}})), "out of range"),
        (attr(json!({"type": "LanguageProperty", "languageMap": {"vi": 1}})), "languageMap"),
        (attr(json!({"type": "ListProperty", "valueList": 1})), "valueList"),
        (attr(json!([{"type": "Property", "value": 1}, {"type": "Property", "value": 2}])), "same datasetId"),
        (attr(json!({"foo": 1})), "without value"),
        (json!({"id": ID, "type": "Room", "a b": 1}), "not a valid name"),
        (json!({"id": ID, "type": "Room", "scope": "/a//b"}), "scope"),
        (json!({"id": ID, "type": "Room", "@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"}), "must not hold a @context"),
    ];
    for (body, reason) in rows {
        let reply = api.call("POST", "/entities", &body).await;
        let error = reply.json();
        assert_eq!(reply.status, 400, "{body}");
        assert_eq!(error["type"], "https://uri.etsi.org/ngsi-ld/errors/BadRequestData", "{body}");
        assert!(error["detail"].as_str().unwrap().contains(reason), "{body}: {error}");
    }
    assert_eq!(api.context.size(), 0);
}

#[tokio::test]
async fn requests_are_refused_in_the_standards_form() {
    let api = Api::new().await;
    let json_type = ("content-type", "application/json");
    let link = "<https://remote.example/c.jsonld>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"";
    let entity = room().to_string();
    // method, path, headers, body, status, type
    let rows: Vec<(&str, &str, Vec<(&str, &str)>, &str, u16, &str)> = vec![
        ("POST", "/entities", vec![json_type], "{", 400, "InvalidRequest"),
        ("POST", "/entities", vec![json_type], "[]", 400, "InvalidRequest"),
        ("POST", "/entities", vec![json_type], "[1]", 400, "BadRequestData"),
        ("POST", "/entities", vec![("content-type", "text/plain")], "{}", 415, ""),
        ("POST", "/entities", vec![("content-type", "application/ld+json")], &entity, 400, "BadRequestData"),
        ("POST", "/entities", vec![json_type, ("link", link)], &entity, 504, "LdContextNotAvailable"),
        ("GET", "/entities", vec![], "", 400, "BadRequestData"),
        ("GET", "/entities?type=Room&limit=1001", vec![], "", 403, "TooManyResults"),
        ("GET", "/entities?type=Room&limit=0", vec![], "", 400, "BadRequestData"),
        ("GET", "/entities?type=Room&limit=-1", vec![], "", 400, "BadRequestData"),
        ("GET", "/entities?type=Room&q=a%3D%3D%3Db", vec![], "", 400, "BadRequestData"),
        ("GET", "/entities?type=Room&options=nosuch", vec![], "", 400, "InvalidRequest"),
        ("GET", "/entities?type=Room&nosuch=1", vec![], "", 400, "InvalidRequest"),
        ("GET", "/entities?type=Room&georel=near", vec![], "", 400, "BadRequestData"),
        ("GET", "/entities/not-a-uri", vec![], "", 400, "BadRequestData"),
        ("GET", "/entities/urn:a:b", vec![("accept", "text/html")], "", 406, ""),
        ("GET", "/nosuch", vec![], "", 404, "ResourceNotFound"),
        ("PUT", "/entities", vec![json_type], "{}", 405, ""),
        ("POST", "/entityOperations/create", vec![json_type], "{}", 400, "BadRequestData"),
        ("POST", "/entityOperations/create", vec![json_type], "[]", 400, "BadRequestData"),
        ("DELETE", "/entities/urn:a:b", vec![], "", 404, "ResourceNotFound"),
    ];
    for (method, path, headers, body, status, word) in rows {
        let reply = api.send(api.system(), method, &format!("/ngsi-ld/v1{path}"), &headers, body.to_string()).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.text);
        if !word.is_empty() {
            assert_eq!(reply.json()["type"], format!("https://uri.etsi.org/ngsi-ld/errors/{word}"), "{method} {path}");
            assert_eq!(reply.header("content-type"), "application/json");
        }
    }
}

#[tokio::test]
async fn nobody_known_may_not_look() {
    let api = Api::new().await;
    let nobody = || dothi_kernel::Caller::anonymous(api.test.clock.as_ref(), None);
    for (method, path) in
        [("GET", "/entities?type=Room"), ("GET", "/entities/urn:a:b"), ("GET", "/types"), ("GET", "/subscriptions"), ("DELETE", "/entities/urn:a:b")]
    {
        assert_eq!(api.send(nobody(), method, &format!("/ngsi-ld/v1{path}"), &[], String::new()).await.status, 401, "{method} {path}");
    }
    let made = api.send(nobody(), "POST", "/ngsi-ld/v1/entities", &[("content-type", "application/json")], room().to_string()).await;
    assert_eq!(made.status, 401);
}

#[tokio::test]
async fn batches_tell_each_result() {
    let api = Api::new().await;
    let entity = |n: usize, v: i64| json!({"id": format!("urn:ngsi-ld:R:{n}"), "type": "R", "a": {"type": "Property", "value": v}, "b": {"type": "Property", "value": 1}});
    let made = api.call("POST", "/entityOperations/create", &json!([entity(1, 1), entity(2, 1)])).await;
    assert_eq!((made.status.as_u16(), made.json()), (201, json!(["urn:ngsi-ld:R:1", "urn:ngsi-ld:R:2"])));
    let mixed = api.call("POST", "/entityOperations/create", &json!([entity(2, 1), entity(3, 1), {"id": "x", "type": "R"}])).await;
    let body = mixed.json();
    assert_eq!((mixed.status.as_u16(), &body["success"]), (207, &json!(["urn:ngsi-ld:R:3"])));
    let mut failed: Vec<(&str, &str)> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["entityId"].as_str().unwrap(), e["error"]["type"].as_str().unwrap().rsplit('/').next().unwrap()))
        .collect();
    failed.sort();
    assert_eq!(failed, [("urn:ngsi-ld:R:2", "AlreadyExists"), ("x", "BadRequestData")]);
    // Upsert replaces, with options=update it appends.
    let one = |v: i64| json!([{"id": "urn:ngsi-ld:R:1", "type": "R", "a": {"type": "Property", "value": v}}]);
    assert_eq!(api.call("POST", "/entityOperations/upsert?options=update", &one(5)).await.status, 204);
    assert_eq!(simple(&api, "urn:ngsi-ld:R:1").await, json!({"id": "urn:ngsi-ld:R:1", "type": "R", "a": 5, "b": 1}));
    assert_eq!(api.call("POST", "/entityOperations/upsert", &one(6)).await.status, 204);
    assert_eq!(simple(&api, "urn:ngsi-ld:R:1").await, json!({"id": "urn:ngsi-ld:R:1", "type": "R", "a": 6}));
    let upserted = api.call("POST", "/entityOperations/upsert", &json!([entity(1, 1), entity(9, 1)])).await;
    assert_eq!((upserted.status.as_u16(), upserted.json()), (201, json!(["urn:ngsi-ld:R:9"])));
    assert_eq!(api.call("POST", "/entityOperations/merge", &json!([{"id": "urn:ngsi-ld:R:9", "a": {"value": 7}, "b": "urn:ngsi-ld:null"}])).await.status, 204);
    assert_eq!(simple(&api, "urn:ngsi-ld:R:9").await, json!({"id": "urn:ngsi-ld:R:9", "type": "R", "a": 7}));
    let update = api.call("POST", "/entityOperations/update", &json!([entity(1, 8), entity(77, 8)])).await;
    assert_eq!((update.status.as_u16(), update.json()["success"].clone()), (207, json!(["urn:ngsi-ld:R:1"])));
    assert_eq!(api.call("POST", "/entityOperations/delete", &json!(["urn:ngsi-ld:R:1", "urn:ngsi-ld:R:2"])).await.status, 204);
    assert_eq!(api.call("POST", "/entityOperations/delete", &json!(["urn:ngsi-ld:R:1"])).await.status, 207);
    assert_eq!(api.get("/entities?type=R").await.ids(), ["3", "9"]);
}

#[tokio::test]
async fn what_expires_is_hidden_at_once_and_may_come_again() {
    let api = Api::new().await;
    api.create(&[json!({"id": ID, "type": "R", "expiresAt": "2026-11-21T01:00:10Z", "a": 1, "b": {"value": 2, "expiresAt": "2026-11-21T01:00:05Z"}})]).await;
    assert_eq!(simple(&api, ID).await, json!({"id": ID, "type": "R", "a": 1, "b": 2}));
    api.test.clock.advance_seconds(6);
    assert_eq!(simple(&api, ID).await, json!({"id": ID, "type": "R", "a": 1}));
    api.test.clock.advance_seconds(6);
    assert_eq!(api.get(&format!("/entities/{ID}")).await.status, 404);
    assert!(api.get("/entities?type=R").await.ids().is_empty());
    assert_eq!(api.context.size(), 1, "hidden, but still there");
    let runner = dothi_store::JobRunner::new(api.test.store.clone());
    api.context.clone().jobs(runner).run_due(10).await.unwrap();
    assert_eq!((api.context.size(), api.test.store.job_health().await.unwrap().waiting), (0, 0), "its timer deleted it");
    api.create(&[json!({"id": ID, "type": "R"})]).await;
}

#[tokio::test]
async fn types_and_attributes_in_use() {
    let api = Api::new().await;
    api.create(&[json!({"id": "urn:a:1", "type": "A", "x": 1, "y": {"object": "urn:a:2"}}), json!({"id": "urn:a:2", "type": ["A", "B"], "x": {"vocab": "x"}})])
        .await;
    assert_eq!(api.get("/types").await.json()["typeList"], json!(["A", "B"]));
    let info = api.get("/types/A").await.json();
    assert_eq!((&info["type"], &info["entityCount"]), (&json!("EntityTypeInfo"), &json!(2)));
    assert_eq!(info["attributeDetails"][0]["attributeTypes"], json!(["Property", "VocabProperty"]));
    assert_eq!(api.get("/types/C").await.status, 404);
    assert_eq!(api.get("/types?details=true").await.json()[1]["attributeNames"], json!(["x"]));
    assert_eq!(api.get("/attributes").await.json()["attributeList"], json!(["x", "y"]));
    let attribute = api.get("/attributes/x").await.json();
    assert_eq!((&attribute["attributeCount"], &attribute["typeNames"]), (&json!(2), &json!(["A", "B"])));
}

#[tokio::test]
async fn purge_deletes_entities_or_attributes() {
    let api = Api::new().await;
    api.create(&[json!({"id": "urn:a:1", "type": "A", "x": 1, "y": 2}), json!({"id": "urn:a:2", "type": "A", "x": 1}), json!({"id": "urn:b:3", "type": "B"})])
        .await;
    assert_eq!(api.call("DELETE", "/entities?type=A&q=y==2&drop=y", &Value::Null).await.status, 204);
    assert_eq!(simple(&api, "urn:a:1").await, json!({"id": "urn:a:1", "type": "A", "x": 1}));
    assert_eq!(api.call("DELETE", "/entities?type=A", &Value::Null).await.status, 204);
    assert_eq!(api.get("/entities?idPattern=.*&local=true").await.ids(), ["3"]);
}
