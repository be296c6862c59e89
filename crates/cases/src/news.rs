//! What there is to tell about a case: gathered for who sends messages, with the reporter's address. For the platform itself only.

use dothi_kernel::{Caller, CallerKind, Error, Result};
use jiff::Zoned;
use uuid::Uuid;

use crate::{Cases, tables, text};

/// What may be told about a case, and where its reporter can be reached.
#[derive(Clone)]
pub struct CaseNews {
    /// Public code.
    pub code: String,
    /// Category code.
    pub category: String,
    /// Its name, Vietnamese and English.
    pub category_name: (String, String),
    /// Commune code.
    pub area: Option<String>,
    /// Its name.
    pub area_name: Option<String>,
    /// The state's name, Vietnamese and English.
    pub state_name: (String, String),
    /// Handling unit.
    pub unit: String,
    /// Its name.
    pub unit_name: String,
    /// When an answer is due, on the clocks here (`24/11/2026 17:30`).
    pub due: String,
    /// Whether everybody may see it.
    pub public: bool,
    /// The reporter's mail address.
    pub reporter: Option<String>,
    /// The reporter's own page, with a key of its own behind `#`.
    pub own_path: String,
    /// Code of the case that it became part of.
    pub merged_into: Option<String>,
}

impl Cases {
    /// What there is to tell, in the words of state `to` (the present one when there is none of this name). 403 for all but the platform.
    pub async fn news(&self, caller: &Caller, id: Uuid, to: Option<&str>) -> Result<Option<CaseNews>> {
        if caller.kind != CallerKind::System {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        let Some(case) = tables::case(&self.store, id).await? else { return Ok(None) };
        let case_type = self.type_of(&case).await?;
        let (_, contact) = tables::reporter_of(&self.store, id).await?;
        let category = case_type.category(&case.category);
        let state = to.and_then(|to| case_type.flow.states.get(to)).or_else(|| case_type.flow.states.get(&case.state));
        let both = |found: Option<(&String, &String)>, code: &str| found.map_or((code.to_string(), code.to_string()), |(vi, en)| (vi.clone(), en.clone()));
        let unit = self.unit_ref(&case.unit, &case_type);
        Ok(Some(CaseNews {
            category_name: both(category.map(|c| (&c.name, &c.name_en)), &case.category),
            state_name: both(state.map(|s| (&s.name, &s.name_en)), &case.state),
            unit: unit.id,
            unit_name: unit.name,
            due: Zoned::new(case.clock.due, self.calendar.zone().clone()).strftime("%d/%m/%Y %H:%M").to_string(),
            public: case.listed,
            reporter: contact.email,
            own_path: format!("/t/{}#{}", case.code, self.mail_key(id)),
            merged_into: case.merged_into,
            code: case.code,
            category: case.category,
            area: case.area,
            area_name: case.area_name,
        }))
    }

    /// The key in links that are mailed to the reporter. It is made from the installation's secret, so none is stored; the key that the
    /// reporter was shown is another one.
    pub(crate) fn mail_key(&self, id: Uuid) -> String {
        text::derived_code(&[&self.secret, "mail", &id.to_string()])
    }
}
