//! Whether the reporter's contact data may be given to those who handle the case: the handling unit, and another system that the
//! case is handed over to. Nobody agrees by default; what was agreed to is kept word for word, and can be taken back.

use dothi_kernel::{Caller, Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::{Contact, PublicCase};
use crate::pack::CaseType;
use crate::tables::{self, CaseRecord, LogRecord};
use crate::{Cases, tables_consent};

/// What a reporter is asked to agree to. Changed words are a new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentPolicy {
    /// Names these words (`2026-11`).
    pub version: String,
    /// The words in Vietnamese.
    pub text: String,
    /// The same in English.
    pub text_en: String,
}

impl ConsentPolicy {
    /// Every fault of the definition.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(1..=40).contains(&self.version.len()) {
            faults.push("consent.version has 1 to 40 characters".to_string());
        }
        for (name, text) in [("text", &self.text), ("text_en", &self.text_en)] {
            if text.trim().is_empty() || text.chars().count() > 1_000 {
                faults.push(format!("consent.{name} has 1 to 1000 characters"));
            }
        }
        faults
    }
}

/// What a reporter agreed to, when, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ConsentGiven)]
pub struct Given {
    /// Version of the words.
    pub version: String,
    /// The words.
    pub text: String,
    /// The words in English.
    pub text_en: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub withdrawn_at: Option<Timestamp>,
}

/// The reporter's view of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentView {
    /// What can be agreed to now; none = nothing is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered: Option<ConsentPolicy>,
    /// What was agreed to last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
}

/// Agrees, or takes it back.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsentInput {
    /// The reporter's secret; not needed for signed-in reporters.
    pub key: Option<String>,
    /// Version of the words agreed to; none takes it back.
    pub version: Option<String>,
}

/// The last one, if it still holds.
pub(crate) fn holding(given: &[Given]) -> Option<&Given> {
    given.last().filter(|g| g.withdrawn_at.is_none())
}

impl Cases {
    /// The words of a version, of the newest type or of an older one: a report may have waited in a phone. 422 `case.consent.unknown`.
    pub(crate) fn consent_words(&self, kind: &str, version: &str) -> Result<ConsentPolicy> {
        let types = self.installed();
        let all = types.get(kind).into_iter().flat_map(|versions| versions.values().rev());
        let found = all.filter_map(|t| t.consent.as_ref()).find(|c| c.version == version).cloned();
        found.ok_or_else(|| Error::unprocessable("case.consent.unknown", "These words are not known. Please look at the page again."))
    }

    /// Whether somebody who handles the case may know how to reach the reporter, because the reporter agreed.
    pub(crate) async fn contact_shared(&self, case: Uuid) -> Result<Option<Given>> {
        Ok(holding(&tables_consent::of_case(&self.store, case).await?).cloned())
    }

    pub(crate) async fn consent_view(&self, case: &CaseRecord, case_type: &CaseType, contact: &Contact) -> Result<Option<ConsentView>> {
        let given = tables_consent::of_case(&self.store, case.id).await?.pop();
        // Without contact data there is nothing to agree to.
        let there = *contact != Contact::default();
        let newest = self.current_type(&case.kind).ok();
        let offered = newest.as_ref().map_or(case_type, |(_, t)| t).consent.clone().filter(|_| there);
        Ok(Some(ConsentView { offered, given }).filter(|v| v.offered.is_some() || v.given.is_some()))
    }

    /// The reporter agrees that those who handle the case may have the contact data, or takes it back. What was handed over before is not
    /// called back by it. On record. 422 `case.consent.unknown`.
    pub async fn set_consent(&self, caller: &Caller, code: &str, input: ConsentInput) -> Result<PublicCase> {
        let case = self.own_case(caller, code, input.key.as_deref()).await?;
        let words = input.version.as_deref().map(|v| self.consent_words(&case.kind, v)).transpose()?;
        let mut tx = self.store.begin(caller).await?;
        tables::case_in(&mut tx, case.id).await?;
        let before = holding(&tables_consent::of_case_in(&mut tx, case.id).await?).map(|g| g.version.clone());
        let step = match &words {
            Some(words) if before.as_deref() == Some(words.version.as_str()) => None,
            Some(words) => {
                tables_consent::withdraw(&mut tx, case.id).await?;
                tables_consent::give(&mut tx, case.id, words).await?;
                Some("consent")
            }
            None => tables_consent::withdraw(&mut tx, case.id).await?.then_some("consent-withdrawn"),
        };
        if let Some(step) = step {
            tables::insert_log(&mut tx, case.id, &LogRecord { step: step.into(), ..LogRecord::of(&case, caller.now, "reporter") }).await?;
            let about = json!({ "code": case.code, "version": words.as_ref().map(|w| &w.version) });
            tx.audit(&format!("case.{}", step.replace('-', ".")), &format!("case:{}", case.id), &about).await?;
        }
        tx.commit().await?;
        self.own_view(caller, case).await
    }
}
