//! The two main walks: reading → alarm → screen, and report → answer → scorecard.

use dothi_kernel::Permission;
use dothi_testkit::TestCity;
use reqwest::Method;
use serde_json::{Value, json};

/// A point in Phường Thái Bình (13225), one of the demo province's communes.
pub const LON: f64 = 106.29847;
/// Its latitude.
pub const LAT: f64 = 20.46263;

/// A small real JPEG.
pub fn photo(shade: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(320, 240, image::Rgb([shade, 120, 80])).write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// Sends a report as a phone would.
pub async fn report(who: &dothi_testkit::Visitor, category: &str, text: &str, key: &str) -> reqwest::Response {
    let report =
        json!({"kind": "report", "category": category, "text": text, "lon": LON, "lat": LAT, "contact": {"name": "Nguyễn Văn Thử", "phone": "0912345678"}});
    let form = reqwest::multipart::Form::new()
        .text("report", report.to_string())
        .part("photo", reqwest::multipart::Part::bytes(photo(90)).file_name("a.jpg").mime_str("image/jpeg").unwrap());
    who.request(Method::POST, "/api/cases").header("idempotency-key", key).multipart(form).send().await.unwrap()
}

/// A category of the pack that has no special rules.
pub async fn category(city: &TestCity) -> String {
    let types = city.anonymous().get("/api/cases/types").await;
    let report = types.as_array().unwrap().iter().find(|t| t["kind"] == "report").unwrap();
    report["categories"][0]["code"].as_str().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_becomes_an_alarm_that_is_acknowledged_and_closed() {
    let city = TestCity::start().await;
    let operator = city.person("dieuhanh", &["centre-operator@ioc-33"]).await;
    let program = city.program(&[Permission::ContextWrite, Permission::ContextRead]).await;
    let urn = "urn:ngsi-ld:AirQualityObserved:test-01";
    let now = jiff::Timestamp::now();
    let reading = |hours_ago: i64, pm25: f64| {
        let at = (now - jiff::SignedDuration::from_hours(hours_ago)).strftime("%FT%TZ").to_string();
        json!({
            "id": urn, "type": "AirQualityObserved",
            "name": {"type": "Property", "value": "Trạm thử"},
            "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [LON, LAT]}},
            "pm25": {"type": "Property", "value": pm25, "unitCode": "GQ", "observedAt": at},
        })
    };
    // Twelve very bad hours, half a day ago.
    for hours_ago in (13..25).rev() {
        program.post("/ngsi-ld/v1/entityOperations/upsert?options=update", &json!([reading(hours_ago, 260.0)])).await;
    }
    let alarm = city
        .until("an alarm rises", || async {
            let page = operator.get("/api/rules/alarms?state=open").await;
            page["items"].as_array().unwrap().iter().find(|a| a["entity"] == urn && a["state"] == "active" && a["rule"] == "air.vn-aqi.very-bad").cloned()
        })
        .await;
    assert_eq!(alarm["area"], "13225");
    let id = alarm["id"].as_str().unwrap();
    let detail = operator.get(&format!("/api/rules/alarms/{id}")).await;
    assert!(detail["why"]["condition"].is_string() && detail["why"]["source_act"].is_string(), "an alarm says why: {detail}");
    let acknowledged = operator.post(&format!("/api/rules/alarms/{id}/acknowledge"), &json!({"note": "Đã báo trạm"})).await;
    assert_eq!(acknowledged["state"], "acknowledged");
    // The computed index came back into the city model.
    city.until("VN_AQI is computed", || async {
        let thing = operator.get(&format!("/api/context/things/{urn}")).await;
        thing["attributes"]["vnAqi"]["value"].as_f64().filter(|v| *v > 200.0)
    })
    .await;
    // Clean air for long enough that the hourly index falls below the dead band.
    for hours_ago in (4..13).rev() {
        program.post("/ngsi-ld/v1/entityOperations/upsert?options=update", &json!([reading(hours_ago, 5.0)])).await;
    }
    city.until("the alarm closes", || async {
        let alarm = operator.get(&format!("/api/rules/alarms/{id}")).await;
        (alarm["state"] == "closed").then_some(())
    })
    .await;
    let series = operator.get(&format!("/api/context/things/{urn}/series?attribute=pm25&from={}&to={}", now - jiff::SignedDuration::from_hours(30), now)).await;
    assert_eq!(series["points"].as_array().unwrap().len(), 21, "every reading is in history");
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_answered_in_public_and_changes_the_scorecard() {
    let city = TestCity::start().await;
    let centre = city.person("truongca", &["centre-lead@ioc-33"]).await;
    let officer = city.person("canbo", &["officer@ubnd-13225"]).await;
    let leader = city.person("lanhdaoxa", &["unit-leader@ubnd-13225"]).await;
    let other = city.person("canbo2", &["officer@ubnd-11953"]).await;
    let nobody = city.anonymous();
    let category = category(&city).await;

    let sent = report(&nobody, &category, "Nắp cống vỡ trước số nhà 12, rất nguy hiểm", "walk-0001").await;
    assert_eq!(sent.status(), 201);
    let receipt: Value = sent.json().await.unwrap();
    let again: Value = report(&nobody, &category, "Nắp cống vỡ trước số nhà 12, rất nguy hiểm", "walk-0001").await.json().await.unwrap();
    assert_eq!(again["code"], receipt["code"], "sending twice is sending once");
    let (id, code, key) = (receipt["id"].as_str().unwrap(), receipt["code"].as_str().unwrap(), receipt["key"].as_str().unwrap());

    // The flow is data: follow the moves that are offered until the case is solved.
    let public = |path: String| {
        let nobody = nobody.clone();
        async move { nobody.get(&path).await }
    };
    let mut made = Vec::new();
    for _ in 0..12 {
        let case = centre.get(&format!("/api/cases/{id}")).await;
        if case["phase"] == "solved" {
            break;
        }
        let mut moved = false;
        for (who, visitor) in [("centre", &centre), ("officer", &officer), ("leader", &leader)] {
            let seen = visitor.request(Method::GET, &format!("/api/cases/{id}")).send().await.unwrap();
            if seen.status() != 200 {
                continue;
            }
            let case: Value = seen.json().await.unwrap();
            let preferred = ["accept", "take", "answer", "approve"];
            let moves = case["moves"].as_array().unwrap();
            let Some(step) = preferred.iter().find_map(|p| moves.iter().find(|m| m["code"] == *p && !made.contains(&(*p).to_string()))) else { continue };
            let step = step["code"].as_str().unwrap();
            let fields = json!({
                "version": case["version"], "note": "đi kiểm tra", "reason": "đã rõ", "unit": "ubnd-13225",
                "public_answer": "Đã thay nắp cống mới lúc 9 giờ sáng. Cảm ơn ông/bà đã phản ánh.",
            });
            let form = reqwest::multipart::Form::new()
                .text("move", fields.to_string())
                .part("photo", reqwest::multipart::Part::bytes(photo(200)).file_name("sau.jpg").mime_str("image/jpeg").unwrap());
            let answer = visitor.request(Method::POST, &format!("/api/cases/{id}/moves/{step}")).multipart(form).send().await.unwrap();
            if answer.status().is_success() {
                made.push(step.to_string());
                moved = true;
                break;
            }
            let text = answer.text().await.unwrap();
            assert!(text.contains("flow.") || text.contains("access."), "{who} {step}: {text}");
        }
        assert!(moved, "somebody can always go on; made {made:?}, stands {}", centre.get(&format!("/api/cases/{id}")).await);
    }
    let page = public(format!("/api/cases/public/{code}")).await;
    assert_eq!(page["phase"], "solved", "after {made:?}");
    assert!(page["answer"]["text"].as_str().unwrap().contains("nắp cống"));
    let everything = page.to_string();
    assert!(!everything.contains("0912345678") && !everything.contains("Nguyễn Văn Thử"), "the public page knows nobody's name");
    assert_eq!(other.status(&format!("/api/cases/{id}")).await, 403, "another unit's officer");

    nobody.post(&format!("/api/cases/public/{code}/rating"), &json!({"stars": 5, "key": key})).await;
    let (status, _) = nobody.refused(&format!("/api/cases/public/{code}/rating"), &json!({"stars": 1, "key": key})).await;
    assert!(status == 409 || status == 422, "one rating: {status}");

    // The indicator that counts public answers has a value now, with the case as evidence.
    let set = nobody.get("/api/oversight/sets").await[0]["code"].as_str().unwrap().to_string();
    let evidence = city
        .until("the scorecard shows the answer", || async {
            let card = nobody.get(&format!("/api/oversight/scorecard?set={set}")).await;
            let computed = card.to_string().contains("\"computed\"");
            let code = find_computed(&card)?;
            let detail = nobody.get(&format!("/api/oversight/indicators/{set}/{code}")).await.to_string();
            (computed && detail.contains(&receipt["code"].as_str().unwrap().to_string())).then_some(detail)
        })
        .await;
    assert!(evidence.contains("counts"));
    city.finish().await;
}

/// Code of an indicator about public answers with a computed value.
fn find_computed(card: &Value) -> Option<String> {
    let groups = card["groups"].as_array()?;
    let all = groups.iter().flat_map(|g| g["indicators"].as_array().into_iter().flatten());
    all.filter(|i| i["value"]["status"] == "computed")
        .find(|i| i["code"].as_str().is_some_and(|c| c.starts_with("L1.")))
        .and_then(|i| i["code"].as_str())
        .map(str::to_string)
}
