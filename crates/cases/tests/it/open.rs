//! Openness: statistics against a plain count, feeds, tables, following.

use dothi_cases::model::{NewReport, PublicQuery, RatingInput, StatsQuery};
use dothi_kernel::PageQuery;

use crate::walk::resolve;
use crate::{App, light, with_app};

async fn stats(app: &App, group: &str, from: &str, to: &str) -> Vec<dothi_cases::model::StatRow> {
    let query = StatsQuery { group: Some(group.into()), from: Some(from.into()), to: Some(to.into()), ..StatsQuery::default() };
    app.cases.stats(&app.anybody(), &query).await.unwrap().rows
}

#[tokio::test]
async fn medians_and_percentiles_agree_with_a_plain_count() {
    with_app(|app| async move {
        // Eleven reports of one commune, answered after 1 to 11 working half hours; one waits.
        let mut minutes = Vec::new();
        for n in 1..=11u32 {
            app.at("2026-11-23T01:00:00Z");
            let got = app.open(light()).await;
            // From 08:00; the noon break lies between 11:30 and 13:30.
            let wall = if n * 30 <= 210 { n * 30 } else { n * 30 + 120 };
            app.store.clock.advance_seconds(i64::from(wall) * 60);
            resolve(&app, got.id).await;
            minutes.push(i64::from(n * 30));
        }
        app.at("2026-11-23T01:00:00Z");
        app.open(light()).await;
        let row = &stats(&app, "unit", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z").await[0];
        let rank = |share: usize| minutes[(minutes.len() * share).div_ceil(100) - 1];
        assert_eq!((row.opened, row.closed, row.median_minutes, row.p90_minutes), (12, 11, Some(rank(50)), Some(rank(90))));
    })
    .await;
}

#[tokio::test]
async fn months_begin_at_midnight_here_and_reopening_is_counted() {
    with_app(|app| async move {
        // The last minute of October here, the first of November, and one of December.
        for at in ["2026-10-31T16:59:00Z", "2026-10-31T17:00:00Z", "2026-12-05T01:00:00Z"] {
            app.at(at);
            let got = app.open(light()).await;
            resolve(&app, got.id).await;
            let stars = if at.starts_with("2026-12") { 1 } else { 5 };
            app.cases.rate(&app.anybody(), &got.code, RatingInput { stars, comment: None, key: Some(got.key) }).await.unwrap();
        }
        app.at("2026-12-06T01:00:00Z");
        let rows = stats(&app, "month", "2026-01-01T00:00:00Z", "2026-12-06T00:00:00Z").await;
        let told: Vec<_> = rows.iter().map(|r| (r.key.as_str(), r.opened, r.reopened, r.satisfied)).collect();
        assert_eq!(told, [("2026-12", 1, 1, 0), ("2026-11", 1, 0, 1), ("2026-10", 1, 0, 1)]);
        let long = StatsQuery { group: Some("month".into()), from: Some("1990-01-01T00:00:00Z".into()), ..StatsQuery::default() };
        assert_eq!(app.cases.stats(&app.anybody(), &long).await.unwrap_err().code(), "case.stats.span");
    })
    .await;
}

#[tokio::test]
async fn feeds_and_tables_say_what_the_pages_say_and_no_more() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        let contact = dothi_cases::model::Contact { name: Some("Bí Mật".into()), phone: Some("0912345678".into()), email: None };
        let report = NewReport { text: "=Đèn \"tắt\", <ba> hôm & tối".into(), contact: Some(contact), ..light() };
        let first = app.open(report).await;
        for n in 0..2 {
            app.store.clock.advance_seconds(60 + n);
            app.open(NewReport { category: "garbage".into(), text: "Rác chưa duyệt".into(), ..light() }).await;
        }
        app.step(&app.centre(), first.id, "ask_reporter", crate::answer("Hỏi riêng người gửi")).await.unwrap();
        app.step(&app.system(), first.id, "give_info", dothi_cases::model::MoveInput { note: Some("số 5".into()), ..Default::default() }).await.unwrap();
        resolve(&app, first.id).await;
        let anybody = app.anybody();
        let filter = |category: Option<&str>| PublicQuery { category: category.map(str::to_string), ..PublicQuery::default() };

        let feed = app.cases.feed(&anybody, &filter(Some("street-light")), "https://x.vn", "/api/cases/public.atom?category=street-light").await.unwrap();
        assert_eq!(feed.matches("<entry>").count(), 1);
        assert!(feed.contains("=Đèn &quot;tắt&quot;, &lt;ba&gt; hôm &amp; tối") && feed.contains(&format!("https://x.vn/r/{}", first.code)), "{feed}");
        let steps = app.cases.case_feed(&anybody, &first.code, "https://x.vn", "/f").await.unwrap();
        assert!(steps.matches("<entry>").count() >= 5 && steps.contains("Đã xử lý xong"), "{steps}");
        let (table, next) = app.cases.table(&anybody, &filter(None)).await.unwrap();
        assert_eq!((table.lines().count(), next), (4, None));
        assert!(table.contains("\"'=Đèn \"\"tắt\"\", <ba> hôm & tối\""), "quoted, and no formula: {table}");
        for text in [&feed, &steps, &table] {
            for secret in ["Bí Mật", "0912345678", "Hỏi riêng", "số 5", "Rác chưa duyệt", "106.0512345"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
        // A table that is cut names where it goes on, and nothing is told twice.
        let (one, next) = app.cases.table(&anybody, &PublicQuery { limit: Some(2), ..filter(None) }).await.unwrap();
        let (two, end) = app.cases.table(&anybody, &PublicQuery { limit: Some(2), after: next, ..filter(None) }).await.unwrap();
        assert_eq!((one.lines().count(), two.lines().count(), end), (3, 2, None));
        assert_eq!(format!("{one}{}", two.split_once("\r\n").unwrap().1), table);
        assert_eq!(app.cases.case_feed(&anybody, "HY-NONE", "", "").await.unwrap_err().kind().status(), 404);
    })
    .await;
}

#[tokio::test]
async fn what_somebody_follows_is_found_again() {
    with_app(|app| async move {
        let (mine, other) = (app.open(light()).await, app.open(light()).await);
        let me = app.citizen("tôi");
        app.cases.follow(&me, &mine.code).await.unwrap();
        app.cases.follow(&app.citizen("người khác"), &other.code).await.unwrap();
        let codes = async |who: &dothi_kernel::Caller| {
            app.cases.following(who, &PageQuery::default()).await.unwrap().items.into_iter().map(|c| c.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&me).await, std::slice::from_ref(&mine.code));
        // Merged into another, the follower follows that one.
        app.step(&app.centre(), mine.id, "merge", dothi_cases::model::MoveInput { merge_into: Some(other.code.clone()), ..Default::default() }).await.unwrap();
        assert!(codes(&me).await.contains(&other.code));
        assert_eq!(app.cases.following(&app.anybody(), &PageQuery::default()).await.unwrap_err().kind().status(), 401);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_calls_for_help_stops_the_report() {
    with_app(|app| async move {
        let report = |answer: &str| NewReport { category: "cable-power".into(), answers: [("danger".to_string(), answer.to_string())].into(), ..light() };
        let refused = app.cases.report(&app.anybody(), report("yes"), vec![], None).await.unwrap_err();
        assert_eq!((refused.code(), refused.kind().status()), ("case.answer.stop", 422));
        assert!(refused.detail().contains("114"), "it says whom to call: {}", refused.detail());
        app.open(report("no")).await;
        // Kinds of answers are looked at; a required one must be there.
        let mut pack = crate::pack();
        let category = pack.types[0].categories.iter_mut().find(|c| c.code == "garbage").unwrap();
        let question = |code: &str, kind: &str, required| {
            let options = if kind.ends_with("list") {
                vec![serde_json::json!({"code": "a", "text": "A", "text_en": "A"}), serde_json::json!({"code": "b", "text": "B", "text_en": "B"})]
            } else {
                vec![]
            };
            serde_json::from_value(
                serde_json::json!({ "code": code, "text": code, "text_en": code, "datatype": kind, "required": required, "options": options }),
            )
            .unwrap()
        };
        category.questions = vec![
            question("many", "number", true),
            question("when", "datetime", false),
            question("what", "multivaluelist", false),
            question("read", "notice", false),
        ];
        app.cases.install(&app.system(), "base", pack).await.unwrap();
        let answers = |pairs: &[(&str, &str)]| NewReport {
            category: "garbage".into(),
            answers: pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            ..light()
        };
        for (pairs, code) in [
            (vec![], "case.answer.missing"),
            (vec![("many", " ")], "case.answer.missing"),
            (vec![("many", "ba")], "case.answer.form"),
            (vec![("many", "3"), ("when", "hôm qua")], "case.answer.form"),
            (vec![("many", "3"), ("what", "a,c")], "case.answer.form"),
            (vec![("many", "3"), ("read", "x")], "case.answer.unknown"),
        ] {
            assert_eq!(app.cases.report(&app.anybody(), answers(&pairs), vec![], None).await.unwrap_err().code(), code, "{pairs:?}");
        }
        app.open(answers(&[("many", "3.5"), ("when", "2026-11-21T08:00:00+07:00"), ("what", "a,b")])).await;
    })
    .await;
}
