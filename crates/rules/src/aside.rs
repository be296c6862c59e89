//! What is kept from operators: shelved by one of them for a while, suppressed by design or for planned work, out of service.
//! Whatever is set aside is listed with who and why, comes back by itself when its time is over, and is logged throughout.

use dothi_kernel::{Caller, Error, Event, Page, Permission, Result, Scope, Timestamp, time};
use dothi_store::Tx;
use uuid::Uuid;

use crate::life::{DESIGNED, Room};
use crate::model::{Acknowledgement, Alarm, AlarmState, Aside, AsideQuery, NewAside, Shelve, Suppression};
use crate::practice::REASON;
use crate::{CURSORS, Rules, tables, tables_aside};

/// Job that begins and ends what is set aside; the key is its id.
pub(crate) const ASIDE: &str = "rules.aside";
/// Most things set aside at a time in an installation.
const MOST: i64 = 5_000;
/// Alarms marked or brought back in one change.
const BITE: usize = 500;
/// Days ahead that planned work may begin.
const AHEAD: i64 = 366;
const DAY: i64 = 86_400_000_000;

fn reason(text: &str) -> Result<String> {
    let text = text.trim();
    if (3..=REASON).contains(&text.chars().count()) {
        return Ok(text.to_string());
    }
    Err(Error::invalid("alarm.reason", "Give a reason of 3 to 500 characters.").with("limit", REASON))
}

impl Rules {
    /// Sets an alarm aside for a while. 422 `alarm.shelf-too-long` (with `limit` minutes), `alarm.no-practice` when no pack says
    /// for how long; 409 `alarm.life-safety`, `alarm.shelved`, `alarm.over`.
    pub async fn shelve(&self, caller: &Caller, id: Uuid, wanted: Shelve) -> Result<Alarm> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let reason = reason(&wanted.reason)?;
        let most = self.live.lock().await.room.practice.get("shelf/hours").map(|h| (h * 60.0) as u32);
        let most = most.ok_or_else(|| Error::unprocessable("alarm.no-practice", "No pack says how long an alarm may be shelved."))?;
        if wanted.minutes == 0 || wanted.minutes > most {
            return Err(Error::unprocessable("alarm.shelf-too-long", "An alarm may not be shelved for so long.").with("limit", most));
        }
        let mut tx = self.store.begin(caller).await?;
        let mut a = self.theirs(&mut tx, caller, id).await?;
        if a.life_safety {
            return Err(Error::conflict("alarm.life-safety", "Alarms on which lives depend are not shelved. What is broken is taken out of service."));
        }
        if a.state == AlarmState::Closed {
            return Err(Error::conflict("alarm.over", "This alarm is over."));
        }
        if a.suppressed.is_some() {
            return Err(Error::conflict("alarm.shelved", "This alarm is set aside already."));
        }
        if tables_aside::asides_open(&mut tx).await? >= MOST {
            return Err(Error::conflict("alarm.aside-full", "Too much is set aside already.").with("limit", MOST));
        }
        let until = time::later(caller.now, time::minutes(wanted.minutes));
        let shelf = Aside {
            id: tx.id(),
            kind: Suppression::Shelved,
            rule: Some(a.rule.clone()),
            entity: Some(a.entity.clone()),
            entity_name: None,
            area: None,
            sector: a.sector.clone(),
            reason: reason.clone(),
            by: caller.name.to_string(),
            begins_at: caller.now,
            ends_at: Some(until),
            ended_at: None,
            ended_by: None,
            unit: a.unit.clone(),
            begun: true,
        };
        tables_aside::put_aside(&mut tx, &shelf).await?;
        tables_aside::set_suppressed(&mut tx, id, Some(Suppression::Shelved), Some(until)).await?;
        tables::log(&mut tx, id, caller.now, "shelved", Some(&caller.name), Some(&reason)).await?;
        tx.schedule(ASIDE, &shelf.id.to_string(), until).await?;
        tx.audit("alarm.shelve", &format!("alarm:{id}"), &serde_json::json!({ "rule": a.rule, "minutes": wanted.minutes, "reason": reason })).await?;
        tx.emit(Event::AlarmChanged { alarm: id });
        tx.commit().await?;
        (a.suppressed, a.suppressed_until) = (Some(Suppression::Shelved), Some(until));
        Ok(a)
    }

    /// Takes an alarm back from its shelf. 409 `alarm.not-shelved`.
    pub async fn unshelve(&self, caller: &Caller, id: Uuid, _: Acknowledgement) -> Result<Alarm> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let mut live = self.live.lock().await;
        let mut tx = self.store.begin(caller).await?;
        let a = self.theirs(&mut tx, caller, id).await?;
        let shelf = tables_aside::shelf_of(&mut tx, &a.rule, &a.entity).await?;
        let shelf = shelf.ok_or_else(|| Error::conflict("alarm.not-shelved", "This alarm is not shelved."))?;
        self.finish(&mut tx, &mut live.room, &shelf, Some(&caller.name)).await?;
        tx.audit("alarm.unshelve", &format!("alarm:{id}"), &serde_json::json!({ "rule": a.rule })).await?;
        let after = tables::alarm_in(&mut tx, id).await?.unwrap_or(a);
        self.settled(tx, &mut live).await?;
        Ok(after)
    }

    /// Commits what changed the memory of causes, too; memory is built anew when that fails.
    async fn settled(&self, tx: Tx, live: &mut crate::Live) -> Result<()> {
        if let Err(e) = tx.commit().await {
            self.rebuild(live).await?;
            return Err(e);
        }
        Ok(())
    }

    /// Plans work on a thing, an area or a rule, or takes it out of service. A rule as a whole needs the right to manage packs.
    /// 400 `alarm.aside.*` with what is wrong, 422 `alarm.aside-too-long`, 404 `thing.unknown`.
    pub async fn set_aside(&self, caller: &Caller, wanted: NewAside) -> Result<Aside> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let reason = reason(&wanted.reason)?;
        let (begins_at, most) = {
            let live = self.live.lock().await;
            let known = |code: &String| live.catalogue.iter().any(|r| r.def.code == *code && r.def.sector == wanted.sector);
            if wanted.rule.as_ref().is_some_and(|code| !known(code)) {
                return Err(Error::invalid("alarm.aside.rule", "The sector has no such rule."));
            }
            (wanted.begins_at.unwrap_or(caller.now), live.room.practice.whole("window/days"))
        };
        if wanted.kind == Suppression::Shelved {
            return Err(Error::invalid("alarm.aside.shelved", "Alarms are shelved one by one."));
        }
        if wanted.rule.is_none() && wanted.entity.is_none() && wanted.area.is_none() || wanted.sector.is_empty() || wanted.sector.len() > 40 {
            return Err(Error::invalid("alarm.aside.what", "Name a sector, and a rule, a thing or an area."));
        }
        let now = caller.now.as_microsecond();
        if begins_at.as_microsecond() < now - 60_000_000 || begins_at.as_microsecond() > now + AHEAD * DAY {
            return Err(Error::invalid("alarm.aside.begins", "It begins now or within a year."));
        }
        let begins_at = begins_at.max(caller.now);
        match wanted.ends_at {
            Some(end) if end <= begins_at => return Err(Error::invalid("alarm.aside.ends", "It ends after it begins.")),
            None if wanted.kind == Suppression::Suppressed => return Err(Error::invalid("alarm.aside.endless", "Planned work has an end.")),
            Some(end) if wanted.kind == Suppression::Suppressed => {
                let most = most.ok_or_else(|| Error::unprocessable("alarm.no-practice", "No pack says how long planned work may take."))?;
                if end.as_microsecond() - begins_at.as_microsecond() > most * DAY {
                    return Err(Error::unprocessable("alarm.aside-too-long", "Planned work may not take so long.").with("limit", most));
                }
            }
            _ => {}
        }
        if wanted.entity.as_ref().is_some_and(|e| e.len() > 500 || self.things.brief(e).is_none()) {
            return Err(Error::not_found("thing.unknown", "There is no such thing."));
        }
        let area = match (&wanted.area, &wanted.entity) {
            (Some(area), _) => Some(self.directory.commune(area).ok_or_else(|| Error::invalid("alarm.aside.area", "There is no such commune."))?.commune),
            (None, Some(entity)) => self.area_of(entity).map(|a| a.to_string()),
            (None, None) => None,
        };
        let unit = area.as_deref().and_then(|a| self.directory.organisation_for(a, &format!("report:{}", wanted.sector))).map(|u| u.id).unwrap_or_default();
        match unit.is_empty() {
            true => caller.require(Permission::PackManage, Scope::ANY)?,
            false => caller.require(Permission::AlarmHandle, Scope::unit(&unit).sector(&wanted.sector))?,
        }
        let mut live = self.live.lock().await;
        let mut tx = self.store.begin(caller).await?;
        if tables_aside::asides_open(&mut tx).await? >= MOST {
            return Err(Error::conflict("alarm.aside-full", "Too much is set aside already.").with("limit", MOST));
        }
        let mut new = Aside {
            id: tx.id(),
            kind: wanted.kind,
            rule: wanted.rule,
            entity_name: wanted.entity.as_deref().and_then(|e| self.things.brief(e)).map(|b| b.0),
            entity: wanted.entity,
            area: wanted.area,
            sector: wanted.sector,
            reason,
            by: caller.name.to_string(),
            begins_at,
            ends_at: wanted.ends_at,
            ended_at: None,
            ended_by: None,
            unit,
            begun: false,
        };
        tables_aside::put_aside(&mut tx, &new).await?;
        let detail = serde_json::json!({ "kind": new.kind.code(), "rule": new.rule, "entity": new.entity, "area": new.area, "reason": new.reason });
        tx.audit("alarm.set-aside", &format!("aside:{}", new.id), &detail).await?;
        new.begun = self.advance(&mut tx, &mut live.room, &new).await?;
        self.settled(tx, &mut live).await?;
        Ok(new)
    }

    /// Ends what is set aside. 404 `alarm.aside-unknown`, 409 `alarm.aside-over`.
    pub async fn end_aside(&self, caller: &Caller, id: Uuid) -> Result<Aside> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let mut live = self.live.lock().await;
        let mut tx = self.store.begin(caller).await?;
        let mut a = tables_aside::aside_in(&mut tx, id).await?.ok_or_else(|| Error::not_found("alarm.aside-unknown", "Nothing of this kind is set aside."))?;
        match a.unit.is_empty() {
            true => caller.require(Permission::PackManage, Scope::ANY)?,
            false => caller.require(Permission::AlarmHandle, Scope::unit(&a.unit).sector(&a.sector))?,
        }
        if a.ended_at.is_some() {
            return Err(Error::conflict("alarm.aside-over", "This is over already."));
        }
        self.finish(&mut tx, &mut live.room, &a, Some(&caller.name)).await?;
        tx.audit("alarm.end-aside", &format!("aside:{id}"), &serde_json::json!({})).await?;
        self.settled(tx, &mut live).await?;
        (a.ended_at, a.ended_by) = (Some(caller.now), Some(caller.name.to_string()));
        Ok(a)
    }

    /// What is set aside, newest first.
    pub async fn asides(&self, caller: &Caller, query: &AsideQuery) -> Result<Page<Aside>> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let mut filter = Self::visible(caller);
        filter.add(if query.ended == Some(true) { "ended_at is not null" } else { "ended_at is null" }, vec![]);
        if let Some(kind) = query.kind {
            filter.add("kind = ?", vec![kind.code().into()]);
        }
        if let Some((at, id)) = CURSORS.after::<String>(query.after.as_deref())? {
            filter.add("(begins_at < ? or (begins_at = ? and id < ?))", vec![at.into(), at.into(), id.into()]);
        }
        let limit = query.limit.unwrap_or(50).clamp(1, 200) as usize;
        let mut rows = tables_aside::asides(&self.store, filter, limit + 1).await?;
        for row in &mut rows {
            row.entity_name = row.entity.as_deref().and_then(|e| self.things.brief(e)).map(|b| b.0);
        }
        Ok(Page::of(rows, limit, |a| CURSORS.write(a.begins_at, a.id)))
    }

    /// How many alarms are shelved now.
    pub async fn shelved(&self, caller: &Caller) -> Result<i64> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let kept = crate::tables_figures::kept_now(&self.store, Self::visible(caller), Timestamp::MIN).await?;
        Ok(kept.iter().find(|(how, ..)| how == "shelved").map_or(0, |(_, n, _)| *n))
    }

    /// Woken when something begins or ends.
    pub(crate) async fn on_aside(&self, key: &str) -> Result<()> {
        let Ok(id) = key.parse::<Uuid>() else { return Ok(()) };
        let system = Caller::system("rules", self.store.clock().as_ref());
        let mut live = self.live.lock().await;
        let mut tx = self.store.begin(&system).await?;
        let Some(a) = tables_aside::aside_in(&mut tx, id).await?.filter(|a| a.ended_at.is_none()) else { return Ok(()) };
        self.advance(&mut tx, &mut live.room, &a).await?;
        self.settled(tx, &mut live).await
    }

    /// Begins, goes on with, or ends; sets the next timer. Whether it has begun.
    async fn advance(&self, tx: &mut Tx, room: &mut Room, a: &Aside) -> Result<bool> {
        let now = tx.now();
        let key = a.id.to_string();
        if a.ends_at.is_some_and(|end| end <= now) {
            self.finish(tx, room, a, None).await?;
            return Ok(true);
        }
        if a.begins_at > now {
            tx.schedule(ASIDE, &key, a.begins_at).await?;
            return Ok(false);
        }
        let found = tables_aside::spoken_of(tx, a, "", Uuid::nil(), BITE).await?;
        for alarm in &found {
            tables_aside::set_suppressed(tx, alarm.id, Some(a.kind), a.ends_at).await?;
            tables::log(tx, alarm.id, now, a.kind.code(), Some(&a.by), Some(&a.reason)).await?;
            tx.emit(Event::AlarmChanged { alarm: alarm.id });
        }
        tables_aside::begin_aside(tx, a.id).await?;
        match a.ends_at {
            _ if found.len() == BITE => tx.schedule(ASIDE, &key, now).await?,
            Some(end) => tx.schedule(ASIDE, &key, end).await?,
            None => tx.unschedule(ASIDE, &key).await?,
        }
        Ok(true)
    }

    /// Ends it and brings back the alarms it kept.
    async fn finish(&self, tx: &mut Tx, room: &mut Room, a: &Aside, by: Option<&str>) -> Result<()> {
        let now = tx.now();
        if tables_aside::end_aside(tx, a.id, now, by).await? {
            tx.unschedule(ASIDE, &a.id.to_string()).await?;
        }
        // What something else keeps back stays; the rest is theirs again.
        let mut after = Uuid::nil();
        loop {
            let found = tables_aside::spoken_of(tx, a, a.kind.code(), after, BITE).await?;
            for alarm in &found {
                self.bring_back(tx, room, alarm, by).await?;
            }
            match found.last() {
                Some(last) if found.len() == BITE => after = last.id,
                _ => return Ok(()),
            }
        }
    }

    /// Looks anew at an alarm that its rule's condition suppresses.
    pub(crate) async fn on_designed(&self, key: &str) -> Result<()> {
        let Ok(id) = key.parse::<Uuid>() else { return Ok(()) };
        let system = Caller::system("rules", self.store.clock().as_ref());
        let mut live = self.live.lock().await;
        let live = &mut *live;
        let mut tx = self.store.begin(&system).await?;
        let Some(a) = tables::alarm_in(&mut tx, id).await?.filter(|a| a.closed_at.is_none() && a.suppressed == Some(Suppression::Suppressed)) else {
            return Ok(());
        };
        let now = system.now.as_microsecond();
        if live.engine.designed(&a.rule, &a.entity, a.area.as_deref().unwrap_or_default(), a.value, now) {
            tx.schedule(DESIGNED, key, time::micros(now + 60_000_000)).await?;
        } else {
            self.bring_back(&mut tx, &mut live.room, &a, None).await?;
        }
        self.settled(tx, live).await
    }
}
