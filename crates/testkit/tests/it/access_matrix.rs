//! Route × caller → status, as a snapshot. Every route of the API description is in it; a new one shows up as a
//! difference to be read before it is accepted.

use std::collections::BTreeMap;
use std::fmt::Write;

use dothi_kernel::Permission;
use dothi_testkit::{TestCity, Visitor};
use reqwest::Method;
use serde_json::{Value, json};

use crate::walks;

/// Routes for programs, which the native description does not list.
const MACHINE: [(&str, &str); 21] = [
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/api/openapi.json"),
    ("get", "/api/docs"),
    ("get", "/cap/v1/feed.atom"),
    ("get", "/cap/v1/alerts/none.xml"),
    ("get", "/ngsi-ld/v1/entities?type=AirQualityObserved"),
    ("post", "/ngsi-ld/v1/entities"),
    ("post", "/ngsi-ld/v1/entityOperations/upsert"),
    ("get", "/ngsi-ld/v1/types"),
    ("get", "/ngsi-ld/v1/subscriptions"),
    ("post", "/ngsi-ld/v1/subscriptions"),
    ("delete", "/ngsi-ld/v1/entities/urn:ngsi-ld:None:1"),
    ("get", "/sensorthings/v1.1"),
    ("get", "/sensorthings/v1.1/Things"),
    ("post", "/sensorthings/v1.1/Things"),
    ("post", "/sensorthings/v1.1/CreateObservations"),
    ("patch", "/sensorthings/v1.1/Things(9)"),
    ("get", "/mqtt"),
    ("delete", "/sensorthings/v1.1/Things(9)"),
];

/// A body that is well formed, so that what is refused is refused for the caller's sake.
fn body(path: &str) -> Value {
    let word = "mật khẩu đủ dài 2026";
    match path {
        "/api/access/people" => json!({"login": "nguoi-moi", "name": "Người mới", "password": word}),
        "/api/access/people/{id}/grants" => json!({"role": "officer", "unit": "ubnd-13225"}),
        "/api/access/tokens" => json!({"name": "thử", "permissions": ["context-read"]}),
        "/api/access/password" => json!({"old": "sai mật khẩu cũ", "new": word}),
        "/api/context/map/names" => json!({"ids": ["urn:ngsi-ld:None:1"]}),
        "/api/context/devices" => json!({"id": "matrix-01", "name": "Thiết bị", "profile": "dothi-json"}),
        "/api/context/devices-bulk" => json!({"devices": ["none"], "action": {"leave": "none"}}),
        "/api/context/devices/{id}/commands" => json!({"command": "none"}),
        "/api/context/device-groups" => json!({"path": "matrix", "title": "Nhóm thử"}),
        "/api/history/queries" | "/api/history/queries/{id}" => json!({"name": "Số dòng", "sql": "select count(*) from observation"}),
        "/api/history/query" => json!({"sql": "select count(*) from observation"}),
        "/api/oversight/compute" => json!({"set": "tb-41"}),
        "/api/oversight/boards" => json!({"name": "Bảng thử"}),
        "/api/oversight/boards/{id}" => json!({"version": 1, "name": "Bảng", "shared": "me", "widgets": []}),
        "/api/oversight/walls" => json!({"name": "Màn hình", "boards": ["00000000-0000-7000-8000-000000000001"], "days": 1}),
        "/api/oversight/wall/enter" => json!({"secret": "khong-co"}),
        "/api/oversight/values" => json!({"set": "tb-41", "indicator": "L1.N1.PN1.01", "area": "33", "period": "2026", "number": 91.0, "note": "báo cáo năm"}),
        "/api/cases/{id}/moves/{move}" => json!({"version": 1}),
        "/api/cases/{id}/parts" => json!({"version": 1, "parts": [{"unit": "ubnd-11953", "text": "việc"}]}),
        "/api/cases/bulk/{move}" => json!({"cases": [{"id": "00000000-0000-7000-8000-000000000001", "version": 1}]}),
        "/api/cases/work/crews" | "/api/cases/work/crews/{id}" => {
            json!({"unit": "ubnd-13225", "name": "Tổ thử", "leader": "00000000-0000-7000-8000-000000000001", "members": []})
        }
        "/api/cases/work/orders" => {
            json!({"unit": "ubnd-13225", "kind": "site-work", "crew": "00000000-0000-7000-8000-000000000001", "text": "việc"})
        }
        "/api/cases/{id}/sample" => json!({"answers": {}}),
        "/api/cases/erasures/{id}" => json!({"grant": false, "reason": "lý do"}),
        "/api/access/address" => json!({"email": "moi@example.vn"}),
        "/api/access/address/confirm" | "/api/notify/confirm" => json!({"token": "khong-co"}),
        "/api/access/password/forgotten" => json!({"login": "khong-co"}),
        "/api/access/password/reset" => json!({"token": "khong-co", "new": word}),
        "/api/notify/follows" => json!({"topic": "work", "mail": "moi@example.vn"}),
        "/api/cases/open311/peers" | "/api/cases/open311/peers/{id}" => json!({"name": "Nhà thầu", "url": "http://127.0.0.1:9/open311/v2", "api_key": "x"}),
        "/api/cases/open311/forwards/{id}" => json!({"what": "again"}),
        "/api/cases/{id}/forwards" => json!({"peer": "019a0000-0000-7000-8000-000000000000"}),
        "/api/cases/suggest" => json!({"text": "đèn đường không sáng"}),
        "/api/cases/people" => json!({"year": 2026, "source": "thử", "rows": []}),
        "/api/cases/calls/{code}" => json!({"note": "người gọi thứ hai"}),
        "/api/cases/screen" => json!({"text": "gọi 0912345678"}),
        "/api/cases/barred" => json!({"kind": "phone", "value": "0912345678", "reason": "thử", "days": 1}),
        "/api/cases/{id}/photos/{sha}/mask" => json!({"boxes": []}),
        "/api/cases/{id}/notes" => json!({"note": "đã xem"}),
        "/api/rules/alarms/{id}/shelve" => json!({"minutes": 5, "reason": "chờ sửa"}),
        "/api/rules/asides" => json!({"kind": "out-of-service", "area": "13225", "sector": "environment", "reason": "chờ sửa"}),
        "/api/rules/rules/{code}" => json!({"version": 0, "change": {}, "reason": "thử"}),
        "/api/rules/dry-run" => json!({"rule": "none", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}),
        "/api/dossiers/records" => json!({"dossiers": []}),
        "/api/dossiers/import" => json!("code"),
        "/api/dossiers/{dossier}/slips" => json!({"version": 1, "day": "2030-01-02", "reason": "chờ xác minh"}),
        "/api/dossiers/tablets" => json!({"unit": "ubnd-13225", "name": "Quầy 1", "faces": 5}),
        "/api/dossiers/figures" => json!({"set": "qd-766", "unit": "ubnd-13225", "period": "2026-01", "figure": "published", "value": 3, "note": "báo cáo"}),
        "/api/dossiers/figures/{id}/settle" => json!({"approve": true}),
        "/api/dossiers/ratings" => json!({"ratings": []}),
        "/api/dossiers/public/look-up" => json!({"code": "H31.01-261101-0001", "phone": "0000"}),
        "/api/panels/premises" | "/api/panels/premises/{id}" => {
            json!({"version": 1, "code": "MATRIX", "name": "Cơ sở thử", "address": "1 Lê Lợi", "commune": "13225"})
        }
        "/api/panels/accounts" | "/api/panels/accounts/{id}" => json!({"version": 1, "account": "AB12"}),
        "/api/panels/signals/{id}/acknowledge" => json!({"version": 1}),
        "/api/panels/signals/{id}/verdict" => json!({"version": 1, "verdict": "real"}),
        "/api/panels/accounts/{id}/maintenance" => json!({"until": "2030-01-02T00:00:00Z", "reason": "thử"}),
        "/api/panels/import" => json!("code,name,address"),
        "/api/video/cameras" | "/api/video/cameras/{id}" => {
            json!({"version": 1, "code": "MATRIX", "name": "Camera thử", "purpose": "order", "url": "file:none.mp4", "commune": "13225"})
        }
        "/api/video/cameras/{id}/snapshot" | "/api/video/cameras/{id}/holds/{hold}/lift" => json!({"reason": "kiểm tra"}),
        "/api/video/cameras/{id}/replays" | "/api/video/cameras/{id}/holds" | "/api/video/cameras/{id}/exports" => {
            json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:01:00Z", "reason": "kiểm tra"})
        }
        "/api/video/cameras/{id}/bookmarks" => json!({"at": "2026-01-01T00:00:00Z", "words": "thử"}),
        "/api/video/exports/{id}/settle" => json!({"version": 1, "approve": true}),
        "/api/video/probe" => json!({"addresses": ["10.0.0.1"]}),
        "/api/video/device" => json!({"service": "http://10.0.0.1/onvif/device_service"}),
        "/api/video/import" => json!("code,name,url,purpose"),
        "/api/traffic/segments" | "/api/traffic/segments/{id}" => {
            json!({"version": 1, "code": "MATRIX", "name": "Đoạn thử", "class": "primary", "line": [[106.3, 20.4], [106.31, 20.4]]})
        }
        "/api/traffic/import" => json!("code,name,class,line"),
        "/api/traffic/incidents/{id}/verdict" => json!({"version": 1, "real": true, "reason": "đã xem"}),
        "/api/traffic/routes" => json!({"code": "matrix", "from": "A", "to": "B", "segments": ["none"]}),
        "/api/traffic/signs" | "/api/traffic/signs/{id}" => json!({"version": 1, "code": "M", "name": "Biển thử", "device": "none", "command": "show",
            "lines": 2, "chars": 12, "letters": "plain", "location": {"lon": 106.3, "lat": 20.4}}),
        "/api/traffic/signs/{id}/messages" => json!({"library": "test", "priority": 1, "minutes": 5}),
        "/api/traffic/messages/{id}/settle" => json!({"version": 1, "approve": false}),
        "/api/traffic/works" | "/api/traffic/works/{id}" => json!({"version": 1, "kind": "work", "title": "Thử", "area": "13225",
            "from": "2030-01-02T00:00:00Z", "to": "2030-01-03T00:00:00Z", "closes": "lane", "unit": "ubnd-13225"}),
        "/api/traffic/roads/times" => json!({"from": [{"lon": 106.3, "lat": 20.4}], "to": [{"lon": 106.31, "lat": 20.4}]}),
        "/api/traffic/roads/closures" => json!({"line": [{"lon": 106.3, "lat": 20.4}], "reason": "thử"}),
        "/api/traffic/works/{id}/publish" => json!({"version": 1, "publish": false}),
        "/api/incidents" => json!({"kind": "crowd", "area": "13225", "title": "thử"}),
        "/api/incidents/{id}/log" | "/api/incidents/shift/log" | "/api/incidents/orders" | "/api/incidents/{id}/de-escalate" => json!({"text": "thử"}),
        "/api/incidents/{id}/merge" => json!({"version": 1, "into": "00000000-0000-7000-8000-000000000001", "reason": "thử"}),
        "/api/incidents/{id}/split" => json!({"version": 1, "title": "thử", "reason": "thử"}),
        "/api/incidents/{id}/tasks" => json!({"text": "thử", "unit": "ubnd-13225"}),
        "/api/incidents/{id}/procedures" => json!({"procedure": "fire-basic"}),
        "/api/incidents/{id}/procedures/{run}" => json!({"version": 1, "step": "verify"}),
        "/api/incidents/{id}/dispatches" => json!({"resource": "00000000-0000-7000-8000-000000000001"}),
        "/api/incidents/procedures" => json!({"reason": "thử", "def": {"code": "thu", "name": "Thử", "name_en": "Try", "status": "proposed",
            "steps": [{"code": "a", "text": "làm", "text_en": "do"}]}}),
        "/api/incidents/resources" => json!({"code": "X-1", "name": "Xe", "kind": "engine", "unit": "cat-33"}),
        "/api/incidents/resources/{id}" => json!({"code": "X-2", "name": "Xe", "kind": "engine", "unit": "cat-33"}),
        "/api/incidents/duties" => {
            json!({"roster": "centre", "position": "operator", "shift": "morning", "day": "2030-01-02", "person": "00000000-0000-7000-8000-000000000001"})
        }
        "/api/incidents/duties/{id}/swap" => json!({"version": 1, "person": "00000000-0000-7000-8000-000000000001", "reason": "thử"}),
        "/api/incidents/shift/hand-over" => json!({"version": 1, "notes": "thử"}),
        "/api/incidents/shift/take-over" => json!({"version": 1, "seal": "thu"}),
        "/api/incidents/warnings" => json!({"vi": {"headline": "Thử"}, "areas": ["13225"], "drill": true}),
        "/api/incidents/warnings/{id}/settle" => json!({"version": 1, "approve": true}),
        "/ngsi-ld/v1/entities" => json!({"id": "urn:ngsi-ld:T:matrix", "type": "T"}),
        "/ngsi-ld/v1/entityOperations/upsert" => json!([{"id": "urn:ngsi-ld:T:matrix", "type": "T"}]),
        "/sensorthings/v1.1/Things" => json!({"name": "Trạm", "description": "thử"}),
        "/sensorthings/v1.1/CreateObservations" => json!([]),
        _ => json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_what() {
    let city = TestCity::start().await;
    let callers: Vec<(&str, Visitor)> = vec![
        ("anonymous", city.anonymous()),
        ("citizen", city.person("congdan", &[]).await),
        ("other officer", city.person("canbo2", &["officer@ubnd-11953"]).await),
        ("own officer", city.person("canbo", &["officer@ubnd-13225"]).await),
        ("field worker", city.person("tho", &["field-worker@ubnd-13225"]).await),
        ("supervisor", city.person("truongca", &["centre-lead@ioc-33"]).await),
        ("admin", city.person("admin", &["admin@ubnd-33"]).await),
        ("program", city.program(&[Permission::ContextRead]).await),
    ];
    let receipt: Value = walks::report(&city.anonymous(), &walks::category(&city).await, "Cây đổ chắn lối đi", "matrix-0001").await.json().await.unwrap();
    let document = city.anonymous().get("/api/openapi.json").await;
    let mut routes: Vec<(String, String)> = MACHINE.iter().map(|(m, p)| ((*m).into(), (*p).into())).collect();
    for (path, methods) in document["paths"].as_object().unwrap() {
        // The stream never ends; live.rs looks at it.
        routes.extend(methods.as_object().unwrap().keys().filter(|_| path != "/api/live").map(|m| (m.clone(), path.clone())));
    }
    routes.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    // Signing out would end the callers' sessions: asked last.
    routes.sort_by_key(|(_, path)| path.ends_with("/sign-out"));

    let mut table = String::new();
    let mut open: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (method, path) in &routes {
        let concrete = path
            .replace("/api/cases/{id}", &format!("/api/cases/{}", receipt["id"].as_str().unwrap()))
            .replace("/api/incidents/procedures/{code}", "/api/incidents/procedures/fire-basic")
            .replace("/api/incidents/crews/{code}", "/api/incidents/crews/cat-33")
            .replace("/api/incidents/procedures/fire-basic/{version}", "/api/incidents/procedures/fire-basic/99")
            .replace("/api/context/map/layers/{layer}", "/api/context/map/layers/air")
            .replace("/layers/air/at", "/layers/air/at?time=2026-11-01T00:00:00Z")
            .replace("/layers/air/between", "/layers/air/between?from=2026-11-01T00:00:00Z&to=2026-11-01T01:00:00Z")
            .replace("/roads/route", "/roads/route?from=106.3,20.4&to=106.31,20.4")
            .replace("/roads/reach", "/roads/reach?at=106.3,20.4&minutes=5")
            .replace("/roads/match", "/roads/match?at=106.3,20.4")
            .replace("/roads/lines", "/roads/lines?bbox=106.3,20.4,106.31,20.41")
            .replace("/roads/import", "/roads/import?slot=register&file=a.geojson&source=a&licence=b&taken_on=2026-11-01")
            .replace("{slot}", "register")
            .replace("{poll}", "019a0000-0000-7000-8000-000000000003")
            .replace("{run}", "019a0000-0000-7000-8000-000000000002")
            .replace("{stamp}", "accepted")
            .replace("{replay}", "019a0000-0000-7000-8000-000000000004")
            .replace("{segment}", "019a0000-0000-7000-8000-000000000005")
            .replace("{bookmark}", "019a0000-0000-7000-8000-000000000006")
            .replace("{hold}", "019a0000-0000-7000-8000-000000000007")
            .replace("{step}", "confirm")
            .replace("{n}", "1")
            .replace("{code}", receipt["code"].as_str().unwrap())
            .replace("{move}", "accept")
            .replace("{grant}", "019a0000-0000-7000-8000-000000000001")
            .replace("{id}", "019a0000-0000-7000-8000-000000000000")
            .replace(['{', '}'], "");
        let _ok = write!(table, "{:<7} {path}\n   ", method.to_uppercase());
        for (name, visitor) in &callers {
            let mut request = visitor.request(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &concrete);
            if method != "get" && method != "delete" {
                request = request.json(&body(path));
            }
            let status = request.send().await.unwrap().status().as_u16();
            assert!(status < 500, "{method} {concrete} as {name}: {status}");
            if status < 300 {
                open.entry(name).or_default().push(format!("{method} {path}"));
            }
            let _ok = write!(table, " {name}={status}");
        }
        table.push('\n');
    }
    insta::assert_snapshot!("access_matrix", table);
    // What must hold whatever the snapshot says.
    for (who, allowed) in &open {
        let only_staff = |r: &&String| ["/api/access/people", "/api/access/audit", "/api/system", "identity"].iter().any(|p| r.contains(p));
        if matches!(*who, "anonymous" | "citizen" | "program") {
            assert_eq!(allowed.iter().find(only_staff), None, "{who}");
        }
        if *who == "other officer" {
            assert!(!allowed.contains(&"get /api/cases/{id}".to_string()), "another unit's officer sees no foreign case");
        }
    }
    assert!(open["own officer"].contains(&"get /api/cases/{id}".to_string()));
    city.finish().await;
}
