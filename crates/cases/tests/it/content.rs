//! What is delivered with the platform: the case type of pack `base`, the demo's reports, and what a broken pack is told.

use std::collections::BTreeSet;

use dothi_cases::pack::CasesPack;

fn load(files: &[(&str, &str)]) -> Result<CasesPack, Vec<String>> {
    CasesPack::load(&files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect::<Vec<_>>())
}

#[test]
fn every_category_has_both_names_a_hint_an_icon_and_a_deadline() {
    let calendar = crate::calendar();
    let report = &crate::pack().types[0];
    assert!(report.categories.len() >= 14);
    for category in &report.categories {
        assert!(!category.name.is_empty() && !category.name_en.is_empty() && category.hint.is_some() && category.hint_en.is_some(), "{}", category.code);
        assert!(category.icon.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{}", category.icon);
        let minutes: Vec<u32> = ["urgent", "normal", "complex"].iter().map(|u| report.budget(&category.code, u, &calendar)).collect();
        assert!(minutes.windows(2).all(|w| w[0] < w[1]), "{}: {minutes:?}", category.code);
    }
    let topics: BTreeSet<_> = report.categories.iter().filter_map(|c| c.topic.as_deref()).collect();
    assert_eq!(topics, BTreeSet::from(["budget", "planning", "services"]));
}

#[test]
fn the_demo_reports_fit_the_case_type_and_name_nobody() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/hung-yen/reports.csv");
    let report = &crate::pack().types[0];
    let mut rows = csv::Reader::from_path(file).unwrap();
    let mut seen = BTreeSet::new();
    let mut last = 0;
    for row in rows.records() {
        let row = row.unwrap();
        let (opened, closed): (u32, Option<u32>) = (row[0].parse().unwrap(), row[1].parse().ok());
        assert!(opened >= last && closed.is_none_or(|c| c >= opened), "{row:?}");
        last = opened;
        assert!(report.category(&row[4]).is_some(), "category {}", &row[4]);
        for text in [&row[5], &row[6]] {
            let digits = text.chars().filter(char::is_ascii_digit).count();
            assert!(digits < 6 && !text.contains('@') && text.chars().count() < report.limits.text_chars, "{text}");
        }
        assert!(!row[5].is_empty() && row[6].is_empty() == closed.is_none());
        seen.insert(row[4].to_string());
    }
    assert_eq!(seen.len(), report.categories.len(), "every category is shown");
}

#[test]
fn a_broken_pack_is_told_every_fault() {
    let faults = load(&[("a.toml", "kind = "), ("b.toml", "title = 'x'"), ("c.toml", "kind = 'k'\ntitle = 'x'"), ("d.toml", "kind = 'k'\ntitle = 'y'")])
        .unwrap_err()
        .join("\n");
    for part in ["a.toml: TOML parse error", "b.toml: `kind` is missing", "d.toml: `title` is declared in another file", "cases of kind `k`: missing field"] {
        assert!(faults.contains(part), "{part} in {faults}");
    }
    let mut report = crate::pack().types.remove(0);
    report.code_prefix = "hy1".into();
    report.policy.status = "maybe".into();
    report.routing.pop();
    report.routing.pop();
    report.categories[0].group = "nowhere".into();
    report.timeouts[0].step = "reject".into();
    report.rating.close_move = "vanish".into();
    report.flow.moves.get_mut("take").unwrap().requires.insert("money".into());
    report.deadline.remove("complex");
    let faults = report.check().join("\n");
    for part in [
        "code_prefix",
        "policy.status",
        "last routing rule",
        "group `nowhere`",
        "timeout of `need_info`",
        "`vanish`",
        "field `money`",
        "no deadline for the urgency `complex`",
    ] {
        assert!(faults.contains(part), "{part} in {faults}");
    }
}

const OWN_TESTS: &str = include_str!("../../../../packs/base/tests/cases.toml");

#[test]
fn the_packs_own_tests_pass_and_can_fail() {
    let run = |text: &str| dothi_cases::pack::run_tests(&crate::pack(), &[("cases.toml".to_string(), text.to_string())]);
    let (ran, failed) = run(OWN_TESTS);
    assert!(ran >= 10 && failed.is_empty(), "{failed:#?}");
    let wrong = OWN_TESTS.replace("deadline = \"2h\"", "deadline = \"9d\"").replace("\"answer\", \"approve\", \"close_rated\"", "\"approve\"");
    let failed = run(&wrong).1.join("\n");
    for part in ["the deadline is `2h`, expected `9d`", "the move `approve` is not possible in `in_progress`"] {
        assert!(failed.contains(part), "{part} in {failed}");
    }
}

/// The case type of pack `base`, changed: what is said about it.
fn told(change: &dyn Fn(&mut dothi_cases::pack::CaseType)) -> String {
    let mut report = crate::pack().types.remove(0);
    change(&mut report);
    report.check().join("\n")
}

fn tells(part: &str, change: &dyn Fn(&mut dothi_cases::pack::CaseType)) {
    let faults = told(change);
    assert!(faults.contains(part), "{part} in `{faults}`");
}

#[test]
fn a_workflow_that_cannot_work_is_told_why() {
    use dothi_kernel::flow::{Actor, ClockRun, Move, Phase, State};
    let state = |clock| State { name: "Lạc".into(), name_en: "Lost".into(), phase: Phase::Working, clock };
    let step = |from: &str, to: &str, by| Move {
        name: "Đi".into(),
        name_en: "Go".into(),
        from: [from.to_string()].into(),
        to: to.into(),
        by,
        requires: Default::default(),
        order: 5,
        not_by_maker_of: Default::default(),
    };
    assert_eq!(told(&|_| ()), "", "the delivered one has no fault");
    tells("initial state `nowhere` is not declared", &|t| t.flow.initial = "nowhere".into());
    tells("state `island` cannot be reached", &|t| drop(t.flow.states.insert("island".into(), state(ClockRun::Stopped))));
    tells("no end can be reached from state `trap`", &|t| {
        t.flow.states.insert("trap".into(), state(ClockRun::Runs));
        t.flow.moves.insert("fall".into(), step("assigned", "trap", Actor::Handler));
    });
    tells("move `leap` names the unknown state `void`", &|t| drop(t.flow.moves.insert("leap".into(), step("assigned", "void", Actor::Handler))));
    tells("move `take` starts from no state", &|t| t.flow.moves.get_mut("take").unwrap().from.clear());
    tells("names the unknown move `sing`", &|t| {
        t.flow.moves.get_mut("approve").unwrap().not_by_maker_of.insert("sing".into());
    });
    tells("a crew moves work orders, not cases", &|t| t.flow.moves.get_mut("take").unwrap().by = Actor::Crew);
    tells("a handler may draft an answer, a second person publishes it", &|t| {
        let approve = t.flow.moves.get_mut("approve").unwrap();
        approve.by = Actor::Handler;
        approve.requires.insert("public_answer".into());
    });
    tells("state `asleep` pauses the clock without end", &|t| {
        t.flow.states.insert("asleep".into(), state(ClockRun::Paused));
        t.flow.moves.insert("doze".into(), step("assigned", "asleep", Actor::Handler));
        t.flow.moves.insert("wake".into(), step("asleep", "assigned", Actor::Handler));
    });
    tells("the public must be told why", &|t| t.flow.moves.get_mut("extend").unwrap().requires.clear());
    tells("reminders must rise", &|t| t.reminders.swap(0, 1));
    tells("window: move `fly` is named but not declared", &|t| t.windows[0].step = "fly".into());
    tells("are no states of an open case", &|t| t.parts.as_mut().unwrap().opens_in = "resolved".into());
    tells("state `dreaming` is named but not declared", &|t| {
        t.todo.handler.insert("dreaming".into());
    });
    tells("no deadline for the urgency `urgent`", &|t| {
        t.deadline.remove("urgent");
    });
    tells("`assigned` is no state in which a case has ended", &|t| {
        t.sampling.as_mut().unwrap().states.insert("assigned".into());
    });
    tells("sampling.percent is 1 to 100", &|t| t.sampling.as_mut().unwrap().percent = 0);
    tells("retention.media_after_days is 1 to 36500", &|t| t.retention.as_mut().unwrap().media_after_days = 0);
    // What cannot even be read names the role and the working time it does not know.
    let file = |name: &str| std::fs::read_to_string(format!("{}/../../packs/petitions/cases/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let petition = file("petition.toml");
    for (from, to, part) in [
        ("by = \"approver\"", "by = \"king\"", "unknown variant `king`"),
        ("extension = \"5d\"", "extension = \"5 weeks\"", "is not a working time such as 30m, 4h or 5d"),
    ] {
        let faults = load(&[("petition.toml", &petition.replace(from, to))]).unwrap_err().join("\n");
        assert!(faults.contains(part), "{part} in `{faults}`");
    }
}

#[test]
fn work_that_cannot_be_done_is_told_why() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/base/cases");
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let told = |flow: String, kind: String| load(&[("work-flow.toml", &flow), ("work.toml", &kind)]).err().unwrap_or_default().join("\n");
    let (flow, kind) = (file("work-flow.toml"), file("work-street-light.toml"));
    assert_eq!(told(flow.clone(), kind.clone()), "");
    for (faults, part) in [
        (told(flow.replace("by = \"crew\"", "by = \"handler\""), kind.clone()), "no move is the crew's"),
        (told(flow.replace("\"photo_after\"", "\"a_song\""), kind.clone()), "requires the unknown field `a_song`"),
        (told(flow.replace("by = \"handler\"", "by = \"reporter\""), kind.clone()), "orders are moved by crew, handler, approver or centre"),
        (told(flow.replace("clock = \"stopped\"", ""), kind.clone()), "no end can be reached"),
        (told(flow.clone(), kind.replace("code = \"voltage\"", "code = \"power-off\"")), "`power-off` is declared twice"),
        (told(flow.clone(), kind.replace("max = 1000", "max = -1")), "`voltage` allows no number at all"),
        (told(flow.clone(), kind.replace("code = \"remark\"", "code = \"after\"")), "or one that photos use"),
        (told(flow.clone(), kind.replace("expected = 1", "expected = 0")), "an expected amount above 0"),
    ] {
        assert!(faults.contains(part), "{part} in `{faults}`");
    }
}

/// Another kind of case, which no part of the program knows.
fn petitions() -> CasesPack {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/petitions/cases/petition.toml");
    load(&[("petition.toml", &std::fs::read_to_string(file).unwrap())]).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

#[tokio::test]
async fn a_second_kind_of_case_lives_by_its_pack_alone() {
    use dothi_cases::model::{ListQuery, MoveInput, NewReport};
    let tests = include_str!("../../../../packs/petitions/tests/cases.toml");
    let (ran, failed) = dothi_cases::pack::run_tests(&petitions(), &[("cases.toml".to_string(), tests.to_string())]);
    assert!(ran >= 3 && failed.is_empty(), "{failed:#?}");
    crate::with_app(|app| async move {
        app.cases.install(&app.system(), "petitions", petitions()).await.unwrap();
        app.at("2026-11-23T01:00:00Z");
        let new = || NewReport {
            kind: "petition".into(),
            category: "late".into(),
            text: "Hồ sơ khai sinh trễ hẹn hai tuần.".into(),
            area: Some("11953".into()),
            ..NewReport::default()
        };
        let (one, two) = (app.open(new()).await, app.open(new()).await);
        // Fifteen working days of eight hours, from Monday at eight.
        assert!(one.code.starts_with("KN-") && one.due_at == crate::utc("2026-12-14T01:00:00Z"), "{} {}", one.code, one.due_at);
        let (officer, leader) = (app.officer("canbo", "ubnd-11953"), app.leader("lanhdao", "ubnd-11953"));
        assert_eq!(app.cases.list(&app.centre(), &ListQuery::default()).await.unwrap().items.len(), 2, "among what waits for the centre");
        // Refused within two working days, asked within five, or not at all.
        app.at("2026-11-25T01:30:00Z");
        let refuse = || MoveInput { reason: Some("x".into()), ..crate::answer("Không thuộc phạm vi.") };
        assert_eq!(app.step(&app.centre(), two.id, "refuse", refuse()).await.unwrap_err().code(), "case.move.too-late");
        app.step(&app.centre(), two.id, "ask_reporter", crate::answer("Xin cho biết mã hồ sơ.")).await.unwrap();
        app.step(&app.centre(), one.id, "accept", MoveInput::default()).await.unwrap();
        app.step(&officer, one.id, "take", MoveInput::default()).await.unwrap();
        app.step(&officer, one.id, "answer", crate::answer("Xin lỗi vì chậm; kết quả trả ngày 27/11.")).await.unwrap();
        let done = app.step(&leader, one.id, "approve", MoveInput::default()).await.unwrap();
        assert_eq!((done.state.as_str(), done.kind.as_str()), ("answered_public", "petition"));
        let page = app.cases.public_case(&app.anybody(), &one.code).await.unwrap();
        assert!(page.answer.is_some_and(|a| a.text.contains("27/11")));
        // Reports go on as before.
        let report = app.open(crate::light()).await;
        assert!(report.code.starts_with("HY-"));
    })
    .await;
}
