//! What a pack may declare: rules, and the reference data they name.

use std::collections::BTreeMap;
use std::sync::Arc;

use dothi_kernel::event::Severity;
use dothi_kernel::geo::Geometry;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::functions::{AQI_REFERENCE, Call, vn_aqi};
use crate::practice::Policy;
pub use crate::practice::{CauseDef, ClassDef, FenceDef};

/// How sure we are of a figure of reference data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Read in the act itself.
    Confirmed,
    /// Read in a secondary source.
    Secondary,
    /// Known, not confirmed; or our proposal.
    Unconfirmed,
}

/// What kind of rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// Raises when a value passes a limit, clears behind a dead band.
    Threshold,
    /// Raises when a thing falls silent.
    Absence,
    /// Computes an attribute; raises nothing.
    Derive,
    /// Raises when an alarm of one rule is followed by one of another, of the same thing, within a time.
    Sequence,
}

/// A rule as a pack writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDef {
    /// Code, unique in the installation (`air.vn-aqi.bad`).
    pub code: String,
    /// Title in Vietnamese.
    pub title: String,
    /// Title in English.
    pub title_en: String,
    /// Kind.
    pub kind: RuleKind,
    /// Severity of its alarms.
    #[serde(default = "medium")]
    pub severity: Severity,
    /// Sector (pack name).
    pub sector: String,
    /// Entity type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// Attribute it watches, or computes.
    pub attribute: String,
    /// Named function for the value: `mean(pm25, 24, 18)`; none = the reading itself.
    #[serde(default)]
    pub value: Option<String>,
    /// Condition that raises: `>= 150`, or `> ref:qcvn-05-2023/pm25/24h`.
    #[serde(default)]
    pub raise: Option<String>,
    /// Condition that clears: `< 140`. None: the opposite of `raise`.
    #[serde(default)]
    pub clear: Option<String>,
    /// CEL over `value`, `entity`, `area`, `hour` (local) and the thing's other attributes; must also hold to raise.
    #[serde(default)]
    pub when: Option<String>,
    /// Seconds the condition must hold before it raises.
    #[serde(default)]
    pub on_delay: u32,
    /// Seconds it must be gone before it clears.
    #[serde(default)]
    pub off_delay: u32,
    /// Seconds of silence (absence rules).
    #[serde(default)]
    pub silent_for: u32,
    /// Code of the rule that comes first (sequences).
    #[serde(default)]
    pub first: Option<String>,
    /// Code of the rule that follows; the sequence clears with it.
    #[serde(default)]
    pub then: Option<String>,
    /// Seconds in which it must follow.
    #[serde(default)]
    pub within: u32,
    /// Fence (by code) in which the thing must be to raise; leaving it clears.
    #[serde(default)]
    pub inside: Option<String>,
    /// Fence outside of which the thing must be to raise; entering it clears.
    #[serde(default)]
    pub outside: Option<String>,
    /// Observations older than so many seconds raise nothing.
    #[serde(default = "two_days")]
    pub max_age: u32,
    /// Act the limit comes from.
    #[serde(default)]
    pub source_act: Option<String>,
    /// How sure we are.
    pub status: Status,
    /// Who answers for the rule.
    pub owner: String,
    /// Class of its alarms; `silent` for absence rules that name none.
    #[serde(default)]
    pub class: Option<String>,
    /// A latched alarm stays after it was noted and its condition went away, until somebody resets it.
    #[serde(default)]
    pub latch: bool,
    /// CEL like `when`: while it holds, alarms are suppressed by design (logged, shown to nobody).
    #[serde(default)]
    pub suppress_when: Option<String>,
    /// What the operator should do.
    #[serde(default)]
    pub advice: Option<String>,
    /// The same in English.
    #[serde(default)]
    pub advice_en: Option<String>,
}

impl RuleDef {
    /// Class of its alarms; empty for none.
    pub fn class(&self) -> &str {
        match (&self.class, self.kind) {
            (Some(class), _) => class,
            (None, RuleKind::Absence) => "silent",
            (None, _) => "",
        }
    }

    /// Codes of the rules it looks at.
    pub fn looks_at(&self) -> impl Iterator<Item = &str> {
        self.first.as_deref().into_iter().chain(self.then.as_deref())
    }

    /// The condition in words of the pack.
    pub fn condition_text(&self) -> String {
        let value = self.value.clone().unwrap_or_else(|| self.attribute.clone());
        match self.kind {
            RuleKind::Threshold => {
                let mut text = format!("{value} {}", self.raise.as_deref().unwrap_or_default());
                if let Some(when) = &self.when {
                    text.push_str(&format!(" && {when}"));
                }
                for (word, fence) in [("inside", &self.inside), ("outside", &self.outside)] {
                    if let Some(fence) = fence {
                        text.push_str(&format!(" && {word}({fence})"));
                    }
                }
                text
            }
            RuleKind::Absence => format!("silent({}) >= {} s", self.attribute, self.silent_for),
            RuleKind::Derive => format!("{} = {value}", self.attribute),
            RuleKind::Sequence => {
                format!("{} → {} <= {} s", self.first.as_deref().unwrap_or_default(), self.then.as_deref().unwrap_or_default(), self.within)
            }
        }
    }
}

fn medium() -> Severity {
    Severity::Medium
}
fn two_days() -> u32 {
    172_800
}

/// A comparison with a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The operator.
    pub op: Op,
    /// The limit.
    pub limit: f64,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `>`
    Over,
    /// `>=`
    AtLeast,
    /// `<`
    Under,
    /// `<=`
    AtMost,
}

impl Comparison {
    /// Whether it holds.
    pub fn holds(self, value: f64) -> bool {
        match self.op {
            Op::Over => value > self.limit,
            Op::AtLeast => value >= self.limit,
            Op::Under => value < self.limit,
            Op::AtMost => value <= self.limit,
        }
    }

    /// The opposite comparison.
    pub fn opposite(self) -> Self {
        let op = match self.op {
            Op::Over => Op::AtMost,
            Op::AtLeast => Op::Under,
            Op::Under => Op::AtLeast,
            Op::AtMost => Op::Over,
        };
        Self { op, limit: self.limit }
    }

    fn is_upper(self) -> bool {
        matches!(self.op, Op::Over | Op::AtLeast)
    }
}

/// A figure of reference data, valid for a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Key within the set (`pm25/24h`).
    pub key: String,
    /// Value.
    pub value: f64,
    /// Unit (UN/CEFACT).
    #[serde(default)]
    pub unit: Option<String>,
    /// First day.
    pub valid_from: Date,
    /// Last day; none = still valid.
    #[serde(default)]
    pub valid_to: Option<Date>,
    /// How sure we are.
    pub status: Status,
}

/// Break points of the air-quality index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexTable {
    /// Index at each break point.
    pub index: Vec<f64>,
    /// Concentrations at each break point, by pollutant.
    pub curves: BTreeMap<String, Vec<f64>>,
    /// Levels in rising order.
    pub levels: Vec<vn_aqi::Level>,
    /// Hours a daily mean needs.
    pub day_least: usize,
    /// Hours of eight an 8-hour mean needs.
    pub o3_least: usize,
}

/// A set of reference data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Code (`qcvn-05-2023`, `vn-aqi`).
    pub code: String,
    /// Title.
    pub title: String,
    /// Act it comes from.
    pub source_act: String,
    /// First day.
    pub valid_from: Date,
    /// Last day.
    #[serde(default)]
    pub valid_to: Option<Date>,
    /// How sure we are.
    pub status: Status,
    /// Limits.
    #[serde(default, rename = "limit")]
    pub limits: Vec<Limit>,
    /// Break points of an index.
    #[serde(default)]
    pub table: Option<IndexTable>,
}

/// What a pack declares for this domain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulesPack {
    /// Rules.
    #[serde(rename = "rule")]
    pub rules: Vec<RuleDef>,
    /// Reference data.
    pub reference: Vec<Reference>,
    /// Classes of alarms.
    #[serde(rename = "class")]
    pub classes: Vec<ClassDef>,
    /// What alarms are gathered by.
    #[serde(rename = "cause")]
    pub causes: Vec<CauseDef>,
    /// Places that rules speak of.
    #[serde(rename = "fence")]
    pub fences: Vec<FenceDef>,
}

/// Whether a text is a plain name of an attribute.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The table of the air-quality index among reference data.
pub fn aqi_table(reference: &[Reference]) -> Result<Option<vn_aqi::Table>, String> {
    let Some(table) = reference.iter().find(|r| r.code == AQI_REFERENCE).and_then(|r| r.table.as_ref()) else { return Ok(None) };
    vn_aqi::Table::new(&table.index, &table.curves, &table.levels, table.day_least, table.o3_least).map(Some)
}

/// Reads `>= 150` or `> ref:set/key` (resolved for `on`).
pub fn comparison(text: &str, reference: &[Reference], on: Date) -> Result<Comparison, String> {
    let text = text.trim();
    let (op, rest) = [(">=", Op::AtLeast), ("<=", Op::AtMost), (">", Op::Over), ("<", Op::Under)]
        .into_iter()
        .find_map(|(sign, op)| text.strip_prefix(sign).map(|rest| (op, rest.trim())))
        .ok_or_else(|| format!("`{text}` does not begin with >, >=, < or <="))?;
    let limit = match rest.strip_prefix("ref:") {
        None => rest.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(|| format!("`{rest}` is not a number"))?,
        Some(path) => {
            let (set, key) = path.split_once('/').ok_or_else(|| format!("`{rest}` should be ref:set/key"))?;
            let found = reference.iter().filter(|r| r.code == set).flat_map(|r| &r.limits).filter(|l| l.key == key);
            found
                .filter(|l| l.valid_from <= on && l.valid_to.is_none_or(|to| on <= to))
                .map(|l| l.value)
                .next()
                .ok_or_else(|| format!("no figure `{path}` is valid on {on}"))?
        }
    };
    Ok(Comparison { op, limit })
}

impl RulesPack {
    /// Reads the files of `rules/` and `reference/`; the faults are led by the file.
    pub fn load(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        let mut pack = Self::default();
        let mut faults = Vec::new();
        for (path, text) in files {
            if path.starts_with("reference/") {
                match toml::from_str::<Reference>(text) {
                    Ok(set) => pack.reference.push(set),
                    Err(e) => faults.push(format!("{path}: {}", e.message())),
                }
            } else {
                match toml::from_str::<Self>(text) {
                    Ok(part) => {
                        pack.rules.extend(part.rules);
                        pack.reference.extend(part.reference);
                        pack.classes.extend(part.classes);
                        pack.causes.extend(part.causes);
                        pack.fences.extend(part.fences);
                    }
                    Err(e) => faults.push(format!("{path}: {}", e.message())),
                }
            }
        }
        if faults.is_empty() { Ok(pack) } else { Err(faults) }
    }

    /// Classes, causes and fences.
    pub(crate) fn policy(&self) -> Policy {
        Policy { classes: self.classes.clone(), causes: self.causes.clone(), fences: self.fences.clone() }
    }

    /// Everything wrong with the declarations.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Err(why) = aqi_table(&self.reference) {
            faults.push(format!("reference `{AQI_REFERENCE}`: {why}"));
        }
        faults.extend(self.policy().faults());
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut seen = std::collections::BTreeSet::new();
        for rule in &self.rules {
            let mut fault = |why: String| faults.push(format!("rule `{}`: {why}", rule.code));
            if !seen.insert(&rule.code) {
                fault("declared twice".into());
            }
            if rule.code.is_empty() || rule.code.len() > 80 || rule.title.is_empty() || rule.title_en.is_empty() {
                fault("code, title and title_en must be filled".into());
            }
            if !is_name(&rule.attribute) || !is_name(&rule.entity_type) {
                fault("type and attribute must be plain names".into());
            }
            if let Some(call) = &rule.value {
                match Call::parse(call) {
                    Err(why) => fault(why),
                    Ok(call) if call.needs_aqi_table() && !self.reference.iter().any(|r| r.code == AQI_REFERENCE) => {
                        fault(format!("needs the reference data `{AQI_REFERENCE}`"));
                    }
                    Ok(_) => {}
                }
            }
            for text in rule.when.iter().chain(&rule.suppress_when) {
                if let Err(why) = Condition::compile(text) {
                    fault(why);
                }
            }
            for fence in rule.inside.iter().chain(&rule.outside) {
                if rule.kind != RuleKind::Threshold || !self.fences.iter().any(|f| f.code == *fence) {
                    fault(format!("only a threshold may have a fence, and `{fence}` must be declared"));
                }
            }
            match rule.kind {
                RuleKind::Threshold => match rule.raise.as_deref().map(|r| comparison(r, &self.reference, today)) {
                    None => fault("a threshold needs `raise`".into()),
                    Some(Err(why)) => fault(why),
                    Some(Ok(raise)) => match rule.clear.as_deref().map(|c| comparison(c, &self.reference, today)) {
                        Some(Err(why)) => fault(why),
                        Some(Ok(clear)) if clear.is_upper() == raise.is_upper() => fault("`raise` and `clear` must look in opposite directions".into()),
                        Some(Ok(clear)) if (raise.is_upper() && clear.limit > raise.limit) || (!raise.is_upper() && clear.limit < raise.limit) => {
                            fault("`clear` must lie on the quiet side of `raise`".into());
                        }
                        _ => {}
                    },
                },
                RuleKind::Absence if rule.silent_for == 0 => fault("an absence rule needs `silent_for`".into()),
                RuleKind::Derive if rule.value.is_none() => fault("a derive rule needs `value`".into()),
                RuleKind::Sequence => {
                    let raises = |code: &&String| {
                        let simple = |r: &RuleDef| matches!(r.kind, RuleKind::Threshold | RuleKind::Absence) && r.entity_type == rule.entity_type;
                        self.rules.iter().any(|r| r.code == **code && simple(r))
                    };
                    if rule.first == rule.then || rule.first.as_ref().filter(raises).is_none() || rule.then.as_ref().filter(raises).is_none() {
                        fault("a sequence needs `first` and `then`: two threshold or absence rules of this pack and type".into());
                    }
                    if rule.within == 0 || rule.within > 86_400 {
                        fault("`within` is 1 to 86 400 seconds".into());
                    }
                }
                _ => {}
            }
        }
        faults
    }
}

pub use crate::testing::run_tests;

/// A rule ready to run.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As declared.
    pub def: RuleDef,
    /// Pack it came with.
    pub pack: String,
    /// Condition that raises.
    pub raise: Option<Comparison>,
    /// Condition that clears.
    pub clear: Option<Comparison>,
    /// The value's function.
    pub call: Option<Arc<Call>>,
    /// The `when` condition, compiled.
    pub when: Option<Arc<Condition>>,
    /// The `suppress_when` condition, compiled.
    pub suppress: Option<Arc<Condition>>,
    /// Where the thing must be: the fence, and whether inside it. None when the rule has no fence; a fence that is not
    /// declared any more holds nothing.
    pub fence: Option<(Option<Arc<Geometry>>, bool)>,
}

impl Rule {
    /// Compiles a declaration for a day.
    pub fn compile(pack: &str, def: &RuleDef, reference: &[Reference], fences: &[FenceDef], on: Date) -> Result<Self, String> {
        let raise = def.raise.as_deref().map(|r| comparison(r, reference, on)).transpose()?;
        let clear = match &def.clear {
            Some(c) => Some(comparison(c, reference, on)?),
            None => raise.map(Comparison::opposite),
        };
        let call = def.value.as_deref().map(Call::parse).transpose()?.map(Arc::new);
        let when = def.when.as_deref().map(Condition::compile).transpose()?.map(Arc::new);
        let suppress = def.suppress_when.as_deref().map(Condition::compile).transpose()?.map(Arc::new);
        let outline = |code: &String| fences.iter().find(|f| f.code == *code).and_then(|f| f.outline().ok()).map(Arc::new);
        let fence = match (&def.inside, &def.outside) {
            (Some(code), _) => Some((outline(code), true)),
            (None, Some(code)) => Some((outline(code), false)),
            (None, None) => None,
        };
        Ok(Self { def: def.clone(), pack: pack.to_string(), raise, clear, call, when, suppress, fence })
    }
}
