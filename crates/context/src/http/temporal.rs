//! The temporal API (CIM 009, 6.18–6.24): `/temporal/entities`, their attributes and instances, and queries by body.

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use dothi_kernel::{Error, Kind, Result};
use serde_json::{Map, Value};

use super::ngsi::{This, id_of, no_content};
use super::wire::{Answer, Asked, Fault, Media, Params, answer, with_header};
use super::{distributed, params};
use crate::Context;
use crate::fault::{TOO_MANY, bad, cut, invalid, missing};
use crate::federation::maps::{HERE, MAX_ENTITIES};
use crate::ld::Ld;
use crate::model::{Iri, instant, is_uri, parse_instant};
use crate::parse;
use crate::q::Query;
use crate::query::{Filter, Paging};
use crate::render::{self, View};
use crate::temporal::SCOPE;
use crate::temporal::aggregate::{Aggregation, Method, Period};
use crate::temporal::evolve::{self, Chosen};
use crate::temporal::query::{Ask, Evolution, Pasts, Range, Relation, Window, cut_in_time};
use crate::temporal::read::TimeProperty;
use crate::temporal::render::{self as temporal, Form};

/// Bytes of a temporal representation.
const BODY: usize = 16 * 1024 * 1024;
/// Methods of one aggregation.
const MAX_METHODS: usize = 8;
/// Members of a query's body that say when and how to aggregate.
const ABOUT_TIME: [&str; 4] = ["temporalQ", "aggrParams", "ordering", "csf"];

/// The routes, below the API's prefix.
pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/temporal/entities", post(create).get(query))
        .route("/temporal/entities/{id}", get(retrieve).delete(delete_entity))
        .route("/temporal/entities/{id}/attrs", post(append))
        .route("/temporal/entities/{id}/attrs/{attr}", delete(delete_attribute))
        .route("/temporal/entities/{id}/attrs/{attr}/{instance}", axum::routing::patch(amend).delete(delete_instance))
        .route("/temporal/entityOperations/query", post(query_by_body))
        // An address with an empty id is wrong, not unknown.
        .route("/temporal/entities//attrs", post(nameless))
        .route("/temporal/entities//attrs/{attr}", delete(nameless))
        .route("/temporal/entities//attrs/{attr}/{instance}", axum::routing::patch(nameless).delete(nameless))
        .route("/temporal/entities/{id}/attrs//{instance}", delete(nameless))
        .layer(DefaultBodyLimit::max(BODY))
}

async fn nameless() -> Fault {
    Fault(bad("The address lacks the id of the entity or the name of the attribute."))
}

/// How an answer is to look.
struct Look {
    form: Form,
    view: View,
    media: Media,
}

fn name_of(attr: &str, ld: &Ld) -> Result<Iri> {
    match attr {
        "scope" => Ok(SCOPE.into()),
        "id" | "type" | "@id" | "@type" | "@context" => Err(bad(format!("{attr} is not an attribute."))),
        attr if attr.starts_with('.') || attr.contains(['%', '{', '}']) => Err(bad(format!("{:?} is not a valid name.", cut(attr)))),
        attr => ld.expand(attr),
    }
}

fn time(name: &str, text: &str) -> Result<i64> {
    parse_instant(text).ok_or_else(|| bad(format!("{name} must be an instant in UTC such as 2026-11-21T01:00:00Z.")))
}

/// Reads a temporal query; `get` gives its members as texts.
fn window(get: impl Fn(&str) -> Option<String>) -> Result<Window> {
    let at = get("timeAt").map(|t| time("timeAt", &t)).transpose()?;
    let end = get("endTimeAt").map(|t| time("endTimeAt", &t)).transpose()?;
    let relation = match (get("timerel").as_deref(), at, end) {
        (None, None, None) => None,
        (Some("before"), Some(at), None) => Some((Relation::Before, at, 0)),
        (Some("after"), Some(at), None) => Some((Relation::After, at, 0)),
        (Some("between"), Some(at), Some(end)) => Some((Relation::Between, at, end)),
        (Some("between"), Some(_), None) => return Err(bad("timerel between needs endTimeAt.")),
        (Some("before" | "after"), Some(_), Some(_)) => return Err(bad("endTimeAt belongs to timerel between only.")),
        (Some("before" | "after" | "between"), None, _) => return Err(bad("timerel needs timeAt.")),
        (Some(other), _, _) => return Err(bad(format!("timerel must be before, after or between, not {:?}.", cut(other)))),
        (None, _, _) => return Err(bad("timeAt and endTimeAt need timerel.")),
    };
    let property = match get("timeproperty").as_deref() {
        None => None,
        Some("observedAt") => Some(TimeProperty::Observed),
        Some("createdAt") => Some(TimeProperty::Created),
        Some("modifiedAt") => Some(TimeProperty::Modified),
        Some("deletedAt") => Some(TimeProperty::Deleted),
        Some(other) => return Err(bad(format!("timeproperty must be observedAt, createdAt, modifiedAt or deletedAt, not {:?}.", cut(other)))),
    };
    let last = get("lastN").map(|n| n.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(|| bad("lastN must be a whole number above 0."))).transpose()?;
    Ok(Window { relation, property, last })
}

fn aggregation(methods: Option<Vec<String>>, period: Option<&str>) -> Result<Option<Aggregation>> {
    let period = period.map(Period::parse).transpose()?;
    let Some(words) = methods else { return Ok(None) };
    let methods = words.iter().map(|w| Method::parse(w.trim())).collect::<Result<Vec<_>>>()?;
    if methods.is_empty() || methods.len() > MAX_METHODS {
        return Err(bad("aggrMethods must name one to eight methods of aggregation."));
    }
    Ok(Some(Aggregation { methods, period: period.unwrap_or(Period::Whole) }))
}

/// The representation; `format` goes before `options`. Wrong words are InvalidRequest (6.3.7).
fn look(asked: &Asked, media: Media, ld: &Ld, aggregates: bool) -> Result<Look> {
    let word = |w: &str| match w {
        "temporalValues" => Some((Form::Values, render::Form::Normalized)),
        "aggregatedValues" => Some((Form::Aggregated, render::Form::Normalized)),
        "normalized" => Some((Form::Normalized, render::Form::Normalized)),
        "concise" => Some((Form::Normalized, render::Form::Concise)),
        _ => None,
    };
    let options = asked.params.list("options").unwrap_or_default();
    if let Some(unknown) = options.iter().find(|o| word(o).is_none() && **o != "sysAttrs") {
        return Err(invalid(format!("The option {:?} is not known here.", cut(unknown))));
    }
    let stated = match asked.params.get("format") {
        Some(w) => Some(word(w).ok_or_else(|| invalid(format!("The format {:?} is not known here.", cut(w))))?),
        None => options.iter().find_map(|o| word(o)),
    };
    let (form, plain) = stated.unwrap_or(if aggregates { (Form::Aggregated, render::Form::Normalized) } else { Default::default() });
    // The other parameters are read like those of the entity API.
    let others = Params::read(&asked.params.without(&["format", "options"]).finish());
    let view = View { form: plain, sys_attrs: asked.params.option("sysAttrs"), ..params::view(&others, ld)? };
    Ok(Look { form, view, media })
}

/// Linked entities cannot be asked for here.
fn unlinked(texts: &[Option<&str>]) -> Result<()> {
    for text in texts.iter().flatten() {
        let mut quoted = false;
        if text.chars().any(|c| {
            quoted ^= c == '"';
            c == '{' && !quoted
        }) {
            return Err(bad("Linked entities cannot be followed in a temporal query."));
        }
    }
    Ok(())
}

/// `orderBy` may name the id only; whether ids come in descending order.
fn descending(order: Option<&str>) -> Result<bool> {
    match order {
        None | Some("id" | "id;asc") => Ok(false),
        Some("id;desc") => Ok(true),
        Some(other) => Err(bad(format!("orderBy may be id here, not {:?}.", cut(other)))),
    }
}

fn ask(filter: Filter, window: Window, aggregation: Option<Aggregation>, look: &mut Look, down: bool) -> Ask {
    let view = &mut look.view;
    Ask {
        filter,
        attrs: view.attrs.take(),
        pick: view.pick.take(),
        omit: std::mem::take(&mut view.omit),
        datasets: view.datasets.take(),
        window,
        aggregation: aggregation.filter(|_| look.form == Form::Aggregated),
        down,
    }
}

fn check_aggregation(look: &Look, aggregation: Option<&Aggregation>) -> Result<()> {
    if look.form == Form::Aggregated && aggregation.is_none() {
        return Err(bad("aggregatedValues needs aggrMethods."));
    }
    Ok(())
}

/// The parts of a request that stand in its address.
fn read(asked: &Asked, media: Media, ld: &Ld, filter: Filter) -> Result<(Ask, Look)> {
    let get = |name: &str| asked.params.get(name);
    unlinked(&[get("pick"), get("omit"), get("attrs"), get("q")])?;
    let methods = asked.params.list("aggrMethods").map(|m| m.iter().map(|m| (*m).to_string()).collect());
    let aggregation = aggregation(methods, get("aggrPeriodDuration"))?;
    let mut look = look(asked, media, ld, aggregation.is_some())?;
    check_aggregation(&look, aggregation.as_ref())?;
    if let Some(csf) = get("csf") {
        Query::parse(csf, ld)?;
    }
    let window = window(|name| get(name).map(str::to_string))?;
    let down = descending(get("orderBy"))?;
    Ok((ask(filter, window, aggregation, &mut look, down), look))
}

async fn create(State(this): This, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    if body.is_empty() {
        return Err(invalid("The body is empty.").into());
    }
    let evolution = evolve::read(&body, &ld, asked.caller.now.as_microsecond())?;
    let id = evolution.id.clone().ok_or_else(|| bad("The entity has no id."))?;
    if evolution.types.is_empty() {
        return Err(bad("The entity has no type.").into());
    }
    if !this.evolve(&asked.caller, id.clone(), evolution, false).await? {
        return Ok(no_content());
    }
    let path: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>().replace("%3A", ":").replace('+', "%20");
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/ngsi-ld/v1/temporal/entities/{path}"))]).into_response())
}

async fn append(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let (body, ld) = asked.object(&this).await?;
    let id = id_of(&id)?;
    if body.is_empty() {
        return Err(invalid("The body is empty.").into());
    }
    let evolution = evolve::read(&body, &ld, asked.caller.now.as_microsecond())?;
    if evolution.id.as_ref().is_some_and(|stated| *stated != id) {
        return Err(bad("The id in the body differs from the one in the address.").into());
    }
    this.evolve(&asked.caller, id, evolution, true).await?;
    Ok(no_content())
}

async fn retrieve(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let id = id_of(&id)?;
    let ld = asked.ld(&this).await?;
    let (ask, look) = read(&asked, media, &ld, Filter::default())?;
    let map = distributed::usable_map(&this, &asked)?;
    if map.as_ref().is_some_and(|m| !m.lock().unwrap_or_else(PoisonError::into_inner).entities.contains_key(&id)) {
        return Err(missing(format!("There is no entity {id} in the entity map.")).into());
    }
    let past = this.evolution(&asked.caller, &id, &ask).await?;
    distributed::note_holders(&this, &asked, map.is_some(), &id, vec![HERE.into()])?;
    let mut pasts = [past];
    let range = shorten(&this, &mut pasts, &ask, look.form);
    let bodies = bodies(&pasts, &ask, &look, &ld, asked.caller.now.as_microsecond())?;
    let body = bodies.into_iter().next().ok_or_else(|| missing(format!("The entity {id} has none of the members asked for.")))?;
    Ok(ranged(answer(&asked, look.media, body, &ld), range))
}

fn shorten(this: &Context, pasts: &mut [Evolution], ask: &Ask, form: Form) -> Option<Range> {
    if form == Form::Aggregated { None } else { cut_in_time(pasts, &ask.window, this.time_page()) }
}

fn bodies(pasts: &[Evolution], ask: &Ask, look: &Look, ld: &Ld, now: i64) -> Result<Vec<Value>> {
    let all = pasts.iter().map(|past| temporal::evolution(past, ask, look.form, ld, &look.view, now));
    Ok(all.collect::<Result<Vec<_>>>()?.into_iter().filter(|body| !body.is_empty()).map(Value::from).collect())
}

/// 206 with `Content-Range` when the answer was cut in time (6.3.10).
fn ranged(mut response: Response, range: Option<Range>) -> Response {
    if let Some(Range { start, end, size }) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let size = size.map_or_else(|| "*".to_string(), |n| n.to_string());
        response = with_header(response, "content-range", &format!("date-time {}-{}/{size}", instant(start), instant(end)));
    }
    response
}

async fn query(State(this): This, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let ld = asked.ld(&this).await?;
    unlinked(&[asked.params.get("q")])?;
    let filter = params::filter(&asked.params, &ld)?;
    let (ask, look) = read(&asked, media, &ld, filter)?;
    let page = params::paging(&asked.params)?;
    list(&this, &asked, &ld, ask, look, page).await
}

/// The texts of a member that is a text with commas or a list of texts.
fn words(body: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>> {
    let wrong = || bad(format!("{name} must be a list of texts."));
    match body.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.split(',').map(str::to_string).collect())),
        Some(Value::Array(many)) => many.iter().map(|v| v.as_str().map(str::to_string).ok_or_else(wrong)).collect::<Result<Vec<_>>>().map(Some),
        Some(_) => Err(wrong()),
    }
}

async fn query_by_body(State(this): This, asked: Asked) -> Answer {
    let media = match asked.accept(false) {
        Ok(media) => media,
        Err(refused) => return Ok(*refused),
    };
    let (mut body, ld) = asked.object(&this).await?;
    let [about, how, order, csf] = ABOUT_TIME.map(|name| body.shift_remove(name));
    let object = |value: Option<Value>, name: &str| match value {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(bad(format!("{name} must be an object."))),
    };
    let (when, how) = (object(about, "temporalQ")?, object(how, "aggrParams")?);
    let text = |name: &str| match when.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(n)) if name == "lastN" => Ok(Some(n.to_string())),
        Some(_) => Err(bad(format!("temporalQ: {name} has a wrong form."))),
    };
    for name in ["timerel", "timeAt", "endTimeAt", "timeproperty", "lastN"] {
        text(name)?;
    }
    let window = window(|name| text(name).ok().flatten())?;
    // How to aggregate stands in aggrParams (5.2.44) or, as before, in temporalQ.
    let place = if how.contains_key("aggrMethods") { &how } else { &when };
    let period = how.get("aggrPeriodDuration").or_else(|| when.get("aggrPeriodDuration"));
    let period = period.map(|p| p.as_str().ok_or_else(|| bad("aggrPeriodDuration must be a text."))).transpose()?;
    let aggregation = aggregation(words(place, "aggrMethods")?, period)?;
    let raw = |name: &str| body.get(name).and_then(Value::as_str);
    unlinked(&[raw("q"), raw("attrs"), raw("pick"), raw("omit")])?;
    if let Some(csf) = csf {
        Query::parse(csf.as_str().ok_or_else(|| bad("csf must be a text."))?, &ld)?;
    }
    let down = match order.as_ref().map(|o| o.get("orderBy").cloned().unwrap_or_default()) {
        Some(Value::Array(many)) if many.len() == 1 => descending(many[0].as_str())?,
        Some(Value::String(text)) => descending(Some(&text))?,
        Some(_) => return Err(bad("ordering: orderBy may be id here.").into()),
        None => descending(asked.params.get("orderBy"))?,
    };
    let mut look = look(&asked, media, &ld, aggregation.is_some())?;
    check_aggregation(&look, aggregation.as_ref())?;
    let others = Params::read(&asked.params.without(&["format", "options"]).finish());
    let (filter, view, _) = params::query_body(&body, &others, &ld)?;
    look.view = View { form: look.view.form, sys_attrs: look.view.sys_attrs, ..view };
    let page = params::paging(&asked.params)?;
    let ask = ask(filter, window, aggregation, &mut look, down);
    list(&this, &asked, &ld, ask, look, page).await
}

/// Narrows a query to the entities of the map that the request refers to, or makes the map that it wants (5.5.14).
async fn fix_result(this: &Context, asked: &Asked, ask: &mut Ask, limit: usize) -> Result<()> {
    let ids: Vec<Iri> = match distributed::usable_map(this, asked)? {
        Some(map) => map.lock().unwrap_or_else(PoisonError::into_inner).entities.keys().cloned().collect(),
        None if distributed::wants_map(asked)? => {
            let mut page = Paging { limit: limit.max(100), ..Paging::default() };
            let mut ids: Vec<Iri> = Vec::new();
            loop {
                let found = this.evolutions(&asked.caller, ask, &page).await?;
                ids.extend(found.evolutions.iter().map(|e| e.subject.id.clone()));
                if !found.more || ids.len() > MAX_ENTITIES {
                    break;
                }
                page.after = ids.last().map(|id| id.to_string());
            }
            distributed::keep_map(this, asked, ids.iter().map(|id| (id.clone(), vec![HERE.into()])).collect(), true)?;
            distributed::map_created(asked);
            ids.sort_unstable();
            ids
        }
        None => return Ok(()),
    };
    ask.filter.ids = Some(match ask.filter.ids.take() {
        // Both are in order.
        Some(stated) => stated.into_iter().filter(|id| ids.binary_search(id).is_ok()).collect(),
        None => ids,
    });
    Ok(())
}

async fn list(this: &Context, asked: &Asked, ld: &Ld, mut ask: Ask, look: Look, page: Paging) -> Answer {
    if ask.window.relation.is_none() {
        return Err(bad("A query of temporal evolutions needs timerel and timeAt.").into());
    }
    fix_result(this, asked, &mut ask, page.limit).await?;
    let Pasts { mut evolutions, count, more } = this.evolutions(&asked.caller, &ask, &page).await?;
    let range = shorten(this, &mut evolutions, &ask, look.form);
    let body = bodies(&evolutions, &ask, &look, ld, asked.caller.now.as_microsecond())?;
    if body.len() > page.limit {
        return Err(Error::new(Kind::Forbidden, TOO_MANY, "The answer holds more than it may.").into());
    }
    let mut response = ranged(answer(asked, look.media, body.into(), ld), range);
    for link in links(asked, &page, &evolutions, more) {
        response = with_header(response, "link", &link);
    }
    if let Some(count) = count {
        response = with_header(response, "ngsild-results-count", &count.to_string());
    }
    Ok(response)
}

/// Links to the pages around.
fn links(asked: &Asked, page: &Paging, found: &[Evolution], more: bool) -> Vec<String> {
    let link = |rel: &str, offset: usize, after: Option<&str>| {
        let mut query = asked.params.without(&["offset", "limit", "pageAfter", "pageBefore"]);
        query.append_pair("limit", &page.limit.to_string()).append_pair("offset", &offset.to_string());
        if let Some(id) = after {
            query.append_pair("pageAfter", id);
        }
        format!("<{}?{}>; rel=\"{rel}\"; type=\"application/ld+json\"", asked.path(), query.finish())
    };
    let mut links = Vec::new();
    if page.offset > 0 && page.limit > 0 {
        links.push(link("prev", page.offset.saturating_sub(page.limit), None));
    }
    if let Some(last) = found.last().filter(|_| more) {
        links.push(link("next", page.offset + found.len(), Some(&last.subject.id)));
    }
    links
}

async fn delete_entity(State(this): This, Path(id): Path<String>, asked: Asked) -> Answer {
    this.forget_entity(&asked.caller, &id_of(&id)?).await?;
    Ok(no_content())
}

async fn delete_attribute(State(this): This, Path((id, attr)): Path<(String, String)>, asked: Asked) -> Answer {
    let (id, ld) = (id_of(&id)?, asked.ld(&this).await?);
    let chosen = match (asked.params.flag("deleteAll")?, asked.params.get("datasetId")) {
        (true, Some(_)) => return Err(bad("deleteAll and datasetId cannot stand together.").into()),
        (true, None) => Chosen::All,
        (false, None | Some("@none")) => Chosen::Dataset(None),
        (false, Some(dataset)) => Chosen::Dataset(Some(id_of(dataset)?)),
    };
    this.forget_attribute(&asked.caller, &id, &name_of(&attr, &ld)?, chosen).await?;
    Ok(no_content())
}

fn instance_of(instance: &str) -> Result<&str> {
    if is_uri(instance) { Ok(instance) } else { Err(bad(format!("The instance id {:?} is not a URI.", cut(instance)))) }
}

async fn delete_instance(State(this): This, Path((id, attr, instance)): Path<(String, String, String)>, asked: Asked) -> Answer {
    let (id, ld) = (id_of(&id)?, asked.ld(&this).await?);
    this.forget_instance(&asked.caller, &id, &name_of(&attr, &ld)?, instance_of(&instance)?).await?;
    Ok(no_content())
}

async fn amend(State(this): This, Path((id, attr, instance)): Path<(String, String, String)>, asked: Asked) -> Answer {
    let (id, (fragment, ld)) = (id_of(&id)?, asked.value(&this).await?);
    let name = name_of(&attr, &ld)?;
    let instance = instance_of(&instance)?;
    // The fragment stands bare, or under the attribute's name.
    let fragment = match &fragment {
        Value::Object(object) if object.len() == 1 && object.contains_key(&attr) => &object[&attr],
        other => other,
    };
    let inputs = parse::attribute(&attr, &name, fragment, &ld, parse::Form::PATCH, 0)?;
    this.amend_instance(&asked.caller, &id, &name, instance, &inputs).await?;
    Ok(no_content())
}
