//! Procedures: versions, order, branches, skipping with a reason, timers.

use dothi_incidents::model_ops::{NewProcedure, Run, StepInput};

use super::*;

impl App {
    async fn end(&self, caller: &Caller, id: Uuid, run: &Run, more: Value) -> Result<Run> {
        let active = run.steps.iter().find(|s| s.state == "active").unwrap();
        let all: Vec<u32> = (0..active.def.checklist.len() as u32).collect();
        let mut input = json!({ "version": run.version, "step": active.def.code, "ticked": all });
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        let input: StepInput = serde_json::from_value(input).unwrap();
        let view = self.incidents.end_step(caller, id, run.id, input).await?;
        Ok(view.runs.into_iter().find(|r| r.id == run.id).unwrap())
    }
}

fn states(run: &Run) -> Vec<(&str, &str)> {
    run.steps.iter().map(|s| (s.def.code.as_str(), s.state.as_str())).collect()
}

#[tokio::test]
async fn steps_go_in_order_and_are_skipped_only_with_a_reason() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let view = app.open(json!({"kind": "fire", "lon": 106.3, "lat": 20.45})).await;
        let (id, run) = (view.row.incident.id, view.runs[0].clone());
        assert_eq!(states(&run)[..2], [("verify", "active"), ("dispatch", "waiting")]);
        assert_eq!(run.steps[0].due_at, Some(at("2026-11-21T08:02:00+07:00")));
        let code = |r: Result<Run>| r.unwrap_err().code().to_string();
        assert_eq!(code(app.end(&app.operator(), id, &run, json!({})).await), "incidents.step.answer");
        assert_eq!(code(app.end(&app.operator(), id, &run, json!({"step": "dispatch"})).await), "incidents.step.not-active");
        let police = app.somebody(6, "officer", &[], &[Permission::IncidentRead, Permission::IncidentHandle]);
        assert_eq!(code(app.end(&police, id, &run, json!({"answer": "yes"})).await), "incidents.step.role");
        // Nobody did it in time: it is written down as late, once.
        app.set("2026-11-21T08:02:00+07:00");
        assert_eq!((app.run_jobs().await, app.run_jobs().await), (1, 0));
        let run = app.incidents.incident(&app.operator(), id).await.unwrap().runs[0].clone();
        assert!(run.steps[0].late);
        let run = app.end(&app.operator(), id, &run, json!({"answer": "yes"})).await.unwrap();
        assert_eq!(code(app.end(&app.operator(), id, &run, json!({"ticked": [0]})).await), "incidents.step.checklist");
        assert_eq!(code(app.end(&app.operator(), id, &run, json!({"skip": true, "reason": "  "})).await), "incidents.step.reason");
        let run = app.end(&app.operator(), id, &run, json!({"skip": true, "reason": "đã điều trước đó"})).await.unwrap();
        assert_eq!(run.steps[1].reason.as_deref(), Some("đã điều trước đó"));
        // The third step names the commune: its task is there.
        let view = app.incidents.incident(&app.operator(), id).await.unwrap();
        assert_eq!((view.tasks.len(), view.tasks[0].unit.id.as_str(), view.tasks[0].due_at), (1, "ubnd-13225", Some(at("2026-11-21T08:12:00+07:00"))));
        let run = app.end(&app.operator(), id, &run, json!({})).await.unwrap();
        // The lead answers for the lead's step; without a warning its step is passed by.
        assert_eq!(code(app.end(&app.operator(), id, &run, json!({"answer": "no"})).await), "incidents.step.role");
        let run = app.end(&app.lead(), id, &run, json!({"answer": "no"})).await.unwrap();
        let run = app.end(&app.operator(), id, &run, json!({})).await.unwrap();
        let run = app.end(&app.operator(), id, &run, json!({"answer": "done"})).await.unwrap();
        let expected = [
            ("verify", "done"),
            ("dispatch", "skipped"),
            ("cordon", "done"),
            ("warn", "done"),
            ("send-warning", "passed-by"),
            ("control", "done"),
            ("close", "done"),
            ("close-false", "passed-by"),
        ];
        assert_eq!(states(&run), expected);
        assert!(run.ended_at.is_some());
        let lines = app.log(id).await;
        assert!(lines.iter().any(|l| l.kind == "step" && l.data["reason"] == "đã điều trước đó"), "the reason is in the log");
    })
    .await;
}

#[tokio::test]
async fn a_procedure_is_approved_by_another_and_what_runs_keeps_its_version() {
    both(&[MIGRATIONS], |store| async move {
        let app = App::new(store).await;
        let view = app.open(json!({"kind": "fire", "area": "13225"})).await;
        let all = app.incidents.procedures(&app.operator()).await.unwrap();
        let mut def = all.iter().find(|p| p.code == "fire-basic").unwrap().def.clone();
        def.steps.truncate(2);
        let broken = app.incidents.draft_procedure(&app.lead(), NewProcedure { def: def.clone(), reason: "ngắn hơn".into() }).await.unwrap_err();
        assert_eq!(broken.code(), "incidents.procedure.invalid", "the branch leads nowhere");
        def.steps[0].answers.iter_mut().for_each(|a| a.goto = None);
        let draft = app.incidents.draft_procedure(&app.lead(), NewProcedure { def: def.clone(), reason: "ngắn hơn".into() }).await.unwrap();
        assert_eq!((draft.version, draft.state.as_str()), (2, "draft"));
        assert_eq!(app.incidents.approve_procedure(&app.operator(), "fire-basic", 2).await.unwrap_err().code(), "access.not-allowed");
        assert_eq!(app.incidents.approve_procedure(&app.lead(), "fire-basic", 2).await.unwrap_err().code(), "incidents.second-person");
        let other = app.somebody(8, "leader", &[], &[Permission::IncidentApprove]);
        assert_eq!(app.incidents.approve_procedure(&other, "fire-basic", 2).await.unwrap().state, "approved");
        let next = app.open(json!({"kind": "fire", "area": "11953"})).await;
        assert_eq!((next.runs[0].procedure_version, next.runs[0].steps.len()), (2, 2));
        let before = app.incidents.incident(&app.operator(), view.row.incident.id).await.unwrap();
        assert_eq!((before.runs[0].procedure_version, before.runs[0].steps.len()), (1, 8));
        // The pack installed again changes nothing that people decided.
        app.incidents.install(&app.system(), "operations", pack()).await.unwrap();
        let states: Vec<(u32, String)> = app.incidents.procedure(&app.lead(), "fire-basic").await.unwrap().into_iter().map(|v| (v.version, v.state)).collect();
        assert_eq!(states, [(2, "approved".to_string()), (1, "retired".to_string())]);
    })
    .await;
}
