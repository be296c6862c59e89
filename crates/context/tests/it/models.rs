//! Smart Data Models: their valid examples are taken, the faulty ones refused with a reason that names the attribute.
//! The examples lie outside of the repository; without them the test says so and passes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::api::Api;

fn folder() -> Option<PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?.join("shared/data/ngsi-ld/smart-data-models");
    root.is_dir().then_some(root)
}

/// Words of attribute types that the standard knows.
fn is_faulty(entity: &Map<String, Value>) -> bool {
    let kinds = ["Property", "GeoProperty", "Relationship", "LanguageProperty", "VocabProperty", "JsonProperty", "ListProperty", "ListRelationship"];
    let id_ok = entity.get("id").and_then(Value::as_str).is_some_and(dothi_context::model::is_uri);
    let attr_ok = |v: &Value| match v {
        Value::Object(o) => match o.get("type").and_then(Value::as_str) {
            Some("Relationship") => o.contains_key("object"),
            Some(t) => {
                kinds.contains(&t)
                    && ["value", "languageMap", "vocab", "json", "valueList", "objectList"].iter().any(|m| o.get(*m).is_some_and(|v| !v.is_null()))
            }
            None => true,
        },
        _ => true,
    };
    !id_ok || entity.iter().any(|(k, v)| !matches!(k.as_str(), "id" | "type" | "@context") && !attr_ok(v))
}

#[tokio::test]
async fn examples_are_taken_or_refused_with_a_reason() {
    let Some(folder) = folder() else {
        eprintln!("SKIPPED: the examples of Smart Data Models are not there");
        return;
    };
    let api = Api::new().await;
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let (contexts, examples): (Vec<_>, Vec<_>) = files.into_iter().partition(|p| p.to_string_lossy().ends_with(".context.jsonld"));
    let read = |p: &PathBuf| serde_json::from_str::<Value>(&std::fs::read_to_string(p).unwrap()).unwrap();
    let by_subject: BTreeMap<String, Value> =
        contexts.iter().map(|p| (p.file_name().unwrap().to_string_lossy().split('.').next().unwrap().to_string(), read(p))).collect();
    let (mut taken, mut refused) = (0, Vec::new());
    for path in &examples {
        let file = path.file_name().unwrap().to_string_lossy().to_string();
        let mut body = read(path).as_object().unwrap().clone();
        // The forty spellings of the subjects' addresses are all pinned to the copy here.
        let subject = file.split('.').next().unwrap();
        let mut pin = |url: &Value| {
            if let Some(url) = url.as_str().filter(|u| !dothi_context::ld::is_core(u)) {
                api.context.pin_context(url, by_subject.get(subject).cloned().unwrap_or_else(|| panic!("no context of {subject}"))).unwrap();
            }
        };
        match body.get("@context").unwrap_or(&Value::Null) {
            Value::Array(many) => many.iter().for_each(&mut pin),
            one => pin(one),
        }
        // Two models' examples share an id.
        if let Some(id) = body.get("id").and_then(Value::as_str).filter(|i| dothi_context::model::is_uri(i)) {
            body["id"] = format!("{id}-{}", taken + refused.len()).into();
        }
        let faulty = is_faulty(&body);
        let reply =
            api.send(api.system(), "POST", "/ngsi-ld/v1/entities", &[("content-type", "application/ld+json")], Value::from(body.clone()).to_string()).await;
        match reply.status.as_u16() {
            201 => {
                assert!(!faulty, "{file} should have been refused");
                taken += 1;
                let id: String = url::form_urlencoded::byte_serialize(body["id"].as_str().unwrap().as_bytes()).collect();
                let back = api.get(&format!("/entities/{}", id.replace('+', "%20"))).await;
                assert_eq!(back.status, 200, "{file}: {}", back.text);
            }
            400 => {
                let detail = reply.json()["detail"].as_str().unwrap().to_string();
                assert!(detail.len() > 10 && (detail.contains(':') || detail.contains("id ") || detail.contains("@context")), "{file}: {detail}");
                refused.push(format!("{file}: {detail}"));
            }
            other => panic!("{file}: {other} {}", reply.text),
        }
    }
    eprintln!("taken {taken}, refused {}:\n{}", refused.len(), refused.join("\n"));
    assert!(taken >= 100 && taken + refused.len() == examples.len(), "taken {taken}, refused {}", refused.len());
}
