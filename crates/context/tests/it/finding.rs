//! Queries: `q`, places, scopes, types, and pages that hold still while entities come and go.

use serde_json::{Value, json};

use crate::api::Api;

fn encode(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

async fn fleet() -> Api {
    let api = Api::new().await;
    api.create(&[
        json!({
            "id": "urn:t:a", "type": "T", "n": {"type": "Property", "value": 10, "unitCode": "CEL", "observedAt": "2026-11-20T12:00:00Z", "acc": {"type": "Property", "value": 0.5}},
            "s": "alpha", "flag": true, "when": "2026-11-20T12:00:00Z", "list": [1, 5], "addr": {"value": {"city": "Huế", "geo": {"x": 3}}},
            "link": {"object": "urn:t:b"}, "words": {"languageMap": {"vi": "xin chào", "en": "hello"}}, "voc": {"vocab": "primary"}, "raw": {"json": {"k": "v"}}
        }),
        json!({"id": "urn:t:b", "type": "T", "n": 20, "s": "beta", "flag": false, "when": {"value": {"@type": "DateTime", "@value": "2026-11-21T12:00:00Z"}}, "list": [7]}),
        json!({"id": "urn:t:c", "type": "T", "n": [{"type": "Property", "value": 30}, {"type": "Property", "value": 99, "datasetId": "urn:d:1"}], "s": "gamma \"q\"", "link": {"object": "urn:t:a"}}),
        json!({"id": "urn:t:d", "type": "T", "other": 1}),
    ])
    .await;
    api
}

#[tokio::test]
async fn the_query_language() {
    let api = fleet().await;
    for (q, ids) in [
        ("n", "abc"),
        ("!n", "d"),
        ("n==10", "a"),
        ("n!=10", "bc"),
        ("n>=20", "bc"),
        ("n<20", "a"),
        ("n==10..20", "ab"),
        ("n!=10..20", "c"),
        ("n==10,30", "ac"),
        ("n==99", "c"),
        ("n==10;s==\"alpha\"", "a"),
        ("n==10|n==20", "ab"),
        ("n==30|n==10;flag==true", "ac"),
        ("(n==30|n==10);flag==true", "a"),
        ("n>5;(s==\"beta\"|s==\"alpha\")", "ab"),
        ("flag==false", "b"),
        ("s>\"b\"", "bc"),
        ("s~=\"^(al|be)\"", "ab"),
        ("s~=^al.*", "a"),
        ("s!~=\"a$\"", "c"),
        ("s==\"gamma \\\"q\\\"\"", "c"),
        ("list==5", "a"),
        ("list!=5", "b"),
        ("addr[city]==\"Huế\"", "a"),
        ("addr[geo.x]>2", "a"),
        ("addr[nosuch]", ""),
        ("n.acc<1", "a"),
        ("n.acc", "a"),
        ("n.unitCode==\"CEL\"", "a"),
        ("n.observedAt>2026-11-20T11:00:00Z", "a"),
        ("n.observedAt<2026-11-20T11:00:00Z", ""),
        ("n.observedAt==2026-11-20", "a"),
        ("when>2026-11-20T13:00:00Z", "b"),
        ("when==2026-11-20T12:00:00.000Z", "a"),
        ("createdAt>=2026-11-21T01:00:00Z", "abcd"),
        ("modifiedAt<2026-11-21T01:00:00Z", ""),
        ("link==urn:t:a", "c"),
        ("link==\"urn:t:b\"", "a"),
        ("link{n}==20", "a"),
        ("link{T:n}==20", "a"),
        ("link{link{n}}==20", "c"),
        ("link{X:n}==20", ""),
        ("link>\"a\"", ""),
        ("words[*]==\"hello\"", "a"),
        ("words[*]!=\"hello\"", ""),
        ("words==\"hello\"", "a"),
        ("words[vi]==\"xin chào\"", "a"),
        ("words[en]==\"xin chào\"", ""),
        ("voc==\"primary\"", ""),
        ("voc==\"https://uri.etsi.org/ngsi-ld/default-context/primary\"", "a"),
        ("raw[k]==\"v\"", "a"),
        ("id==urn:t:d", "d"),
    ] {
        let reply = api.get(&format!("/entities?type=T&join=inline&joinLevel=2&q={}", encode(q))).await;
        assert_eq!(reply.status, 200, "{q}: {}", reply.text);
        assert_eq!(reply.ids().concat(), ids, "{q}");
        let body = json!({"type": "Query", "entities": [{"type": "T"}], "q": q, "join": "inline", "joinLevel": 2});
        let body = api.call("POST", "/entityOperations/query", &body).await;
        assert_eq!(body.ids().concat(), ids, "by body: {q}");
    }
    for wrong in [
        "=",
        "n=10",
        "n===1",
        "n==",
        "n=>1",
        "n==1;",
        "(n==1",
        "n==1)",
        "n==a b",
        "n==\"a",
        "n~=\"(\"",
        "n<true",
        "a..b",
        "a[",
        "a[]",
        "a{T}",
        "n>1..2",
        "n==1&m==2",
        "n==1,",
        "|n",
        "!n==1",
        "n??1",
    ] {
        let reply = api.get(&format!("/entities?type=T&q={}", encode(wrong))).await;
        assert_eq!(reply.status, 400, "{wrong}: {}", reply.text);
    }
    assert_eq!(api.get("/entities?type=T&q=voc==primary&expandValues=voc").await.ids().concat(), "a");
    assert_eq!(api.get("/entities?type=T&q=link%7Bn%7D==20").await.status, 400, "links are followed only when join says so");
    let long = vec!["n==1"; 300].join(";");
    let reply = api.get(&format!("/entities?type=T&q={}", encode(&long))).await;
    assert_eq!((reply.status.as_u16(), reply.json()["type"].clone()), (403, json!("https://uri.etsi.org/ngsi-ld/errors/TooComplexQuery")));
}

#[tokio::test]
async fn places() {
    let api = Api::new().await;
    let at = |id: &str, geometry: Value| json!({"id": format!("urn:p:{id}"), "type": "P", "location": {"type": "GeoProperty", "value": geometry}});
    let square = |w: f64, s: f64, e: f64, n: f64| json!({"type": "Polygon", "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]]});
    api.create(&[
        at("a", json!({"type": "Point", "coordinates": [106.30, 20.40]})),
        at("b", json!({"type": "Point", "coordinates": [106.31, 20.40]})),
        at("c", json!({"type": "Point", "coordinates": [108.00, 16.00]})),
        at("d", square(106.2, 20.3, 106.305, 20.5)),
        at("e", json!({"type": "LineString", "coordinates": [[106.0, 20.40], [106.5, 20.40]]})),
        json!({"id": "urn:p:f", "type": "P", "elsewhere": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 1]}}}),
    ])
    .await;
    let here = "[106.30,20.40]";
    let big = "[[[106.1,20.2],[106.4,20.2],[106.4,20.6],[106.1,20.6],[106.1,20.2]]]";
    let west = "[[[106.0,20.0],[106.25,20.0],[106.25,21.0],[106.0,21.0],[106.0,20.0]]]";
    for (georel, geometry, coordinates, ids) in [
        // A hundredth of a degree of longitude is 1,042 m here.
        ("near;maxDistance==1000", "Point", here, "ade"),
        ("near;maxDistance==1100", "Point", here, "abde"),
        ("near;minDistance==1000", "Point", here, "bc"),
        ("within", "Polygon", big, "abd"),
        ("contains", "Point", here, "ade"),
        ("intersects", "Polygon", big, "abde"),
        ("disjoint", "Polygon", big, "c"),
        ("equals", "Point", here, "a"),
        ("overlaps", "Polygon", west, "d"),
    ] {
        let query = format!("/entities?type=P&georel={}&geometry={geometry}&coordinates={}", encode(georel), encode(coordinates));
        let reply = api.get(&query).await;
        assert_eq!(reply.ids().concat(), ids, "{georel} {geometry}: {}", reply.text);
        let coordinates: Value = serde_json::from_str(coordinates).unwrap();
        let body = json!({"type": "Query", "entities": [{"type": "P"}], "geoQ": {"georel": georel, "geometry": geometry, "coordinates": coordinates}});
        assert_eq!(api.call("POST", "/entityOperations/query", &body).await.ids().concat(), ids, "by body: {georel}");
    }
    let other = api.get("/entities?type=P&georel=near%3BmaxDistance==10&geometry=Point&coordinates=%5B1,1%5D&geoproperty=elsewhere").await;
    assert_eq!(other.ids().concat(), "f");
    for wrong in ["georel=near", "georel=near%3BmaxDistance==-1", "georel=within%3Bx==1", "georel=touches", "georel=near%3BmaxDistance=5"] {
        let reply = api.get(&format!("/entities?type=P&{wrong}&geometry=Point&coordinates=%5B1,1%5D")).await;
        assert_eq!(reply.status, 400, "{wrong}");
    }
    assert_eq!(api.get("/entities?type=P&georel=within&geometry=Polygon&coordinates=%5B1,1%5D").await.status, 400);
    // A thing that moves or loses its place is found where it is.
    api.call("PATCH", "/entities/urn:p:a/attrs/location", &json!({"value": {"type": "Point", "coordinates": [108.0, 16.0]}})).await;
    api.call("DELETE", "/entities/urn:p:b/attrs/location", &Value::Null).await;
    let near = |c: &str| format!("/entities?georel=near%3BmaxDistance==2000&geometry=Point&coordinates={}", encode(c));
    assert_eq!(api.get(&near(here)).await.ids().concat(), "de");
    assert_eq!(api.get(&near("[108,16]")).await.ids().concat(), "ac");
}

#[tokio::test]
async fn types_scopes_ids_and_attributes() {
    let api = Api::new().await;
    api.create(&[
        json!({"id": "urn:x:a", "type": ["A", "B"], "scope": "/m/g/r", "p": 1}),
        json!({"id": "urn:x:b", "type": "B", "scope": ["/m/h", "/k"], "q": 1}),
        json!({"id": "urn:x:c", "type": "C", "p": 1, "q": 1}),
    ])
    .await;
    for (query, ids) in [
        ("type=A", "a"),
        ("type=A,C", "ac"),
        ("type=(A;B),C", "ac"),
        ("type=A|B", "ab"),
        ("type=*", "abc"),
        ("scopeQ=/m/%23", "ab"),
        ("scopeQ=/m/%2B", "b"),
        ("scopeQ=/m/+", "b"),
        ("scopeQ=/k;/m/h", "b"),
        ("type=*&id=urn:x:c,urn:x:a,urn:x:zz", "ac"),
        ("type=*&idPattern=[bc]$", "bc"),
        ("attrs=p", "ac"),
        ("attrs=p,q", "abc"),
        ("type=B&attrs=q", "b"),
        ("local=true", "abc"),
    ] {
        assert_eq!(api.get(&format!("/entities?{query}")).await.ids().concat(), ids, "{query}");
    }
    let selectors = json!({"type": "Query", "entities": [{"type": "A"}, {"type": "C", "idPattern": "c$"}]});
    assert_eq!(api.call("POST", "/entityOperations/query", &selectors).await.ids().concat(), "ac");
    for wrong in [
        json!({}),
        json!({"type": "Query"}),
        json!({"type": "Query", "entities": []}),
        json!({"type": "Query", "entities": [{"id": "urn:a:b"}]}),
        json!({"type": "Query", "nosuch": 1}),
    ] {
        assert_eq!(api.call("POST", "/entityOperations/query", &wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn pages_hold_still_under_writes() {
    let api = Api::new().await;
    let entity = |n: usize| json!({"id": format!("urn:g:{n:03}"), "type": "G"});
    let all: Vec<Value> = (0..50).map(|n| entity(n * 2)).collect();
    assert_eq!(api.call("POST", "/entityOperations/create", &all.into()).await.status, 201);
    let first = api.get("/entities?type=G&limit=20&count=true").await;
    assert_eq!((first.ids().len(), first.header("ngsild-results-count")), (20, "50"));
    assert!(first.link("prev").is_none());
    let next = first.link("next").unwrap();
    assert!(next.starts_with("/ngsi-ld/v1/entities?") && next.contains("type=G") && next.contains("count=true") && next.contains("offset=20"), "{next}");
    // Between the pages the first ten go and new ones come in front: nothing is left out or shown twice.
    for n in 0..10 {
        api.call("DELETE", &format!("/entities/urn:g:{:03}", n * 2), &Value::Null).await;
    }
    api.create(&[entity(1), entity(3)]).await;
    let second = api.get(next.strip_prefix("/ngsi-ld/v1").unwrap()).await;
    assert_eq!((second.ids()[0].as_str(), second.ids().len(), second.header("ngsild-results-count")), ("040", 20, "42"));
    let third = api.get(second.link("next").unwrap().strip_prefix("/ngsi-ld/v1").unwrap()).await;
    assert_eq!((third.ids().len(), third.link("next")), (10, None));
    let back = api.get(third.link("prev").unwrap().strip_prefix("/ngsi-ld/v1").unwrap()).await;
    assert_eq!(back.ids(), second.ids());
    assert_eq!(api.get("/entities?type=G&limit=2&offset=3").await.ids(), ["022", "024"]);
    let counted = api.get("/entities?type=G&limit=0&count=true").await;
    assert_eq!((counted.json(), counted.header("ngsild-results-count")), (json!([]), "42"));
}
