//! Works and events: their hours, those that meet, what they make of incidents, and what everybody sees.

use dothi_kernel::{Kind, Permission, Timestamp};
use dothi_store::testing::both;
use dothi_traffic::model::{FindQuery, PublishInput, WorkInput};
use dothi_traffic::works::{goes_on, meet, stretches};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{App, SCHEMA, calendar};

fn work(more: Value) -> WorkInput {
    let mut input = json!({"kind": "work", "title": "Thảm mặt đường", "segments": ["b"], "from": "2026-11-21T00:00:00+07:00", "to": "2026-11-30T00:00:00+07:00",
        "closes": "lane", "unit": "ubnd-13225", "contact": "Một cửa"});
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    serde_json::from_value(input).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn nights_reach_over_midnight_and_stop_with_the_works() {
    let zone = calendar().zone().clone();
    // Monday to Friday nights.
    let nights = work(json!({"hours": {"from": "22:00:00", "to": "05:00:00", "days": [1, 2, 3, 4, 5]}}));
    let all = stretches(&nights, &zone);
    // The Friday night before the first day reaches into it.
    assert_eq!(all[0], (at("2026-11-21T00:00:00+07:00"), at("2026-11-21T05:00:00+07:00")));
    assert_eq!(all[1], (at("2026-11-23T22:00:00+07:00"), at("2026-11-24T05:00:00+07:00")));
    assert_eq!(all.len(), 6);
    assert!(goes_on(&nights, at("2026-11-24T04:59:00+07:00"), &zone) && !goes_on(&nights, at("2026-11-24T05:00:00+07:00"), &zone));
    assert!(!goes_on(&nights, at("2026-11-22T23:00:00+07:00"), &zone), "a Sunday");
    let day = work(json!({"from": "2026-11-24T04:00:00+07:00", "to": "2026-11-24T12:00:00+07:00"}));
    assert_eq!(meet(&nights, &day, &zone), Some(at("2026-11-24T04:00:00+07:00")));
    let noon = work(json!({"from": "2026-11-24T06:00:00+07:00", "to": "2026-11-24T12:00:00+07:00"}));
    assert_eq!(meet(&nights, &noon, &zone), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    /// Minute by minute: works go on exactly within their stretches, and meet when a minute of both does.
    #[test]
    fn works_meet_when_a_minute_of_both_does(
        a in (0i64..3_000, 1i64..4_000, 0i8..24, 0i8..24, prop::collection::vec(1u8..8, 0..4), any::<bool>()),
        b in (0i64..3_000, 1i64..4_000, 0i8..24, 0i8..24, prop::collection::vec(1u8..8, 0..4), any::<bool>()),
    ) {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let start = at("2026-11-20T00:00:00+07:00").as_second();
        let make = |(from, length, begin, end, days, nightly): &(i64, i64, i8, i8, Vec<u8>, bool)| {
            let stamp = |minutes: i64| Timestamp::from_second(start + minutes * 60).unwrap().to_string();
            let hours = nightly.then(|| json!({"from": format!("{begin:02}:00:00"), "to": format!("{end:02}:00:00"), "days": days}));
            work(json!({"from": stamp(*from), "to": stamp(from + length), "hours": hours}))
        };
        let slow = |w: &WorkInput, t: Timestamp| {
            if t < w.from || t >= w.to { return false }
            let Some(h) = &w.hours else { return true };
            let local = t.to_zoned(zone.clone());
            let on = |d: i8| h.days.is_empty() || h.days.contains(&(d as u8));
            let (today, clock) = (local.weekday().to_monday_one_offset(), local.time());
            let before = if today == 1 { 7 } else { today - 1 };
            if h.from < h.to { on(today) && clock >= h.from && clock < h.to } else { (on(today) && clock >= h.from) || (on(before) && clock < h.to) }
        };
        let (a, b) = (make(&a), make(&b));
        let mut first = None;
        for m in (0..7_100).step_by(7) {
            let t = Timestamp::from_second(start + m * 60).unwrap();
            prop_assert_eq!(goes_on(&a, t, &zone), slow(&a, t), "{:?} {}", a, t);
            if first.is_none() && slow(&a, t) && slow(&b, t) { first = Some(t) }
        }
        if let Some(t) = first {
            prop_assert!(meet(&a, &b, &zone).is_some_and(|m| m <= t));
        }
        if let Some(m) = meet(&a, &b, &zone) {
            prop_assert!(slow(&a, m) && slow(&b, m));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn works_are_published_by_those_who_may_and_conflicts_are_told() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        app.road(&["a", "b", "c"]).await;
        let operator = app.staff("truc", &["ubnd-13225"], &[Permission::TrafficRead, Permission::TrafficHandle]);
        let lead = app.staff("truongca", &["ubnd-13225"], &[Permission::TrafficRead, Permission::TrafficHandle, Permission::TrafficApprove]);
        let first = app.traffic.put_work(&operator, None, work(json!({}))).await.unwrap();
        assert_eq!((first.state.as_str(), first.conflicts.len()), ("draft", 0));
        assert!(app.traffic.public(&app.system()).await.unwrap().works.is_empty());
        let publish = |version| PublishInput { version, publish: true };
        assert_eq!(app.traffic.publish_work(&operator, first.id, &publish(1)).await.unwrap_err().kind(), Kind::Forbidden);
        let first = app.traffic.publish_work(&lead, first.id, &publish(1)).await.unwrap();
        assert!(first.active);
        let told = app.traffic.public(&app.system()).await.unwrap().works;
        assert_eq!((told.len(), told[0].roads.clone(), told[0].active), (1, vec!["Đường b".to_string()], true));
        // An event on the same segment, another on the next, one over the whole commune.
        let same = app
            .traffic
            .put_work(&operator, None, work(json!({"kind": "event", "title": "Lễ hội", "from": "2026-11-25T00:00:00+07:00", "closes": "full"})))
            .await
            .unwrap();
        assert_eq!(same.conflicts.iter().map(|c| (c.title.as_str(), c.at)).collect::<Vec<_>>(), [("Thảm mặt đường", at("2026-11-25T00:00:00+07:00"))]);
        let next = app.traffic.put_work(&operator, None, work(json!({"title": "Kẻ vạch", "segments": ["c"]}))).await.unwrap();
        assert!(next.conflicts.is_empty(), "the segment after it is another place");
        let area = app.traffic.put_work(&operator, None, work(json!({"title": "Chợ phiên", "segments": [], "area": "13225"}))).await.unwrap();
        assert_eq!(area.conflicts.len(), 3);
        let line = app
            .traffic
            .put_work(&operator, None, work(json!({"title": "Đào hè", "segments": [], "line": [[106.3001, 20.435], [106.31, 20.435]]})))
            .await
            .unwrap();
        assert_eq!(line.conflicts.iter().map(|c| c.title.as_str()).collect::<Vec<_>>(), ["Kẻ vạch"], "it touches the segment's line");
        // A change by one who may not publish goes back to a draft.
        let changed = app.traffic.put_work(&operator, Some(first.id), work(json!({"version": 2, "closes": "full"}))).await.unwrap();
        assert_eq!(changed.state, "draft");
        assert_eq!(app.traffic.put_work(&operator, Some(first.id), work(json!({"version": 2}))).await.unwrap_err().code(), "traffic.version");
        for bad in [
            json!({"segments": ["none"]}),
            json!({"segments": []}),
            json!({"to": "2026-11-20T00:00:00Z"}),
            json!({"unit": "none"}),
            json!({"segments": [], "area": "none"}),
        ] {
            assert_eq!(app.traffic.put_work(&app.system(), None, work(bad.clone())).await.unwrap_err().code(), "traffic.work.invalid", "{bad}");
        }
        let other = app.staff("khac", &["ubnd-11953"], &[Permission::TrafficRead, Permission::TrafficHandle]);
        assert!(app.traffic.works(&other, &FindQuery::default()).await.unwrap().items.is_empty());
        assert_eq!(app.traffic.works(&operator, &FindQuery { limit: Some(2), ..FindQuery::default() }).await.unwrap().items.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_works_are_published_a_drop_raises_no_alarm() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        app.road(&["a", "b", "c"]).await;
        let made = app.traffic.put_work(&app.system(), None, work(json!({}))).await.unwrap();
        app.traffic.publish_work(&app.system(), made.id, &PublishInput { version: 1, publish: true }).await.unwrap();
        app.live_weeks(&["a", "b", "c"]).await;
        for _ in 0..8 {
            app.wait(60);
            app.tell("averageVehicleSpeed", app.now(), &[("a", 15.0), ("b", 12.0), ("c", 50.0)]).await;
        }
        let found = app.incidents("open").await.remove(0);
        assert_eq!(found.work.as_deref(), Some("Thảm mặt đường"));
        assert!(app.traffic.alarm_of(found.id).await.unwrap().is_none());
    })
    .await;
}
