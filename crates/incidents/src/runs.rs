//! Running procedures: one active step at a time, in order; ended, or skipped with a reason; branches by answers; timers.

use dothi_kernel::time::{later, minutes};
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use dothi_store::Tx;
use serde_json::json;
use uuid::Uuid;

use crate::desk::TEXT;
use crate::jobs::STEP;
use crate::model::{By, Incident, IncidentView, Task};
use crate::model_ops::{ProcedureVersion, Run, RunStep, StartInput, StepInput};
use crate::pack::StepDef;
use crate::{Incidents, maybe, stale, tables, tables_ops, unknown, words};

/// Procedures that run for one incident.
const RUNS: usize = 20;

/// The step after this one, by the answer given; none at the end. Always further down.
pub(crate) fn following(steps: &[StepDef], at: usize, answer: Option<&str>) -> Option<usize> {
    let goto = steps.get(at)?.answers.iter().find(|a| Some(a.code.as_str()) == answer).and_then(|a| a.goto.as_deref());
    match goto {
        Some("end") => None,
        Some(code) => steps.iter().position(|s| s.code == code).filter(|to| *to > at),
        None => Some(at + 1).filter(|next| *next < steps.len()),
    }
}

impl Incidents {
    /// Starts the procedures that fit a new incident.
    pub(crate) async fn start_matching(&self, tx: &mut Tx, incident: &Incident) -> Result<()> {
        for version in tables_ops::approved_in(tx).await? {
            let start = &version.def.start;
            if start.kinds.contains(&incident.kind) && start.from.is_none_or(|from| incident.severity >= from) {
                self.start(tx, incident, &version, true).await?;
            }
        }
        Ok(())
    }

    async fn start(&self, tx: &mut Tx, incident: &Incident, version: &ProcedureVersion, automatic: bool) -> Result<()> {
        let by = By::of(tx.caller());
        let blank = |def: &StepDef| RunStep {
            def: def.clone(),
            state: "waiting".into(),
            begun_at: None,
            due_at: None,
            late: false,
            ended_at: None,
            by: None,
            note: None,
            reason: None,
            answer: None,
            ticked: Vec::new(),
        };
        let mut run = Run {
            id: tx.id(),
            incident: incident.id,
            procedure: version.code.clone(),
            procedure_version: version.version,
            name: version.def.name.clone(),
            name_en: version.def.name_en.clone(),
            automatic,
            begun_at: tx.now(),
            by: by.clone(),
            ended_at: None,
            steps: version.def.steps.iter().map(blank).collect(),
            version: 1,
        };
        let facts = json!({ "run": run.id, "procedure": run.procedure, "version": run.procedure_version, "automatic": automatic, "what": "started" });
        tables::log(tx, incident.id, &by, "step", &run.name, &facts).await?;
        self.begin_step(tx, incident, &mut run, 0).await?;
        tables_ops::insert_run(tx, &run).await
    }

    /// Makes a step the active one: its timer, and a task for the agency it names.
    async fn begin_step(&self, tx: &mut Tx, incident: &Incident, run: &mut Run, at: usize) -> Result<()> {
        let (now, run_id) = (tx.now(), run.id);
        let Some(step) = run.steps.get_mut(at) else { return Ok(()) };
        step.state = "active".into();
        step.begun_at = Some(now);
        step.due_at = step.def.minutes.map(|m| later(now, minutes(m)));
        match step.due_at {
            Some(due) => tx.schedule(STEP, &run_id.to_string(), due).await?,
            None => tx.unschedule(STEP, &run_id.to_string()).await?,
        }
        let Some(function) = step.def.task_for.clone() else { return Ok(()) };
        let found = incident.place.area.as_deref().and_then(|a| self.directory.organisation_for(a, &function));
        let unit = found.unwrap_or_else(|| incident.unit.clone());
        let task = Task {
            id: tx.id(),
            incident: incident.id,
            code: incident.code.clone(),
            title: incident.title.clone(),
            drill: incident.drill,
            text: step.def.text.clone(),
            unit,
            person: None,
            step: Some(format!("{run_id}:{}", step.def.code)),
            due_at: step.due_at,
            state: "open".into(),
            at: now,
            by: By::of(tx.caller()),
            done_at: None,
            done_by: None,
            note: None,
            version: 1,
        };
        tables::insert_task(tx, &task).await?;
        tables::log(tx, incident.id, &task.by, "task", &task.text, &json!({ "task": task.id, "unit": task.unit.id, "step": task.step, "what": "given" })).await
    }

    /// Starts an approved procedure by hand. 409 `incidents.procedure.runs` when it runs already.
    pub async fn start_procedure(&self, caller: &Caller, id: Uuid, input: StartInput) -> Result<IncidentView> {
        let mut tx = self.store.begin(caller).await?;
        let mut incident = self.workable(&mut tx, caller, id, None).await?;
        let runs = tables_ops::runs_in(&mut tx, id).await?;
        if runs.len() >= RUNS || runs.iter().any(|r| r.procedure == input.procedure && r.ended_at.is_none()) {
            return Err(Error::conflict("incidents.procedure.runs", "This procedure runs already, or too many ran."));
        }
        let approved = tables_ops::approved_in(&mut tx).await?.into_iter().find(|v| v.code == input.procedure).ok_or_else(unknown)?;
        self.start(&mut tx, &incident, &approved, false).await?;
        self.told(&mut tx, &incident, "step");
        tables::update(&mut tx, &mut incident).await?;
        tx.commit().await?;
        self.incident(caller, id).await
    }

    /// Ends the active step of a run, or skips it with a reason, and goes on to the next.
    /// 403 `incidents.step.role` for another role than the step's, 409 `incidents.step.not-active`, 400 `incidents.step.reason`
    /// (skipping), `incidents.step.answer`, `incidents.step.checklist`.
    pub async fn end_step(&self, caller: &Caller, id: Uuid, run: Uuid, input: StepInput) -> Result<IncidentView> {
        let mut tx = self.store.begin(caller).await?;
        let incident = self.workable(&mut tx, caller, id, None).await?;
        let mut run = tables_ops::run_in(&mut tx, run).await?;
        if run.incident != id {
            return Err(unknown());
        }
        if run.version != input.version {
            return Err(stale());
        }
        let at = run.steps.iter().position(|s| s.state == "active" && s.def.code == input.step);
        let Some(at) = at.filter(|_| run.ended_at.is_none()) else {
            return Err(Error::conflict("incidents.step.not-active", "This step is not the active one: each is ended or skipped before the next."));
        };
        self.settle_step(&mut tx, &incident, &mut run, at, input).await?;
        self.told(&mut tx, &incident, "step");
        tables_ops::update_run(&mut tx, &mut run).await?;
        tx.commit().await?;
        self.incident(caller, id).await
    }

    async fn settle_step(&self, tx: &mut Tx, incident: &Incident, run: &mut Run, at: usize, input: StepInput) -> Result<()> {
        let caller = tx.caller().clone();
        let Some(step) = run.steps.get_mut(at) else { return Err(unknown()) };
        if let Some(role) = &step.def.role
            && !caller.grants.iter().any(|g| g.role == *role)
            && !caller.may(Permission::IncidentApprove, Scope::unit(&incident.unit.id))
        {
            return Err(Error::forbidden("incidents.step.role", "This step belongs to another role.").with("role", role));
        }
        step.note = maybe(input.note.as_deref(), "note", TEXT)?;
        if input.skip {
            let given = input.reason.as_deref().map(str::trim).filter(|r| !r.is_empty());
            let reason = given.ok_or_else(|| Error::invalid("incidents.step.reason", "A step is skipped only with a reason."))?;
            step.reason = Some(words(reason, "reason", TEXT)?);
            step.state = "skipped".into();
        } else {
            let fits = |a: &str| step.def.answers.iter().any(|x| x.code == a);
            if !step.def.answers.is_empty() && !input.answer.as_deref().is_some_and(fits) {
                return Err(Error::invalid("incidents.step.answer", "Answer the step's question."));
            }
            let ticked: std::collections::BTreeSet<u32> = input.ticked.into_iter().filter(|n| (*n as usize) < step.def.checklist.len()).collect();
            if ticked.len() < step.def.checklist.len() {
                return Err(Error::invalid("incidents.step.checklist", "Tick every point, or skip the step with a reason."));
            }
            step.ticked = ticked.into_iter().collect();
            step.answer = input.answer.filter(|_| !step.def.answers.is_empty());
            step.state = "done".into();
        }
        (step.ended_at, step.by) = (Some(caller.now), Some(By::of(&caller)));
        let facts = json!({ "run": run.id, "step": step.def.code, "what": step.state, "reason": step.reason, "note": step.note, "answer": step.answer, "late": step.late });
        let (text, answer) = (step.def.text.clone(), step.answer.clone());
        tables::log(tx, incident.id, &By::of(&caller), "step", &text, &facts).await?;
        let defs: Vec<StepDef> = run.steps.iter().map(|s| s.def.clone()).collect();
        let next = following(&defs, at, answer.as_deref());
        for passed in run.steps.iter_mut().take(next.unwrap_or(defs.len())).skip(at + 1) {
            passed.state = "passed-by".into();
        }
        match next {
            Some(next) => self.begin_step(tx, incident, run, next).await,
            None => {
                run.ended_at = Some(caller.now);
                tx.unschedule(STEP, &run.id.to_string()).await?;
                let facts = json!({ "run": run.id, "procedure": run.procedure, "what": "ended" });
                tables::log(tx, incident.id, &By::of(&caller), "step", &run.name, &facts).await
            }
        }
    }

    /// The due time of a run's active step has come: written down once.
    pub(crate) async fn step_due(&self, key: &str) -> Result<()> {
        let Ok(id) = key.parse::<Uuid>() else { return Ok(()) };
        let mut tx = self.store.begin_as("incidents").await?;
        let Ok(mut run) = tables_ops::run_in(&mut tx, id).await else { return Ok(()) };
        let now: Timestamp = tx.now();
        let ended = run.ended_at.is_some();
        let Some(step) = run.steps.iter_mut().find(|s| !ended && s.state == "active" && !s.late && s.due_at.is_some_and(|d| d <= now)) else { return Ok(()) };
        step.late = true;
        let (text, facts) = (step.def.text.clone(), json!({ "run": run.id, "step": step.def.code, "what": "late" }));
        let incident = tables::get_in(&mut tx, run.incident).await?;
        tables::log(&mut tx, incident.id, &By { id: None, name: "incidents".into() }, "step", &text, &facts).await?;
        self.told(&mut tx, &incident, "step");
        tables_ops::update_run(&mut tx, &mut run).await?;
        tx.commit().await
    }
}
