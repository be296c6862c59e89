//! Word to people: what happened to a case, as `notify` tells it; and what can be followed, as `cases` and `access` know it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use dothi_access::Access;
use dothi_cases::{CaseNews, Cases};
use dothi_kernel::{Caller, CallerKind, Directory, Event, EventRecord, Permission, Result, Scope, SystemClock};
use dothi_notify::model::{Named, Subject, Subjects, Topic};
use dothi_notify::pack::On;
use dothi_notify::{Happening, Letter};
use serde_json::json;
use uuid::Uuid;

use crate::City;

/// The words with which a rating is asked for.
const RATE: &str = "rate";

/// What several events about cases give to tell, read together: under load, a reading for each would cost more than the reports.
pub struct Told {
    happenings: HashMap<i64, Happening>,
    followed: HashSet<String>,
}

/// Reads what there is to tell of these events.
pub async fn gather(city: &City, records: &[EventRecord]) -> Result<Told> {
    let mut about = Vec::new();
    for record in records {
        match &record.event {
            Event::CaseOpened { case, .. } => about.push((record.seq, On::Opened, "", 0, (*case, None))),
            Event::CaseMoved { case, step, to, .. } => about.push((record.seq, On::Moved, step.as_str(), 0, (*case, Some(to.as_str())))),
            Event::CaseDue { case, percent, .. } => about.push((record.seq, On::Due, "", *percent, (*case, None))),
            _ => {}
        }
    }
    let mut told = Told { happenings: HashMap::new(), followed: HashSet::new() };
    if about.is_empty() {
        return Ok(told);
    }
    let system = Caller::system("notify", city.store.clock().as_ref());
    let wanted: Vec<_> = about.iter().map(|(.., case)| *case).collect();
    let news = city.cases.news(&system, &wanted).await?;
    let found = about.into_iter().zip(news).filter_map(|((seq, on, step, percent, _), news)| Some((seq, happening(seq, on, step, percent, news?))));
    told.happenings = found.collect();
    told.followed = city.notify.followed(told.happenings.values()).await?;
    Ok(told)
}

/// Tells those who are to know of an event about a case.
pub async fn tell(city: &City, record: &EventRecord, told: &Told) -> Result<()> {
    let system = Caller::system("notify", city.store.clock().as_ref());
    if let Event::CaseRated { code, .. } = &record.event {
        return city.notify.overtaken(&system, code, RATE).await;
    }
    match told.happenings.get(&record.seq) {
        Some(what) => city.notify.happened(&system, what, &told.followed).await,
        None => Ok(()),
    }
}

/// Writes a letter that somebody asked for about their account.
pub async fn write(city: &Arc<City>, id: Uuid) -> Result<()> {
    let system = Caller::system("notify", city.store.clock().as_ref());
    let Some(letter) = city.access.letter(&system, id).await? else { return Ok(()) };
    let wanted = Letter {
        mark: format!("account:{id}"),
        to: &letter.email,
        template: &letter.purpose,
        lang: "vi",
        path: letter.path,
        data: json!({ "minutes": letter.minutes, "code": "", "state": "" }),
    };
    city.notify.letter(&system, &wanted).await.map(|_| ())
}

fn happening(seq: i64, on: On, step: &str, percent: u16, news: CaseNews) -> Happening {
    let both = |(vi, en): &(String, String)| json!({ "vi": vi, "en": en });
    let data = json!({
        "category": both(&news.category_name),
        "state": both(&news.state_name),
        "unit": news.unit_name,
        "area": news.area_name.as_deref().unwrap_or(""),
        "due": news.due,
        "percent": percent,
        "into": news.merged_into.as_deref().unwrap_or(""),
    });
    Happening {
        seq,
        on,
        step: step.to_string(),
        percent,
        code: news.code,
        category: news.category,
        area: news.area,
        unit: news.unit,
        public: news.public,
        reporter: news.reporter,
        own_path: news.own_path,
        merged_into: news.merged_into,
        data,
    }
}

/// What can be followed here.
pub struct Topics {
    /// Cases and their categories.
    pub cases: Arc<Cases>,
    /// People in office.
    pub access: Arc<Access>,
    /// Communes.
    pub directory: Arc<dyn Directory>,
}

impl Topics {
    async fn case(&self, caller: &Caller, code: &str, key: Option<&str>) -> Result<Option<Subject>> {
        let own = match key {
            Some(key) => self.cases.track(caller, code, Some(key)).await.ok(),
            None => None,
        };
        let found = match own {
            Some(case) => Some((case, true)),
            None => self.cases.public_case(caller, code).await.ok().map(|case| (case, false)),
        };
        Ok(found.map(|(case, own)| Subject {
            title: Named { vi: format!("{} ({})", case.category_name, case.code), en: format!("{} ({})", case.category_name_en, case.code) },
            path: format!("/r/{}", case.code),
            own,
        }))
    }

    fn place(&self, caller: &Caller, area: Option<&str>, category: Option<&str>) -> Option<Subject> {
        let commune = match area {
            Some(code) => Some(self.directory.commune(code).filter(|p| p.province == self.directory.home())?.commune_name),
            None => None,
        };
        let kind = match category {
            Some(code) => {
                let types = self.cases.types(caller);
                let found = types.iter().flat_map(|t| &t.categories).find(|c| c.code == code)?;
                Some((found.name.clone(), found.name_en.clone()))
            }
            None => None,
        };
        let join = |kind: Option<&String>| [kind, commune.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join(" · ");
        let title = Named { vi: join(kind.as_ref().map(|k| &k.0)), en: join(kind.as_ref().map(|k| &k.1)) };
        Some(Subject { title, path: "/map".into(), own: false })
    }
}

#[async_trait]
impl Subjects for Topics {
    async fn subject(&self, caller: &Caller, topic: &Topic, key: Option<&str>) -> Result<Option<Subject>> {
        match topic {
            Topic::Case(code) => self.case(caller, code, key).await,
            Topic::Place { area, category } => Ok(self.place(caller, area.as_deref(), category.as_deref())),
            Topic::Work | Topic::Due => Ok(None),
        }
    }

    async fn may(&self, person: Uuid, permission: Permission, unit: &str) -> Result<bool> {
        let system = Caller::system("notify", &SystemClock);
        let standing = self.access.standing(&system, person).await?.filter(|c| c.kind == CallerKind::Staff);
        Ok(standing.is_some_and(|c| c.may(permission, if unit.is_empty() { Scope::ANY } else { Scope::unit(unit) })))
    }
}
