//! Work orders: given to a crew, moved on by it from the phone (also later, when there was no network), checked by the unit.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use dothi_kernel::flow::Actor;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Error, Event, Page, PageQuery, Permission, Result, Scope, Timestamp};
use dothi_store::{Tx, params};
use uuid::Uuid;

use crate::crews::{unknown_crew, works};
use crate::model::MoveRef;
use crate::photos::Photo;
use crate::tables::{self, CaseRecord, Filter, LogRecord};
use crate::tables_work::{self, OrderLogRecord, OrderPhotoRecord, OrderRecord};
use crate::work::{CheckLine, CrewStep, MaterialLine, NewOrder, OrderCase, OrderLog, OrderMove, OrderPhoto, OrdersQuery, WorkOrder};
use crate::work_pack::{CheckAnswer, CheckItem, InstalledKind, PHOTO_ITEMS};
use crate::{CURSORS, Cases, tables_media, text};

/// Most photos of one step.
const PHOTOS: usize = 10;
/// Biggest photo, bytes.
const PHOTO_BYTES: usize = 10 * 1024 * 1024;
/// Most material of one line: what is above is a slip of the finger.
const MOST: f64 = 1_000_000.0;

impl Cases {
    async fn kind_of(&self, order: &OrderRecord) -> Result<Arc<InstalledKind>> {
        let find = || self.work_kinds().get(&order.kind).and_then(|v| v.get(&order.kind_version)).cloned();
        if let Some(found) = find() {
            return Ok(found);
        }
        // Another node may have installed it.
        self.reload_work().await?;
        find().ok_or_else(|| Error::internal("finding a kind of work", format!("{} version {}", order.kind, order.kind_version)))
    }

    /// Gives an order to a crew. With a key the same request gives the same order again.
    ///
    /// 400 `work.kind.unknown`, `work.crew.inactive`, `case.planned-for`, `case.text.*`; 403; 404 `work.crew.unknown`; 409 `work.case.ended`.
    pub async fn give_order(&self, caller: &Caller, new: NewOrder, key: Option<&str>) -> Result<WorkOrder> {
        let kinds = self.work_kinds();
        let (version, kind) = kinds
            .get(&new.kind)
            .and_then(|versions| versions.last_key_value())
            .ok_or_else(|| Error::invalid("work.kind.unknown", "Choose a kind of work from the list."))?;
        let words = text::clean(&new.text, "text", 4_000)?;
        if words.is_empty() {
            return Err(Error::invalid("case.text.missing", "Say what is to be done."));
        }
        let seen = match new.case {
            Some(id) => Some(self.readable_case(caller, id).await?),
            None => None,
        };
        let unit = seen.as_ref().map(|c| c.unit.clone()).or(new.unit.clone()).unwrap_or_default();
        caller.require(Permission::CaseHandle, Scope::unit(&unit))?;
        if new.alarm.is_some() {
            caller.require(Permission::AlarmRead, Scope::ANY)?;
        }
        let crew = tables_work::crews(&self.store, Some(new.crew), None).await?.pop().filter(|c| c.unit == unit).ok_or_else(unknown_crew)?;
        if !crew.active {
            return Err(Error::invalid("work.crew.inactive", "This crew gets no new orders."));
        }
        let asked = text::hash(&[&serde_json::to_string(&new).unwrap_or_default()]);
        let mut tx = self.store.begin(caller).await?;
        let id = tx.id();
        if let Some(before) = self.seen_before(&mut tx, "give", key, &asked, id).await? {
            tx.rollback().await?;
            return self.order_view(caller, before).await;
        }
        let case = match &seen {
            Some(case) => Some(tables::case_in(&mut tx, case.id).await?.ok_or_else(tables::unknown)?),
            None => None,
        };
        if case.as_ref().is_some_and(|c| c.stopped || c.unit != unit) {
            return Err(Error::conflict("work.case.ended", "This case has ended or went to another unit."));
        }
        let (location, address, area_name) = self.order_place(&new, case.as_ref())?;
        let state = kind.way.flow.initial.clone();
        let order = OrderRecord {
            id,
            code: tables_work::free_code(&mut tx, &kind.way.code_prefix).await?,
            kind: new.kind.clone(),
            kind_version: *version,
            unit,
            crew: crew.id,
            case: case.as_ref().map(|c| c.id),
            alarm: new.alarm,
            text: words,
            address,
            area_name,
            location,
            due_at: self.order_due(&new, kind, case.as_ref(), caller.now)?,
            planned_for: new.planned_for.clone(),
            given_at: caller.now,
            given_by: self.actor(caller).to_string(),
            given_by_id: caller.id,
            phase: kind.way.flow.states.get(&state).map_or(dothi_kernel::flow::Phase::Open, |s| s.phase),
            waits_for: kind.way.waits_for(&state).into(),
            state,
            state_since: caller.now,
            ended_at: None,
            answers: BTreeMap::new(),
            used: BTreeMap::new(),
            version: 1,
        };
        tables_work::insert_order(&mut tx, &order).await?;
        let log = OrderLogRecord {
            at: caller.now,
            received_at: caller.now,
            by_id: caller.id,
            by_name: order.given_by.clone(),
            step: "give".into(),
            to: order.state.clone(),
            note: None,
            reason: None,
            location: None,
        };
        tables_work::insert_log(&mut tx, order.id, &log).await?;
        self.tell_case(&mut tx, &order, format!("{} → {}", order.code, crew.name)).await?;
        self.announce(&mut tx, &order, "give");
        tx.commit().await?;
        self.order_view(caller, order.id).await
    }

    /// Where the work is: the case's spot, or the one given.
    fn order_place(&self, new: &NewOrder, case: Option<&CaseRecord>) -> Result<(Option<Point>, Option<String>, Option<String>)> {
        if let Some(case) = case {
            return Ok((case.location, case.address.clone(), case.area_name.clone()));
        }
        let location = new.lon.zip(new.lat).map(|(lon, lat)| Point::new(lon, lat)).transpose()?;
        let area = location.and_then(|p| self.directory.locate(p)).map(|p| p.commune_name);
        Ok((location, text::clean_opt(new.address.as_deref(), "address", 300)?, area))
    }

    /// The end of the planned day, or the working time the kind allows; never after the case's own deadline.
    fn order_due(&self, new: &NewOrder, kind: &InstalledKind, case: Option<&CaseRecord>, now: Timestamp) -> Result<Timestamp> {
        let own = match &new.planned_for {
            Some(day) => {
                let bad = || Error::invalid("case.planned-for", "A date looks like 2026-12-05.");
                let day: jiff::civil::Date = day.parse().map_err(|e| bad().because(e))?;
                let next = day.tomorrow().map_err(|e| bad().because(e))?.to_zoned(self.calendar.zone().clone()).map_err(|e| bad().because(e))?;
                if next.timestamp() <= now {
                    return Err(Error::invalid("work.planned-for.past", "The planned day is over."));
                }
                next.timestamp()
            }
            None => self.calendar.add(now, kind.kind.within.minutes(&self.calendar))?,
        };
        Ok(case.map_or(own, |c| if c.clock.due > now { own.min(c.clock.due) } else { own }))
    }

    /// The order that was made or moved under this key before. 422 `case.idempotency-key.reused`.
    async fn seen_before(&self, tx: &mut Tx, scope: &str, key: Option<&str>, asked: &str, id: Uuid) -> Result<Option<Uuid>> {
        let Some(key) = key else { return Ok(None) };
        if !(8..=200).contains(&key.len()) {
            return Err(Error::invalid("case.idempotency-key", "An Idempotency-Key has 8 to 200 characters."));
        }
        let scope = format!("work.{scope}:{}", self.who(tx.caller()));
        let Some(before) = tx.once(&scope, &text::hash(&[key]), &format!("{id} {asked}")).await? else { return Ok(None) };
        let (id, was) = before.split_once(' ').unwrap_or_default();
        if was != asked {
            return Err(Error::unprocessable("case.idempotency-key.reused", "This Idempotency-Key was used for another request."));
        }
        Ok(Some(id.parse().map_err(|e| Error::internal("reading a remembered order", e))?))
    }

    /// A line in the log of the case an order is about.
    async fn tell_case(&self, tx: &mut Tx, order: &OrderRecord, note: String) -> Result<()> {
        let Some(id) = order.case else { return Ok(()) };
        let Some(case) = tables::case_in(tx, id).await? else { return Ok(()) };
        let (by_id, by) = (tx.caller().id, self.actor(tx.caller()).to_string());
        let log = LogRecord { by_id, step: "work".into(), note: Some(note), ..LogRecord::of(&case, tx.now(), &by) };
        tables::insert_log(tx, id, &log).await
    }

    fn announce(&self, tx: &mut Tx, order: &OrderRecord, step: &str) {
        tx.emit(Event::WorkMoved {
            order: order.id,
            code: order.code.clone(),
            step: step.to_string(),
            to: order.state.clone(),
            unit: order.unit.clone(),
            case: order.case,
        });
    }

    /// Who may see an order: officers who read the unit's cases, and the crew.
    async fn readable_order(&self, caller: &Caller, id: Uuid) -> Result<OrderRecord> {
        works(caller, Scope::ANY)?;
        let unknown = || Error::not_found("work.order.unknown", "There is no such work order.");
        let order = tables_work::order_by_id(&self.store, id).await?.ok_or_else(unknown)?;
        let of_unit = caller.may(Permission::CaseRead, Scope::unit(&order.unit)) || caller.may(Permission::CaseHandle, Scope::unit(&order.unit));
        if of_unit || self.in_crew(caller, &order).await? {
            return Ok(order);
        }
        Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."))
    }

    async fn in_crew(&self, caller: &Caller, order: &OrderRecord) -> Result<bool> {
        match caller.id {
            Some(id) if caller.may(Permission::WorkDo, Scope::unit(&order.unit)) => Ok(tables_work::crews_of(&self.store, id).await?.contains(&order.crew)),
            _ => Ok(false),
        }
    }

    /// Whether the caller may see an order: 401, 403 `access.not-allowed`, 404 `work.order.unknown`.
    pub async fn may_read_order(&self, caller: &Caller, id: Uuid) -> Result<()> {
        self.readable_order(caller, id).await.map(|_| ())
    }

    /// An order in full.
    pub async fn order(&self, caller: &Caller, id: Uuid) -> Result<WorkOrder> {
        let order = self.readable_order(caller, id).await?;
        self.order_view(caller, order.id).await
    }

    /// Orders by view, the nearest deadline first. 400 `work.view`.
    pub async fn orders(&self, caller: &Caller, query: &OrdersQuery) -> Result<Page<WorkOrder>> {
        let mut filter = Filter::default();
        let view = query.view.as_deref().unwrap_or("mine");
        match view {
            "mine" => {
                caller.require(Permission::WorkDo, Scope::ANY)?;
                let crews: BTreeSet<String> = tables_work::crews_of(&self.store, caller.person()?).await?.iter().map(Uuid::to_string).collect();
                filter.one_of("crew", &crews).add("waits_for = 'crew'", params![]);
                // A role that ended takes the orders with it.
                if let Some(units) = caller.units_with(Permission::WorkDo) {
                    filter.one_of("unit", &units);
                }
            }
            "unit" | "all" => {
                caller.require(Permission::CaseRead, Scope::ANY)?;
                if let Some(units) = caller.units_with(Permission::CaseRead) {
                    filter.one_of("unit", &units);
                }
                if view == "unit" {
                    filter.add("waits_for <> ''", params![]);
                }
            }
            _ => return Err(Error::invalid("work.view", "A view is mine, unit or all.")),
        }
        for (condition, value) in [("crew = ?", &query.crew), ("case_id = ?", &query.case), ("alarm = ?", &query.alarm)] {
            if let Some(value) = value {
                filter.add(condition, params![value]);
            }
        }
        if let Some((at, id)) = CURSORS.after::<Uuid>(query.after.as_deref())? {
            filter.add("(due_at > ? or (due_at = ? and id > ?))", params![at, at, id]);
        }
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        let found = tables_work::orders(&self.store, filter, limit + 1).await?;
        let page = Page::of(found, limit, |o| CURSORS.write(o.due_at, o.id));
        Ok(Page { items: self.order_views(caller, page.items).await?, next: page.next, total: None })
    }

    /// Makes a step of an order: by the crew from the phone, or by the unit. `at` may lie in the past: steps made without
    /// network are sent later, in their order, and count from when they were made.
    ///
    /// 400 `work.answer.*`, `work.checklist.*`, `work.photo.items`, `flow.field-missing`; 403 `access.not-allowed`, `case.same-person`;
    /// 404; 409 `flow.move.not-now`; 413, 415 for photos.
    pub async fn move_order(&self, caller: &Caller, id: Uuid, step: &str, mut input: OrderMove, photos: Vec<Bytes>, key: Option<&str>) -> Result<WorkOrder> {
        let seen = self.readable_order(caller, id).await?;
        let kind = self.kind_of(&seen).await?;
        for (field, value, limit) in [("note", &mut input.note, 4_000), ("reason", &mut input.reason, 1_000)] {
            *value = text::clean_opt(value.as_deref(), field, limit)?;
        }
        check_photos(&kind, &input, &photos)?;
        check_fields(&kind, &input)?;
        let asked =
            text::hash(&[step, &id.to_string(), &serde_json::to_string(&input).unwrap_or_default(), &photos.iter().map(Bytes::len).sum::<usize>().to_string()]);
        let photos = self.darkroom.develop(photos).await?;
        let mut tx = self.store.begin(caller).await?;
        if let Some(before) = self.seen_before(&mut tx, "move", key, &asked, id).await? {
            tx.rollback().await?;
            return self.order_view(caller, before).await;
        }
        let mut order = tables_work::order_in(&mut tx, id).await?.ok_or_else(unknown_crew)?;
        self.apply_step(&mut tx, &mut order, &kind, step, &input, &photos).await?;
        tx.commit().await?;
        self.order_view(caller, id).await
    }

    async fn apply_step(&self, tx: &mut Tx, order: &mut OrderRecord, kind: &InstalledKind, step: &str, input: &OrderMove, photos: &[Photo]) -> Result<()> {
        let caller = tx.caller().clone();
        order.answers.extend(input.answers.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.clone(), v.trim().to_string())));
        order.used.extend(input.used.iter().map(|(k, v)| (k.clone(), *v)));
        tables_work::insert_photos(tx, order.id, photos, &input.items).await?;
        let shown = tables_work::photo_items(tx, order.id).await?;
        let mut filled = BTreeSet::new();
        for (name, given) in [("note", input.note.is_some()), ("reason", input.reason.is_some()), ("photo_after", shown.contains("after"))] {
            if given {
                filled.insert(name.to_string());
            }
        }
        if order.used.values().any(|n| *n > 0.0) {
            filled.insert("material".into());
        }
        let missing = missing_line(kind, &order.answers, &shown);
        if missing.is_none() {
            filled.insert("checklist".into());
        }
        let chosen = match kind.way.flow.admit(&caller, &order.state, &order.unit, false, step, &filled) {
            Err(e) if e.code() == "flow.field-missing" => {
                let wants = kind.way.flow.moves.get(step).is_some_and(|m| m.requires.contains("checklist"));
                return Err(missing.filter(|_| wants).unwrap_or(e));
            }
            other => other?,
        };
        if chosen.by == Actor::Crew && caller.kind != dothi_kernel::CallerKind::System && !tables_work::is_member(tx, order.crew, caller.person()?).await? {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        for earlier in &chosen.not_by_maker_of {
            if caller.id.is_some() && tables_work::last_maker(tx, order.id, earlier).await? == caller.id {
                return Err(Error::forbidden("case.same-person", "A second person must do this.").with("move", step));
            }
        }
        let last = tables_work::last_step_at(tx, order.id).await?.unwrap_or(order.given_at);
        // A phone's clock is believed between the step before and now.
        let at = if chosen.by == Actor::Crew { input.at.unwrap_or(caller.now).clamp(last.min(caller.now), caller.now) } else { caller.now };
        let state = kind.way.flow.states.get(&chosen.to).ok_or_else(|| Error::internal("entering a state", &chosen.to))?;
        order.waits_for = kind.way.waits_for(&chosen.to).into();
        order.ended_at = if order.waits_for.is_empty() { Some(at) } else { None };
        (order.state, order.phase, order.state_since) = (chosen.to.clone(), state.phase, at);
        let log = OrderLogRecord {
            at,
            received_at: caller.now,
            by_id: caller.id,
            by_name: self.actor(&caller).to_string(),
            step: step.to_string(),
            to: order.state.clone(),
            note: input.note.clone(),
            reason: input.reason.clone(),
            location: input.lon.zip(input.lat).map(|(lon, lat)| Point::new(lon, lat)).transpose()?,
        };
        tables_work::insert_log(tx, order.id, &log).await?;
        tables_work::update_order(tx, order).await?;
        if order.waits_for != "crew" {
            self.tell_case(tx, order, format!("{}: {}", order.code, state.name)).await?;
        }
        self.announce(tx, order, step);
        Ok(())
    }

    /// An officer's answer takes over the photos of the work that a crew did. 400 `work.order.unknown` when the case has no such order.
    pub(crate) async fn take_proof(&self, tx: &mut Tx, case: &CaseRecord, code: &str) -> Result<u64> {
        let order = tables_work::order_of_case(tx, case.id, code).await?;
        let order = order.ok_or_else(|| Error::invalid("work.order.unknown", "There is no such work order."))?;
        let taken = tables_work::take_after_photos(tx, order.id, case.id).await?;
        let fresh = tables_media::insert_masks_of_order(tx, case.id, order.id).await?;
        self.look_for_faces(tx, fresh.iter().map(String::as_str)).await?;
        Ok(taken)
    }

    async fn order_view(&self, caller: &Caller, id: Uuid) -> Result<WorkOrder> {
        let order = tables_work::order_by_id(&self.store, id).await?;
        let order = order.ok_or_else(|| Error::not_found("work.order.unknown", "There is no such work order."))?;
        self.order_views(caller, vec![order]).await?.pop().ok_or_else(|| Error::internal("showing an order", id))
    }

    async fn order_views(&self, caller: &Caller, orders: Vec<OrderRecord>) -> Result<Vec<WorkOrder>> {
        let ids: Vec<Uuid> = orders.iter().map(|o| o.id).collect();
        let mut logs = tables_work::logs_of(&self.store, &ids).await?;
        let mut photos = tables_work::photos_of(&self.store, &ids).await?;
        let own = match caller.id {
            Some(id) => tables_work::crews_of(&self.store, id).await?,
            None => BTreeSet::new(),
        };
        let mut names: BTreeMap<Uuid, String> = BTreeMap::new();
        let mut out = Vec::with_capacity(orders.len());
        for order in orders {
            if let Entry::Vacant(unknown) = names.entry(order.crew) {
                let crew = tables_work::crews(&self.store, Some(order.crew), None).await?.pop();
                unknown.insert(crew.map(|c| c.name).unwrap_or_default());
            }
            let kind = self.kind_of(&order).await?;
            let case = self.order_case(&order).await?;
            let crew_name = names.get(&order.crew).cloned().unwrap_or_default();
            let (log, photos) = (logs.remove(&order.id).unwrap_or_default(), photos.remove(&order.id).unwrap_or_default());
            let member = own.contains(&order.crew);
            out.push(self.one_view(caller, order, &kind, Around { case, crew_name, log, photos, member }));
        }
        Ok(out)
    }

    async fn order_case(&self, order: &OrderRecord) -> Result<Option<OrderCase>> {
        let Some(id) = order.case else { return Ok(None) };
        let Some(case) = tables::case(&self.store, id).await? else { return Ok(None) };
        let case_type = self.type_of(&case).await?;
        let category = case_type.category(&case.category);
        let photos = tables::photos_of(&self.store, &[id]).await?.remove(&id).unwrap_or_default();
        Ok(Some(OrderCase {
            id,
            category_name: category.map_or_else(|| case.category.clone(), |c| c.name.clone()),
            category_name_en: category.map_or_else(|| case.category.clone(), |c| c.name_en.clone()),
            due_at: case.clock.due,
            photos: photos.into_iter().filter(|p| p.stage == "report").map(|p| p.sha).collect(),
            code: case.code,
        }))
    }

    fn one_view(&self, caller: &Caller, order: OrderRecord, kind: &InstalledKind, around: Around) -> WorkOrder {
        let flow = &kind.way.flow;
        let state_name = |code: &str| flow.states.get(code).map_or((code.to_string(), code.to_string()), |s| (s.name.clone(), s.name_en.clone()));
        let open = flow.open_moves(caller, &order.state, &order.unit, false);
        let system = caller.kind == dothi_kernel::CallerKind::System;
        let moves = open.into_iter().filter(|(_, m)| m.by != Actor::Crew || around.member || system).map(|(code, m)| MoveRef {
            code: code.to_string(),
            name: m.name.clone(),
            name_en: m.name_en.clone(),
            requires: m.requires.iter().cloned().collect(),
            optional: Vec::new(),
            until: None,
        });
        let log = around.log.into_iter().map(|l| {
            let step = flow.moves.get(&l.step);
            let (state_name, state_name_en) = state_name(&l.to);
            OrderLog {
                at: l.at,
                received_at: l.received_at,
                by: l.by_name,
                step_name: step.map_or_else(|| l.step.clone(), |m| m.name.clone()),
                step_name_en: step.map_or_else(|| l.step.clone(), |m| m.name_en.clone()),
                step: l.step,
                state_name,
                state_name_en,
                note: l.note,
                reason: l.reason,
                location: l.location,
            }
        });
        let mut steps: Vec<_> = flow.moves.iter().filter(|(_, m)| m.by == Actor::Crew && around.member).collect();
        steps.sort_by_key(|(code, m)| (m.order, *code));
        let way = steps.into_iter().map(|(code, m)| {
            let (to_name, to_name_en) = state_name(&m.to);
            CrewStep {
                code: code.clone(),
                name: m.name.clone(),
                name_en: m.name_en.clone(),
                from: m.from.iter().cloned().collect(),
                to: m.to.clone(),
                to_name,
                to_name_en,
                requires: m.requires.iter().cloned().collect(),
            }
        });
        let (now_name, now_name_en) = state_name(&order.state);
        WorkOrder {
            moves: moves.collect(),
            way: way.collect(),
            log: log.collect(),
            state_name: now_name,
            state_name_en: now_name_en,
            kind_name: kind.kind.name.clone(),
            kind_name_en: kind.kind.name_en.clone(),
            icon: kind.kind.icon.clone(),
            unit: self.directory.unit(&order.unit).unwrap_or_else(|| dothi_kernel::UnitRef { id: order.unit.clone(), name: order.unit.clone() }),
            crew_name: around.crew_name,
            case: around.case,
            alarm: order.alarm,
            overdue: order.ended_at.unwrap_or(caller.now) > order.due_at,
            checklist: kind.kind.checklist.iter().map(|item| CheckLine { item: item.clone(), value: order.answers.get(&item.code).cloned() }).collect(),
            materials: kind.kind.materials.iter().map(|m| MaterialLine { material: m.clone(), used: order.used.get(&m.code).copied() }).collect(),
            photos: around.photos.into_iter().map(|p| OrderPhoto { sha: p.sha, item: p.item }).collect(),
            id: order.id,
            code: order.code,
            kind: order.kind,
            state: order.state,
            phase: order.phase,
            waits_for: order.waits_for,
            crew: order.crew,
            text: order.text,
            address: order.address,
            area_name: order.area_name,
            location: order.location,
            planned_for: order.planned_for,
            due_at: order.due_at,
            given_at: order.given_at,
            given_by: order.given_by,
            ended_at: order.ended_at,
            version: order.version,
        }
    }

    /// A photo of an order, or of the report it is about (masked where something was masked), for those who may see the order.
    pub async fn order_photo(&self, caller: &Caller, sha: &str, thumb: bool) -> Result<Bytes> {
        works(caller, Scope::ANY)?;
        let mut refusal = Error::not_found("case.photo.unknown", "There is no such photo.");
        let own = tables_work::photo_uses(&self.store, sha).await?.into_iter().map(|p| (p.order, p.sha, p.thumb));
        let reported = tables_work::report_photo_uses(&self.store, sha).await?.into_iter().map(|(o, full, small)| (o.id, full, small));
        for (order, full, small) in own.chain(reported).collect::<Vec<_>>() {
            match self.readable_order(caller, order).await {
                Ok(_) => return Ok(self.store.blobs().get(if thumb { &small } else { &full }).await?.1),
                Err(e) => refusal = e,
            }
        }
        Err(refusal)
    }
}

/// What surrounds an order in a view.
struct Around {
    case: Option<OrderCase>,
    crew_name: String,
    log: Vec<OrderLogRecord>,
    photos: Vec<OrderPhotoRecord>,
    member: bool,
}

fn check_photos(kind: &InstalledKind, input: &OrderMove, photos: &[Bytes]) -> Result<()> {
    if photos.len() > PHOTOS {
        return Err(Error::too_large("case.photo.too-many", "Too many photos.").with("limit", PHOTOS));
    }
    if photos.iter().any(|p| p.len() > PHOTO_BYTES) {
        return Err(Error::too_large("case.photo.too-big", "A photo is too big.").with("limit_bytes", PHOTO_BYTES));
    }
    let known = |item: &String| PHOTO_ITEMS.contains(&item.as_str()) || kind.kind.checklist.iter().any(|c| c.code == *item);
    if input.items.len() != photos.len() || !input.items.iter().all(known) {
        return Err(Error::invalid("work.photo.items", "Say for each photo what it shows: before, after, or a line of the checklist."));
    }
    Ok(())
}

fn check_fields(kind: &InstalledKind, input: &OrderMove) -> Result<()> {
    for (code, value) in &input.answers {
        let bad = |why: &str| {
            Error::invalid("work.answer.invalid", "An answer does not fit its line of the checklist.").with("item", text::short(code, 40)).with("why", why)
        };
        let item = kind.kind.checklist.iter().find(|i| i.code == *code).ok_or_else(|| bad("unknown"))?;
        check_answer(item, value.trim()).map_err(bad)?;
    }
    for (code, amount) in &input.used {
        let known = kind.kind.materials.iter().any(|m| m.code == *code);
        if !known || !amount.is_finite() || !(0.0..=MOST).contains(amount) {
            return Err(Error::invalid("work.material.invalid", "Give an amount of material from the list.").with("material", text::short(code, 40)));
        }
    }
    Ok(())
}

/// Why an answer does not fit.
fn check_answer(item: &CheckItem, value: &str) -> std::result::Result<(), &'static str> {
    match item.answer {
        _ if value.is_empty() => Ok(()),
        CheckAnswer::Done if value == "yes" => Ok(()),
        CheckAnswer::YesNo if value == "yes" || value == "no" => Ok(()),
        CheckAnswer::Number => {
            let number: f64 = value.parse().map_err(|_| "not a number")?;
            let fits = number.is_finite() && item.min.is_none_or(|m| number >= m) && item.max.is_none_or(|m| number <= m);
            if fits { Ok(()) } else { Err("out of bounds") }
        }
        CheckAnswer::Text if value.chars().count() <= 500 => Ok(()),
        CheckAnswer::Text => Err("too long"),
        CheckAnswer::Done | CheckAnswer::YesNo => Err("not one of the choices"),
    }
}

/// The first line of the checklist that the work is not done without.
fn missing_line(kind: &InstalledKind, answers: &BTreeMap<String, String>, shown: &BTreeSet<String>) -> Option<Error> {
    for item in kind.kind.checklist.iter().filter(|i| i.required) {
        if !answers.contains_key(&item.code) {
            return Some(Error::invalid("work.checklist.incomplete", "A required line of the checklist is not filled in.").with("item", &item.code));
        }
        if item.photo && !shown.contains(&item.code) {
            return Some(Error::invalid("work.checklist.photo", "A line of the checklist needs a photo.").with("item", &item.code));
        }
    }
    None
}
