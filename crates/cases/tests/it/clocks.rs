//! Deadlines in working time: holidays, swapped days, pauses, the one extension, reminders, timeouts.

use dothi_cases::model::{ListQuery, MoveInput, NewReport};
use dothi_kernel::Event;

use crate::walk::resolve;
use crate::{App, answer, light, reason, utc, with_app};

#[tokio::test]
async fn tet_and_swapped_days_do_not_count_as_they_should_not() {
    with_app(|app| async move {
        // Three working days from Friday 16:00: 90 minutes of that day, two full days, the rest until 16:00.
        for (opened, due, why) in [
            ("2026-02-13T09:00:00Z", "2026-02-25T09:00:00Z", "Tết, 16 to 20 February, is passed over"),
            ("2026-08-21T09:00:00Z", "2026-08-25T09:00:00Z", "Saturday the 22nd is worked"),
            ("2026-08-28T09:00:00Z", "2026-09-07T09:00:00Z", "31 August to 2 September are off"),
            ("2026-11-20T18:00:00Z", "2026-11-25T10:30:00Z", "opened at night, counted from Monday morning"),
        ] {
            app.at(opened);
            assert_eq!(app.open(light()).await.due_at, utc(due), "{why}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_pause_moves_the_deadline_by_the_working_time_it_lasted() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        let got = app.open(light()).await;
        assert_eq!(got.due_at, utc("2026-11-26T01:00:00Z"));
        app.at("2026-11-23T03:00:00Z");
        let case = app.step(&app.centre(), got.id, "ask_reporter", answer("Ở đâu?")).await.unwrap();
        assert_eq!((case.clock.used_minutes, case.minutes_left, case.clock.paused), (120, 1_320, true));
        app.at("2026-11-24T03:00:00Z");
        assert_eq!(app.cases.get(&app.centre(), got.id).await.unwrap().clock.used_minutes, 120, "stands still");
        let input = MoveInput { version: case.version, note: Some("Cạnh chợ".into()), key: Some(got.key.clone()), ..MoveInput::default() };
        let page = app.cases.reporter_move(&app.anybody(), &got.code, "give_info", input, vec![]).await.unwrap();
        assert_eq!(page.due_at, utc("2026-11-27T01:00:00Z"), "eight working hours later");
        assert!(!page.overdue);
    })
    .await;
}

/// A case of Phố Hiến that somebody works on.
async fn taken(app: &App) -> dothi_cases::model::Receipt {
    let got = app.open(light()).await;
    app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap();
    app.step(&app.officer("canbo", "ubnd-11953"), got.id, "take", MoveInput::default()).await.unwrap();
    got
}

#[tokio::test]
async fn one_extension_by_the_leader() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        let got = taken(&app).await;
        let (officer, leader) = (app.officer("canbo", "ubnd-11953"), app.leader("lanhdao", "ubnd-11953"));
        assert_eq!(app.step(&officer, got.id, "extend", answer("x")).await.unwrap_err().code(), "access.not-allowed");
        let case = app.step(&leader, got.id, "extend", answer("Chờ vật tư đến ngày 30/11")).await.unwrap();
        assert_eq!((case.due_at, case.extended), (utc("2026-12-03T01:00:00Z"), true));
        assert!(case.moves.iter().all(|m| m.code != "extend"), "no longer offered");
        assert_eq!(app.step(&leader, got.id, "extend", answer("x")).await.unwrap_err().code(), "case.extended");
        let timeline = app.cases.public_case(&app.anybody(), &got.code).await.unwrap().timeline.unwrap();
        let told = timeline.iter().find(|t| t.what == "Gia hạn một lần").unwrap();
        assert_eq!(told.text.as_deref(), Some("Chờ vật tư đến ngày 30/11"), "the public sees that, and why");
    })
    .await;
}

async fn reminders(app: &App) -> Vec<u16> {
    let events = app.store.events_after(0, 1000).await.unwrap();
    events.iter().filter_map(|e| if let Event::CaseDue { percent, .. } = &e.event { Some(*percent) } else { None }).collect()
}

#[tokio::test]
async fn reminders_come_once_at_fifty_eighty_and_a_hundred() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        let got = app.open(light()).await;
        for (at, expected) in [
            ("2026-11-24T02:59:00Z", vec![]),
            // 720 of 1 440 minutes: Tuesday 14:00.
            ("2026-11-24T07:00:00Z", vec![50]),
            ("2026-11-24T09:00:00Z", vec![50]),
            // 1 152 minutes: Wednesday 10:42 + the noon break.
            ("2026-11-25T06:42:00Z", vec![50, 80]),
            ("2026-11-26T01:00:00Z", vec![50, 80, 100]),
            ("2026-11-30T01:00:00Z", vec![50, 80, 100]),
        ] {
            app.at(at);
            app.timers().await;
            app.timers().await;
            assert_eq!(reminders(&app).await, expected, "at {at}");
        }
        // A server that was down over it all tells the highest only.
        let late = app.open(light()).await;
        app.at("2026-12-30T01:00:00Z");
        app.timers().await;
        assert_eq!(reminders(&app).await, [50, 80, 100, 100]);
        assert!(app.cases.get(&app.system(), late.id).await.unwrap().overdue);
        // A reminder does not disturb whoever is looking at the case.
        assert_eq!(app.cases.get(&app.system(), got.id).await.unwrap().version, 1);
        // What waits are the looks of every night: whether there is something to learn, and whether something is kept too long.
        assert_eq!(app.store.job_health().await.unwrap(), dothi_store::JobHealth { due: 0, waiting: 2, dead: 0 });
    })
    .await;
}

#[tokio::test]
async fn lateness_is_written_down_when_it_happens() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        let (kept, late) = (app.open(light()).await, app.open(light()).await);
        resolve(&app, kept.id).await;
        app.at("2026-11-26T02:30:00Z");
        resolve(&app, late.id).await;
        app.at("2026-12-20T01:00:00Z");
        let page = async |code: &str| app.cases.public_case(&app.anybody(), code).await.unwrap();
        assert!(!page(&kept.code).await.overdue && page(&late.code).await.overdue);
        let log = app.cases.get(&app.system(), late.id).await.unwrap().log;
        assert_eq!(log.iter().map(|l| l.late_minutes).collect::<Vec<_>>(), [0, 90, 90, 90, 90]);
    })
    .await;
}

#[tokio::test]
async fn states_that_last_too_long_are_moved_on() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        let silent = app.open(light()).await;
        app.step(&app.centre(), silent.id, "ask_reporter", answer("Ở đâu?")).await.unwrap();
        let working = taken(&app).await;
        app.step(&app.officer("canbo", "ubnd-11953"), working.id, "ask_info", answer("Số mấy?")).await.unwrap();
        let solved = app.open(light()).await;
        resolve(&app, solved.id).await;
        let state = async |id| app.cases.get(&app.system(), id).await.unwrap().state;
        app.at("2026-12-02T01:00:00Z");
        app.timers().await;
        assert_eq!((state(silent.id).await, state(working.id).await, state(solved.id).await), ("need_info".into(), "unit_need_info".into(), "resolved".into()));
        app.at("2026-12-03T01:00:00Z");
        app.timers().await;
        assert_eq!((state(silent.id).await, state(working.id).await), ("rejected".into(), "in_progress".into()));
        app.at("2026-12-07T01:00:01Z");
        app.timers().await;
        assert_eq!(state(solved.id).await, "closed");
        let rating = dothi_cases::model::RatingInput { stars: 1, comment: None, key: Some(solved.key.clone()) };
        assert_eq!(app.cases.rate(&app.anybody(), &solved.code, rating).await.unwrap_err().code(), "case.rating.not-now");
        assert_eq!(app.store.job_health().await.unwrap().dead, 0);
    })
    .await;
}

#[tokio::test]
async fn the_centre_corrects_category_and_urgency_with_the_deadline() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        let got = app.open(light()).await;
        app.at("2026-11-23T02:00:00Z");
        let fix = MoveInput { category: Some("cable-power".into()), urgency: Some("urgent".into()), ..MoveInput::default() };
        let case = app.step(&app.centre(), got.id, "accept", fix).await.unwrap();
        assert_eq!((case.due_at, case.category.as_str(), case.clock.total_minutes), (utc("2026-11-23T03:00:00Z"), "cable-power", 120));
        let officer = app.officer("canbo", "ubnd-11953");
        let sneaky = MoveInput { urgency: Some("complex".into()), ..MoveInput::default() };
        assert_eq!(app.step(&officer, got.id, "take", sneaky).await.unwrap_err().code(), "case.field.not-here");
        let unknown = app.open(NewReport { ..light() }).await;
        let bad = MoveInput { urgency: Some("later".into()), ..MoveInput::default() };
        assert_eq!(app.step(&app.centre(), unknown.id, "accept", bad).await.unwrap_err().code(), "case.urgency.unknown");
    })
    .await;
}

#[tokio::test]
async fn a_near_deadline_reaches_the_leader_and_a_missed_one_the_centre() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        let got = taken(&app).await;
        let (leader, centre) = (app.leader("lanhdao", "ubnd-11953"), app.centre());
        let other = app.leader("khac", "so-xd-33");
        let todo = async |who: &dothi_kernel::Caller| {
            let page = app.cases.list(who, &ListQuery::default()).await.unwrap();
            page.items.into_iter().find(|r| r.id == got.id).map(|r| r.escalated)
        };
        // The leader handles, too, so that the case is in the list for its state; the approver alone is who counts here.
        let approver = dothi_kernel::Caller { grants: approving("ubnd-11953"), ..leader.clone() };
        assert_eq!((todo(&approver).await, todo(&centre).await), (None, None));
        app.at("2026-11-25T06:42:00Z");
        app.timers().await;
        assert_eq!((todo(&approver).await, todo(&centre).await), (Some(Some("approver".into())), None));
        app.at("2026-11-26T01:00:00Z");
        app.timers().await;
        assert_eq!((todo(&approver).await, todo(&centre).await, todo(&other).await), (None, Some(Some("centre".into())), None));
        let log = app.cases.get(&centre, got.id).await.unwrap().log;
        assert_eq!(log.iter().filter(|l| l.step == "remind").filter_map(|l| l.reason.as_deref()).collect::<Vec<_>>(), ["80 %", "100 %"]);
        // More time, and it waits for nobody above the unit.
        app.step(&leader, got.id, "extend", answer("Chờ vật tư")).await.unwrap();
        assert_eq!((todo(&approver).await, todo(&centre).await), (None, None));
    })
    .await;
}

fn approving(unit: &str) -> std::sync::Arc<[dothi_kernel::Grant]> {
    let permissions = [dothi_kernel::Permission::CaseRead, dothi_kernel::Permission::CaseApprove].into();
    let units = Some(std::sync::Arc::new([unit.to_string()].into()));
    std::sync::Arc::new([dothi_kernel::Grant { role: "test".into(), unit: unit.into(), permissions, units, sectors: None }])
}

#[tokio::test]
async fn a_unit_returns_within_two_working_days_or_keeps_it() {
    with_app(|app| async move {
        // Friday 15:00: until Tuesday 15:00.
        app.at("2026-11-20T08:00:00Z");
        let (early, late) = (taken(&app).await, taken(&app).await);
        let officer = || app.officer("canbo", "ubnd-11953");
        let until = |case: &dothi_cases::model::Case| case.moves.iter().find(|m| m.code == "return_to_centre").and_then(|m| m.until);
        assert_eq!(until(&app.cases.get(&officer(), early.id).await.unwrap()), Some(utc("2026-11-24T08:00:00Z")));
        app.at("2026-11-24T08:00:00Z");
        app.step(&officer(), early.id, "return_to_centre", reason("Đường tỉnh, không phải đường xã")).await.unwrap();
        app.at("2026-11-24T08:01:00Z");
        let case = app.cases.get(&officer(), late.id).await.unwrap();
        assert!(case.moves.iter().all(|m| m.code != "return_to_centre"), "no longer offered");
        assert_eq!(app.step(&officer(), late.id, "return_to_centre", reason("x")).await.unwrap_err().code(), "case.move.too-late");
        // Given to another unit, the two days begin anew.
        let to = MoveInput { unit: Some("so-xd-33".into()), ..reason("Đường tỉnh") };
        app.step(&app.centre(), early.id, "reassign", to).await.unwrap();
        let case = app.cases.get(&app.officer("xd", "so-xd-33"), early.id).await.unwrap();
        assert_eq!(until(&case), Some(utc("2026-11-26T08:01:00Z")));
    })
    .await;
}
