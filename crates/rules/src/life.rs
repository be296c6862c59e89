//! The life of an alarm, whoever raises it: it rises, is noted, goes away, is reset; kept from operators or gathered under its
//! cause on the way.

use dothi_kernel::event::Severity;
use dothi_kernel::geo::Point;
use dothi_kernel::{Caller, Error, Event, Permission, Result, Scope, Timestamp, time};
use dothi_store::Tx;
use uuid::Uuid;

use crate::causes::{Causes, LEVELS, Step};
use crate::model::{Acknowledgement, Alarm, AlarmState, Suppression};
use crate::practice::{CauseDef, Policy, Practice};
use crate::{AREA, NOTE, Rules, parents, scope, tables, tables_aside};

/// Job that looks anew at an alarm suppressed by its rule's condition; the key is the alarm.
pub(crate) const DESIGNED: &str = "rules.designed";
/// Seconds between two such looks.
const LOOK: i64 = 60;
/// Source of alarms that stand for a cause.
pub(crate) const CAUSE: &str = "cause";

/// What alarms are measured by while they live, besides the evaluator.
pub(crate) struct Room {
    pub policy: Policy,
    pub practice: Practice,
    pub causes: Causes,
}

/// Somebody says that a condition holds.
pub(crate) struct Rise<'a> {
    pub source: &'a str,
    pub rule: &'a str,
    pub title: (&'a str, &'a str),
    pub severity: Severity,
    pub sector: &'a str,
    pub class: &'a str,
    pub latch: bool,
    pub entity: &'a str,
    /// What the thing is called when the city model does not know it.
    pub name: Option<&'a str>,
    pub area: Option<&'a str>,
    pub location: Option<Point>,
    pub value: Option<f64>,
    pub limit: Option<f64>,
    pub text: Option<&'a str>,
    pub at: Timestamp,
    /// The rule's own condition suppresses it.
    pub designed: bool,
}

impl Rules {
    fn alarm_of(&self, id: Uuid, r: &Rise<'_>, room: &Room) -> Alarm {
        let (name, place) = self.things.brief(r.entity).unwrap_or_else(|| (r.name.unwrap_or(r.entity).to_string(), None));
        let location = r.location.or(place);
        let area = r.area.map(str::to_string).or_else(|| Some(self.directory.locate(location?)?.commune));
        let unit = area.as_deref().and_then(|a| self.directory.organisation_for(a, &format!("report:{}", r.sector)));
        Alarm {
            id,
            rule: r.rule.to_string(),
            title: r.title.0.to_string(),
            title_en: r.title.1.to_string(),
            severity: r.severity,
            state: AlarmState::Active,
            entity: r.entity.to_string(),
            entity_name: name,
            area_name: area.as_deref().and_then(|a| self.directory.commune(a)).map(|p| p.commune_name),
            area,
            sector: r.sector.to_string(),
            value: r.value,
            limit: r.limit,
            raised_at: r.at,
            acknowledged_at: None,
            acknowledged_by: None,
            cleared_at: None,
            closed_at: None,
            count: 1,
            location,
            source: r.source.to_string(),
            class: r.class.to_string(),
            life_safety: room.policy.is_life_safety(r.class),
            latch: r.latch,
            text: r.text.map(str::to_string),
            suppressed: None,
            suppressed_until: None,
            cause: None,
            children: 0,
            standing: 0,
            first_out: None,
            chattering_at: None,
            stale: false,
            unit: unit.map(|u| u.id).unwrap_or_default(),
        }
    }

    /// A condition holds: a new alarm, or the same again. The alarm's id, also when it stood already.
    pub(crate) async fn rise(&self, tx: &mut Tx, room: &mut Room, r: Rise<'_>) -> Result<Uuid> {
        let before = tables::newest(tx, r.rule, r.entity).await?;
        let known = before.is_some();
        let mut alarm = match before.filter(|a| a.closed_at.is_none()) {
            Some(a) if a.cleared_at.is_none() => return Ok(a.id),
            Some(a) if tables::rise_again(tx, a.id, r.at, r.value).await? => Alarm { state: AlarmState::Active, raised_at: r.at, count: a.count + 1, ..a },
            // None is open, or somebody closed it this instant.
            _ => self.alarm_of(tx.id(), &r, room),
        };
        let kept = match tables_aside::kept_back(tx, &alarm, r.at).await? {
            None if r.designed => Some((Suppression::Suppressed, None)),
            other => other,
        };
        (alarm.suppressed, alarm.suppressed_until) = (kept.map(|k| k.0), kept.and_then(|k| k.1));
        match alarm.count {
            1 => tables::insert(tx, &alarm).await?,
            _ => tables_aside::set_suppressed(tx, alarm.id, alarm.suppressed, alarm.suppressed_until).await?,
        }
        if r.designed && alarm.suppressed == Some(Suppression::Suppressed) {
            tx.schedule(DESIGNED, &alarm.id.to_string(), time::micros(tx.now().as_microsecond() + LOOK * 1_000_000)).await?;
        }
        if known && let (Some(times), Some(seconds)) = (room.practice.whole("chatter/times"), room.practice.whole("chatter/seconds")) {
            let since = time::micros(r.at.as_microsecond() - seconds * 1_000_000);
            if tables_aside::rises_since(tx, r.rule, r.entity, since).await? + 1 >= times {
                tables_aside::set_chatter(tx, alarm.id, r.at).await?;
            }
        }
        self.show(tx, room, &alarm).await?;
        Ok(alarm.id)
    }

    /// Tells operators of an alarm that has just risen or come back, unless something keeps it from them.
    async fn show(&self, tx: &mut Tx, room: &mut Room, alarm: &Alarm) -> Result<()> {
        if let Some(how) = alarm.suppressed {
            return tables::log(tx, alarm.id, alarm.raised_at, "withheld", None, Some(how.code())).await;
        }
        if self.gather(tx, room, alarm).await? {
            return tables::log(tx, alarm.id, alarm.raised_at, "muted", None, None).await;
        }
        tables::log(tx, alarm.id, alarm.raised_at, "raised", None, None).await?;
        tell(tx, alarm);
        Ok(())
    }

    /// Puts an alarm under its cause, when it has one; false when it stands for itself.
    async fn gather(&self, tx: &mut Tx, room: &mut Room, alarm: &Alarm) -> Result<bool> {
        if alarm.life_safety {
            return Ok(false);
        }
        if let Some(cause) = alarm.cause {
            // The same again: its group counts it as standing, if it is not over.
            if self.count(tx, cause, 0, 1, alarm.raised_at).await? {
                return Ok(true);
            }
            tables_aside::set_cause(tx, alarm.id, None).await?;
        }
        let above = |entity: &str, along: &str| parents(self.things.as_ref(), entity, alarm.area.as_deref().filter(|_| entity == alarm.entity), along);
        while let Some((seat, cause)) = room.causes.standing(&alarm.entity, &alarm.class, above) {
            if self.count(tx, cause, 1, 1, alarm.raised_at).await? {
                tables_aside::set_cause(tx, alarm.id, Some(cause)).await?;
                return Ok(true);
            }
            room.causes.ended(&seat);
        }
        let at = alarm.raised_at.as_microsecond();
        let (mut entity, mut class, mut area) = (alarm.entity.clone(), alarm.class.clone(), alarm.area.clone());
        // What goes up to the next level: whose alarm it is, how many it stands for, and how many of them stand.
        let (mut id, mut leaves, mut standing) = (alarm.id, 1, 1);
        let (mut gathered, mut formed) = (false, Vec::<Alarm>::new());
        for _ in 0..LEVELS {
            match room.causes.lost(&entity, &class, at, |along| parents(self.things.as_ref(), &entity, area.as_deref(), along)) {
                None => break,
                Some(Step::Join(seat, parent)) => {
                    if !self.count(tx, parent, leaves, standing, alarm.raised_at).await? {
                        room.causes.ended(&seat);
                        continue;
                    }
                    tables_aside::set_cause(tx, id, Some(parent)).await?;
                    match formed.pop() {
                        Some(group) => tables::log(tx, group.id, alarm.raised_at, "muted", None, None).await?,
                        None => gathered = true,
                    }
                    break;
                }
                Some(Step::Form(seat, children)) => {
                    let Some(def) = room.causes.def(&seat) else { break };
                    let parent = self.form(tx, room, &def, &seat.1, &children, alarm).await?;
                    room.causes.opened(seat, parent.id);
                    match formed.pop() {
                        Some(group) => tables::log(tx, group.id, alarm.raised_at, "muted", None, None).await?,
                        None => gathered = true,
                    }
                    (entity, class, area) = (parent.entity.clone(), parent.class.clone(), parent.area.clone());
                    (id, leaves, standing) = (parent.id, parent.children, parent.standing);
                    formed.push(parent);
                }
            }
        }
        for group in formed {
            match group.suppressed {
                Some(how) => tables::log(tx, group.id, alarm.raised_at, "withheld", None, Some(how.code())).await?,
                None => {
                    tables::log(tx, group.id, alarm.raised_at, "raised", None, None).await?;
                    tell(tx, &group);
                }
            }
        }
        Ok(gathered)
    }

    /// The parent's own alarm, with all alarms of the lost children under it.
    async fn form(&self, tx: &mut Tx, room: &Room, def: &CauseDef, parent: &str, children: &[std::sync::Arc<str>], last: &Alarm) -> Result<Alarm> {
        let rule = format!("{CAUSE}:{}", def.along);
        let own = self.area_of(parent);
        let area = own.as_deref().or(parent.strip_prefix(AREA)).or(last.area.as_deref());
        let mut group = match tables::newest(tx, &rule, parent).await?.filter(|a| a.closed_at.is_none()) {
            Some(group) => group,
            None => {
                let rise = Rise {
                    source: CAUSE,
                    rule: &rule,
                    title: (&def.title, &def.title_en),
                    severity: def.severity,
                    sector: &def.sector,
                    class: &def.class,
                    latch: false,
                    entity: parent,
                    name: None,
                    area,
                    location: None,
                    value: None,
                    limit: None,
                    text: None,
                    at: last.raised_at,
                    designed: false,
                };
                let mut group = self.alarm_of(tx.id(), &rise, room);
                let kept = tables_aside::kept_back(tx, &group, last.raised_at).await?;
                (group.suppressed, group.suppressed_until) = (kept.map(|k| k.0), kept.and_then(|k| k.1));
                tables::insert(tx, &group).await?;
                group
            }
        };
        let since = time::micros(last.raised_at.as_microsecond() - i64::from(def.within) * 1_000_000);
        let found = tables_aside::children(tx, children, &def.classes, since, group.id).await?;
        let (mut all, mut standing) = (0, 0);
        for child in &found {
            tables_aside::set_cause(tx, child.id, Some(group.id)).await?;
            if child.id != last.id {
                tables::log(tx, child.id, last.raised_at, "grouped", None, Some(&group.entity_name)).await?;
                tx.emit(Event::AlarmChanged { alarm: child.id });
            }
            all += child.children.max(1);
            standing += if child.children > 0 { child.standing } else { i64::from(child.cleared_at.is_none()) };
        }
        if let Some(first) = found.iter().min_by_key(|a| (a.raised_at, a.id)) {
            tables_aside::set_first_out(tx, group.id, first.first_out.unwrap_or(first.id)).await?;
        }
        if let Some(counted) = tables_aside::count_up(tx, group.id, all, standing).await? {
            group = counted;
        }
        Ok(group)
    }

    /// Counts alarms in or out of a group and of all groups above it; false when the group is over.
    async fn count(&self, tx: &mut Tx, group: Uuid, children: i64, standing: i64, at: Timestamp) -> Result<bool> {
        let mut next = Some(group);
        for level in 0..=LEVELS {
            let Some(id) = next else { break };
            let Some(group) = tables_aside::count_up(tx, id, children, standing).await? else { return Ok(level > 0) };
            if standing > 0 && group.cleared_at.is_some() {
                if tables::rise_again(tx, id, at, None).await? && group.cause.is_none() && group.suppressed.is_none() {
                    tables::log(tx, id, at, "raised", None, None).await?;
                    tell(tx, &group);
                }
            } else if standing < 0 && group.standing == 0 && group.cleared_at.is_none() {
                self.gone(tx, &group, at).await?;
            }
            next = group.cause;
        }
        Ok(true)
    }

    /// The condition of an alarm went away.
    pub(crate) async fn fall(&self, tx: &mut Tx, rule: &str, entity: &str, at: Timestamp) -> Result<()> {
        let Some(a) = tables::newest(tx, rule, entity).await?.filter(|a| a.closed_at.is_none() && a.cleared_at.is_none()) else { return Ok(()) };
        let at = at.max(a.raised_at);
        if self.gone(tx, &a, at).await?
            && let Some(cause) = a.cause
        {
            self.count(tx, cause, 0, -1, at).await?;
        }
        Ok(())
    }

    async fn gone(&self, tx: &mut Tx, a: &Alarm, at: Timestamp) -> Result<bool> {
        let Some(state) = tables::return_to_normal(tx, a.id, at).await? else { return Ok(false) };
        let quiet = a.cause.is_some() || a.suppressed.is_some();
        tables::log(tx, a.id, at, "cleared", None, None).await?;
        if !quiet {
            tx.emit(Event::AlarmCleared { alarm: a.id });
        }
        if state == AlarmState::Closed {
            self.over(tx, a, at, quiet).await?;
        }
        Ok(true)
    }

    async fn over(&self, tx: &mut Tx, a: &Alarm, at: Timestamp, quiet: bool) -> Result<()> {
        tables::log(tx, a.id, at, "closed", None, None).await?;
        if a.children > 0 {
            tables_aside::close_below(tx, a.id, at).await?;
        }
        if !quiet {
            tx.emit(Event::AlarmClosed { alarm: a.id });
        }
        Ok(())
    }

    /// An alarm that was kept from operators is theirs again: told, when its condition holds or nobody has noted it.
    pub(crate) async fn bring_back(&self, tx: &mut Tx, room: &mut Room, a: &Alarm, by: Option<&str>) -> Result<()> {
        let now = tx.now();
        // Something else may keep it still.
        let rest = tables_aside::kept_back(tx, a, now).await?;
        tables_aside::set_suppressed(tx, a.id, rest.map(|r| r.0), rest.and_then(|r| r.1)).await?;
        if rest.is_some() {
            return Ok(());
        }
        tables::log(tx, a.id, now, "returned", by, None).await?;
        tx.emit(Event::AlarmChanged { alarm: a.id });
        // What rose while it was away is shown now for the first time.
        if a.cleared_at.is_none() && a.state == AlarmState::Active && a.cause.is_none() {
            let shown = Alarm { suppressed: None, raised_at: now, ..a.clone() };
            if !self.gather(tx, room, &shown).await? {
                tables::log(tx, a.id, now, "raised", None, None).await?;
                tell(tx, a);
            }
        }
        Ok(())
    }

    /// Takes note of an alarm, and of all it stands for. 404 `alarm.unknown`, 409 `alarm.not-waiting` when somebody has already.
    pub async fn acknowledge(&self, caller: &Caller, id: Uuid, words: Acknowledgement) -> Result<Alarm> {
        let note = self.note(caller, words)?;
        let mut tx = self.store.begin(caller).await?;
        let mut a = self.theirs(&mut tx, caller, id).await?;
        let before = a.state;
        a.state = match before {
            AlarmState::Active => AlarmState::Acknowledged,
            AlarmState::Cleared if a.latch => AlarmState::Latched,
            AlarmState::Cleared => AlarmState::Closed,
            AlarmState::Acknowledged | AlarmState::Latched | AlarmState::Closed => {
                return Err(
                    Error::conflict("alarm.not-waiting", "Somebody has taken note of this alarm already.").with("by", a.acknowledged_by.unwrap_or_default())
                );
            }
        };
        a.acknowledged_at = Some(caller.now);
        a.acknowledged_by = Some(caller.name.to_string());
        a.closed_at = (a.state == AlarmState::Closed).then_some(caller.now);
        if !tables::update(&mut tx, before, &a).await? {
            return Err(Error::conflict("alarm.not-waiting", "The alarm changed meanwhile; look again."));
        }
        tables::log(&mut tx, id, caller.now, "acknowledged", Some(&caller.name), note.as_deref()).await?;
        if a.children > 0 {
            tables_aside::acknowledge_below(&mut tx, id, caller.now, &caller.name).await?;
        }
        tx.audit("alarm.acknowledge", &format!("alarm:{id}"), &serde_json::json!({ "rule": a.rule })).await?;
        tx.emit(Event::AlarmAcknowledged { alarm: id });
        if a.state == AlarmState::Closed {
            self.over(&mut tx, &a, caller.now, false).await?;
        }
        tx.commit().await?;
        Ok(a)
    }

    /// Resets a latched alarm. 404 `alarm.unknown`, 409 `alarm.not-latched` while its condition holds or it is not latched.
    pub async fn reset(&self, caller: &Caller, id: Uuid, words: Acknowledgement) -> Result<Alarm> {
        let note = self.note(caller, words)?;
        let mut tx = self.store.begin(caller).await?;
        let mut a = self.theirs(&mut tx, caller, id).await?;
        let not = || Error::conflict("alarm.not-latched", "Only a latched alarm whose condition is gone can be reset.");
        if a.state != AlarmState::Latched {
            return Err(not());
        }
        (a.state, a.closed_at) = (AlarmState::Closed, Some(caller.now));
        if !tables::update(&mut tx, AlarmState::Latched, &a).await? {
            return Err(not());
        }
        tables::log(&mut tx, id, caller.now, "reset", Some(&caller.name), note.as_deref()).await?;
        tx.audit("alarm.reset", &format!("alarm:{id}"), &serde_json::json!({ "rule": a.rule })).await?;
        self.over(&mut tx, &a, caller.now, false).await?;
        tx.commit().await?;
        Ok(a)
    }

    fn note(&self, caller: &Caller, words: Acknowledgement) -> Result<Option<String>> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let note = words.note.map(|n| n.trim().to_string()).filter(|n| !n.is_empty());
        if note.as_ref().is_some_and(|n| n.chars().count() > NOTE) {
            return Err(Error::invalid("alarm.note-too-long", "The note is too long.").with("limit", NOTE));
        }
        Ok(note)
    }

    /// An alarm the caller may handle.
    pub(crate) async fn theirs(&self, tx: &mut Tx, caller: &Caller, id: Uuid) -> Result<Alarm> {
        let a = tables::alarm_in(tx, id).await?.ok_or_else(|| Error::not_found("alarm.unknown", "There is no such alarm."))?;
        caller.require(Permission::AlarmHandle, scope(&a))?;
        Ok(a)
    }
}

fn tell(tx: &mut Tx, a: &Alarm) {
    let (rule, entity, area) = (a.rule.clone(), a.entity.clone(), a.area.clone());
    tx.emit(Event::AlarmRaised { alarm: a.id, rule, entity, severity: a.severity, area });
}
