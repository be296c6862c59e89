//! The call centre's side of intake: "me too" for somebody who calls, words looked through before they are published, hours.

use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Contact, Followers};
use crate::moderation::Screening;
use crate::tables::{self, CaseRecord, LogRecord};
use crate::{Cases, barred, intake, tables_intake, text};

/// Channels that people of the centre enter reports from.
pub(crate) const CHANNELS: [&str; 6] = ["phone", "counter", "letter", "mail", "social", "import"];

/// Somebody calls about a report that is open already.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CallerInput {
    /// How to reach them; never shown to the public nor to the handling unit.
    pub contact: Option<Contact>,
    /// What they add, for the officers.
    pub note: Option<String>,
}

/// A text to be looked through.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScreenInput {
    /// Case type; `report` when left out.
    pub kind: String,
    /// The text.
    pub text: String,
}

/// Whether somebody is at work now, and from when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hours {
    /// Whether it is working time.
    pub open: bool,
    /// The first working instant from now on.
    #[schema(value_type = String, format = DateTime)]
    pub opens_at: Timestamp,
}

impl Cases {
    /// "Me too" for somebody who calls or comes by: they are counted once a telephone number. 404 `case.unknown`.
    pub async fn caller_too(&self, caller: &Caller, code: &str, input: CallerInput) -> Result<Followers> {
        caller.require(Permission::CaseTriage, Scope::ANY)?;
        let contact = intake::check_contact(input.contact.unwrap_or_default())?;
        let note = text::clean_opt(input.note.as_deref(), "note", 1_000)?;
        let mut tx = self.store.begin(caller).await?;
        let found = tables::case_by_code_in(&mut tx, code).await?.ok_or_else(tables::unknown)?;
        caller.require(Permission::CaseTriage, Scope::unit(&found.unit))?;
        let case = tables::case_in(&mut tx, found.id).await?.ok_or_else(tables::unknown)?;
        let who = match contact.phone.as_deref().map(barred::plain_phone).or_else(|| contact.email.as_deref().map(str::to_lowercase)) {
            Some(known) => format!("c:{}", text::hash(&[&self.secret, "caller", &known])),
            None => format!("c:{}", tx.id()),
        };
        let fresh = tables::follow(&mut tx, case.id, &who).await?;
        if contact != Contact::default() {
            tables_intake::insert_caller(&mut tx, case.id, &who, &contact, self.actor(caller)).await?;
        }
        let log = LogRecord { by_id: caller.id, step: "caller".into(), note, ..LogRecord::of(&case, caller.now, self.actor(caller)) };
        tables::insert_log(&mut tx, case.id, &log).await?;
        tx.commit().await?;
        Ok(Followers { followers: case.followers + u32::from(fresh) })
    }

    /// What is noticed in a text before it is published. 404 `case.kind.unknown`.
    pub fn screen(&self, caller: &Caller, input: &ScreenInput) -> Result<Screening> {
        caller.require(Permission::CaseTriage, Scope::ANY)?;
        let (_, case_type) = self.current_type(if input.kind.is_empty() { "report" } else { &input.kind })?;
        let words = text::clean(&input.text, "text", case_type.limits.text_chars)?;
        Ok(case_type.screen(&words))
    }

    /// Whether it is working time. Public.
    pub fn hours(&self, caller: &Caller) -> Result<Hours> {
        let opens_at = self.calendar.add(caller.now, 0)?;
        Ok(Hours { open: opens_at == caller.now, opens_at })
    }

    /// A report that was held goes the way it would have gone.
    pub(crate) fn route_released(&self, case: &mut CaseRecord, case_type: &crate::pack::CaseType) -> Result<()> {
        let (unit, trace) = self.route(case_type, (case.area.as_deref(), case.location), &case.category, &case.text, case.opened_at)?;
        (case.unit, case.routing) = (unit, trace);
        Ok(())
    }
}

/// 400 `case.source` for a channel that is none.
pub(crate) fn channel(source: &str) -> Result<&str> {
    CHANNELS.contains(&source).then_some(source).ok_or_else(|| Error::invalid("case.source", "A channel is phone, counter, letter, social or import."))
}
