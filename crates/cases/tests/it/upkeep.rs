//! After the end: samples, retention, what reporters may ask; and workflows tried on past cases.

use dothi_cases::flow_desk::FlowTrialInput;
use dothi_cases::model::{Contact, MoveInput, NewReport};
use dothi_cases::quality::SampleInput;
use dothi_cases::retention::{ErasureDecision, ErasureInput};
use dothi_kernel::{CallerKind, PageQuery, Permission};

use crate::photos::jpeg;
use crate::walk::resolve;
use crate::{App, answer, light, pack, with_app};

impl App {
    /// Installs the case type of `base`, changed.
    pub async fn changed(&self, change: impl Fn(&mut dothi_cases::pack::CaseType)) {
        let mut part = pack();
        change(&mut part.types[0]);
        self.cases.install(&self.system(), "base", part).await.unwrap();
    }

    pub async fn audited(&self, action: &str) -> Vec<serde_json::Value> {
        let page = self.store.audit_page(&PageQuery { limit: Some(200), after: None }, action).await.unwrap();
        page.items.into_iter().map(|row| row.detail).collect()
    }
}

fn personal() -> NewReport {
    NewReport {
        text: "Đèn tắt, gọi tôi 0912 345 678".into(),
        contact: Some(Contact { name: Some("Nguyễn Văn A".into()), phone: Some("0912345678".into()), email: None }),
        ..light()
    }
}

#[tokio::test]
async fn closed_cases_are_drawn_and_checked_by_somebody_else() {
    with_app(|app| async move {
        app.changed(|t| t.sampling.as_mut().unwrap().percent = 100).await;
        let got = app.open(light()).await;
        resolve(&app, got.id).await;
        let list = app.cases.samples(&app.centre()).await.unwrap();
        assert_eq!((list.open.len(), list.units[0].drawn, list.units[0].checked), (1, 1, 0));
        let all = |yes: bool| SampleInput { answers: list.open[0].questions.iter().map(|q| (q.code.clone(), yes)).collect(), note: Some("Ảnh mờ".into()) };
        // Who drafted the answer does not judge it, also not with the centre's rights.
        let units = [crate::UNITS[1].0];
        let insider = app.person(CallerKind::Staff, "canbo", "ubnd-11953", Some(&units), &[Permission::CaseRead, Permission::CaseTriage]);
        assert_eq!(app.cases.check_sample(&insider, got.id, all(true)).await.unwrap_err().code(), "case.same-person");
        assert_eq!(app.cases.check_sample(&app.officer("khac", "ubnd-11953"), got.id, all(true)).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.cases.check_sample(&app.centre(), got.id, SampleInput::default()).await.unwrap_err().code(), "case.sample.answers");
        assert_eq!(app.cases.check_sample(&app.centre(), got.id, all(false)).await.unwrap().passed, Some(false));
        assert_eq!(app.cases.check_sample(&app.centre(), got.id, all(true)).await.unwrap_err().code(), "case.sample.checked");
        let list = app.cases.samples(&app.centre()).await.unwrap();
        assert_eq!((list.open.len(), list.units[0].checked, list.units[0].passed), (0, 1, 0));
        let case = app.cases.get(&app.centre(), got.id).await.unwrap();
        assert!(case.log.iter().any(|l| l.step == "sample-failed" && l.note.as_deref() == Some("Ảnh mờ")));
        // Opened again and closed again, it may be drawn again.
        app.step(&app.centre(), got.id, "reopen", crate::reason("Làm lại")).await.unwrap();
        assert!(app.cases.samples(&app.centre()).await.unwrap().open.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_case_forgets_its_reporter_and_then_its_photos_when_the_policy_says() {
    with_app(|app| async move {
        app.changed(|t| {
            let keep = t.retention.as_mut().unwrap();
            (keep.anonymise_after_days, keep.media_after_days) = (30, 60);
        })
        .await;
        let got = app.cases.report(&app.anybody(), personal(), vec![jpeg(9, 9)], None).await.unwrap();
        let open = app.cases.report(&app.anybody(), personal(), vec![], None).await.unwrap();
        resolve(&app, got.id).await;
        let photo = app.cases.get(&app.centre(), got.id).await.unwrap().photos[0].sha.clone();
        app.store.clock.advance_seconds(29 * 86_400);
        while app.timers().await > 0 {}
        assert_eq!(app.cases.identity(&app.centre(), got.id).await.unwrap().contact.phone.as_deref(), Some("0912345678"), "not yet");
        app.store.clock.advance_seconds(2 * 86_400);
        while app.timers().await > 0 {}
        assert_eq!(app.cases.identity(&app.centre(), got.id).await.unwrap().contact, Contact::default());
        let case = app.cases.get(&app.centre(), got.id).await.unwrap();
        assert!(!case.text.contains("345"), "{}", case.text);
        assert_eq!(case.photos.len(), 2, "photos stay longer");
        assert!(app.cases.identity(&app.centre(), open.id).await.unwrap().contact.phone.is_some(), "an open case keeps it");
        app.store.clock.advance_seconds(31 * 86_400);
        while app.timers().await > 0 {}
        assert!(app.cases.get(&app.centre(), got.id).await.unwrap().photos.is_empty());
        assert_eq!(app.store.blobs().get(&photo).await.unwrap_err().code(), "blob.unknown");
        // Proof: what, why, by which act; and once.
        let proof = app.audited("case.anonymise").await;
        assert_eq!((proof.len(), proof[0]["because"]["days"].as_i64()), (1, Some(30)));
        assert_eq!(app.audited("case.media.delete").await[0]["photos"], 2);
        assert!(app.store.audit_verify().await.unwrap().broken_at.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_reporter_takes_the_own_data_away_and_has_them_erased_by_decision() {
    with_app(|app| async move {
        let got = app.cases.report(&app.anybody(), personal(), vec![jpeg(9, 9)], None).await.unwrap();
        let key = Some(got.key.as_str());
        let held = app.cases.held_data(&app.anybody(), &got.code, key).await.unwrap();
        assert_eq!((held.contact.name.as_deref(), held.photos.len(), held.erasure.as_deref()), (Some("Nguyễn Văn A"), 1, None));
        assert!(app.cases.held_data(&app.anybody(), &got.code, Some("WRONGKEY")).await.is_err());
        assert!(app.cases.held_data(&app.centre(), &got.code, None).await.is_err(), "officers read it elsewhere, on record");
        let ask = || ErasureInput { key: Some(got.key.clone()), words: "Tôi đổi ý".into() };
        app.cases.ask_erasure(&app.anybody(), &got.code, ask()).await.unwrap();
        assert_eq!(app.cases.ask_erasure(&app.anybody(), &got.code, ask()).await.unwrap_err().code(), "case.erasure.open");
        assert_eq!(app.cases.erasures(&app.officer("canbo", "ubnd-11953")).await.unwrap_err().code(), "access.not-allowed");
        let one = app.cases.erasures(&app.centre()).await.unwrap().remove(0);
        let decide = |grant, reason: &str| ErasureDecision { grant, reason: reason.into() };
        assert_eq!(app.cases.decide_erasure(&app.centre(), one.id, decide(false, " ")).await.unwrap_err().code(), "flow.field-missing");
        app.cases.decide_erasure(&app.centre(), one.id, decide(false, "Đang xác minh")).await.unwrap();
        assert_eq!(app.cases.decide_erasure(&app.centre(), one.id, decide(true, "x")).await.unwrap_err().code(), "case.erasure.decided");
        let told = app.cases.held_data(&app.anybody(), &got.code, key).await.unwrap();
        assert_eq!((told.erasure.as_deref(), told.erasure_reason.as_deref()), (Some("refused"), Some("Đang xác minh")));
        app.store.clock.advance_seconds(60);
        app.cases.ask_erasure(&app.anybody(), &got.code, ask()).await.unwrap();
        let again = app.cases.erasures(&app.centre()).await.unwrap().remove(0);
        app.cases.decide_erasure(&app.centre(), again.id, decide(true, "Theo đề nghị")).await.unwrap();
        let held = app.cases.held_data(&app.anybody(), &got.code, key).await.unwrap();
        assert_eq!((held.contact, held.erasure.as_deref()), (Contact::default(), Some("granted")));
        assert!(!held.text.contains("345"));
        assert_eq!(app.audited("case.erasure").await.len(), 4);
        assert_eq!(app.audited("case.subject.read").await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_changed_workflow_is_tried_on_past_cases() {
    with_app(|app| async move {
        app.at("2026-11-23T01:00:00Z");
        let (quick, slow) = (app.open(light()).await, app.open(light()).await);
        app.step(&app.centre(), slow.id, "accept", MoveInput::default()).await.unwrap();
        app.step(&app.officer("canbo", "ubnd-11953"), slow.id, "take", MoveInput::default()).await.unwrap();
        app.step(&app.officer("canbo", "ubnd-11953"), slow.id, "plan", MoveInput { planned_for: Some("2026-12-01".into()), ..answer("Tuần tới.") }).await.unwrap();
        resolve(&app, quick.id).await;
        // Two working days later the planned one still stands; three days are allowed.
        app.at("2026-11-25T02:00:00Z");
        let run = async |changes: &str| app.cases.try_flow(&app.centre(), "report", FlowTrialInput { changes: changes.into(), ..FlowTrialInput::default() }).await.unwrap();
        let same = run("").await;
        assert_eq!((same.faults.len(), same.cases, same.late_before, same.late_after), (0, 2, 0, 0));
        let tighter = run("[deadline]\nnormal = '1d'\n").await;
        assert_eq!(tighter.late_after, 0, "the category has a deadline of its own");
        let categories: String = pack().types[0].categories.iter().map(|c| {
            let own = serde_json::to_value(c).unwrap();
            let own: toml::Table = serde_json::from_value(own.as_object().unwrap().iter().filter(|(k, v)| !v.is_null() && *k != "deadline" && *k != "questions").map(|(k, v)| (k.clone(), v.clone())).collect::<serde_json::Map<_, _>>().into()).unwrap();
            format!("[[categories]]\n{own}")
        }).collect();
        let tighter = run(&format!("[deadline]\nnormal = '1d'\n{categories}")).await;
        assert_eq!((tighter.faults.clone(), tighter.late_before, tighter.late_after), (vec![], 0, 1));
        assert_eq!((tighter.samples[0].code.as_str(), tighter.samples[0].after, tighter.samples[0].late), (slow.code.as_str(), 480, true));
        // A state that goes while somebody stands in it, with the moves that need it.
        let without = "[flow.states]\nplanned = false\n[flow.moves]\nplan = false\nstart_work = false\n[flow.moves.answer]\nfrom = ['in_progress']\n[flow.moves.reassign]\nfrom = ['returned', 'assigned', 'in_progress']\n[flow.moves.hide]\nfrom = ['received']\n[todo]\nhandler = ['assigned', 'in_progress']\n[parts]\nfrom = ['assigned']\n[effects]\n";
        let gone = run(without).await;
        let replies: Vec<_> = gone.faults.iter().filter(|f| !f.contains("move `plan`")).collect();
        assert!(replies.is_empty(), "{:?}", gone.faults);
        let gone = run(&format!("replies = []\n{without}")).await;
        assert!(gone.faults.is_empty(), "{:?}", gone.faults);
        assert_eq!(gone.lost_states.iter().map(|l| (l.code.as_str(), l.count)).collect::<Vec<_>>(), [("planned", 1)]);
        assert_eq!(gone.lost_moves.iter().map(|l| (l.code.as_str(), l.count)).collect::<Vec<_>>(), [("plan", 1)]);
        // What is no workflow is said to be none, and nothing was changed by all this.
        assert!(run("[flow").await.faults[0].contains("TOML"));
        assert!(run("[flow]\ninitial = 'nowhere'").await.faults.iter().any(|f| f.contains("nowhere")));
        let view = app.cases.flow(&app.centre(), "report", None).await.unwrap();
        assert_eq!((view.version, view.versions.len()), (1, 1));
        assert_eq!(view.states.iter().find(|s| s.code == "planned").map(|s| s.cases), Some(1));
        let denied = app.cases.flow(&app.officer("canbo", "ubnd-11953"), "report", None).await.unwrap_err();
        assert_eq!(denied.code(), "access.not-allowed");
    })
    .await;
}
