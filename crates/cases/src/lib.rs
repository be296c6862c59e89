//! Citizen reports and other matters that are handled to a deadline: intake with photos, routing, moves, clocks, public
//! answers, ratings. What a matter may go through is a pack's case type; this crate runs it.

pub mod barred;
pub mod bulk;
mod clock;
mod columns;
pub mod consent;
pub(crate) mod crews;
mod feed;
pub mod flow_desk;
pub mod forward;
pub mod http;
mod http_desk;
pub mod http_forward;
mod http_intake;
mod http_media;
mod http_open;
pub mod http_open311;
mod http_openness;
mod http_own;
mod http_suggest;
mod http_work;
mod intake;
pub mod intake_desk;
mod jobs;
pub mod mail;
pub mod masks;
pub mod media;
pub mod model;
pub mod moderation;
mod moves;
mod news;
mod officer;
pub mod open311;
mod open311_read;
mod open311_render;
mod open311_wire;
pub mod openness;
mod orders;
pub mod pack;
pub mod paper;
pub mod parts;
mod photos;
mod public;
pub mod quality;
mod rehearsal;
pub mod retention;
mod routing;
pub mod routing_desk;
mod stats;
pub mod suggest;
mod tables;
mod tables_columns;
mod tables_consent;
mod tables_forward;
mod tables_intake;
mod tables_media;
mod tables_open311;
mod tables_parts;
mod tables_routing;
mod tables_suggest;
mod tables_upkeep;
mod tables_uploads;
mod tables_work;
mod text;
mod uploads;
pub mod work;
pub mod work_pack;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use dothi_kernel::calendar::WorkCalendar;
use dothi_kernel::{Caller, Cursors, Directory, Error, Permission, Result, Scope, Staff, Timestamp, UnitRef};
use dothi_store::Store;

use crate::model::{CategoryView, NamedCode, TypeView};
use crate::pack::{CaseType, CasesPack};
use crate::photos::Darkroom;
use crate::tables::CaseRecord;

pub use news::CaseNews;
pub use tables::MIGRATIONS;

/// Where pages of lists by time end.
pub(crate) const CURSORS: Cursors = Cursors('.');

/// Past cases read at once.
const CHUNK: usize = 500;

/// Installed case types: every version by kind.
type Types = BTreeMap<String, BTreeMap<u32, Arc<CaseType>>>;

/// The domain.
pub struct Cases {
    store: Store,
    directory: Arc<dyn Directory>,
    calendar: Arc<WorkCalendar>,
    types: RwLock<Arc<Types>>,
    darkroom: Darkroom,
    secret: String,
    /// Kinds of field work, every version.
    work: RwLock<Arc<crews::Kinds>>,
    /// People to choose crews from.
    staff: Option<Arc<dyn Staff>>,
    /// Roads and their owners, for routing.
    roads: Option<Arc<dyn dothi_kernel::roads::Roads>>,
    advisers: suggest::Advisers,
    counted: columns::Counted,
}

impl Cases {
    /// Opens the domain over a store that has [`MIGRATIONS`]. Deadlines are counted by `calendar`.
    pub async fn open(store: Store, directory: Arc<dyn Directory>, calendar: Arc<WorkCalendar>) -> Result<Self> {
        let mut tx = store.begin_as("cases").await?;
        let secret = tables::secret(&mut tx, &text::random_code(40)).await?;
        tx.commit().await?;
        let darkroom = Darkroom::new(store.clone())?;
        let cases = Self {
            store,
            directory,
            calendar,
            types: RwLock::default(),
            darkroom,
            secret,
            work: RwLock::default(),
            staff: None,
            roads: None,
            advisers: suggest::Advisers::default(),
            counted: columns::Counted::default(),
        };
        cases.reload().await?;
        Ok(cases)
    }

    /// Says where people come from that crews are made of.
    #[must_use]
    pub fn with_staff(mut self, staff: Arc<dyn Staff>) -> Self {
        self.staff = Some(staff);
        self
    }

    /// Says who knows the roads and their owners; without, rules about roads match nothing.
    #[must_use]
    pub fn with_roads(mut self, roads: Arc<dyn dothi_kernel::roads::Roads>) -> Self {
        self.roads = Some(roads);
        self
    }

    /// Installs what a pack declares. A case type that changed becomes a new version; cases keep the version they were
    /// opened with. 422 `case.pack.invalid` with the first fault.
    pub async fn install(&self, caller: &Caller, pack: &str, part: CasesPack) -> Result<()> {
        caller.require(Permission::PackManage, Scope::ANY)?;
        if let Some(fault) = part.check().first() {
            return Err(Error::unprocessable("case.pack.invalid", "The pack's case types are not usable.").with("fault", fault));
        }
        let mut tx = self.store.begin(caller).await?;
        for case_type in &part.types {
            let counts = tables_routing::as_it_counts(&mut tx, case_type).await?;
            if let Some(version) = tables::install_type(&mut tx, pack, &counts).await? {
                tx.audit("case.type.install", &format!("case-type:{}", case_type.kind), &serde_json::json!({ "pack": pack, "version": version })).await?;
            }
            if case_type.suggest.is_some() {
                tx.schedule(suggest::LEARN_JOB, &case_type.kind, caller.now).await?;
            }
        }
        self.install_work(&mut tx, pack, &part.work).await?;
        self.begin_retention(&mut tx).await?;
        tx.commit().await?;
        self.reload().await
    }

    /// The case types as the form needs them. Public.
    pub fn types(&self, _: &Caller) -> Vec<TypeView> {
        let types = self.installed();
        types.values().filter_map(|versions| versions.last_key_value()).map(|(version, t)| self.type_view(*version, t)).collect()
    }

    fn type_view(&self, version: u32, t: &CaseType) -> TypeView {
        let categories = t.categories.iter().map(|c| CategoryView {
            code: c.code.clone(),
            name: c.name.clone(),
            name_en: c.name_en.clone(),
            icon: c.icon.clone(),
            group: c.group.clone(),
            hint: c.hint.clone(),
            hint_en: c.hint_en.clone(),
            questions: c.questions.clone(),
            deadline_minutes: t.budget(&c.code, &t.default_urgency, &self.calendar),
        });
        let named = |code: &String, name: &String, name_en: &String| NamedCode { code: code.clone(), name: name.clone(), name_en: name_en.clone() };
        TypeView {
            kind: t.kind.clone(),
            title: t.title.clone(),
            title_en: t.title_en.clone(),
            version,
            categories: categories.collect(),
            groups: t.groups.iter().map(|(code, g)| named(code, &g.name, &g.name_en)).collect(),
            urgencies: t.urgencies.iter().map(|(code, u)| named(code, &u.name, &u.name_en)).collect(),
            states: t.flow.states.iter().map(|(code, s)| named(code, &s.name, &s.name_en)).collect(),
            policy: t.policy.clone(),
            emergency_notice: t.emergency_notice.clone(),
            emergency_notice_en: t.emergency_notice_en.clone(),
            excluded_notice: t.excluded.notice.clone(),
            excluded_notice_en: t.excluded.notice_en.clone(),
            text_chars: t.limits.text_chars,
            photos: t.limits.photos,
            photo_bytes: t.limits.photo_bytes,
            media: t.media.count,
            media_bytes: t.media.bytes,
            media_seconds: t.media.seconds,
            flags: t.moderation.names(),
            private_notice: t.moderation.private_notice.clone(),
            private_notice_en: t.moderation.private_notice_en.clone(),
            consent: t.consent.clone(),
        }
    }

    /// Room for one upload; 503 `case.photo.busy` when too many are under way.
    pub(crate) fn upload_slot(&self) -> Result<tokio::sync::OwnedSemaphorePermit> {
        self.darkroom.slot()
    }

    async fn reload(&self) -> Result<()> {
        let mut types = Types::new();
        for (version, case_type) in tables::types(&self.store).await? {
            types.entry(case_type.kind.clone()).or_default().insert(version, Arc::new(case_type));
        }
        *self.types.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(types);
        self.reload_work().await
    }

    fn installed(&self) -> Arc<Types> {
        self.types.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest version of a case type. 404 `case.kind.unknown`.
    fn current_type(&self, kind: &str) -> Result<(u32, Arc<CaseType>)> {
        let types = self.installed();
        let newest = types.get(kind).and_then(|versions| versions.last_key_value());
        newest.map(|(version, t)| (*version, t.clone())).ok_or_else(|| Error::not_found("case.kind.unknown", "There is no such kind of case."))
    }

    /// The version a case was opened with; another node may have installed it, so a miss looks again.
    async fn type_of(&self, case: &CaseRecord) -> Result<Arc<CaseType>> {
        let find = || self.installed().get(&case.kind).and_then(|v| v.get(&case.type_version)).cloned();
        if let Some(found) = find() {
            return Ok(found);
        }
        self.reload().await?;
        find().ok_or_else(|| Error::internal("finding a case type", format!("{} version {}", case.kind, case.type_version)))
    }

    /// Shows `each` the whole cases of a kind that came in since an instant, newest first, `most` at most; whether there were more.
    async fn past_cases(&self, kind: &str, since: Timestamp, most: usize, mut each: impl FnMut(&CaseRecord) + Send) -> Result<bool> {
        let (mut shown, mut after) = (0, None);
        loop {
            let cases = tables_routing::past(&self.store, kind, since, after.as_ref(), CHUNK).await?;
            for case in &cases {
                if shown == most {
                    return Ok(true);
                }
                shown += 1;
                each(case);
            }
            match cases.last() {
                Some(last) if cases.len() == CHUNK => after = Some((last.opened_at, last.id)),
                _ => return Ok(false),
            }
        }
    }

    fn unit_ref(&self, id: &str, case_type: &CaseType) -> UnitRef {
        if id.is_empty() {
            return UnitRef { id: String::new(), name: case_type.queue.name.clone() };
        }
        self.directory.unit(id).unwrap_or_else(|| UnitRef { id: id.to_string(), name: id.to_string() })
    }
}
