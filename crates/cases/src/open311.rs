//! An Open311 GeoReport v2 server over the public side of cases: services are categories, requests are listed cases.
//!
//! Nothing here shows more than `public.rs` does; the standard has no field for who reported, and none is made up.
//! Extensions met in the wild are understood: pages, photos in the form, extended attributes, updates of requests.

use std::collections::BTreeMap;

use bytes::Bytes;
use dothi_kernel::time::micros;
use dothi_kernel::{Caller, CallerKind, Error, Kind, Permission, Result, Scope, Timestamp};
use dothi_store::params;
use jiff::Zoned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::{Contact, NewReport, PublicCase};
use crate::pack::{AnswerKind, CaseType, Category, Question};
use crate::tables::{self, CaseRecord, Filter, LogRecord};
use crate::{Cases, public, tables_open311 as sql, text};

/// Longest span of one question for requests.
const SPAN: i64 = 90 * 86_400_000_000;
/// Most requests of one answer, by the standard.
const MOST: usize = 1_000;
/// Most ids of one question.
const IDS: usize = 200;

/// What went wrong, as the standard wants it told: an HTTP status and a list of codes with descriptions.
#[derive(Debug)]
pub(crate) struct Faults {
    pub status: u16,
    pub list: Vec<(u16, String)>,
    pub retry_after: Option<std::time::Duration>,
}

impl Faults {
    pub fn one(status: u16, description: impl Into<String>) -> Self {
        Self { status, list: vec![(status, description.into())], retry_after: None }
    }

    /// The body.
    pub fn body(&self) -> Value {
        self.list.iter().map(|(code, description)| json!({ "code": code, "description": description })).collect()
    }
}

impl From<Error> for Faults {
    fn from(e: Error) -> Self {
        let status = match e.kind() {
            // "Any failure during processing" is 400; what tells a client to wait or to send less keeps its own.
            Kind::Conflict | Kind::Unprocessable | Kind::Invalid => 400,
            Kind::Unauthenticated | Kind::Forbidden => 403,
            other => other.status(),
        };
        if let Some(cause) = e.cause() {
            tracing::warn!(code = e.code(), cause, "an Open311 request failed");
        }
        let facts: Vec<String> = e.context().iter().filter(|(k, _)| *k != "doing").map(|(k, v)| format!("{k}: {v}")).collect();
        let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
        Self { status, list: vec![(status, format!("{}: {}{facts}", e.code(), e.detail()))], retry_after: e.wait() }
    }
}

type Answer = std::result::Result<Value, Faults>;

/// Arguments of a request, with or without a body; an empty one is a missing one.
#[derive(Default)]
pub(crate) struct Args {
    pairs: Vec<(String, String)>,
    /// Photos of a multipart form.
    photos: Vec<Bytes>,
    /// The header `Idempotency-Key`: a repeated request is taken once.
    once: Option<String>,
}

impl Args {
    /// From pairs in the order sent.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { pairs: pairs.into_iter().filter(|(_, v)| !v.trim().is_empty()).collect(), ..Self::default() }
    }

    /// The same with photos.
    pub fn with_photos(self, photos: Vec<Bytes>) -> Self {
        Self { photos, ..self }
    }

    /// The same under the sender's own key.
    pub fn once(self, key: Option<String>) -> Self {
        Self { once: key, ..self }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.trim())
    }

    /// `attribute[code]=v` and `attribute[code][]=v` by code, several values joined by commas.
    fn attributes(&self) -> BTreeMap<String, String> {
        let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (key, value) in &self.pairs {
            let Some(code) = key.strip_prefix("attribute[").map(|k| k.strip_suffix("[]").unwrap_or(k)).and_then(|k| k.strip_suffix(']')) else { continue };
            found.entry(code.to_string()).or_default().push(value.trim());
        }
        found.into_iter().map(|(code, values)| (code, values.join(","))).collect()
    }
}

/// A key of another system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Open311Key)]
pub struct ApiKey {
    /// Id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// Name of the system.
    pub name: String,
    /// Login of who made it.
    pub made_by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
    /// The secret; shown once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Makes a key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Open311KeyInput)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyInput {
    /// Name of the system that gets it.
    pub name: String,
}

impl Cases {
    /// Keys for Open311, newest first.
    pub async fn api_keys(&self, caller: &Caller) -> Result<Vec<ApiKey>> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        let keys = sql::keys(&self.store).await?;
        Ok(keys.into_iter().map(|k| ApiKey { id: k.id, name: k.name, made_by: k.made_by, at: k.at, revoked_at: k.revoked_at, key: None }).collect())
    }

    /// Makes a key; the answer alone holds its secret. On record.
    pub async fn make_api_key(&self, caller: &Caller, input: ApiKeyInput) -> Result<ApiKey> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        let name = text::clean(&input.name, "name", 60)?;
        if name.is_empty() {
            return Err(Error::invalid("case.text.missing", "Say which system the key is for."));
        }
        let secret = text::random_code(32);
        let mut tx = self.store.begin(caller).await?;
        let id = tx.id();
        sql::insert_key(&mut tx, id, &name, &text::hash(&[&secret]), &caller.name).await?;
        tx.audit("case.open311-key.make", &format!("open311-key:{id}"), &json!({ "name": name })).await?;
        tx.commit().await?;
        Ok(ApiKey { id, name, made_by: caller.name.to_string(), at: caller.now, revoked_at: None, key: Some(secret) })
    }

    /// Ends a key. 404 `case.open311-key.unknown`.
    pub async fn revoke_api_key(&self, caller: &Caller, id: Uuid) -> Result<()> {
        caller.require(Permission::PeopleManage, Scope::ANY)?;
        let mut tx = self.store.begin(caller).await?;
        if !sql::revoke_key(&mut tx, id).await? {
            return Err(Error::not_found("case.open311-key.unknown", "There is no such key, or it was ended already."));
        }
        tx.audit("case.open311-key.revoke", &format!("open311-key:{id}"), &json!({})).await?;
        tx.commit().await
    }
}

/// The served case type, and what the pack says about serving it.
struct Served {
    case_type: Arc<CaseType>,
}

impl Served {
    fn policy(&self) -> &crate::pack::Open311Policy {
        // `served` gives only types that have one; the default says nothing.
        static NONE: std::sync::LazyLock<crate::pack::Open311Policy> = std::sync::LazyLock::new(Default::default);
        self.case_type.open311.as_ref().unwrap_or(&NONE)
    }

    /// Whether requests of a category are answered with a token: they get their id when the centre has let them through.
    fn batch(&self, category: &str) -> bool {
        self.policy().batch.contains(category)
    }
}

fn english(args: &Args) -> bool {
    args.get("locale").is_some_and(|l| l.starts_with("en"))
}

fn pick<'a>(en: bool, vi: &'a str, other: &'a str) -> &'a str {
    if en && !other.is_empty() { other } else { vi }
}

impl Cases {
    fn served(&self, args: &Args) -> std::result::Result<Served, Faults> {
        let types = self.installed();
        let found = types.values().filter_map(|v| v.last_key_value()).find(|(_, t)| t.open311.is_some());
        let (_, case_type) = found.ok_or_else(|| Faults::one(404, "Nothing is offered over Open311 here."))?;
        let served = Served { case_type: case_type.clone() };
        let home = &served.policy().jurisdiction_id;
        match args.get("jurisdiction_id") {
            Some(asked) if asked != home => Err(Faults::one(404, format!("jurisdiction_id provided was not found; this server serves {home}"))),
            _ => Ok(served),
        }
    }

    /// The discovery file; `base` is the server's own address (`https://host`).
    pub(crate) fn open311_discovery(&self, base: &str) -> Answer {
        let served = self.served(&Args::default())?;
        let policy = served.policy();
        let formats = ["text/xml", "application/json"];
        Ok(json!({
            "changeset": policy.changeset,
            "contact": policy.contact,
            "key_service": policy.key_service,
            "endpoints": [{
                "specification": "http://wiki.open311.org/GeoReport_v2",
                "url": format!("{base}/open311/v2"),
                "changeset": policy.changeset,
                "type": "production",
                "formats": formats,
            }],
        }))
    }

    /// All services.
    pub(crate) fn open311_services(&self, args: &Args) -> Answer {
        let served = self.served(args)?;
        let en = english(args);
        let services = served.case_type.categories.iter().map(|c| {
            let group = served.case_type.groups.get(&c.group);
            let keywords = [c.name.as_str(), c.name_en.as_str(), group.map_or("", |g| g.name.as_str())].map(|k| k.replace(',', " ")).join(", ");
            json!({
                "service_code": c.code,
                "service_name": pick(en, &c.name, &c.name_en),
                "description": pick(en, c.hint.as_deref().unwrap_or(""), c.hint_en.as_deref().unwrap_or("")),
                "metadata": !c.questions.is_empty(),
                "type": if served.batch(&c.code) { "batch" } else { "realtime" },
                "keywords": keywords,
                "group": group.map_or("", |g| pick(en, &g.name, &g.name_en)),
            })
        });
        Ok(services.collect())
    }

    /// The definition of a service. 404 when there is none, or nothing more to ask.
    pub(crate) fn open311_definition(&self, args: &Args, code: &str) -> Answer {
        let served = self.served(args)?;
        let category = served.case_type.category(code).filter(|c| !c.questions.is_empty());
        let category = category.ok_or_else(|| Faults::one(404, "service_code provided was not found, or it has no definition (metadata is false)"))?;
        let en = english(args);
        let attributes: Vec<Value> = category.questions.iter().enumerate().map(|(i, q)| attribute(q, i + 1, en)).collect();
        Ok(json!({ "service_code": code, "attributes": attributes }))
    }

    /// Takes a request. 403 without a key that counts; 404 for unknown services; 400 for what else is wrong.
    pub(crate) async fn open311_post(&self, caller: &Caller, args: Args) -> Answer {
        let served = self.served(&args)?;
        let (key, caller) = self.open311_key(caller, &args).await?;
        let code = args.get("service_code").ok_or_else(|| Faults::one(400, "service_code was not provided"))?;
        let category = served.case_type.category(code).ok_or_else(|| Faults::one(404, "service_code provided was not found"))?;
        let report = report_of(&args, &served.case_type, category)?;
        let batch = served.batch(code);
        let photos = args.photos.clone();
        let receipt = self.report(&caller, report, photos, args.once.as_deref()).await?;
        let notice = receipt.notice.clone().unwrap_or_default();
        if batch {
            let token = text::random_code(20);
            let mut tx = self.store.begin(&caller).await?;
            sql::insert_token(&mut tx, &token, receipt.id, key).await?;
            tx.commit().await?;
            return Ok(json!([{ "token": token, "service_notice": notice }]));
        }
        Ok(json!([{ "service_request_id": receipt.code, "service_notice": notice }]))
    }

    /// The id that a token stands for; empty until the centre has let the request through.
    pub(crate) async fn open311_token(&self, args: &Args, token: &str) -> Answer {
        self.served(args)?;
        let case = sql::case_of_token(&self.store, token).await?.ok_or_else(|| Faults::one(404, "token was not found"))?;
        let case_type = self.type_of(&case).await?;
        let id = if case.state == case_type.flow.initial { "" } else { case.code.as_str() };
        Ok(json!([{ "service_request_id": id, "token": token }]))
    }

    /// Whose key it is. 403 without one that counts. The caller then acts as that program: no grants, its own limits.
    async fn open311_key(&self, caller: &Caller, args: &Args) -> std::result::Result<(Uuid, Caller), Faults> {
        let given = args.get("api_key").ok_or_else(|| Faults::one(403, "Missing api_key (specify in the arguments)"))?;
        let key = sql::key_by_hash(&self.store, &text::hash(&[given])).await?.ok_or_else(|| Faults::one(403, "Invalid api_key"))?;
        let name: Arc<str> = format!("open311:{}", key.name).into();
        Ok((key.id, Caller { kind: CallerKind::Program, id: Some(key.id), name, grants: Arc::new([]), ..caller.clone() }))
    }

    /// Requests by id, or by service, time and state; newest first.
    pub(crate) async fn open311_requests(&self, caller: &Caller, args: &Args, base: &str) -> Answer {
        let served = self.served(args)?;
        let mut filter = Filter::default();
        filter.add("listed = 1 and kind = ?", params![&served.case_type.kind]);
        let (mut page, mut size) = (0, MOST);
        if let Some(ids) = args.get("service_request_id") {
            // Overrides all other arguments.
            let ids: Vec<String> = ids.split(',').map(text::normal_code).filter(|i| !i.is_empty()).take(IDS).collect();
            filter.one_of("code", &ids);
        } else {
            if let Some(codes) = args.get("service_code") {
                let codes: Vec<String> = codes.split(',').map(|c| c.trim().to_string()).filter(|c| !c.is_empty()).take(IDS).collect();
                filter.one_of("category", &codes);
            }
            let (from, to) = span(args, caller.now)?;
            filter.add("opened_at >= ? and opened_at <= ?", params![from, to]);
            let states: Vec<&str> = args.get("status").map(|s| s.split(',').map(str::trim).collect()).unwrap_or_default();
            match (states.contains(&"open"), states.contains(&"closed")) {
                (true, false) => filter.add("closed_at is null", params![]),
                (false, true) => filter.add("closed_at is not null", params![]),
                (true, true) => &mut filter,
                (false, false) if states.is_empty() => &mut filter,
                (false, false) => return Err(Faults::one(400, "status is open, closed, or both separated by a comma")),
            };
            size = count(args, "page_size", MOST)?.clamp(1, MOST);
            page = count(args, "page", 1)?.saturating_sub(1);
        }
        let cases = sql::requests(&self.store, filter, page, size).await?;
        self.open311_rows(caller, args, cases, base).await
    }

    /// One request. 404 when there is none in public.
    pub(crate) async fn open311_request(&self, caller: &Caller, args: &Args, id: &str, base: &str) -> Answer {
        self.served(args)?;
        let case = tables::case_by_code(&self.store, id).await?.filter(|c| c.listed);
        let case = case.ok_or_else(|| Faults::one(404, "service_request_id provided was not found"))?;
        self.open311_rows(caller, args, vec![case], base).await
    }

    async fn open311_rows(&self, caller: &Caller, args: &Args, cases: Vec<CaseRecord>, base: &str) -> Answer {
        let en = english(args);
        let extended = args.get("extensions") == Some("true");
        let public = self.public_cases(caller, &cases).await?;
        let rows = cases.iter().zip(public).map(|(case, p)| self.open311_row(case, p, (en, extended), base));
        Ok(rows.collect())
    }

    fn open311_row(&self, case: &CaseRecord, p: PublicCase, (en, extended): (bool, bool), base: &str) -> Value {
        let closed = case.closed_at;
        let photo = |sha: &String| format!("{base}/api/cases/photos/{sha}");
        let mut row = Map::new();
        // The standard's fields are texts and numbers, never null: what is not known is left out.
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                row.insert(name.to_string(), value);
            }
        };
        put("service_request_id", json!(p.code));
        put("status", json!(if closed.is_some() { "closed" } else { "open" }));
        let notes = p.answer.as_ref().map(|a| a.text.clone()).unwrap_or_else(|| pick(en, &p.state_name, &p.state_name_en).to_string());
        put("status_notes", json!(notes));
        put("service_name", json!(pick(en, &p.category_name, &p.category_name_en)));
        put("service_code", json!(p.category));
        put("description", json!(p.text.clone().unwrap_or_default()));
        put("agency_responsible", json!(p.unit.name));
        put("service_notice", json!(""));
        put("requested_datetime", json!(self.wall(p.opened_at)));
        put("updated_datetime", json!(self.wall(closed.unwrap_or(case.state_since))));
        put("expected_datetime", json!(closed.is_none().then(|| self.wall(p.due_at))));
        put("address", json!(p.area_name.clone().unwrap_or_default()));
        put("address_id", json!(p.area.clone().unwrap_or_default()));
        put("zipcode", json!(""));
        put("lat", json!(p.location.map(|l| l.lat)));
        put("long", json!(p.location.map(|l| l.lon)));
        put("media_url", json!(p.photos.first().map(photo)));
        if extended {
            let answer: Vec<String> = p.answer.iter().flat_map(|a| &a.photos).map(photo).collect();
            put(
                "extended_attributes",
                json!({ "detailed_status": p.state, "phase": p.phase, "title": pick(en, &p.category_name, &p.category_name_en), "answer_media_urls": answer.join(" "),
                    "followers": p.followers, "rating": p.rating, "page": format!("{base}/r/{}", p.code) }),
            );
        }
        Value::Object(row)
    }

    /// An instant on the wall clock here, with its offset.
    fn wall(&self, at: Timestamp) -> String {
        let zoned = Zoned::new(micros(at.as_second() * 1_000_000), self.calendar.zone().clone());
        zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// Updates of requests (the extension `servicerequestupdates`): the public steps within a span, oldest first.
    pub(crate) async fn open311_updates(&self, caller: &Caller, args: &Args, base: &str) -> Answer {
        let served = self.served(args)?;
        let (from, to) = span(args, caller.now)?;
        let only = match args.get("service_request_id") {
            None => None,
            Some(id) => {
                let case = tables::case_by_code(&self.store, id).await?.filter(|c| c.listed);
                Some(case.ok_or_else(|| Faults::one(404, "service_request_id provided was not found"))?.id)
            }
        };
        let steps = sql::steps(&self.store, from, to, only).await?;
        let ids: Vec<Uuid> = steps.iter().map(|s| s.case).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        let mut known: BTreeMap<Uuid, (CaseRecord, PublicCase)> = BTreeMap::new();
        for ids in ids.chunks(500) {
            let mut filter = Filter::default();
            let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
            filter.one_of("id", &texts);
            let cases = tables::cases(&self.store, filter, "id", 500).await?;
            let public = self.public_cases(caller, &cases).await?;
            known.extend(cases.into_iter().zip(public).map(|(c, p)| (c.id, (c, p))));
        }
        let en = english(args);
        let mut rows = Vec::new();
        for step in steps {
            let Some((case, p)) = known.get(&step.case).filter(|(c, _)| c.kind == served.case_type.kind) else { continue };
            let case_type = self.type_of(case).await?;
            let state = case_type.flow.states.get(&step.to);
            // Only what was published: the answer, and what the public was told of an extension or a plan.
            let says = public::told(&case_type, &step.step) || case_type.has(&step.step, crate::pack::Effect::PublishAnswer);
            let answered = case_type.has(&step.step, crate::pack::Effect::PublishAnswer);
            let words = step.public_text.filter(|_| says).or_else(|| p.answer.as_ref().filter(|_| answered).map(|a| a.text.clone()));
            let words = words.unwrap_or_else(|| state.map_or_else(String::new, |s| pick(en, &s.name, &s.name_en).to_string()));
            let media = p.answer.as_ref().filter(|_| answered).and_then(|a| a.photos.first()).map(|sha| format!("{base}/api/cases/photos/{sha}"));
            let ended =
                case_type.is_end(&step.to) && state.is_some_and(|s| matches!(s.phase, dothi_kernel::flow::Phase::Solved | dothi_kernel::flow::Phase::Unsolved));
            let mut row = json!({
                "update_id": format!("{}-{}", case.code, step.n),
                "service_request_id": case.code,
                "status": if ended { "closed" } else { "open" },
                "updated_datetime": self.wall(step.at),
                "description": words,
            });
            if let Some(media) = media {
                row["media_url"] = media.into();
            }
            rows.push(row);
        }
        Ok(Value::Array(rows))
    }

    /// An update of another system: kept as a note for the officers. It changes no state, and shows nothing in public.
    pub(crate) async fn open311_post_update(&self, caller: &Caller, args: &Args) -> Answer {
        self.served(args)?;
        let (key, caller) = self.open311_key(caller, args).await?;
        let need = |name: &'static str| args.get(name).ok_or_else(|| Faults::one(400, format!("{name} was not provided")));
        let (id, outside) = (need("service_request_id")?, need("update_id")?);
        let words = text::clean(need("description")?, "description", 4_000)?;
        let outside = text::clean(outside, "update_id", 100)?;
        let status = args.get("status").map(|s| text::short(s, 40));
        let mut tx = self.store.begin(&caller).await?;
        let found = tables::case_by_code_in(&mut tx, id).await?.filter(|c| c.listed);
        let found = found.ok_or_else(|| Faults::one(404, "service_request_id provided was not found"))?;
        let case = tables::case_in(&mut tx, found.id).await?.ok_or_else(tables::unknown)?;
        let (own, fresh) = sql::note_update(&mut tx, case.id, key, &outside).await?;
        if fresh {
            let note = match (status, args.get("media_url")) {
                (None, None) => words,
                (status, media) => {
                    [Some(words), status.map(|s| format!("({s})")), media.map(|m| text::short(m, 500))].into_iter().flatten().collect::<Vec<_>>().join("\n")
                }
            };
            let log = LogRecord { by_id: Some(key), step: "update".into(), note: Some(note), ..LogRecord::of(&case, caller.now, &caller.name) };
            tables::insert_log(&mut tx, case.id, &log).await?;
        }
        tx.commit().await?;
        Ok(json!([{ "update_id": own.to_string() }]))
    }
}

/// A question as an attribute of a service.
fn attribute(question: &Question, order: usize, en: bool) -> Value {
    let kind = question.kind();
    let values: Vec<Value> = question.options.iter().map(|o| json!({ "key": o.code, "name": pick(en, &o.text, &o.text_en) })).collect();
    let hint = pick(en, question.hint.as_deref().unwrap_or(""), question.hint_en.as_deref().unwrap_or(""));
    let mut attribute = json!({
        "variable": kind != AnswerKind::Notice,
        "code": question.code,
        "datatype": kind.datatype(),
        "required": question.required,
        "datatype_description": hint,
        "order": order,
        "description": pick(en, &question.text, &question.text_en),
    });
    if !values.is_empty() {
        attribute["values"] = Value::Array(values);
    }
    attribute
}

/// The report that a request's arguments ask for.
fn report_of(args: &Args, case_type: &CaseType, category: &Category) -> std::result::Result<NewReport, Faults> {
    let number = |name: &str| match args.get(name).map(str::parse::<f64>) {
        None => Ok(None),
        Some(Ok(value)) if value.is_finite() => Ok(Some(value)),
        Some(_) => Err(Faults::one(400, format!("{name} is not a number"))),
    };
    let (lat, lon) = (number("lat")?, number("long")?);
    let own = |name: &str| args.get(name).map(str::to_string);
    let (address, area) = (own("address_string"), own("address_id"));
    if (lat.is_none() || lon.is_none()) && address.is_none() && area.is_none() {
        return Err(Faults::one(400, "lat and long, address_string or address_id must be provided"));
    }
    // A form of ours always has words; here the name of the service says what it is about.
    let description = args.get("description").unwrap_or(&category.name);
    let plain = description.replace('<', "‹").replace('>', "›");
    let name = [args.get("last_name"), args.get("first_name")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let contact = Contact { name: Some(name).filter(|n| !n.is_empty()), phone: own("phone"), email: own("email") };
    let media = args.get("media_url").map(|m| format!("\n{}", text::short(m, 500))).unwrap_or_default();
    Ok(NewReport {
        kind: case_type.kind.clone(),
        category: category.code.clone(),
        text: format!("{plain}{media}"),
        lon,
        lat,
        address,
        area,
        contact: Some(contact),
        answers: args.attributes(),
        anonymous: true,
        source: Some("open311".into()),
        device: own("device_id"),
        ..NewReport::default()
    })
}

fn count(args: &Args, name: &str, default: usize) -> std::result::Result<usize, Faults> {
    let bad = || Faults::one(400, format!("{name} is a number from 1 on"));
    args.get(name).map_or(Ok(default), |n| n.parse().map_err(|_| bad()).and_then(|n: usize| if (1..=1_000_000).contains(&n) { Ok(n) } else { Err(bad()) }))
}

/// From when to when: at most 90 days, the last ones when nothing is said.
fn span(args: &Args, now: Timestamp) -> std::result::Result<(Timestamp, Timestamp), Faults> {
    let instant = |name: &str| match args.get(name).map(|t| t.replace(' ', "+").parse::<Timestamp>()) {
        None => Ok(None),
        Some(Ok(at)) => Ok(Some(at)),
        Some(Err(_)) => Err(Faults::one(400, format!("{name} is not a W3C date and time with a zone, such as 2026-11-21T00:00:00+07:00"))),
    };
    let shift = |at: Timestamp, by: i64| Timestamp::from_microsecond(at.as_microsecond().saturating_add(by)).unwrap_or(at);
    Ok(match (instant("start_date")?, instant("end_date")?) {
        (None, None) => (shift(now, -SPAN), now),
        (Some(from), None) => (from, shift(from, SPAN)),
        (None, Some(to)) => (shift(to, -SPAN), to),
        (Some(from), Some(to)) if to < from => return Err(Faults::one(400, "end_date lies before start_date")),
        (Some(from), Some(to)) if to.as_microsecond() - from.as_microsecond() > SPAN => {
            return Err(Faults::one(400, "start_date and end_date may not lie more than 90 days apart"));
        }
        (Some(from), Some(to)) => (from, to),
    })
}
