//! Entities of others beside ours: reading from registered sources, from entity maps and from snapshots. The handlers of
//! entities ask here instead of the city model; without registrations the way leads straight to it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use dothi_kernel::{Error, Permission, Result, Scope};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::wire::{Asked, Params};
use crate::Context;
use crate::fault::{UNSUPPORTED, bad, missing};
use crate::federation::forward::{Call, Origin, Trouble, encoded};
use crate::federation::maps::{self, HERE, Sources};
use crate::federation::matching::{self, Part, Wanted};
use crate::federation::merge;
use crate::federation::registration::Mode;
use crate::ld::Ld;
use crate::live::Live;
use crate::model::{Entity, Iri};
use crate::q::Query;
use crate::query::{Filter, Found, Paging, scan};

/// Entities that one source may give to one query.
const MAX_REMOTE: usize = 10_000;
/// Rows of one page of a source.
const PAGE: usize = 1_000;
/// Entities above which a scan leaves the async threads.
const LARGE: usize = 10_000;
/// Ids of a map that are looked up at sources together.
const TOGETHER: usize = 100;

/// What the way to an answer adds to it: headers, and whether a map was made.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    headers: Vec<(&'static str, String)>,
    created: bool,
    fixed: bool,
}

impl Notes {
    fn with<T>(&self, change: impl FnOnce(&mut Noted) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a header to the answer.
    pub fn header(&self, name: &'static str, value: String) {
        self.with(|n| n.headers.push((name, value)));
    }

    /// Whether the result is fixed by a map, so that offsets alone lead through it.
    pub fn fixed(&self) -> bool {
        self.with(|n| n.fixed)
    }

    /// Puts all on the answer.
    pub fn put_on(&self, response: &mut Response) {
        self.with(|n| {
            for (name, value) in &n.headers {
                if let Ok(value) = HeaderValue::from_str(value) {
                    response.headers_mut().append(HeaderName::from_static(name), value);
                }
            }
            if n.created && response.status() == StatusCode::OK {
                *response.status_mut() = StatusCode::CREATED;
            }
        });
    }
}

/// The request as sources learn of it.
pub fn origin(headers: &HeaderMap) -> Origin {
    Origin::new(headers.iter().filter_map(|(n, v)| Some((n.as_str().to_string(), v.to_str().ok()?.to_string()))).collect())
}

fn is_local(asked: &Asked) -> Result<bool> {
    asked.params.flag("local")
}

/// Attributes that the request shows, when it says so.
fn shown(asked: &Asked, ld: &Ld) -> Result<Option<Vec<Iri>>> {
    let Some(words) = asked.params.list("attrs").or_else(|| asked.params.list("pick")) else { return Ok(None) };
    // What belongs to the entity itself is everywhere, and members of what a link leads to are looked up here.
    let own = |w: &&str| !matches!(*w, "id" | "type" | "scope" | "createdAt" | "modifiedAt") && !w.contains('{');
    let names: Vec<Iri> = words.into_iter().filter(own).map(|w| ld.expand(w)).collect::<Result<_>>()?;
    Ok((!names.is_empty()).then_some(names))
}

fn warn(asked: &Asked, part: &Part, trouble: Trouble) {
    let now = asked.caller.now.as_microsecond();
    asked.notes.header("ngsild-warning", trouble.warning(&part.registration, now));
}

fn names(attrs: &[Iri], ld: &Ld) -> String {
    attrs.iter().map(|a| ld.compact(a).into_owned()).collect::<Vec<_>>().join(",")
}

fn by_mode(mode: Mode) -> u8 {
    match mode {
        Mode::Exclusive => 0,
        Mode::Redirect => 1,
        Mode::Inclusive => 2,
        Mode::Auxiliary => 3,
    }
}

/// One entity, from wherever it is.
pub async fn entity(this: &Context, asked: &Asked, ld: &Ld, id: &Iri) -> Result<Arc<Entity>> {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let now = asked.caller.now.as_microsecond();
    if let Some(live) = snapshot(this, asked)? {
        let found = live.get(id).filter(|e| e.alive(now));
        return found.ok_or_else(|| missing(format!("There is no entity {id} in the snapshot.")));
    }
    let federation = this.federation();
    let origin = origin(&asked.headers);
    let map = usable_map(this, asked)?;
    if map.as_ref().is_some_and(|m| !m.lock().unwrap_or_else(PoisonError::into_inner).entities.contains_key(id)) {
        return Err(missing(format!("There is no entity {id} in the entity map.")));
    }
    if federation.alone() || is_local(asked)? || origin.passed(&federation.alias) {
        let entity = this.entity(&asked.caller, id)?;
        note_holders(this, asked, map.is_some(), id, vec![HERE.into()])?;
        return Ok(entity);
    }
    let index = federation.index();
    let local = this.entity(&asked.caller, id).ok();
    let types = local.as_ref().map(|e| e.types.clone()).unwrap_or_default();
    let any = ["retrieveEntity", "queryEntity", "queryBatch"];
    let mut parts = matching::readers(&index, Some(std::slice::from_ref(id)), &types, shown(asked, ld)?.as_deref(), &any, now);
    if let Some(map) = &map {
        let map = map.lock().unwrap_or_else(PoisonError::into_inner);
        parts.retain(|p| map.entities.get(id).is_some_and(|held| held.contains(&p.registration.id)));
    }
    if parts.is_empty() {
        let local = local.and_then(|e| matching::stripped(&index, &e, now));
        let local = local.ok_or_else(|| missing(format!("There is no entity {id}.")))?;
        note_holders(this, asked, map.is_some(), id, vec![HERE.into()])?;
        return Ok(local);
    }
    parts.sort_by_key(|p| by_mode(p.registration.mode));
    let calls = parts.iter().map(|part| this.call_source(&origin, &part.registration, retrieving(asked, ld, id, part), now));
    let replies = join_all(calls).await;
    let mut found = local.and_then(|e| matching::stripped(&index, &e, now)).map(|e| Entity::clone(&e));
    let mut holders: Vec<Iri> = found.iter().map(|_| HERE.into()).collect();
    for (part, reply) in parts.iter().zip(replies) {
        let read = match reply {
            Ok(reply) if reply.status == 200 => match reply.body {
                // A query found nothing.
                Some(Value::Array(all)) if all.is_empty() => continue,
                Some(body) => merge::read(body.get(0).unwrap_or(&body), &reply.ld).map_err(|_| Trouble::Garbled),
                None => Err(Trouble::Garbled),
            },
            Ok(reply) if reply.status == 404 => continue,
            Ok(reply) => Err(Trouble::Refused(reply.status)),
            Err(trouble) => Err(trouble),
        };
        if read.as_ref().is_ok_and(|theirs| theirs.id == *id) {
            holders.push(part.registration.id.clone());
        }
        match (read, &mut found) {
            (Ok(theirs), _) if theirs.id != *id => warn(asked, part, Trouble::Garbled),
            (Ok(theirs), Some(found)) => merge::merge(found, offered(theirs, part), part.registration.mode == Mode::Auxiliary),
            (Ok(theirs), None) => found = Some(offered(theirs, part)),
            (Err(trouble), _) => warn(asked, part, trouble),
        }
    }
    let mut found = found.ok_or_else(|| missing(format!("There is no entity {id}, here or at a registered source.")))?;
    merge::finish(&mut found, now);
    note_holders(this, asked, map.is_some(), id, holders)?;
    Ok(Arc::new(found))
}

/// The map that a request refers to, if it is still there: an expired one is as none (5.5.14).
pub fn usable_map(this: &Context, asked: &Asked) -> Result<Option<maps::Shared>> {
    let Some(id) = named_map(asked) else { return Ok(None) };
    let Ok(map) = this.federation().maps.get(&id, asked.caller.now.as_microsecond()) else { return Ok(None) };
    asked.notes.with(|n| {
        n.headers.push(("ngsild-entitymap", map_path(&id)));
        n.fixed = true;
    });
    Ok(Some(map))
}

/// Whether a request wants its result fixed in a map: it says so, or refers to one that is gone.
pub fn wants_map(asked: &Asked) -> Result<bool> {
    Ok(asked.params.flag("entityMap")? || named_map(asked).is_some())
}

/// Keeps who holds an entity, when the request wants a map and has none.
pub fn note_holders(this: &Context, asked: &Asked, mapped: bool, id: &Iri, holders: Vec<Iri>) -> Result<()> {
    if !mapped && wants_map(asked)? {
        keep_map(this, asked, Sources::from([(id.clone(), holders)]), false)?;
    }
    Ok(())
}

/// Notes that the answer came with a new map.
pub fn map_created(asked: &Asked) {
    asked.notes.with(|n| n.created = true);
}

/// Asks a source for one entity, by the operation that it offers.
fn retrieving<'a>(asked: &Asked, ld: &'a Ld, id: &Iri, part: &Part) -> Call<'a> {
    let mut query = vec![("options".to_string(), "sysAttrs".to_string())];
    let kind = asked.params.get("type").map(|t| ("type".to_string(), t.to_string()));
    if part.registration.offers("retrieveEntity") {
        query.extend(kind);
        query.extend(part.attrs.as_ref().map(|a| ("attrs".to_string(), names(a, ld))));
        return Call { method: Method::GET, path: format!("/entities/{}", encoded(id)), query, body: None, ld };
    }
    // Some brokers want a type in every query; the registration states those that there can be.
    let types = part.registration.types_of(id);
    let stated = kind.map(|(_, t)| t).or_else(|| (!types.is_empty()).then(|| names(&types, ld)));
    if part.registration.offers("queryEntity") {
        query.push(("id".to_string(), id.to_string()));
        query.extend(stated.map(|t| ("type".to_string(), t)));
        query.extend(part.attrs.as_ref().map(|a| ("attrs".to_string(), names(a, ld))));
        return Call { method: Method::GET, path: "/entities".into(), query, body: None, ld };
    }
    let mut body = json!({"type": "Query", "entities": [{"id": &**id, "type": stated.unwrap_or_else(|| "*".into())}]});
    if let Some(attrs) = &part.attrs {
        body["attrs"] = attrs.iter().map(|a| Value::from(ld.compact(a).into_owned())).collect();
    }
    Call { method: Method::POST, path: "/entityOperations/query".into(), query, body: Some(body), ld }
}

/// Only what the source is registered for.
fn offered(mut entity: Entity, part: &Part) -> Entity {
    if let Some(attrs) = &part.attrs {
        entity.attrs.retain(|(name, _)| attrs.contains(name));
    }
    entity
}

/// The entities of the snapshot that the request names.
fn snapshot(this: &Context, asked: &Asked) -> Result<Option<Arc<Live>>> {
    let Some(id) = asked.headers.get("ngsild-snapshot").and_then(|v| v.to_str().ok()).filter(|t| !t.is_empty()) else { return Ok(None) };
    let snapshot = this.snapshot(&asked.caller, id)?;
    snapshot.state.lock().unwrap_or_else(PoisonError::into_inner).used = asked.caller.now.as_microsecond();
    asked.notes.header("ngsild-snapshot", id.to_string());
    Ok(Some(snapshot.live.clone()))
}

async fn look(live: &Arc<Live>, filter: &Arc<Filter>, paging: Paging, now: i64) -> Result<Found> {
    if live.count() < LARGE {
        return scan(live, filter, &paging, now);
    }
    let (live, filter) = (live.clone(), filter.clone());
    tokio::task::spawn_blocking(move || scan(&live, &filter, &paging, now)).await.map_err(|e| Error::internal("looking for entities", e))?
}

/// What sources hold of a query's result.
#[derive(Default)]
struct Theirs {
    main: BTreeMap<Iri, Entity>,
    gaps: BTreeMap<Iri, Entity>,
    holders: Sources,
}

/// A query with all that is needed to ask sources.
struct Distributed<'a> {
    this: &'a Context,
    asked: &'a Asked,
    ld: &'a Ld,
    filter: Arc<Filter>,
    /// Conditions hold for what several hold together, so sources are not told of them.
    split: bool,
    /// The query came as a body; sources may get a wider one.
    posted: bool,
    now: i64,
}

impl Distributed<'_> {
    /// Sources that may know something of the result.
    fn parts(&self, ids: Option<&[Iri]>) -> Result<Vec<Part>> {
        let asked = self.asked;
        let ids: Option<Vec<Iri>> = match (ids, &self.filter.ids) {
            (Some(ids), _) => Some(ids.to_vec()),
            (None, Some(ids)) => Some(ids.clone()),
            (None, None) => {
                let all: Option<Vec<Vec<Iri>>> = self.filter.selectors.iter().map(|s| s.ids.clone()).collect();
                all.filter(|a| !a.is_empty()).map(|a| a.concat())
            }
        };
        let types = matching::anchors(self.filter.types.as_ref(), &self.filter.selectors);
        let wanted = match &self.filter.attrs {
            Some(attrs) => Some(attrs.clone()),
            None => shown(asked, self.ld)?,
        };
        let csf = asked.params.get("csf").map(|q| Query::parse(q, self.ld)).transpose()?;
        let fits = Wanted { conditions: csf.into_iter().collect(), ..Wanted::default() };
        let index = self.this.federation().index();
        let mut parts = matching::readers(&index, ids.as_deref(), &types, wanted.as_deref(), &["queryEntity", "queryBatch"], self.now);
        parts.retain(|p| fits.matches(&p.registration, self.now));
        parts.sort_by_key(|p| by_mode(p.registration.mode));
        Ok(parts)
    }

    fn call(&self, part: &Part, ids: Option<&[Iri]>, offset: usize) -> Result<Call<'_>> {
        let asked = self.asked;
        let whole = !self.split && part.registration.info.iter().all(|(k, _)| !k.eq_ignore_ascii_case("jsonldContext"));
        let mut query = vec![("options".to_string(), "sysAttrs".to_string()), ("limit".to_string(), PAGE.to_string())];
        if offset > 0 {
            query.push(("offset".to_string(), offset.to_string()));
        }
        // A source that names the entities it has is not asked for others.
        let own = part.registration.ids().map(|all| all.join(","));
        if part.registration.offers("queryBatch") && (self.posted || !part.registration.offers("queryEntity")) {
            let mut body = if self.posted { stated_body(&asked.body)? } else { as_body(&asked.params, ids, own.as_deref()) };
            body.retain(|k, _| {
                matches!(k.as_str(), "type" | "entities" | "jsonKeys" | "expandValues") || (whole && matches!(k.as_str(), "q" | "geoQ" | "scopeQ"))
            });
            if let Some(attrs) = &part.attrs {
                body.insert("attrs".into(), attrs.iter().map(|a| Value::from(self.ld.compact(a).into_owned())).collect());
            }
            return Ok(Call { method: Method::POST, path: "/entityOperations/query".into(), query, body: Some(body.into()), ld: self.ld });
        }
        let stated = if self.posted { parameters(&asked.body, &asked.params) } else { asked.params.clone() };
        let conditions = ["q", "georel", "geometry", "coordinates", "geoproperty", "scopeQ", "expandValues", "jsonKeys"];
        for name in ["type", "idPattern"].into_iter().chain(conditions.into_iter().filter(|_| whole)) {
            query.extend(stated.get(name).map(|v| (name.to_string(), v.to_string())));
        }
        match ids {
            Some(ids) => query.push(("id".to_string(), ids.join(","))),
            None => query.extend(stated.get("id").map(str::to_string).or(own).map(|v| ("id".to_string(), v))),
        }
        if self.split {
            query.push(("splitEntities".to_string(), "true".to_string()));
        }
        query.extend(part.attrs.as_ref().map(|a| ("attrs".to_string(), names(a, self.ld))));
        Ok(Call { method: Method::GET, path: "/entities".into(), query, body: None, ld: self.ld })
    }

    /// All that one source has, page by page, as far as we go.
    async fn ask(&self, origin: &Origin, part: &Part, ids: Option<&[Iri]>) -> Result<std::result::Result<Vec<Entity>, Trouble>> {
        let mut out: Vec<Entity> = Vec::new();
        loop {
            let reply = match self.this.call_source(origin, &part.registration, self.call(part, ids, out.len())?, self.now).await {
                Ok(reply) => reply,
                Err(trouble) => return Ok(Err(trouble)),
            };
            let rows = match (reply.status, &reply.body) {
                (200, Some(Value::Array(rows))) => rows,
                (200, _) => return Ok(Err(Trouble::Garbled)),
                (404, _) => return Ok(Ok(out)),
                (status, _) => return Ok(Err(Trouble::Refused(status))),
            };
            for row in rows {
                match merge::read(row, &reply.ld) {
                    Ok(entity) => out.push(offered(entity, part)),
                    Err(_) => return Ok(Err(Trouble::Garbled)),
                }
            }
            if rows.len() < PAGE {
                return Ok(Ok(out));
            }
            if out.len() >= MAX_REMOTE {
                let text = format!("199 {} \"only the first {MAX_REMOTE} entities of the source were looked at\"", part.registration.id);
                self.asked.notes.header("ngsild-warning", text);
                return Ok(Ok(out));
            }
        }
    }

    /// What all sources hold; troubles become warnings.
    async fn gather(&self, ids: Option<&[Iri]>) -> Result<Theirs> {
        let origin = origin(&self.asked.headers);
        let mut theirs = Theirs::default();
        if is_local(self.asked)? || origin.passed(&self.this.federation().alias) || self.this.federation().alone() {
            return Ok(theirs);
        }
        let parts = self.parts(ids)?;
        let replies = join_all(parts.iter().map(|part| self.ask(&origin, part, ids))).await;
        for (part, reply) in parts.iter().zip(replies) {
            let entities = match reply? {
                Ok(entities) => entities,
                Err(trouble) => {
                    warn(self.asked, part, trouble);
                    continue;
                }
            };
            for entity in entities {
                theirs.holders.entry(entity.id.clone()).or_default().push(part.registration.id.clone());
                let gaps = part.registration.mode == Mode::Auxiliary;
                let held = if gaps { &mut theirs.gaps } else { &mut theirs.main };
                match held.get_mut(&entity.id) {
                    Some(old) => merge::merge(old, entity, gaps),
                    None => drop(held.insert(entity.id.clone(), entity)),
                }
            }
        }
        Ok(theirs)
    }

    /// What we hold of an entity, without what only sources may hold.
    fn ours(&self, id: &str) -> Option<Arc<Entity>> {
        let entity = self.this.live.get(id).filter(|e| e.alive(self.now))?;
        matching::stripped(&self.this.federation().index(), &entity, self.now)
    }

    /// An entity out of all parts; none when it is not part of the result.
    fn whole(&self, id: &Iri, theirs: &mut Theirs) -> Option<Arc<Entity>> {
        let (main, gaps) = (theirs.main.remove(id), theirs.gaps.remove(id));
        let from_others = main.is_some() || gaps.is_some();
        let mut entity = self.ours(id).map(|e| Entity::clone(&e));
        for (part, fills) in [(main, false), (gaps, true)] {
            match (part, &mut entity) {
                (Some(part), Some(entity)) => merge::merge(entity, part, fills),
                (Some(part), None) => entity = Some(part),
                (None, _) => {}
            }
        }
        let mut entity = entity?;
        merge::finish(&mut entity, self.now);
        let fits = (from_others && !self.split && !self.posted) || self.filter.matches(&entity, self.now, &self.this.live);
        fits.then(|| Arc::new(entity))
    }

    /// A page of ours and theirs together, in id order.
    async fn page(&self, page: &Paging) -> Result<Found> {
        let mut theirs = self.gather(None).await?;
        let ids: Vec<Iri> = theirs.holders.keys().cloned().collect();
        let mut merged: BTreeMap<Iri, Arc<Entity>> = ids.iter().filter_map(|id| Some((id.clone(), self.whole(id, &mut theirs)?))).collect();
        let count = if page.count {
            let ours = look(&self.this.live, &self.filter, Paging { limit: 0, count: true, ..Paging::default() }, self.now).await?.count.unwrap_or(0);
            let both = ids.iter().filter(|id| self.this.live.get(id).is_some_and(|e| self.filter.matches(&e, self.now, &self.this.live))).count();
            Some(ours - both.min(ours) + merged.len())
        } else {
            None
        };
        let index = self.this.federation().index();
        let fits = |e: &Arc<Entity>| -> Option<Arc<Entity>> {
            let rest = matching::stripped(&index, e, self.now)?;
            (Arc::ptr_eq(&rest, e) || self.filter.matches(&rest, self.now, &self.this.live)).then_some(rest)
        };
        if let Some(before) = &page.before {
            let ours = look(&self.this.live, &self.filter, Paging { count: false, ..page.clone() }, self.now).await?;
            merged.retain(|id, _| **id < **before);
            for entity in ours.entities.iter().filter_map(fits) {
                merged.entry(entity.id.clone()).or_insert(entity);
            }
            let skip = merged.len().saturating_sub(page.limit);
            return Ok(Found { entities: merged.into_values().skip(skip).collect(), count, more: true });
        }
        if let Some(after) = &page.after {
            merged.retain(|id, _| **id > **after);
        }
        let skip = if page.after.is_some() { 0 } else { page.offset };
        let enough = skip.saturating_add(page.limit).saturating_add(1);
        let mut at = page.after.clone();
        loop {
            let ours = look(&self.this.live, &self.filter, Paging { limit: enough.clamp(1, PAGE), after: at.clone(), ..Paging::default() }, self.now).await?;
            for entity in ours.entities.iter().filter(|e| !theirs.holders.contains_key(&e.id)).filter_map(fits) {
                merged.insert(entity.id.clone(), entity);
            }
            let Some(last) = ours.entities.last().filter(|_| ours.more) else { break };
            // What lies beyond the last of ours may still be overtaken by one of ours.
            if merged.range::<str, _>((Bound::Unbounded, Bound::Included(&*last.id))).take(enough).count() >= enough {
                break;
            }
            at = Some(last.id.to_string());
        }
        let more = merged.len() > skip + page.limit;
        Ok(Found { entities: merged.into_values().skip(skip).take(page.limit).collect(), count, more })
    }

    /// Ids of the whole result, and who holds them.
    async fn sources(&self) -> Result<Sources> {
        let mut theirs = self.gather(None).await?;
        let ids: Vec<Iri> = theirs.holders.keys().cloned().collect();
        let mut out = Sources::new();
        for id in ids {
            let held = theirs.holders.get(&id).cloned().unwrap_or_default();
            if self.whole(&id, &mut theirs).is_some() {
                let here = self.ours(&id).is_some().then(|| Iri::from(HERE));
                out.insert(id, held.into_iter().chain(here).collect());
            }
        }
        let ours = look(&self.this.live, &self.filter, Paging { limit: maps::MAX_ENTITIES + 1, ..Paging::default() }, self.now).await?;
        for entity in ours.entities {
            if self.ours(&entity.id).is_some() {
                out.entry(entity.id.clone()).or_insert_with(|| vec![HERE.into()]);
            }
        }
        Ok(out)
    }

    /// A page of the entities that a map names; those that do not fit any more leave the map (5.5.9.3).
    async fn mapped(&self, map: &maps::Shared, page: &Paging) -> Result<Found> {
        let all: Vec<(Iri, Vec<Iri>)> = {
            let map = map.lock().unwrap_or_else(PoisonError::into_inner);
            map.entities.iter().map(|(id, held)| (id.clone(), held.clone())).collect()
        };
        let (mut seen, mut entities, mut gone) = (0usize, Vec::new(), Vec::new());
        for part in all.chunks(TOGETHER) {
            let elsewhere: Vec<Iri> = part.iter().filter(|(_, held)| held.iter().any(|h| &**h != HERE)).map(|(id, _)| id.clone()).collect();
            let mut theirs = if elsewhere.is_empty() { Theirs::default() } else { self.gather(Some(&elsewhere)).await? };
            for (id, _) in part {
                match self.whole(id, &mut theirs) {
                    Some(entity) => {
                        seen += 1;
                        if seen > page.offset && entities.len() <= page.limit {
                            entities.push(entity);
                        }
                    }
                    None => gone.push(id.clone()),
                }
            }
            if !page.count && entities.len() > page.limit {
                break;
            }
        }
        if !gone.is_empty() {
            let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
            gone.iter().for_each(|id| drop(map.entities.remove(id)));
        }
        let more = entities.len() > page.limit;
        entities.truncate(page.limit);
        Ok(Found { entities, count: page.count.then_some(seen), more })
    }
}

/// The body of a query, once more.
fn stated_body(body: &[u8]) -> Result<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(Error::internal("reading a query again", "no object")),
    }
}

/// The parameters of a query as a body.
fn as_body(params: &Params, ids: Option<&[Iri]>, own: Option<&str>) -> Map<String, Value> {
    let mut entity = Map::new();
    let ids = ids.map(|all| all.join(",")).or_else(|| params.get("id").map(str::to_string)).or_else(|| own.map(str::to_string));
    match ids {
        Some(ids) if !ids.contains(',') => drop(entity.insert("id".into(), ids.into())),
        Some(ids) => drop(entity.insert("id".into(), ids.split(',').collect())),
        None => {}
    }
    if let Some(pattern) = params.get("idPattern") {
        entity.insert("idPattern".into(), pattern.into());
    }
    entity.insert("type".into(), params.get("type").unwrap_or("*").into());
    let mut body = Map::new();
    body.insert("type".into(), "Query".into());
    body.insert("entities".into(), vec![Value::Object(entity)].into());
    for name in ["q", "scopeQ"] {
        if let Some(text) = params.get(name) {
            body.insert(name.into(), text.into());
        }
    }
    if params.get("georel").is_some() {
        let members = ["georel", "geometry", "coordinates", "geoproperty"];
        let geo = members.iter().filter_map(|m| Some(((*m).to_string(), Value::from(params.get(m)?)))).collect();
        body.insert("geoQ".into(), Value::Object(geo));
    }
    body
}

/// The body of a query as parameters of one that finds at least as much.
fn parameters(body: &[u8], params: &Params) -> Params {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut out = url::form_urlencoded::Serializer::new(params.without(&[]).finish());
    let selectors: Vec<&Value> = body["entities"].as_array().into_iter().flatten().collect();
    let types: Vec<&str> = selectors.iter().filter_map(|s| s["type"].as_str()).collect();
    if !types.is_empty() && !types.contains(&"*") {
        out.append_pair("type", &types.join(","));
    }
    if let [only] = selectors.as_slice() {
        let ids = only["id"].as_array().map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","));
        for (name, text) in [("id", ids.or_else(|| only["id"].as_str().map(str::to_string))), ("idPattern", only["idPattern"].as_str().map(str::to_string))] {
            if let Some(text) = text {
                out.append_pair(name, &text);
            }
        }
    }
    for (name, value) in [("q", &body["q"]), ("scopeQ", &body["scopeQ"])] {
        if let Some(text) = value.as_str() {
            out.append_pair(name, text);
        }
    }
    for name in ["georel", "geometry", "coordinates", "geoproperty"] {
        match &body["geoQ"][name] {
            Value::Null => {}
            Value::String(text) => {
                out.append_pair(name, text);
            }
            other => {
                out.append_pair(name, &other.to_string());
            }
        }
    }
    Params::read(&out.finish())
}

/// The map that a request names in its header.
fn named_map(asked: &Asked) -> Option<String> {
    let value = asked.headers.get("ngsild-entitymap")?.to_str().ok()?;
    let last = value.rsplit('/').next()?;
    let pair = format!("x={}", last.replace('+', "%2B"));
    let decoded = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, v)| v.into_owned());
    decoded.filter(|v| !v.is_empty())
}

/// Address of a map.
pub fn map_path(id: &str) -> String {
    format!("{}/entityMaps/{}", super::wire::PREFIX, encoded(id))
}

fn distributed<'a>(this: &'a Context, asked: &'a Asked, ld: &'a Ld, filter: Filter) -> Result<Distributed<'a>> {
    let split = asked.params.flag("splitEntities")?;
    let posted = asked.uri.path().ends_with("/entityOperations/query");
    Ok(Distributed { this, asked, ld, filter: Arc::new(filter), split, posted, now: asked.caller.now.as_microsecond() })
}

/// How long a map shall live, as the request asks.
pub fn lifetime(asked: &Asked) -> Result<Option<i64>> {
    asked.params.get("entityMapLifetime").map(maps::duration).transpose()
}

/// Makes a map of a query's result.
pub async fn make_map(this: &Context, asked: &Asked, ld: &Ld, filter: Filter) -> Result<maps::Shared> {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let query = distributed(this, asked, ld, filter)?;
    keep_map(this, asked, query.sources().await?, false)
}

/// Keeps a map of these entities.
pub fn keep_map(this: &Context, asked: &Asked, sources: Sources, temporal: bool) -> Result<maps::Shared> {
    let lifetime = lifetime(asked)?;
    let id: Iri = format!("urn:ngsi-ld:EntityMap:{}", this.store.clock().id()).into();
    let map = this.federation().maps.add(id.clone(), sources, lifetime, temporal, asked.caller.now.as_microsecond())?;
    asked.notes.with(|n| {
        n.headers.push(("ngsild-entitymap", map_path(&id)));
        n.fixed = true;
    });
    Ok(map)
}

/// A page of a query's result, from wherever it is.
pub async fn query(this: &Context, asked: &Asked, ld: &Ld, filter: Filter, page: &Paging) -> Result<Found> {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let now = asked.caller.now.as_microsecond();
    if let Some(live) = snapshot(this, asked)? {
        return look(&live, &Arc::new(filter), page.clone(), now).await;
    }
    if let Some(map) = usable_map(this, asked)? {
        return distributed(this, asked, ld, filter)?.mapped(&map, page).await;
    }
    if wants_map(asked)? {
        let query = distributed(this, asked, ld, filter)?;
        let map = keep_map(this, asked, query.sources().await?, false)?;
        map_created(asked);
        return query.mapped(&map, page).await;
    }
    let alone = this.federation().alone() || is_local(asked)?;
    if alone || unconcerned(this, &filter) {
        return this.query(&asked.caller, filter, page.clone()).await;
    }
    distributed(this, asked, ld, filter)?.page(page).await
}

/// 400 when what several sources hold would have to be put in order (4.23, 5.7.2.4).
pub fn orderable(this: &Context, asked: &Asked, filter: &Filter) -> Result<()> {
    if this.federation().alone() || is_local(asked)? || asked.headers.contains_key("ngsild-snapshot") || unconcerned(this, filter) {
        return Ok(());
    }
    Err(bad("What several sources hold cannot be ordered; ask with local=true."))
}

/// Whether no registration concerns a query, not even to keep something of ours out of it.
fn unconcerned(this: &Context, filter: &Filter) -> bool {
    let types = matching::anchors(filter.types.as_ref(), &filter.selectors);
    this.federation().index().candidates(filter.ids.as_deref(), &types).is_empty()
}

/// All entities of a query, for a snapshot: at most `most`.
pub async fn everything(this: &Context, asked: &Asked, ld: &Ld, filter: Filter, most: usize) -> Result<Vec<Arc<Entity>>> {
    let found = distributed(this, asked, ld, filter)?.page(&Paging { limit: most, ..Paging::default() }).await?;
    if found.more {
        return Err(Error::unprocessable(UNSUPPORTED, format!("A snapshot holds at most {most} entities.")));
    }
    Ok(found.entities)
}

/// What came of a query of a snapshot.
pub fn detail(number: usize, outcome: &Result<usize>) -> Value {
    match outcome {
        Ok(n) => json!({"queryIndex": number, "resultStatus": "success", "resultCount": n}),
        Err(e) => json!({"queryIndex": number, "resultStatus": "failure", "error": super::wire::problem(e)}),
    }
}
