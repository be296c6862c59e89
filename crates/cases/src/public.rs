//! What everybody may see. One function builds it from public types; nothing else leaves for the public.

use dothi_kernel::flow::Phase;
use dothi_kernel::geo::{BBox, Point};
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, CallerKind, Error, Event, Page, PageQuery, Permission, Result, Scope, Timestamp, UnitRef};
use dothi_store::params;
use serde_json::json;
use uuid::Uuid;

use crate::columns::SpotQuery;
use crate::model::{Answer, Followers, MoveInput, MoveRef, OwnDetails, PublicCase, PublicQuery, RatingInput, TimelineEntry};
use crate::moves::Step;
use crate::pack::CaseType;
use crate::tables::{self, CaseRecord, Filter, LogRecord, PhotoRecord};
use crate::{CURSORS, Cases, tables_media, text};

/// Symbols on one public map.
const MAP_LIMIT: usize = 5_000;

/// To about eleven metres: enough to find a pothole, not a door.
fn rounded(p: Point) -> Point {
    let cut = |v: f64| (v * 10_000.0).round() / 10_000.0;
    Point { lon: cut(p.lon), lat: cut(p.lat) }
}

/// The redacting function: the only way from a stored case to a public one. It reads neither the reporter's contact
/// data nor notes, and the reporter's words only after the centre has let them through. The reporter (`own`) sees also what is
/// not public of a private report.
fn public_case(case: &CaseRecord, case_type: &CaseType, photos: &[PhotoRecord], unit: UnitRef, (now, own): (Timestamp, bool)) -> PublicCase {
    let category = case_type.category(&case.category);
    let state = case_type.flow.states.get(&case.state);
    let shown = |stages: &[&str]| {
        photos.iter().filter(|p| p.public && stages.contains(&p.stage.as_str())).filter_map(|p| p.for_public().map(str::to_string)).collect::<Vec<_>>()
    };
    let answer = match (&case.answer, case.answered_at) {
        (Some(text), Some(at)) => Some(Answer { text: text.clone(), at, photos: shown(&["after", "earlier"]) }),
        _ => None,
    };
    // Of a private report: what kind, where it stands, and who has it.
    let open = !case.private || own;
    PublicCase {
        code: case.code.clone(),
        category: case.category.clone(),
        category_name: category.map_or_else(|| case.category.clone(), |c| c.name.clone()),
        category_name_en: category.map_or_else(|| case.category.clone(), |c| c.name_en.clone()),
        phase: case.phase,
        state: case.state.clone(),
        state_name: state.map_or_else(|| case.state.clone(), |s| s.name.clone()),
        state_name_en: state.map_or_else(|| case.state.clone(), |s| s.name_en.clone()),
        text: case.public_text.clone().filter(|_| case.published && open),
        location: case.location.map(rounded).filter(|_| open),
        area: case.area.clone(),
        area_name: case.area_name.clone(),
        unit,
        opened_at: case.opened_at,
        due_at: case.clock.due,
        closed_at: case.closed_at,
        overdue: case.overdue(now),
        planned_for: case.planned_for.clone().filter(|_| open),
        photos: if case.published && open { shown(&["report"]) } else { Vec::new() },
        answer: answer.filter(|_| open),
        rating: case.stars,
        followers: case.followers,
        merged_into: case.merged_into.clone(),
        parts: None,
        timeline: None,
        own: None,
    }
}

/// What the public's search finds: never words that are not public.
pub(crate) fn folded(case: &CaseRecord, case_type: &CaseType) -> String {
    let category = case_type.category(&case.category).map_or("", |c| c.name.as_str());
    let words = case.public_text.as_deref().filter(|_| case.published).unwrap_or("");
    text::searchable(&format!("{} {category} {} {words}", case.code, case.area_name.as_deref().unwrap_or("")))
}

/// Whether what was written at a step was written for everybody: why the deadline was extended, what is planned.
pub(crate) fn told(case_type: &CaseType, step: &str) -> bool {
    case_type.has(step, crate::pack::Effect::Extend) || case_type.flow.moves.get(step).is_some_and(|m| m.requires.contains("planned_for"))
}

/// Steps as the public sees them: a state and a unit, no names of people, no notes.
fn timeline(log: &[LogRecord], case_type: &CaseType, unit: impl Fn(&str) -> UnitRef) -> Vec<TimelineEntry> {
    let steps = log.iter().filter(|l| l.from != l.to || case_type.has(&l.step, crate::pack::Effect::Extend));
    steps
        .filter_map(|l| {
            let (what, what_en) = match case_type.flow.moves.get(&l.step).filter(|_| l.from == l.to) {
                Some(m) => (m.name.clone(), m.name_en.clone()),
                None => case_type.flow.states.get(&l.to).map(|s| (s.name.clone(), s.name_en.clone()))?,
            };
            // Only what was written for everybody: a question to the reporter is theirs alone.
            let text = l.public_text.clone().filter(|_| told(case_type, &l.step));
            Some(TimelineEntry { at: l.at, what, what_en, unit: Some(unit(&l.unit)).filter(|u| !u.id.is_empty()), text })
        })
        .collect()
}

impl Cases {
    fn public_filter(query: &PublicQuery) -> Result<Filter> {
        let mut filter = Filter::default();
        filter.add("listed = 1", params![]);
        if let Some(bbox) = &query.bbox {
            filter.within(BBox::parse(bbox)?);
        }
        for (column, value) in [("category = ?", &query.category), ("area = ?", &query.area)] {
            if let Some(value) = value {
                filter.add(column, params![value]);
            }
        }
        if let Some(phase) = &query.phase {
            tables::phase_of(phase)?;
            filter.add("phase = ?", params![phase]);
        }
        if let Some(q) = &query.q {
            filter.words("public_folded", &text::searchable(&text::clean(q, "q", 200)?));
        }
        Ok(filter)
    }

    /// Public cases, newest first.
    pub async fn public_list(&self, caller: &Caller, query: &PublicQuery) -> Result<Page<PublicCase>> {
        let limit = PageQuery { limit: query.limit, after: None }.limit();
        self.public_page(caller, Self::public_filter(query)?, limit, query.after.as_deref()).await
    }

    /// A page of public cases that pass a filter, newest first.
    pub(crate) async fn public_page(&self, caller: &Caller, mut filter: Filter, limit: usize, after: Option<&str>) -> Result<Page<PublicCase>> {
        if let Some((at, id)) = CURSORS.after::<Uuid>(after)? {
            filter.add("(opened_at < ? or (opened_at = ? and id < ?))", params![at, at, id]);
        }
        let found = tables::cases(&self.store, filter, "opened_at desc, id desc", limit + 1).await?;
        let page = Page::of(found, limit, |c| CURSORS.write(c.opened_at, c.id));
        Ok(Page { items: self.public_cases(caller, &page.items).await?, next: page.next, total: None })
    }

    pub(crate) async fn public_cases(&self, caller: &Caller, cases: &[CaseRecord]) -> Result<Vec<PublicCase>> {
        let ids: Vec<Uuid> = cases.iter().map(|c| c.id).collect();
        let photos = tables::photos_of(&self.store, &ids).await?;
        let mut out = Vec::with_capacity(cases.len());
        for case in cases {
            let case_type = self.type_of(case).await?;
            let unit = self.unit_ref(&case.unit, &case_type);
            out.push(public_case(case, &case_type, photos.get(&case.id).map_or(&[], Vec::as_slice), unit, (caller.now, false)));
        }
        Ok(out)
    }

    /// One public case with its timeline. 404 `case.unknown`, also for cases taken from the public.
    pub async fn public_case(&self, caller: &Caller, code: &str) -> Result<PublicCase> {
        let case = tables::case_by_code(&self.store, code).await?.filter(|c| c.listed).ok_or_else(tables::unknown)?;
        self.with_timeline(caller, &case, false).await
    }

    async fn with_timeline(&self, caller: &Caller, case: &CaseRecord, own: bool) -> Result<PublicCase> {
        let case_type = self.type_of(case).await?;
        let photos = tables::photos_of(&self.store, &[case.id]).await?;
        let log = tables::log_of(&self.store, case.id).await?;
        let unit = self.unit_ref(&case.unit, &case_type);
        let public = public_case(case, &case_type, photos.get(&case.id).map_or(&[], Vec::as_slice), unit, (caller.now, own));
        let parts = self.public_parts(case).await?;
        let mut steps = timeline(&log, &case_type, |u| self.unit_ref(u, &case_type));
        if case.private && !own {
            steps.iter_mut().for_each(|s| s.text = None);
        }
        Ok(PublicCase { parts: Some(parts).filter(|p| !p.is_empty()), timeline: Some(steps), ..public })
    }

    /// Public cases as a compact GeoJSON FeatureCollection; the newest 5 000.
    pub async fn public_map(&self, caller: &Caller, query: &PublicQuery) -> Result<serde_json::Value> {
        if query.q.is_none() {
            return self.counted_map(caller, query).await;
        }
        let spots = tables::spots(&self.store, Self::public_filter(query)?, caller.now, MAP_LIMIT).await?;
        let features: Vec<_> = spots
            .into_iter()
            .map(|s| {
                let p = rounded(s.location);
                json!({ "type": "Feature", "geometry": { "type": "Point", "coordinates": [p.lon, p.lat] },
                    "properties": { "code": s.code, "category": s.category, "phase": s.phase, "overdue": s.overdue } })
            })
            .collect();
        Ok(json!({ "type": "FeatureCollection", "features": features }))
    }

    /// The same without a search for words, which needs no database.
    async fn counted_map(&self, caller: &Caller, query: &PublicQuery) -> Result<serde_json::Value> {
        if let Some(phase) = &query.phase {
            tables::phase_of(phase)?;
        }
        let bbox = query.bbox.as_deref().map(BBox::parse).transpose()?;
        let asked = SpotQuery { bbox, category: query.category.as_deref(), area: query.area.as_deref(), phase: query.phase.as_deref() };
        let columns = self.counted.now(&self.store).await?;
        let features: Vec<_> = columns
            .spots(&asked, caller.now, MAP_LIMIT)
            .into_iter()
            .map(|s| {
                let p = rounded(Point { lon: s.lon, lat: s.lat });
                json!({ "type": "Feature", "geometry": { "type": "Point", "coordinates": [p.lon, p.lat] },
                    "properties": { "code": s.code, "category": s.category, "phase": s.phase, "overdue": s.overdue } })
            })
            .collect();
        Ok(json!({ "type": "FeatureCollection", "features": features }))
    }

    /// Open public cases near a spot, nearest first; at most five. The radius is the case type's.
    pub async fn nearby(&self, caller: &Caller, point: Point, category: Option<&str>) -> Result<Vec<PublicCase>> {
        let types = self.installed();
        let metres = types.values().filter_map(|v| v.last_key_value()).map(|(_, t)| t.nearby_metres).max().unwrap_or(250);
        let dlat = f64::from(metres) / 111_000.0;
        let dlon = dlat / point.lat.to_radians().cos().abs().max(0.01);
        let mut filter = Filter::default();
        filter.add("listed = 1 and private = 0 and closed_at is null", params![]);
        filter.within(BBox { west: point.lon - dlon, south: point.lat - dlat, east: point.lon + dlon, north: point.lat + dlat });
        if let Some(category) = category {
            filter.add("category = ?", params![category]);
        }
        let found = tables::cases(&self.store, filter, "opened_at desc, id desc", 200).await?;
        let mut near: Vec<(f64, CaseRecord)> = found.into_iter().filter_map(|c| c.location.map(|l| (l.distance(point), c))).collect();
        near.retain(|(d, _)| *d <= f64::from(metres));
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        let near: Vec<CaseRecord> = near.into_iter().take(5).map(|(_, c)| c).collect();
        self.public_cases(caller, &near).await
    }

    /// "Me too": counted once a person or network address.
    pub async fn follow(&self, caller: &Caller, code: &str) -> Result<Followers> {
        let who = self.who(caller);
        let mut tx = self.store.begin(caller).await?;
        let case = tables::case_by_code_in(&mut tx, code).await?.filter(|c| c.listed).ok_or_else(tables::unknown)?;
        let fresh = tables::follow(&mut tx, case.id, &who).await?;
        tx.commit().await?;
        Ok(Followers { followers: case.followers + u32::from(fresh) })
    }

    /// The reporter's case: by key, or signed in as the one who reported. 404 `case.unknown`, 403 `case.key.wrong`.
    pub(crate) async fn own_case(&self, caller: &Caller, code: &str, key: Option<&str>) -> Result<CaseRecord> {
        let case = tables::case_by_code(&self.store, code).await?.ok_or_else(tables::unknown)?;
        if self.is_own(caller, &case, key).await? {
            return Ok(case);
        }
        if key.is_none() && caller.kind == CallerKind::Anonymous {
            return Err(Error::unauthenticated("access.sign-in-needed", "Sign in first, or use the link you got with the report."));
        }
        Err(Error::forbidden("case.key.wrong", "This key does not open this case."))
    }

    pub(crate) async fn is_own(&self, caller: &Caller, case: &CaseRecord, key: Option<&str>) -> Result<bool> {
        let fits = |k: &str| text::hash(&[k]) == case.key_hash || text::hash(&[k]) == text::hash(&[&self.mail_key(case.id)]);
        if key.is_some_and(fits) {
            return Ok(true);
        }
        Ok(match caller.id.filter(|_| caller.kind == CallerKind::Citizen) {
            Some(person) => tables::reporter_of(&self.store, case.id).await?.0 == Some(person),
            None => false,
        })
    }

    /// The own case by tracking code and key.
    pub async fn track(&self, caller: &Caller, code: &str, key: Option<&str>) -> Result<PublicCase> {
        let case = self.own_case(caller, code, key).await?;
        self.own_view(caller, case).await
    }

    pub(crate) async fn own_view(&self, caller: &Caller, case: CaseRecord) -> Result<PublicCase> {
        let view = self.with_timeline(caller, &case, true).await?;
        let case_type = self.type_of(&case).await?;
        let photos = tables::photos_of(&self.store, &[case.id]).await?;
        let log = tables::log_of(&self.store, case.id).await?;
        let (_, contact) = tables::reporter_of(&self.store, case.id).await?;
        let question = log.iter().rev().find(|l| l.to == case.state).and_then(|l| l.public_text.clone()).filter(|_| case.phase == Phase::Waiting);
        let moves = case_type.flow.open_moves(&Caller { grants: std::sync::Arc::new([]), ..caller.clone() }, &case.state, &case.unit, true);
        // Rating has its own form.
        let moves = moves.into_iter().filter(|(code, _)| *code != case_type.rating.reopen_move && *code != case_type.rating.close_move);
        let own = OwnDetails {
            id: case.id,
            text: case.text.clone(),
            photos: photos.get(&case.id).into_iter().flatten().filter(|p| p.stage == "report").map(|p| p.sha.clone()).collect(),
            contact_left: contact != crate::model::Contact::default(),
            consent: self.consent_view(&case, &case_type, &contact).await?,
            question,
            may_rate: self.may_rate(&case, &case_type, caller.now),
            moves: moves
                .map(|(code, m)| MoveRef {
                    code: code.into(),
                    name: m.name.clone(),
                    name_en: m.name_en.clone(),
                    requires: m.requires.iter().cloned().collect(),
                    optional: Vec::new(),
                    until: None,
                })
                .collect(),
            version: case.version,
        };
        Ok(PublicCase { own: Some(own), ..view })
    }

    /// Cases of the signed-in person, newest first.
    pub async fn mine(&self, caller: &Caller, query: &PageQuery) -> Result<Page<PublicCase>> {
        let person = caller.person()?;
        let mut filter = Filter::default();
        filter.add("id in (select case_id from case_reporter where person = ?)", params![person]);
        if let Some((at, id)) = CURSORS.after::<Uuid>(query.after.as_deref())? {
            filter.add("(opened_at < ? or (opened_at = ? and id < ?))", params![at, at, id]);
        }
        let found = tables::cases(&self.store, filter, "opened_at desc, id desc", query.limit() + 1).await?;
        let page = Page::of(found, query.limit(), |c| CURSORS.write(c.opened_at, c.id));
        let mut items = self.public_cases(caller, &page.items).await?;
        for (item, case) in items.iter_mut().zip(&page.items) {
            // Their own words are theirs to see, also before the centre has looked.
            item.text = Some(case.text.clone());
        }
        Ok(Page { items, next: page.next, total: None })
    }

    fn may_rate(&self, case: &CaseRecord, case_type: &CaseType, now: Timestamp) -> bool {
        let policy = &case_type.rating;
        let fresh = case.closed_at.is_some_and(|at| now <= micros(at.as_microsecond() + i64::from(policy.within_days) * 86_400_000_000));
        case.stars.is_none() && policy.states.contains(&case.state) && fresh
    }

    /// The reporter rates the answer, once. Few stars ask for the case to be opened again. 409 `case.rating.again`,
    /// 422 `case.rating.not-now`.
    pub async fn rate(&self, caller: &Caller, code: &str, input: RatingInput) -> Result<PublicCase> {
        if !(1..=5).contains(&input.stars) {
            return Err(Error::invalid("case.rating.stars", "A rating has one to five stars."));
        }
        let comment = text::clean_opt(input.comment.as_deref(), "comment", 1_000)?;
        let seen = self.own_case(caller, code, input.key.as_deref()).await?;
        let case_type = self.type_of(&seen).await?;
        let mut tx = self.store.begin(caller).await?;
        let mut case = tables::case_in(&mut tx, seen.id).await?.ok_or_else(tables::unknown)?;
        if case.stars.is_some() {
            return Err(Error::conflict("case.rating.again", "This answer was rated already."));
        }
        if !self.may_rate(&case, &case_type, caller.now) {
            return Err(Error::unprocessable("case.rating.not-now", "There is no answer to rate, or it was too long ago."));
        }
        case.stars = Some(input.stars);
        case.rating_comment.clone_from(&comment);
        let policy = &case_type.rating;
        let step = if input.stars <= policy.reopen_at_most { &policy.reopen_move } else { &policy.close_move };
        if case_type.flow.moves.get(step).is_some_and(|m| m.from.contains(&case.state)) {
            let input = MoveInput { note: comment, ..MoveInput::default() };
            self.apply(&mut tx, &mut case, &case_type, Step { code: step, input: &input, photos: &[], own: true }).await?;
        } else {
            tables::update_case(&mut tx, &case, &folded(&case, &case_type)).await?;
        }
        tx.emit(Event::CaseRated { case: case.id, code: case.code.clone(), stars: input.stars });
        tx.commit().await?;
        let case = tables::case(&self.store, seen.id).await?.ok_or_else(tables::unknown)?;
        self.own_view(caller, case).await
    }

    /// A photo's bytes: for everybody when its case shows it, else for the reporter and for officers who may read the case. An original
    /// beside which there is a masked picture is for who may mask it, and each reading is on record. The flag says whether it is public.
    pub async fn photo(&self, caller: &Caller, sha: &str, thumb: bool, key: Option<&str>) -> Result<(bytes::Bytes, bool)> {
        let missing = || Error::not_found("case.photo.unknown", "There is no such photo.");
        let uses = tables_media::photo_uses(&self.store, sha).await?;
        let mut refusal = missing();
        for photo in &uses {
            let case = tables::case(&self.store, photo.case).await?.ok_or_else(missing)?;
            let stage_shown = if photo.stage == "report" { case.published } else { case.answered_at.is_some() };
            let wanted = photo.rendition(sha, thumb);
            let public = wanted.decided && photo.public && case.listed && !case.private && stage_shown;
            let allowed = if public || self.is_own(caller, &case, key).await? {
                Ok(())
            } else if let Err(e) = caller.require(Permission::CaseRead, Scope::unit(&case.unit)) {
                Err(e)
            } else if wanted.bare {
                self.read_bare(caller, &case, &photo.sha).await
            } else {
                Ok(())
            };
            if let Err(e) = allowed {
                refusal = e;
                continue;
            }
            let (_, bytes) = self.store.blobs().get(wanted.stored).await?;
            return Ok((bytes, public));
        }
        Err(refusal)
    }
}
