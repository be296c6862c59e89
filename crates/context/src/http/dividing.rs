//! Operations that change entities, divided between registered sources and us (4.3.6, 5.6). This stands around the
//! handlers: what is ours goes on to them as a smaller request, what is others' goes out at the same time, and one
//! answer is made of all. Without registrations the request passes untouched.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dothi_kernel::{Error, Permission, Result, Scope};
use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::distributed::{Notes, origin};
use super::wire::{Asked, Fault, plain, problem};
use crate::Context;
use crate::fault::UNSUPPORTED;
use crate::federation::conflict;
use crate::federation::forward::{Call, Origin, Reply, Trouble, encoded};
use crate::federation::matching::{self, Kept, Part, Plan, Target};
use crate::federation::registration::Mode;
use crate::ld::Ld;
use crate::model::Iri;
use crate::parse;

/// Bytes of a body that is divided.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// Bytes of an answer of our own handlers.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// An operation on entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Create,
    Delete,
    Merge,
    Replace,
    Append,
    Update,
    AttrUpdate,
    AttrReplace,
    AttrDelete,
    Purge,
    Batch(&'static str, &'static str),
    Inventory(&'static str),
}

/// What a request does, with the entity and attribute that its address names.
struct Named {
    operation: Operation,
    id: Option<String>,
    attr: Option<String>,
}

fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, v)| v.into_owned()).unwrap_or_default()
}

fn named(method: &Method, path: &str) -> Option<Named> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let plain = |operation| Some(Named { operation, id: None, attr: None });
    let of = |operation, id: &str| Some(Named { operation, id: Some(decoded(id)), attr: None });
    let at = |operation, id: &str, attr: &str| Some(Named { operation, id: Some(decoded(id)), attr: Some(decoded(attr)) });
    match (method.as_str(), parts.as_slice()) {
        ("POST", ["entities"]) => plain(Operation::Create),
        ("DELETE", ["entities"]) => plain(Operation::Purge),
        ("DELETE", ["entities", id]) => of(Operation::Delete, id),
        ("PATCH", ["entities", id]) => of(Operation::Merge, id),
        ("PUT", ["entities", id]) => of(Operation::Replace, id),
        ("POST", ["entities", id, "attrs"]) => of(Operation::Append, id),
        ("PATCH", ["entities", id, "attrs"]) => of(Operation::Update, id),
        ("PATCH", ["entities", id, "attrs", attr]) => at(Operation::AttrUpdate, id, attr),
        ("PUT", ["entities", id, "attrs", attr]) => at(Operation::AttrReplace, id, attr),
        ("DELETE", ["entities", id, "attrs", attr]) => at(Operation::AttrDelete, id, attr),
        ("POST", ["entityOperations", "create"]) => plain(Operation::Batch("create", "createBatch")),
        ("POST", ["entityOperations", "upsert"]) => plain(Operation::Batch("upsert", "upsertBatch")),
        ("POST", ["entityOperations", "update"]) => plain(Operation::Batch("update", "updateBatch")),
        ("POST", ["entityOperations", "merge"]) => plain(Operation::Batch("merge", "mergeBatch")),
        ("POST", ["entityOperations", "delete"]) => plain(Operation::Batch("delete", "deleteBatch")),
        ("GET", ["types"]) => plain(Operation::Inventory("retrieveEntityTypes")),
        ("GET", ["types", _]) => plain(Operation::Inventory("retrieveEntityTypeInfo")),
        ("GET", ["attributes"]) => plain(Operation::Inventory("retrieveAttrTypes")),
        ("GET", ["attributes", _]) => plain(Operation::Inventory("retrieveAttrTypeInfo")),
        _ => None,
    }
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Operation::Create => "createEntity",
            Operation::Delete => "deleteEntity",
            Operation::Merge => "mergeEntity",
            Operation::Replace => "replaceEntity",
            Operation::Append => "appendAttrs",
            Operation::Update => "updateEntity",
            Operation::AttrUpdate => "updateAttrs",
            Operation::AttrReplace => "replaceAttrs",
            Operation::AttrDelete => "deleteAttrs",
            Operation::Purge => "purgeEntity",
            Operation::Batch(_, word) | Operation::Inventory(word) => word,
        }
    }
}

fn method_of(parts: &Parts) -> reqwest::Method {
    parts.method.as_str().parse().unwrap_or(reqwest::Method::GET)
}

/// Stands around all routes of one tenant.
pub async fn around(State(this): State<Arc<Context>>, mut request: Request, next: Next) -> Response {
    let federation = this.federation();
    let frozen = request.headers().contains_key("ngsild-snapshot");
    let mapped = request.headers().contains_key("ngsild-entitymap")
        || request.uri().query().is_some_and(|q| q.contains("entityMap"))
        || request.uri().path().contains("ntityMaps");
    if federation.alone() && !frozen && !mapped {
        return next.run(request).await;
    }
    let notes = Notes::default();
    request.extensions_mut().insert(notes.clone());
    let path = request.uri().path().to_string();
    let what = named(request.method(), &path);
    if frozen && (what.is_some() || !path.starts_with("/entit")) {
        return Fault(Error::unprocessable(UNSUPPORTED, "Of a snapshot, entities can be read, and nothing else.")).into_response();
    }
    let mut response = match what {
        Some(what) if !federation.alone() => match divided(&this, what, request, next).await {
            Ok(response) => response,
            Err(e) => Fault(e).into_response(),
        },
        _ => next.run(request).await,
    };
    notes.put_on(&mut response);
    response
}

async fn divided(this: &Arc<Context>, what: Named, request: Request, next: Next) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| Error::too_large("ngsi.too-large", "The body is too large."))?;
    let asked = Asked::from_request(Request::from_parts(parts.clone(), Body::from(body.clone())), &()).await.map_err(|f| f.0)?;
    let ours = Ours { parts, next };
    if asked.params.flag("local").unwrap_or(true) {
        return Ok(ours.run(body).await);
    }
    if let Operation::Inventory(_) = what.operation {
        return inventory(this, &asked, what.operation, ours).await;
    }
    asked.caller.require(Permission::ContextWrite, Scope::ANY)?;
    match what.operation {
        Operation::Batch(name, _) => batch(this, &asked, what.operation, name, ours, body).await,
        Operation::Purge => purge(this, &asked, ours).await,
        operation => single(this, &asked, operation, &what, ours, body).await,
    }
}

/// The way to our own handlers.
struct Ours {
    parts: Parts,
    next: Next,
}

impl Ours {
    async fn run(self, body: Bytes) -> Response {
        let mut parts = self.parts;
        if parts.headers.contains_key(header::CONTENT_LENGTH) {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        self.next.run(Request::from_parts(parts, Body::from(body))).await
    }
}

/// What one of several did with its part.
struct Outcome {
    registration: Option<Iri>,
    attrs: Option<Vec<Iri>>,
    /// Statuses below 300; else what is wrong.
    result: std::result::Result<u16, Value>,
    status: u16,
    body: Option<Value>,
}

fn trouble_problem(trouble: Trouble) -> Value {
    let status = trouble.status();
    let title = match trouble {
        Trouble::Loop => "Loop Detected",
        Trouble::Late => "Gateway Timeout",
        _ => "Bad Gateway",
    };
    json!({"type": "https://uri.etsi.org/ngsi-ld/errors/InternalError", "title": title, "detail": format!("{}.", trouble.text()), "status": status})
}

fn outcome(part: &Part, reply: std::result::Result<Reply, Trouble>) -> Outcome {
    let (registration, attrs) = (Some(part.registration.id.clone()), part.attrs.clone());
    match reply {
        Ok(reply) if reply.status < 300 => Outcome { registration, attrs, result: Ok(reply.status), status: reply.status, body: reply.body },
        Ok(reply) => {
            let stated = reply.body.filter(Value::is_object);
            let mut wrong =
                stated.unwrap_or_else(|| json!({"type": "https://uri.etsi.org/ngsi-ld/errors/InternalError", "title": "The context source refused."}));
            wrong["status"] = reply.status.into();
            Outcome { registration, attrs, result: Err(wrong), status: reply.status, body: None }
        }
        Err(trouble) => Outcome { registration, attrs, result: Err(trouble_problem(trouble)), status: trouble.status(), body: None },
    }
}

fn refused(part: &Part) -> Outcome {
    let error = conflict("The registered context source, which alone holds the data, does not offer the operation.");
    Outcome { registration: Some(part.registration.id.clone()), attrs: part.attrs.clone(), result: Err(problem(&error)), status: 409, body: None }
}

async fn read_answer(response: Response) -> (StatusCode, header::HeaderMap, Bytes) {
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, MAX_ANSWER).await.unwrap_or_default())
}

fn again(status: StatusCode, headers: header::HeaderMap, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Whether asking a source for something only it may do would go in a circle.
fn circle(origin: &Origin, this: &Context, plan: &Plan) -> bool {
    let alone = |p: &&Part| matches!(p.registration.mode, Mode::Exclusive | Mode::Redirect);
    let own = origin.passed(&this.federation().alias);
    plan.parts.iter().filter(alone).any(|p| own || p.registration.alias.as_deref().is_some_and(|a| origin.passed(a)))
}

fn loop_detected() -> Response {
    plain(StatusCode::LOOP_DETECTED, &trouble_problem(Trouble::Loop))
}

/// Members of an entity that are no attributes.
fn is_member(key: &str) -> bool {
    matches!(key, "id" | "@id" | "type" | "@type" | "scope" | "@context" | "createdAt" | "modifiedAt" | "deletedAt" | "expiresAt")
}

fn attributes(body: &Map<String, Value>, ld: &Ld) -> Result<Vec<Iri>> {
    body.keys().filter(|k| !is_member(k)).map(|k| ld.expand(k)).collect()
}

/// An entity with only these attributes (`keep`), or without them.
fn reduced(body: &Map<String, Value>, ld: &Ld, attrs: &[Iri], keep: bool) -> Map<String, Value> {
    let fits = |k: &str| is_member(k) || ld.expand(k).is_ok_and(|iri| attrs.contains(&iri) == keep);
    body.iter().filter(|(k, _)| fits(k)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn types_in(body: &Map<String, Value>, ld: &Ld) -> Vec<Iri> {
    let words = body.get("type").or_else(|| body.get("@type"));
    let words: Vec<&Value> = words.map(|w| w.as_array().map_or_else(|| vec![w], |m| m.iter().collect())).unwrap_or_default();
    words.into_iter().filter_map(Value::as_str).filter_map(|t| ld.expand(t).ok()).collect()
}

fn forwarded_query(asked: &Asked) -> Vec<(String, String)> {
    url::form_urlencoded::parse(asked.uri.query().unwrap_or_default().as_bytes())
        .map(|(k, v)| (k.into_owned(), v.into_owned()))
        .filter(|(k, _)| k != "local")
        .collect()
}

/// An operation on one entity.
async fn single(this: &Arc<Context>, asked: &Asked, operation: Operation, what: &Named, ours: Ours, bytes: Bytes) -> Result<Response> {
    let now = asked.caller.now.as_microsecond();
    let whole_entity = matches!(operation, Operation::Create | Operation::Merge | Operation::Replace | Operation::Append | Operation::Update);
    let (mut value, ld) =
        if matches!(operation, Operation::Delete | Operation::AttrDelete) { (Value::Null, asked.ld(this).await?) } else { asked.value(this).await? };
    let body = value.as_object().cloned().unwrap_or_default();
    let id = match &what.id {
        Some(id) => Value::from(id.as_str()),
        None => body.get("id").or_else(|| body.get("@id")).cloned().unwrap_or_default(),
    };
    // What is wrong with the request is for our own handlers to say.
    let Ok(id) = parse::entity_id(&id) else { return Ok(ours.run(bytes).await) };
    if whole_entity && parse::draft(&body, &ld, super::ngsi::body_form(asked, parse::Form::PATCH)?).is_err() {
        return Ok(ours.run(bytes).await);
    }
    let attrs = match (&what.attr, whole_entity) {
        (Some(attr), _) => Some(vec![ld.expand(attr)?]),
        (None, true) => Some(attributes(&body, &ld)?),
        (None, false) => None,
    };
    let mut types = if whole_entity { types_in(&body, &ld) } else { Vec::new() };
    if types.is_empty()
        && let Ok(known) = this.entity(&asked.caller, &id)
    {
        types = known.types.clone();
    }
    let target = Target { id: &id, types: &types, attrs: attrs.as_deref(), operation: operation.word(), now };
    let mut plan = matching::plan(&this.federation().index(), &target);
    let origin = origin(&asked.headers);
    if circle(&origin, this, &plan) {
        return Ok(loop_detected());
    }
    if origin.passed(&this.federation().alias) {
        plan.parts.clear();
    }
    if plan.parts.is_empty() && plan.refused.is_empty() {
        return Ok(ours.run(bytes).await);
    }
    let path = match &what.attr {
        Some(attr) => format!("/entities/{}/attrs/{}", encoded(&id), encoded(attr)),
        None if operation == Operation::Create => "/entities".to_string(),
        None if matches!(operation, Operation::Append | Operation::Update) => format!("/entities/{}/attrs", encoded(&id)),
        None => format!("/entities/{}", encoded(&id)),
    };
    if let Some(object) = value.as_object_mut() {
        object.shift_remove("@context");
    }
    let query = forwarded_query(asked);
    let calls = plan.parts.iter().map(|part| {
        let body = match (&value, &part.attrs, whole_entity) {
            (Value::Null, _, _) => None,
            (_, Some(attrs), true) => Some(Value::Object(reduced(&body, &ld, attrs, true))),
            (value, _, _) => Some(value.clone()),
        };
        let call = Call { method: method_of(&ours.parts), path: path.clone(), query: query.clone(), body, ld: &ld };
        this.call_source(&origin, &part.registration, call, now)
    });
    let here = {
        let bytes = match &plan.kept {
            Kept::Nothing => None,
            Kept::All => Some(bytes.clone()),
            Kept::Without(gone) => Some(match serde_json::from_slice::<Value>(&bytes) {
                Ok(Value::Object(all)) if whole_entity => Bytes::from(Value::Object(reduced(&all, &ld, gone, false)).to_string()),
                _ => bytes.clone(),
            }),
        };
        let ours = Ours { parts: ours.parts.clone(), next: ours.next.clone() };
        async move {
            match bytes {
                Some(bytes) => Some(read_answer(ours.run(bytes).await).await),
                None => None,
            }
        }
    };
    let (here, replies) = tokio::join!(here, join_all(calls));
    let mut outcomes: Vec<Outcome> = plan.parts.iter().zip(replies).map(|(part, reply)| outcome(part, reply)).collect();
    outcomes.extend(plan.refused.iter().map(refused));
    Ok(joined(operation, &id, attrs.as_deref(), here, outcomes))
}

type Here = Option<(StatusCode, header::HeaderMap, Bytes)>;

/// One answer out of ours and theirs (6.3.17): all well, or all wrong when there was one, else 207.
fn joined(operation: Operation, id: &Iri, attrs: Option<&[Iri]>, here: Here, outcomes: Vec<Outcome>) -> Response {
    let good_here = here.as_ref().is_none_or(|(status, _, _)| status.is_success() && *status != StatusCode::MULTI_STATUS);
    let good_there = outcomes.iter().all(|o| o.result.as_ref().is_ok_and(|s| *s != 207));
    if good_here && good_there {
        return match here {
            Some((status, headers, body)) => again(status, headers, body),
            None if operation == Operation::Create => {
                (StatusCode::CREATED, [(header::LOCATION, format!("{}/entities/{}", super::wire::PREFIX, encoded(id)))]).into_response()
            }
            None => StatusCode::NO_CONTENT.into_response(),
        };
    }
    if let (None, [only]) = (&here, outcomes.as_slice()) {
        let status = StatusCode::from_u16(only.status).unwrap_or(StatusCode::BAD_GATEWAY);
        return match &only.result {
            Err(wrong) => plain(status, wrong),
            Ok(_) => plain(status, only.body.as_ref().unwrap_or(&json!({"success": [&**id], "errors": []}))),
        };
    }
    if matches!(operation, Operation::Append | Operation::Update) {
        return plain(StatusCode::MULTI_STATUS, &update_result(attrs.unwrap_or_default(), here, &outcomes));
    }
    let (mut success, mut errors) = (Vec::new(), Vec::new());
    match here {
        Some((status, _, _)) if status.is_success() => success.push(Value::from(&**id)),
        Some((_, _, body)) => errors.push(json!({"entityId": &**id, "error": serde_json::from_slice::<Value>(&body).unwrap_or_default()})),
        None => {}
    }
    for outcome in outcomes {
        match outcome.result {
            Ok(207) => match outcome.body.as_ref().and_then(|b| b.get("errors")).and_then(Value::as_array) {
                Some(theirs) => errors.extend(theirs.iter().cloned().map(|mut e| {
                    e["registrationId"] = outcome.registration.as_deref().into();
                    e
                })),
                None => success.push(Value::from(&**id)),
            },
            Ok(_) => success.push(Value::from(&**id)),
            Err(error) => errors.push(json!({"entityId": &**id, "registrationId": outcome.registration.as_deref(), "error": error})),
        }
    }
    success.dedup();
    plain(StatusCode::MULTI_STATUS, &json!({"success": success, "errors": errors}))
}

fn update_result(attrs: &[Iri], here: Here, outcomes: &[Outcome]) -> Value {
    let (mut updated, mut failed): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    let reason = |error: &Value| error.get("detail").or_else(|| error.get("title")).cloned().unwrap_or_default();
    let add = |list: &mut Vec<Value>, name: &Iri| {
        let name = Value::from(&**name);
        if !list.contains(&name) {
            list.push(name);
        }
    };
    if let Some((status, _, body)) = here {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status == StatusCode::MULTI_STATUS {
            updated.extend(body["updated"].as_array().into_iter().flatten().cloned());
            failed.extend(body["notUpdated"].as_array().into_iter().flatten().cloned());
        } else if status.is_success() {
            let theirs = |a: &&Iri| !outcomes.iter().any(|o| o.attrs.as_ref().is_some_and(|t| t.contains(a)));
            attrs.iter().filter(theirs).for_each(|a| add(&mut updated, a));
        } else {
            failed.extend(attrs.iter().map(|a| json!({"attributeName": &**a, "reason": reason(&body)})));
        }
    }
    for outcome in outcomes {
        let concerned = outcome.attrs.as_deref().unwrap_or(attrs);
        match &outcome.result {
            Ok(207) => {
                let theirs = outcome.body.as_ref().and_then(|b| b.get("notUpdated")).and_then(Value::as_array);
                failed.extend(theirs.into_iter().flatten().cloned().map(|mut e| {
                    e["registrationId"] = outcome.registration.as_deref().into();
                    e
                }));
            }
            Ok(_) => concerned.iter().for_each(|a| add(&mut updated, a)),
            Err(error) => failed
                .extend(concerned.iter().map(|a| json!({"attributeName": &**a, "reason": reason(error), "registrationId": outcome.registration.as_deref()}))),
        }
    }
    json!({"updated": updated, "notUpdated": failed})
}

/// Deleting all that a query finds: each source that may do so gets the query too.
async fn purge(this: &Arc<Context>, asked: &Asked, ours: Ours) -> Result<Response> {
    let now = asked.caller.now.as_microsecond();
    let ld = asked.ld(this).await?;
    let filter = super::params::filter(&asked.params, &ld)?;
    let types = matching::anchors(filter.types.as_ref(), &filter.selectors);
    let origin = origin(&asked.headers);
    let mut parts = matching::readers(&this.federation().index(), filter.ids.as_deref(), &types, None, &["purgeEntity"], now);
    parts.retain(|p| p.registration.mode != Mode::Auxiliary);
    let plan = Plan { parts, refused: Vec::new(), kept: Kept::All };
    if circle(&origin, this, &plan) {
        return Ok(loop_detected());
    }
    let asking: &[Part] = if origin.passed(&this.federation().alias) { &[] } else { &plan.parts };
    let query = forwarded_query(asked);
    let calls = asking.iter().map(|part| {
        let call = Call { method: reqwest::Method::DELETE, path: "/entities".into(), query: query.clone(), body: None, ld: &ld };
        this.call_source(&origin, &part.registration, call, now)
    });
    let (here, replies) = tokio::join!(async { read_answer(ours.run(Bytes::new()).await).await }, join_all(calls));
    let (status, headers, body) = here;
    let mut errors: Vec<Value> = Vec::new();
    for (part, reply) in asking.iter().zip(replies) {
        let outcome = outcome(part, reply);
        if let (Err(error), true) = (outcome.result, outcome.status != 404) {
            errors.push(json!({"registrationId": &*part.registration.id, "error": error}));
        }
    }
    if errors.is_empty() || !status.is_success() {
        return Ok(again(status, headers, body));
    }
    Ok(plain(StatusCode::MULTI_STATUS, &json!({"success": [], "errors": errors})))
}

/// One entity of a batch: what was sent, and who answered how.
struct Member {
    id: Iri,
    created: bool,
    good: bool,
    errors: Vec<Value>,
}

/// A batch: each source gets its entities, or its parts of them, as a batch of its own.
async fn batch(this: &Arc<Context>, asked: &Asked, operation: Operation, name: &str, ours: Ours, bytes: Bytes) -> Result<Response> {
    let now = asked.caller.now.as_microsecond();
    let origin = origin(&asked.headers);
    let Ok(Value::Array(items)) = serde_json::from_slice::<Value>(&bytes) else { return Ok(ours.run(bytes).await) };
    let contexts: Vec<Ld> = if name == "delete" {
        vec![asked.ld(this).await?; items.len()]
    } else {
        asked.objects(this).await?.into_iter().map(|(_, ld)| ld.unwrap_or_default()).collect()
    };
    let index = this.federation().index();
    let mut rest: Vec<Value> = Vec::new();
    let mut members: Vec<Member> = Vec::new();
    // For each source: entities in the names of one context.
    let mut sendings: Vec<(Part, Ld, Vec<Value>, Vec<usize>)> = Vec::new();
    for (item, ld) in items.into_iter().zip(contexts) {
        let body = item.as_object().cloned().unwrap_or_default();
        let id = if name == "delete" { item.clone() } else { body.get("id").or_else(|| body.get("@id")).cloned().unwrap_or_default() };
        let Ok(id) = parse::entity_id(&id) else {
            rest.push(item);
            continue;
        };
        let attrs = if name == "delete" { None } else { attributes(&body, &ld).ok() };
        let mut types = types_in(&body, &ld);
        if types.is_empty()
            && let Ok(known) = this.entity(&asked.caller, &id)
        {
            types = known.types.clone();
        }
        let target = Target { id: &id, types: &types, attrs: attrs.as_deref(), operation: operation.word(), now };
        let mut plan = matching::plan(&index, &target);
        let at = members.len();
        let mut member = Member { id: id.clone(), created: false, good: false, errors: Vec::new() };
        if circle(&origin, this, &plan) {
            member.errors.push(json!({"entityId": &*id, "error": trouble_problem(Trouble::Loop)}));
            members.push(member);
            continue;
        }
        if origin.passed(&this.federation().alias) {
            plan.parts.clear();
        }
        for part in &plan.refused {
            if let Err(error) = refused(part).result {
                member.errors.push(json!({"entityId": &*id, "registrationId": &*part.registration.id, "error": error}));
            }
        }
        members.push(member);
        for part in plan.parts {
            let mut sent = match (&part.attrs, name) {
                (_, "delete") | (None, _) => item.clone(),
                (Some(attrs), _) => Value::Object(reduced(&body, &ld, attrs, true)),
            };
            if let Some(object) = sent.as_object_mut() {
                object.shift_remove("@context");
            }
            match sendings.iter_mut().find(|(p, l, _, _)| p.registration.id == part.registration.id && l.source == ld.source) {
                Some((_, _, sendings, who)) => {
                    sendings.push(sent);
                    who.push(at);
                }
                None => sendings.push((part, ld.clone(), vec![sent], vec![at])),
            }
        }
        match plan.kept {
            Kept::All => rest.push(item),
            Kept::Without(gone) => rest.push(Value::Object(reduced(&body, &ld, &gone, false))),
            Kept::Nothing => {}
        }
    }
    if sendings.is_empty() && members.iter().all(|m| m.errors.is_empty()) {
        return Ok(ours.run(bytes).await);
    }
    let query = forwarded_query(asked);
    let calls = sendings.iter().map(|(part, ld, sent, _)| {
        let call = Call { method: reqwest::Method::POST, path: format!("/entityOperations/{name}"), query: query.clone(), body: Some(sent.clone().into()), ld };
        this.call_source(&origin, &part.registration, call, now)
    });
    let here = async { if rest.is_empty() { None } else { Some(read_answer(ours.run(Bytes::from(Value::Array(rest.clone()).to_string())).await).await) } };
    let (here, replies) = tokio::join!(here, join_all(calls));
    for ((part, _, _, who), reply) in sendings.iter().zip(replies) {
        let outcome = outcome(part, reply);
        spread(&mut members, who, &outcome, &part.registration.id);
    }
    if let Some((status, headers, body)) = here {
        if !status.is_success() {
            return Ok(again(status, headers, body));
        }
        take_ours(&mut members, status, &body, &rest);
    }
    Ok(batch_answer(name, members))
}

/// Notes what a source did with its entities of a batch.
fn spread(members: &mut [Member], who: &[usize], outcome: &Outcome, registration: &Iri) {
    let failed = outcome.body.as_ref().filter(|_| outcome.status == 207).and_then(|b| b.get("errors")).and_then(Value::as_array);
    let created = outcome.body.as_ref().filter(|_| outcome.status == 201).and_then(Value::as_array);
    for at in who {
        let Some(member) = members.get_mut(*at) else { continue };
        let of_it = |e: &&Value| e.get("entityId").and_then(Value::as_str) == Some(&*member.id);
        match (&outcome.result, failed.and_then(|f| f.iter().find(of_it))) {
            (Ok(_), Some(error)) => {
                let error = error.get("error").cloned().unwrap_or_default();
                member.errors.push(json!({"entityId": &*member.id, "registrationId": &**registration, "error": error}));
            }
            (Ok(status), None) => {
                member.good = true;
                member.created |= *status == 201 && created.is_none_or(|c| c.iter().any(|i| i.as_str() == Some(&*member.id)));
            }
            (Err(error), _) => member.errors.push(json!({"entityId": &*member.id, "registrationId": &**registration, "error": error})),
        }
    }
}

/// Notes what our own handler did.
fn take_ours(members: &mut Vec<Member>, status: StatusCode, body: &Bytes, rest: &[Value]) {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let ids = |v: &Value| -> Vec<String> { v.as_array().into_iter().flatten().filter_map(|i| i.as_str().map(str::to_string)).collect() };
    let sent: Vec<&str> = rest.iter().filter_map(|i| i.as_str().or_else(|| i.get("id").or_else(|| i.get("@id")).and_then(Value::as_str))).collect();
    let (created, failed): (Vec<String>, Vec<Value>) = match status {
        StatusCode::CREATED => (ids(&body), Vec::new()),
        StatusCode::MULTI_STATUS => (Vec::new(), body["errors"].as_array().cloned().unwrap_or_default()),
        _ => (Vec::new(), Vec::new()),
    };
    for member in members.iter_mut().filter(|m| sent.contains(&&*m.id)) {
        match failed.iter().find(|e| e["entityId"].as_str() == Some(&*member.id)) {
            Some(error) => member.errors.push(error.clone()),
            None => {
                member.good = true;
                member.created |= created.iter().any(|c| **c == *member.id);
            }
        }
    }
    let unknown = failed.into_iter().filter(|e| !members.iter().any(|m| e["entityId"].as_str() == Some(&*m.id)));
    let strangers: Vec<Member> =
        unknown.map(|e| Member { id: e["entityId"].as_str().unwrap_or_default().into(), created: false, good: false, errors: vec![e] }).collect();
    members.extend(strangers);
}

fn batch_answer(name: &str, members: Vec<Member>) -> Response {
    let errors: Vec<Value> = members.iter().flat_map(|m| m.errors.clone()).collect();
    if !errors.is_empty() {
        let success: Vec<&str> = members.iter().filter(|m| m.errors.is_empty()).map(|m| &*m.id).collect();
        return plain(StatusCode::MULTI_STATUS, &json!({"success": success, "errors": errors}));
    }
    let created: Vec<&str> = members.iter().filter(|m| m.created || name == "create").map(|m| &*m.id).collect();
    match (name, created.is_empty()) {
        ("create" | "upsert", false) => plain(StatusCode::CREATED, &json!(created)),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// Types and attributes: what sources know is added to what we know.
async fn inventory(this: &Arc<Context>, asked: &Asked, operation: Operation, ours: Ours) -> Result<Response> {
    let now = asked.caller.now.as_microsecond();
    let origin = origin(&asked.headers);
    let response = ours.run(Bytes::new()).await;
    if origin.passed(&this.federation().alias) || !(response.status().is_success() || response.status() == StatusCode::NOT_FOUND) {
        return Ok(response);
    }
    let word = match (operation.word(), asked.params.flag("details")?) {
        ("retrieveEntityTypes", true) => "retrieveEntityTypeDetails",
        ("retrieveAttrTypes", true) => "retrieveAttrTypeDetails",
        (word, _) => word,
    };
    let parts = matching::readers(&this.federation().index(), None, &[], None, &[word], now);
    if parts.is_empty() {
        return Ok(response);
    }
    let ld = asked.ld(this).await?;
    let query = forwarded_query(asked);
    let path = asked.uri.path().to_string();
    let calls = parts.iter().map(|part| {
        let call = Call { method: reqwest::Method::GET, path: path.clone(), query: query.clone(), body: None, ld: &ld };
        this.call_source(&origin, &part.registration, call, now)
    });
    let replies = join_all(calls).await;
    let (mut status, mut headers, bytes) = read_answer(response).await;
    let mut all: Option<Value> = serde_json::from_slice(&bytes).ok().filter(|_| status.is_success());
    for (part, reply) in parts.iter().zip(replies) {
        let trouble = match reply {
            Ok(Reply { status: 200, body: Some(theirs), .. }) => {
                match &mut all {
                    Some(all) => add_inventory(all, theirs),
                    None => all = Some(theirs),
                }
                continue;
            }
            Ok(reply) if reply.status == 404 => continue,
            Ok(Reply { status: 200, .. }) => Trouble::Garbled,
            Ok(reply) => Trouble::Refused(reply.status),
            Err(trouble) => trouble,
        };
        asked.notes.header("ngsild-warning", trouble.warning(&part.registration, now));
    }
    let Some(all) = all else { return Ok(again(status, headers, bytes)) };
    if !status.is_success() {
        status = StatusCode::OK;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.remove(header::CONTENT_LENGTH);
    Ok(again(status, headers, Bytes::from(all.to_string())))
}

/// Adds what a source knows of types or attributes: lists are united, objects that stand for the same are joined.
fn add_inventory(ours: &mut Value, theirs: Value) {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            for one in theirs {
                let key = |v: &Value| v.get("id").or_else(|| v.get("attributeName")).cloned();
                match ours.iter_mut().find(|o| **o == one || (key(o).is_some() && key(o) == key(&one))) {
                    Some(same) => add_inventory(same, one),
                    None => ours.push(one),
                }
            }
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            for (name, value) in theirs {
                match (name.as_str(), ours.get_mut(&name)) {
                    ("entityCount" | "attributeCount", Some(have)) => *have = (have.as_u64().unwrap_or(0) + value.as_u64().unwrap_or(0)).into(),
                    (_, Some(have)) => add_inventory(have, value),
                    (_, None) => drop(ours.insert(name, value)),
                }
            }
        }
        _ => {}
    }
}
