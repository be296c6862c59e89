//! Segments, their present, and when a drop is an incident.

use dothi_kernel::{Event, Kind, Permission, time::micros};
use dothi_store::testing::both;
use dothi_traffic::model::{FindQuery, Level, Measure, VerdictInput};
use dothi_traffic::pack::RouteDef;
use serde_json::json;

use crate::{App, QUARTER, SCHEMA, SECOND, observation, segment};

const MINUTE: i64 = 60 * SECOND;

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_flows_as_its_detectors_say_and_again_after_a_restart() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        app.segment(json!({"code": "a", "lanes": 2, "detectors": [{"entity": "urn:ngsi-ld:TrafficFlowObserved:a1", "period_s": 900}, {"entity": "urn:ngsi-ld:TrafficFlowObserved:a2", "period_s": 900}]})).await;
        assert_eq!(app.row("a").await.now.level, Level::Unknown);
        let t = app.now();
        let all = vec![
            observation("a1", "intensity", t, 100.0),
            observation("a2", "intensity", t, 50.0),
            observation("a1", "averageVehicleSpeed", t, 20.0),
            observation("a2", "averageVehicleSpeed", t, 50.0),
            observation("stranger", "intensity", t, 9.0),
        ];
        app.batch(all.clone()).await;
        let now = app.row("a").await.now;
        // 600 vehicles an hour; the lane that carries twice as many weighs twice: 30 km/h of 55.
        assert_eq!((now.volume, now.speed, now.estimated, now.level), (Some(600.0), Some(30.0), false, Level::Slow));
        assert!((now.travel_s.unwrap() - 1_112.0 / (30.0 / 3.6)).abs() < 2.0);
        app.batch(all).await;
        app.batch(vec![observation("a1", "averageVehicleSpeed", t - MINUTE, 90.0)]).await;
        assert_eq!(app.row("a").await.now, now, "sent again or late: nothing changes");
        let told = |e: &str, a: &str, v: f64| (format!("urn:ngsi-ld:TrafficFlowObserved:{e}"), (a.to_string(), v, t));
        for (urn, value) in [told("a1", "intensity", 100.0), told("a2", "intensity", 50.0), told("a1", "averageVehicleSpeed", 20.0), told("a2", "averageVehicleSpeed", 50.0)] {
            app.city.latest.lock().unwrap().entry(urn).or_default().push(value);
        }
        let app = app.again().await;
        assert_eq!(app.row("a").await.now, now, "as before the restart");
        // One lane falls silent: the vehicles of the other are not all there are.
        app.wait(2_700);
        app.batch(vec![observation("a1", "intensity", t + 2_701 * SECOND, 100.0)]).await;
        assert_eq!(app.row("a").await.now.volume, None);
        app.wait(6_000);
        assert_eq!(app.row("a").await.now.level, Level::Unknown, "old readings say nothing about now");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_before_and_free_after_is_an_incident_and_all_slow_is_not() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        let road = app.road(&["a", "b", "c"]).await;
        app.live_weeks(&["a", "b", "c"]).await;
        let minute = |speeds: [f64; 3]| {
            let app = &app;
            async move {
                app.wait(60);
                app.tell("averageVehicleSpeed", app.now(), &[("a", speeds[0]), ("b", speeds[1]), ("c", speeds[2])]).await;
            }
        };
        let now = app.row("b").await.now;
        assert!((now.usual_speed.unwrap() - 50.0).abs() < 1.5, "{now:?}");
        // Everything slow: congestion.
        for _ in 0..10 {
            minute([12.0, 12.0, 12.0]).await;
        }
        assert_eq!(app.incidents("open").await.iter().map(|i| i.segment).collect::<Vec<_>>(), Vec::<uuid::Uuid>::new());
        assert_eq!(app.row("b").await.now.level, Level::Jam);
        for _ in 0..3 {
            minute([50.0, 50.0, 50.0]).await;
        }
        // a and b slow, c free: the head of the queue is on b.
        for n in 0..7 {
            assert_eq!(app.incidents("open").await.len(), usize::from(n > 5), "after {n} minutes");
            minute([20.0, 12.0, 50.0]).await;
        }
        let found = app.incidents("open").await.remove(0);
        assert_eq!(
            (found.segment, found.confirmed, found.neighbours.clone(), found.measure),
            (road[1].segment.id, true, vec!["Đường a".to_string()], Measure::Speed)
        );
        let alarm = app.traffic.alarm_of(found.id).await.unwrap().unwrap();
        assert!(alarm.text.contains("12 km/h") && alarm.text.contains("Đường a") && alarm.until.is_none(), "{alarm:?}");
        assert_eq!(alarm.severity, dothi_kernel::event::Severity::High);
        let public = app.traffic.public(&app.system()).await.unwrap();
        assert!(public.slow.iter().any(|r| r.name == "Đường b" && r.incident) && public.slow.iter().all(|r| r.name != "Đường c"));
        // The restart forgets no open incident, and begins none anew.
        let app = app.again().await;
        assert_eq!(app.incidents("open").await.len(), 1);
        for _ in 0..12 {
            app.wait(60);
            app.tell("averageVehicleSpeed", app.now(), &[("a", 50.0), ("b", 50.0), ("c", 50.0)]).await;
        }
        assert_eq!((app.incidents("open").await.len(), app.incidents("closed").await.len()), (0, 1));
        assert!(app.traffic.alarm_of(found.id).await.unwrap().unwrap().until.is_some());
        let steps: Vec<String> =
            app.events().await.into_iter().filter_map(|e| if let Event::TrafficIncident { step, .. } = e { Some(step) } else { None }).collect();
        assert_eq!(steps, ["begin", "clear"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_drop_needs_longer_and_a_person_may_call_it_false() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        app.road(&["a"]).await;
        app.live_weeks(&["a"]).await;
        for n in 0..27 {
            assert_eq!(app.incidents("open").await.len(), usize::from(n > 25), "after {n} minutes");
            app.wait(60);
            app.tell("averageVehicleSpeed", app.now(), &[("a", 10.0)]).await;
        }
        let found = app.incidents("open").await.remove(0);
        assert!(!found.confirmed);
        assert!(!app.traffic.public(&app.system()).await.unwrap().slow[0].incident, "what nothing bears out is not told to everybody");
        let reader = app.staff("xem", &[], &[Permission::TrafficRead]);
        let verdict = VerdictInput { version: found.version, real: false, reason: "xe đỗ che máy".into() };
        assert_eq!(app.traffic.judge_incident(&reader, found.id, &verdict).await.unwrap_err().kind(), Kind::Forbidden);
        let other = app.staff("khac", &["ubnd-11953"], &[Permission::TrafficRead, Permission::TrafficHandle]);
        assert_eq!(app.traffic.judge_incident(&other, found.id, &verdict).await.unwrap_err().kind(), Kind::Forbidden);
        assert!(app.traffic.incidents(&other, &FindQuery::default()).await.unwrap().items.is_empty());
        let operator = app.staff("truc", &["ubnd-13225"], &[Permission::TrafficRead, Permission::TrafficHandle]);
        app.traffic.judge_incident(&operator, found.id, &verdict).await.unwrap();
        assert_eq!(app.traffic.judge_incident(&operator, found.id, &verdict).await.unwrap_err().code(), "traffic.version");
        assert!(app.traffic.alarm_of(found.id).await.unwrap().unwrap().until.is_some(), "its alarm goes");
        // Silence ends it: nothing shows any more that it lasts.
        app.wait(3_000);
        app.run_jobs().await;
        assert_eq!(app.incidents("open").await.len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_vehicles_are_an_incident_only_where_neighbours_say_so_and_zero_is_doubtful() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        app.road(&["a", "b", "c"]).await;
        // Only counts are known here.
        let now = app.now();
        for code in ["a", "b", "c"] {
            let course: Vec<_> = (1..=6 * 7 * 96).map(|n| observation(code, "intensity", now - n * QUARTER, 600.0 + f64::from((n % 5) as i32 - 2))).collect();
            dothi_kernel::History::encode(app.history.as_ref(), &course).unwrap();
        }
        app.traffic.ask_usual(&app.system()).await.unwrap();
        app.run_jobs().await;
        for _ in 0..3 {
            app.wait(900);
            app.tell("intensity", app.now(), &[("a", 600.0), ("b", 0.0), ("c", 600.0)]).await;
        }
        assert!(app.row("b").await.now.doubtful && app.incidents("open").await.is_empty());
        app.wait(900);
        app.tell("intensity", app.now(), &[("a", 600.0), ("b", 600.0), ("c", 600.0)]).await;
        assert!(!app.row("b").await.now.doubtful);
        for _ in 0..2 {
            app.wait(900);
            app.tell("intensity", app.now(), &[("a", 600.0), ("b", 100.0), ("c", 150.0)]).await;
        }
        let found = app.incidents("open").await;
        assert_eq!(found.len(), 2, "b and c bear one another out");
        assert!(found.iter().all(|i| i.confirmed && i.measure == Measure::Volume));
        assert!(app.row("b").await.now.estimated, "the speed is reckoned, and says so");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_unlike_others_is_no_incident() {
    let app = App::new(dothi_store::testing::store(SCHEMA).await).await;
    let codes = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    for (n, code) in codes.iter().enumerate() {
        let lon = 106.0 + 0.1 * n as f64;
        app.segment(json!({"code": code, "line": [[lon, 20.4], [lon, 20.39]]})).await;
    }
    app.live_weeks(&codes).await;
    for _ in 0..40 {
        app.wait(60);
        let t = app.now();
        app.batch(codes.iter().map(|c| observation(c, "averageVehicleSpeed", t, 15.0)).collect()).await;
    }
    assert!(app.incidents("open").await.is_empty());
    for _ in 0..40 {
        app.wait(60);
        let t = app.now();
        app.batch(codes.iter().map(|c| observation(c, "averageVehicleSpeed", t, if *c == "a" { 15.0 } else { 50.0 })).collect()).await;
    }
    assert_eq!(app.incidents("open").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_maps_of_segments_are_read_and_their_faults_told() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        let table = "code,name,class,direction,line,lanes,unit,detectors\n\
            a,Đường A,primary,về nam,\"LINESTRING(106.3 20.46, 106.3 20.45)\",2,ubnd-13225,urn:x:1|900;urn:x:2\n\
            b,Đường B,primary,về nam,106.3 20.45; 106.3 20.44,1,ubnd-13225,\n\
            c,Đường C,hidden,,106.3 20.45; 106.3 20.44,1,,\n\
            d,Đường D,primary,,106.3; 20.44,1,,\n\
            e,Đường E,primary,,106.3 20.45; 106.3 20.44,1,,urn:x:1\n";
        let done = app.traffic.import(&app.system(), table.as_bytes()).await.unwrap();
        assert_eq!((done.added, done.changed, done.rejects.iter().map(|r| r.line).collect::<Vec<_>>()), (2, 0, vec![5, 4, 6]), "{:?}", done.rejects);
        assert_eq!(app.row("a").await.segment.detectors.iter().map(|d| d.period_s).collect::<Vec<_>>(), [900, 3_600]);
        let view = app.traffic.segment(&app.system(), app.row("a").await.segment.id).await.unwrap();
        assert_eq!(view.next.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["Đường B"], "found by its end");
        let again = app.traffic.import(&app.system(), table.as_bytes()).await.unwrap();
        assert_eq!((again.added, again.changed, app.row("a").await.segment.version), (0, 2, 1), "the same again writes nothing");
        let map = json!({"type": "FeatureCollection", "features": [
            {"type": "Feature", "properties": {"code": "g", "name": "Đường G", "class": "trunk", "lanes": 2, "detectors": ["urn:g:1|300"]}, "geometry": {"type": "LineString", "coordinates": [[106.4, 20.4, 3.0], [106.41, 20.4, 3.0]]}},
            {"type": "Feature", "properties": {"code": "h"}, "geometry": {"type": "Point", "coordinates": [106.4, 20.4]}}]});
        let done = app.traffic.import(&app.system(), map.to_string().as_bytes()).await.unwrap();
        assert_eq!((done.added, done.rejects.len()), (1, 1));
        for junk in ["{", "", "\u{0}\u{1}", "{\"features\": 3}", "code\n\"", "[[[[["] {
            assert_eq!(app.traffic.import(&app.system(), junk.as_bytes()).await.unwrap().added, 0, "{junk}");
        }
        let officer = app.staff("canbo", &["ubnd-13225"], &[Permission::TrafficRead]);
        assert_eq!(app.traffic.import(&officer, table.as_bytes()).await.unwrap_err().kind(), Kind::Forbidden);
        let taken = app.traffic.put_segment(&app.system(), None, segment(json!({"code": "a"}))).await.unwrap_err();
        assert_eq!(taken.code(), "traffic.segment.code-taken");
        // Pages.
        let page = |after: Option<String>| FindQuery { limit: Some(2), after, ..FindQuery::default() };
        let first = app.traffic.segments(&app.system(), &page(None)).await.unwrap();
        let second = app.traffic.segments(&app.system(), &page(first.next.clone())).await.unwrap();
        let codes: Vec<_> = first.items.iter().chain(&second.items).map(|s| s.segment.code.as_str()).collect();
        assert_eq!((codes, second.next), (vec!["a", "b", "g"], None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_take_as_long_as_their_segments_now_and_usually() {
    both(SCHEMA, |store| async move {
        let app = App::new(store).await;
        let road = app.road(&["a", "b"]).await;
        let route = RouteDef { code: "r".into(), from: "Cầu".into(), to: "Chợ".into(), segments: vec!["a".into(), "b".into()], public: true };
        let missing = RouteDef { segments: vec!["none".into()], ..route.clone() };
        assert_eq!(app.traffic.put_route(&app.system(), missing).await.unwrap_err().code(), "traffic.route.invalid");
        app.traffic.put_route(&app.system(), route).await.unwrap();
        app.live_weeks(&["a", "b"]).await;
        let time = |app: &App| {
            let (traffic, system) = (app.traffic.clone(), app.system());
            async move { traffic.travel_times(&system).await.unwrap().remove(0) }
        };
        let usual = road.iter().map(|s| s.segment.length_m).sum::<f64>() / (50.0 / 3.6);
        let before = time(&app).await;
        assert_eq!((before.now_s, before.silent), (None, 2));
        assert!((before.usual_s.unwrap() - usual).abs() < 6.0 && before.p90_s.unwrap() >= before.usual_s.unwrap(), "{before:?} {usual}");
        app.tell("averageVehicleSpeed", app.now(), &[("a", 25.0), ("b", 50.0)]).await;
        let now = time(&app).await;
        assert!((now.now_s.unwrap() / usual - 1.5).abs() < 0.05 && !now.estimated, "{now:?}");
        let public = app.traffic.public(&app.system()).await.unwrap();
        assert_eq!((public.times.len(), public.known), (1, 2));
        let feed = app.traffic.feed(&app.system()).await.unwrap();
        assert_eq!(feed["features"].as_array().unwrap().len(), 2);
        assert_eq!(feed["features"][0]["properties"]["observed_at"], json!(micros(app.now())));
    })
    .await;
}
