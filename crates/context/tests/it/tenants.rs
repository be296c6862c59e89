//! Tenants: made by creating something in them, apart from each other, still there after a restart.

use dothi_kernel::Caller;
use serde_json::{Value, json};

use crate::api::{Api, Reply};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn as_tenant(api: &Api, tenant: &str, method: &str, path: &str, body: &Value) -> Reply {
    let (headers, body): (Vec<_>, _) = match body {
        Value::Null => (vec![("ngsild-tenant", tenant)], String::new()),
        body => (vec![("ngsild-tenant", tenant), JSON], body.to_string()),
    };
    let reply = api.send(api.system(), method, &format!("/ngsi-ld/v1{path}"), &headers, body).await;
    assert_eq!(reply.header("ngsild-tenant"), tenant, "{method} {path}: the tenant is echoed");
    reply
}

#[tokio::test]
async fn tenants_are_apart_and_stay() {
    dothi_store::testing::both(&[dothi_context::MIGRATIONS], |test| async move {
        let mut api = Api::on(test).await;
        let room = |t: f64| json!({"id": "urn:x:r:1", "type": "Room", "t": {"type": "Property", "value": t, "observedAt": "2026-11-21T00:00:00Z"}});
        let missing = as_tenant(&api, "a", "GET", "/entities?type=Room", &Value::Null).await;
        assert_eq!((missing.status.as_u16(), missing.json()["type"].clone()), (404, json!("https://uri.etsi.org/ngsi-ld/errors/NonexistentTenant")));
        assert_eq!(as_tenant(&api, "a", "DELETE", "/entities/urn:x:r:1", &Value::Null).await.status, 404);
        assert_eq!(as_tenant(&api, "a b", "POST", "/entities", &room(1.0)).await.status, 400);

        assert_eq!(as_tenant(&api, "a", "POST", "/entities", &room(1.0)).await.status, 201);
        let other = json!([{"id": "urn:x:r:1", "type": "Room", "t": {"type": "Property", "value": 2}}]);
        assert_eq!(as_tenant(&api, "b", "POST", "/entityOperations/upsert", &other).await.status, 201);
        assert_eq!(api.get("/entities/urn:x:r:1").await.status, 404, "the default tenant has none");
        assert_eq!(api.call("POST", "/entities", &room(3.0)).await.status, 201);
        let events = api.test.store.events_after(0, 100).await.unwrap().len();
        let patch = json!({"t": {"type": "Property", "value": 4}});
        assert_eq!(as_tenant(&api, "b", "PATCH", "/entities/urn:x:r:1/attrs", &patch).await.status, 204);
        assert_eq!(api.test.store.events_after(0, 100).await.unwrap().len(), events, "the platform hears of the default tenant only");
        let lines = api.test.store.pending_ids(100).await.unwrap().len();
        assert_eq!(lines, 1, "history is that of the default tenant only");

        api.reopen().await;
        for (tenant, value) in [("a", 1.0), ("b", 4.0), ("default", 3.0)] {
            let read = as_tenant(&api, tenant, "GET", "/entities/urn:x:r:1?format=simplified", &Value::Null).await;
            assert_eq!(read.json()["t"].as_f64(), Some(value), "{tenant}: {}", read.text);
        }
        assert_eq!(as_tenant(&api, "a", "DELETE", "/entities?type=Room", &Value::Null).await.status, 204);
        assert_eq!(as_tenant(&api, "a", "GET", "/entities?type=Room", &Value::Null).await.json(), json!([]));
        assert_eq!(api.get("/entities/urn:x:r:1").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn what_a_tenant_hosts_is_its_own() {
    let api = Api::new().await;
    let made = as_tenant(&api, "a", "POST", "/jsonldContexts", &json!({"@context": {"own": "urn:x:own"}})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let at = made.header("location").trim_start_matches("/ngsi-ld/v1").to_string();
    let sub = json!({"type": "Subscription", "entities": [{"type": "Room"}], "notification": {"endpoint": {"uri": "http://127.0.0.1:9/"}}});
    assert_eq!(as_tenant(&api, "b", "POST", "/subscriptions", &sub).await.status, 201);
    for (tenant, context, subscriptions) in [("a", 200, 0), ("b", 404, 1), ("default", 404, 0)] {
        assert_eq!(as_tenant(&api, tenant, "GET", &at, &Value::Null).await.status, context, "{tenant}");
        let list = as_tenant(&api, tenant, "GET", "/subscriptions", &Value::Null).await.json();
        assert_eq!(list.as_array().unwrap().len(), subscriptions, "{tenant}");
    }
}

#[tokio::test]
async fn who_may_not_write_makes_no_tenant() {
    let api = Api::new().await;
    let nobody = Caller::anonymous(api.test.clock.as_ref(), None);
    let body = json!({"id": "urn:x:1", "type": "T"}).to_string();
    let reply = api.send(nobody, "POST", "/ngsi-ld/v1/entities", &[("ngsild-tenant", "c"), JSON], body).await;
    assert!([401, 403].contains(&reply.status.as_u16()), "{}", reply.status);
    assert_eq!(as_tenant(&api, "c", "GET", "/entities?type=T", &Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing() {
    let api = Api::new().await;
    let entity = json!({"id": "urn:x:s:1", "type": "T"});
    assert_eq!(api.call("POST", "/entities/", &entity).await.status, 201);
    assert_eq!(as_tenant(&api, "a", "POST", "/entities/", &entity).await.status, 201);
    assert_eq!(api.get("/entities/?type=T").await.ids(), ["1"]);
    assert_eq!(as_tenant(&api, "a", "GET", "/entities/urn:x:s:1/", &Value::Null).await.status, 200);
}
