//! Trying a rule on what is stored: the alarms it would have raised.

use std::sync::Arc;

use dothi_kernel::history::SeriesQuery;
use dothi_kernel::{Caller, Error, Observation, Permission, Result, Scope};

use crate::Rules;
use crate::engine::{Effect, Engine, Timers};
use crate::model::{DryRun, WouldBe};
use crate::pack::RuleKind;

const DAYS: i64 = 31;
const ENTITIES: usize = 20;
const POINTS: usize = 50_000;

impl Rules {
    /// Runs an installed rule over the history of some things; nothing is written. 404 `rule.unknown`,
    /// 400 `rule.dry-run` for more than 31 days or 20 things, 422 for rules that raise nothing.
    pub async fn dry_run(&self, caller: &Caller, wanted: &DryRun) -> Result<Vec<WouldBe>> {
        caller.require(Permission::AlarmHandle, Scope::ANY)?;
        let bad = |why: &str| Error::invalid("rule.dry-run", "This cannot be tried.").with("reason", why);
        let (from, to) = (wanted.from.as_microsecond(), wanted.to.as_microsecond());
        if from >= to || to - from > DAYS * 86_400_000_000 {
            return Err(bad("from must lie before to, by at most 31 days"));
        }
        if wanted.entities.is_empty() || wanted.entities.len() > ENTITIES || wanted.entities.iter().any(|e| e.len() > 500) {
            return Err(bad("name 1 to 20 things"));
        }
        let (rule, table) = {
            let live = self.live.lock().await;
            let rule = live.engine.rule(&wanted.rule).cloned().ok_or_else(|| Error::not_found("rule.unknown", "There is no such rule."))?;
            (rule, live.engine.shared_table())
        };
        if rule.def.kind == RuleKind::Derive {
            return Err(Error::unprocessable("rule.raises-nothing", "This rule computes a value and raises no alarms."));
        }
        let mut attributes: Vec<Arc<str>> = rule.call.as_ref().map_or_else(|| vec![rule.def.attribute.as_str().into()], |c| c.inputs().to_vec());
        attributes.extend(rule.when.iter().flat_map(|w| w.attributes().iter().cloned()));
        attributes.sort();
        attributes.dedup();
        let kind: Arc<str> = rule.def.entity_type.as_str().into();
        let mut found = Vec::new();
        for entity in &wanted.entities {
            let entity: Arc<str> = entity.as_str().into();
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
            readings.sort_by_key(|o| o.t);
            let mut trial = Trial { engine: Engine::new(vec![rule.clone()], table.clone(), self.zone.clone()), timers: Timers::default(), found: Vec::new() };
            for group in readings.chunk_by(|a, b| a.t == b.t) {
                trial.until(group[0].t);
                let effects = trial.engine.observe(group, group[0].t);
                trial.take(effects);
            }
            trial.until(to);
            found.extend(trial.found.into_iter().filter(|w| w.cleared_at.is_none_or(|c| c > wanted.from)));
        }
        found.sort_by_key(|w| w.raised_at);
        Ok(found)
    }
}

struct Trial {
    engine: Engine,
    timers: Timers,
    found: Vec<WouldBe>,
}

impl Trial {
    fn until(&mut self, t: i64) {
        while let Some(effect) = self.timers.next(&mut self.engine, t) {
            self.take(vec![effect]);
        }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.timers.note(&effect);
            match effect {
                Effect::Raise { entity, t, value, .. } => {
                    self.found.push(WouldBe { entity: entity.to_string(), raised_at: dothi_kernel::time::micros(t), value, cleared_at: None });
                }
                Effect::Clear { t, .. } => {
                    if let Some(last) = self.found.last_mut() {
                        last.cleared_at = Some(dothi_kernel::time::micros(t));
                    }
                }
                _ => {}
            }
        }
    }
}
