//! The Open311 server: the standard's calls in both formats, its errors row by row, tokens, keys, and the extensions.

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use dothi_cases::http_open311::router;
use dothi_cases::model::MoveInput;
use dothi_cases::open311::ApiKeyInput;
use dothi_kernel::{Caller, CallerKind, Permission};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::photos::jpeg;
use crate::walk::resolve;
use crate::{App, answer, light};

struct Said {
    status: u16,
    kind: String,
    text: String,
}

impl Said {
    fn json(&self) -> Value {
        assert_eq!(self.kind, "application/json; charset=utf-8");
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}", self.text))
    }
}

async fn send(app: &App, request: Request<Body>) -> Said {
    let mut request = request;
    request.extensions_mut().insert(app.anybody());
    request.headers_mut().insert(header::HOST, "dothi.example.vn".parse().unwrap());
    let response = router(app.cases.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).map_or("", |v| v.to_str().unwrap()).to_string();
    Said { status: parts.status.as_u16(), kind, text: String::from_utf8(to_bytes(body, 64 << 20).await.unwrap().to_vec()).unwrap() }
}

async fn get(app: &App, path: &str) -> Said {
    send(app, Request::get(format!("/open311/{path}")).body(Body::empty()).unwrap()).await
}

async fn post(app: &App, path: &str, args: &[(&str, &str)]) -> Said {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(args).finish();
    let request = Request::post(format!("/open311/{path}")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
    send(app, request.body(body.into()).unwrap()).await
}

async fn key(app: &App) -> String {
    let admin = app.person(CallerKind::Staff, "quantri", "ubnd-33", None, &[Permission::PeopleManage]);
    app.cases.make_api_key(&admin, ApiKeyInput { name: "Ứng dụng bạn".into() }).await.unwrap().key.unwrap()
}

async fn app() -> App {
    let app = App::new(dothi_store::testing::store(&[dothi_cases::MIGRATIONS]).await).await;
    app.at("2026-11-23T01:00:00Z");
    app
}

/// What the XML says, as the tree that the JSON has: a reader that knows only elements and text.
fn read_xml(said: &Said) -> Value {
    assert_eq!(said.kind, "text/xml; charset=utf-8");
    let text = said.text.strip_prefix("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n").expect("the declaration comes first");
    let (_, value, rest) = read_element(text);
    assert_eq!(rest, "");
    value
}

fn read_element(text: &str) -> (&str, Value, &str) {
    let (name, mut rest) = text.strip_prefix('<').and_then(|t| t.split_once('>')).unwrap_or_else(|| panic!("no element at {text:.40}"));
    let mut children: Vec<(&str, Value)> = Vec::new();
    let mut words = String::new();
    let end = format!("</{name}>");
    loop {
        if let Some(after) = rest.strip_prefix(end.as_str()) {
            rest = after;
            break;
        }
        if rest.starts_with('<') {
            let (child, value, after) = read_element(rest);
            children.push((child, value));
            rest = after;
        } else {
            let (part, _) = rest.split_once('<').unwrap();
            words.push_str(&part.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
            rest = &rest[part.len()..];
        }
    }
    const LISTS: [&str; 8] = ["services", "service_requests", "service_request_updates", "errors", "attributes", "values", "endpoints", "formats"];
    let value = if LISTS.contains(&name) {
        children.into_iter().map(|(_, v)| v).collect()
    } else if children.is_empty() {
        Value::String(words)
    } else {
        Value::Object(children.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
    };
    (name, value, rest)
}

/// Everything as text, as XML has it.
fn as_text(value: &Value) -> Value {
    match value {
        Value::Null => json!(""),
        Value::Array(items) => items.iter().map(as_text).collect(),
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), as_text(v))).collect::<serde_json::Map<_, _>>().into(),
        Value::String(s) => json!(s),
        other => json!(other.to_string()),
    }
}

/// The JSON of an address, after the XML was found to say the same.
async fn both(app: &App, path: &str, query: &str) -> Value {
    let (j, x) = (get(app, &format!("{path}.json{query}")).await, get(app, &format!("{path}.xml{query}")).await);
    assert_eq!((j.status, x.status), (200, 200), "{path}{query}: {} {}", j.text, x.text);
    let found = j.json();
    assert_eq!(read_xml(&x), as_text(&found), "{path}{query}");
    found
}

#[tokio::test]
async fn the_standards_calls_say_the_same_in_xml_and_json() {
    let app = app().await;
    let discovery = both(&app, "discovery", "").await;
    let endpoint = &discovery["endpoints"][0];
    assert_eq!(
        (endpoint["url"].as_str(), endpoint["specification"].as_str()),
        (Some("http://dothi.example.vn/open311/v2"), Some("http://wiki.open311.org/GeoReport_v2"))
    );
    for field in ["changeset", "contact", "key_service"] {
        assert!(discovery[field].as_str().is_some_and(|v| !v.is_empty()), "{field}");
    }
    let services = both(&app, "v2/services", "?jurisdiction_id=hungyen.gov.vn").await;
    let service = |code: &str| services.as_array().unwrap().iter().find(|s| s["service_code"] == code).unwrap().clone();
    assert_eq!(
        (&service("street-light")["metadata"], &service("street-light")["type"], &service("public-service")["type"]),
        (&json!(true), &json!("realtime"), &json!("batch"))
    );
    assert_eq!(both(&app, "v2/services", "?locale=en").await[0]["service_name"], "Damaged road or pavement");
    let definition = both(&app, "v2/services/street-light", "").await;
    assert_eq!(definition["service_code"], "street-light");
    let attribute = |code: &str| definition["attributes"].as_array().unwrap().iter().find(|a| a["code"] == code).unwrap().clone();
    assert_eq!(
        (&attribute("pole")["datatype"], &attribute("extent")["datatype"], &attribute("extent")["values"][0]["key"]),
        (&json!("string"), &json!("singlevaluelist"), &json!("one"))
    );
    assert_eq!(definition["attributes"].as_array().unwrap().iter().map(|a| a["order"].clone()).collect::<Vec<_>>(), [json!(1), json!(2)]);

    // A request with everything the standard knows.
    let key = key(&app).await;
    let args = [
        ("api_key", key.as_str()),
        ("jurisdiction_id", "hungyen.gov.vn"),
        ("service_code", "street-light"),
        ("lat", "20.6598765"),
        ("long", "106.0512345"),
        ("address_string", "Trước cổng trường"),
        ("email", "nguoigui@example.vn"),
        ("first_name", "Bí"),
        ("last_name", "Mật"),
        ("phone", "0912345678"),
        ("description", "Đèn <b>tắt</b> & tối"),
        ("attribute[extent]", "one"),
        ("attribute[pole]", "T-15"),
    ];
    let made = post(&app, "v2/requests.json", &args).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let id = made.json()[0]["service_request_id"].as_str().unwrap().to_string();
    assert!(made.json()[0].get("token").is_none());
    let seen = both(&app, &format!("v2/requests/{id}"), "").await[0].clone();
    let expected = json!({
        "service_request_id": id, "status": "open", "status_notes": "Đã tiếp nhận", "service_name": "Đèn đường hỏng", "service_code": "street-light",
        "description": "", "agency_responsible": "UBND phường Phố Hiến", "service_notice": "", "requested_datetime": "2026-11-23T08:00:00+07:00",
        "updated_datetime": "2026-11-23T08:00:00+07:00", "expected_datetime": "2026-11-26T08:00:00+07:00", "address": "Phường Phố Hiến", "address_id": "11953",
        "zipcode": "", "lat": 20.6599, "long": 106.0512
    });
    assert_eq!(seen, expected);
    let case = app.cases.list(&app.centre(), &dothi_cases::model::ListQuery::default()).await.unwrap().items.remove(0);
    let case = app.cases.get(&app.centre(), case.id).await.unwrap();
    assert_eq!((case.source.as_str(), case.text.as_str()), ("open311", "Đèn ‹b›tắt‹/b› & tối"));
    assert_eq!((case.answers["extent"].as_str(), case.answers["pole"].as_str()), ("one", "T-15"));
    assert_eq!(app.cases.identity(&app.centre(), case.id).await.unwrap().contact.phone.as_deref(), Some("0912345678"));

    // Answered: the public sees the words, the answer and when it ended; never who wrote.
    app.at("2026-11-24T02:00:00Z");
    resolve(&app, case.id).await;
    let seen = both(&app, "v2/requests", &format!("?service_request_id={id}&extensions=true")).await[0].clone();
    assert_eq!((&seen["status"], &seen["status_notes"], &seen["expected_datetime"]), (&json!("closed"), &json!("Đã xử lý."), &Value::Null));
    assert_eq!((&seen["updated_datetime"], &seen["extended_attributes"]["detailed_status"]), (&json!("2026-11-24T09:00:00+07:00"), &json!("resolved")));
    assert_eq!(seen["description"], "Đèn ‹b›tắt‹/b› & tối");
    for secret in ["nguoigui", "0912345678", "Bí", "Mật", "T-15", "Trước cổng"] {
        assert!(!seen.to_string().contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn every_error_is_told_as_the_standard_says() {
    let app = app().await;
    let key = key(&app).await;
    let spot = [("lat", "20.66"), ("long", "106.05")];
    let with = |more: &[(&'static str, &'static str)]| [&[("service_code", "street-light")][..], &spot[..], more].concat();
    let keyed = |args: Vec<(&'static str, &'static str)>| -> Vec<(String, String)> {
        args.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).chain([("api_key".to_string(), key.clone())]).collect()
    };
    let plain = |args: Vec<(&'static str, &'static str)>| -> Vec<(String, String)> { args.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect() };
    for (status, path, why) in [
        (404, "v2/services.FORMAT?jurisdiction_id=elsewhere.gov", "jurisdiction_id"),
        (404, "v2/services/none.FORMAT", "service_code"),
        (404, "v2/services/street-light.FORMAT?jurisdiction_id=elsewhere.gov", "jurisdiction_id"),
        (404, "v2/tokens/NONE.FORMAT", "token"),
        (404, "v2/requests/HY-NONE.FORMAT", "service_request_id"),
        (404, "v2/requests.FORMAT?jurisdiction_id=elsewhere.gov", "jurisdiction_id"),
        (400, "v2/requests.FORMAT?start_date=yesterday", "start_date"),
        (400, "v2/requests.FORMAT?start_date=2026-11-01T00:00:00", "zone"),
        (400, "v2/requests.FORMAT?start_date=2026-01-01T00:00:00Z&end_date=2026-11-01T00:00:00Z", "90 days"),
        (400, "v2/requests.FORMAT?start_date=2026-11-02T00:00:00Z&end_date=2026-11-01T00:00:00Z", "before"),
        (400, "v2/requests.FORMAT?status=lost", "status"),
        (400, "v2/requests.FORMAT?page=0", "page"),
        (404, "v2/nothing.FORMAT", "resource"),
    ] {
        fault(get(&app, &path.replace("FORMAT", "json")).await, status, why, path);
        fault(get(&app, &path.replace("FORMAT", "xml")).await, status, why, path);
    }
    for (status, args, why) in [
        (403, plain(with(&[])), "Missing api_key"),
        (403, plain(with(&[("api_key", "WRONG")])), "Invalid api_key"),
        (400, keyed(spot.to_vec()), "service_code was not provided"),
        (404, keyed([&[("service_code", "none")][..], &spot[..]].concat()), "service_code provided was not found"),
        (400, keyed(vec![("service_code", "street-light")]), "address_string"),
        (400, keyed(vec![("service_code", "street-light"), ("lat", "20.66")]), "address_string"),
        (400, keyed(vec![("service_code", "street-light"), ("lat", "north"), ("long", "106.05")]), "lat is not a number"),
        (400, keyed(vec![("service_code", "street-light"), ("lat", "21.5"), ("long", "105.0")]), "case.place.outside"),
        (400, keyed(with(&[("attribute[extent]", "many")])), "case.answer.form"),
        (400, keyed(with(&[("attribute[none]", "x")])), "case.answer.unknown"),
        (400, keyed(with(&[("email", "not-a-mail")])), "case.contact.invalid"),
        (404, keyed(with(&[("jurisdiction_id", "elsewhere.gov")])), "jurisdiction_id"),
    ] {
        let args: Vec<(&str, &str)> = args.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        fault(post(&app, "v2/requests.json", &args).await, status, why, &format!("{args:?}"));
        fault(post(&app, "v2/requests.xml", &args).await, status, why, &format!("{args:?}"));
    }
    let long = "x".repeat(4_001);
    let said =
        post(&app, "v2/requests.json", &[("api_key", &key), ("service_code", "street-light"), ("lat", "20.66"), ("long", "106.05"), ("description", &long)])
            .await;
    fault(said, 400, "case.text.too-long", "4,001 characters");
    assert!(app.cases.list(&app.centre(), &dothi_cases::model::ListQuery::default()).await.unwrap().items.is_empty(), "nothing was kept of any of it");
    // A key that was ended opens nothing.
    let admin = app.person(CallerKind::Staff, "quantri", "ubnd-33", None, &[Permission::PeopleManage]);
    let made = app.cases.api_keys(&admin).await.unwrap().remove(0);
    assert!(made.key.is_none(), "the secret is shown once");
    app.cases.revoke_api_key(&admin, made.id).await.unwrap();
    assert_eq!(app.cases.revoke_api_key(&admin, made.id).await.unwrap_err().kind().status(), 404);
    let args = [("api_key", key.as_str()), ("service_code", "street-light"), ("lat", "20.66"), ("long", "106.05")];
    fault(post(&app, "v2/requests.json", &args).await, 403, "Invalid api_key", "ended");
    let officer: Caller = app.officer("canbo", "ubnd-11953");
    assert_eq!(app.cases.api_keys(&officer).await.unwrap_err().code(), "access.not-allowed");
}

fn fault(said: Said, status: u16, why: &str, what: &str) {
    assert_eq!(said.status, status, "{what}: {}", said.text);
    let list = if said.kind.starts_with("text/xml") { read_xml(&said) } else { said.json() };
    let first = &list.as_array().unwrap_or_else(|| panic!("{what}: the body is a list"))[0];
    assert_eq!(as_text(&first["code"]), json!(status.to_string()), "{what}");
    assert!(first["description"].as_str().unwrap().contains(why), "{what}: {first}");
}

#[tokio::test]
async fn a_token_becomes_an_id_when_the_centre_has_let_it_through() {
    let app = app().await;
    let key = key(&app).await;
    let args = [("api_key", key.as_str()), ("service_code", "public-service"), ("address_id", "11953"), ("description", "Một cửa đóng cửa sớm")];
    let made = post(&app, "v2/requests.json", &args).await.json()[0].clone();
    assert!(made.get("service_request_id").is_none(), "an id or a token, not both: {made}");
    let token = made["token"].as_str().unwrap().to_string();
    assert_eq!(both(&app, &format!("v2/tokens/{token}"), "").await, json!([{ "service_request_id": "", "token": token }]));
    let row = app.cases.list(&app.centre(), &dothi_cases::model::ListQuery::default()).await.unwrap().items.remove(0);
    app.step(&app.centre(), row.id, "accept", MoveInput::default()).await.unwrap();
    assert_eq!(both(&app, &format!("v2/tokens/{token}"), "").await, json!([{ "service_request_id": row.code, "token": token }]));
}

#[tokio::test]
async fn requests_are_found_by_service_time_state_and_page() {
    let app = app().await;
    let mut codes = Vec::new();
    for (day, category) in [(1, "street-light"), (2, "garbage"), (3, "street-light")] {
        app.at(&format!("2026-11-{day:02}T01:00:00Z"));
        codes.push(app.open(dothi_cases::model::NewReport { category: category.into(), ..light() }).await);
    }
    app.at("2026-11-04T01:00:00Z");
    resolve(&app, codes[0].id).await;
    let ids = async |query: &str| {
        let found = both(&app, "v2/requests", query).await;
        found.as_array().unwrap().iter().map(|r| codes.iter().position(|c| c.code == r["service_request_id"].as_str().unwrap()).unwrap()).collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("", vec![2, 1, 0]),
        ("?service_code=street-light", vec![2, 0]),
        ("?service_code=street-light,garbage,none", vec![2, 1, 0]),
        ("?status=open", vec![2, 1]),
        ("?status=closed", vec![0]),
        ("?status=open,closed", vec![2, 1, 0]),
        ("?start_date=2026-11-02T08:00:00%2B07:00", vec![2, 1]),
        // A plus sign that a client did not encode.
        ("?start_date=2026-11-02T08:00:00+07:00", vec![2, 1]),
        ("?end_date=2026-11-02T01:00:00Z", vec![1, 0]),
        ("?start_date=2026-11-02T00:00:00Z&end_date=2026-11-02T23:00:00Z", vec![1]),
        ("?page_size=2", vec![2, 1]),
        ("?page_size=2&page=2", vec![0]),
        ("?page=9", vec![]),
        // Empty arguments are missing ones.
        ("?service_code=&status=&start_date=&end_date=&service_request_id=&jurisdiction_id=&page=&page_size=&locale=", vec![2, 1, 0]),
    ] {
        assert_eq!(ids(query).await, expected, "{query}");
    }
    // Ids override everything else, and say nothing of cases that are not public.
    let both_ids = format!("?service_request_id={},%20{},HY-NONE&status=open&service_code=garbage", codes[0].code, codes[2].code);
    assert_eq!(ids(&both_ids).await, [2, 0]);
    app.step(&app.centre(), codes[2].id, "hide", crate::reason("Có tên người")).await.unwrap();
    assert_eq!(ids(&both_ids).await, [0]);
    app.at("2027-03-01T01:00:00Z");
    assert_eq!(ids("").await, Vec::<usize>::new(), "the last 90 days, when nothing is said");
}

#[tokio::test]
async fn updates_go_out_and_come_in() {
    let app = app().await;
    let key = key(&app).await;
    let got = app.open(light()).await;
    app.step(&app.centre(), got.id, "ask_reporter", answer("Số nhà riêng của ông là bao nhiêu?")).await.unwrap();
    app.step(&app.system(), got.id, "give_info", MoveInput { note: Some("số 5".into()), ..MoveInput::default() }).await.unwrap();
    resolve(&app, got.id).await;
    app.timers().await;
    app.store.clock.advance_seconds(1);
    let updates = both(&app, "v2/servicerequestupdates", "").await;
    let rows: Vec<_> = updates.as_array().unwrap().iter().map(|u| (u["status"].as_str().unwrap(), u["description"].as_str().unwrap())).collect();
    assert_eq!(
        rows,
        [
            ("open", "Chờ bổ sung thông tin"),
            ("open", "Đã tiếp nhận"),
            ("open", "Đã chuyển đơn vị xử lý"),
            ("open", "Đang xử lý"),
            ("open", "Chờ duyệt trả lời"),
            ("closed", "Đã xử lý.")
        ],
        "questions and answers of the reporter are theirs"
    );
    let photo = updates[5]["media_url"].as_str().unwrap();
    assert!(photo.starts_with("http://dothi.example.vn/api/cases/photos/"), "{photo}");

    let sent =
        [("api_key", key.as_str()), ("service_request_id", got.code.as_str()), ("update_id", "77"), ("status", "open"), ("description", "Người dân gọi lại")];
    let first = post(&app, "v2/servicerequestupdates.json", &sent).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let again = post(&app, "v2/servicerequestupdates.xml", &sent).await;
    assert_eq!(read_xml(&again), as_text(&first.json()), "sent twice is noted once");
    let case = app.cases.get(&app.centre(), got.id).await.unwrap();
    let notes: Vec<_> = case.log.iter().filter(|l| l.step == "update").map(|l| (l.by.as_str(), l.note.as_deref().unwrap())).collect();
    assert_eq!((notes, case.state.as_str()), (vec![("open311:Ứng dụng bạn", "Người dân gọi lại\n(open)")], "resolved"));
    assert!(!get(&app, "v2/servicerequestupdates.json").await.text.contains("Người dân gọi lại"), "a note for officers");
    for (status, args, why) in [
        (403, vec![("service_request_id", got.code.as_str()), ("update_id", "1"), ("description", "x")], "api_key"),
        (400, vec![("api_key", key.as_str()), ("update_id", "1"), ("description", "x")], "service_request_id"),
        (404, vec![("api_key", key.as_str()), ("service_request_id", "HY-NONE"), ("update_id", "1"), ("description", "x")], "service_request_id"),
    ] {
        fault(post(&app, "v2/servicerequestupdates.json", &args).await, status, why, why);
    }
}

#[tokio::test]
async fn photos_come_in_the_form_and_floods_of_a_key_are_stopped() {
    let app = app().await;
    let key = key(&app).await;
    let mut body = Vec::new();
    for (name, value) in [("api_key", key.as_str()), ("service_code", "street-light"), ("lat", "20.66"), ("long", "106.05"), ("description", "Có ảnh")] {
        body.extend_from_slice(format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes());
    }
    body.extend_from_slice(b"--edge\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n");
    body.extend_from_slice(&jpeg(30, 20));
    body.extend_from_slice(b"\r\n--edge--\r\n");
    let request = Request::post("/open311/v2/requests.json").header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge");
    let made = send(&app, request.body(body.into()).unwrap()).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let row = app.cases.list(&app.centre(), &dothi_cases::model::ListQuery::default()).await.unwrap().items.remove(0);
    app.step(&app.centre(), row.id, "accept", MoveInput::default()).await.unwrap();
    app.timers().await;
    let seen = get(&app, &format!("v2/requests/{}.json", row.code)).await.json();
    assert!(seen[0]["media_url"].as_str().is_some_and(|m| m.contains("/api/cases/photos/")), "{seen}");

    let mut report = crate::pack();
    report.types[0].limits.per_key.count = 3;
    app.cases.install(&app.system(), "base", report).await.unwrap();
    let args = [("api_key", key.as_str()), ("service_code", "street-light"), ("lat", "20.66"), ("long", "106.05")];
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(post(&app, "v2/requests.json", &args).await.status);
    }
    assert_eq!(statuses, [200, 200, 429], "three in all, with the one before");
}

#[tokio::test]
async fn what_may_be_done_is_told_by_resource() {
    let app = app().await;
    for (method, resource, status, allowed) in [
        ("OPTIONS", "services.json", 204, "GET,HEAD,OPTIONS"),
        ("OPTIONS", "requests.xml", 204, "GET,HEAD,POST,OPTIONS"),
        ("PUT", "servicerequestupdates.json", 405, "GET,HEAD,POST,OPTIONS"),
        ("DELETE", "services.xml", 405, "GET,HEAD,OPTIONS"),
    ] {
        let mut request = Request::builder().method(method).uri(format!("/open311/v2/{resource}")).body(Body::empty()).unwrap();
        request.extensions_mut().insert(app.anybody());
        let response = router(app.cases.clone()).oneshot(request).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()[header::ALLOW].to_str().unwrap()), (status, allowed), "{method} {resource}");
    }
    // No field is ever null: what is not known is left out.
    let key = key(&app).await;
    let id = post(&app, "v2/requests.json", &[("api_key", &key), ("service_code", "noise"), ("address_id", "11953"), ("description", "Ồn")]).await.json();
    let seen = get(&app, &format!("v2/requests/{}.json", id[0]["service_request_id"].as_str().unwrap())).await.json();
    assert!(seen[0].as_object().unwrap().values().all(|v| !v.is_null()) && seen[0].get("lat").is_none(), "{seen}");
}
