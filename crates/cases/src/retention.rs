//! How long a case knows who reported it and keeps its photos, and what reporters may ask: what is held about them, and that it
//! be erased. Every erasure stands in the audit log with its reason.

use std::collections::BTreeMap;

use dothi_kernel::time::micros;
use dothi_kernel::{Caller, Error, Permission, Result, Scope, Timestamp};
use dothi_store::Tx;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::consent::Given;
use crate::media::MediaRef;
use crate::model::Contact;
use crate::tables::{self, CaseRecord, Filter};
use crate::tables_upkeep::{self, ErasureRecord};
use crate::{Cases, tables_consent, tables_media, text};

/// Timer of the daily look.
pub(crate) const RETENTION_JOB: &str = "cases.retention";
/// Cases of one run; what is left is taken up a moment later.
const BATCH: usize = 200;
const DAY: i64 = 86_400_000_000;

/// How long personal data and photos of ended cases are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionPolicy {
    /// The act.
    pub source_act: String,
    /// `in-force` or `proposed`.
    pub status: String,
    /// Days after the end until the case no longer knows who reported it.
    pub anonymise_after_days: u32,
    /// Days after the end until its photos are deleted.
    pub media_after_days: u32,
}

impl RetentionPolicy {
    /// Every fault of the definition.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !["in-force", "proposed"].contains(&self.status.as_str()) {
            faults.push(format!("retention.status `{}` is not known", self.status));
        }
        for (name, days) in [("anonymise_after_days", self.anonymise_after_days), ("media_after_days", self.media_after_days)] {
            if !(1..=36_500).contains(&days) {
                faults.push(format!("retention.{name} is 1 to 36500"));
            }
        }
        faults
    }
}

/// What is held about the reporter of one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeldData {
    /// Public code.
    pub code: String,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// The reporter's words.
    pub text: String,
    /// Answers to the category's questions.
    pub answers: BTreeMap<String, String>,
    /// Address as the reporter wrote it.
    pub address: Option<String>,
    /// Spot as the reporter gave it.
    pub location: Option<dothi_kernel::geo::Point>,
    /// Contact data.
    pub contact: Contact,
    /// Whether the case belongs to an account.
    pub account: bool,
    /// What was agreed to: that those who handle the case may have the contact data.
    pub consents: Vec<Given>,
    /// Photos (SHA-256).
    pub photos: Vec<String>,
    /// Videos and sound.
    pub media: Vec<MediaRef>,
    /// What the reporter wrote later, with the time.
    pub notes: Vec<String>,
    /// Stars and words of the rating.
    pub stars: Option<u8>,
    /// Words of the rating.
    pub rating_comment: Option<String>,
    /// How long it is kept after the end.
    pub retention: Option<RetentionPolicy>,
    /// A request for erasure: `open`, `granted` or `refused`.
    pub erasure: Option<String>,
    /// The reason given with a decision.
    pub erasure_reason: Option<String>,
}

/// Asks for erasure.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ErasureInput {
    /// The reporter's secret; not needed for signed-in reporters.
    pub key: Option<String>,
    /// Why, in the reporter's words.
    pub words: String,
}

/// A request for erasure, for the officer who decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Case id.
    #[schema(value_type = String)]
    pub case: Uuid,
    /// Public code of the case.
    pub code: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: Timestamp,
    /// The reporter's words.
    pub words: String,
    /// `open`, `granted` or `refused`.
    pub state: String,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A decision on a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureDecision {
    /// Whether the data are erased.
    pub grant: bool,
    /// Why; the reporter reads it.
    pub reason: String,
}

impl From<ErasureRecord> for Erasure {
    fn from(e: ErasureRecord) -> Self {
        Self {
            id: e.id,
            case: e.case,
            code: e.code,
            asked_at: e.asked_at,
            words: e.words,
            state: e.state,
            decided_at: e.decided_at,
            by: e.by,
            reason: e.reason,
        }
    }
}

impl Cases {
    /// Everything held about the reporter of a case, for the reporter (by account or key). The reading is on record.
    pub async fn held_data(&self, caller: &Caller, code: &str, key: Option<&str>) -> Result<HeldData> {
        let case = self.own_case(caller, code, key).await?;
        let case_type = self.type_of(&case).await?;
        let mut tx = self.store.begin(caller).await?;
        let (person, contact) = tables::reporter_in(&mut tx, case.id).await?;
        let notes = tables_upkeep::reporter_notes(&mut tx, case.id).await?.into_iter().map(|(_, note)| note).collect();
        tx.audit("case.subject.read", &format!("case:{}", case.id), &json!({ "code": case.code })).await?;
        tx.commit().await?;
        let photos = tables::photos_of(&self.store, &[case.id]).await?.remove(&case.id).unwrap_or_default();
        let erasure = tables_upkeep::erasure_of(&self.store, case.id).await?;
        let newest = self.current_type(&case.kind).map_or(case_type, |(_, t)| t);
        Ok(HeldData {
            photos: photos.into_iter().filter(|p| p.stage == "report").map(|p| p.sha).collect(),
            media: self.media_refs(case.id, true).await?,
            retention: newest.retention.clone(),
            erasure: erasure.as_ref().map(|e| e.state.clone()),
            erasure_reason: erasure.and_then(|e| e.reason),
            account: person.is_some(),
            consents: tables_consent::of_case(&self.store, case.id).await?,
            contact,
            notes,
            code: case.code,
            opened_at: case.opened_at,
            text: case.text,
            answers: case.answers,
            address: case.address,
            location: case.location,
            stars: case.stars,
            rating_comment: case.rating_comment,
        })
    }

    /// The reporter asks to have the own data erased; an officer decides. 409 `case.erasure.open` when one waits already.
    pub async fn ask_erasure(&self, caller: &Caller, code: &str, input: ErasureInput) -> Result<HeldData> {
        let case = self.own_case(caller, code, input.key.as_deref()).await?;
        let words = text::clean(&input.words, "words", 2_000)?;
        if tables_upkeep::erasure_of(&self.store, case.id).await?.is_some_and(|e| e.state == "open") {
            return Err(Error::conflict("case.erasure.open", "You have asked for this already; it will be decided soon."));
        }
        let mut tx = self.store.begin(caller).await?;
        tables::case_in(&mut tx, case.id).await?;
        tables_upkeep::insert_erasure(&mut tx, case.id, &words).await?;
        tx.audit("case.erasure.ask", &format!("case:{}", case.id), &json!({ "code": case.code })).await?;
        tx.commit().await?;
        self.held_data(caller, code, input.key.as_deref()).await
    }

    /// Requests for erasure, the open ones first; for those who may see who reported.
    pub async fn erasures(&self, caller: &Caller) -> Result<Vec<Erasure>> {
        caller.require(Permission::CaseIdentity, Scope::ANY)?;
        let mut filter = Filter::default();
        if let Some(units) = caller.units_with(Permission::CaseIdentity) {
            filter.one_of("c.unit", &units);
        }
        Ok(tables_upkeep::erasures(&self.store, filter, 200).await?.into_iter().map(Erasure::from).collect())
    }

    /// Decides a request, with the reason. Granted, the case forgets its reporter at once. 404 `case.erasure.unknown`, 409 `case.erasure.decided`.
    pub async fn decide_erasure(&self, caller: &Caller, id: Uuid, decision: ErasureDecision) -> Result<Erasure> {
        caller.require(Permission::CaseIdentity, Scope::ANY)?;
        let reason = text::clean(&decision.reason, "reason", 2_000)?;
        if reason.is_empty() {
            return Err(Error::invalid("flow.field-missing", "A required field is missing.").with("field", "reason"));
        }
        let unknown = || Error::not_found("case.erasure.unknown", "There is no such request.");
        let mut tx = self.store.begin(caller).await?;
        let asked = tables_upkeep::erasure_in(&mut tx, id).await?.ok_or_else(unknown)?;
        caller.require(Permission::CaseIdentity, Scope::unit(&asked.unit))?;
        let state = if decision.grant { "granted" } else { "refused" };
        let by = self.actor(caller).to_string();
        if !tables_upkeep::decide_erasure(&mut tx, id, state, (caller.id, &by), &reason).await? {
            return Err(Error::conflict("case.erasure.decided", "This request was decided already."));
        }
        tx.audit("case.erasure.decide", &format!("case:{}", asked.case), &json!({ "code": asked.code, "decision": state, "reason": reason })).await?;
        if decision.grant {
            let case = tables::case_in(&mut tx, asked.case).await?.ok_or_else(tables::unknown)?;
            self.forget_reporter(&mut tx, case, json!({ "why": "request", "request": id })).await?;
        }
        let decided = tables_upkeep::erasure_in(&mut tx, id).await?.ok_or_else(unknown)?;
        tx.commit().await?;
        Ok(decided.into())
    }

    /// Takes out who reported a case, the reporter's recordings, and what looks like contact data in the words that stay.
    async fn forget_reporter(&self, tx: &mut Tx, mut case: CaseRecord, why: serde_json::Value) -> Result<()> {
        case.text = text::mask_contact(&case.text);
        case.answers.values_mut().for_each(|v| *v = text::mask_contact(v));
        case.rating_comment = case.rating_comment.as_deref().map(text::mask_contact);
        for (n, note) in tables_upkeep::reporter_notes(tx, case.id).await? {
            tables_upkeep::set_note(tx, case.id, n, &text::mask_contact(&note)).await?;
        }
        // A voice tells who speaks, and a camera where it stood.
        let heard = tables_media::drop_recordings(tx, case.id, true).await?;
        tables_media::give_up(tx, &heard).await?;
        tables_media::forget_told(tx, case.id).await?;
        let case_type = self.type_of(&case).await?;
        let category = case_type.category(&case.category).map_or("", |c| c.name.as_str());
        let (address, area) = (case.address.as_deref().unwrap_or(""), case.area_name.as_deref().unwrap_or(""));
        let folded = text::searchable(&format!("{} {} {category} {address} {area}", case.code, case.text));
        tables_upkeep::anonymise(tx, &case, &folded).await?;
        tables_consent::withdraw(tx, case.id).await?;
        let what = json!({ "code": case.code, "recordings": heard.len(), "because": why });
        tx.audit("case.anonymise", &format!("case:{}", case.id), &what).await
    }

    /// Anonymises and deletes what the policies of the case types say, and looks again tomorrow. May run twice without harm.
    pub(crate) async fn retain(&self) -> Result<()> {
        let system = Caller::system("cases", self.store.clock().as_ref());
        let types = self.installed();
        let mut more = false;
        for (kind, case_type) in types.iter().filter_map(|(kind, versions)| Some((kind, versions.last_key_value()?.1))) {
            let Some(policy) = &case_type.retention else { continue };
            let before = |days: u32| micros(system.now.as_microsecond() - i64::from(days) * DAY);
            let because = |days: u32| json!({ "why": "retention", "days": days, "source_act": policy.source_act, "status": policy.status });
            let ripe = tables_upkeep::overripe(&self.store, kind, "anonymised_at", before(policy.anonymise_after_days), BATCH).await?;
            more |= ripe.len() == BATCH;
            for id in ripe {
                let mut tx = self.store.begin(&system).await?;
                if let Some(case) = tables::case_in(&mut tx, id).await? {
                    self.forget_reporter(&mut tx, case, because(policy.anonymise_after_days)).await?;
                }
                tx.commit().await?;
            }
            let ripe = tables_upkeep::overripe(&self.store, kind, "media_gone_at", before(policy.media_after_days), BATCH).await?;
            more |= ripe.len() == BATCH;
            for id in ripe {
                let mut tx = self.store.begin(&system).await?;
                let (photos, recordings) = tables_upkeep::drop_media(&mut tx, id).await?;
                if photos + recordings > 0 {
                    let what = json!({ "photos": photos, "recordings": recordings, "because": because(policy.media_after_days) });
                    tx.audit("case.media.delete", &format!("case:{id}"), &what).await?;
                }
                tx.commit().await?;
            }
        }
        // Bytes that no row vouches for any more go a day later.
        self.store.blobs().sweep().await?;
        let mut tx = self.store.begin(&system).await?;
        let next = if more { 1_000_000 } else { DAY };
        tx.schedule(RETENTION_JOB, "day", micros(system.now.as_microsecond() + next)).await?;
        tx.commit().await
    }

    /// Sets the timer of the daily look.
    pub(crate) async fn begin_retention(&self, tx: &mut Tx) -> Result<()> {
        let now = tx.now();
        tx.schedule(RETENTION_JOB, "day", now).await
    }
}
