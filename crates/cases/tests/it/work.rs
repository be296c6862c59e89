//! One case, several units; one move, several cases.

use dothi_cases::bulk::{BulkInput, BulkItem};
use dothi_cases::model::{ListQuery, MoveInput, NewReport, StatsQuery};
use dothi_cases::parts::{PartInput, SplitInput};

use crate::walk::resolve;
use crate::{App, answer, light, reason, with_app};

fn part(unit: &str, text: &str) -> PartInput {
    PartInput { unit: unit.into(), text: text.into(), category: None }
}

/// A case of Phố Hiến that was accepted.
async fn accepted(app: &App) -> dothi_cases::model::Case {
    let got = app.open(light()).await;
    app.step(&app.centre(), got.id, "accept", MoveInput::default()).await.unwrap()
}

#[tokio::test]
async fn a_case_is_split_and_waits_for_its_parts() {
    with_app(|app| async move {
        let case = accepted(&app).await;
        let split = |version, parts| SplitInput { version, parts };
        let two = || vec![part("so-xd-33", "Sửa cột"), PartInput { category: Some("cable-power".into()), ..part("so-ct-33", "Nối lại điện") }];
        let (officer, centre) = (app.officer("canbo", "ubnd-11953"), app.centre());
        let refused = async |who, input| app.cases.split(who, case.id, input).await.unwrap_err().code();
        assert_eq!(refused(&officer, split(case.version, two())).await, "access.not-allowed");
        assert_eq!(refused(&centre, split(case.version + 1, two())).await, "case.version");
        assert_eq!(refused(&centre, split(case.version, vec![])).await, "case.split.count");
        assert_eq!(refused(&centre, split(case.version, vec![part("so-xd-33", "x"); 11])).await, "case.split.count");
        assert_eq!(refused(&centre, split(case.version, vec![part("so-xd-33", "x"), part("nobody", "y")])).await, "case.unit.unknown");
        assert!(app.cases.get(&centre, case.id).await.unwrap().parts.is_empty(), "all or nothing");

        let whole = app.cases.split(&centre, case.id, split(case.version, two())).await.unwrap();
        assert_eq!(whole.parts.iter().map(|p| p.unit.id.as_str()).collect::<std::collections::BTreeSet<_>>(), ["so-ct-33", "so-xd-33"].into());
        assert_eq!(whole.version, case.version + 1, "whoever looked before must look again");
        // The unit sees its part and from where it comes, and not the whole.
        let builder = app.officer("xd", "so-xd-33");
        let row = app.cases.list(&builder, &ListQuery::default()).await.unwrap().items.remove(0);
        assert!(row.part && row.text_short == "Sửa cột");
        let mine = app.cases.get(&builder, row.id).await.unwrap();
        assert_eq!((mine.parent.as_ref().map(|p| p.code.as_str()), mine.may_split), (Some(case.code.as_str()), false));
        assert_eq!(app.cases.get(&builder, case.id).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.cases.split(&centre, row.id, split(mine.version, two())).await.unwrap_err().code(), "case.split.not-now", "one level");

        // In public: the whole with its parts, and nothing of what they were told to do.
        let page = app.cases.public_case(&app.anybody(), &case.code).await.unwrap();
        assert_eq!(page.parts.as_ref().map(Vec::len), Some(2));
        assert!(!serde_json::to_string(&page).unwrap().contains("Nối lại điện"));
        assert_eq!(app.cases.public_case(&app.anybody(), &row.code).await.unwrap_err().code(), "case.unknown");
        app.store.clock.advance_seconds(1);
        let stats = app.cases.stats(&app.anybody(), &StatsQuery::default()).await.unwrap();
        assert_eq!(stats.rows.iter().map(|r| r.opened).sum::<i64>(), 1, "one report is one report");

        // The whole is answered when every part has ended.
        let leader = app.leader("lanhdao", "ubnd-11953");
        app.step(&officer, case.id, "take", MoveInput::default()).await.unwrap();
        app.step(&officer, case.id, "answer", answer("Đã xong.")).await.unwrap();
        assert_eq!(app.step(&leader, case.id, "approve_no_site", reason("x")).await.unwrap_err().code(), "case.parts.open");
        for (unit, found) in
            [("so-xd-33", &whole.parts[0]), ("so-ct-33", &whole.parts[1])].map(|(u, _)| (u, whole.parts.iter().find(|p| p.unit.id == u).unwrap()))
        {
            app.step(&app.officer("nv", unit), found.id, "take", MoveInput::default()).await.unwrap();
            app.step(&app.officer("nv", unit), found.id, "answer", answer("Xong phần này.")).await.unwrap();
            app.step(&app.leader("ld", unit), found.id, "approve_no_site", reason("Không có hiện trường")).await.unwrap();
        }
        let done = app.step(&leader, case.id, "approve_no_site", reason("Các phần đã xong")).await.unwrap();
        assert_eq!(done.state, "resolved");
        assert_eq!(done.log.iter().filter(|l| l.step == "part").count(), 2, "the log of the whole tells of each part");
    })
    .await;
}

#[tokio::test]
async fn a_move_on_many_gives_each_its_result() {
    with_app(|app| async move {
        let mut cases = Vec::new();
        for _ in 0..3 {
            cases.push(app.open(light()).await);
        }
        let elsewhere = app.open(NewReport { lon: Some(106.34), lat: Some(20.45), ..light() }).await;
        let items = |ids: &[uuid::Uuid], version| ids.iter().map(|id| BulkItem { id: *id, version }).collect::<Vec<_>>();
        let ids: Vec<_> = cases.iter().map(|c| c.id).chain([elsewhere.id]).collect();
        let centre = app.centre();
        let bulk = |cases, input| BulkInput { cases, input };
        for (wrong, code) in [(vec![], "case.bulk.count"), (items(&[ids[0]; 2], 1), "case.bulk.twice"), (items(&vec![ids[0]; 101], 1), "case.bulk.count")] {
            assert_eq!(app.cases.bulk_move(&centre, "accept", bulk(wrong, MoveInput::default())).await.unwrap_err().code(), code);
        }
        // Somebody was faster with the second one.
        app.step(&centre, ids[1], "accept", MoveInput::default()).await.unwrap();
        let results = app.cases.bulk_move(&centre, "accept", bulk(items(&ids, 1), MoveInput::default())).await.unwrap();
        let codes: Vec<_> = results.iter().map(|r| r.error.as_ref().map(|e| e.code.as_str())).collect();
        assert_eq!(codes, [None, Some("flow.move.not-now"), None, None]);
        assert_eq!(results[0].code.as_deref(), Some(cases[0].code.as_str()));
        // An officer reaches only what is theirs.
        let officer = app.officer("canbo", "ubnd-11953");
        let chosen = [items(&ids[..1], 1), items(&ids[1..], 2)].concat();
        let results = app.cases.bulk_move(&officer, "take", bulk(chosen, MoveInput::default())).await.unwrap();
        let codes: Vec<_> = results.iter().map(|r| r.error.as_ref().map(|e| e.code.as_str())).collect();
        assert_eq!(codes, [Some("case.version"), None, None, Some("access.not-allowed")]);
        assert_eq!(app.cases.get(&officer, ids[2]).await.unwrap().assignee.as_deref(), Some("canbo"));
        // What a move requires is required of each.
        let results = app.cases.bulk_move(&officer, "return_to_centre", bulk(items(&ids[1..2], 3), MoveInput::default())).await.unwrap();
        assert_eq!(results[0].error.as_ref().map(|e| e.code.as_str()), Some("flow.field-missing"));
        let nobody = app.cases.bulk_move(&app.anybody(), "take", bulk(items(&ids, 1), MoveInput::default())).await.unwrap_err();
        assert_eq!(nobody.kind().status(), 401);
    })
    .await;
}

#[tokio::test]
async fn followers_of_a_merged_report_follow_the_other_and_are_counted_once() {
    with_app(|app| async move {
        let (main, twin) = (app.open(light()).await, app.open(light()).await);
        for who in ["192.0.2.1", "192.0.2.2"] {
            app.cases.follow(&app.from(who), &twin.code).await.unwrap();
        }
        app.cases.follow(&app.from("192.0.2.2"), &main.code).await.unwrap();
        app.step(&app.centre(), twin.id, "merge", MoveInput { merge_into: Some(main.code.clone()), ..MoveInput::default() }).await.unwrap();
        // Two people, and who reported the twin.
        assert_eq!(app.cases.public_case(&app.anybody(), &main.code).await.unwrap().followers, 3);
        resolve(&app, main.id).await;
        assert_eq!(app.cases.public_case(&app.anybody(), &twin.code).await.unwrap().merged_into, Some(main.code));
    })
    .await;
}
