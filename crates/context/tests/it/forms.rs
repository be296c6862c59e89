//! Representations: one entity with every kind of attribute, against golden JSON in each form.

use serde_json::{Value, json};

use crate::api::Api;

const ID: &str = "urn:ngsi-ld:Vehicle:A1";

fn vehicle() -> Value {
    json!({
        "id": ID, "type": ["Vehicle", "Car"], "scope": ["/fleet/north", "/all"],
        "speed": [
            {"type": "Property", "value": 55, "unitCode": "KMH"},
            {"type": "Property", "value": 54.5, "datasetId": "urn:ngsi-ld:Dataset:gps"}
        ],
        "brand": {"type": "Property", "value": "Mercedes"},
        "tags": {"type": "Property", "value": ["a", "b"]},
        "address": {"type": "Property", "value": {"city": "Thái Bình"}},
        "street": {"type": "LanguageProperty", "languageMap": {"vi": "Đường Lê Lợi", "en": "Le Loi Street"}},
        "category": {"type": "VocabProperty", "vocab": "commercial"},
        "raw": {"type": "JsonProperty", "json": {"any": [1, null]}},
        "route": {"type": "ListProperty", "valueList": [1, 2, 3]},
        "stops": {"type": "ListRelationship", "objectList": [{"object": "urn:ngsi-ld:Stop:1"}, {"object": "urn:ngsi-ld:Stop:2"}]},
        "parkedAt": {
            "type": "Relationship", "object": "urn:ngsi-ld:Parking:1", "objectType": "OffStreetParking", "observedAt": "2026-11-21T00:59:00Z",
            "providedBy": {"type": "Relationship", "object": "urn:ngsi-ld:Person:Bob"}
        },
        "owners": {"type": "Relationship", "object": ["urn:ngsi-ld:Person:1", "urn:ngsi-ld:Person:2"]},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [106.34, 20.45]}}
    })
}

async fn api() -> Api {
    let api = Api::new().await;
    api.create(&[vehicle()]).await;
    api
}

#[tokio::test]
async fn normalized_comes_back_as_it_went_in() {
    assert_eq!(api().await.get(&format!("/entities/{ID}")).await.json(), vehicle());
}

#[tokio::test]
async fn simplified() {
    let golden = json!({
        "id": ID, "type": ["Vehicle", "Car"], "scope": ["/fleet/north", "/all"],
        "speed": {"dataset": {"@none": 55, "urn:ngsi-ld:Dataset:gps": 54.5}},
        "brand": "Mercedes", "tags": ["a", "b"], "address": {"city": "Thái Bình"},
        "street": {"languageMap": {"vi": "Đường Lê Lợi", "en": "Le Loi Street"}},
        "category": {"vocab": "commercial"}, "raw": {"json": {"any": [1, null]}}, "route": [1, 2, 3],
        "stops": ["urn:ngsi-ld:Stop:1", "urn:ngsi-ld:Stop:2"], "parkedAt": "urn:ngsi-ld:Parking:1",
        "owners": ["urn:ngsi-ld:Person:1", "urn:ngsi-ld:Person:2"],
        "location": {"type": "Point", "coordinates": [106.34, 20.45]}
    });
    let api = api().await;
    for how in ["options=keyValues", "options=simplified", "format=keyValues", "format=simplified&options=concise"] {
        assert_eq!(api.get(&format!("/entities/{ID}?{how}")).await.json(), golden, "{how}");
    }
}

#[tokio::test]
async fn concise_and_back() {
    let golden = json!({
        "id": ID, "type": ["Vehicle", "Car"], "scope": ["/fleet/north", "/all"],
        "speed": [{"value": 55, "unitCode": "KMH"}, {"value": 54.5, "datasetId": "urn:ngsi-ld:Dataset:gps"}],
        "brand": "Mercedes", "tags": ["a", "b"], "address": {"value": {"city": "Thái Bình"}},
        "street": {"languageMap": {"vi": "Đường Lê Lợi", "en": "Le Loi Street"}},
        "category": {"vocab": "commercial"}, "raw": {"json": {"any": [1, null]}}, "route": {"valueList": [1, 2, 3]},
        "stops": {"objectList": ["urn:ngsi-ld:Stop:1", "urn:ngsi-ld:Stop:2"]},
        "parkedAt": {"object": "urn:ngsi-ld:Parking:1", "objectType": "OffStreetParking", "observedAt": "2026-11-21T00:59:00Z", "providedBy": {"object": "urn:ngsi-ld:Person:Bob"}},
        "owners": {"object": ["urn:ngsi-ld:Person:1", "urn:ngsi-ld:Person:2"]},
        "location": {"type": "Point", "coordinates": [106.34, 20.45]}
    });
    let api = api().await;
    let concise = api.get(&format!("/entities/{ID}?options=concise")).await.json();
    assert_eq!(concise, golden);
    // The concise form is enough to make the same entity again.
    assert_eq!(api.call("PUT", &format!("/entities/{ID}"), &concise).await.status, 204);
    assert_eq!(api.get(&format!("/entities/{ID}")).await.json(), vehicle());
}

#[tokio::test]
async fn geojson_and_where_the_context_goes() {
    let api = api().await;
    let get = async |accept: &str, prefer: &str, path: &str| {
        api.send(api.system(), "GET", &format!("/ngsi-ld/v1{path}"), &[("accept", accept), ("prefer", prefer)], String::new()).await
    };
    let one = get("application/geo+json", "", &format!("/entities/{ID}?options=keyValues&pick=type,brand")).await;
    assert_eq!(
        one.json(),
        json!({
            "id": ID, "type": "Feature", "geometry": {"type": "Point", "coordinates": [106.34, 20.45]},
            "properties": {"type": ["Vehicle", "Car"], "brand": "Mercedes"},
            "@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
        })
    );
    assert_eq!((one.header("content-type"), one.header("link")), ("application/geo+json", ""));
    let many = get("application/geo+json", "body=json", "/entities?type=Car&attrs=brand").await;
    assert_eq!((many.json()["type"].clone(), many.json()["features"].as_array().unwrap().len()), (json!("FeatureCollection"), 1));
    assert!(many.json().get("@context").is_none() && many.header("link").contains("json-ld#context"));
    let ld = get("application/ld+json", "", "/entities?type=Car&pick=id").await;
    assert_eq!(ld.json(), json!([{"id": ID, "@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"}]));
}

#[tokio::test]
async fn projections_languages_and_system_attributes() {
    let api = api().await;
    let rows = [
        ("pick=id,brand", json!({"id": ID, "brand": "Mercedes"})),
        ("attrs=brand", json!({"id": ID, "type": ["Vehicle", "Car"], "scope": ["/fleet/north", "/all"], "brand": "Mercedes"})),
        ("pick=street&lang=en", json!({"street": "Le Loi Street"})),
        ("pick=street&lang=fr,vi-VN", json!({"street": "Đường Lê Lợi"})),
        ("pick=speed&datasetId=urn:ngsi-ld:Dataset:gps", json!({"speed": 54.5})),
    ];
    for (how, golden) in rows {
        assert_eq!(api.get(&format!("/entities/{ID}?options=keyValues&{how}")).await.json(), golden, "{how}");
    }
    let normalized = api.get(&format!("/entities/{ID}?pick=street&lang=en")).await.json();
    assert_eq!(normalized, json!({"street": {"type": "Property", "value": "Le Loi Street", "lang": "en"}}));
    let sys = api.get(&format!("/entities/{ID}?pick=brand,type&options=sysAttrs")).await.json();
    assert_eq!(sys["createdAt"], "2026-11-21T01:00:00Z");
    assert_eq!(sys["brand"]["modifiedAt"], "2026-11-21T01:00:00Z");
    let omitted = api.get(&format!("/entities/{ID}?omit=scope,speed,stops&options=keyValues")).await.json();
    assert!(omitted.get("speed").is_none() && omitted.get("scope").is_none() && omitted["brand"] == "Mercedes");
    assert_eq!(api.get(&format!("/entities/{ID}?pick=brand&omit=brand")).await.status, 400);
    assert_eq!(api.get(&format!("/entities/{ID}?attrs=nosuch")).await.status, 404);
}

#[tokio::test]
async fn names_follow_the_context_of_each_request() {
    let api = Api::new().await;
    let terms = json!({"@context": {"Vehicle": "https://x.example/Vehicle", "brand": "https://x.example/brand", "speed": "https://x.example/speed"}});
    api.context.pin_context("https://x.example/c.jsonld", terms).unwrap();
    let link = "<https://x.example/c.jsonld>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"";
    let body = json!({"@context": ["https://x.example/c.jsonld"], "id": ID, "type": "Vehicle", "brand": {"type": "Property", "value": "M"}});
    let made = api.send(api.system(), "POST", "/ngsi-ld/v1/entities", &[("content-type", "application/ld+json")], body.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let plain = api.get(&format!("/entities/{ID}?options=keyValues")).await.json();
    assert_eq!(plain, json!({"id": ID, "type": "https://x.example/Vehicle", "https://x.example/brand": "M"}));
    let with = api.send(api.system(), "GET", "/ngsi-ld/v1/entities?type=Vehicle&q=brand==%22M%22&options=keyValues", &[("link", link)], String::new()).await;
    assert_eq!(with.json(), json!([{"id": ID, "type": "Vehicle", "brand": "M"}]));
    assert!(with.header("link").contains("https://x.example/c.jsonld"));
    assert!(api.get("/entities?type=Vehicle").await.ids().is_empty());
    // A context may be hosted, used by its local address, listed and deleted.
    let hosted = api.call("POST", "/jsonldContexts", &json!({"@context": {"brand": "https://x.example/brand"}})).await;
    let address = hosted.header("location").to_string();
    let link = format!("<http://127.0.0.1:8080{address}>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\"");
    let read = api.send(api.system(), "GET", &format!("/ngsi-ld/v1/entities/{ID}?options=keyValues"), &[("link", &link)], String::new()).await;
    assert_eq!(read.json()["brand"], "M");
    let local = address.strip_prefix("/ngsi-ld/v1").unwrap();
    assert_eq!(api.get(local).await.json(), json!({"@context": {"brand": "https://x.example/brand"}}));
    assert!(api.get("/jsonldContexts").await.json().as_array().unwrap().contains(&json!(address)));
    assert_eq!(api.call("DELETE", local, &Value::Null).await.status, 204);
    assert_eq!(api.get(local).await.status, 404);
}
