//! The pure evaluator: observations in, effects out. Knows no store; the domain applies what it says.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use dothi_kernel::geo::{Geometry, Point};
use dothi_kernel::value::quality;
use dothi_kernel::{Observation, Value};
use jiff::tz::TimeZone;

use crate::baseline::Baselines;
use crate::condition::Facts;
use crate::functions::{Call, Inputs, vn_aqi};
use crate::pack::{Rule, RuleKind};
use crate::window::Window;

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

/// What is remembered of one attribute of one thing.
#[derive(Default)]
struct Memory {
    window: Window,
    last: Option<(i64, Value)>,
}

/// Where one rule stands for one thing.
struct Cell {
    phase: Phase,
    /// Newest instant looked at; older data come too late.
    last: i64,
    /// When something last arrived (absence rules).
    heard: Option<i64>,
    /// A timer looks for silence.
    watched: bool,
}

impl Default for Cell {
    fn default() -> Self {
        Self { phase: Phase::Normal, last: i64::MIN, heard: None, watched: false }
    }
}

#[derive(Default)]
struct Thing {
    memory: Vec<Memory>,
    cells: Vec<(usize, Cell)>,
}

impl Thing {
    fn cell(&mut self, rule: usize) -> &mut Cell {
        let at = self.cells.iter().position(|(r, _)| *r == rule).unwrap_or_else(|| {
            self.cells.push((rule, Cell::default()));
            self.cells.len() - 1
        });
        &mut self.cells[at].1
    }
}

/// One attribute of a kind: who looks at it, and where it is remembered.
#[derive(Default)]
struct Slot {
    rules: Vec<usize>,
    remembered: Option<usize>,
}

/// One entity type that rules look at.
#[derive(Default)]
struct Kind {
    attributes: HashMap<Arc<str>, Slot>,
    remembered: Vec<Arc<str>>,
    things: HashMap<Arc<str>, Thing>,
}

impl Kind {
    fn remember(&mut self, attribute: &Arc<str>) {
        let slot = self.attributes.entry(attribute.clone()).or_default();
        if slot.remembered.is_none() {
            slot.remembered = Some(self.remembered.len());
            self.remembered.push(attribute.clone());
        }
    }

    fn thing(&mut self, entity: &Arc<str>) -> &mut Thing {
        let size = self.remembered.len();
        self.things.entry(entity.clone()).or_insert_with(|| Thing { memory: (0..size).map(|_| Memory::default()).collect(), cells: Vec::new() })
    }
}

struct Seen<'a> {
    attributes: &'a HashMap<Arc<str>, Slot>,
    memory: &'a [Memory],
    entity: &'a str,
    usual: &'a Baselines,
    zone: &'a TimeZone,
}

impl<'a> Seen<'a> {
    fn of(&self, attribute: &str) -> Option<&'a Memory> {
        self.memory.get(self.attributes.get(attribute)?.remembered?)
    }
}

impl Inputs for Seen<'_> {
    fn window(&self, attribute: &str) -> Option<&Window> {
        self.of(attribute).map(|m| &m.window)
    }
    fn deviation(&self, attribute: &str, t: i64, value: f64) -> Option<f64> {
        self.usual.deviation(self.entity, attribute, t, value, self.zone)
    }
}

/// Where a thing is now.
pub type Places = Arc<dyn Fn(&str) -> Option<Point> + Send + Sync>;

/// One alarm after another.
struct Sequence {
    rule: usize,
    first: usize,
    then: usize,
    within: i64,
}

/// The evaluator with its memory.
pub struct Engine {
    rules: Vec<Arc<Rule>>,
    codes: Vec<Arc<str>>,
    kinds: HashMap<Arc<str>, Kind>,
    table: Option<Arc<vn_aqi::Table>>,
    zone: TimeZone,
    /// Rules whose condition failed; told once, not with every reading.
    told: HashSet<usize>,
    sequences: Vec<Sequence>,
    places: Option<Places>,
    usual: Baselines,
}

impl Engine {
    /// An evaluator for rules; `zone` is what `hour` in conditions means.
    pub fn new(rules: Vec<Arc<Rule>>, table: Option<Arc<vn_aqi::Table>>, zone: TimeZone) -> Self {
        let codes = rules.iter().map(|r| r.def.code.as_str().into()).collect();
        let mut kinds: HashMap<Arc<str>, Kind> = HashMap::new();
        for (n, rule) in rules.iter().enumerate() {
            let kind = kinds.entry(rule.def.entity_type.as_str().into()).or_default();
            if rule.def.kind == RuleKind::Sequence {
                continue;
            }
            match &rule.call {
                Some(call) => {
                    for input in call.inputs() {
                        kind.remember(input);
                        kind.attributes.entry(input.clone()).or_default().rules.push(n);
                    }
                }
                None => kind.attributes.entry(rule.def.attribute.as_str().into()).or_default().rules.push(n),
            }
            for condition in rule.when.iter().chain(&rule.suppress) {
                condition.attributes().iter().for_each(|a| kind.remember(a));
            }
        }
        let number = |code: &Option<String>| rules.iter().position(|r| Some(&r.def.code) == code.as_ref());
        let sequences = rules.iter().enumerate().filter(|(_, r)| r.def.kind == RuleKind::Sequence);
        let sequences = sequences
            .filter_map(|(rule, r)| Some(Sequence { rule, first: number(&r.def.first)?, then: number(&r.def.then)?, within: seconds(r.def.within) }))
            .collect();
        Self { rules, codes, kinds, table, zone, told: HashSet::new(), sequences, places: None, usual: Baselines::default() }
    }

    /// The same, knowing where things are: rules with a fence need it.
    pub fn with_places(mut self, places: Places) -> Self {
        self.places = Some(places);
        self
    }

    /// Entity types and attributes with a seasonal baseline, and the weeks it looks back on.
    pub fn seasonal(&self) -> Vec<(Arc<str>, Arc<str>, usize)> {
        let mut found: Vec<(Arc<str>, Arc<str>, usize)> = Vec::new();
        for rule in &self.rules {
            let Some((call, weeks)) = rule.call.as_ref().and_then(|c| Some((c, c.weeks()?))) else { continue };
            for input in call.inputs() {
                match found.iter_mut().find(|(kind, attribute, _)| **kind == *rule.def.entity_type && attribute == input) {
                    Some((.., most)) => *most = weeks.max(*most),
                    None => found.push((rule.def.entity_type.as_str().into(), input.clone(), weeks)),
                }
            }
        }
        found
    }

    /// Sets what is usual.
    pub fn set_usual(&mut self, usual: Baselines) {
        self.usual = usual;
    }

    /// Adds what alarms that rise and clear mean for sequences.
    pub fn follow(&mut self, effects: &mut Vec<Effect>) {
        if self.sequences.is_empty() {
            return;
        }
        let mut more = Vec::new();
        for effect in effects.iter() {
            let (rule, entity) = match effect {
                Effect::Raise { rule, entity, .. } | Effect::Clear { rule, entity, .. } => (rule, entity),
                _ => continue,
            };
            for s in self.sequences.iter().filter(|s| self.codes[s.first] == *rule || self.codes[s.then] == *rule) {
                let Some(kind) = self.kinds.get_mut(self.rules[s.rule].def.entity_type.as_str()) else { continue };
                let cell = kind.thing(entity).cell(s.rule);
                let second = self.codes[s.then] == *rule;
                match effect {
                    Effect::Raise { t, .. } if !second => cell.heard = Some(*t),
                    Effect::Raise { t, value, area, .. } => {
                        let follows = cell.heard.is_some_and(|first| first <= *t && *t - first <= s.within);
                        if follows && cell.phase == Phase::Normal {
                            cell.phase = Phase::Raised;
                            more.push(Effect::Raise { rule: self.codes[s.rule].clone(), entity: entity.clone(), t: *t, value: *value, area: area.clone() });
                        }
                    }
                    Effect::Clear { t, value, .. } if second && cell.phase == Phase::Raised => {
                        cell.phase = Phase::Normal;
                        more.push(Effect::Clear { rule: self.codes[s.rule].clone(), entity: entity.clone(), t: *t, value: *value });
                    }
                    _ => {}
                }
            }
        }
        effects.extend(more);
    }

    fn number(&self, code: &str) -> Option<usize> {
        self.codes.iter().position(|c| **c == *code)
    }

    /// A rule by code.
    pub fn rule(&self, code: &str) -> Option<&Arc<Rule>> {
        self.rules.get(self.number(code)?)
    }

    /// The table of the air-quality index.
    pub fn table(&self) -> Option<&vn_aqi::Table> {
        self.table.as_deref()
    }

    /// The same, to share.
    pub fn shared_table(&self) -> Option<Arc<vn_aqi::Table>> {
        self.table.clone()
    }

    /// The same rules compiled for another day; the memory stays. False when they are not the same.
    pub fn renew(&mut self, rules: Vec<Arc<Rule>>) -> bool {
        let same = rules.len() == self.codes.len() && rules.iter().zip(&self.codes).all(|(r, c)| r.def.code == **c);
        if same {
            self.rules = rules;
        }
        same
    }

    /// Attributes whose past functions read, by entity type.
    pub fn windowed(&self) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
        let mut found: Vec<(Arc<str>, Vec<Arc<str>>)> = Vec::new();
        for name in self.kinds.keys() {
            let of_kind = self.rules.iter().filter(|r| r.def.entity_type == **name);
            let mut inputs: Vec<Arc<str>> = of_kind.filter_map(|r| r.call.as_ref()).flat_map(|c| c.inputs().iter().cloned()).collect();
            inputs.sort();
            inputs.dedup();
            if !inputs.is_empty() {
                found.push((name.clone(), inputs));
            }
        }
        found
    }

    /// Gives a series its past: the mean of one hour.
    pub fn warm(&mut self, kind: &str, entity: &Arc<str>, attribute: &str, t: i64, mean: f64, count: u64) {
        let Some(kind) = self.kinds.get_mut(kind) else { return };
        let Some(at) = kind.attributes.get(attribute).and_then(|s| s.remembered) else { return };
        if let Some(memory) = kind.thing(entity).memory.get_mut(at) {
            memory.window.add_mean(t, mean, count);
        }
    }

    /// Sets where a rule stands and what it has seen (µs), from what is stored.
    pub fn restore(&mut self, rule: &str, entity: &str, phase: Phase, last: i64) {
        let Some(n) = self.number(rule) else { return };
        let Some(kind) = self.kinds.get_mut(self.rules[n].def.entity_type.as_str()) else { return };
        let entity: Arc<str> = entity.into();
        let cell = kind.thing(&entity).cell(n);
        cell.phase = phase;
        cell.last = cell.last.max(last);
        // What stands may be followed yet.
        for s in self.sequences.iter().filter(|s| s.first == n && phase == Phase::Raised) {
            kind.thing(&entity).cell(s.rule).heard = Some(last);
        }
    }

    /// Evaluates a batch in order of time. `now` decides what is too old to raise.
    pub fn observe(&mut self, batch: &[Observation], now: i64) -> Vec<Effect> {
        self.observe_known(batch, now, i64::MAX)
    }

    /// The same for a batch whose readings from `known` on (µs) are remembered already: they are not counted twice.
    pub fn observe_known(&mut self, batch: &[Observation], now: i64, known: i64) -> Vec<Effect> {
        let looked_at = |o: &&Observation| self.kinds.get(&*o.kind).is_some_and(|k| k.attributes.contains_key(&*o.attribute));
        let mut order: Vec<&Observation> = batch.iter().filter(looked_at).collect();
        order.sort_by(|a, b| (a.t, &a.entity, &a.kind).cmp(&(b.t, &b.entity, &b.kind)));
        let mut effects = Vec::new();
        // Observations of one entity at one instant belong together: an index reads all of them.
        for group in order.chunk_by(|a, b| a.t == b.t && a.entity == b.entity && a.kind == b.kind) {
            self.together(group, now, known, &mut effects);
        }
        self.follow(&mut effects);
        effects
    }

    fn together(&mut self, group: &[&Observation], now: i64, known: i64, effects: &mut Vec<Effect>) {
        let Self { rules, codes, kinds, table, zone, told, places, usual, .. } = self;
        let Some(kind) = group.first().and_then(|o| kinds.get_mut(&*o.kind)) else { return };
        kind.thing(&group[0].entity);
        let Kind { attributes, things, .. } = kind;
        let Some(thing) = things.get_mut(&*group[0].entity) else { return };
        let mut touched: Vec<(usize, &Observation)> = Vec::new();
        for &o in group {
            let Some(slot) = attributes.get(&*o.attribute) else { continue };
            if let Some(memory) = slot.remembered.and_then(|at| thing.memory.get_mut(at)).filter(|_| usable(o)) {
                if let Some(value) = o.value.number().filter(|_| o.t < known) {
                    memory.window.add(o.t, value);
                }
                if memory.last.as_ref().is_none_or(|(t, _)| *t <= o.t) {
                    memory.last = Some((o.t, o.value.clone()));
                }
            }
            for rule in &slot.rules {
                if !touched.iter().any(|(r, _)| r == rule) {
                    touched.push((*rule, o));
                }
            }
        }
        // Rules that call the same function share what it gives: all of them look at one instant.
        let mut called: Vec<(&Call, Option<f64>)> = Vec::new();
        for (n, o) in touched {
            let (rule, code) = (&rules[n], &codes[n]);
            thing.cell(n);
            let Thing { memory, cells } = thing;
            let Some((_, cell)) = cells.iter_mut().find(|(r, _)| *r == n) else { continue };
            let seen = Seen { attributes, memory, entity: &o.entity, usual, zone };
            let value = match &rule.call {
                Some(call) => match called.iter().find(|(known, _)| **known == **call) {
                    Some((_, value)) => *value,
                    None => {
                        let value = call.value(&seen, table.as_deref(), o.t);
                        called.push((&**call, value));
                        value
                    }
                },
                None => o.value.number().filter(|_| usable(o)),
            };
            match rule.def.kind {
                RuleKind::Derive => effects.extend(value.map(|value| derived(rule, o, value))),
                RuleKind::Absence => heard(rule, code, cell, o, now, effects),
                RuleKind::Sequence => {}
                // Late data belong to history; what stands now was decided by later ones.
                RuleKind::Threshold if o.t < cell.last => {}
                RuleKind::Threshold => {
                    cell.last = o.t;
                    let (Some(value), Some(raise), Some(clear)) = (value, rule.raise, rule.clear) else { continue };
                    let there = rule.fence.as_ref().map(|fence| within(fence, places.as_ref(), &o.entity));
                    let holds = raise.holds(value)
                        && there.is_none_or(|there| there == Some(true))
                        && allowed(rule, o, value, zone, &seen, told.contains(&n)).unwrap_or_else(|| {
                            told.insert(n);
                            false
                        });
                    threshold(rule, code, cell, o, now, (value, holds, clear.holds(value) || there == Some(Some(false))), effects);
                }
            }
        }
    }

    /// When something last arrived for an absence rule (µs), if anything did since the start.
    pub fn heard(&self, rule: &str, entity: &str) -> Option<i64> {
        let n = self.number(rule)?;
        let thing = self.kinds.get(self.rules[n].def.entity_type.as_str())?.things.get(entity)?;
        thing.cells.iter().find(|(r, _)| *r == n)?.1.heard
    }

    /// A delay or a silence is over at `now`: what follows, if the memory still says so. `heard` is what the store
    /// knows of the last reading, for rules that have heard nothing themselves since the start.
    pub fn due(&mut self, rule: &str, entity: &str, now: i64, value: Option<f64>, area: Option<Arc<str>>, heard: Option<i64>) -> Option<Effect> {
        let n = self.number(rule)?;
        let (rule, code, entity): (_, _, Arc<str>) = (self.rules[n].clone(), self.codes[n].clone(), entity.into());
        let cell = self.kinds.get_mut(rule.def.entity_type.as_str())?.thing(&entity).cell(n);
        match (rule.def.kind, cell.phase) {
            (RuleKind::Threshold, Phase::Arming(since)) if now >= since + seconds(rule.def.on_delay) => {
                cell.phase = Phase::Raised;
                Some(Effect::Raise { rule: code, entity, t: now, value, area })
            }
            (RuleKind::Threshold, Phase::Clearing(since)) if now >= since + seconds(rule.def.off_delay) => {
                cell.phase = Phase::Normal;
                Some(Effect::Clear { rule: code, entity, t: now, value })
            }
            (RuleKind::Absence, Phase::Normal) => {
                let last = cell.heard.or(heard)?;
                let silent = last + seconds(rule.def.silent_for);
                if now < silent {
                    (cell.heard, cell.watched) = (Some(last), true);
                    return Some(Effect::Watch { rule: code, entity, due: silent });
                }
                (cell.phase, cell.watched) = (Phase::Raised, false);
                Some(Effect::Raise { rule: code, entity, t: now, value: None, area })
            }
            _ => None,
        }
    }

    /// Whether the rule's alarms of a thing are suppressed by design now; a condition that cannot be evaluated suppresses nothing.
    pub fn designed(&self, rule: &str, entity: &str, area: &str, value: Option<f64>, t: i64) -> bool {
        let Some(rule) = self.rule(rule) else { return false };
        let Some(suppress) = &rule.suppress else { return false };
        let Some(kind) = self.kinds.get(rule.def.entity_type.as_str()) else { return false };
        let memory = kind.things.get(entity).map_or(&[][..], |thing| &thing.memory);
        let seen = Seen { attributes: &kind.attributes, memory, entity, usual: &self.usual, zone: &self.zone };
        let hour = dothi_kernel::time::micros(t).to_zoned(self.zone.clone()).hour();
        let facts = Facts { value: value.unwrap_or(f64::NAN), entity, area, hour };
        suppress.holds(&facts, |name| seen.of(name).and_then(|m| m.last.as_ref()).map(|(_, v)| v)).unwrap_or(false)
    }

    /// A thing is gone: its alarms clear, its memory goes.
    pub fn forget(&mut self, entity: &str, now: i64) -> Vec<Effect> {
        let Self { codes, kinds, .. } = self;
        let mut effects = Vec::new();
        for thing in kinds.values_mut().filter_map(|k| k.things.remove(entity)) {
            for (n, cell) in thing.cells {
                let (rule, entity): (_, Arc<str>) = (codes[n].clone(), entity.into());
                match cell.phase {
                    Phase::Raised | Phase::Clearing(_) => effects.push(Effect::Clear { rule, entity, t: now, value: None }),
                    Phase::Arming(_) => effects.push(Effect::Hold { rule, entity, phase: Phase::Normal, due: None, value: None, area: None }),
                    Phase::Normal => {}
                }
            }
        }
        effects
    }
}

/// Timers of an evaluator that runs without a store: pack tests and dry runs.
#[derive(Default)]
pub struct Timers(BTreeMap<(Arc<str>, Arc<str>), Due>);

/// When, and the value and commune remembered.
type Due = (i64, Option<f64>, Option<Arc<str>>);

impl Timers {
    /// Takes over what an effect says about looking again.
    pub fn note(&mut self, effect: &Effect) {
        match effect {
            Effect::Hold { rule, entity, due: Some(due), value, area, .. } => {
                self.0.insert((rule.clone(), entity.clone()), (*due, *value, area.clone()));
            }
            Effect::Watch { rule, entity, due } => {
                self.0.insert((rule.clone(), entity.clone()), (*due, None, None));
            }
            Effect::Hold { rule, entity, due: None, .. } => {
                self.0.remove(&(rule.clone(), entity.clone()));
            }
            Effect::Raise { .. } | Effect::Clear { .. } | Effect::Derive { .. } => {}
        }
    }

    /// Lets the earliest timer before `until` run; none when no timer has anything to say.
    pub fn next(&mut self, engine: &mut Engine, until: i64) -> Option<Effect> {
        loop {
            let (key, (due, ..)) = self.0.iter().filter(|(_, (due, ..))| *due < until).min_by_key(|(_, (due, ..))| *due)?;
            let (key, due) = (key.clone(), *due);
            let (_, value, area) = self.0.remove(&key)?;
            if let Some(effect) = engine.due(&key.0, &key.1, due, value, area, None) {
                return Some(effect);
            }
        }
    }
}

/// Whether a thing is where its rule wants it; none when nobody knows where it is, or where that is.
fn within((fence, inside): &(Option<Arc<Geometry>>, bool), places: Option<&Places>, entity: &str) -> Option<bool> {
    let place = places?(entity)?;
    Some(fence.as_ref()?.contains(place) == *inside)
}

fn seconds(s: u32) -> i64 {
    i64::from(s) * 1_000_000
}

/// Readings that the device profile flags as implausible are kept in history but decide nothing; what takes a point of
/// the history away is no reading at all.
fn usable(o: &Observation) -> bool {
    o.quality & (quality::RANGE | quality::RATE | quality::STUCK | quality::DELETED) == 0
}

fn derived(rule: &Rule, o: &Observation, value: f64) -> Effect {
    let (entity, kind, area) = (o.entity.clone(), o.kind.clone(), o.area.clone());
    Effect::Derive { entity, kind, attribute: rule.def.attribute.as_str().into(), value, t: o.t, area }
}

/// Whether the rule's `when` holds; none when it cannot be said for the first time (the caller remembers that it was told).
fn allowed(rule: &Rule, o: &Observation, value: f64, zone: &TimeZone, seen: &Seen<'_>, told: bool) -> Option<bool> {
    let Some(when) = &rule.when else { return Some(true) };
    let hour = dothi_kernel::time::micros(o.t).to_zoned(zone.clone()).hour();
    let facts = Facts { value, entity: &o.entity, area: o.area.as_deref().unwrap_or_default(), hour };
    match when.holds(&facts, |name| seen.of(name).and_then(|m| m.last.as_ref()).map(|(_, v)| v)) {
        Ok(holds) => Some(holds),
        Err(_) if told => Some(false),
        Err(why) => {
            tracing::warn!(rule = rule.def.code, why, "a condition cannot be evaluated; it counts as not met");
            None
        }
    }
}

fn heard(rule: &Rule, code: &Arc<str>, cell: &mut Cell, o: &Observation, now: i64, effects: &mut Vec<Effect>) {
    // Silence is counted from arrival: a stored backlog is a sign of life, however old its readings are.
    cell.heard = Some(now);
    if cell.phase == Phase::Raised {
        cell.phase = Phase::Normal;
        effects.push(Effect::Clear { rule: code.clone(), entity: o.entity.clone(), t: o.t, value: None });
    }
    // One timer a thing, not one write a reading: when it is due, it looks at what was heard meanwhile.
    if !cell.watched {
        cell.watched = true;
        effects.push(Effect::Watch { rule: code.clone(), entity: o.entity.clone(), due: now + seconds(rule.def.silent_for) });
    }
}

fn threshold(rule: &Rule, code: &Arc<str>, cell: &mut Cell, o: &Observation, now: i64, (value, raises, clears): (f64, bool, bool), effects: &mut Vec<Effect>) {
    let phase = cell.phase;
    let next = step(phase, raises, clears, o.t, rule);
    let rises = matches!(next, Phase::Arming(_)) || (next == Phase::Raised && !matches!(phase, Phase::Clearing(_)));
    if next == phase || (rises && now - o.t > seconds(rule.def.max_age)) {
        return;
    }
    cell.phase = next;
    let (rule_code, entity, area) = (code.clone(), o.entity.clone(), o.area.clone());
    let hold = |due| Effect::Hold { rule: rule_code.clone(), entity: entity.clone(), phase: next, due, value: Some(value), area: area.clone() };
    effects.push(match next {
        Phase::Raised if rises => Effect::Raise { rule: rule_code, entity, t: o.t, value: Some(value), area },
        Phase::Normal if matches!(phase, Phase::Raised | Phase::Clearing(_)) => Effect::Clear { rule: rule_code, entity, t: o.t, value: Some(value) },
        Phase::Arming(since) => hold(Some(since + seconds(rule.def.on_delay))),
        Phase::Clearing(since) => hold(Some(since + seconds(rule.def.off_delay))),
        Phase::Normal | Phase::Raised => hold(None),
    });
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pack::{RuleDef, RulesPack};
    use proptest::prelude::*;

    fn engine(more: &str) -> Engine {
        let text = format!(
            "[[rule]]\ncode = \"r\"\ntitle = \"r\"\ntitle_en = \"r\"\nkind = \"threshold\"\nsector = \"s\"\ntype = \"T\"\nattribute = \"a\"\n\
             raise = \">= 150\"\nclear = \"< 140\"\nstatus = \"unconfirmed\"\nowner = \"o\"\n{more}"
        );
        let pack = RulesPack::load(&[("rules/r.toml".into(), text)]).unwrap();
        let compile = |def: &RuleDef| Arc::new(Rule::compile("p", def, &[], &[], jiff::civil::date(2026, 1, 1)).unwrap());
        Engine::new(pack.rules.iter().map(compile).collect(), None, TimeZone::UTC)
    }

    fn reading(t: i64, value: f64) -> Observation {
        Observation { entity: "e".into(), kind: "T".into(), attribute: "a".into(), t, value: Value::Number(value), unit: None, quality: 0, area: None }
    }

    /// What takes a point of the history away has a value of 0, which is nobody's.
    #[test]
    fn a_deleted_point_is_no_reading() {
        let mut engine = engine("");
        assert_eq!(engine.observe(&[reading(1_000_000, 160.0)], 1_000_000).len(), 1);
        let tombstone = Observation { quality: quality::DELETED, ..reading(2_000_000, 0.0) };
        assert_eq!(engine.observe(&[tombstone], 2_000_000), Vec::new());
        assert_eq!(engine.observe(&[reading(3_000_000, 0.0)], 3_000_000).len(), 1, "a real zero clears");
    }

    proptest! {
        /// Alarms rise only at or above the limit, clear only below the dead band, and take turns.
        #[test]
        fn the_dead_band_holds(values in prop::collection::vec(100.0f64..200.0, 1..200)) {
            let mut engine = engine("");
            let mut standing = false;
            for (t, v) in (0i64..).zip(&values) {
                let t = t * 1_000_000;
                let effects = engine.observe(&[reading(t, *v)], t);
                prop_assert!(effects.len() <= 1);
                match effects.first() {
                    Some(Effect::Raise { .. }) => {
                        prop_assert!(!standing && *v >= 150.0);
                        standing = true;
                    }
                    Some(Effect::Clear { .. }) => {
                        prop_assert!(standing && *v < 140.0);
                        standing = false;
                    }
                    Some(other) => prop_assert!(false, "{:?}", other),
                    None => prop_assert!(if standing { *v >= 140.0 } else { *v < 150.0 }, "a change was missed"),
                }
            }
        }

        /// However a series is cut into batches and shuffled inside them, the effects are the same; a second look adds none.
        #[test]
        fn batches_do_not_matter(values in prop::collection::vec(100.0f64..200.0, 1..60), cut in 1usize..20, on in 0u32..4, off in 0u32..4) {
            let delays = format!("on_delay = {on}\noff_delay = {off}");
            let series: Vec<Observation> = (0i64..).zip(&values).map(|(t, v)| reading(t * 1_000_000, *v)).collect();
            let now = values.len() as i64 * 1_000_000;
            let whole = engine(&delays).observe(&series, now);
            let (mut parts, mut cut_up) = (engine(&delays), Vec::new());
            for chunk in series.chunks(cut) {
                let turned: Vec<Observation> = chunk.iter().rev().cloned().collect();
                cut_up.extend(parts.observe(&turned, now));
                prop_assert_eq!(parts.observe(&turned, now), Vec::new());
            }
            prop_assert_eq!(whole, cut_up);
        }
    }
}
