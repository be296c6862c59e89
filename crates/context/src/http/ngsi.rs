//! NGSI-LD under `/ngsi-ld/v1`: entities and attributes. Batches, types and subscriptions stand beside.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dothi_kernel::{Error, Kind, Result};
use serde_json::{Map, Value, json};
use tower::ServiceBuilder;

use super::params::{self, paging, view};
use super::wire::{Answer, Asked, Fault, Media, answer, plain, with_header};
use super::{batch, contexts, distributed, dividing, federation, inventory, relay, subscriptions, temporal, tenants, wire};
use crate::Context;
use crate::change::{Updated, Which};
use crate::fault::{bad, missing};
use crate::join;
use crate::ld::Ld;
use crate::model::{Entity, Iri, parse_instant};
use crate::order::OrderBy;
use crate::parse::{self, Draft, Form, Input};
use crate::query::{Filter, Found, Paging};
use crate::render::{self, Shown, View};
use crate::select::TypeSelector;
use crate::writer::{Change, Order, Outcome};

pub(super) type This = State<Arc<Context>>;

/// Bytes of an entity that is not long.
const LONG: usize = 768;
/// Bytes of a batch.
const BATCH_BODY: usize = 16 * 1024 * 1024;

/// The routes of all tenants, with their full paths. It answers for any other path, too; see [`super::is_ngsi`].
pub fn router(this: Arc<Context>) -> Router {
    tenants::in_front(this, routes)
}

/// The routes of one tenant, below [`super::wire::PREFIX`].
fn routes(this: Arc<Context>) -> Router {
    let batches = Router::new()
        .route("/entityOperations/create", post(batch::create))
        .route("/entityOperations/upsert", post(batch::upsert))
        .route("/entityOperations/update", post(batch::update))
        .route("/entityOperations/merge", post(batch::merge))
        .route("/entityOperations/delete", post(batch::delete))
        .layer(DefaultBodyLimit::max(BATCH_BODY));
    let routes = Router::new()
        .route("/entities", post(create).get(query).delete(purge))
        .route("/entities/{id}", get(retrieve).delete(delete).patch(merge).put(replace))
        .route("/entities/{id}/attrs", post(append).patch(update))
        .route("/entities/{id}/attrs/{attr}", axum::routing::patch(partial).put(replace_attr).delete(delete_attr))
        .route("/entityOperations/query", post(query_by_body))
        .route("/types", get(inventory::types))
        .route("/types/{name}", get(inventory::one_type))
        .route("/attributes", get(inventory::attributes))
        .route("/attributes/{name}", get(inventory::attribute))
        .route("/subscriptions", post(subscriptions::create).get(subscriptions::list))
        .route("/subscriptions/{id}", get(subscriptions::retrieve).patch(subscriptions::update).delete(subscriptions::delete))
        .route("/jsonldContexts", post(contexts::add).get(contexts::list))
        .route("/jsonldContexts/{*id}", get(contexts::retrieve).delete(contexts::delete))
        .merge(batches)
        .merge(temporal::routes())
        .merge(federation::router())
        .fallback(async || Fault(missing("There is no such resource in this API.")))
        .method_not_allowed_fallback(async || Fault(Error::new(Kind::Method, "ngsi.method", "The resource does not take this method.")));
    let routes = routes.with_state(this.clone());
    let routes = ServiceBuilder::new().layer(axum::middleware::from_fn_with_state(this.clone(), dividing::around)).service(routes);
    Router::new().route(crate::federation::relay::PATH, post(relay::receive)).with_state(this).fallback_service(routes)
}

/// Whether the body stands in the simplified form.
pub(super) fn body_form(asked: &Asked, base: Form) -> Result<Form> {
    let simplified = params::form(&asked.params)? == render::Form::Simplified;
    Ok(Form { simplified, ..base })
}

/// `?type=` of single-entity operations.
fn only(asked: &Asked, ld: &Ld) -> Result<Option<TypeSelector>> {
    asked.params.get("type").map(|t| TypeSelector::parse(t, ld)).transpose()
}

pub(super) fn id_of(id: &str) -> Result<Iri> {
    parse::entity_id(&Value::from(id))
}

pub(super) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

async fn one(this: &Context, asked: &Asked, order: Order) -> Result<Outcome> {
    this.change(&asked.caller, vec![order]).await?.pop().unwrap_or_else(|| Err(Error::internal("changing an entity", "no answer")))
}

async fn create(State(this): This, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    let draft = parse::draft(&body, &ld, body_form(&asked, Form::WHOLE)?)?;
    let id = draft.id.clone().ok_or_else(|| bad("The entity has no id."))?;
    if draft.types.is_empty() {
        return Err(bad("The entity has no type.").into());
    }
    one(&this, &asked, Order { id: id.clone(), only: None, change: Change::Create(draft) }).await?;
    let path: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>().replace("%3A", ":").replace('+', "%20");
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/ngsi-ld/v1/entities/{path}"))]).into_response())
}

async fn retrieve(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let media = match asked.accept(true) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let ld = asked.ld(&this).await?;
    let view = view(&asked.params, &ld)?;
    geometry_fits(&view, media)?;
    let only = only(&asked, &ld)?;
    let entity = distributed::entity(&this, &asked, &ld, &id_of(&id)?).await?;
    if only.is_some_and(|t| !t.matches(&entity.types)) {
        return Err(missing(format!("There is no entity {id} of this type.")).into());
    }
    let now = asked.caller.now.as_microsecond();
    let has = |name: &Iri| crate::model::find(&entity.attrs, name).is_some();
    if view.attrs.as_ref().is_some_and(|a| !a.iter().any(has)) {
        return Err(missing(format!("The entity {id} has none of the attributes.")).into());
    }
    if view.join.is_none() && view.names_itself() && media != Media::GeoJson {
        let context = wire::context_in_body(&asked, media).then(|| ld.body());
        let shown = Shown { entity: &entity, ld: &ld, view: &view, now, context: context.as_ref() };
        return Ok(wire::written(&asked, media, text(&shown, 1)?, &ld));
    }
    let shown = join::entities(std::slice::from_ref(&entity), &this.live, &ld, &view, now)?;
    if shown.iter().all(|(_, map)| map.is_empty()) {
        return Err(missing(format!("The entity {id} has none of the members.")).into());
    }
    let flat = view.join.as_ref().is_some_and(|j| j.flat) && shown.len() > 1;
    let mut body = bodies(shown, media, &view, now);
    if !flat && (media != Media::GeoJson || body.len() == 1) {
        return Ok(answer(&asked, media, body.remove(0), &ld));
    }
    Ok(answer(&asked, media, collection(body, media), &ld))
}

/// `geometryProperty` is for GeoJSON only (5.7.1.4).
fn geometry_fits(view: &View, media: Media) -> Result<()> {
    if view.geometry_property.is_some() && media != Media::GeoJson {
        return Err(bad("geometryProperty needs Accept: application/geo+json."));
    }
    Ok(())
}

fn bodies(shown: Vec<(Arc<Entity>, Map<String, Value>)>, media: Media, view: &View, now: i64) -> Vec<Value> {
    let feature = |(entity, map): (Arc<Entity>, Map<String, Value>)| match media {
        Media::GeoJson => Value::from(render::feature_of(&entity, map, view, now)),
        _ => map.into(),
    };
    shown.into_iter().map(feature).collect()
}

fn collection(bodies: Vec<Value>, media: Media) -> Value {
    match media {
        Media::GeoJson => json!({"type": "FeatureCollection", "features": bodies}),
        _ => bodies.into(),
    }
}

async fn query(State(this): This, asked: Asked) -> Answer {
    let media = match asked.accept(true) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let ld = asked.ld(&this).await?;
    let (filter, view, page) = (params::filter(&asked.params, &ld)?, view(&asked.params, &ld)?, paging(&asked.params)?);
    let order = params::order(&asked.params, &ld)?;
    list(&this, &asked, media, &ld, Query { filter, view, order }, page).await
}

/// So many entities as JSON, in room that is long enough for most: growing step by step would move them again and again.
fn text(shown: &impl serde::Serialize, entities: usize) -> Result<Vec<u8>> {
    let mut text = Text(Vec::with_capacity(LONG * (entities + 1)));
    serde_json::to_writer(&mut text, shown).map_err(|e| Error::internal("writing entities", e))?;
    Ok(text.0)
}

/// JSON comes as single signs between words; a vector calls a general copy for each.
struct Text(Vec<u8>);

impl std::io::Write for Text {
    #[inline]
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.write_all(piece).map(|()| piece.len())
    }

    #[inline]
    fn write_all(&mut self, piece: &[u8]) -> std::io::Result<()> {
        match piece {
            [sign] => self.0.push(*sign),
            word => self.0.extend_from_slice(word),
        }
        Ok(())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a query asks for, but the page.
struct Query {
    filter: Filter,
    view: View,
    order: Option<OrderBy>,
}

async fn query_by_body(State(this): This, asked: Asked) -> Answer {
    let media = match asked.accept(true) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let (body, ld) = asked.object(&this).await?;
    let (filter, view, order) = params::query_body(&body, &asked.params, &ld)?;
    let page = paging(&asked.params)?;
    list(&this, &asked, media, &ld, Query { filter, view, order }, page).await
}

async fn list(this: &Context, asked: &Asked, media: Media, ld: &Ld, query: Query, page: Paging) -> Answer {
    let Query { filter, view, order } = query;
    geometry_fits(&view, media)?;
    params::check_links(&filter, &view)?;
    let ordered = order.is_some();
    let found = match order {
        Some(order) => {
            distributed::orderable(this, asked, &filter)?;
            this.query_ordered(&asked.caller, filter, order, page.clone()).await?
        }
        None => distributed::query(this, asked, ld, filter, &page).await?,
    };
    let now = asked.caller.now.as_microsecond();
    let mut response = if view.join.is_none() && view.names_itself() && media != Media::GeoJson {
        let context = wire::context_in_body(asked, media).then(|| ld.body());
        let shown: Vec<_> = found.entities.iter().map(|e| Shown { entity: e, ld, view: &view, now, context: context.as_ref() }).collect();
        wire::written(asked, media, text(&shown, shown.len())?, ld)
    } else {
        let mut shown = join::entities(&found.entities, &this.live, ld, &view, now)?;
        shown.retain(|(_, map)| !map.is_empty());
        answer(asked, media, collection(bodies(shown, media, &view, now), media), ld)
    };
    for link in page_links(asked, media, &page, &found, ordered) {
        response = with_header(response, "link", &link);
    }
    if let Some(count) = found.count {
        response = with_header(response, "ngsild-results-count", &count.to_string());
    }
    Ok(response)
}

/// Links to the pages around. The offset is for people; the cursor beside it keeps pages stable while entities come and go.
/// `ordered` pages are not in the order of ids and go by offset alone.
fn page_links(asked: &Asked, media: Media, page: &Paging, found: &Found, ordered: bool) -> Vec<String> {
    let link = |rel: &str, offset: usize, cursor: &str, id: &str| {
        let mut query = asked.params.without(&["offset", "limit", "pageAfter", "pageBefore"]);
        query.append_pair("limit", &page.limit.to_string()).append_pair("offset", &offset.to_string());
        if !ordered && !asked.notes.fixed() {
            query.append_pair(cursor, id);
        }
        format!("<{}?{}>; rel=\"{rel}\"; type=\"{}\"", asked.path(), query.finish(), media.name())
    };
    let mut links = Vec::new();
    if page.limit == 0 {
        return links;
    }
    let at_start = page.offset == 0 && page.after.is_none();
    if let Some(first) = found.entities.first().filter(|_| !(at_start || page.before.is_some() && page.offset == 0)) {
        links.push(link("prev", page.offset.saturating_sub(page.limit), "pageBefore", &first.id));
    }
    if let Some(last) = found.entities.last().filter(|_| found.more) {
        links.push(link("next", page.offset + found.entities.len(), "pageAfter", &last.id));
    }
    links
}

async fn delete(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let ld = asked.ld(&this).await?;
    one(&this, &asked, Order { id: id_of(&id)?, only: only(&asked, &ld)?, change: Change::Delete }).await?;
    Ok(no_content())
}

async fn purge(State(this): This, asked: Asked) -> Answer {
    let ld = asked.ld(&this).await?;
    let filter = params::filter(&asked.params, &ld)?;
    if filter.q.as_ref().is_some_and(|q| q.link_depth() > 0) {
        return Err(bad("A purge cannot look at linked entities.").into());
    }
    let names = |name: &str| -> Result<Option<Vec<Iri>>> { asked.params.list(name).map(|w| w.iter().map(|w| ld.expand(w)).collect()).transpose() };
    let change = match (names("drop")?, names("keep")?) {
        (None, None) => Change::Delete,
        (Some(these), None) => Change::Purge(these, true),
        (None, Some(others)) => Change::Purge(others, false),
        (Some(_), Some(_)) => return Err(bad("keep and drop cannot stand together.").into()),
    };
    let page = Paging { limit: usize::MAX - 1, ..Paging::default() };
    let found = this.query(&asked.caller, filter, page).await?;
    for part in found.entities.chunks(1_000) {
        let orders = part.iter().map(|e| Order { id: e.id.clone(), only: None, change: change.clone() }).collect();
        for result in this.change(&asked.caller, orders).await? {
            match result {
                Err(e) if e.kind() != Kind::NotFound => return Err(e.into()),
                _ => {}
            }
        }
    }
    Ok(no_content())
}

async fn fragment(asked: &Asked, this: &Context, id: &str, form: Form) -> Result<(Iri, Draft, Ld)> {
    let (body, ld) = asked.object(this).await?;
    let id = id_of(id)?;
    let draft = parse::draft(&body, &ld, body_form(asked, form)?)?;
    if draft.id.as_ref().is_some_and(|stated| *stated != id) {
        return Err(bad("The id in the body differs from the one in the address."));
    }
    Ok((id, draft, ld))
}

async fn merge(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let (id, draft, ld) = fragment(&asked, &this, &id, Form::MERGE).await?;
    let wrong = || bad("observedAt must be an instant in UTC such as 2026-11-21T01:00:00Z.");
    let observed = asked.params.get("observedAt").map(|t| parse_instant(t).ok_or_else(wrong)).transpose()?;
    one(&this, &asked, Order { id, only: only(&asked, &ld)?, change: Change::Merge { draft, observed } }).await?;
    Ok(no_content())
}

async fn replace(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let (id, draft, ld) = fragment(&asked, &this, &id, Form::WHOLE).await?;
    one(&this, &asked, Order { id, only: only(&asked, &ld)?, change: Change::Replace(draft) }).await?;
    Ok(no_content())
}

/// 204 when everything was set, else 207 with what was and what was not.
fn updated(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Updated(Updated { updated, not_updated }) if !not_updated.is_empty() => {
            let failed: Vec<Value> = not_updated.iter().map(|(name, reason)| json!({"attributeName": &**name, "reason": reason})).collect();
            let done: Vec<&str> = updated.iter().map(|n| &**n).collect();
            plain(StatusCode::MULTI_STATUS, &json!({"updated": done, "notUpdated": failed}))
        }
        _ => no_content(),
    }
}

async fn append(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let (id, draft, ld) = fragment(&asked, &this, &id, Form::WHOLE).await?;
    let keep = asked.params.option("noOverwrite");
    let outcome = one(&this, &asked, Order { id, only: only(&asked, &ld)?, change: Change::Append { draft, keep } }).await?;
    Ok(updated(outcome))
}

async fn update(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let (id, draft, ld) = fragment(&asked, &this, &id, Form::UPDATE).await?;
    let outcome = one(&this, &asked, Order { id, only: only(&asked, &ld)?, change: Change::Update(draft) }).await?;
    Ok(updated(outcome))
}

async fn attribute(asked: &Asked, this: &Context, id: &str, attr: &str, form: Form) -> Result<(Iri, Iri, Vec<Input>, Ld)> {
    let (value, ld) = asked.value(this).await?;
    let name = attribute_name(attr, &ld)?;
    let inputs = parse::attribute(attr, &name, &value, &ld, form, 0)?;
    Ok((id_of(id)?, name, inputs, ld))
}

fn attribute_name(attr: &str, ld: &Ld) -> Result<Iri> {
    match attr {
        "id" | "type" | "scope" | "@id" | "@type" | "@context" => Err(bad(format!("{attr} is not an attribute."))),
        attr => ld.expand(attr),
    }
}

async fn partial(State(this): This, Path((id, attr)): Path<(String, String)>, asked: Asked) -> Answer {
    let (id, name, inputs, ld) = attribute(&asked, &this, &id, &attr, Form::PATCH).await?;
    one(&this, &asked, Order { id, only: only(&asked, &ld)?, change: Change::Partial(name, inputs) }).await?;
    Ok(no_content())
}

async fn replace_attr(State(this): This, Path((id, attr)): Path<(String, String)>, asked: Asked) -> Answer {
    let (id, name, inputs, ld) = attribute(&asked, &this, &id, &attr, Form::WHOLE).await?;
    one(&this, &asked, Order { id, only: only(&asked, &ld)?, change: Change::ReplaceAttr(name, inputs) }).await?;
    Ok(no_content())
}

async fn delete_attr(State(this): This, Path((id, attr)): Path<(String, String)>, asked: Asked) -> Answer {
    let ld = asked.ld(&this).await?;
    let which = match (asked.params.flag("deleteAll")?, asked.params.get("datasetId")) {
        (true, Some(_)) => return Err(bad("deleteAll and datasetId cannot stand together.").into()),
        (true, None) => Which::All,
        (false, None | Some("@none")) => Which::One(None),
        (false, Some(dataset)) => Which::One(Some(id_of(dataset)?)),
    };
    // The scope can be deleted like an attribute, though it is none (5.6.5).
    let name = if attr == "scope" { crate::temporal::SCOPE.into() } else { attribute_name(&attr, &ld)? };
    let change = Change::DeleteAttr(name, which);
    one(&this, &asked, Order { id: id_of(&id)?, only: only(&asked, &ld)?, change }).await?;
    Ok(no_content())
}
