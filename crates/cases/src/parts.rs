//! A case is split into parts for several units. A part has its own unit, clock and answer. The whole stays with its own
//! unit, which answers the reporter once every part has ended.

use dothi_kernel::flow::Phase;
use dothi_kernel::{Caller, Error, Event, Result, Scope, Timestamp, UnitRef};
use dothi_store::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::CaseClock;
use crate::model::{Case, RoutingTrace};
use crate::pack::{CaseType, PartsPolicy};
use crate::tables::{self, CaseRecord, LogRecord};
use crate::{Cases, public, tables_media, tables_parts, text};

/// Splits a case.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitInput {
    /// The version the caller saw.
    pub version: i64,
    /// The parts.
    pub parts: Vec<PartInput>,
}

/// One part.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartInput {
    /// Unit that is to do it.
    pub unit: String,
    /// What it is to do.
    pub text: String,
    /// Category, when it is not the whole's.
    #[serde(default)]
    pub category: Option<String>,
}

/// A part, or the whole, as officers see it from the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartRef {
    /// Case id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Public code.
    pub code: String,
    /// Unit that has it.
    pub unit: UnitRef,
    /// The first words.
    pub text_short: String,
    /// State's name in Vietnamese.
    pub state_name: String,
    /// State's name in English.
    pub state_name_en: String,
    /// Phase.
    pub phase: Phase,
    /// When an answer is due.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// Whether the deadline is over.
    pub overdue: bool,
}

/// A part as everybody sees it on the page of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicPart {
    /// Unit that has it.
    pub unit: UnitRef,
    /// State's name in Vietnamese.
    pub state_name: String,
    /// State's name in English.
    pub state_name_en: String,
    /// Phase.
    pub phase: Phase,
}

/// Who belongs to a case.
pub(crate) struct Family {
    pub parts: Vec<PartRef>,
    pub parent: Option<PartRef>,
}

/// Whether the caller may split the case in its present state.
pub(crate) fn may_split(policy: &PartsPolicy, caller: &Caller, case: &CaseRecord) -> bool {
    let allowed = policy.by.permission().is_some_and(|p| caller.may(p, Scope::unit(&case.unit)));
    allowed && policy.from.contains(&case.state)
}

impl Cases {
    /// Splits a case into parts: each goes to a unit with a clock of its own. 400 `case.split.*`, 403, 409 `case.version`,
    /// 409 `case.split.not-now`.
    pub async fn split(&self, caller: &Caller, id: Uuid, input: SplitInput) -> Result<Case> {
        let seen = self.readable_case(caller, id).await?;
        let case_type = self.type_of(&seen).await?;
        let not_now = || Error::conflict("case.split.not-now", "This case cannot be split in its present state.");
        let policy = case_type.parts.as_ref().ok_or_else(not_now)?;
        let permission = policy.by.permission().ok_or_else(not_now)?;
        let mut tx = self.store.begin(caller).await?;
        let mut case = tables::case_in(&mut tx, id).await?.ok_or_else(tables::unknown)?;
        caller.require(permission, Scope::unit(&case.unit))?;
        if case.version != input.version {
            return Err(tables::stale().with("version", case.version));
        }
        if case.parent.is_some() || !policy.from.contains(&case.state) {
            return Err(not_now().with("state", &case.state));
        }
        let (had, _) = tables_parts::count_parts(&mut tx, id).await?;
        if input.parts.is_empty() || input.parts.len() + usize::try_from(had).unwrap_or(usize::MAX) > policy.most {
            return Err(Error::invalid("case.split.count", "Give at least one part, and not more than allowed.").with("limit", policy.most));
        }
        let mut codes = Vec::with_capacity(input.parts.len());
        for part in &input.parts {
            codes.push(self.open_part(&mut tx, &case, &case_type, policy, part).await?);
        }
        let log = LogRecord { by_id: caller.id, step: "split".into(), note: Some(codes.join(", ")), ..LogRecord::of(&case, caller.now, self.actor(caller)) };
        tables::insert_log(&mut tx, id, &log).await?;
        // The version grows, so that nobody closes the whole without having seen its parts.
        tables::update_case(&mut tx, &case, &public::folded(&case, &case_type)).await?;
        case.version += 1;
        tx.commit().await?;
        self.get_unchecked(caller, id).await
    }

    async fn open_part(&self, tx: &mut Tx, whole: &CaseRecord, case_type: &CaseType, policy: &PartsPolicy, input: &PartInput) -> Result<String> {
        let caller = tx.caller().clone();
        let words = text::clean(&input.text, "text", case_type.limits.text_chars)?;
        if words.is_empty() {
            return Err(Error::invalid("case.text.missing", "Say what this part is about."));
        }
        let unit = self.directory.unit(&input.unit).ok_or_else(|| Error::invalid("case.unit.unknown", "There is no such unit."))?;
        let code = input.category.as_deref().unwrap_or(&whole.category);
        let category = case_type.category(code).ok_or_else(|| Error::invalid("case.category.unknown", "Choose a category from the list."))?;
        let phase = case_type.flow.states.get(&policy.opens_in).map_or(Phase::Open, |s| s.phase);
        let budget = case_type.budget(&category.code, &whole.urgency, &self.calendar);
        let part = CaseRecord {
            id: tx.id(),
            code: self.free_code(tx, &case_type.code_prefix, None).await?.0,
            category: category.code.clone(),
            topic: category.topic.clone(),
            text: words,
            answers: Default::default(),
            state: policy.opens_in.clone(),
            phase,
            private: whole.private,
            flags: String::new(),
            routing: RoutingTrace { rule: "split".into(), why: whole.code.clone(), area: whole.area.clone(), ..RoutingTrace::default() },
            unit: unit.id,
            source: "part".into(),
            opened_at: caller.now,
            state_since: caller.now,
            unit_since: caller.now,
            closed_at: None,
            on_time: None,
            clock: CaseClock::start(&self.calendar, caller.now, budget)?,
            stopped: false,
            extended: false,
            planned_for: None,
            assignee: None,
            published: false,
            public_text: None,
            listed: false,
            draft: None,
            answer: None,
            answered_at: None,
            stars: None,
            rating_comment: None,
            followers: 0,
            merged_into: None,
            // Nobody holds the key of a part.
            key_hash: text::hash(&[&text::random_code(20)]),
            version: 1,
            parent: Some(whole.id),
            escalated: None,
            reopened: 0,
            ..whole.clone()
        };
        let folded = text::searchable(&format!("{} {} {} {}", part.code, whole.code, part.text, category.name));
        tables::insert_case(tx, &part, &folded, "").await?;
        tables_parts::copy_photos(tx, whole.id, part.id).await?;
        tables_media::copy_masks(tx, whole.id, part.id).await?;
        let log = LogRecord {
            by_id: caller.id,
            step: "open".into(),
            from: String::new(),
            note: Some(whole.code.clone()),
            ..LogRecord::of(&part, caller.now, self.actor(&caller))
        };
        tables::insert_log(tx, part.id, &log).await?;
        self.set_timers(tx, &part, case_type).await?;
        tx.emit(Event::CaseOpened {
            case: part.id,
            code: part.code.clone(),
            kind: part.kind.clone(),
            category: part.category.clone(),
            area: part.area.clone(),
            unit: part.unit.clone(),
        });
        Ok(part.code)
    }

    /// 409 `case.parts.open` when a move of the whole must wait for its parts.
    pub(crate) async fn parts_ended(&self, tx: &mut Tx, case: &CaseRecord, case_type: &CaseType, step: &str) -> Result<()> {
        if !case_type.parts.as_ref().is_some_and(|p| p.holds.contains(step)) {
            return Ok(());
        }
        match tables_parts::count_parts(tx, case.id).await? {
            (_, 0) => Ok(()),
            (_, open) => Err(Error::conflict("case.parts.open", "Parts of this case are still open.").with("parts", open)),
        }
    }

    /// A part that ends says so in the log of the whole.
    pub(crate) async fn tell_parent(&self, tx: &mut Tx, case: &CaseRecord, case_type: &CaseType, from: &str) -> Result<()> {
        let Some(parent) = case.parent.filter(|_| case.stopped && !case_type.is_end(from)) else { return Ok(()) };
        let Some(whole) = tables::case_in(tx, parent).await? else { return Ok(()) };
        let state = case_type.flow.states.get(&case.state).map_or(case.state.as_str(), |s| s.name.as_str());
        let log = LogRecord {
            step: "part".into(),
            unit: case.unit.clone(),
            note: Some(format!("{}: {state}", case.code)),
            ..LogRecord::of(&whole, tx.now(), "system")
        };
        tables::insert_log(tx, parent, &log).await
    }

    fn part_ref(&self, case: CaseRecord, case_type: &CaseType, now: Timestamp) -> PartRef {
        let state = case_type.flow.states.get(&case.state);
        PartRef {
            unit: self.unit_ref(&case.unit, case_type),
            text_short: text::short(&case.text, 140),
            state_name: state.map_or_else(|| case.state.clone(), |s| s.name.clone()),
            state_name_en: state.map_or_else(|| case.state.clone(), |s| s.name_en.clone()),
            phase: case.phase,
            due_at: case.clock.due,
            overdue: case.overdue(now),
            id: case.id,
            code: case.code,
        }
    }

    /// The parts of a case and the case it is a part of.
    pub(crate) async fn family(&self, case: &CaseRecord, case_type: &CaseType, now: Timestamp) -> Result<Family> {
        if let Some(parent) = case.parent {
            let whole = tables::case(&self.store, parent).await?;
            return Ok(Family { parts: Vec::new(), parent: whole.map(|w| self.part_ref(w, case_type, now)) });
        }
        let parts = tables_parts::parts_of(&self.store, case.id).await?;
        Ok(Family { parts: parts.into_iter().map(|p| self.part_ref(p, case_type, now)).collect(), parent: None })
    }

    /// What everybody sees of the parts.
    pub(crate) async fn public_parts(&self, case: &CaseRecord) -> Result<Vec<PublicPart>> {
        let mut out = Vec::new();
        for part in tables_parts::parts_of(&self.store, case.id).await? {
            let case_type = self.type_of(&part).await?;
            let state = case_type.flow.states.get(&part.state);
            out.push(PublicPart {
                unit: self.unit_ref(&part.unit, &case_type),
                state_name: state.map_or_else(|| part.state.clone(), |s| s.name.clone()),
                state_name_en: state.map_or_else(|| part.state.clone(), |s| s.name_en.clone()),
                phase: part.phase,
            });
        }
        Ok(out)
    }
}
