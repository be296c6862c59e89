//! Trying a rule on what is stored: the alarms it would have raised.

use std::sync::Arc;

use dothi_kernel::history::SeriesQuery;
use dothi_kernel::{Caller, Error, Observation, Permission, Result, Scope};

use crate::baseline::Baselines;
use crate::engine::{Effect, Engine, Timers};
use crate::model::{DryRun, Tried, TriedDay, WouldBe};
use crate::pack::{Rule, RuleKind};
use crate::{Rules, tables, versions};

const DAYS: i64 = 31;
const ENTITIES: usize = 20;
const POINTS: usize = 50_000;
/// Things of a type that are tried when none is named.
const ALL: usize = 200;
/// Readings of one trial; the thing at which they are passed is the last.
const POINTS_IN_ALL: usize = 2_000_000;
/// Alarms a trial shows.
const SHOWN: usize = 500;

impl Rules {
    /// Runs a rule, as it counts or as somebody would change it, over the history of some things; nothing is written.
    /// 404 `rule.unknown`, 400 `rule.dry-run.time` for more than 31 days, `rule.dry-run.things` for more than 20 things, 422 for rules that raise nothing
    /// (`rule.raises-nothing`) or cannot run (`rule.unusable`).
    pub async fn dry_run(&self, caller: &Caller, wanted: &DryRun) -> Result<Tried> {
        // Those who handle alarms, and those who change rules.
        if !caller.may(Permission::AlarmHandle, Scope::ANY) {
            caller.require(Permission::PackManage, Scope::ANY)?;
        }
        let (from, to) = (wanted.from.as_microsecond(), wanted.to.as_microsecond());
        if from >= to || to - from > DAYS * 86_400_000_000 {
            return Err(Error::invalid("rule.dry-run.time", "The beginning lies before the end, by at most 31 days.").with("limit", DAYS));
        }
        if wanted.entities.len() > ENTITIES || wanted.entities.iter().any(|e| e.len() > 500) {
            return Err(Error::invalid("rule.dry-run.things", "Too many things are named.").with("limit", ENTITIES));
        }
        let trials = self.trials(wanted).await?;
        let rule = &trials[0];
        if rule.fence.is_some() {
            return Err(Error::unprocessable("rule.no-past-places", "Where things were is not kept: rules with a fence cannot be tried."));
        }
        if rule.def.kind == RuleKind::Derive {
            return Err(Error::unprocessable("rule.raises-nothing", "This rule computes a value and raises no alarms."));
        }
        let table = self.live.lock().await.engine.shared_table();
        let entities = match wanted.entities.is_empty() {
            true => self.things.of_type(&rule.def.entity_type, ALL + 1),
            false => wanted.entities.clone(),
        };
        let mut truncated = entities.len() > ALL;
        let (mut found, mut read, mut things) = (Vec::new(), 0, 0);
        for entity in entities.iter().take(ALL) {
            if read > POINTS_IN_ALL {
                truncated = true;
                break;
            }
            things += 1;
            let entity: Arc<str> = entity.as_str().into();
            let mut readings = self.past(&trials, &entity, from, to).await?;
            read += readings.len();
            readings.sort_by_key(|o| o.t);
            let mut engine = Engine::new(trials.clone(), table.clone(), self.zone.clone());
            self.usual_before(&mut engine, &entity, from).await?;
            let mut trial = Trial { engine, timers: Timers::default(), found: Vec::new() };
            for group in readings.chunk_by(|a, b| a.t == b.t) {
                trial.until(group[0].t);
                let effects = trial.engine.observe(group, group[0].t);
                trial.take(effects);
            }
            trial.until(to);
            let name = self.things.brief(&entity).map_or_else(|| entity.to_string(), |b| b.0);
            let own = trial.found.into_iter().filter(|(code, w)| **code == *rule.def.code && w.cleared_at.is_none_or(|c| c > wanted.from));
            found.extend(own.map(|(_, w)| WouldBe { entity_name: name.clone(), ..w }));
        }
        found.sort_by_key(|w| w.raised_at);
        let days = self.by_day(&found, wanted);
        let total = found.len();
        found.truncate(SHOWN);
        Ok(Tried { total, days, alarms: found, things, truncated })
    }

    /// The rule to try first, then the rules it looks at.
    async fn trials(&self, wanted: &DryRun) -> Result<Vec<Arc<Rule>>> {
        let (_, reference) = tables::definitions(&self.store).await?;
        let live = self.live.lock().await;
        let unknown = || Error::not_found("rule.unknown", "There is no such rule.");
        let listed = live.catalogue.iter().find(|r| r.def.code == wanted.rule).ok_or_else(unknown)?;
        let def = wanted.change.as_ref().map_or_else(|| listed.def.clone(), |change| change.over(&listed.given));
        let fences = live.room.policy.fences.as_slice();
        let unusable = |why: String| Error::unprocessable("rule.unusable", "The rule cannot run like this.").with("fault", why);
        if let Some(fault) = versions::faults(&def, &live, &reference).into_iter().next() {
            return Err(unusable(fault));
        }
        let rule = Rule::compile("trial", &def, &reference, fences, live.day).map_err(unusable)?;
        let mut all = vec![Arc::new(rule)];
        all.extend(def.looks_at().filter_map(|code| live.engine.rule(code).cloned()));
        Ok(all)
    }

    /// Readings of all attributes the rules look at, with what functions look back on.
    async fn past(&self, rules: &[Arc<Rule>], entity: &Arc<str>, from: i64, to: i64) -> Result<Vec<Observation>> {
        let mut attributes: Vec<Arc<str>> = Vec::new();
        for rule in rules {
            match &rule.call {
                Some(call) => attributes.extend(call.inputs().iter().cloned()),
                None => attributes.push(rule.def.attribute.as_str().into()),
            }
            attributes.extend(rule.when.iter().flat_map(|w| w.attributes().iter().cloned()));
        }
        attributes.sort();
        attributes.dedup();
        let kind: Arc<str> = rules[0].def.entity_type.as_str().into();
        let mut readings = Vec::new();
        for attribute in &attributes {
            // What functions look back on is read too, but raises nothing.
            let query = SeriesQuery {
                entity: entity.to_string(),
                attribute: attribute.to_string(),
                from: from - crate::PAST,
                to,
                bucket_s: None,
                offset_s: 0,
                limit: POINTS,
            };
            readings.extend(self.history.series(&query).await?.into_iter().map(|p| Observation {
                entity: entity.clone(),
                kind: kind.clone(),
                attribute: attribute.clone(),
                t: p.t,
                value: p.value,
                unit: None,
                quality: p.quality,
                area: None,
            }));
        }
        Ok(readings)
    }

    /// What was usual for a thing before the trial begins.
    async fn usual_before(&self, engine: &mut Engine, entity: &Arc<str>, from: i64) -> Result<()> {
        let mut means = Vec::new();
        for (_, attribute, weeks) in engine.seasonal() {
            let hours = weeks * 168;
            let since = from - i64::try_from(hours).unwrap_or(0) * 3_600_000_000;
            let (entity_name, name) = (entity.to_string(), attribute.to_string());
            let query = SeriesQuery { entity: entity_name, attribute: name, from: since, to: from, bucket_s: Some(3_600), offset_s: 0, limit: hours + 1 };
            let points = self.history.series(&query).await?;
            means.extend(points.into_iter().filter_map(|p| Some((entity.clone(), attribute.clone(), p.t, p.value.number()?))));
        }
        engine.set_usual(Baselines::of(means.into_iter(), &self.zone));
        Ok(())
    }

    fn by_day(&self, found: &[WouldBe], wanted: &DryRun) -> Vec<TriedDay> {
        let date = |t: dothi_kernel::Timestamp| t.to_zoned(self.zone.clone()).date();
        let (mut day, last) = (date(wanted.from), date(dothi_kernel::time::micros(wanted.to.as_microsecond() - 1)));
        let mut days = Vec::new();
        while day <= last {
            days.push(TriedDay { day, alarms: found.iter().filter(|w| date(w.raised_at) == day).count() });
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        days
    }
}

struct Trial {
    engine: Engine,
    timers: Timers,
    found: Vec<(Arc<str>, WouldBe)>,
}

impl Trial {
    fn until(&mut self, t: i64) {
        while let Some(effect) = self.timers.next(&mut self.engine, t) {
            let mut effects = vec![effect];
            self.engine.follow(&mut effects);
            self.take(effects);
        }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.timers.note(&effect);
            match effect {
                Effect::Raise { rule, entity, t, value, .. } => {
                    let raised_at = dothi_kernel::time::micros(t);
                    self.found.push((rule, WouldBe { entity: entity.to_string(), entity_name: String::new(), raised_at, value, cleared_at: None }));
                }
                Effect::Clear { rule, t, .. } => {
                    if let Some((_, last)) = self.found.iter_mut().rev().find(|(code, _)| *code == rule) {
                        last.cleared_at = Some(dothi_kernel::time::micros(t));
                    }
                }
                _ => {}
            }
        }
    }
}
