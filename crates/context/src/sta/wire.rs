//! What a request asks for and what it is answered, whichever way it came: HTTP, a batch, or MQTT.

use bytes::Bytes;
use dothi_kernel::{Caller, Error, Kind as ErrorKind, Permission, Result, Scope};
use serde_json::{Map, Value, json};

use super::eval::inside;
use super::filter::bad;
use super::find::{self, Source};
use super::insert::{self, object};
use super::measure;
use super::model::{Id, Kind, Nav};
use super::node::Node;
use super::observations;
use super::options::Options;
use super::path::{Step, missing, parse};
use super::read::{Reader, Set};
use crate::Context;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub caller: Caller,
    /// In capitals.
    pub method: String,
    /// What follows the root of the service, as it was sent.
    pub path: String,
    /// Query, as it was sent.
    pub query: String,
    pub body: Bytes,
    /// Address of the service without a slash at its end.
    pub base: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub status: u16,
    /// JSON, or plain text.
    pub body: Option<String>,
    pub plain: bool,
    pub location: Option<String>,
}

impl Answer {
    fn json(status: u16, body: &impl serde::Serialize) -> Result<Self> {
        let text = serde_json::to_string(body).map_err(|e| Error::internal("writing an answer", e))?;
        Ok(Self { status, body: Some(text), plain: false, location: None })
    }

    fn empty(status: u16) -> Self {
        Self { status, body: None, plain: false, location: None }
    }

    fn text(text: String) -> Self {
        Self { status: 200, body: Some(text), plain: true, location: None }
    }
}

const CLASSES: [&str; 21] = [
    "http://www.opengis.net/spec/iot_sensing/1.1/req/datamodel",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/resource-path/resource-path-to-entities",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/expand",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/select",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/filter",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/built-in-filter-operations",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/built-in-query-functions",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/orderby",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/top",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/skip",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/count",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/request-data/pagination",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/create-update-delete/create-entity",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/create-update-delete/link-to-existing-entities",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/create-update-delete/deep-insert",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/create-update-delete/update-entity",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/create-update-delete/delete-entity",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/batch-request/batch-request",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/data-array/data-array",
    "http://www.opengis.net/spec/iot_sensing/1.1/req/create-observations-via-mqtt/observations-creation",
];

fn root(base: &str) -> Value {
    let sets: Vec<Value> = Kind::ALL.iter().map(|k| json!({"name": k.set(), "url": format!("{base}/{}", k.set())})).collect();
    json!({"value": sets, "serverSettings": {"conformance": CLASSES}})
}

/// What an address leads to.
enum Target {
    /// A set, its kind, and how it was reached.
    Set(Set, Kind, Option<(Node, &'static Nav)>),
    Entity(Node),
    Value(String, Option<Value>),
}

/// What is wanted of the target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Whole,
    Bare,
    References,
    Count,
}

async fn resolve(reader: &Reader<'_>, steps: &[Step]) -> Result<(Target, Shape)> {
    let (this, now) = (reader.this, reader.now);
    let (mut at, mut shape): (Option<Target>, Shape) = (None, Shape::Whole);
    for step in steps {
        let entity = if let Some(Target::Entity(node)) = &at { Some(node.clone()) } else { None };
        at = Some(match (step, entity) {
            (Step::Value, _) => {
                shape = Shape::Bare;
                continue;
            }
            (Step::Ref, _) => {
                shape = Shape::References;
                continue;
            }
            (Step::Count, _) => {
                shape = Shape::Count;
                continue;
            }
            (Step::Set(name, key), None) => {
                let kind = Kind::of_set(name).ok_or_else(|| missing("There is no such set."))?;
                match key {
                    Some(id) => Target::Entity(entity_of(this, kind, id, now).await?),
                    None if kind == Kind::Observation => Target::Set(Set::Observations { streams: None, feature: None }, kind, None),
                    None => Target::Set(Set::Plain(Source::all(kind)), kind, None),
                }
            }
            (Step::Set(name, key), Some(node)) => {
                let nav = node.kind().nav(name).ok_or_else(|| missing("There is no such link."))?;
                match key {
                    Some(id) => Target::Entity(member(reader, &node, nav, id).await?),
                    None => Target::Set(reader.behind(&node, nav).await?, nav.kind, Some((node, nav))),
                }
            }
            (Step::Link(name), Some(node)) => {
                let nav = node.kind().nav(name).ok_or_else(|| missing("There is no such link."))?;
                let found = reader.follow(&node, nav, 1).await?.pop();
                Target::Entity(found.ok_or_else(|| missing(format!("The {} has no {name}.", node.kind().name())))?)
            }
            (Step::Property(path), Some(node)) => {
                let name = path.first().cloned().unwrap_or_default();
                let whole = match name.as_str() {
                    "id" | "@iot.id" => Some(node.id().json()),
                    "@iot.selfLink" => Some(reader.self_link(&node).into()),
                    name => node.prop(this, name),
                };
                let last = path.last().cloned().unwrap_or_default();
                let value = whole.as_ref().and_then(|w| inside(w, &path[1..])).filter(|v| !v.is_null()).cloned();
                if value.is_none() && path.len() > 1 {
                    return Err(missing(format!("There is nothing at {:?}.", crate::fault::cut(&last))));
                }
                Target::Value(last, value)
            }
            _ => return Err(missing("There is nothing at this address.")),
        });
    }
    at.map(|t| (t, shape)).ok_or_else(|| missing("There is nothing at this address."))
}

async fn entity_of(this: &Context, kind: Kind, id: &Id, now: i64) -> Result<Node> {
    let found = match kind {
        Kind::Observation => observations::one(this, id, now).await?,
        kind => find::get(this, kind, id, now),
    };
    found.ok_or_else(|| missing(format!("There is no {} with the id {}.", kind.name(), crate::fault::cut(&id.key()))))
}

/// An entity by id behind a link; 404 when the link does not lead to it.
async fn member(reader: &Reader<'_>, node: &Node, nav: &'static Nav, id: &Id) -> Result<Node> {
    let found = entity_of(reader.this, nav.kind, id, reader.now).await?;
    // Every link has one that leads back.
    let back = nav.kind.navs().iter().find(|n| n.kind == node.kind());
    let leads = match back {
        Some(back) => reader.follow(&found, back, 10_000).await?.iter().any(|n| n.id() == node.id()),
        None => false,
    };
    if leads { Ok(found) } else { Err(missing(format!("The {} has no such {}.", node.kind().name(), nav.kind.name()))) }
}

fn params(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).filter(|(k, _)| !k.is_empty()).map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
}

async fn read(this: &Context, asked: &Asked) -> Result<Answer> {
    asked.caller.require(Permission::ContextRead, Scope::ANY)?;
    let steps = parse(&asked.path)?;
    if steps.is_empty() {
        return Answer::json(200, &root(&asked.base));
    }
    let reader = Reader::new(this, &asked.caller, &asked.base);
    let (target, shape) = resolve(&reader, &steps).await?;
    let given = params(&asked.query);
    match (target, shape) {
        (Target::Set(set, kind, _), shape) => {
            let mut options = Options::read(&given, kind)?;
            // The page goes on at the address without `$ref`.
            let address = format!("{}{}", asked.base, asked.path.trim_end_matches('/'));
            match shape {
                Shape::References => Answer::json(200, &reader.references(&set, &options, &address).await?),
                Shape::Count => {
                    (options.count, options.top) = (true, 0);
                    let page = reader.page(&set, &options).await?;
                    Ok(Answer::text(page.count.unwrap_or_default().to_string()))
                }
                _ => Answer::json(200, &reader.list(&set, &options, &address).await?),
            }
        }
        (Target::Entity(node), Shape::References) => Answer::json(200, &json!({"@iot.selfLink": reader.self_link(&node)})),
        (Target::Entity(node), _) => {
            let options = Options::read(&given, node.kind())?;
            if given.iter().any(|(name, _)| !matches!(name.as_str(), "$select" | "$expand")) {
                return Err(bad("One entity takes $select and $expand only."));
            }
            Answer::json(200, &reader.entity(&node, &options, true).await?)
        }
        (Target::Value(..), _) if !given.is_empty() => Err(bad("A property takes no query options.")),
        (Target::Value(_, None), _) => Ok(Answer::empty(204)),
        (Target::Value(_, Some(value)), Shape::Bare) => Ok(Answer::text(value.as_str().map_or_else(|| value.to_string(), str::to_string))),
        (Target::Value(name, Some(value)), _) => {
            let mut out = Map::new();
            out.insert(name, value);
            Answer::json(200, &out)
        }
    }
}

fn document(body: &[u8]) -> Result<Map<String, Value>> {
    object(serde_json::from_slice(body).map_err(|e| bad(format!("The body is not JSON: {e}.")))?)
}

fn no_method() -> Error {
    Error::new(ErrorKind::Method, "sta.method", "This address does not take this method.")
}

async fn create(this: &Context, asked: &Asked) -> Result<Answer> {
    asked.caller.require(Permission::ContextWrite, Scope::ANY)?;
    match asked.path.trim_matches('/') {
        "CreateObservations" => {
            let body = super::create_observations(this, &asked.caller, &asked.base, &asked.body).await?;
            return Ok(Answer { status: 201, body: Some(body), plain: false, location: None });
        }
        "$batch" => return Answer::json(200, &super::batch(this, asked).await?),
        _ => {}
    }
    let reader = Reader::new(this, &asked.caller, &asked.base);
    let (Target::Set(_, kind, reached), Shape::Whole) = resolve(&reader, &parse(&asked.path)?).await? else { return Err(no_method()) };
    let body = document(&asked.body)?;
    let id = match kind {
        Kind::Observation => measure::create(this, &asked.caller, body, reached.as_ref().map(|(n, _)| n)).await?,
        kind => insert::create(this, &asked.caller, kind, body, reached.as_ref().map(|(n, nav)| (n, *nav))).await?,
    };
    let node = entity_of(this, kind, &id, reader.now).await?;
    let whole = reader.entity(&node, &Options::read(&[], kind)?, false).await?;
    Ok(Answer { location: Some(reader.self_link(&node)), ..Answer::json(201, &whole)? })
}

async fn change(this: &Context, asked: &Asked, all: bool) -> Result<Answer> {
    asked.caller.require(Permission::ContextWrite, Scope::ANY)?;
    let reader = Reader::new(this, &asked.caller, &asked.base);
    let (Target::Entity(node), Shape::Whole) = resolve(&reader, &parse(&asked.path)?).await? else { return Err(no_method()) };
    let body = document(&asked.body)?;
    match &node {
        Node::Observation(o) => measure::update(this, &asked.caller, o, body, all).await?,
        node => insert::update(this, &asked.caller, node, body, all).await?,
    }
    let changed = entity_of(this, node.kind(), &node.id(), reader.now).await?;
    Answer::json(200, &reader.entity(&changed, &Options::read(&[], node.kind())?, false).await?)
}

async fn delete(this: &Context, asked: &Asked) -> Result<Answer> {
    asked.caller.require(Permission::ContextWrite, Scope::ANY)?;
    let reader = Reader::new(this, &asked.caller, &asked.base);
    let (Target::Entity(node), Shape::Whole) = resolve(&reader, &parse(&asked.path)?).await? else { return Err(no_method()) };
    match &node {
        Node::Observation(_) => measure::forget(this, &asked.caller, std::slice::from_ref(&node)).await?,
        node => insert::delete(this, &asked.caller, node).await?,
    }
    Ok(Answer::empty(200))
}

/// Does what a request asks.
pub(crate) async fn answer(this: &Context, asked: &Asked) -> Result<Answer> {
    match asked.method.as_str() {
        "GET" | "HEAD" => read(this, asked).await,
        "POST" => create(this, asked).await,
        "PATCH" => change(this, asked, false).await,
        "PUT" => change(this, asked, true).await,
        "DELETE" => delete(this, asked).await,
        _ => Err(no_method()),
    }
}

/// An observation published under an MQTT topic (clause 14.2): `Observations`, `Datastreams(1)/Observations`, or a body
/// of data arrays under `CreateObservations`. What follows the version in the topic is the path.
pub(crate) async fn observe(this: &Context, caller: &Caller, path: &str, body: &[u8]) -> Result<()> {
    let asked = Asked {
        caller: caller.clone(),
        method: "POST".into(),
        path: path.into(),
        query: String::new(),
        body: Bytes::copy_from_slice(body),
        base: String::new(),
    };
    if path != "CreateObservations" && !matches!(parse(path)?.last(), Some(Step::Set(set, None)) if set == Kind::Observation.set()) {
        return Err(no_method());
    }
    create(this, &asked).await.map(|_| ())
}
