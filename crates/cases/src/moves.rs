//! Moves: who may, what they need, what they do to the clock, the text and the answer. One transaction each.

use std::collections::BTreeSet;

use bytes::Bytes;
use dothi_kernel::flow::{Actor, ClockRun, Phase};
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, CallerKind, Error, Event, Permission, Result, Scope, Timestamp};
use dothi_store::Tx;
use uuid::Uuid;

use crate::clock::CaseClock;
use crate::model::{Case, MoveInput, PublicCase, RoutingTrace};
use crate::pack::{CaseType, Effect};
use crate::photos::Photo;
use crate::tables::{self, CaseRecord, LogRecord};
use crate::{Cases, public, text};

/// Timer of reminders.
pub(crate) const CLOCK_JOB: &str = "cases.clock";
/// Timer of states that must not last for ever.
pub(crate) const TIMEOUT_JOB: &str = "cases.timeout";

/// A move as it is made.
pub(crate) struct Step<'a> {
    pub code: &'a str,
    pub input: &'a MoveInput,
    pub photos: &'a [Photo],
    /// Whether the caller is the reporter.
    pub own: bool,
}

impl Cases {
    /// Makes a move on a case as an officer. 409 `case.version` when somebody else was faster; the errors of
    /// [`dothi_kernel::flow::Flow::admit`]; 403 `case.same-person` when a second person is needed.
    pub async fn make_move(&self, caller: &Caller, id: Uuid, step: &str, input: MoveInput, photos: Vec<Bytes>) -> Result<Case> {
        let case = self.readable_case(caller, id).await?;
        self.advance(caller, case, step, input, photos, false).await?;
        self.get_unchecked(caller, id).await
    }

    /// Makes a move of the reporter, who shows the key or is signed in.
    pub async fn reporter_move(&self, caller: &Caller, code: &str, step: &str, input: MoveInput, photos: Vec<Bytes>) -> Result<PublicCase> {
        let case = self.own_case(caller, code, input.key.as_deref()).await?;
        let id = case.id;
        self.advance(caller, case, step, input, photos, true).await?;
        let case = tables::case(&self.store, id).await?.ok_or_else(tables::unknown)?;
        self.own_view(caller, case).await
    }

    /// Writes an internal note into a case's log; for those who handle it or steer it.
    pub async fn note(&self, caller: &Caller, id: Uuid, note: &str) -> Result<Case> {
        self.may_read(caller, id).await?;
        let mut tx = self.store.begin(caller).await?;
        let case = tables::case_in(&mut tx, id).await?.ok_or_else(tables::unknown)?;
        if !caller.may(Permission::CaseTriage, Scope::unit(&case.unit)) {
            caller.require(Permission::CaseHandle, Scope::unit(&case.unit))?;
        }
        let note = text::clean(note, "note", 4_000)?;
        if note.is_empty() {
            return Err(Error::invalid("case.text.missing", "The note is empty."));
        }
        let log = LogRecord { by_id: caller.id, step: "note".into(), note: Some(note), ..LogRecord::of(&case, caller.now, self.actor(caller)) };
        tables::insert_log(&mut tx, id, &log).await?;
        tx.commit().await?;
        self.get_unchecked(caller, id).await
    }

    async fn advance(&self, caller: &Caller, case: CaseRecord, step: &str, mut input: MoveInput, photos: Vec<Bytes>, own: bool) -> Result<()> {
        let case_type = self.type_of(&case).await?;
        clean_input(&mut input, case_type.limits.text_chars)?;
        self.check_photos(&case_type, &photos)?;
        // Asked before the photos are worked on, and again inside the change.
        let mut filled = filled(&input, !photos.is_empty());
        filled.insert("photo_after".into());
        case_type.flow.admit(caller, &case.state, &case.unit, own, step, &filled)?;
        let photos = self.darkroom.develop(photos).await?;
        let mut tx = self.store.begin(caller).await?;
        let mut case = tables::case_in(&mut tx, case.id).await?.ok_or_else(tables::unknown)?;
        if case.version != input.version {
            return Err(tables::stale().with("version", case.version));
        }
        self.apply(&mut tx, &mut case, &case_type, Step { code: step, input: &input, photos: &photos, own }).await?;
        tx.commit().await
    }

    /// Everything a move does, inside the caller's transaction.
    pub(crate) async fn apply(&self, tx: &mut Tx, case: &mut CaseRecord, case_type: &CaseType, step: Step<'_>) -> Result<()> {
        let caller = tx.caller().clone();
        let mut filled = filled(step.input, false);
        if let (Some(order), false) = (&step.input.proof_of, step.own) {
            self.take_proof(tx, case, order).await?;
        }
        let fresh = if step.own { 0 } else { tables::fresh_photos(tx, case.id, step.photos).await? };
        if fresh > 0 || tables::has_after_photo(tx, case.id).await? {
            filled.insert("photo_after".into());
        }
        let chosen = case_type.flow.admit(&caller, &case.state, &case.unit, step.own, step.code, &filled)?;
        for earlier in &chosen.not_by_maker_of {
            if caller.id.is_some() && tables::last_maker(tx, case.id, earlier).await? == caller.id {
                return Err(Error::forbidden("case.same-person", "A second person must do this.").with("move", step.code));
            }
        }
        self.in_time(case, case_type, step.code, &caller)?;
        self.parts_ended(tx, case, case_type, step.code).await?;
        let from = case.state.clone();
        let late = case.clock.late(&self.calendar, caller.now);
        self.correct(case, case_type, chosen.by, step.input)?;
        self.enter(tx, case, case_type, &chosen.to).await?;
        self.draw_sample(tx, case, case_type, &from).await?;
        let stage = if step.own { "report" } else { "after" };
        self.keep_photos(tx, case.id, stage, step.photos).await?;
        self.effects(tx, case, case_type, &step).await?;
        let official = matches!(caller.kind, CallerKind::Staff | CallerKind::Program | CallerKind::System) && !step.own;
        let log = LogRecord {
            at: caller.now,
            by_id: caller.id.filter(|_| official),
            by_name: if step.own { "reporter".into() } else { self.actor(&caller).to_string() },
            step: step.code.to_string(),
            from: from.clone(),
            to: case.state.clone(),
            unit: case.unit.clone(),
            note: step.input.note.clone(),
            reason: step.input.reason.clone(),
            public_text: step.input.public_answer.clone(),
            photos: step.photos.iter().map(|p| p.full.sha256.clone()).collect(),
            late_minutes: late,
        };
        tables::insert_log(tx, case.id, &log).await?;
        if step.code == case_type.rating.reopen_move {
            case.reopened += 1;
        }
        tables::update_case(tx, case, &public::folded(case, case_type)).await?;
        case.version += 1;
        self.tell_parent(tx, case, case_type, &from).await?;
        self.set_timers(tx, case, case_type).await?;
        tx.emit(Event::CaseMoved {
            case: case.id,
            code: case.code.clone(),
            step: step.code.to_string(),
            from,
            to: case.state.clone(),
            unit: case.unit.clone(),
        });
        if case_type.has(step.code, Effect::PublishAnswer) && case.listed {
            tx.emit(Event::CaseAnswered { case: case.id, code: case.code.clone() });
        }
        Ok(())
    }

    /// Corrections of the centre: category and urgency, with the deadline they bring.
    fn correct(&self, case: &mut CaseRecord, case_type: &CaseType, by: Actor, input: &MoveInput) -> Result<()> {
        if input.category.is_none() && input.urgency.is_none() {
            return Ok(());
        }
        if by != Actor::Centre {
            return Err(Error::invalid("case.field.not-here", "Only the centre corrects category and urgency."));
        }
        if let Some(code) = &input.category {
            let category = case_type.category(code).ok_or_else(|| Error::invalid("case.category.unknown", "Choose a category from the list."))?;
            (case.category, case.topic) = (category.code.clone(), category.topic.clone());
        }
        if let Some(urgency) = &input.urgency {
            if !case_type.urgencies.contains_key(urgency) {
                return Err(Error::invalid("case.urgency.unknown", "Choose an urgency from the list."));
            }
            case.urgency.clone_from(urgency);
        }
        case.clock.set_total(&self.calendar, case_type.budget(&case.category, &case.urgency, &self.calendar))
    }

    /// The state changes, and the clock with it.
    async fn enter(&self, tx: &mut Tx, case: &mut CaseRecord, case_type: &CaseType, to: &str) -> Result<()> {
        let now = tx.now();
        let state = case_type.flow.states.get(to).ok_or_else(|| Error::internal("entering a state", to))?;
        if state.clock != ClockRun::Stopped && case.stopped {
            // Opened again: a fresh deadline, and earlier proof does not count for new work.
            let budget = case_type.budget(&case.category, &case.urgency, &self.calendar);
            case.clock = CaseClock::start(&self.calendar, now, budget)?;
            (case.stopped, case.extended, case.escalated) = (false, false, None);
            (case.draft, case.planned_for) = (None, None);
            tables::retire_after_photos(tx, case.id).await?;
        }
        match state.clock {
            ClockRun::Runs => case.clock.resume(&self.calendar, now)?,
            ClockRun::Paused => case.clock.pause(&self.calendar, now),
            ClockRun::Stopped => {
                if !case.stopped {
                    // What was late stays late: it is written down when it happens.
                    let kept = case.clock.since.is_none() || now <= case.clock.due;
                    case.on_time = Some(case.on_time.unwrap_or(true) && kept);
                    case.clock.pause(&self.calendar, now);
                    case.stopped = true;
                    case.escalated = None;
                }
            }
        }
        let ended = state.clock == ClockRun::Stopped && matches!(state.phase, Phase::Solved | Phase::Unsolved);
        case.closed_at = if ended { case.closed_at.or(Some(now)) } else { None };
        if case.state != to {
            case.state_since = now;
        }
        case.state = to.to_string();
        case.phase = state.phase;
        Ok(())
    }

    async fn effects(&self, tx: &mut Tx, case: &mut CaseRecord, case_type: &CaseType, step: &Step<'_>) -> Result<()> {
        let (input, now) = (step.input, tx.now());
        let has = |effect| case_type.has(step.code, effect);
        // A private report is accepted like any other, and its words stay with the officers.
        if has(Effect::Publish) && !case.private {
            if crate::tables_uploads::waits(tx, case.id).await? {
                let wait = std::time::Duration::from_secs(5);
                return Err(
                    Error::unavailable("case.photo.waiting", "A photo of this report is still being prepared. Please try again shortly.").retry_after(wait)
                );
            }
            case.published = true;
            case.public_text = Some(input.public_text.clone().unwrap_or_else(|| case_type.screen(&case.text).proposal));
            tables::show_photos(tx, case.id, "report", true).await?;
        }
        if has(Effect::Unpublish) {
            case.published = false;
            case.public_text = None;
            tables::show_photos(tx, case.id, "report", false).await?;
        }
        if has(Effect::Unlist) {
            case.listed = false;
        }
        if has(Effect::List) {
            // Parts are shown on the page of the whole.
            case.listed = case.parent.is_none();
            if case.routing.rule == crate::intake::HELD {
                self.route_released(case, case_type)?;
            }
        }
        if has(Effect::Assign) {
            self.assign(case, input)?;
            case.unit_since = now;
        }
        if has(Effect::Take) {
            case.assignee = Some(tx.caller().name.to_string());
        }
        if has(Effect::Extend) {
            if case.extended {
                return Err(Error::conflict("case.extended", "The deadline was extended once already."));
            }
            case.extended = true;
            case.escalated = None;
            let more = case_type.extension.minutes(&self.calendar);
            case.clock.set_total(&self.calendar, case.clock.total.saturating_add(more))?;
        }
        if has(Effect::DraftAnswer) {
            case.draft.clone_from(&input.public_answer);
        }
        if has(Effect::PublishAnswer) {
            let answer = input.public_answer.clone().or_else(|| case.draft.clone());
            case.answer = Some(answer.ok_or_else(|| Error::invalid("flow.field-missing", "A required field is missing.").with("field", "public_answer"))?);
            case.answered_at = Some(now);
            tables::show_photos(tx, case.id, "after", true).await?;
        }
        if has(Effect::Merge) {
            self.merge(tx, case, input.merge_into.as_deref().unwrap_or_default()).await?;
        }
        for sha in &input.hide_photos {
            tables::hide_photo(tx, case.id, sha).await?;
        }
        if let Some(date) = &input.planned_for {
            case.planned_for = Some(date.clone());
        }
        Ok(())
    }

    /// Until when a move is open; none = as long as the state lasts.
    pub(crate) fn open_until(&self, case: &CaseRecord, case_type: &CaseType, step: &str) -> Result<Option<Timestamp>> {
        case_type.window(step).map(|within| self.calendar.add(case.unit_since, within.minutes(&self.calendar))).transpose()
    }

    /// 409 `case.move.too-late` when the move was open for a while only, and that is over.
    fn in_time(&self, case: &CaseRecord, case_type: &CaseType, step: &str, caller: &Caller) -> Result<()> {
        match self.open_until(case, case_type, step)? {
            Some(until) if caller.now > until => {
                Err(Error::conflict("case.move.too-late", "The time for this step is over.").with("move", step).with("until", until))
            }
            _ => Ok(()),
        }
    }

    fn assign(&self, case: &mut CaseRecord, input: &MoveInput) -> Result<()> {
        let Some(unit) = input.unit.as_deref().filter(|u| *u != case.unit) else {
            return if case.unit.is_empty() {
                Err(Error::invalid("flow.field-missing", "Nobody is named for this case yet: choose a unit.").with("field", "unit"))
            } else {
                Ok(())
            };
        };
        let found = self.directory.unit(unit).ok_or_else(|| Error::invalid("case.unit.unknown", "There is no such unit."))?;
        let warning = case.routing.warning.take();
        case.routing =
            RoutingTrace { rule: "manual".into(), why: input.reason.clone().unwrap_or_default(), area: case.area.clone(), warning, ..RoutingTrace::default() };
        case.unit = found.id;
        case.assignee = None;
        Ok(())
    }

    async fn merge(&self, tx: &mut Tx, case: &mut CaseRecord, into: &str) -> Result<()> {
        let target = tables::case_by_code_in(tx, into).await?.filter(|t| t.id != case.id && t.kind == case.kind && t.merged_into.is_none());
        let target = target.ok_or_else(|| Error::unprocessable("case.merge.target", "The other case cannot take this one in."))?;
        tables::move_followers(tx, case.id, target.id).await?;
        case.merged_into = Some(target.code);
        Ok(())
    }

    /// Sets the timers that the present state asks for.
    pub(crate) async fn set_timers(&self, tx: &mut Tx, case: &CaseRecord, case_type: &CaseType) -> Result<()> {
        let key = case.id.to_string();
        match case.clock.next_reminder(&self.calendar, &case_type.shares())? {
            Some(at) => tx.schedule(CLOCK_JOB, &key, at).await?,
            None => tx.unschedule(CLOCK_JOB, &key).await?,
        }
        match case_type.timeouts.iter().find(|t| t.state == case.state) {
            Some(timeout) => tx.schedule(TIMEOUT_JOB, &key, micros(case.state_since.as_microsecond() + i64::from(timeout.after_days) * 86_400_000_000)).await,
            None => tx.unschedule(TIMEOUT_JOB, &key).await,
        }
    }
}

/// Names of the fields that hold something.
fn filled(input: &MoveInput, photos: bool) -> BTreeSet<String> {
    let fields = [
        ("note", &input.note),
        ("public_answer", &input.public_answer),
        ("reason", &input.reason),
        ("unit", &input.unit),
        ("merge_into", &input.merge_into),
        ("planned_for", &input.planned_for),
    ];
    let mut names: BTreeSet<String> = fields.iter().filter(|(_, v)| v.is_some()).map(|(n, _)| n.to_string()).collect();
    if photos {
        names.insert("photo_after".into());
    }
    names
}

fn clean_input(input: &mut MoveInput, limit: usize) -> Result<()> {
    for (field, value, limit) in [
        ("note", &mut input.note, limit),
        ("public_answer", &mut input.public_answer, limit),
        ("public_text", &mut input.public_text, limit),
        ("reason", &mut input.reason, 1_000),
        ("unit", &mut input.unit, 100),
        ("category", &mut input.category, 40),
        ("urgency", &mut input.urgency, 40),
        ("merge_into", &mut input.merge_into, 20),
        ("planned_for", &mut input.planned_for, 10),
        ("proof_of", &mut input.proof_of, 20),
    ] {
        *value = text::clean_opt(value.as_deref(), field, limit)?;
    }
    if input.planned_for.as_ref().is_some_and(|d| d.parse::<jiff::civil::Date>().is_err()) {
        return Err(Error::invalid("case.planned-for", "A date looks like 2026-12-05."));
    }
    if input.hide_photos.len() > 50 {
        return Err(Error::invalid("case.photo.too-many", "Too many photos."));
    }
    Ok(())
}
