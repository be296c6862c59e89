//! What people change of a pack's rules: kept beside the pack's text, version by version with who and why. A new pack version
//! loses none of it; going back is a further version.

use dothi_kernel::event::Severity;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::RuleRow;
use crate::pack::{Reference, RuleDef, RuleKind, RulesPack};
use crate::practice::REASON;
use crate::{Listed, Rules, TIMER, tables, tables_versions};

/// The parts of a rule that may differ from the pack's text; what is left out is as the pack says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleChange {
    /// Condition that raises (`>= 150`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raise: Option<String>,
    /// Condition that clears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear: Option<String>,
    /// Further condition; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Condition under which alarms are suppressed by design; empty for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppress_when: Option<String>,
    /// Seconds before it raises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_delay: Option<u32>,
    /// Seconds before it clears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_delay: Option<u32>,
    /// Seconds of silence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_for: Option<u32>,
    /// Priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Whether it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl RuleChange {
    /// All parts as a definition has them.
    pub(crate) fn of(def: &RuleDef, enabled: bool) -> Self {
        Self {
            raise: def.raise.clone(),
            clear: def.clear.clone(),
            when: def.when.clone(),
            suppress_when: def.suppress_when.clone(),
            on_delay: Some(def.on_delay),
            off_delay: Some(def.off_delay),
            silent_for: Some(def.silent_for),
            severity: Some(def.severity),
            enabled: Some(enabled),
        }
    }

    /// A definition with these parts.
    pub(crate) fn over(&self, given: &RuleDef) -> RuleDef {
        let words = |new: &Option<String>, old: &Option<String>| match new {
            Some(new) => Some(new.trim().to_string()).filter(|n| !n.is_empty()),
            None => old.clone(),
        };
        RuleDef {
            raise: words(&self.raise, &given.raise),
            clear: words(&self.clear, &given.clear),
            when: words(&self.when, &given.when),
            suppress_when: words(&self.suppress_when, &given.suppress_when),
            on_delay: self.on_delay.unwrap_or(given.on_delay),
            off_delay: self.off_delay.unwrap_or(given.off_delay),
            silent_for: self.silent_for.unwrap_or(given.silent_for),
            severity: self.severity.unwrap_or(given.severity),
            ..given.clone()
        }
    }
}

/// One version of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RuleVersion {
    /// Number; the pack's own text is 0.
    pub version: i64,
    /// What differs from the pack's text.
    pub change: RuleChange,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// A new version.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVersion {
    /// The version one looked at.
    pub version: i64,
    /// What differs from the pack's text.
    pub change: RuleChange,
    /// Why, 3 to 500 characters.
    pub reason: String,
}

/// A rule with the pack's text and its versions.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleDetail {
    /// As lists show it.
    #[serde(flatten)]
    pub row: RuleRow,
    /// As the pack says.
    pub given: RuleChange,
    /// As it counts.
    pub now: RuleChange,
    /// Newest first; at most 100.
    pub versions: Vec<RuleVersion>,
}

/// Everything wrong with a changed definition among the other rules; empty when it can run.
pub(crate) fn faults(def: &RuleDef, live: &crate::Live, reference: &[Reference]) -> Vec<String> {
    const DELAY: u32 = 7 * 86_400;
    let others = live.catalogue.iter().filter(|r| r.def.code != def.code).map(|r| r.def.clone());
    let all = RulesPack {
        rules: std::iter::once(def.clone()).chain(others).collect(),
        reference: reference.to_vec(),
        fences: live.room.policy.fences.clone(),
        ..RulesPack::default()
    };
    let own = format!("rule `{}`: ", def.code);
    let mut faults: Vec<String> = all.check().into_iter().filter_map(|f| f.strip_prefix(&own).map(str::to_string)).collect();
    if def.on_delay > DELAY || def.off_delay > DELAY || def.silent_for > 10 * DELAY {
        faults.push("delays are at most 7 days, silence at most 70".into());
    }
    faults
}

impl Rules {
    fn listed(&self, live: &crate::Live, code: &str) -> Result<Listed> {
        let found = live.catalogue.iter().find(|r| r.def.code == code);
        found.cloned().ok_or_else(|| Error::not_found("rule.unknown", "There is no such rule."))
    }

    /// A rule with its versions. 404 `rule.unknown`.
    pub async fn rule(&self, caller: &Caller, code: &str) -> Result<RuleDetail> {
        caller.require(Permission::AlarmRead, Scope::ANY)?;
        let listed = self.listed(&*self.live.lock().await, code)?;
        Ok(RuleDetail {
            given: RuleChange::of(&listed.given, true),
            now: RuleChange::of(&listed.def, listed.enabled),
            row: listed.row(),
            versions: tables_versions::of(&self.store, code).await?,
        })
    }

    /// Changes a rule: a new version that counts at once. 404 `rule.unknown`, 409 `rule.changed` when it is not the version one
    /// looked at, 422 `rule.unusable` with the first fault, 400 `alarm.reason`.
    pub async fn change_rule(&self, caller: &Caller, code: &str, wanted: NewVersion) -> Result<RuleDetail> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        let reason = wanted.reason.trim().to_string();
        if !(3..=REASON).contains(&reason.chars().count()) {
            return Err(Error::invalid("alarm.reason", "Give a reason of 3 to 500 characters.").with("limit", REASON));
        }
        {
            let mut live = self.live.lock().await;
            let listed = self.listed(&live, code)?;
            let changed = || Error::conflict("rule.changed", "Somebody has changed this rule meanwhile; look again.");
            if listed.version != wanted.version {
                return Err(changed());
            }
            let def = wanted.change.over(&listed.given);
            let (_, reference) = tables::definitions(&self.store).await?;
            if let Some(fault) = faults(&def, &live, &reference).first() {
                return Err(Error::unprocessable("rule.unusable", "The rule cannot run like this.").with("fault", fault));
            }
            let version =
                RuleVersion { version: wanted.version + 1, change: wanted.change, by: caller.name.to_string(), reason: reason.clone(), at: caller.now };
            let mut tx = self.store.begin(caller).await?;
            if !tables_versions::add(&mut tx, code, &version).await? {
                return Err(changed());
            }
            if version.change.enabled == Some(false) && def.kind != RuleKind::Derive {
                for entity in tables::stands_for(&mut tx, code).await? {
                    self.clear(&mut tx, code, &entity, caller.now.as_microsecond()).await?;
                    tx.unschedule(TIMER, &format!("{code}|{entity}")).await?;
                }
            }
            let detail = serde_json::json!({ "version": version.version, "change": version.change, "reason": reason });
            tx.audit("rule.change", &format!("rule:{code}"), &detail).await?;
            tx.commit().await?;
            self.rebuild(&mut live).await?;
        }
        self.rule(caller, code).await
    }
}
