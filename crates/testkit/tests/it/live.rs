//! The live stream: resumable, and each screen sees what its caller may see.

use std::time::Duration;

use dothi_kernel::{Caller, Event};
use dothi_testkit::{TestCity, Visitor};
use reqwest::Method;

async fn listen(who: &Visitor, since: Option<i64>) -> reqwest::Response {
    let mut request = who.request(Method::GET, "/api/live");
    if let Some(since) = since {
        request = request.header("last-event-id", since.to_string());
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response
}

/// Reads until `word` was seen or nothing comes for a while; what was read.
async fn read(stream: &mut reqwest::Response, word: &str) -> String {
    let mut text = String::new();
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout(Duration::from_millis(1500), stream.chunk()).await {
        text.push_str(&String::from_utf8_lossy(&chunk));
        if text.contains(word) {
            break;
        }
    }
    text
}

async fn emit(city: &TestCity, events: &[Event]) {
    let mut tx = city.city.store.begin(&city.system()).await.unwrap();
    events.iter().for_each(|e| tx.emit(e.clone()));
    tx.commit().await.unwrap();
}

fn answered(code: &str) -> Event {
    Event::CaseAnswered { case: uuid(), code: code.into() }
}

fn opened(code: &str, unit: &str) -> Event {
    Event::CaseOpened { case: uuid(), code: code.into(), kind: "report".into(), category: "x".into(), area: None, unit: unit.into() }
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

#[tokio::test(flavor = "multi_thread")]
async fn screens_see_what_they_may_see_and_resume_where_they_were() {
    let city = TestCity::start().await;
    let officer = city.person("canbo", &["officer@ubnd-13225"]).await;
    let mut public = listen(&city.anonymous(), None).await;
    let mut own = listen(&officer, None).await;
    assert!(read(&mut public, "hello").await.contains("hello") && read(&mut own, "hello").await.contains("hello"));
    let third = listen(&city.anonymous(), None).await;
    assert_eq!((city.city.live.screens(), city.city.live.classes()), (3, 2), "screens that may see the same share what is sent");
    drop(third);
    emit(&city, &[opened("HY-MINE", "ubnd-13225"), opened("HY-OTHER", "ubnd-11953"), answered("HY-LAST")]).await;
    let (seen, all) = (read(&mut public, "HY-LAST").await, read(&mut own, "HY-LAST").await);
    assert!(seen.contains("HY-LAST") && !seen.contains("HY-MINE"), "the public sees answers only: {seen}");
    assert!(all.contains("HY-MINE") && !all.contains("HY-OTHER"), "an officer sees the own unit's: {all}");

    let newest = *city.city.store.watch_events().borrow();
    drop(own);
    emit(&city, &[opened("HY-MISSED", "ubnd-13225"), answered("HY-MISSED-TOO")]).await;
    let missed = read(&mut listen(&officer, Some(newest)).await, "HY-MISSED-TOO").await;
    assert!(missed.contains("HY-MISSED") && !missed.contains("HY-LAST"), "only what was missed: {missed}");

    let many: Vec<Event> = (0..2_100).map(|i| answered(&format!("HY-{i}"))).collect();
    emit(&city, &many).await;
    assert!(read(&mut listen(&officer, Some(newest)).await, "reset").await.contains("reset"), "too far behind: load afresh");
    city.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_dropped_change_is_never_seen() {
    let city = TestCity::start().await;
    let mut public = listen(&city.anonymous(), None).await;
    read(&mut public, "hello").await;
    let mut tx = city.city.store.begin(&Caller::system("test", city.city.store.clock().as_ref())).await.unwrap();
    tx.emit(answered("HY-GHOST"));
    drop(tx);
    emit(&city, &[answered("HY-REAL")]).await;
    let seen = read(&mut public, "HY-REAL").await;
    assert!(seen.contains("HY-REAL") && !seen.contains("HY-GHOST"));
    city.finish().await;
}
