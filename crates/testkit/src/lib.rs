//! A whole city in one line, for tests.
//!
//! [`TestCity::start`] opens a fresh city with the project's packs on free ports; [`TestCity::finish`] ends it and
//! proves that nothing is left over: no due or dead job, no event without reaction, no error log, an unbroken audit
//! chain, and a store that opens again.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test kit says why by panicking.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dothi_access::model::NewToken;
use dothi_kernel::{Caller, SystemClock};
use dothi_server::{City, Settings};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

/// The password of every person a test makes.
pub const PASSWORD: &str = "mật khẩu thử 2026";

/// The project's folder.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project's folder")
}

/// A running city.
pub struct TestCity {
    /// The city itself.
    pub city: Arc<City>,
    /// HTTP address.
    pub http: SocketAddr,
    /// MQTT address.
    pub mqtt: SocketAddr,
    settings: Settings,
    _folder: tempfile::TempDir,
}

/// Somebody at a browser or a program: keeps the session and sends the CSRF token.
#[derive(Clone)]
pub struct Visitor {
    client: Client,
    base: String,
    cookie: Option<String>,
    csrf: Option<String>,
    bearer: Option<String>,
}

impl TestCity {
    /// A fresh city on SQLite.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// A fresh city whose settings are changed first.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        log::watch();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut settings = Settings {
            data: folder.path().join("data"),
            packs: project().join("packs"),
            listen: any,
            mqtt_listen: any,
            notify_private: true,
            ..Settings::default()
        };
        change(&mut settings);
        let city = City::open(settings.clone(), Arc::new(SystemClock)).await.expect("the city opens");
        city.run().await;
        let (http, mqtt) = (city.serve_http().await.expect("HTTP listens"), city.serve_mqtt().await.expect("MQTT listens"));
        Self { city, http, mqtt, settings, _folder: folder }
    }

    /// The system as caller.
    pub fn system(&self) -> Caller {
        Caller::system("test", self.city.store.clock().as_ref())
    }

    /// Nobody known.
    pub fn anonymous(&self) -> Visitor {
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().expect("a client");
        Visitor { client, base: format!("http://{}", self.http), cookie: None, csrf: None, bearer: None }
    }

    /// Makes a person with grants (`role@unit`) and signs them in.
    pub async fn person(&self, login: &str, grants: &[&str]) -> Visitor {
        let system = self.system();
        let grants: Vec<String> = grants.iter().map(|g| (*g).to_string()).collect();
        dothi_server::demo::add_person(&self.city, &system, login, login, PASSWORD, &grants).await.expect("a person");
        self.anonymous().sign_in(login, PASSWORD).await
    }

    /// A program with a token.
    pub async fn program(&self, permissions: &[dothi_kernel::Permission]) -> Visitor {
        let token = self
            .city
            .access
            .create_token(&self.system(), NewToken { name: "test program".into(), permissions: permissions.iter().copied().collect(), expires_at: None })
            .await
            .expect("a token");
        Visitor { bearer: Some(token.secret), ..self.anonymous() }
    }

    /// Waits until every event has been reacted to and no job is due.
    pub async fn settle(&self) {
        let start = Instant::now();
        loop {
            let health = self.city.health().await.expect("health");
            if health.reactions_behind == 0 && health.jobs_due == 0 {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "the city does not come to rest: {health:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `probe` gives something.
    pub async fn until<T, F: Future<Output = Option<T>>>(&self, what: &str, probe: impl Fn() -> F) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "never happened: {what}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Ends the city and proves that nothing is left over.
    pub async fn finish(self) {
        self.settle().await;
        let health = self.city.health().await.expect("health");
        assert_eq!(health.jobs_dead, 0, "no job was given up");
        assert_eq!(self.city.store.audit_verify().await.expect("the audit chain").broken_at, None, "the audit chain is unbroken");
        self.city.stop().await.expect("the city stops");
        let again = City::open(self.settings.clone(), Arc::new(SystemClock)).await.expect("the store opens again");
        again.stop().await.expect("and closes");
        let errors = log::errors();
        assert!(errors.is_empty(), "errors were logged: {errors:#?}");
    }
}

impl Visitor {
    /// Signs in and keeps cookie and CSRF token.
    pub async fn sign_in(mut self, login: &str, password: &str) -> Self {
        let body = serde_json::json!({ "login": login, "password": password });
        let response = self.request(Method::POST, "/api/access/sign-in").json(&body).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "sign-in of {login}");
        let cookie = response.headers().get("set-cookie").and_then(|c| c.to_str().ok()).expect("a cookie").to_string();
        self.cookie = cookie.split(';').next().map(str::to_string);
        let me: Value = response.json().await.expect("JSON");
        self.csrf = me["csrf"].as_str().map(str::to_string);
        self
    }

    /// A request with what this visitor holds.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if let Some(csrf) = &self.csrf {
            request = request.header("x-csrf-token", csrf);
        }
        if let Some(bearer) = &self.bearer {
            request = request.bearer_auth(bearer);
        }
        request
    }

    /// The same visitor without the CSRF token: what a foreign page could send.
    pub fn without_csrf(&self) -> Self {
        Self { csrf: None, ..self.clone() }
    }

    /// GET; panics unless 2xx; JSON.
    pub async fn get(&self, path: &str) -> Value {
        ok(path, self.request(Method::GET, path).send().await.expect("an answer")).await
    }

    /// POST JSON; panics unless 2xx; JSON (null for an empty answer).
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        ok(path, self.request(Method::POST, path).json(body).send().await.expect("an answer")).await
    }

    /// The status of a GET.
    pub async fn status(&self, path: &str) -> u16 {
        self.request(Method::GET, path).send().await.expect("an answer").status().as_u16()
    }

    /// The status and the error code of a POST.
    pub async fn refused(&self, path: &str, body: &Value) -> (u16, String) {
        let response = self.request(Method::POST, path).json(body).send().await.expect("an answer");
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap_or_default();
        (status, body["code"].as_str().unwrap_or_default().to_string())
    }
}

async fn ok(path: &str, response: Response) -> Value {
    let status = response.status();
    let text = response.text().await.expect("a body");
    assert!(status.is_success(), "{path}: {status}: {text}");
    if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: not JSON ({e}): {text}")) }
}

/// Collects error logs of the process.
pub mod log {
    use super::Mutex;
    use tracing::field::{Field, Visit};
    use tracing_subscriber::layer::{Context, SubscriberExt};
    use tracing_subscriber::util::SubscriberInitExt;

    static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());

    struct Collect;
    struct Text(String);

    impl Visit for Text {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0.push_str(&format!("{}={value:?} ", field.name()));
        }
    }

    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Collect {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            if *event.metadata().level() == tracing::Level::ERROR && event.metadata().target().starts_with("dothi") {
                let mut text = Text(format!("{}: ", event.metadata().target()));
                event.record(&mut text);
                ERRORS.lock().expect("not poisoned").push(text.0);
            }
        }
    }

    /// Begins to collect; once a process.
    pub fn watch() {
        // A second city in the same process finds the collector in place.
        let _already = tracing_subscriber::registry().with(Collect).try_init();
    }

    /// Errors logged so far; taking them makes a test that expects one able to go on.
    pub fn errors() -> Vec<String> {
        std::mem::take(&mut *ERRORS.lock().expect("not poisoned"))
    }
}
