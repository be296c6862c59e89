//! Filters of NGSI-LD queries, parsed and asked of a thing.
#![no_main]

use std::sync::LazyLock;

use dothi_context::geoq::GeoQuery;
use dothi_context::ld::Ld;
use dothi_context::model::Entity;
use dothi_context::parse::{Form, draft};
use dothi_context::q::Query;
use dothi_context::select::{ScopeQuery, TypeSelector};
use libfuzzer_sys::fuzz_target;

static THING: LazyLock<Entity> = LazyLock::new(|| {
    let body = serde_json::json!({
        "id": "urn:ngsi-ld:A:1", "type": ["A", "B"], "scope": ["/x/y"],
        "a": {"type": "Property", "value": 5.5, "observedAt": "2026-01-01T00:00:00Z", "unitCode": "C62", "b": {"type": "Property", "value": "t"}},
        "c": {"type": "Property", "value": {"d": [1, {"e": "x"}]}}, "r": {"type": "Relationship", "object": "urn:ngsi-ld:B:1"},
        "l": {"type": "LanguageProperty", "languageMap": {"en": "x", "vi": "y"}},
        "location": {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [[[105.0, 20.0], [106.0, 20.0], [106.0, 21.0], [105.0, 20.0]]]}},
    });
    let draft = draft(body.as_object().unwrap(), &Ld::default(), Form::WHOLE).unwrap();
    dothi_context::change::create(draft.id.clone().unwrap(), &draft, 0).unwrap()
});

fuzz_target!(|text: &str| {
    let ld = Ld::default();
    if let Ok(q) = Query::parse(text, &ld) {
        let _answer = q.matches(&THING, 0, &|_| None);
    }
    if let Ok(selector) = TypeSelector::parse(text, &ld) {
        let _answer = selector.matches(&THING.types);
    }
    if let Ok(scope) = ScopeQuery::parse(text) {
        let _answer = scope.matches(&THING.scope);
    }
    let mut parts = text.splitn(3, '\n');
    if let (Some(relation), Some(geometry), Some(coordinates)) = (parts.next(), parts.next(), parts.next())
        && let Ok(coordinates) = serde_json::from_str(coordinates)
        && let Ok(geo) = GeoQuery::new(relation, geometry, &coordinates, None)
    {
        let _answer = geo.matches(&THING, 0);
    }
});
