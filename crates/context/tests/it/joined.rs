//! Linked entities, projections through links, orders.

use serde_json::{Value, json};

use crate::api::Api;

async fn town() -> Api {
    let api = Api::new().await;
    api.create(&[
        json!({"id": "urn:b:1", "type": "Building", "name": "á", "in": {"object": "urn:c:1"}, "rank": 5,
               "location": {"type": "Point", "coordinates": [8.0, 40.0]}}),
        json!({"id": "urn:b:2", "type": "Building", "name": "b", "in": {"object": ["urn:c:1", "urn:c:9"]}, "rank": "x",
               "location": {"type": "Point", "coordinates": [9.0, 40.0]}}),
        json!({"id": "urn:b:3", "type": "Building", "name": "A", "location": {"type": "Point", "coordinates": [8.5, 40.0]}}),
        json!({"id": "urn:c:1", "type": "City", "name": "Paris", "of": {"object": "urn:l:1"}, "back": {"object": "urn:b:1"}}),
        json!({"id": "urn:l:1", "type": "Country", "name": "France"}),
    ])
    .await;
    api
}

async fn got(api: &Api, path: &str) -> Value {
    let reply = api.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    reply.json()
}

#[tokio::test]
async fn links_are_followed_as_far_as_asked() {
    let api = town().await;
    let one = got(&api, "/entities/urn:b:1?join=inline&pick=id,in").await;
    assert_eq!(one["in"]["entity"]["name"]["value"], "Paris");
    assert!(one["in"]["entity"]["of"].get("entity").is_none(), "one level only: {one}");
    let two = got(&api, "/entities/urn:b:1?join=inline&joinLevel=2&format=simplified&pick=in{id,of{name},back}").await;
    assert_eq!(two, json!({"in": {"id": "urn:c:1", "of": {"name": "France"}, "back": "urn:b:1"}}), "and never round in a circle");
    let many = got(&api, "/entities/urn:b:2?join=inline&pick=in{id}").await;
    assert_eq!(many["in"]["entityList"], json!([{"id": "urn:c:1"}]), "what is not there is left out");
    let flat = api.get("/entities?type=Building&join=flat&joinLevel=2&pick=id,in{id,of{id}}").await;
    assert_eq!(
        flat.json().as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap()).collect::<Vec<_>>(),
        ["urn:b:1", "urn:b:2", "urn:b:3", "urn:c:1", "urn:l:1"]
    );
    let kept = got(&api, "/entities/urn:b:1?join=inline&containedBy=urn:c:1&pick=in").await;
    assert!(kept["in"].get("entity").is_none());
    for wrong in
        ["join=sideways", "join=inline&joinLevel=0", "join=inline&joinLevel=11", "pick=in{name}", "join=inline&pick=in{of{name}}", "geometryProperty=location"]
    {
        assert_eq!(api.get(&format!("/entities/urn:b:1?{wrong}")).await.status, 400, "{wrong}");
    }
    assert_eq!(api.get("/entities/urn:b:1?pick=nosuch").await.status, 404);
}

#[tokio::test]
async fn answers_come_in_the_order_asked_for() {
    let api = town().await;
    for (order, ids) in [
        ("orderBy=name", "321"),
        ("orderBy=name&collation=und", "312"),
        ("orderBy=name;desc&collation=und", "213"),
        ("orderBy=rank", "123"),
        ("orderBy=rank;desc", "213"),
        ("orderBy=location;dist-asc&orderFrom=[8,40]", "132"),
        ("orderBy=location;dist-desc&orderFrom=[8,40]", "231"),
        ("orderBy=id;desc&limit=2&offset=1", "21"),
    ] {
        let reply = api.get(&format!("/entities?type=Building&{}", order.replace('[', "%5B").replace(']', "%5D"))).await;
        assert_eq!(reply.status, 200, "{order}: {}", reply.text);
        assert_eq!(reply.ids().concat(), ids, "{order}");
    }
    for wrong in ["orderBy=location;dist-asc", "orderBy=name;up", "orderBy=name&collation=!!nope"] {
        assert_eq!(api.get(&format!("/entities?type=Building&{wrong}")).await.status, 400, "{wrong}");
    }
    let body = json!({"type": "Query", "entities": [{"type": "Building"}], "ordering": {"orderBy": ["name;desc"], "collation": "und"}});
    assert_eq!(api.call("POST", "/entityOperations/query", &body).await.ids().concat(), "213");
}

#[tokio::test]
async fn what_a_kind_of_attribute_may_not_have_is_refused() {
    let api = Api::new().await;
    for attribute in [
        json!({"datasetId": {"type": "Property", "value": 1}}),
        json!({"9a": 1}),
        json!({"location": {"type": "Property", "value": 7}}),
        json!({"a": {"type": "Relationship", "object": "urn:x:1", "unitCode": "MTR"}}),
        json!({"a": {"type": "Property", "value": 1, "previousValue": 0}}),
        json!({"a": {"type": "Property", "value": 1, "entityIdSealed": "urn:x:1"}}),
        json!({"a": {"type": "JsonProperty", "json": 5}}),
        json!({"a": {"type": "JsonProperty", "json": {}, "unitCode": "MTR"}}),
        json!({"a": {"type": "LanguageProperty", "languageMap": {"en": "x"}, "valueType": "xsd:string"}}),
        json!({"ngsildproof": {"type": "Property", "value": "text"}}),
        json!({"scope": "a-b"}),
        json!({"scope": "/9a"}),
    ] {
        let mut entity = json!({"id": "urn:x:1", "type": "T"});
        entity.as_object_mut().unwrap().extend(attribute.as_object().unwrap().clone());
        let reply = api.call("POST", "/entities", &entity).await;
        assert_eq!(reply.status, 400, "{attribute}: {}", reply.text);
    }
    let sealed = json!({"id": "urn:x:1", "type": "T", "ngsildproof": {"type": "Property", "value": {"type": "DataIntegrityProof"}, "entityIdSealed": "urn:x:1", "entityTypeSealed": "T"}});
    assert_eq!(api.call("POST", "/entities", &sealed).await.status, 201);
    assert_eq!(got(&api, "/entities/urn:x:1").await, sealed);
}
