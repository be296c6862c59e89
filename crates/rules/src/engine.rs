//! The pure evaluator: observations in, effects out. Knows no store; the domain applies what it says.

use std::collections::HashMap;
use std::sync::Arc;

use dothi_kernel::Observation;
use jiff::tz::TimeZone;

use crate::functions::{Inputs, vn_aqi};
use crate::pack::{Rule, RuleKind};
use crate::window::Window;

/// Longest `when` text.
const CONDITION: usize = 500;

/// Compiles a `when` condition. The fault is a sentence for the pack's author.
pub fn condition(text: &str) -> Result<cel::Program, String> {
    if text.len() > CONDITION {
        return Err(format!("`when` is longer than {CONDITION} characters"));
    }
    let program = cel::Program::compile(text).map_err(|e| format!("`when`: {e}"))?;
    let known = ["value", "entity", "area", "hour"];
    if let Some(name) = program.references().variables().into_iter().find(|v| !known.contains(v)) {
        return Err(format!("`when` names `{name}`; there are value, entity, area and hour"));
    }
    Ok(program)
}

/// Where a rule stands for one entity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// Quiet.
    Normal,
    /// The condition holds since then (µs), not long enough yet.
    Arming(i64),
    /// Raised.
    Raised,
    /// Raised, but the condition is gone since then (µs), not long enough yet.
    Clearing(i64),
}

/// What follows from observations.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// An alarm rises.
    Raise {
        /// Rule's code.
        rule: Arc<str>,
        /// Entity.
        entity: Arc<str>,
        /// When, µs.
        t: i64,
        /// The value, when there is one.
        value: Option<f64>,
        /// Commune.
        area: Option<Arc<str>>,
    },
    /// The condition went away.
    Clear {
        /// Rule's code.
        rule: Arc<str>,
        /// Entity.
        entity: Arc<str>,
        /// When, µs.
        t: i64,
        /// The value, when there is one.
        value: Option<f64>,
    },
    /// A phase to remember, and when to look again (µs).
    Hold {
        /// Rule's code.
        rule: Arc<str>,
        /// Entity.
        entity: Arc<str>,
        /// The phase.
        phase: Phase,
        /// When the delay is over.
        due: Option<i64>,
        /// The value that began it.
        value: Option<f64>,
        /// Commune.
        area: Option<Arc<str>>,
    },
    /// Look for silence then (µs).
    Watch {
        /// Rule's code.
        rule: Arc<str>,
        /// Entity.
        entity: Arc<str>,
        /// When.
        due: i64,
    },
    /// A computed value.
    Derive {
        /// Entity.
        entity: Arc<str>,
        /// Entity type.
        kind: Arc<str>,
        /// Attribute.
        attribute: Arc<str>,
        /// Value.
        value: f64,
        /// Instant, µs.
        t: i64,
        /// Commune.
        area: Option<Arc<str>>,
    },
}

type Key = (Arc<str>, Arc<str>);

/// The evaluator with its memory.
pub struct Engine {
    rules: Vec<Arc<Rule>>,
    codes: Vec<Arc<str>>,
    by_input: HashMap<String, HashMap<String, Vec<usize>>>,
    windowed: HashMap<String, Vec<String>>,
    table: Option<Arc<vn_aqi::Table>>,
    windows: HashMap<Key, Window>,
    phases: HashMap<Key, Phase>,
    last: HashMap<Key, i64>,
    zone: TimeZone,
}

struct Seen<'a> {
    windows: &'a HashMap<Key, Window>,
    entity: Arc<str>,
}

impl Inputs for Seen<'_> {
    fn window(&self, attribute: &str) -> Option<&Window> {
        self.windows.get(&(self.entity.clone(), attribute.into()))
    }
}

impl Engine {
    /// An evaluator for rules; `zone` is what `hour` in conditions means.
    pub fn new(rules: Vec<Arc<Rule>>, table: Option<Arc<vn_aqi::Table>>, zone: TimeZone) -> Self {
        let codes = rules.iter().map(|r| r.def.code.as_str().into()).collect();
        let mut by_input: HashMap<String, HashMap<String, Vec<usize>>> = HashMap::new();
        let mut windowed: HashMap<String, Vec<String>> = HashMap::new();
        for (n, rule) in rules.iter().enumerate() {
            let inputs: Vec<String> = match &rule.call {
                Some(call) => call.inputs().iter().map(|i| i.to_string()).collect(),
                None => vec![rule.def.attribute.clone()],
            };
            if rule.call.is_some() {
                let known = windowed.entry(rule.def.entity_type.clone()).or_default();
                known.extend(inputs.iter().cloned());
                known.sort();
                known.dedup();
            }
            for input in inputs {
                by_input.entry(rule.def.entity_type.clone()).or_default().entry(input).or_default().push(n);
            }
        }
        Self { rules, codes, by_input, windowed, table, windows: HashMap::new(), phases: HashMap::new(), last: HashMap::new(), zone }
    }

    /// The rules.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// A rule by code.
    pub fn rule(&self, code: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|r| r.def.code == code)
    }

    /// The table of the air-quality index.
    pub fn table(&self) -> Option<&vn_aqi::Table> {
        self.table.as_deref()
    }

    /// Series of these observations whose last day must be known first; each once, with its earliest instant here.
    pub fn unknown(&self, batch: &[Observation]) -> Vec<(Arc<str>, String, i64)> {
        let mut found: HashMap<(Arc<str>, &String), i64> = HashMap::new();
        for o in batch {
            let Some(attributes) = self.windowed.get(&*o.kind) else { continue };
            for attribute in attributes {
                if !self.windows.contains_key(&(o.entity.clone(), attribute.as_str().into())) {
                    let first = found.entry((o.entity.clone(), attribute)).or_insert(o.t);
                    *first = (*first).min(o.t);
                }
            }
        }
        found.into_iter().map(|((entity, attribute), t)| (entity, attribute.clone(), t)).collect()
    }

    /// Gives a series its past: hourly means.
    pub fn warm(&mut self, entity: &Arc<str>, attribute: &str, hours: &[(i64, f64, u64)]) {
        let window = self.windows.entry((entity.clone(), attribute.into())).or_default();
        hours.iter().for_each(|(t, mean, count)| window.add_mean(*t, *mean, *count));
    }

    /// Sets where a rule stands, from what is stored.
    pub fn restore(&mut self, rule: &str, entity: &str, phase: Phase) {
        self.phases.insert((rule.into(), entity.into()), phase);
    }

    /// Evaluates a batch in order of time. `now` decides what is too old to raise.
    pub fn observe(&mut self, batch: &[Observation], now: i64) -> Vec<Effect> {
        let mut order: Vec<&Observation> = batch.iter().filter(|o| self.by_input.contains_key(&*o.kind)).collect();
        order.sort_by_key(|o| o.t);
        let mut effects = Vec::new();
        let mut start = 0;
        // Observations of one entity at one instant belong together: an index reads all of them.
        while start < order.len() {
            let t = order[start].t;
            let end = start + order[start..].iter().take_while(|o| o.t == t).count();
            let mut touched: Vec<(usize, &Observation)> = Vec::new();
            for o in &order[start..end] {
                let Some(rules) = self.by_input.get(&*o.kind).and_then(|attributes| attributes.get(&*o.attribute)) else { continue };
                let remembered = self.windowed.get(&*o.kind).is_some_and(|w| w.iter().any(|a| **a == *o.attribute));
                if let Some(value) = o.value.number().filter(|_| remembered) {
                    self.windows.entry((o.entity.clone(), o.attribute.clone())).or_default().add(o.t, value);
                }
                for rule in rules {
                    if !touched.iter().any(|(r, other)| r == rule && other.entity == o.entity) {
                        touched.push((*rule, o));
                    }
                }
            }
            for (rule, o) in touched {
                self.evaluate(rule, o, now, &mut effects);
            }
            start = end;
        }
        effects
    }

    fn evaluate(&mut self, n: usize, o: &Observation, now: i64, effects: &mut Vec<Effect>) {
        let (rule, code) = (self.rules[n].clone(), self.codes[n].clone());
        let key = (code.clone(), o.entity.clone());
        let seen = Seen { windows: &self.windows, entity: o.entity.clone() };
        let value = match &rule.call {
            Some(call) => call.value(&seen, self.table.as_deref(), o.t),
            None => o.value.number(),
        };
        // Late data belong to history; what stands now was decided by later ones.
        let late = self.last.get(&key).is_some_and(|last| o.t < *last);
        if rule.def.kind == RuleKind::Derive {
            if let Some(value) = value {
                effects.push(Effect::Derive {
                    entity: o.entity.clone(),
                    kind: o.kind.clone(),
                    attribute: rule.def.attribute.as_str().into(),
                    value,
                    t: o.t,
                    area: o.area.clone(),
                });
            }
            return;
        }
        if late {
            return;
        }
        self.last.insert(key.clone(), o.t);
        if rule.def.kind == RuleKind::Absence {
            if self.phases.get(&key).is_some_and(|p| matches!(p, Phase::Raised | Phase::Clearing(_))) {
                self.phases.insert(key.clone(), Phase::Normal);
                effects.push(Effect::Clear { rule: code.clone(), entity: o.entity.clone(), t: o.t, value: None });
            }
            effects.push(Effect::Watch { rule: code, entity: o.entity.clone(), due: o.t + i64::from(rule.def.silent_for) * 1_000_000 });
            return;
        }
        let (Some(value), Some(raise), Some(clear)) = (value, rule.raise, rule.clear) else { return };
        let phase = self.phases.get(&key).copied().unwrap_or(Phase::Normal);
        let holds = raise.holds(value) && self.when(&rule, o, value);
        let next = step(phase, holds, clear.holds(value), o.t, &rule);
        if next == phase {
            return;
        }
        let too_old = now - o.t > i64::from(rule.def.max_age) * 1_000_000;
        if next == Phase::Raised && !matches!(phase, Phase::Clearing(_)) && too_old {
            return;
        }
        self.phases.insert(key, next);
        let (entity, area) = (o.entity.clone(), o.area.clone());
        match next {
            Phase::Raised if !matches!(phase, Phase::Clearing(_)) => effects.push(Effect::Raise { rule: code, entity, t: o.t, value: Some(value), area }),
            Phase::Normal if matches!(phase, Phase::Raised | Phase::Clearing(_)) => effects.push(Effect::Clear { rule: code, entity, t: o.t, value: Some(value) }),
            Phase::Arming(since) => {
                let due = Some(since + i64::from(rule.def.on_delay) * 1_000_000);
                effects.push(Effect::Hold { rule: code, entity, phase: next, due, value: Some(value), area });
            }
            Phase::Clearing(since) => {
                let due = Some(since + i64::from(rule.def.off_delay) * 1_000_000);
                effects.push(Effect::Hold { rule: code, entity, phase: next, due, value: Some(value), area });
            }
            Phase::Normal | Phase::Raised => effects.push(Effect::Hold { rule: code, entity, phase: next, due: None, value: Some(value), area }),
        }
    }

    fn when(&self, rule: &Rule, o: &Observation, value: f64) -> bool {
        let Some(program) = &rule.when else { return true };
        let mut context = cel::Context::default();
        context.add_variable_from_value("value", value);
        context.add_variable_from_value("entity", o.entity.to_string());
        context.add_variable_from_value("area", o.area.as_deref().unwrap_or_default().to_string());
        let hour = dothi_kernel::time::micros(o.t).to_zoned(self.zone.clone()).hour();
        context.add_variable_from_value("hour", i64::from(hour));
        match program.execute(&context) {
            Ok(cel::Value::Bool(holds)) => holds,
            Ok(other) => {
                tracing::warn!(rule = rule.def.code, result = ?other, "a condition did not give true or false");
                false
            }
            Err(e) => {
                tracing::warn!(rule = rule.def.code, error = %e, "a condition failed");
                false
            }
        }
    }

    /// A delay or a silence is over at `now`: what follows, if the memory still says so.
    pub fn due(&mut self, rule: &str, entity: &str, now: i64, value: Option<f64>, area: Option<Arc<str>>) -> Option<Effect> {
        let rule = self.rule(rule)?.clone();
        let key: Key = (rule.def.code.as_str().into(), entity.into());
        let (code, entity) = key.clone();
        match (rule.def.kind, self.phases.get(&key).copied().unwrap_or(Phase::Normal)) {
            (RuleKind::Threshold, Phase::Arming(since)) if now >= since + i64::from(rule.def.on_delay) * 1_000_000 => {
                self.phases.insert(key, Phase::Raised);
                Some(Effect::Raise { rule: code, entity, t: now, value, area })
            }
            (RuleKind::Threshold, Phase::Clearing(since)) if now >= since + i64::from(rule.def.off_delay) * 1_000_000 => {
                self.phases.insert(key, Phase::Normal);
                Some(Effect::Clear { rule: code, entity, t: now, value })
            }
            (RuleKind::Absence, Phase::Normal) => {
                self.phases.insert(key, Phase::Raised);
                Some(Effect::Raise { rule: code, entity, t: now, value: None, area })
            }
            _ => None,
        }
    }
}

/// The next phase of a threshold.
fn step(phase: Phase, raises: bool, clears: bool, t: i64, rule: &Rule) -> Phase {
    let over = |since: i64, delay: u32| t - since >= i64::from(delay) * 1_000_000;
    match phase {
        Phase::Normal if raises && rule.def.on_delay == 0 => Phase::Raised,
        Phase::Normal if raises => Phase::Arming(t),
        Phase::Arming(since) if raises && over(since, rule.def.on_delay) => Phase::Raised,
        Phase::Arming(_) if !raises => Phase::Normal,
        Phase::Raised if clears && rule.def.off_delay == 0 => Phase::Normal,
        Phase::Raised if clears => Phase::Clearing(t),
        Phase::Clearing(since) if clears && over(since, rule.def.off_delay) => Phase::Normal,
        Phase::Clearing(_) if !clears => Phase::Raised,
        same => same,
    }
}
