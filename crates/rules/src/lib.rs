//! Rules notice: limits passed, things fallen silent. Alarms follow ISA-18.2: active, acknowledged, cleared, closed.
//!
//! [`Rules::replay`] evaluates a durable batch of observations and writes what follows in one change. It may run twice:
//! an alarm that stands is not raised again, a computed value has the same instant.

mod aside;
mod baseline;
pub mod board;
mod causes;
mod condition;
mod dry_run;
mod engine;
pub mod figures;
pub mod functions;
pub mod http;
mod jobs;
mod life;
pub mod model;
mod outside;
pub mod pack;
pub mod practice;
mod tables;
mod tables_aside;
mod tables_figures;
mod tables_then;
mod tables_versions;
mod testing;
pub mod then;
pub mod versions;
mod window;

use std::sync::Arc;

use dothi_kernel::history::{QueryLimits, SeriesQuery};
use dothi_kernel::{Caller, CallerKind, Cursors, Directory, Error, Event, EventRecord, History, Page, Permission, Result, Scope, Things, Timestamp, Value};
use dothi_store::{Store, Tx};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::causes::Causes;
use crate::engine::{Effect, Engine};
use crate::life::{CAUSE, Rise, Room};
use crate::model::{Alarm, AlarmDetail, AlarmQuery, AlarmState, AqiAnswer, AqiInput, BySeverity, Counts, RuleRow, Why};
use crate::pack::{Rule, RulesPack};
use crate::practice::Practice;
pub use tables::MIGRATIONS;

/// Where pages of lists by time end.
pub(crate) const CURSORS: Cursors = Cursors('.');

/// Past that functions may read, µs.
const PAST: i64 = 26 * 3_600_000_000;
/// Hourly means read at the start, at most (series × hours).
const PAST_ROWS: usize = 100_000;
/// Hourly means read for baselines, at most (series × weeks × 168).
const USUAL_ROWS: usize = 400_000;
/// Alarms of lost children read back at the start, at most.
const LOST: usize = 50_000;
const NOTE: usize = 1_000;
/// How a commune is named where things are.
const AREA: &str = "urn:dothi:area:";
/// Job kind of delays and silences; the key is `rule|entity`.
pub(crate) const TIMER: &str = "rules.timer";

/// A computed observation, to be taken into the city model.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// Entity URN.
    pub entity: Arc<str>,
    /// Entity type.
    pub kind: Arc<str>,
    /// Attribute.
    pub attribute: Arc<str>,
    /// Value.
    pub value: Value,
    /// Phenomenon time, µs.
    pub t: i64,
    /// Commune.
    pub area: Option<Arc<str>>,
}

/// What a batch led to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Computed observations.
    pub derived: Vec<Derived>,
}

/// The domain.
pub struct Rules {
    store: Store,
    history: Arc<dyn History>,
    directory: Arc<dyn Directory>,
    things: Arc<dyn Things>,
    zone: TimeZone,
    live: Mutex<Live>,
    lately: Mutex<board::Lately>,
}

/// The evaluator and the day for which its limits were resolved.
struct Live {
    engine: Engine,
    room: Room,
    /// Every rule as it counts, also those that are switched off.
    catalogue: Vec<Listed>,
    day: Date,
    /// Newest event whose readings the evaluator remembers,
    seen: i64,
    /// from this instant on (µs).
    known: i64,
}

/// A rule with what its pack says and what people changed.
#[derive(Debug, Clone)]
struct Listed {
    /// As it counts.
    def: pack::RuleDef,
    /// As the pack says.
    given: pack::RuleDef,
    enabled: bool,
    version: i64,
    /// Why it does not run as written.
    fault: Option<String>,
}

impl Listed {
    fn row(&self) -> RuleRow {
        let d = &self.def;
        RuleRow {
            code: d.code.clone(),
            title: d.title.clone(),
            title_en: d.title_en.clone(),
            kind: d.kind,
            sector: d.sector.clone(),
            severity: d.severity,
            entity_type: d.entity_type.clone(),
            attribute: d.attribute.clone(),
            condition_text: d.condition_text(),
            source_act: d.source_act.clone(),
            status: d.status,
            owner: d.owner.clone(),
            enabled: self.enabled,
            version: self.version,
            fault: self.fault.clone(),
        }
    }
}

impl Rules {
    /// Opens the domain over a store that has [`MIGRATIONS`], with the rules installed there.
    /// `zone` is the local time that conditions and validity days mean.
    pub async fn open(store: Store, history: Arc<dyn History>, directory: Arc<dyn Directory>, things: Arc<dyn Things>, zone: TimeZone) -> Result<Self> {
        let live = Mutex::new(Self::build(&store, history.as_ref(), &things, &zone).await?);
        Ok(Self { store, history, directory, things, zone, live, lately: Mutex::default() })
    }

    async fn compile(store: &Store, day: Date) -> Result<(Vec<Arc<Rule>>, Vec<pack::Reference>, Vec<Listed>)> {
        let (definitions, reference) = tables::definitions(store).await?;
        let fences = tables::policy(store).await?.fences;
        let mut changes = tables_versions::latest(store).await?;
        let (mut rules, mut listed) = (Vec::new(), Vec::new());
        for (pack, given) in definitions {
            let version = changes.remove(&given.code);
            let change = version.as_ref().map(|v| v.change.clone()).unwrap_or_default();
            let mut one =
                Listed { def: change.over(&given), given, enabled: change.enabled != Some(false), version: version.map_or(0, |v| v.version), fault: None };
            let mut compiled = Rule::compile(&pack, &one.def, &reference, &fences, day);
            if let (Err(why), true) = (&compiled, one.version > 0) {
                // What a person wrote no longer fits the pack: the pack's text counts until somebody looks.
                tracing::error!(rule = one.given.code, why, "a changed rule cannot run; the pack's text counts");
                (one.fault, one.def) = (Some(why.clone()), one.given.clone());
                compiled = Rule::compile(&pack, &one.def, &reference, &fences, day);
            }
            match compiled {
                Ok(rule) if one.enabled => rules.push(Arc::new(rule)),
                Ok(_) => {}
                // A limit may have run out since it was installed; the other rules go on.
                Err(why) => {
                    tracing::error!(rule = one.def.code, why, "a rule cannot run");
                    one.fault = Some(why);
                }
            }
            listed.push(one);
        }
        Ok((rules, reference, listed))
    }

    /// The evaluator as the store and history say: where each rule stands, and the last day of what functions read.
    async fn build(store: &Store, history: &dyn History, things: &Arc<dyn Things>, zone: &TimeZone) -> Result<Live> {
        let now = store.clock().now();
        let day = now.to_zoned(zone.clone()).date();
        // History holds what these events tell of, so their batches are not counted beside it.
        let (seen, known) = (*store.watch_events().borrow(), now.as_microsecond() - PAST);
        let (rules, reference, catalogue) = Self::compile(store, day).await?;
        let room = Self::room(store, things.as_ref(), &reference, now, day).await?;
        let table = pack::aqi_table(&reference).map_err(|why| Error::internal("reading the index table", why))?.map(Arc::new);
        let mut engine = Engine::new(rules, table, zone.clone()).with_places(places(things.clone()));
        for (rule, entity, phase, last) in tables::phases(store).await? {
            engine.restore(&rule, &entity, phase, last);
        }
        for (kind, inputs) in engine.windowed() {
            if let Err(e) = warm(&mut engine, history, &kind, &inputs, known).await {
                tracing::warn!(kind = &*kind, error = %e, "rules begin without their past; functions need up to a day to recover");
            }
        }
        usual(&mut engine, history, zone, day).await;
        Ok(Live { engine, room, catalogue, day, seen, known })
    }

    /// Classes, figures and what was lost lately, as the store says.
    async fn room(store: &Store, things: &dyn Things, reference: &[pack::Reference], now: Timestamp, day: Date) -> Result<Room> {
        let policy = tables::policy(store).await?;
        let mut causes = Causes::new(policy.causes.clone());
        for (id, rule, entity) in tables_aside::groups(store).await? {
            if let Some(along) = rule.strip_prefix(CAUSE).and_then(|r| r.strip_prefix(':')) {
                causes.restore(along, &entity, id);
            }
        }
        let since = dothi_kernel::time::micros(now.as_microsecond() - causes.window());
        for (entity, class, area, t) in tables_aside::lost_since(store, since, LOST).await? {
            // Whether they are one cause is said with the next loss.
            let _step = causes.lost(&entity, &class, t, |along| parents(things, &entity, area.as_deref(), along));
        }
        Ok(Room { practice: Practice::of(reference, day), policy, causes })
    }

    /// Begins again from what is stored, when memory ran ahead of it.
    async fn rebuild(&self, live: &mut Live) -> Result<()> {
        *live = Self::build(&self.store, self.history.as_ref(), &self.things, &self.zone).await?;
        Ok(())
    }

    /// Resolves limits anew when the local day has changed: a limit may hold from today on.
    async fn renew(&self, live: &mut Live) -> Result<()> {
        let today = self.store.clock().now().to_zoned(self.zone.clone()).date();
        if today != live.day {
            let (rules, reference, catalogue) = Self::compile(&self.store, today).await?;
            if !live.engine.renew(rules) {
                self.rebuild(live).await?;
            }
            (live.catalogue, live.room.practice, live.day) = (catalogue, Practice::of(&reference, today), today);
            usual(&mut live.engine, self.history.as_ref(), &self.zone, today).await;
        }
        Ok(())
    }

    /// Installs what a pack declares, in place of what it declared before; alarms of rules that are gone clear.
    /// 422 `rule.pack.invalid` with the first fault, 409 `rule.code-taken`.
    pub async fn install(&self, caller: &Caller, pack: &str, part: RulesPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        if let Some(fault) = part.check().first() {
            return Err(Error::unprocessable("rule.pack.invalid", "The pack's rules are not usable.").with("fault", fault));
        }
        let mut live = self.live.lock().await;
        let mut tx = self.store.begin(caller).await?;
        if let Some(code) = tables::put_pack(&mut tx, pack, &part.rules, &part.reference, &part.policy()).await? {
            return Err(Error::conflict("rule.code-taken", "Another pack has a rule of this code.").with("rule", code));
        }
        for (rule, entity) in tables::orphans(&mut tx).await? {
            self.clear(&mut tx, &rule, &entity, caller.now.as_microsecond()).await?;
            tx.unschedule(TIMER, &format!("{rule}|{entity}")).await?;
        }
        tx.audit("rule.install", &format!("pack:{pack}"), &serde_json::json!({ "rules": part.rules.len() })).await?;
        tx.commit().await?;
        self.rebuild(&mut live).await
    }

    /// Evaluates the batch an event tells of, and forgets things that were deleted; other events lead to nothing.
    pub async fn replay(&self, record: &EventRecord) -> Result<Outcome> {
        let observations = match &record.event {
            Event::ObservationsAccepted { batch, count } => match self.store.pending(*batch).await? {
                Some(pending) => self.history.decode(&pending.bytes)?,
                // The compactor was faster. What came and went within the batch is missed; what lasts shows with the next reading.
                None => {
                    tracing::warn!(%batch, count, seq = record.seq, "a batch was compacted before rules saw it");
                    let mut live = self.live.lock().await;
                    if record.seq > live.seen {
                        self.rebuild(&mut live).await?;
                    }
                    return Ok(Outcome::default());
                }
            },
            Event::EntityDeleted { .. } => Vec::new(),
            _ => return Ok(Outcome::default()),
        };
        let mut live = self.live.lock().await;
        self.renew(&mut live).await?;
        let system = Caller::system("rules", self.store.clock().as_ref());
        let now = system.now.as_microsecond();
        let effects = match &record.event {
            Event::EntityDeleted { entity } => live.engine.forget(entity, now),
            _ => {
                let known = if record.seq <= live.seen { live.known } else { i64::MAX };
                live.seen = live.seen.max(record.seq);
                live.engine.observe_known(&observations, now, known)
            }
        };
        let mut outcome = Outcome::default();
        let mut standing = Vec::new();
        for effect in effects {
            match effect {
                Effect::Derive { entity, kind, attribute, value, t, area } => {
                    outcome.derived.push(Derived { entity, kind, attribute, value: Value::Number(value), t, area })
                }
                other => standing.push(other),
            }
        }
        self.settle(&system, &mut live, standing).await?;
        Ok(outcome)
    }

    pub(crate) async fn on_timer(&self, key: &str) -> Result<()> {
        let Some((rule, entity)) = key.split_once('|') else { return Ok(()) };
        let held = tables::held(&self.store, rule, entity).await?;
        let (value, area) = held.unwrap_or((None, None));
        let system = Caller::system("rules", self.store.clock().as_ref());
        let now = system.now.as_microsecond();
        let mut live = self.live.lock().await;
        self.renew(&mut live).await?;
        let Some(found) = live.engine.rule(rule).cloned() else { return Ok(()) };
        let mut heard = None;
        if found.def.kind == pack::RuleKind::Absence {
            if self.things.brief(entity).is_none() {
                // A thing that is no longer registered may be silent.
                let effects = live.engine.forget(entity, now);
                return self.settle(&system, &mut live, effects).await;
            }
            if live.engine.heard(rule, entity).is_none() {
                // Nothing came in since the start: history knows when it last spoke.
                heard = self.history.latest(entity, &found.def.attribute).await?.map(|p| p.t);
            }
        }
        let area = area.map(Arc::from).or_else(|| self.area_of(entity));
        let mut effects: Vec<Effect> = live.engine.due(rule, entity, now, value, area, heard).into_iter().collect();
        live.engine.follow(&mut effects);
        self.settle(&system, &mut live, effects).await
    }

    async fn settle(&self, system: &Caller, live: &mut Live, effects: Vec<Effect>) -> Result<()> {
        if effects.is_empty() {
            return Ok(());
        }
        if let Err(e) = self.apply(system, live, effects).await {
            // Memory ran ahead of the store: begin again from what is stored.
            self.rebuild(live).await?;
            return Err(e);
        }
        Ok(())
    }

    fn area_of(&self, entity: &str) -> Option<Arc<str>> {
        let (_, place) = self.things.brief(entity)?;
        self.directory.locate(place?).map(|p| p.commune.into())
    }

    async fn apply(&self, system: &Caller, live: &mut Live, effects: Vec<Effect>) -> Result<()> {
        let Live { engine, room, .. } = live;
        let mut tx = self.store.begin(system).await?;
        for effect in effects {
            match effect {
                Effect::Raise { rule, entity, t, value, area } => {
                    let Some(rule) = engine.rule(&rule) else { continue };
                    tables::put_phase(&mut tx, &rule.def.code, &entity, engine::Phase::Raised, None, None).await?;
                    let designed = rule.suppress.is_some() && engine.designed(&rule.def.code, &entity, area.as_deref().unwrap_or_default(), value, t);
                    let def = &rule.def;
                    let rise = Rise {
                        source: "rule",
                        rule: &def.code,
                        title: (&def.title, &def.title_en),
                        severity: def.severity,
                        sector: &def.sector,
                        class: def.class(),
                        latch: def.latch,
                        entity: &entity,
                        name: None,
                        area: area.as_deref(),
                        location: None,
                        value,
                        limit: rule.raise.map(|r| r.limit),
                        text: None,
                        at: dothi_kernel::time::micros(t),
                        designed,
                    };
                    self.rise(&mut tx, room, rise).await?;
                }
                Effect::Clear { rule, entity, t, .. } => self.clear(&mut tx, &rule, &entity, t).await?,
                Effect::Hold { rule, entity, phase, due, value, area } => {
                    tables::put_phase(&mut tx, &rule, &entity, phase, value, area.as_deref()).await?;
                    match due {
                        Some(due) => tx.schedule(TIMER, &format!("{rule}|{entity}"), dothi_kernel::time::micros(due)).await?,
                        None => tx.unschedule(TIMER, &format!("{rule}|{entity}")).await?,
                    }
                }
                Effect::Watch { rule, entity, due } => tx.schedule(TIMER, &format!("{rule}|{entity}"), dothi_kernel::time::micros(due)).await?,
                Effect::Derive { .. } => {}
            }
        }
        tx.commit().await
    }

    async fn clear(&self, tx: &mut Tx, rule: &str, entity: &str, t: i64) -> Result<()> {
        tables::put_phase(tx, rule, entity, engine::Phase::Normal, None, None).await?;
        self.fall(tx, rule, entity, dothi_kernel::time::micros(t)).await
    }

    /// Alarms the caller may see, newest first.
    pub async fn alarms(&self, caller: &Caller, query: &AlarmQuery) -> Result<Page<Alarm>> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let mut filter = Self::visible(caller);
        match query.state.as_deref() {
            None | Some("all") => {}
            Some("open") => filter.add("closed_at is null", vec![]),
            Some(state @ ("active" | "acknowledged" | "cleared" | "latched" | "closed")) => filter.add("state = ?", vec![state.into()]),
            Some(_) => return Err(Error::invalid("alarm.state", "state is open, all, active, acknowledged, cleared, latched or closed.")),
        }
        match (query.cause, query.muted) {
            (Some(cause), _) => filter.add("cause = ?", vec![cause.into()]),
            (None, Some(true)) => {}
            (None, _) => filter.add("cause is null", vec![]),
        }
        match query.suppressed {
            Some(how) => filter.add("suppressed = ?", vec![how.code().into()]),
            None if query.cause.is_some() => {}
            None => filter.add("suppressed = ''", vec![]),
        }
        let stale = self.live.lock().await.room.practice.get("stale/hours");
        let stale = stale.map(|hours| dothi_kernel::time::micros(caller.now.as_microsecond() - (hours * 3_600e6) as i64));
        if let (Some(true), Some(stale)) = (query.stale, stale) {
            filter.add("cleared_at is null and closed_at is null and raised_at < ?", vec![stale.into()]);
        }
        for (column, value) in [("rule = ?", &query.rule), ("entity = ?", &query.entity), ("unit = ?", &query.unit)] {
            if let Some(value) = value {
                filter.add(column, vec![value.into()]);
            }
        }
        if query.from.is_some() || query.to.is_some() {
            let bad = |_| Error::invalid("alarm.time", "from and to are RFC 3339 instants.");
            let instant = |text: &Option<String>| text.as_deref().map(str::parse::<Timestamp>).transpose().map_err(bad);
            let (from, to) = (instant(&query.from)?.unwrap_or(Timestamp::MIN), instant(&query.to)?.unwrap_or(caller.now));
            let shown = "id in (select alarm from rules_alarm_log where what = 'raised' and at >= ? and at < ?)";
            filter.add(shown, vec![from.into(), to.into()]);
        }
        if let Some(severity) = query.severity {
            let code = serde_json::to_value(severity).ok().and_then(|v| v.as_str().map(str::to_string)).unwrap_or_default();
            filter.add("severity = ?", vec![code.into()]);
        }
        if let Some(area) = &query.area {
            filter.add("area = ?", vec![area.into()]);
        }
        if let Some(sector) = &query.sector {
            filter.add("sector = ?", vec![sector.into()]);
        }
        if let Some((at, id)) = CURSORS.after::<String>(query.after.as_deref())? {
            filter.add("(raised_at < ? or (raised_at = ? and id < ?))", vec![at.into(), at.into(), id.into()]);
        }
        let limit = query.limit.unwrap_or(50).clamp(1, 200) as usize;
        let mut rows = tables::list(&self.store, filter, limit + 1).await?;
        for a in &mut rows {
            a.stale = a.cleared_at.is_none() && a.closed_at.is_none() && stale.is_some_and(|stale| a.raised_at < stale);
        }
        Ok(Page::of(rows, limit, |a| CURSORS.write(a.raised_at, a.id)))
    }

    pub(crate) fn visible(caller: &Caller) -> tables::Filter {
        let mut filter = tables::Filter::default();
        if caller.kind != CallerKind::System {
            let grants = caller.grants.iter().filter(|g| g.permissions.contains(&Permission::AlarmRead));
            // What belongs to no unit is seen by everybody who sees alarms of its sector.
            let units = |us: &std::collections::BTreeSet<String>| us.iter().cloned().chain([String::new()]).collect();
            filter.any_of(grants.map(|g| [("unit", g.units.as_deref().map(units)), ("sector", g.sectors.as_ref().map(|s| s.iter().cloned().collect()))]));
        }
        filter
    }

    /// One alarm with its reasons. 404 `alarm.unknown`; 403 for another unit's.
    pub async fn alarm(&self, caller: &Caller, id: Uuid) -> Result<AlarmDetail> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let alarm = tables::get(&self.store, id).await?.ok_or_else(|| Error::not_found("alarm.unknown", "There is no such alarm."))?;
        caller.require(Permission::AlarmRead, scope(&alarm))?;
        let rule = self.live.lock().await.engine.rule(&alarm.rule).cloned();
        let end = alarm.closed_at.or(alarm.cleared_at).unwrap_or(caller.now).as_microsecond() + 3_600_000_000;
        let why = match rule {
            None => Why {
                condition: String::new(),
                limit: alarm.limit,
                source_act: None,
                status: pack::Status::Unconfirmed,
                advice: None,
                advice_en: None,
                owner: String::new(),
                observed: Vec::new(),
            },
            Some(rule) => {
                let attribute = rule.def.attribute.clone();
                let from = alarm.raised_at.as_microsecond() - 2 * 86_400_000_000;
                let query = SeriesQuery { entity: alarm.entity.clone(), attribute, from, to: end, bucket_s: None, offset_s: 0, limit: 500 };
                Why {
                    condition: rule.def.condition_text(),
                    limit: alarm.limit,
                    source_act: rule.def.source_act.clone(),
                    status: rule.def.status,
                    advice: rule.def.advice.clone(),
                    advice_en: rule.def.advice_en.clone(),
                    owner: rule.def.owner.clone(),
                    observed: self.history.series(&query).await?,
                }
            }
        };
        Ok(AlarmDetail { history: tables::log_of(&self.store, id).await?, alarm, why })
    }

    /// Alarms that are not closed, by severity.
    pub async fn counts(&self, caller: &Caller) -> Result<Counts> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let mut counts = Counts::default();
        for (state, severity, n) in tables::counts(&self.store, Self::visible(caller)).await? {
            let of: &mut BySeverity = if state == AlarmState::Acknowledged { &mut counts.acknowledged } else { &mut counts.active };
            use dothi_kernel::event::Severity as S;
            *match severity {
                S::Critical => &mut of.critical,
                S::High => &mut of.high,
                S::Medium => &mut of.medium,
                S::Low => &mut of.low,
                S::Info => &mut of.info,
            } += n;
        }
        Ok(counts)
    }

    /// The installed rules.
    pub async fn rules(&self, caller: &Caller) -> Result<Page<RuleRow>> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let items: Vec<RuleRow> = self.live.lock().await.catalogue.iter().map(Listed::row).collect();
        Ok(Page { total: Some(items.len() as u64), items, next: None })
    }

    /// The hourly VN_AQI of some hours; public. 422 `aqi.not-enough-data`, 404 `aqi.no-table`.
    pub async fn vn_aqi(&self, input: &AqiInput) -> Result<AqiAnswer> {
        if input.hours.is_empty() || input.hours.len() > functions::vn_aqi::NOWCAST_HOURS {
            return Err(Error::invalid("aqi.hours", "Give 1 to 12 hours, latest first."));
        }
        let live = self.live.lock().await;
        let table = live.engine.table().ok_or_else(|| Error::not_found("aqi.no-table", "No index table is installed."))?;
        let index = functions::vn_aqi::hourly(table, &input.hours)
            .ok_or_else(|| Error::unprocessable("aqi.not-enough-data", "The index needs PM2.5 or PM10 in two of the last three hours."))?;
        let level = table.levels().iter().position(|l| index.value <= l.to).unwrap_or(table.levels().len() - 1);
        let named = &table.levels()[level];
        Ok(AqiAnswer {
            aqi: index.value,
            level: level + 1,
            level_name: named.name.clone(),
            level_name_en: named.name_en.clone(),
            colour: named.colour.clone(),
            main: index.main.name().to_string(),
            parts: index.parts.iter().map(|(p, v)| (p.name().to_string(), (v * 10.0).round() / 10.0)).collect(),
        })
    }
}

fn places(things: Arc<dyn Things>) -> engine::Places {
    Arc::new(move |entity| things.brief(entity)?.1)
}

/// What a thing hangs on by a relationship, or its commune.
fn parents(things: &dyn Things, entity: &str, area: Option<&str>, along: &str) -> Vec<String> {
    match along {
        practice::BY_AREA => area.iter().map(|a| format!("{AREA}{a}")).collect(),
        along => things.related(entity, along),
    }
}

fn scope(alarm: &Alarm) -> Scope<'_> {
    let scope = if alarm.unit.is_empty() { Scope::ANY } else { Scope::unit(&alarm.unit) };
    scope.sector(&alarm.sector)
}

/// Gives the evaluator the hourly means of the last day: one query a type.
async fn warm(engine: &mut Engine, history: &dyn History, kind: &str, inputs: &[Arc<str>], from: i64) -> Result<()> {
    // Names were checked to be plain words when the rules were installed.
    let names: Vec<String> = inputs.iter().map(|a| format!("'{a}'")).collect();
    let sql = format!(
        "select entity, attribute, date_part('epoch', date_trunc('hour', t)) as hour, avg(v) as mean, count(v) as n from observation \
         where type = '{kind}' and attribute in ({}) and t >= '{}' and v is not null and quality % 8 = 0 group by entity, attribute, date_trunc('hour', t)",
        names.join(", "),
        dothi_kernel::time::micros(from)
    );
    let table = history.table(&sql, QueryLimits { rows: PAST_ROWS, seconds: 30 }).await?;
    if table.truncated {
        tracing::warn!(kind, rows = PAST_ROWS, "more series than rules read back at the start");
    }
    for row in &table.rows {
        let [entity, attribute, hour, mean, n] = row.as_slice() else { continue };
        let (Some(entity), Some(attribute), Some(hour), Some(mean)) = (entity.as_str(), attribute.as_str(), hour.as_f64(), mean.as_f64()) else { continue };
        engine.warm(kind, &entity.into(), attribute, (hour * 1e6) as i64, mean, n.as_u64().unwrap_or(1));
    }
    Ok(())
}

/// Reads what is usual at each hour of the week for rules with a seasonal baseline: whole weeks before today.
async fn usual(engine: &mut Engine, history: &dyn History, zone: &TimeZone, today: Date) {
    let Ok(end) = today.to_zoned(zone.clone()).map(|z| z.timestamp().as_microsecond()) else { return };
    let mut means = Vec::new();
    for (kind, attribute, weeks) in engine.seasonal() {
        let from = end - i64::try_from(weeks).unwrap_or(0) * 7 * 86_400_000_000;
        let sql = format!(
            "select entity, attribute, date_part('epoch', date_trunc('hour', t)) as hour, avg(v) as mean, count(v) as n from observation \
             where type = '{kind}' and attribute = '{attribute}' and t >= '{}' and t < '{}' and v is not null and quality % 8 = 0 \
             group by entity, attribute, date_trunc('hour', t)",
            dothi_kernel::time::micros(from),
            dothi_kernel::time::micros(end)
        );
        match history.table(&sql, QueryLimits { rows: USUAL_ROWS, seconds: 60 }).await {
            Err(e) => tracing::warn!(kind = &*kind, error = %e, "rules begin without their baselines"),
            Ok(table) => {
                if table.truncated {
                    tracing::warn!(kind = &*kind, rows = USUAL_ROWS, "more series than baselines are read for");
                }
                means.extend(table.rows.iter().filter_map(|row| {
                    let (entity, hour, mean) = (row.first()?.as_str()?, row.get(2)?.as_f64()?, row.get(3)?.as_f64()?);
                    (row.get(1)?.as_str()? == &*attribute).then(|| (Arc::from(entity), attribute.clone(), (hour * 1e6) as i64, mean))
                }));
            }
        }
    }
    engine.set_usual(baseline::Baselines::of(means.into_iter(), zone));
}
