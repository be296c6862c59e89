//! The city model behind its HTTP routes, without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use dothi_context::{Context, ContextSettings};
use dothi_kernel::{Caller, Directory, Place, UnitRef};
use dothi_store::testing::TestStore;
use serde_json::Value;
use tower::ServiceExt;

use crate::rig::{Line, PendingHistory};

/// One commune: the square of longitude 106–107 and latitude 20–21.
pub struct OneCommune;

fn place() -> Place {
    Place { commune: "12345".into(), commune_name: "Phường Mẫu".into(), province: "33".into(), province_name: "Tỉnh Mẫu".into() }
}

impl Directory for OneCommune {
    fn locate(&self, p: dothi_kernel::geo::Point) -> Option<Place> {
        ((106.0..107.0).contains(&p.lon) && (20.0..21.0).contains(&p.lat)).then(place)
    }
    fn commune(&self, code: &str) -> Option<Place> {
        (code == "12345").then(place)
    }
    fn organisation_for(&self, _: &str, _: &str) -> Option<UnitRef> {
        None
    }
    fn unit(&self, _: &str) -> Option<UnitRef> {
        None
    }
    fn is_within(&self, _: &str, _: &str) -> bool {
        false
    }
    fn communes(&self, _: &str) -> Vec<UnitRef> {
        vec![UnitRef { id: "12345".into(), name: "Phường Mẫu".into() }]
    }
    fn home(&self) -> String {
        "33".into()
    }
}

pub struct Api {
    pub context: Arc<Context>,
    pub test: TestStore,
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text))
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    pub fn ids(&self) -> Vec<String> {
        self.json().as_array().expect("a list").iter().map(|e| e["id"].as_str().unwrap().rsplit(':').next().unwrap().to_string()).collect()
    }
    /// The address behind a `Link` with this relation.
    pub fn link(&self, rel: &str) -> Option<String> {
        let links = self.headers.get_all("link").iter().map(|v| v.to_str().unwrap());
        let found = links.into_iter().find(|l| l.contains(&format!("rel=\"{rel}\"")))?;
        Some(found[1..found.find('>')?].to_string())
    }
}

impl Api {
    pub async fn new() -> Self {
        Self::on(dothi_store::testing::store(&[dothi_context::MIGRATIONS]).await).await
    }

    pub async fn on(test: TestStore) -> Self {
        let context = Self::open(&test).await;
        Self { context, test }
    }

    /// With answers of the temporal API that hold at most so many instances.
    pub async fn with_page(temporal_page: usize) -> Self {
        let test = dothi_store::testing::store(&[dothi_context::MIGRATIONS]).await;
        let context = Self::open_with(&test, ContextSettings { temporal_page, ..ContextSettings::default() }).await;
        Self { context, test }
    }

    pub async fn open(test: &TestStore) -> Arc<Context> {
        Self::open_with(test, ContextSettings::default()).await
    }

    async fn open_with(test: &TestStore, settings: ContextSettings) -> Arc<Context> {
        let settings = ContextSettings { trust_loopback: true, ..settings };
        let history = Arc::new(PendingHistory(test.store.clone()));
        Arc::new(Context::open(test.store.clone(), history, Arc::new(OneCommune), settings).await.expect("opens"))
    }

    /// Drops the city model and reads it from the store again.
    pub async fn reopen(&mut self) {
        self.context = Self::open(&self.test).await;
    }

    /// All that history was given, in order.
    pub async fn history(&self) -> Vec<Line> {
        PendingHistory(self.test.store.clone()).all().await
    }

    pub fn system(&self) -> Caller {
        Caller::system("test", self.test.clock.as_ref())
    }

    fn router(&self) -> Router {
        let native: Router = dothi_context::http::router(self.context.clone()).into();
        native.merge(dothi_context::http::ngsi_router(self.context.clone()))
    }

    pub async fn send(&self, caller: Caller, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).expect("a request");
        request.extensions_mut().insert(caller);
        let response = self.router().oneshot(request).await.expect("never fails");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        Reply { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// A request of NGSI-LD by the system, in JSON.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Reply {
        let kind = [("content-type", "application/json")];
        let (headers, body): (&[_], _) = if body.is_null() { (&[], String::new()) } else { (&kind, body.to_string()) };
        self.send(self.system(), method, &format!("/ngsi-ld/v1{path}"), headers, body).await
    }

    /// A request of NGSI-LD by the system, in JSON-LD.
    pub async fn call_ld(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.send(self.system(), method, &format!("/ngsi-ld/v1{path}"), &[("content-type", "application/ld+json")], body.to_string()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, &Value::Null).await
    }

    /// Creates entities, all of which must be good.
    pub async fn create(&self, entities: &[Value]) {
        for entity in entities {
            let reply = self.call("POST", "/entities", entity).await;
            assert_eq!(reply.status, 201, "{entity}: {}", reply.text);
        }
    }
}
