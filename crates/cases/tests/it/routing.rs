//! Routing rules: place, kind, time and words; compiled and tested before they are saved, tried on past cases.

use dothi_cases::model::NewReport;
use dothi_cases::pack::RoutingRule;
use dothi_cases::routing_desk::{RoutingInput, RoutingTest};
use dothi_kernel::{Caller, CallerKind, Permission};

use crate::{App, light, with_app};

fn admin(app: &App) -> Caller {
    app.person(CallerKind::Staff, "quantri", "ubnd-33", None, &[Permission::PackManage])
}

/// A rule as JSON, with what is not said left open.
fn rule(json: serde_json::Value) -> RoutingRule {
    serde_json::from_value(json).unwrap()
}

/// The rules in force with others before them.
async fn with_first(app: &App, first: &[RoutingRule]) -> RoutingInput {
    let view = app.cases.routing(&admin(app), "report").await.unwrap();
    RoutingInput { rules: [first, &view.rules].concat(), tests: vec![], version: Some(view.version), days: None }
}

#[tokio::test]
async fn rules_look_at_place_kind_time_and_words() {
    with_app(|app| async move {
        let night = rule(serde_json::json!({ "code": "night", "hours": ["22:00", "05:00"], "weekdays": ["fri"], "categories": ["street-light"], "unit": "ioc-33", "why": "Đêm thứ Sáu có trực." }));
        let after = rule(serde_json::json!({ "code": "after-hours", "working": false, "areas": ["12452"], "words": ["cháy"], "unit": "cat-33", "why": "Ngoài giờ." }));
        app.cases.save_routing(&admin(&app), "report", with_first(&app, &[night, after]).await).await.unwrap();
        let here = |text: &str| NewReport { text: text.into(), ..light() };
        let there = |text: &str| NewReport { lon: Some(106.34), lat: Some(20.45), text: text.into(), category: "garbage".into(), ..light() };
        for (at, report, unit, why) in [
            // 2026-11-20 is a Friday; the wall clock is seven hours ahead of UTC.
            ("2026-11-20T14:59:00Z", here("đèn tắt"), "ubnd-11953", "21:59 is not night yet"),
            ("2026-11-20T15:00:00Z", here("đèn tắt"), "ioc-33", "Friday 22:00"),
            ("2026-11-20T21:59:00Z", here("đèn tắt"), "ioc-33", "Saturday 04:59 is Friday's night"),
            ("2026-11-20T22:00:00Z", here("đèn tắt"), "ubnd-11953", "05:00 is day"),
            ("2026-11-21T15:00:00Z", here("đèn tắt"), "ubnd-11953", "Saturday's night"),
            ("2026-11-20T15:00:00Z", NewReport { category: "garbage".into(), ..here("rác") }, "ubnd-11953", "another kind"),
            ("2026-11-23T02:00:00Z", there("rác đang cháy"), "ubnd-12452", "Monday 09:00 is working time"),
            ("2026-11-23T05:00:00Z", there("rác đang cháy"), "cat-33", "noon is not"),
            ("2026-11-23T05:00:00Z", there("rác chất đống"), "ubnd-12452", "other words"),
            ("2026-11-23T05:00:00Z", here("cột đèn cháy"), "ubnd-11953", "another place"),
        ] {
            app.at(at);
            let got = app.open(report).await;
            assert_eq!(got.unit.id, unit, "{why}");
            let trace = app.cases.get(&app.system(), got.id).await.unwrap().routing;
            assert!(!trace.rule.is_empty() && !trace.why.is_empty(), "{trace:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn rules_are_compiled_and_tested_before_they_are_saved() {
    with_app(|app| async move {
        let boss = admin(&app);
        let good = || rule(serde_json::json!({ "code": "festival", "words": ["lễ hội"], "unit": "so-xd-33", "why": "Lễ hội do Sở chủ trì." }));
        let test = |text: &str, expect: &str| RoutingTest {
            category: "garbage".into(),
            text: text.into(),
            area: Some("11953".into()),
            at: None,
            road_owner: None,
            expect: expect.into(),
        };
        for (broken, fault) in [
            (serde_json::json!({ "code": "A B", "unit": "ioc-33", "why": "x" }), "is not a code"),
            (serde_json::json!({ "code": "two", "unit": "ioc-33", "function": "road", "why": "x" }), "function or a unit"),
            (serde_json::json!({ "code": "commune", "unit": "ioc-33", "why": "x" }), "declared twice"),
            (serde_json::json!({ "code": "mute", "unit": "ioc-33", "why": " " }), "does not say why"),
            (serde_json::json!({ "code": "blank", "words": ["…"], "unit": "ioc-33", "why": "x" }), "empty word"),
            (serde_json::json!({ "code": "late", "hours": ["25:00", "05:00"], "unit": "ioc-33", "why": "x" }), "hours"),
            (serde_json::json!({ "code": "day", "weekdays": ["someday"], "unit": "ioc-33", "why": "x" }), "weekdays"),
            (serde_json::json!({ "code": "kind", "categories": ["none"], "unit": "ioc-33", "why": "x" }), "no category `none`"),
            (serde_json::json!({ "code": "place", "areas": ["13285"], "unit": "ioc-33", "why": "x" }), "no area `13285`"),
            (serde_json::json!({ "code": "who", "unit": "nobody", "why": "x" }), "no unit `nobody`"),
        ] {
            let input = with_first(&app, &[rule(broken)]).await;
            let run = app.cases.try_routing(&boss, "report", input.clone()).await.unwrap();
            assert!(run.faults.iter().any(|f| f.contains(fault)), "{fault}: {:?}", run.faults);
            assert_eq!(app.cases.save_routing(&boss, "report", input).await.unwrap_err().code(), "case.routing.invalid", "{fault}");
        }
        let mut open_end = with_first(&app, &[]).await;
        open_end.rules.pop();
        open_end.rules.pop();
        assert_eq!(app.cases.save_routing(&boss, "report", open_end).await.unwrap_err().code(), "case.routing.invalid", "nothing may be lost");
        // A test that fails keeps everything as it is, and says which rule took it.
        let input = with_first(&app, &[good()]).await;
        let failing = RoutingInput { tests: vec![test("Rác sau lễ hội", "festival"), test("Rác thường", "festival")], ..input.clone() };
        let run = app.cases.try_routing(&boss, "report", failing.clone()).await.unwrap();
        assert_eq!(run.failed.iter().map(|f| (f.test, f.found.as_str())).collect::<Vec<_>>(), [(1, "commune")]);
        assert_eq!(app.cases.save_routing(&boss, "report", failing).await.unwrap_err().code(), "case.routing.invalid");
        let officer = app.officer("canbo", "ubnd-11953");
        assert_eq!(app.cases.try_routing(&officer, "report", input.clone()).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.cases.save_routing(&app.centre(), "report", input.clone()).await.unwrap_err().code(), "access.not-allowed");
        let view = app.cases.save_routing(&boss, "report", RoutingInput { tests: vec![test("Rác sau lễ hội", "festival")], ..input.clone() }).await.unwrap();
        assert_eq!((view.rules[0].code.as_str(), view.saved_by.as_deref(), view.tests.len()), ("festival", Some("quantri"), 1));
        assert_eq!(app.cases.save_routing(&boss, "report", input).await.unwrap_err().code(), "case.routing.version", "somebody was faster");
        // The pack comes again: the province's rules stay; given up, the pack's are back.
        let mut pack = crate::pack();
        pack.types[0].routing[0].why = "Lý do mới của gói.".into();
        app.cases.install(&app.system(), "base", pack).await.unwrap();
        assert_eq!(app.cases.routing(&boss, "report").await.unwrap().rules[0].code, "festival");
        let back = app.cases.reset_routing(&boss, "report").await.unwrap();
        assert_eq!((back.rules[0].why.as_str(), back.saved_by), ("Lý do mới của gói.", None));
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_says_what_last_month_would_have_been() {
    with_app(|app| async move {
        app.at("2026-09-01T01:00:00Z");
        app.open(light()).await;
        app.at("2026-11-20T01:00:00Z");
        let kept = app.open(light()).await;
        let moved = app.open(NewReport { text: "Cột đèn đổ ra đường tỉnh".into(), ..light() }).await;
        app.open(NewReport { text: "Đèn đường tỉnh tắt".into(), ..light() }).await;
        let to = dothi_cases::model::MoveInput { unit: Some("so-xd-33".into()), reason: Some("Đường tỉnh".into()), ..Default::default() };
        app.step(&app.centre(), moved.id, "accept", Default::default()).await.unwrap();
        app.step(&app.centre(), moved.id, "reassign", to).await.unwrap();
        app.at("2026-11-21T01:00:00Z");
        let before = app.cases.routing(&app.centre(), "report").await.unwrap();
        let tried =
            with_first(&app, &[rule(serde_json::json!({ "code": "province-road", "words": ["đường tỉnh"], "unit": "so-xd-33", "why": "Đường tỉnh." }))]).await;
        let run = app.cases.try_routing(&app.centre(), "report", tried.clone()).await.unwrap();
        assert_eq!((run.cases, run.changed, run.right_before, run.right_after, run.cut), (3, 2, 2, 2, false), "one right more, one wrong more");
        let count = |code: &str| run.by_rule.iter().find(|c| c.rule == code).map(|c| (c.before, c.after));
        assert_eq!((run.by_rule[0].rule.as_str(), count("province-road"), count("commune")), ("province-road", Some((0, 2)), Some((3, 1))));
        assert_eq!(run.samples.iter().map(|s| (s.before.1.id.as_str(), s.after.1.id.as_str())).collect::<Vec<_>>(), [("ubnd-11953", "so-xd-33"); 2]);
        assert!(run.samples.iter().any(|s| s.code == moved.code && s.unit.id == "so-xd-33"));
        assert!(run.samples.iter().all(|s| s.code != kept.code));
        assert_eq!(app.cases.try_routing(&app.centre(), "report", RoutingInput { days: Some(92), ..tried }).await.unwrap().cases, 4, "a longer look");
        assert_eq!(app.cases.routing(&app.centre(), "report").await.unwrap(), before, "nothing was changed");
    })
    .await;
}

#[tokio::test]
async fn a_rule_may_ask_whose_road_lies_beside_the_place() {
    with_app(|app| async move {
        let boss = admin(&app);
        let state = rule(serde_json::json!({ "code": "state-road", "categories": ["street-light"], "road": { "owners": ["national"], "within_m": 30 }, "unit": "so-xd-33", "why": "Đường quốc lộ do Sở quản lý." }));
        let mut input = with_first(&app, std::slice::from_ref(&state)).await;
        let test = |owner: Option<&str>, expect: &str| RoutingTest {
            category: "street-light".into(),
            text: "Đèn tắt".into(),
            area: Some("12452".into()),
            at: None,
            road_owner: owner.map(str::to_string),
            expect: expect.into(),
        };
        input.tests = vec![test(Some("national"), "state-road")];
        let before = app.cases.try_routing(&boss, "report", input.clone()).await.unwrap();
        assert!(before.failed.is_empty() && before.faults.is_empty(), "{before:?}");
        // Two reports came in before there was such a rule; one of them beside the national road.
        let there = |lat: f64| NewReport { lon: Some(106.34), lat: Some(lat), text: "Đèn đường tắt".into(), ..light() };
        let on = app.open(there(20.4501)).await;
        app.open(there(20.4521)).await;
        assert_ne!(on.unit.id, "so-xd-33");
        let dry = app.cases.try_routing(&boss, "report", input.clone()).await.unwrap();
        assert_eq!((dry.cases, dry.changed, dry.samples[0].code.as_str()), (2, 1, on.code.as_str()));
        app.cases.save_routing(&boss, "report", input).await.unwrap();
        let got = app.open(there(20.4501)).await;
        assert_eq!(got.unit.id, "so-xd-33");
        let trace = app.cases.get(&app.system(), got.id).await.unwrap().routing;
        let road = trace.road.unwrap();
        assert_eq!((trace.rule.as_str(), road.number.as_str(), road.owner.as_deref(), road.metres.round()), ("state-road", "QL.39", Some("national"), 11.0));
        // Forty metres on it is another's; without a place there is no road.
        for report in [there(20.4504), NewReport { lon: None, lat: None, area: Some("12452".into()), ..there(0.0) }] {
            let got = app.open(report).await;
            assert_ne!(got.unit.id, "so-xd-33");
            assert_eq!(app.cases.get(&app.system(), got.id).await.unwrap().routing.road, None);
        }
        let wide = rule(serde_json::json!({ "code": "wide", "road": { "owners": [], "within_m": 900 }, "unit": "ioc-33", "why": "x" }));
        let faulty = app.cases.try_routing(&boss, "report", with_first(&app, &[wide]).await).await.unwrap();
        assert!(faulty.faults.iter().any(|f| f.contains("a road has owners")), "{faulty:?}");
    })
    .await;
}
