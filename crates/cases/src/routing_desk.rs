//! Routing rules as the province changes them: compiled and tested before they are saved, and tried on past cases.
//!
//! Saved rules stand in for the pack's until they are given up; every save makes a new version of the case type, so that
//! open cases keep what they were opened with.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::geo::Point;
use dothi_kernel::roads::RoadNear;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp, UnitRef};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::pack::CaseType;
use crate::routing::{self, Rules, Subject};
use crate::tables::{self, CaseRecord};
use crate::{Cases, tables_routing, text};

/// Most rules of a case type.
const RULES: usize = 300;
/// Most tests of its rules.
const TESTS: usize = 500;
/// Most cases that a dry run looks at.
const CASES: usize = 10_000;
/// Changed cases shown.
const SAMPLES: usize = 50;

/// Says which unit gets a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingRule {
    /// Code, shown in the trace.
    pub code: String,
    /// Areas it covers (commune or province codes); empty = everywhere.
    #[serde(default)]
    pub areas: BTreeSet<String>,
    /// Categories; empty = all.
    #[serde(default)]
    pub categories: BTreeSet<String>,
    /// Words or phrases, any of them; empty = always.
    #[serde(default)]
    pub words: Vec<String>,
    /// Hours by the clock on the wall, such as `["22:00", "05:00"]`; none = always. A first one that is later than the second goes over midnight.
    #[serde(default)]
    pub hours: Option<[String; 2]>,
    /// Weekdays, `mon` to `sun`; empty = all.
    #[serde(default)]
    pub weekdays: BTreeSet<String>,
    /// Only in working time (true) or only outside it (false).
    #[serde(default)]
    pub working: Option<bool>,
    /// Only beside a road of one of these owners.
    #[serde(default)]
    pub road: Option<RoadCondition>,
    /// The function whose holder gets it (`report`, `environment`).
    #[serde(default)]
    pub function: Option<String>,
    /// A named unit.
    #[serde(default)]
    pub unit: Option<String>,
    /// The reason in a sentence, Vietnamese.
    pub why: String,
}

/// A road beside the place, by who owns or maintains it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoadCondition {
    /// Codes of owners, as the road register or the pack of traffic writes them; any of them.
    pub owners: BTreeSet<String>,
    /// Metres from the place, 1 to 500.
    pub within_m: f64,
}

/// A report as it might come, and the rule that must take it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingTest {
    /// Category code.
    pub category: String,
    /// The words.
    pub text: String,
    /// Commune code.
    #[serde(default)]
    pub area: Option<String>,
    /// When it comes in.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// Owner of the road beside it.
    #[serde(default)]
    pub road_owner: Option<String>,
    /// Code of the rule.
    pub expect: String,
}

/// Rules to be tried or saved.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingInput {
    /// Rules in order; the first match decides.
    pub rules: Vec<RoutingRule>,
    /// Tests they must pass.
    #[serde(default)]
    pub tests: Vec<RoutingTest>,
    /// For saving: the version of the case type that the caller saw.
    #[serde(default)]
    pub version: Option<u32>,
    /// For a dry run: days back (default 30, at most 92).
    #[serde(default)]
    pub days: Option<u32>,
}

/// What the rules say to a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoutingTestResult {
    /// Which test, from 0.
    pub test: usize,
    /// Rule expected.
    pub expected: String,
    /// Rule found.
    pub found: String,
}

/// The rules in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoutingView {
    /// Case type.
    pub kind: String,
    /// Its version.
    pub version: u32,
    /// Rules in order.
    pub rules: Vec<RoutingRule>,
    /// Tests they passed.
    pub tests: Vec<RoutingTest>,
    /// Who saved them; none = they are the pack's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub saved_at: Option<Timestamp>,
}

/// How often a rule decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleCount {
    /// Rule; empty = none, the centre's queue.
    pub rule: String,
    /// With the rules in force.
    pub before: u32,
    /// With the rules tried.
    pub after: u32,
}

/// A case that the tried rules give to another unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoutingChange {
    /// Public code.
    pub code: String,
    /// Category code.
    pub category: String,
    /// Commune's name.
    pub area_name: Option<String>,
    /// Rule and unit by the rules in force.
    pub before: (String, UnitRef),
    /// Rule and unit by the rules tried.
    pub after: (String, UnitRef),
    /// Unit that has (or had) it in the end.
    pub unit: UnitRef,
}

/// What rules would have done to past cases. Nothing is changed by it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DryRun {
    /// What is wrong with the rules themselves; nothing else is tried then.
    pub faults: Vec<String>,
    /// Tests that fail.
    pub failed: Vec<RoutingTestResult>,
    /// Cases looked at.
    pub cases: u32,
    /// Whether there were more than are looked at.
    pub cut: bool,
    /// Cases that another unit would get.
    pub changed: u32,
    /// Cases whose last unit the rules in force name at once.
    pub right_before: u32,
    /// Cases whose last unit the tried rules name at once.
    pub right_after: u32,
    /// By rule, in the order of the rules tried.
    pub by_rule: Vec<RuleCount>,
    /// Some that change.
    pub samples: Vec<RoutingChange>,
}

/// A road right beside a place, as a test has it.
fn beside() -> RoadNear {
    RoadNear { name: String::new(), number: String::new(), class: "road".into(), owner: None, owner_by: None, metres: 0.0 }
}

impl Cases {
    /// Roads beside a place, as far as rules ask.
    pub(crate) fn roads_near(&self, point: Option<Point>, within_m: Option<f64>) -> Vec<RoadNear> {
        match (&self.roads, point, within_m) {
            (Some(roads), Some(point), Some(within_m)) => roads.near(point, within_m),
            _ => Vec::new(),
        }
    }

    fn may_see_routing(caller: &Caller) -> Result<()> {
        if caller.may(Permission::PackManage, Scope::ANY) { Ok(()) } else { caller.require(Permission::CaseTriage, Scope::ANY) }
    }

    /// The rules in force. 404 `case.kind.unknown`.
    pub async fn routing(&self, caller: &Caller, kind: &str) -> Result<RoutingView> {
        Self::may_see_routing(caller)?;
        let (version, case_type) = self.current_type(kind)?;
        let own = tables_routing::own(&self.store, kind).await?;
        let tests = own.as_ref().map(|o| o.tests.clone()).unwrap_or_default();
        Ok(RoutingView {
            kind: kind.to_string(),
            version,
            rules: case_type.routing.clone(),
            tests,
            saved_by: own.as_ref().map(|o| o.by.clone()),
            saved_at: own.map(|o| o.at),
        })
    }

    /// What rules would have done to the cases of the last days, without changing anything.
    pub async fn try_routing(&self, caller: &Caller, kind: &str, input: RoutingInput) -> Result<DryRun> {
        Self::may_see_routing(caller)?;
        let (_, case_type) = self.current_type(kind)?;
        let mut run = DryRun { faults: self.routing_faults(&case_type, &input), ..DryRun::default() };
        let Ok(tried) = routing::compile(&input.rules) else { return Ok(run) };
        if !run.faults.is_empty() {
            return Ok(run);
        }
        run.failed = self.failing(&tried, &input.tests);
        let days = input.days.unwrap_or(30).clamp(1, 92);
        let since = micros(caller.now.as_microsecond() - i64::from(days) * 86_400_000_000);
        let now = routing::compile(&case_type.routing).map_err(|f| Error::internal("compiling rules in force", f.join("; ")))?;
        let mut counts: BTreeMap<String, (u32, u32)> = input.rules.iter().map(|r| (r.code.clone(), (0, 0))).collect();
        run.cut = self.past_cases(kind, since, CASES, |case| self.compare(&mut run, &mut counts, case, &case_type, (&now, &tried))).await?;
        let order = |code: &str| input.rules.iter().position(|r| r.code == code).unwrap_or(usize::MAX);
        run.by_rule = counts.into_iter().map(|(rule, (before, after))| RuleCount { rule, before, after }).collect();
        run.by_rule.sort_by_key(|c| order(&c.rule));
        Ok(run)
    }

    fn compare(
        &self,
        run: &mut DryRun,
        counts: &mut BTreeMap<String, (u32, u32)>,
        case: &CaseRecord,
        case_type: &CaseType,
        (now, tried): (&Rules<'_>, &Rules<'_>),
    ) {
        let widest = now.widest_road().into_iter().chain(tried.widest_road()).reduce(f64::max);
        // Roads as they are now: which they were when the case came in is not kept.
        let roads = self.roads_near(case.location, widest);
        let subject = Subject { area: case.area.as_deref(), category: &case.category, text: &case.text, at: Some(case.opened_at), roads: &roads };
        let unit = |found: Option<UnitRef>| found.unwrap_or_else(|| self.unit_ref("", case_type));
        let (before, before_trace) = now.route(case_type, &subject, self.directory.as_ref(), &self.calendar);
        let (after, after_trace) = tried.route(case_type, &subject, self.directory.as_ref(), &self.calendar);
        let (before, after) = (unit(before), unit(after));
        run.cases += 1;
        counts.entry(before_trace.rule.clone()).or_default().0 += 1;
        counts.entry(after_trace.rule.clone()).or_default().1 += 1;
        run.right_before += u32::from(before.id == case.unit);
        run.right_after += u32::from(after.id == case.unit);
        if before.id != after.id {
            run.changed += 1;
            if run.samples.len() < SAMPLES {
                run.samples.push(RoutingChange {
                    code: case.code.clone(),
                    category: case.category.clone(),
                    area_name: case.area_name.clone(),
                    before: (before_trace.rule, before),
                    after: (after_trace.rule, after),
                    unit: self.unit_ref(&case.unit, case_type),
                });
            }
        }
    }

    /// Saves rules: they compile, their tests pass, and nobody else was faster. 422 `case.routing.invalid` with the first
    /// fault, 409 `case.routing.version`. On record.
    pub async fn save_routing(&self, caller: &Caller, kind: &str, input: RoutingInput) -> Result<RoutingView> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let (version, case_type) = self.current_type(kind)?;
        let invalid = |fault: String| Error::unprocessable("case.routing.invalid", "These rules are not usable.").with("fault", fault);
        if let Some(fault) = self.routing_faults(&case_type, &input).into_iter().next() {
            return Err(invalid(fault));
        }
        let rules = routing::compile(&input.rules).map_err(|f| invalid(f.join("; ")))?;
        if let Some(failed) = self.failing(&rules, &input.tests).into_iter().next() {
            return Err(invalid(format!("test {}: `{}` instead of `{}`", failed.test + 1, failed.found, failed.expected)));
        }
        if input.version != Some(version) {
            return Err(Error::conflict("case.routing.version", "Somebody changed the rules meanwhile. Look at them again.").with("version", version));
        }
        let mut tx = self.store.begin(caller).await?;
        tables_routing::save(&mut tx, kind, &input.rules, &input.tests, &caller.name, &case_type.routing).await?;
        let changed = CaseType { routing: input.rules.clone(), ..(*case_type).clone() };
        tables::install_type(&mut tx, "local", &changed).await?;
        tx.audit("case.routing.save", &format!("case-type:{kind}"), &json!({ "rules": input.rules.len(), "tests": input.tests.len() })).await?;
        tx.commit().await?;
        self.reload().await?;
        self.routing(caller, kind).await
    }

    /// Gives saved rules up: the pack's count again. On record.
    pub async fn reset_routing(&self, caller: &Caller, kind: &str) -> Result<RoutingView> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let (_, case_type) = self.current_type(kind)?;
        let mut tx = self.store.begin(caller).await?;
        if let Some(rules) = tables_routing::give_up(&mut tx, kind).await? {
            tables::install_type(&mut tx, "local", &CaseType { routing: rules, ..(*case_type).clone() }).await?;
            tx.audit("case.routing.reset", &format!("case-type:{kind}"), &json!({})).await?;
        }
        tx.commit().await?;
        self.reload().await?;
        self.routing(caller, kind).await
    }

    /// Faults of the rules, also those that only the directory knows: units and areas that are not there.
    fn routing_faults(&self, case_type: &CaseType, input: &RoutingInput) -> Vec<String> {
        if input.rules.len() > RULES || input.tests.len() > TESTS {
            return vec![format!("at most {RULES} rules and {TESTS} tests")];
        }
        let mut faults = routing::compile(&input.rules).err().unwrap_or_default();
        let home = self.directory.home();
        for rule in &input.rules {
            let code = &rule.code;
            faults.extend(
                rule.categories.iter().filter(|c| case_type.category(c).is_none()).map(|c| format!("routing rule `{code}`: there is no category `{c}`")),
            );
            let no_area = rule.areas.iter().filter(|a| **a != home && self.directory.commune(a).is_none_or(|p| p.province != home));
            faults.extend(no_area.map(|a| format!("routing rule `{code}`: there is no area `{a}` here")));
            faults.extend(rule.unit.iter().filter(|u| self.directory.unit(u).is_none()).map(|u| format!("routing rule `{code}`: there is no unit `{u}`")));
            let long = rule.words.len() > 200 || rule.words.iter().any(|w| w.chars().count() > 100) || rule.why.chars().count() > 500;
            faults.extend(long.then(|| format!("routing rule `{code}` is too long")));
        }
        faults.extend(input.tests.iter().filter(|t| t.text.chars().count() > 4_000).map(|t| format!("test `{}` is too long", text::short(&t.text, 20))));
        faults
    }

    fn failing(&self, rules: &Rules<'_>, tests: &[RoutingTest]) -> Vec<RoutingTestResult> {
        let home = self.directory.home();
        let run = tests.iter().enumerate().map(|(test, t)| {
            let road = |owner: &String| RoadNear { owner: Some(owner.clone()), ..beside() };
            let roads: Vec<RoadNear> = t.road_owner.iter().map(road).collect();
            let subject = Subject { area: t.area.as_deref(), category: &t.category, text: &t.text, at: t.at, roads: &roads };
            RoutingTestResult { test, expected: t.expect.clone(), found: rules.first(&subject, &home, Some(&self.calendar)).to_string() }
        });
        run.filter(|r| r.found != r.expected).collect()
    }
}
