//! Answers for those who read an earlier version of the standard (`Prefer: ngsi-ld=1.5`; CIM 009, 4.3.6.8 and 6.3.6).

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value};

use super::wire::Params;

/// The version that we write: 1.9.
const OURS: u32 = 9;
/// Bytes of an answer that is amended.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The minor version of NGSI-LD 1 that the request prefers, at most ours.
pub fn preferred(headers: &HeaderMap) -> Option<u32> {
    let all = headers.get_all("prefer").iter().filter_map(|v| v.to_str().ok());
    all.flat_map(|v| v.split(',')).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let (major, minor) = value.trim().trim_matches('"').split_once('.')?;
        let ours = name.trim().eq_ignore_ascii_case("ngsi-ld") && major == "1";
        ours.then(|| minor.parse::<u32>().ok()).flatten().map(|minor| minor.min(OURS))
    })
}

/// What of a request says how to amend its answer.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    minor: u32,
    /// The answer holds entities in a form that has attributes.
    entities: bool,
    simplified: bool,
}

impl Wanted {
    /// What a request wants; none when it prefers no version.
    pub fn of(headers: &HeaderMap, method: &Method, path: &str, query: &str) -> Option<Self> {
        let minor = preferred(headers)?;
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let entities = match parts.as_slice() {
            ["entities"] | ["entities", _] => method == Method::GET,
            ["entityOperations", "query"] => true,
            _ => false,
        };
        let params = Params::read(query);
        let simple = |w: &str| matches!(w, "keyValues" | "simplified");
        let simplified = match params.get("format") {
            Some(format) => simple(format),
            None => params.list("options").unwrap_or_default().into_iter().any(simple),
        };
        Some(Self { minor, entities, simplified })
    }

    /// Puts the version on an answer and amends the entities in it; 203 when that changed something.
    pub async fn amend(self, response: Response) -> Response {
        let (mut parts, body) = response.into_parts();
        if !parts.status.is_success() {
            return Response::from_parts(parts, body);
        }
        if let Ok(applied) = HeaderValue::from_str(&format!("ngsi-ld=1.{}", self.minor)) {
            parts.headers.insert("preference-applied", applied);
        }
        if !self.entities || self.minor >= OURS || parts.status == StatusCode::MULTI_STATUS {
            return Response::from_parts(parts, Body::new(body));
        }
        let Ok(bytes) = to_bytes(body, MAX_ANSWER).await else {
            parts.status = StatusCode::INTERNAL_SERVER_ERROR;
            parts.headers.remove(header::CONTENT_LENGTH);
            return Response::from_parts(parts, Body::empty());
        };
        let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else { return Response::from_parts(parts, Body::from(bytes)) };
        if !self.payload(&mut value) {
            return Response::from_parts(parts, Body::from(bytes));
        }
        if parts.status == StatusCode::OK {
            parts.status = StatusCode::NON_AUTHORITATIVE_INFORMATION;
        }
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(value.to_string()))
    }

    fn payload(self, value: &mut Value) -> bool {
        match value {
            Value::Array(many) => many.iter_mut().fold(false, |changed, one| self.payload(one) | changed),
            Value::Object(object) if object.get("type").is_some_and(|t| t == "FeatureCollection") => {
                object.get_mut("features").is_some_and(|f| self.payload(f))
            }
            Value::Object(object) if object.get("type").is_some_and(|t| t == "Feature") => {
                object.get_mut("properties").and_then(Value::as_object_mut).is_some_and(|p| self.entity(p))
            }
            Value::Object(object) => self.entity(object),
            _ => false,
        }
    }

    /// Table 4.3.6.8-1.
    fn entity(self, entity: &mut Map<String, Value>) -> bool {
        let mut changed = self.minor < 9 && entity.shift_remove("expiresAt").is_some();
        changed |= self.minor < 4 && entity.shift_remove("scope").is_some();
        if self.minor < 3
            && let Some(kind) = entity.get_mut("type")
            && let Some(first) = kind.as_array().and_then(|all| all.first()).cloned()
        {
            *kind = first;
            changed = true;
        }
        if !self.simplified {
            changed |= self.members(entity);
        }
        changed
    }

    /// Attributes of an entity, or of an attribute.
    fn members(self, owner: &mut Map<String, Value>) -> bool {
        let mut changed = false;
        for (name, value) in owner.iter_mut() {
            if matches!(
                name.as_str(),
                "@context" | "id" | "type" | "value" | "object" | "languageMap" | "json" | "vocab" | "valueList" | "objectList" | "scope"
            ) {
                continue;
            }
            if self.minor < 3
                && let Value::Array(instances) = value
                && instances.iter().all(Value::is_object)
                && let Some(at) = instances.iter().position(|i| i.get("datasetId").is_none()).or((!instances.is_empty()).then_some(0))
            {
                *value = instances.swap_remove(at);
                changed = true;
            }
            match value {
                Value::Object(attr) => changed |= self.attribute(attr),
                Value::Array(instances) => changed |= instances.iter_mut().filter_map(Value::as_object_mut).fold(false, |c, attr| self.attribute(attr) | c),
                _ => {}
            }
        }
        changed
    }

    /// Tables 4.3.6.8-2 and -3.
    fn attribute(self, attr: &mut Map<String, Value>) -> bool {
        let known: [(u32, &str, &str); 5] = [
            (4, "LanguageProperty", "languageMap"),
            (8, "JsonProperty", "json"),
            (8, "VocabProperty", "vocab"),
            (8, "ListProperty", "valueList"),
            (8, "ListRelationship", "objectList"),
        ];
        let mut changed = false;
        for (_, kind, member) in known.into_iter().filter(|(since, ..)| self.minor < *since) {
            if !attr.get("type").is_none_or(|t| t == kind) {
                continue;
            }
            let Some(value) = attr.shift_remove(member) else { continue };
            let (kind, member, value) = if member == "objectList" { ("Relationship", "object", objects(value)) } else { ("Property", "value", value) };
            if let Some(stated) = attr.get_mut("type") {
                *stated = kind.into();
            }
            attr.insert(member.into(), value);
            changed = true;
        }
        let gone: [(u32, &str); 6] = [(9, "expiresAt"), (9, "valueType"), (8, "objectType"), (3, "datasetId"), (3, "observedAt"), (3, "unitCode")];
        for (_, name) in gone.into_iter().filter(|(since, _)| self.minor < *since) {
            changed |= attr.shift_remove(name).is_some();
        }
        self.members(attr) | changed
    }
}

/// The targets of a ListRelationship as those of a Relationship.
fn objects(list: Value) -> Value {
    match list {
        Value::Array(many) => many.into_iter().map(|mut o| o.get_mut("object").map(Value::take).unwrap_or(o)).collect(),
        other => other,
    }
}
