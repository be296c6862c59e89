//! The lake seen from outside: saved queries over HTTP, and the PostgreSQL protocol with TLS and an API token.

use std::process::Command;

use dothi_access::model::NewToken;
use dothi_kernel::Permission;
use dothi_testkit::TestCity;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_query_runs_as_table_and_as_csv() {
    let city = TestCity::start().await;
    let (admin, officer) = (city.person("admin", &["admin@ubnd-33"]).await, city.person("canbo", &["officer@ubnd-13225"]).await);
    let new = json!({"name": "Số dòng", "sql": "select 'a,b' as word, count(*) as n from observation", "shared": "all"});
    let made = admin.request(Method::POST, "/api/history/queries").json(&new).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let run = format!("/api/history/queries/{}/run", made["id"].as_str().unwrap());
    let table: Value = admin.request(Method::POST, &run).send().await.unwrap().json().await.unwrap();
    assert_eq!((&table["columns"], &table["rows"]), (&json!(["word", "n"]), &json!([["a,b", 0]])));
    let csv = admin.request(Method::POST, &run).header("accept", "text/csv").send().await.unwrap();
    assert!(csv.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(csv.text().await.unwrap(), "word,n\n\"a,b\",0\n");
    assert_eq!(officer.request(Method::POST, &run).send().await.unwrap().status(), 403);
    let quality = "/api/history/quality?entity=urn:x&attribute=pm25&stuck_after=3600";
    let shown: Value = admin.request(Method::GET, quality).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown, json!({"points": 0, "stretches": []}));
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_ask_over_postgres_inside_tls_with_their_token() {
    if Command::new("psql").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no psql on this machine (Debian: postgresql-client)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let city = TestCity::with(|s| {
        s.pg_listen = Some(([127, 0, 0, 1], 0).into());
        (s.tls_cert, s.tls_key) = (Some(cert), Some(key));
    })
    .await;
    let at = city.city.serve_pg().await.unwrap().unwrap();
    let token = |name: &str, permission| NewToken { name: name.into(), permissions: [permission].into_iter().collect(), expires_at: None };
    let good = city.city.access.create_token(&city.system(), token("grafana", Permission::HistoryQuery)).await.unwrap();
    let other = city.city.access.create_token(&city.system(), token("other", Permission::ContextRead)).await.unwrap();
    let ask = |user: &'static str, password: &str| {
        let password = password.to_string();
        let run = move || {
            Command::new("psql")
                .args(["-X", "-A", "-t", "-h", "127.0.0.1", "-p", &at.port().to_string(), "-U", user, "-d", "dothi", "-c", "select count(*) from observation"])
                .env("PGPASSWORD", password)
                .env("PGSSLMODE", "require")
                .output()
                .unwrap()
        };
        tokio::task::spawn_blocking(run)
    };
    for user in ["token", "grafana"] {
        let shown = ask(user, &good.secret).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&shown.stdout), "0\n", "{}", String::from_utf8_lossy(&shown.stderr));
    }
    for (user, password) in [("mallory", good.secret.as_str()), ("token", other.secret.as_str()), ("token", "guess"), ("token", "")] {
        assert!(!ask(user, password).await.unwrap().status.success(), "{user}");
    }
    city.city.access.revoke_token(&city.system(), good.token.id).await.unwrap();
    assert!(!ask("token", &good.secret).await.unwrap().status.success());
    city.finish().await;
}
