//! What officers see: their list, the case in full, counts, and (on record) who reported.

use std::collections::BTreeSet;

use dothi_kernel::flow::Phase;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Page, PageQuery, Permission, Result, Scope, Timestamp};
use dothi_store::params;
use uuid::Uuid;

use crate::masks::PhotoRef;
use crate::model::{Answer, Case, CaseRow, ClockView, Counts, Identity, ListQuery, LogEntry, MoveRef};
use crate::pack::CaseType;
use crate::tables::{self, CaseRecord, Filter, LogRecord, Waiting};
use crate::{CURSORS, Cases, consent, tables_consent, tables_media, text};

impl CaseRecord {
    /// Whether the deadline is over (or was, when the case ended).
    pub(crate) fn overdue(&self, now: Timestamp) -> bool {
        match self.on_time {
            Some(kept) if self.stopped => !kept,
            _ => self.clock.since.is_some() && self.clock.due < now,
        }
    }
}

impl Cases {
    /// Cases that the caller may read, by view and filters, paged by deadline (or by arrival).
    pub async fn list(&self, caller: &Caller, query: &ListQuery) -> Result<Page<CaseRow>> {
        caller.require(Permission::CaseRead, Scope::ANY)?;
        let mut filter = Filter::default();
        self.readable(caller, &mut filter);
        match query.view.as_deref().unwrap_or("todo") {
            "todo" => {
                filter.waiting_for(&self.waiting(caller));
                if self.waits_open() {
                    filter.add("closed_at is null", params![]);
                }
            }
            "unit" => {
                filter.add("closed_at is null", params![]);
            }
            "all" => {}
            _ => return Err(Error::invalid("case.view", "A view is todo, unit or all.")),
        }
        for (condition, value) in [("state = ?", &query.state), ("category = ?", &query.category), ("area = ?", &query.area), ("unit = ?", &query.unit)] {
            if let Some(value) = value {
                filter.add(condition, params![value]);
            }
        }
        match query.due.as_deref() {
            None | Some("") => {}
            Some("overdue") => {
                filter.add("running_since is not null and due_at < ?", params![caller.now]);
            }
            Some("soon") => {
                filter.add("running_since is not null and due_at >= ? and due_at <= ?", params![caller.now, self.soon(caller.now)?]);
            }
            Some(_) => return Err(Error::invalid("case.due", "A filter by deadline is overdue or soon.")),
        }
        if let Some(q) = &query.q {
            filter.words("folded", &text::searchable(&text::clean(q, "q", 200)?));
        }
        match query.flagged.as_deref() {
            None | Some("") => {}
            Some("any") => {
                filter.add("flags <> ''", params![]);
            }
            Some(_) => return Err(Error::invalid("case.flagged", "A filter by what was noticed is any.")),
        }
        match query.photos.as_deref() {
            None | Some("") => {}
            Some("undecided") => {
                filter.add(tables_media::UNDECIDED, params![]);
            }
            Some(_) => return Err(Error::invalid("case.photos", "A filter by photos is undecided.")),
        }
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        let after = CURSORS.after::<Uuid>(query.after.as_deref())?;
        let newest = match query.sort.as_deref().unwrap_or("due") {
            "due" => false,
            "opened" => true,
            _ => return Err(Error::invalid("case.sort", "A list is sorted by due or opened.")),
        };
        if let Some((at, id)) = after {
            let condition = if newest { "(opened_at < ? or (opened_at = ? and id < ?))" } else { "(due_at > ? or (due_at = ? and id > ?))" };
            filter.add(condition, params![at, at, id]);
        }
        let order = if newest { "opened_at desc, id desc" } else { "due_at, id" };
        let found = tables::cases(&self.store, filter, order, limit + 1).await?;
        let page = Page::of(found, limit, |c| CURSORS.write(if newest { c.opened_at } else { c.clock.due }, c.id));
        let mut items = Vec::with_capacity(page.items.len());
        for case in &page.items {
            let case_type = self.type_of(case).await?;
            items.push(self.row(case, &case_type, caller.now));
        }
        Ok(Page { items, next: page.next, total: None })
    }

    fn readable(&self, caller: &Caller, filter: &mut Filter) {
        if let Some(units) = caller.units_with(Permission::CaseRead) {
            filter.one_of("unit", &units);
        }
    }

    /// What waits for this caller, with the units they act for: states, and deadlines they were told about.
    fn waiting(&self, caller: &Caller) -> Vec<Waiting> {
        let types = self.installed();
        let all = || types.values().flat_map(|versions| versions.values());
        [
            (Permission::CaseTriage, "state", all().flat_map(|t| t.todo.centre.clone()).collect()),
            (Permission::CaseHandle, "state", all().flat_map(|t| t.todo.handler.clone()).collect()),
            (Permission::CaseApprove, "state", all().flat_map(|t| t.todo.approver.clone()).collect()),
            (Permission::CaseTriage, "escalated", BTreeSet::from(["centre".to_string()])),
            (Permission::CaseApprove, "escalated", BTreeSet::from(["approver".to_string()])),
        ]
        .into_iter()
        .map(|(permission, column, values): (Permission, _, BTreeSet<String>)| Waiting { column, values, units: caller.units_with(permission) })
        .collect()
    }

    /// Whether nothing that has ended waits for anybody, so that only open cases need to be looked through.
    fn waits_open(&self) -> bool {
        let types = self.installed();
        let ended = |t: &CaseType, state: &String| t.flow.states.get(state).is_some_and(|s| matches!(s.phase, Phase::Solved | Phase::Unsolved));
        types.values().flat_map(|versions| versions.values()).all(|t| !t.todo.centre.iter().chain(&t.todo.handler).chain(&t.todo.approver).any(|s| ended(t, s)))
    }

    /// Until when a deadline counts as near.
    fn soon(&self, now: Timestamp) -> Result<Timestamp> {
        let types = self.installed();
        let minutes = types.values().filter_map(|v| v.last_key_value()).map(|(_, t)| t.soon.minutes(&self.calendar)).max();
        self.calendar.add(now, minutes.unwrap_or_else(|| self.calendar.day_minutes()))
    }

    fn row(&self, case: &CaseRecord, case_type: &CaseType, now: Timestamp) -> CaseRow {
        CaseRow {
            id: case.id,
            code: case.code.clone(),
            category: case.category.clone(),
            category_name: case_type.category(&case.category).map_or_else(|| case.category.clone(), |c| c.name.clone()),
            urgency: case.urgency.clone(),
            state: case.state.clone(),
            state_name: case_type.flow.states.get(&case.state).map_or_else(|| case.state.clone(), |s| s.name.clone()),
            phase: case.phase,
            unit: self.unit_ref(&case.unit, case_type),
            area_name: case.area_name.clone(),
            opened_at: case.opened_at,
            due_at: case.clock.due,
            minutes_left: if case.stopped { 0 } else { case.clock.left(&self.calendar, now) },
            overdue: case.overdue(now),
            assignee: case.assignee.clone(),
            text_short: text::short(&case.text, 140),
            escalated: case.escalated.clone(),
            part: case.parent.is_some(),
            version: case.version,
            location: case.location,
            flags: case.flags.split_terminator(',').map(str::to_string).collect(),
        }
    }

    /// Whether the caller may read a case: 401, 403 `access.not-allowed` for officers of other units, 404 `case.unknown`.
    pub async fn may_read(&self, caller: &Caller, id: Uuid) -> Result<()> {
        self.readable_case(caller, id).await.map(|_| ())
    }

    pub(crate) async fn readable_case(&self, caller: &Caller, id: Uuid) -> Result<CaseRecord> {
        let case = tables::case(&self.store, id).await?;
        match &case {
            Some(case) => caller.require(Permission::CaseRead, Scope::unit(&case.unit))?,
            None => caller.require(Permission::CaseRead, Scope::ANY)?,
        }
        case.ok_or_else(tables::unknown)
    }

    /// A case in full; errors as of [`Cases::may_read`].
    pub async fn get(&self, caller: &Caller, id: Uuid) -> Result<Case> {
        let case = self.readable_case(caller, id).await?;
        self.view(caller, case).await
    }

    /// After a move that gave the case to another unit, the mover still sees what became of it.
    pub(crate) async fn get_unchecked(&self, caller: &Caller, id: Uuid) -> Result<Case> {
        let case = tables::case(&self.store, id).await?.ok_or_else(tables::unknown)?;
        self.view(caller, case).await
    }

    async fn view(&self, caller: &Caller, case: CaseRecord) -> Result<Case> {
        let case_type = self.type_of(&case).await?;
        let mut photos = tables::photos_of(&self.store, &[case.id]).await?;
        let photos: Vec<PhotoRef> = photos.remove(&case.id).unwrap_or_default().into_iter().map(|p| p.shown(case.location)).collect();
        let log = tables::log_of(&self.store, case.id).await?;
        let log = log.into_iter().map(|l| self.log_entry(l, &case_type)).collect();
        let open = case_type.flow.open_moves(caller, &case.state, &case.unit, false);
        let open: Vec<_> = open
            .into_iter()
            .filter(|(code, _)| !(case.extended && case_type.has(code, crate::pack::Effect::Extend)))
            .map(|(code, m)| Ok((code, m, self.open_until(&case, &case_type, code)?)))
            .collect::<Result<_>>()?;
        let open: Vec<_> = open.into_iter().filter(|(_, _, until)| until.is_none_or(|at| caller.now <= at)).collect();
        let links = self.family(&case, &case_type, caller.now).await?;
        let shared = self.contact_shared(case.id).await?;
        let may_split = links.parent.is_none() && case_type.parts.as_ref().is_some_and(|p| crate::parts::may_split(p, caller, &case));
        let replies = case_type
            .replies
            .iter()
            .filter(|r| (r.categories.is_empty() || r.categories.contains(&case.category)) && open.iter().any(|(code, _, _)| r.moves.contains(*code)));
        let category = case_type.category(&case.category);
        let state = case_type.flow.states.get(&case.state);
        let after = photos.iter().filter(|p| p.public && p.stage != "report").map(|p| p.masked.as_ref().unwrap_or(&p.sha).clone()).collect();
        let answer = match (&case.answer, case.answered_at) {
            (Some(text), Some(at)) => Some(Answer { text: text.clone(), at, photos: after }),
            _ => None,
        };
        Ok(Case {
            id: case.id,
            category_name: category.map_or_else(|| case.category.clone(), |c| c.name.clone()),
            category_name_en: category.map_or_else(|| case.category.clone(), |c| c.name_en.clone()),
            urgency_name: case_type.urgencies.get(&case.urgency).map_or_else(|| case.urgency.clone(), |u| u.name.clone()),
            state_name: state.map_or_else(|| case.state.clone(), |s| s.name.clone()),
            state_name_en: state.map_or_else(|| case.state.clone(), |s| s.name_en.clone()),
            unit: self.unit_ref(&case.unit, &case_type),
            minutes_left: if case.stopped { 0 } else { case.clock.left(&self.calendar, caller.now) },
            overdue: case.overdue(caller.now),
            moves: open
                .iter()
                .map(|(code, m, until)| MoveRef {
                    code: code.to_string(),
                    name: m.name.clone(),
                    name_en: m.name_en.clone(),
                    requires: m.requires.iter().cloned().collect(),
                    optional: case_type.optional(code, m),
                    until: *until,
                })
                .collect(),
            clock: ClockView {
                used_minutes: case.clock.used_at(&self.calendar, caller.now),
                total_minutes: case.clock.total,
                paused: case.clock.since.is_none() && !case.stopped,
                stopped: case.stopped,
            },
            replies: replies.cloned().collect(),
            due_at: case.clock.due,
            answer_text: case.draft.or(case.answer),
            code: case.code,
            kind: case.kind,
            category: case.category,
            urgency: case.urgency,
            state: case.state,
            phase: case.phase,
            area: case.area,
            area_name: case.area_name,
            address: case.address,
            location: case.location,
            screening: case_type.screen(&case.text),
            private: case.private,
            answers: case.answers,
            published: case.published,
            public_text: case.public_text,
            photos,
            media: self.media_refs(case.id, false).await?,
            text: case.text,
            source: case.source,
            opened_at: case.opened_at,
            closed_at: case.closed_at,
            extended: case.extended,
            planned_for: case.planned_for,
            assignee: case.assignee,
            answer,
            rating: case.stars,
            rating_comment: case.rating_comment,
            followers: case.followers,
            merged_into: case.merged_into,
            version: case.version,
            type_version: case.type_version,
            log,
            routing: case.routing,
            parts: links.parts,
            parent: links.parent,
            may_split,
            escalated: case.escalated,
            contact_shared: shared.map(|g| g.at),
        })
    }

    fn log_entry(&self, l: LogRecord, case_type: &CaseType) -> LogEntry {
        let step = case_type.flow.moves.get(&l.step);
        LogEntry {
            at: l.at,
            by: l.by_name,
            step_name: step.map_or_else(|| l.step.clone(), |m| m.name.clone()),
            step_name_en: step.map_or_else(|| l.step.clone(), |m| m.name_en.clone()),
            step: l.step,
            from: l.from,
            to: l.to,
            unit: self.unit_ref(&l.unit, case_type),
            note: l.note,
            reason: l.reason,
            public_text: l.public_text,
            photos: l.photos,
            late_minutes: l.late_minutes,
        }
    }

    /// Who reported; for the handling unit the contact data alone, as long as the reporter agrees to it. The reading itself is written to the
    /// audit log, in the same transaction.
    pub async fn identity(&self, caller: &Caller, id: Uuid) -> Result<Identity> {
        if !caller.may(Permission::CaseHandle, Scope::ANY) {
            caller.require(Permission::CaseIdentity, Scope::ANY)?;
        }
        let mut tx = self.store.begin(caller).await?;
        let case = tables::case_in(&mut tx, id).await?.ok_or_else(tables::unknown)?;
        let given = tables_consent::of_case_in(&mut tx, id).await?;
        let (person, contact) = tables::reporter_in(&mut tx, id).await?;
        let (identity, why) = match consent::holding(&given) {
            Some(agreed) if !caller.may(Permission::CaseIdentity, Scope::unit(&case.unit)) => {
                caller.require(Permission::CaseHandle, Scope::unit(&case.unit))?;
                let why = serde_json::json!({ "code": case.code, "consent": agreed.version });
                (Identity { code: case.code, contact, person: None, callers: Vec::new() }, why)
            }
            _ => {
                caller.require(Permission::CaseIdentity, Scope::unit(&case.unit))?;
                let (callers, why) = (crate::tables_intake::callers_in(&mut tx, id).await?, serde_json::json!({ "code": case.code }));
                (Identity { code: case.code, contact, person, callers }, why)
            }
        };
        tx.audit("case.identity.read", &format!("case:{id}"), &why).await?;
        tx.commit().await?;
        Ok(identity)
    }

    /// Counts for the officer's start page, over the units they may read.
    pub async fn counts(&self, caller: &Caller) -> Result<Counts> {
        caller.require(Permission::CaseRead, Scope::ANY)?;
        let mut filter = Filter::default();
        self.readable(caller, &mut filter);
        let (now, soon) = (caller.now, self.soon(caller.now)?);
        let zone = self.calendar.zone();
        let midnight = zone.to_datetime(now).date().to_zoned(zone.clone()).map_or(now, |z| micros(z.timestamp().as_microsecond()));
        let mut answered = filter.clone();
        answered.add("answered_at >= ?", params![midnight]);
        filter.add("closed_at is null", params![]);
        let counted = [
            ("1 = 1", params![]),
            ("running_since is not null and due_at < ?", params![now]),
            ("running_since is not null and due_at >= ? and due_at <= ?", params![now, soon]),
            ("assignee is null", params![]),
        ];
        let [open, overdue, soon, unassigned] = tables::count_where(&self.store, filter, counted).await?;
        let [answered_today] = tables::count_where(&self.store, answered, [("1 = 1", params![])]).await?;
        Ok(Counts { open, overdue, soon, unassigned, answered_today })
    }
}
