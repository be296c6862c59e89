//! Context-source registrations (CIM 009, 5.2.9): what another broker or source offers, in which mode, by which
//! operations. Held with expanded names, so that each request sees them in its own context.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dothi_kernel::Result;
use regex::Regex;
use serde_json::{Map, Value};

use crate::change;
use crate::fault::{bad, cut};
use crate::federation::forward::{FROM_REQUEST, Reply};
use crate::federation::maps::duration;
use crate::ld::Ld;
use crate::model::{Entity, Iri, instant, parse_instant};
use crate::parse::{self, Form};
use crate::q::regex;

/// Members that are given as they are; all others are properties of the source and have expanded names.
const MEMBERS: [&str; 22] = [
    "id",
    "type",
    "registrationName",
    "description",
    "information",
    "tenant",
    "observationInterval",
    "managementInterval",
    "location",
    "observationSpace",
    "operationSpace",
    "expiresAt",
    "endpoint",
    "contextSourceInfo",
    "contextSourceAlias",
    "scope",
    "mode",
    "operations",
    "refreshRate",
    "management",
    "localOnly",
    "datasetId",
];
/// Members that only we set.
pub const READ_ONLY: [&str; 8] = ["status", "timesSent", "timesFailed", "lastSuccess", "lastFailure", "createdAt", "modifiedAt", "@context"];
/// Longest text of a registration, bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Longest wait for a source when its registration says nothing.
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(30);
/// Answers of one source that are remembered, and bytes of one.
const MAX_ANSWERS: usize = 100;
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How a source's data and ours relate (4.3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Both hold data; the newest counts.
    Inclusive,
    /// Only the source holds these attributes of these entities.
    Exclusive,
    /// Only sources hold them.
    Redirect,
    /// Data of the source fill gaps.
    Auxiliary,
}

impl Mode {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "inclusive" => Some(Self::Inclusive),
            "exclusive" => Some(Self::Exclusive),
            "redirect" => Some(Self::Redirect),
            "auxiliary" => Some(Self::Auxiliary),
            _ => None,
        }
    }
}

/// Operations (4.20). A set of them is a word of bits.
const OPERATIONS: [&str; 46] = [
    "createEntity",
    "updateEntity",
    "appendAttrs",
    "updateAttrs",
    "deleteAttrs",
    "deleteEntity",
    "createBatch",
    "upsertBatch",
    "updateBatch",
    "deleteBatch",
    "upsertTemporal",
    "appendAttrsTemporal",
    "deleteAttrsTemporal",
    "updateAttrsTemporal",
    "updateAttrInstanceTemporal",
    "deleteAttrInstanceTemporal",
    "deleteTemporal",
    "mergeEntity",
    "replaceEntity",
    "replaceAttrs",
    "mergeBatch",
    "purgeEntity",
    "retrieveEntity",
    "queryEntity",
    "queryBatch",
    "retrieveTemporal",
    "queryTemporal",
    "retrieveEntityTypes",
    "retrieveEntityTypeDetails",
    "retrieveEntityTypeInfo",
    "retrieveAttrTypes",
    "retrieveAttrTypeDetails",
    "retrieveAttrTypeInfo",
    "createSubscription",
    "updateSubscription",
    "retrieveSubscription",
    "querySubscription",
    "deleteSubscription",
    "retrieveEntityMap",
    "updateEntityMap",
    "deleteEntityMap",
    "createEntityMap",
    "createTemporalEntityMap",
    "createSnapshot",
    "retrieveSnapshot",
    "deleteSnapshot",
];

const READING: [&str; 8] = [
    "retrieveEntity",
    "queryEntity",
    "retrieveEntityTypes",
    "retrieveEntityTypeDetails",
    "retrieveEntityTypeInfo",
    "retrieveAttrTypes",
    "retrieveAttrTypeDetails",
    "retrieveAttrTypeInfo",
];

fn bit(name: &str) -> Option<u64> {
    OPERATIONS.iter().position(|o| *o == name).map(|at| 1 << at)
}

fn bits(names: &[&str]) -> u64 {
    names.iter().filter_map(|n| bit(n)).fold(0, |a, b| a | b)
}

fn group(name: &str) -> Option<u64> {
    let subscribing = ["createSubscription", "updateSubscription", "retrieveSubscription", "querySubscription", "deleteSubscription"];
    let redirecting = [
        "createEntity",
        "updateEntity",
        "appendAttrs",
        "updateAttrs",
        "deleteAttrs",
        "deleteEntity",
        "mergeEntity",
        "replaceEntity",
        "replaceAttrs",
        "purgeEntity",
    ];
    match name {
        "federationOps" => Some(bits(&READING) | bits(&subscribing)),
        "updateOps" => Some(bits(&["updateEntity", "updateAttrs", "replaceEntity", "replaceAttrs"])),
        "retrieveOps" => Some(bits(&["retrieveEntity", "queryEntity"])),
        "redirectionOps" => Some(bits(&redirecting) | bits(&READING)),
        _ => bit(name),
    }
}

/// One `EntityInfo`.
#[derive(Debug)]
pub struct EntityInfo {
    /// This entity.
    pub id: Option<Iri>,
    /// Entities whose ids match.
    pub pattern: Option<Regex>,
    /// Of these types.
    pub types: Vec<Iri>,
}

impl EntityInfo {
    /// Whether an entity can be meant; what is not known of it does not exclude it.
    pub fn covers(&self, id: Option<&str>, types: &[Iri]) -> bool {
        id.is_none_or(|id| self.id.as_ref().is_none_or(|i| **i == *id) && self.pattern.as_ref().is_none_or(|p| p.is_match(id)))
            && (types.is_empty() || self.types.iter().any(|t| types.contains(t)))
    }
}

/// One `RegistrationInfo`.
#[derive(Debug)]
pub struct Info {
    /// Entities; none = any.
    pub entities: Option<Vec<EntityInfo>>,
    /// Attributes; none = any.
    pub attrs: Option<Vec<Iri>>,
}

/// Times a source was called, and how that went.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    sent: u64,
    failed: u64,
    last_success: Option<i64>,
    last_failure: Option<i64>,
    rest_until: i64,
}

/// A registration, ready to be asked.
#[derive(Debug)]
pub struct Registration {
    /// URI.
    pub id: Iri,
    /// As given, with expanded names.
    pub body: Map<String, Value>,
    /// Mode.
    pub mode: Mode,
    /// What is offered.
    pub information: Vec<Info>,
    /// Where the source is, without a slash at the end.
    pub endpoint: url::Url,
    /// Tenant at the source.
    pub tenant: Option<String>,
    /// Headers to send along, and how to talk with the source.
    pub info: Vec<(String, String)>,
    /// How the source names itself in `Via`.
    pub alias: Option<String>,
    /// The source shall not ask others in turn.
    pub local_only: bool,
    /// Longest wait.
    pub timeout: Duration,
    /// Rest after a failure.
    cooldown: Duration,
    /// For how long an answer counts for the same question, µs.
    cache: i64,
    answers: Mutex<HashMap<String, (i64, Reply)>>,
    /// Created, µs.
    pub created: i64,
    /// Modified, µs.
    pub modified: i64,
    /// Times of observation that the source has.
    pub observation: Option<(i64, i64)>,
    /// Times of change that the source has.
    pub management: Option<(i64, i64)>,
    /// Its own members as an entity, for filters.
    pub properties: Entity,
    expires: Option<i64>,
    operations: u64,
    figures: Mutex<Figures>,
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>> {
    body.get(name).map(|v| v.as_str().filter(|t| !t.is_empty()).ok_or_else(|| bad(format!("{name} must be a text.")))).transpose()
}

fn interval(body: &Map<String, Value>, name: &str) -> Result<Option<(i64, i64)>> {
    let Some(value) = body.get(name) else { return Ok(None) };
    let at = |member: &str| {
        value.get(member).map(|v| v.as_str().and_then(parse_instant).ok_or_else(|| bad(format!("{name}: {member} must be an instant in UTC.")))).transpose()
    };
    let start = at("startAt")?.ok_or_else(|| bad(format!("{name} needs startAt.")))?;
    let end = at("endAt")?.unwrap_or(i64::MAX);
    if end < start {
        return Err(bad(format!("{name} ends before it starts.")));
    }
    Ok(Some((start, end)))
}

fn names(value: &Value, name: &str) -> Result<Vec<Iri>> {
    let many = value.as_array().filter(|m| !m.is_empty() && m.len() <= 1_000).ok_or_else(|| bad(format!("{name} must be a list of 1 to 1,000 names.")))?;
    many.iter().map(|v| v.as_str().map(Iri::from).ok_or_else(|| bad(format!("{name} must be a list of names.")))).collect()
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |many| many.iter().collect())
}

/// Puts expanded names in place of those of a request.
pub fn expanded(body: Map<String, Value>, ld: &Ld) -> Result<Map<String, Value>> {
    let mut out = Map::new();
    for (key, value) in body {
        if READ_ONLY.contains(&key.as_str()) {
            continue;
        }
        let value = if key == "information" { renamed(&value, &|n| ld.expand(n).map(|i| i.to_string()))? } else { value };
        let key = if MEMBERS.contains(&key.as_str()) { key } else { ld.expand(&key)?.to_string() };
        out.insert(key, value);
    }
    Ok(out)
}

fn renamed(information: &Value, name: &dyn Fn(&str) -> Result<String>) -> Result<Value> {
    let one = |v: &Value| v.as_str().map_or_else(|| Ok(v.clone()), |n| name(n).map(Value::from));
    let many = |v: &Value| match v {
        Value::Array(many) => many.iter().map(one).collect::<Result<Vec<_>>>().map(Value::Array),
        v => one(v),
    };
    let entity = |v: &Value| -> Result<Value> {
        let Value::Object(object) = v else { return Ok(v.clone()) };
        object.iter().map(|(k, v)| Ok((k.clone(), if k == "type" { many(v)? } else { v.clone() }))).collect::<Result<Map<_, _>>>().map(Value::Object)
    };
    let info = |v: &Value| -> Result<Value> {
        let Value::Object(object) = v else { return Ok(v.clone()) };
        let member = |(k, v): (&String, &Value)| {
            Ok(match (k.as_str(), v) {
                ("propertyNames" | "relationshipNames", v) => (k.clone(), many(v)?),
                ("entities", Value::Array(all)) => (k.clone(), all.iter().map(entity).collect::<Result<Vec<_>>>()?.into()),
                _ => (k.clone(), v.clone()),
            })
        };
        object.iter().map(member).collect::<Result<Map<_, _>>>().map(Value::Object)
    };
    match information {
        Value::Array(all) => all.iter().map(info).collect::<Result<Vec<_>>>().map(Value::Array),
        v => Ok(v.clone()),
    }
}

fn entity_info(value: &Value) -> Result<EntityInfo> {
    let object = value.as_object().ok_or_else(|| bad("information: entities must be objects."))?;
    if let Some(unknown) = object.keys().find(|k| !matches!(k.as_str(), "id" | "idPattern" | "type")) {
        return Err(bad(format!("information: entities have no member {:?}.", cut(unknown))));
    }
    let types: Vec<Iri> = match object.get("type") {
        Some(value) => list(value)
            .into_iter()
            .map(|v| v.as_str().filter(|t| !t.is_empty()).map(Iri::from).ok_or_else(|| bad("information: a type must be a text.")))
            .collect::<Result<_>>()?,
        None => return Err(bad("information: entities need a type.")),
    };
    let id = object.get("id").map(parse::entity_id).transpose()?;
    let pattern = object.get("idPattern").map(|p| p.as_str().ok_or_else(|| bad("idPattern must be a text.")).and_then(regex)).transpose()?;
    if types.is_empty() || (id.is_some() && pattern.is_some()) {
        return Err(bad("information: entities have a type, and either id or idPattern."));
    }
    Ok(EntityInfo { id, pattern, types })
}

fn information(body: &Map<String, Value>) -> Result<Vec<Info>> {
    let many = body.get("information").and_then(Value::as_array).filter(|m| !m.is_empty() && m.len() <= 1_000);
    let mut out = Vec::new();
    for one in many.ok_or_else(|| bad("A registration needs information: a list of 1 to 1,000 objects."))? {
        let one = one.as_object().ok_or_else(|| bad("information must be a list of objects."))?;
        if let Some(unknown) = one.keys().find(|k| !matches!(k.as_str(), "entities" | "propertyNames" | "relationshipNames")) {
            return Err(bad(format!("information has no member {:?}.", cut(unknown))));
        }
        let entities = match one.get("entities") {
            Some(Value::Array(all)) if !all.is_empty() && all.len() <= 1_000 => Some(all.iter().map(entity_info).collect::<Result<Vec<_>>>()?),
            Some(_) => return Err(bad("information: entities must be a list of 1 to 1,000 objects.")),
            None => None,
        };
        let mut attrs = Vec::new();
        for member in ["propertyNames", "relationshipNames"] {
            if let Some(value) = one.get(member) {
                attrs.extend(names(value, member)?);
            }
        }
        if entities.is_none() && attrs.is_empty() {
            return Err(bad("information needs entities, propertyNames or relationshipNames."));
        }
        out.push(Info { entities, attrs: (!attrs.is_empty()).then_some(attrs) });
    }
    Ok(out)
}

fn operations(body: &Map<String, Value>, mode: Mode) -> Result<u64> {
    let allowed = bits(&["retrieveEntity", "queryEntity", "queryBatch", "retrieveTemporal", "queryTemporal"]) | bits(&READING);
    let Some(value) = body.get("operations") else {
        let usual = group("federationOps").unwrap_or(0);
        return Ok(if mode == Mode::Auxiliary { usual & allowed } else { usual });
    };
    let mut out = 0;
    for word in value.as_array().filter(|m| !m.is_empty()).ok_or_else(|| bad("operations must be a list of words."))? {
        let word = word.as_str().ok_or_else(|| bad("operations must be a list of words."))?;
        out |= group(word).ok_or_else(|| bad(format!("operations: {:?} is not known.", cut(word))))?;
    }
    if mode == Mode::Auxiliary && out & !allowed != 0 {
        return Err(bad("An auxiliary registration may offer operations that read, and no others."));
    }
    Ok(out)
}

fn context_source_info(body: &Map<String, Value>) -> Result<Vec<(String, String)>> {
    let Some(value) = body.get("contextSourceInfo") else { return Ok(Vec::new()) };
    let wrong = || bad("contextSourceInfo must be a list of {\"key\": text, \"value\": text}.");
    let many = value.as_array().filter(|m| m.len() <= 50).ok_or_else(wrong)?;
    let mut out = Vec::new();
    for one in many {
        let member = |name: &str| one.get(name).and_then(Value::as_str).filter(|t| !t.is_empty() && t.len() <= 4_096).map(str::to_string);
        let (key, value) = (member("key").ok_or_else(wrong)?, member("value").ok_or_else(wrong)?);
        if header_name(&key).is_none() || value.chars().any(char::is_control) {
            return Err(bad(format!("contextSourceInfo: {:?} cannot be a header.", cut(&key))));
        }
        out.push((key, value));
    }
    Ok(out)
}

/// A header's name, when the word can be one (RFC 9110 token).
fn header_name(word: &str) -> Option<&str> {
    Some(word).filter(|w| w.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)))
}

struct Management {
    local_only: bool,
    timeout: Duration,
    cooldown: Duration,
    cache: i64,
}

fn management(body: &Map<String, Value>) -> Result<Management> {
    let mut out = Management { local_only: false, timeout: PATIENCE, cooldown: Duration::ZERO, cache: 0 };
    let flag = |v: &Value| v.as_bool().ok_or_else(|| bad("localOnly must be true or false."));
    if let Some(value) = body.get("localOnly") {
        out.local_only = flag(value)?;
    }
    let Some(value) = body.get("management") else { return Ok(out) };
    let object = value.as_object().ok_or_else(|| bad("management must be an object."))?;
    for (key, value) in object {
        let millis = || {
            let ms = value.as_f64().filter(|ms| *ms > 0.0 && *ms <= 86_400_000.0);
            ms.map(|ms| Duration::from_secs_f64(ms / 1_000.0)).ok_or_else(|| bad(format!("management: {} must be a number of milliseconds above 0.", cut(key))))
        };
        match key.as_str() {
            "localOnly" => out.local_only = flag(value)?,
            "timeout" => out.timeout = millis()?.min(LONGEST),
            "cooldown" => out.cooldown = millis()?,
            "cacheDuration" => {
                out.cache = duration(value.as_str().ok_or_else(|| bad("management: cacheDuration must be a text."))?)?;
            }
            other => return Err(bad(format!("management has no member {:?}.", cut(other)))),
        }
    }
    Ok(out)
}

fn endpoint(body: &Map<String, Value>) -> Result<url::Url> {
    let given = text(body, "endpoint")?.ok_or_else(|| bad("A registration needs an endpoint."))?;
    let url = url::Url::parse(given).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.host().is_some() && given.len() <= 2_048);
    let url = url.ok_or_else(|| bad("The endpoint must be an http or https address."))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("The endpoint must be a plain address, without user, query or fragment."));
    }
    Ok(url)
}

/// The members that filters look at, as an entity.
fn properties(id: &Iri, body: &Map<String, Value>, now: i64) -> Result<Entity> {
    let core = Ld::default();
    let mut shown: Map<String, Value> = Map::new();
    shown.insert("id".into(), (&**id).into());
    shown.insert("type".into(), "ContextSourceRegistration".into());
    for (key, value) in body {
        match key.as_str() {
            "id" | "type" | "information" | "contextSourceInfo" | "management" | "expiresAt" | "datasetId" => {}
            "observationInterval" | "managementInterval" => drop(shown.insert(key.clone(), serde_json::json!({"type": "Property", "value": value}))),
            _ => drop(shown.insert(key.clone(), value.clone())),
        }
    }
    change::create(id.clone(), &parse::draft(&shown, &core, Form::WHOLE)?, now)
}

impl Registration {
    /// Checks a registration whose names are expanded. `fresh`: an end in the past is refused.
    pub fn parse(id: Iri, body: Map<String, Value>, now: i64, fresh: bool) -> Result<Self> {
        if body.get("type").and_then(Value::as_str) != Some("ContextSourceRegistration") {
            return Err(bad("The type must be ContextSourceRegistration."));
        }
        if serde_json::to_string(&body).map_or(usize::MAX, |t| t.len()) > MAX_BYTES {
            return Err(bad(format!("A registration may have at most {MAX_BYTES} bytes.")));
        }
        let mode = match body.get("mode") {
            None => Mode::Inclusive,
            Some(word) => word.as_str().and_then(Mode::parse).ok_or_else(|| bad("mode must be inclusive, exclusive, redirect or auxiliary."))?,
        };
        let information = information(&body)?;
        if mode == Mode::Exclusive {
            let single = |i: &Info| i.attrs.is_some() && i.entities.as_ref().is_some_and(|e| e.iter().all(|e| e.id.is_some()));
            if !information.iter().all(single) {
                return Err(bad("An exclusive registration names ids of entities and attributes, no patterns and no whole types."));
            }
        }
        let expires =
            body.get("expiresAt").map(|v| v.as_str().and_then(parse_instant).ok_or_else(|| bad("expiresAt must be an instant in UTC."))).transpose()?;
        if fresh && expires.is_some_and(|x| x <= now) {
            return Err(bad("expiresAt lies in the past."));
        }
        for name in ["registrationName", "description", "contextSourceAlias"] {
            text(&body, name)?;
        }
        let management = management(&body)?;
        Ok(Self {
            properties: properties(&id, &body, now)?,
            mode,
            information,
            endpoint: endpoint(&body)?,
            tenant: text(&body, "tenant")?.map(str::to_string),
            info: context_source_info(&body)?,
            alias: text(&body, "contextSourceAlias")?.map(str::to_string),
            local_only: management.local_only,
            timeout: management.timeout,
            cooldown: management.cooldown,
            cache: management.cache,
            answers: Mutex::default(),
            created: now,
            modified: now,
            observation: interval(&body, "observationInterval")?,
            management: interval(&body, "managementInterval")?,
            expires,
            operations: operations(&body, mode)?,
            figures: Mutex::default(),
            id,
            body,
        })
    }

    /// Whether it is in force.
    pub fn alive(&self, now: i64) -> bool {
        self.expires.is_none_or(|x| x > now)
    }

    /// Whether the source offers an operation.
    pub fn offers(&self, operation: &str) -> bool {
        bit(operation).is_some_and(|b| self.operations & b != 0)
    }

    /// Whether the source rests after a failure.
    pub fn rests(&self, now: i64) -> bool {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).rest_until > now
    }

    /// Counts a call.
    pub fn count(&self, ok: bool, now: i64) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.sent += 1;
        if ok {
            figures.last_success = Some(now);
        } else {
            figures.failed += 1;
            figures.last_failure = Some(now);
            figures.rest_until = now.saturating_add(i64::try_from(self.cooldown.as_micros()).unwrap_or(i64::MAX));
        }
    }

    /// What the source answered to the same question, if that still counts (5.2.34).
    pub fn remembered(&self, question: &str, now: i64) -> Option<Reply> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(question).filter(|(until, _)| *until > now).map(|(_, reply)| reply.clone())
    }

    /// Whether answers are to be remembered. One that depends on who asks is not for others.
    pub fn remembers(&self) -> bool {
        self.cache > 0 && self.info.iter().all(|(_, value)| value != FROM_REQUEST)
    }

    /// Keeps an answer, within bounds.
    pub fn remember(&self, question: String, reply: &Reply, now: i64) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_ANSWERS {
            answers.retain(|_, (until, _)| *until > now);
        }
        if answers.len() < MAX_ANSWERS && reply.bytes <= MAX_ANSWER_BYTES {
            answers.insert(question, (now.saturating_add(self.cache), reply.clone()));
        }
    }

    /// Forgets all answers: the data may have changed.
    pub fn forget(&self) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Takes over the figures and the creation of the one it replaces.
    pub fn follow(&mut self, old: &Registration) {
        self.created = old.created;
        self.figures = Mutex::new(old.figures.lock().unwrap_or_else(PoisonError::into_inner).clone());
    }

    /// What the source knows of an entity: `None` = nothing, `Some(None)` = any attribute, else these.
    pub fn attributes_of(&self, id: Option<&str>, types: &[Iri]) -> Option<Option<Vec<Iri>>> {
        let mut found: Option<Vec<Iri>> = None;
        for info in &self.information {
            if info.entities.as_ref().is_none_or(|e| e.iter().any(|e| e.covers(id, types))) {
                match &info.attrs {
                    None => return Some(None),
                    Some(attrs) => found.get_or_insert_default().extend(attrs.iter().cloned()),
                }
            }
        }
        found.map(Some)
    }

    /// The entities that it names; none when it covers others, too.
    pub fn ids(&self) -> Option<Vec<Iri>> {
        let entities = self.information.iter().map(|i| i.entities.as_ref()).collect::<Option<Vec<_>>>()?;
        entities.into_iter().flatten().map(|e| e.id.clone()).collect()
    }

    /// Types that it states for an entity.
    pub fn types_of(&self, id: &str) -> Vec<Iri> {
        let entities = self.information.iter().filter_map(|i| i.entities.as_ref()).flatten();
        entities.filter(|e| e.covers(Some(id), &[])).flat_map(|e| e.types.iter().cloned()).collect()
    }

    /// As users see it.
    pub fn describe(&self, ld: &Ld, sys_attrs: bool) -> Map<String, Value> {
        let mut out = Map::new();
        for (key, value) in &self.body {
            let value =
                if key == "information" { renamed(value, &|n| Ok(ld.compact(n).into_owned())).unwrap_or_else(|_| value.clone()) } else { value.clone() };
            let key = if MEMBERS.contains(&key.as_str()) { key.clone() } else { ld.compact(key).into_owned() };
            out.insert(key, value);
        }
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let failing = figures.last_failure.is_some() && figures.last_failure > figures.last_success;
        if figures.sent > 0 {
            out.insert("status".into(), if failing { "failed" } else { "ok" }.into());
            out.insert("timesSent".into(), figures.sent.into());
            out.insert("timesFailed".into(), figures.failed.into());
        }
        for (name, at) in [("lastSuccess", figures.last_success), ("lastFailure", figures.last_failure)] {
            if let Some(at) = at {
                out.insert(name.into(), instant(at).into());
            }
        }
        if sys_attrs {
            out.insert("createdAt".into(), instant(self.created).into());
            out.insert("modifiedAt".into(), instant(self.modified).into());
        }
        out
    }
}
