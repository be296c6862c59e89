//! Sources that are asked by the clock, against a server that answers, stumbles, and lies.

use std::sync::Mutex;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use dothi_dossiers::polls::{PollInput, PollView};
use dothi_store::outside::Guard;

use super::*;

/// What the source says next, and what it was asked.
#[derive(Default)]
struct Said {
    status: u16,
    /// Records with the cursor after which they come.
    pages: Vec<(String, Value)>,
    csv: String,
    asked: Vec<(Option<String>, Option<String>)>,
}

type Shared = Arc<Mutex<Said>>;

async fn list(State(said): State<Shared>, Query(query): Query<BTreeMap<String, String>>, headers: HeaderMap) -> impl IntoResponse {
    let mut said = said.lock().unwrap();
    let since = query.get("since").cloned();
    said.asked.push((since.clone(), headers.get("x-key").map(|v| v.to_str().unwrap().to_string())));
    let page = said.pages.iter().find(|(after, _)| *after == since.clone().unwrap_or_default()).map(|(_, p)| p.clone());
    let status = StatusCode::from_u16(said.status).unwrap();
    (
        status,
        [(header::LOCATION, "http://10.0.0.1/".to_string()), (header::CONTENT_TYPE, "application/json".into())],
        page.unwrap_or(json!({"data": []})).to_string(),
    )
}

async fn table(State(said): State<Shared>) -> String {
    said.lock().unwrap().csv.clone()
}

async fn source() -> (String, Shared) {
    let said = Shared::new(Mutex::new(Said { status: 200, ..Said::default() }));
    let router = Router::new().route("/list", get(list)).route("/table", get(table)).with_state(said.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (base, said)
}

fn input(url: String) -> PollInput {
    PollInput {
        name: "Hệ thống một cửa".into(),
        source: "dothi".into(),
        url,
        format: "json".into(),
        items: "/data".into(),
        since_name: "since".into(),
        cursor_at: "/next".into(),
        header: "x-key".into(),
        secret: Some("bí mật".replace("í", "i").replace("ậ", "a")),
        minutes: 15,
        active: true,
        anew: false,
    }
}

async fn opened(store: TestStore) -> (App, Caller) {
    let dossiers = Dossiers::open(store.store.clone(), Arc::new(Map), Arc::new(calendar())).await.unwrap();
    let app = App { dossiers: Arc::new(dossiers.with_guard(Guard { private: false, loopback: true })), store };
    app.dossiers.install(&app.system(), "one-stop", pack()).await.unwrap();
    app.set("2026-11-16T10:00:00+07:00");
    let admin = app.staff("quantri", &[], &[Permission::PackManage]);
    (app, admin)
}

async fn only(app: &App, admin: &Caller) -> PollView {
    app.dossiers.polls(admin).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn a_source_is_asked_by_the_clock_page_by_page_and_nothing_is_doubled() {
    both(&[MIGRATIONS], |store| async move {
        let (base, said) = source().await;
        let (app, admin) = opened(store).await;
        said.lock().unwrap().pages = vec![
            (String::new(), json!({"data": [record(1, json!({})), record(2, json!({"unit": "so-khac"}))], "next": "p2"})),
            (
                "p2".into(),
                json!({"data": [record(3, json!({"supplements": [{"from": "2026-11-16T09:00:00+07:00", "to": "2026-11-16T09:30:00+07:00"}]}))], "next": "p3"}),
            ),
        ];
        let set_up = app.dossiers.put_poll(&admin, None, input(format!("{base}/list"))).await.unwrap();
        assert!(set_up.has_secret && !serde_json::to_string(&set_up).unwrap().contains("bi mat"), "the secret is never shown");
        assert_eq!(app.dossiers.poll_due().await.unwrap(), 1);
        let asked: Vec<_> = said.lock().unwrap().asked.drain(..).collect();
        assert_eq!(asked.iter().map(|(since, _)| since.as_deref()).collect::<Vec<_>>(), [None, Some("p2"), Some("p3")]);
        assert!(asked.iter().all(|(_, key)| key.as_deref() == Some("bi mat")));
        assert_eq!(app.total().await.received, 2);
        let view = only(&app, &admin).await;
        assert_eq!((view.cursor.as_str(), view.fault, view.tries, view.due_at), ("p3", None, 0, "2026-11-16T10:15:00+07:00".parse().unwrap()));
        let run = app.dossiers.poll_runs(&admin, view.id).await.unwrap().remove(0);
        assert_eq!((run.pages, &run.outcome["added"], &run.outcome["rejected"]), (3, &json!(2), &json!(1)));
        assert_eq!(run.outcome["rejects"][0]["code"], json!("dossiers.unit.unknown"));
        let log = app.dossiers.get(&app.officer("ubnd-13225"), &code(3)).await.unwrap();
        assert_eq!(log.row.supplements, 1);

        // Not before it is due; then from where we are, and from the beginning when that is wanted: nothing is new.
        assert_eq!(app.dossiers.poll_due().await.unwrap(), 0);
        app.set("2026-11-16T10:15:00+07:00");
        assert_eq!(app.dossiers.poll_due().await.unwrap(), 1);
        assert_eq!(said.lock().unwrap().asked.drain(..).map(|(since, _)| since).collect::<Vec<_>>(), [Some("p3".to_string())]);
        app.set("2026-11-16T10:15:01+07:00");
        app.dossiers.put_poll(&admin, Some(view.id), PollInput { anew: true, secret: None, ..input(format!("{base}/list")) }).await.unwrap();
        app.dossiers.poll_due().await.unwrap();
        let run = app.dossiers.poll_runs(&admin, view.id).await.unwrap().remove(0);
        assert_eq!((&run.outcome["added"], &run.outcome["unchanged"]), (&json!(0), &json!(2)));
        assert_eq!(app.total().await.received, 2);
        assert!(said.lock().unwrap().asked.iter().all(|(_, key)| key.is_some()), "the secret was kept");
    })
    .await;
}

#[tokio::test]
async fn failures_are_shown_and_asked_again_later_and_no_door_is_opened_inwards() {
    both(&[MIGRATIONS], |store| async move {
        let (base, said) = source().await;
        let (app, admin) = opened(store).await;
        let nobody = app.officer("ubnd-13225");
        assert_eq!(app.dossiers.put_poll(&nobody, None, input(format!("{base}/list"))).await.unwrap_err().code(), "access.not-allowed");
        for (url, code) in
            [("http://10.0.0.1/x", "outside.refused"), ("http://169.254.169.254/latest", "outside.refused"), ("file:///etc/passwd", "dossiers.poll.input")]
        {
            assert_eq!(app.dossiers.put_poll(&admin, None, input(url.into())).await.unwrap_err().code(), code, "{url}");
        }
        let odd = PollInput { header: "x key".into(), ..input(base.clone()) };
        assert_eq!(app.dossiers.put_poll(&admin, None, odd).await.unwrap_err().code(), "dossiers.poll.input");

        app.dossiers.put_poll(&admin, None, input(format!("{base}/list"))).await.unwrap();
        // A redirect inwards is an answer like any other that is no success.
        for (n, (status, fault)) in [(302, "dossiers.poll.status"), (401, "dossiers.poll.refused"), (503, "dossiers.poll.status")].into_iter().enumerate() {
            said.lock().unwrap().status = status;
            let now = only(&app, &admin).await.due_at;
            app.store.clock.set(now);
            assert_eq!(app.dossiers.poll_due().await.unwrap(), 1);
            let view = only(&app, &admin).await;
            assert_eq!((view.fault.as_deref(), view.tries as usize, view.good_at), (Some(fault), n + 1, None));
            let pause = (view.due_at.as_second() - now.as_second()) / 60;
            assert_eq!(pause, 15 << n, "the pause grows");
        }
        said.lock().unwrap().status = 200;
        said.lock().unwrap().pages = vec![(String::new(), json!({"items": []}))];
        app.store.clock.set(only(&app, &admin).await.due_at);
        app.dossiers.poll_due().await.unwrap();
        assert_eq!(only(&app, &admin).await.fault.as_deref(), Some("dossiers.poll.unreadable"));
        said.lock().unwrap().pages = vec![(String::new(), json!({"data": [record(1, json!({}))]}))];
        app.store.clock.set(only(&app, &admin).await.due_at);
        app.dossiers.poll_due().await.unwrap();
        let view = only(&app, &admin).await;
        assert_eq!((view.fault, view.tries, view.good_at.is_some()), (None, 0, true));
        assert_eq!(app.dossiers.poll_runs(&admin, view.id).await.unwrap().len(), 5);

        // A table without a cursor is asked for whole.
        let head = "code,procedure,unit,commune,channel,state,received_at\n";
        said.lock().unwrap().csv = format!("{head}{},1.004873,ubnd-13225,13225,2,4,2026-11-16 08:00\n", code(9));
        let csv = PollInput { format: "csv".into(), since_name: String::new(), cursor_at: String::new(), ..input(format!("{base}/table")) };
        app.dossiers.put_poll(&admin, Some(view.id), csv).await.unwrap();
        app.dossiers.poll_due().await.unwrap();
        assert_eq!(app.total().await.received, 2);
        app.dossiers.remove_poll(&admin, view.id).await.unwrap();
        assert!(app.dossiers.polls(&admin).await.unwrap().is_empty());
        assert_eq!(app.total().await.received, 2, "what it told stays");
    })
    .await;
}
