//! For any input: merging equals a slow reference, and nothing from outside makes a parser panic.

use dothi_context::ld::Ld;
use dothi_context::model::NULL;
use dothi_context::parse::{self, Form};
use dothi_context::q::Query;
use dothi_context::render::{self, View};
use dothi_context::select::{ScopeQuery, TypeSelector};
use dothi_context::{change, geoq, model};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// RFC 7396 with NGSI-LD Null in the place of null.
fn merged(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut out = target.as_object().cloned().unwrap_or_default();
    for (key, value) in patch {
        if value.as_str() == Some(NULL) || value.get("value").and_then(Value::as_str) == Some(NULL) {
            out.shift_remove(key);
        } else {
            let old = out.get(key).cloned().unwrap_or(Value::Null);
            out.insert(key.clone(), merged(&old, value));
        }
    }
    Value::Object(out)
}

fn plain() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-5i64..5).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        prop::collection::vec((0i64..3).prop_map(Value::from), 0..3).prop_map(Value::from)
    ]
}

fn compound(null: bool) -> BoxedStrategy<Value> {
    let leaf = if null { prop_oneof![3 => plain(), 1 => Just(Value::from(NULL))].boxed() } else { plain().boxed() };
    leaf.clone()
        .prop_recursive(3, 12, 3, |inner| prop::collection::btree_map("[x-z]", inner, 0..3).prop_map(|m| Value::Object(m.into_iter().collect::<Map<_, _>>())))
        .boxed()
}

/// Attributes `a`…`c` as Properties with units, times and sub-attributes; with nulls for patches.
fn attributes(null: bool, depth: u32) -> BoxedStrategy<Value> {
    let value = compound(null).prop_filter("a bare null is the attribute's own", |v| v.as_str() != Some(NULL));
    let unit = prop::option::of(if null { prop_oneof![Just("CEL"), Just(NULL)].boxed() } else { Just("CEL").boxed() });
    let time = prop::option::of(if null { prop_oneof![Just("2026-11-21T01:00:00Z"), Just(NULL)].boxed() } else { Just("2026-11-21T00:00:00Z").boxed() });
    let subs = if depth == 0 { Just(json!({})).boxed() } else { attributes(null, depth - 1) };
    let one = (value, unit, time, subs).prop_map(|(value, unit, time, subs)| {
        let mut out = json!({"type": "Property", "value": value});
        unit.into_iter().for_each(|u| out["unitCode"] = u.into());
        time.into_iter().for_each(|t| out["observedAt"] = t.into());
        out.as_object_mut().unwrap().extend(subs.as_object().unwrap().clone());
        out
    });
    let one =
        if null { prop_oneof![4 => one, 1 => Just(json!({"type": "Property", "value": NULL})), 1 => Just(Value::from(NULL))].boxed() } else { one.boxed() };
    prop::collection::btree_map("[a-c]", one, 0..4).prop_map(|m| Value::Object(m.into_iter().collect())).boxed()
}

fn entity(attrs: &Value) -> model::Entity {
    let mut body = json!({"type": "T"}).as_object().unwrap().clone();
    body.extend(attrs.as_object().unwrap().clone());
    let draft = parse::draft(&body, &Ld::default(), Form::WHOLE).unwrap();
    change::create("urn:a:b".into(), &draft, 0).unwrap()
}

fn shown(entity: &model::Entity) -> Value {
    let mut out = render::entity(entity, &Ld::default(), &View::default(), 1);
    out.shift_remove("id");
    out.shift_remove("type");
    Value::Object(out)
}

/// Names as nobody writes them: members of the core in other words, halves of IRIs, terms a context should not have.
fn odd_name() -> impl Strategy<Value = String> {
    let parts = ["ngsi-ld:", "default-context/", "https://uri.etsi.org/ngsi-ld/", "https://x.org/", "x:", "p:", "vl", "place", ":", "//", "/", "a", "1", "@"];
    let words = ["value", "valueList", "hasValueList", "id", "type", "location", "scope", "entityIdSealed", "observedAt", "status", "title", "unitCode"];
    prop::collection::vec(prop::sample::select([&parts[..], &words[..]].concat()), 1..4).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_equals_the_reference(old in attributes(false, 1), patch in attributes(true, 1)) {
        let mut merged_entity = entity(&old);
        let draft = parse::draft(patch.as_object().unwrap(), &Ld::default(), Form::MERGE).unwrap();
        change::merge(&mut merged_entity, &draft, None, 2).unwrap();
        prop_assert_eq!(shown(&merged_entity), merged(&old, &patch));
    }

    #[test]
    fn every_form_survives_a_round_trip(attrs in attributes(false, 2)) {
        let first = entity(&attrs);
        prop_assert_eq!(shown(&first), attrs);
        let concise = render::entity(&first, &Ld::default(), &View { form: render::Form::Concise, ..View::default() }, 1);
        let draft = parse::draft(&concise, &Ld::default(), Form::WHOLE).unwrap();
        let again = change::create("urn:a:b".into(), &draft, 0).unwrap();
        prop_assert!(model::same_attrs(&again.attrs, &first.attrs));
        let stored = serde_json::to_string(&first).unwrap();
        let mut loaded: model::Entity = serde_json::from_str(&stored).unwrap();
        loaded.id = first.id.clone();
        prop_assert_eq!(loaded, first);
    }

    #[test]
    fn what_is_taken_under_any_name_is_taken_again(name in odd_name(), sub in odd_name(), kind in odd_name(), own in any::<bool>()) {
        let terms = json!({"x": "https://x.org/", "p": {"@id": "https://x.org/p", "@prefix": true}, "vl": "https://uri.etsi.org/ngsi-ld/hasValueList",
            "place": "ngsi-ld:location", "type": "https://x.org/t", "1": "https://x.org/one", "x:a": "https://y.org/a", "@a": "https://x.org/at", "a b": "https://x.org/ab"});
        let ld = if own { dothi_context::ld::Contexts::default().read(&terms, 0).unwrap() } else { Ld::default() };
        let body = json!({"id": "urn:a:1", "type": kind, name: {"type": "Property", "value": 5, sub: {"type": "Property", "value": "x"}}});
        let read = |body: &Map<String, Value>| parse::draft(body, &ld, Form::WHOLE).and_then(|d| change::create(d.id.clone().unwrap(), &d, 0));
        if let Ok(taken) = read(body.as_object().unwrap()) {
            let written = render::entity(&taken, &ld, &View::default(), 0);
            let again = read(&written);
            prop_assert!(again.is_ok(), "{:?} of {}", again, Value::Object(written));
            prop_assert_eq!(again.unwrap(), taken);
        }
    }

    #[test]
    fn parsers_never_panic(text in "\\PC{0,60}", near in "[a-z(){}\\[\\].;|,=!<>~\"0-9:# +T-]{0,60}") {
        let ld = Ld::default();
        for t in [&text, &near] {
            let _ = Query::parse(t, &ld);
            let _ = TypeSelector::parse(t, &ld);
            let _ = ScopeQuery::parse(t);
            let _ = geoq::Relation::parse(t);
            let _ = ld.expand(t);
            let _ = model::parse_instant(t);
        }
    }

    #[test]
    fn bodies_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), body in tree()) {
        let contexts = dothi_context::ld::Contexts::default();
        let parsed = serde_json::from_slice::<Value>(&bytes).ok();
        for value in parsed.into_iter().chain([body]) {
            let _ = contexts.read(&value, 0);
            for form in [Form::WHOLE, Form::UPDATE, Form::PATCH, Form::MERGE, Form { simplified: true, ..Form::PATCH }] {
                let _ = parse::attribute("a", &"https://uri.etsi.org/ngsi-ld/default-context/a".into(), &value, &Ld::default(), form, 0);
                if let Some(object) = value.as_object()
                    && let Ok(draft) = parse::draft(object, &Ld::default(), form) {
                        let mut old = entity(&json!({"a": {"type": "Property", "value": {"x": 1}}}));
                        let _ = change::merge(&mut old, &draft, Some(1), 2);
                        let _ = change::append(&mut old, &draft, false, 2);
                        let _ = change::update(&mut old, &draft, 2);
                        let _ = shown(&old);
                    }
            }
        }
    }
}

/// JSON made of words that mean something here.
fn tree() -> BoxedStrategy<Value> {
    let words = || {
        prop::sample::select(vec![
            "type",
            "value",
            "object",
            "languageMap",
            "vocab",
            "json",
            "valueList",
            "objectList",
            "observedAt",
            "unitCode",
            "datasetId",
            "coordinates",
            "id",
            "scope",
            "@context",
            "a",
            "b",
            "location",
            "Property",
            "GeoProperty",
            "Relationship",
            "LanguageProperty",
            "Point",
            "Polygon",
            "urn:ngsi-ld:null",
            "urn:a:b",
            "@none",
            "2026-11-21T01:00:00Z",
        ])
    };
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<f64>().prop_map(Value::from), words().prop_map(Value::from)];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((words(), inner), 0..5).prop_map(|m| Value::Object(m.into_iter().map(|(k, v)| (k.to_string(), v)).collect()))
        ]
    })
    .boxed()
}
