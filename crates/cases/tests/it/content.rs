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
