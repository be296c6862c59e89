//! Entities as earlier versions of the standard know them (CIM 009, 4.3.6.8).

use serde_json::{Map, Value};

/// The version that we write: 1.9.
pub const OURS: u32 = 9;

/// The minor version in `1.5`, at most ours; none when it is no version of NGSI-LD 1.
pub fn minor(text: &str) -> Option<u32> {
    let (major, minor) = text.split_once('.')?;
    (major == "1").then(|| minor.parse::<u32>().ok()).flatten().map(|minor| minor.min(OURS))
}

/// What somebody can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// Minor version.
    pub minor: u32,
    /// Attributes stand in the simplified form, which shows no kinds.
    pub simplified: bool,
}

impl Edition {
    /// Amends entities, lists of them and features; whether that changed something.
    pub fn amend(self, value: &mut Value) -> bool {
        match value {
            Value::Array(many) => many.iter_mut().fold(false, |changed, one| self.amend(one) | changed),
            Value::Object(object) if object.get("type").is_some_and(|t| t == "FeatureCollection") => object.get_mut("features").is_some_and(|f| self.amend(f)),
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
