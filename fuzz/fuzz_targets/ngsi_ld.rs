//! Entities and fragments: what is taken can be written, and what was written is taken again, under the core context and
//! under one with terms that a context should not have.
#![no_main]

use std::sync::LazyLock;

use dothi_context::change;
use dothi_context::ld::{Contexts, Ld};
use dothi_context::parse::{Form, draft};
use dothi_context::render::{View, entity};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

static CONTEXTS: LazyLock<[Ld; 2]> = LazyLock::new(|| {
    let odd = json!({"x": "https://x.org/", "p": {"@id": "https://x.org/p", "@prefix": true}, "vl": "ngsi-ld:hasValueList", "place": "ngsi-ld:location",
        "type": "https://x.org/t", "1": "https://x.org/one", "x:a": "https://y.org/a", "a b": "https://x.org/ab", "a": "https://x.org/a"});
    [Ld::default(), Contexts::default().read(&odd, 0).expect("the context is ours")]
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(bytes) else { return };
    CONTEXTS.iter().for_each(|ld| round(&body, ld));
});

fn round(body: &Map<String, Value>, ld: &Ld) {
    let fragment = draft(body, ld, Form::PATCH);
    let Ok(whole) = draft(body, ld, Form::WHOLE) else { return };
    let Some(id) = whole.id.clone() else { return };
    let Ok(mut thing) = change::create(id, &whole, 0) else { return };
    let view = View::default();
    let written = entity(&thing, ld, &view, 0);
    let again = draft(&written, ld, Form::WHOLE).unwrap_or_else(|e| panic!("{e}: {written:?}"));
    let read = change::create(thing.id.clone(), &again, 0).unwrap_or_else(|e| panic!("{e}: {written:?}"));
    assert_eq!(entity(&read, ld, &view, 0), written);
    if let Ok(fragment) = fragment {
        let _merged = change::merge(&mut thing, &fragment, None, 1);
    }
}
