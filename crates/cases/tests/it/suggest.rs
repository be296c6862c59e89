//! Suggestions: nothing before there is something to learn from; then measured, recorded and held against what was decided.

use dothi_cases::model::{MoveInput, NewReport};
use dothi_cases::suggest::SuggestInput;
use dothi_kernel::classify::{Decided, Model};
use dothi_kernel::text::fold;
use dothi_kernel::time::micros;
use dothi_kernel::{CallerKind, Clock, Permission};
use dothi_store::params;

use crate::{App, utc, with_app};

/// The base pack's synthetic reports, in an order that mixes the categories: (category, words).
pub(crate) fn reports() -> Vec<(String, String)> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/base/tests/reports-vi.csv");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(file).unwrap();
    let rows: Vec<(String, String)> = reader.deserialize().map(|r| r.unwrap()).collect();
    // 271 has no divisor in common with the number of reports.
    (0..rows.len()).map(|i| rows[i * 271 % rows.len()].clone()).collect()
}

#[test]
fn synthetic_reports_are_told_apart_with_and_without_diacritics() {
    let reports = reports();
    assert!(reports.len() > 480, "{}", reports.len());
    let mut labels: Vec<String> = reports.iter().map(|r| r.0.clone()).collect();
    labels.sort();
    labels.dedup();
    let folded: Vec<(String, String)> = reports.iter().map(|(c, t)| (c.clone(), fold(t))).collect();
    let (mut typed, mut plain) = ([0.0f32; 3], [0.0f32; 3]);
    // Five parts: each is tested by a model that learned from the others.
    for part in 0..5 {
        let pick = |rows: &'_ [(String, String)], test: bool| -> Vec<(String, usize)> {
            let wanted = rows.iter().enumerate().filter(|(i, _)| (i % 5 == part) == test).map(|(_, r)| r);
            wanted.map(|(c, t)| (t.clone(), labels.iter().position(|l| l == c).unwrap())).collect()
        };
        fn decided(rows: &[(String, usize)]) -> Vec<Decided<'_>> {
            rows.iter().map(|(text, class)| Decided { text, class: *class }).collect()
        }
        let model = Model::train(&labels, &decided(&pick(&reports, false)));
        for (sum, rows) in [(&mut typed, &reports), (&mut plain, &folded)] {
            let m = model.measure(&decided(&pick(rows, true)), &[]);
            (sum[0], sum[1], sum[2]) = (sum[0] + m.accuracy / 5.0, sum[1] + m.macro_f1 / 5.0, sum[2] + m.top3 / 5.0);
        }
    }
    eprintln!("synthetic reports, accuracy, macro-F1 and among three: as typed {typed:?}, without diacritics {plain:?}");
    // Twenty-one texts of each of nineteen categories, each in other words: chance is 0.05 (0.16 among three).
    assert!(typed[0] > 0.48 && typed[1] > 0.47 && typed[2] > 0.72, "{typed:?}");
    assert!(plain[0] > typed[0] - 0.04 && plain[2] > typed[2] - 0.04, "{plain:?}");
}

fn asked(text: &str) -> SuggestInput {
    SuggestInput { text: text.into(), ..SuggestInput::default() }
}

/// Opens the synthetic reports one an hour and ends them as decided so.
async fn history(app: &App) {
    let start = utc("2026-08-01T00:00:00Z").as_microsecond();
    let opener = app.system();
    for (hour, (category, text)) in (0i64..).zip(reports()) {
        app.store.clock.set(micros(start + hour * 3_600_000_000));
        let caller = dothi_kernel::Caller { now: app.store.clock.now(), ..opener.clone() };
        let report = NewReport { category, text, area: Some("11953".into()), ..NewReport::default() };
        app.cases.report(&caller, report, vec![], None).await.unwrap();
    }
    let mut tx = app.store.begin(&app.system()).await.unwrap();
    tx.exec("update case_main set closed_at = opened_at + 1, state = 'closed', phase = 'solved', stopped = 1", params![]).await.unwrap();
    tx.exec("delete from job where kind = 'cases.clock'", params![]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn it_learns_from_what_was_decided_and_says_how_good_it_is() {
    with_app(|app| async move {
        let admin = || app.person(CallerKind::Staff, "admin", "ubnd-33", None, &[Permission::PackManage]);
        let before = app.cases.suggest(&app.anybody(), &asked("den duong tat")).await.unwrap();
        assert_eq!((before.model, before.categories.len(), before.fill), (None, 0, None), "nothing was learned, nothing is made up");
        app.timers().await;
        let view = app.cases.learning(&admin(), "report").await.unwrap();
        assert_eq!((view.decided, view.models.len(), view.policy.as_ref().unwrap().least_cases), (0, 0, 300));
        assert_eq!(app.cases.learning(&app.citizen("lan"), "report").await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.cases.learn_now(&app.centre(), "report").await.unwrap_err().code(), "access.not-allowed");

        history(&app).await;
        app.at("2026-11-23T01:00:00Z");
        assert!(app.cases.learn_now(&admin(), "report").await.unwrap().wanted);
        app.timers().await;
        let view = app.cases.learning(&admin(), "report").await.unwrap();
        let model = &view.models[0];
        assert_eq!((view.wanted, model.version, model.cases, model.trained, model.category.tested), (false, 1, 494, 345, 75));
        assert!(model.category.macro_f1 > 0.3 && model.category_plain.macro_f1 > 0.3 && model.category.top3 > 0.5, "{:?}", model.category);
        assert_eq!(model.category.confusion.iter().flatten().sum::<u32>(), model.category.tested);

        // Typed either way; below its threshold nothing is filled in.
        for words in ["Đèn đường tắt cả tuần, tối om", "den duong tat ca tuan toi om"] {
            let said = app.cases.suggest(&app.anybody(), &asked(words)).await.unwrap();
            assert_eq!((said.model, said.categories[0].code.as_str(), said.categories.len()), (Some(1), "street-light", 3), "{words}");
        }
        let vague = app.cases.suggest(&app.anybody(), &asked("xin hỏi chuyện này thế nào")).await.unwrap();
        assert_eq!(vague.fill, None, "{:?}", vague.categories);

        // The reporter chose wrongly, the centre put it right, and that is what suggestions are held against.
        let wrong = NewReport { category: "garbage".into(), text: "Cả dãy đèn đường không sáng, tối om".into(), ..crate::light() };
        let got = app.open(wrong).await;
        let advice = app.cases.advice(&app.centre(), got.id).await.unwrap();
        assert_eq!((advice.model, advice.categories[0].code.as_str()), (Some(1), "street-light"));
        assert_eq!(app.cases.advice(&app.officer("canbo2", "ubnd-12452"), got.id).await.unwrap_err().code(), "access.not-allowed");
        let put_right = MoveInput { category: Some("street-light".into()), ..MoveInput::default() };
        let case = app.step(&app.centre(), got.id, "accept", put_right).await.unwrap();
        assert_eq!(case.category, "street-light");
        assert!(app.cases.learning(&admin(), "report").await.unwrap().life.is_empty(), "open cases prove nothing");
        crate::walk::resolve_from_assigned(&app, got.id).await;
        let life = app.cases.learning(&admin(), "report").await.unwrap().life;
        assert_eq!((life[0].category.as_str(), life[0].cases, life[0].right, life[0].top3, life[0].chosen_right), ("street-light", 1, 1, 1, 0));

        // A week later it learns anew by itself; a day later it does not.
        app.at("2026-11-24T20:00:00Z");
        app.timers().await;
        assert_eq!(app.cases.learning(&admin(), "report").await.unwrap().models.len(), 1);
        app.at("2026-12-01T20:00:00Z");
        app.timers().await;
        let models = app.cases.learning(&admin(), "report").await.unwrap().models;
        assert_eq!(models.iter().map(|m| m.version).collect::<Vec<_>>(), [2, 1]);
    })
    .await;
}

#[tokio::test]
async fn the_same_thing_said_in_other_words_is_found() {
    with_app(|app| async move {
        let at = |category: &str, text: &str, metres: f64| NewReport {
            category: category.into(),
            text: text.into(),
            lat: Some(20.6598765 + metres / 111_000.0),
            ..crate::light()
        };
        let hole = app.open(at("road-damage", "Ổ gà to trước cổng trường tiểu học, xe máy dễ ngã", 60.0)).await;
        let light = app.open(at("street-light", "Đèn đường trước cổng trường bị tắt", 10.0)).await;
        let far = app.open(at("road-damage", "Ổ gà to trước cổng trường tiểu học, xe máy dễ ngã", 2_500.0)).await;
        let asked = SuggestInput { lon: Some(106.0512345), lat: Some(20.6598765), ..asked("o ga to truoc cong truong tieu hoc xe may de nga") };
        // Words that are not public are compared with nobody's.
        assert!(app.cases.suggest(&app.anybody(), &asked).await.unwrap().similar.is_empty());
        for id in [hole.id, light.id, far.id] {
            app.step(&app.centre(), id, "accept", MoveInput::default()).await.unwrap();
        }
        let similar = app.cases.suggest(&app.anybody(), &asked).await.unwrap().similar;
        assert_eq!(similar.iter().map(|c| c.code.as_str()).collect::<Vec<_>>(), [hole.code.as_str()], "near, in the same words, whatever the category");
        let again = app.open(at("other", "o ga to trc cong truong tieu hoc, xe may de nga lam", 0.0)).await;
        let advice = app.cases.advice(&app.centre(), again.id).await.unwrap();
        assert_eq!(advice.similar.iter().map(|s| (s.code.as_str(), s.metres)).collect::<Vec<_>>(), [(hole.code.as_str(), 60)]);
        assert!(advice.similar[0].likeness > 0.5);
        let elsewhere = app.cases.advice(&app.officer("canbo", "ubnd-11953"), again.id).await.unwrap();
        assert_eq!(elsewhere.similar.len(), 1, "officers see what they may read");
    })
    .await;
}
