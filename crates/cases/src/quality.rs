//! Checks by sample: the pack says which share of closed cases is drawn; the centre looks again and fills in a short form.
//! A draw depends on the kept seed, the case and how often it was opened again, so it can be made again and not be influenced.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp, UnitRef};
use dothi_store::{Tx, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::pack::{CaseType, is_code};
use crate::tables::{self, CaseRecord, Filter, LogRecord};
use crate::tables_upkeep::{self, SampleRecord};
use crate::{Cases, text};

/// Which closed cases are checked again, and what is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingPolicy {
    /// Share that is drawn, per cent.
    pub percent: u8,
    /// A case is drawn when it enters one of these states.
    pub states: BTreeSet<String>,
    /// What is looked at; each is answered with yes (as it should be) or no.
    pub questions: Vec<SampleQuestion>,
}

/// A question of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleQuestion {
    /// Code of the answer.
    pub code: String,
    /// Vietnamese.
    pub text: String,
    /// English.
    pub text_en: String,
}

impl SamplingPolicy {
    /// Every fault of the definition.
    pub(crate) fn check(&self, case_type: &CaseType) -> Vec<String> {
        let mut faults = Vec::new();
        if !(1..=100).contains(&self.percent) {
            faults.push("sampling.percent is 1 to 100".to_string());
        }
        for state in self.states.iter().filter(|s| !case_type.is_end(s)) {
            faults.push(format!("sampling: `{state}` is no state in which a case has ended"));
        }
        let codes: BTreeSet<_> = self.questions.iter().map(|q| &q.code).collect();
        if self.questions.is_empty() || codes.len() != self.questions.len() || !codes.iter().all(|c| is_code(c)) {
            faults.push("sampling.questions needs at least one, each with a code of its own".to_string());
        }
        faults
    }
}

/// A closed case to be checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    /// Case id.
    #[schema(value_type = String)]
    pub case: Uuid,
    /// Public code.
    pub code: String,
    /// Category's name.
    pub category_name: String,
    /// Category's English name.
    pub category_name_en: String,
    /// Unit that handled it.
    pub unit: UnitRef,
    /// When it was drawn.
    #[schema(value_type = String, format = DateTime)]
    pub drawn_at: Timestamp,
    /// Share that is drawn, per cent.
    pub percent: i64,
    /// What is asked.
    pub questions: Vec<SampleQuestion>,
    /// When it was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checked_at: Option<Timestamp>,
    /// Who checked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Answers by question.
    pub answers: BTreeMap<String, bool>,
    /// Whether every answer is yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    /// Note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The result of a check.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleInput {
    /// Answers by question; every question is answered.
    pub answers: BTreeMap<String, bool>,
    /// Note, for the unit.
    #[serde(default)]
    pub note: Option<String>,
}

/// Samples and what they say of each unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Samples {
    /// To be checked, the oldest first; at most 200.
    pub open: Vec<Sample>,
    /// By unit, over the last 365 days.
    pub units: Vec<SampleFigures>,
}

/// What samples say of a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SampleFigures {
    /// Unit.
    pub unit: UnitRef,
    /// Cases drawn.
    pub drawn: i64,
    /// Of these: checked.
    pub checked: i64,
    /// Of these: passed.
    pub passed: i64,
}

/// The draw of a case: 0 to 9,999, the same whenever it is made again.
fn draw(seed: &str, case: Uuid, round: u32) -> u32 {
    let hash = text::hash(&[seed, &case.to_string(), &round.to_string()]);
    u32::from_str_radix(&hash[..8], 16).unwrap_or(u32::MAX) % 10_000
}

impl Cases {
    /// Draws a case that has just ended, or does not.
    pub(crate) async fn draw_sample(&self, tx: &mut Tx, case: &CaseRecord, case_type: &CaseType, from: &str) -> Result<()> {
        let Some(policy) = case_type.sampling.as_ref().filter(|p| p.states.contains(&case.state) && !p.states.contains(from)) else { return Ok(()) };
        let seed = tables_upkeep::seed(tx, &text::random_code(40)).await?;
        let drawn = draw(&seed, case.id, case.reopened);
        if drawn < u32::from(policy.percent) * 100 {
            tables_upkeep::insert_sample(tx, case, drawn, policy.percent).await?;
        }
        Ok(())
    }

    /// Closed cases that wait for a check by the centre, and the figures of the units.
    pub async fn samples(&self, caller: &Caller) -> Result<Samples> {
        caller.require(Permission::CaseTriage, Scope::ANY)?;
        let (mut open, mut year) = (Filter::default(), Filter::default());
        open.add("checked_at is null", params![]);
        year.add("drawn_at >= ?", params![dothi_kernel::time::micros(caller.now.as_microsecond() - 365 * 86_400_000_000)]);
        if let Some(units) = caller.units_with(Permission::CaseTriage) {
            open.one_of("unit", &units);
            year.one_of("unit", &units);
        }
        let mut samples = Vec::new();
        for record in tables_upkeep::samples(&self.store, open, 200).await? {
            samples.push(self.sample(record).await?);
        }
        let units = tables_upkeep::sample_figures(&self.store, year).await?;
        let unit = |id: String| self.directory.unit(&id).unwrap_or_else(|| UnitRef { id: id.clone(), name: id });
        let units = units.into_iter().map(|(id, drawn, checked, passed)| SampleFigures { unit: unit(id), drawn, checked, passed }).collect();
        Ok(Samples { open: samples, units })
    }

    async fn sample(&self, s: SampleRecord) -> Result<Sample> {
        let case = tables::case(&self.store, s.case).await?.ok_or_else(tables::unknown)?;
        let case_type = self.type_of(&case).await?;
        let category = case_type.category(&s.category);
        Ok(Sample {
            case: s.case,
            code: case.code.clone(),
            category_name: category.map_or_else(|| s.category.clone(), |c| c.name.clone()),
            category_name_en: category.map_or_else(|| s.category.clone(), |c| c.name_en.clone()),
            unit: self.unit_ref(&s.unit, &case_type),
            drawn_at: s.drawn_at,
            percent: s.percent,
            questions: case_type.sampling.as_ref().map(|p| p.questions.clone()).unwrap_or_default(),
            checked_at: s.checked_at,
            by: s.by,
            answers: s.answers,
            passed: s.passed,
            note: s.note,
        })
    }

    /// Writes down what a check found, once, by somebody who had no hand in the case. 400 `case.sample.answers`, 403
    /// `case.same-person`, 404 `case.sample.unknown`, 409 `case.sample.checked`.
    pub async fn check_sample(&self, caller: &Caller, id: Uuid, input: SampleInput) -> Result<Sample> {
        caller.require(Permission::CaseTriage, Scope::ANY)?;
        let case = tables::case(&self.store, id).await?.ok_or_else(tables::unknown)?;
        caller.require(Permission::CaseTriage, Scope::unit(&case.unit))?;
        let case_type = self.type_of(&case).await?;
        let asked: BTreeSet<&String> = case_type.sampling.iter().flat_map(|p| &p.questions).map(|q| &q.code).collect();
        if asked != input.answers.keys().collect() {
            return Err(Error::invalid("case.sample.answers", "Answer every question of the form."));
        }
        let note = text::clean_opt(input.note.as_deref(), "note", 2_000)?;
        let maker = |l: &LogRecord| {
            l.by_id.is_some() && l.by_id == caller.id && case_type.flow.moves.get(&l.step).is_some_and(|m| m.by != dothi_kernel::flow::Actor::Centre)
        };
        if tables::log_of(&self.store, id).await?.iter().any(maker) {
            return Err(Error::forbidden("case.same-person", "A second person must do this."));
        }
        let mut tx = self.store.begin(caller).await?;
        let mut sample = tables_upkeep::sample_in(&mut tx, id).await?.ok_or_else(|| Error::not_found("case.sample.unknown", "This case was not drawn."))?;
        let passed = input.answers.values().all(|yes| *yes);
        (sample.answers, sample.passed, sample.note) = (input.answers, Some(passed), note.clone());
        let by = self.actor(caller).to_string();
        if !tables_upkeep::check_sample(&mut tx, &sample, (caller.id, &by)).await? {
            return Err(Error::conflict("case.sample.checked", "This case was checked already."));
        }
        let verdict = if passed { "sample-passed" } else { "sample-failed" };
        tables::insert_log(&mut tx, id, &LogRecord { by_id: caller.id, step: verdict.into(), note, ..LogRecord::of(&case, caller.now, &by) }).await?;
        tx.commit().await?;
        (sample.checked_at, sample.by) = (Some(caller.now), Some(by));
        self.sample(sample).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_draw_can_be_made_again_and_takes_its_share() {
        let ids: Vec<uuid::Uuid> = (0..20_000u128).map(|n| uuid::Uuid::from_u128(n * 7_919 + 3)).collect();
        let drawn = |seed: &str| ids.iter().filter(|id| super::draw(seed, **id, 0) < 500).count();
        assert!((850..1_150).contains(&drawn("a")), "{}", drawn("a"));
        assert_eq!(drawn("a"), drawn("a"));
        let both = ids.iter().filter(|id| super::draw("a", **id, 0) < 500 && super::draw("b", **id, 0) < 500).count();
        assert!(both < 120, "another seed draws others: {both}");
    }
}
