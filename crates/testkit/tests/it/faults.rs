//! Bad input of every kind: a clear coded error, nothing lost, nothing leaked.

use dothi_kernel::Permission;
use dothi_testkit::TestCity;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::walks;

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_coded_answers() {
    let city = TestCity::start().await;
    let program = city.program(&[Permission::ContextWrite, Permission::ContextRead]).await;
    let nobody = city.anonymous();
    let huge = format!("{{\"sql\": \"{}\"}}", "x".repeat(2_000_000));
    let cases: [(&str, &dothi_testkit::Visitor, Method, &str, &str, String, u16); 11] = [
        ("broken JSON", &program, Method::POST, "/ngsi-ld/v1/entities", "application/json", "{\"id\":".into(), 400),
        ("a scalar", &program, Method::POST, "/ngsi-ld/v1/entities", "application/json", "7".into(), 400),
        ("no id", &program, Method::POST, "/ngsi-ld/v1/entities", "application/json", json!({"type": "T"}).to_string(), 400),
        (
            "JSON-LD without a context",
            &program,
            Method::POST,
            "/ngsi-ld/v1/entities",
            "application/ld+json",
            json!({"id": "urn:a:b", "type": "T"}).to_string(),
            400,
        ),
        (
            "a context that cannot be had",
            &program,
            Method::POST,
            "/ngsi-ld/v1/entities",
            "application/ld+json",
            json!({"id": "urn:a:b", "type": "T", "@context": ["http://127.0.0.1:9/none.jsonld"]}).to_string(),
            504,
        ),
        ("wrong media type", &program, Method::POST, "/ngsi-ld/v1/entities", "text/plain", "x".into(), 415),
        ("nobody writes", &nobody, Method::POST, "/ngsi-ld/v1/entities", "application/json", json!({"id": "urn:a:b", "type": "T"}).to_string(), 401),
        ("too large", &program, Method::POST, "/api/history/query", "application/json", huge, 413),
        ("unknown address", &nobody, Method::GET, "/api/nowhere", "application/json", String::new(), 404),
        ("unknown entity", &program, Method::GET, "/ngsi-ld/v1/entities/urn:ngsi-ld:None:1", "application/json", String::new(), 404),
        ("wrong method", &nobody, Method::DELETE, "/api/cases/types", "application/json", String::new(), 405),
    ];
    for (what, who, method, path, media, body, status) in cases {
        let mut request = who.request(method, path);
        if !body.is_empty() {
            request = request.header("content-type", media).body(body);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{what}: {}", answer.text().await.unwrap());
        let text = answer.text().await.unwrap();
        for leak in ["panicked", "sqlx", "SQLITE", "select ", "/src/"] {
            assert!(!text.contains(leak), "{what} leaks {leak}: {text}");
        }
    }
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_reports_are_refused_with_reasons() {
    let city = TestCity::start().await;
    let nobody = city.anonymous();
    let category = walks::category(&city).await;
    let send = |report: Value, photo: Option<Vec<u8>>| {
        let nobody = nobody.clone();
        async move {
            let mut form = reqwest::multipart::Form::new().text("report", report.to_string());
            if let Some(photo) = photo {
                form = form.part("photo", reqwest::multipart::Part::bytes(photo).file_name("a.jpg").mime_str("image/jpeg").unwrap());
            }
            let answer = nobody.request(Method::POST, "/api/cases").multipart(form).send().await.unwrap();
            let status = answer.status().as_u16();
            let body: Value = answer.json().await.unwrap();
            (status, body["code"].as_str().unwrap_or_default().to_string())
        }
    };
    let good = json!({"kind": "report", "category": category, "text": "Đèn đường hỏng", "lon": walks::LON, "lat": walks::LAT});
    let with = |field: &str, value: Value| {
        let mut report = good.clone();
        report[field] = value;
        report
    };
    let (status, code) = send(good.clone(), Some(b"<script>not a photo</script>".to_vec())).await;
    assert_eq!((status, code.as_str()), (415, "case.photo.unreadable"));
    let (status, code) = send(with("lon", json!(2.35)), None).await;
    assert_eq!((status, code.as_str()), (422, "case.place.outside"), "Paris is elsewhere");
    assert_eq!(send(with("category", json!("no-such")), None).await.0, 400);
    assert_eq!(send(with("text", json!("x".repeat(50_000))), None).await.0 / 100, 4);
    assert_eq!(send(with("lat", json!("north")), None).await.0, 400);
    assert_eq!(send(good, Some(walks::photo(1))).await.0, 201);
    city.finish().await;
}

/// Twelve senders whose photos never end take all the room there is for photos.
#[tokio::test(flavor = "multi_thread")]
async fn words_are_taken_while_there_is_no_room_for_photos() {
    let city = TestCity::start().await;
    let category = walks::category(&city).await;
    let mut slow = Vec::new();
    for _ in 0..12 {
        let mut sender = tokio::net::TcpStream::connect(city.http).await.unwrap();
        let head = "POST /api/cases HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n--b\r\n";
        sender.write_all(head.as_bytes()).await.unwrap();
        slow.push(sender);
    }
    let report = json!({"category": category, "text": "Rác chất đống", "lon": walks::LON, "lat": walks::LAT});
    let send = |photo: Option<usize>| {
        let form = reqwest::multipart::Form::new().part("report", reqwest::multipart::Part::text(report.to_string()).mime_str("application/json").unwrap());
        let form = match photo {
            Some(bytes) => form.part("photo", reqwest::multipart::Part::bytes(vec![0; bytes]).file_name("a.jpg")),
            None => form,
        };
        let visitor = city.anonymous();
        async move { visitor.request(Method::POST, "/api/cases").multipart(form).send().await.unwrap().status().as_u16() }
    };
    city.until("no room for another photo", || async { (send(Some(100_000)).await == 503).then_some(()) }).await;
    assert_eq!(send(None).await, 201);
    drop(slow);
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_and_old_sessions_get_nowhere() {
    let city = TestCity::start().await;
    let officer = city.person("canbo", &["officer@ubnd-13225"]).await;
    let (status, code) = officer.without_csrf().refused("/api/access/sign-out", &json!({})).await;
    assert_eq!(status, 403, "{code}");
    officer.post("/api/access/sign-out", &json!({})).await;
    assert_eq!(officer.status("/api/cases").await, 401, "a session that ended is no session");
    let (status, code) = city.anonymous().refused("/api/access/sign-in", &json!({"login": "canbo", "password": "wrong"})).await;
    assert_eq!((status, code.as_str()), (401, "access.bad-credentials"));
    city.finish().await;
}
