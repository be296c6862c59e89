//! The temporal evolution of entities: what was written, corrected, deleted and moved comes back as the standard says.

use dothi_kernel::Clock;
use serde_json::{Value, json};

use crate::api::Api;

const ID: &str = "urn:ngsi-ld:Vehicle:1";

fn at(minute: u32) -> String {
    format!("2026-11-20T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

fn speed(minute: u32, value: impl Into<Value>) -> Value {
    json!({"type": "Property", "value": value.into(), "observedAt": at(minute)})
}

async fn post(api: &Api, id: &str, attrs: Value, status: u16) {
    api.test.clock.advance_seconds(1);
    let mut body = json!({"id": id, "type": "Vehicle"});
    attrs.as_object().unwrap().iter().for_each(|(k, v)| body[k] = v.clone());
    let reply = api.call("POST", "/temporal/entities", &body).await;
    assert_eq!(reply.status, status, "{}", reply.text);
}

async fn read(api: &Api, query: &str) -> Value {
    let reply = api.get(&format!("/temporal/entities/{ID}?{query}")).await;
    assert!(matches!(reply.status.as_u16(), 200 | 206), "{}", reply.text);
    reply.json()
}

fn values(of: &Value) -> String {
    let word = |i: &Value| i.get("value").or_else(|| i.get("object")).map_or_else(|| i.to_string(), Value::to_string);
    of.as_array().map_or_else(|| of.to_string(), |many| many.iter().map(word).collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn what_was_comes_back_from_the_lake_and_from_the_store() {
    let api = Api::new().await;
    let named = |minute: u32, vi: &str| json!({"type": "LanguageProperty", "languageMap": {"vi": vi}, "observedAt": at(minute)});
    let other = json!({"type": "Property", "value": 7, "observedAt": at(1), "datasetId": "urn:d:1"});
    post(&api, ID, json!({"speed": [speed(1, 10), speed(3, 30), other], "name": [named(1, "Một"), named(2, "Hai")]}), 201).await;
    post(&api, ID, json!({"speed": [speed(2, 20), speed(3, 31)]}), 204).await;
    let plain = api.history().await;
    assert_eq!(plain.iter().map(|l| (l.2.as_str(), l.4.clone())).collect::<Vec<_>>().len(), 4, "plain values are in the lake and only there: {plain:?}");

    let all = read(&api, "").await;
    assert_eq!(values(&all["speed"]), "10 7 20 31", "in time order; the later value of the same instant counts");
    assert_eq!(all["name"][1]["languageMap"]["vi"], "Hai");
    for (query, expected) in [
        (format!("timerel=after&timeAt={}", at(2)), "20 31"),
        (format!("timerel=before&timeAt={}", at(2)), "10 7"),
        (format!("timerel=between&timeAt={}&endTimeAt={}", at(2), at(3)), "20"),
        ("lastN=1".into(), "31"),
        (format!("lastN=1&timerel=before&timeAt={}", at(3)), "20"),
        ("datasetId=urn:d:1".into(), "7"),
        ("datasetId=@none".into(), "10 20 31"),
        ("pick=speed".into(), "10 7 20 31"),
        ("omit=name".into(), "10 7 20 31"),
        ("attrs=speed".into(), "10 7 20 31"),
    ] {
        assert_eq!(values(&read(&api, &query).await["speed"]), expected, "{query}");
    }
    let pairs = read(&api, "format=temporalValues").await;
    assert_eq!(pairs["speed"][0], json!({"type": "Property", "values": [[10, at(1)], [20, at(2)], [31, at(3)]]}));
    assert_eq!(pairs["speed"][1]["datasetId"], "urn:d:1");
    assert_eq!(
        pairs["name"],
        json!({"type": "LanguageProperty", "languageMaps": [[{"languageMap": {"vi": "Một"}}, at(1)], [{"languageMap": {"vi": "Hai"}}, at(2)]]})
    );
    assert_eq!(read(&api, "format=temporalValues&lang=vi").await["name"], json!({"type": "Property", "values": [["Một", at(1)], ["Hai", at(2)]]}));

    // The newest instances are what is the case now.
    assert_eq!(api.get(&format!("/entities/{ID}?options=keyValues")).await.json()["name"], json!({"languageMap": {"vi": "Hai"}}));
    // What came through this API goes with its history.
    api.test.clock.advance_seconds(1);
    assert_eq!(api.call("DELETE", &format!("/temporal/entities/{ID}"), &Value::Null).await.status, 204);
    assert_eq!(api.get(&format!("/temporal/entities/{ID}")).await.status, 404);
    assert_eq!(api.get(&format!("/entities/{ID}")).await.status, 404);
    assert_eq!(api.call("DELETE", &format!("/temporal/entities/{ID}"), &Value::Null).await.status, 404);
    // What was deleted does not come back with what is written anew.
    post(&api, ID, json!({"speed": [speed(2, 5)]}), 201).await;
    assert_eq!(values(&read(&api, "").await["speed"]), "5");
}

#[tokio::test]
async fn changes_through_the_entity_api_leave_their_past() {
    let mut api = Api::new().await;
    let place = |lon: f64| json!({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, 20.0]}});
    api.create(&[json!({"id": ID, "type": "Vehicle", "scope": "/A", "location": place(106.0), "owner": {"type": "Relationship", "object": "urn:p:1"},
        "speed": {"type": "Property", "value": 1, "observedAt": at(1)}, "note": "one"})])
        .await;
    let created = api.test.clock.now();
    let attrs = format!("/entities/{ID}/attrs");
    let steps = [
        ("PATCH", attrs.clone(), json!({"location": place(106.5), "speed": {"type": "Property", "value": 2, "observedAt": at(2)}})),
        ("PATCH", format!("/entities/{ID}"), json!({"owner": {"type": "Relationship", "object": "urn:p:2"}, "scope": "/B"})),
        // Saying the same again is no new state.
        ("PATCH", attrs.clone(), json!({"owner": {"type": "Relationship", "object": "urn:p:2"}})),
        ("DELETE", format!("{attrs}/owner"), Value::Null),
        ("DELETE", format!("{attrs}/speed"), Value::Null),
    ];
    for (method, path, body) in steps {
        api.test.clock.advance_seconds(60);
        let reply = api.call(method, &path, &body).await;
        assert_eq!(reply.status, 204, "{method} {path}: {}", reply.text);
    }
    api.reopen().await;
    let past = read(&api, "options=sysAttrs").await;
    assert_eq!(past["location"].as_array().unwrap().len(), 2);
    assert_eq!(values(&past["owner"]), r#""urn:p:1" "urn:p:2" "urn:ngsi-ld:null""#);
    assert_eq!(values(&past["speed"]), r#"1 2 "urn:ngsi-ld:null""#, "the lake's values and the deletion");
    assert_eq!(values(&past["note"]), r#""one""#, "what never changed is told from what is the case now");
    assert_eq!(values(&past["scope"]), r#""/A" "/B""#);
    assert_eq!(past["scope"][1]["observedAt"], past["scope"][1]["modifiedAt"]);
    let deleted = read(&api, "timeproperty=deletedAt").await;
    assert_eq!(deleted.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "type", "owner", "speed"]);
    // Four minutes on, the owner was no more.
    let until = created.checked_add(jiff::SignedDuration::from_secs(90)).unwrap();
    let window = format!("timerel=before&timeAt={until}&timeproperty=modifiedAt");
    assert_eq!(values(&read(&api, &window).await["owner"]), r#""urn:p:1""#);

    // A deleted entity keeps its past and is found by it.
    assert_eq!(api.call("DELETE", &format!("/entities/{ID}"), &Value::Null).await.status, 204);
    let list = api.get(&format!("/temporal/entities?type=Vehicle&timerel=after&timeAt={}&options=sysAttrs", at(0))).await.json();
    assert_eq!((list.as_array().unwrap().len(), values(&list[0]["speed"]).as_str()), (1, "1 2"), "{list}");
    assert!(list[0]["deletedAt"].is_string());
}

#[tokio::test]
async fn instances_are_corrected_and_deleted_one_by_one() {
    let api = Api::new().await;
    let noted = |minute: u32, value: u32| json!({"type": "Property", "value": value, "observedAt": at(minute), "by": {"type": "Property", "value": "x"}});
    post(&api, ID, json!({"speed": [speed(1, 1), speed(2, 2), speed(3, 3)], "level": [noted(1, 1), noted(2, 2), noted(3, 3)]}), 201).await;
    for name in ["speed", "level"] {
        let past = read(&api, "").await;
        let path = |n: usize| format!("/temporal/entities/{ID}/attrs/{name}/{}", past[name][n]["instanceId"].as_str().unwrap());
        for (method, n, body) in [("PATCH", 0, json!({"value": 10})), ("PATCH", 1, json!({"value": 20, "observedAt": at(5)})), ("DELETE", 2, Value::Null)] {
            api.test.clock.advance_seconds(1);
            let reply = api.call(method, &path(n), &body).await;
            assert_eq!(reply.status, 204, "{name} {n}: {}", reply.text);
        }
        let now = read(&api, "").await;
        assert_eq!(values(&now[name]), "10 20", "{name}: {now}");
        assert_eq!((&now[name][0]["instanceId"], &now[name][1]["instanceId"]), (&past[name][0]["instanceId"], &past[name][1]["instanceId"]), "{name}");
        assert_eq!(now[name][1]["observedAt"], at(5));
        assert_eq!(api.call("DELETE", &path(2), &Value::Null).await.status, 404, "{name}");
    }
    for (method, path, status) in [
        ("DELETE", "attrs/speed/urn:ngsi-ld:Instance:1", 404),
        ("DELETE", "attrs/speed/nonsense", 400),
        ("PATCH", "attrs/nosuch/urn:x:y", 404),
        ("DELETE", "attrs/%2e%2e", 400),
        ("DELETE", "attrs/nosuch", 404),
        ("DELETE", "attrs//urn:x:y", 400),
        ("PATCH", "attrs/speed/", 405),
        ("DELETE", "attrs/speed?deleteAll=true", 204),
        ("DELETE", "attrs/speed", 404),
    ] {
        api.test.clock.advance_seconds(1);
        let reply = api.call(method, &format!("/temporal/entities/{ID}/{path}"), &if method == "PATCH" { json!({"value": 1}) } else { Value::Null }).await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text);
    }
    assert_eq!(read(&api, "").await.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "type", "level"]);
}

#[tokio::test]
async fn conditions_are_asked_of_the_time_in_question() {
    let api = Api::new().await;
    let id = |n: &str| format!("urn:ngsi-ld:Vehicle:{n}");
    let place = |minute: u32, lon: f64| json!({"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, 20.0]}, "observedAt": at(minute)});
    let scope = |minute: u32, scope: &str| json!({"type": "Property", "value": scope, "observedAt": at(minute)});
    post(&api, &id("a"), json!({"speed": [speed(70, 30), speed(5, 90)], "location": [place(70, 106.0), place(5, 107.0)], "scope": [scope(0, "/A/B")]}), 201)
        .await;
    post(&api, &id("b"), json!({"speed": [speed(70, 10), speed(5, 80)], "location": [place(70, 107.0)], "scope": [scope(0, "/R"), scope(90, "/S")]}), 201)
        .await;
    post(&api, &id("c"), json!({"speed": [speed(65, 40), speed(100, 50)], "scope": [scope(80, "/A")]}), 201).await;
    post(&api, &id("d"), json!({"speed": [speed(5, 99)]}), 201).await;
    let window = format!("timerel=between&timeAt={}&endTimeAt={}", at(60), at(120));
    for (query, expected) in [
        ("", "a b c"),
        ("&q=speed>25", "a c"),
        ("&q=speed==10..20", "b"),
        ("&q=!location", "c"),
        ("&georel=near;maxDistance==1000&geometry=Point&coordinates=%5B107.0,20.0%5D", "b"),
        ("&scopeQ=/A/%23", "a c"),
        ("&scopeQ=/S", ""),
        ("&scopeQ=/R", "b"),
        ("&id=urn:ngsi-ld:Vehicle:b,urn:ngsi-ld:Vehicle:d", "b"),
        ("&orderBy=id;desc&limit=2", "c b"),
        ("&limit=1&offset=1", "b"),
        ("&attrs=location", "a b"),
    ] {
        let reply = api.get(&format!("/temporal/entities?type=Vehicle&{window}{}", query.replace('>', "%3E"))).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.text);
        assert_eq!(reply.ids().join(" "), expected, "{query}");
    }
    let scoped = api.get(&format!("/temporal/entities?type=Vehicle&{window}&scopeQ=/A")).await.json();
    assert_eq!(values(&scoped[0]["speed"]), "50", "only what was observed while the scope held");
    let page = api.get(&format!("/temporal/entities?type=Vehicle&{window}&limit=2&count=true")).await;
    assert_eq!((page.header("ngsild-results-count"), page.ids().join(" ").as_str()), ("3", "a b"));
    let next = page.link("next").expect("a next page");
    assert_eq!(api.get(next.trim_start_matches("/ngsi-ld/v1")).await.ids(), ["c"]);

    let body = json!({"type": "Query", "entities": [{"type": "Vehicle"}], "q": "speed>25",
        "temporalQ": {"timerel": "between", "timeAt": at(60), "endTimeAt": at(120), "lastN": 1}, "aggrParams": {"aggrMethods": ["max", "totalCount"], "aggrPeriodDuration": "PT1H"}});
    let found = api.call("POST", "/temporal/entityOperations/query", &body).await.json();
    assert_eq!(found[1]["speed"], json!({"type": "Property", "max": [[50.0, at(60), at(120)]], "totalCount": [[1, at(60), at(120)]]}));

    for wrong in [
        "type=Vehicle",
        "timerel=after&timeAt=2026-11-20T00:00:00Z",
        "type=Vehicle&timerel=during&timeAt=2026-11-20T00:00:00Z",
        "type=Vehicle&timerel=after&timeAt=2026-11-20",
        "type=Vehicle&timerel=between&timeAt=2026-11-20T00:00:00Z",
        "type=Vehicle&timerel=after&timeAt=2026-11-20T00:00:00Z&lastN=0",
        "type=Vehicle&timerel=after&timeAt=2026-11-20T00:00:00Z&orderBy=speed",
        "type=Vehicle&timerel=after&timeAt=2026-11-20T00:00:00Z&format=aggregatedValues",
        "type=Vehicle&timerel=after&timeAt=2026-11-20T00:00:00Z&aggrMethods=mean&format=aggregatedValues",
        "type=Vehicle&timerel=after&timeAt=2026-11-20T00:00:00Z&pick=owner%7Bname%7D",
        "attrs=createdAt&timerel=after&timeAt=2026-11-20T00:00:00Z",
    ] {
        assert_eq!(api.get(&format!("/temporal/entities?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn long_answers_are_cut_in_time() {
    let api = Api::with_page(10).await;
    let many = |from: u32| -> Value { (0..40).map(|n| speed(from + 2 * n, n)).collect() };
    post(&api, ID, json!({"speed": many(0), "level": many(1)}), 201).await;
    let cut = async |query: &str| {
        let reply = api.get(&format!("/temporal/entities/{ID}?{query}")).await;
        assert_eq!(reply.status, 206, "{query}: {}", reply.text);
        let body = reply.json();
        (reply.header("content-range").to_string(), values(&body["speed"]), values(&body["level"]))
    };
    let day = |m: u32| at(m);
    assert_eq!(cut("").await, (format!("date-time {}-{}/*", day(0), day(9)), "0 1 2 3 4".into(), "0 1 2 3 4".into()));
    let after = format!("timerel=after&timeAt={}", day(5));
    assert_eq!(cut(&after).await, (format!("date-time {}-{}/*", day(5), day(14)), "3 4 5 6 7".into(), "2 3 4 5 6".into()));
    assert_eq!(cut("lastN=8").await, (format!("date-time {}-{}/8", day(79), day(70)), "35 36 37 38 39".into(), "35 36 37 38 39".into()));
    let before = format!("timerel=before&timeAt={}&lastN=20", day(30));
    assert_eq!(cut(&before).await, (format!("date-time {}-{}/20", day(30), day(20)), "10 11 12 13 14".into(), "10 11 12 13 14".into()));
    assert_eq!(api.get(&format!("/temporal/entities/{ID}?lastN=3")).await.status, 200);
}

#[tokio::test]
async fn other_tenants_have_their_own_past() {
    let api = Api::new().await;
    let headers = [("content-type", "application/json"), ("NGSILD-Tenant", "other")];
    let body = json!({"id": ID, "type": "Vehicle", "speed": [speed(1, 1), speed(2, 2)]}).to_string();
    let made = api.send(api.system(), "POST", "/ngsi-ld/v1/temporal/entities", &headers, body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let past = api.send(api.system(), "GET", &format!("/ngsi-ld/v1/temporal/entities/{ID}"), &headers, String::new()).await;
    assert_eq!(values(&past.json()["speed"]), "1 2");
    assert!(api.history().await.is_empty(), "nothing of it in the lake");
    assert_eq!(api.get(&format!("/temporal/entities/{ID}")).await.status, 404);
}
