//! What there is to tell about a case: gathered for who sends messages, with the reporter's address. For the platform itself only.

use std::collections::{BTreeMap, BTreeSet};

use dothi_kernel::{Caller, CallerKind, Error, Result};
use jiff::Zoned;
use uuid::Uuid;

use crate::tables::{self, CaseRecord};
use crate::{Cases, text};

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
    /// What there is to tell of each case, in the words of a state (the present one when there is none of this name), in the order
    /// asked; none for a case that is not there. 403 for all but the platform.
    pub async fn news(&self, caller: &Caller, wanted: &[(Uuid, Option<&str>)]) -> Result<Vec<Option<CaseNews>>> {
        if caller.kind != CallerKind::System {
            return Err(Error::forbidden("access.not-allowed", "Your role does not allow this here."));
        }
        let ids: BTreeSet<Uuid> = wanted.iter().map(|(id, _)| *id).collect();
        let found = tables::cases_with_mail(&self.store, &ids.into_iter().collect::<Vec<_>>()).await?;
        let found: BTreeMap<Uuid, (CaseRecord, Option<String>)> = found.into_iter().map(|(case, mail)| (case.id, (case, mail))).collect();
        let mut all = Vec::with_capacity(wanted.len());
        for (id, to) in wanted {
            all.push(match found.get(id) {
                Some((case, mail)) => Some(self.news_of(case, mail.clone(), *to).await?),
                None => None,
            });
        }
        Ok(all)
    }

    async fn news_of(&self, case: &CaseRecord, reporter: Option<String>, to: Option<&str>) -> Result<CaseNews> {
        let case_type = self.type_of(case).await?;
        let category = case_type.category(&case.category);
        let state = to.and_then(|to| case_type.flow.states.get(to)).or_else(|| case_type.flow.states.get(&case.state));
        let both = |found: Option<(&String, &String)>, code: &str| found.map_or((code.to_string(), code.to_string()), |(vi, en)| (vi.clone(), en.clone()));
        let unit = self.unit_ref(&case.unit, &case_type);
        Ok(CaseNews {
            category_name: both(category.map(|c| (&c.name, &c.name_en)), &case.category),
            state_name: both(state.map(|s| (&s.name, &s.name_en)), &case.state),
            unit: unit.id,
            unit_name: unit.name,
            due: Zoned::new(case.clock.due, self.calendar.zone().clone()).strftime("%d/%m/%Y %H:%M").to_string(),
            public: case.listed,
            reporter,
            own_path: format!("/t/{}#{}", case.code, self.mail_key(case.id)),
            merged_into: case.merged_into.clone(),
            code: case.code.clone(),
            category: case.category.clone(),
            area: case.area.clone(),
            area_name: case.area_name.clone(),
        })
    }

    /// The key in links that are mailed to the reporter. It is made from the installation's secret, so none is stored; the key that the
    /// reporter was shown is another one.
    pub(crate) fn mail_key(&self, id: Uuid) -> String {
        text::derived_code(&[&self.secret, "mail", &id.to_string()])
    }
}
